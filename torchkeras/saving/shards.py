"""Weights in several files: `<name>.weights.json` lists which of `<name>_00000.weights.h5`, … holds which layer."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import torch

from . import weights
from .h5 import H5Reader, UnsafeFileError, WriteStore
from .target import replacing

_SUFFIX = ".weights.json"
_MAX_INDEX = 2**28


def save(model: Any, path: Path, skipped: Sequence[Any], max_shard_size: float) -> None:
    """Write the files, the list last, each put in its place at once.

    Args:
        model: A built model.
        path: The list.
        skipped: Objects whose weights are left out.
        max_shard_size: In GB.

    Raises:
        ValueError: A size that is not positive.
    """
    if not max_shard_size > 0:
        raise ValueError(f"`max_shard_size` must be a positive number of GB. Received: max_shard_size={max_shard_size!r}")
    limit, total = max_shard_size * 2**30, 0
    stem = path.name.removesuffix(_SUFFIX)
    index: dict[str, list[str]] = {}
    with contextlib.ExitStack() as files:
        h5, name, used, count = None, "", 0, 0
        for owner_path, owner in weights.saved(model, skipped):
            size = sum(a.nbytes for a in _arrays(owner).values())
            if h5 is None or (used and used + size > limit):
                if h5 is not None:
                    h5.close()
                name, used = f"{stem}_{count:05d}.weights.h5", 0
                count += 1
                h5 = h5py.File(files.enter_context(replacing(path.with_name(name))), "w")
            files_path = f"{owner_path}/vars" if owner_path else "vars"
            group = h5.require_group(files_path)
            if isinstance(getattr(owner, "name", None), str):
                group.attrs["name"] = owner.name
            if size:
                owner.save_own_variables(WriteStore(group))
                index[f"/{files_path}"] = [name]
            used, total = used + size, total + size
        if h5 is not None:
            h5.close()
    with replacing(path) as part:
        part.write_text(json.dumps({"metadata": {"total_size": total}, "weight_map": index}, indent=4))


def load(model: Any, path: Path, skip_mismatch: bool, skipped: Sequence[Any] = ()) -> None:
    """Take the weights from the files of a list.

    Args:
        model: A built model of the same architecture.
        path: The list.
        skip_mismatch: Whether layers that do not fit are left as they are, with a warning.
        skipped: Objects that are left as they are.

    Raises:
        ValueError: If a file is damaged, missing, or of another architecture; the model is unchanged then.
    """
    with ShardReader(path) as reader:
        weights.read_from(model, reader, path.name, skip_mismatch, fresh=False, skipped=skipped)


def _arrays(owner: Any) -> dict[str, Any]:
    """The sizes of what an owner is about to save."""
    if not getattr(owner, "built", True):
        return {}
    store: dict[str, Any] = {}
    owner.save_own_variables(store)
    return {k: v.detach() if isinstance(v, torch.Tensor) else v for k, v in store.items()}


class ShardReader:
    """The groups of several files as if they were one.

    Args:
        path: The list of the files.

    Raises:
        ValueError: A list that cannot be read, or a file of it that is not there.
        UnsafeFileError: A file elsewhere than beside the list.
    """

    def __init__(self, path: Path) -> None:
        self.label = path.name
        try:
            if path.stat().st_size > _MAX_INDEX:
                raise UnsafeFileError(f"{path.name} is larger than any list of weights: refused.")
            names = {k.strip("/"): v for k, v in json.loads(path.read_text("utf-8"))["weight_map"].items()}
            self._file_of = {k: v if isinstance(v, str) else v[-1] for k, v in names.items()}
        except (UnicodeDecodeError, json.JSONDecodeError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"{path.name} is not a readable list of weights ({type(error).__name__}: {error}).") from None
        self._readers: dict[str, H5Reader] = {}
        with contextlib.ExitStack() as stack:
            for name in dict.fromkeys(self._file_of.values()):
                if not isinstance(name, str) or Path(name).name != name or not name.endswith(".h5"):
                    raise UnsafeFileError(f"{path.name} names the file {name!r}, which is not one beside it: refused.")
                if not path.with_name(name).is_file():
                    raise ValueError(f"{path.name} names the file {name!r}, which is not there.")
                self._readers[name] = stack.enter_context(H5Reader(path.with_name(name), name))
            self._close = stack.pop_all().close

    def __enter__(self) -> ShardReader:
        return self

    def __exit__(self, *exc: Any) -> None:
        self._close()

    def child(self, group: Any, name: str) -> Any:
        """As `H5Reader.child`."""
        return next(iter(self._readers.values())).child(group, name)

    def group(self, path: str) -> Any:
        """The group at a path in the file that the list names for it, or `None`."""
        name = self._file_of.get(path)
        return None if name is None else self._readers[name].group(path)

    def groups_with_arrays(self) -> Iterator[str]:
        """As `H5Reader.groups_with_arrays`."""
        for reader in self._readers.values():
            yield from reader.groups_with_arrays()
