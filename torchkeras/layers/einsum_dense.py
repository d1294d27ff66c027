"""A dense layer whose sum is an Einstein sum: over `nn.Linear` wherever the sum is one matrix product."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import torch
from torch import nn

from .. import activations, initializers
from ..typing import Identifier, InitializerLike
from .call import regardless, through
from .held import Vector
from .input_spec import InputSpec
from .layer import TensorLayer
from .lora import LoRA

_EQUATION = re.compile(r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?")


@dataclass(frozen=True)
class _Shapes:
    """What an equation says about shapes, and which axes of the kernel are summed over and which come out."""

    kernel: tuple[int, ...]
    bias: tuple[int, ...] | None
    output: tuple[int | None, ...]
    input_axes: list[int]
    output_axes: list[int]


@dataclass(frozen=True)
class _Matrix:
    """A Keras kernel as the matrix of an `nn.Linear`: the axes that come out as its rows, those summed over as its columns.

    Args:
        shape: The shape of the Keras kernel.
        axes: The axes of the kernel that come out, in the order of the output, then those summed over, in the order of the input.
        rows: How many of the axes come out.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...]
    rows: int
    is_view = True

    def to_keras(self, *stored: torch.Tensor) -> torch.Tensor:
        kernel = stored[0].reshape([self.shape[a] for a in self.axes])
        return kernel.permute([self.axes.index(a) for a in range(len(self.axes))])

    def to_torch(self, value: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (value.permute(self.axes).reshape(math.prod(value.shape[a] for a in self.axes[: self.rows]), -1),)


@dataclass(frozen=True)
class _Product:
    """An equation that is one matrix product: how its tensors lie around an `nn.Linear`."""

    kernel: _Matrix
    inner: int  # the sizes summed over, as one
    outer: tuple[int, ...]  # the sizes that come out
    summed: int  # how many axes are summed over
    input_order: tuple[int, ...] | None  # the axes of the input, those summed over last; `None` where they are already
    output_order: tuple[int, ...] | None  # from what the module gives to the axes of the output


class EinsumDense(LoRA, TensorLayer):
    """`activation(einsum(equation, inputs, kernel) + bias)`.

    Args:
        equation: An Einstein sum of the inputs and the kernel, such as `"abc,cd->abd"`; `...` on one side stands for further axes.
        output_shape: The shape of the output without the batch axis and those of `...`; `None` is a size that the input has.
        activation: By name, config, or any function of a tensor; `None` is linear.
        bias_axes: The letters of the output that the bias has; no bias without them.
        kernel_initializer: Fills the kernel.
        bias_initializer: Fills the bias.
        kernel_regularizer: A penalty on the kernel, added to the loss of the model.
        bias_regularizer: A penalty on the bias, added to the loss of the model.
        kernel_constraint: Applied to the kernel after every update.
        bias_constraint: Applied to the bias after every update.
        lora_rank: Freezes the kernel and trains a product of two factors of this rank, which is added to it.
        lora_alpha: The product is scaled by `lora_alpha / lora_rank`; `lora_rank` without it.
        gptq_unpacked_column_size: Must be `None`.
        quantization_config: Must be `None`.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    Raises:
        ValueError: If `equation` is none, or does not fit the shapes.

    >>> keras.layers.EinsumDense("bi,ij->bj", output_shape=3)(torch.ones(2, 4)).shape
    torch.Size([2, 3])
    """

    _tk_float_input = True
    _as_product: _Product | None
    kernel: Any
    bias: Any
    _tk_config_unless_none = ("lora_rank", "lora_alpha", "gptq_unpacked_column_size")

    def __init__(
        self,
        equation: str,
        output_shape: int | Sequence[int | None],
        activation: Identifier = None,
        bias_axes: str | None = None,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: Identifier = None,
        bias_regularizer: Identifier = None,
        kernel_constraint: Identifier = None,
        bias_constraint: Identifier = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        gptq_unpacked_column_size: int | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(equation, str) or _EQUATION.fullmatch(equation) is None:
            raise ValueError(f"`equation` must be an Einstein sum of two tensors, such as 'ab,bc->ac'. Received: equation={equation!r}")
        if gptq_unpacked_column_size is not None:
            raise ValueError(f"`gptq_unpacked_column_size` must be None. Received: {gptq_unpacked_column_size!r}")
        self.equation = equation
        self.partial_output_shape = (output_shape,) if isinstance(output_shape, int) else tuple(output_shape)
        self.activation = activations.get(activation)
        self.bias_axes = bias_axes
        self.gptq_unpacked_column_size = None
        self.set_weight_settings("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        self.set_weight_settings("bias", bias_initializer, bias_regularizer, bias_constraint)
        self._init_lora(lora_rank, lora_alpha, quantization_config)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shapes = self._shapes(input_shape)
        fill = self.kernel_initializer
        if isinstance(fill, initializers.VarianceScaling) and None in (fill.input_axes, fill.output_axes):
            fill = type(fill).from_config(
                {**fill.get_config(), "seed": fill.seed, "input_axes": shapes.input_axes, "output_axes": shapes.output_axes}
            )
        product = self._product(shapes, len(input_shape))
        object.__setattr__(self, "_as_product", product)
        settings, bias = {**self.weight_settings("kernel"), "initializer": fill}, self.weight_settings("bias")
        self.bias = None
        if product is None:
            self.kernel = self.add_weight(shapes.kernel, **settings, name="kernel")
            if shapes.bias is not None:
                self.bias = self.add_weight(shapes.bias, **bias, name="bias")
        else:
            self.linear = self.new_module(nn.Linear, product.inner, math.prod(product.outer), bias=shapes.bias is not None)
            self.kernel = self.wrap_weight(self.linear, "weight", "kernel", layout=product.kernel, **settings)
            if shapes.bias is not None:
                self.bias = self.wrap_weight(self.linear, "bias", "bias", layout=Vector(shapes.bias), **bias)
        self.input_spec = InputSpec(ndim=len(input_shape))
        self._build_lora()

    @regardless
    def call(self, inputs: torch.Tensor, training: bool | None = None) -> torch.Tensor:
        product = self._as_product
        if product is not None:
            x = inputs if product.input_order is None else inputs.permute(product.input_order)
            outputs = through(self._modules["linear"], x if product.summed == 1 else x.flatten(-product.summed))
            if len(product.outer) > 1:
                outputs = outputs.reshape(outputs.shape[:-1] + product.outer)
            if product.output_order is not None:
                outputs = outputs.permute(product.output_order)
            if self.lora_enabled:
                outputs = outputs + torch.einsum(self.equation, inputs, self._lora_delta().to(inputs.dtype))
        else:
            kernel: torch.Tensor = self.kernel
            if self.lora_enabled:
                kernel = kernel + self._lora_delta().to(kernel.dtype)
            outputs = torch.einsum(self.equation, inputs, kernel)
            if self.bias is not None:
                outputs = outputs + self.bias
        return outputs if self.activation is activations.linear else self.activation(outputs)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return self._shapes(input_shape).output

    def _refuse(self, why: str, input_shape: Sequence[int | None]) -> NoReturn:
        raise ValueError(
            f"`equation` {why} in the layer {self.name!r}. Received: equation={self.equation!r}, bias_axes={self.bias_axes!r}, "
            f"output_shape={self.partial_output_shape}, input of shape {tuple(input_shape)}"
        )

    def _shapes(self, input_shape: Sequence[int | None]) -> _Shapes:
        match = _EQUATION.fullmatch(self.equation)
        left, given, right, weight, out_left, made, out_right = match.groups()  # type: ignore[union-attr]  # `__init__` has seen to it
        if (left, right) != (out_left, out_right) or (left and right):
            self._refuse("must have `...` on one side, and on the same of input and output", input_shape)
        further = len(input_shape) - len(given)
        if further < 0 or (further and not left and not right):
            self._refuse("must have a letter, or `...`, for each axis of the input", input_shape)
        partial = self.partial_output_shape
        if left:
            sizes = dict(zip(given, input_shape[further:]))
            output = [*input_shape[:further], *partial] if further else [input_shape[0], *partial]
            letters = dict(zip(made, output[further:]))
        else:
            sizes = dict(zip(given, input_shape))
            output = [input_shape[0], *partial, *input_shape[len(given) :]]
            letters = dict(zip(made, output))
        if len(output) != len(made) + further:
            self._refuse("must have a letter for each axis of `output_shape`", input_shape)
        for letter, size in letters.items():
            if letter not in given and letter not in weight:
                self._refuse(f"has {letter!r} in its output only", input_shape)
            if letter in sizes:
                if None not in (size, sizes[letter]) and size != sizes[letter]:
                    self._refuse(f"has {letter!r} of two sizes, {sizes[letter]} and {size},", input_shape)
                letters[letter] = sizes[letter] if size is None else size
        kernel: list[int] = []
        for letter in weight:
            if letter not in letters and letter not in sizes:
                self._refuse(f"has {letter!r} in its kernel only", input_shape)
            size = letters.get(letter) if letters.get(letter) is not None else sizes.get(letter)
            if size is None:
                self._refuse(f"needs a known size for {letter!r}", input_shape)
            kernel.append(size)
        start = further if left else 0
        full = [*output[:start], *(letters[c] for c in made), *output[start + len(made) :]]
        return _Shapes(
            tuple(kernel),
            self._bias_shape(made, letters, further if right else 0, input_shape),
            tuple(full),
            [i for i, c in enumerate(weight) if c not in made],
            [i for i, c in enumerate(weight) if c in made],
        )

    def _product(self, shapes: _Shapes, ndim: int) -> _Product | None:
        """How the equation is one matrix product; `None` where it is not (a letter is in all three, or summed without the kernel)."""
        left, given, right, weight, _, made, _ = _EQUATION.fullmatch(self.equation).groups()  # type: ignore[union-attr]
        further = [f".{i}" for i in range(ndim - len(given))]
        inputs = [*(further if left else ()), *given, *(further if right else ())]
        output = [*(further if left else ()), *made, *(further if right else ())]
        summed = [c for c in given if c in weight]
        out = [c for c in made if c in weight]
        free = [c for c in output if c not in out]
        repeats = any(len(set(letters)) < len(letters) for letters in (given, weight, made))
        if repeats or not summed or not out or set(summed) & set(out) or set(inputs) != {*free, *summed}:
            return None
        if self.bias_axes is not None and set(self.bias_axes) != set(out):
            return None
        axes = tuple(weight.index(c) for c in (*out, *summed))
        before, after = tuple(inputs.index(c) for c in (*free, *summed)), tuple((free + out).index(c) for c in output)
        return _Product(
            _Matrix(shapes.kernel, axes, len(out)),
            math.prod(shapes.kernel[weight.index(c)] for c in summed),
            tuple(shapes.kernel[weight.index(c)] for c in out),
            len(summed),
            None if before == tuple(range(len(before))) else before,
            None if after == tuple(range(len(after))) else after,
        )

    def _bias_shape(
        self, made: str, letters: dict[str, int | None], trailing: int, input_shape: Sequence[int | None]
    ) -> tuple[int, ...] | None:
        if self.bias_axes is None:
            return None
        if not self.bias_axes or any(c not in made for c in self.bias_axes):
            self._refuse("must have each letter of `bias_axes` in its output", input_shape)
        tail = made[min(made.find(c) for c in self.bias_axes) :]
        shape: list[int] = []
        for letter in tail:
            size = letters[letter] if letter in self.bias_axes else 1
            if size is None:
                self._refuse("needs a known size for each letter of `bias_axes`", input_shape)
            shape.append(size)
        return (*shape, *(1,) * trailing)

    def _tk_config_value(self, name: str) -> Any:
        return self.partial_output_shape if name == "output_shape" else super()._tk_config_value(name)
