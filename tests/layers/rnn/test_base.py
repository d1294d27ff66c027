"""RNN over built-in, stacked and user-written cells, against real Keras."""

import numpy as np
import pytest
import torch

from tests.layers.rnn.test_recurrent import MASKS, X, agree, flat
from tests.oracle import keras
from torchkeras import layers
from torchkeras.graph import KerasTensor

RNG = np.random.default_rng(1)


class MinimalCell(layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")
        self.recurrent_kernel = self.add_weight(shape=(self.units, self.units), name="recurrent_kernel")

    def call(self, inputs, states):
        output = inputs @ self.kernel + states[0] @ self.recurrent_kernel
        return output, output


class KerasMinimalCell(keras.layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")
        self.recurrent_kernel = self.add_weight(shape=(self.units, self.units), name="recurrent_kernel")

    def call(self, inputs, states):
        output = keras.ops.matmul(inputs, self.kernel) + keras.ops.matmul(states[0], self.recurrent_kernel)
        return output, output


class PlainCell:
    """No layer at all: counts the steps."""

    state_size = 1

    def call(self, inputs, states):
        return inputs[:, :1], [states[0] + 1]


def cells(module, minimal):
    return {
        "simple": lambda: module.SimpleRNNCell(4),
        "lstm": lambda: module.LSTMCell(4, recurrent_activation="hard_sigmoid"),
        "gru": lambda: module.GRUCell(4, reset_after=False, implementation=1),
        "minimal": lambda: minimal(4),
        "stacked": lambda: [module.LSTMCell(4), module.GRUCell(3), minimal(2)],
        "stack of one": lambda: [module.GRUCell(3)],
    }


@pytest.fixture(params=["simple", "lstm", "gru", "minimal", "stacked", "stack of one"])
def make(request):
    def both(**options):
        ours = layers.RNN(cells(layers, MinimalCell)[request.param](), **options)
        theirs = keras.layers.RNN(cells(keras.layers, KerasMinimalCell)[request.param](), **options)
        ours.build(X.shape)
        theirs.build(X.shape)
        weights = [RNG.normal(size=w.shape).astype("float32") * 0.5 for w in theirs.weights]
        ours.set_weights(weights)
        theirs.set_weights(weights)
        return ours, theirs

    return both


@pytest.mark.parametrize("mask", MASKS)
def test_outputs_and_gradients(make, mask):
    agree(*make(return_sequences=True), mask=MASKS[mask])
    agree(*make(go_backwards=True, zero_output_for_mask=True), mask=MASKS[mask])


def test_states(make):
    ours, theirs = make(return_state=True)
    mine, reference = ours(X), theirs(X)
    assert len(mine) == len(reference)
    for a, b in zip(keras.tree.flatten(list(mine)), keras.tree.flatten(list(reference))):
        np.testing.assert_allclose(a.detach(), b.detach(), atol=1e-5)
    again = ours(X, initial_state=list(mine[1:]))
    assert not torch.equal(again[0], mine[0])
    assert ours.compute_output_shape((None, 5, 3)) == theirs.compute_output_shape((None, 5, 3))
    fresh = type(ours).from_config(ours.get_config())
    shapes = keras.tree.map_structure(lambda t: list(t.shape), fresh(KerasTensor((None, 5, 3))))
    assert shapes == keras.tree.map_structure(lambda t: list(t.shape), theirs(keras.Input((5, 3))))


def test_stateful(make):
    ours, theirs = make(stateful=True)
    for _ in range(2):
        np.testing.assert_allclose(ours(X).detach(), theirs(X).detach(), atol=1e-5)
    ours.reset_state()
    for state in keras.tree.flatten(theirs.states):  # Keras's own method cannot reset nested states
        state.assign(keras.ops.zeros_like(state))
    np.testing.assert_allclose(ours(X).detach(), theirs(X).detach(), atol=1e-5)


def test_config_and_paths():
    for options in ({}, {"return_sequences": True, "unroll": True}):
        ours = layers.RNN([layers.LSTMCell(4, name="a"), layers.GRUCell(3, name="b")], name="r", **options)
        theirs = keras.layers.RNN([keras.layers.LSTMCell(4, name="a"), keras.layers.GRUCell(3, name="b")], name="r", **options)
        ours.cell.name = theirs.cell.name = "stack"
        assert ours.get_config() == theirs.get_config()
        ours.build((None, 5, 3))
        theirs.build((None, 5, 3))
        assert [w.path for w in ours.weights] == [w.path for w in theirs.weights]


@pytest.mark.parametrize("name", ["SimpleRNNCell", "LSTMCell", "GRUCell"])
def test_cells_alone(name):
    ours, theirs = getattr(layers, name)(4, dropout=0.1, name="c"), getattr(keras.layers, name)(4, dropout=0.1, name="c")
    assert ours.get_config() == theirs.get_config()
    x = torch.tensor(X[:, 0])
    ours(x, ours.get_initial_state(4))
    theirs(x, theirs.get_initial_state(4))
    weights = [RNG.normal(size=w.shape).astype("float32") for w in theirs.weights]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    states = [torch.tensor(RNG.normal(size=(4, 4)).astype("float32")) for _ in theirs.get_initial_state(4)]
    for a, b in zip(keras.tree.flatten(ours(x, states)), keras.tree.flatten(theirs(x, states))):
        np.testing.assert_allclose(a.detach(), b.detach(), atol=1e-5)
    assert torch.equal(ours.get_dropout_mask(x), ours.get_dropout_mask(x))
    assert ours.get_recurrent_dropout_mask(x) is None


def test_dropout_in_stacked_cells_is_drawn_once_a_call():
    stack = layers.RNN(
        [layers.SimpleRNNCell(8, activation="linear", kernel_initializer="identity", recurrent_initializer="zeros", dropout=0.5)] * 1,
        return_sequences=True,
    )
    y = stack(torch.ones(16, 5, 8), training=True)
    assert (y == y[:, :1]).all() and len(y.unique()) == 2
    assert not torch.equal(stack(torch.ones(16, 5, 8), training=True), y)


def test_a_cell_need_not_be_a_layer():
    layer = layers.RNN(PlainCell(), return_state=True)
    y, count = flat(layer(X))
    assert (count == 5).all()
    np.testing.assert_allclose(y, X[:, -1, :1])


def test_bad_cells():
    with pytest.raises(ValueError, match="`cell` must have `call`"):
        layers.RNN(3)
    with pytest.raises(ValueError, match="`cell` must have `state_size`"):
        layers.RNN(layers.Dense(3))
    with pytest.raises(ValueError, match="Every item of `cells` must have"):
        layers.StackedRNNCells([layers.LSTMCell(2), 3])
