"""Merging, reshaping and activation layers beyond the table: masks against Keras, messages, old spellings."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.oracle import keras
from torchkeras import layers

RNG = np.random.default_rng(0)
A, B = (RNG.normal(size=(2, 4, 3)).astype("float32") for _ in range(2))
MASKS = [np.array([[1, 1, 0, 0], [1, 1, 1, 0]], bool), np.array([[1, 0, 1, 0], [1, 1, 1, 1]], bool)]


def _masked(array: np.ndarray, mask: np.ndarray | None) -> torch.Tensor:
    x = torch.from_numpy(array.copy())
    if mask is not None:
        x._keras_mask = torch.from_numpy(mask)
    return x


@pytest.mark.parametrize("name", ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"])
@pytest.mark.parametrize("which", [(0, 1), (0, None), (None, 1), (None, None)], ids=str)
def test_masks_merge_as_in_keras(name, which):
    masks = [None if i is None else MASKS[i] for i in which]
    outputs = [getattr(m, name)()([_masked(A, masks[0]), _masked(B, masks[1])]) for m in (layers, keras.layers)]
    np.testing.assert_allclose(outputs[0].numpy(), outputs[1].numpy(), atol=1e-6)
    mine, real = (getattr(y, "_keras_mask", None) for y in outputs)
    assert (mine is None) == (real is None)
    if mine is not None:
        np.testing.assert_array_equal(mine.numpy(), real.numpy())


def test_concatenated_steps_keep_their_masks():
    y = layers.Concatenate(axis=1)([_masked(A, MASKS[0]), _masked(B, None)])
    np.testing.assert_array_equal(y._keras_mask.numpy(), np.concatenate([MASKS[0], np.ones((2, 4), bool)], 1))


def test_functions_are_their_layers():
    x, y = torch.from_numpy(A), torch.from_numpy(B)
    expected = {"add": x + y, "subtract": x - y, "multiply": x * y, "average": (x + y) / 2, "maximum": torch.maximum(x, y)}
    for name, value in {**expected, "minimum": torch.minimum(x, y), "concatenate": torch.cat([x, y], -1)}.items():
        torch.testing.assert_close(getattr(layers, name)([x, y]), value)
    torch.testing.assert_close(layers.dot([x, y], axes=2), x @ y.transpose(1, 2))
    assert layers.add([layers.Input((3,)), layers.Input((3,))]).shape == (None, 3)


def test_whole_numbers_stay_whole():
    x = torch.tensor([[1, 2]])
    assert layers.Add()([x, x]).dtype is torch.int64
    assert layers.Add()([layers.Input((2,), dtype="int32")] * 2).dtype == "int32"
    assert layers.Flatten()(layers.Input((2, 3), dtype="int32")).dtype == "int32"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Add(name="m")(torch.ones(2, 3)), "layer 'm' must be called on a list of inputs"),
        (lambda: layers.Subtract(name="m")([torch.ones(2, 3)] * 3), "layer 'm' takes 2 inputs. Received: 3"),
        (lambda: layers.Add(name="m")([torch.ones(2, 3), torch.ones(2, 4)]), "inputs of the layer 'm' must have shapes that broadcast"),
        (lambda: layers.Add(name="m")([torch.ones(2, 3), torch.ones(3, 3)]), "inputs of the layer 'm' must have one batch size"),
        (lambda: layers.Concatenate(name="m")([torch.ones(2, 3, 1), torch.ones(2, 4, 1)]), "'m' must agree along every axis but -1"),
        (lambda: layers.Concatenate(axis=3, name="m")([torch.ones(2, 3)] * 2), "`axis` among them"),
        (lambda: layers.Dot(axes=1, name="m")([torch.ones(2, 3), torch.ones(2, 4)]), "'m' must have one size along `axes`"),
        (lambda: layers.Dot(axes=0, name="m")([torch.ones(2, 3), torch.ones(2, 3)]), "`axes` must be axes of the inputs"),
        (lambda: layers.Reshape((4,), name="m")(torch.ones(2, 3)), "must hold the 3 numbers of each sample in the layer 'm'"),
        (lambda: layers.Reshape((-1, -1)), "`target_shape` must be sizes, at most one of them -1"),
        (lambda: layers.Permute((0, 1)), "`dims` must hold each of 1, 2, … once"),
        (lambda: layers.RepeatVector(0), "`n` must be a positive integer"),
        (lambda: layers.ZeroPadding2D((1, 2, 3)), "`padding` must be an int, 2 of them, or 2 pairs"),
        (lambda: layers.Cropping2D(2, name="m")(torch.ones(1, 4, 8, 1)), "`cropping` must leave something of the input of the layer 'm'"),
        (lambda: layers.UpSampling2D(interpolation="cubic"), "`interpolation` must be one of 'nearest', 'bilinear'"),
        (lambda: layers.LeakyReLU(negative_slope=-1), "`negative_slope` must be a number that is not negative"),
        (lambda: layers.PReLU(name="m").build((None, None, 3)), "layer 'm' must have known sizes along the axes that `shared_axes`"),
        (lambda: layers.Softmax(name="m")(torch.ones(2, 3), mask=torch.ones(2, 4)), "`mask` must broadcast to the inputs of the layer 'm'"),
        (lambda: layers.Activation("reluu"), "relu"),
    ],
)
def test_what_does_not_fit_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_rejected_list_leaves_the_layer_unbuilt():
    layer = layers.Add()
    with pytest.raises(ValueError, match="broadcast"):
        layer([torch.ones(2, 3), torch.ones(2, 4)])
    assert not layer.built
    assert layer([torch.ones(2, 3), torch.ones(2, 3)]).sum() == 12


def test_old_spellings():
    with pytest.warns(DeprecationWarning, match="old name of `negative_slope`"):
        layer = layers.LeakyReLU(alpha=0.2)
    assert layer.negative_slope == 0.2
    assert layers.Flatten(input_shape=[28, 28])._input_shape_arg == (None, 28, 28)
    assert layers.Dense(3, input_dim=4)._input_shape_arg == (None, 4)
    assert layers.Embedding(5, 3, input_length=7)._input_shape_arg == (None, 7)
    assert layers.Convolution2D is layers.Conv2D


def test_empty_batches():
    assert layers.Flatten()(torch.ones(0, 2, 3)).shape == (0, 6)
    assert layers.Reshape((-1,))(torch.ones(0, 2, 3)).shape == (0, 6)


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
