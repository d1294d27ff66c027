"""Sequential: layers one after another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from .. import registry
from ..configurable import deserialize_keras_object, serialize_keras_object
from ..graph import KerasTensor, infer
from ..layers import saved
from ..layers.core import InputLayer
from ..layers.layer import Layer
from ..layers.torch_module import TorchModuleWrapper
from .model import Model, forward_of_graph, free_key


class Sequential(Model):
    """A model that calls its layers one after another.

    With an `Input` (or `input_shape=` on the first layer) it is built at once; otherwise by the first data it sees.

    Args:
        layers: Layers, torch modules, or an `Input`.
        trainable: Whether its weights are trained.
        name: Its name.

    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> model.output_shape
    (None, 2)
    """

    _tk_any_length = True
    forward = forward_of_graph

    def __init__(self, layers: Iterable[nn.Module | KerasTensor] | None = None, trainable: bool = True, name: str | None = None) -> None:
        Layer.__init__(self, trainable=trainable, name=name)
        self.__dict__["_tk_chain"] = []
        if layers is not None and not isinstance(layers, Iterable):
            raise ValueError(f"`layers` must be a list of layers. Received: {layers!r} of type {type(layers).__name__}")
        for layer in layers or ():
            self.add(layer, rebuild=False)
        self._tk_rebuild()

    def add(self, layer: nn.Module | KerasTensor, rebuild: bool = True) -> None:
        """Append a layer.

        Args:
            layer: A layer, a torch module, or what `Input` returns.
            rebuild: Whether the graph is made at once.
        """
        if isinstance(layer, KerasTensor):
            origin = layer._keras_history.operation if layer._keras_history else None
            if not isinstance(origin, InputLayer):
                raise ValueError(f"`layer` must be a layer or what `keras.Input` returns. Received: {layer!r}")
            layer = origin
        if isinstance(layer, nn.Module) and not isinstance(layer, Layer):
            layer = TorchModuleWrapper(layer)
        if callable(layer) and not isinstance(layer, Layer):
            raise ValueError(
                f"`layer` must be a layer. Received: {layer!r} of type {type(layer).__name__}. Wrap a function in a `Lambda` layer."
            )
        if not isinstance(layer, Layer):
            raise ValueError(f"`layer` must be a layer. Received: {layer!r} of type {type(layer).__name__}")
        chain = self.__dict__["_tk_chain"]
        if any(layer.name == known.name for known in chain):
            raise ValueError(f"Every layer of a model needs a name of its own; {layer.name!r} is already there. Pass another `name=`.")
        if isinstance(layer, InputLayer):
            if chain and isinstance(chain[0], InputLayer):
                raise ValueError(f"The Sequential model {self.name!r} has an Input already.")
            if chain:
                raise ValueError("An Input must be the first layer of a Sequential model.")
        elif not chain and getattr(layer, "_tk_input_shape_arg", None) is not None:
            chain.append(InputLayer(batch_shape=layer._tk_input_shape_arg, dtype=_input_dtype(layer)))
        chain.append(layer)
        self._tk_hold(self._tk_key_for(layer), layer)
        if rebuild:
            self._tk_rebuild()

    def _tk_key_for(self, layer: Layer) -> str:
        """The name that a program gave the layer, else its place in the model, as files have it: class in snake case, numbered."""
        if layer._tk_named:
            key = layer.name.replace(".", "_")
            other = self._modules.pop(key, None)
            if other is not None:  # a name that was given goes before one that was not
                self._modules[free_key(f"{key}_", self._modules)] = other
            return key
        number = sum(type(other) is type(layer) for other in self.__dict__["_tk_chain"]) - 1
        kind = registry.snake_case(type(layer).__name__)
        return free_key(f"{kind}_{number}" if number else kind, self._modules)

    def pop(self, rebuild: bool = True) -> Layer:
        """Remove the last layer and return it.

        Raises:
            ValueError: If there is none.
        """
        chain = self.__dict__["_tk_chain"]
        if not chain or (len(chain) == 1 and isinstance(chain[0], InputLayer)):
            raise ValueError(f"The Sequential model {self.name!r} has no layer to pop.")
        layer = chain.pop()
        self._modules = {k: m for k, m in self._modules.items() if m is not layer}
        self.__dict__["_tk_plan"] = None
        self.built = False
        if rebuild:
            self._tk_rebuild()
        return layer

    def _tk_rebuild(self) -> None:
        chain = self.__dict__["_tk_chain"]
        self.__dict__["_tk_plan"] = None
        self.built = False
        if len(chain) > 1 and isinstance(chain[0], InputLayer):
            self.build(chain[0].batch_shape)
        elif len(chain) > 1 and isinstance(chain[0], Model) and chain[0]._tk_plan is not None and len(chain[0]._tk_inputs) == 1:
            self.build(chain[0]._tk_inputs[0].shape)

    _tk_makes_weights = False

    def build(self, input_shape: Any = None) -> None:
        """Make the graph and the weights for inputs of this shape, batch size (or `None`) included."""
        if input_shape is None or self._tk_plan is not None:
            return
        chain = self.__dict__["_tk_chain"]
        if not chain:
            raise ValueError(f"The Sequential model {self.name!r} has no layers. Add one before it is built.")
        if isinstance(input_shape, list):
            input_shape = tuple(input_shape)
        if isinstance(chain[0], InputLayer):
            start = chain[0]
            if tuple(start.batch_shape)[1:] != tuple(input_shape)[1:]:
                raise ValueError(
                    f"`input_shape` must fit the model's Input, {tuple(start.batch_shape)}. Received: input_shape={input_shape}"
                )
        else:
            start = self.__dict__["_found_input"] = InputLayer(batch_shape=tuple(input_shape), dtype=_input_dtype(chain[0]))
            chain.insert(0, start)
        inputs = start.output if len(start._inbound_nodes) == 1 else start._inbound_nodes[0].outputs
        x = inputs
        for layer in chain[1:]:
            x = layer(x)
        self._tk_init_graph(inputs, x)
        self._modules = dict(sorted(self._modules.items(), key=lambda item: _place(chain, item[1])))

    def _tk_build_for(self, arguments: dict[str, Any]) -> None:
        x = next(iter(arguments.values()))
        if not hasattr(x, "shape"):
            super()._tk_build_for(arguments)
            return
        self._tk_build_on(infer.known_shape(x), x.dtype)

    def _tk_build_on(self, shape: Any, dtype: Any) -> None:
        self.build((None, *shape[1:]))

    def _tk_standardize(self, inputs: Any) -> list[Any]:
        if infer.unknown_size() is not None and isinstance(inputs, torch.Tensor):
            self._tk_learn_shape(infer.known_shape(inputs))
        return super()._tk_standardize(inputs)

    def _tk_learn_shape(self, shape: tuple[int | None, ...]) -> None:
        """An axis that had another size when an inference built the model has no known size: build it again with `None` there."""
        chain, known = self.__dict__["_tk_chain"], self._tk_inputs[0].shape
        if chain[0] is self.__dict__.get("_found_input") and len(shape) == len(known) and any(a != b for a, b in zip(known[1:], shape[1:])):
            del chain[0]
            self.__dict__["_tk_plan"] = None
            self.build((known[0], *(a if a == b else None for a, b in zip(known[1:], shape[1:]))))

    def _tk_layers_inside(self) -> list[Layer]:
        chain = self.__dict__.get("_tk_chain", [])
        return [layer for layer in chain if not isinstance(layer, InputLayer)]

    @property
    def input_shape(self) -> Any:
        """The batch shape of the input; `AttributeError` before the model is built."""
        if self._tk_plan is None:
            raise AttributeError(f"The Sequential model {self.name!r} is not built: it has no input shape yet.")
        return self._tk_inputs[0].shape

    @property
    def output_shape(self) -> Any:
        """The batch shape of the output; `AttributeError` before the model is built."""
        if self._tk_plan is None:
            raise AttributeError(f"The Sequential model {self.name!r} is not built: it has no output shape yet.")
        return self._tk_outputs[0].shape

    def saved_children(self) -> Iterable[tuple[str, Any]]:
        """Name and object of what files hold inside the model: its layers, the attributes of a subclass, and its optimizer."""
        return [*saved.members("layers", self.layers), *super().saved_children()]

    def get_config(self) -> dict[str, Any]:
        chain = self.__dict__["_tk_chain"]
        config = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": Layer.get_config(self)["dtype"],
            "layers": [serialize_keras_object(layer) for layer in chain],
        }
        if self._tk_plan is not None:
            config["build_input_shape"] = self._tk_inputs[0].shape
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """A model from what `get_config` returned."""
        with registry.CustomObjectScope(custom_objects):
            model = cls(name=config.get("name"))
            for data in config["layers"]:
                model.add(deserialize_keras_object(data), rebuild=False)
            model._tk_rebuild()
            shape = config.get("build_input_shape")
            if model._tk_plan is None and shape and model.layers:
                model.build(tuple(shape))
        if config.get("trainable") is False:
            model.trainable = False
        return model


def _place(chain: list[Any], module: Any) -> int:
    return next((i for i, layer in enumerate(chain) if layer is module), len(chain))


def _input_dtype(layer: Any) -> Any:
    """Integer inputs stay integers for the layers that look things up; everything else takes the layer's own type."""
    return getattr(layer, "_input_dtype", None) or layer.compute_dtype
