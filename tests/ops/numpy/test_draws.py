"""Elementwise, binary and reducing ops against real Keras on drawn types, shapes and values, edge values included."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import torchkeras.ops.numpy as ops
from torchkeras import dtypes
from torchkeras.graph import KerasTensor

from .cases import BITS, COMPARE, CUMULATIVE, FLOAT_BINARY, FLOAT_UNARY, PLACES, POSITIVE_UNARY, REDUCE, SAME_BINARY, UNIT_UNARY
from .test_parity import flat, run_keras

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32"]
INTEGERS = DTYPES[:6]
# Keras casts 64-bit types to 32 bits in some functions, on torch where they exist: 2**40 becomes 0. torchkeras keeps them.
NARROW = {"int64": "int32", "float64": "float32"}
TOLERANCE = {torch.float16: 2e-3, torch.bfloat16: 2e-2}
TESTS = "isnan isinf isfinite isposinf isneginf logical_not signbit".split()
UNARY = sorted({*FLOAT_UNARY, *POSITIVE_UNARY, *UNIT_UNARY, *TESTS, "arccosh", "absolute", "sign", "square", "nan_to_num", "trunc", "copy"})
BINARY = sorted({*FLOAT_BINARY, *SAME_BINARY, *COMPARE, *BITS, "floor_divide", "mod", "fmod", "power", "gcd", "lcm"} - {"nextafter"})
# In these alone Keras takes a Python number for a float32 tensor: float16 with 1.5 gives float32. Ours are weak everywhere.
STRONG_NUMBERS = {"arctan2", "heaviside", "hypot", "logaddexp", "logaddexp2"}
quick = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
thorough = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def tensors(draw, shape, dtypes=DTYPES):
    dtype = draw(st.sampled_from(dtypes))
    if "float" in dtype:
        elements = st.one_of(st.floats(-4, 4, width=16), st.sampled_from([float("nan"), float("inf"), -float("inf"), 0.0, -0.0]))
        values = draw(hnp.arrays("float32", shape, elements=elements))
    else:
        low, high = (0, 1) if dtype == "bool" else (0, 5) if dtype == "uint8" else (-5, 5)
        values = draw(hnp.arrays("int64", shape, elements=st.integers(low, high)))
    return torch.tensor(values).to(getattr(torch, dtype))


shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
# No tensors without axes: Keras leaves them to torch, where they hardly count for the type; see test_a_number_in_a_tensor_counts.
pairs = hnp.mutually_broadcastable_shapes(num_shapes=2, min_dims=1, max_dims=3, min_side=0, max_side=3).map(lambda s: s.input_shapes)
numbers = st.sampled_from([True, 2, -3, 0, 1.5, -0.25])


def agree(name, *args, **kwargs):
    """Ours is what Keras gives: values, shape and type but for kept 64 bits; and an error only where Keras has one."""
    try:
        theirs = run_keras(name, *args, **kwargs)
    except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError):
        return
    mine = flat(getattr(ops, name)(*args, **kwargs))
    for m, t in zip(mine, theirs, strict=True):
        assert tuple(m.shape) == tuple(t.shape)
        types = [dtypes.standardize_dtype(x.dtype) for x in (m, t)]
        assert NARROW.get(types[0], types[0]) == NARROW.get(types[1], types[1])
        tolerance = TOLERANCE.get(m.dtype, 1e-5)
        np.testing.assert_allclose(m.to(torch.float64).numpy(), t.to(torch.float64).numpy(), rtol=tolerance, atol=tolerance)
    symbolic = [KerasTensor(a.shape, a.dtype) if isinstance(a, torch.Tensor) else a for a in args]
    for m, s in zip(mine, flat(getattr(ops, name)(*symbolic, **kwargs)), strict=True):
        assert s.shape == tuple(m.shape)
        assert s.dtype == dtypes.standardize_dtype(m.dtype)


def unary(name, data):
    agree(name, data.draw(tensors(data.draw(shapes))))


def binary(name, data):
    types = INTEGERS if name in {*BITS, "gcd", "lcm"} else DTYPES
    first, second = data.draw(pairs)
    x1, x2 = data.draw(tensors(first, types)), data.draw(st.one_of(tensors(second, types), numbers))
    if isinstance(x2, float) and (types is INTEGERS or name in STRONG_NUMBERS):
        x2 = 3
    if name == "heaviside" and x1.dtype is torch.bool:  # Keras: bool of two bools, float32 of a bool and an integer
        x1 = x1.to(torch.int32)
    agree(name, x1, x2)


def reduction(name, data):
    x = data.draw(tensors(data.draw(shapes)))
    axis = data.draw(st.one_of(st.none(), st.integers(-x.ndim, x.ndim - 1) if x.ndim else st.none()))
    if name not in PLACES + CUMULATIVE and x.ndim and data.draw(st.booleans()):
        axis = data.draw(st.permutations(range(x.ndim)).map(lambda p: tuple(p[: max(1, len(p) - 1)])))
    # Keras takes infinities for the greatest finite numbers in one family, and the median of infinities for NaN.
    if name.startswith(("nancum", "median", "nanmedian")) and x.is_floating_point():
        x = torch.where(torch.isinf(x), 1, x)
    if "prod" in name and x.dtype is torch.int64:  # whose products Keras truncates
        x = x.to(torch.int32)
    arguments = {"axis": axis}
    # Keras loses `keepdims` without an axis, and axes of count_nonzero: see KERAS_IS_WRONG.
    if name not in (*CUMULATIVE, "count_nonzero") and axis is not None:
        arguments["keepdims"] = data.draw(st.booleans())
    if name == "count_nonzero" and x.ndim > 2:
        arguments["axis"] = None
    agree(name, x, **arguments)


FAMILIES = [(unary, n) for n in UNARY] + [(binary, n) for n in BINARY] + [(reduction, n) for n in REDUCE + PLACES + CUMULATIVE]
parametrize = pytest.mark.parametrize("family, name", FAMILIES, ids=lambda v: v if isinstance(v, str) else v.__name__)


@parametrize
def test_drawn_calls_are_keras(family, name):
    quick(given(st.data())(lambda data: family(name, data)))()


@pytest.mark.slow
@parametrize
def test_many_drawn_calls_are_keras(family, name):
    thorough(given(st.data())(lambda data: family(name, data)))()
