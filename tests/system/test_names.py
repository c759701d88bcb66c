"""One name for a module, however it is called: what diffusers' own converters make of the original names must be found under both."""
import json
import struct

import diffusers.loaders.single_file_utils as converters
import pytest
import torch

WIDTH = 3072


def linear(name, rows, columns, bias=True):
    """A weight and its bias, without memory."""
    parts = {f"{name}.weight": torch.empty(rows, columns, device="meta")}
    return {**parts, f"{name}.bias": torch.empty(rows, device="meta")} if bias else parts


def vector(name, size):
    """A vector."""
    return {name: torch.empty(size, device="meta")}


def flux(attention="{side}_attn.qkv", projection="{side}_attn.proj", mlp=("0", "2"), modulation="lin", norms="{side}_attn.norm.{which}_norm.scale"):
    """Two blocks of each kind, as FLUX and, under other names, HunyuanVideo have them."""
    weights = {}
    for block in range(2):
        for side in ("img", "txt"):
            at = f"double_blocks.{block}."
            weights |= linear(at + attention.format(side=side), 3 * WIDTH, WIDTH) | linear(at + projection.format(side=side), WIDTH, WIDTH)
            weights |= linear(f"{at}{side}_mlp.{mlp[0]}", 4 * WIDTH, WIDTH) | linear(f"{at}{side}_mlp.{mlp[1]}", WIDTH, 4 * WIDTH)
            weights |= linear(f"{at}{side}_mod.{modulation}", 6 * WIDTH, WIDTH)
            for which in ("query", "key"):
                weights |= vector(at + norms.format(side=side, which=which, letter=which[0].replace("u", "q")), 128)
        at = f"single_blocks.{block}."
        weights |= linear(at + "linear1", 7 * WIDTH, WIDTH) | linear(at + "linear2", WIDTH, 5 * WIDTH) | linear(f"{at}modulation.{modulation}", 3 * WIDTH, WIDTH)
    return weights | linear("final_layer.linear", 64, WIDTH) | linear("final_layer.adaLN_modulation.1", 2 * WIDTH, WIDTH)


def flux1():
    """FLUX.1 dev."""
    weights = flux()
    for block in range(2):
        weights |= vector(f"single_blocks.{block}.norm.query_norm.scale", 128) | vector(f"single_blocks.{block}.norm.key_norm.scale", 128)
    for name, width in (("time_in", 256), ("vector_in", 768), ("guidance_in", 256)):
        weights |= linear(f"{name}.in_layer", WIDTH, width) | linear(f"{name}.out_layer", WIDTH, WIDTH)
    return weights | linear("img_in", WIDTH, 64) | linear("txt_in", WIDTH, 4096)


def hunyuan_video():
    """HunyuanVideo."""
    weights = flux("{side}_attn_qkv", "{side}_attn_proj", ("fc1", "fc2"), "linear", "{side}_attn_{letter}_norm.weight")
    for name in ("time_in", "guidance_in"):
        weights |= linear(f"{name}.mlp.0", WIDTH, 256) | linear(f"{name}.mlp.2", WIDTH, WIDTH)
    weights |= linear("vector_in.in_layer", WIDTH, 768) | linear("vector_in.out_layer", WIDTH, WIDTH) | linear("txt_in.input_embedder", WIDTH, 4096)
    for name in ("t_embedder.mlp.0", "t_embedder.mlp.2", "c_embedder.linear_1", "c_embedder.linear_2"):
        weights |= linear(f"txt_in.{name}", WIDTH, 256)
    at = "txt_in.individual_token_refiner.blocks.0."
    weights |= linear(at + "self_attn_qkv", 3 * WIDTH, WIDTH) | linear(at + "self_attn_proj", WIDTH, WIDTH) | linear(at + "adaLN_modulation.1", 2 * WIDTH, WIDTH)
    return weights | linear(at + "mlp.fc1", 4 * WIDTH, WIDTH) | linear(at + "mlp.fc2", WIDTH, 4 * WIDTH)


def sd3():
    """SD 3.5 medium: the first block has a second attention."""
    weights = vector("pos_embed", 16) | linear("context_embedder", 1536, 4096)
    weights |= {"x_embedder.proj.weight": torch.empty(1536, 16, 2, 2, device="meta"), **vector("x_embedder.proj.bias", 1536)}
    for name, width in (("t_embedder", 256), ("y_embedder", 2048)):
        weights |= linear(f"{name}.mlp.0", 1536, width) | linear(f"{name}.mlp.2", 1536, 1536)
    for block in range(2):
        for side in ("x_block", "context_block"):
            at, last = f"joint_blocks.{block}.{side}.", block == 1 and side == "context_block"
            parts = ["attn", "attn2"] if block == 0 and side == "x_block" else ["attn"]
            for attention in parts:
                weights |= linear(f"{at}{attention}.qkv", 4608, 1536) | ({} if last else linear(f"{at}{attention}.proj", 1536, 1536))
                weights |= vector(f"{at}{attention}.ln_q.weight", 64) | vector(f"{at}{attention}.ln_k.weight", 64)
            weights |= linear(at + "adaLN_modulation.1", (2 if last else 9 if len(parts) == 2 else 6) * 1536, 1536)
            weights |= {} if last else linear(at + "mlp.fc1", 6144, 1536) | linear(at + "mlp.fc2", 1536, 6144)
    return weights | linear("final_layer.linear", 64, 1536) | linear("final_layer.adaLN_modulation.1", 3072, 1536)


def wan():
    """Wan 2.1 I2V."""
    weights = {"patch_embedding.weight": torch.empty(1536, 36, 1, 2, 2, device="meta"), **vector("patch_embedding.bias", 1536), "head.modulation": torch.empty(1, 2, 1536, device="meta")}
    weights |= linear("text_embedding.0", 1536, 4096) | linear("text_embedding.2", 1536, 1536) | linear("time_embedding.0", 1536, 256)
    weights |= linear("time_embedding.2", 1536, 1536) | linear("time_projection.1", 9216, 1536) | linear("head.head", 64, 1536)
    weights |= linear("img_emb.proj.1", 1280, 1280) | linear("img_emb.proj.3", 1536, 1280)
    for part, names in (("self_attn", "qkvo"), ("cross_attn", ["q", "k", "v", "o", "k_img", "v_img"])):
        for name in names:
            weights |= linear(f"blocks.0.{part}.{name}", 1536, 1536)
    return weights | linear("blocks.0.ffn.0", 8960, 1536) | linear("blocks.0.ffn.2", 1536, 8960)


def z_image():
    """Z-Image."""
    weights = linear("x_embedder", 3840, 64) | linear("final_layer.linear", 64, 3840) | linear("cap_embedder.1", 3840, 2560) | linear("t_embedder.mlp.0", 1024, 256)
    for at in ("layers.0.", "noise_refiner.0.", "context_refiner.0."):
        weights |= linear(at + "attention.qkv", 11520, 3840, False) | linear(at + "attention.out", 3840, 3840, False) | linear(at + "feed_forward.w1", 10240, 3840, False)
    return weights | linear("layers.0.adaLN_modulation.0", 15360, 256)


def lumina2():
    """Lumina-Image 2: fewer heads for k and v than for q."""
    weights = linear("x_embedder", 2304, 64) | linear("final_layer.linear", 64, 2304) | linear("cap_embedder.1", 2304, 2304) | linear("t_embedder.mlp.0", 1024, 256)
    for at in ("layers.0.", "noise_refiner.0.", "context_refiner.0."):
        weights |= linear(at + "attention.qkv", 2304 + 2 * 768, 2304, False) | linear(at + "attention.out", 2304, 2304, False)
        weights |= linear(at + "feed_forward.w1", 9216, 2304, False) | linear(at + "feed_forward.w3", 9216, 2304, False)
    return weights | linear("layers.0.adaLN_modulation.1", 4 * 2304, 1024)


def ltx_video():
    """LTX-Video."""
    weights = linear("patchify_proj", 2048, 128) | linear("proj_out", 128, 2048) | linear("adaln_single.emb.timestep_embedder.linear_1", 2048, 256) | linear("caption_projection.linear_1", 2048, 4096)
    for name in ("attn1.to_q", "attn1.to_out.0", "attn2.to_k", "ff.net.2"):
        weights |= linear(f"transformer_blocks.0.{name}", 2048, 2048)
    return weights | linear("adaln_single.linear", 12288, 2048)


def flux2():
    """FLUX.2 klein: one modulation for all blocks, and a gated MLP."""
    weights = linear("img_in", WIDTH, 128, False) | linear("txt_in", WIDTH, 7680, False) | linear("time_in.in_layer", WIDTH, 256, False) | linear("time_in.out_layer", WIDTH, WIDTH, False)
    weights |= linear("double_stream_modulation_img.lin", 6 * WIDTH, WIDTH, False) | linear("double_stream_modulation_txt.lin", 6 * WIDTH, WIDTH, False)
    weights |= linear("single_stream_modulation.lin", 3 * WIDTH, WIDTH, False) | linear("final_layer.linear", 128, WIDTH, False) | linear("final_layer.adaLN_modulation.1", 2 * WIDTH, WIDTH, False)
    for side in ("img", "txt"):
        at = f"double_blocks.0.{side}_"
        weights |= linear(at + "attn.qkv", 3 * WIDTH, WIDTH, False) | linear(at + "attn.proj", WIDTH, WIDTH, False) | linear(at + "mlp.0", 6 * WIDTH, WIDTH, False)
        weights |= linear(at + "mlp.2", WIDTH, 3 * WIDTH, False) | vector(at + "attn.norm.key_norm.scale", 128) | vector(at + "attn.norm.query_norm.scale", 128)
    return weights | linear("single_blocks.0.linear1", 9 * WIDTH, WIDTH, False) | linear("single_blocks.0.linear2", WIDTH, 4 * WIDTH, False)


def aura_flow():
    """AuraFlow."""
    weights = vector("register_tokens", 8) | vector("positional_encoding", 8) | linear("cond_seq_linear", 3072, 2048, False) | linear("init_x_linear", 3072, 16) | linear("final_linear", 16, 3072, False)
    weights |= linear("t_embedder.mlp.0", 3072, 256) | linear("t_embedder.mlp.2", 3072, 3072)
    for mlp in ("double_layers.0.mlpX", "double_layers.0.mlpC", "single_layers.0.mlp"):
        weights |= linear(mlp + ".c_fc1", 8192, 3072, False) | linear(mlp + ".c_fc2", 8192, 3072, False) | linear(mlp + ".c_proj", 3072, 8192, False)
    for name in ("double_layers.0.modX.1", "double_layers.0.modC.1", "single_layers.0.modCX.1"):
        weights |= linear(name, 6 * 3072, 3072, False)
    for name in ("w1q", "w1k", "w1v", "w1o", "w2q", "w2k", "w2v", "w2o"):
        weights |= linear(f"double_layers.0.attn.{name}", 3072, 3072, False) | (linear(f"single_layers.0.attn.{name}", 3072, 3072, False) if "1" in name else {})
    return weights


def cosmos():
    """Cosmos-Predict2."""
    weights = linear("x_embedder.proj.1", 2048, 72, False) | linear("t_embedder.1.linear_1", 2048, 2048, False) | linear("t_embedder.1.linear_2", 6144, 2048, False)
    for part, context in (("self_attn", 2048), ("cross_attn", 1024)):
        weights |= linear(f"blocks.0.{part}.q_proj", 2048, 2048, False) | linear(f"blocks.0.{part}.k_proj", 2048, context, False) | linear(f"blocks.0.{part}.v_proj", 2048, context, False)
        weights |= linear(f"blocks.0.{part}.output_proj", 2048, 2048, False)
    for part in ("self_attn", "cross_attn", "mlp"):
        weights |= linear(f"blocks.0.adaln_modulation_{part}.1", 256, 2048, False) | linear(f"blocks.0.adaln_modulation_{part}.2", 6144, 256, False)
    weights |= linear("blocks.0.mlp.layer1", 8192, 2048, False) | linear("blocks.0.mlp.layer2", 2048, 8192, False) | linear("final_layer.linear", 64, 2048, False)
    return weights | linear("final_layer.adaln_modulation.1", 256, 2048, False) | linear("final_layer.adaln_modulation.2", 4096, 256, False)


def sana():
    """Sana: k and v of the text in one weight."""
    weights = vector("pos_embed", 8) | vector("y_embedder.y_embedding", 8) | vector("attention_y_norm.weight", 2240) | vector("scale_shift_table", 8)
    weights |= {"x_embedder.proj.weight": torch.empty(2240, 32, 1, 1, device="meta"), **vector("x_embedder.proj.bias", 2240), **vector("final_layer.scale_shift_table", 8)}
    weights |= linear("t_embedder.mlp.0", 2240, 256) | linear("t_embedder.mlp.2", 2240, 2240) | linear("t_block.1", 6 * 2240, 2240) | linear("y_embedder.y_proj.fc1", 2240, 2304)
    weights |= linear("y_embedder.y_proj.fc2", 2240, 2240) | linear("final_layer.linear", 32, 2240) | vector("blocks.0.scale_shift_table", 8)
    weights |= linear("blocks.0.attn.qkv", 3 * 2240, 2240, False) | linear("blocks.0.attn.proj", 2240, 2240) | linear("blocks.0.cross_attn.q_linear", 2240, 2240)
    weights |= linear("blocks.0.cross_attn.kv_linear", 2 * 2240, 2240) | linear("blocks.0.cross_attn.proj", 2240, 2240)
    for name, rows, columns in (("inverted_conv", 11200, 2240), ("depth_conv", 11200, 1), ("point_conv", 2240, 5600)):
        weights |= {f"blocks.0.mlp.{name}.conv.weight": torch.empty(rows, columns, 1, 1, device="meta"), **vector(f"blocks.0.mlp.{name}.conv.bias", rows)}
    return weights


FAMILIES = {"aura_flow": (aura_flow, converters.convert_auraflow_transformer_checkpoint_to_diffusers),
            "cosmos_predict2": (cosmos, converters.convert_cosmos_transformer_checkpoint_to_diffusers), "sana": (sana, converters.convert_sana_transformer_to_diffusers),
            "flux2": (flux2, converters.convert_flux2_transformer_checkpoint_to_diffusers), "flux1": (flux1, converters.convert_flux_transformer_checkpoint_to_diffusers), "hunyuan_video": (hunyuan_video, converters.convert_hunyuan_video_transformer_to_diffusers),
            "sd3": (sd3, converters.convert_sd3_transformer_checkpoint_to_diffusers), "wan21": (wan, converters.convert_wan_transformer_to_diffusers),
            "z_image": (z_image, converters.convert_z_image_transformer_checkpoint_to_diffusers), "lumina2": (lumina2, converters.convert_lumina2_to_diffusers),
            "ltx_video": (ltx_video, converters.convert_ltx_transformer_checkpoint_to_diffusers)}


def write_sparse(path, weights):
    """A safetensors file of these names and shapes; its data is a hole."""
    header, offset = {}, 0
    for name, weight in weights.items():
        header[name] = {"dtype": "BF16", "shape": list(weight.shape), "data_offsets": [offset, offset + 2 * weight.numel()]}
        offset += 2 * weight.numel()
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + offset)


def lora_for(weights, style):
    """A LoRA on every matrix of the model, under its names."""
    lora = {}
    for name, weight in weights.items():
        if not name.endswith(".weight") or weight.ndim != 2:
            continue
        module = name.removesuffix(".weight")
        if style == "kohya":
            halves = (f"lora_unet_{module.replace('.', '_')}.lora_down.weight", f"lora_unet_{module.replace('.', '_')}.lora_up.weight")
        else:
            halves = (f"{style}{module}.lora_A.weight", f"{style}{module}.lora_B.weight")
        lora |= {halves[0]: torch.empty(4, weight.shape[1], device="meta"), halves[1]: torch.empty(weight.shape[0], 4, device="meta")}
    return lora


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Every family under both names, and a LoRA for each."""
    folder = tmp_path_factory.mktemp("names")
    for family, (make, convert) in FAMILIES.items():
        native = make()
        diffusers = {name: weight for name, weight in convert(dict(native)).items() if torch.is_tensor(weight)}
        write_sparse(folder / f"{family}-native.safetensors", {f"model.diffusion_model.{name}": weight for name, weight in native.items()})
        write_sparse(folder / f"{family}-diffusers.safetensors", diffusers)
        for names, weights in (("native", native), ("diffusers", diffusers)):
            write_sparse(folder / f"{family}-{names}-kohya.safetensors", lora_for(weights, "kohya"))
            write_sparse(folder / f"{family}-{names}-peft.safetensors", lora_for(weights, "transformer." if names == "diffusers" else "diffusion_model."))
    return folder


@pytest.fixture(scope="module")
def names_daemon(tmp_path_factory, library):
    """A daemon over it."""
    from own_daemon import Daemon

    daemon = Daemon(tmp_path_factory.mktemp("names-daemon"), library)
    yield daemon
    assert daemon.stop() == 0


@pytest.mark.parametrize("style", ["kohya", "peft"])
@pytest.mark.parametrize("lora", ["native", "diffusers"])
@pytest.mark.parametrize("base", ["native", "diffusers"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_lora_is_found_under_both_names_of_its_base(names_daemon, family, base, lora, style):
    adapter, model = f"{family}-{lora}-{style}", f"{family}-{base}"
    report = names_daemon.data("GET", f"/api/models/{adapter}/compatibility?with={model}")
    assert report["percent"] == 100 and report["compatible"] == "yes", (report["reasons"], report["examples"])
