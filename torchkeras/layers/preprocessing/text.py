"""Texts to indices or vectors of their words: TextVectorization."""

from __future__ import annotations

import itertools
import string
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from ...graph import KerasTensor
from .adapt import as_array
from .encoding import vector_dtype
from .lookup import Lookup, as_strings

_STANDARDIZE = ("lower_and_strip_punctuation", "lower", "strip_punctuation")
_SPLIT = ("whitespace", "character")
_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


class TextVectorization(Lookup):
    """Texts as the indices of their words in a vocabulary, or as one vector each: standardize, split, join n-grams, look up.

    Inputs are texts, `(batch,)` or `(batch, 1)`; outputs are `(batch, words)`, padded with 0 behind the last word of short texts, or
    `(batch, size of the vocabulary)`.

    Args:
        max_tokens: The largest size of the vocabulary, padding and the token out of vocabulary included; no limit without it.
        standardize: `"lower_and_strip_punctuation"`, `"lower"`, `"strip_punctuation"`, a function of an array of texts, or `None`.
        split: `"whitespace"`, `"character"`, a function from an array of texts to a list of tokens for each, or `None`.
        ngrams: The largest number of neighbours that are joined to one token (the smaller numbers too), or a tuple of numbers.
        output_mode: `"int"` for indices, `"multi_hot"`, `"count"` or `"tf_idf"` for a vector for each text.
        output_sequence_length: The length that rows of indices are padded or cut to; that of the longest text without it.
        pad_to_max_tokens: Whether vectors have `max_tokens` numbers, however small the vocabulary.
        vocabulary: The tokens, or the path of a text file with one token a line; learned by `adapt` without it.
        idf_weights: For `"tf_idf"`, the inverse document frequency of each token.
        sparse: Kept for Keras's signature; must be false, torch's layers take dense tensors.
        ragged: Kept for Keras's signature; must be false, rows are padded.
        encoding: The encoding of inputs that are bytes, and of the vocabulary file.
        name: The name of the layer.
        **kwargs: `dtype` (the type of vectors) and `trainable`.

    Raises:
        ValueError: If an argument is unknown, or arguments exclude each other.

    >>> keras.layers.TextVectorization(vocabulary=["hello", "world"])(["Hello, you!"])
    tensor([[2, 1]])
    """

    _kind = "words"

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: str | Callable | None = "lower_and_strip_punctuation",
        split: str | Callable | None = "whitespace",
        ngrams: int | Sequence[int] | None = None,
        output_mode: str = "int",
        output_sequence_length: int | None = None,
        pad_to_max_tokens: bool = False,
        vocabulary: Any = None,
        idf_weights: Any = None,
        sparse: bool = False,
        ragged: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **vector_dtype(kwargs))
        for argument, value, known in (("standardize", standardize, _STANDARDIZE), ("split", split, _SPLIT)):
            if value is not None and not callable(value) and value not in known:
                raise ValueError(f"`{argument}` must be one of {known}, a function or None. Received: {argument}={value!r}")
        if ragged:
            raise ValueError("`ragged` must be False: rows are padded to one length. Received: ragged=True")
        if output_mode == "one_hot":
            raise ValueError("`output_mode` must be 'int', 'multi_hot', 'count' or 'tf_idf'. Received: output_mode='one_hot'")
        if output_sequence_length is not None and (output_mode != "int" or output_sequence_length < 1):
            raise ValueError(
                "`output_sequence_length` must be positive, and is for `output_mode='int'` only. "
                f"Received: output_sequence_length={output_sequence_length!r}, output_mode={output_mode!r}"
            )
        self.standardize, self.split, self.ngrams = standardize, split, ngrams
        widths = (ngrams,) if isinstance(ngrams, int) else tuple(ngrams or ())
        if any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in widths):
            raise ValueError(f"`ngrams` must be a positive number or a tuple of them. Received: ngrams={ngrams!r}")
        self._widths = tuple(range(1, ngrams + 1)) if isinstance(ngrams, int) else widths
        self.output_sequence_length, self.ragged, self.encoding = output_sequence_length, ragged, encoding
        self.init_lookup(max_tokens, 1, "", "[UNK]", vocabulary, idf_weights, False, output_mode, sparse, pad_to_max_tokens, None)

    def _as_terms(self, vocabulary: Any) -> list[Any]:
        return as_strings(vocabulary, self.encoding, self.name).reshape(-1).tolist()

    def _rows(self, inputs: Any) -> list[list[str]]:
        """The tokens of each text."""
        texts = as_strings(inputs, self.encoding, self.name)
        if self.split is not None and texts.ndim > 1:
            if texts.ndim > 2 or texts.shape[1] != 1:
                raise ValueError(
                    f"Inputs of the layer {self.name!r} must be texts of shape (batch,) or (batch, 1) to be split. Received: {texts.shape}"
                )
            texts = texts.reshape(-1)
        if callable(self.standardize):
            given = texts.shape
            texts = as_strings(self.standardize(texts.astype(str)), self.encoding, self.name)
            if texts.shape != given:
                raise ValueError(f"`standardize` must keep the shape of the texts, {given}. Received from it: {texts.shape}")
        flat = texts.reshape(-1).tolist()
        if self.standardize in ("lower", "lower_and_strip_punctuation"):
            flat = [s.lower() for s in flat]
        if self.standardize in ("strip_punctuation", "lower_and_strip_punctuation"):
            flat = [s.translate(_WITHOUT_PUNCTUATION) for s in flat]
        if self.split == "whitespace":
            rows = [s.split() for s in flat]
        elif self.split == "character":
            rows = [list(s) for s in flat]
        elif callable(self.split):
            rows = [as_strings(row, self.encoding, self.name).reshape(-1).tolist() for row in self.split(np.array(flat, dtype=str))]
        else:
            width = texts.shape[-1] if texts.ndim > 1 else 1
            rows = [flat[i : i + width] for i in range(0, len(flat), width)]
        return [self._joined(row) for row in rows] if self._widths else rows

    def _joined(self, row: list[str]) -> list[str]:
        parts = ([" ".join(row[i : i + n]) for i in range(len(row) - n + 1)] for n in self._widths)
        return list(itertools.chain.from_iterable(parts))

    def update_state(self, data: Any) -> None:
        self._count(self._rows(data if isinstance(data, str) else as_array(data)))

    def call(self, inputs: Any) -> torch.Tensor:
        self._check_adapted()
        single = isinstance(inputs, str) or np.ndim(inputs) == 0
        rows = self._rows(inputs)
        length = self.output_sequence_length or max(map(len, rows), default=0)
        rows = [row[:length] for row in rows]
        tokens = np.empty(sum(map(len, rows)), dtype=object)
        tokens[:] = list(itertools.chain.from_iterable(rows))
        table = np.full((len(rows), length), 0 if self.output_mode == "int" else -1, np.int64)
        table[np.arange(length) < np.array([len(row) for row in rows], np.int64)[:, None]] = self._indices(tokens)
        if self.split is None and not self._widths and self.output_sequence_length is None and self.output_mode == "int":
            return torch.from_numpy(table.reshape(np.shape(inputs))).to(self._tk_device())
        return self._encoded(torch.from_numpy(table[0] if single else table).to(self._tk_device()))

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        batch = tuple(input_shape[:1])
        if self.output_mode != "int":
            return (*batch, self._depth())
        if self.split is None and not self._widths and self.output_sequence_length is None:
            return tuple(input_shape)
        return (*batch, self.output_sequence_length)

    def compute_output_spec(self, inputs: Any) -> KerasTensor:
        return KerasTensor(self.compute_output_shape(inputs.shape), dtype="int64" if self.output_mode == "int" else self.compute_dtype)
