"""Writing a file once and whole: by one process, beside its place first, then put there at once."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import torch.distributed as dist

from ..distribution import rank

_written: dict[str, int] = {}


def _check_place(path: Path, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise FileExistsError(f"The file {str(path)!r} exists. Pass `overwrite=True` to replace it.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"The folder {str(path.parent)!r} of `filepath` does not exist. Make it first.")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside `path` to write a file or folder to.

    It takes the place of `path` at the end of the block; after an error nothing is left of it.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        yield part
        if part.is_dir() and path.is_dir():  # a folder that holds something cannot be replaced in one step
            old = part.with_suffix(".old")
            os.replace(path, old)
            os.replace(part, path)
            shutil.rmtree(old)
        else:
            os.replace(part, path)
    finally:
        if part.is_dir():
            shutil.rmtree(part)
        part.unlink(missing_ok=True)


def by_one(path: Path, overwrite: bool, write: Callable[[Path], None]) -> None:
    """Let rank 0 write; the others return when the file is there.

    Rank 0 never waits, so that a script may also save on rank 0 alone.

    Args:
        path: Where.
        overwrite: Whether a file that is there may be replaced.
        write: Gets the path, links resolved.

    Raises:
        FileExistsError: The file is there and `overwrite` is false.
        FileNotFoundError: Its folder is not there.
        RuntimeError: On the others, when rank 0 could not write.
    """
    target = Path(os.path.realpath(path))
    if not (dist.is_available() and dist.is_initialized()) or rank.world_size() == 1:
        _check_place(target, overwrite)
        write(target)
        return
    store = dist.distributed_c10d._get_default_store()
    _written[str(target)] = _written.get(str(target), 0) + 1
    key = f"torchkeras/written/{target}/{_written[str(target)]}"
    if not rank.is_main():
        failure = store.get(key).decode()
        if failure:
            raise RuntimeError(f"Rank 0 could not write {str(path)!r}: {failure}")
        return
    try:
        _check_place(target, overwrite)
        write(target)
    except BaseException as error:
        store.set(key, f"{type(error).__name__}: {error}")
        raise
    store.set(key, "")
