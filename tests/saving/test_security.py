"""Hostile `.keras` files and configs: each raises a clear error, runs nothing, and reads and writes nothing elsewhere."""

import base64
import json
import marshal
import os
import pickle
import threading
import zipfile

import pytest
import torch
from torch import nn

import torchkeras
from torchkeras import layers, saving
from torchkeras.configurable import deserialize_keras_object, in_safe_mode
from torchkeras.saving import load_model

from .hostile import keras_file, layer_in_sequential, model

RAN = []


def ran(*args, **kwargs):
    RAN.append(args)
    return args


@pytest.fixture(autouse=True)
def nothing_ran(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    RAN.clear()
    yield
    assert not RAN
    assert not (tmp_path / "owned").exists()
    assert not torchkeras.config.is_unsafe_deserialization_enabled()


FUNCTIONS = [
    ("os", "system"), ("builtins", "eval"), ("builtins", "exec"), ("subprocess", "Popen"), ("posix", "system"), ("shutil", "rmtree"),
    ("torch", "load"), ("torch.hub", "load"), ("numpy", "load"), ("importlib", "import_module"), ("tests.saving.test_security", "ran"),
    ("torchkeras.config", "enable_unsafe_deserialization"), ("keras.config", "enable_unsafe_deserialization"),
    ("keras.utils", "get_file"), ("keras.saving", "load_model"), ("torchkeras.saving.keras_file", "load_model"), ("keras", "os"),
    ("keras.src.ops.core", "system"), ("keras.layers", "../Dense"), ("keras.layers", "Dense.__init__"), (None, "os.system"),
]  # fmt: skip


@pytest.mark.parametrize(("module", "name"), FUNCTIONS)
def test_no_function_is_found_by_its_dotted_name(module, name, tmp_path):
    layer = {"module": module, "class_name": name, "config": {"command": "touch owned", "name": "x"}, "registered_name": name}
    path = keras_file(tmp_path / "m.keras", layer_in_sequential(layer))
    with pytest.raises(ValueError, match="Unknown"):
        load_model(path)
    with pytest.raises(ValueError, match="Unknown"):
        load_model(keras_file(tmp_path / "n.keras", layer))
    function = {"module": module, "class_name": "function", "config": name, "registered_name": name}
    dense = {"module": "keras.layers", "class_name": "Dense", "config": {"units": 2, "activation": function}, "registered_name": None}
    with pytest.raises(ValueError, match="Unknown function"):
        load_model(keras_file(tmp_path / "f.keras", layer_in_sequential(dense)))


@pytest.mark.parametrize("name", ["torch.load", "torch.Tensor.__reduce_ex__", "torch.Tensor.__setstate__", "torch.Tensor.apply_",
                                  "torch.Tensor.map_", "torch.Tensor.numpy", "torch.Tensor.data.__get__",
                                  "os.system", "ops.system"])  # fmt: skip
def test_graphs_hold_only_pure_functions(name, tmp_path):
    inputs = torchkeras.Input((4,))
    graph = torchkeras.Model(inputs, torch.sin(inputs))

    def change(config):
        config["config"]["layers"][1]["config"]["function"] = name

    config = json.loads(graph.to_json())
    with pytest.raises(ValueError, match="function"):
        load_model(keras_file(tmp_path / "m.keras", config, change=change))


def lambda_config():
    code = compile("__import__('os').system('touch owned')", "x", "eval")
    packed = base64.b64encode(marshal.dumps(code)).decode()
    function = {"class_name": "__lambda__", "config": {"code": packed, "defaults": None, "closure": None}}
    return {"module": "keras.layers", "class_name": "Lambda", "config": {"function": function, "name": "l"}, "registered_name": None}


def test_code_of_a_lambda_is_refused(tmp_path):
    path = keras_file(tmp_path / "m.keras", layer_in_sequential(lambda_config()))
    for load in (
        lambda: load_model(path),
        lambda: torchkeras.models.model_from_json(json.dumps(layer_in_sequential(lambda_config()))),
        lambda: layers.Lambda.from_config(lambda_config()["config"]),
        lambda: torchkeras.Sequential.from_config(layer_in_sequential(lambda_config())["config"]),
        lambda: deserialize_keras_object(lambda_config()),
    ):
        with pytest.raises(ValueError, match="safe mode"):
            load()


def test_no_config_turns_safe_mode_off(tmp_path):
    for key in ("safe_mode", "custom_objects"):
        layer = lambda_config()
        layer["config"][key] = False
        layer[key] = False
        outer = layer_in_sequential(layer)
        outer[key] = outer["config"][key] = False
        with pytest.raises(ValueError, match="safe mode"):
            load_model(keras_file(tmp_path / "m.keras", outer))


def test_a_load_without_safe_mode_does_not_reach_loads_inside_it_or_in_other_threads(tmp_path):
    seen = {}
    path = keras_file(tmp_path / "m.keras")

    class Nested(layers.Layer):
        @classmethod
        def from_config(cls, config):
            seen["here"] = in_safe_mode()
            thread = threading.Thread(target=lambda: seen.update(thread=in_safe_mode()))
            thread.start()
            thread.join()
            with pytest.raises(ValueError, match="safe mode"):
                load_model(keras_file(path.with_name("inner.keras"), layer_in_sequential(lambda_config())))
            seen["after"] = in_safe_mode()
            return cls(**config)

        def call(self, x):
            return x

    config = layer_in_sequential(saving.serialize_keras_object(Nested(name="n")))
    saving.deserialize_keras_object(config, safe_mode=False)
    assert seen == {"here": False, "thread": True, "after": False}
    assert in_safe_mode()


class Exploit:
    def __reduce__(self):
        return ran, ("unpickled",)


def test_a_pickled_module_is_refused(tmp_path):
    packed = base64.b64encode(pickle.dumps(Exploit())).decode()
    layer = {
        "module": "keras.layers",
        "class_name": "TorchModuleWrapper",
        "config": {"module": packed, "name": "t"},
        "registered_name": None,
    }
    with pytest.raises(ValueError, match="safe mode"):
        load_model(keras_file(tmp_path / "m.keras", layer_in_sequential(layer)))
    layer["config"]["module"] = {"class_name": "__bytes__", "config": {"value": packed}}
    with pytest.raises(ValueError):
        load_model(keras_file(tmp_path / "n.keras", layer_in_sequential(layer)))


def test_trusted_files_load_their_code(tmp_path):
    made = torchkeras.Sequential([torchkeras.Input((4,)), layers.Lambda(lambda x: x * 3), layers.TorchModuleWrapper(nn.Linear(4, 2))])
    made.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match="safe mode"):
        load_model(tmp_path / "m.keras")
    x = torch.ones(2, 4)
    torch.testing.assert_close(load_model(tmp_path / "m.keras", safe_mode=False)(x), made(x))


def test_members_that_stand_twice_are_refused(tmp_path):
    path = keras_file(tmp_path / "m.keras")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("config.json", "{}")
    with pytest.raises(ValueError, match="'config.json' twice"):
        load_model(path)


def test_zip_bombs_are_refused_before_they_are_unpacked(tmp_path):
    path = keras_file(tmp_path / "m.keras", weights=b"\0" * 2**24, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2**16
    with pytest.raises(ValueError, match="packs 16,777,216 bytes of 'model.weights.h5'"):
        load_model(path)
    with pytest.raises(ValueError, match="packs"):
        model().load_weights(path)


def test_members_with_paths_are_left_alone(tmp_path):
    path = keras_file(tmp_path / "m.keras")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../owned", "x")
        archive.writestr("/tmp/owned", "x")
        archive.writestr("assets/../../owned", "x")
    load_model(path)
    assert not (tmp_path.parent / "owned").exists()
    assert os.listdir(tmp_path) == ["m.keras"]


@pytest.mark.parametrize("name", ["../../owned", "/owned", "a/../../owned", "..", "vars", "\0", "x" * 300])
def test_names_of_layers_make_no_paths(name, tmp_path):
    (tmp_path / "in").mkdir()

    def change(config):
        config["config"]["layers"][1]["config"]["name"] = name
        config["config"]["name"] = name

    try:
        made = load_model(keras_file(tmp_path / "in" / "m.keras", change=change))
        made.save(tmp_path / "in" / "n.keras")
        made.save_weights(tmp_path / "in" / "n.weights.h5")
        made.save_weights(tmp_path / "in" / "n.weights.json", max_shard_size=1)
    except ValueError:
        pass
    assert os.listdir(tmp_path) == ["in"]
    assert {n.split(".")[0].split("_")[0] for n in os.listdir(tmp_path / "in")} <= {"m", "n"}


@pytest.mark.parametrize("depth", [150, 5000, 200_000])
def test_deep_configs_are_refused(depth, tmp_path):
    text = b'{"a": [' * depth + b"1" + b"]}" * depth
    with pytest.raises(ValueError, match="nested"):
        load_model(keras_file(tmp_path / "m.keras", text))
    with pytest.raises(ValueError, match="nested"):
        torchkeras.models.model_from_json(text.decode())


def test_configs_that_hold_themselves_are_refused():
    config = layer_in_sequential({})
    config["config"]["layers"][1] = config
    for load in (deserialize_keras_object, lambda c: torchkeras.Sequential.from_config(c["config"])):
        with pytest.raises(ValueError, match="nested"):
            load(config)


def test_a_class_of_ones_own_does_not_stand_in_for_a_built_in_one(tmp_path):
    class Dense(layers.Layer):
        def __init__(self, **kwargs):
            ran(kwargs)

    path = keras_file(tmp_path / "m.keras")
    assert type(load_model(path).layers[0]) is layers.Dense

    def change(config):
        config["config"]["layers"][1]["registered_name"] = "Custom>Dense"

    assert type(load_model(keras_file(tmp_path / "n.keras", change=change)).layers[0]) is layers.Dense


def test_graphs_hold_layers_only(tmp_path):
    optimizer = {"module": "keras.optimizers", "class_name": "SGD", "config": {"learning_rate": 0.1}, "registered_name": None}
    with pytest.raises(ValueError, match="must be a layer"):
        load_model(keras_file(tmp_path / "m.keras", layer_in_sequential(optimizer)))
    with pytest.raises(ValueError, match="holds no model"):
        load_model(keras_file(tmp_path / "n.keras", optimizer))


@pytest.mark.parametrize("config", [[], 3, {}, {"class_name": 3, "config": {}}, {"class_name": "Sequential"},
                                    {"class_name": "__tuple__", "config": 3},
                                    {"module": "keras", "class_name": "Sequential", "config": 3}, {"class_name": "__evil__", "config": {}},
                                    {"module": "keras", "class_name": "Sequential", "config": {"layers": 3}}])  # fmt: skip
def test_configs_that_are_none_are_refused(config, tmp_path):
    path = tmp_path / "m.keras"
    with pytest.raises(ValueError, match="config|holds"):
        load_model(keras_file(path, json.dumps(config).encode()))
