"""A weight as Keras speaks of it, and the kind of it that is an `nn.Parameter`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from types import BuiltinFunctionType
from typing import Any, SupportsIndex

import numpy as np
import torch
from torch import nn

from .. import dtypes, tree
from ..configurable import Family, get_from
from ..distribution import rank

_AGGREGATIONS = ("none", "mean", "sum", "only_first_replica", None)
_SYNCHRONIZATIONS = ("none", "on_read", "on_write", "auto", None)


class Variable:
    """What every weight answers to, whatever stores it. `Variable(...)` makes one that is an `nn.Parameter`.

    Args:
        initializer: A tensor, an array or a number; or, with `shape`, what fills it: the name, config, class or object of an initializer,
            or a function `initializer(shape, dtype)`.
        shape: The shape of what an initializer makes; a value is broadcast to it.
        dtype: Its type; `floatx()` for an initializer, else that of the value.
        trainable: Whether gradients are asked for. Integer variables never are.
        autocast: Kept as an attribute; casting is `torch.autocast`'s, op by op.
        aggregation: How replicas would be joined: `"none"`, `"mean"`, `"sum"` or `"only_first_replica"`.
        synchronization: Accepted values are Keras's; a process has one copy of a variable.
        name: Its name; `"variable"` without one.
        layout: A `torch.distributed` placement for sharded tensors, or `None`.

    Raises:
        ValueError: If an initializer comes without a shape, or an argument has a value that is not offered.

    >>> keras.Variable([1.0, 2.0], name="scale").shape
    torch.Size([2])
    """

    name: str
    path: str
    shape: Any
    dtype: Any
    _tk_regularizer: Any = None
    _tk_constraint: Any = None
    _tk_overwrite: bool = False

    def __new__(
        cls,
        initializer: Any,
        shape: Sequence[int] | int | None = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str = "none",
        synchronization: str = "auto",
        name: str | None = None,
        layout: Any = None,
    ) -> Any:
        if aggregation not in _AGGREGATIONS:
            raise ValueError(
                f"`aggregation` must be one of 'none', 'mean', 'sum', 'only_first_replica'. Received: aggregation={aggregation!r}"
            )
        if synchronization not in _SYNCHRONIZATIONS:
            raise ValueError(
                f"`synchronization` must be one of 'none', 'on_read', 'on_write', 'auto'. Received: synchronization={synchronization!r}"
            )
        if name is not None and (not isinstance(name, str) or "/" in name):
            raise ValueError(f"`name` must be a string without '/', which parts the names of a path. Received: name={name!r}")
        value = _initial_value(initializer, shape, dtype)
        floating = value.is_floating_point() or value.is_complex()
        state = dict(
            _tk_name=name or "variable", path=name or "variable", autocast=autocast, aggregation=aggregation,
            synchronization=synchronization, layout=layout,
        )  # fmt: skip
        kind = cls if issubclass(cls, ParameterVariable) else ParameterVariable
        return kind._wrap(value, bool(trainable) and floating, state)

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
            ValueError: If the shape is another one.
        """
        first = self.parameters[0]
        value = unwrap(value)
        if isinstance(value, torch.Tensor):
            value = dtypes.whole(value)
        elif hasattr(value, "__array__"):
            value = np.asarray(value)
        value = torch.as_tensor(value, dtype=first.dtype, device=first.device)
        if tuple(value.shape) != tuple(self.shape):
            raise ValueError(
                f"`value` must have the shape {tuple(self.shape)} of the variable '{self.path}'. Received: shape {tuple(value.shape)}"
            )
        with torch.no_grad():
            self._store(self.to_torch(value))
        return self.value

    def _store(self, parts: tuple[torch.Tensor, ...]) -> None:
        for stored, part in zip(self.parameters, parts):
            stored.copy_(dtypes.like(part, stored))

    def assign_add(self, value: Any) -> torch.Tensor:
        """Add `value` in place."""
        with torch.no_grad():
            return self.assign(dtypes.whole(self.value) + torch.as_tensor(unwrap(value), device=self.parameters[0].device))

    def assign_sub(self, value: Any) -> torch.Tensor:
        """Subtract `value` in place."""
        with torch.no_grad():
            return self.assign(dtypes.whole(self.value) - torch.as_tensor(unwrap(value), device=self.parameters[0].device))

    def numpy(self) -> np.ndarray:
        """A copy of the weight as a NumPy array, bfloat16 as float32, a sharded or quantized one whole and in floats."""
        with torch.no_grad():
            return dtypes.to_numpy(self.value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        return array if dtype is None else array.astype(dtype)

    def __array_function__(self, func: Callable, types: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        """NumPy's functions of a weight are those of its array."""
        plain = tree.map_structure(lambda v: v.numpy() if isinstance(v, Variable) else v, (args, kwargs))
        return func(*plain[0], **plain[1])

    def __round__(self, ndigits: int = 0) -> torch.Tensor:
        return torch.round(self.value, decimals=ndigits)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """An operator between an array and a weight is torch's, so that gradients reach the weight; NumPy's other functions give arrays."""
        fn = _UFUNCS.get(ufunc.__name__)
        if method != "__call__" or kwargs or fn is None or len(inputs) != 2:
            return getattr(ufunc, method)(*(v.numpy() if isinstance(v, Variable) else v for v in inputs), **kwargs)
        device = self.parameters[0].device
        plain = [dtypes.from_numpy(v, device=device) if isinstance(v, np.ndarray) else v for v in map(unwrap, inputs)]
        if fn is torch.matmul:  # which takes one type only
            joined = torch.promote_types(plain[0].dtype, plain[1].dtype)
            return fn(*(v.to(joined) for v in plain))
        return fn(*(v.item() if isinstance(v, np.generic) else v for v in plain))

    @property
    def regularizer(self) -> Any:
        """What adds a penalty on this weight to the loss: a function of it, or `None`."""
        return self._tk_regularizer

    @regularizer.setter
    def regularizer(self, value: Any) -> None:
        self._tk_regularizer = _function_or_none("regularizer", value)

    @property
    def constraint(self) -> Any:
        """What projects this weight after each step of an optimizer: a function of it, or `None`."""
        return self._tk_constraint

    @constraint.setter
    def constraint(self, value: Any) -> None:
        self._tk_constraint = _function_or_none("constraint", value)

    @property
    def overwrite_with_gradient(self) -> bool:
        """Whether an optimizer stores the gradient of this weight in its place, instead of a step."""
        return self._tk_overwrite

    @overwrite_with_gradient.setter
    def overwrite_with_gradient(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise TypeError(f"`overwrite_with_gradient` must be a bool. Received: overwrite_with_gradient={value!r}")
        self._tk_overwrite = value

    @property
    def trainable(self) -> bool:
        """Whether an optimizer changes this weight; the same as `requires_grad` of its storage."""
        return self.parameters[0].requires_grad

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for stored in self.parameters:
            stored.requires_grad_(bool(value))


def _function_or_none(name: str, value: Any) -> Any:
    if value is not None and not callable(value):
        raise ValueError(
            f"`{name}` must be a function of the weight (`keras.{name}s.get(...)` makes one of a name), or None. Received: {value!r}"
        )
    return value


_UFUNCS: dict[str, Callable] = {
    "add": torch.add, "subtract": torch.sub, "multiply": torch.mul, "divide": torch.true_divide, "floor_divide": torch.floor_divide,
    "remainder": torch.remainder, "power": torch.pow, "matmul": torch.matmul, "less": torch.lt, "less_equal": torch.le,
    "greater": torch.gt, "greater_equal": torch.ge, "equal": torch.eq, "not_equal": torch.ne,
}  # fmt: skip


def _initial_value(initializer: Any, shape: Any, dtype: Any) -> torch.Tensor:
    """A new tensor: what an initializer makes, or a copy of a value."""
    if isinstance(shape, int):
        shape = (shape,)
    if isinstance(initializer, (str, dict, type)):
        initializer = get_from(Family.known["initializer"], initializer)
    made = callable(initializer) and not isinstance(initializer, (torch.Tensor, Variable))
    if made:
        if shape is None:
            raise ValueError("`shape` is needed when `initializer` is a callable. Received: shape=None")
        name = dtypes.standardize_dtype(dtype)
        own = isinstance(initializer, BuiltinFunctionType)  # `torch.zeros` and the like take torch's types
        value = initializer(tuple(shape), dtype=dtypes.to_torch_dtype(name) if own else name)
    else:
        value = unwrap(initializer)
    if not isinstance(value, torch.Tensor):
        own_type = hasattr(value, "dtype")  # an array keeps it; Python's numbers are 32 bits wide
        value = dtypes.from_numpy(np.asarray(value), device=rank.default_device())
        if dtype is None and (made or not own_type):
            narrow = {torch.float64: dtypes.standardize_dtype(None), torch.int64: "int32"}
            dtype = dtypes.standardize_dtype(None) if made else narrow.get(value.dtype)
    torch_dtype = dtypes.to_torch_dtype(dtype) if dtype is not None else value.dtype
    source = value
    value = value.detach().to(torch_dtype)
    if not made and value.data_ptr() == source.data_ptr():
        value = value.clone()  # a variable never shares memory with what it was made from
    if shape is not None and tuple(value.shape) != tuple(shape):
        value = value.broadcast_to(tuple(shape)).clone()
    return value


def operate(name: str, value: torch.Tensor, *others: Any) -> Any:
    """torch's operator of this name; products of different types, and logic of anything but integers, as Keras has them."""
    try:
        return getattr(torch.Tensor, name)(value, *others)
    except RuntimeError:
        first = others[0] if others else None
        if name in ("__matmul__", "__rmatmul__") and isinstance(first, torch.Tensor) and first.dtype is not value.dtype:
            joined = dtypes.to_torch_dtype(dtypes.result_type(value.dtype, first.dtype))
            return getattr(torch.Tensor, name)(value.to(joined), first.to(joined))
        if name in _LOGIC:
            return getattr(torch.Tensor, name)(value.to(torch.bool), torch.as_tensor(first, device=value.device).to(torch.bool))
        raise


_LOGIC = ("__and__", "__rand__", "__or__", "__ror__", "__xor__", "__rxor__")


def _operator(name: str) -> Callable:
    def operator(self: torch.Tensor, *others: Any) -> Any:
        return operate(name, self, *(unwrap(v) for v in others))

    operator.__name__ = name
    return operator


class ParameterVariable(Variable, nn.Parameter):  # type: ignore[misc]  # `numpy` takes no `force` here
    """A weight that is an `nn.Parameter`: torch functions, optimizers and modules take it as it is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass  # all is done in __new__; nn.Parameter takes other arguments

    @classmethod
    def _wrap(cls, value: torch.Tensor, requires_grad: bool, state: dict[str, Any]) -> ParameterVariable:
        self = torch.Tensor._make_subclass(cls, value, requires_grad)
        self.__dict__.update(state)
        return self

    @property
    def name(self) -> str:
        return self._tk_name

    @name.setter
    def name(self, value: str) -> None:
        self._tk_name = value

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

    def assign_add(self, value: Any) -> torch.Tensor:
        with torch.no_grad():
            return self.add_(value if isinstance(value, (torch.Tensor, int, float)) else torch.as_tensor(unwrap(value), device=self.device))

    def assign_sub(self, value: Any) -> torch.Tensor:
        with torch.no_grad():
            return self.sub_(value if isinstance(value, (torch.Tensor, int, float)) else torch.as_tensor(unwrap(value), device=self.device))

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple:
        plain = torch.Tensor._make_subclass(torch.Tensor, self.detach(), False)
        return _rebuild, (type(self), plain, self.requires_grad, dict(self.__dict__))

    def __deepcopy__(self, memo: dict) -> ParameterVariable:
        if id(self) not in memo:
            value = self.detach().clone(memory_format=torch.preserve_format)
            memo[id(self)] = self._wrap(value, self.requires_grad, copy.deepcopy(self.__dict__, memo))
        return memo[id(self)]

    def __repr__(self) -> str:  # type: ignore[override]
        value = torch.Tensor._make_subclass(torch.Tensor, self.detach(), False)
        return f"<Variable path={self.path}, shape={tuple(self.shape)}, dtype={dtypes.standardize_dtype(self.dtype)}, value={value}>"


for _tk_name in ("__matmul__", "__rmatmul__", *_LOGIC):
    setattr(ParameterVariable, _tk_name, _operator(_tk_name))


def _rebuild(cls: type[ParameterVariable], value: torch.Tensor, requires_grad: bool, state: dict[str, Any]) -> ParameterVariable:
    return cls._wrap(value, requires_grad, state)


def unwrap(x: Any) -> Any:
    """The value of a weight that is no tensor itself, in lists and tuples as well; anything else as it is."""
    if isinstance(x, Variable) and not isinstance(x, torch.Tensor):
        return x.value
    if isinstance(x, (list, tuple)) and any(isinstance(v, Variable) for v in x):
        return type(x)(unwrap(v) for v in x)
    return x
