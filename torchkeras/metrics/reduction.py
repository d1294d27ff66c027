"""Sums and means, and metrics that are the mean of a function's values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..checks import check_callable
from ..configurable import deserialize_value, serialize_value
from ..distribution import shard
from ..graph import convert_to_tensor
from ..losses.loss import align, pair
from .metric import Metric, divide_no_nan


class Sum(Metric):
    """The weighted sum of all values.

    Args:
        name: Its name.
        dtype: The type of the state.

    >>> metric = keras.metrics.Sum()
    >>> metric.update_state([1.0, 3.0])
    >>> metric.result()
    tensor(4.)
    """

    def __init__(self, name: str | None = "sum", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable((), "zeros", name="total")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Add values.

        Args:
            values: A tensor of any shape.
            sample_weight: Weights, one per sample or per value.
        """
        values, weight = _with_weight(values, sample_weight, self._tk_torch_dtype)
        self._tk_follow(values)
        self.total.add_((values if weight is None else values * weight).sum())

    def result(self) -> Tensor:
        return self.total.detach().clone()


class Mean(Metric):
    """The weighted mean of all values: each sample counts once, whatever the sizes of the batches.

    Args:
        name: Its name.
        dtype: The type of the state.

    >>> metric = keras.metrics.Mean()
    >>> metric.update_state([1.0, 3.0])
    >>> metric.result()
    tensor(2.)
    """

    def __init__(self, name: str | None = "mean", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable((), "zeros", name="total")
        self.count = self.add_variable((), "zeros", name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Add values.

        Args:
            values: A tensor whose first axis is the samples; further axes are averaged. A scalar is one sample.
            sample_weight: Weights, one per sample or per value, or one number.
        """
        if isinstance(values, Tensor) and (sample_weight is None or getattr(values, "_keras_mask", None) is None):
            if values.requires_grad:
                values = values.detach()
            if sample_weight is None:
                return self._add(values)
            if values.ndim == 0 and isinstance(sample_weight, (int, float)):
                self.total.add_(values, alpha=sample_weight)
                self.count.add_(sample_weight)
                return None
        return self._add_weighted(values, sample_weight)

    def _add(self, values: Tensor) -> None:
        """Add values that count once each sample; they may be of any type."""
        total = self.total
        if total.device != values.device:
            self.to(values.device)
        if values.ndim == 1:
            total.add_(values.sum())
            self.count.add_(values.shape[0])
        elif values.ndim == 0:
            part = shard.current()
            weight = 1.0 if part.world == 1 else part.share * part.world  # the mean over a part of a batch, as a loss is
            total.add_(values, alpha=weight)
            self.count.add_(weight)
        elif values.numel():
            samples = values.shape[0]
            total.add_(values.sum(), alpha=samples / values.numel())
            self.count.add_(samples)

    def _add_weighted(self, values: Any, sample_weight: Any, mask: Tensor | None = None) -> None:
        values, weight = _with_weight(values, sample_weight, self._tk_torch_dtype, mask)
        if weight is None:
            return self._add(values)
        self._tk_follow(values)
        if weight.ndim == 0 and values.ndim:  # one number for a batch makes one sample of it, as in Keras
            values = values.mean()
        elif weight.ndim and weight.shape[0] != values.shape[0]:
            weight = weight.expand(values.shape[0], *weight.shape[1:])
        used = values * weight
        if values.ndim > 1 and used.numel():  # the mean over the axes after the samples, of values and of weights
            self.total.add_(used.sum(), alpha=used.shape[0] / used.numel())
            self.count.add_(weight.sum(), alpha=weight.shape[0] / weight.numel())
        else:
            self.total.add_(used.sum())
            self.count.add_(weight.sum())
        return None

    def result(self) -> Tensor:
        return divide_no_nan(self.total.detach(), self.count.detach())


def _with_weight(values: Any, sample_weight: Any, dtype: torch.dtype, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
    """Values and their weights in the metric's type, the weights times the mask and shaped to multiply the values.

    A mask that lies on the values counts beside weights only, as in Keras.
    """
    if mask is None and sample_weight is not None:
        mask = getattr(values, "_keras_mask", None)
    values = convert_to_tensor(values).detach().to(dtype)
    weight = None
    if sample_weight is not None:
        weight = convert_to_tensor(sample_weight, dtype, values.device).detach().to(values.device)
        if values.ndim == 1 and weight.ndim == 2 and weight.shape[1] == 1:
            weight = weight.squeeze(1)
        weight = align(weight, values) if values.ndim else weight
    if mask is not None:
        kept = align(mask.to(device=values.device, dtype=dtype), values, "mask")
        weight = kept if weight is None else weight * kept
    return values, weight


class ColumnMetric(Metric):
    """A metric whose state has one entry for each column of `(batch, columns)`, made when the first batch tells how many there are.

    Subclasses make the state in `_build`, name the columns in `_column_name` and begin an update with `_tk_prepare`.
    """

    _column_name: ClassVar[str]
    _columns: int | None = None

    @property
    def _built(self) -> bool:
        return self._columns is not None

    def _build(self, columns: int) -> None:
        raise NotImplementedError

    def _tk_prepare(self, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Tensor, Tensor, Tensor | None]:
        """Targets, predictions and weights of an update, their shapes checked."""
        mask = getattr(y_pred, "_keras_mask", None)
        y_true, y_pred = pair(y_true, y_pred)
        if y_pred.ndim != 2 or y_true.shape != y_pred.shape:
            raise ValueError(
                f"`y_true` and `y_pred` must have the same shape, (batch, {self._column_name}). "
                f"Received: y_true of shape {tuple(y_true.shape)}, y_pred of shape {tuple(y_pred.shape)}"
            )
        columns = y_pred.shape[-1]
        if self._columns is None:
            self._build(columns)
            self._columns = columns
        elif self._columns != columns:
            raise ValueError(
                f"`y_pred` must have the {self._columns} {self._column_name} of earlier batches. Received: shape {tuple(y_pred.shape)}"
            )
        y_pred, weight = _with_weight(y_pred, sample_weight, self._tk_torch_dtype, mask)
        self._tk_follow(y_pred)
        return y_true, y_pred, weight


class MeanMetricWrapper(Mean):
    """The mean of the values of a function.

    Args:
        fn: A function `fn(y_true, y_pred, **kwargs)` that returns one value per sample.
        name: Its name; that of the function without one.
        dtype: The type of the state.
        **kwargs: Passed on to `fn`.

    >>> metric = keras.metrics.MeanMetricWrapper(lambda y_true, y_pred: (y_true - y_pred).abs())
    >>> metric.update_state(torch.tensor([1.0]), torch.tensor([3.0]))
    >>> metric.result()
    tensor(2.)
    """

    def __init__(self, fn: Callable, name: str | None = None, dtype: Any = None, **kwargs: Any) -> None:
        check_callable("fn", fn, "lambda y_true, y_pred: ops.abs(y_true - y_pred)")
        super().__init__(name=name, dtype=dtype)
        self._fn = fn
        self._fn_kwargs = kwargs

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        """Add a batch.

        Args:
            y_true: Targets.
            y_pred: Predictions. A mask that a layer left on them takes samples out.
            sample_weight: Weights, one per sample or per value of the function.
        """
        if isinstance(y_pred, Tensor) and y_pred.requires_grad:
            y_pred = _detach(y_pred)
        mask = getattr(y_pred, "_keras_mask", None)
        values = self._fn(y_true, y_pred, **self._fn_kwargs)
        if values is None or isinstance(values, str):
            raise ValueError(
                f"The function of the metric {self.name!r} must return numbers, one for each sample or a scalar. Received: {values!r}. "
                "Does it end in `return`?"
            )
        if mask is None and sample_weight is None and isinstance(values, Tensor):
            if values.requires_grad:
                values = values.detach()
            return self._add(values)
        own = getattr(values, "_keras_mask", None)
        if mask is not None and own is not None:
            mask = align(mask, own, "mask", "mask") & own
        return self._add_weighted(values, sample_weight, mask)

    def get_config(self) -> dict[str, Any]:
        if type(self) is not MeanMetricWrapper:
            return super().get_config()
        settings = {name: serialize_value(value, self, name) for name, value in self._fn_kwargs.items()}
        return {"name": self.name, "dtype": self.dtype, "fn": serialize_value(self._fn, self, "fn")} | settings

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**{name: deserialize_value(value) for name, value in config.items()})


def _detach(y_pred: Tensor) -> Tensor:
    """Predictions without their gradient graph; what layers left on them stays."""
    plain = y_pred.detach()
    for note in ("_keras_mask", "_keras_logits", "_keras_logits_of"):
        if getattr(y_pred, note, None) is not None:
            setattr(plain, note, getattr(y_pred, note))
    return plain


class FunctionMetric(MeanMetricWrapper):
    """A metric class that names its function, which takes no settings.

    Args:
        name: Its name.
        dtype: The type of the state.
    """

    function: ClassVar[Callable]
    _tk_name: ClassVar[str]

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(type(self).function, name=name or self._tk_name, dtype=dtype)
