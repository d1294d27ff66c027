"""Rematerialization: the gradients and states of the plain layer, and what is run again."""

import copy
import functools
import pickle

import numpy as np
import pytest
import torch

import torchkeras
from torchkeras import RematScope, layers, remat

X = torch.from_numpy(np.random.default_rng(0).normal(size=(8, 6)).astype("float32"))


def block():
    """Everything that a recomputation could get wrong: dropout, statistics, losses, an activation, a sub-layer that follows the flag."""
    parts = [
        layers.Dense(12, activation="gelu", kernel_regularizer="l2", name="one"),
        layers.BatchNormalization(name="two"),
        layers.Dropout(0.5, seed=3, name="three"),
        layers.ActivityRegularization(0.1, name="four"),
        layers.Dense(4, activation="tanh", name="five"),
    ]
    return torchkeras.Sequential([torchkeras.Input((6,)), *parts], name="block")


def calls_of(model, monkeypatch):
    """How often each layer's `call` runs in one pass forward and backward, and the gradients, losses and state afterwards."""
    counts = {}

    def counting(call):
        @functools.wraps(call)
        def counted(self, *args, **kwargs):
            counts[self.name] = counts.get(self.name, 0) + 1
            return call(self, *args, **kwargs)

        return counted

    for cls in {type(layer) for layer in model.layers}:
        monkeypatch.setattr(cls, "call", counting(cls.call))
    outputs = model(X, training=True)
    loss = outputs.square().sum() + sum(model.losses)
    loss.backward()
    return counts, [p.grad for p in model.parameters()], [w.numpy() for w in model.weights], loss.detach(), len(model.losses)


@pytest.mark.parametrize(
    "scope, again",
    [
        ({"mode": "full"}, {"one", "two", "three", "four", "five"}),
        ({"mode": "activations"}, set()),
        ({"mode": "larger_than", "output_size_threshold": 8 * 4}, {"one", "two", "three"}),
        ({"mode": "larger_than", "output_size_threshold": 8 * 12}, set()),
        ({"mode": "list_of_layers", "layer_names": ["two", "five"]}, {"two", "five"}),
        ({"mode": None}, set()),
    ],
    ids=lambda v: str(v.get("mode")) if isinstance(v, dict) else "",
)
def test_numbers_are_those_without_it_and_only_what_was_asked_for_runs_again(scope, again, monkeypatch):
    torch.manual_seed(0)
    plain = block()
    with RematScope(**scope):
        model = block()
    assert (model.layers[0]._tk_remat is None) == (scope["mode"] is None)
    model.set_weights(plain.get_weights())
    _, grads, state, loss, count = calls_of(plain, monkeypatch)
    monkeypatch.undo()
    counts, mine, my_state, my_loss, my_count = calls_of(model, monkeypatch)
    assert {name for name in counts if counts[name] > 1} >= again
    if scope["mode"] != "full":  # there the model is run again, and inside that each layer
        assert {name for name in counts if counts[name] > 1} == again
    torch.testing.assert_close(my_loss, loss)
    torch.testing.assert_close(mine, grads)
    assert my_count == count
    for a, b in zip(my_state, state, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_activations_mode_runs_the_activation_again_and_leaves_the_layer_as_it_was():
    runs = []

    def activation(x):
        runs.append(1)
        return torch.sin(x).exp()

    with RematScope("activations"):
        layer = layers.Dense(3, activation=activation)
    layer(X).sum().backward()
    assert len(runs) == 2
    assert layer.activation is activation
    layer(X).sum().backward()
    assert len(runs) == 4


def test_the_innermost_scope_counts_and_ends():
    with RematScope("full"):
        with RematScope("list_of_layers", layer_names=["b"]):
            inner = layers.Dense(1)
        outer = layers.Dense(1)
        with RematScope(None):
            none = layers.Dense(1)
    after = layers.Dense(1)
    assert [getattr(layer._tk_remat, "mode", None) for layer in (inner, outer, none, after)] == ["list_of_layers", "full", None, None]
    with pytest.raises(ValueError, match="`mode` must be one of 'full'"):
        RematScope("some")


def test_rematerialized_call_gives_the_function_that_is_run():
    with RematScope("list_of_layers", layer_names=["a"]):
        chosen, other = layers.Dense(2, name="a"), layers.Dense(2, name="b")
    assert other.rematerialized_call(other.call, X) == other.call
    assert chosen.rematerialized_call(chosen.call, X) != chosen.call
    torch.testing.assert_close(chosen(X), chosen.linear(X))


@pytest.mark.parametrize("training", [True, False])
def test_remat_of_a_function_keeps_the_flag_of_the_call(training):
    """Backward comes after the call, when its flag has gone."""
    flags = []

    class Asked(layers.Layer):
        def call(self, x, training=False):
            flags.append(training)
            return x.sin()

    class Block(layers.Layer):
        def __init__(self, run, **kwargs):
            super().__init__(**kwargs)
            self.asked, self.norm, self.run = Asked(), layers.BatchNormalization(), run

        def call(self, x):
            return self.run(lambda t: self.norm(self.asked(t)).cos())(x)

    results = []
    for run in (lambda f: f, remat):
        layer, x = Block(run), X.clone().requires_grad_()
        layer(x, training=training).sum().backward()
        results.append((x.grad, layer.norm.moving_mean.numpy()))
    assert flags == [training] * 3
    torch.testing.assert_close(results[0][0], results[1][0])
    np.testing.assert_allclose(results[0][1], results[1][1])


def test_it_keeps_less_for_backward():
    def kept(layer):
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
            layer(X)
        return sum(sizes)

    def build():
        return torchkeras.Sequential([torchkeras.Input((6,)), *(layers.Dense(64, activation="gelu") for _ in range(4))])

    plain = build()
    with RematScope("full"):
        again = build()
    assert kept(again) < kept(plain) / 4


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_fit_copies_and_compiled_calls(policy):
    def trained(scope):
        torchkeras.utils.set_random_seed(1)
        with scope:
            inputs = torchkeras.Input((6,))
            x = layers.Dense(8, activation="relu", dtype=policy)(inputs)
            outputs = layers.Dense(1, dtype=policy)(layers.Dropout(0.2, seed=1)(x))
            model = torchkeras.Model(inputs, outputs)
        model.compile("sgd", "mse")
        model.fit(X.numpy(), X.numpy()[:, :1], epochs=2, batch_size=4, verbose=0, shuffle=False)
        return model

    model = trained(RematScope("full"))
    expected = trained(RematScope(None))
    for a, b in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        torch.testing.assert_close(other(X), model(X))
        assert other.layers[1]._tk_remat == model.layers[1]._tk_remat


def test_torch_compile_takes_it_whole():
    with RematScope("full"):
        layer = layers.Dense(5, activation="gelu")
    layer(X)
    expected = torch.autograd.grad(layer(X).sum(), layer.kernel.parameters)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(torch.autograd.grad(compiled(X).sum(), layer.kernel.parameters), expected)
