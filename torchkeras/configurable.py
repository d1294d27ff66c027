"""Constructor arguments captured at construction, and objects to and from plain configs."""

from __future__ import annotations

import contextlib
import inspect
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType
from typing import Any, ClassVar

import numpy as np
import torch
from typing_extensions import Self

from . import config, dtypes, registry
from .missing import missing_member
from .registry import Family

MAX_CONFIG_DEPTH = 200
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class _ConstructorSignature:
    """What `inspect.signature` and `help` show of a class: its constructor, and not the `__new__` that notes the arguments."""

    def __get__(self, obj: object, cls: type) -> inspect.Signature:
        if obj is not None:
            raise AttributeError("__signature__")  # an object that is called has the signature of its `__call__`
        constructor: Any = cls.__init__  # type: ignore[misc]
        if constructor is object.__init__:
            return inspect.Signature()
        own = inspect.signature(getattr(constructor, "shown", constructor))
        parameters = list(own.parameters.values())[1:]
        return own.replace(parameters=parameters, return_annotation=inspect.Signature.empty)


class Configurable:
    """An object that can be made again from its config.

    Subclasses register themselves by name when they are defined, and remember the arguments they were made with. `get_config`
    describes every constructor argument: by the attribute of the same name for classes of this library, by the argument as it was
    given for a user's own class. Write `get_config` only where the arguments do not tell the state.
    """

    _keras_module: ClassVar[str] = "keras"
    _tk_init_args: tuple[tuple, dict[str, Any]]  # the arguments of the constructor
    _tk_config_base: ClassVar[tuple[str, ...]] = ()  # arguments of the base class that every config carries, first
    _tk_config_unless_none: ClassVar[tuple[str, ...]] = ()  # arguments that Keras's configs carry only when they are set
    __signature__ = _ConstructorSignature()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if written_class(cls) is cls:
            registry.register_class(cls, config_module(cls), config_name(cls))

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        self = super().__new__(cls)
        object.__setattr__(self, "_tk_init_args", (args, kwargs))
        return self

    def get_config(self) -> dict[str, Any]:
        """The constructor arguments as plain data."""
        names = _config_arguments(written_class(type(self)))
        values = {name: self._tk_config_value(name) for name in names}
        values = {name: value for name, value in values.items() if value is not None or name not in self._tk_config_unless_none}
        return {name: serialize_value(value, owner=self, argument=name) for name, value in values.items()}

    def _tk_config_value(self, name: str) -> Any:
        if is_builtin(type(self)) and hasattr(self, name):
            return getattr(self, name)
        given = _bound_arguments(written_class(type(self)), *object.__getattribute__(self, "_tk_init_args"))
        if name in given:
            return given[name]
        return getattr(self, name, None)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """An object made from what `get_config` returned."""
        return cls(**{name: deserialize_value(value) for name, value in config.items()})


def written_class(cls: type) -> type:
    """The class that a program or this library wrote, where torch put a subclass of its own in its place (FSDP, a parametrization)."""
    return next((c for c in cls.__mro__ if c.__module__.partition(".")[0] != "torch"), cls)


def is_builtin(cls: type) -> bool:
    """Whether `cls` is defined by this library."""
    return written_class(cls).__module__.partition(".")[0] == "torchkeras"


def config_module(cls: Any) -> str:
    """The module name that a config of `cls` carries: Keras's public one for this library's classes."""
    return cls._keras_module if is_builtin(cls) and hasattr(cls, "_keras_module") else written_class(cls).__module__


def config_name(cls: type) -> str:
    """The class name that a config of `cls` carries; Keras exports one class under another name than its own."""
    cls = written_class(cls)
    return vars(cls).get("_keras_class_name", cls.__name__)


def _parameters(function: Callable) -> dict[str, inspect.Parameter]:
    return dict(list(inspect.signature(function).parameters.items())[1:])  # without `self`, whatever it is called


def _config_arguments(cls: Any) -> list[str]:
    """The constructor arguments that the config of `cls` carries.

    Only of the classes above the first one that writes its own `get_config` (it adds its arguments itself), following `**kwargs` up.
    """
    chain = list(cls.__mro__)
    for i, c in enumerate(chain):  # a user's class with its own get_config describes its own constructor itself
        if "get_config" in vars(c) and not is_builtin(c):
            chain = chain[i + 1 :]
            while chain and not is_builtin(chain[0]):
                chain.pop(0)
            break
    names: list[str] = []
    for c in chain:
        if "__init__" not in vars(c) or not issubclass(c, Configurable):
            continue
        own = _parameters(c.__init__)
        names += [n for n, p in own.items() if p.kind not in _VARIADIC and n not in names]
        if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in own.values()):
            break
    base = list(cls._tk_config_base)
    own_config = any("get_config" in vars(c) for c in cls.__mro__ if not is_builtin(c))
    if not is_builtin(cls) and not own_config:  # a constructor without `**kwargs` cannot take what it does not name
        accepted = _parameters(cls.__init__)
        if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in accepted.values()):
            base = [n for n in base if n in accepted]
    return base + [n for n in names if n not in base]


def _bound_arguments(cls: Any, args: tuple, kwargs: dict[str, Any]) -> dict[str, Any]:
    bound = inspect.signature(cls.__init__).bind_partial(None, *args, **kwargs)
    bound.apply_defaults()
    given = dict(list(bound.arguments.items())[1:])
    for name, parameter in inspect.signature(cls.__init__).parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            given.update(given.pop(name, {}))
    return given


# -- values ---------------------------------------------------------------------------------------------------------------------------


def serialize_value(value: Any, owner: Any = None, argument: str = "") -> Any:
    """`value` as data that JSON can hold, in Keras's spelling.

    Raises:
        ValueError: A value that no config can hold; the message names the owner's class and the argument.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, dict):
        return {k: serialize_value(v, owner, argument) for k, v in value.items()}
    if isinstance(value, (list, tuple)) and not hasattr(value, "get_config"):
        items = [serialize_value(v, owner, argument) for v in value]
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, torch.dtype):
        return dtypes.standardize_dtype(value)
    if isinstance(value, FunctionType) and "activation" in Family.known:  # the one family of functions that configs name in short
        return serialize_in(Family.known["activation"], value)
    if isinstance(value, (np.ndarray, torch.Tensor, bytes, slice, type(...))) or hasattr(value, "get_config") or callable(value):
        return serialize_keras_object(value)
    where = f" in the argument `{argument}` of {type(owner).__name__}" if owner is not None else ""
    raise ValueError(
        f"A config cannot hold an object of type {type(value).__name__}{where}. Give its class `get_config` and `from_config`, "
        "or override `get_config` where it is used."
    )


def deserialize_value(value: Any) -> Any:
    """The inverse of `serialize_value`: nested configs become objects again, everything else is returned as it is."""
    if isinstance(value, dict):
        if "class_name" in value and "config" in value:
            return deserialize_keras_object(value)
        return {k: deserialize_value(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(deserialize_value(v) for v in value)
    return value


def serialize_keras_object(obj: Any) -> Any:
    """An object as `{"module", "class_name", "config", "registered_name"}`, functions and arrays included.

    Args:
        obj: An object, a function, a class, an array, or a nest of them.

    Raises:
        ValueError: If the object has no config.
    """
    if obj is None or isinstance(obj, (bool, int, float, str)):
        return obj
    if isinstance(obj, bytes):
        return {"class_name": "__bytes__", "config": {"value": obj.decode()}}
    if isinstance(obj, tuple) and not hasattr(obj, "get_config"):
        return {"class_name": "__tuple__", "config": {"value": [serialize_keras_object(v) for v in obj]}}
    if isinstance(obj, list):
        return [serialize_keras_object(v) for v in obj]
    if isinstance(obj, dict):
        return {k: serialize_keras_object(v) for k, v in obj.items()}
    if isinstance(obj, np.generic):
        return obj.item()
    if isinstance(obj, torch.dtype):
        return dtypes.standardize_dtype(obj)
    if isinstance(obj, np.ndarray):
        return {"class_name": "__numpy__", "config": {"value": obj.tolist(), "dtype": obj.dtype.name, **_shape_if_empty(obj)}}
    if isinstance(obj, torch.Tensor) and not hasattr(obj, "get_config"):
        value = obj.detach().cpu()
        dtype = dtypes.standardize_dtype(value.dtype)
        return {"class_name": "__tensor__", "config": {"value": value.tolist(), "dtype": dtype, **_shape_if_empty(value)}}
    if obj is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(obj, slice):
        parts = {name: serialize_keras_object(getattr(obj, name)) for name in ("start", "stop", "step")}
        return {"class_name": "__slice__", "config": parts}
    if isinstance(obj, type):
        names = {"module": config_module(obj), "class_name": obj.__name__}
        return {**names, "config": None, "registered_name": registry.get_registered_name(obj)}
    if hasattr(obj, "get_config"):
        return _serialize_instance(obj)
    if isinstance(obj, FunctionType) and obj.__name__ == "<lambda>":
        raise ValueError(
            "A config cannot hold a lambda. Give it a name (`def`) and register it with `register_keras_serializable`, "
            f"or use a Lambda layer. Received: {obj}"
        )
    if callable(obj) and hasattr(obj, "__name__"):
        registered = registry.get_registered_name(obj)
        shown = registered if registered != obj.__name__ else "function"
        return {"module": "builtins", "class_name": "function", "config": obj.__name__, "registered_name": shown}
    raise ValueError(f"A config cannot hold an object of type {type(obj).__name__}: it has no `get_config`. Received: {obj!r}")


def _shape_if_empty(array: Any) -> dict[str, Any]:
    """The shape of an array without elements, which its values do not tell."""
    return {} if all(array.shape) else {"shape": list(array.shape)}


def _serialize_instance(obj: Any) -> dict[str, Any]:
    cls = written_class(type(obj))
    registered: str | None = registry.get_registered_name(cls)
    if is_builtin(cls):
        registered = None
    written = obj.get_config()
    config = written if is_builtin(cls) else _plain(written)
    data = {"module": config_module(cls), "class_name": config_name(cls), "config": config, "registered_name": registered}
    if getattr(obj, "_tk_named", False) and _is_automatic(obj):
        data["named"] = True  # its name reads like a numbered one; Keras passes over what it does not know here
    build_config = getattr(obj, "get_build_config", None)
    if build_config is not None and (built := build_config()) is not None:
        data["build_config"] = _plain(built)
    compile_config = getattr(obj, "get_compile_config", None)
    if compile_config is not None and (compiled := compile_config()):
        data["compile_config"] = _plain(compiled)
    return data


def _plain(config: Any) -> Any:
    """What a user's `get_config` gave, which may hold layers and functions as they are; tuples stay tuples, as in Keras."""
    if isinstance(config, dict):
        return {name: _plain(value) for name, value in config.items()}
    if isinstance(config, (list, tuple)):
        items = [_plain(value) for value in config]
        return items if isinstance(config, list) else tuple(items)
    return serialize_keras_object(config)


def _is_automatic(obj: Any) -> bool:
    """Whether a layer's name is one that its class would have been given."""
    return re.fullmatch(rf"{registry.snake_case(type(obj).__name__)}(_\d+)?", obj.name) is not None


def _special(class_name: str, inner: Any) -> Any:
    if class_name == "__tuple__":
        return tuple(deserialize_keras_object(v) for v in inner["value"])
    if class_name == "__bytes__":
        return inner["value"].encode()
    if class_name == "__numpy__":
        array = np.array(inner["value"], dtype=dtypes.standardize_dtype(inner["dtype"]))
        return array.reshape(inner["shape"]) if "shape" in inner else array
    if class_name == "__tensor__":
        tensor = torch.tensor(inner["value"], dtype=dtypes.to_torch_dtype(inner["dtype"]))
        return tensor.reshape(inner["shape"]) if "shape" in inner else tensor
    if class_name == "__ellipsis__":
        return Ellipsis
    if class_name == "__slice__":
        return slice(*(deserialize_keras_object(inner[name]) for name in ("start", "stop", "step")))
    raise ValueError(f"Unknown kind of value in a config: {class_name!r}")


class _Loading(threading.local):
    """What this thread is loading: whether code may run, and how deep the calls are."""

    safe = True
    active = False
    depth = 0


_loading = _Loading()


def in_safe_mode() -> bool:
    """Whether code carried by a config must be refused: true unless this very load was given `safe_mode=False`."""
    return _loading.safe and not config.is_unsafe_deserialization_enabled()


@contextlib.contextmanager
def loading(safe_mode: bool | None) -> Iterator[None]:
    """A load of its own: nothing of a load around it (that of a custom class which loads another file) carries over."""
    saved = _loading.safe, _loading.active, _loading.depth
    _loading.safe, _loading.active, _loading.depth = safe_mode is not False, True, 0
    try:
        yield
    finally:
        _loading.safe, _loading.active, _loading.depth = saved


def check_depth(data: Any) -> None:
    """Refuse a config that is nested deeper than any model's, or holds itself.

    Raises:
        ValueError: It does.
    """
    seen: dict[int, int] = {}
    waiting = [(data, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > MAX_CONFIG_DEPTH:
            raise ValueError(f"The config is nested more than {MAX_CONFIG_DEPTH} levels deep. It is damaged or hostile.")
        if isinstance(value, (dict, list, tuple)) and seen.get(id(value), -1) < depth:
            seen[id(value)] = depth
            waiting += [(v, depth + 1) for v in (value.values() if isinstance(value, dict) else value)]


def deserialize_keras_object(
    config: Any, custom_objects: Mapping[str, Any] | None = None, safe_mode: bool | None = True, **kwargs: Any
) -> Any:
    """The object that `serialize_keras_object` described.

    Only registered classes are found: those of this library, of `custom_objects` and the open scopes, and those that the running
    program defines as subclasses of this library's. Nothing is imported.

    Args:
        config: What `serialize_keras_object` returned.
        custom_objects: Names to further classes and functions.
        safe_mode: `False` lets a config carry code (Lambda layers). Nested calls inherit the choice of the outermost.
        **kwargs: `module_objects`, a second table of names, as in Keras 2.

    Raises:
        ValueError: If there is an unknown class, a config that is too deep, or code in safe mode.
    """
    names = {**(kwargs.pop("module_objects", None) or {}), **(custom_objects or {})}
    if kwargs:
        raise TypeError(f"deserialize_keras_object() got unexpected arguments: {', '.join(kwargs)}")
    if _loading.active:
        return _in_scope(config, names)
    check_depth(config)
    with loading(safe_mode):
        return _in_scope(config, names)


def _in_scope(data: Any, names: dict[str, Any]) -> Any:
    if _loading.depth > MAX_CONFIG_DEPTH:
        raise ValueError(f"The config is nested more than {MAX_CONFIG_DEPTH} levels deep. It is damaged or hostile.")
    _loading.depth += 1
    try:
        if not names:
            return _deserialize(data)
        with registry.CustomObjectScope(names):
            return _deserialize(data)
    finally:
        _loading.depth -= 1


def _deserialize(data: Any) -> Any:
    if isinstance(data, list):
        return [deserialize_keras_object(v) for v in data]
    if not isinstance(data, dict):
        return data
    if "class_name" not in data or "config" not in data:
        return {k: deserialize_keras_object(v) for k, v in data.items()}
    class_name, inner = data["class_name"], data["config"]
    if not isinstance(class_name, str):
        raise ValueError(f"`class_name` must be a string in a config. Received: {class_name!r}")
    if class_name.startswith("__") and class_name.endswith("__") and class_name != "__lambda__":
        return _special(class_name, inner)
    if class_name == "function":
        return _find_function(data)
    cls = find_class(data)
    if inner is None:
        return cls
    obj = cls.from_config(inner)
    if getattr(obj, "_tk_named", False) and _is_automatic(obj):
        obj._tk_named = bool(data.get("named"))
    build_config = data.get("build_config")
    if build_config and hasattr(obj, "build_from_config") and not getattr(obj, "built", False):
        obj.build_from_config(build_config)
    compile_config = data.get("compile_config")
    if compile_config and hasattr(obj, "compile_from_config"):
        obj.compile_from_config(compile_config)
    return obj


def _find_function(data: dict[str, Any]) -> Callable:
    name, registered = data["config"], data.get("registered_name")
    fn = registry.get_registered_object(registered) if registered else None
    fn = fn or registry.get_registered_object(name) or registry.find_function(None, name)
    if fn is None:
        raise ValueError(f"Unknown function {name!r} in the config. Pass it: `custom_objects={{{name!r}: {name}}}`.")
    return fn


# Where Keras's own files name a module that is not the public one (Functional, ops as graph nodes), the class is looked up under "keras".
def find_class(data: dict[str, Any]) -> Any:
    """The registered class that a config names.

    Raises:
        ValueError: None is registered; the message tells the near matches and the cure.
    """
    class_name, module = data["class_name"], data.get("module")
    for name in (data.get("registered_name"), class_name):
        custom = registry.get_registered_object(name) if name else None
        if isinstance(custom, type):
            return custom
    if module is not None:
        cls = registry.find_class(module, class_name)
        if cls is None and module.startswith(("keras.src.", "keras.models")):
            cls = registry.find_class("keras", class_name)
        if cls is None and module.startswith("keras.src."):  # Keras names its own files for what a backend replaces (torch_adam)
            cls = next((c for c in registry.known_classes("keras.") if c.__name__ == class_name), None)
        if cls is None and not module.startswith("keras"):  # the user's own, saved by the script that now is a module, or the reverse
            theirs = {c for c in registry.known_classes() if c.__name__ == class_name and not is_builtin(c)}
            cls = theirs.pop() if len(theirs) == 1 else None
        if cls is not None:
            return cls
    else:  # configs of Keras 1 and 2 name no module
        matches = [c for c in registry.known_classes("keras") if c.__name__ == class_name]
        if matches:
            return matches[0]
    lacking = missing_member(module, class_name) if module is None or module.partition(".")[0] == "keras" else None
    if lacking is not None:
        raise ValueError(f"The config names a class that Keras has: {lacking} Pass one of your own by `custom_objects=` to load it.")
    siblings = module is not None and registry.known_classes(module)  # of the same kind
    known = [c.__name__ for c in siblings or registry.known_classes()]
    raise ValueError(
        f"Unknown class {class_name!r} (module {module!r}) in the config.{registry.near_matches(class_name, known)} "
        f"If it is yours, define or import it before loading, or pass it: `custom_objects={{{class_name!r}: {class_name}}}`."
    )


# -- families: the three functions that every family module offers ---------------------------------------------------------------------


def get_from(family: Family, identifier: Any) -> Any:
    """An object of the family from a name, a config, a class or an object; `None` stays `None`.

    Raises:
        ValueError: Anything else, with near matches for names.
    """
    if identifier is None:
        return None
    if isinstance(identifier, str):
        identifier = family.find(identifier)
    elif isinstance(identifier, dict):
        identifier = deserialize_in(family, identifier)
    if isinstance(identifier, type):
        return identifier()
    if callable(identifier) or (family.base is not None and isinstance(identifier, family.base)):
        return identifier
    raise ValueError(
        f"`{family.kind}` must be a name, a config, a callable or an object. Received: {identifier!r} of type {type(identifier).__name__}"
    )


def deserialize_in(family: Family, config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The object of the family that a config or a name describes."""
    if isinstance(config, str):
        return family.find(config, custom_objects)
    if isinstance(config, dict) and "class_name" in config and config.get("module") is None and config["class_name"] != "function":
        cls = family.find(config["class_name"], custom_objects)  # Keras 1 and 2: no module
        inner = config.get("config") or {}
        is_class = isinstance(cls, type)
        return cls.from_config(inner) if is_class else cls
    return deserialize_keras_object(config, custom_objects)


def serialize_in(family: Family, obj: Any) -> Any:
    """A member as a config; a built-in function as its bare name, as Keras writes it."""
    if obj is None or isinstance(obj, (str, dict)):
        return obj
    name = getattr(obj, "__name__", None)
    if name is not None and not isinstance(obj, type) and family.table.get(name.lower()) is obj:
        return name
    return serialize_keras_object(obj)
