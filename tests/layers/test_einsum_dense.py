"""EinsumDense against real Keras, over nn.Linear where the sum is a matrix product; equations that do not fit."""

from __future__ import annotations

import pytest
import torch

from tests.oracle import keras
from torchkeras import layers


def test_einsum_dense_names_what_does_not_fit():
    with pytest.raises(ValueError, match="`equation` must be an Einstein sum"):
        layers.EinsumDense("ab,bc", output_shape=3)
    with pytest.raises(ValueError, match="`equation` has 'b' of two sizes, 4 and 5"):
        layers.EinsumDense("ab,bc->ab", output_shape=5)(torch.ones(2, 4))
    with pytest.raises(ValueError, match="must have a letter for each axis of `output_shape`"):
        layers.EinsumDense("ab,bc->ac", output_shape=(5, 6))(torch.ones(2, 4))
    with pytest.raises(ValueError, match="must have each letter of `bias_axes` in its output"):
        layers.EinsumDense("ab,bc->ac", output_shape=5, bias_axes="z")(torch.ones(2, 4))


# equation, output shape, bias axes, input shape, whether it is one matrix product
EQUATIONS = [
    ("ab,bc->ac", 4, "c", (2, 3), True),
    ("abc,cd->abd", (None, 4), None, (2, 3, 5), True),
    ("abc,cde->abde", (None, 4, 2), "de", (2, 3, 5), True),
    ("abc,cde->abde", (None, 4, 2), "e", (2, 3, 5), False),
    ("abc,cde->abed", (None, 2, 4), "ed", (2, 3, 5), True),
    ("abcd,cde->abe", (None, 6), "e", (2, 3, 4, 5), True),
    ("abcd,dce->abe", (None, 6), "e", (2, 3, 4, 5), True),
    ("abc,bd->adc", (4, None), "d", (2, 3, 5), True),
    ("abc,bd->acd", (None, 4), "d", (2, 3, 5), True),
    ("abc,dc->abd", (None, 4), "d", (2, 3, 5), True),
    ("abc,bcd->abd", (3, 4), "d", (2, 3, 5), False),
    ("abc,cd->ad", 4, "d", (2, 3, 5), False),
    ("...x,xy->...y", 4, "y", (2, 3, 5), True),
    ("...ab,bcd->...acd", (None, 4, 2), "cd", (2, 6, 3, 5), True),
    ("ax...,xy->ay...", 4, "y", (2, 3, 5), True),
    ("ab,c->abc", (None, 4), "c", (2, 3), False),
]


@pytest.mark.parametrize(("equation", "output", "bias", "shape", "linear"), EQUATIONS, ids=[f"{e[0]}-{e[2]}" for e in EQUATIONS])
@pytest.mark.parametrize("lora", [False, True])
def test_equations_over_linear_are_those_of_keras(equation, output, bias, shape, linear, lora):
    mine, reference = (cls(equation, output, bias_axes=bias, activation="tanh") for cls in (layers.EinsumDense, keras.layers.EinsumDense))
    x = torch.randn(shape)
    assert mine(x).shape == reference(x).shape
    if lora:
        for layer in (mine, reference):
            layer.enable_lora(2, lora_alpha=3)
    weights = [torch.randn(tuple(w.shape)) for w in reference.weights]
    mine.set_weights(weights)
    reference.set_weights([w.numpy() for w in weights])
    assert [w.path.partition("/")[2] for w in mine.weights] == [w.path.partition("/")[2] for w in reference.weights]
    torch.testing.assert_close(mine(x), reference(x))
    assert any(isinstance(m, torch.nn.Linear) for m in mine.modules()) == linear
    grads = torch.autograd.grad(mine(x).square().sum(), mine.trainable_weights)
    expected = torch.autograd.grad(reference(x).square().sum(), [w.value for w in reference.trainable_weights])
    for a, b in zip(grads, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
