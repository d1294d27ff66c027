"""Name and device scopes, against real Keras and plain torch."""

import pytest
import torch

import torchkeras
from tests.oracle import keras


@pytest.mark.parametrize(
    "scopes",
    [
        [("a", {})],
        [("a", {}), ("b", {})],
        [("a", {}), ("b", {"override_parent": "x/y"})],
        [("a", {}), ("b", {"override_parent": ""})],
        [("a", {"caller": 1}), ("a", {"caller": 1})],
        [("a", {"caller": 1}), ("a", {"caller": 1, "deduplicate": False})],
        [("a", {"caller": 1}), ("a", {"caller": 2})],
    ],
)
def test_paths_are_those_of_keras(scopes):
    def paths(k):
        opened = [k.name_scope(name, **arguments) for name, arguments in scopes]
        for scope in opened:
            scope.__enter__()
        layer = k.layers.Dense(2, name="d")
        layer.build((None, 3))
        for scope in reversed(opened):
            scope.__exit__(None, None, None)
        after = k.layers.Dense(2, name="after")
        after.build((None, 3))
        return [w.path for w in (*layer.weights, *after.weights)]

    assert paths(torchkeras) == paths(keras)


def test_a_scope_may_be_opened_again_and_ends_with_an_error():
    scope = torchkeras.name_scope("a")
    with pytest.raises(RuntimeError), scope, scope:
        raise RuntimeError
    layer = torchkeras.layers.Dense(1, name="d")
    layer.build((None, 1))
    assert layer.weights[0].path == "d/kernel"


@pytest.mark.parametrize("name", ["a/b", 3, None])
def test_a_wrong_name_is_named(name):
    with pytest.raises(ValueError, match="`name` must be a string without '/'"):
        torchkeras.name_scope(name)


def test_device_is_where_weights_are_made():
    with torchkeras.device("meta"):
        layer = torchkeras.layers.Dense(2)
        layer.build((None, 3))
        variable = torchkeras.Variable([1.0])
    assert {layer.kernel.value.device.type, variable.device.type} == {"meta"}
    with torchkeras.device("CPU:0"):
        assert torchkeras.ops.ones((2,)).device.type == "cpu"
    assert torchkeras.ops.ones((2,)).device.type == "cpu"
    assert torchkeras.device("gpu:1") == torch.device("cuda:1")
    with pytest.raises(ValueError, match="`device_name` must be a string"):
        torchkeras.device(3)
