"""`keras.ops.linalg` against real Keras, and what torchkeras does where Keras's torch backend fails."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from torchkeras import ops

from .parity import case, check, check_symbolic, close, f

SQUARE = f(2, 3, 3) + 3 * np.eye(3, dtype="float32")
POSITIVE = SQUARE @ SQUARE.swapaxes(1, 2)
TALL, WIDE = f(2, 4, 3), f(2, 3, 4)
TABLE = [
    case("cholesky", POSITIVE),
    case("cholesky", POSITIVE, upper=True),
    case("cholesky_inverse", np.linalg.cholesky(POSITIVE), tol=1e-4),
    case("cholesky_inverse", np.linalg.cholesky(POSITIVE).swapaxes(1, 2).copy(), upper=True, tol=1e-4),
    case("det", SQUARE, tol=1e-4),
    case("logdet", POSITIVE, tol=1e-4),
    case("eig", POSITIVE, gradient=False),
    case("eigh", POSITIVE, gradient=False),
    case("inv", SQUARE),
    case("lu_factor", SQUARE),
    case("matrix_rank", SQUARE),
    case("matrix_rank", np.ones((2, 3, 4), "float32")),
    case("matrix_rank", TALL),
    case("pinv", TALL, tol=1e-4),
    case("pinv", WIDE, 0.5, tol=1e-4, gradient=False),
    case("qr", TALL, tol=1e-4),
    case("qr", SQUARE, "complete", tol=1e-4),
    case("qr", WIDE, tol=1e-4, gradient=False),
    case("solve", SQUARE, f(2, 3, 2), batched=2),
    case("solve", SQUARE, f(2, 3), batched=2),
    case("solve_triangular", SQUARE, f(2, 3, 2), batched=2),
    case("solve_triangular", SQUARE, f(2, 3), True, batched=2),
    case("svd", TALL, gradient=False),
    case("svd", TALL, False, gradient=False),
    case("svd", WIDE, compute_uv=False),
    case("lstsq", f(4, 3), f(4), batched=0, tol=1e-4),
    case("lstsq", f(4, 3), f(4, 2), batched=0, tol=1e-4),
    case("lstsq", f(2, 3), f(2), batched=0, tol=1e-4, gradient=False),
    case("norm", TALL),
    case("norm", TALL, axis=1),
    case("norm", TALL, axis=(1, 2), keepdims=True),
    *(case("norm", TALL, order, 2) for order in (0, 1, 2, 3, -1, np.inf, -np.inf)),
    *(case("norm", TALL, order, (1, 2), tol=1e-4) for order in (1, 2, -1, -2, np.inf, -np.inf, "fro", "nuc")),
    *(case("norm", f(4), order, batched=0) for order in (None, 1, 3, np.inf)),
]


@pytest.mark.parametrize("name, args, kwargs, batched, gradient, tol", TABLE)
def test_op_is_keras(name, args, kwargs, batched, gradient, tol):
    check(name, args, kwargs, gradient, tol)


@pytest.mark.parametrize("name, args, kwargs, batched, gradient, tol", TABLE)
def test_symbolic_op_is_keras(name, args, kwargs, batched, gradient, tol):
    if batched:
        check_symbolic(name, args, kwargs, batched, keras_fails=False)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 2))
def test_factors_multiply_to_the_matrix(rows, columns, batch):
    x = torch.randn(batch, rows, columns, dtype=torch.float64)
    q, r = ops.qr(x)
    close(q @ r, x, 1e-9)
    u, s, v = ops.svd(x, full_matrices=False)
    close(u * s.unsqueeze(-2) @ v, x, 1e-9)
    close(x @ ops.pinv(x) @ x, x, 1e-9)
    a = torch.randn(batch, rows, rows, dtype=torch.float64) + 5 * torch.eye(rows)
    close(a @ ops.solve(a, x), x, 1e-9)


def test_integers_become_floats():
    """Keras's torch backend fails on integer matrices."""
    x = np.array([[2, 0], [0, 4]])
    assert ops.det(x).item() == 8.0
    assert ops.inv(x).tolist() == [[0.5, 0.0], [0.0, 0.25]]


def test_norm_keeps_double_precision():
    """Keras computes the norm of float64 in float32."""
    x = np.array([3.0, 4.0]) + 1e-12
    assert ops.norm(x).dtype is torch.float64
    assert ops.norm(x).item() == np.linalg.norm(x)


def test_lu_of_a_singular_matrix():
    factors, pivots = ops.lu_factor(np.ones((2, 2), "float32"))
    assert factors.tolist() == [[1.0, 1.0], [1.0, 0.0]]
    assert pivots.tolist() == [0, 1]


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own forward mode calls it
def test_jvp():
    x, t = np.array([1.0, 2.0]), np.array([1.0, 0.5])
    value, derivative = ops.jvp(lambda v: v**3, (x,), (t,))
    assert (value.tolist(), derivative.tolist()) == ([1.0, 8.0], [3.0, 6.0])
    value, derivative, aux = ops.jvp(lambda a, b: (a * b, a), [x, x], [t, t], has_aux=True)
    assert (value.tolist(), derivative.tolist(), aux.tolist()) == ([1.0, 4.0], [2.0, 2.0], [1.0, 2.0])


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: ops.cholesky(f(2, 3)), r"`x` must hold square matrices. Received: x.shape=\(2, 3\)"),
        (lambda: ops.cholesky(-np.eye(2)), r"`x` must be positive-definite"),
        (lambda: ops.inv(np.ones((2, 2))), r"`x` must be invertible"),
        (lambda: ops.solve(np.ones((2, 2)), f(2)), r"`a` must be invertible"),
        (lambda: ops.solve(np.eye(3), f(2)), r"a.shape=\(3, 3\), b.shape=\(2,\)"),
        (lambda: ops.lstsq(f(3, 2), f(2)), r"a.shape=\(3, 2\), b.shape=\(2,\)"),
        (lambda: ops.det(f(3)), r"`x` must have at least two axes"),
        (lambda: ops.qr(f(3, 2), "full"), r"`mode` must be 'reduced' or 'complete'"),
        (lambda: ops.norm(f(2, 2), 3), r"`ord` must be .* Received: ord=3"),
        (lambda: ops.norm(f(2), "fro"), r"ord='fro'"),
        (lambda: ops.norm(f(2, 2, 2), 2), r"x.shape=\(2, 2, 2\)"),
        (lambda: ops.jvp(lambda x: x, (f(2),), ()), r"0 tangents, 1 primals"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("n", [0, 1, 5, -2])
def test_powers_of_matrices_are_products(n):
    x = POSITIVE.astype("float64")
    np.testing.assert_allclose(ops.matrix_power(x, n), np.linalg.matrix_power(x, n), rtol=1e-6)


def test_powers_of_matrices_that_are_none_are_told():
    with pytest.raises(ValueError, match="`x` must hold square matrices"):
        ops.matrix_power(f(2, 3), 2)
    with pytest.raises(ValueError, match="`n` must be an int less than 2\\*\\*31 in size. Received: n=1.5"):
        ops.matrix_power(SQUARE, 1.5)
