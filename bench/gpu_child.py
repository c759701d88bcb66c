"""What a measured process does with a card: gpu_child.py ACTION LOADER FILE [SOCKET]. Imports and the context come first, and are told apart. Lines of JSON go out; a line
on stdin lets it go on.

attach: every tensor of a resident model addressable. load: every tensor of a file in the memory of the card. hold: the same, and stay."""
import json
import os
import sys
import time

BEGAN = time.perf_counter()
ACTION, LOADER, FILE, SOCKET = (sys.argv[1:] + [""])[:4]


def ms_since(began):
    """Milliseconds."""
    return (time.perf_counter() - began) * 1e3


def say(**what):
    """A line of JSON."""
    print(json.dumps(what), flush=True)


def by_hoist():
    """The one copy of hoist, mapped."""
    model = hoist.connect(SOCKET).open(NAME, device="cuda", share=True)
    return list(model.tensors().values()) if TORCH else [model.raw(key) for key in model.keys()]


def by_hoist_private():
    """Memory of this process alone, filled by hoist."""
    model = hoist.connect(SOCKET).open(NAME, device="cuda")
    return list(model.tensors().values()) if TORCH else [model.raw(key) for key in model.keys()]


def by_nothing():
    """A context, and nothing in it."""
    return []


def by_safetensors():
    """safetensors' own load_file."""
    import safetensors.torch

    return list(safetensors.torch.load_file(FILE, device="cuda:0").values())


def by_fastsafetensors():
    """fastsafetensors: files straight into one buffer of the card."""
    import fastsafetensors

    loader = fastsafetensors.SafeTensorsFileLoader(fastsafetensors.SingleGroup(), torch.device("cuda:0"))
    loader.add_filenames({0: [FILE]})
    buffers = loader.copy_files_to_device()
    return [buffers, *(buffers.get_tensor(key) for key in list(buffers.key_to_rank_lidx))]


def by_instanttensor():
    """InstantTensor: its buffers are used again, so that tensors are copied out of them."""
    import instanttensor

    with instanttensor.safe_open(FILE, framework="pt", device=0) as file:
        return [tensor.clone() for _, tensor in file.tensors()]


def by_runai():
    """The Run:ai model streamer, whose tensors are in RAM, and a copy of each to the card."""
    from runai_model_streamer import SafetensorsStreamer

    with SafetensorsStreamer() as streamer:
        streamer.stream_file(FILE)
        return [tensor.to("cuda:0") for _, tensor in streamer.get_tensors()]


class Weights:
    """A module for flashpack, which fills modules."""

    @staticmethod
    def module(tensors):
        """Of these tensors."""
        module = torch.nn.Module()
        for i, tensor in enumerate(tensors):
            module.register_parameter(f"weight{i}", torch.nn.Parameter(tensor, requires_grad=False))
        return module


def prepare_flashpack():
    """The file in flashpack's own format, once."""
    import flashpack
    import safetensors.torch

    if not os.path.exists(FILE + ".flashpack"):
        flashpack.pack_to_file(Weights.module(safetensors.torch.load_file(FILE).values()), FILE + ".flashpack")
    return Weights.module([torch.empty_like(tensor, device="cuda:0") for tensor in safetensors.torch.load_file(FILE).values()])


def by_flashpack():
    """flashpack, from a file of its own format."""
    import flashpack

    flashpack.assign_from_file(PREPARED, FILE + ".flashpack")
    return list(PREPARED.parameters())


def by_cuda_ipc():
    """What engines do among themselves: each tensor of another process by CUDA's own IPC handle, through torch.multiprocessing."""
    return [function(*arguments) for function, arguments in PREPARED]


def prepare_cuda_ipc():
    """Handles of tensors that another process holds (give_handles), pickled, in the file."""
    import pickle

    with open(FILE, "rb") as file:
        return pickle.load(file)


def give_handles():
    """Hold the tensors of a file, and write a handle of each to FILE.handles."""
    import pickle

    from torch.multiprocessing.reductions import reduce_tensor

    tensors = by_safetensors()
    with open(FILE + ".handles", "wb") as file:
        pickle.dump([reduce_tensor(tensor) for tensor in tensors], file)
    return tensors


LOADERS = {"hoist": by_hoist, "hoist_private": by_hoist_private, "nothing": by_nothing, "safetensors": by_safetensors, "fastsafetensors": by_fastsafetensors,
           "instanttensor": by_instanttensor, "runai": by_runai, "flashpack": by_flashpack, "cuda_ipc": by_cuda_ipc, "give_handles": give_handles}
PREPARE = {"flashpack": prepare_flashpack, "cuda_ipc": prepare_cuda_ipc}
NAME = os.path.basename(FILE).split(".")[0]

began = time.perf_counter()
try:
    import torch

    TORCH = torch.cuda.is_available() and not os.environ.get("HOIST_CUDA_DRIVER")
except ImportError:
    TORCH = False
IMPORT_TORCH = ms_since(began)
if LOADER.startswith("hoist"):
    import hoist
began = time.perf_counter()
if TORCH:
    torch.zeros(1, device="cuda:0")
else:
    import card

    card.use_primary()
CONTEXT = ms_since(began)
PREPARED = PREPARE.get(LOADER, by_nothing)()
say(ready=True, import_torch_ms=IMPORT_TORCH, context_ms=CONTEXT, torch=TORCH)
sys.stdin.readline()

times = []
for _ in range(1 if ACTION != "attach" else 7):
    tensors = None
    began = time.perf_counter()
    tensors = LOADERS[LOADER]()
    if TORCH:
        torch.cuda.synchronize()
    times.append(ms_since(began))
say(ms=times, tensors=len(tensors))
if ACTION == "hold":
    sys.stdin.readline()
