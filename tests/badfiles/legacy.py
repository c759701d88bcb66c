"""What torch.save wrote before 1.6: four pickles (magic, version, system, weights), a fifth with the keys of the storages, then those."""
import gzip
import struct

from badfiles import Case, pickles
from badfiles.pickles import PROTO, word

MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
VERSION = PROTO + b"M\xe9\x03."
SYSTEM = PROTO + pickles.dict_of((word("protocol_version"), b"M\xe9\x03"), (word("little_endian"), b"\x88")) + b"."
EVIL = PROTO + pickles.call("posix", "system", word("x")) + b"."


def keys(*names):
    """The list of the storages' keys."""
    return PROTO + b"](" + b"".join(map(word, names)) + b"e."


def data(values):
    """A storage of floats: how many, then they."""
    return struct.pack("<Q", len(values)) + struct.pack(f"<{len(values)}f", *values)


def pack(weights=None, names=("0",), storages=None, magic=MAGIC, version=VERSION, system=SYSTEM):
    """Bytes of a stream."""
    return magic + version + system + (weights or pickles.weights()) + keys(*names) + b"".join(storages if storages is not None else [data([1, 2, 3, 4])])


def two():
    """Weights of two storages."""
    return PROTO + pickles.dict_of((word("a"), pickles.tensor(key="0")), (word("b"), pickles.tensor((2,), key="1", count=2))) + b"."


def files():
    """(name, bytes, outcome)."""
    first, second = data([1, 2, 3, 4]), data([5, 6])
    yield "LG-001", pack(), "A"
    yield "LG-002/two", pack(two(), "01", [first, second]), "A"
    names = [str(i) for i in range(300)]
    many = PROTO + pickles.dict_of(*((word(f"layer.{i}"), pickles.tensor((2,), key=i, count=2)) for i in names)) + b"."
    yield "LG-002/many", pack(many, names, [second] * 300), "A"
    # More than the first read of it, in which the pickles are looked for.
    large = PROTO + pickles.dict_of((word("t"), pickles.tensor()), (word("note"), word("x" * (2 << 20)))) + b"."
    yield "LG-002/large", pack(large), "A"
    yield "LG-003/order", pack(two(), "10", [second, first]), "A"
    yield "LG-003/extra", pack(names="01", storages=[first, second]), "R:storage"
    yield "LG-003/missing", pack(two(), "0", [first]), "R:storage"
    yield "LG-003/missing-key", pack(two(), "0", [first, second]), "R"
    yield "LG-003/duplicate", pack(names="00", storages=[first, first]), "R:duplicate"
    yield "LG-004/count-small", pack(storages=[data([1, 2, 3])]), "R:storage_size"
    yield "LG-004/count-large", pack(storages=[struct.pack("<Q", 1 << 62) + bytes(16)]), "R:storage_size"
    yield "LG-004/trailing", pack() + b"x", "R:trailing"
    yield "LG-005/mid-storage", pack()[:-3], "R:truncated"
    yield "LG-005/no-storage", pack(storages=[]), "R:truncated"
    yield "LG-005/half-count", pack(storages=[first[:5]]), "R:truncated"
    yield "LG-006/first", pack(magic=EVIL), "U:posix.system"
    yield "LG-006/second", pack(version=EVIL), "U:posix.system"
    yield "LG-006/third", pack(system=EVIL), "U:posix.system"
    yield "LG-006/fourth", pack(EVIL), "U:posix.system"
    yield "LG-006/fifth", MAGIC + VERSION + SYSTEM + pickles.weights() + EVIL, "U:posix.system"
    yield "LG-007/big-endian", pack(system=PROTO + pickles.dict_of((word("little_endian"), b"\x89")) + b"."), "R:byteorder"
    yield "LG-007/keys-dict", MAGIC + VERSION + SYSTEM + pickles.weights() + PROTO + b"}." + first, "R:storage"
    yield "LG-007/keys-numbers", MAGIC + VERSION + SYSTEM + pickles.weights() + PROTO + b"](K\0e." + first, "R:storage"
    yield "LG-008", gzip.compress(pack()), "R:compressed"
    yield "LG-009/view", pack(PROTO + pickles.dict_of((word("t"), pickles.ask("torch._utils", "_rebuild_tensor") + pickles.tuple_of(
        pickles.tuple_of(word("storage"), pickles.ask("torch", "FloatStorage"), word("0"), word("cpu"), b"K\4", b"N") + b"Q", b"K\0", b"K\4\x85", b"K\1\x85") + b"R")) + b"."), "A"


def cases():
    """Every case of this format."""
    yield from (Case(name, content, want, ".pt") for name, content, want in files())
