"""A torch user's few lines on a Keras-built model, against the equal torch module: a class of probes for each promise."""

import copy
import gc
import io
import pickle
import threading
import weakref
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune
from torch.utils.checkpoint import checkpoint

import torchkeras as keras
from torchkeras import layers

X = torch.from_numpy(np.random.default_rng(0).normal(size=(32, 4)).astype("float32"))
Y = X[:, :2].sum(1, keepdim=True)


def sequential(rate=0.0):
    return keras.Sequential([
        keras.Input((4,)), layers.Dense(8, name="first"), layers.ReLU(name="relu"), layers.BatchNormalization(name="norm"),
        layers.Dropout(rate, name="dropout"), layers.Dense(1, name="out"),
    ])  # fmt: skip


def functional(rate=0.0):
    i = keras.Input((4,))
    h = layers.ReLU(name="relu")(layers.Dense(8, name="first")(i))
    h = layers.Dropout(rate, name="dropout")(layers.BatchNormalization(name="norm")(h))
    return keras.Model(i, layers.Dense(1, name="out")(h))


class Subclassed(keras.Model):
    def __init__(self, rate=0.0):
        super().__init__()
        self.first, self.relu, self.norm = layers.Dense(8), layers.ReLU(), layers.BatchNormalization()
        self.dropout, self.out = layers.Dropout(rate), layers.Dense(1)

    def call(self, x):
        return self.out(self.dropout(self.norm(self.relu(self.first(x)))))


def subclassed(rate=0.0):
    model = Subclassed(rate)
    model(X[:2])
    return model


def plain(rate=0.0):
    norm = nn.BatchNorm1d(8, eps=1e-3, momentum=0.01)
    return nn.Sequential(OrderedDict(first=nn.Linear(4, 8), relu=nn.ReLU(), norm=norm, dropout=nn.Dropout(rate), out=nn.Linear(8, 1)))


def twins(build, rate=0.0):
    """A model and the equal torch module with the same weights, both in evaluation mode."""
    ours, theirs = build(rate), plain(rate)
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values())))
    return ours.eval(), theirs.eval()


def part(model, name):
    """The layer or module of that name."""
    return model.get_layer(name) if hasattr(model, "_tk_plan") and model._tk_plan is not None else getattr(model, name)


def linear_of(model, name):
    """The `nn.Linear` of that name."""
    found = part(model, name)
    return found if isinstance(found, nn.Linear) else found.linear


BUILDERS = pytest.mark.parametrize("build", [sequential, functional, subclassed], ids=lambda f: f.__name__)
close = torch.testing.assert_close


def both(pair, do):
    """What `do` gives for each of a pair, which must be equal."""
    ours, theirs = (do(m) for m in pair)
    close(ours, theirs, atol=1e-5, rtol=1e-4)
    return ours


def gradients(model):
    return [p.grad for p in model.parameters()]


# -- modes --------------------------------------------------------------------------------------------------------------------------------


def as_child(model):
    holder = nn.Module()
    holder.body = model
    return holder


MODES = {
    "alone": (lambda m: m, False),
    "a child of a module": (as_child, True),
    "in a Sequential": (nn.Sequential, True),
    "in a ModuleList": (lambda m: nn.ModuleList([m]), True),
    "in a ModuleDict": (lambda m: nn.ModuleDict({"m": m}), True),
    "add_module": (lambda m: (h := nn.Module(), h.add_module("m", m))[0], True),
    "of a parent in evaluation": (lambda m: (h := nn.Module().eval(), setattr(h, "m", m))[0], False),
    "train": (lambda m: m.train(), True),
    "a parent that trains": (lambda m: as_child(m).train(), True),
    "a parent that evaluates": (lambda m: as_child(m).eval(), False),
    "evaluating before it gets a parent": (lambda m: as_child(m.eval()), False),
    "training before it gets a parent in evaluation": (lambda m: (h := nn.Module().eval(), setattr(h, "m", m.train()))[0], True),
}


@pytest.mark.parametrize("put", MODES)
@BUILDERS
def test_the_mode_of_every_module_inside(build, put):
    model = build(0.5)
    place, training = MODES[put]
    kept = place(model)
    assert {m.training for m in model.modules()} == {training} and kept is not None
    dropped = (model(X) != model(X)).any().item()
    assert dropped is training
    assert (part(model, "norm").norm.num_batches_tracked.item() > 0) is training


@BUILDERS
def test_the_mode_of_one_part_is_its_own(build):
    model = build(0.5).train()
    part(model, "norm").eval()
    before = part(model, "norm").norm.running_mean.clone()
    assert (model(X) != model(X)).any() and torch.equal(part(model, "norm").norm.running_mean, before)
    part(model, "dropout").eval()
    close(model(X), model(X))
    model(X, training=True)
    assert not part(model, "norm").training and model.training


def test_a_thread_that_predicts_leaves_another_in_training():
    model, other, seen = functional(0.5).train(), functional(0.5), []
    thread = threading.Thread(target=lambda: seen.append((other(X), other(X), other.training)))
    thread.start()
    thread.join()
    assert (model(X) != model(X)).any() and torch.equal(*seen[0][:2]) and not seen[0][2]


@BUILDERS
def test_apply_and_modules_reach_everything(build):
    model = build()
    kinds = []
    model.apply(kinds.append)
    for kind, count in {nn.Linear: 2, nn.BatchNorm1d: 1, nn.ReLU: 1, nn.Dropout: 1}.items():
        assert sum(isinstance(m, kind) for m in kinds) == count
    assert len(kinds) == len(list(model.modules()))


# -- everything a layer holds is the layer's ----------------------------------------------------------------------------------------------


class Holding(layers.Layer):
    """A layer that holds what torch users put on a module."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.scale = nn.Parameter(torch.ones(4))
        self.several = nn.ParameterList([nn.Parameter(torch.zeros(4)), nn.Parameter(torch.ones(1))])
        self.named = nn.ParameterDict({"a": nn.Parameter(torch.ones(4))})
        self.register_buffer("count", torch.zeros(()))
        self.register_parameter("shift", nn.Parameter(torch.zeros(4)))
        self.inner = nn.Linear(4, 4)

    def call(self, x):
        self.count.add_(1)
        return self.inner(x * self.scale + self.several[0]) * self.several[1] * self.named["a"] + self.shift


def holding():
    return keras.Sequential([keras.Input((4,)), Holding(), layers.Dense(1)])


def test_what_a_layer_holds_is_listed_trained_and_counted():
    model = holding()
    layer = model.layers[0]
    assert len(layer.weights) == 8 and len(layer.trainable_weights) == 7 and len(list(layer.parameters())) == 7
    assert layer.count_params() == 4 + 4 + 1 + 4 + 4 + 16 + 4 + 1
    before = [p.detach().clone() for p in model.parameters()]
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0)
    assert all(not torch.equal(a, b) for a, b in zip(before, model.parameters())) and layer.count > 0
    layer.trainable = False
    assert not any(p.requires_grad for p in layer.parameters()) and len(model.trainable_weights) == 2


@pytest.mark.parametrize("file", ["m.keras", "m.weights.h5", "torch"])
def test_what_a_layer_holds_is_saved(file, tmp_path):
    model, again = holding(), holding()
    with torch.no_grad():
        for p in [*model.parameters(), *model.buffers()]:
            p.add_(torch.rand_like(p))
    if file == "torch":
        torch.save(model.state_dict(), tmp_path / file)
        again.load_state_dict(torch.load(tmp_path / file))
    elif file == "m.keras":
        model.save(tmp_path / file)
        again = keras.models.load_model(tmp_path / file, custom_objects={"Holding": Holding})
    else:
        model.save_weights(tmp_path / file)
        again.load_weights(tmp_path / file)
    for a, b in zip([*model.parameters(), *model.buffers()], [*again.parameters(), *again.buffers()]):
        close(a, b)


def test_get_and_set_weights_reach_what_a_layer_holds():
    model, again = holding(), holding()
    with torch.no_grad():
        model.layers[0].scale.fill_(3.0)
    again.set_weights(model.get_weights())
    close(again(X), model(X))
    assert again.layers[0].scale[0] == 3


# -- before they are built ----------------------------------------------------------------------------------------------------------------


ASKED = {
    "optimizer": lambda m: torch.optim.SGD(m.parameters(), 0.1),
    "load_state_dict": lambda m: m.load_state_dict(nn.Sequential(OrderedDict(a=nn.Linear(4, 8))).state_dict()),
    "state_dict of another": lambda m: m.load_state_dict({"0.linear.weight": torch.zeros(8, 4), "0.linear.bias": torch.zeros(8)}),
}


def new_storage(model):
    return {k: torch.rand_like(v) if v.is_floating_point() else v.clone() for k, v in model.state_dict().items()}


CHANGES = {
    "load_state_dict(assign=True)": lambda m: m.load_state_dict(new_storage(m), assign=True),
    "load_state_dict": lambda m: m.load_state_dict(new_storage(m)),
    "to_empty": lambda m: m.to_empty(device="cpu"),
    "data": lambda m: [setattr(p, "data", torch.rand_like(p)) for p in m.parameters()],
    "another parameter": lambda m: setattr(linear_of(m, "first"), "weight", nn.Parameter(torch.ones(8, 4))),
    "another linear": lambda m: setattr(part(m, "first"), "linear", nn.Linear(4, 8)),
    "init": lambda m: nn.init.constant_(linear_of(m, "first").weight, 0.3),
    "double": lambda m: m.double(),
    "swap": lambda m: torch.utils.swap_tensors(linear_of(m, "first").weight, nn.Parameter(torch.ones(8, 4))),
    "meta and back": lambda m: m.to("meta").to_empty(device="cpu"),
    "assign on the handle": lambda m: part(m, "first").kernel.assign(torch.ones(4, 8)),
    "set_weights": lambda m: m.set_weights([np.ones_like(w) for w in m.get_weights()]),
}


@pytest.mark.parametrize("change", CHANGES)
@BUILDERS
def test_weights_are_those_that_the_module_has_now(build, change):
    model = build()
    kernel = part(model, "first").kernel
    CHANGES[change](model)
    stored = linear_of(model, "first").weight.detach()
    close(kernel.value.detach(), stored.T, equal_nan=True)
    close(part(model, "first").weights[0].value.detach(), stored.T, equal_nan=True)
    np.testing.assert_array_equal(part(model, "first").get_weights()[0], stored.T.numpy())
    assert any(w is kernel for w in model.weights)


WRITES = {
    "assign": lambda k: k.assign(torch.full((4, 8), 2.0)),
    "assign_add": lambda k: (k.assign(torch.zeros(4, 8)), k.assign_add(torch.full((4, 8), 2.0))),
    "nn.init": lambda k: nn.init.constant_(k, 2.0),
    "data": lambda k: setattr(k, "data", torch.full((4, 8), 2.0)),
    "item": lambda k: k.__setitem__(slice(None), 2.0),
    "fill_": lambda k: k.data.fill_(2.0),
}


@pytest.mark.parametrize("write", WRITES)
@BUILDERS
def test_what_is_written_to_a_handle_reaches_the_weight(build, write):
    model = build()
    with torch.no_grad():
        WRITES[write](part(model, "first").kernel)
    assert torch.equal(linear_of(model, "first").weight, torch.full((8, 4), 2.0))


@BUILDERS
def test_a_parametrization_and_pruning_are_trained_by_their_originals(build):
    ours, theirs = twins(build)
    for model in (ours, theirs):
        parametrizations.weight_norm(linear_of(model, "first"))
        prune.l1_unstructured(linear_of(model, "out"), "weight", 0.5)
    both((ours, theirs), lambda m: m(X))
    before = {k: v.clone() for k, v in ours.named_parameters()}
    ours.compile("sgd", "mse")
    ours.fit(X, Y, epochs=2, verbose=0)
    names = [k for k, v in ours.named_parameters() if not torch.equal(v, before[k])]
    assert sum("original" in n or "weight_orig" in n for n in names) == 3
    assert (linear_of(ours, "out").weight == 0).sum() == 4


def tied():
    i = keras.Input((4,))
    a, b = layers.Dense(4, name="a"), layers.Dense(4, name="b")
    model = keras.Model(i, b(torch.tanh(a(i))))
    b.linear.weight = a.linear.weight
    return model


def test_tied_weights_are_one_weight():
    model = tied()
    assert len(list(model.parameters())) == 3 and len(model.trainable_weights) == 3
    for changed in (copy.deepcopy(model), copy.deepcopy(model).double(), pickle.loads(pickle.dumps(model))):
        assert changed.get_layer("a").linear.weight is changed.get_layer("b").linear.weight
    model.compile("adam", "mse")
    model.fit(X, X, verbose=0)
    assert model.get_layer("a").linear.weight is model.get_layer("b").linear.weight
    close(model.get_layer("a").kernel.value, model.get_layer("b").kernel.value)


# -- replaced and hooked parts are used ---------------------------------------------------------------------------------------------------


def replace_forward(module):
    old = module.forward
    module.forward = lambda *args, **kwargs: old(*args, **kwargs) * 2


REPLACED = {
    "forward of a layer": lambda m: replace_forward(part(m, "out")),
    "forward of the linear": lambda m: replace_forward(linear_of(m, "out")),
    "hook on a layer": lambda m: part(m, "out").register_forward_hook(lambda module, args, out: out * 2),
    "hook on the linear": lambda m: linear_of(m, "out").register_forward_hook(lambda module, args, out: out * 2),
    "pre-hook": lambda m: part(m, "out").register_forward_pre_hook(lambda module, args: (args[0] * 2,)),
    "hook with kwargs": lambda m: part(m, "out").register_forward_hook(lambda module, args, kw, out: out * 2, with_kwargs=True),
    "hook on the model": lambda m: m.register_forward_hook(lambda module, args, out: out * 2),
    "another weight": lambda m: [p.data.mul_(2) for p in linear_of(m, "out").parameters()],
}


@pytest.mark.parametrize("how", REPLACED)
@BUILDERS
def test_a_replaced_or_hooked_part_is_used(build, how):
    pair = twins(build)
    before = both(pair, lambda m: m(X).detach())
    for model in pair:
        REPLACED[how](model)
    after = both(pair, lambda m: m(X).detach())
    assert not torch.allclose(before, after)
    close(torch.from_numpy(pair[0].predict(X, verbose=0)), after, atol=1e-5, rtol=1e-4)


@BUILDERS
def test_removed_hooks_and_forwards_leave_nothing(build):
    model = build()
    before, out = model(X), part(model, "out")
    handles = [out.register_forward_hook(lambda m, a, o: o * 2), out.register_forward_pre_hook(lambda m, a: None)]
    out.forward = lambda x: x[:, :1]
    assert not torch.equal(model(X), before)
    for handle in handles:
        handle.remove()
    del out.forward
    assert torch.equal(model(X), before)


@BUILDERS
def test_hooks_see_what_those_of_torch_see(build):
    pair, seen = twins(build), ([], [])
    for model, log in zip(pair, seen):
        module = linear_of(model, "out")
        module.register_forward_pre_hook(lambda m, args, log=log: log.append(("pre", args[0].detach())))
        module.register_forward_hook(lambda m, args, out, log=log: log.append(("out", out.detach())))
        module.register_full_backward_hook(lambda m, gi, go, log=log: log.append(("back", go[0])))
        part(model, "relu").register_full_backward_pre_hook(lambda m, go, log=log: log.append(("relu", go[0])))
        model(X).sum().backward()
    assert [name for name, _ in seen[0]] == [name for name, _ in seen[1]] == ["pre", "out", "back", "relu"]
    for (_, a), (_, b) in zip(*seen):
        close(a, b)


@pytest.mark.parametrize("make", [lambda d: keras.Sequential([d]), lambda d: keras.Model(i := keras.Input((4,)), d(i))], ids=["seq", "fn"])
def test_hooks_that_were_there_before_the_graph_act_once_and_see_no_symbolic_tensor(make):
    dense, seen = layers.Dense(3), []
    dense.build((None, 4))
    expected = dense(X)
    dense.register_forward_pre_hook(lambda module, args: seen.append(type(args[0])))
    handle = dense.register_forward_hook(lambda module, args, out: out * 2)
    model = make(dense)
    close(model(X), expected * 2)
    close(torch.compile(model, backend="eager")(X), expected * 2)
    close(copy.deepcopy(model)(X), expected * 2)
    handle.remove()
    close(model(X), expected)
    assert set(seen) <= {torch.Tensor}


def test_hooks_and_replaced_parts_inside_attention():
    attention, x = layers.MultiHeadAttention(2, 4), torch.randn(2, 3, 8)
    before, seen = attention(x, x), []
    inside = [m for m in attention.modules() if isinstance(m, nn.Linear)]
    assert len(inside) == 4
    for module in inside:
        module.register_forward_hook(lambda m, args, out: seen.append(tuple(out.shape)))
    close(attention(x, x), before)
    assert len(seen) == 4
    for p in inside[2].parameters():
        p.data.zero_()
    assert not torch.allclose(attention(x, x), before)


# -- statistics and randomness in place of recomputation ----------------------------------------------------------------------------------


def recomputed(model, x):
    return checkpoint(model, x, use_reentrant=False)


@pytest.mark.parametrize("run", [lambda m, x: m(x), recomputed], ids=["plainly", "recomputed"])
@BUILDERS
def test_statistics_and_gradients(build, run):
    ours, theirs = (m.train() for m in twins(build))
    x = X.clone().requires_grad_()
    run(ours, x).square().mean().backward()
    grad, x.grad = x.grad, None
    theirs(x).square().mean().backward()
    close(grad, x.grad, atol=1e-6, rtol=1e-4)
    for a, b in zip(gradients(ours), gradients(theirs)):
        close(a, b, atol=1e-6, rtol=1e-4)
    a, b = part(ours, "norm").norm, theirs.norm
    close(a.running_mean, b.running_mean)
    assert a.num_batches_tracked == b.num_batches_tracked == 1
    rows = len(X)
    close(a.running_var - 0.99, (b.running_var - 0.99) * (rows - 1) / rows)  # Keras moves towards the biased variance


@BUILDERS
def test_dropout_draws_the_same_mask_when_recomputed(build):
    model = build(0.5).train()
    torch.manual_seed(3)
    once = torch.autograd.grad(model(X).square().sum(), list(model.parameters()))
    torch.manual_seed(3)
    again = torch.autograd.grad(recomputed(model, X).square().sum(), list(model.parameters()))
    for a, b in zip(once, again):
        close(a, b, atol=1e-4, rtol=1e-4)


def test_seeded_dropout_under_recomputation_and_vmap():
    layer = layers.Dropout(0.5, seed=1)
    x = torch.ones(4, 50, requires_grad=True)
    y = checkpoint(lambda t: layer(t, training=True) * t, x, use_reentrant=False)
    y.sum().backward()
    close(x.grad, 2 * (y.detach()))  # the gradient is through the mask of the forward pass
    out = torch.func.vmap(lambda row: layer(row, training=True), randomness="different")(x.detach())
    assert 0 < (out == 0).float().mean() < 1


# -- optimizers ---------------------------------------------------------------------------------------------------------------------------


def loop(model, optimizer, steps=5):
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.mse_loss(model(X), Y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, nesterov=True),
    "adamw": lambda p: torch.optim.AdamW(p, 0.01),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.01),
    "adagrad": lambda p: torch.optim.Adagrad(p, 0.05),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@BUILDERS
def test_torch_optimizers_in_a_loop_and_in_fit(build, optimizer):
    make = OPTIMIZERS[optimizer]
    ours, theirs = (m.train() for m in twins(build))
    fitted = build()
    fitted.load_state_dict(dict(zip(fitted.state_dict(), ours.state_dict().values())))
    losses = both((ours, theirs), lambda m: torch.tensor(loop(m, make(m.parameters()))))
    fitted.compile(make(fitted.parameters()), "mse")
    history = fitted.fit(X, Y, batch_size=32, epochs=5, shuffle=False, verbose=0).history["loss"]
    close(torch.tensor(history), losses, atol=1e-5, rtol=1e-4)


def test_lbfgs_with_its_closure():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile(torch.optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe"), "mse")
    history = model.fit(X, Y, batch_size=32, epochs=3, verbose=0).history["loss"]
    assert history[-1] < 1e-6


def test_gradients_from_before_do_not_enter_fit():
    one, two = twins(sequential)[0], sequential()
    two.load_state_dict(one.state_dict())
    one(X).sum().mul(100).backward()
    for model in (one, two):
        model.compile(torch.optim.SGD(model.parameters(), 0.1), "mse")
        model.fit(X, Y, batch_size=32, shuffle=False, verbose=0)
    for a, b in zip(one.parameters(), two.parameters()):
        close(a, b)


def test_groups_with_their_own_options_and_step_hooks():
    model = sequential()
    first, rest = list(part(model, "first").parameters()), [p for n, p in model.named_parameters() if not n.startswith("first")]
    optimizer = torch.optim.SGD(rest, 0.1)
    optimizer.add_param_group({"params": first, "lr": 0.0})
    steps = []
    optimizer.register_step_post_hook(lambda *_: steps.append(1))
    before = [p.detach().clone() for p in first]
    model.compile(optimizer, "mse")
    model.fit(X, Y, batch_size=16, verbose=0)
    assert len(steps) == 2 and all(torch.equal(a, b) for a, b in zip(before, first))


def test_a_keras_optimizer_with_groups_hooks_and_state():
    model = sequential()
    optimizer = keras.optimizers.SGD(0.1)
    first, rest = list(part(model, "first").parameters()), [p for n, p in model.named_parameters() if not n.startswith("first")]
    optimizer.build(rest)
    optimizer.add_param_group({"params": first, "lr": 0.0})
    steps, before = [], [p.detach().clone() for p in first]
    optimizer.register_step_pre_hook(lambda *_: steps.append(1))
    losses = loop(model.train(), optimizer)
    assert losses[-1] < losses[0] and len(steps) == 5 and all(torch.equal(a, b) for a, b in zip(before, first))
    optimizer.load_state_dict(optimizer.state_dict())


# -- graph tools --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [sequential, functional], ids=lambda f: f.__name__)
def test_fx_jit_and_export_give_the_same_numbers(build):
    model = build().eval()
    expected = model(X)
    close(torch.fx.symbolic_trace(model)(X), expected)
    close(torch.export.export(model, (X,)).module()(X), expected)
    close(torch.compile(model, backend="eager", fullgraph=True)(X), expected)


@BUILDERS
def test_functional_transforms(build):
    pair = twins(build)

    def per_sample(model):
        weights = dict(model.named_parameters())
        buffers = dict(model.named_buffers())

        def loss(w, x, y):
            return F.mse_loss(torch.func.functional_call(model, (w, buffers), (x[None],)), y[None])

        return list(torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))(weights, X, Y).values())

    both(pair, per_sample)
    both(pair, lambda m: torch.func.jacrev(m)(X[:2]))
    both(pair, lambda m: torch.autograd.functional.hessian(lambda x: m(x).square().sum(), X[:1]))


# -- copies -------------------------------------------------------------------------------------------------------------------------------


def through_torch(model):
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


COPIES = {"deepcopy": copy.deepcopy, "pickle": lambda m: pickle.loads(pickle.dumps(m)), "torch.save": through_torch}


@pytest.mark.parametrize("how", COPIES)
@BUILDERS
def test_copies_are_independent_and_whole(build, how):
    model = build().eval()
    again = COPIES[how](model)
    close(again(X), model(X))
    assert list(again.state_dict()) == list(model.state_dict())
    assert not {id(p) for p in model.parameters()} & {id(p) for p in again.parameters()}
    again.compile("adam", "mse")
    before = model(X)
    again.fit(X, Y, verbose=0)
    assert torch.equal(model(X), before) and not torch.equal(again(X), before)


def test_a_deleted_model_is_freed():
    for build in (sequential, functional, subclassed):
        model = build()
        model.compile("adam", "mse")
        model.fit(X, Y, verbose=0)
        model.predict(X, verbose=0)
        gone = weakref.ref(model)
        del model
        gc.collect()
        assert gone() is None


# -- activation layers, masks, names ------------------------------------------------------------------------------------------------------

ACTIVATIONS = {
    nn.ReLU: lambda: layers.ReLU(), nn.LeakyReLU: lambda: layers.LeakyReLU(0.1), nn.ELU: lambda: layers.ELU(),
    nn.Softmax: lambda: layers.Softmax(),
    nn.GELU: lambda: layers.Activation("gelu"), nn.Tanh: lambda: layers.Activation("tanh"),
    nn.Sigmoid: lambda: layers.Activation("sigmoid"),
    nn.SiLU: lambda: layers.Activation("silu"),
}  # fmt: skip


@pytest.mark.parametrize("kind", ACTIVATIONS, ids=lambda k: k.__name__)
def test_activation_layers_hold_the_module_of_torch(kind):
    layer = ACTIVATIONS[kind]()
    out = layer(X)
    assert any(isinstance(m, kind) for m in layer.modules())
    next(m for m in layer.modules() if isinstance(m, kind)).register_forward_hook(lambda m, args, out: out * 2)
    close(layer(X), out * 2)


def test_masks_stay_off_the_callers_tensors():
    ids = torch.tensor([[1, 2, 0]])
    embedding = layers.Embedding(5, 4, mask_zero=True)
    x = torch.randn(1, 3, 4)
    layers.LSTM(2)(x, mask=torch.tensor([[True, True, False]]))
    layers.Dense(2)(embedding(ids))
    assert not hasattr(x, "_keras_mask") and not hasattr(ids, "_keras_mask")


@BUILDERS
def test_names_do_not_depend_on_what_was_made_before(build):
    def keys():
        return list(keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(3), layers.BatchNormalization()]).state_dict())

    first = keys()
    build(), build(), layers.Dense(2)
    assert keys() == first and first[0].startswith("dense.") and any(k.startswith("dense_1.") for k in first)
    a, b = build(), build()
    b.load_state_dict(a.state_dict())
    close(b(X), a(X))
