"""Start and stop a hoistd for tests."""
import os
import pathlib
import signal
import subprocess
import sys
import time

import hoist

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOISTD = pathlib.Path(os.environ.get("HOIST_BUILD", ROOT / "build")) / "hoistd"


class Daemon:
    """A running hoistd: its process, its socket, its library."""

    def __init__(self, folder, library):
        self.library = library
        self.socket = str(folder / "hoist.sock")
        self.command = [str(HOISTD), "--models", str(library), "--socket", self.socket, "--state", str(folder / "state"),
                        "--listen", "127.0.0.1:0", "--ram", "1G", "--python", sys.executable]
        self.log = open(folder / "hoistd.log", "w", encoding="utf-8")
        self.start()

    def start(self):
        """Start it and wait until the library is scanned."""
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=self.log, text=True)
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
