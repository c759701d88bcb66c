#!/usr/bin/env python3
"""Give the package of a bundle an extension for the Python that runs this, compiled from the sources beside it unless there is one. usage: python.py BUNDLE

Exits 1, and says why, when it has none and cannot make one: then everything that needs the package is skipped."""
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig


def compiler():
    """A C compiler, or None."""
    return next((found for name in (os.environ.get("CC", ""), "cc", "gcc", "clang") if name and (found := shutil.which(name))), None)


def why_not(sources):
    """What is missing to compile it; "" when nothing is."""
    if compiler() is None:
        return "there is no C compiler"
    if not (pathlib.Path(sysconfig.get_path("include")) / "Python.h").exists():
        return f"Python.h of Python {sys.version_info.major}.{sys.version_info.minor} is not installed"
    return "" if list(sources.glob("*.c")) else f"there are no sources in {sources}"


def compile_into(target, sources, libraries):
    """Compile and link. What the compiler said when it failed, else ""."""
    command = [compiler(), "-shared", "-fPIC", "-O2", "-std=gnu17", "-fvisibility=hidden", "-w", f"-I{sysconfig.get_path('include')}",
               f"-I{sources}", *map(str, sorted(sources.glob("*.c"))), f"-L{libraries}", "-lhoist", "-Wl,-rpath,$ORIGIN/../../lib", "-o", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else ""


def main(bundle):
    """Make it if need be. Returns the exit status."""
    bundle = pathlib.Path(bundle).resolve()
    target = bundle / "python" / "hoist" / f"_core{sysconfig.get_config_var('EXT_SUFFIX')}"
    if target.exists():
        return 0
    why = why_not(bundle / "python" / "src") or compile_into(target, bundle / "python" / "src", bundle / "lib")
    if why:
        print(f"the package hoist has no extension for Python {sys.version.split()[0]}: {why}", file=sys.stderr)
    return why != ""


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
