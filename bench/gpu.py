#!/usr/bin/env python3
"""Measure a card: its limits first, then hoist beside its peers. usage: gpu.py BIN RESULTS [CASE...]     (make bench-gpu)

Cases: ceilings g1 g2 g3 g4. Figures go to RESULTS/DATE-gpu.json and .md, and the limits of a real card into docs/gpu.md where that is. Peers run
where their packages are installed; of the others it is said. Environment: GPU_BENCH_BYTES (of the model; default: a third of what is free, at most
16 GiB), REPEATS (5), GPU_FOLDER (where the model lies), GPU_DOUBLE=1 (no card: the figures mean nothing)."""
import datetime
import importlib.util
import json
import math
import os
import pathlib
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "gpu"), str(HERE.parent / "tests" / "python")]
MIB, GIB = 1 << 20, 1 << 30
REPEATS = int(os.environ.get("REPEATS", "5"))
PEERS = {"safetensors": "safetensors", "fastsafetensors": "fastsafetensors", "instanttensor": "instanttensor", "runai": "runai_model_streamer", "flashpack": "flashpack"}
TENSORS = 2000


class Child:
    """A measured process (gpu_child.py)."""

    def __init__(self, action, loader, file, socket=""):
        self.errors = tempfile.TemporaryFile("w+")
        command = [sys.executable, str(HERE / "gpu_child.py"), action, loader, str(file), socket]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True,
                                        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)})
        self.ready = self.hear()

    def hear(self):
        """Its next line; RuntimeError with the last that it said on stderr when it ended."""
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        self.process.wait()
        self.errors.seek(0)
        raise RuntimeError((self.errors.read().strip().splitlines() or ["it died"])[-1])

    def go(self):
        """Let it go on. What it says then."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.hear()

    def end(self):
        """End it."""
        self.process.kill()
        self.process.wait()
        self.errors.close()


class Stage:
    """Programs, a model, a hoistd, the card's limits."""

    def __init__(self, binaries, folder):
        import card

        self.binaries, self.folder, self.rows = binaries, folder, []
        self.double, self.daemons, self.limits = card.is_double(), [], []
        free = card.cards(self.program("hoist-device"))[0][0]
        self.free = int(free.get("free_bytes", free["total_bytes"]))
        wanted = os.environ.get("GPU_BENCH_BYTES")
        self.bytes = int(wanted) if wanted else 64 * MIB if self.double else min(self.free // 3, 16 * GIB)
        (folder / "models").mkdir()
        self.model, self.other = (write_model(folder / "models" / f"{name}.safetensors", self.bytes, seed) for seed, name in enumerate(("big", "other")))

    def program(self, name):
        """Path of a program."""
        return next(path for path in (self.binaries / name, self.binaries / "tests" / name) if path.exists())

    def daemon(self, *flags):
        """A hoistd with the card."""
        from own_daemon import Daemon

        folder = pathlib.Path(tempfile.mkdtemp(prefix="daemon", dir=self.folder))
        self.daemons.append(Daemon(folder, self.folder / "models", "--no-workers", "--device", "cuda:0=95%", *flags, ram=f"{(2 * self.bytes >> 20) + 512}M"))
        return self.daemons[-1]

    def limit(self, what, otherwise=math.nan):
        """A figure of the ceilings."""
        return next((row["median"] for row in self.limits if row["what"] == what), otherwise)

    def link_ms(self):
        """What the bytes of the model take over the link at best."""
        return self.bytes / GIB / max((self.limit(what, 0) for what in LINK), default=math.nan) * 1e3 if self.limits else math.nan

    def add(self, what, figure, peer, limit, goal, met):
        """A row. On the double no goal is met or missed."""
        row = {"what": what, "hoist": figure, "peer": peer, "limit": limit, "goal": goal, "met": None if self.double or met is None else bool(met)}
        self.rows.append(row)
        print(f"  {what}: {figure}{f'; peer: {peer}' if peer else ''}{f'; limit: {limit}' if limit else ''}{f'; goal: {goal}' if goal else ''}", flush=True)

    def end(self):
        """End what runs."""
        for daemon in self.daemons:
            if daemon.process.poll() is None:
                daemon.stop()
        self.daemons = []


LINK = ["pinned to card, one copy", "pinned to card, pieces of 4 MiB, one stream", "pinned to card, pieces of 4 MiB, four streams", "pinned to card, pieces of 64 MiB, two streams"]


def write_model(path, size, seed):
    """A safetensors file of TENSORS equal tensors."""
    import random

    each = max(4096, size // TENSORS // 4096 * 4096)
    header = {f"blocks.{i}.weight": {"dtype": "BF16", "shape": [each // 2], "data_offsets": [i * each, (i + 1) * each]} for i in range(TENSORS)}
    text = json.dumps(header).encode()
    text += b" " * (-(len(text) + 8) % 4096)
    noise = random.Random(seed).randbytes(each)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for i in range(TENSORS):  # no two are alike, or hoist would keep them once
            file.write(struct.pack("<QQ", i, seed) + noise[16:])
    return path


def drop_page_cache(*paths):
    """Take files out of memory."""
    os.sync()
    for path in paths:
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def warm(path):
    """Read a file into the page cache."""
    with open(path, "rb", buffering=0) as file:
        while file.read(16 * MIB):
            pass


def measured(action, loader, file, socket="", before=lambda: None):
    """(median of the ms, what the process said first) of a process."""
    before()
    child = Child(action, loader, file, socket)
    try:
        return statistics.median(child.go()["ms"]), child.ready
    finally:
        child.end()


def of_peer(name, action, file, before=lambda: None, repeats=None):
    """(ms, text) of a peer; (nan, why not) of one that does not run here."""
    import card

    if card.is_double():
        return math.nan, "not asked: there is no card"
    if importlib.util.find_spec(PEERS[name]) is None:
        return math.nan, "not installed"
    if importlib.util.find_spec("torch") is None:
        return math.nan, "needs torch, which is not installed"
    try:
        value = statistics.median(measured(action, name, file, before=before)[0] for _ in range(repeats or REPEATS))
        return value, f"{value:.1f} ms"
    except RuntimeError as why:
        return math.nan, f"does not run here: {why}"


def ceilings(stage):
    """What the card allows: copies, pinning, each call of shared memory, a context."""
    done = subprocess.run([str(stage.program("bench-gpu-ceilings")), "0", "64" if stage.double else "4096"], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    stage.limits = found["rows"]
    for row in stage.limits:
        print(f"  {row['what']}{size_text(row['bytes'])}: {row['median']:.4g} {row['unit']} ({row['least']:.4g} to {row['most']:.4g})")


def size_text(size):
    """A size as people say it, with a space before; "" for none."""
    unit = next((name for name, factor in (("GiB", GIB), ("MiB", MIB)) if size >= factor and size % factor == 0), None)
    return "" if size == 0 else f" {size // (GIB if unit == 'GiB' else MIB)} {unit}" if unit else f" {size} bytes"


def handles_of(stage):
    """(a process that holds the tensors, their handles), for the peer that shares by CUDA's own IPC."""
    giver = Child("hold", "give_handles", stage.model)
    giver.go()
    return giver, pathlib.Path(str(stage.model) + ".handles")


def ipc_attach(stage):
    """(ms, text) of attaching by CUDA's own IPC, a handle a tensor."""
    giver = None
    if stage.double or importlib.util.find_spec("torch") is None:
        return math.nan, "not asked: there is no card" if stage.double else "needs torch, which is not installed"
    try:
        giver, handles = handles_of(stage)
        value = measured("attach", "cuda_ipc", handles)[0]
        return value, f"{value:.1f} ms"
    except RuntimeError as why:
        return math.nan, f"does not run here: {why}"
    finally:
        if giver:
            giver.end()


def g1(stage):
    """Attach to a resident model: a process with its imports and its context done, to every tensor addressable."""
    daemon = stage.daemon()
    daemon.data("POST", "/api/model/load", {"model_id": "big", "device_id": "cuda:0"})
    found = [measured("attach", "hoist", stage.model, daemon.socket) for _ in range(REPEATS)]
    ours = statistics.median(ms for ms, _ in found)
    first = found[0][1]
    ipc, ipc_text = ipc_attach(stage)
    cold, cold_text = of_peer("safetensors", "load", stage.model, before=lambda: drop_page_cache(stage.model), repeats=1)
    size = size_text(stage.bytes)
    stage.add(f"G1 attach{size} in {TENSORS} tensors", f"{ours:.2f} ms", f"CUDA IPC, a handle a tensor: {ipc_text}", "one message and a few calls", "<= 20 ms, <= 0.1 of the peer",
              ours <= 20 and (math.isnan(ipc) or ours <= 0.1 * ipc))
    stage.add("G1 beside loading it cold", f"{ours:.2f} ms", f"safetensors: {cold_text}", "", ">= 300 times quicker", None if math.isnan(cold) else cold >= 300 * ours)
    torch = f"import torch {first['import_torch_ms']:.0f} ms, " if importlib.util.find_spec("torch") else ""
    stage.add("G1 what comes before, and nobody can do without", f"{torch}context {first['context_ms']:.0f} ms", "", "", "", None)


def g2(stage):
    """From RAM to the card: the model is in RAM, and nothing of it on the card."""
    daemon = stage.daemon()
    times = []
    for _ in range(REPEATS):
        daemon.data("POST", "/api/model/cache", {"model_id": "big"})
        times.append(daemon.data("POST", "/api/model/load", {"model_id": "big", "device_id": "cuda:0"})["loading_ms"])
        daemon.data("DELETE", "/api/model/unload", {"model_id": "big"})
    ours, link = statistics.median(times), stage.link_ms()
    rate = stage.bytes / GIB / (ours / 1e3)
    private = statistics.median(measured("load", "hoist_private", stage.model, daemon.socket)[0] for _ in range(REPEATS))
    stage.add("G2 the same into memory of a process's own, open() without share", f"{private:.1f} ms", "", f"pinned copy {link:.1f} ms", "", None)
    warm(stage.model)
    goals = {"flashpack": 2.5, "safetensors": 5}
    stage.add(f"G2 RAM to card,{size_text(stage.bytes)}", f"{ours:.1f} ms, {rate:.2f} GiB/s", "", f"pinned copy {link:.1f} ms", ">= 0.97 of the limit",
              None if math.isnan(link) else link >= 0.97 * ours)
    for peer, factor in goals.items():
        value, text = of_peer(peer, "load", stage.model)
        stage.add(f"G2 beside {peer}, its file in the page cache", f"{ours:.1f} ms", text, "", f">= {factor} times quicker", None if math.isnan(value) else value >= factor * ours)


class Watch:
    """The most that is used of the card while something happens, and how far the machine's available memory sinks: pinned memory is no process's."""

    def __init__(self):
        self.card_bytes, self.least_available, self.ended = 0, math.inf, threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self):
        """Look again and again."""
        while not self.ended.wait(0.005):
            self.card_bytes = max(self.card_bytes, used_bytes())
            self.least_available = min(self.least_available, available_bytes())

    def __enter__(self):
        self.card_before, self.available_before = used_bytes(), available_bytes()
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.ended.set()
        self.thread.join()


def available_bytes():
    """Memory that the machine could give to programs, page cache that can go included."""
    with open("/proc/meminfo", encoding="ascii") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))


def g3(stage):
    """From a cold disk to the card, without a full stay in RAM."""
    disk = cold_read_ms(stage)
    daemon = stage.daemon()
    times = []
    for _ in range(REPEATS):
        daemon.data("DELETE", "/api/model/unload", {"model_id": "big"})
        daemon.data("DELETE", "/api/model/cache")
        drop_page_cache(stage.model)
        times.append(daemon.data("POST", "/api/model/load", {"model_id": "big", "device_id": "cuda:0", "optimization_level": "memory"})["loading_ms"])
    ours, slower = statistics.median(times), max(disk, 0 if math.isnan(stage.link_ms()) else stage.link_ms())
    on_the_way(stage, daemon)
    stage.add(f"G3 cold disk to card,{size_text(stage.bytes)}", f"{ours:.1f} ms", "", f"the slower of disk ({disk:.1f} ms) and link", "<= 1.10 of it", ours <= 1.1 * slower)
    for peer in ("fastsafetensors", "instanttensor", "runai"):
        value, text = of_peer(peer, "load", stage.model, before=lambda: drop_page_cache(stage.model))
        stage.add(f"G3 beside {peer}", f"{ours:.1f} ms", text, "", "", None if math.isnan(value) else None)


def on_the_way(stage, daemon):
    """What such a load takes beside the weights while it runs; a row. The context of the helper is there before it."""
    daemon.data("DELETE", "/api/model/unload", {"model_id": "big"})
    daemon.data("POST", "/api/model/load", {"model_id": "other", "device_id": "cuda:0"})
    daemon.data("DELETE", "/api/model/unload", {"model_id": "other"})
    daemon.data("DELETE", "/api/model/cache")
    drop_page_cache(stage.model)
    with Watch() as watch:
        daemon.data("POST", "/api/model/load", {"model_id": "big", "device_id": "cuda:0", "optimization_level": "memory"})
    books = daemon.data("GET", "/api/memory/status/cuda:0")["used_bytes"]
    on_card, in_ram = max(0, watch.card_bytes - watch.card_before - books), max(0, watch.available_before - watch.least_available)
    stage.add("G3 memory on the way, beside the weights", f"card {on_card / MIB:.0f} MiB, RAM {in_ram / MIB:.0f} MiB", "", "", "card <= 64 MiB, RAM <= 512 MiB",
              on_card <= 64 * MIB and in_ram <= 512 * MIB)


def cold_read_ms(stage):
    """What reading the file past the page cache takes."""
    drop_page_cache(stage.model)
    done = subprocess.run([str(stage.program("bench-direct")), str(stage.model), "touched"], capture_output=True, text=True, check=False)
    return float(done.stdout) * 1e3 if done.returncode == 0 else math.nan


def used_bytes():
    """Of the card, by everybody, as the driver says."""
    import card

    free, total = card.memory()
    return total - free


def g4(stage):
    """Eight processes on one card, what hoist itself takes of it, and one model in the place of another."""
    before = used_bytes()
    daemon = stage.daemon("--device-idle-seconds", "1")
    daemon.data("POST", "/api/model/load", {"model_id": "big", "device_id": "cuda:0"})
    time.sleep(3)
    books = daemon.data("GET", "/api/memory/status/cuda:0")["used_bytes"]
    overhead = used_bytes() - before - books
    empty = [Child("hold", "nothing", stage.model) for _ in range(8)]
    contexts = used_bytes()
    for child in empty:
        child.end()
    holders = [Child("hold", "hoist", stage.model, daemon.socket) for _ in range(8)]
    for child in holders:
        child.go()
    extra = used_bytes() - contexts
    for child in holders:
        child.end()
    share = 1 + extra / books
    stage.add("G4 eight processes, one model of S bytes", f"{share:.3f} S", "every loader: 8 S", "1.000 S", "1.00 S", share <= 1.01)
    stage.add("G4 hoist's own memory of the card, idle", f"{overhead / MIB:.1f} MiB", "", "", "<= 16 MiB", overhead <= 16 * MIB)
    swap(stage, daemon)


def swap(stage, daemon):
    """A goes, B comes; both are in RAM."""
    daemon.data("POST", "/api/model/cache", {"model_id": "other"})
    times, names = [], ["other", "big"] * REPEATS
    for name, gone in zip(names, names[1:] + names[:1]):
        began = time.perf_counter()
        daemon.data("DELETE", "/api/model/unload", {"model_id": gone})
        daemon.data("POST", "/api/model/load", {"model_id": name, "device_id": "cuda:0"})
        times.append((time.perf_counter() - began) * 1e3)
    ours, link = statistics.median(times[1:]), stage.link_ms()
    stage.add(f"G4 swap A for B,{size_text(stage.bytes)}", f"{ours:.1f} ms", "", f"link {link:.1f} ms", "<= 1.10 of it", None if math.isnan(link) else ours <= 1.1 * link)


CASES = {case.__name__: case for case in (ceilings, g1, g2, g3, g4)}


def as_markdown(stage, found, when):
    """The tables as a page."""
    marks = {True: "yes", False: "**no**", None: ""}
    lines = [f"# {when}: {found['name']}", "", f"driver API {found['driver_version']}, {int(found['total_bytes']) / GIB:.0f} GiB, {os.cpu_count()} processors"]
    if stage.double:
        lines += ["", "**On the double of the driver: these figures mean nothing.**"]
    lines += ["", "| work | hoist | peer | limit | goal | met |", "|---|---|---|---|---|---|"]
    lines += [f"| {row['what']} | {row['hoist']} | {row['peer']} | {row['limit']} | {row['goal']} | {marks[row['met']]} |" for row in stage.rows]
    return "\n".join([*lines, "", *limits_table(stage.limits)]) + "\n"


def limits_table(limits):
    """Lines of the table of ceilings."""
    return ["| what | size | median | least | most |", "|---|---|---|---|---|",
            *(f"| {row['what']} | {size_text(row['bytes']).strip()} | {row['median']:.4g} {row['unit']} | {row['least']:.4g} | {row['most']:.4g} |" for row in limits)]


def fill_guide(stage, found, when):
    """Put the limits of a real card into docs/gpu.md, where that is."""
    guide = HERE.parent / "docs" / "gpu.md"
    if stage.double or not stage.limits or not guide.exists():
        return
    head, _, rest = guide.read_text(encoding="utf-8").partition("<!-- figures: begin -->\n")
    _, _, tail = rest.partition("<!-- figures: end -->")
    lines = [f"{found['name']}, driver API {found['driver_version']}, {when}.", "", *limits_table(stage.limits)]
    guide.write_text(head + "<!-- figures: begin -->\n" + "\n".join(lines) + "\n<!-- figures: end -->" + tail, encoding="utf-8")


def keep(stage, found, results):
    """Write what was measured."""
    when = datetime.date.today().isoformat()
    results.mkdir(parents=True, exist_ok=True)
    target = results / f"{when}-gpu{'-double' if stage.double else ''}"
    page = as_markdown(stage, found, when)
    target.with_suffix(".md").write_text(page, encoding="utf-8")
    figures = {"when": when, "card": found, "double": stage.double, "bytes": stage.bytes, "rows": stage.rows, "limits": stage.limits}
    target.with_suffix(".json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    fill_guide(stage, found, when)
    print("\n" + page)


def measure(stage, found, names, results):
    """Measure the cases; what is measured is kept, whatever happens to the rest. Returns the exit status."""
    failed = False
    for name in names:
        print(f"{name}: {CASES[name].__doc__}", flush=True)
        try:
            CASES[name](stage)
        except Exception as why:  # the next case is measured all the same
            print(f"  failed: {why!r}", flush=True)
            failed = True
        finally:
            stage.end()
    keep(stage, found, results)
    return failed or any(row["met"] is False for row in stage.rows)


def main(binaries, results, *asked):
    """Find the card, measure it."""
    import card

    binaries = pathlib.Path(binaries).resolve()
    os.environ["HOIST_BUILD"] = str(binaries)
    unknown = [name for name in asked if name not in CASES]
    if unknown:
        sys.exit(f"gpu.py: no such case: {' '.join(unknown)}; there are {' '.join(CASES)}")
    place = pathlib.Path(tempfile.mkdtemp(prefix="hoist-gpu-", dir=os.environ.get("GPU_FOLDER")))
    try:
        if os.environ.get("GPU_DOUBLE") == "1":
            card.use_double(binaries, place / "card")
        found, why = card.cards(card.find_program(binaries, "hoist-device"))
        if not found:
            print(f"no card here: {why}\nnothing was measured")
            return 0
        return measure(Stage(binaries, place), found[0], [name for name in CASES if name in asked or not asked or name == "ceilings"], pathlib.Path(results))
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
