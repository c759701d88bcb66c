"""Without a daemon, hoist.safetensors is safetensors: the same results, objects and errors, and no delay worth naming."""
import concurrent.futures
import inspect
import pathlib
import socket
import time

import pytest
import safetensors
import safetensors.torch
import torch

import hoist._lease
import hoist.safetensors as ours
from weight_files import every_type, tensor, write

F6 = ("F6_E2M3", "F6_E3M2")  # safetensors itself has no torch type for them


@pytest.fixture(autouse=True)
def no_daemon(monkeypatch, tmp_path):
    monkeypatch.setenv("HOIST_SOCKET", str(tmp_path / "nobody.sock"))
    monkeypatch.setattr(hoist._lease, "_quiet_until", 0.0)


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "types.safetensors", every_type(skip=F6), {"format": "pt"})


def same_bytes(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.untyped_storage().tolist() == b.untyped_storage().tolist()


def outcome(function, *args, **kwargs):
    """What a call ends with: the error's type and text."""
    try:
        function(*args, **kwargs)
    except BaseException as error:
        return type(error), str(error)
    return None


def test_load_file_gives_the_same_tensors(path):
    expected = safetensors.torch.load_file(path)
    found = ours.load_file(path)
    assert list(found) == list(expected)
    assert all(same_bytes(found[key], expected[key]) for key in expected)


def test_signatures_are_the_originals():
    assert inspect.signature(ours.safe_open) == inspect.signature(ours.original_safe_open)
    original = inspect.signature(safetensors.torch.load_file).parameters
    assert [(p.name, p.default, p.kind) for p in inspect.signature(ours.load_file).parameters.values()] == \
        [(p.name, p.default, p.kind) for p in original.values()]


@pytest.mark.parametrize("content", [b"", b"\0" * 4, b"\xff" * 64, b"\2\0\0\0\0\0\0\0{}extra", b"\x08\0\0\0\0\0\0\0not json"])
def test_a_malformed_file_gives_the_original_error(tmp_path, content):
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(content)
    assert outcome(ours.load_file, bad) == outcome(safetensors.torch.load_file, bad) is not None
    assert outcome(ours.safe_open, bad, "pt") == outcome(ours.original_safe_open, bad, "pt") is not None


@pytest.mark.parametrize("name", ["missing.safetensors", ".", "a\0b", "", 7, None, b"bytes"])
def test_a_wrong_name_gives_the_original_error(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert outcome(ours.load_file, name) == outcome(safetensors.torch.load_file, name) is not None
    assert outcome(ours.safe_open, name, "pt") == outcome(ours.original_safe_open, name, "pt") is not None


@pytest.mark.parametrize("arguments", [(), ("x", "nonsense"), ("x", "pt", "nowhere"), ("x",), ("x", "pt", "cpu", 4)])
def test_wrong_arguments_give_the_original_error(path, arguments):
    arguments = tuple(path if argument == "x" else argument for argument in arguments)
    assert outcome(ours.safe_open, *arguments) == outcome(ours.original_safe_open, *arguments) is not None


@pytest.mark.parametrize("kind", [str, pathlib.Path, lambda path: memoryview(b"")])
def test_names_of_every_kind(path, kind):
    assert outcome(ours.load_file, kind(path)) == outcome(safetensors.torch.load_file, kind(path))


def test_safe_open_works_without_with_and_in_a_set(path):
    opened = ours.safe_open(path, framework="pt", device="cpu")
    again = ours.safe_open(filename=path, framework="pt")
    assert len({opened, again}) == 2 and opened in {opened}
    assert opened.keys() == ours.original_safe_open(path, "pt").keys()
    assert opened.offset_keys() == ours.original_safe_open(path, "pt").offset_keys()
    assert opened.metadata() == {"format": "pt"}
    opened.__exit__(None, None, None)
    assert outcome(opened.keys) == (safetensors.SafetensorError, "File is closed")


def test_slices_outlive_the_file(path):
    with ours.safe_open(path, "pt") as opened:
        part = opened.get_slice("F32.4x8")
    expected = safetensors.torch.load_file(path)["F32.4x8"]
    assert part.get_shape() == [4, 8] and part.get_dtype() == "F32"
    assert torch.equal(part[1:3, ::2].view(torch.int32), expected[1:3, ::2].view(torch.int32))


def test_four_threads_share_one_file(path):
    with ours.safe_open(path, "pt") as opened, concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(opened.get_tensor, opened.keys() * 5))
    expected = safetensors.torch.load_file(path)
    assert all(same_bytes(tensor, expected[key]) for tensor, key in zip(found, sorted(expected) * 5))


def test_the_numpy_framework(path):
    with ours.safe_open(path, "np") as opened:
        assert opened.get_tensor("F64.8").shape == (8,)


def test_metadata_may_be_absent(tmp_path):
    plain = write(tmp_path / "plain.safetensors", [tensor("a", "F32", [2])])
    with ours.safe_open(plain, "pt") as opened:
        assert opened.metadata() is None


def test_private_attributes_are_absent_as_in_the_original(path):
    opened = ours.safe_open(path, "pt")
    assert not hasattr(opened, "_nothing") and not hasattr(opened, "nothing")
    assert dir(opened) == dir(ours.original_safe_open(path, "pt"))


def test_every_load_is_counted(path):
    before = ours.stats()
    ours.load_file(path)
    ours.safe_open(path, "pt")
    assert ours.stats()["unreachable"] == before["unreachable"] + 2
    assert ours.stats()["held"] == before["held"]


def test_a_daemon_that_does_not_answer_delays_one_load_by_little(path, monkeypatch, tmp_path):
    silent = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    silent.bind(str(tmp_path / "silent.sock"))
    silent.listen(8)
    monkeypatch.setenv("HOIST_SOCKET", str(tmp_path / "silent.sock"))
    before = ours.stats()
    began = time.monotonic()
    for _ in range(10):
        ours.load_file(path)
    assert time.monotonic() - began < 1.0
    assert ours.stats()["unreachable"] == before["unreachable"] + 1
    assert ours.stats()["skipped"] == before["skipped"] + 9
    silent.close()
