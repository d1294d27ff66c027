"""Images between files, Pillow and arrays (`pip install 'torchkeras-api[images]'`)."""

from __future__ import annotations

import io
import os
from typing import Any

import numpy as np
import torch

from .. import config

_MODES = {"grayscale": "L", "rgb": "RGB", "rgba": "RGBA"}
_FILTERS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("Image files need Pillow: `pip install 'torchkeras-api[images]'`.") from error
    return Image


def array_to_img(x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = None) -> Any:
    """An array as a Pillow image.

    Args:
        x: Height, width and 1, 3 or 4 channels, in the order that `data_format` says.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        scale: Whether the smallest value becomes 0 and the largest 255; without it values must be within these.
        dtype: The type in which this is computed; `config.floatx()` without it.

    Raises:
        ValueError: If there is another rank or number of channels.
    """
    image = _pillow()
    data_format = config.standardize_data_format(data_format)
    values = x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else np.asarray(x)
    values = values.astype(dtype or config.floatx())
    if values.ndim != 3:
        raise ValueError(f"`x` must be one image of height, width and channels. Received: x.shape={values.shape}")
    if data_format == "channels_first":
        values = values.transpose(1, 2, 0)
    channels = values.shape[2]
    if channels not in (1, 3, 4):
        raise ValueError(f"`x` must have 1, 3 or 4 channels with data_format={data_format!r}. Received: {channels}")
    if scale:
        values = values - values.min()
        largest = values.max()
        values = values * (255 / largest) if largest else values
    if channels == 1:
        flat = values[..., 0]
        return image.fromarray(flat.astype("int32" if flat.max(initial=0) > 255 else "uint8"))  # mode "I" holds more than a byte
    return image.fromarray(values.astype("uint8"))


def img_to_array(img: Any, data_format: str | None = None, dtype: Any = None) -> np.ndarray:
    """A Pillow image as an array of height, width and channels, in the order that `data_format` says.

    Args:
        img: The image.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        dtype: The type of the array; `config.floatx()` without it.
    """
    data_format = config.standardize_data_format(data_format)
    values = np.asarray(img, dtype=dtype or config.floatx())
    if values.ndim not in (2, 3):
        raise ValueError(f"`img` must be one image, gray or with channels. Received: shape={values.shape}")
    values = values[..., None] if values.ndim == 2 else values
    return values.transpose(2, 0, 1) if data_format == "channels_first" else values


def load_img(
    path: str | os.PathLike[str] | io.BytesIO | io.BufferedIOBase,
    color_mode: str = "rgb",
    target_size: tuple[int, int] | None = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
) -> Any:
    """An image file as a Pillow image.

    Args:
        path: Path, or a file open for reading bytes.
        color_mode: `"grayscale"`, `"rgb"` or `"rgba"`.
        target_size: Height and width that it gets; its own without it.
        interpolation: One of `"nearest"`, `"bilinear"`, `"bicubic"`, `"hamming"`, `"box"`, `"lanczos"`.
        keep_aspect_ratio: Whether the middle of the image is cut out at the target's aspect ratio before it is resized.
    """
    image = _pillow()
    if color_mode not in _MODES:
        raise ValueError(f"`color_mode` must be one of {', '.join(_MODES)}. Received: color_mode={color_mode!r}")
    if interpolation not in _FILTERS:
        raise ValueError(f"`interpolation` must be one of {', '.join(_FILTERS)}. Received: interpolation={interpolation!r}")
    with image.open(path) as opened:
        opened.load()
        # 16- and 32-bit gray images keep their values: converting them would cut at 255
        wide_gray = color_mode == "grayscale" and opened.mode in ("I;16", "I")
        img = opened.copy() if wide_gray else opened.convert(_MODES[color_mode])
    if target_size is None:
        return img
    height, width = target_size
    if img.size == (width, height):
        return img
    box = None
    if keep_aspect_ratio:
        crop_height = min(img.height, img.width * height // width)
        crop_width = min(img.width, img.height * width // height)
        top, left = (img.height - crop_height) // 2, (img.width - crop_width) // 2
        box = (left, top, left + crop_width, top + crop_height)
    return img.resize((width, height), getattr(image.Resampling, interpolation.upper()), box=box)


def save_img(
    path: str | os.PathLike[str] | io.BufferedIOBase,
    x: Any,
    data_format: str | None = None,
    file_format: str | None = None,
    scale: bool = True,
    **kwargs: Any,
) -> None:
    """Write an array as an image file.

    Args:
        path: Path, or a file open for writing bytes.
        x: Height, width and 1, 3 or 4 channels, in the order that `data_format` says.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        file_format: Such as `"png"`; told by the path's extension without it.
        scale: Whether the smallest value becomes 0 and the largest 255; without it values must be within these.
        **kwargs: For `PIL.Image.Image.save`.
    """
    img = array_to_img(x, data_format=data_format, scale=scale)
    kind = file_format or (os.path.splitext(path)[1].lstrip(".") if isinstance(path, (str, os.PathLike)) else "")
    if img.mode == "RGBA" and kind.lower() in ("jpg", "jpeg"):
        img = img.convert("RGB")  # JPEG has no transparency
    img.save(path, format="jpeg" if file_format == "jpg" else file_format, **kwargs)
