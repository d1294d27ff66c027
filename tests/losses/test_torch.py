"""Losses of torch, whose arguments stand in torch's order, against torch itself."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import torchkeras
from torchkeras import losses

X = torch.randn(12, 4, generator=torch.Generator().manual_seed(0))
CLASSES = torch.arange(12) % 3
NUMBERS = torch.arange(12.0)[:, None]


class Own(nn.Module):
    def forward(self, input, target):
        return ((input - 2 * target) ** 2).mean()


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(label_smoothing=0.1), F.cross_entropy, nn.NLLLoss()])
@pytest.mark.parametrize("shape", [(12,), (12, 1)])
@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
def test_class_labels(loss, shape, dtype):
    model = torchkeras.Sequential([torchkeras.Input((4,)), torchkeras.layers.Dense(3)])
    model.compile("sgd", loss, metrics=["accuracy", loss])
    expected = loss(model(X), CLASSES).item()
    logs = model.train_on_batch(X.numpy(), CLASSES.numpy().astype(dtype).reshape(shape), return_dict=True)
    assert logs["loss"] == pytest.approx(expected, abs=1e-6)
    assert model.evaluate(X.numpy(), CLASSES.numpy(), verbose=0)[0] == pytest.approx(loss(model(X), CLASSES).item(), abs=1e-6)


@pytest.mark.parametrize("loss", [nn.MSELoss(), nn.SmoothL1Loss(), F.l1_loss, Own(), nn.PoissonNLLLoss()])
def test_numbers(loss):
    model = torchkeras.Sequential([torchkeras.Input((4,)), torchkeras.layers.Dense(1)])
    model.compile("sgd", loss)
    expected = loss(model(X), NUMBERS).item()
    assert model.fit(X, NUMBERS, batch_size=12, verbose=0).history["loss"] == [pytest.approx(expected, rel=1e-5)]


def test_binary_targets_of_any_type():
    model = torchkeras.Sequential([torchkeras.Input((4,)), torchkeras.layers.Dense(1)])
    model.compile("sgd", nn.BCEWithLogitsLoss())
    target = (CLASSES > 0)[:, None]
    expected = F.binary_cross_entropy_with_logits(model(X), target.float()).item()
    for kind in (bool, int, "float32"):
        assert model.evaluate(X, target.numpy().astype(kind), verbose=0) == pytest.approx(expected, abs=1e-6)


def test_functions_in_keras_order_stay():
    seen = []

    def loss(y_true, y_pred):
        seen.append((tuple(y_true.shape), tuple(y_pred.shape)))
        return ((y_true - y_pred) ** 2).mean()

    assert losses.targets_first(loss) is loss
    assert losses.targets_first(losses.MeanSquaredError()).name == "mean_squared_error"
    model = torchkeras.Sequential([torchkeras.Input((4,)), torchkeras.layers.Dense(2)])
    model.compile("sgd", loss)
    model.evaluate(X, np.zeros((12, 2), "float32"), verbose=0)
    assert seen
