"""Callbacks that write the model to files."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from ..console import say
from ..distribution import rank
from .monitor import MonitorCallback


class ModelCheckpoint(MonitorCallback):
    """Save the model or its weights every epoch, or every so many batches.

    Args:
        filepath: Where; `{epoch:02d}`, `{val_loss:.2f}` and the like are filled in. Ends in `.keras`, or in `.weights.h5` with
            `save_weights_only`.
        monitor: The entry of the logs that decides what is best.
        verbose: 1 prints when something is saved.
        save_best_only: Whether only improvements are saved.
        save_weights_only: Whether weights alone are saved.
        mode: `"min"`, `"max"` or `"auto"`.
        save_freq: `"epoch"`, or a number of batches.
        initial_value_threshold: What the first value must be better than, with `save_best_only`.

    Raises:
        ValueError: If there is another `save_freq`, or a suffix that does not go with `save_weights_only`.

    >>> isinstance(keras.callbacks.ModelCheckpoint("best.keras"), keras.callbacks.Callback)
    True
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, baseline=initial_value_threshold)
        self.filepath = os.fspath(filepath)
        self.verbose = verbose
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        if save_freq != "epoch" and (not isinstance(save_freq, int) or save_freq < 1):
            raise ValueError(f"`save_freq` must be 'epoch' or a positive number of batches. Received: save_freq={save_freq!r}")
        self.save_freq = save_freq
        known = (".weights.h5", ".safetensors") if save_weights_only else (".keras",)
        if not self.filepath.endswith(known):
            raise ValueError(
                f"`filepath` must end in {' or '.join(known)} with save_weights_only={save_weights_only}. "
                f"Received: filepath={self.filepath!r}"
            )
        self._tk_batches = 0
        self._epoch = 0
        self._last_batch = -1

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch
        self._last_batch = -1

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if isinstance(self.save_freq, str):
            return
        self._tk_batches += batch - self._last_batch
        self._last_batch = batch
        if self._tk_batches >= self.save_freq:
            self._tk_batches = 0
            self._save(self._epoch, batch, logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch, None, logs)

    def _save(self, epoch: int, batch: int | None, logs: dict[str, Any] | None) -> None:
        if self.save_best_only:
            value = self.value(logs)
            if value is None:
                return
            if not self.is_better(value, self.best):
                if self.verbose and rank.is_main():
                    say(f"Epoch {epoch + 1}: {self.monitor} did not improve from {self.best:.5f}")
                return
            if self.verbose and rank.is_main():
                before = "none" if self.best is None else f"{self.best:.5f}"
                path = self._path(epoch, batch, logs)
                say(f"Epoch {epoch + 1}: {self.monitor} improved from {before} to {value:.5f}, saving model to {path}")
            self.best = value
        elif self.verbose and rank.is_main():
            say(f"Epoch {epoch + 1}: saving model to {self._path(epoch, batch, logs)}")
        if not rank.is_main():  # one process writes
            return
        path = self._path(epoch, batch, logs)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)

    def _path(self, epoch: int, batch: int | None, logs: dict[str, Any] | None) -> str:
        values = dict(logs or {}) if "{" in self.filepath else {}
        try:
            return self.filepath.format(epoch=epoch + 1, batch=0 if batch is None else batch + 1, **values)
        except KeyError as error:
            names = re.findall(r"{(\w+)", self.filepath)
            raise KeyError(
                f"`filepath` names {error.args[0]!r} ({', '.join(names)} in all), which is not among the logs: {', '.join(values)}"
            ) from None
