"""Constraints: what a weight is projected onto after every update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from . import config
from .checks import check_numbers
from .configurable import Configurable, deserialize_in, get_from, serialize_in
from .graph import convert_to_tensor
from .registry import Family

Axis = int | Sequence[int]


class Constraint(Configurable):
    """A projection: `constraint(w)` is the weight to use instead of `w`, which is in Keras layout.

    >>> issubclass(keras.constraints.NonNeg, keras.constraints.Constraint)
    True
    """

    _keras_module = "keras.constraints"

    def __call__(self, w: Any) -> torch.Tensor:
        """The projection of `w`."""
        return w


class NonNeg(Constraint):
    """Negative elements become 0.

    >>> keras.constraints.NonNeg()(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def __call__(self, w: Any) -> torch.Tensor:
        return torch.clamp(convert_to_tensor(w), min=0)


class _NormConstraint(Constraint):
    """One that scales the vectors along `axis` of a weight."""

    axis: Axis

    def _desired(self, norms: torch.Tensor) -> torch.Tensor | float:
        """The norms that the vectors should have."""
        raise NotImplementedError

    def __call__(self, w: Any) -> torch.Tensor:
        w = convert_to_tensor(w)
        norms = torch.linalg.vector_norm(w if w.is_floating_point() else w.float(), dim=self.axis, keepdim=True)
        return w * (self._desired(norms) / (norms + config.epsilon()))


class MaxNorm(_NormConstraint):
    """Vectors longer than `max_value` are scaled down to it.

    Args:
        max_value: The largest norm.
        axis: The axis or axes along which the norms are taken: 0 for the inputs of each unit of a dense layer, `[0, 1, 2]` for those of
            each filter of a 2D convolution.

    >>> keras.constraints.MaxNorm(1.0)(torch.tensor([[3.0], [4.0]]))
    tensor([[0.6000],
            [0.8000]])
    """

    def __init__(self, max_value: float = 2, axis: Axis = 0) -> None:
        check_numbers(0, max_value=max_value)
        self.max_value, self.axis = max_value, axis

    def _desired(self, norms: torch.Tensor) -> torch.Tensor:
        return torch.clamp(norms, max=self.max_value)


class UnitNorm(_NormConstraint):
    """All vectors are scaled to norm 1.

    Args:
        axis: The axis or axes along which the norms are taken: 0 for the inputs of each unit of a dense layer, `[0, 1, 2]` for those of
            each filter of a 2D convolution.

    >>> keras.constraints.UnitNorm()(torch.tensor([[3.0], [4.0]]))
    tensor([[0.6000],
            [0.8000]])
    """

    def __init__(self, axis: Axis = 0) -> None:
        self.axis = axis

    def _desired(self, norms: torch.Tensor) -> float:
        return 1.0


class MinMaxNorm(_NormConstraint):
    """Norms outside an interval move towards it.

    Args:
        min_value: The smallest norm.
        max_value: The largest norm.
        rate: How much of the way they move: 1 for all of it.
        axis: The axis or axes along which the norms are taken: 0 for the inputs of each unit of a dense layer, `[0, 1, 2]` for those of
            each filter of a 2D convolution.

    >>> keras.constraints.MinMaxNorm(1.0, 2.0)(torch.tensor([[3.0], [4.0]]))
    tensor([[1.2000],
            [1.6000]])
    """

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Axis = 0) -> None:
        check_numbers(0, min_value=min_value, max_value=max_value)
        check_numbers(0, 1, rate=rate)
        if min_value > max_value:
            raise ValueError(f"`min_value` must not exceed `max_value`. Received: min_value={min_value}, max_value={max_value}")
        self.min_value, self.max_value, self.rate, self.axis = min_value, max_value, rate, axis

    def _desired(self, norms: torch.Tensor) -> torch.Tensor:
        return self.rate * torch.clamp(norms, self.min_value, self.max_value) + (1 - self.rate) * norms


max_norm, non_neg, unit_norm, min_max_norm = MaxNorm, NonNeg, UnitNorm, MinMaxNorm

FAMILY = Family(
    "constraint",
    "keras.constraints",
    Constraint,
    {
        "max_norm": MaxNorm,
        "non_neg": NonNeg,
        "unit_norm": UnitNorm,
        "min_max_norm": MinMaxNorm,
        "maxnorm": MaxNorm,  # Keras 1
        "nonneg": NonNeg,
        "unitnorm": UnitNorm,
    },
)


def get(identifier: Any) -> Any:
    """A constraint from a name, a config, a class or any callable; `None` stays `None`.

    Args:
        identifier: A name, a config, a class or an object; `None` stays `None`.

    Raises:
        ValueError: If it is anything else; the message tells near matches of a name.
    """
    return get_from(FAMILY, identifier)


def serialize(constraint: Any) -> Any:
    """A constraint as a config.

    Args:
        constraint: What is serialized.
    """
    return serialize_in(FAMILY, constraint)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The constraint that a config, or a name, describes.

    Args:
        config: What `serialize` returned, or a name.
        custom_objects: Names to further classes and functions that the config may name.
    """
    return get_from(FAMILY, deserialize_in(FAMILY, config, custom_objects))
