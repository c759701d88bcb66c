"""A process that has a model open on a card: python card_client.py SOCKET MODEL [--share] [--fp32]. Answers each word that it reads by a line of JSON.

On the double of the driver an address of device memory is one of this process."""
import ctypes
import json
import sys

import hoist


def address(view):
    """Where a tensor is: (address, bytes)."""
    return view.__cuda_array_interface__["data"][0], view.nbytes


def sums(model):
    """{key: sum of its bytes}."""
    return {key: sum(ctypes.string_at(*address(model.raw(key)))) for key in model.keys()}


def write(model):
    """Write to a tensor, and live to tell it."""
    where, size = address(model.raw(model.keys()[0]))
    ctypes.memset(where, 0, size)
    return 0


def main():
    """Open it and answer until the input ends."""
    client = hoist.connect(sys.argv[1])
    with client.open(sys.argv[2], device="cuda:0", share="--share" in sys.argv, precision="fp32" if "--fp32" in sys.argv else None) as model:
        for line in sys.stdin:
            print(json.dumps({"sums": sums, "write": write}[line.strip()](model)), flush=True)


main()
