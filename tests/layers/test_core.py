"""Dense, Embedding, Masking and InputLayer beyond the table."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tests.oracle import keras
from torchkeras import layers
from torchkeras.graph import KerasTensor


class Adapter(nn.Module):
    """What a LoRA tool puts in the place of a linear module."""

    def __init__(self, inner: nn.Linear) -> None:
        super().__init__()
        self.inner = inner
        self.added = nn.Parameter(torch.ones(inner.out_features))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x) + self.added


def test_a_module_that_replaces_the_linear_of_a_dense_layer_is_used():
    layer = layers.Dense(3, activation="relu")
    x = torch.randn(2, 4)
    before = layer(x)
    layer.linear = Adapter(layer.linear)
    torch.testing.assert_close(layer(x), torch.relu(layer.linear.inner(x) + 1))
    assert not torch.equal(layer(x), before)


def test_a_convolution_replaced_in_place_is_used():
    layer = layers.Conv2D(3, 2)
    layer(torch.randn(1, 4, 4, 2))
    layer.conv = nn.Conv2d(2, 3, 1)
    assert layer(torch.randn(1, 4, 4, 2)).shape == (1, 4, 4, 3)


def test_dense_checks_its_input():
    layer = layers.Dense(3, name="head")
    layer(torch.ones(2, 4))
    with pytest.raises(ValueError, match="layer 'head' is incompatible with it: expected axis -1 .* to have size 4, found 5"):
        layer(torch.ones(2, 5))
    with pytest.raises(ValueError, match="expected min_ndim=2, found ndim=1"):
        layer(torch.ones(4))
    with pytest.raises(ValueError, match="`units` must be a positive integer. Received: units=0"):
        layers.Dense(0)
    with pytest.raises(ValueError, match="The last axis of the input of the layer 'head' must be known"):
        layers.Dense(3, name="head").build((None, None))
    with pytest.raises(ValueError, match="`quantization_config` must be None"):
        layers.Dense(3, quantization_config={"mode": "int8"})


@pytest.mark.parametrize(
    ("layer", "x", "weight"),
    [
        (lambda L: L.Dense(3), np.random.default_rng(0).normal(size=(2, 4)).astype("float32"), "kernel"),
        (lambda L: L.Embedding(5, 3), np.array([[1, 4, 0]]), "embeddings"),
        (lambda L: L.Conv2D(3, 2), np.random.default_rng(0).normal(size=(2, 4, 4, 2)).astype("float32"), "kernel"),
    ],
    ids=["Dense", "Embedding", "Conv2D"],
)
def test_lora_trains_the_factors_alone_and_files_hold_the_merged_weight(layer, x, weight):
    ours, theirs = layer(layers), layer(keras.layers)
    ours(x), theirs(x)
    ours.enable_lora(2, lora_alpha=4.0)
    theirs.enable_lora(2, lora_alpha=4.0)
    assert [w.name for w in ours.trainable_weights] == [w.name for w in theirs.trainable_weights]
    assert [w.name for w in ours.weights] == [w.name for w in theirs.weights]
    getattr(ours, f"lora_{weight}_b").assign(torch.ones(getattr(ours, f"lora_{weight}_b").shape))
    theirs.set_weights(ours.get_weights())
    expected = theirs(x).detach().numpy()
    np.testing.assert_allclose(ours(x).detach().numpy(), expected, atol=1e-5)

    mine, real = {}, {}
    ours.save_own_variables(mine)
    theirs.save_own_variables(real)
    assert mine.keys() == real.keys()
    for key in mine:
        np.testing.assert_allclose(mine[key], np.asarray(real[key].detach() if hasattr(real[key], "detach") else real[key]), atol=1e-6)
    ours.load_own_variables(mine)
    np.testing.assert_allclose(ours(x).detach().numpy(), expected, atol=1e-5)
    with pytest.raises(ValueError, match="has LoRA adapters already"):
        ours.enable_lora(2)


def test_lora_alpha_scales_the_product_and_bad_uses_are_refused():
    layer = layers.Dense(3, lora_rank=2, lora_alpha=6.0, name="d")
    x = torch.randn(2, 4)
    layer(x)
    layer.lora_kernel_b.assign(torch.ones(2, 3))
    torch.testing.assert_close(layer(x), layer.linear(x) + 3 * (x @ layer.lora_kernel_a @ layer.lora_kernel_b))
    assert layer.get_config()["lora_alpha"] == 6.0
    with pytest.raises(ValueError, match="needs the weights of the layer 'd', which is not built"):
        layers.Dense(3, name="d").enable_lora(2)
    constrained = layers.Dense(3, kernel_constraint="non_neg")
    constrained(x)
    with pytest.raises(ValueError, match="Remove `kernel_constraint`"):
        constrained.enable_lora(2)


def test_embedding_masks_zeros_and_takes_weights():
    table = np.arange(6, dtype="float32").reshape(3, 2)
    layer = layers.Embedding(3, 2, mask_zero=True, weights=[table])
    y = layer(np.array([[1.0, 0.0, 2.0]]))
    np.testing.assert_array_equal(y.detach().numpy()[0], table[[1, 0, 2]])
    assert y._keras_mask.tolist() == [[True, False, True]]
    assert isinstance(layer.embedding, nn.Embedding)
    assert not hasattr(layers.Embedding(3, 2)(np.array([[1, 0]])), "_keras_mask")
    with pytest.raises(ValueError, match="`input_dim` must be a positive integer. Received: input_dim=0 of type int"):
        layers.Embedding(0, 2)


def test_embedding_computes_in_its_policy():
    layer = layers.Embedding(600, 2, dtype="mixed_bfloat16")
    y = layer(torch.tensor([[513.0]]))  # not representable in bfloat16
    assert y.dtype is torch.bfloat16
    torch.testing.assert_close(y[0, 0], layer.embedding.weight[513].bfloat16())


def test_masking_marks_steps_that_hold_something():
    x = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]]])
    y = layers.Masking()(x)
    assert y._keras_mask.tolist() == [[False, True, False]]
    y = layers.Masking(mask_value=1.0)(torch.tensor([[[1.0, 1.0], [1.0, 2.0]]]))
    assert y.tolist() == [[[0.0, 0.0], [1.0, 2.0]]]


def test_input_makes_a_tensor_of_an_input_layer():
    x = layers.Input((3, None), batch_size=4, dtype="int32", name="x")
    assert isinstance(x, KerasTensor)
    assert (x.shape, x.dtype, x.name) == ((4, 3, None), "int32", "x")
    layer = x._keras_history.operation
    assert isinstance(layer, layers.InputLayer)
    assert layer.output is x
    assert layer.get_config() == keras.Input((3, None), batch_size=4, dtype="int32", name="x")._keras_history.operation.get_config()
    assert layers.Input(16).shape == (None, 16)
    assert layers.Input(batch_shape=(2, 5)).shape == (2, 5)
    assert layers.InputLayer(input_shape=[8]).output.shape == (None, 8)
    assert layers.Input((2,), optional=True)._keras_history.operation.optional
    y = layers.Dense(2)(layers.Input((3,)))
    assert layers.Input(tensor=y) is y


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "`Input` needs `shape`, without the batch axis, or `batch_shape`. Received: shape=None, batch_shape=None"),
        ({"shape": (2,), "batch_shape": (1, 2)}, "`Input` needs `shape`"),
        ({"batch_size": 3, "batch_shape": (1, 2)}, "`batch_size` is part of `batch_shape`"),
        ({"shape": (-2,)}, "`shape` must not have negative sizes"),
        ({"shape": (2,), "sparse": True}, "`sparse` and `ragged` tensors do not exist"),
        ({"tensor": 3}, "`tensor` must be a symbolic tensor. Received: 3 of type int"),
    ],
)
def test_input_refuses(arguments, message):
    with pytest.raises(ValueError, match=message.replace("(", "\\(")):
        layers.Input(**arguments)
