"""The flat form of a graph: its calls in order over numbered slots, written out as one Python function."""

from __future__ import annotations

import functools
import itertools
import linecache
import math
import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from keyword import iskeyword
from types import CodeType
from typing import Any

from .. import tree
from .operation import Node, Operation
from .symbolic import KerasTensor


class Slot:
    """The place of one value among those of a plan."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index


class Step:
    """One call of a plan: what is called, on what, where its outputs go, and which values are dead after it.

    Args:
        key: The name of the layer among the model's; `None` where `fn` is called.
        fn: A function; `None` where `key` names a layer.
        args: The arguments, nests in which a `Slot` marks a value.
        kwargs: The keyword arguments, alike.
        target: The slot of the only output, or a tuple of slots.
    """

    __slots__ = ("key", "fn", "args", "kwargs", "target", "dead")

    def __init__(self, key: str | None, fn: Callable | None, args: tuple, kwargs: dict[str, Any], target: int | tuple[int, ...]) -> None:
        self.key, self.fn, self.args, self.kwargs, self.target = key, fn, args, kwargs, target
        self.dead: tuple[int, ...] = ()


def called_alike() -> Callable[..., Any]:
    """How a layer is called where nothing is known of layers: as a function."""
    return _called


def _called(layer: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return layer(*args, **kwargs)


class Plan:
    """The flat form of a graph. `run(model, *inputs)`, a function of its own with a line for each call, gives the outputs.

    Args:
        inputs: The symbolic inputs, flat.
        outputs: The nest of symbolic outputs.
        nodes: The nodes between them, in order.
        key_of: Gives the name under which an operation that is a module is found at run time, or `None` for a plain function.
        held: The dotted attribute of the model under which a tensor among the arguments of the calls is found at run time, by its id.
        way: Gives, once a run, the function by which layers are called.
    """

    run: Callable[..., Any]

    def __init__(
        self,
        inputs: Sequence[KerasTensor],
        outputs: Any,
        nodes: Sequence[Node],
        key_of: Callable[[Operation], str | None],
        held: Mapping[int, str] | None = None,
        way: Callable[[], Callable[..., Any]] = called_alike,
    ) -> None:
        slots: dict[int, int] = {}
        for tensor in inputs:
            slots[id(tensor)] = len(slots)
        self.input_count, self.way = len(inputs), way
        self.forward: Any = None  # the forward of models of this structure, where there is one
        self.held: list[tuple[int, str]] = []  # slots of the model's own tensors, and where it has them
        for identity, path in (held or {}).items():
            slots[identity] = len(slots)
            self.held.append((slots[identity], path))

        def place(leaf: Any) -> Any:
            return Slot(slots[id(leaf)]) if id(leaf) in slots else leaf

        self.steps: list[Step] = []
        for node in nodes:
            args, kwargs = tree.map_structure(place, node.args), tree.map_structure(place, node.kwargs)
            for tensor in node.output_tensors:
                slots[id(tensor)] = len(slots)
            targets = tuple(slots[id(t)] for t in node.output_tensors)
            key = key_of(node.operation)
            fn = None if key is not None else node.operation._tk_plain_function() or node.operation.call
            self.steps.append(Step(key, fn, args, kwargs, targets[0] if isinstance(node.outputs, KerasTensor) else targets))
        self.outputs = tree.map_structure(place, outputs)
        self._free()
        self.structure = structure_of(nodes, key_of)
        self.run = self._written()

    def _free(self) -> None:
        """Mark, at the last step that reads a value, that it may go: inference then holds no more than a hand-written chain."""
        kept = {leaf.index for leaf in tree.flatten(self.outputs) if isinstance(leaf, Slot)}
        last: dict[int, int] = {}
        for i, step in enumerate(self.steps):
            for leaf in tree.flatten((step.args, step.kwargs)):
                if isinstance(leaf, Slot):
                    last[leaf.index] = i
        for slot, i in last.items():
            if slot not in kept:
                self.steps[i].dead += (slot,)

    # -- the function ----------------------------------------------------------------------------------------------------------------

    def _written(self) -> Callable[..., Any]:
        """The function `(model, *inputs)` of this graph. Graphs of one structure share its code, by which Dynamo files what it compiles."""
        constants: list[Any] = []
        lines = ["layers = model._modules", "call = way()"] if any(step.key is not None for step in self.steps) else []
        lines += [f"v{slot} = _held(model, {path!r})" for slot, path in self.held]
        for step in self.steps:
            args = [_expression(a, constants) for a in step.args]
            named = [(k, _expression(v, constants)) for k, v in step.kwargs.items()]
            if all(k.isidentifier() and not iskeyword(k) for k, _ in named):
                args += [f"{k}={v}" for k, v in named]
            else:
                args.append("**{" + ", ".join(f"{k!r}: {v}" for k, v in named) + "}")
            if step.key is None:
                constants.append(step.fn)
                result = f"c{len(constants) - 1}({', '.join(args)})"
            else:
                result = f"call({', '.join([f'layers[{step.key!r}]', *args])})"
            if isinstance(step.target, tuple):
                result = f"_leaves({result}, {len(step.target)})"
            targets = [f"v{slot}" for slot in ((step.target,) if isinstance(step.target, int) else step.target)]
            left = f"[{', '.join(targets)}]" if isinstance(step.target, tuple) else targets[0]
            lines.append(f"{left} = {result}" + "".join(f"; del v{slot}" for slot in step.dead))
        lines.append(f"return {_expression(self.outputs, constants)}")
        inputs = [f"v{i}" for i in range(self.input_count)]
        self.code = _code_for(inputs, lines, len(constants), self.structure)
        made: dict[str, Any] = {}
        exec(self.code, globals(), made)
        return made["make"](self.way, *constants)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("run", "code", "forward", "structure")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, forward=None, structure=next(_numbers))
        self.run = self._written()


def structure_of(nodes: Sequence[Node], key_of: Callable[[Operation], str | None]) -> tuple:
    """What calls, tensors, and types and shapes a graph is made of; equal for graphs that compute alike on weights of their own."""
    number = {id(t): i for i, t in enumerate(t for node in nodes for t in node.output_tensors)}
    return tuple(
        (
            type(node.operation),
            key_of(node.operation) or node.operation._tk_plain_function() or node.operation.name,
            tuple(number.get(id(t)) for t in node.input_tensors),
            tuple((t.shape, t.dtype) for t in node.output_tensors),
        )
        for node in nodes
    )


_numbers = itertools.count()  # code of equal names and content is equal to Dynamo
_HERE = __file__.rpartition(os.sep)[0] + os.sep
_codes: weakref.WeakValueDictionary[Any, CodeType] = weakref.WeakValueDictionary()


def _code_for(inputs: list[str], lines: list[str], constants: int, structure: Any) -> CodeType:
    """The code of a function `make(way, *constants)` that returns `forward(model, *inputs)`, whose lines tracebacks show."""
    key = (tuple(inputs), tuple(lines), constants, structure)
    code = _codes.get(key)
    if code is None:
        number = next(_numbers)
        name = f"graph_{number}"
        file = f"{_HERE}<{name}>"  # a file of this library to whatever looks for the caller's lines
        body = [
            f"def make({', '.join(['way', *(f'c{i}' for i in range(constants))])}):",
            f"    def {name}({', '.join(['model', *inputs])}):",
        ]
        body += [f"        {line}" for line in lines] + [f"    return {name}"]
        text = [f"{line}\n" for line in body]
        code = _codes[key] = compile("".join(text), file, "exec")
        linecache.cache[file] = (sum(map(len, text)), None, text, file)
        weakref.finalize(code, linecache.cache.pop, file, None)
    return code


def _expression(nest: Any, constants: list[Any]) -> str:
    """Python code for a nest: slots as variables, small plain data as it is, all else as a constant."""
    kind = nest.__class__
    if kind is Slot:
        return f"v{nest.index}"
    if nest is None or kind in (bool, int, str) or (kind is float and math.isfinite(nest)):
        return repr(nest)
    if kind in (tuple, list, dict) and len(nest) <= _LITERAL:
        if kind is dict:
            if all(type(k) in (int, str) for k in nest):
                return "{" + ", ".join(f"{k!r}: {_expression(v, constants)}" for k, v in nest.items()) + "}"
        else:
            parts = "".join(f"{_expression(v, constants)}, " for v in nest)
            return f"({parts})" if kind is tuple else f"[{parts}]"
    constants.append(nest)
    place = f"c{len(constants) - 1}"
    if not tree.is_nested(nest):
        return place
    slots = [f"v{leaf.index}, " for leaf in tree.flatten(nest) if leaf.__class__ is Slot]
    return f"_filled({place}, ({''.join(slots)}))"  # named tuples, what `torch.topk` returns, ordered dicts


_LITERAL = 64  # how many items a nest may have that is written out


def _filled(nest: Any, values: tuple) -> Any:
    """A nest anew, with values in the order of its slots."""
    following = iter(values)
    return tree.map_structure(lambda leaf: next(following) if leaf.__class__ is Slot else leaf, nest)


def _leaves(outputs: Any, count: int) -> list[Any]:
    """The first leaves of what a call returned, as many as its recorded outputs."""
    found = tree.flatten(outputs)[:count]
    return found + [None] * (count - len(found))


def _held(model: Any, path: str) -> Any:
    """A tensor of the model's own."""
    return functools.reduce(getattr, path.split("."), model)
