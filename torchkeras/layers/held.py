"""Torch modules that layers hold, and call in the mode of the call in progress without touching the mode that they are in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import torch
from torch import nn

_Module = TypeVar("_Module", bound=nn.Module)


@dataclass(frozen=True)
class Vector:
    """A Keras weight of any shape as a vector of torch's.

    Args:
        shape: The shape of the Keras weight.
    """

    shape: tuple[int, ...]
    is_view = True

    def to_keras(self, *stored: torch.Tensor) -> torch.Tensor:
        return stored[0].reshape(self.shape)

    def to_torch(self, value: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (value.reshape(-1),)


class Mirrored:
    """A layer whose settings stand in the torch module that it holds as well: one that is set later is set there too.

    The class says which: `_tk_mirrored` has, by the name of a setting, the attribute with the module, the name there, and what makes the
    value there of the layer's, or `None` where they are the same. Mix it in before the layer's class.
    """

    _tk_mirrored: ClassVar[dict[str, tuple[str, str, Callable[[Any], Any] | None]]] = {}

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        place = self._tk_mirrored.get(name)
        if place is not None:
            holder, there, convert = place
            module = self.__dict__["_modules"].get(holder)
            if module is not None and hasattr(module, there):
                setattr(module, there, value if convert is None else convert(value))


class Tables:
    """The tables in which a module keeps its tensors, found once because torch's attribute lookup is slow.

    An object of its own, because an export puts tensors without values into every nest that it finds on a module, and leaves them there.

    Args:
        module: The module.
        name: One of its parameters.
    """

    def __init__(self, module: nn.Module, name: str = "") -> None:
        self.parameters, self.buffers, self.name = module._parameters, module._buffers, name


LED = "_led"  # on a module: the layer that holds it sees to its mode, call by call


def led(module: _Module) -> _Module:
    """`module`, marked as one whose mode nobody sets for the time of a call: its layer calls a `twin` of it where the modes differ."""
    module.__dict__[LED] = True
    return module


def twin(module: _Module, training: bool, buffers: Mapping[str, torch.Tensor] | None = None, momentum: float | None = None) -> _Module:
    """The module for one call in another mode: of its class, with its parameters, hooks and parts, which are not copied.

    So a thread that computes in training mode and one in inference mode do not meet, and what a torch module does to a buffer in training
    may be done to another tensor first.

    Args:
        module: A torch module without parts of its own that depend on the mode.
        training: The mode.
        buffers: Tensors in the place of its buffers.
        momentum: Replaces the attribute of that name.
    """
    state = module.__dict__.copy()
    state["training"] = training
    if momentum is not None:
        state["momentum"] = momentum
    if buffers:
        state["_buffers"] = {**state["_buffers"], **buffers}
    other = object.__new__(type(module))
    object.__setattr__(other, "__dict__", state)
    return other
