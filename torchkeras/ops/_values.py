"""Whether values may be looked at, and the error for labels that are out of range."""

from __future__ import annotations

import torch
from torch.utils._python_dispatch import _get_current_dispatch_mode


def values_at_hand(x: torch.Tensor) -> bool:
    """Whether looking at the values of `x` costs nothing: they lie on the CPU, and nothing is being traced."""
    if torch.compiler.is_compiling() or x.device.type != "cpu":
        return False
    return _get_current_dispatch_mode() is None and torch._C._functorch.maybe_current_level() is None


def check_labels(labels: torch.Tensor, num_classes: int, name: str, allow_negative: bool = False) -> None:
    """Report labels out of range, where their values can be seen without waiting for a device.

    Raises:
        ValueError: A label that is negative, or not below `num_classes`.
    """
    if not values_at_hand(labels) or not labels.numel():
        return
    low, high = torch.aminmax(labels)
    if high >= num_classes or (low < 0 and not allow_negative):
        worst = (high if high >= num_classes else low).item()
        raise ValueError(
            f"`{name}` must hold labels of {num_classes} classes, 0 to {num_classes - 1}. Received: {worst} in {name} of shape "
            f"{tuple(labels.shape)}. Check the labels, or the size of the last layer."
        )
