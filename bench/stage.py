"""What the benchmarks share: model files, a hoistd, measured processes, the state of the page cache, and the machine's own limits."""
import functools
import json
import math
import mmap
import os
import pathlib
import statistics
import struct
import subprocess
import sys
import time

import numpy

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("HOIST_BUILD", ROOT / "build"))
sys.path.insert(0, str(ROOT / "tests" / "python"))
from own_daemon import Daemon  # noqa: E402

MADV_POPULATE_WRITE = 23
MIB = 1 << 20
GIB = 1 << 30
REPEATS = int(os.environ.get("REPEATS", "5"))
CHILD = str(ROOT / "bench" / "child.py")


def write_model(path, count, total_bytes):
    """A safetensors file of `count` equal BF16 tensors."""
    if path.exists():
        return path
    each = total_bytes // count // 4096 * 4096
    header = {f"blocks.{i}.weight": {"dtype": "BF16", "shape": [each // 2], "data_offsets": [i * each, (i + 1) * each]} for i in range(count)}
    text = json.dumps(header).encode()
    text += b" " * (-(len(text) + 8) % 4096)
    noise = numpy.random.default_rng(1)
    with open(path.with_suffix(".part"), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _ in range(count):
            file.write(noise.integers(0, 1 << 63, each // 8, dtype=numpy.uint64).tobytes())
    path.with_suffix(".part").rename(path)
    return path


def sdxl_tensors(count):
    """Names and shapes of `count` tensors as an SDXL checkpoint has them: a UNet, a VAE and two text encoders."""
    yield "model.diffusion_model.input_blocks.0.0.weight", [320, 4, 3, 3]
    yield "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight", [640, 2048]
    for i in range(count - 2):
        if i < 0.7 * count:
            yield f"model.diffusion_model.output_blocks.{i // 40}.1.transformer_blocks.{i % 40}.attn1.to_q.weight", [640, 640]
        elif i < 0.8 * count:
            yield f"first_stage_model.decoder.up.{i // 50}.block.{i % 50}.conv1.weight", [128, 128]
        else:
            yield f"conditioner.embedders.{i // (0.9 * count):.0f}.transformer.text_model.encoder.layers.{i}.self_attn.q_proj.weight", [768, 768]


def write_checkpoints(folder, number, count):
    """`number` checkpoints of `count` tensors each: headers as they are, data that takes no room on the disk."""
    header, end = {}, 0
    for name, shape in sdxl_tensors(count):
        begin, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    folder.mkdir(exist_ok=True)
    for i in range(number):
        with open(folder / f"checkpoint-{i:05}.safetensors", "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            file.truncate(8 + len(text) + end)


def torch_twin(path):
    """Where the same tensors lie as torch.save writes them: not among the models, for hoist would find them there, and give one of the two another id."""
    return path.parent.with_name("torch") / path.with_suffix(".pt").name


def write_torch(path):
    """The same tensors as torch.save writes them. Returns the path of the safetensors file."""
    import safetensors.torch
    import torch

    twin = torch_twin(path)
    twin.parent.mkdir(exist_ok=True)
    if not twin.exists():
        torch.save(safetensors.torch.load_file(path), twin)
    return path


def drop_page_cache(*paths):
    """Take files out of memory, as far as nobody holds them. (Dropping all caches would make programs read their own code again.)"""
    os.sync()
    for path in paths:
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def warm(path):
    """Read a file into the page cache."""
    with open(path, "rb", buffering=0) as file:
        while file.read(16 * MIB):
            pass


class Process:
    """A measured process. `program` = what Python runs, `under` = a command that starts it."""

    def __init__(self, *arguments, program=CHILD, under=(), **environment):
        command = [*under, sys.executable, program, *arguments]
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})

    def hear(self):
        """Its next line."""
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a measured process ended with {self.process.wait()}")
        return json.loads(line)

    def go(self):
        """Let it go on."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self):
        """End it."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def read_once(loader, path, socket="", **environment):
    """A fresh process reads every byte once."""
    process = Process("read", loader, path, socket, **environment)
    process.hear()
    process.go()
    found = process.hear()
    process.end()
    return found


def memory_of(pid):
    """PSS and page tables of a process."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
        pss = next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return 1024 * (pss + next(int(line.split()[1]) for line in status if line.startswith("VmPTE:")))


def disk_bytes_of(pid):
    """Bytes that a process made the disk read."""
    with open(f"/proc/{pid}/io", encoding="ascii") as io:
        return next(int(line.split()[1]) for line in io if line.startswith("read_bytes"))


def memory_of_hoist(daemon):
    """PSS and page tables of hoistd and of its keeper, which maps what it keeps, too."""
    return memory_of(daemon.process.pid) + memory_of(daemon.keeper())


def held_bytes(loader, paths, daemon=None, before=0):
    """Bytes that processes which have each read every byte of a file have more than as many that loaded nothing; of hoist, what it has more than `before`."""
    processes = [Process("hold", loader, path, daemon.socket if daemon else "") for path in paths]
    try:
        for process in processes:
            process.hear()
        # With all of them there: what interpreters and libraries share among themselves is then shared by as many in both figures.
        empty_bytes = sum(memory_of(process.process.pid) for process in processes)
        for process in processes:
            process.go()
            process.hear()
        total = sum(memory_of(process.process.pid) for process in processes) - empty_bytes
        return total + (memory_of_hoist(daemon) - before if daemon else 0)
    finally:
        for process in processes:
            process.end()


def row(what, hoist, peer, goal, met, limit=None):
    """One line of a table. `met` None = reported without a goal of this piece."""
    return {"what": what, "hoist": hoist, "peer": peer, "limit": limit, "goal": goal, "met": met}


def median(values):
    """The middle one."""
    return statistics.median(values)


def alternate(repeats, **functions):
    """Run functions in turn, several times over. Returns {name: [result]}."""
    found = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            found[name].append(function())
    return found


def direct_read_seconds(path, memory="touched"):
    """The disk's limit: O_DIRECT reads of the whole file by eight threads of a C program, into memory that is "touched" before, or "fresh"."""
    done = subprocess.run([BUILD / "bench-direct", path, memory], capture_output=True, text=True, check=True)
    return float(done.stdout)


def make_memory_present(size):
    """In a virtual machine, memory that was free for a while is the host's, and costs seconds a GiB when it is touched: have it back before."""
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_HUGEPAGE)
    memory.madvise(MADV_POPULATE_WRITE)
    memory.close()


def memory_scan_seconds(size):
    """The memory's limit: one thread reads so many bytes of its own, touched before."""
    data = numpy.ones(size // 8, numpy.uint64)
    numpy.bitwise_xor.reduce(data)
    began = time.perf_counter()
    numpy.bitwise_xor.reduce(data)
    return time.perf_counter() - began


def describe_machine():
    """What the figures were measured on."""
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        cpu = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), "unknown")
    with open("/proc/meminfo", encoding="ascii") as info:
        memory = int(info.readline().split()[1]) * 1024
    return {"cpu": cpu, "cores": os.cpu_count(), "memory_bytes": memory, "kernel": os.uname().release, "python": sys.version.split()[0]}


class Stage:
    """Files and a daemon for all benchmarks of a run."""

    def __init__(self, folder):
        self.models = folder / "models"
        self.models.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.daemons = []

    @functools.cached_property
    def many(self):
        """1 GiB in 2,000 tensors, and the same as torch.save writes it."""
        return write_torch(write_model(self.models / "many.safetensors", 2000, GIB))

    @functools.cached_property
    def small(self):
        """16 MiB in 2,000 tensors."""
        return write_model(self.models / "small.safetensors", 2000, 16 * MIB)

    @functools.cached_property
    def big(self):
        """2 GiB in 200 tensors, and the same as torch.save writes it."""
        return write_torch(write_model(self.models / "big.safetensors", 200, 2 * GIB))

    def write_all(self):
        """Write what is missing of them. Returns their folder."""
        return (self.many, self.small, self.big)[0].parent

    def daemon(self, name, models=None, **options):
        """A hoistd over the models that hashes nothing unasked: what it reads and computes is what is measured."""
        folder = self.folder / name
        subprocess.run(["rm", "-rf", folder], check=True)
        folder.mkdir()
        self.daemons.append(Daemon(folder, models or self.write_all(), "--no-workers", "--hash", "off", ram=options.pop("ram", "12G"), **options))
        return self.daemons[-1]

    def close(self):
        """End what still runs: a daemon that holds files would make the next cold figure a warm one."""
        for daemon in self.daemons:
            if daemon.process.poll() is None:
                daemon.stop()
        self.daemons.clear()


def empty(daemon):
    """Free all that hoistd holds."""
    daemon.data("DELETE", "/api/model/unload")
    daemon.data("DELETE", "/api/model/cache")
