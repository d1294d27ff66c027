"""What all layers on images share: one image or a batch, in both layouts, with labels, masks and boxes beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch.utils.data import get_worker_info

from ... import config, dtypes, random
from ...distribution import rank
from ..call import flag_or
from ..layer import Layer
from . import boxes as _boxes

Sizes = tuple[int, int]
Range = tuple[float, float]
Transformation = Any


class ImageLayer(Layer):
    """A layer on one image or a batch of them, alone or in a dict with `"labels"`, `"segmentation_masks"` and `"bounding_boxes"`.

    A class is two methods: `sample` draws what is done to a batch, `transform` does it to a floating batch `(count, height, width,
    channels)`.
    Where that moves pixels, `apply_to_masks` and `apply_to_boxes` let masks and boxes follow.

    Args:
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        bounding_box_format: The format of boxes, such as `"xyxy"` or `"rel_xywh"`; needed where the inputs have boxes.
        **kwargs: `name`, `dtype` and `trainable`.
    """

    _tk_config_base = (*Layer._tk_config_base, "data_format", "bounding_box_format")
    _tk_config_unless_none = (*Layer._tk_config_unless_none, "bounding_box_format")
    trains_only: ClassVar[bool] = True  # whether it leaves images alone outside training

    def __init__(self, data_format: str | None = None, bounding_box_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = config.standardize_data_format(data_format)
        self.bounding_box_format = bounding_box_format

    @property
    def training(self) -> bool:
        """The training flag of the call in progress; without one these layers vary images until `eval()` is called, as in Keras."""
        return flag_or(self._tk_mode if self._tk_mode_given else True)

    @training.setter
    def training(self, mode: bool) -> None:
        object.__setattr__(self, "_tk_mode", mode)

    # -- what a class is made of

    def sample(self, count: int, size: Sizes, seed: Any) -> Transformation:
        """Draw what is done to a batch: tensors whose first axis is that of the batch, in a dict; `None` for nothing.

        Args:
            count: The number of images.
            size: Their height and width.
            seed: A generator or a whole number for the draws.
        """
        return {}

    def transform(self, images: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        """Transform a batch of images.

        Args:
            images: Floats `(count, height, width, channels)`.
            transformation: What `sample` drew.
        """
        return images

    def apply_to_masks(self, masks: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        """Transform segmentation masks as their images; they stay as they are where only colours change.

        Args:
            masks: Floats `(count, height, width, channels)`.
            transformation: What `sample` drew.
        """
        return masks

    def apply_to_labels(self, labels: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        """Transform labels; they stay as they are where images are not mixed.

        Args:
            labels: `(count, ...)`.
            transformation: What `sample` drew.
        """
        return labels

    def apply_to_boxes(self, boxes: dict[str, torch.Tensor], size: Sizes, transformation: Transformation) -> tuple[dict[str, Any], Sizes]:
        """Transform boxes as their images; they stay as they are where only colours change.

        Args:
            boxes: A dict with `"boxes"`, `(count, boxes, 4)` as `"xyxy"` in pixels, and `"labels"`.
            size: The height and width of the images that came in.
            transformation: What `sample` drew.

        Returns:
            The boxes, and the height and width of the images that go out.
        """
        return boxes, size

    # -- Keras's methods

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Transformation:
        """Draw what is done to images: what the `transform_…` methods take.

        Args:
            data: One image, a batch, or a dict with them under `"images"`.
            training: Whether anything is to be done.
            seed: A `SeedGenerator` or a whole number; the layer's own generator without it.
        """
        if not training and self.trains_only:
            return None
        images = data["images"] if isinstance(data, dict) else data
        shape = tuple(images.shape)
        if len(shape) not in (3, 4):
            raise ValueError(f"Images of the layer {self.name!r} must be one image (three axes) or a batch (four axes). Received: {shape}")
        height, width = shape[-3:-1] if self.data_format == "channels_last" else shape[-2:]
        drawn = self.sample(shape[0] if len(shape) == 4 else 1, (height, width), self._seed() if seed is None else seed)
        return {**drawn, "input_shape": shape} if isinstance(drawn, dict) else drawn

    def transform_images(self, images: Any, transformation: Transformation = None, training: bool = True) -> torch.Tensor:
        """Transform one image or a batch.

        Args:
            images: Three axes or four.
            transformation: What `get_random_transformation` drew.
            training: Whether anything is to be done.
        """
        x = _as_tensor(images)
        given = x.dtype
        x = x if self._tk_keeps_type else x.to(self._floats())
        if not self._acts(transformation, training):
            return x
        return self._batched(x, lambda batch: self.transform(batch, transformation), given if self._tk_keeps_type else None)

    def transform_segmentation_masks(self, segmentation_masks: Any, transformation: Transformation = None, training: bool = True) -> Any:
        """Transform masks as their images, into the type that they have.

        Args:
            segmentation_masks: As many axes as the images, or one less, without channels.
            transformation: What `get_random_transformation` drew.
            training: Whether anything is to be done.
        """
        masks = _as_tensor(segmentation_masks)
        if not self._acts(transformation, training):
            return masks
        return self._batched(masks, lambda batch: self.apply_to_masks(batch.to(self._floats()), transformation), masks.dtype)

    def transform_labels(self, labels: Any, transformation: Transformation = None, training: bool = True) -> Any:
        """Transform labels.

        Args:
            labels: `(count, ...)`.
            transformation: What `get_random_transformation` drew.
            training: Whether anything is to be done.
        """
        if not self._acts(transformation, training):
            return labels
        return self.apply_to_labels(_as_tensor(labels), transformation)

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Transformation = None, training: bool = True) -> Any:
        """Transform boxes as their images.

        Args:
            bounding_boxes: A dict with `"boxes"`, `(count, boxes, 4)` in the layer's `bounding_box_format`, and `"labels"`.
            transformation: What `get_random_transformation` drew.
            training: Whether anything is to be done.
        """
        if not self._acts(transformation, training):
            return bounding_boxes
        boxes = _boxes.dense(bounding_boxes, self.name)
        if type(self).apply_to_boxes is ImageLayer.apply_to_boxes:
            return boxes
        form = self._box_format()
        size = self._size(transformation)
        boxes = _boxes.convert_format(boxes, form, "xyxy", *size)
        boxes, size = self.apply_to_boxes(boxes, size, transformation)
        return _boxes.convert_format(boxes, "xyxy", form, *size)

    def transform_single_image(self, image: Any, transformation: Transformation, training: bool = True) -> torch.Tensor:
        """Transform one image `(height, width, channels)`; what `transform_images` does to one of a batch.

        Args:
            image: Three axes.
            transformation: What `get_random_transformation` drew.
            training: Whether anything is to be done.
        """
        return self.transform_images(_as_tensor(image).unsqueeze(0), transformation, training).squeeze(0)

    def transform_single_label(self, label: Any, transformation: Transformation, training: bool = True) -> Any:
        """Transform the label of one image.

        Args:
            label: The label.
            transformation: What `get_random_transformation` drew.
            training: Whether anything is to be done.
        """
        return self.transform_labels(_as_tensor(label).unsqueeze(0), transformation, training).squeeze(0)

    def transform_single_segmentation_mask(self, segmentation_mask: Any, transformation: Transformation, training: bool = True) -> Any:
        """Transform the mask of one image.

        Args:
            segmentation_mask: Three axes, or two without channels.
            transformation: What `get_random_transformation` drew.
            training: Whether anything is to be done.
        """
        return self.transform_segmentation_masks(_as_tensor(segmentation_mask).unsqueeze(0), transformation, training).squeeze(0)

    def transform_single_bounding_box(self, bounding_box: Any, transformation: Transformation, training: bool = True) -> Any:
        """Transform the boxes of one image.

        Args:
            bounding_box: A dict with `"boxes"`, `(boxes, 4)`, and `"labels"`.
            transformation: What `get_random_transformation` drew.
            training: Whether anything is to be done.
        """
        one = _boxes.dense(bounding_box, self.name)
        batch = {k: v.unsqueeze(0) if k in ("boxes", "labels") else v for k, v in one.items()}
        moved = self.transform_bounding_boxes(batch, transformation, training)
        return {k: v.squeeze(0) if k in ("boxes", "labels") else v for k, v in moved.items()}

    def call(self, data: Any, training: bool = True) -> Any:
        if isinstance(data, dict) and "images" not in data:
            raise ValueError(f"A dict for the layer {self.name!r} must hold 'images'. Received: {', '.join(map(repr, data))}")
        drawn = self.get_random_transformation(data, training)
        if not isinstance(data, dict):
            return self.transform_images(data, drawn, training)
        images = _as_tensor(data["images"])
        single = images.dim() == 3
        outputs = {**data, "images": self.transform_images(images, drawn, training)}
        if "bounding_boxes" in data:
            self._box_format()
            move = self.transform_single_bounding_box if single else self.transform_bounding_boxes
            outputs["bounding_boxes"] = move(_boxes.dense(data["bounding_boxes"], self.name), drawn, training)
        if "labels" in data:
            change = self.transform_single_label if single else self.transform_labels
            outputs["labels"] = change(_as_tensor(data["labels"]), drawn, training)
        if "segmentation_masks" in data:
            masks = _as_tensor(data["segmentation_masks"])
            axis = -1 if self.data_format == "channels_last" else -3
            bare = masks.dim() == images.dim() - 1  # without an axis of channels
            moved = self.transform_segmentation_masks(masks.unsqueeze(axis) if bare else masks, drawn, training)
            outputs["segmentation_masks"] = moved.squeeze(axis) if bare else moved
        return outputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    # -- helpers

    def _floats(self) -> torch.dtype:
        return dtypes.to_torch_dtype(self.compute_dtype)

    def _acts(self, transformation: Transformation, training: bool) -> bool:
        return not self.trains_only or (training and transformation is not None)

    def _box_format(self) -> str:
        if not self.bounding_box_format:
            raise ValueError(
                f"The layer {self.name!r} needs the format of 'bounding_boxes': make it with "
                f"`{type(self).__name__}(..., bounding_box_format='xyxy')`, or another format."
            )
        return self.bounding_box_format

    def _size(self, transformation: Transformation) -> Sizes:
        """The height and width of the images that a transformation was drawn for."""
        shape = transformation["input_shape"]
        return tuple(shape[-3:-1]) if self.data_format == "channels_last" else tuple(shape[-2:])

    def _batched(self, x: torch.Tensor, fn: Any, dtype: torch.dtype | None) -> torch.Tensor:
        """`fn` on a batch `(count, height, width, channels)` that views `x`, whose layout and axes come back."""
        first = self.data_format == "channels_first"
        if x.dim() not in (3, 4):
            raise ValueError(
                f"Images of the layer {self.name!r} must be one image (three axes) or a batch (four axes). Received: {tuple(x.shape)}"
            )
        single = x.dim() == 3
        x = x.unsqueeze(0) if single else x
        y = fn(x.permute(0, 2, 3, 1) if first else x)
        if dtype is not None and y.dtype is not dtype:
            y = (y if dtype.is_floating_point or y.dtype is torch.bool else y.round()).to(dtype)
        y = y.permute(0, 3, 1, 2) if first else y
        return y.squeeze(0) if single else y

    def _seed(self) -> Any:
        return None


class SizedLayer(ImageLayer):
    """A layer that gives images of one height and width."""

    height: int
    width: int

    def compute_output_shape(self, input_shape: Any) -> Any:
        if isinstance(input_shape, dict):
            return {k: self.compute_output_shape(s) if k == "images" else s for k, s in input_shape.items()}
        shape, axis = list(input_shape), -3 if self.data_format == "channels_last" else -2
        shape[axis], shape[axis + 1] = self.height, self.width
        return tuple(shape)

    def _init_size(self, height: Any, width: Any) -> None:
        for name, value in (("height", height), ("width", width)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"`{name}` must be a positive whole number. Received: {name}={value!r}")
        self.height, self.width = height, width


class RandomLayer(ImageLayer):
    """A layer on images with draws of its own: its `seed` repeats them."""

    generator: random.SeedGenerator

    def _init_seed(self, seed: int | None) -> None:
        self.seed = seed
        self.generator = random.SeedGenerator(seed)

    def _seed(self) -> Any:
        """The layer's generator; in a worker process of a loader one of the worker's own, so that workers draw differently."""
        worker = None if torch.compiler.is_compiling() else get_worker_info()
        if worker is None or self.seed is None:
            return self.generator
        known = self.__dict__.get("_tk_worker")
        if known is None or known[0] != worker.seed:
            mixed = (int(self.generator.seed or 0) * 0x9E3779B97F4A7C15 + worker.seed) % 2**62
            known = worker.seed, random.SeedGenerator(mixed)
            self.__dict__["_tk_worker"] = known
        return known[1]

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__() if hasattr(super(), "__getstate__") else self.__dict__
        return {k: v for k, v in state.items() if k != "_tk_worker"}

    def _uniform(self, shape: Sequence[int], low: float, high: float, seed: Any) -> torch.Tensor:
        return random.uniform(tuple(shape), low, high, "float32", seed)


class FactorLayer(RandomLayer):
    """A random layer whose strength is a `factor`: a number, or the two ends of the range that it is drawn from."""

    bounds: ClassVar[Range] = (-1.0, 1.0)

    def _init_factor(self, factor: Any) -> None:
        self.factor = spread(factor, self.bounds)

    def _chance(self, count: int, seed: Any) -> torch.Tensor:
        """For each image whether the layer acts on it: `factor` is the range of its probability."""
        low, high = self.factor
        return self._uniform((count,), 0.0, 1.0, seed) < self._uniform((count,), low, high, seed)


def spread(value: Any, bounds: Range, name: str = "factor", one_sided: bool = False, inside: bool = False) -> Range:
    """The two ends of a range: of a number `f`, `-f` and `f` within the bounds.

    Args:
        value: A number, or two.
        bounds: The least and the greatest.
        name: The argument's name, for messages.
        one_sided: Whether a number `f` means 0 and `f`.
        inside: Whether both ends must lie within the bounds, and not only meet them.
    """
    least, most = bounds
    pair = tuple(value) if isinstance(value, (tuple, list)) else None
    numbers = pair if pair is not None else (value,)
    real = all(isinstance(n, (int, float)) and not isinstance(n, bool) for n in numbers)
    if real and len(numbers) == 2 and not inside:
        real = numbers[0] <= most and numbers[1] >= least
    elif real:
        real = all(least <= n <= most for n in numbers)
    if not real or (pair is not None and len(pair) != 2):
        raise ValueError(f"`{name}` must be a number from {least:g} to {most:g}, or a list of two such numbers. Received: {name}={value!r}")
    if pair is not None:
        low, high = sorted(pair)
        return low, high
    return (0, value) if one_sided else (max(-abs(value), least), abs(value))


def ordered(value: Any) -> Any:
    """The least and the greatest value of a pixel, in order, as a list."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ValueError(f"`value_range` must be a list of two numbers. Received: value_range={value!r}")
    return sorted(value)


def rescaled(images: torch.Tensor, source: Sequence[float], target: Sequence[float]) -> torch.Tensor:
    """Pixels of one range of values in another."""
    if tuple(source) == tuple(target):
        return images
    return (images - source[0]) / (source[1] - source[0]) * (target[1] - target[0]) + target[0]


def beside(x: torch.Tensor, images: torch.Tensor, dims: int = 4) -> torch.Tensor:
    """A number for each image, of any shape `(count, 1, …)`, with axes and device and type of the images."""
    x = x.reshape(-1, *[1] * (dims - 1)).to(images.device)
    return x.to(images.dtype) if x.dtype.is_floating_point else x


def _as_tensor(x: Any) -> torch.Tensor:
    return x if isinstance(x, torch.Tensor) else torch.as_tensor(x, device=rank.default_device())
