"""Noise on activations while training, and penalties on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from .. import random, regularizers
from ..random import SeedGenerator
from .call import FollowsCall, through
from .held import Mirrored
from .input_spec import InputSpec
from .layer import Layer, TensorLayer
from .spatial import Spatial


class _Noise(Mirrored, TensorLayer):
    """A layer that changes its input at random while training, and never its shape.

    Without a seed the numbers come from torch's global generator; with one from a generator of the layer's own.
    """

    _tk_mirrored = {"rate": ("dropout", "p", None)}

    def _init_noise(self, seed: int | None, strength: float) -> None:
        self.seed = seed
        self.supports_masking = True
        self.seed_generator = SeedGenerator(seed) if strength or seed is not None else None  # as in Keras, none where nothing is drawn
        if self.seed_generator is not None and seed is not None:  # a buffer, so that `state_dict()`, `.to()` and graph capture know it
            self.register_buffer("seed_state", self.seed_generator.state)
            self.hide_weight(self, "seed_state")  # Keras lists it nowhere

    def _init_rate(self, rate: float, below_one: bool = False) -> None:
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate <= 1 or (below_one and rate == 1):
            raise ValueError(f"`rate` must be a number from 0 to {'below 1' if below_one else '1'}. Received: rate={rate!r}")
        self.rate = rate

    def _normal(self, inputs: torch.Tensor) -> torch.Tensor:
        """Standard normal numbers of the shape of `inputs`."""
        if self.seed is None:
            return torch.randn_like(inputs)
        return random.normal(inputs.shape, dtype=inputs.dtype, seed=self.seed_generator).to(inputs.device)

    def _uniform(self, shape: Sequence[int], inputs: torch.Tensor) -> torch.Tensor:
        """Uniform numbers in [0, 1) beside `inputs`."""
        if self.seed is None:
            return torch.rand(tuple(shape), dtype=inputs.dtype, device=inputs.device)
        return random.uniform(shape, dtype=inputs.dtype, seed=self.seed_generator).to(inputs.device)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape


class _Dropout(FollowsCall, nn.Dropout): ...


class _AlphaDropout(FollowsCall, nn.AlphaDropout): ...


class _Dropout1d(FollowsCall, nn.Dropout1d): ...


class _Dropout2d(FollowsCall, nn.Dropout2d): ...


class _Dropout3d(FollowsCall, nn.Dropout3d): ...


_SPATIAL = {1: _Dropout1d, 2: _Dropout2d, 3: _Dropout3d}


class Dropout(_Noise):
    """Sets a share of the inputs to zero while training and divides the others by what is left, over `nn.Dropout`.

    Args:
        rate: The share, from 0 to 1.
        noise_shape: The shape of the mask, which broadcasts to the inputs'; `None` in it is the size of that axis.
        seed: A whole number for draws of the layer's own.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    Raises:
        ValueError: If `rate` is no such number, or `noise_shape` no shape.

    >>> keras.layers.Dropout(0.5)(torch.ones(2, 4)).shape
    torch.Size([2, 4])
    """

    _tk_float_input = True

    def __init__(self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._init_rate(rate)
        self.noise_shape = _noise_shape(noise_shape)
        self._init_noise(seed, rate)
        self.dropout = _Dropout(rate)

    def call(self, inputs: torch.Tensor, training: bool = False) -> torch.Tensor:
        if self.noise_shape is None and self.seed is None:
            return through(self._modules["dropout"], inputs)
        if not training or self.rate == 0:
            return inputs
        return random.dropout(inputs, self.rate, self.noise_shape, None if self.seed is None else self.seed_generator)


def _noise_shape(value: Any) -> tuple[int | None, ...] | None:
    if value is None:
        return None
    try:
        shape = None if isinstance(value, str) else tuple(value)
    except TypeError:
        shape = None
    if shape is None or any(d is not None and (not isinstance(d, int) or d <= 0) for d in shape):
        raise ValueError(f"`noise_shape` must be a tuple of positive integers and None. Received: noise_shape={value!r}")
    return shape


class _SpatialDropout(_Noise, Spatial):
    """Dropout of whole channels, over torch's: the base of SpatialDropout1D, 2D and 3D.

    Args:
        rate: The share of channels, from 0 to 1.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        seed: A whole number for draws of the layer's own.
        name: The layer's name.
        dtype: A dtype, a policy, or `None`.
    """

    _tk_float_input = True
    _tk_config_base = ("name", "dtype")

    def __init__(
        self, rate: float, data_format: str | None = None, seed: int | None = None, name: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self._init_rate(rate)
        self._init_noise(seed, rate)
        self._set_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)
        self.dropout = _SPATIAL[self.rank](rate)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if self.compute_dtype == self.variable_dtype:  # Keras writes the bare name, which cannot tell a mixed policy
            config["dtype"] = self.dtype
        return config

    def call(self, inputs: torch.Tensor, training: bool = False) -> torch.Tensor:
        x = self._channels_first(inputs)
        if self.seed is None:
            return self._as_given(self.dropout(x))
        if not training or self.rate == 0:
            return inputs
        return self._as_given(random.dropout(x, self.rate, (*x.shape[:2], *(1,) * self.rank), self.seed_generator))


class SpatialDropout1D(_SpatialDropout):
    """Dropout of whole channels of `(batch, steps, channels)`, over `nn.Dropout1d`.

    Args:
        rate: The share of channels, from 0 to 1.
        seed: A whole number for draws of the layer's own.
        name: The layer's name.
        dtype: A dtype, a policy, or `None`.

    >>> keras.layers.SpatialDropout1D(0.2)(torch.ones(2, 8, 3)).shape
    torch.Size([2, 8, 3])
    """

    rank = 1

    def __init__(self, rate: float, seed: int | None = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(rate, "channels_last", seed, name, dtype)

    def get_config(self) -> dict[str, Any]:
        return {k: v for k, v in super().get_config().items() if k != "data_format"}


class SpatialDropout2D(_SpatialDropout):
    """Dropout of whole channels of images, over `nn.Dropout2d`.

    Args:
        rate: The share of channels, from 0 to 1.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        seed: A whole number for draws of the layer's own.
        name: The layer's name.
        dtype: A dtype, a policy, or `None`.

    >>> keras.layers.SpatialDropout2D(0.2)(torch.ones(1, 8, 8, 3)).shape
    torch.Size([1, 8, 8, 3])
    """

    rank = 2


class SpatialDropout3D(_SpatialDropout):
    """Dropout of whole channels of volumes, over `nn.Dropout3d`.

    Args:
        rate: The share of channels, from 0 to 1.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        seed: A whole number for draws of the layer's own.
        name: The layer's name.
        dtype: A dtype, a policy, or `None`.

    >>> keras.layers.SpatialDropout3D(0.2)(torch.ones(1, 8, 8, 8, 3)).shape
    torch.Size([1, 8, 8, 8, 3])
    """

    rank = 3


class GaussianNoise(_Noise):
    """Adds normal numbers of mean zero while training.

    Args:
        stddev: Their standard deviation.
        seed: A whole number for draws of the layer's own.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    Raises:
        ValueError: If `stddev` is not from 0 to 1.

    >>> keras.layers.GaussianNoise(0.1)(torch.ones(2, 4)).shape
    torch.Size([2, 4])
    """

    _tk_float_input = True

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(stddev, bool) or not isinstance(stddev, (int, float)) or not 0 <= stddev <= 1:
            raise ValueError(f"`stddev` must be a number from 0 to 1. Received: stddev={stddev!r}")
        self.stddev = stddev
        self._init_noise(seed, stddev)

    def call(self, inputs: torch.Tensor, training: bool = False) -> torch.Tensor:
        return torch.add(inputs, self._normal(inputs), alpha=self.stddev) if training and self.stddev else inputs


class GaussianDropout(_Noise):
    """Multiplies by normal numbers of mean one and variance `rate / (1 - rate)` while training (Srivastava et al. 2014).

    Args:
        rate: From 0 to below 1, as a rate of dropout.
        seed: A whole number for draws of the layer's own.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    Raises:
        ValueError: If `rate` is no such number.

    >>> keras.layers.GaussianDropout(0.5)(torch.ones(2, 4)).shape
    torch.Size([2, 4])
    """

    _tk_float_input = True

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._init_rate(rate, below_one=True)
        self._init_noise(seed, rate)

    def call(self, inputs: torch.Tensor, training: bool = False) -> torch.Tensor:
        if not training or self.rate == 0:
            return inputs
        return inputs * self._normal(inputs).mul_(math.sqrt(self.rate / (1 - self.rate))).add_(1)


class AlphaDropout(_Noise):
    """Dropout to the lowest value of SELU, which keeps mean and variance of its inputs, over `nn.AlphaDropout` (Klambauer et al. 2017).

    Args:
        rate: The share, from 0 to below 1.
        noise_shape: The shape of the mask, which broadcasts to the inputs'; `None` in it is the size of that axis.
        seed: A whole number for draws of the layer's own.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    Raises:
        ValueError: If `rate` is no such number, or `noise_shape` no shape.

    >>> keras.layers.AlphaDropout(0.5)(torch.ones(2, 4)).shape
    torch.Size([2, 4])
    """

    _tk_float_input = True
    _LOWEST = -1.6732632423543772848170429916717 * 1.0507009873554804934193349852946

    def __init__(self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._init_rate(rate, below_one=True)
        self.noise_shape = _noise_shape(noise_shape)
        self._init_noise(seed, rate)
        self.dropout = _AlphaDropout(rate)

    def call(self, inputs: torch.Tensor, training: bool = False) -> torch.Tensor:
        if self.noise_shape is None and self.seed is None:
            return through(self._modules["dropout"], inputs)
        if not training or self.rate == 0:
            return inputs
        shape: Sequence[int] = inputs.shape
        if self.noise_shape is not None:
            shape = tuple(n if d is None else d for d, n in zip(self.noise_shape, inputs.shape))
        scale = ((1 - self.rate) * (1 + self.rate * self._LOWEST**2)) ** -0.5
        dropped = self._uniform(shape, inputs) < self.rate
        return torch.where(dropped, self._LOWEST, inputs) * scale - scale * self._LOWEST * self.rate


class ActivityRegularization(Layer):
    """Adds a penalty on its inputs to the loss of the model, and returns them.

    Args:
        l1: The factor of the sum of absolute values.
        l2: The factor of the sum of squares.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.ActivityRegularization(l2=0.01)(torch.ones(2, 4)).shape
    torch.Size([2, 4])
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(activity_regularizer=regularizers.L1L2(l1=l1, l2=l2), **kwargs)
        self.l1, self.l2 = l1, l2
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {k: v for k, v in super().get_config().items() if k != "activity_regularizer"}
