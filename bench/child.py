"""What a measured process does: child.py ACTION LOADER FILE [SOCKET]. Imports come first and are not part of any figure.

Loaders are hoist and its peers; each gives a list of NumPy arrays over the bytes of every tensor. Lines of JSON go out; a line on stdin
lets it go on."""
import json
import mmap
import os
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


def by_safetensors(path, socket):
    """safetensors' own load_file: maps the file."""
    return list(safetensors.torch.load_file(path).values())


def by_torch(path, socket):
    """torch.load of the same tensors as torch.save wrote them."""
    return list(torch.load(path.replace("/models/", "/torch/").replace(".safetensors", ".pt"), weights_only=True).values())


def by_runai(path, socket):
    """The Run:ai model streamer: reads with threads into memory of its own."""
    with SafetensorsStreamer() as streamer:
        streamer.stream_file(path)
        return [tensor.clone() for _, tensor in streamer.get_tensors()]


def by_shared_memory(path, socket):
    """A file of /dev/shm, 4 KiB pages: what a cache without huge pages or page cache hands out."""
    with open("/dev/shm/hoist-bench", "rb") as file:
        return [torch.from_numpy(numpy.frombuffer(mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE), numpy.uint8))]


LOADERS = {"hoist": by_hoist, "safetensors": by_safetensors, "torch": by_torch, "runai": by_runai, "shared_memory": by_shared_memory}


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
        peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


if __name__ == "__main__":
    action, loader, file = sys.argv[1:4]
    if loader == "hoist":
        import hoist
    if loader == "safetensors":
        import safetensors.torch
    if loader == "runai":
        from runai_model_streamer import SafetensorsStreamer
    {"attach": attach, "hold": hold, "read": read, "start": start}[action](LOADERS[loader], file, sys.argv[4] if len(sys.argv) > 4 else None)
