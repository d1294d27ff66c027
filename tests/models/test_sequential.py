"""Sequential models: built at once or by the data, changed, wrapped, refused."""

import numpy as np
import pytest
import torch
from torch import nn

import torchkeras as keras
from tests.oracle import keras as oracle
from torchkeras import layers


def test_built_by_an_input_and_by_data():
    built = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(2)])
    assert built.built and built.input_shape == (None, 4) and built.output_shape == (None, 2)
    deferred = keras.Sequential([layers.Dense(3), layers.Dense(2)])
    assert not deferred.built and deferred.weights == []
    with pytest.raises(AttributeError):
        deferred.input_shape
    assert deferred(np.ones((5, 4), "float32")).shape == (5, 2)
    assert deferred.built and len(deferred.weights) == 4 and deferred.input_shape == (None, 4)


@pytest.mark.parametrize(
    "start",
    [
        lambda: [keras.Input((4,))],
        lambda: [layers.InputLayer((4,))],
        lambda: [layers.InputLayer(batch_shape=(None, 4))],
    ],
)
def test_ways_to_give_the_input(start):
    model = keras.Sequential([*start(), layers.Dense(2)])
    assert model.built and model.count_params() == 10 and len(model.layers) == 1


def test_input_shape_and_input_dim_of_keras_2():
    assert keras.Sequential([layers.Dense(2, input_shape=(4,))]).count_params() == 10
    assert keras.Sequential([layers.Dense(2, input_dim=4)]).count_params() == 10


def test_add_and_pop():
    model = keras.Sequential(name="stack")
    model.add(keras.Input((4,)))
    model.add(layers.Dense(3))
    assert model.output_shape == (None, 3)
    model.add(layers.Dense(2, name="last"))
    assert model.output_shape == (None, 2) and len(model.weights) == 4
    assert model.pop().name == "last"
    assert model.output_shape == (None, 3) and len(model.weights) == 2
    assert model(torch.ones(2, 4)).shape == (2, 3)
    model.pop()
    with pytest.raises(ValueError, match="no layer to pop"):
        model.pop()


def test_build_and_layers_and_inputs():
    model = keras.Sequential([layers.Dense(3), layers.Dropout(0.5)])
    model.build((None, 4))
    assert model.built and len(model.layers) == 2 and model.inputs[0].shape == (None, 4)
    inner = keras.Model(model.inputs, model.layers[0].output)
    assert inner(torch.ones(1, 4)).shape == (1, 3)


def test_the_weights_of_a_feature_extractor():
    base = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(2)])
    first = keras.Model(base.input, base.layers[0].output)
    x = torch.randn(2, 4)
    torch.testing.assert_close(first(x), base.layers[0](x))


def test_torch_modules_inside():
    model = keras.Sequential([nn.Linear(4, 3), nn.ReLU(), layers.Dense(2)])
    x = torch.randn(5, 4)
    assert model(x).shape == (5, 2) and len(model.weights) == 4


def test_models_inside():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3)], name="inner")
    outer = keras.Sequential([inner, layers.Dense(2)])
    assert outer.built and outer.output_shape == (None, 2)


def test_errors():
    with pytest.raises(ValueError, match="Wrap a function in a `Lambda` layer"):
        keras.Sequential([lambda x: x])
    with pytest.raises(ValueError, match="`layer` must be a layer. Received: 3"):
        keras.Sequential([3])
    with pytest.raises(ValueError, match="'same' is already there"):
        keras.Sequential([layers.Dense(1, name="same"), layers.Dense(1, name="same")])
    with pytest.raises(ValueError, match="has an Input already"):
        keras.Sequential([keras.Input((1,)), keras.Input((1,))])
    with pytest.raises(ValueError, match="must be the first layer"):
        keras.Sequential([layers.Dense(1), keras.Input((1,))])
    with pytest.raises(ValueError, match="has no layers"):
        keras.Sequential().build((None, 3))
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    with pytest.raises(ValueError, match="expected axis -1 of the input shape to have size 4, found 5"):
        model(torch.ones(2, 5))


def test_config_goes_round_built_and_not():
    for model in (keras.Sequential([keras.Input((4,)), layers.Dense(2)]), keras.Sequential([layers.Dense(2)])):
        copy = keras.Sequential.from_config(model.get_config())
        assert copy.built == model.built and [layer.name for layer in copy.layers] == [layer.name for layer in model.layers]


def test_a_mask_goes_through():
    model = keras.Sequential([keras.Input((5, 3)), layers.Masking(), layers.LSTM(4)])
    x = torch.randn(2, 5, 3)
    x[:, 3:] = 0
    torch.testing.assert_close(model(x), model.layers[1](x[:, :3]))


def test_training_is_passed_on():
    model = keras.Sequential([keras.Input((100,)), layers.Dropout(0.5)])
    x = torch.ones(2, 100)
    assert torch.equal(model(x), x) and not torch.equal(model(x, training=True), x)
    model.train()
    assert not torch.equal(model(x), x) and torch.equal(model(x, training=False), x)


def test_layers_are_read_only():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    with pytest.raises(AttributeError, match="`layers` is read-only: it lists the layers that the model has. Use another attribute name."):
        model.layers = []
    assert len(model.layers) == 1


def test_output_shape_before_it_is_built():
    def run(k):
        model = k.Sequential([k.layers.Dense(4), k.layers.Reshape((2, 2)), k.layers.LSTM(5)])
        return tuple(model.compute_output_shape((None, 3))), model.built

    assert run(keras) == run(oracle) == ((None, 5), False)
