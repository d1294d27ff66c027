"""The `.keras` file: a zip of a config, the weights, and a line about who wrote it."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ..configurable import deserialize_keras_object, serialize_keras_object
from . import weights
from .archive import open_archive, read_json, read_member
from .h5 import temporary_beside

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
    path = weights.check_target(filepath, overwrite, (".keras",), "save")
    config = serialize_keras_object(model)
    buffer = io.BytesIO()
    weights.write(model, buffer)
    metadata = {"keras_version": KERAS_VERSION, "date_saved": datetime.now().strftime("%Y-%m-%d@%H:%M:%S")}
    part = temporary_beside(path)
    try:
        with zipfile.ZipFile(part, "w") as archive:
            archive.writestr("metadata.json", json.dumps(metadata))
            archive.writestr("config.json", json.dumps(config))
            archive.writestr("model.weights.h5", buffer.getvalue())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


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
        raise ValueError(f"`filepath` must end in .keras. Received: filepath={str(filepath)!r}. Load weights alone with `model.load_weights`.")
    with open_archive(path) as archive:
        config = read_json(archive, "config.json", path.name)
        if not compile:
            config.pop("compile_config", None)
        stored = io.BytesIO(read_member(archive, "model.weights.h5", path.name))
    model = deserialize_keras_object(config, custom_objects, safe_mode=safe_mode)
    weights.read(model, stored, path.name)
    return model
