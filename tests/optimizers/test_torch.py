"""Our optimizers used as a torch user uses torch's, against torch's own."""

import copy
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

import torchkeras
from torchkeras import layers, optimizers

PAIRS = {
    "sgd": (lambda: optimizers.SGD(0.1), lambda p: torch.optim.SGD(p, 0.1)),
    "adamw": (lambda: optimizers.AdamW(0.1, weight_decay=0.2, epsilon=1e-8), lambda p: torch.optim.AdamW(p, 0.1, weight_decay=0.2)),
    "adagrad": (lambda: optimizers.Adagrad(0.1, 0.0, epsilon=1e-10), lambda p: torch.optim.Adagrad(p, 0.1)),
}
RNG = np.random.default_rng(0)
X, Y = (torch.from_numpy(RNG.normal(size=(40, n)).astype("float32")) for n in (3, 1))


def parameters(count=3):
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(4, i + 2, generator=generator)) for i in range(count)]


def descend(optimizer, params, steps=5, zero=True):
    for _ in range(steps):
        optimizer.zero_grad()
        sum(((p - 0.3) ** 2).sum() for p in params).backward()
        optimizer.step()
    return [p.detach().clone() for p in params]


def mlp(optimizer, seed=0, **compiled):
    torchkeras.random.set_random_seed(seed)
    model = torchkeras.Sequential([torchkeras.Input((3,)), layers.Dense(4), layers.Dense(1)])
    model.compile(optimizer, "mse", **compiled)
    return model


def same(a, b):
    for x, y in zip(a, b, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("own", [{}, {"lr": 0.01}, {"lr": 0.02, "weight_decay": 0.5}], ids=str)
def test_groups_with_options_of_their_own(name, own):
    if "weight_decay" in own and name != "adamw":  # Keras's decay is decoupled as AdamW's; other rules of torch add it to the gradient
        own = {"lr": 0.02}
    make, torch_make = PAIRS[name]
    ours, theirs = parameters(), parameters()
    a, b = make(), torch_make(theirs[:2])
    a.build(ours[:2])
    descend(a, ours[:2]), descend(b, theirs[:2])
    a.add_param_group({"params": ours[2:], **own})
    b.add_param_group({"params": theirs[2], **own})
    same(descend(a, ours), descend(b, theirs))
    assert [len(g["params"]) for g in a.param_groups] == [2, 1] and len(a.state_dict()["param_groups"]) == 2
    a.param_groups[1]["lr"] = b.param_groups[1]["lr"] = 0.3
    same(descend(a, ours), descend(b, theirs))


@pytest.mark.parametrize("name", PAIRS)
def test_groups_from_the_beginning_and_their_state_dict(name):
    make, torch_make = PAIRS[name]
    ours, theirs = parameters(), parameters()
    a = make()
    a.build([{"params": ours[:1]}, {"params": ours[1:], "lr": 0.01}])
    b = torch_make([{"params": theirs[:1]}, {"params": theirs[1:], "lr": 0.01}])
    same(descend(a, ours), descend(b, theirs))
    again = [nn.Parameter(p.detach().clone()) for p in ours]
    c = make()
    c.build([{"params": again[:1]}, {"params": again[1:]}])
    c.load_state_dict(copy.deepcopy(a.state_dict()))
    same(descend(c, again), descend(b, theirs))


def test_a_group_is_trained_by_fit_and_follows_the_schedule_only_without_a_rate_of_its_own():
    model = mlp("sgd")
    first, second = model.layers
    optimizer = optimizers.SGD(optimizers.schedules.PiecewiseConstantDecay([0], [0.1, 0.0]))
    optimizer.build(first.trainable_variables)
    optimizer.add_param_group({"params": [second.kernel]})
    optimizer.add_param_group({"params": second.bias, "lr": 0.05})
    model.compile(optimizer, "mse")
    model.fit(X, Y, batch_size=20, verbose=0)  # the first of two steps changes all, the second what has its own rate
    before = model.get_weights()
    model.fit(X, Y, batch_size=20, verbose=0)
    assert [np.array_equal(a, b) for a, b in zip(before, model.get_weights())] == [True, True, True, False]


@pytest.mark.parametrize("option", ["momentum", "clipnorm", "learning_rate"])
def test_an_option_that_a_group_cannot_have(option):
    optimizer = optimizers.SGD(0.1)
    optimizer.build(parameters(1))
    with pytest.raises(ValueError, match=f"`param_group` may have `lr` and `weight_decay` of its own. Received: {option}=0.5"):
        optimizer.add_param_group({"params": parameters(1), option: 0.5})


@pytest.mark.parametrize("optimizer", ["adam", "torch"])
@pytest.mark.parametrize("kind", ["own", "all"])
def test_step_hooks_fire_inside_fit_and_may_change_gradients(optimizer, kind):
    model = mlp("adam")
    if optimizer == "torch":
        model.compile(torch.optim.Adam(model.parameters()), "mse")
    seen = []

    def pre(o, args, kwargs):
        seen.append("pre")
        for p in model.parameters():
            p.grad.zero_()

    def post(o, args, kwargs):
        seen.append("post")

    if kind == "own":
        handles = model.optimizer.register_step_pre_hook(pre), model.optimizer.register_step_post_hook(post)
    else:
        handles = register_optimizer_step_pre_hook(pre), register_optimizer_step_post_hook(post)
    before = model.get_weights()
    model.fit(X, Y, batch_size=20, verbose=0)
    for handle in handles:
        handle.remove()
    assert seen == ["pre", "post"] * 2
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights()))
    model.fit(X, Y, batch_size=20, verbose=0)
    assert len(seen) == 4 and not np.array_equal(before[0], model.get_weights()[0])


def test_a_compiled_step():
    ours, plain = parameters(), parameters()
    a, b = optimizers.Adam(0.1), optimizers.Adam(0.1)
    a.build(ours), b.build(plain)
    a.capturable = True
    step = torch.compile(a.step, backend="eager")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(12):
            for optimizer, run, params in ((a, step, ours), (b, b.step, plain)):
                optimizer.zero_grad()
                sum((p**2).sum() for p in params).backward()
                run()
    same(ours, plain)
    assert int(a.iterations) == int(b.iterations) == 12


@pytest.mark.parametrize("line_search", [None, "strong_wolfe"])
def test_lbfgs_in_compile_trains_with_its_closure(line_search):
    model, twin = mlp("sgd"), mlp("sgd")
    options = {"lr": 0.5, "max_iter": 5, "line_search_fn": line_search}
    model.compile(torch.optim.LBFGS(model.parameters(), **options), "mse", metrics=["mae"])
    history = model.fit(X, Y, batch_size=40, epochs=3, shuffle=False, verbose=0).history
    optimizer = torch.optim.LBFGS(twin.parameters(), **options)
    losses = []

    def closure():
        optimizer.zero_grad()
        loss = ((twin(X, training=True) - Y) ** 2).mean()
        loss.backward()
        return loss

    for _ in range(3):
        losses.append(float(optimizer.step(closure).detach()))
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-5)
    same(model.parameters(), twin.parameters())


@pytest.mark.parametrize("optimizer", ["adam", lambda m: torch.optim.Adam(m.parameters(), 1e-3, eps=1e-7)], ids=["ours", "torch"])
def test_gradients_left_before_fit_do_not_enter_the_first_step(optimizer):
    models = mlp("adam"), mlp("adam")
    for model in models:
        if callable(optimizer):
            model.compile(optimizer(model), "mse")
    (models[0](X) * 100).sum().backward()
    for model in models:
        model.fit(X, Y, shuffle=False, verbose=0)
    same(models[0].parameters(), models[1].parameters())


@pytest.mark.parametrize(
    "scheduler",
    [
        lambda o: torch.optim.lr_scheduler.StepLR(o, 2, 0.5),
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 5),
        lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda t: 1 / (1 + t)),
        lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.5, total_steps=12, cycle_momentum=False),
    ],
    ids=["step", "cosine", "lambda", "one_cycle"],
)
def test_torch_schedulers(scheduler):
    ours, theirs = parameters(), parameters()
    a = optimizers.SGD(0.1)
    a.build(ours[:2])
    a.add_param_group({"params": ours[2:], "lr": 0.02})
    b = torch.optim.SGD([{"params": theirs[:2]}, {"params": theirs[2:], "lr": 0.02}], 0.1)
    schedulers = scheduler(a), scheduler(b)
    for _ in range(6):
        descend(a, ours, 1), descend(b, theirs, 1)
        for s in schedulers:
            s.step()
        assert [g["lr"] for g in a.param_groups] == pytest.approx([g["lr"] for g in b.param_groups])
    same(ours, theirs)


def test_zero_grad():
    params = parameters()
    optimizer = optimizers.SGD(0.1)
    optimizer.build(params)
    descend(optimizer, params, 1)
    kept = [p.grad for p in params]
    optimizer.zero_grad(set_to_none=False)
    assert all(p.grad is g and not g.any() for p, g in zip(params, kept))
    optimizer.zero_grad()
    assert all(p.grad is None for p in params)


def test_a_rate_written_into_the_group_takes_effect_in_the_next_step():
    model = mlp(optimizers.SGD(0.1))
    model.fit(X, Y, verbose=0)
    model.optimizer.param_groups[0]["lr"] = 0.0
    before = model.get_weights()
    model.fit(X, Y, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights())) and float(model.optimizer.learning_rate) == 0.0


def test_a_state_dict_loaded_before_build_is_read_by_build():
    ours, again = parameters(), parameters()
    a, b = optimizers.Adam(0.1), optimizers.Adam(0.5)
    a.build(ours)
    descend(a, ours)
    b.load_state_dict(copy.deepcopy(a.state_dict()))
    for p, q in zip(again, ours):
        p.data.copy_(q.data)
    b.build(again)
    assert int(b.iterations) == 5 and b.param_groups[0]["lr"] == 0.1
    same(descend(a, ours), descend(b, again))


def test_grad_scaler():
    ours, theirs = parameters(), parameters()
    a, b = optimizers.SGD(0.1), torch.optim.SGD(theirs, 0.1)
    a.build(ours)
    for optimizer, params in ((a, ours), (b, theirs)):
        scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
        for factor in (1.0, float("inf"), 2.0):  # the second step is skipped
            optimizer.zero_grad()
            scaler.scale(factor * sum((p**2).sum() for p in params)).backward()
            scaler.step(optimizer)
            scaler.update()
    same(ours, theirs)
    assert int(a.iterations) == 2


@pytest.mark.parametrize("optimizer", ["adam", "ema", "loss_scale"])
def test_parameters_replaced_after_build_are_followed_with_their_state(optimizer):
    make = {
        "adam": lambda: optimizers.Adam(0.01),
        "ema": lambda: optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=100),
        "loss_scale": lambda: optimizers.LossScaleOptimizer(optimizers.Adam(0.01)),
    }[optimizer]
    models = mlp(make()), mlp(make())
    for model in models:
        model.fit(X, Y, shuffle=False, verbose=0)
    models[0].load_state_dict({k: v.clone() for k, v in models[0].state_dict().items()}, assign=True)
    for model in models:
        model.fit(X, Y, shuffle=False, verbose=0)
    same(models[0].parameters(), models[1].parameters())
    assert [p for g in models[0].optimizer.param_groups for p in g["params"]][0] is next(models[0].parameters())
    assert int(models[0].optimizer.iterations) == 4
    same([v.value for v in models[0].optimizer.variables], [v.value for v in models[1].optimizer.variables])
