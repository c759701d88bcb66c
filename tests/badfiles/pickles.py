"""Pickles alone and in archives: what asks for anything but weights is unsafe, what is broken is refused."""
import struct

from badfiles import Case
from badfiles.torch_zip import archive

PROTO = b"\x80\x02"


def word(value):
    """A text (BINUNICODE)."""
    raw = value.encode() if isinstance(value, str) else value
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value):
    """An integer (LONG1)."""
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def ask(module, name):
    """A global."""
    return f"c{module}\n{name}\n".encode()


def tuple_of(*values):
    """A tuple."""
    return b"(" + b"".join(values) + b"t"


def storage(key="0", count=4, kind="FloatStorage"):
    """A persistent id of a storage."""
    return tuple_of(word("storage"), ask("torch", kind), word(key), word("cpu"), number(count)) + b"Q"


def tensor(sizes=(4,), strides=(1,), offset=0, name="_rebuild_tensor_v2", **of):
    """A tensor."""
    return ask("torch._utils", name) + tuple_of(storage(**of), number(offset), tuple_of(*map(number, sizes)), tuple_of(*map(number, strides)), b"\x89", ask("collections", "OrderedDict") + b")R") + b"R"


def dict_of(*pairs):
    """A dict."""
    return b"}(" + b"".join(key + value for key, value in pairs) + b"u"


def weights(*more, t=None):
    """A pickle of one tensor and whatever else."""
    return PROTO + dict_of((word("t"), t or tensor()), *more) + b"."


def call(module, name, *arguments):
    """A call by REDUCE."""
    return ask(module, name) + tuple_of(*arguments) + b"R"


CALLS = {
    "PK-010": [("posix", "system"), ("nt", "system"), ("os", "system"), ("builtins", "eval"), ("builtins", "exec"), ("builtins", "compile"), ("builtins", "getattr"), ("builtins", "open"), ("subprocess", "Popen"),
               ("runpy", "_run_code")],
    "PK-011": [("__builtin__", "eval"), ("operator", "attrgetter"), ("functools", "partial"), ("torch.serialization", "load"), ("torch.utils.collect_env", "run"), ("torch.hub", "load"), ("numpy.f2py.crackfortran", "getlincoef"),
               ("_osx_support", "_read_output"), ("uuid", "_get_command_stdout"), ("imaplib", "IMAP4_stream"), ("pkgutil", "resolve_name"), ("cProfile", "run"), ("_io", "FileIO"), ("logging", "FileHandler")],
    "PK-012": [("webbrowser", "open"), ("shutil", "rmtree"), ("importlib", "import_module"), ("ctypes", "CDLL"), ("code", "InteractiveInterpreter"), ("pickle", "loads"), ("_pickle", "load"), ("marshal", "loads"), ("types", "CodeType"),
               ("socket", "socket"), ("urllib.request", "urlopen"), ("http.client", "HTTPConnection"), ("ssl", "get_server_certificate"), ("asyncio.unix_events", "_UnixSubprocessTransport._start"), ("distutils.file_util", "write_file"),
               ("lib2to3.pgen2.pgen", "ParserGenerator.make_label"), ("idlelib.run", "Executive.runcode"), ("profile", "Profile.run"), ("trace", "Trace.run"), ("timeit", "timeit"), ("bdb", "Bdb.run"), ("pdb", "run"), ("doctest", "debug_script"),
               ("ensurepip", "_run_pip"), ("pip", "main"), ("setuptools.sandbox", "run_setup"), ("torch.jit", "load"), ("torch._inductor.codecache", "compile_file"), ("torch.utils.bottleneck.__main__", "run_cprofile"),
               ("torch.utils._config_module", "load_config"), ("torch.utils.data.datapipes.utils.decoder", "basichandlers"), ("torch.fx.experimental.symbolic_shapes", "ShapeEnv.evaluate_guards_expression"), ("torch", "load"),
               ("numpy.testing._private.utils", "runstring"), ("numpy", "load"), ("joblib", "load"), ("dill", "loads"), ("cloudpickle", "loads"), ("pandas", "read_pickle"), ("sys", "modules"), ("builtins", "__import__"), ("builtins", "setattr"),
               ("builtins", "globals"), ("builtins", "type"), ("builtins", "print"), ("collections", "namedtuple"), ("copyreg", "_reconstructor"), ("weakref", "finalize"), ("atexit", "register"), ("threading", "Thread"),
               ("multiprocessing.util", "spawnv_passfds"), ("platform", "popen"), ("commands", "getoutput"), ("pty", "spawn"), ("site", "main"), ("sysconfig", "get_paths"), ("tempfile", "mkstemp"), ("zipimport", "zipimporter")],
    "PK-015": [("torch._utils", "_rebuild_tensor_v2 "), (" torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_tensor_v2\0x"), ("torch._utils\0", "_rebuild_tensor_v2"), ("Torch._utils", "_rebuild_tensor_v2"),
               ("torch._utils", "_REBUILD_TENSOR_V2"), ("\uff54orch._utils", "_rebuild_tensor_v2"), ("torch._utils", "\uff3frebuild_tensor_v2"), ("torch", "_utils._rebuild_tensor_v2"), ("", "torch._utils._rebuild_tensor_v2"),
               ("torch._utils", ""), ("collections", "OrderedDict\r"), ("torch", "FloatStorage.__init__")],
    "PK-016": [("torch._utils", "_rebuild_tensor_v2.__globals__"), ("collections", "OrderedDict.__class__"), ("torch", "Size.__mro__"), ("_codecs", "encode.__self__")],
    "PK-003": [("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint")],
}


def unsafe():
    """(name, pickle, a text that the verdict holds)."""
    for rule, names in CALLS.items():
        for i, (module, name) in enumerate(names):
            evil = call(module, name, word("touch canary"))
            yield f"{rule}/{i}-alone", PROTO + evil + b".", "global:"
            yield f"{rule}/{i}-beside", weights((word("x"), evil)), "global:"
            yield f"{rule}/{i}-as-key", weights((evil, b"N")), "global:"
            yield f"{rule}/{i}-stack", PROTO + word(module) + word(name) + b"\x93" + tuple_of(word("x")) + b"R.", "global:"
            yield f"{rule}/{i}-dropped", PROTO + evil + b"0" + dict_of((word("t"), tensor())) + b".", "global:"
    evil = ask("posix", "system")
    opcodes = {"inst": b"(" + word("x") + b"iposix\nsystem\n", "obj": b"(" + evil + word("x") + b"o", "newobj": evil + tuple_of(word("x")) + b"\x81", "newobj-ex": evil + tuple_of(word("x")) + b"}\x92", "ext1": b"\x82\x01", "ext2": b"\x83\1\0",
               "ext4": b"\x84\1\0\0\0", "persid": b"Pcanary\n", "build-list": b"]}b", "build-number": b"K\x01}b", "build-none": b"N}b", "build-global": ask("torch", "Size") + b"}b",
               "next-buffer": b"\x97", "readonly": b"\x98", "bytearray8": b"\x96" + bytes(8), "text-int": b"I1\n", "text-long": b"L1L\n", "text-float": b"F1\n", "text-string": b"S'a'\n", "text-unicode": b"Va\n", "text-get": b"g0\n", "text-put": b"p0\n",
               "frozenset": b"(\x91", "set": b"\x8f", "dup": b"2", "pop-mark": b"(1", "unknown": b"\xff", "call-text": word("x") + b")R", "call-dict": b"})R", "call-no-tuple": ask("torch", "Size") + b"]R"}
    for name, opcode in opcodes.items():
        yield f"PK-018/{name}", weights((word("x"), opcode)), ""
    for key in ("__setstate__", "__dict__", "__reduce__", "__class__"):
        yield f"PK-020/{key}", weights((word("x"), ask("collections", "OrderedDict") + b")R" + dict_of((word(key), b"N")) + b"b")), "state"
    yield "PK-020/number-key", weights((word("x"), ask("collections", "OrderedDict") + b")R" + dict_of((b"K\1", b"N"), (word("__doc__"), b"N")) + b"b")), "state"
    yield "PK-020/tuple", weights((word("x"), ask("collections", "OrderedDict") + b")R" + tuple_of(b"}", b"}") + b"b")), "state"
    yield "PK-020/of-foreign", weights((word("x"), call("collections", "Counter") + b"}b")), "collections.Counter"
    yield "PK-020/items-of-foreign", weights((word("x"), call("collections", "defaultdict") + b"(" + word("k") + b"Nu")), "collections.defaultdict"
    yield "PK-018/storage-of-foreign", weights(t=tensor(kind="storage._evil")), "torch.storage._evil"
    yield "PK-019/all-named", weights((word("x"), call("posix", "system")), (word("y"), call("builtins", "eval")), (word("z"), call("os", "popen"))), "posix.system (byte"
    yield "PK-019/many", weights(*((word(f"{i}"), call(f"module{i}", "function" * 20)) for i in range(200))), "more"
    yield "PK-017/call-of-a-call", PROTO + call("builtins", "getattr", ask("os", "system")) + tuple_of(word("x")) + b"R.", "builtins.getattr"


def broken():
    """(name, pickle, outcome) of pickles that are wrong in one thing."""
    for name, code in {"setitem-list": b"]" + word("k") + b"Ns", "setitems-list": b"](" + word("k") + b"Nu", "setitem-tensor": tensor() + word("k") + b"Ns", "setitem-none": b"N" + word("k") + b"Ns", "append-dict": b"}Na", "appends-dict": b"}(NNe",
                       "append-none": b"NNa", "append-tuple": b")Na"}.items():
        yield f"PK-021/{name}", weights((word("x"), code)), "R:type"
    whole = weights()
    yield "PK-023/no-stop", whole[:-1], "R:truncated"
    yield "PK-023/stop-first", PROTO + b".", "R:stack"
    yield "PK-023/bytes-after", whole + b"xyz", "R:trailing"
    yield "PK-023/second", whole + whole, "R:trailing"
    yield "PK-023/second-evil", whole + PROTO + call("posix", "system", word("x")) + b".", "R:trailing"
    yield "PK-024/odd", PROTO + b"}(" + word("t") + b"u.", "R:stack"
    yield "PK-024/no-mark", PROTO + b"t.", "R:stack"
    yield "PK-024/mark-left", PROTO + b"(.", "R:stack"
    yield "PK-024/tuple-over-mark", PROTO + b"K\1(K\2\x86.", "R:stack"
    yield "PK-025/binget", PROTO + b"h\x05.", "R:memo"
    yield "PK-025/long-binget", PROTO + b"j\xff\xff\xff\xff.", "R:memo"
    yield "PK-025/long-binput", PROTO + b"Nr\xff\xff\xff\xff.", "R:memo"
    for name, code in {"binunicode": b"X\xff\xff\xff\xff", "binunicode8": b"\x8d" + struct.pack("<Q", 1 << 63), "binbytes8": b"\x8e" + b"\xff" * 8, "binbytes": b"B\xff\xff\xff\xff", "long1": b"\x8a\xff", "frame": b"\x95" + b"\xff" * 8,
                       "long4": b"\x8b\xff\xff\xff\x7f", "long4-negative": b"\x8b\xff\xff\xff\xff", "bytearray8": b"\x96" + b"\xff" * 8}.items():
        yield f"PK-026/{name}", PROTO + code + b"abc.", "R:truncated|U"
    yield "PK-027/proto", b"\x80\x05\x80\x06N.", "R:version"
    yield "PK-028/straddle", b"\x80\x04\x95" + struct.pack("<Q", 3) + b"X\x04\0\0\0abcd" + b".", "R:frame"
    yield "PK-028/nested", b"\x80\x04\x95" + struct.pack("<Q", 12) + b"\x95" + struct.pack("<Q", 1) + b"N0N.", "R:frame"
    laughs = b"]q\x000" + b"".join(b"](h" + bytes([i]) + b"h" + bytes([i]) + b"eq" + bytes([i + 1]) + b"0" for i in range(60)) + b"h\x3c"
    yield "PK-030/lists", weights((word("x"), laughs)), "A"  # shared, not copied: it costs what its bytes cost
    dicts = b"}q\x000" + b"".join(b"}(" + b"".join(word(str(k)) + b"h" + bytes([i]) for k in range(20)) + b"uq" + bytes([i + 1]) + b"0" for i in range(5)) + b"h\x05"
    yield "PK-030/dicts", weights((word("x"), dicts)), "L:nodes"
    yield "PK-031/list", weights((word("x"), b"]q\0h\0a")), "A"
    yield "PK-031/dict", weights((word("x"), b"}q\0" + word("y") + b"h\0s")), "L:depth|L:nodes"
    yield "PK-031/tuple", weights((word("x"), b"]q\0(h\0tq\1a")), "A"
    for name, key, want in (("tuple", tuple_of(b"K\1"), "A"), ("none", b"N", "A"), ("twice", word("t"), "R:duplicate"), ("nul", word("a\0b"), "R:name"), ("long", word("k" * (1 << 20)), "L:name"), ("utf8", word(b"a\xff"), "R:utf8")):
        yield f"PK-035/{name}", weights((key, tensor())), want
    yield "PK-035/number", weights((b"K\7", tensor())), "A"
    yield "PK-035/nested-number", weights((word("x"), dict_of((b"K\7", tensor())))), "A"
    yield "PK-037/state-dict", PROTO + dict_of((word("state_dict"), dict_of((word("t"), tensor()))), (word("epoch"), b"K\5")) + b".", "A"
    yield "PK-037/state-text", weights((word("state_dict"), word("x"))), "A"
    yield "PK-037/alone", PROTO + tensor() + b".", "A"
    yield "PK-037/size", weights((word("x"), ask("torch", "Size") + b")R")), "A"
    yield "PK-037/size-of", weights((word("x"), ask("torch", "Size") + tuple_of(tuple_of(b"K\1")) + b"R")), "A"
    yield "PK-024/put-first", PROTO + b"q\0N.", "R:stack"
    yield "PK-024/name-of-nothing", PROTO + b"\x93.", "R:stack"
    yield "PK-024/module-of-nothing", PROTO + word("os") + b"\x93.", "R:stack"
    yield "PK-024/call-of-nothing", PROTO + b")R.", "R:stack"
    yield "PK-024/state-of-nothing", PROTO + b"Nb.", "R:stack"
    yield "PK-024/id-of-nothing", PROTO + b"Q.", "R:stack"
    yield "PK-024/items-of-nothing", PROTO + b"Ns.", "R:stack"
    yield "PK-024/pop-nothing", PROTO + b"0N.", "R:stack"
    yield "PK-024/only-a-mark", PROTO + b"(e.", "R:stack"
    yield "PK-024/name-cut", PROTO + b"cos\nsyst", "R:truncated"
    yield "PK-037/deep", weights((word("x"), b"".join(b"}" + word("d") for _ in range(20)) + b"N" + b"s" * 20)), "L:depth"
    yield "PK-037/empty", PROTO + b"}.", "R:empty"
    yield "PK-037/list", PROTO + b"].", "R:pickle"


def tensors():
    """(name, pickle, outcome) of tensors that lie."""
    def storage_of(*items):
        return tuple_of(*items) + b"Q"

    parts = [word("storage"), ask("torch", "FloatStorage"), word("0"), word("cpu"), number(4)]
    wrong = {"no-tuple": b"NQ", "text": word("0") + b"Q", "three": storage_of(*parts[:3]), "seven": storage_of(*parts, b"N", b"N"), "module": storage_of(word("module"), *parts[1:]), "type-text": storage_of(parts[0], word("FloatStorage"), *parts[2:]),
             "type-dtype": storage_of(parts[0], ask("torch", "float32"), *parts[2:]), "numel-text": storage_of(*parts[:4], word("4")), "numel-negative": storage_of(*parts[:4], number(-4)), "numel-huge": storage_of(*parts[:4], number(1 << 63)),
             "numel-float": storage_of(*parts[:4], b"G" + bytes(8)), "key-number": storage_of(*parts[:2], number(0), *parts[3:])}
    for name, code in wrong.items():
        yield f"PK-036/{name}", weights(t=ask("torch._utils", "_rebuild_tensor_v2") + tuple_of(code, number(0), tuple_of(number(4)), tuple_of(number(1)), b"\x89", b"}") + b"R"), "R:persistent|R:storage_size|R:overflow"
    for name, of in {"ranks": {"sizes": (4,), "strides": (1, 1)}, "negative-size": {"sizes": (-4,)}, "negative-stride": {"strides": (-1,)}, "negative-offset": {"offset": -1}, "rank-65": {"sizes": (1,) * 65, "strides": (1,) * 65}}.items():
        yield f"PK-038/{name}", weights(t=tensor(**of)), "R:tensor"
    yield "PK-036/twice", weights(t=ask("torch._utils", "_rebuild_tensor_v2") + tuple_of(storage() + b"Q", number(0), tuple_of(number(4)), tuple_of(number(1))) + b"R"), "A"
    yield "PK-036/numel-wraps", weights(t=tensor(count=1 << 62)), "R:overflow"
    yield "PK-038/no-storage", weights(t=ask("torch._utils", "_rebuild_tensor_v2") + tuple_of(b"N", number(0), tuple_of(number(4)), tuple_of(number(1))) + b"R"), "R:tensor"
    for i in range(1, 4):
        parts = [storage(), number(0), tuple_of(number(4)), tuple_of(number(1))]
        yield f"PK-038/no-{i}", weights(t=ask("torch._utils", "_rebuild_tensor_v2") + tuple_of(*parts[:i], b"N", *parts[i + 1:]) + b"R"), "R:tensor"
    third = [storage(count=16, kind="UntypedStorage"), number(0), tuple_of(number(4)), tuple_of(number(1)), b"\x89", b"}"]
    yield "PK-039/v3", weights(t=ask("torch._utils", "_rebuild_tensor_v3") + tuple_of(*third, ask("torch", "float32")) + b"R"), "A"
    yield "PK-039/v3-no-type", weights(t=ask("torch._utils", "_rebuild_tensor_v3") + tuple_of(*third, ask("torch", "Size")) + b"R"), "A"
    yield "PK-038/wraps", weights(t=tensor((1 << 62, 8), (8, 1))), "R:overflow"
    yield "PK-038/far", weights(t=tensor(offset=(1 << 63) - 1)), "R:bounds"
    yield "PK-038/one-past", weights(t=tensor(offset=1)), "R:bounds"
    yield "PK-038/larger", weights(t=tensor((5,))), "R:bounds"
    yield "PK-005/transposed", weights(t=tensor((2, 2), (1, 2))), "R:stride"
    yield "PK-005/expanded", weights(t=tensor((4,), (0,))), "R:stride"
    for name in ("_rebuild_sparse_tensor", "_rebuild_qtensor", "_rebuild_meta_tensor_no_storage"):
        yield f"PK-040/{name}", weights(t=tensor(name=name)), "R:unsupported"
    yield "PK-040/v3-unknown-type", weights(t=ask("torch._utils", "_rebuild_tensor_v3") + tuple_of(storage(), number(0), tuple_of(number(4)), tuple_of(number(1)), b"\x89", b"}", ask("torch", "qint8")) + b"R"), "R:unsupported"
    yield "PK-040/quantised-storage", weights(t=tensor(kind="QInt8Storage")), "R:unsupported"
    yield "PK-040/state", weights(t=tensor() + b"}b"), "R:unsupported"
    nested = ask("torch._utils", "_rebuild_parameter") * 1000 + tensor() + b"".join(b"\x88}\x87R" for _ in range(1000))
    yield "PK-040/parameters", weights(t=nested), "A"  # each gives its first argument: the tensor
    yield "PK-040/few-arguments", weights(t=ask("torch._utils", "_rebuild_tensor_v2") + b")R"), "R:tensor"


def large():
    """Pickles that cost a careless reader time and memory."""
    yield Case("PK-033", PROTO + b"N0" * (50 << 20) + b".", "L:opcodes|L:pickle", ".ckpt", ms=1000)
    yield Case("PK-034/endless-text", PROTO + b"X" + struct.pack("<I", 100 << 20), "L:pickle", ".ckpt", sparse=101 << 20)
    yield Case("PK-034/stack", archive(PROTO + b"N" * (1 << 20) + b"."), "L:stack", ".ckpt")
    yield Case("PK-034/empties", archive(PROTO + b"]0" * (1 << 20) + b"N."), "L:heap", ".ckpt", heap=16 << 20)
    yield Case("PK-034/memo", archive(PROTO + b"N" + b"\x94" * (1 << 20) + b"."), "L:heap", ".ckpt")
    one = b"".join(word(f"{i:06d}") + b"h\x00" for i in range(1_000_000))
    yield Case("PK-041", archive(PROTO + tensor((1,), count=1) + b"q\x000}(" + one + b"u.", {"0": bytes(4)}), "L:tensors|L:stack", ".ckpt", ms=1500)


def cases():
    """Every case of this format: each pickle as the weights of an archive."""
    data = {"0": bytes(16)}
    yield Case("PK-001", archive(PROTO + dict_of((word("a"), tensor()), (word("b"), tensor((2, 2), (2, 1))), (word("c"), tensor((2,), offset=2, count=4))) + b".", data), "A", ".pt")
    yield Case("PK-006", archive(PROTO + dict_of((word("a"), tensor((2,))), (word("b"), tensor((2,), offset=2))) + b".", data), "A", ".pt")
    yield Case("PK-007/metadata", archive(PROTO + ask("collections", "OrderedDict") + b")R(" + word("t") + tensor() + b"u" + dict_of((word("_metadata"), b"}")) + b"b.", data), "A", ".pt")
    yield Case("PK-007/set", archive(weights((word("x"), call("__builtin__", "set", b"]"))), data), "A", ".pt")
    for name, content, holds in unsafe():
        yield Case(name, archive(content, data), f"U:{holds}", ".ckpt")
    yield Case("PK-010/stream", PROTO + call("posix", "system", word("x")) + b".", "U:posix.system", ".pkl.ckpt")
    for part in (broken, tensors):
        for name, content, want in part():
            yield Case(name, archive(content, data), want, ".ckpt")
    for suffix in (".data", ".dat", "", ".safetensors"):
        yield Case(f"PK-043/evil{suffix.strip('.')}", PROTO + call("posix", "system", word("x")) + b".", "U:posix.system", suffix)
    yield Case("PK-043/good", archive(weights(), data), "R:suffix", ".safetensors")
    yield Case("PK-044/text", b"cposix\nsystem\n(S'x'\ntR.", "U:posix.system", ".ckpt")
    yield Case("PK-044/text-inst", b"(S'x'\niposix\nsystem\n.", "R", ".ckpt")
    for i, content in enumerate((b"cat is an animal", b"cabcdefghijklm", b"(not a pickle)", b"cos\nsystem is", b"intermission\nnow it is", b"c\nd")):
        yield Case(f"PK-044/words-{i}", content, "R:text|R:truncated", ".ckpt")
    yield Case("PK-044/inst-first", b"(iposix\nsystem\n.", "U:posix.system", ".ckpt")
    yield from large()
