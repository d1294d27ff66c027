"""New tensors: from values, filled, ranges, identity and triangles, and window functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ... import dtypes
from ...distribution import rank
from ...graph import TensorLike, convert_to_tensor, op

Sizes = Any  # a shape: a size, or a sequence of sizes


def _sizes(shape: Sizes) -> tuple[int, ...]:
    return tuple(int(s) for s in shape) if isinstance(shape, (Sequence, torch.Tensor, np.ndarray)) else (int(shape),)


@op
def array(x: Any, dtype: Any = None) -> torch.Tensor:
    """`x` as a tensor of its own: a number, an array, a tensor or a nest of numbers.

    Args:
        x: The values.
        dtype: The type; without it the values', Python floats as `floatx()` and integers as int32.

    >>> keras.ops.array([1, 2])
    tensor([1, 2], dtype=torch.int32)
    """
    tensor = convert_to_tensor(x, dtype)
    return tensor.clone() if tensor is x or isinstance(x, np.ndarray) else tensor


@op
def copy(x: TensorLike) -> torch.Tensor:
    """A copy with memory of its own.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.copy([0.5, 1.0])
    tensor([0.5000, 1.0000])
    """
    return torch.clone(x)


def zeros(shape: Sizes, dtype: Any = None) -> torch.Tensor:
    """Zeros of a shape, of type `floatx()` without `dtype`.

    Args:
        shape: The shape, a whole number or a sequence of them.
        dtype: The type of the result; that of `x`, or `floatx()` where there is no tensor, without one.

    >>> keras.ops.zeros((2, 2))
    tensor([[0., 0.],
            [0., 0.]])
    """
    return torch.zeros(_sizes(shape), dtype=dtypes.to_torch_dtype(dtype), device=rank.default_device())


def ones(shape: Sizes, dtype: Any = None) -> torch.Tensor:
    """Ones of a shape, of type `floatx()` without `dtype`.

    Args:
        shape: The shape, a whole number or a sequence of them.
        dtype: The type of the result; that of `x`, or `floatx()` where there is no tensor, without one.

    >>> keras.ops.ones((2, 2))
    tensor([[1., 1.],
            [1., 1.]])
    """
    return torch.ones(_sizes(shape), dtype=dtypes.to_torch_dtype(dtype), device=rank.default_device())


def empty(shape: Sizes, dtype: Any = None) -> torch.Tensor:
    """A tensor of a shape whose elements may be anything, of type `floatx()` without `dtype`.

    Args:
        shape: The shape, a whole number or a sequence of them.
        dtype: The type of the result; that of `x`, or `floatx()` where there is no tensor, without one.

    >>> keras.ops.empty((2, 3)).shape
    torch.Size([2, 3])
    """
    return torch.empty(_sizes(shape), dtype=dtypes.to_torch_dtype(dtype), device=rank.default_device())


@op
def full(shape: Sizes, fill_value: TensorLike, dtype: Any = None) -> torch.Tensor:
    """`fill_value`, broadcast to a shape, of type `floatx()` without `dtype`.

    Args:
        shape: The shape, a whole number or a sequence of them.
        fill_value: The value of every element.
        dtype: The type of the result; that of `x`, or `floatx()` where there is no tensor, without one.

    >>> keras.ops.full((2,), 7.0)
    tensor([7., 7.])
    """
    return fill_value.to(dtypes.to_torch_dtype(dtype)).broadcast_to(_sizes(shape)).clone()


def _like(x: torch.Tensor, dtype: Any) -> torch.dtype:
    return x.dtype if dtype is None else dtypes.to_torch_dtype(dtype)


@op
def zeros_like(x: TensorLike, dtype: Any = None) -> torch.Tensor:
    """Zeros of the shape of `x`, and of its type without `dtype`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.
        dtype: The type of the result; that of `x`, or `floatx()` where there is no tensor, without one.

    >>> keras.ops.zeros_like([0.5, 1.0])
    tensor([0., 0.])
    """
    return torch.zeros_like(x, dtype=_like(x, dtype))


@op
def ones_like(x: TensorLike, dtype: Any = None) -> torch.Tensor:
    """Ones of the shape of `x`, and of its type without `dtype`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.
        dtype: The type of the result; that of `x`, or `floatx()` where there is no tensor, without one.

    >>> keras.ops.ones_like([0.5, 1.0])
    tensor([1., 1.])
    """
    return torch.ones_like(x, dtype=_like(x, dtype))


@op
def empty_like(x: TensorLike, dtype: Any = None) -> torch.Tensor:
    """A tensor of the shape of `x`, and of its type without `dtype`, whose elements may be anything.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.
        dtype: The type of the result; that of `x`, or `floatx()` where there is no tensor, without one.

    >>> keras.ops.empty_like(torch.ones(2, 3)).shape
    torch.Size([2, 3])
    """
    return torch.empty_like(x, dtype=_like(x, dtype))


@op(broadcast=True)
def full_like(x: TensorLike, fill_value: TensorLike, dtype: Any = None) -> torch.Tensor:
    """`fill_value`, broadcast to the shape of `x`, of its type without `dtype`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.
        fill_value: The value of every element.
        dtype: The type of the result; that of `x`, or `floatx()` where there is no tensor, without one.

    >>> keras.ops.full_like([1.0, 2.0], 7.0)
    tensor([7., 7.])
    """
    return fill_value.to(x.device, _like(x, dtype)).broadcast_to(x.shape).clone()


# -- ranges ----------------------------------------------------------------------------------------------------------------------------


def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> torch.Tensor:
    """The numbers from `start` up to but without `stop`.

    Args:
        start: The first number; with nothing else, the end of a range from 0.
        stop: The end.
        step: The difference of neighbours, 1 without it.
        dtype: The type; without it, that of the arguments, int32 or `floatx()` for 64-bit ones.

    >>> keras.ops.arange(1, 7, 2)
    tensor([1, 3, 5], dtype=torch.int32)
    """
    given = [v for v in (start, stop, step) if v is not None]
    if dtype is None:
        dtype = dtypes.result_type(*(getattr(v, "dtype", type(v)) for v in given))
        dtype = {"int64": "int32", "bool": "int32", "float64": dtypes.standardize_dtype(None)}.get(dtype, dtype)
    start, stop = (0, start) if stop is None else (start, stop)
    target = dtypes.to_torch_dtype(dtype)
    made = torch.int32 if target is torch.bool else target
    numbers = torch.arange(start, stop, 1 if step is None else step, dtype=made, device=rank.default_device())
    return numbers.to(target)


@op(promote="float", args=("start", "stop"))
def linspace(
    start: TensorLike,
    stop: TensorLike,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> torch.Tensor:
    """Evenly spaced numbers between two, which may be tensors that broadcast.

    Args:
        start: The first number.
        stop: The last number, or the end.
        num: How many.
        endpoint: Whether `stop` is among them.
        retstep: Whether to return `(numbers, step)`.
        dtype: The type of the result; `start`'s and `stop`'s, as a float, without it.
        axis: The place of the new axis.

    Raises:
        ValueError: If `num` is negative.

    >>> keras.ops.linspace(0.0, 1.0, 3)
    tensor([0.0000, 0.5000, 1.0000])
    """
    if num < 0:
        raise ValueError(f"`num` must not be negative. Received: num={num}")
    start, stop = torch.broadcast_tensors(start, stop)
    parts = num - 1 if endpoint else num
    step = (stop - start) / parts if parts > 0 else torch.full_like(start, torch.nan if endpoint else 1.0)
    if num == 1 and not endpoint:
        step = stop - start
    places = torch.arange(num, dtype=start.dtype, device=start.device).reshape(-1, *(1,) * start.ndim)
    fraction = places / parts if parts > 0 else places
    numbers = torch.lerp(start, stop, fraction) if num else start.new_empty((0, *start.shape))
    if dtype is not None:
        target = dtypes.to_torch_dtype(dtype)
        numbers = (numbers if target.is_floating_point else torch.floor(numbers)).to(target)
    numbers = numbers.movedim(0, axis)
    return (numbers, step) if retstep else numbers  # type: ignore[return-value]  # the type of the usual call


@op(promote="float", args=("start", "stop"))
def logspace(
    start: TensorLike,
    stop: TensorLike,
    num: int = 50,
    endpoint: bool = True,
    base: float = 10,
    dtype: Any = None,
    axis: int = 0,
) -> torch.Tensor:
    """Numbers evenly spaced on a logarithmic scale, from `base**start` to `base**stop`.

    Args:
        start: The first number.
        stop: The last number, or the end.
        num: How many.
        endpoint: Whether `stop` is among them.
        base: The base of the logarithm.
        dtype: The type of the result; `start`'s and `stop`'s, as a float, without it.
        axis: The place of the new axis.

    >>> keras.ops.logspace(0.0, 2.0, 3)
    tensor([  1.,  10., 100.])
    """
    numbers = torch.pow(base, linspace(start, stop, num, endpoint, axis=axis))
    return numbers if dtype is None else numbers.to(dtypes.to_torch_dtype(dtype))


@op(promote="float", args=("start", "stop"))
def geomspace(
    start: TensorLike, stop: TensorLike, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> torch.Tensor:  # fmt: skip
    """Numbers evenly spaced on a logarithmic scale, from `start` to `stop`, of one sign.

    Args:
        start: The first number.
        stop: The last number, or the end.
        num: How many.
        endpoint: Whether `stop` is among them.
        dtype: The type of the result; `start`'s and `stop`'s, as a float, without it.
        axis: The place of the new axis.

    >>> keras.ops.geomspace(1.0, 100.0, 3)
    tensor([  1.0000,  10.0000, 100.0000])
    """
    start, stop = torch.broadcast_tensors(start, stop)
    logs = linspace(torch.log(torch.abs(start)), torch.log(torch.abs(stop)), num, endpoint, axis=axis)
    numbers = torch.exp(logs) * torch.sign(start).unsqueeze(axis)
    return numbers if dtype is None else numbers.to(dtypes.to_torch_dtype(dtype))


# -- matrices --------------------------------------------------------------------------------------------------------------------------


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> torch.Tensor:
    """A matrix with ones on a diagonal and zeros elsewhere.

    Args:
        N: How many rows.
        M: How many columns; `N` without it.
        k: The diagonal: above the main one if positive, below if negative.
        dtype: The type, `floatx()` without it.

    >>> keras.ops.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    return (_offsets(N, M) == (k or 0)).to(dtypes.to_torch_dtype(dtype))


def _offsets(N: int, M: int | None) -> torch.Tensor:
    """By how much the column of each element exceeds its row."""
    rows = torch.arange(int(N), device=rank.default_device()).unsqueeze(1)
    return torch.arange(int(N if M is None else M), device=rank.default_device()) - rows


def identity(n: int, dtype: Any = None) -> torch.Tensor:
    """The identity matrix of size `n`, of type `floatx()` without `dtype`.

    Args:
        n: The number of rows and of columns.
        dtype: The type of the result; that of `x`, or `floatx()` where there is no tensor, without one.

    >>> keras.ops.identity(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    return eye(n, dtype=dtype)


def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> torch.Tensor:
    """A matrix with ones on and below a diagonal and zeros above.

    Args:
        N: How many rows.
        M: How many columns; `N` without it.
        k: The diagonal: above the main one if positive, below if negative.
        dtype: The type, `floatx()` without it.

    >>> keras.ops.tri(2)
    tensor([[1., 0.],
            [1., 1.]])
    """
    return (_offsets(N, M) <= (k or 0)).to(dtypes.to_torch_dtype(dtype))


@op
def tril(x: TensorLike, k: int = 0) -> torch.Tensor:
    """The lower triangle of matrices: zeros above diagonal `k`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.
        k: The diagonal: 0 the main one, above it where positive, below where negative.

    >>> keras.ops.tril([[1, 2], [3, 4]])
    tensor([[1, 0],
            [3, 4]], dtype=torch.int32)
    """
    return torch.tril(x, k)


@op
def triu(x: TensorLike, k: int = 0) -> torch.Tensor:
    """The upper triangle of matrices: zeros below diagonal `k`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.
        k: The diagonal: 0 the main one, above it where positive, below where negative.

    >>> keras.ops.triu([[1, 2], [3, 4]])
    tensor([[1, 2],
            [0, 4]], dtype=torch.int32)
    """
    return torch.triu(x, k)


@op
def vander(x: TensorLike, N: int | None = None, increasing: bool = False) -> torch.Tensor:
    """The Vandermonde matrix, whose columns are powers of a vector.

    Args:
        x: The vector.
        N: How many columns; as many as rows without it.
        increasing: Whether powers grow from the left.

    >>> keras.ops.vander([1, 2, 3])
    tensor([[1, 1, 1],
            [4, 2, 1],
            [9, 3, 1]], dtype=torch.int32)
    """
    if x.ndim != 1:
        raise ValueError(f"`x` must have one axis. Received: x of shape {tuple(x.shape)}")
    base = x.to(torch.int32) if x.dtype is torch.bool else x
    powers = torch.arange(x.shape[0] if N is None else N, dtype=base.dtype, device=x.device)
    return torch.pow(base.unsqueeze(-1), powers if increasing else powers.flip(0)).to(x.dtype)


# -- windows ---------------------------------------------------------------------------------------------------------------------------


def _window(make: Any, x: Any, **arguments: float) -> torch.Tensor:
    return make(int(x), periodic=False, dtype=dtypes.to_torch_dtype(None), device=rank.default_device(), **arguments)


def bartlett(x: Any) -> torch.Tensor:
    """The Bartlett window, a triangle, of `x` points.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.bartlett(5)
    tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    return _window(torch.bartlett_window, x)


def blackman(x: Any) -> torch.Tensor:
    """The Blackman window of `x` points.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.blackman(5)
    tensor([-2.9802e-08,  3.4000e-01,  1.0000e+00,  3.4000e-01, -2.9802e-08])
    """
    return _window(torch.blackman_window, x)


def hamming(x: Any) -> torch.Tensor:
    """The Hamming window of `x` points.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.hamming(5)
    tensor([0.0800, 0.5400, 1.0000, 0.5400, 0.0800])
    """
    return _window(torch.hamming_window, x)


def hanning(x: Any) -> torch.Tensor:
    """The Hann window of `x` points.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.hanning(5)
    tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    return _window(torch.hann_window, x)


def kaiser(x: Any, beta: float) -> torch.Tensor:
    """The Kaiser window of `x` points, whose shape is `beta`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.
        beta: How narrow the window is; 0 is a rectangle.

    >>> keras.ops.kaiser(3, 2.0)
    tensor([0.4387, 1.0000, 0.4387])
    """
    return _window(torch.kaiser_window, x, beta=float(beta))
