"""Plain torch modules called on symbolic tensors: the whole call becomes one node, so that the module belongs to the model."""

# `nn.Linear(4, 5)(x)` runs the module's own `forward`, whose torch functions reach the graph one by one. The first of them finds the
# call in the frames above it, records the module as one layer, and rehearses the call to learn which functions make its outputs; as
# those are reached again, the outputs of the layer are returned in their place.

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any

from torch import nn

from .. import tree

_CALL = nn.Module._call_impl.__code__
_wrappers: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()  # by id of the module, which its wrapper keeps alive
_factory: list[Callable[[nn.Module], Any]] = []


class _Calls(threading.local):
    """The call of a plain module in progress in this thread: one at the most."""

    def __init__(self) -> None:
        self.current: ModuleCall | None = None


_calls = _Calls()


def use_module_wrapper(factory: Callable[[nn.Module], Any]) -> None:
    """Let `factory(module)` make the layer that stands for a torch module in a graph."""
    _factory[:] = [factory]


def frame_of_call(operation: Any, is_symbolic: Callable[[Any], bool]) -> FrameType | None:
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
            elif any(is_symbolic(t) for t in tree.flatten((values["args"], values["kwargs"]))):
                found = frame
        elif frame.f_code is _REHEARSE:
            return None if found is None else frame.f_locals["self"].frame
        frame = frame.f_back
    return found


def enclosing_call(operation: Any, is_symbolic: Callable[[Any], bool]) -> ModuleCall | None:
    """The call of a plain module of which `operation` is a part; `None` outside one."""
    current = _calls.current
    if not _factory or (current is not None and current.recording):
        return None
    frame = frame_of_call(operation, is_symbolic)
    if frame is None:
        return None
    if current is None or current.frame is not frame:
        current = _calls.current = ModuleCall(frame)
        try:
            current.rehearse()
        except BaseException:
            _calls.current = None
            raise
    return current


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

    def rehearse(self) -> None:
        """Record the module as one layer and find out which tensors, by the order they are made in, are its outputs.

        Raises:
            ValueError: The module cannot run on symbolic tensors.
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
                f"The torch module {type(module).__name__} does not run on symbolic tensors: {type(error).__name__}: {error} If it only "
                "needs sizes, call it as a layer: `TorchModuleWrapper(module)(x)`; if it needs values, put it into the `call` of a Layer "
                "with a `compute_output_shape`."
            ) from error
        finally:
            self.recording = self.rehearsing = False
        place = {id(t): (k, i) for k, tensors in enumerate(self.made) for i, t in enumerate(tensors)}
        self.outputs = {
            place[id(made)]: recorded for made, recorded in zip(tree.flatten(again), tree.flatten(outputs)) if id(made) in place
        }

    def take(self, outputs: Any, is_symbolic: Callable[[Any], bool]) -> Any:
        """What a function inside the module returns: its own outputs, the module's in the places where they are made."""
        if self.rehearsing:
            self.made.append([t for t in tree.flatten(outputs) if is_symbolic(t)])
            return outputs
        number = iter(range(len(tree.flatten(outputs))))
        replaced = tree.map_structure(lambda t: self.outputs.get((self.place, next(number)), t) if is_symbolic(t) else t, outputs)
        self.place += 1
        if self.place >= len(self.made):
            _calls.current = None
        return replaced


_REHEARSE = ModuleCall.rehearse.__code__
