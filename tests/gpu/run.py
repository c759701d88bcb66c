#!/usr/bin/env python3
"""Run everything that is asked of a card, print a table, leave JSON. usage: run.py BIN [NAME...]     (make gpu-test)

BIN: the folder of the programs. NAME: only these. Without a card it says so, skips everything and exits 0; with GPU_DOUBLE=1 the double of the driver
stands in. It needs Python and the package hoist, and no pytest. Environment: GPU_RESULTS (where the JSON goes), GPU_FOLDER (where models lie),
GPU_MODEL_BYTES (of the model that is shared; default: an eighth of what the card has free, a sixth of what the machine has free, at most 4 GiB)."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
MIB = 1 << 20
# The first says whether the design holds at all.
PROGRAMS = [("gpu/test_gpu_card", "the card itself"), ("test_contract_devices", "the contract of devices"), ("test_cuda_convert", "conversions on the card")]


def run_program(program, asked):
    """Rows of a cmocka program: (name, passed, failed, skipped, text)."""
    began = time.monotonic()
    done = subprocess.run([str(program)], capture_output=True, text=True, timeout=600, check=False, env={**os.environ, "HOIST_GPU_TEST": "1"})
    text = done.stdout + done.stderr
    count = {word: len(re.findall(rf"^\[\s+{mark}\s*\] \w+$", text, re.M)) for word, mark in (("passed", "OK"), ("skipped", "SKIPPED"))}
    failed = len(set(re.findall(r"^\[  FAILED  \] (\w+)$", text, re.M)))
    if done.returncode and not failed:  # it died, or its set-up failed
        failed = 1
    return {"name": asked, "passed": count["passed"], "failed": failed, "skipped": count["skipped"], "seconds": round(time.monotonic() - began, 2), "text": text if failed else ""}


def make_models(folder, size):
    """`big`, of this many bytes, and `small`. What holders must find in big."""
    import random

    import scenarios
    from weight_files import tensor, write

    tensors, left, index = [], size, 0
    block = bytearray(random.Random(0).randbytes(64 * MIB))
    block[1::2] = block[1::2].translate(bytes(byte & 0x83 | 0x28 for byte in range(256)))  # as F16: small numbers, no NaN
    while left > 0:
        length = min(left, (64 if index % 3 else 16) * MIB)
        data = index.to_bytes(8, "little") + bytes(block[8:length])
        tensors.append((f"layers.{index}.weight", "F16", [length // 2048, 1024], data))
        left, index = left - length, index + 1
    write(folder / "big.safetensors", tensors)
    write(folder / "small.safetensors", [tensor("weight", "F32", [1024, 1024])])
    return scenarios.expected_of(tensors)


def run_scenario(scenario, folder, models, expected):
    """A row of a scenario."""
    import scenarios

    row, began = {"name": scenario.__doc__.strip(), "passed": 0, "failed": 0, "skipped": 0, "text": ""}, time.monotonic()
    lab = scenarios.Lab(folder, models, expected)
    try:
        scenario(lab)
        row["passed"] = 1
    except scenarios.Skip as why:
        row.update(skipped=1, text=str(why))
    except Exception:  # whatever it is, it is this test's failure
        row.update(failed=1, text=traceback.format_exc())
    finally:
        lab.end()
    return {**row, "seconds": round(time.monotonic() - began, 2)}


def size_of_model(free_bytes):
    """Bytes of the model that is shared: as the card has room for, and the machine, which needs some times as much to make it."""
    given = os.environ.get("GPU_MODEL_BYTES")
    available = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(given) if given else min(free_bytes // 8, available // 6, 4 << 30) // (2 * MIB) * (2 * MIB)


def all_rows(binaries, asked, place):
    """Run what is asked for, one after the other, and print each row as it comes."""
    import card

    def keep(row):
        print(f"  {'failed' if row['failed'] else 'ok' if row['passed'] else 'skipped':8}{row['seconds']:7.1f} s  {row['name']}{'  (' + row['text'] + ')' if row['skipped'] and row['text'] else ''}",
              flush=True)
        if row["failed"]:
            print(row["text"], flush=True)
        return row

    rows = [keep(run_program(card.find_program(binaries, name), title)) for name, title in PROGRAMS if not asked or name in asked]
    try:
        import scenarios
    except ImportError as why:
        return [*rows, keep({"name": "scenarios with clients", "passed": 0, "failed": 0, "skipped": 1, "seconds": 0, "text": f"the package hoist cannot be imported: {why}"})]
    chosen = [scenario for scenario in scenarios.TESTS if not asked or scenario.__name__ in asked]
    if chosen:
        (place / "models").mkdir()
        expected = make_models(place / "models", size_of_model(card.memory()[0]))
        rows += [keep(run_scenario(scenario, place / str(number), place / "models", expected)) for number, scenario in enumerate(chosen)]  # the path of a socket is short
    return rows


def close(rows, found):
    """Print the sum, leave the JSON. Returns the exit status."""
    total = {word: sum(row[word] for row in rows) for word in ("passed", "failed", "skipped")}
    results = os.environ.get("GPU_RESULTS")
    if results:
        pathlib.Path(results).write_text(json.dumps({"cards": found, "rows": rows, **total}, indent=1) + "\n", encoding="utf-8")
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return total["failed"] > 0


def skip_all(why):
    """Without a card. Returns the exit status."""
    print(f"no card here: {why}")
    tests = len(PROGRAMS) + len(re.findall(r"^def test_", (HERE / "scenarios.py").read_text(encoding="utf-8"), re.M))
    return close([{"name": why, "passed": 0, "failed": 0, "skipped": tests}], [])


def main(binaries, *asked):
    """Find the card, ask it everything."""
    binaries = pathlib.Path(binaries).resolve()
    os.environ["HOIST_BUILD"] = str(binaries)
    sys.path[:0] = [str(HERE), str(HERE.parent / "python")]
    import card

    place = pathlib.Path(tempfile.mkdtemp(prefix="hoist-gpu-", dir=os.environ.get("GPU_FOLDER")))
    try:
        if os.environ.get("GPU_DOUBLE") == "1":
            card.use_double(binaries, place / "card")
        found, why = card.cards(card.find_program(binaries, "hoist-device"))
        if not found:
            return skip_all(why)
        for row in found:
            print(f"cuda:{row['ordinal']} {row['name']} ({row['uuid']}), driver API {row['driver_version']}")
        return close(all_rows(binaries, asked, place), found)
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
