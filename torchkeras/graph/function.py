"""A graph of recorded calls: its nodes in order, and a graph as one operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import tree
from .operation import Node, Operation
from .plan import Plan
from .symbolic import KerasTensor


def nodes_between(inputs: Sequence[KerasTensor], outputs: Sequence[KerasTensor]) -> list[Node]:
    """The nodes that make `outputs` from `inputs`, each after those it needs.

    Raises:
        ValueError: An output that does not depend on `inputs` alone; the message names the tensor that is missing.
    """
    given = {id(t) for t in inputs}
    ordered: list[Node] = []
    state: dict[int, int] = {}  # 1: being visited, 2: done
    for output in outputs:
        stack: list[tuple[KerasTensor, bool]] = [(output, False)]
        while stack:
            tensor, leaving = stack.pop()
            if id(tensor) in given:
                continue
            history = tensor._keras_history
            if history is None:
                raise ValueError(
                    f"The graph is disconnected: the tensor {tensor!r} is needed for `outputs` but is neither among `inputs` nor made "
                    "by a layer. Make it with `keras.Input` and pass it in `inputs`."
                )
            node = history.operation._inbound_nodes[history.node_index]
            if leaving:
                if state.get(id(node)) != 2:
                    state[id(node)] = 2
                    ordered.append(node)
                continue
            if state.get(id(node)):
                continue
            if not node.input_tensors:
                raise ValueError(
                    f"The graph is disconnected: `outputs` depend on {tensor!r}, an input of the graph that is not among `inputs`. "
                    f"Received: inputs={[t.name for t in inputs]}"
                )
            state[id(node)] = 1
            stack.append((tensor, True))
            stack += [(t, False) for t in reversed(node.input_tensors)]
    return ordered


def order_by_depth(inputs: Sequence[KerasTensor], outputs: Sequence[KerasTensor]) -> list[Operation]:
    """The operations of a graph in the order in which Keras lists and saves them.

    Farthest from the outputs first; at the same distance, in the order in which a walk back from the outputs meets them.
    """
    given = {id(t) for t in inputs}
    met: dict[int, Operation] = {}
    done: dict[int, Node] = {}  # in the order of leaving: each node after those it needs

    def enter(tensor: KerasTensor) -> Node | None:
        if tensor._keras_history is None:
            return None
        operation, index, _ = tensor._keras_history
        met.setdefault(id(operation), operation)
        return operation._inbound_nodes[index]

    for output in outputs:
        stack: list[tuple[Node, int]] = []
        seen: set[int] = set()
        node = enter(output)
        if node is not None and id(node) not in done:
            stack.append((node, 0 if id(output) not in given else len(node.input_tensors)))
            seen.add(id(node))
        while stack:
            node, place = stack.pop()
            if place == len(node.input_tensors):
                done[id(node)] = node
                continue
            stack.append((node, place + 1))
            tensor = node.input_tensors[place]
            parent = enter(tensor)
            if parent is not None and id(parent) not in done and id(parent) not in seen:
                seen.add(id(parent))
                stack.append((parent, 0 if id(tensor) not in given else len(parent.input_tensors)))
    node_depth: dict[int, int] = {}
    depth: dict[int, int] = {}
    for node in reversed(done.values()):
        d = max(node_depth.get(id(node), 0), depth.get(id(node.operation), 0))
        depth[id(node.operation)] = node_depth[id(node)] = d
        if not any(id(t) in given for t in node.output_tensors):
            for parent in node.parent_nodes:
                node_depth[id(parent)] = max(d + 1, node_depth.get(id(parent), 0))
    for tensor in inputs:  # an input on which nothing depends is listed all the same
        if tensor._keras_history is not None:
            operation = tensor._keras_history.operation
            met.setdefault(id(operation), operation)
            depth.setdefault(id(operation), 0)
    order = {key: i for i, key in enumerate(met)}
    return [met[key] for key in sorted(depth, key=lambda key: (-depth[key], order[key]))]


class Function(Operation):
    """A graph as one operation.

    Args:
        inputs: A nest of symbolic tensors.
        outputs: A nest of symbolic tensors that depend on them.
        name: Its name.

    Raises:
        ValueError: If there are inputs that are not symbolic or stand twice, or a disconnected graph.

    >>> inputs = keras.Input((3,))
    >>> keras.Function(inputs, inputs + 1)(torch.zeros(1, 3))
    tensor([[1., 1., 1.]])
    """

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None) -> None:
        super().__init__(name)
        check_tensors(inputs, outputs)
        self._tk_inputs_struct, self._tk_outputs_struct = inputs, outputs
        self.inputs, self.outputs = tree.flatten(inputs), tree.flatten(outputs)
        self.nodes = nodes_between(self.inputs, self.outputs)
        self._tk_plan = Plan(self.inputs, outputs, self.nodes, lambda operation: None)

    @property
    def operations(self) -> list[Operation]:
        """The operations of the graph, each once, in the order of their first call."""
        return list({id(n.operation): n.operation for n in self.nodes}.values())

    def call(self, inputs: Any) -> Any:
        return self._tk_plan.run(self, *tree.flatten(inputs))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The nest of output shapes for inputs of these shapes."""
        return run_symbolically(self.inputs, self._tk_outputs_struct, self.nodes, input_shape)

    def compute_output_spec(self, inputs: Any) -> Any:
        """The outputs as KerasTensors."""
        given = tree.flatten(inputs)
        return replay(self.inputs, given, self._tk_outputs_struct, self.nodes, record=False)

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError("A Function has no config of its own. Make a `Model` of the same tensors to save it.")


def shortened(value: Any) -> str:
    """What a value looks like, in one line of a message."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:80]}…"


def check_tensors(inputs: Any, outputs: Any) -> None:
    """Raise a ValueError unless both are non-empty nests of symbolic tensors and no input stands twice."""
    for what, nest in (("inputs", inputs), ("outputs", outputs)):
        flat = tree.flatten(nest)
        wrong = [t for t in flat if not isinstance(t, KerasTensor)]
        if wrong or not flat:
            raise ValueError(
                f"`{what}` must be symbolic tensors, made by `keras.Input` and layers. Received: {what}={shortened(nest)}"
                + (f" (of type {type(wrong[0]).__name__})" if wrong else "")
            )
    names = [id(t) for t in tree.flatten(inputs)]
    if len(set(names)) != len(names):
        raise ValueError(f"`inputs` must not hold the same tensor twice. Received: {inputs!r}")


def replay(old_inputs: Sequence[KerasTensor], new_inputs: Sequence[Any], outputs: Any, nodes: Sequence[Node], record: bool = True,
           operation_of: Callable[[Operation], Any] = lambda operation: operation) -> Any:  # fmt: skip
    """Call the operations of `nodes` again on other tensors and return the nest of outputs.

    Args:
        old_inputs: The tensors the graph starts from.
        new_inputs: What stands in their places.
        outputs: The nest of the graph's outputs.
        nodes: Its nodes in order.
        record: Whether the calls are recorded as nodes; without it only shapes are computed.
        operation_of: Gives the operation to call for each (a clone, for instance).
    """
    values: dict[int, Any] = {id(old): new for old, new in zip(old_inputs, new_inputs)}
    look_up = lambda leaf: values.get(id(leaf), leaf) if isinstance(leaf, KerasTensor) else leaf  # noqa: E731
    for node in nodes:
        args, kwargs = tree.map_structure(look_up, node.args), tree.map_structure(look_up, node.kwargs)
        operation = operation_of(node.operation)
        result = operation(*args, **kwargs) if record else operation.compute_output_spec(*args, **kwargs)
        for old, new in zip(node.output_tensors, tree.flatten(result)):
            values[id(old)] = new
    return tree.map_structure(look_up, outputs)


def run_symbolically(inputs: Sequence[KerasTensor], outputs: Any, nodes: Sequence[Node], input_shape: Any) -> Any:
    """The nest of output shapes for a nest of input shapes."""
    shapes = _flatten_shapes(input_shape)
    if len(shapes) != len(inputs):
        raise ValueError(f"`input_shape` must hold {len(inputs)} shapes. Received: input_shape={input_shape!r}")
    given = [KerasTensor(s, dtype=t.dtype) for s, t in zip(shapes, inputs)]
    return tree.map_structure(lambda t: t.shape, replay(inputs, given, outputs, nodes, record=False))


def _flatten_shapes(shapes: Any) -> list[tuple]:
    if isinstance(shapes, dict):
        return [s for k in sorted(shapes) for s in _flatten_shapes(shapes[k])]
    if isinstance(shapes, (list, tuple)) and not all(d is None or isinstance(d, int) for d in shapes):
        return [s for shape in shapes for s in _flatten_shapes(shape)]
    return [tuple(shapes)]
