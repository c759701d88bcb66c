"""hoist.patch_safetensors() reaches names bound before and after it, and HOIST_PATCH=1 reaches children."""
import os
import subprocess
import sys

import pytest

from weight_files import tensor, write


@pytest.fixture
def run(tmp_path):
    """Run a script in a Python of its own; returns what it printed."""
    path = write(tmp_path / "model.safetensors", [tensor("weight", "F32", [4, 4])])

    def run_script(text, **environment):
        script = tmp_path / "script.py"
        script.write_text(f"PATH = {str(path)!r}\n{text}")
        done = subprocess.run([sys.executable, script], env={**os.environ, "HOIST_SOCKET": "/nonexistent", **environment},
                              capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run_script


def test_names_bound_before_and_after(run):
    assert run("""
import safetensors, safetensors.torch, hoist, sys
from safetensors import safe_open as early
from safetensors.torch import load_file as early_load
hoist.patch_safetensors()
hoist.patch_safetensors()
from safetensors import safe_open as late
from hoist.safetensors import safe_open as ours, stats
before = sum(stats().values())
assert early is late is ours is safetensors.torch.safe_open
early_load(PATH), safetensors.torch.load_file(PATH), late(PATH, "pt").get_tensor("weight")
print(sum(stats().values()) - before, isinstance(late(PATH, "pt"), safetensors.safe_open))
""") == "3 True"


def test_unpatching_gives_the_original_back(run):
    assert run("""
import safetensors, safetensors.torch, hoist
from safetensors import safe_open as original
hoist.patch_safetensors()
hoist.unpatch_safetensors()
from hoist.safetensors import original_safe_open, stats, load_file
print(safetensors.safe_open is safetensors.torch.safe_open is original_safe_open is original)
before = sum(stats().values())
safetensors.torch.load_file(PATH)
print(sum(stats().values()) - before)
""") == "True\n0"


def test_load_file_of_the_drop_in_asks_once_when_patched(run):
    assert run("""
import hoist
from hoist.safetensors import load_file, stats
load_file(PATH)
hoist.patch_safetensors()
load_file(PATH)
print(sum(stats().values()))
""") == "2"


def test_the_environment_patches_at_the_first_import(run):
    assert run("""
import sys
assert "safetensors" not in sys.modules and "torch" not in sys.modules
from safetensors.torch import load_file
from safetensors import safe_open
print(safe_open.__module__, load_file(PATH)["weight"].shape)
""", HOIST_PATCH="1") == "hoist.safetensors torch.Size([4, 4])"


def test_spawned_children_are_patched_too(run):
    assert run("""
import multiprocessing
def child(queue):
    import safetensors
    queue.put(safetensors.safe_open.__module__)
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    print(queue.get())
    process.join()
""", HOIST_PATCH="1") == "hoist.safetensors"


def test_without_the_variable_nothing_is_imported(run):
    assert run("import sys; print([name for name in sys.modules if name.startswith('hoist')])", HOIST_PATCH="0") == "[]"


def test_importing_hoist_imports_nothing_heavy(run):
    assert run("import hoist, sys; print([n for n in ('torch', 'numpy', 'safetensors', 'hoist._core') if n in sys.modules])") == "[]"
