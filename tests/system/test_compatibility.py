"""What a model needs, and whether two work together: real models in small, written by the libraries that users train with."""
import json

import pytest
from weight_files import tensor, write


def small_unet(width):
    """A UNet of two levels whose text is `width` wide."""
    import diffusers
    import torch

    torch.manual_seed(4)
    return diffusers.UNet2DConditionModel(
        sample_size=16, in_channels=4, out_channels=4, block_out_channels=(32, 64), layers_per_block=1, cross_attention_dim=width, norm_num_groups=8,
        attention_head_dim=8, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"))


def save_lora(unet, folder, name):
    """A LoRA by peft on every attention of the UNet, and its copies under the names of diffusers' pipelines and of kohya's scripts."""
    import peft
    from safetensors.torch import load_file, save_file

    adapted = peft.get_peft_model(unet, peft.LoraConfig(r=4, target_modules=["to_q", "to_k", "to_v", "to_out.0", "conv1"]))
    adapted.save_pretrained(folder / f"{name}-adapter")
    weights = load_file(folder / f"{name}-adapter" / "adapter_model.safetensors")
    bare = {key.removeprefix("base_model.model."): value for key, value in weights.items()}
    save_file(weights, folder / f"{name}.safetensors")
    save_file({f"unet.{key}": value for key, value in bare.items()}, folder / f"{name}-pipeline.safetensors")
    kohya = {}
    for key, value in bare.items():
        module, half = key.split(".lora_")
        kohya[f"lora_unet_{module.replace('.', '_')}.lora_{'down' if half.startswith('A') else 'up'}.weight"] = value
    save_file(kohya, folder / f"{name}-kohya.safetensors")
    return len(bare) // 2


def save_vae(folder, channels):
    """A VAE as diffusers saves one."""
    import diffusers

    diffusers.AutoencoderKL(block_out_channels=(32, 32), down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
                            latent_channels=channels).save_pretrained(folder)


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    """The library, and how many modules its LoRA has."""
    import diffusers

    folder = tmp_path_factory.mktemp("compatibility")
    small_unet(768).save_pretrained(folder / "base-768")
    small_unet(1024).save_pretrained(folder / "base-1024")
    diffusers.ControlNetModel.from_unet(small_unet(768)).save_pretrained(folder / "canny")
    count = save_lora(small_unet(768), folder, "style")
    save_vae(folder / "vae-4", 4)
    save_vae(folder / "vae-16", 16)
    (folder / "broken.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0no header at all")
    return folder, count


@pytest.fixture
def library(start, modules):
    """A daemon over it."""
    return start(modules[0])


def compare(daemon, one, other):
    """The report, which is the same both ways round."""
    report = daemon.data("GET", f"/api/models/{one}/compatibility?with={other}")
    assert report == daemon.data("GET", f"/api/models/{other}/compatibility?with={one}")
    return report


@pytest.mark.parametrize("lora", ["style", "style-pipeline", "style-kohya"])
def test_a_lora_fits_the_unet_it_was_made_for_under_every_name(library, modules, lora):
    report = compare(library, lora, "base-768")
    assert report["compatible"] == "yes" and report["percent"] == 100 and report["matched"] == modules[1], report
    assert report["adapter_id"] == lora and report["base_id"] == "base-768" and 0 < report["target_percent"] < 100


def test_another_unet_is_a_mismatch_with_both_shapes(library):
    report = compare(library, "style-kohya", "base-1024")
    assert report["mismatched"] > 0 and report["missing"] == 0 and report["percent"] < 100 and report["compatible"] == "no", report
    assert "it was made for text of another width: 768" in report["reasons"]
    example = report["examples"][0]
    assert example["problem"] == "mismatched" and example["adapter_shape"][1] == 768 and example["base_shape"][1] == 1024, example
    assert "attn2" in example["module"] and example["base_tensor"].endswith("attn2.to_k.weight"), example


def test_a_controlnet_fits_the_unet_it_was_copied_from(library):
    assert compare(library, "canny", "base-768")["compatible"] == "yes"
    other = compare(library, "canny", "base-1024")
    assert other["mismatched"] > 0 and other["compatible"] == "no", other


def test_a_vae_fits_by_its_latent_channels(library):
    assert compare(library, "vae-4", "base-768")["compatible"] == "yes"
    wrong = compare(library, "vae-16", "base-768")
    assert wrong["compatible"] == "no" and "latent channels: 16 of vae-16, 4 of base-768" in wrong["reasons"]


def test_what_cannot_be_compared_is_refused_by_name(library):
    assert library.http("GET", "/api/models/style/compatibility")[0] == 400
    assert library.http("GET", "/api/models/style/compatibility?with=nobody")[0] == 404
    assert library.http("GET", "/api/models/nobody/compatibility?with=style")[0] == 404
    assert library.http("GET", "/api/models/nobody/dependencies")[0] == 404
    status, envelope = library.http("GET", "/api/models/style/compatibility?with=broken")
    assert status == 422 and envelope["error"]["message"].startswith("broken is invalid: "), envelope
    assert compare(library, "base-768", "base-1024")["compatible"] == "unknown"


def test_show_with_prints_the_report(library):
    done = library.cli("show", "style-kohya", "--with", "base-1024")
    assert done.returncode == 0 and "compatible  no" in done.stdout and "mismatched" in done.stdout and "768]" in done.stdout, done
    assert json.loads(library.cli("show", "style", "--with", "base-768", "--json").stdout)["compatible"] == "yes"
    assert library.cli("show", "style", "--with", "nobody").returncode == 3
    assert library.cli("show", "style", "--with", "broken").returncode == 5


def test_names_do_not_command_the_terminal(start, tmp_path):
    (tmp_path / "models").mkdir()
    write(tmp_path / "models" / "unet.safetensors", [tensor("input_blocks.0.0.weight", "F16", [320, 4, 3, 3]), tensor("input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight", "F16", [320, 768])])
    write(tmp_path / "models" / "style.safetensors", [tensor(f"lora_unet_a\x1b[31m_attn2_to_k.lora_{half}.weight", "F16", shape) for half, shape in (("down", [4, 768]), ("up", [320, 4]))])
    done = start(tmp_path / "models").cli("show", "style", "--with", "unet")
    assert "a\\x1b[31m_attn2_to_k" in done.stdout and "\x1b" not in done.stdout, done


# ---- needs ----

FLUX = [("double_blocks.0.img_attn.norm.key_norm.scale", [128]), ("img_in.weight", [64, 64]), ("txt_in.weight", [64, 4096]), ("vector_in.in_layer.weight", [64, 768]),
        ("final_layer.linear.weight", [64, 64]), ("guidance_in.in_layer.weight", [64, 256])]


def bare_flux(path):
    """A file with the keys by which a FLUX.1 transformer is known."""
    return write(path, [tensor(name, "BF16", shape) for name, shape in FLUX])


def needs_of(daemon, model):
    """Needs by role, and all of the answer."""
    answer = daemon.data("GET", f"/api/models/{model}/dependencies")
    return {need["role"]: need for need in answer["needs"]}, answer


def test_needs_of_a_bare_transformer_are_filled_by_what_is_added(start, tmp_path):
    library = tmp_path / "models"
    library.mkdir()
    bare_flux(library / "flux.safetensors")
    daemon = start(library)
    assert daemon.data("GET", "/api/models/flux")["family"] == "flux1"
    needs, answer = needs_of(daemon, "flux")
    assert {role: need["families"][0] for role, need in needs.items()} == {"text_encoder": "clip_l", "text_encoder_2": "t5_xxl", "vae": "flux1"}
    assert all(need["missing"] and need["satisfied_by"] is None for need in needs.values()) and answer["complete"] is False
    write(library / "t5.safetensors", [tensor("shared.weight", "BF16", [64, 4096]), tensor("encoder.block.0.layer.0.SelfAttention.k.weight", "BF16", [4096, 4096]),
                                       tensor("encoder.block.23.layer.1.DenseReluDense.wi_1.weight", "BF16", [10240, 16])])
    save_vae(library / "sixteen", 16)
    daemon.scan()
    needs, _ = needs_of(daemon, "flux")
    candidate = needs["vae"]["candidates"][0]
    assert candidate["model_id"] == "sixteen" and candidate["decided"] is False and "16 latent channels" in candidate["reason"], needs
    assert needs["text_encoder"]["missing"] is True
    assert not needs["text_encoder_2"]["missing"] and needs["text_encoder_2"]["candidates"][0]["model_id"] == "t5" , needs


def test_a_checkpoint_does_not_lack_what_it_carries(daemon):
    needs, answer = needs_of(daemon, "tiny-sd-single")
    assert answer["complete"] is True and needs["text_encoder"]["satisfied_by"] == "tiny-sd-single:text_encoder", answer
    assert needs["vae"]["satisfied_by"] == "tiny-sd-single:vae" and needs["vae"]["candidates"] == []
    assert answer["graph"]["batches"][-1] == ["tiny-sd-single:unet"] and len(answer["graph"]["edges"]) == 2
    needs, answer = needs_of(daemon, "tiny-sd-style")
    assert {row["model_id"] for row in needs["base"]["candidates"]} >= {"tiny-sd", "tiny-sd-single"}
    assert answer["graph"]["batches"][1] == ["tiny-sd-style:lora"]


def test_the_lora_of_the_demo_fits_its_checkpoint(daemon):
    for base in ("tiny-sd", "tiny-sd-single"):
        assert compare(daemon, "tiny-sd-style", base)["compatible"] == "yes"


def test_every_layer_of_a_unet_is_found_in_the_original_code(start, models, tmp_path):
    import shutil

    from safetensors import safe_open

    (tmp_path / "models").mkdir()
    shutil.copy(models / "checkpoints" / "tiny-sd-single.safetensors", tmp_path / "models")
    with safe_open(models / "checkpoints" / "tiny-sd" / "unet" / "diffusion_pytorch_model.safetensors", "numpy") as file:
        shapes = {name.removesuffix(".weight"): file.get_slice(name).get_shape() for name in file.keys() if name.endswith(".weight")}
    layers = {name.replace(".", "_"): shape for name, shape in shapes.items() if len(shape) > 1}
    halves = [tensor(f"lora_unet_{name}.lora_down.weight", "F16", [2, *shape[1:]]) for name, shape in layers.items()]
    halves += [tensor(f"lora_unet_{name}.lora_up.weight", "F16", [shape[0], 2] + [1, 1] * (len(shape) == 4)) for name, shape in layers.items()]
    write(tmp_path / "models" / "all-layers.safetensors", halves)
    report = compare(start(tmp_path / "models"), "all-layers", "tiny-sd-single")
    assert report["compatible"] == "yes" and report["matched"] == len(layers) and report["target_percent"] == 100, report


def test_a_device_too_small_is_told_before_loading(start, one_model):
    large, small = start(one_model), start(one_model, "--device", "host:0=4M")
    row = large.data("GET", "/api/models/one/dependencies")["fit"][0]
    assert row["device_id"] == "host:0" and row["verdict"] == "fits" and row["required_bytes"] == 8 << 20 and row["with_needs"]["verdict"] == "fits", row
    row = small.data("GET", "/api/models/one/dependencies")["fit"][0]
    assert row["verdict"] == "does not fit" and row["budget_bytes"] == 4 << 20 and "budget" in row["reason"] and row["components"][0]["verdict"] == "does not fit", row
    assert "does not fit" in small.cli("show", "one").stdout


def test_what_nobody_holds_would_make_room(start, tmp_path):
    for name in ("first", "second"):
        (tmp_path / "models").mkdir(exist_ok=True)
        write(tmp_path / "models" / f"{name}.safetensors", [tensor("weight", "F32", [2, 1 << 20])])
    daemon = start(tmp_path / "models", "--device", "host:0=12M")
    daemon.data("POST", "/api/model/load", {"model_id": "first"})
    row = daemon.data("GET", "/api/models/second/dependencies")["fit"][0]
    assert row["verdict"] == "fits after evicting" and row["evicts_bytes"] == row["evictable_bytes"] == 8 << 20, row


def test_components_count_bytes_and_parameters_by_precision(start, tmp_path):
    (tmp_path / "models").mkdir()
    write(tmp_path / "models" / "mixed.safetensors", [tensor("a", "BF16", [100]), tensor("b", "F32", [10]), tensor("c", "BF16", [5]), tensor("d", "F8_E4M3", [3]), tensor("e", "F8_E5M2", [4])])
    component = start(tmp_path / "models").data("GET", "/api/models/mixed")["components"][0]
    assert component["dtypes"] == {"bf16": {"bytes": 210, "parameters": 105, "tensors": 2}, "fp32": {"bytes": 40, "parameters": 10, "tensors": 1},
                                   "fp8": {"bytes": 7, "parameters": 7, "tensors": 2}}
