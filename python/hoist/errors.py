"""Exceptions. Each carries the fields of the daemon's error object."""
import json
from typing import Any, Dict, List, Optional, Type


class HoistError(Exception):
    """Something hoist was asked for did not work.

    code: the cause as a word, "model_not_found"
    category: loading, memory, compatibility, device, io, format, worker, request or internal
    severity: low, medium, high or critical; None when the failure is on this side of the socket
    message: one sentence
    recoverable: may the same request succeed later?
    recommended_actions: what to do, most useful first: [{"action": ..., "text": ...}]
    details: figures that belong to it, for example required_bytes
    status: the negative number of the code
    """

    def __init__(self, message: str, *, code: str = "internal", category: str = "internal", severity: Optional[str] = None,
                 recoverable: bool = False, recommended_actions: Optional[List[Dict[str, Any]]] = None,
                 details: Optional[Dict[str, Any]] = None, status: int = -99) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.category = category
        self.severity = severity
        self.recoverable = recoverable
        self.recommended_actions = recommended_actions or []
        self.details = details or {}
        self.status = status

    def __reduce__(self) -> Any:
        return _rebuild, (type(self), self.message, {k: v for k, v in self.__dict__.items() if k != "message"})


class LoadingError(HoistError):
    """A load failed or was cancelled; nothing was changed."""


class OutOfMemory(HoistError):
    """It does not fit; details has required_bytes, available_bytes and evictable_bytes."""


class CompatibilityError(HoistError):
    """The model cannot do what was asked."""


class DeviceError(HoistError):
    """No such device here, or it failed."""


class FormatError(HoistError):
    """The file is malformed, unsafe or of no known format."""


class NotFound(HoistError):
    """No such model, component, job or tensor."""


class WorkerError(HoistError):
    """A worker is not running, or reported an error."""


class DaemonUnreachable(HoistError):
    """No hoistd answers on the socket."""


_BY_CODE: Dict[str, Type[HoistError]] = {
    "unreachable": DaemonUnreachable, "not_found": NotFound, "model_not_found": NotFound, "component_not_found": NotFound,
    "job_not_found": NotFound, "device_not_found": DeviceError, "nomem": OutOfMemory,
}
_BY_CATEGORY: Dict[str, Type[HoistError]] = {
    "loading": LoadingError, "memory": OutOfMemory, "compatibility": CompatibilityError, "device": DeviceError,
    "format": FormatError, "worker": WorkerError,
}


def _rebuild(kind: Type[HoistError], message: str, fields: Dict[str, Any]) -> HoistError:
    error = kind(message)
    error.__dict__.update(fields)
    return error


def _parse(text: Optional[str]) -> Dict[str, Any]:
    try:
        value = json.loads(text) if text else {}
    except ValueError:
        value = {}
    return value if isinstance(value, dict) else {}


def make(status: int, code: str, category: str, message: str, text: Optional[str] = None) -> HoistError:
    """The exception for a failure that libhoist reports; `text` is the error object as JSON, if the daemon sent one."""
    fields = _parse(text)
    kind = _BY_CODE.get(code) or _BY_CATEGORY.get(category, HoistError)
    return kind(
        str(fields.get("message") or message), code=code, category=category, severity=fields.get("severity"),
        recoverable=bool(fields.get("recoverable", code in ("unreachable", "busy"))),
        recommended_actions=fields.get("recommended_actions"), details=fields.get("details"), status=status)
