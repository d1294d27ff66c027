"""How one global batch is divided among the processes of a data-parallel run, and the order of the samples that all of them share."""

from __future__ import annotations

from typing import Any

import torch

from .structure import first_leaf, map_leaves


def shard_bounds(size: int, rank: int, world_size: int) -> tuple[int, int]:
    """The rows `[start, stop)` of a batch of `size` rows that belong to `rank`.

    The parts of all ranks are contiguous, in rank order, cover the batch exactly once and differ by at most one row.
    A batch with fewer rows than processes leaves some ranks an empty part.
    """
    return size * rank // world_size, size * (rank + 1) // world_size


def shard(data: Any, rank: int, world_size: int) -> tuple[Any, int]:
    """This rank's part of a whole batch, and the size of the whole.

    Args:
        data: A nest of tensors or arrays whose first axis is the batch. `None` and 0-d leaves stay as they are.
        rank: This process.
        world_size: All processes.
    """
    size = batch_rows(data)
    if world_size == 1:
        return data, size
    start, stop = shard_bounds(size, rank, world_size)
    return map_leaves(lambda leaf: leaf[start:stop] if getattr(leaf, "ndim", 0) else leaf, data), size


def batch_rows(data: Any) -> int:
    """The number of samples in a nest of tensors: the first axis of its first leaf that has one (1 when none has)."""
    leaf = first_leaf(data)
    return 1 if leaf is None else len(leaf)


def sample_order(samples: int, batch_size: int, shuffle: bool | str, seed: int, device: torch.device) -> torch.Tensor | None:
    """The order of the samples in one pass, the same on every rank for the same `seed`.

    Args:
        samples: All samples.
        batch_size: Samples in a full global batch.
        shuffle: `False` for the order they lie in, `True` for a new one, `"batch"` to move whole batches (an incomplete
            last batch stays last).
        seed: Seed of this pass.
        device: Where the order is drawn. CPU and GPU generators give different orders.

    Returns:
        Indices `(samples,)`, or `None` for the order they lie in.
    """
    if not shuffle:
        return None
    generator = torch.Generator(device).manual_seed(seed)
    if shuffle != "batch":
        return torch.randperm(samples, generator=generator, device=device)
    full = samples // batch_size
    starts = torch.randperm(full, generator=generator, device=device) * batch_size
    order = (starts[:, None] + torch.arange(batch_size, device=device)).flatten()
    return torch.cat([order, torch.arange(full * batch_size, samples, device=device)])
