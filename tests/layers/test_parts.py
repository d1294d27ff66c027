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
}  # fmt: skip
parts = pytest.mark.parametrize("name", list(PARTS))


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
        scaled = layer.get_submodule(path).register_forward_hook(lambda module, args, output: output * 2)
        assert not torch.allclose(layer(*inputs), before), path
        scaled.remove()
        assert torch.equal(layer(*inputs), before)


class Twice(nn.Module):
    """What adapters do: a module around another, under its name."""

    def __init__(self, base):
        super().__init__()
        self.base = base

    def forward(self, *args, **kwargs):
        return 2 * self.base(*args, **kwargs)


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
