#!/usr/bin/env python3
"""Run benchmarks beside their peers and keep the figures. usage: run.py [CASE...]     (all: make bench)

Environment: REPEATS (5), BENCH_DATA (where the model files lie, some 7 GiB; default: build/bench-data). Figures go to bench/results/."""
import datetime
import json
import os
import pathlib
import sys

from cases import CASES
from stage import ROOT, Stage, describe_machine


def as_markdown(rows, machine, when):
    """The tables as a page."""
    lines = [f"# {when}", "", ", ".join(f"{name} {value}" for name, value in machine.items()), "",
             "| work | hoist | peer | limit of the machine | goal | met |", "|---|---|---|---|---|---|"]
    marks = {True: "yes", False: "**no**", None: ""}
    lines += [f"| {row['what']} | {row['hoist']} | {row['peer']} | {row['limit'] or ''} | {row['goal']} | {marks[row['met']]} |" for row in rows]
    return "\n".join(lines) + "\n"


def main(names):
    """Measure, print, write."""
    stage = Stage(pathlib.Path(os.environ.get("BENCH_DATA", ROOT / "build" / "bench-data")))
    machine, when = describe_machine(), datetime.date.today().isoformat()
    rows = []
    for name in names:
        print(f"{name}: {CASES[name].__doc__}", flush=True)
        try:
            rows += CASES[name](stage)
        finally:
            stage.close()
    page = as_markdown(rows, machine, when)
    print(page)
    target = ROOT / "bench" / "results" / f"{when}-cpu"
    target.with_suffix(".md").write_text(page, encoding="utf-8")
    target.with_suffix(".json").write_text(json.dumps({"when": when, "machine": machine, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    return any(row["met"] is False for row in rows)


if __name__ == "__main__":
    sys.exit(main([name.lower() for name in sys.argv[1:]] or list(CASES)))
