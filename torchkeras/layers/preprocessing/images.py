"""Images of one size: Resizing and CenterCrop."""

from __future__ import annotations

from typing import Any

import torch

from ...ops.image import resize
from ..augmentation import boxes as _boxes
from ..augmentation.base import SizedLayer, Sizes, Transformation


class Resizing(SizedLayer):
    """Images in another size, of their type.

    Args:
        height: The new height.
        width: The new width.
        interpolation: `"nearest"`, `"bilinear"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
        crop_to_aspect_ratio: Cut the largest centred part of the new aspect ratio first, instead of distorting.
        pad_to_aspect_ratio: Pad evenly to the new aspect ratio first, instead of distorting.
        fill_mode: `"constant"`.
        fill_value: What to pad with.
        antialias: Smooth while making images smaller.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        **kwargs: `bounding_box_format`, `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If a size is no positive number, the interpolation is unknown, or images are to be cropped and padded.

    >>> keras.layers.Resizing(4, 6)(torch.ones(1, 8, 8, 3)).shape
    torch.Size([1, 4, 6, 3])
    """

    _tk_keeps_type = True
    trains_only = False

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._init_size(height, width)
        interpolation = str(interpolation).lower()
        if interpolation not in _INTERPOLATIONS:
            raise ValueError(
                f"`interpolation` must be one of {', '.join(map(repr, _INTERPOLATIONS))}. Received: interpolation={interpolation!r}"
            )
        if crop_to_aspect_ratio and pad_to_aspect_ratio:
            raise ValueError("`crop_to_aspect_ratio` and `pad_to_aspect_ratio` must not both be True.")
        if fill_mode != "constant":
            raise ValueError(f"`fill_mode` must be 'constant'. Received: fill_mode={fill_mode!r}")
        self.interpolation, self.antialias = interpolation, antialias
        self.crop_to_aspect_ratio, self.pad_to_aspect_ratio = crop_to_aspect_ratio, pad_to_aspect_ratio
        self.fill_mode, self.fill_value = fill_mode, fill_value

    def transform(self, images: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        return self._resized(images, self.interpolation)

    def apply_to_masks(self, masks: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        return self._resized(masks, "nearest")

    def _resized(self, images: torch.Tensor, interpolation: str) -> torch.Tensor:
        return resize(
            images, (self.height, self.width), interpolation, self.antialias, self.crop_to_aspect_ratio, self.pad_to_aspect_ratio,
            self.fill_mode, self.fill_value, "channels_last",
        )  # fmt: skip

    def apply_to_boxes(self, boxes: dict[str, torch.Tensor], size: Sizes, transformation: Transformation) -> tuple[dict[str, Any], Sizes]:
        given, (tall, wide) = boxes["boxes"], (self.height / size[0], self.width / size[1])
        down = across = 0.0
        if self.pad_to_aspect_ratio:
            tall = wide = min(tall, wide)
            down, across = (self.height - size[0] * tall) // 2, (self.width - size[1] * wide) // 2
        elif self.crop_to_aspect_ratio:
            tall = wide = max(tall, wide)
            down, across = -((size[0] * tall - self.height) // 2), -((size[1] * wide - self.width) // 2)
        moved = given * given.new_tensor([wide, tall] * 2) + given.new_tensor([across, down] * 2)
        padding = (given == 0).all(-1) | (given == -1).all(-1)  # no box at all
        cut = _boxes.clip_to_image_size({**boxes, "boxes": moved}, self.height, self.width)
        return {**cut, "boxes": torch.where(padding.unsqueeze(-1), torch.zeros_like(moved), cut["boxes"])}, (self.height, self.width)


_INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")


class CenterCrop(SizedLayer):
    """The centre of images; of images smaller than it, the largest part of the same aspect ratio, resized.

    Args:
        height: The new height.
        width: The new width.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        **kwargs: `bounding_box_format`, `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If a size is no positive number.

    >>> keras.layers.CenterCrop(4, 4)(torch.ones(1, 8, 8, 3)).shape
    torch.Size([1, 4, 4, 3])
    """

    trains_only = False

    def __init__(self, height: int, width: int, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._init_size(height, width)

    def transform(self, images: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        return self._cut(images, "bilinear")

    def apply_to_masks(self, masks: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        return self._cut(masks, "nearest")

    def _cut(self, images: torch.Tensor, interpolation: str) -> torch.Tensor:
        top, left = images.shape[1] - self.height, images.shape[2] - self.width
        if top < 0 or left < 0:
            return resize(images, (self.height, self.width), interpolation, crop_to_aspect_ratio=True, data_format="channels_last")
        return images[:, top // 2 : top // 2 + self.height, left // 2 : left // 2 + self.width]

    def apply_to_boxes(self, boxes: dict[str, torch.Tensor], size: Sizes, transformation: Transformation) -> tuple[dict[str, Any], Sizes]:
        height, width = self.height, self.width
        if size[0] < height or size[1] < width:  # the largest part of the same aspect ratio
            height = max(min(size[0], size[1] * self.height // self.width), 1)
            width = max(min(size[1], size[0] * self.width // self.height), 1)
        top, left = (size[0] - height) // 2, (size[1] - width) // 2
        part = _boxes.crop(boxes["boxes"], top, left, height, width)
        scaled = part * part.new_tensor([self.width / width, self.height / height] * 2)
        return _boxes.clip_to_image_size({**boxes, "boxes": scaled}, self.height, self.width), (self.height, self.width)
