"""Four checkpoints that share text encoders and VAE take the bytes of their union, in whatever order they come and go."""
import contextlib
import itertools
import os
import subprocess
import sys
import threading
import time

import numpy
import pytest

from checkpoint_files import union_bytes, write_checkpoints

BACKINGS = ["page_cache", "tmpfs_huge", "memfd_huge", "pages"]
NAMES = [f"checkpoint-{i}" for i in range(4)]
CLIENT = """
import sys
import numpy
import hoist
client = hoist.connect(sys.argv[1])
sys.stdin.readline()
tensors = client.open(sys.argv[2]).numpy()
print(sum(int(array.reshape(-1).view(numpy.uint8).sum(dtype=numpy.uint64)) for array in tensors.values()), flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def checkpoints(tmp_path):
    """(folder, {model: its tensors})."""
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    return folder, write_checkpoints(folder)


@pytest.fixture
def run(start, checkpoints):
    """Start a hoistd over the checkpoints that knows their hashes; no page of them is left in memory by whoever wrote or hashed them."""
    def begin(backing):
        daemon = start(checkpoints[0], HOIST_FORCE_BACKING=backing)
        for name in NAMES:
            assert daemon.cli("hash", name).returncode == 0
            drop(checkpoints[0] / f"{name}.safetensors")
        return daemon
    return begin


def drop(path):
    """Take a file out of the page cache."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def used(daemon):
    """Bytes charged to the RAM budget."""
    return daemon.data("GET", "/api/model/cache")["used_bytes"]


def load(daemon, name):
    """Bring a model into RAM."""
    daemon.data("POST", "/api/model/cache", {"model_id": name})


def load_one_by_one(daemon):
    """Load all, each when the one before is there."""
    for name in NAMES:
        load(daemon, name)


def load_at_once(daemon):
    """Load all at the same moment."""
    threads = [threading.Thread(target=load, args=(daemon, name)) for name in NAMES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


LOADS = [load_one_by_one, load_at_once]


def assert_bits(daemon, models):
    """Every tensor, read through a mapping, is what was written."""
    with daemon.client() as client:
        for name, rows in models.items():
            with client.open(name) as model:
                tensors = model.numpy()
                wrong = [key for key, _, _, data in rows if tensors[key].tobytes() != data]
                assert wrong == [] and len(tensors) == len(rows), (name, wrong[:3])
                del tensors
    daemon.data("DELETE", "/api/model/unload")


def assert_union(daemon, models, seconds=0.0):
    """What is charged is the union of these models, within a fiftieth; `seconds` = how long it may take until it is."""
    wanted, deadline = union_bytes(*models.values()), time.monotonic() + seconds
    while used(daemon) > 1.02 * wanted and time.monotonic() < deadline:
        time.sleep(0.02)
    assert wanted <= used(daemon) <= 1.02 * wanted, f"{used(daemon) / max(wanted, 1):.4f} of the union of {list(models)}"


@pytest.mark.parametrize("loads", LOADS)
@pytest.mark.parametrize("backing", BACKINGS)
def test_what_is_charged_is_the_union(run, checkpoints, backing, loads):
    daemon = run(backing)
    loads(daemon)
    assert_union(daemon, checkpoints[1], seconds=5)
    assert_bits(daemon, checkpoints[1])
    assert_union(daemon, checkpoints[1])


def free_in_order(daemon, models, order):
    """Free one model after the other; after each, only what is still used is charged and every bit of it is right."""
    left = dict(models)
    for name in order:
        before = used(daemon)
        freed = daemon.data("DELETE", "/api/model/cache", {"model_id": name})["freed_bytes"]
        del left[name]
        assert used(daemon) == before - freed
        assert_union(daemon, left)
        assert_bits(daemon, left)
    assert used(daemon) == 0


@pytest.mark.parametrize("loads", LOADS)
@pytest.mark.parametrize("backing", BACKINGS)
def test_in_every_order_what_nobody_uses_any_more_is_freed(run, checkpoints, backing, loads):
    daemon = run(backing)
    for order in itertools.permutations(NAMES):
        loads(daemon)
        assert_union(daemon, checkpoints[1], seconds=5)
        free_in_order(daemon, checkpoints[1], order)


def weights_of(pid):
    """Proportional share of the pages of weights that a process maps: those of model files and of what hoistd made. Programs and heaps are not meant."""
    total, counts = 0, False
    with open(f"/proc/{pid}/smaps", encoding="utf-8") as smaps:
        for line in smaps:
            words = line.split()
            if "-" in words[0] and not words[0].endswith(":"):
                counts = len(words) > 5 and (words[5].endswith(".safetensors") or words[5].startswith(("/memfd:hoist", "/hoist-")))
            elif counts and words[0] == "Pss:":
                total += 1024 * int(words[1])
    return total


@contextlib.contextmanager
def clients_of(daemon, *models):
    """Processes that each map a model and have read every byte; gives their ids and what each read."""
    processes = [subprocess.Popen([sys.executable, "-c", CLIENT, daemon.socket, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for name in models]
    try:
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        yield [process.pid for process in processes], [int(process.stdout.readline()) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.mark.parametrize("loads", LOADS)
@pytest.mark.parametrize("backing", BACKINGS)
def test_four_processes_map_the_union_and_no_more(run, checkpoints, backing, loads):
    models = checkpoints[1]
    daemon = run(backing)
    loads(daemon)
    assert_union(daemon, models, seconds=5)
    with clients_of(daemon, *NAMES) as (pids, sums):
        assert sums == [sum(int(numpy.frombuffer(data, numpy.uint8).sum(dtype=numpy.uint64)) for *_, data in models[name]) for name in NAMES]
        mapped = sum(weights_of(pid) for pid in [*pids, daemon.process.pid, daemon.keeper()])
        assert 0.98 * union_bytes(*models.values()) <= mapped <= 1.02 * union_bytes(*models.values())
