"""Functions of two tensors, element by element: sums, products, quotients, powers and extremes."""

from __future__ import annotations

import torch

from ...graph import Filed, TensorLike, op
from .elementwise import as_float


@op(promote="same", broadcast=True, numbers=True, filed=Filed(torch=("add",)))
def add(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """`x1 + x2`, broadcast; of booleans, their disjunction.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.add([1.0, 2.0], [3.0, 4.0])
    tensor([4., 6.])
    """
    return torch.add(x1, x2)


@op(promote="same", broadcast=True, numbers=True, filed=Filed(torch=("sub",)))
def subtract(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """`x1 - x2`, broadcast.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.subtract([1.0, 2.0], [3.0, 4.0])
    tensor([-2., -2.])
    """
    return torch.sub(x1, x2)


@op(promote="same", broadcast=True, numbers=True, filed=Filed(torch=("mul",)))
def multiply(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """`x1 * x2`, broadcast; of booleans, their conjunction.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.multiply([1.0, 2.0], [3.0, 4.0])
    tensor([3., 8.])
    """
    return torch.mul(x1, x2)


@op(promote="float", broadcast=True, numbers=True, filed=Filed(aliases=("Divide",), torch=("div", "true_divide")))
def true_divide(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """`x1 / x2` as floats, broadcast.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.divide([1.0, 2.0], [3.0, 4.0])
    tensor([0.3333, 0.5000])
    """
    return torch.true_divide(x1, x2)


divide = true_divide


@op(promote="float", broadcast=True)
def divide_no_nan(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """`x1 / x2`, and 0 where `x2` is 0; gradients are finite there too.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.divide_no_nan([1.0, 2.0], [0.0, 4.0])
    tensor([0.0000, 0.5000])
    """
    zero = x2 == 0
    return torch.where(zero, 0, torch.true_divide(x1, torch.where(zero, 1, x2)))


@op(promote="same", broadcast=True, numbers=True)
def floor_divide(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The greatest whole number not above `x1 / x2`, broadcast.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.floor_divide([1.0, 2.0], [3.0, 4.0])
    tensor([0., 0.])
    """
    return torch.div(x1, x2, rounding_mode="floor")


@op(promote="same", broadcast=True, numbers=True)
def mod(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The remainder of `x1 / x2` with the sign of `x2`, broadcast.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.mod([1.0, 2.0], [3.0, 4.0])
    tensor([1., 2.])
    """
    return torch.remainder(*_countable(x1, x2))


@op(promote="same", broadcast=True, numbers=True)
def fmod(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The remainder of `x1 / x2` with the sign of `x1`, broadcast.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.fmod([1.0, 2.0], [3.0, 4.0])
    tensor([1., 2.])
    """
    return torch.fmod(*_countable(x1, x2))


def _countable(x1: torch.Tensor, x2: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return (x1.to(torch.int32), x2.to(torch.int32)) if x1.dtype is torch.bool else (x1, x2)


@op(promote="same", broadcast=True, numbers=True, filed=Filed(torch=("pow",)))
def power(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """`x1` to the power `x2`, broadcast.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.power([1.0, 2.0], [3.0, 4.0])
    tensor([ 1., 16.])
    """
    return torch.pow(x1, x2)


@op(promote="float", broadcast=True)
def hypot(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The hypotenuse `sqrt(x1**2 + x2**2)`, without overflow.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.hypot([1.0, 2.0], [3.0, 4.0])
    tensor([3.1623, 4.4721])
    """
    return torch.hypot(x1, x2)


@op(promote="float", broadcast=True)
def arctan2(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The angle in [-π, π] of the point whose ordinate is `x1` and abscissa `x2`.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.arctan2([1.0, 2.0], [3.0, 4.0])
    tensor([0.3218, 0.4636])
    """
    return torch.arctan2(x1, x2)


@op(promote="float", broadcast=True)
def logaddexp(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """`log(exp(x1) + exp(x2))`, without overflow.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.logaddexp([1.0, 2.0], [3.0, 4.0])
    tensor([3.1269, 4.1269])
    """
    return torch.logaddexp(x1, x2)


@op(promote="float", broadcast=True)
def logaddexp2(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """`log2(2**x1 + 2**x2)`, without overflow.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.logaddexp2([1.0, 2.0], [3.0, 4.0])
    tensor([3.3219, 4.3219])
    """
    return torch.logaddexp2(x1, x2)


@op(broadcast=True)
def ldexp(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """`x1 * 2**x2`, as a float.

    Args:
        x1: The significand.
        x2: The exponent, integers.

    Raises:
        TypeError: If `x2` holds no integers.

    >>> keras.ops.ldexp([1.0, 2.0], [2, 3])
    tensor([ 4., 16.])
    """
    if x2.is_floating_point() or x2.dtype is torch.bool:
        raise TypeError(f"`x2` must hold integers: it is an exponent. Received: x2 of type {x2.dtype}. Cast it.")
    x1 = as_float(x1)
    return torch.ldexp(x1, x2).to(x1.dtype)


@op(promote="float", broadcast=True)
def heaviside(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The step function of `x1`: 0 below zero, 1 above, `x2` at zero.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.heaviside([1.0, 2.0], [3.0, 4.0])
    tensor([1., 1.])
    """
    return torch.where(x1 == 0, x2, (x1 > 0).to(x1.dtype))


@op(promote="float", broadcast=True)
def nextafter(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The next floating-point number after `x1` in the direction of `x2`.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.nextafter([1.0, 2.0], [3.0, 4.0])
    tensor([1.0000, 2.0000])
    """
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
    """The greater of each pair, broadcast; NaN wins.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.maximum([1.0, 2.0], [3.0, 4.0])
    tensor([3., 4.])
    """
    return torch.maximum(x1, x2)


@op(promote="same", broadcast=True)
def minimum(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The lesser of each pair, broadcast; NaN wins.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.minimum([1.0, 2.0], [3.0, 4.0])
    tensor([1., 2.])
    """
    return torch.minimum(x1, x2)


@op(promote="same", broadcast=True)
def fmax(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The greater of each pair, broadcast; NaN loses.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.fmax([1.0, float("nan")], [3.0, 4.0])
    tensor([3., 4.])
    """
    return torch.fmax(x1, x2)


@op(promote="same", broadcast=True)
def fmin(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The lesser of each pair, broadcast; NaN loses.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.fmin([1.0, float("nan")], [3.0, 4.0])
    tensor([1., 4.])
    """
    return torch.fmin(x1, x2)


@op(promote="same", broadcast=True)
def gcd(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The greatest common divisor of integers.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.gcd([6, 4], [4, 6])
    tensor([2, 2], dtype=torch.int32)
    """
    return torch.gcd(x1, x2)


@op(promote="same", broadcast=True)
def lcm(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The least common multiple of integers.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.lcm([6, 4], [4, 6])
    tensor([12, 12], dtype=torch.int32)
    """
    return torch.lcm(x1, x2)
