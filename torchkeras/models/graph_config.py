"""A graph of layers and ops to and from the config of a functional model, in the form that Keras writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from .. import dtypes, tree
from ..configurable import deserialize_keras_object, serialize_keras_object
from ..graph import KerasTensor, Node, Operation
from ..graph.opnode import OpNode
from ..layers.layer import Layer
from ..variable import Variable
from .op_config import (
    TORCH_VALUES,
    OpCall,
    check_in_files,
    from_torch_value,
    is_op_config,
    serialize_op,
    torch_op,
    torch_value,
    without_devices,
)


def serialize(operations: Sequence[Operation], nodes: Sequence[Node], inputs: Any, outputs: Any) -> dict[str, Any]:
    """The layers, their calls, and where the model begins and ends."""
    place = _places(nodes, inputs)
    calls: dict[int, list[Node]] = {}
    for node in sorted(nodes, key=lambda n: n.index):
        if node.input_tensors:
            calls.setdefault(id(node.operation), []).append(node)
    layers = []
    for operation in operations:
        own = calls.get(id(operation), [])
        if isinstance(operation, OpNode):
            check_in_files(operation)
        as_op = serialize_op(operation, own[0]) if isinstance(operation, OpNode) and len(own) == 1 else None
        if as_op is None:
            data = serialize_keras_object(operation)
            made = [_serialize_call(operation.name, *_arguments_of(operation, n), place, isinstance(operation, OpNode)) for n in own]
        else:
            data, args, kwargs = as_op
            made = [_serialize_call(operation.name, args, kwargs, place)]
        layers.append({**data, "name": operation.name, "inbound_nodes": made})
    pointers = tuple(_pointers(nest, place) for nest in (inputs, outputs))
    return {"layers": layers, "input_layers": pointers[0], "output_layers": pointers[1]}


def _places(nodes: Sequence[Node], inputs: Any) -> dict[int, list[Any]]:
    """Each tensor as `[operation name, number of the call within this graph, number of the output]`."""
    found: dict[int, list[Any]] = {}
    calls: dict[int, int] = {}
    for tensor in tree.flatten(inputs):
        history = tensor._keras_history
        if history is not None:
            found[id(tensor)] = [history.operation.name, 0, history.tensor_index]
    for node in sorted(nodes, key=lambda n: n.index):
        number = calls.get(id(node.operation), 0)
        calls[id(node.operation)] = number + 1
        for i, tensor in enumerate(node.output_tensors):
            found[id(tensor)] = [node.operation.name, number, i]
    return found


def _pointers(nest: Any, place: dict[int, list[Any]]) -> Any:
    if isinstance(nest, KerasTensor):
        return list(place[id(nest)])
    if isinstance(nest, dict):
        return {k: _pointers(v, place) for k, v in nest.items()}
    return [_pointers(v, place) for v in nest]


def _arguments_of(operation: Operation, node: Node) -> tuple[tuple, dict[str, Any]]:
    if not isinstance(operation, OpNode):
        return node.args, node.kwargs
    return without_devices(operation, node.args, node.kwargs)


def _serialize_call(name: str, args: tuple, kwargs: dict[str, Any], place: dict[int, list[Any]], of_torch: bool = False) -> dict[str, Any]:
    def leaf(value: Any) -> Any:
        if isinstance(value, KerasTensor):
            history = list(place[id(value)])
            return {
                "class_name": "__keras_tensor__",
                "config": {"shape": list(value.shape), "dtype": dtypes.standardize_dtype(value.dtype), "keras_history": history},
            }
        if isinstance(value, (nn.Parameter, Variable)):
            raise ValueError(
                f"The call of {name!r} takes a parameter of shape {tuple(value.shape)}, which a config has no place for. "
                "Make the call in the `call` of a Layer that has the parameter as an attribute."
            )
        if of_torch and isinstance(value, slice):
            parts = {name: leaf(getattr(value, name)) for name in ("start", "stop", "step")}
            return {"class_name": "__slice__", "config": parts}
        special = torch_value(value) if of_torch or isinstance(value, complex) else value
        return special if special is not value else serialize_keras_object(value)

    return {"args": [_map(leaf, a) for a in args], "kwargs": {k: _map(leaf, v) for k, v in kwargs.items()}}


def _map(leaf: Any, value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _map(leaf, v) for k, v in value.items()}
    if isinstance(value, list):
        return [_map(leaf, v) for v in value]
    if isinstance(value, tuple) and any(isinstance(t, KerasTensor) for t in tree.flatten(value)):
        return [_map(leaf, v) for v in value]
    if type(value) in (tuple, torch.Size):
        return {"class_name": "__tuple__", "config": {"value": [_map(leaf, v) for v in value]}}
    return leaf(value)


# -- and back -----------------------------------------------------------------------------------------------------------------------------


def deserialize(config: dict[str, Any]) -> tuple[Any, Any]:
    """The nests of symbolic inputs and outputs that a config describes.

    Raises:
        ValueError: A config whose calls can never be made: a tensor that nothing makes, or a cycle.
    """
    operations: dict[str, Any] = {}
    waiting: list[tuple[str, Any]] = []
    for data in config["layers"]:
        name = data.get("name") or data["config"]["name"]
        operations[name] = _make_operation(data)
        waiting += [(name, node) for node in data.get("inbound_nodes") or []]
    made: dict[tuple[str, int], list[KerasTensor]] = {}
    for name, operation in operations.items():
        if operation._inbound_nodes and not operation._inbound_nodes[0].input_tensors:  # input layers call themselves
            made[name, 0] = operation._inbound_nodes[0].output_tensors
    counts = dict.fromkeys(operations, 0)
    while waiting:
        later = []
        blocked: set[str] = set()
        for name, node in waiting:
            arguments = None if name in blocked else _arguments(node, made)
            if arguments is None:
                blocked.add(name)  # the calls of one layer are made in their order
                later.append((name, node))
                continue
            args, kwargs = arguments
            outputs = operations[name](*args, **kwargs)
            made[name, counts[name]] = [t for t in tree.flatten(outputs) if isinstance(t, KerasTensor)]
            counts[name] += 1
        if len(later) == len(waiting):
            raise ValueError(f"The config describes a graph that cannot be made: the inputs of the layer {later[0][0]!r} are missing.")
        waiting = later
    return _tensors(config["input_layers"], made), _tensors(config["output_layers"], made)


def _make_operation(data: dict[str, Any]) -> Any:
    if is_op_config(data):
        return OpCall(data)
    if data.get("class_name") == "OpNode" and data.get("module") == OpNode._keras_module:
        return torch_op(data)
    made = deserialize_keras_object({k: v for k, v in data.items() if k not in ("inbound_nodes", "name")})
    if not isinstance(made, Layer):
        raise ValueError(f"The config of a graph holds a {type(made).__name__} where a layer is due: {data.get('name')!r}.")
    return made


def _arguments(node: Any, made: dict[tuple[str, int], list[KerasTensor]]) -> tuple[list[Any], dict[str, Any]] | None:
    """The arguments of a call; `None` while a tensor among them is not made yet."""
    if isinstance(node, list):  # Keras 2: [[name, node, tensor, kwargs], ...]
        tensors = []
        kwargs: dict[str, Any] = {}
        for name, index, place, *rest in [node] if node and isinstance(node[0], str) else node:
            if (name, index) not in made:
                return None
            tensors.append(made[name, index][place])
            kwargs.update(rest[0] if rest else {})
        return [tensors[0] if len(tensors) == 1 else tensors], kwargs
    missing = False

    def restore(value: Any) -> Any:
        nonlocal missing
        if isinstance(value, dict):
            if value.get("class_name") == "__keras_tensor__":
                name, index, place = value["config"]["keras_history"]
                if (name, index) not in made:
                    missing = True
                    return None
                return made[name, index][place]
            kind = value.get("class_name")
            if kind == "__tuple__":
                return tuple(restore(v) for v in value["config"]["value"])
            if kind == "__slice__":
                return slice(*(restore(value["config"][part]) for part in ("start", "stop", "step")))
            if kind in TORCH_VALUES:
                return from_torch_value(value)
            if "class_name" in value and "config" in value:
                return deserialize_keras_object(value)
            return {k: restore(v) for k, v in value.items()}
        if isinstance(value, list):
            return [restore(v) for v in value]
        return value

    args, kwargs = restore(node["args"]), restore(node["kwargs"])
    return None if missing else (args, kwargs)


def _tensors(pointers: Any, made: dict[tuple[str, int], list[KerasTensor]]) -> Any:
    if isinstance(pointers, dict):
        return {k: _tensors(v, made) for k, v in pointers.items()}
    if pointers and isinstance(pointers[0], str):
        name, index, place = pointers
        if (name, index) not in made:
            raise ValueError(f"The config names an output of the layer {name!r} that does not exist.")
        return made[name, index][place]
    return [_tensors(p, made) for p in pointers]
