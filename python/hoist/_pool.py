"""Connections to the daemon, one for each call in flight, so that threads do not wait for each other.

A connection belongs to the process that made it: after a fork the child starts with none. One that the daemon closed
(it was restarted) is replaced once."""
import os
import threading
from contextlib import contextmanager
from typing import Callable, Iterator, List, Optional, TypeVar

from . import _core
from .errors import DaemonUnreachable, HoistError

IDLE_MAX = 8  # connections kept for the next call; more threads at once just connect again
BROKEN = ("unreachable", "protocol")
T = TypeVar("T")


class Pool:
    """Connections to one socket."""

    def __init__(self, socket: Optional[str], timeout_ms: int) -> None:
        self.socket = socket
        self.timeout_ms = timeout_ms
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._idle: List[_core.Client] = []

    def _take(self) -> Optional[_core.Client]:
        if self._pid != os.getpid():
            self._start()
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _give(self, connection: _core.Client) -> None:
        with self._lock:
            if len(self._idle) < IDLE_MAX:
                self._idle.append(connection)
                return
        connection.close()

    def connect(self) -> _core.Client:
        """A new connection."""
        return _core.Client(self.socket, self.timeout_ms)

    @contextmanager
    def _lent(self, connection: _core.Client) -> Iterator[_core.Client]:
        """Lend a connection and take it back, unless it broke or the call was cut short."""
        try:
            yield connection
        except HoistError as error:
            if error.code in BROKEN:
                connection.close()
            else:
                self._give(connection)
            raise
        except BaseException:
            connection.close()
            raise
        self._give(connection)

    def run(self, call: Callable[[_core.Client], T]) -> T:
        """Run `call` with a connection; once more with a fresh one when a kept one turns out to be dead."""
        kept = self._take()
        if kept is not None:
            try:
                with self._lent(kept) as connection:
                    return call(connection)
            except DaemonUnreachable:
                self.close()
        with self._lent(self.connect()) as connection:
            return call(connection)

    def close(self) -> None:
        """Close the idle connections; the pool can be used again."""
        if self._pid != os.getpid():
            self._start()
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
