"""Who this process is among how many, and which device is its own: the only reader of torchrun's environment."""

from __future__ import annotations

import os

import torch
import torch.distributed as dist


def world_size() -> int:
    """How many processes train together; 1 without torchrun."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_world_size()
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """This process's number, from 0."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank()
    return int(os.environ.get("RANK", "0"))


def local_rank() -> int:
    """This process's number on its own machine, from 0."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def is_main() -> bool:
    """Whether this process is the one that prints and writes."""
    return rank() == 0


def default_device() -> torch.device:
    """Where new weights and converted arrays go: torch's default device if one was set, else this process's GPU, else the CPU."""
    chosen = torch.get_default_device()
    if chosen.type == "cpu" and torch.cuda.is_available() and torch.utils._device.CURRENT_DEVICE is None:
        return torch.device("cuda", local_rank() if world_size() > 1 else torch.cuda.current_device())
    return chosen


# What `torch.compiler.assume_constant_result` sets, without its import of the compiler: traced code takes the device as a constant.
default_device._dynamo_marked_constant = True  # type: ignore[attr-defined]
