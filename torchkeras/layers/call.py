"""The call protocol: what the `call` of a class takes, and what a call in progress knows, which is local to the thread."""

from __future__ import annotations

import contextlib
import inspect
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from torch import nn
from torch._C import _is_tracing
from torch._C._dynamo.eval_frame import get_eval_frame_callback
from torch.compiler import is_dynamo_compiling
from torch.nn.modules import module as _torch
from torch.nn.modules.module import register_module_module_registration_hook

from .. import recompute, tree
from .held import LED

# -- what a class's call takes ------------------------------------------------------------------------------------------------------------


_Call = TypeVar("_Call", bound=Callable)
_REGARDLESS: set[Callable] = set()  # the functions of `regardless`


def regardless(call: _Call) -> _Call:
    """A `call` that takes `training`, as Keras's does, and computes the same with either: nobody needs to look for the flag.

    Args:
        call: The function.
    """
    _REGARDLESS.add(call)
    return call


class Takes:
    """What the signature of a `call` says, read once a class.

    Class attributes of a layer say the rest: `_tk_float_input`, that integer inputs are cast to the compute type as well (the torch
    module below takes floats only); `_tk_keeps_type`, that integer inputs come out as integers; `_masks_from_inputs`, beside a
    `compute_mask`, that this gives a mask only where the inputs carry one.

    Args:
        call: The function.
        bound: Whether it takes no `self`: it was set on one layer.
    """

    def __init__(self, call: Callable, bound: bool = False) -> None:
        parameters = list(inspect.signature(call).parameters.values())[0 if bound else 1 :]
        self.call = call
        self.names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        self.positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        self.required = sum(p.default is p.empty for p in parameters if p.name in self.positional)
        self.variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        self.has_training = "training" in self.names and call not in _REGARDLESS
        self.first = self.positional[0] if self.positional else "inputs"
        self.mask_arguments = [(self.first, "mask")] if "mask" in self.names else []
        self.mask_arguments += [(n, f"{n}_mask") for n in self.names if f"{n}_mask" in self.names]


# What decides whether the inputs of a layer may go straight to its `call`: when one of these is set, its `Entry` is made anew.
SHORT_WAY = frozenset(
    {
        "_compiled_call_impl", "_dtype_policy", "activity_regularizer", "autocast", "built", "call", "compute_mask", "forward",
        "input_spec", "mask_zero", "supports_masking",
    }
)  # fmt: skip

# -- torch's way of calling a module -----------------------------------------------------------------------------------------------------

MODULE_CALL = nn.Module.__call__
_FORWARD, _FORWARD_PRE = _torch._global_forward_hooks, _torch._global_forward_pre_hooks
_BACKWARD, _BACKWARD_PRE = _torch._global_backward_hooks, _torch._global_backward_pre_hooks


def watched() -> bool:
    """Whether something looks at how modules are called: Dynamo, a tracer, a hook of all modules, another `nn.Module.__call__`."""
    return bool(
        is_dynamo_compiling() or get_eval_frame_callback() is not None or _is_tracing() or nn.Module.__call__ is not MODULE_CALL
        or _FORWARD or _FORWARD_PRE or _BACKWARD or _BACKWARD_PRE
    )  # fmt: skip


def through(module: Any, x: Any) -> Any:
    """`module(x)`. Where nothing watches and the module has no hook this is its `forward`, which torch finds in two more frames.

    The `forward` of `nn.Linear` is `F.linear` on two parameters, which it finds by torch's attribute lookup: that takes half as long as
    the product itself. So they are taken from the table where they lie.
    """
    d, cls = module.__dict__, type(module)
    if (
        d["_forward_hooks"] or d["_forward_pre_hooks"] or d["_backward_hooks"] or d["_backward_pre_hooks"]
        or d.get("_compiled_call_impl") is not None or "_call_impl" in d or cls.__call__ is not MODULE_CALL
        or is_dynamo_compiling() or get_eval_frame_callback() is not None or _is_tracing()
        or _FORWARD or _FORWARD_PRE or _BACKWARD or _BACKWARD_PRE
    ):  # fmt: skip
        return module(x)
    if cls is nn.Linear and "forward" not in d and cls.forward is _LINEAR:
        parameters = d["_parameters"]
        weight = parameters.get("weight")
        if weight is not None and "bias" in parameters:
            return _linear(x, weight, parameters["bias"])
    return module.forward(x)


_LINEAR, _linear = nn.Linear.forward, nn.functional.linear


# -- what a call in progress knows --------------------------------------------------------------------------------------------------------


class _Context(threading.local):
    """The call in progress in this thread, and the names around a build.

    `root` is the outermost layer of the call, `flag` the training flag that it was given (`None`: each module's own mode holds), `moved`
    the modules that are not ours whose mode the flag has set, with the mode that each had, `mixed` whether torch's autocast is on because
    the policy of a layer says so.
    """

    def __init__(self) -> None:
        self.root: Any = None
        self.flag: bool | None = None
        self.mixed = False
        self.moved: list[tuple[nn.Module, bool]] = []
        self.scopes: list[str] = []


context = _Context()


class Filed(threading.local):
    """What `add_loss` filed under one layer in this thread: the losses, the outermost layer of their call, and, for an outermost layer,
    the layers that hold losses of its last call.

    Args:
        latest: A list for all threads, of the losses that one of them filed last.
    """

    def __init__(self, latest: list[list[torch.Tensor]]) -> None:
        self.latest = latest
        self.losses: list[torch.Tensor] = []
        self.root: int | None = None  # by id
        self.holders: list[Any] = []

    @property
    def seen(self) -> list[torch.Tensor]:
        """The losses of this thread; in one that never called the layer, those of the thread that filed last."""
        return self.latest[0] if self.root is None and self.latest else self.losses


_added = [False]  # whether any layer of this process has ever called `add_loss`: until then nobody looks for losses


def losses_pending() -> bool:
    """Whether any layer of this process has ever called `add_loss`."""
    return _added[0]


def file_loss(layer: Any, loss: torch.Tensor) -> None:
    """File a loss of `layer` under the outermost layer of the call in progress, or under itself outside one."""
    if recompute.recomputing():  # it was filed in the first run
        return
    root = layer if context.root is None else context.root
    filed = layer._tk_filed
    if filed.root != id(root):
        filed.losses.clear()  # left by a call of another model, or of this layer alone
        filed.root = id(root)
    if not filed.losses:
        root._tk_filed.holders.append(layer)
    filed.losses.append(loss)
    filed.latest[:] = [filed.losses]
    if not _added[0]:
        _added[0] = True


def begin(layer: Any) -> None:
    """A call in this thread begins, of which `layer` is the outermost: the losses of its last one are forgotten."""
    context.root = layer
    if _added[0] and layer._tk_filed.holders and not recompute.recomputing():
        forget_losses(layer)


def forget_losses(root: Any) -> None:
    """Drop the losses of the last call of which `root` was the outermost layer."""
    for layer in root._tk_filed.holders:
        layer._tk_filed.losses.clear()
    root._tk_filed.holders.clear()


@contextlib.contextmanager
def rehearsing(layer: Any) -> Iterator[None]:
    """A call that only finds shapes: it is outermost, and the losses of the last real call stay."""
    filed, root = layer._tk_filed, context.root
    held = filed.losses[:], filed.root, filed.holders[:]
    context.root = layer
    context.scopes.append(layer.name)
    try:
        yield
    finally:
        context.scopes.pop()
        context.root = root
        forget_losses(layer)
        filed.losses[:], filed.root, filed.holders[:] = held


@contextlib.contextmanager
def scope(name: str) -> Iterator[None]:
    """Weights and layers that are made inside have `name` in their path."""
    context.scopes.append(name)
    try:
        yield
    finally:
        context.scopes.pop()


def scopes() -> list[str]:
    """The names around what is made now, outermost first."""
    return context.scopes


# -- modes --------------------------------------------------------------------------------------------------------------------------------


def flag_or(mode: bool) -> bool:
    """The training flag of the call in progress in this thread, else `mode`.

    The backward pass that runs a checkpointed region again comes after the call, on a GPU in another thread: there the flag is that of the
    region's first run.
    """
    flag = context.flag
    if flag is mode or is_dynamo_compiling():
        return mode if flag is None else flag
    if flag is None:
        return recompute.noted("flag", mode) if recompute.recomputing() else mode
    recompute.note("flag", flag)
    return flag


def training_flag(module: Any) -> bool:
    """Whether `module` is to train: the flag of the call in progress in this thread, else its own mode."""
    return module.training if _follows(module) else flag_or(module.training)


def _get_training(module: Any) -> bool:
    return flag_or(module._tk_mode)


def _set_training(module: Any, mode: bool) -> None:
    object.__setattr__(module, "_tk_mode", mode)


class FollowsCall:
    """A torch module whose `training` is the flag of the call in progress in this thread, else its own mode: layers, and the torch modules
    inside them that depend on the mode. Mix it in before the module's class."""

    _tk_mode: bool
    _tk_mode_given = False  # whether `train()` or `eval()` has been called on it; until then it is in the mode of its parent

    training = property(_get_training, _set_training)

    def _get_name(self) -> str:
        return type(self).__name__.lstrip("_")  # `Dropout` for the `_Dropout` inside a layer

    def train(self, mode: bool = True) -> Any:
        super().train(mode)  # type: ignore[misc]
        object.__setattr__(self, "_tk_mode_given", True)
        return self


def _follows(module: nn.Module) -> bool:
    return isinstance(module, FollowsCall)


def own_mode(module: Any) -> bool:
    """The mode of a module itself, whatever the call in progress says."""
    return module._tk_mode if _follows(module) else module.training


def follow(module: Any, mode: bool) -> None:
    """Put a module that gets a parent in the parent's mode, all but the parts whose mode was set by `train()` or `eval()`."""
    if _follows(module):
        if module._tk_mode_given:
            return
        object.__setattr__(module, "_tk_mode", mode)
    else:
        module.training = mode
    for child in module._modules.values():
        if child is not None:
            follow(child, mode)


# Whose modules are put around a model for a while, and are no parents: `torch.export`, `torch.onnx`, `torch.fx` and what they are made of.
_PASSING = ("torch._", "torch.export", "torch.fx", "torch.jit", "torch.onnx")


def _on_registration(parent: nn.Module, name: str, child: nn.Module | None) -> None:
    """A layer becomes the child of a torch module."""
    if child is None or not _follows(child) or context.flag is not None:  # a run keeps the modes that it found
        return
    if type(parent).__module__.startswith(_PASSING):
        return
    if isinstance(getattr(type(parent), "training", None), property):  # a layer; `torch.compile(layer)`, whose mode is the layer's
        return
    if child._tk_mode != parent.training:
        follow(child, parent.training)


register_module_module_registration_hook(_on_registration)


def _foreign(module: nn.Module) -> list[nn.Module]:
    """The modules inside that do not follow the call by themselves."""
    found: dict[int, nn.Module] = {id(module): module}
    stack = [module]
    while stack:
        for child in stack.pop()._modules.values():
            if child is not None and id(child) not in found:
                found[id(child)] = child
                stack.append(child)
    return [m for m in found.values() if not _follows(m) and LED not in m.__dict__]


class mode:
    """Calls that this thread makes inside are in training or in inference mode, whatever the modules' own mode is.

    Layers see the flag; modules inside `model` that are not ours have their mode set meanwhile. The same object may be entered again
    (`with` around each step), as long as `model` keeps its modules.

    Args:
        model: The layer or model.
        training: The flag.
    """

    def __init__(self, model: nn.Module, training: bool) -> None:
        self.training = bool(training)
        self.foreign = _foreign(model)
        self.before: list[tuple[bool | None, list[tuple[nn.Module, bool]]]] = []

    def __enter__(self) -> None:
        self.before.append((context.flag, context.moved))
        context.flag, context.moved = self.training, []
        _move(self.foreign)

    def __exit__(self, *exc: Any) -> None:
        for module, was in reversed(context.moved):
            module.training = was
        context.flag, context.moved = self.before.pop()


def in_mode(layer: nn.Module, training: bool, fn: Callable, *args: Any) -> Any:
    """`fn(*args)` with the flag of a call of `layer`."""
    before = context.flag, context.moved
    context.flag, context.moved = training, []
    try:
        _move(_foreign(layer))
        outputs = fn(*args)
        if context.moved and torch.is_grad_enabled() and not is_dynamo_compiling():
            foreign = [(module, training) for module, _ in context.moved]
            recompute.in_backward([t for t in tree.flatten(outputs) if isinstance(t, torch.Tensor)], lambda: _set_modes(foreign))
        return outputs
    finally:
        for module, was in reversed(context.moved):
            module.training = was
        context.flag, context.moved = before


def _set_modes(modes: list[tuple[nn.Module, bool]]) -> Callable[[], None]:
    """Put modules in these modes; returns what puts them back."""
    before = [(module, module.training) for module, _ in modes]
    for module, training in modes:
        module.training = training

    def back() -> None:
        _set_modes(before)

    return back


def _move(modules: list[nn.Module]) -> None:
    flag = context.flag
    for module in modules:
        if module.training is not flag:
            context.moved.append((module, module.training))
            module.training = flag  # type: ignore[assignment]


def join(layer: nn.Module) -> None:
    """Let modules that were made in the middle of a call follow its flag."""
    if context.flag is not None:
        _move(_foreign(layer))
