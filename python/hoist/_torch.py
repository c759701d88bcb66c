"""Tensors of an open model as torch tensors, through DLPack. On a card as in RAM: each tensor is a capsule over its own bytes, made in
one call for all of them; the types that this torch takes from no capsule come as uint8 and are viewed as what they are."""
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

import torch
from torch.utils.dlpack import from_dlpack, to_dlpack

from .errors import DeviceError

# Element types that some versions of torch, or of its DLPack, lack: (number of docs/protocol.md, name of safetensors, name of torch).
_SOMETIMES = (
    (1, "BOOL", "bool"), (7, "F8_E5M2", "float8_e5m2"), (8, "F8_E4M3", "float8_e4m3fn"), (9, "F8_E8M0", "float8_e8m0fnu"),
    (10, "F8_E4M3FNUZ", "float8_e4m3fnuz"), (11, "F8_E5M2FNUZ", "float8_e5m2fnuz"), (13, "U16", "uint16"), (15, "BF16", "bfloat16"),
    (17, "U32", "uint32"), (19, "C64", "complex64"), (22, "U64", "uint64"),
)
_TORCH_NAMES = {"F4": "float4_e2m1fn_x2", **{name: torch_name for _, name, torch_name in _SOMETIMES}}
_NEVER = 1 << 2 | 1 << 3 | 1 << 4  # F4 (torch packs two into one element) and both F6


def _exchanges(dtype: Any) -> bool:
    """Does this torch take the type from a DLPack capsule?"""
    try:
        size = torch.empty(0, dtype=dtype).element_size()
        return from_dlpack(to_dlpack(torch.zeros(size, dtype=torch.uint8).view(dtype))).dtype == dtype
    except (RuntimeError, BufferError, TypeError, ValueError):
        return False


def _takes_versioned() -> bool:
    """Does this torch take capsules of DLPack 1.x?"""
    try:
        capsule = torch.zeros(1).__dlpack__(max_version=(1, 0))
        return "dltensor_versioned" in repr(capsule) and from_dlpack(capsule).numel() == 1
    except (RuntimeError, BufferError, TypeError):
        return False


def _raw_mask() -> int:
    missing = (code for code, _, name in _SOMETIMES if not hasattr(torch, name) or not _exchanges(getattr(torch, name)))
    return _NEVER | sum(1 << code for code in missing)


RAW_MASK = _raw_mask()
VERSIONED = _takes_versioned()
TAKE: Callable[[Any], Any] = getattr(torch._C, "_from_dlpack", from_dlpack)  # the public function only checks the argument


def check_device(device: Optional[str]) -> None:
    """DeviceError unless this torch computes on the device ("cpu" or None: always)."""
    if device in (None, "cpu") or torch.cuda.is_available():
        return
    why = "sees no card" if torch.version.cuda else "was built without CUDA"
    raise DeviceError(f"torch {torch.__version__} {why}: it has no tensors on {device}", code="device_unavailable", category="device", status=-56,
                      recommended_actions=[{"action": "use_ram", "text": "open with device='cpu', or install a torch with CUDA"}])


def wake(device: str) -> None:
    """Have torch make its context on a card, which hoist then shares, instead of making one and giving it up when nothing comes of it."""
    torch.empty(1, device=device)


def _shape(view: Any) -> Tuple[int, ...]:
    if view.dtype != "F4":
        return view.shape
    return (*view.shape[:-1], view.shape[-1] // 2)


def finish(data: Any, view: Any) -> Any:
    """A tensor's bytes as uint8 -> a tensor of its type and shape. What torch cannot name (F6) stays a row of uint8."""
    dtype = getattr(torch, _TORCH_NAMES.get(view.dtype, ""), None)
    if dtype is None or (view.dtype == "F4" and view.shape[-1] % 2):
        return data
    return data.view(dtype).view(_shape(view))


def one(model: Any, index: int) -> torch.Tensor:
    """The index-th tensor of a hoist._core.Model."""
    return model.convert(index, TAKE, finish, RAW_MASK, VERSIONED)


def several(model: Any, names: Mapping[str, int]) -> Dict[str, torch.Tensor]:
    """The tensors of a hoist._core.Model that `names` (a dict of indices) lists."""
    return model.convert_all(names, TAKE, finish, RAW_MASK, VERSIONED)
