"""Inference of shapes: on tensors without values, on small ones with values, and what stands for an unknown size is seen by nobody."""

import threading

import numpy as np
import pytest
import torch
from torch import nn

import torchkeras as keras
from torchkeras import layers, ops


class Chain(layers.Layer):
    def __init__(self, *parts):
        super().__init__()
        self.parts = list(parts)

    def call(self, x):
        for part in self.parts:
            x = part(x)
        return x


class Calls(layers.Layer):
    """A layer whose `call` is the function it is given."""

    def __init__(self, fn):
        super().__init__()
        self.function = fn

    def call(self, x):
        return self.function(x)


@pytest.mark.parametrize("width", [12, 24, 96, 192, 2520, 3360, 5040, 6720])
def test_no_width_is_taken_for_an_unknown_size(width):
    x = keras.Input((None, 4))
    chain = Chain(layers.Dense(width), layers.Dense(width), layers.Dense(2))
    assert chain(x).shape == (None, None, 2)
    assert [tuple(d.kernel.shape) for d in chain.parts] == [(4, width), (width, width), (width, 2)]
    assert chain.parts[1].get_build_config() == {"input_shape": (None, None, width)}
    wide = keras.Input((width,))
    assert Chain(layers.Dense(width), layers.Dense(width))(wide).shape == (None, width)


@pytest.mark.parametrize("shape", [(40, 63), (40, 84), (4, 24), (56, 60)])
def test_no_product_of_sizes_is_taken_for_an_unknown_size(shape):
    chain = Chain(layers.Flatten(), layers.Dense(3))
    assert chain(keras.Input(shape)).shape == (None, 3)
    assert chain.parts[1].get_build_config() == {"input_shape": (None, shape[0] * shape[1])}


def branch(x):
    return x if x.sum() > 0 else -x


NEED_VALUES = {
    "item": lambda x: x * x.mean().item(),
    "branch": branch,
    "numpy": lambda x: x * torch.from_numpy(np.asarray(x.detach())).mean(),
    "int": lambda x: x + int(x.argmax()),
    "nonzero": lambda x: x * x.nonzero().shape[0],
    "shape in a tensor": lambda x: ops.ones(torch.tensor([ops.shape(x)[0], 4]).tolist()),
}


@pytest.mark.parametrize("name", NEED_VALUES)
def test_a_call_that_needs_values_is_run_on_values(name):
    fn = NEED_VALUES[name]
    x = keras.Input((4,))
    model = keras.Model(x, layers.Dense(2)(Chain(layers.Dense(4), Calls(fn))(x)))
    assert model.output_shape == (None, 2)
    assert model(torch.rand(3, 4)).shape == (3, 2)


def test_when_nothing_runs_the_error_names_the_method_to_write():
    def never(x):
        raise RuntimeError("never runs")

    with pytest.raises(RuntimeError, match=r"layer 'calls\w*' .*: never runs \(None was 96\)\. If .* write its `compute_output_shape"):
        Calls(never)(keras.Input((4,)))


def test_sequential_models_inside_a_layer_are_built_with_none():
    chain = Chain(keras.Sequential([layers.Dense(4)]), layers.Conv1D(4, 3), keras.Sequential([layers.Dense(4), layers.Conv1D(4, 2)]))
    x = keras.Input((None, 4))
    model = keras.Model(x, chain(x))
    assert [part.input_shape for part in chain.parts[::2]] == [(None, None, 4), (None, None, 4)]
    assert model.output_shape == (None, None, 4)
    assert [model(torch.ones(2, n, 4)).shape[1] for n in (9, 12)] == [6, 9]


def test_a_sequential_runs_on_other_lengths_than_it_was_built_on():
    model = keras.Sequential([layers.Dense(4), layers.Conv1D(4, 2)])
    assert model(torch.ones(2, 9, 4)).shape == (2, 8, 4)
    assert model(torch.ones(2, 11, 4)).shape == (2, 10, 4)
    with pytest.raises(ValueError, match="axis -1 of the input shape to have size 4, found 5"):
        model(torch.ones(2, 9, 5))


def test_threads_infer_for_themselves():
    failed = []

    def work():
        try:
            for _ in range(8):
                x = keras.Input((None, 4))
                assert len(keras.Model(x, nn.Linear(4, 3)(x)).weights) == 2
                assert Chain(layers.Dense(3), layers.Dense(5))(x).shape == (None, None, 5)
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
