"""Models are handed out in another precision than they are stored in, bit for bit as PyTorch converts them."""
import pytest
import torch

from weight_files import tensor, write

TYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16, "fp8_e4m3": torch.float8_e4m3fn, "fp8_e5m2": torch.float8_e5m2}
STORED = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
MATRIX, ROW = [300, 1000], [1000]


def model(dtype, seed=0):
    """Two matrices and a row, random bits: NaN, infinities and subnormals included."""
    return [tensor("blocks.0.weight", dtype, MATRIX, seed), tensor("blocks.1.weight", dtype, MATRIX, seed), tensor("blocks.1.bias", dtype, ROW, seed)]


def as_torch(rows):
    """The tensors as torch has them."""
    return {name: torch.frombuffer(bytearray(data), dtype=STORED[dtype]).reshape(shape) for name, dtype, shape, data in rows}


def bits(value):
    """The bytes of a tensor."""
    return value.contiguous().view(torch.uint8).numpy().tobytes()


@pytest.fixture
def library(tmp_path):
    """A model in each of three types."""
    folder = tmp_path / "models"
    folder.mkdir()
    for dtype in STORED:
        write(folder / f"{dtype.lower()}.safetensors", model(dtype))
    return folder


@pytest.fixture
def daemon(start, library):
    """A hoistd over it."""
    return start(library)


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("precision", TYPES)
def test_what_is_opened_in_a_precision_has_it(daemon, stored, precision):
    wanted = as_torch(model(stored))
    with daemon.client() as client, client.open(stored.lower(), precision=precision) as opened:
        got = opened.tensors()
        assert got.keys() == wanted.keys()
        for name, value in wanted.items():
            assert value.dim() == 1 or got[name].dtype == TYPES[precision]
            assert bits(got[name]) == bits(value.to(got[name].dtype)), name


def test_both_precisions_are_there_side_by_side_and_each_is_charged(daemon):
    daemon.data("POST", "/api/model/load", {"model_id": "f32"})
    job = daemon.data("POST", "/api/model/load", {"model_id": "f32", "precision": "bf16"})
    assert {row["precision"] for row in job["loaded_components"]} == {"bf16"} and not job["loaded_components"][0]["shared"]
    component = daemon.data("GET", "/api/model/cache/f32:model")
    rows = {(row["precision"], row["tier"]): row["bytes"] for row in component["residencies"]}
    assert rows.keys() == {("fp32", "ram"), ("fp32", "device"), ("bf16", "ram"), ("bf16", "device")}
    assert 0.5 <= rows["bf16", "ram"] / rows["fp32", "ram"] < 0.51
    assert daemon.data("GET", "/api/model/cache")["used_bytes"] == rows["bf16", "ram"] + rows["fp32", "ram"]
    again = daemon.data("POST", "/api/model/load", {"model_id": "f32", "precision": "bf16"})
    assert again["loaded_components"][0]["shared"]
    daemon.data("DELETE", "/api/model/unload")
    daemon.data("DELETE", "/api/model/cache")
    assert daemon.data("GET", "/api/model/cache")["used_bytes"] == 0


def test_a_converted_copy_is_shared_by_models_with_the_same_weights(daemon, library):
    write(library / "twin.safetensors", model("F32"), {"note": "the same weights behind another header"})
    daemon.scan()
    for name in ("f32", "twin"):
        assert daemon.cli("hash", name).returncode == 0
        daemon.data("POST", "/api/model/cache", {"model_id": name, "precision": "bf16"})
    with daemon.client() as client, client.open("twin", precision="bf16") as opened:
        for name, value in as_torch(model("F32")).items():
            assert bits(opened.tensors()[name]) == bits(value.to(opened.tensors()[name].dtype))
    used = daemon.data("GET", "/api/model/cache")["used_bytes"]
    assert used < 1.1 * 2 * 2 * 300 * 1000


def test_a_vae_stays_as_it_is_unless_it_is_named(daemon, library):
    vae = [tensor("first_stage_model.decoder.conv_in.weight", "F32", [512, 4, 3, 3]), tensor("first_stage_model.encoder.conv_in.weight", "F32", [128, 3, 3, 3])]
    write(library / "sd.safetensors", [tensor("model.diffusion_model.input_blocks.0.0.weight", "F32", [320, 4, 3, 3])] + vae)
    daemon.scan()
    loaded = daemon.data("POST", "/api/model/load", {"model_id": "sd", "precision": "fp16"})["loaded_components"]
    assert {row["component_id"].split(":")[1]: row["precision"] for row in loaded}["vae"] == "fp32"
    named = daemon.data("POST", "/api/model/load", {"model_id": "sd", "precision": "fp16", "components": ["vae"]})["loaded_components"]
    assert [row["precision"] for row in named] == ["fp16"]


def test_what_cannot_be_converted_is_refused_and_nothing_stays(daemon, library):
    write(library / "ints.safetensors", [tensor("weight", "I8", [1000, 100])])
    daemon.scan()
    status, answer = daemon.http("POST", "/api/model/load", {"model_id": "ints", "precision": "bf16"})
    assert status == 422 and "int8" in answer["error"]["message"]
    status, answer = daemon.http("POST", "/api/model/load", {"model_id": "f32", "precision": "fp3"})
    assert status == 400
    assert daemon.data("GET", "/api/model/cache")["used_bytes"] == 0
