"""hoist: one copy of every model's weights per machine, in any process in milliseconds.

>>> client = hoist.connect()
>>> with client.open("sdxl-base", components=["vae"]) as model:
...     weights = model.tensors()

Importing it costs little: the extension, torch and safetensors are imported when first needed."""
import importlib
from typing import TYPE_CHECKING, Any, List

from .errors import (
    CompatibilityError,
    DaemonUnreachable,
    DeviceError,
    FormatError,
    HoistError,
    LoadingError,
    NotFound,
    OutOfMemory,
    WorkerError,
)

if TYPE_CHECKING:
    from ._patch import patch_safetensors, unpatch_safetensors
    from .client import Client, Event, EventStream, Model, connect
    from .model import OpenModel, assign
    from .worker import Worker, operation

_LAZY = {
    "connect": "client", "Client": "client", "Model": "client", "Event": "client", "EventStream": "client",
    "OpenModel": "model", "assign": "model",
    "patch_safetensors": "_patch", "unpatch_safetensors": "_patch",
    "Worker": "worker", "operation": "worker",
}

__version__ = "0.1.0"
__all__ = [
    "connect", "Client", "Model", "OpenModel", "Event", "EventStream", "assign", "patch_safetensors", "unpatch_safetensors",
    "Worker", "operation", "HoistError", "LoadingError", "OutOfMemory", "CompatibilityError", "DeviceError", "FormatError",
    "NotFound", "DaemonUnreachable", "WorkerError",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module("." + _LAZY[name], __name__), name)
    if name == "safetensors":
        return importlib.import_module(".safetensors", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> List[str]:
    return sorted([*globals(), *_LAZY])
