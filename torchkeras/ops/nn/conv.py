"""Convolutions over one, two and three spatial axes, and the patches they see."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from ... import config
from ...graph import TensorLike, op
from .spatial import check_padding, conv_transpose_forward, pad_same, spatial_tuple, to_channels_first, to_channels_last

_CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_CONV_TRANSPOSE = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def _spatial_rank(inputs: torch.Tensor, kernel: torch.Tensor, extra: int = 2) -> int:
    rank = inputs.dim() - 2
    if rank not in _CONV or kernel.dim() != rank + extra:
        raise ValueError(
            "`inputs` must have a batch axis, a channel axis and 1 to 3 spatial axes, and `kernel` as many spatial axes and two more. "
            f"Received: inputs.shape={tuple(inputs.shape)}, kernel.shape={tuple(kernel.shape)}"
        )
    return rank


def _convolve(
    x: torch.Tensor,
    weight: torch.Tensor,
    strides: int | Sequence[int],
    padding: str,
    dilation_rate: int | Sequence[int],
    groups: int,
) -> torch.Tensor:
    """`x` and `weight` in torch's layouts."""
    rank = x.dim() - 2
    strides = spatial_tuple(strides, rank, "strides")
    dilation = spatial_tuple(dilation_rate, rank, "dilation_rate")
    sizes = tuple(weight.shape[2:])
    pads: tuple[int, ...] = (0,) * rank
    if check_padding(padding) == "same":
        x, pads = pad_same(x, sizes, strides, dilation)
    elif any(n < d * (k - 1) + 1 for n, k, d in zip(x.shape[2:], sizes, dilation)):
        raise ValueError(
            f"`inputs` is smaller than the window of `kernel`: spatial axes {tuple(x.shape[2:])}, kernel size {sizes}, "
            f'dilation_rate={dilation}. Pass larger inputs or padding="same".'
        )
    return _CONV[rank](x, weight, None, strides, pads, dilation, groups)


@op(promote="same")
def conv(
    inputs: TensorLike,
    kernel: TensorLike,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: int | Sequence[int] = 1,
) -> torch.Tensor:
    """The convolution of `inputs` with `kernel`, in groups where the kernel has fewer input channels.

    Args:
        inputs: `(batch, *spatial, channels)`, or channels second for `"channels_first"`.
        kernel: `(*spatial, channels / groups, filters)`.
        strides: One int, or one per spatial axis.
        padding: `"valid"`, or `"same"`: zeros around, evenly, the odd one after.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        dilation_rate: One int, or one per spatial axis.

    Raises:
        ValueError: If shapes do not fit each other.

    >>> keras.ops.conv(torch.ones(1, 5, 2), torch.ones(3, 2, 4)).shape
    torch.Size([1, 3, 4])
    """
    rank = _spatial_rank(inputs, kernel)
    last = config.standardize_data_format(data_format) == "channels_last"
    x = to_channels_first(inputs, rank) if last else inputs
    if x.shape[1] % kernel.shape[-2] or kernel.shape[-1] % (x.shape[1] // kernel.shape[-2] or 1) or not x.shape[1]:
        raise ValueError(
            "The channels of `inputs` must be a multiple of the kernel's input channels, and the filters a multiple of their ratio. "
            f"Received: inputs.shape={tuple(inputs.shape)}, kernel.shape={tuple(kernel.shape)}"
        )
    weight = kernel.permute(rank + 1, rank, *range(rank))
    y = _convolve(x, weight, strides, padding, dilation_rate, x.shape[1] // kernel.shape[-2])
    return to_channels_last(y, rank) if last else y


@op(promote="same")
def depthwise_conv(
    inputs: TensorLike,
    kernel: TensorLike,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: int | Sequence[int] = 1,
) -> torch.Tensor:
    """Each channel convolved with its own filters.

    Args:
        inputs: `(batch, *spatial, channels)`, or channels second for `"channels_first"`.
        kernel: `(*spatial, channels, multiplier)`; the result has `channels * multiplier` channels, those of one input together.
        strides: One int, or one per spatial axis.
        padding: `"valid"`, or `"same"`: zeros around, evenly, the odd one after.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        dilation_rate: One int, or one per spatial axis.

    Raises:
        ValueError: If shapes do not fit each other.

    >>> keras.ops.depthwise_conv(torch.ones(1, 5, 2), torch.ones(3, 2, 1)).shape
    torch.Size([1, 3, 2])
    """
    rank = _spatial_rank(inputs, kernel)
    last = config.standardize_data_format(data_format) == "channels_last"
    x = to_channels_first(inputs, rank) if last else inputs
    if x.shape[1] != kernel.shape[-2]:
        raise ValueError(
            "`kernel` must have as many input channels as `inputs`. "
            f"Received: inputs.shape={tuple(inputs.shape)}, kernel.shape={tuple(kernel.shape)}"
        )
    weight = kernel.permute(rank, rank + 1, *range(rank)).flatten(0, 1).unsqueeze(1)
    y = _convolve(x, weight, strides, padding, dilation_rate, x.shape[1])
    return to_channels_last(y, rank) if last else y


@op(promote="same")
def separable_conv(
    inputs: TensorLike,
    depthwise_kernel: TensorLike,
    pointwise_kernel: TensorLike,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: int | Sequence[int] = 1,
) -> torch.Tensor:
    """`depthwise_conv`, then a convolution that mixes channels only.

    Args:
        inputs: `(batch, *spatial, channels)`, or channels second for `"channels_first"`.
        depthwise_kernel: `(*spatial, channels, multiplier)`.
        pointwise_kernel: `(*ones, channels * multiplier, filters)`.
        strides: One int, or one per spatial axis.
        padding: `"valid"`, or `"same"`: zeros around, evenly, the odd one after.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        dilation_rate: One int, or one per spatial axis.

    >>> keras.ops.separable_conv(torch.ones(1, 5, 2), torch.ones(3, 2, 1), torch.ones(1, 2, 4)).shape
    torch.Size([1, 3, 4])
    """
    x = depthwise_conv(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    return conv(x, pointwise_kernel, 1, "valid", data_format, 1)


@op(promote="same")
def conv_transpose(
    inputs: TensorLike,
    kernel: TensorLike,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    output_padding: int | Sequence[int] | None = None,
    data_format: str | None = None,
    dilation_rate: int | Sequence[int] = 1,
) -> torch.Tensor:
    """The transposed convolution: the gradient of `conv` with respect to its inputs.

    Args:
        inputs: `(batch, *spatial, channels)`, or channels second for `"channels_first"`.
        kernel: `(*spatial, filters, channels)`.
        strides: One int, or one per spatial axis: how far neighbouring inputs lie apart in the output.
        padding: `"valid"` keeps everything; `"same"` gives `size * stride` outputs.
        output_padding: One int, or one per spatial axis: rows that are added at the end of an axis.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        dilation_rate: One int, or one per spatial axis.

    Raises:
        ValueError: If shapes do not fit each other.

    >>> keras.ops.conv_transpose(torch.ones(1, 5, 2), torch.ones(3, 4, 2), strides=2).shape
    torch.Size([1, 11, 4])
    """
    rank = _spatial_rank(inputs, kernel)
    last = config.standardize_data_format(data_format) == "channels_last"
    x = to_channels_first(inputs, rank) if last else inputs
    if x.shape[1] != kernel.shape[-1]:
        raise ValueError(
            "The last axis of `kernel` must be the channels of `inputs`. "
            f"Received: inputs.shape={tuple(inputs.shape)}, kernel.shape={tuple(kernel.shape)}"
        )
    extra = (output_padding,) * rank if isinstance(output_padding, int) else output_padding
    y = conv_transpose_forward(
        _CONV_TRANSPOSE[rank],
        x,
        kernel.permute(rank + 1, rank, *range(rank)),
        None,
        spatial_tuple(strides, rank, "strides"),
        check_padding(padding),
        extra,
        spatial_tuple(dilation_rate, rank, "dilation_rate"),
    )
    return to_channels_last(y, rank) if last else y


@op
def unfold(
    x: TensorLike,
    kernel_size: int | tuple[int, ...],
    dilation: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] = 0,
    stride: int | tuple[int, ...] = 1,
) -> torch.Tensor:
    """The sliding windows of `(batch, channels, height, width)` as the columns of `(batch, channels * window, windows)`.

    Args:
        x: The images.
        kernel_size: The window's size.
        dilation: The step within a window.
        padding: Zeros on both sides.
        stride: The step between windows.

    >>> keras.ops.unfold(torch.ones(1, 1, 2, 2), kernel_size=2).shape
    torch.Size([1, 4, 1])
    """
    return F.unfold(x, kernel_size, dilation, padding, stride)


@op
def fold(
    x: TensorLike,
    output_size: int | tuple[int, ...],
    kernel_size: int | tuple[int, ...],
    dilation: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] = 0,
    stride: int | tuple[int, ...] = 1,
) -> torch.Tensor:
    """Columns as `unfold` makes them summed back into images `(batch, channels, *output_size)`.

    Args:
        x: `(batch, channels * window, windows)`.
        output_size: The height and width of the result.
        kernel_size: The window's size.
        dilation: The step within a window.
        padding: Zeros on both sides.
        stride: The step between windows.

    >>> keras.ops.fold(torch.ones(1, 4, 1), output_size=2, kernel_size=2)
    tensor([[[[1., 1.],
              [1., 1.]]]])
    """
    return F.fold(x, output_size, kernel_size, dilation, padding, stride)


@op
def space_to_depth(x: TensorLike, block_size: int, data_format: str = "channels_last") -> torch.Tensor:
    """Blocks of `block_size` x `block_size` pixels moved into the channels.

    In the new channels the place in the block comes before the old channel, and after it for `"channels_first"`, as in torch.

    Args:
        x: `(batch, height, width, channels)`, or channels second.
        block_size: The side of a block; it must divide height and width.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: If sizes are not multiples of the block.

    >>> keras.ops.space_to_depth(torch.ones(1, 4, 4, 1), 2).shape
    torch.Size([1, 2, 2, 4])
    """
    b, last = block_size, config.standardize_data_format(data_format) == "channels_last"
    if not isinstance(b, int) or b < 1:
        raise ValueError(f"`block_size` must be a positive int. Received: block_size={b!r}")
    n, h, w, c = x.shape if last else (x.shape[0], *x.shape[2:], x.shape[1])
    if h % b or w % b:
        raise ValueError(f"`block_size` must divide height and width. Received: block_size={b}, x.shape={tuple(x.shape)}")
    if last:
        return x.reshape(n, h // b, b, w // b, b, c).permute(0, 1, 3, 2, 4, 5).reshape(n, h // b, w // b, b * b * c)
    return F.pixel_unshuffle(x, b)


@op
def depth_to_space(x: TensorLike, block_size: int, data_format: str = "channels_last") -> torch.Tensor:
    """Channels moved into blocks of pixels: the inverse of `space_to_depth`.

    Args:
        x: `(batch, height, width, channels)`, or channels second.
        block_size: The side of a block; its square must divide the channels.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: If channels are not a multiple of the block.

    >>> keras.ops.depth_to_space(torch.ones(1, 2, 2, 4), 2).shape
    torch.Size([1, 4, 4, 1])
    """
    b, last = block_size, config.standardize_data_format(data_format) == "channels_last"
    if not isinstance(b, int) or b < 1:
        raise ValueError(f"`block_size` must be a positive int. Received: block_size={b!r}")
    n, h, w, c = x.shape if last else (x.shape[0], *x.shape[2:], x.shape[1])
    if c % (b * b):
        raise ValueError(f"`block_size` squared must divide the channels. Received: block_size={b}, x.shape={tuple(x.shape)}")
    if last:
        return x.reshape(n, h, w, b, b, c // (b * b)).permute(0, 1, 3, 2, 4, 5).reshape(n, h * b, w * b, c // (b * b))
    return F.pixel_shuffle(x, b)
