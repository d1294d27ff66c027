"""Comparisons, logic and bits, element by element."""

from __future__ import annotations

import torch

from ...graph import Filed, TensorLike, op


@op(promote="same", broadcast=True, numbers=True)
def equal(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """Whether `x1 == x2`, broadcast.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.equal([1.0, 2.0], [3.0, 4.0])
    tensor([False, False])
    """
    return torch.eq(x1, x2)


@op(promote="same", broadcast=True, numbers=True)
def not_equal(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """Whether `x1 != x2`, broadcast.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.not_equal([1.0, 2.0], [3.0, 4.0])
    tensor([True, True])
    """
    return torch.ne(x1, x2)


@op(promote="same", broadcast=True, numbers=True)
def less(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """Whether `x1 < x2`, broadcast.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.less([1.0, 2.0], [3.0, 4.0])
    tensor([True, True])
    """
    return torch.lt(x1, x2)


@op(promote="same", broadcast=True, numbers=True)
def less_equal(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """Whether `x1 <= x2`, broadcast.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.less_equal([1.0, 2.0], [3.0, 4.0])
    tensor([True, True])
    """
    return torch.le(x1, x2)


@op(promote="same", broadcast=True, numbers=True)
def greater(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """Whether `x1 > x2`, broadcast.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.greater([1.0, 2.0], [3.0, 4.0])
    tensor([False, False])
    """
    return torch.gt(x1, x2)


@op(promote="same", broadcast=True, numbers=True)
def greater_equal(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """Whether `x1 >= x2`, broadcast.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.greater_equal([1.0, 2.0], [3.0, 4.0])
    tensor([False, False])
    """
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

    >>> keras.ops.isclose([1.0, 2.0], [3.0, 4.0])
    tensor([False, False])
    """
    if x1.dtype is torch.bool:
        return torch.eq(x1, x2)
    return torch.isclose(x1, x2, rtol=rtol, atol=atol, equal_nan=equal_nan)


@op(promote="same", broadcast=True, filed=Filed("AllClose"))
def allclose(
    x1: TensorLike, x2: TensorLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> torch.Tensor:  # fmt: skip
    """Whether all elements are equal but for small differences, as a boolean tensor of no axes.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.
        rtol: The difference that counts as none, relative to `x2`.
        atol: The difference that counts as none, absolute.
        equal_nan: Whether NaN equals NaN.

    >>> keras.ops.allclose([1.0], [1.0 + 1e-9])
    tensor(True)
    """
    return torch.all(isclose(x1, x2, rtol, atol, equal_nan))


@op(promote="same", filed=Filed("IsIn"))
def isin(x1: TensorLike, x2: TensorLike, assume_unique: bool = False, invert: bool = False) -> torch.Tensor:
    """Whether each element of `x1` is one of those of `x2`; the shape is `x1`'s.

    Args:
        x1: The elements to look for.
        x2: The elements among which to look.
        assume_unique: Whether both hold no element twice, which is faster.
        invert: Whether to tell the elements that are not in `x2`.

    >>> keras.ops.isin([1, 2, 3], [2, 3])
    tensor([False,  True,  True])
    """
    if x1.dtype in (torch.bool, torch.float16, torch.bfloat16):  # torch.isin has none of these
        wide = torch.uint8 if x1.dtype is torch.bool else torch.float32
        x1, x2 = x1.to(wide), x2.to(wide)
    return torch.isin(x1, x2, assume_unique=assume_unique, invert=invert)


@op(broadcast=True)
def logical_and(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """Whether both are true (not zero), broadcast.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.logical_and([True, True], [True, False])
    tensor([ True, False])
    """
    return torch.logical_and(x1, x2)


@op(broadcast=True)
def logical_or(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """Whether one or both are true (not zero), broadcast.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.logical_or([True, False], [False, False])
    tensor([ True, False])
    """
    return torch.logical_or(x1, x2)


@op(broadcast=True)
def logical_xor(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """Whether just one is true (not zero), broadcast.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.logical_xor([True, True], [True, False])
    tensor([False,  True])
    """
    return torch.logical_xor(x1, x2)


@op
def logical_not(x: TensorLike) -> torch.Tensor:
    """Whether each element is false (zero).

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.logical_not([True, False])
    tensor([False,  True])
    """
    return torch.logical_not(x)


@op(promote="same", broadcast=True)
def bitwise_and(x: TensorLike, y: TensorLike) -> torch.Tensor:
    """The bits set in both integers.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.
        y: A tensor of integers; it broadcasts with `x`.

    >>> keras.ops.bitwise_and([6], [3])
    tensor([2], dtype=torch.int32)
    """
    return torch.bitwise_and(x, y)


@op(promote="same", broadcast=True)
def bitwise_or(x: TensorLike, y: TensorLike) -> torch.Tensor:
    """The bits set in one or both integers.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.
        y: A tensor of integers; it broadcasts with `x`.

    >>> keras.ops.bitwise_or([6], [3])
    tensor([7], dtype=torch.int32)
    """
    return torch.bitwise_or(x, y)


@op(promote="same", broadcast=True)
def bitwise_xor(x: TensorLike, y: TensorLike) -> torch.Tensor:
    """The bits set in just one of both integers.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.
        y: A tensor of integers; it broadcasts with `x`.

    >>> keras.ops.bitwise_xor([6], [3])
    tensor([5], dtype=torch.int32)
    """
    return torch.bitwise_xor(x, y)


@op(filed=Filed(aliases=("BitwiseNot",)))
def bitwise_invert(x: TensorLike) -> torch.Tensor:
    """The bits not set; of booleans, their negation.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.bitwise_invert([0, 1])
    tensor([-1, -2], dtype=torch.int32)
    """
    return torch.bitwise_not(x)


bitwise_not = bitwise_invert


@op(promote="same", broadcast=True, filed=Filed(aliases=("LeftShift",)))
def bitwise_left_shift(x: TensorLike, y: TensorLike) -> torch.Tensor:
    """The bits of `x` moved left by `y` places.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.
        y: A tensor of integers; it broadcasts with `x`.

    >>> keras.ops.bitwise_left_shift([3], [1])
    tensor([6], dtype=torch.int32)
    """
    return torch.bitwise_left_shift(x, y)


left_shift = bitwise_left_shift


@op(promote="same", broadcast=True, filed=Filed(aliases=("RightShift",)))
def bitwise_right_shift(x: TensorLike, y: TensorLike) -> torch.Tensor:
    """The bits of `x` moved right by `y` places; the sign stays.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.
        y: A tensor of integers; it broadcasts with `x`.

    >>> keras.ops.bitwise_right_shift([6], [1])
    tensor([3], dtype=torch.int32)
    """
    return torch.bitwise_right_shift(x, y)


right_shift = bitwise_right_shift
