"""Quantization: quantizers, 4-bit packing, fake quantization, float8 scaling, and the configs that `Model.quantize` takes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from . import dtypes
from .configurable import Configurable, deserialize_in, get_from, serialize_in
from .graph import TensorLike, convert_to_tensor, op
from .registry import Family

Axis = int | Sequence[int] | None


# -- functions -------------------------------------------------------------------------------------------------------------------------


@op(promote="float")
def abs_max_quantize(
    inputs: TensorLike,
    axis: Axis,
    value_range: Sequence[float] = (-127, 127),
    dtype: Any = "int8",
    epsilon: float = 1e-7,
    to_numpy: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Whole numbers and the scale by which `inputs` were multiplied: `value_range[1]` over the largest magnitude.

    Args:
        inputs: A tensor.
        axis: The axes over which magnitudes are compared; `None` for all.
        value_range: The smallest and the largest whole number.
        dtype: The type of the whole numbers.
        epsilon: What is added to the largest magnitude.
        to_numpy: Compute on the CPU, to save the accelerator's memory.
    """
    device = inputs.device
    if to_numpy:
        inputs = inputs.cpu()
    largest = inputs.abs().amax() if axis is None else inputs.abs().amax(dim=axis, keepdim=True)
    scale = value_range[1] / (largest + epsilon)
    outputs = torch.clamp(torch.round(inputs * scale), *value_range).to(dtypes.to_torch_dtype(dtype))
    return outputs.to(device), scale.to(device)


@op(promote="float")
def abs_max_quantize_grouped_with_zero_point(
    inputs: TensorLike,
    block_size: int,
    value_range: tuple[int, int] = (-8, 7),
    dtype: Any = "int8",
    epsilon: float = 1e-7,
    to_numpy: bool = False,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Whole numbers, scales and zero points of a matrix, in groups of `block_size` rows: `inputs ≈ (quantized - zero) * scale`.

    Args:
        inputs: A matrix `(rows, columns)`. The last group is filled up with zeros.
        block_size: How many rows share a scale and a zero point, in each column.
        value_range: The smallest and the largest whole number.
        dtype: The type of the whole numbers.
        epsilon: What is added to each group's range.
        to_numpy: Compute on the CPU, to save the accelerator's memory.

    Returns:
        `quantized (rows, columns)`, `scale (groups, columns)` and `zero_point (groups, columns)`, int8.
    """
    if len(inputs.shape) != 2:
        raise ValueError(f"`inputs` must be a matrix. Received: shape {tuple(inputs.shape)}")
    if block_size < 1:
        raise ValueError(f"`block_size` must be positive. Received: block_size={block_size}")
    device = inputs.device
    if to_numpy:
        inputs = inputs.cpu()
    rows, columns = inputs.shape
    groups = -(-rows // block_size)
    blocks = torch.nn.functional.pad(inputs, (0, 0, 0, groups * block_size - rows)).view(groups, block_size, columns)
    low, high = blocks.amin(1), blocks.amax(1)
    constant = low == high
    low, high = torch.where(constant, low - 1, low), torch.where(constant, high + 1, high)
    bits = int(math.log2(value_range[1] - value_range[0] + 1))
    levels = 2**bits - 1
    scale = (high - low + epsilon) / levels
    zero = torch.clamp(torch.round(-low / scale), 0, levels) - 2 ** (bits - 1)
    quantized = torch.clamp(torch.round(blocks / scale[:, None]) + zero[:, None], *value_range)
    quantized = quantized.view(-1, columns)[:rows].to(dtypes.to_torch_dtype(dtype))
    return quantized.to(device), scale.to(device), zero.to(device, torch.int8)


@op(promote="float", args=("inputs",))
def fake_quant_with_min_max_vars(
    inputs: TensorLike,
    min_vals: TensorLike,
    max_vals: TensorLike,
    num_bits: int = 8,
    narrow_range: bool = False,
    axis: int | None = None,
) -> torch.Tensor:
    """`inputs` rounded to `2**num_bits` levels between a minimum and a maximum, as they would come out of quantized arithmetic.

    The range is first moved so that zero is a level. Gradients pass straight through the rounding: to the inputs within the range, to
    the minimum or maximum beyond it.

    Args:
        inputs: A tensor.
        min_vals: A number; one for each channel with `axis`.
        max_vals: The upper ends of the ranges.
        num_bits: The number of bits.
        narrow_range: Whether the lowest level is left out.
        axis: The axis of the channels.
    """
    if num_bits < 1 or (narrow_range and num_bits < 2):
        raise ValueError(f"`num_bits` must be at least {2 if narrow_range else 1}. Received: num_bits={num_bits}")
    low, high = (_per_channel(name, v.to(inputs.dtype), inputs, axis) for name, v in (("min_vals", min_vals), ("max_vals", max_vals)))
    first, last = int(narrow_range), 2**num_bits - 1
    with torch.no_grad():
        scale = (high - low) / (last - first)
        inverse = torch.where(scale == 0, 0, (last - first) / (high - low))
        zero = torch.clamp(torch.round(torch.where(scale == 0, first, first - low / scale)), first, last)
        nudged_low, nudged_high = (first - zero) * scale, (last - zero) * scale
        rounded = torch.floor((torch.clamp(inputs, nudged_low, nudged_high) - nudged_low) * inverse + 0.5) * scale + nudged_low
    low, high = low + (nudged_low - low).detach(), high + (nudged_high - high).detach()
    clipped = torch.clamp(inputs, low, high)
    return clipped + (rounded - clipped).detach()


def _per_channel(name: str, value: torch.Tensor, inputs: torch.Tensor, axis: int | None) -> torch.Tensor:
    """`value` in a shape that broadcasts along `axis` of `inputs`."""
    if value.numel() == 1:
        return value.reshape(())
    if axis is None or tuple(value.shape) != (inputs.shape[axis],):
        expected = "one number" if axis is None else f"one number or {inputs.shape[axis]}, the size of axis {axis}"
        raise ValueError(f"`{name}` must be {expected}. Received: shape {tuple(value.shape)}")
    shape = [1] * inputs.ndim
    shape[axis] = -1
    return value.reshape(shape)


def _nibble_type(dtype: Any) -> torch.dtype:
    if dtype not in ("int8", "uint8", torch.int8, torch.uint8):
        raise ValueError(f"`dtype` must be 'int8' or 'uint8'. Received: dtype={dtype!r}")
    return dtypes.to_torch_dtype(dtype)


def pack_int4(arr: Any, axis: int = 0, dtype: Any = "int8") -> tuple[torch.Tensor, tuple[int, ...], int]:
    """Two 4-bit numbers in each byte: the first of a pair along `axis` in the low half.

    Args:
        arr: A tensor of numbers from -8 to 7 (0 to 15 for uint8), of type `dtype`.
        axis: The axis along which pairs are packed; an odd one is filled up with 0.
        dtype: `"int8"` or `"uint8"`.

    Returns:
        The packed tensor, its shape, and the size of `axis` before.

    Raises:
        TypeError: If there is a tensor of another type.
    """
    torch_dtype = _nibble_type(dtype)
    arr = convert_to_tensor(arr)
    if arr.dtype is not torch_dtype:
        raise TypeError(f"`arr` must be of the type {dtype}. Received: {arr.dtype}")
    rows = _move_first(arr, axis)
    if rows.shape[0] % 2:
        rows = torch.cat([rows, torch.zeros_like(rows[:1])])
    packed = ((rows[::2] & 15) | (rows[1::2] << 4)).movedim(0, axis)
    return packed, tuple(packed.shape), arr.shape[axis]


def unpack_int4(packed: Any, orig_len: int, axis: int = 0, dtype: Any = "int8") -> torch.Tensor:
    """The 4-bit numbers that `pack_int4` packed, one in each element.

    Args:
        packed: The packed tensor.
        orig_len: The size of `axis` before packing.
        axis: The axis along which pairs were packed.
        dtype: `"int8"` (signed numbers) or `"uint8"`.

    Raises:
        TypeError: If there is a tensor of another type.
    """
    torch_dtype = _nibble_type(dtype)
    packed = convert_to_tensor(packed)
    if packed.dtype not in (torch.int8, torch.uint8):
        raise TypeError(f"`packed` must be of the type int8 or uint8. Received: {packed.dtype}")
    rows = _move_first(packed.to(torch_dtype), axis)
    if not 0 <= orig_len <= 2 * rows.shape[0]:
        raise ValueError(f"`orig_len` must be at most {2 * rows.shape[0]}, twice the size of axis {axis}. Received: orig_len={orig_len}")
    low, high = rows & 15, rows >> 4
    if torch_dtype is torch.int8:
        low = (low ^ 8) - 8
    return torch.stack([low, high], 1).flatten(0, 1)[:orig_len].movedim(0, axis)


def _move_first(x: torch.Tensor, axis: int) -> torch.Tensor:
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"`axis` must be an axis of a tensor that has {x.ndim}. Received: axis={axis}")
    return x.movedim(axis, 0)


@op
def compute_float8_scale(amax: TensorLike, scale: TensorLike, dtype_max: float, margin: int = 0) -> torch.Tensor:
    """The scale by which values are divided before they become float8, from their largest magnitude.

    Args:
        amax: The largest magnitude. Where it is 0 or not finite, `scale` stays.
        scale: The scale before.
        dtype_max: The largest number of the float8 type.
        margin: How many powers of two to stay below it.
    """
    usable = (amax > 0) & torch.isfinite(amax)
    return torch.where(usable, amax * (2**margin / dtype_max), scale)


@op
def compute_float8_amax_history(x: TensorLike, amax_history: TensorLike) -> torch.Tensor:
    """A history of largest magnitudes with that of `x` in place of the oldest, at position 0.

    Args:
        x: A tensor.
        amax_history: A vector.
    """
    rolled = torch.roll(amax_history, -1)
    newest = torch.amax(torch.abs(x)).to(rolled.dtype)
    return torch.cat([newest[None], rolled[1:]])


@op
def quantize_and_dequantize(inputs: TensorLike, scale: TensorLike, quantized_dtype: Any, compute_dtype: Any) -> torch.Tensor:
    """`inputs` with the precision that they have left after a round trip through float8.

    Args:
        inputs: A tensor.
        scale: What they are divided by before, and multiplied by after.
        quantized_dtype: `"float8_e4m3fn"` or `"float8_e5m2"`.
        compute_dtype: The type of the result.
    """
    narrow, wide = dtypes.to_torch_dtype(quantized_dtype), dtypes.to_torch_dtype(compute_dtype)
    largest = torch.finfo(narrow).max
    scale = scale.to(wide)
    return torch.clamp(inputs.to(wide) / scale, -largest, largest).to(narrow).to(wide) * scale


# -- quantizers ------------------------------------------------------------------------------------------------------------------------


class Quantizer(Configurable):
    """Maps a tensor to whole numbers; the base class passes it as it is.

    Args:
        output_dtype: The type of the result.

    >>> isinstance(keras.quantizers.AbsMaxQuantizer(axis=-1), keras.Quantizer)
    True
    """

    _keras_module = "keras.quantizers"

    def __init__(self, output_dtype: Any = "int8") -> None:
        self.output_dtype = output_dtype

    def __call__(self, x: Any) -> Any:
        """`x`, quantized."""
        return x


class AbsMaxQuantizer(Quantizer):
    """`abs_max_quantize` with fixed arguments.

    Args:
        axis: The axes over which magnitudes are compared; the last without it.
        value_range: The smallest and the largest whole number.
        epsilon: What is added to the largest magnitude.
        output_dtype: The type of the whole numbers.

    >>> keras.quantizers.AbsMaxQuantizer(axis=-1).get_config()
    {'value_range': (-127, 127), 'epsilon': 1e-07, 'output_dtype': 'int8', 'axis': (-1,)}
    """

    def __init__(
        self, axis: Axis = None, value_range: Sequence[float] = (-127, 127), epsilon: float = 1e-7, output_dtype: Any = "int8"
    ) -> None:
        super().__init__(output_dtype)
        self.axis = (axis,) if isinstance(axis, int) else None if axis is None else tuple(axis)
        self.value_range = tuple(value_range)
        self.epsilon = epsilon
        if output_dtype == "int8" and not (self.value_range[0] >= -128 and self.value_range[1] <= 127):
            raise ValueError(f"`value_range` must be within (-128, 127) for `output_dtype='int8'`. Received: value_range={value_range}")

    def __call__(self, x: Any, axis: Axis = None, to_numpy: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
        """The whole numbers and their scale.

        Args:
            x: A tensor.
            axis: Instead of the quantizer's own axes.
            to_numpy: Whether it is computed on the CPU, to save the accelerator's memory.
        """
        axis = next((a for a in (axis, self.axis) if a is not None), -1)
        return abs_max_quantize(x, axis, self.value_range, self.output_dtype, self.epsilon, to_numpy)

    def get_config(self) -> dict[str, Any]:
        config = {"value_range": self.value_range, "epsilon": self.epsilon, "output_dtype": self.output_dtype}
        return config if self.axis is None else {**config, "axis": self.axis}


FAMILY = Family("quantizer", "keras.quantizers", Quantizer, {"quantizer": Quantizer, "abs_max_quantizer": AbsMaxQuantizer})


def get(identifier: Any, **kwargs: Any) -> Any:
    """A quantizer from a name, a config, a class or any callable; `None` stays `None`.

    Args:
        identifier: What names it.
        **kwargs: Constructor arguments, for names and classes.

    Raises:
        ValueError: If it is anything else; the message tells near matches of a name.
    """
    if kwargs and isinstance(identifier, str):
        identifier = FAMILY.find(identifier)
    if kwargs and isinstance(identifier, type):
        return identifier(**kwargs)
    if kwargs and identifier is not None:
        raise ValueError(f"Constructor arguments go with a name or a class. Received: {identifier!r} and {', '.join(kwargs)}")
    return get_from(FAMILY, identifier)


def serialize(initializer: Any) -> Any:
    """A quantizer as a config. The argument has Keras's name.

    Args:
        initializer: What is serialized.
    """
    return serialize_in(FAMILY, initializer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The quantizer that a config, or a name, describes.

    Args:
        config: What `serialize` returned, or a name.
        custom_objects: Names to further classes and functions that the config may name.
    """
    return get_from(FAMILY, deserialize_in(FAMILY, config, custom_objects))


# -- configs ---------------------------------------------------------------------------------------------------------------------------


class QuantizationConfig(Configurable):
    """How a model or a layer is to be quantized.

    Args:
        weight_quantizer: The quantizer of weights; the layer's own without it.
        activation_quantizer: The quantizer of inputs; they are not quantized without it.

    >>> type(keras.quantizers.QuantizationConfig()).__name__
    'QuantizationConfig'
    """

    _keras_module = "keras.quantizers"

    def __init__(self, weight_quantizer: Any = None, activation_quantizer: Any = None) -> None:
        self.weight_quantizer = get(weight_quantizer)
        self.activation_quantizer = get(activation_quantizer)

    @property
    def mode(self) -> str:
        """The quantization mode, such as `"int8"`."""
        raise NotImplementedError(f"{type(self).__name__} must define the property `mode`.")

    @staticmethod
    def weight_quantizer_or_default(config: QuantizationConfig | None, default: Any) -> Any:
        """The weight quantizer of `config`, or `default` where there is none."""
        return default if config is None or config.weight_quantizer is None else config.weight_quantizer

    @staticmethod
    def activation_quantizer_or_default(config: QuantizationConfig | None, default: Any) -> Any:
        """The quantizer of inputs of `config`, or `default` without a config."""
        return default if config is None else config.activation_quantizer

    def _check_type(self, name: str, quantizer: Any) -> None:
        output_dtype = getattr(quantizer, "output_dtype", "int8")
        if output_dtype != "int8":
            raise ValueError(f"`{name}` must have `output_dtype='int8'` for {type(self).__name__}. Received: output_dtype={output_dtype!r}")


class Int8QuantizationConfig(QuantizationConfig):
    """Eight-bit weights and inputs.

    Args:
        weight_quantizer: The quantizer of weights; the layer's own without it.
        activation_quantizer: The quantizer of inputs; they are not quantized without it.

    >>> type(keras.quantizers.Int8QuantizationConfig()).__name__
    'Int8QuantizationConfig'
    """

    def __init__(self, weight_quantizer: Any = None, activation_quantizer: Any = "default") -> None:
        super().__init__(weight_quantizer, AbsMaxQuantizer() if activation_quantizer == "default" else activation_quantizer)
        self._check_type("weight_quantizer", self.weight_quantizer)
        self._check_type("activation_quantizer", self.activation_quantizer)

    @property
    def mode(self) -> str:
        return "int8"


class Int4QuantizationConfig(QuantizationConfig):
    """Four-bit weights.

    Args:
        weight_quantizer: The quantizer of weights; the layer's own without it.
        activation_quantizer: The quantizer of inputs; they are not quantized without it.
        block_size: How many inputs share a scale; -1 or `None` for one scale for each output.

    >>> type(keras.quantizers.Int4QuantizationConfig()).__name__
    'Int4QuantizationConfig'
    """

    def __init__(self, weight_quantizer: Any = None, activation_quantizer: Any = "default", block_size: int | None = 128) -> None:
        super().__init__(weight_quantizer, None if activation_quantizer == "default" else activation_quantizer)
        if block_size is not None and (not isinstance(block_size, int) or (block_size != -1 and block_size < 1)):
            raise ValueError(f"`block_size` must be positive, -1 or None. Received: block_size={block_size!r}")
        if block_size not in (None, -1) and (self.weight_quantizer is not None or self.activation_quantizer is not None):
            raise ValueError(
                "`block_size` must be -1 or None with a quantizer of your own: blocks have their own scales. "
                f"Received: block_size={block_size}"
            )
        self._check_type("weight_quantizer", self.weight_quantizer)
        value_range = getattr(self.weight_quantizer, "value_range", (-8, 7))
        if value_range[0] < -8 or value_range[1] > 7:
            raise ValueError(f"`weight_quantizer` must have a `value_range` within (-8, 7). Received: value_range={value_range}")
        self.block_size = block_size

    @property
    def mode(self) -> str:
        return "int4"


class Float8QuantizationConfig(QuantizationConfig):
    """Float8 training and inference, which takes no quantizers.

    >>> type(keras.quantizers.Float8QuantizationConfig()).__name__
    'Float8QuantizationConfig'
    """

    def __init__(self) -> None:
        super().__init__()

    @property
    def mode(self) -> str:
        return "float8"


class _CalibratedConfig(QuantizationConfig):
    """One of a method that looks at data. The data and the tokenizer are not part of the config."""

    weight_bits: int
    group_size: int

    def _tk_config_value(self, name: str) -> Any:
        return None if name in ("dataset", "tokenizer") else super()._tk_config_value(name)

    def _check(self, bits: tuple[int, ...], *positive: str) -> None:
        if self.weight_bits not in bits:
            raise ValueError(f"`weight_bits` must be {' or '.join(map(str, bits))}. Received: weight_bits={self.weight_bits!r}")
        for name in positive:
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"`{name}` must be a positive whole number. Received: {name}={value!r}")
        if not isinstance(self.group_size, int) or (self.group_size != -1 and self.group_size < 1):
            raise ValueError(f"`group_size` must be positive, or -1 for one group. Received: group_size={self.group_size!r}")

    def dtype_policy_string(self) -> str:
        """The first half of the name of the dtype policy that quantized layers get, such as `"gptq/4/128"`."""
        return f"{self.mode}/{self.weight_bits}/{self.group_size}"


class GPTQConfig(_CalibratedConfig):
    """Quantization by GPTQ (Frantar et al. 2022): weight by weight, later ones making up for the errors of earlier ones.

    Args:
        dataset: Calibration data: an iterable of strings or of arrays of token ids.
        tokenizer: What makes token ids of strings.
        weight_bits: 2, 3, 4 or 8.
        num_samples: How many samples of the data are used.
        per_channel: Whether each output has its own scale.
        sequence_length: How many tokens of each sample are used.
        hessian_damping: Which part of the Hessian's mean diagonal is added to it, from 0 to 1.
        group_size: How many inputs share a scale; -1 for all.
        symmetric: Whether the range is symmetric about 0.
        activation_order: Whether weights with large activations come first.
        quantization_layer_structure: The layers before the blocks and the blocks, under `"pre_block_layers"` and `"sequential_blocks"`.

    >>> keras.quantizers.GPTQConfig(dataset=["some text"], tokenizer=str.split).weight_bits
    4
    """

    def __init__(
        self,
        dataset: Any,
        tokenizer: Any,
        *,
        weight_bits: int = 4,
        num_samples: int = 128,
        per_channel: bool = True,
        sequence_length: int = 512,
        hessian_damping: float = 0.01,
        group_size: int = 128,
        symmetric: bool = False,
        activation_order: bool = False,
        quantization_layer_structure: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.dataset, self.tokenizer = dataset, tokenizer
        self.weight_bits, self.num_samples, self.per_channel = weight_bits, num_samples, per_channel
        self.sequence_length, self.hessian_damping, self.group_size = sequence_length, hessian_damping, group_size
        self.symmetric, self.activation_order = symmetric, activation_order
        self.quantization_layer_structure = quantization_layer_structure
        self._check((2, 3, 4, 8), "num_samples", "sequence_length")
        if not 0 <= hessian_damping <= 1:
            raise ValueError(f"`hessian_damping` must be from 0 to 1. Received: hessian_damping={hessian_damping!r}")

    @property
    def mode(self) -> str:
        return "gptq"


class AWQConfig(_CalibratedConfig):
    """Quantization by AWQ (Lin et al. 2023): inputs with large activations are scaled up before their weights are rounded.

    Args:
        dataset: Calibration data: an iterable of strings or of arrays of token ids.
        tokenizer: What makes token ids of strings.
        weight_bits: 4.
        num_samples: How many samples of the data are used.
        sequence_length: How many tokens of each sample are used.
        group_size: How many inputs share a scale; -1 for all.
        num_grid_points: How many exponents of the activations are tried as scales.
        quantization_layer_structure: The layers before the blocks and the blocks, under `"pre_block_layers"` and `"sequential_blocks"`.

    >>> keras.quantizers.AWQConfig(dataset=["some text"], tokenizer=str.split).weight_bits
    4
    """

    def __init__(
        self,
        dataset: Any,
        tokenizer: Any,
        *,
        weight_bits: int = 4,
        num_samples: int = 128,
        sequence_length: int = 512,
        group_size: int = 128,
        num_grid_points: int = 20,
        quantization_layer_structure: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.dataset, self.tokenizer = dataset, tokenizer
        self.weight_bits, self.num_samples, self.sequence_length = weight_bits, num_samples, sequence_length
        self.group_size, self.num_grid_points = group_size, num_grid_points
        self.quantization_layer_structure = quantization_layer_structure
        self._check((4,), "num_samples", "sequence_length", "num_grid_points")

    @property
    def mode(self) -> str:
        return "awq"
