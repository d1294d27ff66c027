"""Each callback on the same run as real Keras's."""

import numpy as np
import pytest

import torchkeras
from tests.models.common import both
from tests.oracle import keras as oracle
from tests.training.test_fit import VALUE, X, assert_history, mlp


class Fixed:
    """Makes a callback that puts given numbers into the logs, so that both packages see the same."""

    @staticmethod
    def of(k, values, name="val_loss"):
        class Feed(k.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                logs[name] = values[epoch]

        return Feed()


def run(callbacks, epochs=8, values=None, optimizer="sgd", **fit):
    """Fit both with `callbacks(keras)`; returns pairs of (model, history, callbacks)."""
    ours, theirs = both(mlp(1))
    found = []
    for k, model in ((torchkeras, ours), (oracle, theirs)):
        model.compile(k.optimizers.get(optimizer), "mse", metrics=["mae"])
        made = callbacks(k)
        feed = [Fixed.of(k, values)] if values is not None else []
        h = model.fit(X, VALUE, epochs=epochs, batch_size=30, shuffle=False, verbose=0, callbacks=[*feed, *made], **fit)
        found.append((model, h, made))
    return found


def assert_same_weights(found, tolerance=1e-4):
    for a, b in zip(found[0][0].get_weights(), found[1][0].get_weights()):
        np.testing.assert_allclose(a, np.asarray(b), atol=tolerance)


CURVE = [5.0, 4.0, 4.5, 4.2, 3.9, 4.4, 4.3, 4.1]


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 1},
        {"patience": 0},
        {"patience": 2, "restore_best_weights": True},
        {"patience": 1, "min_delta": 0.5},
        {"patience": 1, "baseline": 4.4},
        {"patience": 2, "baseline": 1.0, "restore_best_weights": True},
        {"patience": 1, "start_from_epoch": 4, "restore_best_weights": True},
        {"patience": 2, "mode": "max", "restore_best_weights": True},
    ],
    ids=str,
)
def test_early_stopping(options):
    found = run(lambda k: [k.callbacks.EarlyStopping(**options)], values=CURVE)
    assert len(found[0][1].epoch) == len(found[1][1].epoch)
    assert found[0][2][0].stopped_epoch == found[1][2][0].stopped_epoch
    assert_same_weights(found)


def test_early_stopping_warns_when_its_number_is_missing():
    model = mlp(1)(torchkeras)
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="val_acc"):
        model.fit(X, VALUE, verbose=0, callbacks=[torchkeras.callbacks.EarlyStopping(monitor="val_acc")])


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 1},
        {"patience": 1, "factor": 0.5, "cooldown": 2},
        {"patience": 1, "factor": 0.5, "min_lr": 0.004},
        {"patience": 2, "min_delta": 0.6},
        {"patience": 1, "mode": "max"},
    ],
    ids=str,
)
def test_reduce_lr_on_plateau(options):
    found = run(lambda k: [k.callbacks.ReduceLROnPlateau(**options)], values=CURVE)
    np.testing.assert_allclose(found[0][1].history["learning_rate"], found[1][1].history["learning_rate"], rtol=1e-6)
    assert float(found[0][0].optimizer.learning_rate) == pytest.approx(float(found[1][0].optimizer.learning_rate), rel=1e-6)
    assert_same_weights(found)


@pytest.mark.parametrize("schedule", [lambda e: 0.1 / (e + 1), lambda e, rate: rate * 0.7], ids=["epoch", "epoch and rate"])
def test_learning_rate_scheduler(schedule):
    found = run(lambda k: [k.callbacks.LearningRateScheduler(schedule)])
    np.testing.assert_allclose(found[0][1].history["learning_rate"], found[1][1].history["learning_rate"], rtol=1e-6)
    assert_history(found[0][1], found[1][1])


def test_learning_rate_scheduler_needs_a_number():
    model = mlp(1)(torchkeras)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="`schedule` must return a number"):
        model.fit(X, VALUE, verbose=0, callbacks=[torchkeras.callbacks.LearningRateScheduler(lambda e: "fast")])


def test_csv_logger_and_append(tmp_path):
    for append in (False, True):
        run(
            lambda k, append=append: [k.callbacks.CSVLogger(tmp_path / k.__name__, append=append, separator=";")],
            epochs=2,
            validation_split=0.2,
        )
    mine, real = ((tmp_path / name).read_text().splitlines() for name in ("torchkeras", "keras"))
    assert mine[0].split(";") == real[0].split(";") and len(mine) == len(real) == 5
    for a, b in zip(mine[1:], real[1:]):
        np.testing.assert_allclose([float(v) for v in a.split(";")], [float(v) for v in b.split(";")], rtol=1e-3)


@pytest.mark.parametrize(
    "options",
    [
        {"filepath": "{epoch:02d}.weights.h5", "save_weights_only": True},
        {"filepath": "{epoch}-{val_loss:.1f}.weights.h5", "save_weights_only": True, "save_best_only": True},
        {"filepath": "best.keras", "save_best_only": True, "mode": "max"},
        {"filepath": "{epoch}.keras", "save_best_only": True, "initial_value_threshold": 4.0},
        {"filepath": "{epoch}-{batch}.weights.h5", "save_weights_only": True, "save_freq": 4},
        {"filepath": "sub/dir/{epoch}.weights.h5", "save_weights_only": True, "save_freq": "epoch"},
    ],
    ids=str,
)
def test_model_checkpoint(options, tmp_path):
    def make(k):
        return [k.callbacks.ModelCheckpoint(**{**options, "filepath": str(tmp_path / k.__name__ / options["filepath"])})]

    run(make, epochs=5, values=CURVE)
    files = [
        sorted(str(p.relative_to(tmp_path / name)) for p in (tmp_path / name).rglob("*") if p.is_file()) for name in ("torchkeras", "keras")
    ]
    assert files[0] == files[1] and files[0]


def test_model_checkpoint_keeps_the_best_weights(tmp_path):
    path = tmp_path / "best.weights.h5"
    found = run(
        lambda k: [k.callbacks.ModelCheckpoint(path, save_best_only=True, save_weights_only=True)][: k is torchkeras],
        values=CURVE,
        epochs=8,
    )
    model = found[0][0]
    last = model.get_weights()
    model.load_weights(path)
    assert any(not np.array_equal(a, b) for a, b in zip(last, model.get_weights()))


def test_model_checkpoint_errors():
    with pytest.raises(ValueError, match="`filepath` must end in .keras"):
        torchkeras.callbacks.ModelCheckpoint("x.h5py")
    with pytest.raises(ValueError, match="`filepath` must end in .weights.h5"):
        torchkeras.callbacks.ModelCheckpoint("x.keras", save_weights_only=True)
    with pytest.raises(ValueError, match="`save_freq` must be"):
        torchkeras.callbacks.ModelCheckpoint("x.keras", save_freq=0)


def test_terminate_on_nan():
    def poisoned(k):
        model = mlp(1)(k)
        model.compile("sgd", "mse")
        y = VALUE.copy()
        y[40] = np.nan
        return model.fit(X, y, batch_size=30, epochs=5, shuffle=False, verbose=0, callbacks=[k.callbacks.TerminateOnNaN()])

    mine, real = poisoned(torchkeras), poisoned(oracle)
    assert mine.epoch == real.epoch == [0]
    model = mlp(1)(torchkeras)
    model.compile("sgd", "mse")
    with pytest.raises(RuntimeError, match="batch 0"):
        model.fit(X, VALUE * np.nan, verbose=0, callbacks=[torchkeras.callbacks.TerminateOnNaN(raise_error=True)])


HOOKS = [
    "on_epoch_begin", "on_epoch_end", "on_train_begin", "on_train_end", "on_train_batch_begin", "on_train_batch_end",
]  # fmt: skip
MORE = ["on_test_begin", "on_test_end", "on_test_batch_begin", "on_test_batch_end", "on_predict_begin", "on_predict_end",
        "on_predict_batch_begin", "on_predict_batch_end"]  # fmt: skip


def test_lambda_callback_and_the_order_of_calls():
    def calls(k):
        seen = []
        functions = {h: (lambda *args, h=h, **logs: seen.append((h, *[a for a in args if isinstance(a, int)]))) for h in HOOKS}
        model = mlp(1)(k)
        model.compile("sgd", "mse")
        model.fit(X, VALUE, batch_size=45, epochs=2, verbose=0, callbacks=[k.callbacks.LambdaCallback(**functions)])
        return seen

    assert calls(torchkeras) == calls(oracle)


def test_every_hook_of_a_callback_is_called_as_in_keras():
    def calls(k):
        seen = []

        def hook(name):
            def method(self, *args, logs=None):  # Keras passes `logs` by name, here they come last
                logs = logs or (args[-1] if args and isinstance(args[-1], dict) else {})
                seen.append((name, *[a for a in args if isinstance(a, int)], sorted(logs)))

            return method

        cls = type("Spy", (k.callbacks.Callback,), {h: hook(h) for h in HOOKS + MORE})
        model = mlp(1)(k)
        model.compile("sgd", "mse", metrics=["mae"])
        model.fit(X, VALUE, batch_size=45, epochs=2, verbose=0, callbacks=[cls()], validation_data=(X[:50], VALUE[:50]))
        model.evaluate(X, VALUE, verbose=0, callbacks=[cls()])
        model.predict(X, verbose=0, callbacks=[cls()])
        return seen

    assert calls(torchkeras) == calls(oracle)


def test_on_batch_end_of_keras_1():
    class Old(torchkeras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.losses = []

        def on_batch_end(self, batch, logs=None):
            self.losses.append(logs["loss"])

    old = Old()
    model = mlp(1)(torchkeras)
    model.compile("sgd", "mse")
    h = model.fit(X, VALUE, batch_size=30, verbose=0, callbacks=[old])
    assert len(old.losses) == 3 and old.losses[-1] == pytest.approx(h.history["loss"][0])


def test_logs_are_read_only_when_asked_for(monkeypatch):
    model = mlp(1)(torchkeras)
    model.compile("sgd", "mse")
    reads = []
    original = type(model).get_metrics_result
    monkeypatch.setattr(type(model), "get_metrics_result", lambda self: reads.append(1) or original(self))

    class Silent(torchkeras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                dict(logs)
                len(logs), logs["loss"], "loss" in logs

    model.fit(X, VALUE, batch_size=10, verbose=0, callbacks=[Silent()])
    assert len(reads) <= 3  # batch 1 and the end of the epoch


def test_stop_training_from_a_batch_and_params_and_model():
    class Stop(torchkeras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            assert self.params["epochs"] == 5 and self.params["steps"] == 9 and self.model is model
            self.model.stop_training = batch == 2

    model = mlp(1)(torchkeras)
    model.compile("sgd", "mse")
    h = model.fit(X, VALUE, batch_size=10, epochs=5, verbose=0, callbacks=[Stop()])
    assert len(h.epoch) == 1


def test_something_else_among_the_callbacks():
    model = mlp(1)(torchkeras)
    model.compile("sgd", "mse")
    with pytest.raises(TypeError, match="`callbacks` must hold Callback objects"):
        model.fit(X, VALUE, verbose=0, callbacks=[lambda: None])


def test_a_list_of_callbacks_can_be_passed_made():
    made = torchkeras.callbacks.CallbackList([torchkeras.callbacks.History()], model=None)
    assert len(made.callbacks) == 1


@pytest.mark.parametrize("callback", ["LearningRateScheduler", "ReduceLROnPlateau"])
def test_rates_of_several_optimizers(callback):
    def run(k):
        first, second = k.optimizers.SGD(0.1, name="first"), k.optimizers.SGD(0.01, name="second")
        model = k.Sequential([k.Input((4,)), k.layers.Dense(2, name="a"), k.layers.Dense(1, name="b")])
        optimizer = k.optimizers.MultiOptimizer(k.optimizers.OptimizerMap(first, {".*b/.*": second}))
        model.compile(optimizer, "mse")
        x = np.zeros((8, 4), "float32")  # nothing gets better
        options = (lambda epoch, rate: rate * 0.5,) if callback == "LearningRateScheduler" else ("loss", 0.5, 1)
        history = model.fit(x, x[:, :1], epochs=4, verbose=0, callbacks=[getattr(k.callbacks, callback)(*options)]).history
        return {name: [float(v) for v in values] for name, values in history.items() if name != "loss"}

    ours, theirs = run(torchkeras), run(oracle)
    assert list(ours) == list(theirs)
    for name, values in theirs.items():
        assert ours[name] == pytest.approx(values)


def test_the_csv_file_has_places_for_a_later_validation(tmp_path):
    def run(k):
        model = k.Sequential([k.Input((4,)), k.layers.Dense(1, kernel_initializer="zeros")])
        model.compile("sgd", "mse")
        x = np.ones((8, 4), "float32")
        logger = k.callbacks.CSVLogger(tmp_path / "log.csv")
        model.fit(x, x[:, :1], epochs=3, validation_data=(x, x[:, :1]), validation_freq=2, verbose=0, callbacks=[logger])
        return [line.split(",")[0::2] for line in (tmp_path / "log.csv").read_text().splitlines()]

    assert [[v[:5] for v in row] for row in run(torchkeras)] == [[v[:5] for v in row] for row in run(oracle)]
