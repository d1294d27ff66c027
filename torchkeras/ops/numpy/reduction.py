"""Sums, extremes, means and counts along axes, cumulative ones, and their variants that pass over NaN."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch

from ... import dtypes
from ...graph import TensorLike, op
from .elementwise import as_float, as_tuple

Axis: TypeAlias = "int | Sequence[int] | None"
_SMALL = (torch.bool, torch.uint8, torch.int8, torch.int16)


def axes_of(x: torch.Tensor, axis: Axis) -> tuple[int, ...]:
    """The axes to reduce as numbers from 0; all of them for `None`.

    Raises:
        ValueError: An axis that `x` does not have, or one named twice.
    """
    if axis is None:
        return tuple(range(x.ndim))
    given = as_tuple(axis)
    if x.ndim == 0 and given in ((0,), (-1,)):  # as in NumPy and torch, a number has this one axis
        return ()
    found = tuple(a + x.ndim if a < 0 else a for a in given)
    if builtins.any(not 0 <= a < x.ndim for a in found) or len(set(found)) < len(found):
        raise ValueError(f"`axis` must name different axes of `x`, which has {x.ndim}. Received: axis={axis}, x of shape {tuple(x.shape)}")
    return found


def merge_axes(x: torch.Tensor, axis: Axis) -> tuple[torch.Tensor, tuple[int, ...]]:
    """`x` with the axes to reduce merged into a last one, and the shape that the result has with `keepdims`."""
    axes = axes_of(x, axis)
    kept = [a for a in range(x.ndim) if a not in axes]
    shape = tuple(1 if a in axes else x.shape[a] for a in range(x.ndim))
    sizes = [x.shape[a] for a in kept]
    length = 1
    for a in axes:
        length *= x.shape[a]
    return x.permute((*kept, *axes)).reshape((*sizes, length)), shape


def _widened(x: torch.Tensor) -> torch.dtype:
    """The type of a sum or product: small integers and booleans add up in int32."""
    return torch.int32 if x.dtype in _SMALL else x.dtype


def _whole(x: torch.Tensor, axis: Axis) -> bool:
    """Whether nothing is reduced: `()` means no axis in NumPy and every axis in torch; a tensor of no axes has none."""
    return x.ndim == 0 or (axis is not None and len(as_tuple(axis)) == 0)


# -- sums and products -----------------------------------------------------------------------------------------------------------------


@op
def sum(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> torch.Tensor:
    """The sum along axes; booleans and integers narrower than int32 add up as int32.

    Args:
        x: The tensor.
        axis: The axis or axes to reduce; all without it, none for `()`.
        keepdims: Whether reduced axes stay, of size 1.

    >>> keras.ops.sum([[1.0, 2.0], [3.0, 4.0]], axis=1)
    tensor([3., 7.])
    """
    dtype = _widened(x)
    return x.to(dtype) if _whole(x, axis) else torch.sum(x, axes_of(x, axis), keepdim=keepdims, dtype=dtype)


@op
def prod(x: TensorLike, axis: Axis = None, keepdims: bool = False, dtype: Any = None) -> torch.Tensor:
    """The product along axes.

    Args:
        x: The tensor.
        axis: The axis or axes to reduce; all without it.
        keepdims: Whether reduced axes stay, of size 1.
        dtype: The type of the result; `x`'s, or int32 for narrower ones, without it.

    >>> keras.ops.prod([[1.0, 2.0], [3.0, 4.0]], axis=1)
    tensor([ 2., 12.])
    """
    target = _widened(x) if dtype is None else dtypes.to_torch_dtype(dtype)
    if _whole(x, axis):
        return x.to(target)
    x, shape = merge_axes(x.to(target), axis)
    result = torch.prod(x, -1, dtype=target)
    return result.reshape(shape) if keepdims else result


@op
def cumsum(x: TensorLike, axis: int | None = None, dtype: Any = None) -> torch.Tensor:
    """The running sum along an axis.

    Args:
        x: The tensor.
        axis: The axis; without it, `x` is flattened.
        dtype: The type of the result; `x`'s, or int32 for booleans, without it.

    >>> keras.ops.cumsum([1, 2, 3])
    tensor([1, 3, 6], dtype=torch.int32)
    """
    return _running(torch.cumsum, x, axis, dtype)


@op
def cumprod(x: TensorLike, axis: int | None = None, dtype: Any = None) -> torch.Tensor:
    """The running product along an axis.

    Args:
        x: The tensor.
        axis: The axis; without it, `x` is flattened.
        dtype: The type of the result; `x`'s, or int32 for booleans, without it.

    >>> keras.ops.cumprod([1, 2, 3])
    tensor([1, 2, 6], dtype=torch.int32)
    """
    return _running(torch.cumprod, x, axis, dtype)


def _running(fn: Any, x: torch.Tensor, axis: int | None, dtype: Any) -> torch.Tensor:
    x = x.flatten() if axis is None else x
    target = x.dtype if dtype is None else dtypes.to_torch_dtype(dtype)
    target = torch.int32 if target is torch.bool else target  # booleans do not add up
    return fn(x, 0 if axis is None else axis, dtype=target)


@op
def count_nonzero(x: TensorLike, axis: Axis = None) -> torch.Tensor:
    """How many elements are not zero along axes, as int32.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.
        axis: The axis or axes that are counted; all without it.

    >>> keras.ops.count_nonzero([0, 1, 2])
    tensor(2, dtype=torch.int32)
    """
    if _whole(x, axis):
        return torch.ne(x, 0).to(torch.int32)
    return torch.sum(torch.ne(x, 0), axes_of(x, axis), dtype=torch.int32)


# -- logic -----------------------------------------------------------------------------------------------------------------------------


@op
def all(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> torch.Tensor:
    """Whether all elements along axes are true (not zero).

    Args:
        x: The tensor.
        axis: The axis or axes to reduce; all without it, none for `()`.
        keepdims: Whether reduced axes stay, of size 1.

    >>> keras.ops.all([[True, False], [True, True]], axis=1)
    tensor([False,  True])
    """
    x = x.to(torch.bool)
    return x if _whole(x, axis) else torch.all(x, axes_of(x, axis), keepdim=keepdims)


@op
def any(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> torch.Tensor:
    """Whether some element along axes is true (not zero).

    Args:
        x: The tensor.
        axis: The axis or axes to reduce; all without it, none for `()`.
        keepdims: Whether reduced axes stay, of size 1.

    >>> keras.ops.any([[True, False], [False, False]], axis=1)
    tensor([ True, False])
    """
    x = x.to(torch.bool)
    return x if _whole(x, axis) else torch.any(x, axes_of(x, axis), keepdim=keepdims)


# -- extremes --------------------------------------------------------------------------------------------------------------------------


def _extreme(reduce: Any, combine: Any, x: torch.Tensor, axis: Axis, keepdims: bool, initial: Any, name: str) -> torch.Tensor:
    if _whole(x, axis):
        result = x
    else:
        axes = axes_of(x, axis)
        empty = [a for a in axes if x.shape[a] == 0]
        if empty and initial is None:
            raise ValueError(
                f"`{name}` needs elements: axis {empty[0]} of `x` is empty and there is no `initial`. Received: x of shape {tuple(x.shape)}"
            )
        if empty:
            shape = torch.sum(x, axes, keepdim=keepdims).shape
            return torch.full(shape, initial, dtype=x.dtype, device=x.device)
        result = reduce(x, axes, keepdim=keepdims)
    return result if initial is None else combine(result, torch.full((), initial, dtype=x.dtype, device=x.device))


@op
def max(x: TensorLike, axis: Axis = None, keepdims: bool = False, initial: float | None = None) -> torch.Tensor:
    """The greatest element along axes; NaN wins.

    Args:
        x: The tensor.
        axis: The axis or axes to reduce; all without it.
        keepdims: Whether reduced axes stay, of size 1.
        initial: The least result, and the result of an empty axis.

    Raises:
        ValueError: If an axis to reduce is empty and there is no `initial`.

    >>> keras.ops.max([[1.0, 2.0], [3.0, 4.0]], axis=1)
    tensor([2., 4.])
    """
    return _extreme(torch.amax, torch.maximum, x, axis, keepdims, initial, "max")


@op
def min(x: TensorLike, axis: Axis = None, keepdims: bool = False, initial: float | None = None) -> torch.Tensor:
    """The least element along axes; NaN wins.

    Args:
        x: The tensor.
        axis: The axis or axes to reduce; all without it.
        keepdims: Whether reduced axes stay, of size 1.
        initial: The least result, and the result of an empty axis.

    >>> keras.ops.min([[1.0, 2.0], [3.0, 4.0]], axis=1)
    tensor([1., 3.])
    """
    return _extreme(torch.amin, torch.minimum, x, axis, keepdims, initial, "min")


@op
def amax(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> torch.Tensor:
    """The greatest element along axes.

    Args:
        x: The tensor.
        axis: The axis or axes to reduce; all without it.
        keepdims: Whether reduced axes stay, of size 1.

    >>> keras.ops.amax([[1.0, 2.0], [3.0, 4.0]], axis=1)
    tensor([2., 4.])
    """
    return _extreme(torch.amax, None, x, axis, keepdims, None, "amax")


@op
def amin(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> torch.Tensor:
    """The least element along axes.

    Args:
        x: The tensor.
        axis: The axis or axes to reduce; all without it.
        keepdims: Whether reduced axes stay, of size 1.

    >>> keras.ops.amin([[1.0, 2.0], [3.0, 4.0]], axis=1)
    tensor([1., 3.])
    """
    return _extreme(torch.amin, None, x, axis, keepdims, None, "amin")


@op
def ptp(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> torch.Tensor:
    """The difference of the greatest and the least element along axes.

    Args:
        x: The tensor.
        axis: The axis or axes to reduce; all without it.
        keepdims: Whether reduced axes stay, of size 1.

    >>> keras.ops.ptp([[1.0, 2.0], [3.0, 4.0]], axis=1)
    tensor([1., 1.])
    """
    return _extreme(torch.amax, None, x, axis, keepdims, None, "ptp") - _extreme(torch.amin, None, x, axis, keepdims, None, "ptp")


@op
def argmax(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> torch.Tensor:
    """The place of the first greatest element along an axis, as int32; NaN wins.

    Args:
        x: The tensor.
        axis: The axis; without it, places count through the flattened tensor.
        keepdims: Whether the axis stays, of size 1.

    >>> keras.ops.argmax([[1.0, 2.0], [3.0, 4.0]], axis=1)
    tensor([1, 1], dtype=torch.int32)
    """
    return _place(torch.argmax, x, axis, keepdims)


@op
def argmin(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> torch.Tensor:
    """The place of the first least element along an axis, as int32.

    Args:
        x: The tensor.
        axis: The axis; without it, places count through the flattened tensor.
        keepdims: Whether the axis stays, of size 1.

    >>> keras.ops.argmin([[1.0, 2.0], [3.0, 4.0]], axis=1)
    tensor([0, 0], dtype=torch.int32)
    """
    return _place(torch.argmin, x, axis, keepdims)


def _place(find: Any, x: torch.Tensor, axis: int | None, keepdims: bool) -> torch.Tensor:
    if builtins.any(x.shape[a] == 0 for a in axes_of(x, axis)):
        raise ValueError(f"`x` must have elements along `axis`. Received: x of shape {tuple(x.shape)}, axis={axis}")
    x = x.to(torch.uint8) if x.dtype is torch.bool else x
    return find(x, axis, keepdim=keepdims).to(torch.int32)


# -- means -----------------------------------------------------------------------------------------------------------------------------


@op(promote="float")
def mean(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> torch.Tensor:
    """The mean along axes, as a float; NaN over an empty axis.

    Args:
        x: The tensor.
        axis: The axis or axes to reduce; all without it, none for `()`.
        keepdims: Whether reduced axes stay, of size 1.

    >>> keras.ops.mean([[1.0, 2.0], [3.0, 4.0]], axis=1)
    tensor([1.5000, 3.5000])
    """
    return x if _whole(x, axis) else torch.mean(x, axes_of(x, axis), keepdim=keepdims)


@op(promote="float", args=("x", "weights"))
def average(x: TensorLike, axis: Axis = None, weights: TensorLike | None = None) -> torch.Tensor:
    """The mean along axes, each element counting by its weight.

    Args:
        x: The tensor.
        axis: The axis or axes to reduce; all without it.
        weights: Of `x`'s shape, or one weight for each place along `axis`; equal without it.

    Raises:
        ValueError: If the weights fit neither `x` nor `axis`.

    >>> keras.ops.average([1.0, 4.0], weights=[2.0, 1.0])
    tensor(2.)
    """
    axes = axes_of(x, axis)
    if weights is None:
        return torch.mean(x, axes) if axes else x
    if weights.shape != x.shape:
        if len(axes) != weights.ndim or [x.shape[a] for a in axes] != list(weights.shape) or axis is None:
            raise ValueError(
                f"`weights` must have the shape of `x` or that of its axes `axis`. Received: weights of shape {tuple(weights.shape)}, "
                f"x of shape {tuple(x.shape)}, axis={axis}"
            )
        order = sorted(range(len(axes)), key=lambda i: axes[i])
        weights = weights.permute(order).reshape([x.shape[a] if a in axes else 1 for a in range(x.ndim)]).expand(x.shape)
    return torch.sum(x * weights, axes) / torch.sum(weights, axes) if axes else x


@op(promote="float")
def var(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> torch.Tensor:
    """The variance along axes, the mean of squared deviations (divided by n).

    Args:
        x: The tensor.
        axis: The axis or axes to reduce; all without it, none for `()`.
        keepdims: Whether reduced axes stay, of size 1.

    >>> keras.ops.var([[1.0, 2.0], [3.0, 4.0]], axis=1)
    tensor([0.2500, 0.2500])
    """
    return _variance(x, axis, keepdims)


@op(promote="float")
def std(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> torch.Tensor:
    """The standard deviation along axes, the root of `var`.

    Args:
        x: The tensor.
        axis: The axis or axes to reduce; all without it, none for `()`.
        keepdims: Whether reduced axes stay, of size 1.

    >>> keras.ops.std([[1.0, 2.0], [3.0, 4.0]], axis=1)
    tensor([0.5000, 0.5000])
    """
    if _whole(x, axis):
        return x - x
    if x.numel() == 0:
        return torch.sqrt(_variance(x, axis, keepdims))
    return torch.std(x, axes_of(x, axis), correction=0, keepdim=keepdims)


def _variance(x: torch.Tensor, axis: Axis, keepdims: bool) -> torch.Tensor:
    if _whole(x, axis):
        return x - x
    if x.numel() == 0:  # torch.var warns
        return torch.mean(x, axes_of(x, axis), keepdim=keepdims)
    return torch.var(x, axes_of(x, axis), correction=0, keepdim=keepdims)


# -- passing over NaN ------------------------------------------------------------------------------------------------------------------


def _without_nan(x: torch.Tensor, instead: float) -> torch.Tensor:
    return torch.where(torch.isnan(x), instead, x) if x.is_floating_point() else x


@op
def nansum(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> torch.Tensor:
    """The sum along axes, NaN counting as 0.

    Args:
        x: The tensor.
        axis: The axis or axes to reduce; all without it, none for `()`.
        keepdims: Whether reduced axes stay, of size 1.

    >>> keras.ops.nansum([1.0, float("nan"), 3.0])
    tensor(4.)
    """
    return sum(_without_nan(x, 0.0), axis, keepdims)


@op
def nanprod(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> torch.Tensor:
    """The product along axes, NaN counting as 1.

    Args:
        x: The tensor.
        axis: The axis or axes to reduce; all without it, none for `()`.
        keepdims: Whether reduced axes stay, of size 1.

    >>> keras.ops.nanprod([1.0, float("nan"), 3.0])
    tensor(3.)
    """
    return prod(_without_nan(x, 1.0), axis, keepdims)


@op
def nancumsum(x: TensorLike, axis: int | None = None, dtype: Any = None) -> torch.Tensor:
    """The running sum along an axis, NaN counting as 0.

    Args:
        x: The tensor.
        axis: The axis; without it, `x` is flattened.
        dtype: The type of the result; `x`'s, or int32 for booleans, without it.

    >>> keras.ops.nancumsum([1.0, float("nan"), 3.0])
    tensor([1., 1., 4.])
    """
    return cumsum(_without_nan(x, 0.0), axis, dtype)


@op
def nancumprod(x: TensorLike, axis: int | None = None, dtype: Any = None) -> torch.Tensor:
    """The running product along an axis, NaN counting as 1.

    Args:
        x: The tensor.
        axis: The axis; without it, `x` is flattened.
        dtype: The type of the result; `x`'s, or int32 for booleans, without it.

    >>> keras.ops.nancumprod([1.0, float("nan"), 3.0])
    tensor([1., 1., 3.])
    """
    return cumprod(_without_nan(x, 1.0), axis, dtype)


def _nan_extreme(fn: Any, worst: float, x: torch.Tensor, axis: Axis, keepdims: bool) -> torch.Tensor:
    result = fn(_without_nan(x, worst), axis, keepdims)
    return torch.where(all(torch.isnan(x), axis, keepdims), torch.nan, result) if x.is_floating_point() else result


@op
def nanmax(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> torch.Tensor:
    """The greatest element along axes that is not NaN; NaN where all are.

    Args:
        x: The tensor.
        axis: The axis or axes to reduce; all without it, none for `()`.
        keepdims: Whether reduced axes stay, of size 1.

    >>> keras.ops.nanmax([1.0, float("nan"), 3.0])
    tensor(3.)
    """
    return _nan_extreme(max, -torch.inf, x, axis, keepdims)


@op
def nanmin(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> torch.Tensor:
    """The least element along axes that is not NaN; NaN where all are.

    Args:
        x: The tensor.
        axis: The axis or axes to reduce; all without it, none for `()`.
        keepdims: Whether reduced axes stay, of size 1.

    >>> keras.ops.nanmin([1.0, float("nan"), 3.0])
    tensor(1.)
    """
    return _nan_extreme(min, torch.inf, x, axis, keepdims)


def _nan_place(fn: Any, worst: float, x: torch.Tensor, axis: int | None, keepdims: bool) -> torch.Tensor:
    result = fn(_without_nan(x, worst), axis, keepdims)
    return torch.where(all(torch.isnan(x), axis, keepdims), -1, result) if x.is_floating_point() else result


@op
def nanargmax(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> torch.Tensor:
    """The place of the first greatest element that is not NaN, as int32; -1 where all are.

    Args:
        x: The tensor.
        axis: The axis; without it, places count through the flattened tensor.
        keepdims: Whether the axis stays, of size 1.

    >>> keras.ops.nanargmax([1.0, float("nan"), 3.0])
    tensor(2, dtype=torch.int32)
    """
    return _nan_place(argmax, -torch.inf, x, axis, keepdims)


@op
def nanargmin(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> torch.Tensor:
    """The place of the first least element that is not NaN, as int32; -1 where all are.

    Args:
        x: The tensor.
        axis: The axis; without it, places count through the flattened tensor.
        keepdims: Whether the axis stays, of size 1.

    >>> keras.ops.nanargmin([1.0, float("nan"), 3.0])
    tensor(0, dtype=torch.int32)
    """
    return _nan_place(argmin, torch.inf, x, axis, keepdims)


@op
def nanmean(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> torch.Tensor:
    """The mean along axes of the elements that are not NaN.

    Args:
        x: The tensor.
        axis: The axis or axes to reduce; all without it, none for `()`.
        keepdims: Whether reduced axes stay, of size 1.

    >>> keras.ops.nanmean([1.0, float("nan"), 3.0])
    tensor(2.)
    """
    x = as_float(x)
    return x if _whole(x, axis) else torch.nanmean(x, axes_of(x, axis), keepdim=keepdims)


@op
def nanvar(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> torch.Tensor:
    """The variance along axes of the elements that are not NaN.

    Args:
        x: The tensor.
        axis: The axis or axes to reduce; all without it, none for `()`.
        keepdims: Whether reduced axes stay, of size 1.

    >>> keras.ops.nanvar([1.0, float("nan"), 3.0])
    tensor(1.)
    """
    x = as_float(x)
    if _whole(x, axis):
        return x - x
    axes, valid = axes_of(x, axis), torch.logical_not(torch.isnan(x))
    deviation = torch.where(valid, x - torch.nanmean(x, axes, keepdim=True), 0)
    return torch.sum(torch.square(deviation), axes, keepdim=keepdims) / torch.sum(valid, axes, keepdim=keepdims)


@op
def nanstd(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> torch.Tensor:
    """The standard deviation along axes of the elements that are not NaN.

    Args:
        x: The tensor.
        axis: The axis or axes to reduce; all without it, none for `()`.
        keepdims: Whether reduced axes stay, of size 1.

    >>> keras.ops.nanstd([1.0, float("nan"), 3.0])
    tensor(1.)
    """
    return torch.sqrt(nanvar(x, axis, keepdims))


# -- quantiles -------------------------------------------------------------------------------------------------------------------------


def _quantile(x: torch.Tensor, q: torch.Tensor, axis: Axis, method: str, keepdims: bool, skip_nan: bool = False) -> torch.Tensor:
    """Quantiles by sorting: as torch.quantile, for any size and any floating type.

    The place of quantile q among n sorted elements is q·(n - 1); `method` tells what stands between two of them.
    """
    if method not in _BETWEEN:
        raise ValueError(f"`method` must be one of {', '.join(_BETWEEN)}. Received: method={method!r}")
    x, shape = merge_axes(as_float(x), axis)
    if x.shape[-1] == 0:
        raise ValueError(f"`x` must have elements along `axis`. Received: x of size 0 there, axis={axis}")
    exact = x.dtype if x.dtype is torch.float64 else torch.float32
    q = q.to(exact)
    ordered = torch.sort(x, -1).values  # NaN last
    nans = torch.isnan(ordered)
    count = (~nans).sum(-1, keepdim=True) if skip_nan else torch.full_like(ordered[..., :1], x.shape[-1], dtype=torch.int64)
    place = q.reshape(-1) * (count - 1).clamp(min=0).to(exact)  # (..., quantiles)
    place = _BETWEEN[method](place)
    below, above = torch.floor(place), torch.ceil(place)
    low, high = ordered.gather(-1, below.long()), ordered.gather(-1, above.long())
    if method == "midpoint":
        result = low * 0.5 + high * 0.5
    else:
        weight = (place - below).to(x.dtype)
        result = torch.where((weight == 0) | ((low == high) & torch.isinf(low)), low, torch.lerp(low, high, weight))  # inf - inf is NaN
    if not skip_nan:
        result = torch.where(nans[..., -1:], torch.nan, result)
    result = result.movedim(-1, 0)
    return result.reshape((*q.shape, *(shape if keepdims else result.shape[1:])))


_BETWEEN: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "linear": lambda place: place,
    "lower": torch.floor,
    "higher": torch.ceil,
    "midpoint": lambda place: place,
    "nearest": torch.round,
}


@op
def quantile(x: TensorLike, q: TensorLike, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> torch.Tensor:
    """Quantiles along axes, as floats; NaN where an element is.

    Args:
        x: The tensor.
        q: One or several numbers between 0 and 1, none or one axis; their axis is the first of the result.
        axis: The axis or axes to reduce; all without it.
        method: What a quantile between two elements is: `"linear"`, `"lower"`, `"higher"`, `"midpoint"` or `"nearest"`.
        keepdims: Whether reduced axes stay, of size 1.

    >>> keras.ops.quantile([1.0, 2.0, 3.0], 0.5)
    tensor(2.)
    """
    return _quantile(x, q, axis, method, keepdims)


@op
def percentile(x: TensorLike, q: TensorLike, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> torch.Tensor:
    """Percentiles along axes: `quantile` with `q` between 0 and 100.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.
        q: The percentiles, from 0 to 100: a number or a sequence of them.
        axis: The axis or axes that are reduced; all without it.
        method: What stands between two elements: `"linear"`, `"lower"`, `"higher"`, `"midpoint"` or `"nearest"`.
        keepdims: Whether the reduced axes stay, with size 1.

    >>> keras.ops.percentile([1.0, 2.0, 3.0], 50)
    tensor(2.)
    """
    return _quantile(x, as_float(q) / 100, axis, method, keepdims)


@op
def median(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> torch.Tensor:
    """The median along axes, as a float; the mean of the middle two where there are two.

    Args:
        x: The tensor.
        axis: The axis or axes to reduce; all without it, none for `()`.
        keepdims: Whether reduced axes stay, of size 1.

    >>> keras.ops.median([[1.0, 2.0], [3.0, 4.0]], axis=1)
    tensor([1.5000, 3.5000])
    """
    return _quantile(x, torch.full((), 0.5, device=x.device), axis, "midpoint", keepdims)


@op
def nanquantile(x: TensorLike, q: TensorLike, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> torch.Tensor:
    """Quantiles along axes of the elements that are not NaN.

    Args:
        x: The tensor.
        q: One or several numbers between 0 and 1, none or one axis; their axis is the first of the result.
        axis: The axis or axes to reduce; all without it.
        method: What a quantile between two elements is: `"linear"`, `"lower"`, `"higher"`, `"midpoint"` or `"nearest"`.
        keepdims: Whether reduced axes stay, of size 1.

    >>> keras.ops.nanquantile([1.0, float("nan"), 3.0], 0.5)
    tensor(2.)
    """
    return _quantile(x, q, axis, method, keepdims, skip_nan=True)


@op
def nanpercentile(x: TensorLike, q: TensorLike, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> torch.Tensor:
    """Percentiles along axes of the elements that are not NaN.

    Args:
        x: The tensor.
        q: One or several numbers between 0 and 1, none or one axis; their axis is the first of the result.
        axis: The axis or axes to reduce; all without it.
        method: What a quantile between two elements is: `"linear"`, `"lower"`, `"higher"`, `"midpoint"` or `"nearest"`.
        keepdims: Whether reduced axes stay, of size 1.

    >>> keras.ops.nanpercentile([1.0, float("nan"), 3.0], 50)
    tensor(2.)
    """
    return _quantile(x, as_float(q) / 100, axis, method, keepdims, skip_nan=True)


@op
def nanmedian(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> torch.Tensor:
    """The median along axes of the elements that are not NaN.

    Args:
        x: The tensor.
        axis: The axis or axes to reduce; all without it, none for `()`.
        keepdims: Whether reduced axes stay, of size 1.

    >>> keras.ops.nanmedian([1.0, float("nan"), 3.0])
    tensor(2.)
    """
    return _quantile(x, torch.full((), 0.5, device=x.device), axis, "midpoint", keepdims, skip_nan=True)
