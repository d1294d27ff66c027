"""`clone_model`: the same architecture with weights of its own."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from .. import tree
from ..configurable import deserialize_keras_object, serialize_keras_object
from ..graph import KerasTensor, Operation
from ..graph.function import replay
from ..graph.opnode import OpNode
from ..layers.core import InputLayer
from ..layers.lambda_layer import Lambda
from ..layers.layer import Layer
from ..layers.torch_module import TorchModuleWrapper
from .model import Functional, Model
from .sequential import Sequential


def clone_model(
    model: Model,
    input_tensors: Any = None,
    clone_function: Callable[[Layer], Layer] | None = None,
    call_function: Callable | None = None,
    recursive: bool = False,
    **kwargs: Any,
) -> Model:
    """A new model of the same architecture, with new weights.

    Args:
        model: A functional, sequential or subclassed model.
        input_tensors: Symbolic tensors to build the clone on, in the place of new inputs.
        clone_function: Makes the new layer for each layer; from its config without it.
        call_function: Called as `call_function(layer, *args, **kwargs)` in the place of the layer itself, for functional models.
        recursive: Whether `clone_function` is used inside nested models as well.
        **kwargs: None are known.

    Raises:
        ValueError: If arguments do not go with the kind of model.
    """
    if kwargs:
        raise ValueError(f"Unrecognized keyword arguments passed to clone_model: {', '.join(kwargs)}")
    if not isinstance(model, Model):
        raise ValueError(f"`model` must be a model. Received: {model!r} of type {type(model).__name__}")
    if isinstance(model, Sequential):
        if call_function is not None:
            raise ValueError("`call_function` goes with functional models only. Received a Sequential model.")
        return _clone_sequential(model, input_tensors, clone_function, recursive)
    if model._tk_plan is not None:
        return _clone_functional(model, input_tensors, clone_function, call_function, recursive)
    if clone_function is not None or input_tensors is not None or call_function is not None:
        raise ValueError(
            "`clone_function`, `input_tensors` and `call_function` go with functional and Sequential models. "
            f"Received a subclassed model: {type(model).__name__}"
        )
    return type(model).from_config(model.get_config())


def _copy(layer: Layer) -> Layer:
    if isinstance(layer, (Lambda, TorchModuleWrapper)):  # their configs carry code, which loading refuses; here it is in hand
        args, kwargs = copy.deepcopy(layer._tk_init_args)
        return type(layer)(*args, **{**kwargs, "name": layer.name})
    data = serialize_keras_object(layer)
    return deserialize_keras_object({k: data.get(k) for k in ("module", "class_name", "config", "registered_name", "named")})


def _cloner(clone_function: Callable | None, recursive: bool) -> Callable[[Any], Any]:
    def clone(layer: Any) -> Any:
        if recursive and isinstance(layer, Model):
            return clone_model(layer, clone_function=clone_function, recursive=True)
        return (clone_function or _copy)(layer)

    return clone


def _clone_sequential(model: Sequential, input_tensors: Any, clone_function: Callable | None, recursive: bool) -> Sequential:
    clone = _cloner(clone_function, recursive)
    fresh = Sequential(name=model.name, trainable=model.trainable)
    flat = tree.flatten(input_tensors) if input_tensors is not None else []
    if len(flat) > 1:
        raise ValueError(f"`input_tensors` must hold one tensor for a Sequential model. Received: {len(flat)}")
    layers = model.__dict__["_tk_chain"]
    start = layers[0] if layers and isinstance(layers[0], InputLayer) else None
    if flat:
        history = flat[0]._keras_history
        if history is not None and isinstance(history.operation, InputLayer):
            fresh.add(history.operation, rebuild=False)
        else:
            fresh.add(InputLayer(batch_shape=flat[0].shape, dtype=flat[0].dtype), rebuild=False)
    elif start is not None:
        fresh.add(InputLayer(batch_shape=start.batch_shape, dtype=start.dtype, name=start.name), rebuild=False)
    for layer in model.layers:
        fresh.add(clone(layer), rebuild=False)
    fresh._tk_rebuild()
    fresh._tk_named = model._tk_named
    return fresh


def _clone_functional(
    model: Model, input_tensors: Any, clone_function: Callable | None, call_function: Callable | None, recursive: bool
) -> Model:
    clone = _cloner(clone_function, recursive)
    if input_tensors is None:
        inputs = tree.map_structure(_fresh_input, model._tk_inputs_struct)
    else:
        inputs = input_tensors
        if len(tree.flatten(inputs)) != len(model._tk_inputs):
            raise ValueError(f"`input_tensors` must hold {len(model._tk_inputs)} tensors. Received: {len(tree.flatten(inputs))}")
    made: dict[int, Any] = {}

    def operation_of(operation: Operation) -> Any:
        if id(operation) not in made:
            if isinstance(operation, OpNode):
                made[id(operation)] = OpNode(operation.fn, name=operation.name)
            else:
                made[id(operation)] = clone(operation)
        new = made[id(operation)]
        if call_function is not None and not isinstance(operation, OpNode):
            return lambda *args, **kwargs: call_function(new, *args, **kwargs)
        return new

    outputs = replay(model._tk_inputs, tree.flatten(inputs), model._tk_outputs_struct, model._tk_nodes, operation_of=operation_of)
    fresh = Functional(inputs, outputs, name=model.name)
    fresh._tk_named = model._tk_named
    return fresh


def _fresh_input(tensor: KerasTensor) -> KerasTensor:
    operation = tensor._keras_history.operation if tensor._keras_history else None
    name = operation.name if isinstance(operation, InputLayer) else None
    layer = InputLayer(batch_shape=tensor.shape, dtype=tensor.dtype, name=name)
    return layer._inbound_nodes[0].outputs
