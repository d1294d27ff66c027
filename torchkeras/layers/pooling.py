"""Pooling over one, two and three spatial axes: windows, whole axes, and windows chosen for a given output size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import nn

from ..ops.nn.pooling import average_pool, max_pool
from ..ops.nn.spatial import same_padding
from .held import Mirrored
from .input_spec import InputSpec
from .spatial import Spatial, spatial_tuple, standardize_padding, window_length

_MAX = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
_AVERAGE = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
_ADAPTIVE_MAX = {1: nn.AdaptiveMaxPool1d, 2: nn.AdaptiveMaxPool2d, 3: nn.AdaptiveMaxPool3d}
_ADAPTIVE_AVERAGE = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}


class _Pooling(Mirrored, Spatial):
    """One number for each window of each channel: the base of the max and average pooling layers.

    Input `(batch, *spatial, channels)` for `channels_last`, output `(batch, *smaller, channels)`.

    Args:
        pool_size: The window, one int or one per spatial axis.
        strides: The step between windows; `pool_size` without it.
        padding: `"valid"` (none) or `"same"`: windows reach over the edges, where nothing is counted.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        name: The layer's name.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`.

    Raises:
        ValueError: Another padding, or an input smaller than the window.
    """

    _per_axis = ("pool_size",)
    _tk_built_at_once = True
    pool_mode: ClassVar[str]
    _tk_mirrored = {"pool_size": ("pool", "kernel_size", None), "strides": ("pool", "stride", None)}

    def __init__(
        self,
        pool_size: int | Sequence[int],
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.pool_size = spatial_tuple(pool_size, self.rank, "pool_size")
        self.strides = self.pool_size if strides is None else spatial_tuple(strides, self.rank, "strides")
        self.padding = standardize_padding(padding)
        self._set_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)
        self.pool = self._module()

    def _module(self) -> nn.Module:
        raise NotImplementedError

    def _op(self, inputs: torch.Tensor) -> torch.Tensor:
        """The general case, in the layer's data format."""
        raise NotImplementedError

    _tk_makes_weights = False

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.compute_output_shape(input_shape)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        x = self._channels_first(inputs)
        if not x.is_floating_point() or (self.padding == "same" and self._overhangs(x)):
            return self._op(inputs)
        return self._as_given(self.pool(x))

    def _overhangs(self, x: torch.Tensor) -> bool:
        return any(same_padding(n, k, s)[1] for n, k, s in zip(x.shape[2:], self.pool_size, self.strides))

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        sizes = [
            window_length(n, k, s, 1, self.padding, self.name, input_shape)
            for n, k, s in zip(self._sizes(input_shape), self.pool_size, self.strides)
        ]
        return self._shape_of(input_shape[0], sizes, input_shape[self._channel_axis])


class _MaxPooling(_Pooling):
    """The largest number of each window."""

    _tk_keeps_type = True
    pool_mode = "max"

    def __init__(
        self,
        pool_size: int | Sequence[int] = 2,
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, name, **kwargs)

    def _module(self) -> nn.Module:
        return _MAX[self.rank](self.pool_size, self.strides)

    def _op(self, inputs: torch.Tensor) -> torch.Tensor:
        return max_pool(inputs, self.pool_size, self.strides, self.padding, self.data_format)


class _AveragePooling(_Pooling):
    """The mean of each window."""

    _tk_float_input = True
    pool_mode = "average"

    def _module(self) -> nn.Module:
        return _AVERAGE[self.rank](self.pool_size, self.strides)

    def _op(self, inputs: torch.Tensor) -> torch.Tensor:
        return average_pool(inputs, self.pool_size, self.strides, self.padding, self.data_format)


class MaxPooling1D(_MaxPooling):
    """The largest number of each window of a sequence.

    Args:
        pool_size: The window, one int or one per spatial axis.
        strides: The step between windows; `pool_size` without it.
        padding: `"valid"` (none) or `"same"`: windows reach over the edges, where nothing is counted.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        name: The layer's name.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.MaxPool1D()(torch.ones(2, 8, 3)).shape
    torch.Size([2, 4, 3])
    """

    rank = 1


class MaxPooling2D(_MaxPooling):
    """The largest number of each window of an image.

    Args:
        pool_size: The window, one int or one per spatial axis.
        strides: The step between windows; `pool_size` without it.
        padding: `"valid"` (none) or `"same"`: windows reach over the edges, where nothing is counted.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        name: The layer's name.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.MaxPool2D()(torch.ones(1, 8, 8, 3)).shape
    torch.Size([1, 4, 4, 3])
    """

    rank = 2


class MaxPooling3D(_MaxPooling):
    """The largest number of each window of a volume.

    Args:
        pool_size: The window, one int or one per spatial axis.
        strides: The step between windows; `pool_size` without it.
        padding: `"valid"` (none) or `"same"`: windows reach over the edges, where nothing is counted.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        name: The layer's name.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.MaxPool3D()(torch.ones(1, 8, 8, 8, 3)).shape
    torch.Size([1, 4, 4, 4, 3])
    """

    rank = 3


class AveragePooling1D(_AveragePooling):
    """The mean of each window of a sequence.

    Args:
        pool_size: The window, one int or one per spatial axis.
        strides: The step between windows; `pool_size` without it.
        padding: `"valid"` (none) or `"same"`: windows reach over the edges, where nothing is counted.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        name: The layer's name.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.AveragePooling1D(2)(torch.ones(2, 8, 3)).shape
    torch.Size([2, 4, 3])
    """

    rank = 1


class AveragePooling2D(_AveragePooling):
    """The mean of each window of an image.

    Args:
        pool_size: The window, one int or one per spatial axis.
        strides: The step between windows; `pool_size` without it.
        padding: `"valid"` (none) or `"same"`: windows reach over the edges, where nothing is counted.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        name: The layer's name.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.AveragePooling2D(2)(torch.ones(1, 8, 8, 3)).shape
    torch.Size([1, 4, 4, 3])
    """

    rank = 2


class AveragePooling3D(_AveragePooling):
    """The mean of each window of a volume.

    Args:
        pool_size: The window, one int or one per spatial axis.
        strides: The step between windows; `pool_size` without it.
        padding: `"valid"` (none) or `"same"`: windows reach over the edges, where nothing is counted.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        name: The layer's name.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.AveragePooling3D(2)(torch.ones(1, 8, 8, 8, 3)).shape
    torch.Size([1, 4, 4, 4, 3])
    """

    rank = 3


class _GlobalPooling(Spatial):
    """One number for each channel: the base of the global pooling layers.

    Input `(batch, *spatial, channels)` for `channels_last`, output `(batch, channels)`.

    Args:
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        keepdims: Whether the spatial axes stay, with size one.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`.
    """

    _axes: tuple[int, ...]

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._set_data_format(data_format)
        self.keepdims = keepdims
        self.input_spec = InputSpec(ndim=self.rank + 2)
        self.__dict__["_axes"] = tuple(range(1, self.rank + 1) if self.data_format == "channels_last" else range(2, self.rank + 2))

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        self._sizes(input_shape)
        channels = input_shape[self._channel_axis]
        return self._shape_of(input_shape[0], (1,) * self.rank, channels) if self.keepdims else (input_shape[0], channels)


class _GlobalMaxPooling(_GlobalPooling):
    """The largest number of each channel."""

    _tk_keeps_type = True

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        return torch.amax(inputs, self._axes, self.keepdims)


class _GlobalAveragePooling(_GlobalPooling):
    """The mean of each channel."""

    _tk_float_input = True

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        return torch.mean(inputs, self._axes, self.keepdims)


class GlobalMaxPooling1D(_GlobalMaxPooling):
    """The largest number of each channel of a sequence.

    Args:
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        keepdims: Whether the spatial axes stay, with size one.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.GlobalMaxPool1D()(torch.ones(2, 8, 3)).shape
    torch.Size([2, 3])
    """

    rank = 1


class GlobalMaxPooling2D(_GlobalMaxPooling):
    """The largest number of each channel of an image.

    Args:
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        keepdims: Whether the spatial axes stay, with size one.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.GlobalMaxPool2D(keepdims=True)(torch.ones(1, 8, 8, 3)).shape
    torch.Size([1, 1, 1, 3])
    """

    rank = 2


class GlobalMaxPooling3D(_GlobalMaxPooling):
    """The largest number of each channel of a volume.

    Args:
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        keepdims: Whether the spatial axes stay, with size one.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.GlobalMaxPool3D()(torch.ones(1, 8, 8, 8, 3)).shape
    torch.Size([1, 3])
    """

    rank = 3


class GlobalAveragePooling1D(_GlobalAveragePooling):
    """The mean of each channel of a sequence, of the steps that its mask lets count.

    Args:
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        keepdims: Whether the spatial axes stay, with size one.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.GlobalAveragePooling1D()(torch.ones(2, 8, 3)).shape
    torch.Size([2, 3])
    """

    rank = 1

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(data_format, keepdims, **kwargs)
        self.supports_masking = True

    def call(self, inputs: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        if mask is None:
            return torch.mean(inputs, self._axes, self.keepdims)
        kept = mask.to(torch.bool).unsqueeze(2 if self.data_format == "channels_last" else 1)
        summed = torch.where(kept, inputs, 0).sum(self._axes, self.keepdims)
        return summed / kept.to(inputs.dtype).sum(self._axes, self.keepdims)

    _masks_from_inputs = True

    def compute_mask(self, inputs: torch.Tensor, mask: Any = None) -> None:
        return None


class GlobalAveragePooling2D(_GlobalAveragePooling):
    """The mean of each channel of an image.

    Args:
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        keepdims: Whether the spatial axes stay, with size one.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.GlobalAveragePooling2D()(torch.ones(1, 8, 8, 3)).shape
    torch.Size([1, 3])
    """

    rank = 2


class GlobalAveragePooling3D(_GlobalAveragePooling):
    """The mean of each channel of a volume.

    Args:
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        keepdims: Whether the spatial axes stay, with size one.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.GlobalAveragePooling3D()(torch.ones(1, 8, 8, 8, 3)).shape
    torch.Size([1, 3])
    """

    rank = 3


class _AdaptivePooling(Spatial):
    """Windows chosen so that the output has a given size: the base of the adaptive pooling layers.

    Args:
        output_size: The spatial size of the output, one int or one per spatial axis.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`.
    """

    _tk_float_input = True
    _modules_by_rank: Mapping[int, Callable[[tuple[int, ...]], nn.Module]]

    def __init__(self, output_size: int | Sequence[int], data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.output_size = spatial_tuple(output_size, self.rank, "output_size")
        self._set_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)
        self.pool = self._modules_by_rank[self.rank](self.output_size)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        return self._as_given(self.pool(self._channels_first(inputs)))

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        self._sizes(input_shape)
        return self._shape_of(input_shape[0], self.output_size, input_shape[self._channel_axis])


class _AdaptiveAveragePooling(_AdaptivePooling):
    """The mean of each window."""

    _modules_by_rank = _ADAPTIVE_AVERAGE


class _AdaptiveMaxPooling(_AdaptivePooling):
    """The largest number of each window."""

    _modules_by_rank = _ADAPTIVE_MAX


class AdaptiveAveragePooling1D(_AdaptiveAveragePooling):
    """The mean of each window of a sequence.

    Args:
        output_size: The spatial size of the output, one int or one per spatial axis.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.AdaptiveAveragePooling1D(4)(torch.ones(2, 8, 3)).shape
    torch.Size([2, 4, 3])
    """

    rank = 1


class AdaptiveAveragePooling2D(_AdaptiveAveragePooling):
    """The mean of each window of an image.

    Args:
        output_size: The spatial size of the output, one int or one per spatial axis.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.AdaptiveAveragePooling2D(4)(torch.ones(1, 8, 8, 3)).shape
    torch.Size([1, 4, 4, 3])
    """

    rank = 2


class AdaptiveAveragePooling3D(_AdaptiveAveragePooling):
    """The mean of each window of a volume.

    Args:
        output_size: The spatial size of the output, one int or one per spatial axis.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.AdaptiveAveragePooling3D(4)(torch.ones(1, 8, 8, 8, 3)).shape
    torch.Size([1, 4, 4, 4, 3])
    """

    rank = 3


class AdaptiveMaxPooling1D(_AdaptiveMaxPooling):
    """The largest number of each window of a sequence.

    Args:
        output_size: The spatial size of the output, one int or one per spatial axis.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.AdaptiveMaxPooling1D(4)(torch.ones(2, 8, 3)).shape
    torch.Size([2, 4, 3])
    """

    rank = 1


class AdaptiveMaxPooling2D(_AdaptiveMaxPooling):
    """The largest number of each window of an image.

    Args:
        output_size: The spatial size of the output, one int or one per spatial axis.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.AdaptiveMaxPooling2D((4, 2))(torch.ones(1, 8, 8, 3)).shape
    torch.Size([1, 4, 2, 3])
    """

    rank = 2


class AdaptiveMaxPooling3D(_AdaptiveMaxPooling):
    """The largest number of each window of a volume.

    Args:
        output_size: The spatial size of the output, one int or one per spatial axis.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.AdaptiveMaxPooling3D(4)(torch.ones(1, 8, 8, 8, 3)).shape
    torch.Size([1, 4, 4, 4, 3])
    """

    rank = 3
