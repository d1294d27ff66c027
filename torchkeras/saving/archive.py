"""The zip around a `.keras` file, read with its limits checked before anything is unpacked."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ..configurable import check_depth
from .h5 import UnsafeFileError

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_MAX_RATIO = 200  # unpacked to packed size; JSON of a very regular model packs some 50 times
_MAX_CONFIG = 2**30
_MAX_METADATA = 2**20
_CHUNK = 2**20


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """The zip, its members checked.

    Raises:
        ValueError: No complete `.keras` file.
        UnsafeFileError: Members that stand twice or are packed like a bomb.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, UnicodeDecodeError):
        raise ValueError(f"{path.name} is not a readable .keras file: it is damaged, truncated, or of another format.") from None
    with archive:
        _check(archive, path)
        yield archive


def _check(archive: zipfile.ZipFile, path: Path) -> None:
    label, size = path.name, path.stat().st_size
    seen: set[str] = set()
    for info in archive.infolist():
        name = info.filename
        if name in seen:
            raise UnsafeFileError(f"{label} holds the member {name!r} twice: refused.")
        seen.add(name)
        if info.file_size > _CHUNK and info.file_size > _MAX_RATIO * max(info.compress_size, 1) or info.compress_size > size:
            raise UnsafeFileError(f"{label} packs {info.file_size:,} bytes of {name!r} into {min(info.compress_size, size):,}: refused.")
        if info.flag_bits & 1:
            raise ValueError(f"{label} is encrypted, which .keras files are not.")
    for name in (METADATA, CONFIG, WEIGHTS):
        if name not in seen:
            raise ValueError(f"{label} is not a complete .keras file: it has no member {name!r}.")
    check_config_size(archive.getinfo(CONFIG).file_size, label)
    if archive.getinfo(METADATA).file_size > _MAX_METADATA:
        raise UnsafeFileError(f"{label} holds a {METADATA} larger than any model's: refused.")


@contextlib.contextmanager
def _explained(name: str, label: str) -> Iterator[None]:
    """Errors of reading a member as one that names the file."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, UnicodeDecodeError) as error:
        raise ValueError(f"{label} is damaged: its member {name!r} cannot be read ({type(error).__name__}: {error}).") from None


def read_json(archive: zipfile.ZipFile, name: str, label: str) -> dict[str, Any]:
    """A member as data.

    Raises:
        ValueError: It is damaged, no object, or nested deeper than any model's.
    """
    with _explained(name, label):
        text = archive.read(name)
    return parse_json(text, name, label)


def read_text(archive: zipfile.ZipFile, name: str, label: str) -> str:
    """A member as text.

    Raises:
        ValueError: If it is damaged.
    """
    with _explained(name, label):
        return archive.read(name).decode("utf-8")


def check_config_size(size: int, label: str) -> None:
    """Refuse a config larger than any model's.

    Raises:
        UnsafeFileError: If it is.
    """
    if size > _MAX_CONFIG:
        raise UnsafeFileError(f"{label} holds a config larger than any model's: refused.")


def parse_json(text: bytes, name: str, label: str) -> dict[str, Any]:
    """The text of a member as data.

    Raises:
        ValueError: If it is damaged, no object, or nested deeper than any model's.
    """
    try:
        data = json.loads(text)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{label} is damaged: its member {name!r} cannot be read ({type(error).__name__}: {error}).") from None
    except RecursionError:
        raise UnsafeFileError(f"{label} holds a config that is nested deeper than any model's: refused.") from None
    if not isinstance(data, dict):
        raise ValueError(f"{label} is damaged: its member {name!r} holds a {type(data).__name__} where an object is due.")
    check_depth(data)
    return data


@contextlib.contextmanager
def open_weights(archive: zipfile.ZipFile, label: str) -> Iterator[BinaryIO]:
    """The HDF5 file inside: read in place where the zip stores it as it is, unpacked into memory otherwise.

    Raises:
        ValueError: Its bytes are not those that were written.
    """
    info = archive.getinfo(WEIGHTS)
    if info.compress_type != zipfile.ZIP_STORED:
        with _explained(WEIGHTS, label):
            stored = archive.read(WEIGHTS)
        yield io.BytesIO(stored)
        return
    with _explained(WEIGHTS, label), archive.open(WEIGHTS) as member:
        while member.read(_CHUNK):  # the zip module compares the checksum at the end
            pass
    file = archive.fp
    assert file is not None
    file.seek(info.header_offset)
    header = file.read(30)
    start = info.header_offset + 30 + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    with io.BufferedReader(_Window(file, start, info.file_size), 2**16) as window:
        yield window


class _Window(io.RawIOBase):
    """A part of an open file as a file of its own."""

    def __init__(self, file: Any, start: int, size: int) -> None:
        self._file, self._start, self._size, self._place = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(0, base + offset)
        return self._place

    def readinto(self, buffer: Any) -> int:
        count = max(0, min(len(buffer), self._size - self._place))
        self._file.seek(self._start + self._place)
        data = self._file.read(count)
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)
