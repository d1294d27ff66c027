"""Texts as lists of word numbers and as matrices of word counts, without a layer."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
_MODES = ("binary", "count", "freq", "tfidf")


def text_to_word_sequence(input_text: str, filters: str = FILTERS, lower: bool = True, split: str = " ") -> list[str]:
    """A text as its words.

    Args:
        input_text: The text.
        filters: Characters that part words, as `split` does.
        lower: Whether the text is put in lower case.
        split: What stands between words.

    >>> text_to_word_sequence("A cat, a dog!")
    ['a', 'cat', 'a', 'dog']
    """
    text = input_text.lower() if lower else input_text
    separators: dict[str, str | int | None] = dict.fromkeys(filters, split)
    return [word for word in text.translate(str.maketrans(separators)).split(split) if word]


def hashing_trick(
    text: str,
    n: int,
    hash_function: Callable[[str], int] | str | None = None,
    filters: str = FILTERS,
    lower: bool = True,
    split: str = " ",
    analyzer: Callable[[str], Iterable[str]] | None = None,
) -> list[int]:
    """A text as numbers from 1 to `n - 1`, each the hash of a word; different words may share one.

    Args:
        text: The text.
        n: The number of bins and one; 0 is left free for padding.
        hash_function: Word to number; `"md5"` gives the same bins in every process, Python's `hash`, the default, does not.
        filters: Characters that part words, as `split` does.
        lower: Whether the text is put in lower case.
        split: What stands between words.
        analyzer: Text to words, instead of the three arguments before.

    >>> hashing_trick("a cat and a dog", 10, hash_function="md5")
    [2, 3, 6, 2, 6]
    """
    words = text_to_word_sequence(text, filters, lower, split) if analyzer is None else analyzer(text)
    number = _md5 if hash_function == "md5" else hash if hash_function is None else hash_function
    if not callable(number):
        raise ValueError(f"`hash_function` must be a function, 'md5' or None. Received: {hash_function!r}")
    return [number(word) % (n - 1) + 1 for word in words]


def _md5(word: str) -> int:
    return int(hashlib.md5(word.encode(), usedforsecurity=False).hexdigest(), 16)


def one_hot(
    input_text: str,
    n: int,
    filters: str = FILTERS,
    lower: bool = True,
    split: str = " ",
    analyzer: Callable[[str], Iterable[str]] | None = None,
) -> list[int]:
    """A text as numbers from 1 to `n - 1` by Python's `hash`, which differs from process to process.

    Args:
        input_text: The text.
        n: The number of bins and one; 0 is left free for padding.
        filters: Characters that part words, as `split` does.
        lower: Whether the text is put in lower case.
        split: What stands between words.
        analyzer: Text to words, instead of the three arguments before.

    >>> numbers = one_hot("the cat and the dog", 50)
    >>> len(numbers), numbers[0] == numbers[3]
    (5, True)
    """
    return hashing_trick(input_text, n, hash, filters, lower, split, analyzer)


class Tokenizer:
    """Numbers words by how often they come in some texts, the most frequent first; 0 is no word.

    New models rather use the layer `TextVectorization`, which is saved with the model.

    Args:
        num_words: Only numbers below this one are given; all words without it.
        filters: Characters that part words, as `split` does.
        lower: Whether texts are put in lower case.
        split: What stands between words.
        char_level: Whether every character is a word.
        oov_token: A word that gets the number 1 and stands for those that have none; they are left out without it.
        analyzer: Text to words, instead of `filters`, `lower` and `split`.
        **kwargs: `document_count`, the texts seen so far, and `nb_words`, the name that `num_words` had in Keras 1.

    >>> tokenizer = Tokenizer(oov_token="?")
    >>> tokenizer.fit_on_texts(["the cat sat", "the dog"])
    >>> tokenizer.texts_to_sequences(["the bird sat"])
    [[2, 1, 4]]
    """

    def __init__(
        self,
        num_words: int | None = None,
        filters: str = FILTERS,
        lower: bool = True,
        split: str = " ",
        char_level: bool = False,
        oov_token: str | None = None,
        analyzer: Callable[[str], Iterable[str]] | None = None,
        **kwargs: Any,
    ) -> None:
        if "nb_words" in kwargs:
            warnings.warn("`nb_words` of Tokenizer is now called `num_words`.", DeprecationWarning, stacklevel=2)
            num_words = kwargs.pop("nb_words")
        self.document_count: int = kwargs.pop("document_count", 0)
        if kwargs:
            raise TypeError(f"Tokenizer() got unexpected arguments: {', '.join(kwargs)}")
        self.num_words, self.filters, self.lower, self.split = num_words, filters, lower, split
        self.char_level, self.oov_token, self.analyzer = char_level, oov_token, analyzer
        self.word_counts: OrderedDict[str, int] = OrderedDict()
        self.word_docs: defaultdict[str, int] = defaultdict(int)
        self.index_docs: defaultdict[int, int] = defaultdict(int)
        self.word_index: dict[str, int] = {}
        self.index_word: dict[int, str] = {}

    def _words(self, text: str | Sequence[str]) -> Sequence[str]:
        if not isinstance(text, str):
            return [word.lower() for word in text] if self.lower else text
        if self.char_level:
            return text.lower() if self.lower else text
        if self.analyzer is not None:
            return list(self.analyzer(text))
        return text_to_word_sequence(text, self.filters, self.lower, self.split)

    def fit_on_texts(self, texts: Iterable[str | Sequence[str]]) -> None:
        """Count the words of these texts and number all words seen so far anew.

        Args:
            texts: Strings, or lists of words.
        """
        for text in texts:
            self.document_count += 1
            words = self._words(text)
            for word in words:
                self.word_counts[word] = self.word_counts.get(word, 0) + 1
            for word in set(words):
                self.word_docs[word] += 1
        ordered = [] if self.oov_token is None else [self.oov_token]
        ordered += sorted(self.word_counts, key=lambda word: -self.word_counts[word])
        self.word_index = {word: number for number, word in enumerate(ordered, start=1)}
        self.index_word = {number: word for word, number in self.word_index.items()}
        for word, count in self.word_docs.items():
            self.index_docs[self.word_index[word]] = count

    def fit_on_sequences(self, sequences: Sequence[Iterable[int]]) -> None:
        """Count in how many of these texts each number comes, which the mode `"tfidf"` needs.

        Args:
            sequences: Texts as lists of word numbers.
        """
        self.document_count += len(sequences)
        for sequence in sequences:
            for number in set(sequence):
                self.index_docs[number] += 1

    def texts_to_sequences(self, texts: Iterable[str | Sequence[str]]) -> list[list[int]]:
        """Texts as lists of word numbers.

        Args:
            texts: Strings, or lists of words.
        """
        return list(self.texts_to_sequences_generator(texts))

    def texts_to_sequences_generator(self, texts: Iterable[str | Sequence[str]]) -> Iterator[list[int]]:
        """Texts as lists of word numbers, one after the other.

        Args:
            texts: Strings, or lists of words.
        """
        unknown = None if self.oov_token is None else self.word_index.get(self.oov_token)
        for text in texts:
            numbers = [self._known(self.word_index.get(word), unknown) for word in self._words(text)]
            yield [number for number in numbers if number is not None]

    def _known(self, number: int | None, unknown: int | None) -> int | None:
        return unknown if number is None or self.num_words and number >= self.num_words else number

    def sequences_to_texts(self, sequences: Iterable[Iterable[int]]) -> list[str]:
        """Lists of word numbers as texts, with a space between the words.

        Args:
            sequences: Texts as lists of word numbers.
        """
        return list(self.sequences_to_texts_generator(sequences))

    def sequences_to_texts_generator(self, sequences: Iterable[Iterable[int]]) -> Iterator[str]:
        """Lists of word numbers as texts, one after the other.

        Args:
            sequences: Texts as lists of word numbers.
        """
        unknown = None if self.oov_token is None else self.word_index.get(self.oov_token)
        for sequence in sequences:
            known = [self._known(number if number in self.index_word else None, unknown) for number in sequence]
            yield " ".join(self.index_word[number] for number in known if number is not None)

    def texts_to_matrix(self, texts: Iterable[str | Sequence[str]], mode: str = "binary") -> np.ndarray:
        """Texts as rows with a column for each word number.

        Args:
            texts: Strings, or lists of words.
            mode: What a column holds: `"binary"` whether the word is there, `"count"` how often, `"freq"` its share of the text,
                `"tfidf"` its count over the texts that have it, in logarithms.
        """
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode)

    def sequences_to_matrix(self, sequences: Sequence[Sequence[int]], mode: str = "binary") -> np.ndarray:
        """Lists of word numbers as rows with a column for each number.

        Args:
            sequences: Texts as lists of word numbers.
            mode: What a column holds: `"binary"` whether the word is there, `"count"` how often, `"freq"` its share of the text,
                `"tfidf"` its count over the texts that have it, in logarithms.

        Raises:
            ValueError: If no number of columns is known yet, the mode is unknown, or `"tfidf"` comes before any text was counted.
        """
        if mode not in _MODES:
            raise ValueError(f"`mode` must be one of {', '.join(_MODES)}. Received: mode={mode!r}")
        if not self.num_words and not self.word_index:
            raise ValueError("The Tokenizer knows no number of words: call `fit_on_texts` first, or pass `num_words`.")
        if mode == "tfidf" and not self.document_count:
            raise ValueError("The mode 'tfidf' needs counted texts: call `fit_on_texts` or `fit_on_sequences` first.")
        columns = self.num_words or len(self.word_index) + 1
        matrix = np.zeros((len(sequences), columns))
        for row, sequence in zip(matrix, sequences):
            for number, count in Counter(sequence).items():
                if number < columns:
                    row[number] = self._entry(number, count, len(sequence), mode)
        return matrix

    def _entry(self, number: int, count: int, length: int, mode: str) -> float:
        if mode == "tfidf":
            return (1 + np.log(count)) * np.log(1 + self.document_count / (1 + self.index_docs.get(number, 0)))
        return {"binary": 1, "count": count, "freq": count / length}[mode]

    def get_config(self) -> dict[str, Any]:
        """The settings, and what was counted, as JSON."""
        settings = ("num_words", "filters", "lower", "split", "char_level", "oov_token", "document_count")
        counted = ("word_counts", "word_docs", "index_docs", "index_word", "word_index")
        return {**{name: getattr(self, name) for name in settings}, **{name: json.dumps(getattr(self, name)) for name in counted}}

    def to_json(self, **kwargs: Any) -> str:
        """The whole state as JSON, which `tokenizer_from_json` reads.

        Args:
            **kwargs: For `json.dumps`.
        """
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)


def tokenizer_from_json(json_string: str) -> Tokenizer:
    """The Tokenizer that `Tokenizer.to_json` described, with all that it had counted.

    Args:
        json_string: What `Tokenizer.to_json` returned, here or in Keras.

    >>> tokenizer = Tokenizer()
    >>> tokenizer.fit_on_texts(["a cat"])
    >>> tokenizer_from_json(tokenizer.to_json()).word_index
    {'a': 1, 'cat': 2}
    """
    config = json.loads(json_string)["config"]
    counted = {name: json.loads(config.pop(name)) for name in ("word_counts", "word_docs", "index_docs", "index_word", "word_index")}
    tokenizer = Tokenizer(**config)
    tokenizer.word_counts = OrderedDict(counted["word_counts"])
    tokenizer.word_docs = defaultdict(int, counted["word_docs"])
    tokenizer.index_docs = defaultdict(int, {int(number): count for number, count in counted["index_docs"].items()})
    tokenizer.index_word = {int(number): word for number, word in counted["index_word"].items()}
    tokenizer.word_index = counted["word_index"]
    return tokenizer
