"""Trains several small models; run alone and under torchrun, it must write the same numbers.

Usage: ddp_script.py OUTPUT.npz
"""

import json
import os
import sys

import numpy as np
import torch

import torchkeras as keras
from torchkeras import layers

rng = np.random.default_rng(0)
X = rng.normal(size=(83, 6)).astype("float32")
CLASSES = (X[:, 0] > 0).astype("int64") + (X[:, 1] > 0)
VALUE = X[:, :2].sum(1, keepdims=True)
WEIGHT = rng.uniform(0, 2, size=83).astype("float32")
SEQUENCES = rng.normal(size=(45, 4, 3)).astype("float32")
for row, length in enumerate(rng.integers(1, 5, size=45)):
    SEQUENCES[row, length:] = 0


def mlp(units, activation=None):
    keras.random.set_random_seed(1)
    return keras.Sequential(
        [keras.Input((6,)), layers.Dense(8, activation="relu", kernel_regularizer="l2"), layers.Dense(units, activation=activation)]
    )


def uneven():
    model = mlp(3, "softmax")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    h = model.fit(X, CLASSES, epochs=7, batch_size=32, verbose=0, validation_data=(X[:33], CLASSES[:33]), validation_batch_size=16)
    return model, h.history


def tiny_last_batch():
    model = mlp(1)
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "mse", metrics=["mae"])
    h = model.fit(X[:33], VALUE[:33], epochs=10, batch_size=16, shuffle=False, verbose=0)  # a last batch of one sample
    return model, h.history


def sample_weights():
    model = mlp(1)
    model.compile("adam", "mse", metrics=["mae"], weighted_metrics=["mae"])
    h = model.fit(X, VALUE, sample_weight=WEIGHT, epochs=4, batch_size=20, verbose=0, validation_data=(X, VALUE, WEIGHT))
    return model, h.history


def class_weights():
    model = mlp(3, "softmax")
    model.compile("adam", "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
    h = model.fit(X, CLASSES, class_weight={0: 1.0, 1: 4.0, 2: 0.2}, epochs=4, batch_size=20, verbose=0, validation_split=0.2)
    return model, h.history


def masks():
    keras.random.set_random_seed(1)
    i = keras.Input((4, 3))
    h = layers.LSTM(5, return_sequences=True)(layers.Masking()(i))
    model = keras.Model(i, layers.TimeDistributed(layers.Dense(2))(h))
    model.compile("adam", "mse", weighted_metrics=["mae"])
    y = np.cumsum(SEQUENCES[:, :, :2], axis=1)
    return model, model.fit(SEQUENCES, y, epochs=5, batch_size=10, verbose=0).history


def several_outputs():
    keras.random.set_random_seed(1)
    i = keras.Input((6,))
    h = layers.Dense(8, activation="tanh")(i)
    model = keras.Model(i, {"value": layers.Dense(1, name="value")(h), "kind": layers.Dense(3, activation="softmax", name="kind")(h)})
    model.compile(
        "adam",
        {"value": "mse", "kind": "sparse_categorical_crossentropy"},
        loss_weights={"value": 0.3, "kind": 2.0},
        metrics={"kind": "accuracy"},
    )
    h = model.fit(X, {"value": VALUE, "kind": CLASSES}, epochs=4, batch_size=24, verbose=0)
    return model, h.history


def data_loader():
    data = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(VALUE))
    loader = torch.utils.data.DataLoader(data, batch_size=25)
    model = mlp(1)
    model.compile("adam", "mse", metrics=["mae"])
    return model, model.fit(loader, epochs=5, verbose=0, validation_data=loader).history


def curves():
    model = mlp(1, "sigmoid")
    model.compile("adam", "binary_crossentropy", metrics=["AUC", "Precision", "Recall"])
    y = (X[:, :1] > 0).astype("float32")
    h = model.fit(X, y, epochs=3, batch_size=32, verbose=0)
    return model, {**h.history, "evaluated": model.evaluate(X, y, verbose=0, batch_size=30)}


def stops_early():
    model = mlp(1)
    model.compile(keras.optimizers.SGD(0.5), "mse")
    stop = keras.callbacks.EarlyStopping(monitor="loss", patience=1, restore_best_weights=True)
    cut = keras.callbacks.ReduceLROnPlateau(monitor="loss", patience=1, factor=0.5)
    h = model.fit(X, VALUE, epochs=30, batch_size=32, verbose=0, callbacks=[stop, cut])
    return model, {**h.history, "epochs": [float(len(h.epoch))]}


def clipped_and_accumulated():
    model = mlp(1)
    model.compile(keras.optimizers.Adam(0.01, global_clipnorm=0.1, gradient_accumulation_steps=2), "mse")
    return model, model.fit(X[:80], VALUE[:80], epochs=5, batch_size=20, verbose=0).history


# -- overridden steps: the same numbers, an uneven last batch included -----------------------------------------------------------------


def overridden(kind, compiled=None, net=None, **fit):
    keras.random.set_random_seed(1)
    i = keras.Input((6,))
    h = layers.Dense(8, activation="relu", kernel_regularizer="l2")(i)
    model = kind(i, layers.Dense(1)(h))
    model.compile(**{"optimizer": "adam", "loss": "mse", "metrics": ["mae"], **(compiled or {})})
    h = model.fit(X, VALUE, epochs=3, batch_size=27, verbose=0, validation_data=(X[:31], VALUE[:31]), validation_batch_size=10, **fit)
    return model, h.history


def only_super():
    class M(keras.Model):
        def train_step(self, data):
            return super().train_step(data)

        def test_step(self, data):
            return {**super().test_step(data)}

    return overridden(M)


def extra_logs():
    class M(keras.Model):
        def train_step(self, data):
            logs = super().train_step(data)
            logs["mean"] = data[0].mean()
            return logs

    return overridden(M)


class OwnLoop(keras.Model):
    """As Keras's documentation writes it for PyTorch, with a loss and a metric of its own."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.error = keras.metrics.MeanAbsoluteError(name="mae")

    @property
    def metrics(self):
        return [self.loss_tracker, self.error]

    def step_loss(self, x, y, pred):
        return keras.losses.mean_squared_error(y, pred).mean()

    def train_step(self, data):
        x, y = data
        y_pred = self(x, training=True)
        loss = self.step_loss(x, y, y_pred)
        self.zero_grad()
        loss.backward()
        weights = list(self.trainable_weights)
        gradients = [v.value.grad for v in weights]
        with torch.no_grad():
            self.optimizer.apply(gradients, weights)
        self.loss_tracker.update_state(loss)
        self.error.update_state(y, y_pred)
        return {m.name: m.result() for m in self.metrics}

    def test_step(self, data):
        x, y = data
        y_pred = self(x, training=False)
        self.loss_tracker.update_state(self.step_loss(x, y, y_pred))
        self.error.update_state(y, y_pred)
        return {m.name: m.result() for m in self.metrics}


def own_loop():
    return overridden(OwnLoop, {"loss": None, "metrics": None})


def own_loop_compute_loss():
    class M(OwnLoop):
        def step_loss(self, x, y, pred):
            return self.compute_loss(x=x, y=y, y_pred=pred)

    return overridden(M, {"metrics": None})


def own_loop_autograd():
    class M(OwnLoop):
        def train_step(self, data):
            x, y = data
            y_pred = self(x, training=True)
            loss = self.step_loss(x, y, y_pred)
            grads = torch.autograd.grad(loss, self.trainable_weights)
            self.optimizer.apply_gradients(zip(grads, self.trainable_weights))
            self.loss_tracker.update_state(loss, sample_weight=len(x))
            return {"loss": self.loss_tracker.result()}

    return overridden(M, {"loss": None, "metrics": None})


def compute_loss():
    class M(keras.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return super().compute_loss(x, y, y_pred, sample_weight, training) + 0.1 * (y_pred - y).abs().mean()

    return overridden(M)


def compute_metrics():
    class M(keras.Model):
        def compute_metrics(self, x, y, y_pred, sample_weight=None):
            logs = super().compute_metrics(x, y, y_pred, sample_weight)
            logs["root"] = logs["loss"] ** 0.5
            logs["largest"] = x.mean()
            return logs

    return overridden(M)


def tiny_batches():
    """Some processes have no sample of the last batch."""

    class M(keras.Model):
        def train_step(self, data):
            return super().train_step(data)

    keras.random.set_random_seed(1)
    i = keras.Input((6,))
    model = M(i, layers.Dense(1)(layers.Dense(8, activation="tanh")(i)))
    model.compile("adam", "mse", metrics=["mae"])
    h = model.fit(X[:33], VALUE[:33], epochs=3, batch_size=16, shuffle=False, verbose=0)
    return model, h.history


class Gan(keras.Model):
    def __init__(self):
        super().__init__()
        self.generator = keras.Sequential([keras.Input((3,)), layers.Dense(8, activation="tanh"), layers.Dense(6)])
        self.discriminator = keras.Sequential([keras.Input((6,)), layers.Dense(8, activation="tanh"), layers.Dense(1)])
        self.g_loss, self.d_loss = keras.metrics.Mean(name="g_loss"), keras.metrics.Mean(name="d_loss")
        self.built = True

    def compile(self, g_optimizer, d_optimizer):
        super().compile()
        self.g_optimizer, self.d_optimizer = g_optimizer, d_optimizer
        self.loss_fn = keras.losses.BinaryCrossentropy(from_logits=True)

    @property
    def metrics(self):
        return [self.g_loss, self.d_loss]

    def update(self, model, optimizer, loss):
        self.zero_grad()
        loss.backward()
        with torch.no_grad():
            optimizer.apply([w.value.grad for w in model.trainable_weights], model.trainable_weights)

    def train_step(self, data):
        real, noise = data, data[:, :3]
        pred = self.discriminator(torch.cat([real, self.generator(noise)]))
        labels = torch.cat([torch.ones(len(real), 1), torch.zeros(len(real), 1)])
        d_loss = self.loss_fn(labels, pred)
        self.update(self.discriminator, self.d_optimizer, d_loss)
        g_loss = self.loss_fn(torch.ones(len(real), 1), self.discriminator(self.generator(noise)))
        self.update(self.generator, self.g_optimizer, g_loss)
        self.d_loss.update_state(d_loss)
        self.g_loss.update_state(g_loss)
        return {"d_loss": self.d_loss.result(), "g_loss": self.g_loss.result()}


def gan():
    keras.random.set_random_seed(1)
    model = Gan()
    model.compile(keras.optimizers.Adam(0.01), keras.optimizers.Adam(0.02))
    return model, model.fit(X, epochs=3, batch_size=27, verbose=0).history


def lbfgs():
    model = mlp(1)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=3, line_search_fn="strong_wolfe")
    model.compile(optimizer, "mse")
    return model, model.fit(X, VALUE, epochs=2, batch_size=42, verbose=0, shuffle=False).history


def torch_optimizer():
    model = mlp(1)
    model.compile(torch.optim.AdamW(model.parameters(), lr=0.01), "mse", metrics=["mae"])
    return model, model.fit(X, VALUE, epochs=2, batch_size=27, verbose=0).history


def hooks_and_executions():
    model = mlp(1)
    calls = []
    model.register_forward_hook(lambda *_: calls.append("forward"))
    model.compile("adam", "mse", steps_per_execution=3)
    begins, ends = [], []
    seen = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda b, logs=None: begins.append(b), on_train_batch_end=lambda b, logs=None: ends.append(b)
    )
    h = model.fit(X, VALUE, epochs=1, batch_size=20, verbose=0, callbacks=[seen])
    return model, {**h.history, "calls": [len(calls)], "begins": begins, "ends": ends}


def stops_between_batches():
    """One process alone sees a reason to stop."""
    model = mlp(1)
    model.compile("adam", "mse")
    last = int(os.environ.get("WORLD_SIZE", "1")) - 1
    batches = []

    def stop(batch, logs=None):
        batches.append(batch)
        if batch == 2 and int(os.environ.get("RANK", "0")) == last:
            model.stop_training = True

    h = model.fit(X, VALUE, epochs=5, batch_size=10, verbose=0, callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=stop)])
    return model, {"epochs": [len(h.epoch)], "batches": batches}


class Counts(layers.Layer):
    """Statistics that are sums, first values and means over the replicas."""

    def build(self, shape):
        kept = {"initializer": "ones", "trainable": False}
        self.rows = self.add_weight((), aggregation="sum", dtype="int64", name="rows", **kept)
        self.total = self.add_weight((shape[-1],), aggregation="sum", name="total", **kept)
        self.calls = self.add_weight((), aggregation="only_first_replica", name="calls", **kept)
        self.steps = self.add_weight((), aggregation="mean", name="steps", **kept)

    def call(self, x, training=False):
        if training:
            self.rows.assign_add(len(x))
            self.total.assign_add(x.sum(0))
            self.calls.assign_add(1)
            self.steps.assign_add(1)
        return x


def statistics():
    keras.random.set_random_seed(1)
    model = keras.Sequential([keras.Input((6,)), Counts(), layers.Dense(1)])
    model.compile("sgd", "mse")
    h = model.fit(X, VALUE, epochs=3, batch_size=40, verbose=0, validation_data=(X, VALUE))
    return model, h.history


CASES = [
    statistics,
    uneven,
    tiny_last_batch,
    sample_weights,
    class_weights,
    masks,
    several_outputs,
    data_loader,
    curves,
    stops_early,
    clipped_and_accumulated,
    only_super,
    extra_logs,
    own_loop,
    own_loop_compute_loss,
    own_loop_autograd,
    compute_loss,
    compute_metrics,
    tiny_batches,
    gan,
    lbfgs,
    torch_optimizer,
    hooks_and_executions,
    stops_between_batches,
]


def main(path):
    out, histories = {}, {}
    for case in CASES:
        model, history = case()
        histories[case.__name__] = {k: [float(x) for x in v] for k, v in history.items()}
        for i, w in enumerate(model.get_weights()):
            out[f"{case.__name__}/{i}"] = w
    if os.environ.get("RANK", "0") == "0":
        np.savez(path, histories=json.dumps(histories), **out)


if __name__ == "__main__":
    main(sys.argv[1])
