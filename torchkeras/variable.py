"""The Keras handle of a weight: a Parameter of its own, or a Keras-layout view of a torch module's parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, SupportsIndex

import numpy as np
import torch
from torch import nn

from . import dtypes
from .distribution import rank


class KerasVariable:
    """What every weight answers to, whatever stores it: `name`, `path`, `trainable`, `value`, `assign*`, `numpy()`."""

    name: str
    path: str
    shape: Any
    regularizer: Any
    constraint: Any
    overwrite_with_gradient: bool

    @property
    def value(self) -> torch.Tensor:
        """The weight in Keras layout, attached to the graph of its storage."""
        raise NotImplementedError

    @property
    def parameters(self) -> tuple[torch.Tensor, ...]:
        """The torch tensors that store this weight."""
        raise NotImplementedError

    def to_torch(self, value: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """A tensor of this weight's Keras shape (a gradient, an optimizer slot), split and laid out as `parameters` are."""
        raise NotImplementedError

    def to_keras(self, *stored: torch.Tensor) -> torch.Tensor:
        """Tensors laid out as `parameters` are, as one tensor of this weight's Keras shape. The inverse of `to_torch`."""
        raise NotImplementedError

    def assign(self, value: Any) -> torch.Tensor:
        """Overwrite the weight in place.

        Args:
            value: Anything that torch makes a tensor of, in this weight's Keras shape.

        Raises:
            ValueError: Another shape.
        """
        first = self.parameters[0]
        value = torch.as_tensor(value, dtype=first.dtype, device=first.device)
        if tuple(value.shape) != tuple(self.shape):
            raise ValueError(
                f"`value` must have the shape {tuple(self.shape)} of the variable '{self.path}'. Received: shape {tuple(value.shape)}"
            )
        with torch.no_grad():
            for stored, part in zip(self.parameters, self.to_torch(value)):
                stored.copy_(part)
        return self.value

    def assign_add(self, value: Any) -> torch.Tensor:
        """Add `value` in place."""
        with torch.no_grad():
            return self.assign(self.value + torch.as_tensor(value, device=self.parameters[0].device))

    def assign_sub(self, value: Any) -> torch.Tensor:
        """Subtract `value` in place."""
        with torch.no_grad():
            return self.assign(self.value - torch.as_tensor(value, device=self.parameters[0].device))

    def numpy(self) -> np.ndarray:
        """A copy of the weight as a NumPy array, bfloat16 as float32."""
        with torch.no_grad():
            return dtypes.to_numpy(self.value)

    @property
    def trainable(self) -> bool:
        """Whether an optimizer changes this weight; the same as `requires_grad` of its storage."""
        return self.parameters[0].requires_grad

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for stored in self.parameters:
            stored.requires_grad_(bool(value))


class _VariableMeta(type(nn.Parameter)):  # type: ignore[misc]  # torch's metaclass has no public name
    """Makes `isinstance(weight, Variable)` true for both kinds of weight."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if cls is Variable:
            return KerasVariable in type(instance).__mro__
        return super().__instancecheck__(instance)


class Variable(KerasVariable, nn.Parameter, metaclass=_VariableMeta):  # type: ignore[misc]  # `numpy` takes no `force` here
    """A weight that is an `nn.Parameter`: torch functions, optimizers and modules take it as it is.

    Args:
        initializer: A tensor, an array or a number; or a callable `initializer(shape, dtype)`, which needs `shape`.
        shape: The shape of what a callable makes.
        dtype: Its type; `floatx()` for a callable, else that of the value.
        trainable: Whether gradients are asked for. Integer variables never are.
        autocast: Kept as an attribute; casting is `torch.autocast`'s, op by op (see `Layer.add_weight`).
        aggregation: How replicas would be joined: `"none"`, `"mean"`, `"sum"` or `"only_first_replica"`.
        synchronization: Accepted values are Keras's; a process has one copy of a variable.
        name: Its name; `"variable"` without one.
        layout: A `torch.distributed` placement for sharded tensors, or `None`.
    """

    def __new__(
        cls,
        initializer: Any,
        shape: Sequence[int] | None = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str = "none",
        synchronization: str = "auto",
        name: str | None = None,
        layout: Any = None,
        **kwargs: Any,
    ) -> Variable:
        if kwargs:
            raise TypeError(f"Variable() got unexpected arguments: {', '.join(kwargs)}")
        if aggregation not in ("none", "mean", "sum", "only_first_replica", None):
            raise ValueError(
                f"`aggregation` must be one of 'none', 'mean', 'sum', 'only_first_replica'. Received: aggregation={aggregation!r}"
            )
        made = callable(initializer) and not isinstance(initializer, torch.Tensor)
        if made:
            if shape is None:
                raise ValueError("`shape` is needed when `initializer` is a callable. Received: shape=None")
            value = initializer(tuple(shape), dtype=dtypes.standardize_dtype(dtype))
        else:
            value = initializer
        if not isinstance(value, torch.Tensor):
            if dtype is None and isinstance(value, float):
                dtype = dtypes.standardize_dtype(None)
            value = dtypes.from_numpy(np.asarray(value), device=rank.default_device())
            if dtype is None and value.dtype is torch.float64:
                dtype = dtypes.standardize_dtype(None)
        torch_dtype = dtypes.to_torch_dtype(dtype) if dtype is not None else value.dtype
        source = value
        value = value.detach().to(torch_dtype)
        if not made and value.data_ptr() == source.data_ptr():
            value = value.clone()  # a variable never shares memory with what it was made from
        if shape is not None and tuple(value.shape) != tuple(shape):
            value = value.broadcast_to(tuple(shape)).clone()
        floating = value.is_floating_point() or value.is_complex()
        return cls._wrap(
            value,
            bool(trainable) and floating,
            dict(
                _name=name or "variable", path=name or "variable", autocast=autocast, aggregation=aggregation,
                synchronization=synchronization, layout=layout, regularizer=None, constraint=None, overwrite_with_gradient=False,
            ),
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass  # all is done in __new__; nn.Parameter takes other arguments

    @classmethod
    def _wrap(cls, value: torch.Tensor, requires_grad: bool, state: dict[str, Any]) -> Variable:
        self = torch.Tensor._make_subclass(cls, value, requires_grad)
        self.__dict__.update(state)
        return self

    @property
    def name(self) -> str:
        return self._name

    @name.setter
    def name(self, value: str) -> None:
        self._name = value

    @property
    def value(self) -> torch.Tensor:
        return self

    @property
    def parameters(self) -> tuple[torch.Tensor, ...]:
        return (self,)

    def to_torch(self, value: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (value,)

    def to_keras(self, *stored: torch.Tensor) -> torch.Tensor:
        return stored[0]

    def assign(self, value: Any) -> torch.Tensor:
        value = torch.as_tensor(value, dtype=self.dtype, device=self.device)
        if value.shape != self.shape:
            raise ValueError(
                f"`value` must have the shape {tuple(self.shape)} of the variable '{self.path}'. Received: shape {tuple(value.shape)}"
            )
        with torch.no_grad():
            self.copy_(value)
        return self

    def assign_add(self, value: Any) -> torch.Tensor:
        with torch.no_grad():
            return self.add_(value if isinstance(value, (torch.Tensor, int, float)) else torch.as_tensor(value, device=self.device))

    def assign_sub(self, value: Any) -> torch.Tensor:
        with torch.no_grad():
            return self.sub_(value if isinstance(value, (torch.Tensor, int, float)) else torch.as_tensor(value, device=self.device))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        return array if dtype is None else array.astype(dtype)

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple:
        plain = torch.Tensor._make_subclass(torch.Tensor, self.detach(), False)
        return _rebuild, (type(self), plain, self.requires_grad, dict(self.__dict__))

    def __deepcopy__(self, memo: dict) -> Variable:
        if id(self) not in memo:
            value = self.detach().clone(memory_format=torch.preserve_format)
            memo[id(self)] = self._wrap(value, self.requires_grad, dict(self.__dict__))
        return memo[id(self)]

    def __repr__(self) -> str:  # type: ignore[override]
        value = torch.Tensor._make_subclass(torch.Tensor, self.detach(), False)
        return f"<Variable path={self.path}, shape={tuple(self.shape)}, dtype={dtypes.standardize_dtype(self.dtype)}, value={value}>"


def _rebuild(cls: type[Variable], value: torch.Tensor, requires_grad: bool, state: dict[str, Any]) -> Variable:
    return cls._wrap(value, requires_grad, state)


@dataclass(frozen=True)
class Layout:
    """How a Keras weight lies in torch parameters: one parameter whose axes are permuted. The identity without `axes`.

    Args:
        axes: Axis `i` of the Keras weight is axis `axes[i]` of the torch parameter.
    """

    axes: tuple[int, ...] | None = None

    def to_keras(self, *stored: torch.Tensor) -> torch.Tensor:
        return stored[0] if self.axes is None else stored[0].permute(self.axes)

    def to_torch(self, value: torch.Tensor) -> tuple[torch.Tensor, ...]:
        if self.axes is None:
            return (value,)
        return (value.permute(tuple(self.axes.index(i) for i in range(len(self.axes)))),)


SAME = Layout()
TRANSPOSED = Layout((1, 0))


class WeightView(KerasVariable):
    """A weight that a torch module owns, seen in Keras layout.

    Reading (`value`, operators, any torch function) sees a view or a re-arranged copy that is attached to the storage, so that
    `torch.autograd.grad(loss, [view])` gives a gradient in Keras layout.

    Args:
        module: The torch module.
        attributes: The names of its parameters or buffers.
        layout: How they make the Keras weight.
        name: The Keras name (`"kernel"`).
    """

    def __init__(self, module: nn.Module, attributes: str | Sequence[str], layout: Any = SAME, name: str | None = None) -> None:
        self.module = module
        self.attributes = (attributes,) if isinstance(attributes, str) else tuple(attributes)
        self.layout = layout
        self.name = name or self.attributes[0]
        self.path = self.name
        self.regularizer: Any = None
        self.constraint: Any = None
        self.autocast = True
        self.overwrite_with_gradient = False

    @property
    def parameters(self) -> tuple[torch.Tensor, ...]:
        return tuple(getattr(self.module, a) for a in self.attributes)

    def to_torch(self, value: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.layout.to_torch(value)

    def to_keras(self, *stored: torch.Tensor) -> torch.Tensor:
        return self.layout.to_keras(*stored)

    @property
    def value(self) -> torch.Tensor:
        value = self.layout.to_keras(*self.parameters)
        if not value.is_leaf and not torch.compiler.is_compiling():
            grad = self.grad
            if grad is not None:  # `loss.backward()` leaves gradients in the storage; loops written for Keras look here
                value.grad = grad
        return value

    @property
    def shape(self) -> torch.Size:
        return self.value.shape

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def dtype(self) -> torch.dtype:
        return self.parameters[0].dtype

    @property
    def device(self) -> torch.device:
        return self.parameters[0].device

    @property
    def requires_grad(self) -> bool:
        return self.trainable

    @property
    def grad(self) -> torch.Tensor | None:
        """The storage's `.grad` in Keras layout."""
        grads = [p.grad for p in self.parameters]
        return None if any(g is None for g in grads) else self.layout.to_keras(*grads)

    def detach(self) -> torch.Tensor:
        return self.value.detach()

    def numel(self) -> int:
        return self.value.numel()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        return array if dtype is None else array.astype(dtype)

    def __getitem__(self, index: Any) -> torch.Tensor:
        return self.value[index]

    def __len__(self) -> int:
        return len(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __repr__(self) -> str:
        return f"<Variable path={self.path}, shape={tuple(self.shape)}, dtype={dtypes.standardize_dtype(self.dtype)}, value={self.value}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(torch.Tensor, name):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        return getattr(self.value, name)  # tensor methods: `kernel.sum()`

    @classmethod
    def __torch_function__(cls, func: Callable, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.autograd.grad:
            return _grad(*args, **kwargs)
        return func(*(_unwrap(a) for a in args), **{k: _unwrap(v) for k, v in kwargs.items()})


def _unwrap(x: Any) -> Any:
    if isinstance(x, WeightView):
        return x.value
    if isinstance(x, (list, tuple)) and any(isinstance(v, WeightView) for v in x):
        return type(x)(_unwrap(v) for v in x)
    return x


def _grad(outputs: Any, inputs: Any, *args: Any, **kwargs: Any) -> tuple[torch.Tensor | None, ...]:
    """`torch.autograd.grad` with respect to weights, each gradient in its weight's Keras layout."""
    weights = [inputs] if isinstance(inputs, (torch.Tensor, WeightView)) else list(inputs)
    stored = [w.parameters if isinstance(w, KerasVariable) else (w,) for w in weights]
    flat = iter(torch.autograd.grad(outputs, [p for group in stored for p in group], *args, **kwargs))
    grads: list[torch.Tensor | None] = []
    for weight, group in zip(weights, stored):
        parts = [next(flat) for _ in group]
        if any(part is None for part in parts):
            grads.append(None)
        else:
            grads.append(weight.to_keras(*parts) if isinstance(weight, KerasVariable) else parts[0])
    return tuple(grads)


def _forward_operator(name: str) -> Callable:
    method = getattr(torch.Tensor, name)

    def operator(self: WeightView, *args: Any) -> torch.Tensor:
        return method(self.value, *(_unwrap(a) for a in args))

    operator.__name__ = name
    return operator


for _name in (
    "add radd sub rsub mul rmul truediv rtruediv floordiv rfloordiv mod pow rpow matmul rmatmul neg abs lt le gt ge".split()
):
    setattr(WeightView, f"__{_name}__", _forward_operator(f"__{_name}__"))
