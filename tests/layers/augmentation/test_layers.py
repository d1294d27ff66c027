"""What holds for every augmentation layer: inputs of all forms, modes, seeds, files, copies, types; and what only some do."""

import copy
import inspect
import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

import torchkeras as keras
from torchkeras import layers

from .cases import ALL

RNG = np.random.default_rng(0)
IMAGES = (RNG.random((4, 12, 16, 3)) * 255).astype("uint8")
LABELS = np.eye(4, dtype="float32")
MASKS = RNG.integers(0, 3, (4, 12, 16, 1)).astype("uint8")
BOXES = {"boxes": np.array([[[1, 2, 8, 9], [3, 3, 10, 11]]] * 4, "float32"), "labels": np.array([[0, 1]] * 4)}
EVERY = pytest.mark.parametrize(("name", "arguments"), ALL, ids=[name for name, _ in ALL])


def make(name, arguments, **more):
    cls = getattr(layers, name)
    seed = {"seed": 3} if "seed" in inspect.signature(cls.__init__).parameters else {}
    return cls(**arguments, **seed, **more)


@EVERY
def test_dicts(name, arguments):
    layer = make(name, arguments, bounding_box_format="xyxy")
    batch = {"images": IMAGES, "labels": LABELS, "segmentation_masks": MASKS, "id": 7}
    if name != "CutMix":
        batch["bounding_boxes"] = BOXES
    out = layer(batch, training=True)
    assert set(out) == set(batch)
    assert out["id"] == 7
    assert out["labels"].shape == (4, 4)
    assert out["segmentation_masks"].shape[:-1] == out["images"].shape[:-1]
    assert out["images"].dtype is (torch.uint8 if name == "MaxNumBoundingBoxes" else torch.float32)
    assert batch["images"] is IMAGES
    if name != "CutMix":
        assert out["bounding_boxes"]["boxes"].shape[-1] == 4
        one = {k: {n: v[0] for n, v in BOXES.items()} if k == "bounding_boxes" else v if k == "id" else v[0] for k, v in batch.items()}
        single = layer(one, training=True)
        assert single["images"].dim() == 3
        assert single["labels"].shape == (4,)
        assert single["bounding_boxes"]["boxes"].dim() == 2
    if name == "MaxNumBoundingBoxes":
        return
    with pytest.raises(ValueError, match="bounding_box_format='xyxy'"):
        make(name, arguments)({**batch, "bounding_boxes": BOXES}, training=True)


@EVERY
def test_modes(name, arguments):
    layer = make(name, arguments)
    x = torch.from_numpy(IMAGES).float()
    assert layer.training  # a bare call varies images, as in Keras
    if layer.trains_only:
        torch.testing.assert_close(layer(x, training=False), x)
        layer.eval()
        torch.testing.assert_close(layer(x), x)
        model = keras.Sequential([keras.Input((12, 16, 3)), make(name, arguments)])
        np.testing.assert_allclose(model.predict(x.numpy(), verbose=0), x)
    else:
        torch.testing.assert_close(layer(x, training=False), layer(x, training=True))


@EVERY
def test_seeds_configs_and_copies(name, arguments):
    layer = make(name, arguments)
    again = type(layer).from_config(layer.get_config())
    first = layer(IMAGES, training=True)
    torch.testing.assert_close(again(IMAGES, training=True), first)
    for copied in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        torch.testing.assert_close(copied(IMAGES, training=True), again.__class__.from_config(layer.get_config())(IMAGES, training=True)
                                   if not hasattr(layer, "generator") else copy.deepcopy(layer)(IMAGES, training=True))  # fmt: skip
    if hasattr(layer, "generator") and name != "RandomCrop":
        assert any(not torch.equal(layer(IMAGES, training=True), first) for _ in range(8))


@EVERY
def test_in_a_model_and_its_file(name, arguments, tmp_path):
    inputs = keras.Input((12, 16, 3))
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(make(name, arguments)(inputs))))
    model.compile("sgd", "mse")
    model.fit(IMAGES, np.zeros((4, 2)), verbose=0)
    model.save(tmp_path / "m.keras")
    x = IMAGES.astype("float32")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5)


@EVERY
def test_types(name, arguments):
    y = make(name, arguments, dtype="mixed_bfloat16")(IMAGES, training=True)
    assert y.dtype is (torch.uint8 if name == "MaxNumBoundingBoxes" else torch.bfloat16)
    y = make(name, arguments, data_format="channels_first")(IMAGES.transpose(0, 3, 1, 2).copy(), training=True)
    assert y.shape[:2] == (4, 3)


@pytest.mark.slow
@EVERY
def test_compiled(name, arguments):
    torch._dynamo.reset()
    layer, again = make(name, arguments), make(name, arguments)
    x = torch.from_numpy(IMAGES).float()
    compiled = torch.compile(lambda v: layer(v, training=True), backend="eager")
    torch.testing.assert_close(compiled(x), again(x, training=True))
    torch.testing.assert_close(compiled(x), again(x, training=True))


class Flipped(Dataset):
    def __init__(self):
        self.layer = layers.RandomTranslation(0.4, 0.4, seed=5)

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return self.layer(torch.arange(64.0).reshape(8, 8, 1), training=True)


def test_workers_draw_differently_and_repeatably():
    def epochs():
        torch.manual_seed(0)
        loader = DataLoader(Flipped(), batch_size=4, num_workers=2)
        return [torch.cat(list(loader)), torch.cat(list(loader))]

    first, second = epochs()
    assert not torch.equal(first[:4], first[4:])  # a worker each
    assert not torch.equal(first, second)
    for a, b in zip(epochs(), (first, second)):
        torch.testing.assert_close(a, b)


def test_labels_are_mixed_as_images():
    x = torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 64, 64, 3)
    for layer in (layers.MixUp(0.5, seed=1), layers.CutMix(seed=1)):
        out = layer({"images": x, "labels": LABELS}, training=True)
        torch.testing.assert_close(out["labels"].sum(1), torch.ones(4))
        mean = (out["labels"] * torch.arange(4.0)).sum(1)
        torch.testing.assert_close(out["images"].mean((1, 2, 3)), mean, atol=0.1 if isinstance(layer, layers.CutMix) else 1e-5, rtol=0)
    assert layers.CutMix()(x[0], training=True).shape == (64, 64, 3)  # one image has nobody to mix with


def test_images_and_masks_are_bent_alike():
    layer = layers.RandomElasticTransform((1.0, 1.0), (1.0, 1.0), interpolation="nearest", value_range=(0, 1))
    x = (torch.rand(2, 16, 16, 1) > 0.5).float()
    out = layer({"images": x, "segmentation_masks": x.byte()}, training=True)
    assert not torch.equal(out["images"], x)
    torch.testing.assert_close(out["segmentation_masks"].float(), out["images"])


def test_erasing():
    x = torch.full((64, 20, 20, 3), 9.0)
    share = (layers.RandomErasing((1.0, 1.0), (0.25, 0.25), fill_value=[1, 2, 3])(x, training=True) != 9).float().mean((1, 2, 3))
    assert ((share - 0.25).abs() < 0.08).all()
    noise = layers.RandomErasing((1.0, 1.0), (1.0, 1.0))(x, training=True)
    assert 50 < float(noise.std()) < 130
    torch.testing.assert_close(layers.RandomErasing((0.0, 0.0))(x, training=True), x)


def test_jitter_and_policies_use_their_parts():
    x = torch.from_numpy(IMAGES).float()
    jitter = layers.RandomColorJitter(brightness_factor=(0.5, 0.5))
    torch.testing.assert_close(jitter(x, training=True), (x + 127.5).clamp(0, 255))
    assert jitter.random_hue is None
    policy = layers.RandAugment(num_ops=1, factor=0.0)
    policy._names = ("solarization",)
    torch.testing.assert_close(policy(x, training=True), 255 - x)
    chains = layers.AugMix(num_chains=2, chain_depth=0)  # chains of nothing
    torch.testing.assert_close(chains(x, training=True), x)
    pipeline = layers.Pipeline([layers.RandomInvert((1.0, 1.0)), layers.Rescaling(2.0)])
    torch.testing.assert_close(pipeline(x, training=True), 2 * (255 - x))
    torch.testing.assert_close(pipeline(x, training=False), 2 * x)
    again = layers.Pipeline.from_config(pipeline.get_config())
    torch.testing.assert_close(again(x), 2 * (255 - x))
    steps, mask = torch.arange(6.0).reshape(1, 3, 2), torch.tensor([[True, True, False]])
    masked = layers.Pipeline([layers.GlobalAveragePooling1D()])
    torch.testing.assert_close(masked(steps, mask=mask), steps[:, :2].mean(1))
    with pytest.raises(ValueError, match="must hold a list of layers"):
        layers.Pipeline.from_config({"layers": None})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: layers.RandomFlip("left"), "`mode` must be 'horizontal'"),
        (lambda: layers.RandomRotation(1.5), "`factor` must be a number from -1 to 1"),
        (lambda: layers.RandomRotation((0.1, 0.2, 0.3)), "or a list of two such numbers"),
        (lambda: layers.RandomRotation("a"), "`factor` must be a number"),
        (lambda: layers.RandomTranslation(0.1, 2), "`width_factor` must be a number from -1 to 1"),
        (lambda: layers.RandomZoom(-1), "`height_factor` must lie above -1"),
        (lambda: layers.RandomShear(-0.5), "`x_factor` must be a number from 0 to 1"),
        (lambda: layers.RandomPerspective(scale=2), "`scale` must be a number from 0 to 1"),
        (lambda: layers.RandomCrop(0, 3), "`height` must be a positive whole number"),
        (lambda: layers.RandomBrightness(0.1, value_range=3), "`value_range` must be a list of two numbers"),
        (lambda: layers.RandomGrayscale(2), "`factor` must be a number from 0 to 1"),
        (lambda: layers.RandomGaussianBlur(kernel_size=4), "`kernel_size` must be one or two odd numbers"),
        (lambda: layers.RandomErasing(fill_value=[1, 2]), "`fill_value` must be one number"),
        (lambda: layers.Solarization(addition_factor=2), "`addition_factor` must be a number from 0 to 1"),
        (lambda: layers.MixUp(alpha=0), "`alpha` must be a positive number"),
        (lambda: layers.RandomFlip(name="flip")(np.zeros((3, 4)), training=True), "must be one image"),
        (lambda: layers.RandomFlip(name="flip")({"image": np.zeros((4, 4, 3))}, training=True), "must hold 'images'"),
    ],
)
def test_mistakes(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_unknown_modes_are_not_implemented():  # Keras's type of error
    with pytest.raises(NotImplementedError, match="`fill_mode` must be one of 'reflect'"):
        layers.RandomRotation(0.1, fill_mode="mirror")
    with pytest.raises(NotImplementedError, match="`interpolation` must be one of 'nearest'"):
        layers.RandomZoom(0.1, interpolation="cubic")
