"""Torch modules in whose call a cell computes what their own `forward` cannot, so that their hooks and shards act there too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as _torch

from ..held import Tables

_EVERY_MODULE = (
    _torch._global_forward_hooks, _torch._global_forward_pre_hooks, _torch._global_backward_hooks, _torch._global_backward_pre_hooks,
)  # fmt: skip


class Hosting(nn.Module):
    """A torch module that can run another computation on its weights. Mix it in before the module's class."""

    def forward(self, *args: Any, compute: Callable | None = None) -> Any:
        return super().forward(*args) if compute is None else compute(*args)

    def _get_name(self) -> str:
        return type(self).__name__.lstrip("_")


class _RNN(Hosting, nn.RNN): ...


class _LSTM(Hosting, nn.LSTM): ...


class _GRU(Hosting, nn.GRU): ...


class _Conv1d(Hosting, nn.Conv1d): ...


class _Conv2d(Hosting, nn.Conv2d): ...


class _Conv3d(Hosting, nn.Conv3d): ...


_HOSTS: dict[type, type[Hosting]] = {h.__mro__[2]: h for h in (_RNN, _LSTM, _GRU, _Conv1d, _Conv2d, _Conv3d)}


def make_host(module: Any) -> None:
    """Let a torch module, where it is of a class of torch's own, run other computations; it stays an instance of that class."""
    host = _HOSTS.get(type(module))
    if host is not None:
        module.__class__ = host


def _hooks(module: nn.Module) -> tuple[Any, ...]:
    return module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks


def hooked(module: nn.Module | None) -> bool:
    """Whether a module has hooks of its own."""
    return module is not None and any(_hooks(module))


class Seen(Tables):
    """A module's tables of weights, and its hooks, in a form that the compiler looks into where it does not look into the module.

    Args:
        module: The module.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__(module)
        self.recurrent = isinstance(module, nn.RNNBase)
        self.hooks = _hooks(module)

    @property
    def as_it_is(self) -> bool:
        """Whether nothing shows that the module was called: it has no hooks, and its weights lie in it."""
        return self.recurrent and not (any(self.hooks) or (any(_EVERY_MODULE) and not torch.compiler.is_compiling()))
