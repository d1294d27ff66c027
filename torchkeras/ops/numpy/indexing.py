"""Elements by place or by condition: indexing, gathering, choosing, diagonals, grids, and functions mapped over axes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from types import EllipsisType, NoneType
from typing import Any

import torch

from ...graph import Filed, KerasTensor, TensorLike, any_symbolic, convert_to_tensor, op
from ...graph.opnode import OpNode
from .creation import Sizes


def _get_item_spec(x: Any, key: Any) -> Any:
    keys = key if isinstance(key, tuple) else (key,)
    if any(not isinstance(k, (int, slice, EllipsisType, NoneType)) or isinstance(k, bool) for k in keys):
        return NotImplemented
    used = sum(k is not None and k is not Ellipsis for k in keys)
    if used > len(x.shape):
        raise ValueError(f"`key` must not hold more places than `x` has axes. Received: key={key}, x of shape {x.shape}")
    if Ellipsis not in keys:
        keys = (*keys, Ellipsis)
    sizes: list[int | None] = list(x.shape)
    shape: list[int | None] = []
    for k in keys:
        if k is None:
            shape.append(1)
        elif k is Ellipsis:
            rest = len(x.shape) - used
            shape, sizes = shape + sizes[:rest], sizes[rest:]
        else:
            size = sizes.pop(0)
            if isinstance(k, slice):  # where the size is unknown, only the whole of it is known to be there
                shape.append(None if size is None else len(range(*k.indices(size))))
            elif size is not None and not -size <= k < size:
                raise ValueError(f"`key` must hold places inside `x`. Received: key={key}, x of shape {x.shape}")
    return KerasTensor(shape, x.dtype)


@op(spec=_get_item_spec, filed=Filed(called=("key",)))
def get_item(x: TensorLike, key: Any) -> torch.Tensor:
    """`x[key]`: numbers, slices, `None`, `...` and tensors.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.
        key: A number, a slice, an ellipsis, `None`, a tensor of places, or a tuple of these.

    >>> keras.ops.get_item([1, 2, 3], slice(1, None))
    tensor([2, 3], dtype=torch.int32)
    """
    return x[key]


@op
def take(x: TensorLike, indices: TensorLike, axis: int | None = None) -> torch.Tensor:
    """The elements of `x` at places along an axis.

    Args:
        x: The tensor.
        indices: The places, of any shape, which takes the place of the axis in the result; negative ones count from the end.
        axis: The axis; without it, `x` is flattened.

    >>> keras.ops.take([5, 6, 7], [2, 0])
    tensor([7, 5], dtype=torch.int32)
    """
    if axis is None:
        x, axis = x.flatten(), 0
    axis = axis + x.ndim if axis < 0 else axis
    places = _from_start(indices, x.shape[axis])
    if places.ndim == 1:
        return torch.index_select(x, axis, places)
    shape = (*x.shape[:axis], *places.shape, *x.shape[axis + 1 :])
    return torch.index_select(x, axis, places.flatten()).reshape(shape)


def _from_start(indices: torch.Tensor, size: int) -> torch.Tensor:
    indices = indices.to(torch.int64)
    return torch.where(indices < 0, indices + size, indices)


@op
def take_along_axis(x: TensorLike, indices: TensorLike, axis: int | None = None) -> torch.Tensor:
    """The elements of `x` at places along an axis, other places for each row.

    Args:
        x: The tensor.
        indices: The places, broadcast with `x` along the other axes; negative ones count from the end.
        axis: The axis; without it, `x` is flattened.

    >>> keras.ops.take_along_axis([[5, 6], [7, 8]], [[1], [0]], axis=1)
    tensor([[6],
            [7]], dtype=torch.int32)
    """
    if axis is None:
        x, axis, indices = x.flatten(), 0, indices.flatten()
    axis = axis + x.ndim if axis < 0 else axis
    places = _from_start(indices, x.shape[axis])
    shape = list(torch.broadcast_shapes((*x.shape[:axis], 1, *x.shape[axis + 1 :]), (*places.shape[:axis], 1, *places.shape[axis + 1 :])))
    rows, columns = shape.copy(), shape.copy()
    rows[axis], columns[axis] = x.shape[axis], places.shape[axis]
    return torch.gather(x.expand(rows), axis, places.expand(columns))


def _nonzero_spec(x: Any) -> tuple[KerasTensor, ...]:
    return tuple(KerasTensor((None,), "int32") for _ in x.shape)


@op(spec=_nonzero_spec)
def nonzero(x: TensorLike) -> tuple[torch.Tensor, ...]:
    """The places of the elements that are not zero: a vector of int32 for each axis, as in NumPy (they index a tensor).

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.nonzero([0, 3, 4])
    (tensor([1, 2], dtype=torch.int32),)
    """
    return tuple(places.to(torch.int32) for places in torch.nonzero(x, as_tuple=True))


def _where_spec(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    return _nonzero_spec(condition) if x1 is None and x2 is None else NotImplemented


@op(promote="same", args=("x1", "x2"), broadcast=True, spec=_where_spec)
def where(condition: TensorLike, x1: TensorLike | None = None, x2: TensorLike | None = None) -> torch.Tensor:
    """`x1` where `condition` is true (not zero) and `x2` elsewhere, broadcast; `nonzero(condition)` without both.

    Args:
        condition: A tensor of truth values, or of numbers, of which zero is false.
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    Raises:
        ValueError: If just one of `x1` and `x2` is given.

    >>> keras.ops.where([True, False], [1, 2], [3, 4])
    tensor([1, 4], dtype=torch.int32)
    """
    if x1 is None and x2 is None:
        return nonzero(condition)  # type: ignore[return-value]  # the type of the usual call
    if x1 is None or x2 is None:
        raise ValueError(f"`x1` and `x2` must be given both or neither. Received: x1={x1}, x2={x2}")
    return torch.where(condition.to(torch.bool), x1, x2)


@op(promote="same", args=("choicelist", "default"), broadcast=True)
def select(condlist: Sequence[TensorLike], choicelist: Sequence[TensorLike], default: TensorLike = 0) -> torch.Tensor:
    """For each element the choice of the first condition that holds, or `default`, broadcast.

    Args:
        condlist: The conditions.
        choicelist: As many choices.
        default: What stands where no condition holds.

    Raises:
        ValueError: If the lists differ in length.

    >>> keras.ops.select([torch.tensor([True, False])], [torch.tensor([1, 2])], default=0)
    tensor([1, 0])
    """
    if len(condlist) != len(choicelist):
        raise ValueError(f"`condlist` and `choicelist` must have one length. Received: {len(condlist)} and {len(choicelist)}")
    result = default
    for condition, choice in zip(reversed(list(condlist)), reversed(list(choicelist))):
        result = torch.where(condition.to(torch.bool), choice, result)
    return result


@op
def unravel_index(indices: TensorLike, shape: Sizes) -> tuple[torch.Tensor, ...]:
    """Places in a flat tensor as places along each axis of a `shape`, int32.

    Args:
        indices: Places in the flattened tensor.
        shape: The shape, a whole number or a sequence of them.

    >>> keras.ops.unravel_index([3], (2, 2))
    (tensor([1], dtype=torch.int32), tensor([1], dtype=torch.int32))
    """
    indices = indices.to(torch.int64)
    found = []
    for size in reversed(shape):
        found.append((indices % size).to(torch.int32))
        indices = torch.div(indices, size, rounding_mode="floor")
    return tuple(reversed(found))


# -- diagonals -------------------------------------------------------------------------------------------------------------------------


def _diagonal_size(rows: int | None, columns: int | None, offset: int) -> int | None:
    if rows is None or columns is None:
        return None
    return max(0, min(rows + min(offset, 0), columns - max(offset, 0)))


def _diag_spec(x: Any, k: int = 0) -> Any:
    return KerasTensor((_diagonal_size(x.shape[0], x.shape[1], k),), x.dtype) if len(x.shape) == 2 else NotImplemented


def _diagonal_spec(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    first, second = axis1 % len(x.shape), axis2 % len(x.shape)
    rest = [n for axis, n in enumerate(x.shape) if axis not in (first, second)]
    return KerasTensor((*rest, _diagonal_size(x.shape[first], x.shape[second], offset)), x.dtype)


@op(spec=_diag_spec)
def diag(x: TensorLike, k: int = 0) -> torch.Tensor:
    """The diagonal `k` of a matrix, or the matrix with a vector on its diagonal `k`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.
        k: The diagonal: 0 the main one, above it where positive, below where negative.

    >>> keras.ops.diag([1, 2])
    tensor([[1, 0],
            [0, 2]], dtype=torch.int32)
    """
    return torch.diag(x, k)


@op
def diagflat(x: TensorLike, k: int = 0) -> torch.Tensor:
    """The matrix with all elements of `x` on its diagonal `k`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.
        k: The diagonal: 0 the main one, above it where positive, below where negative.

    >>> keras.ops.diagflat([1, 2])
    tensor([[1, 0],
            [0, 2]], dtype=torch.int32)
    """
    return torch.diagflat(x, k)


@op(spec=_diagonal_spec)
def diagonal(x: TensorLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> torch.Tensor:
    """The diagonals of the matrices that two axes make, along a new last axis.

    Args:
        x: The tensor.
        offset: Which diagonal.
        axis1: The axis of rows.
        axis2: The axis of columns.

    >>> keras.ops.diagonal([[1, 2], [3, 4]])
    tensor([1, 4], dtype=torch.int32)
    """
    return torch.diagonal(x, offset, axis1, axis2)


@op
def meshgrid(*x: TensorLike, indexing: str = "xy") -> tuple[torch.Tensor, ...]:
    """Each vector repeated along the axes of the others, so that together they hold the points of a grid.

    Args:
        *x: Vectors or numbers; each keeps its type.
        indexing: `"xy"`: the first vector runs along the second axis; `"ij"`: along the first.

    >>> [grid.tolist() for grid in keras.ops.meshgrid([1, 2], [3, 4])]
    [[[1, 2], [1, 2]], [[3, 3], [4, 4]]]
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"`indexing` must be 'xy' or 'ij'. Received: indexing={indexing!r}")
    order = list(range(len(x)))
    if indexing == "xy" and len(x) > 1:
        order[:2] = 1, 0
    flat = [v.reshape([-1 if a == axis else 1 for a in range(len(x))]) for v, axis in zip(x, order)]
    return tuple(torch.broadcast_tensors(*flat))


# -- functions over axes ---------------------------------------------------------------------------------------------------------------

_SIGNATURE = re.compile(r"\s*(\([^()]*\)(?:\s*,\s*\([^()]*\))*)\s*->\s*(\([^()]*\)(?:\s*,\s*\([^()]*\))*)\s*")


def vectorize(pyfunc: Callable, *, excluded: set[int | str] | None = None, signature: str | None = None) -> Callable:
    """A function of tensors of few axes as one of tensors of more, which broadcast (by `torch.vmap`).

    Args:
        pyfunc: The function; of numbers without a signature.
        excluded: Places and names of arguments that are passed as they are.
        signature: The axes it takes and returns, such as `"(n),(n)->()"`.

    Raises:
        ValueError: If there is a signature that is none, or one that does not fit the arguments.

    >>> keras.ops.vectorize(lambda a, b: a + b)([1.0, 2.0], [3.0, 4.0])
    tensor([4., 6.])
    """
    if not callable(pyfunc):
        raise ValueError(f"`pyfunc` must be a function. Received: pyfunc={pyfunc!r}")
    left = set(excluded or ())
    taken: list[int] | None = None
    if signature is not None:
        match = _SIGNATURE.fullmatch(signature)
        if match is None:
            raise ValueError(f"`signature` must read like '(m,n),(n)->(m)'. Received: signature={signature!r}")
        taken = [len([n for n in axes.split(",") if n.strip()]) for axes in re.findall(r"\(([^()]*)\)", match[1])]

    def vectorized(*args: Any, **kwargs: Any) -> Any:
        if any_symbolic(args, kwargs):
            return OpNode(vectorized).symbolic_call(*args, **kwargs)
        places = [i for i in range(len(args)) if i not in left]
        core = [0] * len(places) if taken is None else taken
        if len(core) != len(places):
            raise ValueError(f"`signature` {signature!r} is for {len(core)} arguments. Received: {len(places)}")
        return _mapped(pyfunc, args, kwargs, places, core)

    return vectorized


def _mapped(pyfunc: Callable, args: tuple, kwargs: dict[str, Any], places: list[int], core: list[int]) -> Any:
    from_args = [convert_to_tensor(args[i]) for i in places]
    batch = torch.broadcast_shapes(*(t.shape[: t.ndim - c] for t, c in zip(from_args, core))) if from_args else ()

    def call(*tensors: torch.Tensor) -> Any:
        given = list(args)
        for i, tensor in zip(places, tensors):
            given[i] = tensor
        return pyfunc(*given, **kwargs)

    fn = call
    spread = [t.expand(*batch, *t.shape[t.ndim - c :]) for t, c in zip(from_args, core)]
    for _ in batch:
        fn = torch.vmap(fn)
    return fn(*spread)
