"""Drawn programs (models, losses, metrics, weights, kinds of data) run in both libraries: logs, their order and weights must agree."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import torchkeras
from tests.oracle import keras

N = 20
RNG = np.random.default_rng(7)
X, V, C = RNG.normal(size=(N, 6)).astype("float32"), RNG.normal(size=(N, 1)).astype("float32"), RNG.integers(0, 3, N)
STEPS, STEP_VALUES = RNG.normal(size=(N, 4, 6)).astype("float32"), RNG.normal(size=(N, 4, 1)).astype("float32")
STEP_CLASSES, BINARY = RNG.integers(0, 3, (N, 4)), RNG.integers(0, 2, (N, 1))
ONE_HOT, W, STEP_W = np.eye(3, dtype="float32")[C], RNG.random(N).astype("float32"), RNG.random((N, 4)).astype("float32")


def fourth_power(y: Any, p: Any) -> Any:
    return (y - p) ** 4


Entry = Any  # a name, a function, or what makes an object of either library
REGRESSION_LOSSES: list[Entry] = [
    "mse", "mae", "huber", "log_cosh", "cosine_similarity", lambda k: k.losses.MeanSquaredError(reduction="sum"),
    lambda k: k.losses.MeanAbsoluteError(reduction="mean_with_sample_weight"), lambda k: fourth_power,
    lambda k: k.losses.mean_squared_error,
]  # fmt: skip
REGRESSION_METRICS: list[Entry] = [
    "mae", "mse", "mape", "MeanAbsoluteError", "cosine_similarity", lambda k: k.metrics.RootMeanSquaredError(),
    lambda k: k.metrics.MeanSquaredError(name="x"), lambda k: fourth_power, lambda k: k.metrics.R2Score(), lambda k: k.losses.Huber(),
]  # fmt: skip
BINARY_LOSSES: list[Entry] = ["binary_crossentropy", "crossentropy", "hinge", "mse", lambda k: k.losses.BinaryFocalCrossentropy()]
BINARY_METRICS: list[Entry] = [
    "accuracy",
    "acc",
    "AUC",
    "hinge",
    lambda k: k.metrics.Precision(),
    lambda k: k.metrics.BinaryAccuracy(threshold=0.4),
]
# Not with `ignore_class`: Keras's loss then changes, in place, the weights that weighted metrics get afterwards.
SPARSE_LOSSES: list[Entry] = [
    "sparse_categorical_crossentropy", "crossentropy", lambda k: k.losses.SparseCategoricalCrossentropy(name="sparse"),
]  # fmt: skip
SPARSE_METRICS: list[Entry] = [
    "accuracy", "sparse_categorical_accuracy", "sparse_categorical_crossentropy", lambda k: k.metrics.SparseCategoricalAccuracy(name="s"),
    lambda k: k.metrics.SparseTopKCategoricalAccuracy(k=2),
]  # fmt: skip
ONE_HOT_LOSSES: list[Entry] = [
    "categorical_crossentropy", "crossentropy", "kl_divergence", "categorical_hinge", "poisson", lambda k: k.losses.Dice(),
    lambda k: k.losses.CategoricalFocalCrossentropy(),
]  # fmt: skip
ONE_HOT_METRICS: list[Entry] = [
    "accuracy", "kl_divergence", "Precision", lambda k: k.metrics.TopKCategoricalAccuracy(k=2),
    lambda k: k.metrics.F1Score(average="macro"),
    lambda k: k.metrics.AUC(multi_label=True), lambda k: k.metrics.OneHotMeanIoU(3),
]  # fmt: skip

# What a model gives: units, activation, losses, metrics, inputs, targets, weights.
SINGLE: dict[str, tuple] = {
    "numbers": (1, None, REGRESSION_LOSSES, REGRESSION_METRICS, X, V, [W, W[:, None], W.astype("float64")]),
    "flat numbers": (1, None, REGRESSION_LOSSES, ["mae", "mse"], X, V[:, 0], [W]),
    "binary": (1, "sigmoid", BINARY_LOSSES, BINARY_METRICS, X, BINARY, [W]),
    "classes": (3, "softmax", SPARSE_LOSSES, SPARSE_METRICS, X, C, [W, W[:, None]]),
    "class column": (3, "softmax", SPARSE_LOSSES, SPARSE_METRICS, X, C[:, None], [W]),
    "one-hot": (3, "softmax", ONE_HOT_LOSSES, ONE_HOT_METRICS, X, ONE_HOT, [W]),
    "class of each step": (3, "softmax", SPARSE_LOSSES[:2], SPARSE_METRICS[:3], STEPS, STEP_CLASSES, [STEP_W]),
    "number of each step": (1, None, REGRESSION_LOSSES, ["mae", "mse"], STEPS, STEP_VALUES, [STEP_W]),
}
DOUBLE = {"list": ("a", "b"), "dict": ("p", "q"), "subclassed list": None, "subclassed dict": ("z", "y")}


def build(k: Any, kind: str) -> Any:
    units, activation, _, _, x, *_ = SINGLE.get(kind, (0, None, None, None, X))
    inputs = k.Input(x.shape[1:])
    hidden, heads = k.layers.Dense(5, "tanh"), (k.layers.Dense(1, name="a"), k.layers.Dense(3, "softmax", name="b"))

    class Subclassed(k.Model):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.first, self.second = hidden, *heads

        def call(self, x: Any) -> Any:
            outputs = self.first(self.hidden(x)), self.second(self.hidden(x))
            return outputs if kind == "subclassed list" else dict(zip("zy", outputs))

    if kind in SINGLE:
        model = k.Model(inputs, k.layers.Dense(units, activation, name="out")(hidden(inputs)))
    elif kind in ("list", "dict"):
        outputs = [head(hidden(inputs)) for head in heads]
        model = k.Model(inputs, outputs if kind == "list" else dict(zip("pq", outputs)))
    else:
        model = Subclassed()
        model(x[:1])
    rng = np.random.default_rng(5)
    model.set_weights([rng.uniform(-0.3, 0.3, w.shape).astype("float32") for w in model.get_weights()])
    return model


def mapped(fn: Callable[[Any], Any], nest: Any) -> Any:
    if isinstance(nest, dict):
        return {key: mapped(fn, value) for key, value in nest.items()}
    return type(nest)(mapped(fn, value) for value in nest) if isinstance(nest, (list, tuple)) else fn(nest)


def draw(rng: np.random.Generator) -> dict[str, Any]:
    one = lambda choices: choices[rng.integers(len(choices))]  # noqa: E731
    some = lambda choices, least=0: [one(choices) for _ in range(rng.integers(least, 4))]  # noqa: E731
    kind, sample_weight, class_weight = one([*SINGLE, *DOUBLE]), None, None
    if kind in SINGLE:
        _, _, losses, metrics, x, y, weights = SINGLE[kind]
        loss = one(losses)
        arguments = {
            "loss": one([loss, loss, [loss], (loss,), {"out": loss}]),
            "metrics": one([metrics[:1], some(metrics), [some(metrics, 1)]]),
        }
        if rng.random() < 0.3:
            arguments["weighted_metrics"] = some(metrics)
        if rng.random() < 0.2:
            arguments["loss_weights"] = {"out": 0.5} if isinstance(arguments["loss"], dict) else one([0.5, [0.5]])
        if rng.random() < 0.4:
            sample_weight = one(weights)
        elif "class" in kind and x is X and rng.random() < 0.4:
            class_weight = {0: 1.0, 1: 2.0, 2: 0.5}
    else:
        x, names = X, DOUBLE[kind]
        sparse = rng.random() < 0.5
        pair: Any = [one([*REGRESSION_LOSSES, None]), one(SPARSE_LOSSES if sparse else ONE_HOT_LOSSES)]
        y = [V, C if sparse else ONE_HOT]
        metrics = [some(REGRESSION_METRICS), some(SPARSE_METRICS if sparse else ONE_HOT_METRICS)]
        by_name = names is not None and ("dict" in kind or rng.random() < 0.5)
        form = lambda values: dict(zip(names, values)) if by_name and names else one([list, tuple])(values)  # noqa: E731
        arguments = {"loss": form(pair), "metrics": form(metrics)}
        if pair[0] is not None and rng.random() < 0.3:
            arguments["loss_weights"] = type(arguments["loss"])(form([0.3, 2.0]) if by_name else [0.3, 2.0])
        y = dict(zip(names, y)) if "dict" in kind and names else y
        if rng.random() < 0.3:
            sample_weight = dict(zip(names, (W, W[::-1].copy()))) if "dict" in kind and names else [W, W[::-1].copy()]
    arguments["optimizer"] = one(
        ["sgd", lambda k: k.optimizers.SGD(0.05, momentum=0.9), {"class_name": "SGD", "config": {"learning_rate": 0.02}}]
    )
    return {
        "kind": kind, "arguments": arguments, "x": x, "y": y, "sample_weight": sample_weight, "class_weight": class_weight,
        "fit": {"epochs": int(one([1, 2])), "batch_size": one([None, 7, 20]), "validation": bool(rng.random() < 0.5)},
        "data": "arrays" if class_weight else one(["arrays", "arrays", "tensors", "generator", "loader", "PyDataset"]),
        "after": [one(["evaluate", "predict", "train_on_batch", "test_on_batch", "predict_on_batch"]) for _ in range(2)],
    }  # fmt: skip


def fit(k: Any, model: Any, s: dict[str, Any]) -> Any:
    x, y, weight, options = s["x"], s["y"], s["sample_weight"], dict(s["fit"])
    options = {**options, "shuffle": False, "verbose": 0, "class_weight": s["class_weight"]}
    if options.pop("validation"):
        options["validation_data"] = (x, y) if weight is None else (x, y, weight)
    parts = (x, y) if weight is None else (x, y, weight)
    if s["data"] in ("arrays", "tensors"):
        return model.fit(*(mapped(torch.tensor, p) if s["data"] == "tensors" else p for p in parts[:2]), sample_weight=weight, **options)
    size = options.pop("batch_size") or 8
    count = -(-N // size)
    batch = lambda i: tuple(mapped(lambda a: a[i * size : (i + 1) * size], p) for p in parts)  # noqa: E731
    if s["data"] == "generator":
        return model.fit((batch(i % count) for i in range(count * options["epochs"])), steps_per_epoch=count, **options)
    if s["data"] == "loader":
        rows = [tuple(mapped(lambda a, i=i: torch.tensor(a[i]), p) for p in parts) for i in range(N)]
        return model.fit(torch.utils.data.DataLoader(rows, batch_size=size), **options)

    class Numbered(k.utils.PyDataset):
        def __len__(self) -> int:
            return count

        def __getitem__(self, index: int) -> Any:
            return batch(index)

    return model.fit(Numbered(), **options)


def run(k: Any, s: dict[str, Any]) -> list[Any]:
    k.backend.clear_session()  # names count from the beginning
    model = build(k, s["kind"])
    model.compile(**mapped(lambda v: v(k) if callable(v) else v, s["arguments"]))
    history = fit(k, model, s)
    results: list[Any] = [history.history, history.epoch]
    for method in s["after"]:
        options: dict[str, Any] = {"verbose": 0} if "batch" not in method else {}
        if method.startswith("predict"):
            results.append(getattr(model, method)(s["x"], **options))
        else:
            for as_dict in (False, True):
                results.append(getattr(model, method)(s["x"], s["y"], sample_weight=s["sample_weight"], return_dict=as_dict, **options))
    return [*results, model.get_weights()]


def assert_same(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        ours, theirs = list(ours.values()), list(theirs.values())
    if isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs):
            assert_same(a, b)
    else:
        np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=1e-3, atol=1e-4)


def check(seed: int, refusable: bool) -> None:
    scenario = draw(np.random.default_rng(seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # both say that an output without a loss has no gradients, that fractions of weights are lost, …
        try:
            theirs = run(keras, scenario)
        except Exception:  # what Keras refuses says nothing; the seeds of the quick test it takes
            if not refusable:
                raise
            return
        ours = run(torchkeras, scenario)
    assert_same(ours, theirs)


@pytest.mark.parametrize("seed", range(24))
def test_drawn_programs(seed: int) -> None:
    check(seed, refusable=False)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 140))
def test_many_drawn_programs(seed: int) -> None:
    check(seed, refusable=True)
