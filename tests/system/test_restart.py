"""What was in RAM is there again after a restart, and hoistd is ready before that."""
import signal
import time

import pytest
from own_daemon import wait_until
from weight_files import sparse, tensor, write

MIB = 1 << 20


@pytest.fixture
def library(tmp_path):
    """Four models of 8 MiB and one of 768 MiB."""
    folder = tmp_path / "models"
    folder.mkdir()
    for name, rows in (("a", 2), ("b", 2), ("c", 2), ("d", 2)):
        write(folder / f"{name}.safetensors", [tensor("weight", "F32", [rows, MIB], name)])
    sparse(folder / "large.safetensors", "F32", 192 * MIB)
    return folder


def is_restored(daemon):
    """Is all brought back that can be?"""
    return daemon.data("GET", "/api/model/cache/patterns")["restore"]["state"] == "done"


def residents(daemon):
    """{model: (pinned, device)} of what is in RAM."""
    components = daemon.data("GET", "/api/model/cache")["components"]
    held = [c for c in components if any(r["tier"] == "ram" and r["state"] == "cached" for r in c["residencies"])]
    return {c["model_id"]: (c["pinned"], c["devices"][0]["device_id"] if c["devices"] else None) for c in held}


def fill(daemon):
    """c pinned, a on the device, b in fp16, d used last."""
    daemon.data("POST", "/api/model/cache", {"model_id": "c", "pin": True})
    daemon.data("POST", "/api/model/load", {"model_id": "a"})
    daemon.data("POST", "/api/model/cache", {"model_id": "b", "precision": "fp16"})
    daemon.data("POST", "/api/model/cache", {"model_id": "d"})


AS_BEFORE = {"c": (True, None), "a": (False, "host:0"), "b": (False, None), "d": (False, None)}


def test_what_was_resident_and_pinned_is_back_after_a_stop(start, library):
    daemon = start(library, "--no-workers", "--restore", "on")
    fill(daemon)
    before = {c["component_id"]: (c["precision"], c["last_used"]) for c in daemon.data("GET", "/api/model/cache")["components"]}
    assert daemon.stop() == 0
    daemon.start()
    wait_until(lambda: is_restored(daemon))
    assert residents(daemon) == AS_BEFORE
    assert {c["component_id"]: (c["precision"], c["last_used"]) for c in daemon.data("GET", "/api/model/cache")["components"]} == before
    residencies = [r for c in daemon.data("GET", "/api/model/components")["components"] if c["model_id"] == "b" for r in c["residencies"]]
    assert [r["precision"] for r in residencies] == ["fp16"]


def test_and_after_a_kill_that_came_some_seconds_later(start, library):
    daemon = start(library, "--no-workers", "--restore", "on", "--no-keeper")
    fill(daemon)
    time.sleep(2.5)
    daemon.stop(signal.SIGKILL)
    daemon.start()
    wait_until(lambda: is_restored(daemon))
    assert residents(daemon) == AS_BEFORE


def test_pinned_ones_come_first_and_then_the_warmest_as_far_as_they_fit(start, library):
    daemon = start(library, "--no-workers", "--restore", "on", ram="60M")
    fill(daemon)
    daemon.stop()
    daemon.command[daemon.command.index("--ram") + 1] = "20M"
    daemon.start()
    wait_until(lambda: is_restored(daemon))
    assert residents(daemon) == {"c": (True, None), "d": (False, None)}
    jobs = daemon.data("GET", "/api/model/jobs")["jobs"]
    assert [job["model_id"] for job in jobs] == ["c", "d"] and all(job["background"] for job in jobs)


def test_hoistd_is_ready_before_it_brings_anything_back(start, library):
    daemon = start(library, "--no-workers", "--restore", "on")
    daemon.data("POST", "/api/model/cache", {"model_id": "large"})
    daemon.stop()
    began = time.monotonic()
    daemon.start()
    ready = time.monotonic() - began
    assert residents(daemon) == {}
    wait_until(lambda: "large" in residents(daemon))
    assert ready < 2


def test_a_load_comes_before_what_is_brought_back(start, library):
    daemon = start(library, "--no-workers", "--restore", "on", HOIST_FORCE_BACKING="pages")  # so that it takes a second or two
    daemon.data("POST", "/api/model/cache", {"model_id": "large", "pin": True})
    daemon.stop()
    daemon.start()
    wait_until(lambda: any(job["state"] == "running" for job in daemon.data("GET", "/api/model/jobs")["jobs"]))
    daemon.data("POST", "/api/model/load", {"model_id": "a"})
    loads = daemon.data("GET", "/api/model/jobs")["jobs"]
    assert loads[1]["model_id"] == "a" and loads[1]["state"] == "done" and loads[0]["state"] != "done"
    wait_until(lambda: daemon.data("GET", "/api/model/jobs")["jobs"][0]["state"] == "cancelled")
    wait_until(lambda: residents(daemon).get("large") == (True, None), 30)  # it had its turn


def test_an_interrupted_restore_forgets_nothing(start, library):
    daemon = start(library, "--no-workers", "--restore", "on")
    fill(daemon)
    daemon.data("POST", "/api/model/cache", {"model_id": "large"})
    for _ in range(3):
        daemon.stop()
        daemon.start()
    wait_until(lambda: is_restored(daemon))
    assert set(residents(daemon)) == {"a", "b", "c", "d", "large"}


def test_what_is_gone_from_the_disk_does_not_come_back(start, library):
    daemon = start(library, "--no-workers", "--restore", "on")
    fill(daemon)
    daemon.stop()
    (library / "a.safetensors").unlink()
    daemon.start()
    wait_until(lambda: is_restored(daemon))
    assert set(residents(daemon)) == {"b", "c", "d"}


def test_off_means_that_it_begins_empty(start, library):
    daemon = start(library, "--no-workers", "--restore", "off")
    fill(daemon)
    daemon.stop()
    daemon.start()
    time.sleep(1)
    assert residents(daemon) == {}
    assert daemon.data("GET", "/api/model/cache/patterns")["restore"]["state"] == "disabled"
