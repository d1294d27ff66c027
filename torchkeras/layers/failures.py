"""An error that leaves a layer's `call` names the layer, where it stands and what it was called with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import nn

from ..graph import KerasTensor, Operation, infer
from ..reporting import FAILURE, Message, frames_of, plain

_LONGEST = 200  # characters of an argument


@dataclass
class Failure:
    """What is known of an error that has left a layer's `call`.

    Args:
        text: What the error said.
        layer: The innermost layer that was called.
        given: Its arguments, as lines of text.
        around: The layers around it, innermost first.
    """

    text: str
    layer: nn.Module
    given: list[str]
    around: list[nn.Module] = field(default_factory=list)

    def __str__(self) -> str:
        called = f"{type(self.layer).__name__}.call()"
        places = "".join(f" in {_name(layer)!r}" for layer in self.around)
        lines = "".join(f"\n  • {line}" for line in self.given)
        where = f"the layer {_name(self.layer)!r}{places}"
        arguments = f"\n\nArguments received by {called}:{lines}" if lines else ""
        return f"Exception encountered when calling {called}, {where}.\n\n{self.text}{arguments}"


def is_named(error: Exception) -> bool:
    """Whether the error tells already where it was raised."""
    return FAILURE in error.__dict__


def name_the_layer(error: Exception) -> None:
    """Let an error that is leaving the call of a layer tell in which layer's `call` it was raised.

    The object and its class stay. An error of more than one argument, or none, keeps its own text.

    Args:
        error: The error that is being handled.
    """
    if not plain(error):
        return
    found = _layers_of(error)
    if not found:
        return
    record: Failure | None = error.__dict__.get(FAILURE)
    layers = [each for each, _ in found]
    if record is None:
        calls = [i for i, (_, frames) in enumerate(found) if any(f.f_code.co_name == "call" for f in frames)]
        if not calls and len(found) > 1:
            calls = [0]  # a graph, which calls its layers without a frame of its own
        if not calls:
            return
        inner = calls[-1]
        record = Failure(str(error), layers[inner], _describe(*found[inner]), layers[:inner][::-1])
    else:
        known = [record.layer, *record.around]
        record.around += [each for each in reversed(layers) if not any(each is k for k in known)]
    error.__dict__[FAILURE] = record
    error.args = (Message(record),)


def _layers_of(error: Exception) -> list[tuple[Any, list[FrameType]]]:
    """The layers whose methods the traceback goes through, outermost first, each with its frames."""
    found: list[tuple[Any, list[FrameType]]] = []
    for entry in frames_of(error):
        frame = entry.tb_frame
        code = frame.f_code
        if not code.co_argcount or code.co_name not in ("__call__", "forward", "call", "_tk_forward", "forward_of_graph"):
            continue
        owner = frame.f_locals.get(code.co_varnames[0])
        if not (isinstance(owner, Operation) and isinstance(owner, nn.Module)):
            continue
        known = next((frames for each, frames in found if each is owner), None)
        if known is None:
            found.append((owner, [frame]))
        else:
            known.append(frame)
    return found


def _describe(layer: Any, frames: list[FrameType]) -> list[str]:
    """The arguments of a call: as they came to the layer, else as its `call` has them."""
    names: list[str] = layer._tk_call_info().positional
    frame = frames[0]
    if frame.f_code.co_name == "call":
        code = frame.f_code
        stop = code.co_argcount + code.co_kwonlyargcount
        given: Mapping[str, Any] = {name: frame.f_locals[name] for name in code.co_varnames[1:stop] if name in frame.f_locals}
    else:
        values = frame.f_locals
        args, kwargs = values.get("args", ()), values.get("kwargs", {})
        given = {**dict(zip(names, args)), **kwargs}
        for i in range(len(names), len(args)):
            given = {**given, f"argument {i}": args[i]}
    return [f"{name}={_show(value)}" for name, value in given.items()]


def _show(value: Any) -> str:
    """An argument in a few words: sizes and types of tensors, never their values."""
    if isinstance(value, (torch.Tensor, np.ndarray)):
        kind = "Tensor" if infer.unknown_size() else type(value).__name__
        return f"{kind}(shape={infer.known_shape(value)}, dtype={str(value.dtype).removeprefix('torch.')})"
    if isinstance(value, KerasTensor):
        return f"KerasTensor(shape={value.shape}, dtype={value.dtype})"
    if isinstance(value, (list, tuple)):
        inner = ", ".join(map(_show, value[:8])) + (", …" if len(value) > 8 else "")
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_show(item)}" for key, item in list(value.items())[:8]) + "}"
    if value is None or isinstance(value, (bool, int, float, str, bytes, complex)):
        shown = repr(value)
        return shown if len(shown) <= _LONGEST else shown[:_LONGEST] + "…"
    return f"<{type(value).__name__}>"


def _name(layer: Any) -> str:
    return str(layer.__dict__.get("name", type(layer).__name__))
