"""Conversion, casts, slices, scatters and gradients: the ops without a mathematical home; control flow is in `control`."""

from __future__ import annotations

import builtins
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from .. import dtypes
from ..graph import Filed, KerasTensor, TensorLike, any_symbolic, op
from ..graph import convert_to_tensor as _to_tensor
from ..graph.infer import unknown_size
from ..graph.opnode import OpNode
from ._values import values_at_hand

# -- conversion ------------------------------------------------------------------------------------------------------------------------


def convert_to_tensor(x: Any, dtype: Any = None, sparse: bool | None = None, ragged: bool | None = None) -> torch.Tensor:
    """`x` as a torch tensor, of type `dtype` if given; Python floats and lists of them as `floatx()`.

    Args:
        x: A tensor, an array, a number, a nest of numbers or a weight; a symbolic tensor stays symbolic.
        dtype: The type of the result.
        sparse: Must not be true: torch layers take dense tensors.
        ragged: Must be false: torch layers take dense tensors.

    Raises:
        ValueError: If `x` is no tensor, or `sparse` or `ragged` is true.

    >>> keras.ops.convert_to_tensor([1.0, 2.0])
    tensor([1., 2.])
    """
    if sparse or ragged:
        raise ValueError(f"`sparse` and `ragged` must not be True: torch layers take dense tensors. Received: {sparse=}, {ragged=}")
    if isinstance(x, KerasTensor):
        return x if dtype is None or dtypes.standardize_dtype(dtype) == x.dtype else cast(x, dtype)
    return _to_tensor(x, dtype)


def convert_to_numpy(x: Any) -> np.ndarray:
    """`x` as a NumPy array, detached and on the host; bfloat16, which NumPy lacks, as float32.

    Args:
        x: A tensor, an array, a number, a nest of numbers or a weight.

    Raises:
        ValueError: If there is a symbolic tensor.

    >>> keras.ops.convert_to_numpy(torch.tensor([1, 2]))
    array([1, 2])
    """
    if isinstance(x, KerasTensor):
        raise ValueError(f"`x` must have values. Received: {x!r}, which is symbolic. Compute on it inside a model instead.")
    if not isinstance(x, torch.Tensor) and not hasattr(x, "value"):
        if not isinstance(x, (list, tuple)) or not any(isinstance(v, (torch.Tensor, KerasTensor)) for v in x):
            return np.asarray(x)
    tensor = _to_tensor(x).detach().cpu()
    if tensor.dtype is torch.bfloat16:
        tensor = tensor.float()
    return tensor.resolve_conj().resolve_neg().numpy()


def is_tensor(x: Any) -> bool:
    """Whether `x` is a torch tensor.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.is_tensor([1.0])
    False
    """
    return isinstance(x, torch.Tensor)


def shape(x: TensorLike) -> tuple[int | None, ...]:
    """The shape of `x`; of a symbolic tensor, with `None` for sizes that are not known.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.shape(torch.ones(2, 3))
    (2, 3)
    """
    return tuple(x.shape) if hasattr(x, "shape") else tuple(_to_tensor(x).shape)


def dtype(x: TensorLike) -> str:
    """The Keras name of the type of `x`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.dtype(torch.ones(2))
    'float32'
    """
    return dtypes.standardize_dtype(x.dtype if hasattr(x, "dtype") else _to_tensor(x).dtype)


@op
def cast(x: TensorLike, dtype: Any) -> torch.Tensor:
    """`x` in another type.

    Args:
        x: The tensor.
        dtype: The type.

    >>> keras.ops.cast([1.7, 2.2], "int32")
    tensor([1, 2], dtype=torch.int32)
    """
    return x.to(dtypes.to_torch_dtype(dtype))


@op
def saturate_cast(x: TensorLike, dtype: Any) -> torch.Tensor:
    """`x` in another type, values out of its range moved to its ends, and NaN to zero where it has none.

    Args:
        x: The tensor.
        dtype: The type.

    >>> keras.ops.saturate_cast([-3.0, 300.0], "uint8")
    tensor([  0, 255], dtype=torch.uint8)
    """
    target = dtypes.to_torch_dtype(dtype)
    if x.dtype is torch.bool or x.dtype.is_complex or target.is_complex:
        return x.to(target)
    if target is torch.bool:
        return x.clamp(0, 1).to(target)
    if x.dtype in (torch.uint16, torch.uint32, torch.uint64):  # torch has few kernels for these
        x = x.to(torch.int64)
    ends = torch.finfo(target) if target.is_floating_point else torch.iinfo(target)
    if not x.dtype.is_floating_point:
        own = torch.iinfo(x.dtype)
        low, high = max(own.min, int(ends.min)), min(own.max, int(ends.max))
        return x.clamp(low, high).to(target)
    x = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x  # which do not hold the ends
    if target.is_floating_point:
        floats = torch.finfo(x.dtype)
        return x.clamp(max(ends.min, floats.min), min(ends.max, floats.max)).to(target) if floats.max > ends.max else x.to(target)
    # The largest int64 is no float: what reaches it is set afterwards.
    y = torch.where(x.isnan(), 0, x.clamp(ends.min, ends.max)).to(target)
    return y.masked_fill(x >= float(ends.max), int(ends.max))


@op
def stop_gradient(variable: TensorLike) -> torch.Tensor:
    """The value, as a constant for gradients.

    Args:
        variable: A tensor or a weight.

    >>> keras.ops.stop_gradient(torch.tensor([1.0], requires_grad=True)).requires_grad
    False
    """
    return variable.detach()


# -- slices ----------------------------------------------------------------------------------------------------------------------------


def _starts(start_indices: Any) -> tuple[int, ...] | torch.Tensor:
    """The first indices: as ints, or as a tensor whose values are not to be looked at."""
    if isinstance(start_indices, torch.Tensor):
        return tuple(start_indices.tolist()) if values_at_hand(start_indices) else start_indices
    if any(isinstance(i, torch.Tensor) and not values_at_hand(i) for i in start_indices):
        return torch.stack([torch.as_tensor(i) for i in start_indices])
    return tuple(int(i) for i in start_indices)


def _check_window(inputs: torch.Tensor, starts: Any, sizes: Sequence[int], name: str) -> None:
    if len(starts) != inputs.dim() or len(sizes) != inputs.dim():
        raise ValueError(
            f"`start_indices` and `{name}` must have one entry per axis of `inputs`. "
            f"Received: inputs.shape={tuple(inputs.shape)}, start_indices={starts}, {name}={tuple(sizes)}"
        )
    if isinstance(starts, tuple) and any(s < 0 or s + n > size for s, n, size in zip(starts, sizes, inputs.shape)):
        raise ValueError(
            "The slice must lie inside `inputs`. "
            f"Received: inputs.shape={tuple(inputs.shape)}, start_indices={starts}, {name}={tuple(sizes)}"
        )


def _ranges(starts: torch.Tensor, sizes: Sequence[int]) -> list[torch.Tensor]:
    """An index range for each axis, shaped to broadcast against the others."""
    rank = len(sizes)
    ranges = [starts[i] + torch.arange(n, device=starts.device) for i, n in enumerate(sizes)]
    return [r.reshape((1,) * i + (-1,) + (1,) * (rank - 1 - i)) for i, r in enumerate(ranges)]


@op(filed=Filed(called=("start_indices",)))
def slice(inputs: TensorLike, start_indices: Any, shape: Sequence[int]) -> torch.Tensor:
    """The block of `inputs` that begins at `start_indices`.

    Args:
        inputs: The tensor.
        start_indices: The first index on each axis, ints or an integer tensor.
        shape: The shape of the block; -1 reaches to the end of an axis.

    Raises:
        ValueError: If a block does not lie inside.

    >>> keras.ops.slice([1, 2, 3, 4], [1], [2])
    tensor([2, 3], dtype=torch.int32)
    """
    starts = _starts(start_indices)
    shape = tuple(shape.tolist() if isinstance(shape, (np.ndarray, torch.Tensor)) else shape)
    if isinstance(starts, tuple) and len(starts) == len(shape) < inputs.dim():  # axes that are not named stay whole
        starts, shape = (*starts, *(0,) * (inputs.dim() - len(starts))), (*shape, *inputs.shape[len(shape) :])
    sizes = tuple(int(n) if n != -1 else inputs.shape[i] - int(starts[i]) for i, n in enumerate(shape))
    _check_window(inputs, starts, sizes, "shape")
    if isinstance(starts, torch.Tensor):
        return inputs[tuple(_ranges(starts.to(inputs.device), sizes))]
    return inputs[tuple(builtins.slice(s, s + n) for s, n in zip(starts, sizes))]


@op(filed=Filed(called=("start_indices",)))
def slice_update(inputs: TensorLike, start_indices: Any, updates: TensorLike) -> torch.Tensor:
    """`inputs` with the block that begins at `start_indices` replaced.

    Args:
        inputs: The tensor, which stays as it is.
        start_indices: The first index on each axis, ints or an integer tensor.
        updates: The new block; it takes the type of `inputs`.

    Raises:
        ValueError: If a block does not lie inside.

    >>> keras.ops.slice_update([1, 2, 3, 4], [1], [8, 9])
    tensor([1, 8, 9, 4], dtype=torch.int32)
    """
    starts = _starts(start_indices)
    _check_window(inputs, starts, updates.shape, "updates.shape")
    updates = updates.to(inputs.dtype)
    if isinstance(starts, torch.Tensor):
        return inputs.index_put(tuple(_ranges(starts.to(inputs.device), updates.shape)), updates)
    result = inputs.clone()
    result[tuple(builtins.slice(s, s + n) for s, n in zip(starts, updates.shape))] = updates
    return result


@op
def unstack(x: TensorLike, num: int | None = None, axis: int = 0) -> list[torch.Tensor]:
    """The slices along an axis, without it.

    Args:
        x: The tensor.
        num: Their number; needed where the size of the axis is not known.
        axis: The axis.

    Raises:
        ValueError: If there is another number of slices, or one that cannot be known.

    >>> [row.tolist() for row in keras.ops.unstack([[1, 2], [3, 4]])]
    [[1, 2], [3, 4]]
    """
    size = x.shape[axis]
    if size == unknown_size():
        if num is None:
            raise ValueError(f"`num` must be given: the size of axis {axis} is not known")
        return [x.select(axis, 0)] * num
    if num is not None and num != size:
        raise ValueError(f"`num` must be the size of axis {axis}. Received: num={num}, x.shape={tuple(x.shape)}")
    return list(x.unbind(axis))


# -- scatters --------------------------------------------------------------------------------------------------------------------------


def _check_indices(indices: torch.Tensor, shape: Sequence[int]) -> None:
    depth = indices.shape[-1]
    if depth > len(shape):
        raise ValueError(
            f"The last axis of `indices` must not exceed the axes of the tensor. Received: indices.shape={tuple(indices.shape)}, "
            f"shape={tuple(shape)}"
        )
    if values_at_hand(indices) and indices.numel():
        flat = indices.reshape(-1, depth)
        for axis, (low, high) in enumerate(zip(flat.amin(0).tolist(), flat.amax(0).tolist())):
            if low < -shape[axis] or high >= shape[axis]:
                worst = high if high >= shape[axis] else low
                raise ValueError(f"`indices` must lie inside the shape {tuple(shape)}. Received: {worst} on axis {axis}")


def _check_updates(updates: torch.Tensor, indices: torch.Tensor, shape: Sequence[int], name: str) -> None:
    expected = tuple(indices.shape[:-1]) + tuple(shape[indices.shape[-1] :])
    fits = updates.dim() <= len(expected) and all(n in (1, e) for n, e in zip(reversed(updates.shape), reversed(expected)))
    if not fits:
        raise ValueError(
            f"`{name}` must have the shape {expected}, that of `indices` without its last axis and the rest of the tensor's. "
            f"Received: {name}.shape={tuple(updates.shape)}, indices.shape={tuple(indices.shape)}, shape={tuple(shape)}"
        )


@op
def scatter(indices: TensorLike, values: TensorLike, shape: Sequence[int]) -> torch.Tensor:
    """Zeros with values added at indices.

    Args:
        indices: `(..., depth)`: each row names a place on the first `depth` axes.
        values: `(..., *shape[depth:])`; those of one place are summed.
        shape: The shape of the result.

    Raises:
        ValueError: If there are indices outside, or shapes that do not fit.

    >>> keras.ops.scatter([[0], [2]], [5, 6], (4,))
    tensor([5, 0, 6, 0], dtype=torch.int32)
    """
    shape = tuple(int(n) for n in shape)
    _check_indices(indices, shape)
    _check_updates(values, indices, shape, "values")
    places = tuple(indices.to(torch.int64).unbind(-1))
    return values.new_zeros(shape).index_put(places, values, accumulate=True)


_REDUCTIONS = {"max": "amax", "min": "amin", "mul": "prod"}


@op
def scatter_update(inputs: TensorLike, indices: TensorLike, updates: TensorLike, reduction: str | None = None) -> torch.Tensor:
    """`inputs` with the values at indices replaced, or combined with new ones.

    Args:
        inputs: The tensor, which stays as it is.
        indices: `(..., depth)`: each row names a place on the first `depth` axes.
        updates: `(..., *inputs.shape[depth:])`; they take the type of `inputs`.
        reduction: `"add"`, `"max"`, `"min"`, `"mul"`, or `None` to replace (of two for one place, which one is kept is not defined).

    Raises:
        ValueError: If there is another reduction, indices outside, or shapes that do not fit.

    >>> keras.ops.scatter_update([1, 2, 3], [[1]], [9])
    tensor([1, 9, 3], dtype=torch.int32)
    """
    if reduction not in (None, "add", *_REDUCTIONS):
        raise ValueError(f"`reduction` must be None, 'add', 'max', 'min' or 'mul'. Received: reduction={reduction!r}")
    _check_indices(indices, inputs.shape)
    _check_updates(updates, indices, inputs.shape, "updates")
    updates = updates.to(inputs.dtype)
    places = indices.to(torch.int64).unbind(-1)
    if reduction in (None, "add"):
        return inputs.index_put(tuple(places), updates, accumulate=reduction == "add")
    depth = len(places)
    row = torch.zeros_like(places[0])
    for place, size in zip(places, inputs.shape):
        row = row * size + torch.where(place < 0, place + size, place)
    table = inputs.reshape(torch.Size(inputs.shape[:depth]).numel(), -1)
    source = updates.reshape(row.numel(), table.shape[1])
    index = row.reshape(-1, 1).expand_as(source)
    return table.scatter_reduce(0, index, source, _REDUCTIONS[reduction], include_self=True).reshape(inputs.shape)


# -- gradients and axes by name --------------------------------------------------------------------------------------------------------


class _CustomGradient(torch.autograd.Function):
    """The bridge from a function that returns its value and its gradient function to autograd."""

    @staticmethod
    def forward(ctx: Any, fn: Callable, *args: Any) -> Any:
        outputs, ctx.gradient = fn(*args)
        ctx.args = args
        return outputs

    @staticmethod
    def backward(ctx: Any, *upstream: Any) -> Any:
        code = ctx.gradient.__code__  # torch.compile cannot trace inspect.signature
        named = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        if "upstream" in named or code.co_flags & inspect.CO_VARKEYWORDS:
            grads = ctx.gradient(*ctx.args, upstream=upstream[0] if len(upstream) == 1 else upstream)
        else:
            grads = ctx.gradient(*upstream)
        return (None, *(grads if isinstance(grads, (tuple, list)) else (grads,)))


def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function bring its own gradient.

    Args:
        f: Returns its value and a function that maps the gradient of the value to that of the arguments. The latter is called as
            `grad(*arguments, upstream=gradient)` if it has a parameter `upstream`, else as `grad(gradient)`.

    Example:
    ```python
    @ops.custom_gradient
    def log1pexp(x):
        e = ops.exp(x)

        def grad(*args, upstream):
            return upstream * (1 - 1 / (1 + e))

        return ops.log(1 + e), grad
    ```

    >>> double = keras.ops.custom_gradient(lambda x: (2 * x, lambda *args, upstream: 2 * upstream))
    >>> double(torch.tensor(3.0))
    tensor(6.)
    """

    @functools.wraps(f)
    def wrapper(*args: Any) -> Any:
        if any_symbolic(args):
            return OpNode(wrapper).symbolic_call(*args)
        return _CustomGradient.apply(f, *(_to_tensor(a) if isinstance(a, np.ndarray) or hasattr(a, "value") else a for a in args))

    return wrapper


def _axes_of(side: str) -> list[list[str]]:
    """`"b (h w) 1"` as `[["b"], ["h", "w"], []]`."""
    groups: list[list[str]] = []
    inside = False
    for token in side.replace("(", " ( ").replace(")", " ) ").split():
        if token in "()":
            inside = token == "("
            if inside:
                groups.append([])
        elif inside:
            groups[-1].append(token)
        else:
            groups.append([] if token == "1" else [token])
    return groups


def _fill_ellipsis(groups: list[list[str]], count: int) -> list[list[str]]:
    return [g for group in groups for g in ([[f"...{i}"] for i in range(count)] if group == ["..."] else [group])]


@op(filed=Filed(module="keras.src.ops.einops", called=("pattern", "axes_lengths")))
def rearrange(tensor: TensorLike, pattern: str, **axes_lengths: int) -> torch.Tensor:
    """Axes reordered, split and merged by name, in the notation of einops (https://einops.rocks).

    Args:
        tensor: The tensor.
        pattern: `"b (h w) c -> b c h w"`: the axes before and after; brackets hold axes that are one, `1` is an axis of size one, `...`
            any others.
        **axes_lengths: The sizes of axes in brackets; one of each bracket may be left out.

    Raises:
        ValueError: If a pattern does not fit the shape.

    >>> keras.ops.rearrange(torch.ones(2, 3, 4), "b h w -> b (h w)").shape
    torch.Size([2, 12])
    """
    left, arrow, right = pattern.partition("->")
    before, after = _axes_of(left), _axes_of(right)
    rest = tensor.dim() - len(before) + 1
    if ["..."] in before and rest >= 0:
        before, after = _fill_ellipsis(before, rest), _fill_ellipsis(after, rest)
    names = [name for group in before for name in group]
    said = f"Received: pattern={pattern!r}, shape={tuple(tensor.shape)}, sizes {axes_lengths}"
    if not arrow or len(before) != tensor.dim():
        raise ValueError(f"`pattern` must be 'axes -> axes' and name every axis of `tensor`. {said}")
    if len(set(names)) != len(names) or sorted(names) != sorted(name for group in after for name in group):
        raise ValueError(f"`pattern` must name each axis once on each side. {said}")
    sizes = dict(axes_lengths)
    for group, size in zip(before, tensor.shape):
        unknown = [name for name in group if name not in sizes]
        known = torch.Size([sizes[name] for name in group if name in sizes]).numel()
        if len(unknown) > 1 or (size % known if unknown and known else size != known):
            raise ValueError(f"`pattern` must fit the shape of `tensor`, with at most one size left out of each bracket. {said}")
        for name in unknown:
            sizes[name] = size // known if known else 0
    axes = [name for group in after for name in group]
    x = tensor.reshape([sizes[name] for name in names]).permute([names.index(name) for name in axes])
    return x.reshape([torch.Size([sizes[name] for name in group]).numel() for group in after])
