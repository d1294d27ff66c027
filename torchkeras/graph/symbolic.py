"""Symbolic tensors: a shape and a type, on which calls are recorded instead of made."""

from __future__ import annotations

import operator
import sys
from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from .. import dtypes, registry

KerasHistory = namedtuple("KerasHistory", ("operation", "node_index", "tensor_index"))


if TYPE_CHECKING:  # what takes a tensor takes a symbolic one: any torch function, and the methods of tensors
    _Tensor = torch.Tensor
else:
    _Tensor = object


class KerasTensor(_Tensor):
    """A tensor without values: a shape, in which `None` is any size, and a type.

    Layers, ops, operators, indexing and any torch function called on one record a node of the graph and return another. Within the
    `forward` of a plain torch module it shows sizes, type and device of a stand-in, as a tensor has them.

    Args:
        shape: The shape, batch first.
        dtype: The Keras name of the type.
        sparse: Kept for Keras's signature: must be false, torch layers take dense tensors.
        ragged: Must be false: torch layers take dense tensors.
        record_history: Whether calls on it are recorded.
        name: Its name.
        **kwargs: Nothing: an unknown argument is refused.

    >>> keras.KerasTensor((None, 3)).shape
    (None, 3)
    """

    def __init__(
        self,
        shape: Sequence[int | None],
        dtype: Any = "float32",
        sparse: bool = False,
        ragged: bool = False,
        record_history: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if sparse or ragged:
            raise ValueError("`sparse` and `ragged` tensors do not exist on PyTorch layers; pass dense tensors and masks.")
        if kwargs:
            raise TypeError(f"KerasTensor() got unexpected arguments: {', '.join(kwargs)}")
        self._shape = standardize_shape(shape)
        self._dtype = dtypes.standardize_dtype(dtype)
        self.sparse, self.ragged = False, False
        self.record_history = record_history
        self.name = name or registry.unique_name("keras_tensor")
        self._keras_history: Any = None  # a KerasHistory, once an operation has made it
        self._keras_mask: KerasTensor | None = None  # stands for the mask that tensors in its place will carry

    def _stand_in(self) -> Any:
        """The tensor that stands for this one in the call of a plain module that the caller is in; `None` outside one."""
        if sys._getframe(2).f_globals.get("__name__", "").startswith(_PACKAGE):
            return None
        return _finder[0](self)

    @property
    def shape(self) -> tuple[int | None, ...]:  # type: ignore[override]
        stand_in = self._stand_in()
        return self._shape if stand_in is None else stand_in.shape

    @property
    def dtype(self) -> str:  # type: ignore[override]
        stand_in = self._stand_in()
        return self._dtype if stand_in is None else stand_in.dtype

    @property
    def ndim(self) -> int:  # type: ignore[override]
        return len(self._shape)

    is_nested = False  # torch's attention asks

    @property
    def history(self) -> KerasHistory | None:
        """The operation, the number of its node and the place among its outputs that made this tensor."""
        return self._keras_history

    def dim(self) -> int:
        """The number of axes, as torch spells it."""
        return len(self._shape)

    def size(self, dim: int | None = None) -> Any:
        """The shape or one axis of it, as torch spells it."""
        stand_in = self._stand_in()
        shape = self._shape if stand_in is None else stand_in.shape
        return shape if dim is None else shape[dim]

    def reshape(self, *newshape: Any) -> KerasTensor:
        """The same elements in another shape, which may hold one -1."""
        shape = newshape[0] if len(newshape) == 1 and isinstance(newshape[0], (tuple, list)) else newshape
        return _record(torch.reshape, (self, tuple(shape)), {})

    def squeeze(self, axis: int | Sequence[int] | None = None) -> KerasTensor:  # type: ignore[override]
        """Without its axes of size 1, or without those named."""
        return _record(torch.squeeze, (self,) if axis is None else (self, axis), {})

    def __getitem__(self, index: Any) -> KerasTensor:
        return _OPERATORS["getitem"][0](self, index)

    def __iter__(self) -> Any:
        stand_in = self._stand_in()
        shape = self._shape if stand_in is None else stand_in.shape
        if not shape or shape[0] is None:
            raise TypeError(f"Cannot iterate over a symbolic tensor of shape {self._shape}: the size of its first axis is not known.")
        return (self[i] for i in range(shape[0]))

    def __len__(self) -> int:
        stand_in = self._stand_in()
        shape = self._shape if stand_in is None else stand_in.shape
        if not shape or shape[0] is None:
            raise TypeError(f"A symbolic tensor of shape {self._shape} has no length.")
        return shape[0]

    def _no_value(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(
            f"{self!r} has no value: it is symbolic. Compute with torch functions, `torchkeras.ops` or layers, and put "
            "Python control flow that depends on values into the `call` method of a Layer."
        )

    __bool__ = __float__ = __int__ = __index__ = __array__ = numpy = item = _no_value

    def __getattr__(self, name: str) -> Any:
        method = getattr(torch.Tensor, name, None)
        if name.startswith("_") or name in _NOT_METHODS or not callable(method):
            if name in ("T", "mT", "H", "mH"):
                return _record(getattr(torch.Tensor, name).__get__, (self,), {})
            stand_in = None if name.startswith("_") or name in _NEED_VALUES else self._stand_in()
            if stand_in is not None:
                return getattr(stand_in, name)
            raise AttributeError(f"'KerasTensor' object has no attribute '{name}'.")
        return lambda *args, **kwargs: _record(method, (self, *args), kwargs)

    @classmethod
    def __torch_function__(cls, func: Callable, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        return _record(func, args, kwargs or {})

    def __repr__(self) -> str:  # type: ignore[override]
        return f"<KerasTensor shape={self._shape}, dtype={self._dtype}, name={self.name}>"


def _record(func: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
    """Record a torch function called on symbolic tensors."""
    return _recorder[0](func, args, kwargs)


_recorder: list[Callable] = []  # how that is done; `opnode` gives it, which stands on this file


def use_stand_ins(finder: Callable[[KerasTensor], Any]) -> None:
    """Let `finder(tensor)` give the tensor that stands for a symbolic one in the call of a plain module, or `None` outside one."""
    _finder[:] = [finder]


_finder: list[Callable[[KerasTensor], Any]] = [lambda tensor: None]
_PACKAGE = __name__.partition(".")[0] + "."
_NEED_VALUES = {"grad", "data", "numpy", "item", "tolist", "backward"}
_NOT_METHODS = {"grad", "data", "device", "requires_grad", "numpy", "item", "tolist", "backward"}


def _operator(name: str) -> Callable:
    """One operator of KerasTensor, as Keras's op where an op of that name is registered (see `use_ops_for_operators`)."""

    def operator(self: KerasTensor, *others: Any) -> Any:
        fn, swap = _OPERATORS[name]
        return fn(*others, self) if swap else fn(self, *others)

    operator.__name__ = f"__{name}__"
    return operator


_OPERATORS: dict[str, tuple[Callable, bool]] = {}
for _name in (
    "add radd sub rsub mul rmul truediv rtruediv floordiv rfloordiv mod rmod pow rpow matmul rmatmul neg abs lt le gt ge eq ne "
    "and rand or ror xor rxor invert".split()
):
    setattr(KerasTensor, f"__{_name}__", _operator(_name))
KerasTensor.__hash__ = object.__hash__  # type: ignore[method-assign]


def use_recorder(recorder: Callable) -> None:
    """Let `recorder(func, args, kwargs)` record the torch functions that are called on symbolic tensors."""
    _recorder[:] = [recorder]


def use_ops_for_operators(table: dict[str, Callable]) -> None:
    """Let operators on symbolic tensors record these ops (`{"add": ops.add, …}`), so that graphs hold Keras's names."""
    for name, fn in table.items():
        _OPERATORS[name] = (fn, False)
        if hasattr(KerasTensor, f"__r{name}__"):
            _OPERATORS[f"r{name}"] = (fn, True)


def standardize_shape(shape: Any) -> tuple[int | None, ...]:
    """A shape as a tuple of sizes and `None`; a bare int is a shape of one axis.

    Raises:
        ValueError: Something that is no shape, or a negative size.
    """
    if isinstance(shape, int):
        shape = (shape,)
    try:
        sizes = tuple(None if d is None else operator.index(d) for d in shape)
    except TypeError:
        raise ValueError(f"`shape` must be a tuple of sizes and None. Received: shape={shape!r}") from None
    if any(d is not None and d < 0 for d in sizes):
        raise ValueError(f"`shape` must not have negative sizes; an unknown size is None. Received: shape={shape!r}")
    return sizes


def is_keras_tensor(x: Any) -> bool:
    """Whether `x` is symbolic.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.
    """
    return isinstance(x, KerasTensor)


def any_symbolic(args: Sequence[Any], kwargs: dict[str, Any] | None = None) -> bool:
    """Whether a KerasTensor stands among the arguments, at any depth."""
    for a in args:
        if isinstance(a, KerasTensor):
            return True
        if isinstance(a, (list, tuple)):
            if any_symbolic(a):
                return True
        elif isinstance(a, dict) and any_symbolic(tuple(a.values())):
            return True
    return kwargs is not None and any_symbolic(tuple(kwargs.values()))
