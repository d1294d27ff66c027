"""Sequences of unequal length as one array, windows of a series as batches, and pairs of neighbouring words."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..data import PyDataset
from ..utils import pad_sequences as pad_sequences


class TimeseriesGenerator(PyDataset):
    """Batches of windows of a series, each with the target of the step behind its window.

    Args:
        data: The series, an array or a list of steps.
        targets: A target for each step of `data`.
        length: The steps that a window spans.
        sampling_rate: The distance of the steps within a window; every `sampling_rate`-th of its `length` steps is taken.
        stride: The distance of the windows.
        start_index: The first step that is used.
        end_index: The last step that is used; the last of the series without it.
        shuffle: Whether every batch holds windows drawn at random (with NumPy's generator) instead of those in order.
        reverse: Whether the steps of a window come in reverse order.
        batch_size: The windows of a batch; the last batch may be smaller.
        **kwargs: `workers`, `use_multiprocessing` and `max_queue_size` of `PyDataset`.

    Raises:
        ValueError: If `data` and `targets` differ in length, or no window fits between the two indices.

    >>> batches = TimeseriesGenerator(np.arange(10), np.arange(10), length=3, batch_size=2)
    >>> x, y = batches[0]
    >>> x.tolist(), y.tolist()
    ([[0, 1, 2], [1, 2, 3]], [3, 4])
    """

    def __init__(
        self,
        data: Any,
        targets: Any,
        length: int,
        sampling_rate: int = 1,
        stride: int = 1,
        start_index: int = 0,
        end_index: int | None = None,
        shuffle: bool = False,
        reverse: bool = False,
        batch_size: int = 128,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if len(data) != len(targets):
            raise ValueError(f"`data` and `targets` must have one length. Received: {len(data)} steps and {len(targets)} targets")
        self.data, self.targets, self.length = data, targets, length
        self.sampling_rate, self.stride, self.shuffle, self.reverse = sampling_rate, stride, shuffle, reverse
        self.batch_size = batch_size
        self.start_index = start_index + length
        self.end_index = len(data) - 1 if end_index is None else end_index
        if self.start_index > self.end_index:
            raise ValueError(
                f"`length` must leave a step to predict between `start_index` and `end_index`. Received: length={length}, "
                f"start_index={start_index}, end_index={self.end_index}"
            )

    def __len__(self) -> int:
        step = self.batch_size * self.stride
        return (self.end_index - self.start_index + step) // step

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if self.shuffle:
            rows = np.random.randint(self.start_index, self.end_index + 1, size=self.batch_size)  # noqa: NPY002  # Keras's generator
        else:
            first = self.start_index + self.batch_size * self.stride * index
            rows = np.arange(first, min(first + self.batch_size * self.stride, self.end_index + 1), self.stride)
        windows = np.array([self.data[row - self.length : row : self.sampling_rate] for row in rows])
        return windows[:, ::-1] if self.reverse else windows, np.array([self.targets[row] for row in rows])

    def get_config(self) -> dict[str, Any]:
        """The arguments, with the series and its targets as JSON; `start_index` is the first step with a whole window before it."""
        series = {name: json.dumps(np.asarray(getattr(self, name)).tolist()) for name in ("data", "targets")}
        names = ("length", "sampling_rate", "stride", "start_index", "end_index", "shuffle", "reverse", "batch_size")
        return {**series, **{name: getattr(self, name) for name in names}}

    def to_json(self, **kwargs: Any) -> str:
        """The name of the class and its config as JSON.

        Args:
            **kwargs: For `json.dumps`.
        """
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)


def make_sampling_table(size: int, sampling_factor: float = 1e-5) -> np.ndarray:
    """The probability with which the word of each rank is kept, so that frequent words come less often.

    Word frequencies follow Zipf's law. Source: Mikolov et al., "Distributed Representations of Words and Phrases", 2013.

    Args:
        size: The number of words.
        sampling_factor: The frequency from which on words are dropped; a smaller one drops more.

    Returns:
        `(size,)`, the most frequent word first.

    >>> make_sampling_table(3).round(5).tolist()
    [0.00315, 0.00315, 0.00548]
    """
    rank = np.arange(size)
    rank[:1] = 1
    inverse_frequency = rank * (np.log(rank) + 0.577) + 0.5 - 1.0 / (12.0 * rank)
    return np.minimum(1.0, np.sqrt(sampling_factor * inverse_frequency))


def skipgrams(
    sequence: Sequence[int],
    vocabulary_size: int,
    window_size: int = 4,
    negative_samples: float = 1.0,
    shuffle: bool = True,
    categorical: bool = False,
    sampling_table: Any = None,
    seed: int | None = None,
) -> tuple[list[list[int]], list[Any]]:
    """Pairs of words that stand near each other, and as many of words drawn at random, for training word vectors.

    Source: Mikolov et al., "Efficient Estimation of Word Representations in Vector Space", 2013.

    Args:
        sequence: Words by their numbers; 0 is no word and is passed over.
        vocabulary_size: The number of words and one.
        window_size: How far apart two words may stand.
        negative_samples: How many random pairs there are for each near one.
        shuffle: Whether the pairs are shuffled.
        categorical: Whether labels are `[1, 0]` and `[0, 1]` instead of 0 and 1.
        sampling_table: The probability with which each word is kept, from `make_sampling_table`.
        seed: Makes the shuffling repeatable, as in Keras; random words come from Python's own generator.

    Returns:
        The pairs, and their labels: 1 for words that stand near each other, 0 for random ones.

    >>> skipgrams([1, 2, 0, 3], 4, window_size=1, negative_samples=0, shuffle=False)
    ([[1, 2], [2, 1]], [1, 1])
    """
    couples: list[list[int]] = []
    for i, word in enumerate(sequence):
        if not word or sampling_table is not None and sampling_table[word] < random.random():
            continue
        around = [*sequence[max(0, i - window_size) : i], *sequence[i + 1 : i + window_size + 1]]
        couples += [[word, other] for other in around if other]
    near, far = ([0, 1], [1, 0]) if categorical else (1, 0)
    labels: list[Any] = [near for _ in couples]
    count = int(len(couples) * negative_samples) if negative_samples > 0 else 0
    if count:
        words = [couple[0] for couple in couples]
        random.shuffle(words)
        couples += [[words[i % len(words)], random.randint(1, vocabulary_size - 1)] for i in range(count)]
        labels += [far] * count
    if shuffle:
        order = list(range(len(couples)))
        random.Random(random.randint(0, 10**6) if seed is None else seed).shuffle(order)
        couples, labels = [couples[i] for i in order], [labels[i] for i in order]
    return couples, labels
