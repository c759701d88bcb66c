#!/usr/bin/env python3
"""Run `make start` in a terminal and keep what a person sees as a picture. usage: record.py SVG"""
import os
import pty
import re
import sys

from rich.console import Console
from rich.text import Text

WIDTH = 118


def run_in_terminal(*command):
    """What a program writes to its terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
            os.environ.pop(name, None)
        os.environ.update(TERM="xterm-256color", COLUMNS=str(WIDTH))
        os.execvp(command[0], command)
    parts = []
    try:
        while part := os.read(terminal, 65536):
            parts.append(part)
    except OSError:
        pass  # the terminal's other side is closed
    if os.waitpid(pid, 0)[1] != 0:
        sys.exit(b"".join(parts).decode())
    return b"".join(parts).decode()


def settle(text):
    """What stays on the screen: of a line that was drawn over, the last drawing."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(re.split(r"\r(?:\x1b\[K)?", line)[-1] for line in lines)


def main(target):
    """Run, draw, write."""
    run_in_terminal("make", "stop")
    shown = settle(run_in_terminal("make", "start"))
    run_in_terminal("make", "stop")
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere, force_terminal=True, color_system="truecolor")
        console.print(Text("$ make start"), Text.from_ansi(shown), sep="\n")
        console.save_svg(target, title="hoist", font_aspect_ratio=0.61)


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1].endswith(".svg"):
        sys.exit("usage: record.py TARGET.svg")
    main(sys.argv[1])
