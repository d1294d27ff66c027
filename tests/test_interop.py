"""Models built with Keras's API under PyTorch's own tools, without a special case."""

import numpy as np
import pytest
import torch
from torch import nn

import torchkeras as keras
from torchkeras import layers

rng = np.random.default_rng(0)
X = rng.normal(size=(64, 6)).astype("float32")
Y = X[:, :2].sum(1, keepdims=True)


def functional():
    i = keras.Input((6,))
    h = layers.Dense(8, activation="relu", name="first")(i)
    h = layers.Add()([h, layers.Dense(8, name="second")(h)])
    return keras.Model(i, layers.Dense(1, name="out")(h))


def sequential():
    return keras.Sequential([keras.Input((6,)), layers.Dense(8, activation="relu"), layers.BatchNormalization(), layers.Dense(1)])


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.blocks = [layers.Dense(8, activation="relu"), layers.Dense(8)]
        self.out = layers.Dense(1)

    def call(self, x):
        for block in self.blocks:
            x = block(x)
        return self.out(x)


def subclassed():
    model = Subclassed()
    model.build((None, 6))
    return model


BUILDERS = pytest.mark.parametrize("build", [functional, sequential, subclassed], ids=lambda f: f.__name__)


class Adapter(nn.Module):
    """What a LoRA tool puts in the place of a linear layer."""

    def __init__(self, base, rank=2):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Parameter(torch.randn(rank, base.in_features) * 0.1)
        self.up = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x):
        return self.base(x) + x @ self.down.T @ self.up.T


def add_adapters(model):
    """Knows torch only: replaces every `nn.Linear` in place."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                setattr(parent, name, Adapter(child))


@BUILDERS
def test_a_tool_that_replaces_every_linear(build):
    model = build()
    before = model.predict(X, verbose=0)
    add_adapters(model)
    adapters = [m for m in model.modules() if isinstance(m, Adapter)]
    assert len(adapters) >= 2
    np.testing.assert_allclose(model.predict(X, verbose=0), before, atol=1e-6)
    for p in model.parameters():
        p.requires_grad_(False)
    for adapter in adapters:
        adapter.up.requires_grad_(True)
        adapter.down.requires_grad_(True)
    frozen = [a.base.weight.clone() for a in adapters]
    model.compile("adam", "mse")
    h = model.fit(X, Y, epochs=4, verbose=0)
    assert h.history["loss"][-1] < h.history["loss"][0]
    assert all(torch.equal(a.base.weight, w) for a, w in zip(adapters, frozen))
    assert all(a.up.abs().sum() > 0 for a in adapters)


@BUILDERS
def test_state_dict_round_trip(build):
    one, two = build(), build()
    two.load_state_dict(dict(zip(two.state_dict(), one.state_dict().values())))
    np.testing.assert_array_equal(one.predict(X, verbose=0), two.predict(X, verbose=0))
    three = build()
    three.load_state_dict({k: v.clone() for k, v in three.state_dict().items()}, strict=False)
    assert set(dict(one.named_parameters())) <= set(one.state_dict())


def test_state_dict_names_are_readable():
    assert list(functional().state_dict())[:2] == ["first.linear.weight", "first.linear.bias"]


@BUILDERS
def test_optimizers_schedulers_and_clipping_of_torch_in_a_loop(build):
    model = build()
    optimizer = torch.optim.AdamW(model.parameters(), 0.02)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.02, total_steps=30)
    x, y = torch.from_numpy(X), torch.from_numpy(Y)
    model.train()
    losses = []
    for _ in range(30):
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        assert torch.isfinite(norm)
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(p.grad is not None for p in model.parameters())


@BUILDERS
def test_export_with_a_dynamic_batch(build):
    model = build().eval()
    model(torch.from_numpy(X[:2]))
    batch = torch.export.Dim("batch", min=2, max=64)
    inputs = "x" if build is subclassed else "inputs"
    program = torch.export.export(model, (torch.from_numpy(X[:4]),), dynamic_shapes=({0: batch},), strict=False)
    named = torch.export.export(model, (torch.from_numpy(X[:4]),), dynamic_shapes={inputs: {0: batch}}, strict=False)
    assert named.range_constraints
    for rows in (2, 9):
        x = torch.from_numpy(X[:rows])
        torch.testing.assert_close(program.module()(x), model(x))


@BUILDERS
def test_every_module_and_parameter_is_found_by_its_name(build):
    model = build()
    for name, module in model.named_modules():
        assert model.get_submodule(name) is module
    for name, parameter in model.named_parameters():
        assert model.get_parameter(name) is parameter
    with pytest.raises(AttributeError):
        model.get_submodule("blocks_.7.linear")


@BUILDERS
def test_functional_call(build):
    model = build().eval()
    x = torch.from_numpy(X[:4])
    zeros = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    expected = model(x)
    assert not torch.func.functional_call(model, zeros, (x,)).any()
    torch.testing.assert_close(torch.func.functional_call(model, dict(model.named_parameters()), (x,)), expected)


@BUILDERS
def test_hooks(build):
    model = build()
    linear = next(m for m in model.modules() if isinstance(m, nn.Linear))
    seen = []
    handles = [
        linear.register_forward_hook(lambda m, args, out: seen.append(tuple(out.shape))),
        linear.register_forward_pre_hook(lambda m, args: seen.append("pre")),
        linear.register_full_backward_hook(lambda m, gi, go: seen.append("back")),
        model.register_forward_hook(lambda m, args, out: seen.append("model")),
    ]
    model(torch.from_numpy(X[:3]).requires_grad_()).sum().backward()
    assert seen[0] == "pre" and seen[1] == (3, 8) and seen[2:] == ["model", "back"]
    for handle in handles:
        handle.remove()
    seen.clear()
    model.compile("sgd", "mse")
    model.layers[-1].register_forward_hook(lambda m, args, out: seen.append(1))
    model.fit(X, Y, batch_size=32, verbose=0)
    assert len(seen) >= 2


def test_a_hook_that_changes_the_output_counts_in_fit():
    model = functional()
    model.compile("sgd", "mse")
    model.get_layer("out").register_forward_hook(lambda m, args, out: out * 0)
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(float((Y**2).mean()), rel=1e-5)


@BUILDERS
def test_moves_and_types(build):
    model = build()
    ids = [id(p) for p in model.parameters()]
    assert model.to("cpu") is model and model.double() is model
    assert model(torch.from_numpy(X).double()).dtype is torch.float64
    model.half()
    assert {p.dtype for p in model.parameters()} == {torch.float16}
    assert model(torch.from_numpy(X).half()).dtype is torch.float16
    model.float()
    assert [id(p) for p in model.parameters()] == ids
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0)
    model.to(torch.device("cpu"))
    assert np.isfinite(model.evaluate(X, Y, verbose=0))


@BUILDERS
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "torch.compile"])
def test_gradients_in_keras_layout_train(build, compiled):
    model, plain = build(), build()
    plain.set_weights(model.get_weights())
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(model.trainable_weights)
    x, y = torch.from_numpy(X), torch.from_numpy(Y)
    model.train()

    def forward(x, y):
        return torch.mean((model(x) - y) ** 2)

    if compiled:
        forward = torch.compile(forward, fullgraph=True, backend="eager")
    for _ in range(3):
        loss = forward(x, y)
        grads = torch.autograd.grad(loss, model.trainable_weights)
        assert [tuple(g.shape) for g in grads] == [tuple(w.shape) for w in model.trainable_weights]
        optimizer.apply(grads, model.trainable_weights)
    plain.compile(keras.optimizers.Adam(0.01), "mse")
    plain.fit(X, Y, batch_size=64, epochs=3, shuffle=False, verbose=0)
    for a, b in zip(model.get_weights(), plain.get_weights()):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_weight_behaves_as_a_tensor():
    kernel = functional().get_layer("first").kernel
    assert isinstance(kernel, keras.Variable) and kernel.shape == (6, 8) and kernel.dtype is torch.float32
    assert torch.matmul(torch.ones(1, 6), kernel).shape == (1, 8)
    torch.testing.assert_close(kernel.sum(), torch.sum(kernel))
    torch.testing.assert_close((kernel + 1) - 1, kernel.value)
    kernel.assign(torch.zeros(6, 8))
    assert np.asarray(kernel).sum() == 0
    kernel.assign_add(np.ones((6, 8)))
    assert kernel.numpy().sum() == 48
    with pytest.raises(ValueError, match=r"must have the shape \(6, 8\).*'first/kernel'"):
        kernel.assign(np.ones((8, 6)))


def test_torch_func():
    model = functional()
    weights = {k: v.detach() for k, v in model.state_dict().items()}
    x = torch.from_numpy(X)
    grads = torch.func.grad(lambda w: torch.func.functional_call(model, w, (x,)).square().mean())(weights)
    assert grads.keys() == weights.keys()
    per_sample = torch.func.vmap(lambda row: torch.func.functional_call(model, weights, (row[None],))[0])(x)
    torch.testing.assert_close(per_sample, model(x))


def test_averaged_model_and_parametrization_and_pruning():
    model = functional()
    average = torch.optim.swa_utils.AveragedModel(model)
    average.update_parameters(model)
    torch.testing.assert_close(average(torch.from_numpy(X)), model(torch.from_numpy(X)))
    linear = model.get_layer("first").linear
    torch.nn.utils.parametrizations.weight_norm(linear)
    assert model(torch.from_numpy(X)).shape == (64, 1)


def test_torch_save(tmp_path):
    model = sequential()
    torch.save(model, tmp_path / "m.pt")
    again = torch.load(tmp_path / "m.pt", weights_only=False)
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    torch.save(model.state_dict(), tmp_path / "s.pt")
    model.load_state_dict(torch.load(tmp_path / "s.pt", weights_only=True))


def test_our_optimizer_in_a_hand_written_loop():
    model = functional()
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(model.trainable_weights)
    x, y = torch.from_numpy(X), torch.from_numpy(Y)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] and optimizer.state_dict()["state"]


def test_autocast_and_no_grad_and_inference_mode():
    model = functional()
    x = torch.from_numpy(X)
    with torch.autocast("cpu", torch.bfloat16):
        assert model(x).dtype is torch.bfloat16
    with torch.no_grad():
        assert not model(x).requires_grad
    with torch.inference_mode():
        assert model(x).is_inference()
