"""A plan says what a load would do, and the load does just that: every figure of the one is compared with the other."""
import os
import re
import threading
import time

import pytest

from own_daemon import wait_until
from weight_files import tensor, write

MIB = 1 << 20
SHARED = [tensor(f"first_stage_model.decoder.{i}.weight", "F32", [MIB // 4]) for i in range(4)]  # 4 MiB, equal everywhere
ODD = 4 * 1000 + 4  # no tensor ends where a page does


def unet(seed, parts=2):
    """A MiB each that no other model has, and some bytes."""
    return [tensor(f"model.diffusion_model.input_blocks.{i}.0.weight", "F16", [4, (MIB // 2 + ODD) // 4], seed) for i in range(parts)]


@pytest.fixture
def library(tmp_path):
    """Two checkpoints with the same VAE, and models that share nothing."""
    folder = tmp_path / "models"
    folder.mkdir()
    write(folder / "one.safetensors", unet(1) + SHARED, {"note": "x"})
    write(folder / "two.safetensors", SHARED + unet(2), {"note": "another header, so that nothing lies at the same place"})
    for name, parts in (("small", 1), ("middle", 3), ("large", 5), ("huge", 40)):
        write(folder / f"{name}.safetensors", unet(name, parts))
    return folder


def ram(daemon):
    """The RAM tier, once what was evicted is back with the kernel and the machine's memory was measured, which a start does beside its work."""
    def settled():
        cache = daemon.data("GET", "/api/model/cache")
        measured = any(row["touch_ms_per_gib"] is not None for row in cache["copy_backings"])
        return cache if measured and cache["draining_bytes"] == 0 else None
    return wait_until(settled, 20)


def plan_of(daemon, **wish):
    """What a load would do."""
    return daemon.data("POST", "/api/model/plan", wish)


def decisions(daemon, job=None):
    """Records of evictions, oldest first; of one job."""
    records = daemon.data("GET", "/api/model/decisions")["decisions"][::-1]
    return [record for record in records if job is None or record["job_id"] == job["job_id"]]


def evicted(rows):
    """What of them went from where, in order, what that freed, and why; for how long it was not used differs."""
    return [(row["component_id"], row["tier"], row["device_id"], row["bytes"], re.sub(r"not used for \d+ \w+", "", row["reason"])) for row in rows]


def names(rows):
    """Their components."""
    return [row["component_id"] for row in rows]


def check(daemon, **wish):
    """Plan, load, compare every figure. Returns the plan."""
    before = ram(daemon)
    plan = plan_of(daemon, **wish)
    assert ram(daemon) == before, "a dry run changes nothing"
    job = daemon.data("POST", "/api/model/load", wish)
    after = ram(daemon)
    components = plan["components"]
    assert plan["ram_used_bytes"] == before["used_bytes"] and plan["ram_budget_bytes"] == before["budget_bytes"]
    assert plan["read_bytes"] == job["read_bytes"] == after["filled_bytes"] - before["filled_bytes"]
    assert plan["ram_bytes"] - plan["evicted_bytes"] == after["used_bytes"] - before["used_bytes"]
    assert plan["ram_bytes"] == job["ram_bytes"] == sum(part["ram_bytes"] for part in components)
    assert names(components) == names(job["loaded_components"])
    for part, loaded in zip(components, job["loaded_components"]):
        assert (part["precision"], part["size_bytes"], part["loaded"]) == (loaded["precision"], loaded["size_bytes"], loaded["shared"])
        assert part["device_bytes"] == (0 if part["loaded"] else loaded["vram_bytes"])
    assert evicted(plan["evictions"]) == evicted(decisions(daemon, job))
    assert plan["evicted_bytes"] == sum(row["bytes"] for row in plan["evictions"] if row["tier"] == "ram")
    assert after["used_bytes"] <= after["budget_bytes"] and job["replans"] == 0
    return plan


def part(plan, component_id):
    """A component of a plan."""
    return next(row for row in plan["components"] if row["component_id"] == component_id)


def test_into_empty_memory_all_is_read(start, library):
    daemon = start(library)
    plan = check(daemon, model_id="one")
    assert [row["action"] for row in plan["components"]] == ["read", "read"] and plan["evictions"] == []
    assert plan["read_bytes"] >= 6 * MIB and plan["device_bytes"] == plan["components"][0]["size_bytes"] + 4 * MIB
    assert [step["step"] for step in plan["steps"]] == ["cache", "load"]
    assert sum(row["ram_bytes"] for row in plan["components"]) < sum(row["read_bytes"] for row in plan["components"]), "the page in common is charged once"


def test_what_is_there_is_not_read(start, library):
    daemon = start(library)
    daemon.data("POST", "/api/model/load", {"model_id": "one"})
    plan = check(daemon, model_id="one")
    assert {row["action"] for row in plan["components"]} == {"none"} and plan["steps"] == [] and plan["ram_bytes"] == plan["read_bytes"] == 0
    daemon.data("DELETE", "/api/model/unload")
    assert [step["step"] for step in check(daemon, model_id="one")["steps"]] == ["load"]


@pytest.mark.parametrize("backing", ["page_cache", "tmpfs_huge", "memfd_huge"])
def test_equal_tensors_of_others_cost_nothing_and_it_is_said_whose_they_are(start, library, backing):
    daemon = start(library, HOIST_FORCE_BACKING=backing)
    for name in ("one", "two"):
        assert daemon.cli("hash", name).returncode == 0
    daemon.data("POST", "/api/model/cache", {"model_id": "one"})
    plan = check(daemon, model_id="two")
    vae, model = part(plan, "two:vae"), part(plan, "two:model")
    assert (vae["action"], vae["read_bytes"], vae["ram_bytes"], vae["shared_with"]) == ("share", 0, 0, ["one:vae"]) and vae["shared_bytes"] >= 4 * MIB
    assert (model["action"], model["shared_with"]) == ("read", [])


@pytest.mark.parametrize("precision, action", [("bf16", "convert"), ("fp8", "convert"), ("fp16", "read")])
def test_a_conversion_is_planned_with_the_size_that_it_has_then(start, library, precision, action):
    daemon = start(library)
    plan = check(daemon, model_id="small", precision=precision)
    row = plan["components"][0]
    assert (row["action"], row["stored_precision"]) == (action, "fp16") and row["precision"].startswith(precision)
    assert (row["ram_bytes"] < row["read_bytes"] * 0.51) == (precision == "fp8")
    assert check(daemon, model_id="small", precision=precision)["steps"] == []


def test_room_is_made_by_those_named_in_that_order(start, library):
    daemon = start(library, ram="12M")
    for name in ("small", "middle", "large"):
        daemon.data("POST", "/api/model/load", {"model_id": name})
    plan = check(daemon, model_id="one")
    assert [(row["tier"]) for row in plan["evictions"]] == sorted(row["tier"] for row in plan["evictions"]), "off the device before out of RAM"
    assert plan["evicted_bytes"] > 0 and {row["device_id"] for row in plan["evictions"]} == {None, "host:0"}


def test_memory_in_common_is_freed_with_the_last_that_has_it(start, library):
    daemon = start(library, ram="9M")
    for name in ("one", "two"):
        assert daemon.cli("hash", name).returncode == 0
        daemon.data("POST", "/api/model/cache", {"model_id": name})
    assert ram(daemon)["used_bytes"] < 9 * MIB
    daemon.data("POST", "/api/model/cache", {"model_id": "one", "components": ["model"], "pin": True})
    daemon.data("POST", "/api/model/cache", {"model_id": "two", "components": ["model"], "pin": True})
    plan = check(daemon, model_id="middle")
    freed = {row["component_id"]: row["bytes"] for row in plan["evictions"]}
    assert freed.keys() == {"one:vae", "two:vae"} and sorted(bytes // MIB for bytes in freed.values()) == [0, 4]


def test_whether_it_comes_from_disk_or_from_the_page_cache_is_said(start, library):
    daemon = start(library)
    warm = check(daemon, model_id="large")
    assert warm["warm_bytes"] == warm["read_bytes"]
    fd = os.open(library / "middle.safetensors", os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)
    cold = plan_of(daemon, model_id="middle")
    if cold["warm_bytes"] > MIB:
        pytest.skip("this file system keeps its pages")
    assert cold["warm_bytes"] < cold["read_bytes"] / 4


def test_how_long_it_takes_is_not_said_before_it_was_measured(start, library):
    daemon = start(library)
    assert plan_of(daemon, model_id="large")["expected_ms"] is None
    daemon.data("POST", "/api/model/load", {"model_id": "large"})
    plan = plan_of(daemon, model_id="middle")
    took = daemon.data("POST", "/api/model/load", {"model_id": "middle"})["loading_ms"]
    assert plan["expected_ms"] is not None and took / 20 < plan["expected_ms"] < took * 20


def test_a_plan_that_was_overtaken_is_made_again_by_the_load(start, library):
    daemon = start(library, ram="8M")
    plan = plan_of(daemon, model_id="large")
    assert plan["evictions"] == []
    daemon.data("POST", "/api/model/load", {"model_id": "middle"})
    job = daemon.data("POST", "/api/model/load", {"model_id": "large"})
    assert names(decisions(daemon, job)) == ["middle:model", "middle:model"]
    assert ram(daemon)["used_bytes"] <= 8 * MIB
    assert names(ram(daemon)["components"]) == ["large:model"]


def test_less_room_than_planned_with_is_planned_anew_and_nothing_is_half_done(start, library):
    daemon = start(library, ram="8M", HOIST_FAULT="allocate=out_of_ram")
    job = daemon.data("POST", "/api/model/load", {"model_id": "large"})
    assert job["replans"] == 1 and job["state"] == "done"
    used = ram(daemon)["used_bytes"]
    daemon.data("DELETE", "/api/model/unload")
    daemon.data("DELETE", "/api/model/cache")
    check(daemon, model_id="large")
    assert ram(daemon)["used_bytes"] == used


@pytest.mark.parametrize("path", ["/api/model/plan", "/api/model/load"])
def test_too_large_says_what_is_missing_and_who_is_in_the_way(start, library, path):
    daemon = start(library, ram="8M")
    daemon.data("POST", "/api/model/load", {"model_id": "small", "pin": True})
    daemon.data("POST", "/api/model/load", {"model_id": "middle"})
    before = ram(daemon)
    status, envelope = daemon.http("POST", path, {"model_id": "huge"})
    details = envelope["error"]["details"]
    assert status == 507 and envelope["error"]["code"] == "out_of_ram" and ram(daemon) == before
    assert details["required_bytes"] > 40 * MIB and details["evictable_bytes"] == ram(daemon)["components"][0]["ram"]["bytes"]
    assert details["missing_bytes"] == details["required_bytes"] - details["available_bytes"] - details["evictable_bytes"]
    rows = {row["component_id"]: row for row in details["holders"]}
    assert rows["small:model"]["stays"] == "it is pinned" and rows["middle:model"]["stays"] is None
    assert f"{details['missing_bytes']} are missing" in envelope["error"]["message"]


def test_what_comes_back_soon_is_marked_and_told_once(start, library):
    daemon = start(library, ram="8M")
    for name in ("middle", "large"):
        daemon.data("POST", "/api/model/load", {"model_id": name})
    assert daemon.data("GET", "/api/model/decisions")["thrash_count"] == 0
    daemon.data("POST", "/api/model/load", {"model_id": "middle"})
    told = daemon.data("GET", "/api/model/decisions")
    gone = next(row for row in told["decisions"] if row["component_id"] == "middle:model" and row["tier"] == "ram")
    assert told["thrash_count"] == 1 and gone["thrash"] and gone["reloaded_at"] >= gone["at"]
    assert daemon.log_path.read_text(encoding="utf-8").count("middle:model was evicted for large and is back") == 1
    metrics = daemon.http("GET", "/metrics")[1]
    assert "hoist_thrash_total 1" in metrics and 'hoist_evictions_total{cause="room"} 4' in metrics


def test_a_record_says_why_and_who_stayed(start, library):
    daemon = start(library, ram="10M")
    for name in ("small", "middle", "large"):
        daemon.data("POST", "/api/model/cache", {"model_id": name})
    daemon.data("POST", "/api/model/cache", {"model_id": "small"})
    job = daemon.data("POST", "/api/model/cache", {"model_id": "one", "components": ["model"]})
    records = decisions(daemon, job)
    assert records and all(row["cause"] == "room" and row["policy"] == "cost" and "not used for" in row["reason"] for row in records)
    stayed = {"small:model", "middle:model", "large:model"} - set(names(records))
    assert {rival["component_id"] for rival in records[0]["rivals"]} == stayed
    assert all(rival["value"] >= records[0]["value"] for rival in records[0]["rivals"])
    daemon.data("DELETE", "/api/model/cache", {"model_id": "one"})
    asked = decisions(daemon)[-1]
    assert (asked["cause"], asked["component_id"], asked["policy"], asked["job_id"]) == ("asked", "one:model", None, None) and asked["bytes"] > 2 * MIB


def test_dry_runs_wait_for_nobody_and_are_no_jobs(start, library):
    daemon = start(library)
    daemon.data("POST", "/api/model/load", {"model_id": "huge", "wait": False})
    began = time.monotonic()
    plan = plan_of(daemon, model_id="huge")
    assert {row["action"] for row in plan["components"]} <= {"wait", "none", "read"} and time.monotonic() - began < 5
    assert len(daemon.data("GET", "/api/model/jobs")["jobs"]) == 1


def test_what_goes_because_its_time_is_over_is_recorded_too(start, library):
    daemon = start(library)
    daemon.data("PUT", "/api/models/small/config", {"ttl_seconds": 0})
    daemon.data("POST", "/api/model/load", {"model_id": "small"})
    records = wait_until(lambda: decisions(daemon), 20)
    assert (records[0]["cause"], records[0]["component_id"], records[0]["policy"]) == ("ttl", "small:model", None) and records[0]["bytes"] > MIB
    daemon.data("POST", "/api/model/load", {"model_id": "small"})
    assert daemon.data("GET", "/api/model/decisions")["thrash_count"] == 0


def test_a_precision_that_is_configured_is_planned_with(start, library):
    daemon = start(library)
    daemon.data("PUT", "/api/models/small/config", {"precision": "fp8"})
    assert check(daemon, model_id="small")["components"][0]["precision"] == "fp8_e4m3"


def test_it_reads_like_an_explanation(start, library):
    daemon = start(library, ram="8M")
    daemon.data("POST", "/api/model/load", {"model_id": "large"})
    said = daemon.cli("plan", "middle", "--precision", "fp8").stdout
    assert "and converted from fp16 to fp8_e4m3, which takes 1.5 MiB" in said and "First, room is made" not in said
    said = daemon.cli("plan", "one")
    first, then = said.stdout.split("Then, at the same time:")
    assert said.returncode == 0 and "1. large:model leaves host:0" in first and "2. large:model leaves RAM, which frees 5.0 MiB: nobody holds it: not used for" in first
    assert "one:vae is read: 4.0 MiB from the page cache" in then and "RAM: 5.0 MiB of 8.0 MiB now, 6.0 MiB then" in then and "expected:" in then
    daemon.data("POST", "/api/model/load", {"model_id": "one"})
    assert "large:model left RAM to make room for one, which freed 5.0 MiB" in daemon.cli("plan", "--decisions").stdout
    daemon.data("POST", "/api/model/load", {"model_id": "large"})
    assert "and it was back at" in daemon.cli("plan", "--decisions").stdout
    assert daemon.cli("plan", "huge").returncode == 4 and "large:model holds 5.0 MiB, and would go" in daemon.cli("plan", "huge").stderr
    assert daemon.cli("plan").returncode == daemon.cli("plan", "one", "--decisions").returncode == 2
    assert daemon.cli("plan", "--decisions", "--json").stdout.startswith("{")


def test_loads_that_overtake_each_other_never_exceed_the_budget(start, library):
    daemon = start(library, ram="9M", HOIST_FORCE_BACKING="tmpfs_huge")
    wishes = [{"model_id": name, "precision": precision} for name in ("one", "two", "small", "middle", "large") for precision in (None, "fp8")]
    ended = []

    def ask(number):
        for i in range(12):
            path = "/api/model/plan" if i % 3 == 2 else "/api/model/load"
            ended.append(daemon.http("POST", path, wishes[(number * 7 + i * 3) % len(wishes)]))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        status = daemon.data("GET", "/api/model/cache")
        assert status["used_bytes"] <= status["budget_bytes"]
    for thread in threads:
        thread.join()
    assert len(ended) == 72 and {status for status, _ in ended} <= {200, 507}, {status for status, _ in ended}
    assert sum(status == 200 for status, _ in ended) >= 20
    assert check(daemon, model_id="large")["components"]
