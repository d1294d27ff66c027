"""Cross-entropies and the other losses of predicted probabilities."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .. import config
from ..checks import check_numbers
from ..graph import KerasTensor, TensorLike
from .loss import FunctionLoss, _convert, pair


def known_logits(y_pred: Tensor, activation: str) -> Tensor | None:
    """The logits of predictions that came straight out of `activation` (`"softmax"` or `"sigmoid"`), which left them there; else `None`.

    Losses of logits are exact where probabilities round to 0 or 1.
    """
    logits = getattr(y_pred, "_keras_logits", None)
    return logits if logits is not None and getattr(y_pred, "_keras_logits_of", None) == activation else None


def _clip(x: Tensor) -> Tensor:
    return torch.clamp(x, config.epsilon(), 1.0 - config.epsilon())


def _log_probabilities(y_pred: Tensor, from_logits: bool, axis: int) -> Tensor:
    """The logarithms of probabilities along `axis`, which are made to sum to 1 first."""
    logits = y_pred
    if not from_logits:
        known = known_logits(y_pred, "softmax") if axis in (-1, len(y_pred.shape) - 1) else None
        if known is None:
            return torch.log(_clip(y_pred / torch.sum(y_pred, dim=axis, keepdim=True)))
        logits = known.to(y_pred.dtype)
    return F.log_softmax(logits, dim=axis)


def _check_axis(y_pred: Any, axis: int) -> None:
    rank = len(y_pred.shape)
    if not -rank <= axis < rank:
        raise ValueError(f"`axis` must be an axis of `y_pred`. Received: axis={axis}, y_pred of shape {tuple(y_pred.shape)}")


def _check_smoothing(label_smoothing: float) -> None:
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"`label_smoothing` must be between 0 and 1. Received: label_smoothing={label_smoothing}")


def _check_same_shape(y_true: Any, y_pred: Any) -> None:
    if len(y_true.shape) != len(y_pred.shape) or any(a != b and None not in (a, b) for a, b in zip(y_true.shape, y_pred.shape)):
        raise ValueError(
            "`y_true` and `y_pred` must have the same shape, one probability per class. "
            f"Received: y_true of shape {tuple(y_true.shape)}, y_pred of shape {tuple(y_pred.shape)}. "
            "For integer labels use the sparse_categorical loss."
        )


# -- functions ------------------------------------------------------------------------------------------------------------------------


def categorical_crossentropy(
    y_true: TensorLike, y_pred: TensorLike, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Tensor:
    """`-sum(y_true · log(y_pred))` over the classes.

    Args:
        y_true: Probabilities of the classes, one-hot or soft.
        y_pred: Predicted probabilities (made to sum to 1), or logits.
        from_logits: Whether `y_pred` are logits.
        label_smoothing: This part of each label is spread over all classes.
        axis: The axis of the classes.

    Raises:
        ValueError: If shapes differ.

    >>> keras.losses.categorical_crossentropy([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor([0.2231, 0.5108])
    """
    y_true, y_pred = _categorical(y_true, y_pred, label_smoothing, axis)
    return -torch.sum(y_true * _log_probabilities(y_pred, from_logits, axis), dim=axis)


def _categorical(y_true: TensorLike, y_pred: TensorLike, label_smoothing: float, axis: int) -> tuple[Any, Any]:
    _check_smoothing(label_smoothing)
    y_true, y_pred = _float_pair(y_true, y_pred)
    _check_axis(y_pred, axis)
    _check_same_shape(y_true, y_pred)
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + label_smoothing / y_pred.shape[axis]
    return y_true, y_pred


def _float_pair(y_true: TensorLike, y_pred: TensorLike) -> tuple[Any, Any]:
    """As `pair`, for losses that compare whole shapes themselves."""
    y_pred = _convert(y_pred, None)
    if isinstance(y_pred, KerasTensor) or isinstance(y_true, KerasTensor):
        return _convert(y_true, None), y_pred
    if not y_pred.is_floating_point():
        y_pred = _convert(y_pred, torch.get_default_dtype())
    return _convert(y_true, y_pred.dtype, y_pred.device), y_pred


def sparse_categorical_crossentropy(
    y_true: TensorLike, y_pred: TensorLike, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> Tensor:
    """`-log(y_pred[label])`.

    Args:
        y_true: Integer labels, shaped as `y_pred` without the classes; an axis of size 1 may stand for them.
        y_pred: Predicted probabilities (made to sum to 1), or logits.
        from_logits: Whether `y_pred` are logits.
        ignore_class: Samples of this label count nothing: their value is 0, and the result carries a mask without them.
        axis: The axis of the classes.

    Raises:
        ValueError: If there are shapes that do not fit, or a label outside of the classes (on a GPU the loss is NaN instead: to raise, the
            host would have to wait).

    >>> keras.losses.sparse_categorical_crossentropy([1, 0], [[0.2, 0.8], [0.6, 0.4]])
    tensor([0.2231, 0.5108])
    """
    labels, y_pred = _sparse(y_true, y_pred, axis)
    if ignore_class is None:
        return _pick(_log_probabilities(y_pred, from_logits, axis), labels, axis)
    valid = labels != ignore_class
    values = _pick(_log_probabilities(y_pred, from_logits, axis), torch.where(valid, labels, 0), axis)
    values = torch.where(valid, values, 0.0)
    values._keras_mask = valid  # type: ignore[attr-defined]
    return values


_NO_LABEL = torch.iinfo(torch.int64).min  # in the place of a fraction, or of NaN


def _sparse(y_true: TensorLike, y_pred: TensorLike, axis: int) -> tuple[Any, Any]:
    y_pred = _convert(y_pred, None)
    symbolic = isinstance(y_pred, KerasTensor)
    _check_axis(y_pred, axis)
    labels = _convert(y_true, None, None if symbolic else y_pred.device)
    if isinstance(labels, Tensor) and labels.dtype is not torch.int64:
        whole = labels.to(torch.int64)
        labels = torch.where(labels == labels.trunc(), whole, _NO_LABEL) if labels.is_floating_point() else whole
    if len(labels.shape) == len(y_pred.shape) and labels.shape[axis] == 1:
        labels = labels.squeeze(axis)
    place = axis % len(y_pred.shape)
    expected = tuple(y_pred.shape[:place]) + tuple(y_pred.shape[place + 1 :])
    if len(labels.shape) != len(expected) or any(a != b and None not in (a, b) for a, b in zip(labels.shape, expected)):
        raise ValueError(
            f"`y_true` must hold one integer label per sample: shape {expected} for `y_pred` of shape {tuple(y_pred.shape)}. "
            f"Received: y_true of shape {tuple(labels.shape)}"
        )
    return labels, y_pred


def _pick(log_probabilities: Tensor, labels: Tensor, axis: int) -> Tensor:
    """Minus the entry of each label."""
    classes = log_probabilities.shape[axis]
    if labels.is_cuda:
        return _pick_or_nan(log_probabilities, labels, axis)
    try:
        return -torch.gather(log_probabilities, axis, labels.unsqueeze(axis)).squeeze(axis)
    except RuntimeError as error:
        raise _label_error(labels, classes, error) from None


# On a GPU an index out of range kills the process's CUDA context, and to look first the host would have to wait: NaN tells instead.


def _pick_or_nan(log_probabilities: Tensor, labels: Tensor, axis: int) -> Tensor:
    known = labels.clamp(0, log_probabilities.shape[axis] - 1)
    picked = torch.gather(log_probabilities, axis, known.unsqueeze(axis)).squeeze(axis)
    return torch.where(known == labels, -picked, torch.nan)


def _mean_or_nan(logits: Tensor, labels: Tensor) -> Tensor:
    known = labels.clamp(0, logits.shape[-1] - 1)
    return torch.where((known == labels).all(), F.cross_entropy(logits, known), torch.nan)


def _label_error(labels: Tensor, classes: int, error: Exception) -> Exception:
    """The error about labels outside of `classes`, or `error` itself where they are not to blame."""
    wrong = labels[(labels < 0) | (labels >= classes)]
    if not wrong.numel():
        return error
    if int(wrong[0]) == _NO_LABEL:
        return ValueError("`y_true` must hold integer labels. Received: a fraction or NaN among them. Clean the labels first.")
    return ValueError(
        f"`y_true` must hold labels from 0 to {classes - 1}, for `y_pred` has {classes} classes. Received: label {int(wrong[0])}. "
        "Check the number of units of the last layer, or pass `ignore_class`."
    )


def binary_crossentropy(
    y_true: TensorLike, y_pred: TensorLike, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Tensor:
    """The mean of `-(y_true · log(y_pred) + (1 - y_true) · log(1 - y_pred))` over an axis.

    Args:
        y_true: Labels, 0 or 1, or probabilities.
        y_pred: Predicted probabilities, or logits.
        from_logits: Whether `y_pred` are logits.
        label_smoothing: Labels are drawn towards 0.5 by this part.
        axis: The axis of the mean.

    >>> keras.losses.binary_crossentropy([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor([0.2231, 0.5108])
    """
    return _mean(_binary_values(*_binary(y_true, y_pred, label_smoothing), from_logits), axis)


def _binary(y_true: TensorLike, y_pred: TensorLike, label_smoothing: float) -> tuple[Any, Any]:
    _check_smoothing(label_smoothing)
    y_true, y_pred = pair(y_true, y_pred)
    if y_true.shape != y_pred.shape:
        _check_same_shape(y_true, y_pred)
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing
    return y_true, y_pred


def _binary_values(y_true: Tensor, y_pred: Tensor, from_logits: bool) -> Tensor:
    logits = y_pred if from_logits else known_logits(y_pred, "sigmoid")
    if logits is not None and logits.shape == y_pred.shape:
        return F.binary_cross_entropy_with_logits(logits.to(y_pred.dtype), y_true, reduction="none")
    y_pred = _clip(y_pred)
    return -(y_true * torch.log(y_pred) + (1.0 - y_true) * torch.log(1.0 - y_pred))


def _mean(x: Tensor, axis: int) -> Tensor:
    return torch.mean(x, dim=axis) if len(x.shape) else x


def binary_focal_crossentropy(
    y_true: TensorLike,
    y_pred: TensorLike,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """Binary cross-entropy with easy samples weighted down by `(1 - p_t)^gamma` (Lin et al. 2018, arXiv:1708.02002).

    Args:
        y_true: Labels, 0 or 1.
        y_pred: Predicted probabilities, or logits.
        apply_class_balancing: Whether class 1 is weighted by `alpha` and class 0 by `1 - alpha`.
        alpha: That weight.
        gamma: The focusing exponent.
        from_logits: Whether `y_pred` are logits.
        label_smoothing: Labels are drawn towards 0.5 by this part.
        axis: The axis of the mean.

    >>> keras.losses.binary_focal_crossentropy([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor([0.0089, 0.0817])
    """
    y_true, y_pred = _binary(y_true, y_pred, label_smoothing)
    values = _binary_values(y_true, y_pred, from_logits)
    p = torch.sigmoid(y_pred) if from_logits else y_pred
    values = torch.pow(1.0 - (y_true * p + (1.0 - y_true) * (1.0 - p)), gamma) * values
    if apply_class_balancing:
        values = (y_true * alpha + (1.0 - y_true) * (1.0 - alpha)) * values
    return _mean(values, axis)


def categorical_focal_crossentropy(
    y_true: TensorLike,
    y_pred: TensorLike,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """Categorical cross-entropy with easy samples weighted down: `-sum(alpha · (1 - p)^gamma · y_true · log(p))`.

    Args:
        y_true: Probabilities of the classes, one-hot or soft.
        y_pred: Predicted probabilities (made to sum to 1), or logits.
        alpha: The weight of the classes, a number or one for each.
        gamma: The focusing exponent.
        from_logits: Whether `y_pred` are logits.
        label_smoothing: This part of each label is spread over all classes.
        axis: The axis of the classes.

    >>> keras.losses.categorical_focal_crossentropy([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor([0.0022, 0.0204])
    """
    y_true, y_pred = _categorical(y_true, y_pred, label_smoothing, axis)
    log_p = _log_probabilities(y_pred, from_logits, axis)
    weight = _convert(alpha, y_pred.dtype, y_pred.device) if isinstance(alpha, (list, tuple)) else alpha
    return -torch.sum(weight * torch.pow(1.0 - torch.exp(log_p), gamma) * y_true * log_p, dim=axis)


def categorical_generalized_cross_entropy(y_true: TensorLike, y_pred: TensorLike, q: float) -> Tensor:
    """`(1 - p_label^q) / q`, between cross-entropy (q → 0) and absolute error (q = 1), robust against wrong labels (arXiv:1805.07836).

    Args:
        y_true: Integer labels.
        y_pred: Predicted probabilities.
        q: The exponent.

    >>> keras.losses.categorical_generalized_cross_entropy([1], [[0.2, 0.8]], q=0.5)
    tensor([0.2111])
    """
    labels, y_pred = _sparse(y_true, y_pred, -1)
    return (1.0 - torch.pow(-_pick(y_pred, labels, -1), q)) / q


def kl_divergence(y_true: TensorLike, y_pred: TensorLike) -> Tensor:
    """`sum(y_true · log(y_true / y_pred))` over the last axis, both clipped to [ε, 1].

    Args:
        y_true: The targets.
        y_pred: The predictions, shaped as the targets.

    >>> keras.losses.kl_divergence([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor([0.2231, 0.5108])
    """
    y_true, y_pred = pair(y_true, y_pred, match=False)
    y_true, y_pred = (torch.clamp(t, config.epsilon(), 1.0) for t in (y_true, y_pred))
    return torch.sum(y_true * torch.log(y_true / y_pred), dim=-1)


def poisson(y_true: TensorLike, y_pred: TensorLike) -> Tensor:
    """`mean(y_pred - y_true · log(y_pred + ε))` over the last axis.

    Args:
        y_true: The targets.
        y_pred: The predictions, shaped as the targets.

    >>> keras.losses.poisson([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor([0.6116, 0.7554])
    """
    y_true, y_pred = pair(y_true, y_pred, match=False)
    return _mean(y_pred - y_true * torch.log(y_pred + config.epsilon()), -1)


def ctc(y_true: TensorLike, y_pred: TensorLike) -> Tensor:
    """Connectionist temporal classification: minus the log-likelihood of label sequences, whatever their alignment.

    Args:
        y_true: Integer labels, `(batch, max_length)`, padded with 0, which is the blank class.
        y_pred: Logits, `(batch, steps, classes)`.

    Raises:
        ValueError: If other ranks are given.

    >>> keras.losses.ctc([[1, 2]], torch.zeros(1, 4, 3))
    tensor([1.6864])
    """
    y_pred = _convert(y_pred, None)
    labels = _convert(y_true, torch.int64, y_pred.device)
    if labels.ndim != 2 or y_pred.ndim != 3:
        raise ValueError(
            "`y_true` must have the shape (batch, max_length) and `y_pred` (batch, steps, classes). "
            f"Received: y_true of shape {tuple(labels.shape)}, y_pred of shape {tuple(y_pred.shape)}"
        )
    given = y_pred.dtype
    if given in (torch.float16, torch.bfloat16):  # which torch's kernel lacks
        y_pred = y_pred.to(torch.float32)
    log_p = F.log_softmax(y_pred, dim=-1).transpose(0, 1)
    steps = torch.full((y_pred.shape[0],), y_pred.shape[1], dtype=torch.int64, device=y_pred.device)
    return F.ctc_loss(log_p, labels, steps, torch.sum(labels != 0, dim=-1), blank=0, reduction="none").to(given)


# -- classes --------------------------------------------------------------------------------------------------------------------------


class BinaryCrossentropy(FunctionLoss):
    """Cross-entropy of labels 0 and 1. After a final sigmoid it is computed from the logits.

    Args:
        from_logits: Whether predictions are logits.
        label_smoothing: Labels are drawn towards 0.5 by this part, 0 to 1.
        axis: The axis of the mean.
        reduction: How the values of the samples become one number: `"sum_over_batch_size"` or `"mean"` (their mean), `"sum"`,
            `"mean_with_sample_weight"` (the sum over the sum of the weights), or `"none"` (they are returned as they are).
        name: Its name; the class's in snake case without one.
        dtype: The type to compute in; `floatx()` without one.

    >>> keras.losses.BinaryCrossentropy()([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor(0.3670)
    """

    function = staticmethod(binary_crossentropy)

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "binary_crossentropy",
        dtype: Any = None,
    ) -> None:
        _check_smoothing(label_smoothing)
        super().__init__(reduction, name, dtype, from_logits=from_logits, label_smoothing=label_smoothing, axis=axis)

    def _tk_fused_mean(self, y_true: Tensor, y_pred: Tensor) -> Tensor | None:
        if y_true.shape != y_pred.shape:
            if y_pred.ndim != 2 or y_true.ndim != 1 or y_pred.shape[-1] != 1 or y_true.shape[0] != y_pred.shape[0]:
                return None
            y_true = y_true.unsqueeze(-1)
        if self.axis != -1:
            return None
        logits = y_pred if self.from_logits else known_logits(y_pred, "sigmoid")
        dtype = self._tk_torch_dtype
        if y_true.dtype is not dtype:
            y_true = y_true.to(dtype)
        if self.label_smoothing:
            y_true = y_true * (1.0 - self.label_smoothing) + 0.5 * self.label_smoothing
        if logits is None:
            return torch.mean(_binary_values(y_true, y_pred.to(dtype), False))
        return F.binary_cross_entropy_with_logits(logits if logits.dtype is dtype else logits.to(dtype), y_true)


class BinaryFocalCrossentropy(FunctionLoss):
    """Binary cross-entropy with easy samples weighted down.

    Args:
        apply_class_balancing: Whether class 1 is weighted by `alpha` and class 0 by `1 - alpha`.
        alpha: That weight.
        gamma: The focusing exponent.
        from_logits: Whether predictions are logits.
        label_smoothing: Labels are drawn towards 0.5 by this part, 0 to 1.
        axis: The axis of the mean.
        reduction: How the values of the samples become one number: `"sum_over_batch_size"` or `"mean"` (their mean), `"sum"`,
            `"mean_with_sample_weight"` (the sum over the sum of the weights), or `"none"` (they are returned as they are).
        name: Its name; the class's in snake case without one.
        dtype: The type to compute in; `floatx()` without one.

    >>> keras.losses.BinaryFocalCrossentropy()([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor(0.0453)
    """

    function = staticmethod(binary_focal_crossentropy)

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "binary_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        _check_smoothing(label_smoothing)
        check_numbers(0, gamma=gamma)
        check_numbers(0, 1, alpha=alpha)
        super().__init__(
            reduction, name, dtype, apply_class_balancing=apply_class_balancing, alpha=alpha, gamma=gamma,
            from_logits=from_logits, label_smoothing=label_smoothing, axis=axis,
        )  # fmt: skip


class CategoricalCrossentropy(FunctionLoss):
    """Cross-entropy of one-hot or soft labels. After a final softmax it is computed from the logits.

    Args:
        from_logits: Whether predictions are logits.
        label_smoothing: This part of each label is spread over all classes, 0 to 1.
        axis: The axis of the classes.
        reduction: How the values of the samples become one number: `"sum_over_batch_size"` or `"mean"` (their mean), `"sum"`,
            `"mean_with_sample_weight"` (the sum over the sum of the weights), or `"none"` (they are returned as they are).
        name: Its name; the class's in snake case without one.
        dtype: The type to compute in; `floatx()` without one.

    >>> keras.losses.CategoricalCrossentropy()([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor(0.3670)
    """

    function = staticmethod(categorical_crossentropy)

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        _check_smoothing(label_smoothing)
        super().__init__(reduction, name, dtype, from_logits=from_logits, label_smoothing=label_smoothing, axis=axis)

    def _tk_fused_mean(self, y_true: Tensor, y_pred: Tensor) -> Tensor | None:
        if y_true.shape != y_pred.shape or self.axis != -1 or y_pred.ndim < 2:
            return None
        logits = y_pred if self.from_logits else known_logits(y_pred, "softmax")
        if logits is None:
            return None
        dtype = self._tk_torch_dtype
        if logits.dtype is not dtype:
            logits = logits.to(dtype)
        if y_true.dtype is not dtype:
            y_true = y_true.to(dtype)
        if logits.ndim > 2:
            logits, y_true = logits.flatten(0, -2), y_true.flatten(0, -2)
        return F.cross_entropy(logits, y_true, label_smoothing=self.label_smoothing)


class CategoricalFocalCrossentropy(FunctionLoss):
    """Categorical cross-entropy with easy samples weighted down.

    Args:
        alpha: The weight of the classes, a number or one for each.
        gamma: The focusing exponent.
        from_logits: Whether predictions are logits.
        label_smoothing: This part of each label is spread over all classes, 0 to 1.
        axis: The axis of the classes.
        reduction: How the values of the samples become one number: `"sum_over_batch_size"` or `"mean"` (their mean), `"sum"`,
            `"mean_with_sample_weight"` (the sum over the sum of the weights), or `"none"` (they are returned as they are).
        name: Its name; the class's in snake case without one.
        dtype: The type to compute in; `floatx()` without one.

    >>> keras.losses.CategoricalFocalCrossentropy()([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor(0.0113)
    """

    function = staticmethod(categorical_focal_crossentropy)

    def __init__(
        self,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        _check_smoothing(label_smoothing)
        check_numbers(0, gamma=gamma)
        super().__init__(
            reduction, name, dtype, alpha=alpha, gamma=gamma, from_logits=from_logits,
            label_smoothing=label_smoothing, axis=axis,
        )  # fmt: skip


class SparseCategoricalCrossentropy(FunctionLoss):
    """Cross-entropy of integer labels. After a final softmax it is computed from the logits.

    Args:
        from_logits: Whether predictions are logits.
        ignore_class: Samples of this label do not count.
        reduction: How the values of the samples become one number: `"sum_over_batch_size"` or `"mean"` (their mean), `"sum"`,
            `"mean_with_sample_weight"` (the sum over the sum of the weights), or `"none"` (they are returned as they are).
        axis: The axis of the classes.
        name: Its name; the class's in snake case without one.
        dtype: The type to compute in; `floatx()` without one.

    >>> keras.losses.SparseCategoricalCrossentropy()([1, 0], [[0.2, 0.8], [0.6, 0.4]])
    tensor(0.3670)
    """

    function = staticmethod(sparse_categorical_crossentropy)
    _config_unless_default = ("axis",)

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(reduction, name, dtype, from_logits=from_logits, ignore_class=ignore_class, axis=axis)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.fn(y_true, y_pred, **self._fn_kwargs)

    def _tk_fused_mean(self, y_true: Tensor, y_pred: Tensor) -> Tensor | None:
        if self.ignore_class is not None or self.axis != -1 or y_pred.ndim < 2:
            return None
        logits = y_pred if self.from_logits else known_logits(y_pred, "softmax")
        if logits is None:
            return None
        if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1:
            y_true = y_true.squeeze(-1)
        if y_true.shape != y_pred.shape[:-1]:
            return None
        if y_true.dtype is not torch.int64:
            y_true = y_true.to(torch.int64)
        if logits.dtype is not self._tk_torch_dtype:
            logits = logits.to(self._tk_torch_dtype)
        if logits.ndim > 2:
            logits, y_true = logits.flatten(0, -2), y_true.flatten()
        if y_true.is_cuda:
            return _mean_or_nan(logits, y_true)
        try:
            return F.cross_entropy(logits, y_true, ignore_index=_NO_LABEL)
        except IndexError as error:
            raise _label_error(y_true, logits.shape[-1], error) from None


_NO_LABEL = -(2**62)  # torch's default, -100, would silently skip such labels


class CategoricalGeneralizedCrossEntropy(FunctionLoss):
    """Cross-entropy that is robust against wrong labels.

    Args:
        q: The exponent, between 0 (cross-entropy) and 1 (absolute error).
        reduction: How the values of the samples become one number: `"sum_over_batch_size"` or `"mean"` (their mean), `"sum"`,
            `"mean_with_sample_weight"` (the sum over the sum of the weights), or `"none"` (they are returned as they are).
        name: Its name; the class's in snake case without one.
        dtype: The type to compute in; `floatx()` without one.

    Raises:
        ValueError: If `q` outside of (0, 1).

    >>> keras.losses.CategoricalGeneralizedCrossEntropy()([1, 0], [[0.2, 0.8], [0.6, 0.4]])
    tensor(0.3310)
    """

    function = staticmethod(categorical_generalized_cross_entropy)

    def __init__(
        self,
        q: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_generalized_cross_entropy",
        dtype: Any = None,
    ) -> None:
        if not 0 < q < 1:
            raise ValueError(f"`q` must lie between 0 and 1, both excluded. Received: q={q}")
        super().__init__(reduction, name, dtype, q=q)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.fn(y_true, y_pred, **self._fn_kwargs)


class KLDivergence(FunctionLoss):
    """`sum(y_true · log(y_true / y_pred))`.

    Args:
        reduction: How the values of the samples become one number: `"sum_over_batch_size"` or `"mean"` (their mean), `"sum"`,
            `"mean_with_sample_weight"` (the sum over the sum of the weights), or `"none"` (they are returned as they are).
        name: Its name; the class's in snake case without one.
        dtype: The type to compute in; `floatx()` without one.
        **settings: Nothing: this loss has no settings of its own.

    >>> keras.losses.KLDivergence()([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor(0.3670)
    """

    function = staticmethod(kl_divergence)
    _tk_name = "kl_divergence"


class Poisson(FunctionLoss):
    """`mean(y_pred - y_true · log(y_pred))`.

    Args:
        reduction: How the values of the samples become one number: `"sum_over_batch_size"` or `"mean"` (their mean), `"sum"`,
            `"mean_with_sample_weight"` (the sum over the sum of the weights), or `"none"` (they are returned as they are).
        name: Its name; the class's in snake case without one.
        dtype: The type to compute in; `floatx()` without one.
        **settings: Nothing: this loss has no settings of its own.

    >>> keras.losses.Poisson()([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    tensor(0.6835)
    """

    function = staticmethod(poisson)
    _tk_name = "poisson"


class CTC(FunctionLoss):
    """Connectionist temporal classification.

    Args:
        reduction: How the values of the samples become one number: `"sum_over_batch_size"` or `"mean"` (their mean), `"sum"`,
            `"mean_with_sample_weight"` (the sum over the sum of the weights), or `"none"` (they are returned as they are).
        name: Its name; the class's in snake case without one.
        dtype: The type to compute in; `floatx()` without one.
        **settings: Nothing: this loss has no settings of its own.

    >>> keras.losses.CTC()([[1, 2]], torch.zeros(1, 4, 3))
    tensor(1.6864)
    """

    function = staticmethod(ctc)
    _tk_name = "ctc"

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.fn(y_true, y_pred)
