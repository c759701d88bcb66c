#!/usr/bin/env python3
"""Maintainability index of every file in src/: the mean over its functions, classic form (0 to 171).

MI = 171 - 5.2 ln(V) - 0.23 G - 16.2 ln(L), with V the Halstead volume N log2(n) of a function (N tokens, n different ones), G its
cyclomatic complexity and L its lines of code (Oman and Hagemeister, 1992; Coleman et al., 1994). The second column is Microsoft's form
of it: max(0, 100 MI / 171).

usage: maintainability.py [--all] FOLDER...   exits 1 when a file's mean is not above 80"""
import math
import pathlib
import sys

import lizard
from lizard_languages import CLikeReader

WANTED = 80


def tokens_of(text):
    """Tokens of C source that are no blanks and no comments."""
    return [token for token in CLikeReader.generate_tokens(text) if token.strip() and not token.startswith(("//", "/*"))]


def index_of(function, lines):
    """Maintainability index of one function."""
    tokens = tokens_of("".join(lines[function.start_line - 1 : function.end_line]))
    volume = len(tokens) * math.log2(max(len(set(tokens)), 2))
    return 171 - 5.2 * math.log(max(volume, 1)) - 0.23 * function.cyclomatic_complexity - 16.2 * math.log(max(function.nloc, 1))


def measure(path):
    """Mean index of a file's functions, or None when it has none."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    functions = lizard.analyze_file(str(path)).function_list
    return sum(index_of(function, lines) for function in functions) / len(functions) if functions else None


def measure_all(files):
    """Mean index of every file that has functions."""
    values = ((path, measure(path)) for path in files)
    return {path: value for path, value in values if value is not None}


def main(arguments):
    """Print files below the line (all with --all), then the sum."""
    folders = [argument for argument in arguments if argument != "--all"]
    found = measure_all(path for folder in folders for path in sorted(pathlib.Path(folder).rglob("*.[ch]")))
    bad = {path: value for path, value in found.items() if value <= WANTED}
    for path, value in sorted((bad if folders == arguments else found).items(), key=lambda item: item[1]):
        print(f"{value:6.1f} {max(0, value) * 100 / 171:6.1f} {path}")
    lowest = min(found.values())
    print(f"{len(found)} files, lowest {lowest:.1f} ({lowest * 100 / 171:.1f} on Microsoft's scale), mean {sum(found.values()) / len(found):.1f}, "
          f"{len(bad)} at or below {WANTED}")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
