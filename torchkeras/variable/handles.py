"""Weights that are no tensors themselves, and act as the tensors that they stand for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from typing_extensions import Self

from .. import dtypes
from .variable import Variable, operate, unwrap


class Handle(Variable):
    """A weight that is no tensor itself: what stores it is looked up at every use.

    Reading (`value`, operators, any torch function) sees a view or a re-arranged copy that is attached to the storage, so that
    `torch.autograd.grad(loss, [handle])` gives a gradient in Keras layout. Writing (`handle[0] = x`, `handle.zero_()`, `nn.init`'s
    functions, `handle.data = x`, `out=handle`) changes the storage.
    """

    __array_priority__ = 1000
    _shares_memory = False  # whether writing into `value` writes into the storage

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        return object.__new__(cls)

    # -- reading ---------------------------------------------------------------------------------------------------------------------

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def shape(self) -> Any:
        return self.value.shape

    @property
    def dtype(self) -> Any:
        return self.parameters[0].dtype

    @property
    def device(self) -> torch.device:
        return self.parameters[0].device

    @property
    def grad(self) -> torch.Tensor | None:
        """The storage's `.grad` in Keras layout."""
        grads = [p.grad for p in self.parameters]
        return None if any(g is None for g in grads) else self.to_keras(*grads)  # type: ignore[arg-type]

    @grad.setter
    def grad(self, value: torch.Tensor | None) -> None:
        parts: tuple = (None,) * len(self.parameters) if value is None else self.to_torch(value)
        for stored, part in zip(self.parameters, parts):
            stored.grad = part

    def detach(self) -> Any:
        """The weight without its gradient: a tensor that shares its memory, or a handle that writes through where its layout is a copy."""
        return self.value.detach() if self._shares_memory else Detached(self)

    def numel(self) -> int:
        return self.value.numel()

    def view_as(self, other: torch.Tensor) -> Any:
        """The same numbers in the shape of another tensor; the handle itself where it has that shape."""
        return self if tuple(other.shape) == tuple(self.shape) else self.value.view_as(other)

    def __getitem__(self, index: Any) -> torch.Tensor:
        return self.value[unwrap(index)]

    def __len__(self) -> int:
        return len(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __repr__(self) -> str:
        return f"<Variable path={self.path}, shape={tuple(self.shape)}, dtype={dtypes.standardize_dtype(self.dtype)}, value={self.value}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(torch.Tensor, name):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        if name.endswith("_"):
            return lambda *args, **kwargs: self._write(lambda value: getattr(value, name)(*map(unwrap, args), **kwargs))
        return getattr(self.value, name)  # tensor methods: `kernel.sum()`

    # -- writing ---------------------------------------------------------------------------------------------------------------------

    def _write(self, change: Callable[[torch.Tensor], Any]) -> Any:
        """Let `change` write into the value, and store what comes out."""
        if torch.is_grad_enabled() and self.requires_grad:
            raise RuntimeError(
                f"The weight '{self.path}' requires gradients and cannot be changed in place where they are recorded: use `assign`, "
                "or `with torch.no_grad():`."
            )
        with torch.no_grad():
            value = self.value.detach().clone()
            change(value)
            self.assign(value)
        return self

    def __setitem__(self, index: Any, value: Any) -> None:
        self._write(lambda own: own.__setitem__(unwrap(index), unwrap(value)))

    @property
    def data(self) -> Any:
        """The weight outside autograd; setting it gives the storage other memory, as with a Parameter."""
        return self.detach()

    @data.setter
    def data(self, value: torch.Tensor) -> None:
        for stored, part in zip(self.parameters, self.to_torch(unwrap(value))):
            stored.data = part

    @property
    def requires_grad(self) -> bool:
        return self.trainable

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.trainable = value

    def requires_grad_(self, requires_grad: bool = True) -> Handle:
        self.trainable = requires_grad
        return self

    def share_memory_(self) -> Handle:
        for stored in self.parameters:
            stored.share_memory_()
        return self

    def register_hook(self, hook: Callable) -> Any:
        """Call `hook` on each gradient, in Keras layout; what it returns takes the gradient's place."""
        (stored,) = self._only("register_hook")

        def converted(grad: torch.Tensor) -> torch.Tensor | None:
            new = hook(self.to_keras(grad))
            return None if new is None else self.to_torch(new)[0]

        return stored.register_hook(converted)

    def register_post_accumulate_grad_hook(self, hook: Callable) -> Any:
        """Call `hook` on this handle after a gradient has been added to it."""
        (stored,) = self._only("register_post_accumulate_grad_hook")
        return stored.register_post_accumulate_grad_hook(lambda _: hook(self))

    def _only(self, what: str) -> tuple[torch.Tensor, ...]:
        if len(self.parameters) != 1:
            raise RuntimeError(
                f"`{what}` needs a weight stored in one tensor; '{self.path}' lies in {len(self.parameters)}. Register it on each of its "
                "`parameters`."
            )
        return self.parameters

    # -- torch functions -------------------------------------------------------------------------------------------------------------

    @classmethod
    def __torch_function__(cls, func: Callable, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.autograd.grad:
            return _grad(*args, **kwargs)
        if not args and "tensor" in kwargs:  # as `torch.nn.init`'s functions pass on what they were given
            args, kwargs = (kwargs["tensor"],), {k: v for k, v in kwargs.items() if k != "tensor"}
        written = [] if torch.compiler.is_compiling() else _written(func, args, kwargs)
        if not written:
            return func(*(unwrap(a) for a in args), **{k: unwrap(v) for k, v in kwargs.items()})
        first = written[0]
        if "out" in kwargs:
            inputs = {k: unwrap(v) for k, v in kwargs.items() if k not in ("out", "requires_grad")}
            return first._write(lambda own: func(*map(unwrap, args), **inputs, out=own))
        if isinstance(args[0], Handle):
            return first._write(lambda own: func(own, *map(unwrap, args[1:]), **{k: unwrap(v) for k, v in kwargs.items()}))
        values = [v.value.detach().clone() if isinstance(v, Handle) else v for v in args[0]]  # `torch._foreach_mul_(weights, 2)`
        result = func(values, *map(unwrap, args[1:]), **{k: unwrap(v) for k, v in kwargs.items()})
        for handle, value in zip(args[0], values):
            if isinstance(handle, Handle):
                handle._write(partial(_overwrite, value))
        return result


def _overwrite(value: torch.Tensor, own: torch.Tensor) -> None:
    own.copy_(value)


class Detached(Handle):
    """What `handle.data` and `handle.detach()` give where the handle's layout is a copy: no gradient, and writing changes the weight."""

    def __init__(self, handle: Handle) -> None:
        self.handle, self.name, self.path = handle, handle.name, handle.path
        self.regularizer = self.constraint = None
        self.overwrite_with_gradient = False

    @property
    def value(self) -> torch.Tensor:
        return self.handle.value.detach()

    @property
    def parameters(self) -> tuple[torch.Tensor, ...]:
        return tuple(p.detach() for p in self.handle.parameters)

    def to_torch(self, value: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.handle.to_torch(value)

    def to_keras(self, *stored: torch.Tensor) -> torch.Tensor:
        return self.handle.to_keras(*stored)


def _written(func: Callable, args: tuple, kwargs: dict[str, Any]) -> list[Handle]:
    """The handles that a torch function writes into: `out=`, or the first argument of a function whose name ends in one underscore."""
    if "out" in kwargs:
        return [kwargs["out"]] if isinstance(kwargs["out"], Handle) else []
    name = getattr(func, "__name__", "")
    writes = (name.endswith("_") and not name.endswith("__")) or name in ("__setitem__", "__iadd__", "__isub__", "__imul__", "__itruediv__")
    if not writes or not args:
        return []
    first = args[0] if isinstance(args[0], (list, tuple)) else [args[0]]
    return [v for v in first if isinstance(v, Handle)]


def _grad(outputs: Any, inputs: Any, *args: Any, **kwargs: Any) -> tuple[torch.Tensor | None, ...]:
    """`torch.autograd.grad` with respect to weights, each gradient in its weight's Keras layout."""
    weights = [inputs] if isinstance(inputs, (torch.Tensor, Handle)) else list(inputs)
    stored = [w.parameters if isinstance(w, Variable) else (w,) for w in weights]
    flat = iter(torch.autograd.grad(unwrap(outputs), [p for group in stored for p in group], *args, **kwargs))
    grads: list[torch.Tensor | None] = []
    for weight, group in zip(weights, stored):
        parts = [next(flat) for _ in group]
        if any(part is None for part in parts):
            grads.append(None)
        else:
            grads.append(weight.to_keras(*parts) if isinstance(weight, Variable) else parts[0])
    return tuple(grads)


def _forward_operator(name: str) -> Callable:
    def operator(self: Handle, *args: Any) -> Any:
        return operate(name, self.value, *(unwrap(a) for a in args))

    operator.__name__ = name
    return operator


def _in_place_operator(name: str) -> Callable:
    def operator(self: Handle, other: Any) -> Any:
        return self._write(lambda own: getattr(own, name)(unwrap(other)))

    operator.__name__ = name
    return operator


_OPERATORS = (
    "add radd sub rsub mul rmul truediv rtruediv floordiv rfloordiv mod pow rpow matmul rmatmul neg abs lt le gt ge and rand or ror "
    "xor rxor invert"
)
for _tk_name in _OPERATORS.split():
    setattr(Handle, f"__{_tk_name}__", _forward_operator(f"__{_tk_name}__"))
for _tk_name in "iadd isub imul itruediv".split():
    setattr(Handle, f"__{_tk_name}__", _in_place_operator(f"__{_tk_name}__"))
