"""What subclasses override and programs set between two runs, against real Keras."""

import numpy as np
import pytest
import torch

import torchkeras
from tests.oracle import keras

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script_method")  # torch's own, when the compiler is imported

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(42, 3)).astype("float32"), RNG.normal(size=(42, 1)).astype("float32")
BOTH = [torchkeras, keras]


def network(k, kind="Model"):
    i = k.Input((3,))
    kind = getattr(k, kind) if isinstance(kind, str) else kind
    return kind(i, k.layers.Dense(1, kernel_regularizer="l2")(k.layers.Dense(4, activation="tanh")(i)))


def compare(make, run):
    """`run` on the model of `make`, in both, from the same weights: the same values and weights."""
    ours, theirs = make(torchkeras), make(keras)
    theirs.set_weights(ours.get_weights())
    a, b = run(torchkeras, ours), run(keras, theirs)
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=2e-5, atol=1e-6, err_msg=name)
    for x, y in zip(ours.get_weights(), theirs.get_weights()):
        np.testing.assert_allclose(x, y, rtol=2e-5, atol=1e-5)


def fit(k, model, **options):
    return model.fit(X, Y, batch_size=20, epochs=2, shuffle=False, verbose=0, validation_data=(X[:15], Y[:15]), **options).history


# -- steps as people write them ---------------------------------------------------------------------------------------------------------


def only_super(k):
    class M(k.Model):
        def train_step(self, data):
            return super().train_step(data)

        def test_step(self, data):
            return super().test_step(data)

    return M


def more_logs(k):
    class M(k.Model):
        def train_step(self, data):
            return {**super().train_step(data), "last": data[0].mean(), "number": 2.5}

    return M


def documented(k):
    class M(k.Model):
        def train_step(self, data):
            x, y = data
            y_pred = self(x, training=True)
            loss = self.compute_loss(x=x, y=y, y_pred=y_pred)
            self.zero_grad()
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

    return M


def own_metrics(k):
    class M(k.Model):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.tracker, self.error = k.metrics.Mean(name="loss"), k.metrics.MeanAbsoluteError(name="mae")

        @property
        def metrics(self):
            return [self.tracker, self.error]

        def train_step(self, data):
            x, y = data
            y_pred = self(x, training=True)
            loss = k.losses.mean_squared_error(y, y_pred).mean()
            self.zero_grad()
            loss.backward()
            with torch.no_grad():
                self.optimizer.apply_gradients(zip([v.value.grad for v in self.trainable_weights], self.trainable_weights))
            self.tracker.update_state(loss)
            self.error.update_state(y, y_pred)
            return {"loss": self.tracker.result(), "mae": self.error.result()}

    return M


def compute_loss_without_training(k):
    class M(k.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
            return 3 * super().compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight)

    return M


def own_compute_loss(k):
    class M(k.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return super().compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training) * (2 if training else 1)

    return M


def own_compute_metrics(k):
    class M(k.Model):
        def compute_metrics(self, x, y, y_pred, sample_weight=None):
            logs = super().compute_metrics(x, y, y_pred, sample_weight)
            return {**logs, "root": logs["loss"] ** 0.5}

    return M


def own_metrics_result(k):
    class M(k.Model):
        def get_metrics_result(self):
            return {f"my_{name}": value for name, value in super().get_metrics_result().items()}

    return M


def own_evaluate(k):
    class M(k.Model):
        def evaluate(self, *args, **kwargs):
            return {**super().evaluate(*args, **kwargs), "mine": 1.0}

    return M


def own_train_function(k):
    class M(k.Model):
        def make_train_function(self, force=False):
            def function(data):
                logs = self.train_step(data[0])
                return {**logs, "batch": float(len(data[0][0]))}

            self.train_function = function
            return function

    return M


def function_around(k):
    class M(k.Model):
        def make_train_function(self, force=False):
            super().make_train_function(force)
            inner = self.train_function
            self.train_function = lambda data: {**inner(data), "around": 3.0}

    return M


STYLES = [
    only_super, more_logs, documented, own_metrics, own_compute_loss, compute_loss_without_training, own_compute_metrics,
    own_metrics_result, own_evaluate, own_train_function, function_around,
]  # fmt: skip


@pytest.mark.parametrize("style", STYLES, ids=lambda s: s.__name__)
def test_styles(style):
    def run(k, model):
        model.compile("adam", "mse", metrics=["mae"])
        history = fit(k, model)
        pair = style in (documented, own_metrics)  # Keras's `train_on_batch` hands them three entries, which they cannot unpack
        on_batch = {} if pair else model.train_on_batch(X, Y, return_dict=True)
        tested = model.evaluate(X, Y, verbose=0, return_dict=True, batch_size=11)
        return history | {f"batch_{n}": v for n, v in on_batch.items()} | {f"test_{n}": v for n, v in tested.items()}

    compare(lambda k: network(k, style(k)), run)


def test_torch_optimizers_in_a_train_step():
    class M(torchkeras.Model):
        def train_step(self, data):
            x, y = data
            for _ in range(2):
                self.mine.zero_grad()
                loss = self.compute_loss(x=x, y=y, y_pred=self(x, training=True))
                loss.backward()
                self.mine.step()
            return {"loss": loss.detach()}

    model = network(torchkeras, M)
    model.mine = torch.optim.Adam(model.parameters(), 0.05)
    model.compile(loss="mse", optimizer=None)
    model.compile(loss="mse")
    losses = model.fit(X, Y, epochs=10, verbose=0).history["loss"]
    assert len(losses) == 10


def test_several_optimizers():
    def kind(k):
        class Gan(k.Model):
            def __init__(self, g, d):
                super().__init__()
                self.generator, self.discriminator = g, d
                self.g_loss, self.d_loss = k.metrics.Mean(name="g"), k.metrics.Mean(name="d")

            def compile(self, g_optimizer, d_optimizer):
                super().compile()
                self.g_optimizer, self.d_optimizer, self.bce = g_optimizer, d_optimizer, k.losses.BinaryCrossentropy(from_logits=True)

            @property
            def metrics(self):
                return [self.g_loss, self.d_loss]

            def train_step(self, real):
                for model, optimizer, sign, tracker in (
                    (self.discriminator, self.d_optimizer, 0.0, self.d_loss),
                    (self.generator, self.g_optimizer, 1.0, self.g_loss),
                ):
                    self.zero_grad()
                    pred = self.discriminator(self.generator(real))
                    loss = self.bce(torch.full_like(pred, sign), pred)
                    loss.backward()
                    weights = model.trainable_weights
                    with torch.no_grad():
                        optimizer.apply([w.value.grad for w in weights], weights)
                    tracker.update_state(loss)
                return {m.name: m.result() for m in self.metrics}

        i = k.Input((3,))
        return Gan(k.Model(i, k.layers.Dense(3)(i)), k.Model(i, k.layers.Dense(1)(i)))

    results = []
    weights = None
    for k in BOTH:
        model = kind(k)
        model.built = True
        parts = model.generator, model.discriminator
        if weights is None:
            weights = [p.get_weights() for p in parts]
        for part, values in zip(parts, weights):
            part.set_weights(values)
        model.compile(k.optimizers.Adam(0.1), k.optimizers.SGD(0.1))
        h = model.fit(X, batch_size=20, epochs=3, shuffle=False, verbose=0).history
        results.append([*h["g"], *h["d"], *(w.ravel() for p in parts for w in p.get_weights())])
    for a, b in zip(*results):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


# -- what is set between two runs -------------------------------------------------------------------------------------------------------


def other_optimizer(k, model):
    model.optimizer = k.optimizers.SGD(0.2)


def learning_rate(k, model):
    model.optimizer.learning_rate = 0.2


def frozen(k, model):
    model.layers[1].trainable = False


def step_on_the_object(k, model):
    step = model.train_step
    model.train_step = lambda data: {**step(data), "mine": 4.0}
    model.make_train_function(force=True)


def metrics_on_the_object(k, model):
    model.stop_training = True
    model.compile("sgd", "mae", metrics=["mse"])


CHANGES = [other_optimizer, learning_rate, frozen, step_on_the_object, metrics_on_the_object]


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: c.__name__)
def test_changes_between_two_fits(change):
    def run(k, model):
        model.compile("adam", "mse", metrics=["mae"])
        fit(k, model)
        change(k, model)
        return fit(k, model)

    compare(network, run)


def test_a_weight_that_the_optimizer_does_not_know_is_refused_as_in_keras():
    for k in BOTH:
        model = network(k)
        model.layers[1].trainable = False
        model.compile("adam", "mse")
        fit(k, model)
        model.layers[1].trainable = True
        with pytest.raises(ValueError, match="kernel"):
            fit(k, model)


@pytest.mark.parametrize("k", [keras, torchkeras])
def test_a_loss_set_after_compile_waits_for_the_next_compile(k):
    model = network(k)
    model.compile("sgd", "mse")
    before = model.evaluate(X, Y, verbose=0)
    model.loss = "mae"
    assert model.evaluate(X, Y, verbose=0) == before


def test_all_weights_frozen_trains_nothing_and_warns():
    model = network(torchkeras)
    model.trainable = False
    model.compile("adam", "mse")
    before = model.get_weights()
    with pytest.warns(UserWarning, match="has no trainable weights"):
        fit(torchkeras, model)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights()))


@pytest.mark.parametrize("jit", [False, True])
def test_a_captured_step_notices_what_changes(jit):
    models = []
    for captured in (False, jit):
        torchkeras.random.set_random_seed(0)
        model = network(torchkeras)
        model.compile(torchkeras.optimizers.Adam(0.01), "mse", jit_compile=captured)
        for change in (None, other_optimizer, frozen, learning_rate):
            if change is not None:
                change(torchkeras, model)
            model.fit(X[:40], Y[:40], batch_size=20, epochs=2, shuffle=False, verbose=0)
        models.append(model)
    for a, b in zip(models[0].get_weights(), models[1].get_weights()):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
