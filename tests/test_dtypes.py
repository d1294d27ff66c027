import itertools

import numpy as np
import pytest
import torch

from tests.oracle import keras
from torchkeras import config, dtypes

# Keras narrows every 64-bit result for other backends' sake, and loses numbers by it; here 64 bits stay 64 bits.
NARROW = {"int64": "int32", "uint64": "uint32", "float64": "float32"}
NAMES = [n for n in dtypes.TORCH_DTYPES if "float8" not in n and "complex" not in n]


@pytest.mark.parametrize(("a", "b"), list(itertools.product([*NAMES, int, float], repeat=2)))
def test_result_type_is_that_of_keras(a, b):
    mine, theirs = dtypes.result_type(a, b), keras.backend.result_type(a, b)
    assert NARROW.get(mine, mine) == NARROW.get(theirs, theirs)


def test_weak_numbers_do_not_widen():
    assert dtypes.result_type("int8", 3) == "int8"
    assert dtypes.result_type("bfloat16", 3.0) == "bfloat16"
    assert dtypes.result_type("int32", 3.0) == config.floatx()
    assert dtypes.result_type() == config.floatx()


@pytest.mark.parametrize(
    ("given", "name"),
    [(torch.bfloat16, "bfloat16"), (np.float16, "float16"), (np.dtype("int64"), "int64"), (None, "float32"), (bool, "bool"), (int, "int32"),
     (float, "float32"), ("half", "float16"), ("float32", "float32")],
)  # fmt: skip
def test_standardize_dtype(given, name):
    assert dtypes.standardize_dtype(given) == name
    assert dtypes.to_torch_dtype(given) is dtypes.TORCH_DTYPES[name]


def test_bad_types_are_named():
    with pytest.raises(ValueError, match="`dtype` must be one of.*Received: dtype='float33'"):
        dtypes.standardize_dtype("float33")
    with pytest.raises(ValueError, match="torch has no string tensors"):
        dtypes.to_torch_dtype("string")
    with pytest.raises(ValueError, match="float8, which does not promote"):
        dtypes.result_type("float8_e4m3fn", "float32")
