"""Functional models against real Keras: order of layers and weights, nests, sharing, cutting."""

import re

import numpy as np
import pytest
import torch

import torchkeras as keras
from tests.models.common import TOPOLOGIES, both, random_inputs, residual
from tests.oracle import keras as oracle
from torchkeras import layers

flatten = keras.tree.flatten


def shapes_of(model):
    shape = model.output_shape
    return shape if isinstance(shape, list) else [shape]


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_layers_and_weights_stand_in_the_order_of_keras(name):
    ours, theirs = TOPOLOGIES[name](keras), TOPOLOGIES[name](oracle)
    names = lambda m: [layer.name for layer in m.layers]  # noqa: E731
    assert names(ours) == names(theirs)
    shapes = lambda m: [tuple(w.shape) for w in m.weights]  # noqa: E731
    assert shapes(ours) == shapes(theirs)
    assert [w.name for w in ours.weights] == [w.name for w in theirs.weights]
    assert [tuple(w.shape) for w in ours.trainable_weights] == [tuple(w.shape) for w in theirs.trainable_weights]
    assert ours.count_params() == theirs.count_params()
    if name != "sequential":  # Keras has no such attribute there
        assert ours.output_names == theirs.output_names
    assert ours.input_shape == theirs.input_shape
    assert flatten(keras.tree.map_structure(lambda t: t.shape[-1], ours.output)) == [s[-1] for s in shapes_of(theirs)]


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_predictions_are_those_of_keras(name):
    ours, theirs = both(TOPOLOGIES[name])
    x = random_inputs(ours)
    got, expected = ours.predict(x, verbose=0), theirs.predict(x, verbose=0)
    assert type(got) is type(expected)
    for a, b in zip(flatten(got), flatten(expected)):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_config_goes_round(name):
    model = TOPOLOGIES[name](keras)
    copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    x = random_inputs(model)
    for a, b in zip(flatten(model.predict(x, verbose=0)), flatten(copy.predict(x, verbose=0))):
        np.testing.assert_array_equal(a, b)
    assert [layer.name for layer in copy.layers] == [layer.name for layer in model.layers]


def test_dicts_lists_and_mixtures():
    a, b, c = keras.Input((2,), name="a"), keras.Input((2,), name="b"), keras.Input((2,), name="c")
    model = keras.Model({"first": a, "rest": [b, c]}, [a + b, {"deep": (b * c, c)}])
    one = torch.ones(3, 2)
    out = model({"first": one, "rest": [one * 2, one * 3]})
    assert isinstance(out, list) and out[0][0, 0] == 3 and out[1]["deep"][0][0, 0] == 6 and out[1]["deep"][1][0, 0] == 3
    assert isinstance(out[1]["deep"], tuple)
    predicted = model.predict({"first": np.ones((3, 2)), "rest": [np.ones((3, 2)), np.ones((3, 2))]}, verbose=0)
    assert predicted[1]["deep"][0].shape == (3, 2)


def test_a_list_model_takes_a_dict_by_input_name():
    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
    model = keras.Model([a, b], a - b)
    assert model({"b": torch.ones(1, 2), "a": torch.zeros(1, 2)}).tolist() == [[-1, -1]]
    with pytest.raises(ValueError, match="misses the input 'b'"):
        model({"a": torch.zeros(1, 2)})


def test_models_cut_out_of_a_graph():
    ours, theirs = both(residual)
    x = random_inputs(ours)
    mine = keras.Model(ours.input, ours.get_layer("add").output)
    real = oracle.Model(theirs.input, theirs.get_layer("add").output)
    np.testing.assert_allclose(mine.predict(x, verbose=0), real.predict(x, verbose=0), atol=1e-6)
    assert [layer.name for layer in mine.layers] == [layer.name for layer in real.layers]
    assert mine.get_layer("a") is ours.get_layer("a")

    several = keras.Model(ours.inputs, [layer.output for layer in ours.layers[1:]])
    assert len(several(torch.from_numpy(x))) == len(ours.layers) - 1


def test_a_model_that_begins_at_an_inner_tensor():
    x = keras.Input((4,))
    h = layers.Dense(3, name="h")(x)
    full = keras.Model(x, layers.Dense(2, name="o")(torch.relu(h)))
    head = keras.Model(h, full.output)
    values = torch.randn(5, 4)
    torch.testing.assert_close(head(full.get_layer("h")(values)), full(values))
    assert [w.path for w in head.weights] == [w.path for w in full.get_layer("o").weights]


def test_a_shared_layer_has_several_outputs():
    a, b = keras.Input((4,)), keras.Input((4,))
    dense = layers.Dense(3)
    x, y = dense(a), dense(b)
    assert dense.get_output_at(0) is x and dense.get_output_at(1) is y
    assert dense.get_input_at(1) is b and dense.get_output_shape_at(0) == (None, 3)
    assert dense.output is x and dense.input is a  # as in Keras: those of the first call
    assert not hasattr(layers.Dense(3), "input")
    with pytest.raises(ValueError, match="`node_index` must be below 2"):
        dense.get_output_at(2)


def test_input_and_output_of_a_layer():
    x = keras.Input((4,))
    dense = layers.Dense(3)
    y = dense(x)
    assert dense.input is x and dense.output is y
    assert dense.input_shape == (None, 4) and dense.output_shape == (None, 3)
    join = layers.Concatenate()
    join([x, y])
    assert join.input_shape == [(None, 4), (None, 3)]


def test_models_are_layers():
    i = keras.Input((4,))
    block = keras.Model(i, layers.Dense(4)(i), name="block")
    x = keras.Input((4,))
    model = keras.Model(x, block(block(x)))
    assert [layer.name for layer in model.layers][1:] == ["block"] and len(model.weights) == 2
    values = torch.randn(2, 4)
    torch.testing.assert_close(model(values), block(block(values)))
    block.trainable = False
    assert model.trainable_weights == []


def test_calling_a_model_with_another_batch_shape():
    i = keras.Input((None, 4))
    model = keras.Model(i, layers.Dense(2)(i))
    assert model(keras.Input((7, 4))).shape == (None, 7, 2)
    assert model.compute_output_shape((3, 5, 4)) == (3, 5, 2)


def test_wrong_graphs_are_refused():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    with pytest.raises(ValueError, match="disconnected.*'a'|disconnected: `outputs` depend on .*name=b"):
        keras.Model(a, a + b)
    with pytest.raises(ValueError, match="`outputs` must be symbolic tensors"):
        keras.Model(a, torch.ones(2))
    with pytest.raises(ValueError, match="must not hold the same tensor twice"):
        keras.Model([a, a], a + 1)
    x = layers.Dense(2, name="same")(a)
    with pytest.raises(ValueError, match="'same' is used 2 times"):
        keras.Model(a, layers.Dense(2, name="same")(x))


def test_get_layer():
    model = residual(keras)
    assert model.get_layer(index=1) is model.layers[1]
    with pytest.raises(ValueError, match="No such layer: 'addd'.*add.*Existing layers are"):
        model.get_layer("addd")
    with pytest.raises(ValueError, match="either `name` or `index`"):
        model.get_layer()
    with pytest.raises(ValueError, match="`index` must be below"):
        model.get_layer(index=50)
    with pytest.raises(AttributeError, match="read-only"):
        model.layers = []


def test_wrong_inputs_are_reported():
    model = residual(keras)
    with pytest.raises(ValueError, match=re.escape("'x'") + ".*expected shape=.*8"):
        model(torch.zeros(3, 9))
    with pytest.raises(ValueError, match="expects 1 input.*Received: 2"):
        model([torch.zeros(3, 8), torch.zeros(3, 8)])


def test_inputs_gain_and_lose_a_last_axis_of_one():
    x = keras.Input((1,))
    model = keras.Model(x, x * 2)
    assert tuple(model(torch.ones(5)).shape) == (5, 1)
    y = keras.Input((3,))
    assert tuple(keras.Model(y, y * 2)(torch.ones(5, 3, 1)).shape) == (5, 3)


def test_a_fixed_batch_size():
    x = keras.Input(batch_shape=(4, 3))
    model = keras.Model(x, layers.Dense(2)(x))
    assert model.output_shape == (4, 2)


def test_inputs_of_other_types_are_cast():
    x = keras.Input((3,))
    model = keras.Model(x, layers.Dense(2)(x))
    assert model(torch.ones(2, 3, dtype=torch.float64)).dtype is torch.float32
    assert model(np.ones((2, 3), "int32")).dtype is torch.float32
    assert tuple(model([[1, 2, 3]]).shape) == (1, 2)


def test_a_layer_replaced_in_the_module_is_used():
    x = keras.Input((3,))
    model = keras.Model(x, layers.Dense(3, name="d")(x))
    model.d = torch.nn.Identity()
    values = torch.randn(2, 3)
    assert torch.equal(model(values), values)


def test_a_subclass_of_model_made_from_tensors():
    class Named(keras.Model):
        def extra(self):
            return len(self.layers)

    x = keras.Input((3,))
    model = Named(inputs=x, outputs=layers.Dense(2)(x), name="mine")
    assert model.extra() == 2 and model.name == "mine" and isinstance(model, Named)

    class Built(keras.Model):
        def __init__(self, units):
            x = keras.Input((3,))
            super().__init__(x, layers.Dense(units)(x))
            self.units = units

    built = Built(5)
    assert built(torch.ones(1, 3)).shape[-1] == 5 and len(built.weights) == 2


def test_torch_compile_sees_one_graph():
    model = residual(keras)
    values = torch.randn(3, 8)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(values), model(values))


def test_the_clone_has_weights_of_its_own():
    model = residual(keras)
    copy = keras.models.clone_model(model)
    assert [w.shape for w in copy.weights] == [w.shape for w in model.weights]
    assert not {id(p) for p in copy.parameters()} & {id(p) for p in model.parameters()}
    copy.set_weights(model.get_weights())
    values = torch.randn(3, 8)
    torch.testing.assert_close(copy(values), model(values))


def test_the_clone_with_other_layers_and_inputs():
    model = residual(keras)

    def wider(layer):
        config = layer.get_config()
        if isinstance(layer, layers.Dense):
            config["activation"] = "relu"
        return type(layer).from_config(config)

    copy = keras.models.clone_model(model, clone_function=wider)
    assert all(layer.activation.__name__ == "relu" for layer in copy.layers if isinstance(layer, layers.Dense))
    x = keras.Input((8,), name="fresh")
    on_input = keras.models.clone_model(model, input_tensors=x)
    assert on_input.input is x or on_input.inputs[0] is x
    with pytest.raises(ValueError, match="`call_function` goes with functional"):
        keras.models.clone_model(keras.Sequential([layers.Dense(1)]), call_function=lambda layer, *a: layer(*a))


def test_what_was_computed_from_weights_before_the_model_is_a_constant():
    positions = layers.Embedding(4, 3)
    x = keras.Input((4, 3))
    with pytest.warns(UserWarning, match="computed from weights outside of the model 'sum'.*constant.*not trained"):
        model = keras.Model(x, layers.Dense(1)(x + positions(torch.arange(4))), name="sum")
    before = positions.get_weights()[0]
    model.compile("sgd", "mse")
    losses = model.fit(np.ones((8, 4, 3)), np.zeros((8, 4, 1)), epochs=2, batch_size=2, verbose=0).history["loss"]
    assert losses[1] < losses[0] and len(model.weights) == 2
    np.testing.assert_array_equal(positions.get_weights()[0], before)


def test_nested_inputs_are_called_on_symbols_too():
    def run(k):
        a, b, c = (k.Input((n,), name=str(n)) for n in (1, 2, 3))
        first, second, third = (k.layers.Dense(n, kernel_initializer="ones")(x) for n, x in ((1, a), (2, b), (3, c)))
        model = k.Model({"1": a, "others": {"2": b, "3": c}}, {"1": first, "others": {"2": second, "3": third}})
        real = model({"1": np.ones((2, 1)), "others": {"2": np.ones((2, 2)), "3": np.ones((2, 3))}})
        symbolic = model({"1": k.Input((1,), batch_size=2), "others": {"2": k.Input((2,)), "3": k.Input((3,))}})
        shapes = [tuple(symbolic["1"].shape), tuple(symbolic["others"]["3"].shape)]
        return shapes, [k.ops.convert_to_numpy(t).tolist() for t in (real["1"], real["others"]["2"], real["others"]["3"])]

    assert run(keras) == run(oracle)


@pytest.mark.parametrize("keys", [("b", "a"), ("a", "b")])
def test_a_list_for_named_inputs_is_refused_where_it_would_exchange_them(keys):
    x, y = keras.Input((2,)), keras.Input((2,))
    model = keras.Model(dict(zip(keys, (x, y))), x - y)
    given = [torch.full((1, 2), 5.0), torch.full((1, 2), 3.0)]
    if keys == ("a", "b"):
        assert model(given).tolist() == [[2.0, 2.0]]
        return
    for inputs in (given, tuple(given), [keras.Input((2,)), keras.Input((2,))]):
        with pytest.raises(ValueError, match=r"must be a dict with the keys \['b', 'a'\]: in a list their order would be \['a', 'b'\]"):
            model(inputs)
