"""Losses: what training minimizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import registry
from ..configurable import deserialize_in, get_from, serialize_keras_object
from ..registry import Family
from .crossentropy import CTC as CTC
from .crossentropy import BinaryCrossentropy as BinaryCrossentropy
from .crossentropy import BinaryFocalCrossentropy as BinaryFocalCrossentropy
from .crossentropy import CategoricalCrossentropy as CategoricalCrossentropy
from .crossentropy import CategoricalFocalCrossentropy as CategoricalFocalCrossentropy
from .crossentropy import CategoricalGeneralizedCrossEntropy as CategoricalGeneralizedCrossEntropy
from .crossentropy import KLDivergence as KLDivergence
from .crossentropy import Poisson as Poisson
from .crossentropy import SparseCategoricalCrossentropy as SparseCategoricalCrossentropy
from .crossentropy import binary_crossentropy as binary_crossentropy
from .crossentropy import binary_focal_crossentropy as binary_focal_crossentropy
from .crossentropy import categorical_crossentropy as categorical_crossentropy
from .crossentropy import categorical_focal_crossentropy as categorical_focal_crossentropy
from .crossentropy import categorical_generalized_cross_entropy as categorical_generalized_cross_entropy
from .crossentropy import ctc as ctc
from .crossentropy import kl_divergence as kl_divergence
from .crossentropy import poisson as poisson
from .crossentropy import sparse_categorical_crossentropy as sparse_categorical_crossentropy
from .loss import Loss as Loss
from .loss import LossFunctionWrapper as LossFunctionWrapper
from .loss import targets_first as targets_first
from .margin import CategoricalHinge as CategoricalHinge
from .margin import Circle as Circle
from .margin import Dice as Dice
from .margin import Hinge as Hinge
from .margin import SquaredHinge as SquaredHinge
from .margin import Tversky as Tversky
from .margin import categorical_hinge as categorical_hinge
from .margin import circle as circle
from .margin import dice as dice
from .margin import hinge as hinge
from .margin import squared_hinge as squared_hinge
from .margin import tversky as tversky
from .regression import CosineSimilarity as CosineSimilarity
from .regression import Huber as Huber
from .regression import LogCosh as LogCosh
from .regression import MeanAbsoluteError as MeanAbsoluteError
from .regression import MeanAbsolutePercentageError as MeanAbsolutePercentageError
from .regression import MeanSquaredError as MeanSquaredError
from .regression import MeanSquaredLogarithmicError as MeanSquaredLogarithmicError
from .regression import cosine_similarity as cosine_similarity
from .regression import huber as huber
from .regression import log_cosh as log_cosh
from .regression import mean_absolute_error as mean_absolute_error
from .regression import mean_absolute_percentage_error as mean_absolute_percentage_error
from .regression import mean_squared_error as mean_squared_error
from .regression import mean_squared_logarithmic_error as mean_squared_logarithmic_error

# Functions come first: a name that both share means the function, as in Keras.
FAMILY = Family(
    "loss",
    "keras.losses",
    Loss,
    {
        "binary_crossentropy": binary_crossentropy,
        "binary_focal_crossentropy": binary_focal_crossentropy,
        "categorical_crossentropy": categorical_crossentropy,
        "categorical_focal_crossentropy": categorical_focal_crossentropy,
        "categorical_generalized_cross_entropy": categorical_generalized_cross_entropy,
        "categorical_hinge": categorical_hinge,
        "circle": circle,
        "cosine_similarity": cosine_similarity,
        "ctc": ctc,
        "dice": dice,
        "hinge": hinge,
        "huber": huber,
        "kl_divergence": kl_divergence,
        "log_cosh": log_cosh,
        "mean_absolute_error": mean_absolute_error,
        "mean_absolute_percentage_error": mean_absolute_percentage_error,
        "mean_squared_error": mean_squared_error,
        "mean_squared_logarithmic_error": mean_squared_logarithmic_error,
        "poisson": poisson,
        "sparse_categorical_crossentropy": sparse_categorical_crossentropy,
        "squared_hinge": squared_hinge,
        "tversky": tversky,
        "bce": binary_crossentropy,
        "mse": mean_squared_error,
        "mae": mean_absolute_error,
        "mape": mean_absolute_percentage_error,
        "msle": mean_squared_logarithmic_error,
        "kld": kl_divergence,
        # Keras 1 and 2
        "cosine_proximity": cosine_similarity,
        "cosine": cosine_similarity,
        "logcosh": log_cosh,
        "huber_loss": huber,
        "kullback_leibler_divergence": kl_divergence,
        "BinaryCrossentropy": BinaryCrossentropy,
        "BinaryFocalCrossentropy": BinaryFocalCrossentropy,
        "CTC": CTC,
        "CategoricalCrossentropy": CategoricalCrossentropy,
        "CategoricalFocalCrossentropy": CategoricalFocalCrossentropy,
        "CategoricalGeneralizedCrossEntropy": CategoricalGeneralizedCrossEntropy,
        "CategoricalHinge": CategoricalHinge,
        "Circle": Circle,
        "CosineSimilarity": CosineSimilarity,
        "Dice": Dice,
        "Hinge": Hinge,
        "Huber": Huber,
        "KLDivergence": KLDivergence,
        "LogCosh": LogCosh,
        "LossFunctionWrapper": LossFunctionWrapper,
        "MeanAbsoluteError": MeanAbsoluteError,
        "MeanAbsolutePercentageError": MeanAbsolutePercentageError,
        "MeanSquaredError": MeanSquaredError,
        "MeanSquaredLogarithmicError": MeanSquaredLogarithmicError,
        "Poisson": Poisson,
        "SparseCategoricalCrossentropy": SparseCategoricalCrossentropy,
        "SquaredHinge": SquaredHinge,
        "Tversky": Tversky,
    },
)


def get(identifier: Any) -> Any:
    """A loss from a name, a config, a class, an object or a function; `None` stays `None`.

    Args:
        identifier: A name, a config, a class or an object; `None` stays `None`.

    Raises:
        ValueError: If it is anything else; the message tells near matches of a name.
    """
    if isinstance(identifier, dict):
        return deserialize(identifier)
    return get_from(FAMILY, identifier)


def serialize(loss: Any) -> Any:
    """A loss as a config, as Keras writes it.

    Args:
        loss: What is serialized.
    """
    return serialize_keras_object(loss)


def deserialize(name: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The loss that a config or a name describes.

    Args:
        name: What `serialize` returned, or a name.
        custom_objects: Names to further classes and functions that the config may name.
    """
    if isinstance(name, dict) and name.get("class_name") == "function":
        return FAMILY.find(name["config"], custom_objects)
    return deserialize_in(FAMILY, name, custom_objects)


def is_categorical_crossentropy(loss: Any) -> bool:
    """Whether a loss, given as anything that `get` takes, is the cross-entropy of one-hot labels (Keras 1 and 2)."""
    if isinstance(loss, str):
        return FAMILY.table.get(loss, FAMILY.table.get(registry.snake_case(loss))) in (categorical_crossentropy, CategoricalCrossentropy)
    fn = getattr(loss, "fn", loss)
    return fn is categorical_crossentropy or loss is CategoricalCrossentropy
