"""Bounding boxes: functions against real Keras, and boxes that follow what happens to their images."""

import numpy as np
import pytest
import torch

from tests.oracle import keras
from torchkeras import layers
from torchkeras.layers.augmentation import boxes as module
from torchkeras.utils import bounding_boxes

FORMATS = ["xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw", "rel_xyxy", "rel_yxyx", "rel_xywh", "rel_center_xywh"]


def draw(count=2, boxes=4, height=20, width=30, seed=0):
    rng = np.random.default_rng(seed)
    x, y = (np.sort(rng.random((count, boxes, 2)) * s, -1) for s in (width, height))
    return np.stack([x[..., 0], y[..., 0], x[..., 1], y[..., 1]], -1).astype("float32")


@pytest.mark.parametrize(("source", "target"), [(a, b) for a in FORMATS for b in FORMATS])
def test_formats(source, target):
    given = keras.utils.bounding_boxes.convert_format(draw(), "xyxy", source, 20, 30)
    expected = keras.utils.bounding_boxes.convert_format(given, source, target, 20, 30)
    torch.testing.assert_close(bounding_boxes.convert_format(given, source, target, 20, 30), expected)
    torch.testing.assert_close(bounding_boxes.convert_format({"boxes": given, "k": 1}, source.upper(), target, 20, 30)["boxes"], expected)


@pytest.mark.parametrize("bounding_box_format", ["xyxy", "rel_xyxy", "center_xywh", "rel_xywh"])
@pytest.mark.parametrize("mask", [False, True])
def test_overlaps(bounding_box_format, mask):
    a, b = draw(), draw(boxes=3, seed=1)
    a[0, 0] = -1
    a, b = (keras.utils.bounding_boxes.convert_format(x, "xyxy", bounding_box_format, 20, 30) for x in (a, b))
    ours, theirs = (
        lib.compute_iou(a, b, bounding_box_format, mask, -1, (20, 30, 3)) for lib in (bounding_boxes, keras.utils.bounding_boxes)
    )
    if not mask:
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)
    else:  # Keras compares the padded boxes with 0 in the format that they have
        assert (ours[0, 0] == -1).all()
        torch.testing.assert_close(ours[:, 1:], bounding_boxes.compute_iou(a, b, bounding_box_format, image_shape=(20, 30, 3))[:, 1:])
    if "rel" not in bounding_box_format:
        c = draw(seed=2)
        ours, theirs = (lib.compute_ciou(draw(), c, bounding_box_format) for lib in (bounding_boxes, keras.utils.bounding_boxes))
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("encoding", ["center_xywh", "center_yxhw"])
@pytest.mark.parametrize("variance", [None, [0.1, 0.1, 0.2, 0.2]])
def test_deltas(encoding, variance):
    anchors, boxes = draw(seed=1), draw()
    ours, theirs = (
        lib.encode_box_to_deltas(anchors, boxes, "xyxy", "xyxy", encoding, variance, (20, 30, 3))
        for lib in (bounding_boxes, keras.utils.bounding_boxes)
    )
    torch.testing.assert_close(ours, theirs)
    back = bounding_boxes.decode_deltas_to_boxes(anchors, ours, "xyxy", "rel_xyxy", encoding, variance, (20, 30, 3))
    torch.testing.assert_close(back, bounding_boxes.convert_format(boxes, "xyxy", "rel_xyxy", 20, 30), atol=1e-4, rtol=1e-4)
    level = bounding_boxes.decode_deltas_to_boxes({1: anchors}, {1: ours}, "xyxy", "xyxy", encoding, variance)
    torch.testing.assert_close(level[1], torch.from_numpy(boxes), atol=1e-4, rtol=1e-4)


def test_moving_and_clipping():
    theirs = keras.utils.bounding_boxes
    b, n = draw(), np.array([10.0, -30.0], "float32")
    given = {"boxes": b + 12, "labels": np.array([[1, 2, 3, 4]] * 2)}
    for lib_result, result in zip(
        theirs.clip_to_image_size({k: torch.as_tensor(v) for k, v in given.items()}, 20, 30).values(),
        bounding_boxes.clip_to_image_size(given, 20, 30).values(),
    ):
        torch.testing.assert_close(result, lib_result)
    torch.testing.assert_close(bounding_boxes.crop(b, 3, 4, 10, 12), theirs.crop(torch.as_tensor(b), 3, 4, 10, 12))
    torch.testing.assert_close(bounding_boxes.pad(b, 3, 4), theirs.pad(torch.as_tensor(b), 3, 4))
    arguments = [torch.as_tensor(v) for v in (n, n / 100, n / 200, np.array([1.0, 2.0], "float32"), n / 2, n / 3)]
    torch.testing.assert_close(
        bounding_boxes.affine_transform(b, *arguments, 20, 30), theirs.affine_transform(torch.as_tensor(b), *arguments, 20, 30)
    )


GEOMETRIC = [
    layers.RandomFlip("horizontal", seed=1, bounding_box_format="rel_xywh"),
    layers.RandomFlip(seed=2, bounding_box_format="xyxy"),
    layers.RandomRotation(0.1, fill_mode="constant", seed=1, bounding_box_format="center_xywh"),
    layers.RandomTranslation(0.2, 0.2, fill_mode="constant", seed=1, bounding_box_format="rel_xyxy"),
    layers.RandomZoom(0.3, 0.2, fill_mode="constant", seed=1, bounding_box_format="yxyx"),
    layers.RandomShear(0.3, 0.2, fill_mode="constant", seed=1, bounding_box_format="center_yxhw"),
    layers.RandomShear((0.2, 0.3), fill_mode="constant", seed=1, bounding_box_format="rel_yxyx"),
    layers.RandomPerspective((1.0, 1.0), scale=0.3, seed=1, bounding_box_format="xywh"),
    layers.RandomCrop(50, 60, seed=1, bounding_box_format="rel_center_xywh"),
    layers.RandomCrop(100, 60, seed=1, bounding_box_format="xyxy"),
    layers.Resizing(40, 70, bounding_box_format="rel_xywh"),
    layers.Resizing(40, 70, pad_to_aspect_ratio=True, bounding_box_format="xyxy"),
    layers.Resizing(70, 40, crop_to_aspect_ratio=True, bounding_box_format="xyxy"),
    layers.CenterCrop(50, 60, bounding_box_format="xyxy"),
    layers.CenterCrop(120, 100, bounding_box_format="xyxy"),
]


@pytest.mark.parametrize("layer", GEOMETRIC, ids=lambda layer: f"{type(layer).__name__} {layer.bounding_box_format}")
def test_boxes_and_masks_follow_the_image(layer):
    height, width, count = 80, 100, 8
    box = torch.tensor([[40.0, 30.0, 70.0, 55.0]]).repeat(count, 1, 1)
    images = torch.zeros(count, height, width, 1)
    images[:, 30:55, 40:70] = 1
    given = bounding_boxes.convert_format(box, "xyxy", layer.bounding_box_format, height, width)
    labels = torch.ones(count, 1)
    batch = {"images": images, "segmentation_masks": images[..., 0].byte(), "bounding_boxes": {"boxes": given, "labels": labels}}
    out = layer(batch, training=True)
    shape = out["images"].shape
    found = bounding_boxes.convert_format(out["bounding_boxes"], layer.bounding_box_format, "xyxy", shape[1], shape[2])["boxes"]
    assert out["segmentation_masks"].dtype is torch.uint8
    for image, mask, (x1, y1, x2, y2) in zip(out["images"], out["segmentation_masks"], found[:, 0].tolist()):
        for rows, columns in (torch.nonzero(image[..., 0] > 0.5).T, torch.nonzero(mask).T):
            assert len(rows)
            seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            np.testing.assert_allclose(seen, [x1, y1, x2, y2], atol=2.6)


def test_boxes_of_different_numbers_are_filled_up():
    layer = layers.RandomFlip("horizontal", bounding_box_format="xyxy")
    x = {"images": np.zeros((2, 8, 8, 3)), "bounding_boxes": {"boxes": [[[0.0, 0.0, 2.0, 2.0]], []], "labels": [[3], []]}}
    out = layer(x, training=True)["bounding_boxes"]
    assert out["boxes"].shape == (2, 1, 4)
    assert out["labels"].tolist() == [[3], [-1]]


def test_the_number_of_boxes():
    given = {"boxes": draw(), "labels": np.array([[0, 1, 2, 3]] * 2)}
    for number in (2, 6):
        ours, theirs = (
            lib.layers.MaxNumBoundingBoxes(number, bounding_box_format="xyxy").transform_bounding_boxes(
                {k: torch.as_tensor(v) for k, v in given.items()}, None
            )
            for lib in (__import__("torchkeras"), keras)
        )
        torch.testing.assert_close(ours["boxes"], theirs["boxes"])
        torch.testing.assert_close(ours["labels"], theirs["labels"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bounding_boxes.convert_format(np.zeros((2, 3)), "xyxy", "xywh"), "four numbers on the last axis"),
        (lambda: bounding_boxes.convert_format(np.zeros(4), "xxyy", "xywh"), "`source` must be one of 'xyxy'"),
        (lambda: bounding_boxes.convert_format(np.zeros(4), "xyxy", "rel_xywh"), "`height` and `width` must be given"),
        (lambda: bounding_boxes.clip_to_image_size({"boxes": np.zeros(4)}), "`height` and `width` must be given"),
        (lambda: bounding_boxes.compute_iou(np.zeros(4), np.zeros((1, 4)), "xyxy"), "`boxes1` must have two axes"),
        (lambda: bounding_boxes.compute_iou(np.zeros((1, 4)), np.zeros((1, 4)), "rel_xyxy"), "`image_shape` must be given"),
        (lambda: bounding_boxes.compute_ciou(np.zeros(4), np.zeros(4), "rel_xyxy"), "convert relative boxes first"),
        (lambda: bounding_boxes.encode_box_to_deltas(np.zeros(4), np.zeros(4), "xyxy", "xyxy", "xyxy"), "must be 'center_xywh'"),
        (lambda: bounding_boxes.encode_box_to_deltas(np.zeros(4), np.zeros(4), "xyxy", "xyxy", variance=[1.0]), "must be four numbers"),
        (lambda: module.dense({"boxes": np.zeros((1, 4))}, "flip"), "must be a dict with 'boxes' and 'labels'"),
        (lambda: module.dense({"boxes": np.zeros((1, 5)), "labels": [1]}, "flip"), "must have the shape"),
        (lambda: module.dense({"boxes": np.zeros((1, 4)), "labels": 1}, "flip"), "one for each box"),
        (lambda: module.dense({"boxes": [[0, 0, 1, 1]], "labels": []}, "flip"), "must be of one length"),
    ],
)
def test_mistakes(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_only_corners_are_clipped():
    for call in (
        lambda: bounding_boxes.clip_to_image_size({"boxes": np.zeros(4)}, 1, 1, "xywh"),
        lambda: bounding_boxes.crop(np.zeros(4), 0, 0, 1, 1, "xywh"),
        lambda: layers.CutMix(bounding_box_format="xyxy")(
            {"images": np.zeros((2, 4, 4, 3)), "bounding_boxes": {"boxes": np.zeros((2, 1, 4)), "labels": np.zeros((2, 1))}}, training=True
        ),
    ):
        with pytest.raises(NotImplementedError, match="bounding_box_format|CutMix"):
            call()
