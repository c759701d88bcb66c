"""Cold files are read in the best way there is, each of the others gives the same bytes, and doctor says which it is and why."""
import hashlib
import json
import os
import pathlib
import subprocess
import time

import pytest

from weight_files import tensor, write

MIB = 1 << 20
WAYS = {None: "io_uring", "threads": "threads", "buffered": "buffered"}


def io_uring_works():
    """Does this kernel let anybody have io_uring?"""
    try:
        return pathlib.Path("/proc/sys/kernel/io_uring_disabled").read_text(encoding="ascii").strip() == "0"
    except OSError:
        return True


def doctor(daemon):
    """{check: row} of hoist doctor."""
    return {row["check"]: row for row in json.loads(daemon.cli("doctor", "--json").stdout)}


def costs_of(daemon, seconds=10):
    """{backing: ms a GiB to touch, or None}, once it is measured: hoistd does so when it starts, beside everything else."""
    deadline = time.monotonic() + seconds
    while True:
        costs = {row["backing"]: row["touch_ms_per_gib"] for row in daemon.data("GET", "/api/model/cache")["copy_backings"]}
        if costs["pages"] is not None or time.monotonic() > deadline:
            return costs
        time.sleep(0.05)


@pytest.fixture
def library(tmp_path):
    """A model of 40 MiB whose file is not in memory."""
    folder = tmp_path / "models"
    folder.mkdir()
    write(folder / "large.safetensors", [tensor("blocks.0.weight", "F16", [20 * MIB], 1), tensor("blocks.1.weight", "F16", [77], 2)])
    return folder


def chill(path):
    """Take a file out of memory."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("backing", ["tmpfs_huge", "pages"])
def test_every_way_of_reading_gives_the_same_bytes(start, library, way, backing):
    chill(library / "large.safetensors")
    daemon = start(library, HOIST_FORCE_BACKING=backing, **({"HOIST_FORCE_READING": way} if way else {}))
    with daemon.client() as client, client.open("large") as model:
        got = {name: hashlib.sha256(value.tobytes()).digest() for name, value in model.numpy().items()}
    data = (library / "large.safetensors").read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:begin])
    assert got == {name: hashlib.sha256(data[begin + row["data_offsets"][0]: begin + row["data_offsets"][1]]).digest()
                   for name, row in header.items() if name != "__metadata__"}


@pytest.mark.parametrize("way", WAYS)
def test_doctor_and_the_api_say_how_cold_files_are_read(start, library, way):
    if way is None and not io_uring_works():
        pytest.skip("this kernel has no io_uring")
    daemon = start(library, **({"HOIST_FORCE_READING": way} if way else {}))
    reading = daemon.data("GET", "/api/model/cache")["reading"]
    checks = doctor(daemon)
    assert reading["method"] == WAYS[way] and (reading["why_not_io_uring"] is None) == (way is None)
    assert checks["cold files"]["ok"] is (way is None)
    if way is not None:
        assert "switched off" in checks["cold files"]["found"] and "HOIST_FORCE_READING" in checks["cold files"]["advice"]
    assert WAYS[way] in checks[f"models in {library}"]["found"]


def test_a_way_that_there_is_not_is_refused(start, library):
    with pytest.raises(AssertionError, match="no way of reading 'fast'"):
        start(library, HOIST_FORCE_READING="fast")


def test_pages_are_chosen_by_measurement(start, library):
    daemon = start(library)
    costs = costs_of(daemon)
    assert set(costs) == {"tmpfs_huge", "memfd_huge", "pages"} and costs["pages"] > 0
    assert costs[daemon.data("GET", "/api/model/cache")["copy_backing"]] is not None
    assert "ms a GiB to touch" in doctor(daemon)["copies of its own"]["found"]


@pytest.mark.skipif(os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode != 0, reason="mounts need root")
def test_files_that_cannot_be_held_in_place_are_copied_and_doctor_says_so(start, library, tmp_path):
    upper, work, merged = (tmp_path / name for name in ("upper", "work", "merged"))
    for folder in (upper, work, merged):
        folder.mkdir()
    options = f"lowerdir={library},upperdir={upper},workdir={work}"
    if subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, merged], capture_output=True, check=False).returncode != 0:
        pytest.skip("this kernel has no overlay")
    try:
        chill(merged / "large.safetensors")
        daemon = start(merged)
        daemon.data("POST", "/api/model/load", {"model_id": "large"})
        backing = daemon.data("GET", "/api/model/cache")["components"][0]["ram"]["backing"]
        row = doctor(daemon)[f"models in {merged}"]
        assert backing != "page_cache" and row["ok"] is False and row["found"].startswith("overlay: copied")
        daemon.stop()
    finally:
        subprocess.run(["umount", "-l", merged], check=True)
