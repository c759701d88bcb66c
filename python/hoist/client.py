"""The client: find models, open them, and every verb of the daemon."""
import json
import os
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence
from urllib.parse import quote, urlencode

from . import _core, _device
from ._pool import Pool
from .errors import DeviceError
from .model import OpenModel

PAGE = 500  # models asked for at once
POLL_MS = 250  # how often a wait for an event looks for Ctrl-C


@dataclass(frozen=True)
class Model:
    """A model as the catalog knows it. What the daemon does not know is None or empty.

    components are roles ("unet", "vae"); size_bytes counts its files, parameters its elements; raw is the daemon's whole answer."""

    model_id: str
    name: Optional[str] = None
    type: Optional[str] = None
    family: Optional[str] = None
    variant: Optional[str] = None
    format: Optional[str] = None
    path: Optional[str] = None
    size_bytes: Optional[int] = None
    precision: Optional[str] = None
    parameters: Optional[int] = None
    state: Optional[str] = None
    is_cached: Optional[bool] = None
    components: List[str] = field(default_factory=list)
    loaded_on: List[str] = field(default_factory=list)
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Model":
        """Make one of the object that the daemon sends."""
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data and name not in ("raw", "components")}
        known["components"] = [_role(component) for component in data.get("components") or []]
        return cls(**known, raw=data)


def _role(component: Any) -> str:
    if isinstance(component, str):
        return component.rpartition(":")[2]
    return component.get("component_type") or component["component_id"].rpartition(":")[2]


@dataclass(frozen=True)
class Event:
    """Something that happened: its number, its name ("job.progress"), and what the daemon says about it."""

    id: int
    name: str
    data: Dict[str, Any]


class EventStream(Iterator[Event]):
    """Events as they come. Subscribed when it is made; `for` waits without end; close() or `with` ends it."""

    def __init__(self, socket: Optional[str], last_event_id: int = 0) -> None:
        self._events = _core.Events(socket, last_event_id)

    def next(self, timeout: Optional[float] = None) -> Optional[Event]:
        """The next event, or None when `timeout` seconds passed without one."""
        left_ms = None if timeout is None else max(0, int(timeout * 1000))
        while True:
            step = POLL_MS if left_ms is None else min(POLL_MS, left_ms)
            text = self._events.next(step)
            if text is not None:
                event = json.loads(text)
                return Event(event["id"], event["event"], event["data"])
            if left_ms is not None:
                left_ms -= step
                if left_ms <= 0:
                    return None

    def __next__(self) -> Event:
        event = self.next()
        if event is None:
            raise StopIteration
        return event

    def close(self) -> None:
        """End the subscription."""
        self._events.close()

    def __enter__(self) -> "EventStream":
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()


class Client:
    """A client of one daemon. Any number of threads may use it; it works after fork and can be pickled for spawn.

    Closing it ends no lease: open models and their tensors stay."""

    def __init__(self, socket: Optional[str] = None, timeout: float = 5.0) -> None:
        self._socket = os.fspath(socket) if socket is not None else None
        self._timeout = timeout
        self._pool = Pool(self._socket, max(1, int(timeout * 1000)))
        self._pool.run(lambda connection: connection.fileno())

    def __reduce__(self) -> Any:
        return connect, (self._socket, self._timeout)

    def __repr__(self) -> str:
        return f"<hoist.Client socket={self._socket or 'default'}>"

    def close(self) -> None:
        """Close its connections."""
        self._pool.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()

    def call(self, method: str, path: str, body: Optional[Mapping[str, Any]] = None, *, timeout: Optional[float] = None) -> Any:
        """Call a verb of the HTTP API and return its `data`. `timeout` in seconds; None = the client's; negative = without end."""
        text = json.dumps(body) if body is not None else None
        timeout_ms = 0 if timeout is None else -1 if timeout < 0 else max(1, int(timeout * 1000))
        answer = self._pool.run(lambda connection: connection.call(method, path, text, timeout_ms))
        return json.loads(answer)["data"]

    def models(self, type: Optional[str] = None, family: Optional[str] = None, search: Optional[str] = None) -> List[Model]:
        """The models of the catalog, filtered, in the order of their ids."""
        path = "/api/model/available" + (f"/{quote(type)}" if type else "")
        filters = {key: value for key, value in (("family", family), ("search", search)) if value}
        found: List[Model] = []
        while True:
            page = self.call("GET", f"{path}?{urlencode({**filters, 'limit': PAGE, 'offset': len(found)})}")["models"]
            found.extend(Model.from_json(model) for model in page)
            if len(page) < PAGE:
                return found

    def model(self, model_id: str) -> Model:
        """One model; NotFound when there is none."""
        return Model.from_json(self.call("GET", f"/api/models/{quote(model_id, safe='')}"))

    def open(self, model_id: str, device: str = "cpu", components: Optional[Sequence[str]] = None,
             precision: Optional[str] = None, *, domain: Optional[str] = None, timeout: Optional[float] = None, share: bool = False) -> OpenModel:
        """Cache and load the model if needed, and map it. `timeout` in seconds bounds the load; None = without end.

        device: "cpu" maps the copy in RAM, copy-on-write. "cuda", "cuda:N" (this process's numbers) or a card's UUID: memory of that card,
        in its primary context, which is torch's. share=False fills memory for this lease alone, which may be written; share=True maps the
        one copy that all processes read (OpenModel says what a write to it does). In RAM share says nothing.

        Raises NotFound, OutOfMemory, FormatError, CompatibilityError, DeviceError (no such device here, or no driver for it, or the
        daemon does not serve it), LoadingError."""
        name = _device.to_open(device)
        roles = tuple(components) if components is not None else None
        timeout_ms = 0 if timeout is None else max(1, int(timeout * 1000))
        return OpenModel(self._pool.run(
            lambda connection: connection.open(model_id, name, roles, precision, domain, timeout_ms, share)))

    def events(self, last_event_id: int = 0) -> EventStream:
        """Subscribe to what happens in the daemon. `last_event_id` replays the kept events after it; 0 = only new ones."""
        return EventStream(self._socket, last_event_id)

    def copy_into(self, tensor: Any, model: OpenModel, key: str, component: Optional[str] = None) -> Any:
        """Copy a tensor of `model` into `tensor`, the caller's own memory (a pinned buffer, a module's parameter).

        Shapes must be equal; the element type is converted when it differs. Returns `tensor`. Works on torch tensors (also on a
        device) and NumPy arrays. DeviceError when `tensor` is shared memory of a card, which may only be read."""
        if hasattr(tensor, "copy_"):
            _check_target(key, tensor)
            weights = model.tensors(component)[key]
            _check_shapes(key, weights.shape, tensor.shape)
            tensor.detach().copy_(weights)
        else:
            array = model.numpy(component)[key]
            _check_shapes(key, array.shape, tensor.shape)
            tensor[...] = array
        return tensor

    def load(self, model_id: str, device: Optional[str] = None, components: Optional[Sequence[str]] = None, *,
             precision: Optional[str] = None, pin: Optional[bool] = None, wait: bool = True) -> Any:
        """Load to a device: the job with its steps. None = the default one; `cuda:N` is this process's number, as in open(), or DeviceError."""
        body = _body(model_id=model_id, components=_list(components), precision=precision, pin=pin, wait=wait)
        return self.call("POST", "/api/model/load" + _tail(_device.to_ask(device)), body, timeout=-1)

    def unload(self, model_id: Optional[str] = None, device: Optional[str] = None, components: Optional[Sequence[str]] = None) -> Any:
        """Unload from a device (as in load()); no model = all that nobody holds."""
        return self.call("DELETE", "/api/model/unload" + _tail(_device.to_ask(device)), _body(model_id=model_id, components=_list(components)))

    def cache(self, model_id: str, *, precision: Optional[str] = None, pin: Optional[bool] = None) -> Any:
        """Bring a model into RAM."""
        return self.call("POST", "/api/model/cache", _body(model_id=model_id, precision=precision, pin=pin), timeout=-1)

    def evict(self, model_id: Optional[str] = None, component_id: Optional[str] = None) -> Any:
        """Free RAM: of a component, of a model, or of all that nobody holds. Answers the bytes really freed."""
        return self.call("DELETE", "/api/model/cache" + _tail(component_id), _body(model_id=model_id))

    def status(self, device: Optional[str] = None) -> Any:
        """What is loaded where, and how much memory is used and free; of one device, named as in load(), or of all."""
        return self.call("GET", "/api/model/status" + _tail(_device.to_ask(device)))


def _check_shapes(key: str, source: Any, target: Any) -> None:
    if tuple(source) != tuple(target):
        raise ValueError(f"{key} has shape {tuple(source)}, the target {tuple(target)}")


def _check_target(key: str, tensor: Any) -> None:
    if tensor.device.type != "meta" and _core.is_shared(tensor.data_ptr()):
        raise DeviceError(f"{key} cannot be copied there: the target is memory of a card that other processes read, too; open with share=False for "
                          "memory of your own", code="invalid_argument", category="request", status=-2)


def _list(items: Optional[Sequence[str]]) -> Optional[List[str]]:
    return None if items is None else list(items)


def _body(**fields: Any) -> Optional[Dict[str, Any]]:
    given = {key: value for key, value in fields.items() if value is not None}
    return given or None


def _tail(part: Optional[str]) -> str:
    return "" if part is None else "/" + quote(part, safe=":")


def connect(socket: Optional[str] = None, timeout: float = 5.0) -> Client:
    """Connect to hoistd. `socket` None: $HOIST_SOCKET, then the default places. `timeout` in seconds bounds the connection and
    every answer that does not wait for a load. Raises DaemonUnreachable when no daemon answers."""
    return Client(socket, timeout)
