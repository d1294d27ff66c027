"""Other shapes of the same elements: reshaping, axes, joining, splitting, repeating, padding."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ... import dtypes
from ...graph import Filed, KerasTensor, TensorLike, op
from .creation import Sizes
from .elementwise import as_tuple


def _axis(axis: int, ndim: int) -> int:
    """An axis counted from 0.

    Raises:
        ValueError: It is not among `ndim` axes.
    """
    if not -ndim <= axis < ndim:
        raise ValueError(f"`axis` must be between {-ndim} and {ndim - 1} for {ndim} axes. Received: axis={axis}")
    return axis % ndim


# -- shapes and axes -------------------------------------------------------------------------------------------------------------------


def ndim(x: TensorLike) -> int:
    """How many axes `x` has.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.ndim(torch.ones(2, 3))
    2
    """
    return len(x.shape) if hasattr(x, "shape") else np.ndim(x)


@op(spec=lambda x: KerasTensor((), "int32"))
def size(x: TensorLike) -> torch.Tensor:
    """How many elements `x` has, as an int64 tensor of no axes.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.size(torch.ones(2, 3))
    tensor(6)
    """
    return torch.full((), x.numel(), dtype=torch.int64, device=x.device)


def _reshape_spec(x: Any, newshape: Sizes) -> Any:
    shape = [None if n in (-1, None) else n for n in as_tuple(newshape)]
    if None in x.shape:
        return KerasTensor(shape, x.dtype)
    count, known = math.prod(x.shape), math.prod(n for n in shape if n is not None)
    if shape.count(None) > 1 or (count != known if None not in shape else known == 0 or count % known):
        raise ValueError(f"`newshape` must hold the {count} elements of `x`. Received: newshape={newshape}, x of shape {x.shape}")
    return KerasTensor([count // known if n is None else n for n in shape], x.dtype)


@op(spec=_reshape_spec)
def reshape(x: TensorLike, newshape: Sizes) -> torch.Tensor:
    """The same elements in another shape.

    Args:
        x: The tensor.
        newshape: The shape, in which one size may be -1 or `None`: what is left.

    Raises:
        ValueError: If the numbers of elements differ.

    >>> keras.ops.reshape([1, 2, 3, 4], (2, -1))
    tensor([[1, 2],
            [3, 4]], dtype=torch.int32)
    """
    shape = tuple(-1 if n is None else n for n in as_tuple(newshape))
    return torch.reshape(x, shape)


@op
def ravel(x: TensorLike) -> torch.Tensor:
    """All elements along one axis.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.ravel([[1, 2], [3, 4]])
    tensor([1, 2, 3, 4], dtype=torch.int32)
    """
    return torch.ravel(x)


@op
def squeeze(x: TensorLike, axis: int | Sequence[int] | None = None) -> torch.Tensor:
    """`x` without its axes of size 1, or without those named.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.
        axis: The axis or axes of size 1 that go; all of size 1 without it.

    Raises:
        ValueError: If a named axis has another size.

    >>> keras.ops.squeeze(torch.ones(2, 1)).shape
    torch.Size([2])
    """
    if axis is None:
        return torch.squeeze(x)
    if x.ndim == 0 and as_tuple(axis) in ((0,), (-1,)):
        return x
    axes = tuple(_axis(a, x.ndim) for a in as_tuple(axis))
    if any(x.shape[a] != 1 for a in axes):
        raise ValueError(f"`axis` must name axes of size 1. Received: axis={axis}, x of shape {tuple(x.shape)}")
    return torch.squeeze(x, axes)


@op
def expand_dims(x: TensorLike, axis: int | Sequence[int]) -> torch.Tensor:
    """`x` with new axes of size 1.

    Args:
        x: The tensor.
        axis: Where they stand in the result.

    >>> keras.ops.expand_dims([1, 2], 0)
    tensor([[1, 2]], dtype=torch.int32)
    """
    given = as_tuple(axis)
    for a in sorted(_axis(a, x.ndim + len(given)) for a in given):
        x = torch.unsqueeze(x, a)
    return x


@op
def transpose(x: TensorLike, axes: Sequence[int] | None = None) -> torch.Tensor:
    """`x` with its axes in another order.

    Args:
        x: The tensor.
        axes: Which axis of `x` each of the result is; the reversed order without it.

    Raises:
        ValueError: If `axes` does not name each axis once.

    >>> keras.ops.transpose([[1, 2], [3, 4]])
    tensor([[1, 3],
            [2, 4]], dtype=torch.int32)
    """
    order = tuple(reversed(range(x.ndim))) if axes is None else tuple(axes)
    if sorted(a % x.ndim if x.ndim else a for a in order) != list(range(x.ndim)):
        raise ValueError(f"`axes` must name each of the {x.ndim} axes once. Received: axes={axes}, x of shape {tuple(x.shape)}")
    return torch.permute(x, order)


@op
def moveaxis(x: TensorLike, source: int | Sequence[int], destination: int | Sequence[int]) -> torch.Tensor:
    """`x` with the axes `source` moved to the places `destination`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.
        source: The axis or axes that move.
        destination: Where they go, in the same order.

    >>> keras.ops.moveaxis(torch.ones(2, 3, 4), 0, -1).shape
    torch.Size([3, 4, 2])
    """
    return torch.movedim(x, as_tuple(source), as_tuple(destination))


@op
def swapaxes(x: TensorLike, axis1: int, axis2: int) -> torch.Tensor:
    """`x` with two axes exchanged.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.
        axis1: One axis.
        axis2: The other axis.

    >>> keras.ops.swapaxes(torch.ones(2, 3), 0, 1).shape
    torch.Size([3, 2])
    """
    return torch.swapaxes(x, axis1, axis2)


def _broadcast_to_spec(x: Any, shape: Sizes) -> Any:
    sizes = as_tuple(shape)
    if len(sizes) < len(x.shape) or any(n not in (None, 1, m) for n, m in zip(reversed(x.shape), reversed(sizes))):
        raise ValueError(f"`shape` must be one to which `x` broadcasts. Received: shape={shape}, x of shape {x.shape}")
    return KerasTensor(sizes, x.dtype)


@op(spec=_broadcast_to_spec)
def broadcast_to(x: TensorLike, shape: Sizes) -> torch.Tensor:
    """`x` repeated along axes of size 1, and along new first axes, so that it has `shape`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.
        shape: The shape, a whole number or a sequence of them.

    >>> keras.ops.broadcast_to([1, 2], (2, 2))
    tensor([[1, 2],
            [1, 2]], dtype=torch.int32)
    """
    return torch.broadcast_to(x, as_tuple(shape))


@op
def view(x: TensorLike, dtype: Any = None) -> torch.Tensor:
    """The same bytes read as another type; the last axis grows or shrinks if the types differ in width.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.
        dtype: The type, `floatx()` without it.

    >>> keras.ops.view(torch.tensor([1.0]), "int32")
    tensor([1065353216], dtype=torch.int32)
    """
    return x.view(dtypes.to_torch_dtype(dtype))


# -- order along axes ------------------------------------------------------------------------------------------------------------------


@op
def flip(x: TensorLike, axis: int | Sequence[int] | None = None) -> torch.Tensor:
    """`x` reversed along axes, all without `axis`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.
        axis: The axis or axes; all without one.

    >>> keras.ops.flip([1, 2, 3])
    tensor([3, 2, 1], dtype=torch.int32)
    """
    return torch.flip(x, tuple(range(x.ndim)) if axis is None else as_tuple(axis))


@op
def fliplr(x: TensorLike) -> torch.Tensor:
    """`x` reversed along its second axis.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.fliplr([[1, 2], [3, 4]])
    tensor([[2, 1],
            [4, 3]], dtype=torch.int32)
    """
    return torch.fliplr(x)


@op
def flipud(x: TensorLike) -> torch.Tensor:
    """`x` reversed along its first axis.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.flipud([[1, 2], [3, 4]])
    tensor([[3, 4],
            [1, 2]], dtype=torch.int32)
    """
    return torch.flipud(x)


@op
def roll(x: TensorLike, shift: int | Sequence[int], axis: int | Sequence[int] | None = None) -> torch.Tensor:
    """`x` moved along axes, what leaves at the end coming back at the start.

    Args:
        x: The tensor.
        shift: By how many places; one for each axis if a sequence.
        axis: The axis or axes; without it, `x` is rolled as if it were flat.

    >>> keras.ops.roll([1, 2, 3], 1)
    tensor([3, 1, 2], dtype=torch.int32)
    """
    if axis is None:
        return torch.roll(x, builtins.sum(as_tuple(shift)))
    shifts, axes = as_tuple(shift), as_tuple(axis)
    return torch.roll(x, shifts * len(axes) if len(shifts) == 1 else shifts, axes)


@op
def rot90(array: TensorLike, k: int = 1, axes: tuple[int, int] = (0, 1)) -> torch.Tensor:
    """`array` turned `k` times by 90 degrees in a plane.

    Args:
        array: The tensor.
        k: How often.
        axes: The plane; turns go from the first axis to the second.

    Raises:
        ValueError: If `axes` does not name two different axes.

    >>> keras.ops.rot90([[1, 2], [3, 4]])
    tensor([[2, 4],
            [1, 3]], dtype=torch.int32)
    """
    if array.ndim < 2:
        raise ValueError(f"`array` must have at least 2 axes. Received: array of shape {tuple(array.shape)}")
    if len(axes) != 2 or _axis(axes[0], array.ndim) == _axis(axes[1], array.ndim):
        raise ValueError(f"`axes` must name two different axes. Received: axes={axes}")
    return torch.rot90(array, k, tuple(axes))


# -- joining and splitting -------------------------------------------------------------------------------------------------------------


def _parts(xs: Any) -> list[torch.Tensor]:
    return list(xs) if not isinstance(xs, torch.Tensor) else list(xs.unbind(0))


@op(promote="same")
def concatenate(xs: Sequence[TensorLike], axis: int = 0) -> torch.Tensor:
    """Tensors joined along an axis; without one (`None`), flattened first.

    Args:
        xs: A list of tensors.
        axis: The axis, counted from the end where it is negative.

    >>> keras.ops.concatenate([torch.tensor([1, 2]), torch.tensor([3])])
    tensor([1, 2, 3])
    """
    parts = _parts(xs)
    return torch.cat([p.flatten() for p in parts]) if axis is None else torch.cat(parts, axis)


@op(promote="same")
def stack(x: Sequence[TensorLike], axis: int = 0) -> torch.Tensor:
    """Tensors of one shape joined along a new axis.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.
        axis: The axis, counted from the end where it is negative.

    >>> keras.ops.stack([[1, 2], [3, 4]], axis=1)
    tensor([[1, 3],
            [2, 4]], dtype=torch.int32)
    """
    return torch.stack(_parts(x), axis)


@op(promote="same")
def hstack(xs: Sequence[TensorLike]) -> torch.Tensor:
    """Tensors joined along their second axis, or along their only one.

    Args:
        xs: A list of tensors.

    >>> keras.ops.hstack([[1, 2], [3, 4]])
    tensor([1, 2, 3, 4], dtype=torch.int32)
    """
    return torch.hstack(_parts(xs))


@op(promote="same")
def vstack(xs: Sequence[TensorLike]) -> torch.Tensor:
    """Tensors joined along their first axis, of which vectors get one.

    Args:
        xs: A list of tensors.

    >>> keras.ops.vstack([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]], dtype=torch.int32)
    """
    return torch.vstack(_parts(xs))


@op(promote="same")
def dstack(xs: Sequence[TensorLike]) -> torch.Tensor:
    """Tensors joined along their third axis, which they get if they lack it.

    Args:
        xs: A list of tensors.

    >>> keras.ops.dstack([[1, 2], [3, 4]])
    tensor([[[1, 3],
             [2, 4]]], dtype=torch.int32)
    """
    return torch.dstack(_parts(xs))


@op(promote="same")
def column_stack(xs: Sequence[TensorLike]) -> torch.Tensor:
    """Tensors joined along their second axis, vectors as columns.

    Args:
        xs: Vectors `(rows,)` and matrices `(rows, ...)`.

    >>> ops.column_stack([[1, 2], [3, 4]]).tolist()
    [[1, 3], [2, 4]]
    """
    return torch.column_stack(_parts(xs))


@op(promote="same")
def append(x1: TensorLike, x2: TensorLike, axis: int | None = None) -> torch.Tensor:
    """`x2` after `x1` along an axis, or both flattened without one.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.
        axis: The axis along which they are joined; without one both are flattened first.

    >>> keras.ops.append([1, 2], [3])
    tensor([1, 2, 3], dtype=torch.int32)
    """
    return torch.cat((x1.flatten(), x2.flatten())) if axis is None else torch.cat((x1, x2), axis)


def _places(indices_or_sections: Any) -> int | list[int]:
    if isinstance(indices_or_sections, (torch.Tensor, np.ndarray)):
        indices_or_sections = indices_or_sections.tolist()
    return int(indices_or_sections) if isinstance(indices_or_sections, (int, np.integer)) else [int(i) for i in indices_or_sections]


def _split_spec(x: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    if not isinstance(indices_or_sections, int) or x.shape[_axis(axis, len(x.shape))] is not None:
        return NotImplemented
    return [KerasTensor(x.shape, x.dtype) for _ in range(indices_or_sections)]


@op(spec=_split_spec)
def split(x: TensorLike, indices_or_sections: Any, axis: int = 0) -> list[torch.Tensor]:
    """`x` cut along an axis.

    Args:
        x: The tensor.
        indices_or_sections: How many parts of one size, or the places before which to cut.
        axis: The axis.

    Raises:
        ValueError: If the axis does not divide into so many parts.

    >>> [part.tolist() for part in keras.ops.split([1, 2, 3, 4], 2)]
    [[1, 2], [3, 4]]
    """
    where, axis = _places(indices_or_sections), _axis(axis, x.ndim)
    if isinstance(where, int) and (where < 1 or x.shape[axis] % where):
        raise ValueError(
            f"`indices_or_sections` must divide axis {axis} of `x`. Received: indices_or_sections={where}, x of shape {tuple(x.shape)}"
        )
    return list(torch.tensor_split(x, where, axis))


@op
def array_split(x: TensorLike, indices_or_sections: Any, axis: int = 0) -> list[torch.Tensor]:
    """`x` cut along an axis into parts whose sizes may differ by one.

    Args:
        x: The tensor.
        indices_or_sections: How many parts of one size, or the places before which to cut.
        axis: The axis.

    >>> [part.tolist() for part in keras.ops.array_split([1, 2, 3], 2)]
    [[1, 2], [3]]
    """
    return list(torch.tensor_split(x, _places(indices_or_sections), axis))


@op
def hsplit(x: TensorLike, indices_or_sections: Any) -> list[torch.Tensor]:
    """`x` cut along its second axis, or along its only one.

    Args:
        x: The tensor.
        indices_or_sections: How many parts of one size, or the places before which to cut.

    >>> [part.tolist() for part in keras.ops.hsplit([[1, 2], [3, 4]], 2)]
    [[[1], [3]], [[2], [4]]]
    """
    return split(x, indices_or_sections, 0 if x.ndim == 1 else 1)


@op
def vsplit(x: TensorLike, indices_or_sections: Any) -> list[torch.Tensor]:
    """`x` cut along its first axis.

    Args:
        x: The tensor.
        indices_or_sections: How many parts of one size, or the places before which to cut.

    >>> [part.tolist() for part in keras.ops.vsplit([[1, 2], [3, 4]], 2)]
    [[[1, 2]], [[3, 4]]]
    """
    return split(x, indices_or_sections, 0)


@op
def dsplit(x: TensorLike, indices_or_sections: Any) -> list[torch.Tensor]:
    """`x` cut along its third axis.

    Args:
        x: The tensor.
        indices_or_sections: How many parts of one size, or the places before which to cut.

    >>> [part.shape for part in keras.ops.dsplit(torch.ones(1, 2, 4), 2)]
    [torch.Size([1, 2, 2]), torch.Size([1, 2, 2])]
    """
    return split(x, indices_or_sections, 2)


# -- repeating and padding -------------------------------------------------------------------------------------------------------------


@op
def tile(x: TensorLike, repeats: Any) -> torch.Tensor:
    """`x` laid side by side with itself.

    Args:
        x: The tensor.
        repeats: How often along each axis, the last one last; a number is for the last axis.

    >>> keras.ops.tile([1, 2], 2)
    tensor([1, 2, 1, 2], dtype=torch.int32)
    """
    counts = _places(repeats)
    return torch.tile(x, as_tuple(counts))


@op
def repeat(x: TensorLike, repeats: Any, axis: int | None = None) -> torch.Tensor:
    """`x` with each element repeated.

    Args:
        x: The tensor.
        repeats: How often: a number, or one for each place along the axis.
        axis: The axis; without it, `x` is flattened.

    >>> keras.ops.repeat([1, 2], 2)
    tensor([1, 1, 2, 2], dtype=torch.int32)
    """
    if isinstance(repeats, (list, tuple)):
        total = builtins.sum(repeats)
        repeats = torch.tensor(repeats, device=x.device)
        if repeats.numel() > 1:
            return torch.repeat_interleave(x, repeats, axis, output_size=total)
    elif isinstance(repeats, np.ndarray):
        repeats = torch.as_tensor(repeats, device=x.device)
    return torch.repeat_interleave(x, repeats, axis)


@op(filed=Filed(by_name=("constant_values",)))
def pad(x: TensorLike, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> torch.Tensor:
    """`x` with elements added before and after those of each axis.

    Args:
        x: The tensor.
        pad_width: How many: one `(before, after)` for each axis, one pair for all, or one number for all.
        mode: What they are: `"constant"`, `"reflect"` (mirrored at the last element), `"symmetric"` (mirrored after it), `"edge"` (the
            last element) or `"wrap"` (from the other end).
        constant_values: The number for `"constant"`, 0 without it.

    Raises:
        ValueError: If there is an unknown mode, or `constant_values` for another mode than `"constant"`.

    >>> keras.ops.pad([1, 2], (1, 1))
    tensor([0, 1, 2, 0], dtype=torch.int32)
    """
    pairs = _pairs(pad_width, x.ndim)
    if mode == "constant":
        flat = [n for pair in reversed(pairs) for n in pair]
        return F.pad(x, flat, value=0 if constant_values is None else constant_values)
    if mode not in _MIRRORS:
        raise ValueError(f"`mode` must be one of constant, {', '.join(_MIRRORS)}. Received: mode={mode!r}")
    if constant_values is not None:
        raise ValueError(f"`constant_values` is for mode='constant'. Received: constant_values={constant_values}, mode={mode!r}")
    for axis, (before, after) in enumerate(pairs):
        if before or after:
            if x.shape[axis] == 0:
                raise ValueError(f"`x` must have elements along the axes that `mode={mode!r}` pads. Received: x of shape {tuple(x.shape)}")
            places = torch.arange(-before, x.shape[axis] + after, device=x.device)
            x = torch.index_select(x, axis, _MIRRORS[mode](places, x.shape[axis]))
    return x


def _pairs(width: Any, ndim: int) -> list[tuple[int, int]]:
    """`(before, after)` for each axis."""
    width = width.tolist() if isinstance(width, (torch.Tensor, np.ndarray)) else width
    if isinstance(width, (int, np.integer)):
        return [(int(width), int(width))] * ndim
    rows = [tuple(width)] if all(isinstance(n, int) for n in width) else [tuple(row) for row in width]
    rows = [row * 2 if len(row) == 1 else row for row in rows]
    rows = rows * ndim if len(rows) == 1 else rows
    if len(rows) != ndim or any(len(row) != 2 for row in rows):
        raise ValueError(f"`pad_width` must hold a pair of numbers for each of the {ndim} axes of `x`. Received: pad_width={width}")
    return rows


def _reflected(places: torch.Tensor, n: int) -> torch.Tensor:
    period = 2 * (n - 1) if n > 1 else 1
    return torch.minimum(places % period, period - places % period) if n > 1 else places % period


def _symmetric(places: torch.Tensor, n: int) -> torch.Tensor:
    return torch.minimum(places % (2 * n), 2 * n - 1 - places % (2 * n))


_MIRRORS = {
    "reflect": _reflected,
    "symmetric": _symmetric,
    "edge": lambda places, n: places.clamp(0, n - 1),
    "wrap": lambda places, n: places % n,
}
