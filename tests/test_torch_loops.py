"""What torch users write around a model, in a few lines each: the same lines on a Keras-built model and on the equal torch module."""

import copy
import functools
import io
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, jacrev, jvp, stack_module_state, vjp, vmap
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize, prune
from torch.optim import lr_scheduler, swa_utils
from torch.utils.checkpoint import checkpoint_sequential
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

import torchkeras as keras
from torchkeras import layers

X = torch.from_numpy(np.random.default_rng(0).normal(size=(16, 4)).astype("float32"))
Y = X[:, :2].sum(1, keepdim=True)
close = functools.partial(torch.testing.assert_close, atol=1e-5, rtol=1e-4)


def sequential():
    return keras.Sequential([
        keras.Input((4,)), layers.Dense(8, name="first"), layers.Activation("tanh", name="act"), layers.LayerNormalization(name="norm"),
        layers.Dense(1, name="out"),
    ])  # fmt: skip


def functional():
    i = keras.Input((4,))
    h = layers.LayerNormalization(name="norm")(layers.Activation("tanh", name="act")(layers.Dense(8, name="first")(i)))
    return keras.Model(i, layers.Dense(1, name="out")(h))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.first, self.act, self.norm, self.out = layers.Dense(8), layers.Activation("tanh"), layers.LayerNormalization(), layers.Dense(1)

    def call(self, x):
        return self.out(self.norm(self.act(self.first(x))))


def subclassed():
    model = Subclassed()
    model(X[:2])
    return model


def plain():
    return nn.Sequential(OrderedDict(first=nn.Linear(4, 8), act=nn.Tanh(), norm=nn.LayerNorm(8, eps=1e-3), out=nn.Linear(8, 1)))


def twins(build):
    ours, theirs = build(), plain()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values())))
    return ours, theirs


def linear(model, name):
    """The `nn.Linear` of that name, in a Keras layer or alone."""
    found = dict(model.named_modules())[name]
    return found if isinstance(found, nn.Linear) else found.linear


def loss_of(model, x=X, y=Y):
    return F.mse_loss(model(x), y)


def steps(model, optimizer, count=3, around=None):
    for _ in range(count):
        optimizer.zero_grad()
        loss_of(model).backward()
        if around is not None:
            around(model)
        optimizer.step()
    return [p.detach().clone() for p in model.parameters()]


PROBES = {}


def probe(function):
    """The function gives, for each of the twins, what must be equal."""
    PROBES[function.__name__] = function
    return function


# -- loops ------------------------------------------------------------------------------------------------------------------------------


@probe
def a_loop_with_a_loader(m):
    loader, optimizer = DataLoader(TensorDataset(X, Y), batch_size=5), torch.optim.AdamW(m.parameters(), 0.01)
    m.train()
    for _ in range(2):
        for x, y in loader:
            optimizer.zero_grad(set_to_none=True)
            F.mse_loss(m(x), y).backward()
            optimizer.step()
    return m.eval()(X)


@probe
def accumulated_gradients(m):
    for part in range(4):
        (loss_of(m, X[part::4], Y[part::4]) / 4).backward()
    return [p.grad for p in m.parameters()]


@probe
def clip_grad_norm(m):
    loss_of(m).backward()
    return nn.utils.clip_grad_norm_(m.parameters(), 0.1), [p.grad for p in m.parameters()]


@probe
def clip_grad_value(m):
    return steps(m, torch.optim.SGD(m.parameters(), 0.1), around=lambda m: nn.utils.clip_grad_value_(m.parameters(), 0.01))


@probe
def a_scaler_on_the_cpu(m):
    scaler, optimizer = torch.amp.GradScaler("cpu", init_scale=16.0), torch.optim.SGD(m.parameters(), 0.1)
    for _ in range(2):
        optimizer.zero_grad()
        scaler.scale(loss_of(m)).backward()
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
    return list(m.parameters())


@probe
def autocast(m):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = m(X)
    return y.dtype is torch.bfloat16, y.float()


@probe
def schedules(m):
    optimizer = torch.optim.SGD(m.parameters(), 0.1, momentum=0.9)
    parts = [lr_scheduler.LinearLR(optimizer, 0.5, total_iters=2), lr_scheduler.ExponentialLR(optimizer, 0.9)]
    chain = lr_scheduler.SequentialLR(optimizer, parts, [2])
    rates = []
    for _ in range(4):
        steps(m, optimizer, 1)
        chain.step()
        rates.append(chain.get_last_lr()[0])
    return rates, list(m.parameters())


@probe
def a_rate_for_each_layer(m):
    groups = [{"params": linear(m, "first").parameters(), "lr": 0.1}, {"params": linear(m, "out").parameters()}]
    return steps(m, torch.optim.Adam(groups, lr=0.01))


@probe
def no_decay_for_biases(m):
    decayed = [p for n, p in m.named_parameters() if p.ndim > 1]
    others = [p for n, p in m.named_parameters() if p.ndim == 1]
    return steps(m, torch.optim.AdamW([{"params": decayed, "weight_decay": 0.5}, {"params": others, "weight_decay": 0.0}], lr=0.05))


@probe
def frozen_by_name(m):
    for name, p in m.named_parameters():
        p.requires_grad_(not name.startswith("first"))
    after = steps(m, torch.optim.SGD([p for p in m.parameters() if p.requires_grad], 0.1))
    return after, [p.grad is None for p in m.parameters()], sum(p.requires_grad for p in m.parameters())


@probe
def an_optimizer_state_that_goes_on(m):
    first = torch.optim.Adam(m.parameters(), 0.05)
    steps(m, first)
    second = torch.optim.Adam(m.parameters(), 0.9)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    return steps(m, second)


@probe
def averaged_weights(m):
    ema = swa_utils.AveragedModel(m, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.5))
    optimizer = torch.optim.SGD(m.parameters(), 0.1)
    for _ in range(3):
        steps(m, optimizer, 1)
        ema.update_parameters(m)
    return ema(X), ema.n_averaged


@probe
def swa_with_its_schedule(m):
    optimizer = torch.optim.SGD(m.parameters(), 0.1)
    averaged, rate = swa_utils.AveragedModel(m), swa_utils.SWALR(optimizer, swa_lr=0.05, anneal_epochs=2)
    for _ in range(3):
        steps(m, optimizer, 1)
        averaged.update_parameters(m)
        rate.step()
    swa_utils.update_bn([X], averaged)
    return averaged(X)


# -- transforms -------------------------------------------------------------------------------------------------------------------------


def states(m):
    return list(dict(m.named_parameters()).values())


def by_values(m):
    names = [n for n, _ in m.named_parameters()]
    return lambda values, x: functional_call(m, dict(zip(names, values)), (x,))


@probe
def gradients_by_func(m):
    call = by_values(m)
    return grad(lambda values: F.mse_loss(call(values, X), Y))([p.detach() for p in states(m)])


@probe
def gradients_of_each_sample(m):
    call = by_values(m)
    one = grad(lambda values, x, y: F.mse_loss(call(values, x[None]), y[None]))
    return vmap(one, in_dims=(None, 0, 0))([p.detach() for p in states(m)], X, Y)


@probe
def forward_mode(m):
    call = by_values(m)
    values = [p.detach() for p in states(m)]
    return jvp(lambda v: call(v, X), (values,), ([torch.ones_like(p) for p in values],))


@probe
def reverse_mode(m):
    call = by_values(m)
    outputs, pull = vjp(lambda v: call(v, X), [p.detach() for p in states(m)])
    return outputs, pull(torch.ones_like(outputs))


@probe
def a_jacobian(m):
    return jacrev(m)(X[0][None])


@probe
def a_product_with_the_hessian(m):
    params = states(m)
    first = torch.autograd.grad(loss_of(m), params, create_graph=True)
    return torch.autograd.grad(sum((g * g).sum() for g in first), params)


@probe
def an_ensemble(m):
    others = [copy.deepcopy(m) for _ in range(3)]
    for i, other in enumerate(others):
        for p in other.parameters():
            p.data.mul_(i + 1)
    params, buffers = stack_module_state(others)
    base = copy.deepcopy(others[0]).to("meta")
    return vmap(lambda p, b: functional_call(base, (p, b), (X,)))(params, buffers)


@probe
def replaced_by_names(m):
    return functional_call(m, {n: p * 2 for n, p in m.named_parameters()}, (X,))


@probe
def gradient_of_the_input(m):
    x = X.clone().requires_grad_()
    m(x).sum().backward()
    return x.grad


# -- weights ----------------------------------------------------------------------------------------------------------------------------


@probe
def parameters_to_vector(m):
    vector = nn.utils.parameters_to_vector(m.parameters())
    nn.utils.vector_to_parameters(vector * 0.5, m.parameters())
    return vector, m(X)


@probe
def initialized_by_apply(m):
    def init(module):
        if isinstance(module, nn.Linear):
            nn.init.constant_(module.weight, 0.1)
            nn.init.zeros_(module.bias)

    m.apply(init)
    return m(X)


@probe
def spectral_norm(m):
    parametrizations.spectral_norm(linear(m, "first"))
    m.eval()
    return m(X)


@probe
def weight_norm(m):
    parametrizations.weight_norm(linear(m, "first"))
    return steps(m, torch.optim.SGD(m.parameters(), 0.1)), m(X)


@probe
def orthogonal(m):
    parametrizations.orthogonal(linear(m, "first"))
    w = linear(m, "first").weight
    return w.T @ w, m(X)


class Symmetric(nn.Module):
    def forward(self, x):
        return x - x.mean()


@probe
def a_parametrization_taken_away(m):
    parametrize.register_parametrization(linear(m, "first"), "weight", Symmetric())
    during = m(X)
    parametrize.remove_parametrizations(linear(m, "first"), "weight")
    return during, m(X), len(list(m.parameters()))


@probe
def global_pruning(m):
    pairs = [(linear(m, "first"), "weight"), (linear(m, "out"), "weight")]
    prune.global_unstructured(pairs, prune.L1Unstructured, amount=0.5)
    during = m(X)
    steps(m, torch.optim.SGD(m.parameters(), 0.1))
    for pair in pairs:
        prune.remove(*pair)
    return during, m(X), [(getattr(*pair) == 0).sum() for pair in pairs]


@probe
def named_parameters_with_duplicates(m):
    holder = nn.Module()
    holder.a, holder.b = m, m
    every = [n for n, _ in holder.named_parameters(remove_duplicate=False)]
    return len(every), len(list(holder.named_parameters())), sum(n.startswith("b.") for n in every)


@probe
def half_a_state_dict(m):
    state = {k: torch.zeros_like(v) for k, v in m.state_dict().items() if k.startswith("out")}
    result = m.load_state_dict({**state, "other": X}, strict=False)
    return len(result.missing_keys), result.unexpected_keys == ["other"], m(X)


@probe
def a_state_dict_with_a_prefix(m):
    state = m.state_dict(prefix="model.")
    assert all(k.startswith("model.") for k in state)
    holder = nn.ModuleDict({"model": m})
    return [k.startswith("model.") for k in holder.state_dict()], holder.load_state_dict(state).missing_keys, len(state)


@probe
def a_strict_load_that_fails(m):
    with pytest.raises(RuntimeError, match="Missing key"):
        m.load_state_dict({})
    return m(X)


@probe
def hooks_on_state_dicts(m):
    seen = []
    m.register_state_dict_post_hook(lambda module, state, prefix, meta: seen.append("saved"))
    m.register_load_state_dict_pre_hook(lambda module, *a: seen.append("loading"))
    m.register_load_state_dict_post_hook(lambda module, keys: seen.append("loaded"))
    m.load_state_dict(m.state_dict())
    return [["saved", "loading", "loaded"].index(s) for s in seen]


@probe
def saved_whole(m):
    buffer = io.BytesIO()
    torch.save(m, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)(X)


@probe
def saved_weights_only(m):
    buffer = io.BytesIO()
    torch.save(m.state_dict(), buffer)
    buffer.seek(0)
    other = copy.deepcopy(m)
    for p in other.parameters():
        p.data.zero_()
    other.load_state_dict(torch.load(buffer, weights_only=True))
    return other(X)


@probe
def doubled(m):
    return m.double()(X.double())


@probe
def a_copy_is_apart(m):
    other = copy.deepcopy(m)
    steps(other, torch.optim.SGD(other.parameters(), 0.5))
    return m(X), other(X)


# -- hooks and parts --------------------------------------------------------------------------------------------------------------------


@probe
def all_kinds_of_hooks(m):
    part, seen = linear(m, "first"), []
    part.register_forward_pre_hook(lambda mod, args: (args[0] * 2,))
    part.register_forward_pre_hook(lambda mod, args, kwargs: (args, kwargs), with_kwargs=True)
    part.register_forward_hook(lambda mod, args, out: out + 1)
    part.register_forward_hook(lambda mod, args, kwargs, out: seen.append(out.sum()), with_kwargs=True)
    part.register_full_backward_pre_hook(lambda mod, grads: seen.append(grads[0].sum()))
    part.register_full_backward_hook(lambda mod, given, out: seen.append(out[0].abs().sum()))
    loss_of(m, X.clone().requires_grad_()).backward()
    return seen, m(X)


@probe
def hooks_on_tensors_and_parameters(m):
    seen, p = [], linear(m, "out").weight
    handle = p.register_hook(lambda g: g * 2)
    p.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.sum()))
    loss_of(m).backward()
    handle.remove()
    return seen, p.grad


@probe
def hooks_of_all_modules(m):
    seen = []
    handle = nn.modules.module.register_module_forward_hook(lambda mod, args, out: seen.append(type(mod) is nn.Linear))
    try:
        m(X)
    finally:
        handle.remove()
    return sum(seen)


@probe
def a_hook_that_is_always_called(m):
    seen = []
    m.register_forward_hook(lambda *a: seen.append(1), always_call=True)
    m(X)
    return len(seen)


@probe
def features_by_a_hook(m):
    kept = {}
    handle = linear(m, "first").register_forward_hook(lambda mod, args, out: kept.update(out=out))
    m(X)
    handle.remove()
    return kept["out"]


@probe
def in_torch_containers(m):
    both = nn.ModuleDict({"a": m, "b": nn.ModuleList([copy.deepcopy(m)])})
    return both["a"](X) + both["b"][0](X), len(list(both.parameters())), nn.Sequential(m, nn.ReLU())(X)


@probe
def data_parallel_on_the_cpu(m):
    return nn.DataParallel(m)(X)


@probe
def checkpointed(m):
    x = X.clone().requires_grad_()
    checkpoint_sequential([m, nn.Tanh()], 2, x, use_reentrant=False).sum().backward()
    return x.grad, [p.grad for p in m.parameters()]


@probe
def under_anomaly_detection(m):
    with torch.autograd.set_detect_anomaly(True, check_nan=True):
        loss_of(m).backward()
    return [p.grad for p in m.parameters()]


@probe
def inference(m):
    with torch.inference_mode():
        y = m(X)
    return y.is_inference(), y.clone()


@probe
def counted_flops(m):
    with FlopCounterMode(display=False) as counter:
        m(X)
    return counter.get_total_flops()


@probe
def profiled(m):
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        m(X)
    return sum(e.count for e in profile.key_averages() if e.key == "aten::addmm")


@probe
def replaced_submodule(m):
    part = linear(m, "out")
    for holder in m.modules():
        for key, child in list(holder._modules.items()):
            if child is part:
                new = nn.Linear(8, 1)
                nn.init.ones_(new.weight), nn.init.zeros_(new.bias)
                setattr(holder, key, new)
    return m(X)


@probe
def moved_to_meta_and_back(m):
    state = {k: v.clone() for k, v in m.state_dict().items()}
    m.to("meta")
    m.to_empty(device="cpu")
    m.load_state_dict(state)
    return m(X)


@probe
def assigned_from_a_state_dict(m):
    state = {k: v.clone() * 2 for k, v in m.state_dict().items()}
    m.load_state_dict(state, assign=True)
    return m(X), steps(m, torch.optim.SGD(m.parameters(), 0.1))


@probe
def gradients_penalized(m):
    x = X.clone().requires_grad_()
    (g,) = torch.autograd.grad(m(x).sum(), x, create_graph=True)
    ((g.norm(dim=1) - 1) ** 2).mean().backward()
    return [p.grad for p in m.parameters() if p.grad is not None]


@probe
def modes_inside(m):
    m.train()
    linear(m, "first").eval()
    return m.training, linear(m, "first").training, linear(m, "out").training, m.eval().training


@probe
def share_memory(m):
    m.share_memory()
    return [p.is_shared() for p in m.parameters()], m(X)


@probe
def zero_grad_and_none(m):
    loss_of(m).backward()
    m.zero_grad()
    first = [p.grad is None for p in m.parameters()]
    loss_of(m).backward()
    m.zero_grad(set_to_none=False)
    return first, [p.grad for p in m.parameters()]


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # torch's own forward mode uses it
@pytest.mark.parametrize("build", [sequential, functional, subclassed], ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", list(PROBES))
def test_the_same_lines_give_the_same(name, build):
    found = []
    for model in twins(build):
        torch.manual_seed(0)
        found.append(PROBES[name](model))
    close(found[0], found[1])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*script_method:DeprecationWarning")  # inductor's own
@pytest.mark.parametrize("mode", ["default", "reduce-overhead", "max-autotune-no-cudagraphs"])
def test_compiled_in_every_mode(mode):
    for build in (sequential, functional, subclassed):
        model = build()
        compiled = torch.compile(model, mode=mode, fullgraph=True)
        close(compiled(X), model(X))


def test_a_loop_in_the_style_of_lightning():
    class Module(nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def training_step(self, batch):
            return F.mse_loss(self.net(batch[0]), batch[1])

        def configure_optimizers(self):
            optimizer = torch.optim.Adam(self.parameters(), 0.01)
            return optimizer, lr_scheduler.StepLR(optimizer, 1, 0.5)

    found = []
    for net in twins(functional):
        module = Module(net)
        optimizer, schedule = module.configure_optimizers()
        module.train()
        for batch in DataLoader(TensorDataset(X, Y), 8):
            loss = module.training_step(batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
        module.eval()
        found.append((module.net(X), optimizer.param_groups[0]["lr"]))
    close(*found)
