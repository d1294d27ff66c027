"""What stands for the weights of a layer before it is built: it remembers what a program asks of them, and refuses what needs them."""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, SupportsIndex

import torch
from torch import nn
from torch._subclasses.fake_tensor import unset_fake_temporarily
from torch.nn.parameter import UninitializedParameter

from ..reporting import warn

KEY = "unbuilt"  # its name among the layer's parameters


_ALLOWED = UninitializedParameter._allowed_methods  # type: ignore[attr-defined]  # of a mixin that torch's stubs leave out


class _Asked(threading.local):
    """Whether the `load_state_dict` in progress in this thread is strict; torch does not pass that on to the modules."""

    strict: bool | None = None


_asked = _Asked()


@contextlib.contextmanager
def strictly(strict: bool) -> Iterator[None]:
    """What is loaded inside is loaded strictly, or not."""
    before, _asked.strict = _asked.strict, strict
    try:
        yield
    finally:
        _asked.strict = before


class UnbuiltWeights(UninitializedParameter):
    """The weights that a layer will have, as one parameter without shape, of the kind that torch's lazy modules hold.

    Moving and freezing it is remembered and holds for the weights once they are made. Whatever needs a shape or numbers raises, and so
    does an optimizer that is given it: the weights of the built layer are other tensors.

    Args:
        requires_grad: Whether the weights will be trained.
        device: Where they will be.
        dtype: Their type.
        layer: The layer's name, for messages.
    """

    layer: str
    moved: bool  # to another device than new weights are made on
    cast: bool  # to another type
    shared: bool  # with other processes
    state: dict[str, Any] | None  # what `load_state_dict` gave, by names within the layer
    strict: bool | None  # `None` where a torch module was asked to load it, which does not say
    assign: bool
    known: frozenset[str]  # what the layer had when it was given `state`

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None, layer: str = "") -> UnbuiltWeights:
        with unset_fake_temporarily():  # it has no numbers to leave out, and a fake tensor cannot be of this class
            self = torch.Tensor._make_subclass(cls, torch.empty(0, device=device, dtype=dtype), requires_grad)
        self.layer, self.moved, self.cast, self.shared = layer, False, False, False
        self.state, self.strict, self.assign, self.known = None, None, False, frozenset()
        return self

    def applied(self, fn: Callable[[torch.Tensor], torch.Tensor]) -> UnbuiltWeights:
        """What `fn`, given to `Module._apply`, makes of the weights."""
        before = torch.empty(1, device=self.device, dtype=self.dtype)
        after = fn(before)
        new = UnbuiltWeights(self.requires_grad, after.device, after.dtype)
        new.__dict__.update(self.__dict__)
        new.moved = self.moved or after.device != before.device
        new.cast = self.cast or after.dtype != before.dtype
        new.shared = self.shared or (after.device.type == "cpu" and after.is_shared())
        if self.state is not None:
            new.state = {k: fn(v) if isinstance(v, torch.Tensor) and not self.assign else v for k, v in self.state.items()}
        return new

    def remember(self, state: dict[str, Any], assign: bool, known: Iterable[str]) -> None:
        """Keep what `load_state_dict` gives until the layer is built: a copy, unless the tensors themselves are to be taken."""
        new = {k: v.detach().clone() if isinstance(v, torch.Tensor) and not assign else v for k, v in state.items()}
        self.state = {**(self.state or {}), **new}
        self.strict, self.assign, self.known = _asked.strict, assign, frozenset(known)

    def replay(self, layer: nn.Module, trainable: bool) -> None:
        """Do to the weights of the layer, now that it is built, what was asked before.

        Args:
            layer: The layer.
            trainable: Whether its own setting is to be trained; `requires_grad_` may have said otherwise since.

        Raises:
            RuntimeError: If a state that was to be loaded strictly has other keys or shapes than the weights.
        """
        if self.requires_grad != trainable:
            for parameter in layer.parameters():
                if parameter.is_floating_point():
                    parameter.requires_grad_(self.requires_grad)
        if self.moved:
            layer.to(self.device)
        if self.cast:
            layer.to(self.dtype)  # layers that `build` makes as well
        if self.shared:
            layer.share_memory()
        if self.state is None:
            return
        missing, unexpected = nn.Module.load_state_dict(layer, self.state, strict=False, assign=self.assign)
        missing = [k for k in missing if k.split(".")[0] not in self.known]
        if self.strict is not False and (missing or unexpected):
            text = (
                f"`load_state_dict` was called before the layer {self.layer!r} was built, with a state that does not fit the weights it "
                f"has now. Missing keys: {missing}. Unexpected keys: {unexpected}. "
                "Call the model once before loading, or pass `strict=False`."
            )
            if self.strict:
                raise RuntimeError(text)
            warn(text)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        if getattr(func, "__self__", None) is not torch.Tensor.is_leaf:  # which optimizers ask of each parameter
            if func is torch.Tensor.requires_grad_ or func in _ALLOWED or func.__class__.__name__ == "method-wrapper":
                with torch._C.DisableTorchFunctionSubclass():
                    return func(*args, **(kwargs or {}))
        layer = next((a.layer for a in args if isinstance(a, UnbuiltWeights)), "")
        raise ValueError(_message(layer))

    @property
    def shape(self) -> Any:  # type: ignore[override]  # torch's own is an attribute
        raise ValueError(_message(self.layer))

    def __repr__(self) -> str:  # type: ignore[override]
        return f"<weights of the layer {self.layer!r}, which is not built>"

    def __deepcopy__(self, memo: dict) -> UnbuiltWeights:
        if id(self) not in memo:
            new = memo[id(self)] = UnbuiltWeights(self.requires_grad, self.device, self.dtype)
            new.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return memo[id(self)]

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple:
        return _rebuild, (self.requires_grad, self.device, self.dtype, dict(self.__dict__))


def _rebuild(requires_grad: bool, device: torch.device, dtype: torch.dtype, state: dict[str, Any]) -> UnbuiltWeights:
    new = UnbuiltWeights(requires_grad, device, dtype)
    new.__dict__.update(state)
    return new


def _message(layer: str) -> str:
    return (
        f"The layer {layer!r} is not built, so its weights do not exist yet. Call the model once on data, or `build(input_shape)`, before "
        "its parameters are given to an optimizer or used."
    )
