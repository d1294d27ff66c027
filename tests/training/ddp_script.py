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


CASES = [
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
