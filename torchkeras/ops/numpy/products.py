"""Products of vectors and matrices, and what is built on them: traces, determinants, correlations, differences, integrals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F

from ...graph import Filed, KerasTensor, TensorLike, op
from ...graph.operation import infer_spec
from .elementwise import as_wide_float


def _multiplied(fn: Callable, *xs: torch.Tensor) -> torch.Tensor:
    """`fn(*xs)`, also for types and devices that have no matrix product: booleans, and integers on an accelerator."""
    dtype, device = xs[0].dtype, xs[0].device.type
    if dtype.is_floating_point or dtype.is_complex or (device == "cpu" and dtype is not torch.bool):
        return fn(*xs)
    exact = torch.int32 if device == "cpu" else torch.float32 if device == "mps" else torch.float64  # float64: up to 2**53
    return fn(*(x.to(exact) for x in xs)).to(dtype)


def _meeting(fn: Callable, x1: Any, x2: Any, pairs: Callable, *rest: Any) -> Any:
    """The outputs of a symbolic product; of two sizes that meet, one known tells the other."""
    shapes = [list(getattr(x, "shape", ())) for x in (x1, x2)]
    if not (shapes[0] and shapes[1]):
        return NotImplemented
    for i, j in pairs(*shapes):
        known = shapes[1][j] if shapes[0][i] is None else shapes[0][i]
        shapes[0][i], shapes[1][j] = known, known if shapes[1][j] is None else shapes[1][j]
    filled = (KerasTensor(s, x.dtype) if isinstance(x, KerasTensor) else x for s, x in zip(shapes, (x1, x2)))
    return infer_spec(fn, (*filled, *rest), {}, fn.__name__)


def _inner_axes(a: list, b: list) -> list[tuple[int, int]]:
    return [(-1, -1 if len(b) == 1 else -2)]


def _matmul_spec(x1: Any, x2: Any) -> Any:
    return _meeting(matmul, x1, x2, _inner_axes)


def _dot_spec(x1: Any, x2: Any) -> Any:
    return _meeting(dot, x1, x2, _inner_axes)


def _tensordot_spec(x1: Any, x2: Any, axes: Any = 2) -> Any:
    if isinstance(axes, int):
        return _meeting(tensordot, x1, x2, lambda a, b: [(len(a) - axes + i, i) for i in range(axes)], axes)
    first, second = ([a] if isinstance(a, int) else a for a in axes)
    return _meeting(tensordot, x1, x2, lambda a, b: list(zip(first, second)), axes)


def _einsum_spec(subscripts: str, *operands: Any, **kwargs: Any) -> Any:
    terms = subscripts.replace(" ", "").split("->")[0].split(",")
    if "..." in subscripts or any(len(term) != len(getattr(x, "shape", ())) for term, x in zip(terms, operands, strict=True)):
        return NotImplemented
    known = {letter: n for term, x in zip(terms, operands) for letter, n in zip(term, x.shape) if n not in (None, 1)}
    filled = [
        KerasTensor([known.get(c) if n is None else n for c, n in zip(term, x.shape)], x.dtype) if isinstance(x, KerasTensor) else x
        for term, x in zip(terms, operands)
    ]
    return infer_spec(einsum, (subscripts, *filled), kwargs, "einsum")


@op(promote="same", spec=_matmul_spec, filed=Filed(torch=("matmul",)))
def matmul(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The matrix product of the last two axes, broadcast over the others; vectors are rows on the left, columns on the right.

    The product of int8 tensors is int32.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.matmul([[1.0, 2.0]], [[3.0], [4.0]])
    tensor([[11.]])
    """
    if x1.dtype is torch.int8:
        x1, x2 = x1.to(torch.int32), x2.to(torch.int32)
    return _multiplied(torch.matmul, x1, x2)


@op(promote="same", spec=_dot_spec)
def dot(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The sum of products over the last axis of `x1` and the last but one (or the only one) of `x2`; of a number, the multiple.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one.

    >>> keras.ops.dot([1.0, 2.0], [3.0, 4.0])
    tensor(11.)
    """
    if x1.ndim == 0 or x2.ndim == 0:
        return torch.mul(x1, x2)
    if x2.ndim <= 2:
        return _multiplied(torch.matmul, x1, x2)
    return _multiplied(lambda a, b: torch.tensordot(a, b, dims=([-1], [-2])), x1, x2)


@op(promote="same")
def inner(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The sum of products over the last axes of both.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.inner([1.0, 2.0], [3.0, 4.0])
    tensor(11.)
    """
    if x1.ndim == 0 or x2.ndim == 0:
        return torch.mul(x1, x2)
    return _multiplied(torch.inner, x1, x2)


@op(promote="same")
def outer(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The products of each element of `x1` with each of `x2`, both flattened, as a matrix.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.outer([1.0, 2.0], [3.0, 4.0])
    tensor([[3., 4.],
            [6., 8.]])
    """
    return x1.reshape(-1, 1) * x2.reshape(1, -1)


@op(promote="same")
def vdot(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The sum of products of two tensors, flattened; of complex numbers, with the conjugate of `x1`.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.vdot([1.0, 2.0], [3.0, 4.0])
    tensor(11.)
    """
    return _multiplied(torch.matmul, x1.conj().resolve_conj().flatten(), x2.flatten())


@op(promote="same", spec=_tensordot_spec)
def tensordot(x1: TensorLike, x2: TensorLike, axes: int | Sequence[Any] = 2) -> torch.Tensor:
    """The sum of products over several axes.

    Args:
        x1: One tensor.
        x2: The other.
        axes: How many last axes of `x1` meet how many first of `x2`, or which of each: `(axes of x1, axes of x2)`.

    >>> keras.ops.tensordot([1.0, 2.0], [3.0, 4.0], axes=1)
    tensor(11.)
    """
    if not isinstance(axes, int):
        axes = tuple([a] if isinstance(a, int) else list(a) for a in axes)
    return _multiplied(lambda a, b: torch.tensordot(a, b, dims=axes), x1, x2)


@op(promote="same", spec=_einsum_spec)
def einsum(subscripts: str, *operands: TensorLike, **kwargs: Any) -> torch.Tensor:
    """The sum of products that Einstein's notation names, such as `"ij,jk->ik"`.

    Args:
        subscripts: The axes of each operand and of the result.
        *operands: The tensors; of int8 alone, the result is int32.
        **kwargs: `optimize=False` keeps the order of the operands; without it, opt_einsum chooses where it is installed.

    >>> keras.ops.einsum("ij,j->i", [[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0])
    tensor([3., 7.])
    """
    optimize = kwargs.pop("optimize", True)
    if kwargs:
        raise TypeError(f"einsum() got unexpected arguments: {', '.join(kwargs)}")
    if operands[0].dtype is torch.int8:
        operands = tuple(x.to(torch.int32) for x in operands)
    if optimize is False:
        with torch.backends.opt_einsum.flags(enabled=False):
            return _multiplied(lambda *xs: torch.einsum(subscripts, *xs), *operands)
    return _multiplied(lambda *xs: torch.einsum(subscripts, *xs), *operands)


@op(promote="same")
def kron(x1: TensorLike, x2: TensorLike) -> torch.Tensor:
    """The Kronecker product: a copy of `x2` for each element of `x1`, times it.

    Args:
        x1: A tensor, or what becomes one.
        x2: A tensor, or what becomes one; it broadcasts with `x1`.

    >>> keras.ops.kron([1.0, 2.0], [3.0, 4.0])
    tensor([3., 4., 6., 8.])
    """
    return torch.kron(x1, x2)


@op(promote="same")
def cross(
    x1: TensorLike, x2: TensorLike, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> torch.Tensor:  # fmt: skip
    """The cross product of vectors of 3 or 2 components; of two of 2, the third component of the product.

    Args:
        x1: Vectors.
        x2: Vectors, broadcast with the first.
        axisa: The axis of components of `x1`.
        axisb: The axis of components of `x2`.
        axisc: The axis of components of the result.
        axis: All three at once.

    Raises:
        ValueError: If there are vectors of other lengths.

    >>> keras.ops.cross([1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    tensor([0., 0., 1.])
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = x1.movedim(axisa, -1), x2.movedim(axisb, -1)
    if a.shape[-1] not in (2, 3) or b.shape[-1] not in (2, 3):
        raise ValueError(f"`x1` and `x2` must hold vectors of 2 or 3 components. Received: shapes {tuple(x1.shape)} and {tuple(x2.shape)}")
    if a.shape[-1] == b.shape[-1] == 2:
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    a, b = (F.pad(v, (0, 1)) if v.shape[-1] == 2 else v for v in (a, b))
    return torch.linalg.cross(*torch.broadcast_tensors(a, b)).movedim(-1, axisc)


# -- matrices --------------------------------------------------------------------------------------------------------------------------


@op
def trace(x: TensorLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> torch.Tensor:
    """The sum of a diagonal of matrices. Small integers add up as int32.

    Args:
        x: The tensor.
        offset: Which diagonal.
        axis1: The axis of rows.
        axis2: The axis of columns.

    >>> keras.ops.trace([[1, 2], [3, 4]])
    tensor(5, dtype=torch.int32)
    """
    dtype = torch.int32 if x.dtype in (torch.bool, torch.uint8, torch.int8, torch.int16) else x.dtype
    return torch.sum(torch.diagonal(x, offset, axis1, axis2), -1, dtype=dtype)


@op(promote="float")
def slogdet(x: TensorLike) -> tuple[torch.Tensor, torch.Tensor]:
    """The sign of the determinant of matrices and the logarithm of its absolute value.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.slogdet([[4.0, 1.0], [1.0, 3.0]])
    (tensor(1.), tensor(2.3979))
    """
    return tuple(torch.linalg.slogdet(x))


@op
def corrcoef(x: TensorLike) -> torch.Tensor:
    """The Pearson correlations of the rows of a matrix, each a variable; of a vector, 1.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.corrcoef([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if x.ndim > 2:
        raise ValueError(f"`x` must have one axis or two. Received: x of shape {tuple(x.shape)}")
    rows = as_wide_float(x).reshape(-1, x.shape[-1]) if x.ndim else as_wide_float(x).reshape(1, 1)
    rows = rows - torch.mean(rows, -1, keepdim=True)
    covariance = rows @ rows.mT
    deviation = torch.sqrt(torch.diagonal(covariance))
    result = torch.clamp(covariance / deviation.unsqueeze(-1) / deviation, -1, 1)
    return result if x.ndim == 2 else result.reshape(())


@op(promote="float")
def correlate(x1: TensorLike, x2: TensorLike, mode: str = "valid") -> torch.Tensor:
    """The cross-correlation of two vectors, as a float.

    Args:
        x1: A vector.
        x2: The vector that moves along it.
        mode: `"valid"`: where they overlap fully; `"same"`: as many as the longer one has, centred; `"full"`: wherever they overlap.

    Raises:
        ValueError: If there are other than vectors with elements, or an unknown mode.

    >>> keras.ops.correlate([1.0, 2.0, 3.0], [0.0, 1.0])
    tensor([2., 3.])
    """
    if x1.ndim != 1 or x2.ndim != 1 or not x1.numel() or not x2.numel():
        raise ValueError(f"`x1` and `x2` must be vectors with elements. Received: shapes {tuple(x1.shape)} and {tuple(x2.shape)}")
    swap = x1.shape[0] < x2.shape[0]
    signal, moving = (x2, x1) if swap else (x1, x2)
    n = moving.shape[0]
    padding = {"valid": (0, 0), "same": (n // 2, n - 1 - n // 2), "full": (n - 1, n - 1)}.get(mode)
    if padding is None:
        raise ValueError(f"`mode` must be 'valid', 'same' or 'full'. Received: mode={mode!r}")
    result = F.conv1d(F.pad(signal, padding).reshape(1, 1, -1), moving.reshape(1, 1, -1)).flatten()
    return result.flip(0) if swap else result


# -- differences and integrals ---------------------------------------------------------------------------------------------------------


@op
def diff(a: TensorLike, n: int = 1, axis: int = -1) -> torch.Tensor:
    """The differences of neighbours along an axis, taken `n` times; of booleans, whether they differ.

    Args:
        a: A tensor, or what becomes one.
        n: How many times differences are taken.
        axis: The axis, counted from the end where it is negative.

    >>> keras.ops.diff([1, 4, 9])
    tensor([3, 5], dtype=torch.int32)
    """
    return torch.diff(a, n, axis)


@op(promote="float", args=("y", "x"), filed=Filed(kept=("x",)))
def trapezoid(y: TensorLike, x: TensorLike | None = None, dx: float = 1.0, axis: int = -1) -> torch.Tensor:
    """The integral of samples along an axis by the trapezoidal rule.

    Args:
        y: The samples.
        x: Where they are; `dx` apart without it.
        dx: The distance of neighbours.
        axis: The axis.

    >>> keras.ops.trapezoid([1.0, 2.0, 3.0])
    tensor(4.)
    """
    return torch.trapezoid(y, dx=dx, dim=axis) if x is None else torch.trapezoid(y, x, dim=axis)
