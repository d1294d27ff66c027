"""Lists and dicts of layers as attributes: still a list or a dict, and its layers are children of the module."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, SupportsIndex

from torch import nn

from ..variable import Variable
from . import call


class Contents(nn.Module):
    """The child module under which the layers and weights of a tracked list or dict are registered by place or key."""

    items_ref: TrackedList | TrackedDict

    def __init__(self, items: TrackedList | TrackedDict) -> None:
        super().__init__()
        self.training = False
        object.__setattr__(self, "items_ref", items)

    def refresh(self) -> None:
        self._modules.clear()
        self._parameters.clear()
        self._buffers.clear()
        items = self.items_ref
        for key, value in items.items() if isinstance(items, dict) else enumerate(items):
            key = str(key).replace(".", "_")
            if isinstance(value, nn.Module):
                if call.own_mode(value) != self.training:
                    call.follow(value, self.training)
                self._modules[key] = value
            elif isinstance(value, (TrackedList, TrackedDict)):
                self._modules[key] = value.contents
            elif isinstance(value, nn.Parameter):
                (self._parameters if value.requires_grad else self._buffers)[key] = value

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._modules and isinstance(value, nn.Module):  # a tool that replaces modules in place
            items = self.items_ref
            if isinstance(items, dict):
                items[next(k for k in items if str(k).replace(".", "_") == name)] = value
            else:
                items[int(name)] = value
            return
        super().__setattr__(name, value)


def _tracked(value: Any) -> Any:
    return track(value) if type(value) in (list, dict, tuple) else value


def holds_modules(value: Any) -> bool:
    """Whether a list, tuple or dict holds a layer, a module or a weight at any depth."""
    values = value.values() if isinstance(value, dict) else value
    return any(isinstance(v, (nn.Module, Variable)) or (isinstance(v, (list, tuple, dict)) and holds_modules(v)) for v in values)


def track(value: Any) -> Any:
    """A list or dict as its tracked form if it holds modules or is empty (it may come to hold some); anything else as it is."""
    if type(value) is list and (not value or holds_modules(value)):
        return TrackedList(value)
    if type(value) is dict and (not value or holds_modules(value)):
        return TrackedDict(value)
    if type(value) is tuple and value and holds_modules(value):
        return TrackedList(value)
    return value


def _refreshing(method: Callable) -> Callable:
    def changed(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = method(self, *args, **kwargs)
        contents = self.__dict__.get("contents")
        if contents is not None:
            contents.refresh()
        return self if result is self else result

    changed.__name__ = method.__name__
    changed.__doc__ = method.__doc__
    return changed


class TrackedList(list):
    """A list whose layers belong to the module that owns it."""

    def __init__(self, values: Iterable[Any] = ()) -> None:
        super().__init__(_tracked(v) for v in values)
        self.contents = Contents(self)
        self.contents.refresh()

    def append(self, value: Any) -> None:
        list.append(self, _tracked(value))
        self.contents.refresh()

    def extend(self, values: Iterable[Any]) -> None:
        list.extend(self, [_tracked(v) for v in values])
        self.contents.refresh()

    def __setitem__(self, index: Any, value: Any) -> None:
        list.__setitem__(self, index, [_tracked(v) for v in value] if isinstance(index, slice) else _tracked(value))
        self.contents.refresh()

    def __iadd__(self, values: Iterable[Any]) -> TrackedList:  # type: ignore[misc]  # unlike `+`, it stays tracked
        self.extend(values)
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple:
        return TrackedList, (), None, iter(list(self))

    insert = _refreshing(list.insert)
    pop = _refreshing(list.pop)
    remove = _refreshing(list.remove)
    clear = _refreshing(list.clear)
    sort = _refreshing(list.sort)
    reverse = _refreshing(list.reverse)
    __delitem__ = _refreshing(list.__delitem__)


class TrackedDict(dict):
    """A dict whose layers belong to the module that owns it."""

    def __init__(self, values: Any = ()) -> None:
        super().__init__({k: _tracked(v) for k, v in dict(values).items()})
        self.contents = Contents(self)
        self.contents.refresh()

    def __setitem__(self, key: Any, value: Any) -> None:
        dict.__setitem__(self, key, _tracked(value))
        self.contents.refresh()

    def update(self, *args: Any, **kwargs: Any) -> None:
        dict.update(self, {k: _tracked(v) for k, v in dict(*args, **kwargs).items()})
        self.contents.refresh()

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple:
        return TrackedDict, (), None, None, iter(list(self.items()))

    setdefault = _refreshing(dict.setdefault)
    pop = _refreshing(dict.pop)
    popitem = _refreshing(dict.popitem)
    clear = _refreshing(dict.clear)
    __delitem__ = _refreshing(dict.__delitem__)
