#!/usr/bin/env python3
"""Show what hoist is for: scan, cache, the five steps, and two processes that compute with the same weights, in memory once.

usage: show.py URL PID-OF-HOISTD"""
import json
import os
import subprocess
import sys

import hoist

HOIST = os.path.join(os.path.dirname(__file__), "..", "..", "build", "hoist")
TEXTS = ["A cat sits on the mat.", "Feline rests upon a rug.", "Quarterly earnings rose."]
MIB = 1 << 20


def title(text):
    """A heading."""
    bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else ("", "")
    print(f"\n{bold}== {text}{plain}", flush=True)


def run(*arguments):
    """Run a command as a user would, and show it."""
    print("$ hoist " + " ".join(arguments), flush=True)
    subprocess.run([HOIST, *arguments], check=True)


def embed(model, opened):
    """Embeddings of three sentences by transformers, on weights that hoist holds."""
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(model.path)
    with torch.device("meta"):
        module = transformers.AutoModel.from_config(transformers.AutoConfig.from_pretrained(model.path))
    module.load_state_dict(opened.tensors().copy(), strict=False, assign=True)
    length = module.embeddings.position_ids.shape[-1]
    module.embeddings.position_ids = torch.arange(length).expand(1, -1)
    module.embeddings.token_type_ids = torch.zeros(1, length, dtype=torch.long)
    inputs = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        states = module.eval()(**inputs).last_hidden_state
    mask = inputs["attention_mask"].unsqueeze(-1)
    rows = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=1)
    return f"how alike: cat/feline {float(rows[0] @ rows[1]):.3f}, cat/earnings {float(rows[0] @ rows[2]):.3f}", module


def add_up(opened):
    """The sum of squares of all weights, by NumPy."""
    import numpy

    arrays = opened.numpy()
    return f"sum of squares of {len(arrays)} tensors: {sum(float(numpy.square(array, dtype=numpy.float64).sum()) for array in arrays.values()):.6g}", arrays


def compute(model, opened):
    """What this machine can do with the model."""
    if model.family == "bert":
        try:
            return embed(model, opened)
        except ImportError:
            pass
    return add_up(opened)


def worker(model_id):
    """A process of its own: open, compute, tell, and wait for the word to end."""
    with hoist.connect() as client:
        model = client.model(model_id)
        with client.open(model_id) as opened:
            result, kept = compute(model, opened)
    print(json.dumps({"pid": os.getpid(), "result": result}), flush=True)
    sys.stdin.readline()
    del kept


def weights_memory(pid, path):
    """(resident, proportional) bytes of a process's mappings of the model's files."""
    sizes = {"Rss": 0, "Pss": 0}
    ours = False
    with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as smaps:
        for line in smaps:
            name, _, value = line.partition(":")
            if " " in name:
                ours = path in line or "/memfd:hoist" in line or " /hoist-" in line
            elif ours and name in sizes:
                sizes[name] += int(value.split()[0]) * 1024
    return sizes["Rss"], sizes["Pss"]


def keepers():
    """Processes of hoist-keeper, which holds what hoistd has filled."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/comm", encoding="ascii") as name:
                found += [int(entry)] if name.read() == "hoist-keeper\n" else []
        except OSError:  # it has ended
            pass
    return found


def show_memory(pids, model, daemon):
    """What each process sees, and what all of it takes: a page that three processes map counts a third in each (PSS)."""
    memory = {pid: weights_memory(pid, model.path) for pid in pids}
    together = sum(proportional for _, proportional in memory.values())
    for pid, (resident, _) in memory.items():
        print(f"process {pid} has touched {resident / MIB:.1f} MiB of weights")
    try:
        together += sum(weights_memory(pid, model.path)[1] for pid in [daemon, *keepers()])
        print(f"in memory, for both, hoistd and its keeper: {together / MIB:.1f} MiB; the model is {model.size_bytes / MIB:.1f} MiB: one copy")
    except OSError:  # they let only root look into them
        print(f"in memory, for both: {together / MIB:.1f} MiB, and hoistd's share; the model is {model.size_bytes / MIB:.1f} MiB")


def two_processes(model, daemon):
    """Two processes with the same weights, and the memory of both."""
    command = [sys.executable, os.path.abspath(__file__), "--worker", model.model_id]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) for _ in range(2)]
    try:
        answers = [json.loads(process.stdout.readline()) for process in processes]
        for answer in answers:
            print(f"process {answer['pid']}: {answer['result']}")
        run("ps")
        print()
        show_memory([answer["pid"] for answer in answers], model, daemon)
    finally:
        for process in processes:
            process.communicate("\n")


def size_of(model):
    """Bytes of a model."""
    return model.size_bytes


def choose(models):
    """The model to show: a sentence encoder if there is one, else the largest of those that are not too large to be quick."""
    usable = [model for model in models if model.state == "ok" and size_of(model)]
    preferred = (lambda model: model.family == "bert", lambda model: size_of(model) < 4 << 30, lambda model: True)
    choices = (list(filter(wanted, usable)) for wanted in preferred)
    return max(next(filter(None, choices), []), key=size_of, default=None)


def main(url, daemon):
    """The tour."""
    title("what is there")
    run("scan")
    run("ls")
    with hoist.connect() as client:
        model = choose(client.models())
    if model is None:
        print(f"\nNo model was found. hoistd runs at {url}; put a model into its folder and run: build/hoist scan")
        return
    title("into RAM, once for the whole machine")
    run("cache", model.model_id)
    title("to a device, in five steps")
    run("load", model.model_id)
    title("two processes compute with the same weights")
    two_processes(model, daemon)
    title("hoistd runs on")
    print(f"{url}      API: {url}/docs\n\nnext:\n  build/hoist show {model.model_id}\n  build/hoist ps\n  make stop")


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--worker":
        worker(sys.argv[2])
    elif len(sys.argv) == 3:
        main(sys.argv[1], int(sys.argv[2]))
    else:
        sys.exit(__doc__)
