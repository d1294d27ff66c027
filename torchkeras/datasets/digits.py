"""Handwritten digits of 8x8 pixels, which ship with the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .files import Split, shuffled_split


def load_data(test_split: float = 0.2, seed: int = 113) -> Split:
    """1,797 images of handwritten digits, shuffled and split in the same way every time. Needs no network.

    Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998,
    https://doi.org/10.24432/C50P49, licence CC BY 4.0. These are the 1,797 images of its test part, in scikit-learn's copy
    (`sklearn.datasets.load_digits`, BSD 3-Clause), as integers. Each pixel counts the dark pixels in a block of 4x4 of the
    original 32x32 bitmap.

    Args:
        test_split: The fraction of the images to test on.
        seed: Seed of the shuffling.

    Returns:
        `((x_train, y_train), (x_test, y_test))`: images `(n, 8, 8)` of uint8 from 0 to 16, and labels `(n,)` of uint8 from 0
        to 9.
    """
    with np.load(Path(__file__).with_name("digits.npz"), allow_pickle=False) as arrays:
        return shuffled_split(arrays["x"], arrays["y"], test_split, seed)
