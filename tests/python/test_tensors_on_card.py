"""Models on a card, as Python gets them: on the double of the driver, whose device addresses this process can read. What torch computes there needs a real card
(tests/gpu)."""
import ctypes
import gc
import os
import signal
import subprocess
import sys

import numpy
import pytest
import safetensors.torch
import torch

import hoist
import hoist._core
import hoist.safetensors as ours
from card_memory import DRIVER, READ_ONLY, content, look, machine
from own_daemon import HOISTD, Daemon
from test_tensors import bits, leases, wait_for
from weight_files import every_type, sparse, tensor, write

DLPACK = {"BF16": (4, 16), "F8_E4M3": (10, 8), "F8_E5M2": (12, 8), "F32": (2, 32), "BOOL": (6, 8), "C64": (5, 64), "F4": (17, 4)}


@pytest.fixture(scope="module")
def cards():
    """A machine with two cards."""
    if not HOISTD.exists() or not DRIVER.exists():
        pytest.skip(f"{HOISTD} or {DRIVER} is not built")
    with machine(cards=2) as state:
        yield state


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Model files."""
    folder = tmp_path_factory.mktemp("files")
    write(folder / "types.safetensors", every_type())
    write(folder / "many.safetensors", [tensor(f"blocks.{i}.weight", "F32", [8, 8]) for i in range(2000)])
    write(folder / "linear.safetensors", [tensor("weight", "F32", [3, 4]), tensor("bias", "F32", [3])])
    sparse(folder / "huge.safetensors", "F32", 128 << 20)
    return folder


@pytest.fixture(scope="module")
def daemon(cards, files, tmp_path_factory):
    """A hoistd that serves both."""
    daemon = Daemon(tmp_path_factory.mktemp("daemon"), files, "--device", "cuda:0=128M", "--device", "cuda:1=128M")
    yield daemon
    daemon.stop()


@pytest.fixture
def client(daemon, monkeypatch):
    monkeypatch.setenv("HOIST_SOCKET", daemon.socket)
    with daemon.client() as client:
        yield client


def expected():
    return {name: data for name, _, _, data in every_type()}


@pytest.mark.parametrize("share", [False, True])
def test_every_tensor_is_on_the_card_as_in_the_file(client, files, share):
    with client.open("types", device="cuda:0", share=share) as model:
        assert (model.device, model.shared) == ("cuda:0", share) and model.device_uuid.startswith("GPU-")
        assert {key: content(model.raw(key)) for key in model.keys()} == expected()


@pytest.mark.parametrize("share", [False, True])
def test_capsules_say_where_it_is_and_whether_it_may_be_written(client, share):
    with client.open("types", device="cuda:1", share=share) as model:
        for dtype, kind in DLPACK.items():
            view = model.raw(f"{dtype}.4x8")
            said = look(capsule := view.__dlpack__(max_version=(1, 0)))
            assert (said.tensor.device_type, said.tensor.device_id) == view.__dlpack_device__() == (2, 1)
            assert (said.tensor.code, said.tensor.bits) == kind and said.tensor.shape[:2] == [4, 8]
            assert said.flags & READ_ONLY == share == view.shared
            del capsule


def test_a_consumer_that_cannot_be_told_gets_no_shared_memory(client):
    with client.open("types", device="cuda", share=True) as model:
        with pytest.raises(BufferError, match="max_version"):
            model.raw("F32.8").__dlpack__()
    with client.open("types", device="cuda") as model:
        assert '"dltensor"' in repr(model.raw("F32.8").__dlpack__(dl_device=(2, 0)))


def test_a_consumer_that_wants_it_elsewhere_copies_it_itself(client):
    with client.open("types", device="cuda") as model:
        for elsewhere in ((1, 0), (2, 1), "cpu"):
            with pytest.raises(BufferError, match="copy the result"):
                model.raw("F32.8").__dlpack__(dl_device=elsewhere)


def test_the_cuda_array_interface_has_the_types_of_numpy(client):
    with client.open("types", device="cuda", share=True) as model:
        said = model.raw("F16.4x8").__cuda_array_interface__
        assert (said["shape"], said["typestr"], said["data"][1], said["version"]) == ((4, 8), "<f2", True, 3)
        assert ctypes.string_at(said["data"][0], 64) == content(model.raw("F16.4x8"))
        assert not hasattr(model.raw("BF16.8"), "__cuda_array_interface__")
    with client.open("types") as model:
        assert not hasattr(model.raw("F16.8"), "__cuda_array_interface__")


def test_memory_of_a_card_is_no_buffer(client):
    with client.open("types", device="cuda") as model:
        with pytest.raises(BufferError, match="DLPack"):
            memoryview(model.raw("F32.8"))
        with pytest.raises(hoist.DeviceError, match="device='cpu'"):
            model.numpy()


def test_torch_without_cuda_says_so(client):
    with client.open("types", device="cuda") as model, pytest.raises(hoist.DeviceError, match="built without CUDA"):
        model.tensors()


def test_assign_loads_nothing_that_torch_cannot_use(client):
    with pytest.raises(hoist.DeviceError, match="built without CUDA"):
        hoist.assign(torch.nn.Linear(4, 3, device="meta"), "linear", device="cuda", share=True, client=client)
    assert client.model("linear").loaded_on == []


def test_private_memory_is_writable_and_nobody_elses(client):
    with client.open("linear", device="cuda") as first, client.open("linear", device="cuda") as second:
        before = content(second.raw("bias"))
        ctypes.memset(first.raw("bias").__cuda_array_interface__["data"][0], 1, 12)
        assert content(first.raw("bias")) == b"\1" * 12 and content(second.raw("bias")) == before


def test_shared_memory_is_there_once(client, daemon):
    def used():
        return next(device["used_bytes"] for device in daemon.data("GET", "/api/memory/status")["devices"] if device["device_id"] == "cuda:0")

    client.unload(device="cuda:0")
    before = used()
    first = client.open("many", device="cuda:0", share=True)
    once = used()
    second = client.open("many", device="cuda:0", share=True)
    assert before < once == used() and content(first.raw("blocks.7.weight")) == content(second.raw("blocks.7.weight"))


WRITER = """
import ctypes, hoist
model = hoist.connect().open("linear", device="cuda", share=True)
print("writes", flush=True)
ctypes.memset(model.raw("bias").__cuda_array_interface__["data"][0], 1, 12)
"""


def run(script, **environment):
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment})


def test_a_write_to_shared_memory_ends_the_writer_alone(client):
    with client.open("linear", device="cuda", share=True) as model:
        before = content(model.raw("bias"))
        done = run(WRITER)
        assert done.stdout == "writes\n" and done.returncode == -signal.SIGSEGV
        assert content(model.raw("bias")) == before


def test_copies_into_shared_memory_are_refused(client):
    with client.open("linear", device="cuda", share=True) as shared, client.open("linear") as model:
        address = shared.raw("bias").__cuda_array_interface__["data"][0]
        target = torch.frombuffer((ctypes.c_char * 12).from_address(address), dtype=torch.float32)
        with pytest.raises(hoist.DeviceError, match="other processes read"):
            client.copy_into(target, model, "bias")
        with pytest.raises(hoist.DeviceError, match="other processes read"):
            client.copy_into(target[1:2].view(()), model, "bias")


def test_the_lease_ends_with_the_last_view(client):
    before = leases(client, "linear")
    model = client.open("linear", device="cuda", share=True)
    view, capsule = model.raw("bias"), model.raw("weight").__dlpack__(max_version=(1, 0))
    model.close()
    del model
    gc.collect()
    assert leases(client, "linear") == before + 1 and len(content(view)) == 12
    del view
    assert leases(client, "linear") == before + 1
    del capsule
    assert wait_for(lambda: leases(client, "linear") == before)


SECOND = """
import hoist
client = hoist.connect()
model = client.open("linear", device="cuda:0")
print(model.device, model.device_uuid, client.status("cuda:0")["device_id"], client.load("linear", device="cuda")["device_id"])
try:
    client.open("linear", device="cuda:1")
except hoist.DeviceError as error:
    print(error.code, error)
"""


def test_a_client_numbers_cards_as_its_own_driver_does(client):
    uuid = client.open("linear", device="cuda:1").device_uuid
    first, second = run(SECOND, CUDA_VISIBLE_DEVICES="1").stdout.splitlines()
    assert first == f"cuda:0 {uuid} cuda:1 cuda:1"
    assert second.startswith("device_not_found") and "CUDA_VISIBLE_DEVICES=1" in second


def test_cuda_is_torchs_current_card_once_torch_uses_one(monkeypatch):
    from hoist import _device

    assert (_device.to_open("cuda"), _device.to_open(torch.device("cuda", 1)), _device.to_open("host:0")) == ("cuda", "cuda:1", None)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 3)
    assert (_device.to_open("cuda"), _device.to_open("cuda:0")) == ("cuda:3", "cuda:0")


def test_only_a_cards_number_is_translated_before_the_daemon_is_asked(client):
    from hoist import _device

    uuid = client.open("linear", device="cuda:1").device_uuid
    assert [_device.to_ask(name) for name in (None, "cpu", "host:0", uuid, "cuda:1")] == [None, "host:0", "host:0", uuid, uuid]


NO_DRIVER = """
import hoist
client = hoist.connect()
for call in (lambda: client.open("linear", device="cuda"), lambda: client.status("cuda:0")):
    try:
        call()
    except hoist.DeviceError as error:
        print(error.code, error)
"""


def test_a_client_without_a_driver_says_so(client):
    lines = run(NO_DRIVER, HOIST_CUDA_DRIVER="/nonexistent/libcuda.so.1").stdout.splitlines()
    assert len(lines) == 2 and all(line.startswith("device_unavailable") for line in lines)


def test_what_does_not_fit_on_the_card_is_out_of_memory_and_leaves_nothing(client):
    with pytest.raises(hoist.OutOfMemory):
        client.open("huge", device="cuda:0")
    assert client.model("huge").loaded_on == []


def test_mapped_memory_outlives_a_hoistd_that_is_killed(cards, files, tmp_path):
    daemon = Daemon(tmp_path, files, "--device", "cuda:0=64M")
    model = daemon.client().open("types", device="cuda:0", share=True)
    daemon.stop(signal.SIGKILL)
    assert {key: content(model.raw(key)) for key in model.keys()} == expected()


# ---- the drop-in ----


@pytest.fixture
def fake_torch(monkeypatch):
    """A torch whose tensors on a card are CPU tensors at the addresses of the double."""
    from hoist import _torch

    def one(model, index):
        view = model.view(index)
        if view.nbytes == 0:
            return _torch.finish(torch.empty(0, dtype=torch.uint8), view)
        memory = (ctypes.c_char * view.nbytes).from_address(look(view.__dlpack__(max_version=(1, 0))).tensor.data)
        memory.view = view  # keeps the model
        dtype = getattr(torch, _torch._TORCH_NAMES.get(view.dtype, {"F32": "float32"}.get(view.dtype, "uint8")))
        return torch.frombuffer(memory, dtype=torch.uint8).view(dtype).view(view.shape)

    monkeypatch.setattr(_torch, "check_device", lambda device: None)
    monkeypatch.setattr(_torch, "wake", lambda device: None)
    monkeypatch.setattr(_torch, "one", one)
    monkeypatch.setattr(_torch, "several", lambda model, names: {name: one(model, index) for name, index in names.items()})


@pytest.mark.parametrize("share", [False, True])
def test_assign_gives_a_meta_module_weights_that_learn_only_when_private(client, files, fake_torch, share):
    module = hoist.assign(torch.nn.Linear(4, 3, device="meta"), "linear", device="cuda", share=share, client=client)
    assert bits(module.bias.detach()) == list(numpy_of(files, "bias"))
    assert [parameter.requires_grad for parameter in module.parameters()] == [not share] * 2
    address = module.weight.data_ptr()
    del module
    gc.collect()
    assert not hoist._core.is_shared(address)


def test_a_file_with_more_or_less_than_the_card_has_is_read_by_safetensors(client, files, fake_torch, monkeypatch):
    monkeypatch.setattr("hoist._card_file.CardFile.has_all", lambda self, names: False)
    with pytest.raises(RuntimeError):  # the original's, which has no card here
        ours.load_file(files / "linear.safetensors", device="cuda")


def test_load_file_on_a_card_is_filled_by_hoistd(client, files, fake_torch):
    before, plain = ours.stats(), ours.load_file(files / "many.safetensors")
    found = ours.load_file(files / "many.safetensors", device="cuda:0")
    assert ours.stats()["on_card"] == before["on_card"] + 1
    assert list(found) == list(plain) and all(bits(found[key]) == bits(plain[key]) for key in plain)


def test_safe_open_gives_each_tensor_once_from_the_card(client, files, fake_torch, monkeypatch):
    with ours.safe_open(files / "linear.safetensors", framework="pt", device="cuda") as file:
        asked = []
        monkeypatch.setattr(file, "_inner", Recorder(file._inner, asked))
        first = file.get_tensor("bias")
        assert asked == [] and first.numpy().tobytes() == numpy_of(files, "bias")
        with pytest.raises(RuntimeError):
            file.get_tensor("bias")  # the original's, which has no card here
        with pytest.raises(safetensors.SafetensorError):
            file.get_tensor("nothing")
        assert asked == ["bias", "nothing"]


class Recorder:
    """A safe_open that notes which tensors it is asked for."""

    def __init__(self, inner, asked):
        self.inner = inner
        self.asked = asked

    def get_tensor(self, name):
        self.asked.append(name)
        return self.inner.get_tensor(name)

    def __getattr__(self, name):
        return getattr(self.inner, name)


def numpy_of(files, name):
    with safetensors.safe_open(files / "linear.safetensors", "np") as file:
        return file.get_tensor(name).tobytes()


@pytest.mark.parametrize("arguments", [{"device": "cuda:0"}, {"device": "cuda:7"}, {"device": 0}, {"device": "cuda:x"}])
def test_without_a_torch_with_cuda_load_file_fails_as_the_original(client, files, arguments):
    path = files / "linear.safetensors"
    with pytest.raises((RuntimeError, ValueError, safetensors.SafetensorError)) as original:
        safetensors.torch.load_file(path, **arguments)
    with pytest.raises(type(original.value)) as found:
        ours.load_file(path, **arguments)
    assert str(found.value) == str(original.value)


def test_numpy_arrays_are_still_the_originals(client, files):
    assert isinstance(ours.safe_open(files / "linear.safetensors", "np").get_tensor("bias"), numpy.ndarray)
