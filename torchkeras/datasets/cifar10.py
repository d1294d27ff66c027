"""Colour images of 32x32 pixels in 10 classes; `load_batch` reads the files of both CIFAR sets."""

from __future__ import annotations

import os

import numpy as np

from .. import config
from ..downloads import get_file
from .files import Split, load_pickle

ORIGIN = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
FILE_HASH = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"


def load_data() -> Split:
    """50,000 images to train on and 10,000 to test on. A. Krizhevsky, https://www.cs.toronto.edu/~kriz/cifar.html.

    Classes, in order: airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck.

    Returns:
        `((x_train, y_train), (x_test, y_test))`: images `(n, 32, 32, 3)` of uint8 (`(n, 3, 32, 32)` when
        `config.image_data_format()` is `"channels_first"`), labels `(n, 1)` of uint8 from 0 to 9.
    """
    folder = get_file("cifar-10-batches-py-target", ORIGIN, extract=True, file_hash=FILE_HASH)
    folder = os.path.join(folder, "cifar-10-batches-py")
    parts = [load_batch(os.path.join(folder, f"data_batch_{number}")) for number in range(1, 6)]
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts))
    return (images, labels), load_batch(os.path.join(folder, "test_batch"))


def load_batch(path: str, label_key: str = "labels") -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of one CIFAR file.

    Args:
        path: The file, a Python 2 pickle; anything in it but arrays, lists, numbers and strings is refused.
        label_key: The entry that holds the labels.

    Returns:
        Images in the layout of `config.image_data_format()`, labels `(n, 1)` of uint8.
    """
    batch = load_pickle(path)
    try:
        images = np.asarray(batch[b"data"], np.uint8).reshape(-1, 3, 32, 32)
        labels = np.asarray(batch[label_key.encode()], np.uint8).reshape(-1, 1)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a CIFAR file: {error!r}. Delete its folder to download it again.") from error
    return images if config.image_data_format() == "channels_first" else images.transpose(0, 2, 3, 1), labels
