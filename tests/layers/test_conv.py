"""Convolutions beyond the table: memory format, torch modules, initial values and messages."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from tests.oracle import keras
from torchkeras import layers

RANKS = [
    ("Conv1D", nn.Conv1d), ("Conv2D", nn.Conv2d), ("Conv3D", nn.Conv3d), ("Conv1DTranspose", nn.ConvTranspose1d),
    ("Conv2DTranspose", nn.ConvTranspose2d), ("Conv3DTranspose", nn.ConvTranspose3d), ("DepthwiseConv1D", nn.Conv1d),
    ("DepthwiseConv2D", nn.Conv2d),
]  # fmt: skip


class Copies(TorchDispatchMode):
    """The copies that torch makes of tensors as big as images."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name in ("clone", "copy_", "_to_copy", "contiguous", "constant_pad_nd"):
            self.found.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(("name", "module"), RANKS, ids=lambda v: v if isinstance(v, str) else "")
def test_the_child_is_torchs_module_in_torchs_layout(name, module):
    rank = int(name[name.index("D") - 1] if "Depth" not in name else name[-2])
    layer = getattr(layers, name)(**({"kernel_size": 2} if "Depth" in name else {"filters": 5, "kernel_size": 2}))
    layer(torch.randn(1, *(4,) * rank, 3))
    assert type(layer.conv) is module
    assert sorted(layer.state_dict()) == ["conv.bias", "conv.weight"]


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.Conv2D(8, 3, padding="same", activation="relu"),
        lambda: layers.Conv2D(8, 3),
        lambda: layers.Conv2DTranspose(8, 4, strides=2, padding="same"),
        lambda: layers.DepthwiseConv2D(3),
        lambda: layers.SeparableConv2D(8, 3),
        lambda: layers.BatchNormalization(),
        lambda: layers.MaxPooling2D(),
        lambda: layers.AveragePooling2D(2),
        lambda: layers.GlobalAveragePooling2D(keepdims=True),
        lambda: layers.UpSampling2D(),
        lambda: layers.Cropping2D(1),
        lambda: layers.SpatialDropout2D(0.5),
    ],
    ids="same valid transpose depthwise separable batch-norm max average global upsampling cropping dropout".split(),
)
@pytest.mark.parametrize("training", [False, True])
def test_images_go_through_as_channels_last_without_a_copy(make, training):
    layer, x = make(), torch.randn(2, 12, 12, 4)
    layer(x)
    with Copies() as copies, torch.no_grad():
        y = layer(x, training=training)
    assert copies.found == []
    if not isinstance(layer, layers.Cropping2D):  # a view
        assert y.is_contiguous()
        assert y.permute(0, 3, 1, 2).is_contiguous(memory_format=torch.channels_last)


def test_a_stack_of_layers_copies_nothing():
    stack = nn.Sequential(
        layers.Conv2D(4, 3, padding="same"), layers.BatchNormalization(), layers.ReLU(), layers.MaxPooling2D(), layers.Flatten()
    )
    x = torch.randn(2, 8, 8, 3)
    stack(x)
    stack.train()
    with Copies() as copies, torch.no_grad():
        stack(x)
    assert copies.found == []


@pytest.mark.parametrize(("kernel", "stride", "size"), [(2, 1, 7), (3, 2, 8), (3, 2, 7), (4, 3, 9), (1, 2, 6), (5, 4, 6)])
def test_same_padding_puts_the_odd_zero_after(kernel, stride, size):
    layer = layers.Conv1D(2, kernel, strides=stride, padding="same")
    x = torch.randn(2, size, 3)
    y = layer(x)
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    padded = F.pad(x.transpose(1, 2), (total // 2, total - total // 2))
    expected = F.conv1d(padded, layer.conv.weight, layer.conv.bias, stride).transpose(1, 2)
    torch.testing.assert_close(y, expected)
    assert y.shape[1] == -(-size // stride)


def test_inputs_of_other_sizes_than_the_first():
    layer = layers.Conv2D(2, 3, strides=2, padding="same")
    real = keras.layers.Conv2D(2, 3, strides=2, padding="same")
    for size in (8, 7, 5):
        x = np.random.default_rng(size).normal(size=(1, size, size + 1, 3)).astype("float32")
        mine, theirs = layer(x), real(x)
        if size == 8:
            real.set_weights(layer.get_weights())
            theirs = real(x)
        np.testing.assert_allclose(mine.detach().numpy(), theirs.detach().numpy(), atol=1e-5)


def test_initial_values_have_keras_fans():
    torch.manual_seed(0)
    for name, kwargs in (("Conv2D", {"filters": 64}), ("Conv2DTranspose", {"filters": 64}), ("DepthwiseConv2D", {"depth_multiplier": 8})):
        mine, real = (getattr(m, name)(kernel_size=3, **kwargs) for m in (layers, keras.layers))
        mine.build((None, 8, 8, 32)), real.build((None, 8, 8, 32))
        assert np.abs(mine.get_weights()[0]).max() == pytest.approx(np.abs(real.get_weights()[0]).max(), rel=0.05)


def test_signatures_show_keras_defaults():
    for name in ("Conv1D", "Conv2D", "Conv3D", "Conv3DTranspose", "DepthwiseConv2D", "SeparableConv2D", "MaxPooling1D", "MaxPooling3D"):
        mine, real = (inspect.signature(getattr(m, name)) for m in (layers, keras.layers))
        assert [(p.name, p.default) for p in mine.parameters.values()] == [(p.name, p.default) for p in real.parameters.values()]


def test_constraints_and_regularizers_see_keras_layout():
    layer = layers.Conv2D(2, 3, kernel_regularizer="l2", kernel_constraint="max_norm")
    layer(torch.randn(1, 4, 4, 3))
    assert tuple(layer.kernel.shape) == (3, 3, 3, 2)
    torch.testing.assert_close(layer.losses[0], 0.01 * layer.conv.weight.square().sum())
    assert layer.kernel.constraint(layer.kernel.value).shape == (3, 3, 3, 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Conv2D(0, 3), "`filters` must be a positive integer. Received: filters=0"),
        (lambda: layers.Conv2D(4, (3, 3, 3)), "`kernel_size` must be a positive int or 2 of them"),
        (lambda: layers.Conv2D(4, 3, groups=3), "`groups` must divide `filters`. Received: groups=3, filters=4"),
        (lambda: layers.Conv2D(4, 3, strides=2, dilation_rate=2), "`strides` and `dilation_rate` cannot both be above 1"),
        (lambda: layers.Conv2D(4, 3, padding="causal"), "`padding` must be one of 'valid', 'same'. Received: padding='causal'"),
        (lambda: layers.Conv2D(4, 3, data_format="NHWC"), "data_format"),
        (lambda: layers.Conv2DTranspose(4, 3, strides=2, output_padding=2), "`output_padding` must be an int, or 2 of them, each from 0"),
        (lambda: layers.DepthwiseConv2D(3, depth_multiplier=0), "`depth_multiplier` must be a positive integer"),
        (lambda: layers.Conv2D(4, 3, name="c")(torch.ones(2, 8, 8)), "layer 'c' is incompatible with it: expected ndim=4, found ndim=3"),
        (lambda: layers.Conv2D(4, 3, name="c")(torch.ones(1, 2, 2, 3)), "'c' is smaller than its window, which spans 3 along an axis of"),
        (lambda: layers.Conv2D(4, 3, groups=2, name="c")(torch.ones(1, 4, 4, 3)), "`groups` must divide the channels of the input of"),
        (lambda: layers.Conv2D(4, 3, name="c").build((None, 4, 4, None)), "The channels of the input of the layer 'c' must be known"),
    ],
)
def test_what_does_not_fit_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_failed_build_leaves_the_layer_as_it_was():
    layer = layers.Conv2D(4, 3)
    with pytest.raises(ValueError, match="smaller than its window"):
        layer(torch.ones(1, 2, 2, 3))
    assert not layer.built
    assert layer.weights == []
    assert layer(torch.ones(1, 4, 4, 5)).shape == (1, 2, 2, 4)


class Doubled(layers.Conv2D):
    def convolution_op(self, inputs, kernel):
        return super().convolution_op(inputs, 2 * kernel)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_another_convolution_op_is_used(data_format):
    x = torch.randn(2, 6, 6, 6)
    layer = Doubled(4, 3, padding="same", bias_initializer="ones", data_format=data_format)
    plain = layers.Conv2D(4, 3, padding="same", data_format=data_format)
    layer(x), plain(x)
    plain.set_weights([2 * layer.get_weights()[0], layer.get_weights()[1]])
    torch.testing.assert_close(layer(x), plain(x))


def test_unknown_channels_of_a_depthwise_convolution():
    assert layers.DepthwiseConv2D(3).compute_output_shape((None, 8, 8, None)) == (None, 6, 6, None)
