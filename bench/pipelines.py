"""The benchmarks of what programs do with whole models: checkpoints that share parts, other precisions, pipelines, programs that know nothing of hoist."""
import json
import os
import subprocess
import sys
import threading
import time

import numpy

from stage import (BUILD, MIB, REPEATS, ROOT, Process, alternate, direct_read_seconds, disk_bytes_of, drop_page_cache, empty, held_bytes,
                   make_memory_present, median, memory_of, memory_of_hoist, read_once, row, warm, write_torch)

from checkpoint_files import union_bytes, write_checkpoints  # of tests/python

PEERS = ("safetensors", "torch", "runai")
FILL_THREADS = 8  # as many as hoistd fills with: HST_FILL_THREADS
PROGRAM = ROOT / "bench" / "pipeline_program.py"


def tried(measure, *arguments):
    """What a peer's measurement gives, as text; peers may not run here."""
    try:
        return measure(*arguments)
    except RuntimeError as error:
        return f"does not run here: {error}"


def one_by_one(daemon, names):
    """Cache models, each when the one before is there."""
    for name in names:
        daemon.data("POST", "/api/model/cache", {"model_id": name})


def at_once(daemon, names):
    """Cache models at the same moment, and leave hoistd time to find what is equal in them."""
    threads = [threading.Thread(target=one_by_one, args=(daemon, [name])) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    time.sleep(5)


def union_of(stage, paths, unique, cache, backing):
    """(charged, PSS) of hoistd and four clients as shares of the bytes of the union."""
    daemon = stage.daemon("c2-union", models=paths[0].parent, HOIST_FORCE_BACKING=backing)
    for path in paths:
        assert daemon.cli("hash", path.stem).returncode == 0
    drop_page_cache(*paths)
    before = memory_of_hoist(daemon)
    cache(daemon, [path.stem for path in paths])
    charged = daemon.data("GET", "/api/model/cache")["used_bytes"]
    held = held_bytes("hoist", paths, daemon, before)
    daemon.stop()
    return charged / unique, held / unique


def c2_union(stage):
    """C2 with four checkpoints that share text encoders and VAE: a process maps each and reads every byte; shares of the bytes of the union."""
    folder = stage.folder / "union"
    folder.mkdir(exist_ok=True)
    models = write_checkpoints(folder, width=768, depth=4)
    unique, paths = union_bytes(*models.values()), [folder / f"{name}.safetensors" for name in models]
    del models
    rows = []
    for backing in ("page_cache", "tmpfs_huge"):
        for cache, title in ((one_by_one, "one after the other"), (at_once, "all at once")):
            charged, held = union_of(stage, paths, unique, cache, backing)
            rows.append(row(f"C2 four checkpoints that share, {backing}, loaded {title}", f"{held:.3f} of the union", "", "<= 1.02", 0.98 <= held <= 1.02,
                            f"1.000; charged {charged:.3f}"))
    for peer in PEERS:
        if peer == "torch":
            for path in paths:
                write_torch(path)
        rows.append(row(f"C2 the same by {peer}", "", tried(lambda peer=peer: f"{held_bytes(peer, paths) / unique:.3f} of the union"), "", None))
    return rows


def floats(stage):
    """1 GiB of fp32: matrices of the sizes that weights have, and their biases."""
    import safetensors.torch
    import torch

    folder = stage.folder / "floats"
    path = folder / "floats.safetensors"
    if not path.exists():
        folder.mkdir(exist_ok=True)
        source = torch.Generator().manual_seed(10)
        tensors = {f"blocks.{i}.weight": torch.randn(2048, 1024, generator=source) * 0.02 for i in range(128)}
        tensors.update({f"blocks.{i}.bias": torch.randn(2048, generator=source) for i in range(128)})
        safetensors.torch.save_file(tensors, path)
    return path


def cast(daemon, loader, path, precision, threads, cold):
    """A fresh process has the model in another precision and reads it all; hoistd had nothing of it."""
    empty(daemon)
    drop_page_cache(path) if cold else warm(path)
    make_memory_present(2 * path.stat().st_size)
    return read_once(loader, path, daemon.socket, PRECISION=precision, THREADS=str(threads))


def c10_rows(daemon, path, precision):
    """Rows of one precision."""
    rows, digests = [], set()
    for cold in (False, True):
        found = alternate(REPEATS, ours=lambda cold=cold: cast(daemon, "hoist_in", path, precision, FILL_THREADS, cold),
                          peer=lambda cold=cold: cast(daemon, "safetensors_to", path, precision, FILL_THREADS, cold),
                          few=lambda cold=cold: cast(daemon, "safetensors_to", path, precision, os.cpu_count(), cold))
        digests |= {run["digest"] for runs in found.values() for run in runs}
        ours, peer, few = (median([run["seconds"] for run in found[name]]) for name in ("ours", "peer", "few"))
        text = f"safetensors + .to {peer:.3f} s on {FILL_THREADS} threads, {few:.3f} s on {os.cpu_count()}"
        rows.append(row(f"C10 1 GiB fp32 to {precision}, {'cold' if cold else 'page cache warm'}", f"{ours:.3f} s", text, ">= 2x", ours * 2 <= peer,
                        f"O_DIRECT {direct_read_seconds(path):.3f} s" if cold else None))
    rows.append(row(f"C10 bits of {precision}", "the same" if len(digests) == 1 else f"{len(digests)} different results", "torch .to", "identical", len(digests) == 1))
    return rows


def c10(stage):
    """fp32 into other precisions while loading, end to end in a fresh process, as many threads on both sides."""
    path = floats(stage)
    daemon = stage.daemon("c10", models=path.parent)
    return [line for precision in ("bf16", "fp16", "fp8_e4m3") for line in c10_rows(daemon, path, precision)]


def make_tokenizer(folder):
    """A CLIP tokenizer that knows single letters: it is not what is measured, and a pipeline wants one."""
    import transformers

    letters = [chr(code) for code in range(33, 127)]
    words = letters + [f"{letter}</w>" for letter in letters] + ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    return transformers.CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))


def make_pipeline(stage):
    """A Stable Diffusion pipeline of random weights in fp32, a few hundred MiB, as diffusers writes it. Returns (folder, its weight files)."""
    import diffusers
    import torch
    import transformers

    folder = stage.folder / "pipeline" / "sd-bench"
    if not (folder / "model_index.json").exists():
        torch.manual_seed(1)
        unet = diffusers.UNet2DConditionModel(block_out_channels=(128, 256, 512), layers_per_block=1, cross_attention_dim=768, sample_size=32,
                                              down_block_types=("CrossAttnDownBlock2D",) * 2 + ("DownBlock2D",), up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 2)
        vae = diffusers.AutoencoderKL(block_out_channels=(128, 256, 512), latent_channels=4, down_block_types=("DownEncoderBlock2D",) * 3,
                                      up_block_types=("UpDecoderBlock2D",) * 3)
        text_encoder = transformers.CLIPTextModel(transformers.CLIPTextConfig(vocab_size=49408, hidden_size=768, intermediate_size=3072, num_hidden_layers=6))
        diffusers.StableDiffusionPipeline(unet=unet, vae=vae, text_encoder=text_encoder, tokenizer=make_tokenizer(stage.folder / "tokenizer"), safety_checker=None,
                                          scheduler=diffusers.DDIMScheduler(steps_offset=1, clip_sample=False), feature_extractor=None,
                                          requires_safety_checker=False).save_pretrained(folder)
    return folder, sorted(folder.glob("*/*.safetensors"))


class Pipeline:
    """The pipeline of U1: its files, a hoistd over them, and the ways to load it."""

    def __init__(self, stage):
        self.folder, self.files = make_pipeline(stage)
        self.size = sum(path.stat().st_size for path in self.files)
        self.daemon = stage.daemon("u1", models=self.folder.parent)
        self.disk_seconds = []

    def program(self, way, precision):
        """A process about to load it: plain, patched (the same program under hoist exec), or assigned (weights from hoist in that precision)."""
        words = [self.folder, precision] + ([self.folder.name] if way == "assigned" else [])
        under = (BUILD / "hoist", "exec", "--") if way == "patched" else ()
        return Process(*words, program=PROGRAM, under=under, HOIST_SOCKET=self.daemon.socket, TRANSFORMERS_VERBOSITY="error")

    def ready(self, state, precision, way):
        """Bring memory into a state: cold (nothing of the files), or warm (page cache, and for hoist: held; in that precision for `assigned`)."""
        empty(self.daemon)
        drop_page_cache(*self.files)
        make_memory_present(2 * self.size)
        if state == "cold":
            return
        for path in self.files:
            warm(path)
        wanted = {"precision": precision} if way == "assigned" and precision != "-" else {}
        if way != "plain":
            parts = [f"{self.folder.name}:{part}" for part in ("unet", "vae", "text_encoder")]
            self.daemon.data("POST", "/api/model/cache", {"component_ids": parts, **wanted})

    def once(self, way, state, precision):
        """What one program says of itself, with what hoistd read for it."""
        return self.several(way, state, precision, 1)[0]

    def several(self, way, state, precision, count):
        """([what each says], seconds until all are done, bytes the disk read, bytes of memory that all have more than before)."""
        self.ready(state, precision, way)
        read_before, memory_before = disk_bytes_of(self.daemon.process.pid), memory_of_hoist(self.daemon)
        programs = [self.program(way, precision) for _ in range(count)]
        for program in programs:
            program.hear()
        memory_before += sum(memory_of(program.process.pid) for program in programs)
        began = time.time()
        for program in programs:
            program.go()
        said = [program.hear() for program in programs]
        memory = memory_of_hoist(self.daemon) + sum(memory_of(program.process.pid) for program in programs) - memory_before
        for program in programs:
            program.end()
        read = disk_bytes_of(self.daemon.process.pid) - read_before + sum(one["disk_bytes"] for one in said)
        for one in said:
            one.update(all_seconds=max(each["ended"] for each in said) - began, all_read=read, all_memory=memory)
        return said


def figures(runs, name="seconds"):
    """The median of a figure."""
    return median([run[name] for run in runs])


def u1_row(pipeline, title, state, precision, way, goal, factor):
    """One program: ours beside plain diffusers; at least `factor` times as fast."""
    found = alternate(REPEATS, ours=lambda: pipeline.once(way, state, precision), plain=lambda: pipeline.once("plain", state, precision))
    ours, plain = figures(found["ours"]), figures(found["plain"])
    assert len({run["sum"] for runs in found.values() for run in runs}) == 1, "the bits differ"
    texts = [f"{figures(runs):.3f} s (from_pretrained {figures(runs, 'loaded'):.3f}), disk {figures(runs, 'all_read') / MIB:.0f} MiB" for runs in found.values()]
    limit = None
    if state == "cold":
        drop_page_cache(*pipeline.files)
        limit = f"O_DIRECT {sum(direct_read_seconds(path) for path in pipeline.files):.3f} s"
    return row(f"U1 {title}", texts[0], f"diffusers {texts[1]}", goal, ours * factor <= plain, limit)


def u1_together(pipeline, title, precision, way, stored):
    """Four programs at once, from a cold start; `stored` = bytes of one copy."""
    found = alternate(REPEATS, ours=lambda: pipeline.several(way, "cold", precision, 4)[0], plain=lambda: pipeline.several("plain", "cold", precision, 4)[0])
    texts = [f"{figures(runs, 'all_memory') / stored:.3f} S of memory, disk {figures(runs, 'all_read') / pipeline.size:.2f} S, {figures(runs, 'all_seconds'):.2f} s"
             for runs in found.values()]
    return row(f"U1 four at once, cold, {title}", texts[0], f"diffusers {texts[1]}", "one copy: <= 1.02 S", figures(found["ours"], "all_memory") <= 1.02 * stored)


def u1(stage):
    """from_pretrained of a diffusers pipeline, until every weight was read once; imports are done before."""
    pipeline = Pipeline(stage)
    size = f"{pipeline.size / MIB:.0f} MiB"
    return [u1_row(pipeline, f"{size}, cold, hoist exec", "cold", "-", "patched", ">= 1.5x", 1.5),
            u1_row(pipeline, "warm, hoist exec", "warm", "-", "patched", "never slower (5% for noise)", 1 / 1.05),
            u1_row(pipeline, "fp16, warm, hoist exec", "warm", "fp16", "patched", "never slower (5% for noise)", 1 / 1.05),
            u1_row(pipeline, "fp16 from the cache, hoist.assign", "warm", "fp16", "assigned", ">= 2x", 2),
            u1_row(pipeline, "fp16, cold, hoist.assign", "cold", "fp16", "assigned", ">= 1.5x", 1.5),
            u1_together(pipeline, "hoist exec", "-", "patched", pipeline.size),
            u1_together(pipeline, "fp16, hoist exec", "fp16", "patched", pipeline.size / 2),
            u1_together(pipeline, "fp16, hoist.assign", "fp16", "assigned", pipeline.size / 2)]


def write_gguf(path, count):
    """A GGUF file of `count` tensors of 8 MiB."""
    import gguf

    if not path.exists():
        noise, writer = numpy.random.default_rng(2), gguf.GGUFWriter(path, "llama")
        for i in range(count):
            writer.add_tensor(f"blk.{i}.ffn_up.weight", noise.standard_normal((2048, 2048), numpy.float32).astype(numpy.float16))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return path


def under_pressure(daemon, loader, path, first, held):
    """What a program that knows nothing of hoist says of reading a file that was in memory before another program used all of it."""
    empty(daemon)
    for _ in range(2):  # used twice, so that the kernel has reason to keep it
        warm(path)
    if held:
        daemon.data("POST", "/api/model/cache", {"model_id": path.stem})
    subprocess.run([sys.executable, ROOT / "bench" / "pressure.py", path.parent], check=True)
    return read_once(loader, path, FIRST=str(first))


def u2_row(daemon, loader, path, first):
    """One kind of file. Once, because each run fills all memory, and what counts is whether the disk is read."""
    found = alternate(1, ours=lambda: under_pressure(daemon, loader, path, first, True), plain=lambda: under_pressure(daemon, loader, path, first, False))
    ours, plain = (f"{figures(runs):.3f} s, disk {figures(runs, 'disk_bytes') / MIB:.2f} MiB" for runs in found.values())
    return row(f"U2 {loader} reads {path.stat().st_size / MIB:.0f} MiB", f"{ours}", f"without hoist {plain}", "no disk reads", found["ours"][0]["disk_bytes"] == 0)


def u2(stage):
    """An unmodified program maps a file after the page cache was under pressure from another: with hoist holding the file, and without."""
    mapped = write_gguf(stage.models / "mapped.gguf", 64)
    first = write_gguf(stage.folder / "first.gguf", 1)
    daemon = stage.daemon("u2")
    return [u2_row(daemon, "gguf", mapped, first), u2_row(daemon, "safetensors", stage.many, stage.small)]


CASES = {"c2-union": c2_union, "c10": c10, "u1": u1, "u2": u2}
