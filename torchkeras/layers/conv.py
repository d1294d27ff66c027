"""Convolutions over one, two and three spatial axes, over torch's own modules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.modules.conv import _ConvTransposeNd

from .. import activations
from ..ops.nn.spatial import conv_transpose_geometry, same_padding
from ..typing import Identifier, InitializerLike
from ..variable import Layout, WeightView
from .call import through
from .input_spec import InputSpec
from .lora import LoRA
from .spatial import Spatial, spatial_tuple, standardize_padding, window_length

CONV: dict[int, Callable[..., nn.Conv1d | nn.Conv2d | nn.Conv3d]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_CONV_TRANSPOSE: dict[int, type[_ConvTransposeNd]] = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
CONVOLVE: dict[int, Callable[..., torch.Tensor]] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
# Keras: (*spatial, in, out); torch: (out, in, *spatial). Of a transposed convolution both swap in and out.
KERNEL = {rank: Layout((*range(2, rank + 2), 1, 0)) for rank in (1, 2, 3)}


class Windowed(Spatial):
    """What every convolution has: a window with strides and dilation, padding, an activation and a bias."""

    _tk_float_input = True
    _tk_config_unless_none = ()
    _per_axis = ("strides", "dilation_rate")
    _causal = False

    def _set_window(
        self, kernel_size: Any, strides: Any, padding: Any, data_format: Any, dilation_rate: Any, activation: Identifier
    ) -> None:
        self.kernel_size = spatial_tuple(kernel_size, self.rank, "kernel_size")
        self.strides = spatial_tuple(strides, self.rank, "strides")
        self.padding = standardize_padding(padding, self._causal)
        self._set_data_format(data_format)
        self.dilation_rate = spatial_tuple(dilation_rate, self.rank, "dilation_rate")
        self.activation = activations.get(activation)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _check_counts(self, **counts: int | None) -> None:
        for name, value in counts.items():
            if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
                raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}")

    def _check_steps(self) -> None:
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                "`strides` and `dilation_rate` cannot both be above 1. "
                f"Received: strides={self.strides}, dilation_rate={self.dilation_rate}"
            )

    def _set_bias(self, use_bias: bool, initializer: Any, regularizer: Any, constraint: Any) -> None:
        self.use_bias = use_bias
        self.set_weight_settings("bias", initializer, regularizer, constraint)
        self.bias: WeightView | None = None

    def _wrap_bias(self, module: nn.Module) -> None:
        if self.use_bias:
            self.bias = self.wrap_weight(module, "bias", "bias", **self.weight_settings("bias"))

    def _plan_padding(self) -> tuple[int, ...]:
        """The padding that the torch module applies itself: what does not depend on the input's size and is the same on both sides."""
        extents = [d * (k - 1) for k, d in zip(self.kernel_size, self.dilation_rate)]
        own = (0,) * self.rank
        self.__dict__["_pads"] = self.padding != "valid"
        if self.padding == "same" and max(self.strides) == 1 and not any(e % 2 for e in extents):
            own = tuple(e // 2 for e in extents)
            self.__dict__["_pads"] = False
        return own

    def _pad(self, x: torch.Tensor) -> torch.Tensor:
        """Channels-first `x` with the zeros that the torch module does not add."""
        if not self._pads:
            return x
        if self.padding == "causal":
            return F.pad(x, (self.dilation_rate[0] * (self.kernel_size[0] - 1), 0))
        edges: list[int] = []
        for n, k, s, d in zip(reversed(x.shape[2:]), reversed(self.kernel_size), reversed(self.strides), reversed(self.dilation_rate)):
            edges += same_padding(n, k, s, d)
        return F.pad(x, edges) if any(edges) else x

    def _output_channels(self, channels: int | None) -> int | None:
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        sizes = [
            window_length(n, k, s, d, self.padding, self.name, input_shape)
            for n, k, s, d in zip(self._sizes(input_shape), self.kernel_size, self.strides, self.dilation_rate)
        ]
        return self._shape_of(input_shape[0], sizes, self._output_channels(input_shape[self._channel_axis]))

    def _finish(self, x: torch.Tensor) -> torch.Tensor:
        x = self._as_given(x)
        return x if self.activation is None else self.activation(x)


class _Convolution(LoRA, Windowed):
    """A convolution, over torch's: the base of Conv1D, Conv2D and Conv3D.

    Input `(batch, *spatial, channels)` for `channels_last`, output `(batch, *smaller, filters)`; `kernel` is
    `(*kernel_size, channels / groups, filters)`, `bias` `(filters,)`.

    Args:
        filters: How many channels the output has.
        kernel_size: The window, one int or one per spatial axis.
        strides: The step between windows, one number or one for each axis.
        padding: `"valid"` (none) or `"same"` (zeros around, evenly, the odd one after); Conv1D also `"causal"` (zeros before).
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        dilation_rate: The step within a window.
        groups: The number of groups of channels that are convolved apart.
        activation: By name, config, or any function of a tensor; `None` is linear.
        use_bias: Whether a bias is added.
        kernel_initializer: Fills the kernel.
        bias_initializer: Fills the bias.
        kernel_regularizer: Adds to the loss of the model.
        bias_regularizer: Adds to the loss of the model what it says of the bias, by name, config or object.
        activity_regularizer: Adds to the loss of the model what it says of the output, by name, config or object.
        kernel_constraint: Applied after every update.
        bias_constraint: Applied to the bias after every update, by name, config or object.
        **kwargs: `lora_rank`, `lora_alpha`, `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`.

    Raises:
        ValueError: Arguments that do not fit each other or the input.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        groups: int = 1,
        activation: Identifier = None,
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: Identifier = None,
        bias_regularizer: Identifier = None,
        activity_regularizer: Identifier = None,
        kernel_constraint: Identifier = None,
        bias_constraint: Identifier = None,
        **kwargs: Any,
    ) -> None:
        rank, alpha = kwargs.pop("lora_rank", None), kwargs.pop("lora_alpha", None)
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._check_counts(filters=filters, groups=groups)
        if filters % groups:
            raise ValueError(f"`groups` must divide `filters`. Received: groups={groups}, filters={filters}")
        self.filters, self.groups = filters, groups
        self._set_window(kernel_size, strides, padding, data_format, dilation_rate, activation)
        self._check_steps()
        self.set_weight_settings("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        self._set_bias(use_bias, bias_initializer, bias_regularizer, bias_constraint)
        self._init_lora(rank, alpha)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = self._known_channels(input_shape)
        if channels % self.groups:
            raise ValueError(
                f"`groups` must divide the channels of the input of the layer {self.name!r}. "
                f"Received: groups={self.groups}, input_shape={input_shape}"
            )
        self.compute_output_shape(input_shape)
        self.conv = self.new_module(
            CONV[self.rank], channels, self.filters, self.kernel_size, stride=self.strides, padding=self._plan_padding(),
            dilation=self.dilation_rate, groups=self.groups, bias=self.use_bias,
        )  # fmt: skip
        self.kernel = self.wrap_weight(self.conv, "weight", "kernel", layout=KERNEL[self.rank], **self.weight_settings("kernel"))
        self._wrap_bias(self.conv)
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={self._channel_axis: channels})
        self._build_lora()

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        conv: Any = self.__dict__["_modules"].get("conv")
        if name in ("strides", "dilation_rate", "padding") and hasattr(conv, "dilation"):
            conv.stride, conv.dilation, conv.padding = self.strides, self.dilation_rate, self._plan_padding()

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        if type(self).convolution_op is not _Convolution.convolution_op:
            return self._by_op(inputs)
        x = self._pad(self._channels_first(inputs))
        outputs = through(self._modules["conv"], x)
        if self.lora_enabled:
            delta = self.kernel.to_torch(self._lora_delta())[0]
            outputs = outputs + CONVOLVE[self.rank](
                x, delta.to(x.dtype), None, self.strides, self._plan_padding(), self.dilation_rate, self.groups
            )
        return self._finish(outputs)

    def convolution_op(self, inputs: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
        """The convolution alone, without bias and activation. Override it to convolve in another way.

        Args:
            inputs: The inputs, in the layer's data format.
            kernel: `(*kernel_size, channels / groups, filters)`.
        """
        weight = self.kernel.to_torch(kernel)[0].to(inputs.dtype)
        return self._as_given(self.conv._conv_forward(self._pad(self._channels_first(inputs)), weight, None))

    def _by_op(self, inputs: torch.Tensor) -> torch.Tensor:
        kernel = self.kernel.value
        if self.lora_enabled:
            kernel = kernel + self._lora_delta().to(kernel.dtype)
        outputs = self.convolution_op(inputs, kernel)
        if self.conv.bias is not None:
            shape = (-1,) if self.data_format == "channels_last" else (-1, *(1,) * self.rank)
            outputs = outputs + self.conv.bias.view(shape).to(outputs.dtype)
        return outputs if self.activation is None else self.activation(outputs)

    def _output_channels(self, channels: int | None) -> int | None:
        return self.filters

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if self.lora_rank:
            config.update(lora_rank=self.lora_rank, lora_alpha=self.lora_alpha)
        return config


class Conv1D(_Convolution):
    """A convolution over sequences, over `nn.Conv1d`.

    Args:
        filters: How many channels the output has.
        kernel_size: The window, one int or one per spatial axis.
        strides: The step of the window, one number or one for each axis.
        padding: `"valid"` (none) or `"same"` (zeros around, evenly, the odd one after); Conv1D also `"causal"` (zeros before).
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        dilation_rate: The step within a window.
        groups: The number of groups of channels that are convolved apart.
        activation: By name, config, or any function of a tensor; `None` is linear.
        use_bias: Whether a bias is added.
        kernel_initializer: Fills the kernel.
        bias_initializer: Fills the bias.
        kernel_regularizer: Adds to the loss of the model.
        bias_regularizer: Adds to the loss of the model what it says of the bias, by name, config or object.
        activity_regularizer: Adds to the loss of the model what it says of the output, by name, config or object.
        kernel_constraint: Applied after every update.
        bias_constraint: Applied to the bias after every update, by name, config or object.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.Conv1D(4, kernel_size=3)(torch.ones(2, 8, 3)).shape
    torch.Size([2, 6, 4])
    """

    rank = 1
    _causal = True


class Conv2D(_Convolution):
    """A convolution over images, over `nn.Conv2d`.

    Args:
        filters: How many channels the output has.
        kernel_size: The window, one int or one per spatial axis.
        strides: The step of the window, one number or one for each axis.
        padding: `"valid"` (none) or `"same"` (zeros around, evenly, the odd one after); Conv1D also `"causal"` (zeros before).
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        dilation_rate: The step within a window.
        groups: The number of groups of channels that are convolved apart.
        activation: By name, config, or any function of a tensor; `None` is linear.
        use_bias: Whether a bias is added.
        kernel_initializer: Fills the kernel.
        bias_initializer: Fills the bias.
        kernel_regularizer: Adds to the loss of the model.
        bias_regularizer: Adds to the loss of the model what it says of the bias, by name, config or object.
        activity_regularizer: Adds to the loss of the model what it says of the output, by name, config or object.
        kernel_constraint: Applied after every update.
        bias_constraint: Applied to the bias after every update, by name, config or object.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.Conv2D(4, kernel_size=3, padding="same")(torch.ones(1, 8, 8, 3)).shape
    torch.Size([1, 8, 8, 4])
    """

    rank = 2


class Conv3D(_Convolution):
    """A convolution over volumes, over `nn.Conv3d`.

    Args:
        filters: How many channels the output has.
        kernel_size: The window, one int or one per spatial axis.
        strides: The step of the window, one number or one for each axis.
        padding: `"valid"` (none) or `"same"` (zeros around, evenly, the odd one after); Conv1D also `"causal"` (zeros before).
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        dilation_rate: The step within a window.
        groups: The number of groups of channels that are convolved apart.
        activation: By name, config, or any function of a tensor; `None` is linear.
        use_bias: Whether a bias is added.
        kernel_initializer: Fills the kernel.
        bias_initializer: Fills the bias.
        kernel_regularizer: Adds to the loss of the model.
        bias_regularizer: Adds to the loss of the model what it says of the bias, by name, config or object.
        activity_regularizer: Adds to the loss of the model what it says of the output, by name, config or object.
        kernel_constraint: Applied after every update.
        bias_constraint: Applied to the bias after every update, by name, config or object.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.Conv3D(4, kernel_size=3)(torch.ones(1, 8, 8, 8, 3)).shape
    torch.Size([1, 6, 6, 6, 4])
    """

    rank = 3


class _TransposedConvolution(Windowed):
    """A transposed convolution, over torch's: the base of Conv1DTranspose, Conv2DTranspose and Conv3DTranspose.

    It is the gradient of a convolution with respect to its input. `kernel` is `(*kernel_size, filters, channels)`.

    Args:
        filters: How many channels the output has.
        kernel_size: The window, one int or one per spatial axis.
        strides: How far neighbouring inputs lie apart in the output.
        padding: `"valid"` keeps everything; `"same"` gives `size * stride` outputs.
        output_padding: Extra length, one int or one per spatial axis; `None` is Keras's default.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        dilation_rate: The step within a window.
        activation: By name, config, or any function of a tensor; `None` is linear.
        use_bias: Whether a bias is added.
        kernel_initializer: Fills the kernel.
        bias_initializer: Fills the bias.
        kernel_regularizer: Adds to the loss of the model.
        bias_regularizer: Adds to the loss of the model what it says of the bias, by name, config or object.
        activity_regularizer: Adds to the loss of the model what it says of the output, by name, config or object.
        kernel_constraint: Applied after every update.
        bias_constraint: Applied to the bias after every update, by name, config or object.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        output_padding: int | Sequence[int] | None = None,
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        activation: Identifier = None,
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: Identifier = None,
        bias_regularizer: Identifier = None,
        activity_regularizer: Identifier = None,
        kernel_constraint: Identifier = None,
        bias_constraint: Identifier = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._check_counts(filters=filters)
        self.filters = filters
        self._set_window(kernel_size, strides, padding, data_format, dilation_rate, activation)
        self._check_steps()
        self.output_padding = None if output_padding is None else _extra_lengths(output_padding, self.strides)
        self.set_weight_settings("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        self._set_bias(use_bias, bias_initializer, bias_regularizer, bias_constraint)

    _cut: tuple[int, ...]
    _more: tuple[int, ...]

    def _geometry(self, sizes: Sequence[int]) -> list[tuple[int, int]]:
        extra = self.output_padding or (None,) * self.rank
        return [
            conv_transpose_geometry(n, k, s, d, self.padding, e)
            for n, k, s, d, e in zip(sizes, self.kernel_size, self.strides, self.dilation_rate, extra)
        ]

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = self._known_channels(input_shape)
        # torch cuts `crop` at both ends and gives `restore` back at the end, both whatever the input's size is; it takes no other
        # `restore` than one below stride or dilation, and never a negative one: zeros after the input give the rest, a cut takes it.
        plans = self._geometry((1,) * self.rank)
        crops = tuple(crop for crop, _ in plans)
        restore = tuple(length - (d * (k - 1) + 1 - 2 * crop) for (crop, length), k, d in zip(plans, self.kernel_size, self.dilation_rate))
        self.__dict__["_cut"] = tuple(min(r, 0) for r in restore)
        self.__dict__["_more"] = more = tuple(
            max(0, -(-(r - max(s, d) + 1) // s)) for r, s, d in zip(restore, self.strides, self.dilation_rate)
        )
        extra = tuple(max(r - m * s, 0) for r, m, s in zip(restore, more, self.strides))
        self.conv = self.new_module(
            _CONV_TRANSPOSE[self.rank], channels, self.filters, self.kernel_size, stride=self.strides, padding=crops,
            output_padding=extra, dilation=self.dilation_rate, bias=self.use_bias,
        )  # fmt: skip
        self.kernel = self.wrap_weight(self.conv, "weight", "kernel", layout=KERNEL[self.rank], **self.weight_settings("kernel"))
        self._wrap_bias(self.conv)
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={self._channel_axis: channels})

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        x = self._channels_first(inputs)
        if any(self._more):
            x = F.pad(x, [n for more in reversed(self._more) for n in (0, more)])
        y = self.conv(x)
        if any(self._cut):
            window = (slice(None), slice(None), *(slice(c or None) for c in self._cut))
            y = y[window]
        return self._finish(y)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        sizes = self._sizes(input_shape)
        lengths = [None if n is None else length for n, (_, length) in zip(sizes, self._geometry([1 if n is None else n for n in sizes]))]
        return self._shape_of(input_shape[0], lengths, self.filters)


def _extra_lengths(output_padding: int | Sequence[int], strides: tuple[int, ...]) -> tuple[int, ...]:
    values = (output_padding,) * len(strides) if isinstance(output_padding, int) else tuple(output_padding)
    if len(values) != len(strides) or any(not isinstance(v, int) or v < 0 or v >= s for v, s in zip(values, strides)):
        raise ValueError(
            f"`output_padding` must be an int, or {len(strides)} of them, each from 0 to below its stride. "
            f"Received: output_padding={output_padding!r}, strides={strides}"
        )
    return values


class Conv1DTranspose(_TransposedConvolution):
    """A transposed convolution over sequences, over `nn.ConvTranspose1d`.

    Args:
        filters: How many channels the output has.
        kernel_size: The window, one int or one per spatial axis.
        strides: How far neighbouring inputs lie apart in the output.
        padding: `"valid"` keeps everything; `"same"` gives `size * stride` outputs.
        output_padding: Extra length, one int or one per spatial axis; `None` is Keras's default.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        dilation_rate: The step within a window.
        activation: By name, config, or any function of a tensor; `None` is linear.
        use_bias: Whether a bias is added.
        kernel_initializer: Fills the kernel.
        bias_initializer: Fills the bias.
        kernel_regularizer: Adds to the loss of the model.
        bias_regularizer: Adds to the loss of the model what it says of the bias, by name, config or object.
        activity_regularizer: Adds to the loss of the model what it says of the output, by name, config or object.
        kernel_constraint: Applied after every update.
        bias_constraint: Applied to the bias after every update, by name, config or object.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.Conv1DTranspose(4, kernel_size=3, strides=2)(torch.ones(2, 8, 3)).shape
    torch.Size([2, 17, 4])
    """

    rank = 1


class Conv2DTranspose(_TransposedConvolution):
    """A transposed convolution over images, over `nn.ConvTranspose2d`.

    Args:
        filters: How many channels the output has.
        kernel_size: The window, one int or one per spatial axis.
        strides: How far neighbouring inputs lie apart in the output.
        padding: `"valid"` keeps everything; `"same"` gives `size * stride` outputs.
        output_padding: Extra length, one int or one per spatial axis; `None` is Keras's default.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        dilation_rate: The step within a window.
        activation: By name, config, or any function of a tensor; `None` is linear.
        use_bias: Whether a bias is added.
        kernel_initializer: Fills the kernel.
        bias_initializer: Fills the bias.
        kernel_regularizer: Adds to the loss of the model.
        bias_regularizer: Adds to the loss of the model what it says of the bias, by name, config or object.
        activity_regularizer: Adds to the loss of the model what it says of the output, by name, config or object.
        kernel_constraint: Applied after every update.
        bias_constraint: Applied to the bias after every update, by name, config or object.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.Conv2DTranspose(4, kernel_size=3, strides=2, padding="same")(torch.ones(1, 8, 8, 3)).shape
    torch.Size([1, 16, 16, 4])
    """

    rank = 2


class Conv3DTranspose(_TransposedConvolution):
    """A transposed convolution over volumes, over `nn.ConvTranspose3d`.

    Args:
        filters: How many channels the output has.
        kernel_size: The window, one int or one per spatial axis.
        strides: How far neighbouring inputs lie apart in the output.
        padding: `"valid"` keeps everything; `"same"` gives `size * stride` outputs.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        output_padding: Extra length, one int or one per spatial axis; `None` is Keras's default.
        dilation_rate: The step within a window.
        activation: By name, config, or any function of a tensor; `None` is linear.
        use_bias: Whether a bias is added.
        kernel_initializer: Fills the kernel.
        bias_initializer: Fills the bias.
        kernel_regularizer: Adds to the loss of the model.
        bias_regularizer: Adds to the loss of the model what it says of the bias, by name, config or object.
        activity_regularizer: Adds to the loss of the model what it says of the output, by name, config or object.
        kernel_constraint: Applied after every update.
        bias_constraint: Applied to the bias after every update, by name, config or object.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.Conv3DTranspose(4, kernel_size=3)(torch.ones(1, 8, 8, 8, 3)).shape
    torch.Size([1, 10, 10, 10, 4])
    """

    rank = 3

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: str | None = None,
        output_padding: int | Sequence[int] | None = None,
        dilation_rate: int | Sequence[int] = 1,
        activation: Identifier = None,
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: Identifier = None,
        bias_regularizer: Identifier = None,
        activity_regularizer: Identifier = None,
        kernel_constraint: Identifier = None,
        bias_constraint: Identifier = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters, kernel_size, strides, padding, output_padding, data_format, dilation_rate, activation,
            activity_regularizer=activity_regularizer, **kwargs,
        )  # fmt: skip
        self.set_weight_settings("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        self._set_bias(use_bias, bias_initializer, bias_regularizer, bias_constraint)
