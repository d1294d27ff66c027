"""Reviews and news wires as lists of word ranks: the options that `imdb` and `reuters` share."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

Texts = list[list[int]]


def index_words(
    texts: Iterable[Iterable[int]], labels: np.ndarray, start_char: int | None, index_from: int, maxlen: int | None
) -> tuple[Texts, np.ndarray]:
    """Word ranks as indices, without the long texts.

    Args:
        texts: Word ranks, 1 for the most frequent word.
        labels: The label of each text, `(texts,)`.
        start_char: Index put before each text, or `None`.
        index_from: What is added to every rank.
        maxlen: Drop the texts that have this many indices or more.
    """
    start = [] if start_char is None else [start_char]
    indexed = [start + [int(rank) + index_from for rank in text] for text in texts]
    if not maxlen:
        return indexed, labels
    kept = [place for place, text in enumerate(indexed) if len(text) < maxlen]
    if not kept:
        raise ValueError(f"`maxlen` must be more than the length of the shortest text. Received: maxlen={maxlen}")
    return [indexed[place] for place in kept], labels[kept]


def limit_words(texts: Texts, num_words: int | None, skip_top: int, oov_char: int | None) -> Texts:
    """`texts` with only the indices from `skip_top` to `num_words` (exclusive; by default the largest index, as in Keras).

    Args:
        texts: Lists of indices.
        num_words: The first index that is left out.
        skip_top: The first index that is kept.
        oov_char: What takes the place of an index left out; `None` for nothing.
    """
    end = num_words or max(max(text) for text in texts if text)
    if oov_char is None:
        return [[index for index in text if skip_top <= index < end] for text in texts]
    return [[index if skip_top <= index < end else oov_char for index in text] for text in texts]


def as_objects(texts: Texts) -> np.ndarray:
    """An array `(texts,)` of lists."""
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array
