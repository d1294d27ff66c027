"""`keras.ops.image` against real Keras, and what torchkeras does where Keras's torch backend fails."""

import colorsys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle import keras
from torchkeras import ops
from torchkeras.graph import KerasTensor

from .parity import case, check, check_symbolic, close, f, i

IMAGES = f(2, 5, 6, 3, low=0, high=1)
BYTES = i(2, 5, 6, 3, high=256, dtype="uint8")
FIRST = np.ascontiguousarray(IMAGES.transpose(0, 3, 1, 2))
LARGE = f(2, 16, 18, 3, low=0, high=1)
TRANSFORMS = np.array([[1.1, 0.21, -1.03, 0.1, 0.9, 0.63, 0, 0], [0.8, 0.2, -3.07, 0.1, 1.2, 4.01, 0, 0]], "float32")
START = np.array([[[0, 0], [5, 0], [0, 4], [5, 4]]] * 2, "float32")
END = START + f(2, 4, 2, low=-1, high=1)
VOLUMES = f(1, 4, 5, 6, 2)
CF = {"data_format": "channels_first"}
TABLE = [
    *(
        case("image.resize", IMAGES, size, interpolation, antialias, tol=1e-4)
        for size in ((3, 4), (9, 11), (3, 11))
        for interpolation in ("nearest", "bilinear", "bicubic")
        for antialias in (False, True)
    ),
    *(case("image.resize", BYTES, (3, 4), interpolation) for interpolation in ("nearest", "bilinear", "bicubic")),
    case("image.resize", FIRST, (3, 4), **CF),
    case("image.resize", IMAGES[0], (3, 4), batched=0),
    case("image.resize", IMAGES, (4, 4), crop_to_aspect_ratio=True),
    case("image.resize", IMAGES, (4, 8), crop_to_aspect_ratio=True),
    case("image.resize", IMAGES, (3, 8), pad_to_aspect_ratio=True, fill_value=7.0),
    case("image.resize", IMAGES, (9, 4), pad_to_aspect_ratio=True),
    *(
        case("image.affine_transform", IMAGES, TRANSFORMS, interpolation, mode, 5.0, batched=2, tol=1e-4, gradient=False)
        for interpolation in ("nearest", "bilinear")
        for mode in ("constant", "nearest", "wrap", "mirror", "reflect")
    ),
    case("image.affine_transform", FIRST, TRANSFORMS, batched=2, tol=1e-4, gradient=False, **CF),
    case("image.affine_transform", IMAGES[0], TRANSFORMS[0], batched=0, tol=1e-4, gradient=False),
    case("image.perspective_transform", IMAGES, START, END, fill_value=2.0, batched=3, tol=1e-3),
    case("image.perspective_transform", IMAGES, START, END, "nearest", batched=3, tol=1e-3),
    case("image.perspective_transform", FIRST, START, END, batched=3, tol=1e-3, **CF),
    case("image.perspective_transform", IMAGES[0], START[0], END[0], batched=0, tol=1e-3),
    *(
        case("image.map_coordinates", f(5, 6), f(2, 7, low=-3, high=9), order, mode, 9.0, batched=0)
        for order in (0, 1)
        for mode in ("constant", "nearest", "wrap", "mirror", "reflect")
    ),
    case("image.map_coordinates", f(5, 6, 3), f(3, 2, 4, low=0, high=5), 1, batched=0),
    case("image.map_coordinates", i(5, 6, high=99), f(2, 7, low=0, high=5), 1, batched=0, gradient=False),
    case("image.map_coordinates", f(5), np.array([[0.5, 1.5, 2.5, 3.5]], "float32"), 0, batched=0),
    case("image.rgb_to_grayscale", IMAGES),
    case("image.rgb_to_grayscale", BYTES),
    case("image.rgb_to_grayscale", FIRST, **CF),
    case("image.rgb_to_grayscale", IMAGES[..., :1].copy()),
    case("image.rgb_to_hsv", IMAGES, gradient=False),
    case("image.rgb_to_hsv", FIRST, gradient=False, **CF),
    case("image.hsv_to_rgb", IMAGES),
    case("image.hsv_to_rgb", FIRST, **CF),
    case("image.crop_images", IMAGES, 1, 2, target_height=3, target_width=2),
    case("image.crop_images", IMAGES, 1, 1, 1, 1),
    case("image.crop_images", FIRST, None, None, 1, 0, 2, 3, **CF),
    case("image.pad_images", IMAGES, 1, 2, target_height=9, target_width=9),
    case("image.pad_images", BYTES, 1, 1, 1, 1),
    case("image.pad_images", FIRST, None, None, 1, 0, 8, 8, **CF),
    case("image.extract_patches", IMAGES, 2),
    case("image.extract_patches", IMAGES, (2, 3), 1, 2),
    case("image.extract_patches", IMAGES, 3, 2, padding="same"),
    case("image.extract_patches", FIRST, 3, 2, padding="same", **CF),
    case("image.extract_patches_3d", VOLUMES, (2, 3, 2)),
    case("image.extract_patches_3d", VOLUMES, 2, 1, 2),
    case("image.extract_patches_3d", np.ascontiguousarray(VOLUMES.transpose(0, 4, 1, 2, 3)), 3, padding="same", **CF),
    case("image.gaussian_blur", FIRST, (3, 3), (1.5, 1.5), **CF),
    case("image.sobel_edges", IMAGES),
    case("image.sobel_edges", FIRST, **CF),
    case("image.ssim", LARGE, LARGE * 0.9, batched=2, tol=1e-4),
    case("image.ssim", IMAGES, IMAGES**2, 2.0, 3, 1.0, 0.02, 0.05, batched=2, tol=1e-4),
    case("image.ssim", LARGE[0], LARGE[0] * 0.9, batched=0, tol=1e-4),
    *(
        case("image.scale_and_translate", IMAGES, (2, 4, 9, 3), np.array(scale, "float32"), f(2), (1, 2), method, antialias, tol=1e-3)
        for scale in ((0.7, 1.4), (2.0, 0.3))
        for method in ("linear", "cubic", "lanczos3", "lanczos5")
        for antialias in (True, False)
    ),
    case("image.scale_and_translate", BYTES, (2, 4, 6, 3), np.array([0.7], "float32"), np.array([0.3], "float32"), (1,), "bilinear"),
]


@pytest.mark.parametrize("name, args, kwargs, batched, gradient, tol", TABLE)
def test_op_is_keras(name, args, kwargs, batched, gradient, tol):
    check(name, args, kwargs, gradient, tol)


@pytest.mark.parametrize("name, args, kwargs, batched, gradient, tol", TABLE)
def test_symbolic_op_is_keras(name, args, kwargs, batched, gradient, tol):
    if batched:
        check_symbolic(name, args, kwargs, batched)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 8), st.integers(1, 8), st.sampled_from(["nearest", "bilinear"]), st.booleans())
def test_resize_is_keras(height, width, new_height, new_width, interpolation, antialias):
    check("image.resize", (f(1, height, width, 2), (new_height, new_width), interpolation, antialias), {}, tol=1e-4)


def test_projective_transforms():
    """Keras's torch backend takes the last two numbers for zero."""
    transform = np.array([1.07, 0.213, -0.937, 0.117, 0.891, 0.613, 0.0113, -0.0207], "float32")
    a, b, c, d, e, g, h, k = transform
    x, y = START[0].T
    depth = h * x + k * y + 1
    source = np.stack([(a * x + b * y + c) / depth, (d * x + e * y + g) / depth], -1)
    expected = keras.ops.image.perspective_transform(IMAGES[0], source, START[0])
    close(ops.image.affine_transform(IMAGES[0], transform), expected, 1e-4)
    images, transforms = torch.tensor(IMAGES[:1], dtype=torch.float64, requires_grad=True), torch.tensor(transform, dtype=torch.float64)
    assert torch.autograd.gradcheck(ops.image.affine_transform, (images, transforms.requires_grad_()))


def test_lanczos_is_a_translation_and_scale():
    """Keras's torch backend has no Lanczos resizing; the kernels are those of `scale_and_translate`."""
    scale, none = np.array([3 / 5, 9 / 6], "float32"), np.zeros(2, "float32")
    expected = keras.ops.image.scale_and_translate(IMAGES, (2, 3, 9, 3), scale, none, (1, 2), "lanczos3", True)
    close(ops.image.resize(IMAGES, (3, 9), "lanczos3", True), expected, 1e-4)


def test_blur_of_channels_last():
    """Keras's torch backend blurs over the wrong axes of `channels_last`, and mixes up the sides of kernels that are not square."""
    for size, sigma in (((3, 3), (1.0, 1.0)), ((5, 3), (2.0, 0.5)), ((4, 2), (1.0, 1.0))):
        last = ops.image.gaussian_blur(IMAGES, size, sigma)
        close(last, ops.image.gaussian_blur(FIRST, size, sigma, **CF).permute(0, 2, 3, 1), 1e-6)
        assert last.shape == IMAGES.shape
    dot = np.zeros((7, 9, 1), "float32")
    dot[3, 4] = 1
    rows, columns = (np.exp(-((np.arange(n) - n // 2) ** 2) / (2 * s * s)) for n, s in ((5, 2.0), (3, 0.5)))
    expected = np.outer(rows / rows.sum(), columns / columns.sum())
    close(ops.image.gaussian_blur(dot, (5, 3), (0.5, 2.0))[1:6, 3:6, 0], torch.tensor(expected, dtype=torch.float32), 1e-6)
    assert ops.image.gaussian_blur(np.full((5, 5, 1), 200, "uint8"))[2, 2].item() == 200


def test_bytes_do_not_wrap_around():
    """Keras computes edges and similarities of bytes in bytes."""
    close(ops.image.sobel_edges(BYTES), ops.image.sobel_edges(BYTES.astype("float32")), 1e-6)
    assert ops.image.ssim(np.repeat(BYTES, 3, 1), np.repeat(BYTES, 3, 1), 255, filter_size=5).tolist() == [1.0, 1.0]
    assert ops.image.resize(np.array([[[0], [255]]], "uint8"), (1, 9), "bicubic").flatten().tolist()[0] == 0


@settings(max_examples=30, deadline=None)
@given(st.tuples(*[st.floats(0, 1, width=32)] * 3))
def test_colours_are_the_standard_library_s(colour):
    hsv = ops.image.rgb_to_hsv(np.array([[colour]]))
    np.testing.assert_allclose(hsv.flatten(), colorsys.rgb_to_hsv(*colour), atol=1e-6)
    np.testing.assert_allclose(ops.image.hsv_to_rgb(hsv).flatten(), colour, atol=1e-6)
    np.testing.assert_allclose(ops.image.hsv_to_rgb(np.array([[colour]])).flatten(), colorsys.hsv_to_rgb(*colour), atol=1e-6)


def test_gradients_of_colours():
    """Keras's are NaN where a colour is grey."""
    x = torch.tensor([[[0.5, 0.5, 0.5], [0.0, 0.0, 0.0], [0.2, 0.4, 0.6]]], requires_grad=True)
    ops.image.rgb_to_hsv(x).sum().backward()
    assert x.grad.isfinite().all()


def test_elastic_transform():
    ramp = torch.arange(64.0).reshape(1, 1, 64, 1).expand(8, 64, 64, 1)
    moved = ops.image.elastic_transform(ramp, alpha=4.0, sigma=2.0, seed=1) - ramp
    theirs = keras.ops.image.elastic_transform(ramp, alpha=4.0, sigma=2.0, seed=1) - ramp
    inner = (slice(None), slice(20, -20), slice(20, -20))
    assert moved[inner].std().item() == pytest.approx(theirs[inner].std().item(), rel=0.15)
    close(ops.image.elastic_transform(IMAGES, seed=3), ops.image.elastic_transform(IMAGES, seed=3), 0)
    close(ops.image.elastic_transform(BYTES, alpha=0.0, seed=3), torch.tensor(BYTES), 0)
    last = ops.image.elastic_transform(IMAGES, seed=3)
    close(ops.image.elastic_transform(FIRST, seed=3, **CF).permute(0, 2, 3, 1), last, 0)
    assert ops.image.elastic_transform(KerasTensor((None, 8, 8, 3))).shape == (None, 8, 8, 3)


def test_unknown_sizes():
    assert ops.image.resize(KerasTensor((None, None, None, 3)), (4, 5)).shape == (None, 4, 5, 3)
    assert ops.image.crop_images(KerasTensor((None, 8, None, 3)), 1, 1, 1, 1).shape == (None, 6, None, 3)  # Keras refuses
    assert ops.image.rgb_to_grayscale(KerasTensor((None, None, 8, 3), "uint8")).shape == (None, None, 8, 1)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: ops.image.resize(IMAGES, (3, 4), "area"), r"`interpolation` must be one of .* Received: interpolation='area'"),
        (lambda: ops.image.resize(IMAGES, 3), r"`size` must be a height and a width"),
        (lambda: ops.image.resize(IMAGES, (0, 3)), r"both positive"),
        (lambda: ops.image.resize(f(5, 6), (3, 4)), r"images.shape=\(5, 6\)"),
        (lambda: ops.image.resize(IMAGES, (3, 4), crop_to_aspect_ratio=True, pad_to_aspect_ratio=True), r"must not both be True"),
        (lambda: ops.image.resize(IMAGES, (3, 4), fill_mode="reflect"), r"`fill_mode` must be 'constant'"),
        (lambda: ops.image.affine_transform(IMAGES, f(2, 7)), r"transform.shape=\(2, 7\)"),
        (lambda: ops.image.affine_transform(IMAGES, f(8), "cubic"), r"`interpolation` must be 'nearest' or 'bilinear'"),
        (lambda: ops.image.affine_transform(IMAGES, f(8), "nearest", "edge"), r"`fill_mode` must be one of"),
        (lambda: ops.image.perspective_transform(IMAGES, f(3, 2), f(4, 2)), r"start_points.shape=\(3, 2\)"),
        (lambda: ops.image.map_coordinates(f(5, 6), f(3, 2), 1), r"coordinates.shape=\(3, 2\), inputs.shape=\(5, 6\)"),
        (lambda: ops.image.map_coordinates(f(5, 6), f(2, 2), 3), r"`order` must be 0 or 1"),
        (lambda: ops.image.rgb_to_grayscale(IMAGES[..., :2]), r"1 or 3 channels"),
        (lambda: ops.image.rgb_to_hsv(BYTES), r"must be floating.* dtype=uint8"),
        (lambda: ops.image.crop_images(IMAGES, 1), r"Exactly two of `top_cropping`"),
        (lambda: ops.image.crop_images(IMAGES, 4, 0, target_height=3, target_width=3), r"must not be negative, nor exceed"),
        (lambda: ops.image.pad_images(IMAGES, 4, 0, target_height=3, target_width=9), r"must not be negative"),
        (lambda: ops.image.extract_patches(IMAGES, 9), r"size=\(9, 9\), images.shape=\(2, 5, 6, 3\)"),
        (lambda: ops.image.ssim(IMAGES, IMAGES), r"filter_size=11, image1.shape=\(2, 5, 6, 3\)"),
        (lambda: ops.image.ssim(IMAGES, IMAGES[:1]), r"image2.shape=\(1, 5, 6, 3\)"),
        (lambda: ops.image.scale_and_translate(IMAGES, (2, 4, 4, 3), f(2), f(2), (1, 2), "area"), r"`method` must be one of"),
        (lambda: ops.image.scale_and_translate(IMAGES, (2, 4, 4, 3), f(1), f(2), (1, 2), "cubic"), r"scale.shape=\(1,\)"),
        (lambda: ops.image.scale_and_translate(IMAGES, (3, 4, 4, 3), f(2), f(2), (1, 2), "cubic"), r"output_shape=\(3, 4, 4, 3\)"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize(
    ("shape", "size", "strides", "padding", "dilation"),
    [((2, 6, 8, 3), 2, None, "valid", 1), ((6, 8, 3), (3, 2), 1, "valid", 1), ((2, 7, 8, 3), 3, 2, "same", 1),
     ((2, 9, 9, 2), 2, 1, "valid", 2), ((2, 4, 4, 6, 2), (2, 2, 3), None, "valid", 1), ((5, 5, 5, 1), (2, 2, 2), 1, "same", 1)],
)  # fmt: skip
def test_images_come_back_from_their_patches(shape, size, strides, padding, dilation, data_format):
    rank = 2 if isinstance(size, int) else len(size)
    x = f(*shape)
    x = np.moveaxis(x, -1, -rank - 1) if data_format == "channels_first" else x
    patches = ops.extract_patches(x, size, strides, dilation, padding, data_format)
    options = dict(output_size=shape[-1 - rank : -1], strides=strides, padding=padding, data_format=data_format, dilation_rate=dilation)
    np.testing.assert_allclose(ops.image.reconstruct_patches(patches, size, **options), x, atol=1e-6)


def test_patches_that_overlap_add_up_as_in_fold():
    x, size = f(2, 6, 8, 3), (3, 2)
    windows = torch.nn.functional.unfold(torch.tensor(x).permute(0, 3, 1, 2), size)
    summed = torch.nn.functional.fold(windows, (6, 8), size).permute(0, 2, 3, 1)
    patches = ops.extract_patches(x, size, 1)
    torch.testing.assert_close(ops.reconstruct_patches(patches, size, strides=1, reduction="sum"), summed)
    assert ops.reconstruct_patches(KerasTensor((None, 4, 7, 18)), size, strides=1).shape == (None, 6, 8, 3)


def test_patches_that_do_not_fit_are_told():
    with pytest.raises(ValueError, match=r"`patches` must be windows of size \(2, 2\) of images of size \(4, 6\).*multiple of 4 channels"):
        ops.reconstruct_patches(np.zeros((2, 3, 7), "float32"), 2)
    with pytest.raises(ValueError, match="`reduction` must be 'mean' or 'sum'. Received: reduction='max'"):
        ops.reconstruct_patches(np.zeros((2, 3, 4), "float32"), 2, reduction="max")
