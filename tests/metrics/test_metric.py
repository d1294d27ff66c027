"""The base of metrics: state, moves, reductions over processes, names, adapters, tracing and errors."""

import os
from typing import Any

import numpy as np
import pytest
import torch
import torchmetrics
from torch.fx.experimental.proxy_tensor import make_fx

import torchkeras
from tests import processes
from tests.oracle import keras
from torchkeras import losses, metrics
from torchkeras.distribution import reduce


class Largest(metrics.Metric):
    """A user's metric with states of every reduction."""

    def __init__(self, name: str = "largest", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.most = self.add_variable((), lambda shape, dtype: -np.inf, name="most", reduce="max")
        self.least = self.add_variable((2,), lambda shape, dtype: np.full(shape, 100.0), name="least", reduce="min")
        self.seen = self.add_weight(name="seen", initializer="zeros")
        self.average = metrics.Mean()

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.most.assign(torch.maximum(self.most, y_pred.max()))
        self.least.assign(torch.minimum(self.least, y_pred.min()))
        self.seen.assign_add(len(y_pred))
        self.average.update_state(y_pred)

    def result(self) -> dict[str, torch.Tensor]:
        return {"most": self.most.value, "least": self.least[0], "seen": self.seen.value, "average": self.average.result()}


def numbers(result: dict[str, torch.Tensor]) -> dict[str, float]:
    return {name: float(value) for name, value in result.items()}


def test_users_metric() -> None:
    metric = Largest()
    assert [v.path for v in metric.variables][:3] == ["largest/most", "largest/least", "largest/seen"]
    assert len(metric.variables) == 5
    assert metric.reductions == ["max", "min", "sum", "sum", "sum"]
    metric(torch.zeros(2), torch.tensor([1.0, 3.0]))
    assert numbers(metric.result()) == {"most": 3.0, "least": 1.0, "seen": 2.0, "average": 2.0}
    other = Largest()
    other(torch.zeros(1), torch.tensor([5.0]))
    metric.merge_state([other])
    assert numbers(metric.result()) == {"most": 5.0, "least": 1.0, "seen": 3.0, "average": 3.0}
    metric.reset_state()
    assert numbers(metric.result()) == {"most": -np.inf, "least": 100.0, "seen": 0.0, "average": 0.0}


def test_stateless() -> None:
    metric = metrics.Mean()
    state = metric.stateless_reset_state()
    state = metric.stateless_update_state(state, torch.tensor([1.0, 3.0]))
    state = metric.stateless_update_state(state, torch.tensor([5.0]))
    assert metric.stateless_result(state) == 3
    assert metric.result() == 0
    with pytest.raises(
        ValueError, match=r"`metric_variables` must hold the 2 states of the metric mean \(mean/total, mean/count\). Received: 1"
    ):
        metric.stateless_result(state[:1])


def test_state_is_restored_when_an_update_fails() -> None:
    metric = metrics.Precision()
    metric.update_state(torch.tensor([1, 0]), torch.tensor([0.9, 0.8]))
    before = [v.clone() for v in metric.state]
    with pytest.raises(ValueError, match="must have the same shape"):
        metric.stateless_update_state([torch.zeros(1), torch.zeros(1)], torch.zeros(3), torch.zeros(4))
    for now, then in zip(metric.state, before):
        assert torch.equal(now, then)


def test_updates_keep_no_gradient_graph() -> None:
    x = torch.randn(4, 3, requires_grad=True)
    for metric, y_true, y_pred in (
        (metrics.MeanSquaredError(), torch.rand(4, 3), x * 2),
        (metrics.RootMeanSquaredError(), torch.rand(4, 3), x * 2),
        (metrics.SparseCategoricalAccuracy(), torch.tensor([0, 1, 2, 0]), x * 2),
        (metrics.AUC(), torch.eye(4, 3), torch.sigmoid(x)),
        (metrics.F1Score(), torch.eye(4, 3), x * 2),
        (metrics.R2Score(), torch.rand(4, 3), x * 2),
    ):
        metric.update_state(y_true, y_pred)
        metric.update_state(y_true, y_pred, torch.ones(4))
        assert not any(v.requires_grad for v in metric.state), metric
        assert not metric.result().requires_grad
    mean = metrics.Mean()
    mean.update_state(x.sum(), 4)
    mean.update_state(x.sum())
    assert not mean.total.requires_grad


def test_result_is_no_view_of_the_state() -> None:
    for metric in (metrics.Sum(), metrics.TruePositives(thresholds=[0.2, 0.6])):
        arguments = (torch.ones(2),) if isinstance(metric, metrics.Sum) else (torch.ones(2), torch.ones(2))
        first = metric(*arguments)
        kept = first.clone()
        metric.update_state(*arguments)
        assert torch.equal(first, kept)


def test_moves_in_place() -> None:
    metric = metrics.Mean()
    total = metric.total
    metric.update_state(torch.tensor([3.0]))
    assert metric.to(torch.device("cpu")) is metric
    assert metric.total is total
    assert metric.result() == 3


def test_clone() -> None:
    metric = metrics.AUC(num_thresholds=7, curve="PR")
    metric.update_state(torch.tensor([1, 0]), torch.tensor([0.9, 0.8]))
    copy = metrics.clone_metric(metric)
    assert copy.get_config() == metric.get_config()
    assert copy.result() == 0
    assert [m.name for m in metrics.clone_metrics([metrics.Mean("a"), metrics.Mean("b")])] == ["a", "b"]


# -- names ----------------------------------------------------------------------------------------------------------------------------

SHAPES = [
    ((4,), (4, 1)), ((4, 1), (4, 1)), ((4,), (4, 10)), ((4, 1), (4, 10)), ((4, 10), (4, 10)), ((4, 5), (4, 5, 10)),
    ((4, 5, 1), (4, 5, 1)), ((4, 5, 1), (4, 5, 3)),
]  # fmt: skip


@pytest.mark.parametrize(("y_true", "y_pred"), SHAPES)
def test_accuracy_means_what_it_means_in_keras(y_true: tuple, y_pred: tuple) -> None:
    from keras.src.trainers.compile_utils import get_metric  # the rule is not public

    true, pred = np.zeros(y_true), np.random.rand(*y_pred)
    for name in ("accuracy", "acc"):
        theirs = get_metric(name, true, pred)
        ours = metrics.resolve(name, true, pred)
        assert (type(ours).__name__, ours.name) == (type(theirs).__name__.replace("MeanMetricWrapper", type(ours).__name__), theirs.name)
        assert ours._fn.__name__ == theirs._fn.__name__


def test_crossentropy_takes_logits_from_the_loss() -> None:
    true, pred = torch.tensor([0, 1]), torch.randn(2, 3)
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    for name in ("crossentropy", "ce"):
        metric = metrics.resolve(name, true, pred, loss)
        assert metric.name == name
        torch.testing.assert_close(metric(true, pred), loss(true, pred))


def test_resolve_names() -> None:
    true, pred = torch.zeros(3, 1), torch.zeros(3, 1)
    assert metrics.resolve("mse", true, pred).name == "mse"
    assert metrics.resolve("MAE", true, pred).name == "MAE"
    assert metrics.resolve(metrics.huber, true, pred).name == "huber"
    assert metrics.resolve(lambda a, b: a - b, true, pred).name == "lambda"
    assert metrics.resolve(None, true, pred) is None
    mine = metrics.AUC()
    assert metrics.resolve(mine, true, pred) is mine


def test_get() -> None:
    for name in ("mse", "MSE", "bce", "AUC", "auc", "cosine_proximity", "top_k_categorical_accuracy", "sparse_top_k_categorical_accuracy",
                 "accuracy", "kullback_leibler_divergence", "logcosh", "mean_absolute_error"):  # fmt: skip
        assert isinstance(metrics.get(name), metrics.Metric), name
    assert isinstance(metrics.get(metrics.Recall), metrics.Recall)
    assert metrics.get(None) is None
    assert metrics.get({"class_name": "MeanSquaredError", "config": {"name": "a"}}).name == "a"


# -- torchmetrics ---------------------------------------------------------------------------------------------------------------------


def test_torchmetrics_metric() -> None:
    metric = metrics.get(torchmetrics.Accuracy(task="multiclass", num_classes=3))
    assert metric.name == "multiclass_accuracy"
    own = metrics.SparseCategoricalAccuracy()
    for n in (4, 3):
        labels, scores = torch.randint(0, 3, (n, 1)), torch.rand(n, 3, requires_grad=True)
        metric.update_state(labels, scores)
        own.update_state(labels, scores)
    torch.testing.assert_close(metric.result(), own.result())
    copy = metrics.clone_metric(metric)
    metric.reset_state()
    copy.update_state(torch.tensor([0]), torch.eye(3)[:1])
    assert copy.result() == 1
    with pytest.raises(ValueError, match=r"`sample_weight` cannot be used with the metric multiclass_accuracy: torchmetrics takes none"):
        metric.update_state(labels, scores, torch.ones(3))
    with pytest.raises(ValueError, match=r"The metric multiclass_accuracy of torchmetrics.* has no config"):
        metric.get_config()


def test_adapter_takes_only_such_objects() -> None:
    with pytest.raises(ValueError, match=r"`metric` must have the methods update, compute and reset. Received: 3"):
        metrics.MetricAdapter(3)


# -- processes ------------------------------------------------------------------------------------------------------------------------


def _worker(rank: int, folder: str) -> None:
    torch.manual_seed(0)
    labels, scores = torch.randint(0, 3, (7,)), torch.rand(7, 3)
    part = slice(0, 4) if rank == 0 else slice(4, 7)
    found = {}
    for name, arguments, y_true in _SHARED:
        metric = getattr(metrics, name)(*arguments)
        y = torch.eye(3)[labels] if y_true == "one_hot" else labels
        metric.update_state(y[part], scores[part] if y_true != "labels" else scores[part].argmax(-1))
        local = metric.result()
        found[name] = metric.synced_result()
        assert torch.equal(metric.result(), local), name  # each process keeps its own
        metric.sync()
        torch.testing.assert_close(metric.result(), found[name])
    mine = Largest()
    mine.update_state(None, scores[part, 0])
    found["Largest"] = mine.synced_result()
    assert float(mine.result()["seen"]) == 4 - rank
    mixed = [torch.tensor([1.0 + rank]), torch.tensor(rank), torch.tensor([2.0 * rank]), torch.tensor([5.0 + rank])]
    reduce.all_reduce_(mixed, ["sum", "max", "mean", "none"])
    assert [float(t) for t in mixed] == [3.0, 1.0, 1.0, 5.0 + rank]
    torch.save(found, os.path.join(folder, f"{rank}.pt"))


_SHARED = [
    ("SparseCategoricalAccuracy", (), "sparse"), ("SparseCategoricalCrossentropy", (), "sparse"), ("AUC", (), "one_hot"),
    ("Precision", (), "one_hot"), ("F1Score", (), "one_hot"), ("R2Score", (), "one_hot"), ("MeanIoU", (3,), "labels"),
    ("RootMeanSquaredError", (), "one_hot"),
]  # fmt: skip


def test_two_processes_equal_one(tmp_path: Any) -> None:
    processes.run(_worker, 2, str(tmp_path))
    torch.manual_seed(0)
    labels, scores = torch.randint(0, 3, (7,)), torch.rand(7, 3)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    for name, arguments, y_true in _SHARED:
        y = torch.eye(3)[labels] if y_true == "one_hot" else labels
        whole = getattr(metrics, name)(*arguments)(y, scores if y_true != "labels" else scores.argmax(-1))
        torch.testing.assert_close(first[name], whole)
        torch.testing.assert_close(second[name], whole)
    mine = Largest()
    assert numbers(first["Largest"]) == pytest.approx(numbers(mine(None, scores[:, 0])))


def test_one_process_needs_no_message() -> None:
    tensor = torch.ones(2)
    reduce.all_reduce_([tensor], "sum")
    assert tensor.tolist() == [1, 1]
    assert reduce.all_reduce(tensor).tolist() == [1, 1]
    with pytest.raises(ValueError, match=r"`reductions` must be among 'sum', 'mean', 'min', 'max', 'none'. Received: 'product'"):
        reduce.all_reduce_([tensor], "product")
    with pytest.raises(ValueError, match=r"`reduction` must be one of 'sum', 'mean', 'min', 'max', 'none'. Received: 'product'"):
        reduce.combine_(tensor, [tensor], "product")


# -- tracing --------------------------------------------------------------------------------------------------------------------------

TRACED = [
    ("SparseCategoricalAccuracy", (), torch.tensor([0, 1, 2, 1]), torch.rand(4, 3)),
    ("SparseCategoricalCrossentropy", (), torch.tensor([0, 1, 2, 1]), torch.rand(4, 3)),
    ("CategoricalAccuracy", (), torch.eye(4, 3), torch.rand(4, 3)),
    ("BinaryAccuracy", (), torch.tensor([0, 1, 0, 1]), torch.rand(4, 1)),
    ("TopKCategoricalAccuracy", (2,), torch.eye(4, 3), torch.rand(4, 3)),
    ("AUC", (), torch.tensor([0, 1, 0, 1]), torch.rand(4)),
    ("Precision", (), torch.eye(4, 3), torch.rand(4, 3)),
    ("RecallAtPrecision", (0.5,), torch.eye(4, 3), torch.rand(4, 3)),
    ("F1Score", (), torch.eye(4, 3), torch.rand(4, 3)),
    ("R2Score", (), torch.rand(4, 3), torch.rand(4, 3)),
    ("MeanSquaredError", (), torch.rand(4, 3), torch.rand(4, 3)),
    ("RootMeanSquaredError", (), torch.rand(4, 3), torch.rand(4, 3)),
    ("PearsonCorrelation", (), torch.rand(4, 3), torch.rand(4, 3)),
    ("MeanIoU", (3,), torch.tensor([0, 1, 2, 1]), torch.tensor([0, 2, 2, 1])),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "y_true", "y_pred"), TRACED, ids=[t[0] for t in TRACED])
@pytest.mark.parametrize("weight", [None, torch.tensor([1.0, 2.0, 3.0, 4.0])], ids=["plain", "weighted"])
def test_updates_trace_as_one_graph(name: str, arguments: tuple, y_true: Any, y_pred: Any, weight: Any) -> None:
    torch._dynamo.reset()
    eager, traced = (getattr(metrics, name)(*arguments) for _ in range(2))
    for metric in (eager, traced):
        metric.update_state(y_true, y_pred, weight)  # makes what is made at the first batch
        metric.reset_state()
    compiled = torch.compile(traced.update_state, fullgraph=True, backend="eager")
    for _ in range(2):
        eager.update_state(y_true, y_pred, weight)
        compiled(y_true, y_pred, weight)
    torch.testing.assert_close(traced.result(), eager.result())


class _Plain(torch.overrides.TorchFunctionMode):
    """States as plain tensors, as the captured training step shows them to the tracer."""

    def __init__(self, state: list) -> None:
        super().__init__()
        self.plain = {id(v): v.detach() for v in state}

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        see = lambda v: self.plain.get(id(v), v)  # noqa: E731
        return func(*map(see, args), **{k: see(v) for k, v in (kwargs or {}).items()})


@pytest.mark.parametrize(("name", "arguments", "y_true", "y_pred"), TRACED, ids=[t[0] for t in TRACED])
def test_updates_are_captured_by_make_fx(name: str, arguments: tuple, y_true: Any, y_pred: Any) -> None:
    eager, traced = (getattr(metrics, name)(*arguments) for _ in range(2))
    for metric in (eager, traced):
        metric.update_state(y_true, y_pred)
        metric.reset_state()
    with _Plain(traced.state):
        graph = make_fx(lambda t, p: traced.update_state(t, p))(y_true, y_pred)
    traced.reset_state()
    for _ in range(2):
        eager.update_state(y_true, y_pred)
        graph(y_true, y_pred)
    torch.testing.assert_close(traced.result(), eager.result())


# -- bad input ------------------------------------------------------------------------------------------------------------------------


def test_variables_that_a_program_makes_are_state() -> None:
    def run(k: Any) -> list[Any]:
        class Counts(k.metrics.Metric):
            def __init__(self) -> None:
                super().__init__(name="counts")
                self.seen = k.Variable(np.zeros((), "float32"))
                self.more = {"a": k.Variable(np.ones(2, "float32"))}

            def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
                self.seen.assign(self.seen + 1)

            def result(self) -> Any:
                return self.seen + 0

        metric = Counts()
        metric.update_state([1], [1])
        found: list[Any] = [len(metric.variables), float(k.ops.convert_to_numpy(metric.result())), len(metric.stateless_reset_state())]
        metric.reset_state()
        return [*found, float(k.ops.convert_to_numpy(metric.result())), k.ops.convert_to_numpy(metric.more["a"]).tolist()]

    assert run(torchkeras) == run(keras)


def test_a_metric_of_the_name_of_a_file_is_the_function() -> None:
    assert float(metrics.hinge([[1.0, 0.0]], [[0.5, 0.5]])[0]) == 1.0


def test_unknown_name() -> None:
    with pytest.raises(ValueError, match=r"Unknown metric: 'acuracy'. Did you mean 'Accuracy'"):
        metrics.resolve("acuracy", torch.zeros(2, 1), torch.zeros(2, 1))


PROBABILISTIC = [
    ("AUC", (), "or pass `from_logits=True`"), ("Precision", (), "before the metric"), ("Recall", (), "before"),
    ("TruePositives", (), "before"), ("SensitivityAtSpecificity", (0.5,), "before"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "cure"), PROBABILISTIC)
def test_logits_where_probabilities_are_due(name: str, arguments: tuple, cure: str) -> None:
    """Keras's number, with a warning that Keras lacks."""
    metric, theirs = getattr(metrics, name)(*arguments), getattr(keras.metrics, name)(*arguments)
    for m in (metric, theirs):
        m.update_state(np.array([0, 1]), np.array([-2.0, 3.0], "float32"))
    message = rf"`y_pred` of the metric \w+ must hold probabilities .* Received: values from -2 to 3\..*({cure})"
    with pytest.warns(UserWarning, match=message):
        result = metric.result()
    assert float(result) == float(theirs.result())
    metric.result()  # said once


def test_logits_are_welcome_where_asked_for() -> None:
    y_true, y_pred = torch.tensor([0, 1, 1]), torch.tensor([-2.0, 3.0, 0.5])
    assert metrics.AUC(from_logits=True)(y_true, y_pred) == keras.metrics.AUC(from_logits=True)(y_true.numpy(), y_pred.numpy())
    assert metrics.BinaryAccuracy(threshold=0.0)(y_true, y_pred) == 1


@pytest.mark.parametrize("labels", [([0, 1, 5, 1], [0, 1, 1, 0]), ([0, 1, 1, 1], [0, 1, -1, 0])])
def test_labels_out_of_range_do_not_count(labels: tuple) -> None:
    """As in Keras, which is silent about them."""
    metric, theirs = metrics.MeanIoU(3), keras.metrics.MeanIoU(3)
    for m in (metric, theirs):
        m.update_state(*labels)
    outside = 5 if 5 in labels[0] else -1
    message = rf"must hold labels from 0 to 2; others do not count. Received: label {outside}. Raise `num_classes`, or pass `ignore_class`"
    with pytest.warns(UserWarning, match=message):
        assert float(metric.result()) == pytest.approx(float(theirs.result()))
    assert float(metric.result()) == pytest.approx(float(theirs.result()))  # one warning


def test_boolean_one_hot_labels_of_an_iou() -> None:
    y_true, y_pred = np.eye(3)[[0, 2, 1]], np.eye(3)[[0, 1, 1]] * 0.5
    expected = keras.metrics.OneHotMeanIoU(3)(y_true, y_pred)
    assert float(metrics.OneHotMeanIoU(3)(y_true > 0, y_pred)) == pytest.approx(float(expected))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("MeanSquaredError", ()), ("CategoricalAccuracy", ()), ("AUC", ()), ("F1Score", ()), ("R2Score", ()), ("PearsonCorrelation", ())],
)
def test_shapes_that_differ(name: str, arguments: tuple) -> None:
    with pytest.raises(
        ValueError, match=r"`y_true` and `y_pred` must have the same shape.*y_true of shape \(4, 3\), y_pred of shape \(4, 2\)"
    ):
        getattr(metrics, name)(*arguments).update_state(torch.rand(4, 3), torch.rand(4, 2))


def test_other_shapes() -> None:
    with pytest.raises(
        ValueError, match=r"`y_true` must hold one integer label per sample: shape \(4,\).*Received: y_true of shape \(4, 3\)"
    ):
        metrics.SparseCategoricalAccuracy().update_state(torch.eye(4, 3), torch.rand(4, 3))
    with pytest.raises(ValueError, match=r"`y_pred` must have the shape \(batch, labels\) with `multi_label=True`. Received: shape \(4,\)"):
        metrics.AUC(multi_label=True).update_state(torch.zeros(4), torch.zeros(4))
    with pytest.raises(ValueError, match=r"must hold the same number of labels. Received: y_true of shape \(4,\), y_pred of shape \(3,\)"):
        metrics.MeanIoU(3).update_state(torch.zeros(4), torch.zeros(3))
    f1 = metrics.F1Score()
    f1.update_state(torch.rand(4, 3), torch.rand(4, 3))
    with pytest.raises(ValueError, match=r"`y_pred` must have the 3 classes of earlier batches. Received: shape \(4, 2\)"):
        f1.update_state(torch.rand(4, 2), torch.rand(4, 2))
    with pytest.raises(ValueError, match=r"`sample_weight` must have one entry per sample.*Received: sample_weight of shape \(3,\)"):
        metrics.MeanSquaredError().update_state(torch.rand(4, 2), torch.rand(4, 2), torch.ones(3))
    with pytest.raises(
        ValueError, match=r"`metrics` must be Mean metrics with state of the shapes \[\(\), \(\)\]. Received: Sum with \[\(\)\]"
    ):
        metrics.Mean().merge_state([metrics.Sum()])


SETTINGS = [
    ("AUC", {"num_thresholds": 1}, r"`num_thresholds` must be an integer above 1. Received: num_thresholds=1"),
    ("AUC", {"curve": "x"}, r"`curve` must be one of 'ROC', 'PR', 'PRGAIN'. Received: curve='x'"),
    ("AUC", {"summation_method": "x"}, r"`summation_method` must be one of .* Received: summation_method='x'"),
    ("AUC", {"num_labels": 3}, r"`num_labels` goes with `multi_label=True` only. Received: num_labels=3"),
    ("AUC", {"multi_label": True, "num_labels": 3, "label_weights": [1.0]}, r"`label_weights` must have one entry for each of the 3"),
    ("Precision", {"thresholds": [0.5, 1.5]}, r"`thresholds` must lie between 0 and 1. Received: \[1.5\]"),
    ("Recall", {"top_k": 0}, r"`top_k` must be a positive integer. Received: top_k=0"),
    ("PrecisionAtRecall", {"recall": 2.0}, r"`recall` must lie between 0 and 1. Received: recall=2.0"),
    ("RecallAtPrecision", {"precision": 0.5, "num_thresholds": 0}, r"`num_thresholds` must be a positive integer"),
    ("F1Score", {"average": "x"}, r"`average` must be one of None, 'micro', 'macro', 'weighted'. Received: average='x'"),
    ("F1Score", {"threshold": 2.0}, r"`threshold` must be a float above 0 and at most 1, or None. Received: threshold=2.0"),
    ("FBetaScore", {"beta": -1.0}, r"`beta` must be a positive float. Received: beta=-1.0"),
    ("R2Score", {"class_aggregation": "x"}, r"`class_aggregation` must be one of .* Received: class_aggregation='x'"),
    ("R2Score", {"num_regressors": -1}, r"`num_regressors` must not be negative. Received: num_regressors=-1"),
    ("IoU", {"num_classes": 3, "target_class_ids": [5]}, r"`target_class_ids` must lie from 0 to 2. Received: 5"),
    ("MeanIoU", {"num_classes": 0}, r"`num_classes` must be a positive integer. Received: num_classes=0"),
    ("TopKCategoricalAccuracy", {"k": 0}, r"`k` must be a positive integer. Received: k=0"),
    ("BinaryAccuracy", {"threshold": "x"}, r"`threshold` must be a number. Received: threshold='x'"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kwargs", "message"), SETTINGS)
def test_settings_out_of_range(name: str, kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        getattr(metrics, name)(**kwargs)


def test_class_beyond_the_predictions() -> None:
    with pytest.raises(ValueError, match=r"`class_id` must be a class of `y_pred`, below 3. Received: class_id=5"):
        metrics.Recall(class_id=5).update_state(torch.eye(3), torch.rand(3, 3))


def test_unknown_reduction() -> None:
    with pytest.raises(ValueError, match=r"`reduce` must be one of 'sum', 'mean', 'min', 'max', 'none'. Received: reduce='product'"):
        metrics.Mean().add_variable((), "zeros", reduce="product")


def test_what_subclasses_must_write() -> None:
    class Empty(metrics.Metric):
        pass

    with pytest.raises(NotImplementedError, match="Empty must write an `update_state` method"):
        Empty()(torch.zeros(1))
    with pytest.raises(NotImplementedError, match="Empty must write a `result` method"):
        Empty().result()
