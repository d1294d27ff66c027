"""Weights of torch modules in Keras layout: where they lie, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from .. import dtypes
from .handles import Handle
from .variable import Variable


@dataclass(frozen=True)
class Layout:
    """How a Keras weight lies in torch parameters: one parameter whose axes are permuted. The identity without `axes`.

    Args:
        axes: Axis `i` of the Keras weight is axis `axes[i]` of the torch parameter.
    """

    axes: tuple[int, ...] | None = None
    is_view = True  # whether `to_keras` gives a view of the storage, so that writing into it writes into the weight

    def to_keras(self, *stored: torch.Tensor) -> torch.Tensor:
        return stored[0] if self.axes is None else stored[0].permute(self.axes)

    def to_torch(self, value: torch.Tensor) -> tuple[torch.Tensor, ...]:
        if self.axes is None:
            return (value,)
        return (value.permute(tuple(self.axes.index(i) for i in range(len(self.axes)))),)


SAME = Layout()
TRANSPOSED = Layout((1, 0))


class WeightView(Handle):
    """A weight that a torch module owns, seen in Keras layout. It holds a place, module and attribute, and no tensor.

    Args:
        module: The torch module.
        attributes: The names of its parameters or buffers.
        layout: How they make the Keras weight.
        name: The Keras name (`"kernel"`).
        owner: The module that has `module` as a child under the name `child`: the one that stands there now is used.
        child: That name.
    """

    def __init__(
        self,
        module: nn.Module,
        attributes: str | Sequence[str],
        layout: Any = SAME,
        name: str | None = None,
        owner: nn.Module | None = None,
        child: str | None = None,
    ) -> None:
        self._module = module
        self._owner, self._child = owner, child
        self.attributes = (attributes,) if isinstance(attributes, str) else tuple(attributes)
        self.layout = layout
        self.name = name or self.attributes[0]
        self.path = self.name
        self.regularizer: Any = None
        self.constraint: Any = None
        self.autocast = True
        self.overwrite_with_gradient = False

    @property
    def module(self) -> nn.Module:
        """The torch module in which the weight lies now."""
        if self._owner is not None:
            there = self._owner._modules.get(self._child)  # type: ignore[arg-type]
            if there is not None and there is not self._module and isinstance(getattr(there, self.attributes[0], None), torch.Tensor):
                return there
        return self._module

    @property
    def places(self) -> list[tuple[nn.Module, str]]:
        """Module and attribute of each tensor that is trained for this weight: more than its own where it is parametrized or pruned."""
        module = self.module
        return [place for a in self.attributes for place in originals(module, a)]

    @property
    def derived(self) -> bool:
        """Whether the module computes this weight from other tensors (a parametrization, pruning, weight norm)."""
        module = self.module
        return any(a not in module._parameters and a not in module._buffers and behind(module, a) for a in self.attributes)

    @property
    def present(self) -> bool:
        """Whether the weight is still there."""
        module = self.module
        return all(isinstance(getattr(module, a, None), torch.Tensor) for a in self.attributes)

    @property
    def now(self) -> Variable:
        """What a program should hold for this place: the view itself."""
        return self

    @property
    def parameters(self) -> tuple[torch.Tensor, ...]:
        module = self.module
        return tuple(getattr(module, a) for a in self.attributes)

    def to_torch(self, value: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.layout.to_torch(value)

    def to_keras(self, *stored: torch.Tensor) -> torch.Tensor:
        return self.layout.to_keras(*stored)

    @property
    def _shares_memory(self) -> bool:  # type: ignore[override]
        return getattr(self.layout, "is_view", False) and not self.derived and not any(map(dtypes.quantized, self.parameters))

    @property
    def value(self) -> torch.Tensor:
        value = self.layout.to_keras(*map(_numbers, self.parameters))
        if not torch.compiler.is_compiling() and not any(value is p for p in self.parameters):
            grad = self.grad
            if grad is not None:  # `loss.backward()` leaves gradients in the storage; loops written for Keras look here
                value.grad = grad
        return value

    @property
    def grad(self) -> torch.Tensor | None:
        """The storage's `.grad` in Keras layout."""
        grads = [p.grad for p in self.parameters if p.is_leaf]
        return self.layout.to_keras(*grads) if len(grads) == len(self.attributes) and not any(g is None for g in grads) else None

    @grad.setter
    def grad(self, value: torch.Tensor | None) -> None:
        Handle.grad.fset(self, value)  # type: ignore[attr-defined]  # a property's setter

    @property
    def trainable(self) -> bool:
        """Whether an optimizer changes this weight; the same as `requires_grad` of its storage."""
        return self.parameters[0].requires_grad

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for module, name in self.places:
            stored = getattr(module, name)
            if stored.is_floating_point() or stored.is_complex():
                stored.requires_grad_(bool(value))

    @property
    def data(self) -> Any:
        """The weight outside autograd; setting it gives the storage other memory, as with a Parameter."""
        return self.detach()

    @data.setter
    def data(self, value: torch.Tensor) -> None:
        self._check_writable()
        Handle.data.fset(self, value)  # type: ignore[attr-defined]  # a property's setter

    def _check_writable(self) -> None:
        for stored in self.parameters:
            if dtypes.quantized(stored):
                raise ValueError(
                    f"The weight '{self.path}' is quantized ({type(stored).__name__}) and cannot be changed. Set it before the model is "
                    "quantized, or load it into a model that is not."
                )

    def _store(self, parts: tuple[torch.Tensor, ...]) -> None:
        module = self.module
        self._check_writable()
        for name, part in zip(self.attributes, parts):
            if name in module._parameters or name in module._buffers:
                stored = getattr(module, name)
                stored.copy_(dtypes.like(part, stored))
            else:
                _store_original(module, name, part, self.path)


def _numbers(stored: torch.Tensor) -> torch.Tensor:
    """What a layout can arrange: a quantized tensor's numbers, any other as it is."""
    return stored.dequantize() if dtypes.quantized(stored) else stored


def originals(module: nn.Module, name: str) -> list[tuple[nn.Module, str]]:
    """Where the tensors lie that make `module.name`: there, or in its parametrization, or where pruning and weight norm put them."""
    if name in module._parameters or name in module._buffers:
        return [(module, name)]
    parametrized = module._modules.get("parametrizations")
    if parametrized is not None and name in parametrized._modules:
        holder = parametrized._modules[name]
        own = [n for n in (*holder._parameters, *holder._buffers) if n.startswith("original")]  # type: ignore[union-attr]
        return [(holder, n) for n in own]  # type: ignore[misc]
    return [(module, f"{name}_{end}") for end in ("orig", "g", "v") if f"{name}_{end}" in module._parameters]


def behind(module: nn.Module, name: str) -> list[tuple[nn.Module, str]]:
    """Where all tensors lie that a parametrization, pruning or weight norm of `module.name` keeps, masks and the like included."""
    found: list[tuple[nn.Module, str]] = []
    parametrized = module._modules.get("parametrizations")
    if parametrized is not None and name in parametrized._modules:
        for holder in parametrized._modules[name].modules():  # type: ignore[union-attr]
            found += [(holder, n) for table in (holder._parameters, holder._buffers) for n, t in table.items() if t is not None]
        return found
    tables = (module._parameters, module._buffers)
    return [(module, n) for table in tables for n, t in table.items() if n.startswith(f"{name}_") and t is not None]


def _store_original(module: nn.Module, name: str, part: torch.Tensor, path: str) -> None:
    """Change what `module.name` is computed from so that it becomes `part`, as far as that goes (a pruned element stays zero)."""
    parametrized = module._modules.get("parametrizations")
    if parametrized is not None and name in parametrized._modules:
        setattr(module, name, part.clone())  # torch's own way back, `right_inverse`
    elif f"{name}_orig" in module._parameters:
        stored, mask = module._parameters[f"{name}_orig"], module._buffers.get(f"{name}_mask")
        stored.copy_(part)  # type: ignore[union-attr]
        if mask is not None:
            setattr(module, name, stored * mask)  # type: ignore[operator]  # both are there
    else:
        raise ValueError(
            f"The weight '{path}' is computed from other tensors of {type(module).__name__} and cannot be set. Set those, or undo the "
            "reparametrization first."
        )
