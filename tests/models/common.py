"""Models built twice, with torchkeras and with real Keras, from one description."""

import numpy as np

import torchkeras
from tests.oracle import keras as oracle


def both(build):
    """`build(keras)` with torchkeras and with real Keras, the weights of the second given to the first."""
    ours, theirs = build(torchkeras), build(oracle)
    copy_weights(theirs, ours)
    return ours, theirs


def copy_weights(source, target):
    """Give `target` the weights of `source`."""
    target.set_weights([np.asarray(w) for w in source.get_weights()])


def residual(k):
    i = k.Input((8,), name="x")
    h = k.layers.Dense(8, activation="relu", name="a")(i)
    h = k.layers.Dense(8, name="b")(h)
    h = k.layers.Add(name="add")([i, h])
    skip = h
    h = k.layers.Dense(8, activation="tanh", name="c")(h)
    h = k.layers.Add(name="add2")([h, skip, i])
    return k.Model(i, k.layers.Dense(2, name="out")(h))


def multi_input(k):
    a, b, c = k.Input((4,), name="a"), k.Input((6,), name="b"), k.Input((4,), name="c")
    deep = k.layers.Dense(5, name="deep1")(k.layers.Dense(7, name="deep0")(b))
    wide = k.layers.Dense(5, name="wide")(a)
    h = k.layers.Concatenate(name="join")([wide, deep, c])
    return k.Model([a, b, c], [k.layers.Dense(1, name="one")(h), k.layers.Dense(3, name="two")(wide)])


def shared(k):
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    tower = k.layers.Dense(6, name="tower")
    top = k.layers.Dense(3, name="top")
    x, y = top(tower(a)), top(tower(b))
    d = k.layers.Subtract(name="sub")([x, y])
    return k.Model([a, b], k.layers.Dense(1, name="out")(d))


def nested(k):
    i = k.Input((4,), name="inner_in")
    inner = k.Model(i, k.layers.Dense(5, name="inner_b")(k.layers.Dense(3, name="inner_a")(i)), name="inner")
    seq = k.Sequential([k.Input((5,)), k.layers.Dense(2, name="s0"), k.layers.BatchNormalization(name="s1")], name="seq")
    x = k.Input((4,), name="x")
    h = k.layers.Dense(4, name="first")(x)
    return k.Model(x, k.layers.Dense(1, name="last")(seq(inner(h))))


def diamond(k):
    x = k.Input((8, 8, 3), name="image")
    h = k.layers.Conv2D(4, 3, padding="same", name="stem")(x)
    left = k.layers.BatchNormalization(name="bn")(k.layers.Conv2D(4, 1, name="left")(h))
    right = k.layers.Conv2D(4, 3, padding="same", name="right1")(k.layers.Conv2D(2, 1, name="right0")(h))
    h = k.layers.Concatenate(name="join")([right, left])
    h = k.layers.GlobalAveragePooling2D(name="pool")(h)
    return k.Model(x, {"p": k.layers.Dense(2, name="p")(h), "aux": k.layers.Dense(1, name="aux")(k.layers.Flatten(name="flat")(left))})


def sequential(k):
    return k.Sequential([k.Input((6,)), k.layers.Dense(5, name="a"), k.layers.Dropout(0.5, name="d"), k.layers.Dense(2, name="b")])


TOPOLOGIES = {f.__name__: f for f in (residual, multi_input, shared, nested, diamond, sequential)}


def random_inputs(model, rows=3):
    """Random arrays in the nest of the model's inputs."""
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(rows, *t.shape[1:])).astype("float32") for t in model.inputs]
    return arrays if len(arrays) > 1 else arrays[0]
