"""Callbacks that record: a CSV file, functions of the user's."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..checks import check_callable
from ..distribution import rank
from .callback import Callback


class CSVLogger(Callback):
    """Append the logs of every epoch to a CSV file, which is readable at any moment.

    Args:
        filename: The file.
        separator: What stands between values.
        append: Whether an existing file is continued.

    >>> isinstance(keras.callbacks.CSVLogger("log.csv"), keras.callbacks.Callback)
    True
    """

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        super().__init__()
        self.filename, self.sep, self.append = os.fspath(filename), separator, append
        self.append_header = True
        self.keys: list[str] | None = None
        self.csv_file: Any = None
        self.writer: Any = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if not rank.is_main():
            return
        path = Path(self.filename)
        goes_on = self.append and path.exists() and path.stat().st_size > 0
        self.csv_file = open(path, "a" if self.append else "w", newline="")  # closed in on_train_end
        self.writer = None
        self.append_header = not goes_on

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.csv_file is None:
            return
        logs = logs or {}
        if self.keys is None:
            self.keys = sorted(logs)
            if not any(k.startswith("val_") for k in self.keys):  # the first validation may come later
                self.keys += [f"val_{k}" for k in self.keys]
        if self.writer is None:
            self.writer = csv.DictWriter(self.csv_file, fieldnames=["epoch", *self.keys], delimiter=self.sep)
            if self.append_header:
                self.writer.writeheader()
        row = {k: _text(logs[k]) if k in logs else "NA" for k in self.keys}
        self.writer.writerow({"epoch": epoch, **row})
        self.csv_file.flush()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.csv_file is not None:
            self.csv_file.close()
            self.csv_file = self.writer = None


def _text(value: Any) -> Any:
    if isinstance(value, str) or not isinstance(value, (Iterable, np.ndarray)):
        return value
    return f'"[{", ".join(map(str, value))}]"'


class LambdaCallback(Callback):
    """A callback made of functions.

    Args:
        on_epoch_begin: Called as `(epoch, logs)`.
        on_epoch_end: Called as `on_epoch_end(epoch, logs)`.
        on_train_begin: Called as `(logs)`.
        on_train_end: Called as `on_train_end(logs)`.
        on_train_batch_begin: Called as `(batch, logs)`.
        on_train_batch_end: Called as `on_train_batch_end(batch, logs)`.
        **kwargs: Any other method of `Callback`, by name (`on_batch_begin` and `on_batch_end` too), and further attributes.

    >>> isinstance(keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch)), keras.callbacks.Callback)
    True
    """

    def __init__(
        self,
        on_epoch_begin: Callable | None = None,
        on_epoch_end: Callable | None = None,
        on_train_begin: Callable | None = None,
        on_train_end: Callable | None = None,
        on_train_batch_begin: Callable | None = None,
        on_train_batch_end: Callable | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        given = dict(
            on_epoch_begin=on_epoch_begin, on_epoch_end=on_epoch_end, on_train_begin=on_train_begin, on_train_end=on_train_end,
            on_train_batch_begin=on_train_batch_begin or kwargs.pop("on_batch_begin", None),
            on_train_batch_end=on_train_batch_end or kwargs.pop("on_batch_end", None), **kwargs,
        )  # fmt: skip
        self._given = {k: v for k, v in given.items() if v is not None}
        for name, function in self._given.items():
            check_callable(name, function, "lambda epoch, logs: print(logs)")
        for name, function in self._given.items():
            setattr(self, name, function)
