"""Drop-in for safetensors: the same names, signatures, objects and errors; the file is made resident by hoist first.

The original library does the reading. hoistd holds the file's pages while tensors of it live, so that the next process
reads from memory. Without a daemon, or for a file it does not know, this is plain safetensors.

    from hoist.safetensors import load_file, safe_open
"""
import functools
import inspect
from typing import TYPE_CHECKING, Any, Dict, Optional

import safetensors as _original

from ._lease import Lease, hold, stats

if TYPE_CHECKING:
    import torch
    from safetensors.torch import load_file

__all__ = ["load_file", "safe_open", "stats"]

original_safe_open = getattr(_original.safe_open, "hoist_original", _original.safe_open)


def _hold_argument(args: Any, kwargs: Any) -> Optional[Lease]:
    filename = args[0] if args else kwargs.get("filename")
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
        self._lease = _hold_argument(args, kwargs)
        self._inner = original_safe_open(*args, **kwargs)

    def __enter__(self) -> "safe_open":
        self._inner.__enter__()
        return self

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> Any:
        self._lease = None
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
        lease, tensor = self._lease, self._inner.get_tensor(name)
        return tensor if lease is None else lease.keep_for(tensor)

    def get_tensors(self) -> Dict[str, Any]:
        """Every tensor."""
        lease = self._lease
        return _keep_all(lease, self._inner.get_tensors())

    def get_slice(self, name: str) -> Any:
        """A tensor to be sliced."""
        lease, inner = self._lease, self._inner.get_slice(name)
        return inner if lease is None else _Slice(inner, lease)


try:
    safe_open.__signature__ = inspect.signature(original_safe_open)  # type: ignore[attr-defined]
    safe_open.__doc__ = original_safe_open.__doc__
except (TypeError, ValueError):
    pass


def _make_load_file() -> Any:
    import safetensors.torch

    @functools.wraps(safetensors.torch.load_file)
    def load_file(*args: Any, **kwargs: Any) -> "Dict[str, torch.Tensor]":
        if safetensors.torch.safe_open is safe_open:  # patched: the original holds the file by itself
            return safetensors.torch.load_file(*args, **kwargs)
        lease = _hold_argument(args, kwargs)
        return _keep_all(lease, safetensors.torch.load_file(*args, **kwargs))

    return load_file


def __getattr__(name: str) -> Any:
    if name != "load_file":  # made when asked for, because it needs torch
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = _make_load_file()
    return globals()[name]
