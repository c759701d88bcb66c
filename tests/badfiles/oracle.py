"""Sizes and places of the tensors of a safetensors or GGUF file, worked out once more and by other means than hoist's."""
import json
import math
import struct

BITS = {"BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "C64": 64,
        "F64": 64, "I64": 64, "U64": 64}
# GGML's number: name, elements of a block, bytes of a block (ggml.c).
BLOCKS = {0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22), 7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 36), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110), 12: ("Q4_K", 256, 144),
          13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292), 16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50), 20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110),
          22: ("IQ2_S", 256, 82), 23: ("IQ4_XS", 256, 136), 24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8), 28: ("F64", 1, 8), 29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66),
          39: ("MXFP4", 32, 17), 40: ("NVFP4", 64, 36), 41: ("Q1_0", 128, 18)}
VALUE_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


def safetensors(content):
    """[(type, elements, offset, bytes)] in order of the offset."""
    length = struct.unpack_from("<Q", content)[0]
    header = json.loads(content[8:8 + length])
    found = []
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        elements = math.prod(entry["shape"])
        begin, end = entry["data_offsets"]
        assert (end - begin) * 8 == elements * BITS[entry["dtype"]], name
        found.append((entry["dtype"], elements, 8 + length + begin, end - begin))
    return sorted(found, key=lambda row: row[2:])


class Reader:
    """Reads a GGUF from its front."""

    def __init__(self, content):
        self.content, self.at = content, 4

    def take(self, form):
        """A value of this form of struct."""
        value = struct.unpack_from("<" + form, self.content, self.at)[0]
        self.at += struct.calcsize("<" + form)
        return value

    def text(self):
        """A string."""
        length = self.take("Q")
        self.at += length
        return self.content[self.at - length:self.at]

    def skip(self, kind):
        """A value. Returns it where it is a number of 32 bits."""
        if kind == 8:
            return self.text()
        if kind == 9:
            inner, count = self.take("I"), self.take("Q")
            for _ in range(count if inner == 8 else 0):
                self.text()
            self.at += 0 if inner == 8 else count * VALUE_BYTES[inner]
            return None
        self.at += VALUE_BYTES[kind]
        return struct.unpack_from("<I", self.content, self.at - 4)[0] if kind == 4 else None


def gguf(content):
    """[(type, elements, offset, bytes)] in order of the offset."""
    reader = Reader(content)
    reader.take("I")
    tensors, pairs = reader.take("Q"), reader.take("Q")
    alignment, found = 32, []
    for _ in range(pairs):
        key, kind = reader.text(), reader.take("I")
        value = reader.skip(kind)
        if key == b"general.alignment":
            alignment = value
    for _ in range(tensors):
        reader.text()
        sizes = [reader.take("Q") for _ in range(reader.take("I"))]
        name, block, size = BLOCKS[reader.take("I")]
        elements = math.prod(sizes)
        assert (sizes[0] if sizes else 1) % block == 0 and elements % block == 0
        found.append((name, elements, reader.take("Q"), elements // block * size))
    start = -(-reader.at // alignment) * alignment
    return sorted(((name, elements, start + offset, size) for name, elements, offset, size in found), key=lambda row: row[2:])
