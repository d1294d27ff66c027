"""Strings in memory, which torch has no tensors for, as rows that are indexed like tensors until a layer makes numbers of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


class Strings(np.ndarray):
    """A NumPy array of `str` with the few methods of a tensor by which batches are taken from it. It stays on the host."""

    def split(self, size: int) -> tuple[Strings, ...]:
        """Runs of `size` rows."""
        return tuple(self[i : i + size].view(Strings) for i in range(0, len(self), size))

    def index_select(self, axis: int, rows: torch.Tensor) -> Strings:
        """The rows of these numbers."""
        return self[rows.cpu().numpy()]

    def to(self, device: Any) -> Strings:
        """Itself: strings have no device."""
        return self

    def cpu(self) -> Strings:
        """Itself."""
        return self

    def dim(self) -> int:
        """The number of axes."""
        return self.ndim

    def numel(self) -> int:
        """The number of strings."""
        return self.size

    def element_size(self) -> int:
        """The bytes of one."""
        return self.itemsize


def as_strings(array: np.ndarray) -> Strings:
    """An array of `str` or of objects that are, as objects, so that rows are taken without copying text."""
    return np.asarray(array, dtype=object).view(Strings)


def holds_strings(array: np.ndarray) -> bool:
    """Whether an array holds text and nothing else."""
    if array.dtype.kind in "UST":
        return True
    return array.dtype.kind == "O" and array.size > 0 and all(isinstance(s, (str, bytes)) for s in array.reshape(-1).tolist())
