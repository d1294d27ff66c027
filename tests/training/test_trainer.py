"""What `compile`, `evaluate`, `predict` and the single-batch methods return, overridden steps, and bad input."""

import numpy as np
import pytest
import torch

import torchkeras
from tests.models.common import both
from tests.oracle import keras as oracle
from tests.training.test_fit import CLASSES, VALUE, X, mlp, two_outputs
from torchkeras import layers


def compiled_pair(build, **arguments):
    pair = both(build)
    for model in pair:
        model.compile(**arguments)
    return pair


def test_evaluate_predict_and_single_batches_return_what_keras_returns():
    ours, theirs = compiled_pair(mlp(1), optimizer="sgd", loss="mse", metrics=["mae"])
    a, b = ours.evaluate(X, VALUE, verbose=0), theirs.evaluate(X, VALUE, verbose=0)
    assert isinstance(a, list) and isinstance(a[0], float) and a == pytest.approx(b, rel=1e-4)
    assert ours.evaluate(X, VALUE, verbose=0, return_dict=True) == pytest.approx(
        theirs.evaluate(X, VALUE, verbose=0, return_dict=True), rel=1e-4
    )
    a, b = ours.predict(X, verbose=0), theirs.predict(X, verbose=0)
    assert type(a) is type(b) is np.ndarray and a.dtype == b.dtype
    np.testing.assert_allclose(a, b, atol=1e-5)
    for _ in range(3):  # each batch by itself
        a, b = ours.train_on_batch(X[:20], VALUE[:20]), theirs.train_on_batch(X[:20], VALUE[:20])
        assert type(a) is type(b) is list
        np.testing.assert_allclose(a, [float(v) for v in b], rtol=1e-4)
    for model in (ours, theirs):
        model.reset_metrics()
    assert ours.test_on_batch(X[:7], VALUE[:7], return_dict=True) == pytest.approx(
        {k: float(v) for k, v in theirs.test_on_batch(X[:7], VALUE[:7], return_dict=True).items()}, rel=1e-4
    )
    np.testing.assert_allclose(ours.predict_on_batch(X[:7]), theirs.predict_on_batch(X[:7]), atol=1e-4)


def test_a_loss_alone_is_a_number():
    ours, theirs = compiled_pair(mlp(1), optimizer="sgd", loss="mse")
    assert isinstance(ours.evaluate(X, VALUE, verbose=0), float) and isinstance(theirs.evaluate(X, VALUE, verbose=0), float)
    assert isinstance(ours.train_on_batch(X, VALUE), float)


def test_lists_of_several_outputs_are_in_the_order_of_keras():
    ours, theirs = compiled_pair(
        two_outputs,
        optimizer="sgd",
        loss=["mse", "sparse_categorical_crossentropy"],
        metrics=[["mae"], ["accuracy"]],
        weighted_metrics=[["mae"], []],
    )
    y = [VALUE, CLASSES]
    a, b = ours.evaluate(X, y, verbose=0, return_dict=True), theirs.evaluate(X, y, verbose=0, return_dict=True)
    assert a == pytest.approx(b, rel=1e-4)
    assert ours.evaluate(X, y, verbose=0) == pytest.approx(theirs.evaluate(X, y, verbose=0), rel=1e-4)
    got = ours.predict(X, verbose=0)
    assert isinstance(got, list) and [p.shape for p in got] == [(90, 1), (90, 3)]


def test_sample_and_class_weights_of_a_batch():
    ours, theirs = compiled_pair(mlp(3, "softmax"), optimizer="sgd", loss="sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
    weight = np.linspace(0, 2, 30).astype("float32")
    a, b = (m.train_on_batch(X[:30], CLASSES[:30], sample_weight=weight) for m in (ours, theirs))
    np.testing.assert_allclose(a, [float(v) for v in b], rtol=1e-4)
    a, b = (m.train_on_batch(X[:30], CLASSES[:30], class_weight={0: 1.0, 1: 3.0, 2: 0.0}) for m in (ours, theirs))
    np.testing.assert_allclose(a, [float(v) for v in b], rtol=1e-4)
    a, b = (m.evaluate(X[:30], CLASSES[:30], sample_weight=weight, verbose=0) for m in (ours, theirs))
    np.testing.assert_allclose(a, b, rtol=1e-4)


def test_history_and_metrics_names():
    model = mlp(1)(torchkeras)
    model.compile("sgd", "mse", metrics=["mae"])
    h = model.fit(X, VALUE, epochs=2, verbose=0, validation_split=0.1)
    assert h is model.history and h.epoch == [0, 1] and h.params["epochs"] == 2
    assert set(h.history) == {"loss", "mae", "val_loss", "val_mae"} and all(isinstance(v, float) for v in h.history["loss"])
    assert model.metrics_names[0] == "loss" and "mae" in model.metrics_names


# -- steps of the user's own ---------------------------------------------------------------------------------------------------------------


class KerasLoop(torchkeras.Model):
    """The custom loop of Keras's documentation for PyTorch."""

    def train_step(self, data):
        x, y = data
        self.zero_grad()
        y_pred = self(x, training=True)
        loss = self.compute_loss(y=y, y_pred=y_pred)
        loss.backward()
        trainable_weights = list(self.trainable_weights)
        gradients = [v.value.grad for v in trainable_weights]
        with torch.no_grad():
            self.optimizer.apply(gradients, trainable_weights)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, y_pred)
        return {m.name: m.result() for m in self.metrics}


def functional(cls, k):
    i = k.Input((6,))
    return cls(i, k.layers.Dense(1)(k.layers.Dense(8, activation="relu")(i)))


def test_the_loop_of_the_keras_documentation():
    own, plain = functional(KerasLoop, torchkeras), functional(torchkeras.Model, torchkeras)
    plain.set_weights(own.get_weights())
    for model in (own, plain):
        model.compile("adam", "mse", metrics=["mae"])
        model.fit(X, VALUE, batch_size=30, epochs=3, shuffle=False, verbose=0)
    assert set(own.history.history) == {"loss", "mae"}
    for name, values in plain.history.history.items():
        np.testing.assert_allclose(own.history.history[name], values, rtol=1e-5)
    for a, b in zip(own.get_weights(), plain.get_weights()):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_autograd_grad_in_a_train_step():
    class Grads(torchkeras.Model):
        def train_step(self, data):
            x, y = data
            loss = torch.nn.functional.mse_loss(self(x, training=True), y)
            grads = torch.autograd.grad(loss, self.trainable_weights)
            assert [g.shape for g in grads] == [w.shape for w in self.trainable_weights]
            self.optimizer.apply(grads, self.trainable_weights)
            return {"own": loss}

    own = functional(Grads, torchkeras)
    plain = functional(torchkeras.Model, torchkeras)
    plain.set_weights(own.get_weights())
    for model in (own, plain):
        model.compile("adam", "mse")
        model.fit(X, VALUE, batch_size=30, epochs=2, shuffle=False, verbose=0)
    assert list(own.history.history) == ["own"] and isinstance(own.history.history["own"][0], float)
    for a, b in zip(own.get_weights(), plain.get_weights()):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_own_metrics_and_optimizer_in_a_gan_like_model():
    class Pair(torchkeras.Model):
        def __init__(self):
            super().__init__()
            self.one, self.two = layers.Dense(1), layers.Dense(1)
            self.tracker = torchkeras.metrics.Mean(name="gap")

        def call(self, x):
            return self.one(x) - self.two(x)

        def compile(self, first, second):
            super().compile()
            self.first, self.second = first, second

        @property
        def metrics(self):
            return [self.tracker]

        def train_step(self, x):
            gap = self(x, training=True).square().mean()
            self.zero_grad()
            gap.backward()
            for optimizer, layer in ((self.first, self.one), (self.second, self.two)):
                optimizer.apply([w.value.grad for w in layer.trainable_weights], layer.trainable_weights)
            self.tracker.update_state(gap.detach())
            return {"gap": self.tracker.result()}

    model = Pair()
    model.compile(torchkeras.optimizers.SGD(0.05), torchkeras.optimizers.Adam(0.01))
    h = model.fit(X, epochs=3, verbose=0)
    assert h.history["gap"][-1] < h.history["gap"][0]


def test_overridden_test_and_predict_steps():
    class Own(torchkeras.Model):
        def test_step(self, data):
            x, y = data
            return {"bias": (self(x, training=False) - y).mean()}

        def predict_step(self, data):
            return super().predict_step(data) * 0 + 7

    model = functional(Own, torchkeras)
    model.compile("sgd", "mse")
    assert list(model.evaluate(X, VALUE, verbose=0, return_dict=True)) == ["bias"]
    assert (model.predict(X, verbose=0) == 7).all() and (model.predict_on_batch(X[:3]) == 7).all()
    assert "val_bias" in model.fit(X, VALUE, verbose=0, validation_split=0.2).history


def test_overridden_compute_loss_and_compute_metrics():
    class Own(torchkeras.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return super().compute_loss(x, y, y_pred, sample_weight, training) * 2

        def compute_metrics(self, x, y, y_pred, sample_weight=None):
            return {**super().compute_metrics(x, y, y_pred, sample_weight), "always": 1.0}

    own, plain = functional(Own, torchkeras), functional(torchkeras.Model, torchkeras)
    plain.set_weights(own.get_weights())
    for model in (own, plain):
        model.compile("sgd", "mse", metrics=["mae"])
    assert own.evaluate(X, VALUE, verbose=0, return_dict=True)["loss"] == pytest.approx(
        2 * plain.evaluate(X, VALUE, verbose=0)[0], rel=1e-5
    )
    h = own.fit(X, VALUE, verbose=0)
    assert h.history["always"] == [1.0] and "mae" in h.history


# -- torch's optimizers --------------------------------------------------------------------------------------------------------------------


def test_torch_optimizers_and_schedulers():
    model = mlp(1)(torchkeras)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    model.compile(optimizer, "mse")
    h = model.fit(
        X, VALUE, epochs=4, verbose=0, callbacks=[torchkeras.callbacks.LambdaCallback(on_epoch_end=lambda e, logs: scheduler.step())]
    )
    assert h.history["loss"][-1] < h.history["loss"][0]
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01 / 16)


def test_torch_schedulers_move_our_optimizers():
    model = mlp(1)(torchkeras)
    optimizer = torchkeras.optimizers.Adam(0.01)
    model.compile(optimizer, "mse")
    model.fit(X, VALUE, verbose=0)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 4)
    rates = []

    def step(epoch, logs):
        rates.append(float(optimizer.learning_rate))
        scheduler.step()

    model.fit(X, VALUE, epochs=4, verbose=0, callbacks=[torchkeras.callbacks.LambdaCallback(on_epoch_end=step)])
    assert rates[0] == pytest.approx(0.01) and rates[3] < 0.002


# -- interruptions and bad input -----------------------------------------------------------------------------------------------------------


def test_an_interruption_leaves_the_model_usable():
    class Interrupt(torchkeras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                raise KeyboardInterrupt

    model = torchkeras.Sequential([torchkeras.Input((6,)), layers.Dense(4), layers.Dropout(0.5), layers.Dense(1)])
    model.compile("adam", "mse")
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, VALUE, verbose=0, callbacks=[Interrupt()])
    assert not any(m.training for m in model.modules()) and all(p.grad is None for p in model.parameters())
    before = model.evaluate(X, VALUE, verbose=0)
    h = model.fit(X, VALUE, epochs=3, verbose=0)
    assert len(h.history["loss"]) == 3 and model.evaluate(X, VALUE, verbose=0) != before


def test_an_interruption_of_evaluate_and_predict():
    class Interrupt(torchkeras.callbacks.Callback):
        def on_test_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

        on_predict_batch_end = on_test_batch_end

    model = mlp(1)(torchkeras)
    model.compile("adam", "mse")
    model.train()
    for run in (
        lambda: model.evaluate(X, VALUE, verbose=0, callbacks=[Interrupt()]),
        lambda: model.predict(X, verbose=0, callbacks=[Interrupt()]),
    ):
        with pytest.raises(KeyboardInterrupt):
            run()
        assert all(m.training for m in model.modules()) and torch.is_grad_enabled()


def test_modes_come_back():
    model = torchkeras.Sequential([torchkeras.Input((6,)), layers.Dropout(0.5), layers.Dense(1)])
    model.compile("adam", "mse")
    model.layers[0].train()
    model.fit(X, VALUE, verbose=0)
    assert model.layers[0].training and not model.layers[1].training


def test_an_uncompiled_model():
    model = mlp(1)(torchkeras)
    for method in ("fit", "evaluate", "train_on_batch", "test_on_batch"):
        with pytest.raises(ValueError, match=f"must be compiled before `{method}`"):
            getattr(model, method)(X, VALUE)
    assert model.predict(X, verbose=0).shape == (90, 1)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"loss": "mean_squared_eror"}, "mean_squared_error"),
        ({"loss": "mse", "metrics": ["acuracy"]}, "acuracy.*accuracy"),
        ({"optimizer": "adamm", "loss": "mse"}, "adam"),
        ({"loss": "mse", "steps_per_execution": 0}, "`steps_per_execution` must be a positive integer"),
        ({"loss": "mse", "jit_compile": "yes"}, "`jit_compile` must be"),
    ],
)
def test_unknown_names_are_reported_by_compile(arguments, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        mlp(1)(torchkeras).compile(**arguments)


def test_an_optimizer_name_in_keyword_position():
    with pytest.raises(ValueError, match="`verbose` must be 0, 1, 2 or 'auto'"):
        model = mlp(1)(torchkeras)
        model.compile("sgd", "mse")
        model.fit(X, VALUE, verbose="sgd")


def fitted():
    model = mlp(1)(torchkeras)
    model.compile("sgd", "mse", metrics=["mae"])
    return model


def test_unequal_counts():
    model = fitted()
    before = model.get_weights()
    with pytest.raises(ValueError, match="(?s)90.*80|80.*90"):
        model.fit(X, VALUE[:80], verbose=0)
    with pytest.raises(ValueError, match="(?s)90.*5|5.*90"):
        model.fit(X, VALUE, sample_weight=np.ones(5), verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights()))


def test_wrong_shapes():
    model = fitted()
    graph = torchkeras.Model(model.inputs, model.outputs)  # checks its inputs itself; of a Sequential the first layer does, as in Keras
    graph.compile("sgd", "mse")
    for wrong, message in ((graph, "expected shape=.*6.*found shape=.*7"), (model, "'dense.*' is incompatible.* size 6, found 7")):
        with pytest.raises(ValueError, match=message):
            wrong.fit(np.ones((10, 7), "float32"), np.ones((10, 1)), verbose=0)
    with pytest.raises(ValueError, match="shape|incompatible"):
        two = torchkeras.Sequential([torchkeras.Input((6,)), layers.Dense(3, activation="softmax")])
        two.compile("sgd", "categorical_crossentropy")
        two.fit(X, np.ones((90, 4), "float32"), verbose=0)
    assert not any(m.training for m in model.modules())


def test_targets_of_several_outputs():
    model = two_outputs(torchkeras)
    model.compile("sgd", {"value": "mse", "kind": "sparse_categorical_crossentropy"})
    with pytest.raises(ValueError, match="one entry for each of the 2 outputs"):
        model.fit(X, VALUE, verbose=0)
    model.compile("sgd", {"value": "mse", "knid": "mse"})
    with pytest.raises(ValueError, match="(?s)'knid'.*kind"):
        model.fit(X, [VALUE, CLASSES], verbose=0)
    model.compile("sgd", ["mse"] * 3)
    with pytest.raises(ValueError, match="2 outputs. Received: 3 entries"):
        model.fit(X, [VALUE, CLASSES], verbose=0)


def test_nan_labels_where_integers_are_due():
    model = mlp(3, "softmax")(torchkeras)
    model.compile("sgd", "sparse_categorical_crossentropy")
    bad = CLASSES.astype("float32")
    bad[4] = np.nan
    before = model.get_weights()
    with pytest.raises(ValueError, match="(?i)nan"):
        model.fit(X, bad, batch_size=90, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights()))


def test_labels_out_of_range():
    model = mlp(3, "softmax")(torchkeras)
    model.compile("sgd", "sparse_categorical_crossentropy")
    bad = CLASSES.copy()
    bad[4] = 17
    with pytest.raises(ValueError, match="17"):
        model.fit(X, bad, verbose=0)


def test_no_loss_and_no_optimizer():
    model = mlp(1)(torchkeras)
    model.compile("sgd")
    with pytest.raises(ValueError, match="There is no loss to train on"):
        model.fit(X, VALUE, verbose=0)
    model.compile(None, "mse")
    with pytest.raises(ValueError, match="compiled without an optimizer"):
        model.fit(X, VALUE, verbose=0)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="`y` must be given"):
        model.fit(X, verbose=0)


def test_parts_of_a_model_on_two_devices():
    model = torchkeras.Sequential([torchkeras.Input((6,)), layers.Dense(3, name="here"), layers.Dense(1, name="there")])
    model.layers[1].to("meta")
    model.compile("sgd", "mse")
    with pytest.raises((ValueError, RuntimeError), match="device"):
        model.fit(X, VALUE, verbose=0)


def test_compile_config_goes_round():
    model = fitted()
    model.fit(X, VALUE, verbose=0)
    twin = mlp(1)(torchkeras)
    twin.compile_from_config(model.get_compile_config())
    assert type(twin.optimizer) is type(model.optimizer) and twin.loss == "mse"
    twin.fit(X, VALUE, verbose=0)
    assert oracle.optimizers.SGD  # both packages in one process


def test_gradient_accumulation_with_a_partial_window():
    model = mlp(1)(torchkeras)
    model.compile(torchkeras.optimizers.SGD(0.1, gradient_accumulation_steps=4), "mse")
    before = model.get_weights()
    model.fit(X[:32], VALUE[:32], batch_size=16, verbose=0)  # two of four steps: applied when the fit ends
    assert any(not np.array_equal(a, b) for a, b in zip(before, model.get_weights()))


def test_ema_weights_are_taken_when_training_ends():
    model = mlp(1)(torchkeras)
    model.compile(torchkeras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.0), "mse")
    model.fit(X, VALUE, verbose=0)
    assert np.isfinite(model.evaluate(X, VALUE, verbose=0))
