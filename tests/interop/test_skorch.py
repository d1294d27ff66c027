"""skorch's estimators around Keras-built modules, in scikit-learn's tools."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier, NeuralNetRegressor
from skorch.callbacks import EarlyStopping, EpochScoring
from torch import nn

import torchkeras as keras
from torchkeras import layers

from .models import INPUTS, X, Y, functional, sequential, subclassed, twins


class Net(keras.Model):
    """A subclassed model with a constructor argument to search over; nothing is built before the first batch."""

    def __init__(self, units=8):
        super().__init__()
        self.hidden = layers.Dense(units, activation="relu")
        self.norm = layers.BatchNormalization(momentum=0.9)
        self.out = layers.Dense(3)

    def call(self, x):
        return self.out(self.norm(self.hidden(x)))


def built(units=8):
    model = Net(units)
    model.build((None, 4))
    return model


def classifier(module, **settings):
    settings = {"max_epochs": 20, "lr": 0.02, "batch_size": 32, "verbose": 0, **settings}
    return NeuralNetClassifier(module, criterion=nn.CrossEntropyLoss, optimizer=torch.optim.Adam, **settings)


@pytest.mark.parametrize("module", [functional, sequential, subclassed, built], ids=lambda m: m.__name__)
def test_a_classifier_learns(module):
    net = classifier(module, callbacks=[EpochScoring("accuracy", name="train_acc", on_train=True)])
    net.fit(X, Y)
    losses = net.history[:, "train_loss"]
    assert losses[-1] < 0.5 * losses[0]
    assert net.score(X, Y) > 0.9 and net.predict_proba(X).shape == (150, 3)
    norm = next(m for m in net.module_.modules() if isinstance(m, nn.BatchNorm1d))
    assert norm.running_mean.abs().max() > 1e-3  # skorch puts the module in training mode


def test_a_grid_search_over_constructor_arguments():
    search = GridSearchCV(classifier(built, max_epochs=8), {"module__units": [1, 16], "lr": [0.001, 0.03]}, cv=2, scoring="accuracy")
    search.fit(X, Y)
    assert search.best_score_ > 0.85 and search.best_params_ == {"lr": 0.03, "module__units": 16}
    assert search.best_estimator_.module_.hidden.units == 16


def test_in_a_pipeline_and_cross_validation():
    raw = X * 3 + 5
    scores = cross_val_score(make_pipeline(StandardScaler(), classifier(built)), raw.astype("float32"), Y, cv=3)
    assert scores.mean() > 0.85


@pytest.mark.parametrize("module", [functional, sequential, built], ids=lambda m: m.__name__)
def test_save_and_reload(module, tmp_path):
    net = classifier(module, max_epochs=3).fit(X, Y)
    net.save_params(f_params=tmp_path / "p.pt", f_optimizer=tmp_path / "o.pt", f_history=tmp_path / "h.json")
    again = classifier(module).initialize()
    again.load_params(f_params=tmp_path / "p.pt", f_optimizer=tmp_path / "o.pt", f_history=tmp_path / "h.json")
    np.testing.assert_allclose(again.predict_proba(X), net.predict_proba(X), rtol=1e-6)
    again.partial_fit(X, Y)
    assert len(again.history) > len(net.history)
    np.testing.assert_allclose(pickle.loads(pickle.dumps(net)).predict_proba(X), net.predict_proba(X), rtol=1e-6)


def test_the_epochs_of_the_torch_module():
    ours, theirs = (classifier(m, max_epochs=4, train_split=None).fit(X, Y) for m in twins(rate=0.0))
    assert ours.history[:, "train_loss"] == pytest.approx(theirs.history[:, "train_loss"], rel=1e-4)
    for a, b in zip(ours.module_.state_dict().values(), theirs.module_.state_dict().values()):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=0.01)  # Keras's running variance is not the unbiased one


def test_a_regressor_stops_early():
    target = INPUTS[:, :1] * 2 - INPUTS[:, 1:2]

    def module():
        return keras.Sequential([keras.Input((4,)), layers.Dense(16, activation="tanh"), layers.Dense(1)])

    net = NeuralNetRegressor(module, max_epochs=200, lr=0.05, batch_size=32, verbose=0, callbacks=[EarlyStopping(patience=3)])
    net.fit(X, target.numpy())
    assert net.history[-1, "valid_loss"] < 0.2 * net.history[0, "valid_loss"]
