"""Sums, means, minima and maxima over the processes that train together; nothing happens in one process."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist

from . import rank

REDUCTIONS = ("sum", "mean", "min", "max", "none")
_OPS = {"sum": "SUM", "mean": "SUM", "min": "MIN", "max": "MAX"}


def all_reduce_(tensors: Sequence[torch.Tensor], reductions: Sequence[str] | str = "sum") -> None:
    """Replace each tensor, in place, by its reduction over all processes: one message for all tensors of a type and reduction.

    Every process must call this with tensors of the same shapes in the same order.

    Args:
        tensors: Tensors of any shapes.
        reductions: `"sum"`, `"mean"`, `"min"`, `"max"` or `"none"` (the tensor stays as it is), for each tensor or for all.

    Raises:
        ValueError: If `reduction` or `aggregation` is an unknown word.
    """
    names = [reductions] * len(tensors) if isinstance(reductions, str) else list(reductions)
    for name in names:
        if name not in REDUCTIONS:
            raise ValueError(f"`reductions` must be among {', '.join(map(repr, REDUCTIONS))}. Received: {name!r}")
    if not (dist.is_available() and dist.is_initialized()) or rank.world_size() == 1:
        return
    groups: dict[tuple[str, torch.dtype, torch.device], list[torch.Tensor]] = {}
    for tensor, name in zip(tensors, names):
        if name != "none":
            groups.setdefault((name, tensor.dtype, tensor.device), []).append(tensor)
    with torch.no_grad():
        for (name, _, _), group in groups.items():
            flat = torch.cat([t.detach().reshape(-1) for t in group])
            dist.all_reduce(flat, op=getattr(dist.ReduceOp, _OPS[name]))
            if name == "mean":
                flat = flat / rank.world_size()
            for tensor, part in zip(group, flat.split([t.numel() for t in group])):
                tensor.detach().copy_(part.view(tensor.shape))


def all_reduce(tensor: torch.Tensor, reduction: str = "sum") -> torch.Tensor:
    """A new tensor, the reduction of `tensor` over all processes; arguments as in `all_reduce_`."""
    result = tensor.detach().clone()
    all_reduce_([result], reduction)
    return result


def combine_(into: torch.Tensor, others: Sequence[torch.Tensor], reduction: str) -> None:
    """What `all_reduce_` does over processes, over tensors of this one: `into` takes the `others` in."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"`reduction` must be one of {', '.join(map(repr, REDUCTIONS))}. Received: {reduction!r}")
    if reduction == "none" or not others:
        return
    with torch.no_grad():
        every = torch.stack([into.detach(), *(t.detach().to(into.device) for t in others)])
        if reduction == "sum":
            joined = every.sum(0)
        elif reduction == "mean":
            joined = every.mean(0, dtype=torch.float64)
        else:
            joined = every.amin(0) if reduction == "min" else every.amax(0)
        into.detach().copy_(joined)
