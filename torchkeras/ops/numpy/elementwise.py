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
    """The absolute value; of complex numbers, the modulus.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.abs([-1.0, 2.0])
    tensor([1., 2.])
    """
    return x if x.dtype is torch.bool else torch.abs(x)


abs = absolute


@op(promote="float")
def fabs(x: TensorLike) -> torch.Tensor:
    """The absolute value as a float.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.fabs([-1, 2])
    tensor([1., 2.])
    """
    return torch.abs(x)


@op
def negative(x: TensorLike) -> torch.Tensor:
    """`-x`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.negative([0.5, 1.0])
    tensor([-0.5000, -1.0000])
    """
    return torch.neg(x)


@op
def sign(x: TensorLike) -> torch.Tensor:
    """-1, 0 or 1 by the sign of each element; NaN gives 0.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.sign([-3.0, 0.0, 2.0])
    tensor([-1.,  0.,  1.])
    """
    return torch.sign(x)


@op
def signbit(x: TensorLike) -> torch.Tensor:
    """Whether the sign bit is set, which it is for -0.0 too.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.signbit([-3.0, 2.0])
    tensor([ True, False])
    """
    return torch.signbit(x)


@op(promote="float")
def reciprocal(x: TensorLike) -> torch.Tensor:
    """`1 / x`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.reciprocal([0.5, 1.0])
    tensor([2., 1.])
    """
    return torch.reciprocal(x)


# -- powers, roots, exponentials, logarithms -------------------------------------------------------------------------------------------


@op
def square(x: TensorLike) -> torch.Tensor:
    """`x * x`; of booleans, as int32.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.square([0.5, 1.0])
    tensor([0.2500, 1.0000])
    """
    return torch.square(x.to(torch.int32) if x.dtype is torch.bool else x)


@op(promote="float")
def sqrt(x: TensorLike) -> torch.Tensor:
    """The square root; NaN for negative numbers.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.sqrt([0.5, 1.0])
    tensor([0.7071, 1.0000])
    """
    return torch.sqrt(x)


@op
def cbrt(x: TensorLike) -> torch.Tensor:
    """The real cube root, negative for negative numbers.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.cbrt([0.5, 1.0])
    tensor([0.7937, 1.0000])
    """
    x = as_wide_float(x)
    return torch.sign(x) * torch.pow(torch.abs(x), 1 / 3)


@op(promote="float")
def exp(x: TensorLike) -> torch.Tensor:
    """e to the power `x`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.exp([0.5, 1.0])
    tensor([1.6487, 2.7183])
    """
    return torch.exp(x)


@op(promote="float")
def exp2(x: TensorLike) -> torch.Tensor:
    """2 to the power `x`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.exp2([0.5, 1.0])
    tensor([1.4142, 2.0000])
    """
    return torch.exp2(x)


@op(promote="float")
def expm1(x: TensorLike) -> torch.Tensor:
    """`exp(x) - 1`, exact near zero.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.expm1([0.5, 1.0])
    tensor([0.6487, 1.7183])
    """
    return torch.expm1(x)


@op(promote="float")
def log(x: TensorLike) -> torch.Tensor:
    """The natural logarithm.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.log([0.5, 1.0])
    tensor([-0.6931,  0.0000])
    """
    return torch.log(x)


@op(promote="float")
def log10(x: TensorLike) -> torch.Tensor:
    """The logarithm to base 10.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.log10([0.5, 1.0])
    tensor([-0.3010,  0.0000])
    """
    return torch.log10(x)


@op(promote="float")
def log1p(x: TensorLike) -> torch.Tensor:
    """`log(1 + x)`, exact near zero.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.log1p([0.5, 1.0])
    tensor([0.4055, 0.6931])
    """
    return torch.log1p(x)


@op(promote="float")
def log2(x: TensorLike) -> torch.Tensor:
    """The logarithm to base 2.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.log2([0.5, 1.0])
    tensor([-1.,  0.])
    """
    return torch.log2(x)


@op
def i0(x: TensorLike) -> torch.Tensor:
    """The modified Bessel function of the first kind, of order 0.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.i0([0.5, 1.0])
    tensor([1.0635, 1.2661])
    """
    return torch.special.i0(as_wide_float(x))


# -- trigonometry ----------------------------------------------------------------------------------------------------------------------


@op(promote="float")
def sin(x: TensorLike) -> torch.Tensor:
    """The sine of an angle in radians.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.sin([0.5, 1.0])
    tensor([0.4794, 0.8415])
    """
    return torch.sin(x)


@op(promote="float")
def cos(x: TensorLike) -> torch.Tensor:
    """The cosine of an angle in radians.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.cos([0.5, 1.0])
    tensor([0.8776, 0.5403])
    """
    return torch.cos(x)


@op(promote="float")
def tan(x: TensorLike) -> torch.Tensor:
    """The tangent of an angle in radians.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.tan([0.5, 1.0])
    tensor([0.5463, 1.5574])
    """
    return torch.tan(x)


@op(promote="float")
def arcsin(x: TensorLike) -> torch.Tensor:
    """The angle in [-π/2, π/2] whose sine is `x`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.arcsin([0.5, 1.0])
    tensor([0.5236, 1.5708])
    """
    return torch.arcsin(x)


@op(promote="float")
def arccos(x: TensorLike) -> torch.Tensor:
    """The angle in [0, π] whose cosine is `x`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.arccos([0.5, 1.0])
    tensor([1.0472, 0.0000])
    """
    return torch.arccos(x)


@op(promote="float")
def arctan(x: TensorLike) -> torch.Tensor:
    """The angle in [-π/2, π/2] whose tangent is `x`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.arctan([0.5, 1.0])
    tensor([0.4636, 0.7854])
    """
    return torch.arctan(x)


@op(promote="float")
def sinh(x: TensorLike) -> torch.Tensor:
    """The hyperbolic sine.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.sinh([0.5, 1.0])
    tensor([0.5211, 1.1752])
    """
    return torch.sinh(x)


@op(promote="float")
def cosh(x: TensorLike) -> torch.Tensor:
    """The hyperbolic cosine.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.cosh([0.5, 1.0])
    tensor([1.1276, 1.5431])
    """
    return torch.cosh(x)


@op(promote="float")
def tanh(x: TensorLike) -> torch.Tensor:
    """The hyperbolic tangent.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.activations.tanh(torch.tensor([-1.0, 2.0]))
    tensor([-0.7616,  0.9640])
    """
    return torch.tanh(x)


@op(promote="float")
def arcsinh(x: TensorLike) -> torch.Tensor:
    """The inverse hyperbolic sine.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.arcsinh([0.5, 1.0])
    tensor([0.4812, 0.8814])
    """
    return torch.arcsinh(x)


@op(promote="float")
def arccosh(x: TensorLike) -> torch.Tensor:
    """The inverse hyperbolic cosine; NaN below 1.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.arccosh([1.0, 2.0])
    tensor([0.0000, 1.3170])
    """
    return torch.arccosh(x)


@op(promote="float")
def arctanh(x: TensorLike) -> torch.Tensor:
    """The inverse hyperbolic tangent; NaN outside [-1, 1].

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.arctanh([0.0, 0.5])
    tensor([0.0000, 0.5493])
    """
    return torch.arctanh(x)


@op(promote="float")
def sinc(x: TensorLike) -> torch.Tensor:
    """`sin(πx) / (πx)`, 1 at zero.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.sinc([0.5, 1.0])
    tensor([ 6.3662e-01, -2.7828e-08])
    """
    return torch.sinc(x)


@op
def deg2rad(x: TensorLike) -> torch.Tensor:
    """Degrees as radians.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.deg2rad([0.5, 1.0])
    tensor([0.0087, 0.0175])
    """
    return torch.deg2rad(as_wide_float(x))


@op
def rad2deg(x: TensorLike) -> torch.Tensor:
    """Radians as degrees.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.rad2deg([0.5, 1.0])
    tensor([28.6479, 57.2958])
    """
    return torch.rad2deg(as_wide_float(x))


# -- rounding and limits ---------------------------------------------------------------------------------------------------------------


@op(promote="float")
def ceil(x: TensorLike) -> torch.Tensor:
    """The least whole number not below `x`, as a float.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.ceil([1.2, -1.7])
    tensor([ 2., -1.])
    """
    return torch.ceil(x)


@op(promote="float")
def floor(x: TensorLike) -> torch.Tensor:
    """The greatest whole number not above `x`, as a float.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.floor([1.7, -1.2])
    tensor([ 1., -2.])
    """
    return torch.floor(x)


@op
def trunc(x: TensorLike) -> torch.Tensor:
    """`x` without its fraction, in its own type.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.trunc([1.7, -1.2])
    tensor([ 1., -1.])
    """
    return torch.trunc(x) if x.is_floating_point() else x


@op
def round(x: TensorLike, decimals: int = 0) -> torch.Tensor:
    """`x` rounded to the nearest number of that many decimals, halves to even; integers stay integers.

    Args:
        x: The tensor.
        decimals: How many decimals to keep; negative ones round to tens, hundreds, ….

    >>> keras.ops.round([1.26, 2.74], 1)
    tensor([1.3000, 2.7000])
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
        x_max: The upper limit, a number or a tensor that broadcasts.

    >>> keras.ops.clip([-1.0, 0.5, 2.0], 0.0, 1.0)
    tensor([0.0000, 0.5000, 1.0000])
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

    >>> keras.ops.nan_to_num([1.0, float("nan")])
    tensor([1., 0.])
    """
    return torch.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf) if x.is_floating_point() or x.is_complex() else x


# -- special values --------------------------------------------------------------------------------------------------------------------


@op
def isfinite(x: TensorLike) -> torch.Tensor:
    """Whether each element is neither infinite nor NaN.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.isfinite([1.0, float("inf")])
    tensor([ True, False])
    """
    return torch.isfinite(x)


@op
def isinf(x: TensorLike) -> torch.Tensor:
    """Whether each element is +∞ or -∞.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.isinf([1.0, float("inf")])
    tensor([False,  True])
    """
    return torch.isinf(x)


@op
def isnan(x: TensorLike) -> torch.Tensor:
    """Whether each element is NaN.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.isnan([1.0, float("nan")])
    tensor([False,  True])
    """
    return torch.isnan(x)


@op
def isneginf(x: TensorLike) -> torch.Tensor:
    """Whether each element is -∞.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.isneginf([1.0, -float("inf")])
    tensor([False,  True])
    """
    return torch.isneginf(x)


@op
def isposinf(x: TensorLike) -> torch.Tensor:
    """Whether each element is +∞.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.isposinf([1.0, float("inf")])
    tensor([False,  True])
    """
    return torch.isposinf(x)


# -- complex numbers -------------------------------------------------------------------------------------------------------------------


@op
def isreal(x: TensorLike) -> torch.Tensor:
    """Whether each element has no imaginary part.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.isreal(torch.tensor([1 + 0j, 1j]))
    tensor([ True, False])
    """
    return torch.isreal(x)


@op(promote="float")
def angle(x: TensorLike) -> torch.Tensor:
    """The angle of a complex number in radians; 0 or π of a real one.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.angle(torch.tensor([1j, -1.0]))
    tensor([1.5708, 3.1416])
    """
    return torch.angle(x)


@op(filed=Filed(aliases=("Conj",)))
def conjugate(x: TensorLike) -> torch.Tensor:
    """The complex conjugate; real numbers are their own.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.conj(torch.tensor([1 + 2j]))
    tensor([1.-2.j])
    """
    return torch.conj(x).resolve_conj()


conj = conjugate


@op
def real(x: TensorLike) -> torch.Tensor:
    """The real part.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.real(torch.tensor([1 + 2j]))
    tensor([1.])
    """
    return torch.real(x)


@op
def imag(x: TensorLike) -> torch.Tensor:
    """The imaginary part, zero for real numbers.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.imag(torch.tensor([1 + 2j]))
    tensor([2.])
    """
    return torch.imag(x) if x.is_complex() else torch.zeros_like(x)
