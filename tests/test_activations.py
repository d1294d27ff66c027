"""Activation functions: values, gradients and types against real Keras, every way to name them, and speed-minded paths."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.oracle import keras
from torchkeras import activations, registry
from torchkeras.graph import KerasTensor

theirs = keras.activations
NAMES = [n for n in dir(theirs) if n[0] != "_" and n not in ("get", "serialize", "deserialize")]
ARGUMENTS = {"threshold": [(0.5, 2.0)]}
MORE_ARGUMENTS = {
    "celu": [(0.5,)], "elu": [(0.5,)], "gelu": [(True,)], "glu": [(0,)], "hard_shrink": [(1.0,)], "leaky_relu": [(0.3,)],
    "log_softmax": [(0,), (1,)], "soft_shrink": [(1.0,)], "softmax": [(0,), ((0, 1),)], "sparsemax": [(0,)], "squareplus": [(2,)],
    "relu": [(0.1,), (0.0, 2.0), (0.0, None, 0.5), (0.1, 1.5, 0.25), (-0.1,), (0.0, -1.0), (0.5, None, 1.0)],
}  # fmt: skip
CALLS = [(n, a) for n in NAMES for a in [*ARGUMENTS.get(n, [()]), *MORE_ARGUMENTS.get(n, [])]]


@pytest.mark.parametrize(("name", "arguments"), CALLS, ids=str)
def test_values_and_gradients(name, arguments):
    if name == "sparsemax":
        return
    for x in (
        torch.linspace(-6, 6, 28).reshape(4, 7)[:, :6],
        torch.randn(2, 4, 3, dtype=torch.float64)[:, :, :2],
        torch.tensor([[0.3, -0.7], [1.2, -1.4]]),
    ):
        a, b = (x.clone().requires_grad_() for _ in range(2))
        mine, reference = getattr(activations, name)(a, *arguments), getattr(theirs, name)(b, *arguments)
        torch.testing.assert_close(mine, reference, atol=1e-6, rtol=1e-5)
        weights = torch.arange(mine.numel(), dtype=mine.dtype).reshape(mine.shape)
        gradients = [torch.autograd.grad((y * weights).sum(), v)[0] for y, v in ((mine, a), (reference, b))]
        torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-4)


@settings(max_examples=40, deadline=None)
@given(x=arrays.arrays(np.float32, st.tuples(st.integers(0, 3), st.sampled_from([0, 2, 4])), elements=st.floats(-50, 50, width=32)))
def test_random_arrays(x):
    for name in NAMES:
        if name == "sparsemax" or (x.size == 0 and name == "glu"):
            continue
        arguments = ARGUMENTS.get(name, [()])[0]
        mine, reference = (getattr(module, name)(torch.tensor(x), *arguments) for module in (activations, theirs))
        torch.testing.assert_close(mine, reference, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("sparsemax", "threshold")])
def test_infinities_and_nan(name):
    x = torch.tensor([float("inf"), float("-inf"), float("nan"), 3e38, -3e38, 1e-40])
    torch.testing.assert_close(getattr(activations, name)(x), getattr(theirs, name)(x), equal_nan=True)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float64"])
@pytest.mark.parametrize("name", [n for n in NAMES if n != "sparsemax"])
def test_types(name, dtype):
    x, arguments = torch.tensor([0, 1, 2, 3]).to(getattr(torch, dtype)), ARGUMENTS.get(name, [()])[0]
    if (name, dtype) in {("relu", "bool"), ("relu6", "bool")}:  # computed in the next type that torch has them for
        torch.testing.assert_close(getattr(activations, name)(x, *arguments).bool(), x)
        return
    if (name, dtype) in {("hard_tanh", "bool"), ("hard_tanh", "uint8")}:
        with pytest.raises(RuntimeError):  # no such thing in torch, and it says so
            getattr(activations, name)(x, *arguments)
        return
    mine = getattr(activations, name)(x, *arguments)
    if x.is_floating_point():
        reference = getattr(theirs, name)(x, *arguments)
        torch.testing.assert_close(mine, reference)
    else:  # Keras on torch fails on integers, or lets uint8 wrap around: here they are floats
        torch.testing.assert_close(mine.float(), getattr(theirs, name)(x.float(), *arguments))
        keeps = name in ("relu", "relu6", "hard_tanh", "linear", "threshold")
        assert mine.dtype is torch.float32 or (keeps and mine.dtype is x.dtype)


@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_sparsemax_is_the_projection_onto_the_simplex(axis):
    # Real Keras is wrong here: softmax-like rows of its result do not sum to 1.
    x = torch.randn(5, 6, 4, dtype=torch.float64).mul(2).requires_grad_()
    y = activations.sparsemax(x, axis)
    torch.testing.assert_close(y.sum(axis), torch.ones_like(y.sum(axis)))
    assert (y >= 0).all() and (y == 0).any()
    shift = (x - y).masked_fill(y == 0, float("-inf")).amax(axis, keepdim=True)  # x - y is one number where y > 0, and x less elsewhere
    torch.testing.assert_close(y, (x - shift).clamp(min=0))
    assert torch.autograd.gradcheck(lambda v: activations.sparsemax(v, axis), x)


@pytest.mark.parametrize("name", NAMES)
def test_names_and_configs(name):
    function = getattr(activations, name)
    for spelling in (name, name.upper(), name.title().replace("_", "")):
        assert activations.get(spelling) is function
    short = activations.serialize(function)
    assert short == theirs.serialize(getattr(theirs, name)) and activations.deserialize(short) is function
    long = {"module": "builtins", "class_name": "function", "config": name, "registered_name": name}
    assert activations.get(long) is activations.deserialize(long) is function


def test_get_takes_any_callable():
    module = torch.nn.Hardtanh()
    assert activations.get(None) is activations.linear and activations.get(torch.relu) is torch.relu and activations.get(module) is module
    assert isinstance(activations.get(torch.nn.GELU), torch.nn.GELU)

    def double(x):
        return 2 * x

    assert activations.get(double) is double
    with registry.CustomObjectScope({"double": double}):
        assert activations.get("double") is double and activations.deserialize(activations.serialize(double)) is double
    assert activations.deserialize("double", custom_objects={"double": double}) is double


@pytest.mark.parametrize(("name", "arguments"), CALLS, ids=str)
def test_symbolic(name, arguments):
    x = KerasTensor((None, 4))
    y = getattr(activations, name)(x, *arguments)
    if arguments in ((0,), ((0, 1),)):
        return  # over the batch
    assert y.shape == ((None, 2) if name == "glu" else (None, 4)) and y.dtype == "float32"


def test_results_remember_their_logits():
    x = torch.randn(3, 4)
    for name in ("softmax", "sigmoid"):
        y = getattr(activations, name)(x)
        assert y._keras_logits is x and y._keras_logits_of == name
    assert not hasattr(activations.softmax(x, axis=0), "_keras_logits")


def test_alpha_of_keras_2():
    with pytest.warns(DeprecationWarning, match="`alpha` is the old name of `negative_slope`"):
        assert activations.relu(torch.tensor(-1.0), alpha=0.25, max_value=3).item() == -0.25


@pytest.mark.parametrize("name", NAMES)
def test_traces_whole(name):
    torch.compiler.reset()
    x, arguments = torch.randn(2, 4), ARGUMENTS.get(name, [()])[0]
    compiled = torch.compile(getattr(activations, name), fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x, *arguments), getattr(activations, name)(x, *arguments))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: activations.get("leakyrelu"), "Unknown activation: 'leakyrelu'. Did you mean 'leaky_relu'"),
        (lambda: activations.deserialize("softmaxx"), "Unknown activation: 'softmaxx'. Did you mean 'softmax'"),
        (lambda: activations.get(3), "`activation` must be a name, .* Received: 3 of type int"),
        (lambda: activations.serialize(torch.nn.ReLU()), "it has no `get_config`"),
    ],
)
def test_errors_tell_what_and_why(call, message):
    with pytest.raises(ValueError, match=message):
        call()
