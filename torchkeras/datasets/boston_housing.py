"""House prices in Boston, 1978. The data encode a racial assumption (https://fairlearn.org, "Revisiting the Boston Housing Dataset")."""

from __future__ import annotations

import numpy as np

from ..downloads import get_file
from .files import SERVER, Split, shuffled_split

FILE_HASH = "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5"


def load_data(path: str = "boston_housing.npz", test_split: float = 0.2, seed: int = 113) -> Split:
    """13 attributes and the median price of 506 districts. From StatLib, http://lib.stat.cmu.edu/datasets/boston.

    Kept for old code; prefer `california_housing`.

    Args:
        path: Name of the file in the cache.
        test_split: The fraction to test on.
        seed: Seed of the shuffling.

    Returns:
        `((x_train, y_train), (x_test, y_test))`: attributes `(n, 13)`, prices `(n,)` in thousands of dollars, of float64.
    """
    with np.load(get_file(path, f"{SERVER}boston_housing.npz", file_hash=FILE_HASH), allow_pickle=False) as arrays:
        return shuffled_split(arrays["x"], arrays["y"], test_split, seed)
