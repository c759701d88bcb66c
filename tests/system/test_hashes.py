"""Hashes of model files: as other tools compute them, computed once, in nobody's way; and what they are good for."""
import hashlib
import json
import os
import re
import shutil
import struct
import time
import urllib.request
import zlib

import pytest
from weight_files import tensor, write

MIB = 1 << 20


def wait(daemon, model, *states):
    """The model, once its hashing is in one of these states."""
    deadline = time.monotonic() + 60  # threads that run when nobody else wants to may wait long
    while (view := daemon.data("GET", f"/api/models/{model}"))["hashing"]["state"] not in states:
        assert time.monotonic() < deadline, view["hashing"]
        time.sleep(0.02)
    return view


def hashes_of(path):
    """What Python's libraries say of a safetensors file."""
    data = path.read_bytes()
    body = hashlib.sha256(data[8 + struct.unpack("<Q", data[:8])[0]:]).hexdigest()
    whole = hashlib.sha256(data).hexdigest()
    return {"sha256": whole, "autov1": hashlib.sha256(data[0x100000:0x110000]).hexdigest()[:8], "autov2": whole[:10], "autov3": body[:12],
            "crc32": f"{zlib.crc32(data):08x}", "modelspec": f"0x{body}"}


def without_blake3(hashes):
    """Hashes that every machine computes."""
    return {name: value for name, value in hashes.items() if name != "blake3"}


def hashed_bytes(daemon):
    """Bytes that the daemon has hashed since it started."""
    with urllib.request.urlopen(daemon.url + "/metrics") as answer:
        return int(float(re.search(r"^hoist_hash_bytes_total (\S+)", answer.read().decode(), re.M).group(1)))


def retag(path):
    """Write the file anew with other metadata and the same weights, as tools that edit metadata do."""
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    header["__metadata__"] = {"modelspec.title": "another title"}
    text = json.dumps(header).encode()
    path.with_suffix(".new").write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length:])
    path.with_suffix(".new").replace(path)


@pytest.fixture
def library(tmp_path):
    """Two models of different weights, and folders to move them to."""
    folder = tmp_path / "models"
    (folder / "other").mkdir(parents=True)
    write(folder / "one.safetensors", [tensor("a.weight", "F32", [MIB // 2]), tensor("b.weight", "BF16", [1000])])
    write(folder / "two.safetensors", [tensor("a.weight", "F32", [MIB // 2], seed=2), tensor("b.weight", "BF16", [1000], seed=2)])
    return folder


def test_hashes_are_those_of_hashlib_and_zlib(start, library):
    daemon = start(library, "--hash", "auto")
    view = wait(daemon, "one", "done")
    assert without_blake3(view["hashes"]) == hashes_of(library / "one.safetensors")
    assert view["hashing"]["bytes_done"] == view["hashing"]["bytes_total"] == (library / "one.safetensors").stat().st_size
    shown = daemon.cli("show", "one").stdout
    assert hashes_of(library / "one.safetensors")["sha256"] in shown and "hashing" not in shown


def test_each_file_of_a_folder_has_its_hashes(start, models):
    daemon = start(models, "--hash", "auto")
    view = wait(daemon, "tiny-llama", "done")
    files = {file["path"]: file for file in view["hashes"]["files"]}
    assert len(files) > 1
    for name, found in files.items():
        wanted = hashes_of(models / "llm" / "tiny-llama" / name)
        assert {key: found[key] for key in wanted} == wanted
    parts = sorted(bytes.fromhex(file["modelspec"][2:]) for file in files.values())
    assert view["hashes"]["combined"] == hashlib.sha256(b"".join(parts)).hexdigest()


def test_a_restart_hashes_nothing_again(start, library):
    daemon = start(library, "--hash", "auto")
    before = [wait(daemon, name, "done") for name in ("one", "two")]
    assert hashed_bytes(daemon) == sum(path.stat().st_size for path in library.glob("*.safetensors"))
    daemon.stop()
    daemon.start()
    after = [wait(daemon, name, "done") for name in ("one", "two")]
    assert [view["hashes"] for view in after] == [view["hashes"] for view in before]
    assert hashed_bytes(daemon) == 0


def test_a_written_file_has_new_hashes(start, library):
    daemon = start(library, "--hash", "auto")
    before = wait(daemon, "one", "done")
    write(library / "one.safetensors", [tensor("a.weight", "F32", [MIB // 2], seed=3)])
    daemon.scan()
    after = wait(daemon, "one", "done")
    assert without_blake3(after["hashes"]) == hashes_of(library / "one.safetensors") and after["hashes"] != before["hashes"]
    assert after["weights_since_generation"] == after["generation"] == before["generation"] + 1


def test_a_moved_model_keeps_its_id(start, library):
    daemon = start(library, "--hash", "auto")
    wait(daemon, "one", "done")
    (library / "one.safetensors").rename(library / "other" / "renamed.safetensors")
    daemon.scan()
    assert wait(daemon, "one", "done")["path"] == str(library / "other" / "renamed.safetensors")
    assert daemon.data("GET", "/api/model/available")["total_models"] == 2


@pytest.mark.parametrize("restart", [False, True], ids=["running", "restarted"])
@pytest.mark.parametrize("tagged", [False, True], ids=["copy", "copy with another header"])
def test_a_model_that_was_copied_and_deleted_keeps_its_id(start, library, restart, tagged):
    daemon = start(library, "--hash", "auto")
    before = [wait(daemon, name, "done") for name in ("one", "two")][0]
    if restart:
        daemon.stop()
    shutil.copy(library / "one.safetensors", library / "other" / "elsewhere.safetensors")
    if tagged:
        retag(library / "other" / "elsewhere.safetensors")
    (library / "one.safetensors").unlink()
    if restart:
        daemon.start()
    daemon.scan()
    after = wait(daemon, "one", "done")
    assert after["state"] == "ok" and after["path"] == str(library / "other" / "elsewhere.safetensors")
    assert after["hashes"]["modelspec"] == before["hashes"]["modelspec"]
    assert after["weights_since_generation"] == before["generation"] < after["generation"]
    assert {model["model_id"] for model in daemon.data("GET", "/api/model/available")["models"]} == {"one", "two"}


def test_a_like_model_is_no_vanished_one(start, library):
    """Same names, shapes and sizes, other weights: a fine-tune of what was deleted is a model of its own."""
    daemon = start(library, "--hash", "auto")
    [wait(daemon, name, "done") for name in ("one", "two")]
    (library / "one.safetensors").unlink()
    write(library / "other" / "tuned.safetensors", [tensor("a.weight", "F32", [MIB // 2], seed=4), tensor("b.weight", "BF16", [1000], seed=4)])
    daemon.scan()
    assert daemon.data("GET", "/api/models/one")["state"] == "missing"
    assert daemon.data("GET", "/api/models/tuned")["state"] == "ok"


def test_new_metadata_leaves_id_and_weights(start, library):
    daemon = start(library, "--hash", "auto")
    before = wait(daemon, "one", "done")
    retag(library / "one.safetensors")
    daemon.scan()
    after = wait(daemon, "one", "done")
    assert after["metadata"]["modelspec.title"] == "another title" and after["generation"] == before["generation"] + 1
    assert after["weights_since_generation"] == before["generation"]
    assert after["hashes"]["modelspec"] == before["hashes"]["modelspec"] and after["hashes"]["sha256"] != before["hashes"]["sha256"]


def test_duplicates_name_each_other(start, library):
    shutil.copy(library / "one.safetensors", library / "other" / "copy.safetensors")
    retag(library / "other" / "copy.safetensors")
    daemon = start(library, "--hash", "auto")
    [wait(daemon, name, "done") for name in ("one", "two", "copy")]
    assert daemon.data("GET", "/api/models/one")["duplicates"] == ["copy"] and daemon.data("GET", "/api/models/copy")["duplicates"] == ["one"]
    assert daemon.data("GET", "/api/models/two")["duplicates"] == []
    assert re.search(r"^copy .* ok, same as one$", daemon.cli("ls").stdout, re.M)
    assert re.search(r"^same as +copy$", daemon.cli("show", "one").stdout, re.M)
    (library / "other" / "copy.safetensors").unlink()
    daemon.scan()
    assert daemon.data("GET", "/api/models/one")["duplicates"] == []


def test_nothing_is_hashed_unasked_when_it_is_off(start, library):
    daemon = start(library, "--hash", "off")
    time.sleep(0.3)
    view = daemon.data("GET", "/api/models/one")
    assert view["hashes"] == {} and view["hashing"]["state"] == "off" and hashed_bytes(daemon) == 0
    done = daemon.cli("hash", "one")
    assert done.returncode == 0 and hashes_of(library / "one.safetensors")["sha256"] in done.stdout
    assert daemon.data("GET", "/api/models/two")["hashes"] == {}
    assert daemon.cli("hash", "nothing").returncode == 3


def test_hashes_are_told_as_events(start, library):
    daemon = start(library, "--hash", "off")
    with urllib.request.urlopen(daemon.url + "/api/events") as stream:
        daemon.data("POST", "/api/models/one/hash")
        lines = iter(lambda: stream.readline().decode().strip(), None)
        next(line for line in lines if line == "event: model.hashed")
        told = json.loads(next(line for line in lines if line.startswith("data: "))[6:])
    assert told["model_id"] == "one" and without_blake3(told["hashes"]) == hashes_of(library / "one.safetensors")


def big_library(folder, size):
    """A small model, and a large one of zeros that take no disk."""
    write(folder / "small.safetensors", [tensor("weight", "F32", [MIB])])
    header = json.dumps({"weight": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    with open(folder / "large.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + size)
    return folder


def load_seconds(daemon):
    """Median time of a load that finds nothing in RAM."""
    times = []
    for _ in range(9):
        began = time.perf_counter()
        daemon.data("POST", "/api/model/load", {"model_id": "small"})
        times.append(time.perf_counter() - began)
        daemon.data("DELETE", "/api/model/unload")
        daemon.data("DELETE", "/api/model/cache")
    return sorted(times)[len(times) // 2]


def test_hashing_goes_on_after_loads_and_does_not_delay_them(start, tmp_path):
    folder = big_library(tmp_path, 24 << 30)
    quiet = start(folder, "--hash", "off")
    alone = load_seconds(quiet)
    quiet.stop()
    daemon = start(folder, "--hash", "auto")
    wait(daemon, "large", "running")
    beside = load_seconds(daemon)
    first = daemon.data("GET", "/api/models/large")["hashing"]["bytes_done"]
    assert beside <= 2 * alone + 0.02, (alone, beside)
    deadline = time.monotonic() + 60
    while daemon.data("GET", "/api/models/large")["hashing"]["bytes_done"] <= first:
        assert time.monotonic() < deadline
    assert daemon.data("GET", "/api/model/scan")["hashing"]["state"] == "running"
    assert os.waitpid(daemon.process.pid, os.WNOHANG) == (0, 0)
    began = time.monotonic()
    assert daemon.stop() == 0 and time.monotonic() - began < 3


def test_a_hash_that_was_asked_for_can_be_cancelled(start, tmp_path):
    daemon = start(big_library(tmp_path, 24 << 30), "--hash", "off")
    assert daemon.data("POST", "/api/models/large/hash")["hashing"]["state"] in ("running", "queued")
    daemon.data("DELETE", "/api/models/large/hash")
    view = wait(daemon, "large", "off")
    assert view["hashes"] == {} and view["hashing"]["bytes_done"] == 0
    assert daemon.cli("hash", "small").returncode == 0


def test_the_page_cache_stays_as_it_was(start, tmp_path):
    from test_held_files import resident_pages

    path = write(tmp_path / "cold.safetensors", [tensor("weight", "U8", [16 * MIB])])
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    before, pages = resident_pages(path)
    assert before < pages // 4
    wait(start(tmp_path, "--hash", "auto"), "cold", "done")
    after, _ = resident_pages(path)
    assert after <= before + 64


def test_what_the_user_said_goes_with_the_id(start, library):
    daemon = start(library, "--hash", "auto")
    wait(daemon, "one", "done")
    daemon.data("PUT", "/api/models/one/metadata", {"family": "sdxl"})
    wait(daemon, "one", "done")
    assert daemon.data("GET", "/api/models/one")["family"] == "sdxl"
    shutil.copy(library / "one.safetensors", library / "other" / "elsewhere.safetensors")
    (library / "one.safetensors").unlink()
    daemon.scan()
    view = daemon.data("GET", "/api/models/one")
    assert view["path"] == str(library / "other" / "elsewhere.safetensors") and view["family"] == "sdxl"


def test_what_is_in_memory_is_hashed_before_all_others(start, library):
    for number in range(24):
        write(library / f"b{number}.safetensors", [tensor("a.weight", "F32", [2 * MIB], seed=number)])
    write(library / "used.safetensors", [tensor("a.weight", "F32", [MIB], seed=99)])
    daemon = start(library, "--hash", "auto")
    daemon.data("POST", "/api/model/cache", {"model_id": "used"})  # sooner than the machine is quiet
    wait(daemon, "used", "done")
    states = [daemon.data("GET", f"/api/models/b{number}")["hashing"]["state"] for number in range(24)]
    assert states.count("done") <= 8
