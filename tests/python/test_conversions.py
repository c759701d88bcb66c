"""hoist's conversions between floating types give the bits of PyTorch's ``tensor.to(dtype)``, whichever instructions they use."""
import ctypes
import itertools

import numpy
import pytest
import torch
from own_daemon import BUILD

LIBRARY = ctypes.CDLL(str((BUILD / "tests" / "libconvert.so").resolve()))
LIBRARY.convert_on.argtypes = [ctypes.c_int] * 3 + [ctypes.c_void_p] * 2 + [ctypes.c_size_t]
PATHS = {"portable": 0, "avx2": 1, "avx512": 2}
# Name: number in formats/dtype.h, torch's type, an integer of its size.
TYPES = {
    "f64": (20, torch.float64, numpy.uint64),
    "f32": (18, torch.float32, numpy.uint32),
    "f16": (14, torch.float16, numpy.uint16),
    "bf16": (15, torch.bfloat16, numpy.uint16),
    "e4m3": (8, torch.float8_e4m3fn, numpy.uint8),
    "e5m2": (7, torch.float8_e5m2, numpy.uint8),
}
SHORT = ["f16", "bf16", "e4m3", "e5m2"]


@pytest.fixture(autouse=True)
def one_thread():
    """What is left behind the last whole vector of a thread, torch converts by other code with other NaN (docs/decisions/0016)."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def of_hoist(path, source, target, bits):
    """Convert an array of bits. Returns those of the result, or skips where the machine lacks the instructions."""
    result = numpy.empty(len(bits), TYPES[target][2])
    if not LIBRARY.convert_on(PATHS[path], TYPES[source][0], TYPES[target][0], bits.ctypes.data, result.ctypes.data, len(bits)):
        pytest.skip(f"this machine has no {path}")
    return result


def of_torch(source, target, bits):
    """The same by torch."""
    numbers = torch.from_numpy(bits.view(numpy.uint8)).view(TYPES[source][1])
    return numbers.to(TYPES[target][1]).view(torch.uint8).numpy().view(TYPES[target][2])


def agree(path, source, target, bits):
    """Fails with the first numbers that differ."""
    found, expected = of_hoist(path, source, target, bits), of_torch(source, target, bits)
    wrong = numpy.flatnonzero(found != expected)[:5]
    assert not len(wrong), [f"{bits[i]:#x}: hoist {found[i]:#x}, torch {expected[i]:#x}" for i in wrong]


def interesting(bits, mantissa, count):
    """Bit patterns of a float of `bits` bits: every exponent with mantissas at, beside and between those where any shorter type rounds,
    ties among them, of both signs; and `count` at random. A multiple of 64."""
    exponents = numpy.arange(1 << (bits - 1 - mantissa), dtype=numpy.uint64) << numpy.uint64(mantissa)
    steps = [1 << step for step in range(mantissa)]
    marks = {0, (1 << mantissa) - 1}
    for one, other in itertools.product(steps, [0, *steps]):
        marks.update((one + other + near) % (1 << mantissa) for near in (-1, 0, 1))
    marks = numpy.array(sorted(marks), numpy.uint64)
    made = (exponents[:, None] | marks[None, :]).ravel()
    made = numpy.concatenate([made, made | numpy.uint64(1 << (bits - 1))])
    random = numpy.random.default_rng(4).integers(0, 1 << bits, count, numpy.uint64, endpoint=False) if bits < 64 else \
        numpy.random.default_rng(4).integers(0, (1 << 64) - 1, count, numpy.uint64)
    every = numpy.concatenate([made, random])
    return every[:len(every) // 64 * 64].astype(TYPES[f"f{bits}"][2])


@pytest.fixture(scope="module", name="singles")
def make_singles():
    """fp32 of every kind: every exponent, ties and their neighbours, 2**22 at random."""
    return interesting(32, 23, 1 << 22)


@pytest.fixture(scope="module", name="doubles")
def make_doubles(singles):
    """fp64 of every kind, with neighbours of fp32 ones, which are rounded twice."""
    near = singles[::5].view(numpy.float32)
    with numpy.errstate(all="ignore"):
        near = near.astype(numpy.float64).view(numpy.uint64)
    wide = interesting(64, 52, 1 << 18)[::3]
    every = numpy.concatenate([near - numpy.uint64(1), near, near + numpy.uint64(1), near + numpy.uint64(1 << 28), wide])
    return every[:len(every) // 64 * 64]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("source", "target"), [pair for pair in itertools.permutations(TYPES, 2) if pair[0] in SHORT])
def test_every_pattern_of_a_short_type_becomes_what_torch_makes_of_it(path, source, target):
    """All 65,536 or 256 of them (the latter 64 times, for whole vectors)."""
    kind = TYPES[source][2]
    agree(path, source, target, numpy.tile(numpy.arange(numpy.iinfo(kind).max + 1).astype(kind), 64 if kind is numpy.uint8 else 1))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("target", [name for name in TYPES if name != "f32"])
def test_singles_become_what_torch_makes_of_them(path, target, singles):
    """Ties, subnormals, overflow, infinities and NaN; bench/convert.py tries every one there is."""
    agree(path, "f32", target, singles)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("target", [name for name in TYPES if name != "f64"])
def test_doubles_become_what_torch_makes_of_them(path, target, doubles):
    """By way of fp32, as torch does: rounded twice where that differs."""
    agree(path, "f64", target, doubles)
