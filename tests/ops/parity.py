"""One call of an op against real Keras: values, types, gradients, and the symbolic shape for an unknown batch size."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from tests.oracle import keras
from torchkeras import dtypes
from torchkeras import ops as mine
from torchkeras.graph import KerasTensor

rng = np.random.default_rng(11)


def f(*shape: int, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    """Floats, evenly distributed."""
    return rng.uniform(low, high, shape).astype("float32")


def i(*shape: int, low: int = 0, high: int = 4, dtype: str = "int32") -> np.ndarray:
    """Integers from `low` up to, and without, `high`."""
    return rng.integers(low, high, shape).astype(dtype)


def case(name: str, *args: Any, batched: int = 1, gradient: bool = True, tol: float = 2e-5, **kwargs: Any) -> Any:
    """A row of a table: the call, how many of its arrays have the batch as first axis, and what to compare."""
    note = ",".join(f"{k}={v}" for k, v in kwargs.items() if not isinstance(v, np.ndarray))
    shapes = "x".join(str(a.shape).replace(" ", "") + a.dtype.kind for a in args if isinstance(a, np.ndarray))
    return pytest.param(name, args, kwargs, batched, gradient, tol, id=f"{name}-{shapes}-{note}".replace("/", "_")[:110])


def find(namespace: Any, name: str) -> Callable:
    for part in name.split("."):
        namespace = getattr(namespace, part)
    return namespace


def flat(result: Any) -> list[Any]:
    return [t for r in result for t in flat(r)] if isinstance(result, (list, tuple)) else [result]


def convert(nest: Any, fn: Callable) -> Any:
    if isinstance(nest, np.ndarray):
        return fn(nest)
    return type(nest)(convert(v, fn) for v in nest) if isinstance(nest, (list, tuple)) else nest


def run(namespace: Any, name: str, args: Any, kwargs: dict[str, Any]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """The outputs, and the floating inputs, which require gradients."""
    inputs = []

    def tensor(array: np.ndarray) -> torch.Tensor:
        made = torch.tensor(array)
        if made.is_floating_point():
            inputs.append(made.requires_grad_())
            return made.clone()  # Keras changes some of its arguments in place, which leaves of the graph do not allow
        return made

    with warnings.catch_warnings():
        if namespace is keras.ops:
            warnings.simplefilter("ignore")
        return flat(find(namespace, name)(*convert(args, tensor), **{k: convert(v, tensor) for k, v in kwargs.items()})), inputs


def number(outputs: list[torch.Tensor]) -> torch.Tensor:
    """To which every element contributes by another weight."""
    total = torch.zeros(())
    for t in outputs:
        if t.requires_grad:
            t = torch.view_as_real(t) if t.is_complex() else t
            total = total + (torch.where(t.isfinite(), t, 0) * torch.linspace(0.5, 1.5, t.numel()).reshape(t.shape)).sum()
    return total


def close(a: torch.Tensor, b: torch.Tensor, tol: float) -> None:
    assert tuple(a.shape) == tuple(b.shape)
    np.testing.assert_allclose(_array(a), _array(b), rtol=tol, atol=tol)


def _array(t: torch.Tensor) -> np.ndarray:
    t = t.detach()
    return (t.float() if t.dtype is torch.bfloat16 else t).resolve_conj().numpy()


def check(name: str, args: Any, kwargs: dict[str, Any], gradient: bool = True, tol: float = 2e-5) -> None:
    """Values, types and gradients are Keras's."""
    (ours, our_inputs), (theirs, their_inputs) = run(mine, name, args, kwargs), run(keras.ops, name, args, kwargs)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs):
        assert a.dtype == b.dtype
        close(a, b, tol)
    if gradient and any(t.requires_grad for t in theirs):
        number(ours).backward()
        number(theirs).backward()
        for a, b in zip(our_inputs, their_inputs):
            assert (a.grad is None) == (b.grad is None)
            if a.grad is not None:
                close(a.grad, b.grad, 5 * tol)


def check_symbolic(name: str, args: Any, kwargs: dict[str, Any], batched: int, keras_fails: bool = False) -> None:
    """Shapes for an unknown batch are Keras's (where it fails: the eager ones), types those of the eager call.

    Keras's own symbolic types often contradict what it computes.
    """

    def symbols(make: Callable) -> Any:
        left = [batched]

        def symbol(array: np.ndarray) -> Any:
            left[0] -= 1
            return make((None, *array.shape[1:]), array.dtype.name) if left[0] >= 0 else array

        return convert(args, symbol)

    eager = run(mine, name, args, kwargs)[0]
    ours = flat(find(mine, name)(*symbols(KerasTensor), **kwargs))
    if keras_fails:
        expected = [(None, *t.shape[1:]) for t in eager]
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = [tuple(t.shape) for t in flat(find(keras.ops, name)(*symbols(keras.KerasTensor), **kwargs))]
    assert [t.shape for t in ours] == expected
    assert [t.dtype for t in ours] == [dtypes.standardize_dtype(t.dtype) for t in eager]
