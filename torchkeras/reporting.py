"""What people see of a failure: tracebacks of their own frames, and warnings that point to their own lines."""

from __future__ import annotations

import dis
import functools
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, TypeVar

import torch
from torch.compiler import is_dynamo_compiling

from . import config

P = ParamSpec("P")
R = TypeVar("R")

_OWN = str(Path(__file__).parent) + os.sep
_HIDDEN = (_OWN, str(Path(torch.__file__).parent) + os.sep)
_LAST = "_tk_last_frame"
FAILURE = "_tk_failure"  # the attribute with what a layer has added to an error
# Errors by which torch's tracers tell themselves something; a program never sees them.
_SIGNALS = ("torch._dynamo.", "torch._export.", "torch._inductor.", "torch._subclasses.", "torch.export.", "torch.fx.", "torch.utils.")
_RAISE = dis.opmap["RAISE_VARARGS"]


def frames_of(error: BaseException) -> list[TracebackType]:
    """The entries of an error's traceback, outermost first."""
    found: list[TracebackType] = []
    entry = error.__traceback__
    while entry is not None:
        found.append(entry)
        entry = entry.tb_next
    return found


def hide_own_frames(error: BaseException) -> None:
    """Leave only the caller's frames in the traceback of an error that is on its way, and in those of its causes.

    One frame of this library stays too, where none of the caller's lies below it and the error is not from a `raise` of ours: the `call`
    of the layer that did its mathematics, else the last, where this library may have a fault. Nothing is hidden after
    `config.disable_traceback_filtering()`.

    Args:
        error: The error that is being handled; a bare `raise` sends it on.
    """
    if not config.is_traceback_filtering_enabled():
        return
    seen: set[int] = set()
    chain: BaseException | None = error
    while chain is not None and id(chain) not in seen:
        seen.add(id(chain))
        _hide(chain)
        chain = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)


def _hide(error: BaseException) -> None:
    kept: list[TracebackType] = []
    last: TracebackType | None = None  # of this library, below the caller's last
    entries = frames_of(error)
    known = _LAST in error.__dict__  # from a call further inside, which left nothing else below
    for entry in entries:
        file = entry.tb_frame.f_code.co_filename
        if not file.startswith(_HIDDEN):
            kept.append(entry)
            last = None
        elif file.startswith(_OWN) and not (last is not None and last.tb_frame.f_code.co_name == "call"):
            last = entry
    if known:
        last = error.__dict__[_LAST]
    elif last is not None and entries[-1].tb_frame.f_code.co_filename.startswith(_OWN) and _raises(entries[-1]):
        last = None
    error.__dict__[_LAST] = last
    if last is not None:
        kept.append(last)
    for entry, following in zip(kept, [*kept[1:], None]):
        entry.tb_next = following
    error.__traceback__ = kept[0] if kept else None


def _raises(entry: TracebackType) -> bool:
    """Whether a frame ends in a `raise` statement."""
    return entry.tb_frame.f_code.co_code[entry.tb_lasti] == _RAISE


def plain(error: BaseException) -> bool:
    """Whether an error is one message, which may be told with more words: its class stays, and so does what else it carries."""
    return len(error.args) == 1 and not type(error).__module__.startswith(_SIGNALS)


def rewrite(error: Exception, tell: Callable[[str], str]) -> None:
    """Change what a plain error says.

    Args:
        error: The error.
        tell: Gives the new text for the old one.
    """
    record = error.__dict__.get(FAILURE)
    if record is None:
        error.args = (Message(tell(str(error))),)
    else:
        record.text = tell(record.text)
        error.args = (Message(record),)


class Message(str):
    """A message that a KeyError shows with its line breaks."""

    __repr__ = str.__str__


def hides_own_frames(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a public function whose errors are to show the caller's frames only."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            hide_own_frames(error)
            raise

    return call


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn of something at the line outside this library and torch that led to it.

    Args:
        message: What the user reads.
        category: The class of the warning.
    """
    if is_dynamo_compiling():
        warnings.warn(message, category)  # Dynamo knows this function, and no frames
        return
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HIDDEN):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
