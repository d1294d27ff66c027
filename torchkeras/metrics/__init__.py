"""Metrics: what training and evaluation report."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..configurable import deserialize_in, get_from, serialize_keras_object
from ..losses import binary_crossentropy as binary_crossentropy
from ..losses import binary_focal_crossentropy as binary_focal_crossentropy
from ..losses import categorical_crossentropy as categorical_crossentropy
from ..losses import categorical_focal_crossentropy as categorical_focal_crossentropy
from ..losses import categorical_hinge as categorical_hinge
from ..losses import hinge as hinge
from ..losses import huber as huber
from ..losses import kl_divergence as kl_divergence
from ..losses import log_cosh as log_cosh
from ..losses import mean_absolute_error as mean_absolute_error
from ..losses import mean_absolute_percentage_error as mean_absolute_percentage_error
from ..losses import mean_squared_error as mean_squared_error
from ..losses import mean_squared_logarithmic_error as mean_squared_logarithmic_error
from ..losses import poisson as poisson
from ..losses import sparse_categorical_crossentropy as sparse_categorical_crossentropy
from ..losses import squared_hinge as squared_hinge
from ..losses import targets_first
from ..registry import Family
from .accuracy import Accuracy as Accuracy
from .accuracy import BinaryAccuracy as BinaryAccuracy
from .accuracy import CategoricalAccuracy as CategoricalAccuracy
from .accuracy import SparseCategoricalAccuracy as SparseCategoricalAccuracy
from .accuracy import SparseTopKCategoricalAccuracy as SparseTopKCategoricalAccuracy
from .accuracy import TopKCategoricalAccuracy as TopKCategoricalAccuracy
from .accuracy import accuracy as accuracy
from .accuracy import binary_accuracy as binary_accuracy
from .accuracy import categorical_accuracy as categorical_accuracy
from .accuracy import sparse_categorical_accuracy as sparse_categorical_accuracy
from .accuracy import sparse_top_k_categorical_accuracy as sparse_top_k_categorical_accuracy
from .accuracy import top_k_categorical_accuracy as top_k_categorical_accuracy
from .adapter import MetricAdapter as MetricAdapter
from .adapter import is_foreign
from .confusion import AUC as AUC
from .confusion import FalseNegatives as FalseNegatives
from .confusion import FalsePositives as FalsePositives
from .confusion import Precision as Precision
from .confusion import PrecisionAtRecall as PrecisionAtRecall
from .confusion import Recall as Recall
from .confusion import RecallAtPrecision as RecallAtPrecision
from .confusion import SensitivityAtSpecificity as SensitivityAtSpecificity
from .confusion import SpecificityAtSensitivity as SpecificityAtSensitivity
from .confusion import TrueNegatives as TrueNegatives
from .confusion import TruePositives as TruePositives
from .correlation import ConcordanceCorrelation as ConcordanceCorrelation
from .correlation import PearsonCorrelation as PearsonCorrelation
from .correlation import concordance_correlation as concordance_correlation
from .correlation import pearson_correlation as pearson_correlation
from .f_score import F1Score as F1Score
from .f_score import FBetaScore as FBetaScore
from .iou import BinaryIoU as BinaryIoU
from .iou import IoU as IoU
from .iou import MeanIoU as MeanIoU
from .iou import OneHotIoU as OneHotIoU
from .iou import OneHotMeanIoU as OneHotMeanIoU
from .margin import CategoricalHinge as CategoricalHinge
from .margin import Hinge as Hinge
from .margin import SquaredHinge as SquaredHinge
from .metric import Metric as Metric
from .metric import sync_metrics as sync_metrics
from .probabilistic import BinaryCrossentropy as BinaryCrossentropy
from .probabilistic import CategoricalCrossentropy as CategoricalCrossentropy
from .probabilistic import KLDivergence as KLDivergence
from .probabilistic import Poisson as Poisson
from .probabilistic import SparseCategoricalCrossentropy as SparseCategoricalCrossentropy
from .reduction import Mean as Mean
from .reduction import MeanMetricWrapper as MeanMetricWrapper
from .reduction import Sum as Sum
from .regression import CosineSimilarity as CosineSimilarity
from .regression import LogCoshError as LogCoshError
from .regression import MeanAbsoluteError as MeanAbsoluteError
from .regression import MeanAbsolutePercentageError as MeanAbsolutePercentageError
from .regression import MeanSquaredError as MeanSquaredError
from .regression import MeanSquaredLogarithmicError as MeanSquaredLogarithmicError
from .regression import R2Score as R2Score
from .regression import RootMeanSquaredError as RootMeanSquaredError
from .regression import cosine_similarity as cosine_similarity

FAMILY = Family(
    "metric",
    "keras.metrics",
    Metric,
    {
        "AUC": AUC,
        "Accuracy": Accuracy,
        "BinaryAccuracy": BinaryAccuracy,
        "BinaryCrossentropy": BinaryCrossentropy,
        "BinaryIoU": BinaryIoU,
        "CategoricalAccuracy": CategoricalAccuracy,
        "CategoricalCrossentropy": CategoricalCrossentropy,
        "CategoricalHinge": CategoricalHinge,
        "ConcordanceCorrelation": ConcordanceCorrelation,
        "CosineSimilarity": CosineSimilarity,
        "F1Score": F1Score,
        "FBetaScore": FBetaScore,
        "FalseNegatives": FalseNegatives,
        "FalsePositives": FalsePositives,
        "Hinge": Hinge,
        "IoU": IoU,
        "KLDivergence": KLDivergence,
        "LogCoshError": LogCoshError,
        "Mean": Mean,
        "MeanAbsoluteError": MeanAbsoluteError,
        "MeanAbsolutePercentageError": MeanAbsolutePercentageError,
        "MeanIoU": MeanIoU,
        "MeanMetricWrapper": MeanMetricWrapper,
        "MeanSquaredError": MeanSquaredError,
        "MeanSquaredLogarithmicError": MeanSquaredLogarithmicError,
        "OneHotIoU": OneHotIoU,
        "OneHotMeanIoU": OneHotMeanIoU,
        "PearsonCorrelation": PearsonCorrelation,
        "Poisson": Poisson,
        "Precision": Precision,
        "PrecisionAtRecall": PrecisionAtRecall,
        "R2Score": R2Score,
        "Recall": Recall,
        "RecallAtPrecision": RecallAtPrecision,
        "RootMeanSquaredError": RootMeanSquaredError,
        "SensitivityAtSpecificity": SensitivityAtSpecificity,
        "SparseCategoricalAccuracy": SparseCategoricalAccuracy,
        "SparseCategoricalCrossentropy": SparseCategoricalCrossentropy,
        "SparseTopKCategoricalAccuracy": SparseTopKCategoricalAccuracy,
        "SpecificityAtSensitivity": SpecificityAtSensitivity,
        "SquaredHinge": SquaredHinge,
        "Sum": Sum,
        "TopKCategoricalAccuracy": TopKCategoricalAccuracy,
        "TrueNegatives": TrueNegatives,
        "TruePositives": TruePositives,
        "bce": BinaryCrossentropy,
        "mse": MeanSquaredError,
        "mae": MeanAbsoluteError,
        "mape": MeanAbsolutePercentageError,
        "msle": MeanSquaredLogarithmicError,
        "kld": KLDivergence,
        "log_cosh": LogCoshError,
        "rmse": RootMeanSquaredError,
        # Keras 1 and 2
        "cosine_proximity": CosineSimilarity,
        "cosine": CosineSimilarity,
        "logcosh": LogCoshError,
        "kullback_leibler_divergence": KLDivergence,
        "top_k_categorical_accuracy": TopKCategoricalAccuracy,
        "sparse_top_k_categorical_accuracy": SparseTopKCategoricalAccuracy,
    },
)


def get(identifier: Any) -> Any:
    """A metric from a name, a config, a class or an object, torchmetrics' included; a function and `None` stay what they are.

    Args:
        identifier: A name, a config, a class or an object; `None` stays `None`.

    Raises:
        ValueError: If it is anything else; the message tells near matches of a name.
    """
    if is_foreign(identifier):
        return MetricAdapter(identifier)
    if isinstance(identifier, dict):
        return deserialize(identifier)
    return get_from(FAMILY, identifier)


def serialize(metric: Any) -> Any:
    """A metric as a config, as Keras writes it.

    Args:
        metric: What is serialized.
    """
    return serialize_keras_object(metric)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The metric that a config or a name describes.

    Args:
        config: What `serialize` returned, or a name.
        custom_objects: Names to further classes and functions that the config may name.
    """
    return deserialize_in(FAMILY, config, custom_objects)


# `"accuracy"` by what the targets are: (binary, integer labels, one-hot).
_BY_SHAPE = {
    "accuracy": (BinaryAccuracy, SparseCategoricalAccuracy, CategoricalAccuracy),
    "acc": (BinaryAccuracy, SparseCategoricalAccuracy, CategoricalAccuracy),
    "crossentropy": (BinaryCrossentropy, SparseCategoricalCrossentropy, CategoricalCrossentropy),
    "ce": (BinaryCrossentropy, SparseCategoricalCrossentropy, CategoricalCrossentropy),
}


def resolve(identifier: Any, y_true: Any, y_pred: Any, loss: Any = None) -> Any:
    """The metric that an entry of `compile(metrics=...)` means for an output.

    Args:
        identifier: Anything that `get` takes, a function, `"accuracy"` or `"acc"`, which mean the binary, the sparse categorical or the
            categorical accuracy after the shapes of targets and predictions, and `"crossentropy"` or `"ce"` is the cross-entropy
            after the same shapes.
        y_true: Targets of a batch (their shape is looked at).
        y_pred: Predictions of a batch, whose shape says which metric a name means.
        loss: The output's loss; a cross-entropy metric takes from it whether predictions are logits.

    Returns:
        A metric, called as the entry is; `None` for `None`.

    Raises:
        ValueError: An unknown name.
    """
    if identifier is None or isinstance(identifier, Metric):
        return identifier
    if isinstance(identifier, str) and identifier.lower() in _BY_SHAPE:
        metric_class = _BY_SHAPE[identifier.lower()][_kind(tuple(y_true.shape), tuple(y_pred.shape))]
        settings = {"from_logits": bool(getattr(loss, "from_logits", False))} if "acc" not in identifier.lower() else {}
        return metric_class(name=identifier, **settings)
    metric = get(identifier)
    if isinstance(metric, Metric):
        if isinstance(identifier, str):
            metric.name = identifier
        return metric
    name = getattr(metric, "__name__", None) or getattr(metric, "name", None) or type(metric).__name__
    return MeanMetricWrapper(targets_first(metric), name="lambda" if name == "<lambda>" else name)


def crossentropy_by_shape(y_true: Any, y_pred: Any) -> Callable:
    """The loss function that `"crossentropy"` means for an output.

    Args:
        y_true: Targets of a batch (their shape is looked at).
        y_pred: Predictions of a batch, looked at for their shape too.
    """
    return (binary_crossentropy, sparse_categorical_crossentropy, categorical_crossentropy)[_kind(tuple(y_true.shape), tuple(y_pred.shape))]


def _kind(y_true: tuple[int, ...], y_pred: tuple[int, ...]) -> int:
    """0 for one probability per sample, 1 for integer labels, 2 for one-hot labels."""
    if len(y_pred) < 2 or y_pred[-1] == 1:
        return 0
    sparse = len(y_true) < len(y_pred) or (y_true[-1] == 1 and y_pred[-1] > 1)
    return 1 if sparse else 2


def clone_metric(metric: Any) -> Any:
    """A metric like this one that has seen nothing; what is no metric stays what it is."""
    if isinstance(metric, MetricAdapter):
        return metric.clone()
    if isinstance(metric, Metric):
        return type(metric).from_config(metric.get_config())
    return copy.deepcopy(metric) if is_foreign(metric) else metric


def clone_metrics(metrics: Sequence[Any]) -> list[Any]:
    """`clone_metric` of each."""
    return [clone_metric(metric) for metric in metrics]
