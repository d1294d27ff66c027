"""Symbolic tensors: what can be done with them, and that a model computes the same on values."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import torchkeras as keras
from torchkeras import layers
from torchkeras.graph import KerasTensor

EXPRESSIONS = {
    "add": lambda x: x + 1,
    "radd": lambda x: 1 + x,
    "sub": lambda x: x - 2.0,
    "rsub": lambda x: 2.0 - x,
    "mul": lambda x: x * x,
    "truediv": lambda x: x / 3,
    "rtruediv": lambda x: 1 / (x * x + 1),
    "floordiv": lambda x: x // 2,
    "mod": lambda x: x % 2,
    "pow": lambda x: x**2,
    "rpow": lambda x: 2**x,
    "neg": lambda x: -x,
    "abs": lambda x: abs(x),
    "matmul": lambda x: x @ x.transpose(1, 2),
    "compare": lambda x: x > 0,
    "equal": lambda x: x == x,
    "logic": lambda x: (x > 0) & ~(x > 1) | (x < -1),
    "index": lambda x: x[:, 0],
    "slice": lambda x: x[:, 1:, ::2],
    "ellipsis": lambda x: x[..., -1],
    "newaxis": lambda x: x[:, None],
    "iterate": lambda x: sum(x[:, i] for i in range(3)),
    "reshape": lambda x: x.reshape(-1, 12),
    "flatten": lambda x: torch.flatten(x, 1),
    "squeeze": lambda x: x[:, :1].squeeze(1),
    "permute": lambda x: x.permute(0, 2, 1),
    "T-like": lambda x: x.mT,
    "method": lambda x: x.sum(dim=1, keepdim=True),
    "mean": lambda x: x.mean(-1),
    "max": lambda x: torch.max(x, dim=1)[0],
    "chunk": lambda x: torch.chunk(x, 2, dim=2)[1],
    "cat": lambda x: torch.cat([x, x], dim=-1),
    "stack": lambda x: torch.stack([x, x], dim=1),
    "where": lambda x: torch.where(x > 0, x, -x),
    "einsum": lambda x: torch.einsum("bij,bkj->bik", x, x),
    "relu": lambda x: torch.relu(x),
    "gelu": lambda x: F.gelu(x),
    "softmax": lambda x: F.softmax(x, dim=-1),
    "layer_norm": lambda x: F.layer_norm(x, (4,)),
    "pad": lambda x: F.pad(x, (1, 1)),
    "clamp": lambda x: x.clamp(-1, 1),
    "int": lambda x: x.to(torch.int32),
    "ops": lambda x: keras.ops.matmul(x, keras.ops.transpose(x, (0, 2, 1))),
    "ops with a number": lambda x: keras.ops.maximum(x, 0.5),
    "ops reshape": lambda x: keras.ops.reshape(x, (-1, 2, 6)),
    "tensor on the left": lambda x: torch.ones(4) + x,
    "array on the left": lambda x: keras.ops.add(np.ones(4, "float32"), x),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_an_expression_gives_the_same_shape_type_and_values_as_on_tensors(name):
    fn = EXPRESSIONS[name]
    x = keras.Input((3, 4))
    y = fn(x)
    assert isinstance(y, KerasTensor) and y.shape[0] is None
    values = torch.randn(5, 3, 4)
    expected = fn(values)
    got = keras.Model(x, y)(values)
    assert tuple(y.shape[1:]) == tuple(expected.shape[1:])
    assert y.dtype == str(expected.dtype).removeprefix("torch.") == str(got.dtype).removeprefix("torch.")
    torch.testing.assert_close(got, expected)


def test_numpy_array_plus_symbolic():
    x = keras.Input((4,))
    y = x * np.float32(2) + np.ones(4, "float32")
    torch.testing.assert_close(keras.Model(x, y)(torch.zeros(2, 4)), torch.ones(2, 4))


def test_a_weight_in_an_expression():
    x = keras.Input((3,))
    dense = layers.Dense(2)
    dense.build((None, 3))
    y = torch.matmul(x, dense.kernel)
    values = torch.randn(4, 3)
    torch.testing.assert_close(keras.Model(x, y)(values), values @ dense.kernel.value)


def test_what_has_no_value_says_so():
    x = keras.Input((3,))
    for use in (bool, float, int, np.asarray, lambda t: t.numpy(), lambda t: t.item()):
        with pytest.raises(TypeError, match="has no value: it is symbolic"):
            use(x)
    with pytest.raises(TypeError, match="first axis is not known"):
        iter(x)
    with pytest.raises(TypeError, match="has no length"):
        len(x)
    with pytest.raises(AttributeError, match="'KerasTensor' object has no attribute 'frobnicate'"):
        x.frobnicate


def test_shapes_that_do_not_fit_are_reported():
    x = keras.Input((3, 4))
    with pytest.raises(ValueError, match="3"):
        x @ keras.Input((3, 5))


def test_constructor_refuses_what_torch_does_not_have():
    with pytest.raises(ValueError, match="`sparse` and `ragged`"):
        KerasTensor((2,), sparse=True)
    with pytest.raises(ValueError, match="must not have negative sizes"):
        KerasTensor((-1, 3))


def test_several_outputs_of_one_function():
    x = keras.Input((6,))
    a, b = torch.split(x, [2, 4], dim=1)
    model = keras.Model(x, {"a": a, "b": b})
    out = model(torch.arange(6.0).reshape(1, 6))
    assert out["a"].tolist() == [[0, 1]] and out["b"].tolist() == [[2, 3, 4, 5]]


def test_function_runs_a_graph_of_ops():
    from torchkeras.graph import Function

    a, b = KerasTensor((None, 3)), KerasTensor((None, 3))
    fn = Function([a, b], {"sum": a + b, "product": a * b})
    out = fn([torch.ones(2, 3), torch.full((2, 3), 4.0)])
    assert out["sum"].tolist() == [[5.0] * 3] * 2 and out["product"].tolist() == [[4.0] * 3] * 2
    assert fn.compute_output_shape([(7, 3), (7, 3)]) == {"sum": (7, 3), "product": (7, 3)}
