"""Labels as one-hot rows, arrays of length one, and lists of unequal length as one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..dtypes import to_torch_dtype


def to_categorical(x: Any, num_classes: int | None = None) -> Any:
    """Class indices as one-hot rows.

    Args:
        x: Whole numbers from 0 to `num_classes - 1`, of any shape; a last axis of size 1 is dropped.
        num_classes: The number of classes; the largest index and one without it.

    Returns:
        The shape of `x` and an axis of classes: a float64 array, or an int64 tensor for a tensor.

    Raises:
        ValueError: If there is an index outside the classes.
    """
    if not isinstance(x, torch.Tensor):
        try:
            numbers = np.asarray(x).astype("float64")
        except ValueError:
            numbers = np.asarray(np.nan)
        if not np.array_equal(numbers, np.trunc(numbers)):
            raise ValueError(f"`x` must hold class indices, whole numbers. Received: x={x!r}")
    labels = x if isinstance(x, torch.Tensor) else torch.as_tensor(np.asarray(x).astype("int64"))
    labels = labels.long()
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    low, high = (int(labels.min()), int(labels.max())) if labels.numel() else (0, -1)
    if num_classes is None or not num_classes:
        num_classes = high + 1
    if low < 0 or high >= num_classes:
        raise ValueError(
            f"`x` must hold class indices from 0 to {num_classes - 1} for num_classes={num_classes}. Received: from {low} to {high}"
        )
    rows = torch.nn.functional.one_hot(labels, num_classes)
    return rows if isinstance(x, torch.Tensor) else rows.numpy().astype("float64")


def normalize(x: Any, axis: int = -1, order: int = 2) -> Any:
    """`x` divided by its norm along `axis`; what has norm 0 stays as it is.

    Args:
        x: A tensor or an array, or nested lists of numbers.
        axis: The axis that has norm 1 afterwards.
        order: The order of the norm, 2 for the Euclidean one.

    Returns:
        An array for an array, else a tensor.
    """
    tensor = torch.as_tensor(x)
    if not tensor.is_floating_point():
        tensor = tensor.to(torch.float64 if isinstance(x, np.ndarray) else to_torch_dtype(None))
    norm = torch.linalg.vector_norm(tensor, order, dim=axis, keepdim=True)
    scaled = tensor / torch.where(norm == 0, 1, norm)
    return scaled.numpy() if isinstance(x, np.ndarray) else scaled


def pad_sequences(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """Sequences of unequal length as one array.

    Args:
        sequences: Lists of numbers, or of entries that all have one shape.
        maxlen: The length they get; that of the longest without it.
        dtype: The type of the array; `object` for strings.
        padding: Where `value` fills up short sequences, `"pre"` before or `"post"` behind.
        truncating: Where long sequences lose entries, `"pre"` or `"post"`.
        value: What fills up.

    Returns:
        `(len(sequences), maxlen, ...)`

    Raises:
        ValueError: If there is something that is no sequence, entries of different shapes, or an unknown place.
    """
    for name, place in (("padding", padding), ("truncating", truncating)):
        if place not in ("pre", "post"):
            raise ValueError(f"`{name}` must be 'pre' or 'post'. Received: {name}={place!r}")
    if not hasattr(sequences, "__len__"):
        raise ValueError(f"`sequences` must be a list of sequences. Received: {type(sequences).__name__}")
    for i, sequence in enumerate(sequences):
        if not hasattr(sequence, "__len__"):
            raise ValueError(f"`sequences` must be a list of sequences. Received at place {i}: {sequence!r}")
    if isinstance(value, str) and not np.issubdtype(dtype, np.str_) and np.dtype(dtype) != object:
        raise ValueError(f"`value` must fit dtype={dtype}. Received: value={value!r}. Pass `dtype=object` for strings.")
    if maxlen is None:
        maxlen = max(map(len, sequences), default=0)
    kept = [(list(s)[-maxlen:] if truncating == "pre" else list(s)[:maxlen]) if maxlen else [] for s in sequences]
    entry: tuple[int, ...] = next((np.shape(s)[1:] for s in sequences if len(s)), ())
    padded = np.full((len(sequences), maxlen, *entry), value, dtype=dtype)
    for i, sequence in enumerate(kept):
        if not sequence:
            continue
        part = np.asarray(sequence, dtype=dtype)
        if part.shape[1:] != entry:
            raise ValueError(f"`sequences` must hold entries of one shape. Received: {entry}, and {part.shape[1:]} at place {i}")
        if padding == "post":
            padded[i, : len(part)] = part
        else:
            padded[i, -len(part) :] = part
    return padded
