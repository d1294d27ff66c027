"""Indices to vectors: one-hot, multi-hot and counts, and the layer CategoryEncoding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ... import dtypes
from ...checks import check_numbers
from ...graph import KerasTensor
from ..layer import TensorLayer

OUTPUT_MODES = ("int", "one_hot", "multi_hot", "count")


def check_mode(mode: Any, known: Sequence[str], sparse: Any = False) -> str:
    """The output mode, if it is a known one.

    Raises:
        ValueError: If it is unknown, or sparse outputs are asked for.
    """
    if mode not in known:
        raise ValueError(f"`output_mode` must be one of {', '.join(map(repr, known))}. Received: output_mode={mode!r}")
    if sparse:
        raise ValueError("`sparse` must be False: torch's layers take dense tensors. Received: sparse=True. Call `.to_sparse()` on them.")
    return str(mode)


def encode(indices: torch.Tensor, mode: str, depth: int, dtype: torch.dtype, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Vectors of `depth` numbers for indices; a negative index stands for nothing.

    Args:
        indices: Integers `(..., length)`.
        mode: `"int"` for the indices as they are, `"one_hot"` for a vector for each, `"multi_hot"` and `"count"` for one vector for the
            last axis.
        depth: The number of classes.
        dtype: The type of the vectors.
        weights: What each index counts in `"count"`, 1 without it.
    """
    if mode == "int":
        return indices
    if indices.dim() == 0:
        indices = indices.unsqueeze(0)
        weights = weights if weights is None else weights.unsqueeze(0)
    indices = indices.long()
    if mode == "one_hot":
        if indices.dim() > 1 and indices.shape[-1] == 1:
            indices = indices.squeeze(-1)
        return (indices.unsqueeze(-1) == torch.arange(depth, device=indices.device)).to(dtype)
    known = indices >= 0
    amounts = known.to(dtype) if weights is None else torch.where(known, weights.to(dtype), 0)
    counts = torch.zeros((*indices.shape[:-1], depth), dtype=dtype, device=indices.device)
    counts = counts.scatter_add(-1, indices.clamp(min=0), amounts)
    return (counts > 0).to(dtype) if mode == "multi_hot" else counts


def encoded_shape(shape: Sequence[int | None], mode: str, depth: int | None) -> tuple[int | None, ...]:
    """The shape that `encode` gives for indices of this shape."""
    if mode == "int":
        return tuple(shape)
    if mode == "one_hot":
        inner = tuple(shape)[:-1] if len(shape) > 1 and shape[-1] == 1 else tuple(shape) or (1,)
        return (*inner, depth)
    return (*tuple(shape)[:-1], depth)


def check_indices(indices: torch.Tensor, depth: int, name: str) -> None:
    """Check on the CPU that indices are below `depth`; on other devices, which compute while Python goes on, nothing is read.

    Raises:
        ValueError: If one is not.
    """
    if torch.compiler.is_compiling() or type(indices) is not torch.Tensor or indices.device.type != "cpu" or not indices.numel():
        return
    if torch._C._are_functorch_transforms_active():
        return
    largest = int(indices.max())
    if largest >= depth:
        raise ValueError(f"Inputs of the layer {name!r} must be below its number of classes, {depth}. Received: {largest}")


class CategoryEncoding(TensorLayer):
    """Whole numbers as one-hot vectors, or each row of them as one vector of presences or counts; negative numbers stand for nothing.

    Inputs `(batch, length)` give `(batch, num_tokens)`; for `"one_hot"` each number gives a vector, and a last axis of size 1 is
    replaced by it.

    Args:
        num_tokens: The number of classes: inputs are from 0 to `num_tokens - 1`.
        output_mode: `"one_hot"`, `"multi_hot"` or `"count"`.
        sparse: Kept for Keras's signature; must be false, torch's layers take dense tensors.
        **kwargs: `name`, `dtype` (the type of the outputs) and `trainable`.

    Raises:
        ValueError: If `num_tokens` is missing, `output_mode` is unknown, or an input is not below `num_tokens`.

    >>> keras.layers.CategoryEncoding(num_tokens=4, output_mode="one_hot")([2, 0])
    tensor([[0., 0., 1., 0.],
            [1., 0., 0., 0.]])
    """

    def __init__(self, num_tokens: int | None = None, output_mode: str = "multi_hot", sparse: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if num_tokens is None:
            raise ValueError("`num_tokens` must be given. Where the number of classes is not known, use `IntegerLookup`.")
        if output_mode == "binary":  # Keras 2
            output_mode = "multi_hot"
        check_numbers(1, whole=True, num_tokens=num_tokens)
        self.num_tokens, self.sparse = num_tokens, sparse
        self.output_mode = check_mode(output_mode, OUTPUT_MODES[1:], sparse)

    def call(self, inputs: torch.Tensor, count_weights: torch.Tensor | None = None) -> torch.Tensor:
        if count_weights is not None and self.output_mode != "count":
            raise ValueError(
                f"`count_weights` are used by `output_mode='count'` only. The layer {self.name!r} has output_mode={self.output_mode!r}"
            )
        check_indices(inputs, self.num_tokens, self.name)
        return encode(inputs, self.output_mode, self.num_tokens, dtypes.to_torch_dtype(self.compute_dtype), count_weights)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return encoded_shape(input_shape, self.output_mode, self.num_tokens)

    def compute_output_spec(self, inputs: Any, count_weights: Any = None) -> KerasTensor:
        return KerasTensor(self.compute_output_shape(inputs.shape), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("sparse")
        return config


def named_dtype(kwargs: dict[str, Any]) -> str | None:
    """The name of `dtype` among the arguments of a constructor, whether it is a name or a config."""
    given = kwargs.get("dtype")
    given = given.get("config", {}).get("name") if isinstance(given, dict) else given
    return given if isinstance(given, str) else None


def vector_dtype(kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments for `Layer`: a `dtype` of whole numbers or of strings, which Keras's configs hold, is none of vectors."""
    name = named_dtype(kwargs)
    return {k: v for k, v in kwargs.items() if k != "dtype"} if name and (name == "string" or "int" in name) else kwargs
