"""The backend facade against real Keras."""

import numpy as np
import pytest

from tests.oracle import keras
from torchkeras import backend, config, registry
from torchkeras.graph import KerasTensor


@pytest.fixture(autouse=True)
def _clean():
    yield
    backend.clear_session()


def test_clear_session_starts_names_and_policy_again():
    backend.clear_session()
    config.set_dtype_policy("mixed_float16")
    assert [registry.unique_name("dense") for _ in range(2)] == ["dense", "dense_1"]
    assert backend.get_uid("dense") == 3 and registry.unique_name("dense") == "dense_3"  # one counter, as in Keras
    backend.clear_session(free_memory=False)
    assert registry.unique_name("dense") == "dense" and config.dtype_policy().name == "float32"
    assert [backend.get_uid() for _ in range(2)] == [1, 2]


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint8", "int64", "float16", "bfloat16", "float32", "float64", "float8_e4m3fn", None, np.int32]
)
def test_types(dtype):
    for name in ("is_float_dtype", "is_int_dtype", "standardize_dtype"):
        assert getattr(backend, name)(dtype) == getattr(keras.backend, name)(dtype)


def test_settings():
    try:
        backend.set_floatx("float16")
        backend.set_epsilon(1e-3)
        backend.set_image_data_format("channels_first")
        assert (backend.floatx(), backend.epsilon(), backend.image_data_format()) == ("float16", 1e-3, "channels_first")
        assert config.floatx() == "float16" and backend.backend() == "torch"
    finally:
        backend.set_floatx("float32")
        backend.set_epsilon(1e-7)
        backend.set_image_data_format("channels_last")


def test_is_keras_tensor_and_result_type():
    assert backend.is_keras_tensor(KerasTensor((1,))) and not backend.is_keras_tensor(np.ones(1))
    assert backend.result_type("int8", "float16") == keras.backend.result_type("int8", "float16") == "float16"
