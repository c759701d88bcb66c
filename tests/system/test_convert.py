"""Models written in another precision: what torch makes of every tensor, in a file that safetensors reads, or no file at all."""
import os
import struct
import time

import pytest
import safetensors
import safetensors.torch
import torch
from test_events import Stream
from weight_files import sparse, tensor, write

PRECISIONS = {"fp64": torch.float64, "fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16, "fp8": torch.float8_e4m3fn, "fp8_e4m3": torch.float8_e4m3fn,
              "fp8_e5m2": torch.float8_e5m2}
GIB = 1 << 30


def same_bits(one, other):
    """Equal in type, shape and every bit?"""
    return one.dtype == other.dtype and one.shape == other.shape and torch.equal(one.contiguous().flatten().view(torch.uint8), other.contiguous().flatten().view(torch.uint8))


def floats():
    """Matrices of every floating type: ordinary numbers, and those that overflow, vanish, or lie halfway, of odd sizes."""
    torch.manual_seed(6)
    values = torch.cat([torch.randn(3000), torch.randn(500) * 1e30, torch.randn(500) * 1e-6, torch.randn(500) * 1e-40, torch.randn(500) * 70000,
                        torch.tensor([float("inf"), float("-inf"), 0.0, -0.0, 448.0, 464.0, 65520.0, 61440.0])])[:4999].view(-1, 1)
    return {f"blocks.{name}.weight": values.to(dtype) for name, dtype in PRECISIONS.items()}


def names(folder):
    """What lies in a folder, hidden files too."""
    return sorted(os.listdir(folder))


@pytest.fixture
def library(tmp_path):
    """A folder of models: every floating type with others, and a checkpoint with a VAE."""
    folder = tmp_path / "models"
    folder.mkdir()
    others = {"blocks.ids": torch.arange(12).view(3, 4), "blocks.flags": torch.tensor([True, False]), "blocks.empty": torch.zeros(0, 4), "blocks.scalar": torch.tensor(0.1)}
    safetensors.torch.save_file({**floats(), **others}, folder / "every.safetensors", {"format": "pt", "modelspec.title": "Every \"type\"", "modelspec.hash_sha256": "0x00"})
    unet = {f"model.diffusion_model.{name}": value for name, value in {
        "input_blocks.0.0.weight": torch.randn(320, 4, 3, 3), "input_blocks.0.0.bias": torch.randn(320), "out.0.weight": torch.randn(320),
        "middle_block.1.transformer_blocks.0.attn2.to_k.weight": torch.randn(64, 768), "middle_block.1.transformer_blocks.0.norm2.weight": torch.randn(64),
        "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": torch.randn(320, 768)}.items()}
    vae = {"first_stage_model.decoder.conv_in.weight": torch.randn(512, 4, 3, 3), "first_stage_model.encoder.conv_in.weight": torch.randn(128, 3, 3, 3)}
    safetensors.torch.save_file({**unet, **vae}, folder / "checkpoint.safetensors")
    return folder


@pytest.fixture
def daemon(start, library):
    """A hoistd over them."""
    return start(library)


def tensors(path):
    """What safetensors reads from a file."""
    return safetensors.torch.load_file(path)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_tensor_is_what_torch_makes_of_it(daemon, library, precision):
    done = daemon.data("POST", "/api/models/every/convert", {"precision": precision})
    assert done["state"] == "done" and done["output"] == str(library / f"every-{'fp8_e4m3' if precision == 'fp8' else precision}.safetensors")
    before, after = tensors(library / "every.safetensors"), tensors(done["output"])
    assert set(before) == set(after) and done["tensors"] == len(after) and done["size_bytes"] == os.path.getsize(done["output"])
    for name, value in before.items():
        keeps = not value.is_floating_point() or (precision.startswith("fp8") and value.dim() < 2)
        expected = value if keeps else value.to(PRECISIONS[precision])
        if name == "blocks.scalar" and keeps:
            expected = value.to(torch.bfloat16)
        assert same_bits(after[name], expected), name
    assert done["converted_tensors"] == sum(before[name].dtype != after[name].dtype for name in before) == \
        sum(change["tensors"] for change in done["changes"] if change["from"] != change["to"])


def test_the_file_is_laid_out_as_safetensors_lays_it_out(daemon, library, tmp_path):
    done = daemon.data("POST", "/api/models/every/convert", {"precision": "bf16"})
    with safetensors.safe_open(done["output"], "pt") as file:
        metadata = file.metadata()
    assert metadata["modelspec.title"] == "Every \"type\"" and metadata["format"] == "pt" and metadata["hoist.precision"] == "bf16"
    assert metadata["hoist.converted_from"] == "every.safetensors" and "modelspec.hash_sha256" not in metadata, "the hash of other tensors would be a lie"
    theirs = tmp_path / "theirs.safetensors"
    safetensors.torch.save_file(tensors(done["output"]), theirs)
    ours = open(done["output"], "rb").read()
    length = struct.unpack("<Q", ours[:8])[0]
    assert length % 8 == 0
    their_bytes = theirs.read_bytes()
    assert ours[8 + length:] == their_bytes[8 + struct.unpack("<Q", their_bytes[:8])[0]:]


def test_a_vae_stays_unless_it_is_named(daemon, library):
    whole = daemon.data("POST", "/api/models/checkpoint/convert", {"precision": "fp16"})
    after = tensors(whole["output"])
    types = {name: value.dtype for name, value in after.items()}
    for name, dtype in types.items():
        assert dtype == (torch.float32 if name.startswith("first_stage_model") else torch.float16), name
    assert any("VAE" in change["why"] and change["from"] == change["to"] == "F32" for change in whole["changes"])
    small = daemon.data("POST", "/api/models/checkpoint/convert", {"precision": "fp16", "optimization_level": "memory", "overwrite": True})
    assert tensors(small["output"])["first_stage_model.decoder.conv_in.weight"].dtype == torch.bfloat16
    named = daemon.data("POST", "/api/models/checkpoint/convert", {"precision": "fp16", "components": ["vae"]})
    assert named["output"] == str(library / "checkpoint-vae-fp16.safetensors")
    assert {name: value.dtype for name, value in tensors(named["output"]).items()} == {
        "first_stage_model.decoder.conv_in.weight": torch.float16, "first_stage_model.encoder.conv_in.weight": torch.float16}


def test_norms_and_biases_are_not_put_into_eight_bits(daemon):
    done = daemon.data("POST", "/api/models/checkpoint/convert", {"precision": "fp8", "components": ["unet"]})
    before = tensors(done["output"].replace("-unet-fp8_e4m3", ""))
    for name, value in tensors(done["output"]).items():
        wide = value.dim() < 2 or "norm" in name
        assert same_bits(value, before[name].to(torch.bfloat16 if wide else torch.float8_e4m3fn)), name


def test_the_new_file_is_a_model_of_the_catalog(daemon):
    done = daemon.data("POST", "/api/models/checkpoint/convert", {"precision": "bf16"})
    daemon.wait_for_scan()
    model = daemon.data("GET", "/api/models/checkpoint-bf16")
    assert model["path"] == done["output"] and model["state"] == "ok" and model["type"] == "checkpoint"
    assert next(row["precision"] for row in model["components"] if row["component_type"] == "unet") == "bf16"


def test_shards_become_one_file(shared_daemon, tmp_path):
    source = next(model for model in shared_daemon.data("GET", "/api/model/available")["models"] if model["name"] == "tiny-llama")
    target = tmp_path / "llama.safetensors"
    done = shared_daemon.cli("convert", source["model_id"], "--precision", "bf16", "--output", target, "--json")
    assert done.returncode == 0, done.stderr
    after, before = tensors(target), {}
    for name in names(source["path"]):
        if name.endswith(".safetensors"):
            before.update(tensors(os.path.join(source["path"], name)))
    assert set(after) == set(before) and all(same_bits(after[name], value.to(torch.bfloat16)) for name, value in before.items())


REFUSALS = [
    ({"precision": "fp12"}, 400, "invalid_argument", "fp12"),
    ({}, 400, "invalid_argument", "precision"),
    ({"precision": 16}, 400, "invalid_argument", "precision"),
    ({"precision": "bf16", "outptu": "x.safetensors"}, 400, "invalid_argument", "outptu"),
    ({"precision": "bf16", "optimization_level": "fast"}, 400, "invalid_argument", "fast"),
    ({"precision": "bf16", "components": ["unet"]}, 404, "component_not_found", "unet"),
    ({"precision": "bf16", "output": "x.bin"}, 400, "invalid_argument", "x.bin"),
    ({"precision": "bf16", "output": ".safetensors"}, 400, "invalid_argument", ".safetensors"),
    ({"precision": "bf16", "output": "../x.safetensors"}, 400, "invalid_argument", "beside"),
    ({"precision": "bf16", "output": "/tmp/x.safetensors"}, 403, "forbidden", "outside"),
    ({"precision": "bf16", "output": "MODELS/../x.safetensors"}, 403, "forbidden", "outside"),
    ({"precision": "bf16", "output": "MODELS/none/x.safetensors"}, 422, "file_missing", "none"),
    ({"precision": "bf16", "output": "checkpoint.safetensors"}, 409, "exists", "there already"),
    ({"precision": "bf16", "output": "every.safetensors", "overwrite": True}, 400, "invalid_argument", "itself"),
    ({"precision": "bf16", "output": "link.safetensors", "overwrite": True}, 422, "incompatible", "link"),
]


@pytest.mark.parametrize(("body", "status", "code", "word"), REFUSALS)
def test_what_is_refused_leaves_nothing(daemon, library, body, status, code, word):
    os.symlink("checkpoint.safetensors", library / "link.safetensors")
    before = names(library)
    body = {key: value.replace("MODELS", str(library)) if isinstance(value, str) else value for key, value in body.items()}
    found, envelope = daemon.http("POST", "/api/models/every/convert", body)
    assert (found, envelope["error"]["code"]) == (status, code), envelope["error"]
    assert word in envelope["error"]["message"] and names(library) == before


def test_a_file_is_replaced_only_when_that_is_allowed(daemon, library):
    target = library / "own.safetensors"
    target.write_bytes(b"mine")
    assert daemon.http("POST", "/api/models/every/convert", {"precision": "bf16", "output": "own.safetensors"})[0] == 409
    assert target.read_bytes() == b"mine"
    daemon.data("POST", "/api/models/every/convert", {"precision": "bf16", "output": str(target), "overwrite": True})
    assert tensors(target)["blocks.fp32.weight"].dtype == torch.bfloat16


def test_a_disk_that_is_too_small_is_told_before(start, tmp_path, library):
    sparse(library / "huge.safetensors", "F8_E4M3", 1 << 40)
    status, envelope = start(library).http("POST", "/api/models/huge/convert", {"precision": "fp64"})
    assert (status, envelope["error"]["code"]) == (507, "no_space") and str(8 << 40)[:3] in envelope["error"]["message"]
    assert names(library) == ["checkpoint.safetensors", "every.safetensors", "huge.safetensors"]


def wait_for_progress(daemon, model):
    """Wait until some of it is read. Returns how it stands."""
    deadline = time.monotonic() + 20
    while not (now := daemon.data("GET", f"/api/models/{model}/convert"))["done_bytes"]:
        assert now["state"] == "running" and time.monotonic() < deadline
        time.sleep(0.005)
    return now


def wait_for_end(daemon, model):
    """Wait for its end. Returns how it stands."""
    deadline = time.monotonic() + 60
    while (now := daemon.data("GET", f"/api/models/{model}/convert"))["state"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return now


def test_a_source_that_changes_meanwhile_leaves_nothing(start, library):
    sparse(library / "large.safetensors", "F32", 2 * GIB // 4)
    daemon = start(library)
    before = names(library)
    daemon.data("POST", "/api/models/large/convert", {"precision": "fp8", "wait": False})
    wait_for_progress(daemon, "large")
    with open(library / "large.safetensors", "r+b") as file:
        file.seek(-4, os.SEEK_END)
        file.write(b"\0\0\x80\x3f")
    ended = wait_for_end(daemon, "large")
    assert ended["state"] == "failed" and ended["error"]["code"] == "file_changed", ended
    assert names(library) == before


def test_a_conversion_can_be_cancelled(start, library):
    sparse(library / "large.safetensors", "F32", 2 * GIB // 4)
    daemon = start(library)
    assert daemon.data("GET", "/api/models/large/convert")["state"] == "none"
    assert daemon.http("DELETE", "/api/models/large/convert")[0] == 409
    stream = Stream(daemon)
    daemon.data("POST", "/api/models/large/convert", {"precision": "bf16", "wait": False})
    now = wait_for_progress(daemon, "large")
    assert now["total_bytes"] == 2 * GIB and daemon.http("POST", "/api/models/large/convert", {"precision": "fp16"})[0] == 409
    daemon.data("DELETE", "/api/models/large/convert")
    ended = wait_for_end(daemon, "large")
    assert ended["state"] == "cancelled" and names(library) == ["checkpoint.safetensors", "every.safetensors", "large.safetensors"]
    seen = stream.until(lambda event: event[1] == "convert.progress" and event[2]["state"] != "running")
    assert seen[-1][2]["state"] == "cancelled" and seen[-1][2]["model_id"] == "large"
    stream.close()


def test_stopping_does_not_wait_for_it(start, library):
    sparse(library / "large.safetensors", "F8_E4M3", GIB // 2)
    daemon = start(library)
    daemon.data("POST", "/api/models/large/convert", {"precision": "fp32", "wait": False})
    wait_for_progress(daemon, "large")
    began = time.monotonic()
    assert daemon.stop() == 0 and time.monotonic() - began < 5
    assert names(library) == ["checkpoint.safetensors", "every.safetensors", "large.safetensors"]


@pytest.mark.skipif("HOIST_SANITIZED" in os.environ, reason="a sanitizer takes memory of its own")
def test_memory_does_not_grow_with_the_model(start, library):
    def peak(daemon):
        with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as file:
            return int(next(line for line in file if line.startswith("VmHWM")).split()[1]) // 1024

    sparse(library / "large.safetensors", "F32", GIB // 4)
    daemon = start(library)
    before = peak(daemon)
    daemon.data("POST", "/api/models/large/convert", {"precision": "fp8"})
    assert peak(daemon) - before < 40


def test_the_command_line_says_what_it_did(daemon, tmp_path, library):
    done = daemon.cli("convert", "checkpoint", "--precision", "fp8", "--component", "unet", "--output", "small.safetensors", cwd=tmp_path)
    assert done.returncode == 0 and str(tmp_path / "small.safetensors") in done.stdout and "F8_E4M3" in done.stdout and "norms" in done.stdout, done
    assert "checkpoint: convert" in done.stderr
    again = daemon.cli("convert", "checkpoint", "--precision", "fp8", "--output", tmp_path / "small.safetensors")
    assert again.returncode == 1 and "there already" in again.stderr and "try:" in again.stderr
    assert daemon.cli("convert", "checkpoint", "--precision", "fp8", "--output", tmp_path / "small.safetensors", "--overwrite").returncode == 0
    assert daemon.cli("convert", "checkpoint").returncode == 2
    assert daemon.cli("convert", "nothing", "--precision", "bf16").returncode == 3
    assert daemon.cli("convert", "checkpoint", "--precision", "fp9").returncode == 2


def test_quantised_numbers_stay_beside_their_scales(start, tmp_path):
    folder = tmp_path / "quantised"
    folder.mkdir()
    write(folder / "scaled.safetensors", [tensor("scaled_fp8", "F8_E4M3", [2]), tensor("blocks.0.weight", "F8_E4M3", [64, 64]), tensor("blocks.0.scale_weight", "F32", []),
                                          tensor("blocks.1.weight", "F16", [8, 8])])
    done = start(folder).data("POST", "/api/models/scaled/convert", {"precision": "bf16"})
    before, after = tensors(folder / "scaled.safetensors"), tensors(done["output"])
    changed = [name for name in before if not same_bits(before[name], after[name])]
    assert changed == ["blocks.1.weight"] and after["blocks.1.weight"].dtype == torch.bfloat16


def test_what_torch_saved_becomes_safetensors(start, tmp_path):
    folder = tmp_path / "torch"
    folder.mkdir()
    weights = {"blocks.0.weight": torch.randn(33, 7), "blocks.1.weight": torch.randn(8, 8).to(torch.float16), "steps": torch.tensor(3)}
    torch.save(weights, folder / "saved.pt")
    done = start(folder).data("POST", "/api/models/saved/convert", {"precision": "bf16"})
    after = tensors(done["output"])
    assert set(after) == set(weights) and after["steps"].dtype == torch.int64
    assert all(same_bits(after[name], weights[name].to(torch.bfloat16)) for name in weights if name != "steps")


def test_packed_weights_are_refused(start, tmp_path):
    import gguf
    import numpy

    folder = tmp_path / "packed"
    folder.mkdir()
    for name, kind in (("plain", gguf.GGMLQuantizationType.F16), ("packed", gguf.GGMLQuantizationType.Q8_0)):
        writer = gguf.GGUFWriter(str(folder / f"{name}.gguf"), "llama")
        values = numpy.random.default_rng(1).standard_normal((4, 64), numpy.float32)
        writer.add_tensor("blk.0.attn_q.weight", gguf.quants.quantize(values, kind), raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    daemon = start(folder)
    status, envelope = daemon.http("POST", "/api/models/packed/convert", {"precision": "bf16"})
    assert (status, envelope["error"]["code"]) == (422, "incompatible") and "Q8_0" in envelope["error"]["message"]
    done = daemon.data("POST", "/api/models/plain/convert", {"precision": "fp32"})
    assert same_bits(tensors(done["output"])["blk.0.attn_q.weight"], torch.from_numpy(values).to(torch.float16).to(torch.float32))
    assert names(folder) == ["packed.gguf", "plain-fp32.safetensors", "plain.gguf"]


def test_a_folder_of_components_is_converted_one_at_a_time(shared_daemon, tmp_path):
    found = [model for model in shared_daemon.data("GET", "/api/model/available")["models"] if model["format"] == "diffusers" and len(model["components"]) > 1]
    if not found:
        pytest.skip("the demo library has no pipeline here")
    model = found[0]
    path = f"/api/models/{model['model_id']}/convert"
    assert shared_daemon.http("POST", path, {"precision": "bf16"})[1]["error"]["code"] == "incompatible"
    role = model["components"][0]["component_type"]
    done = shared_daemon.cli("convert", model["model_id"], "--precision", "fp64", "--component", role, "--output", tmp_path / "part.safetensors")
    assert done.returncode == 0, done.stderr
    assert {value.dtype for value in tensors(tmp_path / "part.safetensors").values() if value.is_floating_point()} == {torch.float64}
