"""ONNX files as the onnx package writes them: every tensor's bytes as onnx itself reads them, from the file and from files beside it; and files that would
read what is not theirs."""
import hashlib
import json
import os
import socket
import subprocess

import numpy
import pytest
from own_daemon import HOIST, Daemon

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx.external_data_helper import set_external_data  # noqa: E402

# Element types: name in hoist, and bits of an element.
TYPES = {
    "FLOAT": ("F32", 32), "UINT8": ("U8", 8), "INT8": ("I8", 8), "UINT16": ("U16", 16), "INT16": ("I16", 16), "INT32": ("I32", 32), "INT64": ("I64", 64), "BOOL": ("BOOL", 8),
    "FLOAT16": ("F16", 16), "DOUBLE": ("F64", 64), "UINT32": ("U32", 32), "UINT64": ("U64", 64), "COMPLEX64": ("C64", 64), "BFLOAT16": ("BF16", 16),
    "FLOAT8E4M3FN": ("F8_E4M3", 8), "FLOAT8E4M3FNUZ": ("F8_E4M3FNUZ", 8), "FLOAT8E5M2": ("F8_E5M2", 8), "FLOAT8E5M2FNUZ": ("F8_E5M2FNUZ", 8), "UINT4": ("U4", 4),
    "INT4": ("I4", 4), "FLOAT4E2M1": ("F4", 4), "FLOAT8E8M0": ("F8_E8M0", 8), "UINT2": ("U2", 2), "INT2": ("I2", 2), "FLOAT6E2M3": ("F6_E2M3", 6), "FLOAT6E3M2": ("F6_E3M2", 6),
}


def tensor(name, kind, dims, seed=0):
    """A TensorProto with raw_data; of bools, zeros and ones."""
    count = numpy.prod(dims, dtype=int)
    size = (int(count) * TYPES[kind][1] + 7) // 8
    data = numpy.random.default_rng([seed, *name.encode()]).integers(0, 2 if kind == "BOOL" else 256, size, numpy.uint8).tobytes()
    return helper.make_tensor(name, TensorProto.DataType.Value(kind), dims, data, raw=True)


def every_type():
    """A matrix, a scalar and nothing of every element type that this onnx has; small integers also with an odd number of elements."""
    kinds = [kind for kind in TYPES if kind in TensorProto.DataType.keys()]
    found = [tensor(f"{kind}.{shape}", kind, dims) for kind in kinds for shape, dims in (("matrix", [3, 8]), ("empty", [0, 4]))]
    found += [tensor(f"{kind}.scalar", kind, []) for kind in kinds if TYPES[kind][1] >= 8]
    return found + [tensor(f"{kind}.odd", kind, [3, 3]) for kind in ("UINT4", "INT4", "INT2") if kind in kinds]


def model(*initializers, nodes=(), **properties):
    """A ModelProto whose graph is of no interest."""
    graph = helper.make_graph([*nodes, helper.make_node("Custom", [], ["y"], domain="org.example")], "main", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])], initializers)
    made = helper.make_model(graph, producer_name="test_onnx", opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid("org.example", 1)])
    helper.set_model_props(made, {"origin": "$(touch canary)", **properties})
    return made


def branches():
    """An If whose two branches have initializers of the same name."""
    graphs = [helper.make_graph([], f"g{i}", [], [helper.make_tensor_value_info("w", TensorProto.FLOAT, [4])], [tensor("w", "FLOAT", [4], i)]) for i in range(2)]
    return helper.make_node("If", ["c"], ["o"], then_branch=graphs[0], else_branch=graphs[1])


def write_external(found, path, **arguments):
    """Save with external data as onnx does it."""
    onnx.save(found, str(path), save_as_external_data=True, size_threshold=0, **arguments)


def place(initializer, location, **arguments):
    """Say that a tensor's bytes are in another file. Returns it and its bytes."""
    data = initializer.raw_data
    set_external_data(initializer, location, **arguments)
    initializer.ClearField("raw_data")
    return initializer, data


def weights():
    """Tensors of several types, none of whose bytes begin where their type would like it."""
    return [tensor(f"layers.{i}.weight", kind, [7, 13]) for i, kind in enumerate(["FLOAT", "BFLOAT16", "INT8", "DOUBLE"] * 10)]


def files(folder):
    """One model in each way of saving it."""
    onnx.save(model(*every_type()), folder / "types.onnx")
    onnx.save(model(helper.make_tensor("floats", TensorProto.FLOAT, [3], [1.5, -2, 3]), helper.make_tensor("doubles", TensorProto.DOUBLE, [2], [1e300, -1]),
                    helper.make_tensor("complex", TensorProto.COMPLEX64, [1], [1 + 2j]), helper.make_tensor("zero_point", TensorProto.INT8, [], [-3])), folder / "typed.onnx")
    onnx.save(model(tensor("w", "FLOAT", [4], 7), nodes=[branches()]), folder / "nested.onnx")
    write_external(model(*every_type(), *weights()), folder / "one-file.onnx", location="one-file.onnx_data")
    (folder / "many").mkdir()
    write_external(model(*weights()), folder / "many" / "many-files.onnx", all_tensors_to_one_file=False)
    below, data = place(tensor("w", "FLOAT16", [5, 3]), "sub/w.bin")
    (folder / "sub").mkdir()
    (folder / "sub" / "w.bin").write_bytes(data)
    onnx.save(model(below, tensor("here", "FLOAT", [3])), folder / "below.onnx")
    pipeline(folder / "pipeline")


def pipeline(folder):
    """A pipeline as diffusers exports it: a folder a component, a large one with its weights beside it."""
    for role in ("unet", "vae_decoder"):
        (folder / role).mkdir(parents=True)
    write_external(model(*weights()), folder / "unet" / "model.onnx", location="weights.pb")
    onnx.save(model(tensor("decoder.weight", "FLOAT16", [3, 5])), folder / "vae_decoder" / "model.onnx")
    index = {"_class_name": "OnnxStableDiffusionPipeline", "unet": ["diffusers", "OnnxRuntimeModel"], "vae_decoder": ["diffusers", "OnnxRuntimeModel"]}
    (folder / "model_index.json").write_text(json.dumps(index))


def names_of(graph, way=""):
    """{name in hoist: TensorProto} of a graph and the graphs in it."""
    found = {way + initializer.name: initializer for initializer in graph.initializer}
    for number, node in enumerate(graph.node):
        for attribute in node.attribute:
            if attribute.HasField("g"):
                found.update(names_of(attribute.g, f"{way}#{number}/{attribute.name}/"))
    return found


def bytes_of(found, folder):
    """The bytes of a tensor by onnx's own means: raw where there are such, else made of its numbers."""
    if found.data_location == TensorProto.EXTERNAL:
        onnx.external_data_helper.load_external_data_for_tensor(found, str(folder))
    return found.raw_data if found.HasField("raw_data") else numpy_helper.to_array(found).tobytes()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx")
    files(folder)
    found = Daemon(tmp_path_factory.mktemp("daemon"), folder)
    yield found
    found.stop()


def test_each_file_is_one_model_and_what_belongs_to_it_is_none(daemon):
    found = {entry["model_id"]: entry for entry in daemon.data("GET", "/api/model/available")["models"]}
    assert set(found) == {"types", "typed", "nested", "one-file", "many-files", "below", "pipeline"}
    assert all((entry["state"], entry["format"]) == ("ok", "diffusers" if name == "pipeline" else "onnx") for name, entry in found.items()), found
    assert found["one-file"]["size_bytes"] == sum((daemon.library / f"one-file.onnx{end}").stat().st_size for end in ("", "_data"))
    metadata = found["types"]["metadata"]
    assert metadata["onnx.producer_name"] == "test_onnx" and metadata["onnx.opset.ai.onnx"] == "21" and metadata["origin"] == "$(touch canary)"
    assert daemon.scan()["files_changed"] == 0


@pytest.mark.parametrize("path", ["types.onnx", "typed.onnx", "nested.onnx", "one-file.onnx", "many/many-files.onnx", "below.onnx"])
def test_every_tensor_is_what_onnx_reads(daemon, path):
    file = daemon.library / path
    expected = names_of(onnx.load(file, load_external_data=False).graph)
    expected.pop("zero_point", None)
    with daemon.client() as client, client.open(file.stem) as opened:
        assert set(opened.keys()) == set(expected)
        for name, found in expected.items():
            view = opened.raw(name)
            assert (view.dtype, view.shape) == (TYPES[TensorProto.DataType.Name(found.data_type)][0], tuple(found.dims)), name
            assert bytes(memoryview(view)) == bytes_of(found, file.parent), name


def test_components_of_a_pipeline(daemon):
    with daemon.client() as client, client.open("pipeline") as opened:
        assert sorted(opened.components) == ["unet", "vae_decoder"]
        for role in opened.components:
            expected = names_of(onnx.load(daemon.library / "pipeline" / role / "model.onnx").graph)
            assert {name: bytes(memoryview(opened.raw(name, role))) for name in opened.keys(role)} == {name: found.raw_data for name, found in expected.items()}


def test_arrays_are_those_of_onnx(daemon):
    expected = names_of(onnx.load(daemon.library / "one-file.onnx").graph)
    with daemon.client() as client, client.open("one-file") as opened:
        arrays, tensors = opened.numpy(), opened.tensors()
        for name in (name for name, found in expected.items() if found.data_type in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT8)):
            array = numpy_helper.to_array(expected[name])
            assert numpy.array_equal(arrays[name], array, equal_nan=True), name
            assert numpy.array_equal(tensors[name].numpy(), array, equal_nan=True), name


def test_constants_of_the_graph_are_named(daemon):
    assert "'zero_point'" in daemon.data("GET", "/api/models/typed")["metadata"]["onnx.constants"]


def test_data_that_changes_is_a_new_generation_and_data_that_goes_is_missed(tmp_path):
    library, folder = tmp_path / "models", tmp_path / "daemon"
    library.mkdir()
    folder.mkdir()
    found, data = place(tensor("w", "UINT8", [8]), "w.bin")
    onnx.save(model(found), library / "m.onnx")
    daemon = Daemon(folder, library)
    try:
        assert daemon.data("GET", "/api/models/m")["problem"]["code"] == "incomplete_model"
        states = []
        for content in (data, data[::-1]):
            (library / "w.bin").write_bytes(content)
            daemon.scan()
            with daemon.client() as client, client.open("m") as opened:
                assert bytes(memoryview(opened.raw("w"))) == content
            states.append(daemon.data("GET", "/api/models/m")["generation"])
        assert states[1] == states[0] + 1
        (library / "w.bin").unlink()
        daemon.scan()
        assert daemon.data("GET", "/api/models/m")["state"] == "invalid"
    finally:
        daemon.stop()


# ---- files that are refused ----


def verify(path):
    """hoist verify: (exit code, verdict)."""
    done = subprocess.run([HOIST, "verify", path, "--json"], capture_output=True, text=True, check=False, timeout=20)
    return done.returncode, json.loads(done.stdout)


def verdict_on(folder, **arguments):
    """The problem of a model with a tensor of 8 bytes in another file, or None."""
    found, _ = place(tensor("w", "UINT8", [8]), arguments.pop("location", "w.bin"), **arguments)
    path = folder / "m.onnx"
    onnx.save(model(found), path)
    code, verdict = verify(path)
    assert (code, verdict["state"]) in ((0, "ok"), (5, "invalid")), verdict
    return verdict.get("problem")


def make_nothing(folder):
    (folder / "models" / "fine.bin").write_bytes(bytes(8))
    return "fine.bin"


def make_link_out(folder):
    (folder / "models" / "link").symlink_to("/etc/passwd")
    return "link"


def make_folder_link_out(folder):
    (folder / "secret").mkdir()
    (folder / "secret" / "w.bin").write_bytes(bytes(8))
    (folder / "models" / "sub").symlink_to(folder / "secret")
    return "sub/w.bin"


def make_loop(folder):
    (folder / "models" / "loop").symlink_to("loop")
    return "loop"


def make_pipe(folder):
    os.mkfifo(folder / "models" / "pipe")
    return "pipe"


def make_folder(folder):
    (folder / "models" / "folder").mkdir()
    return "folder"


def make_socket(folder):
    at = os.getcwd()
    os.chdir(folder / "models")  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket")
    os.chdir(at)
    return "socket"


def make_device(folder):
    os.mknod(folder / "models" / "zero", 0o20666, os.makedev(1, 5))
    return "zero"


@pytest.mark.parametrize("make", [make_link_out, make_folder_link_out, make_loop, make_pipe, make_folder, make_socket, make_device])
def test_what_is_no_file_of_the_folder_is_refused(tmp_path, make):
    (tmp_path / "models").mkdir()
    assert verdict_on(tmp_path / "models", location=make_nothing(tmp_path)) is None
    try:
        location = make(tmp_path)
    except PermissionError:
        pytest.skip("this user may not make a device")
    problem = verdict_on(tmp_path / "models", location=location)
    assert problem["code"] == "invalid_file" and problem["text"].startswith("path: "), problem


@pytest.mark.parametrize("location", ["../w.bin", "a/../../w.bin", "/etc/passwd", "C:\\x", "..\\x", "//host/x", ".", "a" * 4097])
def test_a_path_out_is_refused_whether_or_not_it_leads_anywhere(tmp_path, location):
    folder = tmp_path / "models"
    folder.mkdir()
    problem = verdict_on(folder, location=location)
    (tmp_path / "w.bin").write_bytes(bytes(8))
    assert problem == verdict_on(folder, location=location) and problem["text"].startswith("path: "), problem


@pytest.mark.parametrize("size,arguments,text", [
    (8, {}, None), (8, {"offset": 0, "length": 8}, None), (20, {"offset": 12}, None), (20, {"offset": 4, "length": 8}, None),
    (9, {}, "size: "), (20, {"offset": 4}, "size: "), (7, {"length": 8}, "size: "), (8, {"offset": 1, "length": 8}, "size: "), (0, {}, "size: "), (8, {"length": 9}, "size: "),
])
def test_the_file_must_be_as_long_as_is_said(tmp_path, size, arguments, text):
    (tmp_path / "w.bin").write_bytes(bytes(size))
    problem = verdict_on(tmp_path, **arguments)
    assert problem is None if text is None else problem["text"].startswith(text), problem


def test_verify_compares_the_checksum_and_a_scan_reads_headers_only(tmp_path):
    (tmp_path / "w.bin").write_bytes(b"12345678")
    assert verdict_on(tmp_path, checksum=hashlib.sha1(b"12345678").hexdigest()) is None
    problem = verdict_on(tmp_path, checksum=hashlib.sha1(b"12345679").hexdigest())
    assert problem["code"] == "invalid_file" and problem["text"].startswith("checksum: ")
    done = subprocess.run([HOIST, "verify", "m.onnx"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 5 and "the SHA-1 of 'w.bin' is " in done.stdout
    scanned = subprocess.run([HOIST, "scan", tmp_path, "--json"], capture_output=True, text=True, check=True)
    assert json.loads(scanned.stdout)["models"][0]["state"] == "ok"


def test_a_cut_file_is_invalid_at_a_byte(tmp_path):
    path = tmp_path / "cut.onnx"
    content = model(tensor("w", "FLOAT", [100])).SerializeToString()
    path.write_bytes(content[:len(content) // 2])
    code, verdict = verify(path)
    assert code == 5 and verdict["problem"]["code"] == "truncated" and verdict["problem"]["offset"] <= len(content)


def test_what_has_the_suffix_and_another_content_is_called_what_it_is(tmp_path):
    path = tmp_path / "page.onnx"
    path.write_bytes(b"<!DOCTYPE html><html></html>")
    assert "HTML" in verify(path)[1]["problem"]["text"]
