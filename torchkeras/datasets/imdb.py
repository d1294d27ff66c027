"""Film reviews as lists of word indices, labelled by sentiment."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ..downloads import get_file
from .files import SERVER, Split, load_npz
from .sequences import Texts, as_objects, index_words, limit_words

FILE_HASH = "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f"
INDEX_HASH = "bfafd718b763782e994055a2d397834f"


def load_data(
    path: str = "imdb.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
    **kwargs: Any,
) -> Split:
    """25,000 reviews to train on and 25,000 to test on. A. Maas et al., https://ai.stanford.edu/~amaas/data/sentiment/.

    Args:
        path: Name of the file in the cache.
        num_words: Keep indices below this; `None` keeps all.
        skip_top: Leave indices below this out.
        maxlen: Drop the reviews of this length or more.
        seed: Seed of the shuffling.
        start_char: Index put before each review, or `None`.
        oov_char: Index in the place of words left out; `None` removes them.
        index_from: What is added to the rank of each word.
        **kwargs: `nb_words`, Keras 1's name of `num_words`.

    Returns:
        `((x_train, y_train), (x_test, y_test))`: arrays `(n,)` of lists of indices, labels `(n,)`, 1 for a good review.
    """
    if "nb_words" in kwargs:
        num_words = kwargs.pop("nb_words")
    if kwargs:
        raise TypeError(f"`load_data` takes no argument named {', '.join(kwargs)}.")
    arrays = load_npz(get_file(path, f"{SERVER}imdb.npz", file_hash=FILE_HASH))
    random = np.random.RandomState(seed)
    parts: list[tuple[Texts, np.ndarray]] = []
    for part in ("train", "test"):
        order = np.arange(len(arrays[f"x_{part}"]))
        random.shuffle(order)
        parts.append(index_words(arrays[f"x_{part}"][order], arrays[f"y_{part}"][order], start_char, index_from, maxlen))
    (x_train, y_train), (x_test, y_test) = parts
    texts = limit_words(x_train + x_test, num_words, skip_top, oov_char)
    return (as_objects(texts[: len(x_train)]), y_train), (as_objects(texts[len(x_train) :]), y_test)


def get_word_index(path: str = "imdb_word_index.json") -> dict[str, int]:
    """The rank of each word, 1 for the most frequent; `load_data` adds `index_from` to it.

    Args:
        path: Name of the file in the cache.
    """
    with open(get_file(path, f"{SERVER}imdb_word_index.json", file_hash=INDEX_HASH), encoding="utf-8") as file:
        return json.load(file)
