"""Models drawn at random go both ways between real Keras and torchkeras with equal outputs."""

import random

import numpy as np
import pytest

import torchkeras
from tests.oracle import keras

WAYS = {"from_keras": (keras, torchkeras), "to_keras": (torchkeras, keras)}


def layer(k, draw, depth=0):
    """A layer from vectors of 4 to vectors of 4."""
    kinds = ["dense", "norm", "batch", "activation", "sequential", "functional", "reshape"]
    kind = draw.choice(kinds[: 4 if depth > 1 else 7])
    if kind == "dense":
        return k.layers.Dense(4, activation=draw.choice([None, "relu", "tanh"]), use_bias=draw.random() < 0.7)
    if kind == "norm":
        return k.layers.LayerNormalization()
    if kind == "batch":
        return k.layers.BatchNormalization()
    if kind == "activation":
        return k.layers.Activation(draw.choice(["gelu", "sigmoid", "softplus"]))
    if kind == "sequential":
        front = [k.Input((4,))] if draw.random() < 0.5 else []
        return k.Sequential([*front, *(layer(k, draw, depth + 1) for _ in range(draw.randint(1, 3)))])
    if kind == "functional":
        x = inputs = k.Input((4,))
        for _ in range(draw.randint(1, 2)):
            x = join(k, draw, [x, layer(k, draw, depth + 1)(x)])
        return k.Model(inputs, x)
    return k.Sequential([k.layers.Reshape((2, 2)), k.layers.Conv1D(2, 2, padding="same"), k.layers.Flatten()])


def join(k, draw, tensors):
    kind = draw.choice(["add", "multiply", "maximum", "operator", "op"])
    if kind == "operator":
        return tensors[0] * 0.5 + tensors[-1]
    if kind == "op":
        return k.ops.tanh(k.ops.subtract(tensors[0], tensors[-1]))
    return getattr(k.layers, kind)([tensors[0], tensors[-1]])


def functional(k, draw):
    """Several inputs and outputs, in lists or dicts; layers are shared, nested and joined."""
    inputs = {f"in_{i}": k.Input((4,), name=f"in_{i}") for i in range(draw.randint(1, 3))}
    tensors, layers = list(inputs.values()), []
    for _ in range(draw.randint(2, 5)):
        if not layers or draw.random() < 0.7:
            layers.append(layer(k, draw))
        tensors.append(join(k, draw, [draw.choice(tensors), draw.choice(layers)(draw.choice(tensors))]))
    tensors.append(k.layers.Concatenate()(tensors))  # so that every input counts
    outputs = {"a": tensors[-1], "b": draw.choice(tensors[len(inputs) : -1])}
    named = draw.random() < 0.5
    ends = draw.choice([outputs, list(outputs.values()), tensors[-1]])
    return k.Model(inputs if named else list(inputs.values()), ends), (inputs if named else list(inputs))


class _Drawn:
    """The structure of a subclassed model: attributes of one layer, lists, dicts, tuples and layers in layers."""

    @staticmethod
    def attributes(k, draw, inner):
        def value(depth=0):
            kind = draw.choice(["layer", "list", "dict", "tuple", "inner"][: 1 if depth > 1 else 5 if depth == 0 else 4])
            if kind == "layer":
                return layer(k, draw, 1)
            if kind == "inner":
                return inner([value(1)])
            items = [value(depth + 1) for _ in range(draw.randint(1, 3))]
            if kind == "dict":
                return {f"{draw.choice('zma')}{i}": v for i, v in enumerate(items)}
            return items if kind == "list" else tuple(items)

        names = draw.sample(["blocks", "alpha", "zeta", "net", "_private", "layer_a", "metrics_head", "module"], draw.randint(2, 5))
        return {name: value() for name in names}


def run(value, x):
    if isinstance(value, (list, tuple)):
        for item in value:
            x = run(item, x)
        return x
    if isinstance(value, dict):
        for key in sorted(value):
            x = run(value[key], x)
        return x
    return value(x)


def subclassed(k, draw):
    class Inner(k.layers.Layer):
        def __init__(self, parts, **kwargs):
            super().__init__(**kwargs)
            self.parts = parts

        def build(self, shape):
            self.scale = self.add_weight(shape=(4,), initializer="ones", name="scale")
            super().build(shape)

        def call(self, x):
            return run(self.parts, x) * self.scale

    class Net(k.Model):
        def __init__(self):
            super().__init__()
            self.names = []
            for name, value in _Drawn.attributes(k, draw, Inner).items():
                setattr(self, name, value)
                self.names.append(name)

        def call(self, x):
            for name in self.names:
                x = run(getattr(self, name), x)
            return x

    return Net(), None


def randomize(model):
    fill = np.random.default_rng(1)
    model.set_weights([fill.uniform(0.5, 1.0, np.shape(w)).astype("float32") for w in model.get_weights()])


def outputs(model, x):
    out = model.predict(x, verbose=0)
    return [out[n] for n in sorted(out)] if isinstance(out, dict) else out if isinstance(out, list) else [out]


@pytest.mark.slow
@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize("seed", range(40))
def test_random_models_go_over(seed, way, tmp_path):
    source, target = WAYS[way]
    make = functional if seed % 2 else subclassed
    fill = np.random.default_rng(seed)
    models = []
    for k in (source, target):
        model, names = make(k, random.Random(seed))
        if names is None:
            if not models:
                x = fill.normal(size=(5, 4)).astype("float32")
            model(x)
        elif not models:
            values = {n: fill.normal(size=(5, 4)).astype("float32") for n in names}
            x = values if isinstance(names, dict) else list(values.values())
        models.append(model)
    one, two = models
    randomize(one)
    expected = outputs(one, x)
    one.save_weights(tmp_path / "m.weights.h5")
    two.load_weights(tmp_path / "m.weights.h5")
    for a, b in zip(expected, outputs(two, x), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
    if make is functional:
        one.save(tmp_path / "m.keras")
        for a, b in zip(expected, outputs(target.models.load_model(tmp_path / "m.keras"), x), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
