"""Layers before they are built: what is asked of their weights holds once these are made, or is refused, as of torch's lazy modules."""

import copy
import pickle
import threading

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parameter import UninitializedParameter

import torchkeras as keras
from torchkeras import layers

X = torch.randn(5, 4)


class Net(nn.Module):
    """Two layers, `a` and `b`, made by the functions given."""

    def __init__(self, a, b):
        super().__init__()
        self.a, self.b = a, b

    def forward(self, x):
        return self.b(torch.relu(self.a(x)))


class Kernel(layers.Layer):
    """A user's layer."""

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], 3), name="kernel")
        self.inner = layers.Dense(3)

    def call(self, inputs):
        return self.inner(inputs @ self.kernel)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.a, self.b = layers.Dense(3), layers.Dense(2)

    def call(self, inputs):
        return self.b(self.a(inputs))


def ours():
    return Net(layers.Dense(3), layers.Dense(2))


def lazy():
    return Net(nn.LazyLinear(3), nn.LazyLinear(2))


MODELS = pytest.mark.parametrize(
    "make",
    [ours, Subclassed, lambda: Net(Kernel(), Kernel()), lambda: keras.Sequential([layers.Dense(3), layers.BatchNormalization(), Kernel()])],
    ids=["module", "subclassed", "user", "sequential"],
)


@pytest.mark.parametrize(
    "optimizer", [torch.optim.SGD, torch.optim.AdamW, torch.optim.LBFGS, keras.optimizers.Adam], ids=lambda o: o.__name__
)
@MODELS
def test_an_optimizer_refuses_what_is_not_built(make, optimizer):
    model = make()
    with pytest.raises(ValueError, match="is not built.*Call the model once"):
        made = optimizer() if optimizer is keras.optimizers.Adam else optimizer(model.parameters())
        made.build(model.parameters())
    model(X)
    assert len(torch.optim.SGD(model.parameters()).param_groups[0]["params"]) == len(list(model.parameters())) > 1


def test_one_unbuilt_layer_among_built_ones_is_not_passed_over():
    model = Net(layers.Dense(3), layers.Dense(2))
    model.a(X)
    with pytest.raises(ValueError, match=f"The layer '{model.b.name}' is not built"):
        torch.optim.SGD(model.parameters(), 0.1)
    with pytest.raises(ValueError, match="is not built"):
        sum(p.numel() for p in model.parameters())
    with pytest.raises(ValueError, match="is not built"):
        print(list(model.parameters())[-1].shape)


@pytest.mark.parametrize(
    "made", [layers.ReLU, layers.Dropout, layers.MaxPooling1D, layers.Flatten, layers.Add, lambda **_: layers.Reshape((2,))]
)
def test_layers_without_weights_have_no_parameters(made):
    assert list(made(**({"rate": 0.5} if made is layers.Dropout else {})).parameters()) == []


def test_weights_of_a_constructor_need_no_build():
    class Made(layers.Layer):
        def __init__(self):
            super().__init__()
            self.kernel = self.add_weight((4, 3), name="kernel")
            self.built = True

        def build(self, input_shape):
            raise AssertionError("it is built")

        def call(self, inputs):
            return inputs @ self.kernel

    assert [tuple(p.shape) for p in Made().parameters()] == [(4, 3)]


@pytest.mark.parametrize("change", [
    lambda m: m.to(torch.float64), lambda m: m.double(), lambda m: m.bfloat16(), lambda m: m.to("meta"),
    lambda m: m.to("meta", torch.float64), lambda m: m.requires_grad_(False), lambda m: m.double().requires_grad_(False),
    lambda m: m.requires_grad_(False).requires_grad_(True),
    lambda m: [setattr(p, "requires_grad", False) for p in m.parameters()], lambda m: m.eval(), lambda m: m.zero_grad(),
], ids=["to64", "double", "bfloat16", "meta", "meta64", "freeze", "double_freeze", "free", "freeze_each", "eval", "zero_grad"])  # fmt: skip
@MODELS
def test_what_was_asked_holds_once_built(make, change):
    first, then = make(), make()
    change(first)
    kind = next(first.parameters())
    x = X.to(kind.device, kind.dtype)
    y = first(x)
    then(X)
    change(then)
    again = then(x)
    assert (y.dtype, y.device, y.requires_grad) == (again.dtype, again.device, again.requires_grad)
    assert {k: (v.dtype, v.device, v.requires_grad) for k, v in first.state_dict(keep_vars=True).items()} == {
        k: (v.dtype, v.device, v.requires_grad) for k, v in then.state_dict(keep_vars=True).items()
    }
    assert {n: m.training for n, m in first.named_modules()} == {n: m.training for n, m in then.named_modules()}


def test_types_and_devices_are_those_of_lazy_modules():
    for change in (lambda m: m.double(), lambda m: m.to("meta"), lambda m: m.to(torch.bfloat16)):
        a, b = ours(), lazy()
        change(a), change(b)
        assert [(p.dtype, p.device) for p in (next(a.parameters()),)] == [(p.dtype, p.device) for p in (next(b.parameters()),)]
    assert all(isinstance(p, UninitializedParameter) for p in ours().parameters())


def test_trainable_and_requires_grad_agree():
    dense = layers.Dense(3)
    dense.trainable = False
    assert not any(p.requires_grad for p in dense.parameters())
    dense(X)
    assert dense.trainable_weights == [] and not any(p.requires_grad for p in dense.parameters())
    dense = layers.Dense(3)
    dense.requires_grad_(False)
    dense(X)
    assert dense.trainable_weights == [] and len(dense.non_trainable_weights) == 2


@pytest.mark.parametrize("assign", [False, True])
@MODELS
def test_a_state_is_loaded_once_built(make, assign):
    source, model = make(), make()
    source(X)
    state = source.state_dict()
    assert model.load_state_dict(state, assign=assign) == ([], [])
    assert set(model.state_dict()) == set(state) and copy.deepcopy(model).state_dict().keys() == state.keys()
    expected = source(X)
    copied = copy.deepcopy(model) if assign else pickle.loads(pickle.dumps(model))
    if not assign:
        with torch.no_grad():
            for p in source.parameters():
                p.zero_()  # what was loaded is a copy
    torch.testing.assert_close(model(X), expected)
    torch.testing.assert_close(copied(X), expected)
    if assign:
        assert all(model.state_dict()[k].data_ptr() == v.data_ptr() for k, v in state.items())


def test_a_state_that_does_not_fit_is_refused():
    state = {"kernel.weight": torch.zeros(3, 4)}
    dense = layers.Dense(3, name="head")
    dense.load_state_dict(state)
    with pytest.raises(
        RuntimeError, match="'head' was built.*Missing keys: .'linear.weight', 'linear.bias'.*Unexpected keys: .'kernel.weight'"
    ):
        dense(X)
    assert not dense.built
    loose = layers.Dense(3)
    loose.load_state_dict({**state, "linear.bias": torch.ones(3)}, strict=False)
    loose(X)
    assert loose.bias.numpy().tolist() == [1, 1, 1]
    wide = layers.Dense(3)
    wide.load_state_dict({"linear.weight": torch.zeros(3, 7), "linear.bias": torch.zeros(3)})
    with pytest.raises(RuntimeError, match="size mismatch for linear.weight"):
        wide(X)
    empty = layers.Dense(3)
    empty.load_state_dict({})
    with pytest.raises(RuntimeError, match="Missing keys"):
        empty(X)
    inside = ours()  # torch does not tell the layers of a plain module whether it loads strictly
    inside.load_state_dict({"a.linear.weight": torch.zeros(3, 4), "a.linear.bias": torch.ones(3)})
    with pytest.warns(UserWarning, match="Missing keys: .'linear.weight', 'linear.bias'"):
        inside(X)
    assert inside.a.bias.numpy().tolist() == [1, 1, 1]


def test_a_state_is_saved_before_building(tmp_path):
    model = ours()
    assert model.state_dict() == {}
    torch.save(model.state_dict(), tmp_path / "m.pt")
    assert torch.load(tmp_path / "m.pt") == {}
    assert list(pickle.loads(pickle.dumps(model)).double()(X.double()).shape) == [5, 2]


def test_data_parallel_refuses_it():
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        with pytest.raises(RuntimeError, match="ninitialized parameters can't be used"):
            nn.parallel.DistributedDataParallel(ours())
    finally:
        dist.destroy_process_group()


def test_fit_trains_what_its_own_call_builds():
    model = Subclassed()
    model.requires_grad_(False)
    model.b.requires_grad_(True)
    model.compile("sgd", "mse")
    kept = None
    model(X)
    kept = model.get_weights()
    model.fit(X, torch.zeros(5, 2), verbose=0)
    moved = [bool((a != b).any()) for a, b in zip(kept, model.get_weights())]
    assert moved == [False, False, True, True]


def test_two_threads_build_a_layer_once():
    counts = []

    class Slow(layers.Layer):
        def build(self, input_shape):
            counts.append(1)
            threading.Event().wait(0.05)
            self.kernel = self.add_weight((input_shape[-1], 3), name="kernel")

        def call(self, inputs):
            return inputs @ self.kernel

    layer, found = Slow(), []
    threads = [threading.Thread(target=lambda: found.append(layer(X))) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert counts == [1] and len(layer.weights) == 1 and len(found) == 4
    assert all(torch.equal(f, found[0]) for f in found)
