"""One training step in four pieces, `forward_loss -> backward -> update -> record`: run eagerly, captured, or by several processes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import torch

from .. import metrics, optimizers, tree
from ..data import unpack_x_y_sample_weight
from ..distribution import shard
from ..layers.call import context
from ..reporting import warn


class Trainable(Protocol):
    """What a step asks of a model."""

    name: str
    optimizer: Any
    _loss_tracker: metrics.Mean

    @property
    def metrics(self) -> list[Any]:
        """All metrics that an epoch resets."""

    @property
    def trainable_variables(self) -> list[Any]:
        """The variables that an optimizer is built with."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The predictions for inputs."""

    def parameters(self) -> Iterator[torch.nn.Parameter]:
        """All parameters."""

    def buffers(self) -> Iterator[torch.Tensor]:
        """All buffers."""

    def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True) -> Any:
        """The loss of a batch."""

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Add a batch to the metrics and return their results."""

    def get_metrics_result(self) -> dict[str, Any]:
        """Name to value of all metrics."""

    def _tk_update_metrics(self, y: Any, y_pred: Any, sample_weight: Any) -> None: ...

    def _tk_overrides(self, method: str) -> bool: ...


# -- the four pieces ------------------------------------------------------------------------------------------------------------------


def forward_loss(model: Trainable, x: Any, y: Any, sample_weight: Any, training: bool) -> tuple[torch.Tensor, Any]:
    """The loss of a batch and the predictions.

    Args:
        model: A compiled model.
        x: Inputs.
        y: Targets, or `None`.
        sample_weight: Weights, or `None`.
        training: Whether the loss is trained on.
    """
    y_pred = model(x) if context.flag is training else model(x, training=training)  # a run has set the flag
    own = model._tk_overrides("compute_loss")
    flag = {} if own and not _takes_training(type(model).compute_loss) else {"training": training}  # as older Keras 3 programs write it
    return model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, **flag), y_pred


@functools.lru_cache(256)
def _takes_training(compute_loss: Callable[..., Any]) -> bool:
    parameters = inspect.signature(compute_loss).parameters
    return "training" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def backward(model: Trainable, loss: torch.Tensor, into: Sequence[torch.Tensor] | None = None) -> Sequence[torch.Tensor | None] | None:
    """Let the loss's gradients take the place of those that the optimizer's parameters have.

    Args:
        model: A compiled model.
        loss: What `forward_loss` returned.
        into: Parameters whose gradients are returned, and stored nowhere: what a captured step does.
    """
    optimizer = model.optimizer
    scale = getattr(optimizer, "scale_loss", None)
    scaled = loss if scale is None else scale(loss)
    if into is not None:
        return torch.autograd.grad(scaled, into, allow_unused=True)
    optimizer.zero_grad()
    if scaled.requires_grad:
        scaled.backward()
    elif model.trainable_variables:
        raise ValueError(
            f"The loss of the model {model.name!r} does not depend on its weights: nothing can be trained. Compute it from the outputs "
            "with torch functions or ops alone, without `.detach()`, `.item()`, `float()` or NumPy, and not under `torch.no_grad()`."
        )
    else:
        warn(f"The model {model.name!r} has no trainable weights: nothing is trained.")
    return None


def update(model: Trainable, rows: int, gradients: Sequence[torch.Tensor | None] | None = None) -> None:
    """Let the optimizer use the gradients.

    Args:
        model: A compiled model.
        rows: How many samples the batch has here: batches of unequal sizes weigh so in a window of accumulated gradients.
        gradients: What `backward` returned; those that it stored without it.
    """
    optimizer = model.optimizer
    if not isinstance(optimizer, optimizers.Optimizer):
        optimizer.step()
        return
    if not optimizer.built:
        variables = model.trainable_variables
        if not variables:
            return
        optimizer.build(variables)
    part = shard.current()
    weight = None if not optimizer.gradient_accumulation_steps else rows if part.world == 1 else part.size
    optimizer.apply_stored(gradients, weight)
    part.reduced = False


def record(model: Trainable, loss: torch.Tensor, rows: int, x: Any, y: Any, y_pred: Any, sample_weight: Any) -> dict[str, Any] | None:
    """Add the batch to the running mean of the loss and to the metrics; the logs, where the model computes its own.

    Args:
        model: A compiled model.
        loss: The loss of the batch.
        rows: How many samples it is the mean of.
        x: Inputs.
        y: Targets, or `None`.
        y_pred: Predictions.
        sample_weight: Weights, or `None`.
    """
    with torch.no_grad():
        tracker = model._loss_tracker
        if tracker.total.device != loss.device:
            tracker.to(loss.device)
        tracker.total.add_(loss.detach(), alpha=rows)
        tracker.count.add_(rows)
        if model._tk_overrides("compute_metrics"):
            return model.compute_metrics(x, y, y_pred, sample_weight)
        model._tk_update_metrics(y, y_pred, sample_weight)
    return None


# -- steps made of them ---------------------------------------------------------------------------------------------------------------


def train(model: Trainable, data: Any) -> dict[str, Any] | None:
    """One step of training; returns what `record` does."""
    x, y, sample_weight = unpack_x_y_sample_weight(data)
    rows = rows_of(x)
    if not needs_closure(type(model.optimizer).step):
        loss, y_pred = forward_loss(model, x, y, sample_weight, training=True)
        backward(model, loss)
        update(model, rows)
        return record(model, loss, rows, x, y, y_pred, sample_weight)
    first: list[Any] = []

    def closure() -> torch.Tensor:
        loss, y_pred = forward_loss(model, x, y, sample_weight, training=True)
        backward(model, loss)
        first[:] = first or (loss, y_pred)
        return shard.current().joined(loss)  # where the optimizer goes next must be the same in all processes

    model.optimizer.step(closure)
    return record(model, first[0], rows, x, y, first[1], sample_weight)


def test(model: Trainable, data: Any) -> dict[str, Any] | None:
    """One step of evaluation; returns what `record` does."""
    x, y, sample_weight = unpack_x_y_sample_weight(data)
    loss, y_pred = forward_loss(model, x, y, sample_weight, training=False)
    return record(model, loss, rows_of(x), x, y, y_pred, sample_weight)


@functools.lru_cache(256)
def needs_closure(step: Callable[..., Any]) -> bool:
    """Whether the `step` of an optimizer class calls back for the loss, as that of `torch.optim.LBFGS` does."""
    closure = inspect.signature(step).parameters.get("closure")
    return closure is not None and closure.default is closure.empty


# -- logs -----------------------------------------------------------------------------------------------------------------------------


class LazyLogs(dict):
    """The logs of a batch, computed when somebody reads them: until then nobody waits for the device.

    Args:
        read: Gives the logs as tensors or numbers.
    """

    def __init__(self, read: Callable[[], dict[str, Any]]) -> None:
        super().__init__()
        self._read = read
        self.stale = True

    def _fresh(self) -> LazyLogs:
        if self.stale:
            self.stale = False
            super().clear()
            super().update({k: to_number(v) for k, v in sorted(self._read().items())})
        return self

    def settle(self) -> None:
        """Read the logs now: somebody keeps them beyond the step."""
        self._fresh()

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
