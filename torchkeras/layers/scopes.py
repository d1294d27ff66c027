"""Scopes of names and devices, for what is made inside them."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any

import torch
from typing_extensions import Self

from .call import context


class _Open(threading.local):
    def __init__(self) -> None:
        self.stack: list[name_scope] = []


_open = _Open()


class name_scope:
    """Weights that are made inside have `name` in their path.

    Args:
        name: The name, without a slash.
        caller: Who opens the scope: the same caller opening the same scope again, directly inside it, opens none.
        deduplicate: Whether that holds.
        override_parent: The path that the names around are replaced by, with slashes; `None` keeps them.

    Raises:
        ValueError: If `name` is no string, or has a slash.

    >>> with keras.name_scope('block'):
    ...     layer = keras.layers.Dense(2)
    ...     layer.build((None, 3))
    >>> layer.kernel.path.startswith('block/')
    True
    """

    def __init__(self, name: str, caller: Any = None, deduplicate: bool = True, override_parent: str | None = None) -> None:
        if not isinstance(name, str) or "/" in name:
            raise ValueError(f"`name` must be a string without '/'. Received: name={name!r}")
        self.name, self.caller, self.deduplicate, self.override_parent = name, caller, deduplicate, override_parent
        self._around: list[list[str] | None] = []

    def __enter__(self) -> Self:
        last = _open.stack[-1] if _open.stack else None
        if self.deduplicate and last is not None and self.caller is not None and last.caller is self.caller and last.name == self.name:
            self._around.append(None)
            return self
        self._around.append(context.scopes)
        around = context.scopes if self.override_parent is None else [p for p in self.override_parent.split("/") if p]
        context.scopes = [*around, self.name]
        _open.stack.append(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        around = self._around.pop()
        if around is not None:
            context.scopes = around
            _open.stack.pop()


def device(device_name: Any) -> torch.device:
    """A context in which weights and tensors are made on a device.

    Args:
        device_name: `"cpu"`, `"gpu:0"` or `"cuda:0"`, or any other name that torch knows; a `torch.device` is taken too.

    Raises:
        ValueError: If it is neither a name nor a device.
    """
    if isinstance(device_name, torch.device):
        return device_name
    if not isinstance(device_name, str):
        raise ValueError(f"`device_name` must be a string such as 'cpu' or 'gpu:0'. Received: device_name={device_name!r}")
    return torch.device(device_name.lower().replace("gpu", "cuda"))
