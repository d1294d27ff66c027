"""Regularizers: penalties on weights or outputs that are added to the loss."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F

from .configurable import Configurable, deserialize_in, get_from, serialize_in
from .graph import convert_to_tensor
from .registry import Family


class Regularizer(Configurable):
    """A penalty: `regularizer(x)` is a scalar tensor. `x` is in Keras layout.

    >>> isinstance(keras.regularizers.L2(), keras.Regularizer)
    True
    """

    _keras_module = "keras.regularizers"

    def __call__(self, x: Any) -> torch.Tensor:
        """The penalty of `x`."""
        return torch.zeros(())


def _factor(name: str, value: Any, default: float) -> float:
    if value is None:
        return default
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"`{name}` must be a number that is not negative. Received: {name}={value!r}")
    return number


class L1(Regularizer):
    """`l1 * sum(|x|)`.

    Args:
        l1: The factor.

    >>> keras.regularizers.L1(0.1)(torch.tensor([1.0, -2.0]))
    tensor(0.3000)
    """

    def __init__(self, l1: float = 0.01) -> None:
        self.l1 = _factor("l1", l1, 0.01)

    def __call__(self, x: Any) -> torch.Tensor:
        return self.l1 * torch.sum(torch.abs(convert_to_tensor(x)))


class L2(Regularizer):
    """`l2 * sum(x²)`.

    Args:
        l2: The factor.

    >>> keras.regularizers.L2(0.1)(torch.tensor([1.0, -2.0]))
    tensor(0.5000)
    """

    def __init__(self, l2: float = 0.01) -> None:
        self.l2 = _factor("l2", l2, 0.01)

    def __call__(self, x: Any) -> torch.Tensor:
        return self.l2 * torch.sum(torch.square(convert_to_tensor(x)))


class L1L2(Regularizer):
    """`l1 * sum(|x|) + l2 * sum(x²)`.

    Args:
        l1: The first factor.
        l2: The second.

    >>> keras.regularizers.L1L2(0.1, 0.1)(torch.tensor([1.0, -2.0]))
    tensor(0.8000)
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1, self.l2 = _factor("l1", l1, 0.0), _factor("l2", l2, 0.0)

    def __call__(self, x: Any) -> torch.Tensor:
        x = convert_to_tensor(x)
        if not self.l2:
            return self.l1 * torch.sum(torch.abs(x))
        penalty = self.l2 * torch.sum(torch.square(x))
        return penalty + self.l1 * torch.sum(torch.abs(x)) if self.l1 else penalty


class OrthogonalRegularizer(Regularizer):
    """`factor` times the mean magnitude of the cosine between two rows, or two columns, of a matrix.

    Args:
        factor: The factor.
        mode: `"rows"` or `"columns"`.

    >>> keras.regularizers.OrthogonalRegularizer(0.1)(torch.tensor([[1.0, 1.0], [1.0, 0.0]]))
    tensor(0.0707)
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        if mode not in ("rows", "columns"):
            raise ValueError(f"`mode` must be 'rows' or 'columns'. Received: mode={mode!r}")
        self.factor, self.mode = _factor("factor", factor, 0.01), mode

    def __call__(self, x: Any) -> torch.Tensor:
        x = convert_to_tensor(x)
        if len(x.shape) != 2:
            raise ValueError(f"`x` must be a matrix for OrthogonalRegularizer. Received: shape {tuple(x.shape)}")
        rows = F.normalize(x if x.is_floating_point() else x.float(), dim=1 if self.mode == "rows" else 0)
        if self.mode == "columns":
            rows = rows.mT
        cosines = torch.triu(torch.abs(rows @ rows.mT), diagonal=1)
        pairs = rows.shape[0] * (rows.shape[0] - 1) // 2
        return self.factor * torch.sum(cosines) / max(pairs, 1)


l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer

FAMILY = Family(
    "regularizer",
    "keras.regularizers",
    Regularizer,
    {"l1": L1, "l2": L2, "l1_l2": L1L2, "l1l2": L1L2, "orthogonal_regularizer": OrthogonalRegularizer},
)


def get(identifier: Any) -> Any:
    """A regularizer from a name, a config, a class or any callable; `None` stays `None`.

    Args:
        identifier: A name, a config, a class or an object; `None` stays `None`.

    Raises:
        ValueError: If it is anything else; the message tells near matches of a name.
    """
    return get_from(FAMILY, identifier)


def serialize(regularizer: Any) -> Any:
    """A regularizer as a config.

    Args:
        regularizer: What is serialized.
    """
    return serialize_in(FAMILY, regularizer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The regularizer that a config, or a name, describes.

    Args:
        config: What `serialize` returned, or a name.
        custom_objects: Names to further classes and functions that the config may name.
    """
    return get_from(FAMILY, deserialize_in(FAMILY, config, custom_objects))
