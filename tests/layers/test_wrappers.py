"""Wrapper and TimeDistributed against real Keras."""

import pickle

import numpy as np
import pytest
import torch

from tests.oracle import keras
from torchkeras import layers
from torchkeras.graph import KerasTensor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4, 6, 2)).astype("float32")


def pair(make, x, **kwargs):
    ours, theirs = layers.TimeDistributed(make(layers)), keras.layers.TimeDistributed(make(keras.layers))
    ours(x, **kwargs)
    theirs(x, **kwargs)
    weights = [np.abs(RNG.normal(size=w.shape)).astype("float32") for w in theirs.weights]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    return ours, theirs


@pytest.mark.parametrize(
    "make",
    [
        lambda m: m.Dense(3),
        lambda m: m.Conv1D(3, 2),
        lambda m: m.Flatten(),
        lambda m: m.LSTM(3),
        lambda m: m.BatchNormalization(),
        lambda m: m.Dropout(0.5),
        lambda m: m.TimeDistributed(m.Dense(2)),
    ],
)
def test_parity(make):
    ours, theirs = pair(make, X)
    np.testing.assert_allclose(ours(X).detach(), theirs(X).detach(), atol=1e-5)
    assert ours.compute_output_shape((None, None, 6, 2)) == theirs.compute_output_shape((None, None, 6, 2))
    assert ours(KerasTensor((None, 4, 6, 2))).shape == theirs.compute_output_shape((None, 4, 6, 2))


def test_gradients():
    ours, theirs = pair(lambda m: m.Dense(3), X)
    grads = torch.autograd.grad(ours(X).square().sum(), ours.trainable_weights)
    reference = torch.autograd.grad(theirs(X).square().sum(), [w.value for w in theirs.trainable_weights])
    for a, b in zip(grads, reference):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_batch_normalization_in_training_sees_one_step_at_a_time():
    ours, theirs = pair(lambda m: m.BatchNormalization(), X, training=True)
    np.testing.assert_allclose(ours(X, training=True).detach(), theirs(X, training=True).detach(), atol=1e-5)
    for a, b in zip(ours.get_weights(), theirs.get_weights()):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_user_layers_see_one_step_at_a_time():
    class Centred(layers.Layer):
        def call(self, inputs):
            return inputs - inputs.mean(0)

    y = layers.TimeDistributed(Centred())(X)
    np.testing.assert_allclose(y, X - X.mean(0), atol=1e-6)
    y = layers.TimeDistributed(layers.Lambda(lambda t: t - t.mean(0)))(X)
    np.testing.assert_allclose(y, X - X.mean(0), atol=1e-6)


def test_masks():
    mask = torch.tensor(RNG.integers(0, 2, size=(3, 4, 6)), dtype=torch.bool)
    ours, theirs = pair(lambda m: m.LSTM(3), X, mask=mask)
    np.testing.assert_allclose(ours(X, mask=mask).detach(), theirs(X, mask=mask).detach(), atol=1e-5)
    x = torch.tensor(X)
    x._keras_mask = mask[:, :, 0]
    y = layers.TimeDistributed(layers.LSTM(3))(x)  # a mask of whole steps goes past the layer
    assert y._keras_mask is x._keras_mask
    x._keras_mask = mask
    assert torch.equal(layers.TimeDistributed(layers.LSTM(3))(x)._keras_mask, mask.any(-1))
    assert torch.equal(layers.TimeDistributed(layers.LSTM(3, return_sequences=True))(x)._keras_mask, mask)
    with pytest.raises(ValueError, match="`mask` of the layer .* must start with the axes"):
        layers.TimeDistributed(layers.Dense(3))(X, mask=mask[:, :2])


def test_config_and_copies():
    ours, theirs = (m.TimeDistributed(m.Dense(3, name="d"), name="t") for m in (layers, keras.layers))
    assert ours.get_config() == theirs.get_config()
    y = ours(X)
    theirs(X)
    assert [w.path for w in ours.weights] == [w.path for w in theirs.weights]
    again = layers.TimeDistributed.from_config(ours.get_config())
    again.build(X.shape)
    again.set_weights(ours.get_weights())
    assert torch.equal(again(X), y)
    assert torch.equal(pickle.loads(pickle.dumps(ours))(X), y)
    ours, theirs = (m.Wrapper(m.Dense(3, name="d"), name="t") for m in (layers, keras.layers))
    assert ours.get_config() == theirs.get_config()


def test_a_torch_module_as_the_layer():
    module = torch.nn.Linear(2, 3)
    np.testing.assert_allclose(layers.TimeDistributed(module)(X).detach(), module(torch.tensor(X)).detach(), atol=1e-6)


def test_compiles_in_one_graph():
    layer = layers.TimeDistributed(layers.Dense(3))
    y = layer(X)
    torch.compiler.reset()
    assert torch.equal(torch.compile(layer, fullgraph=True, backend="eager")(torch.tensor(X)), y)


def test_bad_arguments():
    with pytest.raises(ValueError, match="`layer` must be a layer. Received: 3"):
        layers.TimeDistributed(3)
    with pytest.raises(ValueError, match="at least three axes"):
        layers.TimeDistributed(layers.Dense(2))(X[:, :, 0, 0])
