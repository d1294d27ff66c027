"""Copies by pickle, `torch.save` and deepcopy: the graph goes with its model, memory is shared where torch's copies share it."""

import copy
import gc
import io
import pickle
import weakref

import pytest
import torch

import torchkeras as keras
from torchkeras import layers


def saved(model):
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


COPIES = [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m)), saved]
copied = pytest.mark.parametrize("clone", COPIES, ids=["deepcopy", "pickle", "torch.save"])


def functional():
    x = keras.Input((4,))
    hidden = layers.Dense(3, name="hidden", kernel_regularizer="l2")(x)
    return keras.Model(x, layers.Dense(2)(keras.ops.tanh(hidden) + hidden))


@copied
def test_the_graph_goes_with_the_model(clone):
    model = functional()
    twin = clone(model)
    x = torch.ones(2, 4)
    part, theirs = (keras.Model(m.input, m.get_layer("hidden").output) for m in (twin, model))
    torch.testing.assert_close(part(x), theirs(x))
    assert part.get_layer("hidden") is twin.get_layer("hidden") is not model.get_layer("hidden")
    torch.testing.assert_close(twin.losses[0], model.losses[0])
    assert not {p.data_ptr() for p in twin.parameters()} & {p.data_ptr() for p in model.parameters()}
    assert keras.Model(model.input, model.get_layer("hidden").output)(x).shape == (2, 3)  # the original is as it was


@copied
def test_a_copied_sequential_grows_and_shrinks(clone):
    twin = clone(keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(2)]))
    twin.add(layers.Dense(5))
    assert twin(torch.ones(1, 4)).shape == (1, 5)
    twin.pop()
    twin.pop()
    assert twin(torch.ones(1, 4)).shape == (1, 3) and twin.layers[0].output.shape == (None, 3)


@copied
def test_tied_weights_stay_tied(clone):
    a, b = layers.Dense(4), layers.Dense(4)
    model = keras.Sequential([keras.Input((4,)), a, b])
    b.kernel = a.kernel
    assert len(model.weights) == 3 and model.count_params() == 24 and len(list(model.parameters())) == 3
    twin = clone(model).double()
    assert len(twin.weights) == 3 and twin.layers[0].linear.weight is twin.layers[1].linear.weight


def test_a_deleted_model_is_freed():
    model = functional()
    model.compile("adam", "mse")
    model.fit(torch.ones(4, 4), torch.ones(4, 2), verbose=0)
    assert len(model.weights) == 4
    dead = weakref.ref(model)
    del model
    gc.collect()
    assert dead() is None
