"""Equal tensors of different models are in memory once, found by their hashes before a load or after it."""
import concurrent.futures
import hashlib
import os
import time

import pytest

from weight_files import tensor, write

MIB = 1 << 20
SHARED = [tensor(f"first_stage_model.decoder.{i}.weight", "F32", [MIB // 4]) for i in range(4)]  # 4 MiB, equal everywhere


def unet(seed):
    """2 MiB that no other model has."""
    return [tensor(f"model.diffusion_model.input_blocks.{i}.0.weight", "F16", [MIB // 2], seed) for i in range(2)]


@pytest.fixture
def library(tmp_path):
    """Two checkpoints with the same VAE, each behind another header."""
    folder = tmp_path / "models"
    folder.mkdir()
    write(folder / "one.safetensors", unet(1) + SHARED, {"note": "x"})
    write(folder / "two.safetensors", SHARED + unet(2), {"note": "another header, so that nothing lies at the same place"})
    return folder


def used(daemon):
    """Bytes charged to the RAM budget."""
    return daemon.data("GET", "/api/model/cache")["used_bytes"]


def hash_models(daemon, *names):
    """Hash models now and wait."""
    for name in names:
        assert daemon.cli("hash", name).returncode == 0


def load(daemon, name):
    """Bring a model into RAM."""
    return daemon.data("POST", "/api/model/cache", {"model_id": name})


def contents(daemon, name):
    """Digest of every tensor of a model, read through a mapping of it."""
    with daemon.client() as client, client.open(name) as model:
        return {key: hashlib.sha256(value.tobytes()).hexdigest() for key, value in model.numpy().items()}


def wanted(tensors):
    """The same of what was written."""
    return {name: hashlib.sha256(data).hexdigest() for name, _, _, data in tensors}


def component(daemon, component_id):
    """A component as hoist shows it."""
    return daemon.data("GET", f"/api/model/cache/{component_id}")


BACKINGS = ["page_cache", "tmpfs_huge", "memfd_huge", "pages"]


@pytest.mark.parametrize("backing", BACKINGS)
def test_what_is_known_to_be_there_is_neither_read_nor_charged(start, library, backing):
    daemon = start(library, HOIST_FORCE_BACKING=backing)
    hash_models(daemon, "one", "two")
    load(daemon, "one")
    before = daemon.data("GET", "/api/model/cache")
    load(daemon, "two")
    after = daemon.data("GET", "/api/model/cache")
    assert after["filled_bytes"] - before["filled_bytes"] <= 2 * MIB + 16384
    assert after["used_bytes"] - before["used_bytes"] <= 2 * MIB + 16384
    assert contents(daemon, "one") == wanted(unet(1) + SHARED)
    assert contents(daemon, "two") == wanted(unet(2) + SHARED)
    vae = component(daemon, "two:vae")
    assert vae["shared_with"] == ["one:vae"] and 4 * MIB <= vae["shared_bytes"] <= 4 * MIB + 16384
    assert component(daemon, "two:model")["shared_with"] == []


@pytest.mark.parametrize("backing", ["page_cache", "tmpfs_huge"])
@pytest.mark.parametrize("first, second", [("one", "two"), ("two", "one")])
def test_whichever_goes_first_what_the_other_uses_stays(start, library, backing, first, second):
    daemon = start(library, HOIST_FORCE_BACKING=backing)
    hash_models(daemon, "one", "two")
    load(daemon, "one")
    load(daemon, "two")
    both = used(daemon)
    freed = daemon.data("DELETE", "/api/model/cache", {"model_id": first})["freed_bytes"]
    assert 2 * MIB <= freed <= 2 * MIB + 16384 and used(daemon) == both - freed
    assert contents(daemon, second) == wanted(unet(1 if second == "one" else 2) + SHARED)
    daemon.data("DELETE", "/api/model/unload", {"model_id": second})
    assert daemon.data("DELETE", "/api/model/cache", {"model_id": second})["freed_bytes"] == both - freed
    assert used(daemon) == 0


@pytest.mark.parametrize("backing", BACKINGS)
def test_what_is_found_equal_later_becomes_one_and_who_maps_it_reads_on(start, library, backing):
    daemon = start(library, HOIST_FORCE_BACKING=backing)
    load(daemon, "one")
    load(daemon, "two")
    both = used(daemon)
    assert both >= 12 * MIB
    with daemon.client() as client, client.open("two") as model:
        mapped = model.numpy()
        hash_models(daemon, "one", "two")
        deadline = time.monotonic() + 20
        while component(daemon, "two:vae")["shared_bytes"] + component(daemon, "one:vae")["shared_bytes"] == 0:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert {key: hashlib.sha256(value.tobytes()).hexdigest() for key, value in mapped.items()} == wanted(unet(2) + SHARED)
        del mapped
    deadline = time.monotonic() + 20
    room = 16384 if backing in ("page_cache", "tmpfs_huge") else 4 * MIB  # a sealed memfd goes as a whole
    while used(daemon) > 8 * MIB + room:
        assert time.monotonic() < deadline, used(daemon)
        time.sleep(0.02)
    for name, seed in (("one", 1), ("two", 2)):
        assert contents(daemon, name) == wanted(unet(seed) + SHARED)


def test_equal_tensors_of_one_model_are_not_one_memory(start, library):
    write(library / "pair.safetensors", [(name, dtype, shape, data) for name in ("a", "b") for _, dtype, shape, data in SHARED[:1]])
    daemon = start(library)
    hash_models(daemon, "one", "pair")
    load(daemon, "one")
    with daemon.client() as client, client.open("pair") as model:
        tensors = model.tensors()
        tensors["a"].zero_()
        assert tensors["b"].numpy().tobytes() == SHARED[0][3]


def test_a_tensor_that_only_seems_equal_is_not_shared(start, library):
    almost = bytearray(SHARED[0][3])
    almost[-1] ^= 1
    write(library / "almost.safetensors", [(*SHARED[0][:3], bytes(almost))])
    daemon = start(library)
    hash_models(daemon, "one", "almost")
    load(daemon, "one")
    assert contents(daemon, "almost") == {SHARED[0][0]: hashlib.sha256(bytes(almost)).hexdigest()}


def test_the_twin_of_a_file_that_is_written_is_read_anew(start, library):
    daemon = start(library)
    hash_models(daemon, "one", "two")
    load(daemon, "one")
    load(daemon, "two")
    with open(library / "one.safetensors", "r+b") as file:  # in place: hoistd is told before
        file.seek(-MIB, os.SEEK_END)
        file.write(b"\0" * MIB)
    assert contents(daemon, "two") == wanted(unet(2) + SHARED)


@pytest.mark.parametrize("backing", ["tmpfs_huge", "memfd_huge"])
def test_defragment_closes_holes_and_says_what_it_did(start, library, backing):
    daemon = start(library, HOIST_FORCE_BACKING=backing)
    hash_models(daemon, "one", "two")
    load(daemon, "one")
    load(daemon, "two")
    daemon.data("DELETE", "/api/model/cache", {"component_ids": ["one:model"]})
    hash_models(daemon, "one", "two")
    daemon.data("DELETE", "/api/model/cache", {"model_id": "one"})
    did = daemon.data("POST", "/api/memory/operations/defragment")
    assert did["after"]["fragmentation"] <= did["before"]["fragmentation"]
    assert did["after"]["stuck_bytes"] == 0 and did["after"]["thin_regions"] == 0
    assert contents(daemon, "two") == wanted(unet(2) + SHARED)


def test_a_huge_page_of_which_a_part_went_is_counted_until_memory_is_made_whole(start, library):
    parts = [tensor(f"model.diffusion_model.input_blocks.{i}.0.weight", "F16", [3 * MIB // 2], 20 + i) for i in range(3)]  # of 3 MiB
    write(library / "all.safetensors", parts)
    write(library / "part.safetensors", parts[1:2])
    daemon = start(library, HOIST_FORCE_BACKING="tmpfs_huge")
    hash_models(daemon, "all", "part")
    load(daemon, "all")
    load(daemon, "part")
    daemon.data("DELETE", "/api/model/cache", {"model_id": "all"})
    did = daemon.data("POST", "/api/memory/operations/defragment")
    assert did["before"]["split_huge_pages"] == 2 and did["after"]["split_huge_pages"] == 0, did  # it begins in one and ends in another
    assert did["moved_bytes"] >= 3 * MIB and contents(daemon, "part") == wanted(parts[1:2])


def real_shape(seed, blocks=12):
    """Large tensors with small ones between them, as in a real checkpoint; half of the biases are zeros."""
    rows = []
    for i in range(blocks):
        name = f"first_stage_model.decoder.up.{i}.conv"
        rows += [tensor(f"{name}.weight", "F16", [32 * 1024], seed), tensor(f"{name}.bias", "F16", [160], seed)]
        rows += [(f"{name}.norm.bias", "F16", [160], bytes(320))]
    return rows


@pytest.mark.parametrize("backing", BACKINGS)
def test_small_tensors_between_large_ones_are_shared_with_them(start, library, backing):
    shared = real_shape(7)
    write(library / "a.safetensors", unet(3) + shared)
    write(library / "b.safetensors", unet(4) + shared, {"padding": "y" * 24})
    daemon = start(library, HOIST_FORCE_BACKING=backing)
    hash_models(daemon, "a", "b")
    load(daemon, "a")
    before = used(daemon)
    load(daemon, "b")
    assert used(daemon) - before <= 2 * MIB + 16384
    assert contents(daemon, "a") == wanted(unet(3) + shared)
    assert contents(daemon, "b") == wanted(unet(4) + shared)
    with daemon.client() as client, client.open("b") as model:  # equal ones of one model stay apart
        tensors = model.tensors("vae")
        tensors["first_stage_model.decoder.up.0.conv.norm.bias"].fill_(1)
        assert not tensors["first_stage_model.decoder.up.1.conv.norm.bias"].any()


def load_at_once(daemon, names):
    """Ask for all before any is there, and wait for all."""
    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        return list(pool.map(lambda name: load(daemon, name), names))


def checkpoints(library, count, seed):
    """Write so many that share all but their UNet. Returns their tensors by name."""
    shared = SHARED + real_shape(seed)
    written = {f"c{i}": unet(10 + i) + shared for i in range(count)}
    for number, (name, tensors) in enumerate(written.items()):
        write(library / f"{name}.safetensors", tensors, {"padding": "z" * 8 * number})
    return written, sum(len(row[3]) for row in shared) + count * 2 * MIB


def wait_until_used_at_most(daemon, limit):
    """Sharing runs by itself once loads have ended."""
    deadline = time.monotonic() + 20
    while used(daemon) > limit:
        assert time.monotonic() < deadline, (used(daemon), limit)
        time.sleep(0.05)


@pytest.mark.parametrize("backing", BACKINGS)
def test_what_is_loaded_at_once_is_read_once(start, library, backing):
    written, union = checkpoints(library, 4, 8)
    daemon = start(library, HOIST_FORCE_BACKING=backing)
    hash_models(daemon, *written)
    load_at_once(daemon, list(written))
    cache = daemon.data("GET", "/api/model/cache")
    assert max(cache["used_bytes"], cache["filled_bytes"]) <= 1.02 * union
    for name, tensors in written.items():
        assert contents(daemon, name) == wanted(tensors)


@pytest.mark.parametrize("backing", ["page_cache", "tmpfs_huge"])
def test_what_is_loaded_at_once_and_hashed_at_once_is_shared_afterwards(start, library, backing):
    written, union = checkpoints(library, 4, 9)
    daemon = start(library, HOIST_FORCE_BACKING=backing)
    load_at_once(daemon, list(written))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: hash_models(daemon, name), written))
    wait_until_used_at_most(daemon, 1.02 * union)
    for name, tensors in written.items():
        assert contents(daemon, name) == wanted(tensors)


def test_a_load_that_waits_for_a_twin_goes_on_when_that_fails_or_is_cancelled(start, library):
    written, _ = checkpoints(library, 3, 6)
    daemon = start(library, HOIST_FAULT="load=io")
    hash_models(daemon, *written)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda name: daemon.http("POST", "/api/model/cache", {"model_id": name}), written))
    assert sorted(answer["success"] for _, answer in answers) == [False, True, True]
    for name, tensors in written.items():
        assert contents(daemon, name) == wanted(tensors)
