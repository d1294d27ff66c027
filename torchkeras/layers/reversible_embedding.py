"""ReversibleEmbedding: a table of rows for numbers that also maps rows back to a score for each number."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from .. import dtypes
from ..graph import KerasTensor
from ..typing import Identifier, InitializerLike
from .core import Embedding


class ReversibleEmbedding(Embedding):
    """An Embedding that, called with `reverse=True`, projects back: the input and the output layer of a language model.

    Forward, `(batch, ...)` of whole numbers gives `(batch, ..., output_dim)`. In reverse, `(batch, ..., output_dim)` gives
    `(batch, ..., input_dim)`, the products with every row of the table.

    Args:
        input_dim: How many rows the table has.
        output_dim: How long a row is.
        tie_weights: Whether the way back uses the table; else it has a weight of its own, `reverse_embeddings`, `(output_dim, input_dim)`.
        embeddings_initializer: Fills the table, and `reverse_embeddings`.
        embeddings_regularizer: Of the table; adds to the loss of the model.
        embeddings_constraint: Of the table; applied after every update.
        mask_zero: Whether the number 0 is padding: the output then carries a mask.
        reverse_dtype: The type that the way back computes and gives its result in; without one that of the table, under a mixed policy
            too, or of the inputs where it is wider.
        logit_soft_cap: Bends the result of the way back to `cap * tanh(result / cap)`; `None` leaves it.
        **kwargs: `weights` (the first values of the table), `lora_rank` and `lora_alpha`; `name`, `trainable`, `dtype`,
            `activity_regularizer` and `autocast`, which every layer takes.

    >>> keras.layers.ReversibleEmbedding(10, 4)(torch.tensor([[1, 2, 3]])).shape
    torch.Size([1, 3, 4])
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        tie_weights: bool = True,
        embeddings_initializer: InitializerLike = "uniform",
        embeddings_regularizer: Identifier = None,
        embeddings_constraint: Identifier = None,
        mask_zero: bool = False,
        reverse_dtype: Any = None,
        logit_soft_cap: float | None = None,
        **kwargs: Any,
    ) -> None:
        self.tie_weights = tie_weights  # before a table that is given builds the layer
        super().__init__(input_dim, output_dim, embeddings_initializer, embeddings_regularizer, embeddings_constraint, mask_zero, **kwargs)
        self.reverse_dtype = None if reverse_dtype is None else dtypes.standardize_dtype(reverse_dtype)
        self.logit_soft_cap = logit_soft_cap

    def build(self, input_shape: tuple[int | None, ...] | None = None) -> None:
        super().build(input_shape)
        if not self.tie_weights:
            self.reverse_embeddings = self.add_weight(
                (self.output_dim, self.input_dim), self.embeddings_initializer, name="reverse_embeddings"
            )

    def call(self, inputs: torch.Tensor, reverse: bool = False) -> torch.Tensor:
        if reverse:
            return self._project(inputs)
        outputs = super().call(inputs)
        if self.mask_zero:
            outputs._keras_mask = inputs != 0  # type: ignore[attr-defined]
        return outputs

    def _project(self, inputs: torch.Tensor) -> torch.Tensor:
        dtype = self._reverse_type(inputs.dtype)
        inputs = inputs.to(dtype)
        if self.tie_weights:
            logits = F.linear(inputs, self.embedding.weight.to(dtype))
            if self.lora_enabled:
                a, b = self._lora_factors
                logits = logits + (inputs @ b.to(dtype).t() @ a.to(dtype).t()) * self._lora_scale()
        else:
            logits = inputs @ self.reverse_embeddings.to(dtype)
        cap = self.logit_soft_cap
        return logits if cap is None else torch.tanh(logits / cap) * cap

    def _reverse_type(self, given: torch.dtype) -> torch.dtype:
        if self.reverse_dtype is not None:
            return dtypes.to_torch_dtype(self.reverse_dtype)
        return torch.promote_types(given, dtypes.to_torch_dtype(self.variable_dtype))

    def compute_mask(self, inputs: torch.Tensor, mask: Any = None) -> Any:
        return None  # `call` sets it, since it knows the direction

    def compute_output_shape(self, input_shape: tuple[int | None, ...], reverse: bool = False) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.input_dim) if reverse else (*input_shape, self.output_dim)

    def compute_output_spec(self, inputs: Any, reverse: bool = False) -> KerasTensor:
        dtype = self.compute_dtype
        if reverse:
            dtype = dtypes.standardize_dtype(self._reverse_type(dtypes.to_torch_dtype(inputs.dtype)))
        return KerasTensor(self.compute_output_shape(inputs.shape, reverse), dtype=dtype)
