"""The progress bar: tqdm's, saying what Keras's says."""

from __future__ import annotations

import logging
import shutil
import sys
import time
from typing import Any

from tqdm.auto import tqdm

from .. import config
from .callback import Callback, use_as_progbar

_REPAINT = 0.1  # seconds: what the bar shows waits for the device, so it is shown at most this often
_FORMAT = "{n_fmt}/{total_fmt} {bar:20} {elapsed} {rate_fmt}{postfix}"
_FORMAT_OPEN = "{n_fmt}/? {elapsed} {rate_fmt}{postfix}"


def format_logs(logs: dict[str, Any]) -> str:
    """`loss: 0.1234 - accuracy: 0.9876`."""
    parts = []
    for name, value in logs.items():
        try:
            number = float(value)
        except (TypeError, ValueError):
            parts.append(f"{name}: {value}")
            continue
        parts.append(f"{name}: {number:.4f}" if abs(number) > 1e-3 or number == 0 else f"{name}: {number:.4e}")
    return " - ".join(parts)


def step_time(seconds: float) -> str:
    """`12ms/step` and the like."""
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.0f}s/step"
    return f"{seconds * 1e3:.0f}ms/step" if seconds >= 1e-3 else f"{seconds * 1e6:.0f}us/step"


class ProgbarLogger(Callback):
    """The bar of `verbose=1` and the lines of `verbose=2`; `fit`, `evaluate` and `predict` add one.

    In a terminal or a notebook the bar moves; in a file each epoch leaves one line.
    """

    def __init__(self) -> None:
        super().__init__()
        self._bar: Any = None
        self._training = False
        self._next = 0.0

    # -- one bar, for an epoch, an evaluation or a prediction ------------------------------------------------------------------------------

    def _open(self) -> None:
        self._seen, self._start, self._next = 0, time.perf_counter(), 0.0
        self._steps = self.params.get("steps")
        moving = self.params.get("verbose", 1) == 1 and config.is_interactive_logging_enabled() and _can_move()
        self._bar = None
        if moving:
            layout = _FORMAT if self._steps else _FORMAT_OPEN
            self._bar = tqdm(total=self._steps, bar_format=layout, leave=True, file=sys.stdout, mininterval=0, miniters=1, ncols=None if shutil.get_terminal_size((0, 0)).columns else 100, dynamic_ncols=bool(shutil.get_terminal_size((0, 0)).columns))

    def _step(self, logs: dict[str, Any] | None) -> None:
        self._seen += 1
        if self._bar is None:
            return
        now = time.perf_counter()
        if now < self._next:
            return
        self._next = now + _REPAINT
        self._bar.n = self._seen
        shown = {k: v for k, v in (logs or {}).items() if k != "outputs"}
        self._bar.set_postfix_str(f"- {format_logs(shown)}" if shown else "", refresh=True)

    def _close(self, logs: dict[str, Any] | None) -> None:
        elapsed = time.perf_counter() - self._start
        shown = format_logs({k: v for k, v in (logs or {}).items() if k != "outputs"})
        per_step = step_time(elapsed / max(self._seen, 1))
        if self._bar is not None:
            self._bar.n = self._seen
            if self._steps is None:
                self._bar.total = self._seen
                self._bar.bar_format = _FORMAT
            self._bar.bar_format = f"{{n_fmt}}/{{total_fmt}} {{bar:20}} {{elapsed}} {per_step}{{postfix}}"
            self._bar.set_postfix_str(f"- {shown}" if shown else "", refresh=True)
            self._bar.close()
            self._bar = None
            return
        self._steps = self._seen
        _say(f"{self._seen}/{self._steps} - {elapsed:.0f}s - {per_step}" + (f" - {shown}" if shown else ""))

    def _drop(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    # -- training -----------------------------------------------------------------------------------------------------------------------

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._training = True
        self._epochs = self.params.get("epochs", 1)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._drop()  # one that an interrupted run left
        if self._epochs > 1:
            _say(f"Epoch {epoch + 1}/{self._epochs}")
        self._open()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._step(logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._close(logs)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._training = False
        self._drop()

    # -- evaluation and prediction --------------------------------------------------------------------------------------------------------

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        if not self._training:  # the validation of an epoch is told in the epoch's own line
            self._open()

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if not self._training:
            self._step(logs)

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        if not self._training:
            self._close(logs)

    def on_predict_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._open()

    def on_predict_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._step(None)

    def on_predict_end(self, logs: dict[str, Any] | None = None) -> None:
        self._close(None)


use_as_progbar(ProgbarLogger)


def _can_move() -> bool:
    return sys.stdout.isatty() or "ipykernel" in sys.modules


def _say(text: str) -> None:
    if config.is_interactive_logging_enabled():
        print(text, flush=True)
    else:
        logging.getLogger("torchkeras").info(text)
