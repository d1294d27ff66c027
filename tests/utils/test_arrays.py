"""One-hot rows, normalization and padding against real Keras."""

import numpy as np
import pytest
import torch

from tests.oracle import keras
from torchkeras import utils


@pytest.mark.parametrize("x", [[0, 2, 1], [[1], [2]], np.ones((2, 3), int), np.array([1.0, 0.0])])
@pytest.mark.parametrize("num_classes", [None, 4])
def test_to_categorical(x, num_classes):
    ours, theirs = utils.to_categorical(x, num_classes), keras.utils.to_categorical(x, num_classes)
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)


def test_to_categorical_of_a_tensor_is_a_tensor():
    rows = utils.to_categorical(torch.tensor([1, 0]))
    assert rows.dtype is torch.int64 and rows.tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize("x", [[3], [-1]])
def test_to_categorical_refuses_classes_that_are_not_there(x):
    with pytest.raises(ValueError, match=r"`x` must hold class indices from 0 to 1 for num_classes=2. Received: from"):
        utils.to_categorical(x, 2)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_normalize(order):
    x = np.array([[1.0, -2.0, 3.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(utils.normalize(x, -1, order), keras.utils.normalize(x, -1, order))
    np.testing.assert_allclose(utils.normalize(torch.tensor(x), -1, order).numpy(), keras.utils.normalize(x, -1, order))
    np.testing.assert_allclose(utils.normalize(x[:1] + 1, 0, order), np.sign(x[:1] + 1))  # where real Keras divides along the last axis


def test_normalize_of_whole_numbers():
    assert utils.normalize([3, 4]).tolist() == pytest.approx([0.6, 0.8]) and utils.normalize([3, 4]).dtype is torch.float32
    assert utils.normalize(np.array([3, 4])).dtype == np.float64


@pytest.mark.parametrize("padding", ["pre", "post"])
@pytest.mark.parametrize("truncating", ["pre", "post"])
@pytest.mark.parametrize("maxlen", [None, 2, 5])
def test_pad_sequences(padding, truncating, maxlen):
    sequences = [[1], [2, 3], [], [4, 5, 6]]
    options = {"maxlen": maxlen, "padding": padding, "truncating": truncating, "value": -1}
    ours, theirs = utils.pad_sequences(sequences, **options), keras.utils.pad_sequences(sequences, **options)
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)


def test_pad_sequences_of_vectors_and_words():
    vectors = [[[1, 2]], [[3, 4], [5, 6]]]
    np.testing.assert_array_equal(utils.pad_sequences(vectors), keras.utils.pad_sequences(vectors))
    assert utils.pad_sequences([["a"], ["b", "c"]], dtype=object, value="-").tolist() == [["-", "a"], ["b", "c"]]


@pytest.mark.parametrize(
    ("sequences", "options", "message"),
    [
        ([1, 2], {}, "`sequences` must be a list of sequences. Received at place 0: 1"),
        (3, {}, "`sequences` must be a list of sequences. Received: int"),
        ([[1]], {"padding": "left"}, "`padding` must be 'pre' or 'post'. Received: padding='left'"),
        ([[1]], {"truncating": "left"}, "`truncating` must be 'pre' or 'post'. Received: truncating='left'"),
        ([["a"]], {"value": "-"}, "Pass `dtype=object` for strings."),
        ([[[1, 2]], [3, 4]], {}, r"entries of one shape. Received: \(2,\), and \(\) at place 1"),
    ],
)
def test_pad_sequences_refuses(sequences, options, message):
    with pytest.raises(ValueError, match=message):
        utils.pad_sequences(sequences, **options)
