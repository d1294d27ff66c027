"""Names to classes and back: the one table through which saving, loading and `get("name")` find anything."""

from __future__ import annotations

import difflib
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .missing import missing_member

_CLASSES: dict[tuple[str, str], type] = {}
_FUNCTIONS: dict[tuple[str, str], Callable] = {}
_CUSTOM: dict[str, Any] = {}
_CUSTOM_NAMES: dict[Any, str] = {}
_SCOPES: list[dict[str, Any]] = []


def snake_case(name: str) -> str:
    """`MaxPooling2D` as `max_pooling2d`, the way Keras names layers after their class."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def near_matches(name: str, known: Iterable[str]) -> str:
    """`" Did you mean 'x' or 'y'?"`, or an empty string, for the end of an error message."""
    lower = {k.lower(): k for k in known}
    close = [lower[m] for m in difflib.get_close_matches(str(name).lower(), lower, n=3, cutoff=0.6)]
    return f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""


def register_class(cls: type, module: str, name: str | None = None) -> None:
    """Enter a class under the names that its config carries: the module's (`keras.layers`, or the user's own) and the class's."""
    _CLASSES[module, name or cls.__name__] = cls


def find_class(module: str, class_name: str) -> type | None:
    """The class registered under exactly these two names; nothing is imported."""
    return _CLASSES.get((module, class_name))


def known_classes(prefix: str = "") -> list[type]:
    """Every registered class whose module name starts with `prefix`."""
    return [cls for (module, _), cls in _CLASSES.items() if module.startswith(prefix)]


def register_function(fn: Callable, module: str, name: str | None = None) -> None:
    """Enter a built-in function (an activation, a loss, an op) under the module name that its config carries."""
    _FUNCTIONS[module, name or fn.__name__] = fn


def find_function(module: str | None, name: str) -> Callable | None:
    """The function registered under exactly these names; with `module=None`, the first of that name."""
    if module is not None:
        return _FUNCTIONS.get((module, name))
    return next((fn for (_, n), fn in _FUNCTIONS.items() if n == name), None)


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[Any], Any]:
    """Decorate a class or function so that configs name it `package>name` and loading finds it.

    Args:
        package: The first half of the registered name.
        name: The second half; the object's own name without it.

    Raises:
        ValueError: If there is a class without `get_config`.
    """

    def decorator(arg: Any) -> Any:
        registered_name = f"{package}>{name or arg.__name__}"
        if isinstance(arg, type) and not hasattr(arg, "get_config"):
            raise ValueError(
                f"Cannot register the class {arg.__name__}: it needs a `get_config()` method. Subclass a torchkeras class or write one."
            )
        _CUSTOM[registered_name] = arg
        _CUSTOM_NAMES[arg] = registered_name
        return arg

    return decorator


def get_registered_name(obj: Any) -> str:
    """The name that `obj` was registered under, else its `__name__`.

    Args:
        obj: A class or function.
    """
    try:
        registered = _CUSTOM_NAMES.get(obj)
    except TypeError:  # unhashable objects are never registered
        registered = None
    return str(registered or getattr(obj, "__name__", type(obj).__name__))


def get_registered_object(
    name: str, custom_objects: Mapping[str, Any] | None = None, module_objects: Mapping[str, Any] | None = None
) -> Any:
    """What `name` stands for: in the open scopes, the registry, `custom_objects`, then `module_objects`; else `None`.

    Args:
        name: The registered name, `package>name`.
        custom_objects: Names to further classes and functions that the config may name.
        module_objects: A further table of names.
    """
    for scope in reversed(_SCOPES):
        if name in scope:
            return scope[name]
    for table in (_CUSTOM, custom_objects or {}, module_objects or {}):
        if name in table:
            return table[name]
    return None


def get_custom_objects() -> dict[str, Any]:
    """The global table of custom objects, live: changing it changes what loading finds."""
    return _CUSTOM


class CustomObjectScope:
    """Make custom objects known to loading inside a `with` block.

    Args:
        custom_objects: Names to classes or functions.

    >>> with keras.saving.CustomObjectScope({'double': lambda x: 2 * x}):
    ...     layer = keras.layers.Activation('double')
    >>> layer(torch.tensor([3.0]))
    tensor([6.])
    """

    def __init__(self, custom_objects: Mapping[str, Any] | None) -> None:
        self.custom_objects = dict(custom_objects or {})

    def __enter__(self) -> CustomObjectScope:
        _SCOPES.append(self.custom_objects)
        return self

    def __exit__(self, *exc: Any) -> None:
        _SCOPES.remove(self.custom_objects)


custom_object_scope = CustomObjectScope


class Family:
    """The names of one kind of object (`initializer`, `loss`, …): what its `get`, `serialize` and `deserialize` share.

    Args:
        kind: What one member is called in error messages and as the argument name.
        module: The module name of its members in configs, such as `"keras.initializers"`.
        base: The class that instances have, or `None` where members are functions.
        table: The visible alias table, name to class or function. Classes also answer to their own name and its
            snake case, whatever the case of the letters.
    """

    known: dict[str, Family] = {}

    def __init__(self, kind: str, module: str, base: type | None, table: Mapping[str, Any]) -> None:
        self.kind, self.module, self.base = kind, module, base
        self.table: dict[str, Any] = dict(table)  # the exact spelling wins: `Hinge` the class, `hinge` the function
        for name, member in table.items():
            own = getattr(member, "__name__", name)
            for key in (name, own, snake_case(own)):
                self.table.setdefault(key.lower(), member)
            if isinstance(member, type):
                continue
            register_function(member, module, name)
        self.names = sorted(table)
        Family.known[kind] = self

    def find(self, name: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
        """The class or function called `name`.

        Raises:
            ValueError: No such name; the message lists near matches.
        """
        member = get_registered_object(name, custom_objects)
        if member is None:
            member = self.table.get(name) or self.table.get(name.lower()) or self.table.get(snake_case(name))
        if member is None:
            lacking = missing_member(self.module, name)
            if lacking is not None:
                raise ValueError(f"Unknown {self.kind}: {lacking} Received: {name!r}")
            raise ValueError(
                f"Unknown {self.kind}: {name!r}.{near_matches(name, self.names)} "
                f"Pass one of {', '.join(self.names)}, an object, or register your own with `custom_objects`."
            )
        return member


_UIDS: dict[str, int] = {}
_UIDS_LOCK = threading.Lock()


def unique_name(prefix: str) -> str:
    """`prefix` for the first object of that name, then `prefix_1`, `prefix_2`, … as Keras numbers layers."""
    number = get_uid(prefix)
    return prefix if number == 1 else f"{prefix}_{number - 1}"


def get_uid(prefix: str = "") -> int:
    """The next number for `prefix`, from 1.

    Args:
        prefix: What is counted.
    """
    with _UIDS_LOCK:
        number = _UIDS[prefix] = _UIDS.get(prefix, 0) + 1
    return number


def reset_names() -> None:
    """Start all automatic names again (`clear_session`)."""
    _UIDS.clear()
