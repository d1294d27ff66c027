"""SpectralNormalization against real Keras and a singular value decomposition."""

import numpy as np
import pytest
import torch
from torch.utils.checkpoint import checkpoint

from torchkeras import Sequential, layers

X = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 6)).astype("float32"))


def norm(kernel):
    return torch.linalg.matrix_norm(kernel.value.reshape(-1, kernel.shape[-1]), 2).item()


@pytest.mark.parametrize(
    "inner, x",
    [
        (lambda: layers.Dense(5), X),
        (lambda: layers.Conv2D(3, 2), torch.randn(2, 5, 5, 2)),
        (lambda: layers.Embedding(7, 3), torch.randint(0, 7, (2, 4))),
    ],
)
def test_the_largest_singular_value_becomes_one(inner, x):
    layer = layers.SpectralNormalization(inner(), power_iterations=50)
    assert layer(x).dtype == torch.float32  # of an Embedding too, whose output Keras casts to the integers of its input
    layer.kernel.assign(layer.kernel.numpy() * 20)
    layer(x)
    assert norm(layer.kernel) > 1.5  # inference changes nothing
    layer(x, training=True)
    assert norm(layer.kernel) == pytest.approx(1.0, rel=1e-3)


def test_power_iteration_goes_on_from_call_to_call_and_zeros_stay():
    layer = layers.SpectralNormalization(layers.Dense(5))
    for _ in range(100):
        layer(X, training=True)
    assert norm(layer.kernel) == pytest.approx(1.0, rel=1e-3)
    before = layer.vector_u.numpy()
    layer.kernel.assign(np.zeros((6, 5)))
    layer(X, training=True)
    np.testing.assert_array_equal(layer.kernel.numpy(), 0)
    np.testing.assert_array_equal(layer.vector_u.numpy(), before)


def test_the_kernel_is_one_parameter_that_trains():
    model = Sequential([layers.SpectralNormalization(layers.Dense(8, activation="relu")), layers.Dense(1)])
    model.compile("adam", "mse")
    losses = model.fit(X.numpy(), X.numpy()[:, :1], epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert len(list(model.parameters())) == len(model.trainable_weights) == 4
    model.layers[0].trainable = False
    assert len(model.trainable_weights) == 2


def test_a_recomputation_moves_nothing():
    layer = layers.SpectralNormalization(layers.Dense(5))
    layer(X)
    out = checkpoint(lambda x: layer(x, training=True), X.clone().requires_grad_(), use_reentrant=False)
    before = layer.get_weights()
    out.sum().backward()
    for a, b in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="`power_iterations` must be a positive integer"):
        layers.SpectralNormalization(layers.Dense(2), power_iterations=0)
    with pytest.raises(ValueError, match="`layer` must have a weight called `kernel` or `embeddings`"):
        layers.SpectralNormalization(layers.ReLU()).build((None, 3))
