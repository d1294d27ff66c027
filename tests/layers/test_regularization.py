"""The statistics of noise layers, their seeds, and the penalties."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from tests.oracle import keras
from torchkeras import layers

ONES = torch.ones(200, 30, 40)


def test_dropout_is_torchs_module_and_follows_the_mode():
    layer = layers.Dropout(0.3)
    assert isinstance(layer.dropout, nn.Dropout)
    assert layer(ONES) is ONES
    y = layer(ONES, training=True)
    assert (y == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)
    torch.testing.assert_close(y.max(), torch.tensor(1 / 0.7))
    layer.train()
    assert (layer(ONES) == 0).any()
    assert layer(ONES, training=False).min() == 1
    assert layer.training


@pytest.mark.parametrize("seed", [None, 5])
def test_noise_shape_drops_whole_axes(seed):
    y = layers.Dropout(0.4, noise_shape=(None, 1, 40), seed=seed)(ONES, training=True)
    assert (y == y[:, :1]).all()
    assert (y == 0).float().mean().item() == pytest.approx(0.4, abs=0.03)


@pytest.mark.parametrize("seed", [None, 5])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_spatial_dropout_drops_channels(rank, seed):
    layer = getattr(layers, f"SpatialDropout{rank}D")(0.5, seed=seed)
    y = layer(torch.ones(200, *(3,) * rank, 40), training=True).reshape(200, -1, 40)
    assert (y == y[:, :1]).all()
    assert (y == 0).float().mean().item() == pytest.approx(0.5, abs=0.03)
    assert y.max() == 2


@pytest.mark.parametrize("seed", [None, 5])
def test_gaussian_noise_and_dropout_have_their_moments(seed):
    y = layers.GaussianNoise(0.5, seed=seed)(ONES, training=True)
    assert y.mean().item() == pytest.approx(1.0, abs=0.01)
    assert y.std().item() == pytest.approx(0.5, abs=0.01)
    y = layers.GaussianDropout(0.2, seed=seed)(2 * ONES, training=True)
    assert y.mean().item() == pytest.approx(2.0, abs=0.01)
    assert y.std().item() == pytest.approx(2 * (0.2 / 0.8) ** 0.5, abs=0.02)


@pytest.mark.parametrize("seed", [None, 5])
def test_alpha_dropout_keeps_mean_and_variance(seed):
    x = torch.randn(200, 30, 40)
    y = layers.AlphaDropout(0.3, seed=seed)(x, training=True)
    assert y.mean().item() == pytest.approx(0.0, abs=0.01)
    assert y.std().item() == pytest.approx(1.0, abs=0.01)
    y = layers.AlphaDropout(0.3, noise_shape=(None, 1, None), seed=seed)(x, training=True)
    lowest = y.min(1).values == y.max(1).values
    assert lowest.float().mean().item() == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("name", ["Dropout", "GaussianDropout", "AlphaDropout", "GaussianNoise", "SpatialDropout1D"])
def test_a_seed_repeats_the_draws_and_its_steps_differ(name):
    first, second = (getattr(layers, name)(0.5, seed=3) for _ in range(2))
    a, b = first(ONES, training=True), first(ONES, training=True)
    assert not torch.equal(a, b)
    torch.manual_seed(9)
    assert torch.equal(second(ONES, training=True), a)
    assert torch.equal(copy.deepcopy(second)(ONES, training=True), b)
    assert torch.equal(second(ONES, training=True), b)
    assert first.weights == []


def test_gradients_pass_what_is_kept():
    x = torch.randn(50, 4, requires_grad=True)
    y = layers.Dropout(0.5, seed=1)(x, training=True)
    y.sum().backward()
    torch.testing.assert_close(x.grad, 2.0 * (y != 0).float())


def test_activity_regularization_adds_its_penalty():
    layer = layers.ActivityRegularization(l1=0.1, l2=0.01)
    x = torch.randn(4, 3)
    assert layer(x) is x
    real = keras.layers.ActivityRegularization(l1=0.1, l2=0.01)
    real(x)
    torch.testing.assert_close(layer.losses[0], real.losses[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Dropout(1.5), "`rate` must be a number from 0 to 1. Received: rate=1.5"),
        (lambda: layers.Dropout("half"), "`rate` must be a number from 0 to 1. Received: rate='half'"),
        (lambda: layers.GaussianDropout(1), "`rate` must be a number from 0 to below 1"),
        (lambda: layers.Dropout(0.5, noise_shape="abc"), "`noise_shape` must be a tuple of positive integers and None"),
        (lambda: layers.Dropout(0.5, noise_shape=(0, 1)), "`noise_shape` must be a tuple"),
        (lambda: layers.Dropout(0.5, noise_shape=(3, 2))(torch.ones(3, 5), training=True), "`noise_shape` must have 1, None or its size"),
        (lambda: layers.GaussianNoise(-1), "`stddev` must be a number from 0 to 1. Received: stddev=-1"),
        (lambda: layers.Dropout(0.5, seed="a"), "`seed` must be a whole number or None"),
        (lambda: layers.SpatialDropout2D(0.5, name="s")(torch.ones(2, 3)), "layer 's' is incompatible with it: expected ndim=4"),
    ],
)
def test_what_does_not_fit_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_masks_pass_through():
    x = torch.randn(2, 4, 3)
    x._keras_mask = mask = torch.ones(2, 4, dtype=torch.bool)
    for layer in (layers.Dropout(0.5), layers.GaussianNoise(0.1), layers.SpatialDropout1D(0.5), layers.ReLU(), layers.LayerNormalization()):
        assert layer(x, training=True)._keras_mask is mask
    assert np.isfinite(layers.Dropout(1.0)(x, training=True).numpy()).all()
