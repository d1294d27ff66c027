"""The protocol of everything that `fit`, `evaluate` and `predict` draw batches from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Source:
    """One data set, ready to be passed over any number of times.

    A pass yields pairs `(data, size)`: `data` is what `train_step` receives (`(x, y)`, `(x, y, sample_weight)`, `x`, or whatever
    the user's loader yields), as nests of tensors on the target device, and `size` is the number of samples of the *global*
    batch. In a data-parallel run `data` holds only this rank's part of it (`sharding.shard_bounds`).

    Attributes:
        num_batches: Batches in a pass; `None` when that is not known.
        batch_size: Samples in a full global batch; `None` when that is not known.
        restarts: Whether a new pass starts at the first sample (`False` for Python iterators, which can be read once).
        endless: Whether a pass is known never to end.
        extent: Samples of a pass and of a full global batch, where these tell the size of every batch; `None` where only reading does.
    """

    num_batches: int | None = None
    batch_size: int | None = None
    restarts: bool = True
    endless: bool = False
    extent: tuple[int, int] | None = None
    _passes: int  # in sources whose order depends on the number of the pass

    def __iter__(self) -> Iterator[tuple[Any, int]]:
        raise NotImplementedError

    def start_at(self, epoch: int) -> None:
        """Let the next pass have the order of this epoch: training goes on with it."""
        if hasattr(self, "_passes"):
            self._passes = epoch

    def first(self) -> Any:
        """The first batch without starting a pass, or `None` where reading it would take it away or cost as much as a pass."""
        return None

    def on_epoch_begin(self) -> None:
        """Called before the first batch of an epoch."""

    def on_epoch_end(self) -> None:
        """Called after the last batch of an epoch."""
