"""Who makes room is the user's to choose."""
import subprocess

import pytest
from own_daemon import HOISTD
from weight_files import tensor, write

MIB = 1 << 20


@pytest.fixture
def library(tmp_path):
    """Three models of 10 MiB."""
    folder = tmp_path / "models"
    folder.mkdir()
    for seed, name in enumerate(("often", "late", "new")):
        write(folder / f"{name}.safetensors", [tensor("a.weight", "F32", [10 * MIB // 4], seed)])
    return folder


@pytest.mark.parametrize("policy, victim", [("lru", "often"), ("lfu", "late")])
def test_the_policy_that_is_set_chooses(start, library, policy, victim):
    daemon = start(library, "--policy", policy, ram="24M")
    for name in ("often", "often", "often", "late", "new"):
        daemon.data("POST", "/api/model/cache", {"model_id": name})
    held = {row["model_id"] for row in daemon.data("GET", "/api/model/cache")["components"]}
    assert held == {"often", "late", "new"} - {victim}


def test_another_precision_of_the_same_model_makes_room_for_it(start, library):
    daemon = start(library, ram="14M")
    daemon.data("POST", "/api/model/load", {"model_id": "new"})  # 10 MiB as stored
    daemon.data("POST", "/api/model/load", {"model_id": "new", "precision": "fp16"})  # 5 more do not fit beside it
    held = [(row["model_id"], row["ram"]["bytes"] < 6 * MIB) for row in daemon.data("GET", "/api/model/cache")["components"]]
    assert held == [("new", True)]


def test_a_policy_that_does_not_exist_is_refused_with_those_that_do(tmp_path):
    run = subprocess.run([HOISTD, "--policy", "clairvoyant", "--state", tmp_path / "state", "--socket", tmp_path / "s", "--listen", "off"],
                         capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode != 0 and "policy is cost, lru or lfu, not 'clairvoyant'" in run.stderr
