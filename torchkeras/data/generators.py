"""Batches from Python generators and from `PyDataset`s, whose batches worker threads or processes prepare."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from .arrays import BatchConverter
from .sharding import sample_order, shard
from .source import Source
from .structure import map_leaves


class GeneratorSource(Source):
    """A Python generator or iterator of batches, which can be read once; every epoch goes on where the last one ended.

    In a data-parallel run every rank runs its own copy and keeps its part of each batch, so the generator must yield the same
    on all of them.

    Args:
        batches: The iterator.
        device: Where batches go.
        rank: This process.
        world_size: All processes.
    """

    restarts = False

    def __init__(self, batches: Iterator[Any], *, device: torch.device, rank: int = 0, world_size: int = 1) -> None:
        self._tk_batches = batches
        self.rank, self.world_size = rank, world_size
        self._convert = BatchConverter(device)

    def __iter__(self) -> Iterator[tuple[Any, int]]:
        for batch in self._tk_batches:
            part, size = shard(batch, self.rank, self.world_size)
            yield self._convert(part), size


class PyDataset:
    """A data set that makes a whole batch by its number; subclasses write `__getitem__` and `__len__`.

    `__getitem__(index)` returns `(x, y)` or `(x, y, sample_weight)` of batch `index`. `__len__()` is the number of batches; a
    data set without end overrides the property `num_batches` to return `None` instead. State that changes between epochs
    belongs in `on_epoch_end`.

    Args:
        workers: Threads or processes that prepare batches ahead; 0 or 1 thread means the main thread.
        use_multiprocessing: Processes instead of threads: for batches made in pure Python.
        max_queue_size: Batches kept ready or in the making.

    >>> class Squares(keras.utils.PyDataset):
    ...     def __len__(self):
    ...         return 3
    ...     def __getitem__(self, index):
    ...         return np.full((2, 1), index), np.full((2, 1), index**2)
    >>> Squares()[2][1].tolist()
    [[4], [4]]
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        self.workers = workers
        self.use_multiprocessing = use_multiprocessing
        self.max_queue_size = max_queue_size

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"`{type(self).__name__}` must define `__getitem__(self, index)`, which returns batch `index`.")

    @property
    def num_batches(self) -> int | None:
        """Batches in an epoch, `None` for a data set without end."""
        raise NotImplementedError(f"`{type(self).__name__}` must define `__len__` (or the property `num_batches`).")

    def __len__(self) -> int:
        count = self.num_batches
        if count is None:
            raise TypeError(f"`{type(self).__name__}` has no length: its `num_batches` is None.")
        return count

    def __iter__(self) -> Iterator[Any]:
        """The batches of one epoch, in order."""
        return (self[index] for index in _indices(_num_batches(self)))

    def on_epoch_begin(self) -> None:
        """Called before the first batch of every epoch."""

    def on_epoch_end(self) -> None:
        """Called after the last batch of every epoch."""


Sequence = PyDataset


def is_py_dataset(value: Any) -> bool:
    """Whether `value` is a `PyDataset` or follows its protocol (`__getitem__`, `__len__`, `on_epoch_end`)."""
    return isinstance(value, PyDataset) or all(hasattr(value, name) for name in ("__getitem__", "__len__", "on_epoch_end"))


def _num_batches(dataset: Any) -> int | None:
    own = isinstance(dataset, PyDataset) and type(dataset).num_batches is not PyDataset.num_batches
    return dataset.num_batches if own else len(dataset)


def _indices(count: int | None) -> Iterable[int]:
    return itertools.count() if count is None else range(count)


class PyDatasetSource(Source):
    """A `PyDataset`, or an object with its protocol.

    In a data-parallel run every rank makes the whole batch and keeps its part.

    Args:
        dataset: Yields whole batches by index.
        shuffle: Whether to take the batches in a new order in every epoch.
        device: Where batches go.
        rank: This process.
        world_size: All processes.
        seed: The seed of the order, the same on every rank.
        initial_epoch: The number of the first pass.
    """

    def __init__(
        self,
        dataset: Any,
        *,
        shuffle: bool | str = False,
        device: torch.device,
        rank: int = 0,
        world_size: int = 1,
        seed: int = 0,
        initial_epoch: int = 0,
    ) -> None:
        self._dataset = dataset
        self.num_batches = _num_batches(dataset)
        self.endless = self.num_batches is None
        self.shuffle = shuffle
        self.rank, self.world_size = rank, world_size
        self._convert = BatchConverter(device)
        self._seed, self._passes = seed, initial_epoch

    def __iter__(self) -> Iterator[tuple[Any, int]]:
        for batch in self._tk_batches(self._order()):
            part, size = shard(batch, self.rank, self.world_size)
            yield self._convert(part), size

    def on_epoch_begin(self) -> None:
        begin = getattr(self._dataset, "on_epoch_begin", None)  # absent in objects written for Keras 2
        if begin is not None:
            begin()

    def on_epoch_end(self) -> None:
        self._dataset.on_epoch_end()
        self.num_batches = _num_batches(self._dataset)

    def _order(self) -> Iterable[int]:
        order = None
        if self.num_batches is not None:
            order = sample_order(self.num_batches, 1, bool(self.shuffle), self._seed + self._passes, torch.device("cpu"))
        self._passes += 1
        return _indices(self.num_batches) if order is None else order.tolist()

    def _tk_batches(self, order: Iterable[int]) -> Iterator[Any]:
        workers = getattr(self._dataset, "workers", 1)
        ahead = max(1, getattr(self._dataset, "max_queue_size", 10))
        if workers > 0 and getattr(self._dataset, "use_multiprocessing", False):
            factor = -(-ahead // workers)
            return iter(
                DataLoader(self._dataset, batch_size=None, sampler=order, num_workers=workers, prefetch_factor=factor, collate_fn=_share)
            )
        if workers > 1:
            return self._from_threads(order, workers, ahead)
        return (self._dataset[index] for index in order)

    def _from_threads(self, order: Iterable[int], workers: int, ahead: int) -> Iterator[Any]:
        with ThreadPoolExecutor(workers, thread_name_prefix="PyDataset") as pool:
            indices = iter(order)
            waiting: deque[Future[Any]] = deque(pool.submit(self._dataset.__getitem__, index) for index in itertools.islice(indices, ahead))
            try:
                while waiting:
                    batch = waiting.popleft().result()
                    waiting.extend(pool.submit(self._dataset.__getitem__, index) for index in itertools.islice(indices, 1))
                    yield batch
            finally:  # an epoch that stops early leaves no work behind
                for future in waiting:
                    future.cancel()


def _share(batch: Any) -> Any:
    """Arrays as tensors, which travel from a worker process through shared memory."""
    return map_leaves(lambda leaf: torch.from_numpy(leaf) if isinstance(leaf, np.ndarray) and leaf.dtype.kind in "bif" else leaf, batch)
