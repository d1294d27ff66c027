"""Layers that spread the values of images over their range: AutoContrast, Equalization and its adaptive kind."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from .base import ImageLayer, Transformation, ordered, rescaled


class AutoContrast(ImageLayer):
    """Stretches each channel of each image to the whole range of values, in training and in inference.

    Args:
        value_range: The least and the greatest value of a pixel.
        **kwargs: `data_format`, `bounding_box_format`, `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If `value_range` is not two numbers.

    >>> AutoContrast()(torch.tensor([[[[10.0], [20.0], [30.0]]]])).flatten().tolist()
    [0.0, 127.5, 255.0]
    """

    trains_only = False

    def __init__(self, value_range: Any = (0, 255), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.value_range = ordered(value_range)

    def transform(self, images: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        values = rescaled(images, self.value_range, (0, 255))
        low, high = values.amin((1, 2), keepdim=True), values.amax((1, 2), keepdim=True)
        scale = 255.0 / (high - low)
        stretched = rescaled((values * scale - low * scale).clamp(0, 255), (0, 255), self.value_range)
        return torch.where(stretched.isnan(), images, stretched)


class Equalization(ImageLayer):
    """Spreads the values of each channel so that all occur about equally often in the batch, in training.

    Args:
        value_range: The least and the greatest value of a pixel.
        bins: The number of steps that values are counted in.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        **kwargs: `bounding_box_format`, `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If `value_range` is not two numbers.

    >>> Equalization()(torch.tensor([[[[10.0], [20.0], [21.0]]]]), training=True).flatten().tolist()
    [0.0, 128.0, 255.0]
    """

    def __init__(self, value_range: Any = (0, 255), bins: int = 256, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.bins = bins
        self.value_range = ordered(value_range)

    def transform(self, images: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        channels, last = images.shape[-1], self.bins - 1
        values = rescaled(images, self.value_range, (0, 255))
        places = (values * last / 255).int().clamp(0, last).long() + torch.arange(channels, device=images.device) * self.bins
        counts = torch.zeros(channels * self.bins, device=images.device).index_add_(
            0, places.flatten(), torch.ones_like(values.flatten().float())
        )
        counts = counts.reshape(channels, self.bins)
        below = counts.cumsum(1)
        least = torch.where(below > 0, below, below[:, -1:]).amin(1, keepdim=True)  # of the first step that occurs
        rest = below[:, -1:] - least
        table = ((below - least) * 255 / torch.where(rest == 0, torch.ones_like(rest), rest)).round().clamp(0, 255)
        spread = table.flatten()[places].to(images.dtype)
        single = (counts > 0).sum(1) <= 1
        return rescaled(torch.where(single, values, spread), (0, 255), self.value_range)


class ContrastLimitedAdaptiveHistogramEqualization(ImageLayer):
    """Spreads the values within tiles of each image, no more than a limit, in training and in inference.

    After Zuiderveld, "Contrast Limited Adaptive Histogram Equalization", Graphics Gems IV, 1994: each pixel takes a mean of what the
    four nearest tiles make of it.

    Args:
        value_range: The least and the greatest value of a pixel.
        clip_limit: How often a value may occur in a tile, in multiples of the mean; what is above is given to all values alike. 0 for no
            limit.
        tile_grid_size: The numbers of tiles down and across.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        **kwargs: `bounding_box_format`, `name`, `dtype` and `trainable`.

    >>> ContrastLimitedAdaptiveHistogramEqualization(tile_grid_size=(2, 2))(torch.zeros(1, 16, 16, 1)).shape
    torch.Size([1, 16, 16, 1])
    """

    trains_only = False

    def __init__(
        self,
        value_range: Any = (0, 255),
        clip_limit: float = 4.0,
        tile_grid_size: tuple[int, int] = (8, 8),
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.value_range, self.clip_limit, self.tile_grid_size = value_range, clip_limit, tile_grid_size

    def transform(self, images: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        x = rescaled(images.float(), self.value_range, (0, 255)).permute(0, 3, 1, 2)
        n, channels, height, width = x.shape
        (down, across), tile = self.tile_grid_size, tuple(-(-s // g) for s, g in zip((height, width), self.tile_grid_size))
        more = tile[0] * down - height, tile[1] * across - width
        rows, columns = (torch.arange(s + m, device=x.device) for s, m in zip((height, width), more))
        values = x[:, :, _mirrored(rows, height)][..., _mirrored(columns, width)].int().clamp(0, 255).long()
        tiles = values.reshape(n, channels, down, tile[0], across, tile[1]).transpose(3, 4).reshape(n, channels, down, across, -1)
        counts = x.new_zeros(n, channels, down, across, 256).scatter_add_(-1, tiles, x.new_ones(1).expand(tiles.shape))
        area = float(tile[0] * tile[1])
        if self.clip_limit > 0:
            kept = counts.clamp(max=self.clip_limit * area / 256)
            counts = kept + (counts - kept).sum(-1, keepdim=True) / 256
        below = counts.cumsum(-1)
        least = below.amin(-1, keepdim=True)
        rest = area - least
        table = ((below - least) * 255 / torch.where(rest == 0, torch.ones_like(rest), rest)).clamp(0, 255)
        table = F.pad(table.permute(0, 1, 4, 2, 3).flatten(0, 2), (1, 1, 1, 1), mode="replicate")  # tiles outside are as those at the edge
        table = table.reshape(n, channels, 256, (down + 2) * (across + 2)).transpose(2, 3).flatten(2)

        def near(places: torch.Tensor, size: int, count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            at = (places - size / 2) / size + 1
            first = at.floor()
            return first.long().clamp(0, count + 1), (first.long() + 1).clamp(0, count + 1), at - first

        top, bottom, wy = near(rows[:height], tile[0], down)
        left, right, wx = near(columns[:width], tile[1], across)
        pixels = values[:, :, :height, :width]

        def mapped(row: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
            index = (row[:, None] * (across + 2) + column) * 256 + pixels
            return table.gather(2, index.flatten(2)).reshape(pixels.shape)

        upper = torch.lerp(mapped(top, left), mapped(top, right), wx)
        lower = torch.lerp(mapped(bottom, left), mapped(bottom, right), wx)
        result = torch.lerp(upper, lower, wy[:, None]).permute(0, 2, 3, 1)
        return rescaled(result, (0, 255), self.value_range).to(images.dtype)


def _mirrored(index: torch.Tensor, size: int) -> torch.Tensor:
    """Places beyond the edge as those before it: a b c | c b a."""
    index = index % (2 * size)
    return torch.minimum(index, 2 * size - 1 - index)
