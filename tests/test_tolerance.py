"""What real Keras takes, we take: programs and calls that both libraries run, with the same results."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import torchkeras as mine
from torchkeras.models.model import Functional

# Private names of the bases that Keras has as well, and that programs read.
_SHARED = {
    "_clear_losses", "_dtype", "_dtype_policy", "_flatten_layers", "_fn_kwargs", "_from_logits", "_get_variable_index", "_inbound_nodes",
    "_iterations",
    "_learning_rate", "_loss_tracker", "_model", "_opt_called", "_path", "_trainable", "_trainable_variables", "_use_weight_decay",
}  # fmt: skip
_TORCH = {*dir(torch.nn.Module), *vars(torch.nn.Module()), *dir(torch.optim.Optimizer)}
_TORCH |= set(vars(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))])))


def _private(names: Any) -> set[str]:
    return {n for n in names if n[:1] == "_" and n[:2] != "__" and n[:4] != "_tk_" and n[:6] != "_keras"} - _TORCH - _SHARED - {"_abc_impl"}


@pytest.mark.parametrize(
    "base",
    [mine.layers.Layer, mine.Model, Functional, mine.Sequential, mine.metrics.Metric, mine.losses.Loss, mine.callbacks.Callback,
     mine.optimizers.Optimizer],
)  # fmt: skip
def test_private_names_are_nobody_elses(base: type) -> None:
    for cls in base.__mro__:
        if cls.__module__.startswith("torchkeras"):
            assert not _private([*vars(cls), *vars(cls).get("__annotations__", {})]), cls


def test_private_attributes_are_nobody_elses() -> None:
    x = mine.Input((3,))
    model = mine.Model(x, mine.layers.Dense(2)(x))
    model.compile("sgd", "mse", metrics=["mae"])
    model.fit(torch.ones(2, 3), torch.ones(2, 2), verbose=0)
    for thing in (model, mine.Sequential([mine.layers.Activation("relu")]), mine.layers.Layer(), mine.losses.MeanSquaredError(),
                  mine.metrics.Mean(), mine.callbacks.Callback(), model.optimizer):  # fmt: skip
        assert not _private(vars(thing)), thing
