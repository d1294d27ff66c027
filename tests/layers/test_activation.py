"""Activation layers beyond the table: masks, any function, old spellings and messages."""

from __future__ import annotations

import pytest
import torch

from torchkeras import layers


def test_a_masked_softmax_is_zero_outside():
    y = layers.Softmax()(torch.randn(2, 4), mask=torch.tensor([[1.0, 1, 0, 0], [0, 0, 0, 0]]))
    torch.testing.assert_close(y.sum(-1), torch.tensor([1.0, 0.0]))
    assert (y[0, 2:] == 0).all()


def test_any_activation_is_a_layer():
    x = torch.randn(2, 3)
    torch.testing.assert_close(layers.Activation(torch.tanh)(x), torch.tanh(x))
    inner = layers.Activation(torch.nn.PReLU())
    assert len(list(inner.parameters())) == 1
    assert layers.Dense(2, activation=layers.LeakyReLU())(x).shape == (2, 2)


def test_old_spellings():
    with pytest.warns(DeprecationWarning, match="old name of `negative_slope`"):
        layer = layers.LeakyReLU(alpha=0.2)
    assert layer.negative_slope == 0.2
    assert layers.Flatten(input_shape=[28, 28])._tk_input_shape_arg == (None, 28, 28)
    assert layers.Dense(3, input_dim=4)._tk_input_shape_arg == (None, 4)
    assert layers.Embedding(5, 3, input_length=7)._tk_input_shape_arg == (None, 7)
    assert layers.Convolution2D is layers.Conv2D


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.LeakyReLU(negative_slope=-1), "`negative_slope` must be a number that is not negative"),
        (lambda: layers.PReLU(name="m").build((None, None, 3)), "layer 'm' must have known sizes along the axes that `shared_axes`"),
        (lambda: layers.Softmax(name="m")(torch.ones(2, 3), mask=torch.ones(2, 4)), "`mask` must broadcast to the inputs of the layer 'm'"),
        (lambda: layers.Activation("reluu"), "relu"),
    ],
)
def test_what_does_not_fit_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
