#!/usr/bin/env python3
"""Run benchmarks beside their peers and keep the figures. usage: run.py [CASE...]     (all: make bench)

Environment: REPEATS (5), BENCH_DATA (where the model files lie, some 7 GiB; default: build/bench-data). Figures go to bench/results/."""
import datetime
import json
import os
import pathlib
import sys

import cases
import pipelines
from stage import ROOT, Stage, describe_machine

GROUPS = {"cpu": cases.CASES, "pipelines": pipelines.CASES}  # a page of results for each


def as_markdown(rows, machine, when):
    """The tables as a page."""
    lines = [f"# {when}", "", ", ".join(f"{name} {value}" for name, value in machine.items()), "",
             "| work | hoist | peer | limit of the machine | goal | met |", "|---|---|---|---|---|---|"]
    marks = {True: "yes", False: "**no**", None: ""}
    lines += [f"| {row['what']} | {row['hoist']} | {row['peer']} | {row['limit'] or ''} | {row['goal']} | {marks[row['met']]} |" for row in rows]
    return "\n".join(lines) + "\n"


def keep(group, rows, machine, when):
    """Write what there is of a page. Returns it."""
    page, target = as_markdown(rows, machine, when), ROOT / "bench" / "results" / f"{when}-{group}"
    target.with_suffix(".md").write_text(page, encoding="utf-8")
    target.with_suffix(".json").write_text(json.dumps({"when": when, "machine": machine, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    return page


def measure(stage, group, names):
    """Measure the cases of a page and print it; what is measured is kept, whatever happens to the rest. Returns whether a goal was missed."""
    machine, when = describe_machine(), datetime.date.today().isoformat()
    rows, page = [], ""
    for name in names:
        print(f"{name}: {GROUPS[group][name].__doc__}", flush=True)
        try:
            rows += GROUPS[group][name](stage)
        finally:
            stage.close()
        page = keep(group, rows, machine, when)
    print(page)
    return any(row["met"] is False for row in rows)


def main(asked):
    """Measure what is asked for, or all; a page for each group."""
    stage = Stage(pathlib.Path(os.environ.get("BENCH_DATA", ROOT / "build" / "bench-data")))
    unknown = [name for name in asked if not any(name in names for names in GROUPS.values())]
    if unknown:
        sys.exit(f"run.py: no such case: {' '.join(unknown)}; there are {' '.join(name for names in GROUPS.values() for name in names)}")
    missed = False
    for group, names in GROUPS.items():
        chosen = [name for name in names if name in asked or not asked]
        missed |= bool(chosen) and measure(stage, group, chosen)
    return missed


if __name__ == "__main__":
    sys.exit(main([name.lower() for name in sys.argv[1:]]))
