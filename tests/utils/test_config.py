"""Config, as real Keras's."""

import copy
import json
import pickle

import pytest

from torchkeras.utils import Config


def test_values_by_attribute_and_by_name():
    config = Config(a=1)
    config.b, config["c"] = 2, 3
    assert (config.a, config["b"], config.c) == (1, 2, 3)
    assert list(config) == list(config.keys()) == ["a", "b", "c"] and len(config) == 3 and "b" in config
    assert list(config.values()) == [1, 2, 3] and dict(config.items()) == config.as_dict() == json.loads(config.to_json())
    assert config.get("x", 4) == 4 and config.pop("a") == 1
    config.update({"d": 5}, e=6)
    del config.b
    del config["c"]
    assert config.as_dict() == {"d": 5, "e": 6} and repr(config) == "<Config {'d': 5, 'e': 6}>"


@pytest.mark.parametrize(
    "change",
    [
        lambda c: setattr(c, "a", 2),
        lambda c: c.__setitem__("a", 2),
        lambda c: delattr(c, "a"),
        lambda c: c.__delitem__("a"),
        lambda c: c.pop("a"),
        lambda c: c.update(b=1),
    ],
)
def test_a_frozen_config_refuses_changes(change):
    config = Config(a=1)
    config.freeze()
    with pytest.raises(ValueError, match="frozen. Call `unfreeze"):
        change(config)
    assert config.frozen and config.as_dict() == {"a": 1}
    config.unfreeze()
    change(config)


def test_an_unknown_value():
    with pytest.raises(AttributeError, match="no value 'b'. It has: a"):
        Config(a=1).b
    with pytest.raises(KeyError, match="b"):
        Config(a=1)["b"]


def test_copies_and_pickles():
    config = Config(a=[1])
    config.freeze()
    for twin in (copy.deepcopy(config), pickle.loads(pickle.dumps(config))):
        assert twin == config and twin.frozen and twin.a is not config.a
