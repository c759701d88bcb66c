"""Validation: what is wrong with real files, said by daemon and command line alike."""
import hashlib
import json
import shutil
import struct
import subprocess
import time

import pytest
from own_daemon import HOIST
from test_events import Stream
from weight_files import BITS, tensor, write


def verify(*arguments):
    """(exit code, output) of hoist verify without a daemon."""
    done = subprocess.run([HOIST, "verify", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout


def checks(validation):
    """{check: state}."""
    return {check["check"]: check["state"] for check in validation["checks"]}


def details(validation, name):
    """Details of a check."""
    return next(check["details"] for check in validation["checks"] if check["check"] == name)


def test_every_real_model_is_valid(shared_daemon):
    for model in shared_daemon.data("GET", "/api/model/available")["models"]:
        found = shared_daemon.data("POST", f"/api/models/{model['model_id']}/validate")
        assert found["valid"] is True and found["state"] == "done" and checks(found)["structure"] == "ok", found
        assert found["bytes_read"] >= sum(component["size_bytes"] for component in model["components"]) and len(found["files"]) >= 1
        assert {row["component_id"] for row in details(found, "values")["components"]} == {component["component_id"] for component in model["components"]}
        assert shared_daemon.data("GET", f"/api/models/{model['model_id']}/validate") == found


def test_a_quick_one_reads_no_weights(shared_daemon):
    found = shared_daemon.data("POST", "/api/models/alpha/validate", {"deep": False})
    assert checks(found) == {"structure": "ok", "completeness": "ok", "values": "skipped", "hash": "skipped"} and found["bytes_read"] == 0


def test_values_are_counted_as_torch_counts_them(tmp_path):
    import safetensors.torch
    import torch

    dtypes = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
              "F8_E4M3FNUZ": torch.float8_e4m3fnuz, "F8_E5M2FNUZ": torch.float8_e5m2fnuz}
    for name, dtype in dtypes.items():
        values = torch.randn(300, 300).to(dtype)
        marks = torch.tensor([float("nan"), float("inf"), float("-inf"), 0.0, -0.0]).to(dtype)
        values.view(-1)[::1000] = marks[:1].expand(90)
        values.view(-1)[1::3000] = marks[1:2].expand(30)
        values.view(-1)[2::9000] = marks[2:3].expand(10)
        path = tmp_path / f"{name}.safetensors"
        safetensors.torch.save_file({"w": values, "zero": torch.zeros(4, 4).to(dtype)}, path)
        code, text = verify(path, "--deep", "--json")
        row = details(json.loads(text)["validation"], "values")["components"][0]
        wide = values.to(torch.float64)
        assert code == 0 and (row["nan"], row["infinite"]) == (int(wide.isnan().sum()), int(wide.isinf().sum())), name
        assert row["nan_tensors"] == ["w"] and row["zero_weight_tensors"] == ["zero"] and row["zero_tensors"] == 1


def test_a_lora_that_lost_a_half_is_not_valid(tmp_path, start):
    import peft
    import safetensors.torch
    import torch

    module = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Linear(8, 8))
    peft.get_peft_model(module, peft.LoraConfig(r=2, target_modules=["0", "1"])).save_pretrained(tmp_path / "saved")
    weights = safetensors.torch.load_file(tmp_path / "saved" / "adapter_model.safetensors")
    library = tmp_path / "models"
    library.mkdir()
    safetensors.torch.save_file(weights, library / "whole.safetensors")
    lost = sorted(name for name in weights if "lora_B" in name)[0]
    safetensors.torch.save_file({name: value for name, value in weights.items() if name != lost}, library / "half.safetensors")
    daemon = start(library)
    assert daemon.data("POST", "/api/models/whole/validate")["valid"] is True
    found = daemon.data("POST", "/api/models/half/validate")
    assert found["valid"] is False and checks(found)["completeness"] == "failed" and details(found, "completeness")["missing_half_names"] == [lost]
    shown = daemon.cli("verify", "half", "--deep")
    assert shown.returncode == 5 and lost in shown.stdout and "not valid" in shown.stdout
    assert daemon.cli("verify", "whole", "--deep").returncode == 0


def test_a_missing_shard_is_named(models, tmp_path):
    shutil.copytree(models / "llm" / "tiny-llama", tmp_path / "tiny-llama")
    assert verify(tmp_path / "tiny-llama")[0] == 0
    gone = sorted((tmp_path / "tiny-llama").glob("*.safetensors"))[1]
    gone.unlink()
    code, text = verify(tmp_path / "tiny-llama")
    assert code == 5 and gone.name in text and "completeness  failed" in text and "structure     ok" in text, text


@pytest.mark.parametrize("key", ["modelspec.hash_sha256", "sshs_model_hash"])
def test_a_stated_hash_is_compared(key, tmp_path):
    weights = [tensor("w", "U8", [5000])]
    digest = hashlib.sha256(weights[0][3]).hexdigest()
    path = write(tmp_path / "stated.safetensors", weights, {key: ("0x" if "modelspec" in key else "") + digest})
    assert checks(json.loads(verify(path, "--deep", "--json")[1])["validation"])["hash"] == "ok"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    code, text = verify(path, "--deep", "--json")
    found = json.loads(text)["validation"]
    assert code == 0 and checks(found)["hash"] == "warning" and details(found, "hash")["hashes"][0]["stated"] == digest


def test_a_blob_of_the_hugging_face_cache_has_the_hash_of_its_name(tmp_path):
    write(tmp_path / "file", [tensor("w", "U8", [5000])])
    blob = tmp_path / "blobs" / hashlib.sha256((tmp_path / "file").read_bytes()).hexdigest()
    blob.parent.mkdir()
    (tmp_path / "file").rename(blob)
    (tmp_path / "model.safetensors").symlink_to(blob)
    assert checks(json.loads(verify(tmp_path / "model.safetensors", "--deep", "--json")[1])["validation"])["hash"] == "ok"
    content = bytearray(blob.read_bytes())
    content[-1] ^= 1
    blob.write_bytes(content)
    code, text = verify(tmp_path / "model.safetensors", "--deep")
    assert code == 5 and "name of the blob" in text


def test_a_broken_file_is_an_answer_and_an_unknown_model_an_error(tmp_path, start):
    path = write(tmp_path / "cut.safetensors", [tensor("w", "U8", [5000])])
    path.write_bytes(path.read_bytes()[:-100])
    daemon = start(tmp_path)
    found = daemon.data("POST", "/api/models/cut/validate")
    assert found["valid"] is False and details(found, "structure")["problem"]["code"] == "truncated" and checks(found)["values"] == "skipped"
    assert daemon.http("POST", "/api/models/nobody/validate")[0] == 404
    assert daemon.http("POST", "/api/models/cut/validate", {"depth": 3})[0] == 400
    assert daemon.cli("verify", "nobody").returncode == 3


def test_a_file_replaced_since_the_scan_is_a_warning(tmp_path, start):
    write(tmp_path / "m.safetensors", [tensor("w", "U8", [5000])])
    daemon = start(tmp_path)
    write(tmp_path / "m.safetensors", [tensor("w", "U8", [6000])])
    found = daemon.data("POST", "/api/models/m/validate")
    assert found["valid"] is True and checks(found)["structure"] == "warning" and "changed" in found["checks"][0]["text"]


def write_hollow(path, size):
    """A model of one tensor whose data takes no room on the disk."""
    text = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + size)


def test_progress_is_told_and_a_validation_can_be_cancelled(tmp_path, start):
    write_hollow(tmp_path / "long.safetensors", 64 << 30)
    daemon = start(tmp_path)
    stream = Stream(daemon)
    assert daemon.data("GET", "/api/models/long/validate")["state"] == "none"
    assert daemon.data("POST", "/api/models/long/validate", {"wait": False})["state"] == "running"
    seen = stream.until(lambda event: event[1] == "validation.progress" and event[2]["done_bytes"] > 0)
    assert seen[-1][2]["model_id"] == "long" and seen[-1][2]["total_bytes"] > 64 << 30
    assert daemon.data("POST", "/api/models/long/validate", {"wait": False})["state"] == "running"  # the same one
    daemon.data("DELETE", "/api/models/long/validate")
    last = stream.until(lambda event: event[1] == "validation.progress" and event[2]["state"] != "running")[-1]
    assert last[2]["state"] == "cancelled"
    stream.close()
    shown = daemon.data("GET", "/api/models/long/validate")
    assert shown["state"] == "cancelled" and shown["error"]["code"] == "cancelled"
    assert daemon.http("DELETE", "/api/models/long/validate")[0] == 409


def test_the_daemon_ends_in_the_middle_of_a_validation(tmp_path, start):
    write_hollow(tmp_path / "long.safetensors", 64 << 30)
    daemon = start(tmp_path)
    daemon.data("POST", "/api/models/long/validate", {"wait": False})
    began = time.monotonic()
    assert daemon.stop() == 0 and time.monotonic() - began < 5


def test_other_element_types_are_read_too(tmp_path):
    weights = [tensor(f"t.{dtype}", dtype, [64]) for dtype in BITS]
    code, text = verify(write(tmp_path / "all.safetensors", weights), "--deep", "--json")
    row = details(json.loads(text)["validation"], "values")["components"][0]
    assert code == 0 and row["undecoded_bytes"] == 64 * (4 + 6 + 6) // 8
    assert row["scanned_bytes"] + row["undecoded_bytes"] == sum(len(data) for *_, data in weights)
