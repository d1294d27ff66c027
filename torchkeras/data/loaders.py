"""Batches from torch `DataLoader`s and `Dataset`s, and from other data sets that are iterated batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, DistributedSampler, Sampler

from .arrays import BatchConverter
from .dataset import Dataset as Pipeline
from .sharding import sample_order, shard, shard_bounds
from .source import Source
from .stages import INFINITE
from .structure import map_leaves

_END = object()


class IterableSource(Source):
    """Any iterable of batches that can be read again: a `DataLoader`, a `tf.data.Dataset`, a user's own loader.

    In a data-parallel run every rank reads the same batches and keeps its part of each. So that shuffling loaders agree, a
    pass starts with torch's CPU generator seeded by `seed` and the number of the pass; then its state is put back.

    Args:
        batches: What to iterate over, once in each epoch.
        device: Where batches go.
        rank: This process.
        world_size: All processes.
        seed: Seeds the loader's own shuffling, the same on every rank.
        initial_epoch: The number of the first pass.

    Raises:
        ValueError: The loader divides its samples among the ranks itself.
    """

    def __init__(
        self,
        batches: Iterable[Any],
        *,
        device: torch.device,
        rank: int = 0,
        world_size: int = 1,
        seed: int = 0,
        initial_epoch: int = 0,
    ) -> None:
        if world_size > 1 and isinstance(getattr(batches, "sampler", None), DistributedSampler):
            raise ValueError(
                "`x` must be a loader of whole batches: each process takes its part of them. "
                "Received one with a DistributedSampler, which divides the samples too: leave the sampler out."
            )
        self.batches = batches
        self.num_batches = _length(batches)
        self.endless = isinstance(batches, Pipeline) and int(batches.cardinality()) == INFINITE
        size = getattr(batches, "batch_size", None)
        self.batch_size = size if isinstance(size, int) else None
        self.rank, self.world_size = rank, world_size
        self._convert = BatchConverter(device)
        self._seed, self._passes = seed, initial_epoch

    def __iter__(self) -> Iterator[tuple[Any, int]]:
        iterator, batch = self._start()
        while batch is not _END:
            part, size = shard(batch, self.rank, self.world_size)
            yield self._convert(part), size
            batch = next(iterator, _END)

    def _start(self) -> tuple[Iterator[Any], Any]:
        """The iterator of a new pass and its first batch: samplers draw their seed when the first batch is asked for."""
        state = torch.get_rng_state()
        torch.default_generator.manual_seed(self._seed + self._passes)
        self._passes += 1
        try:
            own = isinstance(self.batches, Pipeline)
            reader: Callable[[], Iterator[Any]] | None = None if own else getattr(self.batches, "as_numpy_iterator", None)
            iterator = reader() if reader else iter(self.batches)
            return iterator, next(iterator, _END)
        finally:
            torch.set_rng_state(state)


def _length(batches: Any) -> int | None:
    """The number of batches, as far as the loader knows it."""
    try:
        length = len(batches)
    except TypeError:  # no `__len__`, or one that says so, as that of a loader over an iterable data set
        return None
    return length if length > 0 else None


class DatasetSource(Source):
    """A torch map-style `Dataset`, batched by a `DataLoader`; each rank reads only its own samples.

    Args:
        dataset: Yields one sample by index: `x`, `(x, y)` or `(x, y, sample_weight)`.
        batch_size: Samples in a global batch.
        shuffle: Whether samples come in random order in each pass; `"batch"` mixes whole batches.
        device: Where batches go.
        rank: This process.
        world_size: All processes.
        seed: The seed of the shuffling, the same on every rank.
        initial_epoch: The number of the first pass.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        *,
        batch_size: int = 32,
        shuffle: bool | str = False,
        device: torch.device,
        rank: int = 0,
        world_size: int = 1,
        seed: int = 0,
        initial_epoch: int = 0,
    ) -> None:
        self._sampler = _GlobalBatches(len(dataset), batch_size, shuffle, rank, world_size, seed, initial_epoch)  # type: ignore[arg-type]
        self._loader = DataLoader(dataset, batch_sampler=self._sampler)
        self.batch_size, self.num_batches = batch_size, len(self._sampler)
        self.extent = self._sampler.samples, batch_size
        self._convert = BatchConverter(device)

    def start_at(self, epoch: int) -> None:
        self._sampler.passes = epoch

    def __iter__(self) -> Iterator[tuple[Any, int]]:
        for batch, size in zip(self._loader, self._sampler.sizes()):
            low, high = shard_bounds(size, self._sampler.rank, self._sampler.world_size)
            if low == high:
                batch = map_leaves(lambda leaf: leaf[:0], batch)
            yield self._convert(batch), size


class _GlobalBatches(Sampler[list[int]]):
    """Lists of this rank's indices, one for each global batch (the whole batch, to be emptied later, where it has no part)."""

    def __init__(
        self, samples: int, batch_size: int, shuffle: bool | str, rank: int, world_size: int, seed: int, initial_epoch: int
    ) -> None:
        if samples == 0:
            raise ValueError("`x` must hold at least one sample. Received an empty data set.")
        self.samples, self.batch_size, self.shuffle = samples, batch_size, shuffle
        self.rank, self.world_size = rank, world_size
        self.seed, self.passes = seed, initial_epoch

    def __len__(self) -> int:
        return -(-self.samples // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        order = sample_order(self.samples, self.batch_size, self.shuffle, self.seed + self.passes, torch.device("cpu"))
        self.passes += 1
        indices = range(self.samples) if order is None else order.tolist()
        start = 0
        for size in self.sizes():
            low, high = shard_bounds(size, self.rank, self.world_size)
            yield list(indices[start + low : start + high] or indices[start : start + size])
            start += size

    def sizes(self) -> Iterator[int]:
        """The sizes of the global batches."""
        for start in range(0, self.samples, self.batch_size):
            yield min(self.batch_size, self.samples - start)
