"""Files under a model's name that are something else: each is named for what it is, so that its owner knows what to do."""
from badfiles import Case

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 6938078334\n" % (b"31e35c80fc4829d14f90153f4c74cd59c90b779f6afe05a74cd6120b893f7e5b")

KINDS = {
    "html": (b"<!DOCTYPE html>\n<html><head><title>Not Found</title></head></html>", "html"), "html-lower": (b"\n  <html lang=en><body>Sign in</body></html>", "html"), "html-bom": (b"\xef\xbb\xbf<!doctype html><p>x", "html"),
    "xml": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "xml"), "json": (b'{"error":"Access to model is restricted. You must be authenticated."}', "json"), "json-array": (b'[{"a": 1}, {"b": 2}]', "json"),
    "json-like-a-header": (b'{"data":{"a": "safetensors has a brace there, too"}}', "json"), "text": (b"Access to this resource is denied", "text"), "pointer": (POINTER, "lfs_pointer"),
    "gzip": (b"\x1f\x8b\x08\0" + bytes(60), "compressed"), "zstd": (b"\x28\xb5\x2f\xfd" + bytes(60), "compressed"), "xz": (b"\xfd7zXZ\0" + bytes(60), "compressed"), "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(60), "compressed"),
    "rar": (b"Rar!\x1a\x07\x01\0" + bytes(60), "compressed"), "bzip2": (b"BZh91AY&SY" + bytes(60), "compressed"), "lz4": (b"\x04\x22\x4d\x18" + bytes(60), "compressed"), "tar": (b"model.safetensors".ljust(257, b"\0") + b"ustar\x0000" + bytes(300), "archive"),
    "age": (b"age-encryption.org/v1\n-> X25519 abc\n", "encrypted"), "age-armoured": (b"-----BEGIN AGE ENCRYPTED FILE-----\n", "encrypted"), "pgp": (b"-----BEGIN PGP MESSAGE-----\n\n", "encrypted"), "pgp-binary": (b"\x8c\x0d\x04\x09\x03\x02" + bytes(60), "encrypted"),
    "pgp-key": (b"\x85\x02\x0c\x03" + bytes(60), "encrypted"), "openssl": (b"Salted__" + bytes(60), "encrypted"), "luks": (b"LUKS\xba\xbe\0\1" + bytes(60), "encrypted"), "zeros": (bytes(4096), "zeros"), "zeros-few": (bytes(20), "zeros"),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(60), "image"), "jpeg": (b"\xff\xd8\xff\xe0" + bytes(60), "image"), "gif": (b"GIF89a" + bytes(60), "image"), "webp": (b"RIFF\1\2\3\4WEBPVP8 " + bytes(60), "image"), "mp4": (b"\0\0\0\x20ftypisom" + bytes(60), "image"),
    "pdf": (b"%PDF-1.7\n" + bytes(60), "pdf"), "elf": (b"\x7fELF\2\1\1" + bytes(60), "program"), "windows": (b"MZ\x90\0" + bytes(60), "program"), "script": (b"#!/bin/sh\ntouch canary\n", "program"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(60), "unsupported"), "numpy": (b"\x93NUMPY\1\0" + bytes(60), "unsupported"), "tflite": (b"\x20\0\0\0TFL3" + bytes(60), "unsupported"), "sqlite": (b"SQLite format 3\0" + bytes(60), "database"),
    "nonsense": (bytes(range(1, 200)) * 3, "unknown"), "escape": (b"\x1b[31mred\x1b[0m not a text", "unknown"), "one-byte": (b"x", "truncated"), "eight-bytes": (b"abcdefgh", "truncated"),
}


def cases():
    """Every case: under the suffixes of three formats, since content decides."""
    for name, (content, reason) in KINDS.items():
        for suffix in (".safetensors", ".gguf", ".ckpt"):
            yield Case(f"TR-{reason}/{name}{suffix}", content, f"R:{reason}", suffix)
    yield Case("TR-zeros/sparse", b"", "R:zeros", ".safetensors", sparse=5 << 30)
