"""A folder that holds the members of a `.keras` file, which `save(..., zipped=False)` writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import keras_file, weights
from .archive import CONFIG, METADATA, WEIGHTS, check_config_size, parse_json
from .h5 import UnsafeFileError
from .target import replacing


def save(model: Any, target: Path) -> None:
    """Write the folder, put in its place at once.

    Raises:
        FileExistsError: If something else than a saved model is there.
    """
    if target.exists() and not all((target / name).is_file() for name in (CONFIG, METADATA)):
        raise FileExistsError(f"{str(target)!r} exists and is no saved model: it is not replaced. Choose another `filepath`.")
    texts = keras_file.members(model)
    with replacing(target) as part:
        part.mkdir()
        for name, text in texts.items():
            (part / name).write_text(text, "utf-8")
        weights.write(model, part / WEIGHTS)


def load(path: Path, custom_objects: Mapping[str, Any] | None, compile: bool, safe_mode: bool) -> Any:
    """The model in a folder. Arguments and errors are those of `load_model`."""
    text = _member(path, CONFIG)
    check_config_size(text.stat().st_size, path.name)
    config = parse_json(text.read_bytes(), CONFIG, path.name)
    with _member(path, WEIGHTS).open("rb") as stored:
        return keras_file.make(config, stored, path.name, custom_objects, compile, safe_mode)


def load_weights(model: Any, path: Path, skip_mismatch: bool, skipped: Sequence[Any] = ()) -> None:
    """Take the weights from a folder. Arguments and errors are those of `weights.read`."""
    with _member(path, WEIGHTS).open("rb") as stored:
        weights.read(model, stored, path.name, skip_mismatch, skipped=skipped)


def _member(path: Path, name: str) -> Path:
    member = path / name
    if member.is_symlink():
        raise UnsafeFileError(f"The folder {path.name} holds a link at {name!r}: links are not followed.")
    if not member.is_file():
        raise ValueError(f"The folder {str(path)!r} holds no saved model: it has no file {name!r}.")
    return member
