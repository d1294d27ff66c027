"""Hostile files, made by hand."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py

import torchkeras


def model(units: int = 3) -> Any:
    return torchkeras.Sequential([torchkeras.Input((4,)), torchkeras.layers.Dense(units, name="d")])


def keras_file(
    path: Path, config: Any = None, weights: bytes | None = None, change: Callable[[Any], None] | None = None, compression: int = 0
) -> Path:
    """A `.keras` file whose config or weights are replaced or changed."""
    good = path.with_name("good.keras")
    model().save(good)
    with zipfile.ZipFile(good) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    good.unlink()
    data = json.loads(members["config.json"]) if config is None else config
    if change is not None:
        change(data)
    members["config.json"] = data if isinstance(data, bytes) else json.dumps(data).encode()
    if weights is not None:
        members["model.weights.h5"] = weights
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def h5_bytes(fill: Callable[[h5py.File], None]) -> bytes:
    """An HDF5 file in memory."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        fill(file)
    return buffer.getvalue()


def layer_in_sequential(layer: dict[str, Any]) -> dict[str, Any]:
    """The config of a model whose only layer is this."""
    start = {
        "module": "keras.layers",
        "class_name": "InputLayer",
        "config": {"batch_shape": [None, 4], "name": "i"},
        "registered_name": None,
    }
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "s", "layers": [start, layer]},
        "registered_name": None,
    }
