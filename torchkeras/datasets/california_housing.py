"""House prices in California, 1990."""

from __future__ import annotations

import numpy as np

from ..downloads import get_file
from .files import SERVER, Split, shuffled_split

FILE_HASH = "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f"


def load_data(version: str = "large", path: str = "california_housing.npz", test_split: float = 0.2, seed: int = 113) -> Split:
    """8 attributes and the median price of 20,640 districts. R. Pace and R. Barry, 1997, from the census of 1990.

    Args:
        version: `"large"`, or `"small"` for the first 600 districts.
        path: Name of the file in the cache.
        test_split: The fraction to test on.
        seed: Seed of the shuffling.

    Returns:
        `((x_train, y_train), (x_test, y_test))`: attributes `(n, 8)`, prices `(n,)` in dollars, of float32.
    """
    if version not in ("large", "small"):
        raise ValueError(f"`version` must be 'large' or 'small'. Received: version={version!r}")
    with np.load(get_file(path, f"{SERVER}california_housing.npz", file_hash=FILE_HASH), allow_pickle=False) as arrays:
        count = 600 if version == "small" else None
        return shuffled_split(arrays["x"][:count], arrays["y"][:count], test_split, seed)
