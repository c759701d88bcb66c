"""Workers: Python processes that hoistd starts, and that run real models on the shared weights.

    python -m hoist.worker --domain inference|postprocessing|processing

The protocol is one JSON object a line. First the worker says {"ready": true, "domain", "pid", "operations"}; then for each
{"id", "operation", "params"} on stdin it writes {"id", "ok": true, "result"} or {"id", "ok": false, "error": {"type", "message",
"code"?}} to stdout. stdout belongs to the protocol: whatever else is printed goes to stderr. End of input ends the worker.

A worker of one's own:

    from hoist.worker import Worker, operation

    class Mine(Worker):
        @operation("double")
        def double(self, value):
            return 2 * value

    Mine("processing").run()
"""
import argparse
import importlib
import json
import os
import signal
import sys
from typing import IO, Any, Callable, Dict, List, Optional, TypeVar

from .errors import HoistError

F = TypeVar("F", bound=Callable[..., Any])
DOMAINS = {"inference": "hoist._inference", "postprocessing": "hoist._postprocessing", "processing": "hoist._processing"}


def operation(name: str) -> Callable[[F], F]:
    """Mark a method of a Worker as an operation. Its keyword arguments are the call's `params`; what it returns must be JSON."""

    def mark(function: F) -> F:
        function.hoist_operation = name  # type: ignore[attr-defined]
        return function

    return mark


class Worker:
    """A worker of one domain. Subclass it and mark methods with @operation. `client` connects to the daemon when first used."""

    def __init__(self, domain: str) -> None:
        self.domain = domain
        self._client: Any = None
        self._operations: Dict[str, Callable[..., Any]] = {}
        for attribute in dir(type(self)):
            name = getattr(getattr(type(self), attribute), "hoist_operation", None)
            if name is not None:
                self._operations[name] = getattr(self, attribute)

    @property
    def client(self) -> Any:
        """A hoist.Client of the daemon that started this worker."""
        if self._client is None:
            from .client import connect

            self._client = connect()
        return self._client

    @property
    def operations(self) -> List[str]:
        """Names of the operations."""
        return sorted(self._operations)

    @operation("ping")
    def ping(self) -> Dict[str, Any]:
        """A sign of life."""
        return {"domain": self.domain, "pid": os.getpid()}

    def prepare(self) -> None:
        """Called once before the worker says that it is ready: import what is slow here."""

    def answer(self, line: str) -> Dict[str, Any]:
        """Run the request of one line and return the answer; never raises for what the operation does wrong."""
        number: Any = None
        try:
            request = json.loads(line)
            number = request["id"]
            function = self._operations.get(request["operation"])
            if function is None:
                raise ValueError(f"the {self.domain} worker has no operation {request['operation']!r}; it has "
                                 + ", ".join(self.operations))
            return {"id": number, "ok": True, "result": function(**(request.get("params") or {}))}
        except Exception as error:
            return {"id": number, "ok": False, "error": _describe(error)}

    def run(self, requests: Optional[IO[str]] = None, answers: Optional[IO[str]] = None) -> None:
        """Serve until the end of input. By default over stdin and stdout, which then carries nothing but answers."""
        requests = requests or sys.stdin
        answers = answers or _reserve_stdout()
        self.prepare()
        _write(answers, {"ready": True, "domain": self.domain, "pid": os.getpid(), "operations": self.operations})
        for line in requests:
            _write(answers, self.answer(line))


def _describe(error: Exception) -> Dict[str, Any]:
    if isinstance(error, HoistError):
        return {"type": type(error).__name__, "message": error.message, "code": error.code}
    return {"type": type(error).__name__, "message": f"{type(error).__name__}: {error}"}


def _write(answers: IO[str], message: Dict[str, Any]) -> None:
    try:
        text = json.dumps(message, allow_nan=False)
    except (TypeError, ValueError) as error:  # the operation returned what JSON cannot say
        text = json.dumps({"id": message.get("id"), "ok": False, "error": _describe(error)})
    answers.write(text + "\n")
    answers.flush()


def _reserve_stdout() -> IO[str]:
    """Keep the real stdout for answers; prints, also those of C libraries, go to stderr from now on."""
    sys.stdout.flush()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return answers


def _die_with_parent() -> None:
    """End when the daemon does, even in the middle of an operation. Ctrl-C is the daemon's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        import ctypes

        parent = os.getppid()
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)
    except (ImportError, OSError, AttributeError):
        pass  # not on this platform; end of input still ends an idle worker


def main(arguments: Optional[List[str]] = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m hoist.worker", description="A worker process of hoistd; JSON lines on stdin and stdout.")
    parser.add_argument("--domain", choices=sorted(DOMAINS), required=True)
    options = parser.parse_args(arguments)
    _die_with_parent()
    answers = _reserve_stdout()
    module = importlib.import_module(DOMAINS[options.domain])
    module.BuiltIn(options.domain).run(answers=answers)


if __name__ == "__main__":
    main()
