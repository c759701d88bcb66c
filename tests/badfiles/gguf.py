"""GGUF: magic, version, counts, pairs, tensors, padding, data."""
import random
import struct
import zipfile
import io

from badfiles import Case

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
TYPE_F32, TYPE_Q4_0, TYPE_I8, TYPE_F64 = 0, 2, 24, 28
LIMIT = 1 << 64
DATA = bytes(range(64))


def text(value):
    """A string of the format."""
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(raw)) + raw


def u32(value):
    """A number of 32 bits."""
    return struct.pack("<I", value % (1 << 32))


def u64(value):
    """A number of 64 bits."""
    return struct.pack("<Q", value % LIMIT)


def pair(key, kind, value):
    """A key with a value of this type."""
    return text(key) + u32(kind) + value


def tensor(name, sizes, kind=TYPE_F32, offset=0, rank=None):
    """A tensor's entry; sizes are the innermost first."""
    return text(name) + u32(len(sizes) if rank is None else rank) + b"".join(map(u64, sizes)) + u32(kind) + u64(offset)


def pack(pairs=(), tensors=(), data=b"", version=3, magic=b"GGUF", counts=None, alignment=32):
    """Bytes of a file."""
    n_tensors, n_pairs = counts or (len(tensors), len(pairs))
    head = magic + u32(version) + u64(n_tensors) + u64(n_pairs) + b"".join(pairs) + b"".join(tensors)
    return head + b"\0" * (-len(head) % alignment) + data


ONE = [tensor("t", [8, 2])]
NUMBER = [pair("answer", U32, u32(42))]


def good():
    """Files that must load."""
    yield "GG-001", pack(NUMBER, ONE, DATA)
    yield "GG-002", pack(NUMBER, ONE, DATA, version=2)
    yield "GG-004/many", pack([pair(f"key.{i}", STRING, text("value" * i)) for i in range(40)], [tensor(f"layer.{i}", [8, 1, 1][:1 + i % 3], offset=32 * i) for i in range(300)], bytes(32 * 300))
    yield "GG-003", pack([pair("general.architecture", STRING, text("llama"))])
    yield "GG-005", pack(NUMBER, [tensor("t", [0, 4])])
    yield "GG-006", pack(NUMBER, [tensor("t", [])], DATA[:4])
    yield "GG-008/64", pack(NUMBER, [tensor("n" * 64, [8, 2])], DATA)
    yield "GG-008/100", pack(NUMBER, [tensor("n" * 100, [8, 2])], DATA)
    yield "GG-010", pack([pair("tokenizer.chat_template", STRING, text("x" * (8 << 20))),
                          pair("tokens", ARRAY, u32(STRING) + u64(200_000) + b"".join(text(str(i)) for i in range(200_000)))], ONE, DATA)
    yield "GG-040", pack([pair("tokenizer.ggml.tokens", ARRAY, u32(STRING) + u64(3) + text("<0x-1>") + text("<0xZZ>") + text("<0x"))], ONE, DATA)
    yield "GG-044/alignment-64", pack([pair("general.alignment", U32, u32(64))], ONE, DATA, alignment=64)
    yield "GG-045/path", pack(NUMBER, [tensor("../../x", [8, 2])], DATA)
    yield "GG-045/escape", pack(NUMBER, [tensor("a\n\x1b[31mb\"}", [8, 2])], DATA)
    yield "GG-047/packed", pack(NUMBER, [tensor("a", [32, 2], TYPE_Q4_0), tensor("b", [4], offset=64)], bytes(64 + 16))
    every = [(U8, b"\x01"), (I8, b"\xff"), (U16, b"\1\0"), (I16, b"\xff\xff"), (U32, u32(7)), (I32, u32(-7)), (F32, struct.pack("<f", 1.5)), (BOOL, b"\x01"), (STRING, text("s")), (U64, u64(1 << 63)),
             (I64, u64(-1)), (F64, struct.pack("<d", -2.5))]
    yield "GG-047/every-value", pack([pair(f"key.{kind}", kind, value) for kind, value in every] + [pair(f"array.{kind}", ARRAY, u32(kind) + u64(1) + value) for kind, value in every], ONE, DATA)


def heads():
    """What the first 24 bytes say."""
    whole = pack(NUMBER, ONE, DATA)
    yield "GG-020/empty", b"", "R:truncated"
    yield "GG-020/four", b"GGUF", "R:truncated"
    yield "GG-020/twenty-three", whole[:23], "R:truncated"
    yield "GG-021/fugg", pack(NUMBER, ONE, DATA, magic=b"FUGG"), "R"
    for magic in (b"GGML", b"GGJT", b"GGLA", b"lmgg", b"tjgg", b"algg", b"fmgg"):
        yield f"GG-021/{magic.decode()}", pack(NUMBER, ONE, DATA, magic=magic), "R:unsupported"
    for version in (0, 1, 4, -1, 3 << 24):
        yield f"GG-022/{version}", pack(NUMBER, ONE, DATA, version=version), "R:version|R:byteorder"
    for count in (LIMIT - 1, 1 << 40, 1 << 61):
        yield f"GG-023/tensors-{count}", pack(NUMBER, ONE, DATA, counts=(count, 1)), "R"
        yield f"GG-023/pairs-{count}", pack(NUMBER, ONE, DATA, counts=(1, count)), "R"
    for size in (48, 368, 400, 416):  # bytes that readers allocate for a tensor: n of them wrap to a few
        yield f"GG-025/{size}", pack(NUMBER, ONE, DATA, counts=(LIMIT // size + 1, 1)), "R"
    yield "GG-026/pairs", pack(NUMBER, counts=(0, 2), alignment=1), "R:truncated"
    yield "GG-026/tensors", pack(NUMBER, ONE, counts=(2, 1)), "R:truncated"


def pairs():
    """Metadata that lies."""
    for name, key in (("GG-028", ""), ("GG-030/nul", "a\0b"), ("GG-030/utf8", b"a\xff")):
        yield name, pack([pair(key, U32, u32(1))], ONE, DATA), "R:key"
    yield "GG-031/numbers", pack(NUMBER * 2, ONE, DATA), "R:duplicate"
    yield "GG-031/arrays", pack([pair("a", ARRAY, u32(U8) + u64(1) + b"x")] * 2, ONE, DATA), "R:duplicate"
    yield "GG-031/mixed", pack([pair("a", ARRAY, u32(U8) + u64(1) + b"x"), pair("a", U32, u32(1))], ONE, DATA), "R:duplicate"
    for length in (LIMIT - 1, 100, (1 << 30) + 1):
        yield f"GG-033/{length}", pack([text("a") + u32(STRING) + u64(length) + b"x"]), "R"
        yield f"GG-033/key-{length}", pack([u64(length) + b"x"]), "R"
    for name, kind, count in (("u8", U8, 1 << 31), ("wraps-to-4", U32, (1 << 62) + 1), ("u32", U32, LIMIT - 1), ("f64", F64, (1 << 61) + 1), ("strings", STRING, (1 << 61) + 1), ("strings-most", STRING, LIMIT - 1)):
        yield f"GG-035/{name}", pack([pair("a", ARRAY, u32(kind) + u64(count) + bytes(100))]), "R"
    yield "GG-038/deep", pack([pair("a", ARRAY, (u32(ARRAY) + u64(1)) * 200_000)]), "R:type"
    for kind in (13, 99, -1):
        yield f"GG-039/{kind}", pack([pair("a", kind, u32(1))], ONE, DATA), "R:type"
        yield f"GG-039/array-{kind}", pack([pair("a", ARRAY, u32(kind) + u64(1) + u32(1))], ONE, DATA), "R:type"
    for value in (0, 3, 48, 1 << 31, 1 << 17):
        yield f"GG-041/{value}", pack([pair("general.alignment", U32, u32(value))], ONE, DATA), "R:alignment"
    for name, kind, value in (("i32", I32, u32(32)), ("u64", U64, u64(32)), ("string", STRING, text("32")), ("array-1", ARRAY, u32(U32) + u64(1) + u32(32)), ("array-0", ARRAY, u32(U32) + u64(0))):
        yield f"GG-043/{name}", pack([pair("general.alignment", kind, value)], ONE, DATA), "R:alignment_type"


def tensors():
    """Tensors that lie."""
    def of(*entries, data=DATA):
        return pack(NUMBER, list(entries), data)

    yield "GG-046/5", of(tensor("t", [1] * 5)), "R:rank"
    yield "GG-046/most", of(tensor("t", [8, 2], rank=-1)), "R:rank"
    yield "GG-048/i8", of(tensor("t", [1 << 32, 1 << 32], TYPE_I8)), "R:overflow"
    yield "GG-048/q4", of(tensor("t", [1 << 32, 1 << 32], TYPE_Q4_0)), "R:overflow"
    yield "GG-048/f32", of(tensor("t", [1 << 16] * 4)), "R:overflow"
    yield "GG-050", of(tensor("t", [1 << 33, (1 << 31) + 1])), "R:overflow"
    yield "GG-051", of(tensor("t", [(1 << 63) - 1], TYPE_I8)), "R"
    yield "GG-052/minus-one", of(tensor("t", [LIMIT - 1], TYPE_I8)), "R:overflow"
    yield "GG-053", of(tensor("t", [1 << 60, 4], TYPE_F64)), "R:overflow"
    yield "GG-055", of(tensor("t", [LIMIT - 16], TYPE_I8)), "R:overflow"
    quarters = [tensor(f"q{i}", [1 << 62], TYPE_I8, i << 62) for i in range(4)]
    yield "GG-055/sum", of(*quarters), "R:overflow"
    yield "GG-055/padding", of(*quarters[:3], tensor("q3", [(1 << 62) - 300], TYPE_I8, 3 << 62), tensor("q4", [0], TYPE_I8, LIMIT - 288)), "R"
    for kind in (-1, 200, 4, 5, 31, 32, 33, 36, 37, 38, 42, 255, 256):
        yield f"GG-056/{kind}", of(tensor("t", [32, 2], kind)), "R:dtype"
    yield "GG-057/row", of(tensor("t", [31, 32], TYPE_Q4_0)), "R:shape"
    yield "GG-058/misaligned", of(tensor("t", [8, 2], offset=4)), "R:hole"
    yield "GG-058/gap", of(tensor("a", [8]), tensor("b", [8], offset=64), data=bytes(96)), "R:hole"
    yield "GG-058/overlap", of(tensor("a", [16]), tensor("b", [16], offset=32), data=bytes(96)), "R:overlap"
    yield "GG-058/unsorted", of(tensor("a", [8], offset=32), tensor("b", [8])), "R:offset"
    yield "GG-058/first", of(tensor("t", [8], offset=32)), "R:hole"
    yield "GG-058/far", of(tensor("t", [8, 2], offset=1 << 63)), "R"
    yield "GG-058/wraps", of(tensor("t", [8, 2], offset=LIMIT - 32)), "R"
    yield "GG-059/twice", of(tensor("a", [8]), tensor("a", [8], offset=32)), "R:duplicate"
    yield "GG-059/utf8", of(tensor(b"a\xff", [8, 2])), "R:utf8"
    yield "GG-059/nul", of(tensor("a\0b", [8, 2])), "R:name"
    yield "GG-059/long", of(tensor("n" * 5000, [8, 2])), "L:name"
    yield "GG-062/short", of(*ONE, data=DATA[:-1]), "R:truncated"


def large():
    """Files that cost a careless reader time and memory."""
    keys = [pair(f"k{i:06d}", U8, b"x") for i in range(60_000)]
    yield Case("GG-060", pack(keys, ONE, DATA), "A", ".gguf", heap=8 << 20)
    yield Case("GG-061", pack(NUMBER, [tensor(f"{i:07d}", [0]) for i in range(40_000)]), "A", ".gguf")


def wrapped(content):
    """The file in an archive."""
    import bz2
    import gzip
    import lzma

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("model.gguf", content)
    yield "zip", archive.getvalue(), "R:zip"
    yield "gzip", gzip.compress(content), "R:compressed"
    yield "gzip-bomb", gzip.compress(bytes(64 << 20)), "R:compressed"
    yield "xz", lzma.compress(content), "R:compressed"
    yield "bzip2", bz2.compress(content), "R:compressed"
    yield "zstd", b"\x28\xb5\x2f\xfd" + content, "R:compressed"


def handcrafted():
    """What llama.cpp's own tests make: random pairs and tensors, one thing wrong in each; ten of each kind."""
    values = [(U8, b"\x07"), (U32, u32(9)), (F32, struct.pack("<f", 2)), (BOOL, b"\1"), (STRING, text("word")), (ARRAY, u32(U32) + u64(2) + u32(1) + u32(2)), (ARRAY, u32(STRING) + u64(1) + text("a"))]
    for seed in range(10):
        chance = random.Random(seed)
        keys = [pair(f"key{i}", *chance.choice(values)) for i in range(chance.randint(1, 8))]
        entries, offset, data = [], 0, b""
        for i in range(chance.randint(1, 6)):
            sizes = [chance.randint(1, 6) for _ in range(chance.randint(1, 4))]
            count = sizes[0] * (sizes[1] if len(sizes) > 1 else 1) * (sizes[2] if len(sizes) > 2 else 1) * (sizes[3] if len(sizes) > 3 else 1)
            entries.append((f"tensor{i}", sizes, TYPE_F32, offset))
            data += chance.randbytes(4 * count) + bytes(-4 * count % 32)
            offset = len(data)
        made = [tensor(*entry) for entry in entries]
        name, sizes, kind, offset = entries[-1]
        yield f"GG-066/good-{seed}", pack(keys, made, data), "A"
        broken = {"kind": tensor(name, sizes, 99, offset), "offset": tensor(name, sizes, kind, offset + 32), "aligned": tensor(name, sizes, kind, offset + 1), "rank": tensor(name, sizes * 5, kind, offset),
                  "huge": tensor(name, [LIMIT - 1] * len(sizes), kind, offset), "name": tensor(name * 1000, sizes, kind, offset)}
        for word, entry in broken.items():
            yield f"GG-066/{word}-{seed}", pack(keys, [*made[:-1], entry], data), "R|L:name"
        if len(made) > 1:
            yield f"GG-066/twice-{seed}", pack(keys, [*made[:-1], tensor(entries[0][0], sizes, kind, offset)], data), "R:duplicate"
        yield f"GG-066/no-data-{seed}", pack(keys, made), "R:truncated"
        yield f"GG-066/cut-{seed}", pack(keys, made, data)[:24 + chance.randrange(len(keys) * 8)], "R:truncated"
        yield f"GG-066/key-twice-{seed}", pack([*keys, keys[0]], made, data), "R:duplicate"
        yield f"GG-066/bad-value-{seed}", pack([*keys, pair("bad", 13 + seed, b"")], made, data), "R"


def cases():
    """Every case of this format."""
    yield from (Case(name, content, "A", ".gguf") for name, content in good())
    whole = pack(NUMBER, ONE, DATA)
    yield Case("GG-011/zeros", whole + bytes(64), "A+trailing_bytes", ".gguf")
    yield Case("GG-011/zip", whole + b"PK\3\4evil" + bytes(60), "A+trailing_bytes", ".gguf")
    yield Case("GG-011/vocabulary", pack(NUMBER) + bytes(64), "A+trailing_bytes", ".gguf")
    yield Case("GG-012/as-safetensors", whole, "A+suffix", ".safetensors")
    # Its ninth byte, the number of tensors, is a brace: in a file of 15 GB the first eight could be the length of a header.
    names = [tensor(f"{i:03d}", [0]) for i in range(ord("{"))]
    yield Case("GG-013/brace", pack(NUMBER, names), "A", ".gguf")
    yield Case("GG-063/no-and-count", pack([pair("split.no", U16, b"\7\0"), pair("split.count", U16, b"\3\0")], ONE, DATA), "R:split", ".gguf")
    yield Case("GG-063/alone", pack([pair("split.no", U16, b"\0\0"), pair("split.count", U16, b"\3\0")], ONE, DATA), "R:split", ".gguf")
    yield Case("GG-063/tensors", pack([pair("split.count", U16, b"\1\0"), pair("split.tensors.count", I32, u32(9))], ONE, DATA), "R:split", ".gguf")
    for part in (heads, pairs, tensors, handcrafted):
        yield from (Case(name, content, want, ".gguf") for name, content, want in part())
    yield from (Case(f"GG-065/{name}", content, want, ".gguf") for name, content, want in wrapped(whole))
    yield from large()
