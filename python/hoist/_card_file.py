"""The tensors of a safetensors file on a card: private memory that the daemon fills, as safetensors itself would give them.

safetensors gives a tensor of its own at every call, so each of ours is handed out once; and nothing here raises: what is not as
safetensors would have it, safetensors does."""
import re
from typing import Any, Dict, Optional

from . import _lease

_FRAMEWORKS = ("pt", "torch", "pytorch")
_CARD = re.compile(r"cuda(:\d+)?")
_RAW = ("F6_E2M3", "F6_E3M2")  # torch has no name for them


def named(framework: Any, device: Any) -> Optional[str]:
    """The card that the arguments of safe_open name, for torch; None for any other device or framework."""
    if framework not in _FRAMEWORKS:
        return None
    if isinstance(device, int) and not isinstance(device, bool):
        return f"cuda:{device}"
    return device if isinstance(device, str) and _CARD.fullmatch(device) else None


def _attach(filename: Any, device: str) -> Any:
    from . import _device, _torch

    _torch.check_device(device)
    _torch.wake(device)
    return _lease.put(filename, _device.to_open(device))


class CardFile:
    """The tensors of a file on a card, for who takes each of them once."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._left: Dict[str, int] = model.names(-1)

    def take(self, name: str) -> Any:
        """A tensor that was not given yet; None when it was, when there is none, or when torch has no name for its type."""
        from . import _torch

        index = self._left.pop(name, None) if isinstance(name, str) else None
        if index is None or self._model.view(index).dtype in _RAW:
            return None
        return _torch.one(self._model, index)

    def has_all(self, names: Any) -> bool:
        """Are these its tensors, all and none else? Before any was taken."""
        return self._left.keys() == set(names)


def attach(filename: Any, device: str, names: Any) -> Optional[CardFile]:
    """Have the file with these tensors put on the card; None when the daemon cannot, for whatever reason."""
    try:
        model = _attach(filename, device)
        found = CardFile(model) if model is not None else None
    except Exception:  # no torch with CUDA, no driver, two tensors of a name: safetensors alone
        return None
    return found if found is not None and found.has_all(names) else None
