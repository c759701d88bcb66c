#!/usr/bin/env python3
"""Print every metric of the house as one table, and fail when one is red.

usage: check.py [NAME...]     only these rows; a row's figure is the last line that its command prints"""
import subprocess
import sys
import time

PYTHON = ".venv/bin/python"
CODE = "src include python web tools"
JSCPD = "npx --yes jscpd@4.0.5 --min-tokens 50 --min-lines 1 --exitCode 1 --ignore '**/build/**' --reporters console"

# name: what was promised, and the command that shows it.
ROWS = {
    "complexity": ("cyclomatic complexity of every function below 10",
                   f"{PYTHON} -m lizard -C 9 -w {CODE} && echo \"highest $({PYTHON} -m lizard {CODE} --csv | cut -d, -f2 | sort -n | tail -1), "
                   "by pmccabe $(find src include -name '*.[ch]' | xargs pmccabe 2>/dev/null | cut -f1 | sort -n | tail -1)\""),
    "maintainability": ("maintainability index of every file above 80", f"{PYTHON} tools/check/maintainability.py src"),
    "duplicates": ("no block of 50 tokens twice", f"{JSCPD} --formats-exts 'c:c,h' {CODE} && "
                   f"{JSCPD} --format python,javascript,html,css,bash {CODE} && echo 'no block twice'"),
    "documentation": ("every public name of every header is documented",
                      "mkdir -p build/docs && doxygen tools/check/Doxyfile && echo \"$(find include src -name '*.h' | wc -l) headers, no warning\""),
    "pages": ("docs/errors.md and docs/settings.md are those of api/",
              "for page in errors settings; do python3 tools/gen_api.py ${page}_page api/$page.yaml build/$page.md && diff build/$page.md docs/$page.md "
              "|| exit 1; done; echo 'as in api/'"),
    "openapi": ("every route, field and status is described", f"{PYTHON} tools/check/openapi.py"),
    "python": ("docstrings, types and rules of the Python code",
               f"{PYTHON} -m ruff check --quiet --config tools/check/ruff.toml python tools tests bench && {PYTHON} -m mypy python/hoist"),
    "layers": ("includes and symbols go one way", "python3 tools/layers.py build --draw docs/layers.svg"),
    "clang": ("clang builds it without a warning", "([ -f build-clang/build.ninja ] || CC=clang meson setup build-clang >/dev/null) && "
              "ninja -C build-clang --quiet && echo 'no warning'"),
    "address": ("no error of memory, no undefined behaviour", "tools/check/sanitize.sh address"),
    "thread": ("no data race", "tools/check/sanitize.sh thread"),
    "fuzz": ("no input breaks a parser", "tools/check/fuzz.sh 5"),
    "coverage": ("95% of the lines are tested", "tools/check/coverage.sh"),
}


def run(name):
    """Run one row. Returns (green, figure, all output, seconds)."""
    began = time.monotonic()
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {ROWS[name][1]}"], capture_output=True, text=True, check=False)
    figure = (done.stdout.strip().splitlines() or [""])[-1]
    return done.returncode == 0, figure, (done.stdout + done.stderr).strip(), time.monotonic() - began


def main(names):
    """Print the table as it grows, then what was wrong."""
    wrong = {}
    for name in names:
        good, figure, output, seconds = run(name)
        print(f"{'green' if good else 'RED  '}  {name:<16} {ROWS[name][0]:<50} {figure if good else ''}  ({seconds:.0f} s)", flush=True)
        if not good:
            wrong[name] = output
    for name, output in wrong.items():
        print(f"\n== {name}\n{output[-4000:]}")
    print(f"\n{len(names) - len(wrong)} green, {len(wrong)} red")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(ROWS)))
