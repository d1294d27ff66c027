"""Activation functions by name: the ops of `ops.nn`, and those that Keras gives other arguments here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F

from .configurable import deserialize_keras_object, get_from, serialize_in
from .graph import Filed, TensorLike, op
from .ops import nn
from .ops.nn import celu as celu
from .ops.nn import elu as elu
from .ops.nn import glu as glu
from .ops.nn import hard_shrink as hard_shrink
from .ops.nn import hard_sigmoid as hard_sigmoid
from .ops.nn import hard_silu as hard_silu
from .ops.nn import hard_tanh as hard_tanh
from .ops.nn import leaky_relu as leaky_relu
from .ops.nn import log_sigmoid as log_sigmoid
from .ops.nn import log_softmax as log_softmax
from .ops.nn import relu6 as relu6
from .ops.nn import selu as selu
from .ops.nn import silu as silu
from .ops.nn import soft_shrink as soft_shrink
from .ops.nn import softplus as softplus
from .ops.nn import softsign as softsign
from .ops.nn import sparse_plus as sparse_plus
from .ops.nn import sparse_sigmoid as sparse_sigmoid
from .ops.nn import sparsemax as sparsemax
from .ops.nn import squareplus as squareplus
from .ops.nn import tanh_shrink as tanh_shrink
from .ops.nn import threshold as threshold
from .ops.numpy import exp, tanh
from .registry import Family
from .reporting import warn


def relu(
    x: TensorLike,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
    alpha: float | None = None,
) -> TensorLike:
    """`max(x, 0)`; with its arguments, a line below `threshold` and a ceiling.

    Args:
        x: The argument.
        negative_slope: The slope below `threshold`, where the value is `negative_slope * (x - threshold)`.
        max_value: The largest value.
        threshold: Where it stops being zero, or changes its slope.
        alpha: The name of `negative_slope` in Keras 2.

    >>> keras.activations.relu(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    if alpha is not None:
        warn("`alpha` is the old name of `negative_slope`.", DeprecationWarning)
        negative_slope = alpha
    if negative_slope == 0.0 and max_value is None and threshold == 0.0:
        return torch.relu(x) if _plain(x) else nn.relu(x)
    return bent_relu(x, negative_slope, max_value, threshold)


@op(filed=Filed("ReLU", module="keras.src.activations.activations"))
def bent_relu(x: TensorLike, negative_slope: float, max_value: float | None, threshold: float) -> TensorLike:
    """`relu` with all of its arguments."""
    if negative_slope:
        y = torch.where(x > threshold, x, negative_slope * (x - threshold))
    else:
        y = torch.where(x > threshold, x, 0) if threshold else torch.relu(x)
    return y if max_value is None else torch.clamp(y, max=max_value)


def gelu(x: TensorLike, approximate: bool = False) -> TensorLike:
    """`x · Φ(x)`, with Φ the distribution function of the normal distribution.

    Args:
        x: The argument.
        approximate: Whether to compute it with tanh.

    >>> keras.activations.gelu(torch.tensor([-1.0, 2.0]))
    tensor([-0.1587,  1.9545])
    """
    return nn.gelu(x, approximate)


@op(promote="float", filed=Filed(keras=False))
def mish(x: TensorLike) -> TensorLike:
    """`x · tanh(softplus(x))` (Misra 2019).

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.activations.mish(torch.tensor([-1.0, 2.0]))
    tensor([-0.3034,  1.9440])
    """
    return F.mish(x)


def linear(x: TensorLike) -> TensorLike:
    """`x` as it is.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.activations.linear(torch.tensor([-1.0, 2.0]))
    tensor([-1.,  2.])
    """
    return x


def exponential(x: TensorLike) -> TensorLike:
    """`exp(x)`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.activations.exponential(torch.tensor([-1.0, 2.0]))
    tensor([0.3679, 7.3891])
    """
    return exp(x)


def sigmoid(x: TensorLike) -> TensorLike:
    """`1 / (1 + exp(-x))`. The result remembers `x`, from which a cross-entropy computes.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.activations.sigmoid(torch.tensor([-1.0, 2.0]))
    tensor([0.2689, 0.8808])
    """
    output = torch.sigmoid(x) if _plain(x) else nn.sigmoid(x)
    return with_logits(output, x, "sigmoid")


def softmax(x: TensorLike, axis: Any = -1) -> TensorLike:
    """`exp(x)`, scaled to sum to 1. The result remembers `x`, from which a cross-entropy computes.

    Args:
        x: The argument.
        axis: The axis or axes of the sum.

    >>> keras.activations.softmax(torch.tensor([-1.0, 2.0]))
    tensor([0.0474, 0.9526])
    """
    if axis != -1:
        return nn.softmax(x, axis)
    output = torch.softmax(x, -1) if _plain(x) and x.ndim else nn.softmax(x)
    return with_logits(output, x, "softmax")


def _plain(x: Any) -> bool:
    """Whether an op would pass `x` to torch as it is; asked here, it costs less."""
    return x.__class__ is torch.Tensor and x.dtype.is_floating_point


def with_logits(output: Any, logits: Any, activation: str) -> Any:
    """`output`, which remembers that it is this activation of `logits`, from which a cross-entropy computes."""
    if isinstance(output, torch.Tensor):  # a fake one too: a captured step computes what an eager one does
        output._keras_logits = logits  # type: ignore[attr-defined]
        output._keras_logits_of = activation  # type: ignore[attr-defined]
    return output


swish = silu
hard_swish = hard_silu

FAMILY = Family(
    "activation",
    "keras.activations",
    None,
    {
        "celu": celu,
        "elu": elu,
        "exponential": exponential,
        "gelu": gelu,
        "glu": glu,
        "hard_shrink": hard_shrink,
        "hard_sigmoid": hard_sigmoid,
        "hard_silu": hard_silu,
        "hard_swish": hard_swish,
        "hard_tanh": hard_tanh,
        "leaky_relu": leaky_relu,
        "linear": linear,
        "log_sigmoid": log_sigmoid,
        "log_softmax": log_softmax,
        "mish": mish,
        "relu": relu,
        "relu6": relu6,
        "selu": selu,
        "sigmoid": sigmoid,
        "silu": silu,
        "soft_shrink": soft_shrink,
        "softmax": softmax,
        "softplus": softplus,
        "softsign": softsign,
        "sparse_plus": sparse_plus,
        "sparse_sigmoid": sparse_sigmoid,
        "sparsemax": sparsemax,
        "squareplus": squareplus,
        "swish": swish,
        "tanh": tanh,
        "tanh_shrink": tanh_shrink,
        "threshold": threshold,
    },
)


def get(identifier: Any) -> Callable:
    """A function from its name, a config, or any callable: a torch function, a module or module class, a layer; `linear` for `None`.

    Args:
        identifier: A name, a config, a class or an object; `None` stays `None`.

    Raises:
        ValueError: If it is anything else; the message tells near matches of a name.
    """
    if identifier is None:
        return linear
    return get_from(FAMILY, deserialize(identifier) if isinstance(identifier, dict) else identifier)


def serialize(activation: Any) -> Any:
    """A function as its name, a layer or module with a config as that.

    Args:
        activation: What is serialized.
    """
    return serialize_in(FAMILY, activation)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The function that a name or a config describes.

    Args:
        config: What `serialize` returned, or a name.
        custom_objects: Names to further classes and functions that the config may name.
    """
    if isinstance(config, dict):
        name = config.get("config")
        if config.get("class_name") != "function" or not isinstance(name, str) or name.lower() not in FAMILY.table:
            return deserialize_keras_object(config, custom_objects)  # a layer, or a user's function
        config = name
    return FAMILY.find(config, custom_objects)
