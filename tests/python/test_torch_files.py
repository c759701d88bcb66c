"""What torch.save wrote: every tensor's bytes as torch.load reads them back, in both of its formats; and pickles that would run code."""
import collections
import json
import os
import pickle
import subprocess
import sys
import zipfile

import pytest
import torch
from own_daemon import HOIST, Daemon

DTYPES = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64,
          torch.float8_e4m3fn, torch.float8_e5m2]


def state():
    """Tensors of every type and of the shapes that matter: scalars, empty ones, views of one storage, parameters, tied ones."""
    torch.manual_seed(1)
    base = torch.randn(6, 4)
    tensors = collections.OrderedDict((f"types.{str(dtype)[6:]}", (torch.randn(3, 5) * 3).to(dtype)) for dtype in DTYPES)
    tensors.update(scalar=torch.tensor(3.5), empty=torch.zeros(0, 7), base=base, view=base[2:4], row=base[5], tied=base, parameter=torch.nn.Parameter(torch.randn(9)),
                   one=torch.randn(1, 1, 4, 1), buffer=torch.arange(10))
    return tensors


def files(folder):
    """The same weights as people save them."""
    module = torch.nn.Sequential(torch.nn.Linear(5, 3), torch.nn.Conv2d(2, 4, 3), torch.nn.BatchNorm1d(4))
    old = {name: tensor for name, tensor in state().items() if "float8" not in name}
    torch.save(state(), folder / "plain.pt")
    torch.save({"state_dict": state(), "epoch": 7, "optimizer": {"lr": 1e-3, "betas": (0.9, 0.999)}, "note": "x"}, folder / "lightning.ckpt")
    torch.save(module.state_dict(), folder / "module.pth")
    torch.save({"params_ema": module.state_dict(), "nested": {"deep": {"er": torch.ones(3)}}}, folder / "nested.bin")
    torch.save(old, folder / "stream.pt", _use_new_zipfile_serialization=False)
    torch.save({"state_dict": old}, folder / "stream-state.ckpt", _use_new_zipfile_serialization=False)
    torch.save(torch.randn(4, 4), folder / "alone.pt")
    many = {f"layers.{i}.weight": torch.full((2,), float(i)) for i in range(5000)}
    torch.save(many, folder / "stream-many.pt", _use_new_zipfile_serialization=False)
    torch.save({"w": torch.ones(2), "optimizer": [torch.zeros(3), (torch.ones(1),)], (1, 2): torch.ones(4)}, folder / "stream-lists.pt", _use_new_zipfile_serialization=False)
    old_transformers(folder / "old-bert")


def old_transformers(folder):
    """A transformers folder from before safetensors: two files of torch.save and an index."""
    import transformers

    config = transformers.BertConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, vocab_size=100)
    weights = transformers.BertModel(config).state_dict()
    config.save_pretrained(folder)
    names = list(weights)
    files = {f"pytorch_model-0000{i + 1}-of-00002.bin": names[i::2] for i in range(2)}
    for file, inside in files.items():
        torch.save({name: weights[name] for name in inside}, folder / file)
    index = {"metadata": {}, "weight_map": {name: file for file, inside in files.items() for name in inside}}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))


def flatten(value, prefix=""):
    """{dotted name: tensor}."""
    if isinstance(value, torch.Tensor):
        return {prefix or "tensor": value}
    if not isinstance(value, dict):
        return {}
    parts = (flatten(inner, f"{prefix}.{key}" if prefix else str(key)) for key, inner in value.items() if isinstance(key, (str, int)))
    return {name: tensor for part in parts for name, tensor in part.items()}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    folder = tmp_path_factory.mktemp("torch")
    files(folder)
    (folder / "numbers.bin").write_bytes(os.urandom(1000))  # no model, and no name that says so
    found = Daemon(tmp_path_factory.mktemp("daemon"), folder)
    yield found
    found.stop()


def test_what_is_no_model_is_not_listed(daemon):
    found = {model["model_id"]: model for model in daemon.data("GET", "/api/model/available")["models"]}
    assert set(found) == {"plain", "lightning", "module", "nested", "stream", "stream-state", "stream-many", "stream-lists", "alone", "old-bert"}
    assert all(model["state"] == "ok" for model in found.values()), found
    assert {found[name]["format"] for name in set(found) - {"old-bert"}} == {"torch"}
    assert (found["old-bert"]["format"], found["old-bert"]["family"]) == ("transformers", "bert")
    assert daemon.scan()["files_changed"] == 0


@pytest.mark.parametrize("name", ["plain.pt", "lightning.ckpt", "module.pth", "nested.bin", "stream.pt", "stream-state.ckpt", "stream-many.pt", "stream-lists.pt", "alone.pt"])
def test_every_tensor_is_what_torch_load_gives(daemon, name):
    loaded = torch.load(daemon.library / name, weights_only=False)
    expected = flatten(loaded.get("state_dict", loaded) if isinstance(loaded, dict) else loaded)
    with daemon.client() as client, client.open(name.split(".")[0]) as model:
        ours = model.tensors()
        assert set(ours) == set(expected)
        for key, tensor in expected.items():
            assert ours[key].dtype == tensor.dtype and ours[key].shape == tensor.shape, key
            assert torch.equal(ours[key].reshape(-1).view(torch.uint8), tensor.detach().contiguous().reshape(-1).view(torch.uint8)), key


def test_a_transformers_folder_from_before_safetensors(daemon):
    folder = daemon.library / "old-bert"
    expected = {name: tensor for file in folder.glob("*.bin") for name, tensor in torch.load(file).items()}
    with daemon.client() as client, client.open("old-bert") as model:
        ours = model.tensors()
        assert set(ours) == set(expected) and all(torch.equal(ours[name], expected[name]) for name in expected)


def verify(path):
    done = subprocess.run([HOIST, "verify", path, "--json"], capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout)


class Canary:
    """Runs a command when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def bypasses(path):
    """Pickles that run something, each by another way."""
    text = f"touch {path}".encode()
    yield "global", b"\x80\x02cos\nsystem\n\x8c" + bytes([len(text)]) + text + b"\x85R."
    yield "stack-global", b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c" + bytes([len(text)]) + text + b"\x85R."
    yield "inst", b"\x80\x02(S'" + text + b"'\nios\nsystem\n."
    yield "obj", b"\x80\x02(cos\nsystem\nS'" + text + b"'\no."
    yield "newobj", b"\x80\x02cos\nsystem\n\x8c" + bytes([len(text)]) + text + b"\x85\x81."
    yield "newobj-ex", b"\x80\x04cos\nsystem\n\x8c" + bytes([len(text)]) + text + b"\x85}\x92."
    yield "builtins-eval", b"\x80\x02c__builtin__\neval\nX\x01\x00\x00\x001\x85R."
    yield "getattr", b"\x80\x02cbuiltins\ngetattr\ncos\nsystem\n\x86R."
    yield "build", b"\x80\x02c__main__\nX\n)\x81}X\x03\x00\x00\x00foocos\nsystem\nsb."
    yield "extension", b"\x80\x02\x82\x01."
    yield "torch-load", b"\x80\x02ctorch\nload\nX\x01\x00\x00\x00x\x85R."
    yield "dotted", b"\x80\x04\x8c\x05torch\x8c\x0e_utils.os.exit\x93)R."
    yield "called-tuple", b"\x80\x02)K\x01\x85R."
    yield "numpy-lambda", b"\x80\x02cnumpy.testing._private.utils\nrunstring\nX\x01\x00\x00\x001}\x86R."
    yield "runpy", b"\x80\x02crunpy\n_run_code\n)R."


@pytest.mark.parametrize("way", [name for name, _ in bypasses("x")])
@pytest.mark.parametrize("packed", ["alone", "in-archive"])
def test_a_pickle_that_would_run_code_is_unsafe_and_runs_nothing(tmp_path, way, packed):
    canary, path = tmp_path / "canary", tmp_path / "evil.ckpt"
    content = dict(bypasses(canary))[way]
    if packed == "alone":
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("evil/data.pkl", content)
            archive.writestr("evil/byteorder", "little")
    code, verdict = verify(path)
    assert code == 5 and verdict["state"] == "unsafe" and verdict["problem"]["code"] == "unsafe_file", verdict
    assert not canary.exists()


def test_the_canary_sings_when_python_loads_it(tmp_path):
    path, canary = tmp_path / "evil.pkl", tmp_path / "canary"
    path.write_bytes(pickle.dumps(Canary(canary)))
    assert verify(path)[1]["problem"]["text"].startswith("global: it asks for posix.system") and not canary.exists()
    subprocess.run([sys.executable, "-c", f"import pickle; pickle.load(open({str(path)!r}, 'rb'))"], check=True)
    assert canary.exists()


def test_unsafe_files_cannot_be_loaded(start_torch):
    status, envelope = start_torch.http("POST", "/api/model/load", {"model_id": "evil"})
    assert status == 422 and envelope["error"]["code"] == "unsafe_file" and "posix.system" in envelope["error"]["message"]
    assert start_torch.cli("load", "evil").returncode == 5


@pytest.fixture
def start_torch(tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    (models / "evil.ckpt").write_bytes(pickle.dumps({"weights": Canary(tmp_path / "canary")}))
    folder = tmp_path / "daemon"
    folder.mkdir()
    daemon = Daemon(folder, models)
    yield daemon
    daemon.stop()
    assert not (tmp_path / "canary").exists()


def broken(folder):
    """Archives that are wrong in one way each."""
    torch.save({"a": torch.arange(100.0)}, folder / "good.pt")
    good = (folder / "good.pt").read_bytes()
    with zipfile.ZipFile(folder / "good.pt") as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    return {
        "cut": good[:-30],
        "compressed": rewrite(folder, members, zipfile.ZIP_DEFLATED),
        "short-storage": rewrite(folder, {**members, "good/data/0": members["good/data/0"][:-4]}),
        "no-storage": rewrite(folder, {name: content for name, content in members.items() if name != "good/data/0"}),
        "big-endian": rewrite(folder, {**members, "good/byteorder": b"big"}),
        "cut-pickle": rewrite(folder, {**members, "good/data.pkl": members["good/data.pkl"][:-10]}),
    }


def rewrite(folder, members, how=zipfile.ZIP_STORED):
    path = folder / "rewritten.zip"
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path.read_bytes()


@pytest.mark.parametrize("case,text", [("cut", "truncated"), ("compressed", "compressed"), ("short-storage", "too short"), ("no-storage", "no bytes"), ("big-endian", "endian"),
                                       ("cut-pickle", "ends too early")])
def test_broken_archives_are_invalid_and_say_why(tmp_path, case, text):
    path = tmp_path / f"{case}.pt"
    path.write_bytes(broken(tmp_path)[case])
    code, verdict = verify(path)
    assert code == 5 and verdict["state"] == "invalid" and text in verdict["problem"]["text"], verdict


def test_a_transposed_tensor_is_named(tmp_path):
    torch.save({"weight": torch.randn(3, 4).t()}, tmp_path / "transposed.pt")
    assert "layout" in verify(tmp_path / "transposed.pt")[1]["problem"]["text"]
