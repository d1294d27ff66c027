"""How Keras writes an op of a graph: under which class name, and which arguments stand in its config and which in its calls."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch

from .. import config, dtypes, registry
from ..configurable import deserialize_value, serialize_value
from ..distribution import rank
from ..graph import Filed, Node
from ..graph.opnode import OPS, OpNode, find_op, in_files
from ..missing import missing_member


class _Spec:
    """The arguments of an op, sorted into those of Keras's config and those of its calls."""

    def __init__(self, fn: Callable) -> None:
        self.fn, self.signature = fn, inspect.signature(fn)
        filed: Filed = fn.filed  # type: ignore[attr-defined]
        parameters = self.signature.parameters.values()
        self.variadic = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None)
        self.open = next((p.name for p in parameters if p.kind is p.VAR_KEYWORD), None)
        fixed = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        self.by_name = filed.by_name
        tensors = [p.name for p in fixed if "TensorLike" in str(p.annotation) and p.name not in filed.kept]
        self.called = [p.name for p in fixed if p.name in tensors or p.name in filed.called]
        self.gathered = self.open if self.open and f"{self.open}" in filed.called else None  # `**kwargs` that are one argument to Keras
        if self.gathered:
            self.called.append(self.gathered)
        self.static = [p.name for p in fixed if p.name not in self.called and p.name not in self.by_name]


@functools.lru_cache(512)
def _spec(fn: Callable) -> _Spec:
    return _Spec(fn)


def _function(operation: OpNode) -> Callable | None:
    """The op that Keras would record; `None` where it has none."""
    fn: Callable | None = operation.fn
    if not getattr(fn, "is_op", False):
        group, _, name = operation.function.rpartition(".")
        fn = _ops_of_torch().get(name) if group in ("torch", "torch.Tensor") else None
    return None if fn is None or not fn.filed.keras or OPS.get(fn.__name__) is not fn else fn  # type: ignore[attr-defined]


def serialize_op(operation: OpNode, node: Node) -> tuple[dict[str, Any], tuple, dict[str, Any]] | None:
    """The op as data, and the arguments of its call in Keras's order; `None` for a function that is not Keras's."""
    fn = _function(operation)
    if fn is None:
        return None
    spec = _spec(fn)
    try:
        bound = spec.signature.bind(*node.args, **node.kwargs)
    except TypeError:  # torch's own arguments (`torch.add(x, y, alpha=2)`)
        return None
    bound.apply_defaults()
    given = dict(bound.arguments)
    if spec.open and given.pop(spec.open):
        if not spec.gathered:
            return None
        given[spec.gathered] = bound.arguments[spec.open]
    kept = {n: serialize_value(given[n]) for n in spec.static}
    if kept.get("data_format", "") is None:
        kept["data_format"] = config.image_data_format()
    filed: Filed = fn.filed  # type: ignore[attr-defined]
    class_name = filed.class_name(fn)
    family = fn.__module__.split(".")[2] if fn.__module__.startswith("torchkeras.ops.") else "numpy"
    data = {
        "module": filed.module or f"keras.src.ops.{family}",
        "class_name": class_name,
        "config": {"name": operation.name, **kept},
        "registered_name": class_name,
    }
    args = tuple(given.get(n, {}) for n in spec.called)
    if spec.variadic:
        args += tuple(given[spec.variadic])
    return data, tuple(list(a) if isinstance(a, tuple) else a for a in args), {n: given[n] for n in spec.by_name}


class OpCall:
    """An op that a config describes, to be called with the arguments that the config gives to its calls.

    Args:
        data: The config of Keras's operation.

    Raises:
        ValueError: An op that does not exist, or arguments that it does not have.
    """

    def __init__(self, data: dict[str, Any]) -> None:
        fn = _op_of_class(data["class_name"])
        self.spec = _spec(fn)
        self.name = data["config"].get("name")
        known = self.spec.signature.parameters
        self.static: dict[str, Any] = {}
        for key, value in data["config"].items():
            if key in known:
                self.static[key] = deserialize_value(value)
            elif key not in ("name", "dtype") and value not in (None, False, "auto"):
                raise ValueError(
                    f"The op {data['class_name']!r} of the config has the argument {key!r}, which `{fn.__name__}` does not have."
                )
        self.node = OpNode(fn, name=self.name)

    @property
    def _inbound_nodes(self) -> list[Node]:
        return self.node._inbound_nodes

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        spec = self.spec
        given = {**self.static, **dict(zip(spec.called, args)), **kwargs}
        if spec.fn.__name__ == "get_item" and isinstance(given["key"], list):
            given["key"] = tuple(given["key"])
        if spec.gathered:
            given.update(given.pop(spec.gathered, None) or {})
        rest = args[len(spec.called) :]
        if rest and not spec.variadic:
            raise ValueError(f"The config calls the op {self.name!r} with {len(args)} arguments; it takes {len(spec.called)}.")
        positional: list[Any] = []
        for parameter in spec.signature.parameters.values():
            if parameter.kind is parameter.VAR_POSITIONAL:
                positional += rest
            elif parameter.kind is not parameter.KEYWORD_ONLY and parameter.name in given:
                if len(positional) == list(spec.signature.parameters).index(parameter.name):
                    positional.append(given.pop(parameter.name))
        return self.node(*positional, **given)


def is_op_config(data: dict[str, Any]) -> bool:
    """Whether a config describes one of Keras's operations, not a layer."""
    return str(data.get("module") or "").startswith(("keras.src.ops.", "keras.src.activations."))


def torch_op(data: dict[str, Any]) -> OpNode:
    """A torch function, or an op without a Keras class, as the node that a config describes.

    Raises:
        ValueError: If files may hold no function of that name.
    """
    return OpNode(find_op(str(data["config"].get("function"))), name=data["config"].get("name"))


def check_in_files(operation: OpNode) -> None:
    """Refuse a function that no file can hold, before anything is written.

    Raises:
        ValueError: If it is one; the message names it and tells the cure.
    """
    if not in_files(operation.function):
        raise ValueError(
            f"The graph calls `{operation.function.removeprefix('ops.')}` (the operation {operation.name!r}), which a file cannot hold. "
            "Put the call into the `call` method of a layer of your own, or save the weights alone with `save_weights`."
        )


def _op_of_class(class_name: str) -> Callable:
    fn = _ops_by_class().get(class_name) or _ops_by_class().get(class_name.lower())
    if fn is None:
        lacking = missing_member("keras.ops", class_name)
        near = f" {lacking}" if lacking else registry.near_matches(class_name, OPS)
        raise ValueError(f"Unknown op {class_name!r} in the config.{near}")
    return fn


def _ops_by_class() -> dict[str, Callable]:
    found = {name.replace("_", ""): fn for name, fn in OPS.items() if fn.filed.keras}  # type: ignore[attr-defined]
    for fn in OPS.values():
        filed: Filed = fn.filed  # type: ignore[attr-defined]
        found.update(dict.fromkeys((filed.class_name(fn), *filed.aliases) if filed.keras and filed.files else (), fn))
    return found


def _ops_of_torch() -> dict[str, Callable]:
    return {name: fn for fn in OPS.values() for name in fn.filed.torch}  # type: ignore[attr-defined]


# -- values that only torch functions take ------------------------------------------------------------------------------------------------

TORCH_VALUES = ("__torch__", "__complex__")


def torch_value(value: Any) -> Any:
    """A type, layout, memory format, device or complex number in a call of a torch function as data; anything else as it is.

    A device is written as "where the model is": a file is loaded on another machine.
    """
    if isinstance(value, (torch.dtype, torch.layout, torch.memory_format)):
        return {"class_name": "__torch__", "config": {"value": str(value)}}
    if isinstance(value, torch.device):
        return {"class_name": "__torch__", "config": {"value": "device"}}
    if isinstance(value, complex):
        return {"class_name": "__complex__", "config": {"value": [value.real, value.imag]}}
    return value


def from_torch_value(data: dict[str, Any]) -> Any:
    """The inverse of `torch_value`; a device is the default one.

    Raises:
        ValueError: If torch has no constant of that name.
    """
    value = data["config"]["value"]
    if data["class_name"] == "__complex__":
        return complex(*(float(part) for part in value))
    return rank.default_device() if value == "device" else dtypes.torch_constant(value)


def without_devices(operation: OpNode, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """The arguments of a torch function's call with devices that are named by a string as devices."""
    if isinstance(kwargs.get("device"), (str, int)) and not isinstance(kwargs["device"], bool):
        kwargs = {**kwargs, "device": torch.device(kwargs["device"])}
    if operation.function == "torch.Tensor.to":
        args = tuple(torch.device(a) if isinstance(a, str) else a for a in args)
    return args, kwargs
