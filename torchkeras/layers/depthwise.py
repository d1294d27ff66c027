"""Depthwise and separable convolutions over one, two and three spatial axes, over torch's own modules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..typing import Identifier, InitializerLike
from .conv import CONV, KERNEL, Windowed
from .input_spec import InputSpec


@dataclass(frozen=True)
class DepthwiseLayout:
    """Keras's `(*spatial, channels, multiplier)` in torch's `(channels * multiplier, 1, *spatial)`.

    Args:
        channels: The channels of the input.
    """

    channels: int
    is_view = True

    def to_keras(self, *stored: torch.Tensor) -> torch.Tensor:
        kernel = stored[0].unflatten(0, (self.channels, -1))[:, :, 0]
        return kernel.permute(*range(2, kernel.dim()), 0, 1)

    def to_torch(self, value: torch.Tensor) -> tuple[torch.Tensor, ...]:
        rank = value.dim() - 2
        return (value.permute(rank, rank + 1, *range(rank)).reshape(-1, 1, *value.shape[:rank]),)


class _DepthwiseConvolution(Windowed):
    """Every channel convolved with its own filters, over torch's grouped convolution: the base of DepthwiseConv1D and DepthwiseConv2D.

    `kernel` is `(*kernel_size, channels, depth_multiplier)`; the output has `channels * depth_multiplier` channels, those of one input
    channel together.

    Args:
        kernel_size: The window, one int or one per spatial axis.
        strides: The step between windows, one number or one for each axis.
        padding: `"valid"` or `"same"`.
        depth_multiplier: How many filters each channel has.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        dilation_rate: The step within a window.
        activation: By name, config, or any function of a tensor; `None` is linear.
        use_bias: Whether a bias is added.
        depthwise_initializer: Fills the kernel.
        bias_initializer: Fills the bias.
        depthwise_regularizer: Adds to the loss of the model what it says of the kernel, by name, config or object.
        bias_regularizer: Adds to the loss of the model what it says of the bias, by name, config or object.
        activity_regularizer: Adds to the loss of the model what it says of the output, by name, config or object.
        depthwise_constraint: Applied to the kernel after every update, by name, config or object.
        bias_constraint: Applied to the bias after every update, by name, config or object.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`.
    """

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        activation: Identifier = None,
        use_bias: bool = True,
        depthwise_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        depthwise_regularizer: Identifier = None,
        bias_regularizer: Identifier = None,
        activity_regularizer: Identifier = None,
        depthwise_constraint: Identifier = None,
        bias_constraint: Identifier = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._check_counts(depth_multiplier=depth_multiplier)
        self.depth_multiplier = depth_multiplier
        self._set_window(kernel_size, strides, padding, data_format, dilation_rate, activation)
        self._check_steps()
        self.set_weight_settings("depthwise", depthwise_initializer, depthwise_regularizer, depthwise_constraint)
        self._set_bias(use_bias, bias_initializer, bias_regularizer, bias_constraint)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = self._known_channels(input_shape)
        self.compute_output_shape(input_shape)
        self.conv = self.new_module(
            CONV[self.rank], channels, channels * self.depth_multiplier, self.kernel_size, stride=self.strides,
            padding=self._plan_padding(), dilation=self.dilation_rate, groups=channels, bias=self.use_bias,
        )  # fmt: skip
        self.kernel = self.wrap_weight(self.conv, "weight", "kernel", layout=DepthwiseLayout(channels), **self.weight_settings("depthwise"))
        self._wrap_bias(self.conv)
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={self._channel_axis: channels})

    @property
    def depthwise_kernel(self) -> Any:
        """The same as `kernel`."""
        return self.kernel

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        return self._finish(self.conv(self._pad(self._channels_first(inputs))))

    def _output_channels(self, channels: int | None) -> int | None:
        return None if channels is None else channels * self.depth_multiplier


class DepthwiseConv1D(_DepthwiseConvolution):
    """A depthwise convolution over sequences, over `nn.Conv1d`.

    Args:
        kernel_size: The window, one int or one per spatial axis.
        strides: The step of the window, one number or one for each axis.
        padding: `"valid"` or `"same"`.
        depth_multiplier: How many filters each channel has.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        dilation_rate: The step within a window.
        activation: By name, config, or any function of a tensor; `None` is linear.
        use_bias: Whether a bias is added.
        depthwise_initializer: Fills the kernel.
        bias_initializer: Fills the bias.
        depthwise_regularizer: Adds to the loss of the model what it says of the kernel, by name, config or object.
        bias_regularizer: Adds to the loss of the model what it says of the bias, by name, config or object.
        activity_regularizer: Adds to the loss of the model what it says of the output, by name, config or object.
        depthwise_constraint: Applied to the kernel after every update, by name, config or object.
        bias_constraint: Applied to the bias after every update, by name, config or object.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.DepthwiseConv1D(kernel_size=3)(torch.ones(2, 8, 3)).shape
    torch.Size([2, 6, 3])
    """

    rank = 1


class DepthwiseConv2D(_DepthwiseConvolution):
    """A depthwise convolution over images, over `nn.Conv2d`.

    Args:
        kernel_size: The window, one int or one per spatial axis.
        strides: The step of the window, one number or one for each axis.
        padding: `"valid"` or `"same"`.
        depth_multiplier: How many filters each channel has.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        dilation_rate: The step within a window.
        activation: By name, config, or any function of a tensor; `None` is linear.
        use_bias: Whether a bias is added.
        depthwise_initializer: Fills the kernel.
        bias_initializer: Fills the bias.
        depthwise_regularizer: Adds to the loss of the model what it says of the kernel, by name, config or object.
        bias_regularizer: Adds to the loss of the model what it says of the bias, by name, config or object.
        activity_regularizer: Adds to the loss of the model what it says of the output, by name, config or object.
        depthwise_constraint: Applied to the kernel after every update, by name, config or object.
        bias_constraint: Applied to the bias after every update, by name, config or object.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.DepthwiseConv2D(kernel_size=3, depth_multiplier=2)(torch.ones(1, 8, 8, 3)).shape
    torch.Size([1, 6, 6, 6])
    """

    rank = 2


class _SeparableConvolution(Windowed):
    """A depthwise convolution, then one that mixes channels only: the base of SeparableConv1D and SeparableConv2D.

    `depthwise_kernel` is `(*kernel_size, channels, depth_multiplier)`, `pointwise_kernel` `(*ones, channels * depth_multiplier, filters)`.

    Args:
        filters: How many channels the output has.
        kernel_size: The window of the depthwise step, one int or one per spatial axis.
        strides: The step between windows, one number or one for each axis.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        dilation_rate: The step within a window.
        depth_multiplier: How many filters each channel has in the depthwise step.
        activation: By name, config, or any function of a tensor; `None` is linear.
        use_bias: Whether a bias is added.
        depthwise_initializer: Fills the depthwise kernel.
        pointwise_initializer: Fills the pointwise kernel.
        bias_initializer: Fills the bias.
        depthwise_regularizer: Adds to the loss of the model what it says of the depthwise kernel, by name, config or object.
        pointwise_regularizer: Adds to the loss of the model what it says of the pointwise kernel, by name, config or object.
        bias_regularizer: Adds to the loss of the model what it says of the bias, by name, config or object.
        activity_regularizer: Adds to the loss of the model what it says of the output, by name, config or object.
        depthwise_constraint: Applied to the depthwise kernel after every update, by name, config or object.
        pointwise_constraint: Applied to the pointwise kernel after every update, by name, config or object.
        bias_constraint: Applied to the bias after every update, by name, config or object.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        depth_multiplier: int = 1,
        activation: Identifier = None,
        use_bias: bool = True,
        depthwise_initializer: InitializerLike = "glorot_uniform",
        pointwise_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        depthwise_regularizer: Identifier = None,
        pointwise_regularizer: Identifier = None,
        bias_regularizer: Identifier = None,
        activity_regularizer: Identifier = None,
        depthwise_constraint: Identifier = None,
        pointwise_constraint: Identifier = None,
        bias_constraint: Identifier = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._check_counts(filters=filters, depth_multiplier=depth_multiplier)
        self.filters, self.depth_multiplier = filters, depth_multiplier
        self._set_window(kernel_size, strides, padding, data_format, dilation_rate, activation)
        self.set_weight_settings("depthwise", depthwise_initializer, depthwise_regularizer, depthwise_constraint)
        self.set_weight_settings("pointwise", pointwise_initializer, pointwise_regularizer, pointwise_constraint)
        self._set_bias(use_bias, bias_initializer, bias_regularizer, bias_constraint)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = self._known_channels(input_shape)
        self.compute_output_shape(input_shape)
        between = channels * self.depth_multiplier
        self.depthwise = self.new_module(
            CONV[self.rank], channels, between, self.kernel_size, stride=self.strides, padding=self._plan_padding(),
            dilation=self.dilation_rate, groups=channels, bias=False,
        )  # fmt: skip
        self.pointwise = self.new_module(CONV[self.rank], between, self.filters, 1, bias=self.use_bias)
        self.depthwise_kernel = self.wrap_weight(
            self.depthwise, "weight", "depthwise_kernel", layout=DepthwiseLayout(channels), **self.weight_settings("depthwise")
        )
        self.pointwise_kernel = self.wrap_weight(
            self.pointwise, "weight", "pointwise_kernel", layout=KERNEL[self.rank], **self.weight_settings("pointwise")
        )
        self._wrap_bias(self.pointwise)
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={self._channel_axis: channels})

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        return self._finish(self.pointwise(self.depthwise(self._pad(self._channels_first(inputs)))))

    def _output_channels(self, channels: int | None) -> int | None:
        return self.filters


class SeparableConv1D(_SeparableConvolution):
    """A separable convolution over sequences, over two `nn.Conv1d`.

    Args:
        filters: How many channels the output has.
        kernel_size: The window of the depthwise step, one int or one per spatial axis.
        strides: The step of the window, one number or one for each axis.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        dilation_rate: The step within a window.
        depth_multiplier: How many filters each channel has in the depthwise step.
        activation: By name, config, or any function of a tensor; `None` is linear.
        use_bias: Whether a bias is added.
        depthwise_initializer: Fills the depthwise kernel.
        pointwise_initializer: Fills the pointwise kernel.
        bias_initializer: Fills the bias.
        depthwise_regularizer: Adds to the loss of the model what it says of the depthwise kernel, by name, config or object.
        pointwise_regularizer: Adds to the loss of the model what it says of the pointwise kernel, by name, config or object.
        bias_regularizer: Adds to the loss of the model what it says of the bias, by name, config or object.
        activity_regularizer: Adds to the loss of the model what it says of the output, by name, config or object.
        depthwise_constraint: Applied to the depthwise kernel after every update, by name, config or object.
        pointwise_constraint: Applied to the pointwise kernel after every update, by name, config or object.
        bias_constraint: Applied to the bias after every update, by name, config or object.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.SeparableConv1D(4, kernel_size=3)(torch.ones(2, 8, 3)).shape
    torch.Size([2, 6, 4])
    """

    rank = 1


class SeparableConv2D(_SeparableConvolution):
    """A separable convolution over images, over two `nn.Conv2d`.

    Args:
        filters: How many channels the output has.
        kernel_size: The window of the depthwise step, one int or one per spatial axis.
        strides: The step of the window, one number or one for each axis.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        dilation_rate: The step within a window.
        depth_multiplier: How many filters each channel has in the depthwise step.
        activation: By name, config, or any function of a tensor; `None` is linear.
        use_bias: Whether a bias is added.
        depthwise_initializer: Fills the depthwise kernel.
        pointwise_initializer: Fills the pointwise kernel.
        bias_initializer: Fills the bias.
        depthwise_regularizer: Adds to the loss of the model what it says of the depthwise kernel, by name, config or object.
        pointwise_regularizer: Adds to the loss of the model what it says of the pointwise kernel, by name, config or object.
        bias_regularizer: Adds to the loss of the model what it says of the bias, by name, config or object.
        activity_regularizer: Adds to the loss of the model what it says of the output, by name, config or object.
        depthwise_constraint: Applied to the depthwise kernel after every update, by name, config or object.
        pointwise_constraint: Applied to the pointwise kernel after every update, by name, config or object.
        bias_constraint: Applied to the bias after every update, by name, config or object.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.SeparableConv2D(4, kernel_size=3)(torch.ones(1, 8, 8, 3)).shape
    torch.Size([1, 6, 6, 4])
    """

    rank = 2
