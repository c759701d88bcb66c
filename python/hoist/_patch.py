"""Let programs that call safetensors load through hoist unchanged.

One name is replaced: safetensors.safe_open, which load_file and every framework's loader use. Modules that bound the name
earlier are found by a sweep of sys.modules. Not reached: the name in a closure, a default argument or an instance."""
import sys
from typing import Any


def _sweep(old: Any, new: Any) -> int:
    """Replace `old` by `new` wherever a module has it under any global name. Returns how many names changed."""
    changed = 0
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", None)
        if not isinstance(names, dict) or names.get("__name__") in ("hoist.safetensors", "safetensors._safetensors_rust"):
            continue
        for name, value in list(names.items()):
            if value is old:
                names[name] = new
                changed += 1
    return changed


def patch_safetensors() -> None:
    """From now on safetensors' loaders hold their files through hoist; doing it twice changes nothing."""
    import safetensors

    from . import safetensors as ours

    _sweep(ours.original_safe_open, ours.safe_open)
    setattr(safetensors, "safe_open", ours.safe_open)


def unpatch_safetensors() -> None:
    """Give the original back. Files that are held stay held as long as their tensors live."""
    import safetensors

    from . import safetensors as ours

    _sweep(ours.safe_open, ours.original_safe_open)
    setattr(safetensors, "safe_open", ours.original_safe_open)
