"""The `.keras` file: a zip of a config, the weights, and a line about who wrote it."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ..configurable import deserialize_keras_object, loading, serialize_keras_object
from ..layers.layer import Layer
from . import weights
from .archive import CONFIG, METADATA, WEIGHTS, open_archive, open_weights, read_json
from .target import by_one, check_suffix, replacing

KERAS_VERSION = "3.15.1"  # whose layout is written; real Keras refuses files that name no version


def save_model(model: Any, filepath: str | os.PathLike[str], overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None:
    """Write architecture, weights, `compile` arguments and optimizer state to a `.keras` file, which real Keras reads too.

    Args:
        model: A model.
        filepath: Where; must end in `.keras`.
        overwrite: Whether a file that is there may be replaced.
        zipped: Must not be false: a `.keras` file is one zip.
        **kwargs: None are known.

    Raises:
        ValueError: Another suffix.
        FileExistsError: The file is there and `overwrite` is false.
    """
    if kwargs:
        raise ValueError(f"Unrecognized arguments passed to save: {', '.join(kwargs)}")
    if zipped is False:
        raise ValueError("`zipped=False` is not offered: a `.keras` file is one zip. Received: zipped=False")
    path = check_suffix(filepath, (".keras",), "save")

    def write(target: Path) -> None:
        config = json.dumps(serialize_keras_object(model))
        metadata = json.dumps({"keras_version": KERAS_VERSION, "date_saved": datetime.now().strftime("%Y-%m-%d@%H:%M:%S")})
        with replacing(target) as part:
            stored = part.with_name(f"{part.name}.h5")
            try:
                weights.write(model, stored)
                with zipfile.ZipFile(part, "w") as archive:
                    archive.writestr(METADATA, metadata)
                    archive.writestr(CONFIG, config)
                    archive.write(stored, WEIGHTS)
            finally:
                stored.unlink(missing_ok=True)

    by_one(path, overwrite, write)


def load_model(
    filepath: str | os.PathLike[str], custom_objects: Mapping[str, Any] | None = None, compile: bool = True, safe_mode: bool = True
) -> Any:
    """The model in a `.keras` file, whether torchkeras or real Keras wrote it.

    Args:
        filepath: The file.
        custom_objects: Names to the user's own classes and functions; those that the program has defined are found without.
        compile: Whether the model is compiled as it was, and its optimizer's state loaded.
        safe_mode: `False` lets the file carry code (Lambda layers, torch modules).

    Raises:
        FileNotFoundError: No such file.
        ValueError: A damaged or hostile file, an unknown class, or code in safe mode.
    """
    path = Path(filepath)
    if not path.is_file():
        raise FileNotFoundError(f"No such file: {str(path)!r}")
    if not path.name.endswith(".keras"):
        raise ValueError(
            f"`filepath` must end in .keras. Received: filepath={str(filepath)!r}. Load weights alone with `model.load_weights`."
        )
    with open_archive(path) as archive:
        config = read_json(archive, CONFIG, path.name)
        if not compile:
            config.pop("compile_config", None)
        with open_weights(archive, path.name) as stored:
            with loading(safe_mode):
                model = _make(config, custom_objects, path.name)
            weights.read(model, stored, path.name, fresh=True)
    return model


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The architecture that `to_json` wrote, with new weights.

    Args:
        json_string: The text.
        custom_objects: Names to the user's own classes and functions.

    Raises:
        ValueError: No JSON, an unknown class, or code (which needs `load_model(..., safe_mode=False)`).
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
