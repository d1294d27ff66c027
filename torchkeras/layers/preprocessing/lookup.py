"""Tokens to indices by a vocabulary, and back: StringLookup and IntegerLookup."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...graph import KerasTensor
from .adapt import Adapts, as_array
from .encoding import check_mode, encode, encoded_shape, vector_dtype
from .fingerprints import farmhash64, siphash64, to_bytes
from .hashing import as_salt

LOOKUP_MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")
VOCABULARY_FILE = "vocabulary.txt"


class Lookup(Adapts):
    """A vocabulary: tokens of one kind, whose indices begin after those of the mask token and of tokens out of vocabulary.

    Subclasses say what a token is: `_tokens`, `_symbolic`.
    """

    _kind = "tokens"
    _tk_takes_strings = True

    def init_lookup(
        self,
        max_tokens: int | None,
        num_oov_indices: int,
        mask_token: Any,
        oov_token: Any,
        vocabulary: Any,
        idf_weights: Any,
        invert: bool,
        output_mode: str,
        sparse: bool,
        pad_to_max_tokens: bool,
        salt: Any,
    ) -> None:
        """Check and keep what all lookups take. Arguments are those of `StringLookup`."""
        if max_tokens is not None and max_tokens <= num_oov_indices + (mask_token is not None and output_mode == "int"):
            raise ValueError(
                "`max_tokens` must leave room for tokens beside the mask and those out of vocabulary. "
                f"Received: max_tokens={max_tokens!r}, num_oov_indices={num_oov_indices!r}, mask_token={mask_token!r}"
            )
        if num_oov_indices < 0:
            raise ValueError(f"`num_oov_indices` must not be negative. Received: num_oov_indices={num_oov_indices!r}")
        if output_mode == "binary":  # Keras 2
            output_mode = "multi_hot"
        if output_mode == "tf-idf":
            output_mode = "tf_idf"
        self.output_mode, self.sparse = check_mode(output_mode, LOOKUP_MODES, sparse), sparse
        if invert and output_mode != "int":
            raise ValueError(f"`output_mode` must be 'int' where `invert` is True. Received: output_mode={output_mode!r}")
        if idf_weights is not None and output_mode != "tf_idf":
            raise ValueError(f"`idf_weights` are used by `output_mode='tf_idf'` only. Received: output_mode={output_mode!r}")
        if pad_to_max_tokens and (output_mode == "int" or max_tokens is None):
            raise ValueError("`pad_to_max_tokens` needs `max_tokens` and an `output_mode` of vectors.")
        self.max_tokens, self.num_oov_indices, self.pad_to_max_tokens = max_tokens, num_oov_indices, pad_to_max_tokens
        self.mask_token, self.oov_token, self.invert, self.salt = mask_token, oov_token, invert, salt
        self._input_dtype = "int64" if invert or self._kind == "numbers" else "string"  # of an Input that a Sequential model makes
        self._terms: list[Any] | None = None  # the vocabulary without special tokens
        self._index: dict[Any, int] = {}
        self._idf: np.ndarray | None = None  # of each index
        self._counts: Counter = Counter()
        self._documents: Counter = Counter()
        self._document_count = 0
        self.register_buffer("idf", None, persistent=False)
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)

    # -- the vocabulary ----------------------------------------------------------------------------------------------------------------

    def _special(self, with_mask: bool) -> list[Any]:
        mask = [self.mask_token] if with_mask and self.mask_token is not None else []
        return mask + [self.oov_token] * self.num_oov_indices

    @property
    def _has_mask(self) -> bool:
        """Whether the mask token has an index."""
        return self.mask_token is not None and self.output_mode == "int"

    @property
    def _first(self) -> int:
        """The index of the first term."""
        return self.num_oov_indices + self._has_mask

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """The tokens in the order of their indices.

        Args:
            include_special_tokens: Whether the mask token and the tokens out of vocabulary are among them.
        """
        terms = list(self._terms or [])
        return [*self._special(self._has_mask), *terms] if include_special_tokens else terms

    def vocabulary_size(self) -> int:
        """The number of indices, those of the mask token and of tokens out of vocabulary included."""
        return len(self._terms or []) + self._first

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Give the vocabulary, in place of `adapt`.

        Args:
            vocabulary: The tokens, without the special ones or with all of them in front, or the path of a text file with one token a
                line.
            idf_weights: For `output_mode="tf_idf"`, the inverse document frequency of each token; those of tokens out of vocabulary are
                the mean of the others unless they are given.

        Raises:
            ValueError: If tokens stand twice, are more than `max_tokens`, or special tokens stand in wrong places.
        """
        if isinstance(vocabulary, (str, Path)):
            vocabulary = self._read(Path(vocabulary))
        terms = self._as_terms(vocabulary)
        if not terms:
            raise ValueError(f"`vocabulary` must hold at least one token for the layer {self.name!r}. Received: {vocabulary!r}")
        weights = None if idf_weights is None else np.asarray(as_array(idf_weights), "float64").reshape(-1)
        if self.output_mode == "tf_idf" and weights is None:
            raise ValueError(f"`idf_weights` must be given with `vocabulary` where `output_mode='tf_idf'` (layer {self.name!r}).")
        if weights is not None and len(weights) != len(terms):
            raise ValueError(
                f"`idf_weights` must be as many as the tokens of `vocabulary`. Received: {len(weights)} weights, {len(terms)} tokens"
            )
        given_oov = None
        for special in (self._special(True), self._special(False)):
            if special and terms[: len(special)] == special:
                terms = terms[len(special) :]
                if weights is not None:
                    given_oov, weights = weights[len(special) - self.num_oov_indices : len(special)], weights[len(special) :]
                break
        for token, name in ((self.mask_token, "mask_token"), (self.oov_token if self.num_oov_indices else None, "oov_token")):
            if token is not None and token in terms:
                raise ValueError(
                    f"`vocabulary` must have {self._special(True)!r} in front, or none of them, in the layer {self.name!r}. "
                    f"Received: `{name}` {token!r} at index {terms.index(token)}"
                )
        self._set(terms, weights, given_oov)

    def _set(self, terms: list[Any], weights: np.ndarray | None, oov_weights: np.ndarray | None) -> None:
        index = {term: i for i, term in enumerate(terms, self._first)}
        if len(index) < len(terms):
            twice = [t for t, n in Counter(terms).items() if n > 1]
            raise ValueError(f"`vocabulary` must hold each token once in the layer {self.name!r}. Received twice: {twice[:5]!r}")
        if self.max_tokens is not None and len(terms) + self._first > self.max_tokens:
            raise ValueError(
                f"`vocabulary` must fit into `max_tokens` in the layer {self.name!r}. "
                f"Received: {len(terms) + self._first} tokens with the special ones, max_tokens={self.max_tokens}"
            )
        self._terms, self._index = terms, index
        if weights is not None:
            of_oov = np.full(self.num_oov_indices, weights.mean() if len(weights) else 0.0) if oov_weights is None else oov_weights
            self._set_idf(np.concatenate([of_oov, weights]))

    def _set_idf(self, weights: np.ndarray) -> None:
        full = np.zeros(self._depth() or len(weights))
        full[: len(weights)] = weights
        self.register_buffer("idf", torch.as_tensor(full, dtype=torch.get_default_dtype(), device=self._tk_device()), persistent=False)

    def _read(self, path: Path) -> list[Any]:
        try:
            lines = path.read_text(encoding=getattr(self, "encoding", "utf-8")).split("\n")
        except OSError as error:
            raise ValueError(f"`vocabulary` must be tokens or the path of a text file. Received: {str(path)!r}, {error.strerror}") from None
        return lines[:-1] if lines[-1] == "" else lines

    def _as_terms(self, vocabulary: Any) -> list[Any]:
        raise NotImplementedError

    def _tokens(self, inputs: Any) -> np.ndarray:
        """The inputs as an array of tokens."""
        raise NotImplementedError

    # -- adapting ----------------------------------------------------------------------------------------------------------------------

    def reset_state(self) -> None:
        self._counts, self._documents, self._document_count = Counter(), Counter(), 0
        self._terms, self._index = None, {}

    def update_state(self, data: Any) -> None:
        tokens = self._tokens(data)
        rows = tokens.reshape(-1, tokens.shape[-1]) if tokens.ndim > 1 else tokens.reshape(-1, 1)
        self._count(rows.tolist())

    def _count(self, rows: Iterable[Iterable[Any]]) -> None:
        """Count tokens of documents."""
        for row in rows:
            self._counts.update(row)
            if self.output_mode == "tf_idf":
                self._documents.update(set(row))
                self._document_count += 1

    def finalize_state(self) -> None:
        if not self._counts:
            return
        left_out = {self.mask_token, self.oov_token}
        found = [t for t in self._counts if t not in left_out]
        found.sort(reverse=True)
        found.sort(key=self._counts.__getitem__, reverse=True)  # the sort is stable: by frequency, then in inverse order
        if self.max_tokens is not None:
            found = found[: self.max_tokens - self._first]
        weights = None
        if self.output_mode == "tf_idf":
            weights = np.array([math.log(1 + self._document_count / (1 + self._documents[t])) for t in found])
        self._set(found, weights, None)
        self._counts, self._documents = Counter(), Counter()

    # -- calling -----------------------------------------------------------------------------------------------------------------------

    def _check_adapted(self) -> None:
        if self._terms is None:
            raise ValueError(f"The layer {self.name!r} has no vocabulary yet. Call `adapt` on data first, or give `vocabulary`.")

    def _depth(self) -> int | None:
        """The size of the vectors; unknown before the layer has a vocabulary."""
        if self.pad_to_max_tokens:
            return self.max_tokens
        return None if self._terms is None else self.vocabulary_size()

    def call(self, inputs: Any) -> Any:
        self._check_adapted()
        if self.invert:
            return self._words(inputs)
        device = inputs.device if isinstance(inputs, torch.Tensor) else self._tk_device()
        indices = self._indices(self._tokens(inputs))
        return self._encoded(torch.from_numpy(indices).to(device))

    def _encoded(self, indices: torch.Tensor) -> torch.Tensor:
        if self.output_mode == "int":
            return indices
        depth = self._depth()
        assert depth is not None
        if self.output_mode != "tf_idf":
            return encode(indices, self.output_mode, depth, self._tk_compute)
        counts = encode(indices, "count", depth, self._tk_compute)
        idf = self._buffers["idf"]
        assert idf is not None
        return counts * idf.to(counts)

    def _indices(self, tokens: np.ndarray) -> np.ndarray:
        """The index of each token; -1 for the mask token where vectors leave it out."""
        distinct, inverse = _distinct(tokens)
        index, found = self._index, np.empty(len(distinct), np.int64)
        unknown = []
        for i, token in enumerate(distinct):
            at = index.get(token)
            if at is None:
                at = (0 if self._has_mask else -1) if self.mask_token is not None and token == self.mask_token else None
            if at is None:
                unknown.append(i)
                at = int(self._has_mask)
            found[i] = at
        if unknown and self.num_oov_indices == 0:
            shown = [distinct[i] for i in unknown[:5]]
            raise ValueError(
                f"The layer {self.name!r} has no index for {self._kind} out of its vocabulary (`num_oov_indices=0`). Received: {shown!r}"
            )
        if unknown and self.num_oov_indices > 1:
            found[unknown] += self._buckets([distinct[i] for i in unknown])
        return found[inverse].reshape(tokens.shape)

    def _buckets(self, tokens: list[Any]) -> np.ndarray:
        """Which of the indices out of vocabulary each token gets."""
        salt = as_salt(self.salt)
        data = to_bytes(np.array(tokens, dtype=object))
        hashes = farmhash64(data) if salt is None else siphash64(data, salt)
        return (hashes % np.uint64(self.num_oov_indices)).astype(np.int64)

    def _words(self, inputs: Any) -> Any:
        """The tokens of indices; the token out of vocabulary for an index beyond the vocabulary."""
        indices = inputs.cpu().numpy() if isinstance(inputs, torch.Tensor) else np.asarray(inputs)
        table = np.array([*self.get_vocabulary(), self.oov_token], dtype=object)
        known = (indices >= 0) & (indices < len(table) - 1)
        return table[np.where(known, indices, len(table) - 1)]

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return encoded_shape(input_shape, self.output_mode, self._depth())

    def compute_output_spec(self, inputs: Any) -> KerasTensor:
        shape = self.compute_output_shape(inputs.shape)
        return KerasTensor(
            shape, dtype=self._inverse_dtype() if self.invert else "int64" if self.output_mode == "int" else self.compute_dtype
        )

    def _inverse_dtype(self) -> str:
        return "string"

    # -- files -------------------------------------------------------------------------------------------------------------------------

    def save_assets(self, folder: str) -> None:
        """Write the vocabulary to a text file in a folder, a token a line."""
        if self.adapted:
            (Path(folder) / VOCABULARY_FILE).write_text(self.vocabulary_text(), encoding="utf-8")

    @property
    def adapted(self) -> bool:
        """Whether the layer has a vocabulary."""
        return self._terms is not None

    def vocabulary_text(self) -> str:
        """The vocabulary as Keras's files hold it, a token a line."""
        return "\n".join(str(term) for term in self.get_vocabulary())

    def load_assets(self, folder: str) -> None:
        """Read the vocabulary from the text file in a folder."""
        path = Path(folder) / VOCABULARY_FILE
        if self._terms is None and path.is_file():
            self.take_vocabulary(path.read_text(encoding="utf-8"))

    def take_vocabulary(self, text: str) -> None:
        """Take the vocabulary from the text that `save_assets` wrote."""
        lines = text.split("\n")
        terms = self._as_terms(lines[:-1] if lines[-1] == "" else lines)
        for special in (self._special(self._has_mask), self._special(True), self._special(False)):
            if special and terms[: len(special)] == special:
                terms = terms[len(special) :]
                break
        self._set(terms, None, None)
        if self.output_mode == "tf_idf" and self._buffers["idf"] is None:
            self._set_idf(np.ones(self.vocabulary_size()))

    def save_own_variables(self, store: Any) -> None:
        idf = self._buffers["idf"]
        if idf is not None:
            store["idf_weights"] = idf.cpu().numpy()

    def load_own_variables(self, store: Any) -> None:
        if "idf_weights" in store.keys():
            self._set_idf(np.asarray(store["idf_weights"], "float64"))

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, with the vocabulary that the layer has now."""
        idf, terms = self._buffers["idf"], None if self._terms is None else list(self._terms)
        if idf is not None and terms is not None:  # those of the tokens out of vocabulary as well
            terms = self._special(False) + terms
        weights = None if idf is None or terms is None else idf[: len(terms)].cpu().double().tolist()
        return {**super().get_config(), "vocabulary": terms, "idf_weights": weights}

    def _tk_config_value(self, name: str) -> Any:
        return None if name in ("vocabulary", "idf_weights") else super()._tk_config_value(name)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A layer made from what `get_config` returned.

        Raises:
            ValueError: If the config names a file: a file is read only where code passes its path.
        """
        if isinstance(config.get("vocabulary"), str):
            raise ValueError(
                f"The config of the layer {config.get('name')!r} names a vocabulary file, {config['vocabulary']!r}, which is not read: "
                "make the layer in code, with `vocabulary=path`, and load the weights."
            )
        config = {k: v for k, v in config.items() if k != "vocabulary_size"}
        return super().from_config(config)


def _distinct(tokens: np.ndarray) -> tuple[list[Any], np.ndarray]:
    """The distinct tokens, and the place of each token among them."""
    if tokens.dtype.kind != "O":
        distinct, inverse = np.unique(tokens, return_inverse=True)
        return distinct.tolist(), inverse.reshape(-1)
    places: dict[Any, int] = {}
    inverse = np.fromiter((places.setdefault(t, len(places)) for t in tokens.reshape(-1).tolist()), np.int64, tokens.size)
    return list(places), inverse


def as_strings(inputs: Any, encoding: str, name: str) -> np.ndarray:
    """An array of `str`, as objects; bytes are decoded.

    Raises:
        ValueError: If it holds something else.
    """
    array = np.asarray(inputs, dtype=object) if isinstance(inputs, (list, tuple, str)) else np.asarray(inputs)
    if array.dtype.kind == "U":
        return array.astype(object)
    if array.dtype.kind not in "OST" and "str" not in str(array.dtype):
        raise ValueError(f"Inputs of the layer {name!r} must be strings. Received: {array.dtype}")
    decoded = [s.decode(encoding) if isinstance(s, bytes) else s for s in array.reshape(-1).tolist()]
    wrong = next((s for s in decoded if not isinstance(s, str)), None)
    if wrong is not None or None in decoded:
        raise ValueError(f"Inputs of the layer {name!r} must be strings. Received: {wrong!r} of type {type(wrong).__name__}")
    out = np.empty(len(decoded), dtype=object)
    out[:] = decoded
    return out.reshape(array.shape)


class StringLookup(Lookup):
    """Strings as their indices in a vocabulary, given or learned by `adapt` (by frequency, then in inverse order), or back.

    Args:
        max_tokens: The largest size of the vocabulary, special tokens included; no limit without it.
        num_oov_indices: How many indices tokens out of vocabulary share, by a hash; with 0 such a token is an error.
        mask_token: The token that stands for nothing: index 0, and left out of vectors.
        oov_token: What `invert=True` gives for tokens out of vocabulary.
        vocabulary: The tokens, or the path of a text file with one token a line; learned by `adapt` without it.
        idf_weights: For `"tf_idf"`, the inverse document frequency of each token.
        invert: Whether to map indices to strings, a NumPy array.
        output_mode: `"int"` for indices, `"one_hot"` for a vector for each token, `"multi_hot"`, `"count"` or `"tf_idf"` for one vector
            for each sample.
        pad_to_max_tokens: Whether vectors have `max_tokens` numbers, however small the vocabulary.
        sparse: Kept for Keras's signature; must be false, torch's layers take dense tensors.
        encoding: The encoding of inputs that are bytes, and of the vocabulary file.
        name: The name of the layer.
        salt: One or two numbers that make the hash another one.
        **kwargs: `dtype` (the type of vectors) and `trainable`.

    Raises:
        ValueError: If arguments exclude each other, or the vocabulary holds a token twice.

    >>> keras.layers.StringLookup(vocabulary=["a", "b"])([["b", "x"]])
    tensor([[2, 0]])
    """

    _kind = "strings"

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: str | None = None,
        oov_token: str = "[UNK]",
        vocabulary: Any = None,
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        pad_to_max_tokens: bool = False,
        sparse: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        salt: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **vector_dtype(kwargs))
        self.encoding = encoding
        self.init_lookup(
            max_tokens,
            num_oov_indices,
            mask_token,
            oov_token,
            vocabulary,
            idf_weights,
            invert,
            output_mode,
            sparse,
            pad_to_max_tokens,
            salt,
        )

    def _as_terms(self, vocabulary: Any) -> list[Any]:
        return as_strings(vocabulary, self.encoding, self.name).reshape(-1).tolist()

    def _tokens(self, inputs: Any) -> np.ndarray:
        return as_strings(inputs, self.encoding, self.name)


class IntegerLookup(Lookup):
    """Whole numbers as their indices in a vocabulary, given or learned by `adapt` (by frequency, then the largest first), or back.

    Args:
        max_tokens: The largest size of the vocabulary, special tokens included; no limit without it.
        num_oov_indices: How many indices numbers out of vocabulary share; with 0 such a number is an error.
        mask_token: The number that stands for nothing: index 0, and left out of vectors.
        oov_token: What `invert=True` gives for numbers out of vocabulary.
        vocabulary: The numbers, or the path of a text file with one a line; learned by `adapt` without it.
        vocabulary_dtype: `"int64"` or `"int32"`.
        idf_weights: For `"tf_idf"`, the inverse document frequency of each number.
        invert: Whether to map indices to numbers of the vocabulary.
        output_mode: `"int"` for indices, `"one_hot"` for a vector for each number, `"multi_hot"`, `"count"` or `"tf_idf"` for one vector
            for each sample.
        sparse: Kept for Keras's signature; must be false, torch's layers take dense tensors.
        pad_to_max_tokens: Whether vectors have `max_tokens` numbers, however small the vocabulary.
        oov_method: How several `num_oov_indices` are shared: `"floormod"`, the rest of the division, or `"farmhash"`, a hash.
        salt: One or two numbers that make the hash another one.
        name: The name of the layer.
        **kwargs: `dtype` (the type of vectors) and `trainable`.

    Raises:
        ValueError: If arguments exclude each other, or the vocabulary holds a number twice.

    >>> keras.layers.IntegerLookup(vocabulary=[12, 36])([[36, 7]])
    tensor([[2, 0]])
    """

    _kind = "numbers"

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        oov_token: int = -1,
        vocabulary: Any = None,
        vocabulary_dtype: str = "int64",
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        oov_method: str = "floormod",
        salt: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **vector_dtype(kwargs))
        if vocabulary_dtype not in ("int32", "int64"):
            raise ValueError(f"`vocabulary_dtype` must be 'int64' or 'int32'. Received: vocabulary_dtype={vocabulary_dtype!r}")
        if oov_method not in ("floormod", "farmhash"):
            raise ValueError(f"`oov_method` must be 'floormod' or 'farmhash'. Received: oov_method={oov_method!r}")
        if salt is not None and oov_method != "farmhash":
            raise ValueError(f"`salt` is used by `oov_method='farmhash'` only. Received: oov_method={oov_method!r}")
        self.vocabulary_dtype, self.oov_method = vocabulary_dtype, oov_method
        self.init_lookup(
            max_tokens,
            num_oov_indices,
            mask_token,
            oov_token,
            vocabulary,
            idf_weights,
            invert,
            output_mode,
            sparse,
            pad_to_max_tokens,
            salt,
        )

    def _as_terms(self, vocabulary: Any) -> list[Any]:
        array = vocabulary.cpu().numpy() if isinstance(vocabulary, torch.Tensor) else np.asarray(vocabulary)
        return [int(v) for v in array.reshape(-1).tolist()]

    def _tokens(self, inputs: Any) -> np.ndarray:
        array = inputs.detach().cpu().numpy() if isinstance(inputs, torch.Tensor) else np.asarray(inputs)
        if array.dtype.kind not in "iufb":
            raise ValueError(f"Inputs of the layer {self.name!r} must be whole numbers. Received: {array.dtype}")
        return array.astype(self.vocabulary_dtype)

    def _buckets(self, tokens: list[Any]) -> np.ndarray:
        if self.oov_method == "farmhash":
            return super()._buckets(tokens)
        return np.mod(np.array(tokens, dtype=np.int64), self.num_oov_indices)

    def _words(self, inputs: Any) -> torch.Tensor:
        words = torch.from_numpy(super()._words(inputs).astype(self.vocabulary_dtype))
        return words.to(inputs.device) if isinstance(inputs, torch.Tensor) else words

    def _inverse_dtype(self) -> str:
        return self.vocabulary_dtype
