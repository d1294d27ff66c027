"""What the image ops share: one image or a batch, either layout, integers in and out."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ... import config, dtypes
from ..core import saturate_cast


def check_images(images: torch.Tensor, name: str = "images") -> None:
    """Accept one image or a batch.

    Raises:
        ValueError: Neither three axes nor four.
    """
    if images.dim() not in (3, 4):
        raise ValueError(f"`{name}` must be one image (three axes) or a batch (four axes). Received: {name}.shape={tuple(images.shape)}")


def channels_first(images: torch.Tensor, data_format: str | None) -> tuple[torch.Tensor, Callable[[torch.Tensor], torch.Tensor]]:
    """A batch `(n, channels, height, width)` that views `images`, and the way back to their layout."""
    check_images(images)
    last = config.standardize_data_format(data_format) == "channels_last"
    batch = images if images.dim() == 4 else images.unsqueeze(0)

    def back(x: torch.Tensor) -> torch.Tensor:
        x = x.permute(0, 2, 3, 1) if last else x
        return x if images.dim() == 4 else x.squeeze(0)

    return (batch.permute(0, 3, 1, 2) if last else batch), back


def channels_last(images: torch.Tensor, data_format: str | None) -> tuple[torch.Tensor, Callable[[torch.Tensor], torch.Tensor]]:
    """A batch `(n, height, width, channels)` that views `images`, and the way back to their layout."""
    check_images(images)
    last = config.standardize_data_format(data_format) == "channels_last"
    batch = images if images.dim() == 4 else images.unsqueeze(0)

    def back(x: torch.Tensor) -> torch.Tensor:
        x = x if last else x.permute(0, 3, 1, 2)
        return x if images.dim() == 4 else x.squeeze(0)

    return (batch if last else batch.permute(0, 2, 3, 1)), back


def working(x: torch.Tensor) -> torch.Tensor:
    """`x` in a type to compute in: itself if it is floating, else `floatx()`."""
    return x if x.dtype.is_floating_point else x.to(dtypes.to_torch_dtype(None))


def precise(x: torch.Tensor) -> torch.Tensor:
    """`x` in a type that holds fractions of large coordinates, and that torch's kernels on the CPU take."""
    return x if x.dtype in (torch.float32, torch.float64) else x.to(torch.float32)


def restore(x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """`x` in the type of the images; of an integer type rounded, and without wrapping around."""
    if x.dtype is dtype:
        return x
    return saturate_cast(x if dtype.is_floating_point or dtype is torch.bool else torch.round(x), dtype)
