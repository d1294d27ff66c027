"""Labels as vectors, and the cross-entropies."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from ... import config, dtypes
from ...graph import TensorLike, op
from .._values import check_labels, values_at_hand


def _no_sparse(sparse: bool) -> None:
    if sparse:
        raise ValueError("`sparse` must be False: torch layers take dense tensors. Received: sparse=True")


@op
def one_hot(x: TensorLike, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> torch.Tensor:
    """Labels as vectors with a one in the label's place; a negative label is all zeros.

    Args:
        x: Integer labels.
        num_classes: The size of the new axis.
        axis: Where the new axis goes.
        dtype: The type of the result; `config.floatx()` without it.
        sparse: Must be false.

    Raises:
        ValueError: If a label of `num_classes` or more. On a device other than the CPU, where looking would wait for it, the row is zero.

    >>> keras.ops.one_hot([0, 2], num_classes=3)
    tensor([[1., 0., 0.],
            [0., 0., 1.]])
    """
    _no_sparse(sparse)
    check_labels(x, num_classes, "x", allow_negative=True)
    classes = torch.arange(num_classes, device=x.device)
    hot = x.to(torch.int64).unsqueeze(-1) == classes
    return hot.to(dtypes.to_torch_dtype(dtype)).movedim(-1, axis)


@op
def multi_hot(
    inputs: TensorLike, num_classes: int | None = None, axis: int = -1, dtype: Any = None, sparse: bool = False, **kwargs: Any
) -> torch.Tensor:
    """Sets of labels as vectors with ones in the labels' places.

    Args:
        inputs: Integer labels, `(batch, labels, ...)` or one set `(labels,)`; negative ones are padding.
        num_classes: The size of the new axis.
        axis: Where the new axis goes, once that of the labels is gone.
        dtype: The type of the result; `config.floatx()` without it.
        sparse: Must be false.
        **kwargs: `num_tokens`, an old name of `num_classes`.

    Raises:
        ValueError: If there is no `num_classes`; or a label is `num_classes` or more.

    >>> keras.ops.multi_hot([0, 2], num_classes=3)
    tensor([1., 0., 1.])
    """
    num_classes = kwargs.pop("num_tokens", num_classes)
    if kwargs:
        raise TypeError(f"multi_hot() got unexpected arguments: {', '.join(kwargs)}")
    if num_classes is None:
        raise ValueError("`num_classes` must be given. Received: num_classes=None")
    _no_sparse(sparse)
    hot = one_hot(inputs, num_classes, -1, "bool").any(1 if inputs.dim() > 1 else 0)
    return hot.to(dtypes.to_torch_dtype(dtype)).movedim(-1, axis)


def _check_same_shape(target: torch.Tensor, output: torch.Tensor) -> None:
    if target.shape != output.shape:
        raise ValueError(
            f"`target` and `output` must have one shape. Received: target.shape={tuple(target.shape)}, output.shape={tuple(output.shape)}"
        )


@op(promote="float")
def binary_crossentropy(target: TensorLike, output: TensorLike, from_logits: bool = False) -> torch.Tensor:
    """`-target * log(output) - (1 - target) * log(1 - output)`, element by element.

    Args:
        target: Probabilities of the true class.
        output: Predicted probabilities, or logits.
        from_logits: Whether they are logits.

    Raises:
        ValueError: If different shapes are given.

    >>> keras.ops.binary_crossentropy([1.0, 0.0], [0.8, 0.2])
    tensor([0.2231, 0.2231])
    """
    _check_same_shape(target, output)
    if from_logits:
        return F.binary_cross_entropy_with_logits(output, target, reduction="none")
    eps = config.epsilon()
    return F.binary_cross_entropy(output.clamp(eps, 1 - eps), target, reduction="none")


@op(promote="float")
def categorical_crossentropy(target: TensorLike, output: TensorLike, from_logits: bool = False, axis: int = -1) -> torch.Tensor:
    """`-sum(target * log(output))` over the classes.

    Args:
        target: Probabilities of the true classes.
        output: Predicted probabilities, which are first made to sum to one, or logits.
        from_logits: Whether they are logits.
        axis: The axis of the classes, gone in the result.

    Raises:
        ValueError: If there are different shapes, or no axis at all.

    >>> keras.ops.categorical_crossentropy([[0.0, 1.0]], [[0.2, 0.8]])
    tensor([0.2231])
    """
    _check_same_shape(target, output)
    if not output.dim():
        raise ValueError("`target` and `output` must have an axis of classes. Received: target.shape=(), output.shape=()")
    if from_logits:
        log_probability = torch.log_softmax(output, axis)
    else:
        eps = config.epsilon()
        log_probability = (output / output.sum(axis, keepdim=True)).clamp(eps, 1 - eps).log()
    return -(target * log_probability).sum(axis)


@op(promote="float", args=("output",))
def sparse_categorical_crossentropy(target: TensorLike, output: TensorLike, from_logits: bool = False, axis: int = -1) -> torch.Tensor:
    """`-log(output[target])`.

    Args:
        target: Integer labels, of the shape of `output` without its axis of classes (or with size one there).
        output: Predicted probabilities, which are first made to sum to one, or logits.
        from_logits: Whether they are logits.
        axis: The axis of the classes, gone in the result.

    Raises:
        ValueError: If there are shapes that do not fit; a label out of range. On a device other than the CPU, where looking at labels
            would wait for it, the loss of such a label is NaN.

    >>> keras.ops.sparse_categorical_crossentropy([1], [[0.2, 0.8]])
    tensor([0.2231])
    """
    if not output.dim():
        raise ValueError("`output` must have an axis of classes. Received: output.shape=()")
    axis %= output.dim()
    shape = output.shape[:axis] + output.shape[axis + 1 :]
    if target.dim() == output.dim() and target.shape[axis] == 1:
        target = target.squeeze(axis)
    elif target.dim() == output.dim() and target.shape[-1] == 1:
        target = target.squeeze(-1)
    if target.shape != shape:
        raise ValueError(
            f"`target` must have the shape of `output` without axis {axis}. "
            f"Received: target.shape={tuple(target.shape)}, output.shape={tuple(output.shape)}"
        )
    classes = output.shape[axis]
    target = target.to(torch.int64)
    if values_at_hand(target):
        check_labels(target, classes, "target")
        outside = None
    else:
        outside = (target < 0) | (target >= classes)
        target = target.masked_fill(outside, 0)
    if from_logits:
        loss = -torch.log_softmax(output, axis).gather(axis, target.unsqueeze(axis)).squeeze(axis)
    else:
        eps = config.epsilon()
        chosen = output.gather(axis, target.unsqueeze(axis)).squeeze(axis)
        loss = -(chosen / output.sum(axis)).clamp(eps, 1 - eps).log()
    return loss if outside is None else loss.masked_fill(outside, float("nan"))
