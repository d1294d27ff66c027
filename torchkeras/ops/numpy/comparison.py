"""Comparisons, logic and bits, element by element."""

from __future__ import annotations

import torch

from ...graph import Filed, TensorLike, op


@op(promote="same", broadcast=True, numbers=True)
def equal(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """Whether `x1 == x2`, broadcast."""
    return torch.eq(x1, x2)


@op(promote="same", broadcast=True, numbers=True)
def not_equal(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """Whether `x1 != x2`, broadcast."""
    return torch.ne(x1, x2)


@op(promote="same", broadcast=True, numbers=True)
def less(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """Whether `x1 < x2`, broadcast."""
    return torch.lt(x1, x2)


@op(promote="same", broadcast=True, numbers=True)
def less_equal(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """Whether `x1 <= x2`, broadcast."""
    return torch.le(x1, x2)


@op(promote="same", broadcast=True, numbers=True)
def greater(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """Whether `x1 > x2`, broadcast."""
    return torch.gt(x1, x2)


@op(promote="same", broadcast=True, numbers=True)
def greater_equal(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """Whether `x1 >= x2`, broadcast."""
    return torch.ge(x1, x2)


@op(promote="same", broadcast=True, filed=Filed(called=("rtol", "atol")))
def isclose(
    x1: TensorLike, x2: TensorLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> torch.Tensor:  # fmt: skip
    """Whether `|x1 - x2| <= atol + rtol * |x2|`, broadcast.

    Args:
        x1: One tensor.
        x2: The other, to which `rtol` relates.
        rtol: The relative tolerance.
        atol: The absolute tolerance.
        equal_nan: Whether NaN is close to NaN.
    """
    if x1.dtype is torch.bool:
        return torch.eq(x1, x2)
    return torch.isclose(x1, x2, rtol=rtol, atol=atol, equal_nan=equal_nan)


@op(promote="same", broadcast=True, filed=Filed("AllClose"))
def allclose(
    x1: TensorLike, x2: TensorLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> torch.Tensor:  # fmt: skip
    """Whether all elements are close (see `isclose`), as a boolean tensor of no axes."""
    return torch.all(isclose(x1, x2, rtol, atol, equal_nan))


@op(promote="same", filed=Filed("IsIn"))
def isin(x1: TensorLike, x2: TensorLike, assume_unique: bool = False, invert: bool = False) -> torch.Tensor:
    """Whether each element of `x1` is one of those of `x2`; the shape is `x1`'s.

    Args:
        x1: The elements to look for.
        x2: The elements among which to look.
        assume_unique: Whether both hold no element twice, which is faster.
        invert: Whether to tell the elements that are not in `x2`.
    """
    if x1.dtype in (torch.bool, torch.float16, torch.bfloat16):  # torch.isin has none of these
        wide = torch.uint8 if x1.dtype is torch.bool else torch.float32
        x1, x2 = x1.to(wide), x2.to(wide)
    return torch.isin(x1, x2, assume_unique=assume_unique, invert=invert)


@op(broadcast=True)
def logical_and(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """Whether both are true (not zero), broadcast."""
    return torch.logical_and(x1, x2)


@op(broadcast=True)
def logical_or(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """Whether one or both are true (not zero), broadcast."""
    return torch.logical_or(x1, x2)


@op(broadcast=True)
def logical_xor(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """Whether just one is true (not zero), broadcast."""
    return torch.logical_xor(x1, x2)


@op
def logical_not(x: TensorLike) -> torch.Tensor:
    """Whether each element is false (zero)."""
    return torch.logical_not(x)


@op(promote="same", broadcast=True)
def bitwise_and(x: TensorLike, y: TensorLike) -> torch.Tensor:
    """The bits set in both integers."""
    return torch.bitwise_and(x, y)


@op(promote="same", broadcast=True)
def bitwise_or(x: TensorLike, y: TensorLike) -> torch.Tensor:
    """The bits set in one or both integers."""
    return torch.bitwise_or(x, y)


@op(promote="same", broadcast=True)
def bitwise_xor(x: TensorLike, y: TensorLike) -> torch.Tensor:
    """The bits set in just one of both integers."""
    return torch.bitwise_xor(x, y)


@op(filed=Filed(aliases=("BitwiseNot",)))
def bitwise_invert(x: TensorLike) -> torch.Tensor:
    """The bits not set; of booleans, their negation."""
    return torch.bitwise_not(x)


bitwise_not = bitwise_invert


@op(promote="same", broadcast=True, filed=Filed(aliases=("LeftShift",)))
def bitwise_left_shift(x: TensorLike, y: TensorLike) -> torch.Tensor:
    """The bits of `x` moved left by `y` places."""
    return torch.bitwise_left_shift(x, y)


left_shift = bitwise_left_shift


@op(promote="same", broadcast=True, filed=Filed(aliases=("RightShift",)))
def bitwise_right_shift(x: TensorLike, y: TensorLike) -> torch.Tensor:
    """The bits of `x` moved right by `y` places; the sign stays."""
    return torch.bitwise_right_shift(x, y)


right_shift = bitwise_right_shift
