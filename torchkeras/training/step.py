"""One training step: forward, loss, backward, update, metrics. Written once, run eagerly, captured, or replicated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from .. import tree


class BatchLogs(dict):
    """The logs of a batch, computed when somebody reads them: until then nobody waits for the device.

    Args:
        read: Gives the logs as tensors or numbers.
    """

    def __init__(self, read: Callable[[], dict[str, Any]]) -> None:
        super().__init__()
        self._read = read
        self.stale = True

    def _fresh(self) -> BatchLogs:
        if self.stale:
            self.stale = False
            super().clear()
            super().update({k: to_number(v) for k, v in self._read().items()})
        return self

    def __getitem__(self, key: str) -> Any:
        return dict.__getitem__(self._fresh(), key)

    def __contains__(self, key: object) -> bool:
        return dict.__contains__(self._fresh(), key)

    def __iter__(self) -> Iterator[str]:
        return dict.__iter__(self._fresh())

    def __len__(self) -> int:
        return dict.__len__(self._fresh())

    def __repr__(self) -> str:
        return dict.__repr__(self._fresh())

    def __eq__(self, other: object) -> bool:
        return dict.__eq__(self._fresh(), other)

    __hash__ = None

    def get(self, key: str, default: Any = None) -> Any:
        return dict.get(self._fresh(), key, default)

    def keys(self) -> Any:
        return dict.keys(self._fresh())

    def items(self) -> Any:
        return dict.items(self._fresh())

    def values(self) -> Any:
        return dict.values(self._fresh())

    def copy(self) -> dict[str, Any]:
        return dict(dict.items(self._fresh()))


def to_number(value: Any) -> Any:
    """A scalar tensor or array as a Python float; anything else as it is (waits for the device)."""
    if isinstance(value, torch.Tensor):
        return value.item() if value.ndim == 0 else value.detach().cpu().numpy()
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        return value.item()
    return value


def rows_of(data: Any) -> int:
    """How many samples a nest of tensors holds."""
    for leaf in tree.flatten(data):
        if isinstance(leaf, torch.Tensor):
            return leaf.shape[0] if leaf.ndim else 1
    return 1


class TrainStep:
    """What one step of `fit` does when the model leaves `train_step` as it is, with everything that can be looked up looked up.

    Args:
        model: A compiled and built model.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.optimizer = model.optimizer
        self.own_optimizer = hasattr(model.optimizer, "apply_stored")
        self.tracker = model._loss_tracker
        self.total, self.count = self.tracker.variables[:2]
        self.update_metrics = model._update_metrics
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        if self.own_optimizer:
            self.parameters = list(model.optimizer.parameters)
        self.loss_scale = getattr(model.optimizer, "scale_loss", None) if _scales(model.optimizer) else None

    def forward(self, x: Any, y: Any, sample_weight: Any) -> tuple[torch.Tensor, Any]:
        """The loss and the predictions."""
        model = self.model
        y_pred = model(x)
        loss = model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=True)
        return loss, y_pred

    def update(self, rows: int) -> None:
        """Let the optimizer use the gradients that `backward` left, and drop them."""
        if self.own_optimizer:
            self.optimizer.apply_stored(weight=rows if self.optimizer.gradient_accumulation_steps else None)
        else:
            self.optimizer.step()
        for p in self.parameters:
            p.grad = None

    def record(self, loss: torch.Tensor, rows: float) -> None:
        """Add the batch's loss to the running mean."""
        with torch.no_grad():
            self.total.add_(loss.detach(), alpha=rows)
            self.count.add_(rows)

    def __call__(self, x: Any, y: Any, sample_weight: Any, rows: float) -> None:
        loss, y_pred = self.forward(x, y, sample_weight)
        self.record(loss, rows)
        (loss if self.loss_scale is None else self.loss_scale(loss)).backward()
        self.update(int(rows))
        with torch.no_grad():
            self.update_metrics(x, y, y_pred, sample_weight)


def _scales(optimizer: Any) -> bool:
    return bool(getattr(optimizer, "loss_scale_factor", None)) or type(optimizer).__name__ == "LossScaleOptimizer"
