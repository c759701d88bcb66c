"""The kernels that cards run, read by NVIDIA's own assembler where there is one (`ptxas`, of a CUDA toolkit). What they compute: tests/unit/cuda."""
import pathlib
import shutil
import subprocess

import pytest

KERNELS = sorted((pathlib.Path(__file__).resolve().parents[2] / "src/cuda/kernels").glob("*.ptx"))
CARDS = ["sm_70", "sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"]


def assemble(kernel, card, folder):
    """What ptxas says, or None when it does not know such a card."""
    done = subprocess.run(["ptxas", f"-arch={card}", "-o", folder / "out", kernel], capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    return None if done.returncode != 0 and "gpu-name" in said else (done.returncode, said)


@pytest.mark.skipif(shutil.which("ptxas") is None, reason="no ptxas on the PATH: it comes with the CUDA toolkit")
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda path: path.name)
def test_a_kernel_assembles_without_a_warning_for_every_card(kernel, tmp_path):
    """For as many of the cards as this ptxas knows: old ones know no new cards, and new ones no old."""
    known = {card: said for card in CARDS if (said := assemble(kernel, card, tmp_path)) is not None}
    assert known
    assert set(known.values()) == {(0, "")}
