"""List-of-tensors arithmetic that takes its scalars as Python numbers (eager steps) or as 0-d tensors (captured steps)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor

Scalar = float | Tensor
Tensors = list[Tensor] | tuple[Tensor, ...]


def replicated() -> AbstractContextManager[None]:
    """Plain tensors beside sharded ones count as tensors that every process has, as they do in torch's own optimizers."""
    from torch.distributed.tensor.experimental import implicit_replication  # whoever shards has imported it

    return implicit_replication()


def local(tensor: Tensor) -> Tensor:
    """A tensor that every process has, as a plain one."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def one_minus_power(beta: float, t: Scalar) -> Scalar:
    """`1 - beta**t`, without cancellation where `t` is a float32 tensor."""
    if isinstance(t, Tensor):
        return -torch.expm1(t * math.log(beta)) if beta > 0.0 else torch.ones_like(t)
    return 1.0 - beta**t


def sqrt(x: Scalar) -> Scalar:
    """The square root of a number or a tensor."""
    return torch.sqrt(x) if isinstance(x, Tensor) else math.sqrt(x)


def minimum(a: Scalar, b: Scalar) -> Scalar:
    """The smaller of two numbers, either of which may be a tensor."""
    if isinstance(a, Tensor):
        return torch.clamp(a, max=b)
    return torch.clamp(b, max=a) if isinstance(b, Tensor) else min(a, b)


def add_(targets: Tensors, x: Scalar) -> None:
    """`targets += x`, one number for all."""
    if isinstance(x, Tensor):
        torch.ops.aten._foreach_add_.Tensor(targets, x)  # torch._foreach_add_ would make a number of it
    else:
        torch._foreach_add_(targets, x)


def add_scaled_(targets: Tensors, xs: Tensors, scale: Scalar) -> None:
    """`targets += scale * xs`."""
    if isinstance(scale, Tensor):
        torch._foreach_add_(targets, torch._foreach_mul(xs, scale))
    else:
        torch._foreach_add_(targets, xs, alpha=scale)


def addcdiv_(targets: Tensors, numerators: Tensors, denominators: Tensors, scale: Scalar) -> None:
    """`targets += scale * numerators / denominators`."""
    if isinstance(scale, Tensor):
        quotients = torch._foreach_div(numerators, denominators)
        torch._foreach_mul_(quotients, scale)
        torch._foreach_add_(targets, quotients)
    else:
        torch._foreach_addcdiv_(targets, numerators, denominators, value=scale)


def l2_norms(xs: Tensors, groups: Sequence[Sequence[int]] | None) -> list[Tensor]:
    """The norm of each variable: of one tensor, or of the several (`groups` of positions) that store it together."""
    norms = torch._foreach_norm(xs)
    if groups is None:
        return list(norms)
    joined = list(norms)
    for group in groups:
        if len(group) > 1:
            norm = torch.linalg.vector_norm(torch.stack([norms[i] for i in group]))
            for i in group:
                joined[i] = norm
    return joined


def clip_by_norm(grads: Tensors, limit: float, groups: Sequence[Sequence[int]] | None) -> list[Tensor]:
    """Each variable's gradient scaled down to the norm `limit` where it is longer."""
    norms = torch.stack([n.float() for n in l2_norms(grads, groups)])
    scales = limit / norms.clamp(min=limit)
    return list(torch._foreach_mul(grads, [s.to(g.dtype) for s, g in zip(scales.unbind(), grads)]))


def clip_by_global_norm(grads: Tensors, limit: float) -> list[Tensor]:
    """All gradients scaled by one factor, so that their joint norm is at most `limit`; a norm that is not finite gives NaN."""
    norms = torch._foreach_norm(grads)
    norm = torch.linalg.vector_norm(torch.stack([n.to(device=norms[0].device, dtype=torch.float32) for n in norms]))
    scale = limit / norm.clamp(min=limit) + (norm - norm)
    if len({g.device for g in grads}) == 1:
        return list(torch._foreach_mul(grads, scale))
    return [g * scale.to(g.device) for g in grads]


def clip_by_value(grads: Tensors, limit: float) -> list[Tensor]:
    """Every element of the gradients held within `-limit` and `limit`."""
    clipped = torch._foreach_clamp_max(grads, limit)
    torch._foreach_clamp_min_(clipped, -limit)
    return list(clipped)


def all_finite(grads: Tensors) -> Tensor:
    """A 0-d bool tensor: no infinity and no NaN in any gradient. One pass, no synchronization."""
    norms = torch._foreach_norm(grads, math.inf)  # a NaN anywhere makes its norm NaN
    return torch.isfinite(torch.stack([n.float().to(norms[0].device) for n in norms])).all()
