"""Order and counts: sorting, searching in sorted sequences, distinct elements, histograms."""

from __future__ import annotations

from typing import Any

import torch

from ... import dtypes
from ...graph import Filed, KerasTensor, TensorLike, op


@op
def sort(x: TensorLike, axis: int | None = -1) -> torch.Tensor:
    """The elements in ascending order along an axis, NaN last; of the flattened tensor for `axis=None`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.
        axis: The axis, counted from the end where it is negative.

    >>> keras.ops.sort([3, 1, 2])
    tensor([1, 2, 3], dtype=torch.int32)
    """
    return torch.sort(x.flatten(), 0).values if axis is None else torch.sort(x, axis).values


@op
def argsort(x: TensorLike, axis: int | None = -1) -> torch.Tensor:
    """The places that put the elements in ascending order, int32; equal elements keep their order.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.
        axis: The axis, counted from the end where it is negative.

    >>> keras.ops.argsort([3, 1, 2])
    tensor([1, 2, 0], dtype=torch.int32)
    """
    x, axis = (x.flatten(), 0) if axis is None else (x, axis)
    return torch.argsort(x, dim=axis, stable=True).to(torch.int32)


@op
def argpartition(x: TensorLike, kth: int, axis: int | None = -1) -> torch.Tensor:
    """The places, int32, that put element `kth` of the order in its place, none greater before it and none less behind.

    Args:
        x: The tensor.
        kth: The place, negative ones counting from the end.
        axis: The axis; the flattened tensor for `None`.

    Raises:
        ValueError: If `kth` is outside the axis.

    >>> keras.ops.argpartition([3.0, 1.0, 2.0], 1)[1]
    tensor(2, dtype=torch.int32)
    """
    x, axis = (x.flatten(), 0) if axis is None else (x, axis)
    if not -x.shape[axis] <= kth < x.shape[axis]:
        raise ValueError(f"`kth` must be a place along axis {axis}. Received: kth={kth}, x of shape {tuple(x.shape)}")
    return torch.argsort(x, dim=axis, stable=True).to(torch.int32)  # a full order is a partition at every place


@op(promote="same", filed=Filed("SearchSorted"))
def searchsorted(sorted_sequence: TensorLike, values: TensorLike, side: str = "left") -> torch.Tensor:
    """The places at which to insert values so that a sequence stays sorted, int32.

    Args:
        sorted_sequence: The ascending sequence.
        values: The values.
        side: Whether they go before (`"left"`) or behind (`"right"`) equal elements.

    Raises:
        ValueError: If the sequence has more than one axis, or `side` is another word.

    >>> keras.ops.searchsorted([1.0, 2.0, 3.0], [2.5])
    tensor([2], dtype=torch.int32)
    """
    if sorted_sequence.ndim != 1:
        raise ValueError(f"`sorted_sequence` must have one axis. Received: sorted_sequence of shape {tuple(sorted_sequence.shape)}")
    if side not in ("left", "right"):
        raise ValueError(f"`side` must be 'left' or 'right'. Received: side={side!r}")
    return _search(sorted_sequence, values, side == "right")


def _search(edges: torch.Tensor, values: torch.Tensor, right: bool) -> torch.Tensor:
    if edges.dtype is torch.bool:
        edges, values = edges.to(torch.uint8), values.to(torch.uint8)
    return torch.searchsorted(edges.contiguous(), values.contiguous(), right=right, out_int32=True)


@op(promote="same")
def digitize(x: TensorLike, bins: TensorLike) -> torch.Tensor:
    """The number of the bin of each element, int32: how many edges are not above it.

    Args:
        x: The tensor.
        bins: The ascending edges.

    >>> keras.ops.digitize([0.5, 2.5], [1.0, 2.0])
    tensor([0, 2], dtype=torch.int32)
    """
    return _search(bins, x, True)


def _unique_spec(
    x: Any, sorted: bool = True, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False,
    axis: int | None = None, size: int | None = None, fill_value: Any = None,
) -> Any:  # fmt: skip
    values = (size,) if axis is None else tuple(size if a == axis % len(x.shape) else n for a, n in enumerate(x.shape))
    found = [KerasTensor(values, x.dtype)]
    if return_index:
        found.append(KerasTensor((size,), "int64"))
    if return_inverse:
        found.append(KerasTensor(x.shape if axis is None else (x.shape[axis],), "int64"))
    if return_counts:
        found.append(KerasTensor((size,), "int64"))
    return found[0] if len(found) == 1 else tuple(found)


@op(spec=_unique_spec)
def unique(
    x: TensorLike,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    """The distinct elements, and what else is asked for, in a tuple.

    Args:
        x: The tensor.
        sorted: Whether they must come in ascending order; they may come in any without it.
        return_index: Whether to return the place of the first of each.
        return_inverse: Whether to return, for each element of `x`, its place among the distinct ones.
        return_counts: Whether to return how often each occurs.
        axis: The axis whose slices are compared; elements are, without it.
        size: How many to return: surplus ones are left out, missing ones filled in, so that the shape does not depend on the values.
        fill_value: What is filled in, 0 without it; places are filled with the first one, counts with 0.

    >>> keras.ops.unique([3, 1, 3])
    tensor([1, 3], dtype=torch.int32)
    """
    values, inverse, counts = torch.unique(x, sorted=sorted, return_inverse=True, return_counts=True, dim=axis)
    along = 0 if axis is None else axis
    flat = inverse.flatten()
    order = torch.arange(flat.shape[0], device=x.device)
    index = torch.full_like(counts, flat.shape[0]).scatter_reduce(0, flat, order, "amin")
    if size is not None:
        missing = max(size - counts.shape[0], 0)
        values = values.narrow(along, 0, min(size, counts.shape[0]))
        if missing:
            shape = [missing if a == along % values.ndim else n for a, n in enumerate(values.shape)]
            values = torch.cat((values, values.new_full(shape, 0 if fill_value is None else fill_value)), along)
        first = index[:1].expand(missing) if index.numel() else index.new_zeros(missing)
        index = torch.cat((index[:size], first))
        counts = torch.cat((counts[:size], counts.new_zeros(missing)))
    wanted = ((True, values), (return_index, index), (return_inverse, inverse), (return_counts, counts))
    found = tuple(tensor for asked, tensor in wanted if asked)
    return found[0] if len(found) == 1 else found


def _bincount_spec(x: Any, weights: Any = None, minlength: int = 0, sparse: bool = False) -> KerasTensor:
    dtype = "int32" if weights is None else dtypes.result_type(x.dtype, weights.dtype)
    return KerasTensor((*x.shape[:-1], None), dtype)


@op(spec=_bincount_spec, filed=Filed(kept=("weights",)))
def bincount(x: TensorLike, weights: TensorLike | None = None, minlength: int = 0, sparse: bool = False) -> torch.Tensor:
    """How often each number from 0 occurs in a vector, or in each row of a matrix.

    Args:
        x: Integers from 0.
        weights: What each element counts, of the shape of `x`; 1 without it.
        minlength: The least length of the result.
        sparse: Must be false: results are dense.

    Raises:
        ValueError: If there are negative or no integers, other weights than elements, more than two axes, or `sparse`.

    >>> keras.ops.bincount([0, 2, 2])
    tensor([1, 0, 2], dtype=torch.int32)
    """
    if sparse:
        raise ValueError("`sparse` must be False: torchkeras has dense results only. Received: sparse=True")
    if x.ndim not in (1, 2):
        raise ValueError(f"`x` must have one axis or two. Received: x of shape {tuple(x.shape)}")
    if x.is_floating_point():
        raise ValueError(f"`x` must hold integers. Received: x of type {x.dtype}. Cast it.")
    if weights is not None and weights.shape != x.shape:
        raise ValueError(f"`weights` must have the shape of `x`. Received: shapes {tuple(weights.shape)} and {tuple(x.shape)}")
    dtype = torch.int32 if weights is None else dtypes.to_torch_dtype(dtypes.result_type(x.dtype, weights.dtype))
    x = x.to(torch.int64)
    if not torch.compiler.is_compiling() and x.numel() and int(x.min()) < 0:
        raise ValueError(f"`x` must not hold negative numbers. Received: x with least element {int(x.min())}")
    length = torch.sym_max(minlength, int(x.max()) + 1 if x.numel() else 0)
    rows = 1 if x.ndim == 1 else x.shape[0]
    if x.ndim == 2:
        x = x + length * torch.arange(rows, device=x.device).unsqueeze(1)
    amounts = torch.ones((), dtype=dtype, device=x.device).expand(x.numel()) if weights is None else weights.flatten().to(dtype)
    counts = torch.zeros(rows * length, dtype=dtype, device=x.device).index_add(0, x.flatten(), amounts)
    return counts if x.ndim == 1 else counts.reshape(rows, length)


@op(promote="float")
def histogram(x: TensorLike, bins: int = 10, range: tuple[float, float] | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """How many elements fall into each of several bins of one width, and the edges of the bins.

    Args:
        x: The tensor.
        bins: How many bins.
        range: The first and the last edge; those of the elements without it. Elements outside do not count.

    Returns:
        The counts and the `bins + 1` edges, as floats. The last bin holds its right edge too.

    Raises:
        ValueError: If there is no positive number of bins, or a range that is none.

    >>> keras.ops.histogram([1.0, 2.0, 2.5], bins=2)
    (tensor([1., 2.]), tensor([1.0000, 1.7500, 2.5000]))
    """
    if not isinstance(bins, int) or isinstance(bins, bool):
        raise TypeError(f"`bins` must be an integer. Received: bins={bins!r}")
    if bins < 1:
        raise ValueError(f"`bins` must be positive. Received: bins={bins}")
    if range is not None and (len(range) != 2 or not range[0] <= range[1]):
        raise ValueError(f"`range` must hold a first edge and a last one that is not less. Received: range={range}")
    x = x.flatten()
    if range is not None:
        low, high = (torch.full((), float(edge), dtype=x.dtype, device=x.device) for edge in range)
    elif x.numel():
        low, high = torch.aminmax(x)
    else:
        low, high = x.new_zeros(()), x.new_ones(())
    same = low == high
    low, high = torch.where(same, low - 0.5, low), torch.where(same, high + 0.5, high)
    steps = torch.arange(bins + 1, dtype=x.dtype, device=x.device) / bins
    edges = torch.lerp(low, high, steps)
    places = torch.searchsorted(edges, x, right=True) - 1
    places = torch.where(x == high, bins - 1, places)
    inside = (x >= low) & (x <= high)
    counts = torch.zeros(bins, dtype=torch.float32, device=x.device).index_add(0, places.clamp(0, bins - 1), inside.to(torch.float32))
    return counts.to(x.dtype), edges
