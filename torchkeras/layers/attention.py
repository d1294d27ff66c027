"""Attention layers: projections by EinsumDense layers, and torch's fused attention between them."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F

from .. import config, random, regularizers
from ..graph import KerasTensor
from ..ops.nn import dot_product_attention
from ..typing import Identifier, InitializerLike
from .activation import Softmax
from .einsum_dense import EinsumDense
from .entry import way
from .layer import Layer
from .regularization import Dropout

Shape = tuple[int | None, ...]


class _MultiHead(Layer):
    """What the attention layers with projections share: their options, their sub-layers, and the way through them."""

    _tk_config_unless_none = ()
    _keras_config_leaves_out: tuple[str, ...] = ("flash_attention", "autocast", "lora_rank", "lora_alpha")
    attention_axes: Any

    def _set_options(
        self, dropout: float, use_bias: bool, sliding_window: int | None, flash_attention: bool | None, use_gate: bool, seed: int | None,
        activity_regularizer: Identifier,
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
        self._activity_regularizer = regularizers.get(activity_regularizer)

    def _tk_dense(
        self, name: str, input_shape: Shape, outputs: Sequence[int], consumed: int = 1, activation: Identifier = None
    ) -> EinsumDense:
        """A built EinsumDense from the last axes of its input, as many as `consumed`, to the axes `outputs`."""
        free = len(input_shape) - consumed
        letters = string.ascii_lowercase
        kept, summed, made = letters[:free], letters[free : free + consumed], letters[free + consumed : free + consumed + len(outputs)]
        options: dict[str, Any] = {"activity_regularizer": self._activity_regularizer}
        for weight in ("kernel", "bias"):
            initializer = getattr(self, f"{weight}_initializer")  # one object would give every projection the same seeded numbers
            if hasattr(initializer, "get_config"):
                initializer = type(initializer).from_config(initializer.get_config())
            options[f"{weight}_initializer"] = initializer
            options[f"{weight}_regularizer"] = getattr(self, f"{weight}_regularizer")
            options[f"{weight}_constraint"] = getattr(self, f"{weight}_constraint")
        dense = EinsumDense(
            f"{kept}{summed},{summed}{made}->{kept}{made}",
            output_shape=(*(None,) * (free - 1), *outputs),
            activation=activation,
            bias_axes=made if self.use_bias else None,
            name=name,
            dtype=self.dtype_policy,
            **options,
        )
        dense.build(input_shape)
        return dense

    def _build_parts(
        self, query_shape: Shape, value_shape: Shape, key_shape: Shape, heads: int, key_heads: int, key_dim: int, value_dim: int,
        outputs: Sequence[Any],
    ) -> None:  # fmt: skip
        """Make the sub-layers, in the order in which Keras lists their weights."""
        self._query_dense = self._tk_dense("query", query_shape, (heads, key_dim))
        self._key_dense = self._tk_dense("key", key_shape, (key_heads, key_dim))
        if self.use_gate:
            self._gate_dense = self._tk_dense("gate", query_shape, (heads, value_dim), activation="sigmoid")
        self._value_dense = self._tk_dense("value", value_shape, (key_heads, value_dim))
        keys = tuple(range(len(query_shape), len(query_shape) + len(self.attention_axes)))  # their axes among those of the scores
        self._softmax = Softmax(keys, dtype=self.dtype_policy)
        self._dropout_layer = Dropout(self.dropout, seed=self.seed, dtype=self.dtype_policy)
        for part in (self._softmax, self._dropout_layer):
            part.build((*query_shape[:-1], heads))
        self._output_dense = self._tk_dense("attention_output", (*query_shape[:-1], heads, value_dim), outputs, consumed=2)

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
        own = type(self)._compute_attention is _MultiHead._compute_attention
        causal = use_causal_mask and not masked and own and len(self.attention_axes) == 1  # the kernel's own causal mask
        options: dict[str, Any] = {}
        if causal:
            options["use_causal_mask"] = True
        if return_attention_scores:
            options["return_attention_scores"] = True
        mask = None
        if masked or (use_causal_mask and not causal):
            mask = self._compute_attention_mask(query, value, query_mask, value_mask, key_mask, attention_mask, use_causal_mask)
            # The sub-layers get the tensors without their masks, which have been used up.
            query, value, key = _without_mask(query), _without_mask(value), None if key is None else _without_mask(key)
        parts, call = self._modules, way()
        q = call(parts["_query_dense"], query)
        k = call(parts["_key_dense"], value if key is None else key)
        v = call(parts["_value_dense"], value)
        if not own and k.shape[-2] != q.shape[-2]:  # an override takes as many heads of keys and values as of queries
            k, v = (t.repeat_interleave(q.shape[-2] // t.shape[-2], -2) for t in (k, v))
        y, scores = self._compute_attention(q, k, v, mask, training, **options)
        if self.use_gate:
            y = y * call(parts["_gate_dense"], query)
        y = call(parts["_output_dense"], y)
        return (y, scores) if return_attention_scores else y

    def _compute_attention_mask(
        self,
        query: torch.Tensor,
        value: torch.Tensor,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        use_causal_mask: bool = False,
    ) -> torch.Tensor | None:
        """All masks as one, which broadcasts to `(batch, queries, keys)` or has the heads after the batch; `None` when there is none."""
        if len(self.attention_axes) > 1 and (use_causal_mask or self.sliding_window is not None):
            raise ValueError(
                f"The layer {self.name!r} attends over several axes, which have no order: `use_causal_mask` and `sliding_window` need "
                f"one axis. Received: attention_axes={self.attention_axes}"
            )
        parts = []
        if query_mask is not None:
            parts.append(query_mask.to(torch.bool).unsqueeze(-1))
        if value_mask is not None:
            parts.append(value_mask.to(torch.bool).unsqueeze(-2))
        if key_mask is not None:
            parts.append(key_mask.to(torch.bool).unsqueeze(-2))
        if use_causal_mask or self.sliding_window is not None:
            axis = self.attention_axes[0]
            rows = torch.arange(query.shape[axis], device=query.device).unsqueeze(-1)
            columns = torch.arange(value.shape[axis], device=query.device)
            if use_causal_mask:
                parts.append((rows >= columns).unsqueeze(0))
            if self.sliding_window is not None:
                parts.append(((rows - columns).abs() < self.sliding_window).unsqueeze(0))
        joined = None if attention_mask is None else attention_mask.to(torch.bool)
        apart = attention_mask is not None and query.dim() == 3 and attention_mask.dim() == 4  # it has an axis of heads
        for part in parts:
            part = part.unsqueeze(1) if apart else part
            joined = part if joined is None else joined & part
        return joined

    def _compute_attention(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        training: bool | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Attention between the projections, each `(batch, length, heads, size)`: what a subclass overrides to attend in another way.

        As in Keras, a query that may look nowhere looks everywhere alike, but sees nothing where the layer has dropout, gives scores or
        attends over chosen axes.

        Args:
            query: The queries.
            key: The keys; their heads divide those of the queries.
            value: The values.
            attention_mask: True where a query may look; broadcasts to `(batch, queries, keys)`, heads after the batch if it has them.
            training: Whether scores are dropped.
            return_attention_scores: Whether the scores are the second result, which is `None` without it.
            use_causal_mask: Whether no query looks at later keys; for calls without `attention_mask`.
        """
        if return_attention_scores and self.flash_attention:
            raise ValueError(
                f"`return_attention_scores=True` is not supported in the layer {self.name!r}: flash attention is on and keeps no scores. "
                "Pass `flash_attention=False`."
            )
        mask, axes = attention_mask, self.attention_axes
        if mask is not None:
            for _ in range(query.dim() - 1 + len(axes) - mask.dim()):
                mask = mask.unsqueeze(-2 * len(axes) - 1)
        dropout = self.dropout if training else 0.0
        if query.dim() == 4 and not return_attention_scores and not self.dropout:
            return self._fused(query, key, value, mask, use_causal_mask), None
        if query.dim() == 4:
            q, k, v = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
            y, scores = self._attend(q, k, v, mask, use_causal_mask, dropout, return_attention_scores, q.shape[-2:-1], k.shape[-2:-1])
            return y.transpose(1, 2), scores
        # Of many axes, those attended over become one; all others stay in front, where the kernel broadcasts the mask over them.
        free = [a for a in range(query.dim() - 2) if a not in axes]
        order = [*free, query.dim() - 2, *axes, query.dim() - 1]  # (batch, ..., heads, attended ..., size)
        q, k, v = (t.permute(order).flatten(len(free) + 1, -2) for t in (query, key, value))
        queries, keys = torch.Size(query.shape[a] for a in axes), torch.Size(key.shape[a] for a in axes)
        if mask is not None and len(axes) > 1:
            mask = mask.expand(*mask.shape[: -2 * len(axes)], *queries, *keys).flatten(-len(axes)).flatten(-len(axes) - 1, -2)
        y, scores = self._attend(q, k, v, mask, use_causal_mask, dropout, return_attention_scores, queries, keys)
        return y.unflatten(-2, queries).permute([order.index(a) for a in range(len(order))]), scores

    def _fused(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, causal: bool) -> torch.Tensor:
        if mask is None and self.flash_attention is None and config.is_flash_attention_enabled() is not False:
            q, k, v = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
            grouped = bool(k.shape[1] != q.shape[1])  # sizes are tensors to torch.jit.trace
            return F.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=grouped).transpose(1, 2)
        return dot_product_attention(query, key, value, mask=mask, is_causal=causal, flash_attention=self.flash_attention)

    def _attend(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None, causal: bool, dropout: float, scores: bool,
        queries: torch.Size, keys: torch.Size,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:  # fmt: skip
        """Attention of `(..., heads, queries, size)` where queries that may look nowhere see nothing.

        The sizes `queries` and `keys` are those of the axes attended over, which the scores have apart.
        """
        grouped = k.shape[-3] != q.shape[-3]
        if not scores and not (dropout and self.seed is not None):  # torch's kernel draws from the global generator alone
            if mask is None:
                return F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=causal, enable_gqa=grouped), None
            added = torch.zeros((), dtype=q.dtype, device=q.device).where(mask, torch.finfo(q.dtype).min)
            y = F.scaled_dot_product_attention(q, k, v, added, dropout_p=dropout, enable_gqa=grouped)
            return y.masked_fill(~mask.any(-1, keepdim=True), 0.0), None
        if grouped:
            k, v = (t.repeat_interleave(q.shape[-3] // t.shape[-3], -3) for t in (k, v))
        if causal:
            mask = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool, device=q.device).tril()
        logits = (q * (1.0 / math.sqrt(q.shape[-1]))) @ k.transpose(-1, -2)
        if len(queries) > 1:
            apart = (*queries, *keys)
            logits = logits.reshape(*logits.shape[:-2], *apart)
            mask = None if mask is None else mask.reshape(*mask.shape[:-2], *apart)
        weights = self._softmax(logits) if mask is None else self._softmax(logits, mask=mask)
        dropped = self._dropout_layer(weights, training=True) if dropout else weights
        if len(queries) > 1:
            dropped = dropped.flatten(-len(keys)).flatten(-len(queries) - 1, -2)
        return dropped @ v, weights

    def get_config(self) -> dict[str, Any]:
        return {k: v for k, v in super().get_config().items() if k not in self._keras_config_leaves_out}

    def _tk_config_value(self, name: str) -> Any:
        return self._activity_regularizer if name == "activity_regularizer" else super()._tk_config_value(name)


class MultiHeadAttention(_MultiHead):
    """Scaled dot-product attention of several heads (Vaswani et al., "Attention is all you need", 2017).

    `layer(query, value, key=value)` for `query` of shape `(batch, queries, features)` and `value`, `key` of `(batch, keys, features)`;
    the output is `(batch, queries, features of query)` or ends in `output_shape`. `return_attention_scores` adds the scores,
    `(batch, heads, queries, keys)`. Masks of the arguments, `attention_mask` (broadcast to `(batch, queries, keys)`) and
    `use_causal_mask` are joined.

    Args:
        num_heads: How many heads.
        key_dim: The size of each head of queries and keys.
        value_dim: The size of each head of values; `key_dim` without it.
        dropout: The share of the scores that is dropped in training.
        use_bias: Whether the projections add biases.
        output_shape: The last axes of the output, an int or several.
        attention_axes: Which axes are attended over; all but the batch and the features without it.
        sliding_window: How far from itself a query may look, itself included.
        flash_attention: Demand or forbid torch's flash kernel; without it, the global setting and torch decide.
        kernel_initializer: Fills the kernels, `(features, heads, size)` and, in the output, `(heads, value size, features)`.
        bias_initializer: Fills the biases.
        kernel_regularizer: A penalty on the kernels, added to the loss of the model.
        bias_regularizer: A penalty on the biases, added to the loss of the model.
        activity_regularizer: A penalty on the output of each projection, added to the loss of the model.
        kernel_constraint: Applied to the kernels after every update.
        bias_constraint: Applied to the biases after every update.
        use_gate: Whether the heads are multiplied by a sigmoid gate of the query before the output projection.
        seed: A whole number for dropout of the layer's own.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.MultiHeadAttention(num_heads=2, key_dim=4)(torch.ones(1, 3, 8), torch.ones(1, 5, 8)).shape
    torch.Size([1, 3, 8])
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
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: Identifier = None,
        bias_regularizer: Identifier = None,
        activity_regularizer: Identifier = None,
        kernel_constraint: Identifier = None,
        bias_constraint: Identifier = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)  # the regularizer of the activity is that of the sub-layers
        for what, size in (("num_heads", num_heads), ("key_dim", key_dim), ("value_dim", value_dim or 1)):
            if not isinstance(size, int) or size <= 0:
                raise ValueError(f"`{what}` must be a positive integer. Received: {what}={size!r}")
        self._set_options(dropout, use_bias, sliding_window, flash_attention, use_gate, seed, activity_regularizer)
        self.set_weight_settings("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        self.set_weight_settings("bias", bias_initializer, bias_regularizer, bias_constraint)
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
        heads, outputs = self.num_heads, self._output_dims or query_shape[-1:]
        self._build_parts(query_shape, value_shape, key_shape, heads, heads, self.key_dim, self.value_dim, outputs)

    @property
    def query_dense(self) -> Any:
        """The layer that makes the heads of the query."""
        return self._query_dense

    @property
    def key_dense(self) -> Any:
        """The layer that makes the heads of the key."""
        return self._key_dense

    @property
    def value_dense(self) -> Any:
        """The layer that makes the heads of the value."""
        return self._value_dense

    @property
    def output_dense(self) -> Any:
        """The layer that makes the output of all heads."""
        return self._output_dense

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
        dropout: The share of the scores that is dropped in training.
        use_bias: Whether the projections add biases.
        sliding_window: How far from itself a query may look, itself included.
        flash_attention: Demand or forbid torch's flash kernel; without it, the global setting and torch decide.
        kernel_initializer: Fills the kernels, `(features, heads, size)` and, in the output, `(heads, size, features)`.
        bias_initializer: Fills the biases.
        kernel_regularizer: A penalty on the kernels, added to the loss of the model.
        bias_regularizer: A penalty on the biases, added to the loss of the model.
        activity_regularizer: A penalty on the output and on that of each projection, added to the loss of the model.
        kernel_constraint: Applied to the kernels after every update.
        bias_constraint: Applied to the biases after every update.
        use_gate: Whether the heads are multiplied by a sigmoid gate of the query before the output projection.
        seed: A whole number for dropout of the layer's own.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.GroupQueryAttention(4, num_query_heads=4, num_key_value_heads=2)(torch.ones(1, 3, 8), torch.ones(1, 5, 8)).shape
    torch.Size([1, 3, 8])
    """

    _keras_class_name = "GroupQueryAttention"
    attention_axes = (1,)

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: Identifier = None,
        bias_regularizer: Identifier = None,
        activity_regularizer: Identifier = None,
        kernel_constraint: Identifier = None,
        bias_constraint: Identifier = None,
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
        self._set_options(dropout, use_bias, sliding_window, flash_attention, use_gate, seed, activity_regularizer)
        self.set_weight_settings("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        self.set_weight_settings("bias", bias_initializer, bias_regularizer, bias_constraint)
        self.head_dim, self.num_query_heads, self.num_key_value_heads = head_dim, num_query_heads, num_key_value_heads
        self.num_repeats = num_query_heads // num_key_value_heads

    def build(self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None) -> None:  # type: ignore[override]
        key_shape = value_shape if key_shape is None else key_shape
        size = self.head_dim
        self._build_parts(query_shape, value_shape, key_shape, self.num_query_heads, self.num_key_value_heads, size, size, query_shape[-1:])

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
        seed: A whole number for dropout of the layer's own.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.Attention()([torch.ones(1, 2, 4), torch.ones(1, 3, 4)]).shape
    torch.Size([1, 2, 4])
    """

    def __init__(
        self, use_scale: bool = False, score_mode: str = "dot", dropout: float = 0.0, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if score_mode not in ("dot", "concat"):
            raise ValueError(f"`score_mode` must be 'dot' or 'concat'. Received: score_mode={score_mode!r}")
        self.use_scale, self.score_mode, self.dropout, self.seed = use_scale, score_mode, dropout, seed
        self.seed_generator = random.SeedGenerator(seed) if dropout or seed is not None else None
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
        for name, found, tensor in (("query_mask", query_mask, q), ("value_mask", value_mask, v)):
            if found is not None and tensor.ndim == 3 and found.ndim == 2 and found.shape[1:] != tensor.shape[1:2]:
                raise ValueError(
                    f"`mask` of the layer {self.name!r} must hold masks of shape (batch, steps). Received: a {name} of shape "
                    f"{tuple(found.shape)} for a tensor of shape {tuple(tensor.shape)}"
                )
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

    _masks_from_inputs = True

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return self._checked_masks(mask)[0]

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
        dropout: The share of the scores that is dropped in training.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.AdditiveAttention()([torch.ones(1, 2, 4), torch.ones(1, 3, 4)]).shape
    torch.Size([1, 2, 4])
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


def _without_mask(x: torch.Tensor) -> torch.Tensor:
    return x if getattr(x, "_keras_mask", None) is None else x.view_as(x)
