"""The same images from the same factors as real Keras, the same distribution of factors, and the same configs."""

import inspect

import numpy as np
import pytest
import torch

from tests.oracle import keras
from torchkeras import layers

from .cases import ALL, GIVEN_FACTORS

IMAGES = (np.random.default_rng(0).random((3, 12, 15, 3)) * 255).astype("float32")


def both(name, arguments):
    return getattr(layers, name)(**arguments), getattr(keras.layers, name)(**arguments)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize(("name", "arguments"), GIVEN_FACTORS, ids=str)
def test_images_from_the_same_factors(name, arguments, data_format):
    ours, theirs = both(name, {**arguments, "data_format": data_format})
    last = data_format == "channels_last"
    x = torch.from_numpy(IMAGES if last else np.ascontiguousarray(IMAGES.transpose(0, 3, 1, 2)))
    drawn = theirs.get_random_transformation(x, training=True)
    expected = theirs.transform_images(x.clone(), drawn, training=True)
    if not last and isinstance(drawn, dict):  # ours are of channels_last in both formats
        drawn = {k: v.permute(0, 2, 3, 1) if k in ("batch_masks", "fill_value") else v for k, v in drawn.items()}
    torch.testing.assert_close(ours.transform_images(x, drawn, training=True), expected, atol=2e-3, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("AutoContrast", {}), ("AutoContrast", {"value_range": (0, 300)}), ("Equalization", {}), ("Equalization", {"bins": 20}),
        # Keras's torch backend rounds the limit down to a whole number, and repeats the edge where more than one row is missing.
        ("ContrastLimitedAdaptiveHistogramEqualization", {"clip_limit": 0.0, "tile_grid_size": (3, 4)}),
        ("ContrastLimitedAdaptiveHistogramEqualization", {"clip_limit": 128.0, "tile_grid_size": (6, 5)}),
        ("ContrastLimitedAdaptiveHistogramEqualization", {"clip_limit": 64.0, "tile_grid_size": (6, 4)}),
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:Tensor.T is deprecated")  # Keras
def test_histograms(name, arguments):
    ours, theirs = both(name, arguments)
    x = torch.from_numpy(IMAGES)
    expected = theirs.transform_images(x.clone(), None, training=True)
    torch.testing.assert_close(ours(x, training=True), expected, atol=1e-3, rtol=1e-4)


def numbers(drawn):
    if isinstance(drawn, dict):
        return {
            k: np.asarray(v, "float64") for k, v in drawn.items() if isinstance(v, torch.Tensor) and k not in ("batch_masks", "fill_value")
        }
    return {"": np.asarray(drawn, "float64")}


@pytest.mark.parametrize(("name", "arguments"), [c for c in GIVEN_FACTORS if c[0] != "RandomGaussianBlur"], ids=str)
def test_factors_have_the_same_distribution(name, arguments):
    ours, theirs = both(name, arguments)
    x = torch.zeros(2000, 4, 6, 3)
    mine, real = numbers(ours.get_random_transformation(x)), numbers(theirs.get_random_transformation(x))
    for key in set(mine) & set(real):
        a, b = (v.reshape(2000, -1) for v in (mine[key], real[key]))
        spread = b.std() + 1e-6
        if key != "permutation_order":
            assert abs(a.mean() - b.mean()) < 0.15 * spread, key
            assert abs(a.std() - b.std()) < 0.15 * spread, key
        assert abs(a.min() - b.min()) < 0.2 * spread, key
        assert abs(a.max() - b.max()) < 0.2 * spread, key
    assert set(mine) & set(real) or name == "RandomGrayscale"


@pytest.mark.parametrize(("name", "arguments"), ALL, ids=str)
def test_configs(name, arguments):
    ours, theirs = both(name, arguments)
    mine, real = ours.get_config(), theirs.get_config()
    for config in (mine, real):
        config.pop("name"), config.pop("dtype")
        if name == "RandomCrop":
            config.pop("seed")  # Keras draws one where none is given
    mine, real = ({k: list(v) if isinstance(v, tuple) else v for k, v in config.items()} for config in (mine, real))
    more = {"RandomGrayscale": {"seed"}, "MaxNumBoundingBoxes": {"fill_value"}}  # Keras's configs lose these
    assert set(mine) - set(real) == more.get(name, set())
    assert {k: mine[k] for k in real} == real
    names, wanted = (list(inspect.signature(type(layer).__init__).parameters) for layer in (ours, theirs))
    assert [n for n in wanted if n in names] == wanted


def test_a_limit_between_whole_numbers_holds():
    layer = layers.ContrastLimitedAdaptiveHistogramEqualization(clip_limit=4.0, tile_grid_size=(1, 1))
    x = (torch.arange(16.0) * 16).reshape(1, 4, 4, 1)
    counts = torch.zeros(256).index_fill_(0, x.flatten().long(), 0.25) + 12 / 256  # 16 pixels, at most 4 * 16 / 256 each
    table = (counts.cumsum(0) - counts[0]) / (16 - counts[0]) * 255
    torch.testing.assert_close(layer(x), table[x.long()])
