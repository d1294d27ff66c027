"""Symbolic tensors, the nodes that calls on them record, and `@op`, which makes a torch expression take them."""

from __future__ import annotations

import functools
import inspect
import re
from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np
import torch

from .. import dtypes, registry, tree
from ..configurable import Configurable
from ..distribution import rank
from . import infer, modules

TensorLike: TypeAlias = Any  # a torch tensor, a KerasTensor, a NumPy array, a number or a nest of numbers
Shape: TypeAlias = "tuple[int | None, ...]"
KerasHistory = namedtuple("KerasHistory", ("operation", "node_index", "tensor_index"))


class KerasTensor:
    """A tensor without values: a shape, in which `None` is any size, and a type.

    Layers, ops, operators, indexing and any torch function called on one record a node of the graph and return another.

    Args:
        shape: The shape, batch first.
        dtype: The Keras name of the type.
        sparse: Kept for Keras's signature: must be false, torch layers take dense tensors.
        ragged: Likewise.
        record_history: Whether calls on it are recorded.
        name: Its name.
    """

    def __init__(
        self,
        shape: Sequence[int | None],
        dtype: Any = "float32",
        sparse: bool = False,
        ragged: bool = False,
        record_history: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if sparse or ragged:
            raise ValueError("`sparse` and `ragged` tensors do not exist on PyTorch layers; pass dense tensors and masks.")
        if kwargs:
            raise TypeError(f"KerasTensor() got unexpected arguments: {', '.join(kwargs)}")
        self._shape = standardize_shape(shape)
        self._dtype = dtypes.standardize_dtype(dtype)
        self.sparse, self.ragged = False, False
        self.record_history = record_history
        self.name = name or registry.unique_name("keras_tensor")
        self._keras_history: Any = None  # a KerasHistory, once an operation has made it

    @property
    def shape(self) -> tuple[int | None, ...]:
        return self._shape

    @property
    def dtype(self) -> str:
        return self._dtype

    @property
    def ndim(self) -> int:
        return len(self._shape)

    is_nested = False  # torch's attention asks

    @property
    def history(self) -> KerasHistory | None:
        """The operation, the number of its node and the place among its outputs that made this tensor."""
        return self._keras_history

    def dim(self) -> int:
        """The number of axes, as torch spells it."""
        return len(self._shape)

    def size(self, dim: int | None = None) -> Any:
        """The shape or one axis of it, as torch spells it."""
        return self._shape if dim is None else self._shape[dim]

    def reshape(self, *newshape: Any) -> KerasTensor:
        """The same elements in another shape, which may hold one -1."""
        shape = newshape[0] if len(newshape) == 1 and isinstance(newshape[0], (tuple, list)) else newshape
        return call_torch(torch.reshape, (self, tuple(shape)), {})

    def squeeze(self, axis: int | Sequence[int] | None = None) -> KerasTensor:
        """Without its axes of size 1, or without those named."""
        return call_torch(torch.squeeze, (self,) if axis is None else (self, axis), {})

    def __getitem__(self, index: Any) -> KerasTensor:
        return _OPERATORS["getitem"][0](self, index)

    def __iter__(self) -> Any:
        if not self._shape or self._shape[0] is None:
            raise TypeError(f"Cannot iterate over a symbolic tensor of shape {self._shape}: the size of its first axis is not known.")
        return (self[i] for i in range(self._shape[0]))

    def __len__(self) -> int:
        if not self._shape or self._shape[0] is None:
            raise TypeError(f"A symbolic tensor of shape {self._shape} has no length.")
        return self._shape[0]

    def _no_value(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(
            f"{self!r} has no value: it is symbolic. Compute with torch functions, `torchkeras.ops` or layers, and put "
            "Python control flow that depends on values into the `call` method of a Layer."
        )

    __bool__ = __float__ = __int__ = __index__ = __array__ = numpy = item = _no_value

    def __getattr__(self, name: str) -> Any:
        method = getattr(torch.Tensor, name, None)
        if name.startswith("_") or name in _NOT_METHODS or not callable(method):
            if name in ("T", "mT", "H", "mH"):
                return call_torch(getattr(torch.Tensor, name).__get__, (self,), {})
            inside = modules.frame_of_call(None, is_keras_tensor)
            cure = "" if inside is None else " Call the torch module as a layer: `TorchModuleWrapper(module)(x)`."
            raise AttributeError(f"'KerasTensor' object has no attribute '{name}'.{cure}")
        return lambda *args, **kwargs: call_torch(method, (self, *args), kwargs)

    @classmethod
    def __torch_function__(cls, func: Callable, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        return call_torch(func, args, kwargs or {})

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self._shape}, dtype={self._dtype}, name={self.name}>"


_NOT_METHODS = {"grad", "data", "device", "requires_grad", "numpy", "item", "tolist", "backward"}


def _operator(name: str) -> Callable:
    """One operator of KerasTensor, as Keras's op where an op of that name is registered (see `use_ops_for_operators`)."""

    def operator(self: KerasTensor, *others: Any) -> Any:
        fn, swap = _OPERATORS[name]
        return fn(*others, self) if swap else fn(self, *others)

    operator.__name__ = f"__{name}__"
    return operator


_OPERATORS: dict[str, tuple[Callable, bool]] = {}
for _name in (
    "add radd sub rsub mul rmul truediv rtruediv floordiv rfloordiv mod rmod pow rpow matmul rmatmul neg abs lt le gt ge eq ne "
    "and rand or ror xor rxor invert".split()
):
    setattr(KerasTensor, f"__{_name}__", _operator(_name))
KerasTensor.__hash__ = object.__hash__  # type: ignore[method-assign]


def use_ops_for_operators(table: dict[str, Callable]) -> None:
    """Let operators on symbolic tensors record these ops (`{"add": ops.add, …}`), so that graphs hold Keras's names."""
    for name, fn in table.items():
        _OPERATORS[name] = (fn, False)
        if hasattr(KerasTensor, f"__r{name}__"):
            _OPERATORS[f"r{name}"] = (fn, True)


def standardize_shape(shape: Any) -> tuple[int | None, ...]:
    """A shape as a tuple of sizes and `None`; a bare int is a shape of one axis.

    Raises:
        ValueError: Something that is no shape, or a negative size.
    """
    if isinstance(shape, int):
        shape = (shape,)
    try:
        sizes = tuple(None if d is None else int(d) for d in shape)
    except (TypeError, ValueError):
        raise ValueError(f"`shape` must be a tuple of sizes and None. Received: shape={shape!r}") from None
    if any(d is not None and d < 0 for d in sizes):
        raise ValueError(f"`shape` must not have negative sizes; an unknown size is None. Received: shape={shape!r}")
    return sizes


def is_keras_tensor(x: Any) -> bool:
    """Whether `x` is symbolic."""
    return isinstance(x, KerasTensor)


def any_symbolic(args: Sequence[Any], kwargs: dict[str, Any] | None = None) -> bool:
    """Whether a KerasTensor stands among the arguments, at any depth."""
    for a in args:
        if isinstance(a, KerasTensor):
            return True
        if isinstance(a, (list, tuple)):
            if any_symbolic(a):
                return True
        elif isinstance(a, dict) and any_symbolic(tuple(a.values())):
            return True
    return kwargs is not None and any_symbolic(tuple(kwargs.values()))


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
    """

    _keras_module = "keras"
    _config_base: ClassVar[tuple[str, ...]] = ("name",)

    def __init__(self, name: str | None = None) -> None:
        if name is not None and not isinstance(name, str):
            raise ValueError(f"`name` must be a string. Received: name={name!r}")
        self.name = name or registry.unique_name(registry.snake_case(type(self).__name__))
        self._inbound_nodes: list[Node] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if any_symbolic(args, kwargs):
            return self.symbolic_call(*args, **kwargs)
        return self.call(*args, **kwargs)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The computation on torch tensors."""
        raise NotImplementedError(f"{type(self).__name__} must write a `call` method.")

    def symbolic_call(self, *args: Any, **kwargs: Any) -> Any:
        """Record a node and return its symbolic outputs."""
        outputs = self.compute_output_spec(*args, **kwargs)
        call = modules.enclosing_call(self, is_keras_tensor)
        if call is not None:
            return call.take(outputs, is_keras_tensor)
        Node(self, args, kwargs, outputs)
        return outputs

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
            AttributeError: Never called on symbolic tensors.
        """
        node = self._first_node("input")
        return node.args[0] if len(node.args) == 1 and not any_symbolic((), node.kwargs) else _unpack(node.input_tensors)

    @property
    def output(self) -> Any:
        """The symbolic output of the first call. Raises as `input` does."""
        return self._first_node("output").outputs

    def _first_node(self, what: str) -> Node:
        if not self._inbound_nodes:
            raise AttributeError(
                f"The layer {self.name} has never been called on symbolic tensors, so `{what}` is not defined. "
                "Call it on a `keras.Input` first."
            )
        return self._inbound_nodes[0]


def _unpack(tensors: list[KerasTensor]) -> Any:
    return tensors[0] if len(tensors) == 1 else tensors


def infer_spec(fn: Callable, args: tuple, kwargs: dict[str, Any], name: str) -> Any:
    """The outputs of `fn` as KerasTensors, found by running it on fake tensors (see `infer`)."""
    shapes_in = lambda t: (t.shape, dtypes.to_torch_dtype(t.dtype)) if isinstance(t, KerasTensor) else None  # noqa: E731
    outputs = infer.output_spec(fn, args, kwargs, shapes_in, name, rank.default_device())

    def symbol(value: Any) -> Any:
        return KerasTensor(value.shape, dtypes.standardize_dtype(value.dtype)) if isinstance(value, infer.Spec) else value

    return tree.map_structure(symbol, outputs)


# -- ops -------------------------------------------------------------------------------------------------------------------------------


class OpNode(Operation):
    """An op, or any torch function, as a node of a graph.

    Args:
        fn: The function.
        function: Its registered name, from which a loaded file finds it again.
    """

    def __init__(self, fn: Callable | None = None, function: str | None = None, name: str | None = None) -> None:
        if fn is None:
            fn = find_op(function or "")
        self.fn = fn
        self.function = function or op_name(fn)
        super().__init__(name or registry.unique_name(self.function.rpartition(".")[2].strip("_")))

    def call(self, *args: Any, **kwargs: Any) -> Any:
        return self.fn(*args, **kwargs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        spec = getattr(self.fn, "spec", None)
        outputs = NotImplemented if spec is None else spec(*args, **kwargs)
        if outputs is not NotImplemented:
            return outputs
        if getattr(self.fn, "broadcast", False):
            args, kwargs = _with_known_sizes(args, kwargs)
        return super().compute_output_spec(*args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "function": self.function}


def _with_known_sizes(args: tuple, kwargs: dict[str, Any]) -> Any:
    """Arguments that broadcast, a size of one standing for the unknown size of another (they can only be equal)."""
    shapes = [tuple(t.shape) for t in tree.flatten((args, kwargs)) if hasattr(t, "shape")]
    rank_ = max(map(len, shapes))
    known: list[int | None] = [None] * rank_
    for shape in shapes:
        for axis, size in enumerate(shape, rank_ - len(shape)):
            if size not in (None, 1):
                known[axis] = size

    def fill(t: Any) -> Any:
        if not isinstance(t, KerasTensor) or None not in t.shape:
            return t
        return KerasTensor([k if n is None else n for n, k in zip(t.shape, known[rank_ - t.ndim :])], t.dtype)

    return tree.map_structure(fill, (args, kwargs))


def op_name(fn: Callable) -> str:
    """The name under which `find_op` finds `fn`: `"ops.add"` for an op, `"torch.nn.functional.relu"` for torch's own."""
    if getattr(fn, "is_op", False):
        return f"ops.{fn.__name__}"
    return torch.overrides.resolve_name(fn) or f"{fn.__module__}.{fn.__qualname__}"


@functools.lru_cache(1)
def _torch_functions() -> dict[str, Callable]:
    """Every function that torch lets a tensor-like class override: pure tensor functions, by name."""
    found = {}
    for functions in torch.overrides.get_overridable_functions().values():
        for fn in functions:
            found[torch.overrides.resolve_name(fn)] = fn
    return found


def find_op(name: str) -> Callable:
    """The op or torch tensor function of this exact name; nothing is imported.

    Raises:
        ValueError: No such function.
    """
    if name.startswith("ops."):
        fn = OPS.get(name[4:])
    else:
        fn = _torch_functions().get(name)
    if fn is None:
        raise ValueError(f"Unknown function {name!r} in the graph.{registry.near_matches(name, [f'ops.{n}' for n in OPS])}")
    return fn


def call_torch(func: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
    """Record a torch function called on symbolic tensors."""
    return OpNode(func).symbolic_call(*args, **kwargs)


OPS: dict[str, Callable] = {}


def convert_to_tensor(x: Any, dtype: Any = None, device: torch.device | None = None) -> Any:
    """`x` as a torch tensor (symbolic ones pass), of type `dtype` if given; Python floats and lists of them as `floatx()`.

    Args:
        x: A tensor, an array, a number, a nest of numbers, or a weight.
        dtype: The Keras name or torch type of the result.
        device: Where arrays go; the default device without it.
    """
    if isinstance(x, KerasTensor):
        return x
    target = None if dtype is None else dtypes.to_torch_dtype(dtype)
    value = getattr(x, "value", None) if not isinstance(x, (torch.Tensor, np.ndarray)) else None
    if isinstance(value, torch.Tensor):
        x = value  # a Keras-layout view of a weight
    if isinstance(x, torch.Tensor):
        return x if target is None or x.dtype is target else x.to(target)
    if isinstance(x, (list, tuple)) and any(isinstance(v, (torch.Tensor, KerasTensor)) for v in x):
        parts = [convert_to_tensor(v, dtype, device) for v in x]
        return torch.stack([p if isinstance(p, torch.Tensor) else torch.as_tensor(p) for p in parts])
    if target is None:
        if isinstance(x, bool):
            target = torch.bool
        elif isinstance(x, int):
            target = torch.int32
        elif isinstance(x, (float, list, tuple)):
            target = _python_dtype(x)
    try:
        if isinstance(x, (bool, int, float)) and target is not None:  # filled on the device: a copy from the host would wait for it
            return torch.full((), x, dtype=target, device=device or rank.default_device())
        if isinstance(x, np.ndarray):
            signed = _UNSIGNED.get(x.dtype.name)
            return dtypes.from_numpy(x if signed is None else x.astype(signed), target, device or rank.default_device())
        return torch.as_tensor(x, dtype=target, device=device or rank.default_device())
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"Cannot make a tensor of {type(x).__name__}: {error}. Pass numbers, an array or a tensor.") from None


_UNSIGNED = {"uint16": "int32", "uint32": "int64"}  # torch stores the types of the left and computes nothing with them


def _python_dtype(x: Any) -> torch.dtype | None:
    kinds = _number_kinds(x)
    if not kinds <= {bool, int, float}:
        return None
    return dtypes.to_torch_dtype(None) if float in kinds or not kinds else torch.int32 if int in kinds else torch.bool


def _number_kinds(x: Any) -> set[type | None]:
    """The kinds of the numbers in a nest (no NumPy here, which torch.compile does not trace)."""
    if isinstance(x, (list, tuple)):
        return set().union(*map(_number_kinds, x))
    if isinstance(x, (bool, np.bool_)):
        return {bool}
    if isinstance(x, (int, np.integer)):
        return {int}
    return {float if isinstance(x, (float, np.floating)) else None}


def op(
    fn: Callable | None = None,
    *,
    promote: str | None = None,
    args: Sequence[str] | None = None,
    broadcast: bool = False,
    numbers: bool = False,
    spec: Callable | None = None,
) -> Callable:
    """Make a function of torch tensors an op: symbolic arguments go to the graph, arrays become tensors, types promote.

    The parameters that are tensors are those annotated `TensorLike`, `TensorLike | None` or `Sequence[TensorLike]`; the body sees torch
    tensors (or `None`) in their place.

    Args:
        promote: `None` leaves types alone; `"same"` casts the tensors to `result_type` of them all (Python numbers are weak);
            `"float"` does so with `float` among them, so that integers become `floatx()`.
        args: The parameters that take part in the promotion; all tensors without it.
        broadcast: Whether the tensors broadcast, so that in symbolic calls a known size tells an unknown one.
        numbers: Whether the body takes a Python number for a tensor behind the first: with a floating tensor, it gets it as it is.
        spec: The outputs of a symbolic call, from its arguments, where running the body on fake tensors will not do because they depend
            on values; it may return `NotImplemented`.

    Shapes that do not fit raise a `ValueError` that names them.
    """
    if fn is None:
        return functools.partial(op, promote=promote, args=args, broadcast=broadcast, numbers=numbers, spec=spec)
    if promote not in (None, "same", "float"):
        raise ValueError(f"`promote` must be None, 'same' or 'float'. Received: promote={promote!r}")
    parameters = list(inspect.signature(fn).parameters.values())
    tensors = [p.name for p in parameters if "TensorLike" in str(p.annotation)]
    position = {p.name: i for i, p in enumerate(parameters)}
    variadic = {p.name for p in parameters if p.kind is inspect.Parameter.VAR_POSITIONAL}
    places = tuple((position[name], name, name in variadic) for name in tensors)
    promoted = frozenset(tensors if args is None else args)
    tensor_names = frozenset(tensors)
    required = tuple(place for place, name, star in places if not star)
    simple = bool(required) and required[0] == 0 and not variadic

    def name_of(place: int) -> str:
        star = next((p.name for p in parameters if p.kind is inspect.Parameter.VAR_POSITIONAL), None)
        return star if star and place >= position[star] else parameters[place].name

    def as_they_are(given: tuple) -> bool:
        """Whether the positional arguments are tensors of one type that promotion leaves alone."""
        dtype = None
        for i in required:
            if i >= len(given):
                break
            value = given[i]
            if numbers and value.__class__ in (float, int) and dtype is not None and dtype.is_floating_point:
                continue
            if value.__class__ is torch.Tensor:
                if dtype is not None and value.dtype is not dtype:
                    return False
                dtype = value.dtype
            elif value.__class__ in (list, tuple) and value:
                for part in value:
                    if part.__class__ is not torch.Tensor or (dtype is not None and part.dtype is not dtype):
                        return False
                    dtype = part.dtype
            else:
                return False
        return dtype is not None and (promote != "float" or dtype.is_floating_point)

    def standardize(given: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        found: list[tuple[Any, Any, bool]] = []  # (place, value, promoted)
        for i, name, star in places:
            if star:
                found += [(j, given[j], name in promoted) for j in range(i, len(given))]
            elif i < len(given):
                found.append((i, given[i], name in promoted))
            elif name in kwargs:
                found.append((name, kwargs[name], name in promoted))
        device = _device_of(v for _, v, _ in found)
        target = None
        if promote is not None:
            kinds = [k for _, v, joins in found if joins for k in _kinds(v)]
            target = dtypes.to_torch_dtype(dtypes.result_type(*kinds, *((float,) if promote == "float" else ())))
        positional, named = list(given), dict(kwargs)
        for place, value, joins in found:
            converted = _convert(value, target if joins else None, device)
            if isinstance(place, int):
                positional[place] = converted
            else:
                named[place] = converted
        return tuple(positional), named

    @functools.wraps(fn)
    def wrapper(*given: Any, **kwargs: Any) -> Any:
        if any_symbolic(given, kwargs):
            return OpNode(wrapper).symbolic_call(*given, **kwargs)
        if not (simple and tensor_names.isdisjoint(kwargs) and as_they_are(given)):
            given, kwargs = standardize(given, kwargs)
        try:
            return fn(*given, **kwargs)
        except (RuntimeError, IndexError) as error:
            if _SHAPE_ERROR.search(str(error)) is None:
                raise
            named = [*((name_of(i), v) for i, v in enumerate(given)), *kwargs.items()]
            shapes = [f"{name} {tuple(v.shape)}" for name, value in named for v in tree.flatten(value) if isinstance(v, torch.Tensor)]
            raise ValueError(f"Shapes that do not fit in `{fn.__name__}`. Received: {', '.join(shapes)}. {error}") from error

    wrapper.is_op, wrapper.broadcast, wrapper.spec = True, broadcast, spec  # type: ignore[attr-defined]
    OPS[fn.__name__] = wrapper
    return wrapper


_SHAPE_ERROR = re.compile(r"\b(sizes?|shapes?|dimensions?|Dimension|dims?|numel|[0-9]D)\b")


def _kinds(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, (bool, int, float, complex)):
        return ["bool" if isinstance(value, bool) else type(value)]
    if isinstance(value, (list, tuple)):
        if any(isinstance(v, (torch.Tensor, np.ndarray)) or hasattr(v, "value") for v in value):
            return [k for v in value for k in _kinds(v)]
        return [_python_dtype(value)]
    return [_UNSIGNED.get(value.dtype.name, value.dtype) if isinstance(value, np.ndarray) else value.dtype]


def _device_of(values: Any) -> torch.device | None:
    for value in values:
        if isinstance(value, (list, tuple)):
            device = _device_of(value)
            if device is not None:
                return device
        elif isinstance(value, torch.Tensor) or hasattr(value, "parameters"):
            return value.device
    return None


def _convert(value: Any, dtype: torch.dtype | None, device: torch.device | None) -> Any:
    if value is None:
        return None
    if isinstance(value, (list, tuple)) and any(isinstance(v, (torch.Tensor, np.ndarray)) or hasattr(v, "value") for v in value):
        return [_convert(v, dtype, device) for v in value]
    return convert_to_tensor(value, dtype, device)


use_ops_for_operators(
    {
        "add": torch.add, "sub": torch.sub, "mul": torch.mul, "truediv": torch.true_divide, "floordiv": torch.floor_divide,
        "mod": torch.remainder, "pow": torch.pow, "matmul": torch.matmul, "neg": torch.neg, "abs": torch.abs, "lt": torch.lt,
        "le": torch.le, "gt": torch.gt, "ge": torch.ge, "eq": torch.eq, "ne": torch.ne, "and": torch.bitwise_and,
        "or": torch.bitwise_or, "xor": torch.bitwise_xor, "invert": torch.bitwise_not,
        "getitem": lambda x, key: call_torch(torch.Tensor.__getitem__, (x, key), {}),
    }
)  # fmt: skip
