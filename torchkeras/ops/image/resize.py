"""Resizing: to a size, or by scales and translations."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F

from ...graph import Filed, KerasTensor, TensorLike, op
from ._layout import channels_first, precise, restore, working


def _triangle(x: torch.Tensor) -> torch.Tensor:
    return torch.clamp(1 - x, min=0)


def _keys(x: torch.Tensor) -> torch.Tensor:
    """Keys's cubic kernel with a = -1/2 (Cubic Convolution Interpolation for Digital Image Processing, 1981)."""
    inner = ((1.5 * x - 2.5) * x) * x + 1
    outer = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x >= 1, torch.where(x >= 2, 0.0, outer), inner)


def _lanczos(radius: int) -> Callable[[torch.Tensor], torch.Tensor]:
    def kernel(x: torch.Tensor) -> torch.Tensor:
        value = radius * torch.sin(math.pi * x) * torch.sin(math.pi * x / radius) / torch.where(x > 1e-3, math.pi**2 * x**2, 1.0)
        return torch.where(x > radius, 0.0, torch.where(x > 1e-3, value, 1.0))

    return kernel


_KERNELS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "linear": _triangle,
    "bilinear": _triangle,
    "trilinear": _triangle,
    "cubic": _keys,
    "bicubic": _keys,
    "tricubic": _keys,
    "lanczos3": _lanczos(3),
    "lanczos5": _lanczos(5),
}


def _resample(
    x: torch.Tensor, axis: int, size: int, scale: torch.Tensor | float, translation: torch.Tensor | float, method: str, antialias: bool
) -> torch.Tensor:
    """One axis resampled by a matrix of kernel values, each column summing to one; zero where the source has nothing."""
    n = x.shape[axis]
    inverse = 1 / scale
    places = (torch.arange(size, dtype=x.dtype, device=x.device) + 0.5) * inverse - translation * inverse - 0.5
    stretch = inverse if not antialias else torch.clamp(inverse, min=1) if isinstance(inverse, torch.Tensor) else max(inverse, 1.0)
    distance = (places - torch.arange(n, dtype=x.dtype, device=x.device).unsqueeze(1)).abs()
    weights = _KERNELS[method](distance / stretch if antialias else distance)
    total = weights.sum(0)
    weights = torch.where(total.abs() > 1000 * torch.finfo(x.dtype).eps, weights / torch.where(total != 0, total, 1.0), 0.0)
    weights = torch.where((places >= -0.5) & (places <= n - 0.5), weights, 0.0)
    return torch.tensordot(x, weights, ([axis], [0])).to(x.dtype).movedim(-1, axis)  # autocast would leave 16 bits


def _nearest(x: torch.Tensor, axis: int, size: int) -> torch.Tensor:
    n = x.shape[axis]
    places = (torch.arange(size, device=x.device) * 2 + 1) * n // (2 * size)
    return x.index_select(axis, places)


def _interpolate(x: torch.Tensor, size: tuple[int, int], interpolation: str, antialias: bool) -> torch.Tensor:
    """`(n, channels, height, width)` in another size."""
    if interpolation == "nearest":
        return _nearest(_nearest(x, 2, size[0]), 3, size[1])
    y = precise(x) if antialias or interpolation.startswith("lanczos") else working(x)
    if interpolation in ("lanczos3", "lanczos5"):
        for axis, n in zip((2, 3), size):
            y = _resample(y, axis, n, n / y.shape[axis], 0.0, interpolation, antialias)
    else:
        y = F.interpolate(y, size, mode=interpolation, antialias=antialias, align_corners=False)
    return restore(y, x.dtype)


@op
def resize(
    images: TensorLike,
    size: Sequence[int],
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: str | None = None,
) -> torch.Tensor:
    """Images in another size.

    Args:
        images: One image `(height, width, channels)` or a batch; channels first for `"channels_first"`.
        size: The new height and width.
        interpolation: `"nearest"`, `"bilinear"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
        antialias: Smooth while making images smaller (`"nearest"` has nothing to smooth).
        crop_to_aspect_ratio: Cut the largest centred part of the new aspect ratio first.
        pad_to_aspect_ratio: Pad evenly to the new aspect ratio first.
        fill_mode: `"constant"`.
        fill_value: What to pad with.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.

    Returns:
        The images, of their type.

    Raises:
        ValueError: If there is an unknown interpolation, or arguments that exclude each other.

    >>> keras.ops.image.resize(torch.ones(4, 4, 3), (2, 8)).shape
    torch.Size([2, 8, 3])
    """
    known = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
    if interpolation not in known:
        raise ValueError(f"`interpolation` must be one of {known}. Received: interpolation={interpolation!r}")
    if fill_mode != "constant":
        raise ValueError(f"`fill_mode` must be 'constant'. Received: fill_mode={fill_mode!r}")
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError("`crop_to_aspect_ratio` and `pad_to_aspect_ratio` must not both be True.")
    if isinstance(size, int) or len(size) != 2 or any(n <= 0 for n in size):
        raise ValueError(f"`size` must be a height and a width, both positive. Received: size={size!r}")
    height, width = int(size[0]), int(size[1])
    x, back = channels_first(images, data_format)
    h, w = x.shape[2:]
    if crop_to_aspect_ratio:
        part_h, part_w = max(min(h, w * height // width), 1), max(min(w, h * width // height), 1)
        top, left = (h - part_h) // 2, (w - part_w) // 2
        x = x[:, :, top : top + part_h, left : left + part_w]
    elif pad_to_aspect_ratio:  # as in Keras the same on both sides, so that an odd row too many is left out
        v, u = (max(h, w * height // width) - h) // 2, (max(w, h * width // height) - w) // 2
        x = F.pad(x, (u, u, v, v), value=fill_value)
    return back(_interpolate(x, (height, width), interpolation, antialias))


def _scaled_spec(images: Any, output_shape: Sequence[int], *_: Any, **__: Any) -> KerasTensor:
    return KerasTensor(output_shape, images.dtype)


@op(spec=_scaled_spec, filed=Filed(called=("output_shape",)))
def scale_and_translate(
    images: TensorLike,
    output_shape: Sequence[int],
    scale: TensorLike,
    translation: TensorLike,
    spatial_dims: Sequence[int],
    method: str,
    antialias: bool = True,
) -> torch.Tensor:
    """Axes stretched and shifted: place `p` goes to `p * scale + translation`, in coordinates in which pixels are intervals of length 1.

    Args:
        images: A tensor of any rank.
        output_shape: The shape of the result; on axes that are not resampled, that of the images.
        scale: One number per axis in `spatial_dims`.
        translation: The shift of each spatial axis, in pixels of the result.
        spatial_dims: The axes that are resampled.
        method: `"linear"`, `"cubic"` (and both with bi- or tri- before), `"lanczos3"` or `"lanczos5"`.
        antialias: Smooth while making images smaller.

    Returns:
        The images, of their type; zero where the source has nothing.

    Raises:
        ValueError: If there is an unknown method, or numbers that are not as many as the axes.

    >>> keras.ops.image.scale_and_translate(torch.ones(4, 4, 3), (2, 2, 3), [0.5, 0.5], [0.0, 0.0], (0, 1), "linear").shape
    torch.Size([2, 2, 3])
    """
    if method not in _KERNELS:
        raise ValueError(f"`method` must be one of {', '.join(_KERNELS)}. Received: method={method!r}")
    count, rank = len(spatial_dims), images.dim()
    axes = [axis % rank for axis in spatial_dims]
    if len(output_shape) != rank or any(output_shape[a] != images.shape[a] for a in range(rank) if a not in axes):
        raise ValueError(
            "`output_shape` must have one size per axis of `images`, and theirs on axes not in `spatial_dims`. "
            f"Received: output_shape={tuple(output_shape)}, images.shape={tuple(images.shape)}, spatial_dims={tuple(spatial_dims)}"
        )
    if tuple(scale.shape) != (count,) or tuple(translation.shape) != (count,):
        raise ValueError(
            f"`scale` and `translation` must have one number per axis in `spatial_dims`. Received: scale.shape={tuple(scale.shape)}, "
            f"translation.shape={tuple(translation.shape)}, spatial_dims={tuple(spatial_dims)}"
        )
    x = precise(images)
    scale, translation = scale.to(x.dtype), translation.to(x.dtype)
    for i, axis in enumerate(axes):
        x = _resample(x, axis, output_shape[axis], scale[i], translation[i], method, antialias)
    return restore(x, images.dtype)
