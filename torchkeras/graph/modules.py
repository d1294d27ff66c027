"""Plain torch modules called on symbolic tensors: the whole call becomes one node, so that the module belongs to the model."""

# `nn.Linear(4, 5)(x)` runs the module's own `forward`, whose torch functions reach the graph one by one. The first of them finds the
# call in the frames above it, records the module as one layer, and rehearses the call on stand-ins to learn which functions make its
# outputs; as those are reached again, the outputs of the layer are returned in their place. Whatever else `forward` sees of its
# arguments (sizes, device) is that of small stand-ins: tensors without values, for which it may make tensors that have some.

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from .. import dtypes, tree
from ..distribution import rank
from . import infer
from .symbolic import KerasTensor, is_keras_tensor, use_stand_ins

_CALL = nn.Module._call_impl.__code__
_wrappers: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()  # by id of the module, which its wrapper keeps alive
_factory: list[Callable[[nn.Module], Any]] = []


def buffer_names(tensors: Sequence[torch.Tensor]) -> dict[int, str]:
    """By id, the names of those tensors that are buffers of torch modules.

    No tensor knows this, so that the tables that hold them are looked for.
    """
    tables = [t for t in gc.get_referrers(*tensors) if type(t) is dict] if tensors else []
    names: dict[int, str] = {}
    for holder in gc.get_referrers(*tables) if tables else ():
        state = holder if type(holder) is dict else getattr(holder, "__dict__", None)
        buffers = state.get("_buffers") if isinstance(state, dict) else None
        if buffers is not None and any(buffers is table for table in tables):
            names.update({id(held): name for name, held in buffers.items() if held is not None})
    return {id(t): names[id(t)] for t in tensors if id(t) in names}


class _Local(threading.local):
    current: ModuleCall | None = None


_local = _Local()


def use_module_wrapper(factory: Callable[[nn.Module], Any]) -> None:
    """Let `factory(module)` make the layer that stands for a torch module in a graph."""
    _factory[:] = [factory]


def frame_of_call(operation: Any) -> FrameType | None:
    """The frame of the outermost call of a plain module, on symbolic arguments, in which `operation` is called; `None` outside one.

    A layer around the operation ends the search: what it does inside is its own.
    """
    found = None
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code is _CALL:
            values = frame.f_locals
            module = values["self"]
            if hasattr(module, "symbolic_call"):
                if module is not operation:
                    break
            elif any(is_keras_tensor(t) for t in tree.flatten((values["args"], values["kwargs"]))):
                found = frame
        elif frame.f_code is _REHEARSE:
            return None if found is None else frame.f_locals["self"].frame
        frame = frame.f_back
    return found


def enclosing_call(operation: Any) -> ModuleCall | None:
    """The call of a plain module of which `operation` is a part; `None` outside one."""
    current = _local.current
    if not _factory or (current is not None and current.recording):
        return None
    frame = frame_of_call(operation)
    if frame is None:
        return None
    if current is None or current.frame is not frame:
        current = _local.current = ModuleCall(frame)
        try:
            current.rehearse()
        except BaseException:
            _local.current = None
            raise
    return current


class StandIn(KerasTensor):
    """A symbolic tensor within the call of a plain module, with the tensor without values that stands for it there."""

    def __init__(self, tensor: torch.Tensor, unknown: int) -> None:
        super().__init__([None if d == unknown else d for d in tensor.shape], dtypes.standardize_dtype(tensor.dtype))
        self.tensor = tensor


class ModuleCall:
    """A plain module's call in progress.

    Args:
        frame: The frame of the call.
    """

    def __init__(self, frame: FrameType) -> None:
        self.frame = frame
        self.recording = self.rehearsing = False
        self.made: list[list[Any]] = []
        self.place = 0
        self.outputs: dict[tuple[int, int], Any] = {}
        self.mode = FakeTensorMode(allow_non_fake_inputs=True)
        self.tensors: dict[int, tuple[KerasTensor, torch.Tensor]] = {}  # by id of the symbolic tensor
        values = frame.f_locals
        shapes = [t._shape for t in tree.flatten((values["args"], values["kwargs"])) if isinstance(t, KerasTensor)]
        self.unknown = infer.small_size(values["args"], values["kwargs"], values["self"], shapes)

    def rehearse(self) -> None:
        """Record the module as one layer and find out which tensors, by the order they are made in, are its outputs.

        Raises:
            ValueError: If the module cannot run on symbolic tensors.
        """
        values = self.frame.f_locals
        module, args, kwargs = values["self"], values["args"], values["kwargs"]
        wrapper = _wrappers.get(id(module))
        if wrapper is None:
            wrapper = _wrappers[id(module)] = _factory[0](module)
        try:
            self.recording = True
            outputs = wrapper.symbolic_call(*args, **kwargs)
            self.recording, self.rehearsing = False, True
            again = module(*args, **kwargs)
        except Exception as error:
            raise ValueError(
                f"The torch module {type(module).__name__} does not run on symbolic tensors: {type(error).__name__}: {error} If it needs "
                "values, call it as a layer: `TorchModuleWrapper(module)(x)`, or put it into the `call` of a Layer."
            ) from error
        finally:
            self.recording = self.rehearsing = False
        place = {id(t): (k, i) for k, tensors in enumerate(self.made) for i, t in enumerate(tensors)}
        self.outputs = {
            place[id(made)]: recorded for made, recorded in zip(tree.flatten(again), tree.flatten(outputs)) if id(made) in place
        }

    def tensor(self, symbol: KerasTensor) -> torch.Tensor:
        """The tensor that stands for a symbolic one."""
        if isinstance(symbol, StandIn):
            return symbol.tensor
        if id(symbol) not in self.tensors:
            shape = [self.unknown if d is None else d for d in symbol._shape]
            with self.mode:
                made = torch.empty(shape, dtype=dtypes.to_torch_dtype(symbol._dtype), device=rank.default_device())
            self.tensors[id(symbol)] = symbol, made
        return self.tensors[id(symbol)][1]

    def run(self, operation: Any, fn: Callable | None, args: tuple, kwargs: dict[str, Any]) -> Any:
        """What a function inside the module returns: its own outputs, the module's in the places where they are made.

        Args:
            operation: The operation that was called.
            fn: The function of torch that it stands for; `None` for a layer.
            args: The arguments of the call.
            kwargs: The keyword arguments of the call.
        """
        if fn is None:
            outputs = operation.compute_output_spec(*args, **kwargs)
            results = tree.map_structure(lambda t: self.tensor(t) if isinstance(t, KerasTensor) else t, outputs)
        else:
            given, named = tree.map_structure(lambda t: self.tensor(t) if isinstance(t, KerasTensor) else infer.cut(t), (args, kwargs))
            with self.mode, torch.no_grad():
                results = fn(*given, **named)
        number = iter(range(len(tree.flatten(results))))
        made: list[Any] = []

        def symbol(value: Any) -> Any:
            place = next(number)
            recorded = None if self.rehearsing else self.outputs.get((self.place, place))
            if recorded is None and isinstance(value, torch.Tensor):
                recorded = StandIn(value, self.unknown)
            made.append(recorded)
            return value if recorded is None else recorded

        results = tree.map_structure(symbol, results)
        if self.rehearsing:
            self.made.append(made)
            return results
        self.place += 1
        if self.place >= len(self.made):
            _local.current = None
        return results


def _stand_in(symbol: KerasTensor) -> torch.Tensor | None:
    call = enclosing_call(None)
    return None if call is None else call.tensor(symbol)


use_stand_ins(_stand_in)
_REHEARSE = ModuleCall.rehearse.__code__
