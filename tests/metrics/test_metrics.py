"""Every metric against real Keras: several batches, weights, masks, configs, state; merged, reset and without side effects."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.oracle import keras
from torchkeras import metrics

F32 = {"width": 32, "allow_subnormal": False}
REAL = st.floats(-5, 5, **F32)
POSITIVE = st.floats(0.125, 5, **F32)
UNIT = st.floats(0, 1, **F32)
INNER = st.floats(0.015625, 0.984375, **F32)
COARSE = st.sampled_from([0.0, 0.25, 0.3, 0.5, 0.7, 0.75, 1.0])  # with values at thresholds
QUARTERS = st.integers(-16, 16).map(lambda i: i / 4)  # whose sums are exact: constant targets have a variance of 0
BITS = st.sampled_from([0.0, 1.0])
WEIGHTS = st.sampled_from([0.25, 0.5, 1.0, 2.0, 3.0])  # whose sums are exact: a rate that just reaches a bound reaches it
FEW = settings(max_examples=8, deadline=None)
MANY = settings(max_examples=200, deadline=None)


@st.composite
def pairs(draw: Any, true: Any = REAL, pred: Any = REAL, rank: int = 2, last: int | None = None) -> list[tuple]:
    """Two or three batches of different sizes, of one row shape."""
    row = (3, 4)[: rank - 1] if last is None else (last,)
    sizes = draw(st.sampled_from([(4, 4, 1), (3, 2)]))
    return [(draw(hnp.arrays(np.float32, (n, *row), elements=true)), draw(hnp.arrays(np.float32, (n, *row), elements=pred))) for n in sizes]


@st.composite
def labelled(draw: Any, pred: Any = INNER, one_hot: bool = False, steps: bool = False) -> list[tuple]:
    batches = []
    for n in draw(st.sampled_from([(4, 4, 1), (3, 2)])):
        shape = (n, 3) if steps else (n,)
        labels = draw(hnp.arrays(np.int64, shape, elements=st.integers(0, 4)))
        scores = draw(hnp.arrays(np.float32, (*shape, 5), elements=pred))
        batches.append((np.eye(5, dtype=np.float32)[labels] if one_hot else labels, scores))
    return batches


@st.composite
def segmented(draw: Any) -> list[tuple]:
    labels = hnp.arrays(np.int64, (3, 4), elements=st.integers(0, 3))
    return [(draw(labels), draw(labels)) for _ in range(2)]


BINARY = pairs(BITS, COARSE)
VECTOR = pairs(BITS, COARSE, rank=1)
ONE_HOT = labelled(one_hot=True)
# metric, its arguments, what it is drawn on, and whether weights go with it
CASES: list[tuple[str, dict[str, Any], Any, bool]] = [
    ("MeanSquaredError", {}, pairs(), True),
    ("MeanSquaredError", {}, pairs(rank=3), True),
    ("MeanAbsoluteError", {}, pairs(), True),
    ("MeanAbsolutePercentageError", {}, pairs(POSITIVE, REAL), True),
    ("MeanSquaredLogarithmicError", {}, pairs(POSITIVE, POSITIVE), True),
    ("RootMeanSquaredError", {}, pairs(), True),
    ("LogCoshError", {}, pairs(), True),
    ("CosineSimilarity", {}, pairs(POSITIVE, POSITIVE), True),
    ("KLDivergence", {}, pairs(INNER, INNER), True),
    ("Poisson", {}, pairs(POSITIVE, POSITIVE), True),
    ("Hinge", {}, pairs(), True),
    ("SquaredHinge", {}, pairs(BITS, REAL), True),
    ("CategoricalHinge", {}, ONE_HOT, True),
    ("ConcordanceCorrelation", {}, pairs(POSITIVE, POSITIVE, last=6), True),
    ("Accuracy", {}, pairs(BITS, BITS, rank=1), True),
    ("BinaryAccuracy", {}, BINARY, True),
    ("BinaryAccuracy", {"threshold": 0.25}, VECTOR, True),
    ("CategoricalAccuracy", {}, ONE_HOT, True),
    ("SparseCategoricalAccuracy", {}, labelled(), True),
    ("SparseCategoricalAccuracy", {}, labelled(steps=True), True),
    ("TopKCategoricalAccuracy", {"k": 2}, ONE_HOT, True),
    ("SparseTopKCategoricalAccuracy", {"k": 3}, labelled(), True),
    ("BinaryCrossentropy", {"label_smoothing": 0.25}, pairs(BITS, INNER), True),
    ("CategoricalCrossentropy", {"from_logits": True}, labelled(REAL, one_hot=True), True),
    ("SparseCategoricalCrossentropy", {}, labelled(), True),
    ("TruePositives", {}, BINARY, True),
    ("FalsePositives", {"thresholds": [0.25, 0.7]}, BINARY, True),
    ("TrueNegatives", {"thresholds": 0.3}, BINARY, True),
    ("FalseNegatives", {}, VECTOR, True),
    ("Precision", {}, BINARY, True),
    ("Precision", {"thresholds": [0.25, 0.5, 0.7]}, VECTOR, True),
    ("Precision", {"top_k": 2}, labelled(one_hot=True), True),
    ("Recall", {}, BINARY, True),
    ("Recall", {"top_k": 1, "class_id": 1}, labelled(one_hot=True), True),
    ("Recall", {"class_id": 2, "thresholds": 0.3}, BINARY, True),
    ("SensitivityAtSpecificity", {"specificity": 0.5}, BINARY, True),
    ("SpecificityAtSensitivity", {"sensitivity": 0.75, "num_thresholds": 5}, BINARY, True),
    ("PrecisionAtRecall", {"recall": 0.5, "num_thresholds": 1}, BINARY, True),
    ("RecallAtPrecision", {"precision": 0.25, "class_id": 0}, BINARY, True),
    ("AUC", {}, BINARY, True),
    ("AUC", {"num_thresholds": 5, "summation_method": "minoring"}, VECTOR, True),
    ("AUC", {"curve": "PR"}, BINARY, True),
    ("AUC", {"curve": "PR", "summation_method": "majoring", "num_thresholds": 21}, BINARY, True),
    ("AUC", {"curve": "PRGAIN"}, BINARY, True),
    ("AUC", {"thresholds": [0.3, 0.6]}, BINARY, True),
    ("AUC", {"multi_label": True, "num_thresholds": 11}, BINARY, True),
    ("AUC", {"multi_label": True, "curve": "PR", "num_labels": 3}, BINARY, True),
    ("AUC", {"from_logits": True}, pairs(BITS, REAL), True),
    ("F1Score", {}, ONE_HOT, True),
    ("F1Score", {"average": "weighted", "threshold": 0.5}, BINARY, True),
    ("FBetaScore", {"average": "micro", "beta": 2.0}, ONE_HOT, True),
    ("FBetaScore", {"average": "macro", "beta": 0.5, "threshold": 0.3}, BINARY, True),
    ("R2Score", {}, pairs(QUARTERS, QUARTERS), True),
    ("R2Score", {"class_aggregation": None}, pairs(QUARTERS, QUARTERS), True),
    ("R2Score", {"class_aggregation": "variance_weighted_average"}, pairs(QUARTERS, QUARTERS), True),
    ("R2Score", {"num_regressors": 1}, pairs(QUARTERS, QUARTERS, last=1), False),
    ("IoU", {"num_classes": 4, "target_class_ids": [0, 2]}, segmented(), False),
    ("IoU", {"num_classes": 5, "target_class_ids": [4], "dtype": "float32"}, segmented(), False),
    ("MeanIoU", {"num_classes": 4}, segmented(), False),
    ("MeanIoU", {"num_classes": 4, "ignore_class": 1}, segmented(), False),
    ("BinaryIoU", {"threshold": 0.3}, BINARY, False),
    ("OneHotIoU", {"num_classes": 5, "target_class_ids": [1, 2]}, ONE_HOT, False),
    ("OneHotMeanIoU", {"num_classes": 5, "dtype": "float32"}, ONE_HOT, True),
]
IDS = [f"{i}-{name}" for i, (name, *_) in enumerate(CASES)]


def number(value: Any) -> np.ndarray:
    return value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


def close(actual: Any, expected: Any, tolerance: float = 2e-5) -> None:
    actual, expected = number(actual), number(expected)
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def tensors(batch: tuple) -> list[torch.Tensor]:
    return [torch.tensor(x) for x in batch]


def check_case(name: str, kwargs: dict[str, Any], batches: list[tuple]) -> None:
    ours, theirs = getattr(metrics, name)(**kwargs), getattr(keras.metrics, name)(**kwargs)
    for batch in batches:
        ours.update_state(*tensors(batch))
        theirs.update_state(*batch)
        close(ours.result(), theirs.result())
    whole = ours.result()
    states = [(v.name, tuple(v.shape), keras.backend.standardize_dtype(v.dtype)) for v in theirs.variables]
    assert [(v.name, tuple(v.shape), str(v.dtype).removeprefix("torch.")) for v in ours.variables] == states
    parts = [getattr(metrics, name)(**kwargs) for _ in batches]
    for part, batch in zip(parts, batches):
        part.update_state(*tensors(batch))
    parts[0].merge_state(parts[1:])
    close(parts[0].result(), whole)
    before = [v.clone() for v in ours.variables]
    state = ours.stateless_update_state([torch.zeros_like(v) for v in ours.variables], *tensors(batches[-1]))
    for v, b in zip(ours.variables, before):
        assert torch.equal(v, b)
    ours.reset_state()
    ours.update_state(*tensors(batches[-1]))
    close(ours.stateless_result(state), ours.result())
    close(ours.synced_result(), ours.result())


@pytest.mark.parametrize(("name", "kwargs", "strategy", "weighted"), CASES, ids=IDS)
@given(data=st.data())
@FEW
def test_as_keras(name: str, kwargs: dict[str, Any], strategy: Any, weighted: bool, data: st.DataObject) -> None:
    check_case(name, kwargs, with_weights(data, strategy, weighted))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kwargs", "strategy", "weighted"), CASES, ids=IDS)
@given(data=st.data())
@MANY
def test_as_keras_swept(name: str, kwargs: dict[str, Any], strategy: Any, weighted: bool, data: st.DataObject) -> None:
    check_case(name, kwargs, with_weights(data, strategy, weighted))


def with_weights(data: st.DataObject, strategy: Any, weighted: bool) -> list[tuple]:
    batches = data.draw(strategy)
    if weighted and data.draw(st.booleans()):
        return [(*b, data.draw(hnp.arrays(np.float32, (len(b[1]),), elements=WEIGHTS))) for b in batches]
    return batches


ARGUMENTS: dict[str, tuple] = {
    "IoU": (3, [0]), "MeanIoU": (3,), "OneHotIoU": (3, [0]), "OneHotMeanIoU": (3,), "PrecisionAtRecall": (0.5,),
    "RecallAtPrecision": (0.5,), "SensitivityAtSpecificity": (0.5,), "SpecificityAtSensitivity": (0.5,),
}  # fmt: skip
NAMES = sorted(n for n in dir(keras.metrics) if isinstance(getattr(keras.metrics, n), type) and n not in ("Metric", "MeanMetricWrapper"))


@pytest.mark.parametrize("name", NAMES)
def test_config_as_keras(name: str) -> None:
    arguments = ARGUMENTS.get(name, ())
    ours, theirs = getattr(metrics, name)(*arguments, name="m"), getattr(keras.metrics, name)(*arguments, name="m")
    assert metrics.serialize(ours) == keras.metrics.serialize(theirs)
    again = metrics.deserialize(keras.metrics.serialize(theirs))
    assert type(again) is type(ours)
    assert again.get_config() == ours.get_config()
    assert [tuple(v.shape) for v in again.variables] == [tuple(v.shape) for v in theirs.variables]


@pytest.mark.parametrize("name", NAMES)
def test_default_name_as_keras(name: str) -> None:
    keras.backend.clear_session()
    expected = getattr(keras.metrics, name)(*ARGUMENTS.get(name, ())).name
    actual = getattr(metrics, name)(*ARGUMENTS.get(name, ())).name
    assert actual.rstrip("_0123456789") == expected.rstrip("_0123456789")


def test_wrapper_as_keras() -> None:
    ours = metrics.MeanMetricWrapper(metrics.huber, name="w", delta=0.5)
    theirs = keras.metrics.MeanMetricWrapper(keras.metrics.huber, name="w", delta=0.5)
    assert ours.get_config() == theirs.get_config()
    y_true, y_pred = np.random.rand(2, 4, 3).astype("float32")
    close(ours(y_true, y_pred), theirs(y_true, y_pred))
    again = metrics.MeanMetricWrapper.from_config(ours.get_config())
    close(again(y_true, y_pred), ours.result())


VALUES = {"vector": (4,), "matrix": (4, 3), "steps": (4, 3, 2)}


@pytest.mark.parametrize("name", ["Mean", "Sum"])
@pytest.mark.parametrize("shape", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("weight_rank", [0, 1, 2, 3])
def test_mean_and_sum_as_keras(name: str, shape: tuple, weight_rank: int) -> None:
    ours, theirs = getattr(metrics, name)(), getattr(keras.metrics, name)()
    for n in (4, 2):
        values = np.random.rand(n, *shape[1:]).astype("float32")
        weight = np.random.rand(*values.shape[:weight_rank]).astype("float32") if weight_rank else None
        ours.update_state(torch.tensor(values), weight)
        theirs.update_state(values, weight)
    close(ours.result(), theirs.result())


def test_mean_of_numbers() -> None:
    mean = metrics.Mean()
    mean.update_state(torch.tensor(2.0), sample_weight=32)
    mean.update_state(5.0, 16)
    mean.update_state([1.0, 2.0])
    close(mean.result(), np.float32((64 + 80 + 3) / 50))


@given(sizes=st.lists(st.integers(0, 5), min_size=1, max_size=5))
@settings(max_examples=15, deadline=None)
def test_uneven_batches_are_exact(sizes: list[int]) -> None:
    values = torch.arange(float(sum(sizes)))
    mean = metrics.Mean()
    for batch in values.split(sizes):
        mean.update_state(batch)
    close(mean.result(), values.mean().numpy() if len(values) else np.float32(0))


def test_one_number_as_weight_makes_one_sample_of_a_batch() -> None:
    ours, theirs = metrics.Mean(), keras.metrics.Mean()
    for mean in (ours, theirs):
        mean.update_state(np.ones(3, "float32"), 2.0)
        mean.update_state(np.full((2, 2), 5.0, "float32"), 0.5)
    close(ours.result(), theirs.result())


def test_masks_take_samples_out() -> None:
    y_true, y_pred = torch.rand(2, 3, 4), torch.rand(2, 3, 4)
    mask = torch.tensor([[True, True, False], [True, False, False]])
    y_pred._keras_mask = mask
    expected = (y_true - y_pred).square().mean(-1)[mask].mean()
    close(metrics.MeanSquaredError()(y_true, y_pred), expected, 1e-5)
    close(metrics.RootMeanSquaredError()(y_true, y_pred), expected.sqrt(), 1e-5)
    theirs = keras.metrics.MeanSquaredError()
    close(metrics.MeanSquaredError()(y_true, y_pred, torch.rand(2, 3).fill_(0.5)), theirs(y_true, y_pred))
    scores = torch.rand(2, 3, 5)
    scores._keras_mask = mask
    labels = torch.randint(0, 5, (2, 3))
    close(metrics.SparseCategoricalAccuracy()(labels, scores), (scores.argmax(-1) == labels)[mask].float().mean(), 1e-5)
    flat = torch.rand(2, 3)
    flat._keras_mask = mask
    bits = torch.tensor([[1, 0, 1], [1, 1, 0]])
    close(metrics.Recall()(bits, flat), (flat > 0.5)[mask & (bits == 1)].float().mean(), 1e-5)
    close(metrics.AUC()(bits, flat), keras.metrics.AUC()(bits.numpy()[mask], flat.numpy()[mask]))


def test_mask_and_weights_of_samples() -> None:
    """Keras fails here."""
    y_true, y_pred, weight = torch.rand(2, 3, 4), torch.rand(2, 3, 4), torch.tensor([1.0, 3.0])
    mask = torch.tensor([[True, True, False], [True, False, False]])
    y_pred._keras_mask = mask
    values = (y_true - y_pred).square().mean(-1)
    weights = weight.unsqueeze(1) * mask
    close(metrics.MeanSquaredError()(y_true, y_pred, weight), (values * weights).sum() / weights.sum(), 1e-5)


@pytest.mark.parametrize("weight", [None, [0.5, 2.0, 1.0, 3.0]])
def test_samples_of_an_ignored_class(weight: Any) -> None:
    """As in Keras they count as samples of loss 0, and with weights not at all."""
    labels, scores = np.array([0, 1, 2, 1]), np.random.default_rng(0).dirichlet(np.ones(3), 4).astype("float32")
    ours, theirs = (k.SparseCategoricalCrossentropy(ignore_class=1) for k in (metrics, keras.metrics))
    close(ours(labels, scores, weight), theirs(labels, scores, weight), 1e-5)


def test_label_below_zero_or_too_large_is_never_in_the_top() -> None:
    """Keras counts a label beyond the classes as found."""
    close(metrics.SparseTopKCategoricalAccuracy(k=2)(torch.tensor([7, -1]), torch.rand(2, 3)), np.float32(0))


def test_top_k_beyond_the_classes_takes_all() -> None:
    """Keras fails here."""
    close(metrics.TopKCategoricalAccuracy(k=10)(torch.eye(3), torch.rand(3, 3)), np.float32(1))


def test_sorted_ids() -> None:
    labels, ids = np.array([2, 0, 1]), np.array([[2, 1, 0], [1, 2, 0], [0, 1, 2]])
    ours, theirs = (m.SparseTopKCategoricalAccuracy(k=2, from_sorted_ids=True) for m in (metrics, keras.metrics))
    close(ours(labels, ids), theirs(labels, ids))


def test_float_weights_of_integer_counts() -> None:
    """As in Keras the fractions are lost, which a warning tells; counts in floats keep them."""
    y_true, y_pred, weight = np.array([0, 1, 1]), np.array([0, 1, 0]), np.array([1.5, 1.25, 0.25], "float32")
    with pytest.warns(UserWarning, match="`sample_weight` of the metric .* loses its fractions: the metric counts in int32"):
        ours = metrics.MeanIoU(2)(y_true, y_pred, weight)
    with pytest.warns(UserWarning, match="casting"):
        theirs = keras.metrics.MeanIoU(2)(y_true, y_pred, weight)
    close(ours, theirs)
    close(metrics.MeanIoU(2, dtype="float32")(y_true, y_pred, weight), np.float32((1.5 / 1.75 + 1.25 / 1.5) / 2))


def test_nothing_seen() -> None:
    for name in ("Mean", "Sum", "AUC", "Precision", "F1Score", "SparseCategoricalAccuracy"):
        assert getattr(metrics, name)().result() == 0
    assert metrics.R2Score().result().isnan()


@pytest.mark.parametrize("fn", ["binary_accuracy", "categorical_accuracy", "pearson_correlation", "concordance_correlation"])
def test_functions_as_keras(fn: str) -> None:
    y_true, y_pred = np.eye(3)[[0, 1, 2, 1]].astype("float32"), np.random.rand(4, 3).astype("float32")
    close(getattr(metrics, fn)(y_true, y_pred), getattr(keras.metrics, fn)(y_true, y_pred))


def test_sparse_functions_as_keras() -> None:
    y_true, y_pred = np.array([0, 1, 2, 1]), np.random.rand(4, 3).astype("float32")
    for fn in ("sparse_categorical_accuracy", "sparse_categorical_crossentropy"):
        close(getattr(metrics, fn)(y_true, y_pred), getattr(keras.metrics, fn)(y_true, y_pred))
    close(metrics.sparse_top_k_categorical_accuracy(y_true, y_pred, 2), keras.metrics.sparse_top_k_categorical_accuracy(y_true, y_pred, 2))
    one_hot = np.eye(3)[y_true]
    close(metrics.top_k_categorical_accuracy(one_hot, y_pred, 2), keras.metrics.top_k_categorical_accuracy(one_hot, y_pred, 2))
