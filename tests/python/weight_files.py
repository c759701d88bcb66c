"""Write safetensors files by hand, so that every element type and layout can be made."""
import json
import random
import struct

BITS = {
    "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "C64": 64, "F64": 64, "I64": 64,
    "U64": 64,
}


def count(shape):
    """Elements of a shape."""
    total = 1
    for size in shape:
        total *= size
    return total


def tensor(name, dtype, shape, seed=0):
    """(name, dtype, shape, random bytes)."""
    size = count(shape) * BITS[dtype] // 8
    source = random.Random(f"{name} {seed}")
    data = bytes(source.randrange(2) for _ in range(size)) if dtype == "BOOL" else source.randbytes(size)
    return name, dtype, shape, data


def write(path, tensors, metadata=None):
    """Write tensors, in the order given and without padding between them. Returns the path."""
    header, offset = {}, 0
    if metadata is not None:
        header["__metadata__"] = metadata
    for name, dtype, shape, data in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data for *_, data in tensors))
    return path


def every_type(skip=()):
    """A tensor of four shapes for every element type: a matrix, a row, a scalar, and one without elements."""
    return [tensor(f"{dtype}.{'x'.join(map(str, shape)) or 'scalar'}", dtype, shape)
            for dtype in BITS if dtype not in skip
            for shape in ([4, 8], [8], [] if BITS[dtype] >= 8 else [16], [0, 4])]


def sparse(path, dtype, elements):
    """A model whose weights are a hole in its file: as large as one likes."""
    size = elements * BITS[dtype] // 8
    header = json.dumps({"weight": {"dtype": dtype, "shape": [elements // 1024, 1024], "data_offsets": [0, size]}}).encode()
    header += b" " * (-len(header) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + size)
