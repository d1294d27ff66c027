"""The table of file formats, and the functions that save and load through it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..reporting import warn
from . import folder, keras_file, safetensors_file, shards, weights
from .gathering import gathered
from .target import by_one

if TYPE_CHECKING:
    from ..models import Model


@dataclass(frozen=True)
class Format:
    """How files of one suffix are written and read; `None` stands for what the format does not offer.

    Args:
        suffix: What file names end in; empty for a folder.
        save_model: `(model, target)` writes architecture, weights, `compile` arguments and optimizer state.
        load_model: `(path, custom_objects, compile, safe_mode)` returns the model.
        save_weights: `(model, target, skipped)` writes the weights, without those of the objects `skipped`.
        load_weights: `(model, path, skip_mismatch, skipped)` takes them into a built model.
        shards: Whether `save_weights` takes `max_shard_size`, and needs it, as a fourth argument.
    """

    suffix: str
    save_model: Callable[..., None] | None = None
    load_model: Callable[..., Any] | None = None
    save_weights: Callable[..., None] | None = None
    load_weights: Callable[..., None] | None = None
    shards: bool = False


FORMATS = (
    Format(".keras", keras_file.save, keras_file.load, load_weights=keras_file.load_weights),
    Format("", folder.save, folder.load, load_weights=folder.load_weights),
    Format(".weights.h5", save_weights=weights.save, load_weights=weights.load),
    Format(".weights.json", save_weights=shards.save, load_weights=shards.load, shards=True),
    Format(".safetensors", save_weights=safetensors_file.save, load_weights=safetensors_file.load),
)


def suffixes(action: str, shards: bool | None = None) -> tuple[str, ...]:
    """The suffixes of the formats that offer `"save_model"`, `"load_model"`, `"save_weights"` or `"load_weights"`."""
    rows = (f for f in FORMATS if f.suffix and getattr(f, action) is not None)
    return tuple(f.suffix for f in rows if shards is None or f.shards is shards)


def _find(filepath: str | os.PathLike[str], action: str, what: str, shards: bool | None = None, cure: str = "") -> Format:
    """The row of a path for `action`.

    Raises:
        ValueError: If no format of this suffix offers it; the message lists those that do.
    """
    name = Path(filepath).name
    known = suffixes(action, shards)
    suffix = max((s for s in known if name.endswith(s)), key=len, default=None)
    if suffix is None:
        raise ValueError(f"`filepath` of {what} must end in {' or '.join(known)}. Received: filepath={str(filepath)!r}.{cure}")
    return next(f for f in FORMATS if f.suffix == suffix)


FOLDER = next(f for f in FORMATS if not f.suffix)


def save_model(model: Any, filepath: str | os.PathLike[str], overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None:
    """Write architecture, weights, `compile` arguments and optimizer state to a `.keras` file, which real Keras reads too.

    Args:
        model: A model.
        filepath: Where; must end in `.keras`, or with `zipped=False` be the name of a folder.
        overwrite: Whether a file or saved model that is there may be replaced.
        zipped: `False` writes a folder with the members of the file.
        **kwargs: `include_optimizer` and `save_format` of Keras 2, which have no effect: the optimizer is saved, and the path
            tells the format.

    Raises:
        ValueError: If the suffix is another, or an argument unknown.
        FileExistsError: If the file is there and `overwrite` is false.
    """
    _take_old_arguments(kwargs)
    path = Path(filepath)
    if zipped is False:
        if path.name.endswith(suffixes("save_model")):
            raise ValueError(f"`filepath` with `zipped=False` must name a folder, without a suffix. Received: filepath={str(filepath)!r}")
        row = FOLDER
    else:
        row = _find(path, "save_model", "save")
    assert row.save_model is not None
    save = row.save_model
    with gathered(model):
        by_one(path, overwrite, lambda target: save(model, target))


def _take_old_arguments(kwargs: dict[str, Any]) -> None:
    if not kwargs.pop("include_optimizer", True):
        warn(
            "`include_optimizer=False` has no effect, as in Keras 3: a compiled model is saved with its optimizer. Save the weights "
            "alone with `save_weights`, or load with `compile=False`."
        )
    save_format = kwargs.pop("save_format", None)
    if save_format not in (None, "keras"):
        raise ValueError(f"`save_format` must be 'keras' or left out: the suffix of `filepath` tells the format. Received: {save_format!r}")
    _refuse(kwargs, "save")


def load_model(
    filepath: str | os.PathLike[str], custom_objects: Mapping[str, Any] | None = None, compile: bool = True, safe_mode: bool = True
) -> Model:
    """The model in a `.keras` file, or in a folder of its members, whether torchkeras or real Keras wrote it.

    Args:
        filepath: The file or folder.
        custom_objects: Names to the user's own classes and functions; those that the program has defined are found without.
        compile: Whether the model is compiled as it was, and its optimizer's state loaded.
        safe_mode: `False` lets the file carry code (Lambda layers, torch modules).

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged or hostile, names an unknown class, or carries code in safe mode.
    """
    path = Path(filepath)
    if path.is_dir():
        row = FOLDER
    elif path.is_file():
        row = _find(path, "load_model", "load_model", cure=" Load weights alone with `model.load_weights`.")
    else:
        raise FileNotFoundError(f"No such file: {str(path)!r}")
    assert row.load_model is not None
    return row.load_model(path, custom_objects, compile, safe_mode)


def save_weights(
    model: Any, filepath: str | os.PathLike[str], overwrite: bool = True, max_shard_size: float | None = None, **kwargs: Any
) -> None:
    """Write the weights to a `.weights.h5` file in Keras 3's layout, or to a `.safetensors` file in torch's.

    Args:
        model: A built model.
        filepath: Where; the suffix tells the format.
        overwrite: Whether a file that is there may be replaced.
        max_shard_size: With a size in GB, the weights go to several `.weights.h5` files of at most that size (a layer is not split),
            and a `.weights.json` file lists them.
        **kwargs: `objects_to_skip`, the layers (or the optimizer) whose weights are left out.

    Raises:
        ValueError: If the suffix is another, or the model is not built.
        FileExistsError: If the file is there and `overwrite` is false.
    """
    skipped = _skipped(kwargs, "save_weights")
    path = Path(filepath)
    if max_shard_size is not None and path.name.endswith(".weights.h5"):
        path = path.with_name(path.name.removesuffix(".h5") + ".json")
    sharded = max_shard_size is not None
    row = _find(path, "save_weights", "save_weights" + (" with `max_shard_size`" if sharded else ""), sharded)
    if not model.built:
        raise ValueError(
            f"The model {model.name!r} is not built and has no weights to save. Call it on data or `build(input_shape)` first."
        )
    assert row.save_weights is not None
    save, more = row.save_weights, (max_shard_size,) if sharded else ()
    with gathered(model):
        by_one(path, overwrite, lambda target: save(model, target, skipped, *more))


def load_weights(model: Any, filepath: str | os.PathLike[str], skip_mismatch: bool = False, **kwargs: Any) -> None:
    """Take the weights from a `.weights.h5`, `.weights.json`, `.keras` or `.safetensors` file, or from a saved model's folder.

    Args:
        model: A built model of the same architecture.
        filepath: The file.
        skip_mismatch: Whether layers that do not fit are left as they are, with a warning.
        **kwargs: `objects_to_skip`, the layers (or the optimizer) that are left as they are.

    Raises:
        ValueError: If the file is damaged or of another architecture; the model is unchanged then.
        FileNotFoundError: If there is no such file.
    """
    skipped = _skipped(kwargs, "load_weights")
    path = Path(filepath)
    row = FOLDER if path.is_dir() else _find(path, "load_weights", "load_weights")
    if not path.exists():
        raise FileNotFoundError(f"No such file: {str(path)!r}")
    if not model.built or any(not layer.built for layer in model._flatten_layers()):
        raise ValueError(
            f"The model {model.name!r} is not built and has no weights to load into. Call it on data or `build(input_shape)` first."
        )
    assert row.load_weights is not None
    row.load_weights(model, path, skip_mismatch, skipped)


def _skipped(kwargs: dict[str, Any], what: str) -> tuple[Any, ...]:
    objects: Iterable[Any] | None = kwargs.pop("objects_to_skip", None)
    _refuse(kwargs, what)
    return () if objects is None else tuple(objects)


def _refuse(kwargs: dict[str, Any], what: str) -> None:
    if kwargs:
        raise ValueError(f"Unrecognized arguments passed to {what}: {', '.join(kwargs)}")
