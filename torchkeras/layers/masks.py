"""Masks: which steps of a tensor count, carried by the tensor itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from .. import tree
from ..graph import KerasTensor


def mask_of(value: Any) -> Any:
    """The mask that a tensor carries, or the nest of masks of a nest of tensors; `None` where there is none."""
    if isinstance(value, (torch.Tensor, KerasTensor)):
        return getattr(value, "_keras_mask", None)
    if isinstance(value, (list, tuple, dict)):
        masks = tree.map_structure(lambda t: getattr(t, "_keras_mask", None), value)
        return masks if any(m is not None for m in tree.flatten(masks)) else None
    return None


def one_holds_tensors(values: Iterable[Any]) -> bool:
    """Whether at most one argument is a tensor or a nest of them: Keras fills `mask` only then (it cannot tell whose mask it would be)."""
    return sum(any(isinstance(t, torch.Tensor) for t in tree.flatten(v)) for v in values if v is not None) <= 1


def give_symbols(outputs: Any, masks: Any) -> None:
    """Note on symbolic outputs what stands for the masks that tensors in their places will carry."""
    flat = tree.flatten(masks) if isinstance(masks, (list, tuple, dict)) else [masks]
    for output, mask in zip(tree.flatten(outputs), flat):
        if isinstance(output, KerasTensor) and isinstance(mask, KerasTensor):
            output._keras_mask = mask


def with_mask(x: torch.Tensor, mask: Any) -> torch.Tensor:
    """`x` as a tensor of its own over the same memory, which carries `mask`: the caller's tensor stays as it is."""
    alias = x.view_as(x)
    alias._keras_mask = mask  # type: ignore[attr-defined]
    return alias


def attach(outputs: Any, masks: Any, inputs: Any) -> Any:
    """The outputs of a call, carrying `masks` where they carry none.

    Args:
        outputs: A nest of tensors.
        masks: One mask, or a nest of them in the same order.
        inputs: What the call was given: an output that is one of these gets its mask on an alias.
    """
    given = {id(t) for t in tree.flatten(inputs)}
    flat = tree.flatten(masks) if isinstance(masks, (list, tuple, dict)) else [masks]
    found = iter(flat)

    def one(output: Any) -> Any:
        mask = next(found, None)
        if mask is None or not isinstance(output, torch.Tensor) or getattr(output, "_keras_mask", None) is not None:
            return output
        if id(output) in given:
            return with_mask(output, mask)
        output._keras_mask = mask  # type: ignore[attr-defined]
        return output

    return tree.map_structure(one, outputs)
