"""Attention layers: projections through `nn.Linear`, and torch's fused attention between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from .. import config, constraints, initializers, random, regularizers
from ..graph import KerasTensor
from ..ops.nn import dot_product_attention
from .layer import Layer

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class _Projected:
    """A Keras kernel `(*inputs, *outputs)` as the matrix `(outputs, inputs)` of an `nn.Linear`, or a bias as its vector."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def to_keras(self, *stored: torch.Tensor) -> torch.Tensor:
        return stored[0].t().reshape(*self.inputs, *self.outputs) if self.inputs else stored[0].reshape(self.outputs)

    def to_torch(self, value: torch.Tensor) -> tuple[torch.Tensor, ...]:
        if not self.inputs:
            return (value.reshape(-1),)
        return (value.reshape(math.prod(self.inputs), math.prod(self.outputs)).t(),)


class Projection(Layer):
    """`x @ kernel + bias` from some last axes to others, over one `nn.Linear`: Keras's EinsumDense inside its attention layers.

    Args:
        outputs: The sizes of the last axes of the output.
        consumed: How many last axes of the input are summed over.
        use_bias: Whether a bias is added.
        options: Initializers, regularizers and constraints of `kernel` and `bias`, by argument name.
        **kwargs: As for `Layer`.
    """

    _float_input = True

    def __init__(self, outputs: Sequence[int], consumed: int, use_bias: bool, options: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.outputs, self.consumed, self.use_bias, self.options = tuple(outputs), consumed, use_bias, options

    def build(self, input_shape: Shape) -> None:
        inputs: tuple[Any, ...] = tuple(input_shape[-self.consumed :])
        if None in inputs:
            raise ValueError(f"The last axis of the input of the layer {self.name!r} must be known. Received: input_shape={input_shape}")
        options = self.options
        self.linear = self.new_module(nn.Linear, math.prod(inputs), math.prod(self.outputs), bias=self.use_bias)
        self.kernel = self.wrap_weight(
            self.linear, "weight", "kernel", options["kernel_initializer"], _Projected(inputs, self.outputs),
            options["kernel_regularizer"], options["kernel_constraint"],
        )  # fmt: skip
        self.bias = None
        if self.use_bias:
            self.bias = self.wrap_weight(
                self.linear, "bias", "bias", options["bias_initializer"], _Projected((), self.outputs),
                options["bias_regularizer"], options["bias_constraint"],
            )  # fmt: skip

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs = self.linear(inputs if self.consumed == 1 else inputs.flatten(-self.consumed))
        return outputs if len(self.outputs) == 1 else outputs.unflatten(-1, self.outputs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[: -self.consumed], *self.outputs)


class _MultiHead(Layer):
    """What the attention layers with projections share: their options, and masks."""

    _config_unless_none = ()
    _keras_config_leaves_out: tuple[str, ...] = ("flash_attention", "autocast", "lora_rank", "lora_alpha")

    def _set_options(
        self, dropout: float, use_bias: bool, sliding_window: int | None, flash_attention: bool | None, use_gate: bool, seed: int | None,
        kernel_initializer: Any, bias_initializer: Any, kernel_regularizer: Any, bias_regularizer: Any, kernel_constraint: Any,
        bias_constraint: Any,
    ) -> None:  # fmt: skip
        if not 0 <= dropout <= 1:
            raise ValueError(f"`dropout` must be from 0 to 1. Received: dropout={dropout!r}")
        if sliding_window is not None and (not isinstance(sliding_window, int) or sliding_window <= 0):
            raise ValueError(f"`sliding_window` must be a positive integer or None. Received: sliding_window={sliding_window!r}")
        if flash_attention and dropout > 0:
            raise ValueError("Dropout is not supported when flash attention is asked for: pass `dropout=0.0` or `flash_attention=None`.")
        self.supports_masking = True
        self.dropout, self.use_bias, self.sliding_window = dropout, use_bias, sliding_window
        self.flash_attention, self.use_gate, self.seed = flash_attention, use_gate, seed
        self.seed_generator = random.SeedGenerator(seed)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)

    def _projection(self, outputs: Sequence[Any], consumed: int, name: str) -> Projection:
        options = {}
        for weight in ("kernel", "bias"):
            initializer = getattr(self, f"{weight}_initializer")  # one object would give every projection the same seeded numbers
            if hasattr(initializer, "get_config"):
                initializer = type(initializer).from_config(initializer.get_config())
            options[f"{weight}_initializer"] = initializer
            options[f"{weight}_regularizer"] = getattr(self, f"{weight}_regularizer")
            options[f"{weight}_constraint"] = getattr(self, f"{weight}_constraint")
        return Projection(outputs, consumed, self.use_bias, options, name=name, dtype=self.dtype_policy)

    def _joined_mask(
        self, queries: int, keys: int, device: torch.device, query_mask: Any, value_mask: Any, key_mask: Any, attention_mask: Any,
        causal: bool,
    ) -> torch.Tensor | None:
        """All masks as one, which broadcasts to `(batch, queries, keys)`; `None` when there is none."""
        parts = []
        if query_mask is not None:
            parts.append(query_mask.to(torch.bool).unsqueeze(-1))
        if value_mask is not None:
            parts.append(value_mask.to(torch.bool).unsqueeze(-2))
        if key_mask is not None:
            parts.append(key_mask.to(torch.bool).unsqueeze(-2))
        if causal or self.sliding_window is not None:
            rows = torch.arange(queries, device=device).unsqueeze(-1)
            columns = torch.arange(keys, device=device)
            if causal:
                parts.append((rows >= columns).unsqueeze(0))
            if self.sliding_window is not None:
                parts.append(((rows - columns).abs() < self.sliding_window).unsqueeze(0))
        if attention_mask is not None:
            parts.append(attention_mask.to(torch.bool))
        joined = None
        for part in parts:
            joined = part if joined is None else joined & part
        return joined

    def _attend(
        self,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        mask: torch.Tensor | None,
        causal: bool,
        training: bool,
        scores: bool,
        many_axes: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Attention of `(batch, heads, queries, size)` over as many or fewer heads of keys and values.

        As in Keras, a query that may look nowhere looks everywhere alike, but sees nothing where the layer has dropout, gives scores or
        attends over chosen axes.
        """
        if scores and self.flash_attention:
            raise ValueError(
                f"`return_attention_scores=True` is not supported in the layer {self.name!r}: flash attention is on and keeps no scores. "
                "Pass `flash_attention=False`."
            )
        grouped = k.shape[1] != q.shape[1]
        if not scores and not self.dropout and not many_axes:
            if mask is None and self.flash_attention is None and config.is_flash_attention_enabled():
                return F.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=grouped), None
            y = dot_product_attention(
                q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), mask=mask, is_causal=causal, flash_attention=self.flash_attention
            )
            return y.transpose(1, 2), None
        dropout = self.dropout if training else 0.0
        if not scores and not (dropout and self.seed is not None):  # torch's kernel draws from the global generator alone
            if mask is None:
                return F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=causal, enable_gqa=grouped), None
            added = torch.zeros((), dtype=q.dtype, device=q.device).where(mask, torch.finfo(q.dtype).min)
            y = F.scaled_dot_product_attention(q, k, v, added, dropout_p=dropout, enable_gqa=grouped)
            return y.masked_fill(~mask.any(-1, keepdim=True), 0.0), None
        if grouped:
            k, v = (t.repeat_interleave(q.shape[1] // t.shape[1], 1) for t in (k, v))
        if causal:
            mask = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=q.device).tril()
        logits = (q * (1.0 / math.sqrt(q.shape[-1]))) @ k.transpose(-1, -2)
        weights = _softmax(logits, mask)
        dropped = random.dropout(weights, dropout, seed=self.seed_generator) if dropout else weights
        return dropped @ v, weights

    def get_config(self) -> dict[str, Any]:
        return {k: v for k, v in super().get_config().items() if k not in self._keras_config_leaves_out}


class MultiHeadAttention(_MultiHead):
    """Scaled dot-product attention of several heads (Vaswani et al., "Attention is all you need", 2017).

    `layer(query, value, key=value)` for `query` of shape `(batch, queries, features)` and `value`, `key` of `(batch, keys, features)`;
    the output is `(batch, queries, features of query)` or ends in `output_shape`. `return_attention_scores` adds the scores,
    `(batch, heads, queries, keys)`. Masks of the arguments, `attention_mask` (broadcast to `(batch, queries, keys)`) and
    `use_causal_mask` are joined.

    Args:
        num_heads: How many heads.
        key_dim: The size of each head of queries and keys.
        value_dim: That of values; `key_dim` without it.
        dropout: The share of the scores that is dropped in training.
        use_bias: Whether the projections add biases.
        output_shape: The last axes of the output, an int or several.
        attention_axes: Which axes are attended over; all but the batch and the features without it.
        sliding_window: How far from itself a query may look, itself included.
        flash_attention: Demand or forbid torch's flash kernel; without it, the global setting and torch decide.
        kernel_initializer: Fills the kernels, `(features, heads, size)` and, in the output, `(heads, value size, features)`.
        bias_initializer: Fills the biases.
        kernel_regularizer: Adds to the loss of the model.
        bias_regularizer: Likewise.
        activity_regularizer: A regularizer of the output.
        kernel_constraint: Applied after every update.
        bias_constraint: Likewise.
        use_gate: Whether the heads are multiplied by a sigmoid gate of the query before the output projection.
        seed: Of the dropout.
        **kwargs: As for `Layer`.
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Any = None,
        attention_axes: Any = None,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        for what, size in (("num_heads", num_heads), ("key_dim", key_dim), ("value_dim", value_dim or 1)):
            if not isinstance(size, int) or size <= 0:
                raise ValueError(f"`{what}` must be a positive integer. Received: {what}={size!r}")
        self._set_options(
            dropout, use_bias, sliding_window, flash_attention, use_gate, seed, kernel_initializer, bias_initializer, kernel_regularizer,
            bias_regularizer, kernel_constraint, bias_constraint,
        )  # fmt: skip
        self.num_heads, self.key_dim, self.value_dim = num_heads, key_dim, value_dim or key_dim
        if output_shape is not None and not isinstance(output_shape, int):
            if not isinstance(output_shape, (list, tuple)) or not all(isinstance(n, int) for n in output_shape):
                raise ValueError(f"`output_shape` must be an int or several. Received: output_shape={output_shape!r}")
        self._output_dims = None if output_shape is None else (output_shape,) if isinstance(output_shape, int) else tuple(output_shape)
        if attention_axes is not None:
            attention_axes = (attention_axes,) if isinstance(attention_axes, int) else tuple(attention_axes)
        self.attention_axes: Any = attention_axes

    def build(self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None) -> None:  # type: ignore[override]
        key_shape = value_shape if key_shape is None else key_shape
        if value_shape[1:-1] != key_shape[1:-1]:
            raise ValueError(
                f"`value` and `key` must have the same axes between the batch and the features. Received: value_shape={value_shape}, "
                f"key_shape={key_shape}"
            )
        ndim = len(query_shape)
        axes = self.attention_axes
        self.attention_axes = tuple(range(1, ndim - 1)) if axes is None else tuple(a if a >= 0 else ndim + a for a in axes)
        if any(not 0 < a < ndim - 1 for a in self.attention_axes):
            raise ValueError(f"`attention_axes` must lie between the batch and the features of {query_shape}. Received: {axes}")
        heads = self.num_heads
        self.query_dense = self._projection((heads, self.key_dim), 1, "query")
        self.query_dense.build(query_shape)
        self.key_dense = self._projection((heads, self.key_dim), 1, "key")
        self.key_dense.build(key_shape)
        if self.use_gate:
            self._gate_dense = self._projection((heads, self.value_dim), 1, "gate")
            self._gate_dense.build(query_shape)
        self.value_dense = self._projection((heads, self.value_dim), 1, "value")
        self.value_dense.build(value_shape)
        self.output_dense = self._projection(self._output_dims or (query_shape[-1],), 2, "attention_output")
        self.output_dense.build((*query_shape[:-1], heads, self.value_dim))

    def call(
        self,
        query: torch.Tensor,
        value: torch.Tensor,
        key: torch.Tensor | None = None,
        query_mask: torch.Tensor | None = None,
        value_mask: torch.Tensor | None = None,
        key_mask: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        masked = not (query_mask is value_mask is key_mask is attention_mask is self.sliding_window is None)
        causal = use_causal_mask and not masked and len(self.attention_axes) == 1  # the kernel's own causal mask
        mask = None
        if masked or (use_causal_mask and not causal):
            if len(self.attention_axes) > 1 and (use_causal_mask or self.sliding_window is not None):
                raise ValueError(
                    f"The layer {self.name!r} attends over several axes, which have no order: `use_causal_mask` and `sliding_window` need "
                    f"one axis. Received: attention_axes={self.attention_axes}"
                )
            axis = self.attention_axes[0]
            mask = self._joined_mask(
                query.shape[axis], value.shape[axis], query.device, query_mask, value_mask, key_mask, attention_mask, use_causal_mask
            )
        q = self.query_dense.linear(query).unflatten(-1, (self.num_heads, -1))
        k = self.key_dense.linear(value if key is None else key).unflatten(-1, (self.num_heads, -1))
        v = self.value_dense.linear(value).unflatten(-1, (self.num_heads, -1))
        gate = torch.sigmoid(self._gate_dense.linear(query)) if self.use_gate else None
        if q.dim() == 4:
            if mask is not None and mask.dim() == 3:
                mask = mask.unsqueeze(1)
            y, scores = self._attend(
                q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), mask, causal, training, return_attention_scores
            )
            y = y.transpose(1, 2)
        else:
            y, scores = self._attend_axes(q, k, v, mask, causal, training, return_attention_scores)
        y = y.flatten(-2)
        y = self.output_dense.linear(y if gate is None else y * gate)
        if self._output_dims is not None and len(self._output_dims) > 1:
            y = y.unflatten(-1, self._output_dims)
        return (y, scores) if return_attention_scores else y

    def _attend_axes(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None, causal: bool, training: bool, scores: bool
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Attention over some of many axes: those become one, and all others join the batch."""
        axes = self.attention_axes
        free = [a for a in range(q.dim() - 2) if a not in axes]
        order = [*free, q.dim() - 2, *axes, q.dim() - 1]  # (batch, ..., heads, attended ..., size)

        def arranged(t: torch.Tensor) -> torch.Tensor:
            t = t.permute(order)
            return t.flatten(len(free) + 1, -2).flatten(0, len(free) - 1)

        queries, keys = [q.shape[a] for a in axes], [k.shape[a] for a in axes]
        outer = [q.shape[a] for a in free]
        if mask is not None:  # (batch, ..., queries ..., keys ...), without the heads
            full = len(outer) + 1 + 2 * len(axes)
            place = mask.dim() - 2 * len(axes)
            for _ in range(full - mask.dim()):
                mask = mask.unsqueeze(place)
            mask = mask.expand(*outer, -1, *queries, *keys)
            mask = mask.reshape(math.prod(outer), -1, math.prod(queries), math.prod(keys))
        y, weights = self._attend(arranged(q), arranged(k), arranged(v), mask, causal, training, scores, many_axes=True)
        y = y.reshape(*outer, q.shape[-2], *queries, v.shape[-1])
        y = y.permute([order.index(a) for a in range(q.dim())])
        return y, None if weights is None else weights.reshape(*outer, q.shape[-2], *queries, *keys)

    def compute_output_shape(self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None) -> Shape:
        key_shape = value_shape if key_shape is None else key_shape
        if value_shape[1:-1] != key_shape[1:-1]:
            raise ValueError(
                f"`value` and `key` must have the same axes between the batch and the features. Received: value_shape={value_shape}, "
                f"key_shape={key_shape}"
            )
        return (*query_shape[:-1], *(self._output_dims or query_shape[-1:]))

    def compute_output_spec(
        self, query: Any, value: Any, key: Any = None, *args: Any, return_attention_scores: bool = False, **kwargs: Any
    ) -> Any:
        shapes = [tuple(t.shape) for t in (query, value, key) if t is not None]
        output = KerasTensor(self.compute_output_shape(*shapes), dtype=self.compute_dtype)
        if not (args[4] if len(args) > 4 else return_attention_scores):
            return output
        axes = self.attention_axes
        outer = [n for a, n in enumerate(shapes[0][:-1]) if a not in axes]
        scores = (*outer, self.num_heads, *(shapes[0][a] for a in axes), *(shapes[1][a] for a in axes))
        return output, KerasTensor(scores, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "output_shape": self._output_dims}


class GroupedQueryAttention(_MultiHead):
    """Attention in which groups of query heads share a head of keys and values (Ainslie et al., "GQA", 2023).

    It is called as `MultiHeadAttention` is.

    Args:
        head_dim: The size of each head.
        num_query_heads: How many heads the queries have.
        num_key_value_heads: How many the keys and values have; divides `num_query_heads`.
        dropout: As in `MultiHeadAttention`, like all that follow.
        use_bias: See there.
        sliding_window: See there.
        flash_attention: See there.
        kernel_initializer: See there.
        bias_initializer: See there.
        kernel_regularizer: See there.
        bias_regularizer: See there.
        activity_regularizer: See there.
        kernel_constraint: See there.
        bias_constraint: See there.
        use_gate: See there.
        seed: See there.
        **kwargs: As for `Layer`.
    """

    _keras_class_name = "GroupQueryAttention"

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        if num_query_heads % num_key_value_heads:
            raise ValueError(
                "`num_key_value_heads` must divide `num_query_heads`. Received: "
                f"num_query_heads={num_query_heads}, num_key_value_heads={num_key_value_heads}"
            )
        self._set_options(
            dropout, use_bias, sliding_window, flash_attention, use_gate, seed, kernel_initializer, bias_initializer, kernel_regularizer,
            bias_regularizer, kernel_constraint, bias_constraint,
        )  # fmt: skip
        self.head_dim, self.num_query_heads, self.num_key_value_heads = head_dim, num_query_heads, num_key_value_heads

    def build(self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None) -> None:  # type: ignore[override]
        query_heads, key_heads = (self.num_query_heads, self.head_dim), (self.num_key_value_heads, self.head_dim)
        self._query_dense = self._projection(query_heads, 1, "query")
        self._query_dense.build(query_shape)
        self._key_dense = self._projection(key_heads, 1, "key")
        self._key_dense.build(value_shape if key_shape is None else key_shape)
        if self.use_gate:
            self._gate_dense = self._projection(query_heads, 1, "gate")
            self._gate_dense.build(query_shape)
        self._value_dense = self._projection(key_heads, 1, "value")
        self._value_dense.build(value_shape)
        self._output_dense = self._projection((query_shape[-1],), 2, "attention_output")
        self._output_dense.build((*query_shape[:-1], *query_heads))

    def call(
        self,
        query: torch.Tensor,
        value: torch.Tensor,
        key: torch.Tensor | None = None,
        query_mask: torch.Tensor | None = None,
        value_mask: torch.Tensor | None = None,
        key_mask: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        masked = not (query_mask is value_mask is key_mask is attention_mask is self.sliding_window is None)
        mask: Any = None
        if masked:
            mask = self._joined_mask(
                query.shape[1], value.shape[1], query.device, query_mask, value_mask, key_mask, attention_mask, use_causal_mask
            )
            mask = mask.unsqueeze(1) if mask.dim() == 3 else mask
        q = self._query_dense.linear(query).unflatten(-1, (self.num_query_heads, -1)).transpose(1, 2)
        k = self._key_dense.linear(value if key is None else key).unflatten(-1, (self.num_key_value_heads, -1)).transpose(1, 2)
        v = self._value_dense.linear(value).unflatten(-1, (self.num_key_value_heads, -1)).transpose(1, 2)
        y, scores = self._attend(q, k, v, mask, use_causal_mask and not masked, training, return_attention_scores)
        y = y.transpose(1, 2).flatten(-2)
        y = self._output_dense.linear(y * torch.sigmoid(self._gate_dense.linear(query)) if self.use_gate else y)
        return (y, scores) if return_attention_scores else y

    def compute_output_shape(self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None) -> Shape:
        return query_shape

    def compute_output_spec(
        self, query: Any, value: Any, key: Any = None, *args: Any, return_attention_scores: bool = False, **kwargs: Any
    ) -> Any:
        output = KerasTensor(query.shape, dtype=self.compute_dtype)
        if not (args[4] if len(args) > 4 else return_attention_scores):
            return output
        shape = (query.shape[0], self.num_query_heads, query.shape[1], value.shape[1])
        return output, KerasTensor(shape, dtype=self.compute_dtype)


GroupQueryAttention = GroupedQueryAttention  # the name under which Keras exports it


class Attention(Layer):
    """Attention without projections (Luong et al., 2015): `layer([query, value])` or `layer([query, value, key])`.

    `query` is `(batch, queries, size)`, `value` `(batch, keys, value size)`, the output `(batch, queries, value size)`.
    `return_attention_scores` adds the scores, `(batch, queries, keys)`. `mask` is a list like the inputs.

    Args:
        use_scale: Whether the logits are multiplied by a trained number.
        score_mode: `"dot"`: the logits are products of query and key; `"concat"`: sums over `tanh(query + key)`.
        dropout: The share of the scores that is dropped in training.
        seed: Of the dropout.
        **kwargs: As for `Layer`.
    """

    def __init__(
        self, use_scale: bool = False, score_mode: str = "dot", dropout: float = 0.0, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if score_mode not in ("dot", "concat"):
            raise ValueError(f"`score_mode` must be 'dot' or 'concat'. Received: score_mode={score_mode!r}")
        self.use_scale, self.score_mode, self.dropout, self.seed = use_scale, score_mode, dropout, seed
        self.seed_generator = random.SeedGenerator(seed)
        self.supports_masking = True
        self.scale: Any = None
        self.concat_score_weight: Any = None

    def build(self, input_shape: list[Shape]) -> None:
        self._check_count(input_shape)
        if self.use_scale:
            self.scale = self.add_weight(name="scale", shape=(), initializer="ones")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight(name="concat_score_weight", shape=(), initializer="ones")

    def _check_count(self, inputs: Any) -> None:
        if not isinstance(inputs, (list, tuple)) or len(inputs) not in (2, 3) or isinstance(inputs[0], int):
            raise ValueError(
                f"`inputs` of the layer {self.name!r} must be a list, [query, value] or [query, value, key]. Received: {inputs!r}"
            )

    def call(
        self,
        inputs: list[torch.Tensor],
        mask: list[Any] | None = None,
        training: bool = False,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        self._check_count(inputs)
        q, v = inputs[:2]
        k = inputs[2] if len(inputs) > 2 else v
        query_mask, value_mask = self._checked_masks(mask)
        seen = None if value_mask is None else value_mask.to(torch.bool).unsqueeze(-2)
        if use_causal_mask:
            before = torch.ones(q.shape[1], k.shape[1], dtype=torch.bool, device=q.device).tril()
            seen = before if seen is None else seen & before
        logits = self._logits(q, k)
        if seen is not None:  # added, so that a query that may look nowhere still has a gradient, as in Keras
            logits = logits - (~seen).to(logits.dtype) * (6e4 if logits.dtype is torch.float16 else 1e9)
        weights = torch.softmax(logits, -1)
        if training and self.dropout:
            weights = random.dropout(weights, self.dropout, seed=self.seed_generator)
        y = weights @ v
        if query_mask is not None:
            y = y.masked_fill(~query_mask.to(torch.bool).unsqueeze(-1), 0.0)
        return (y, weights) if return_attention_scores else y

    def _checked_masks(self, mask: Any) -> tuple[Any, Any]:
        if mask is None:
            return None, None
        if not isinstance(mask, (list, tuple)) or len(mask) not in (2, 3):
            raise ValueError(
                f"`mask` of the layer {self.name!r} must be a list, [query_mask, value_mask], possibly with a third. Received: {mask!r}"
            )
        return mask[0], mask[1]

    def _logits(self, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        if self.score_mode == "dot":
            logits = q @ k.transpose(-1, -2)
            return logits if self.scale is None else logits * self.scale
        added = q.unsqueeze(-2) + k.unsqueeze(-3)
        return self.concat_score_weight * torch.tanh(added if self.scale is None else self.scale * added).sum(-1)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        return self._checked_masks(previous_mask)[0]

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        return (*input_shape[0][:-1], input_shape[1][-1])

    def compute_output_spec(
        self, inputs: Any, mask: Any = None, training: bool = False, return_attention_scores: bool = False, use_causal_mask: bool = False
    ) -> Any:
        self._check_count(inputs)
        shapes = [tuple(t.shape) for t in inputs]
        output = KerasTensor(self.compute_output_shape(shapes), dtype=self.compute_dtype)
        if not return_attention_scores:
            return output
        return output, KerasTensor((*shapes[0][:-1], shapes[-1][1]), dtype=self.compute_dtype)


class AdditiveAttention(Attention):
    """Attention whose logits are sums over `scale * tanh(query + key)` (Bahdanau et al., 2014); called as `Attention` is.

    Args:
        use_scale: Whether `scale`, one number for each feature, is there.
        dropout: As in `Attention`.
        **kwargs: As for `Attention`.
    """

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(use_scale=use_scale, dropout=dropout, **kwargs)

    def build(self, input_shape: list[Shape]) -> None:
        self._check_count(input_shape)
        if self.use_scale:
            self.scale = self.add_weight(name="scale", shape=(input_shape[0][-1],), initializer="glorot_uniform")

    def _logits(self, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        added = torch.tanh(q.unsqueeze(-2) + k.unsqueeze(-3))
        return added.sum(-1) if self.scale is None else (added * self.scale).sum(-1)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["score_mode"]
        return config


def _softmax(logits: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Over the last axis, among what the mask lets through: zeros where that is nothing."""
    if mask is None:
        return torch.softmax(logits, -1)
    return torch.softmax(logits.masked_fill(~mask, torch.finfo(logits.dtype).min), -1).masked_fill(~mask, 0.0)
