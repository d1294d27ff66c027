import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from torchkeras.variable import TRANSPOSED, Layout, Variable, WeightView


def view():
    linear = nn.Linear(3, 4)
    return linear, WeightView(linear, "weight", TRANSPOSED, "kernel")


def test_a_variable_is_a_parameter():
    v = Variable([1.0, 2.0], name="w")
    assert isinstance(v, nn.Parameter) and isinstance(v, Variable) and v.requires_grad and v.dtype is torch.float32
    (v * v).sum().backward()
    assert v.grad.tolist() == [2.0, 4.0]
    assert not Variable(3, trainable=True).trainable  # integers are never trained
    assert not Variable([1.0], trainable=False).requires_grad


def test_it_never_shares_memory_with_what_it_was_made_from():
    tensor, array = torch.ones(2), np.ones(2, "float32")
    for source in (tensor, array):
        Variable(source).assign([5.0, 5.0])
    assert tensor.tolist() == [1.0, 1.0] and array.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))], ids=["deepcopy", "pickle"])
def test_copies_keep_what_they_are(clone):
    v = Variable([1.0, 2.0], name="w")
    v.path = "layer/w"
    twin = clone(v)
    assert isinstance(twin, Variable) and twin.path == "layer/w" and twin.trainable and torch.equal(twin, v) and twin is not v


def test_assign():
    for v in (Variable(torch.zeros(2, 3)), WeightView(nn.Linear(2, 3), "weight", TRANSPOSED, "kernel")):
        v.assign(np.arange(6).reshape(2, 3))
        v.assign_add(1.0)
        v.assign_sub(np.ones((2, 3)))
        assert v.numpy().tolist() == [[0, 1, 2], [3, 4, 5]]
        with pytest.raises(ValueError, match=r"must have the shape \(2, 3\) of the variable .*Received: shape \(3, 2\)"):
            v.assign(np.zeros((3, 2)))


def test_numpy_does_not_alias():
    for v in (Variable([1.0]), view()[1]):
        v.numpy()[...] = 7.0
        assert not (v.numpy() == 7.0).any()


def test_a_view_is_the_storage_in_keras_layout():
    linear, kernel = view()
    assert isinstance(kernel, Variable) and not isinstance(kernel, nn.Parameter)
    assert tuple(kernel.shape) == (3, 4) and kernel.parameters[0] is linear.weight
    x = torch.randn(2, 3)
    torch.testing.assert_close(x @ kernel + linear.bias, linear(x))
    torch.testing.assert_close(torch.matmul(x, kernel) * 2.0, 2.0 * torch.einsum("bi,io->bo", x, kernel))
    kernel.trainable = False
    assert not linear.weight.requires_grad


def test_gradients_come_in_keras_layout():
    linear, kernel = view()
    scale = Variable([2.0])
    loss = (linear(torch.ones(2, 3)) * scale).sum()
    by_kernel, by_scale = torch.autograd.grad(loss, [kernel, scale])
    assert tuple(by_kernel.shape) == (3, 4) and (by_kernel == 4.0).all() and tuple(by_scale.shape) == (1,)


def test_gradients_come_in_keras_layout_in_a_compiled_function():
    linear, kernel = view()

    @torch.compile(fullgraph=True, backend="eager")
    def loss(x):
        return (torch.matmul(x, kernel) ** 2).sum()

    grad = torch.autograd.grad(loss(torch.ones(2, 3)), [kernel])[0]
    expected = torch.autograd.grad(((torch.ones(2, 3) @ linear.weight.T) ** 2).sum(), linear.weight)[0]
    torch.testing.assert_close(grad, expected.T)


def test_a_view_follows_its_module():
    linear, kernel = view()
    linear.weight = nn.Parameter(torch.ones(4, 3))  # as `load_state_dict(assign=True)` and sharding do
    assert (kernel.numpy() == 1.0).all()


@pytest.mark.parametrize("axes", [None, (1, 0), (2, 3, 1, 0)])
def test_layouts_are_inverses(axes):
    layout = Layout(axes)
    x = torch.randn(*(range(2, 2 + len(axes or (0, 1)))))
    assert torch.equal(layout.to_keras(*layout.to_torch(layout.to_keras(x))), layout.to_keras(x))


def test_bad_arguments():
    with pytest.raises(ValueError, match="`shape` is needed when `initializer` is a callable"):
        Variable(torch.zeros)
    with pytest.raises(ValueError, match="`aggregation` must be one of"):
        Variable([1.0], aggregation="product")
