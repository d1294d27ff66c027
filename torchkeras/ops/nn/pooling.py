"""Pooling over one, two and three spatial axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
import torch.nn.functional as F

from ... import config
from ...graph import TensorLike, op
from .spatial import check_padding, pad_same, same_padding, spatial_tuple, to_channels_first, to_channels_last

_Pools: TypeAlias = "dict[int, Callable[..., torch.Tensor]]"
_MAX: _Pools = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_AVERAGE: _Pools = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
_ADAPTIVE_MAX: _Pools = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}
_ADAPTIVE_AVERAGE: _Pools = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}


def _pool(inputs: torch.Tensor, data_format: str | None, pool: Callable[[torch.Tensor, int], torch.Tensor]) -> torch.Tensor:
    """`pool(channels-first view, rank)`, in the layout of `inputs`."""
    rank = inputs.dim() - 2
    if rank not in _MAX:
        raise ValueError(f"`inputs` must have a batch axis, a channel axis and 1 to 3 spatial axes. Received: shape={tuple(inputs.shape)}")
    if config.standardize_data_format(data_format) == "channels_first":
        return pool(inputs, rank)
    return to_channels_last(pool(to_channels_first(inputs, rank), rank), rank)


def _check_window(x: torch.Tensor, window: tuple[int, ...]) -> None:
    if any(n < k for n, k in zip(x.shape[2:], window)):
        raise ValueError(
            f"`pool_size` must not exceed the spatial axes of `inputs`. Received: pool_size={window}, spatial axes {tuple(x.shape[2:])}. "
            'Pass larger inputs or padding="same".'
        )


@op
def max_pool(
    inputs: TensorLike,
    pool_size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> torch.Tensor:
    """The largest value of each window.

    Args:
        inputs: `(batch, *spatial, channels)`, or channels second for `"channels_first"`.
        pool_size: The window, one int or one per spatial axis.
        strides: The step between windows; `pool_size` without it.
        padding: `"valid"`, or `"same"`, in which what lies outside never is the largest.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.

    >>> keras.ops.max_pool(torch.arange(4.0).reshape(1, 4, 1), 2).flatten()
    tensor([1., 3.])
    """

    def pool(x: torch.Tensor, rank: int) -> torch.Tensor:
        window = spatial_tuple(pool_size, rank, "pool_size")
        steps = window if strides is None else spatial_tuple(strides, rank, "strides")
        if not x.is_floating_point():
            return _max_of_integers(x, window, steps, padding)
        pads: tuple[int, ...] = (0,) * rank
        if check_padding(padding) == "same":
            x, pads = pad_same(x, window, steps, (1,) * rank, float("-inf"))
        else:
            _check_window(x, window)
        return _MAX[rank](x, window, steps, pads)

    return _pool(inputs, data_format, pool)


def _max_of_integers(x: torch.Tensor, window: tuple[int, ...], steps: tuple[int, ...], padding: str) -> torch.Tensor:
    """torch pools floats only; integers (and booleans) go axis by axis over strided views."""
    for axis, (k, s) in enumerate(zip(window, steps), start=2):
        if check_padding(padding) == "same":
            before, after = same_padding(x.shape[axis], k, s)
            lowest = False if x.dtype is torch.bool else torch.iinfo(x.dtype).min
            x = F.pad(x, [0, 0] * (x.dim() - 1 - axis) + [before, after], value=lowest)
        x = x.unfold(axis, k, s).amax(-1)
    return x


@op(promote="float")
def average_pool(
    inputs: TensorLike,
    pool_size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> torch.Tensor:
    """The mean of each window; under `"same"` of the part of it that lies inside.

    Args:
        inputs: `(batch, *spatial, channels)`, or channels second for `"channels_first"`.
        pool_size: The window, one int or one per spatial axis.
        strides: The step between windows; `pool_size` without it.
        padding: `"valid"`, or `"same"`, in which what lies outside never is the largest.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.

    >>> keras.ops.average_pool(torch.arange(4.0).reshape(1, 4, 1), 2).flatten()
    tensor([0.5000, 2.5000])
    """

    def pool(x: torch.Tensor, rank: int) -> torch.Tensor:
        window = spatial_tuple(pool_size, rank, "pool_size")
        steps = window if strides is None else spatial_tuple(strides, rank, "strides")
        if check_padding(padding) == "valid":
            _check_window(x, window)
            return _AVERAGE[rank](x, window, steps)
        sizes = tuple(x.shape[2:])
        x, pads = pad_same(x, window, steps, (1,) * rank)
        if tuple(x.shape[2:]) == sizes:
            return _AVERAGE[rank](x, window, steps, pads, count_include_pad=False)
        y = _AVERAGE[rank](x, window, steps)
        for axis, (n, k, s) in enumerate(zip(sizes, window, steps)):
            y = y * _coverage(n, k, s, y).reshape(-1, *(1,) * (rank - 1 - axis))
        return y

    return _pool(inputs, data_format, pool)


def _coverage(size: int, kernel: int, stride: int, like: torch.Tensor) -> torch.Tensor:
    """`kernel` over the number of elements inside, for each window of one axis."""
    before, _ = same_padding(size, kernel, stride)
    starts = [i * stride - before for i in range(-(-size // stride))]
    return like.new_tensor([kernel / (min(start + kernel, size) - max(start, 0)) for start in starts])


@op(promote="float")
def adaptive_average_pool(inputs: TensorLike, output_size: int | Sequence[int], data_format: str | None = None) -> torch.Tensor:
    """The mean over windows chosen so that the result has a given size.

    Args:
        inputs: `(batch, *spatial, channels)`, or channels second for `"channels_first"`.
        output_size: The spatial size of the result, one int or one per spatial axis.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.

    >>> keras.ops.adaptive_average_pool(torch.arange(4.0).reshape(1, 4, 1), 2).flatten()
    tensor([0.5000, 2.5000])
    """
    return _pool(inputs, data_format, lambda x, rank: _ADAPTIVE_AVERAGE[rank](x, spatial_tuple(output_size, rank, "output_size")))


@op(promote="float")
def adaptive_max_pool(inputs: TensorLike, output_size: int | Sequence[int], data_format: str | None = None) -> torch.Tensor:
    """The largest value of windows chosen so that the result has a given size.

    Args:
        inputs: `(batch, *spatial, channels)`, or channels second for `"channels_first"`.
        output_size: The spatial size of the result, one int or one per spatial axis.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.

    >>> keras.ops.adaptive_max_pool(torch.arange(4.0).reshape(1, 4, 1), 2).flatten()
    tensor([1., 3.])
    """
    return _pool(inputs, data_format, lambda x, rank: _ADAPTIVE_MAX[rank](x, spatial_tuple(output_size, rank, "output_size")))
