"""A machine that runs short of memory - described in files, so that this one need not - gets back what nobody holds, and nothing else."""
import os
import re
import subprocess
import threading
import time

import pytest
from own_daemon import HOISTD, wait_until
from test_events import Stream
from weight_files import sparse, tensor, write

MIB = 1 << 20
GIB = 1 << 30
NAMES = [f"m{number}" for number in range(8)]
RESERVE = 512


class Machine:
    """What the kernel would say, under a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.memory(available=4096)
        self.stalls(0)

    def put(self, path, text):
        """Write a file of the kernel's at once: nobody sees half of it."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        (self.folder / "new").write_text(text)
        os.rename(self.folder / "new", target)

    def memory(self, available, total=8192):
        """Sizes in MiB."""
        self.put("proc/meminfo", f"MemTotal: {total * 1024} kB\nMemAvailable: {available * 1024} kB\n")

    def stalls(self, some):
        """Percent of the last ten seconds."""
        self.put("proc/pressure/memory", f"some avg10={some:.2f} avg60=0.00 avg300=0.00 total=1\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")

    def cgroup(self, limit, used, cached=0):
        """A cgroup of version 2 for hoistd, in MiB."""
        self.put("proc/self/cgroup", "0::/hoist\n")
        for name, value in (("memory.max", limit * MIB), ("memory.high", "max"), ("memory.current", used * MIB), ("memory.stat", f"anon 1\ninactive_file {cached * MIB}\n")):
            self.put(f"sys/fs/cgroup/hoist/{name}", f"{value}\n")


@pytest.fixture
def machine(tmp_path):
    """A machine of 8 GiB with 4 GiB available."""
    return Machine(tmp_path / "machine")


@pytest.fixture
def daemon(start, tmp_path, machine):
    """A hoistd on it, with eight models of 4 MiB in RAM."""
    folder = tmp_path / "models"
    folder.mkdir()
    for name in [*NAMES, "another"]:
        write(folder / f"{name}.safetensors", [tensor("weight", "F32", [4, MIB // 4])])
    daemon = start(folder, "--reserve", f"{RESERVE}M", "--no-workers", HOIST_MACHINE=str(machine.folder))
    for name in NAMES:
        daemon.data("POST", "/api/model/load", {"model_id": name})
    return daemon


def resident(daemon):
    """Models in RAM."""
    return [row["model_id"] for row in daemon.data("GET", "/api/model/cache")["components"]]


def is_pressure(event):
    """Is it news of memory?"""
    return event[1] == "memory.pressure"


def run_hoistd(machine, folder, *flags):
    """A hoistd that should not start."""
    command = [HOISTD, "--socket", folder / "s.sock", "--state", folder / "state", "--listen", "off", *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False, env={**os.environ, "HOIST_MACHINE": str(machine.folder)})


def test_with_enough_memory_nothing_goes(daemon, machine):
    machine.memory(available=RESERVE + 1)
    time.sleep(2.5)
    assert resident(daemon) == NAMES
    pressure = daemon.data("GET", "/api/memory/status")["pressure"]
    assert pressure == {"state": "enough", "available_bytes": (RESERVE + 1) * MIB, "reserve_bytes": RESERVE * MIB, "given_back_bytes": 0, "some_avg10": 0.0, "full_avg10": 0.0,
                        "pressed": False, "told_by_kernel": False}


def test_what_nobody_holds_goes_until_the_reserve_is_there(daemon, machine):
    stream = Stream(daemon)
    machine.memory(available=RESERVE - 3)
    told = stream.until(is_pressure)[-1][2]
    machine.memory(available=RESERVE + 9)
    assert told["state"] == "short" and told["components"] == 1 and told["freed_bytes"] >= 4 * MIB and told["available_bytes"] == (RESERVE - 3) * MIB
    last = stream.until(lambda event: is_pressure(event) and event[2]["state"] == "enough")[-1][2]
    stream.close()
    left = resident(daemon)
    assert 0 < len(left) < len(NAMES) and last["components"] == 0 and last["given_back_bytes"] >= 4 * MIB * (len(NAMES) - len(left))
    time.sleep(1.5)
    assert resident(daemon) == left
    loaded = daemon.data("GET", "/api/model/status/host:0")["loaded_components"]
    assert sorted(row["model_id"] for row in loaded) == left
    text = daemon.http("GET", "/metrics")[1]
    assert float(re.search(r'hoist_given_back_bytes_total\{reason="pressure"\} (\S+)', text).group(1)) == last["given_back_bytes"]
    assert re.search(r"hoist_memory_short 0\b", text) and f"hoist_memory_reserve_bytes {RESERVE * MIB}" in text


def test_what_is_leased_or_pinned_stays_however_short_it_is(daemon, machine):
    daemon.data("PUT", "/api/models/m1/config", {"pin": True})
    with daemon.client() as client, client.open("m2", device="cpu") as model:
        before = {name: weight.tobytes() for name, weight in model.numpy().items()}
        machine.memory(available=1)
        wait_until(lambda: resident(daemon) == ["m1", "m2"])
        time.sleep(1)
        assert resident(daemon) == ["m1", "m2"]
        assert {name: weight.tobytes() for name, weight in model.numpy().items()} == before
    wait_until(lambda: resident(daemon) == ["m1"])


def test_the_less_important_goes_first(daemon, machine):
    for name in NAMES:
        daemon.data("PUT", f"/api/models/{name}/config", {"priority": -9 if name == "m6" else 0})
    stream = Stream(daemon)
    machine.memory(available=RESERVE - 1)
    first = stream.until(lambda event: event[1] == "component.state" and event[2]["state"] == "absent" and event[2]["tier"] == "ram")[-1][2]
    machine.memory(available=4096)
    stream.close()
    assert first["model_id"] == "m6"


def test_tasks_that_wait_for_memory_double_the_reserve(daemon, machine):
    machine.memory(available=2 * RESERVE - 1)
    machine.stalls(9.9)
    time.sleep(1.5)
    assert resident(daemon) == NAMES
    machine.stalls(10.5)
    wait_until(lambda: len(resident(daemon)) < len(NAMES))
    machine.memory(available=2 * RESERVE + 1)
    time.sleep(1.5)
    left = resident(daemon)
    time.sleep(1.5)
    assert resident(daemon) == left, "they wait for something that is none of ours"


def test_the_limit_of_the_cgroup_counts_but_not_its_page_cache(daemon, machine):
    machine.cgroup(limit=2048, used=2000, cached=RESERVE)
    time.sleep(1.5)
    assert resident(daemon) == NAMES
    machine.cgroup(limit=2048, used=2000)
    wait_until(lambda: resident(daemon) == [])


def test_nothing_is_loaded_into_the_reserve(daemon, machine):
    daemon.data("DELETE", "/api/model/unload")
    daemon.data("DELETE", "/api/model/cache")
    machine.memory(available=RESERVE + 3)
    for route in ("load", "cache", "plan"):
        status, envelope = daemon.http("POST", f"/api/model/{route}", {"model_id": "another"})
        error = envelope["error"]
        assert (status, error["code"]) == (507, "out_of_ram") and "machine" in error["message"], error
        assert error["details"]["available_bytes"] == 3 * MIB and error["details"]["required_bytes"] >= 4 * MIB
    assert resident(daemon) == [] and daemon.data("GET", "/api/model/cache")["used_bytes"] == 0
    machine.memory(available=RESERVE + 5)
    daemon.data("POST", "/api/model/load", {"model_id": "another"})


class Asker(threading.Thread):
    """Somebody who asks all the time, and how long he waited at most."""

    def __init__(self, daemon):
        super().__init__()
        self.client = daemon.client()
        self.longest = 0
        self.ended = False

    def run(self):
        while not self.ended:
            begin = time.perf_counter()
            self.client.call("GET", "/api/device/list")
            self.longest = max(self.longest, time.perf_counter() - begin)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended = True
        self.join()
        self.client.close()


def test_a_gigabyte_that_goes_does_not_hold_up_others(start, tmp_path):
    (tmp_path / "models").mkdir()
    sparse(tmp_path / "models" / "huge.safetensors", "F32", GIB // 4)
    daemon = start(tmp_path / "models", "--no-workers", "--no-keeper", ram="1200M", HOIST_FORCE_BACKING="pages")
    shares = []
    while len(shares) < 3:
        daemon.data("POST", "/api/model/cache", {"model_id": "huge"})
        with Asker(daemon) as asker:
            begin = time.perf_counter()
            freed = daemon.data("DELETE", "/api/model/cache", {"model_id": "huge"})["freed_bytes"]
            shares.append(asker.longest / (time.perf_counter() - begin))
        totals = daemon.data("GET", "/api/model/cache")
        assert freed >= GIB and totals["used_bytes"] == totals["draining_bytes"] == 0, "the answer comes when the kernel has the memory"
    assert min(shares) < 0.5, f"others waited for as long as it took: {shares}"


def test_a_machine_that_says_nonsense_changes_nothing(daemon, machine):
    machine.put("proc/pressure/memory", "some avg10=nan\n" * 100)
    machine.put("proc/meminfo", "\x00MemAvailable: -5 kB\nMemAvailable 5\n")
    machine.put("proc/self/cgroup", "0::/" + "a/" * 5000)
    time.sleep(2)
    assert resident(daemon) == NAMES and daemon.data("GET", "/api/memory/status")["pressure"]["some_avg10"] is None


@pytest.mark.parametrize("flags", [("--ram", "8G"), ("--ram", "9G"), ("--ram", "7G", "--reserve", "2G"), ("--reserve", "8G"), ("--reserve", "100G"), ("--reserve", "none"),
                                   ("--ram", "2G", "--device", "host=3G")])
def test_budgets_that_the_machine_has_not_are_refused_at_the_start(machine, tmp_path, flags):
    done = run_hoistd(machine, tmp_path, *flags)
    assert done.returncode == 2 and "try: " in done.stderr and (flags[-1] in done.stderr or re.search(r"\d{10}", done.stderr)), done
    assert not (tmp_path / "s.sock").exists()
