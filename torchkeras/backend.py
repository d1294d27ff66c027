"""What Keras calls the backend: settings, types and the session that no longer exists."""

from __future__ import annotations

import gc

import torch

from . import config, registry
from .config import backend as backend
from .config import epsilon as epsilon
from .config import floatx as floatx
from .config import image_data_format as image_data_format
from .config import set_epsilon as set_epsilon
from .config import set_floatx as set_floatx
from .config import set_image_data_format as set_image_data_format
from .dtypes import is_float as is_float_dtype
from .dtypes import is_int as is_int_dtype
from .dtypes import result_type as result_type
from .dtypes import standardize_dtype as standardize_dtype
from .graph import is_keras_tensor as is_keras_tensor
from .registry import get_uid as get_uid

__all__ = [
    "backend",
    "clear_session",
    "epsilon",
    "floatx",
    "get_uid",
    "image_data_format",
    "is_float_dtype",
    "is_int_dtype",
    "is_keras_tensor",
    "result_type",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "standardize_dtype",
]


def clear_session(free_memory: bool = True) -> None:
    """Start automatic names and the global dtype policy again.

    Args:
        free_memory: Whether unreachable objects are collected at once, and the accelerator's cache is given back.
    """
    registry.reset_names()
    config.reset_dtype_policy()
    if free_memory:
        gc.collect()
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
