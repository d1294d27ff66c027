"""Every op of `keras.ops.numpy` against real Keras: values, types, gradients, symbolic shapes."""

import inspect
import warnings

import numpy as np
import pytest
import torch

import torchkeras.ops.numpy as ops
from tests.oracle import keras
from torchkeras import dtypes
from torchkeras.graph import KerasTensor

from .cases import CASES

TABLE = [pytest.param(name, args, kwargs, id=f"{name}-{n}") for name, calls in CASES.items() for n, (args, kwargs) in enumerate(calls)]
# Where Keras on its torch backend is wrong and NumPy is the oracle.
KERAS_IS_WRONG = {
    **{f"{name}-8": "keepdims=True without an axis is lost" for name in "sum prod max min amax amin ptp nanprod".split()},
    **{f"count_nonzero-{n}": "the axes that are left come out in another order" for n in (1, 2)},
    "nextafter-0": "the step is taken in float64 and rounded away",
    "nextafter-1": "likewise",
    "nextafter-2": "likewise",
    "nextafter-3": "likewise",
    "nextafter-4": "likewise",
    "average-2": "weights of another axis than the last do not broadcast",
    "average-3": "weights without an axis leave an axis",
    "pad-0": "one number pads the last axis only",
    "pad-4": "one pair pads the last axis only",
    "pad-5": "one number pads the last axis only",
}
# torch has no derivative of the functions that Keras calls; ours have one, or are not differentiable.
KERAS_HAS_NO_GRADIENT = {"heaviside", "floor_divide", "bincount", "histogram", "unique", "nextafter", "vander"}
# Outputs that are not tensors (`ndim`, `size`), or that never take symbolic tensors.
EAGER_ONLY = {"ndim", "size", "array"}


def map_arrays(fn, nest):
    if isinstance(nest, (np.ndarray, np.generic)):
        return fn(nest)
    if isinstance(nest, (list, tuple)):
        return type(nest)(map_arrays(fn, v) for v in nest)
    return {k: map_arrays(fn, v) for k, v in nest.items()} if isinstance(nest, dict) else nest


def tensors(nest, grad=False):
    made = []

    def make(array):
        tensor = torch.tensor(array)
        if grad and tensor.is_floating_point():
            tensor.requires_grad_()
        made.append(tensor)
        return tensor

    return map_arrays(make, nest), made


def flat(result):
    return list(result) if isinstance(result, (list, tuple)) else [result]


def run_keras(name, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return flat(getattr(keras.ops.numpy, name)(*args, **kwargs))


def loss(outputs):
    """A number to which each finite output contributes by another weight."""
    weighted = [torch.where(torch.isfinite(t), t, 0) * torch.arange(1, t.numel() + 1).reshape(t.shape) for t in outputs if t.requires_grad]
    return sum(w.sum() for w in weighted)


@pytest.mark.parametrize("name, args, kwargs", TABLE)
def test_values_types_and_gradients_are_keras(request, name, args, kwargs):
    (mine_args, mine_kwargs), mine_inputs = tensors((args, kwargs), grad=True)
    (their_args, their_kwargs), their_inputs = tensors((args, kwargs), grad=True)
    mine = flat(getattr(ops, name)(*mine_args, **mine_kwargs))
    if request.node.callspec.id in KERAS_IS_WRONG:
        theirs = [torch.tensor(getattr(np, name)(*args, **kwargs), dtype=m.dtype) for m in mine]
    else:
        theirs = run_keras(name, *their_args, **their_kwargs)
    assert len(mine) == len(theirs)
    for m, t in zip(mine, theirs):
        if not isinstance(m, torch.Tensor):
            assert m == t
            continue
        assert m.shape == t.shape
        assert m.dtype == t.dtype
        np.testing.assert_allclose(m.detach().float().numpy(), t.detach().float().numpy(), rtol=2e-5, atol=2e-6)
    if name in KERAS_HAS_NO_GRADIENT or not any(getattr(t, "requires_grad", False) for t in theirs):
        return
    loss(mine).backward()
    loss(theirs).backward()
    for m, t in zip(mine_inputs, their_inputs):
        assert (m.grad is None) == (t.grad is None)
        if m.grad is not None:
            np.testing.assert_allclose(m.grad.numpy(), t.grad.numpy(), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name, args, kwargs", [p for p in TABLE if p.values[0] not in EAGER_ONLY])
def test_symbolic_calls_know_the_shape_and_type(name, args, kwargs):
    (eager_args, eager_kwargs), inputs = tensors((args, kwargs))
    if not inputs:
        return
    eager = flat(getattr(ops, name)(*eager_args, **eager_kwargs))
    fixed_args, fixed_kwargs = map_arrays(lambda a: KerasTensor(a.shape, a.dtype.name), (args, kwargs))
    if name in ("repeat", "unique", "bincount") and fixed_kwargs.keys() != {"size"} and not isinstance(args[-1], int):
        return  # their shapes depend on values
    for symbol, tensor in zip(flat(getattr(ops, name)(*fixed_args, **fixed_kwargs)), eager, strict=True):
        assert symbol.shape == tuple(tensor.shape)
        assert symbol.dtype == dtypes.standardize_dtype(tensor.dtype)


# Symbolic calls with an unknown first size in which Keras tells something else, or guesses, and why.
SYMBOLS_DIFFER = {
    "eager types, which Keras's own symbolic ones contradict": "gcd-1 lcm-1 clip-1 select-1 searchsorted-0 searchsorted-1 searchsorted-3 "
    "unique-1 unique-2 unique-3 unique-6 unique-7",
    "shapes that Keras gets wrong": "rot90-2 vstack-1 kron-2 slogdet-0 slogdet-1 corrcoef-0 corrcoef-1 corrcoef-2",
    "an unknown size must be another argument's, which is not looked up": "average-1 cross-2 trapezoid-1 full-2",
}
DIFFER = {case for cases in SYMBOLS_DIFFER.values() for case in cases.split()}


@pytest.mark.parametrize("name, args, kwargs", [p for p in TABLE if p.values[0] not in EAGER_ONLY and p.id not in DIFFER])
def test_symbolic_calls_of_unknown_sizes_are_keras(name, args, kwargs):
    def call(module, symbol):
        made = map_arrays(lambda a: symbol((None, *a.shape[1:]) if a.ndim else (), a.dtype.name), (args, kwargs))
        return [(tuple(t.shape), t.dtype) for t in flat(getattr(module, name)(*made[0], **made[1]))]

    if not tensors((args, kwargs))[1]:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = call(keras.ops.numpy, keras.KerasTensor)
    except (AttributeError, IndexError, NotImplementedError, TypeError, ValueError):  # Keras cannot say: nothing to compare
        return
    assert call(ops, KerasTensor) == theirs


@pytest.mark.parametrize(
    "name, args, kwargs", [p for p in TABLE if p.values[0] not in {"unique", "bincount", "ndim", "size"} and p.id != "repeat-2"]
)
def test_results_stay_on_the_device_of_the_arguments(name, args, kwargs):
    # Tensors of device `meta` do not mix with those of another: an accelerator's stand-in.
    made = map_arrays(lambda a: torch.empty(a.shape, dtype=getattr(torch, a.dtype.name), device="meta"), (args, kwargs))
    if tensors((args, kwargs))[1]:
        assert {t.device.type for t in flat(getattr(ops, name)(*made[0], **made[1]))} == {"meta"}


@pytest.mark.slow
@pytest.mark.parametrize("name, args, kwargs", [p for p in TABLE if p.id.endswith(("-0", "-1"))])
def test_every_op_traces_whole(name, args, kwargs):
    torch._dynamo.reset()
    (args, kwargs), _ = tensors((args, kwargs))
    fn = getattr(ops, name)
    compiled = torch.compile(lambda a, k: fn(*a, **k), fullgraph=True, backend="eager")
    for traced, eager in zip(flat(compiled(args, kwargs)), flat(fn(*args, **kwargs)), strict=True):
        torch.testing.assert_close(traced, eager, equal_nan=True)


def parameters(module, name):
    return [(p.name, p.kind, p.default) for p in inspect.signature(getattr(module, name)).parameters.values()]


@pytest.mark.parametrize("name", [n for n in dir(keras.ops.numpy) if n[0].islower() and callable(getattr(keras.ops.numpy, n))])
def test_the_names_and_parameters_are_keras(name):
    assert parameters(ops, name) == parameters(keras.ops.numpy, name)
