"""The interface: Keras's and torch's sides of one optimizer, options, files, errors."""

import copy
import pickle
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

import torchkeras.optimizers as optimizers
from tests.oracle import keras
from torchkeras.variable import Variable, WeightView

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # raised inside Keras


def variable(value=1.0, shape=(3,), name="w"):
    return Variable(np.full(shape, value, "float32"), name=name)


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 1))


def loss_of(model, x):
    return model(x).square().mean()


def train(model, optimizer, steps=5, seed=1):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(model, torch.randn(8, 4, generator=generator)).backward()
        optimizer.step()


def flat(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


# -- torch's side -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SGD", "AdamW", "RMSprop", "Adagrad"])
def test_a_hand_written_torch_loop_trains(name):
    model = net()
    optimizer = getattr(optimizers, name)(0.01)
    optimizer.build(model.parameters())
    before = flat(model)
    train(model, optimizer)
    assert isinstance(optimizer, torch.optim.Optimizer)
    assert int(optimizer.iterations) == 5
    assert not torch.equal(flat(model), before)


def test_adam_is_torch_s_with_its_epsilon_inside_the_correction():
    ours, theirs = net(), net()
    optimizer = optimizers.Adam(0.01, epsilon=1e-12)
    optimizer.build(ours.parameters())
    train(ours, optimizer)
    train(theirs, torch.optim.Adam(theirs.parameters(), 0.01, eps=1e-12))
    torch.testing.assert_close(flat(ours), flat(theirs))


@pytest.mark.parametrize("name", ["SGD", "Adam", "Nadam", "Adafactor", "Muon"])
def test_state_dict_goes_round(name):
    first, second = net(), net()
    optimizer = getattr(optimizers, name)(0.01, **({"momentum": 0.9} if name == "SGD" else {}))
    optimizer.build(first.parameters())
    train(first, optimizer, 3)
    second.load_state_dict(first.state_dict())
    other = getattr(optimizers, name)(0.5, **({"momentum": 0.9} if name == "SGD" else {}))
    other.build(second.parameters())
    tensors = other.state_tensors()
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert all(a is b for a, b in zip(other.state_tensors(), tensors))
    train(first, optimizer, 2, seed=2)
    train(second, other, 2, seed=2)
    torch.testing.assert_close(flat(first), flat(second))
    assert int(other.iterations) == 5 and float(other.learning_rate) == 0.01


@pytest.mark.parametrize("capturable", [False, True])
def test_torch_schedulers_drive_the_rate(capturable):
    model = net()
    optimizer = optimizers.SGD(1.0)
    optimizer.capturable = capturable
    optimizer.build(model.parameters())
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    train(model, optimizer, 1)
    scheduler.step()
    assert float(optimizer.learning_rate) == 0.5
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.1, patience=0)
    plateau.step(1.0)
    plateau.step(2.0)
    assert float(optimizer.learning_rate) == pytest.approx(0.05)


def test_a_scheduler_factory_is_a_learning_rate():
    w = variable(0.0, (1,))
    optimizer = optimizers.SGD(partial(torch.optim.lr_scheduler.ExponentialLR, gamma=0.5))
    optimizer.learning_rate.assign(1.0)
    optimizer.build([w])
    for _ in range(3):
        optimizer.apply([torch.ones(1)])
    assert w.item() == pytest.approx(-1.75)


def test_a_scheduler_before_build_says_what_to_do():
    with pytest.raises(ValueError, match=r"has no parameters yet. Call `optimizer.build\(model.trainable_variables\)`"):
        torch.optim.lr_scheduler.StepLR(optimizers.Adam(), 1)
    with pytest.raises(ValueError, match="has no parameters yet"):
        optimizers.Adam().step()


def test_grad_scaler_skips_what_is_not_finite():
    model = net()
    optimizer = optimizers.Adam(0.01)
    optimizer.build(model.parameters())
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    before = flat(model)
    for factor in (1.0, float("inf")):
        optimizer.zero_grad()
        scaler.scale(loss_of(model, torch.ones(2, 4)) * factor).backward()
        scaler.step(optimizer)
        scaler.update()
    assert int(optimizer.iterations) == 1
    assert torch.isfinite(flat(model)).all() and not torch.equal(flat(model), before)


def test_closures_and_missing_gradients():
    model = net()
    optimizer = optimizers.SGD(0.1)
    optimizer.build(model.parameters())
    frozen = model[0].weight.detach().clone()

    def closure():
        optimizer.zero_grad()
        loss = loss_of(model, torch.ones(2, 4))
        loss.backward()
        model[0].weight.grad = None
        return loss

    assert optimizer.step(closure).item() > 0
    assert torch.equal(model[0].weight, frozen)


@pytest.mark.parametrize("how", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
@pytest.mark.parametrize("name", ["Adam", "Lion", "Adafactor"])
def test_copies_train_on(how, name):
    model = net()
    optimizer = getattr(optimizers, name)(0.01)
    assert how(optimizer).get_config() == optimizer.get_config()
    optimizer.build(model.parameters())
    train(model, optimizer, 2)
    model2, optimizer2 = how((model, optimizer))
    train(model, optimizer, 2, seed=3)
    train(model2, optimizer2, 2, seed=3)
    torch.testing.assert_close(flat(model), flat(model2))


def test_sparse_gradients_and_strange_strides():
    table = nn.Embedding(5, 3, sparse=True)
    turned = nn.Parameter(torch.randn(4, 3).t())
    expected = table.weight.detach().clone(), turned.detach().clone()
    optimizer = optimizers.SGD(1.0)
    optimizer.build([table.weight, turned])
    table(torch.tensor([1, 1])).sum().backward()
    (turned * torch.arange(12.0).reshape(3, 4)).sum().backward()
    optimizer.step()
    expected[0][1] -= 2
    torch.testing.assert_close(table.weight.detach(), expected[0])
    torch.testing.assert_close(turned.detach(), expected[1] - torch.arange(12.0).reshape(3, 4))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["SGD", "Adam", "Adagrad", "Lamb", "Adafactor", "Muon", "Ftrl"])
def test_half_precision_parameters(name, dtype):
    p = nn.Parameter(torch.ones(4, 4, dtype=dtype))
    optimizer = getattr(optimizers, name)(0.1, clipnorm=1.0)
    for capturable in (False, True):
        optimizer.build([p])
        optimizer.capturable = capturable
        optimizer.apply([torch.ones(4, 4)])
        assert p.dtype == dtype and torch.isfinite(p).all() and (p < 1).all()


def test_types_and_devices_may_be_mixed():
    a, b = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3, dtype=torch.float64))
    optimizer = optimizers.Nadam(0.1)
    optimizer.build([a, b])
    for _ in range(3):
        optimizer.apply([torch.ones(3), torch.ones(3)])
    torch.testing.assert_close(a.detach().double(), b.detach(), rtol=1e-6, atol=1e-6)


# -- Keras's side -----------------------------------------------------------------------------------------------------------------


def test_learning_rate_is_a_variable_a_schedule_or_a_callable():
    optimizer = optimizers.Adam(lr := 0.01)
    assert float(optimizer.learning_rate) == float(optimizer.lr) == lr
    optimizer.learning_rate.assign(0.5)
    optimizer.build([variable()])
    optimizer.lr = np.float32(0.25)
    assert float(optimizer.learning_rate) == 0.25 and optimizer.param_groups[0]["lr"] == 0.25
    assert optimizer.learning_rate.numpy() == 0.25 and optimizer.learning_rate * 2 == 0.5
    optimizer.learning_rate = lambda: 0.125
    assert float(optimizer.learning_rate) == 0.125
    optimizer.learning_rate = optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    assert float(optimizer.learning_rate) == pytest.approx(0.1)
    with pytest.raises(TypeError, match="`learning_rate` cannot be set to a number: this optimizer follows a schedule"):
        optimizer.learning_rate = 0.1


def test_old_spellings():
    with pytest.warns(DeprecationWarning, match="`lr` is the old name"):
        assert float(optimizers.SGD(lr=0.5).learning_rate) == 0.5
    with pytest.warns(DeprecationWarning, match="`decay` is the old spelling"):
        optimizer = optimizers.legacy.SGD(0.5, decay=1.0)
    optimizer.build([w := variable(0.0, (1,))])
    for _ in range(2):
        optimizer.apply([torch.ones(1)])
    assert w.item() == pytest.approx(-0.75)
    assert optimizers.Adam(epsilon=None).epsilon == 1e-7


@pytest.mark.parametrize("name", ["SGD", "Adam", "Nadam"])
@pytest.mark.parametrize("options", [{}, {"clipnorm": 0.5}, {"use_ema": True, "ema_overwrite_frequency": 2}], ids=str)
def test_accumulated_gradients_are_the_large_batch_s(name, options):
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.normal(size=(22, 4)), dtype=torch.float32)
    whole, parts = net(), net()
    large = getattr(optimizers, name)(0.01, **options)
    small = getattr(optimizers, name)(0.01, gradient_accumulation_steps=3, **options)
    large.build(whole.parameters())
    small.build(parts.parameters())
    for epoch in range(2):
        for chunk in (x[:9], x[9:18], x[18:]):  # the last window has two steps, of three samples and of one
            large.apply_stored(torch.autograd.grad(loss_of(whole, chunk), whole.parameters()))
            for piece in chunk.split(3):
                small.apply_stored(torch.autograd.grad(loss_of(parts, piece), parts.parameters()), weight=len(piece))
        small.flush()
        small.flush()
        torch.testing.assert_close(flat(parts), flat(whole), rtol=1e-5, atol=1e-6)
        assert int(small.iterations) == int(large.iterations) == 3 * (epoch + 1)


@pytest.mark.parametrize("name", ["Adam", "SGD", "Muon", "Ftrl"])
def test_full_windows_are_keras_s(name):
    gradients = np.random.default_rng(0).normal(size=(8, 3, 2)).astype("float32")
    ours, theirs = variable(1.0, (3, 2)), keras.Variable(np.ones((3, 2), "float32"), name="w")
    a, b = (getattr(m, name)(0.1, gradient_accumulation_steps=4) for m in (optimizers, keras.optimizers))
    a.build([ours])
    b.build([theirs])
    for g in gradients[:7]:
        a.apply([torch.tensor(g)])
        b.apply([torch.tensor(g)])
        assert int(a.iterations) == int(b.iterations)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)
    assert [v.name for v in a.variables] == [v.name for v in b.variables]
    np.testing.assert_allclose(a.variables[2].numpy(), b.variables[2].numpy(), rtol=1e-5, atol=1e-6)


def test_a_schedule_sees_steps_and_not_windows():
    w, rate = variable(0.0, (1,)), optimizers.schedules.PiecewiseConstantDecay([1], [1.0, 0.5])
    optimizer = optimizers.SGD(rate, gradient_accumulation_steps=2)
    optimizer.build([w])
    for _ in range(4):
        optimizer.apply([torch.ones(1)])
    assert w.item() == pytest.approx(-1.5)


def test_weight_decay_exclusions():
    kernel, bias, other = variable(name="kernel"), variable(name="bias"), variable(name="scale")
    optimizer = optimizers.AdamW(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay([other], ["bias"])
    optimizer.build([kernel, bias, other])
    optimizer.apply([torch.zeros(3)] * 3)
    assert [v[0].item() for v in (kernel, bias, other)] == pytest.approx([0.95, 1.0, 1.0])
    with pytest.raises(ValueError, match="must be called before the optimizer is built"):
        optimizer.exclude_from_weight_decay([kernel])


def test_constraints_hold_after_an_update():
    w = variable(1.0)
    w.constraint = lambda value: value.clamp(min=0.5)
    optimizer = optimizers.SGD(1.0)
    optimizer.build([w])
    optimizer.apply([torch.tensor([1.0, 0.2, 0.0])])
    assert w.tolist() == pytest.approx([0.5, 0.8, 1.0])


class SumOfTwo:
    """A Keras bias that torch stores in two halves, as `nn.LSTM` would."""

    def to_keras(self, *stored):
        return torch.cat(stored)

    def to_torch(self, value):
        return tuple(value.chunk(2))


@pytest.mark.parametrize("name,options", [("Lamb", {}), ("SGD", {"clipnorm": 0.5}), ("Adafactor", {}), ("Muon", {})], ids=str)
def test_a_variable_of_several_parameters_is_one_variable(name, options):
    module = nn.Module()
    module.a, module.b = nn.Parameter(torch.ones(2)), nn.Parameter(torch.full((2,), 2.0))
    split = WeightView(module, ("a", "b"), SumOfTwo(), "bias")
    whole = Variable(np.array([1.0, 1.0, 2.0, 2.0], "float32"), name="bias")
    g = torch.tensor([1.0, 2.0, -3.0, 4.0])
    for v in (split, whole):
        optimizer = getattr(optimizers, name)(0.1, **options)
        optimizer.build([v])
        for _ in range(3):
            optimizer.apply([g])
    np.testing.assert_allclose(split.numpy(), whole.numpy(), rtol=1e-6)
    assert name == "SGD" or optimizer.variables[-1].shape == whole.shape


def test_stateless_apply_changes_nothing():
    w = variable()
    optimizer = optimizers.Adam(0.1)
    optimizer.build([w])
    values = [v.value.detach().clone() for v in optimizer.variables]
    new, state = optimizer.stateless_apply(values, [torch.ones(3)], [torch.zeros(3)])
    assert w.tolist() == [1, 1, 1] and int(optimizer.iterations) == 0
    assert new[0].tolist() == pytest.approx([-0.1] * 3, rel=1e-5) and state[0].item() == 1


def test_apply_gradients_builds_and_takes_some_variables():
    a, b = variable(name="a"), variable(name="b")
    optimizer = optimizers.SGD(1.0)
    optimizer.apply_gradients([(torch.ones(3), a), (torch.ones(3), b)])
    optimizer.apply([torch.ones(3)], [b])
    assert a.tolist() == [0, 0, 0] and b.tolist() == [-1, -1, -1]
    with pytest.warns(UserWarning, match=r"Gradients do not exist for variables \['a'\]"):
        optimizer.apply([None, torch.ones(3)])


def test_a_rule_of_ones_own():
    class Halving(optimizers.Optimizer):
        def __init__(self, learning_rate=0.1, factor=0.5, **kwargs):
            super().__init__(learning_rate, **kwargs)
            self.factor = factor

        def build(self, variables):
            super().build(variables)
            self.seen = self.add_optimizer_variables(variables, "seen")
            self.count = self.add_variable((), name="count")

        def update_step(self, gradient, variable, learning_rate):
            seen = self.seen[self._get_variable_index(variable)]
            self.assign(seen, seen * self.factor + gradient)
            self.assign_add(self.count, 1)
            self.assign_sub(variable, learning_rate * seen)

        def get_config(self):
            return {**super().get_config(), "factor": self.factor}

    a, b = variable(0.0, (2,), "a"), nn.Parameter(torch.zeros(2, 2))
    optimizer = Halving(1.0, factor=0.25, clipvalue=1.0)
    optimizer.build([a, b])
    for _ in range(2):
        optimizer.apply([torch.ones(2), torch.full((2, 2), 5.0)])
    assert a.tolist() == pytest.approx([-2.25] * 2) and b[0].tolist() == pytest.approx([-2.25] * 2)
    assert [v.name for v in optimizer.variables][2:] == ["a_seen", "variable_seen", "count"] and float(optimizer.count) == 4
    assert Halving.from_config(optimizer.get_config()).factor == 0.25


def test_get_serialize_deserialize():
    assert isinstance(optimizers.get("RMSprop"), optimizers.RMSprop) and isinstance(optimizers.get("adamw"), optimizers.AdamW)
    optimizer = optimizers.Adam(optimizers.schedules.CosineDecay(0.1, 10), name="mine", clipnorm=1.0)
    again = optimizers.deserialize(optimizers.serialize(optimizer))
    assert again.get_config() == optimizer.get_config() and optimizers.get(optimizer) is optimizer
    real = keras.optimizers.serialize(keras.optimizers.Lion(0.01, name="x"))
    assert optimizers.deserialize(real).get_config() == real["config"]
    mine = optimizers.serialize(optimizers.Muon(0.25, exclude_layers=["head"], name="x"))
    assert keras.optimizers.deserialize(mine).get_config() == mine["config"]
    with pytest.raises(ValueError, match="Unknown optimizer: 'adamm'. Did you mean 'adam'"):
        optimizers.get("adamm")


# -- captured steps ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Nadam", "Lion", "Lamb", "Adafactor", "Muon", "Ftrl"])
def test_a_step_is_captured_and_replayed(name):
    from torch.fx.experimental.proxy_tensor import make_fx

    eager, captured = net(), net()
    reference = getattr(optimizers, name)(0.01, global_clipnorm=0.5)
    reference.build(eager.parameters())
    optimizer = getattr(optimizers, name)(0.01, global_clipnorm=0.5)
    optimizer.build(captured.parameters())
    optimizer.capturable = True
    params = list(captured.parameters())
    held = [*params, *optimizer.state_tensors()]
    before = [t.detach().clone() for t in held]

    def step(x):
        optimizer.apply_stored(torch.autograd.grad(loss_of(captured, x), params))
        return x

    graph = make_fx(step)(torch.ones(8, 4))
    with torch.no_grad():
        for t, old in zip(held, before):
            t.copy_(old)
    generator = torch.Generator().manual_seed(5)
    for n in range(4):
        x = torch.randn(8, 4, generator=generator)
        reference.apply_stored(torch.autograd.grad(loss_of(eager, x), list(eager.parameters())))
        with torch.no_grad():
            graph(x)
        optimizer.advance()
        if n == 1:
            reference.learning_rate = optimizer.learning_rate = 0.1
    torch.testing.assert_close(flat(captured), flat(eager), rtol=1e-5, atol=2e-6)
    assert int(optimizer.iterations) == 4


@pytest.mark.parametrize("name", ["AdamW", "Nadam", "Muon"])
def test_a_step_compiles_as_one_graph(name):
    eager, compiled = net(), net()
    reference, optimizer = (getattr(optimizers, name)(0.01, clipnorm=1.0) for _ in range(2))
    reference.build(eager.parameters())
    optimizer.build(compiled.parameters())
    optimizer.capturable = True
    step = torch.compile(optimizer.apply_stored, fullgraph=True, backend="aot_eager")
    for _ in range(3):
        grads = [torch.randn_like(p) for p in compiled.parameters()]
        step(grads)
        reference.apply_stored(grads)
    torch.testing.assert_close(flat(compiled), flat(eager), rtol=1e-5, atol=1e-6)


def test_one_graph_for_each_key():
    options = {"gradient_accumulation_steps": 2, "use_ema": True, "ema_overwrite_frequency": 2}
    eager, captured = net(), net()
    reference, optimizer = (optimizers.Adam(0.01, **options) for _ in range(2))
    reference.build(eager.parameters())
    optimizer.build(captured.parameters())
    optimizer.capturable = True
    keys = []
    for _ in range(8):
        keys.append(optimizer.capture_key())
        grads = [torch.randn_like(p) for p in captured.parameters()]
        reference.apply_stored(grads)
        optimizer.apply_stored(grads)
        optimizer.advance()
    assert keys == [(False, False), (True, False), (False, False), (True, True)] * 2
    torch.testing.assert_close(flat(captured), flat(eager), rtol=1e-5, atol=1e-6)


def test_a_callable_rate_is_renewed_between_replays():
    rates = iter([1.0, 0.5, 0.25, 0.125])
    w = variable(0.0, (1,))
    optimizer = optimizers.SGD(lambda: next(rates))
    optimizer.build([w])
    optimizer.capturable = True
    for _ in range(3):
        optimizer.apply([torch.ones(1)])
        optimizer.advance()
    assert w.item() == pytest.approx(-1.75)


# -- bad input --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make,message",
    [
        (lambda: optimizers.Adam(learning_rat=0.1), "unknown argument `learning_rat`. Did you mean 'learning_rate'"),
        (lambda: optimizers.Adam(clipnorm=1.0, clipvalue=1.0), "Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set"),
        (lambda: optimizers.Adam(clipnorm=-1.0), "`clipnorm` must be a number at least 0, or None"),
        (lambda: optimizers.Adam(use_ema=True, ema_momentum=2.0), r"`ema_momentum` must be in the range \[0, 1\]"),
        (lambda: optimizers.Adam(use_ema=True, ema_overwrite_frequency=0), "`ema_overwrite_frequency` must be an integer above 0"),
        (lambda: optimizers.Adam(gradient_accumulation_steps=1), "`gradient_accumulation_steps` must be an integer of at least 2"),
        (lambda: optimizers.Adam("fast"), "`learning_rate` must be a number, a LearningRateSchedule"),
        (lambda: optimizers.SGD(momentum=2.0), "`momentum` must be a number at least 0 and at most 1"),
        (lambda: optimizers.AdamW(weight_decay=None), "`weight_decay` must be a number"),
        (lambda: optimizers.Ftrl(l1_regularization_strength=-1.0), "`l1_regularization_strength` must not be negative"),
        (lambda: optimizers.Adam().build([]), "`variables` must hold at least one variable"),
        (lambda: optimizers.get(7), "`optimizer` must be"),
        (lambda: optimizers.LossScaleOptimizer("adam"), "`inner_optimizer` must be an optimizer"),
        (lambda: optimizers.MultiOptimizer(3), "`optimizer_map` must be an OptimizerMap or a callable"),
        (lambda: optimizers.SGD().apply([torch.ones(1)]), "`trainable_variables` is needed in the first call"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_bad_gradients_are_named_and_change_nothing():
    w = variable()
    optimizer = optimizers.SGD(1.0)
    optimizer.build([w])
    with pytest.raises(ValueError, match="`grads` must hold one gradient for each variable. Received: 2 gradients for 1 variables"):
        optimizer.apply([torch.ones(3)] * 2)
    with pytest.raises(ValueError, match="`trainable_variables` holds 'stranger', which this optimizer was not built with"):
        optimizer.apply([torch.ones(3)], [variable(name="stranger")])
    for call in (optimizer.apply, optimizer.apply_stored):
        with pytest.raises(ValueError, match="No gradients provided for any variable"):
            call([None])
    with pytest.raises(ValueError, match=r"gradient of 'w'.*\(3,\).*\(4,\)"):
        optimizer.apply([torch.ones(4)])
    with pytest.warns(UserWarning, match="has 2 variables, the file 1"):
        optimizer.load_own_variables({"0": np.zeros(())})
    assert w.tolist() == [1, 1, 1] and int(optimizer.iterations) == 0


def test_no_warning_in_a_plain_step():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = net()
        optimizer = optimizers.Adam()
        optimizer.build(model.parameters())
        train(model, optimizer, 2)
