"""Scaled dot-product attention."""

from __future__ import annotations

import contextlib

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from ... import config
from ...graph import Filed, TensorLike, op

_WITHOUT_FLASH = [SDPBackend.CUDNN_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]


@op(promote="float", args=("query", "key", "value"), filed=Filed(called=("scale",)))
def dot_product_attention(
    query: TensorLike,
    key: TensorLike,
    value: TensorLike,
    bias: TensorLike | None = None,
    mask: TensorLike | None = None,
    scale: float | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> torch.Tensor:
    """`softmax(query · keyᵀ * scale + bias) · value` for each head, on torch's fused kernels.

    Args:
        query: `(batch, queries, heads, size)`.
        key: `(batch, keys, key heads, size)`; the key heads divide the heads.
        value: Like `key`.
        bias: Added to the logits; broadcast to `(batch, heads, queries, keys)`.
        mask: True where a query may look at a key, of a shape that broadcasts to `(batch, heads, queries, keys)`. A query that may look at
            none looks at all alike.
        scale: `1 / sqrt(size)` without it.
        is_causal: Let no query look at later keys.
        flash_attention: Demand or forbid the flash kernel; without it, torch chooses among those `config` allows.
        attn_logits_soft_cap: Squeeze the logits smoothly into plus or minus this number (no fused kernel does it).

    Raises:
        ValueError: If tensors do not have four axes, or both a bias and a mask are given.

    >>> keras.ops.dot_product_attention(torch.ones(1, 3, 2, 4), torch.ones(1, 5, 2, 4), torch.ones(1, 5, 2, 4)).shape
    torch.Size([1, 3, 2, 4])
    """
    if query.dim() != 4 or key.dim() != 4 or value.dim() != 4:
        raise ValueError(
            "`query`, `key` and `value` must have four axes, (batch, length, heads, size). Received: "
            f"query.shape={tuple(query.shape)}, key.shape={tuple(key.shape)}, value.shape={tuple(value.shape)}"
        )
    if bias is not None and mask is not None:
        raise ValueError("`bias` and `mask` must not both be given: add the mask to the bias, minus infinity where it is False.")
    q, k, v = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
    added = None if bias is None else bias.to(q.dtype)
    causal = is_causal
    if mask is not None:
        mask = mask.to(torch.bool)
        if is_causal:
            mask, causal = mask & torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=q.device).tril(), False
        # A number, not minus infinity: a row without any True would be NaN, and its gradient too.
        added = torch.zeros((), dtype=q.dtype, device=q.device).where(mask, torch.finfo(q.dtype).min)
    elif is_causal and added is not None:
        seen = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=q.device).tril()
        added, causal = added.where(seen, torch.finfo(q.dtype).min), False
    if added is not None and added.dim() < 4:
        added = added.reshape((1,) * (4 - added.dim()) + tuple(added.shape))
    if attn_logits_soft_cap is not None:
        return _capped(q, k, v, added, scale, causal, attn_logits_soft_cap).transpose(1, 2)
    grouped = k.shape[1] != q.shape[1]
    allowed = config.is_flash_attention_enabled() is not False if flash_attention is None else flash_attention
    chosen = SDPBackend.FLASH_ATTENTION if flash_attention else None if allowed else _WITHOUT_FLASH
    with contextlib.nullcontext() if chosen is None else sdpa_kernel(chosen):
        y = F.scaled_dot_product_attention(q, k, v, added, is_causal=causal, scale=scale, enable_gqa=grouped)
    return y.transpose(1, 2)


def _capped(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, added: torch.Tensor | None, scale: float | None, causal: bool, cap: float
) -> torch.Tensor:
    groups = q.shape[1] // k.shape[1]
    if groups > 1:
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
    logits = cap * torch.tanh(q @ k.transpose(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale) / cap)
    if added is not None:
        logits = logits + added
    if causal:
        seen = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=q.device).tril()
        logits = logits.where(seen, torch.finfo(q.dtype).min)
    return torch.softmax(logits, -1) @ v
