"""Parts of images: patches, crops, and the padding that undoes crops."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from ... import config
from ...graph import Filed, TensorLike, op
from ..nn.spatial import check_padding, same_padding, spatial_tuple
from ._layout import check_images


def _patches(
    images: torch.Tensor,
    rank: int,
    size: int | Sequence[int],
    strides: int | Sequence[int] | None,
    dilation_rate: int | Sequence[int],
    padding: str,
    data_format: str | None,
    name: str,
) -> torch.Tensor:
    """Windows as channels, by strided views and one copy."""
    if not isinstance(size, (int, tuple, list)):
        raise TypeError(f"`size` must be an int or {rank} of them. Received: size={size!r}")
    if images.dim() not in (rank + 1, rank + 2):
        raise ValueError(f"`{name}` must have {rank + 1} axes, or {rank + 2} in a batch. Received: {name}.shape={tuple(images.shape)}")
    window = spatial_tuple(size, rank, "size")
    steps = window if strides is None else spatial_tuple(strides, rank, "strides")
    dilation = spatial_tuple(dilation_rate, rank, "dilation_rate")
    last = config.standardize_data_format(data_format) == "channels_last"
    x = images if images.dim() == rank + 2 else images.unsqueeze(0)
    x = x if last else x.movedim(1, -1)
    if check_padding(padding) == "same":
        pads = [same_padding(*a) for a in zip(x.shape[1:-1], window, steps, dilation)]
        x = F.pad(x, [0, 0, *(p for pad in reversed(pads) for p in pad)])
    extents = [d * (k - 1) + 1 for k, d in zip(window, dilation)]
    if any(n < e for n, e in zip(x.shape[1:-1], extents)):
        raise ValueError(f"`size` must not exceed the images. Received: size={window}, {name}.shape={tuple(images.shape)}")
    for axis, (extent, step, d) in enumerate(zip(extents, steps, dilation), start=1):
        x = x.unfold(axis, extent, step)[..., ::d]
    # (batch, *counts, channels, *window) to (batch, *counts, window and channels)
    x = x.movedim(1 + rank, -1).flatten(1 + rank)
    x = x if last else x.movedim(-1, 1)
    return x if images.dim() == rank + 2 else x.squeeze(0)


@op
def extract_patches(
    images: TensorLike,
    size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    dilation_rate: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> torch.Tensor:
    """The windows of images, each flattened (rows, columns, channels) into the channels of one pixel.

    Args:
        images: One image `(height, width, channels)` or a batch; channels first for `"channels_first"`. With a window of three sizes,
            volumes `(depth, height, width, channels)`.
        size: The window, an int or its height and width, or its depth, height and width.
        strides: The step between windows; `size` without it.
        dilation_rate: The step within a window.
        padding: `"valid"`, or `"same"`: zeros around.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.

    Raises:
        ValueError: If windows exceed the images.

    >>> keras.ops.image.extract_patches(torch.ones(4, 4, 3), (2, 2)).shape
    torch.Size([2, 2, 12])
    """
    rank = 3 if not isinstance(size, int) and len(size) == 3 else 2
    return _patches(images, rank, size, strides, dilation_rate, padding, data_format, "images")


@op(filed=Filed(keras=False))
def extract_patches_3d(
    volumes: TensorLike,
    size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    dilation_rate: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> torch.Tensor:
    """The windows of volumes `(depth, height, width, channels)`, or of a batch.

    Args:
        volumes: Volumes, channels last or first, alone or in a batch.
        size: The window, an int or its height and width.
        strides: The step between windows; `size` without it.
        dilation_rate: The step within a window.
        padding: `"valid"`, or `"same"`: zeros around.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.

    >>> keras.ops.image.extract_patches_3d(torch.ones(4, 4, 4, 1), (2, 2, 2)).shape
    torch.Size([2, 2, 2, 8])
    """
    return _patches(volumes, 3, size, strides, dilation_rate, padding, data_format, "volumes")


def _full_sizes(grid: Sequence[int], window: Sequence[int], steps: Sequence[int], dilation: Sequence[int], padding: str) -> list[int]:
    """The sizes of the smallest images that have so many windows."""
    if padding == "same":
        return [g * s for g, s in zip(grid, steps)]
    return [(g - 1) * s + d * (k - 1) + 1 for g, k, s, d in zip(grid, window, steps, dilation)]


@op(filed=Filed(keras=False))
def reconstruct_patches(
    patches: TensorLike,
    size: int | Sequence[int],
    output_size: int | Sequence[int] | None = None,
    strides: int | Sequence[int] | None = None,
    padding: str = "valid",
    data_format: str | None = None,
    reduction: str = "mean",
    dilation_rate: int | Sequence[int] = 1,
) -> torch.Tensor:
    """Images, or volumes, from the windows that `extract_patches` makes of them.

    Args:
        patches: `(rows, columns, window and channels)` or a batch of them; the last axis first for `"channels_first"`.
        size: The window, an int or its height and width, or its depth, height and width.
        output_size: The height and width of the images; without it those of the smallest images that have these windows.
        strides: The step between windows; `size` without it.
        padding: `"valid"`, or `"same"`: the images had zeros around.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        reduction: What a pixel in several windows is: their `"mean"` or their `"sum"`. A pixel in no window is 0.
        dilation_rate: The step within a window.

    Raises:
        ValueError: If the patches do not fit the window and the sizes, or `reduction` is another word.

    >>> x = ops.reshape(ops.arange(16.0), (4, 4, 1))
    >>> bool(ops.all(ops.image.reconstruct_patches(ops.image.extract_patches(x, 2), 2) == x))
    True
    """
    if reduction not in ("mean", "sum"):
        raise ValueError(f"`reduction` must be 'mean' or 'sum'. Received: reduction={reduction!r}")
    rank = 3 if not isinstance(size, int) and len(size) == 3 else 2
    if patches.dim() not in (rank + 1, rank + 2):
        raise ValueError(f"`patches` must have {rank + 1} axes, or {rank + 2} in a batch. Received: patches.shape={tuple(patches.shape)}")
    window = spatial_tuple(size, rank, "size")
    steps = window if strides is None else spatial_tuple(strides, rank, "strides")
    dilation = spatial_tuple(dilation_rate, rank, "dilation_rate")
    last = config.standardize_data_format(data_format) == "channels_last"
    x = patches if patches.dim() == rank + 2 else patches.unsqueeze(0)
    x = x if last else x.movedim(1, -1)
    grid, elements = x.shape[1:-1], torch.Size(window).numel()
    full = _full_sizes(grid, window, steps, dilation, check_padding(padding))
    sizes = full if output_size is None else spatial_tuple(output_size, rank, "output_size")
    # The places of the pixels, from 1, cut into windows as the images were: 0 is the padding around.
    count = torch.Size(sizes).numel()
    pixels = torch.arange(1, count + 1, device=x.device).reshape(*sizes, 1)
    places = _patches(pixels, rank, window, steps, dilation_rate, padding, "channels_last", "images")
    if x.shape[-1] % elements or places.shape[:-1] != grid:
        raise ValueError(
            f"`patches` must be windows of size {window} of images of size {tuple(sizes)}: {tuple(places.shape[:-1])} of them, with a "
            f"multiple of {elements} channels. Received: patches.shape={tuple(patches.shape)}"
        )
    values = x.reshape(x.shape[0], -1, x.shape[-1] // elements).mT  # (batch, channels, windows and their pixels)
    flat = places.flatten()
    result = values.new_zeros((*values.shape[:2], count + 1)).index_add(2, flat, values)[..., 1:]
    if reduction == "mean":
        times = torch.bincount(flat, minlength=count + 1)[1:].clamp(min=1)
        result = torch.div(result, times, rounding_mode=None if result.is_floating_point() else "floor")
    result = result.reshape(*result.shape[:2], *sizes)
    result = result.movedim(1, -1) if last else result
    return result if patches.dim() == rank + 2 else result.squeeze(0)


def _ends(size: int, before: int | None, after: int | None, target: int | None, names: tuple[str, str, str], sign: int) -> tuple[int, int]:
    """What to add before and after (`sign` 1) or take away (-1), two of three numbers being given."""
    given = dict(zip(names, (before, after, target)))
    said = ", ".join(f"{name}={value}" for name, value in given.items())
    if sum(value is None for value in given.values()) != 1:
        raise ValueError(f"Exactly two of `{names[0]}`, `{names[1]}` and `{names[2]}` must be given. Received: {said}")
    if before is None:
        before = sign * (target - size) - after  # type: ignore[operator]
    elif after is None:
        after = sign * (target - size) - before  # type: ignore[operator]
    if before < 0 or after < 0 or size + sign * (before + after) < 0:  # type: ignore[operator]
        raise ValueError(f"`{names[0]}` and `{names[1]}` must not be negative, nor exceed the images. Received: {said}, size {size}")
    return before, after  # type: ignore[return-value]


@op
def crop_images(
    images: TensorLike,
    top_cropping: int | None = None,
    left_cropping: int | None = None,
    bottom_cropping: int | None = None,
    right_cropping: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> torch.Tensor:
    """Images without some of their rows and columns; two of three numbers tell, of each direction.

    Args:
        images: One image `(height, width, channels)` or a batch; channels first for `"channels_first"`.
        top_cropping: Rows to remove above.
        left_cropping: Columns to remove on the left.
        bottom_cropping: Rows to remove below.
        right_cropping: Columns to remove on the right.
        target_height: The new height.
        target_width: The new width.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.

    Raises:
        ValueError: If not two of the three numbers are given, or they do not fit the images.

    >>> keras.ops.image.crop_images(torch.ones(4, 4, 3), 1, 1, target_height=2, target_width=2).shape
    torch.Size([2, 2, 3])
    """
    check_images(images)
    rows, columns = (-3, -2) if config.standardize_data_format(data_format) == "channels_last" else (-2, -1)
    names = ("top_cropping", "bottom_cropping", "target_height"), ("left_cropping", "right_cropping", "target_width")
    top, bottom = _ends(images.shape[rows], top_cropping, bottom_cropping, target_height, names[0], -1)
    left, right = _ends(images.shape[columns], left_cropping, right_cropping, target_width, names[1], -1)
    x = images.narrow(rows, top, images.shape[rows] - top - bottom)
    return x.narrow(columns, left, images.shape[columns] - left - right)


@op
def pad_images(
    images: TensorLike,
    top_padding: int | None = None,
    left_padding: int | None = None,
    bottom_padding: int | None = None,
    right_padding: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> torch.Tensor:
    """Images with zeros around them; two of three numbers tell, of each direction.

    Args:
        images: One image `(height, width, channels)` or a batch; channels first for `"channels_first"`.
        top_padding: Rows to add above.
        left_padding: Columns to add on the left.
        bottom_padding: Rows to add below.
        right_padding: Columns to add on the right.
        target_height: The new height.
        target_width: The new width.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.

    Raises:
        ValueError: If not two of the three numbers are given, or they do not fit the images.

    >>> keras.ops.image.pad_images(torch.ones(4, 4, 3), 1, 1, 1, 1).shape
    torch.Size([6, 6, 3])
    """
    check_images(images)
    last = config.standardize_data_format(data_format) == "channels_last"
    rows, columns = (-3, -2) if last else (-2, -1)
    names = ("top_padding", "bottom_padding", "target_height"), ("left_padding", "right_padding", "target_width")
    top, bottom = _ends(images.shape[rows], top_padding, bottom_padding, target_height, names[0], 1)
    left, right = _ends(images.shape[columns], left_padding, right_padding, target_width, names[1], 1)
    return F.pad(images, (0, 0) * last + (left, right, top, bottom))
