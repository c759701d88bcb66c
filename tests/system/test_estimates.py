"""Loads are estimated from those before, and both are shown: what was expected and what it took."""
import os
import pathlib
import urllib.request

import pytest

from weight_files import tensor, write

MIB = 1 << 20


@pytest.fixture
def daemon(start, tmp_path):
    """A hoistd over two models of 16 MiB."""
    folder = tmp_path / "models"
    folder.mkdir()
    for name in ("first", "second"):
        write(folder / f"{name}.safetensors", [tensor("blocks.0.weight", "F16", [8 * MIB], len(name))])
    return start(folder)


def load(daemon, model, **fields):
    """A finished load."""
    return daemon.data("POST", "/api/model/load", {"model_id": model, **fields})


def load_warm(daemon, model):
    """A finished load of a file that was in the page cache when it began."""
    pathlib.Path(daemon.data("GET", f"/api/models/{model}")["path"]).read_bytes()
    return load(daemon, model)


def step(job, name):
    """The sentence of a step."""
    return next(row["detail"] for row in job["steps"] if row["step"] == name)


def test_the_first_load_is_measured_and_the_next_is_estimated_from_it(daemon):
    first, second = load_warm(daemon, "first"), load_warm(daemon, "second")
    assert first["estimate"]["expected_ms"] is None and first["estimate"]["margin_ms"] is None
    assert first["estimate"]["source"] == "warm" and first["estimate"]["measured_ms"] > 0
    assert first["estimate"]["measured_bytes"] == first["estimate"]["expected_bytes"] >= 16 * MIB
    assert second["estimate"]["expected_ms"] == pytest.approx(first["estimate"]["measured_ms"], rel=0.01)
    assert second["estimate"]["margin_ms"] > 0
    assert "more" not in step(first, "estimate") and "ms and up to" in step(second, "estimate")
    assert "were expected" in step(second, "load")


def test_a_model_shows_what_its_loads_took(daemon):
    assert daemon.data("GET", "/api/models/first")["loads"] == []
    job = load(daemon, "first")
    daemon.data("DELETE", "/api/model/unload", {"model_id": "first"})
    daemon.data("DELETE", "/api/model/cache", {"model_id": "first"})
    load(daemon, "first", precision="bf16")
    loads = {row["precision"]: row for row in daemon.data("GET", "/api/models/first")["loads"]}
    assert set(loads) == {None, "bf16"}
    assert loads[None]["loads"] == 1 and loads[None]["measured_ms"] == job["estimate"]["measured_ms"] and loads[None]["device_id"] == "host:0"


def test_what_is_cold_is_told_from_what_is_warm(daemon):
    path = daemon.data("GET", "/api/models/first")["path"]
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    assert load(daemon, "first")["estimate"]["source"] == "cold"
    assert load_warm(daemon, "second")["estimate"]["source"] == "warm"
    assert load(daemon, "first")["estimate"]["source"] == ""


def test_the_error_of_the_estimates_is_a_metric(daemon):
    for name in ("first", "second"):
        load_warm(daemon, name)
    with urllib.request.urlopen(daemon.url + "/metrics") as answer:
        text = answer.read().decode()
    assert "hoist_load_estimates_total 1" in text
    assert "hoist_load_estimate_error_ratio" in text
