"""Images between arrays, Pillow and files, against real Keras."""

import io

import numpy as np
import pytest

from tests.oracle import keras
from torchkeras import utils


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_arrays_to_images_and_back(channels, scale, data_format):
    x = np.random.default_rng(0).uniform(0, 255, (6, 5, channels)).astype("float32")
    x = x if data_format == "channels_last" else x.transpose(2, 0, 1)
    ours, theirs = (u.array_to_img(x, data_format=data_format, scale=scale) for u in (utils, keras.utils))
    assert ours.mode == theirs.mode and ours.size == theirs.size
    assert np.abs(np.asarray(ours, "float32") - np.asarray(theirs, "float32")).max() <= 1  # a value that rounding splits
    back = utils.img_to_array(theirs, data_format=data_format)
    np.testing.assert_array_equal(back, keras.utils.img_to_array(theirs, data_format=data_format))
    assert back.dtype == np.float32 and back.shape == x.shape


@pytest.mark.parametrize("color_mode", ["grayscale", "rgb", "rgba"])
@pytest.mark.parametrize(
    "options",
    [{}, {"target_size": (4, 9)}, {"target_size": (9, 4), "interpolation": "bilinear", "keep_aspect_ratio": True}],
)
def test_files(tmp_path, color_mode, options):
    x = np.random.default_rng(0).uniform(0, 255, (12, 10, 3))
    path = tmp_path / "x.png"
    utils.save_img(path, x)
    ours, theirs = (u.load_img(path, color_mode=color_mode, **options) for u in (utils, keras.utils))
    assert ours.mode == theirs.mode
    np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def test_a_jpeg_has_no_transparency_and_a_stream_no_extension(tmp_path):
    x = np.random.default_rng(0).uniform(0, 255, (8, 8, 4))
    utils.save_img(tmp_path / "x.jpg", x)
    assert utils.load_img(tmp_path / "x.jpg").size == (8, 8)
    stream = io.BytesIO()
    utils.save_img(stream, x[..., :3], file_format="png")
    assert utils.load_img(io.BytesIO(stream.getvalue())).size == (8, 8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: utils.array_to_img(np.ones((3, 3))), r"`x` must be one image of height, width and channels. Received: x.shape=\(3, 3\)"),
        (lambda p: utils.array_to_img(np.ones((3, 3, 2))), "`x` must have 1, 3 or 4 channels .* Received: 2"),
        (lambda p: utils.load_img(p, color_mode="cmyk"), "`color_mode` must be one of grayscale, rgb, rgba. Received: color_mode='cmyk'"),
        (lambda p: utils.load_img(p, interpolation="area"), "`interpolation` must be one of nearest, .* Received: interpolation='area'"),
    ],
)
def test_bad_arguments(tmp_path, call, message):
    with pytest.raises(ValueError, match=message):
        call(tmp_path / "x.png")
