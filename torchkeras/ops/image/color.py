"""Colour spaces."""

from __future__ import annotations

import torch

from ... import config, dtypes
from ...graph import Filed, TensorLike, op
from ._layout import check_images, working


def _channel_axis(images: torch.Tensor, data_format: str | None) -> int:
    check_images(images)
    return -1 if config.standardize_data_format(data_format) == "channels_last" else -3


def _colours(images: torch.Tensor, data_format: str | None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
    axis = _channel_axis(images, data_format)
    if images.shape[axis] != 3:
        raise ValueError(f"`images` must have 3 channels. Received: images.shape={tuple(images.shape)}, data_format={data_format!r}")
    if not images.dtype.is_floating_point:
        raise ValueError(
            f"`images` must be floating, from 0 to 1. Received: dtype={dtypes.standardize_dtype(images.dtype)}. Cast and divide by 255."
        )
    red, green, blue = images.unbind(axis)
    return red, green, blue, axis


@op(filed=Filed("RGBToGrayscale"))
def rgb_to_grayscale(images: TensorLike, data_format: str | None = None) -> torch.Tensor:
    """Red, green and blue weighted as the eye does (ITU-R BT.601); images of one channel stay.

    Args:
        images: One image `(height, width, channels)` or a batch; channels first for `"channels_first"`.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.

    Returns:
        The images with one channel, of their type; of integers, what lies behind the point is cut off.

    Raises:
        ValueError: If there are other than one or three channels.

    >>> keras.ops.image.rgb_to_grayscale([[[1.0, 1.0, 1.0]]])
    tensor([[[0.9999]]])
    """
    axis = _channel_axis(images, data_format)
    if images.shape[axis] == 1:
        return images.clone()
    if images.shape[axis] != 3:
        raise ValueError(f"`images` must have 1 or 3 channels. Received: images.shape={tuple(images.shape)}, data_format={data_format!r}")
    red, green, blue = working(images).unbind(axis)
    return (0.2989 * red + 0.587 * green + 0.114 * blue).unsqueeze(axis).to(images.dtype)


@op(filed=Filed("RGBToHSV"))
def rgb_to_hsv(images: TensorLike, data_format: str | None = None) -> torch.Tensor:
    """Hue, saturation and value of colours; the hue as a part of the circle, 0 for grey.

    Args:
        images: Floats from 0 to 1, one image `(height, width, 3)` or a batch; channels first for `"channels_first"`.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.

    Raises:
        ValueError: If the images are integers, or have other than three channels.

    >>> keras.ops.image.rgb_to_hsv([[[1.0, 0.0, 0.0]]])
    tensor([[[0., 1., 1.]]])
    """
    red, green, blue, axis = _colours(images, data_format)
    value, low = images.amax(axis), images.amin(axis)
    spread = value - low
    divisor = torch.where(spread > 0, spread, 1)
    hue = torch.where(red == value, (green - blue) / divisor, 4 + (red - green) / divisor)
    hue = torch.where((green == value) & (red != value), 2 + (blue - red) / divisor, hue) / 6
    hue = torch.where(spread > 0, torch.where(hue < 0, hue + 1, hue), 0)
    saturation = torch.where(value > 0, spread / torch.where(value > 0, value, 1), 0)
    return torch.stack([hue, saturation, value], axis)


@op(filed=Filed("HSVToRGB"))
def hsv_to_rgb(images: TensorLike, data_format: str | None = None) -> torch.Tensor:
    """Red, green and blue of colours given as `rgb_to_hsv` gives them. Arguments as there.

    Args:
        images: Images, alone or in a batch.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.

    >>> keras.ops.image.hsv_to_rgb([[[0.0, 1.0, 1.0]]])
    tensor([[[1., 0., 0.]]])
    """
    hue, saturation, value, axis = _colours(images, data_format)
    angles = [(hue * 6 + offset) % 6 for offset in (5, 3, 1)]
    lacks = [torch.minimum(angle, 4 - angle).clamp(0, 1) for angle in angles]
    return torch.stack([value - value * saturation * lack for lack in lacks], axis)
