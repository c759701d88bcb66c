"""What is learned from use: recorded, shown, and used to fill free memory ahead; undone when somebody waits."""
import signal
import time

import pytest
from own_daemon import HOISTD, wait_until
from weight_files import sparse, tensor, write

MIB = 1 << 20


@pytest.fixture
def library(tmp_path):
    """a and b of 8 MiB, and one of 768 MiB, which takes a while to read."""
    folder = tmp_path / "models"
    folder.mkdir()
    for name, rows in (("a", 2), ("b", 2), ("c", 2)):
        write(folder / f"{name}.safetensors", [tensor("weight", "F32", [rows, MIB], name)])
    for turn in range(12):
        write(folder / f"other{turn}.safetensors", [tensor("weight", "F32", [8], turn)])
    sparse(folder / "large.safetensors", "F32", 192 * MIB)
    return folder


def resident(daemon):
    """Models in RAM."""
    return {component["model_id"] for component in daemon.data("GET", "/api/model/cache")["components"] if component["ram"]["state"] == "cached"}


def patterns(daemon, query=""):
    """What is known of use."""
    return daemon.data("GET", "/api/model/cache/patterns" + query)


def background_jobs(daemon):
    """Loads that nobody asked for."""
    return [job for job in daemon.data("GET", "/api/model/jobs")["jobs"] if job["background"]]


def free_all(daemon):
    """Nothing is in RAM."""
    daemon.data("DELETE", "/api/model/unload")
    daemon.data("DELETE", "/api/model/cache")


def expected(daemon, model_id):
    """Its prediction, or nothing."""
    return next((row for row in patterns(daemon)["predictions"] if row["model_id"] == model_id), {"would_load": False})


def learn(daemon, first="a", second="b"):
    """Use one and then the other until predictions are believed. Something else is used in between, each time something else."""
    for turn in range(12):
        made = patterns(daemon)["prediction"]["predictions"]
        daemon.data("POST", "/api/model/load", {"model_id": first})
        if expected(daemon, second)["would_load"]:
            wait_until(lambda known=made: patterns(daemon)["prediction"]["state"] == "disabled" or patterns(daemon)["prediction"]["predictions"] > known)
        daemon.data("POST", "/api/model/load", {"model_id": second})
        daemon.data("POST", "/api/model/load", {"model_id": f"other{turn}"})
        free_all(daemon)
        score = patterns(daemon)["prediction"]
        if score["state"] == "on" or (score["state"] == "disabled" and turn == 6):
            break
    assert background_jobs(daemon) == []


def test_what_always_followed_is_loaded_ahead_and_counts_as_saved(start, library):
    daemon = start(library, "--no-workers", "--predict", "on")
    learn(daemon)
    before = patterns(daemon)["prediction"]
    assert before["state"] == "on" and before["precision"] == 1 and before["loaded"] == 0
    daemon.data("POST", "/api/model/load", {"model_id": "a"})
    wait_until(lambda: resident(daemon) == {"a", "b"})
    b = daemon.data("GET", "/api/model/cache/b:model")
    assert b["last_used"] < daemon.data("GET", "/api/model/cache/a:model")["last_used"]  # bringing it in was no use of it
    hits = daemon.data("GET", "/api/model/cache")["hits"]
    daemon.data("POST", "/api/model/load", {"model_id": "b"})
    after = patterns(daemon)["prediction"]
    assert daemon.data("GET", "/api/model/cache")["hits"] == hits + 1
    assert after["loaded"] == 1 and after["saved_bytes"] >= 8 * MIB and after["saved_seconds"] > 0 and after["wasted_bytes"] == 0


def test_uses_are_counted_by_model_hour_and_succession(start, library):
    daemon = start(library, "--no-workers")
    for name in ("a", "b", "a", "b", "a", "b"):
        daemon.data("POST", "/api/model/load", {"model_id": name})
    with daemon.client() as client, client.open("a", device="cpu"), client.open("a", device="cpu", components=["model"]):
        shown = patterns(daemon)
    rows = {row["model_id"]: row for row in shown["models"]}
    assert shown["total_models"] == 2 and (rows["a"]["uses"], rows["b"]["uses"]) == (5, 3)
    assert rows["a"]["followed_by"][0]["model_id"] == "b" and 0.4 < rows["a"]["followed_by"][0]["probability"] < 0.6
    hours = [sum(rows["a"]["hours"][kind]) for kind in ("working_days", "weekends")]
    assert sum(hours) >= 1 and 0 in hours
    assert rows["a"]["load_seconds"] > 0
    assert len(patterns(daemon, "?limit=1")["models"]) == 1
    assert daemon.http("GET", "/api/model/cache/patterns?limit=many")[0] == 400
    assert daemon.http("GET", "/api/model/cache/patterns?what=1")[0] == 400


def test_components_and_precisions_are_known_apart(start, models):
    daemon = start(models, "--no-workers")
    pipeline = next(m for m in daemon.data("GET", "/api/model/available")["models"] if len(m["components"]) > 2)
    roles = [component["component_type"] for component in pipeline["components"]][:2]
    daemon.data("POST", "/api/model/load", {"model_id": pipeline["model_id"], "components": roles})
    daemon.data("POST", "/api/model/load", {"model_id": "alpha", "precision": "fp16"})
    rows = {row["model_id"]: row for row in patterns(daemon)["models"]}
    assert sorted(rows[pipeline["model_id"]]["components"]) == sorted(roles)
    assert rows["alpha"]["precision"] == "fp16" and rows["alpha"]["components"] is None


def test_a_load_that_somebody_waits_for_comes_first(start, library):
    daemon = start(library, "--no-workers", "--predict", "on", ram="1G", HOIST_FORCE_BACKING="pages")  # which takes a second or two
    learn(daemon, second="large")
    daemon.data("POST", "/api/model/load", {"model_id": "a"})
    wait_until(lambda: any(job["state"] == "running" for job in background_jobs(daemon)))
    daemon.data("POST", "/api/model/load", {"model_id": "c"})
    assert "c" in resident(daemon) and background_jobs(daemon)[0]["state"] != "done"
    wait_until(lambda: background_jobs(daemon)[0]["state"] == "cancelled" and patterns(daemon)["prediction"]["wasted_seconds"] > 0)


def test_nothing_is_evicted_for_a_prediction(start, library):
    daemon = start(library, "--no-workers", "--predict", "on", ram="20M")
    learn(daemon)
    daemon.data("POST", "/api/model/cache", {"model_id": "c"})
    daemon.data("POST", "/api/model/load", {"model_id": "a"})
    time.sleep(1)
    assert resident(daemon) == {"a", "c"} and background_jobs(daemon) == []


def test_what_was_loaded_ahead_goes_first(start, library):
    daemon = start(library, "--no-workers", "--predict", "on", ram="26M")
    learn(daemon)
    daemon.data("POST", "/api/model/load", {"model_id": "a"})
    wait_until(lambda: resident(daemon) == {"a", "b"})
    write(library / "d.safetensors", [tensor("weight", "F32", [4, MIB])])
    daemon.scan()
    assert [e["component_id"] for e in daemon.data("POST", "/api/model/plan", {"model_id": "d"})["evictions"]] == ["b:model"]


def test_off_means_that_nothing_is_loaded_ahead(start, library):
    daemon = start(library, "--no-workers", "--predict", "off")
    learn(daemon)
    daemon.data("POST", "/api/model/load", {"model_id": "a"})
    time.sleep(1)
    assert resident(daemon) == {"a"} and patterns(daemon)["prediction"]["state"] == "disabled"


def test_what_was_learned_outlives_a_kill(start, library):
    daemon = start(library, "--no-workers", "--predict", "on")
    learn(daemon)
    time.sleep(2.5)
    known = patterns(daemon)
    daemon.stop(signal.SIGKILL)
    daemon.start()
    again = patterns(daemon)
    assert [(row["model_id"], row["uses"]) for row in again["models"]] == [(row["model_id"], row["uses"]) for row in known["models"]]
    assert again["prediction"]["state"] == "on" and again["prediction"]["hits"] == known["prediction"]["hits"]
    daemon.data("POST", "/api/model/load", {"model_id": "a"})
    wait_until(lambda: resident(daemon) == {"a", "b"})


def test_optimize_drops_what_is_not_expected_and_loads_what_is(start, library):
    daemon = start(library, "--no-workers", "--predict", "off")
    learn(daemon)
    for name in ("c", "large"):
        daemon.data("POST", "/api/model/cache", {"model_id": name, "pin": name == "large"})
    daemon.data("POST", "/api/model/load", {"model_id": "a"})
    done = daemon.data("POST", "/api/model/cache/optimize", {"drop_idle_seconds": 0})
    newest = daemon.data("GET", "/api/model/decisions")["decisions"][0]
    assert (newest["component_id"], newest["bytes"], newest["cause"]) == ("c:model", done["dropped_components"][0]["freed_bytes"], "asked")
    assert [row["component_id"] for row in done["dropped_components"]] == ["c:model"]
    assert done["freed_bytes"] >= 8 * MIB and done["rearranged"] is True and done["preloading"] == 1
    assert [row["model_id"] for row in done["predictions"] if row["would_load"]] == ["b"]
    wait_until(lambda: resident(daemon) == {"a", "b", "large"})


def test_optimize_drops_nothing_that_it_was_not_asked_to(start, library):
    daemon = start(library, "--no-workers")
    daemon.data("POST", "/api/model/cache", {"model_id": "c"})
    done = daemon.data("POST", "/api/model/cache/optimize", {"preload": False})
    assert done["dropped_components"] == [] and done["preloading"] == 0 and resident(daemon) == {"c"}
    assert daemon.data("POST", "/api/model/cache/optimize", {"drop_idle_seconds": 3600})["dropped_components"] == []
    assert daemon.http("POST", "/api/model/cache/optimize", {"drop_idle_seconds": -1})[0] == 400
    assert daemon.http("POST", "/api/model/cache/optimize", {"everything": True})[0] == 400


def test_predictions_are_metrics(start, library):
    daemon = start(library, "--no-workers", "--predict", "on")
    learn(daemon)
    text = daemon.http("GET", "/metrics")[1]
    assert "hoist_prediction_on 1" in text and "hoist_prediction_precision 1" in text and "hoist_prediction_wasted_bytes_total 0" in text


def test_the_command_line_shows_and_optimizes(start, library):
    daemon = start(library, "--no-workers", "--predict", "on")
    assert "nothing was used so far" in daemon.cli("cache", "--patterns").stdout
    learn(daemon)
    shown = daemon.cli("cache", "--patterns")
    assert shown.returncode == 0 and "b" in shown.stdout and "prediction is on" in shown.stdout
    assert '"followed_by"' in daemon.cli("cache", "--patterns", "--json").stdout
    daemon.data("POST", "/api/model/cache", {"model_id": "c"})
    done = daemon.cli("cache", "--reorganize", "--drop-idle", "0")
    assert done.returncode == 0 and "1 component dropped" in done.stdout and resident(daemon) == set()
    assert '"preloading"' in daemon.cli("cache", "--reorganize", "--json").stdout


def test_the_command_line_refuses_what_makes_no_sense(shared_daemon):
    for wrong in ([], ["alpha", "--patterns"], ["--patterns", "--reorganize"], ["--drop-idle", "5"], ["--reorganize", "--drop-idle", "soon"]):
        refused = shared_daemon.cli("cache", *wrong)
        assert refused.returncode == 2 and refused.stderr, wrong


def test_a_switch_that_is_none_is_refused(library, tmp_path):
    import subprocess

    refused = subprocess.run([HOISTD, "--models", library, "--state", tmp_path / "s", "--predict", "maybe"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2 and "predict is on or off, not 'maybe'" in refused.stderr
