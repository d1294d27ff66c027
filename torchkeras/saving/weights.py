"""Weights of a model to and from the layout that Keras 3 gives them in HDF5."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from ..layers.saved import ModuleState, Saved
from ..reporting import warn
from .h5 import H5Reader, ReadStore, UnsafeFileError, WriteStore
from .target import replacing

_STATE_OF_OTHERS = frozenset(("seed_generator", "random_generator"))  # Keras on other backends saves the state of its generators


def walk(model: Any, skipped: Sequence[Any] = ()) -> Iterator[tuple[str, Saved]]:
    """Everything that files hold of a model, with its path in the file, each once; not the objects `skipped`, nor what is in them."""
    seen: dict[int, Any] = {id(o): o for o in skipped}  # the objects as well, so that no id is given to another one meanwhile

    def visit(path: str, owner: Any) -> Iterator[tuple[str, Saved]]:
        if id(owner) in seen:
            return
        seen[id(owner)] = owner
        saved = ModuleState(owner) if isinstance(owner, nn.Module) and not isinstance(owner, Saved) else owner
        yield path, saved
        for name, child in saved.saved_children():
            yield from visit(f"{path}/{name}" if path else name, child)

    yield from visit("", model)


def write(model: Any, file: str | os.PathLike[str] | BinaryIO, skipped: Sequence[Any] = ()) -> None:
    """Write every weight of a built model, and its optimizer's state, to an HDF5 file."""
    with h5py.File(file, "w") as h5:
        for path, owner in saved(model, skipped):
            group = h5.require_group(f"{path}/vars" if path else "vars")
            name = getattr(owner, "name", None)
            if isinstance(name, str):
                group.attrs["name"] = name
            if getattr(owner, "built", True):
                owner.save_own_variables(WriteStore(group))


def saved(model: Any, skipped: Sequence[Any] = ()) -> Iterator[tuple[str, Any]]:
    """Path and owner of everything that has variables to save; the optimizer last."""
    last = []
    for path, owner in walk(model, skipped):
        if path.partition("/")[0] != "optimizer":
            yield path, owner
        elif getattr(owner, "built", True):
            last.append((path, owner))
    yield from last


def read(
    model: Any,
    source: str | os.PathLike[str] | BinaryIO,
    label: str,
    skip_mismatch: bool = False,
    fresh: bool = False,
    skipped: Sequence[Any] = (),
) -> None:
    """Take every weight from an HDF5 file.

    Args:
        model: A built model.
        source: A path or an open file.
        label: What to call it in messages.
        skip_mismatch: Whether layers that do not fit are left as they are, with a warning.
        fresh: Whether the model was made for this and is dropped after an error, so that its old weights need not be kept.
        skipped: Objects that are left as they are.

    Raises:
        ValueError: A damaged file, or one of another architecture, naming the first weight that differs. The model is unchanged then.
    """
    with H5Reader(source, label) as reader:
        read_from(model, reader, label, skip_mismatch, fresh, skipped)


def read_from(model: Any, reader: Any, label: str, skip_mismatch: bool, fresh: bool, skipped: Sequence[Any] = ()) -> None:
    """`read`, from an open reader."""
    before = [] if fresh else [(t, t.detach().to("cpu", copy=True)) for t in (*model.parameters(), *model.buffers()) if not is_lazy(t)]
    try:
        _read_all(model, reader, label, skip_mismatch, skipped)
    except BaseException:
        with torch.no_grad():
            for tensor, value in before:
                tensor.copy_(value)
        raise


def _name(owner: Any) -> str:
    return getattr(owner, "name", type(owner).__name__)


def _read_all(model: Any, reader: Any, label: str, skip_mismatch: bool, skipped: Sequence[Any]) -> None:
    met, optimizers = set(), []
    for path, owner in walk(model, skipped):
        met.add(path)
        group = reader.group(f"{path}/vars" if path else "vars")
        if path.partition("/")[0] == "optimizer":
            optimizers.append((owner, group))
            continue
        if group is None and not _has_variables(owner):
            continue
        try:
            if group is None:
                raise ValueError(f"it holds none for {_name(owner)!r} (looked for at {path!r}): it was written by another architecture.")
            owner.load_own_variables(ReadStore(reader, group))
        except UnsafeFileError:
            raise
        except (ValueError, KeyError) as error:
            if not skip_mismatch:
                raise ValueError(f"Cannot load weights from {label}: {error}") from error
            warn(f"Skipped the weights of {_name(owner)!r}, which do not fit: {error}")
    if not skip_mismatch and not skipped:
        for path in reader.groups_with_arrays():
            if path not in met and path.partition("/")[0] != "optimizer" and path.rpartition("/")[2] not in _STATE_OF_OTHERS:
                raise ValueError(
                    f"Cannot load weights from {label}: it holds weights at {path!r}, for which the model has no layer. "
                    "It was written by another architecture."
                )
    for optimizer, group in optimizers:
        _read_optimizer(model, optimizer, ReadStore(reader, group), label)


def _has_variables(owner: Any) -> bool:
    return bool(owner.own_variables()) if hasattr(owner, "own_variables") else False


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
    warn(
        f"The optimizer's state in {label} does not fit and is left out; training starts with a fresh one: the optimizer "
        f"{optimizer.name!r} has {what}."
    )


def save(model: Any, target: Path, skipped: Sequence[Any] = ()) -> None:
    """Write the weights to a `.weights.h5` file, without those of the objects `skipped`."""
    with replacing(target) as part:
        write(model, part, skipped)


def load(model: Any, path: Path, skip_mismatch: bool, skipped: Sequence[Any] = ()) -> None:
    """Take the weights from a `.weights.h5` file. Arguments and errors are those of `read`."""
    read(model, path, path.name, skip_mismatch, skipped=skipped)
