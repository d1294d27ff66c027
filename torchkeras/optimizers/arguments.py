"""Constructor arguments of optimizers: old spellings, checks, defaults."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from .. import config as settings
from .. import dtypes
from ..checks import check_numbers
from ..configurable import deserialize_in
from ..registry import Family, near_matches, snake_case, unique_name
from ..reporting import warn
from .schedules import InverseTimeDecay


def auto_name(cls: type) -> str:
    """`"adam"`, then `"adam_1"`, …: the name of an optimizer that was given none."""
    return unique_name(snake_case(cls.__name__))


def legacy_arguments(cls: type, learning_rate: Any, kwargs: dict[str, Any]) -> Any:
    """Take Keras 1's `lr` and `decay` out of `kwargs`; refuse the rest."""
    if "lr" in kwargs:
        learning_rate = kwargs.pop("lr")
        warn("`lr` is the old name of `learning_rate`.", DeprecationWarning)
    decay = kwargs.pop("decay", None)
    if decay:
        warn("`decay` is the old spelling of `learning_rate=schedules.InverseTimeDecay(rate, 1, decay)`.", DeprecationWarning)
        learning_rate = InverseTimeDecay(float(learning_rate), 1, float(decay))
    if kwargs:
        name = next(iter(kwargs))
        known = [n for n in inspect.signature(cls).parameters if n not in ("self", "kwargs")]
        raise ValueError(f"{cls.__name__}() got an unknown argument `{name}`.{near_matches(name, known)} Received: {name}={kwargs[name]!r}")
    return learning_rate


# What a hyperparameter of any rule may be, by its name.
_NOT_NEGATIVE: dict[str, Any] = {"least": 0}
_SHARE: dict[str, Any] = {"least": 0, "most": 1}
RANGES: dict[str, dict[str, Any]] = {
    "beta_1": {"least": 0, "below": 1}, "beta_2": _SHARE, "adam_beta_1": {"least": 0, "below": 1}, "adam_beta_2": _SHARE,
    "rho": _SHARE, "momentum": _SHARE, "epsilon": {"least": 0, "optional": True}, "weight_decay": {"least": 0, "optional": True},
    "clipnorm": {"least": 0, "optional": True}, "clipvalue": {"least": 0, "optional": True},
    "global_clipnorm": {"least": 0, "optional": True}, "loss_scale_factor": {"above": 0, "optional": True},
    "initial_accumulator_value": _NOT_NEGATIVE, "clip_threshold": {"above": 0}, "beta_2_decay": {"most": 0},
    "initial_scale": {"above": 0}, "dynamic_growth_steps": {"least": 1},
}  # fmt: skip


def check_ranges(cls: Any, args: tuple, kwargs: dict[str, Any]) -> None:
    """Check the hyperparameters that a constructor of this library was called with.

    Args:
        cls: The optimizer's class; its `_tk_ranges` stand before `RANGES`.
        args: The arguments.
        kwargs: The keyword arguments.

    Raises:
        ValueError: If one is NaN or means nothing.
    """
    given = {**dict(zip(inspect.signature(cls).parameters, args)), **kwargs}
    for name, value in given.items():
        allowed = cls._tk_ranges.get(name, RANGES.get(name))
        if allowed is not None and value is not False:  # configs of older Keras say `weight_decay: false`
            check_numbers(**allowed, **{name: value})


def check_arguments(
    clipnorm: Any, clipvalue: Any, global_clipnorm: Any, use_ema: bool, ema_momentum: float, every: Any, window: Any
) -> None:
    """Check the arguments that all optimizers share.

    Raises:
        ValueError: If there are several clips at once, or a value is out of range.
    """
    clips = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
    given = {k: v for k, v in clips.items() if v is not None}
    if len(given) > 1:
        raise ValueError(f"Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set. Received: {given}")
    if use_ema:
        if not 0 <= ema_momentum <= 1:
            raise ValueError(f"`ema_momentum` must be in the range [0, 1]. Received: ema_momentum={ema_momentum!r}")
        if every is not None and (not isinstance(every, int) or every < 1):
            raise ValueError(f"`ema_overwrite_frequency` must be an integer above 0, or None. Received: ema_overwrite_frequency={every!r}")
    if window is not None and (not isinstance(window, int) or window < 2):
        raise ValueError(f"`gradient_accumulation_steps` must be an integer of at least 2, or None. Received: {window!r}")


def check_scheduler(scheduler: Any) -> None:
    """Check what a callable `learning_rate` made of the optimizer.

    Raises:
        ValueError: No torch scheduler, or one that needs a metric at each step.
    """
    if isinstance(scheduler, ReduceLROnPlateau):
        raise ValueError(
            "`learning_rate` cannot be a ReduceLROnPlateau, which needs a metric at each step. Make it with the built optimizer and call "
            "its `step(metric)` yourself, or use the callback of that name."
        )
    if not isinstance(scheduler, LRScheduler):
        raise ValueError(f"`learning_rate` was called with the optimizer and must return a torch scheduler. Received: {scheduler!r}")


def wants_optimizer(function: Callable) -> bool:
    """Whether a callable has a required argument: it makes a torch scheduler, instead of giving a rate."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


def initial_value(initializer: Any, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """What a slot starts as: `initializer` is a name, a config, an initializer, a callable or a value."""
    if isinstance(initializer, (str, dict)):
        if initializer in ("zeros", "ones"):
            return torch.full(shape, float(initializer == "ones"), dtype=dtype, device=device)
        family = Family.known["initializer"]
        initializer = family.find(initializer)() if isinstance(initializer, str) else deserialize_in(family, initializer)
    if callable(initializer):
        return torch.as_tensor(initializer(shape, dtype=dtypes.standardize_dtype(dtype)), dtype=dtype, device=device)
    return torch.as_tensor(initializer, dtype=dtype, device=device).broadcast_to(shape).clone()


def epsilon_or_default(epsilon: float | None) -> float:
    """`epsilon`, or the process's own where Keras 1's `None` was given."""
    return settings.epsilon() if epsilon is None else epsilon
