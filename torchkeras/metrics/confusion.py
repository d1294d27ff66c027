"""Metrics of true and false positives and negatives, at one or many thresholds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from .. import config, dtypes
from ..checks import as_number
from ..graph import convert_to_tensor
from ..losses.loss import align, match_ranks
from ..reporting import warn
from ..variable import ParameterVariable
from .metric import Metric, divide_no_nan

_TOLERANCE = 1e-3  # how far rounding may carry a probability out of [0, 1]


class _Confusion(Metric):
    """A metric of probabilities that counts true and false positives and negatives at thresholds.

    Subclasses name the counts that they keep, in `_counts`.
    """

    _counts: ClassVar[tuple[str, ...]]
    true_positives: ParameterVariable
    false_positives: ParameterVariable
    true_negatives: ParameterVariable
    false_negatives: ParameterVariable
    _state_name: ClassVar[str | None] = None  # what the only count is called, where it is not its own name

    def _tk_make_state(self, thresholds: Sequence[float], shape: Sequence[int], even: bool = False) -> None:
        self._tk_torch_dtype = dtypes.to_torch_dtype(config.floatx())  # counts have the type of Keras's
        self._edges = tuple(float(t) for t in thresholds)
        self._even = even
        for name in self._counts:
            setattr(self, name, self.add_variable(shape, "zeros", name=self._state_name or name))
        self._lowest = self._tk_add_check(0.0, "min", "lowest")
        self._highest = self._tk_add_check(1.0, "max", "highest")

    def _tk_prepare(self, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Tensor, Tensor, Tensor | None]:
        """Labels as booleans, predictions, and weights of their shape; predictions are watched for leaving [0, 1]."""
        mask = getattr(y_pred, "_keras_mask", None)
        y_pred = convert_to_tensor(y_pred).detach()
        if y_pred.dtype is not self._tk_torch_dtype:
            y_pred = y_pred.to(self._tk_torch_dtype)
        y_true = convert_to_tensor(y_true, device=y_pred.device)
        y_true = y_true if y_true.device == y_pred.device else y_true.to(y_pred.device)
        if y_true.shape != y_pred.shape:
            y_true, y_pred = match_ranks(y_true, y_pred)
        if y_true.shape != y_pred.shape:
            raise ValueError(
                "`y_true` and `y_pred` must have the same shape. "
                f"Received: y_true of shape {tuple(y_true.shape)}, y_pred of shape {tuple(y_pred.shape)}"
            )
        self._tk_follow(y_pred)
        weight = None
        if sample_weight is not None:
            weight = convert_to_tensor(sample_weight, y_pred.dtype, y_pred.device).detach().to(y_pred.device)
            weight = align(weight, y_pred).expand_as(y_pred)
        if mask is not None:
            kept = align(mask.to(y_pred.dtype), y_pred, "mask").expand_as(y_pred)
            weight = kept if weight is None else weight * kept
        return y_true.to(torch.bool), y_pred, weight

    def _watch(self, y_pred: Tensor) -> None:
        if y_pred.numel():
            low, high = torch.aminmax(y_pred)
            self._lowest.clamp_(max=low)
            self._highest.clamp_(min=high)

    def check(self) -> None:
        low, high = float(self._lowest), float(self._highest)
        if low < -_TOLERANCE or high > 1.0 + _TOLERANCE:
            cure = "or pass `from_logits=True`" if hasattr(self, "from_logits") else "before the metric"
            warn(
                f"`y_pred` of the metric {self.name} must hold probabilities between 0 and 1; others are counted as they are. "
                f"Received: values from {low:.6g} to {high:.6g}. Logits need a sigmoid or softmax {cure}.",
            )
            self._lowest.fill_(0.0)
            self._highest.fill_(1.0)

    def _checked(self, value: Tensor) -> Tensor:
        """`value`, with a warning about predictions that are no probabilities where the device is not waited for."""
        if not torch.compiler.is_compiling() and self._lowest.device.type == "cpu":
            self.check()
        return value

    def _add_counts(self, labels: Tensor, y_pred: Tensor, weight: Tensor | None, per_label: bool = False) -> None:
        """Add a batch to the counts.

        Args:
            labels: Booleans, `(samples, labels)` with `per_label`, else of any shape.
            y_pred: Predictions of the same shape.
            weight: Weights of the same shape, or `None`.
            per_label: Whether the counts are kept for each label.
        """
        if not per_label and y_pred.ndim != 1:
            labels, y_pred = labels.reshape(-1), y_pred.reshape(-1)
            weight = None if weight is None else weight.reshape(-1)
        if self._even and len(self._edges) > 2:
            found = _count_even(labels, y_pred, weight, self._edges)
        else:
            found = _count_above(labels, y_pred, weight, self._edges, self._counts)
        for name in self._counts:
            getattr(self, name).add_(found[name])


def _count_above(
    labels: Tensor, y_pred: Tensor, weight: Tensor | None, edges: tuple[float, ...], names: tuple[str, ...]
) -> dict[str, Tensor]:
    """The counts of these names: weights of samples predicted above each threshold or not, by label."""
    if len(edges) == 1:
        above, axis = y_pred > edges[0], 0
    else:
        thresholds = torch.tensor(edges, dtype=y_pred.dtype, device=y_pred.device)
        above, axis = y_pred.unsqueeze(0) > thresholds.view(-1, *[1] * y_pred.ndim), 1
    found = {}
    for name in names:
        chosen = _CHOOSE[name](above, labels)
        found[name] = (chosen if weight is None else chosen * weight).sum(axis)
    return found


_CHOOSE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {  # of two booleans, in one kernel where there is one
    "true_positives": torch.logical_and,
    "false_positives": torch.gt,
    "false_negatives": torch.lt,
    "true_negatives": lambda above, labels: ~(above | labels),
}


def _count_even(labels: Tensor, y_pred: Tensor, weight: Tensor | None, edges: tuple[float, ...]) -> dict[str, Tensor]:
    """As `_count_above`, all four counts, for thresholds evenly spaced from 0 to 1, in time that does not grow with their number.

    The first threshold may lie just below 0 and the last just above 1.
    """
    thresholds = len(edges)
    y_pred = y_pred.clamp(0.0, 1.0)
    # a prediction in bucket i lies above the first i thresholds
    bucket = (y_pred * (thresholds - 1)).ceil_().to(torch.int64).clamp_(1 if edges[0] < 0 else 0, thresholds)
    weight = torch.ones_like(y_pred) if weight is None else weight
    sums = y_pred.new_zeros((2, thresholds + 1, *y_pred.shape[1:]))
    hits = labels * weight
    sums.scatter_add_(1, bucket.expand(2, *bucket.shape), torch.stack([hits, weight - hits]))
    above = sums.flip(1).cumsum_(1).flip(1)
    all_true, all_false = above[:, :1].unbind(0)
    true_positives, false_positives = above[:, 1:].unbind(0)
    return {
        "true_positives": true_positives,
        "false_positives": false_positives,
        "true_negatives": all_false - false_positives,
        "false_negatives": all_true - true_positives,
    }


def _check_thresholds(thresholds: Any, default: float) -> list[float]:
    values = [default] if thresholds is None else list(thresholds) if isinstance(thresholds, (list, tuple, np.ndarray)) else [thresholds]
    wrong = [t for t in values if thresholds is not None and not (as_number(t) is not None and 0 <= t <= 1)]
    if wrong:
        raise ValueError(f"`thresholds` must lie between 0 and 1. Received: {wrong}")
    return values


def _check_class(class_id: int | None, y_pred: Tensor) -> None:
    if class_id is not None and not -y_pred.shape[-1] <= class_id < y_pred.shape[-1]:
        raise ValueError(f"`class_id` must be a class of `y_pred`, below {y_pred.shape[-1]}. Received: class_id={class_id}")


def _only_top_k(y_pred: Tensor, k: int) -> Tensor:
    """Predictions, with all but the `k` largest of each sample pushed below every threshold."""
    best = torch.topk(y_pred, min(k, y_pred.shape[-1]), dim=-1)
    return torch.full_like(y_pred, -torch.inf).scatter(-1, best.indices, best.values)


# -- one count ------------------------------------------------------------------------------------------------------------------------


class _OneCount(_Confusion):
    """The number of true or false positives or negatives.

    Args:
        thresholds: Above it a prediction means 1: a number or several; 0.5 without it.
        name: Its name; the class's in snake case without one.
        dtype: The type of the state.

    Raises:
        ValueError: A threshold out of [0, 1].
    """

    _state_name = "accumulator"

    def __init__(self, thresholds: float | Sequence[float] | None = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.init_thresholds = thresholds
        self.thresholds = _check_thresholds(thresholds, 0.5)
        self._tk_make_state(self.thresholds, (len(self.thresholds),))
        self.accumulator = getattr(self, self._counts[0])

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch.

        Args:
            y_true: Labels, 0 or 1.
            y_pred: Probabilities, of the same shape.
            sample_weight: Weights, one per sample or per label.
        """
        labels, y_pred, weight = self._tk_prepare(y_true, y_pred, sample_weight)
        self._watch(y_pred)
        self._add_counts(labels, y_pred, weight)

    def result(self) -> Tensor:
        counts = self.accumulator.detach()
        return self._checked(counts[0] if len(self.thresholds) == 1 else counts.clone())

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype, "thresholds": self.init_thresholds}


class FalsePositives(_OneCount):
    """How many labels 0 are predicted as 1.

    Args:
        thresholds: Above it a prediction means 1: a number or several; 0.5 without it.
        name: Its name.
        dtype: The type of the state.

    >>> metric = keras.metrics.FalsePositives()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(0.)
    """

    _counts = ("false_positives",)


class FalseNegatives(_OneCount):
    """How many labels 1 are predicted as 0.

    Args:
        thresholds: Above it a prediction means 1: a number or several; 0.5 without it.
        name: Its name.
        dtype: The type of the state.

    >>> metric = keras.metrics.FalseNegatives()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(0.)
    """

    _counts = ("false_negatives",)


class TrueNegatives(_OneCount):
    """How many labels 0 are predicted as 0.

    Args:
        thresholds: Above it a prediction means 1: a number or several; 0.5 without it.
        name: Its name.
        dtype: The type of the state.

    >>> metric = keras.metrics.TrueNegatives()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(2.)
    """

    _counts = ("true_negatives",)


class TruePositives(_OneCount):
    """How many labels 1 are predicted as 1.

    Args:
        thresholds: Above it a prediction means 1: a number or several; 0.5 without it.
        name: Its name.
        dtype: The type of the state.

    >>> metric = keras.metrics.TruePositives()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(2.)
    """

    _counts = ("true_positives",)


# -- precision and recall -------------------------------------------------------------------------------------------------------------


class _Ratio(_Confusion):
    """True positives over the two counts that the class keeps.

    Args:
        thresholds: Above it a prediction means 1: a number or several; 0.5 without it, none with `top_k`.
        top_k: Only the `top_k` largest predictions of each sample can mean 1.
        class_id: The only class that is looked at.
        name: Its name; the class's in snake case without one.
        dtype: The type of the state.

    Raises:
        ValueError: A threshold out of [0, 1].
    """

    def __init__(
        self,
        thresholds: float | Sequence[float] | None = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if top_k is not None and top_k < 1:
            raise ValueError(f"`top_k` must be a positive integer. Received: top_k={top_k}")
        self.init_thresholds = thresholds
        self.top_k = top_k
        self.class_id = class_id
        self.thresholds = _check_thresholds(thresholds, 0.5 if top_k is None else -1e10)
        self._tk_make_state(self.thresholds, (len(self.thresholds),))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch.

        Args:
            y_true: Labels, 0 or 1.
            y_pred: Probabilities, of the same shape.
            sample_weight: Weights, one per sample or per label.
        """
        labels, y_pred, weight = self._tk_prepare(y_true, y_pred, sample_weight)
        self._watch(y_pred)
        if self.top_k is not None:
            y_pred = _only_top_k(y_pred, self.top_k)
        if self.class_id is not None:
            _check_class(self.class_id, y_pred)
            labels, y_pred = labels[..., self.class_id], y_pred[..., self.class_id]
            weight = None if weight is None else weight[..., self.class_id]
        self._add_counts(labels, y_pred, weight)

    def result(self) -> Tensor:
        hits, misses = (getattr(self, name).detach() for name in self._counts)
        ratio = divide_no_nan(hits, hits + misses)
        return self._checked(ratio[0] if len(self.thresholds) == 1 else ratio)

    def get_config(self) -> dict[str, Any]:
        settings = {"thresholds": self.init_thresholds, "top_k": self.top_k, "class_id": self.class_id}
        return {"name": self.name, "dtype": self.dtype} | settings


class Precision(_Ratio):
    """How many of those predicted as 1 are 1.

    Args:
        thresholds: Above it a prediction means 1: a number or several; 0.5 without it, none with `top_k`.
        top_k: Only the `top_k` largest predictions of each sample can mean 1.
        class_id: The only class that is looked at.
        name: Its name.
        dtype: The type of the state.

    >>> metric = keras.metrics.Precision()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(1.)
    """

    _counts = ("true_positives", "false_positives")


class Recall(_Ratio):
    """How many of those that are 1 are predicted as 1.

    Args:
        thresholds: Above it a prediction means 1: a number or several; 0.5 without it, none with `top_k`.
        top_k: Only the `top_k` largest predictions of each sample can mean 1.
        class_id: The only class that is looked at.
        name: Its name.
        dtype: The type of the state.

    >>> metric = keras.metrics.Recall()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(1.)
    """

    _counts = ("true_positives", "false_negatives")


# -- one rate where another is given --------------------------------------------------------------------------------------------------

_ALL = ("true_positives", "false_positives", "true_negatives", "false_negatives")


class _RateAtRate(_Confusion):
    """The best value of one rate over the thresholds at which another is at least `value`.

    Args:
        value: The least value of the other rate, 0 to 1.
        num_thresholds: How many thresholds are tried.
        class_id: The only class that is looked at.
        name: Its name; the class's in snake case without one.
        dtype: The type of the state.

    Raises:
        ValueError: A value out of range.
    """

    _counts = _ALL
    _argument: ClassVar[str]

    def _setup(self, value: float, num_thresholds: int, class_id: int | None, name: str | None, dtype: Any) -> None:
        Metric.__init__(self, name=name, dtype=dtype)
        if not 0 <= value <= 1:
            raise ValueError(f"`{self._argument}` must lie between 0 and 1. Received: {self._argument}={value}")
        if num_thresholds <= 0:
            raise ValueError(f"`num_thresholds` must be a positive integer. Received: num_thresholds={num_thresholds}")
        self.value = value
        self.num_thresholds = num_thresholds
        self.class_id = class_id
        if num_thresholds == 1:
            self.thresholds = [0.5]
        else:
            self.thresholds = [0.0, *((i + 1) / (num_thresholds - 1) for i in range(num_thresholds - 2)), 1.0]
        self._tk_make_state(self.thresholds, (num_thresholds,), even=num_thresholds > 1)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch.

        Args:
            y_true: Labels, 0 or 1.
            y_pred: Probabilities, of the same shape.
            sample_weight: Weights, one per sample or per label.
        """
        labels, y_pred, weight = self._tk_prepare(y_true, y_pred, sample_weight)
        self._watch(y_pred)
        if self.class_id is not None:
            _check_class(self.class_id, y_pred)
            labels, y_pred = labels[..., self.class_id], y_pred[..., self.class_id]
            weight = None if weight is None else weight[..., self.class_id]
        self._add_counts(labels, y_pred, weight)

    def _rates(self) -> tuple[Tensor, Tensor]:
        """The rate that is given and the one that is sought, at each threshold."""
        raise NotImplementedError

    def _rate(self, part: Tensor, rest: Tensor) -> Tensor:
        return divide_no_nan(part.detach(), part.detach() + rest.detach())

    def result(self) -> Tensor:
        given, sought = self._rates()
        return self._checked(torch.where(given >= self.value, sought, 0.0).amax())

    def get_config(self) -> dict[str, Any]:
        settings = {"class_id": self.class_id, "num_thresholds": self.num_thresholds, self._argument: self.value}
        return {"name": self.name, "dtype": self.dtype} | settings


class SensitivityAtSpecificity(_RateAtRate):
    """The best sensitivity (recall) at a specificity of at least so much.

    Args:
        specificity: The least specificity, 0 to 1.
        num_thresholds: How many thresholds are tried.
        class_id: The only class that is looked at.
        name: Its name.
        dtype: The type of the state.

    >>> metric = keras.metrics.SensitivityAtSpecificity(0.5)
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(1.)
    """

    _argument = "specificity"

    def __init__(
        self, specificity: float, num_thresholds: int = 200, class_id: int | None = None, name: str | None = None, dtype: Any = None
    ) -> None:
        self._setup(specificity, num_thresholds, class_id, name, dtype)
        self.specificity = specificity

    def _rates(self) -> tuple[Tensor, Tensor]:
        return self._rate(self.true_negatives, self.false_positives), self._rate(self.true_positives, self.false_negatives)


class SpecificityAtSensitivity(_RateAtRate):
    """The best specificity at a sensitivity (recall) of at least so much.

    Args:
        sensitivity: The least sensitivity, 0 to 1.
        num_thresholds: How many thresholds are tried.
        class_id: The only class that is looked at.
        name: Its name.
        dtype: The type of the state.

    >>> metric = keras.metrics.SpecificityAtSensitivity(0.5)
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(1.)
    """

    _argument = "sensitivity"

    def __init__(
        self, sensitivity: float, num_thresholds: int = 200, class_id: int | None = None, name: str | None = None, dtype: Any = None
    ) -> None:
        self._setup(sensitivity, num_thresholds, class_id, name, dtype)
        self.sensitivity = sensitivity

    def _rates(self) -> tuple[Tensor, Tensor]:
        return self._rate(self.true_positives, self.false_negatives), self._rate(self.true_negatives, self.false_positives)


class PrecisionAtRecall(_RateAtRate):
    """The best precision at a recall of at least so much.

    Args:
        recall: The least recall, 0 to 1.
        num_thresholds: How many thresholds are tried.
        class_id: The only class that is looked at.
        name: Its name.
        dtype: The type of the state.

    >>> metric = keras.metrics.PrecisionAtRecall(0.5)
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(1.)
    """

    _argument = "recall"

    def __init__(
        self, recall: float, num_thresholds: int = 200, class_id: int | None = None, name: str | None = None, dtype: Any = None
    ) -> None:
        self._setup(recall, num_thresholds, class_id, name, dtype)
        self.recall = recall

    def _rates(self) -> tuple[Tensor, Tensor]:
        return self._rate(self.true_positives, self.false_negatives), self._rate(self.true_positives, self.false_positives)


class RecallAtPrecision(_RateAtRate):
    """The best recall at a precision of at least so much.

    Args:
        precision: The least precision, 0 to 1.
        num_thresholds: How many thresholds are tried.
        class_id: The only class that is looked at.
        name: Its name.
        dtype: The type of the state.

    >>> metric = keras.metrics.RecallAtPrecision(0.5)
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(1.)
    """

    _argument = "precision"

    def __init__(
        self, precision: float, num_thresholds: int = 200, class_id: int | None = None, name: str | None = None, dtype: Any = None
    ) -> None:
        self._setup(precision, num_thresholds, class_id, name, dtype)
        self.precision = precision

    def _rates(self) -> tuple[Tensor, Tensor]:
        return self._rate(self.true_positives, self.false_positives), self._rate(self.true_positives, self.false_negatives)


# -- AUC ------------------------------------------------------------------------------------------------------------------------------

_CURVES = ("ROC", "PR", "PRGAIN")
_SUMMATIONS = ("interpolation", "minoring", "majoring")


class AUC(_Confusion):
    """The area under the ROC or precision-recall curve, approximated at evenly spaced thresholds.

    Args:
        num_thresholds: How many thresholds, at least 2.
        curve: `"ROC"`, `"PR"` or `"PRGAIN"` (precision-recall gain, Flach & Kull 2015).
        summation_method: `"interpolation"` (trapezoids; for PR as of Davis & Goadrich 2006), `"minoring"` or `"majoring"`.
        name: Its name.
        dtype: The type of the state.
        thresholds: The thresholds, instead of evenly spaced ones; 0 and 1 are added.
        multi_label: Whether the area is computed for each label, and their mean returned.
        num_labels: The number of labels, which with `multi_label` makes the state at once.
        label_weights: Weights of the labels.
        from_logits: Whether predictions are logits.

    Raises:
        ValueError: If there is a value out of range.

    >>> metric = keras.metrics.AUC()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(1.)
    """

    _counts = _ALL

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Sequence[float] | None = None,
        from_logits: bool = False,
    ) -> None:
        if str(curve).upper() not in _CURVES:
            raise ValueError(f"`curve` must be one of {', '.join(map(repr, _CURVES))}. Received: curve={curve!r}")
        if str(summation_method).lower() not in _SUMMATIONS:
            raise ValueError(
                f"`summation_method` must be one of {', '.join(map(repr, _SUMMATIONS))}. Received: summation_method={summation_method!r}"
            )
        if thresholds is None and num_thresholds <= 1:
            raise ValueError(f"`num_thresholds` must be an integer above 1. Received: num_thresholds={num_thresholds}")
        if num_labels is not None and not multi_label:
            raise ValueError(f"`num_labels` goes with `multi_label=True` only. Received: num_labels={num_labels}, multi_label=False")
        super().__init__(name=name, dtype=dtype)
        if thresholds is None:
            self.num_thresholds = num_thresholds
            inner = [(i + 1) / (num_thresholds - 1) for i in range(num_thresholds - 2)]
            even = True
        else:
            inner = sorted(float(t) for t in _check_thresholds(list(thresholds), 0.5))
            self.num_thresholds = len(inner) + 2
            even = False
        self._given_thresholds = None if thresholds is None else inner
        self._thresholds = [-config.epsilon(), *inner, 1.0 + config.epsilon()]
        self._spread_evenly = even
        self.curve = str(curve).upper()
        self.summation_method = str(summation_method).lower()
        self.multi_label = multi_label
        self.num_labels = num_labels
        self.label_weights = None if label_weights is None else [float(w) for w in label_weights]
        self._from_logits = from_logits
        self.from_logits = from_logits
        self._built = False
        if not multi_label:
            self._build(None)
        elif num_labels:
            self._build(num_labels)

    @property
    def thresholds(self) -> list[float]:
        """The thresholds, with those beyond 0 and 1 at the ends."""
        return list(self._thresholds)

    def _build(self, labels: int | None) -> None:
        if labels is not None and self.label_weights is not None and len(self.label_weights) != labels:
            raise ValueError(f"`label_weights` must have one entry for each of the {labels} labels. Received: {len(self.label_weights)}")
        shape = (self.num_thresholds,) if labels is None else (self.num_thresholds, labels)
        self._tk_make_state(self._thresholds, shape, even=self._spread_evenly)
        self._num_labels = labels
        self._built = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch.

        Args:
            y_true: Labels, 0 or 1.
            y_pred: Probabilities (logits with `from_logits`), of the same shape; `(batch, labels)` with `multi_label`.
            sample_weight: Weights, one per sample or per label.

        Raises:
            ValueError: If targets and predictions have other shapes.
        """
        if self.multi_label and not self._built:
            shape = convert_to_tensor(y_pred).shape
            self._check_rank(shape)
            self._build(shape[-1])
        labels, y_pred, weight = self._tk_prepare(y_true, y_pred, sample_weight)
        if self.multi_label:
            self._check_rank(y_pred.shape)
            if y_pred.shape[-1] != self._num_labels:
                raise ValueError(f"`y_pred` must have {self._num_labels} labels. Received: y_pred of shape {tuple(y_pred.shape)}")
        elif self.label_weights is not None:
            if y_pred.ndim < 2 or y_pred.shape[-1] != len(self.label_weights):
                raise ValueError(
                    f"`label_weights` must have one entry for each label. Received: {len(self.label_weights)} weights, "
                    f"y_pred of shape {tuple(y_pred.shape)}"
                )
            by_label = torch.tensor(self.label_weights, dtype=y_pred.dtype, device=y_pred.device).expand_as(y_pred)
            weight = by_label if weight is None else weight * by_label
        if self.from_logits:
            y_pred = torch.sigmoid(y_pred)
        else:
            self._watch(y_pred)
        self._add_counts(labels, y_pred, weight, per_label=self.multi_label)

    def _check_rank(self, shape: Sequence[int]) -> None:
        if len(shape) != 2:
            raise ValueError(f"`y_pred` must have the shape (batch, labels) with `multi_label=True`. Received: shape {tuple(shape)}")

    def interpolate_pr_auc(self) -> Tensor:
        """The area under the precision-recall curve, interpolated between thresholds as of Davis & Goadrich 2006."""
        tp, fp, fn = (getattr(self, name).detach() for name in ("true_positives", "false_positives", "false_negatives"))
        step = tp[:-1] - tp[1:]
        positives = tp + fp
        slope = divide_no_nan(step, torch.clamp(positives[:-1] - positives[1:], min=0))
        intercept = tp[1:] - slope * positives[1:]
        both = (positives[:-1] > 0) & (positives[1:] > 0)
        ratio = torch.where(both, divide_no_nan(positives[:-1], torch.clamp(positives[1:], min=0)), 1.0)
        areas = divide_no_nan(slope * (step + intercept * torch.log(ratio)), torch.clamp(tp[1:] + fn[1:], min=0))
        return self._over_labels(areas.sum(0))

    def _over_labels(self, areas: Tensor) -> Tensor:
        if not self.multi_label:
            return areas
        if self.label_weights is None:
            return areas.mean()
        weights = torch.tensor(self.label_weights, dtype=areas.dtype, device=areas.device)
        return divide_no_nan((areas * weights).sum(), weights.sum())

    def result(self) -> Tensor:
        if not self._built:
            return torch.zeros((), dtype=self._tk_torch_dtype)
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self._checked(self.interpolate_pr_auc())
        tp, fp, tn, fn = (getattr(self, name).detach() for name in _ALL)
        recall = divide_no_nan(tp, tp + fn)
        if self.curve == "ROC":
            x, y = divide_no_nan(fp, fp + tn), recall
        elif self.curve == "PR":
            x, y = recall, divide_no_nan(tp, tp + fp)
        else:
            odds = divide_no_nan(tp + fn, fp + tn)
            x = torch.where(tp > 0, torch.clamp(1.0 - odds * divide_no_nan(fn, tp), min=0), 0.0)
            y = 1.0 - odds * divide_no_nan(fp, tp)
        if self.summation_method == "interpolation":
            heights = (y[:-1] + y[1:]) / 2.0
        else:
            heights = (torch.minimum if self.summation_method == "minoring" else torch.maximum)(y[:-1], y[1:])
        return self._checked(self._over_labels(((x[:-1] - x[1:]) * heights).sum(0)))

    def get_config(self) -> dict[str, Any]:
        names = ("num_thresholds", "curve", "summation_method", "multi_label", "num_labels", "label_weights", "from_logits")
        given = {} if self._given_thresholds is None else {"thresholds": list(self._given_thresholds)}
        return {"name": self.name, "dtype": self.dtype} | {name: getattr(self, name) for name in names} | given
