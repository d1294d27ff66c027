"""HDF5 files of weights, read so that a file can reach nothing but itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, BinaryIO

import h5py
import numpy as np
import torch

_RATIO_FREE = 64 * 2**20  # bytes below which a dataset may be as sparse as it likes
_MAX_RATIO = 1000
_MAX_DEPTH = 64  # groups within groups; a real file has some 5 for each level of nested models
_KINDS = "biufc"


class UnsafeFileError(ValueError):
    """A file that holds something which loading must not follow."""


class H5Reader:
    """The groups and arrays of a file, hard links and plain datasets only.

    Args:
        file: A path or an open binary file.
        label: What to call it in messages.

    Raises:
        ValueError: No readable HDF5 file (truncated, or another format).
    """

    def __init__(self, file: str | os.PathLike[str] | BinaryIO, label: str) -> None:
        self.label = label
        try:
            self._file = h5py.File(file, "r")
        except (OSError, RuntimeError, ValueError) as error:
            raise ValueError(f"{label} is not a readable HDF5 file: it is damaged, truncated, or of another format ({error}).") from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> H5Reader:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()

    @property
    def root(self) -> h5py.Group:
        """The outermost group."""
        return self._file

    def child(self, group: Any, name: str) -> Any:
        """The group or dataset `name` of `group`, or `None`.

        Raises:
            UnsafeFileError: A soft or external link, a virtual dataset, external storage, or a dataset far larger than its bytes.
        """
        if group is None:
            return None
        link = group.get(name, getlink=True)
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise UnsafeFileError(f"{self.label} holds a {type(link).__name__} at {group.name}/{name}: links are not followed.")
        try:
            item = group[name]
        except (KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
            raise ValueError(f"{self.label} is damaged at {group.name}/{name} ({error}).") from None
        if isinstance(item, h5py.Dataset):
            self._check(item)
        elif not isinstance(item, h5py.Group):
            raise UnsafeFileError(f"{self.label} holds a {type(item).__name__} at {group.name}/{name}, which is no weight.")
        return item

    def groups_with_arrays(self) -> Iterator[str]:
        """The path of every group whose `vars` holds arrays.

        Raises:
            UnsafeFileError: Groups that hold themselves, or are nested deeper than any model's.
        """
        seen: set[int] = set()
        waiting: list[tuple[str, Any, int]] = [("", self.root, 0)]
        while waiting:
            path, group, depth = waiting.pop()
            address = h5py.h5o.get_info(group.id).addr
            if address in seen or depth > _MAX_DEPTH:
                raise UnsafeFileError(f"{self.label} holds the group {path!r} twice, or nested deeper than any model's: refused.")
            seen.add(address)
            for name in group.keys():
                item = self.child(group, name)
                if not isinstance(item, h5py.Group):
                    continue
                if name == "vars":
                    if any(not isinstance(self.child(item, k), h5py.Group) for k in item.keys()):
                        yield path
                else:
                    waiting.append((f"{path}/{name}" if path else name, item, depth + 1))

    def group(self, path: str) -> Any:
        """The group at a path, or `None`."""
        found: Any = self.root
        for part in filter(None, path.split("/")):
            found = self.child(found, part)
            if not isinstance(found, h5py.Group):
                return None
        return found

    def _check(self, dataset: h5py.Dataset) -> None:
        raw = dataset.attrs.get("dtype") == "bfloat16" and dataset.dtype.itemsize == 2
        if dataset.dtype.kind not in _KINDS and not raw:
            raise UnsafeFileError(f"{self.label} holds values of type {dataset.dtype} at {dataset.name}, which are no weights.")
        if dataset.is_virtual or dataset.external:
            raise UnsafeFileError(f"{self.label} keeps {dataset.name} outside itself (virtual or external storage), which is refused.")
        declared = int(np.prod(dataset.shape, dtype=np.float64)) * dataset.dtype.itemsize if dataset.shape else 0
        stored = dataset.id.get_storage_size()
        if declared > _RATIO_FREE and declared > _MAX_RATIO * max(stored, 1):
            raise UnsafeFileError(f"{self.label} declares {declared:,} bytes for {dataset.name} and stores {stored:,}: refused.")


class ReadStore:
    """What `load_own_variables` gets: names to arrays, each read when it is asked for.

    Args:
        reader: The file.
        group: The group that holds the arrays, or `None` for an empty store.
    """

    def __init__(self, reader: H5Reader, group: Any) -> None:
        self._reader, self._tk_group = reader, group

    def keys(self) -> list[str]:
        """The names."""
        return [] if self._tk_group is None else list(self._tk_group.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, name: str) -> bool:
        return self._tk_group is not None and name in self._tk_group

    def __getitem__(self, name: str) -> Any:
        item = self._reader.child(self._tk_group, name)
        if item is None:
            raise KeyError(f"{self._reader.label} has no array {name!r} at {getattr(self._tk_group, 'name', '')}.")
        return ReadStore(self._reader, item) if isinstance(item, h5py.Group) else StoredArray(item)

    def get(self, name: str, default: Any = None) -> Any:
        """The array `name`, or `default`."""
        return self[name] if name in self else default

    @property
    def attrs(self) -> dict[str, Any]:
        """The attributes of the group."""
        return {} if self._tk_group is None else dict(self._tk_group.attrs)


class StoredArray:
    """An array in a file: its shape is known before it is read."""

    def __init__(self, dataset: h5py.Dataset) -> None:
        self._dataset = dataset
        self.shape = tuple(dataset.shape)
        self.dtype = dataset.dtype
        self.ndim = len(self.shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        try:
            value = self._dataset[()]
        except (OSError, RuntimeError, ValueError) as error:
            raise ValueError(f"The file is damaged: {self._dataset.name} cannot be read ({error}).") from None
        if self._dataset.attrs.get("dtype") == "bfloat16":
            raw = np.ascontiguousarray(value).view(np.int16)
            value = torch.from_numpy(raw.copy()).view(torch.bfloat16).float().numpy()
        value = np.asarray(value)
        return value if dtype is None else value.astype(dtype)

    def __len__(self) -> int:
        return len(self.__array__())

    def __getitem__(self, index: Any) -> Any:
        return self.__array__()[index]


class WriteStore:
    """What `save_own_variables` gets: assigning an array writes it."""

    def __init__(self, group: h5py.Group) -> None:
        self._tk_group = group

    def __setitem__(self, name: str, value: Any) -> None:
        if isinstance(value, torch.Tensor):
            value = value.detach().cpu()
            value = (value.float() if value.dtype is torch.bfloat16 else value).numpy()
        if name in self._tk_group:
            del self._tk_group[name]
        self._tk_group.create_dataset(name, data=np.asarray(value))

    def __getitem__(self, name: str) -> Any:
        return self._tk_group[name]

    def keys(self) -> list[str]:
        """The names written so far."""
        return list(self._tk_group.keys())

    @property
    def attrs(self) -> Any:
        """The attributes of the group, to write to."""
        return self._tk_group.attrs
