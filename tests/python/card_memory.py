"""A card's memory as the double of the driver has it: at addresses of this process, so that ctypes can read it."""
import contextlib
import ctypes
import os
import shutil
import tempfile

from own_daemon import BUILD

DRIVER = BUILD / "tests" / "fakecuda" / "libcuda.so.1"
READ_ONLY = 1  # flag of DLPack

_pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of.restype, _pointer_of.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)


class Tensor(ctypes.Structure):
    """DLTensor."""

    _fields_ = [("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32), ("rank", ctypes.c_int32),
                ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16), ("shape", ctypes.POINTER(ctypes.c_int64)),
                ("strides", ctypes.POINTER(ctypes.c_int64)), ("byte_offset", ctypes.c_uint64)]


class Managed(ctypes.Structure):
    """DLManagedTensorVersioned."""

    _fields_ = [("major", ctypes.c_uint32), ("minor", ctypes.c_uint32), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p),
                ("flags", ctypes.c_uint64), ("tensor", Tensor)]


def look(capsule):
    """What a versioned capsule says; valid while the capsule lives."""
    return Managed.from_address(_pointer_of(capsule, b"dltensor_versioned"))


def content(view):
    """The bytes of a tensor."""
    capsule = view.__dlpack__(max_version=(1, 0))
    return ctypes.string_at(look(capsule).tensor.data, view.nbytes) if view.nbytes else b""


@contextlib.contextmanager
def machine(cards=1, size="256M"):
    """This process, and those that it starts, are on a machine with so many cards of that size."""
    state = tempfile.mkdtemp(prefix="hoist-cards-", dir="/dev/shm")
    fresh = {"HOIST_CUDA_DRIVER": str(DRIVER), "FAKECUDA_STATE": state, "FAKECUDA_DEVICES": str(cards), "FAKECUDA_BYTES": size}
    before = {name: os.environ.get(name) for name in fresh}
    os.environ.update(fresh)
    try:
        yield state
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        shutil.rmtree(state)
