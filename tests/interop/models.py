"""The Keras-built models that every library gets, and the equal plain torch ones."""

from collections import OrderedDict

import numpy as np
import torch
from sklearn.datasets import load_iris
from torch import nn

import torchkeras as keras
from torchkeras import layers

_x, _y = load_iris(return_X_y=True)
_order = np.random.default_rng(0).permutation(len(_x))
X = ((_x - _x.mean(0)) / _x.std(0)).astype("float32")[_order]
Y = _y.astype("int64")[_order]
INPUTS, LABELS = torch.from_numpy(X), torch.from_numpy(Y)


def functional():
    """A functional model with batch norm and dropout that classifies irises."""
    i = keras.Input((4,))
    h = layers.Dense(16, activation="relu", name="first")(i)
    h = layers.BatchNormalization(name="norm")(h)
    h = layers.Dropout(0.2, name="dropout")(h)
    h = layers.Add(name="add")([h, layers.Dense(16, name="second")(h)])
    return keras.Model(i, layers.Dense(3, name="out")(h))


def sequential(rate=0.2):
    """The layers of `plain`, as a Sequential."""
    return keras.Sequential([
        keras.Input((4,)), layers.Dense(16, activation="relu", name="first"), layers.BatchNormalization(name="norm"),
        layers.Dropout(rate, name="dropout"), layers.Dense(3, name="out"),
    ])  # fmt: skip


class Subclassed(keras.Model):
    """A subclassed model, whose layers build themselves on the first input."""

    def __init__(self):
        super().__init__()
        self.blocks = [layers.Dense(16, activation="relu"), layers.Dense(16, activation="relu")]
        self.norm = layers.BatchNormalization()
        self.dropout = layers.Dropout(0.2)
        self.out = layers.Dense(3)

    def call(self, x):
        for block in self.blocks:
            x = block(x)
        return self.out(self.dropout(self.norm(x)))


def subclassed():
    model = Subclassed()
    model.build((None, 4))
    return model


def plain(rate=0.2):
    """What `sequential` is in plain torch."""
    return nn.Sequential(
        OrderedDict(
            first=nn.Linear(4, 16), relu=nn.ReLU(), norm=nn.BatchNorm1d(16, eps=1e-3, momentum=0.01),
            dropout=nn.Dropout(rate), out=nn.Linear(16, 3),
        )
    )  # fmt: skip


def twins(rate=0.2):
    """A Keras-built model and the equal torch module, with the same weights."""
    ours, theirs = sequential(rate), plain(rate)
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values())))
    return ours, theirs


def images():
    """A small convolutional net over 8x8 images of one channel, and the equal torch module, which takes channels first."""
    ours = keras.Sequential([
        keras.Input((8, 8, 1)), layers.Conv2D(6, 3, name="conv"), layers.ReLU(name="relu"), layers.MaxPooling2D(name="pool"),
        layers.Flatten(name="flatten"), layers.Dense(10, name="out"),
    ])  # fmt: skip
    theirs = nn.Sequential(
        OrderedDict(conv=nn.Conv2d(1, 6, 3), relu=nn.ReLU(), pool=nn.MaxPool2d(2), flatten=ChannelsLastFlatten(), out=nn.Linear(54, 10))
    )
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values())))
    return ours, theirs


class ChannelsLastFlatten(nn.Module):
    """Flattens in the order in which Keras does."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


def accuracy(model, x=INPUTS, y=LABELS):
    """The share of right answers, in evaluation mode."""
    mode = model.training
    model.eval()
    with torch.no_grad():
        share = (model(x).argmax(-1) == y).float().mean().item()
    model.train(mode)
    return share
