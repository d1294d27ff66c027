"""Functions of two tensors, element by element: sums, products, quotients, powers and extremes."""

from __future__ import annotations

import torch

from ...graph import Filed, TensorLike, op
from .elementwise import as_float


@op(promote="same", broadcast=True, numbers=True, filed=Filed(torch=("add",)))
def add(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """`x1 + x2`, broadcast; of booleans, their disjunction."""
    return torch.add(x1, x2)


@op(promote="same", broadcast=True, numbers=True, filed=Filed(torch=("sub",)))
def subtract(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """`x1 - x2`, broadcast."""
    return torch.sub(x1, x2)


@op(promote="same", broadcast=True, numbers=True, filed=Filed(torch=("mul",)))
def multiply(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """`x1 * x2`, broadcast; of booleans, their conjunction."""
    return torch.mul(x1, x2)


@op(promote="float", broadcast=True, numbers=True, filed=Filed(aliases=("Divide",), torch=("div", "true_divide")))
def true_divide(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """`x1 / x2` as floats, broadcast."""
    return torch.true_divide(x1, x2)


divide = true_divide


@op(promote="float", broadcast=True)
def divide_no_nan(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """`x1 / x2`, and 0 where `x2` is 0; gradients are finite there too."""
    zero = x2 == 0
    return torch.where(zero, 0, torch.true_divide(x1, torch.where(zero, 1, x2)))


@op(promote="same", broadcast=True, numbers=True)
def floor_divide(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The greatest whole number not above `x1 / x2`, broadcast."""
    return torch.div(x1, x2, rounding_mode="floor")


@op(promote="same", broadcast=True, numbers=True)
def mod(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The remainder of `x1 / x2` with the sign of `x2`, broadcast."""
    return torch.remainder(*_countable(x1, x2))


@op(promote="same", broadcast=True, numbers=True)
def fmod(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The remainder of `x1 / x2` with the sign of `x1`, broadcast."""
    return torch.fmod(*_countable(x1, x2))


def _countable(x1: torch.Tensor, x2: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return (x1.to(torch.int32), x2.to(torch.int32)) if x1.dtype is torch.bool else (x1, x2)


@op(promote="same", broadcast=True, numbers=True, filed=Filed(torch=("pow",)))
def power(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """`x1` to the power `x2`, broadcast."""
    return torch.pow(x1, x2)


@op(promote="float", broadcast=True)
def hypot(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The hypotenuse `sqrt(x1**2 + x2**2)`, without overflow."""
    return torch.hypot(x1, x2)


@op(promote="float", broadcast=True)
def arctan2(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The angle in [-π, π] of the point whose ordinate is `x1` and abscissa `x2`."""
    return torch.arctan2(x1, x2)


@op(promote="float", broadcast=True)
def logaddexp(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """`log(exp(x1) + exp(x2))`, without overflow."""
    return torch.logaddexp(x1, x2)


@op(promote="float", broadcast=True)
def logaddexp2(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """`log2(2**x1 + 2**x2)`, without overflow."""
    return torch.logaddexp2(x1, x2)


@op(broadcast=True)
def ldexp(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """`x1 * 2**x2`, as a float.

    Args:
        x1: The significand.
        x2: The exponent, integers.

    Raises:
        TypeError: `x2` holds no integers.
    """
    if x2.is_floating_point() or x2.dtype is torch.bool:
        raise TypeError(f"`x2` must hold integers: it is an exponent. Received: x2 of type {x2.dtype}. Cast it.")
    x1 = as_float(x1)
    return torch.ldexp(x1, x2).to(x1.dtype)


@op(promote="float", broadcast=True)
def heaviside(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The step function of `x1`: 0 below zero, 1 above, `x2` at zero."""
    return torch.where(x1 == 0, x2, (x1 > 0).to(x1.dtype))


@op(promote="float", broadcast=True)
def nextafter(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The next floating-point number after `x1` in the direction of `x2`."""
    if x1.dtype is torch.float16:  # torch has float32, float64 and bfloat16 only
        return _nextafter_half(*torch.broadcast_tensors(x1, x2))
    return torch.nextafter(x1, x2)


def _nextafter_half(x1: torch.Tensor, x2: torch.Tensor) -> torch.Tensor:
    bits = x1.contiguous().view(torch.int16)
    step = torch.where((x2 > x1) == (x1 > 0), 1, -1).to(torch.int16)  # magnitudes grow with the bits of either sign
    from_zero = torch.where(x2 > 0, 1, -32767).to(torch.int16)
    moved = torch.where(x1 == 0, from_zero, bits + step).view(torch.float16)
    return torch.where(x1 == x2, x2, torch.where(torch.isnan(x1) | torch.isnan(x2), torch.nan, moved))


@op(promote="same", broadcast=True)
def maximum(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The greater of each pair, broadcast; NaN wins."""
    return torch.maximum(x1, x2)


@op(promote="same", broadcast=True)
def minimum(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The lesser of each pair, broadcast; NaN wins."""
    return torch.minimum(x1, x2)


@op(promote="same", broadcast=True)
def fmax(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The greater of each pair, broadcast; NaN loses."""
    return torch.fmax(x1, x2)


@op(promote="same", broadcast=True)
def fmin(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The lesser of each pair, broadcast; NaN loses."""
    return torch.fmin(x1, x2)


@op(promote="same", broadcast=True)
def gcd(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The greatest common divisor of integers."""
    return torch.gcd(x1, x2)


@op(promote="same", broadcast=True)
def lcm(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The least common multiple of integers."""
    return torch.lcm(x1, x2)
