"""Filters: blur, edges, and the structural similarity that is made of blurs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from ... import config
from ...graph import Filed, TensorLike, op
from ..nn.spatial import same_padding, spatial_tuple
from ._layout import channels_first, check_images, restore, working


def _gaussian(size: int, sigma: float | torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """`size` samples of the bell curve that sum to one."""
    places = torch.arange(size, dtype=like.dtype, device=like.device) - (size - 1) / 2
    return torch.softmax(-(places**2) / (2 * sigma**2), 0)


def _convolved(x: torch.Tensor, column: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
    """Each channel of `(n, channels, height, width)` convolved with the product of two vectors, without padding."""
    channels = x.shape[1]
    x = F.conv2d(x, column.reshape(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)
    return F.conv2d(x, row.reshape(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)


def blurred(x: torch.Tensor, size: tuple[int, int], sigma: Sequence[float | torch.Tensor]) -> torch.Tensor:
    """`(n, channels, height, width)` blurred, as if it were zero outside.

    Args:
        x: The images.
        size: The height and width of the kernel.
        sigma: Its deviations.
    """
    (top, bottom), (left, right) = (same_padding(n, k) for n, k in zip(x.shape[2:], size))
    return _convolved(F.pad(x, (left, right, top, bottom)), _gaussian(size[0], sigma[0], x), _gaussian(size[1], sigma[1], x))


@op
def gaussian_blur(
    images: TensorLike,
    kernel_size: int | Sequence[int] = (3, 3),
    sigma: float | Sequence[float] | Sequence[torch.Tensor] = (1.0, 1.0),
    data_format: str | None = None,
) -> torch.Tensor:
    """Images blurred by a Gaussian, as if they were zero outside.

    Args:
        images: One image `(height, width, channels)` or a batch; channels first for `"channels_first"`.
        kernel_size: The height and width of the kernel.
        sigma: Its deviations across and down, in pixels.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.

    >>> keras.ops.image.gaussian_blur(torch.ones(8, 8, 3)).shape
    torch.Size([8, 8, 3])
    """
    x, back = channels_first(images, data_format)
    height, width = spatial_tuple(kernel_size, 2, "kernel_size")
    across, down = (sigma, sigma) if isinstance(sigma, (int, float)) else sigma
    return back(restore(blurred(working(x), (height, width), (down, across)), images.dtype))


@op(promote="float")
def sobel_edges(images: TensorLike, data_format: str | None = None) -> torch.Tensor:
    """The vertical and the horizontal Sobel derivative of each channel, as if images were zero outside.

    Args:
        images: One image `(height, width, channels)` or a batch; channels first for `"channels_first"`.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.

    Returns:
        The shape of the images and a last axis of size 2: down, and to the right.

    >>> keras.ops.image.sobel_edges(torch.ones(1, 4, 4, 3)).shape
    torch.Size([1, 4, 4, 3, 2])
    """
    x, back = channels_first(images, data_format)
    x = F.pad(x, (1, 1, 1, 1))
    smooth, slope = x.new_tensor([1.0, 2.0, 1.0]), x.new_tensor([-1.0, 0.0, 1.0])
    return torch.stack([back(_convolved(x, slope, smooth)), back(_convolved(x, smooth, slope))], -1)


@op(promote="float", args=("image1", "image2"), filed=Filed("SSIM"))
def ssim(
    image1: TensorLike,
    image2: TensorLike,
    max_val: float = 1.0,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    data_format: str | None = None,
) -> torch.Tensor:
    """The structural similarity of images (https://ece.uwaterloo.ca/~z70wang/publications/ssim.pdf), 1 for equal ones.

    Args:
        image1: One image `(height, width, channels)` or a batch; channels first for `"channels_first"`.
        image2: Of the same shape.
        max_val: The largest value a pixel can have.
        filter_size: The side of the Gaussian window.
        filter_sigma: Its deviation, in pixels.
        k1: Steadies the luminance term.
        k2: Steadies the contrast term.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.

    Returns:
        One number, or one for each image of the batch.

    Raises:
        ValueError: If there are different shapes, or images smaller than the window.

    >>> keras.ops.image.ssim(torch.ones(1, 16, 16, 3), torch.ones(1, 16, 16, 3))
    tensor([1.])
    """
    if image1.shape != image2.shape:
        raise ValueError(
            f"`image1` and `image2` must have one shape. Received: image1.shape={tuple(image1.shape)}, image2.shape={tuple(image2.shape)}"
        )
    check_images(image1, "image1")
    (x, _), (y, _) = channels_first(image1, data_format), channels_first(image2, data_format)
    if min(x.shape[2:]) < filter_size:
        raise ValueError(
            f"`filter_size` must not exceed the images. Received: filter_size={filter_size}, image1.shape={tuple(image1.shape)} "
            f"({config.standardize_data_format(data_format)})"
        )
    window = _gaussian(filter_size, filter_sigma, x)
    mean_x, mean_y, xx, yy, xy = _convolved(torch.cat([x, y, x * x, y * y, x * y], 1), window, window).chunk(5, 1)
    c1, c2 = (k1 * max_val) ** 2, (k2 * max_val) ** 2
    product, squares = mean_x * mean_y, mean_x**2 + mean_y**2
    contrast = (2 * (xy - product) + c2) / (xx + yy - squares + c2)
    value = ((2 * product + c1) / (squares + c1) * contrast).mean((1, 2, 3))
    return value if image1.dim() == 4 else value.squeeze(0)
