"""Configs: to JSON and back, classes of one's own, and errors that tell the cure."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import torchkeras
from torchkeras import layers, saving
from torchkeras.models import clone_model, model_from_json

from .models import MODELS


class Scaled(layers.Layer):
    def __init__(self, factor, words=("a", "b"), **kwargs):
        super().__init__(**kwargs)
        self.factor = factor
        self.words = words

    def call(self, x):
        return x * self.factor


class Bare(torchkeras.Model):
    def __init__(this, width=3):
        super().__init__()
        this.dense = layers.Dense(width)

    def call(self, x):
        return self.dense(x)


@pytest.mark.parametrize("name", list(MODELS))
def test_models_come_back_from_json(name):
    model = MODELS[name](torchkeras)
    again = model_from_json(model.to_json())
    assert json.loads(again.to_json()) == json.loads(model.to_json())
    assert [w.shape for w in again.weights] == [w.shape for w in model.weights]
    rebuilt = type(model).from_config(model.get_config())
    assert [w.shape for w in rebuilt.weights] == [w.shape for w in model.weights]
    assert [w.shape for w in clone_model(model).weights] == [w.shape for w in model.weights]


def test_arguments_of_ones_own_layers_are_captured():
    config = saving.serialize_keras_object(Scaled(2.5, name="s"))
    assert config["class_name"] == "Scaled" and config["config"]["factor"] == 2.5
    again = saving.deserialize_keras_object(json.loads(json.dumps(config)))
    assert type(again) is Scaled and again.factor == 2.5 and list(again.words) == ["a", "b"] and again.name == "s"


def test_a_constructor_without_name_comes_back(tmp_path):
    model = Bare(5)
    x = torch.ones(2, 4)
    y = model(x)
    model.save(tmp_path / "m.keras")
    torch.testing.assert_close(torchkeras.models.load_model(tmp_path / "m.keras")(x), y)


def test_torch_functions_come_back(tmp_path):
    inputs = torchkeras.Input((6,))
    x = torch.nn.functional.gelu(layers.Dense(4)(inputs))
    x = torch.cat([x, torch.sin(x)], dim=-1).clamp(min=-1.0).reshape(-1, 2, 4).transpose(1, 2).mean(dim=1)
    model = torchkeras.Model(inputs, torch.ones(2) + x.unsqueeze(0)[0])
    model.save(tmp_path / "m.keras")
    again = torchkeras.models.load_model(tmp_path / "m.keras")
    data = torch.randn(3, 6)
    torch.testing.assert_close(again(data), model(data))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.to(torch.float64),
        lambda x: x.to("cpu").to(torch.device("cpu"), torch.float16),
        lambda x: torch.sum(x, -1, dtype=torch.float64),
        lambda x: x.type(torch.bfloat16),
        lambda x: torch.zeros_like(x, dtype=torch.int32, device="cpu", layout=torch.strided) + x,
        lambda x: x.clone(memory_format=torch.preserve_format).contiguous(memory_format=torch.contiguous_format),
        lambda x: x.unflatten(-1, (2, 3)),
        lambda x: x + x.new_zeros(6) + x.new_full((6,), 2.0) + x.new_tensor([1.0] * 6),
        lambda x: nn.functional.hardswish(x),
        lambda x: x * (1 + 2j),
        lambda x: x.masked_fill(x > 0.5, float("-inf")),
        lambda x: x[:, None, ..., 1:4:2],
        lambda x: x[(slice(None), [0, 2], None)],
        lambda x: x[:, torch.tensor([0, 2])],
        lambda x: torch.stack([x, (x, x)[1]], dim=1).permute(torch.Size([0, 2, 1, 3])),
        lambda x: nn.functional.pad(x, (1, 1), value=2.0),
        lambda x: torch.einsum("bij,bkj->bik", x, x),
        lambda x: torch.split(x, [2, 4], -1),
        lambda x: torch.topk(x, 2),
        lambda x: {"a": x.max(dim=-1).values, "b": [x.mT]},
    ],
)
def test_arguments_of_torch_functions_come_back(call, tmp_path):
    inputs = torchkeras.Input((4, 6))
    model = torchkeras.Model(inputs, call(inputs))
    model.save(tmp_path / "m.keras")
    x = torch.rand(3, 4, 6)
    again = torchkeras.models.load_model(tmp_path / "m.keras")
    torch.testing.assert_close(again(x), model(x), rtol=0, atol=0)


@pytest.mark.parametrize(
    "call, name",
    [
        (lambda x: torch.as_strided_copy(x, (2,), (1,)), "torch.as_strided_copy"),
        (lambda x: x.unfold(1, 2, 1), "torch.Tensor.unfold"),
        (lambda x: torch.matrix_power(x[:, :, :4], 3), "torch.matrix_power"),
        (lambda x: torchkeras.ops.map(torch.sin, x), "map"),
    ],
)
def test_functions_that_no_file_can_hold_are_refused_when_it_is_written(call, name, tmp_path):
    inputs = torchkeras.Input((4, 6))
    model = torchkeras.Model(inputs, call(inputs))
    with pytest.raises(ValueError, match=rf"The graph calls `{name}` .* Put the call into the `call` method of a layer of your own"):
        model.save(tmp_path / "m.keras")
    assert not (tmp_path / "m.keras").exists()
    data = {"module": "keras", "class_name": "OpNode", "config": {"name": "x", "function": name}, "registered_name": None}
    with pytest.raises(ValueError, match="is none that a graph may hold"):
        saving.deserialize_keras_object(data)


def test_an_unknown_class_is_named_with_near_matches():
    config = saving.serialize_keras_object(layers.Dense(2))
    config["class_name"] = "Dence"
    with pytest.raises(ValueError, match=r"Unknown class 'Dence'.*Did you mean 'Dense'.*custom_objects=\{'Dence': Dence\}"):
        saving.deserialize_keras_object(config)


def test_custom_objects_are_found_by_argument_and_by_scope():
    def twice(x):
        return 2 * x

    config = saving.serialize_keras_object(layers.Dense(2, activation=twice))
    with pytest.raises(ValueError, match="Unknown function 'twice'"):
        saving.deserialize_keras_object(config)
    assert saving.deserialize_keras_object(config, custom_objects={"twice": twice}).activation is twice
    with saving.custom_object_scope({"twice": twice}):
        assert saving.deserialize_keras_object(config).activation is twice


@pytest.mark.parametrize("value", [b"ab", (1, "a"), np.arange(3), slice(1, None, 2), Ellipsis, [1, {"a": None}]])
def test_values_come_back(value):
    again = saving.deserialize_keras_object(json.loads(json.dumps(saving.serialize_keras_object(value))))
    assert np.array_equal(again, value) if isinstance(value, np.ndarray) else again == value


@pytest.mark.parametrize("text", ["", "[]", "3", "{", None])
def test_text_that_is_no_json_is_refused(text):
    with pytest.raises(ValueError, match="`json_string`"):
        model_from_json(text)


def _doubled(x):
    return 2 * x


class Wrapping(layers.Layer):
    """Puts a layer and a function into its config as they are."""

    def __init__(self, inner, function, sizes=(1, 2), **kwargs):
        super().__init__(**kwargs)
        self.inner, self.function, self.sizes = inner, function, sizes

    def call(self, x):
        return self.function(self.inner(x))

    def get_config(self):
        return {**super().get_config(), "inner": self.inner, "function": self.function, "sizes": torch.Size(self.sizes)}

    @classmethod
    def from_config(cls, config):
        made = {name: saving.deserialize_keras_object(config.pop(name)) for name in ("inner", "function")}
        return cls(**made, **config)


def test_a_config_of_ones_own_may_hold_layers_and_functions(tmp_path):
    x = torchkeras.Input((3,))
    model = torchkeras.Model(x, Wrapping(layers.Dense(2), _doubled)(x))
    written = saving.serialize_keras_object(model.layers[1])["config"]
    assert written["inner"]["class_name"] == "Dense" and written["function"]["config"] == "_doubled" and written["sizes"] == (1, 2)
    model.save(tmp_path / "model.keras")
    with saving.custom_object_scope({"_doubled": _doubled}):
        loaded = torchkeras.models.load_model(tmp_path / "model.keras")
    values = torch.randn(4, 3)
    torch.testing.assert_close(loaded(values), model(values))
