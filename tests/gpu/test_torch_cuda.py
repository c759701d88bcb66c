"""torch on weights that hoistd has on a real card. `make gpu-test` runs it; what can be shown without a card is in tests/python/test_tensors_on_card.py."""
import gc
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

torch = pytest.importorskip("torch")
if os.environ.get("HOIST_CUDA_DRIVER"):
    pytest.skip("HOIST_CUDA_DRIVER names another driver than torch computes with", allow_module_level=True)
if not torch.version.cuda:
    pytest.skip(f"torch {torch.__version__} was built without CUDA", allow_module_level=True)
if not torch.cuda.is_available():
    pytest.skip("torch sees no card", allow_module_level=True)

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / "python"), str(pathlib.Path(__file__).resolve().parent)]
import hoist  # noqa: E402
import net  # noqa: E402
from own_daemon import HOISTD, Daemon, wait_until  # noqa: E402
from weight_files import every_type, sparse, write  # noqa: E402

GIB = 1 << 30
NAMELESS = ("F6_E2M3", "F6_E3M2")  # torch has no name for them


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Model files."""
    folder = tmp_path_factory.mktemp("files")
    write(folder / "net.safetensors", net.tensors())
    write(folder / "types.safetensors", every_type(skip=NAMELESS))
    sparse(folder / "large.safetensors", "F32", GIB // 4)
    return folder


@pytest.fixture(scope="module")
def shared_daemon(files, tmp_path_factory):
    """A hoistd that serves 4 GiB of the first card."""
    if not HOISTD.exists():
        pytest.skip(f"{HOISTD} is not built")
    daemon = Daemon(tmp_path_factory.mktemp("daemon"), files, "--device", "cuda:0=4G", ram="4G")
    yield daemon
    daemon.stop()


@pytest.fixture
def daemon(shared_daemon, monkeypatch):
    monkeypatch.setenv("HOIST_SOCKET", shared_daemon.socket)
    return shared_daemon


@pytest.fixture
def client(daemon):
    with daemon.client() as client:
        yield client


class Attached:
    """Processes that compute on the shared weights."""

    def __init__(self, count):
        self.processes = [subprocess.Popen([sys.executable, net.__file__, "net"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                           env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}) for _ in range(count)]
        self.distances = [float(process.stdout.readline().split()[1]) for process in self.processes]

    def finish(self):
        """How often each of them computed the same."""
        ends = [process.communicate("\n", timeout=120)[0] for process in self.processes]
        assert [process.returncode for process in self.processes] == [0] * len(ends)
        return [int(end.split()[1]) for end in ends]


def used(client, device="cuda:0"):
    return next(entry["used_bytes"] for entry in client.call("GET", "/api/memory/status")["devices"] if entry["device_id"] == device)


def leases(client, model_id):
    components = client.call("GET", "/api/model/components")["components"]
    return sum(component["leases"] for component in components if component["model_id"] == model_id)


def test_eight_processes_compute_on_one_copy_as_the_cpu_does(client):
    client.load("net", device="cuda:0")
    once = used(client)
    processes = Attached(8)
    assert used(client) == once and leases(client, "net") >= 8
    assert max(processes.distances) < net.TOLERANCE
    assert min(processes.finish()) > 0


def test_what_is_shared_is_on_the_card_once_by_the_drivers_account(client):
    first = client.open("large", device="cuda", share=True)
    torch.cuda.synchronize()
    before = torch.cuda.mem_get_info()[0]
    others = [client.open("large", device="cuda", share=True) for _ in range(7)]
    assert before - torch.cuda.mem_get_info()[0] < GIB // 8
    assert [float(model.tensors()["weight"][0, :1]) for model in (first, *others)] == [0.0] * 8


@pytest.mark.parametrize("share", [False, True])
def test_tensors_of_every_type_have_the_bits_of_the_file(client, share):
    with client.open("types") as on_cpu, client.open("types", device="cuda", share=share) as on_card:
        expected, found = on_cpu.tensors(), on_card.tensors()
        for key, tensor in found.items():
            assert (tensor.dtype, tensor.shape, tensor.device) == (expected[key].dtype, expected[key].shape, torch.device("cuda", 0))
            assert tensor.cpu().contiguous().untyped_storage().tolist() == expected[key].contiguous().untyped_storage().tolist()


def test_private_tensors_are_written_and_nobody_elses(client):
    with client.open("net", device="cuda") as mine, client.open("net", device="cuda") as other:
        name = next(iter(mine.keys()))
        before = other.tensors()[name].clone()
        mine.tensors()[name].fill_(7)
        assert (mine.tensors()[name] == 7).all() and torch.equal(other.tensors()[name], before)


WRITER = """
import hoist, torch
tensor = next(iter(hoist.connect().open("net", device="cuda", share=True).tensors().values()))
print("writes", flush=True)
tensor.fill_(7)
torch.cuda.synchronize()
print("wrote", flush=True)
"""


def test_a_write_to_shared_memory_is_a_fault_of_the_writer_alone(client):
    module = hoist.assign(net.build("meta"), "net", device="cuda", share=True, client=client)
    before = net.answer(module, "cuda")
    done = subprocess.run([sys.executable, "-c", WRITER], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "writes\n" and done.returncode != 0, done.stderr
    assert torch.equal(net.answer(module, "cuda"), before)


def test_copies_into_shared_tensors_are_refused(client):
    with client.open("net", device="cuda", share=True) as shared, client.open("net") as model:
        name = next(iter(model.keys()))
        with pytest.raises(hoist.DeviceError, match="other processes read"):
            client.copy_into(shared.tensors()[name][1:], model, name)


def test_assign_gives_a_meta_module_shared_or_private_weights(client):
    shared = hoist.assign(net.build("meta"), "net", device="cuda", share=True, client=client)
    assert not any(parameter.requires_grad or parameter.is_meta for parameter in shared.parameters())
    private = hoist.assign(net.build("meta"), "net", device="cuda", client=client).train()
    optimizer = torch.optim.SGD(private.parameters(), lr=0.1)
    private(net.question().cuda()).square().mean().backward()
    optimizer.step()
    pairs = list(zip(private.parameters(), shared.parameters()))
    assert any(not torch.equal(mine, one) for mine, one in pairs)


def test_the_lease_lasts_as_long_as_the_storage_of_the_last_tensor(client):
    before = leases(client, "types")
    with client.open("types", device="cuda", share=True) as model:
        part = model.tensors()["F32.4x8"].view(-1)[3:]
    del model
    gc.collect()
    assert leases(client, "types") == before + 1
    del part
    gc.collect()
    wait_until(lambda: leases(client, "types") == before)


def test_other_libraries_get_the_same_memory(client):
    with client.open("net", device="cuda", share=True) as model:
        name = next(iter(model.keys()))
        ours, theirs = model.tensors()[name], torch.from_dlpack(model.raw(name))
        assert ours.data_ptr() == theirs.data_ptr() == model.raw(name).__cuda_array_interface__["data"][0]
        cupy = pytest.importorskip("cupy")
        assert float(cupy.asarray(model.raw(name)).sum()) == pytest.approx(float(ours.sum()), rel=1e-3)


def helpers(pid):
    """Processes hoist-device of a hoistd."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = entry.read_text().partition(")")
        except OSError:
            continue
        if name.endswith("(hoist-device") and int(rest.split()[1]) == pid:
            found.append(int(entry.parent.name))
    return found


@pytest.fixture
def own(files, tmp_path, monkeypatch):
    """A hoistd to be killed."""
    daemon = Daemon(tmp_path, files, "--device", "cuda:0=4G", ram="4G", HOIST_KEEPER_SECONDS="30")
    monkeypatch.setenv("HOIST_SOCKET", daemon.socket)
    yield daemon
    daemon.stop()


def test_processes_compute_on_while_the_helper_is_killed(own):
    client = own.client()
    client.load("net", device="cuda:0")
    processes, working = Attached(4), helpers(own.process.pid)
    assert working
    for pid in working:
        os.kill(pid, signal.SIGKILL)
    time.sleep(1)
    assert "cuda:0" in client.model("net").loaded_on
    assert client.load("types", device="cuda:0")["state"] == "done"
    assert min(processes.finish()) > 0


def test_processes_compute_on_while_hoistd_is_killed_and_comes_back(own):
    own.client().load("net", device="cuda:0")
    before, processes = used(own.client()), Attached(4)
    own.stop(signal.SIGKILL)
    time.sleep(1)
    own.start()
    client = own.client()
    assert "cuda:0" in client.model("net").loaded_on and used(client) == before
    module = hoist.assign(net.build("meta"), "net", device="cuda", share=True, client=client)
    assert (net.answer(module, "cuda") - net.answer(hoist.assign(net.build("meta"), "net", client=client), "cpu")).abs().max() < net.TOLERANCE
    assert min(processes.finish()) > 0


@pytest.mark.parametrize("name", ["net", "types"])
def test_load_file_on_a_card_is_what_safetensors_gives(daemon, name):
    original = pytest.importorskip("safetensors.torch")
    import hoist.safetensors as ours

    before, path = ours.stats(), daemon.library / f"{name}.safetensors"
    found, expected = ours.load_file(path, device="cuda"), original.load_file(path, device="cuda")
    assert ours.stats()["on_card"] == before["on_card"] + 1 and list(found) == list(expected)
    for key, tensor in found.items():
        assert (tensor.dtype, tensor.shape, tensor.device) == (expected[key].dtype, expected[key].shape, expected[key].device)
        assert tensor.cpu().contiguous().untyped_storage().tolist() == expected[key].cpu().contiguous().untyped_storage().tolist()
        tensor.zero_()  # private: no fault


def test_a_patched_program_loads_through_the_card(daemon):
    original = pytest.importorskip("safetensors.torch")
    import hoist.safetensors as ours

    before = ours.stats()["on_card"]
    hoist.patch_safetensors()
    try:
        tensors = original.load_file(daemon.library / "net.safetensors", device="cuda:0")
        with ours.safe_open(daemon.library / "net.safetensors", framework="pt", device="cuda:0") as file:
            name = next(iter(file.keys()))
            first, again = file.get_tensor(name), file.get_tensor(name)
    finally:
        hoist.unpatch_safetensors()
    assert ours.stats()["on_card"] == before + 2 and torch.equal(first, tensors[name])
    first.zero_()
    assert torch.equal(again, tensors[name])


SECOND = """
import hoist
model = hoist.connect().open("net", device="cuda:0")
print(model.device, model.device_uuid, next(iter(model.tensors().values())).device)
"""


def test_a_client_numbers_cards_as_torch_does(files, tmp_path):
    if torch.cuda.device_count() < 2:
        pytest.skip("there is one card")
    daemon = Daemon(tmp_path, files, "--device", "cuda:0=1G", "--device", "cuda:1=1G")
    uuid = daemon.client().open("net", device="cuda:1").device_uuid
    done = subprocess.run([sys.executable, "-c", SECOND], capture_output=True, text=True, timeout=120, check=True,
                          env={**os.environ, "CUDA_VISIBLE_DEVICES": "1", "HOIST_SOCKET": daemon.socket})
    daemon.stop()
    assert done.stdout.split() == ["cuda:0", uuid, "cuda:0"]
