"""Files go both ways between real Keras and torchkeras: the same predictions, and training that goes on as if it had not stopped."""

import numpy as np
import pytest
import torch
from torch import nn

import torchkeras
from tests.oracle import keras

from .models import MODELS, data

WAYS = {"from_keras": (keras, torchkeras), "to_keras": (torchkeras, keras)}
ways = pytest.mark.parametrize("way", list(WAYS))


def flat(nest):
    if isinstance(nest, dict):
        return [nest[k] for k in sorted(nest)]
    return list(nest) if isinstance(nest, (list, tuple)) else [nest]


def assert_same(ours, theirs, tolerance=1e-5):
    for a, b in zip(flat(ours), flat(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def go_on(model, x, y, epochs=3):
    return model.fit(x, y, epochs=epochs, batch_size=8, shuffle=False, verbose=0).history


@ways
@pytest.mark.parametrize("name", list(MODELS))
def test_a_model_goes_over_with_its_optimizer(name, way, tmp_path):
    source, target = WAYS[way]
    model = MODELS[name](source)
    x, y = data(model)
    model.compile("adam", "mse")
    model.fit(x, y, batch_size=8, verbose=0)
    model.save(tmp_path / "m.keras")
    other = target.models.load_model(tmp_path / "m.keras")
    assert_same(model.predict(x, verbose=0), other.predict(x, verbose=0))
    assert_same(go_on(model, x, y)["loss"], go_on(other, x, y)["loss"])
    model.save_weights(tmp_path / "m.weights.h5")
    other.load_weights(tmp_path / "m.weights.h5")
    assert_same(model.predict(x, verbose=0), other.predict(x, verbose=0))


def custom_loss(y_true, y_pred):
    return ((y_true - y_pred) ** 2).mean(-1)


def _schedule(k, kind, *args, **kwargs):
    return getattr(k.optimizers.schedules, kind)(*args, **kwargs)


COMPILED = {
    "sgd_momentum": lambda k: dict(optimizer=k.optimizers.SGD(0.1, momentum=0.9, nesterov=True), loss="mse"),
    "adamw_clipped": lambda k: dict(optimizer=k.optimizers.AdamW(0.01, weight_decay=0.1, clipnorm=1.0), loss="mae", metrics=["mse"]),
    "rmsprop_decay": lambda k: dict(
        optimizer=k.optimizers.RMSprop(_schedule(k, "ExponentialDecay", 0.01, 4, 0.5, staircase=True), momentum=0.5, centered=True),
        loss=k.losses.MeanSquaredError(),
        metrics=[k.metrics.MeanAbsoluteError(name="off")],
    ),
    "adam_cosine": lambda k: dict(
        optimizer=k.optimizers.Adam(_schedule(k, "CosineDecay", 0.01, 20, warmup_steps=3, warmup_target=0.02)),
        loss="log_cosh",
        weighted_metrics=["mae"],
    ),
    "ema": lambda k: dict(optimizer=k.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9), loss="mse"),
    "ema_often": lambda k: dict(optimizer=k.optimizers.SGD(0.01, use_ema=True, ema_overwrite_frequency=3), loss="mse"),
    "accumulated": lambda k: dict(optimizer=k.optimizers.Adam(0.01, gradient_accumulation_steps=2), loss="mse"),
    "loss_scale": lambda k: dict(optimizer=k.optimizers.LossScaleOptimizer(k.optimizers.Adam(0.01), initial_scale=4.0), loss="mse"),
    "lists": lambda k: dict(optimizer="adam", loss=[k.losses.MeanSquaredError()], loss_weights=[0.5], metrics=[["mae", "mse"]]),
    "functions": lambda k: dict(optimizer="rmsprop", loss=custom_loss, metrics=[custom_loss]),
}


@ways
@pytest.mark.parametrize("name", list(COMPILED))
def test_compile_arguments_go_over(name, way, tmp_path):
    source, target = WAYS[way]
    model = MODELS["sequential"](source)
    x, y = data(model, 32)  # four steps: two whole windows of accumulated gradients
    model.compile(**COMPILED[name](source))
    model.fit(x, y, batch_size=8, verbose=0)
    model.save(tmp_path / "m.keras")
    other = target.models.load_model(tmp_path / "m.keras", custom_objects={"custom_loss": custom_loss})
    theirs, ours = go_on(model, x, y), go_on(other, x, y)
    assert set(ours) == set(theirs)
    for key in theirs:
        assert_same(ours[key], theirs[key])


@ways
def test_losses_and_metrics_in_dicts_go_over(way, tmp_path):
    source, target = WAYS[way]
    model = MODELS["dicts"](source)
    x, y = data(model)
    model.compile("sgd", {"a": "mse", "b": source.losses.MeanAbsoluteError()}, loss_weights={"a": 0.3, "b": 2.0}, metrics={"a": ["mae"]})
    model.fit(x, y, batch_size=8, verbose=0)
    model.save(tmp_path / "m.keras")
    other = target.models.load_model(tmp_path / "m.keras")
    theirs, ours = go_on(model, x, y), go_on(other, x, y)
    for key in set(theirs) & set(ours):
        assert_same(ours[key], theirs[key])
    plain = target.models.load_model(tmp_path / "m.keras", compile=False)
    assert not plain.compiled
    assert_same(plain.predict(x, verbose=0), other.predict(x, verbose=0), 1.0)


def subclassed(k):
    """A layer and a model of one's own, with layers in lists and dicts, under names that either library finds."""

    class Block(k.layers.Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = units
            self.dense = k.layers.Dense(units, activation="relu")

        def build(self, shape):
            self.scale = self.add_weight(shape=(self.units,), initializer="ones", name="scale")
            self.dense.build(shape)
            self.built = True

        def call(self, x):
            return self.dense(x) * self.scale

        def get_config(self):
            return {**super().get_config(), "units": self.units}

    class Net(k.Model):
        def __init__(self, width=5, **kwargs):
            super().__init__(**kwargs)
            self.width = width
            self.first = Block(width)
            self.blocks = [k.layers.Dense(4), k.layers.BatchNormalization(), k.layers.Dense(4)]
            self.named = {"b": k.layers.Dense(4), "a": [k.layers.Dense(4), k.Sequential([k.layers.Dense(4)])]}
            self.pair = (k.layers.Dense(3), k.layers.Dropout(0.0, seed=1))
            self.last = k.layers.Dense(2)

        def call(self, x, training=None):
            x = self.first(x)
            for layer in (*self.blocks, self.named["b"], *self.named["a"], *self.pair):
                x = layer(x)
            return self.last(x)

        def get_config(self):
            return {**super().get_config(), "width": self.width}

    k.saving.register_keras_serializable("exchange")(Block)
    k.saving.register_keras_serializable("exchange")(Net)
    return Net


@ways
def test_a_subclassed_model_goes_over(way, tmp_path):
    made = {k: subclassed(k) for k in WAYS[way]}
    source, target = WAYS[way]
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(16, 6)).astype("float32"), draw.normal(size=(16, 2)).astype("float32")
    model = made[source](width=6)
    model.compile("adam", "mse")
    model.fit(x, y, batch_size=8, verbose=0)
    model.save(tmp_path / "m.keras")
    other = target.models.load_model(tmp_path / "m.keras")
    assert other.width == 6
    assert_same(model.predict(x, verbose=0), other.predict(x, verbose=0))
    assert_same(go_on(model, x, y)["loss"], go_on(other, x, y)["loss"])
    model.save_weights(tmp_path / "m.weights.h5")
    other.load_weights(tmp_path / "m.weights.h5")
    assert_same(model.predict(x, verbose=0), other.predict(x, verbose=0))


@ways
def test_a_torch_module_goes_over(way, tmp_path):
    def make(k):
        module = nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3))
        model = k.Sequential([k.Input((6,)), k.layers.TorchModuleWrapper(module), k.layers.Dense(2)])
        model(torch.zeros(2, 6))
        return model

    source, target = WAYS[way]
    model, other = make(source), make(target)
    x = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")
    model.save_weights(tmp_path / "m.weights.h5")
    other.load_weights(tmp_path / "m.weights.h5")
    assert_same(model.predict(x, verbose=0), other.predict(x, verbose=0))
    model.save(tmp_path / "m.keras")
    whole = target.models.load_model(tmp_path / "m.keras", safe_mode=False)
    assert_same(model.predict(x, verbose=0), whole.predict(x, verbose=0))


@ways
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "mixed_bfloat16"])
def test_half_precision_weights_go_over(dtype, way, tmp_path):
    def make(k):
        return k.Sequential([k.Input((3,)), k.layers.Dense(4, dtype=dtype), k.layers.BatchNormalization(dtype=dtype)])

    source, target = WAYS[way]
    model = make(source)
    model.save(tmp_path / "m.keras")
    other = target.models.load_model(tmp_path / "m.keras")
    for a, b in zip(model.weights, other.weights, strict=True):
        assert torch.equal(torch.as_tensor(a.value).detach().float(), torch.as_tensor(b.value).detach().float())


@ways
def test_shards_go_over(way, tmp_path):
    source, target = WAYS[way]
    model, other = MODELS["branches"](source), MODELS["branches"](target)
    x, _ = data(model)
    model.save_weights(tmp_path / "m.weights.json", max_shard_size=3e-7)
    assert len(list(tmp_path.glob("m_*.weights.h5"))) > 1
    other.load_weights(tmp_path / "m.weights.json")
    assert_same(model.predict(x, verbose=0), other.predict(x, verbose=0))


OPS = {
    "pad": lambda o, x: o.pad(x, ((0, 0), (1, 1), (0, 0)), constant_values=2.0),
    "einsum": lambda o, x: o.einsum("bij,bkj->bik", x, x),
    "slice": lambda o, x: o.slice(x, (0, 1, 0), (2, 2, 2)),
    "update": lambda o, x: o.slice_update(x, (0, 0, 0), np.full((1, 1, 2), 3.0, "float32")),
    "argmax": lambda o, x: o.cast(o.argmax(x, axis=-1), "float32"),
    "attention": lambda o, x: o.dot_product_attention(*(o.expand_dims(x, 2),) * 3),
    "norm": lambda o, x: o.layer_normalization(x, epsilon=1e-3),
    "rms": lambda o, x: o.rms_normalization(x, epsilon=1e-3),
    "isclose": lambda o, x: o.cast(o.isclose(x, 0.0, atol=0.3), "float32"),
    "conv": lambda o, x: o.conv(x, np.full((2, 6, 3), 0.1, "float32")),
    "split": lambda o, x: o.split(x, 2, axis=1)[1],
    "top_k": lambda o, x: o.top_k(x, 2)[0],
    "logic": lambda o, x: o.cast((x > 0.1) & (x < 1.0) | ~(x > -1.0), "float32"),
    "one_hot": lambda o, x: o.one_hot(o.cast(x > 0, "int32"), 2),
    "index": lambda o, x: x[:, None, ..., -1:],
    "leaky": lambda o, x: o.leaky_relu(x, negative_slope=0.3),
    "trapezoid": lambda o, x: o.trapezoid(x, dx=0.5, axis=1),
    "roll": lambda o, x: o.roll(x, 1, axis=1),
    "meshgrid": lambda o, x: o.meshgrid(o.reshape(x, (-1,)), o.reshape(x, (-1,)))[1],
    "constant": lambda o, x: o.convert_to_tensor(np.ones(6, "float32")) + x,
    "divide": lambda o, x: o.divide(o.abs(x), 2) // 0.3 % 2,
}


@ways
@pytest.mark.parametrize("name", list(OPS))
def test_an_op_goes_over(name, way, tmp_path):
    source, target = WAYS[way]
    inputs = source.Input((4, 6))
    model = source.Model(inputs, OPS[name](source.ops, inputs))
    model.save(tmp_path / "m.keras")
    other = target.models.load_model(tmp_path / "m.keras")
    x = np.random.default_rng(0).normal(size=(3, 4, 6)).astype("float32")
    as_array = lambda y: y.detach().numpy()  # noqa: E731
    assert_same(as_array(model(torch.from_numpy(x))), as_array(other(torch.from_numpy(x))))


def test_relu_with_its_arguments_comes_from_keras(tmp_path):
    inputs = keras.Input((6,))
    model = keras.Model(inputs, keras.activations.relu(inputs, negative_slope=0.2, max_value=1.0, threshold=0.1))
    model.save(tmp_path / "m.keras")
    x = np.random.default_rng(0).normal(size=(8, 6)).astype("float32")
    assert_same(model.predict(x, verbose=0), torchkeras.models.load_model(tmp_path / "m.keras").predict(x, verbose=0))
