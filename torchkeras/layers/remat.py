"""Rematerialization: what a layer computes on the way forward is computed again on the way back, instead of kept."""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, NamedTuple, TypeVar

import torch
from torch.utils.checkpoint import checkpoint
from typing_extensions import Self

from .. import recompute, tree
from ..graph import KerasTensor
from . import call

_Value = TypeVar("_Value")
_MODES = ("full", "activations", "larger_than", "list_of_layers", None)


class RematMode(NamedTuple):
    """What a `RematScope` asks for."""

    mode: str | None
    output_size_threshold: int
    layer_names: tuple[str, ...]


class _Scopes(threading.local):
    def __init__(self) -> None:
        self.stack: list[RematMode] = []


_scopes = _Scopes()


class RematScope:
    """Layers made inside are rematerialized at every call: they keep their inputs for backward and compute the rest again.

    Args:
        mode: `"full"` for every layer; `"activations"` for the activation functions of layers that have one; `"larger_than"` for layers
            whose outputs have more than `output_size_threshold` numbers, a batch of unknown size counted as one; `"list_of_layers"` for
            those named in `layer_names`; `None` for none.
        output_size_threshold: For `"larger_than"`.
        layer_names: For `"list_of_layers"`.

    Raises:
        ValueError: If the mode is another one.

    >>> with keras.RematScope(mode='full'):
    ...     layer = keras.layers.Dense(2)
    >>> layer(torch.ones(1, 3)).shape
    torch.Size([1, 2])
    """

    def __init__(self, mode: str | None = "full", output_size_threshold: int = 1024, layer_names: Sequence[str] | None = None) -> None:
        if mode not in _MODES:
            raise ValueError(f"`mode` must be one of {', '.join(map(repr, _MODES))}. Received: mode={mode!r}")
        self.mode = mode
        self.output_size_threshold = output_size_threshold
        self.layer_names = list(layer_names or [])

    def __enter__(self) -> Self:
        _scopes.stack.append(RematMode(self.mode, self.output_size_threshold, tuple(self.layer_names)))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        _scopes.stack.pop()


def current_mode() -> RematMode | None:
    """What the innermost `RematScope` of this thread asks for, if it asks for anything."""
    return _scopes.stack[-1] if _scopes.stack and _scopes.stack[-1].mode is not None else None


def remat(f: Callable[..., _Value]) -> Callable[..., _Value]:
    """A function that computes what `f` does and keeps only its arguments for backward, which runs `f` again.

    Layers that `f` calls are in the recomputation what they were: their training flag, their dropout masks and their statistics, which
    are moved once. It is `torch.utils.checkpoint` of the kind that is not reentrant.

    Args:
        f: A function, layer or torch module.
    """

    @functools.wraps(f, updated=())
    def rematerialized(*args: Any, **kwargs: Any) -> _Value:
        if not torch.is_grad_enabled():
            return f(*args, **kwargs)
        run = f if torch.compiler.is_compiling() else _in_the_same_call(f)
        return checkpoint(run, *args, use_reentrant=False, **kwargs)

    return rematerialized


def _in_the_same_call(f: Callable[..., _Value]) -> Callable[..., _Value]:
    """`f`, which in a recomputation finds the call in progress that there is now: backward may run in another thread, or outside it."""
    now = call.context
    root, flag, mixed = now.root, now.flag, now.mixed
    foreign = now.moved

    def run(*args: Any, **kwargs: Any) -> _Value:
        if not recompute.recomputing():
            return f(*args, **kwargs)
        before = now.root, now.flag, now.mixed
        moved = [(module, module.training) for module, _ in foreign]
        now.root, now.flag, now.mixed = root, flag, mixed
        for module, _ in moved:
            module.training = flag  # type: ignore[assignment]
        try:
            return f(*args, **kwargs)
        finally:
            now.root, now.flag, now.mixed = before
            for module, was in moved:
                module.training = was

    return run


class Rematerialized:
    """The part of a layer that computes again on the way back what a `RematScope` around its construction says."""

    name: str
    _tk_remat: RematMode | None = None

    def rematerialized_call(self, layer_call: Callable, *args: Any, **kwargs: Any) -> Callable:
        """`layer_call` as this layer runs it: rematerialized where the `RematScope` that the layer was made in asks for it.

        Args:
            layer_call: The layer's `call`, or a method in its place.
            *args: The arguments that it will be called with.
            **kwargs: The keyword arguments that it will be called with.
        """
        asked = self._tk_remat
        if asked is None:
            return layer_call
        if asked.mode == "activations":
            return self._tk_with_activation_again(layer_call)
        again = (
            asked.mode == "full"
            or (asked.mode == "list_of_layers" and self.name in asked.layer_names)
            or (asked.mode == "larger_than" and self._tk_output_size(args, kwargs) > asked.output_size_threshold)
        )
        return remat(layer_call) if again else layer_call

    def _tk_with_activation_again(self, layer_call: Callable) -> Callable:
        activation = self.__dict__.get("activation") or self.__dict__.get("_modules", {}).get("activation")
        function = getattr(layer_call, "__func__", None)
        if activation is None or function is None:
            return layer_call
        other = object.__new__(type(self))  # the layer for this call, with another activation; its tables are the same
        other.__dict__.update(self.__dict__, activation=remat(activation))
        return functools.partial(function, other)

    def _tk_output_size(self, args: tuple, kwargs: dict[str, Any]) -> int:
        def symbolic(x: Any) -> Any:
            return KerasTensor(tuple(x.shape), dtype=str(x.dtype).removeprefix("torch.")) if isinstance(x, torch.Tensor) else x

        args, kwargs = tree.map_structure(symbolic, (args, kwargs), none_is_leaf=True)
        outputs = self.compute_output_spec(*args, **kwargs)  # type: ignore[attr-defined]
        return sum(math.prod(n or 1 for n in t.shape) for t in tree.flatten(outputs) if isinstance(t, KerasTensor))
