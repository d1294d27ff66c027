"""`SwapEMAWeights`: what is evaluated, saved and left in the model, against real Keras."""

import numpy as np
import pytest

import torchkeras
from tests.models.common import both
from tests.oracle import keras as oracle
from tests.training.test_fit import VALUE, X, mlp
from torchkeras.callbacks import SwapEMAWeights


def averaged(k, wrapped=False):
    optimizer = k.optimizers.SGD(0.05, use_ema=True, ema_momentum=0.8)
    return k.optimizers.LossScaleOptimizer(optimizer, initial_scale=2.0) if wrapped else optimizer


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("swap_on_epoch", [False, True])
def test_evaluations_and_checkpoints_see_the_averages(swap_on_epoch, wrapped, tmp_path):
    found = []
    for k, model in zip((torchkeras, oracle), both(mlp(1))):
        model.compile(averaged(k, wrapped), "mse")
        path = str(tmp_path / k.__name__) + "{epoch}.weights.h5"
        callbacks = [k.callbacks.SwapEMAWeights(swap_on_epoch), k.callbacks.ModelCheckpoint(path, save_weights_only=True)]
        fit = dict(epochs=3, batch_size=30, shuffle=False, verbose=0, validation_data=(X, VALUE))
        history = model.fit(X, VALUE, callbacks=callbacks, **fit)
        saved = mlp(1)(k)
        saved.load_weights(path.format(epoch=2))
        found.append((history.history, model.get_weights(), saved.get_weights()))
    (history, final, saved), (their_history, their_final, their_saved) = found
    for name, values in their_history.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-4)
    for a, b in zip((*final, *saved), (*their_final, *their_saved)):
        np.testing.assert_allclose(a, np.asarray(b), rtol=1e-4, atol=1e-6)


def test_evaluate_and_predict_leave_the_weights_as_they_were():
    model = mlp(1)(torchkeras)
    model.compile(averaged(torchkeras), "mse")
    for _ in range(4):
        model.train_on_batch(X, VALUE)
    before, plain = model.get_weights(), model.evaluate(X, VALUE, verbose=0)
    swapped = model.evaluate(X, VALUE, verbose=0, callbacks=[SwapEMAWeights()])
    predicted = model.predict(X, verbose=0, callbacks=[SwapEMAWeights()])
    assert swapped != plain and np.mean((predicted - VALUE) ** 2) == pytest.approx(swapped, rel=1e-5)
    for a, b in zip(before, model.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_training_that_stops_early_ends_with_the_averages():
    def run(*callbacks):
        model = mlp(1)(torchkeras)
        model.set_weights([np.full(w.shape, 0.1, "float32") for w in model.get_weights()])
        model.compile(averaged(torchkeras), "mse")
        stop = torchkeras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: setattr(model, "stop_training", epoch == 1))
        model.fit(X, VALUE, epochs=9, shuffle=False, verbose=0, callbacks=[*callbacks, stop])
        return model.get_weights()

    for a, b in zip(run(), run(SwapEMAWeights(swap_on_epoch=True))):
        np.testing.assert_array_equal(a, b)


def test_an_optimizer_without_averages_is_refused():
    model = mlp(1)(torchkeras)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="SwapEMAWeights needs an optimizer with `use_ema=True`"):
        model.evaluate(X, VALUE, verbose=0, callbacks=[SwapEMAWeights()])
