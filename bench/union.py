#!/usr/bin/env python3
"""C2 with four checkpoints that share encoders and VAE: what hoistd charges, and the PSS of hoistd and four clients that read every byte.

usage: union.py     (prints one line of JSON: shares of the bytes of the union; a whole copy for each would be sum_over_unique)"""
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "python"))
from own_daemon import Daemon  # noqa: E402
from weight_files import write  # noqa: E402

MIB = 1 << 20
CHILD = """
import hoist, sys
client = hoist.connect(sys.argv[1])
import numpy
if sys.argv[2] != "-":
    model = client.open(sys.argv[2])
    tensors = model.numpy()
    sum(int(value.view("uint8")[::64].sum()) for value in tensors.values())
print("ready", flush=True)
sys.stdin.readline()
"""


def tensor(source, name, mib):
    """(name, dtype, shape, bytes) of so many MiB."""
    return name, "F16", [mib * MIB // 2], source.randbytes(mib * MIB)


def make(folder):
    """Write the checkpoints. Returns the bytes of the union."""
    source = random.Random(5)
    shared = [tensor(source, f"conditioner.embedders.0.transformer.text_model.encoder.layers.{i}.mlp.fc1.weight", 4) for i in range(6)]
    shared += [tensor(source, f"conditioner.embedders.1.model.transformer.resblocks.{i}.mlp.c_fc.weight", 16) for i in range(6)]
    shared += [tensor(source, f"first_stage_model.decoder.{i}.weight", 8) for i in range(4)]
    for number in range(4):
        own = [tensor(source, f"model.diffusion_model.input_blocks.{i}.0.weight", 16) for i in range(8)]
        write(folder / f"c{number}.safetensors", own + shared, {"padding": "x" * 8 * number})
    return 4 * 8 * 16 * MIB + sum(len(row[3]) for row in shared)


def pss(pid):
    """Proportional set size of a process in bytes."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
        return 1024 * sum(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))


def measure(daemon, unique, whole):
    """Load all, let four clients read all, and add up."""
    for number in range(4):
        assert daemon.cli("hash", f"c{number}").returncode == 0
    before = pss(daemon.process.pid)
    for number in range(4):
        daemon.data("POST", "/api/model/cache", {"model_id": f"c{number}"})
    used = daemon.data("GET", "/api/model/cache")["used_bytes"]
    clients = [subprocess.Popen([sys.executable, "-c", CHILD, daemon.socket, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
               for name in ("c0", "c1", "c2", "c3", "-")]
    for client in clients:
        client.stdout.readline()
    time.sleep(1)
    total = pss(daemon.process.pid) - before + sum(pss(client.pid) for client in clients[:4]) - 4 * pss(clients[4].pid)
    for client in clients:
        client.kill()
    return {"unique_bytes": unique, "charged": used / unique, "pss": total / unique, "sum_over_unique": whole / unique}


def main():
    """Make, measure, print."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "models").mkdir()
        unique = make(folder / "models")
        daemon = Daemon(folder, folder / "models", ram="4G")
        try:
            print(json.dumps(measure(daemon, unique, sum(path.stat().st_size for path in (folder / "models").iterdir()))))
        finally:
            daemon.stop()


if __name__ == "__main__":
    main()
