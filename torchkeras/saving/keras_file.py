"""The `.keras` file: a zip of a config, the weights, and a line about who wrote it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from ..configurable import deserialize_keras_object, loading, serialize_keras_object
from ..layers.layer import Layer
from ..layers.preprocessing.lookup import VOCABULARY_FILE, Lookup
from . import weights
from .archive import CONFIG, METADATA, WEIGHTS, open_archive, open_weights, read_json, read_text
from .target import replacing

KERAS_VERSION = "3.15.1"  # whose layout is written; real Keras refuses files that name no version


def members(model: Any) -> dict[str, str]:
    """The members of the file that are text: the config, and who wrote it."""
    metadata = {"keras_version": KERAS_VERSION, "date_saved": datetime.now().strftime("%Y-%m-%d@%H:%M:%S")}
    return {METADATA: json.dumps(metadata), CONFIG: json.dumps(serialize_keras_object(model))}


def save(model: Any, target: Path) -> None:
    """Write a `.keras` file."""
    texts = members(model)
    with replacing(target) as part:
        stored = part.with_name(f"{part.name}.h5")
        try:
            weights.write(model, stored)
            with zipfile.ZipFile(part, "w") as archive:
                for name, text in texts.items():
                    archive.writestr(name, text)
                archive.write(stored, WEIGHTS)
                for path, owner in weights.walk(model):
                    if isinstance(owner, Lookup) and owner.adapted:
                        archive.writestr(f"assets/{path}/{VOCABULARY_FILE}", owner.vocabulary_text())
        finally:
            stored.unlink(missing_ok=True)


def load(path: Path, custom_objects: Mapping[str, Any] | None, compile: bool, safe_mode: bool) -> Any:
    """The model in a `.keras` file. Arguments and errors are those of `load_model`."""
    with open_archive(path) as archive:
        config = read_json(archive, CONFIG, path.name)
        with open_weights(archive, path.name) as stored:
            model = make(config, stored, path.name, custom_objects, compile, safe_mode)
        _read_vocabularies(model, archive, path.name)
        return model


def _read_vocabularies(model: Any, archive: zipfile.ZipFile, label: str) -> None:
    """Give the vocabularies that Keras keeps beside the config to the layers that have learned them."""
    held = set(archive.namelist())
    for path, owner in weights.walk(model):
        name = f"assets/{path}/{VOCABULARY_FILE}"
        if isinstance(owner, Lookup) and not owner.adapted and name in held:
            owner.take_vocabulary(read_text(archive, name, label))


def load_weights(model: Any, path: Path, skip_mismatch: bool, skipped: Sequence[Any] = ()) -> None:
    """Take the weights from a `.keras` file. Arguments and errors are those of `weights.read`."""
    with open_archive(path) as archive, open_weights(archive, path.name) as stored:
        weights.read(model, stored, path.name, skip_mismatch, skipped=skipped)


def make(
    config: dict[str, Any], stored: BinaryIO, label: str, custom_objects: Mapping[str, Any] | None, compile: bool, safe_mode: bool
) -> Any:
    """The model that a config describes, with the weights of an open HDF5 file."""
    if not compile:
        config.pop("compile_config", None)
    with loading(safe_mode):
        model = _make(config, custom_objects, label)
    weights.read(model, stored, label, fresh=True)
    return model


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The architecture that `to_json` wrote, with new weights.

    Args:
        json_string: The text.
        custom_objects: Names to the user's own classes and functions.

    Raises:
        ValueError: If there is no JSON, an unknown class, or code (which needs `load_model(..., safe_mode=False)`).
    """
    try:
        config = json.loads(json_string)
    except (TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"`json_string` must be what `Model.to_json` returned ({error}). Received: {str(json_string)[:80]!r}") from None
    except RecursionError:
        raise ValueError("`json_string` is nested deeper than any model's config: refused.") from None
    if not isinstance(config, dict):
        raise ValueError(f"`json_string` must be what `Model.to_json` returned. Received: {str(json_string)[:80]!r}")
    return _make(config, custom_objects, "`json_string`")


def _make(config: dict[str, Any], custom_objects: Mapping[str, Any] | None, label: str) -> Any:
    """The model that a config describes, before it has its weights."""
    try:
        model = deserialize_keras_object(config, custom_objects)
    except (KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{label} holds a config of which no model can be made ({type(error).__name__}: {error}).") from error
    if not isinstance(model, Layer):
        raise ValueError(f"{label} holds no model but {config.get('class_name')!r}.")
    return model
