"""A process that holds a model on a card, and does what it is told, a line each: sum, write, torch, close, exit. Answers are JSON, a line each.

usage: holder.py SOCKET MODEL share|private|nothing"""
import hashlib
import json
import sys

import card
import hoist


def sum_of(model):
    """SHA-256 of every tensor by its key, read from the card."""
    sums = {}
    for key in sorted(model.keys()):
        view = model.raw(key)
        sums[key] = hashlib.sha256(card.read(address_of(view), view.nbytes)).hexdigest()
    return hashlib.sha256(json.dumps(sums).encode()).hexdigest()


def address_of(view):
    """Where a tensor's bytes are on the card."""
    return view.__cuda_array_interface__["data"][0]


def write_to(model):
    """Write one byte of the first tensor. How that went."""
    view = model.raw(next(iter(model.keys())))
    try:
        card.write(address_of(view), b"x")
    except card.Refused as refused:
        return {"refused": refused.result}
    return {"refused": None}


def forward(model):
    """Multiply every matrix with a vector in torch: the sum of what comes out."""
    import torch

    total = 0.0
    for tensor in model.tensors().values():
        if tensor.ndim == 2 and tensor.dtype.is_floating_point:
            total += (tensor.float() @ torch.ones(tensor.shape[1], device=tensor.device)).double().sum().item()
    torch.cuda.synchronize()
    return total


def answer(model, line):
    """What a line asks for."""
    if line == "sum":
        return {"sum": sum_of(model)}
    if line == "write":
        return write_to(model)
    if line == "torch":
        return {"torch": forward(model)}
    return {"unknown": line}


def begin(socket, name, how):
    """Open it, or nothing but a context."""
    card.use_primary()
    return hoist.connect(socket).open(name, device="cuda", share=how == "share") if how != "nothing" else None


def main(socket, name, how):
    """Open, then obey."""
    try:
        model = begin(socket, name, how)
    except hoist.HoistError as error:
        print(json.dumps({"error": error.code, "text": str(error)}), flush=True)
        return
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        if line.strip() == "exit":
            break
        print(json.dumps(answer(model, line.strip())), flush=True)


main(*sys.argv[1:])
