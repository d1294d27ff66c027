"""Keras's names for element types, torch's, and Keras's promotion table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from . import config

TORCH_DTYPES: dict[str, torch.dtype] = {
    "bool": torch.bool,
    "uint8": torch.uint8,
    "uint16": torch.uint16,
    "uint32": torch.uint32,
    "uint64": torch.uint64,
    "int8": torch.int8,
    "int16": torch.int16,
    "int32": torch.int32,
    "int64": torch.int64,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float32": torch.float32,
    "float64": torch.float64,
    "float8_e4m3fn": torch.float8_e4m3fn,
    "float8_e5m2": torch.float8_e5m2,
    "complex64": torch.complex64,
    "complex128": torch.complex128,
}
KERAS_NAMES: dict[torch.dtype, str] = {dtype: name for name, dtype in TORCH_DTYPES.items()}
_NAMES: dict[Any, str] = {bool: "bool", int: "int32", float: "float32", complex: "complex64", str: "string"}


def standardize_dtype(dtype: Any) -> str:
    """The Keras name of a type given as a name, a torch or NumPy dtype, a Python type, or `None` (`floatx()`).

    Args:
        dtype: A dtype: Keras's name of it, or torch's or NumPy's object.

    Raises:
        ValueError: If the type has no Keras name.
    """
    if dtype is None:
        return config.floatx()
    if isinstance(dtype, torch.dtype):
        name = KERAS_NAMES.get(dtype)
    elif isinstance(dtype, str):
        name = dtype.removeprefix("torch.")
    elif isinstance(dtype, type) and dtype in _NAMES:  # not a NumPy dtype, which equals the Python type
        name = _NAMES[dtype] if dtype is not float else config.floatx()
    else:
        name = getattr(dtype, "name", None) or getattr(dtype, "__name__", None)
        if name is None:
            name = np.dtype(dtype).name
    if name in ("half", "float", "int"):
        name = {"half": "float16", "float": "float32", "int": "int32"}[name]
    if name not in TORCH_DTYPES and name != "string":
        raise ValueError(f"`dtype` must be one of {', '.join(TORCH_DTYPES)}. Received: dtype={dtype!r}")
    return str(name)


def to_torch_dtype(dtype: Any) -> torch.dtype:
    """The torch type of anything that `standardize_dtype` takes."""
    if isinstance(dtype, torch.dtype):
        return dtype
    name = standardize_dtype(dtype)
    if name == "string":
        raise ValueError("`dtype` must be numeric: torch has no string tensors. Received: dtype='string'")
    return TORCH_DTYPES[name]


def is_float(dtype: Any) -> bool:
    """Whether `dtype` is a floating type (bfloat16 and float8 included).

    Args:
        dtype: A dtype: Keras's name of it, or torch's or NumPy's object.
    """
    return "float" in standardize_dtype(dtype)


def is_int(dtype: Any) -> bool:
    """Whether `dtype` is a signed or unsigned integer.

    Args:
        dtype: A dtype: Keras's name of it, or torch's or NumPy's object.
    """
    return "int" in standardize_dtype(dtype)


# The promotion lattice of JAX, which Keras follows (https://jax.readthedocs.io/en/latest/type_promotion.html):
# an edge leads to the next type up; `int` and `float` are the weak types of Python numbers.
_LATTICE: dict[str, tuple[str, ...]] = {
    "bool": ("int",),
    "int": ("uint8", "int8"),
    "uint8": ("int16", "uint16"),
    "uint16": ("int32", "uint32"),
    "uint32": ("int64", "uint64"),
    "uint64": ("float",),
    "int8": ("int16",),
    "int16": ("int32",),
    "int32": ("int64",),
    "int64": ("float",),
    "float": ("bfloat16", "float16"),
    "bfloat16": ("float32",),
    "float16": ("float32",),
    "float32": ("float64",),
    "float64": (),
    "complex64": ("complex128",),
    "complex128": (),
}
_WEAK: dict[str, Callable[[], str]] = {"int": lambda: "int32", "float": config.floatx}


def _upper_bounds() -> dict[str, frozenset[str]]:
    bounds: dict[str, frozenset[str]] = {}

    def above(name: str) -> frozenset[str]:
        if name not in bounds:
            bounds[name] = frozenset({name}).union(*(above(up) for up in _LATTICE[name]))
        return bounds[name]

    for name in _LATTICE:
        above(name)
    return bounds


_ABOVE = _upper_bounds()


def _least_upper_bound(a: str, b: str) -> str | None:
    common = _ABOVE[a] & _ABOVE[b]
    return next((name for name in common if _ABOVE[name] >= common), None)


# All pairs at once: a plain table, because torch.compile traces through the body of a cached function.
_JOINS: dict[tuple[str, str], str | None] = {
    (a, b): _least_upper_bound(a, b) for a in _LATTICE for b in _LATTICE if not (a.startswith("complex") or b.startswith("complex"))
}


def _lattice_name(dtype: Any) -> str:
    if dtype is int or dtype is float:
        return "int" if dtype is int else "float"
    if type(dtype) in (int, float, bool, complex):  # a Python number stands for its own weak type
        return _lattice_name(type(dtype))
    if isinstance(dtype, str) and dtype in ("int", "float"):
        return dtype
    name = standardize_dtype(dtype)
    if "float8" in name:
        raise ValueError(f"`dtypes` must not hold float8, which does not promote. Received: {name}. Cast it first.")
    return "complex64" if name == "complex" else name


def result_type(*dtypes: Any) -> str:
    """The type of an operation on values of these types, by Keras's table.

    Args:
        *dtypes: Anything that `standardize_dtype` takes. The Python types `int` and `float` are weak: they raise the kind of a result,
            never its width.

    Raises:
        ValueError: If there is no common type.
    """
    if not dtypes:
        return config.floatx()
    names = {_lattice_name(d) for d in dtypes}
    if any(name.startswith("complex") for name in names):
        wide = "complex128" in names or "float64" in names
        return "complex128" if wide else "complex64"
    name, *others = names
    for other in others:
        joined = _JOINS[name, other]
        if joined is None:
            raise ValueError(f"`dtypes` have no common type. Received: {', '.join(sorted(names))}. Cast one of them first.")
        name = joined
    return _WEAK[name]() if name in _WEAK else name


def from_numpy(array: np.ndarray, dtype: torch.dtype | None = None, device: torch.device | None = None) -> torch.Tensor:
    """A NumPy array as a tensor, in shared memory where torch can share it.

    Args:
        array: Of any byte order and strides, read-only or not, bfloat16 (of ml_dtypes) included.
        dtype: The type of the tensor; the array's without it.
        device: Where it goes; the CPU without it.
    """
    if array.dtype.name == "bfloat16":
        return torch.as_tensor(array.astype("float32"), dtype=dtype or torch.bfloat16, device=device)
    if not array.dtype.isnative or not array.flags.writeable or any(s < 0 for s in array.strides):
        array = array.astype(array.dtype.newbyteorder("="), copy=True)
    return torch.as_tensor(array, dtype=dtype, device=device)


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """The values of a tensor, detached: the shards of a distributed one joined (every process has to do it), quantized ones as numbers."""
    tensor = tensor.detach()
    if hasattr(tensor, "full_tensor"):
        tensor = tensor.full_tensor()
    return tensor.dequantize() if quantized(tensor) else tensor


def quantized(tensor: torch.Tensor) -> bool:
    """Whether a tensor stores its numbers in few bits and gives them by `dequantize()`: torch's own kind, or torchao's subclasses."""
    return tensor.is_quantized or type(tensor).dequantize is not torch.Tensor.dequantize


_CONSTANTS = {str(c): c for c in (*TORCH_DTYPES.values(), torch.strided, torch.contiguous_format, torch.channels_last)}
_CONSTANTS |= {str(c): c for c in (torch.preserve_format, torch.channels_last_3d, torch.complex32)}


def torch_constant(name: str) -> Any:
    """The torch type, layout or memory format that prints as `name`.

    Raises:
        ValueError: If there is none.
    """
    if name not in _CONSTANTS:
        raise ValueError(f"Unknown torch constant {name!r} in the config; known are {', '.join(_CONSTANTS)}.")
    return _CONSTANTS[name]


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    """A copy of the values of a tensor as a NumPy array; types that NumPy lacks (bfloat16, float8) become float32."""
    tensor = whole(tensor)
    if tensor.dtype is torch.bfloat16 or tensor.dtype.itemsize == 1 and tensor.is_floating_point():
        tensor = tensor.float()
    return tensor.to("cpu", copy=True).resolve_conj().resolve_neg().numpy()


def like(value: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
    """`value` on the device of `tensor`, and sharded as it is, so that it may be copied into it."""
    value = value.to(tensor.device)
    if not hasattr(tensor, "full_tensor"):
        return value
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(value.to(tensor.dtype), tensor.device_mesh, tensor.placements, src_data_rank=None)  # type: ignore[attr-defined]
