"""scan > available > cache > load > status > unload, by curl's means and by the command line; every number agrees with the files."""
import json
import os
import pathlib
import subprocess

import pytest
from own_daemon import HOISTD
from safetensors import safe_open

STEPS = ["validate", "estimate", "allocate", "load", "status"]
PAGE = os.sysconf("SC_PAGE_SIZE")


def files_of(model):
    """The weight files of a model on disk."""
    path = pathlib.Path(model["path"])
    return sorted(path.rglob("*.safetensors")) if path.is_dir() else [path]


def heads_bytes(model):
    """Bytes of its files that are no tensor's: they are held with them."""
    return sum(path.stat().st_size for path in files_of(model)) - tensor_bytes(model)


def tensor_bytes(model):
    """Bytes of all tensors, by safetensors itself."""
    total = 0
    for file in files_of(model):
        with safe_open(file, "pt") as opened:
            total += sum(opened.get_tensor(key).nbytes for key in opened.keys())
    return total


def available(daemon):
    return {model["model_id"]: model for model in daemon.data("GET", "/api/model/available")["models"]}


def test_the_catalog_agrees_with_the_files(daemon):
    data = daemon.data("GET", "/api/model/available")
    assert len(data["models"]) == data["total_models"] == sum(data["model_types"].values()) >= 10
    assert data["scan"]["state"] == "done" and data["scan"]["errors"] == 0
    for model in data["models"]:
        assert model["state"] == "ok", model
        assert model["size_bytes"] == sum(file.stat().st_size for file in files_of(model))
        assert sum(part["size_bytes"] for part in model["components"]) == tensor_bytes(model)


def test_families_are_those_of_the_architectures(daemon):
    found = {name: (model["type"], model["family"], model["format"]) for name, model in available(daemon).items()}
    assert found["tiny-sd"] == ("checkpoint", "sd1", "diffusers")
    assert found["tiny-sd-single"] == ("checkpoint", "sd1", "safetensors")
    assert found["tiny-sd-style"][:2] == ("lora", "sd1")
    assert found["tiny-llama"] == ("llm", "llama", "transformers")
    assert found["tiny-vae"][0] == "vae"


def test_pages_and_filters(daemon):
    everything = list(available(daemon))
    page = daemon.data("GET", "/api/model/available?limit=3&offset=2")
    assert [model["model_id"] for model in page["models"]] == everything[2:5] and page["total_models"] == len(everything)
    assert daemon.data("GET", "/api/model/available?search=TINY-SD&limit=0")["total_models"] == 3
    assert [model["model_id"] for model in daemon.data("GET", "/api/model/available/lora")["models"]] == ["tiny-sd-style"]
    assert daemon.data("GET", "/api/model/available?family=llama")["total_models"] == 1


@pytest.mark.parametrize("model_id", ["tiny-sd", "tiny-sd-single", "all-minilm-l6-v2", "tiny-llama"])
def test_the_walk_over_http(daemon, model_id):
    model = available(daemon)[model_id]
    size = tensor_bytes(model)
    parts = {part["component_id"] for part in model["components"]}
    cached = daemon.data("POST", "/api/model/cache", {"model_id": model_id})
    assert [step["step"] for step in cached["steps"]] == STEPS and cached["device_id"] is None
    ram = daemon.data("GET", "/api/model/cache")
    assert {part["component_id"] for part in ram["components"]} == parts
    assert size <= ram["used_bytes"] <= size + heads_bytes(model) + 2 * PAGE * max(len(parts), len(files_of(model)))
    assert all(part["ram"]["state"] == "cached" and part["ram"]["backing"] for part in ram["components"])
    job = daemon.data("POST", "/api/model/vram/load/host:0", {"component_ids": sorted(parts)})
    assert job["state"] == "done" and all(step["state"] == "done" and step["ms"] >= 0 for step in job["steps"])
    assert {part["component_id"] for part in job["loaded_components"]} == parts and job["vram_usage_bytes"] == size
    status = daemon.data("GET", "/api/model/status/host:0")
    assert status["memory"]["used_bytes"] == size and {part["component_id"] for part in status["loaded_components"]} == parts
    assert daemon.data("GET", f"/api/models/{model_id}")["loaded_on"] == ["host:0"]
    assert daemon.data("DELETE", "/api/model/unload", {"model_id": model_id})["freed_bytes"] == size
    assert daemon.data("GET", "/api/model/status/host:0")["memory"]["used_bytes"] == 0
    assert daemon.data("DELETE", "/api/model/cache", {"model_id": model_id})["freed_bytes"] == ram["used_bytes"]
    assert daemon.data("GET", "/api/model/cache")["used_bytes"] == 0


def locked_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmLck"))


@pytest.mark.skipif("HOIST_SANITIZED" in os.environ, reason="sanitizers of memory replace mlock by nothing")
def test_what_is_cached_is_what_the_kernel_holds(daemon):
    before = locked_kib(daemon.process.pid)
    daemon.data("POST", "/api/model/cache", {"model_id": "tiny-sd-single"})
    cache = daemon.data("GET", "/api/model/cache")
    if any(part["ram"]["backing"] != "page_cache" or not part["ram"]["locked"] for part in cache["components"]):
        pytest.skip("this file system or limit does not let the page cache be held")
    assert (locked_kib(daemon.process.pid) - before) * 1024 == cache["used_bytes"]


def test_the_walk_on_the_command_line(daemon):
    assert "all-minilm-l6-v2" in daemon.cli("ls").stdout
    assert daemon.cli("scan").stdout.startswith(f"{len(available(daemon))} models in ")
    for command in ("cache", "load"):
        done = daemon.cli(command, "alpha")
        assert done.returncode == 0 and all(step in done.stdout for step in STEPS), done
    resident = daemon.cli("ps").stdout
    assert "alpha:" in resident and "host:0" in resident and "loaded" in resident
    assert daemon.cli("unload", "alpha").stdout.startswith("1 components, ")
    assert daemon.cli("evict", "alpha").stdout.startswith("1 components, ")
    assert daemon.data("GET", "/api/model/cache")["components"] == []


@pytest.mark.parametrize("command", [["ls"], ["show", "tiny-sd"], ["cache", "beta"], ["load", "beta"], ["plan", "gamma"], ["ps"], ["scan"], ["doctor"],
                                     ["unload", "--all"], ["evict", "--all"], ["pin", "beta"], ["unpin", "beta"], ["call", "GET", "/api/device/list"]])
def test_every_command_speaks_json(daemon, command):
    done = daemon.cli(*command, "--json")
    assert done.returncode == 0, done
    json.loads(done.stdout)


def test_a_plan_is_what_the_load_does(daemon):
    plan = daemon.data("POST", "/api/model/plan", {"model_id": "tiny-sd"})
    assert daemon.data("GET", "/api/model/cache")["used_bytes"] == 0
    job = daemon.data("POST", "/api/model/load", {"model_id": "tiny-sd"})
    assert plan["device_bytes"] == job["vram_usage_bytes"] and plan["evictions"] == []
    assert plan["ram_bytes"] == daemon.data("GET", "/api/model/cache")["used_bytes"]
    batches = {part["component_id"]: part["batch"] for part in plan["components"]}
    assert batches["tiny-sd:vae"] == 0
    again = daemon.data("POST", "/api/model/plan", {"model_id": "tiny-sd"})
    assert again["ram_bytes"] == again["device_bytes"] == 0 and again["steps"] == []


def test_a_pinned_model_stays_when_all_goes(daemon):
    daemon.data("POST", "/api/model/cache", {"model_id": "gamma", "pin": True})
    daemon.data("POST", "/api/model/cache", {"model_id": "delta"})
    kept = daemon.data("DELETE", "/api/model/cache")["busy_components"]
    assert [part["component_id"].split(":")[0] for part in kept] == ["gamma"] and "pinned" in kept[0]["reason"]
    daemon.data("POST", "/api/model/cache", {"model_id": "gamma", "pin": False})
    assert len(daemon.data("DELETE", "/api/model/cache")["freed_components"]) == 1


def test_memory_and_devices(daemon):
    daemon.data("POST", "/api/model/load", {"model_id": "beta"})
    memory = daemon.data("GET", "/api/memory/status")
    device = daemon.data("GET", "/api/memory/status/host:0")
    assert memory["devices"] == [device] == daemon.data("GET", "/api/device/list")["devices"]
    assert device["used_bytes"] + device["free_bytes"] == device["budget_bytes"] == memory["ram"]["budget_bytes"] == 1 << 30
    rows = daemon.data("GET", "/api/memory/allocations")["allocations"]
    assert {(row["component_id"].split(":")[0], row["tier"]) for row in rows} == {("beta", "ram"), ("beta", "device")}


def test_metrics_agree_with_the_api(daemon):
    daemon.data("POST", "/api/model/load", {"model_id": "beta"})
    status, text = daemon.http("GET", "/metrics")
    values = {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if not line.startswith("#")}
    assert status == 200 and values["hoist_cache_used_bytes"] == daemon.data("GET", "/api/model/cache")["used_bytes"]
    assert values['hoist_device_components{device="host:0"}'] == 1
    assert values['hoist_models{state="ok"}'] == len(available(daemon))


def test_a_new_file_is_found_and_a_removed_one_is_missing(start, one_model):
    daemon = start(one_model)
    (one_model / "two.safetensors").write_bytes((one_model / "one.safetensors").read_bytes())
    assert daemon.scan()["files_changed"] == 1
    (one_model / "one.safetensors").rename(one_model / "sub.safetensors")
    (one_model / "two.safetensors").unlink()
    daemon.scan()
    found = available(daemon)
    assert found["two"]["state"] == "missing" and found["one"]["path"].endswith("sub.safetensors") and found["one"]["state"] == "ok"


def test_ids_survive_a_restart(start, one_model):
    daemon = start(one_model)
    (one_model / "deep").mkdir()
    (one_model / "deep" / "one.safetensors").write_bytes((one_model / "one.safetensors").read_bytes()[:-4] + b"abcd")
    daemon.scan()
    before = {name: model["path"] for name, model in available(daemon).items()}
    assert set(before) == {"one", "one-2"}
    daemon.stop()
    daemon.start()
    assert {name: model["path"] for name, model in available(daemon).items()} == before


def test_the_folders_of_comfyui_are_served_too(start, one_model, tmp_path):
    extra = tmp_path / "ui" / "models" / "vae"
    extra.mkdir(parents=True)
    (extra / "small.safetensors").write_bytes((one_model / "one.safetensors").read_bytes())
    paths = tmp_path / "extra_model_paths.yaml"
    paths.write_text(f"comfyui:\n  base_path: {tmp_path}/ui\n  vae: models/vae\n  loras: models/loras\n")
    once = subprocess.run([HOISTD, "--scan-once", "--models", one_model, "--comfyui-paths", paths], capture_output=True, text=True, check=True)
    assert {model["model_id"] for model in json.loads(once.stdout)["models"]} == {"one", "small"}
    found = available(start(one_model, "--comfyui-paths", str(paths)))
    assert set(found) == {"one", "small"} and found["small"]["path"] == str(extra / "small.safetensors")
