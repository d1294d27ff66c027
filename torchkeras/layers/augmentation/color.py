"""Layers that change colours: brightness, contrast, hue, saturation, sharpness and the like. Labels, masks and boxes stay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch.nn import functional as F

from ... import config, random
from ...ops.image import gaussian_blur, hsv_to_rgb, rgb_to_grayscale, rgb_to_hsv
from .base import FactorLayer, RandomLayer, Range, Sizes, Transformation, beside, ordered, rescaled, spread


class RandomBrightness(FactorLayer):
    """Adds a number of its own to each image, in training.

    Args:
        factor: The greatest change to either side as a share of the range of values, from 0 to 1, or the range of the change, between
            -1 and 1.
        value_range: The least and the greatest value of a pixel, at which results are cut.
        seed: A whole number that repeats the draws; draws follow the global seed without it.
        **kwargs: `data_format`, `bounding_box_format`, `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If `factor` is no number from -1 to 1 and no two such numbers, or `value_range` is not two numbers.

    >>> RandomBrightness((0.2, 0.2), value_range=(0, 10))(torch.ones(1, 1, 1, 1), training=True).item()
    3.0
    """

    def __init__(self, factor: Any, value_range: Any = (0, 255), seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._init_factor(factor)
        self.value_range = ordered(value_range)
        self._init_seed(seed)

    def sample(self, count: int, size: Sizes, seed: Any) -> Transformation:
        low, high = self.value_range
        return {"rgb_delta": self._uniform((count, 1, 1, 1), *self.factor, seed) * (high - low)}

    def transform(self, images: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        return (images + beside(torch.as_tensor(transformation["rgb_delta"]), images)).clamp(*self.value_range)


class RandomContrast(FactorLayer):
    """Stretches the values of each image about the mean of each channel, in training.

    Args:
        factor: The greatest stretching `f`, from 0 to 1, which multiplies by 1 to `1 + f`; or `(a, b)`, which multiplies by `1 - a` to
            `1 + b`.
        value_range: The least and the greatest value of a pixel, at which results are cut.
        seed: A whole number that repeats the draws; draws follow the global seed without it.
        **kwargs: `data_format`, `bounding_box_format`, `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If `factor` is no number from 0 to 1 and no two such numbers.

    >>> layer = RandomContrast(0.5, value_range=(0, 10))
    >>> layer.transform_images(torch.tensor([[[[1.0], [3.0]]]]), {"contrast_factor": torch.tensor([2.0])}).flatten().tolist()
    [0.0, 4.0]
    """

    bounds: ClassVar[Range] = (0.0, 1.0)

    def __init__(self, factor: Any, value_range: Any = (0, 255), seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._init_factor(factor)
        self.value_range = value_range
        self._init_seed(seed)

    def sample(self, count: int, size: Sizes, seed: Any) -> Transformation:
        return {"contrast_factor": self._uniform((count, 1, 1, 1), 1.0 - self.factor[0], 1.0 + self.factor[1], seed)}

    def transform(self, images: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        mean = images.mean((1, 2), keepdim=True)
        return torch.lerp(mean, images, beside(torch.as_tensor(transformation["contrast_factor"]), images)).clamp(*self.value_range)


class RandomColorDegeneration(FactorLayer):
    """Takes colour out of each image, by a share of its own, in training.

    Args:
        factor: The greatest share, from 0 for none to 1 for a grey image, or its range; negative shares add colour.
        value_range: The least and the greatest value of a pixel, at which results are cut.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        seed: A whole number that repeats the draws; draws follow the global seed without it.
        **kwargs: `bounding_box_format`, `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If `factor` is no number from -1 to 1 and no two such numbers, or `value_range` is not two numbers.

    >>> RandomColorDegeneration((1.0, 1.0))(torch.tensor([[[[100.0, 0.0, 0.0]]]]), training=True).round().flatten().tolist()
    [30.0, 30.0, 30.0]
    """

    def __init__(
        self, factor: Any, value_range: Any = (0, 255), data_format: str | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._init_factor(factor)
        self.value_range = ordered(value_range)
        self._init_seed(seed)

    def sample(self, count: int, size: Sizes, seed: Any) -> Transformation:
        return {"factor": self._uniform((count, 1, 1, 1), *self.factor, seed)}

    def transform(self, images: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        grey = rgb_to_grayscale(images, "channels_last")
        return torch.lerp(images, grey.expand_as(images), beside(torch.as_tensor(transformation["factor"]), images)).clamp(
            *self.value_range
        )


class RandomGrayscale(RandomLayer):
    """Makes images grey, each with the same chance, in training.

    Args:
        factor: The chance, from 0 to 1.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        seed: A whole number that repeats the draws; draws follow the global seed without it.
        **kwargs: `bounding_box_format`, `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If `factor` is not within 0 and 1.

    >>> RandomGrayscale(1.0)(torch.tensor([[[[100.0, 0.0, 0.0]]]]), training=True).round().flatten().tolist()
    [30.0, 30.0, 30.0]
    """

    def __init__(self, factor: float = 0.5, data_format: str | None = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        if not isinstance(factor, (int, float)) or not 0 <= factor <= 1:
            raise ValueError(f"`factor` must be a number from 0 to 1. Received: factor={factor!r}")
        self.factor = factor
        self._init_seed(seed)

    def sample(self, count: int, size: Sizes, seed: Any) -> Transformation:
        return {"should_apply": self._uniform((count, 1, 1, 1), 0.0, 1.0, seed) < self.factor}

    def transform(self, images: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        chosen = transformation["should_apply"] if isinstance(transformation, dict) else transformation
        return torch.where(beside(torch.as_tensor(chosen), images).bool(), rgb_to_grayscale(images, "channels_last"), images)


class RandomHue(FactorLayer):
    """Turns the colours of each image round the circle of colours, in training.

    Args:
        factor: The greatest turn to either side as a share of half the circle, from 0 to 1, or the range of its size.
        value_range: The least and the greatest value of a pixel.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        seed: A whole number that repeats the draws; draws follow the global seed without it.
        **kwargs: `bounding_box_format`, `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If `factor` is no number from 0 to 1 and no two such numbers.

    >>> layer = RandomHue(1.0, value_range=(0, 1))
    >>> layer.transform_images(torch.tensor([[[[1.0, 0.0, 0.0]]]]), {"factor": torch.tensor([0.5])}).flatten().tolist()
    [0.0, 1.0, 1.0]
    """

    bounds: ClassVar[Range] = (0.0, 1.0)

    def __init__(
        self, factor: Any, value_range: Any = (0, 255), data_format: str | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._init_factor(factor)
        self.value_range = value_range
        self._init_seed(seed)

    def sample(self, count: int, size: Sizes, seed: Any) -> Transformation:
        side = torch.where(self._uniform((count,), 0.0, 1.0, seed) > 0.5, -0.5, 0.5)
        return {"factor": side * self._uniform((count,), *self.factor, seed)}

    def transform(self, images: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        hue, saturation, value = rgb_to_hsv(rescaled(images, self.value_range, (0, 1)), "channels_last").unbind(-1)
        hue = hue + beside(torch.as_tensor(transformation["factor"]), images, 3)
        hue = torch.where(hue > 1, hue - 1, hue)
        hue = torch.where(hue < 0, hue + 1, hue)
        colours = hsv_to_rgb(torch.stack([hue, saturation, value], -1), "channels_last")
        return rescaled(colours.clamp(0, 1), (0, 1), self.value_range)


class RandomSaturation(FactorLayer):
    """Makes the colours of each image stronger or weaker, in training.

    Args:
        factor: The strength, from 0 for grey over 0.5 for no change to 1 for the strongest colours, or its range: the saturation is
            multiplied by `factor / (1 - factor)`. A number `f` stands for the range from `-f` to `f`.
        value_range: The least and the greatest value of a pixel.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        seed: A whole number that repeats the draws; draws follow the global seed without it.
        **kwargs: `bounding_box_format`, `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If `factor` is no number from -1 to 1 and no two such numbers, or `value_range` is not two numbers.

    >>> RandomSaturation((0.0, 0.0), value_range=(0, 1))(torch.tensor([[[[1.0, 0.5, 0.5]]]]), training=True).flatten().tolist()
    [1.0, 1.0, 1.0]
    """

    def __init__(
        self, factor: Any, value_range: Any = (0, 255), data_format: str | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._init_factor(factor)
        self.value_range = ordered(value_range)
        self._init_seed(seed)

    def sample(self, count: int, size: Sizes, seed: Any) -> Transformation:
        strength = self._uniform((count,), *self.factor, seed)
        return {"factor": strength / (1 - strength + config.epsilon())}

    def transform(self, images: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        hue, saturation, value = rgb_to_hsv(images, "channels_last").unbind(-1)
        saturation = (saturation * beside(torch.as_tensor(transformation["factor"]), images, 3)).clamp(*self.value_range)
        return hsv_to_rgb(torch.stack([hue, saturation, value], -1), "channels_last")


class RandomInvert(FactorLayer):
    """Turns images into their negatives, in training.

    Args:
        factor: The chance of an image to be inverted, or the range that this chance is drawn from, between 0 and 1.
        value_range: The least and the greatest value of a pixel.
        seed: A whole number that repeats the draws; draws follow the global seed without it.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        **kwargs: `bounding_box_format`, `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If `factor` is no number from 0 to 1 and no two such numbers.

    >>> RandomInvert((1.0, 1.0))(torch.tensor([[[[0.0, 55.0]]]]), training=True).flatten().tolist()
    [255.0, 200.0]
    """

    bounds: ClassVar[Range] = (0.0, 1.0)

    def __init__(
        self, factor: Any = 1.0, value_range: Any = (0, 255), seed: int | None = None, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._init_factor(factor)
        self.value_range = value_range
        self._init_seed(seed)

    def sample(self, count: int, size: Sizes, seed: Any) -> Transformation:
        return {"apply_inversion": self._chance(count, seed)}

    def transform(self, images: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        chosen = beside(torch.as_tensor(transformation["apply_inversion"]), images).bool()
        return torch.where(chosen, self.value_range[1] - images, images)


class RandomPosterization(FactorLayer):
    """Keeps only the highest bits of each value, in training.

    Args:
        factor: The number of bits that are kept, from 1 to 8: a number `n` draws from 1 up to but not including `n`, two numbers from the
            first up to but not including the second; two equal numbers keep that many.
        value_range: The least and the greatest value of a pixel.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        seed: A whole number that repeats the draws; draws follow the global seed without it.
        **kwargs: `bounding_box_format`, `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If `factor` is no number from 1 to 8 and no two such numbers, or `value_range` is not two numbers.

    >>> RandomPosterization((1, 1))(torch.tensor([[[[100.0, 200.0]]]]), training=True).flatten().tolist()
    [0.0, 128.0]
    """

    bounds: ClassVar[Range] = (1, 8)

    def __init__(
        self, factor: Any, value_range: Any = (0, 255), data_format: str | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._init_factor(factor)
        self.value_range = ordered(value_range)
        self._init_seed(seed)

    def sample(self, count: int, size: Sizes, seed: Any) -> Transformation:
        low, high = (int(f) for f in self.factor)
        kept = torch.full((count,), low) if low == high else random.randint((count,), low, high, "int32", seed)
        return {"shift_factor": 8 - kept}

    def transform(self, images: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        step = 2 ** beside(torch.as_tensor(transformation["shift_factor"]), images).int()
        values = rescaled(images, self.value_range, (0, 255)).to(torch.uint8).int()
        return rescaled((values - values % step).to(images.dtype), (0, 255), self.value_range)


class RandomSharpness(FactorLayer):
    """Blurs or sharpens each image, in training.

    Args:
        factor: The strength, from 0 for a smoothed image over 0.5 for no change to 1 for the sharpest, or its range.
        value_range: The least and the greatest value of a pixel, at which results are cut.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        seed: A whole number that repeats the draws; draws follow the global seed without it.
        **kwargs: `bounding_box_format`, `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If `factor` is no number from 0 to 1 and no two such numbers, or `value_range` is not two numbers.

    >>> RandomSharpness((0.5, 0.5))(torch.eye(3).reshape(1, 3, 3, 1), training=True)[0, ..., 0].diagonal().tolist()
    [1.0, 1.0, 1.0]
    """

    bounds: ClassVar[Range] = (0.0, 1.0)

    def __init__(
        self, factor: Any, value_range: Any = (0, 255), data_format: str | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._init_factor(factor)
        self.value_range = ordered(value_range)
        self._init_seed(seed)

    def sample(self, count: int, size: Sizes, seed: Any) -> Transformation:
        return {"factor": self._uniform((count,), *self.factor, seed)}

    def transform(self, images: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        channels = images.shape[-1]
        kernel = images.new_tensor([[1.0, 1.0, 1.0], [1.0, 5.0, 1.0], [1.0, 1.0, 1.0]]) / 13  # that of Pillow's `SMOOTH`
        smooth = F.conv2d(images.permute(0, 3, 1, 2), kernel.expand(channels, 1, 3, 3), padding=1, groups=channels).permute(0, 2, 3, 1)
        strength = beside(torch.as_tensor(transformation["factor"]), images) * 2
        return torch.lerp(smooth, images, strength).clamp(*self.value_range)


class Solarization(RandomLayer):
    """Adds a number to the values of each image and turns those above a threshold into their negatives, in training.

    Args:
        addition_factor: The greatest number that is added as a share of the range of values, from 0 to 1, or its range.
        threshold_factor: The greatest threshold as a share of the range of values, from 0 to 1, or its range.
        value_range: The least and the greatest value of a pixel.
        seed: A whole number that repeats the draws; draws follow the global seed without it.
        **kwargs: `data_format`, `bounding_box_format`, `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If a factor is no number from 0 to 1 and no two such numbers, or `value_range` is not two numbers.

    >>> Solarization()(torch.tensor([[[[0.0, 55.0]]]]), training=True).flatten().tolist()
    [255.0, 200.0]
    """

    def __init__(
        self,
        addition_factor: Any = 0.0,
        threshold_factor: Any = 0.0,
        value_range: Any = (0, 255),
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.addition_factor = spread(addition_factor, (0.0, 1.0), "addition_factor", one_sided=True, inside=True)
        self.threshold_factor = spread(threshold_factor, (0.0, 1.0), "threshold_factor", one_sided=True, inside=True)
        self.value_range = ordered(value_range)
        self._init_seed(seed)

    def sample(self, count: int, size: Sizes, seed: Any) -> Transformation:
        ends = (("additions", self.addition_factor), ("thresholds", self.threshold_factor))
        return {name: self._uniform((count, 1, 1, 1), low, high * 255, seed) for name, (low, high) in ends}

    def transform(self, images: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        added, threshold = (beside(torch.as_tensor(transformation[n]), images) for n in ("additions", "thresholds"))
        values = (rescaled(images, self.value_range, (0, 255)) + added).clamp(0, 255)
        return rescaled(torch.where(values < threshold, values, 255 - values), (0, 255), self.value_range)


class RandomGaussianBlur(FactorLayer):
    """Blurs images by a Gaussian, in training.

    Args:
        factor: The chance of an image to be blurred, or the range that this chance is drawn from, between 0 and 1.
        kernel_size: The height and width of the Gaussian in pixels, odd, or one number for both.
        sigma: The greatest deviation of the Gaussian in pixels, or its range, between 0 and 1.
        value_range: The least and the greatest value of a pixel, at which results are cut.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        seed: A whole number that repeats the draws; draws follow the global seed without it.
        **kwargs: `bounding_box_format`, `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If a size is even, or `factor` or `sigma` is not within 0 and 1.

    >>> RandomGaussianBlur(kernel_size=5)(torch.zeros(1, 8, 8, 3), training=True).shape
    torch.Size([1, 8, 8, 3])
    """

    bounds: ClassVar[Range] = (0.0, 1.0)

    def __init__(
        self,
        factor: Any = 1.0,
        kernel_size: int | Sequence[int] = 3,
        sigma: Any = 1.0,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._init_factor(factor)
        sizes = tuple(kernel_size) if isinstance(kernel_size, (tuple, list)) else (kernel_size, kernel_size)
        if len(sizes) != 2 or any(isinstance(s, bool) or not isinstance(s, (int, float)) or s % 2 != 1 for s in sizes):
            raise ValueError(f"`kernel_size` must be one or two odd numbers. Received: kernel_size={kernel_size!r}")
        self.kernel_size = sizes
        self.sigma = spread(sigma, self.bounds, "sigma")
        self.value_range = value_range
        self._init_seed(seed)

    def sample(self, count: int, size: Sizes, seed: Any) -> Transformation:
        return {"should_apply_blur": self._chance(count, seed), "blur_factor": self._uniform((2,), *self.sigma, seed) + 1e-6}

    def transform(self, images: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        sigma = torch.as_tensor(transformation["blur_factor"]).to(images.device)
        blurred = gaussian_blur(images, self.kernel_size, (sigma[0], sigma[1]), "channels_last")
        chosen = beside(torch.as_tensor(transformation["should_apply_blur"]), images).bool()
        return torch.where(chosen, blurred, images).clamp(*self.value_range)
