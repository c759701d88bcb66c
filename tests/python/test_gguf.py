"""GGUF as gguf-py writes and reads it: every element type, the same bytes, and readers that know only the path."""
import gguf
import numpy
import pytest
from gguf.constants import GGML_QUANT_SIZES
from own_daemon import Daemon

# Q8_1 is an intermediate form that no file has; gguf-py and GGML differ about its size.
TYPES = [kind for kind in gguf.GGMLQuantizationType if kind.name != "Q8_1"]


def make(path, arch="llama", **options):
    """A model with a tensor of every type of GGML."""
    writer = gguf.GGUFWriter(path, arch, **options)
    writer.add_block_count(2)
    writer.add_token_list(["<s>", "a", "b"])
    writer.add_float32("llama.rope.freq_base", 10000.0)
    noise = numpy.random.default_rng(5)
    for kind in TYPES:
        block, size = GGML_QUANT_SIZES[kind]
        writer.add_tensor(f"blk.0.{kind.name}.weight", noise.integers(0, 256, (3, 2 * size), dtype=numpy.uint8), raw_shape=[3, 2 * size], raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gguf")
    make(folder / "every-type.gguf")
    make(folder / "picture.gguf", "flux")
    make(folder / "split.gguf", split_max_tensors=9)
    return folder


@pytest.fixture(scope="module")
def daemon(tmp_path_factory, library):
    found = Daemon(tmp_path_factory.mktemp("daemon"), library)
    yield found
    found.stop()


def test_what_it_is(daemon):
    with daemon.client() as client:
        models = {model.model_id: model for model in client.models()}
    assert (models["every-type"].type, models["every-type"].family, models["every-type"].format) == ("llm", "llama", "gguf")
    assert (models["picture"].type, models["picture"].family) == ("diffusion_model", "flux1")


def test_every_tensor_is_what_gguf_py_reads(daemon, library):
    reader = gguf.GGUFReader(library / "every-type.gguf")
    with daemon.client() as client, client.open("every-type") as model:
        arrays = model.numpy()
        assert set(arrays) == {tensor.name for tensor in reader.tensors} and len(arrays) == len(TYPES)
        for tensor in reader.tensors:
            ours = arrays[tensor.name]
            assert ours.tobytes() == tensor.data.tobytes(), tensor.name
            if tensor.tensor_type.name in ("F32", "F16", "F64", "I8", "I16", "I32", "I64"):
                assert list(ours.shape) == [int(size) for size in reversed(tensor.shape)] and ours.dtype == tensor.data.dtype, tensor.name
        torch_ones = model.tensors()
        assert torch_ones["blk.0.Q4_K.weight"].numpy().tobytes() == arrays["blk.0.Q4_K.weight"].tobytes()
        assert torch_ones["blk.0.BF16.weight"].dtype == __import__("torch").bfloat16


def test_a_split_model_is_one(daemon, library):
    parts = sorted(library.glob("split-*.gguf"))
    assert len(parts) > 2
    with daemon.client() as client, client.open("split") as model:
        arrays = model.numpy()
        assert len(arrays) == len(TYPES)
        for part in parts:
            for tensor in gguf.GGUFReader(part).tensors:
                assert arrays[tensor.name].tobytes() == tensor.data.tobytes(), tensor.name


def test_it_is_held_in_place_for_readers_that_know_only_the_path(daemon):
    part = daemon.data("POST", "/api/model/cache", {"model_id": "every-type"}) and daemon.data("GET", "/api/model/cache")["components"][0]
    assert part["ram"]["backing"] == "page_cache"
