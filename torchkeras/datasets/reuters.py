"""News wires as lists of word indices, labelled by topic."""

from __future__ import annotations

import json

import numpy as np

from ..downloads import get_file
from .files import SERVER, Split, load_npz
from .sequences import as_objects, index_words, limit_words

FILE_HASH = "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916"
INDEX_HASH = "4d44cc38712099c9e383dc6e5f11a921"

_LABEL_NAMES = (
    "cocoa grain veg-oil earn acq wheat copper housing money-supply coffee sugar trade reserves ship cotton carcass crude "
    "nat-gas cpi money-fx interest gnp meal-feed alum oilseed gold tin strategic-metal livestock retail ipi iron-steel rubber "
    "heat jobs lei bop zinc orange pet-chem dlr gas silver wpi hog lead"
)


def load_data(
    path: str = "reuters.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    test_split: float = 0.2,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
) -> Split:
    """11,228 news wires of Reuters from 1987 in 46 topics (`get_label_names`). The Reuters-21578 collection, D. Lewis.

    Args:
        path: Name of the file in the cache.
        num_words: Keep indices below this; `None` keeps all.
        skip_top: Leave indices below this out.
        maxlen: Drop the wires of this length or more.
        test_split: The fraction of the wires to test on.
        seed: Seed of the shuffling.
        start_char: Index put before each wire, or `None`.
        oov_char: Index in the place of words left out; `None` removes them.
        index_from: What is added to the rank of each word.

    Returns:
        `((x_train, y_train), (x_test, y_test))`: arrays `(n,)` of lists of indices, labels `(n,)` from 0 to 45.
    """
    arrays = load_npz(get_file(path, f"{SERVER}reuters.npz", file_hash=FILE_HASH))
    order = np.arange(len(arrays["x"]))
    np.random.RandomState(seed).shuffle(order)
    texts, labels = index_words(arrays["x"][order], arrays["y"][order], start_char, index_from, maxlen)
    x = as_objects(limit_words(texts, num_words, skip_top, oov_char))
    cut = int(len(x) * (1 - test_split))
    return (x[:cut], labels[:cut]), (x[cut:], labels[cut:])


def get_word_index(path: str = "reuters_word_index.json") -> dict[str, int]:
    """The rank of each word, 1 for the most frequent; `load_data` adds `index_from` to it.

    Args:
        path: Name of the file in the cache.
    """
    with open(get_file(path, f"{SERVER}reuters_word_index.json", file_hash=INDEX_HASH), encoding="utf-8") as file:
        return json.load(file)


def get_label_names() -> tuple[str, ...]:
    """The topics, in the order of the labels."""
    return tuple(_LABEL_NAMES.split())
