"""Regularizers: values, gradients, configs and names against real Keras."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.oracle import keras
from torchkeras import regularizers
from torchkeras.variable import Variable, WeightView

theirs = keras.regularizers
CASES = [
    ("L1", {}), ("L2", {}), ("L1L2", {}), ("L1", {"l1": 0.3}), ("L2", {"l2": 0.2}), ("L1L2", {"l1": 0.1}), ("L1L2", {"l2": 0.1}),
    ("L1L2", {"l1": 0.1, "l2": 0.2}), ("OrthogonalRegularizer", {}), ("OrthogonalRegularizer", {"factor": 0.5, "mode": "columns"}),
]  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(x=arrays.arrays(np.float32, st.tuples(st.integers(2, 5), st.integers(2, 4)), elements=st.floats(-9, 9, width=16)))
@pytest.mark.parametrize(("name", "arguments"), CASES, ids=str)
def test_values_and_gradients(name, arguments, x):
    results = []
    for module in (regularizers, theirs):
        v = torch.tensor(x + 0.1).requires_grad_()
        penalty = getattr(module, name)(**arguments)(v)
        results.append((penalty, *torch.autograd.grad(penalty, v)) if penalty.requires_grad else (penalty, torch.zeros_like(v)))
    torch.testing.assert_close(*results, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("name", "arguments"), CASES, ids=str)
def test_types_and_edges(name, arguments):
    mine, reference = getattr(regularizers, name)(**arguments), getattr(theirs, name)(**arguments)
    for dtype in (torch.bfloat16, torch.float64):
        x = torch.randn(4, 3).to(dtype)
        assert mine(x).dtype is dtype
        torch.testing.assert_close(mine(x), reference(x).to(dtype), atol=1e-6, rtol=1e-2)
    torch.testing.assert_close(mine(torch.tensor([[1, -2], [3, 4]])), reference(torch.tensor([[1.0, -2], [3, 4]])))
    for x in (torch.zeros(2, 0), torch.zeros(0, 2), torch.ones(1, 1)):
        assert mine(x).isfinite()
    for bad in (float("nan"), float("inf")):
        assert not arguments or mine(torch.tensor([[bad, 1.0], [1.0, 2.0]])).isnan() or name != "OrthogonalRegularizer"


def test_one_row_has_no_pair():
    # Keras divides by zero here.
    assert regularizers.OrthogonalRegularizer()(torch.ones(1, 3)).item() == 0


def test_weights_of_both_kinds():
    linear, penalty = torch.nn.Linear(3, 2), regularizers.L2(0.5)
    view, variable = WeightView(linear, "weight"), Variable(np.ones((2, 2), "float32"))
    torch.testing.assert_close(penalty(view), 0.5 * linear.weight.square().sum())
    assert penalty(variable).item() == 2 and torch.autograd.grad(penalty(view), [view])[0].shape == (2, 3)


@pytest.mark.parametrize(("name", "arguments"), CASES, ids=str)
def test_config_is_kerass(name, arguments):
    config, reference = (m.serialize(getattr(m, name)(**arguments)) for m in (regularizers, theirs))
    assert {**config, "config": None} == {**reference, "config": None}
    for key, value in reference["config"].items():  # Keras's L1 stores its factor rounded to float32
        assert config["config"].pop(key) == (pytest.approx(value) if isinstance(value, float) else value)
    assert not config["config"]
    mine = getattr(regularizers, name)(**arguments)
    assert regularizers.get(regularizers.serialize(mine)).get_config() == mine.get_config()
    theirs.deserialize(regularizers.serialize(mine))


def test_names():
    for name in ("l1", "l2", "l1_l2", "l1l2", "L1", "L2", "L1L2", "orthogonal_regularizer", "OrthogonalRegularizer"):
        assert type(regularizers.get(name)).__name__.lower() == name.replace("_", "").lower()
    for alias in ("l1", "l2", "l1_l2", "orthogonal_regularizer"):
        assert getattr(regularizers, alias).__name__ == getattr(theirs, alias).__name__

    def double(w):
        return 2 * w.sum()

    assert regularizers.get(double) is double and regularizers.get(None) is None
    assert isinstance(regularizers.get(regularizers.L1), regularizers.L1)
    assert isinstance(regularizers.get({"class_name": "L1L2", "config": {"l1": 0.1, "l2": 0.2}}), regularizers.L1L2)
    assert regularizers.L1(None).l1 == 0.01 and regularizers.L1L2(None, 0.1).get_config() == {"l1": 0.0, "l2": 0.1}
    assert regularizers.Regularizer()(torch.ones(2)).item() == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: regularizers.get("l1l3"), "Unknown regularizer: 'l1l3'. Did you mean 'l1l2'"),
        (lambda: regularizers.get(3), "`regularizer` must be a name, .* Received: 3 of type int"),
        (lambda: regularizers.L1("a"), "`l1` must be a number that is not negative. Received: l1='a'"),
        (lambda: regularizers.L2(-1.0), "`l2` must be a number that is not negative. Received: l2=-1.0"),
        (lambda: regularizers.L2(float("nan")), "`l2` must be a number"),
        (lambda: regularizers.OrthogonalRegularizer(mode="x"), "`mode` must be 'rows' or 'columns'"),
        (lambda: regularizers.OrthogonalRegularizer()(torch.ones(3)), r"`x` must be a matrix .* Received: shape \(3,\)"),
    ],
)
def test_errors_tell_what_and_why(call, message):
    with pytest.raises(ValueError, match=message):
        call()
