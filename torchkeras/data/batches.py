"""`make_batches`: whatever a user hands to `fit`, `evaluate` or `predict`, as epochs of batches on the device."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader as TorchDataLoader
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from .. import config
from ..random import draw_seed
from ..reporting import warn
from .arrays import ArraySource, is_array_nest
from .dataset import Dataset as Pipeline
from .generators import GeneratorSource, PyDatasetSource, is_py_dataset
from .loaders import DatasetSource, IterableSource
from .source import Source
from .validation import check_class_weight, class_weight_to_sample_weight, unpack_x_y_sample_weight


class Batches:
    """Epochs of batches: each `for data, size in batches:` is one epoch.

    `data` is what `train_step` receives: `(x, y)`, `(x, y, sample_weight)`, `x`, or what the user's loader yields, as nests of
    tensors on the device. `size` is the number of samples of the global batch; in a data-parallel run `data` holds this
    rank's contiguous part of it, `size * rank // world_size` to `size * (rank + 1) // world_size`, which is empty when the
    batch has fewer samples than there are processes. A mean over the global batch is therefore the sum over ranks of
    `local_rows / size` times the local mean.

    With `steps`, an epoch takes that many batches and the next goes on where it ended; a source that ends in the middle of an
    epoch ends the epoch with a warning, as in Keras, and the next epoch starts anew.

    Args:
        source: Where the batches come from.
        steps: Batches in an epoch; `None` for a whole pass.

    Attributes:
        steps: Batches in an epoch, `None` until the first pass of a source of unknown length has ended.
        batch_size: Samples in a full global batch; `None` when the source does not tell.
    """

    def __init__(self, source: Source, steps: int | None = None) -> None:
        self.source = source
        self.batch_size = source.batch_size
        self.steps = steps if steps is not None else source.num_batches
        self._given = steps
        self._iterator: Iterator[tuple[Any, int]] | None = None
        self._taken = 0  # batches of the pass at hand that earlier epochs took
        self._begun = False  # `peek` opened the coming epoch

    def __iter__(self) -> Iterator[tuple[Any, int]]:
        self._begin()
        return self._whole_pass() if self._given is None else self._some_steps(self._given)

    def peek(self) -> Any:
        """The first batch of the coming epoch, without taking it away: to build a model on."""
        data = self.source.first()
        if data is None:
            self._begin()
            assert self._iterator is not None
            item = next(self._iterator, None)
            if item is None:
                raise ValueError("`x` must yield at least one batch. Received an empty data set.")
            self._iterator = itertools.chain((item,), self._iterator)
            self._begun = True
            data = item[0]
        return data

    def restart(self) -> None:
        """Let the next epoch begin at the first batch, whatever the last one left; a generator goes on where it is."""
        if self.source.restarts and not self._begun:
            self._iterator, self._taken = None, 0

    def _begin(self) -> None:
        if self._begun:
            self._begun = False
            return
        self.source.on_epoch_begin()
        if self._iterator is None or self._given is None:
            self._iterator = iter(self.source)
            self._taken = 0

    def _whole_pass(self) -> Iterator[tuple[Any, int]]:
        assert self._iterator is not None
        count = 0
        for item in self._iterator:
            count += 1
            yield item
        if count == 0:
            self._warn()
        self._iterator = None
        self.source.on_epoch_end()
        self.steps = self.source.num_batches or count

    def _some_steps(self, steps: int) -> Iterator[tuple[Any, int]]:
        assert self._iterator is not None
        count = 0
        for item in itertools.islice(self._iterator, steps):
            count += 1
            yield item
        if count == 0 and self._taken and self.source.restarts:  # the last epoch ended with the last batch
            self._iterator = iter(self.source)
            self._taken = 0
            for item in itertools.islice(self._iterator, steps):
                count += 1
                yield item
        self._taken += count
        if count < steps:
            self._warn()
        if count < steps or self._taken == self.source.num_batches:
            self._iterator = None
        self.source.on_epoch_end()

    def _warn(self) -> None:
        warn(
            "Your input ran out of data before the epoch's steps were done. Make sure that your data set can yield at least "
            "`steps_per_epoch * epochs` batches, or leave `steps_per_epoch` out."
        )


class _ClassWeighted(Source):
    """A source whose batches get sample weights by class."""

    def __init__(self, source: Source, class_weight: dict[int, float]) -> None:
        self._source = source
        self._class_weight = class_weight
        self.num_batches, self.batch_size = source.num_batches, source.batch_size
        self.restarts, self.endless, self.extent = source.restarts, source.endless, source.extent

    def __iter__(self) -> Iterator[tuple[Any, int]]:
        for data, size in self._source:
            x, y, sample_weight = unpack_x_y_sample_weight(data)
            yield (x, y, class_weight_to_sample_weight(self._class_weight, y, sample_weight)), size

    def start_at(self, epoch: int) -> None:
        self._source.start_at(epoch)

    def on_epoch_begin(self) -> None:
        self._source.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self._source.on_epoch_end()
        self.num_batches = self._source.num_batches


def make_batches(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    batch_size: int | None = None,
    steps: int | None = None,
    shuffle: bool | str = False,
    class_weight: dict[int, float] | None = None,
    device: torch.device | str,
    initial_epoch: int = 0,
    rank: int = 0,
    world_size: int = 1,
    seed: int | None = None,
) -> Batches:
    """Batches of any data that Keras trains on.

    Args:
        x: NumPy arrays, torch tensors, pandas frames, lists of numbers, or nests of them; a torch `DataLoader` or `Dataset`; a
            generator or iterator; a `PyDataset`; a `tf.data.Dataset`; or any iterable of batches.
        y: Targets, when `x` is arrays.
        sample_weight: Weights, when `x` is arrays.
        batch_size: Samples in a global batch, when `x` is arrays or a torch `Dataset`; 32 by default.
        steps: Batches in an epoch; a whole pass by default. Capped by `config.max_steps_per_epoch()`.
        shuffle: `True`, `False`, or `"batch"`; loaders and generators have their own order and take no notice.
        class_weight: Weight by class index, for models with one output.
        device: Where batches go.
        initial_epoch: The number of the first epoch, which the order of the samples depends on.
        rank: This process of a data-parallel run.
        world_size: Its processes.
        seed: What the order depends on; by default drawn from torch's global generator. Data-parallel callers draw it on
            rank 0 (`draw_seed`) and send it to the others.

    Raises:
        ValueError: Unequal sample counts, strings, an argument that the kind of data does not take, a source without end and no
            `steps`.
        TypeError: `x` is nothing to train on.
    """
    if batch_size is not None and batch_size == 0 and not isinstance(batch_size, bool):
        warn("`batch_size` must be a positive integer; 0 means 32, as in Keras. Received: batch_size=0")
        batch_size = None
    _check_positive(batch_size=batch_size, steps=steps)
    check_class_weight(class_weight)
    batch_size, steps = (None if number is None else int(number) for number in (batch_size, steps))
    if shuffle != "batch":
        if isinstance(shuffle, str):
            warn(f"`shuffle` must be True, False or 'batch'; any other text means True. Received: shuffle={shuffle!r}")
        shuffle = bool(shuffle)
    place: dict[str, Any] = {"device": torch.empty(0, device=device).device, "rank": rank, "world_size": world_size}
    order: dict[str, Any] = {"seed": draw_seed() if seed is None else seed, "initial_epoch": initial_epoch}
    if isinstance(x, TensorDataset) and len(x.tensors) <= 3:
        _refuse(x, y=y, sample_weight=sample_weight)
        x, y, sample_weight = unpack_x_y_sample_weight(x.tensors)
    if is_array_nest(x):
        _check_arrays(y=y, sample_weight=sample_weight)
        source: Source = ArraySource(
            x, y, sample_weight, batch_size=batch_size, steps=steps, shuffle=shuffle, class_weight=class_weight, **place, **order
        )
    else:
        _refuse(x, y=y, sample_weight=sample_weight)
        source = _batched_source(x, batch_size, shuffle, place, order)
        if class_weight:
            source = _ClassWeighted(source, class_weight)
    if source.endless and steps is None:
        raise ValueError("`steps_per_epoch` (or `steps`) must be given for a data set without end. Received: None")
    cap = config.max_steps_per_epoch()
    if cap is not None and (steps or source.num_batches or cap + 1) > cap:
        steps = cap
    return Batches(source, steps)


def _batched_source(x: Any, batch_size: int | None, shuffle: bool | str, place: dict[str, Any], order: dict[str, Any]) -> Source:
    if isinstance(x, IterableDataset) and not isinstance(x, Pipeline):
        return IterableSource(TorchDataLoader(x, batch_size=batch_size or 32), **place, **order)
    if isinstance(x, Dataset) and not isinstance(x, Pipeline):
        return DatasetSource(x, batch_size=batch_size or 32, shuffle=shuffle, **place, **order)
    if batch_size is not None:
        warn(f"`batch_size` has no effect when `x` is a {type(x).__name__}, which yields batches of its own. Received: {batch_size}")
    if is_py_dataset(x):
        return PyDatasetSource(x, shuffle=shuffle, **place, **order)
    if hasattr(x, "__next__"):
        return GeneratorSource(x, **place)
    if hasattr(x, "__iter__") and not isinstance(x, (str, bytes, list, tuple, dict, set)):
        return IterableSource(x, **place, **order)
    raise TypeError(
        "`x` must be arrays or tensors (or lists and dicts of them), a torch DataLoader or Dataset, a generator or a PyDataset. "
        f"Received: {type(x).__name__}"
    )


def _refuse(x: Any, **arguments: Any) -> None:
    if x is None:
        raise ValueError("`x` must be given: arrays, tensors, or a data set that yields batches. Received: x=None")
    for name, value in arguments.items():
        if value is not None:
            raise ValueError(
                f"`{name}` cannot be given when `x` is a {type(x).__name__}: "
                "it yields batches of its own, `(x, y)` or `(x, y, sample_weight)`."
            )


def _check_arrays(**nests: Any) -> None:
    for name, nest in nests.items():
        if nest is not None and not is_array_nest(nest):
            raise TypeError(f"`{name}` must be arrays or tensors, like `x`. Received: {type(nest).__name__}")


def _check_positive(**arguments: int | None) -> None:
    for name, value in arguments.items():
        if value is not None and (not isinstance(value, (int, np.integer)) or value < 1):
            raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}")
