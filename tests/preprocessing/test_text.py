"""Words as numbers, counted as Keras's older preprocessing counts them."""

import json

import numpy as np
import pytest

from tests.oracle import keras
from torchkeras.preprocessing import text as mine

theirs = keras.src.legacy.preprocessing.text

TEXTS = ["The cat sat; the dog ran.", "a Dog\tand a cat!", "", "nothing of the kind"]
NEW = ["the bird and the cat", "no such words", "", "A a A"]


@pytest.mark.parametrize(
    "arguments",
    [{}, {"num_words": 5}, {"oov_token": "<oov>"}, {"oov_token": "<oov>", "num_words": 4}, {"char_level": True, "lower": False},
     {"filters": "", "lower": False}, {"analyzer": lambda text: text.split("a")}, {"split": "t"}],
)  # fmt: skip
def test_a_tokenizer_counts_as_keras_does(arguments):
    pair = [module.Tokenizer(**arguments) for module in (mine, theirs)]
    for tokenizer in pair:
        tokenizer.fit_on_texts(TEXTS[:2])
        tokenizer.fit_on_texts([*TEXTS[2:], ["a", "List"]])
        tokenizer.fit_on_sequences([[1, 2, 2], [3]])
    for name in ("word_index", "index_word", "word_counts", "word_docs", "index_docs", "document_count"):
        assert getattr(pair[0], name) == getattr(pair[1], name), name
    sequences = [tokenizer.texts_to_sequences([*NEW, ["the", "LIST"]]) for tokenizer in pair]
    assert sequences[0] == sequences[1]
    assert pair[0].sequences_to_texts([[1, 2, 99], [3]]) == pair[1].sequences_to_texts([[1, 2, 99], [3]])
    for mode in ("binary", "count", "freq", "tfidf"):
        np.testing.assert_allclose(pair[0].texts_to_matrix(NEW, mode), pair[1].texts_to_matrix(NEW, mode))
    config, expected = (json.loads(tokenizer.to_json(sort_keys=True)) for tokenizer in pair)
    assert config["class_name"] == "Tokenizer" and config["config"].keys() == expected["config"].keys()
    assert mine.tokenizer_from_json(pair[1].to_json()).texts_to_sequences(NEW) == sequences[1][: len(NEW)] or "analyzer" in arguments


@pytest.mark.parametrize("arguments", [{}, {"filters": "", "lower": False}, {"split": ","}])
def test_words_and_hashes_are_keras_s(arguments):
    for given in TEXTS:
        assert mine.text_to_word_sequence(given, **arguments) == theirs.text_to_word_sequence(given, **arguments)
        assert mine.hashing_trick(given, 20, "md5", **arguments) == theirs.hashing_trick(given, 20, "md5", **arguments)
        assert mine.one_hot(given, 20, **arguments) == theirs.one_hot(given, 20, **arguments)
    assert mine.hashing_trick("a b", 9, len, analyzer=str.split) == theirs.hashing_trick("a b", 9, len, analyzer=str.split)


def test_mistakes_are_named():
    with pytest.warns(DeprecationWarning, match="`num_words`"):
        assert mine.Tokenizer(nb_words=3).num_words == 3
    with pytest.raises(TypeError, match="unexpected arguments: words"):
        mine.Tokenizer(words=3)
    with pytest.raises(ValueError, match="knows no number of words: call `fit_on_texts`"):
        mine.Tokenizer().texts_to_matrix(["a"])
    with pytest.raises(ValueError, match="`mode` must be one of binary, count, freq, tfidf"):
        mine.Tokenizer(5).texts_to_matrix(["a"], "counts")
    with pytest.raises(ValueError, match="'tfidf' needs counted texts"):
        mine.Tokenizer(5).texts_to_matrix(["a"], "tfidf")
    with pytest.raises(ValueError, match="`hash_function` must be a function, 'md5' or None"):
        mine.hashing_trick("a", 5, "sha")
