"""Operations, and the nodes of a graph: their recorded calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch

from .. import dtypes, registry, tree
from ..configurable import Configurable
from ..distribution import rank
from . import infer, modules
from .symbolic import KerasHistory, KerasTensor, any_symbolic


class Node:
    """One recorded call: the operation, its arguments with the symbolic tensors in their places, and its outputs."""

    def __init__(self, operation: Operation, args: tuple, kwargs: dict[str, Any], outputs: Any) -> None:
        self.operation = operation
        self.args, self.kwargs = tree.map_structure(lambda leaf: leaf, (args, kwargs))  # the caller may append to a list that it gave
        self.outputs = outputs
        self.input_tensors = [t for t in tree.flatten((self.args, self.kwargs)) if isinstance(t, KerasTensor)]
        self.output_tensors = [t for t in tree.flatten(outputs) if isinstance(t, KerasTensor)]
        self.index = len(operation._inbound_nodes)
        operation._inbound_nodes.append(self)
        for i, tensor in enumerate(self.output_tensors):
            tensor._keras_history = KerasHistory(operation, self.index, i)

    @property
    def parent_nodes(self) -> list[Node]:
        """The nodes that made the inputs, each once."""
        found: dict[int, Node] = {}
        for tensor in self.input_tensors:
            if tensor._keras_history is not None:
                node = tensor._keras_history.operation._inbound_nodes[tensor._keras_history.node_index]
                found[id(node)] = node
        return list(found.values())

    def __repr__(self) -> str:
        return f"<Node {self.index} of {self.operation.name}>"


class Operation(Configurable):
    """Something that maps tensors to tensors: called on symbolic ones, it records a node.

    Subclasses write `call`, and `compute_output_spec` or `compute_output_shape` where running `call` on fake tensors will not do.

    Args:
        name: Its name; the class's in snake case, numbered, without one.

    >>> isinstance(keras.layers.ReLU(), keras.Operation)
    True
    """

    _keras_module = "keras"
    _tk_config_base: ClassVar[tuple[str, ...]] = ("name",)
    _tk_named = False  # whether the program gave it its name

    def __init__(self, name: str | None = None) -> None:
        if name is not None and not isinstance(name, str):
            raise ValueError(f"`name` must be a string. Received: name={name!r}")
        self._tk_named = bool(name)
        self.name = name or registry.unique_name(registry.snake_case(type(self).__name__))
        self._inbound_nodes: list[Node]
        object.__setattr__(self, "_inbound_nodes", [])  # not one of the lists in which layers look for layers

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if any_symbolic(args, kwargs):
            return self.symbolic_call(*args, **kwargs)
        return self.call(*args, **kwargs)

    def _tk_config_value(self, name: str) -> Any:
        return self.name if name == "name" else super()._tk_config_value(name)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The computation on torch tensors."""
        raise NotImplementedError(f"{type(self).__name__} must write a `call` method.")

    def symbolic_call(self, *args: Any, **kwargs: Any) -> Any:
        """Record a node and return its symbolic outputs."""
        call = modules.enclosing_call(self)
        if call is not None:
            return call.run(self, self._tk_plain_function(), args, kwargs)
        outputs = self.compute_output_spec(*args, **kwargs)
        Node(self, args, kwargs, outputs)
        return outputs

    def _tk_plain_function(self) -> Callable | None:
        """The function that this operation is nothing but; `None` for a layer."""
        return None

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs as KerasTensors, for arguments that hold some."""
        return infer_spec(self.call, args, kwargs, self.name)

    @property
    def inbound_nodes(self) -> list[Node]:
        """The calls of this operation on symbolic tensors, in their order."""
        return self._inbound_nodes

    @property
    def input(self) -> Any:
        """The symbolic input of the first call; for the others see `get_input_at`.

        Raises:
            AttributeError: If it was never called on symbolic tensors.
        """
        node = self._tk_first_node("input")
        return node.args[0] if len(node.args) == 1 and not any_symbolic((), node.kwargs) else _unpack(node.input_tensors)

    @property
    def output(self) -> Any:
        """The symbolic output of the first call. Raises as `input` does."""
        return self._tk_first_node("output").outputs

    def _tk_first_node(self, what: str) -> Node:
        if not self._inbound_nodes:
            raise AttributeError(
                f"The layer {self.name} has never been called on symbolic tensors, so `{what}` is not defined. "
                "Call it on a `keras.Input` first."
            )
        return self._inbound_nodes[0]


def _unpack(tensors: list[KerasTensor]) -> Any:
    return tensors[0] if len(tensors) == 1 else tensors


def infer_spec(fn: Callable, args: tuple, kwargs: dict[str, Any], name: str, device: torch.device | None = None) -> Any:
    """The outputs of `fn` as KerasTensors, found by running it on fake tensors on `device`, or that of new weights (see `infer`)."""
    shapes_in = lambda t: (t.shape, dtypes.to_torch_dtype(t.dtype)) if isinstance(t, KerasTensor) else None  # noqa: E731
    outputs = infer.output_spec(fn, args, kwargs, shapes_in, name, device or rank.default_device())

    def symbol(value: Any) -> Any:
        return KerasTensor(value.shape, dtypes.standardize_dtype(value.dtype)) if isinstance(value, infer.Spec) else value

    return tree.map_structure(symbol, outputs)
