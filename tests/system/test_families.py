"""What the catalog says of every published architecture, from names and shapes alone: sparse files, no weights."""
import json
import os
import struct
import subprocess
import sys

import pytest
from own_daemon import HOISTD, ROOT

sys.path.insert(0, str(ROOT / "tests"))
from families.library import CASES  # noqa: E402

BYTES = {"F16": 2, "U8": 1, "I8": 1, "F8_E4M3": 1}


def dtype_of(case, name):
    """The type that the case gives a tensor of this name."""
    return next((dtype for ending, dtype in case.types.items() if name.endswith(ending)), "F16")


def write(path, case):
    """A safetensors file whose data is a hole."""
    header, at = {"__metadata__": case.metadata} if case.metadata else {}, 0
    for name, shape in case.tensors.items():
        dtype = dtype_of(case, name)
        size = BYTES[dtype]
        for length in shape:
            size *= length
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        os.truncate(file.fileno(), 8 + len(text) + at)


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """Every case, scanned at once: {number: model}."""
    folder = tmp_path_factory.mktemp("families")
    for number, case in enumerate(CASES):
        place = folder / f"x{number:03}"
        place.mkdir()
        write(place / f"{case.name or f'x{number:03}'}.safetensors", case)
    answer = subprocess.run([HOISTD, "--scan-once", "--models", folder], capture_output=True, text=True, check=True)
    return {int(model["path"].split("/")[-2][1:]): model for model in json.loads(answer.stdout)["models"]}


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.what for case in CASES])
def test_a_published_model_is_recognised(verdicts, number):
    case, model = CASES[number], verdicts[number]
    verdict = model["verdict"]
    assert model["state"] == "ok", model["problem"]
    assert (model["type"], model["family"], model["variant"]) == (case.type, case.family, case.variant), verdict
    assert bool(verdict["needs_hint"]) == case.open, verdict
    assert verdict["evidence"] and (verdict["confidence"] == 1.0) == (not case.open and not case.settled), verdict
    assert verdict["runner_up"] != model["family"] or model["family"] is None


def test_half_a_pair_is_found_by_the_scan(tmp_path):
    from families.library import Case

    write(tmp_path / "half.safetensors", Case("", {"lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": [4, 768]}, "lora", "sd1"))
    answer = subprocess.run([HOISTD, "--scan-once", "--models", tmp_path], capture_output=True, text=True, check=True)
    model = json.loads(answer.stdout)["models"][0]
    assert (model["state"], model["type"], model["family"]) == ("invalid", "lora", "sd1")
    assert model["problem"]["code"] == "incomplete_model" and "attn2_to_k" in model["problem"]["text"]


def scan(folder):
    """Models of a folder by name."""
    answer = subprocess.run([HOISTD, "--scan-once", "--models", folder], capture_output=True, text=True, check=True)
    return {model["name"]: model for model in json.loads(answer.stdout)["models"]}


@pytest.mark.parametrize(("config", "family"), [({"_class_name": "AutoencoderKL", "scaling_factor": 0.13025}, "sdxl"), ({"_class_name": "AutoencoderKL", "scaling_factor": 0.18215}, None)])
def test_a_scaling_factor_settles_a_vae(tmp_path, config, family):
    folder = tmp_path / "autoencoder"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    write(folder / "diffusion_pytorch_model.safetensors", next(case for case in CASES if case.what == "the same of diffusers"))
    model = scan(tmp_path)["autoencoder"]
    assert (model["type"], model["family"], bool(model["verdict"]["needs_hint"])) == ("vae", family, family is None)


def test_a_scheduler_settles_the_prediction_type(tmp_path):
    pipeline = tmp_path / "pipeline"
    for part in ("unet", "scheduler"):
        (pipeline / part).mkdir(parents=True)
    (pipeline / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"],
                                                           "scheduler": ["diffusers", "DDIMScheduler"]}), encoding="utf-8")
    (pipeline / "scheduler" / "scheduler_config.json").write_text(json.dumps({"prediction_type": "v_prediction"}), encoding="utf-8")
    write(pipeline / "unet" / "diffusion_pytorch_model.safetensors", next(case for case in CASES if case.what == "SD 2 of diffusers"))
    model = scan(tmp_path)["pipeline"]
    assert (model["type"], model["family"], model["variant"], model["verdict"]["needs_hint"]) == ("checkpoint", "sd2", "v_prediction", [])


def test_a_bare_transformer_says_what_it_needs_and_lacks(tmp_path):
    write(tmp_path / "flux.safetensors", next(case for case in CASES if case.what == "FLUX.1 schnell"))
    relation = scan(tmp_path)["flux"]["compatibility"]
    assert relation["needs"]["text_encoder"] == ["clip_l"] and relation["needs"]["text_encoder_2"] == ["t5_xxl"] and "flux1" in relation["needs"]["vae"]
    assert sorted(relation["lacks"]) == ["text_encoder", "text_encoder_2", "vae"]
