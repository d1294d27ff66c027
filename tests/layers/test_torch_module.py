"""Torch modules as layers, and layers in torch modules."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from torchkeras import layers
from torchkeras.configurable import deserialize_keras_object, serialize_keras_object
from torchkeras.graph import Function


def test_a_torch_module_is_a_layer():
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    layer = layers.TorchModuleWrapper(module, name="wrapped")
    x = torch.randn(8, 3)
    assert not module.training
    torch.testing.assert_close(layer(x), layer(x))
    assert layer(layers.Input((3,))).shape == (None, 4)
    assert (layer(x, training=True) == 0).any()
    assert not module.training
    assert [tuple(w.shape) for w in layer.trainable_weights] == [(4, 3), (4,), (4,), (4,)]
    layer.trainable = False
    assert layer.trainable_weights == []
    assert not module[0].weight.requires_grad
    with pytest.raises(ValueError, match="`module` must be a torch.nn.Module. Received: 3 of type int"):
        layers.TorchModuleWrapper(3)
    with pytest.raises(ValueError, match="`module` is lazy"):
        layers.TorchModuleWrapper(nn.LazyLinear(3))


def test_the_weights_of_a_torch_module_are_saved_by_name_and_checked():
    layer, other = (layers.TorchModuleWrapper(nn.BatchNorm1d(4), name="w") for _ in range(2))
    layer(torch.randn(8, 4), training=True)
    store = {}
    layer.save_own_variables(store)
    assert sorted(store) == ["bias", "num_batches_tracked", "running_mean", "running_var", "weight"]
    other.load_own_variables(store)
    torch.testing.assert_close(other.module.running_mean, layer.module.running_mean)
    with pytest.raises(ValueError, match=r"layer 'w': for 'weight' the module has \(5,\) and the file has \(4,\)"):
        layers.TorchModuleWrapper(nn.BatchNorm1d(5), name="w").load_own_variables(store)


def test_a_pickled_module_is_refused_in_safe_mode():
    data = serialize_keras_object(layers.TorchModuleWrapper(nn.Linear(2, 2)))
    with pytest.raises(ValueError, match="unpickling runs code: it is refused in safe mode"):
        deserialize_keras_object(data)
    with pytest.raises(ValueError, match="refused in safe mode"):
        layers.TorchModuleWrapper.from_config(data["config"])
    again = deserialize_keras_object(data, safe_mode=False)
    assert again(torch.ones(1, 2)).shape == (1, 2)


def test_a_layer_in_a_torch_sequential_and_a_module_in_a_graph():
    net = nn.Sequential(layers.Dense(4, activation="relu"), nn.Linear(4, 2))
    assert net(torch.ones(3, 5)).shape == (3, 2)
    inputs = layers.Input((5,))
    graph = Function(inputs, layers.TorchModuleWrapper(nn.Linear(5, 2))(inputs))
    assert graph(torch.ones(3, 5)).shape == (3, 2)
