"""safetensors: u64 N, N bytes of JSON, data."""
import json
import struct

from badfiles import Case
from badfiles.json_texts import TEXTS

LIMIT = 1 << 64


def pack(header, data=b"", length=None):
    """Bytes of a file; the header as text, bytes or JSON."""
    text = header if isinstance(header, bytes) else header.encode() if isinstance(header, str) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def record(dtype, shape, begin, end):
    """A tensor of a header."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


T = '"t":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}'
DATA = bytes(range(16))


def good():
    """Files that must load, with their bytes as they are."""
    two = {"a": record("F32", [2, 2], 0, 16), "b": record("U8", [16], 16, 32)}
    yield "ST-001", pack("{" + T + "}", DATA)
    yield "ST-003", pack("{" + T + "}   ", DATA)
    yield "ST-005", pack("{" + T + "}" + " " * (3 - len(T) % 2), DATA)
    yield "ST-006", pack({"b": two["b"], "a": two["a"]}, DATA * 2)
    yield "ST-008/front", pack({"a": record("F32", [0], 0, 0), "b": record("U8", [16], 0, 16)}, DATA)
    yield "ST-008/end", pack({"a": record("U8", [16], 0, 16), "b": record("F32", [0, 3], 16, 16)}, DATA)
    yield "ST-010", pack({"__metadata__": {f"key{i}": f"value {i}" for i in range(1000)}, "t": record("U8", [16], 0, 16)}, DATA)
    yield "ST-009/many", pack({f"layer.{i:04d}.weight": record("F32", [1] * (i % 9), 4 * i, 4 * i + 4) for i in range(300)}, bytes(1200))
    yield "ST-011", pack('{"__metadata__":null,' + T + "}", DATA)
    yield "ST-013/f4", pack({"t": record("F4", [4], 0, 2)}, b"\x12\x34")
    yield "ST-013/f6", pack({"t": record("F6_E2M3", [4], 0, 3)}, b"abc")
    yield "ST-080", pack({"__metadata__": {"a": "\x80\x02cos\nsystem\n.", "b": "$(rm -rf /)", "c": "http://x/\"'<script>"}, "t": record("U8", [16], 0, 16)}, DATA)
    yield "ST-083", pack({"a": record("BOOL", [8], 0, 8), "b": record("F32", [2], 8, 16)}, bytes(range(2, 10)) + b"\x00\x00\xc0\x7f\x00\x00\x80\xff")
    yield "ST-090/scalar", pack({"t": record("F64", [], 0, 8)}, DATA[:8])
    yield "ST-090/escapes", pack('{"\\u00e4\\ud83d\\ude00\\n\\"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"x")
    yield "ST-090/none", pack("{}")
    yield "ST-090/as-torch-proto", pack("{" + T + "}" + " " * (0x280 - len(T) - 2), DATA)  # N = 0x0280 begins like a pickle


def header_lengths():
    """What N claims."""
    yield "ST-020", b"", "R:truncated"
    yield "ST-021", b"\x10\0\0\0\0\0\0", "R:truncated|R:zeros"
    yield "ST-023/one-past", pack("{" + T + "}", length=len(T) + 3), "R:truncated"
    yield "ST-023/thousand", pack("{" + T + "}", length=1000)[:70], "R:truncated"
    for name, length in (("ST-026", 1 << 63), ("ST-027", (1 << 63) - 1), ("ST-028", LIMIT - 1), ("ST-029", 100_000_001)):
        yield name, pack("{" + T + "}", DATA, length), "L:header"


def bytes_of_the_header():
    """What stands in the header that is no JSON, or no UTF-8."""
    yield "ST-030", pack(b'{"\xff":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"x"), "R:utf8"
    yield "ST-031", pack(b'{"a\xc0\x80":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"x"), "R:utf8"
    yield "ST-032/surrogate", pack(b'{"a\xed\xa0\x80":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"x"), "R:utf8"
    yield "ST-033", pack(b"\xef\xbb\xbf{" + T.encode() + b"}", DATA), "R"
    yield "ST-035", pack('{"a\\u0000b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"x"), "R:name"
    yield "ST-036", pack('{"a\\u0000x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a\\u0000y":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', b"xy"), "R:name"
    yield "ST-038", pack("{" + T + "}x", DATA), "R:json"
    yield "ST-040", pack(b"{" + T.encode() + b"}\0\0\0", DATA), "R:json"
    for i, text in enumerate(("[]", "null", '"a"', "1")):
        yield f"ST-041/{i}", pack(text + " " * 8, DATA), "R"
    for name, text in TEXTS.items():
        yield f"ST-043/{name}", pack(text), "R"
        yield f"ST-043/{name}-inside", pack(b'{"__metadata__":' + text + b"," + T.encode() + b"}", DATA), "R"
        yield f"ST-043/{name}-ignored", pack(b'{"t":{"dtype":"F32","x":' + text + b',"shape":[2,2],"data_offsets":[0,16]}}', DATA), "R"


def shapes_of_the_json():
    """JSON of another shape than a header's."""
    deep = "[" * 100_000
    for i, text in enumerate(('{"t":' + deep, '{"__metadata__":' + deep, '{"t":{"dtype":"F32","x":' + deep)):
        yield f"ST-045/{i}", pack(text), "R:type|R:metadata|R:depth" if i < 2 else "R:depth"
    yield "ST-046", pack("{" + T + "," + T + "}", DATA), "R:duplicate"
    yield "ST-048", pack("{" + T + "," + T.replace('"t"', '"\\u0074"') + "}", DATA), "R:duplicate"
    yield "ST-050", pack('{"t":{"dtype":"F32","dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}', DATA), "R:duplicate"
    yield "ST-051/twice", pack('{"__metadata__":{},"__metadata__":{},' + T + "}", DATA), "R:duplicate"
    yield "ST-051/inside", pack('{"__metadata__":{"a":"1","\\u0061":"1"},' + T + "}", DATA), "R:duplicate"
    for i, text in enumerate(("1", '{"a":{}}', '["a"]', '{"dtype":"F32","shape":[],"data_offsets":[0,4]}', '{"a":null}', "true")):
        yield f"ST-053/{i}", pack('{"__metadata__":' + text + "," + T + "}", DATA), "R:metadata"
    yield "ST-055/null", pack('{"t":null}', DATA), "R:type"
    yield "ST-055/array", pack('{"t":["F32",[2,2],[0,16]]}', DATA), "R:type"
    for i, text in enumerate(('"F33"', '"f32"', "3", '{"F32":null}', '""', '"F32\\u0000"')):
        yield f"ST-056/{i}", pack('{"t":{"dtype":' + text + ',"shape":[2,2],"data_offsets":[0,16]}}', DATA), "R:dtype"
    for missing in ("dtype", "shape", "data_offsets"):
        yield f"ST-057/{missing}", pack({"t": {key: value for key, value in record("F32", [2, 2], 0, 16).items() if key != missing}}, DATA), "R:type"


def numbers():
    """Shapes and offsets that lie, wrap or overlap."""
    for name, text in (("2-64", "[18446744073709551616]"), ("wraps-to-16", "[4611686018427387908]"), ("zero-first", "[0,18446744073709551615,2]"),
                       ("zero-last", "[2,18446744073709551615,0]"), ("negative", "[-1]"), ("fraction", "[2.0]"), ("exponent", "[1e1]")):
        yield f"ST-058/{name}", pack('{"t":{"dtype":"F32","shape":' + text + ',"data_offsets":[0,16]}}', DATA), "R:overflow"
    for rank in (65, 1000, 1_000_000):
        yield f"ST-063/{rank}", pack({"t": record("F32", [1] * rank, 0, 4)}, DATA[:4]), "L:rank"
    for i, text in enumerate(("[0]", "[0,16,32]", '{"b":0,"e":16}', "[]", '"0,16"', "[16,0]")):
        yield f"ST-065/{i}", pack('{"t":{"dtype":"F32","shape":[2,2],"data_offsets":' + text + "}}", DATA), "R:type|R:offset|R:size"
    yield "ST-066", pack("{" + T + "}", DATA[:15]), "R:truncated"
    yield "ST-067/trailing", pack("{" + T + "}", DATA + b"x"), "R:trailing"
    yield "ST-068", pack({"t": record("U8", [LIMIT - 16], 0, LIMIT - 16)}, DATA), "R:overflow"
    yield "ST-069/sum-wraps", pack({"a": record("U8", [1 << 62], 0, 1 << 62), "b": record("U8", [1 << 62], 1 << 62, 1 << 63)}, DATA), "R:truncated|R:overflow"
    pairs = {"ST-070": ((0, 4), (8, 12)), "ST-070/front": ((4, 8), (8, 12)), "ST-071/partial": ((0, 8), (4, 12)), "ST-071/alias": ((0, 8), (0, 8))}
    for name, ((a, b), (c, d)) in pairs.items():
        yield name, pack({"a": record("U8", [b - a], a, b), "b": record("U8", [d - c], c, d)}, DATA[:12]), "R:hole" if name < "ST-071" else "R:overlap"
    yield "ST-073", pack({"a": record("U8", [16], 0, 16), "b": record("F32", [0], 8, 8)}, DATA), "R:overlap"
    yield "ST-075", pack({"t": record("F32", [2, 2], 0, 12)}, DATA[:12]), "R:size"
    yield "ST-076", pack({"t": record("F4", [3], 0, 2)}, DATA[:2]), "R:size"
    yield "ST-077/name", pack({"n" * 5000: record("U8", [1], 0, 1)}, b"x"), "L:name"


def large():
    """Files that cost a careless reader time and memory."""
    many = b"{" + b",".join(b'"layer.%06d":{"dtype":"F32","shape":[4],"data_offsets":[%d,%d]}' % (i, 16 * i, 16 * i + 16) for i in range(100_000)) + b"}"
    yield Case("ST-015", struct.pack("<Q", len(many)) + many, "A", sparse=8 + len(many) + 1_600_000, ms=1000)
    yield Case("ST-025", struct.pack("<Q", 100_000_000), "R", sparse=100_000_008)
    zero = b"{" + b",".join(b'"%07d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}' % i for i in range(1_000_000)) + b"}"
    yield Case("ST-078", pack(zero), "L:tensors", ms=2000)


def cases():
    """Every case of this format."""
    pickle = b"\x80\x02}q\x00."
    yield from (Case(name, content, "A") for name, content in good())
    for part in (header_lengths, bytes_of_the_header, shapes_of_the_json, numbers):
        yield from (Case(name, content, want) for name, content, want in part())
    yield from large()
    whole = pack("{" + T + "}", DATA)
    yield Case("ST-081/upper", whole, "A", ".SAFETENSORS")
    yield Case("ST-081/double", whole, "A+suffix", ".safetensors.bin")
    yield Case("ST-081/as-gguf", whole, "A+suffix", ".gguf")
    yield Case("ST-081/pickle", pickle, "R", ".safetensors")
