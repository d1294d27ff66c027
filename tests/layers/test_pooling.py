"""Pooling beyond the table: edges, whole numbers, masks and messages."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from torchkeras import layers


def test_average_pooling_over_the_edge_counts_what_lies_inside():
    x = torch.randn(2, 8, 7, 3)
    y = layers.AveragePooling2D(3, strides=2, padding="same")(x)
    padded = F.pad(x.permute(0, 3, 1, 2), (1, 1, 0, 1))
    counted = F.pad(torch.ones(1, 1, 8, 7), (1, 1, 0, 1))
    expected = F.avg_pool2d(padded, 3, 2) / F.avg_pool2d(counted, 3, 2)
    torch.testing.assert_close(y, expected.permute(0, 2, 3, 1))


def test_pooling_of_whole_numbers():
    x = torch.randint(0, 50, (2, 6, 6, 3))
    y = layers.MaxPooling2D()(x)
    assert y.dtype is torch.int64
    torch.testing.assert_close(y.float(), layers.MaxPooling2D()(x.float()))


def test_global_average_pooling_uses_the_mask_it_is_given():
    x = torch.randn(2, 4, 3)
    x._keras_mask = torch.tensor([[True, True, False, False], [True, False, False, False]])
    y = layers.GlobalAveragePooling1D()(x)
    torch.testing.assert_close(y, torch.stack([x[0, :2].mean(0), x[1, 0]]))
    assert getattr(y, "_keras_mask", None) is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.MaxPooling2D(3, name="p")(torch.ones(1, 2, 2, 3)), "layer 'p' is smaller than its window"),
        (lambda: layers.MaxPooling2D(padding="full"), "`padding` must be one of 'valid', 'same'"),
        (lambda: layers.MaxPooling2D(0), "`pool_size` must be a positive int or 2 of them"),
        (lambda: layers.GlobalMaxPooling1D(name="p")(torch.ones(2, 3)), "layer 'p'"),
    ],
)
def test_what_does_not_fit_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
