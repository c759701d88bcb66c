"""A small transformer, its weights as a model file, and what it computes. As a program: use the weights that hoistd has on the card, as one of several processes."""
import sys

import torch

SIZE, HEADS, LAYERS = 256, 8, 4
TOLERANCE = 2e-4  # of numbers around 1, summed in another order on a card


def build(device):
    """The module, without weights when the device is "meta"."""
    with torch.device(device):
        layer = torch.nn.TransformerEncoderLayer(SIZE, HEADS, dim_feedforward=4 * SIZE, batch_first=True, dropout=0)
        return torch.nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False).eval()


def tensors(seed=5):
    """(name, dtype, shape, bytes) of its weights."""
    torch.manual_seed(seed)
    return [(name, "F32", list(tensor.shape), tensor.detach().numpy().tobytes()) for name, tensor in build("cpu").state_dict().items()]


def question():
    """What it is run on."""
    return torch.randn(2, 16, SIZE, generator=torch.Generator().manual_seed(6))


def answer(module, device):
    """What it makes of that, in RAM."""
    with torch.inference_mode():
        return module(question().to(device)).cpu()


def attached(model_id):
    """Say how far the answer is from the CPU's, then compute until stdin ends and say how often it was the same."""
    import hoist

    torch.backends.cuda.matmul.allow_tf32 = False
    on_cpu = answer(hoist.assign(build("meta"), model_id), "cpu")
    module = hoist.assign(build("meta"), model_id, device="cuda", share=True)
    first = answer(module, "cuda")
    print("ready", float((first - on_cpu).abs().max()), flush=True)
    times = compute_until_the_end(module, first)
    print("same", times, flush=True)


def compute_until_the_end(module, first):
    """How often the answer was the first one, bit for bit. AssertionError when it was not."""
    import select

    times = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        assert torch.equal(answer(module, "cuda"), first)
        times += 1
    return times


if __name__ == "__main__":
    attached(sys.argv[1])
