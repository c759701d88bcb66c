"""What torch.save writes since 1.6: a zip archive of a pickle and stored storages."""
import struct
import zlib

from badfiles import Case

LOCAL, CENTRAL, END, END64, LOCATOR = 0x04034B50, 0x02014B50, 0x06054B50, 0x06064B50, 0x07064B50


def entry(name, data, **changes):
    """What an archive's entry is made of; changes are of these fields."""
    raw = name.encode() if isinstance(name, str) else name
    made = {"name": raw, "local_name": raw, "data": data, "flags": 0x0808, "local_flags": None, "method": 0, "crc": zlib.crc32(data), "size": len(data), "packed": len(data), "attributes": 0, "offset": None, "extra": None, "gap": b"",
            "local_size": 0, "central_extra": b""}
    assert set(changes) <= set(made), changes
    return {**made, **changes}


def pack(entries, comment=b"", disk=0, before=b"", end=None, zip64=True):
    """Bytes of an archive, its data on multiples of 64 as torch does it. `end` changes fields of the last record."""
    out, directory = bytearray(before), b""
    for e in entries:
        offset = len(out)
        start = offset + 30 + len(e["local_name"])
        extra = e["extra"]
        if extra is None:
            pad = -(start + 4) % 64
            extra = b"FB" + struct.pack("<H", pad) + b"Z" * pad
        flags = e["flags"] if e["local_flags"] is None else e["local_flags"]
        out += struct.pack("<IHHHHHIIIHH", LOCAL, 0, flags, e["method"], 0, 0, 0, e["local_size"], e["local_size"], len(e["local_name"]), len(extra)) + e["local_name"] + extra + e["data"] + e["gap"]
        directory += struct.pack("<IHHHHHHIIIHHHHHII", CENTRAL, 0, 0, e["flags"], e["method"], 0, 0, e["crc"] % (1 << 32), e["packed"] % (1 << 32), e["size"] % (1 << 32), len(e["name"]), len(e["central_extra"]), 0, disk, 0,
                                 e["attributes"] % (1 << 32), (offset if e["offset"] is None else e["offset"]) % (1 << 32)) + e["name"] + e["central_extra"]
    told = {"count": len(entries), "size": len(directory), "offset": len(out), **(end or {})}
    out += directory
    if zip64:
        at = len(out)
        out += struct.pack("<IQHHIIQQQQ", END64, 44, 0x31E, 45, 0, 0, told["count"], told["count"], told["size"] % (1 << 64), told["offset"] % (1 << 64)) + struct.pack("<IIQI", LOCATOR, 0, at, 1)
    small = [min(told["count"], 0xFFFF), min(told["size"] % (1 << 64), 0xFFFFFFFF), min(told["offset"] % (1 << 64), 0xFFFFFFFF)]
    return bytes(out) + struct.pack("<IHHHHIIH", END, disk, disk, small[0], small[0], small[1], small[2], len(comment)) + comment


def members(pickle, storages=None, byteorder=b"little", version=b"3\n"):
    """The entries of an archive."""
    yield entry("archive/data.pkl", pickle)
    if byteorder is not None:
        yield entry("archive/byteorder", byteorder)
    for key, data in (storages or {}).items():
        yield entry(f"archive/data/{key}", data)
    if version is not None:
        yield entry("archive/version", version)


def archive(pickle, storages=None):
    """An archive around a pickle."""
    return pack(list(members(pickle, storages)))


def changed(which, **changes):
    """A good archive with fields of one entry changed."""
    made = list(members(WEIGHTS, DATA))
    made[which] = {**made[which], **changes}
    return made


def weights():
    """A pickle of one tensor of four floats, and the bytes of its storage."""
    from badfiles import pickles

    return pickles.weights()


DATA = {"0": bytes(range(16))}
WEIGHTS = b""  # set by cases(): pickles.py needs this module first


def good():
    """(name, archive, outcome) of those that load."""
    yield "ZP-001", archive(WEIGHTS, DATA), "A"
    yield "ZP-003", pack([{**e, "crc": 0} for e in members(WEIGHTS, DATA)]), "A+checksum"
    from badfiles import pickles

    many = {str(i): bytes(8) for i in range(300)}
    yield "ZP-004/many", archive(pickles.PROTO + pickles.dict_of(*((pickles.word(f"layer.{i}.weight"), pickles.tensor((2,), key=str(i), count=2)) for i in range(300))) + b".", many), "A"
    yield "ZP-005/absent", pack(list(members(WEIGHTS, DATA, byteorder=None))), "A"
    yield "ZP-006/descriptors", pack([{**e, "gap": struct.pack("<IIII", 0x08074B50, e["crc"], e["size"], e["size"])} for e in members(WEIGHTS, DATA)]), "A"
    yield "ZP-007/no-zip64", pack(list(members(WEIGHTS, DATA)), zip64=False), "A"
    yield "ZP-007/sizes-in-header", pack([{**e, "flags": 0, "local_size": e["size"]} for e in members(WEIGHTS, DATA)]), "A"
    yield "ZP-007/beside", pack([*members(WEIGHTS, DATA), entry("other/code/x", b"x"), entry("other/data/0", b"y")]), "A"
    yield "ZP-007/large-local", pack([{**e, "flags": 0, "local_size": 0xFFFFFFFF} for e in members(WEIGHTS, DATA)]), "A"
    yield "ZP-007/folder", pack([*members(WEIGHTS, DATA), entry("archive/folder/", b"")]), "A"
    wide = struct.pack("<HHQQ", 1, 16, 16, 16)
    yield "ZP-007/zip64-extra", pack(changed(2, size=0xFFFFFFFF, packed=0xFFFFFFFF, central_extra=wide)), "A"


def layouts():
    """Which entries there are."""
    yield "ZP-010", pack(list(members(WEIGHTS, DATA, byteorder=b"big"))), "R:byteorder"
    yield "ZP-010/other", pack(list(members(WEIGHTS, DATA, byteorder=b"little\0big"))), "R:byteorder"
    yield "ZP-010/long", pack(list(members(WEIGHTS, DATA, byteorder=b"little" * 100))), "R:byteorder"
    yield "ZP-011/none", pack([entry("archive/data/0", bytes(16))]), "R:zip"
    yield "ZP-011/two", pack([*members(WEIGHTS, DATA), entry("other/data.pkl", WEIGHTS)]), "R:ambiguous"
    yield "ZP-011/root", pack([entry("data.pkl", WEIGHTS), entry("data/0", bytes(16))]), "R:zip"
    yield "ZP-011/deep", pack([entry("a/b/data.pkl", WEIGHTS), entry("a/b/data/0", bytes(16))]), "R:ambiguous"
    yield "ZP-012/nothing", pack([]), "R"
    yield "ZP-012/tiny", b"PK\3\4" + struct.pack("<IHHHHIIH", END, 0, 0, 0, 0, 0, 4, 0), "R:zip"
    for i, version in enumerate((b"0", b"9" * 21, b"", b"3\n\0", b"-1", b"3 ", b"x")):
        yield f"ZP-030/{i}", pack(list(members(WEIGHTS, DATA, version=version))), "R:version"
    for name in ("archive/code/__torch__.py", "archive/constants.pkl"):
        yield f"ZP-031/{name.split('/')[1]}", pack([*members(WEIGHTS, DATA), entry(name, b"x")]), "U:torchscript"
    yield "ZP-035/one", archive(WEIGHTS, {"0": bytes(15)}), "R:storage_size"
    yield "ZP-035/all", archive(WEIGHTS, {"0": b""}), "R:storage_size"
    yield "ZP-036/one", archive(WEIGHTS, {"0": bytes(17)}), "R:storage_size"
    yield "ZP-038", archive(WEIGHTS, {"1": bytes(16)}), "R:storage"
    yield "ZP-039/twice", pack([*members(WEIGHTS, DATA), entry("archive/data/0", bytes(16))]), "R:duplicate"


def headers():
    """What headers say."""
    yield "ZP-013", pack(changed(0, local_name=b"archive/data.pkX")), "R:ambiguous"
    yield "ZP-013/length", pack(changed(0, local_name=b"archive/data.pk")), "R:ambiguous"
    for flag in (0x1, 0x2, 0x20, 0x40, 0x2000):
        yield f"ZP-015/{flag:x}", pack(changed(2, flags=0x0808 | flag)), "R:flags|R:encrypted"
        yield f"ZP-015/local-{flag:x}", pack(changed(2, local_flags=0x0808 | flag)), "R:ambiguous"
    yield "ZP-016/zipcrypto", pack(changed(2, flags=0x0809)), "R:encrypted"
    yield "ZP-016/aes", pack(changed(2, flags=0x0809, method=99)), "R:encrypted"
    deflated = zlib.compress(bytes(1 << 20), 9)[2:-4]
    yield "ZP-018/bomb", pack([*list(members(WEIGHTS, {}))[:1], *(entry(f"archive/data/{i}", deflated, method=8, size=1 << 20) for i in range(40))]), "R:compressed"
    yield "ZP-018/nested", pack([*members(WEIGHTS, DATA), entry("archive/data/9", archive(WEIGHTS, DATA))]), "A"  # bytes as any others
    yield "ZP-018/overlap", pack([*members(WEIGHTS, DATA), entry("archive/data/9", b"", offset=0)]), "R"
    inner = pack([entry("archive/data/8", b"x", extra=b"")], zip64=False)[:30 + len("archive/data/8") + 1]
    made = [*members(WEIGHTS, DATA), entry("archive/data/9", inner), entry("archive/data/8", b"x")]
    made[-1]["offset"] = pack(made).index(inner)
    yield "ZP-018/within", pack(made), "R:overlap"
    yield "ZP-018/same-bytes", pack([*members(WEIGHTS, DATA), entry("archive/data.pkl", b"", local_name=b"archive/data.pkl", offset=0, size=len(WEIGHTS), packed=len(WEIGHTS))]), "R"
    for name, offset in (("past", 1 << 31), ("negative", -8), ("directory", None)):
        made = changed(2, offset=offset)
        if offset is None:
            made[2]["offset"] = pack(made).index(struct.pack("<I", CENTRAL))
        yield f"ZP-020/{name}", pack(made), "R"
    for field in ("offset", "size"):
        whole = list(members(WEIGHTS, DATA))
        at = pack(whole).index(struct.pack("<I", CENTRAL))
        size = len(pack(whole, zip64=False)) - 22 - at
        true = {"offset": at, "size": size}[field]
        for value in (true - 1, true + 1, 0, (1 << 32) - 1, (1 << 64) - 1):
            yield f"ZP-021/{field}-{value}", pack(whole, end={field: value}), "R|L:directory"
            yield f"ZP-021/{field}-{value}-small", pack(whole, end={field: value}, zip64=False), "R|L:directory"
    for count in (0, 1, 5, 0xFFFE, 0xFFFF, 1 << 40):
        yield f"ZP-022/{count}", pack(list(members(WEIGHTS, DATA)), end={"count": count}), "R"
    inner = pack(list(members(WEIGHTS, DATA)))[-22:]
    yield "ZP-023/second-end", pack(list(members(WEIGHTS, DATA)), comment=inner), "R"
    yield "ZP-024/two-directories", pack(list(members(WEIGHTS, DATA)))[:-22] + pack(list(members(WEIGHTS, DATA)), end={"size": 46, "count": 1}, zip64=False)[-22:], "R:ambiguous"
    yield "ZP-025/comment", pack(list(members(WEIGHTS, DATA)), comment=b"c" * 65535), "R:ambiguous"
    yield "ZP-025/prefix", pack(list(members(WEIGHTS, DATA)), before=b"MZ" + bytes(100)), "R"
    yield "ZP-025/hidden-first", pack(list(members(WEIGHTS, DATA)), before=pack([entry("x", b"y")], zip64=False)[:64]), "R:prefix"
    yield "ZP-026/disks", pack(list(members(WEIGHTS, DATA)), disk=1), "R:multidisk"
    end = pack(list(members(WEIGHTS, DATA)))
    yield "ZP-027/moved-record", end[:-98] + bytes(8) + end[-98:-42] + bytes(8) + end[-42:-34] + struct.pack("<Q", len(end) - 90) + end[-26:], "R"
    names = {"up": "../../etc/cron.d/x", "absolute": "/abs", "drive": "C:\\x", "backslash": "a\\..\\b", "nul": "archive/a\0b", "inside": "archive/../x", "dot": "archive/./x", "double": "archive//x", "empty": "", "utf8": b"archive/\xff",
             "long": "archive/" + "x" * 5000, "slash": "/"}
    for name, bad in names.items():
        yield f"ZP-028/{name}", pack([*members(WEIGHTS, DATA), entry(bad, b"x")]), "R:name"
    yield "ZP-028/link", pack([*members(WEIGHTS, DATA), entry("archive/link", b"/etc/passwd", attributes=0o120777 << 16)]), "R:name"
    yield "ZP-029/short", archive(WEIGHTS, DATA)[:-1], "R:truncated"
    yield "ZP-029/beyond", pack(changed(2, size=1 << 20, packed=1 << 20)), "R:truncated|R:overlap"


def cases():
    """Every case of this format."""
    global WEIGHTS
    WEIGHTS = weights()
    for part in (good, layouts, headers):
        yield from (Case(name, content, want, ".pt") for name, content, want in part())
    from badfiles import pickles

    evil = pickles.PROTO + pickles.call("posix", "system", pickles.word("x")) + b"."
    yield Case("ZP-033/evil-first", evil + archive(WEIGHTS, DATA), "U:posix.system", ".pt")
    yield Case("ZP-033/harmless-first", b"\x80\x02N." + archive(WEIGHTS, DATA), "R:pickle", ".pt")
    yield Case("ZP-021/huge-directory", b"PK\3\4" + bytes(65 << 20) + struct.pack("<IHHHHIIH", END, 0, 0, 1, 1, 65 << 20, 4, 0), "L:directory", ".pt")
    yield Case("ZP-037/huge-pickle", archive(bytes(65 << 20)), "L:pickle", ".pt")
    yield Case("ZP-034/evil-inside", archive(evil, DATA), "U:posix.system", ".pt")
