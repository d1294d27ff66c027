import pytest

from torchkeras import layers, registry
from torchkeras.configurable import Configurable, deserialize_keras_object, serialize_keras_object


class Thing(Configurable):
    def __init__(self, size, *, scale=1.0):
        self.scaled = size * scale


def test_a_users_class_is_found_without_registration():
    data = serialize_keras_object(Thing(3, scale=2.0))
    assert data["config"] == {"size": 3, "scale": 2.0}
    assert deserialize_keras_object(data).scaled == 6.0


def test_scopes_come_first_and_end():
    class Other(Thing):
        pass

    data = {"module": "elsewhere", "class_name": "Known", "config": {"size": 1}, "registered_name": "Known"}
    with pytest.raises(ValueError, match="Unknown class 'Known'.*define or import it before loading, or pass it"):
        deserialize_keras_object(data)
    with registry.custom_object_scope({"Known": Thing}):
        with registry.custom_object_scope({"Known": Other}):
            assert type(deserialize_keras_object(data)) is Other
        assert type(deserialize_keras_object(data)) is Thing
    assert type(deserialize_keras_object(data, custom_objects={"Known": Other})) is Other
    with pytest.raises(ValueError, match="Unknown class"):
        deserialize_keras_object(data)


def test_registered_names():
    @registry.register_keras_serializable("pack", "renamed")
    class Mine(Thing):
        pass

    try:
        data = serialize_keras_object(Mine(2))
        assert data["registered_name"] == "pack>renamed" == registry.get_registered_name(Mine)
        assert registry.get_registered_object("pack>renamed") is Mine and type(deserialize_keras_object(data)) is Mine
    finally:
        del registry.get_custom_objects()["pack>renamed"]
    with pytest.raises(ValueError, match="needs a `get_config"):
        registry.register_keras_serializable()(int)


@pytest.mark.parametrize(
    ("given", "snake"),
    [("Dense", "dense"), ("MaxPooling2D", "max_pooling2d"), ("LSTM", "lstm"), ("GroupedQueryAttention", "grouped_query_attention")],
)
def test_snake_case(given, snake):
    assert registry.snake_case(given) == snake


def test_names_are_numbered_per_class():
    registry.reset_names()
    assert [layers.Dense(1).name for _ in range(3)] == ["dense", "dense_1", "dense_2"]


def test_near_matches():
    assert registry.near_matches("rellu", ["relu", "tanh"]) == " Did you mean 'relu'?"
    assert registry.near_matches("zzz", ["relu"]) == ""
