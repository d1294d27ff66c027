"""ReversibleEmbedding in both directions against real Keras."""

import numpy as np
import pytest
import torch

import torchkeras
from tests.oracle import keras
from torchkeras import layers

RNG = np.random.default_rng(0)
NUMBERS, STATES = RNG.integers(0, 7, (2, 5)), RNG.normal(size=(2, 5, 3)).astype("float32")


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"tie_weights": False},
        {"logit_soft_cap": 0.5},
        {"reverse_dtype": "float64", "tie_weights": False, "logit_soft_cap": 2.0},
        {"dtype": "mixed_bfloat16"},
        {"dtype": "mixed_bfloat16", "reverse_dtype": "float32"},
    ],
)
def test_both_directions_are_those_of_keras(arguments):
    ours, theirs = layers.ReversibleEmbedding(7, 3, **arguments), keras.layers.ReversibleEmbedding(7, 3, **arguments)
    ours.build((None, 5))
    theirs.build((None, 5))
    weights = [RNG.normal(size=w.shape).astype("float32") for w in theirs.weights]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    grads = []
    for layer in (ours, theirs):
        back = layer(torch.from_numpy(STATES), reverse=True)
        assert layer(torch.from_numpy(NUMBERS)).dtype == (torch.bfloat16 if "dtype" in arguments else torch.float32)
        values = [w if layer is ours else w.value for w in layer.trainable_weights]
        grads.append((back, *torch.autograd.grad(back.double().cos().sum(), values, allow_unused=True)))
    for a, b in zip(*grads, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            assert a.dtype in (b.dtype, torch.float64)  # Keras's matmul of float64 gives float32 on torch
            tolerance = 3e-2 if ours.compute_dtype == "bfloat16" else 1e-5
            np.testing.assert_allclose(a.detach().double().numpy(), b.detach().double().numpy(), rtol=tolerance, atol=tolerance)


def language_model(k, **arguments):
    table = k.layers.ReversibleEmbedding(7, 3, mask_zero=True, name="table", **arguments)
    inputs = k.layers.Input((5,), dtype="int32")
    x = k.layers.LSTM(3, return_sequences=True)(table(inputs))
    return k.Model(inputs, table(x, reverse=True))


@pytest.mark.parametrize("arguments", [{}, {"tie_weights": False, "logit_soft_cap": 3.0}])
def test_a_language_model_with_it_at_both_ends_goes_through_files_both_ways(tmp_path, arguments):
    for writer, reader in ((torchkeras, keras), (keras, torchkeras)):
        written = language_model(writer, **arguments)
        assert tuple(written.outputs[0].shape) == (None, 5, 7)
        written.save(tmp_path / "m.keras")
        read = reader.saving.load_model(tmp_path / "m.keras")
        a, b = (model(torch.from_numpy(NUMBERS)).detach().numpy() for model in (written, read))
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_the_mask_goes_with_the_numbers_only():
    layer = layers.ReversibleEmbedding(7, 3, mask_zero=True)
    mask = layer(torch.from_numpy(NUMBERS))._keras_mask
    np.testing.assert_array_equal(mask.numpy(), NUMBERS != 0)
    assert getattr(layer(torch.from_numpy(STATES), reverse=True), "_keras_mask", None) is None


def test_lora_works_in_both_directions():
    layer = layers.ReversibleEmbedding(7, 3)
    layer.build()
    layer.enable_lora(2)
    layer.lora_embeddings_b.assign(RNG.normal(size=(2, 3)))
    table = layer(torch.arange(7))
    torch.testing.assert_close(layer(torch.from_numpy(STATES), reverse=True), torch.from_numpy(STATES) @ table.t())
