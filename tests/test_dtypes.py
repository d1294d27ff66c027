"""Arrays of every layout as tensors."""

import ml_dtypes
import numpy as np
import pytest

from tests.oracle import keras
from torchkeras import dtypes, ops
from torchkeras.variable import Variable

READ_ONLY = np.arange(4.0)
READ_ONLY.setflags(write=False)
ARRAYS = [np.arange(4.0)[::-1], np.arange(4.0, dtype=">f4"), READ_ONLY, np.arange(4, dtype=ml_dtypes.bfloat16)]


@pytest.mark.parametrize("array", ARRAYS, ids=["backwards", "big endian", "read-only", "bfloat16"])
def test_arrays_that_torch_does_not_share(array):
    tensor = dtypes.from_numpy(array)
    assert dtypes.standardize_dtype(tensor.dtype) == array.dtype.name
    expected = array.astype("float32").tolist()
    assert tensor.tolist() == expected
    assert Variable(array).tolist() == expected
    converted = ops.convert_to_tensor(array)
    theirs = keras.ops.convert_to_tensor(array.astype(array.dtype.newbyteorder("=")).copy())
    assert converted.tolist() == expected and converted.dtype is theirs.dtype


def test_arrays_are_shared():
    array = np.zeros(3)
    dtypes.from_numpy(array)[1] = 5
    assert array[1] == 5
