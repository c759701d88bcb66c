#!/usr/bin/env python3
"""Make the folder that asks and measures a card on a machine where nothing can be installed. usage: bundle.py BUILD OUT     (make gpu-bundle)

OUT/bin has the programs, OUT/lib the libraries they need beside the C library's own, OUT/python the package hoist with its extension (and its C
sources, for a Python that this one does not fit), OUT/tests and OUT/bench what is run, OUT/run.sh runs it. It needs Python 3.9 or newer, and a C
library that is no older than the one that the programs ask for; it says when that is not so."""
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig

ROOT = pathlib.Path(__file__).resolve().parents[2]
RUN_PATH = "-Wl,-rpath,$ORIGIN/../lib:$ORIGIN/../../lib"
PROGRAMS = ["hoistd", "hoist", "hoist-scan", "hoist-keeper", "hoist-device", "bench-gpu-ceilings", "bench-direct"]
TESTS = ["tests/gpu/test_gpu_card", "tests/test_contract_devices", "tests/test_cuda_convert"]
LIBRARIES = ["libhoist.so.0.1.0", "tests/fakecuda/libcuda.so.1", "tests/fakecuda/libnvidia-ml.so.1"]
C_LIBRARY = re.compile(r"(ld-linux.*|lib(c|m|dl|rt|pthread|gcc_s|resolv|util))\.so.*")
FILES = {"tests/gpu": ["card.py", "holder.py", "run.py", "scenarios.py"], "tests/python": ["own_daemon.py", "weight_files.py"],
         "bench": ["gpu.py", "gpu_child.py"], "tools/gpu": ["run.sh", "python.py"]}


def run(*command, **options):
    """Run a command, which must succeed. What it prints."""
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True, **options).stdout


def build(folder):
    """Programs that look for their libraries beside themselves."""
    if not (folder / "build.ninja").exists():
        run("meson", "setup", folder, "--buildtype=debugoptimized", f"-Dc_link_args={RUN_PATH}", cwd=ROOT)
    run("ninja", "-C", folder, *PROGRAMS, *TESTS, *LIBRARIES)


def needed_by(file):
    """Libraries that the loader finds for it, without those of the C library."""
    found = re.findall(r"^\s*(\S+) => (/\S+)", run("ldd", file), re.M)
    return {name: pathlib.Path(path) for name, path in found if not C_LIBRARY.fullmatch(name)}


def copy(source, target):
    """A file, with its folders; what is a link comes as what it leads to, without what only debuggers read."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source.resolve(), target)
    if target.suffix not in (".py", ".pyi", ".c", ".h", ".sh", ".toml", ".md"):
        subprocess.run(["strip", "--strip-debug", str(target)], check=False, capture_output=True)


def copy_programs(folder, out):
    """Programs, and all they need; tests lie below them, where they look for the double and for hoist-device."""
    for name in PROGRAMS + TESTS:
        copy(folder / name, out / "bin" / ("tests" if name in TESTS else "") / pathlib.PurePath(name).name)
        for library, path in needed_by(folder / name).items():
            copy(path, out / "lib" / library)
    copy(folder / LIBRARIES[0], out / "lib" / "libhoist.so.0")
    (out / "lib" / "libhoist.so").symlink_to("libhoist.so.0")
    for library in LIBRARIES[1:]:
        copy(folder / library, out / "bin" / library)


def copy_python(out):
    """The package, its extension for this Python, and the sources for any other."""
    for path in (ROOT / "python" / "hoist").glob("*.py*"):
        copy(path, out / "python" / "hoist" / path.name)
    for path in [*(ROOT / "python" / "src").glob("*.[ch]"), ROOT / "include" / "hoist" / "hoist.h"]:
        copy(path, out / "python" / "src" / ("hoist" if path.name == "hoist.h" else "") / path.name)
    run(sys.executable, ROOT / "tools" / "gpu" / "python.py", out)
    return out / "python" / "hoist" / f"_core{sysconfig.get_config_var('EXT_SUFFIX')}"


def c_library_of(out):
    """The newest version of the C library that a file of the bundle asks for."""
    files = [path for folder in ("bin", "lib") for path in (out / folder).rglob("*") if path.is_file()]
    versions = {version for path in files for version in re.findall(r"GLIBC_(2\.\d+)", run("objdump", "-T", path))}
    return max(versions, key=lambda version: [int(part) for part in version.split(".")])


def main(folder, out):
    """Build, and put it together anew."""
    folder, out = pathlib.Path(folder).resolve(), pathlib.Path(out).resolve()
    build(folder)
    shutil.rmtree(out, ignore_errors=True)
    copy_programs(folder, out)
    for place, names in FILES.items():
        for name in names:
            copy(ROOT / place / name, out / (name if name == "run.sh" else f"{place}/{name}"))
    copy_python(out)
    (out / "needs-glibc").write_text(c_library_of(out) + "\n", encoding="utf-8")
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{out}: {size / 1e6:.0f} MB. Copy it to a machine with a card, and there: ./run.sh test, ./run.sh bench")


if __name__ == "__main__":
    main(*sys.argv[1:])
