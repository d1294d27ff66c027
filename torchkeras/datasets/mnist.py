"""Handwritten digits of 28x28 pixels."""

from __future__ import annotations

import numpy as np

from ..downloads import get_file
from .files import SERVER, Split

FILE_HASH = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"


def load_data(path: str = "mnist.npz") -> Split:
    """60,000 images to train on and 10,000 to test on. Y. LeCun and C. Cortes, http://yann.lecun.com/exdb/mnist/, CC BY-SA 3.0.

    Args:
        path: Name of the file in the cache.

    Returns:
        `((x_train, y_train), (x_test, y_test))`: images `(n, 28, 28)` of uint8, labels `(n,)` of uint8 from 0 to 9.
    """
    with np.load(get_file(path, f"{SERVER}mnist.npz", file_hash=FILE_HASH), allow_pickle=False) as arrays:
        return (arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])
