"""torchinfo's summary of a Keras-built model."""

import pytest
import torchinfo
from torch import nn

import torchkeras as keras
from torchkeras import layers

from .models import functional, images, sequential, subclassed, twins


@pytest.mark.parametrize("build", [functional, sequential, subclassed], ids=lambda f: f.__name__)
def test_parameters_are_counted_once(build):
    model = build()
    info = torchinfo.summary(model, input_size=(2, 4), verbose=0)
    trainable = sum(p.numel() for p in model.parameters())
    assert (info.total_params, info.trainable_params) == (trainable, trainable)
    assert info.total_params == model.count_params() - sum(w.numel() for w in model.non_trainable_weights)


def test_the_same_counts_as_of_the_torch_module():
    for pair, size, channels_first in ((twins(), (2, 4), (2, 4)), (images(), (2, 8, 8, 1), (2, 1, 8, 8))):
        ours = torchinfo.summary(pair[0], input_size=size, verbose=0)
        theirs = torchinfo.summary(pair[1], input_size=channels_first, verbose=0)
        assert (ours.total_params, ours.trainable_params, ours.total_mult_adds) == (
            theirs.total_params, theirs.trainable_params, theirs.total_mult_adds
        )  # fmt: skip


def test_every_layer_is_listed_with_its_shapes():
    model = functional()
    rows = {i.var_name: i for i in torchinfo.summary(model, input_size=(2, 4), verbose=0).summary_list}
    assert {"first", "norm", "dropout", "add", "second", "out", "linear"} <= set(rows)
    assert rows["first"].output_size == [2, 16] and rows["out"].output_size == [2, 3]
    model.get_layer("first").trainable = False
    info = torchinfo.summary(model, input_size=(2, 4), verbose=0)
    assert info.total_params - info.trainable_params == 4 * 16 + 16


def test_a_model_inside_a_torch_module_and_one_that_is_not_built():
    whole = nn.Sequential(functional(), nn.Linear(3, 2))
    assert torchinfo.summary(whole, input_size=(2, 4), verbose=0).total_params == sum(p.numel() for p in whole.parameters())
    unbuilt = keras.Sequential([layers.Dense(5), layers.Dense(2)])
    assert torchinfo.summary(unbuilt, input_size=(2, 4), verbose=0).total_params == 4 * 5 + 5 + 5 * 2 + 2
