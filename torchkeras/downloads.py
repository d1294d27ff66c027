"""`get_file`: a file from the network, kept in Keras's cache, checked by its hash and unpacked without trusting its names."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tarfile
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from tqdm import tqdm

from . import config
from .reporting import warn

_CHUNK = 1 << 20
_TIMEOUT = 60.0  # seconds without a byte
_BOMB_BYTES, _BOMB_RATIO = 1 << 30, 200  # an archive that unpacks to more than both is not data
_FORMATS = ("tar", "zip")


def get_file(
    fname: str | os.PathLike[str] | None = None,
    origin: str | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str | os.PathLike[str] = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: str | list[str] | tuple[str, ...] | None = "auto",
    cache_dir: str | os.PathLike[str] | None = None,
    force_download: bool = False,
) -> str:
    """The path of a file (or unpacked archive) in the cache, downloaded when it is not there.

    The file is written under another name and moved into place when it is complete and its hash is right, so that an
    interrupted download leaves nothing behind. Archives are unpacked the same way; members with absolute paths, `..`, links
    or devices are refused, whatever the working directory is.

    Args:
        fname: Name in the cache; the last part of `origin` by default. With `extract`, a name without an extension is the folder of the
            unpacked files and the archive is `<fname>_archive`; otherwise the folder is `<stem>_extracted`.
        origin: URL.
        untar: Keras 1's name for `extract`.
        md5_hash: Keras 1's name for `file_hash` with `hash_algorithm="md5"`.
        file_hash: Expected hash, in hexadecimal digits.
        cache_subdir: Folder in the cache, or an absolute path.
        hash_algorithm: `"md5"`, `"sha256"`, or `"auto"` to tell by the length.
        extract: Whether to unpack the file.
        archive_format: `"tar"` (compressed or not), `"zip"`, several, or `"auto"` for both.
        cache_dir: The cache; `$KERAS_HOME`, else `~/.keras`, by default.
        force_download: Whether to download a file that is there.

    Returns:
        The path of the file; with `extract`, of the folder.

    Raises:
        OSError: If the download failed; the message says what was tried and where to put the file.
        ValueError: If the hash differs, the file is no archive or an unsafe one, or `fname` has folders in it.
    """
    if not origin:
        raise ValueError("`origin` must be the URL of the file. Received: origin=None")
    if md5_hash is not None and file_hash is None:
        file_hash, hash_algorithm = md5_hash, "md5"
    extract = extract or untar
    name = _file_name(fname, origin)
    folder = Path(cache_dir if cache_dir is not None else config.keras_home()).expanduser() / cache_subdir
    stem = _without_extension(name)
    target = folder / (f"{name}_archive" if extract and stem == name else name)
    if force_download or not _is_good(target, file_hash, hash_algorithm):
        _download(origin, target, file_hash, hash_algorithm)
    if not extract:
        return str(target)
    unpacked = folder / (name if stem == name else f"{stem}_extracted")
    if force_download or not unpacked.exists():
        _unpack(target, unpacked, archive_format, replace=force_download)
    return str(unpacked)


def _file_name(fname: str | os.PathLike[str] | None, origin: str) -> str:
    if fname is None:
        name = os.path.basename(urllib.parse.unquote(urllib.parse.urlsplit(origin).path))
        if not name:
            raise ValueError(f"`fname` must be given: `origin` does not end in a file name. Received: origin={origin!r}")
    else:
        name = os.fspath(fname)
    if name in (".", "..") or any(mark in name for mark in ("/", "\\", "\0")):
        raise ValueError(f"`fname` must be a plain file name; give folders as `cache_dir` or `cache_subdir`. Received: fname={name!r}")
    return name


def _without_extension(name: str) -> str:
    for ending in (".tar.gz", ".tar.bz2", ".tar.bz", ".tar.xz"):
        if name.endswith(ending):
            return name[: -len(ending)]
    return os.path.splitext(name)[0]


def file_digest(path: str | os.PathLike[str], algorithm: str) -> str:
    """The hash of a file in hexadecimal digits.

    Args:
        path: The file.
        algorithm: `"md5"` or `"sha256"`.
    """
    digest = hashlib.md5(usedforsecurity=False) if algorithm == "md5" else hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _algorithm(file_hash: str, hash_algorithm: str) -> str:
    if hash_algorithm not in ("auto", "md5", "sha256"):
        raise ValueError(f"`hash_algorithm` must be 'auto', 'md5' or 'sha256'. Received: hash_algorithm={hash_algorithm!r}")
    if hash_algorithm == "auto":
        return "sha256" if len(file_hash) == 64 else "md5"
    return hash_algorithm


def _is_good(path: Path, file_hash: str | None, hash_algorithm: str) -> bool:
    if not path.exists():
        return False
    if file_hash is None:
        return True
    if file_digest(path, _algorithm(file_hash, hash_algorithm)) == file_hash.lower():
        return True
    warn(f"{path} is incomplete or out of date: its hash is not {file_hash}. It is downloaded again.")
    return False


def _download(origin: str, target: Path, file_hash: str | None, hash_algorithm: str) -> None:
    """Fetch `origin` into `target`, which appears only when it is complete and right."""
    with _temporary_neighbour(target, origin) as (file, path):
        try:
            _fetch(origin, file, target.name)
        except (OSError, ValueError) as error:  # URLError and timeouts are OSErrors; a malformed URL is a ValueError
            reason = getattr(error, "reason", None) or error
            wanted = f" (expected hash: {file_hash})" if file_hash else ""
            cure = f"Without a network, put the file at {target}{wanted}."
            raise OSError(f"Tried to download {origin}, but failed: {reason}. {cure}") from error
        file.close()
        if file_hash is not None:
            found = file_digest(path, _algorithm(file_hash, hash_algorithm))
            if found != file_hash.lower():
                raise ValueError(
                    f"`file_hash` does not match what {origin} sent: the download is incomplete or the file has changed. "
                    f"Expected {file_hash}. Received: {found}"
                )
        os.replace(path, target)


@contextmanager
def _temporary_neighbour(target: Path, origin: str) -> Iterator[tuple[IO[bytes], str]]:
    """A new file beside `target`, gone afterwards unless it was moved."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, path = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    except OSError as error:
        cure = "Set KERAS_HOME to a folder that can be written."
        raise OSError(f"Cannot write {target}, where {origin} was to go: {error}. {cure}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file, path
    finally:
        if os.path.exists(path):
            os.unlink(path)


def _fetch(origin: str, file: IO[bytes], name: str) -> None:
    request = urllib.request.Request(origin, headers={"User-Agent": "torchkeras"})
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
        length = answer.headers.get("Content-Length")
        total = int(length) if length and length.isdigit() else None
        received = 0
        with tqdm(total=total, unit="B", unit_scale=True, desc=name, disable=None) as bar:  # no bar where there is no terminal
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                received += len(chunk)
                bar.update(len(chunk))
    if total is not None and received != total:
        raise OSError(f"the connection ended after {received} of {total} bytes")


def _unpack(archive: Path, target: Path, archive_format: str | list[str] | tuple[str, ...] | None, replace: bool) -> None:
    """Unpack `archive` into the folder `target`, which appears only when it is complete."""
    if archive_format == "auto":
        formats: tuple[str, ...] = _FORMATS
    else:
        formats = (archive_format,) if isinstance(archive_format, str) else tuple(archive_format or ())
    unknown = [name for name in formats if name not in _FORMATS]
    if unknown:
        raise ValueError(f"`archive_format` must be 'auto', 'tar', 'zip' or None. Received: archive_format={archive_format!r}")
    staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        if "tar" in formats and tarfile.is_tarfile(archive):
            _unpack_tar(archive, staging)
        elif "zip" in formats and zipfile.is_zipfile(archive):
            _unpack_zip(archive, staging)
        else:
            raise ValueError(f"`extract` needs an archive of format {' or '.join(formats) or 'None'}. Received: {archive}, which is none.")
        staging.chmod(0o755)
        if target.exists() and replace:
            shutil.rmtree(target)
        if not target.exists():  # else another process was faster
            os.replace(staging, target)
    except FileExistsError as error:
        raise ValueError(f"{archive} holds one name twice: {Path(error.filename).relative_to(staging)}") from error
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"{archive} is damaged: {error}. Delete it and try again.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _unpack_tar(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        members = tar.getmembers()
        _check_size(archive, sum(member.size for member in members))
        for member in members:
            place = _safe_place(archive, member.name, folder)
            if member.isdir():
                place.mkdir(parents=True, exist_ok=True)
                continue
            source = tar.extractfile(member) if member.isreg() else None
            if source is None:
                raise ValueError(f"{archive} is refused: its member {member.name!r} is a link or a device, not a file.")
            _write(place, source, executable=bool(member.mode & 0o100))


def _unpack_zip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        members = file.infolist()
        _check_size(archive, sum(member.file_size for member in members))
        for member in members:
            place = _safe_place(archive, member.filename, folder)
            mode = member.external_attr >> 16
            if member.is_dir():
                place.mkdir(parents=True, exist_ok=True)
            elif stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                raise ValueError(f"{archive} is refused: its member {member.filename!r} is a link or a device, not a file.")
            else:
                with file.open(member) as source:
                    _write(place, source, executable=bool(mode & 0o100))


def _safe_place(archive: Path, name: str, folder: Path) -> Path:
    """Where a member goes: below `folder`, whose members are all files and folders made here, so no link can lead out of it."""
    parts = PurePosixPath(name).parts
    if not parts and name in (".", "./"):
        return folder
    if not parts or name.startswith("/") or ".." in parts or "\\" in name or "\0" in name or ":" in parts[0]:
        raise ValueError(f"{archive} is refused: its member {name!r} would be written outside the target folder.")
    if len(name.encode()) > 1024 or any(len(part.encode()) > 255 for part in parts):
        raise ValueError(f"{archive} is refused: the name of its member {name[:60]!r}... is too long.")
    return folder.joinpath(*parts)


def _check_size(archive: Path, total: int) -> None:
    if total > _BOMB_BYTES and total > _BOMB_RATIO * archive.stat().st_size:
        raise ValueError(f"{archive} is refused: it would unpack to {total} bytes, more than {_BOMB_RATIO} times its size.")


def _write(place: Path, source: IO[Any], executable: bool) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(place, "xb") as file:
        shutil.copyfileobj(source, file, _CHUNK)
    place.chmod(0o755 if executable else 0o644)
