"""hoist's conversions beside PyTorch's: how fast they are, and whether every number there is becomes the same.

usage: convert.py speed      GB/s of every conversion, on every path, beside torch on one thread, and memcpy
       convert.py every      all 2**32 fp32 to each shorter type, on every path, against torch"""
import ctypes
import os
import pathlib
import statistics
import sys
import time

import numpy
import torch

BUILD = pathlib.Path(os.environ.get("HOIST_BUILD", pathlib.Path(__file__).resolve().parent.parent / "build"))
LIBRARY = ctypes.CDLL(str((BUILD / "tests" / "libconvert.so").resolve()))
LIBRARY.convert_on.argtypes = [ctypes.c_int] * 3 + [ctypes.c_void_p] * 2 + [ctypes.c_size_t]
PATHS = ("portable", "avx2", "avx512")
TYPES = {"fp64": (20, torch.float64), "fp32": (18, torch.float32), "fp16": (14, torch.float16), "bf16": (15, torch.bfloat16),
         "fp8_e4m3": (8, torch.float8_e4m3fn), "fp8_e5m2": (7, torch.float8_e5m2)}
COUNT = 1 << 25
REPEATS = 7
PIECE = 1 << 24


def median(work):
    """Seconds of the median run, after one to warm up."""
    work()
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def convert(path, source, target, numbers, result):
    """Whether this machine has the path."""
    return LIBRARY.convert_on(PATHS.index(path), TYPES[source][0], TYPES[target][0], numbers.data_ptr(), result.data_ptr(), numbers.numel())


def row(source, target, numbers):
    """Print GB/s (read and written) of a conversion."""
    result = torch.zeros(COUNT, dtype=TYPES[target][1])
    moved = (numbers.element_size() + result.element_size()) * COUNT / 1e9
    cells = []
    for path in PATHS:
        if convert(path, source, target, numbers, result):
            cells.append(f"{moved / median(lambda path=path: convert(path, source, target, numbers, result)):.1f}")
        else:
            cells.append("-")
    cells.append(f"{moved / median(lambda: result.copy_(numbers)):.1f}")
    cells.append(f"{moved / median(lambda: numbers.to(result.dtype)):.1f}")
    print(f"| {source} | {target} | " + " | ".join(cells) + " |", flush=True)


def copy_speed(name, size):
    """Print what copying with as many bytes takes: the ceiling."""
    one, other = numpy.ones(size, numpy.uint8), numpy.ones(size, numpy.uint8)
    print(f"memcpy of {size >> 20} MiB {name}: {2 * size / 1e9 / median(lambda: ctypes.memmove(other.ctypes.data, one.ctypes.data, size)):.1f} GB/s")


def speed():
    """Every conversion of 2**25 numbers between buffers that are there."""
    torch.set_num_threads(1)
    copy_speed("(fp32 alone)", 4 * COUNT)
    copy_speed("(fp8 alone)", COUNT)
    print("\n| from | to | " + " | ".join(PATHS) + " | torch copy_ | torch .to |\n|" + "---|" * (len(PATHS) + 4))
    for source in TYPES:
        numbers = torch.randn(COUNT).to(TYPES[source][1])
        for target in TYPES:
            if target != source:
                row(source, target, numbers)


def wrong_of(path, target, numbers, expected):
    """How many of these become something else, or None where the machine lacks the path."""
    result = torch.empty_like(expected)
    if not convert(path, "fp32", target, numbers, result):
        return None
    return int((result.view(torch.uint8) != expected.view(torch.uint8)).sum())


def every():
    """All fp32, in pieces; prints numbers tried and bytes that differ."""
    torch.set_num_threads(1)
    targets = ("fp16", "bf16", "fp8_e4m3", "fp8_e5m2", "fp64")
    wrong = {(path, target): 0 for path in PATHS for target in targets}
    for at in range(0, 1 << 32, PIECE):
        numbers = torch.from_numpy(numpy.arange(at, at + PIECE, dtype=numpy.uint32).view(numpy.float32))
        for target in targets:
            expected = numbers.to(TYPES[target][1])
            for path in PATHS:
                found = wrong_of(path, target, numbers, expected)
                wrong[path, target] = None if found is None else wrong[path, target] + found
    print("| fp32 to | " + " | ".join(PATHS) + " |\n|---|" + "---|" * len(PATHS))
    for target in targets:
        print(f"| {target}: of {1 << 32:,} differ | " + " | ".join(str(wrong[path, target]) for path in PATHS) + " |")


if __name__ == "__main__":
    {"speed": speed, "every": every}[sys.argv[1] if len(sys.argv) > 1 else "speed"]()
