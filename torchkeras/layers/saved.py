"""What of a layer goes to files: its own weights, and its children under the names that Keras gives them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import nn

from .. import dtypes, registry
from .tracking import Contents, TrackedDict, TrackedList


@runtime_checkable
class Saved(Protocol):
    """What files hold: arrays of its own, and further such things inside it, each under a name."""

    def save_own_variables(self, store: Any) -> None:
        """Put its own arrays into `store`."""

    def load_own_variables(self, store: Any) -> None:
        """Take them from `store` again."""

    def saved_children(self) -> Iterable[tuple[str, Any]]:
        """Name and object of what is inside, in the order of the file; the first place of an object that has several counts."""


def by_attribute(owner: nn.Module) -> dict[str, Any]:
    """The attributes of a layer that hold something with weights of its own: layers, torch modules, and lists and dicts of them.

    A private attribute that a property shows goes by the name of the property.
    """
    found: dict[str, Any] = {}
    for name, module in list(owner._modules.items()):
        if isinstance(module, Contents):
            found[name[:-1]] = module.items_ref  # the list or dict that is the attribute
        elif module is not None:
            found[name] = owner.__dict__.get(name, module)
    for name, value in list(vars(owner).items()):
        if isinstance(value, (TrackedList, TrackedDict)) or hasattr(value, "saved_children"):
            found[name] = value
    shown = {n: n[1:] for n in found if n[:1] == "_" and isinstance(getattr(type(owner), n[1:], None), property)}
    return {shown[n] if n in shown and getattr(owner, shown[n]) is v else n: v for n, v in found.items()}


def in_order(attributes: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Names and what they hold in Keras's order, by name and the private ones last, lists and dicts opened up."""
    for name in sorted(attributes, key=lambda n: f"~{n}" if n.startswith("_") else n):
        yield from members(name, attributes[name])


def members(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """An attribute under its name, or what a list or dict holds, each by its class in snake case, numbered."""
    if not isinstance(value, (list, tuple, dict)):
        yield name, value
        return
    used: dict[str, int] = {}
    for item in list(value.values() if isinstance(value, dict) else value):
        if isinstance(item, (list, tuple, dict)):
            kind = "container"
        elif hasattr(item, "saved_children"):
            kind = registry.snake_case(type(item).__name__)
        elif isinstance(item, nn.Module):
            kind = "torch_module_wrapper"  # Keras wraps plain modules
        else:
            continue
        number = used.get(kind, 0)
        used[kind] = number + 1
        yield from members(f"{name}/{kind}_{number}" if number else f"{name}/{kind}", item)


def modules_in(value: Any) -> Iterator[nn.Module]:
    """The layers and torch modules in an attribute, those in lists and dicts included."""
    if isinstance(value, (list, tuple, dict)):
        for item in list(value.values() if isinstance(value, dict) else value):
            yield from modules_in(item)
    elif isinstance(value, nn.Module):
        yield value


def is_wrapped(module: nn.Module, places: set[tuple[int, str]]) -> bool:
    """Whether weights at these places are all that a torch module holds, whatever form its tensors have now.

    Args:
        module: The module.
        places: Modules, by `id`, and the names of their weights. A parametrization, pruning or a weight norm that stands
            behind such a weight belongs to it.
    """
    names = {name for owner, name in places if owner == id(module)}
    for table in (module._parameters, module._buffers):
        for key, stored in table.items():
            behind = any(key.startswith(f"{name}_") and name not in module._parameters for name in names)
            if stored is not None and key not in names and not behind:
                return False
    for key, child in module._modules.items():
        if key == "parametrizations" and child is not None and set(child._modules) <= names:
            continue
        if child is not None and not is_wrapped(child, places):
            return False
    return True


class ModuleState:
    """A plain torch module as something that files hold: its `state_dict`, under its own names.

    Args:
        module: The module.
        owner: What to call it in messages.
    """

    def __init__(self, module: nn.Module, owner: str | None = None) -> None:
        self.module = module
        self.name = registry.snake_case(type(module).__name__)
        self._label = owner or f"the torch module {self.name!r}"

    def own_variables(self) -> list[torch.Tensor]:
        """The tensors of the module."""
        return list(self.module.state_dict().values())

    def saved_children(self) -> Iterable[tuple[str, Any]]:
        """Nothing: `state_dict` names all that is inside."""
        return ()

    def save_own_variables(self, store: Any) -> None:
        """Put the tensors into `store`.

        Raises:
            ValueError: If the module keeps state that is no tensor, which no file of weights can hold.
        """
        for key, value in self.module.state_dict().items():
            if not isinstance(value, torch.Tensor):
                raise ValueError(
                    f"A file of weights holds tensors only, and {self._label} keeps a {type(value).__name__} at {key!r} in its "
                    "`state_dict`. Save that with `torch.save(model.state_dict(), path)`."
                )
            store[key] = dtypes.to_numpy(value)

    def load_own_variables(self, store: Any) -> None:
        """Take the tensors from `store`.

        Raises:
            ValueError: If names or shapes differ; the message tells the first that does.
        """
        mine = self.module.state_dict()
        for key in dict.fromkeys((*mine, *store.keys())):
            have = tuple(mine[key].shape) if key in mine else "nothing"
            found = tuple(store[key].shape) if key in store.keys() else "nothing"
            if have != found:
                raise ValueError(
                    f"The file does not fit {self._label}: for {key!r} the module has {have} and the file has {found}. "
                    "It was written by another architecture."
                )
        with torch.no_grad():
            for key, tensor in mine.items():
                tensor.copy_(dtypes.like(torch.from_numpy(np.array(store[key])), tensor))
