"""Windows of series and pairs of words, against Keras's older preprocessing."""

import json
import random

import numpy as np
import pytest

import torchkeras
from tests.oracle import keras
from torchkeras.preprocessing import sequence as mine

theirs = keras.src.legacy.preprocessing.sequence

SERIES = np.random.default_rng(0).normal(size=(40, 2))


@pytest.mark.parametrize(
    "arguments",
    [{}, {"sampling_rate": 2, "batch_size": 7}, {"stride": 3, "batch_size": 4}, {"start_index": 5, "end_index": 30, "batch_size": 8},
     {"reverse": True, "batch_size": 5}, {"shuffle": True, "batch_size": 6}],
)  # fmt: skip
def test_the_windows_are_keras_s(arguments):
    pair = [module.TimeseriesGenerator(SERIES, SERIES[:, 0], length=6, **arguments) for module in (mine, theirs)]
    assert len(pair[0]) == len(pair[1])
    for index in range(len(pair[0])):
        batches = []
        for generator in pair:
            np.random.seed(index)
            batches.append(generator[index])
        for ours, expected in zip(*batches):
            np.testing.assert_array_equal(ours, expected)
    config = json.loads(pair[0].to_json())["config"]
    assert all(config[name] == getattr(pair[1], name) for name in ("length", "stride", "start_index", "end_index", "shuffle", "batch_size"))
    np.testing.assert_array_equal(json.loads(config["data"]), SERIES)


def test_a_model_learns_a_series_from_its_windows():
    series = np.sin(np.arange(200) / 5).astype("float32")[:, None]
    batches = mine.TimeseriesGenerator(series, series[:, 0], length=8, batch_size=32)
    torchkeras.utils.set_random_seed(0)
    model = torchkeras.Sequential([torchkeras.Input((8, 1)), torchkeras.layers.Flatten(), torchkeras.layers.Dense(1)])
    model.compile(torchkeras.optimizers.Adam(0.05), "mse")
    assert model.fit(batches, epochs=15, verbose=0).history["loss"][-1] < 0.01


def test_a_window_must_fit():
    with pytest.raises(ValueError, match="`data` and `targets` must have one length. Received: 4 steps and 3 targets"):
        mine.TimeseriesGenerator([1, 2, 3, 4], [1, 2, 3], length=2)
    with pytest.raises(ValueError, match="`length` must leave a step to predict.*length=5"):
        mine.TimeseriesGenerator([1, 2, 3], [1, 2, 3], length=5)


@pytest.mark.parametrize(
    "arguments",
    [{"seed": 1}, {"window_size": 2, "negative_samples": 0, "seed": 2}, {"negative_samples": 2.5, "categorical": True, "seed": 3},
     {"shuffle": False, "sampling_table": mine.make_sampling_table(12, 0.5)}],
)  # fmt: skip
def test_pairs_of_words_are_keras_s(arguments):
    results = []
    for module in (mine, theirs):
        random.seed(1)
        results.append(module.skipgrams([1, 4, 0, 2, 9, 11, 4, 3], 12, **arguments))
    assert results[0] == results[1]
    np.testing.assert_allclose(mine.make_sampling_table(20), theirs.make_sampling_table(20))
