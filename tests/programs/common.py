"""Runs one program with Keras and with torchkeras, from the same weights and on the same data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import torchkeras as mine
from tests.oracle import keras


def numbered(model: Any, seed: int = 0) -> Any:
    """Gives every weight of a model numbers that depend on its place and shape alone; states of random generators stay."""
    draw = np.random.default_rng(seed)
    for weight in model.weights:
        value = draw.normal(size=tuple(weight.shape)) * 0.2
        if "variance" in weight.name or "gamma" in weight.name:
            value = np.abs(value) + 1
        if "seed" not in weight.name and "count" not in weight.name:
            weight.assign(value)
    return model


def numbers(seed: int, *shape: int) -> np.ndarray:
    """An array of numbers from 0 to 1."""
    return np.random.default_rng(seed).random(shape).astype("float32")


def plain(value: Any) -> Any:
    """A nest of results as a nest of arrays."""
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, torch.Tensor):
        return value.detach().numpy()
    return value.numpy() if hasattr(value, "numpy") else value


def same(ours: Any, theirs: Any, where: str = "result") -> None:
    """Fails where two nests of results differ by more than rounding."""
    if isinstance(theirs, dict):
        assert sorted(ours) == sorted(theirs), where
        for name in theirs:
            same(ours[name], theirs[name], f"{where}[{name!r}]")
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs), where
        for i, (one, other) in enumerate(zip(ours, theirs)):
            same(one, other, f"{where}[{i}]")
    elif isinstance(theirs, (str, bool, type(None))):
        assert ours == theirs, where
    else:
        np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=2e-4, err_msg=where)


def agree(program: Callable[[Any], Any]) -> None:
    """Runs a program with both libraries; its results must be the same."""
    results = []
    for library in (mine, keras):
        library.backend.clear_session()
        results.append(plain(program(library)))
    same(*results)


def apply_gradients(optimizer: Any, loss: torch.Tensor, model: Any) -> None:
    """One step of a hand-written loop, as Keras's guides for torch write it."""
    model.zero_grad()
    loss.backward()
    with torch.no_grad():
        optimizer.apply([w.value.grad for w in model.trainable_weights], model.trainable_weights)
