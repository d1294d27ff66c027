"""Merging beyond the table: masks against Keras, types and messages."""

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
