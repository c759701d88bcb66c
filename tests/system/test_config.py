"""How a model is to be kept: said once, kept over restarts, and followed by whoever loads it."""
import concurrent.futures
import sys
import time

import pytest
from own_daemon import wait_until
from weight_files import sparse, tensor, write

MIB = 1 << 20
UNSAID = {"pin": None, "ttl_seconds": None, "priority": None, "precision": None}


@pytest.fixture
def library(tmp_path):
    """Models of 4 MiB each, and a large one."""
    folder = tmp_path / "models"
    folder.mkdir()
    for name, size in (("one", 4), ("two", 4), ("three", 4), ("large", 14)):
        write(folder / f"{name}.safetensors", [tensor("weight", "F32", [size, MIB // 4])])
    return folder


@pytest.fixture
def small(start, library):
    """A hoistd in whose RAM there is room for two of the small models."""
    return start(library, ram="10M")


def put(daemon, model, **wishes):
    """Say how a model is to be kept."""
    return daemon.data("PUT", f"/api/models/{model}/config", wishes)


def resident(daemon):
    """Models in RAM."""
    return {row["model_id"] for row in daemon.data("GET", "/api/model/cache")["components"]}


def is_pinned(daemon, model):
    """Is all of it that is in RAM pinned?"""
    return all(row["pinned"] for row in daemon.data("GET", "/api/model/cache")["components"] if row["model_id"] == model)


def test_nothing_is_said_of_a_new_model(small):
    assert small.data("GET", "/api/models/one/config") == {"model_id": "one", **UNSAID}


def test_what_is_said_is_kept_and_taken_back_by_null(small):
    said = put(small, "one", pin=False, ttl_seconds=3600, priority=-3, precision="fp16")
    assert said == {"model_id": "one", "pin": False, "ttl_seconds": 3600, "priority": -3, "precision": "fp16"}
    put(small, "one", priority=None)
    assert small.stop() == 0
    small.start()
    assert small.data("GET", "/api/models/one/config") == {**said, "priority": None}
    assert put(small, "one", **UNSAID) == {"model_id": "one", **UNSAID}


WRONG = [({"pin": 1}, "pin"), ({"pin": "yes"}, "pin"), ({"ttl_seconds": -1}, "ttl_seconds"), ({"ttl_seconds": 1.5}, "ttl_seconds"), ({"ttl_seconds": "soon"}, "ttl_seconds"),
         ({"ttl_seconds": 1 << 40}, "ttl_seconds"), ({"priority": 11}, "priority"), ({"priority": -11}, "priority"), ({"priority": True}, "priority"), ({"priority": [1]}, "priority"),
         ({"precision": 16}, "precision"), ({"precision": "fp12"}, "fp12"), ({"precision": "f" * 300}, "fff"), ({"precison": "fp16"}, "precison"), ({}, "nothing"), ([], "object")]


@pytest.mark.parametrize(("body", "word"), WRONG)
def test_a_wrong_wish_is_named_and_changes_nothing(small, body, word):
    put(small, "one", ttl_seconds=9)
    status, envelope = small.http("PUT", "/api/models/one/config", body)
    assert status == 400 and word in envelope["error"]["message"], envelope
    assert small.data("GET", "/api/models/one/config") == {"model_id": "one", **UNSAID, "ttl_seconds": 9}


def test_a_model_that_is_not_there_has_no_config(small):
    for method, body in (("GET", None), ("PUT", {"pin": True})):
        assert small.http(method, "/api/models/none/config", body)[1]["error"]["code"] == "model_not_found"
    assert small.http("POST", "/api/models/none/preload")[1]["error"]["code"] == "model_not_found"


def test_what_is_pinned_stays_whoever_needs_room(small):
    small.data("POST", "/api/model/cache", {"model_id": "one"})
    assert not is_pinned(small, "one")
    put(small, "one", pin=True)
    assert is_pinned(small, "one")
    for other in ("two", "three", "two"):
        small.data("POST", "/api/model/load", {"model_id": other})
    assert "one" in resident(small)
    put(small, "one", pin=False)
    assert not is_pinned(small, "one")


def test_what_comes_into_ram_of_a_pinned_model_is_pinned(small):
    put(small, "one", pin=True)
    small.data("POST", "/api/model/load", {"model_id": "one"})
    assert is_pinned(small, "one") and small.data("GET", "/api/model/status/host:0")["loaded_components"][0]["pinned"]


def test_more_than_the_budget_is_not_pinned(small):
    status, envelope = small.http("PUT", "/api/models/large/config", {"pin": True, "priority": 2})
    details = envelope["error"]["details"]
    assert (status, envelope["error"]["code"]) == (507, "out_of_ram") and details["required_bytes"] >= 14 * MIB and details["available_bytes"] == 10 * MIB
    assert small.data("GET", "/api/models/large/config") == {"model_id": "large", **UNSAID}
    put(small, "one", pin=True)
    small.data("POST", "/api/model/cache", {"model_id": "two", "pin": True})
    refused = small.http("PUT", "/api/models/three/config", {"pin": True})[1]["error"]
    assert refused["code"] == "out_of_ram" and 12 * MIB <= refused["details"]["required_bytes"] < 13 * MIB, "one is not in RAM yet, two is pinned there"
    small.data("POST", "/api/model/cache", {"model_id": "two", "pin": False})
    put(small, "three", pin=True)


def test_two_pins_at_once_do_not_exceed_the_budget_together(start, library):
    daemon = start(library, ram="6M")
    for _ in range(5):
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            answers = list(pool.map(lambda model: daemon.http("PUT", f"/api/models/{model}/config", {"pin": True})[0], ("one", "two", "three")))
        assert sorted(answers) == [200, 507, 507]
        for model in ("one", "two", "three"):
            put(daemon, model, pin=None)


def test_what_is_not_used_goes_when_its_time_is_over(small):
    put(small, "one", ttl_seconds=1)
    for model in ("one", "two"):
        small.data("POST", "/api/model/load", {"model_id": model})
    assert resident(small) == {"one", "two"}
    wait_until(lambda: resident(small) == {"two"}, seconds=6)
    assert [(row["component_id"].split(":")[0], row["cause"]) for row in small.data("GET", "/api/model/decisions")["decisions"]] == [("one", "ttl")]
    assert [row["model_id"] for row in small.data("GET", "/api/model/status/host:0")["loaded_components"]] == ["two"]


def test_what_is_leased_or_pinned_stays_beyond_its_time(small):
    put(small, "one", ttl_seconds=0)
    put(small, "two", ttl_seconds=0, pin=True)
    small.data("POST", "/api/model/load", {"model_id": "two"})
    with small.client() as client, client.open("one", device="cpu") as model:
        weights = model.numpy()
        time.sleep(1.5)
        assert resident(small) == {"one", "two"} and len(weights) == 1
        del weights
    wait_until(lambda: resident(small) == {"two"}, seconds=6)


def test_a_load_may_say_its_own_time(small):
    assert small.cli("load", "one", "--ttl", "1").returncode == 0
    assert small.cli("load", "two").returncode == 0
    wait_until(lambda: resident(small) == {"two"}, seconds=6)
    assert small.cli("load", "one", "--ttl", "soon").returncode == 2
    assert small.http("POST", "/api/model/load", {"model_id": "one", "ttl_seconds": -1})[1]["error"]["code"] == "invalid_argument"


def test_the_less_important_goes_first(small):
    put(small, "one", priority=5)
    put(small, "two", priority=-5)
    for model in ("two", "one", "two"):  # one was not used for longer
        small.data("POST", "/api/model/cache", {"model_id": model})
    small.data("POST", "/api/model/cache", {"model_id": "three"})
    assert resident(small) == {"one", "three"}


def test_loads_that_name_no_precision_have_the_wished_one(small, library):
    put(small, "one", precision="fp16")
    job = small.data("POST", "/api/model/load", {"model_id": "one"})
    assert job["loaded_components"][0]["precision"] == "fp16" and job["loaded_components"][0]["size_bytes"] == 2 * MIB
    with small.client() as client, client.open("one", device="cpu") as model:
        assert {str(weight.dtype) for weight in model.numpy().values()} == {"float16"}
    named = small.data("POST", "/api/model/load", {"model_id": "one", "precision": "bf16"})
    assert named["loaded_components"][0]["precision"] == "bf16"
    small.data("DELETE", "/api/model/unload")
    small.data("DELETE", "/api/model/cache")
    program = "import safetensors.torch, sys; print(safetensors.torch.load_file(sys.argv[1])['weight'].dtype)"
    done = small.cli("exec", "--", sys.executable, "-c", program, library / "one.safetensors")
    assert done.stdout.strip() == "torch.float32", done
    held = next(row for row in small.data("GET", "/api/model/components")["components"] if row["model_id"] == "one")
    assert [(row["tier"], row["precision"]) for row in held["residencies"]] == [("ram", "fp32")], "a program that reads the file gets what is in it"


def test_models_are_brought_in_ahead_of_time(small):
    job = small.data("POST", "/api/models/one/preload", {})
    assert job["model_id"] == "one" and job["device_id"] is None and job["state"] in ("queued", "running")
    wait_until(lambda: small.data("GET", f"/api/model/jobs/{job['job_id']}")["state"] == "done", seconds=6)
    assert resident(small) == {"one"}
    assert small.http("POST", "/api/models/one/preload", {"wait": True})[1]["error"]["code"] == "invalid_argument"


def test_what_is_brought_in_ahead_of_time_waits_for_others(start, library):
    for name in ("huge", "later"):
        sparse(library / f"{name}.safetensors", "F32", 64 * MIB)
    daemon = start(library, ram="1G")
    others = [daemon.data("POST", "/api/model/load", {"model_id": "huge", "wait": False})["job_id"]]
    ahead = daemon.data("POST", "/api/models/one/preload")["job_id"]
    others.append(daemon.data("POST", "/api/model/load", {"model_id": "later", "wait": False})["job_id"])
    seen = []
    while not seen or seen[-1] != "done":
        states = {job["job_id"]: job["state"] for job in daemon.data("GET", "/api/model/jobs")["jobs"]}
        seen.append(states[ahead])
        assert states[ahead] == "queued" or [states[other] for other in others] == ["done", "done"], states
    assert seen[0] == "queued"


def test_the_command_line_says_and_shows_it(small):
    assert small.cli("config", "one", "--pin", "--ttl", "60", "--priority", "-2", "--precision", "fp16").returncode == 0
    shown = small.cli("config", "one").stdout
    assert all(word in shown for word in ("true", "60", "-2", "fp16")), shown
    assert small.cli("config", "one", "--no-pin", "--ttl", "default", "--precision", "default", "--json").returncode == 0
    assert small.data("GET", "/api/models/one/config") == {"model_id": "one", **UNSAID, "pin": False, "priority": -2}
    for wrong in (["--pin", "--no-pin"], ["--ttl", "x"], ["--priority", "1x"]):
        assert small.cli("config", "one", *wrong).returncode == 2
    assert small.cli("config", "one", "--priority", "99").returncode == 2 and small.cli("config", "none").returncode == 3
    assert small.cli("config", "large", "--pin").returncode == 4
