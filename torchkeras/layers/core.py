"""The layers that every model starts from: Dense and its relatives."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from .. import activations, constraints, initializers, regularizers
from ..variable import TRANSPOSED
from .input_spec import InputSpec
from .layer import Layer


class Dense(Layer):
    """`activation(inputs @ kernel + bias)`, over `nn.Linear`.

    Input `(batch, ..., in)`, output `(batch, ..., units)`; `kernel` is `(in, units)`, `bias` `(units,)`.

    Args:
        units: The size of the last axis of the output.
        activation: By name, config, or any function of a tensor; `None` is linear.
        use_bias: Whether a bias is added.
        kernel_initializer: Fills the kernel.
        bias_initializer: Fills the bias.
        kernel_regularizer: Adds to the loss of the model.
        bias_regularizer: Likewise.
        activity_regularizer: A regularizer of the output.
        kernel_constraint: Applied after every update.
        bias_constraint: Likewise.
        lora_rank: Must be `None`; low-rank adapters of torch tools replace the `nn.Linear` in place.
        lora_alpha: Likewise.
        quantization_config: Must be `None`.
        **kwargs: As for `Layer`.
    """

    _float_input = True

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        if not isinstance(units, int) or units <= 0:
            raise ValueError(f"`units` must be a positive integer. Received: units={units!r}")
        self.units = units
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(min_ndim=2)
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        inputs = input_shape[-1]
        if inputs is None:
            raise ValueError(f"The last axis of the input of the layer {self.name!r} must be known. Received: input_shape={input_shape}")
        self.linear = self.new_module(nn.Linear, inputs, self.units, bias=self.use_bias)
        self.kernel = self.wrap_weight(
            self.linear, "weight", "kernel", self.kernel_initializer, TRANSPOSED, self.kernel_regularizer, self.kernel_constraint
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.wrap_weight(
                self.linear, "bias", "bias", self.bias_initializer, regularizer=self.bias_regularizer, constraint=self.bias_constraint
            )
        self.input_spec = InputSpec(min_ndim=2, axes={-1: inputs})

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs = self.linear(inputs)
        return outputs if self.activation is None else self.activation(outputs)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.units)
