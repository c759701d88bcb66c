"""Tensors of an open model as NumPy arrays over the same bytes."""
from typing import Any, Dict, Mapping

import numpy

try:
    import ml_dtypes
except ImportError:
    ml_dtypes = None  # type: ignore[assignment]

_PLAIN = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16", "F16": "float16", "U32": "uint32", "I32": "int32",
    "F32": "float32", "C64": "complex64", "F64": "float64", "I64": "int64", "U64": "uint64",
}
# Types that NumPy has only through ml_dtypes, and the plain type that shows their bits when it is not installed.
_EXTENDED = {
    "BF16": ("bfloat16", "uint16"), "F8_E5M2": ("float8_e5m2", "uint8"), "F8_E4M3": ("float8_e4m3fn", "uint8"),
    "F8_E8M0": ("float8_e8m0fnu", "uint8"), "F8_E4M3FNUZ": ("float8_e4m3fnuz", "uint8"), "F8_E5M2FNUZ": ("float8_e5m2fnuz", "uint8"),
}


def _dtypes() -> Dict[str, Any]:
    table = {name: numpy.dtype(plain) for name, plain in _PLAIN.items()}
    for name, (extended, plain) in _EXTENDED.items():
        table[name] = numpy.dtype(getattr(ml_dtypes, extended, plain))
    return table


_DTYPES = _dtypes()


def _array(view: Any) -> numpy.ndarray:
    dtype = _DTYPES.get(view.dtype)
    if dtype is None:  # F4, F6: packed bits
        return numpy.ndarray((view.nbytes,), numpy.uint8, buffer=view)
    return numpy.ndarray(view.shape, dtype, buffer=view)


def one(model: Any, index: int) -> numpy.ndarray:
    """The index-th tensor of a hoist._core.Model."""
    return _array(model.view(index))


def several(model: Any, names: Mapping[str, int]) -> Dict[str, numpy.ndarray]:
    """The tensors of a hoist._core.Model that `names` (a dict of indices) lists."""
    return {name: _array(model.view(index)) for name, index in names.items()}
