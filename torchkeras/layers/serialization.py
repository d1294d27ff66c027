"""Layers to and from configs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..configurable import deserialize_keras_object, serialize_keras_object
from ..graph import Operation
from .layer import Layer


def serialize(layer: Layer) -> dict[str, Any]:
    """A layer as `{"module", "class_name", "config", …}`.

    Args:
        layer: The layer.
    """
    return serialize_keras_object(layer)


def deserialize(config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Layer:
    """The layer that `serialize` described.

    Args:
        config: What `serialize` returned.
        custom_objects: Names to further classes and functions.

    Raises:
        ValueError: If there is a config of something else.
    """
    found = deserialize_keras_object(config, custom_objects=custom_objects)
    if not isinstance(found, Operation):
        raise ValueError(f"`config` must describe a layer. Received: {config!r}, which describes a {type(found).__name__}")
    return found  # type: ignore[return-value]  # a layer, but for the ops in Keras's files
