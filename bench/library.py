"""A library of 10,000 model files as a user of image and language models collects them: real-shaped headers, data that is all holes."""
import json
import os
import struct
import subprocess

import torch

FILES = 10000


def safetensors_header(tensors, metadata=None):
    """(N and header, bytes of the data) of tensors: [(name, dtype, bytes per element, shape)]."""
    header, offset = {"__metadata__": metadata} if metadata else {}, 0
    for name, dtype, width, shape in tensors:
        size = width
        for dimension in shape:
            size *= dimension
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text, offset


def lora(blocks, width):
    """A LoRA in kohya's layout: three tensors a module, and the metadata that its trainer writes."""
    tensors = []
    for block in range(blocks):
        for part in ("attn1_to_q", "attn1_to_k", "attn1_to_v", "attn1_to_out_0", "attn2_to_q", "attn2_to_k", "attn2_to_v", "attn2_to_out_0", "ff_net_0_proj", "ff_net_2"):
            name = f"lora_unet_input_blocks_{block // 10}_1_transformer_blocks_{block % 10}_{part}"
            tensors += [(f"{name}.alpha", "F16", 2, []), (f"{name}.lora_down.weight", "F16", 2, [16, width]), (f"{name}.lora_up.weight", "F16", 2, [width, 16])]
    tags = json.dumps({"folder": {f"tag {i}": i for i in range(300)}})
    return safetensors_header(tensors, {"ss_network_dim": "16", "ss_sd_model_name": "base.safetensors", "ss_tag_frequency": tags})


def checkpoint(blocks, width):
    """A whole pipeline in the original layout."""
    tensors = []
    for block in range(blocks):
        for part in ("attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0", "attn2.to_q", "attn2.to_k", "attn2.to_v", "attn2.to_out.0", "ff.net.0.proj", "ff.net.2"):
            name = f"model.diffusion_model.input_blocks.{block // 10}.1.transformer_blocks.{block % 10}.{part}"
            tensors += [(f"{name}.weight", "F16", 2, [width, width]), (f"{name}.bias", "F16", 2, [width])]
    tensors += [(f"first_stage_model.decoder.up.{i // 8}.block.{i % 8}.conv1.weight", "F16", 2, [256, 256, 3, 3]) for i in range(248)]
    tensors += [(f"cond_stage_model.transformer.text_model.encoder.layers.{i // 16}.mlp.fc{i % 16}.weight", "F16", 2, [768, 768]) for i in range(196)]
    return safetensors_header(tensors)


def flux():
    """A FLUX transformer."""
    parts = ("img_attn.qkv", "img_attn.proj", "img_mlp.0", "img_mlp.2", "img_mod.lin", "txt_attn.qkv", "txt_attn.proj", "txt_mlp.0", "txt_mlp.2", "txt_mod.lin")
    names = [f"double_blocks.{i}.{part}.{kind}" for i in range(19) for part in parts for kind in ("weight", "bias")]
    names += [f"single_blocks.{i}.{part}.{kind}" for i in range(38) for part in ("linear1", "linear2", "modulation.lin") for kind in ("weight", "bias")]
    return safetensors_header([(name, "BF16", 2, [3072, 3072]) for name in names])


def embedding():
    """A textual inversion."""
    return safetensors_header([("clip_g", "F32", 4, [8, 1280]), ("clip_l", "F32", 4, [8, 768])])


def gguf_text(text):
    """A string of GGUF."""
    return struct.pack("<Q", len(text)) + text.encode()


def gguf(layers, tokens):
    """A GGUF file of Q4_0 tensors, with a vocabulary of so many tokens: (header, bytes of the data)."""
    parts = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down", "attn_norm", "ffn_norm")
    names = [f"blk.{i}.{part}.weight" for i in range(layers) for part in parts]
    pairs = [gguf_text("general.architecture") + struct.pack("<I", 8) + gguf_text("llama"),
             gguf_text("llama.block_count") + struct.pack("<II", 4, layers)]
    if tokens:
        pairs += [gguf_text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, tokens) + b"".join(gguf_text(f"token{i}") for i in range(tokens)),
                  gguf_text("tokenizer.ggml.scores") + struct.pack("<IIQ", 9, 6, tokens) + b"\0" * (4 * tokens),
                  gguf_text("tokenizer.ggml.token_type") + struct.pack("<IIQ", 9, 5, tokens) + b"\1\0\0\0" * tokens]
    size = 4096 * 4096 // 32 * 18
    infos = [gguf_text(name) + struct.pack("<IQQIQ", 2, 4096, 4096, 2, i * size) for i, name in enumerate(names)]
    head = b"GGUF" + struct.pack("<IQQ", 3, len(names), len(pairs)) + b"".join(pairs) + b"".join(infos)
    return head + b"\0" * (-len(head) % 32), size * len(names)


# Of every hundred files: how many, their suffix, and what makes the header.
KINDS = [(35, "safetensors", lambda: lora(72, 1280)), (15, "safetensors", lambda: lora(26, 768)), (20, "safetensors", embedding),
         (8, "safetensors", lambda: checkpoint(34, 768)), (7, "safetensors", lambda: checkpoint(100, 1280)), (6, "safetensors", flux),
         (3, "gguf", lambda: gguf(32, 32000)), (3, "gguf", lambda: gguf(48, 0)), (3, "pt", None)]


def torch_file(path):
    """What torch.save writes of a checkpoint, its data left out."""
    state = {f"model.diffusion_model.input_blocks.{i}.weight": torch.empty(1 << 20, device="meta") for i in range(700)}
    with torch.serialization.skip_data():
        torch.save({name: torch.empty_like(value, device="cpu") for name, value in state.items()}, path)
    return path


def write(folder, files=FILES):
    """Write it, unless it is there, into a hundred folders; `files` in hundreds. Returns the folder."""
    if (folder / "complete").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    of_torch = torch_file(folder / "torch.template")
    number = 0
    for share, suffix, make in KINDS:
        head, size = make() if make else (b"", 0)
        for _ in range(share * files // 100):
            path = folder / f"{number % 100:02}" / f"model-{number:05}.{suffix}"
            path.parent.mkdir(exist_ok=True)
            if make is None:
                subprocess.run(["cp", "--sparse=always", of_torch, path], check=True)
            else:
                path.write_bytes(head)
                os.truncate(path, len(head) + size)
            number += 1
    (folder / "complete").touch()
    return folder
