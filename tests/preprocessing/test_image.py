"""Images in another size without distortion, against Keras."""

import numpy as np
import pytest
import torch

import torchkeras
from tests.oracle import keras


@pytest.mark.parametrize("shape", [(34, 50, 3), (2, 20, 11, 3), (9, 9, 1)])
@pytest.mark.parametrize("size", [(12, 20), (15, 15), (40, 10)])
@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
def test_smart_resize_is_keras_s(shape, size, interpolation):
    images = np.random.default_rng(0).uniform(0, 255, shape).astype("float32")
    for given in (images, images.astype("uint8")):
        ours = torchkeras.preprocessing.image.smart_resize(given, size, interpolation)
        expected = keras.preprocessing.image.smart_resize(given.astype("float32"), size, interpolation)
        assert isinstance(ours, np.ndarray) and ours.dtype == "float32"
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-3)
    channels_first = torch.as_tensor(np.moveaxis(images, -1, -3))
    turned = torchkeras.preprocessing.image.smart_resize(channels_first, size, interpolation, data_format="channels_first")
    assert isinstance(turned, torch.Tensor) and tuple(turned.shape[-2:]) == size
    np.testing.assert_allclose(
        np.moveaxis(turned.numpy(), -3, -1), keras.preprocessing.image.smart_resize(images, size, interpolation), rtol=1e-4, atol=1e-3
    )


def test_what_is_no_image_is_refused():
    with pytest.raises(ValueError, match="`x` must be one image or a batch of images"):
        torchkeras.preprocessing.image.smart_resize(np.zeros((4, 4)), (2, 2))
    with pytest.raises(ValueError, match="`size` must be a height and a width"):
        torchkeras.preprocessing.image.smart_resize(np.zeros((4, 4, 3)), (2,))
    with pytest.raises(TypeError, match="unexpected arguments: antialias"):
        torchkeras.preprocessing.image.smart_resize(np.zeros((4, 4, 3)), (2, 2), antialias=True)


def test_the_names_of_utils_are_here_too():
    image = torchkeras.preprocessing.image
    for name in ("array_to_img", "img_to_array", "load_img", "save_img"):
        assert getattr(image, name) is getattr(torchkeras.utils, name)
    assert torchkeras.preprocessing.sequence.pad_sequences is torchkeras.utils.pad_sequences
