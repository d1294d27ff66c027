"""Convolutional LSTM (Shi et al., 2015) over sequences of vectors, images and volumes: both products of an LSTM are convolutions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F

from ... import activations, dtypes
from ...distribution import rank as place
from ...ops.nn.spatial import same_padding
from ...typing import Identifier, InitializerLike
from ...variable import SAME
from ..conv import CONV, KERNEL, Windowed
from ..input_spec import InputSpec
from .base import Shape
from .cells import LongShortCell
from .hosting import make_host
from .recurrent import Recurrent, cell_arguments


class ConvLSTMCell(LongShortCell, Windowed):
    """One step of a convolutional LSTM, over two torch convolutions: gates i, f, c, o; the states are the output and the carry.

    Input `(batch, *spatial, channels)` for `channels_last`; output and states `(batch, *smaller, filters)`. `kernel` is
    `(*kernel_size, channels, 4 * filters)`, `recurrent_kernel` `(*kernel_size, filters, 4 * filters)`, `bias` `(4 * filters,)`.
    The layer that makes it sets what its weights are made with by `set_weight_settings`, for `kernel`, `recurrent` and `bias`.

    Args:
        rank: The number of spatial axes: 1, 2 or 3.
        filters: The number of channels of output and states.
        window: `kernel_size`, `strides`, `padding`, `data_format`, `dilation_rate` and `activation` of the layer.
        recurrent_activation: The activation of the gates.
        use_bias: Whether a bias is added.
        unit_forget_bias: Whether the bias of the forget gate starts at one.
        dropout: The share of the inputs that is dropped, for each gate others, the same ones at every step.
        recurrent_dropout: The share of the state that is dropped, for each gate other parts, the same ones at every step.
        seed: The seed of the dropout.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`.

    Raises:
        ValueError: If arguments do not fit each other, or the sizes or channels of the input are not known.
    """

    _gate_axis = 1

    def __init__(
        self,
        rank: int,
        filters: int,
        window: Mapping[str, Any],
        recurrent_activation: Identifier,
        use_bias: bool,
        unit_forget_bias: bool,
        dropout: float,
        recurrent_dropout: float,
        seed: int | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rank = rank
        self._check_counts(filters=filters)
        self.filters, self.use_bias, self.unit_forget_bias = filters, use_bias, unit_forget_bias
        self._set_window(**window)
        self._check_steps()
        self.recurrent_activation = activations.get(recurrent_activation)
        self._set_dropout(dropout, recurrent_dropout, seed, implementation=1)
        self.state_size = [filters, filters]
        self._state_shape: tuple[int, ...] = ()

    # -- weights and states ----------------------------------------------------------------------------------------------------------

    def build(self, input_shape: Shape) -> None:
        channels = self._known_channels(input_shape)
        sizes = self._sizes(input_shape)
        if None in sizes:
            raise ValueError(
                f"The layer {self.name!r} keeps a state of the size of its images, so all spatial axes of its input must be known. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        self._state_shape = tuple(self.compute_output_shape(input_shape)[1:])  # type: ignore[arg-type]
        module, out = CONV[self.rank], 4 * self.filters
        self.conv = self.new_module(
            module, channels, out, self.kernel_size, stride=self.strides, padding=self._plan_padding(), dilation=self.dilation_rate,
            bias=self.use_bias,
        )  # fmt: skip
        own = tuple(k // 2 if k % 2 else 0 for k in self.kernel_size)
        self.recurrent_conv = self.new_module(module, self.filters, out, self.kernel_size, padding=own, bias=False)
        edges = [edge for k in reversed(self.kernel_size) for edge in (same_padding(k, k) if k % 2 == 0 else (0, 0))]
        self._state_edges = edges if any(edges) else None
        layout = KERNEL[self.rank]
        bias = (self.conv, "bias", SAME) if self.use_bias else None
        self._wrap_weights((self.conv, "weight", layout), (self.recurrent_conv, "weight", layout), bias)
        make_host(self.conv)
        make_host(self.recurrent_conv)
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={i: n for i, n in enumerate(input_shape) if i > 0})

    def _output_channels(self, channels: int | None) -> int | None:
        return self.filters

    def get_initial_state(self, batch_size: Any = None) -> list[torch.Tensor]:
        """Zeros in the shape of the output, for the state and for the carry.

        Args:
            batch_size: The size of the batch.
        """
        device = self._tk_device() if self.built else place.default_device()
        dtype = dtypes.to_torch_dtype(self.compute_dtype)
        return [torch.zeros(batch_size, *self._state_shape, dtype=dtype, device=device) for _ in range(2)]

    # -- computation -----------------------------------------------------------------------------------------------------------------

    def project(self, inputs: torch.Tensor, training: bool = False) -> torch.Tensor:
        all_steps = inputs.dim() == self.rank + 3
        masks = None
        if training and self.dropout:
            masks = self.get_dropout_mask(inputs[:, 0] if all_steps else inputs)
            masks = [m.unsqueeze(1) for m in masks] if all_steps else masks

        def ready(x: torch.Tensor) -> torch.Tensor:
            return self._pad(self._channels_first(x.flatten(0, 1) if all_steps else x))

        gates = _convolved(self.conv, inputs, masks, ready)
        return gates.unflatten(0, inputs.shape[:2]) if all_steps else gates

    def _recur(self, h: torch.Tensor, training: bool) -> torch.Tensor:
        masks = self.get_recurrent_dropout_mask(h) if training and self.recurrent_dropout else None
        return _convolved(self.recurrent_conv, h, masks, self._padded_state)

    def _padded_state(self, h: torch.Tensor) -> torch.Tensor:
        x = self._channels_first(h)
        return x if self._state_edges is None else F.pad(x, self._state_edges)

    def _as_state(self, gate: torch.Tensor) -> torch.Tensor:
        return self._as_given(gate)


def _convolved(conv: Any, x: torch.Tensor, masks: Sequence[torch.Tensor] | None, ready: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """The gates, each from its own filters and, with `masks`, from `x` under its own mask, in one call of the module."""
    if masks is None:
        return conv(ready(x))

    def compute(x: torch.Tensor) -> torch.Tensor:
        biases = [None] * len(masks) if conv.bias is None else conv.bias.chunk(len(masks))
        parts = zip(masks, conv.weight.chunk(len(masks)), biases)
        return torch.cat([conv._conv_forward(ready(x * mask), weight, bias) for mask, weight, bias in parts], 1)

    return conv(x, compute=compute)


class _ConvLSTM(Recurrent):
    """A layer of `ConvLSTMCell`: the base of ConvLSTM1D, ConvLSTM2D and ConvLSTM3D.

    Input `(batch, steps, *spatial, channels)` for `channels_last`; output `(batch, *smaller, filters)`, or with `return_sequences`
    `(batch, steps, *smaller, filters)`. With `return_state`, the last output and the last carry follow. The input convolution of all
    steps is one call; the steps then run one by one.

    Args:
        filters: The number of channels of output and states.
        kernel_size: The window, one int or one for each spatial axis.
        strides: The step between windows of the inputs, one int or one for each spatial axis.
        padding: `"valid"` (none) or `"same"` (zeros around) for the inputs; the state is always padded to keep its size.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        dilation_rate: The step within a window of the inputs.
        activation: Of the candidate and of the carry.
        recurrent_activation: Of the gates.
        use_bias: Whether a bias is added.
        kernel_initializer: Fills `kernel`, `(*kernel_size, channels, 4 * filters)`.
        recurrent_initializer: Fills `recurrent_kernel`, `(*kernel_size, filters, 4 * filters)`.
        bias_initializer: Fills `bias`, `(4 * filters,)`.
        unit_forget_bias: Whether the bias of the forget gate starts at one.
        kernel_regularizer: Of `kernel`; adds to the loss of the model.
        recurrent_regularizer: Of `recurrent_kernel`; adds to the loss of the model.
        bias_regularizer: Of `bias`; adds to the loss of the model.
        activity_regularizer: Adds to the loss of the model what it says of the output, by name, config or object.
        kernel_constraint: Of `kernel`; applied after every update.
        recurrent_constraint: Of `recurrent_kernel`; applied after every update.
        bias_constraint: Of `bias`; applied after every update.
        dropout: The share of the inputs that is dropped, for each gate others, the same ones at every step.
        recurrent_dropout: The share of the state that is dropped, for each gate other parts, the same ones at every step.
        seed: Of the dropout.
        return_sequences: Whether the output is that of every step or of the last.
        return_state: Whether the states after the last step are returned as well.
        go_backwards: Whether the last step comes first; outputs are then in that order too.
        stateful: Whether the states of one batch are the initial states of the next.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`.

    Raises:
        ValueError: If arguments do not fit each other, or the sizes or channels of the input are not known.
    """

    rank: ClassVar[int]
    cell: ConvLSTMCell  # type: ignore[assignment]
    _keras_config_leaves_out = (*Recurrent._keras_config_leaves_out, "units", "implementation")

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        activation: Identifier = "tanh",
        recurrent_activation: Identifier = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        recurrent_initializer: InitializerLike = "orthogonal",
        bias_initializer: InitializerLike = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Identifier = None,
        recurrent_regularizer: Identifier = None,
        bias_regularizer: Identifier = None,
        activity_regularizer: Identifier = None,
        kernel_constraint: Identifier = None,
        recurrent_constraint: Identifier = None,
        bias_constraint: Identifier = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        **kwargs: Any,
    ) -> None:
        window = {
            "kernel_size": kernel_size, "strides": strides, "padding": padding, "data_format": data_format,
            "dilation_rate": dilation_rate, "activation": activation,
        }  # fmt: skip
        cell = ConvLSTMCell(
            self.rank, filters, window, recurrent_activation, use_bias, unit_forget_bias, dropout, recurrent_dropout, seed,
            **cell_arguments(kwargs), name="conv_lstm_cell",
        )  # fmt: skip
        cell.set_weight_settings("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        cell.set_weight_settings("recurrent", recurrent_initializer, recurrent_regularizer, recurrent_constraint)
        cell.set_weight_settings("bias", bias_initializer, bias_regularizer, bias_constraint)
        super().__init__(
            cell, False, return_sequences=return_sequences, return_state=return_state, go_backwards=go_backwards, stateful=stateful,
            activity_regularizer=activity_regularizer, **kwargs,
        )  # fmt: skip
        self.input_spec = InputSpec(ndim=self.rank + 3)

    def build(self, sequences_shape: Shape, initial_state_shape: Any = None) -> None:
        super().build(sequences_shape, initial_state_shape)
        axes = {i: n for i, n in enumerate(sequences_shape) if i > 1}  # the state has one size
        self.input_spec = InputSpec(ndim=self.rank + 3, axes=axes)

    def compute_output_shape(self, sequences_shape: Shape, initial_state_shape: Any = None) -> Any:
        batch, steps = sequences_shape[:2]
        state = self.cell.compute_output_shape((batch, *sequences_shape[2:]))
        shape = (batch, steps, *state[1:]) if self.return_sequences else state
        return (shape, state, state) if self.return_state else shape

    filters = property(lambda self: self.cell.filters, doc="The number of channels of output and states.")
    kernel_size = property(lambda self: self.cell.kernel_size, doc="The window.")
    strides = property(lambda self: self.cell.strides, doc="The step between windows of the inputs.")
    padding = property(lambda self: self.cell.padding, doc="The padding of the inputs.")
    data_format = property(lambda self: self.cell.data_format, doc="Where the channels are.")
    dilation_rate = property(lambda self: self.cell.dilation_rate, doc="The step within a window of the inputs.")
    recurrent_activation = property(lambda self: self.cell.recurrent_activation, doc="The activation of the gates.")
    unit_forget_bias = property(lambda self: self.cell.unit_forget_bias, doc="Whether the bias of the forget gate starts at one.")


class ConvLSTM1D(_ConvLSTM):
    """A convolutional LSTM over sequences of `(length, channels)`.

    Args:
        filters: The number of channels of output and states.
        kernel_size: The window, one int or one for each spatial axis.
        strides: The step between windows of the inputs, one int or one for each spatial axis.
        padding: `"valid"` (none) or `"same"` (zeros around) for the inputs; the state is always padded to keep its size.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        dilation_rate: The step within a window of the inputs.
        activation: Of the candidate and of the carry.
        recurrent_activation: Of the gates.
        use_bias: Whether a bias is added.
        kernel_initializer: Fills `kernel`, `(*kernel_size, channels, 4 * filters)`.
        recurrent_initializer: Fills `recurrent_kernel`, `(*kernel_size, filters, 4 * filters)`.
        bias_initializer: Fills `bias`, `(4 * filters,)`.
        unit_forget_bias: Whether the bias of the forget gate starts at one.
        kernel_regularizer: Of `kernel`; adds to the loss of the model.
        recurrent_regularizer: Of `recurrent_kernel`; adds to the loss of the model.
        bias_regularizer: Of `bias`; adds to the loss of the model.
        activity_regularizer: Adds to the loss of the model what it says of the output, by name, config or object.
        kernel_constraint: Of `kernel`; applied after every update.
        recurrent_constraint: Of `recurrent_kernel`; applied after every update.
        bias_constraint: Of `bias`; applied after every update.
        dropout: The share of the inputs that is dropped, for each gate others, the same ones at every step.
        recurrent_dropout: The share of the state that is dropped, for each gate other parts, the same ones at every step.
        seed: Of the dropout.
        return_sequences: Whether the output is that of every step or of the last.
        return_state: Whether the states after the last step are returned as well.
        go_backwards: Whether the last step comes first; outputs are then in that order too.
        stateful: Whether the states of one batch are the initial states of the next.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.ConvLSTM1D(4, kernel_size=3)(torch.ones(1, 5, 8, 3)).shape
    torch.Size([1, 6, 4])
    """

    rank = 1


class ConvLSTM2D(_ConvLSTM):
    """A convolutional LSTM over sequences of images.

    Args:
        filters: The number of channels of output and states.
        kernel_size: The window, one int or one for each spatial axis.
        strides: The step between windows of the inputs, one int or one for each spatial axis.
        padding: `"valid"` (none) or `"same"` (zeros around) for the inputs; the state is always padded to keep its size.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        dilation_rate: The step within a window of the inputs.
        activation: Of the candidate and of the carry.
        recurrent_activation: Of the gates.
        use_bias: Whether a bias is added.
        kernel_initializer: Fills `kernel`, `(*kernel_size, channels, 4 * filters)`.
        recurrent_initializer: Fills `recurrent_kernel`, `(*kernel_size, filters, 4 * filters)`.
        bias_initializer: Fills `bias`, `(4 * filters,)`.
        unit_forget_bias: Whether the bias of the forget gate starts at one.
        kernel_regularizer: Of `kernel`; adds to the loss of the model.
        recurrent_regularizer: Of `recurrent_kernel`; adds to the loss of the model.
        bias_regularizer: Of `bias`; adds to the loss of the model.
        activity_regularizer: Adds to the loss of the model what it says of the output, by name, config or object.
        kernel_constraint: Of `kernel`; applied after every update.
        recurrent_constraint: Of `recurrent_kernel`; applied after every update.
        bias_constraint: Of `bias`; applied after every update.
        dropout: The share of the inputs that is dropped, for each gate others, the same ones at every step.
        recurrent_dropout: The share of the state that is dropped, for each gate other parts, the same ones at every step.
        seed: Of the dropout.
        return_sequences: Whether the output is that of every step or of the last.
        return_state: Whether the states after the last step are returned as well.
        go_backwards: Whether the last step comes first; outputs are then in that order too.
        stateful: Whether the states of one batch are the initial states of the next.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.ConvLSTM2D(4, kernel_size=3)(torch.ones(1, 5, 8, 8, 3)).shape
    torch.Size([1, 6, 6, 4])
    """

    rank = 2


class ConvLSTM3D(_ConvLSTM):
    """A convolutional LSTM over sequences of volumes.

    Args:
        filters: The number of channels of output and states.
        kernel_size: The window, one int or one for each spatial axis.
        strides: The step between windows of the inputs, one int or one for each spatial axis.
        padding: `"valid"` (none) or `"same"` (zeros around) for the inputs; the state is always padded to keep its size.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        dilation_rate: The step within a window of the inputs.
        activation: Of the candidate and of the carry.
        recurrent_activation: Of the gates.
        use_bias: Whether a bias is added.
        kernel_initializer: Fills `kernel`, `(*kernel_size, channels, 4 * filters)`.
        recurrent_initializer: Fills `recurrent_kernel`, `(*kernel_size, filters, 4 * filters)`.
        bias_initializer: Fills `bias`, `(4 * filters,)`.
        unit_forget_bias: Whether the bias of the forget gate starts at one.
        kernel_regularizer: Of `kernel`; adds to the loss of the model.
        recurrent_regularizer: Of `recurrent_kernel`; adds to the loss of the model.
        bias_regularizer: Of `bias`; adds to the loss of the model.
        activity_regularizer: Adds to the loss of the model what it says of the output, by name, config or object.
        kernel_constraint: Of `kernel`; applied after every update.
        recurrent_constraint: Of `recurrent_kernel`; applied after every update.
        bias_constraint: Of `bias`; applied after every update.
        dropout: The share of the inputs that is dropped, for each gate others, the same ones at every step.
        recurrent_dropout: The share of the state that is dropped, for each gate other parts, the same ones at every step.
        seed: Of the dropout.
        return_sequences: Whether the output is that of every step or of the last.
        return_state: Whether the states after the last step are returned as well.
        go_backwards: Whether the last step comes first; outputs are then in that order too.
        stateful: Whether the states of one batch are the initial states of the next.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.ConvLSTM3D(4, kernel_size=3)(torch.ones(1, 2, 4, 4, 4, 3)).shape
    torch.Size([1, 2, 2, 2, 4])
    """

    rank = 3
