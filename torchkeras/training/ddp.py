"""The data-parallel side of training: process group, the wrapped model, and decisions that all processes share."""

from __future__ import annotations

import atexit
import gc
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from ..distribution import rank


def start() -> bool:
    """Join the other processes that torchrun started; whether there are any."""
    if rank.world_size() == 1 or not dist.is_available():
        return False
    if not dist.is_initialized():
        backend = "nccl" if rank.default_device().type == "cuda" else "gloo"
        if backend == "nccl":
            torch.cuda.set_device(rank.local_rank())
        dist.init_process_group(backend)
        atexit.register(_stop)
    return True


def _stop() -> None:
    """Leave the group at the end of the program; what still holds it (a replica) must go before its threads do."""
    gc.collect()
    if dist.is_initialized():
        dist.destroy_process_group()


def wrap(model: nn.Module, unused: bool) -> nn.Module:
    """The model in `DistributedDataParallel`, its weights those of rank 0.

    Args:
        model: A built model.
        unused: Whether a step may leave some of its weights unused.
    """
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    ids = [device.index] if device.type == "cuda" else None
    return nn.parallel.DistributedDataParallel(model, device_ids=ids, find_unused_parameters=unused)


def broadcast(value: Any) -> Any:
    """`value` as rank 0 has it."""
    if not (dist.is_available() and dist.is_initialized()):
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def broadcast_tensors(tensors: list[torch.Tensor]) -> None:
    """Give every process the values of rank 0, in place."""
    if dist.is_available() and dist.is_initialized():
        for tensor in tensors:
            dist.broadcast(tensor.detach(), src=0)
