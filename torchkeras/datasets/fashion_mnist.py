"""Articles of clothing of 28x28 pixels."""

from __future__ import annotations

import gzip
import os

import numpy as np

from ..downloads import get_file
from .files import SERVER, Split

_MOST_BYTES = 60_000 * 28 * 28


def load_data() -> Split:
    """60,000 images to train on and 10,000 to test on, of ten classes. Zalando SE, MIT licence.

    Classes, in order: T-shirt/top, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle boot.

    Returns:
        `((x_train, y_train), (x_test, y_test))`: images `(n, 28, 28)` of uint8, labels `(n,)` of uint8 from 0 to 9.
    """
    parts = []
    for part in ("train", "t10k"):
        images, labels = (_read(f"{part}-{kind}-ubyte.gz", axes) for kind, axes in (("images-idx3", 3), ("labels-idx1", 1)))
        parts.append((images, labels))
    return parts[0], parts[1]


def _read(name: str, axes: int) -> np.ndarray:
    """One IDX file: two zero bytes, the type (8 for uint8), the number of axes, their lengths as big-endian int32, the data."""
    path = get_file(name, SERVER + name, cache_subdir=os.path.join("datasets", "fashion-mnist"))
    with gzip.open(path, "rb") as file:
        magic, shape = file.read(4), np.frombuffer(file.read(4 * axes), ">i4").tolist()
        size = int(np.prod(shape, dtype=np.int64))
        if magic != bytes((0, 0, 8, axes)) or len(shape) != axes or not 0 <= size <= _MOST_BYTES:
            raise ValueError(f"{path} is not the file {name} of Fashion-MNIST. Delete it to download it again.")
        data = file.read(size)
    if len(data) != size:
        raise ValueError(f"{path} is damaged: {len(data)} of {size} bytes. Delete it to download it again.")
    return np.frombuffer(data, np.uint8).reshape(shape)
