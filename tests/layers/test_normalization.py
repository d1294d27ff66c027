"""BatchNormalization's statistics over several steps, freezing, masks and processes; the others off the last axis."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from torch import nn

from tests import processes
from tests.oracle import keras
from torchkeras import layers


def _pair(x: np.ndarray, **kwargs):
    ours, theirs = layers.BatchNormalization(**kwargs), keras.layers.BatchNormalization(**kwargs)
    ours(x), theirs(x)
    theirs.set_weights(ours.get_weights())
    return ours, theirs


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"momentum": 0.5, "epsilon": 0.1},
        {"renorm": True, "momentum": 0.9, "renorm_momentum": 0.8, "renorm_clipping": {"rmax": 1.5, "dmax": 0.3}},
        {"renorm": True, "scale": False, "center": False},
    ],
    ids=["default", "momentum", "renorm", "renorm-bare"],
)
@pytest.mark.parametrize("shape", [(5, 3), (2, 4, 3), (2, 3, 3, 3)], ids=str)
def test_statistics_follow_keras_over_steps(kwargs, shape):
    rng = np.random.default_rng(0)
    batches = [(rng.normal(size=shape) * (i + 1) + i).astype("float32") for i in range(5)]
    ours, theirs = _pair(batches[0], **kwargs)
    for x in batches:
        np.testing.assert_allclose(ours(x, training=True).detach().numpy(), theirs(x, training=True).detach().numpy(), atol=2e-5)
    for mine, real in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, real, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(ours(x).detach().numpy(), theirs(x).detach().numpy(), rtol=1e-5, atol=1e-5)


def test_the_variance_is_the_biased_one_whatever_the_batch():
    layer = layers.BatchNormalization(momentum=0.0)
    for size in (2, 3, 17):
        x = torch.randn(size, 4)
        layer(x, training=True)
        torch.testing.assert_close(layer.moving_variance.value, x.var(0, correction=0))


def test_frozen_layers_infer_and_keep_their_statistics():
    x = torch.randn(6, 3) * 3 + 1
    layer = layers.BatchNormalization()
    layer(x, training=True)
    before = layer.get_weights()
    layer.trainable = False
    layer.train()
    torch.testing.assert_close(layer(x), layer(x, training=False))
    for a, b in zip(before, layer.get_weights()):
        np.testing.assert_array_equal(a, b)
    assert layer.trainable_weights == []
    layer.trainable = True
    layer(x)
    assert not np.array_equal(before[2], layer.get_weights()[2])
    assert [w.name for w in layer.trainable_weights] == ["gamma", "beta"]


def test_torchs_own_way_to_freeze_works():
    x = torch.randn(6, 3)
    layer = layers.BatchNormalization()
    layer(x)
    layer.train()
    for m in layer.modules():
        if isinstance(m, nn.BatchNorm1d):
            m.eval()
    before = layer.get_weights()
    torch.testing.assert_close(layer(x), layer(x, training=False))
    np.testing.assert_array_equal(before[3], layer.get_weights()[3])


def test_the_torch_module_holds_the_weights_in_torchs_names():
    layer = layers.BatchNormalization()
    layer(torch.randn(2, 4, 4, 3))
    assert isinstance(layer.norm, nn.BatchNorm2d)
    assert sorted(layer.state_dict()) == sorted(f"norm.{n}" for n in nn.BatchNorm2d(3).state_dict())
    assert layer.norm.num_batches_tracked == 0
    assert [w.name for w in layer.weights] == ["gamma", "beta", "moving_mean", "moving_variance"]


def test_two_calls_of_one_layer_before_backward():
    layer = layers.BatchNormalization()
    x = torch.randn(6, 3, requires_grad=True)
    layer(x)
    y = layer(layer(x, training=True) * 2, training=True)
    y.square().sum().backward()
    assert x.grad.isfinite().all()


def test_masked_steps_do_not_count():
    x = torch.randn(2, 5, 3)
    mask = torch.tensor([[True, True, False, False, False], [True, True, True, False, False]])
    layer, plain = layers.BatchNormalization(momentum=0.0), layers.BatchNormalization(momentum=0.0)
    plain(x[mask], training=True)
    carried = x.clone()
    carried._keras_mask = mask
    y = layer(carried, training=True)
    assert y._keras_mask is mask
    np.testing.assert_allclose(layer.get_weights()[2], plain.get_weights()[2], atol=1e-5)
    np.testing.assert_allclose(layer.get_weights()[3], plain.get_weights()[3], atol=1e-5)
    with pytest.raises(ValueError, match="`mask` must have the shape of the input without its last axis"):
        layer(x, mask=mask[0], training=True)


def test_half_precision_keeps_float_statistics():
    layer = layers.BatchNormalization(dtype="mixed_bfloat16")
    y = layer(torch.randn(64, 8, 8, 3) * 100 + 1000, training=True)
    assert y.dtype is torch.bfloat16
    assert layer.norm.running_mean.dtype is torch.float32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"axis": [1, 2]}, r"`axis` must be one axis, an int. Received: axis=\[1, 2\]"),
        ({"momentum": 2}, "`momentum` must be from 0 to 1. Received: momentum=2"),
        ({"renorm": True, "renorm_clipping": {"top": 1}}, "`renorm_clipping` must be a dict"),
        ({"renorm": True, "renorm_clipping": {"rmin": 2.0, "rmax": 1.0}}, "where rmin <= rmax"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        layers.BatchNormalization(**arguments)


def test_bad_inputs():
    with pytest.raises(ValueError, match="The size of axis -1 of the input of the layer 'bn' must be known"):
        layers.BatchNormalization(name="bn").build((None, None))
    with pytest.raises(ValueError, match="`axis` must be an axis of the input of the layer 'bn'. Received: axis=3"):
        layers.BatchNormalization(axis=3, name="bn")(torch.ones(2, 2))
    layer = layers.BatchNormalization(name="bn")
    layer(torch.ones(2, 3))
    with pytest.raises(ValueError, match="layer 'bn' is incompatible with it: expected axis -1"):
        layer(torch.ones(2, 4))
    with pytest.raises(ValueError, match="`groups` must divide the channels of the input of the layer 'gn'"):
        layers.GroupNormalization(3, name="gn")(torch.ones(2, 4))
    with pytest.raises(ValueError, match="`groups` must be a positive integer, or -1"):
        layers.GroupNormalization(0)
    with pytest.raises(TypeError, match="`axis` must be an int or a list of ints"):
        layers.LayerNormalization(axis="last")


@pytest.mark.parametrize("axis", [1, [1], [2, 1], [0, 2]], ids=str)
def test_layer_normalization_off_the_last_axis(axis):
    x = torch.randn(3, 5, 4)
    layer = layers.LayerNormalization(axis=axis, epsilon=1e-5)
    y = layer(x)
    dims = tuple(sorted([axis] if isinstance(axis, int) else axis))
    variance, mean = torch.var_mean(x, dims, correction=0, keepdim=True)
    torch.testing.assert_close(y, (x - mean) * torch.rsqrt(variance + 1e-5))
    assert tuple(layer.gamma.shape) == tuple(x.shape[d] for d in dims)


def test_rms_normalization_off_the_last_axis():
    x = torch.randn(3, 5, 4)
    y = layers.RMSNormalization(axis=1, epsilon=1e-5)(x)
    torch.testing.assert_close(y, x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-5))


def test_rms_scaling_is_deprecated_and_works():
    with pytest.warns(DeprecationWarning, match="use `RMSNormalization`"):
        layer = layers.LayerNormalization(rms_scaling=True)
    x = torch.randn(3, 4)
    torch.testing.assert_close(layer(x), x * torch.rsqrt(x.var(-1, correction=0, keepdim=True) + 1e-3))
    assert layer.get_config()["rms_scaling"] is True
    assert layer.beta is None


def _synchronized(rank: int, batches: list[torch.Tensor], folder: str) -> None:
    layer = layers.BatchNormalization(synchronized=True, momentum=0.5)
    x = batches[rank].requires_grad_()
    y = layer(x, training=True)
    (y * torch.arange(3.0)).square().sum().backward()
    np.savez(f"{folder}/{rank}.npz", y.detach().numpy(), x.grad.numpy(), *layer.get_weights())


@pytest.mark.slow
def test_synchronized_statistics_are_those_of_all_processes(tmp_path):
    torch.manual_seed(0)
    whole = torch.randn(7, 3)
    batches = [whole[:4].clone(), whole[4:].clone()]  # uneven
    processes.run(_synchronized, 2, batches, str(tmp_path))
    results = [list(np.load(tmp_path / f"{rank}.npz").values()) for rank in range(2)]
    layer = layers.BatchNormalization(momentum=0.5)
    x = whole.clone().requires_grad_()
    y = layer(x, training=True)
    (y * torch.arange(3.0)).square().sum().backward()
    np.testing.assert_allclose(np.concatenate([r[0] for r in results]), y.detach().numpy(), atol=1e-5)
    np.testing.assert_allclose(np.concatenate([r[1] for r in results]), x.grad.numpy(), atol=1e-4)
    for r in results:
        for mine, one in zip(r[2:], layer.get_weights(), strict=True):
            np.testing.assert_allclose(mine, one, atol=1e-5)


def test_two_threads_in_two_modes_do_not_meet():
    layer = layers.BatchNormalization()
    x = torch.randn(64, 6) * 3 + 1
    layer(x)
    layer.momentum = 1.0  # statistics stay
    expected, stop = layer(x).detach(), threading.Event()
    failures: list[int] = []
    frozen = torch.nn.Sequential(layer).eval()

    def train():
        while not stop.is_set():
            layer(x, training=True)

    thread = threading.Thread(target=train)
    thread.start()
    for _ in range(200):
        if not torch.allclose(frozen(x), expected, atol=1e-3):
            failures.append(1)
    stop.set()
    thread.join()
    assert not failures


def test_eval_on_the_torch_module_freezes_its_statistics():
    layer = layers.BatchNormalization()
    x = torch.randn(8, 6) * 3
    layer(x)
    layer.train()
    layer.norm.eval()
    before = layer.norm.running_mean.clone()
    torch.testing.assert_close(layer(x), x * (1 / 1.001**0.5))
    assert torch.equal(layer.norm.running_mean, before) and layer.norm.num_batches_tracked == 0
    layer.norm.train()
    layer(x)
    assert not torch.equal(layer.norm.running_mean, before) and layer.norm.num_batches_tracked == 1


def test_sync_batch_norm_conversion_and_fusing():
    model = torch.nn.Sequential(layers.Conv2D(4, 3, padding="same"), layers.BatchNormalization(epsilon=1e-3))
    x = torch.randn(2, 8, 8, 3)
    model(x)
    model.eval()
    expected = model(x)
    fused = torch.ao.quantization.fuse_modules(model, [["0.conv", "1.norm"]])
    torch.testing.assert_close(fused(x), expected, atol=1e-5, rtol=1e-4)
    assert type(fused[1].norm) is torch.nn.Identity
    assert type(torch.nn.SyncBatchNorm.convert_sync_batchnorm(model)[1].norm) is torch.nn.SyncBatchNorm
