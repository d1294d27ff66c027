"""Weights of a model to and from the layout that Keras 3 gives them in HDF5."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import torch
from torch import nn

from .. import registry
from ..layers.layer import Layer
from ..layers.tracking import TrackedDict, TrackedList
from .archive import read_weights
from .h5 import H5Reader, ReadStore, UnsafeFileError, WriteStore, temporary_beside

_SKIPPED = frozenset(("history", "loss"))


def children(owner: Any) -> Iterator[tuple[str, Any]]:
    """What is saved inside `owner`, by the names that Keras gives: attributes in the order of their names."""
    if isinstance(owner, (list, tuple, dict)):
        yield from _named(owner.values() if isinstance(owner, dict) else owner)
        return
    if not isinstance(owner, Layer):
        return
    attributes: dict[str, Any] = {}
    for name, module in owner._modules.items():
        attributes[name] = owner.__dict__.get(name, module)
    for name, value in vars(owner).items():
        if isinstance(value, (TrackedList, TrackedDict, Layer)) and name not in _SKIPPED and not name.startswith("_inbound"):
            attributes[name] = value
    if isinstance(owner, Layer) and (owner.__dict__.get("_plan") is not None or "_chain" in owner.__dict__):
        in_graph = list(owner.layers)
        attributes = {k: v for k, v in attributes.items() if not any(v is layer for layer in in_graph)}
        attributes["layers"] = in_graph
    optimizer = owner.__dict__.get("optimizer")
    if hasattr(optimizer, "save_own_variables"):
        attributes["optimizer"] = optimizer
    yield from sorted(attributes.items())


def _named(values: Any) -> Iterator[tuple[str, Any]]:
    """Members of a container, each by its class in snake case, numbered."""
    used: dict[str, int] = {}
    for value in values:
        if not isinstance(value, (nn.Module, list, tuple, dict)) and not hasattr(value, "save_own_variables"):
            continue
        name = registry.snake_case(type(value).__name__)
        number = used.get(name, 0)
        used[name] = number + 1
        yield (name if number == 0 else f"{name}_{number}"), value


def _wraps(owner: Any, module: nn.Module) -> bool:
    """Whether a torch module's parameters are the owner's own weights, which the owner saves itself."""
    if not isinstance(owner, Layer):
        return False
    covered = owner._covered()
    return all(id(t) in covered for t in (*module.parameters(), *module.buffers()))


def walk(model: Any) -> Iterator[tuple[str, Any]]:
    """Every saved object with its path in the file, each once."""
    seen: set[int] = set()

    def visit(path: str, owner: Any, parent: Any) -> Iterator[tuple[str, Any]]:
        if id(owner) in seen:
            return
        seen.add(id(owner))
        if isinstance(owner, (list, tuple, dict)):
            for name, child in children(owner):
                yield from visit(f"{path}/{name}", child, parent)
            return
        if isinstance(owner, nn.Module) and not isinstance(owner, Layer):
            if not _wraps(parent, owner):
                yield path, owner
            return
        yield path, owner
        for name, child in children(owner):
            yield from visit(f"{path}/{name}" if path else name, child, owner)

    yield from visit("", model, None)


class _ModuleVariables:
    """A plain torch module as something that saves its own variables: its `state_dict`."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.name = registry.snake_case(type(module).__name__)

    def save_own_variables(self, store: Any) -> None:
        for name, tensor in self.module.state_dict().items():
            store[name] = tensor

    def load_own_variables(self, store: Any) -> None:
        mine = self.module.state_dict()
        for name, tensor in mine.items():
            if name not in store.keys():
                raise ValueError(f"The file holds no {name!r} for the torch module {self.name!r}.")
            if tuple(store[name].shape) != tuple(tensor.shape):
                raise ValueError(
                    f"The weight {name!r} of the torch module {self.name!r} has the shape {tuple(tensor.shape)} and the file holds "
                    f"{tuple(store[name].shape)}. It was written by another architecture."
                )
        with torch.no_grad():
            for name, tensor in mine.items():
                tensor.copy_(torch.as_tensor(store[name].__array__()))


def _saveable(owner: Any) -> Any:
    return _ModuleVariables(owner) if isinstance(owner, nn.Module) and not isinstance(owner, Layer) else owner


def write(model: Any, file: str | os.PathLike[str] | BinaryIO) -> None:
    """Write every weight of a built model, and its optimizer's state, to an HDF5 file."""
    with h5py.File(file, "w") as h5:
        for path, owner in walk(model):
            owner = _saveable(owner)
            if path == "optimizer" and not getattr(owner, "built", True):
                continue
            group = h5.require_group(f"{path}/vars" if path else "vars")
            name = getattr(owner, "name", None)
            if isinstance(name, str):
                group.attrs["name"] = name
            if getattr(owner, "built", True):
                owner.save_own_variables(WriteStore(group))


def read(model: Any, file: str | os.PathLike[str] | BinaryIO, label: str, skip_mismatch: bool = False) -> None:
    """Take every weight from an HDF5 file.

    Args:
        model: A built model.
        file: A path or an open file.
        label: What to call it in messages.
        skip_mismatch: Whether layers that do not fit are left as they are, with a warning.

    Raises:
        ValueError: A damaged file, or one of another architecture, naming the first weight that differs. The model is unchanged then.
    """
    before = [(t, t.detach().clone()) for t in (*model.parameters(), *model.buffers())]
    try:
        with H5Reader(file, label) as reader:
            _read_all(model, reader, label, skip_mismatch)
    except BaseException:
        with torch.no_grad():
            for tensor, value in before:
                tensor.copy_(value)
        raise


def _read_all(model: Any, reader: H5Reader, label: str, skip_mismatch: bool) -> None:
    met = set()
    for path, owner in walk(model):
        owner = _saveable(owner)
        group = reader.group(f"{path}/vars" if path else "vars")
        met.add(path)
        store = ReadStore(reader, group)
        if path == "optimizer":
            _read_optimizer(model, owner, store, label)
            continue
        if group is None and not _has_variables(owner):
            continue
        try:
            if group is None:
                raise ValueError(f"{label} holds no weights for {owner.name!r} (looked for at {path!r}): it was written by another architecture.")
            owner.load_own_variables(store)
        except UnsafeFileError:
            raise
        except (ValueError, KeyError) as error:
            if not skip_mismatch:
                raise ValueError(f"Cannot load weights from {label}: {error}") from error
            warnings.warn(f"Skipped the weights of {owner.name!r}, which do not fit: {error}", stacklevel=5)
    if not skip_mismatch:
        extra = next((p for p in _groups_with_arrays(reader, reader.root, "") if p not in met and not p.startswith("optimizer")), None)
        if extra is not None:
            raise ValueError(
                f"Cannot load weights from {label}: it holds weights at {extra!r}, for which the model has no layer. "
                "It was written by another architecture."
            )


def _has_variables(owner: Any) -> bool:
    if isinstance(owner, _ModuleVariables):
        return bool(owner.module.state_dict())
    return bool(getattr(owner, "_own_trainable", ()) or getattr(owner, "_own_non_trainable", ()))


def _groups_with_arrays(reader: H5Reader, group: Any, path: str) -> Iterator[str]:
    for name in group.keys():
        item = reader.child(group, name)
        if not isinstance(item, h5py.Group):
            continue
        if name == "vars":
            if any(not isinstance(reader.child(item, k), h5py.Group) for k in item.keys()):
                yield path
        else:
            yield from _groups_with_arrays(reader, item, f"{path}/{name}" if path else name)


def _read_optimizer(model: Any, optimizer: Any, store: ReadStore, label: str) -> None:
    if not store.keys():
        return
    if not getattr(optimizer, "built", False):
        optimizer.build(model.trainable_variables)
    try:
        optimizer.load_own_variables(store)
    except ValueError as error:
        warnings.warn(f"The optimizer's state in {label} does not fit and is left out; training starts with a fresh one: {error}", stacklevel=6)


# -- files ------------------------------------------------------------------------------------------------------------------------------


def save_weights(model: Any, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
    """Write the weights to a `.weights.h5` file in Keras 3's layout, or to a `.safetensors` file in torch's.

    Args:
        model: A built model.
        filepath: Where.
        overwrite: Whether a file that is there may be replaced.

    Raises:
        ValueError: Another suffix, or a model that is not built.
        FileExistsError: The file is there and `overwrite` is false.
    """
    path = check_target(filepath, overwrite, (".weights.h5", ".safetensors"), "save_weights")
    if not model.built:
        raise ValueError(f"The model {model.name!r} is not built and has no weights to save. Call it on data or `build(input_shape)` first.")
    part = temporary_beside(path)
    try:
        if path.name.endswith(".safetensors"):
            _safetensors().save_file({k: v.detach().contiguous() for k, v in model.state_dict().items()}, part)
        else:
            write(model, part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def load_weights(model: Any, filepath: str | os.PathLike[str], skip_mismatch: bool = False) -> None:
    """Take the weights from a `.weights.h5`, `.keras` or `.safetensors` file.

    Args:
        model: A built model of the same architecture.
        filepath: The file.
        skip_mismatch: Whether layers that do not fit are left as they are, with a warning.

    Raises:
        ValueError: A damaged file or another architecture; the model is unchanged then.
        FileNotFoundError: No such file.
    """
    path = Path(filepath)
    if not path.is_file():
        raise FileNotFoundError(f"No such file: {str(path)!r}")
    if not model.built or any(not layer.built for layer in model._flatten_layers()):
        raise ValueError(
            f"The model {model.name!r} is not built and has no weights to load into. Call it on data or `build(input_shape)` first."
        )
    if path.name.endswith(".safetensors"):
        state = _safetensors().load_file(path)
        own = model.state_dict()
        for name, tensor in own.items():
            if not skip_mismatch and (name not in state or state[name].shape != tensor.shape):
                found = tuple(state[name].shape) if name in state else "none"
                raise ValueError(f"Cannot load weights from {path.name}: {name!r} has the shape {tuple(tensor.shape)}, the file holds {found}.")
        model.load_state_dict({k: v for k, v in state.items() if k in own and v.shape == own[k].shape}, strict=not skip_mismatch)
        return
    if path.name.endswith(".keras"):
        read(model, read_weights(path), path.name, skip_mismatch)
        return
    read(model, path, path.name, skip_mismatch)


def _safetensors() -> Any:
    try:
        import safetensors.torch
    except ImportError:
        raise ImportError("`.safetensors` files need the package safetensors: pip install torchkeras[safetensors]") from None
    return safetensors.torch


def check_target(filepath: str | os.PathLike[str], overwrite: bool, suffixes: tuple[str, ...], what: str) -> Path:
    """The path to write to, checked before anything is written."""
    path = Path(filepath)
    if not path.name.endswith(suffixes):
        raise ValueError(f"`filepath` of {what} must end in {' or '.join(suffixes)}. Received: filepath={str(filepath)!r}")
    if path.exists() and not overwrite:
        raise FileExistsError(f"The file {str(path)!r} exists. Pass `overwrite=True` to replace it.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"The folder {str(path.parent)!r} of `filepath` does not exist. Make it first.")
    return path
