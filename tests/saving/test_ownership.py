"""What belongs to a layer's file, and under which name, is what the layer says, and it is where real Keras looks."""

import threading

import h5py
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import torchkeras
from tests.oracle import keras
from torchkeras import layers, saving
from torchkeras.layers.saved import ModuleState
from torchkeras.saving import weights


def arrays(path):
    """The path of every array in an HDF5 file."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def nest(k):
    """Layers in lists, dicts and tuples inside each other, before and behind the name `layers`, private ones and metrics."""

    class Nest(k.Model):
        def __init__(self):
            super().__init__()
            self.tracker = k.metrics.Mean()
            self.blocks = {"b": k.layers.Dense(3), "a": [k.layers.Dense(4), (k.layers.Dense(5), [k.layers.Dense(2)])]}
            self.zz = [k.layers.Dense(3), k.layers.LayerNormalization(), k.Sequential([k.layers.Dense(3)])]
            self._private = k.layers.Dense(2)
            self.alias = self.zz[0]

        def call(self, x):
            first, (second, third) = self.blocks["a"]
            for layer in (self.blocks["b"], first, second, *third, *self.zz, self._private):
                x = layer(x)
            return x

    return Nest()


def functional(k):
    """A subclass of a graph that keeps some of its layers in a list whose name comes before `layers`, and one beside the graph."""

    class Graph(k.Model):
        def __init__(self):
            inputs = k.Input((4,))
            blocks = [k.layers.Dense(3), k.layers.Dense(2)]
            super().__init__(inputs, blocks[1](blocks[0](inputs)))
            self.blocks = blocks
            self.beside = k.layers.Dense(5)
            self.beside.build((None, 2))

    return Graph()


def holder(k):
    """A layer that holds layers in layers, and weights of its own."""

    class Inner(k.layers.Layer):
        def __init__(self):
            super().__init__()
            self.parts = [k.layers.Dense(4), k.layers.BatchNormalization()]

        def build(self, shape):
            self.fixed = self.add_weight(shape=(2,), name="fixed", trainable=False)
            self.free = self.add_weight(shape=(3,), name="free")
            super().build(shape)

        def call(self, x):
            for part in self.parts:
                x = part(x)
            return x * k.ops.sum(self.free) + k.ops.sum(self.fixed)

    inputs = k.Input((4,))
    return k.Model(inputs, k.layers.Dense(2)(Inner()(Inner()(inputs))))


@pytest.mark.parametrize("make", [nest, functional, holder])
def test_arrays_stand_where_keras_puts_them(make, tmp_path):
    x = np.random.default_rng(0).normal(size=(2, 4)).astype("float32")
    files = []
    for k in (torchkeras, keras):
        model = make(k)
        model(x)
        if make is not functional:  # a layer beside the graph has no gradient
            model.compile("adam", "mse")
            model.fit(x, np.asarray(model.predict(x, verbose=0)), verbose=0)
        files.append(tmp_path / f"{k.__name__}.weights.h5")
        model.save_weights(files[-1])
    ours, theirs = map(arrays, files)
    assert {n: a.shape for n, a in ours.items()} == {n: a.shape for n, a in theirs.items()}
    model = make(torchkeras)
    model(x)
    model.load_weights(files[1])
    other = make(keras)
    other(x)
    other.load_weights(files[0])


def test_children_and_own_variables_are_what_the_walk_takes():
    net = nest(torchkeras)
    net(torch.zeros(2, 4))
    names = [name for name, _ in net.saved_children()]
    assert names[:4] == ["alias", "blocks/dense", "blocks/container/dense", "blocks/container/container/dense"]
    assert [path for path, _ in weights.walk(net)][1] == "alias"
    norm = layers.BatchNormalization()
    norm.build((None, 3))
    assert [v.name for v in norm.own_variables()] == ["gamma", "beta", "moving_mean", "moving_variance"]
    assert list(norm.saved_children()) == []
    inner = torchkeras.optimizers.LossScaleOptimizer(torchkeras.optimizers.Adam())
    assert [name for name, _ in inner.saved_children()] == ["inner_optimizer"]


class Plain(layers.Layer):
    """A layer as torch users write it."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.scale = nn.Parameter(torch.rand(4))
        self.more = nn.ParameterList([torch.rand(4), torch.rand(4)])
        self.by_name = nn.ParameterDict({"a": torch.rand(4)})
        self.register_buffer("shift", torch.rand(4))
        self.register_buffer("passing", torch.rand(4), persistent=False)
        self.linear = nn.Linear(4, 4)
        self.stack = [nn.Linear(4, 4), nn.BatchNorm1d(4)]
        self.inside = nn.ModuleDict({"x": nn.Sequential(nn.Linear(4, 4))})

    def call(self, x):
        x = x * self.scale + self.shift + self.more[0] * self.more[1] + self.by_name["a"]
        return self.inside["x"](self.stack[1](self.stack[0](self.linear(x))))


class PlainModel(torchkeras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.plain = Plain(name="plain")
        self.gain = nn.Parameter(torch.rand(1))
        self.out = layers.Dense(2)

    def call(self, x):
        return self.out(self.plain(x)) * self.gain


def graph_of_plain():
    inputs = torchkeras.Input((4,))
    return torchkeras.Model(inputs, layers.Dense(2, name="out")(Plain(name="plain")(inputs)))


@pytest.mark.parametrize("suffix", [".weights.h5", ".weights.json", ".safetensors", ".keras", ""])
@pytest.mark.parametrize("make", [PlainModel, graph_of_plain, lambda: torchkeras.Sequential([torchkeras.Input((4,)), Plain(name="plain")])])
def test_what_torch_users_hold_is_saved(make, suffix, tmp_path):
    model, other, x = make(), make(), torch.randn(5, 4)
    model.compile("adam", "mse")
    model.fit(x, model(x).detach() + 1, verbose=0)
    expected = model(x)
    assert not torch.allclose(other(x), expected)
    if suffix in (".keras", ""):
        model.save(tmp_path / f"m{suffix}", zipped=None if suffix else False)
        other = saving.load_model(tmp_path / f"m{suffix}")
        assert len(other.optimizer.variables) == len(model.optimizer.variables)
    else:
        model.save_weights(tmp_path / f"m{suffix}", max_shard_size=1 if "json" in suffix else None)
        other.load_weights(tmp_path / f"m{suffix}")
    torch.testing.assert_close(other(x), expected)


def test_a_buffer_that_is_not_persistent_and_state_that_is_no_tensor_stay_out():
    plain = Plain()
    assert not any("passing" in str(v.path) for v in plain.own_variables())

    class Extra(nn.Module):
        def get_extra_state(self):
            return {"a": 1}

    with pytest.raises(ValueError, match=r"keeps a dict at '_extra_state' in its `state_dict`.*torch\.save"):
        ModuleState(Extra()).save_own_variables({})


@pytest.mark.parametrize("suffix", [".weights.h5", ".safetensors"])
def test_tied_weights_stay_tied(suffix, tmp_path):
    def make():
        inputs = torchkeras.Input((4,))
        one, two = nn.Linear(4, 4), nn.Linear(4, 4)
        two.weight = one.weight
        return torchkeras.Model(inputs, layers.TorchModuleWrapper(two, name="b")(layers.TorchModuleWrapper(one, name="a")(inputs)))

    model, other, x = make(), make(), torch.randn(3, 4)
    model.save_weights(tmp_path / f"m{suffix}")
    other.load_weights(tmp_path / f"m{suffix}")
    torch.testing.assert_close(other(x), model(x))
    one, two = other.layers[1].module, other.layers[2].module
    assert one.weight is two.weight


def presently(change):
    """A model one of whose Dense layers was changed by `change`."""
    model = torchkeras.Sequential([torchkeras.Input((4,)), layers.Dense(4), layers.Dense(2)])
    change(model.layers[0])
    return model


def pruned(dense):
    prune.random_unstructured(dense.linear, "weight", 0.5)


def parametrized(dense):
    nn.utils.parametrizations.weight_norm(dense.linear)


@pytest.mark.parametrize("change", [pruned, parametrized])
def test_present_values_are_saved(change, tmp_path):
    model, x = presently(change), torch.randn(3, 4)
    with torch.no_grad():
        expected = model(x)
    model.save_weights(tmp_path / "m.weights.h5")
    plain = presently(lambda dense: None)
    plain.load_weights(tmp_path / "m.weights.h5")
    torch.testing.assert_close(plain(x), expected)
    model.save(tmp_path / "m.keras")
    torch.testing.assert_close(saving.load_model(tmp_path / "m.keras")(x), expected)


def test_layers_in_private_lists_belong_to_the_layer(tmp_path):
    class Private(layers.Layer):
        def __init__(self):
            super().__init__()
            self._parts = [layers.Dense(3)]
            self._later = []
            self._later.append(layers.Dense(2))
            self._tk_named = {"a": (layers.Dense(2),)}

        def call(self, x):
            return self._tk_named["a"][0](self._later[0](self._parts[0](x)))

    one, two, x = Private(), Private(), torch.randn(2, 4)
    expected = one(x)
    two(x)
    assert len(one.weights) == 6 and len(list(one.parameters())) == 6
    store = torchkeras.Sequential([torchkeras.Input((4,)), one]), torchkeras.Sequential([torchkeras.Input((4,)), two])
    store[0].save_weights(tmp_path / "m.weights.h5")
    store[1].load_weights(tmp_path / "m.weights.h5")
    torch.testing.assert_close(two(x), expected)


def test_saving_while_another_thread_trains(tmp_path):
    model = PlainModel()
    x = torch.randn(64, 4)
    model.compile("adam", "mse")
    model.fit(x, torch.zeros(64, 2), verbose=0)
    errors, stop = [], threading.Event()

    def save():
        while not stop.is_set():
            try:
                model.save(tmp_path / "m.keras")
                model.save_weights(tmp_path / "m.safetensors")
            except Exception as error:  # noqa: BLE001
                errors.append(error)

    thread = threading.Thread(target=save)
    thread.start()
    try:
        for _ in range(5):
            model.fit(x, torch.zeros(64, 2), batch_size=4, epochs=4, verbose=0)
    finally:
        stop.set()
        thread.join()
    assert not errors
    saving.load_model(tmp_path / "m.keras").fit(x, torch.zeros(64, 2), verbose=0)


def test_a_replaced_part_is_saved_by_its_present_values(tmp_path):
    model = presently(lambda dense: setattr(dense, "linear", nn.Linear(4, 4)))
    x = torch.randn(3, 4)
    model.save_weights(tmp_path / "m.weights.h5")
    plain = presently(lambda dense: None)
    plain.load_weights(tmp_path / "m.weights.h5")
    torch.testing.assert_close(plain(x), model(x))
