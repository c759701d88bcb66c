"""Hold a file resident while something in this process reads it, or have its tensors put on a card: the daemon's part of the
safetensors drop-in.

Nothing here raises: what hoist cannot do, plain safetensors does alone. Every outcome is counted."""
import os
import threading
import time
import weakref
from typing import Any, Callable, Dict, Optional, Tuple

REACH_MS = 50  # how long an unresponsive daemon may delay a load
QUIET_S = 5.0  # after that, it is left alone for so long
SLOWEST_DISK = 50e6  # bytes a second: a file is waited for as long as reading it from such a disk takes
OUTCOMES = ("held", "on_card", "unknown_file", "unreachable", "refused", "skipped")

_counts: Dict[str, int] = dict.fromkeys(OUTCOMES, 0)
_lock = threading.Lock()
_pools: Dict[Any, Any] = {}
_quiet_until = 0.0


class Lease:
    """A pipe end: while it is open, in this process or a forked child, the daemon keeps the file resident."""

    __slots__ = ("_fd", "__weakref__")

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __del__(self) -> None:
        os.close(self._fd)

    def keep_for(self, tensor: Any) -> Any:
        """Stay at least as long as the tensor's memory does (all its views and parameters made from it). Returns the tensor."""
        try:
            owner = tensor.untyped_storage() if hasattr(tensor, "untyped_storage") else tensor
            weakref.finalize(owner, _nothing, self).atexit = False
        except TypeError:  # an array type without weak references: it was copied, or lives on the page cache as it is
            pass
        return tensor


def _nothing(lease: Lease) -> None:
    """The end of a tensor; dropping the reference to its lease is all there is to do."""


def _count(outcome: str) -> None:
    with _lock:
        _counts[outcome] += 1


def stats() -> Dict[str, int]:
    """How the loads of this process went: held (served through hoist), on_card (filled by it), unknown_file (not in the catalog),
    unreachable (no daemon), refused (busy, full or failed), skipped (the daemon did not answer a moment ago)."""
    with _lock:
        return dict(_counts)


def _pool() -> Any:
    from ._pool import Pool

    socket = os.environ.get("HOIST_SOCKET")
    with _lock:
        return _pools.setdefault(socket, Pool(None, REACH_MS))


def _reset_after_fork() -> None:
    global _lock
    _lock = threading.Lock()  # another thread of the parent may have held it


os.register_at_fork(after_in_child=_reset_after_fork)


def _patience_ms(fd: int) -> int:
    return int(2000 + os.fstat(fd).st_size / SLOWEST_DISK * 1000)


def _outcome(error: Exception, began: float) -> str:
    """Name a failure; a daemon that took its time not to answer is not asked again for a while."""
    global _quiet_until
    code = getattr(error, "code", "")
    if code != "unreachable":
        return "unknown_file" if code == "model_not_found" else "refused"
    if time.monotonic() - began > REACH_MS / 2000:
        _quiet_until = time.monotonic() + QUIET_S
    return "unreachable"


def _ask(filename: Any, request: Callable[[Any, int, int], Any]) -> Tuple[Any, Optional[str]]:
    """Ask the daemon for something with the file: request(connection, fd, timeout_ms). Returns the answer, or None and the name of the
    failure, which is None where safetensors will say what is wrong with the file."""
    if time.monotonic() < _quiet_until:
        return None, "skipped"
    try:
        fd = os.open(os.fspath(filename), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, TypeError, ValueError):
        return None, None
    began = time.monotonic()
    try:
        return _pool().run(lambda connection: request(connection, fd, _patience_ms(fd))), None
    except Exception as error:  # never fail where safetensors alone would work
        return None, _outcome(error, began)
    finally:
        os.close(fd)


def hold(filename: Any) -> Optional[Lease]:
    """Make the file resident and lease it; None when that did not work, for whatever reason."""
    pipe, failure = _ask(filename, lambda connection, fd, timeout_ms: connection.hold_file(fd, timeout_ms))
    if failure is not None:
        _count(failure)
    elif pipe is not None:
        _count("held")
    return None if pipe is None else Lease(pipe)


def put(filename: Any, device: Optional[str]) -> Any:
    """Memory of this process alone on a card, filled with the tensors of the file, as hoist._core.Model; None when that did not work.
    What hold() does then is counted."""
    model, _ = _ask(filename, lambda connection, fd, timeout_ms: connection.open_file(fd, device, timeout_ms))
    if model is not None:
        _count("on_card")
    return model
