"""Names of devices: as people write them, as libhoist takes them, as the daemon knows them."""
import sys
from typing import Any, Optional

from . import _core
from .errors import DeviceError

_CARDS = ("cuda", "GPU-", "MIG-")


def _refuse(device: str) -> DeviceError:
    return DeviceError(f"there is no device {device!r}: it is 'cpu', 'cuda' or 'cuda:N'", code="device_not_found", category="device", status=-11,
                       recommended_actions=[{"action": "choose_other", "text": "open with device='cpu' and copy from there"}])


def _current() -> str:
    """What "cuda" means: to a program that computes with torch, torch's current device; else the first card."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return f"cuda:{torch.cuda.current_device()}"
    return "cuda"


def to_open(device: Any) -> Optional[str]:
    """A device (a name or a torch.device) as libhoist opens it; None is RAM. DeviceError for what is neither RAM nor a card."""
    name = str(device)
    if name.partition(":")[0] in ("cpu", "host"):
        return None
    if not name.startswith(_CARDS):
        raise _refuse(name)
    return _current() if name == "cuda" else name


def to_ask(device: Any) -> Optional[str]:
    """A device as the daemon is asked about it. `cuda:N` is this process's own number, and the daemon may have another: the card is
    named by its UUID, and DeviceError raised when this process sees no such card. UUIDs and all else are said as they are."""
    if device is None:
        return None
    name = str(device)
    if name == "cpu":
        return "host:0"
    if name.partition(":")[0] != "cuda":
        return name
    return _core.find_device(_current() if name == "cuda" else name)[1]
