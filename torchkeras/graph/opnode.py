"""Ops and torch functions as nodes of a graph, and how a file finds them again by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .. import registry, tree
from ..missing import missing_member
from .operation import Operation
from .symbolic import KerasTensor, use_ops_for_operators, use_recorder
from .torch_functions import torch_functions

OPS: dict[str, Callable] = {}


class OpNode(Operation):
    """An op, or any torch function, as a node of a graph.

    Args:
        fn: The function.
        function: Its registered name, from which a loaded file finds it again.
    """

    def __init__(self, fn: Callable | None = None, function: str | None = None, name: str | None = None) -> None:
        if fn is None:
            fn = find_op(function or "")
        self.fn = fn
        self.function = function or op_name(fn)
        super().__init__(name or registry.unique_name(self.function.rpartition(".")[2].strip("_")))

    @property
    def kind(self) -> str:
        """What summaries and pictures call it: the class that Keras has for an op, torch's name of a torch function."""
        return self.fn.filed.class_name(self.fn) if getattr(self.fn, "is_op", False) else self.function  # type: ignore[attr-defined]

    def call(self, *args: Any, **kwargs: Any) -> Any:
        return self.fn(*args, **kwargs)

    def _tk_plain_function(self) -> Callable | None:
        return self.fn

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        spec = getattr(self.fn, "spec", None)
        outputs = NotImplemented if spec is None else spec(*args, **kwargs)
        if outputs is not NotImplemented:
            return outputs
        if getattr(self.fn, "broadcast", False):
            args, kwargs = _with_known_sizes(args, kwargs)
        return super().compute_output_spec(*args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "function": self.function}


def _with_known_sizes(args: tuple, kwargs: dict[str, Any]) -> Any:
    """Arguments that broadcast, a size of one standing for the unknown size of another (they can only be equal)."""
    shapes = [tuple(t.shape) for t in tree.flatten((args, kwargs)) if hasattr(t, "shape")]
    rank_ = max(map(len, shapes))
    known: list[int | None] = [None] * rank_
    for shape in shapes:
        for axis, size in enumerate(shape, rank_ - len(shape)):
            if size not in (None, 1):
                known[axis] = size

    def fill(t: Any) -> Any:
        if not isinstance(t, KerasTensor) or None not in t.shape:
            return t
        return KerasTensor([k if n is None else n for n, k in zip(t.shape, known[rank_ - t.ndim :])], t.dtype)

    return tree.map_structure(fill, (args, kwargs))


def op_name(fn: Callable) -> str:
    """The name under which `find_op` finds `fn`: `"ops.add"` for an op, `"torch.nn.functional.relu"` for torch's own."""
    if getattr(fn, "is_op", False):
        return f"ops.{fn.__name__}"
    return torch.overrides.resolve_name(fn) or f"{fn.__module__}.{fn.__qualname__}"


def find_op(name: str) -> Callable:
    """The op or listed torch function of this exact name; nothing is imported.

    Raises:
        ValueError: If there is no such function, or none that files may name.
    """
    if name.startswith("ops."):
        fn = OPS.get(name[4:])
    else:
        fn = torch_functions().get(name)
    if fn is None or not in_files(name):
        lacking = missing_member("keras.ops", name[4:]) if name.startswith("ops.") else None
        near = f" {lacking}" if lacking else registry.near_matches(name, [f"ops.{n}" for n in OPS])
        raise ValueError(f"The function {name!r} in the config is none that a graph may hold.{near}")
    return fn


def in_files(name: str) -> bool:
    """Whether a file may hold the function of this name, as `op_name` gives it."""
    if name.startswith("ops."):
        return name[4:] in OPS and OPS[name[4:]].filed.files  # type: ignore[attr-defined]
    return name in torch_functions()


def call_torch(func: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
    """Record a torch function called on symbolic tensors."""
    return OpNode(func).symbolic_call(*args, **kwargs)


use_recorder(call_torch)
use_ops_for_operators(
    {
        "add": torch.add, "sub": torch.sub, "mul": torch.mul, "truediv": torch.true_divide, "floordiv": torch.floor_divide,
        "mod": torch.remainder, "pow": torch.pow, "matmul": torch.matmul, "neg": torch.neg, "abs": torch.abs, "lt": torch.lt,
        "le": torch.le, "gt": torch.gt, "ge": torch.ge, "eq": torch.eq, "ne": torch.ne, "and": torch.bitwise_and,
        "or": torch.bitwise_or, "xor": torch.bitwise_xor, "invert": torch.bitwise_not,
        "getitem": lambda x, key: call_torch(torch.Tensor.__getitem__, (x, key), {}),
    }
)  # fmt: skip
