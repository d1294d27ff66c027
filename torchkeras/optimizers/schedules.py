"""Learning rates as functions of the step: on the host for a number, on the device for a tensor."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..checks import check_numbers
from ..configurable import Configurable, deserialize_in, serialize_in
from ..registry import Family
from ..variable import Variable

Number = float | Tensor


class LearningRateSchedule(Configurable):
    """A learning rate that depends on the number of steps made. Subclasses write `__call__(step)` and `get_config`.

    A step given as a Python number gives a Python number; a tensor gives a tensor on its device, without synchronization.

    >>> class Halving(keras.optimizers.schedules.LearningRateSchedule):
    ...     def __call__(self, step):
    ...         return 0.1 * 0.5**step
    >>> Halving()(2)
    0.025
    """

    _keras_module = "keras.optimizers.schedules"

    def __call__(self, step: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define `__call__(self, step)`, which returns the learning rate.")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LearningRateSchedule:
        """The schedule that `get_config` described."""
        return cls(**config)


def _step(step: Any) -> Number:
    """`step` as a float32 tensor where it is a tensor or a variable, else as a Python float."""
    if isinstance(step, Variable):
        step = step.value
    return step.to(torch.float32) if isinstance(step, Tensor) else float(step)


def _floor(x: Number) -> Number:
    return torch.floor(x) if isinstance(x, Tensor) else math.floor(x)


def _ceil(x: Number) -> Number:
    return torch.ceil(x) if isinstance(x, Tensor) else math.ceil(x)


def _cos(x: Number) -> Number:
    return torch.cos(x) if isinstance(x, Tensor) else math.cos(x)


def _min(x: Number, limit: float) -> Number:
    return x.clamp(max=limit) if isinstance(x, Tensor) else min(x, limit)


def _max(x: Number, limit: float) -> Number:
    return x.clamp(min=limit) if isinstance(x, Tensor) else max(x, limit)


def _log(x: Number) -> Number:
    return torch.log(x) if isinstance(x, Tensor) else math.log(x)


def _where(condition: Any, x: Number, otherwise: Number) -> Number:
    return torch.where(condition, x, otherwise) if isinstance(condition, Tensor) else (x if condition else otherwise)


class ExponentialDecay(LearningRateSchedule):
    """`initial_learning_rate * decay_rate ** (step / decay_steps)`.

    Args:
        initial_learning_rate: The rate at step 0.
        decay_steps: How many steps one factor of `decay_rate` takes.
        decay_rate: That factor.
        staircase: Whether the exponent is rounded down to whole numbers.
        name: A name, kept in the config.

    >>> schedule = keras.optimizers.schedules.ExponentialDecay(0.1, decay_steps=100, decay_rate=0.5)
    >>> round(float(schedule(50)), 4)
    0.0707
    """

    def __init__(
        self, initial_learning_rate: float, decay_steps: int, decay_rate: float, staircase: bool = False, name: str = "ExponentialDecay"
    ) -> None:
        check_numbers(initial_learning_rate=initial_learning_rate)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _positive("decay_steps", decay_steps)
        check_numbers(0, decay_rate=decay_rate)
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def __call__(self, step: Any) -> Any:
        p = _step(step) / self.decay_steps
        return self.initial_learning_rate * self.decay_rate ** (_floor(p) if self.staircase else p)


class InverseTimeDecay(LearningRateSchedule):
    """`initial_learning_rate / (1 + decay_rate * step / decay_steps)`.

    Args:
        initial_learning_rate: The rate at the start.
        decay_steps: After how many steps the rate has decayed once by `decay_rate`.
        decay_rate: The rate of the decay.
        staircase: Whether the rate falls at whole multiples of `decay_steps` only.
        name: Its name.

    >>> schedule = keras.optimizers.schedules.InverseTimeDecay(0.1, decay_steps=100, decay_rate=0.5)
    >>> round(float(schedule(50)), 4)
    0.08
    """

    def __init__(
        self, initial_learning_rate: float, decay_steps: int, decay_rate: float, staircase: bool = False, name: str = "InverseTimeDecay"
    ) -> None:
        check_numbers(initial_learning_rate=initial_learning_rate)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _positive("decay_steps", decay_steps)
        check_numbers(0, decay_rate=decay_rate)
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def __call__(self, step: Any) -> Any:
        p = _step(step) / self.decay_steps
        return self.initial_learning_rate / (1.0 + self.decay_rate * (_floor(p) if self.staircase else p))


class PiecewiseConstantDecay(LearningRateSchedule):
    """`values[i]` for steps above `boundaries[i - 1]`, up to and including `boundaries[i]`.

    Args:
        boundaries: Increasing step numbers.
        values: The rates, one more than boundaries.
        name: A name, kept in the config.

    Raises:
        ValueError: If counts do not fit.

    >>> schedule = keras.optimizers.schedules.PiecewiseConstantDecay([10, 100], [0.1, 0.01, 0.001])
    >>> round(float(schedule(50)), 4)
    0.01
    """

    def __init__(self, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant") -> None:
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                f"`values` must hold one number more than `boundaries`. Received: {len(values)} values, {len(boundaries)} boundaries"
            )
        if any(after < before for before, after in zip(boundaries, boundaries[1:])):
            raise ValueError(f"`boundaries` must be steps in rising order. Received: boundaries={boundaries!r}")
        self.boundaries = boundaries
        self.values = values
        self.name = name

    def __call__(self, step: Any) -> Any:
        x = _step(step)
        rate: Any = self.values[-1]
        for boundary, value in zip(reversed(self.boundaries), reversed(self.values[:-1])):
            if isinstance(x, Tensor):
                rate = torch.where(x <= boundary, torch.full_like(x, value), rate)
            elif x <= boundary:
                rate = value
        return torch.full_like(x, rate) if isinstance(x, Tensor) and not isinstance(rate, Tensor) else rate


class PolynomialDecay(LearningRateSchedule):
    """From `initial_learning_rate` to `end_learning_rate` along `(1 - step / decay_steps) ** power`.

    Args:
        initial_learning_rate: The rate at step 0.
        decay_steps: How many steps the way takes.
        end_learning_rate: The rate at its end and after.
        power: The exponent; 1 is a straight line.
        cycle: Whether `decay_steps` grows to its next multiple instead of ending.
        name: A name, kept in the config.

    >>> schedule = keras.optimizers.schedules.PolynomialDecay(0.1, decay_steps=100)
    >>> round(float(schedule(50)), 4)
    0.0501
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        check_numbers(initial_learning_rate=initial_learning_rate)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _positive("decay_steps", decay_steps)
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle
        self.name = name

    def __call__(self, step: Any) -> Any:
        x = _step(step)
        if self.cycle:
            p = x / (self.decay_steps * _max(_ceil(x / self.decay_steps), 1.0))
        else:
            p = _min(x, self.decay_steps) / self.decay_steps
        return (self.initial_learning_rate - self.end_learning_rate) * (1.0 - p) ** self.power + self.end_learning_rate


class CosineDecay(LearningRateSchedule):
    """A linear warm-up, then half a cosine wave down (https://arxiv.org/abs/1608.03983).

    Args:
        initial_learning_rate: The rate at step 0.
        decay_steps: How many steps the decay takes, after the warm-up.
        alpha: The fraction of the top rate that is left at the end.
        name: A name, kept in the config.
        warmup_target: The rate that the warm-up reaches; no warm-up when `None`.
        warmup_steps: How many steps the warm-up takes.

    >>> schedule = keras.optimizers.schedules.CosineDecay(0.1, decay_steps=100)
    >>> round(float(schedule(50)), 4)
    0.05
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        check_numbers(initial_learning_rate=initial_learning_rate)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _positive("decay_steps", decay_steps)
        self.alpha = alpha
        self.name = name
        check_numbers(0, warmup_steps=warmup_steps)
        check_numbers(optional=True, warmup_target=warmup_target)
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps

    def _decayed(self, x: Number, top: float) -> Number:
        cosine = 0.5 * (1.0 + _cos(math.pi * (_min(x, self.decay_steps) / self.decay_steps)))
        return top * ((1.0 - self.alpha) * cosine + self.alpha)

    def __call__(self, step: Any) -> Any:
        x = _step(step)
        if self.warmup_target is None:
            return self._decayed(x, self.initial_learning_rate)
        x = _min(x, self.decay_steps + self.warmup_steps)
        if not self.warmup_steps:
            return self._decayed(x, self.warmup_target)
        rising = self.initial_learning_rate + (self.warmup_target - self.initial_learning_rate) * (x / self.warmup_steps)
        return _where(x < self.warmup_steps, rising, self._decayed(x - self.warmup_steps, self.warmup_target))


class CosineDecayRestarts(LearningRateSchedule):
    """Cosine decays one after another (https://arxiv.org/abs/1608.03983).

    Args:
        initial_learning_rate: The rate at step 0.
        first_decay_steps: The length of the first decay.
        t_mul: By what factor each decay is longer than the one before.
        m_mul: By what factor the top rate changes at each restart.
        alpha: The fraction of `initial_learning_rate` that is left at the end of a decay.
        name: A name, kept in the config.

    >>> schedule = keras.optimizers.schedules.CosineDecayRestarts(0.1, first_decay_steps=100)
    >>> round(float(schedule(50)), 4)
    0.05
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: int,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        check_numbers(initial_learning_rate=initial_learning_rate)
        self.initial_learning_rate = initial_learning_rate
        self.first_decay_steps = _positive("first_decay_steps", first_decay_steps)
        check_numbers(above=0, t_mul=t_mul)
        self.t_mul = t_mul
        self.m_mul = m_mul
        self.alpha = alpha
        self.name = name

    def __call__(self, step: Any) -> Any:
        p = _step(step) / self.first_decay_steps
        if self.t_mul == 1.0:
            restarts = _floor(p)
            p = p - restarts
        else:
            restarts = _floor(_log(1.0 - p * (1.0 - self.t_mul)) / math.log(self.t_mul))
            p = (p - (1.0 - self.t_mul**restarts) / (1.0 - self.t_mul)) / self.t_mul**restarts
        cosine = 0.5 * self.m_mul**restarts * (1.0 + _cos(math.pi * p))
        return self.initial_learning_rate * ((1.0 - self.alpha) * cosine + self.alpha)


def _positive(name: str, value: float) -> Any:
    if value <= 0:
        raise ValueError(f"`{name}` must be greater than 0. Received: {name}={value!r}")
    return value


FAMILY: Family = Family(
    "learning_rate_schedule",
    "keras.optimizers.schedules",
    LearningRateSchedule,
    {
        "CosineDecay": CosineDecay,
        "CosineDecayRestarts": CosineDecayRestarts,
        "ExponentialDecay": ExponentialDecay,
        "InverseTimeDecay": InverseTimeDecay,
        "PiecewiseConstantDecay": PiecewiseConstantDecay,
        "PolynomialDecay": PolynomialDecay,
    },
)


def serialize(learning_rate_schedule: LearningRateSchedule | Callable) -> Any:
    """The schedule as a config.

    Args:
        learning_rate_schedule: The schedule that is serialized.
    """
    return serialize_in(FAMILY, learning_rate_schedule)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The schedule that a config describes.

    Args:
        config: What `serialize` returned, or a name.
        custom_objects: Names to further classes and functions that the config may name.
    """
    return deserialize_in(FAMILY, config, custom_objects)
