"""Handles of weights hold places: what the module has now is what they show, and what they write changes it. Against plain torch."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

import torchkeras as keras
from torchkeras import layers
from torchkeras.variable import ParameterVariable, Variable


def built(layer, *shape):
    layer.build(shape)
    return layer


HANDLES = {
    "dense": lambda: built(layers.Dense(3), None, 3).kernel,
    "gru": lambda: built(layers.GRU(2), None, 5, 6).cell.kernel,
    "gru bias": lambda: built(layers.GRU(2), None, 5, 6).cell.bias,
    "conv": lambda: built(layers.Conv2D(3, 2), None, 5, 5, 2).kernel,
    "depthwise": lambda: built(layers.DepthwiseConv2D(2), None, 5, 5, 2).kernel,
    "own": lambda: built(layers.EinsumDense("ab,bc->ac", 3), None, 3).kernel,
}
WRITES = {
    "zero_": lambda w: w.zero_(),
    "data.fill_": lambda w: w.data.fill_(0),
    "detach().zero_": lambda w: w.detach().zero_(),
    "data =": lambda w: setattr(w, "data", torch.zeros(tuple(w.shape))),
    "w[...] =": lambda w: w.__setitem__(..., 0.0),
    "copy_": lambda w: w.copy_(torch.zeros(tuple(w.shape))),
    "init.zeros_": nn.init.zeros_,
    "init.constant_": lambda w: nn.init.constant_(w, 0.0),
    "init.uniform_": lambda w: nn.init.uniform_(w, 0.0, 0.0),
    "*=": lambda w: w.__imul__(0.0),
    "out=": lambda w: torch.mul(torch.zeros(tuple(w.shape)), 1.0, out=w),
    "assign": lambda w: w.assign(np.zeros(tuple(w.shape))),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("make", HANDLES.values(), ids=HANDLES)
def test_writing_into_a_handle_changes_the_weight(make, write):
    handle = make()
    handle.assign(np.ones(tuple(handle.shape)))
    with torch.no_grad():
        write(handle)
    assert all((p == 0).all() for p in handle.parameters) and (handle.numpy() == 0).all()


def test_writing_where_gradients_are_recorded_raises_as_in_torch():
    kernel = HANDLES["dense"]()
    with pytest.raises(RuntimeError, match="requires gradients and cannot be changed in place"):
        kernel.zero_()


def test_orthogonal_initialization_of_gates():
    kernel = HANDLES["gru"]()
    nn.init.orthogonal_(kernel)
    torch.testing.assert_close(torch.as_tensor(kernel.numpy() @ kernel.numpy().T), torch.eye(6))


class Scale(layers.Layer):
    def build(self, input_shape):
        self.gamma = self.add_weight((2,), "ones", name="scale", regularizer="l2")

    def call(self, x):
        return x * self.gamma


@pytest.mark.parametrize("swap", [False, True])
def test_a_replaced_parameter_is_the_weight(swap):
    layer = built(Scale(), None, 2)
    torch.__future__.set_swap_module_params_on_conversion(swap)
    try:
        layer.load_state_dict({"gamma": torch.full((2,), 5.0)}, assign=True)
        layer.double()
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)
    assert layer.weights[0] is layer.gamma is next(layer.parameters()) and isinstance(layer.gamma, ParameterVariable)
    assert layer.gamma.regularizer is not None and layer.get_weights()[0].tolist() == [5.0, 5.0]
    layer.gamma = new = nn.Parameter(torch.zeros(2))
    assert layer.weights[0] is layer.gamma is new and new.path.endswith("scale")


def test_a_replaced_sub_module_is_seen():
    dense = built(layers.Dense(3), None, 2)
    dense.linear = nn.Linear(2, 3)
    np.testing.assert_array_equal(dense.kernel.numpy(), dense.linear.weight.detach().T)
    assert [w.parameters[0] for w in dense.weights] == [dense.linear.weight, dense.linear.bias]


def test_another_tensor_as_a_kernel_is_refused():
    dense = built(layers.Dense(3), None, 2)
    with pytest.raises(ValueError, match=r"`kernel` of the layer .*`?layer\.kernel\.assign\(value\)"):
        dense.kernel = torch.zeros(2, 3)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: prune.l1_unstructured(m, "weight", 0.5),
        lambda m: parametrizations.weight_norm(m, "weight"),
        lambda m: parametrizations.spectral_norm(m, "weight"),
    ],
    ids=["prune", "weight_norm", "spectral_norm"],
)
def test_fit_trains_by_the_originals(change):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(1)])
    change(model.layers[0].linear)
    before = {k: v.clone() for k, v in model.layers[0].linear.named_parameters()}
    assert {id(w.parameters[0]) for w in model.trainable_weights} == {id(p) for p in model.parameters()}
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(np.random.rand(16, 4).astype("float32"), np.ones((16, 1), "float32"), verbose=0)
    assert all(not torch.equal(before[k], v) for k, v in model.layers[0].linear.named_parameters())


def test_settings_may_be_set_until_the_layer_is_built():
    dense = layers.Dense(2)
    dense.kernel_regularizer, dense.bias_initializer = keras.regularizers.L2(1.0), "ones"
    dense.build((None, 2))
    assert dense.bias.numpy().tolist() == [1.0, 1.0] and len(dense.losses) == 1


@pytest.mark.parametrize("make", [lambda: Variable([1.0, 2.0]), lambda: built(layers.Dense(2), None, 2).bias], ids=["variable", "view"])
def test_arrays_and_weights_compute_with_gradients(make):
    weight = make()
    for result in (np.ones(2) * weight, weight - np.ones(2), np.ones((2, 2)) @ weight):
        assert isinstance(result, torch.Tensor) and result.requires_grad


@pytest.mark.parametrize(
    "initializer", ["ones", {"class_name": "Ones", "config": {}}, keras.initializers.Ones, keras.initializers.Ones(), torch.ones],
    ids=["name", "config", "class", "object", "torch"],
)  # fmt: skip
def test_variables_from_initializers(initializer):
    assert Variable(initializer, shape=(2,)).numpy().tolist() == [1.0, 1.0]
    assert Variable("ones", shape=2, dtype="int").dtype is torch.int32
