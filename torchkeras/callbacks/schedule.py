"""Callbacks that change the learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..checks import check_callable, check_numbers
from ..console import say
from ..distribution import rank
from ..reporting import warn
from .callback import Callback
from .monitor import MonitorCallback


def learning_rate_of(optimizer: Any) -> float:
    """The learning rate of an optimizer, torch's own included."""
    value = getattr(optimizer, "learning_rate", None)
    return float(optimizer.param_groups[0]["lr"] if value is None else value)


def set_learning_rate(optimizer: Any, value: float) -> None:
    """Set it."""
    if hasattr(type(optimizer), "learning_rate"):
        optimizer.learning_rate = value
        return
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(value)
        else:
            group["lr"] = value


def _parts(optimizer: Any) -> list[tuple[str, Any]]:
    """The optimizers that have a learning rate, and what the names of their logs end with."""
    inside = getattr(optimizer, "optimizers", None)
    return [("", optimizer)] if inside is None else [(f"_{part.name}", part) for part in inside]


class LearningRateScheduler(Callback):
    """Set the learning rate before every epoch.

    Args:
        schedule: `schedule(epoch, learning_rate)`, or `schedule(epoch)`, returns the new rate.
        verbose: 1 prints it.

    >>> isinstance(keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9), keras.callbacks.Callback)
    True
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        super().__init__()
        check_callable("schedule", schedule, "lambda epoch, rate: rate * 0.9")
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        for suffix, optimizer in _parts(self.model.optimizer):
            try:
                rate = self.schedule(epoch, learning_rate_of(optimizer))
            except TypeError:  # the older form
                rate = self.schedule(epoch)
            if not isinstance(rate, (float, np.floating, int, torch.Tensor)):
                raise ValueError(f"`schedule` must return a number. Received: {rate!r} of type {type(rate).__name__}")
            if not math.isfinite(rate):
                raise ValueError(f"`schedule` must return a finite number. Received: {rate} for epoch {epoch}")
            set_learning_rate(optimizer, float(rate))
            if self.verbose and rank.is_main():
                whose = f"{suffix[1:]} learning rate" if suffix else "learning rate"
                say(f"Epoch {epoch + 1}: LearningRateScheduler setting {whose} to {float(rate)}.")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            logs.update({f"learning_rate{suffix}": learning_rate_of(part) for suffix, part in _parts(self.model.optimizer)})


class ReduceLROnPlateau(MonitorCallback):
    """Lower the learning rate when a number has stopped getting better.

    Args:
        monitor: The entry of the logs.
        factor: What the rate is multiplied by; below 1.
        patience: How many epochs without improvement are waited for.
        verbose: 1 prints changes.
        mode: `"min"`, `"max"` or `"auto"`.
        min_delta: What a change must exceed to count as better.
        cooldown: Epochs after a cut before waiting begins again.
        min_lr: The rate never goes below it.
        **kwargs: None are known.

    >>> isinstance(keras.callbacks.ReduceLROnPlateau(), keras.callbacks.Callback)
    True
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        **kwargs: Any,
    ) -> None:
        if "epsilon" in kwargs:
            warn("`epsilon` of ReduceLROnPlateau is now called `min_delta`.", DeprecationWarning)
            min_delta = kwargs.pop("epsilon")
        if kwargs:
            raise TypeError(f"ReduceLROnPlateau() got unexpected arguments: {', '.join(kwargs)}")
        super().__init__(monitor, mode, min_delta)
        check_numbers(0, below=1, factor=factor)  # the rate is multiplied by it
        check_numbers(0, patience=patience, cooldown=cooldown, min_lr=min_lr)
        self.factor, self.patience, self.verbose = factor, patience, verbose
        self.cooldown, self.min_lr = cooldown, min_lr
        self.cooldown_counter = self.wait = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.best = None
        self.cooldown_counter = self.wait = 0

    def in_cooldown(self) -> bool:
        """Whether a cut was made so recently that nothing is counted."""
        return self.cooldown_counter > 0

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = {} if logs is None else logs
        parts = _parts(self.model.optimizer)
        logs.update({f"learning_rate{suffix}": learning_rate_of(part) for suffix, part in parts})
        value = self.value(logs)
        if value is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self.is_better(value, self.best):
            self.best, self.wait = value, 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait < self.patience:
                return
            reduced = [self._reduce(epoch, suffix, part) for suffix, part in parts]
            if any(reduced):
                self.cooldown_counter, self.wait = self.cooldown, 0

    def _reduce(self, epoch: int, suffix: str, optimizer: Any) -> bool:
        """Lower the rate of one optimizer; whether it could be lowered."""
        old = learning_rate_of(optimizer)
        if old <= np.float32(self.min_lr):
            return False
        new = max(old * self.factor, self.min_lr)
        set_learning_rate(optimizer, new)
        if self.verbose and rank.is_main():
            whose = f"{suffix[1:]} learning rate" if suffix else "learning rate"
            say(f"Epoch {epoch + 1}: ReduceLROnPlateau reducing {whose} to {new}.")
        return True
