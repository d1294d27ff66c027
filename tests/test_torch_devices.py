"""Types and devices: what a torch user does to a module's memory works on a Keras-built model."""

import copy

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

import torchkeras as keras
from tests import processes
from torchkeras import layers

X = torch.from_numpy(np.random.default_rng(0).normal(size=(8, 4)).astype("float32"))
Y = X[:, :1] * 2


def sequential():
    return keras.Sequential([
        keras.Input((4,)), layers.Dense(8, activation="relu", name="a"), layers.BatchNormalization(name="n"), layers.Dense(3, name="b"),
    ])  # fmt: skip


def functional():
    i = keras.Input((4,))
    h = layers.LayerNormalization(name="n")(layers.Dense(8, name="a")(i))
    return keras.Model(i, layers.Dense(3, name="b")(torch.relu(h) * 2.0 + layers.Dense(8, name="c")(i)))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.a, self.n, self.more = layers.Dense(8), layers.BatchNormalization(), [layers.Dense(3)]

    def call(self, x):
        return self.more[0](self.n(self.a(x)))


def recurrent():
    return keras.Sequential([keras.Input((4,)), layers.Reshape((2, 2)), layers.LSTM(5, name="a"), layers.Dense(3, name="b")])


def built(make):
    model = make()
    model(X)
    return model


BUILDERS = pytest.mark.parametrize("make", [sequential, functional, Subclassed, recurrent], ids=lambda f: f.__name__)


def tensors(model):
    return [*model.parameters(), *model.buffers()]


def same_weights(model, other):
    model.load_state_dict(dict(zip(model.state_dict(), other.state_dict().values())))


@BUILDERS
def test_made_on_the_meta_device_and_given_memory(make):
    with torch.device("meta"):
        model = make()
        assert model(torch.ones(2, 4)).shape == (2, 3)
    assert {t.device.type for t in tensors(model)} == {"meta"}
    assert {t.device.type for t in tensors(copy.deepcopy(model))} == {"meta"}
    other = built(make)
    same_weights(model.to_empty(device="cpu"), other)
    torch.testing.assert_close(model(X), other(X))
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), other.get_weights()))
    model.compile("sgd", "mse")
    model.fit(X, np.ones((8, 3)), verbose=0)


@BUILDERS
def test_to_meta_and_back(make):
    model, other = built(make).to("meta"), built(make)
    assert model(X.to("meta")).device.type == "meta" and {t.device.type for t in tensors(model)} == {"meta"}
    same_weights(model.to_empty(device="cpu"), other)
    torch.testing.assert_close(model(X), other(X))


@BUILDERS
def test_a_default_device(make):
    torch.set_default_device("meta")
    try:
        model = make()
        assert model(torch.ones(2, 4)).device.type == "meta" and {t.device.type for t in tensors(model)} == {"meta"}
    finally:
        torch.set_default_device(None)
    assert {t.device.type for t in tensors(built(make))} == {"cpu"}


def test_a_default_type_is_torchs_and_floatx_keras_own():
    torch.set_default_dtype(torch.float64)
    try:
        model = built(sequential)
        assert {p.dtype for p in model.parameters()} == {torch.float32} and model(X).dtype is torch.float32
    finally:
        torch.set_default_dtype(torch.float32)


@BUILDERS
def test_a_fake_tensor_mode(make):
    with FakeTensorMode() as mode:
        model = make()
        outputs = model(torch.ones(2, 4))
        assert outputs.shape == (2, 3) and outputs.fake_mode is mode
        model.train()(torch.ones(2, 4)).sum().backward()
        assert all(p.grad is not None and p.fake_mode is mode for p in model.parameters())
    real = built(make)
    before = real(X)
    with FakeTensorMode(allow_non_fake_inputs=True):
        assert real(torch.ones(2, 4)).shape == (2, 3)
    assert torch.equal(real(X), before)


@pytest.mark.parametrize("when", ["before it is built", "after"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@BUILDERS
def test_casts(make, dtype, when):
    model = make() if when != "after" else built(make)
    model = {torch.float16: model.half, torch.bfloat16: model.bfloat16, torch.float64: model.double}[dtype]()
    assert model(X.to(dtype)).dtype is dtype and {p.dtype for p in model.parameters()} == {dtype}
    model.compile("sgd", "mse")
    model.fit(X, np.ones((8, 3)), verbose=0)
    assert {p.dtype for p in model.parameters()} == {dtype} and model.float()(X).dtype is torch.float32


PAIRS = {
    "dense": (lambda: layers.Dense(3), lambda: nn.Linear(4, 3)),
    "batch norm": (layers.BatchNormalization, lambda: nn.BatchNorm1d(4)),
    "layer norm": (layers.LayerNormalization, lambda: nn.LayerNorm(4)),
    "softmax": (layers.Softmax, lambda: nn.Softmax(-1)),
    "gelu": (lambda: layers.Activation("gelu"), nn.GELU),
    "relu": (layers.ReLU, nn.ReLU),
    "dropout": (lambda: layers.Dropout(0.5), lambda: nn.Dropout(0.5)),
}


LOW = [name for name in PAIRS if name != "layer norm"]  # which widens half-precision numbers and answers in its policy's type


@pytest.mark.parametrize("name,given", [(n, torch.float32) for n in PAIRS] + [(n, torch.bfloat16) for n in LOW])
def test_autocast_around_a_layer_is_that_around_the_module(name, given):
    ours, theirs = (make() for make in PAIRS[name])
    ours(X)
    with torch.amp.autocast("cpu", torch.bfloat16):
        assert ours(X.to(given)).dtype is theirs(X.to(given)).dtype


def test_a_float32_layer_inside_a_mixed_one_computes_in_float32():
    class Mixed(layers.Layer):
        def __init__(self):
            super().__init__(dtype="mixed_bfloat16")
            self.a, self.b = layers.Dense(4, dtype="mixed_bfloat16"), layers.Dense(2, dtype="float32")
            self.seen = ()

        def call(self, x):
            hidden = self.a(x)
            out = self.b(hidden)
            self.seen = (hidden, out, torch.is_autocast_enabled("cpu"))
            return out

    layer = Mixed()
    assert layer(X).dtype is torch.bfloat16  # its own type, as in Keras
    hidden, out, after = layer.seen
    assert hidden.dtype is torch.bfloat16 and out.dtype is torch.float32 and after
    torch.testing.assert_close(out, layer.b.linear(hidden.float()))
    assert not torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("context", [torch.inference_mode, torch.no_grad])
@BUILDERS
def test_a_first_call_without_gradients_leaves_weights_that_train(make, context):
    model = make()
    with context():
        model(X)
    assert not any(t.is_inference() for t in tensors(model))
    model.train()(X).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


class Rows(torch.utils.data.Dataset):
    """Rows that a layer has worked on in a worker process."""

    def __init__(self, layer):
        self.layer = layer

    def __len__(self):
        return len(X)

    def __getitem__(self, i):
        return self.layer(X[i : i + 1])[0].detach()


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_layers_in_worker_processes(start):
    model = built(functional)
    loader = torch.utils.data.DataLoader(Rows(model), batch_size=4, num_workers=1, multiprocessing_context=start)
    torch.testing.assert_close(torch.cat(list(loader)), model(X).detach())


def _add_one(model):
    with torch.no_grad():
        for p in model.parameters():
            p.add_(1)


@BUILDERS
def test_shared_memory(make):
    model = built(make).share_memory()
    assert all(t.is_shared() for t in tensors(model))
    before = [p.detach().clone() for p in model.parameters()]
    if make is functional:
        mp.spawn(_worker, (model,), nprocs=1)
    else:
        _add_one(model)
    for a, b in zip(before, model.parameters()):
        torch.testing.assert_close(a + 1, b.detach())


def _worker(rank, model):
    _add_one(model)


def _shard(rank, world):
    mesh = dist.init_device_mesh("cpu", (world,))
    torch.manual_seed(0)
    model, plain = functional(), functional()
    plain.load_state_dict(model.state_dict())
    for module in [m for m in model.modules() if isinstance(m, nn.Linear)]:
        fully_shard(module, mesh=mesh)
    fully_shard(model, mesh=mesh, mp_policy=MixedPrecisionPolicy(param_dtype=torch.float32))
    rows = X[rank::world]
    for m in (model, plain):
        m.train()
    optimizers = [torch.optim.SGD(m.parameters(), 0.1) for m in (model, plain)]
    for _ in range(3):
        model(rows).square().mean().backward()
        plain(X).square().mean().backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    for name, p in model.named_parameters():
        torch.testing.assert_close(p.full_tensor(), dict(plain.named_parameters())[name], atol=1e-5, rtol=1e-4)
    low = functional()
    fully_shard(low, mesh=mesh, mp_policy=MixedPrecisionPolicy(param_dtype=torch.bfloat16))
    assert low(rows).dtype is torch.bfloat16
    low(rows).float().sum().backward()
    assert all(p.grad is not None and p.dtype is torch.float32 for p in low.parameters())


@pytest.mark.parametrize("world", [1, 2])
def test_fsdp2(world):
    processes.run(_shard, world, world)
