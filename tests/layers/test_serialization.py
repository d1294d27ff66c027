"""`layers.serialize` and `layers.deserialize`."""

from __future__ import annotations

import pytest
import torch

from tests.oracle import keras
from torchkeras import initializers, layers


class Scale(layers.Layer):
    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs):
        return inputs * self.factor


def test_layers_go_to_keras_and_back():
    layer = layers.Conv2D(3, 2, activation="relu", name="c")
    data = layers.serialize(layer)
    real = keras.layers.deserialize(data)
    assert (real.filters, real.kernel_size, real.name) == (3, (2, 2), "c")
    again = layers.deserialize(keras.layers.serialize(real))
    assert type(again) is layers.Conv2D
    assert again.get_config() == layer.get_config()


def test_own_layers_are_found_by_name():
    data = layers.serialize(Scale(3.0, name="s"))
    again = layers.deserialize(data, custom_objects={"Scale": Scale})
    assert again(torch.ones(1)).tolist() == [3.0]


def test_other_objects_are_refused():
    with pytest.raises(ValueError, match="`config` must describe a layer"):
        layers.deserialize(layers.serialize(initializers.Zeros()))
