"""A program that knows nothing of hoist reads a held file from memory, whatever else goes on."""
import mmap
import os
import subprocess
import sys

import pytest
from weight_files import tensor, write

MIB = 1 << 20
pytestmark = pytest.mark.skipif("HOIST_SANITIZED" in os.environ, reason="sanitizers of memory replace mlock by nothing")
READERS = {
    "cat": ["sh", "-c", 'cat "$1" > /dev/null', "sh"],
    "safetensors": [sys.executable, "-c", "import sys; from safetensors.numpy import load_file; print(sum(int(a.sum()) for a in load_file(sys.argv[1]).values()))"],
    "gguf": [sys.executable, "-c", "import sys, gguf; print(sum(int(t.data.sum()) for t in gguf.GGUFReader(sys.argv[1]).tensors))"],
}


def disk_bytes(command, path):
    """Bytes that a program caused to be read from the disk while it read the file (its own start is not counted)."""
    probe = ("import os, resource, subprocess, sys\n"
             "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
             "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_inblock * 512)")
    warm = path.with_stem("warm")
    for target in (warm, path):
        found = int(subprocess.run([sys.executable, "-c", probe, *command, target], capture_output=True, text=True, check=True).stdout)
    return found


def resident_pages(path):
    """Pages of a file that are in memory (mincore)."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        with mmap.mmap(file.fileno(), size, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE) as mapped:
            pages = (size + mmap.PAGESIZE - 1) // mmap.PAGESIZE
            states = (ctypes.c_ubyte * pages)()
            address = ctypes.addressof(ctypes.c_char.from_buffer(mapped))
            assert libc.mincore(ctypes.c_void_p(address), ctypes.c_size_t(size), states) == 0
            return sum(state & 1 for state in states), pages


def write_gguf(path):
    """A GGUF file of one tensor of 64 MiB."""
    import gguf
    import numpy

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tensor("weight", numpy.arange(64 * MIB // 4, dtype=numpy.int32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture
def held(start, tmp_path, request):
    """(path, daemon) of a file that is held in the page cache, of the format that the test's reader reads."""
    models = tmp_path / "models"
    models.mkdir()
    suffix = "gguf" if getattr(request, "param", None) == "gguf" else "safetensors"
    for name in ("held", "warm"):
        if suffix == "gguf":
            write_gguf(models / f"{name}.gguf")
        else:
            write(models / f"{name}.safetensors", [tensor("weight", "U8", [64 * MIB], seed=name)])
    daemon = start(models)
    daemon.data("POST", "/api/model/cache", {"model_id": "held"})
    part = next(part for part in daemon.data("GET", "/api/model/cache")["components"] if part["model_id"] == "held")
    if part["ram"]["backing"] != "page_cache" or not part["ram"]["locked"]:
        pytest.skip("this file system or limit does not let the page cache be held")
    return models / f"held.{suffix}", daemon


def press_on_page_cache(path):
    """Ask the kernel to drop the file's pages, in every way that needs no root, and as root from everything."""
    os.sync()
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    try:
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as drop:
            drop.write("1")
    except OSError:
        pass


@pytest.mark.parametrize("held,reader", [(name, name) for name in READERS], indirect=["held"])
def test_a_held_file_is_read_without_the_disk(held, reader):
    path, _ = held
    press_on_page_cache(path)
    present, pages = resident_pages(path)
    assert present >= pages - 1, (present, pages)  # the header's last page may be another component's
    assert disk_bytes(READERS[reader], path) <= 64 * 1024


def test_a_file_let_go_is_the_kernels_again(held):
    path, daemon = held
    daemon.data("DELETE", "/api/model/cache")
    press_on_page_cache(path)
    present, pages = resident_pages(path)
    assert present < pages / 10, (present, pages)


def test_pressure_by_another_program_takes_nothing_held(start, held, tmp_path):
    path, _ = held
    noise = tmp_path / "noise"
    with open(noise, "wb") as file:
        for _ in range(64):
            file.write(os.urandom(8 * MIB))
    for _ in range(2):
        subprocess.run(["sh", "-c", 'cat "$1" > /dev/null', "sh", noise], check=True)
    press_on_page_cache(path)
    present, pages = resident_pages(path)
    assert present >= pages - 1


def test_what_comes_before_the_tensors_is_held_with_them_and_goes_with_them(start, tmp_path):
    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / "many.safetensors"
    write(path, [tensor(f"model.layers.{i}.weight", "F32", [16]) for i in range(6000)] + [tensor("last", "U8", [8 * MIB])])
    daemon = start(tmp_path / "models")
    daemon.data("POST", "/api/model/cache", {"model_id": "many"})
    part = daemon.data("GET", "/api/model/cache")["components"][0]["ram"]
    if part["backing"] != "page_cache" or not part["locked"]:
        pytest.skip("this file system or limit does not let the page cache be held")
    assert path.stat().st_size <= part["bytes"] <= path.stat().st_size + 8192
    press_on_page_cache(path)
    present, pages = resident_pages(path)
    assert present == pages
    assert daemon.data("DELETE", "/api/model/cache", {"model_id": "many"})["freed_bytes"] == part["bytes"]
    assert daemon.data("GET", "/api/model/cache")["used_bytes"] == 0
