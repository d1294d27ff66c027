"""Colour images of 32x32 pixels in 100 classes."""

from __future__ import annotations

import os

from ..downloads import get_file
from .cifar10 import load_batch
from .files import Split

ORIGIN = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
FILE_HASH = "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7"


def load_data(label_mode: str = "fine") -> Split:
    """50,000 images to train on and 10,000 to test on. A. Krizhevsky, https://www.cs.toronto.edu/~kriz/cifar.html.

    Args:
        label_mode: `"fine"` for the 100 classes, `"coarse"` for their 20 groups.

    Returns:
        `((x_train, y_train), (x_test, y_test))`, with the shapes of `cifar10.load_data`.
    """
    if label_mode not in ("fine", "coarse"):
        raise ValueError(f"`label_mode` must be 'fine' or 'coarse'. Received: label_mode={label_mode!r}")
    folder = get_file("cifar-100-python-target", ORIGIN, extract=True, file_hash=FILE_HASH)
    train, test = (load_batch(os.path.join(folder, "cifar-100-python", part), f"{label_mode}_labels") for part in ("train", "test"))
    return train, test
