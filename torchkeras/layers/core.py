"""The layers that every model starts from: Dense, Embedding, and those that carry no mathematics of their own."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from .. import activations, dtypes
from ..graph import KerasTensor, Node, convert_to_tensor, standardize_shape
from ..typing import ArrayLike, DTypeLike, Identifier, InitializerLike, Shape
from ..variable import TRANSPOSED
from .call import regardless, through
from .input_spec import InputSpec
from .layer import Layer, TensorLayer
from .lora import LoRA


class Dense(LoRA, TensorLayer):
    """`activation(inputs @ kernel + bias)`, over `nn.Linear`.

    Input `(batch, ..., in)`, output `(batch, ..., units)`; `kernel` is `(in, units)`, `bias` `(units,)`.

    Args:
        units: The size of the last axis of the output.
        activation: By name, config, or any function of a tensor; `None` is linear.
        use_bias: Whether a bias is added.
        kernel_initializer: Fills the kernel.
        bias_initializer: Fills the bias.
        kernel_regularizer: Adds to the loss of the model.
        bias_regularizer: Adds to the loss of the model what it says of the bias, by name, config or object.
        activity_regularizer: Adds to the loss of the model what it says of the output, by name, config or object.
        kernel_constraint: Applied after every update.
        bias_constraint: Applied to the bias after every update, by name, config or object.
        lora_rank: Freezes the kernel and trains a product of two factors of this rank, which is added to it.
        lora_alpha: The product is scaled by `lora_alpha / lora_rank`; `lora_rank` without it.
        quantization_config: Must be `None`.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.Dense(3, activation="relu")(torch.ones(2, 4)).shape
    torch.Size([2, 3])
    """

    _tk_float_input = True

    def __init__(
        self,
        units: int,
        activation: Identifier = None,
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: Identifier = None,
        bias_regularizer: Identifier = None,
        activity_regularizer: Identifier = None,
        kernel_constraint: Identifier = None,
        bias_constraint: Identifier = None,
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
        self.set_weight_settings("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        self.set_weight_settings("bias", bias_initializer, bias_regularizer, bias_constraint)
        self.input_spec = InputSpec(min_ndim=2)
        self.supports_masking = True
        self._init_lora(lora_rank, lora_alpha, quantization_config)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        inputs = input_shape[-1]
        if inputs is None:
            raise ValueError(f"The last axis of the input of the layer {self.name!r} must be known. Received: input_shape={input_shape}")
        self.linear = self.new_module(nn.Linear, inputs, self.units, bias=self.use_bias)
        self.kernel = self.wrap_weight(self.linear, "weight", "kernel", layout=TRANSPOSED, **self.weight_settings("kernel"))
        self.bias = self.wrap_weight(self.linear, "bias", "bias", **self.weight_settings("bias")) if self.use_bias else None
        self.input_spec = InputSpec(min_ndim=2, axes={-1: inputs})
        self._build_lora()

    @regardless
    def call(self, inputs: torch.Tensor, training: bool | None = None) -> torch.Tensor:
        outputs = through(self._modules["linear"], inputs)  # what `self.linear` is, without torch's slower attribute lookup
        if self.lora_enabled:
            a, b = self._lora_factors
            outputs = outputs + (inputs @ a.to(inputs.dtype) @ b.to(inputs.dtype)) * self._lora_scale()
        return outputs if self.activation is None else self.activation(outputs)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.units)


class Embedding(LoRA, TensorLayer):
    """Whole numbers to rows of a table, over `nn.Embedding`.

    Input `(batch, ...)` of numbers from 0 to `input_dim - 1`, output `(batch, ..., output_dim)`; `embeddings` is
    `(input_dim, output_dim)`.

    Args:
        input_dim: How many rows the table has.
        output_dim: How long a row is.
        embeddings_initializer: Fills the table.
        embeddings_regularizer: Adds to the loss of the model.
        embeddings_constraint: Applied after every update.
        mask_zero: Whether the number 0 is padding: the output then carries a mask.
        weights: The table itself, or a list that holds it.
        lora_rank: Freezes the table and trains a product of two factors of this rank, which is added to it.
        lora_alpha: The product is scaled by `lora_alpha / lora_rank`; `lora_rank` without it.
        quantization_config: Must be `None`.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.Embedding(10, 4)(torch.tensor([[1, 2, 3]])).shape
    torch.Size([1, 3, 4])
    """

    _tk_config_unless_none = ("lora_rank", "lora_alpha")
    _lora_target = "embeddings"

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: InitializerLike = "uniform",
        embeddings_regularizer: Identifier = None,
        embeddings_constraint: Identifier = None,
        mask_zero: bool = False,
        weights: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        for name, value in (("input_dim", input_dim), ("output_dim", output_dim)):
            if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
                raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r} of type {type(value).__name__}")
        length = kwargs.pop("input_length", None)
        if length is not None and "batch_input_shape" not in kwargs:
            kwargs["input_shape"] = standardize_shape(length)
        super().__init__(**kwargs)
        self.input_dim, self.output_dim = input_dim, output_dim
        self.set_weight_settings("embeddings", embeddings_initializer, embeddings_regularizer, embeddings_constraint)
        self.mask_zero = mask_zero
        self.supports_masking = mask_zero
        self.autocast = False  # numbers above 256 are not exact in bfloat16
        self._init_lora(lora_rank, lora_alpha, quantization_config)
        if weights is not None:
            self._tk_initial_weights = weights if isinstance(weights, (list, tuple)) and len(weights) == 1 else [weights]
            self.build(None)

    def build(self, input_shape: tuple[int | None, ...] | None = None) -> None:
        self.embedding = self.new_module(nn.Embedding, self.input_dim, self.output_dim)
        self.embeddings = self.wrap_weight(self.embedding, "weight", "embeddings", **self.weight_settings("embeddings"))
        self._build_lora()

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        if inputs.dtype is not torch.int64 and inputs.dtype is not torch.int32:
            inputs = inputs.to(torch.int64)
        try:
            outputs = through(self._modules["embedding"], inputs)
        except IndexError:
            wrong = inputs[(inputs < 0) | (inputs >= self.input_dim)]
            raise IndexError(
                f"`inputs` of the layer {self.name!r} must be numbers from 0 to {self.input_dim - 1}, for `input_dim` is {self.input_dim}. "
                f"Received: {int(wrong[0]) if wrong.numel() else 'others'}. Make `input_dim` the largest number plus one, and count from 0."
            ) from None
        if self.lora_enabled:
            a, b = self._lora_factors
            outputs = outputs + (nn.functional.embedding(inputs, a) @ b).to(outputs.dtype) * self._lora_scale()
        return outputs if outputs.dtype is self._tk_compute else outputs.to(self._tk_compute)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return convert_to_tensor(inputs) != 0 if self.mask_zero else None

    def _tk_makes_mask(self) -> bool:
        return self.mask_zero

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape, self.output_dim)

    def get_config(self) -> dict[str, Any]:
        return {k: v for k, v in super().get_config().items() if k != "weights"}

    def _tk_config_value(self, name: str) -> Any:
        return None if name == "weights" else super()._tk_config_value(name)


class Identity(Layer):
    """Its inputs as they are, at any nesting.

    Args:
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.Identity()(torch.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """

    _tk_takes_strings = True

    _tk_keeps_type = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


class Masking(TensorLayer):
    """Sets the time steps whose features all equal `mask_value` to zero and masks them.

    Input and output `(batch, steps, ...)`; the mask is the input's shape without its last axis, true where a step counts.

    Args:
        mask_value: The number.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.Masking()(torch.ones(1, 3, 2)).shape
    torch.Size([1, 3, 2])
    """

    _tk_keeps_type = True

    def __init__(self, mask_value: ArrayLike = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_value = mask_value
        self.supports_masking = True

    def _tk_makes_mask(self) -> bool:
        return True

    def compute_mask(self, inputs: Any, mask: Any = None) -> torch.Tensor:
        return torch.any(convert_to_tensor(inputs) != self.mask_value, -1)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        mask = self.compute_mask(inputs)
        outputs = torch.where(mask.unsqueeze(-1), inputs, 0)
        outputs._keras_mask = mask  # type: ignore[attr-defined]
        return outputs

    def _tk_attach_masks(self, inputs: Any, outputs: Any, previous_mask: Any) -> Any:
        return outputs  # `call` has done it

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape


class InputLayer(Layer):
    """Where a graph begins. `Input` makes one and returns its tensor.

    Args:
        shape: The shape without the batch axis; a bare int is a shape of one axis.
        batch_size: The size of the batch axis; any without it.
        dtype: The type; `floatx()` without it.
        sparse: Must be false.
        ragged: Must be false.
        batch_shape: The shape with the batch axis, instead of `shape` and `batch_size`.
        input_tensor: A symbolic tensor to take as it is.
        optional: Whether `None` may be passed for it.
        name: Its name.
        **kwargs: `input_shape` and `batch_input_shape`, the names of `shape` and `batch_shape` in Keras 2.

    >>> keras.layers.InputLayer(shape=(3,)).output.shape
    (None, 3)
    """

    def __init__(
        self,
        shape: Shape | int | None = None,
        batch_size: int | None = None,
        dtype: DTypeLike = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Shape | None = None,
        input_tensor: KerasTensor | None = None,
        optional: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        shape = kwargs.pop("input_shape", shape)
        batch_shape = kwargs.pop("batch_input_shape", batch_shape)
        super().__init__(name=name, **kwargs)
        if input_tensor is not None:
            batch_shape, dtype = _checked_tensor(input_tensor, shape, batch_size, batch_shape, dtype)
        elif (shape is None) == (batch_shape is None):
            raise ValueError(
                f"`Input` needs `shape`, without the batch axis, or `batch_shape`. Received: shape={shape!r}, batch_shape={batch_shape!r}"
            )
        elif batch_shape is not None and batch_size is not None:
            raise ValueError(f"`batch_size` is part of `batch_shape`. Received: batch_size={batch_size}, batch_shape={batch_shape!r}")
        self.batch_shape = (batch_size, *standardize_shape(shape)) if batch_shape is None else standardize_shape(batch_shape)
        self._input_dtype = dtypes.standardize_dtype(dtype)
        self.sparse, self.ragged, self.optional = bool(sparse), bool(ragged), bool(optional)
        if input_tensor is None:
            input_tensor = KerasTensor(self.batch_shape, self._input_dtype, self.sparse, self.ragged, name=self.name)
        self.__dict__["built"] = True
        Node(self, (), {}, input_tensor)

    @property
    def dtype(self) -> str:
        """The type of the input."""
        return self._input_dtype

    def call(self) -> None:
        return None

    def get_config(self) -> dict[str, Any]:
        return {
            "batch_shape": self.batch_shape,
            "dtype": self.dtype,
            "sparse": self.sparse,
            "ragged": self.ragged,
            "name": self.name,
            "optional": self.optional,
        }


def _checked_tensor(tensor: Any, shape: Any, batch_size: int | None, batch_shape: Any, dtype: Any) -> tuple[tuple, str]:
    """The shape and type of a tensor given to `Input`, after a look at the other arguments."""
    if not isinstance(tensor, KerasTensor):
        raise ValueError(f"`tensor` must be a symbolic tensor. Received: {tensor!r} of type {type(tensor).__name__}")
    for name, given, found in (
        ("shape", None if shape is None else standardize_shape(shape), tensor.shape[1:]),
        ("batch_size", batch_size, tensor.shape[0] if tensor.shape else None),
        ("batch_shape", None if batch_shape is None else standardize_shape(batch_shape), tensor.shape),
        ("dtype", None if dtype is None else dtypes.standardize_dtype(dtype), tensor.dtype),
    ):
        if given is not None and given != found:
            raise ValueError(f"`{name}` must agree with `tensor`, which has {found}, or be left out. Received: {name}={given}")
    return tensor.shape, tensor.dtype


def Input(
    shape: Shape | int | None = None,
    batch_size: int | None = None,
    dtype: DTypeLike = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Shape | None = None,
    name: str | None = None,
    tensor: KerasTensor | None = None,
    optional: bool = False,
) -> KerasTensor:
    """A symbolic tensor from which a functional model begins.

    Args:
        shape: The shape without the batch axis; a bare int is a shape of one axis.
        batch_size: The size of the batch axis; any without it.
        dtype: The type; `floatx()` without it.
        sparse: Must be false.
        ragged: Must be false.
        batch_shape: The shape with the batch axis, instead of `shape` and `batch_size`.
        name: The name of its layer.
        tensor: A symbolic tensor to take as it is.
        optional: Whether `None` may be passed for it.

    Raises:
        ValueError: If there is no shape, two shapes, or arguments that do not agree with `tensor`.

    >>> keras.Input((3,)).shape
    (None, 3)
    """
    layer = InputLayer(shape, batch_size, dtype, sparse, ragged, batch_shape, tensor, optional, name)
    return layer.output
