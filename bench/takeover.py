#!/usr/bin/env python3
"""hoistd is killed with a model in RAM: how long until the next one has it, beside loading it from the disk, with each backing.

usage: takeover.py [GIB]     (prints a line of JSON a backing: seconds; `own_s` is without what a hoistd that finds nothing takes to start)"""
import json
import os
import pathlib
import signal
import statistics
import sys
import tempfile
import time

from stage import GIB, Daemon, write_model

REPEATS = int(os.environ.get("REPEATS", "25"))
BACKINGS = ("page_cache", "tmpfs_huge", "memfd_huge", "pages")


def drop(path):
    """Take a file out of the page cache."""
    os.sync()
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def start(daemon, components):
    """Start it. Returns seconds until it has scanned and so many components are in RAM."""
    begin = time.monotonic()
    daemon.start()
    with daemon.client() as client:
        while client.call("GET", "/api/model/cache")["total_components"] < components:
            time.sleep(0.0005)
    return time.monotonic() - begin


def bytes_read(daemon):
    """What the kernel read from a disk for it."""
    lines = pathlib.Path(f"/proc/{daemon.process.pid}/io").read_text(encoding="ascii").splitlines()
    return int(dict(line.split(": ") for line in lines)["read_bytes"])


def load_cold(daemon, path):
    """Load it from the disk. Returns seconds."""
    daemon.data("DELETE", "/api/model/cache")
    drop(path)
    begin = time.monotonic()
    daemon.data("POST", "/api/model/cache", {"model_id": path.stem})
    return time.monotonic() - begin


def measure(folder, path, backing, size):
    """One backing: medians. A hoistd that is killed, and beside it one that has nothing, start in turns."""
    daemons = []
    for name in ("full", "empty"):
        (folder / name).mkdir(parents=True)
        daemons.append(Daemon(folder / name, path.parent, "--no-workers", ram=str(2 * size), HOIST_KEEPER_SECONDS="20", HOIST_FORCE_BACKING=backing))
    full, empty = daemons
    cold = [load_cold(full, path) for _ in range(3)]
    time.sleep(1)  # a hoistd is rarely killed the moment it has loaded: all is locked by then
    used, starts = full.data("GET", "/api/model/cache")["used_bytes"], {"full": [], "empty": []}
    for _ in range(REPEATS):
        for name, daemon, components in (("full", full, 1), ("empty", empty, 0)):
            daemon.stop(signal.SIGKILL)
            starts[name].append(start(daemon, components))
        assert full.data("GET", "/api/model/cache")["used_bytes"] == used
    read = bytes_read(full)
    for daemon in daemons:
        daemon.stop()
    middle = {name: statistics.median(values) for name, values in starts.items()}
    cold_s, own_s = statistics.median(cold), middle["full"] - middle["empty"]
    return {"backing": backing, "cold_s": cold_s, "start_full_s": middle["full"], "start_empty_s": middle["empty"], "own_s": own_s, "own_by_cold": own_s / cold_s,
            "read_bytes": read}


def main(gib=1.0):
    """Measure all."""
    size = int(gib * GIB)
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DATA")) as name:
        folder = pathlib.Path(name)
        (folder / "models").mkdir()
        write_model(folder / "models" / "weights.safetensors", 256, size)
        for backing in BACKINGS:
            row = measure(folder / backing, folder / "models" / "weights.safetensors", backing, size)
            print(json.dumps({name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}), flush=True)


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
