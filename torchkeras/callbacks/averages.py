"""Using the moving averages of the weights before training ends."""

from __future__ import annotations

from typing import Any

import torch

from .callback import Callback


class SwapEMAWeights(Callback):
    """Evaluate and predict with the moving averages that an optimizer with `use_ema=True` keeps; train on the weights themselves.

    Args:
        swap_on_epoch: Whether the averages are in the model from the end of an epoch to the beginning of the next, for callbacks that
            come after this one, such as `ModelCheckpoint`.

    Raises:
        ValueError: If no optimizer of the model keeps averages.

    Example:

    >>> import torchkeras
    >>> model = torchkeras.Sequential([torchkeras.Input((2,)), torchkeras.layers.Dense(1)])
    >>> model.compile(torchkeras.optimizers.Adam(use_ema=True), "mse")
    >>> swap = torchkeras.callbacks.SwapEMAWeights()
    >>> history = model.fit([[1.0, 2.0]], [[3.0]], validation_data=([[1.0, 2.0]], [[3.0]]), callbacks=[swap], verbose=0)
    """

    def __init__(self, swap_on_epoch: bool = False) -> None:
        super().__init__()
        self.swap_on_epoch = swap_on_epoch
        self._own: list[tuple[torch.Tensor, torch.Tensor]] = []  # the weights whose place the averages have taken

    def _put(self) -> None:
        """The averages into the model."""
        self._take()  # one that an interrupted run left
        with torch.no_grad():
            for weight, average in self._averages():
                self._own.append((weight, weight.detach().clone()))
                weight.copy_(average)

    def _take(self) -> None:
        """The weights back into the model."""
        with torch.no_grad():
            for weight, own in self._own:
                weight.copy_(own)
        self._own = []

    def _averages(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        optimizer = self.model.optimizer
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        keeping = [o for o in getattr(optimizer, "optimizers", [optimizer]) if getattr(o, "use_ema", False)]
        if not keeping:
            raise ValueError("SwapEMAWeights needs an optimizer with `use_ema=True`. Received: use_ema=False")
        return [(weight, state["average"]) for o in keeping for weight, state in o.state.items() if "average" in state]

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._take()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._take()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.swap_on_epoch:
            self._put()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._own = []  # `fit` ends with the averages in the model

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._put()

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        self._take()

    def on_predict_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._put()

    def on_predict_end(self, logs: dict[str, Any] | None = None) -> None:
        self._take()
