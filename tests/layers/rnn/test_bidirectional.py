"""Bidirectional against real Keras: merge modes, masks, states, configs."""

import pickle

import numpy as np
import pytest
import torch

from tests.layers.rnn.test_recurrent import MASKS, X, agree
from tests.oracle import keras
from torchkeras import layers
from torchkeras.graph import KerasTensor

RNG = np.random.default_rng(2)


def pair(kind="LSTM", merge_mode="concat", backward=None, **options):
    results = []
    for module in (layers, keras.layers):
        extra = {} if backward is None else {"backward_layer": getattr(module, backward)(6, go_backwards=True, **options)}
        layer = module.Bidirectional(getattr(module, kind)(6, **options), merge_mode=merge_mode, **extra)
        layer.build(X.shape)
        results.append(layer)
    weights = [RNG.normal(size=w.shape).astype("float32") * 0.5 for w in results[1].weights]
    for layer in results:
        layer.set_weights(weights)
    return results


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("merge_mode", ["concat", "sum", "mul", "ave", None])
def test_merge_modes_and_masks(merge_mode, mask):
    for sequences in (True, False):
        agree(*pair(merge_mode=merge_mode, return_sequences=sequences), mask=MASKS[mask])


@pytest.mark.parametrize(("name", "backward"), [("SimpleRNN", None), ("GRU", None), ("LSTM", "GRU")])
def test_other_layers(name, backward):
    agree(*pair(name, backward=backward, return_sequences=True), mask=MASKS["any"])


@pytest.mark.parametrize("merge_mode", ["concat", None])
def test_states(merge_mode):
    initial = [RNG.normal(size=(4, 6)).astype("float32") for _ in range(4)]
    ours, theirs = pair(merge_mode=merge_mode, return_state=True, return_sequences=True)
    agree(ours, theirs, initial=initial)
    agree(ours, theirs, initial=initial, mask=MASKS["left"])
    assert ours.compute_output_shape((None, 5, 3)) == theirs.compute_output_shape((None, 5, 3))
    assert torch.equal(ours([X, *initial])[0], ours(X, initial_state=initial)[0])
    symbolic = type(ours).from_config(ours.get_config())(KerasTensor((None, 5, 3)))
    assert [t.shape for t in symbolic] == [t.shape for t in theirs(keras.Input((5, 3)))]


def test_stateful():
    ours, theirs = pair(stateful=True)
    for _ in range(2):
        np.testing.assert_allclose(ours(X).detach(), theirs(X).detach(), atol=1e-5)
    assert len(ours.states) == len(theirs.states)
    ours.reset_states()
    assert not any(s.any() for s in ours.states)
    with pytest.raises(AttributeError, match="keeps no states"):
        layers.Bidirectional(layers.LSTM(2)).reset_state()


@pytest.mark.parametrize("backward", [None, "GRU"])
def test_config_weights_and_copies(backward):
    options = {"name": "r", "return_sequences": True}
    ours, theirs = pair(backward=backward, **options)
    a, b = ours.get_config(), theirs.get_config()
    a["name"] = b["name"] = "x"
    for config in (a, b):  # of the tuple in a build config, one as it is and the other as JSON has it
        for layer in (config["layer"], config["backward_layer"]):
            layer["build_config"]["input_shape"] = tuple(layer["build_config"]["input_shape"])
    assert a == b
    assert [w.path.partition("/")[2] for w in ours.weights] == [w.path.partition("/")[2] for w in theirs.weights]
    again = layers.Bidirectional.from_config(ours.get_config())
    assert {**again.get_config(), "name": "x"}["merge_mode"] == a["merge_mode"]
    assert again.forward_layer.name == ours.forward_layer.name
    again.build(X.shape)
    again.set_weights(ours.get_weights())
    assert torch.equal(again(X), ours(X))
    assert torch.equal(pickle.loads(pickle.dumps(ours))(X), ours(X))


def test_masks_go_on():
    x = torch.tensor(X)
    x._keras_mask = torch.tensor(MASKS["any"], dtype=torch.bool)
    assert layers.Bidirectional(layers.LSTM(2, return_sequences=True))(x)._keras_mask is x._keras_mask
    assert all(y._keras_mask is x._keras_mask for y in layers.Bidirectional(layers.GRU(2, return_sequences=True), merge_mode=None)(x))
    assert not hasattr(layers.Bidirectional(layers.LSTM(2))(x), "_keras_mask")


def test_weights_argument():
    values = [RNG.normal(size=s).astype("float32") for s in ((3, 8), (2, 8), (8,)) * 2]
    layer = layers.Bidirectional(layers.LSTM(2), weights=values)
    layer(X)
    for a, b in zip(layer.get_weights(), values):
        np.testing.assert_array_equal(a, b)


def test_training_reaches_both_layers():
    layer = layers.Bidirectional(layers.LSTM(2, dropout=0.5))
    layer(X)
    assert torch.equal(layer(X), layer(X))
    assert not torch.equal(layer(X, training=True), layer(X, training=True))
    layer.train()
    assert not torch.equal(layer(X), layer(X))


def test_bad_arguments():
    with pytest.raises(ValueError, match="`layer` must be a recurrent layer.*Received: 3"):
        layers.Bidirectional(3)
    with pytest.raises(ValueError, match="which lacks go_backwards"):
        layers.Bidirectional(layers.Dense(3))
    with pytest.raises(ValueError, match="`merge_mode` must be one of"):
        layers.Bidirectional(layers.LSTM(3), merge_mode="x")
    with pytest.raises(ValueError, match="must have `go_backwards=True`"):
        layers.Bidirectional(layers.LSTM(3), backward_layer=layers.LSTM(3))
    with pytest.raises(ValueError, match="must have the same `return_sequences`"):
        layers.Bidirectional(layers.LSTM(3), backward_layer=layers.LSTM(3, go_backwards=True, return_sequences=True))
