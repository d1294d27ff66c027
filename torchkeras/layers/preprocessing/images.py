"""What layers on images share, and images of one size: Resizing and CenterCrop."""

from __future__ import annotations

from typing import Any

import torch

from ... import config, tree
from ...ops.image import resize
from ..layer import Layer

Sizes = tuple[int, int]


class ImageLayer(Layer):
    """A layer on one image or a batch of them, alone or in a dict with labels and segmentation masks beside them.

    A class is two methods. `sample(count, size, device)` draws the transformation of `count` images of this size: tensors whose first axis
    is that of the batch, or `None` for no transformation. `transform(images, transformation)` makes it, on a floating batch
    `(count, height, width, channels)`. `transform_masks` does the same to segmentation masks, whose numbers are names of classes.

    Args:
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        **kwargs: `name`, `dtype` and `trainable`.
    """

    _tk_config_base = (*Layer._tk_config_base, "data_format")
    _trains_only = False  # whether it leaves images alone outside training

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = config.standardize_data_format(data_format)

    def sample(self, count: int, size: Sizes, device: torch.device) -> Any:
        """Draw what is done to a batch.

        Args:
            count: The number of images.
            size: Their height and width.
            device: Where they are.
        """
        return ()

    def transform(self, images: torch.Tensor, transformation: Any) -> torch.Tensor:
        """Transform a batch of images.

        Args:
            images: Floats `(count, height, width, channels)`.
            transformation: What `sample` drew.
        """
        raise NotImplementedError

    def transform_masks(self, masks: torch.Tensor, transformation: Any) -> torch.Tensor:
        """Transform segmentation masks as the images; they stay as they are where only colours change.

        Args:
            masks: Floats `(count, height, width, channels)`.
            transformation: What `sample` drew.
        """
        return masks

    def call(self, inputs: Any, training: bool = True) -> Any:
        if self._trains_only and not training:
            return tree.map_structure(self._in_type, inputs) if not isinstance(inputs, dict) else inputs
        if not isinstance(inputs, dict):
            return self._transform(inputs, None, self.transform)[0]
        unknown = [k for k in inputs if k not in _PARTS]
        if "images" not in inputs or unknown:
            raise ValueError(
                f"A dict for the layer {self.name!r} must hold 'images', and may hold 'labels' and 'segmentation_masks'. "
                f"Received: {', '.join(map(repr, inputs))}"
            )
        images, drawn = self._transform(inputs["images"], None, self.transform)
        outputs = {**inputs, "images": images}
        if "segmentation_masks" in inputs:
            outputs["segmentation_masks"] = self._mask(inputs["segmentation_masks"], inputs["images"].dim(), drawn)
        return outputs

    def _mask(self, masks: torch.Tensor, dims: int, drawn: Any) -> torch.Tensor:
        bare = masks.dim() == dims - 1  # without an axis of channels
        axis = -1 if self.data_format == "channels_last" else -3
        x = masks.unsqueeze(axis) if bare else masks
        moved = self._transform(x, drawn, self.transform_masks)[0].to(masks.dtype)
        return moved.squeeze(axis) if bare else moved

    def _in_type(self, images: torch.Tensor) -> torch.Tensor:
        return images if self._tk_keeps_type or images.dtype is self._tk_compute else images.to(self._tk_compute)

    def _transform(self, images: torch.Tensor, drawn: Any, transform: Any) -> tuple[torch.Tensor, Any]:
        """`transform` on a floating batch `(count, height, width, channels)` that views `images`; back in their layout and type."""
        if images.dim() not in (3, 4):
            raise ValueError(
                f"Images of the layer {self.name!r} must be one image (three axes) or a batch (four axes). Received: {tuple(images.shape)}"
            )
        first, single = self.data_format == "channels_first", images.dim() == 3
        x = images.unsqueeze(0) if single else images
        x = x.permute(0, 2, 3, 1) if first else x
        given = x.dtype
        if not self._tk_keeps_type:
            x = x.to(self._tk_compute)
        if drawn is None:
            drawn = self.sample(x.shape[0], (x.shape[1], x.shape[2]), x.device)
        if drawn is not None:
            x = transform(x, drawn)
        if self._tk_keeps_type and x.dtype is not given:
            x = x.to(given)
        x = x.permute(0, 3, 1, 2) if first else x
        return (x.squeeze(0) if single else x), drawn


_PARTS = ("images", "labels", "segmentation_masks")


class _Sized(ImageLayer):
    """A layer that gives images of one height and width."""

    height: int
    width: int

    def compute_output_shape(self, input_shape: Any) -> Any:
        if isinstance(input_shape, dict):
            return {k: self.compute_output_shape(s) if k == "images" else s for k, s in input_shape.items()}
        shape, axis = list(input_shape), -3 if self.data_format == "channels_last" else -2
        shape[axis], shape[axis + 1] = self.height, self.width
        return tuple(shape)

    def _check_size(self, height: Any, width: Any) -> None:
        for name, value in (("height", height), ("width", width)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"`{name}` must be a positive whole number. Received: {name}={value!r}")
        self.height, self.width = height, width


class Resizing(_Sized):
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
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If a size is no positive number, the interpolation is unknown, or images are to be cropped and padded.
    """

    _tk_keeps_type = True

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
        self._check_size(height, width)
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

    def transform(self, images: torch.Tensor, transformation: Any) -> torch.Tensor:
        return self._resized(images, self.interpolation)

    def transform_masks(self, masks: torch.Tensor, transformation: Any) -> torch.Tensor:
        return self._resized(masks, "nearest")

    def _resized(self, images: torch.Tensor, interpolation: str) -> torch.Tensor:
        return resize(
            images, (self.height, self.width), interpolation, self.antialias, self.crop_to_aspect_ratio, self.pad_to_aspect_ratio,
            self.fill_mode, self.fill_value, "channels_last",
        )  # fmt: skip


_INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")


class CenterCrop(_Sized):
    """The centre of images; of images smaller than it, the largest part of the same aspect ratio, resized.

    Args:
        height: The new height.
        width: The new width.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If a size is no positive number.
    """

    def __init__(self, height: int, width: int, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._check_size(height, width)

    def transform(self, images: torch.Tensor, transformation: Any) -> torch.Tensor:
        return self._cut(images, "bilinear")

    def transform_masks(self, masks: torch.Tensor, transformation: Any) -> torch.Tensor:
        return self._cut(masks, "nearest")

    def _cut(self, images: torch.Tensor, interpolation: str) -> torch.Tensor:
        top, left = images.shape[1] - self.height, images.shape[2] - self.width
        if top < 0 or left < 0:
            return resize(images, (self.height, self.width), interpolation, crop_to_aspect_ratio=True, data_format="channels_last")
        return images[:, top // 2 : top // 2 + self.height, left // 2 : left // 2 + self.width]
