"""Hashing, lookups and TextVectorization against the values in Keras's documentation (Keras itself needs TensorFlow for them), and texts
through whole models."""

from __future__ import annotations

import json
import math
import pickle
import zipfile
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import torchkeras
from torchkeras import layers
from torchkeras.layers.preprocessing.fingerprints import farmhash64, siphash64

LETTERS = [["A"], ["B"], ["C"], ["D"], ["E"]]
TEXTS = np.array(["good film", "bad film", "a good, GOOD story!", "so bad", "bad bad acting", "good fun"])
LIKED = np.array([1, 0, 1, 0, 0, 1], "float32")


def test_fingerprints_are_those_of_the_reference_libraries() -> None:
    data = [bytes(range(n)) for n in (0, 1, 3, 4, 7, 8, 16, 17, 32, 33, 64, 65, 128, 129, 200)]
    assert farmhash64(data).tolist() == FARMHASH  # pyfarmhash 0.5.1
    assert siphash64(data, (133, 137)).tolist() == SIPHASH  # siphash24 1.9


@pytest.mark.parametrize(
    "arguments, expected",
    [
        ({}, [1, 0, 1, 1, 2]),
        ({"salt": [133, 137]}, [1, 2, 1, 0, 2]),
        ({"salt": 133}, [0, 0, 2, 1, 0]),
        ({"mask_value": "C"}, [1, 1, 0, 2, 1]),
    ],
)
def test_hashing_gives_the_bins_of_the_documentation(arguments: Any, expected: list[int]) -> None:
    bins = layers.Hashing(3, **arguments)(LETTERS)
    assert (bins.dtype, bins.flatten().tolist()) == (torch.int64, expected)
    one_hot = layers.Hashing(3, output_mode="one_hot", **arguments)(np.array(LETTERS))
    np.testing.assert_array_equal(one_hot.numpy(), np.eye(3, dtype="float32")[expected])


def test_hashed_crossing_gives_the_bins_of_the_documentation() -> None:
    features = (np.array(["A", "B", "A", "B", "A"]), np.array([101, 101, 101, 102, 102]))
    assert layers.HashedCrossing(5)(features).tolist() == [1, 4, 1, 1, 3]
    crossed = layers.HashedCrossing(5, output_mode="one_hot")([f[:, None] for f in features])
    np.testing.assert_array_equal(crossed.numpy(), np.eye(5, dtype="float32")[[1, 4, 1, 1, 3]])


IDF = [0.25, 0.75, 0.6, 0.4]
STRINGS, NUMBERS = ["a", "b", "c", "d"], [12, 36, 1138, 42]


@pytest.mark.parametrize("kind", ["StringLookup", "IntegerLookup"])
@pytest.mark.parametrize(
    "arguments, expected",
    [
        ({}, [[1, 3, 4, 4], [4, 0, 2, 0]]),
        ({"mask_token": "m"}, [[2, 4, 5, 5], [5, 0, 3, 0]]),
        ({"output_mode": "multi_hot"}, [[0, 1, 0, 1, 1], [1, 0, 1, 0, 1]]),
        ({"output_mode": "count"}, [[0, 1, 0, 1, 2], [2, 0, 1, 0, 1]]),
        ({"output_mode": "count", "mask_token": "m"}, [[0, 1, 0, 1, 2], [0, 0, 1, 0, 1]]),
        ({"output_mode": "tf_idf", "idf_weights": IDF}, [[0, 0.25, 0, 0.6, 0.8], [1.0, 0, 0.75, 0, 0.4]]),
        ({"output_mode": "multi_hot", "pad_to_max_tokens": True, "max_tokens": 6}, [[0, 1, 0, 1, 1, 0], [1, 0, 1, 0, 1, 0]]),
    ],
)
def test_lookups_give_the_values_of_the_documentation(kind: str, arguments: dict[str, Any], expected: Any) -> None:
    strings = kind == "StringLookup"
    data = [["a", "c", "d", "d"], ["d", "z", "b", "z"]] if strings else np.array([[12, 1138, 42, 42], [42, 7, 36, 7]])
    if "mask_token" in arguments:
        arguments = {**arguments, "mask_token": "z" if strings else 7}
    layer = getattr(layers, kind)(vocabulary=STRINGS if strings else NUMBERS, **arguments)
    got = layer(data)
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-6)
    again = type(layer).from_config(layer.get_config())
    torch.testing.assert_close(again(data), got)
    spec = layer(torchkeras.Input((4,), dtype="string" if strings else "int64"))
    assert (spec.shape[1:], spec.dtype) == (tuple(got.shape[1:]), str(got.dtype).removeprefix("torch."))


def test_indices_out_of_vocabulary_are_shared_by_hash() -> None:
    assert layers.StringLookup(vocabulary=STRINGS, num_oov_indices=2)(["a", "m", "z", "b"]).tolist() == [2, 0, 1, 3]
    assert layers.IntegerLookup(vocabulary=NUMBERS, num_oov_indices=2)([12, 37, 1000, 36]).tolist() == [2, 1, 0, 3]
    hashed = layers.IntegerLookup(vocabulary=[10, 20, 30], num_oov_indices=4, oov_method="farmhash")
    assert hashed([100, 300, 700, 1100, 1700, 2000]).tolist() == [3, 3, 2, 2, 0, 1]


@pytest.mark.parametrize("kind", ["StringLookup", "IntegerLookup"])
def test_adapted_vocabularies_are_in_the_order_of_the_documentation(kind: str) -> None:
    strings = kind == "StringLookup"
    data = np.array([["a", "c", "d"], ["d", "z", "b"]] if strings else [[12, 1138, 42], [42, 1000, 36]])
    expected = ["[UNK]", "d", "z", "c", "b", "a"] if strings else [-1, 42, 1138, 1000, 36, 12]
    for given in (data, data.tolist(), iter([data[:1], data[1:]])):
        layer = getattr(layers, kind)()
        layer.adapt(given)
        assert layer.get_vocabulary() == expected
    back = getattr(layers, kind)(vocabulary=layer.get_vocabulary(), invert=True)
    np.testing.assert_array_equal(np.asarray(back(layer(data))), data)
    smaller = getattr(layers, kind)(max_tokens=3)
    smaller.adapt(data)
    assert smaller.get_vocabulary() == expected[:3]


def test_texts_give_the_values_of_the_documentation() -> None:
    layer = layers.TextVectorization(max_tokens=5000, output_sequence_length=4)
    layer.adapt(["foo bar", "bar baz", "baz bada boom"])
    assert layer.get_vocabulary() == ["", "[UNK]", "baz", "bar", "foo", "boom", "bada"]
    assert layer([["foo qux bar"], ["qux baz"]]).tolist() == [[4, 1, 3, 0], [1, 2, 0, 0]]
    assert layer("foo qux").tolist() == [4, 1, 0, 0]


@pytest.mark.parametrize(
    "arguments, text, tokens",
    [
        ({}, "It's GOOD, very-good!", ["its", "good", "verygood"]),
        ({"standardize": "lower"}, "It's GOOD", ["it's", "good"]),
        ({"standardize": "strip_punctuation"}, "It's GOOD", ["Its", "GOOD"]),
        ({"standardize": None}, "It's  GOOD\n", ["It's", "GOOD"]),
        ({"standardize": lambda x: np.char.replace(x, "x", "y")}, "ax xb", ["ay", "yb"]),
        ({"split": "character"}, "Ab!", ["a", "b"]),
        ({"split": None}, "a b", ["a b"]),
        ({"split": lambda x: [s.split("-") for s in x], "standardize": None}, "a-b", ["a", "b"]),
        ({"ngrams": 2}, "a b c", ["a", "b", "c", "a b", "b c"]),
        ({"ngrams": (3, 1)}, "a b c", ["a b c", "a", "b", "c"]),
    ],
)
def test_tokens_of_a_text(arguments: dict[str, Any], text: str, tokens: list[str]) -> None:
    layer = layers.TextVectorization(vocabulary=sorted(set(tokens)), **arguments)
    vocabulary = layer.get_vocabulary()
    assert [vocabulary[i] for i in layer([text]).flatten().tolist()] == tokens
    learned = layers.TextVectorization(**arguments)
    learned.adapt([text])
    assert sorted(learned.get_vocabulary()) == sorted(vocabulary)


@pytest.mark.parametrize("mode", ["multi_hot", "count", "tf_idf"])
def test_vectors_of_texts(mode: str) -> None:
    layer = layers.TextVectorization(output_mode=mode)
    layer.adapt(["a b b", "b c"], batch_size=1)
    assert layer.get_vocabulary() == ["[UNK]", "b", "c", "a"]
    idf = {t: math.log(1 + 2 / (1 + n)) for t, n in (("b", 2), ("c", 1), ("a", 1))}
    row = {"multi_hot": [1, 1, 0, 1], "count": [1, 2, 0, 1], "tf_idf": [sum(idf.values()) / 3, 2 * idf["b"], 0, idf["a"]]}[mode]
    np.testing.assert_allclose(layer(["b a b x", ""]).numpy(), [row, [0, 0, 0, 0]], rtol=1e-6)


def _classifier(mode: str) -> Any:
    vectorize = layers.TextVectorization(output_mode=mode)
    vectorize.adapt(TEXTS)
    x = torchkeras.Input((1,), dtype="string")
    y = vectorize(x)
    if mode == "int":
        y = layers.GlobalAveragePooling1D()(layers.Embedding(vectorize.vocabulary_size(), 8)(y))
    model = torchkeras.Model(x, layers.Dense(1, activation="sigmoid")(y))
    model.compile(torchkeras.optimizers.Adam(0.1), "binary_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.parametrize("mode", ["int", "tf_idf"])
def test_a_model_on_raw_texts_learns_is_saved_and_loaded(mode: str, tmp_path: Any) -> None:
    torchkeras.utils.set_random_seed(0)
    model = _classifier(mode)
    history = model.fit(TEXTS, LIKED, batch_size=2, epochs=25, verbose=0)
    assert history.history["accuracy"][-1] == 1
    expected = model.predict(TEXTS, verbose=0)
    for given in (TEXTS[:, None], TEXTS.astype(object), TEXTS.tolist(), torchkeras.tree.flatten(TEXTS.tolist())):
        np.testing.assert_allclose(model.predict(given, verbose=0), expected, rtol=1e-6)
    loader = DataLoader(list(zip(TEXTS.tolist(), LIKED)), batch_size=4)
    assert model.evaluate(loader, verbose=0)[1] == 1
    np.testing.assert_allclose(model(TEXTS[:, None]).detach().numpy(), expected, rtol=1e-6)
    model.save(tmp_path / "m.keras")
    loaded = torchkeras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(loaded.predict(TEXTS, verbose=0), expected, rtol=1e-6)


class _Subclassed(torchkeras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.vectorize = layers.TextVectorization(output_mode="count")
        self.vectorize.adapt(TEXTS)
        self.dense = layers.Dense(1)

    def call(self, inputs: Any) -> Any:
        return self.dense(self.vectorize(inputs))


def _sequential(*first: Any) -> Any:
    vectorize = layers.TextVectorization(output_mode="count")
    vectorize.adapt(TEXTS)
    return torchkeras.Sequential([*first, vectorize, layers.Dense(1)])


@pytest.mark.parametrize(
    "make",
    [_Subclassed, _sequential, *(lambda s=s: _sequential(layers.Input(s, dtype="string")) for s in ((1,), ()))],
)
def test_every_kind_of_model_takes_texts(make: Any) -> None:
    model = make()
    model.compile("adam", "mse")
    model.fit(TEXTS, LIKED, batch_size=2, validation_split=0.34, verbose=0)
    assert model.predict(TEXTS, verbose=0).shape == (6, 1)
    assert np.isfinite(float(model.train_on_batch(TEXTS, LIKED)))


def test_texts_beside_numbers_in_a_dict() -> None:
    vectorize = layers.TextVectorization(output_mode="count")
    vectorize.adapt(TEXTS)
    text, number = torchkeras.Input((1,), dtype="string"), torchkeras.Input((2,))
    model = torchkeras.Model({"t": text, "n": number}, layers.Dense(1)(layers.Concatenate()([vectorize(text), number])))
    model.compile("adam", "mse")
    data = {"t": TEXTS, "n": np.ones((6, 2), "float32")}
    model.fit(data, LIKED, verbose=0)
    expected = model.predict(data, verbose=0)
    np.testing.assert_allclose(pickle.loads(pickle.dumps(model)).predict(data, verbose=0), expected)
    assert torchkeras.models.clone_model(model).predict(data, verbose=0).shape == (6, 1)


def test_the_vocabulary_that_keras_keeps_beside_the_config_is_read(tmp_path: Any) -> None:
    model = _classifier("tf_idf")
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive, zipfile.ZipFile(tmp_path / "k.keras", "w") as theirs:
        assert "assets/layers/text_vectorization/vocabulary.txt" in archive.namelist()
        for name in archive.namelist():
            data = archive.read(name)
            if name == "config.json":  # as Keras writes it for a vocabulary that was learned
                vocabulary = model.layers[1].get_config()
                for key in ("vocabulary", "idf_weights"):
                    text = json.dumps(vocabulary[key]).encode()
                    assert text in data
                    data = data.replace(text, b"null")
            theirs.writestr(name, data)
    loaded = torchkeras.models.load_model(tmp_path / "k.keras")
    assert loaded.layers[1].get_vocabulary() == model.layers[1].get_vocabulary()
    np.testing.assert_allclose(loaded.predict(TEXTS, verbose=0), model.predict(TEXTS, verbose=0), rtol=1e-6)


def test_a_vocabulary_file_is_read_for_code_and_not_for_a_config(tmp_path: Any) -> None:
    file = tmp_path / "words.txt"
    file.write_text("a\nb\n")
    layer = layers.StringLookup(vocabulary=str(file))
    assert layer.get_vocabulary() == ["[UNK]", "a", "b"]
    assert layer.get_config()["vocabulary"] == ["a", "b"]
    for cls in (layers.StringLookup, layers.IntegerLookup, layers.TextVectorization):
        with pytest.raises(ValueError, match="names a vocabulary file"):
            cls.from_config({"name": "x", "vocabulary": str(file)})


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: layers.StringLookup()(["a"]), "Call `adapt` on data first"),
        (lambda: layers.TextVectorization()(["a"]), "Call `adapt` on data first"),
        (lambda: layers.StringLookup(vocabulary=["a"], num_oov_indices=0)(["b"]), r"no index for strings out of its vocabulary.*\['b'\]"),
        (lambda: layers.StringLookup(vocabulary=["a", "a"]), r"must hold each token once.*\['a'\]"),
        (lambda: layers.StringLookup(vocabulary=["a", "[UNK]"]), "in front, or none of them"),
        (lambda: layers.StringLookup(vocabulary=["a", "b"], max_tokens=2), "must fit into `max_tokens`"),
        (lambda: layers.StringLookup(vocabulary=["a"])(np.ones(3)), "must be strings. Received: float32"),
        (lambda: layers.StringLookup(vocabulary=["a"])(["a", None]), "must be strings. Received: None"),
        (lambda: layers.StringLookup(vocabulary="nowhere.txt"), "tokens or the path of a text file"),
        (lambda: layers.StringLookup(vocabulary=["a"], output_mode="tf_idf"), "`idf_weights` must be given"),
        (lambda: layers.StringLookup(invert=True, output_mode="count"), "must be 'int' where `invert` is True"),
        (lambda: layers.IntegerLookup(vocabulary=[1])(np.array(["a"])), "must be whole numbers"),
        (lambda: layers.Hashing(3)(np.ones(3)), "must be strings or whole numbers"),
        (lambda: layers.Hashing(0), "`num_bins` must be a positive whole number"),
        (lambda: layers.HashedCrossing(3)(np.ones(3)), "must be a list of two or more arrays"),
        (lambda: layers.TextVectorization(standardize="upper"), "`standardize` must be one of"),
        (lambda: layers.TextVectorization(vocabulary=["a"])([["a", "b"]]), r"shape \(batch,\) or \(batch, 1\)"),
        (lambda: layers.Dense(1)(TEXTS), "must be numbers. Received strings"),
        (lambda: torchkeras.Sequential([layers.Input((1,)), layers.Dense(1)]).predict(TEXTS), "must be numbers. Received strings"),
        (lambda: _classifier("int").fit(TEXTS, TEXTS, verbose=0), "`y` must hold numbers"),
    ],
)
def test_errors_say_what_to_do(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


FARMHASH = [
    11160318154034397263,
    13718060045003475796,
    10709908609026466970,
    9421527712639018304,
    11736591675260184225,
    12491318377461660568,
    1080060857502750420,
    13526182118996909852,
    1917831512995979081,
    16750416167695635022,
    17691551913807367243,
    14313328211205373374,
    2037963038260878803,
    14883169112474847294,
    525935771297148851,
]
SIPHASH = [
    4928313950774450900,
    2605126819953502371,
    12776144194013509075,
    10749154045317483445,
    12873585230151678840,
    255740525574497556,
    10508194370231442311,
    2973539158003587434,
    17648024533461265917,
    16838736549287816339,
    1168865381104070824,
    6990717496060839801,
    9794212474692692007,
    6015333485148530134,
    5213309504701081365,
]
