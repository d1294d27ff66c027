"""The function that is written out for a graph: its values, its code, its copies, and what it lets go."""

import collections
import copy
import gc
import linecache
import pickle
import traceback
import weakref

import pytest
import torch
import torch.nn.functional as F

import torchkeras as keras
from torchkeras import layers, ops
from torchkeras.graph import Function


def many_kinds():
    """A graph of layers, ops, torch functions, slices, named tuples, several outputs, keyword and nested arguments."""
    a, b = keras.Input((6, 4)), keras.Input((4,))
    h = layers.Dense(4, activation="relu")(a)
    values, places = torch.topk(h, 2, dim=1)
    w = torch.cat([values, h[:, 1:3], h[:, ::2]], 1)
    w = layers.MultiHeadAttention(2, 3)(w, w, use_causal_mask=True)
    last, _, carry = layers.LSTM(3, return_state=True)(h)
    o = F.gelu(ops.mean(w, axis=1) + b, approximate="tanh")
    o = layers.Add()([o, b * float("inf"), b]) * torch.tensor(2.0)
    return keras.Model({"a": a, "b": b}, {"o": o, "states": [last, (carry,)], "places": places})


def by_hand(model, x):
    named = {type(layer).__name__: layer for layer in model.layers}
    h = named["Dense"](x["a"])
    values, places = torch.topk(h, 2, dim=1)
    w = torch.cat([values, h[:, 1:3], h[:, ::2]], 1)
    w = named["MultiHeadAttention"](w, w, use_causal_mask=True)
    last, _, carry = named["LSTM"](h)
    o = F.gelu(w.mean(1) + x["b"], approximate="tanh")
    return {"o": (o + x["b"] * float("inf") + x["b"]) * 2.0, "states": [last, (carry,)], "places": places}


X = {"a": torch.randn(2, 6, 4), "b": torch.randn(2, 4)}
COPIES = {"itself": lambda m: m, "deepcopy": copy.deepcopy, "pickle": lambda m: pickle.loads(pickle.dumps(m))}


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
def test_a_graph_computes_what_its_calls_do(make):
    model = make(many_kinds())
    torch.testing.assert_close(model(X), by_hand(model, X))


def test_arguments_of_any_nest():
    i = keras.Input((3,))
    two = collections.namedtuple("two", "x y")
    numbers = list(range(100))

    class Takes(layers.Layer):
        def call(self, first, rest, names, ordered=None):
            assert type(rest) is two and names == {"all": numbers, 1: (None, True, "a'b")} and type(ordered) is collections.OrderedDict
            names["all"].append(0)  # what a call does to its arguments does not reach the next one
            return first + rest.x * rest.y[0] + ordered["b"] - ordered["a"]

    ordered = collections.OrderedDict(b=i * 2, a=i)
    y = Takes()(i, two(i, [i, 3]), {"all": numbers, 1: (None, True, "a'b")}, ordered=ordered)
    model, x = keras.Model(i, y), torch.randn(2, 3)
    for _ in range(2):
        torch.testing.assert_close(model(x), x + x * x + x)


def test_a_function_of_a_graph():
    i, j = keras.Input((3,)), keras.Input((3,))
    function = Function([i, j], [i + j, torch.sin(i)])
    x, y = torch.randn(2, 3), torch.randn(2, 3)
    torch.testing.assert_close(function([x, y]), [x + y, torch.sin(x)])


def chain(units):
    i = keras.Input((4,))
    return keras.Model(i, layers.Dense(units)(layers.Dense(4)(i) + 1.0))


def test_graphs_of_one_structure_share_their_code_and_others_do_not():
    a, b, other = chain(2), chain(2), chain(3)
    code = [m._tk_plan.run.__code__ for m in (a, b, other)]
    assert code[0] is code[1] and code[0] is not code[2] and code[0] != code[2]  # equal code is one to Dynamo
    x = torch.randn(2, 4)
    assert not torch.equal(a(x), b(x))  # the weights are each model's own


def test_a_whole_traceback_shows_the_call_of_the_graph_and_the_text_goes_with_the_graph():
    class Fails(layers.Layer):
        def call(self, inputs):
            if type(inputs) is torch.Tensor:
                raise KeyError("no")
            return inputs

    i = keras.Input((2,))
    model = keras.Model(i, layers.Dense(2)(Fails(name="bad")(i)))
    texts = []
    for change in (keras.config.disable_traceback_filtering, keras.config.enable_traceback_filtering):
        change()
        try:
            model(torch.ones(1, 2))
        except KeyError:
            texts.append(traceback.format_exc())
    assert "call(layers['bad'], v0)" in texts[0] and "call(layers" not in texts[1] and "the layer 'bad'" in texts[1]
    file = model._tk_plan.run.__code__.co_filename
    assert file in linecache.cache
    del model, i
    gc.collect()
    assert file not in linecache.cache


def test_values_that_nothing_needs_any_more_are_let_go():
    seen = []

    def watch(x):
        alive = [ref() is not None for ref in seen]
        y = x + 1
        seen.append(weakref.ref(y))
        states.append(alive)
        return y

    i = keras.Input((3,))
    h = i
    for n in range(4):
        h = layers.Lambda(watch, output_shape=(3,), name=f"step_{n}")(h)
    model, states = keras.Model(i, h), []
    seen.clear()
    with torch.no_grad():
        y = model(torch.ones(1, 3))
    assert states[-4:] == [[], [True], [False, True], [False, False, True]] and torch.equal(y, torch.full((1, 3), 5.0))


def test_tensors_of_the_model_are_read_at_each_call():
    linear = torch.nn.Linear(3, 2)
    i = keras.Input((3,))
    model, x = keras.Model(i, F.linear(i, linear.weight) + torch.tensor([1.0, 2.0])), torch.randn(2, 3)
    torch.testing.assert_close(model(x), x @ linear.weight.T + torch.tensor([1.0, 2.0]))
    state = {k: torch.ones_like(v) for k, v in model.state_dict().items()}
    model.load_state_dict(state, assign=True)
    torch.testing.assert_close(model(x), x.sum(1, keepdim=True).expand(2, 2) + torch.tensor([1.0, 2.0]))
