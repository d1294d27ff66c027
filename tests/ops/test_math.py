"""The mathematical ops of `keras.ops` against real Keras, and what torchkeras does where Keras's torch backend fails."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from torchkeras import ops
from torchkeras.graph import KerasTensor

from .parity import case, check, check_symbolic, close, f, i

SIGNAL = f(2, 40)
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, 1.0, -1.0], "float32")
PARTS = f(2, 3, 8), f(2, 3, 8)
TABLE = [
    *(case(name, f(3, 4, low=0.1, high=0.9)) for name in ("erf", "erfc", "erfinv", "rsqrt")),
    *(case(name, SPECIAL, gradient=False) for name in ("erf", "erfc", "erfinv", "rsqrt")),
    *(case(name, np.array([1, 4]), gradient=False) for name in ("erf", "erfc", "rsqrt")),
    case("logsumexp", f(3, 4)),
    case("logsumexp", f(3, 4, 2), axis=(1, 2), keepdims=True),
    case("logsumexp", f(3, 4), 1),
    case("logsumexp", i(3, 4)),
    case("logsumexp", np.array([[-np.inf, -np.inf], [np.inf, 1.0]], "float32"), 1, gradient=False),
    case("cdist", f(2, 3, 4), f(2, 5, 4), batched=2, tol=1e-4),
    case("segment_sum", f(5, 2), np.array([0, 2, 0, 1, 3]), 4, batched=2),
    case("segment_sum", f(5), np.array([0, 0, 1, 3, 3]), batched=2, sorted=True),
    case("segment_sum", i(5, 2), np.array([0, -1, 0, 1, 3]), 3, batched=2),
    case("segment_max", f(5, 2), np.array([0, 2, 0, 1, 3]), 6, batched=2),
    case("segment_max", i(5), np.array([0, 2, 0, 1, 3]), 6, batched=2),
    case("segment_min", f(5, 2), np.array([0, 2, 0, 1, 3]), batched=2),
    case("segment_prod", f(5, 2), np.array([0, 2, 0, 1, 3]), 6, batched=2),
    case("top_k", f(3, 5), 2),
    case("top_k", f(3, 5), 5),
    case("in_top_k", np.array([2, 0, 3]), f(3, 5), 2, batched=2),
    case("in_top_k", np.array([2, 0, 3]), np.ones((3, 5), "float32"), 1, batched=2),
    case("extract_sequences", f(2, 10), 4, 3),
    case("extract_sequences", i(2, 10), 4, 1),
    case("fft", PARTS, batched=2),
    case("fft2", PARTS, batched=2),
    case("ifft2", PARTS, batched=2),
    case("rfft", f(2, 8)),
    case("rfft", f(2, 7), 10),
    case("rfft", f(2, 7), 4),
    case("irfft", PARTS, batched=2),
    case("irfft", PARTS, 11, batched=2),
    case("view_as_complex", f(3, 2)),
    case("stft", SIGNAL, 8, 4, 16, tol=1e-4),
    case("stft", SIGNAL, 8, 4, 8, window="hamming", tol=1e-4),
    case("stft", SIGNAL, 8, 3, 16, window=None, center=False, tol=1e-4),
    case("stft", SIGNAL, 5, 3, 8, window=np.hanning(7)[1:6].astype("float32"), gradient=False, tol=1e-4),
    case("istft", (f(2, 11, 9), f(2, 11, 9)), 8, 4, 16, batched=2, tol=1e-4),
    case("istft", (f(2, 11, 9), f(2, 11, 9)), 8, 4, 16, 30, "hamming", batched=2, tol=1e-4),
]


@pytest.mark.parametrize("name, args, kwargs, batched, gradient, tol", TABLE)
def test_op_is_keras(name, args, kwargs, batched, gradient, tol):
    check(name, args, kwargs, gradient, tol)


@pytest.mark.parametrize("name, args, kwargs, batched, gradient, tol", TABLE)
def test_symbolic_op_is_keras(name, args, kwargs, batched, gradient, tol):
    if batched:
        check_symbolic(name, args, kwargs, batched)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 8), st.integers(1, 4), st.sampled_from(["float32", "int32", "int8", "bool"]), st.data())
def test_segments_are_loops(rows, segments, dtype, data):
    x = i(rows, 2, low=-3, high=4).astype(dtype)
    ids = np.array(data.draw(st.lists(st.integers(-1, segments), min_size=rows, max_size=rows)), "int32")
    if dtype == "bool":
        assert ops.segment_max(x, ids, segments).tolist() == [x[ids == k].any(0).tolist() for k in range(segments)]
        return
    assert ops.segment_sum(x, ids, segments).tolist() == [x[ids == k].sum(0, dtype=x.dtype).tolist() for k in range(segments)]
    lowest = -np.inf if dtype == "float32" else np.iinfo(dtype).min
    assert ops.segment_max(x, ids, segments).tolist() == [x[ids == k].max(0, initial=lowest).tolist() for k in range(segments)]
    highest = np.inf if dtype == "float32" else np.iinfo(dtype).max
    assert ops.segment_min(x, ids, segments).tolist() == [x[ids == k].min(0, initial=highest).tolist() for k in range(segments)]


def test_an_empty_segment_of_integers_has_the_largest_minimum():
    """Keras casts infinity, which gives the smallest int64."""
    assert ops.segment_min(np.array([1, 2]), np.array([0, 0]), 2).tolist() == [1, np.iinfo("int64").max]


@settings(max_examples=30, deadline=None)
@given(st.integers(4, 8), st.integers(1, 4), st.integers(0, 4), st.booleans(), st.sampled_from(["hann", "hamming", None]))
def test_istft_undoes_stft(sequence, stride, extra, center, window):
    """Keras's result is twice the signal without a window, and wrong at the ends without centering."""
    stride = min(stride, sequence // 2)
    x = torch.randn(2, 48, dtype=torch.float64)
    parts = ops.stft(x, sequence, stride, sequence + extra, window, center)
    y = ops.istft(parts, sequence, stride, sequence + extra, None, window, center)
    edge = sequence + extra  # of which windows tell little or nothing
    n = min(x.shape[1], y.shape[1]) - edge
    close(y[:, edge:n], x[:, edge:n], 1e-6)


def test_labels_out_of_range_are_not_among_the_top():
    """Keras's torch backend clips the label."""
    assert ops.in_top_k(np.array([5, -1, 2]), np.array([[1.0, 2.0, 3.0]] * 3), 1).tolist() == [False, False, True]
    assert ops.in_top_k(np.array([0]), np.array([[1.0, 2.0]]), 5).tolist() == [True]
    assert ops.in_top_k(np.array([0]), np.array([[np.nan, 2.0]]), 2).tolist() == [False]


def test_complex_numbers_keep_their_precision():
    z = ops.view_as_complex(np.array([[1.0, 2.0]]))
    assert z.dtype is torch.complex128  # Keras halves it
    assert ops.view_as_real(z).tolist() == [[1.0, 2.0]]
    assert ops.view_as_complex(np.array([[1, 2]])).dtype is torch.complex64


def test_the_number_of_segments_is_not_known():
    x, ids = KerasTensor((5, 3)), KerasTensor((5,), "int32")
    assert ops.segment_sum(x, ids).shape == (None, 3)
    assert ops.segment_sum(x, ids, 4).shape == (4, 3)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: ops.segment_sum(f(3, 2), i(2)), r"segment_ids.shape=\(2,\), data.shape=\(3, 2\)"),
        (lambda: ops.segment_sum(f(3), i(3), -1), r"`num_segments` must not be negative"),
        (lambda: ops.top_k(f(2, 3), 4), r"k=4, x.shape=\(2, 3\)"),
        (lambda: ops.in_top_k(i(2), f(3, 4), 1), r"targets.shape=\(2,\), predictions.shape=\(3, 4\)"),
        (lambda: ops.extract_sequences(f(3), 4, 1), r"sequence_length=4, x.shape=\(3,\)"),
        (lambda: ops.fft((f(3), f(2))), r"\(3,\) and \(2,\)"),
        (lambda: ops.fft(f(2, 3)), r"a pair of tensors"),
        (lambda: ops.stft(f(40), 8, 4, 4), r"fft_length=4, sequence_length=8"),
        (lambda: ops.stft(f(40), 8, 4, 8, "kaiser"), r"`window` must be 'hann', 'hamming'"),
        (lambda: ops.stft(f(40), 8, 4, 8, f(5)), r"window.shape=\(5,\)"),
        (lambda: ops.cdist(f(2, 3), f(2, 4)), r"x.shape=\(2, 3\), y.shape=\(2, 4\)"),
        (lambda: ops.view_as_complex(f(3)), r"x.shape=\(3,\)"),
        (lambda: ops.view_as_real(f(3)), r"x.dtype=float32"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_incomplete_gamma_is_an_integral():
    a, x = np.array([0.5, 1.0, 3.0]), np.array([[0.0], [0.7], [5.0]])
    for row, j in np.ndindex(3, 3):
        root = np.linspace(0, np.sqrt(x[row, 0]), 10_001)  # of the variable, so that the integrand is smooth at 0
        expected = np.trapezoid(2 * root ** (2 * a[j] - 1) * np.exp(-(root**2)), root) / math.gamma(a[j])
        assert float(ops.gammainc(a, x)[row, j]) == pytest.approx(expected, abs=1e-6)
    assert ops.gammainc(KerasTensor((None, 1)), KerasTensor((3,))).shape == (None, 3)
