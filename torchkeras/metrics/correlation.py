"""Correlations between targets and predictions, along an axis of each sample."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .. import config
from ..graph import TensorLike
from ..losses.loss import pair
from .reduction import MeanMetricWrapper


def pearson_correlation(y_true: TensorLike, y_pred: TensorLike, axis: int = -1) -> Tensor:
    """Pearson's correlation along `axis`: 1 for predictions that rise linearly with the targets, NaN where one of them is constant.

    Args:
        y_true: Targets.
        y_pred: Predictions.
        axis: The axis, or axes, of the observations.

    >>> keras.metrics.pearson_correlation([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor([1., 1.])
    """
    y_true, y_pred = _same(y_true, y_pred)
    axis = _dims(axis)
    y_true, y_pred = (_unit(t - t.mean(dim=axis, keepdim=True), axis) for t in (y_true, y_pred))
    return torch.sum(y_true * y_pred, dim=axis)


def _unit(x: Tensor, axis: Any) -> Tensor:
    return x / torch.sqrt(torch.sum(torch.square(x), dim=axis, keepdim=True))


def concordance_correlation(y_true: TensorLike, y_pred: TensorLike, axis: int = -1) -> Tensor:
    """Lin's concordance correlation along `axis`: `2·cov / (var_true + var_pred + (mean_true - mean_pred)²)`.

    Args:
        y_true: Targets.
        y_pred: Predictions.
        axis: The axis, or axes, of the observations.

    >>> keras.metrics.concordance_correlation([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor([0.8824, 0.3846])
    """
    y_true, y_pred = _same(y_true, y_pred)
    axis = _dims(axis)
    mean_true, mean_pred = (t.mean(dim=axis, keepdim=True) for t in (y_true, y_pred))
    off_true, off_pred = y_true - mean_true, y_pred - mean_pred
    covariance = (off_true * off_pred).mean(dim=axis)
    spread = torch.square(off_true).mean(dim=axis) + torch.square(off_pred).mean(dim=axis)
    apart = torch.square(mean_pred - mean_true).mean(dim=axis)
    return 2.0 * covariance / (spread + apart + config.epsilon())


def _dims(axis: Any) -> Any:
    return tuple(axis) if isinstance(axis, (list, tuple)) else axis


def _same(y_true: TensorLike, y_pred: TensorLike) -> tuple[Tensor, Tensor]:
    y_true, y_pred = pair(y_true, y_pred)
    if y_true.shape != y_pred.shape:
        raise ValueError(
            "`y_true` and `y_pred` must have the same shape. "
            f"Received: y_true of shape {tuple(y_true.shape)}, y_pred of shape {tuple(y_pred.shape)}"
        )
    return y_true, y_pred


class PearsonCorrelation(MeanMetricWrapper):
    """The mean of Pearson's correlation over the samples.

    Args:
        name: Its name.
        dtype: The type of the state.
        axis: The axis of the observations.

    >>> metric = keras.metrics.PearsonCorrelation()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(1.)
    """

    def __init__(self, name: str | None = "pearson_correlation", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(pearson_correlation, name, dtype, axis=axis)
        self.axis = axis


class ConcordanceCorrelation(MeanMetricWrapper):
    """The mean of the concordance correlation over the samples.

    Args:
        name: Its name.
        dtype: The type of the state.
        axis: The axis of the observations.

    >>> metric = keras.metrics.ConcordanceCorrelation()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(0.6335)
    """

    def __init__(self, name: str | None = "concordance_correlation", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(concordance_correlation, name, dtype, axis=axis)
        self.axis = axis
