"""Accuracies: how often predictions are right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from .. import config, dtypes
from ..graph import TensorLike, convert_to_tensor
from ..losses.loss import match_ranks
from .reduction import FunctionMetric, MeanMetricWrapper


def accuracy(y_true: TensorLike, y_pred: TensorLike) -> Tensor:
    """1 where the prediction equals the label, else 0."""
    return _floats(_equal(y_true, y_pred))


def binary_accuracy(y_true: TensorLike, y_pred: TensorLike, threshold: float = 0.5) -> Tensor:
    """1 where the prediction is on the label's side of `threshold`, else 0.

    Args:
        y_true: Labels, 0 or 1.
        y_pred: Predictions.
        threshold: Above it a prediction means 1.

    >>> keras.metrics.binary_accuracy([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor([[1., 1.],
            [1., 1.]])
    """
    return _floats(_binary_hits(y_true, y_pred, threshold))


def categorical_accuracy(y_true: TensorLike, y_pred: TensorLike) -> Tensor:
    """1 where the largest prediction is that of the one-hot label, else 0.

    Args:
        y_true: The targets.
        y_pred: The predictions, shaped as the targets.

    >>> keras.metrics.categorical_accuracy([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor([1., 1.])
    """
    return _floats(_categorical_hits(y_true, y_pred))


def sparse_categorical_accuracy(y_true: TensorLike, y_pred: TensorLike) -> Tensor:
    """1 where the largest prediction is that of the integer label, else 0.

    Args:
        y_true: The targets.
        y_pred: The predictions, shaped as the targets.

    >>> keras.metrics.sparse_categorical_accuracy([1, 0], [[0.2, 0.8], [0.6, 0.4]])
    tensor([1., 1.])
    """
    return _floats(_sparse_hits(y_true, y_pred))


def top_k_categorical_accuracy(y_true: TensorLike, y_pred: TensorLike, k: int = 5) -> Tensor:
    """1 where the one-hot label is among the `k` largest predictions, else 0; ties count as inside.

    Args:
        y_true: The targets.
        y_pred: The predictions, shaped as the targets.
        k: Among how many of the greatest predictions the class must be.

    >>> keras.metrics.top_k_categorical_accuracy([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor([1., 1.])
    """
    return _floats(_top_k_hits(y_true, y_pred, k))


def sparse_top_k_categorical_accuracy(y_true: TensorLike, y_pred: TensorLike, k: int = 5, from_sorted_ids: bool = False) -> Tensor:
    """1 where the integer label is among the `k` largest predictions, else 0; ties count as inside.

    Args:
        y_true: Integer labels.
        y_pred: Predictions, or with `from_sorted_ids` the classes themselves, best first.
        k: How many predictions count.
        from_sorted_ids: Whether `y_pred` holds classes.

    >>> keras.metrics.sparse_top_k_categorical_accuracy([1, 0], [[0.2, 0.8], [0.6, 0.4]])
    tensor([1., 1.])
    """
    return _floats(_sparse_top_k_hits(y_true, y_pred, k, from_sorted_ids))


def _top_k_hits(y_true: TensorLike, y_pred: TensorLike, k: int) -> Tensor:
    y_pred = convert_to_tensor(y_pred)
    y_true = _same_shape(_near(y_true, y_pred), y_pred)
    return _in_top_k(_places(y_true), y_pred, k)


def _sparse_top_k_hits(y_true: TensorLike, y_pred: TensorLike, k: int, from_sorted_ids: bool) -> Tensor:
    y_pred = convert_to_tensor(y_pred)
    labels = _labels(_near(y_true, y_pred), y_pred)
    if from_sorted_ids:
        return (labels.unsqueeze(-1) == y_pred[..., :k]).any(-1)
    known = labels.to(torch.int64).clamp(0, y_pred.shape[-1] - 1)
    return _in_top_k(known, y_pred, k) & (known == labels)


def _in_top_k(labels: Tensor, y_pred: Tensor, k: int) -> Tensor:
    """Whether fewer than `k` predictions exceed the label's; a NaN of the label's never is."""
    own = y_pred.gather(-1, labels.unsqueeze(-1))
    return (y_pred <= own).sum(-1) > y_pred.shape[-1] - k


def _equal(y_true: TensorLike, y_pred: TensorLike) -> Tensor:
    y_pred = convert_to_tensor(y_pred)
    y_true, y_pred = match_ranks(_near(y_true, y_pred), y_pred)
    return _same_shape(y_true, y_pred) == y_pred


def _binary_hits(y_true: TensorLike, y_pred: TensorLike, threshold: float = 0.5) -> Tensor:
    y_pred = convert_to_tensor(y_pred)
    y_true, y_pred = match_ranks(_near(y_true, y_pred), y_pred)
    return _same_shape(y_true, y_pred) == (y_pred > threshold)


def _categorical_hits(y_true: TensorLike, y_pred: TensorLike) -> Tensor:
    y_pred = convert_to_tensor(y_pred)
    y_true = _same_shape(_near(y_true, y_pred), y_pred)
    return _places(y_true) == y_pred.argmax(-1)


def _places(one_hot: Tensor) -> Tensor:
    """Where the rows of one-hot labels, Boolean ones included, are largest."""
    return (one_hot.byte() if one_hot.dtype is torch.bool else one_hot).argmax(-1)


def _sparse_hits(y_true: TensorLike, y_pred: TensorLike) -> Tensor:
    if not isinstance(y_pred, Tensor):
        y_pred = convert_to_tensor(y_pred)
    if not (isinstance(y_true, Tensor) and y_true.device == y_pred.device):
        y_true = _near(y_true, y_pred)
    return _labels(y_true, y_pred) == y_pred.argmax(-1)


def _labels(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Integer labels shaped as the predictions without their classes."""
    shape = y_true.shape
    if len(shape) == y_pred.ndim and shape[-1] == 1:
        y_true = y_true.squeeze(-1)
    if y_true.shape != y_pred.shape[:-1]:
        raise ValueError(
            f"`y_true` must hold one integer label per sample: shape {tuple(y_pred.shape[:-1])} for `y_pred` of shape "
            f"{tuple(y_pred.shape)}. Received: y_true of shape {tuple(shape)}"
        )
    return y_true


def _same_shape(y_true: Tensor, y_pred: Tensor) -> Tensor:
    if y_true.shape != y_pred.shape and (y_true.ndim != y_pred.ndim or 1 not in (*y_true.shape, *y_pred.shape)):
        raise ValueError(
            "`y_true` and `y_pred` must have the same shape. "
            f"Received: y_true of shape {tuple(y_true.shape)}, y_pred of shape {tuple(y_pred.shape)}"
        )
    return y_true


def _near(y_true: TensorLike, y_pred: Tensor) -> Tensor:
    """Targets on the device of the predictions."""
    if isinstance(y_true, Tensor):
        return y_true if y_true.device == y_pred.device else y_true.to(y_pred.device)
    return convert_to_tensor(y_true, device=y_pred.device)


def _floats(hits: Tensor) -> Tensor:
    return hits.to(dtypes.to_torch_dtype(config.floatx()))


# -- classes --------------------------------------------------------------------------------------------------------------------------


class _Hits(MeanMetricWrapper):
    """Counts hits without making numbers of them first, where nothing weighs them."""

    _hits: ClassVar[Callable]

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        if sample_weight is None and getattr(y_pred, "_keras_mask", None) is None:
            self._add(self._hits(y_true, y_pred, **self._fn_kwargs))
        else:
            super().update_state(y_true, y_pred, sample_weight)


class Accuracy(_Hits, FunctionMetric):
    """How often predictions equal labels.

    Args:
        name: Its name.
        dtype: The type of the state.

    >>> metric = keras.metrics.Accuracy()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(0.)
    """

    function = staticmethod(accuracy)
    _hits = staticmethod(_equal)
    _tk_name = "accuracy"


class BinaryAccuracy(_Hits):
    """How often predictions are on the label's side of a threshold.

    Args:
        name: Its name.
        dtype: The type of the state.
        threshold: Above it a prediction means 1; for logits, 0.

    Raises:
        ValueError: If `threshold` is no number.

    >>> metric = keras.metrics.BinaryAccuracy()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(1.)
    """

    _hits = staticmethod(_binary_hits)

    def __init__(self, name: str | None = "binary_accuracy", dtype: Any = None, threshold: float = 0.5) -> None:
        if not isinstance(threshold, (int, float)):
            raise ValueError(f"`threshold` must be a number. Received: threshold={threshold!r}")
        super().__init__(binary_accuracy, name, dtype, threshold=threshold)
        self.threshold = threshold


class CategoricalAccuracy(_Hits, FunctionMetric):
    """How often the largest prediction is that of the one-hot label.

    Args:
        name: Its name.
        dtype: The type of the state.

    >>> metric = keras.metrics.CategoricalAccuracy()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(1.)
    """

    function = staticmethod(categorical_accuracy)
    _hits = staticmethod(_categorical_hits)
    _tk_name = "categorical_accuracy"


class SparseCategoricalAccuracy(_Hits, FunctionMetric):
    """How often the largest prediction is that of the integer label.

    Args:
        name: Its name.
        dtype: The type of the state.

    >>> metric = keras.metrics.SparseCategoricalAccuracy()
    >>> metric.update_state([1, 0], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(1.)
    """

    function = staticmethod(sparse_categorical_accuracy)
    _hits = staticmethod(_sparse_hits)
    _tk_name = "sparse_categorical_accuracy"


class TopKCategoricalAccuracy(_Hits):
    """How often the one-hot label is among the `k` largest predictions.

    Args:
        k: How many predictions count.
        name: Its name.
        dtype: The type of the state.

    >>> metric = keras.metrics.TopKCategoricalAccuracy(k=1)
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(1.)
    """

    _hits = staticmethod(_top_k_hits)

    def __init__(self, k: int = 5, name: str | None = "top_k_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(top_k_categorical_accuracy, name, dtype, k=_check_k(k))
        self.k = k

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype, "k": self.k}


class SparseTopKCategoricalAccuracy(_Hits):
    """How often the integer label is among the `k` largest predictions.

    Args:
        k: How many predictions count.
        name: Its name.
        dtype: The type of the state.
        from_sorted_ids: Whether predictions are classes, best first, instead of scores.

    >>> metric = keras.metrics.SparseTopKCategoricalAccuracy(k=1)
    >>> metric.update_state([1, 0], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(1.)
    """

    _hits = staticmethod(_sparse_top_k_hits)

    def __init__(
        self, k: int = 5, name: str | None = "sparse_top_k_categorical_accuracy", dtype: Any = None, from_sorted_ids: bool = False
    ) -> None:
        super().__init__(sparse_top_k_categorical_accuracy, name, dtype, k=_check_k(k), from_sorted_ids=from_sorted_ids)
        self.k = k
        self.from_sorted_ids = from_sorted_ids

    def get_config(self) -> dict[str, Any]:
        sorted_ids = {"from_sorted_ids": True} if self.from_sorted_ids else {}  # Keras's configs leave it out
        return {"name": self.name, "dtype": self.dtype, "k": self.k} | sorted_ids


def _check_k(k: int) -> int:
    if not isinstance(k, int) or k < 1:
        raise ValueError(f"`k` must be a positive integer. Received: k={k!r}")
    return k
