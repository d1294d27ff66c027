"""Dtype policies: names, types, configs and conversion against real Keras."""

import pickle

import numpy as np
import pytest
import torch

from tests.oracle import keras
from torchkeras import config, dtype_policies
from torchkeras.dtype_policies import DTypePolicy, DTypePolicyMap, FloatDTypePolicy, QuantizedFloat8DTypePolicy
from torchkeras.graph.symbolic import KerasTensor

NAMES = ["float32", "float64", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16", "int32", "bool", "string", "float8_e4m3fn"]
QUANTIZED = [
    "int8_from_float32", "int8_from_mixed_bfloat16", "int4_from_float32", "int4/128_from_float32", "int4/-1_from_bfloat16",
    "gptq/4/128_from_float32", "gptq/2/-1_from_float16", "awq/4/32_from_float32", "float8_from_mixed_float16",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _same_settings():
    yield
    config.reset_dtype_policy()
    config.set_floatx("float32")


def facts(policy):
    types = policy.compute_dtype, policy.variable_dtype, policy.quantization_mode
    return type(policy).__name__, policy.name, types, policy.get_config(), repr(policy)


@pytest.mark.parametrize("name", NAMES[:-1] + QUANTIZED)
def test_get_by_name_like_keras(name):
    mine, theirs = dtype_policies.get(name), keras.dtype_policies.get(name)
    assert facts(mine) == facts(theirs)
    assert dtype_policies.serialize(mine) == keras.dtype_policies.serialize(theirs)
    assert dtype_policies.deserialize(keras.dtype_policies.serialize(theirs)) == mine
    assert keras.dtype_policies.deserialize(dtype_policies.serialize(mine)).name == name
    assert pickle.loads(pickle.dumps(mine)) == mine


def test_types_policies_and_configs_are_identifiers():
    for identifier in (torch.float16, np.float16, np.dtype("float16"), {"class_name": "DTypePolicy", "config": {"name": "float16"}}):
        assert dtype_policies.get(identifier).name == "float16"
    policy = DTypePolicy("float16")
    assert dtype_policies.get(policy) is policy and dtype_policies.get(None).name == "float32"
    assert dtype_policies.get("int8").compute_dtype == "int8"  # Keras takes this type for half of a quantized policy, and fails
    old = {"module": "keras.mixed_precision", "class_name": "Policy", "config": {"name": "mixed_float16"}, "registered_name": None}
    assert dtype_policies.get(old).name == "mixed_float16"


def test_equality():
    assert DTypePolicy("float32") == FloatDTypePolicy("float32") != DTypePolicy("float16")
    assert len({DTypePolicy("float32"), FloatDTypePolicy("float32")}) == 1
    assert dtype_policies.get("int8_from_float32") == dtype_policies.get("int8_from_float32") != dtype_policies.get("int4_from_float32")
    assert QuantizedFloat8DTypePolicy("float8", "float32", 4) != QuantizedFloat8DTypePolicy("float8", "float32")


def test_the_mode_tells_its_numbers():
    policy = dtype_policies.get("gptq/3/64_from_float32")
    assert (policy.weight_bits, policy.group_size) == (3, 64)
    assert dtype_policies.get("int4/32_from_float32").block_size == 32
    policy = QuantizedFloat8DTypePolicy("float8", amax_history_length=7)
    assert policy.amax_history_length == 7 and type(policy).from_config(policy.get_config()) == policy


def test_global_policy_follows_floatx_until_it_is_set():
    assert config.dtype_policy().name == "float32"
    config.set_floatx("float64")
    assert config.dtype_policy().name == DTypePolicy().name == "float64"
    config.set_dtype_policy("mixed_bfloat16")
    config.set_floatx("float32")
    assert dtype_policies.dtype_policy().name == DTypePolicy().name == dtype_policies.get(None).name == "mixed_bfloat16"
    assert dtype_policies.QuantizedDTypePolicy("int8").name == "int8_from_mixed_bfloat16"
    dtype_policies.set_dtype_policy(DTypePolicyMap())
    assert config.dtype_policy().compute_dtype == "float32"


def test_map_finds_by_key_then_by_pattern_then_default():
    policies = {"a/b": "bfloat16", ".*/kernel": "float16", "conv": dtype_policies.get("int8_from_float32")}
    mine = DTypePolicyMap("mixed_float16", {k: dtype_policies.get(p) for k, p in policies.items()})
    theirs = keras.dtype_policies.DTypePolicyMap("mixed_float16")
    for key, policy in policies.items():
        theirs[key] = policy if isinstance(policy, str) else "int8_from_float32"
    for path in ("a/b", "x/kernel", "x/kernel2", "conv", "my/conv", "conv/1"):
        assert mine[path].name == theirs[path].name
    assert facts(mine)[:-1] == facts(theirs)[:-1]
    assert dtype_policies.deserialize(dtype_policies.serialize(mine)) == mine and list(mine) == list(policies)
    del mine["conv"]
    assert len(mine) == 2 and "conv" not in mine and mine["conv"].name == "mixed_float16"
    assert DTypePolicyMap().get_config() == keras.dtype_policies.DTypePolicyMap().get_config()
    assert DTypePolicyMap().default_policy.name == "float32"


@pytest.mark.parametrize("autocast", [True, False])
@pytest.mark.parametrize("dtype", ["float16", "float64"])
@pytest.mark.parametrize(
    "x",
    [torch.ones(2), torch.ones(2, dtype=torch.int32), torch.ones(2, dtype=torch.bfloat16), torch.ones(2, dtype=torch.bool), np.ones(2),
     np.ones(2, "int64"), np.float64(3), np.float32(3)],
    ids=str,
)  # fmt: skip
def test_convert_input_like_keras(x, autocast, dtype):
    mine = DTypePolicy("mixed_float16").convert_input(x, autocast, dtype)
    theirs = keras.DTypePolicy("mixed_float16").convert_input(x, autocast, dtype)
    assert mine.dtype == theirs.dtype and torch.equal(mine, theirs)


def test_convert_input_passes_what_is_no_number():
    policy, symbolic = DTypePolicy("mixed_float16"), KerasTensor((None, 2))
    for x in (None, "text", [1.0], 3, np.array(["a"])):
        assert policy.convert_input(x, True, "float16") is x
    assert policy.convert_input(symbolic, True, "float16").dtype == "float16"
    assert policy.convert_input(symbolic, True, "float32") is symbolic
    x = torch.ones(2)
    assert policy.convert_input(x, True, "float32") is x
    frozen = np.arange(4.0)[::-1]
    frozen.flags.writeable = False
    assert policy.convert_input(frozen, True, "float32").tolist() == [3, 2, 1, 0]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: DTypePolicy("mixed_floa16"), ValueError, "`name` must be .* Received: name='mixed_floa16'. Did you mean 'mixed_float16'"),
        (lambda: DTypePolicy(3), TypeError, "`name` must be a string"),
        (lambda: dtype_policies.get(3), ValueError, "`dtype` must be a type, the name .* Received: 3 of type int"),
        (lambda: dtype_policies.get({"foo": 1}), ValueError, "`config` must be the config of a dtype policy"),
        (lambda: dtype_policies.get("int9_from_float32"), ValueError, "`mode` must be one of int8, .* Did you mean 'int8'"),
        (lambda: dtype_policies.get("int8_from_mixed_float16"), ValueError, "`source_name` must not compute in float16.*'mixed_bfloat16'"),
        (lambda: dtype_policies.get("int4/x_from_float32"), ValueError, "form 'int4/<block_size>'.*mode='int4/x'"),
        (lambda: dtype_policies.get("int4/0_from_float32"), ValueError, "block_size in `mode` must be -1 .* Received: 0"),
        (lambda: dtype_policies.get("gptq/5/1_from_float32"), ValueError, "weight_bits in `mode` must be 2 or 3 or 4 or 8. Received: 5"),
        (lambda: dtype_policies.get("awq/8/1_from_float32"), ValueError, "weight_bits in `mode` must be 4. Received: 8"),
        (lambda: QuantizedFloat8DTypePolicy("int8"), ValueError, "`mode` must be 'float8'"),
        (lambda: QuantizedFloat8DTypePolicy("float8", None, 1.5), TypeError, "`amax_history_length` must be an integer"),
        (lambda: QuantizedFloat8DTypePolicy("float8", None, 0), ValueError, "`amax_history_length` must be positive"),
        (lambda: DTypePolicyMap(None, 3), TypeError, "`policy_map` must be a dict"),
        (lambda: DTypePolicyMap(None, {"a.*": "float16", "ab": "float16", "a": DTypePolicyMap()}), ValueError, "must be one policy"),
        (lambda: DTypePolicyMap(None, {"a.*": "float16", ".*b": "float16"})["a/b"], ValueError, r"matches 'a\.\*', '\.\*b'"),
        (lambda: DTypePolicyMap(None, {"a": "float16"}).__setitem__("a", "float16"), ValueError, "key 'a' is already .* Delete it first"),
        (lambda: config.set_dtype_policy(None), ValueError, "`policy` must be a DTypePolicy or the name of one. Received: policy=None"),
    ],
)  # fmt: skip
def test_errors_tell_what_and_why(call, error, message):
    with pytest.raises(error, match=message):
        call()
    assert config.dtype_policy().name == "float32"
