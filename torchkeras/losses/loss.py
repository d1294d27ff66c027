"""The base of all losses: conversion, weights and masks, and the reduction to one number."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from .. import config, dtypes, registry, tree
from ..configurable import Configurable, deserialize_value, serialize_value
from ..distribution import rank
from ..graph import KerasTensor, TensorLike, convert_to_tensor

REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)
_AVERAGES = ("sum_over_batch_size", "mean", "mean_with_sample_weight")


class Loss(Configurable):
    """What `compile(loss=...)` takes: called with targets and predictions, it returns one number to minimize.

    Subclasses write `call(y_true, y_pred)`, which returns one value per sample; weights, masks and the reduction are done here.

    Args:
        name: Its name; the class's in snake case without one.
        reduction: How the values of the samples become one number: `"sum_over_batch_size"` or `"mean"` (their mean), `"sum"`,
            `"mean_with_sample_weight"` (the sum over the sum of the weights), or `"none"` (they are returned as they are).
        dtype: The type to compute in; `floatx()` without one.

    Raises:
        ValueError: If there is another reduction.

    >>> isinstance(keras.losses.MeanSquaredError(), keras.Loss)
    True
    """

    _keras_module: ClassVar[str] = "keras.losses"
    _tk_name: ClassVar[str | None] = None

    def __init__(self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None) -> None:
        if reduction not in REDUCTIONS:
            raise ValueError(
                f"`reduction` must be one of {', '.join(map(repr, REDUCTIONS))}. Received: reduction={reduction!r}."
                f"{registry.near_matches(str(reduction), [r for r in REDUCTIONS if r])}"
            )
        self.name = name or self._tk_name or registry.snake_case(type(self).__name__)
        self.reduction = reduction
        self.dtype = _compute_dtype(dtype)
        self._tk_torch_dtype = dtypes.to_torch_dtype(self.dtype)
        self._tk_averages = reduction in _AVERAGES

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The value of each sample, shaped as the batch (and the time steps) are."""
        raise NotImplementedError(f"{type(self).__name__} must write a `call(y_true, y_pred)` method that returns one value per sample.")

    def _tk_fused_mean(self, y_true: Tensor, y_pred: Tensor) -> Tensor | None:
        """The mean of `call` in one kernel, or `None` where only the general way is right."""
        return None

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss of a batch.

        Args:
            y_true: Targets: a tensor, an array or a nest of them.
            y_pred: Predictions, nested alike. A mask that a layer left on them (`_keras_mask`) takes samples out.
            sample_weight: Weights of the samples, shaped `(batch,)` or as the values of `call`.

        Returns:
            A scalar, or with `reduction="none"` one value per sample.
        """
        if sample_weight is None and self._tk_averages:
            mean = self._tk_fast(y_true, y_pred)
            if mean is not None:
                return mean
        values, weight, count = self._tk_weighted(y_true, y_pred, sample_weight)
        return _reduce(values, self.reduction, weight, count)

    def sum_and_count(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> tuple[Tensor, Tensor | float | None]:
        """The loss of a part of a batch as two terms that add up over the parts, which makes N processes equal one.

        For the averaging reductions the loss of the whole batch is `sum(sums) / sum(counts)` over the parts (0 where the counts sum
        to 0). For `reduction="sum"` the count is `None`, and it is `sum(sums)`. A `call` that returns a scalar is taken for the mean of the
        part's samples.

        Raises:
            ValueError: If `reduction` is `"none"`, which gives no number.
        """
        if self.reduction in ("none", None):
            raise ValueError(f"`reduction` of the loss {self.name} must give one number. Received: reduction={self.reduction!r}")
        if sample_weight is None and self._tk_averages:
            mean = self._tk_fast(y_true, y_pred)
            if mean is not None:
                rows = self._tk_value_count(y_pred)
                return mean * rows, rows
        values, weight, count = self._tk_weighted(y_true, y_pred, sample_weight)
        total = values.sum()
        if not self._tk_averages:
            return total, None
        if values.ndim == 0:
            samples = float(_samples(y_pred))
            return total * samples, samples
        if self.reduction == "mean_with_sample_weight" and weight is not None:
            return total, weight.sum()
        return total, float(values.numel()) if count is None else count

    def _tk_value_count(self, y_pred: Tensor) -> float:
        """How many values `call` returns where `_tk_fused_mean` serves: one for each row along the last axis."""
        return float(y_pred.numel() // y_pred.shape[-1]) if y_pred.ndim > 1 else 1.0

    def _tk_fast(self, y_true: Any, y_pred: Any) -> Tensor | None:
        if not (isinstance(y_pred, Tensor) and isinstance(y_true, Tensor)) or getattr(y_pred, "_keras_mask", None) is not None:
            return None
        if y_true.device != y_pred.device or not y_pred.numel():
            return None
        return self._tk_fused_mean(y_true, y_pred)

    def _tk_weighted(self, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """The values times their weights, the weights, and what to divide by if masks changed it."""
        mask = _mask_of(y_pred)
        y_pred = tree.map_structure(lambda t: _convert(t, self._tk_torch_dtype), y_pred)
        device = _device_of(y_pred)
        y_true = tree.map_structure(lambda t: _convert(t, None, device), y_true)
        values = self.call(y_true, y_pred)
        if values is None or isinstance(values, str):
            raise ValueError(
                f"The loss {self.name!r} must return a tensor, one value for each sample or a scalar. Received: {values!r}. "
                "Does its function end in `return`?"
            )
        own = _mask_of(values)
        if own is not None:
            mask = own if mask is None else align(mask, own, "mask", "mask") * own.to(torch.bool)
        if not isinstance(values, (Tensor, KerasTensor)):
            values = convert_to_tensor(values, self._tk_torch_dtype)
        if isinstance(values, Tensor) and values.dtype is not self._tk_torch_dtype:
            values = values.to(self._tk_torch_dtype)
        return weigh(values, sample_weight, mask)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "reduction": self.reduction}


class LossFunctionWrapper(Loss):
    """A loss made of a function `fn(y_true, y_pred, **kwargs)` that returns one value per sample.

    Args:
        fn: The function.
        reduction: `"sum_over_batch_size"`, `"sum"`, `"mean"`, `"mean_with_sample_weight"` or `"none"`: what is made of the values.
        name: The name of the loss.
        dtype: The type that it is computed in; `floatx()` without it.
        **kwargs: Passed on to `fn`.
    """

    def __init__(
        self, fn: Callable, reduction: str | None = "sum_over_batch_size", name: str | None = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.fn = fn
        self._fn_kwargs = kwargs

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if isinstance(y_true, (Tensor, KerasTensor)) and isinstance(y_pred, (Tensor, KerasTensor)):
            return self.fn(*match_ranks(y_true, y_pred), **self._fn_kwargs)
        pairs = [match_ranks(t, p) for t, p in zip(tree.flatten(y_true), tree.flatten(y_pred))]
        y_true = tree.pack_sequence_as(y_true, [t for t, _ in pairs])
        y_pred = tree.pack_sequence_as(y_pred, [p for _, p in pairs])
        return self.fn(y_true, y_pred, **self._fn_kwargs)

    def get_config(self) -> dict[str, Any]:
        if type(self) is not LossFunctionWrapper:
            return super().get_config()
        settings = {name: serialize_value(value, self, name) for name, value in self._fn_kwargs.items()}
        return super().get_config() | {"fn": serialize_value(self.fn, self, "fn")} | settings

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**{name: deserialize_value(value) for name, value in config.items()})

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, reduction={self.reduction!r}>"


class FunctionLoss(LossFunctionWrapper):
    """A loss class that names its function, whose settings are its attributes and stand in its config.

    Args:
        reduction: How the values of the samples become one number, as `Loss` says.
        name: The name of the loss; the class's in snake case without one.
        dtype: The type to compute in; `floatx()` without one.
        **settings: Further arguments of the function.
    """

    function: ClassVar[Callable]
    _config_unless_default: ClassVar[tuple[str, ...]] = ()  # settings that Keras's configs leave out: written where they differ

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = None, dtype: Any = None, **settings: Any) -> None:
        super().__init__(type(self).function, reduction=reduction, name=name, dtype=dtype, **settings)
        self.__dict__.update(settings)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def get_config(self) -> dict[str, Any]:
        defaults = {name: p.default for name, p in inspect.signature(type(self).__init__).parameters.items()}
        settings = {name: getattr(self, name) for name in self._fn_kwargs}
        return super().get_config() | {
            name: value for name, value in settings.items() if name not in self._config_unless_default or value != defaults.get(name)
        }


def targets_first(fn: Callable) -> Callable:
    """`fn` as it is, or, where its second argument is called `target`, as those of torch's losses are, called with `(y_true, y_pred)`.

    Args:
        fn: A function or an `nn.Module` that computes a loss.
    """
    if isinstance(fn, Configurable) or isinstance(fn, type):
        return fn
    try:
        names = list(inspect.signature(fn.forward if isinstance(fn, nn.Module) else fn).parameters)[1:2]
    except (TypeError, ValueError):  # built in
        return fn
    return _TargetsFirst(fn) if names == ["target"] else fn


class _TargetsFirst:
    """A loss of torch, called as a loss of Keras.

    Args:
        fn: Takes predictions and targets.
    """

    def __init__(self, fn: Callable) -> None:
        self.fn = fn
        self.__name__ = getattr(fn, "__name__", type(fn).__name__)

    def __call__(self, y_true: TensorLike, y_pred: TensorLike) -> Tensor:
        """The loss. Integer targets are classes, of type int64, where the predictions have one axis more, and else numbers."""
        y_pred = _convert(y_pred, None)
        y_true = _convert(y_true, None, y_pred.device)
        if y_true.ndim == y_pred.ndim and y_true.ndim > 1 and y_true.shape[-1] == 1 < y_pred.shape[-1]:
            y_true = y_true.squeeze(-1)
        if not y_true.is_floating_point():
            y_true = y_true.to(torch.int64 if y_true.ndim < y_pred.ndim else y_pred.dtype)
        return self.fn(y_pred, y_true)


# -- shapes ---------------------------------------------------------------------------------------------------------------------------


def match_ranks(x1: Any, x2: Any) -> tuple[Any, Any]:
    """Two tensors whose ranks differ by one axis of size 1 at the end, with equal ranks: `(batch,)` becomes `(batch, 1)`, and a last axis
    of size 1 on the larger one is dropped from longer shapes. Others pass."""
    rank1, rank2 = len(x1.shape), len(x2.shape)
    if rank1 == rank2 + 1 and x1.shape[-1] == 1:
        return (x1, x2.unsqueeze(-1)) if rank2 == 1 else (x1.squeeze(-1), x2)
    if rank2 == rank1 + 1 and x2.shape[-1] == 1:
        return (x1.unsqueeze(-1), x2) if rank1 == 1 else (x1, x2.squeeze(-1))
    return x1, x2


def pair(y_true: TensorLike, y_pred: TensorLike, match: bool = True) -> tuple[Any, Any]:
    """Targets and predictions as float tensors of one type and one device.

    Args:
        y_true: Targets.
        y_pred: Predictions.
        match: Whether `match_ranks` makes their ranks equal; without it shapes broadcast as they are.

    Raises:
        ValueError: Shapes that do not broadcast.
    """
    y_pred = _convert(y_pred, None)
    if isinstance(y_pred, KerasTensor):
        y_true = _convert(y_true, None)
        return match_ranks(y_true, y_pred) if match else (y_true, y_pred)
    if not y_pred.is_floating_point():
        y_pred = y_pred.to(dtypes.to_torch_dtype(config.floatx()))
    y_true = _convert(y_true, None if isinstance(y_true, KerasTensor) else y_pred.dtype, y_pred.device)
    if y_true.shape != y_pred.shape:
        y_true, y_pred = match_ranks(y_true, y_pred) if match else (y_true, y_pred)
        if not isinstance(y_true, KerasTensor) and not _broadcastable(y_true.shape, y_pred.shape):
            raise ValueError(
                "`y_true` and `y_pred` must have the same shape. "
                f"Received: y_true of shape {tuple(y_true.shape)}, y_pred of shape {tuple(y_pred.shape)}"
            )
    return y_true, y_pred


def _broadcastable(a: Sequence[int], b: Sequence[int]) -> bool:
    return all(x == y or x == 1 or y == 1 for x, y in zip(reversed(a), reversed(b)))


def align(weight: Tensor, values: Tensor, name: str = "sample_weight", of: str = "values") -> Tensor:
    """Weights or a mask shaped so that they multiply the values sample by sample: axes are matched from the first one on.

    Raises:
        ValueError: Shapes that do not fit.
    """
    shape = weight.shape
    if values.ndim == 0:
        return weight  # one number for the whole batch counts once for each sample
    if weight.ndim == values.ndim + 1 and shape[-1] == 1:
        weight = weight.squeeze(-1)
    while 0 < weight.ndim < values.ndim:
        weight = weight.unsqueeze(-1)
    if weight.ndim > values.ndim or not _broadcastable(weight.shape, values.shape):
        raise ValueError(
            f"`{name}` must have one entry per sample, or the shape of the {of}, {tuple(values.shape)}. "
            f"Received: {name} of shape {tuple(shape)}. Reduce or reshape it."
        )
    return weight


def weigh(values: Tensor, sample_weight: Any, mask: Tensor | None) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """The values times their weights and mask, those weights, and how many values the mask left (`None` without a mask)."""
    weight, count = None, None
    if sample_weight is not None:
        weight = _convert(sample_weight, values.dtype, values.device)
        if values.ndim == 1 and weight.ndim == 2 and weight.shape[1] == 1:
            values = values.unsqueeze(-1)
        weight = align(weight, values)
    if mask is not None:
        kept = align(_convert(mask, values.dtype, values.device), values, "mask")
        weight = kept if weight is None else weight * kept
        count = kept.sum() * (values.numel() / max(kept.numel(), 1))
    return (values if weight is None else values * weight), weight, count


def _reduce(values: Tensor, reduction: str | None, weight: Tensor | None, count: Tensor | None) -> Tensor:
    if reduction in ("none", None) or values.ndim == 0:
        return values
    if isinstance(values, KerasTensor):
        return values.sum() if reduction == "sum" else values.mean()
    total = values.sum()
    if reduction == "sum":
        return total
    if reduction == "mean_with_sample_weight" and weight is not None:
        divisor = weight.sum()
    elif count is not None:
        divisor = count
    else:
        return total / max(values.numel(), 1)
    empty = divisor == 0
    return torch.where(empty, 0.0, total / torch.where(empty, 1.0, divisor))


# -- values ---------------------------------------------------------------------------------------------------------------------------


def _convert(x: Any, dtype: torch.dtype | None, device: torch.device | None = None) -> Any:
    """`x` as a tensor of this type and device; a mask and the logits that layers left on it stay on it."""
    if isinstance(x, Tensor):
        if (dtype is None or x.dtype is dtype) and (device is None or x.device == device):
            return x
        moved = x.to(device=device or x.device, dtype=dtype or x.dtype)
        for note in ("_keras_mask", "_keras_logits"):
            if getattr(x, note, None) is not None:
                setattr(moved, note, getattr(x, note))
        return moved
    return convert_to_tensor(x, dtype, device)


def _mask_of(x: Any) -> Tensor | None:
    """The mask that a layer left on predictions; for a nest of predictions, that of the first tensor which has one."""
    if not isinstance(x, (Tensor, KerasTensor)):
        return next((m for m in (getattr(t, "_keras_mask", None) for t in tree.flatten(x)) if m is not None), None)
    return getattr(x, "_keras_mask", None)


def _device_of(x: Any) -> torch.device:
    if isinstance(x, Tensor):
        return x.device
    found = next((t.device for t in tree.flatten(x) if isinstance(t, Tensor)), None)
    return rank.default_device() if found is None else found


def _samples(y_pred: Any) -> int:
    shapes = [t.shape for t in tree.flatten(y_pred) if len(getattr(t, "shape", ()))]
    return int(shapes[0][0]) if shapes else 1


def _compute_dtype(dtype: Any) -> str:
    """The type that a dtype argument means: a name, or the compute type of a policy."""
    if hasattr(dtype, "compute_dtype"):
        return str(dtype.compute_dtype)
    return dtypes.standardize_dtype(dtype)
