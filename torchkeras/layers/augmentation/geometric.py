"""Layers that move pixels: flips, crops, turns, shifts, zooms, shears, perspectives and waves. Masks and boxes move with them."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from ... import random
from ...ops.image import affine_transform, elastic_transform, perspective_transform, resize
from . import boxes as _boxes
from .base import FactorLayer, RandomLayer, Range, SizedLayer, Sizes, Transformation, beside, spread

_FILL_MODES = ("reflect", "wrap", "constant", "nearest")
_INTERPOLATIONS = ("nearest", "bilinear")


def _one_of(name: str, value: Any, known: tuple[str, ...]) -> Any:
    if value not in known:
        raise NotImplementedError(f"`{name}` must be one of {', '.join(map(repr, known))}. Received: {name}={value!r}")
    return value


class RandomFlip(RandomLayer):
    """Flips each image or leaves it, with the same chance, in training.

    Args:
        mode: `"horizontal"` for left and right, `"vertical"` for up and down, or `"horizontal_and_vertical"` for half a turn.
        seed: A whole number that repeats the draws; draws follow the global seed without it.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        **kwargs: `bounding_box_format`, `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If the mode is unknown.

    >>> layer = RandomFlip("horizontal")
    >>> x = torch.arange(2.0).reshape(1, 1, 2, 1)
    >>> layer.transform_images(x, {"flips": torch.tensor([True])}).flatten().tolist()
    [1.0, 0.0]
    """

    def __init__(
        self, mode: str = "horizontal_and_vertical", seed: int | None = None, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        if mode not in ("horizontal", "vertical", "horizontal_and_vertical"):
            raise ValueError(f"`mode` must be 'horizontal', 'vertical' or 'horizontal_and_vertical'. Received: mode={mode!r}")
        self.mode = mode
        self._init_seed(seed)

    def sample(self, count: int, size: Sizes, seed: Any) -> Transformation:
        return {"flips": self._uniform((count, 1, 1, 1), 0.0, 1.0, seed) <= 0.5}

    def transform(self, images: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        axes = [axis for axis, name in ((2, "horizontal"), (1, "vertical")) if name in self.mode]
        return torch.where(beside(transformation["flips"], images), images.flip(axes), images)

    apply_to_masks = transform  # type: ignore[assignment]  # masks in the place of images

    def apply_to_boxes(self, boxes: dict[str, torch.Tensor], size: Sizes, transformation: Transformation) -> tuple[dict[str, Any], Sizes]:
        (height, width), flips = size, beside(transformation["flips"], boxes["boxes"], 2)
        x1, y1, x2, y2 = boxes["boxes"].unbind(-1)
        if "horizontal" in self.mode:
            x1, x2 = torch.where(flips, width - x2, x1), torch.where(flips, width - x1, x2)
        if "vertical" in self.mode:
            y1, y2 = torch.where(flips, height - y2, y1), torch.where(flips, height - y1, y2)
        return _boxes.clip_to_image_size({**boxes, "boxes": torch.stack([x1, y1, x2, y2], -1)}, height, width), size


class RandomCrop(RandomLayer, SizedLayer):
    """Cuts one part of a size out of a batch, at a place drawn for the whole batch, in training.

    Images that are not larger in both directions are cut in their middle to the part's aspect ratio and resized.

    Args:
        height: The height of the part in pixels.
        width: The width of the part in pixels.
        seed: A whole number that repeats the draws; draws follow the global seed without it.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        name: The name of the layer.
        **kwargs: `bounding_box_format`, `dtype` and `trainable`.

    Raises:
        ValueError: If a size is no positive whole number.

    >>> RandomCrop(2, 3)(torch.zeros(1, 8, 8, 3), training=True).shape
    torch.Size([1, 2, 3, 3])
    """

    def __init__(
        self, height: int, width: int, seed: int | None = None, data_format: str | None = None, name: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data_format=data_format, name=name, **kwargs)
        self._init_size(height, width)
        self._init_seed(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Transformation:
        """Draw where the part begins: `(row, column)`.

        Args:
            data: One image, a batch, or a dict with them under `"images"`.
            training: Whether the place is drawn; it is the middle otherwise.
            seed: A `SeedGenerator` or a whole number; the layer's own generator without it.
        """
        drawn = super().get_random_transformation(data, training, seed)
        return None if drawn is None else _Place(drawn["place"], drawn["input_shape"])

    def sample(self, count: int, size: Sizes, seed: Any) -> Transformation:
        rows, columns = size[0] - self.height, size[1] - self.width
        if rows > 0 and columns > 0:
            return {"place": tuple((self._uniform((), 0.0, 1.0, seed) * (free + 1)).long().clamp(max=free) for free in (rows, columns))}
        cut = self._shape(size)
        return {"place": ((size[0] - cut[0]) // 2, (size[1] - cut[1]) // 2)}

    def _shape(self, size: Sizes) -> Sizes:
        """The height and width of what is cut out of images of a size, before it is resized."""
        if size[0] > self.height and size[1] > self.width:
            return self.height, self.width
        rows, columns = int(size[1] * self.height / self.width), int(size[0] * self.width / self.height)
        return max(min(size[0], rows), 1), max(min(size[1], columns), 1)

    def _cut(self, images: torch.Tensor, place: Any, interpolation: str) -> torch.Tensor:
        height, width = self._shape((images.shape[1], images.shape[2]))
        rows = torch.arange(height, device=images.device) + place[0]
        columns = torch.arange(width, device=images.device) + place[1]
        part = images[:, rows][:, :, columns]
        if (height, width) == (self.height, self.width):
            return part
        return resize(part, (self.height, self.width), interpolation, data_format="channels_last")

    def transform(self, images: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        return self._cut(images, transformation, "bilinear")

    def apply_to_masks(self, masks: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        return self._cut(masks, transformation, "nearest")

    def _size(self, transformation: Transformation) -> Sizes:
        if isinstance(transformation, _Place):
            return super()._size({"input_shape": transformation.input_shape})
        return self.height, self.width

    def apply_to_boxes(self, boxes: dict[str, torch.Tensor], size: Sizes, transformation: Transformation) -> tuple[dict[str, Any], Sizes]:
        height, width = self._shape(size)
        part = _boxes.crop(boxes["boxes"], transformation[0], transformation[1], height, width)
        scale = part.new_tensor([self.width / width, self.height / height] * 2)
        cut = _boxes.clip_to_image_size({**boxes, "boxes": part * scale}, self.height, self.width)
        return cut, (self.height, self.width)


class _Place(tuple):
    """Where a part begins, `(row, column)`, with the shape of the images it is cut from."""

    input_shape: tuple[int, ...]

    def __new__(cls, place: Any, input_shape: tuple[int, ...]) -> _Place:
        self = super().__new__(cls, place)
        self.input_shape = input_shape
        return self


class _Projected(RandomLayer):
    """A layer that shows at each place of an image what was at another, by eight numbers as in `ops.image.affine_transform`."""

    interpolation: str
    fill_mode: str = "constant"
    fill_value: float

    def _init_filling(self, interpolation: str, fill_mode: str, fill_value: float) -> None:
        self.interpolation = _one_of("interpolation", interpolation, _INTERPOLATIONS)
        self.fill_mode = _one_of("fill_mode", fill_mode, _FILL_MODES)
        self.fill_value = fill_value

    def matrix(self, transformation: Transformation, size: Sizes) -> torch.Tensor:
        """The eight numbers of each image, `(count, 8)`, which lead from a place of the result to one of the input.

        Args:
            transformation: What `sample` drew.
            size: The height and width of the images.
        """
        raise NotImplementedError

    def _moved(self, images: torch.Tensor, transformation: Transformation, interpolation: str) -> torch.Tensor:
        numbers = self.matrix(transformation, (images.shape[1], images.shape[2])).to(images.device, torch.float32)
        return affine_transform(images, numbers, interpolation, self.fill_mode, self.fill_value, "channels_last")

    def transform(self, images: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        return self._moved(images, transformation, self.interpolation)

    def apply_to_masks(self, masks: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        return self._moved(masks, transformation, "nearest")

    def apply_to_boxes(self, boxes: dict[str, torch.Tensor], size: Sizes, transformation: Transformation) -> tuple[dict[str, Any], Sizes]:
        numbers = self.matrix(transformation, size).to(boxes["boxes"].device, torch.float32)
        forth = torch.cat([numbers, torch.ones_like(numbers[:, :1])], -1).reshape(-1, 3, 3)
        moved = _boxes.around(boxes["boxes"], torch.linalg.inv(forth))
        return _boxes.clip_to_image_size({**boxes, "boxes": moved}, *size), size


def _numbers(*columns: Any) -> torch.Tensor:
    """`(count, 8)` of columns: tensors of `count` numbers, or one number for all."""
    like = next(c for c in columns if isinstance(c, torch.Tensor))
    return torch.stack([c if isinstance(c, torch.Tensor) else torch.full_like(like, c) for c in columns], -1)


class RandomRotation(FactorLayer, _Projected):
    """Turns each image about its middle by an angle of its own, in training.

    Args:
        factor: The greatest turn to either side as a share of a full turn, or the range of the turn: `0.1` turns by up to 36 degrees,
            `(0.1, 0.2)` by 36 to 72 degrees. Positive turns go counter-clockwise.
        fill_mode: What stands outside of the image: `"reflect"`, `"wrap"`, `"constant"` or `"nearest"`.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: A whole number that repeats the draws; draws follow the global seed without it.
        fill_value: The value outside of the image for `"constant"`.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        **kwargs: `bounding_box_format`, `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If `factor` is no number from -1 to 1 and no two such numbers.
        NotImplementedError: If the mode or the interpolation is unknown.

    >>> RandomRotation(0.25)(torch.zeros(2, 8, 8, 3), training=True).shape
    torch.Size([2, 8, 8, 3])
    """

    def __init__(
        self,
        factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._init_factor(factor)
        self._init_filling(interpolation, fill_mode, fill_value)
        self._init_seed(seed)

    def sample(self, count: int, size: Sizes, seed: Any) -> Transformation:
        low, high = (360.0 * f for f in self.factor)
        return {"angle": self._uniform((count,), low, high, seed)}

    def matrix(self, transformation: Transformation, size: Sizes) -> torch.Tensor:
        angle = torch.deg2rad(torch.as_tensor(transformation["angle"], dtype=torch.float32).reshape(-1))
        cos, sin = torch.cos(angle), torch.sin(angle)
        y, x = (size[0] - 1) / 2, (size[1] - 1) / 2
        return _numbers(cos, -sin, x - x * cos + y * sin, sin, cos, y - x * sin - y * cos, 0.0, 0.0)

    def _size(self, transformation: Transformation) -> Sizes:
        if "image_height" in transformation:
            return transformation["image_height"], transformation["image_width"]
        return super()._size(transformation)


class RandomTranslation(_Projected):
    """Shifts each image by shares of its sizes, in training.

    Args:
        height_factor: The greatest shift up or down as a share of the height, or the range of the shift; positive numbers shift down.
        width_factor: The greatest shift left or right as a share of the width, or the range of the shift; positive numbers shift right.
        fill_mode: What stands outside of the image: `"reflect"`, `"wrap"`, `"constant"` or `"nearest"`.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: A whole number that repeats the draws; draws follow the global seed without it.
        fill_value: The value outside of the image for `"constant"`.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        **kwargs: `bounding_box_format`, `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If a factor is no number from -1 to 1 and no two such numbers.
        NotImplementedError: If the mode or the interpolation is unknown.

    >>> layer = RandomTranslation(0.0, (0.5, 0.5), fill_mode="constant")
    >>> layer(torch.arange(1.0, 5.0).reshape(1, 1, 4, 1), training=True).flatten().tolist()
    [0.0, 0.0, 1.0, 2.0]
    """

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.height_factor, self.width_factor = height_factor, width_factor
        self.height_lower, self.height_upper = spread(height_factor, (-1.0, 1.0), "height_factor", inside=True)
        self.width_lower, self.width_upper = spread(width_factor, (-1.0, 1.0), "width_factor", inside=True)
        self._init_filling(interpolation, fill_mode, fill_value)
        self._init_seed(seed)

    def sample(self, count: int, size: Sizes, seed: Any) -> Transformation:
        down = self._uniform((count, 1), self.height_lower, self.height_upper, seed) * size[0]
        right = self._uniform((count, 1), self.width_lower, self.width_upper, seed) * size[1]
        return {"translations": torch.cat([right, down], 1)}

    def matrix(self, transformation: Transformation, size: Sizes) -> torch.Tensor:
        right, down = torch.as_tensor(transformation["translations"], dtype=torch.float32).unbind(-1)
        return _numbers(1.0, 0.0, -right, 0.0, 1.0, -down, 0.0, 0.0)


class RandomZoom(_Projected):
    """Zooms into or out of the middle of each image, in training.

    Args:
        height_factor: The greatest change of the height that is shown as a share of it, or the range of the change: `0.2` shows 80% to
            120% of the height. Positive numbers zoom out.
        width_factor: The greatest change of the width that is shown, or its range; the aspect ratio is kept without it.
        fill_mode: What stands outside of the image: `"reflect"`, `"wrap"`, `"constant"` or `"nearest"`.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: A whole number that repeats the draws; draws follow the global seed without it.
        fill_value: The value outside of the image for `"constant"`.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        **kwargs: `bounding_box_format`, `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If a factor is no number above -1 and up to 1, and no two such numbers.
        NotImplementedError: If the mode or the interpolation is unknown.

    >>> RandomZoom((-0.5, -0.5))(torch.ones(1, 4, 4, 1), training=True).shape
    torch.Size([1, 4, 4, 1])
    """

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.height_factor, self.width_factor = height_factor, width_factor
        self.height_lower, self.height_upper = _change(height_factor, "height_factor")
        if width_factor is not None:
            self.width_lower, self.width_upper = _change(width_factor, "width_factor")
        self._init_filling(interpolation, fill_mode, fill_value)
        self._init_seed(seed)

    def sample(self, count: int, size: Sizes, seed: Any) -> Transformation:
        height = self._uniform((count, 1), 1 + self.height_lower, 1 + self.height_upper, seed)
        if self.width_factor is None:
            return {"height_zoom": height, "width_zoom": height}
        return {"height_zoom": height, "width_zoom": self._uniform((count, 1), 1 + self.width_lower, 1 + self.width_upper, seed)}

    def matrix(self, transformation: Transformation, size: Sizes) -> torch.Tensor:
        tall, wide = (torch.as_tensor(transformation[f"{n}_zoom"], dtype=torch.float32).reshape(-1) for n in ("height", "width"))
        return _numbers(wide, 0.0, (size[1] - 1) / 2 * (1 - wide), 0.0, tall, (size[0] - 1) / 2 * (1 - tall), 0.0, 0.0)


def _change(value: Any, name: str) -> Range:
    if any(v == -1 for v in (value if isinstance(value, (tuple, list)) else (value,))):
        raise ValueError(f"`{name}` must lie above -1: nothing of the image would be shown. Received: {name}={value!r}")
    return spread(value, (-1.0, 1.0), name, inside=True)


class RandomShear(_Projected):
    """Slants each image along its axes, in training.

    Args:
        x_factor: The greatest slant along x, from 0 to 1: columns move by that share of their row's number; or the range of the slant.
        y_factor: The greatest slant along y, from 0 to 1: rows move by that share of their column's number; or the range of the slant.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_mode: What stands outside of the image: `"reflect"`, `"wrap"`, `"constant"` or `"nearest"`.
        fill_value: The value outside of the image for `"constant"`.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        seed: A whole number that repeats the draws; draws follow the global seed without it.
        **kwargs: `bounding_box_format`, `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If a factor is no number from 0 to 1 and no two such numbers.
        NotImplementedError: If the mode or the interpolation is unknown.

    >>> RandomShear(0.5)(torch.zeros(1, 4, 4, 1), training=True).shape
    torch.Size([1, 4, 4, 1])
    """

    def __init__(
        self,
        x_factor: Any = 0.0,
        y_factor: Any = 0.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.x_factor, self.y_factor = _slant(x_factor, "x_factor"), _slant(y_factor, "y_factor")
        self._init_filling(interpolation, fill_mode, fill_value)
        self._init_seed(seed)

    def sample(self, count: int, size: Sizes, seed: Any) -> Transformation:
        side = torch.where(self._uniform((count, 1), 0.0, 1.0, seed) > 0.5, -1.0, 1.0)
        slants = [self._uniform((count, 1), *ends, seed) for ends in (self.y_factor, self.x_factor)]
        return {"shear_factor": torch.cat(slants[::-1], 1) * side}

    def matrix(self, transformation: Transformation, size: Sizes) -> torch.Tensor:
        x, y = torch.as_tensor(transformation["shear_factor"], dtype=torch.float32).unbind(-1)
        return _numbers(1.0, x, 0.0, y, 1.0, 0.0, 0.0, 0.0)


def _slant(value: Any, name: str) -> Range:
    if isinstance(value, (int, float)):
        spread(value, (0.0, 1.0), name)
        return (-value, value)
    if isinstance(value, (tuple, list)) and len(value) == 2 and value[0] == -value[1]:  # as a number is kept, and written in a config
        return spread(value, (-1.0, 1.0), name, inside=True)
    return spread(value, (0.0, 1.0), name, inside=True)


class RandomPerspective(FactorLayer, _Projected):
    """Shows images as if from another side: their corners move, in training.

    Args:
        factor: The chance of an image to be transformed, or the range that this chance is drawn from, between 0 and 1.
        scale: How far corners move, from 0 to 1, as a share of their coordinates.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_value: The value outside of the image.
        seed: A whole number that repeats the draws; draws follow the global seed without it.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        **kwargs: `bounding_box_format`, `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If `factor` or `scale` is not within 0 and 1.
        NotImplementedError: If the interpolation is unknown.

    >>> RandomPerspective(scale=0.5)(torch.zeros(2, 8, 8, 3), training=True).shape
    torch.Size([2, 8, 8, 3])
    """

    bounds: ClassVar[Range] = (0.0, 1.0)

    def __init__(
        self,
        factor: Any = 1.0,
        scale: float = 1.0,
        interpolation: str = "bilinear",
        fill_value: float = 0.0,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._init_factor(factor)
        if isinstance(scale, bool) or not isinstance(scale, (int, float)) or not 0 <= scale <= 1:
            raise ValueError(f"`scale` must be a number from 0 to 1. Received: scale={scale!r}")
        self.scale = scale
        self._init_filling(interpolation, "constant", fill_value)
        self._init_seed(seed)

    def sample(self, count: int, size: Sizes, seed: Any) -> Transformation:
        height, width = size
        moves = self._uniform((count, 4, 2), -0.5 * self.scale, 0.5 * self.scale, seed)
        corners = moves.new_tensor([[0.0, 0.0], [width - 1, 0.0], [0.0, height - 1], [width - 1, height - 1]]).expand(count, 4, 2)
        return {"apply_perspective": self._chance(count, seed), "start_points": corners, "end_points": corners * (1 + moves)}

    def _moved(self, images: torch.Tensor, transformation: Transformation, interpolation: str) -> torch.Tensor:
        start, end = (torch.as_tensor(transformation[f"{n}_points"]).to(images.device, torch.float32) for n in ("start", "end"))
        moved = perspective_transform(images, start, end, interpolation, self.fill_value, "channels_last")
        return torch.where(beside(torch.as_tensor(transformation["apply_perspective"]), images).bool(), moved, images)

    def apply_to_boxes(self, boxes: dict[str, torch.Tensor], size: Sizes, transformation: Transformation) -> tuple[dict[str, Any], Sizes]:
        start, end = (torch.as_tensor(transformation[f"{n}_points"]).to(boxes["boxes"]) for n in ("start", "end"))
        moved = _boxes.around(boxes["boxes"], _homography(start, end))
        chosen = beside(torch.as_tensor(transformation["apply_perspective"]), moved, 3).bool()
        return _boxes.clip_to_image_size({**boxes, "boxes": torch.where(chosen, moved, boxes["boxes"])}, *size), size


def _homography(start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
    """The matrices `(count, 3, 3)` that take four points `(count, 4, 2)` to four others."""
    (x, y), (u, v) = start.unbind(-1), end.unbind(-1)
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    rows = [torch.stack([x, y, one, zero, zero, zero, -x * u, -y * u], -1), torch.stack([zero, zero, zero, x, y, one, -x * v, -y * v], -1)]
    numbers = torch.linalg.solve(torch.cat(rows, -2), torch.cat([u, v], -1))
    return torch.cat([numbers, torch.ones_like(numbers[:, :1])], -1).reshape(-1, 3, 3)


class RandomElasticTransform(FactorLayer):
    """Bends images as if they were printed on water (Simard et al., 2003), in training.

    Args:
        factor: The chance of an image to be transformed, or the range that this chance is drawn from, between 0 and 1.
        scale: How strong the bending is at most, or its range, between 0 and 1.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_mode: What stands outside of the image: `"reflect"`, `"wrap"`, `"constant"`, `"nearest"` or `"mirror"`.
        fill_value: The value outside of the image for `"constant"`.
        value_range: The least and the greatest value of a pixel, at which results are cut.
        seed: A whole number that repeats the draws; draws follow the global seed without it.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If `factor` or `scale` is not within 0 and 1.
        NotImplementedError: If the mode or the interpolation is unknown.

    >>> RandomElasticTransform()(torch.zeros(1, 16, 16, 1), training=True).shape
    torch.Size([1, 16, 16, 1])
    """

    bounds: ClassVar[Range] = (0.0, 1.0)

    def __init__(
        self,
        factor: Any = 1.0,
        scale: Any = 1.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        value_range: Any = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._init_factor(factor)
        self.scale = spread(scale, self.bounds, "scale")
        self.interpolation = _one_of("interpolation", interpolation, _INTERPOLATIONS)
        self.fill_mode = _one_of("fill_mode", fill_mode, (*_FILL_MODES, "mirror"))
        self.fill_value, self.value_range = fill_value, value_range
        self._init_seed(seed)

    def sample(self, count: int, size: Sizes, seed: Any) -> Transformation:
        if self.scale[1] == 0 or self.factor[1] == 0:
            return None
        field = random.randint((), 0, 2**31 - 1, "int32", seed)  # images and masks are bent by one field
        return {"apply_transform": self._chance(count, seed), "distortion_factor": self._uniform((), *self.scale, seed), "seed": int(field)}

    def _bent(self, images: torch.Tensor, transformation: Transformation, interpolation: str) -> torch.Tensor:
        height, width = images.shape[1:3]
        strength = float(transformation["distortion_factor"])
        bent = elastic_transform(
            images, max(height, width) * 0.1 * strength, min(height, width) * 0.05 * strength, interpolation, self.fill_mode,
            self.fill_value, transformation["seed"], "channels_last",
        )  # fmt: skip
        return torch.where(beside(torch.as_tensor(transformation["apply_transform"]), images).bool(), bent, images)

    def transform(self, images: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        return self._bent(images, transformation, self.interpolation).clamp(*self.value_range)

    def apply_to_masks(self, masks: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        return self._bent(masks, transformation, "nearest")
