"""Categories to bins by a hash that is the same on every machine: Hashing and HashedCrossing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ...graph import KerasTensor
from ..layer import TensorLayer
from .encoding import OUTPUT_MODES, check_mode, encode, encoded_shape, named_dtype, vector_dtype
from .fingerprints import cross64, farmhash64, siphash64, to_bytes


def as_salt(salt: Any) -> tuple[int, int] | None:
    """The key of SipHash that `salt` gives.

    Raises:
        ValueError: If it is neither a number nor two.
    """
    if salt is None:
        return None
    if isinstance(salt, int) and not isinstance(salt, bool):
        return salt, salt
    if isinstance(salt, (list, tuple)) and len(salt) == 2:
        return int(salt[0]), int(salt[1])
    raise ValueError(f"`salt` must be a whole number or two. Received: salt={salt!r}")


def _as_numpy(inputs: Any, name: str) -> np.ndarray:
    array = inputs.detach().cpu().numpy() if isinstance(inputs, torch.Tensor) else np.asarray(inputs)
    if array.dtype.kind not in "iubUSOT":
        raise ValueError(f"Inputs of the layer {name!r} must be strings or whole numbers. Received: {array.dtype}")
    return array


class Hashing(TensorLayer):
    """Strings or whole numbers as bins, by the same hash as Keras's: FarmHash64 of the text, or SipHash with a salt.

    Args:
        num_bins: The number of bins, that of the mask included.
        mask_value: The value that goes to bin 0, where then no other goes.
        salt: One or two numbers that make the hash another one.
        output_mode: `"int"` for bins, `"one_hot"` for a vector for each input, `"multi_hot"` or `"count"` for one for each sample.
        sparse: Kept for Keras's signature; must be false, torch's layers take dense tensors.
        **kwargs: `name`, `dtype` (the type of vectors, or of bins) and `trainable`.

    Raises:
        ValueError: If `num_bins` is not positive, or `salt` is neither a number nor two.

    >>> keras.layers.Hashing(num_bins=5)([["a"], ["b"]]).shape
    torch.Size([2, 1])
    """

    _tk_takes_strings = True
    _input_dtype = "string"  # of an Input that a Sequential model makes

    def __init__(
        self,
        num_bins: int,
        mask_value: Any = None,
        salt: Any = None,
        output_mode: str = "int",
        sparse: bool = False,
        **kwargs: Any,
    ) -> None:
        self._bins = _bins_dtype(kwargs)
        super().__init__(**vector_dtype(kwargs))
        _check_bins(num_bins)
        self.num_bins, self.mask_value, self.salt, self.sparse = num_bins, mask_value, salt, sparse
        self.output_mode = check_mode(output_mode, OUTPUT_MODES, sparse)
        as_salt(salt)

    def call(self, inputs: Any) -> torch.Tensor:
        array = _as_numpy(inputs, self.name)
        data, salt = to_bytes(array), as_salt(self.salt)
        hashes = farmhash64(data) if salt is None else siphash64(data, salt)
        masked = self.mask_value is not None
        free = self.num_bins - masked
        bins = (hashes % np.uint64(free)).astype(np.int64) if free else np.zeros(len(data), np.int64)
        if masked:
            mask = to_bytes(np.array([self.mask_value], dtype=object))[0]
            bins = np.where(np.fromiter((d == mask for d in data), bool, len(data)), 0, bins + 1)
        return _to_output(self, bins.reshape(array.shape), inputs)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return encoded_shape(input_shape, self.output_mode, self.num_bins)

    def compute_output_spec(self, inputs: Any) -> KerasTensor:
        dtype = str(self._bins).removeprefix("torch.") if self.output_mode == "int" else self.compute_dtype
        return KerasTensor(self.compute_output_shape(inputs.shape), dtype=dtype)


class HashedCrossing(TensorLayer):
    """Several categories of a sample as one bin, by the same hash as Keras's.

    Inputs are a list of arrays of strings or whole numbers, each `(batch,)`, `(batch, 1)` or one value.

    Args:
        num_bins: The number of bins.
        output_mode: `"int"` for bins, or `"one_hot"` for vectors.
        sparse: Kept for Keras's signature; must be false, torch's layers take dense tensors.
        name: The name of the layer.
        dtype: The type of vectors, or of bins.
        **kwargs: `trainable`.

    Raises:
        ValueError: If `num_bins` is not positive, or inputs are not several of one shape.

    >>> keras.layers.HashedCrossing(num_bins=5)((["a", "b"], [1, 2])).shape
    torch.Size([2])
    """

    _tk_takes_strings = True

    def __init__(
        self, num_bins: int, output_mode: str = "int", sparse: bool = False, name: str | None = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        given = {"dtype": dtype, **kwargs}
        self._bins = _bins_dtype(given)
        super().__init__(name=name, **vector_dtype(given))
        _check_bins(num_bins)
        self.num_bins, self.sparse = num_bins, sparse
        self.output_mode = check_mode(output_mode, ("int", "one_hot"), sparse)

    def call(self, inputs: Any) -> torch.Tensor:
        if not isinstance(inputs, (list, tuple)) or len(inputs) < 2:
            raise ValueError(f"Inputs of the layer {self.name!r} must be a list of two or more arrays. Received: {type(inputs).__name__}")
        arrays = [_as_numpy(x, self.name) for x in inputs]
        self._check_shapes([a.shape for a in arrays])
        columns = []
        for array in arrays:
            numbers = array.dtype.kind in "iub"
            columns.append(array.reshape(-1).astype(np.int64).view(np.uint64) if numbers else farmhash64(to_bytes(array)))
        with np.errstate(over="ignore"):
            bins = (cross64(columns) % np.uint64(self.num_bins)).astype(np.int64)
        return _to_output(self, bins.reshape(arrays[0].shape), inputs[0])

    def _check_shapes(self, shapes: list[Any]) -> None:
        if any(tuple(s) != tuple(shapes[0]) or len(s) > 2 or (len(s) == 2 and s[1] != 1) for s in shapes):
            raise ValueError(
                f"Inputs of the layer {self.name!r} must have one shape, (batch,), (batch, 1) or (). Received: {[tuple(s) for s in shapes]}"
            )

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return encoded_shape(input_shape[0], self.output_mode, self.num_bins)

    def compute_output_spec(self, inputs: Any) -> KerasTensor:
        self._check_shapes([x.shape for x in inputs])
        dtype = str(self._bins).removeprefix("torch.") if self.output_mode == "int" else self.compute_dtype
        return KerasTensor(self.compute_output_shape([x.shape for x in inputs]), dtype=dtype)


def _check_bins(num_bins: Any) -> None:
    if isinstance(num_bins, bool) or not isinstance(num_bins, int) or num_bins < 1:
        raise ValueError(f"`num_bins` must be a positive whole number. Received: num_bins={num_bins!r}")


def _bins_dtype(kwargs: dict[str, Any]) -> torch.dtype:
    """The type of bins: that asked for, if it is one of whole numbers."""
    return torch.int32 if named_dtype(kwargs) == "int32" else torch.int64


def _to_output(layer: Any, bins: np.ndarray, like: Any) -> torch.Tensor:
    device = like.device if isinstance(like, torch.Tensor) else layer._tk_device()
    indices = torch.from_numpy(np.ascontiguousarray(bins)).to(device)
    if layer.output_mode == "int":
        return indices.to(layer._bins)
    return encode(indices, layer.output_mode, layer.num_bins, layer._tk_compute)
