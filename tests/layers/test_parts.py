"""The parts of layers are called: their hooks fire, a replaced part is used, and freezing one holds."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from torchkeras import layers

ROWS, STEPS, IMAGE = torch.randn(2, 6), torch.randn(2, 5, 6), torch.randn(2, 8, 8, 4)
PAIR = (STEPS, torch.randn(2, 3, 6))

# A layer, its inputs, and the paths of the modules inside it that must be called.
FOUR = ["_query_dense", "_key_dense", "_value_dense", "_output_dense"]
PARTS = {
    "multi_head": (lambda: layers.MultiHeadAttention(2, 3), PAIR, FOUR),
    "multi_head_linear": (lambda: layers.MultiHeadAttention(2, 3), PAIR, [f"{part}.linear" for part in FOUR]),
    "gated": (lambda: layers.MultiHeadAttention(2, 3, use_gate=True), PAIR, ["_gate_dense", "_gate_dense.linear"]),
    "grouped": (lambda: layers.GroupQueryAttention(3, 4, 2), PAIR, ["_query_dense", "_key_dense.linear", "_value_dense", "_output_dense"]),
    "einsum": (lambda: layers.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="de"), (STEPS,), ["linear"]),
    "dense": (lambda: layers.Dense(3), (ROWS,), ["linear"]),
    "embedding": (lambda: layers.Embedding(5, 3), (torch.tensor([[1, 2], [3, 4]]),), ["embedding"]),
    "conv": (lambda: layers.Conv2D(3, 3, padding="same", strides=2), (IMAGE,), ["conv"]),
    "depthwise": (lambda: layers.DepthwiseConv2D(3), (IMAGE,), ["conv"]),
    "separable": (lambda: layers.SeparableConv2D(3, 3), (IMAGE,), ["depthwise", "pointwise"]),
    "transposed": (lambda: layers.Conv2DTranspose(3, 3, strides=2, padding="same"), (IMAGE,), ["conv"]),
    "transposed_far": (lambda: layers.Conv1DTranspose(3, 2, dilation_rate=3, padding="same"), (STEPS,), ["conv"]),
    "lstm": (lambda: layers.LSTM(3), (STEPS,), ["cell.rnn"]),
    "gru": (lambda: layers.GRU(3, return_sequences=True), (STEPS,), ["cell.rnn"]),
    "simple_rnn": (lambda: layers.SimpleRNN(3), (STEPS,), ["cell.rnn"]),
    "rnn_of_cells": (lambda: layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)]), (STEPS,), ["cell.cells_.0", "cell.cells_.1"]),
    "bidirectional": (lambda: layers.Bidirectional(layers.LSTM(3)), (STEPS,), ["forward_layer", "backward_layer.cell.rnn"]),
    "time_distributed": (lambda: layers.TimeDistributed(layers.Dense(3)), (STEPS,), ["layer", "layer.linear"]),
    "batch_norm": (lambda: layers.BatchNormalization(beta_initializer="ones"), (ROWS,), ["norm"]),
    "layer_norm": (lambda: layers.LayerNormalization(axis=1), (STEPS,), ["norm"]),
    "group_norm": (lambda: layers.GroupNormalization(3), (STEPS,), ["norm"]),
    "rms_norm": (lambda: layers.RMSNormalization(), (STEPS,), ["norm"]),
    "dropout": (lambda: layers.Dropout(0.5), (ROWS,), ["dropout"]),
    "spatial_dropout": (lambda: layers.SpatialDropout1D(0.5), (STEPS,), ["dropout"]),
    "alpha_dropout": (lambda: layers.AlphaDropout(0.5), (ROWS,), ["dropout"]),
    "relu": (lambda: layers.ReLU(), (ROWS,), ["module"]),
    "prelu": (lambda: layers.PReLU(alpha_initializer="ones", shared_axes=[1]), (STEPS,), ["module"]),
    "softmax": (lambda: layers.Softmax(), (ROWS,), ["module"]),
    "activation": (lambda: layers.Activation("gelu"), (ROWS,), ["module"]),
}  # fmt: skip
parts = pytest.mark.parametrize("name", list(PARTS))


def doubled(output):
    return tuple(map(doubled, output)) if isinstance(output, (tuple, list)) else 2 * output


def built(name):
    make, inputs, paths = PARTS[name]
    layer = make()
    layer(*inputs)
    return layer, inputs, paths


@parts
def test_hooks_of_parts_fire(name):
    layer, inputs, paths = built(name)
    for path in paths:
        seen: list[int] = []
        handle = layer.get_submodule(path).register_forward_hook(lambda *_, seen=seen: seen.append(1))
        before = layer(*inputs)
        assert seen, path
        handle.remove()
        scaled = layer.get_submodule(path).register_forward_hook(lambda module, args, output: doubled(output))
        assert not torch.allclose(layer(*inputs), before), path
        scaled.remove()
        assert torch.equal(layer(*inputs), before)


class Twice(nn.Module):
    """What adapters do: a module around another, under its name."""

    def __init__(self, base):
        super().__init__()
        self.base = base

    def forward(self, *args, **kwargs):
        return doubled(self.base(*args, **kwargs))

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.base, name)


@parts
def test_a_replaced_part_is_used(name):
    layer, inputs, paths = built(name)
    for path in paths:
        before, old = layer(*inputs), layer.get_submodule(path)
        parent, _, attribute = path.rpartition(".")
        setattr(layer.get_submodule(parent), attribute, Twice(old))
        assert not torch.allclose(layer(*inputs), before), path
        setattr(layer.get_submodule(parent), attribute, old)
        assert torch.equal(layer(*inputs), before), path


def test_attention_holds_einsum_dense_under_the_names_of_keras():
    layer, inputs, _ = built("multi_head")
    assert [type(getattr(layer, f"{n}_dense")) for n in ("query", "key", "value", "output")] == [layers.EinsumDense] * 4
    assert layer.query_dense is layer._query_dense and layer._output_dense.name == "attention_output"
    layer.query_dense.trainable = False
    assert len(layer.trainable_weights) == 6
    layer(*inputs).sum().backward()
    assert layer.query_dense.linear.weight.grad is None and layer.key_dense.linear.weight.grad is not None
    with pytest.raises(AttributeError):
        layer.query_dense = layers.Dense(2)  # as in Keras: the property cannot be set, and torch must not register a module beside it
    before = layer(*inputs)
    layer._value_dense = copy.deepcopy(layer._value_dense)
    layer.value_dense.set_weights([2 * w for w in layer.value_dense.get_weights()])
    assert not torch.allclose(layer(*inputs), before)


def test_lora_of_a_part():
    layer, inputs, _ = built("multi_head")
    before = layer(*inputs).detach()
    layer.query_dense.enable_lora(2)
    np.testing.assert_allclose(layer(*inputs).detach(), before, atol=1e-6)
    layer.query_dense.lora_kernel_b.assign(torch.ones(layer.query_dense.lora_kernel_b.shape))
    assert not torch.allclose(layer(*inputs), before)
    layer(*inputs).sum().backward()
    assert layer.query_dense.lora_kernel_a.grad is not None and layer.query_dense.linear.weight.grad is None


def test_a_users_attention():
    class Uniform(layers.MultiHeadAttention):
        def _compute_attention(self, query, key, value, attention_mask=None, training=None):
            assert query.shape == (2, 5, 2, 3)
            return value.mean(1, keepdim=True).expand(query.shape), None

    layer = Uniform(2, 3)
    y = layer(*PAIR, use_causal_mask=True)
    assert torch.allclose(y[:, :1].expand(y.shape), y)


TRAINING = {
    "batch_norm": lambda: layers.BatchNormalization(beta_initializer="ones"),
    "renorm": lambda: layers.BatchNormalization(renorm=True, momentum=1.0, renorm_momentum=1.0, beta_initializer="ones"),
    "dropout": lambda: layers.Dropout(0.5),
    "alpha_dropout": lambda: layers.AlphaDropout(0.5),
}


@pytest.mark.parametrize("mode", [False, True])
@pytest.mark.parametrize("name", list(TRAINING))
def test_hooks_fire_in_training_whatever_the_modes_are(name, mode):
    layer = TRAINING[name]()
    layer(ROWS)
    layer.train(mode)
    part = layer.norm if hasattr(layer, "norm") else layer.dropout
    seen: list[bool] = []
    part.register_forward_hook(lambda *_: seen.append(True))
    part.register_forward_hook(lambda module, args, output: 3 * output)
    torch.manual_seed(0)
    changed = layer(ROWS, training=True)
    assert seen == [True]
    part._forward_hooks.clear()
    torch.manual_seed(0)
    torch.testing.assert_close(changed, 3 * layer(ROWS, training=True))
    assert part.training == mode


LORA = {
    "dense": (lambda: layers.Dense(3), ROWS),
    "einsum": (lambda: layers.EinsumDense("abc,cd->abd", (None, 3), bias_axes="d"), STEPS),
    "conv": (lambda: layers.Conv2D(3, 3, padding="same", strides=2, lora_rank=None), IMAGE),
    "conv_groups": (lambda: layers.Conv2D(4, 3, groups=2), IMAGE),
}


@pytest.mark.parametrize("name", list(LORA))
def test_lora_calls_the_module_as_well(name):
    make, x = LORA[name]
    layer = make()
    layer(x)
    layer.enable_lora(2)
    factors = layer._lora_factors
    factors[1].assign(torch.randn(factors[1].shape))
    plain = make()
    plain(x)
    target = layer.kernel.value + layer._lora_delta().reshape(layer.kernel.shape)
    plain.set_weights([target.detach(), layer.bias])
    torch.testing.assert_close(layer(x), plain(x), atol=1e-5, rtol=1e-4)
    seen: list[int] = []
    next(m for m in layer.children() if isinstance(m, (nn.Linear, nn.Conv2d))).register_forward_hook(lambda *_: seen.append(1))
    layer(x)
    assert seen == [1]


@pytest.mark.parametrize("make", [layers.LSTM, layers.GRU, layers.SimpleRNN])
def test_a_parametrized_recurrent_layer(make):
    layer = make(3)
    layer(STEPS)
    before = layer(STEPS)
    nn.utils.parametrize.register_parametrization(layer.cell.rnn, "weight_ih_l0", nn.Identity())
    torch.testing.assert_close(layer(STEPS), before)
    layer.use_cudnn = False
    torch.testing.assert_close(layer(STEPS), before)


# what torch's tools look for in a layer
FOUND = {
    "ReLU": (layers.ReLU(), nn.ReLU), "ReLU6": (layers.ReLU(6), nn.ReLU6), "slope": (layers.ReLU(negative_slope=0.1), nn.LeakyReLU),
    "threshold": (layers.ReLU(threshold=0.5), nn.Threshold), "LeakyReLU": (layers.LeakyReLU(), nn.LeakyReLU),
    "ELU": (layers.ELU(0.5), nn.ELU), "PReLU": (layers.PReLU(), nn.PReLU), "Softmax": (layers.Softmax(1), nn.Softmax),
    "batch": (layers.BatchNormalization(), nn.BatchNorm1d), "alpha": (layers.AlphaDropout(0.2), nn.AlphaDropout),
    **{n: (layers.Activation(n), getattr(nn, c)) for n, c in {
        "relu": "ReLU", "sigmoid": "Sigmoid", "tanh": "Tanh", "softmax": "Softmax", "gelu": "GELU", "silu": "SiLU", "swish": "SiLU",
        "elu": "ELU", "selu": "SELU", "leaky_relu": "LeakyReLU", "relu6": "ReLU6", "softplus": "Softplus", "hard_sigmoid": "Hardsigmoid",
        "mish": "Mish", "log_softmax": "LogSoftmax", "linear": "Identity", "hard_silu": "Hardswish", "celu": "CELU",
    }.items()},
}  # fmt: skip


@pytest.mark.parametrize("name", list(FOUND))
def test_layers_hold_the_modules_that_tools_look_for(name):
    layer, cls = FOUND[name]
    layer(ROWS)
    assert any(isinstance(m, cls) for m in layer.modules())
    if name != "alpha":  # which follows the flag of the call
        assert any(type(m) is cls for m in layer.modules())
    assert "module" not in " ".join(layer.state_dict()) or name == "PReLU"


def test_settings_of_activation_layers_are_read_at_each_call():
    layer = layers.ReLU()
    layer.max_value = 0.1
    assert layer(ROWS).max() == 0.1
    layer = layers.Activation("relu")
    layer.activation = torch.tanh
    torch.testing.assert_close(layer(ROWS), torch.tanh(ROWS))
    whole = torch.tensor([[-1, 2]])
    assert layers.ReLU()(whole).dtype is torch.int64 and layers.Activation("relu")(whole).tolist() == [[0, 2]]
