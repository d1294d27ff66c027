"""Layers made of other layers: policies that pick among augmentations, jitter, and pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch

from ... import random
from ...configurable import deserialize_keras_object
from ..layer import Layer
from .base import FactorLayer, ImageLayer, Range, Sizes, Transformation
from .color import (
    RandomBrightness,
    RandomColorDegeneration,
    RandomContrast,
    RandomHue,
    RandomPosterization,
    RandomSaturation,
    RandomSharpness,
    Solarization,
)  # fmt: skip
from .geometric import RandomRotation, RandomShear, RandomTranslation
from .histogram import AutoContrast, Equalization


class _Policy(FactorLayer):
    """A layer that draws which of its layers act on a batch."""

    bounds: ClassVar[Range] = (0.0, 1.0)
    value_range: Any
    _names: tuple[str, ...]

    def _make(self, names: Sequence[str], interpolation: str) -> None:
        """Layers of these names, as strong as `factor`."""
        f, pixels = self.factor, {"value_range": self.value_range}
        made: dict[str, tuple[type[ImageLayer], dict[str, Any]]] = {
            "random_shear": (RandomShear, {"x_factor": f, "y_factor": f, "interpolation": interpolation}),
            "random_translation": (RandomTranslation, {"height_factor": f, "width_factor": f, "interpolation": interpolation}),
            "random_rotation": (RandomRotation, {"factor": f, "interpolation": interpolation}),
            "random_brightness": (RandomBrightness, {"factor": f, **pixels}),
            "random_color_degeneration": (RandomColorDegeneration, {"factor": f, **pixels}),
            "random_contrast": (RandomContrast, {"factor": f, **pixels}),
            "random_sharpness": (RandomSharpness, {"factor": f, **pixels}),
            "random_posterization": (RandomPosterization, {"factor": max(1, int(8 * f[1])), **pixels}),
            "solarization": (Solarization, {"addition_factor": f, "threshold_factor": f, **pixels}),
            "auto_contrast": (AutoContrast, pixels),
            "equalization": (Equalization, pixels),
        }
        for name in names:
            cls, arguments = made[name]
            if cls not in (AutoContrast, Equalization):
                arguments = {**arguments, "seed": self.seed}
            given: dict[str, Any] = {
                "data_format": self.data_format,
                "bounding_box_format": self.bounding_box_format,
                "dtype": self.dtype_policy,
            }
            setattr(self, name, cls(**arguments, **given))
        self._names = tuple(names)

    def _drawn(self, name: str, count: int, size: Sizes, seed: Any) -> Transformation:
        return getattr(self, name).sample(count, size, seed)


class RandAugment(_Policy):
    """Varies a batch by a few layers that are drawn for each batch, in training.

    After Cubuk et al., "RandAugment: Practical Automated Data Augmentation with a Reduced Search Space", 2020.

    Args:
        value_range: The least and the greatest value of a pixel.
        num_ops: The number of layers that act on a batch, one after another.
        factor: The strength of the layers, from 0 to 1, or its range.
        interpolation: `"bilinear"` or `"nearest"`, of the layers that move pixels.
        seed: A whole number that repeats the draws; draws follow the global seed without it.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        **kwargs: `bounding_box_format`, `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If `factor` is no number from 0 to 1 and no two such numbers.

    >>> RandAugment()(torch.zeros(2, 8, 8, 3), training=True).shape
    torch.Size([2, 8, 8, 3])
    """

    _AUGMENT_LAYERS: ClassVar[tuple[str, ...]] = (
        "random_shear", "random_translation", "random_rotation", "random_brightness", "random_color_degeneration", "random_contrast",
        "random_sharpness", "random_posterization", "solarization", "auto_contrast", "equalization",
    )  # fmt: skip

    def __init__(
        self,
        value_range: Any = (0, 255),
        num_ops: int = 2,
        factor: Any = 0.5,
        interpolation: str = "bilinear",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.value_range, self.num_ops, self.interpolation = value_range, num_ops, interpolation
        self._init_factor(factor)
        self._init_seed(seed)
        self._make(self._AUGMENT_LAYERS, interpolation)

    def sample(self, count: int, size: Sizes, seed: Any) -> Transformation:
        picked = random.randint((self.num_ops,), 0, len(self._names), seed=seed).tolist()
        transforms = {self._names[i]: self._drawn(self._names[i], count, size, seed) for i in sorted(set(picked))}
        return {"layer_idxes": picked, "transforms": transforms}

    def _picked(self, transformation: Transformation) -> list[tuple[ImageLayer, Transformation]]:
        names = [self._names[int(i)] for i in transformation["layer_idxes"]]
        return [(getattr(self, name), transformation["transforms"][name]) for name in names]

    def transform(self, images: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        for layer, drawn in self._picked(transformation):
            images = layer.transform(images, drawn)
        return images

    def apply_to_masks(self, masks: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        for layer, drawn in self._picked(transformation):
            masks = layer.apply_to_masks(masks, drawn)
        return masks

    def apply_to_boxes(self, boxes: dict[str, torch.Tensor], size: Sizes, transformation: Transformation) -> tuple[dict[str, Any], Sizes]:
        for layer, drawn in self._picked(transformation):
            boxes, size = layer.apply_to_boxes(boxes, size, drawn)
        return boxes, size


class AugMix(_Policy):
    """Mixes a batch with what several chains of drawn layers make of it, in training.

    After Hendrycks et al., "AugMix: A Simple Data Processing Method to Improve Robustness and Uncertainty", 2020.

    Args:
        value_range: The least and the greatest value of a pixel, at which results are cut.
        num_chains: The number of chains.
        chain_depth: The greatest number of layers in a chain.
        factor: The strength of the layers, from 0 to 1, or its range.
        alpha: The parameter of the Dirichlet and Beta distributions of the proportions.
        all_ops: Whether brightness, colour, contrast and sharpness are changed too, which the paper keeps for its test data.
        interpolation: `"bilinear"` or `"nearest"`, of the layers that move pixels.
        seed: A whole number that repeats the draws; draws follow the global seed without it.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        **kwargs: `bounding_box_format`, `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If `factor` is no number from 0 to 1 and no two such numbers.

    >>> AugMix()(torch.zeros(2, 8, 8, 3), training=True).shape
    torch.Size([2, 8, 8, 3])
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        num_chains: int = 3,
        chain_depth: int = 3,
        factor: Any = 0.3,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: str = "bilinear",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.value_range, self.num_chains, self.chain_depth = value_range, num_chains, chain_depth
        self.alpha, self.all_ops, self.interpolation = alpha, all_ops, interpolation
        self._init_factor(factor)
        self._init_seed(seed)
        names = (
            "random_shear",
            "random_translation",
            "random_rotation",
            "random_posterization",
            "solarization",
            "auto_contrast",
            "equalization",
        )
        more = ("random_brightness", "random_color_degeneration", "random_contrast", "random_sharpness")
        self._make(names + more if all_ops else names, interpolation)

    def sample(self, count: int, size: Sizes, seed: Any) -> Transformation:
        shares = random.gamma((self.num_chains,), self.alpha, seed=seed)
        kept = random.beta((), self.alpha, self.alpha, seed=seed)
        picked = random.randint((self.num_chains, self.chain_depth), 0, len(self._names) + 1, seed=seed).tolist()
        chains = []
        for row in picked:
            names = [self._names[i] for i in row if i < len(self._names)]  # one number more stands for no layer
            chains.append([{"layer_name": n, "transformation": self._drawn(n, count, size, seed)} for n in names])
        return {"chain_mixing_weights": shares / shares.sum(), "weight_sample": kept, "chain_transforms": chains}

    def _mixed(self, x: torch.Tensor, transformation: Transformation, method: str) -> torch.Tensor:
        shares = torch.as_tensor(transformation["chain_mixing_weights"]).to(x)
        mixed = torch.zeros_like(x)
        for share, chain in zip(shares, transformation["chain_transforms"]):
            y = x
            for step in chain:
                y = getattr(getattr(self, step["layer_name"]), method)(y, step["transformation"])
            mixed = mixed + y * share
        return torch.lerp(mixed, x, torch.as_tensor(transformation["weight_sample"]).to(x))

    def transform(self, images: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        return self._mixed(images, transformation, "transform").clamp(*self.value_range)

    def apply_to_masks(self, masks: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        return self._mixed(masks, transformation, "apply_to_masks")


class RandomColorJitter(FactorLayer):
    """Changes brightness, contrast, saturation and hue of each image, in this order, in training.

    Args:
        value_range: The least and the greatest value of a pixel.
        brightness_factor: The greatest change of the brightness, from 0 to 1, or its range; none without it.
        contrast_factor: The greatest change of the contrast, from 0 to 1, or its range; none without it.
        saturation_factor: The strength of colours, from 0 to 1 with 0.5 for no change, or its range; none without it.
        hue_factor: The greatest turn of the colours, from 0 to 1, or its range; none without it.
        seed: A whole number that repeats the draws; draws follow the global seed without it.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        **kwargs: `bounding_box_format`, `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If a factor is out of the range of its layer.

    >>> RandomColorJitter(brightness_factor=0.2, hue_factor=0.1)(torch.zeros(2, 8, 8, 3), training=True).shape
    torch.Size([2, 8, 8, 3])
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        brightness_factor: Any = None,
        contrast_factor: Any = None,
        saturation_factor: Any = None,
        hue_factor: Any = None,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._init_factor(0.0)
        self.value_range = value_range
        self._init_seed(seed)
        kinds = (RandomBrightness, RandomContrast, RandomSaturation, RandomHue)
        factors = (brightness_factor, contrast_factor, saturation_factor, hue_factor)
        for name, cls, factor in zip(self._parts, kinds, factors):
            setattr(self, f"{name}_factor", factor)
            layer = (
                None
                if factor is None
                else cls(factor, value_range=value_range, seed=seed, data_format=self.data_format, dtype=self.dtype_policy)
            )
            setattr(self, f"random_{name}", layer)

    _parts: ClassVar[tuple[str, ...]] = ("brightness", "contrast", "saturation", "hue")

    def sample(self, count: int, size: Sizes, seed: Any) -> Transformation:
        layers = {name: getattr(self, f"random_{name}") for name in self._parts}
        return {name: layer.sample(count, size, seed) for name, layer in layers.items() if layer is not None}

    def transform(self, images: torch.Tensor, transformation: Transformation) -> torch.Tensor:
        for name in self._parts:
            if name in transformation:
                images = getattr(self, f"random_{name}").transform(images, transformation[name])
        return images


class Pipeline(Layer):
    """Layers one after another, as one layer.

    Args:
        layers: The layers.
        name: The name of the layer.

    >>> keras.layers.Pipeline([keras.layers.AutoContrast(), keras.layers.Equalization()])(torch.zeros(1, 4, 4, 3)).shape
    torch.Size([1, 4, 4, 3])
    """

    _tk_config_base = ("name",)

    def __init__(self, layers: Sequence[Any], name: str | None = None) -> None:
        super().__init__(name=name)
        self._pipeline_layers = list(layers)

    @property
    def layers(self) -> list[Any]:
        """The layers, in their order."""
        return self._pipeline_layers

    def call(self, inputs: Any, training: bool = True, mask: Any = None) -> Any:
        for number, layer in enumerate(self._pipeline_layers):
            # A mask that was given is the first layer's; those of the others travel on the tensors, as everywhere.
            takes = number == 0 and mask is not None and "mask" in layer._tk_call_info().names
            inputs = layer(inputs, mask=mask) if takes else layer(inputs)
        return inputs

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A pipeline made from what `get_config` returned.

        Args:
            config: The name, and the layers as plain data.

        Raises:
            ValueError: If the config holds no list of layers.
        """
        layers = config.get("layers")
        if not isinstance(layers, (list, tuple)):
            raise ValueError(f"The config of a Pipeline must hold a list of layers under 'layers'. Received: layers={layers!r}")
        return cls(**{**config, "layers": [deserialize_keras_object(layer) for layer in layers]})
