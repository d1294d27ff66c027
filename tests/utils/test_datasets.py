"""Data sets split in two."""

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from tests.oracle import keras
from torchkeras.utils import split_dataset

X = np.arange(10.0)


@pytest.mark.parametrize("sizes", [{"left_size": 0.8}, {"left_size": 3}, {"right_size": 0.25}, {"left_size": 0.35}, {"right_size": 4}])
@pytest.mark.parametrize("dataset", [X, (X, 2 * X), [X, 2 * X], TensorDataset(torch.arange(10.0))])
def test_sizes_as_keras(sizes, dataset):
    assert [len(part) for part in split_dataset(dataset, **sizes)] == [len(part) for part in keras.utils.split_dataset(dataset, **sizes)]


def test_the_left_has_the_first_samples_and_the_right_the_last():
    left, right = split_dataset((X, 2 * X), left_size=3, right_size=2)
    assert [[float(v) for v in sample] for sample in left] == [[0, 0], [1, 2], [2, 4]]
    assert [float(x) for x, _ in right] == [8, 9]


def test_shuffling_follows_the_seed():
    first = [[float(x) for (x,) in part] for part in split_dataset(X, 0.5, shuffle=True, seed=1)]
    again = [[float(x) for (x,) in part] for part in split_dataset(X, 0.5, shuffle=True, seed=1)]
    assert first == again and sorted(first[0] + first[1]) == X.tolist() and first[0] != X[:5].tolist()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "`left_size` or `right_size` must be given"),
        ({"left_size": 1.5}, ValueError, "`left_size` must be a whole number between 0 and 10, .* Received: left_size=1.5"),
        ({"right_size": 0}, ValueError, "`right_size` must be a whole number .* Received: right_size=0"),
        ({"left_size": 0.6, "right_size": 0.6}, ValueError, "must not exceed the 10 samples. Received: 0.6 and 0.6"),
        ({"left_size": 0.01}, ValueError, "too few to split"),
        ({"left_size": "3"}, TypeError, "`left_size` must be an int, a float or None. Received: left_size='3'"),
        ({"left_size": 3, "preferred_backend": "tensorflow"}, ValueError, "`preferred_backend` must be None or 'torch'"),
    ],
)
def test_bad_sizes(arguments, error, message):
    with pytest.raises(error, match=message):
        split_dataset(X, **arguments)


def test_bad_datasets():
    with pytest.raises(TypeError, match="`dataset` must be a torch Dataset with a length, .* Received: dict"):
        split_dataset({"a": X}, 3)
    with pytest.raises(ValueError, match="same number of samples"):
        split_dataset((X, X[:3]), 3)
