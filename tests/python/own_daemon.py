"""Start and stop a hoistd for tests, and talk to it as users do."""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import hoist

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HOIST_BUILD", ROOT / "build"))
HOISTD = BUILD / "hoistd"
HOIST = BUILD / "hoist"


class Daemon:
    """A running hoistd: its process, socket, URL and library."""

    def __init__(self, folder, library, *flags, ram="1G", prepare=None, **environment):
        self.folder = folder
        self.library = library
        self.socket = str(folder / "hoist.sock")
        self.command = [str(HOISTD), "--models", str(library), "--socket", self.socket, "--state", str(folder / "state"),
                        "--listen", "127.0.0.1:0", "--ram", ram, "--python", sys.executable, *flags]
        if "--hash" not in flags:  # files that are hashed are open, whenever the machine has time for it
            self.command += ["--hash", "off"]
        for background in ("--predict", "--restore"):  # what is loaded ahead would be counted where a test counts
            if background not in flags:
                self.command += [background, "off"]
        self.environment = {"HOIST_KEEPER_SECONDS": "3", **os.environ, **environment}  # what is killed leaves no keeper for long
        self.log_path = folder / "hoistd.log"
        self.prepare = prepare or {}  # further arguments of Popen
        if "user" in self.prepare:
            os.chown(folder, self.prepare["user"], self.prepare["group"])
        self.start()

    def start(self):
        """Start it and wait until the library is scanned."""
        with open(self.log_path, "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=log, text=True, env=self.environment, **self.prepare)
        line = self.process.stdout.readline()
        assert line.startswith("hoistd ready"), self.log_path.read_text(encoding="utf-8")
        self.url = re.search(r"url=(\S+)", line).group(1)
        self.wait_for_scan()

    def wait_for_scan(self):
        """Wait until the scan is done. Returns its figures."""
        with self.client() as client:
            deadline = time.monotonic() + 120
            while (scan := client.call("GET", "/api/model/scan"))["state"] != "done":
                assert time.monotonic() < deadline
                time.sleep(0.02)
            return scan

    def scan(self):
        """Scan again."""
        self.http("POST", "/api/model/scan")
        return self.wait_for_scan()

    def client(self, **arguments):
        """A client of it."""
        return hoist.connect(self.socket, **arguments)

    def http(self, method, path, body=None, **headers):
        """(status, envelope) of a request; a body that is no str or bytes is sent as JSON."""
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        data = body.encode() if isinstance(body, str) else body
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json", **named}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, read_json(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, read_json(error.read())

    def data(self, method, path, body=None):
        """The data of a request that must succeed."""
        status, envelope = self.http(method, path, body)
        assert status == 200 and envelope["success"] is True and envelope["error"] is None, envelope
        return envelope["data"]

    def cli(self, *arguments, **options):
        """Run the command line; the result has returncode, stdout, stderr."""
        environment = {**os.environ, "HOIST_SOCKET": self.socket}
        return subprocess.run([str(HOIST), *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=120, check=False, **options)

    def keeper(self):
        """Process id of the keeper that it has reached last."""
        return int(re.findall(r"hoist-keeper \((\d+)\) runs", self.log_path.read_text(encoding="utf-8"))[-1])

    def stop(self, number=signal.SIGTERM):
        """End it. Returns the exit status."""
        self.process.send_signal(number)
        status = self.process.wait(timeout=20)
        self.process.stdout.close()
        return status


def wait_until(holds, seconds=10):
    """Wait until it holds. Returns what it gave then."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def read_json(text):
    """JSON, or the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text.decode()
