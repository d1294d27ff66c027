"""Layers whose state is learned from data in one pass, before training: `adapt`."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader as TorchDataLoader
from torch.utils.data import Dataset, IterableDataset
from tqdm import tqdm

from ..layer import Layer

_SAMPLES = 1024  # of a torch `Dataset`, which yields them one by one, in one batch
_SECONDS = 2.0  # after which a pass over data shows its progress


class Adapts(Layer):
    """A layer that learns its state from data: `reset_state`, then `update_state` of each batch, then `finalize_state`."""

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Learn the state of the layer from data, in one pass; what an earlier `adapt` learned is forgotten.

        Args:
            data: An array, a tensor, a list of numbers or strings, a torch `DataLoader` or `Dataset`, a generator, or any iterable of
                batches. Only inputs: of a loader that yields `(x, y)`, pass `(x for x, y in loader)`.
            batch_size: How many samples of an array or of a torch `Dataset` are taken at once; the state does not depend on it.
            steps: The number of batches to take; all without it.

        Raises:
            ValueError: If there are no data, or batches hold more than the inputs.
        """
        batches = batches_of(data, batch_size, self.name)
        self.reset_state()
        empty = True
        with torch.no_grad():
            for batch in tqdm(itertools.islice(batches, steps), desc=f"Adapting {self.name}", delay=_SECONDS, leave=False, disable=None):
                self.update_state(batch)
                empty = False
        if empty:
            raise ValueError(f"`data` must hold at least one batch for the layer {self.name!r} to adapt to. Received none.")
        self.finalize_state()

    def reset_state(self) -> None:
        """Forget what was learned."""
        raise NotImplementedError

    def update_state(self, data: Any) -> None:
        """Learn from one batch.

        Args:
            data: The batch: an array, a tensor or a list.
        """
        raise NotImplementedError

    def finalize_state(self) -> None:
        """Put what was learned where `call` uses it."""
        raise NotImplementedError


def batches_of(data: Any, batch_size: int | None, name: str) -> Iterator[Any]:
    """The batches of anything that `adapt` takes; arrays and lists, which lie in memory, are one batch.

    Args:
        data: The data.
        batch_size: Samples in a batch of an array, a list or a torch `Dataset`.
        name: The name of the layer, for messages.

    Raises:
        TypeError: If `data` is nothing that holds batches.
    """
    if isinstance(data, (list, tuple)):
        data = as_array(data)
    if hasattr(data, "shape") and not hasattr(data, "__next__"):
        return iter(_rows(data if isinstance(data, torch.Tensor) else as_array(data), batch_size))
    if isinstance(data, Dataset) and not isinstance(data, IterableDataset):
        data = TorchDataLoader(data, batch_size=batch_size or _SAMPLES)
    if not hasattr(data, "__iter__") and hasattr(data, "__getitem__") and hasattr(data, "__len__"):  # a `PyDataset`
        data = (data[i] for i in range(len(data)))
    if isinstance(data, (str, bytes, dict)) or not hasattr(data, "__iter__"):
        raise TypeError(
            f"`data` must be an array, a list, a generator, a torch DataLoader or Dataset for the layer {name!r} to adapt to. "
            f"Received: {type(data).__name__}"
        )
    return (_only(batch, name) for batch in data)


def _rows(array: Any, batch_size: int | None) -> Iterable[Any]:
    if batch_size is None or array.ndim == 0:
        return [array] if array.ndim == 0 or len(array) else []
    return (array[i : i + batch_size] for i in range(0, len(array), batch_size))


def _only(batch: Any, name: str) -> Any:
    """The inputs that a loader yields; torch's wrap one tensor in a list."""
    if isinstance(batch, (list, tuple)) and batch and len(getattr(batch[0], "shape", ())) > 0:
        if len(batch) > 1:
            raise ValueError(
                f"`data` must yield inputs alone for the layer {name!r} to adapt to. Received: {len(batch)} arrays a batch. "
                "Pass `(x for x, *_ in data)`."
            )
        batch = batch[0]
    return batch if isinstance(batch, torch.Tensor) else as_array(batch)


def as_array(value: Any) -> np.ndarray:
    """An array, series or list of numbers or strings as a NumPy array; missing strings stay objects.

    Raises:
        ValueError: If rows have different lengths.
    """
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError("The data must be rectangular: its rows have different lengths. Pad them first (`pad_sequences`).") from error
