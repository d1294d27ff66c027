"""What the data sets share: Keras's file server, pickles read without trusting them, and Keras's split."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SERVER = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"

Split = tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


class _ArrayType:
    """Stands for `numpy.ndarray` in a pickle, where it is only ever the first argument of `_reconstruct`."""


def _empty_array(kind: Any, shape: Any, code: Any) -> np.ndarray:
    """The empty array that a pickled array starts as; its contents follow and are checked by NumPy."""
    if kind is not _ArrayType or tuple(shape) != (0,):
        raise pickle.UnpicklingError("a pickled array that does not start empty")
    return np.ndarray((0,), np.uint8)


def _plain_type(code: Any, align: Any = False, copy: Any = True) -> np.dtype:
    """A pickled element type, which must be a plain number or the reference to an object."""
    dtype = np.dtype(code.decode("ascii") if isinstance(code, bytes) else str(code))
    if dtype.kind not in "biufO" or dtype.names is not None:
        raise pickle.UnpicklingError(f"a pickled array of type {dtype}")
    return dtype


class RestrictedUnpickler(pickle.Unpickler):
    """Reads containers, numbers, strings and NumPy arrays; refuses to look anything else up, so it runs no code from the file."""

    allowed: dict[tuple[str, str], Callable[..., Any]] = {
        ("numpy", "ndarray"): _ArrayType,
        ("numpy", "dtype"): _plain_type,
        ("numpy.core.multiarray", "_reconstruct"): _empty_array,
        ("numpy._core.multiarray", "_reconstruct"): _empty_array,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.allowed:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}, which no data set needs")
        return self.allowed[module, name]


def load_pickle(path: str | Path) -> Any:
    """The contents of a Python 2 pickle of containers and arrays, strings as bytes.

    Raises:
        ValueError: The file holds anything else, or is damaged.
    """
    with open(path, "rb") as file:
        return _unpickle(file, path, encoding="bytes")


def _unpickle(file: Any, path: str | Path, **options: Any) -> Any:
    try:
        return RestrictedUnpickler(file, **options).load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError, MemoryError) as error:
        raise ValueError(f"{path} is not a data set that can be read safely: {error}. Delete it to download it again.") from error


def load_npz(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of an `.npz` file by name; arrays of lists are read by `RestrictedUnpickler`.

    Raises:
        ValueError: A damaged file, or one whose arrays hold objects other than lists of numbers.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy"): _load_npy(io.BytesIO(archive.read(name)), path) for name in archive.namelist()}
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is damaged: {error}. Delete it to download it again.") from error


def _load_npy(file: io.BytesIO, path: str | Path) -> np.ndarray:
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(file)
    if not dtype.hasobject:
        file.seek(0)
        return np.lib.format.read_array(file, allow_pickle=False)
    return np.asarray(_unpickle(file, path)).reshape(shape)


def shuffled_split(x: np.ndarray, y: np.ndarray, test_split: float, seed: int) -> Split:
    """Shuffle as Keras does, then cut the last part off for testing.

    Args:
        x: Inputs `(samples, ...)`.
        y: Targets `(samples, ...)`.
        test_split: The fraction to cut off, in [0, 1).
        seed: Seed of the shuffling.

    Returns:
        `((x_train, y_train), (x_test, y_test))`.
    """
    if not 0 <= test_split < 1:
        raise ValueError(f"`test_split` must be at least 0 and less than 1. Received: test_split={test_split}")
    order = np.arange(len(x))
    np.random.RandomState(seed).shuffle(order)
    x, y = x[order], y[order]
    cut = int(len(x) * (1 - test_split))
    return (x[:cut], y[:cut]), (x[cut:], y[cut:])
