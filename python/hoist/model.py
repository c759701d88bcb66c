"""An open model: its tensors, zero-copy."""
import importlib
from collections.abc import Mapping as AbstractMapping
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional

from .errors import CompatibilityError, NotFound

if TYPE_CHECKING:
    import numpy
    import torch


class _Tensors(AbstractMapping):
    """Tensors by their key in the file, in the order of the file. Each is made once, when it is first asked for."""

    def __init__(self, model: Any, names: Dict[str, int], kind: str) -> None:
        self._model = model
        self._names = names
        self._kind = importlib.import_module("." + kind, __package__)
        self._made: Dict[str, Any] = {}

    def __getitem__(self, key: str) -> Any:
        tensor = self._made.get(key)
        if tensor is None:
            tensor = self._made.setdefault(key, self._kind.one(self._model, self._names[key]))
        return tensor

    def _all(self) -> Dict[str, Any]:
        if len(self._made) < len(self._names):
            made = self._kind.several(self._model, self._names)
            self._made = {**made, **self._made}
        return self._made

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, key: object) -> bool:
        return key in self._names

    def keys(self) -> Any:
        """Keys as in the file."""
        return self._names.keys()

    def items(self) -> Any:
        """Keys and tensors; makes all of them at once."""
        return self._all().items()

    def values(self) -> Any:
        """Tensors; makes all of them at once."""
        return self._all().values()

    def copy(self) -> Dict[str, Any]:
        """A dict of all tensors (what load_state_dict wants); the tensors are the same objects."""
        return dict(self._all())

    def __repr__(self) -> str:
        return f"<{len(self._names)} tensors of {self._model.id}>"


class OpenModel:
    """A model, or some of its components, mapped into this process.

    Tensors are writable, and private: a write changes this process's copy of the page and nobody else's. They stay valid after
    close() and after the client is gone; the lease ends with the last of them."""

    def __init__(self, model: Any) -> None:
        self._model: Any = model
        self.id: str = model.id
        self.components: List[str] = model.components
        self.mapped_bytes: int = model.mapped_bytes

    def _names(self, component: Optional[str]) -> Dict[str, int]:
        if self._model is None:
            raise ValueError(f"{self.id} is closed")
        if component is not None and component not in self.components:
            raise NotFound(f"{self.id} has no component {component!r} open; it has {', '.join(self.components)}",
                           code="component_not_found", category="request", severity="low", status=-10)
        return self._model.names(-1 if component is None else self.components.index(component))

    def keys(self, component: Optional[str] = None) -> List[str]:
        """Keys of the tensors of a component, or of all, in the order of the file."""
        return list(self._names(component))

    def tensors(self, component: Optional[str] = None) -> Mapping[str, "torch.Tensor"]:
        """The tensors of a component, or of all, by their key in the file. KeyError when two components have the same key."""
        return _Tensors(self._model, self._names(component), "_torch")

    def numpy(self, component: Optional[str] = None) -> Mapping[str, "numpy.ndarray"]:
        """The same as NumPy arrays. bf16 and fp8 as ml_dtypes has them, or as uint16 and uint8 without it; F4, F6 as raw uint8."""
        return _Tensors(self._model, self._names(component), "_numpy")

    def raw(self, key: str, component: Optional[str] = None) -> Any:
        """One tensor as an object with name, dtype, shape, nbytes, the buffer protocol and __dlpack__."""
        index = self._names(component)[key]
        return self._model.view(index)

    def close(self) -> None:
        """Let go of the model; tensors that were taken stay valid."""
        self._model = None

    def __enter__(self) -> "OpenModel":
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<hoist.OpenModel {self.id} {'closed' if self._model is None else ', '.join(self.components)}>"


def assign(module: "torch.nn.Module", model_id: str, device: str = "cpu", *, component: Optional[str] = None,
           precision: Optional[str] = None, client: Any = None, strict: bool = True) -> "torch.nn.Module":
    """Give a module, for example one built on the meta device, the weights of a model without copying them.

    precision: as in Client.open(); None = as stored. strict: CompatibilityError when keys are missing or unexpected. Returns the
    module, which keeps the lease."""
    from .client import connect

    client = client or connect()
    with client.open(model_id, device=device, components=[component] if component else None, precision=precision) as model:
        try:
            module.load_state_dict(model.tensors(component).copy(), strict=strict, assign=True)
        except RuntimeError as error:
            raise CompatibilityError(str(error), code="incompatible", category="compatibility", status=-36) from error
    return module
