"""Tensors of an open model: the file's bytes, zero-copy, writable, private, and alive as long as anyone looks at them."""
import gc
import multiprocessing
import threading
import time

import numpy
import pytest
import safetensors.torch
import torch

import hoist
from weight_files import BITS

F6 = ("F6_E2M3", "F6_E3M2")


@pytest.fixture
def types(client):
    with client.open("types") as model:
        yield model


def bits(tensor):
    return tensor.contiguous().untyped_storage().tolist()


def test_keys_are_the_files_in_its_order(types, daemon):
    assert list(types.tensors()) == list(types.keys())
    with safetensors.safe_open(daemon.library / "types.safetensors", "pt") as file:
        assert sorted(types.keys()) == file.keys()
        assert list(types.keys()) == file.offset_keys()


@pytest.mark.parametrize("dtype", [name for name in BITS if name not in F6])
def test_torch_tensors_are_what_safetensors_gives(types, daemon, dtype):
    found = types.tensors()
    with safetensors.safe_open(daemon.library / "types.safetensors", "pt") as file:
        for key in (key for key in found if key.split(".")[0] == dtype):
            expected = file.get_tensor(key)
            assert (found[key].dtype, found[key].shape) == (expected.dtype, expected.shape)
            assert bits(found[key]) == bits(expected)
            assert found[key].storage_offset() == 0 and found[key].untyped_storage().nbytes() == expected.untyped_storage().nbytes()


@pytest.mark.parametrize("dtype", F6)
def test_what_torch_cannot_name_is_raw_bytes(types, dtype):
    found = types.tensors()[f"{dtype}.4x8"]
    assert found.dtype == torch.uint8 and found.shape == (24,)
    assert types.numpy()[f"{dtype}.4x8"].tolist() == found.tolist()


def test_numpy_shares_the_bytes_of_torch(types):
    arrays, tensors = types.numpy(), types.tensors()
    for key, array in arrays.items():
        assert array.flags.writeable and array.tobytes() == bytes(bits(tensors[key]))
    assert arrays["F32.4x8"].dtype == numpy.float32 and arrays["F32.4x8"].shape == (4, 8)
    arrays["F32.8"][0] = 42
    assert tensors["F32.8"][0] == 42


def test_numpy_names_bf16_and_fp8_by_ml_dtypes(types):
    pytest.importorskip("ml_dtypes")
    names = {key.split(".")[0]: str(array.dtype) for key, array in types.numpy().items()}
    assert (names["BF16"], names["F8_E4M3"], names["F8_E8M0"]) == ("bfloat16", "float8_e4m3fn", "float8_e8m0fnu")


def test_numpy_without_ml_dtypes_shows_the_bits(types, monkeypatch):
    from hoist import _numpy

    monkeypatch.setattr(_numpy, "ml_dtypes", None)
    monkeypatch.setattr(_numpy, "_DTYPES", _numpy._dtypes())
    assert types.numpy()["BF16.8"].dtype == numpy.uint16 and types.numpy()["F8_E4M3.8"].dtype == numpy.uint8


def test_misaligned_tensors_are_served_as_safetensors_does(client, daemon):
    expected = safetensors.torch.load_file(daemon.library / "odd.safetensors")
    with client.open("odd") as model:
        for key, found in model.tensors().items():
            assert bits(found) == bits(expected[key])
            assert model.numpy()[key].tobytes() == bytes(bits(expected[key]))


def test_equal_tensors_do_not_alias(client):
    with client.open("twins") as model:
        tensors = model.tensors()
        tensors["a"][0] = 5
        assert tensors["b"].tolist() == [1, 1, 1, 1]


def test_writes_stay_private(client):
    with client.open("many") as first, client.open("many") as second:
        first.tensors()["blocks.0.weight"].fill_(7)
        assert not (second.tensors()["blocks.0.weight"] == 7).any()


def test_a_write_in_one_process_is_not_seen_in_another(client, daemon):
    with client.open("types") as model:
        model.tensors()["I32.4x8"].fill_(1234)
        context = multiprocessing.get_context("spawn")
        with context.Pool(1) as pool:
            assert pool.apply(first_number, (client, "types", "I32.4x8")) != 1234


def first_number(client, model_id, key):
    with client.open(model_id) as model:
        return int(model.tensors()[key].flatten()[0])


def leases(client, model_id):
    components = client.call("GET", "/api/model/components")["components"]
    return sum(component["leases"] for component in components if component["model_id"] == model_id)


def wait_for(condition):
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_tensors_outlive_everything_and_then_the_lease_ends(daemon, client):
    before = leases(client, "many")
    other = daemon.client()
    with other.open("many") as model:
        tensor = model.tensors()["blocks.7.weight"].view(torch.int32)  # random bytes: NaN is not equal to itself
        expected = tensor.clone()
    other.close()
    del model, other
    gc.collect()
    assert torch.equal(tensor, expected) and leases(client, "many") == before + 1
    view = tensor.view(-1)[3:]
    del tensor
    gc.collect()
    assert leases(client, "many") == before + 1
    del view
    assert wait_for(lambda: leases(client, "many") == before)


def test_a_forked_child_keeps_tensors_and_makes_a_connection_of_its_own(client):
    with client.open("types") as model:
        tensor = model.tensors()["I64.8"]
        expected = tensor.tolist()
        queue = multiprocessing.get_context("fork").SimpleQueue()
        child = multiprocessing.get_context("fork").Process(
            target=lambda: queue.put((tensor.tolist(), first_number(client, "types", "I64.8"))))
        child.start()
        assert queue.get() == (expected, expected[0])
        child.join()
    assert first_number(client, "types", "I64.8") == expected[0]


def test_eight_threads_share_a_client(client):
    found = []
    threads = [threading.Thread(target=lambda: found.append(first_number(client, "types", "U16.8"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(found)) == 1


def test_dlpack_for_any_consumer(types):
    view = types.raw("F32.4x8")
    assert (view.name, view.dtype, view.shape, view.nbytes) == ("F32.4x8", "F32", (4, 8), 128)
    assert view.__dlpack_device__() == (1, 0)
    assert "dltensor_versioned" in repr(view.__dlpack__(max_version=(1, 0))) and '"dltensor"' in repr(view.__dlpack__())
    assert numpy.from_dlpack(view).tobytes() == bytes(view) == bytes(bits(torch.from_dlpack(view)))
    with pytest.raises(BufferError):
        view.__dlpack__(copy=True)


def test_a_closed_model_says_so(client):
    model = client.open("types")
    model.close()
    with pytest.raises(ValueError, match="closed"):
        model.tensors()
    assert "closed" in repr(model)


def test_mapping_manners(types):
    tensors = types.tensors()
    assert len(tensors) == len(list(tensors)) and "F32.8" in tensors and "nothing" not in tensors
    assert tensors["F32.8"] is tensors["F32.8"] is tensors.copy()["F32.8"]
    assert list(tensors.keys()) == [key for key, _ in tensors.items()] and len(tensors.values()) == len(tensors)
    with pytest.raises(KeyError):
        tensors["nothing"]
    with pytest.raises(hoist.NotFound):
        types.tensors("no_such_role")


def test_copy_into_fills_the_callers_memory(client):
    with client.open("types") as model:
        target = torch.empty(4, 8)
        assert client.copy_into(target, model, "F32.4x8") is target
        assert bits(target) == bits(model.tensors()["F32.4x8"])
        array = numpy.empty((8,), numpy.float64)
        client.copy_into(array, model, "F64.8")
        assert array.tobytes() == model.numpy()["F64.8"].tobytes()
        with pytest.raises(ValueError, match="shape"):
            client.copy_into(torch.empty(3), model, "F32.8")


def test_attaching_takes_a_third_of_safetensors_time(client, daemon):
    with client.open("many") as model:
        ours = best(lambda: model.tensors().copy())
    assert ours < best(lambda: safetensors.torch.load_file(daemon.library / "many.safetensors")) / 3


def best(function):
    times = []
    for _ in range(10):
        began = time.perf_counter()
        kept = function()
        times.append(time.perf_counter() - began)
        del kept
    return min(times)
