"""Settings that are set after build are honoured at the next call, also where a torch module holds them."""

import numpy as np
import pytest
import torch

import torchkeras
from tests.oracle import keras
from torchkeras import layers

X = np.random.default_rng(0).random((4, 6, 6, 4), dtype="float32")

SETTINGS = {  # the layer, what is set, and to what
    "BatchNormalization.epsilon": (lambda k: k.layers.BatchNormalization(), "epsilon", 3.0),
    "BatchNormalization.momentum": (lambda k: k.layers.BatchNormalization(), "momentum", 0.5),
    "LayerNormalization.epsilon": (lambda k: k.layers.LayerNormalization(), "epsilon", 3.0),
    "GroupNormalization.epsilon": (lambda k: k.layers.GroupNormalization(2), "epsilon", 3.0),
    "RMSNormalization.epsilon": (lambda k: k.layers.RMSNormalization(), "epsilon", 3.0),
    "LeakyReLU.negative_slope": (lambda k: k.layers.LeakyReLU(0.3), "negative_slope", 0.9),
    "ReLU.max_value": (lambda k: k.layers.ReLU(), "max_value", 0.5),
    "ELU.alpha": (lambda k: k.layers.ELU(), "alpha", 0.5),
    "Softmax.axis": (lambda k: k.layers.Softmax(), "axis", 1),
    "Conv2D.strides": (lambda k: k.layers.Conv2D(3, 3, kernel_initializer="ones"), "strides", (2, 2)),
    "Conv2D.strides, padded": (lambda k: k.layers.Conv2D(3, 3, padding="same", kernel_initializer="ones"), "strides", (2, 2)),
    "Conv2D.dilation_rate": (lambda k: k.layers.Conv2D(3, 3, kernel_initializer="ones"), "dilation_rate", (2, 2)),
    "Conv2D.padding": (lambda k: k.layers.Conv2D(3, 3, kernel_initializer="ones"), "padding", "same"),
    "MaxPooling2D.strides": (lambda k: k.layers.MaxPooling2D(2), "strides", (1, 1)),
    "AveragePooling2D.pool_size": (lambda k: k.layers.AveragePooling2D(2), "pool_size", (3, 3)),
}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_set_after_build(name, training):
    make, attribute, value = SETTINGS[name]
    results = []
    for module in (torchkeras, keras):
        layer = make(module)
        layer.build(X.shape)
        setattr(layer, attribute, value)
        flag = {"training": training} if "BatchNorm" in name else {}
        results.append([layer(torch.tensor(X - 0.5), **flag), *(w.value for w in layer.weights)])
    torch.testing.assert_close(*([torch.as_tensor(t).detach().float() for t in r] for r in results), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", [layers.Dropout, layers.SpatialDropout2D, layers.AlphaDropout, layers.GaussianDropout])
def test_a_rate_set_after_build(make):
    layer, x = make(0.5), torch.ones(4, 8, 8, 64)
    assert not torch.equal(layer(x, training=True), x)
    layer.rate = 0.0
    torch.testing.assert_close(layer(x, training=True), x)
    layer.rate = 0.5
    assert not torch.equal(layer(x, training=True), x)
