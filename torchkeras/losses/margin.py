"""Losses of margins and overlaps: hinges, dice and Tversky, circle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .. import config
from ..checks import check_numbers
from ..graph import TensorLike
from .loss import FunctionLoss, _convert, pair


def hinge(y_true: TensorLike, y_pred: TensorLike) -> Tensor:
    """`mean(max(1 - y_true · y_pred, 0))` over the last axis; labels are -1 and 1, or 0 and 1, which become -1 and 1.

    Args:
        y_true: The targets.
        y_pred: The predictions, shaped as the targets.

    >>> keras.losses.hinge([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor([0.7000, 0.9000])
    """
    y_true, y_pred = pair(y_true, y_pred, match=False)
    return torch.mean(_positive(1.0 - signed_labels(y_true) * y_pred), dim=-1)


def squared_hinge(y_true: TensorLike, y_pred: TensorLike) -> Tensor:
    """`mean(max(1 - y_true · y_pred, 0)²)` over the last axis; labels are -1 and 1, or 0 and 1, which stands for them.

    Args:
        y_true: The targets.
        y_pred: The predictions, shaped as the targets.

    >>> keras.losses.squared_hinge([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor([0.7400, 1.0600])
    """
    y_true, y_pred = pair(y_true, y_pred, match=False)
    return torch.mean(torch.square(_positive(1.0 - signed_labels(y_true) * y_pred)), dim=-1)


def _positive(x: Tensor) -> Tensor:
    """`max(x, 0)`, whose gradient at 0 is 0.5 as Keras's, where that of `relu` is 0."""
    return torch.maximum(x, torch.zeros((), dtype=x.dtype, device=x.device)) if isinstance(x, Tensor) else torch.relu(x)


def signed_labels(y_true: Tensor) -> Tensor:
    """Labels that are all 0 or 1 as -1 and 1; others as they are."""
    return torch.where(((y_true == 0) | (y_true == 1)).all(), 2.0 * y_true - 1.0, y_true)


def categorical_hinge(y_true: TensorLike, y_pred: TensorLike) -> Tensor:
    """`max(1 + max((1 - y_true) · y_pred) - sum(y_true · y_pred), 0)` over the last axis, for one-hot labels.

    Args:
        y_true: The targets.
        y_pred: The predictions, shaped as the targets.

    >>> keras.losses.categorical_hinge([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor([0.4000, 0.8000])
    """
    y_true, y_pred = pair(y_true, y_pred, match=False)
    positive = torch.sum(y_true * y_pred, dim=-1)
    negative = torch.amax((1.0 - y_true) * y_pred, dim=-1)
    return _positive(negative - positive + 1.0)


def dice(y_true: TensorLike, y_pred: TensorLike, axis: int | Sequence[int] | None = None) -> Tensor:
    """`1 - 2·|A∩B| / (|A| + |B|)`.

    Args:
        y_true: Targets, 0 to 1.
        y_pred: Predictions, 0 to 1.
        axis: The axes that make one region; all without it, and then the loss is one number.

    >>> keras.losses.dice([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor(0.3000)
    """
    y_true, y_pred = pair(y_true, y_pred, match=False)
    dims = _dims(axis)
    both = torch.sum(y_true * y_pred, dim=dims)
    each = torch.sum(y_true, dim=dims) + torch.sum(y_pred, dim=dims)
    return 1.0 - _ratio(2.0 * both, each)


def tversky(
    y_true: TensorLike, y_pred: TensorLike, alpha: float = 0.5, beta: float = 0.5, axis: int | Sequence[int] | None = None
) -> Tensor:
    """`1 - TP / (TP + alpha·FN + beta·FP)` (Salehi et al. 2017, arXiv:1706.05721); dice for 0.5 and 0.5.

    The weights go to false negatives and false positives as Keras computes it, which is the reverse of what its documentation says.

    Args:
        y_true: Targets, 0 to 1.
        y_pred: Predictions, 0 to 1.
        alpha: The weight of false negatives.
        beta: The weight of false positives.
        axis: The axes that make one region; all without it, and then the loss is one number.

    >>> keras.losses.tversky([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor(0.3000)
    """
    y_true, y_pred = pair(y_true, y_pred, match=False)
    dims = _dims(axis)
    both = torch.sum(y_true * y_pred, dim=dims)
    false_positives = torch.sum((1.0 - y_true) * y_pred, dim=dims)
    false_negatives = torch.sum(y_true * (1.0 - y_pred), dim=dims)
    return 1.0 - _ratio(both, both + alpha * false_negatives + beta * false_positives)


def _dims(axis: int | Sequence[int] | None) -> int | tuple[int, ...] | None:
    return axis if axis is None or isinstance(axis, int) else tuple(axis)


def _ratio(a: Tensor, b: Tensor) -> Tensor:
    return a / (b + config.epsilon())


def circle(
    y_true: TensorLike,
    y_pred: TensorLike,
    ref_labels: TensorLike | None = None,
    ref_embeddings: TensorLike | None = None,
    remove_diagonal: bool = True,
    gamma: float = 80,
    margin: float = 0.4,
) -> Tensor:
    """Circle loss of embeddings: samples of one label are drawn together, others apart (Sun et al. 2020, arXiv:2002.10857).

    Args:
        y_true: Integer labels, `(batch,)` or `(batch, 1)`.
        y_pred: Embeddings of length 1, `(batch, size)`.
        ref_labels: Labels of what to compare with; `y_true` without them.
        ref_embeddings: Embeddings of what to compare with; `y_pred` without them.
        remove_diagonal: Whether a sample is not compared with itself.
        gamma: The scale of the similarities.
        margin: The relaxation, 0 to 1.

    Returns:
        One value per sample; the mask on it takes those out that are 0: without a partner of their label, or without one of another.

    >>> keras.losses.circle([1, 0], [[0.2, 0.8], [0.6, 0.4]])
    tensor([0., 0.])
    """
    y_pred = _convert(y_pred, None)
    labels = _convert(y_true, None, y_pred.device)
    labels = labels.squeeze(-1) if labels.ndim == 2 else labels
    others = labels if ref_labels is None else _convert(ref_labels, labels.dtype, y_pred.device)
    others = others.squeeze(-1) if others.ndim == 2 else others
    references = y_pred if ref_embeddings is None else _convert(ref_embeddings, y_pred.dtype, y_pred.device)
    similarity = torch.clamp(y_pred @ references.t(), max=1.0)
    same = labels.unsqueeze(1) == others.unsqueeze(0)
    different = ~same
    if remove_diagonal:
        same = same & ~torch.eye(*same.shape, dtype=torch.bool, device=same.device)
    pull = -gamma * torch.relu(1.0 + margin - similarity) * (similarity - (1.0 - margin))
    push = gamma * torch.relu(similarity + margin) * (similarity - margin)
    pull = torch.logsumexp(torch.where(same, pull, -torch.inf), dim=1)
    push = torch.logsumexp(torch.where(different, push, -torch.inf), dim=1)
    partners = same.any(dim=1) & different.any(dim=1)  # elsewhere the gradient of infinite numbers would be NaN
    values = torch.where(partners, F.softplus(torch.where(partners, pull + push, 0.0)), 0.0)
    values._keras_mask = values > 0  # type: ignore[attr-defined]
    return values


# -- classes --------------------------------------------------------------------------------------------------------------------------


class Hinge(FunctionLoss):
    """`mean(max(1 - y_true · y_pred, 0))`.

    Args:
        reduction: How the values of the samples become one number: `"sum_over_batch_size"` or `"mean"` (their mean), `"sum"`,
            `"mean_with_sample_weight"` (the sum over the sum of the weights), or `"none"` (they are returned as they are).
        name: Its name; the class's in snake case without one.
        dtype: The type to compute in; `floatx()` without one.
        **settings: Nothing: this loss has no settings of its own.

    >>> keras.losses.Hinge()([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor(0.8000)
    """

    function = staticmethod(hinge)
    _tk_name = "hinge"


class SquaredHinge(FunctionLoss):
    """`mean(max(1 - y_true · y_pred, 0)²)`.

    Args:
        reduction: How the values of the samples become one number: `"sum_over_batch_size"` or `"mean"` (their mean), `"sum"`,
            `"mean_with_sample_weight"` (the sum over the sum of the weights), or `"none"` (they are returned as they are).
        name: Its name; the class's in snake case without one.
        dtype: The type to compute in; `floatx()` without one.
        **settings: Nothing: this loss has no settings of its own.

    >>> keras.losses.SquaredHinge()([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor(0.9000)
    """

    function = staticmethod(squared_hinge)
    _tk_name = "squared_hinge"


class CategoricalHinge(FunctionLoss):
    """`max(1 + negative - positive, 0)` for one-hot labels.

    Args:
        reduction: How the values of the samples become one number: `"sum_over_batch_size"` or `"mean"` (their mean), `"sum"`,
            `"mean_with_sample_weight"` (the sum over the sum of the weights), or `"none"` (they are returned as they are).
        name: Its name; the class's in snake case without one.
        dtype: The type to compute in; `floatx()` without one.
        **settings: Nothing: this loss has no settings of its own.

    >>> keras.losses.CategoricalHinge()([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor(0.6000)
    """

    function = staticmethod(categorical_hinge)
    _tk_name = "categorical_hinge"


class Dice(FunctionLoss):
    """One minus the overlap of targets and predictions.

    Args:
        reduction: How the values of the samples become one number: `"sum_over_batch_size"` or `"mean"` (their mean), `"sum"`,
            `"mean_with_sample_weight"` (the sum over the sum of the weights), or `"none"` (they are returned as they are).
        name: Its name; the class's in snake case without one.
        axis: The axes that make one region; all without it.
        dtype: The type to compute in; `floatx()` without one.

    >>> keras.losses.Dice()([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor(0.3000)
    """

    function = staticmethod(dice)

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "dice",
        axis: int | Sequence[int] | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(reduction, name, dtype, axis=axis)


class Tversky(FunctionLoss):
    """One minus the Tversky overlap of targets and predictions.

    Args:
        alpha: The weight of false negatives.
        beta: The weight of false positives.
        reduction: How the values of the samples become one number: `"sum_over_batch_size"` or `"mean"` (their mean), `"sum"`,
            `"mean_with_sample_weight"` (the sum over the sum of the weights), or `"none"` (they are returned as they are).
        name: Its name; the class's in snake case without one.
        axis: The axes that make one region; all without it.
        dtype: The type to compute in; `floatx()` without one.

    >>> keras.losses.Tversky()([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor(0.3000)
    """

    function = staticmethod(tversky)

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "tversky",
        axis: int | Sequence[int] | None = None,
        dtype: Any = None,
    ) -> None:
        check_numbers(0, alpha=alpha, beta=beta)
        super().__init__(reduction, name, dtype, alpha=alpha, beta=beta, axis=axis)


class Circle(FunctionLoss):
    """Circle loss of embeddings.

    Args:
        gamma: The scale of the similarities.
        margin: The relaxation, 0 to 1.
        remove_diagonal: Whether a sample is not compared with itself.
        reduction: How the values of the samples become one number: `"sum_over_batch_size"` or `"mean"` (their mean), `"sum"`,
            `"mean_with_sample_weight"` (the sum over the sum of the weights), or `"none"` (they are returned as they are).
        name: Its name; the class's in snake case without one.
        dtype: The type to compute in; `floatx()` without one.

    >>> keras.losses.Circle()([1, 0], [[0.2, 0.8], [0.6, 0.4]])
    tensor(0.)
    """

    function = staticmethod(circle)

    def __init__(
        self,
        gamma: float = 80.0,
        margin: float = 0.4,
        remove_diagonal: bool = True,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "circle",
        dtype: Any = None,
    ) -> None:
        check_numbers(above=0, gamma=gamma)
        check_numbers(margin=margin)
        super().__init__(reduction, name, dtype, remove_diagonal=remove_diagonal, gamma=gamma, margin=margin)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.fn(y_true, y_pred, **self._fn_kwargs)
