"""What a forward pass that activation checkpointing runs again in backward must see again: states as they were, each moved once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
import torch.utils.checkpoint
from torch.compiler import is_dynamo_compiling

_Value = TypeVar("_Value")
# `torch.utils.checkpoint` puts torch's global random state back before it runs a function again, and nothing else, and it calls nobody.
# But its frames stand on the Python stack, of a first run and of a recomputation both, with the object that belongs to that one region.
_FILE = torch.utils.checkpoint.__file__
_LOG = "_torchkeras_log"  # on a region: what was recorded in its first run, and how far each recomputation has read
_NOTES = "_torchkeras_notes"  # on a region: what held for all of its first run


def recomputing() -> bool:
    """Whether this thread is inside a backward pass: a forward pass there is a recomputation, and moves no statistics."""
    return not is_dynamo_compiling() and torch._C._current_graph_task_id() != -1


def recorded(owner: object, make: Callable[[], _Value]) -> _Value:
    """What `make()` returns; in a recomputation what it returned in the first run, without another call.

    Args:
        owner: To whom the value belongs. An owner may record many values; they come again in their order.
        make: Makes the value, and may move a state.
    """
    if torch.compiler.is_compiling():
        return make()
    task = torch._C._current_graph_task_id()
    # A first run has saved-tensor hooks of the checkpoint's, or, of the reentrant kind, no gradients.
    if task == -1 and torch.is_grad_enabled() and torch._C._autograd._top_saved_tensors_default_hooks(True) is None:
        return make()
    again, first = _regions()
    if again is None:
        value = make()
    else:
        values, read = _log(again)
        place = read.get((task, id(owner)), 0)
        mine = values.get(id(owner), ())
        read[task, id(owner)] = place + 1
        value = mine[place][1] if place < len(mine) else make()
    for region in first:
        _log(region)[0].setdefault(id(owner), []).append((owner, value))  # the owner too, so that its id stays its own
    return value


def note(name: str, value: Any) -> None:
    """Keep, with the checkpointed regions whose first run is in progress, what holds for all that is called in them; the first note counts.

    Args:
        name: What it is.
        value: Its value.
    """
    if torch.is_grad_enabled() and torch._C._autograd._top_saved_tensors_default_hooks(True) is None:
        return
    for region in _regions()[1]:
        if not hasattr(region, _NOTES):
            setattr(region, _NOTES, {})
        getattr(region, _NOTES).setdefault(name, value)


def noted(name: str, default: Any) -> Any:
    """What `note` kept in the first run of the region that is being recomputed; `default` where there is none."""
    region = _regions()[0]
    return getattr(region, _NOTES, {}).get(name, default)


def in_backward(outputs: Sequence[torch.Tensor], enter: Callable[[], Callable[[], None]]) -> None:
    """Let `enter` run before each backward pass that begins at one of the outputs, and what it returns when that pass has ended.

    Args:
        outputs: Tensors with or without a gradient.
        enter: Sets what a recomputation must find; returns what sets it back.
    """
    entered: list[Any] = []  # what is to be set back, and the passes for which it was set

    def leave() -> None:
        entered.pop()()

    def begin(*_: Any) -> None:
        if not entered:
            entered.append(enter())
            torch.autograd.Variable._execution_engine.queue_callback(leave)

    for node in {t.grad_fn for t in outputs if t.grad_fn is not None}:
        node.register_prehook(begin)


def _log(region: Any) -> tuple[dict[int, list[Any]], dict[tuple[int, int], int]]:
    if not hasattr(region, _LOG):
        setattr(region, _LOG, ({}, {}))
    return getattr(region, _LOG)


def _regions() -> tuple[Any, list[Any]]:
    """The region that is being recomputed, or `None`, and those inside it whose first run is in progress."""
    first: list[Any] = []
    frame = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        if code.co_filename == _FILE:
            if code.co_name == "unpack_hook":
                return frame.f_locals["frame"], first
            if code.co_name == "backward":
                return frame.f_locals["ctx"], first
            if code.co_name == "forward":
                first.append(frame.f_locals["ctx"])
            elif code.co_name == "checkpoint" and "gen" in frame.f_locals:
                run = frame.f_locals["gen"].gi_frame
                if run is not None:
                    first.append(run.f_locals["new_frame"])
        frame = frame.f_back  # type: ignore[assignment]
    return None, first
