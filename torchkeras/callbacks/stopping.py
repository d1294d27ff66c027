"""Callbacks that end training."""

from __future__ import annotations

import math
from typing import Any

from ..checks import check_numbers
from ..console import say
from ..distribution import rank
from .callback import Callback
from .monitor import MonitorCallback


class EarlyStopping(MonitorCallback):
    """Stop when a number has not got better for a while.

    Args:
        monitor: The entry of the logs.
        min_delta: What a change must exceed to count as better.
        patience: How many epochs without improvement are waited for.
        verbose: 1 prints when training stops.
        mode: `"min"`, `"max"` or `"auto"`.
        baseline: What the first epochs must be better than.
        restore_best_weights: Whether the weights of the best epoch come back.
        start_from_epoch: Epochs before this one are not watched.

    >>> isinstance(keras.callbacks.EarlyStopping(), keras.callbacks.Callback)
    True
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta, baseline)
        check_numbers(0, patience=patience, start_from_epoch=start_from_epoch)
        self.patience, self.verbose = patience, verbose
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best_weights: list[Any] | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best = None
        self.best_weights = None

    def get_monitor_value(self, logs: dict[str, Any] | None) -> float | None:
        """The watched entry of `logs`; `None` with a warning where it is missing."""
        return self.value(logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        value = self.get_monitor_value(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = _copy(self.model), epoch  # if no epoch is ever better, the first one's
        self.wait += 1
        if self.is_better(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = _copy(self.model)
            if self.baseline is None or self.is_better(value, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.stopped_epoch > 0 and self.verbose > 0 and rank.is_main():
            say(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0 and rank.is_main():
                say(f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}.")
            for variable, value in zip(self.model.weights, self.best_weights):
                variable.assign(value)


def _copy(model: Any) -> list[Any]:
    return [w.value.detach().clone() for w in model.weights]


class TerminateOnNaN(Callback):
    """Stop when the loss of a batch is NaN or infinite. Reads the loss after every batch, which waits for the device.

    Args:
        raise_error: Whether a `RuntimeError` is raised instead.

    >>> isinstance(keras.callbacks.TerminateOnNaN(), keras.callbacks.Callback)
    True
    """

    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = raise_error
        self._terminated = False

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(f"NaN or infinite loss at batch {batch}: {loss}. Lower the learning rate, or clip gradients (`clipnorm=`).")
        if rank.is_main():
            say(f"Batch {batch}: invalid loss {loss}, terminating training")
        self._terminated = True
        self.model.stop_training = True
