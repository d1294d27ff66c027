"""Keys of `state_dict()`: names that were given, else places in the model; and weights against plain torch."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import torchkeras as keras
from tests.oracle import keras as real
from torchkeras import layers


def sequential():
    return keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dropout(0.1), layers.Dense(3, name="head"), layers.Dense(2)])


def functional():
    x = keras.Input((4,))
    return keras.Model(x, layers.Dense(2)(layers.Add()([layers.Dense(4)(x), sequential_block()(x)])))


def sequential_block():
    return keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.BatchNormalization()])


@pytest.mark.parametrize("make", [sequential, functional])
def test_two_models_of_the_same_code_have_the_same_keys(make):
    layers.Dense(7)  # moves the counter of the process
    a, b = make(), make()
    assert list(a.state_dict()) == list(b.state_dict())
    b.load_state_dict(a.state_dict())
    assert all(np.array_equal(x, y) for x, y in zip(a.get_weights(), b.get_weights(), strict=True))


def test_keys_are_given_names_and_places():
    assert [k.partition(".")[0] for k in sequential().state_dict()][::2] == ["dense", "head", "dense_2"]
    late = keras.Sequential([layers.Dense(3), layers.Dense(2, name="dense")])
    assert list(late._modules) == ["dense_", "dense"]


@pytest.mark.parametrize(
    "clone",
    [copy.deepcopy, keras.models.clone_model, lambda m: keras.Model.from_config(m.get_config()) if type(m) is not keras.Sequential
     else keras.Sequential.from_config(m.get_config())],
    ids=["deepcopy", "clone_model", "from_config"],
)  # fmt: skip
@pytest.mark.parametrize("make", [sequential, functional])
def test_copies_have_the_keys_of_the_model(make, clone):
    layers.Dense(3)
    model = make()
    assert list(clone(model).state_dict()) == list(model.state_dict())


def test_a_file_keeps_the_keys_and_real_keras_reads_it(tmp_path):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="dense_5"), layers.Dense(2)])
    model.save(tmp_path / "m.keras")
    assert list(keras.models.load_model(tmp_path / "m.keras").state_dict()) == list(model.state_dict())
    theirs = real.models.load_model(tmp_path / "m.keras")
    x = np.ones((1, 4), "float32")
    np.testing.assert_allclose(theirs.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5)


def test_weights_without_a_name_have_stable_keys():
    class Own(layers.Layer):
        def build(self, input_shape):
            self.ws = [self.add_weight((2,)), self.add_weight((3,))]

    first, second = Own(), Own()
    first.build((1, 2)), second.build((1, 2))
    assert list(first.state_dict()) == list(second.state_dict()) and len(first.weights) == 2


def test_what_a_torch_user_puts_on_a_layer_is_its_own():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(2))
            self.more = nn.ParameterList([nn.Parameter(torch.ones(2))])
            self.register_buffer("shift", torch.zeros(2))

        def call(self, x):
            return x * self.scale * self.more[0] + self.shift

    model = Own()
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 2), "float32"), np.zeros((4, 2), "float32"), verbose=0)
    assert (model.scale != 1).all() and (model.more[0] != 1).all()
    assert len(model.weights) == 3 and len(model.trainable_weights) == 2 and model.count_params() == 6
