"""What a batch is made of: packing, unpacking, class weights and label checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from .. import config
from ..checks import as_number, check_numbers
from ..dtypes import to_torch_dtype
from .structure import named_leaves


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """The tuple that `train_step` receives, as short as it can be.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.
        y: Targets, or `None`.
        sample_weight: A weight for each sample, or `None`.

    Returns:
        `(x, y, sample_weight)`, `(x, y)` without weights, `(x,)` or, when `x` is one tensor, `x` itself without targets.
    """
    if sample_weight is not None:
        return x, y, sample_weight
    if y is not None:
        return x, y
    return (x,) if isinstance(x, (list, tuple, dict)) else x


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """`(x, y, sample_weight)` of what a batch is, `None` for what it lacks: the inverse of `pack_x_y_sample_weight`.

    Args:
        data: A batch: `x`, `(x,)`, `(x, y)` or `(x, y, sample_weight)`.

    Raises:
        ValueError: If there is a tuple or list of other than 1, 2 or 3 entries.
    """
    if not isinstance(data, (tuple, list)):
        return data, None, None
    if len(data) == 2:
        return data[0], data[1], None
    if len(data) == 1:
        return data[0], None, None
    if len(data) == 3:
        return data[0], data[1], data[2]
    raise ValueError(
        "`data` must be `x`, `(x,)`, `(x, y)` or `(x, y, sample_weight)`. "
        f"Received a {type(data).__name__} of {len(data)} entries: put several inputs into one tuple or dict."
    )


def check_class_weight(class_weight: Any) -> None:
    """Check what `fit` was given as `class_weight`; `None` and an empty dict are no weights.

    Raises:
        ValueError: If it is no dict from class indices to weights that are not negative.
    """
    if class_weight is None:
        return
    if not isinstance(class_weight, Mapping):
        raise ValueError(
            "`class_weight` must be a dict from class indices to weights, such as `{0: 1.0, 1: 5.0}`. Received: "
            f"{class_weight!r} of type {type(class_weight).__name__}"
        )
    for index, weight in class_weight.items():
        number = as_number(index)
        if number is None or number != int(number):
            raise ValueError(f"`class_weight` must have class indices as its keys. Received: the key {index!r}")
        check_numbers(0, **{f"class_weight[{index}]": weight})


def class_weight_to_sample_weight(class_weight: Mapping[int, float], y: Any, sample_weight: Any = None) -> torch.Tensor:
    """The weight of each sample by its class; 1 for a class that is not named.

    Args:
        class_weight: Weight by class index.
        y: Class indices `(samples,)` or `(samples, 1)`, or one-hot rows `(samples, classes)`.
        sample_weight: Must be `None`: Keras allows one kind of weight at a time.

    Returns:
        Float tensor `(samples,)` on the device of `y`.
    """
    if sample_weight is not None:
        raise ValueError("`class_weight` and `sample_weight` cannot be given together. Multiply the class weights into `sample_weight`.")
    if y is None:
        raise ValueError("`class_weight` needs targets. Received: y=None")
    if not isinstance(y, torch.Tensor):
        kind = type(y).__name__
        raise ValueError(f"`class_weight` needs a model with one output. Received a {kind} of targets: pass `sample_weight` instead.")
    if y.ndim > 1 and y.shape[-1] != 1:
        labels = y.argmax(-1)
    else:
        labels = (y.round() if y.is_floating_point() else y).reshape(y.shape[0], -1)[:, 0].long()
    if not class_weight:
        raise ValueError("`class_weight` must name at least one class. Received: {}")
    classes = sorted(class_weight)
    known = torch.tensor([int(index) for index in classes], device=y.device)
    weights = torch.tensor([float(class_weight[index]) for index in classes], dtype=to_torch_dtype(config.floatx()), device=y.device)
    place = torch.searchsorted(known, labels).clamp_(max=len(classes) - 1)
    weight = weights[place]
    return torch.where(known[place] == labels, weight, 1.0)


def check_integer_labels(y: Any, name: str = "y") -> None:
    """Refuse labels that a loss over class indices cannot use.

    Args:
        y: A nest of tensors or arrays that are to hold class indices.
        name: What errors call it.

    Raises:
        ValueError: NaN, infinity or a fraction among the labels.
    """
    for path, leaf in named_leaves(y, name):
        values = torch.as_tensor(leaf)
        if not values.is_floating_point() or bool((values == values.round()).all() & values.isfinite().all()):
            continue
        wrong = values[(values != values.round()) | ~values.isfinite()].flatten()[0].item()
        raise ValueError(f"`{path}` must hold integer class indices for this loss. Received {wrong} among them: clean or round the labels.")
