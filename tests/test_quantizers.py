"""Quantizers: values, gradients and configs against real Keras."""

import numpy as np
import pytest
import torch

from tests.oracle import keras
from torchkeras import configurable, quantizers
from torchkeras.graph import KerasTensor

theirs = keras.quantizers


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("axis", [0, 1, -1, (0, 1), [0], None], ids=str)
@pytest.mark.parametrize("arguments", [{}, {"value_range": (-7, 7), "dtype": "float32"}, {"epsilon": 0.5}, {"to_numpy": True}], ids=str)
def test_abs_max_quantize(axis, arguments):
    for x in (torch.randn(5, 4), torch.zeros(2, 3), torch.tensor([[1.0, -2.0, 3.0], [0.5, 0.25, -4.0]]), torch.randn(3, 2).double()):
        mine, reference = quantizers.abs_max_quantize(x, axis, **arguments), theirs.abs_max_quantize(x, axis, **arguments)
        if axis is None:  # with `to_numpy` Keras keeps the axes
            reference = (reference[0], reference[1].reshape(()))
        torch.testing.assert_close(mine, reference, atol=1e-6, rtol=1e-5)


def test_abs_max_quantize_types():
    quantized, scale = quantizers.abs_max_quantize(np.ones((2, 2), "float32"), axis=0)
    assert quantized.dtype is torch.int8 and scale.dtype is torch.float32
    assert quantizers.abs_max_quantize(torch.ones(2, 2, dtype=torch.bfloat16), axis=0)[1].dtype is torch.bfloat16
    outputs, scale = quantizers.abs_max_quantize(KerasTensor((None, 4)), axis=0)
    assert outputs.dtype == "int8" and outputs.shape == (None, 4) and scale.shape == (1, 4)


@pytest.mark.parametrize("block", [1, 2, 3, 5])
@pytest.mark.parametrize("arguments", [{}, {"value_range": (-128, 127)}, {"epsilon": 0.5}, {"value_range": (-2, 1)}], ids=str)
def test_grouped_with_zero_point(block, arguments):
    for x in (torch.randn(5, 3), torch.ones(5, 2), torch.zeros(5, 1), torch.randn(5, 3) + 3):
        mine = quantizers.abs_max_quantize_grouped_with_zero_point(x, block, **arguments)
        reference = theirs.abs_max_quantize_grouped_with_zero_point(x, block, **arguments)
        torch.testing.assert_close(mine, reference, atol=1e-6, rtol=1e-5)
        on_cpu = quantizers.abs_max_quantize_grouped_with_zero_point(x, block, **arguments, to_numpy=True)
        assert all(torch.equal(a, b) for a, b in zip(mine, on_cpu))


def test_grouped_quantization_is_undone_by_scale_and_zero():
    x = torch.randn(64, 8)
    quantized, scale, zero = quantizers.abs_max_quantize_grouped_with_zero_point(x, 16, (-128, 127))
    back = (quantized.float() - zero.repeat_interleave(16, 0)) * scale.repeat_interleave(16, 0)
    torch.testing.assert_close(back, x, atol=scale.max().item() * 0.51, rtol=0)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("shape", [(5,), (4, 3), (5, 3), (2, 3, 4), (0, 2)], ids=str)
def test_pack_and_unpack_int4(shape, dtype):
    x = torch.randint(-8 if dtype == "int8" else 0, 8 if dtype == "int8" else 16, shape).to(getattr(torch, dtype))
    for axis in range(-len(shape), len(shape)):
        packed, packed_shape, length = quantizers.pack_int4(x, axis, dtype)
        if x.numel():
            reference = theirs.pack_int4(x, axis, dtype)
            assert torch.equal(packed, reference[0]) and (packed_shape, length) == (tuple(reference[1]), reference[2])
        assert torch.equal(quantizers.unpack_int4(packed, length, axis, dtype), x)


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("bits", [2, 3, 8])
@pytest.mark.parametrize("bounds", [(-1.0, 2.0), (0.0, 2.0), (-3.0, -1.0), (1.0, 2.0), (-0.3, 0.7)], ids=str)
def test_fake_quant(bounds, bits, narrow):
    x = torch.randn(200) * 2
    results = []
    for module in (quantizers, theirs):
        v, low, high = (torch.tensor(b, requires_grad=True) for b in (x.tolist(), *bounds))
        y = module.fake_quant_with_min_max_vars(v, low, high, bits, narrow)
        results.append((y, *torch.autograd.grad((y * torch.arange(200)).sum(), (v, low, high))))
    torch.testing.assert_close(*results, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(quantizers.fake_quant_with_min_max_vars(x, *bounds, bits, narrow), results[0][0])


def test_fake_quant_per_channel():
    x, low, high = torch.randn(6, 3), torch.tensor([-1.0, -2.0, -0.5]), torch.tensor([1.0, 0.5, 2.0])
    y = quantizers.fake_quant_with_min_max_vars(x, low, high, 4, axis=1)
    torch.testing.assert_close(y, theirs.fake_quant_with_min_max_vars(x, low, high, 4, axis=1))
    for axis in (0, -2):  # where Keras fails
        torch.testing.assert_close(quantizers.fake_quant_with_min_max_vars(x.T, low, high, 4, axis=axis), y.T)
    # Keras gives NaN without a range, and counts a value on the edge twice.
    assert quantizers.fake_quant_with_min_max_vars(x, 0.0, 0.0).abs().sum() == 0
    edge = torch.tensor([0.0, 1.0], requires_grad=True)
    low, high = torch.zeros((), requires_grad=True), torch.ones((), requires_grad=True)
    gradients = torch.autograd.grad(quantizers.fake_quant_with_min_max_vars(edge, low, high).sum(), (edge, low, high))
    assert [g.tolist() for g in gradients] == [[1, 1], 0, 0]
    assert quantizers.fake_quant_with_min_max_vars(KerasTensor((None, 3)), -1.0, 1.0).shape == (None, 3)


def test_float8():
    amax, scale = torch.tensor([3.0, 0.0, float("inf"), float("nan"), 1e-3]), torch.tensor([2.0, 5.0, 7.0, 8.0, 1.0])
    for margin in (0, 2):
        torch.testing.assert_close(
            quantizers.compute_float8_scale(amax, scale, 448.0, margin), theirs.compute_float8_scale(amax, scale, 448.0, margin)
        )
    history, x = torch.tensor([1.0, 2.0, 3.0]), torch.randn(4, 3) * 5
    mine = quantizers.compute_float8_amax_history(x.bfloat16(), history)
    torch.testing.assert_close(mine, theirs.compute_float8_amax_history(x.bfloat16(), history))
    x = torch.tensor([1.0, -500.0, 0.3, 1e4, 1e-5, 60.0])
    for narrow in ("float8_e4m3fn", "float8_e5m2"):
        for wide in ("float32", "bfloat16", "float16"):
            arguments = x, torch.tensor(2.0), narrow, wide
            torch.testing.assert_close(quantizers.quantize_and_dequantize(*arguments), theirs.quantize_and_dequantize(*arguments))


def test_quantizer_objects():
    x = torch.randn(3, 4)
    for arguments in ({}, {"axis": -1}, {"axis": (0, 1)}, {"axis": 0, "value_range": (-7, 7), "epsilon": 0.1}):
        mine, reference = quantizers.AbsMaxQuantizer(**arguments), theirs.AbsMaxQuantizer(**arguments)
        config = quantizers.serialize(mine)
        assert config == theirs.serialize(reference) and quantizers.get(config).get_config() == mine.get_config()
        torch.testing.assert_close(mine(x), reference(x))
        torch.testing.assert_close(mine(x, axis=1, to_numpy=True), reference(x, axis=1, to_numpy=True))
    assert quantizers.Quantizer()(x) is x


def test_get():
    for name in ("abs_max_quantizer", "AbsMaxQuantizer", quantizers.AbsMaxQuantizer):
        assert isinstance(quantizers.get(name), quantizers.AbsMaxQuantizer)
        assert quantizers.get(name, axis=-1).axis == (-1,)
    quantizer = quantizers.get({"class_name": "AbsMaxQuantizer", "config": {"axis": 0}})
    assert quantizer.axis == (0,) and quantizers.get(quantizer) is quantizer and quantizers.get(None) is None and quantizers.get(abs) is abs


CONFIGS = [
    ("Int8QuantizationConfig", {}), ("Int4QuantizationConfig", {}), ("Float8QuantizationConfig", {}), ("QuantizationConfig", {}),
    ("Int4QuantizationConfig", {"block_size": None}), ("Int8QuantizationConfig", {"activation_quantizer": None}),
    ("GPTQConfig", {"dataset": ["a"], "tokenizer": len}), ("AWQConfig", {"dataset": ["a"], "tokenizer": len, "num_grid_points": 5}),
    ("GPTQConfig", {"dataset": [], "tokenizer": None, "weight_bits": 3, "group_size": -1, "symmetric": True}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments"), CONFIGS, ids=str)
def test_configs(name, arguments):
    mine, reference = getattr(quantizers, name)(**arguments), getattr(theirs, name)(**arguments)
    data = configurable.serialize_keras_object(mine)
    assert data == keras.saving.serialize_keras_object(reference)
    again = configurable.deserialize_keras_object(data)
    assert type(again) is type(mine) and again.get_config() == mine.get_config()
    if name != "QuantizationConfig":
        assert mine.mode == reference.mode
    if hasattr(reference, "dtype_policy_string"):
        assert mine.dtype_policy_string() == reference.dtype_policy_string()


def test_configs_of_ones_own_quantizers():
    quantizer = quantizers.AbsMaxQuantizer(axis=0)
    config = quantizers.Int8QuantizationConfig(weight_quantizer=quantizer, activation_quantizer=None)
    assert quantizers.QuantizationConfig.weight_quantizer_or_default(config, "default") is quantizer
    assert quantizers.QuantizationConfig.activation_quantizer_or_default(config, "default") is None
    assert quantizers.QuantizationConfig.weight_quantizer_or_default(None, "default") == "default"
    assert config.activation_quantizer_or_default(None, "default") == "default"
    assert configurable.deserialize_keras_object(configurable.serialize_keras_object(config)).weight_quantizer.axis == (0,)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: quantizers.get("abs_max_quantiser"), ValueError, "Unknown quantizer: .* Did you mean 'abs_max_quantizer'"),
        (lambda: quantizers.get(quantizers.Quantizer(), axis=0), ValueError, "Constructor arguments go with a name or a class"),
        (lambda: quantizers.AbsMaxQuantizer(value_range=(-300, 300)), ValueError, r"`value_range` must be within \(-128, 127\)"),
        (lambda: quantizers.pack_int4(torch.tensor([1.0])), TypeError, "`arr` must be of the type int8. Received: torch.float32"),
        (lambda: quantizers.pack_int4(torch.tensor([1]), dtype="int16"), ValueError, "`dtype` must be 'int8' or 'uint8'"),
        (lambda: quantizers.pack_int4(torch.zeros(2, dtype=torch.int8), 3), ValueError, "`axis` must be an axis of a tensor that has 1"),
        (lambda: quantizers.unpack_int4(torch.tensor([1]), 2), TypeError, "`packed` must be of the type int8 or uint8"),
        (lambda: quantizers.unpack_int4(torch.zeros(2, dtype=torch.int8), 7), ValueError, "`orig_len` must be at most 4, .* orig_len=7"),
        (lambda: quantizers.abs_max_quantize_grouped_with_zero_point(torch.ones(2), 1), ValueError, "`inputs` must be a matrix"),
        (lambda: quantizers.abs_max_quantize_grouped_with_zero_point(torch.ones(2, 2), 0), ValueError, "`block_size` must be positive"),
        (lambda: quantizers.fake_quant_with_min_max_vars(torch.ones(2), -1, 1, 0), ValueError, "`num_bits` must be at least 1"),
        (lambda: quantizers.fake_quant_with_min_max_vars(torch.ones(2), torch.zeros(3), 1, axis=0), ValueError, "`min_vals` must be one"),
        (lambda: quantizers.Int4QuantizationConfig(block_size=0), ValueError, "`block_size` must be positive, -1 or None"),
        (lambda: quantizers.Int4QuantizationConfig(quantizers.Quantizer()), ValueError, "`block_size` must be -1 or None with a quantizer"),
        (lambda: quantizers.Int8QuantizationConfig(quantizers.Quantizer("uint8")), ValueError, "must have `output_dtype='int8'"),
        (lambda: quantizers.GPTQConfig([], None, weight_bits=5), ValueError, "`weight_bits` must be 2 or 3 or 4 or 8. Received:"),
        (lambda: quantizers.GPTQConfig([], None, hessian_damping=2), ValueError, "`hessian_damping` must be from 0 to 1"),
        (lambda: quantizers.AWQConfig([], None, num_grid_points=0), ValueError, "`num_grid_points` must be a positive whole number"),
        (lambda: quantizers.AWQConfig([], None, group_size=-2), ValueError, "`group_size` must be positive, or -1"),
        (lambda: quantizers.QuantizationConfig().mode, NotImplementedError, "must define the property `mode`"),
    ],
)  # fmt: skip
def test_errors_tell_what_and_why(call, error, message):
    with pytest.raises(error, match=message):
        call()
