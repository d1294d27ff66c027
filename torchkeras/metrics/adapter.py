"""Metrics of other libraries (torchmetrics) as metrics of this one."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from .. import registry
from ..graph import convert_to_tensor
from .metric import Metric


def is_foreign(metric: Any) -> bool:
    """Whether `metric` is an object with the methods `update`, `compute` and `reset` of torchmetrics."""
    return not isinstance(metric, (Metric, type)) and all(callable(getattr(metric, name, None)) for name in ("update", "compute", "reset"))


class MetricAdapter(Metric):
    """A torchmetrics metric: `update(preds, target)`, `compute()`, `reset()`. It reduces its own state over processes in `compute`.

    Args:
        metric: The metric.
        name: Its name; the class's in snake case without one.

    Raises:
        ValueError: An object without these methods.
    """

    def __init__(self, metric: Any, name: str | None = None) -> None:
        if not is_foreign(metric):
            raise ValueError(f"`metric` must have the methods update, compute and reset. Received: {metric!r}")
        super().__init__(name=name or registry.snake_case(type(metric).__name__))
        self.metric = metric

    def to(self, device: torch.device | str) -> Metric:
        if hasattr(self.metric, "to"):
            self.metric = self.metric.to(device)
        return self

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch.

        Args:
            y_true: Targets; an axis of size 1 that the predictions lack, or have as classes, is dropped.
            y_pred: Predictions.
            sample_weight: Must be `None`: torchmetrics has no weights.

        Raises:
            ValueError: Weights.
        """
        if sample_weight is not None:
            raise ValueError(f"`sample_weight` cannot be used with the metric {self.name}: torchmetrics takes none.")
        y_pred = convert_to_tensor(y_pred).detach()
        y_true = convert_to_tensor(y_true, device=y_pred.device).to(y_pred.device)
        if y_true.ndim and y_true.shape[-1] == 1 and y_true.ndim == y_pred.ndim and y_pred.shape[-1] != 1:
            y_true = y_true.squeeze(-1)
        if getattr(self.metric, "device", y_pred.device) != y_pred.device:
            self.to(y_pred.device)
        self.metric.update(y_pred, y_true)

    def result(self) -> Tensor | dict[str, Tensor]:
        return self.metric.compute()

    def reset_state(self) -> None:
        self.metric.reset()

    def synced_result(self) -> Any:
        return self.result()

    def get_config(self) -> dict[str, Any]:
        raise ValueError(
            f"The metric {self.name} of {type(self.metric).__module__} has no config. Compile the loaded model with the metric again."
        )

    def clone(self) -> MetricAdapter:
        """A copy that has seen nothing."""
        other = MetricAdapter(copy.deepcopy(self.metric), self.name)
        other.reset_state()
        return other
