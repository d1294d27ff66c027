"""Resizing and CenterCrop, and CategoryEncoding, against real Keras by random draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle import keras
from torchkeras import Input, layers

sizes = st.integers(1, 9)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(sizes, sizes, sizes, sizes),
    st.sampled_from(["nearest", "bilinear", "bicubic"]),
    st.sampled_from([{}, {"crop_to_aspect_ratio": True}, {"pad_to_aspect_ratio": True, "fill_value": 3.0}]),
    st.booleans(),
    st.sampled_from(["channels_last", "channels_first"]),
    st.sampled_from(["float32", "uint8"]),
    st.booleans(),
)
def test_resizing_is_keras(shape: Any, interpolation: str, aspect: Any, antialias: bool, fmt: str, dtype: str, single: bool) -> None:
    h, w, height, width = shape
    x = np.random.default_rng(0).integers(0, 256, (2, h, w, 3) if fmt == "channels_last" else (2, 3, h, w)).astype(dtype)
    x = x[0] if single else x
    arguments = {"interpolation": interpolation, "antialias": antialias, "data_format": fmt, **aspect}
    if dtype == "uint8" and antialias:
        arguments["antialias"] = False
    ours, theirs = (lib.Resizing(height, width, **arguments)(x) for lib in (layers, keras.layers))
    assert ours.dtype is theirs.dtype
    np.testing.assert_allclose(ours.numpy().astype("float32"), theirs.numpy().astype("float32"), rtol=1e-4, atol=1e-3)


@settings(max_examples=60, deadline=None)
@given(st.tuples(sizes, sizes, sizes, sizes), st.sampled_from(["channels_last", "channels_first"]), st.booleans())
def test_center_crop_is_keras(shape: Any, fmt: str, single: bool) -> None:
    h, w, height, width = shape
    x = np.random.default_rng(0).normal(size=(2, h, w, 3) if fmt == "channels_last" else (2, 3, h, w)).astype("float32")
    x = x[0] if single else x
    ours, theirs = (lib.CenterCrop(height, width, data_format=fmt)(x) for lib in (layers, keras.layers))
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-4, atol=1e-4)


def test_masks_and_labels_follow_the_images() -> None:
    images = np.random.default_rng(0).normal(size=(2, 6, 8, 3)).astype("float32")
    masks = np.random.default_rng(1).integers(0, 4, (2, 6, 8, 1)).astype("int32")
    labels = np.array([1, 2])
    for layer in (layers.Resizing(3, 4), layers.CenterCrop(4, 4)):
        got = layer({"images": images, "labels": labels, "segmentation_masks": masks})
        np.testing.assert_allclose(got["images"].numpy(), layer(images).numpy())
        assert got["segmentation_masks"].shape == (2, *got["images"].shape[1:3], 1)
        assert set(np.unique(got["segmentation_masks"].numpy())) <= {0, 1, 2, 3}
        np.testing.assert_array_equal(got["labels"].numpy(), labels)
        bare = layer({"images": images, "segmentation_masks": masks[..., 0]})
        np.testing.assert_array_equal(bare["segmentation_masks"].numpy(), got["segmentation_masks"][..., 0].numpy())


def test_images_of_unknown_size() -> None:
    x = Input((None, None, 3), dtype="uint8")
    y = layers.Resizing(4, 5)(x)
    assert (tuple(y.shape), y.dtype) == ((None, 4, 5, 3), "uint8")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 3), max_size=2), st.sampled_from(["one_hot", "multi_hot", "count"]), st.booleans())
def test_category_encoding_is_keras(shape: list[int], mode: str, floats: bool) -> None:
    x = np.random.default_rng(0).integers(-1, 4, shape).astype("float32" if floats else "int64")
    ours, theirs = (lib.CategoryEncoding(4, output_mode=mode)(x) for lib in (layers, keras.layers))
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_counts_with_weights() -> None:
    x, weights = np.array([[0, 1], [3, 3]]), np.array([[0.1, 0.2], [1.0, 2.0]], "float32")
    ours, theirs = (lib.CategoryEncoding(4, output_mode="count")(x, count_weights=weights) for lib in (layers, keras.layers))
    np.testing.assert_allclose(ours.numpy(), theirs.numpy())


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: layers.Resizing(0, 4), "`height` must be a positive whole number"),
        (lambda: layers.Resizing(4, 4, interpolation="cubic"), "`interpolation` must be one of 'nearest'"),
        (lambda: layers.Resizing(4, 4, crop_to_aspect_ratio=True, pad_to_aspect_ratio=True), "must not both be True"),
        (lambda: layers.Resizing(4, 4)(np.zeros((3, 4), "float32")), "must be one image"),
        (lambda: layers.CenterCrop(4, 4)({"image": np.zeros((4, 4, 3), "float32")}), "must hold 'images'"),
        (lambda: layers.CategoryEncoding(), "`num_tokens` must be given"),
        (lambda: layers.CategoryEncoding(3, "x"), "`output_mode` must be one of 'one_hot'"),
        (lambda: layers.CategoryEncoding(3, sparse=True), "`sparse` must be False"),
        (
            lambda: layers.CategoryEncoding(3, name="c")(torch.tensor([[3]])),
            "layer 'c' must be below its number of classes, 3",
        ),
        (lambda: layers.CategoryEncoding(3)([[1]], count_weights=np.ones((1, 1))), "used by `output_mode='count'` only"),
    ],
)
def test_errors_say_what_to_do(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
