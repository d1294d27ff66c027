"""Layers that mix the images of a batch, with their labels, or blot parts of them out."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from ... import random
from .base import FactorLayer, RandomLayer, Range, Sizes, Transformation, beside, spread
from .boxes import dense


def _order(count: int, seed: Any) -> torch.Tensor:
    return random.shuffle(torch.arange(count), seed=seed)


def _mixed(x: torch.Tensor, weight: Any, order: Any) -> torch.Tensor:
    """Each element of a batch times its weight, plus another one of the batch times the rest."""
    x = x if x.dtype.is_floating_point else x.float()
    share = torch.as_tensor(weight).reshape(-1, *[1] * (x.dim() - 1)).to(x.device, x.dtype)
    return torch.lerp(x[torch.as_tensor(order).to(x.device).long()], x, share)


class MixUp(RandomLayer):
    """Mixes each image with another one of the batch, and their labels in the same proportion, in training.

    After Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018.

    Args:
        alpha: The parameter of the Beta distribution of the proportion: near 0 one of the two images prevails, 1 makes all proportions
            alike.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        seed: A whole number that repeats the draws; draws follow the global seed without it.
        **kwargs: `bounding_box_format`, `name`, `dtype` and `trainable`.

    >>> batch = {"images": torch.zeros(4, 2, 2, 3), "labels": torch.eye(4)}
    >>> MixUp()(batch, training=True)["labels"].sum(1).round(decimals=3).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """

    def __init__(self, alpha: float = 0.2, data_format: str | None = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        if isinstance(alpha, bool) or not isinstance(alpha, (int, float)) or not alpha > 0:
            raise ValueError(f"`alpha` must be a positive number. Received: alpha={alpha!r}")
        self.alpha = alpha
        self._init_seed(seed)

    def sample(self, count: int, size: Sizes, seed: Any) -> Transformation:
        order = _order(count, seed)
        return {"mix_weight": random.beta((count,), self.alpha, self.alpha, seed=seed), "permutation_order": order}

    def transform(self, images: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        return _mixed(images, transformation["mix_weight"], transformation["permutation_order"])

    apply_to_masks = transform  # type: ignore[assignment]  # masks in the place of images

    def apply_to_labels(self, labels: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        return _mixed(labels, transformation["mix_weight"], transformation["permutation_order"])

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Transformation = None, training: bool = True) -> Any:
        """Put the boxes of the other image of each mixture beside its own.

        Args:
            bounding_boxes: A dict with `"boxes"`, `(count, boxes, 4)` in any format, and `"labels"`.
            transformation: What `get_random_transformation` drew.
            training: Whether anything is to be done.
        """
        if not self._acts(transformation, training):
            return bounding_boxes
        given = dense(bounding_boxes, self.name)
        order = torch.as_tensor(transformation["permutation_order"]).long()
        return {**given, **{key: torch.cat([given[key], given[key][order.to(given[key].device)]], 1) for key in ("boxes", "labels")}}


class _Patch(FactorLayer):
    """A layer that changes one rectangle of each image."""

    bounds: ClassVar[Range] = (0.0, 1.0)

    def _span(self, length: int, share: torch.Tensor, seed: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Where a rectangle begins and ends on an axis of which it takes a share."""
        taken = share * length
        start = self._uniform(share.shape, 0.0, 1.0, seed) * (length - taken)
        return start, start + taken

    def _within(self, size: Sizes, across: tuple[torch.Tensor, torch.Tensor], down: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """Which pixels lie in the rectangles: Booleans `(count, height, width, 1)`."""
        inside = []
        for length, (start, end) in zip(size, (down, across)):
            places = torch.arange(length, device=start.device)
            inside.append((places >= start[:, None]) & (places < end[:, None]))
        return (inside[0][:, :, None] & inside[1][:, None, :]).unsqueeze(-1)

    def _mask(self, transformation: Transformation, images: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(transformation["batch_masks"]).to(images.device)


class CutMix(_Patch):
    """Replaces a rectangle of each image by that of another one of the batch, and mixes the labels by its area, in training.

    After Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features", 2019.

    Args:
        factor: The parameter of the Beta distribution of the area, from 0 to 1, or the range that it is drawn from.
        seed: A whole number that repeats the draws; draws follow the global seed without it.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If `factor` is no number from 0 to 1 and no two such numbers.

    >>> batch = {"images": torch.zeros(4, 8, 8, 3), "labels": torch.eye(4)}
    >>> CutMix()(batch, training=True)["labels"].sum(1).round(decimals=3).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """

    def __init__(self, factor: Any = 1.0, seed: int | None = None, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._init_factor(factor)
        self._init_seed(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Transformation:
        """Draw rectangles and what replaces them; nothing for one image alone.

        Args:
            data: One image, a batch, or a dict with them under `"images"`.
            training: Whether anything is to be done.
            seed: A `SeedGenerator` or a whole number; the layer's own generator without it.
        """
        images = data["images"] if isinstance(data, dict) else data
        return None if len(images.shape) == 3 else super().get_random_transformation(data, training, seed)

    def sample(self, count: int, size: Sizes, seed: Any) -> Transformation:
        alpha = self._uniform((), *self.factor, seed) + 1e-6
        share = (1 - random.beta((count,), alpha, alpha, seed=seed)).sqrt()
        across, down = self._span(size[1], share, seed), self._span(size[0], share, seed)
        weight = 1 - (across[1] - across[0]) * (down[1] - down[0]) / (size[0] * size[1])
        return {"permutation_order": _order(count, seed), "batch_masks": self._within(size, across, down), "mix_weight": weight}

    def transform(self, images: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        order = torch.as_tensor(transformation["permutation_order"]).to(images.device).long()
        return torch.where(self._mask(transformation, images), images[order], images)

    apply_to_masks = transform  # type: ignore[assignment]  # masks in the place of images

    def apply_to_labels(self, labels: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        return _mixed(labels, transformation["mix_weight"], transformation["permutation_order"])

    def apply_to_boxes(self, boxes: dict[str, torch.Tensor], size: Sizes, transformation: Transformation) -> tuple[dict[str, Any], Sizes]:
        raise NotImplementedError("`CutMix` cannot tell which boxes survive a replaced rectangle. Use `MixUp` for images with boxes.")


class RandomErasing(_Patch):
    """Blots out a rectangle of each image, in training.

    After Zhong et al., "Random Erasing Data Augmentation", 2020.

    Args:
        factor: The chance of an image to lose a rectangle, or the range that this chance is drawn from, between 0 and 1.
        scale: The area of the rectangle as a share of the image's: the greatest, or its range, between 0 and 1.
        fill_value: What the rectangle is filled with: one number, or one for each of three channels; noise without it.
        value_range: The least and the greatest value of a pixel, at which the filling is cut.
        seed: A whole number that repeats the draws; draws follow the global seed without it.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        **kwargs: `bounding_box_format`, `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If `factor` or `scale` is not within 0 and 1, or `fill_value` is neither one number nor three.

    >>> float(RandomErasing((1.0, 1.0), scale=(1.0, 1.0), fill_value=7)(torch.zeros(1, 4, 4, 3), training=True).mean())
    7.0
    """

    def __init__(
        self,
        factor: Any = 1.0,
        scale: Any = (0.02, 0.33),
        fill_value: Any = None,
        value_range: Any = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._init_factor(factor)
        self.scale = spread(scale, self.bounds, "scale")
        several = isinstance(fill_value, (tuple, list)) and len(fill_value) == 3
        if not several and fill_value is not None and not isinstance(fill_value, (int, float)):
            raise ValueError(f"`fill_value` must be one number, or one for each of three channels. Received: fill_value={fill_value!r}")
        self.fill_value, self.value_range = fill_value, value_range
        self._init_seed(seed)

    def sample(self, count: int, size: Sizes, seed: Any) -> Transformation:
        share = self._uniform((count, 2), *self.scale, seed).sqrt()
        across, down = self._span(size[1], share[:, 0], seed), self._span(size[0], share[:, 1], seed)
        chosen, within = self._chance(count, seed), self._within(size, across, down)
        if self.fill_value is not None:
            filling = within.new_tensor(self.fill_value, dtype=torch.float32)
        else:
            filling = random.normal((count, *size, 1), stddev=self.value_range[1], seed=seed)
        return {"apply_erasing": chosen, "batch_masks": within, "fill_value": filling.clamp(*self.value_range)}

    def transform(self, images: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        chosen = beside(torch.as_tensor(transformation["apply_erasing"]), images).bool() & self._mask(transformation, images)
        return torch.where(chosen, torch.as_tensor(transformation["fill_value"]).to(images), images)
