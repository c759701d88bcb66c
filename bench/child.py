"""What a measured process does: child.py ACTION LOADER FILE [SOCKET]. Imports come first and are not part of any figure.

Loaders are hoist and its peers; each gives a list of NumPy arrays over the bytes of every tensor. Lines of JSON go out; a line on stdin
lets it go on."""
import hashlib
import json
import mmap
import os
import pathlib
import resource
import sys
import time

import numpy
import torch


def by_hoist(path, socket):
    """A model of hoistd, mapped."""
    client = hoist.connect(socket)
    model = client.open(os.path.basename(path).split(".")[0])
    return list(model.tensors().values())


def by_hoist_in(path, socket):
    """A model of hoistd in another precision."""
    return list(hoist.connect(socket).open(os.path.basename(path).split(".")[0], precision=PRECISION).tensors().values())


def by_safetensors_to(path, socket):
    """safetensors' load_file, then PyTorch's .to; in fp8, biases become bf16 as they do with hoist."""
    dtype = PRECISIONS[PRECISION]
    row_dtype = torch.bfloat16 if dtype.itemsize == 1 else dtype
    return [value.to(dtype if value.dim() > 1 else row_dtype) for value in safetensors.torch.load_file(path).values()]


def by_gguf(path, socket):
    """gguf's own reader: maps the file."""
    return [torch.from_numpy(tensor.data) for tensor in gguf.GGUFReader(path, "c").tensors]


def by_safetensors(path, socket):
    """safetensors' own load_file: maps the file."""
    return list(safetensors.torch.load_file(path).values())


def by_torch(path, socket):
    """torch.load of the same tensors as torch.save wrote them."""
    return list(torch.load(torch_twin(pathlib.Path(path)), weights_only=True).values())


def by_runai(path, socket):
    """The Run:ai model streamer: reads with threads into memory of its own."""
    with SafetensorsStreamer() as streamer:
        streamer.stream_file(path)
        return [tensor.clone() for _, tensor in streamer.get_tensors()]


def by_shared_memory(path, socket):
    """A file of /dev/shm, 4 KiB pages: what a cache without huge pages or page cache hands out."""
    with open("/dev/shm/hoist-bench", "rb") as file:
        return [torch.from_numpy(numpy.frombuffer(mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE), numpy.uint8))]


LOADERS = {"hoist": by_hoist, "safetensors": by_safetensors, "torch": by_torch, "runai": by_runai, "shared_memory": by_shared_memory, "gguf": by_gguf,
           "hoist_in": by_hoist_in, "safetensors_to": by_safetensors_to}
PRECISION = os.environ.get("PRECISION")
PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp8_e4m3": torch.float8_e4m3fn}


def say(**what):
    """A line of JSON."""
    print(json.dumps(what), flush=True)


def read_all(tensors):
    """Read every byte once, eight at a time."""
    total = 0
    for tensor in tensors:
        flat = tensor.view(torch.uint8).reshape(-1).numpy()
        total ^= int(numpy.bitwise_xor.reduce(flat[: len(flat) // 8 * 8].view(numpy.uint64)))
    return total


def read_bytes():
    """Bytes that this process made the disk read."""
    with open("/proc/self/io", encoding="ascii") as io:
        return next(int(line.split()[1]) for line in io if line.startswith("read_bytes"))


def digest(tensors):
    """What tells whether two processes have tensors of the same bits, in whatever order."""
    each = [hashlib.sha256(tensor.view(torch.uint8).reshape(-1).numpy()).digest() for tensor in tensors]
    return hashlib.sha256(b"".join(sorted(each))).hexdigest()


def attach(load, path, socket):
    """Time to every tensor addressable, many times in one process."""
    times = []
    for _ in range(int(os.environ.get("ATTACHES", "30"))):
        began = time.perf_counter()
        tensors = load(path, socket)
        times.append((time.perf_counter() - began) * 1e6)
        del tensors
    say(us=times)


def hold(load, path, socket):
    """Load, read all, and stay until told to go."""
    say(ready=True)
    sys.stdin.readline()
    tensors = load(path, socket)
    read_all(tensors)
    say(loaded=True)
    sys.stdin.readline()


def start(load, path, socket):
    """Load once, and tell when; nothing is read."""
    say(ready=True)
    sys.stdin.readline()
    before, began = read_bytes(), time.perf_counter()
    tensors = load(path, socket)
    say(seconds=time.perf_counter() - began, ended=time.time(), disk_bytes=read_bytes() - before)
    sys.stdin.readline()
    del tensors


def read(load, path, socket):
    """Load and read all once."""
    say(ready=True)
    sys.stdin.readline()
    before, began = read_bytes(), time.perf_counter()
    tensors = load(path, socket)
    read_all(tensors)
    done = time.perf_counter()
    say(seconds=done - began, disk_bytes=read_bytes() - before,
        peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, digest=digest(tensors) if PRECISION else None)


if __name__ == "__main__":
    action, loader, file = sys.argv[1:4]
    if loader.startswith("hoist"):
        import hoist
    if loader.startswith("safetensors"):
        import safetensors.torch
    if loader == "gguf":
        import gguf
    if loader == "torch":
        from stage import torch_twin
    if loader == "runai":
        from runai_model_streamer import SafetensorsStreamer
    if "FIRST" in os.environ:  # a small file, so that the code that reads files is in memory, too
        read_all(LOADERS[loader](os.environ["FIRST"], None))
    torch.set_num_threads(int(os.environ.get("THREADS", torch.get_num_threads())))
    {"attach": attach, "hold": hold, "read": read, "start": start}[action](LOADERS[loader], file, sys.argv[4] if len(sys.argv) > 4 else None)
