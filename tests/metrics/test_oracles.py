"""Second oracles: scikit-learn, SciPy and torchmetrics."""

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
import torch
import torchmetrics
from hypothesis import given, settings
from hypothesis import strategies as st

from torchkeras import metrics

SEEDS = st.integers(0, 10_000)
FEW = settings(max_examples=15, deadline=None)


def draw(seed: int, n: int = 60, classes: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Integer labels with every class, probabilities on a grid of 1/100, and weights."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, n - classes)])
    return labels, rng.integers(0, 101, (n, classes)).astype("float32") / 100, rng.uniform(0.5, 2.0, n).astype("float32")


def fed(metric: metrics.Metric, *arrays: np.ndarray) -> np.ndarray:
    """The result after uneven batches."""
    for start, stop in ((0, 25), (25, 50), (50, None)):
        metric.update_state(*(torch.tensor(a[start:stop]) for a in arrays))
    return metric.result().numpy()


@given(SEEDS)
@FEW
def test_roc_auc(seed: int) -> None:
    labels, scores, weight = draw(seed, classes=2)
    truth, scores = labels, scores[:, 0]
    # with a threshold between any two neighbours of the grid the area is exact
    edges = list((np.arange(100) + 0.5) / 100)
    assert fed(metrics.AUC(thresholds=edges), truth, scores) == pytest.approx(sklearn.metrics.roc_auc_score(truth, scores), abs=1e-5)
    expected = sklearn.metrics.roc_auc_score(truth, scores, sample_weight=weight)
    assert fed(metrics.AUC(thresholds=edges), truth, scores, weight) == pytest.approx(expected, abs=1e-5)
    many = np.stack([truth, 1 - truth], 1)
    expected = sklearn.metrics.roc_auc_score(many, np.stack([scores, scores], 1), average="macro")
    assert fed(metrics.AUC(thresholds=edges, multi_label=True), many, np.stack([scores, scores], 1)) == pytest.approx(expected, abs=1e-5)


@given(SEEDS)
@FEW
def test_precision_and_recall(seed: int) -> None:
    labels, scores, weight = draw(seed, classes=2)
    chosen = scores[:, 0] > 0.5
    for metric, expected in (
        (metrics.Precision(), sklearn.metrics.precision_score(labels, chosen, sample_weight=weight, zero_division=0)),
        (metrics.Recall(), sklearn.metrics.recall_score(labels, chosen, sample_weight=weight, zero_division=0)),
    ):
        assert fed(metric, labels, scores[:, 0], weight) == pytest.approx(expected, abs=1e-5)


@given(SEEDS, st.sampled_from([None, "micro", "macro", "weighted"]), st.sampled_from([0.5, 1.0, 2.0]))
@FEW
def test_f_beta(seed: int, average: str | None, beta: float) -> None:
    labels, scores, weight = draw(seed)
    scores += np.random.default_rng(seed).uniform(0, 1e-4, scores.shape).astype("float32")  # no ties
    expected = sklearn.metrics.fbeta_score(
        labels, scores.argmax(1), beta=beta, average=average, sample_weight=weight, zero_division=0
    )  # fmt: skip
    actual = fed(metrics.FBetaScore(average=average, beta=beta), np.eye(3, dtype="float32")[labels], scores, weight)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


@given(SEEDS)
@FEW
def test_intersection_over_union(seed: int) -> None:
    labels, scores, _ = draw(seed)
    expected = sklearn.metrics.jaccard_score(labels, scores.argmax(1), average="macro")
    assert fed(metrics.MeanIoU(3), labels, scores.argmax(1)) == pytest.approx(expected, abs=1e-5)
    each = sklearn.metrics.jaccard_score(labels, scores.argmax(1), average=None)
    assert fed(metrics.IoU(3, [1]), labels, scores.argmax(1)) == pytest.approx(each[1], abs=1e-5)


@given(SEEDS)
@FEW
def test_r2(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y_true, y_pred = rng.normal(size=(2, 60, 3)).astype("float32")
    weight = rng.uniform(0.5, 2.0, 60).astype("float32")
    for aggregation, multioutput in (
        ("uniform_average", "uniform_average"),
        (None, "raw_values"),
        ("variance_weighted_average", "variance_weighted"),
    ):
        expected = sklearn.metrics.r2_score(y_true, y_pred, multioutput=multioutput, sample_weight=weight)
        np.testing.assert_allclose(fed(metrics.R2Score(aggregation), y_true, y_pred, weight), expected, atol=1e-4)


def test_adjusted_r2() -> None:
    """Of one output: for several Keras counts the elements of the targets, and so does this library."""
    y_true, y_pred = torch.randn(20, 1), torch.randn(20, 1)
    oracle = torchmetrics.R2Score(adjusted=4)
    assert metrics.R2Score(num_regressors=4)(y_true, y_pred) == pytest.approx(float(oracle(y_pred[:, 0], y_true[:, 0])), abs=1e-5)


@given(SEEDS)
@FEW
def test_correlations(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y_true, y_pred = rng.normal(size=(2, 60, 7)).astype("float32")
    expected = np.mean([scipy.stats.pearsonr(a, b).statistic for a, b in zip(y_true, y_pred)])
    assert fed(metrics.PearsonCorrelation(), y_true, y_pred) == pytest.approx(expected, abs=1e-5)
    oracle = torchmetrics.functional.concordance_corrcoef(torch.tensor(y_pred.T), torch.tensor(y_true.T))
    # torchmetrics divides variances by n - 1, Lin's coefficient (and Keras) by n
    n = 7
    shift = (y_true.mean(1) - y_pred.mean(1)) ** 2
    spread = y_true.var(1) + y_pred.var(1)
    corrected = oracle.numpy() * (spread * n / (n - 1) + shift) * (n - 1) / n / (spread + shift)
    assert fed(metrics.ConcordanceCorrelation(), y_true, y_pred) == pytest.approx(corrected.mean(), abs=1e-4)


@given(SEEDS, st.integers(1, 3))
@FEW
def test_accuracies(seed: int, k: int) -> None:
    labels, scores, weight = draw(seed)
    scores += np.random.default_rng(seed).uniform(0, 1e-4, scores.shape).astype("float32")
    expected = sklearn.metrics.accuracy_score(labels, scores.argmax(1), sample_weight=weight)
    assert fed(metrics.SparseCategoricalAccuracy(), labels, scores, weight) == pytest.approx(expected, abs=1e-5)
    expected = sklearn.metrics.top_k_accuracy_score(labels, scores, k=k, sample_weight=weight, labels=[0, 1, 2]) if k < 3 else 1.0
    assert fed(metrics.SparseTopKCategoricalAccuracy(k=k), labels, scores, weight) == pytest.approx(expected, abs=1e-5)
