"""Control flow as ops: branches, loops, scans and maps over the first axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from .. import tree
from ..graph import Filed, KerasTensor, op
from ..graph import convert_to_tensor as _to_tensor
from ..graph.infer import unknown_size


def _inferring() -> bool:
    """Whether shapes are being inferred, so that there are no values to decide by."""
    return unknown_size() is not None


def _tensors(structure: Any) -> Any:
    """`structure` with its numbers and arrays as tensors."""
    return tree.map_structure(lambda v: v if v is None else _to_tensor(v), structure)


def _outputs_alike(outputs: list[Any], names: str) -> Any:
    """The first of the outputs, once they are known to be of one structure, one shape and one type."""
    specs = []
    for output in outputs:
        leaves = tree.flatten(output)
        if any(isinstance(leaf, KerasTensor) for leaf in leaves):
            raise ValueError(
                f"{names} must not close over symbolic tensors, which have no values when the model runs: "
                "put the decision into the `call` method of a Layer"
            )
        tensors = [_to_tensor(leaf) for leaf in leaves]
        specs.append((str(tree.map_structure(lambda _: 0, output)), [(tuple(t.shape), t.dtype) for t in tensors]))
    if any(spec != specs[0] for spec in specs):
        received = " and ".join(str(spec[1]) for spec in specs)
        raise ValueError(f"{names} must return tensors of one structure, shape and type. Received: {received}")
    return outputs[0]


@op(filed=Filed(files=False))
def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """What one of two functions returns.

    Args:
        pred: A boolean, or a boolean tensor of one element.
        true_fn: Called if it is true.
        false_fn: Called if not.

    Raises:
        ValueError: If, for symbolic arguments, the functions return different structures, shapes or types.

    >>> keras.ops.cond(torch.tensor(True), lambda: torch.tensor(1), lambda: torch.tensor(2))
    tensor(1)
    """
    if _inferring():
        return _outputs_alike([true_fn(), false_fn()], "`true_fn` and `false_fn`")
    return true_fn() if pred else false_fn()


@op(filed=Filed(files=False))
def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """What one of several functions returns for the operands.

    Args:
        index: Which one, an int or an integer tensor of one element; moved to the nearest end if out of range.
        branches: The functions.
        *operands: Their arguments.

    Raises:
        ValueError: If, for symbolic arguments, the functions return different structures, shapes or types.

    >>> keras.ops.switch(1, [lambda x: x + 1, lambda x: x * 10], torch.tensor(3))
    tensor(30)
    """
    if _inferring():
        return _outputs_alike([branch(*operands) for branch in branches], "`branches`")
    return branches[min(max(int(index), 0), len(branches) - 1)](*operands)


@op(filed=Filed(files=False))
def while_loop(cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, maximum_iterations: int | None = None) -> Any:
    """Call `body` as long as `cond` holds.

    Args:
        cond: Maps the variables to a boolean.
        body: Maps the variables to their next values, of the same shapes and types.
        loop_vars: The first values: one tensor, or a tuple or list of them.
        maximum_iterations: An upper limit of the calls.

    Returns:
        The last values: one tensor, or a tuple.

    >>> keras.ops.while_loop(lambda n: n < 5, lambda n: (n * 2,), (torch.tensor(1),))
    (tensor(8),)
    """
    several = isinstance(loop_vars, (tuple, list))
    values = tuple(_tensors(v) for v in (loop_vars if several else (loop_vars,)))
    count = 0
    while not _inferring() and (maximum_iterations is None or count < maximum_iterations) and cond(*values):
        result = body(*values)
        values = tuple(_tensors(v) for v in (result if isinstance(result, (tuple, list)) else (result,)))
        count += 1
    return values if several else values[0]


@op(filed=Filed(files=False))
def fori_loop(lower: Any, upper: Any, body_fun: Callable[[int, Any], Any], init_val: Any) -> Any:
    """Call `body_fun(i, value)` for each `i` from `lower` up to, and without, `upper`.

    Args:
        lower: The first `i`.
        upper: The end.
        body_fun: Maps `i` and the value to the next value, of the same structure, shapes and types.
        init_val: The first value.

    Returns:
        The last value.

    >>> keras.ops.fori_loop(0, 3, lambda i, total: total + i, torch.tensor(0))
    tensor(3)
    """
    if _inferring():
        return _tensors(init_val)
    value = init_val
    for i in range(int(lower), int(upper)):
        value = body_fun(i, value)
    return value


def _length(xs: Any, length: int | None) -> int:
    sizes = {x.shape[0] for x in tree.flatten(xs) if x is not None and x.dim()}
    if any(x is not None and not x.dim() for x in tree.flatten(xs)):
        raise ValueError("`xs` must have a first axis to go along. Received: a scalar")
    if len(sizes) > 1 or (sizes and length is not None and sizes != {int(length)}):
        raise ValueError(f"`xs` and `length` must agree on the size of the first axis. Received: sizes {sorted(sizes)}, length={length}")
    if not sizes and length is None:
        raise ValueError("`length` must be given where `xs` has no tensors. Received: length=None")
    return sizes.pop() if sizes else int(length)  # type: ignore[arg-type]


def _take(xs: Any, i: int) -> Any:
    return tree.map_structure(lambda x: None if x is None else x[i], xs)


def _stack(results: list[Any]) -> Any:
    return tree.map_structure(lambda *ys: None if ys[0] is None else torch.stack([_to_tensor(y) for y in ys]), *results)


def _repeat(result: Any, n: int) -> Any:
    """`result` as if it came `n` times: what `_stack` gives, for shapes only."""
    return tree.map_structure(lambda y: None if y is None else _to_tensor(y).unsqueeze(0).expand(n, *_to_tensor(y).shape), result)


def _first(xs: Any, n: int) -> Any:
    """What stands for an element of `xs` where none is to be had."""
    return _take(xs, 0) if n else tree.map_structure(lambda x: None if x is None else x.new_zeros(x.shape[1:]), xs)


@op(filed=Filed(files=False))
def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
) -> tuple[Any, Any]:
    """Go along the first axis and carry a value.

    Args:
        f: Maps the carried value and an element of `xs` to the next value and an output.
        init: The first value, a nest of tensors.
        xs: A nest of tensors, cut along their first axis; `None` is a loop of `length` steps.
        length: The number of steps; that of `xs` without it.
        reverse: Whether to begin at the end; the outputs keep the order of `xs`.
        unroll: Kept for Keras's signature: a positive int or a bool. PyTorch runs, and compiles, the steps one by one.

    Returns:
        The last value, and the outputs stacked along a new first axis.

    Raises:
        ValueError: If there are sizes that differ, or none.

    >>> keras.ops.scan(lambda total, x: (total + x, total + x), torch.tensor(0.0), torch.tensor([1.0, 2.0]))
    (tensor(3.), tensor([1., 3.]))
    """
    if not isinstance(unroll, (bool, int)) or (not isinstance(unroll, bool) and unroll < 1):
        raise ValueError(f"`unroll` must be a positive int or a bool. Received: unroll={unroll!r}")
    if not callable(f):
        raise TypeError(f"`f` must be callable. Received: f={f!r}")
    carry, xs = _tensors(init), _tensors(xs)
    n = _length(xs, length)
    if _inferring() or not n:
        following, y = f(carry, _first(xs, n))
        return (_tensors(following) if n else carry), _repeat(y, n)
    outputs = []
    for i in reversed(range(n)) if reverse else range(n):
        carry, y = f(carry, _take(xs, i))
        outputs.append(y)
    return carry, _stack(outputs[::-1] if reverse else outputs)


@op(filed=Filed(files=False))
def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """The results of `f` for each element along the first axis, stacked.

    Args:
        f: Maps an element to a nest of tensors.
        xs: A nest of tensors.

    >>> keras.ops.map(lambda row: row.sum(), torch.ones(3, 2))
    tensor([2., 2., 2.])
    """
    xs = _tensors(xs)
    n = _length(xs, None)
    if _inferring() or not n:
        return _repeat(f(_first(xs, n)), n)
    return _stack([f(_take(xs, i)) for i in range(n)])


@op(filed=Filed(files=False))
def vectorized_map(function: Callable[[Any], Any], elements: Any) -> Any:
    """The results of `function` for all elements along the first axis at once (`torch.vmap`).

    Args:
        function: Maps an element to a nest of tensors, without looking at values.
        elements: A nest of tensors.

    >>> keras.ops.vectorized_map(lambda row: row.sum(), torch.ones(3, 2))
    tensor([2., 2., 2.])
    """
    return torch.vmap(function, randomness="different")(_tensors(elements))


def _narrow(structure: Any, axis: int, start: int, size: int) -> Any:
    return tree.map_structure(lambda x: x.narrow(axis, start, size), structure)


@op(filed=Filed(files=False))
def associative_scan(f: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """The running results of an associative function, in as many steps as the length has binary digits.

    Args:
        f: Combines two nests of tensors, element by element along the axis.
        elems: A nest of tensors of one size along the axis.
        reverse: Whether to begin at the end.
        axis: The axis.

    Raises:
        ValueError: If sizes differ.

    >>> keras.ops.associative_scan(lambda a, b: a + b, torch.tensor([1.0, 2.0, 3.0]))
    tensor([1., 3., 6.])
    """
    values = _tensors(elems)
    leaves = tree.flatten(values)
    sizes = {x.shape[axis] for x in leaves}
    if len(sizes) != 1:
        raise ValueError(f"`elems` must have one size along axis {axis}. Received: shapes {[tuple(x.shape) for x in leaves]}")
    n = sizes.pop()
    if reverse:
        values = tree.map_structure(lambda x: x.flip(axis), values)
    step = 1
    while step < n:
        earlier, later, done = (_narrow(values, axis, *part) for part in ((0, n - step), (step, n - step), (0, step)))
        values = tree.map_structure(lambda d, c: torch.cat([d, c], axis), done, f(earlier, later))
        step *= 2
    return tree.map_structure(lambda x: x.flip(axis), values) if reverse else values
