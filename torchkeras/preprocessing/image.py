"""Images between files, Pillow and arrays, and arrays of images in another size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from .. import ops
from ..utils import array_to_img as array_to_img
from ..utils import img_to_array as img_to_array
from ..utils import load_img as load_img
from ..utils import save_img as save_img


def smart_resize(
    x: Any, size: Sequence[int], interpolation: str = "bilinear", data_format: str = "channels_last", **kwargs: Any
) -> np.ndarray | torch.Tensor:
    """Images in another size without distortion: the middle is cut out at the aspect ratio of `size` and resized.

    Args:
        x: One image or a batch of images, with the channels where `data_format` says.
        size: Height and width of the result.
        interpolation: One of `"nearest"`, `"bilinear"`, `"bicubic"`, `"lanczos3"`, `"lanczos5"`.
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: `backend_module`, which Keras takes for its own use and which has no meaning here.

    Returns:
        The images in float32: an array for an array, a tensor for a tensor.

    Raises:
        ValueError: If `x` is no image or batch, or `size` is not two numbers.

    >>> smart_resize(np.zeros((340, 500, 3)), (200, 200)).shape
    (200, 200, 3)
    """
    kwargs.pop("backend_module", None)
    if kwargs:
        raise TypeError(f"smart_resize() got unexpected arguments: {', '.join(kwargs)}")
    if len(size) != 2:
        raise ValueError(f"`size` must be a height and a width. Received: size={size}")
    images = ops.convert_to_tensor(x)
    if images.ndim not in (3, 4):
        raise ValueError(f"`x` must be one image or a batch of images, of rank 3 or 4. Received: x.shape={tuple(images.shape)}")
    if not images.is_floating_point():
        images = images.float()
    height, width = images.shape[-3:-1] if data_format == "channels_last" else images.shape[-2:]
    crop_height = max(min(height, int(width * size[0] / size[1])), 1)
    crop_width = max(min(width, int(height * size[1] / size[0])), 1)
    rows = slice((height - crop_height) // 2, (height - crop_height) // 2 + crop_height)
    columns = slice((width - crop_width) // 2, (width - crop_width) // 2 + crop_width)
    images = images[..., rows, columns, :] if data_format == "channels_last" else images[..., rows, columns]
    resized = ops.image.resize(images, tuple(size), interpolation=interpolation, data_format=data_format)
    return resized if isinstance(x, torch.Tensor) else resized.numpy()
