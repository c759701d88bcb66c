"""One copy for any number of processes, for exactly as long as somebody maps it."""
import gc
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from weight_files import tensor, write

MIB = 1 << 20
SIZE = 96 * MIB

# Opens a model, reads every byte of it, says so, and does what it is told line by line.
CLIENT = """
import gc, os, sys
import numpy
import hoist

def report(*what):
    print(*what, flush=True)

client = hoist.connect(sys.argv[1])
report("empty")
sys.stdin.readline()
model = client.open("big")
tensors = model.numpy()
report("sum", sum(int(array.view(numpy.uint8).sum(dtype=numpy.uint64)) for array in tensors.values()))
for line in sys.stdin:
    if line == "sum\\n":
        report("sum", sum(int(array.view(numpy.uint8).sum(dtype=numpy.uint64)) for array in tensors.values()))
    if line == "write\\n":
        tensors["a"].view(numpy.uint8)[:] = 1
        report("written")
"""


class Client:
    """A process of its own that uses the model `big`."""

    def __init__(self, daemon):
        self.process = subprocess.Popen([sys.executable, "-c", CLIENT, daemon.socket], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        assert self.hear() == ["empty"]
        self.empty_bytes = memory_of(self.process.pid)

    def hear(self):
        return self.process.stdout.readline().split()

    def tell(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def ask(self, word):
        self.tell(word)
        return self.hear()

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def memory_of(pid):
    """PSS and page tables of a process, in bytes."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
        pss = next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        tables = next(int(line.split()[1]) for line in status if line.startswith("VmPTE:"))
    return (pss + tables) * 1024


@pytest.fixture
def big(start, tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    # Large enough that what eight interpreters share among themselves does not matter.
    write(models / "big.safetensors", [(name, "U8", [SIZE // 2], os.urandom(MIB) * (SIZE // 2 // MIB)) for name in "ab"])
    return start(models)


@pytest.fixture
def clients(big):
    """Eight processes that have read every byte."""
    found = [Client(big) for _ in range(8)]
    for client in found:
        client.empty_bytes = memory_of(client.process.pid)  # anew: with all eight there, each has its share of the libraries
        client.tell("go")
    big.sums = {tuple(client.hear()) for client in found}
    yield found
    for client in found:
        client.end()


def leases(daemon):
    part = daemon.data("GET", "/api/model/components")["components"][0]
    return part["leases"], {holder["pid"] for holder in part["holders"]}


def test_eight_processes_have_one_copy(big, clients):
    assert len(big.sums) == 1
    assert leases(big) == (8, {client.process.pid for client in clients})
    pids = [client.process.pid for client in clients]
    total = sum(memory_of(pid) for pid in pids) - sum(client.empty_bytes for client in clients)
    # hoistd maps and locks the pages, too: its share of them is not in the sum of the clients'.
    with open(f"/proc/{big.process.pid}/smaps", encoding="utf-8") as smaps:
        lines = smaps.read().split("\n")
    held = mine = 0
    for line in lines:
        if "-" in line.split(" ")[0] and ":" not in line.split(" ")[0]:
            held = "big.safetensors" in line
        if held and line.startswith("Pss:"):
            mine += int(line.split()[1]) * 1024
    assert 0.98 * SIZE <= total + mine <= 1.02 * SIZE + 8 * MIB, (total, mine)


def test_a_kill_changes_nothing_for_the_others_and_the_lease_is_gone_at_once(big, clients):
    expected = next(iter(big.sums))
    for victim in clients[:4]:
        victim.process.send_signal(signal.SIGKILL)
        victim.process.wait()
        began = time.monotonic()
        while victim.process.pid in leases(big)[1]:
            assert time.monotonic() - began < 0.1
    for client in clients[4:]:
        assert tuple(client.ask("sum")) == expected
    assert leases(big)[0] == 4


def test_a_write_is_private(big, clients):
    expected = next(iter(big.sums))
    assert clients[0].ask("write") == ["written"]
    assert tuple(clients[0].ask("sum")) != expected
    assert all(tuple(client.ask("sum")) == expected for client in clients[1:])


def test_what_is_held_outlives_the_daemon(big, clients):
    expected = next(iter(big.sums))
    big.stop(signal.SIGKILL)
    assert all(tuple(client.ask("sum")) == expected for client in clients)
    big.start()
    assert big.data("GET", "/api/model/cache")["budget_bytes"] > 0


def free(daemon):
    """Take all that nobody holds off the device and out of RAM."""
    daemon.data("DELETE", "/api/model/unload")
    return daemon.data("DELETE", "/api/model/cache")


def wait_until_free(daemon):
    began = time.monotonic()
    while leases(daemon)[0]:
        assert time.monotonic() - began < 0.1
    return free(daemon)


def test_a_tensor_kept_after_close_keeps_its_memory_and_no_longer(big):
    client = big.client()
    model = client.open("big")
    kept = model.numpy()["b"][:10]
    expected = kept.tolist()
    model.close()
    client.close()
    gc.collect()
    assert leases(big) == (1, {os.getpid()})
    assert free(big)["freed_bytes"] == 0 and kept.tolist() == expected
    del kept, model
    gc.collect()
    freed = wait_until_free(big)["freed_bytes"]
    assert SIZE <= freed <= SIZE + MIB


def test_a_lease_lasts_over_fork_until_the_last_process(big):
    client = big.client()
    model = client.open("big")
    kept = model.numpy()
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write_end)
        os.read(read_end, 1)
        os._exit(0 if int(kept["a"][:100].sum()) >= 0 else 1)
    os.close(read_end)
    del kept, model
    client.close()
    gc.collect()
    time.sleep(0.05)
    assert leases(big)[0] == 1  # the child's
    os.close(write_end)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert wait_until_free(big)["freed_bytes"] >= SIZE


def test_reading_the_model_changes_no_file_and_copies_nothing(big, clients):
    before = (big.library / "big.safetensors").stat()
    assert clients[0].ask("write") == ["written"]
    after = (big.library / "big.safetensors").stat()
    assert (before.st_mtime_ns, before.st_ctime_ns) == (after.st_mtime_ns, after.st_ctime_ns)


COPIES = """
import json, sys, hoist, numpy
client = hoist.connect(sys.argv[1])
print(json.dumps({name: [int(a.view(numpy.uint8).sum()) for a in client.open(name).numpy().values()] for name in ("one", "two")}))
"""


@pytest.mark.parametrize("backing", ["tmpfs_huge", "memfd_huge", "pages", "page_cache"])
def test_every_backing_hands_out_the_same_bytes(start, tmp_path, backing):
    models = tmp_path / "models"
    models.mkdir()
    for name in ("one", "two"):
        write(models / f"{name}.safetensors", [tensor("weight", "F16", [MIB], seed=name), tensor("odd", "U8", [7], seed=name)])
    daemon = start(models, HOIST_FORCE_BACKING=backing)
    done = subprocess.run([sys.executable, "-c", COPIES, daemon.socket], capture_output=True, text=True, check=True)
    expected = {name: [sum(tensor("weight", "F16", [MIB], seed=name)[3]), sum(tensor("odd", "U8", [7], seed=name)[3])] for name in ("one", "two")}
    assert json.loads(done.stdout) == expected
    found = {part["ram"]["backing"] for part in daemon.data("GET", "/api/model/cache")["components"]}
    assert len(found) == 1 and (backing == "page_cache") == (found == {"page_cache"}), found
