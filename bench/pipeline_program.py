"""A program that uses a diffusers pipeline: pipeline_program.py FOLDER PRECISION [MODEL]. With MODEL, its weights come from hoist in that precision.

Without MODEL nothing here knows of hoist. Lines of JSON go out; a line on stdin lets it go on. PRECISION `-` = as stored."""
import json
import os
import sys
import time

import accelerate
import diffusers
import torch
import transformers

PARTS = {"unet": diffusers.UNet2DConditionModel, "vae": diffusers.AutoencoderKL, "text_encoder": transformers.CLIPTextModel}
DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "-": None}


def say(**what):
    """A line of JSON."""
    print(json.dumps(what), flush=True)


def disk_bytes():
    """Bytes that this process made the disk read."""
    with open("/proc/self/io", encoding="ascii") as io:
        return next(int(line.split()[1]) for line in io if line.startswith("read_bytes"))


def hollow(folder, part):
    """A part of the pipeline without weights."""
    kind, path = PARTS[part], os.path.join(folder, part)
    with accelerate.init_empty_weights(include_buffers=False):
        if part == "text_encoder":
            return kind(kind.config_class.from_pretrained(path))
        return kind.from_config(kind.load_config(path))


def from_hoist(folder, precision, model):
    """The pipeline of parts whose weights are hoist's."""
    client = hoist.connect()
    parts = {part: hoist.assign(hollow(folder, part), model, component=part, precision=precision, client=client).eval() for part in PARTS}
    return diffusers.StableDiffusionPipeline.from_pretrained(folder, **parts)


def weights(pipeline):
    """Every tensor of it."""
    return [value for part in PARTS for value in getattr(pipeline, part).state_dict().values()]


def read_all(pipeline):
    """Read every weight once. Returns what tells whether two programs have the same bits."""
    total = 0
    for value in weights(pipeline):
        flat = value.detach().contiguous().reshape(-1).view(torch.uint8)
        total = (total * 31 + int(flat[: len(flat) // 8 * 8].view(torch.int64).sum())) % (1 << 61)
    return total


def main(folder, precision, model=None):
    """Make ready, load, read."""
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
    say(ready=True)
    sys.stdin.readline()
    before, began = disk_bytes(), time.perf_counter()
    pipeline = from_hoist(folder, precision, model) if model else diffusers.StableDiffusionPipeline.from_pretrained(folder, dtype=DTYPES[precision])
    loaded = time.perf_counter() - began
    total = read_all(pipeline)
    say(loaded=loaded, seconds=time.perf_counter() - began, ended=time.time(), disk_bytes=disk_bytes() - before, sum=total,
        dtypes=sorted({str(value.dtype) for value in weights(pipeline)}))
    sys.stdin.readline()


if __name__ == "__main__":
    if len(sys.argv) > 3:
        import hoist
    main(*sys.argv[1:])
