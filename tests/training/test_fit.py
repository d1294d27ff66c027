"""`fit` against real Keras: the same weights at the start, no shuffling, the same numbers after many steps."""

import numpy as np
import pytest
import torch

import torchkeras
from tests.models.common import both
from tests.oracle import keras as oracle
from torchkeras.data import PyDataset
from torchkeras.random import set_random_seed

rng = np.random.default_rng(0)
X = rng.normal(size=(90, 6)).astype("float32")
CLASSES = (X[:, 0] > 0).astype("int64") + (X[:, 1] > 0)
ONE_HOT = np.eye(3, dtype="float32")[CLASSES]
VALUE = X[:, :2].sum(1, keepdims=True).astype("float32")
BINARY = (X[:, :1] > 0).astype("float32")
IMAGES = rng.normal(size=(40, 8, 8, 2)).astype("float32")


def mlp(units, activation=None, **first):
    def build(k):
        return k.Sequential([k.Input((6,)), k.layers.Dense(8, activation="relu", **first), k.layers.Dense(units, activation=activation)])

    return build


def conv(k):
    return k.Sequential(
        [
            k.Input((8, 8, 2)),
            k.layers.Conv2D(4, 3, padding="same", use_bias=False),
            k.layers.BatchNormalization(),
            k.layers.ReLU(),
            k.layers.MaxPooling2D(),
            k.layers.Flatten(),
            k.layers.Dense(3, activation="softmax"),
        ]
    )


def two_outputs(k):
    i = k.Input((6,))
    h = k.layers.Dense(8, activation="tanh")(i)
    return k.Model(i, [k.layers.Dense(1, name="value")(h), k.layers.Dense(3, activation="softmax", name="kind")(h)])


def masked(k):
    i = k.Input((4, 3))
    h = k.layers.Masking()(i)
    h = k.layers.LSTM(5, return_sequences=True)(h)
    return k.Model(i, k.layers.TimeDistributed(k.layers.Dense(2))(h))


def assert_history(mine, real, tolerance=1e-4):
    assert set(mine.history) == set(real.history)
    assert mine.epoch == real.epoch
    for name in real.history:
        np.testing.assert_allclose(mine.history[name], real.history[name], rtol=tolerance, atol=tolerance, err_msg=name)


def compare(build, x, y, compile_arguments, tolerance=1e-4, weight_tolerance=2e-4, **fit):
    """Fit both, compare histories and weights; `compile_arguments(keras)`."""
    ours, theirs = both(build)
    fit = {"epochs": 4, "batch_size": 32, "shuffle": False, "verbose": 0, **fit}
    histories = []
    for k, model in ((torchkeras, ours), (oracle, theirs)):
        model.compile(**compile_arguments(k))
        given = {name: value(k) if callable(value) and name in ("callbacks",) else value for name, value in fit.items()}
        histories.append(model.fit(x, y, **given))
    assert_history(*histories, tolerance)
    for a, b in zip(ours.get_weights(), theirs.get_weights()):
        np.testing.assert_allclose(a, np.asarray(b), rtol=weight_tolerance, atol=weight_tolerance)
    return ours, theirs


@pytest.mark.parametrize(
    "loss, target, units, activation, metrics",
    [
        ("mse", VALUE, 1, None, ["mae", "mse"]),
        ("mae", VALUE, 1, None, ["RootMeanSquaredError"]),
        ("huber", VALUE, 1, None, []),
        ("binary_crossentropy", BINARY, 1, "sigmoid", ["accuracy", "AUC", "Precision", "Recall"]),
        ("categorical_crossentropy", ONE_HOT, 3, "softmax", ["accuracy"]),
        ("sparse_categorical_crossentropy", CLASSES, 3, "softmax", ["accuracy", "sparse_categorical_crossentropy"]),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_losses_and_metrics(loss, target, units, activation, metrics):
    compare(mlp(units, activation), X, target, lambda k: {"optimizer": "adam", "loss": loss, "metrics": list(metrics)})


def test_logits():
    compare(
        mlp(3), X, CLASSES,
        lambda k: {"optimizer": "adam", "loss": k.losses.SparseCategoricalCrossentropy(from_logits=True), "metrics": ["accuracy"]},
    )  # fmt: skip


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda k: k.optimizers.SGD(0.05),
        lambda k: k.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
        lambda k: k.optimizers.Adam(0.01),
        lambda k: k.optimizers.Adam(0.01, amsgrad=True, clipnorm=0.5),
        lambda k: k.optimizers.AdamW(0.01, weight_decay=0.1),
        lambda k: k.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
        lambda k: k.optimizers.Adam(k.optimizers.schedules.ExponentialDecay(0.05, 3, 0.5)),
        lambda k: k.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.8),
        lambda k: k.optimizers.Adam(0.01, global_clipnorm=0.1),
    ],
    ids=["sgd", "nesterov", "adam", "amsgrad", "adamw", "rmsprop", "schedule", "ema", "global_clipnorm"],
)
def test_optimizers(optimizer):
    compare(mlp(1, kernel_regularizer="l2"), X, VALUE, lambda k: {"optimizer": optimizer(k), "loss": "mse"})


def test_convolution_and_batch_norm():
    compare(conv, IMAGES, CLASSES[:40], lambda k: {"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]},
            batch_size=8, weight_tolerance=2e-3)  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        {"loss": ["mse", "sparse_categorical_crossentropy"], "loss_weights": [0.3, 2.0], "metrics": [["mae"], ["accuracy"]]},
        {"loss": {"value": "mse", "kind": "sparse_categorical_crossentropy"}, "loss_weights": {"value": 0.3, "kind": 2.0},
         "metrics": {"value": ["mae"], "kind": "accuracy"}},
        {"loss": ["mse", "sparse_categorical_crossentropy"], "weighted_metrics": [["mae"], ["accuracy"]]},
    ],
    ids=["lists", "dicts", "weighted"],
)  # fmt: skip
def test_several_outputs(arguments):
    compare(two_outputs, X, [VALUE, CLASSES], lambda k: {"optimizer": "adam", **arguments}, batch_size=30)


def test_several_outputs_with_an_uneven_last_batch():
    compare(two_outputs, X, [VALUE, CLASSES], lambda k: {"optimizer": "adam", "loss": ["mse", "sparse_categorical_crossentropy"]})


def test_sample_weight():
    weight = rng.uniform(0, 2, size=(90,)).astype("float32")
    compare(
        mlp(1), X, VALUE, lambda k: {"optimizer": "adam", "loss": "mse", "metrics": ["mae"], "weighted_metrics": ["mae"]},
        sample_weight=weight,
    )  # fmt: skip


def test_class_weight():
    compare(
        mlp(3, "softmax"), X, CLASSES,
        lambda k: {
            "optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"], "weighted_metrics": ["accuracy"],
        },
        class_weight={0: 1.0, 1: 5.0, 2: 0.1},
    )  # fmt: skip


def test_class_weight_of_one_hot_targets():
    compare(mlp(3, "softmax"), X, ONE_HOT, lambda k: {"optimizer": "adam", "loss": "categorical_crossentropy"},
            class_weight={0: 1.0, 1: 5.0, 2: 0.1})  # fmt: skip


def test_masks():
    x = rng.normal(size=(20, 4, 3)).astype("float32")
    for row, length in enumerate(rng.integers(1, 5, size=20)):
        x[row, length:] = 0
    y = rng.normal(size=(20, 4, 2)).astype("float32")
    compare(masked, x, y, lambda k: {"optimizer": "adam", "loss": "mse", "weighted_metrics": ["mae"]}, batch_size=8)


def test_validation_split():
    compare(mlp(1), X, VALUE, lambda k: {"optimizer": "adam", "loss": "mse", "metrics": ["mae"]}, validation_split=0.2)


@pytest.mark.parametrize("frequency", [1, 2, [1, 4]])
def test_validation_data(frequency):
    weight = np.linspace(0, 1, 20).astype("float32")
    compare(mlp(1), X, VALUE, lambda k: {"optimizer": "adam", "loss": "mse", "weighted_metrics": ["mae"]},
            validation_data=(X[:20], VALUE[:20], weight), validation_freq=frequency, validation_batch_size=7)  # fmt: skip


def test_validation_steps():
    compare(mlp(1), X, VALUE, lambda k: {"optimizer": "adam", "loss": "mse"}, validation_data=(X, VALUE), validation_steps=2)


def test_initial_epoch_and_steps_per_epoch():
    compare(mlp(1), X, VALUE, lambda k: {"optimizer": "adam", "loss": "mse"}, initial_epoch=2, epochs=5, steps_per_epoch=1)


def test_steps_per_execution():
    compare(mlp(1), X, VALUE, lambda k: {"optimizer": "adam", "loss": "mse"}, batch_size=10)


def test_gradient_accumulation():
    compare(mlp(1), X[:80], VALUE[:80], lambda k: {"optimizer": k.optimizers.Adam(0.01, gradient_accumulation_steps=2), "loss": "mse"},
            batch_size=20)  # fmt: skip


def test_a_loss_of_the_users_own():
    def own(k):
        return lambda y_true, y_pred: k.ops.mean(k.ops.square(y_true - y_pred), axis=-1) * 3

    def metric(k):
        def worst(y_true, y_pred):
            return k.ops.max(k.ops.abs(y_true - y_pred), axis=-1)

        return worst

    compare(mlp(1), X, VALUE, lambda k: {"optimizer": "sgd", "loss": own(k), "metrics": [metric(k)]})


def test_add_loss_and_activity_regularizer():
    def build(k):
        return k.Sequential(
            [
                k.Input((6,)),
                k.layers.Dense(8, activity_regularizer="l2", bias_regularizer="l1", kernel_constraint="max_norm"),
                k.layers.Dense(1),
            ]
        )

    compare(build, X, VALUE, lambda k: {"optimizer": "adam", "loss": "mse"})


# -- sources of data ---------------------------------------------------------------------------------------------------------------------


def batches_of(size):
    return [(X[i : i + size], VALUE[i : i + size]) for i in range(0, 90, size)]


def test_generators():
    def endless():
        while True:
            yield from batches_of(30)

    ours, theirs = both(mlp(1))
    for model in (ours, theirs):
        model.compile("adam", "mse", metrics=["mae"])
    mine = ours.fit(endless(), steps_per_epoch=3, epochs=3, verbose=0, shuffle=False)
    real = theirs.fit(endless(), steps_per_epoch=3, epochs=3, verbose=0, shuffle=False)
    assert_history(mine, real)


def test_a_generator_of_validation_data_goes_on_where_it_was():
    seen = []

    def endless():
        for i in range(100):
            seen.append(i)
            yield batches_of(30)[i % 3]

    model = mlp(1)(torchkeras)
    model.compile("adam", "mse")
    h = model.fit(X, VALUE, epochs=3, verbose=0, validation_data=endless(), validation_steps=2)
    assert len(h.history["val_loss"]) == 3 and 6 <= len(seen) <= 7


def test_data_loaders():
    data = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(VALUE))
    loader = torch.utils.data.DataLoader(data, batch_size=32)
    ours, theirs = both(mlp(1))
    for model in (ours, theirs):
        model.compile("adam", "mse", metrics=["mae"])
    assert_history(
        ours.fit(loader, epochs=3, verbose=0, shuffle=False, validation_data=loader),
        theirs.fit(loader, epochs=3, verbose=0, shuffle=False, validation_data=loader),
    )
    assert ours.evaluate(loader, verbose=0) == pytest.approx(theirs.evaluate(loader, verbose=0), rel=1e-4)
    np.testing.assert_allclose(ours.predict(loader, verbose=0), theirs.predict(loader, verbose=0), atol=1e-4)


def test_py_datasets():
    def make(base):
        class Batches(base):
            def __len__(self):
                return 3

            def __getitem__(self, index):
                return batches_of(30)[index]

        return Batches()

    ours, theirs = both(mlp(1))
    for model in (ours, theirs):
        model.compile("adam", "mse")
    assert_history(
        ours.fit(make(PyDataset), epochs=3, verbose=0, shuffle=False),
        theirs.fit(make(oracle.utils.PyDataset), epochs=3, verbose=0, shuffle=False),
    )


def test_tensors_dicts_and_lists_of_arrays():
    def build(k):
        a, b = k.Input((2,), name="a"), k.Input((4,), name="b")
        return k.Model({"a": a, "b": b}, {"y": k.layers.Dense(1, name="y")(k.layers.Concatenate()([a, b]))})

    given = {"b": X[:, 2:], "a": X[:, :2]}
    ours, theirs = compare(build, given, {"y": VALUE}, lambda k: {"optimizer": "adam", "loss": {"y": "mse"}, "metrics": {"y": ["mae"]}})
    tensors = {k: torch.from_numpy(v) for k, v in given.items()}
    assert ours.evaluate(tensors, {"y": torch.from_numpy(VALUE)}, verbose=0) == pytest.approx(
        theirs.evaluate(given, {"y": VALUE}, verbose=0), rel=1e-4
    )
    assert ours.predict(tensors, verbose=0)["y"].shape == (90, 1)


def test_shuffling_is_reproducible_and_covers_all():
    def run():
        set_random_seed(3)
        model = torchkeras.Sequential([torchkeras.Input((6,)), torchkeras.layers.Dense(1)])
        model.compile("sgd", "mse")
        return model.fit(X, VALUE, epochs=2, verbose=0).history["loss"]

    assert run() == run()
