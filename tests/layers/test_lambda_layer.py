"""Lambda: what it runs, and what loading refuses to run."""

from __future__ import annotations

import pytest
import torch

from torchkeras import layers
from torchkeras.configurable import deserialize_keras_object, serialize_keras_object


def double(x: torch.Tensor) -> torch.Tensor:
    return 2 * x


def test_lambda_runs_any_function():
    x = torch.ones(2, 3)
    assert layers.Lambda(lambda t: t + 1)(x).tolist() == [[2.0] * 3] * 2
    layer = layers.Lambda(lambda t, by: t * by, arguments={"by": 3})
    assert layer(layers.Input((3,))).shape == (None, 3)
    assert layer(x)[0, 0] == 3
    assert layers.Lambda(lambda t: t.tolist(), output_shape=(7,))(layers.Input((3,))).shape == (None, 7)
    seen = {}
    layers.Lambda(lambda t, mask=None, training=None: seen.update(mask=mask, training=training) or t)(x, training=True)
    assert seen == {"mask": None, "training": True}


def test_the_code_of_a_lambda_runs_only_outside_safe_mode():
    offset = 5
    data = serialize_keras_object(layers.Lambda(lambda t, factor=2: factor * t + offset))
    with pytest.raises(ValueError, match="refused in safe mode.*safe_mode=False"):
        deserialize_keras_object(data)
    with pytest.raises(ValueError, match="refused in safe mode"):
        layers.Lambda.from_config(data["config"])
    again = deserialize_keras_object(data, safe_mode=False)
    assert again(torch.ones(1)).tolist() == [7.0]
    named = serialize_keras_object(layers.Lambda(double))
    assert deserialize_keras_object(named, custom_objects={"double": double})(torch.ones(1)).tolist() == [2.0]
