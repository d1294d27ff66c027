"""The one loop: executions, callbacks, stops, threads, functions called by hand."""

import copy
import gc
import threading
import weakref

import numpy as np
import pytest
import torch

import torchkeras
from tests.oracle import keras
from torchkeras import layers
from torchkeras.distribution import shard
from torchkeras.training.run import Execution, Run

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(70, 3)).astype("float32"), RNG.normal(size=(70, 1)).astype("float32")


def network(k=torchkeras, rate=0.5, **compiled):
    k.utils.set_random_seed(0)
    i = k.Input((3,))
    model = k.Model(i, k.layers.Dense(1)(k.layers.Dropout(rate)(k.layers.Dense(4)(i))))
    model.compile(**{"optimizer": "sgd", "loss": "mse", "metrics": ["mae"], **compiled})
    return model


class Seen(torchkeras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.calls, self.kept = [], []

    def on_train_batch_begin(self, batch, logs=None):
        self.calls.append(("begin", batch))

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append(("end", batch))
        self.kept.append(logs)

    on_test_batch_begin, on_test_batch_end = on_train_batch_begin, on_train_batch_end
    on_predict_batch_begin, on_predict_batch_end = on_train_batch_begin, on_train_batch_end


@pytest.mark.parametrize("every", [1, 2, 3, 10])
def test_steps_per_execution(every):
    """Keras's other backends call the hooks once an execution, with its first and its last batch."""
    plain, model = network(), network(steps_per_execution=every)
    model.set_weights(plain.get_weights())
    runs = {
        "fit": lambda m, c: list(m.fit(X, Y, batch_size=10, shuffle=False, verbose=0, callbacks=c).history.values()),
        "evaluate": lambda m, c: m.evaluate(X, Y, batch_size=10, verbose=0, callbacks=c),
        "predict": lambda m, c: m.predict(X, batch_size=10, verbose=0, callbacks=c),
    }
    for name, run in runs.items():
        results = []
        for m in (plain, model):
            torch.manual_seed(0)
            seen = Seen()
            results.append(run(m, [seen]))
        np.testing.assert_allclose(*results, rtol=1e-6, err_msg=name)
        starts = range(0, 7, every)
        assert seen.calls == [call for s in starts for call in (("begin", s), ("end", min(s + every, 7) - 1))]
    assert all(kept["outputs"].shape == (min(10 * every, 70 - 10 * every * i), 1) for i, kept in enumerate(seen.kept))


def test_logs_that_a_callback_keeps_are_those_of_their_batch():
    ours, theirs = network(rate=0.0, metrics=None), network(keras, rate=0.0, metrics=None)
    theirs.set_weights(ours.get_weights())
    seen = Seen()
    ours.fit(X, Y, batch_size=10, shuffle=False, verbose=0, callbacks=[seen])
    expected = []
    read = keras.callbacks.LambdaCallback(on_train_batch_end=lambda b, logs: expected.append(logs["loss"]))
    theirs.fit(X, Y, batch_size=10, shuffle=False, verbose=0, callbacks=[read])
    np.testing.assert_allclose([logs["loss"] for logs in seen.kept], expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["training", "evaluating", "predicting"])
def test_a_callback_stops_the_run(name):
    model, seen = network(), Seen()

    def end(batch, logs=None):
        if batch == 2:
            setattr(model, f"stop_{name}", True)

    stop = torchkeras.callbacks.LambdaCallback(on_train_batch_end=end)
    stop.on_test_batch_end = stop.on_predict_batch_end = end
    for _ in range(2):  # a stop does not outlive its run
        seen.calls.clear()
        if name == "training":
            model.fit(X, Y, batch_size=10, verbose=0, callbacks=[seen, stop])
        elif name == "evaluating":
            model.evaluate(X, Y, batch_size=10, verbose=0, callbacks=[seen, stop])
        else:
            assert len(model.predict(X, batch_size=10, verbose=0, callbacks=[seen, stop])) == 30
        assert seen.calls[-1] == ("end", 2)


@pytest.mark.parametrize("make_data", [lambda batch: [batch], lambda batch: iter([batch, batch]), lambda batch: Execution([batch])])
def test_functions_called_by_hand(make_data):
    """Loops of one's own call what Keras's loops call; a function written for an iterator is served as well."""
    model, twin = network(rate=0.0), network(keras, rate=0.0)
    twin.set_weights(model.get_weights())
    batch = torch.from_numpy(X), torch.from_numpy(Y)
    for m in (model, twin):
        m.make_train_function()
        m.make_test_function()
        m.make_predict_function()
        m.reset_metrics()
        m.optimizer.build(m.trainable_variables)
    logs = [{k: float(v) for k, v in m.train_function(d).items()} for m, d in ((model, make_data(batch)), (twin, [batch]))]
    assert logs[0] == pytest.approx(logs[1], rel=1e-5)
    logs = [{k: float(v) for k, v in m.test_function(d).items()} for m, d in ((model, make_data(batch)), (twin, [batch]))]
    assert logs[0] == pytest.approx(logs[1], rel=1e-5)
    outputs = [m.predict_function(d) for m, d in ((model, make_data(batch[:1])), (twin, [batch[:1]]))]
    torch.testing.assert_close(outputs[0], outputs[1].detach(), rtol=1e-5, atol=1e-6)
    assert not outputs[0].requires_grad


def test_a_function_written_for_an_iterator():
    class M(torchkeras.Model):
        def make_train_function(self, force=False):
            def function(iterator):
                return self.train_step(next(iterator))

            self.train_function = function

    i = torchkeras.Input((3,))
    model = M(i, layers.Dense(1)(i))
    model.compile("sgd", "mse")
    assert len(model.fit(X, Y, epochs=2, verbose=0).history["loss"]) == 2 and int(model.optimizer.iterations) == 6


def test_fit_validates_on_batches_made_once_and_evaluate_on_other_data_does_not_take_them():
    made = []

    class Data(torchkeras.utils.PyDataset):
        def __len__(self):
            made.append("len")
            return 2

        def __getitem__(self, index):
            return X[:5], Y[:5]

    model = network()
    other = []

    def end(epoch, logs=None):
        other.append(model.evaluate(X[:7], Y[:7], verbose=0)[0])

    history = model.fit(
        X, Y, epochs=3, verbose=0, validation_data=Data(), callbacks=[torchkeras.callbacks.LambdaCallback(on_epoch_end=end)]
    ).history
    assert len(history["val_loss"]) == 3 and history["val_loss"][-1] == pytest.approx(model.evaluate(X[:5], Y[:5], verbose=0)[0])
    assert other[-1] == pytest.approx(model.evaluate(X[:7], Y[:7], verbose=0)[0])


def test_runs_of_two_threads_do_not_know_of_each_other():
    results = {}

    def train(name, seed):
        torchkeras.random.set_random_seed(seed)
        i = torchkeras.Input((3,))
        model = torchkeras.Model(i, layers.Dense(1, kernel_regularizer="l2" if seed else None)(i))
        model.set_weights([np.ones((3, 1)) * (seed + 1), np.zeros(1)])
        model.compile(torchkeras.optimizers.SGD(0.01), "mse")
        results[name] = model.fit(X, Y, epochs=15, shuffle=False, verbose=0, batch_size=10, validation_data=(X, Y)).history

    for seed in (0, 1):
        train(("alone", seed), seed)
    threads = [threading.Thread(target=train, args=(("beside", seed), seed)) for seed in (0, 1)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for seed in (0, 1):
        for name, values in results["alone", seed].items():
            assert results["beside", seed][name] == pytest.approx(values)
    assert Run.current() is None and shard.current() is shard.WHOLE


def test_predicting_while_another_thread_trains():
    model = network()
    expected = model.predict(X, verbose=0)
    frozen = copy.deepcopy(model)
    wrong = []

    def predict():
        for _ in range(20):
            wrong.append(np.abs(frozen.predict(X, verbose=0) - expected).max())

    thread = threading.Thread(target=predict)
    thread.start()
    model.fit(X, Y, epochs=20, verbose=0)
    thread.join()
    assert max(wrong) < 1e-5 and not model.training and not any(m.training for m in model.modules())


def test_nothing_of_a_run_stays_in_the_model_and_a_deleted_model_is_freed():
    model = network()
    before = {k: v for k, v in model.__dict__.items() if not k.startswith("_")}
    model.fit(X, Y, verbose=0, validation_data=(X, Y))
    model.predict(X, verbose=0)
    left = {k for k, v in model.__dict__.items() if not k.startswith("_") and v is not before.get(k)}
    assert left == {"train_function", "test_function", "predict_function", "history"}
    assert not any(isinstance(v, (Run, shard.Shard)) for v in model.__dict__.values())
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
