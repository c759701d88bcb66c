"""HOIST_PATCH=1: patch safetensors at the moment a program imports it. Imported by hoist_patch.pth at the start of Python,
so it imports next to nothing and never fails."""
import importlib.abc
import importlib.machinery
import sys
from typing import Any

TARGET = "safetensors"


class _Loader(importlib.abc.Loader):
    """Run the real loader, then patch."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def create_module(self, spec: Any) -> Any:
        return self._inner.create_module(spec)

    def exec_module(self, module: Any) -> None:
        self._inner.exec_module(module)
        try:
            from ._patch import patch_safetensors

            patch_safetensors()
        except Exception as error:  # the program must run as it would without hoist
            print(f"hoist: safetensors is not patched: {error}", file=sys.stderr)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _Finder(importlib.abc.MetaPathFinder):
    """Wraps the loader of safetensors, once."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        if fullname != TARGET:
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


def install() -> None:
    """Wait for the import of safetensors."""
    if TARGET not in sys.modules:
        sys.meta_path.insert(0, _Finder())


install()
