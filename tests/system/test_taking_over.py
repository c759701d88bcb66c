"""What hoistd has in RAM outlives it: the next one takes over memory, leases and budget, reads no weights, and its clients notice nothing."""
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from own_daemon import wait_until
from weight_files import tensor, write

MIB = 1 << 20
BACKINGS = ("page_cache", "tmpfs_huge", "memfd_huge", "pages")
pytestmark = pytest.mark.skipif("HOIST_SANITIZED" in os.environ, reason="sanitizers of memory replace mlock by nothing")

# Opens models, and prints the hash of all their tensors for each line that it reads; ends with its input.
CLIENT = """
import hashlib, sys, hoist
with hoist.connect(sys.argv[1]) as client:
    models = [client.open(*name.split("@")[:1], **({"precision": name.split("@")[1]} if "@" in name else {})) for name in sys.argv[2:]]
for line in sys.stdin:
    seen = hashlib.sha256()
    for model in models:
        for name, values in sorted(model.numpy().items()):
            seen.update(name.encode() + values.tobytes())
    print(seen.hexdigest(), flush=True)
"""


class Client:
    """A process that holds tensors."""

    def __init__(self, daemon, *names):
        self.process = subprocess.Popen([sys.executable, "-c", CLIENT, daemon.socket, *names], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.first = self.hash()

    def hash(self):
        """The hash of what it holds now."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def end(self):
        """Let go of all."""
        self.process.stdin.close()
        assert self.process.wait(timeout=20) == 0
        self.process.stdout.close()


def tier(daemon):
    """What of the RAM tier must be the same before and after."""
    tier = daemon.data("GET", "/api/model/cache")
    parts = sorted(({"id": part["component_id"], **part["ram"], "leases": len(part.get("holders", []))} for part in tier["components"]), key=json.dumps)
    return {"used_bytes": tier["used_bytes"], "components": parts}


def read_from_disk(daemon):
    """Bytes that the kernel read from a disk for hoistd and what it started."""
    lines = pathlib.Path(f"/proc/{daemon.process.pid}/io").read_text(encoding="ascii").splitlines()
    return int(dict(line.split(": ") for line in lines)["read_bytes"])


def kept_bytes(daemon):
    """Memory that belongs to no file tree and to no mapping that is seen: all shared memory of the machine."""
    lines = pathlib.Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return int(dict(line.split(":") for line in lines)["Shmem"].split()[0]) * 1024


def taken_over(daemon, before, most=20 * MIB):
    """Is everything again as it was, soon after the scan, and were no weights read for it? (Programs, the catalog and headers may have left the page cache: some 9 MiB; the models have 32.)"""
    deadline = time.monotonic() + 2
    while tier(daemon) != before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert tier(daemon) == before
    return daemon.data("GET", "/api/model/cache")["filled_bytes"] == 0 and read_from_disk(daemon) < most


def kill_and_start(daemon):
    """A crash, and the next one."""
    daemon.stop(signal.SIGKILL)
    daemon.start()


@pytest.fixture
def library(tmp_path):
    """Two models of 24 and 8 MiB, and `twin`, which has the 8 MiB of the second one."""
    folder = tmp_path / "models"
    folder.mkdir()
    write(folder / "one.safetensors", [tensor("a", "F32", [2, MIB], seed="a"), tensor("b", "F16", [4, MIB], seed="b"), tensor("c", "F32", [2, MIB], seed="c")])
    write(folder / "two.safetensors", [tensor("d", "F32", [2, MIB], seed="d")])
    write(folder / "twin.safetensors", [tensor("other", "F32", [1, MIB], seed="x"), tensor("d", "F32", [2, MIB], seed="d")])
    return folder


@pytest.fixture
def crash(start, library):
    """crash(backing): a daemon over the library whose keeper waits 20 s."""
    def run(backing, *flags):
        daemon = start(library, "--no-workers", *flags, HOIST_KEEPER_SECONDS="20", HOIST_FORCE_BACKING=backing)
        if backing == "tmpfs_huge" and daemon.data("GET", "/api/model/cache")["copy_backing"] != backing:
            pytest.skip("no tmpfs of our own here")
        return daemon
    return run


@pytest.mark.parametrize("backing", BACKINGS)
def test_a_crash_loses_nothing(crash, backing):
    daemon = crash(backing)
    client = Client(daemon, "one")
    daemon.data("POST", "/api/model/cache", {"model_id": "two"})
    before = tier(daemon)
    assert [part["leases"] for part in before["components"]] == [1, 0]
    for _ in range(3):
        kill_and_start(daemon)
        assert taken_over(daemon, before)
        assert client.hash() == client.first
    other = Client(daemon, "one")
    assert other.hash() == client.first and daemon.data("GET", "/api/model/cache")["misses"] == 0
    other.end()
    client.end()


@pytest.mark.parametrize("backing", BACKINGS)
def test_a_lease_taken_over_ends_with_its_client_and_the_memory_is_free(crash, backing):
    daemon = crash(backing)
    free = kept_bytes(daemon)
    client = Client(daemon, "one")
    kill_and_start(daemon)
    wait_until(lambda: [part["leases"] for part in tier(daemon)["components"]] == [1])
    assert daemon.http("DELETE", "/api/model/cache?model_id=one")[1]["error"] is not None or tier(daemon)["components"]
    client.end()
    wait_until(lambda: tier(daemon)["components"][0]["leases"] == 0)
    daemon.data("DELETE", "/api/model/cache")
    assert tier(daemon) == {"used_bytes": 0, "components": []}
    if backing != "page_cache":
        wait_until(lambda: kept_bytes(daemon) < free + 4 * MIB)


def test_page_cache_stays_locked_while_no_hoistd_runs(crash, library):
    from test_held_files import press_on_page_cache, resident_pages

    daemon = crash("page_cache")
    before = {name: daemon.data("POST", "/api/model/cache", {"model_id": name}) and tier(daemon) for name in ("one", "two")}
    if not all(part["locked"] for part in before["two"]["components"]):
        pytest.skip("the page cache may not be locked here")

    keeper = daemon.keeper()
    wait_until(lambda: locked_kb(keeper) >= 31 * 1024)
    daemon.stop(signal.SIGKILL)
    for name in ("one", "two"):
        press_on_page_cache(library / f"{name}.safetensors")
        present, pages = resident_pages(library / f"{name}.safetensors")
        assert present >= pages - 1
    daemon.start()
    assert taken_over(daemon, before["two"], 16 * MIB)  # its programs and libraries are read again
    daemon.data("DELETE", "/api/model/cache")
    wait_until(lambda: locked_kb(keeper) == 0)
    press_on_page_cache(library / "one.safetensors")
    present, pages = resident_pages(library / "one.safetensors")
    assert present < pages / 10


def test_a_client_that_left_meanwhile_holds_nothing(crash):
    daemon = crash("memfd_huge")
    client = Client(daemon, "one")
    daemon.stop(signal.SIGKILL)
    client.end()
    daemon.start()
    wait_until(lambda: [part["leases"] for part in tier(daemon)["components"]] == [0])


@pytest.mark.parametrize("backing", BACKINGS)
def test_an_upgrade_cuts_nothing_off(crash, backing):
    daemon = crash(backing)
    client = Client(daemon, "one", "two")
    before = tier(daemon)
    assert daemon.stop(signal.SIGUSR2) == 75
    daemon.start()
    assert taken_over(daemon, before) and client.hash() == client.first
    client.end()


@pytest.mark.parametrize("backing", BACKINGS)
def test_who_stops_hoistd_has_its_memory_back(crash, library, backing):
    from test_held_files import press_on_page_cache, resident_pages

    free = None
    daemon = crash(backing)
    free = kept_bytes(daemon)
    press_on_page_cache(library / "one.safetensors")
    daemon.data("POST", "/api/model/cache", {"model_id": "one"})
    kill_and_start(daemon)
    assert daemon.stop() == 0
    press_on_page_cache(library / "one.safetensors")
    present, pages = resident_pages(library / "one.safetensors")
    assert present < pages / 10
    wait_until(lambda: kept_bytes(daemon) < free + 4 * MIB)
    daemon.start()
    assert tier(daemon) == {"used_bytes": 0, "components": []}


@pytest.mark.parametrize("backing", BACKINGS)
def test_shared_and_converted_tensors_are_taken_over_as_they_are(crash, backing):
    daemon = crash(backing)
    for name in ("two", "twin"):
        assert daemon.cli("hash", name).returncode == 0
    client = Client(daemon, "two", "twin", "one@bf16")
    before = tier(daemon)
    twin = daemon.data("GET", "/api/model/cache/twin:model")
    assert twin["shared_bytes"] >= 7 * MIB
    kill_and_start(daemon)
    assert taken_over(daemon, before)
    assert client.hash() == client.first
    assert daemon.data("GET", "/api/model/cache/twin:model")["shared_bytes"] == twin["shared_bytes"]
    again = Client(daemon, "two", "twin", "one@bf16")
    assert again.first == client.first and daemon.data("GET", "/api/model/cache")["misses"] == 0
    again.end()
    client.end()
    wait_until(lambda: all(part["leases"] == 0 for part in tier(daemon)["components"]))
    daemon.data("DELETE", "/api/model/unload")
    daemon.data("DELETE", "/api/model/cache")
    assert tier(daemon)["used_bytes"] == 0


def test_a_file_that_was_written_meanwhile_is_not_taken_over(crash, library):
    daemon = crash("page_cache")
    for name in ("one", "two"):
        daemon.data("POST", "/api/model/cache", {"model_id": name})
    daemon.stop(signal.SIGKILL)
    write(library / "one.safetensors", [tensor("a", "F32", [1, MIB], seed="new")])
    daemon.start()
    wait_until(lambda: [part["id"] for part in tier(daemon)["components"]] == ["two:model"])
    client = Client(daemon, "one")
    wanted = hashlib.sha256(b"a" + (library / "one.safetensors").read_bytes()[-4 * MIB:]).hexdigest()
    assert client.first == wanted
    client.end()


@pytest.mark.parametrize("backing", ("page_cache", "memfd_huge"))
def test_a_file_that_is_written_after_it_was_taken_over_is_let_go(crash, library, backing):
    daemon = crash(backing)
    for name in ("one", "two"):
        daemon.data("POST", "/api/model/cache", {"model_id": name})
    before = tier(daemon)
    kill_and_start(daemon)
    assert taken_over(daemon, before)
    began = time.monotonic()
    with open(library / "one.safetensors", "r+b") as file:  # whoever opens it to write waits until hoistd has let go
        file.seek(-1, os.SEEK_END)
        file.write(b"!")
    assert time.monotonic() - began < 5
    wait_until(lambda: [part["id"] for part in tier(daemon)["components"]] == ["two:model"])


@pytest.mark.parametrize("backing", BACKINGS)
def test_what_was_given_back_before_the_crash_stays_gone(crash, backing):
    daemon = crash(backing)
    for name in ("one", "two"):
        daemon.data("POST", "/api/model/cache", {"model_id": name})
    daemon.data("DELETE", "/api/model/cache?model_id=one")
    before = tier(daemon)
    kill_and_start(daemon)
    assert taken_over(daemon, before)


def test_a_new_keeper_is_told_everything(crash):
    daemon = crash("page_cache")
    client = Client(daemon, "one")
    before = tier(daemon)
    from test_keeper import keepers_of

    first = daemon.keeper()
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: keepers_of(daemon) and keepers_of(daemon) != [first])
    wait_until(lambda: any(locked_kb(pid) >= 23 * 1024 for pid in keepers_of(daemon)))
    kill_and_start(daemon)
    assert taken_over(daemon, before) and client.hash() == client.first
    client.end()


@pytest.mark.parametrize("backing", ("page_cache", "tmpfs_huge", "memfd_huge"))
def test_a_keeper_that_does_not_answer_holds_nobody_up_and_nothing_back(crash, backing):
    daemon = crash(backing)
    keeper, free = daemon.keeper(), kept_bytes(daemon)
    daemon.data("POST", "/api/model/cache", {"model_id": "one"})
    if backing == "page_cache":  # one that stops while it locks is given half a minute: it may wait for a disk
        wait_until(lambda: locked_kb(keeper) >= 23 * 1024)
        time.sleep(0.1)
    os.kill(keeper, signal.SIGSTOP)
    try:
        began = time.monotonic()
        daemon.data("DELETE", "/api/model/cache")
        daemon.data("POST", "/api/model/cache", {"model_id": "two"})
        assert time.monotonic() - began < 5
        client = Client(daemon, "two")
    finally:
        os.kill(keeper, signal.SIGCONT)
    client.end()
    daemon.data("DELETE", "/api/model/unload")
    daemon.data("DELETE", "/api/model/cache")
    assert tier(daemon)["used_bytes"] == 0
    wait_until(lambda: kept_bytes(daemon) < free + 4 * MIB and locked_kb(keeper) == 0)
    client = Client(daemon, "one")
    before = tier(daemon)
    kill_and_start(daemon)
    assert taken_over(daemon, before) and client.hash() == client.first
    client.end()


def locked_kb(pid):
    """KiB that a process has locked."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return int(dict(line.split(":\t") for line in lines)["VmLck"].split()[0])


def test_a_smaller_budget_is_kept_to(crash):
    daemon = crash("memfd_huge")
    for name in ("one", "two"):
        daemon.data("POST", "/api/model/cache", {"model_id": name})
    daemon.command[daemon.command.index("--ram") + 1] = "16M"
    kill_and_start(daemon)
    assert tier(daemon)["used_bytes"] <= 16 * MIB and len(tier(daemon)["components"]) == 1
