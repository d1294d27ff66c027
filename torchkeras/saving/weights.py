"""Weights of a model to and from the layout that Keras 3 gives them in HDF5."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import torch
from torch import nn

from .. import registry
from ..layers.layer import Layer
from ..layers.torch_module import TorchModuleWrapper
from ..layers.tracking import Contents, TrackedDict, TrackedList
from . import shards
from .archive import open_archive, open_weights
from .h5 import H5Reader, ReadStore, UnsafeFileError, WriteStore
from .target import by_one, check_suffix, replacing

_SKIPPED = frozenset(("history", "loss"))
_STATE_OF_OTHERS = frozenset(("seed_generator", "random_generator"))  # Keras on other backends saves the state of its generators


def children(owner: Any) -> Iterator[tuple[str, Any]]:
    """What is saved inside `owner`, by the names and in the order that Keras gives: by attribute, private ones last.

    A private attribute that a property shows goes by the name of the property.

    A model also has `layers`, so that whatever its attributes after that name hold is found there first.
    """
    if isinstance(owner, (list, tuple, dict)):
        yield from _named(owner.values() if isinstance(owner, dict) else owner)
        return
    if not isinstance(owner, Layer):
        inner = getattr(owner, "inner_optimizer", None)
        if inner is not None:
            yield "inner_optimizer", inner
        return
    attributes: dict[str, Any] = {}
    for name, module in owner._modules.items():
        if isinstance(module, Contents):
            attributes[name[:-1]] = module.items_ref  # the list or dict that is the attribute
        else:
            attributes[name] = owner.__dict__.get(name, module)
    for name, value in vars(owner).items():
        if isinstance(value, (TrackedList, TrackedDict, Layer)) and name not in _SKIPPED and not name.startswith("_inbound"):
            attributes[name] = value
    if owner.__dict__.get("_plan") is not None or "_chain" in owner.__dict__:
        in_graph: list[Any] = [*owner.layers]  # type: ignore[misc]  # a model lists its layers
        attributes = {k: v for k, v in attributes.items() if not any(v is layer for layer in in_graph)}
        attributes["layers"] = in_graph
    elif hasattr(type(owner), "layers"):  # a subclassed model
        attributes["layers"] = list(_flat(attributes.values(), owner))
    optimizer = owner.__dict__.get("optimizer")
    if hasattr(optimizer, "save_own_variables"):
        attributes["optimizer"] = optimizer
    shown = {k: k[1:] for k in attributes if k[:1] == "_" and isinstance(getattr(type(owner), k[1:], None), property)}
    attributes = {shown[k] if k in shown and getattr(owner, shown[k]) is v else k: v for k, v in attributes.items()}
    yield from sorted(attributes.items(), key=lambda item: "~" + item[0] if item[0].startswith("_") else item[0])


def _flat(values: Iterable[Any], owner: Any) -> Iterator[Any]:
    """The layers and torch modules among attributes, those in lists and dicts included."""
    for value in values:
        if isinstance(value, (list, tuple, dict)):
            yield from _flat(value.values() if isinstance(value, dict) else value, owner)
        elif isinstance(value, nn.Module) and not _wraps(owner, value):
            yield value


def _named(values: Any) -> Iterator[tuple[str, Any]]:
    """Members of a container, each by its class in snake case, numbered."""
    used: dict[str, int] = {}
    for value in values:
        if not isinstance(value, (nn.Module, list, tuple, dict)) and not hasattr(value, "save_own_variables"):
            continue
        plain = isinstance(value, nn.Module) and not isinstance(value, Layer)
        name = "torch_module_wrapper" if plain else registry.snake_case(type(value).__name__)  # Keras wraps plain modules
        number = used.get(name, 0)
        used[name] = number + 1
        yield (name if number == 0 else f"{name}_{number}"), value


def _wraps(owner: Any, module: nn.Module) -> bool:
    """Whether a torch module's parameters are the owner's own weights, which the owner saves itself."""
    if isinstance(owner, TorchModuleWrapper):
        return True
    if not isinstance(owner, Layer):
        return False
    covered = owner._covered()
    return all(id(t) in covered for t in (*module.parameters(), *module.buffers()))


def walk(model: Any) -> Iterator[tuple[str, Any]]:
    """Every saved object with its path in the file, each once."""
    seen: dict[int, Any] = {}  # the objects as well, so that no id is given to another one meanwhile

    def visit(path: str, owner: Any, parent: Any) -> Iterator[tuple[str, Any]]:
        if id(owner) in seen:
            return
        seen[id(owner)] = owner
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
        for path, owner in saved(model):
            group = h5.require_group(f"{path}/vars" if path else "vars")
            name = getattr(owner, "name", None)
            if isinstance(name, str):
                group.attrs["name"] = name
            if getattr(owner, "built", True):
                owner.save_own_variables(WriteStore(group))


def saved(model: Any) -> Iterator[tuple[str, Any]]:
    """Path and owner of everything that has variables to save; the optimizer last."""
    last = []
    for path, owner in walk(model):
        if path.partition("/")[0] != "optimizer":
            yield path, _saveable(owner)
        elif getattr(owner, "built", True):
            last.append((path, owner))
    yield from last


def read(model: Any, source: str | os.PathLike[str] | BinaryIO, label: str, skip_mismatch: bool = False, fresh: bool = False) -> None:
    """Take every weight from an HDF5 file.

    Args:
        model: A built model.
        source: A path or an open file.
        label: What to call it in messages.
        skip_mismatch: Whether layers that do not fit are left as they are, with a warning.
        fresh: Whether the model was made for this and is dropped after an error, so that its old weights need not be kept.

    Raises:
        ValueError: A damaged file, or one of another architecture, naming the first weight that differs. The model is unchanged then.
    """
    with H5Reader(source, label) as reader:
        read_from(model, reader, label, skip_mismatch, fresh)


def read_from(model: Any, reader: Any, label: str, skip_mismatch: bool, fresh: bool) -> None:
    """`read`, from an open reader."""
    before = [] if fresh else [(t, t.detach().to("cpu", copy=True)) for t in (*model.parameters(), *model.buffers())]
    try:
        _read_all(model, reader, label, skip_mismatch)
    except BaseException:
        with torch.no_grad():
            for tensor, value in before:
                tensor.copy_(value)
        raise


def _read_all(model: Any, reader: Any, label: str, skip_mismatch: bool) -> None:
    met, optimizers = set(), []
    for path, owner in walk(model):
        met.add(path)
        group = reader.group(f"{path}/vars" if path else "vars")
        if path.partition("/")[0] == "optimizer":
            optimizers.append((owner, group))
            continue
        owner = _saveable(owner)
        if group is None and not _has_variables(owner):
            continue
        try:
            if group is None:
                raise ValueError(f"it holds none for {owner.name!r} (looked for at {path!r}): it was written by another architecture.")
            owner.load_own_variables(ReadStore(reader, group))
        except UnsafeFileError:
            raise
        except (ValueError, KeyError) as error:
            if not skip_mismatch:
                raise ValueError(f"Cannot load weights from {label}: {error}") from error
            warnings.warn(f"Skipped the weights of {owner.name!r}, which do not fit: {error}", stacklevel=5)
    if not skip_mismatch:
        for path in reader.groups_with_arrays():
            if path not in met and path.partition("/")[0] != "optimizer" and path.rpartition("/")[2] not in _STATE_OF_OTHERS:
                raise ValueError(
                    f"Cannot load weights from {label}: it holds weights at {path!r}, for which the model has no layer. "
                    "It was written by another architecture."
                )
    for optimizer, group in optimizers:
        _read_optimizer(model, optimizer, ReadStore(reader, group), label)


def _has_variables(owner: Any) -> bool:
    if isinstance(owner, _ModuleVariables):
        return bool(owner.module.state_dict())
    return bool(getattr(owner, "_own_trainable", ()) or getattr(owner, "_own_non_trainable", ()))


def _read_optimizer(model: Any, optimizer: Any, store: ReadStore, label: str) -> None:
    """The optimizer's state, if it fits as a whole."""
    stored = {name: tuple(store[name].shape) for name in store.keys()}
    if not stored:
        return
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    variables = list(optimizer.variables)
    mine = {str(i): tuple(v.shape) for i, v in enumerate(variables)}
    wrong = next((name for name in (*mine, *stored) if mine.get(name) != stored.get(name)), None)
    if wrong is None:
        optimizer.load_own_variables(store)
        return
    what = f"{len(variables)} variables, the file {len(stored)}"
    if len(mine) == len(stored) and wrong in mine:
        what = f"{variables[int(wrong)].path!r} of shape {mine[wrong]}, the file {stored.get(wrong)}"
    warnings.warn(
        f"The optimizer's state in {label} does not fit and is left out; training starts with a fresh one: the optimizer "
        f"{optimizer.name!r} has {what}.",
        stacklevel=7,
    )


# -- files ------------------------------------------------------------------------------------------------------------------------------


def save_weights(
    model: Any, filepath: str | os.PathLike[str], overwrite: bool = True, max_shard_size: float | None = None, **kwargs: Any
) -> None:
    """Write the weights to a `.weights.h5` file in Keras 3's layout, or to a `.safetensors` file in torch's.

    Args:
        model: A built model.
        filepath: Where; must end in `.weights.json` for several files.
        overwrite: Whether a file that is there may be replaced.
        max_shard_size: With a size in GB, the weights go to several `.weights.h5` files of at most that size (a layer is not split),
            and `filepath` lists them.
        **kwargs: None are known.

    Raises:
        ValueError: Another suffix, or a model that is not built.
        FileExistsError: The file is there and `overwrite` is false.
    """
    _refuse(kwargs, "save_weights")
    suffixes = (".weights.h5", ".safetensors") if max_shard_size is None else (".weights.json",)
    path = check_suffix(filepath, suffixes, "save_weights" + (" with `max_shard_size`" if max_shard_size is not None else ""))
    if not model.built:
        raise ValueError(
            f"The model {model.name!r} is not built and has no weights to save. Call it on data or `build(input_shape)` first."
        )

    def write_file(target: Path) -> None:
        if max_shard_size is not None:
            shards.write(saved(model), target, max_shard_size)
            return
        with replacing(target) as part:
            if path.name.endswith(".safetensors"):
                _safetensors().torch.save_file({k: v.detach().contiguous() for k, v in model.state_dict().items()}, part)
            else:
                write(model, part)

    by_one(path, overwrite, write_file)


def load_weights(model: Any, filepath: str | os.PathLike[str], skip_mismatch: bool = False, **kwargs: Any) -> None:
    """Take the weights from a `.weights.h5`, `.weights.json`, `.keras` or `.safetensors` file.

    Args:
        model: A built model of the same architecture.
        filepath: The file.
        skip_mismatch: Whether layers that do not fit are left as they are, with a warning.
        **kwargs: None are known.

    Raises:
        ValueError: A damaged file or another architecture; the model is unchanged then.
        FileNotFoundError: No such file.
    """
    _refuse(kwargs, "load_weights")
    path = Path(filepath)
    known = (".weights.h5", ".weights.json", ".keras", ".safetensors")
    if not path.name.endswith(known):
        raise ValueError(f"`filepath` of load_weights must end in {' or '.join(known)}. Received: filepath={str(filepath)!r}")
    if not path.is_file():
        raise FileNotFoundError(f"No such file: {str(path)!r}")
    if not model.built or any(not layer.built for layer in model._flatten_layers()):
        raise ValueError(
            f"The model {model.name!r} is not built and has no weights to load into. Call it on data or `build(input_shape)` first."
        )
    if path.name.endswith(".safetensors"):
        _load_safetensors(model, path, skip_mismatch)
    elif path.name.endswith(".weights.json"):
        with shards.ShardReader(path) as reader:
            read_from(model, reader, path.name, skip_mismatch, fresh=False)
    elif path.name.endswith(".keras"):
        with open_archive(path) as archive, open_weights(archive, path.name) as stored:
            read(model, stored, path.name, skip_mismatch)
    else:
        read(model, path, path.name, skip_mismatch)


def _refuse(kwargs: dict[str, Any], what: str) -> None:
    if kwargs:
        raise ValueError(f"Unrecognized arguments passed to {what}: {', '.join(kwargs)}")


def _load_safetensors(model: Any, path: Path, skip_mismatch: bool) -> None:
    safetensors = _safetensors()
    try:
        state = safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise ValueError(f"{path.name} is not a readable .safetensors file: it is damaged, truncated, or of another format.") from error
    own = model.state_dict()
    for name in (*own, *state):
        have = tuple(own[name].shape) if name in own else "nothing"
        found = tuple(state[name].shape) if name in state else "nothing"
        if have != found and not skip_mismatch:
            raise ValueError(
                f"Cannot load weights from {path.name}: for {name!r} the model has {have} and the file {found}. "
                "It was written by another architecture."
            )
    model.load_state_dict({k: v for k, v in state.items() if k in own and v.shape == own[k].shape}, strict=not skip_mismatch)


def _safetensors() -> Any:
    try:
        import safetensors.torch
    except ImportError:
        raise ImportError("`.safetensors` files need the package safetensors: pip install torchkeras[safetensors]") from None
    return safetensors
