"""The Keras handles of an optimizer's state: slots in Keras layout, and scalars that live on the host until a step is captured."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..variable import Handle, Variable

if TYPE_CHECKING:
    from .optimizer import Optimizer


def stored(variable: Any) -> tuple[Tensor, ...]:
    """The torch tensors behind a Keras variable, or behind a plain tensor: itself."""
    return variable.parameters if isinstance(variable, Variable) else (variable,)


def to_keras(variable: Any, *parts: Tensor) -> Tensor:
    """Tensors laid out as the variable is stored, in its Keras layout."""
    return variable.to_keras(*parts) if isinstance(variable, Variable) else parts[0]


def to_torch(variable: Any, value: Tensor) -> tuple[Tensor, ...]:
    """A tensor of the variable's Keras shape, as the variable is stored."""
    return variable.to_torch(value) if isinstance(variable, Variable) else (value,)


class _State(Handle):
    """What the handles below share: not a weight of a module, and stored as Keras has it unless they say otherwise."""

    def __init__(self, name: str, path: str) -> None:
        self.name, self.path = name, path
        self.regularizer = self.constraint = None
        self.autocast, self.overwrite_with_gradient = False, False

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        return (self.value,)

    def to_torch(self, value: Tensor) -> tuple[Tensor, ...]:
        return (value,)

    def to_keras(self, *stored: Tensor) -> Tensor:
        return stored[0]


class SlotView(_State):
    """One slot of one variable, in that variable's Keras layout.

    Args:
        optimizer: Whose `state` holds it.
        variable: The variable that it accompanies.
        key: Its key in `optimizer.state[parameter]`.
        name: What Keras calls it (`"velocity"`).
        offset: A constant that the stored tensor carries on top of Keras's value.
    """

    def __init__(self, optimizer: Optimizer, variable: Any, key: str, name: str, offset: float = 0.0) -> None:
        label = f"{variable_path(variable).replace('/', '_')}_{name}"
        super().__init__(label, f"{optimizer.name}/{label}")
        self.optimizer, self.variable, self.key, self.offset = optimizer, variable, key, offset

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        return tuple(self.optimizer.state[p][self.key] for p in stored(self.variable))

    def to_torch(self, value: Tensor) -> tuple[Tensor, ...]:
        return to_torch(self.variable, value + self.offset if self.offset else value)

    def to_keras(self, *stored: Tensor) -> Tensor:
        value = to_keras(self.variable, *stored)
        return value - self.offset if self.offset else value

    @property
    def value(self) -> Tensor:
        return self.to_keras(*self.parameters)


class TensorView(_State):
    """One state tensor that has no Keras layout of its own (a factor of Adafactor's second moment)."""

    def __init__(self, name: str, path: str, holder: dict[str, Tensor], key: str) -> None:
        super().__init__(name, path)
        self.aggregation: str = "none"
        self.placement: Any = None
        self.holder, self.key = holder, key

    @property
    def value(self) -> Tensor:
        return self.holder[self.key]


class DerivedView(_State):
    """A variable of Keras's files that follows from other state, or never changes: computed when read, and kept in no memory.

    Args:
        name: Its name.
        path: Its path.
        compute: Its value.
    """

    def __init__(self, name: str, path: str, compute: Callable[[], Tensor]) -> None:
        super().__init__(name, path)
        self.compute = compute

    @property
    def value(self) -> Tensor:
        return self.compute()

    def assign(self, value: Any) -> Tensor:
        """Check the shape; the value comes with the state that it follows from."""
        if tuple(np.shape(value)) != tuple(self.shape):
            raise ValueError(f"`value` must have the shape {tuple(self.shape)} of '{self.path}'. Received: shape {tuple(np.shape(value))}")
        return self.value


class ScalarState(_State):
    """A number of the optimizer's state, a variable to its users.

    On the host (`number`), so that an eager step neither launches a kernel nor waits for one; in a captured step a tensor on
    the device (`tensor`), which is then what counts.
    """

    def __init__(self, name: str, path: str, number: float, dtype: torch.dtype) -> None:
        super().__init__(name, path)
        self.number: Any = number
        self.tensor: Tensor | None = None
        self.scalar_dtype = dtype

    def on_device(self, device: torch.device) -> None:
        """Move to a tensor, where a captured step finds it."""
        if self.tensor is None:
            self.tensor = torch.tensor(self.number, dtype=self.scalar_dtype, device=device)

    def on_host(self) -> None:
        """Move back to a number."""
        if self.tensor is not None:
            self.number, self.tensor = self.tensor.item(), None

    def read(self) -> Any:
        """The number, whichever side holds it."""
        return self.number if self.tensor is None else self.tensor.item()

    def write(self, number: Any) -> None:
        """Overwrite the number on the side that holds it."""
        self.number = number
        if self.tensor is not None:
            self.tensor.fill_(number)

    @property
    def value(self) -> Tensor:
        return torch.tensor(self.number, dtype=self.scalar_dtype) if self.tensor is None else self.tensor

    @property
    def shape(self) -> torch.Size:
        return torch.Size(())

    @property
    def dtype(self) -> torch.dtype:
        return self.scalar_dtype

    def assign(self, value: Any) -> Tensor:
        value = value_of(value)
        number = value.item() if hasattr(value, "item") else value
        self.write(float(number) if self.scalar_dtype.is_floating_point else int(number))
        return self.value

    def assign_add(self, value: Any) -> Tensor:
        return self.assign(self.read() + (value.item() if hasattr(value, "item") else value))

    def assign_sub(self, value: Any) -> Tensor:
        return self.assign(self.read() - (value.item() if hasattr(value, "item") else value))

    def __float__(self) -> float:
        return float(self.read())

    def __int__(self) -> int:
        return int(self.read())

    __index__ = __int__

    def __bool__(self) -> bool:
        return bool(self.read())

    def __eq__(self, other: Any) -> Any:
        return self.read() == (other.read() if isinstance(other, ScalarState) else other)

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<Variable path={self.path}, shape=(), dtype={str(self.scalar_dtype).removeprefix('torch.')}, value={self.read()}>"


class LearningRate(ScalarState):
    """The learning rate as a variable; `param_groups[0]["lr"]` holds it, where torch's schedulers write it."""

    def __init__(self, path: str, group: dict[str, Any]) -> None:
        self.group = group
        super().__init__("learning_rate", path, group["lr"], torch.float32)

    @property
    def number(self) -> float:
        return self.group["lr"]

    @number.setter
    def number(self, value: float) -> None:
        if not isinstance(self.group["lr"], Tensor):
            self.group["lr"] = float(value)

    @property
    def tensor(self) -> Tensor | None:
        lr = self.group["lr"]
        return lr if isinstance(lr, Tensor) else None

    @tensor.setter
    def tensor(self, value: Tensor | None) -> None:
        if value is not None:
            self.group["lr"] = value

    def on_host(self) -> None:
        if isinstance(self.group["lr"], Tensor):
            self.group["lr"] = self.group["lr"].item()


def variable_path(variable: Any) -> str:
    """The path of a Keras variable; `"variable"` for a plain tensor."""
    return getattr(variable, "path", None) or getattr(variable, "name", None) or "variable"


def value_of(variable: Any) -> Any:
    """The tensor of a variable; anything else as it is."""
    return variable.value if isinstance(variable, Variable) else variable
