"""Checkpoints laid out as SDXL's are, at a fraction of the size: what is common (two text encoders, a VAE) is equal in each, byte for byte.

Biases and norms of a few hundred bytes lie between the matrices, and headers differ in length, so that nothing begins where a page does."""
import random

from weight_files import count, write

CROSS = 2048  # what the UNet of an SDXL attends to; told by it


def _linear(name, out, into, bias=True):
    """A matrix, and its bias."""
    return [(f"{name}.weight", [out, into])] + ([(f"{name}.bias", [out])] if bias else [])


def _norm(name, width):
    """Two rows of a few hundred bytes."""
    return [(f"{name}.weight", [width]), (f"{name}.bias", [width])]


def _conv(name, out, into):
    """A convolution of 3 x 3."""
    return [(f"{name}.weight", [out, into, 3, 3]), (f"{name}.bias", [out])]


def _clip(prefix, width, depth):
    """The first text encoder."""
    rows = [(f"{prefix}.embeddings.position_embedding.weight", [77, width]), (f"{prefix}.embeddings.token_embedding.weight", [2048, width])]
    for i in range(depth):
        layer = f"{prefix}.encoder.layers.{i}"
        rows += _norm(f"{layer}.layer_norm1", width) + _norm(f"{layer}.layer_norm2", width)
        rows += _linear(f"{layer}.mlp.fc1", 4 * width, width) + _linear(f"{layer}.mlp.fc2", width, 4 * width)
        rows += [row for part in ("k_proj", "out_proj", "q_proj", "v_proj") for row in _linear(f"{layer}.self_attn.{part}", width, width)]
    return rows + _norm(f"{prefix}.final_layer_norm", width)


def _open_clip(prefix, width, depth):
    """The second text encoder."""
    rows = [(f"{prefix}.positional_embedding", [77, width]), (f"{prefix}.text_projection", [width, width])]
    for i in range(depth):
        block = f"{prefix}.transformer.resblocks.{i}"
        rows += [(f"{block}.attn.in_proj_bias", [3 * width]), (f"{block}.attn.in_proj_weight", [3 * width, width])] + _linear(f"{block}.attn.out_proj", width, width)
        rows += _norm(f"{block}.ln_1", width) + _norm(f"{block}.ln_2", width)
        rows += _linear(f"{block}.mlp.c_fc", 4 * width, width) + _linear(f"{block}.mlp.c_proj", width, 4 * width)
    return rows + _norm(f"{prefix}.ln_final", width)


def _residual(prefix, width):
    """A residual block of a VAE."""
    return [row for i in (1, 2) for row in _norm(f"{prefix}.norm{i}", width) + _conv(f"{prefix}.conv{i}", width, width)]


def _vae(prefix, width, depth):
    """Encoder and decoder."""
    rows = _conv(f"{prefix}.decoder.conv_in", width, 4) + _conv(f"{prefix}.encoder.conv_in", width, 3)
    for i in range(depth):
        rows += _residual(f"{prefix}.decoder.up.{i}.block.0", width) + _residual(f"{prefix}.encoder.down.{i}.block.0", width)
    return rows


def _transformer(prefix, width):
    """A transformer block of the UNet."""
    rows = [row for i in (1, 2, 3) for row in _norm(f"{prefix}.norm{i}", width)]
    for attention, into in (("attn1", width), ("attn2", CROSS)):
        rows += [row for part, size in (("to_k", into), ("to_q", width), ("to_v", into)) for row in _linear(f"{prefix}.{attention}.{part}", width, size, bias=False)]
        rows += _linear(f"{prefix}.{attention}.to_out.0", width, width)
    return rows + _linear(f"{prefix}.ff.net.0.proj", 8 * width, width) + _linear(f"{prefix}.ff.net.2", width, 4 * width)


def _unet(prefix, width, depth):
    """The UNet: what no other checkpoint has."""
    rows = _conv(f"{prefix}.input_blocks.0.0", width, 4) + _linear(f"{prefix}.time_embed.0", 4 * width, width)
    for i in range(depth):
        block = f"{prefix}.input_blocks.{4 + i}"
        rows += _norm(f"{block}.0.in_layers.0", width) + _conv(f"{block}.0.in_layers.2", width, width) + _transformer(f"{block}.1.transformer_blocks.0", width)
    return rows


def _fill(rows, seed):
    """Random bytes for names and shapes."""
    source = random.Random(seed)
    return [(name, "F16", shape, source.randbytes(2 * count(shape))) for name, shape in rows]


def write_checkpoints(folder, number=4, width=192, depth=2):
    """Write checkpoint-0.safetensors and so on into a folder. Returns {name of the model: its tensors}, rows as weight_files has them."""
    common = _clip("conditioner.embedders.0.transformer.text_model", width, depth) + _open_clip("conditioner.embedders.1.model", width, depth)
    shared = _fill(common + _vae("first_stage_model", width, depth), "shared")
    models = {}
    for i in range(number):
        name = f"checkpoint-{i}"
        models[name] = sorted(shared + _fill(_unet("model.diffusion_model", width, depth), i))  # safetensors writes them by name
        write(folder / f"{name}.safetensors", models[name], {"title": "x" * (9 + 131 * i)})
    return models


def union_bytes(*models):
    """Bytes of the contents that occur in these models, each counted once however often it occurs."""
    return sum(len(data) for data in {data for rows in models for *_, data in rows})
