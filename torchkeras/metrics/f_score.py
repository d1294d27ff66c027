"""F1 and F-beta scores."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .. import config
from ..variable import ParameterVariable
from .reduction import ColumnMetric

_AVERAGES = (None, "micro", "macro", "weighted")


class FBetaScore(ColumnMetric):
    """The weighted harmonic mean of precision and recall, `(1 + β²)·P·R / (β²·P + R)`.

    Args:
        average: How the classes make one number: `None` (one number per class), `"micro"` (counted together), `"macro"` (their mean),
            `"weighted"` (their mean by number of samples).
        beta: How much more recall counts than precision.
        threshold: Above it a prediction means 1; without it, the largest of each sample does.
        name: Its name.
        dtype: The type of the state.

    Raises:
        ValueError: If there is a value out of range.

    >>> metric = keras.metrics.FBetaScore()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor([1.0000, 1.0000])
    """

    _column_name = "classes"
    true_positives: ParameterVariable
    false_positives: ParameterVariable
    false_negatives: ParameterVariable
    intermediate_weights: ParameterVariable

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = "fbeta_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if average not in _AVERAGES:
            raise ValueError(f"`average` must be one of {', '.join(map(repr, _AVERAGES))}. Received: average={average!r}")
        if not isinstance(beta, float) or beta <= 0:
            raise ValueError(f"`beta` must be a positive float. Received: beta={beta!r}")
        if threshold is not None and (not isinstance(threshold, float) or not 0 < threshold <= 1):
            raise ValueError(f"`threshold` must be a float above 0 and at most 1, or None. Received: threshold={threshold!r}")
        self.average = average
        self.beta = beta
        self.threshold = threshold
        self.axis = None if average == "micro" else 0

    def _build(self, classes: int) -> None:
        shape = () if self.average == "micro" else (classes,)
        for name in ("true_positives", "false_positives", "false_negatives", "intermediate_weights"):
            setattr(self, name, self.add_variable(shape, "zeros", name=name))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch.

        Args:
            y_true: Labels, 0 or 1, `(batch, classes)`.
            y_pred: Predictions, of the same shape.
            sample_weight: Weights, `(batch,)`.

        Raises:
            ValueError: If targets and predictions have other shapes.
        """
        y_true, y_pred, weight = self._tk_prepare(y_true, y_pred, sample_weight)
        if self.threshold is None:
            chosen = (y_pred >= y_pred.amax(dim=-1, keepdim=True)) & (y_pred.abs() > 1e-9)
        else:
            chosen = y_pred > self.threshold
        y_true = y_true.to(y_pred.dtype)
        truth = y_true if weight is None else y_true * weight
        picked = chosen.to(y_pred.dtype) if weight is None else chosen * weight
        dims = (0, 1) if self.axis is None else 0
        hits = (chosen * truth).sum(dims)
        relevant = truth.sum(dims)
        self.true_positives.add_(hits)
        self.false_positives.add_(picked.sum(dims) - hits)
        self.false_negatives.add_(relevant - hits)
        self.intermediate_weights.add_(relevant)

    def result(self) -> Tensor:
        """The score; 0 before the first update."""
        if not self._built:
            return torch.zeros((), dtype=self._tk_torch_dtype)
        eps = config.epsilon()
        hits = self.true_positives.detach()
        precision = hits / (hits + self.false_positives + eps)
        recall = hits / (hits + self.false_negatives + eps)
        score = (1.0 + self.beta**2) * precision * recall / (self.beta**2 * precision + recall + eps)
        if self.average == "weighted":
            weights = self.intermediate_weights.detach()
            return (score * (weights / (weights.sum() + eps))).sum()
        return score if self.average is None else score.mean()


class F1Score(FBetaScore):
    """The harmonic mean of precision and recall.

    Args:
        average: How the classes make one number: `None` (one number per class), `"micro"` (counted together), `"macro"` (their mean),
            `"weighted"` (their mean by number of samples).
        threshold: Above it a prediction means 1; without it, the largest of each sample does.
        name: Its name.
        dtype: The type of the state.

    >>> metric = keras.metrics.F1Score()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor([1.0000, 1.0000])
    """

    def __init__(
        self, average: str | None = None, threshold: float | None = None, name: str | None = "f1_score", dtype: Any = None
    ) -> None:
        super().__init__(average=average, beta=1.0, threshold=threshold, name=name, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype, "average": self.average, "threshold": self.threshold}
