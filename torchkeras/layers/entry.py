"""The one fast way into a layer: what its call has to look at before tensors go straight to the computation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from .. import dtypes
from .call import watched
from .input_spec import InputSpec

_SETTINGS = (bool, int, float, str)


class Entry:
    """What the call of a built layer looks at before tensors go straight to its `call`; made anew when what it depends on is set.

    Masks, symbolic tensors, arrays, other types and other shapes take the long way, which converts, builds and complains.

    Args:
        layer: The layer.
        plain: Whether its class and settings let tensors go straight to `call` at all.
        run: What is called with the layer and its arguments, in the place of the layer's `call`.
        cast: The type of floating inputs; any without it.
        whole: Whether integers must be of that type as well.
        spec: What the only input must be; any without it.
        lists: Whether lists of tensors may be among the arguments.
    """

    __slots__ = (
        "run", "call", "forward", "entry", "takes_training", "cast", "whole", "spec", "lists", "named", "shape", "table", "key", "dtype",
    )  # fmt: skip

    def __init__(
        self,
        layer: Any,
        plain: bool,
        run: Callable[..., Any] | None = None,
        cast: torch.dtype | None = None,
        whole: bool = False,
        spec: InputSpec | None = None,
        lists: bool = True,
    ) -> None:
        cls, own = type(layer), layer.__dict__.get("call")
        self.takes_training = run is None and layer._tk_call_info().has_training
        self.run: Callable[..., Any] = run or (cls.call if own is None else lambda layer, *args, **kwargs: layer.call(*args, **kwargs))
        # The methods for which this was made; no `call` is this one where nothing may go straight.
        self.call, self.forward, self.entry = cls.call if plain else None, cls.forward, cls.__call__
        self.cast, self.whole, self.spec, self.lists, self.named = cast, whole, spec, lists, run is None
        self.shape: Any = None  # that it last accepted
        self.table, self.key, self.dtype = _a_weight(layer)

    def admits(self, cls: type, x: torch.Tensor) -> bool:
        """Whether `x`, the only argument, may go straight to `run`, and the methods and the weights are those that this was made for."""
        weight, cast = self.table.get(self.key), self.cast
        if (
            (x.dtype is not cast and cast is not None and (self.whole or x.dtype.is_floating_point))
            or cls.call is not self.call  # type: ignore[attr-defined]
            or cls.forward is not self.forward  # type: ignore[attr-defined]
            or getattr(x, "_keras_mask", None) is not None
            or (weight is not None and weight.dtype is not self.dtype)
        ):
            return False
        if self.spec is not None:
            shape = x.shape
            if shape != self.shape:
                if not self.spec.accepts(shape):
                    return False
                self.shape = shape
        return True

    def fits(self, cls: type, args: tuple, kwargs: Mapping[str, Any]) -> bool:
        """`admits` for any arguments, but for `forward` and the type of the weights; it keeps nothing, so that Dynamo may trace it."""
        if cls.call is not self.call or not (self.spec is None or (args and self._accepts(args[0]))):  # type: ignore[attr-defined]
            return False
        if kwargs and not (self.named and kwargs.get("mask") is None and all(map(self._takes_named, kwargs.values()))):
            return False
        return all(map(self._takes, args))

    def _accepts(self, x: Any) -> bool:
        return x.__class__ is torch.Tensor and self.spec.accepts(x.shape)  # type: ignore[union-attr]

    def _takes_named(self, x: Any) -> bool:
        """Whether a keyword argument needs no conversion: a setting, or what `_takes` says."""
        return x is None or type(x) in _SETTINGS or self._takes(x)

    def _takes(self, x: Any) -> bool:
        """Whether an argument needs no conversion and carries no mask."""
        if x.__class__ is torch.Tensor:
            fits = x.dtype is self.cast or self.cast is None or not (self.whole or x.dtype.is_floating_point)
            return fits and getattr(x, "_keras_mask", None) is None
        return x.__class__ is list and self.lists and all(map(self._takes, x))

    def stale(self) -> bool:
        """Whether the weights have been cast since."""
        weight = self.table.get(self.key)
        return weight is not None and weight.dtype is not self.dtype


def _a_weight(layer: Any) -> tuple[dict[str, Any], str, torch.dtype | None]:
    """The table with one of the layer's own weights and its name there, whose type tells whether they were cast, and that type."""
    dtype = dtypes.TORCH_DTYPES.get(layer.variable_dtype)
    for module in (layer, *layer._modules.values()):
        if module is layer or not (module is None or hasattr(module, "symbolic_call")):
            for name, weight in module._parameters.items():
                if weight is not None and weight.dtype is dtype:
                    return module._parameters, name, dtype
    return {}, "", dtype


def enter(layer: Any, *args: Any, **kwargs: Any) -> Any:
    """`layer(*args, **kwargs)` in the middle of a call that nothing watches: tensors go straight to `call` if nothing stands between."""
    d = layer.__dict__
    entry = d.get("_tk_entry")
    if (
        entry is None
        or d["_forward_hooks"] or d["_forward_pre_hooks"] or d["_backward_hooks"] or d["_backward_pre_hooks"]
        or d.get("_compiled_call_impl") is not None
    ):  # fmt: skip
        return layer(*args, **kwargs)
    cls = type(layer)
    if cls.__call__ is not entry.entry:
        return layer(*args, **kwargs)
    if len(args) == 1 and not kwargs and args[0].__class__ is torch.Tensor:
        if not entry.admits(cls, args[0]):
            return layer(args[0])
    elif entry.stale() or cls.forward is not entry.forward or "training" in kwargs or not entry.fits(cls, args, kwargs):
        return layer(*args, **kwargs)
    if entry.takes_training:
        return entry.run(layer, *args, training=layer.training, **kwargs)
    return entry.run(layer, *args, **kwargs)


def called(layer: nn.Module, *args: Any, **kwargs: Any) -> Any:
    """`layer(*args, **kwargs)`."""
    return layer(*args, **kwargs)


def way() -> Callable[..., Any]:
    """How a call calls the layers inside it: as functions where something watches, else by `enter`."""
    return called if watched() else enter
