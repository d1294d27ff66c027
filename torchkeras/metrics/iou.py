"""Intersection over union of segmentations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .. import config, dtypes
from ..graph import convert_to_tensor
from ..losses.loss import align
from ..reporting import warn
from .metric import Metric


def _flat_labels(labels: Tensor) -> Tensor:
    labels = labels if labels.ndim == 1 else labels.reshape(-1)
    return labels if labels.dtype is torch.int64 else labels.to(torch.int64)


def _places(scores: Tensor, axis: int) -> Tensor:
    """Where scores or one-hot labels, Boolean ones included, are largest."""
    return (scores.byte() if scores.dtype is torch.bool else scores).argmax(axis)


class _IoUBase(Metric):
    """Counts how often each class is predicted for each class, and reads intersections over unions from it.

    The counts are integers, and fractions of weights are dropped, unless `dtype` is a float.

    Args:
        num_classes: The number of classes.
        name: Its name; the class's in snake case without one.
        dtype: The type of the state; `"int"` without one.
        ignore_class: A label whose samples do not count.
        sparse_y_true: Whether targets are integer labels; else one-hot.
        sparse_y_pred: Whether predictions are integer labels; else one score per class.
        axis: The axis of the classes where they are not sparse.
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(name=name, dtype="int32" if dtype in (None, "int") else dtype)
        if num_classes < 1:
            raise ValueError(f"`num_classes` must be a positive integer. Received: num_classes={num_classes}")
        self.num_classes = num_classes
        self.ignore_class = ignore_class
        self.sparse_y_true = sparse_y_true
        self.sparse_y_pred = sparse_y_pred
        self.axis = axis
        self.total_cm = self.add_variable((num_classes, num_classes), "zeros", name="total_confusion_matrix")
        self._lowest = self._tk_add_check(0, "min", "lowest", torch.int64)
        self._highest = self._tk_add_check(num_classes - 1, "max", "highest", torch.int64)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch.

        Args:
            y_true: Labels, or one-hot.
            y_pred: Labels, or one score per class.
            sample_weight: Weights, one per sample or per label.

        Raises:
            ValueError: Shapes that differ.
        """
        y_pred = convert_to_tensor(y_pred)
        y_true = convert_to_tensor(y_true, device=y_pred.device)
        y_true = y_true if y_true.device == y_pred.device else y_true.to(y_pred.device)
        y_true = y_true if self.sparse_y_true else _places(y_true, self.axis)
        y_pred = y_pred if self.sparse_y_pred else _places(y_pred, self.axis)
        if y_true.shape != y_pred.shape and y_true.numel() != y_pred.numel():
            raise ValueError(
                "`y_true` and `y_pred` must hold the same number of labels. "
                f"Received: y_true of shape {tuple(y_true.shape)}, y_pred of shape {tuple(y_pred.shape)}"
            )
        self._tk_follow(y_pred)
        weight = None
        if sample_weight is not None:
            weight = convert_to_tensor(sample_weight, device=y_true.device).detach().to(y_true.device)
            if weight.is_floating_point() and not self.total_cm.is_floating_point() and _has_fractions(weight):
                warn(
                    f"`sample_weight` of the metric {self.name} loses its fractions: the metric counts in {self.dtype}. "
                    'Pass `dtype="float32"` to the metric.',
                )
            weight = align(weight.to(self.total_cm.dtype), y_true).expand_as(y_true).reshape(-1)
        y_true, y_pred = _flat_labels(y_true), _flat_labels(y_pred)
        if self.ignore_class is not None:
            counted = y_true != self.ignore_class
            y_true, y_pred = (torch.where(counted, t, 0) for t in (y_true, y_pred))
            weight = counted if weight is None else weight * counted
        self._count(y_true, y_pred, weight)

    def _count(self, y_true: Tensor, y_pred: Tensor, weight: Tensor | None) -> None:
        matrix = self.total_cm
        if y_true.numel():
            low, high = torch.aminmax(torch.stack([y_true, y_pred]))
            self._lowest.clamp_(max=low)
            self._highest.clamp_(min=high)
        known = (y_true >= 0) & (y_true < self.num_classes) & (y_pred >= 0) & (y_pred < self.num_classes)  # `check` tells of others
        cells = torch.add(y_pred, y_true, alpha=self.num_classes).clamp_(0, self.num_classes**2 - 1)
        weight = known.to(matrix.dtype) if weight is None else weight.to(matrix.dtype) * known
        if matrix.is_floating_point():  # the sum of the batch first: small numbers are lost in large ones
            counts = torch.zeros_like(matrix.detach()).view(-1).index_add_(0, cells, weight)
            matrix.add_(counts.view(matrix.shape))
        else:
            matrix.view(-1).index_add_(0, cells, weight)

    def check(self) -> None:
        low, high = int(self._lowest), int(self._highest)
        if low < 0 or high >= self.num_classes:
            warn(
                f"`y_true` and `y_pred` of the metric {self.name} must hold labels from 0 to {self.num_classes - 1}; others do not count. "
                f"Received: label {low if low < 0 else high}. Raise `num_classes`, or pass `ignore_class`."
            )
            self._lowest.fill_(0)
            self._highest.fill_(self.num_classes - 1)

    def _ious(self) -> tuple[Tensor, Tensor]:
        """The intersection over union of each class, and whether the class came up at all."""
        matrix = self.total_cm.detach().to(dtypes.to_torch_dtype(config.floatx()))
        hits = matrix.diagonal()
        union = matrix.sum(0) + matrix.sum(1) - hits
        return hits / (union + config.epsilon()), union > 0

    def _mean_of(self, class_ids: Sequence[int] | None) -> Tensor:
        ious, present = self._ious()
        if class_ids is not None:
            picked = torch.tensor(list(class_ids), device=ious.device)
            ious, present = ious[picked], present[picked]
        return self._checked((ious * present).sum() / (present.sum() + config.epsilon()))

    def _checked(self, value: Tensor) -> Tensor:
        """`value`, with a warning about labels that are no classes where the device is not waited for."""
        if not torch.compiler.is_compiling() and self._lowest.device.type == "cpu":
            self.check()
        return value

    def result(self) -> Tensor:
        return self._mean_of(None)


class IoU(_IoUBase):
    """The mean intersection over union of some classes.

    Args:
        num_classes: The number of classes.
        target_class_ids: The classes that are looked at.
        name: Its name.
        dtype: The type of the state; `"int"` without one.
        ignore_class: A label whose samples do not count.
        sparse_y_true: Whether targets are integer labels; else one-hot.
        sparse_y_pred: Whether predictions are integer labels; else one score per class.
        axis: The axis of the classes where they are not sparse.

    Raises:
        ValueError: If there is a class out of range.

    >>> metric = keras.metrics.IoU(num_classes=2, target_class_ids=[1])
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(0.)
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)
        wrong = [c for c in target_class_ids if not 0 <= c < num_classes]
        if wrong:
            raise ValueError(f"`target_class_ids` must lie from 0 to {num_classes - 1}. Received: {wrong[0]}")
        self.target_class_ids = list(target_class_ids)

    def result(self) -> Tensor:
        return self._mean_of(self.target_class_ids)


class BinaryIoU(IoU):
    """The mean intersection over union of classes 0 and 1, from probabilities.

    Args:
        target_class_ids: The classes that are looked at.
        threshold: From it on a prediction means 1.
        name: Its name.
        dtype: The type of the state; `"int"` without one.

    >>> metric = keras.metrics.BinaryIoU()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(1.)
    """

    def __init__(
        self, target_class_ids: Sequence[int] = (0, 1), threshold: float = 0.5, name: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold = threshold

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        super().update_state(y_true, convert_to_tensor(y_pred) >= self.threshold, sample_weight)

    def get_config(self) -> dict[str, Any]:
        settings = {"target_class_ids": self.target_class_ids, "threshold": self.threshold}
        return {"name": self.name, "dtype": self.dtype} | settings


class MeanIoU(IoU):
    """The mean intersection over union of all classes.

    Args:
        num_classes: The number of classes.
        name: Its name.
        dtype: The type of the state; `"int"` without one.
        ignore_class: A label whose samples do not count.
        sparse_y_true: Whether targets are integer labels; else one-hot.
        sparse_y_pred: Whether predictions are integer labels; else one score per class.
        axis: The axis of the classes where they are not sparse.

    >>> metric = keras.metrics.MeanIoU(num_classes=2)
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(0.2500)
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, range(num_classes), name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)


class OneHotIoU(IoU):
    """The mean intersection over union of some classes, for one-hot targets.

    Args:
        num_classes: The number of classes.
        target_class_ids: The classes that are looked at.
        name: Its name.
        dtype: The type of the state; `"int"` without one.
        ignore_class: A label whose samples do not count.
        sparse_y_pred: Whether predictions are integer labels; else one score per class.
        axis: The axis of the classes.

    >>> metric = keras.metrics.OneHotIoU(num_classes=2, target_class_ids=[1])
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(1.0000)
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis)


class OneHotMeanIoU(MeanIoU):
    """The mean intersection over union of all classes, for one-hot targets.

    Args:
        num_classes: The number of classes.
        name: Its name.
        dtype: The type of the state; `"int"` without one.
        ignore_class: A label whose samples do not count.
        sparse_y_pred: Whether predictions are integer labels; else one score per class.
        axis: The axis of the classes.

    >>> metric = keras.metrics.OneHotMeanIoU(num_classes=2)
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(1.0000)
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)


def _has_fractions(weight: Tensor) -> bool:
    """Whether weights are not whole numbers; where looking at them would wait for a device or end a trace, they may not be."""
    if torch.compiler.is_compiling() or type(weight) is not torch.Tensor:
        return False
    return weight.device.type != "cpu" or bool((weight != weight.round()).any())
