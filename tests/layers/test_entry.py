"""The one fast way into a layer: what goes straight to `call`, and what does not."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import torchkeras as keras
from torchkeras import layers
from torchkeras.layers.entry import enter

X = torch.ones(2, 4)


@pytest.fixture
def dense():
    layer = layers.Dense(3, kernel_initializer="ones")
    layer(X)
    return layer


def long_ways(layer, monkeypatch):
    """How often the layer has taken the long way from now on."""
    taken = []
    long = type(layer)._tk_forward
    monkeypatch.setattr(type(layer), "_tk_forward", lambda self, *given: (taken.append(self), long(self, *given))[1])
    return taken


CALLS = {"called": lambda layer, *args, **kwargs: layer(*args, **kwargs), "entered": enter, "in_a_graph": lambda layer, x: graph(layer)(x)}
calls = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def graph(layer):
    i = keras.Input((4,))
    return keras.Model(i, layer(i))


@calls
def test_plain_tensors_go_straight(call, dense, monkeypatch):
    model, taken = graph(dense), long_ways(dense, monkeypatch)
    run = model if call is CALLS["in_a_graph"] else lambda x: call(dense, x)
    assert torch.equal(run(X), torch.full((2, 3), 4.0)) and torch.equal(run(X[:1]), torch.full((1, 3), 4.0))
    assert taken == []


@calls
def test_what_hooks_and_replaced_methods_do_counts_and_ends_with_them(call, dense, monkeypatch):
    expected = call(dense, X)
    handle = dense.register_forward_hook(lambda module, args, y: y + 1)
    assert torch.equal(call(dense, X), expected + 1)
    handle.remove()
    dense.forward = lambda x: x * 0
    assert torch.equal(call(dense, X), X * 0)
    del dense.forward
    with monkeypatch.context() as patch:
        patch.setattr(layers.Dense, "call", lambda self, inputs: inputs - 1)
        assert torch.equal(call(dense, X), X - 1)
    with monkeypatch.context() as patch:
        patch.setattr(layers.Dense, "forward", lambda self, inputs: inputs - 2)
        assert torch.equal(call(dense, X), X - 2)
    with monkeypatch.context() as patch:
        patch.setattr(layers.Dense, "__call__", lambda self, inputs: inputs - 3)
        assert torch.equal(enter(dense, X), X - 3)
    dense.call = lambda inputs: inputs - 4
    assert torch.equal(call(dense, X), X - 4)
    del dense.call
    assert torch.equal(call(dense, X), expected)


def test_a_hook_of_all_modules_sees_every_layer_and_part():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(2)])
    seen = []
    handle = nn.modules.module.register_module_forward_hook(lambda module, args, y: seen.append(type(module).__name__))
    model(X)
    handle.remove()
    assert seen == ["Linear", "Dense", "Linear", "Dense", "Sequential"]
    model(X)
    assert len(seen) == 5


@calls
def test_other_tensors_take_the_long_way(call, dense):
    expected = call(dense, X)
    assert call(dense, X.double()).dtype is torch.float32 and torch.equal(call(dense, X.long()), expected)
    masked = torch.ones(2, 4)
    masked._keras_mask = torch.tensor([True, False])
    assert call(dense, masked)._keras_mask is masked._keras_mask
    with pytest.raises(ValueError, match="incompatible"):
        call(dense, torch.ones(2, 5))
    for p in dense.parameters():
        p.data = p.data.double()
    assert call(dense, X).dtype is torch.float64


def test_lists_and_several_tensors_go_straight(monkeypatch):
    add, attention = layers.Add(), layers.MultiHeadAttention(2, 3)
    steps = torch.randn(2, 5, 4)
    add([X, X]), attention(steps, steps)
    taken = [long_ways(layer, monkeypatch) for layer in (add, attention)]
    for call in (CALLS["called"], enter):
        assert torch.equal(call(add, [X, X]), X * 2)
        torch.testing.assert_close(call(attention, steps, steps), attention(steps, steps, training=False))
    assert taken == [[], []]
    torch.testing.assert_close(add([X, np.ones((2, 4))]), X * 2)
    assert taken[0] == [add]


def test_settings_and_tensors_by_keyword_go_straight_and_masks_do_not(monkeypatch):
    attention, lstm, x = layers.MultiHeadAttention(2, 3), layers.LSTM(3), torch.randn(2, 5, 4)
    attention(x, x), lstm(x)
    expected = attention(x, x, attention_mask=torch.ones(5, 5).tril()), lstm(x, initial_state=[torch.zeros(2, 3)] * 2)
    allowed = torch.ones(5, 5, dtype=torch.bool).tril()
    taken = [long_ways(layer, monkeypatch) for layer in (attention, lstm)]
    for call in (CALLS["called"], enter):
        torch.testing.assert_close(call(attention, x, x, use_causal_mask=True), expected[0])
        torch.testing.assert_close(call(attention, x, value=x, key=None, attention_mask=allowed, training=False), expected[0])
        assert call(attention, x, x, return_attention_scores=True)[1].shape == (2, 2, 5, 5)
        torch.testing.assert_close(call(lstm, x, mask=None, training=False), expected[1])
    assert taken == [[], []]
    mask = torch.tensor([[True] * 3 + [False] * 2] * 2)
    for call in (CALLS["called"], enter):
        torch.testing.assert_close(call(lstm, x, mask=mask), lstm(x[:, :3]))
        torch.testing.assert_close(call(lstm, x, initial_state=[np.zeros((2, 3), "float32")] * 2), expected[1])
    assert taken[1].count(lstm) == 4
    i = keras.Input((5, 4))
    model = keras.Model(i, attention(i, i, use_causal_mask=True))
    del taken[0][:]
    torch.testing.assert_close(model(x), expected[0])
    assert taken[0] == []


def test_a_flag_by_keyword_with_other_arguments_is_that_of_the_call():
    attention, x = layers.MultiHeadAttention(2, 3, dropout=0.9), torch.randn(2, 5, 4)
    expected = attention(x, x, use_causal_mask=True)
    assert not torch.allclose(attention(x, x, use_causal_mask=True, training=True), expected)
    torch.testing.assert_close(attention(x, x, use_causal_mask=True, training=None), expected)
    assert not torch.allclose(enter(attention, x, x, use_causal_mask=True, training=True), expected)


def test_a_subclassed_model_goes_straight(monkeypatch):
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3)

        def call(self, inputs):
            return self.dense(inputs)

    net = Net()
    net(X)
    taken = long_ways(net, monkeypatch)
    net(X)
    assert taken == []


def test_a_sequential_that_is_changed_is_entered_anew():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.Dense(2)])
    assert model(X).shape == (2, 2)
    model.pop()
    assert model(X).shape == (2, 4)
    model.add(layers.Dense(5))
    assert model(X).shape == (2, 5)
    with pytest.raises(ValueError, match="incompatible"):
        model(torch.ones(2, 3))


def test_a_layer_that_is_unbuilt_again_builds_again():
    class Counts(layers.Layer):
        builds = 0

        def build(self, input_shape):
            self.builds += 1

        def call(self, inputs):
            return inputs

    layer = Counts()
    layer(X)
    layer.built = False
    layer(X)
    assert layer.builds == 2


@pytest.mark.parametrize("make", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_copies_have_a_way_in_of_their_own(make, dense):
    for layer in (dense, graph(dense)):
        other = make(layer)
        assert other._tk_entry is not layer._tk_entry and torch.equal(other(X), layer(X))
        for p in other.parameters():
            p.data = p.data.double()
        assert other(X).dtype is torch.float64 and layer(X).dtype is torch.float32


LINEARS = {
    "pruned": lambda linear: prune.random_unstructured(linear, "weight", 0.5),
    "parametrized": lambda linear: nn.utils.parametrizations.weight_norm(linear),
    "own_forward": lambda linear: setattr(linear, "forward", lambda x: x * 3),
    "plain_tensor": lambda linear: (delattr(linear, "weight"), setattr(linear, "weight", torch.full((3, 4), 2.0))),
    "no_bias": lambda linear: setattr(linear, "bias", None),
    "compiled": lambda linear: linear.compile(backend="eager"),
}


@pytest.mark.parametrize("change", LINEARS.values(), ids=LINEARS)
def test_a_linear_that_was_changed_is_called(change, dense):
    with torch.no_grad():
        dense.linear.bias += 1
    change(dense.linear)
    torch.testing.assert_close(dense(X), dense.linear(X))


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
def test_a_scripted_module_in_a_layer_has_weights():
    layer = layers.TorchModuleWrapper(torch.jit.script(nn.Linear(4, 3)))
    assert layer(X).shape == (2, 3)
    assert [tuple(w.shape) for w in layer.weights] == [(3, 4), (3,)] and len(layer.trainable_weights) == 2


def test_settings_by_keyword_are_traced_by_dynamo():
    i = keras.Input((5, 4))
    model, x = keras.Model(i, layers.MultiHeadAttention(2, 3)(i, i, use_causal_mask=True)), torch.randn(3, 5, 4)
    torch.testing.assert_close(torch.compile(model, fullgraph=True, backend="eager")(x), model(x))
