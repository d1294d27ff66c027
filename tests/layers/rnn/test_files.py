"""Recurrent and attention layers in files: real Keras reads and writes the same ones."""

import numpy as np
import torch

from tests.oracle import keras
from torchkeras import layers
from torchkeras.models import Model
from torchkeras.saving import load_model

X = np.random.default_rng(0).integers(0, 20, (3, 6))
X[:, 4:] = 0


def build(k, tensor, model):
    tokens = tensor((6,), dtype="int32")
    x = k.Embedding(20, 8, mask_zero=True)(tokens)
    x = k.Bidirectional(k.LSTM(5, return_sequences=True))(x)
    x = k.GRU(6, return_sequences=True)(x)
    x = k.TimeDistributed(k.Dense(4))(x)
    x = k.RNN([k.LSTMCell(4), k.GRUCell(3)], return_sequences=True)(x)
    last, _, carry = k.LSTM(3, return_state=True)(x)
    y = k.SimpleRNN(2)(x, initial_state=k.Dense(2)(carry))
    z = tensor((6, 5))
    z_out = k.MultiHeadAttention(2, 3, use_gate=True)(z, z)
    z_out = k.GroupQueryAttention(3, 4, 2)(z_out, z_out)
    z_out = k.Attention(use_scale=True)([z_out, z_out])
    return model([tokens, z], [k.Concatenate()([last, y]), z_out])


def test_weights_and_whole_models_go_both_ways(tmp_path):
    ours = build(layers, layers.Input, Model)
    theirs = build(keras.layers, keras.Input, keras.Model)
    z = np.random.default_rng(1).normal(size=(3, 6, 5)).astype("float32")
    tensors = [torch.tensor(X), torch.tensor(z)]

    def same(a, b):
        for mine, real in zip(a(tensors), b(tensors)):
            np.testing.assert_allclose(mine.detach().numpy(), real.detach().numpy(), atol=1e-5)

    theirs.save_weights(tmp_path / "a.weights.h5")
    ours.load_weights(tmp_path / "a.weights.h5")
    same(ours, theirs)
    for weight in ours.weights:
        weight.assign_add(0.01)
    ours.save_weights(tmp_path / "b.weights.h5")
    theirs.load_weights(tmp_path / "b.weights.h5")
    same(ours, theirs)
    ours.save(tmp_path / "a.keras")
    same(ours, keras.models.load_model(tmp_path / "a.keras"))
    theirs.save(tmp_path / "b.keras")
    same(load_model(tmp_path / "b.keras"), theirs)
