"""A name that Keras has and torchkeras lacks is told as such, and no message names what does not exist."""

import ast
import importlib
import re
import types
from pathlib import Path

import pytest

import torchkeras as keras
from tests.oracle import keras as real
from torchkeras import missing

ROOT = Path(keras.__file__).parent
NAMES = missing.keras_names()


def ours(path: str):
    """What torchkeras has under a name of Keras; `None` without it."""
    found = keras
    for part in path.split(".")[1:]:
        found = getattr(found, part, None)
        if found is None:
            return None
    return found


LACKED = [f"{module}.{name}" for module, names in NAMES.items() for name in names if ours(f"{module}.{name}") is None]


def test_the_table_is_keras_itself():
    for module, names in NAMES.items():
        theirs = real
        for part in module.split(".")[1:]:
            theirs = getattr(theirs, part)
        public = {n for n, v in vars(theirs).items() if not n.startswith("_") and not isinstance(v, types.ModuleType)}
        assert public == names, module


@pytest.mark.parametrize("module", sorted(NAMES))
def test_lacking_names_are_told_as_such(module):
    here = ours(module)
    target = module.replace("keras", "torchkeras", 1)
    if here is None:
        with pytest.raises(ModuleNotFoundError, match=r"^`keras[\w.]+` is not in torchkeras yet\.$"):
            importlib.import_module(target)
        return
    for name in NAMES[module]:
        if getattr(here, name, None) is not None:
            continue
        text = rf"^`{module}.{name}` is not in torchkeras yet\.$"
        with pytest.raises(AttributeError, match=text):
            getattr(here, name)
        with pytest.raises(ImportError, match=text):
            exec(f"from {target} import {name}")


def test_names_that_nobody_has_are_ordinary_errors():
    with pytest.raises(AttributeError, match="has no attribute 'Dens'"):
        keras.layers.Dens
    with pytest.raises(ImportError, match="cannot import name 'Dens'"):
        exec("from torchkeras.layers import Dens")
    with pytest.raises(ModuleNotFoundError, match="No module named 'torchkeras.nonsense'"):
        importlib.import_module("torchkeras.nonsense")
    assert not hasattr(keras.layers, "__wrapped__")


def test_files_and_configs_tell_it_too():
    lacked = next((p for p in LACKED if re.fullmatch(r"keras\.layers\.[A-Z]\w+", p)), None)
    if lacked is not None:
        module, _, name = lacked.rpartition(".")
        for data in ({"class_name": name, "config": {}}, {"module": module, "class_name": name, "config": {}, "registered_name": None}):
            with pytest.raises(ValueError, match=f"`{lacked}` is not in torchkeras yet") as caught:
                keras.layers.deserialize(data)
            assert "Did you mean" not in str(caught.value)
    with pytest.raises(ValueError, match="Did you mean 'Dense'"):
        keras.layers.deserialize({"module": "keras.layers", "class_name": "Dens", "config": {}, "registered_name": None})


# -- messages and hints -------------------------------------------------------------------------------------------------------------------

MODULES = ("keras", "torchkeras", *(n for n, v in vars(keras).items() if isinstance(v, types.ModuleType) and not n.startswith("_")))
INSTANCES = {"model": keras.Model, "layer": keras.Layer, "optimizer": keras.Optimizer, "metric": keras.Metric, "self": keras.Layer}
ROOTS = "|".join((*MODULES, *INSTANCES))
INSTANCE_ATTRIBUTES = {"supports_masking", "optimizer", "built", "to", "grad"}  # which `dir` of the class does not list


def texts(path: Path):
    """The strings in what a file raises, warns of and says on the way there."""
    for node in ast.walk(ast.parse(path.read_text())):
        call = node.exc if isinstance(node, ast.Raise) else node if isinstance(node, ast.Call) else None
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") != "warn":
            continue
        for part in ast.walk(call) if call is not None else ():
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield part.lineno, part.value


def named(text: str):
    """The dotted names in backticks that begin with a module of ours or with a model, layer, optimizer or metric."""
    for code in re.findall(r"`([^`\n]+)`", text):
        yield from re.findall(rf"(?<![\w.'\"/])((?:{ROOTS})(?:\.[A-Za-z_]\w*)+)", code)


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_messages_name_only_what_there_is(path):
    wrong = []
    for line, text in texts(path):
        for name in named(text):
            first, *rest = name.split(".")
            found = INSTANCES.get(first) or (keras if first in ("keras", "torchkeras") else getattr(keras, first))
            if first in INSTANCES and rest[0] not in dir(found):
                rest = [] if rest[0] in INSTANCE_ATTRIBUTES else rest
            for part in rest:
                found = getattr(found, part, None)
            if rest and found is None:
                wrong.append(f"{path.relative_to(ROOT)}:{line}: {name}")
    assert not wrong
