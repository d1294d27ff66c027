"""The Keras 2 view of the calls of a layer on symbolic tensors: its inputs, outputs and their shapes, by number."""

from __future__ import annotations

from typing import Any

from .building import shapes_of


class NodeViews:
    """The part of a layer that tells of its recorded calls."""

    name: str
    input: Any
    output: Any
    _inbound_nodes: list[Any]

    def get_input_at(self, node_index: int) -> Any:
        """The symbolic input of one of its calls."""
        node = self._tk_node_at(node_index)
        return node.args[0] if node.args else node.input_tensors[0]

    def get_output_at(self, node_index: int) -> Any:
        """The symbolic output of one of its calls."""
        return self._tk_node_at(node_index).outputs

    def get_input_shape_at(self, node_index: int) -> Any:
        """The shape of `get_input_at`."""
        return shapes_of(self.get_input_at(node_index))

    def get_output_shape_at(self, node_index: int) -> Any:
        """The shape of `get_output_at`."""
        return shapes_of(self.get_output_at(node_index))

    def _tk_node_at(self, index: int) -> Any:
        if not -len(self._inbound_nodes) <= index < len(self._inbound_nodes):
            raise ValueError(f"`node_index` must be below {len(self._inbound_nodes)}, the calls of {self.name!r}. Received: {index}")
        return self._inbound_nodes[index]

    @property
    def input_shape(self) -> Any:
        """The shape of `input`."""
        return shapes_of(self.input)

    @property
    def output_shape(self) -> Any:
        """The shape of `output`."""
        return shapes_of(self.output)
