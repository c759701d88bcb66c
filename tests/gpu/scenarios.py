"""What users do with a card, against a real hoistd: each function is a test, given a Lab. No pytest: it runs where nothing can be installed."""
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import card
from own_daemon import Daemon, wait_until

HERE = pathlib.Path(__file__).resolve().parent


class Skip(Exception):
    """This cannot be asked here."""


class Holder:
    """A process that holds a model on the card (holder.py)."""

    def __init__(self, socket, how="share", model="big"):
        self.process = subprocess.Popen([sys.executable, str(HERE / "holder.py"), socket, model, how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)})
        self.began = json.loads(self.process.stdout.readline() or '{"error": "it died"}')

    def ask(self, what):
        """Have it do something. Its answer."""
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline() or '{"error": "it died"}')

    def kill(self):
        """End it without a chance to do anything."""
        self.process.kill()
        self.process.wait()


class Lab:
    """A place for one test: models, and daemons and processes that end with it."""

    def __init__(self, folder, models, expected):
        self.folder, self.models, self.expected = folder, models, expected
        self.daemons, self.holders = [], []

    def daemon(self, *flags, budget="90%"):
        """A hoistd with one card."""
        folder = self.folder / f"daemon{len(self.daemons)}"
        folder.mkdir(parents=True)
        size = sum(path.stat().st_size for path in self.models.iterdir())
        self.daemons.append(Daemon(folder, self.models, "--no-workers", "--device", f"cuda:0={budget}", *flags, ram=f"{(size >> 20) + 256}M", HOIST_KEEPER_SECONDS="20"))
        return self.daemons[-1]

    def holder(self, daemon, how="share"):
        """A process that holds the model."""
        self.holders.append(Holder(daemon.socket, how))
        assert "ready" in self.holders[-1].began, self.holders[-1].began
        return self.holders[-1]

    def end(self):
        """End everything."""
        for holder in self.holders:
            holder.kill()
        for daemon in self.daemons:
            if daemon.process.poll() is None:
                daemon.stop()


def memory_of(daemon):
    """What hoistd says of the card's memory."""
    return daemon.data("GET", "/api/memory/status/cuda:0")


def leases_of(daemon):
    """Leases of the model's components."""
    return sum(part["leases"] for part in daemon.data("GET", "/api/model/components")["components"])


def helpers_of(daemon):
    """Process ids of the hoist-device of this hoistd that live."""
    found = []
    for status in pathlib.Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        except OSError:
            continue
        if lines["Name"].strip() == "hoist-device" and int(lines["PPid"]) == daemon.process.pid and not lines["State"].strip().startswith("Z"):
            found.append(int(status.parent.name))
    return found


def test_eight_processes_use_the_one_copy(lab):
    """A model is loaded once; eight processes read the same bytes, and the card's memory is counted once."""
    daemon = lab.daemon()
    job = daemon.data("POST", "/api/model/load", {"model_id": "big", "device_id": "cuda:0"})
    loaded = memory_of(daemon)["used_bytes"]
    assert job["state"] == "done" and loaded >= lab.expected["bytes"]
    idle = [Holder(daemon.socket, "nothing") for _ in range(8)]
    before = card.memory()[0]
    for holder in idle:
        holder.kill()
    holders = [lab.holder(daemon) for _ in range(8)]
    assert {holder.ask("sum")["sum"] for holder in holders} == {lab.expected["sum"]}
    assert memory_of(daemon)["used_bytes"] == loaded
    assert before - card.memory()[0] < lab.expected["bytes"] / 2, "the card's memory rose by more than contexts"


def test_hoistd_is_killed_and_the_next_one_takes_over(lab):
    """kill -9 of hoistd: who computes goes on, and the next hoistd has the card's memory again without loading."""
    daemon = lab.daemon()
    daemon.data("POST", "/api/model/load", {"model_id": "big", "device_id": "cuda:0"})
    used, holder = memory_of(daemon)["used_bytes"], lab.holder(daemon)
    daemon.stop(signal.SIGKILL)
    assert holder.ask("sum")["sum"] == lab.expected["sum"]
    daemon.start()
    wait_until(lambda: memory_of(daemon)["used_bytes"] == used, seconds=20)
    assert daemon.data("GET", "/api/model/jobs")["jobs"] == [], "it was loaded, not taken over"
    assert holder.ask("sum")["sum"] == lab.expected["sum"]
    assert lab.holder(daemon).ask("sum")["sum"] == lab.expected["sum"]
    assert memory_of(daemon)["used_bytes"] == used


def test_the_helper_is_killed(lab):
    """kill -9 of hoist-device: who computes goes on, what is loaded stays, and the next load has another helper."""
    daemon = lab.daemon()
    daemon.data("POST", "/api/model/load", {"model_id": "big", "device_id": "cuda:0"})
    holder, helpers = lab.holder(daemon), helpers_of(daemon)
    assert helpers, "there is none to be killed"
    for pid in helpers:
        os.kill(pid, signal.SIGKILL)
    assert holder.ask("sum")["sum"] == lab.expected["sum"]
    daemon.data("POST", "/api/model/load", {"model_id": "small", "device_id": "cuda:0"})
    assert lab.holder(daemon).ask("sum")["sum"] == lab.expected["sum"]


def test_a_write_changes_nobody_elses_weights(lab):
    """A process writes to what it shares: it is refused, and another reads what was there."""
    daemon = lab.daemon()
    writer, reader = lab.holder(daemon), lab.holder(daemon)
    assert writer.ask("write").get("refused"), "the driver let it write"
    assert reader.ask("sum")["sum"] == lab.expected["sum"]
    assert lab.holder(daemon).ask("sum")["sum"] == lab.expected["sum"]


def test_private_memory_may_be_written_and_goes_with_its_lease(lab):
    """Without share a process has memory of its own: charged, writable, and free again when it is killed."""
    daemon = lab.daemon()
    reader = lab.holder(daemon)
    used = memory_of(daemon)["used_bytes"]
    writer = lab.holder(daemon, "private")
    assert memory_of(daemon)["used_bytes"] >= used + lab.expected["bytes"]
    assert writer.ask("sum")["sum"] == lab.expected["sum"]
    assert writer.ask("write") == {"refused": None} and writer.ask("sum")["sum"] != lab.expected["sum"]
    assert reader.ask("sum")["sum"] == lab.expected["sum"]
    writer.kill()
    wait_until(lambda: memory_of(daemon)["used_bytes"] == used, seconds=20)


def test_what_does_not_fit_changes_nothing(lab):
    """More than the budget is refused with the figures, and everything is as before."""
    daemon = lab.daemon(budget=f"{lab.expected['bytes'] * 3 // 2 >> 20}M")
    lab.holder(daemon)
    before = memory_of(daemon)["used_bytes"]
    refused = Holder(daemon.socket, "private")
    refused.kill()
    assert refused.began.get("error") == "out_of_device_memory", refused.began
    assert memory_of(daemon)["used_bytes"] == before


def test_an_idle_hoist_has_no_context(lab):
    """Without work the helper ends, and what is loaded stays."""
    daemon = lab.daemon("--device-idle-seconds", "1")
    daemon.data("POST", "/api/model/load", {"model_id": "big", "device_id": "cuda:0"})
    wait_until(lambda: not helpers_of(daemon), seconds=20)
    assert lab.holder(daemon).ask("sum")["sum"] == lab.expected["sum"]


def test_a_killed_client_leaves_nothing(lab):
    """kill -9 of who holds the model: its leases are over."""
    daemon = lab.daemon()
    holder = lab.holder(daemon)
    assert leases_of(daemon) > 0
    holder.kill()
    wait_until(lambda: leases_of(daemon) == 0, seconds=20)


def test_eight_processes_compute_with_torch(lab):
    """Eight processes run torch on the one copy; hoistd and the helper are killed meanwhile, and the results are the same."""
    try:
        import torch
    except ImportError:
        raise Skip("torch is not installed here") from None
    if card.is_double() or not torch.cuda.is_available():
        raise Skip("this torch has no card")
    daemon = lab.daemon()
    holders = [lab.holder(daemon) for _ in range(8)]
    results = {holder.ask("torch")["torch"] for holder in holders}
    for pid in [*helpers_of(daemon), daemon.process.pid]:
        os.kill(pid, signal.SIGKILL)
    daemon.process.wait()
    assert {holder.ask("torch")["torch"] for holder in holders} == results and len(results) == 1
    time.sleep(0.1)
    daemon.start()


def expected_of(tensors):
    """What holders must find: as holder.sum_of, over (name, dtype, shape, bytes)."""
    sums = {name: hashlib.sha256(data).hexdigest() for name, _, _, data in sorted(tensors)}
    return {"sum": hashlib.sha256(json.dumps(sums).encode()).hexdigest(), "bytes": sum(len(data) for *_, data in tensors)}


TESTS = [value for name, value in list(globals().items()) if name.startswith("test_")]
