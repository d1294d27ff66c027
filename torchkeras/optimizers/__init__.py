"""Optimizers: `torch.optim.Optimizer`s with Keras's arguments, formulas and files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ..configurable import deserialize_in, get_from, serialize_in
from ..registry import Family
from . import legacy as legacy
from . import schedules as schedules
from .matrices import Adafactor as Adafactor
from .matrices import Lamb as Lamb
from .matrices import Muon as Muon
from .matrices import ScheduleFreeAdamW as ScheduleFreeAdamW
from .optimizer import Optimizer as Optimizer
from .rules import SGD as SGD
from .rules import Adadelta as Adadelta
from .rules import Adagrad as Adagrad
from .rules import Adam as Adam
from .rules import Adamax as Adamax
from .rules import AdamW as AdamW
from .rules import Ftrl as Ftrl
from .rules import Lion as Lion
from .rules import Nadam as Nadam
from .rules import RMSprop as RMSprop
from .wrappers import LossScaleOptimizer as LossScaleOptimizer
from .wrappers import MultiOptimizer as MultiOptimizer
from .wrappers import OptimizerMap as OptimizerMap

FAMILY = Family(
    "optimizer",
    "keras.optimizers",
    Optimizer,
    {
        "sgd": SGD,
        "rmsprop": RMSprop,
        "adam": Adam,
        "adamw": AdamW,
        "adadelta": Adadelta,
        "adagrad": Adagrad,
        "adamax": Adamax,
        "adafactor": Adafactor,
        "nadam": Nadam,
        "ftrl": Ftrl,
        "lion": Lion,
        "lamb": Lamb,
        "muon": Muon,
        "schedulefreeadamw": ScheduleFreeAdamW,
        "lossscaleoptimizer": LossScaleOptimizer,
        "multioptimizer": MultiOptimizer,
    },
)


def get(identifier: Any) -> Any:
    """An optimizer from a name, a config, a class or an object; a plain `torch.optim` optimizer is returned as it is.

    Args:
        identifier: A name, a config, a class or an object; `None` stays `None`.

    Raises:
        ValueError: If it is anything else; the message tells near matches of a name.
    """
    if identifier is None or isinstance(identifier, (Optimizer, torch.optim.Optimizer)):
        return identifier
    found = get_from(FAMILY, identifier)
    if not isinstance(found, torch.optim.Optimizer):
        kind = type(identifier).__name__
        raise ValueError(f"`optimizer` must be a name, a config or an optimizer. Received: {identifier!r} of type {kind}")
    return found


def serialize(optimizer: Optimizer) -> Any:
    """The optimizer as a config.

    Args:
        optimizer: What is serialized.
    """
    return serialize_in(FAMILY, optimizer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The optimizer that a config describes.

    Args:
        config: What `serialize` returned, or a name.
        custom_objects: Names to further classes and functions that the config may name.
    """
    return deserialize_in(FAMILY, config, custom_objects)
