"""Epochs of batches: steps, sources that end, class weights, and the refusal of what a source does not take."""

import warnings

import numpy as np
import pytest
import torch

from torchkeras import config
from torchkeras.data import make_batches

CPU = torch.device("cpu")


def firsts(batches):
    return [int(data[0][0]) for data, _ in batches]


def pairs(count):
    return ((np.full((2, 1), index), np.zeros(2)) for index in range(count))


def arrays(samples):
    return np.arange(samples), np.zeros(samples)


def test_an_epoch_is_a_pass_by_default():
    batches = make_batches(*arrays(5), batch_size=2, device=CPU)
    assert batches.steps == 3
    assert firsts(batches) == firsts(batches) == [0, 2, 4]


def test_steps_go_on_where_the_last_epoch_ended_and_start_anew_after_the_last_batch():
    batches = make_batches(*arrays(6), batch_size=1, steps=3, device=CPU)
    assert [firsts(batches) for _ in range(3)] == [[0, 1, 2], [3, 4, 5], [0, 1, 2]]


def test_a_source_that_ends_within_an_epoch_ends_it_with_a_warning():  # real Keras: 4, 4, 2 and a warning, 4
    batches = make_batches(*arrays(10), batch_size=1, steps=4, device=CPU)
    assert [len(firsts(batches)) for _ in range(2)] == [4, 4]
    with pytest.warns(UserWarning, match="ran out of data"):
        assert len(firsts(batches)) == 2
    assert firsts(batches) == [0, 1, 2, 3]


def test_a_generator_goes_on_and_warns_once_it_is_empty():
    batches = make_batches(pairs(5), steps=2, device=CPU)
    assert batches.steps == 2
    assert [firsts(batches) for _ in range(2)] == [[0, 1], [2, 3]]
    with pytest.warns(UserWarning, match="ran out of data"):
        assert firsts(batches) == [4]
    with pytest.warns(UserWarning, match="ran out of data"):
        assert firsts(batches) == []


def test_the_length_of_a_generator_is_known_after_its_end():
    batches = make_batches(pairs(3), device=CPU)
    assert batches.steps is None
    assert firsts(batches) == [0, 1, 2]
    assert batches.steps == 3


def test_peeking_at_a_generator_takes_nothing_away():
    batches = make_batches(pairs(3), device=CPU)
    assert int(batches.peek()[0][0]) == int(batches.peek()[0][0]) == 0
    assert firsts(batches) == [0, 1, 2]
    stepped = make_batches(pairs(4), steps=2, device=CPU)
    stepped.peek()
    assert [firsts(stepped), firsts(stepped)] == [[0, 1], [2, 3]]


def test_peeking_at_nothing_is_an_error():
    with pytest.raises(ValueError, match="`x` must yield at least one batch"):
        make_batches(iter([]), device=CPU).peek()


def test_an_epoch_left_early_is_followed_by_a_whole_one():
    batches = make_batches(*arrays(6), batch_size=2, device=CPU)
    for _ in batches:
        break
    assert firsts(batches) == [0, 2, 4]


def test_an_iterable_of_unknown_length_restarts_after_its_last_batch():
    class Loader:
        def __iter__(self):
            return pairs(4)

    batches = make_batches(Loader(), steps=2, device=CPU)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [firsts(batches) for _ in range(3)] == [[0, 1], [2, 3], [0, 1]]


def test_class_weights_reach_the_batches_of_a_generator():
    batches = make_batches(iter([(np.zeros((2, 1)), np.array([1, 0]))]), class_weight={1: 3.0}, device=CPU)
    ((data, size),) = list(batches)
    assert (data[2].tolist(), size) == ([3.0, 1.0], 2)


def test_max_steps_per_epoch_caps_every_epoch():
    config.set_max_steps_per_epoch(2)
    try:
        assert firsts(make_batches(*arrays(9), batch_size=3, device=CPU)) == [0, 3]
        assert make_batches(*arrays(9), steps=1, device=CPU).steps == 1
    finally:
        config.set_max_steps_per_epoch(None)


@pytest.mark.parametrize("name", ["y", "sample_weight"])
def test_generators_take_no_arguments_of_arrays(name):
    with pytest.raises(ValueError, match=rf"`{name}` cannot be given when `x` is a generator"):
        make_batches(pairs(2), **{name: 3}, device=CPU)


def test_nothing_to_train_on_is_a_type_error():
    with pytest.raises(TypeError, match="`x` must be arrays or tensors .* Received: object"):
        make_batches(object(), device=CPU)
    with pytest.raises(TypeError, match="Received: list"):
        make_batches([object()], device=CPU)
