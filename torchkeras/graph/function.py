"""A graph of recorded calls, compiled once into a flat list of steps over numbered slots."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.nn.modules.module import _has_any_global_hook

from .. import tree
from .operation import Node, Operation
from .symbolic import KerasTensor


class Slot:
    """The place of one value among a plan's arguments."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index


class Step:
    """One call of a plan: which operation, which values it takes, where its outputs go, and which values are dead after it.

    `source` is the slot of the only argument (`sources` the slots of a list of them), or `None` when `args` and `kwargs` (nests in
    which a `Slot` marks a value) have to be filled; `target` is the slot of the only output, or a tuple of slots.
    """

    __slots__ = ("key", "fn", "source", "sources", "args", "kwargs", "target", "dead", "owner")

    def __init__(self, key: str | None, fn: Callable | None, args: tuple, kwargs: dict[str, Any], target: Any, owner: Any) -> None:
        self.key, self.args, self.kwargs, self.target = key, args, kwargs, target
        self.fn: Any = fn  # `None` where `key` names a module
        only = args[0] if len(args) == 1 and not kwargs else None
        self.source = only.index if isinstance(only, Slot) else None
        self.sources: tuple[int, ...] | None = None
        if isinstance(only, (list, tuple)) and all(isinstance(v, Slot) for v in only):
            self.sources = tuple([v.index for v in only])
        self.dead: tuple[int, ...] = ()
        only_tensor = key is not None and self.source is not None and target.__class__ is int
        self.owner: Any = owner if only_tensor else None  # the layer, if `run` may go straight to its `call`


def _fill(nest: Any, values: list[Any]) -> Any:
    if nest.__class__ is Slot:
        return values[nest.index]
    if nest.__class__ is tuple:
        return tuple([_fill(v, values) for v in nest])
    if nest.__class__ is list:
        return [_fill(v, values) for v in nest]
    if nest.__class__ is dict:
        return {k: _fill(v, values) for k, v in nest.items()}
    if isinstance(nest, (tuple, dict, list)):  # named tuples, what `torch.topk` returns, ordered dicts
        return tree.map_structure(lambda v: values[v.index] if v.__class__ is Slot else v, nest)
    return nest


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


class Plan:
    """The flat form of a graph.

    Args:
        inputs: The symbolic inputs, flat.
        outputs: The nest of symbolic outputs.
        nodes: The nodes between them, in order.
        key_of: Gives the name under which an operation that is a module is found at run time, or `None` for a plain function.
        held: The dotted attribute of the model under which a tensor among the arguments of the calls is found at run time, by its id.
    """

    def __init__(
        self,
        inputs: Sequence[KerasTensor],
        outputs: Any,
        nodes: Sequence[Node],
        key_of: Callable[[Operation], str | None],
        held: Mapping[int, str] | None = None,
    ) -> None:
        slots: dict[int, int] = {}
        for tensor in inputs:
            slots[id(tensor)] = len(slots)
        self.input_count = len(inputs)
        self.forward: Any = None  # the forward of models of this structure, where there is one
        self.held: list[tuple[int, str]] = []  # slots of the model's own tensors, and where it has them
        for identity, path in (held or {}).items():
            slots[identity] = len(slots)
            self.held.append((slots[identity], path))

        def place(leaf: Any) -> Any:
            return Slot(slots[id(leaf)]) if id(leaf) in slots else leaf

        steps: list[Step] = []
        for node in nodes:
            args, kwargs = tree.map_structure(place, node.args), tree.map_structure(place, node.kwargs)
            for tensor in node.output_tensors:
                slots[id(tensor)] = len(slots)
            targets = tuple(slots[id(t)] for t in node.output_tensors)
            single = isinstance(node.outputs, KerasTensor)
            key = key_of(node.operation)
            fn = None if key is not None else node.operation.call
            steps.append(Step(key, fn, args, kwargs, targets[0] if single else targets, node.operation))
        self.outputs = tree.map_structure(place, outputs)
        self.only_output = self.outputs.index if isinstance(self.outputs, Slot) else None
        self.size = len(slots)
        self.steps = steps
        self._classes: list[tuple] | None = None
        self._free(steps)

    def _free(self, steps: list[Step]) -> None:
        """Mark, at the last step that reads a value, that it may go: inference then holds no more than a hand-written chain."""
        kept = {leaf.index for leaf in tree.flatten(self.outputs) if isinstance(leaf, Slot)}
        last: dict[int, int] = {}
        for i, step in enumerate(steps):
            for leaf in tree.flatten((step.args, step.kwargs)):
                if isinstance(leaf, Slot):
                    last[leaf.index] = i
        for slot, i in last.items():
            if slot not in kept:
                steps[i].dead += (slot,)

    def run(self, modules: Mapping[str, Any], inputs: Sequence[Any], proven: bool = True, owner: Any = None) -> Any:
        """The outputs for flat `inputs`, with layers taken by key from `modules` (so that one replaced in place is used).

        The inputs of a model are checked when it is called, and the graph has proven the shapes of the tensors between its layers. A layer
        is therefore called without the checks of a call (its `call`, where its `_tk_straight` allows it), when it is the one that the graph
        was made with, has no hooks, and gets a tensor of the type it computes in, without a mask.

        Args:
            modules: The layers by key.
            inputs: The inputs, flat.
            owner: The model, which holds the tensors that its calls take beside its inputs.
            proven: Whether the inputs have the sizes that the graph was made with; layers check their inputs where not.
        """
        values: list[Any] = [None] * self.size
        values[: self.input_count] = inputs
        for slot, path in self.held:
            values[slot] = functools.reduce(getattr, path.split("."), owner)
        straight = proven and not (torch.compiler.is_compiling() or _has_any_global_hook() or torch._C._get_tracing_state())
        if straight:
            if self._classes is None:
                self._classes = self._owners()
            for cls, call, forward, entry in self._classes:
                if cls.call is not call or cls.forward is not forward or cls.__call__ is not entry:
                    straight = False  # a method was replaced on the class
        for step in self.steps:
            source = step.source
            if step.key is None:
                fn = step.fn
            else:
                fn = modules[step.key]
                if straight and fn is step.owner:
                    d = fn.__dict__
                    way, x, cast, probe = d.get("_tk_straight"), values[source], d.get("_tk_cast"), d.get("_tk_probe")  # type: ignore[index]
                    if (
                        way
                        and x.__class__ is torch.Tensor
                        and (x.dtype is cast or not (cast and (fn._tk_float_input or x.dtype.is_floating_point)))
                        and getattr(x, "_keras_mask", None) is None
                        and (probe is None or probe.parameters.get(probe.name, x).dtype is d["_tk_weight_type"])
                        and not (d["_forward_hooks"] or d["_forward_pre_hooks"] or d["_backward_hooks"] or d["_backward_pre_hooks"])
                    ):
                        values[step.target] = fn.call(x) if way == 1 else fn.call(x, training=fn.training)
                        for slot in step.dead:
                            values[slot] = None
                        continue
            if source is not None:
                result = fn(values[source])
            elif step.sources is not None:
                result = fn([values[i] for i in step.sources])
            else:
                result = fn(*_fill(step.args, values), **_fill(step.kwargs, values))
            target = step.target
            if target.__class__ is int:
                values[target] = result
            else:
                for slot, value in zip(target, tree.flatten(result)):
                    values[slot] = value
            for slot in step.dead:
                values[slot] = None
        if self.only_output is not None:
            return values[self.only_output]
        return _fill(self.outputs, values)

    def _owners(self) -> list[tuple]:
        """The classes of the layers that are called straight, and the methods by which that was decided."""
        classes = {type(step.owner) for step in self.steps if step.owner is not None and hasattr(step.owner, "_tk_straight")}
        return [(cls, cls.call, cls.forward, cls.__call__) for cls in classes]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_classes": None, "forward": None}  # functions made by the layers' base do not pickle


class Function(Operation):
    """A graph as one operation.

    Args:
        inputs: A nest of symbolic tensors.
        outputs: A nest of symbolic tensors that depend on them.
        name: Its name.

    Raises:
        ValueError: Inputs that are not symbolic or stand twice, or a disconnected graph.
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
        return self._tk_plan.run({}, tree.flatten(inputs))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The nest of output shapes for inputs of these shapes."""
        return run_symbolically(self.inputs, self._tk_outputs_struct, self.nodes, input_shape)

    def compute_output_spec(self, inputs: Any) -> Any:
        """The outputs as KerasTensors."""
        given = tree.flatten(inputs)
        return replay(self.inputs, given, self._tk_outputs_struct, self.nodes, record=False)

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError("A Function has no config of its own. Make a `Model` of the same tensors to save it.")


def check_tensors(inputs: Any, outputs: Any) -> None:
    """Raise a ValueError unless both are non-empty nests of symbolic tensors and no input stands twice."""
    for what, nest in (("inputs", inputs), ("outputs", outputs)):
        flat = tree.flatten(nest)
        wrong = [t for t in flat if not isinstance(t, KerasTensor)]
        if wrong or not flat:
            raise ValueError(
                f"`{what}` must be symbolic tensors, made by `keras.Input` and layers. Received: {what}={nest!r}"
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
