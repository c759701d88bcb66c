"""Read the headers of model files as Python programs do: headers.py FOLDER STEP reads every STEP-th file of each suffix. Imports come first
and are not part of any figure. Prints {suffix: [files, seconds, seconds of processor]}."""
import json
import pathlib
import sys
import time

import gguf
import torch
from safetensors import safe_open


def by_safetensors(path):
    """Names and metadata, by safetensors itself."""
    with safe_open(path, "pt") as opened:
        return list(opened.keys()), opened.metadata()


def by_gguf(path):
    """Names and fields, by gguf-py."""
    reader = gguf.GGUFReader(path)
    return [tensor.name for tensor in reader.tensors], list(reader.fields)


def by_torch(path):
    """Names, by torch.load without reading the data."""
    return list(torch.load(path, mmap=True, weights_only=True, map_location="meta"))


READERS = {".safetensors": by_safetensors, ".gguf": by_gguf, ".pt": by_torch}


def main(folder, step):
    """Read and print."""
    found = {}
    for suffix, read in READERS.items():
        paths = sorted(pathlib.Path(folder).rglob(f"*{suffix}"))[::step]
        read(paths[0])
        began, used = time.perf_counter(), time.process_time()
        for path in paths:
            read(path)
        found[suffix] = [len(paths), time.perf_counter() - began, time.process_time() - used]
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
