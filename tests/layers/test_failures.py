"""An error raised in a `call` names the layer, the layers around it and the arguments; its class and what it carries stay."""

import re

import numpy as np
import pytest
import torch
from torch import nn

import torchkeras as keras
from tests.oracle import keras as real
from torchkeras import layers


class Refuses(layers.Layer):
    def __init__(self, error, **kwargs):
        super().__init__(**kwargs)
        self.error = error

    def call(self, x, factor=1.0, training=False):
        raise self.error


class Around(layers.Layer):
    def __init__(self, inner, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner

    def call(self, x, **kwargs):
        return self.inner(x, factor=2.0)


class Special(Exception):
    def __init__(self, code, detail):
        super().__init__(code, detail)
        self.code = code


def message(error, *args, around=0, **kwargs):
    layer = Refuses(error, name="refuses")
    for i in range(around):
        layer = Around(layer, name=f"around_{i}")
    with pytest.raises(type(error)) as caught:
        layer(*args, **kwargs)
    assert caught.value is error
    return str(caught.value)


@pytest.mark.parametrize(
    "kind", [ValueError, TypeError, RuntimeError, IndexError, NotImplementedError, ZeroDivisionError, KeyError, OSError]
)
def test_the_class_and_the_object_stay(kind):
    text = message(kind("out of order"), torch.ones(2, 3))
    assert text.startswith("Exception encountered when calling Refuses.call(), the layer 'refuses'.")
    assert "out of order" in text and "\n" in text and "  • x=Tensor(shape=(2, 3), dtype=float32)" in text


def test_the_innermost_layer_is_named_once_with_the_path_around_it():
    text = message(ValueError("no"), torch.ones(2, 3), around=2)
    assert text.count("Exception encountered") == 1
    assert "the layer 'refuses' in 'around_0' in 'around_1'." in text and "  • factor=2.0" in text


def test_arguments_are_shown_by_size_and_type():
    text = message(ValueError("no"), np.ones((2, 2)), training=True, factor=[torch.ones(3), None, {"a": "b"}])
    assert "x=ndarray(shape=(2, 2), dtype=float64)" in text and "training=True" in text
    assert "factor=[Tensor(shape=(3,), dtype=float32), None, {'a': 'b'}]" in text


def test_an_error_of_several_arguments_keeps_them():
    error = Special(3, "broken")
    message(error, torch.ones(1))
    assert error.args == (3, "broken") and error.code == 3


def test_what_a_layer_catches_from_another_is_the_error_itself():
    class Falls(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = Refuses(ValueError("no"))

        def call(self, x):
            try:
                return self.inner(x)
            except ValueError:
                return x + 1

    assert float(Falls()(torch.ones(()))) == 2.0


def test_checks_of_inputs_are_no_calls():
    dense = layers.Dense(2)
    dense.build((None, 3))
    with pytest.raises(ValueError, match="^The input 0 of the layer 'dense"):
        dense(torch.ones(2, 5))


@pytest.mark.parametrize("make", ["graph", "sequential", "subclass"])
def test_layers_of_models_are_named_in_their_model(make):
    inner = Refuses(ValueError("no"), name="refuses")
    inner.compute_output_shape = lambda shape: shape
    if make == "graph":
        x = keras.Input((3,))
        model = keras.Model(x, _passes(inner)(layers.Dense(3)(x)), name="model")
    elif make == "sequential":
        model = keras.Sequential([layers.Input((3,)), layers.Dense(3), _passes(inner)], name="model")
    else:
        model = Around(inner, name="model")
    inner.error = ValueError("later")
    with pytest.raises(ValueError, match=r"calling Refuses.call\(\), the layer 'refuses' in 'model'\.\n\nlater"):
        model(torch.ones(2, 3))


def _passes(layer):
    """The layer, whose call on symbolic tensors does not fail."""
    layer.compute_output_spec = lambda x, **kwargs: keras.KerasTensor(x.shape)
    return layer


def test_hooks_and_modules_inside_are_named_like_any_other_code():
    dense = layers.Dense(2, name="dense")
    dense.build((None, 3))
    dense.register_forward_pre_hook(lambda module, args: (torch.ones(2, 3),))
    layer = Around(Refuses(ValueError("no")), name="around")
    layer.inner = nn.Identity()
    with pytest.raises(TypeError, match=r"calling Around.call\(\), the layer 'around'\."):
        layer(torch.ones(1))


def test_real_keras_names_the_same_layer_and_keeps_the_class():
    def program(k):
        class Inner(k.layers.Layer):
            def call(self, x):
                raise IndexError("beyond the end")

        class Whole(k.Model):
            def __init__(self):
                super().__init__()
                self.inner = Inner()

            def call(self, x):
                return self.inner(x)

        with pytest.raises(IndexError) as caught:
            Whole()(torch.ones(2, 3))
        return re.search(r"Exception encountered when calling (\w+\.call\(\))", str(caught.value)).group(1)

    assert program(keras) == program(real) == "Inner.call()"


def test_a_compiled_model_still_is_one_graph():
    model = keras.Sequential([layers.Input((3,)), layers.Dense(4, activation="relu"), layers.Dense(2)])
    x = torch.ones(2, 3)
    run = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(run(x), model(x))


def test_devices_that_differ_are_told_with_the_cure():
    dense = layers.Dense(2, name="dense")
    dense.build((None, 3))
    dense.to("meta")
    with pytest.raises(RuntimeError, match=r"The layer 'dense' has weights on meta and was called on inputs on cpu\. Move one"):
        dense(torch.ones(2, 3))
