"""Starts several processes that talk over gloo, for tests of what they compute together."""

import gc
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

import torch.distributed as dist
import torch.multiprocessing as mp


def run(function: Callable[..., None], processes: int, *arguments: Any) -> None:
    """Call `function(rank, *arguments)` in that many processes of one group; what one of them raises is raised here."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    mp.spawn(_member, (processes, port, function, arguments), nprocs=processes)


def _member(rank: int, processes: int, port: int, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), RANK=str(rank), WORLD_SIZE=str(processes), LOCAL_RANK=str(rank))
    dist.init_process_group("gloo", rank=rank, world_size=processes)
    function(rank, *arguments)
    gc.collect()  # what still holds the group, a mesh say, goes before the group's threads do
    dist.destroy_process_group()
    # torch keeps threads for gradients that gloo joined, and now and then aborts on the way out ("terminate called without an active
    # exception", torch 2.13). What the test wanted to know is known by now.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
