"""What real Keras takes, with Keras's effect: each row runs in both libraries, and logs, their order, and weights must agree."""

import numpy as np
import pytest
import torch

import torchkeras
from tests.models.common import both
from tests.oracle import keras as oracle

pytestmark = [
    pytest.mark.filterwarnings("ignore:Gradients do not exist", "ignore:.*does not have gradients"),  # of an output without a loss
    pytest.mark.filterwarnings("ignore:Your input ran out of data"),  # an epoch may end before its steps, as in Keras
]
rng = np.random.default_rng(3)
X = rng.normal(size=(40, 6)).astype("float32")
V = rng.normal(size=(40, 1)).astype("float32")
C = rng.integers(0, 3, 40)
W = rng.random(40).astype("float32")
ONE_HOT = np.eye(3, dtype="float32")[C]
SPARSE = "sparse_categorical_crossentropy"


def mlp(units=1, activation=None):
    def build(k):
        i = k.Input((6,), name="in")
        h = k.layers.Dense(8, activation="relu", name="h")(i)
        return k.Model(i, k.layers.Dense(units, activation=activation, name="out")(h))

    return build


def two(k):
    i = k.Input((6,))
    h = k.layers.Dense(8, activation="relu", name="h")(i)
    return k.Model(i, [k.layers.Dense(1, name="a")(h), k.layers.Dense(3, activation="softmax", name="b")(h)])


def two_named(k):
    i = k.Input((6,))
    h = k.layers.Dense(8, activation="relu", name="h")(i)
    return k.Model(i, {"p": k.layers.Dense(1, name="a")(h), "q": k.layers.Dense(3, activation="softmax", name="b")(h)})


def numbers(value):
    if isinstance(value, dict):
        return {k: numbers(v) for k, v in value.items()}
    return [x for v in value for x in numbers(v)] if isinstance(value, (list, tuple)) else [float(x) for x in np.ravel(value)]


def assert_equal(a, b):
    if isinstance(b, dict):
        assert list(a) == list(b)
        a, b = [x for v in a.values() for x in v], [x for v in b.values() for x in v]
    np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5)


def same_run(build, compile_with, *data, on_batch=False, **fit):
    """Compile, fit and evaluate in both libraries and compare everything that comes back."""
    pair = both(build)
    seen = []
    for k, model in zip((torchkeras, oracle), pair):
        model.compile(**{"optimizer": "sgd", **(compile_with(k) if callable(compile_with) else compile_with)})
        given = [d(k) if callable(d) else d for d in data]
        history = model.fit(*given, **{"shuffle": False, "verbose": 0, **fit})
        results = [numbers(history.history)]
        if on_batch:
            results += [numbers(model.evaluate(*given, verbose=0)), numbers(model.evaluate(*given, verbose=0, return_dict=True))]
            results += [numbers(model.train_on_batch(*given)), numbers(model.train_on_batch(*given, return_dict=True))]
            results += [numbers(model.test_on_batch(*given, return_dict=True))]
        seen.append((results, list(history.epoch), [np.asarray(w) for w in model.get_weights()]))
    (ours, our_epochs, our_weights), (theirs, their_epochs, their_weights) = seen
    assert our_epochs == their_epochs
    for a, b in zip(ours, theirs):
        assert_equal(a, b)
    for a, b in zip(our_weights, their_weights):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5)


MSE = {"loss": "mse", "metrics": ["mae"]}


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (X.astype("float64"), V.astype("float64")),
        (X.astype("float16"), V.astype("float16")),
        ((X * 10).astype("uint8"), V),
        (X > 0, V),
        (X, V[:, 0]),
        (X, C),
        (X, V > 0),
        (X, V[:, :, None]),
        (X[::-1], V[::-1]),
        (torch.tensor(X), torch.tensor(V)),
    ],
    ids=["float64", "float16", "uint8", "bool_x", "flat_y", "int_y", "bool_y", "y_3d", "reversed", "tensors"],
)
def test_kinds_of_arrays(x, y):
    same_run(mlp(), MSE, x, y, on_batch=True)


@pytest.mark.parametrize("kind", [bool, int, "float64"])
@pytest.mark.parametrize("metric", ["accuracy", "AUC", "F1Score", "Precision", "categorical_accuracy"])
def test_one_hot_targets_of_any_type(kind, metric):
    same_run(mlp(3, "softmax"), {"loss": "categorical_crossentropy", "metrics": [metric]}, X, ONE_HOT.astype(kind), on_batch=True)


@pytest.mark.parametrize(
    "arguments",
    [
        {"epochs": np.int64(2)},
        {"epochs": True},
        {"epochs": 4, "initial_epoch": np.int32(2)},
        {"epochs": 2, "initial_epoch": 5},
        {"steps_per_epoch": np.int64(2), "batch_size": 16},
        {"steps_per_epoch": 2, "batch_size": 16, "epochs": 3},
        {"verbose": None},
        {"verbose": False},
        {"verbose": np.int64(0)},
        {"shuffle": None},
        {"validation_split": 0.25, "epochs": 2},
        {"validation_data": [X, V], "validation_freq": [1, 3], "epochs": 3},
        {"validation_data": (X, V, W), "validation_batch_size": 7, "validation_steps": 2},
        {"sample_weight": W[:, None]},
        {"sample_weight": W.astype("float64")},
        {"sample_weight": W > 0.5},
        {"class_weight": {}},
    ],
    ids=lambda value: str(value)[:60].replace("\n", ""),
)
def test_arguments_of_fit(arguments):
    same_run(mlp(), MSE, X, V, **arguments)


@pytest.mark.parametrize("weights", [{1: 2.0}, {np.int64(0): 1.0, np.int64(1): 3}, {0: 1, 1: 2, 2: 3, 9: 1}])
@pytest.mark.parametrize("targets", [C, C[:, None], ONE_HOT, ONE_HOT.astype(int)], ids=["flat", "column", "one_hot", "int_one_hot"])
def test_class_weights(weights, targets):
    loss = SPARSE if targets.shape[-1] != 3 else "categorical_crossentropy"
    same_run(mlp(3, "softmax"), {"loss": loss, "weighted_metrics": ["accuracy"]}, X, targets, class_weight=weights)


def generator(k):
    return ((X[i % 40 : i % 40 + 8], V[i % 40 : i % 40 + 8]) for i in range(0, 160, 8))


def loader(k):
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(V)), batch_size=8)


def py_dataset(k):
    class Numbered(k.utils.PyDataset):
        def __len__(self):
            return 5

        def __getitem__(self, index):
            return X[index * 8 : index * 8 + 8], V[index * 8 : index * 8 + 8]

    return Numbered()


def endless(k):
    class Endless(k.utils.PyDataset):
        num_batches = None

        def __getitem__(self, index):
            return X[index % 5 * 8 : index % 5 * 8 + 8], V[index % 5 * 8 : index % 5 * 8 + 8]

    return Endless()


@pytest.mark.filterwarnings("ignore:.*`batch_size` has no effect", "ignore:Your .PyDataset. class should call")
@pytest.mark.parametrize("arguments", [{}, {"batch_size": 4}, {"steps_per_epoch": 3, "epochs": 2}], ids=lambda value: str(value)[:60])
@pytest.mark.parametrize("source", [generator, loader, py_dataset, endless])
def test_sources_of_batches(source, arguments):
    if source in (endless, generator):
        arguments = {"steps_per_epoch": 4, "epochs": 2, **arguments}
    same_run(mlp(), MSE, source, **arguments)


@pytest.mark.parametrize(
    "nests",
    [
        {"loss": ["mse", SPARSE]},
        {"loss": ("mse", SPARSE)},
        {"loss": {"a": "mse", "b": SPARSE}},
        {"loss": [["mse"], [SPARSE]]},
        {"loss": ["mse", None]},
        {"loss": [None, SPARSE]},
        {"loss": {"a": "mse", "b": None}},
        {"loss": "mse"},
        {"loss": ["mse", SPARSE], "loss_weights": [0.5, 2]},
        {"loss": ["mse", SPARSE], "loss_weights": {"a": 0.5, "b": 2}},
        {"loss": {"a": "mse", "b": SPARSE}, "loss_weights": [0.5, 2]},
        {"loss": ["mse", SPARSE], "loss_weights": [None, 2]},
        {"loss": ["mse", SPARSE], "metrics": [["mae"], ["accuracy"]]},
        {"loss": ["mse", SPARSE], "metrics": ["mae", "accuracy"]},
        {"loss": ["mse", SPARSE], "metrics": [None, ["accuracy"]]},
        {"loss": ["mse", SPARSE], "metrics": {"a": "mae", "b": ["accuracy", SPARSE]}},
        {"loss": ["mse", SPARSE], "metrics": {"b": ("accuracy",)}},
        {"loss": ["mse", SPARSE], "metrics": []},
        {"loss": ["mse", SPARSE], "weighted_metrics": {"b": "accuracy"}, "metrics": {"b": "accuracy", "a": ["mse"]}},
    ],
    ids=lambda value: str(value)[:60].replace("\n", ""),
)
@pytest.mark.parametrize("named", [False, True])
def test_nests_of_losses_metrics_and_weights(nests, named):
    targets = [V, V if nests["loss"] == "mse" else C]
    if nests["loss"] == "mse":
        targets[1] = ONE_HOT
    if not named:
        same_run(two, nests, X, targets, on_batch=True, batch_size=16)
        return same_run(two, nests, X, dict(zip("ab", targets)), batch_size=16)
    if nests["loss"] == [["mse"], [SPARSE]]:  # Keras raises
        return None
    other = {"a": "p", "b": "q"}
    nests = {k: {other[n]: v for n, v in nest.items()} if isinstance(nest, dict) else nest for k, nest in nests.items()}
    return same_run(two_named, nests, X, dict(zip("pq", targets)), on_batch=True, batch_size=16)


@pytest.mark.parametrize("targets", [[V, None], V], ids=["none", "one"])
def test_targets_may_lack_for_an_output_without_a_loss(targets):
    same_run(two, {"loss": ["mse", None]}, X, targets)


def test_a_short_list_of_losses_trains_the_first_outputs():
    with pytest.warns(UserWarning, match="`loss` has 1 entries for 2 outputs: nothing is trained for 'b'"):
        same_run(two, {"loss": ["mse"]}, X, [V, C])


def absolute(y, p):
    return abs(y - p)


@pytest.mark.parametrize(
    "arguments",
    [
        lambda k: {"loss": absolute},
        lambda k: {"loss": k.losses.Huber(0.3)},
        lambda k: {"loss": k.losses.Huber},
        lambda k: {"loss": k.losses.mean_absolute_error},
        lambda k: {"loss": {"out": "mse"}},
        lambda k: {"loss": ["mse"], "loss_weights": [0.5]},
        lambda k: {"loss": "MSE", "optimizer": "SGD", "metrics": ["MAE"]},
        lambda k: {"loss": "mse", "metrics": [k.metrics.MeanAbsoluteError]},
        lambda k: {"loss": "mse", "metrics": [k.losses.MeanSquaredError()]},
        lambda k: {"loss": "mse", "metrics": [k.losses.mean_squared_error]},
        lambda k: {"loss": "mse", "metrics": {"out": ["mae", "mse"]}},
        lambda k: {"loss": "mse", "metrics": [["mae", "mse"]]},
        lambda k: {"loss": "mse", "metrics": ("mae", k.metrics.RootMeanSquaredError(name="r"))},
        lambda k: {"loss": "mse", "optimizer": {"class_name": "Adam", "config": {"learning_rate": 0.1}}},
        lambda k: {"loss": "mse", "metrics": [k.metrics.CosineSimilarity(), k.metrics.R2Score()]},
    ],
)
def test_kinds_of_losses_metrics_and_optimizers(arguments):
    same_run(mlp(), arguments, X, V, on_batch=True)


@pytest.mark.parametrize("hook", ["epoch_begin", "train_batch_begin", "train_begin", "test_begin", "test_batch_begin", "predict_begin"])
def test_every_hook_receives_logs(hook):
    def received(k, model):
        found = []
        callback = k.callbacks.Callback()
        setattr(callback, f"on_{hook}", (lambda batch, logs: found.append(logs)) if "batch" in hook or "epoch" in hook else found.append)
        model.compile("sgd", "mse")
        model.fit(X, V, validation_data=(X, V), callbacks=[callback], verbose=0)
        model.predict(X, callbacks=[callback], verbose=0)
        return found

    ours, theirs = (received(k, model) for k, model in zip((torchkeras, oracle), both(mlp())))
    assert ours == theirs and ours


def test_callbacks_see_sorted_names_and_the_bar_says_the_loss_first(capsys):
    model = mlp()(torchkeras)
    model.compile("sgd", "mse", metrics=["mae", "acc"])
    history = model.fit(X, V, validation_data=(X, V), verbose=2)
    assert list(history.history) == ["acc", "loss", "mae", "val_acc", "val_loss", "val_mae"]
    line = capsys.readouterr().out
    places = [line.index(f" - {name}: ") for name in ("loss", "acc", "mae", "val_loss", "val_acc", "val_mae")]
    assert places == sorted(places)
