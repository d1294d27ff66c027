"""The progress bar: tqdm's, saying what Keras's says."""

from __future__ import annotations

import logging
import shutil
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any

from tqdm.auto import tqdm
from tqdm.utils import disp_len

from .. import config
from .callback import Callback, use_as_progbar

_WIDGETS = any(base.__module__ == "tqdm.notebook" for base in tqdm.__mro__)  # in a notebook, which draws the bar itself
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
        self.target, self.width, self.verbose, self.interval, self.unit_name = target, width, verbose, interval, unit_name
        self.stateful_metrics = set(stateful_metrics or ())
        self.stateless_metrics = None if stateless_metrics is None else set(stateless_metrics)
        self._sums: dict[str, list[Any]] = {}  # sum and count of what is averaged, else the value and None
        self._seen = 0
        self._start = time.perf_counter()
        self._after_first: float | None = None
        self._next = 0.0
        self._moves = verbose == 1 and config.is_interactive_logging_enabled() and _stdout_moves()
        self._bar: Any = None

    def update(self, current: int, values: Iterable[tuple[str, Any]] | None = None, finalize: bool | None = None) -> None:
        """Show that `current` steps are done.

        Args:
            current: Steps done.
            values: Pairs of a name and a number.
            finalize: Whether this is the last step; by default when the target is reached.
        """
        done, self._seen = current - self._seen, current
        for name, value in values or ():
            averaged = name not in self.stateful_metrics if self.stateless_metrics is None else name in self.stateless_metrics
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
        """Show that `n` more steps are done. `values` as in `update`."""
        self.update(self._seen + n, values)

    def due(self, current: int) -> bool:
        """Whether a moving bar may be painted now; tells the time of the first step apart, which warms up."""
        now = time.perf_counter()
        if self._after_first is None:
            self._after_first, self._first = now, current
        return self._moves and now >= self._next

    def paint(self, current: int, values: Mapping[str, Any]) -> None:
        """Show `current` steps and these values, whatever the time."""
        text = _joined(values)  # reads from the device: the clock is read after it
        now = time.perf_counter()
        per_step = self._step_seconds(current, now)
        left = now - self._start if self.target is None else per_step * max(self.target - current, 0)
        self._show(current, f"{_clock(left)} {self._rate(per_step)}{text}")
        self._next = time.perf_counter() + self.interval

    def finish(self, current: int, values: Mapping[str, Any]) -> None:
        """Write the last state, with the whole time, and leave it there."""
        text = _joined(values)
        now = time.perf_counter()
        elapsed, rate = now - self._start, self._rate(self._step_seconds(current, now))
        if self._moves:
            self._show(current, f"{_clock(elapsed)} {rate}{text}", whole=True)
            line = "" if _WIDGETS else str(self._bar)
            self._bar.leave = not line  # tqdm paints a last time as it closes, which shows a wrapped line twice
            self.close()
            if line:
                say(line)
        elif self.verbose:
            say(f"{current}/{self.target or current} - {_clock(elapsed)} - {rate}{text}")

    def close(self) -> None:
        """Leave the bar as it stands and go to the next line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _show(self, current: int, tail: str, whole: bool = False) -> None:
        columns = shutil.get_terminal_size((100, 24)).columns - 1
        if self._bar is None:  # the sizes are given because tqdm paints nothing on a terminal that says it is 0 by 0 (CI, `script`)
            size = {} if _WIDGETS else {"ncols": columns, "nrows": 20}
            self._bar = tqdm(total=self.target, file=sys.stdout, bar_format="\r", mininterval=0, leave=True, **size)
        total = self.target or (current if whole else None)
        head = f"{current:>{len(str(total))}}/{total}" if total else f"{current}/Unknown"
        width = self.width if whole else min(self.width, max(columns - disp_len(head) - disp_len(tail) - 4, 5))
        drawn = "{bar}" if _WIDGETS else f"{{bar:{width}}}"  # a notebook draws its own
        braced = tail.replace("{", "{{").replace("}", "}}")
        self._bar.n, self._bar.total = current, total
        self._bar.ncols = None if whole or _WIDGETS else columns  # while it moves, a line that would wrap is cut
        self._bar.bar_format = f"{head} |{drawn}| {braced}" if total else f"{head} {braced}"
        if not whole or _WIDGETS:
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
    """

    def __init__(self) -> None:
        super().__init__()
        self._bar: Progbar | None = None
        self._training = False
        self._seen = 0
        self._known: int | None = None  # the steps of an epoch, once one has shown them

    def set_params(self, params: dict[str, Any]) -> None:
        super().set_params(params)
        self._known = params.get("steps")

    def _open(self) -> None:
        self._drop()  # one that an interrupted run left
        self._seen = 0
        self._bar = Progbar(self._known, verbose=self.params.get("verbose", 1), interval=_INTERVAL)

    def _step(self, batch: int, logs: Mapping[str, Any] | None) -> None:
        self._seen = batch + 1
        if self._bar is not None and self._bar.due(self._seen):
            self._bar.paint(self._seen, _numbers(logs))

    def _close(self, logs: Mapping[str, Any] | None) -> None:
        if self._bar is not None:
            self._bar.finish(self._seen, _numbers(logs))
            self._bar = None
        self._known = self._known or self._seen

    def _drop(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._training = True

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        epochs = self.params.get("epochs", 1)
        if epochs > 1 and self.params.get("verbose", 1):
            say(f"Epoch {epoch + 1}/{epochs}")
        self._open()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._step(batch, logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._close(logs)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._training = False
        self._drop()

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        if not self._training:  # the validation of an epoch is told in the epoch's own line
            self._open()

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if not self._training:
            self._step(batch, logs)

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        if not self._training:
            self._close(logs)

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


def _joined(values: Mapping[str, Any]) -> str:
    """` - loss: 0.1234 - accuracy: 0.9876`."""
    return "".join(f" - {name}: {_number(value)}" for name, value in values.items())


def _number(value: Any) -> str:
    try:
        number = float(value)
    except (TypeError, ValueError):  # text, or a metric that returns several numbers
        return str(value)
    return f"{number:.4f}" if abs(number) > 1e-3 or number == 0 else f"{number:.4e}"


def _clock(seconds: float) -> str:
    """`12s`, `3:05` or `1:02:03`."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def _stdout_moves() -> bool:
    """Whether what was written can be written over: a terminal or a notebook."""
    return sys.stdout is not None and (sys.stdout.isatty() or type(sys.stdout).__module__.startswith("ipykernel"))


def say(text: str) -> None:
    """Print a line, above the bar if one is moving; to the `logging` module where interactive logging is off."""
    if config.is_interactive_logging_enabled():
        tqdm.write(text)
        if sys.stdout is not None:
            sys.stdout.flush()
    else:
        logging.getLogger("torchkeras").info(text)
