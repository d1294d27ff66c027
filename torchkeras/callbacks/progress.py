"""The progress bar: tqdm's, saying what Keras's says."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from tqdm import tqdm  # not `tqdm.auto`: its widgets are lost when a notebook is saved, and it warns where they are not installed
from tqdm.utils import disp_len

from .. import config, console
from ..console import say
from .callback import Callback, use_as_progbar

_INTERVAL = 0.1  # seconds: what the bar shows waits for the device, so it is shown at most this often


class Progbar:
    """A bar over known or unknown steps, with the time left and the values that go with it.

    In a terminal or a notebook it moves; elsewhere (a log file, a pipe) it is one line, written at the end.

    Args:
        target: Steps in all, `None` when that is not known.
        width: Characters of the bar itself; fewer where the terminal is narrow.
        verbose: 0 silent, 1 a bar, 2 a line at the end.
        interval: Seconds between two paintings at least.
        stateful_metrics: Names of values that are shown as they come; others are averaged over the steps.
        stateless_metrics: Names of values that are averaged; if given, all others are shown as they come.
        unit_name: What a step is called.

    >>> bar = keras.utils.Progbar(3, verbose=0)
    >>> bar.update(1, [('loss', 0.5)])
    >>> bar.target
    3
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        stateless_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ) -> None:
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ValueError("Give one of `stateful_metrics` and `stateless_metrics`, not both: what is not named is of the other kind.")
        self.target, self.width, self.verbose, self.interval, self.unit_name = target, width, verbose, interval, unit_name
        self.stateful_metrics = None if stateless_metrics is not None else set(stateful_metrics or ())
        self.stateless_metrics = None if stateless_metrics is None else set(stateless_metrics)
        self._sums: dict[str, list[Any]] = {}  # sum and count of what is averaged, else the value and None
        self._seen = 0
        self._start = time.perf_counter()
        self._after_first: float | None = None
        self._next = 0.0
        self._per_step, self._whole = 0.0, False  # seconds, and whether they are those of all steps: what comes then is validation
        self.moves = verbose == 1 and config.is_interactive_logging_enabled() and console.moves()
        self._bar: tqdm | None = None

    def update(self, current: int, values: Iterable[tuple[str, Any]] | None = None, finalize: bool | None = None) -> None:
        """Show that `current` steps are done.

        Args:
            current: Steps done.
            values: Pairs of a name and a number.
            finalize: Whether this is the last step; by default when the target is reached.
        """
        done, self._seen = current - self._seen, current
        for name, value in values or ():
            averaged = name not in self.stateful_metrics if self.stateful_metrics is not None else name in (self.stateless_metrics or ())
            if not averaged or isinstance(value, str):
                self._sums[name] = [value, None]
                continue
            entry = self._sums.setdefault(name, [0.0, 0])
            weight = max(done, 1)
            entry[0] += value * weight
            entry[1] += weight
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        if not self.due(current) and not finalize:
            return
        shown = {name: total if count is None else total / max(count, 1) for name, (total, count) in self._sums.items()}
        if finalize:
            self.finish(current, shown)
        else:
            self.paint(current, shown)

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Show that `n` more steps are done.

        Args:
            n: How many.
            values: Pairs of a name and its value in these steps.
        """
        self.update(self._seen + n, values)

    def due(self, current: int) -> bool:
        """Whether a moving bar may be painted now; tells the time of the first step apart, which warms up."""
        now = time.perf_counter()
        if self._after_first is None:
            self._after_first, self._first = now, current
        return self.moves and now >= self._next

    def paint(self, current: int, values: Mapping[str, Any], full: bool = False, note: str = "") -> None:
        """Show `current` steps and these values, whatever the time.

        Args:
            current: Steps done.
            values: What is shown beside them.
            full: Whether these were all steps.
            note: What comes after the values.
        """
        texts = _texts(values)  # reads from the device: the clock is read after it
        now = time.perf_counter()
        if not self._whole:
            self._per_step = self._step_seconds(current, now)
            self._whole = full
        per_step = self._per_step
        known = self.target is not None and not full
        left = per_step * max((self.target or 0) - current, 0) if known else now - self._start
        target = current if full else self.target
        size = f"{current:>{len(str(target))}}/{target}" if target else f"{current}/Unknown"
        columns = console.columns(100) - 1
        tail = f" {_clock(left)} {self._rate(per_step)}"
        room = columns - disp_len(size) - disp_len(tail) - disp_len(note) - (self.width + 3 if target else 0)
        for text in texts:  # those that do not fit are left out, whole
            room -= disp_len(text)
            if room < 0:
                break
            tail += text
        self._show(current, target, size, tail + note, columns)
        self.rest()

    def rest(self) -> None:
        """Be not due for an interval."""
        self._next = time.perf_counter() + self.interval

    def finish(self, current: int, values: Mapping[str, Any]) -> None:
        """Write the last state, with the whole time, and leave it there."""
        text = "".join(_texts(values))
        now = time.perf_counter()
        elapsed, rate = now - self._start, self._rate(self._per_step if self._whole else self._step_seconds(current, now))
        target = self.target or current
        if self.moves:
            self.close()
            full = tqdm.format_meter(current, target or 1, 0, bar_format=f"{{bar:{self.width}}}", ncols=self.width, ascii=_only_ascii())
            say(f"{current}/{target} |{full}| {_clock(elapsed)} {rate}{text}")
        elif self.verbose:
            say(f"{current}/{target} - {_clock(elapsed)} - {rate}{text}")

    def close(self, leave: bool = False) -> None:
        """Take the bar away.

        Args:
            leave: Whether it stands as it was last shown, and the next line is begun.
        """
        if self._bar is not None:
            self._bar.leave = leave
            self._bar.close()
            self._bar = None

    def _show(self, current: int, total: int | None, size: str, tail: str, columns: int) -> None:
        if self._bar is None:  # the sizes are given because tqdm paints nothing on a terminal that says it is 0 by 0 (CI, `script`)
            self._bar = tqdm(total=total, file=console.stdout(), bar_format="\r", mininterval=0, ncols=columns, nrows=20)
        width = max(5, min(self.width, columns - disp_len(size) - disp_len(tail) - 3))
        braced = tail.replace("{", "{{").replace("}", "}}")
        self._bar.n, self._bar.total, self._bar.ncols = current, total, columns
        self._bar.bar_format = f"{size} |{{bar:{width}}}|{braced}" if total else f"{size}{braced}"
        self._bar.refresh()

    def _step_seconds(self, current: int, now: float) -> float:
        if self._after_first is not None and current > self._first:
            return (now - self._after_first) / (current - self._first)
        return (now - self._start) / max(current, 1)

    def _rate(self, seconds: float) -> str:
        if seconds >= 1:
            return f"{seconds:.0f}s/{self.unit_name}"
        return f"{seconds * 1e3:.0f}ms/{self.unit_name}" if seconds >= 1e-3 else f"{seconds * 1e6:.0f}us/{self.unit_name}"


class ProgbarLogger(Callback):
    """The bar of `verbose=1` and the lines of `verbose=2`; `fit`, `evaluate` and `predict` add one.

    Values are read from the device only when the bar is painted, at most ten times a second.

    >>> isinstance(keras.callbacks.ProgbarLogger(), keras.callbacks.Callback)
    True
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0
        self.progbar: Progbar | None = None
        self.target: int | None = None  # the steps of an epoch, known at the latest once one has shown them
        self.verbose: int = 1
        self.epochs = 1
        self._called_in_fit = False
        self._trained: dict[str, Any] = {}  # what the training before the present validation came to
        self._validation: Progbar | None = None
        self._above = contextlib.ExitStack()

    def set_params(self, params: dict[str, Any]) -> None:
        super().set_params(params)
        verbose: Any = params.get("verbose", 1)
        self.verbose = 1 if verbose == "auto" else verbose
        self.epochs, self.target = params.get("epochs", 1), params.get("steps")

    def _open(self) -> None:
        self.leave()  # a bar that an interrupted run left
        self.seen = 0
        self.progbar = Progbar(self.target, verbose=self.verbose, interval=_INTERVAL)
        if self.progbar.moves:
            self._above.enter_context(console.above_bars())

    def _step(self, batch: int, logs: Mapping[str, Any] | None) -> None:
        self.seen = batch + 1
        if self.progbar is not None and self.progbar.due(self.seen):
            self.progbar.paint(self.seen, _numbers(logs))

    def _close(self, logs: Mapping[str, Any] | None) -> None:
        if self.progbar is not None:
            self.progbar.finish(self.seen, _numbers(logs))
            self.progbar = None
        self._above.close()
        self.target = self.target or self.seen

    def leave(self) -> None:
        """Leave the bars as they stand, on a line of their own: the run was interrupted."""
        for bar in (self._validation, self.progbar):
            if bar is not None:
                bar.close(leave=bar is self.progbar)
        self.progbar = self._validation = None
        self._above.close()

    def validates(self, logs: Mapping[str, Any], steps: int | None) -> None:
        """Show that the training of an epoch is done, and the steps of its validation below.

        Args:
            logs: What the training came to.
            steps: The steps of the validation, `None` when that is not known.
        """
        if self.progbar is not None and self.progbar.moves:
            self._trained = _numbers(logs)
            self.progbar.paint(self.seen, self._trained, full=True)
            self._validation = Progbar(steps, verbose=self.verbose, interval=_INTERVAL, unit_name="validation step")

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._called_in_fit = True

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.epochs > 1 and self.verbose:
            say(f"Epoch {epoch + 1}/{self.epochs}")
        self._open()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._step(batch, logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._close(logs)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._called_in_fit = False
        self.leave()

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        if not self._called_in_fit:  # the validation of an epoch is told in the epoch's own line
            self._open()

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if not self._called_in_fit:
            self._step(batch, logs)
        elif self._validation is not None and self.progbar is not None and self._validation.due(batch + 1):
            if console.in_notebook():  # which cannot go back up from a second line
                done = f"{batch + 1}/{self._validation.target or 'Unknown'}"
                self.progbar.paint(self.seen, self._trained, full=True, note=f" - validation: {done}")
                self._validation.rest()
            else:
                self._validation.paint(batch + 1, _numbers(logs))

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        if not self._called_in_fit:
            self._close(logs)
        elif self._validation is not None:
            self._validation.close()
            self._validation = None

    def on_predict_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._open()

    def on_predict_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._step(batch, None)

    def on_predict_end(self, logs: dict[str, Any] | None = None) -> None:
        self._close(None)


use_as_progbar(ProgbarLogger)


def _numbers(logs: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a line says: the loss first, and what was validated last."""
    values = {name: value for name, value in (logs or {}).items() if name != "outputs"}
    return dict(sorted(values.items(), key=lambda entry: (entry[0].startswith("val_"), entry[0] not in ("loss", "val_loss"))))


def _texts(values: Mapping[str, Any]) -> list[str]:
    """` - loss: 0.1234`, ` - accuracy: 0.9876`."""
    return [f" - {name}: {_number(value)}" for name, value in values.items()]


def _number(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):  # a metric that returns several numbers
        number = float(np.mean(value))
    return f"{number:.4f}" if abs(number) > 1e-3 or number == 0 else f"{number:.4e}"


def _clock(seconds: float) -> str:
    """`12s`, `3:05` or `1:02:03`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def _only_ascii() -> bool:
    """Whether standard output has no signs for a bar."""
    try:
        "█".encode(getattr(console.stdout(), "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return True
    return False
