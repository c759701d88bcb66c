#!/usr/bin/env python3
"""Write the first inputs of every fuzz target's corpus: small, and each of another kind. usage: seeds.py"""
import json
import pathlib
import struct

CORPUS = pathlib.Path(__file__).parent / "corpus"


def safetensors(header, data=b""):
    """Bytes of a safetensors file."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(dtype, shape, begin, end):
    """An entry of a header."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def gguf(pairs=(), tensors=(), data=b"", version=3):
    """Bytes of a GGUF file: pairs of (key, type, value bytes), tensors of (name, sizes, type, offset)."""
    def text(value):
        return struct.pack("<Q", len(value)) + value
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(pairs))
    head += b"".join(text(key) + struct.pack("<I", kind) + value for key, kind, value in pairs)
    head += b"".join(text(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, offset) for name, sizes, kind, offset in tensors)
    return head + b"\0" * (-len(head) % 32) + data


def varint(value):
    """A protobuf number."""
    value %= 1 << 64
    head = b""
    while value > 127:
        head += bytes([value & 127 | 128])
        value >>= 7
    return head + bytes([value])


def message(*fields):
    """A protobuf message of (number, int or bytes) pairs."""
    return b"".join(varint(number << 3 | 2) + varint(len(value)) + value if isinstance(value, bytes) else varint(number << 3) + varint(value) for number, value in fields)


def initializer(name, kind, dims, *fields):
    """A TensorProto."""
    return message((1, b"".join(varint(size) for size in dims)), (2, kind), *fields, (8, name))


def elsewhere(**pairs):
    """Fields of a TensorProto whose bytes are in another file."""
    return [(13, message((1, key.encode()), (2, value.encode()))) for key, value in pairs.items()] + [(14, 1)]


def onnx(*graph, version=8):
    """Bytes of an ONNX file: fields of its graph, and after it only what it must have."""
    return message((1, version), (2, b"seeds"), (14, message((1, b"k"), (2, b"v"))), (7, message((2, b"g"), *graph)), (8, message((1, b""), (2, 17))))


def onnx_nested(depth):
    """A graph with an initializer in an attribute of a node, in as many graphs around it; the innermost attribute has a list of graphs, too."""
    inner = message((5, initializer(b"w", 2, [1], (9, b"x"))))
    inner = message((1, message((5, message((1, b"body"), (6, inner), (11, inner), (11, inner))))))
    for _ in range(depth - 1):
        inner = message((1, b""), (1, message((5, message((1, b"body"), (6, inner))))))
    return message((1, 8), (7, inner), (8, message((2, 17))))


def index(segments=((0, 0, 4096, 0),), roles=("unet",), tensors=((0, 4, 11, 2, 0, 0, 0, 0, 16),), shapes=(2, 2), strings=b"unet\0name\0"):
    """Bytes of a hand-over index: see src/proto/index.h."""
    strings += b"\0" * (-len(strings) % 8)
    words = [v for row in segments for v in row] + [v for role in roles for v in (0, len(role))] + [v for row in tensors for v in row] + list(shapes)
    total = 8 * (8 + len(words)) + len(strings)
    head = [int.from_bytes(b"HOISTIDX", "little"), 1, total, len(segments), len(tensors), len(roles), len(shapes), len(strings)]
    return struct.pack(f"<{8 + len(words)}Q", *head, *words) + strings


def answer(tensors=(), metadata=(), data_offset=64, number=1, externals=()):
    """An answer of a parser's process: see src/proto/answer.h and table.h; tensors of (name, dtype, shape, offset)."""
    table = struct.pack("<IIQ", len(metadata), len(tensors), data_offset)
    table += b"".join(struct.pack("<II", len(key), len(value)) + key + value for key, value in metadata)
    table += b"".join(struct.pack(f"<IIIQ{len(shape)}Q", len(name), dtype, len(shape), offset, *shape) + name for name, dtype, shape, offset in tensors)
    rest = b"".join(struct.pack("<IIIQ", len(location), len(sha1), 1, least) + location + sha1 + answer(held, data_offset=0)[4:-4] for location, sha1, least, held in externals)
    return struct.pack("<I", number) + table + struct.pack("<I", len(externals)) + rest


def refusal(status, text, offset=None):
    """An answer that says what is wrong."""
    return struct.pack("<IIIQ", 0, status, offset is not None, offset or 0) + text


def frame(kind, body=b"", fds=0):
    """A packet of the socket."""
    return struct.pack("<HHIII", kind, 0, 1, len(body), fds) + body


SEEDS = {
    "safetensors": {
        "empty": b"", "no-tensors": safetensors({}), "one": safetensors({"a": tensor("F32", [2, 2], 0, 16)}, bytes(16)),
        "metadata": safetensors({"__metadata__": {"format": "pt"}, "a": tensor("BF16", [3], 0, 6)}, bytes(6)),
        "two": safetensors({"a": tensor("U8", [4], 0, 4), "b": tensor("F64", [], 4, 12)}, bytes(12)),
        "overlap": safetensors({"a": tensor("U8", [4], 0, 4), "b": tensor("U8", [4], 2, 6)}, bytes(6)),
        "subbyte": safetensors({"a": tensor("F4", [4], 0, 2), "b": tensor("F6_E2M3", [4], 2, 5)}, bytes(5)),
        "huge": struct.pack("<Q", 1 << 40) + b"{}", "page": b"<!DOCTYPE html><html></html>", "pickle": b"\x80\x02}q\x00.", "zip": b"PK\x03\x04" + bytes(30),
        "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
        "gguf": gguf([(b"general.architecture", 8, struct.pack("<Q", 5) + b"llama"), (b"n", 4, struct.pack("<I", 7)), (b"t", 9, struct.pack("<IQ", 5, 2) + bytes(8))],
                     [(b"a", [32, 2], 2, 0), (b"b", [4], 0, 64)], bytes(64 + 16)), "gguf-empty": gguf(version=2), "gguf-big": gguf(version=3 << 24),
        "onnx": onnx((5, initializer(b"a", 1, [2, 2], (9, bytes(16)))), (5, initializer(b"b", 1, [2], (4, bytes(8)))), (5, initializer(b"c", 21, [3], (9, b"\x21\x03"))),
                     (5, initializer(b"z", 3, [], (5, varint(-3))))),
        "onnx-external": onnx((5, initializer(b"a", 16, [4], *elsewhere(location="w.bin", offset="8", length="8", checksum="0" * 40))),
                              (5, initializer(b"b", 10, [4], *elsewhere(location="sub/w.bin")))),
        "onnx-nested": onnx_nested(2), "onnx-deep": onnx_nested(30), "onnx-old": message((1, 1), (7, message((5, initializer(b"a", 11, [1], (10, bytes(8))))))),
        "onnx-sparse": onnx((15, message((1, initializer(b"s", 1, [1], (9, bytes(4)))))), (10, b"doc")),
        "escapes": safetensors(b'{"\\u00e4\\ud83d\\ude00":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"x"),
    },
    "answer": {
        "empty": b"", "none": answer(), "one": answer([(b"a", 18, (2, 2), 64)]), "metadata": answer([(b"a", 5, (7,), 64)], [(b"format", b"pt")]),
        "gguf": answer([(b"a", 64, (32, 2), 64), (b"b", 15, (), 100)], number=2), "torch": answer([(b"a", 18, (1,), 64), (b"b", 18, (1,), 64)], number=3),
        "beyond": answer([(b"a", 18, (1024,), 64)]), "zero": answer([(b"a", 18, (0, 1 << 63, 4), 64)]), "order": answer([(b"a", 5, (1,), 65), (b"b", 5, (1,), 64)]),
        "twice": answer([(b"a", 5, (1,), 64), (b"a", 5, (1,), 65)]), "truncated": refusal(31, b"it ends", 7), "unsafe": refusal(33, b"os.system"),
        "external": answer([(b"a", 5, (1,), 64)], number=4, externals=[(b"sub/x.data", b"0" * 40, 16, [(b"b", 18, (4,), 0)]), (b"y", b"", 0, [])]),
        "escape": answer(externals=[(b"../x", b"", 16, [])]), "memory": refusal(1, b""), "foreign": refusal(73, b"stopping"),
    },
    "json": {
        "object": b'{"a": [1, -2.5e3, true, false, null, "\\u00e4\\ud83d\\ude00\\n"], "b": {}}', "deep": b"[" * 70 + b"]" * 70, "lone": b'"\\udc00"',
        "number": b"-0.0E+1", "cut": b'{"a":', "control": b'"\x01"', "utf8": b'"\xff"', "space": b" \t\r\n1 ",
    },
    "folder": {
        "shards": b"\0" + json.dumps({"metadata": {"total_size": 8}, "weight_map": {"a": "x-1.safetensors", "b": "x-2.safetensors"}}).encode(),
        "escape": b"\0" + json.dumps({"weight_map": {"a": "../x"}}).encode(),
        "pipeline": b"\1" + json.dumps({"_class_name": "P", "unet": ["diffusers", "UNet2DConditionModel"], "safety_checker": [None, None]}).encode(),
        "config": b"\2" + json.dumps({"architectures": ["BertModel"], "model_type": "bert", "auto_map": {}}).encode(),
    },
    "sidecar": {
        "swarm": b"\0" + json.dumps({"modelspec.title": "T", "modelspec.tags": "a, b", "m": 1}, indent=2).encode(),
        "a1111": b"\1" + json.dumps({"activation text": "w", "preferred weight": 0.8, "sd version": "SDXL"}).encode(),
        "manager": b"\2" + json.dumps({"base_model": "SDXL 1.0", "tags": ["a"], "civitai": {"trainedWords": ["w"], "model": {"name": "N"}}}).encode(),
        "matrix": b"\3" + json.dumps({"ModelName": "N", "TrainedWords": ["w"], "Hashes": {"SHA256": "0"}}).encode(),
        "civitai": b"\4" + json.dumps({"baseModel": "Pony", "files": [{"hashes": {"AutoV2": "0"}}], "model": {"tags": ["a", {}], "nsfw": True}}).encode(),
        "card": b"\5---\nlicense: mit\ntags: [a, 'b']\nbase_model:\n- \"org/x\"\n# c\nwidget: |\n  x\n---\n", "config": b"\6{\"_name_or_path\": \"a/b\"}",
        "text": b"\7words\n", "mark": b"\1\xef\xbb\xbf{}", "tags": b"\0" + json.dumps({"a": {"cat": 3, "dog": 2}, "b": {"cat": 1}}).encode(),
        "member": b"\0{\"m\" : 1 , \"n\":[]}", "deep": b"\4" + b'{"files":' * 60, "twice": b"\0{\"m\":1,\"m\":2}",
    },
    "http": {
        "get": b"\x07GET /api/model/status?x=1 HTTP/1.1\r\nHost: localhost:8420\r\n\r\n",
        "post": b"\x03POST /api/model/load HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
        "chunked": b"\x01POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "smuggled": b"\x10POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "folded": b"\x05GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n", "old": b"\x20GET / HTTP/1.0\r\nAuthorization: Bearer secret\r\nHost: 127.0.0.1\r\n\r\n",
        "expect": b"\x02PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nOrigin: http://h\r\nContent-Length: 1\r\n\r\nx",
    },
    "wire": {
        "hello": frame(1, struct.pack("<QIIQ", 0x3152505453494F48, 1, 0, 0)), "call": frame(3, b"GET /api/model/status\n"), "line": b"POST /api/x%20y?q=1\n{}",
        "open": frame(5, b'{"model_id":"a"}', 1), "greeting": struct.pack("<QIIQ", 0x3152505453494F48, 1, 0, 0), "short": b"\0",
    },
    "index": {"one": index(), "empty": index((), (), (), (), b""), "cut": index()[:-8], "outside": index(tensors=((0, 4, 11, 2, 0, 0, 0, 4090, 16),)), "none": b""},
}

if __name__ == "__main__":
    for target, inputs in SEEDS.items():
        (CORPUS / target).mkdir(parents=True, exist_ok=True)
        for name, content in inputs.items():
            (CORPUS / target / name).write_bytes(content)
