"""Modes, hooks and replaced parts, against plain torch: a layer in a torch program behaves as torch's own modules do."""

import copy
import pickle
import sys

import pytest
import torch
from torch import nn

import torchkeras as keras
from torchkeras import layers


def modes(module):
    return [m.training for m in module.modules()]


class Net(nn.Module):
    def __init__(self, part):
        super().__init__()
        self.part = part

    def forward(self, x):
        return self.part(x)


class Block(layers.Layer):
    """Builds its parts on the first input, one of them torch's."""

    def build(self, input_shape):
        self.dense, self.drop, self.foreign = layers.Dense(8), layers.Dropout(0.5), nn.Dropout(0.5)

    def call(self, inputs):
        return self.foreign(self.drop(self.dense(inputs)))


PARENTS = {
    "sequential": nn.Sequential,
    "module list": lambda layer: nn.ModuleList([layer]),
    "module dict": lambda layer: nn.ModuleDict({"a": layer}),
    "attribute": Net,
    "nested": lambda layer: Net(nn.Sequential(nn.Sequential(layer))),
    "add_module": lambda layer: _added(layer),
}


def _added(layer):
    parent = nn.Module()
    parent.add_module("a", layer)
    return parent


MAKERS = {
    "dropout": lambda: layers.Dropout(0.5),
    "batch norm": lambda: layers.BatchNormalization(),
    "block": Block,
    "functional": lambda: keras.Sequential([keras.Input((8,)), layers.Dense(4), layers.BatchNormalization(), layers.Dropout(0.5)]),
    "list": lambda: _with_list(),
}


def _with_list():
    layer = Block()
    layer.parts = [layers.Dropout(0.5), nn.Dropout(0.5)]
    return layer


# -- parents ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("parent", PARENTS.values(), ids=PARENTS)
def test_a_child_of_a_torch_module_is_in_its_parents_mode(parent, make):
    layer = make()
    assert not any(modes(layer))
    assert all(modes(parent(layer)))


@pytest.mark.parametrize("mode", [True, False])
def test_a_mode_that_was_set_stays(mode):
    frozen = layers.BatchNormalization().train(mode)
    outer = keras.Sequential([frozen, layers.Dropout(0.5)])
    assert modes(nn.Sequential(outer)[0]) == [True, mode, True, True]
    assert modes(nn.Sequential(nn.BatchNorm1d(2).train(mode))[0]) == [mode]  # as torch


def test_parts_that_are_built_later_are_in_the_mode_of_the_layer():
    net = nn.Sequential(Block())
    x = torch.ones(16, 32)
    assert (net(x) == 0).any() and all(modes(net))
    net = nn.Sequential(Block()).eval()
    assert not (net(x) == 0).any() and not any(modes(net))
    alone = Block()
    assert not (alone(x, training=False) == 0).any() and not any(modes(alone))
    assert (alone(x, training=True) == 0).any() and not any(modes(alone))


def test_layers_added_after_train_train():
    model = keras.Sequential([keras.Input((8,)), layers.Dense(4)]).train()
    model.add(layers.Dropout(0.5))
    assert all(modes(model))


def test_a_torch_training_loop_trains_batch_norm_and_dropout():
    torch.manual_seed(0)
    x = torch.randn(64, 3) * 3 + 5
    ours, theirs = nn.Sequential(layers.BatchNormalization(epsilon=1e-5, momentum=0.9)), nn.Sequential(nn.BatchNorm1d(3))
    for net in (ours, theirs):
        for _ in range(3):
            net(x)
        net.eval()
    torch.testing.assert_close(ours[0].norm.running_mean, theirs[0].running_mean)
    torch.testing.assert_close(ours(torch.zeros(2, 3)).detach() * 0, theirs(torch.zeros(2, 3)).detach() * 0)


def test_a_layer_without_a_torch_parent_stays_in_inference():
    layer = layers.Dropout(0.5)
    compiled = torch.compile(layer, backend="eager")
    x = torch.ones(4, 8)
    assert torch.equal(layer(x), x) and torch.equal(compiled(x), x)
    assert torch.equal(keras.Sequential([layer])(x), x)
    compiled.train()
    assert layer.training and (compiled(x) == 0).any()


def test_fit_leaves_modes_as_it_found_them():
    model = keras.Sequential([keras.Input((8,)), layers.Dense(4), layers.TorchModuleWrapper(nn.Dropout(0.5)), layers.Dense(1)])
    model.compile("sgd", "mse")
    for mode in (False, True):
        model.train(mode)
        before = modes(model)
        x = torch.ones(32, 8)
        model.fit(x, x[:, :1], epochs=1, verbose=0, validation_split=0.25)
        model.predict(x, verbose=0)
        assert modes(model) == before


@pytest.mark.parametrize("again", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
def test_copies_keep_modes(again):
    net = nn.Sequential(layers.Dropout(0.5), layers.BatchNormalization().eval())
    assert modes(again(net)) == modes(net) == [True, True, True, False]
    assert modes(nn.Sequential(again(layers.BatchNormalization().eval()))) == [True, False]


# -- hooks and replaced parts -------------------------------------------------------------------------------------------------------------


def _model():
    return keras.Sequential([keras.Input((4,)), layers.Dense(3, name="first"), layers.Dense(2, name="second")])


class Sub(keras.Model):
    def __init__(self):
        super().__init__()
        self.first, self.second = layers.Dense(3, name="first"), layers.Dense(2, name="second")

    def call(self, inputs):
        return self.second(self.first(inputs))


MODELS = {"graph": _model, "subclass": Sub}
HOOKS = {
    "forward": lambda m, log: m.register_forward_hook(lambda *a: log.append("f")),
    "forward, prepended": lambda m, log: m.register_forward_hook(lambda *a: log.append("f"), prepend=True),
    "forward, kwargs": lambda m, log: m.register_forward_hook(lambda m, a, k, o: log.append("f"), with_kwargs=True),
    "forward, always": lambda m, log: m.register_forward_hook(lambda *a: log.append("f"), always_call=True),
    "forward pre": lambda m, log: m.register_forward_pre_hook(lambda *a: log.append("p")),
    "forward pre, kwargs": lambda m, log: m.register_forward_pre_hook(lambda m, a, k: log.append("p"), with_kwargs=True),
    "backward": lambda m, log: m.register_full_backward_hook(lambda *a: log.append("b")),
    "backward pre": lambda m, log: m.register_full_backward_pre_hook(lambda *a: log.append("b")),
    "global forward": lambda m, log: nn.modules.module.register_module_forward_hook(lambda n, *a: log.append("g") if n is m else None),
    "global pre": lambda m, log: nn.modules.module.register_module_forward_pre_hook(lambda n, *a: log.append("g") if n is m else None),
    "global backward": lambda m, log: nn.modules.module.register_module_full_backward_hook(
        lambda n, *a: log.append("g") if n is m else None
    ),
}


@pytest.mark.parametrize("place", ["first", "linear", "model"])
@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_every_hook_fires_once_until_it_is_removed(make, hook, place):
    model = make()
    x = torch.ones(2, 4, requires_grad=True)
    model(x)
    log: list[str] = []
    module = {"first": model.layers[0], "linear": model.layers[0].linear, "model": model}[place]
    handle = hook(module, log)
    for _ in range(2):
        model(x).sum().backward()
    assert len(log) == 2
    handle.remove()
    model(x).sum().backward()
    assert len(log) == 2


def calls_of_forward(layer, fn):
    """How often the `forward` of the class ran while `fn` did: 0 when a graph goes straight to `call`."""
    count, original = [0], type(layer).forward
    code = original.__code__

    def profile(frame, event, arg):
        if event == "call" and frame.f_code is code and frame.f_locals.get("self") is layer:
            count[0] += 1

    sys.setprofile(profile)
    try:
        fn()
    finally:
        sys.setprofile(None)
    return count[0]


@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
def test_a_removed_hook_restores_the_short_way(hook):
    model, x = _model(), torch.ones(2, 4, requires_grad=True)
    first = model.layers[0]
    assert calls_of_forward(first, lambda: model(x)) == 0
    handle = hook(first, [])
    assert calls_of_forward(first, lambda: model(x)) == 1
    handle.remove()
    assert calls_of_forward(first, lambda: model(x)) == 0


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_a_replaced_forward_or_call_is_used_and_can_be_taken_back(make):
    model, x = make(), torch.ones(2, 4)
    before = model(x)
    first = model.layers[0]
    for name in ("forward", "call"):
        own = getattr(first, name)
        setattr(first, name, lambda inputs, own=own: own(inputs) + 1)
        torch.testing.assert_close(model(x), model.layers[1](own(x) + 1))
        setattr(first, name, own)  # as accelerate puts it back
        torch.testing.assert_close(model(x), before)
        setattr(first, name, lambda inputs, own=own: own(inputs) * 0)
        delattr(first, name)
        torch.testing.assert_close(model(x), before)


@pytest.mark.parametrize("name", ["forward", "call", "__call__"])
def test_a_method_replaced_on_the_class_is_used(name, monkeypatch):
    class Mine(layers.Dense):
        pass

    x, first = torch.ones(2, 4), Mine(3)
    model = keras.Sequential([keras.Input((4,)), first, layers.Dense(2)])
    before = model(x)
    own = getattr(Mine, name)
    monkeypatch.setattr(Mine, name, lambda self, inputs, **kwargs: own(self, inputs, **kwargs) + 1)
    torch.testing.assert_close(model(x), model.layers[1](first.linear(x) + 1))
    monkeypatch.undo()
    torch.testing.assert_close(model(x), before)
    assert calls_of_forward(first, lambda: model(x)) == 0


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_a_replaced_sub_module_is_used(make):
    class Wrapper(nn.Module):
        def __init__(self, base):
            super().__init__()
            self.base_layer = base

        def forward(self, x):
            return self.base_layer(x) * 2

    model, x = make(), torch.ones(2, 4)
    before = model(x)
    first, second = model.layers[:2]
    first.linear = Wrapper(first.linear)
    torch.testing.assert_close(model(x), second(2 * first.linear.base_layer(x)))
    first.linear = first.linear.base_layer
    name = next(n for n, m in model.named_children() if m is second)
    setattr(model, name, Wrapper(second))
    torch.testing.assert_close(model(x), 2 * before)


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_a_layer_compiled_in_place_is_used(make):
    seen = []

    def backend(graph, inputs):
        seen.append(graph)
        return graph

    model, x = make(), torch.ones(2, 4)
    before = model(x)
    model.layers[0].compile(backend=backend)
    torch.testing.assert_close(model(x), before)
    assert len(seen) == 1
