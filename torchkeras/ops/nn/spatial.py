"""What convolution and pooling share: argument tuples, NHWC views, "same" padding and the geometry of transposed convolution."""

# The layers use spatial_tuple, to_channels_first, to_channels_last, same_padding, pad_same, conv_transpose_geometry and
# conv_transpose_forward.

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F


def spatial_tuple(value: int | Sequence[int], rank: int, name: str) -> tuple[int, ...]:
    """`value` once per spatial axis.

    Args:
        value: A positive int, or one for each axis.
        rank: The number of spatial axes.
        name: The argument's name, for the error.

    Raises:
        ValueError: Another number of values, or one that is not a positive int.
    """
    values: tuple[Any, ...] = tuple(value) if isinstance(value, (list, tuple)) else (value,) * rank
    if len(values) != rank or any(not isinstance(v, int) or v <= 0 for v in values):
        raise ValueError(f"`{name}` must be a positive int or {rank} of them, one per spatial axis. Received: {name}={value!r}")
    return values


def to_channels_first(x: torch.Tensor, rank: int) -> torch.Tensor:
    """The view of `(batch, *spatial, channels)` as `(batch, channels, *spatial)`: torch's channels_last memory format, no copy.

    Args:
        x: A tensor of `rank + 2` axes.
        rank: The number of spatial axes.
    """
    return x.permute(0, rank + 1, *range(1, rank + 1))


def to_channels_last(x: torch.Tensor, rank: int) -> torch.Tensor:
    """The view of `(batch, channels, *spatial)` as `(batch, *spatial, channels)`. Arguments as in `to_channels_first`."""
    return x.permute(0, *range(2, rank + 2), 1)


def same_padding(size: int, kernel: int, stride: int = 1, dilation: int = 1) -> tuple[int, int]:
    """The zeros before and after one axis under `padding="same"`: `ceil(size / stride)` outputs, the odd zero after.

    Args:
        size: The size of the axis.
        kernel: The kernel's size along it.
        stride: The step between windows.
        dilation: The step between the kernel's taps.
    """
    total = max((-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    return total // 2, total - total // 2


def pad_same(
    x: torch.Tensor, kernel: Sequence[int], strides: Sequence[int], dilation: Sequence[int], value: float = 0.0
) -> tuple[torch.Tensor, tuple[int, ...]]:
    """Pad channels-first `x` for `padding="same"` as far as a symmetric padding of torch's own cannot.

    Args:
        x: `(batch, channels, *spatial)`.
        kernel: The kernel's size along each spatial axis.
        strides: The strides, one per spatial axis.
        dilation: The dilation rates, one per spatial axis.
        value: What to pad with.

    Returns:
        The tensor, and the symmetric padding (one number per axis) that is still to be applied: give it to torch's convolution or
        pooling, which pads without a copy.
    """
    pads = [same_padding(n, k, s, d) for n, k, s, d in zip(x.shape[2:], kernel, strides, dilation)]
    if all(before == after for before, after in pads):
        return x, tuple(before for before, _ in pads)
    return F.pad(x, [p for pad in reversed(pads) for p in pad], value=value), (0,) * len(pads)


def conv_transpose_geometry(
    size: int, kernel: int, stride: int, dilation: int, padding: str, output_padding: int | None
) -> tuple[int, int]:
    """How much of a transposed convolution's full output is cut off at the front of one axis, and the length that is kept.

    The full output has `(size - 1) * stride + dilation * (kernel - 1) + 1` elements; a longer result ends in zeros (plus bias).

    Args:
        size: The size of the axis.
        kernel: The kernel's size along it.
        stride: The stride along it.
        dilation: The dilation rate along it.
        padding: `"valid"` or `"same"`.
        output_padding: Extra length beyond the smallest, or `None` for Keras's default: `size * stride` under `"same"`, and at
            least that much under `"valid"`.
    """
    extent = dilation * (kernel - 1) + 1
    full = (size - 1) * stride + extent
    if padding == "valid":
        return 0, full + (max(stride - extent, 0) if output_padding is None else output_padding)
    length = size * stride if output_padding is None else full - 2 * (extent // 2) + output_padding
    return max(full - length, 0) // 2, length


def conv_transpose_forward(
    convolve: Callable[..., torch.Tensor],
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    strides: Sequence[int],
    padding: str,
    output_padding: Sequence[int] | None,
    dilation: Sequence[int],
) -> torch.Tensor:
    """A transposed convolution of channels-first `x` with Keras's output length.

    Args:
        convolve: `F.conv_transpose1d`, `2d` or `3d`.
        x: `(batch, channels, *spatial)`.
        weight: torch's layout, `(in, out, *spatial)`.
        bias: `(out,)` or `None`.
        strides: One per spatial axis.
        padding: `"valid"` or `"same"`.
        output_padding: One per spatial axis, or `None`.
        dilation: One per spatial axis.
    """
    rank = len(strides)
    extra: Sequence[int | None] = (None,) * rank if output_padding is None else output_padding
    plans = [
        conv_transpose_geometry(n, k, s, d, padding, e) for n, k, s, d, e in zip(x.shape[2:], weight.shape[2:], strides, dilation, extra)
    ]
    fulls = [(n - 1) * s + d * (k - 1) + 1 for n, k, s, d in zip(x.shape[2:], weight.shape[2:], strides, dilation)]
    # torch cuts `crop` at both ends and gives `restore` back at the end; what is still too long is sliced.
    crops = [crop for crop, _ in plans]
    restore = [length - (full - 2 * crop) for full, (crop, length) in zip(fulls, plans)]
    if all(r < max(s, d) for r, s, d in zip(restore, strides, dilation)):
        y = convolve(x, weight, bias, strides, crops, [max(r, 0) for r in restore], 1, dilation)
        if any(r < 0 for r in restore):
            y = y[(slice(None), slice(None)) + tuple(slice(length) for _, length in plans)]
        return y
    y = convolve(x, weight, None, strides, 0, 0, 1, dilation)
    ends = [edge for full, (crop, length) in zip(reversed(fulls), reversed(plans)) for edge in (-crop, crop + length - full)]
    y = F.pad(y, ends)
    return y if bias is None else y + bias.reshape(-1, *(1,) * rank)


def check_padding(padding: Any) -> str:
    """`padding` in lower case.

    Raises:
        ValueError: Neither "valid" nor "same".
    """
    known = padding.lower() if isinstance(padding, str) else padding
    if known not in ("valid", "same"):
        raise ValueError(f'`padding` must be "valid" or "same". Received: padding={padding!r}')
    return known
