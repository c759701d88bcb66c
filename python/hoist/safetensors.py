"""Drop-in for safetensors: the same names, signatures, objects and errors; the file is made resident by hoist first.

The original library does the reading. hoistd holds the file's pages while tensors of it live, so that the next process
reads from memory. With device="cuda" (or "cuda:N") and torch, hoistd fills memory of this process alone on that card, when it serves the card,
and the tensors are that memory. Without a daemon, or for a file it does not know, this is plain safetensors.

    from hoist.safetensors import load_file, safe_open
"""
import functools
import inspect
import types
from typing import TYPE_CHECKING, Any, Dict, Optional

import safetensors as _original

from ._card_file import CardFile, attach, named
from ._lease import Lease, hold, stats

if TYPE_CHECKING:
    import torch
    from safetensors.torch import load_file

__all__ = ["load_file", "safe_open", "stats"]

original_safe_open = getattr(_original.safe_open, "hoist_original", _original.safe_open)


def _argument(place: int, name: str, args: Any, kwargs: Any) -> Any:
    return args[place] if place < len(args) else kwargs.get(name)


def _hold_argument(args: Any, kwargs: Any) -> Optional[Lease]:
    filename = _argument(0, "filename", args, kwargs)
    return hold(filename) if filename is not None else None


def _keep_all(lease: Optional[Lease], tensors: Dict[str, Any]) -> Dict[str, Any]:
    if lease is not None:
        for tensor in tensors.values():
            lease.keep_for(tensor)
    return tensors


class _Slice:
    """A slice of safetensors that keeps the lease; it may outlive the safe_open it came from."""

    def __init__(self, inner: Any, lease: Lease) -> None:
        self._inner = inner
        self._lease = lease

    def __getitem__(self, index: Any) -> Any:
        return self._lease.keep_for(self._inner[index])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __repr__(self) -> str:
        return repr(self._inner)


class safe_open:
    """safetensors.safe_open on a file that hoist holds resident. Arguments, methods, results and errors are the original's."""

    hoist_original = original_safe_open

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._filename = _argument(0, "filename", args, kwargs)
        self._card = named(_argument(1, "framework", args, kwargs), _argument(2, "device", args, kwargs))  # asked for and not tried yet
        self._on_card: Optional[CardFile] = None
        self._lease = _hold_argument(args, kwargs) if self._card is None else None
        self._inner = original_safe_open(*args, **kwargs)

    def _reach(self) -> None:
        """Have the tensors put on the card when one is first asked for, or else the file held."""
        if self._card is None:
            return
        card, self._card = self._card, None
        self._on_card = attach(self._filename, card, self._inner.keys())
        if self._on_card is None:
            self._lease = hold(self._filename)

    def _take(self, name: str) -> Any:
        """A tensor from the card; None when it is not to be had there, and the original is to be asked."""
        self._reach()
        return self._on_card.take(name) if self._on_card is not None else None

    def __enter__(self) -> "safe_open":
        self._inner.__enter__()
        return self

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> Any:
        self._lease = self._on_card = self._card = None
        return self._inner.__exit__(exc_type, exc_value, traceback)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"'safe_open' object has no attribute {name!r}")
        return getattr(self._inner, name)

    def __dir__(self) -> Any:
        return dir(self._inner)

    def __repr__(self) -> str:
        return repr(self._inner)

    def get_tensor(self, name: str) -> Any:
        """One tensor."""
        tensor = self._take(name)
        if tensor is not None:
            return tensor
        lease, tensor = self._lease, self._inner.get_tensor(name)
        return tensor if lease is None else lease.keep_for(tensor)

    def get_tensors(self) -> Dict[str, Any]:
        """Every tensor."""
        self._reach()
        if self._on_card is not None:
            return {name: self.get_tensor(name) for name in self._inner.offset_keys()}
        lease = self._lease
        return _keep_all(lease, self._inner.get_tensors())

    def get_slice(self, name: str) -> Any:
        """A tensor to be sliced."""
        if self._card is not None:  # parts of tensors are read from the file, which need not be on the card for that
            self._card, self._lease = None, hold(self._filename)
        lease, inner = self._lease, self._inner.get_slice(name)
        return inner if lease is None else _Slice(inner, lease)


try:
    safe_open.__signature__ = inspect.signature(original_safe_open)  # type: ignore[attr-defined]
    safe_open.__doc__ = original_safe_open.__doc__
except (TypeError, ValueError):
    pass


def _through_ours(function: Any) -> Any:
    """The same function of safetensors, opening files by the safe_open of this module."""
    through = types.FunctionType(function.__code__, {**function.__globals__, "safe_open": safe_open}, function.__name__, function.__defaults__)
    through.__kwdefaults__ = function.__kwdefaults__
    return through


def _make_load_file() -> Any:
    import safetensors.torch

    @functools.wraps(safetensors.torch.load_file)
    def load_file(*args: Any, **kwargs: Any) -> "Dict[str, torch.Tensor]":
        if safetensors.torch.safe_open is safe_open:  # patched: the original holds the file by itself
            return safetensors.torch.load_file(*args, **kwargs)
        if named("pt", _argument(1, "device", args, kwargs)) is not None:
            return _through_ours(safetensors.torch.load_file)(*args, **kwargs)
        lease = _hold_argument(args, kwargs)
        return _keep_all(lease, safetensors.torch.load_file(*args, **kwargs))

    return load_file


def __getattr__(name: str) -> Any:
    if name != "load_file":  # made when asked for, because it needs torch
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = _make_load_file()
    return globals()[name]
