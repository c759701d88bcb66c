"""The benchmarks of the CPU machine. Each gives rows: what was measured, hoist's figure, the peer's, the machine's limit, the goal."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import library
from stage import (BUILD, GIB, MIB, REPEATS, Process, alternate, direct_read_seconds, disk_bytes_of, drop_page_cache, empty, held_bytes, make_memory_present,
                   median, memory_of_hoist, memory_scan_seconds, read_once, row, torch_twin, warm, write_checkpoints, write_model)


def attach_in_c(daemon, model):
    """(attach, round trip) in microseconds, medians."""
    done = subprocess.run([BUILD / "bench-attach", daemon.socket, model, "50"], capture_output=True, text=True, check=True)
    pairs = [[float(value) for value in line.split()] for line in done.stdout.splitlines()][5:]
    return median([pair[0] for pair in pairs]), median([pair[1] for pair in pairs])


def attach_in_python(loader, path, socket=""):
    """Microseconds, median, in one process that has its imports done."""
    process = Process("attach", loader, path, socket)
    times = process.hear()["us"]
    process.end()
    return median(times[5:])


def c1(stage):
    """Warm attach: a process with its imports done, to every one of 2,000 tensors addressable."""
    daemon = stage.daemon("c1")
    for model in ("many", "small"):
        daemon.data("POST", "/api/model/load", {"model_id": model})
    warm(stage.many)
    found = alternate(REPEATS, c=lambda: attach_in_c(daemon, "many"), small=lambda: attach_in_c(daemon, "small"),
                      python=lambda: attach_in_python("hoist", stage.many, daemon.socket), peer=lambda: attach_in_python("safetensors", stage.many))
    daemon.stop()
    in_c, trip = median([pair[0] for pair in found["c"]]), median([pair[1] for pair in found["c"]])
    small, python, peer = median([pair[0] for pair in found["small"]]), median(found["python"]), median(found["peer"])
    text = f"safetensors load_file {peer:.0f} us"
    return [row("C1 attach in C, 1 GiB, 2,000 tensors", f"{in_c:.0f} us", text, "<= 1/10", in_c <= peer / 10, f"one round trip {trip:.0f} us"),
            row("C1 attach in Python, 2,000 torch tensors", f"{python:.0f} us", text, "<= 1/3", python <= peer / 3),
            row("C1 does not depend on size: 16 MiB, 2,000 tensors", f"{small:.0f} us", f"1 GiB: {in_c:.0f} us", "equal", 0.5 <= small / in_c <= 2)]


def c2(stage):
    """Eight processes use one model of S bytes: PSS and page tables of all, hoistd's share included. A file that some other program has read lies in the
    page cache in small pages, and each of the eight needs page tables of S/512 for it; one that hoist reads lies in huge ones."""
    size = stage.many.stat().st_size
    rows = []
    for what, ready, goal in (("eight processes, one model", drop_page_cache, 1.02), ("the same, of a file that was in memory already", warm, None)):
        drop_page_cache(stage.many)
        ready(stage.many)
        daemon = stage.daemon("c2")
        before = memory_of_hoist(daemon)
        daemon.data("POST", "/api/model/load", {"model_id": "many"})
        ours = held_bytes("hoist", [stage.many] * 8, daemon, before) / size
        daemon.stop()
        rows.append(row(f"C2 {what}", f"{ours:.3f} S", "", "<= 1.02 S" if goal else "", 0.98 <= ours <= goal if goal else None, "1.000 S"))
    for peer in ("safetensors", "torch", "runai"):
        try:
            rows.append(row(f"C2 the same by {peer}", "", f"{held_bytes(peer, [stage.many] * 8) / size:.3f} S", "", None))
        except RuntimeError as error:
            rows.append(row(f"C2 the same by {peer}", "", f"does not run here: {error}", "", None))
    return rows


def c3(stage):
    """A fresh process reads every byte once."""
    daemon = stage.daemon("c3")
    size = stage.many.stat().st_size
    daemon.data("POST", "/api/model/load", {"model_id": "many"})
    with open("/dev/shm/hoist-bench", "wb") as copy, open(stage.many, "rb") as file:
        copy.write(file.read())
    found = alternate(REPEATS, ours=lambda: read_once("hoist", stage.many, daemon.socket)["seconds"],
                      peer=lambda: read_once("safetensors", stage.many)["seconds"], pages=lambda: read_once("shared_memory", stage.many)["seconds"],
                      limit=lambda: memory_scan_seconds(size))
    os.unlink("/dev/shm/hoist-bench")
    daemon.data("POST", "/api/model/load", {"model_id": "many"})
    drop_page_cache(stage.many)
    held = median([read_once("hoist", stage.many, daemon.socket)["seconds"] for _ in range(REPEATS)])
    empty(daemon)
    daemon.stop()
    cold = median([read_cold("safetensors", stage.many)["seconds"] for _ in range(3)])
    speed = {name: size / median(times) / GIB for name, times in found.items()}
    limit = f"scan of own memory {speed['limit']:.1f} GiB/s"
    return [row("C3 read all, warm", f"{speed['ours']:.2f} GiB/s", f"safetensors {speed['peer']:.2f}", ">= 0.95x", speed["ours"] >= 0.95 * speed["peer"], limit),
            row("C3 against 4 KiB shared memory", f"{speed['ours']:.2f} GiB/s", f"{speed['pages']:.2f}", ">= 3x", None, limit),
            row("C3 after the page cache was evicted", f"{size / held / GIB:.2f} GiB/s", f"safetensors {size / cold / GIB:.2f}", ">= 5x", held * 5 <= cold)]


def read_cold(loader, path):
    """Read all after the file was taken out of memory."""
    drop_page_cache(path, torch_twin(path))
    return read_once(loader, path)


def cache_cold(daemon, path):
    """Seconds that hoistd takes to bring a file in, and the bytes of memory charged. Nothing of it stays."""
    began = time.perf_counter()
    daemon.data("POST", "/api/model/cache", {"model_id": path.name.split(".")[0]})
    took = time.perf_counter() - began
    used = daemon.data("GET", "/api/model/cache")["used_bytes"]
    empty(daemon)
    return took, used


WAYS = {"ours": ("page cache in place", {}), "copy": ("copy of its own", {"HOIST_FORCE_BACKING": "tmpfs_huge"}),
        "threads": ("copy, without io_uring", {"HOIST_FORCE_BACKING": "tmpfs_huge", "HOIST_FORCE_READING": "threads"}),
        "buffered": ("copy, through the page cache", {"HOIST_FORCE_BACKING": "tmpfs_huge", "HOIST_FORCE_READING": "buffered"})}


def c4(stage):
    """Cold disk to RAM. The file is dropped, and the machine's memory present, before every run."""
    daemons = {name: stage.daemon(f"c4-{name}", **options) for name, (_, options) in WAYS.items()}
    size = stage.big.stat().st_size

    def cold(function, *arguments):
        def run():
            drop_page_cache(stage.big)
            make_memory_present(size + GIB)
            return function(*arguments)
        return run

    found = alternate(REPEATS, limit=cold(direct_read_seconds, stage.big), fresh=cold(direct_read_seconds, stage.big, "fresh"),
                      **{name: cold(cache_cold, daemon, stage.big) for name, daemon in daemons.items()},
                      peer=cold(lambda: read_cold("safetensors", stage.big)["seconds"]), runai=cold(runai_cold, stage.big))
    stage.close()
    ceiling, fresh, peer = (median(found[name]) for name in ("limit", "fresh", "peer"))
    limits = f"O_DIRECT {size / ceiling / GIB:.2f} GiB/s, into fresh memory {size / fresh / GIB:.2f}"
    rows = []
    for name, (title, _) in WAYS.items():
        took = median([pair[0] for pair in found[name]])
        peak = max(pair[1] for pair in found[name]) / size
        rows.append(row(f"C4 cold, {title}", f"{size / took / GIB:.2f} GiB/s, peak {peak:.3f} S", f"safetensors {size / peer / GIB:.2f}, Run:ai {speed_of(found['runai'], size)}",
                        ">= 0.95 of the limit", None, f"{limits}; {ceiling / took:.2f} and {fresh / took:.2f} of it"))
    return rows


def runai_cold(path):
    """Seconds, or None where it does not run."""
    try:
        return read_cold("runai", path)["seconds"]
    except RuntimeError:
        return None


def speed_of(times, size):
    """GiB/s of a peer that may not run here."""
    return "does not run here" if None in times else f"{size / median(times) / GIB:.2f}"


def c5_once(stage, daemon, count):
    """(makespan in s, bytes read from disk by all) of `count` processes that ask for a cold model at once."""
    processes = [Process("start", "hoist", stage.many, daemon.socket) for _ in range(count)]
    for process in processes:
        process.hear()
    empty(daemon)
    drop_page_cache(stage.many)
    before = disk_bytes_of(daemon.process.pid)
    began = time.time()
    for process in processes:
        process.go()
    found = [process.hear() for process in processes]
    for process in processes:
        process.end()
    return max(item["ended"] for item in found) - began, disk_bytes_of(daemon.process.pid) - before + sum(item["disk_bytes"] for item in found)


def c5(stage):
    """Eight processes ask for a cold model at once."""
    daemon = stage.daemon("c5")
    size = stage.many.stat().st_size
    found = alternate(REPEATS, one=lambda: c5_once(stage, daemon, 1), eight=lambda: c5_once(stage, daemon, 8))
    daemon.stop()
    one, all_of_them = median([pair[0] for pair in found["one"]]), median([pair[0] for pair in found["eight"]])
    read = max(pair[1] for pair in found["eight"]) / size
    return [row("C5 bytes read for eight", f"{read:.3f} S", "each for itself: 8 S", "<= 1.01 S", read <= 1.01, "1.000 S"),
            row("C5 until all eight have it", f"{all_of_them:.3f} s", f"one alone {one:.3f} s", "<= 1.05 and 20 ms", all_of_them <= 1.05 * one + 0.02)]


def peers_headers(folder, step):
    """{suffix: (files of the library, seconds for all of them, seconds of processor)} by Python's readers; every step-th file is read."""
    done = subprocess.run([sys.executable, pathlib.Path(__file__).with_name("headers.py"), folder, str(step)], capture_output=True, text=True, check=True)
    return {suffix: tuple(value * step for value in values) for suffix, values in json.loads(done.stdout).items()}


def find_seconds(folder):
    """Seconds that find takes to ask for size and time of every file."""
    began = time.perf_counter()
    subprocess.run(["find", folder, "-printf", r"%s %T@ %p\n"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def processor_seconds(pid):
    """Seconds of processor that a process has used."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        return sum(int(field) for field in stat.read().rsplit(")", 1)[1].split()[11:13]) / os.sysconf("SC_CLK_TCK")


def first_scan(stage, folder):
    """(seconds, seconds of processor) of the scan of a library that hoistd has never seen."""
    daemon = stage.daemon("c7-first", models=folder)
    scan, used = daemon.wait_for_scan(), processor_seconds(daemon.process.pid)
    assert scan["files_changed"] == library.FILES and scan["errors"] == 0, scan
    daemon.stop()
    return scan["duration_ms"] / 1e3, used


def c7(stage):
    """Discovery of 10,000 model files: sparse data of several GB each, headers as real ones."""
    folder = library.write(stage.folder / "library")
    step = int(os.environ.get("PEER_STEP", "20"))
    found = alternate(3, ours=lambda: first_scan(stage, folder), peers=lambda: peers_headers(folder, step))
    daemon = stage.daemon("c7", models=folder)
    again = alternate(9, ours=lambda: daemon.scan()["duration_ms"] / 1e3, find=lambda: find_seconds(folder))
    daemon.stop()
    ours, used = median([pair[0] for pair in found["ours"]]), median([pair[1] for pair in found["ours"]])
    each = {suffix: (found["peers"][0][suffix][0], median([peers[suffix][1] for peers in found["peers"]]), median([peers[suffix][2] for peers in found["peers"]]))
            for suffix in found["peers"][0]}
    peers, peers_used = sum(values[1] for values in each.values()), sum(values[2] for values in each.values())
    rescan, find = median(again["ours"]), median(again["find"])
    text = ", ".join(f"{suffix[1:]} {seconds:.0f} s ({files})" for suffix, (files, seconds, _) in each.items())
    return [row(f"C7 first scan of {library.FILES} files", f"{ours:.1f} s", f"{peers:.0f} s: {text}; of every {step}th file", ">= 50x", ours * 50 <= peers, f"{peers / ours:.0f}x"),
            row("C7 the same, in seconds of processor", f"{used:.1f} s", f"{peers_used:.0f} s", "", None, f"{peers_used / used:.0f}x"),
            row("C7 unchanged rescan", f"{1e3 * rescan:.1f} ms", f"find -printf {1e3 * find:.1f} ms", "<= 3x", rescan <= 3 * find, f"{rescan / find:.2f}x")]


def resident(pid):
    """Anonymous and file memory of a process, without what it holds locked."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return 1024 * sum(int(line.split()[1]) for line in status if line.startswith(("RssAnon:", "RssShmem:")))


def c9(stage):
    """RAM overhead of caching, and of a large catalog."""
    daemon = stage.daemon("c9")
    before = resident(daemon.process.pid)
    daemon.data("POST", "/api/model/load", {"model_id": "many"})
    with daemon.client() as client, client.open("many"):
        used = daemon.data("GET", "/api/model/cache")["used_bytes"] + resident(daemon.process.pid) - before
    tensors = daemon.data("GET", "/api/models/many")["components"][0]["size_bytes"]
    daemon.stop()
    over = used / tensors - 1
    count, rss, seconds = large_catalog(stage)
    return [row("C9 memory over tensor bytes, 1 GiB in 2,000 tensors", f"{100 * over:.3f}%", "", "<= 2%", over <= 0.02, "0"),
            row(f"C9 hoistd with {count} checkpoints of 2,000 tensors, over one with none", f"{rss / MIB:.1f} MiB RSS", "", "<= 64 MiB", rss <= 64 * MIB),
            row(f"C9 the scan of {count} checkpoints of 2,000 tensors", f"{seconds:.1f} s", "", "", None)]


def large_catalog(stage):
    """(models, bytes that hoistd has more than without them, seconds of the scan)."""
    folder = stage.folder / "catalog"
    folder.mkdir(exist_ok=True)
    daemon = stage.daemon("c9-catalog", models=folder)
    before = resident(daemon.process.pid)
    write_checkpoints(folder, 10000, 2000)
    daemon.http("POST", "/api/model/scan")
    while (scan := daemon.data("GET", "/api/model/scan"))["state"] != "done":
        time.sleep(0.1)
    after = resident(daemon.process.pid)
    daemon.stop()
    shutil.rmtree(folder)
    return scan["models_found"], after - before, scan["duration_ms"] / 1000


def values(stage):
    """How fast a deep validation counts NaN, infinities and zeros, beside adding the same bytes up."""
    del stage
    done = subprocess.run([BUILD / "bench-values"], capture_output=True, text=True, check=True)
    speeds = {name: float(speed) for name, speed in (line.split() for line in done.stdout.splitlines())}
    limit = speeds.pop("memory")
    return [row(f"values of {name}, 256 MiB", f"{speed:.1f} GiB/s", "", "", None, f"read and added up {limit:.1f} GiB/s") for name, speed in speeds.items()]


def hash_seconds(stage, paths, cold):
    """Seconds until a fresh hoistd knows every hash of these models."""
    daemon = stage.daemon("hash-daemon", models=paths[0].parent)
    warm_or_drop = drop_page_cache if cold else lambda *files: [warm(file) for file in files]
    warm_or_drop(*paths)
    began = time.perf_counter()
    for path in paths:
        daemon.data("POST", f"/api/models/{path.stem}/hash")
    while any(daemon.data("GET", f"/api/models/{path.stem}")["hashing"]["state"] != "done" for path in paths):
        time.sleep(0.01)
    took = time.perf_counter() - began
    daemon.stop()
    return took


def sum_seconds(paths, cold):
    """Seconds of sha256sum, a process a file, all at once: the file's SHA-256 alone."""
    if cold:
        drop_page_cache(*paths)
    began = time.perf_counter()
    processes = [subprocess.Popen(["openssl", "dgst", "-sha256", path], stdout=subprocess.DEVNULL) for path in paths]
    assert all(process.wait() == 0 for process in processes)
    return time.perf_counter() - began


def hash_row(stage, title, paths, cold):
    """Files hashed by a hoistd beside as many processes of openssl."""
    found = alternate(REPEATS, ours=lambda: hash_seconds(stage, paths, cold), peer=lambda: sum_seconds(paths, cold))
    size = sum(path.stat().st_size for path in paths)
    ours, peer = (size / median(found[name]) / GIB for name in ("ours", "peer"))
    limit = f"two SHA-256 by openssl {peer / 2:.2f} GiB/s"
    if cold:
        drop_page_cache(*paths)
        limit += f", O_DIRECT {size / sum(direct_read_seconds(path) for path in paths) / GIB:.2f} GiB/s"
    return row(f"hash, {title}", f"{ours:.2f} GiB/s", f"openssl dgst {peer:.2f} GiB/s", ">= 0.8 of the limit", None, limit)


def c_hash(stage):
    """All hashes of model files (SHA-256 twice, CRC-32, XXH3 of each tensor) beside openssl, which computes one SHA-256."""
    folder = stage.folder / "hash"
    folder.mkdir(exist_ok=True)
    paths = [write_model(folder / f"model-{i}.safetensors", 200, GIB // 2) for i in range(4)]
    return [hash_row(stage, "one file, in memory", paths[:1], False), hash_row(stage, "four files, in memory", paths, False),
            hash_row(stage, "four files, cold", paths, True)]


CASES = {"c1": c1, "c2": c2, "c3": c3, "c4": c4, "c5": c5, "c7": c7, "c9": c9, "values": values, "hash": c_hash}
