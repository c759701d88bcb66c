"""What make gpu-test runs: on a machine without a card it says so, and nothing has failed."""
import json
import os
import subprocess
import sys

from own_daemon import BUILD, ROOT


def run(tmp_path, *names, **environment):
    """(lines, results, exit status) of the run."""
    done = subprocess.run([sys.executable, ROOT / "tests" / "gpu" / "run.py", BUILD, *names], capture_output=True, text=True, timeout=300, check=False,
                          env={**os.environ, "GPU_RESULTS": str(tmp_path / "results.json"), "GPU_FOLDER": str(tmp_path), **environment})
    return done.stdout.splitlines(), json.loads((tmp_path / "results.json").read_text()), done.returncode


def test_without_a_card_everything_is_skipped_and_nothing_fails(tmp_path):
    lines, results, status = run(tmp_path, HOIST_CUDA_DRIVER="/nowhere/libcuda.so.1", GPU_DOUBLE="0")
    assert status == 0 and "no card here" in lines[0] and "/nowhere/libcuda.so.1" in lines[0]
    assert lines[-1] == f"0 passed, 0 failed, {results['skipped']} skipped" and results["skipped"] > 10


def test_the_double_is_asked_what_a_card_would_be(tmp_path):
    lines, results, status = run(tmp_path, "gpu/test_gpu_card", "test_a_write_changes_nobody_elses_weights", GPU_DOUBLE="1")
    assert (status, results["passed"], results["failed"]) == (0, 6, 0), lines
    assert "fakecuda" in results["cards"][0]["name"] and not list(tmp_path.glob("hoist-gpu-*"))
