"""The part of a batch that this process works on, known to whatever it calls in this thread while a run lasts."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from . import reduce


@dataclass
class Shard:
    """This process's part of the batches of a run.

    A number that is a mean over local samples becomes that of the whole batch as the sum over processes of `share` times it: losses,
    gradients and what a `Mean` is given are joined so.

    Args:
        world: How many processes share each batch.
        rows: How many samples of the batch at hand are here.
        size: How many samples the batch at hand has in all processes.
        last: Whether the step at hand is the last of an epoch: results of metrics are those over all processes.
        uncount: Takes back what a row that stands in for none has added to metrics.
        reduced: Whether the gradients of the last `backward()` are those of the whole batch, and no update has used them yet.
    """

    world: int = 1
    rows: int = 1
    size: int = 1
    last: bool = False
    uncount: Callable[[], None] | None = None
    reduced: bool = False

    @property
    def share(self) -> float:
        """The part of the batch's samples that is here: 1 in one process, 0 where there is none."""
        return self.rows / self.size if self.world > 1 else 1.0

    def joined(self, mean: torch.Tensor) -> torch.Tensor:
        """The mean over the whole batch, of a mean over the samples that are here; every process must call it."""
        if self.world == 1:
            return mean
        return reduce.all_reduce(mean.detach() * self.share if self.rows else torch.zeros_like(mean), "sum")

    def join_(self, gradients: Sequence[torch.Tensor]) -> None:
        """`joined` for gradients, in place: one message for all of a type; every process must call it with the same shapes."""
        with torch.no_grad():
            for gradient in gradients:
                if self.rows:
                    gradient.mul_(self.share)
                else:
                    gradient.zero_()  # of a row that stands in for none, and may be NaN
        reduce.all_reduce_(gradients, "sum")

    def for_update(self, gradients: Sequence[torch.Tensor | None]) -> list[torch.Tensor | None]:
        """Gradients that an optimizer may use: those of `torch.autograd.grad` are still this process's own, and are joined here."""
        given = list(gradients)
        if self.world > 1 and not self.reduced:
            given = [None if g is None else g.detach().clone() for g in given]
            self.join_([g for g in given if g is not None])
        self.reduced = False
        return given


WHOLE = Shard()


class _Local(threading.local):
    shard = WHOLE


_local = _Local()


def current() -> Shard:
    """The shard of the run in progress in this thread; outside of one, all there is."""
    return _local.shard


@contextlib.contextmanager
def use(shard: Shard) -> Iterator[None]:
    """Make `shard` the current one of this thread for a while."""
    before, _local.shard = _local.shard, shard
    try:
        yield
    finally:
        _local.shard = before
