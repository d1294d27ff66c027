"""What standard output is (a terminal, a notebook, a file), and lines that are said there, also while a bar moves."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from typing import Any

from tqdm import tqdm

from . import config

_ASCII = str.maketrans("┏┳┓┡╇┩├┼┤└┴┘━─┃│", "++++++++++++=-||")  # for terminals that have no other signs


def stdout() -> Any:
    """Standard output itself, also while lines are written above bars; `None` where there is none."""
    return sys.stdout._stream if isinstance(sys.stdout, _Above) else sys.stdout


def in_notebook() -> bool:
    """Whether standard output goes to a notebook."""
    return type(stdout()).__module__.startswith("ipykernel")


def is_terminal() -> bool:
    """Whether standard output goes to a terminal."""
    return stdout() is not None and stdout().isatty()


def moves() -> bool:
    """Whether what was written to standard output can be written over: a terminal, a notebook, or PyCharm's window."""
    return stdout() is not None and (is_terminal() or in_notebook() or "PYCHARM_HOSTED" in os.environ)


def has_colors() -> bool:
    """Whether standard output shows colours: a terminal that is not told otherwise (https://no-color.org, https://force-color.org)."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (is_terminal() and os.environ.get("TERM") not in ("dumb", "unknown"))


def columns(default: int = 80) -> int:
    """The width of the terminal, or of what `COLUMNS` in the environment tells.

    Args:
        default: What it is where there is no terminal, and `COLUMNS` is not set.
    """
    return shutil.get_terminal_size((default, 24)).columns


def say(text: str, end: str = "\n") -> None:
    """Print a line, above the bar if one moves; to the `logging` module where interactive logging is off.

    Args:
        text: The line, or several.
        end: What is written after it.
    """
    stream = stdout()
    if not config.is_interactive_logging_enabled():
        logging.getLogger("torchkeras").info(text)
    elif stream is not None:
        with tqdm.external_write_mode(file=stream):
            try:
                print(text, end=end, flush=True, file=stream)
            except UnicodeEncodeError:
                encoding = stream.encoding or "ascii"
                print(text.translate(_ASCII).encode(encoding, "replace").decode(encoding), end=end, flush=True, file=stream)


class _Above:
    """A stream whose lines are written above the bars that move on it.

    Args:
        stream: Where they are written.
    """

    def __init__(self, stream: Any) -> None:
        self._stream, self._begun, self._open = stream, "", True

    def write(self, text: str) -> int:
        """Write the lines that `text` completes, and keep the beginning of the next one.

        Args:
            text: What is written.
        """
        if not self._open or text.startswith("\r"):  # a bar of somebody else's
            return self._stream.write(text)
        lines, end, self._begun = (self._begun + text).rpartition("\n")
        if end:
            with tqdm.external_write_mode(file=stdout()):
                self._stream.write(lines + end)
        return len(text)

    def end(self) -> None:
        """Write what is left; from here on the stream is as it was, for those that have kept this one."""
        self._open = False
        self._stream.write(self._begun)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Streams:
    """Standard output and error while bars move, which belong to the process as these do."""

    def __init__(self) -> None:
        self.lock, self.users, self.replaced = threading.Lock(), 0, dict[str, _Above]()

    def open(self) -> None:
        """Write above the bars from here on."""
        with self.lock:
            self.users += 1
            for name in ("stdout", "stderr"):
                stream = getattr(sys, name)
                if self.users == 1 and stream is not None and (stream.isatty() or name == "stdout"):
                    self.replaced[name] = _Above(stream)
                    setattr(sys, name, self.replaced[name])

    def close(self) -> None:
        """Put back what was there, unless somebody else has replaced it meanwhile."""
        with self.lock:
            self.users -= 1
            while not self.users and self.replaced:
                name, stream = self.replaced.popitem()
                if getattr(sys, name) is stream:
                    setattr(sys, name, stream._stream)
                stream.end()


_streams = _Streams()


@contextlib.contextmanager
def above_bars() -> Iterator[None]:
    """While it is entered, lines that anybody prints stand above the bars that move, each on a line of its own."""
    _streams.open()
    try:
        yield
    finally:
        _streams.close()
