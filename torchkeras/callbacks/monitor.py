"""What callbacks that watch one number share: which way is better, and whether it got better."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..checks import check_numbers
from ..reporting import warn
from .callback import Callback

_HIGHER = ("acc", "auc", "precision", "recall", "f1", "fbeta", "iou", "r2", "correlation", "true_", "sensitivity", "specificity")


class MonitorCallback(Callback):
    """A callback that watches one entry of the epochs' logs.

    Args:
        monitor: Its name.
        mode: `"min"`, `"max"`, or `"auto"`: by the metric's name.
        min_delta: What a change must exceed to count as better.
        baseline: What the first value must be better than.
    """

    def __init__(self, monitor: str = "val_loss", mode: str = "auto", min_delta: float = 0.0, baseline: float | None = None) -> None:
        super().__init__()
        if mode not in ("auto", "min", "max"):
            warn(f"`mode` of {type(self).__name__} must be 'auto', 'min' or 'max'; 'auto' is taken. Received: mode={mode!r}")
            mode = "auto"
        if not isinstance(monitor, str):
            raise ValueError(f"`monitor` must be the name of an entry of the logs. Received: monitor={monitor!r}")
        check_numbers(min_delta=min_delta)
        self.monitor, self.mode = monitor, mode
        self.min_delta = abs(min_delta)
        self.baseline = baseline
        self.best: float | None = baseline
        self._higher: bool | None = None

    @property
    def higher_is_better(self) -> bool:
        """Whether larger values are better."""
        if self._higher is None:
            if self.mode != "auto":
                self._higher = self.mode == "max"
            else:
                self._higher = self._direction()
        return self._higher

    @property
    def monitor_op(self) -> Callable[[Any, Any], Any]:
        """`np.greater` or `np.less`: what a value must be to the best one to be better."""
        return np.greater if self.higher_is_better else np.less

    def _direction(self) -> bool:
        name = self.monitor.removeprefix("val_")
        for metric in getattr(self.model, "metrics", ()):
            if metric.name == name and getattr(metric, "_direction", None) in ("up", "down"):
                return metric._direction == "up"
        return any(part in name for part in _HIGHER)

    def value(self, logs: dict[str, Any] | None) -> float | None:
        """The watched value, or `None` with a warning that names what there is."""
        logs = logs or {}
        if self.monitor not in logs:
            warn(
                f"{type(self).__name__} watches {self.monitor!r}, which is not among the logs: {', '.join(logs)}. Pass another `monitor=`"
                + (" or `validation_data` to `fit`." if self.monitor.startswith("val_") else ".")
            )
            return None
        return float(logs[self.monitor])

    def is_better(self, value: float, best: float | None) -> bool:
        """Whether `value` beats `best` by more than `min_delta`; NaN beats nothing."""
        if math.isnan(value):
            return False
        if best is None:
            return True
        return value - self.min_delta > best if self.higher_is_better else value + self.min_delta < best
