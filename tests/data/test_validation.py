"""Packing, class weights and label checks."""

import numpy as np
import pytest
import torch

from torchkeras.data import check_integer_labels, class_weight_to_sample_weight, pack_x_y_sample_weight, unpack_x_y_sample_weight


@pytest.mark.parametrize("entries", [(1,), (1, 2), (1, 2, 3), ([1, 2], None, 3)])
def test_unpacking_undoes_packing(entries):
    x, y, sample_weight = (*entries, None, None)[:3]
    assert unpack_x_y_sample_weight(pack_x_y_sample_weight(*entries)) == (x, y, sample_weight)


def test_nested_inputs_are_packed_in_a_tuple():
    assert pack_x_y_sample_weight([1, 2]) == ([1, 2],)
    assert pack_x_y_sample_weight({"a": 1}) == ({"a": 1},)
    assert unpack_x_y_sample_weight(([1, 2],)) == ([1, 2], None, None)
    assert unpack_x_y_sample_weight([1, 2]) == (1, 2, None)


def test_four_entries_are_too_many():
    with pytest.raises(ValueError, match="Received a tuple of 4 entries"):
        unpack_x_y_sample_weight((1, 2, 3, 4))


@pytest.mark.parametrize(
    "y",
    [[0, 2, -1, 2], [[0], [2], [-1], [2]], [0.0, 2.0, -1.0, 2.0], np.eye(4)[[0, 2, 3, 2]]],
)
def test_class_weights_go_by_index_or_one_hot_and_are_1_by_default(y):
    weight = class_weight_to_sample_weight({2: 5.0, 0: 0.5}, torch.as_tensor(np.asarray(y)))
    assert weight.tolist() == [0.5, 5.0, 1.0, 5.0]
    assert weight.dtype == torch.float32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({0: 1.0}, None), "`class_weight` needs targets"),
        (({0: 1.0}, [torch.zeros(2), torch.zeros(2)]), "needs a model with one output. Received a list"),
        (({0: 1.0}, torch.zeros(2), torch.ones(2)), "`class_weight` and `sample_weight` cannot be given together"),
        (({}, torch.zeros(2)), "must name at least one class"),
    ],
)
def test_class_weights_refuse(arguments, message):
    with pytest.raises(ValueError, match=message):
        class_weight_to_sample_weight(*arguments)


def test_labels_must_be_whole_and_finite():
    check_integer_labels({"a": np.array([1, 2]), "b": torch.tensor([1.0, 2.0]), "c": None})
    with pytest.raises(ValueError, match=r"`y\['b'\]` must hold integer class indices .* Received nan"):
        check_integer_labels({"b": np.array([1.0, np.nan])})
    with pytest.raises(ValueError, match="`y` must hold integer class indices .* Received 0.5"):
        check_integer_labels(torch.tensor([1.0, 0.5]))
