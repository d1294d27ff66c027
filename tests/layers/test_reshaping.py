"""Reshaping beyond the table: empty batches and messages."""

from __future__ import annotations

import pytest
import torch

from torchkeras import layers


def test_empty_batches():
    assert layers.Flatten()(torch.ones(0, 2, 3)).shape == (0, 6)
    assert layers.Reshape((-1,))(torch.ones(0, 2, 3)).shape == (0, 6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Reshape((4,), name="m")(torch.ones(2, 3)), "must hold the 3 numbers of each sample in the layer 'm'"),
        (lambda: layers.Reshape((-1, -1)), "`target_shape` must be sizes, at most one of them -1"),
        (lambda: layers.Permute((0, 1)), "`dims` must hold each of 1, 2, … once"),
        (lambda: layers.RepeatVector(0), "`n` must be a positive integer"),
        (lambda: layers.ZeroPadding2D((1, 2, 3)), "`padding` must be an int, 2 of them, or 2 pairs"),
        (lambda: layers.Cropping2D(2, name="m")(torch.ones(1, 4, 8, 1)), "`cropping` must leave something of the input of the layer 'm'"),
        (lambda: layers.UpSampling2D(interpolation="cubic"), "`interpolation` must be one of 'nearest', 'bilinear'"),
    ],
)
def test_what_does_not_fit_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
