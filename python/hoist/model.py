"""An open model: its tensors, zero-copy."""
import importlib
from collections.abc import Mapping as AbstractMapping
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional

from . import _device
from .errors import CompatibilityError, DeviceError, NotFound

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

    device is "cpu" or "cuda:N", device_uuid the card's; shared says whether it is the one copy of a card. Tensors in RAM are writable
    and private: a write changes this process's copy of the page and nobody else's. On a card they are writable memory of this process
    alone, or, when shared, the one copy that every process reads: torch has no read-only tensors, so an in-place write to a shared one
    is not refused but fails as a fault of the CUDA context of the process that writes, which then has to start anew; it changes nobody's
    weights. Tensors stay valid after close() and after the client is gone; the lease ends with the last of them. A forked child can use
    those in RAM and none on a card, as with everything of CUDA."""

    def __init__(self, model: Any) -> None:
        self._model: Any = model
        self.id: str = model.id
        self.device: str = model.device
        self.device_uuid: str = model.device_uuid
        self.shared: bool = model.shared
        self.components: List[str] = model.components
        self.mapped_bytes: int = model.mapped_bytes
        self._listed: Dict[Optional[str], Dict[str, int]] = {}

    def _names(self, component: Optional[str]) -> Dict[str, int]:
        if self._model is None:
            raise ValueError(f"{self.id} is closed")
        if component is not None and component not in self.components:
            raise NotFound(f"{self.id} has no component {component!r} open; it has {', '.join(self.components)}",
                           code="component_not_found", category="request", severity="low", status=-10)
        if component not in self._listed:
            self._listed[component] = self._model.names(-1 if component is None else self.components.index(component))
        return self._listed[component]

    def keys(self, component: Optional[str] = None) -> List[str]:
        """Keys of the tensors of a component, or of all, in the order of the file."""
        return list(self._names(component))

    def tensors(self, component: Optional[str] = None) -> Mapping[str, "torch.Tensor"]:
        """The tensors of a component, or of all, by their key in the file. KeyError when two components have the same key; DeviceError
        when they are on a card and this torch was built without CUDA."""
        importlib.import_module("._torch", __package__).check_device(self.device)
        return _Tensors(self._model, self._names(component), "_torch")

    def numpy(self, component: Optional[str] = None) -> Mapping[str, "numpy.ndarray"]:
        """The same as NumPy arrays. bf16 and fp8 as ml_dtypes has them, or as uint16 and uint8 without it; F4, F6 as raw uint8.
        DeviceError on a card."""
        if self.device != "cpu":
            raise DeviceError(f"{self.id} is on {self.device}, where NumPy has no arrays: take tensors(), or raw(key) by DLPack, or open it with "
                              "device='cpu'", code="invalid_argument", category="request", status=-2)
        return _Tensors(self._model, self._names(component), "_numpy")

    def raw(self, key: str, component: Optional[str] = None) -> Any:
        """One tensor as an object with name, dtype, shape, nbytes, device, shared and __dlpack__; in RAM with the buffer protocol, on a
        card with __cuda_array_interface__ (of the types that NumPy has). A shared one is read-only to both, so it is given only to
        consumers that ask for DLPack 1.0."""
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


def _freeze(module: "torch.nn.Module", names: Any) -> None:
    for name, parameter in module.named_parameters(remove_duplicate=False):
        if name in names:
            parameter.requires_grad_(False)


def assign(module: "torch.nn.Module", model_id: str, device: str = "cpu", *, component: Optional[str] = None,
           precision: Optional[str] = None, client: Any = None, strict: bool = True, share: bool = False) -> "torch.nn.Module":
    """Give a module, for example one built on the meta device, the weights of a model without copying them.

    device: "cpu", "cuda" or "cuda:N". precision: as in Client.open(); None = as stored. strict: CompatibilityError when keys are
    missing or unexpected. share: on a card, use the one copy that all processes read; parameters then have requires_grad=False, and
    nothing may write to them or to buffers (an optimizer, batch norm in train mode): that is a CUDA fault of this process alone. In RAM
    share says nothing. DeviceError, before anything is loaded, when this torch has no such device. Returns the module, which keeps the
    lease."""
    from .client import connect

    importlib.import_module("._torch", __package__).check_device(_device.to_open(device))
    client = client or connect()
    with client.open(model_id, device=device, components=[component] if component else None, precision=precision, share=share) as model:
        tensors = model.tensors(component).copy()
        try:
            module.load_state_dict(tensors, strict=strict, assign=True)
        except RuntimeError as error:
            raise CompatibilityError(str(error), code="incompatible", category="compatibility", status=-36) from error
        if model.shared:
            _freeze(module, tensors)
    return module
