"""Losses of real-valued predictions."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .. import config
from ..checks import check_numbers
from ..graph import TensorLike
from .loss import FunctionLoss, pair


def mean_squared_error(y_true: TensorLike, y_pred: TensorLike) -> Tensor:
    """`mean((y_true - y_pred)²)` over the last axis.

    Args:
        y_true: The targets.
        y_pred: The predictions, shaped as the targets.

    >>> keras.losses.mean_squared_error([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor([0.0400, 0.1600])
    """
    y_true, y_pred = pair(y_true, y_pred)
    return _mean_last(torch.square(y_true - y_pred))


def mean_absolute_error(y_true: TensorLike, y_pred: TensorLike) -> Tensor:
    """`mean(|y_true - y_pred|)` over the last axis.

    Args:
        y_true: The targets.
        y_pred: The predictions, shaped as the targets.

    >>> keras.losses.mean_absolute_error([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor([0.2000, 0.4000])
    """
    y_true, y_pred = pair(y_true, y_pred)
    return _mean_last(torch.abs(y_true - y_pred))


def mean_absolute_percentage_error(y_true: TensorLike, y_pred: TensorLike) -> Tensor:
    """`100 · mean(|y_true - y_pred| / max(|y_true|, ε))` over the last axis.

    Args:
        y_true: The targets.
        y_pred: The predictions, shaped as the targets.

    >>> keras.losses.mean_absolute_percentage_error([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor([1.0000e+08, 2.0000e+08])
    """
    y_true, y_pred = pair(y_true, y_pred)
    return 100.0 * _mean_last(torch.abs((y_true - y_pred) / torch.clamp(torch.abs(y_true), min=config.epsilon())))


def mean_squared_logarithmic_error(y_true: TensorLike, y_pred: TensorLike) -> Tensor:
    """`mean((log(max(y_true, ε) + 1) - log(max(y_pred, ε) + 1))²)` over the last axis.

    Args:
        y_true: The targets.
        y_pred: The predictions, shaped as the targets.

    >>> keras.losses.mean_squared_logarithmic_error([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor([0.0222, 0.0815])
    """
    y_true, y_pred = pair(y_true, y_pred)
    return _mean_last(torch.square(_log1p(y_pred) - _log1p(y_true)))


def _log1p(x: Tensor) -> Tensor:
    return torch.log(torch.clamp(x, min=config.epsilon()) + 1.0)


def cosine_similarity(y_true: TensorLike, y_pred: TensorLike, axis: int = -1) -> Tensor:
    """`-sum(unit(y_true) · unit(y_pred))`: -1 for vectors of one direction, 1 for opposite ones, 0 where one is zero.

    Args:
        y_true: Targets.
        y_pred: Predictions.
        axis: The axis of the vectors.

    >>> keras.losses.cosine_similarity([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor([-0.9701, -0.8321])
    """
    y_true, y_pred = pair(y_true, y_pred)
    return -torch.sum(_unit(y_true, axis) * _unit(y_pred, axis), dim=axis)


def _unit(x: Tensor, axis: int) -> Tensor:
    return x * torch.rsqrt(torch.clamp(torch.sum(torch.square(x), dim=axis, keepdim=True), min=config.epsilon() ** 2))


def huber(y_true: TensorLike, y_pred: TensorLike, delta: float = 1.0) -> Tensor:
    """`mean(0.5·e²)` where `|e| <= delta`, `delta·|e| - 0.5·delta²` beyond, over the last axis.

    Args:
        y_true: Targets.
        y_pred: Predictions.
        delta: Where the parabola becomes a line.

    >>> keras.losses.huber([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor([0.0200, 0.0800])
    """
    y_true, y_pred = pair(y_true, y_pred)
    error = torch.abs(y_true - y_pred)
    return _mean_last(torch.where(error <= delta, 0.5 * torch.square(error), delta * error - 0.5 * delta * delta))


def log_cosh(y_true: TensorLike, y_pred: TensorLike) -> Tensor:
    """`mean(log(cosh(y_pred - y_true)))` over the last axis, computed so that large errors do not overflow.

    Args:
        y_true: The targets.
        y_pred: The predictions, shaped as the targets.

    >>> keras.losses.log_cosh([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor([0.0199, 0.0780])
    """
    y_true, y_pred = pair(y_true, y_pred)
    error = torch.abs(y_pred - y_true)
    return _mean_last(error + F.softplus(-2.0 * error) - math.log(2.0))


def _mean_last(x: Tensor) -> Tensor:
    return torch.mean(x, dim=-1) if len(x.shape) else x


class _ElementMean(FunctionLoss):
    """A loss that is the mean of a value for each element, which one kernel computes."""

    def _tk_fused_mean(self, y_true: Tensor, y_pred: Tensor) -> Tensor | None:
        if y_true.shape != y_pred.shape:
            if y_pred.ndim != 2 or y_true.ndim != 1 or y_pred.shape[-1] != 1 or y_true.shape[0] != y_pred.shape[0]:
                return None
            y_true = y_true.unsqueeze(-1)
        dtype = self._tk_torch_dtype
        if y_pred.dtype is not dtype:
            y_pred = y_pred.to(dtype)
        if y_true.dtype is not dtype:
            y_true = y_true.to(dtype)
        return self._kernel(y_true, y_pred)

    def _kernel(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        raise NotImplementedError


class MeanSquaredError(_ElementMean):
    """`mean((y_true - y_pred)²)`.

    Args:
        reduction: How the values of the samples become one number: `"sum_over_batch_size"` or `"mean"` (their mean), `"sum"`,
            `"mean_with_sample_weight"` (the sum over the sum of the weights), or `"none"` (they are returned as they are).
        name: Its name; the class's in snake case without one.
        dtype: The type to compute in; `floatx()` without one.
        **settings: Nothing: this loss has no settings of its own.

    >>> keras.losses.MeanSquaredError()([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor(0.1000)
    """

    function = staticmethod(mean_squared_error)
    _tk_name = "mean_squared_error"

    def _kernel(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return F.mse_loss(y_pred, y_true)


class MeanAbsoluteError(_ElementMean):
    """`mean(|y_true - y_pred|)`.

    Args:
        reduction: How the values of the samples become one number: `"sum_over_batch_size"` or `"mean"` (their mean), `"sum"`,
            `"mean_with_sample_weight"` (the sum over the sum of the weights), or `"none"` (they are returned as they are).
        name: Its name; the class's in snake case without one.
        dtype: The type to compute in; `floatx()` without one.
        **settings: Nothing: this loss has no settings of its own.

    >>> keras.losses.MeanAbsoluteError()([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor(0.3000)
    """

    function = staticmethod(mean_absolute_error)
    _tk_name = "mean_absolute_error"

    def _kernel(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return F.l1_loss(y_pred, y_true)


class MeanAbsolutePercentageError(FunctionLoss):
    """`100 · mean(|y_true - y_pred| / |y_true|)`.

    Args:
        reduction: How the values of the samples become one number: `"sum_over_batch_size"` or `"mean"` (their mean), `"sum"`,
            `"mean_with_sample_weight"` (the sum over the sum of the weights), or `"none"` (they are returned as they are).
        name: Its name; the class's in snake case without one.
        dtype: The type to compute in; `floatx()` without one.
        **settings: Nothing: this loss has no settings of its own.

    >>> keras.losses.MeanAbsolutePercentageError()([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor(1.5000e+08)
    """

    function = staticmethod(mean_absolute_percentage_error)
    _tk_name = "mean_absolute_percentage_error"


class MeanSquaredLogarithmicError(FunctionLoss):
    """`mean((log(y_true + 1) - log(y_pred + 1))²)`.

    Args:
        reduction: How the values of the samples become one number: `"sum_over_batch_size"` or `"mean"` (their mean), `"sum"`,
            `"mean_with_sample_weight"` (the sum over the sum of the weights), or `"none"` (they are returned as they are).
        name: Its name; the class's in snake case without one.
        dtype: The type to compute in; `floatx()` without one.
        **settings: Nothing: this loss has no settings of its own.

    >>> keras.losses.MeanSquaredLogarithmicError()([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor(0.0518)
    """

    function = staticmethod(mean_squared_logarithmic_error)
    _tk_name = "mean_squared_logarithmic_error"


class LogCosh(FunctionLoss):
    """`mean(log(cosh(y_pred - y_true)))`.

    Args:
        reduction: How the values of the samples become one number: `"sum_over_batch_size"` or `"mean"` (their mean), `"sum"`,
            `"mean_with_sample_weight"` (the sum over the sum of the weights), or `"none"` (they are returned as they are).
        name: Its name; the class's in snake case without one.
        dtype: The type to compute in; `floatx()` without one.
        **settings: Nothing: this loss has no settings of its own.

    >>> keras.losses.LogCosh()([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor(0.0489)
    """

    function = staticmethod(log_cosh)
    _tk_name = "log_cosh"


class Huber(_ElementMean):
    """Squared for small errors, linear for large ones.

    Args:
        delta: Where the parabola becomes a line; positive.
        reduction: How the values of the samples become one number: `"sum_over_batch_size"` or `"mean"` (their mean), `"sum"`,
            `"mean_with_sample_weight"` (the sum over the sum of the weights), or `"none"` (they are returned as they are).
        name: Its name; the class's in snake case without one.
        dtype: The type to compute in; `floatx()` without one.

    >>> keras.losses.Huber()([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor(0.0500)
    """

    function = staticmethod(huber)
    _config_unless_default = ("delta",)
    _tk_name = "huber_loss"

    def __init__(
        self, delta: float = 1.0, reduction: str | None = "sum_over_batch_size", name: str | None = "huber_loss", dtype: Any = None
    ) -> None:
        check_numbers(0, delta=delta)
        super().__init__(reduction=reduction, name=name, dtype=dtype, delta=delta)

    def _kernel(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return F.huber_loss(y_pred, y_true, delta=self.delta)


class CosineSimilarity(FunctionLoss):
    """Minus the cosine of the angle between targets and predictions: -1 for one direction, 1 for opposite ones.

    Args:
        axis: The axis of the vectors.
        reduction: How the values of the samples become one number: `"sum_over_batch_size"` or `"mean"` (their mean), `"sum"`,
            `"mean_with_sample_weight"` (the sum over the sum of the weights), or `"none"` (they are returned as they are).
        name: Its name; the class's in snake case without one.
        dtype: The type to compute in; `floatx()` without one.

    >>> keras.losses.CosineSimilarity()([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor(-0.9011)
    """

    function = staticmethod(cosine_similarity)
    _config_unless_default = ("axis",)

    def __init__(
        self,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "cosine_similarity",
        dtype: Any = None,
    ) -> None:
        super().__init__(reduction=reduction, name=name, dtype=dtype, axis=axis)
