"""Scenarios against a real hoistd over a library of real model files."""
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))
from own_daemon import HOISTD, ROOT, Daemon  # noqa: E402
from weight_files import tensor, write  # noqa: E402

MIB = 1 << 20


def sharded(folder):
    """A transformers folder whose weights lie in two files."""
    import torch
    import transformers

    torch.manual_seed(2)
    config = transformers.LlamaConfig(hidden_size=64, intermediate_size=128, num_hidden_layers=4, num_attention_heads=4, vocab_size=512)
    transformers.LlamaForCausalLM(config).save_pretrained(folder, max_shard_size="300KB")


def vae(folder):
    """A VAE as diffusers saves one."""
    import diffusers
    import torch

    torch.manual_seed(3)
    diffusers.AutoencoderKL(block_out_channels=(32, 32), down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
                            latent_channels=4).save_pretrained(folder)


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """The demo library, and more: at least ten real models by the libraries that write them, and some of every kind by hand."""
    if not HOISTD.exists():
        pytest.skip(f"{HOISTD} is not built")
    folder = tmp_path_factory.mktemp("models")
    subprocess.run([sys.executable, ROOT / "tools" / "demo" / "library.py", folder], check=True, capture_output=True)
    sharded(folder / "llm" / "tiny-llama")
    vae(folder / "vae" / "tiny-vae")
    for name, size in (("alpha", 3), ("beta", 5), ("gamma", 8), ("delta", 13)):
        write(folder / f"{name}.safetensors", [tensor("blocks.0.weight", "BF16", [size, MIB // 4]), tensor("blocks.1.weight", "F32", [1000])])
    return folder


@pytest.fixture(scope="session")
def shared_daemon(tmp_path_factory, models):
    """One hoistd for all tests that leave it as it was."""
    daemon = Daemon(tmp_path_factory.mktemp("daemon"), models)
    yield daemon
    assert daemon.stop() == 0


@pytest.fixture
def daemon(shared_daemon):
    """The daemon with nothing in RAM."""
    yield shared_daemon
    shared_daemon.data("DELETE", "/api/model/unload")
    shared_daemon.data("DELETE", "/api/model/cache")


@pytest.fixture
def start(tmp_path):
    """Start a hoistd of a test's own: start(library, *flags, ram=..., **environment). It is ended with the test."""
    started = []

    def run(library, *flags, **options):
        folder = tmp_path / f"daemon{len(started)}"
        folder.mkdir()
        started.append(Daemon(folder, library, *flags, **options))
        return started[-1]

    yield run
    for daemon in started:
        if daemon.process.poll() is None:
            daemon.stop()


@pytest.fixture
def one_model(tmp_path):
    """A folder with one model `one` of 8 MiB."""
    folder = tmp_path / "models"
    folder.mkdir()
    write(folder / "one.safetensors", [tensor("weight", "F32", [2, MIB])])
    return folder
