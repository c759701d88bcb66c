"""A card seen from Python without torch: NVIDIA's driver by ctypes, as much of it as tests and benches need."""
import ctypes
import os
import pathlib
import subprocess

_LIBRARY = None


class Refused(Exception):
    """The driver said no; its CUresult is in `result`."""

    def __init__(self, what, result):
        super().__init__(f"{what}: CUresult {result}")
        self.result = result


def library():
    """The driver, loaded and initialised once."""
    global _LIBRARY
    if _LIBRARY is None:
        _LIBRARY = ctypes.CDLL(os.environ.get("HOIST_CUDA_DRIVER") or "libcuda.so.1")
        call("cuInit", 0)
    return _LIBRARY


def call(name, *arguments):
    """Call a function of the driver; Refused when it does not succeed."""
    result = getattr(_LIBRARY or library(), name)(*arguments)
    if result:
        raise Refused(name, result)


def use_primary(ordinal=0):
    """Make the primary context of a card current: libhoist maps into it, and torch computes in it."""
    library()
    context = ctypes.c_void_p()
    call("cuDevicePrimaryCtxRetain", ctypes.byref(context), ordinal)
    call("cuCtxSetCurrent", context)


def read(address, count):
    """Bytes of device memory."""
    data = ctypes.create_string_buffer(count)
    call("cuMemcpyDtoHAsync_v2", data, ctypes.c_uint64(address), ctypes.c_size_t(count), None)
    call("cuCtxSynchronize")
    return data.raw


def write(address, data):
    """Write bytes to device memory. Refused when it may only be read."""
    call("cuMemcpyHtoDAsync_v2", ctypes.c_uint64(address), bytes(data), ctypes.c_size_t(len(data)), None)
    call("cuCtxSynchronize")


def memory(ordinal=0):
    """(free, total) bytes of a card, as the driver says; needs a context there."""
    use_primary(ordinal)
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
    return free.value, total.value


def cards(program):
    """(cards, why none) as hoist-device says: each a dict of its fields."""
    done = subprocess.run([str(program), "list"], capture_output=True, text=True, timeout=120, check=False)
    rows = [dict(field.split("=", 1) for field in line.split("\t")[1:]) for line in done.stdout.splitlines() if line.startswith("card\t")]
    why = next((line.partition("\t")[2] for line in done.stdout.splitlines() if line.startswith("none")), "") or done.stderr.strip()
    return rows, why


def is_double():
    """Does a double stand in for the driver?"""
    return "fakecuda" in pathlib.Path(os.environ.get("HOIST_CUDA_DRIVER", "")).parts


def find_program(binaries, name):
    """A program, in a build folder or beside the others."""
    places = [folder / part for folder in (binaries, binaries / "tests") for part in (name, pathlib.PurePath(name).name)]
    return next((place for place in places if place.is_file()), None)


def use_double(binaries, state):
    """Have the double of the driver stand in for a card."""
    library = find_program(binaries, "fakecuda/libcuda.so.1")
    os.environ.update({"HOIST_CUDA_DRIVER": str(library.resolve()), "FAKECUDA_BYTES": "1G", "FAKECUDA_STATE": str(state)})
