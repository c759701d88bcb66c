"""Equal tensors of different models are in memory once, found by their hashes before a load or after it."""
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
