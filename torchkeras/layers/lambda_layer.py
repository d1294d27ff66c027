"""A function as a layer, and the code of anonymous functions in configs."""

from __future__ import annotations

import base64
import inspect
import marshal
import sys
from collections.abc import Callable, Mapping
from types import CellType, FunctionType
from typing import Any

import numpy as np
import torch

from .. import tree
from ..configurable import deserialize_keras_object, in_safe_mode, serialize_value
from ..graph import KerasTensor
from .building import map_shapes
from .layer import Layer


class Lambda(Layer):
    """Any function of tensors as a layer. Weights that it uses are not the layer's: write a `Layer` for those.

    Args:
        function: The function of the inputs; it gets `mask` and `training` if it has parameters of these names.
        output_shape: The shape of its output without the batch axis, or a function of the input's shape; found by running it without one.
        mask: The mask of the output, or a function of the inputs and their mask.
        arguments: Further keyword arguments of the function.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.Lambda(lambda x: x**2)(torch.tensor([1.0, 3.0]))
    tensor([1., 9.])
    """

    _tk_takes_strings = True

    def __init__(
        self, function: Callable, output_shape: Any = None, mask: Any = None, arguments: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            raise ValueError(f"`function` must be callable. Received: function={function!r} of type {type(function).__name__}")
        self.function = function
        self.arguments = dict(arguments or {})
        self.mask = mask
        self.supports_masking = mask is not None
        self._given_shape = output_shape
        try:
            names = tuple(inspect.signature(function).parameters)
        except ValueError:  # builtins of torch have no signature
            names = ()
        self._passed = tuple(name for name in ("mask", "training") if name in names)

    def call(self, inputs: Any, mask: Any = None, training: bool | None = None) -> Any:
        given = {"mask": mask, "training": training}
        return self.function(inputs, **self.arguments, **{name: given[name] for name in self._passed})

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def _tk_makes_mask(self) -> bool:
        return self.mask is not None

    def compute_output_spec(self, inputs: Any, mask: Any = None, training: bool | None = None) -> Any:
        if self._given_shape is None:
            return super().compute_output_spec(inputs)
        shapes = tree.map_structure(lambda t: tuple(t.shape), inputs)
        if callable(self._given_shape):
            found = self._given_shape(shapes)
        else:
            batch = tree.flatten(inputs)[0].shape[0]
            found = map_shapes(lambda s: (batch, *s), self._given_shape)
        return map_shapes(lambda s: KerasTensor(s, dtype=self.compute_dtype), found)

    def _tk_config_value(self, name: str) -> Any:
        return None if name in ("function", "output_shape", "mask") else super()._tk_config_value(name)  # `get_config` writes them

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config["function"] = _described(self.function)
        config["arguments"] = serialize_value(dict(self.arguments), self, "arguments")
        for name, value in (("output_shape", self._given_shape), ("mask", self.mask)):
            config.pop(name)
            if value is not None:
                config[name] = _described(value) if callable(value) else serialize_value(value, self, name)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None, safe_mode: bool | None = None) -> Lambda:
        """The layer that `get_config` described.

        Args:
            config: The config.
            custom_objects: Names to further functions.
            safe_mode: `False` runs code that the config carries; that of the load in progress, else `True`, without one.

        Raises:
            ValueError: If the config carries code in safe mode.
        """
        safe = in_safe_mode() if safe_mode is None else safe_mode is not False
        config = dict(config)
        for name in ("function", "output_shape", "mask", "arguments"):
            if name in config:
                config[name] = _restored(config[name], custom_objects, safe)
        if isinstance(config.get("output_shape"), list) and all(d is None or isinstance(d, int) for d in config["output_shape"]):
            config["output_shape"] = tuple(config["output_shape"])
        return cls(**config)


def _described(function: Callable) -> Any:
    """A named function as its name; an anonymous one as its code, which loading refuses in safe mode."""
    if not (isinstance(function, FunctionType) and function.__name__ == "<lambda>"):
        found = serialize_value(function)
        if isinstance(found, str):
            return {"module": "builtins", "class_name": "function", "config": found, "registered_name": found}
        return found
    cells = function.__closure__
    code = base64.encodebytes(marshal.dumps(function.__code__)).decode("ascii")
    closure = tuple(c.cell_contents for c in cells) if cells else None
    return {"class_name": "__lambda__", "config": {"code": code, "defaults": function.__defaults__, "closure": closure}}


def _restored(value: Any, custom_objects: Mapping[str, Any] | None, safe: bool) -> Any:
    if not (isinstance(value, dict) and value.get("class_name") == "__lambda__"):
        return deserialize_keras_object(value, custom_objects=custom_objects, safe_mode=safe) if isinstance(value, (dict, list)) else value
    if safe:
        raise ValueError(
            "The config of a Lambda layer carries the code of an anonymous function, and running code from a file is refused in safe mode. "
            "If you trust its source, pass `safe_mode=False` to the loading function or call `config.enable_unsafe_deserialization()`. "
            "Lambda layers of named, registered functions need neither."
        )
    inner = value["config"]
    code = marshal.loads(base64.decodebytes(inner["code"].encode("ascii")))
    closure = None if inner.get("closure") is None else tuple(CellType(v) for v in inner["closure"])
    defaults = None if inner.get("defaults") is None else tuple(inner["defaults"])
    names = {"torch": torch, "np": np, "numpy": np, **vars(sys.modules["__main__"])}  # what a program's lambdas most often name
    return FunctionType(code, names, "<lambda>", defaults, closure)
