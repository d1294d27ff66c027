"""Functions of one tensor, element by element: powers, logarithms, trigonometry, rounding, signs and tests for special values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ... import dtypes
from ...graph import Filed, TensorLike, convert_to_tensor, op


def as_float(x: torch.Tensor) -> torch.Tensor:
    """`x` itself if it is floating or complex, else as `floatx()`."""
    return x if x.is_floating_point() or x.is_complex() else x.to(dtypes.to_torch_dtype(None))


def as_wide_float(x: torch.Tensor) -> torch.Tensor:
    """As `as_float`, but int64 becomes float64 (where the device has it), as Keras does for a few functions."""
    return x.to(torch.float64) if x.dtype is torch.int64 and x.device.type != "mps" else as_float(x)


def as_tuple(places: int | Sequence[int]) -> tuple[Any, ...]:
    """An axis or axes, a size or sizes, as a tuple."""
    return (int(places),) if isinstance(places, (int, np.integer)) else tuple(places)


# -- signs and magnitudes --------------------------------------------------------------------------------------------------------------


@op(filed=Filed(aliases=("Abs",)))
def absolute(x: TensorLike) -> torch.Tensor:
    """The absolute value; of complex numbers, the modulus."""
    return x if x.dtype is torch.bool else torch.abs(x)


abs = absolute


@op(promote="float")
def fabs(x: TensorLike) -> torch.Tensor:
    """The absolute value as a float."""
    return torch.abs(x)


@op
def negative(x: TensorLike) -> torch.Tensor:
    """`-x`."""
    return torch.neg(x)


@op
def sign(x: TensorLike) -> torch.Tensor:
    """-1, 0 or 1 by the sign of each element; NaN gives 0."""
    return torch.sign(x)


@op
def signbit(x: TensorLike) -> torch.Tensor:
    """Whether the sign bit is set, which it is for -0.0 too."""
    return torch.signbit(x)


@op(promote="float")
def reciprocal(x: TensorLike) -> torch.Tensor:
    """`1 / x`."""
    return torch.reciprocal(x)


# -- powers, roots, exponentials, logarithms -------------------------------------------------------------------------------------------


@op
def square(x: TensorLike) -> torch.Tensor:
    """`x * x`; of booleans, as int32."""
    return torch.square(x.to(torch.int32) if x.dtype is torch.bool else x)


@op(promote="float")
def sqrt(x: TensorLike) -> torch.Tensor:
    """The square root; NaN for negative numbers."""
    return torch.sqrt(x)


@op
def cbrt(x: TensorLike) -> torch.Tensor:
    """The real cube root, negative for negative numbers."""
    x = as_wide_float(x)
    return torch.sign(x) * torch.pow(torch.abs(x), 1 / 3)


@op(promote="float")
def exp(x: TensorLike) -> torch.Tensor:
    """e to the power `x`."""
    return torch.exp(x)


@op(promote="float")
def exp2(x: TensorLike) -> torch.Tensor:
    """2 to the power `x`."""
    return torch.exp2(x)


@op(promote="float")
def expm1(x: TensorLike) -> torch.Tensor:
    """`exp(x) - 1`, exact near zero."""
    return torch.expm1(x)


@op(promote="float")
def log(x: TensorLike) -> torch.Tensor:
    """The natural logarithm."""
    return torch.log(x)


@op(promote="float")
def log10(x: TensorLike) -> torch.Tensor:
    """The logarithm to base 10."""
    return torch.log10(x)


@op(promote="float")
def log1p(x: TensorLike) -> torch.Tensor:
    """`log(1 + x)`, exact near zero."""
    return torch.log1p(x)


@op(promote="float")
def log2(x: TensorLike) -> torch.Tensor:
    """The logarithm to base 2."""
    return torch.log2(x)


@op
def i0(x: TensorLike) -> torch.Tensor:
    """The modified Bessel function of the first kind, of order 0."""
    return torch.special.i0(as_wide_float(x))


# -- trigonometry ----------------------------------------------------------------------------------------------------------------------


@op(promote="float")
def sin(x: TensorLike) -> torch.Tensor:
    """The sine of an angle in radians."""
    return torch.sin(x)


@op(promote="float")
def cos(x: TensorLike) -> torch.Tensor:
    """The cosine of an angle in radians."""
    return torch.cos(x)


@op(promote="float")
def tan(x: TensorLike) -> torch.Tensor:
    """The tangent of an angle in radians."""
    return torch.tan(x)


@op(promote="float")
def arcsin(x: TensorLike) -> torch.Tensor:
    """The angle in [-π/2, π/2] whose sine is `x`."""
    return torch.arcsin(x)


@op(promote="float")
def arccos(x: TensorLike) -> torch.Tensor:
    """The angle in [0, π] whose cosine is `x`."""
    return torch.arccos(x)


@op(promote="float")
def arctan(x: TensorLike) -> torch.Tensor:
    """The angle in [-π/2, π/2] whose tangent is `x`."""
    return torch.arctan(x)


@op(promote="float")
def sinh(x: TensorLike) -> torch.Tensor:
    """The hyperbolic sine."""
    return torch.sinh(x)


@op(promote="float")
def cosh(x: TensorLike) -> torch.Tensor:
    """The hyperbolic cosine."""
    return torch.cosh(x)


@op(promote="float")
def tanh(x: TensorLike) -> torch.Tensor:
    """The hyperbolic tangent."""
    return torch.tanh(x)


@op(promote="float")
def arcsinh(x: TensorLike) -> torch.Tensor:
    """The inverse hyperbolic sine."""
    return torch.arcsinh(x)


@op(promote="float")
def arccosh(x: TensorLike) -> torch.Tensor:
    """The inverse hyperbolic cosine; NaN below 1."""
    return torch.arccosh(x)


@op(promote="float")
def arctanh(x: TensorLike) -> torch.Tensor:
    """The inverse hyperbolic tangent; NaN outside [-1, 1]."""
    return torch.arctanh(x)


@op(promote="float")
def sinc(x: TensorLike) -> torch.Tensor:
    """`sin(πx) / (πx)`, 1 at zero."""
    return torch.sinc(x)


@op
def deg2rad(x: TensorLike) -> torch.Tensor:
    """Degrees as radians."""
    return torch.deg2rad(as_wide_float(x))


@op
def rad2deg(x: TensorLike) -> torch.Tensor:
    """Radians as degrees."""
    return torch.rad2deg(as_wide_float(x))


# -- rounding and limits ---------------------------------------------------------------------------------------------------------------


@op(promote="float")
def ceil(x: TensorLike) -> torch.Tensor:
    """The least whole number not below `x`, as a float."""
    return torch.ceil(x)


@op(promote="float")
def floor(x: TensorLike) -> torch.Tensor:
    """The greatest whole number not above `x`, as a float."""
    return torch.floor(x)


@op
def trunc(x: TensorLike) -> torch.Tensor:
    """`x` without its fraction, in its own type."""
    return torch.trunc(x) if x.is_floating_point() else x


@op
def round(x: TensorLike, decimals: int = 0) -> torch.Tensor:
    """`x` rounded to the nearest number of that many decimals, halves to even; integers stay integers.

    Args:
        x: The tensor.
        decimals: How many decimals to keep; negative ones round to tens, hundreds, ….
    """
    if x.is_floating_point():
        return torch.round(x, decimals=decimals)
    if decimals >= 0:
        return x
    exact = torch.float64 if x.device.type != "mps" else torch.float32
    return torch.round(x.to(exact), decimals=decimals).to(x.dtype)


@op(broadcast=True)
def clip(x: TensorLike, x_min: Any, x_max: Any) -> torch.Tensor:
    """`x` held between two limits, which broadcast with it; where they cross, `x_max` wins.

    Args:
        x: The tensor; booleans count as int32.
        x_min: The lower limit: a number, a tensor or `None`.
        x_max: The upper limit, likewise.
    """
    if x.dtype is torch.bool:
        x = x.to(torch.int32)
    if x_min is None and x_max is None:
        return x
    if not (isinstance(x_min, _LIMITS) and isinstance(x_max, _LIMITS)):  # torch takes two numbers or two tensors
        x_min, x_max = (None if limit is None else convert_to_tensor(limit, device=x.device) for limit in (x_min, x_max))
    return torch.clamp(x, x_min, x_max)


_LIMITS = (int, float, type(None))


@op
def nan_to_num(
    x: TensorLike, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> torch.Tensor:  # fmt: skip
    """`x` with NaN and the infinities replaced.

    Args:
        x: The tensor.
        nan: What stands for NaN.
        posinf: What stands for +∞; the greatest finite number of the type without it.
        neginf: What stands for -∞; the least finite number of the type without it.
    """
    return torch.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf) if x.is_floating_point() or x.is_complex() else x


# -- special values --------------------------------------------------------------------------------------------------------------------


@op
def isfinite(x: TensorLike) -> torch.Tensor:
    """Whether each element is neither infinite nor NaN."""
    return torch.isfinite(x)


@op
def isinf(x: TensorLike) -> torch.Tensor:
    """Whether each element is +∞ or -∞."""
    return torch.isinf(x)


@op
def isnan(x: TensorLike) -> torch.Tensor:
    """Whether each element is NaN."""
    return torch.isnan(x)


@op
def isneginf(x: TensorLike) -> torch.Tensor:
    """Whether each element is -∞."""
    return torch.isneginf(x)


@op
def isposinf(x: TensorLike) -> torch.Tensor:
    """Whether each element is +∞."""
    return torch.isposinf(x)


# -- complex numbers -------------------------------------------------------------------------------------------------------------------


@op
def isreal(x: TensorLike) -> torch.Tensor:
    """Whether each element has no imaginary part."""
    return torch.isreal(x)


@op(promote="float")
def angle(x: TensorLike) -> torch.Tensor:
    """The angle of a complex number in radians; 0 or π of a real one."""
    return torch.angle(x)


@op(filed=Filed(aliases=("Conj",)))
def conjugate(x: TensorLike) -> torch.Tensor:
    """The complex conjugate; real numbers are their own."""
    return torch.conj(x).resolve_conj()


conj = conjugate


@op
def real(x: TensorLike) -> torch.Tensor:
    """The real part."""
    return torch.real(x)


@op
def imag(x: TensorLike) -> torch.Tensor:
    """The imaginary part, zero for real numbers."""
    return torch.imag(x) if x.is_complex() else torch.zeros_like(x)
