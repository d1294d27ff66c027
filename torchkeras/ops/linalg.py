"""Linear algebra on the last two axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from .. import tree
from ..graph import Filed, TensorLike, op
from ..graph import convert_to_tensor as _to_tensor


def _check_matrix(x: torch.Tensor, name: str = "x", square: bool = False) -> None:
    if x.dim() < 2:
        raise ValueError(f"`{name}` must have at least two axes. Received: {name}.shape={tuple(x.shape)}")
    if square and x.shape[-1] != x.shape[-2]:
        raise ValueError(f"`{name}` must hold square matrices. Received: {name}.shape={tuple(x.shape)}")


@op(promote="float")
def cholesky(x: TensorLike, upper: bool = False) -> torch.Tensor:
    """The triangular factor of symmetric positive-definite matrices.

    Args:
        x: `(..., n, n)`.
        upper: The upper factor rather than the lower.

    Raises:
        ValueError: If there is a matrix that is not square, or not positive-definite.

    >>> keras.ops.cholesky([[4.0, 1.0], [1.0, 3.0]])
    tensor([[2.0000, 0.0000],
            [0.5000, 1.6583]])
    """
    _check_matrix(x, square=True)
    try:
        return torch.linalg.cholesky(x, upper=upper)
    except torch.linalg.LinAlgError as error:
        raise ValueError(f"`x` must be positive-definite. {error}") from None


@op(promote="float")
def cholesky_inverse(x: TensorLike, upper: bool = False) -> torch.Tensor:
    """The inverse of the matrix that has the Cholesky factor `x`.

    Args:
        x: `(..., n, n)`, triangular.
        upper: Whether it is the upper factor.

    Raises:
        ValueError: If a matrix is not square.

    >>> keras.ops.cholesky_inverse([[2.0, 0.0], [1.0, 2.0]])
    tensor([[ 0.3125, -0.1250],
            [-0.1250,  0.2500]])
    """
    _check_matrix(x, square=True)
    return torch.cholesky_inverse(x, upper)


@op(promote="float")
def det(x: TensorLike) -> torch.Tensor:
    """The determinants of square matrices `(..., n, n)`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    Raises:
        ValueError: If a matrix is not square.

    >>> keras.ops.det([[4.0, 1.0], [1.0, 3.0]])
    tensor(11.)
    """
    _check_matrix(x, square=True)
    return torch.linalg.det(x)


@op(promote="float")
def eig(x: TensorLike) -> tuple[torch.Tensor, torch.Tensor]:
    """The eigenvalues and right eigenvectors of square matrices, complex.

    Args:
        x: `(..., n, n)`.

    Returns:
        The values `(..., n)`, and the vectors in the columns of `(..., n, n)`.

    Raises:
        ValueError: If a matrix is not square.

    >>> keras.ops.eig([[2.0, 0.0], [0.0, 3.0]])[0]
    tensor([2.+0.j, 3.+0.j])
    """
    _check_matrix(x, square=True)
    return tuple(torch.linalg.eig(x))


@op(promote="float")
def eigh(x: TensorLike) -> tuple[torch.Tensor, torch.Tensor]:
    """The eigenvalues, in ascending order, and eigenvectors of symmetric or Hermitian matrices.

    Args:
        x: `(..., n, n)`.

    >>> keras.ops.eigh([[2.0, 0.0], [0.0, 3.0]])[0]
    tensor([2., 3.])
    """
    _check_matrix(x, square=True)
    return tuple(torch.linalg.eigh(x))


@op(promote="float")
def inv(x: TensorLike) -> torch.Tensor:
    """The inverses of square matrices `(..., n, n)`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    Raises:
        ValueError: If there is a matrix that is not square, or singular.

    >>> keras.ops.inv([[4.0, 1.0], [1.0, 3.0]])
    tensor([[ 0.2727, -0.0909],
            [-0.0909,  0.3636]])
    """
    _check_matrix(x, square=True)
    try:
        return torch.linalg.inv(x)
    except torch.linalg.LinAlgError as error:
        raise ValueError(f"`x` must be invertible. {error}") from None


@op(promote="float")
def lu_factor(x: TensorLike) -> tuple[torch.Tensor, torch.Tensor]:
    """The LU factors of matrices `(..., m, n)`, in one matrix, and the rows that were swapped (from 0, as in SciPy).

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    Raises:
        ValueError: If there are fewer than two axes.

    >>> keras.ops.lu_factor([[2.0, 1.0], [4.0, 3.0]])
    (tensor([[ 4.0000,  3.0000],
            [ 0.5000, -0.5000]]), tensor([1, 1], dtype=torch.int32))
    """
    _check_matrix(x)
    factors, pivots, _ = torch.linalg.lu_factor_ex(x)
    return factors, pivots - 1


@op(promote="float")
def matrix_power(x: TensorLike, n: int) -> torch.Tensor:
    """Square matrices multiplied by themselves `n` times; the inverse so many times for a negative `n`, the identity for 0.

    Args:
        x: `(..., n, n)`.
        n: The power, less than 2³¹ in size.

    Raises:
        ValueError: If a matrix is not square, or is singular and the power negative, or `n` is no such integer.

    >>> ops.matrix_power([[1.0, 1.0], [0.0, 1.0]], 3).tolist()
    [[1.0, 3.0], [0.0, 1.0]]
    """
    _check_matrix(x, square=True)
    if isinstance(n, bool) or not isinstance(n, int) or abs(n) >= 2**31:
        raise ValueError(f"`n` must be an int less than 2**31 in size. Received: n={n!r}")
    try:
        return torch.linalg.matrix_power(x, n)
    except torch.linalg.LinAlgError as error:
        raise ValueError(f"`x` must be invertible for a negative `n`. {error}") from None


@op(promote="float")
def matrix_rank(x: TensorLike, tol: float | None = None) -> torch.Tensor:
    """How many singular values exceed a limit (int32).

    Args:
        x: `(..., m, n)`.
        tol: The limit; without it the largest singular value times `max(m, n)` times the type's epsilon.

    Raises:
        ValueError: If there are fewer than two axes.

    >>> keras.ops.matrix_rank([[4.0, 1.0], [1.0, 3.0]])
    tensor(2, dtype=torch.int32)
    """
    _check_matrix(x)
    rank = torch.linalg.matrix_rank(x) if tol is None else torch.linalg.matrix_rank(x, atol=tol, rtol=0.0)
    return rank.to(torch.int32)


_MATRIX_ORDERS = ("fro", "nuc", float("inf"), float("-inf"), 1, -1, 2, -2)


@op(promote="float")
def norm(
    x: TensorLike, ord: int | float | str | None = None, axis: int | Sequence[int] | None = None, keepdims: bool = False
) -> torch.Tensor:
    """The norm of vectors or of matrices, those of NumPy.

    Args:
        x: The tensor.
        ord: The order. Of a vector any number; of a matrix `"fro"`, `"nuc"`, or plus or minus 1, 2 or infinity. `None` is the 2-norm of
            all elements.
        axis: One axis for vectors, two for matrices; `None` is all, of which there may be one or two if `ord` is given.
        keepdims: Whether the axes stay, with size one.

    Raises:
        ValueError: If vectors or matrices have no norm of this order, or there are too many axes.

    >>> keras.ops.norm([3.0, 4.0])
    tensor(5.)
    """
    axes = tuple(range(x.dim())) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    if ord is None:
        return torch.linalg.vector_norm(x, 2, axes, keepdims)
    if len(axes) not in (1, 2) or (len(axes) == 1 and isinstance(ord, str)) or (len(axes) == 2 and ord not in _MATRIX_ORDERS):
        raise ValueError(
            f"`ord` must be a number for vectors (one axis) or one of {_MATRIX_ORDERS} for matrices (two axes). "
            f"Received: ord={ord!r}, axis={axis!r}, x.shape={tuple(x.shape)}"
        )
    return torch.linalg.norm(x, ord, axes if len(axes) == 2 else axes[0], keepdims)


@op(promote="float")
def pinv(x: TensorLike, rcond: float | None = None) -> torch.Tensor:
    """The pseudo-inverses of matrices.

    Args:
        x: `(..., m, n)`.
        rcond: Singular values up to this share of the largest count as zero; without it `max(m, n)` times the type's epsilon.

    Raises:
        ValueError: If there are fewer than two axes.

    >>> keras.ops.pinv([[4.0, 1.0], [1.0, 3.0]])
    tensor([[ 0.2727, -0.0909],
            [-0.0909,  0.3636]])
    """
    _check_matrix(x)
    return torch.linalg.pinv(x) if rcond is None else torch.linalg.pinv(x, rtol=rcond)


@op(promote="float")
def qr(x: TensorLike, mode: str = "reduced") -> tuple[torch.Tensor, torch.Tensor]:
    """The QR factors of matrices.

    Args:
        x: `(..., m, n)`.
        mode: `"reduced"`: q `(..., m, k)` and r `(..., k, n)` with `k = min(m, n)`; `"complete"`: with `k = m`.

    Raises:
        ValueError: If there is another mode, or fewer than two axes.

    >>> keras.ops.qr([[1.0, 0.0], [0.0, 1.0]])[1].abs()
    tensor([[1., 0.],
            [0., 1.]])
    """
    _check_matrix(x)
    if mode not in ("reduced", "complete"):
        raise ValueError(f"`mode` must be 'reduced' or 'complete'. Received: mode={mode!r}")
    return tuple(torch.linalg.qr(x, mode))


def _columns(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """`b` with vectors as matrices of one column."""
    _check_matrix(a, "a")
    if b.dim() not in (a.dim() - 1, a.dim()) or a.shape[-2] != b.shape[-1 if b.dim() == a.dim() - 1 else -2]:
        raise ValueError(
            "`b` must have as many rows as `a`, and its axes or all but the last. "
            f"Received: a.shape={tuple(a.shape)}, b.shape={tuple(b.shape)}"
        )
    return b.unsqueeze(-1) if b.dim() == a.dim() - 1 else b


@op(promote="float")
def solve(a: TensorLike, b: TensorLike) -> torch.Tensor:
    """The `x` for which `a @ x = b`.

    Args:
        a: `(..., n, n)`.
        b: `(..., n, k)`, or vectors `(..., n)`.

    Raises:
        ValueError: If there are shapes that do not fit, or a singular matrix.

    >>> keras.ops.solve([[2.0, 0.0], [0.0, 4.0]], [2.0, 4.0])
    tensor([1., 1.])
    """
    _check_matrix(a, "a", square=True)
    columns = _columns(a, b)
    try:
        return torch.linalg.solve(a, columns).reshape(b.shape)
    except torch.linalg.LinAlgError as error:
        raise ValueError(f"`a` must be invertible. {error}") from None


@op(promote="float")
def solve_triangular(a: TensorLike, b: TensorLike, lower: bool = False) -> torch.Tensor:
    """The `x` for which `a @ x = b`, of triangular matrices.

    Args:
        a: `(..., n, n)`; the other triangle is not read.
        b: `(..., n, k)`, or vectors `(..., n)`.
        lower: Whether the lower triangle counts.

    Raises:
        ValueError: If shapes do not fit.

    >>> keras.ops.solve_triangular([[2.0, 0.0], [1.0, 4.0]], [[2.0], [5.0]], lower=True)
    tensor([[1.],
            [1.]])
    """
    _check_matrix(a, "a", square=True)
    return torch.linalg.solve_triangular(a, _columns(a, b), upper=not lower).reshape(b.shape)


@op(promote="float", filed=Filed("SVD"))
def svd(x: TensorLike, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """The singular value decomposition `u · diag(s) · v` of matrices.

    Args:
        x: `(..., m, n)`.
        full_matrices: Whether `u` and `v` are square.
        compute_uv: Whether to compute them.

    Returns:
        `(u, s, v)`, the values in descending order, or `s` alone.

    Raises:
        ValueError: If there are fewer than two axes.

    >>> keras.ops.svd([[3.0, 0.0], [0.0, 2.0]], compute_uv=False)
    tensor([3., 2.])
    """
    _check_matrix(x)
    return tuple(torch.linalg.svd(x, full_matrices)) if compute_uv else torch.linalg.svdvals(x)


@op(promote="float")
def lstsq(a: TensorLike, b: TensorLike, rcond: float | None = None) -> torch.Tensor:
    """The `x` of smallest norm among those that minimize `|a @ x - b|`.

    Args:
        a: `(m, n)`.
        b: `(m,)` or `(m, k)`.
        rcond: Singular values up to this share of the largest count as zero; without it `max(m, n)` times the type's epsilon.

    Returns:
        `(n,)` or `(n, k)`.

    Raises:
        ValueError: If shapes do not fit.

    >>> keras.ops.lstsq([[1.0, 0.0], [0.0, 2.0]], [1.0, 4.0])
    tensor([1., 2.])
    """
    x = pinv(a, rcond) @ _columns(a, b)
    return x.squeeze(-1) if b.dim() == a.dim() - 1 else x


def jvp(fun: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """The value of a function, and its derivative in a direction (forward mode).

    Args:
        fun: A function of torch tensors.
        primals: Its arguments.
        tangents: The direction, of the same structure.
        has_aux: Whether `fun` returns its value and something else, which comes third.

    Returns:
        The value, the derivative, and what else `fun` returns.

    Raises:
        ValueError: If there are arguments and direction of different lengths.

    >>> value, slope = keras.ops.jvp(lambda x: x**2, (torch.tensor(3.0),), (torch.tensor(1.0),))
    >>> float(slope)
    6.0
    """
    if len(primals) != len(tangents):
        raise ValueError(f"`tangents` must be as many as `primals`. Received: {len(tangents)} tangents, {len(primals)} primals")
    arguments, directions = (tuple(tree.map_structure(_to_tensor, v) for v in values) for values in (primals, tangents))
    return torch.func.jvp(fun, arguments, directions, has_aux=has_aux)
