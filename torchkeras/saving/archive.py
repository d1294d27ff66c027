"""The zip around a `.keras` file, read with its limits checked before anything is unpacked."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .h5 import UnsafeFileError

MEMBERS = ("metadata.json", "config.json", "model.weights.h5")
_MAX_RATIO = 200


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """The zip, its members checked.

    Raises:
        ValueError: No complete `.keras` file.
        UnsafeFileError: Members that stand twice or are packed like a bomb.
    """
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        raise ValueError(f"{path.name} is not a readable .keras file: it is damaged, truncated, or of another format.") from None
    with archive:
        _check(archive, path.name)
        yield archive


def read_member(archive: zipfile.ZipFile, name: str, label: str) -> bytes:
    """The bytes of a member.

    Raises:
        ValueError: They cannot be read.
    """
    try:
        return archive.read(name)
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"{label} is damaged: its member {name!r} cannot be read ({error}).") from None


def read_json(archive: zipfile.ZipFile, name: str, label: str) -> Any:
    """A member as data."""
    try:
        return json.loads(read_member(archive, name, label))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{label} is damaged: its member {name!r} cannot be read ({type(error).__name__}: {error}).") from None


def read_weights(path: Path) -> io.BytesIO:
    """The weights of a `.keras` file as an open HDF5 file."""
    with open_archive(path) as archive:
        return io.BytesIO(read_member(archive, "model.weights.h5", path.name))


def _check(archive: zipfile.ZipFile, label: str) -> None:
    names = [info.filename for info in archive.infolist()]
    twice = [n for n in names if names.count(n) > 1]
    if twice:
        raise UnsafeFileError(f"{label} holds the member {twice[0]!r} twice: refused.")
    for info in archive.infolist():
        if info.file_size > 2**20 and info.file_size > _MAX_RATIO * max(info.compress_size, 1):
            raise UnsafeFileError(f"{label} packs {info.file_size:,} bytes of {info.filename!r} into {info.compress_size:,}: refused.")
    for name in MEMBERS:
        if name not in names:
            raise ValueError(f"{label} is not a complete .keras file: it has no member {name!r}.")
    if archive.getinfo("config.json").file_size > _MAX_RATIO * 2**20 or archive.getinfo("metadata.json").file_size > 2**20:
        raise UnsafeFileError(f"{label} holds a config larger than any model's: refused.")
