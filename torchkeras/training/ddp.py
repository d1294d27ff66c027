"""The data-parallel side of training: process group, joined gradients, and decisions that all processes share."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch.nn.parameter import is_lazy

from ..distribution import rank, reduce
from ..distribution.shard import Shard


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


class Stateful(Protocol):
    """What has parameters and buffers."""

    def parameters(self) -> Iterator[torch.nn.Parameter]:
        """All parameters."""

    def buffers(self) -> Iterator[torch.Tensor]:
        """All buffers."""


class Reducer:
    """Joins the gradients of all processes at the end of each `backward()`, whichever models and losses it goes through.

    Hooks on the parameters gather gradients in buckets that are sent while the pass goes on. The modules stay as they are: nothing is
    wrapped, `forward` runs once, and parts of a model called by themselves are trained alike.

    Args:
        shard: This process's part of the batches.
        whole: Whether every pass of every process reaches the same parameters. Without it the processes first agree, at the end of a
            pass, on which were reached.
    """

    def __init__(self, shard: Shard, whole: bool) -> None:
        self.shard, self.whole = shard, whole
        self.parameters: list[torch.Tensor] = []
        self.buckets: list[_Bucket] = []
        self.place: dict[int, _Bucket] = {}
        self.reached: set[int] = set()
        self.sent = 0
        self.handles: list[Any] = []

    def watch(self, parameters: Iterable[torch.Tensor]) -> None:
        """Join the gradients of these from now on, and of no others."""
        wanted = [p for p in parameters if p.requires_grad and not is_lazy(p)]
        if len(wanted) == len(self.parameters) and all(a is b for a, b in zip(wanted, self.parameters)):
            return
        self.stop()
        self.parameters = wanted
        for p in reversed(wanted):  # about the order in which a backward pass reaches them
            last = self.buckets[-1] if self.buckets else None
            if last is None or last.bytes > _BUCKET or (last.parameters[0].dtype, last.parameters[0].device) != (p.dtype, p.device):
                self.buckets.append(_Bucket([]))
            self.buckets[-1].parameters.append(p)
            self.buckets[-1].bytes += p.numel() * p.element_size()
            self.place[id(p)] = self.buckets[-1]
        self.handles = [p.register_post_accumulate_grad_hook(self._reach) for p in wanted]

    def stop(self) -> None:
        """Take the hooks away."""
        for handle in self.handles:
            handle.remove()
        self.parameters, self.buckets, self.place, self.handles = [], [], {}, []

    def _reach(self, parameter: torch.Tensor) -> None:
        if not self.reached:
            torch.autograd.Variable._execution_engine.queue_callback(self._finish)
        self.reached.add(id(parameter))
        bucket = self.place[id(parameter)]
        bucket.reached += 1
        while self.whole and self.sent < len(self.buckets):
            bucket = self.buckets[self.sent]  # one order in all processes
            if bucket.reached < len(bucket.parameters):
                break
            self._send(bucket)

    def _send(self, bucket: _Bucket) -> None:
        with torch.no_grad():
            bucket.flat = torch.cat([_gradient(p).reshape(-1) for p in bucket.parameters])
            if self.shard.rows:
                bucket.flat.mul_(self.shard.share)
            else:
                bucket.flat.zero_()  # of a row that stands in for none, and may be NaN
        bucket.work = dist.all_reduce(bucket.flat, async_op=True)
        self.sent += 1

    def _finish(self) -> None:
        reached = self.reached if self.whole else self._agree()
        for bucket in self.buckets[self.sent :]:
            if self.whole or any(id(p) in reached for p in bucket.parameters):
                self._send(bucket)
        for bucket in self.buckets:
            if bucket.work is not None:
                bucket.work.wait()
                self._receive(bucket, reached)
            bucket.work, bucket.flat, bucket.reached = None, None, 0
        self.reached, self.sent, self.shard.reduced = set(), 0, True

    def _receive(self, bucket: _Bucket, reached: set[int]) -> None:
        assert bucket.flat is not None
        with torch.no_grad():
            for p, part in zip(bucket.parameters, bucket.flat.split([p.numel() for p in bucket.parameters])):
                if id(p) not in reached:
                    continue
                if p.grad is None or p.grad.is_sparse:
                    p.grad = part.view(p.shape).clone()
                else:
                    p.grad.copy_(part.view(p.shape))

    def _agree(self) -> set[int]:
        """The parameters that the pass of some process reached."""
        mine = torch.tensor([id(p) in self.reached for p in self.parameters], dtype=torch.uint8)
        dist.all_reduce(mine, op=dist.ReduceOp.MAX, group=_host_group())
        return {id(p) for p, any_reached in zip(self.parameters, mine.tolist()) if any_reached}


_BUCKET = 25 << 20


@dataclass
class _Bucket:
    """Parameters whose gradients travel together."""

    parameters: list[torch.Tensor]
    bytes: int = 0
    reached: int = 0
    flat: torch.Tensor | None = None
    work: Any = None


def _gradient(parameter: torch.Tensor) -> torch.Tensor:
    if parameter.grad is None:
        return torch.zeros_like(parameter)
    return parameter.grad.to_dense() if parameter.grad.is_sparse else parameter.grad


_groups: dict[str, Any] = {}


def _host_group() -> Any:
    """The processes as a group that exchanges tensors of the host: nobody waits for a GPU."""
    if dist.get_backend() == "gloo":
        return None
    if "host" not in _groups:
        _groups["host"] = dist.new_group(backend="gloo")
    return _groups["host"]


def any_of(flag: bool) -> bool:
    """Whether `flag` holds in some process; every process must call it."""
    box = torch.tensor(int(flag))
    dist.all_reduce(box, op=dist.ReduceOp.MAX, group=_host_group())
    return bool(box.item())


def check_extents(extent: tuple[int, int] | None, steps: int | None) -> None:
    """See that every process goes over as much data; every process must call it.

    Args:
        extent: Samples of a pass and of a batch; `None` where only reading tells.
        steps: Batches in an epoch, where it is known.

    Raises:
        ValueError: If it differs, in all processes.
    """
    known = [-1, -1, -1] if extent is None else [*extent, -1 if steps is None else steps]
    every = _of_every_process(known)
    if any(facts != every[0] for facts in every):
        told = [f"{n} samples in batches of {size}" if n >= 0 else "batches that only reading tells" for n, size, _ in every]
        raise ValueError(_UNEVEN + "Received: " + "; ".join(f"rank {i}: {what}" for i, what in enumerate(told)) + ".")


def check_batches(sizes: Sequence[int], most: int, number: int) -> None:
    """See that every process has read batches of the same sizes; every process must call it.

    Args:
        sizes: The sizes of the batches that this process read: none at the end of its data.
        most: How many it read at the most.
        number: The number of the first.

    Raises:
        ValueError: If they differ, in all processes.
    """
    every = _of_every_process([*sizes, *[0] * (most - len(sizes))])
    if any(read != every[0] for read in every):
        at = next(i for i in range(most) if len({read[i] for read in every}) > 1)
        told = [f"{read[at]} samples" if read[at] else "the end of its data" for read in every]
        raise ValueError(_UNEVEN + f"At batch {number + at}: " + "; ".join(f"rank {i}: {what}" for i, what in enumerate(told)) + ".")


_UNEVEN = (
    "`x` must give every process the same batches, of which each takes its part: load the same data in all of them, and shuffle by the "
    "same seed. "
)


def _of_every_process(numbers: Sequence[int]) -> list[list[int]]:
    mine = torch.tensor(numbers)
    every = [torch.empty_like(mine) for _ in range(rank.world_size())]
    dist.all_gather(every, mine, group=_host_group())
    return [facts.tolist() for facts in every]


def same_state(module: Stateful) -> None:
    """Give every process the weights and buffers of rank 0, as before training."""
    broadcast_tensors([t for t in (*module.parameters(), *module.buffers()) if not is_lazy(t)])


class Statistics:
    """What layers count on their parts of the batches, joined: buffers, by the `aggregation` that they were made with.

    A sum has grown by what it grew by in all processes together. What a variable says nothing about is a mean (moving averages), or rank
    0's where it is a whole number.

    Args:
        module: The model, its buffers the same in all processes.
    """

    def __init__(self, module: Stateful) -> None:
        self.module = module
        self._remember()

    def _remember(self) -> None:
        self.before = {id(b): (b, b.detach().clone()) for b in self.module.buffers() if _aggregation(b) == "sum"}

    def join(self) -> None:
        """Give every process the joined values; every process must call it."""
        sums, means, firsts = [], [], []
        for buffer in self.module.buffers():
            kind = _aggregation(buffer)
            if kind == "sum":
                sums.append(buffer)
            elif kind != "only_first_replica" and buffer.is_floating_point():
                means.append(buffer)
            else:
                firsts.append(buffer)
        starts = [self.before[id(b)][1] if id(b) in self.before else torch.zeros_like(b) for b in sums]
        with torch.no_grad():
            for buffer, start in zip(sums, starts):
                buffer.detach().sub_(start)
            reduce.all_reduce_(sums, "sum")
            for buffer, start in zip(sums, starts):
                buffer.detach().add_(start)
        reduce.all_reduce_(means, "mean")
        broadcast_tensors(firsts)
        self._remember()


def _aggregation(buffer: torch.Tensor) -> str:
    return getattr(buffer, "aggregation", "none")


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
