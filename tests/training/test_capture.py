"""`jit_compile=True`: the captured step computes what the eager one does, batch norm, dropout and all."""

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras import layers

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script_method")  # torch's own, when the compiler is imported

rng = np.random.default_rng(0)
X = rng.normal(size=(32 * 25 + 7, 12)).astype("float32")
Y = (X[:, 0] > 0).astype("int64") + (X[:, 1] > 0)
IMAGES = rng.normal(size=(16 * 13, 8, 8, 3)).astype("float32")


def mlp():
    i = keras.Input((12,))
    h = layers.Dense(16, activation="relu", kernel_regularizer="l2")(i)
    h = layers.Dropout(0.3)(layers.BatchNormalization()(h))
    return keras.Model(i, layers.Dense(3, activation="softmax")(h))


def cnn():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )


def train(build, jit, x, y, optimizer, epochs, **fit):
    keras.random.set_random_seed(1)
    model = build()
    losses = []
    record = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: losses.append(logs["loss"]))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=build is cnn)
    model.compile(optimizer(), loss, metrics=["accuracy"], jit_compile=jit)
    torch.manual_seed(2)
    h = model.fit(x, y, epochs=epochs, shuffle=False, verbose=0, callbacks=[record], **fit)
    return model, losses, h.history


def assert_same(build, x, y, optimizer, epochs, **fit):
    eager, expected, history = train(build, False, x, y, optimizer, epochs, **fit)
    captured, losses, mine = train(build, True, x, y, optimizer, epochs, **fit)
    assert len(losses) >= 50
    np.testing.assert_allclose(losses, expected, rtol=1e-5, atol=1e-5)
    for name in history:
        np.testing.assert_allclose(mine[name], history[name], rtol=1e-5, atol=1e-5)
    for a, b in zip(captured.get_weights(), eager.get_weights()):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    for a, b in zip(captured.optimizer.variables, eager.optimizer.variables):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-4, atol=1e-5)
    return captured


def test_an_mlp_with_batch_norm_dropout_and_an_uneven_last_batch():
    model = assert_same(mlp, X, Y, lambda: keras.optimizers.Adam(0.003), epochs=2, batch_size=32)
    assert model.evaluate(X, Y, verbose=0)[0] > 0 and model.predict(X[:5], verbose=0).shape == (5, 3)


@pytest.mark.slow
def test_a_small_cnn():
    assert_same(cnn, IMAGES, Y[: len(IMAGES)], lambda: keras.optimizers.SGD(0.01, momentum=0.9), epochs=4, batch_size=16)


@pytest.mark.slow
def test_a_schedule_clipping_and_validation():
    rate = lambda: keras.optimizers.AdamW(keras.optimizers.schedules.ExponentialDecay(0.01, 10, 0.8), global_clipnorm=0.5)  # noqa: E731
    assert_same(mlp, X, Y, rate, epochs=2, batch_size=32, validation_data=(X[:50], Y[:50]))


def test_what_cannot_be_captured_is_refused():
    model = keras.Sequential([keras.Input((12,)), layers.Dense(3, activation="softmax")])
    model.compile(torch.optim.SGD(model.parameters(), 0.1), "sparse_categorical_crossentropy", jit_compile=True)
    with pytest.raises(ValueError, match="needs an optimizer of torchkeras"):
        model.fit(X, Y, verbose=0)
    with pytest.warns(UserWarning, match="`jit_compile=True` has no effect beside `run_eagerly=True`"):
        model.compile("sgd", "mse", jit_compile=True, run_eagerly=True)
    assert not model.jit_compile
