"""Metrics of real-valued predictions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..graph import TensorLike
from ..losses import cosine_similarity as cosine_loss
from ..losses import log_cosh, mean_absolute_error, mean_absolute_percentage_error, mean_squared_error, mean_squared_logarithmic_error
from ..losses.loss import pair
from ..variable import ParameterVariable
from .reduction import ColumnMetric, FunctionMetric, Mean, MeanMetricWrapper


class MeanSquaredError(FunctionMetric):
    """The mean squared error.

    Args:
        name: Its name.
        dtype: The type of the state.

    >>> metric = keras.metrics.MeanSquaredError()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(0.1000)
    """

    function = staticmethod(mean_squared_error)
    _tk_name = "mean_squared_error"


class MeanAbsoluteError(FunctionMetric):
    """The mean absolute error.

    Args:
        name: Its name.
        dtype: The type of the state.

    >>> metric = keras.metrics.MeanAbsoluteError()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(0.3000)
    """

    function = staticmethod(mean_absolute_error)
    _tk_name = "mean_absolute_error"


class MeanAbsolutePercentageError(FunctionMetric):
    """The mean absolute error in percent of the target.

    Args:
        name: Its name.
        dtype: The type of the state.

    >>> metric = keras.metrics.MeanAbsolutePercentageError()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(1.5000e+08)
    """

    function = staticmethod(mean_absolute_percentage_error)
    _tk_name = "mean_absolute_percentage_error"


class MeanSquaredLogarithmicError(FunctionMetric):
    """The mean squared difference of `log(1 + x)`.

    Args:
        name: Its name.
        dtype: The type of the state.

    >>> metric = keras.metrics.MeanSquaredLogarithmicError()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(0.0518)
    """

    function = staticmethod(mean_squared_logarithmic_error)
    _tk_name = "mean_squared_logarithmic_error"


class LogCoshError(FunctionMetric):
    """The mean of `log(cosh(y_pred - y_true))`.

    Args:
        name: Its name.
        dtype: The type of the state.

    >>> metric = keras.metrics.LogCoshError()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(0.0489)
    """

    function = staticmethod(log_cosh)
    _tk_name = "logcosh"


class RootMeanSquaredError(Mean):
    """The square root of the mean squared error of all samples.

    Args:
        name: Its name.
        dtype: The type of the state.

    >>> metric = keras.metrics.RootMeanSquaredError()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(0.3162)
    """

    def __init__(self, name: str | None = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(name, dtype=dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        """Add a batch.

        Args:
            y_true: Targets.
            y_pred: Predictions.
            sample_weight: Weights, one per sample or per value.
        """
        mask = getattr(y_pred, "_keras_mask", None)
        y_true, y_pred = pair(y_true, y_pred)
        errors = torch.square(y_pred.detach() - y_true)
        if sample_weight is None and mask is None:
            self._add(errors)
        else:
            self._add_weighted(errors, sample_weight, mask)

    def result(self) -> Tensor:
        return torch.sqrt(super().result())


def cosine_similarity(y_true: TensorLike, y_pred: TensorLike, axis: int = -1) -> Tensor:
    """The cosine of the angle between targets and predictions along `axis`."""
    return -cosine_loss(y_true, y_pred, axis)


class CosineSimilarity(MeanMetricWrapper):
    """The mean cosine of the angle between targets and predictions.

    Args:
        name: Its name.
        dtype: The type of the state.
        axis: The axis of the vectors.

    >>> metric = keras.metrics.CosineSimilarity()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(0.9011)
    """

    def __init__(self, name: str | None = "cosine_similarity", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(cosine_similarity, name, dtype, axis=axis)
        self.axis = axis

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype} | ({"axis": self.axis} if self.axis != -1 else {})  # Keras's configs leave it out


_AGGREGATIONS = (None, "uniform_average", "variance_weighted_average")


class R2Score(ColumnMetric):
    """The coefficient of determination: 1 for perfect predictions, 0 for those of the mean.

    Args:
        class_aggregation: How the outputs make one number: `"uniform_average"`, `"variance_weighted_average"`, or `None` (one number per
            output).
        num_regressors: The number of inputs of the model, for the adjusted score; 0 without adjustment.
        name: Its name.
        dtype: The type of the state.

    Raises:
        ValueError: If there is another aggregation, or a negative number of inputs.

    >>> metric = keras.metrics.R2Score()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(0.6000)
    """

    _column_name = "outputs"
    squared_sum: ParameterVariable
    sum: ParameterVariable
    total_mse: ParameterVariable
    count: ParameterVariable

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str | None = "r2_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if class_aggregation not in _AGGREGATIONS:
            raise ValueError(
                f"`class_aggregation` must be one of {', '.join(map(repr, _AGGREGATIONS))}. "
                f"Received: class_aggregation={class_aggregation!r}"
            )
        if num_regressors < 0:
            raise ValueError(f"`num_regressors` must not be negative. Received: num_regressors={num_regressors}")
        self.class_aggregation = class_aggregation
        self.num_regressors = num_regressors
        self.num_samples = self.add_variable((), "zeros", name="num_samples")

    def _build(self, outputs: int) -> None:
        for attribute, name in (("squared_sum",) * 2, ("sum",) * 2, ("total_mse", "residual"), ("count",) * 2):
            setattr(self, attribute, self.add_variable((outputs,), "zeros", name=name))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch.

        Args:
            y_true: Targets, `(batch, outputs)`.
            y_pred: Predictions, of the same shape.
            sample_weight: Weights, `(batch,)`.

        Raises:
            ValueError: If targets and predictions have other shapes.
        """
        y_true, y_pred, weight = self._tk_prepare(y_true, y_pred, sample_weight)
        y_true = y_true.to(y_pred.dtype)
        errors = torch.square(y_true - y_pred)
        squares = torch.square(y_true)
        if weight is not None:
            y_true, errors, squares = y_true * weight, errors * weight, squares * weight
        self.sum.add_(y_true.sum(0))
        self.squared_sum.add_(squares.sum(0))
        self.total_mse.add_(errors.sum(0))
        self.count.add_(y_true.shape[0] if weight is None else weight.sum(0))
        self.num_samples.add_(y_true.numel())  # elements, as in Keras

    def result(self) -> Tensor:
        """The score; NaN before the first update, and for targets without variance that are missed."""
        if not self._built:
            return torch.full((), torch.nan, dtype=self._tk_torch_dtype, device=self.num_samples.device)
        mean = self.sum.detach() / self.count
        total = self.squared_sum.detach() - self.sum * mean
        raw = 1.0 - self.total_mse.detach() / total
        raw = torch.where(torch.isinf(raw), 0.0, raw)
        if self.class_aggregation == "uniform_average":
            score = raw.mean()
        elif self.class_aggregation == "variance_weighted_average":
            score = (raw * total).sum() / total.sum()
        else:
            score = raw
        if self.num_regressors:
            samples = self.num_samples.detach()
            adjusted = 1.0 - (1.0 - score) * (samples - 1.0) / (samples - self.num_regressors - 1.0)
            score = torch.where(samples - self.num_regressors - 1.0 > 0, adjusted, score)
        return score
