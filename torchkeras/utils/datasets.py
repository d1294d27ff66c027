"""Data sets split in two."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.data import Dataset, IterableDataset, Subset, TensorDataset

from ..data import check_counts, is_array_nest, to_tensor
from ..random import draw_seed


def split_dataset(
    dataset: Any,
    left_size: float | int | None = None,
    right_size: float | int | None = None,
    shuffle: bool = False,
    seed: int | None = None,
    preferred_backend: str | None = None,
) -> tuple[Subset, Subset]:
    """A data set in two: the first samples and the last ones.

    Args:
        dataset: A torch `Dataset` with a length, an array, or a list or tuple of arrays of one length.
        left_size: Samples on the left, or the part of all between 0 and 1; what the right leaves over without it.
        right_size: Samples on the right: their number, or their part as a fraction.
        shuffle: Whether samples are drawn in random order.
        seed: The seed of that order; drawn from torch's generator without it.
        preferred_backend: Must be `None` or `"torch"`: the halves are torch `Dataset`s.

    Raises:
        ValueError: If sizes do not fit.
    """
    if preferred_backend not in (None, "torch"):
        raise ValueError(f"`preferred_backend` must be None or 'torch'. Received: preferred_backend={preferred_backend!r}")
    if isinstance(dataset, IterableDataset) or not (
        isinstance(dataset, Dataset) or (is_array_nest(dataset) and not isinstance(dataset, dict))
    ):
        raise TypeError(
            f"`dataset` must be a torch Dataset with a length, an array, or a list or tuple of arrays. Received: {type(dataset).__name__}"
        )
    if not isinstance(dataset, Dataset):
        arrays = dataset if isinstance(dataset, (list, tuple)) else (dataset,)
        check_counts(dataset=arrays)
        dataset = TensorDataset(*(to_tensor(array, "dataset") for array in arrays))
    count = len(dataset)
    left, right = _sizes(count, left_size, right_size)
    order = list(range(count))
    if shuffle:
        generator = torch.Generator().manual_seed(draw_seed() if seed is None else seed)
        order = torch.randperm(count, generator=generator).tolist()
    return Subset(dataset, order[:left]), Subset(dataset, order[count - right :])


def _sizes(count: int, left_size: Any, right_size: Any) -> tuple[int, int]:
    given = {"left_size": left_size, "right_size": right_size}
    if left_size is None and right_size is None:
        raise ValueError("`left_size` or `right_size` must be given. Received: None for both.")
    for name, size in given.items():
        if size is None:
            continue
        if isinstance(size, bool) or not isinstance(size, (int, float)):
            raise TypeError(f"`{name}` must be an int, a float or None. Received: {name}={size!r} of type {type(size).__name__}")
        if not 0 < size < (1 if isinstance(size, float) else count):
            raise ValueError(
                f"`{name}` must be a whole number between 0 and {count}, the number of samples, or a part between 0.0 and 1.0. "
                f"Received: {name}={size}"
            )
    left = round(left_size * count) if isinstance(left_size, float) else left_size
    right = round(right_size * count) if isinstance(right_size, float) else right_size
    left, right = count - right if left is None else left, count - left if right is None else right
    if left + right > count:
        raise ValueError(f"`left_size` and `right_size` must not exceed the {count} samples. Received: {left_size} and {right_size}")
    if not left or not right:
        raise ValueError(f"`dataset` has {count} samples, too few to split. Received: left_size={left_size}, right_size={right_size}")
    return left, right
