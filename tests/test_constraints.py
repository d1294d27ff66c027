"""Constraints: values, configs and names against real Keras."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.oracle import keras
from torchkeras import constraints
from torchkeras.variable import TRANSPOSED, WeightView

theirs = keras.constraints
CASES = [
    ("NonNeg", {}), ("MaxNorm", {}), ("MaxNorm", {"max_value": 0.5, "axis": 1}), ("MaxNorm", {"axis": [0, 1]}), ("UnitNorm", {}),
    ("UnitNorm", {"axis": -1}), ("UnitNorm", {"axis": (0, 1)}), ("MinMaxNorm", {}),
    ("MinMaxNorm", {"min_value": 0.5, "max_value": 1.5, "rate": 0.5, "axis": 1}),
]  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(w=arrays.arrays(np.float32, st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 2)), elements=st.floats(-9, 9, width=16)))
@pytest.mark.parametrize(("name", "arguments"), CASES, ids=str)
def test_values(name, arguments, w):
    mine, reference = (getattr(m, name)(**arguments)(torch.tensor(w)) for m in (constraints, theirs))
    torch.testing.assert_close(mine, reference, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(("name", "arguments"), CASES, ids=str)
def test_types_and_edges(name, arguments):
    mine, reference = getattr(constraints, name)(**arguments), getattr(theirs, name)(**arguments)
    for dtype in (torch.bfloat16, torch.float16, torch.float64):
        w = torch.randn(4, 3).to(dtype)
        torch.testing.assert_close(mine(w), reference(w).to(dtype), atol=1e-2, rtol=1e-2)  # Keras's NonNeg loses float64
    for w in (torch.zeros(2, 3), torch.tensor([[float("nan"), float("inf"), -1.0]])):
        torch.testing.assert_close(mine(w), reference(w), equal_nan=True)


def test_axes_are_those_of_the_keras_layout():
    linear = torch.nn.Linear(3, 2)
    kernel = WeightView(linear, "weight", TRANSPOSED)
    kernel.assign(constraints.UnitNorm(axis=0)(kernel))
    torch.testing.assert_close(linear.weight.detach().norm(dim=1), torch.ones(2), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("name", "arguments"), CASES, ids=str)
def test_config_is_kerass(name, arguments):
    mine = getattr(constraints, name)(**arguments)
    config = constraints.serialize(mine)
    assert config == theirs.serialize(getattr(theirs, name)(**arguments))
    assert constraints.get(config).get_config() == theirs.deserialize(config).get_config() == mine.get_config()


def test_names():
    for name in ("max_norm", "min_max_norm", "non_neg", "unit_norm", "MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm", "maxnorm", "nonneg"):
        assert type(constraints.get(name)).__name__.lower() == name.replace("_", "").lower()
    for alias in ("max_norm", "min_max_norm", "non_neg", "unit_norm"):
        assert getattr(constraints, alias).__name__ == getattr(theirs, alias).__name__
    assert constraints.get(abs) is abs and constraints.get(None) is None
    assert isinstance(constraints.get(constraints.NonNeg), constraints.NonNeg)
    w = torch.randn(2)
    assert constraints.Constraint()(w) is w


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: constraints.get("non_negg"), "Unknown constraint: 'non_negg'. Did you mean 'non_neg'"),
        (lambda: constraints.get(3), "`constraint` must be a name, .* Received: 3 of type int"),
        (lambda: constraints.MaxNorm("a"), "`max_value` must be a number at least 0. Received: max_value='a'"),
        (lambda: constraints.MinMaxNorm(-1), "`min_value` must be a number at least 0"),
    ],
)
def test_errors_tell_what_and_why(call, message):
    with pytest.raises(ValueError, match=message):
        call()
