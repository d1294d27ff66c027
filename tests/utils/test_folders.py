"""Data sets from folders and from time series: the files, order and split of real Keras, and what is read of each file."""

import wave

import numpy as np
import pytest
import torch
from keras.src.utils import dataset_utils
from PIL import Image

import torchkeras as keras
from torchkeras import layers, utils
from torchkeras.ops.image import resize


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    for folder, count in (("cats", 7), ("dogs", 5), (".hidden", 2)):
        (tmp_path / folder / "more").mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(0, 255, (9 + i, 12, 3), "uint8")
            Image.fromarray(pixels).save(tmp_path / folder / ("more" if i % 3 == 0 else "") / f"{i}.png")
    (tmp_path / "cats" / "notes.txt").write_text("no image")
    return tmp_path


def everything(data):
    return [torch.cat(parts) for parts in zip(*data)]


@pytest.mark.parametrize("shuffle", [False, True])
def test_files_labels_and_split_are_those_of_keras(images, shuffle, capsys):
    paths, labels, names = dataset_utils.index_directory(str(images), "inferred", (".png",), shuffle=shuffle, seed=3, verbose=False)
    data = utils.image_dataset_from_directory(images, shuffle=shuffle, seed=3, batch_size=None)
    assert capsys.readouterr().out == "Found 12 files belonging to 2 classes.\n"
    assert data.file_paths == paths
    assert data.class_names == names == ["cats", "dogs"]
    train, kept = utils.image_dataset_from_directory(
        images, shuffle=shuffle, seed=3, validation_split=0.3, subset="both", verbose=False, image_size=8, batch_size=5
    )
    for subset, ours in (("training", train), ("validation", kept)):
        expected, numbers = dataset_utils.get_training_or_validation_split(list(paths), labels, 0.3, subset)
        assert ours.file_paths == expected
        found = everything(ours)[1]
        assert sorted(found.tolist()) == sorted(numbers.tolist())
        alone = utils.image_dataset_from_directory(
            images, shuffle=shuffle, seed=3, validation_split=0.3, subset=subset, verbose=False, image_size=8
        )
        assert alone.file_paths == expected
    assert not set(train.file_paths) & set(kept.file_paths)


def test_images_are_read_resized_and_labelled(images):
    data = utils.image_dataset_from_directory(images, shuffle=False, image_size=(6, 10), batch_size=4, verbose=False)
    x, y = everything(data)
    assert x.shape == (12, 6, 10, 3)
    assert x.dtype is torch.float32
    assert y.tolist() == [0] * 7 + [1] * 5
    assert y.dtype is torch.int32
    for path, image in zip(data.file_paths, x):
        torch.testing.assert_close(
            image, resize(torch.from_numpy(np.array(Image.open(path), "float32")), (6, 10), data_format="channels_last")
        )
    assert len(data) == 3
    assert data.take(1).class_names == ["cats", "dogs"]
    modes = {"binary": (12, 1), "categorical": (12, 2)}
    for mode, shape in modes.items():
        assert everything(utils.image_dataset_from_directory(images, label_mode=mode, image_size=4, verbose=False))[1].shape == shape
    first = utils.image_dataset_from_directory(
        images, label_mode=None, color_mode="grayscale", image_size=4, data_format="channels_first", verbose=False
    )
    assert next(iter(first)).shape == (12, 1, 4, 4)
    dogs = utils.image_dataset_from_directory(images, class_names=["dogs"], image_size=4, verbose=False, interpolation="area")
    assert dogs.class_names == ["dogs"]
    assert len(dogs.file_paths) == 5
    given = utils.image_dataset_from_directory(images / "dogs", labels=[3, 1, 3, 1, 1], shuffle=False, image_size=4, verbose=False)
    assert everything(given)[1].tolist() == [3, 1, 3, 1, 1]
    assert given.class_names == ["1", "3"]


def test_an_image_classifier_learns_from_a_folder(tmp_path):
    rng = np.random.default_rng(0)
    for number, folder in enumerate(("dark", "light")):
        (tmp_path / folder).mkdir()
        for i in range(12):
            Image.fromarray(rng.integers(120 * number, 120 * number + 120, (8, 8, 3)).astype("uint8")).save(tmp_path / folder / f"{i}.png")
    arguments = {"image_size": (8, 8), "batch_size": 6, "validation_split": 0.25, "seed": 1, "verbose": False}
    train, kept = utils.image_dataset_from_directory(tmp_path, subset="both", **arguments)
    augment = keras.Sequential([layers.RandomFlip(), layers.RandomRotation(0.1)])
    train = train.map(lambda x, y: (augment(x, training=True), y)).cache()
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Rescaling(1 / 255), layers.GlobalAveragePooling2D(), layers.Dense(2, "softmax")]
    )
    model.compile(keras.optimizers.Adam(0.2), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(train, validation_data=kept, epochs=15, verbose=0).history
    assert history["val_accuracy"][-1] == 1.0


def test_texts(tmp_path):
    for folder, texts in (("bad", ["dull film", "bad"]), ("good", ["great film", "nice one"])):
        (tmp_path / folder).mkdir()
        for i, text in enumerate(texts):
            (tmp_path / folder / f"{i}.txt").write_text(text)
    data = utils.text_dataset_from_directory(tmp_path, shuffle=False, batch_size=3, verbose=False)
    assert [x.tolist() for x, _ in data] == [["dull film", "bad", "great film"], ["nice one"]]
    assert [y.tolist() for _, y in data] == [[0, 0, 1], [1]]
    cut = utils.text_dataset_from_directory(tmp_path, labels=None, shuffle=False, batch_size=None, max_length=4, verbose=False)
    assert list(cut) == ["dull", "bad", "grea", "nice"]


def write(path, samples, rate=8000, width=2):
    scaled = np.asarray(samples) * (1 << (8 * width - 1))
    data = scaled.astype("<i4").reshape(-1, 1).view("uint8")[:, :width].tobytes() if width > 1 else (scaled + 128).astype("uint8").tobytes()
    with wave.open(str(path), "wb") as file:
        file.setparams((1, width, rate, 0, "NONE", ""))
        file.writeframes(data)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_sounds(tmp_path, width):
    (tmp_path / "a").mkdir()
    tone = 0.5 * np.sin(2 * np.pi * 50 * np.arange(800) / 8000)
    write(tmp_path / "a" / "0.wav", tone, width=width)
    write(tmp_path / "a" / "1.wav", tone[:400], width=width)
    data = utils.audio_dataset_from_directory(tmp_path, shuffle=False, verbose=False)
    ((x, y),) = data
    assert x.shape == (2, 800, 1)
    assert y.tolist() == [0, 0]
    torch.testing.assert_close(x[0, :, 0], torch.from_numpy(tone).float(), atol=0.01 if width == 1 else 1e-4, rtol=0)
    assert not x[1, 400:].any()
    half = utils.audio_dataset_from_directory(
        tmp_path, sampling_rate=4000, output_sequence_length=500, shuffle=False, verbose=False, labels=None
    )
    (z,) = half
    assert z.shape == (2, 500, 1)
    torch.testing.assert_close(z[0, :400, 0], torch.from_numpy(tone[::2]).float(), atol=0.02, rtol=0)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            {"sequence_length": 3},
            ([[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [4, 5, 6], [5, 6, 7], [6, 7, 8], [7, 8, 9]], list(range(100, 108))),
        ),
        ({"sequence_length": 2, "sequence_stride": 3, "sampling_rate": 2}, ([[0, 2], [3, 5], [6, 8]], [100, 103, 106])),
        ({"sequence_length": 2, "start_index": 3, "end_index": 6}, ([[3, 4], [4, 5]], [103, 104])),
    ],
)
def test_windows_of_a_series(arguments, expected):
    x, y = everything(utils.timeseries_dataset_from_array(np.arange(10), np.arange(100, 110), batch_size=2, **arguments))
    assert (x.tolist(), y.tolist()) == expected
    mixed = everything(utils.timeseries_dataset_from_array(np.arange(10), np.arange(100, 110), shuffle=True, seed=1, **arguments))
    assert sorted(mixed[0].tolist()) == expected[0]
    assert mixed[1].tolist() == [row[0] + 100 for row in mixed[0].tolist()]
    single = list(utils.timeseries_dataset_from_array(np.arange(10), None, batch_size=None, **arguments))
    assert [row.tolist() for row in single] == expected[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": "classes"}, "`labels` must be 'inferred', None or a list"),
        ({"label_mode": "one_hot"}, "`label_mode` must be 'int'"),
        ({"labels": [1] * 3}, "`labels` must be one for each of the 14"),
        ({"labels": None, "class_names": ["cats"]}, "`class_names` can only be given where labels are inferred"),
        ({"class_names": ["birds"]}, "`class_names` must be folders of `directory`"),
        ({"color_mode": "hsv"}, "`color_mode` must be 'rgb'"),
        ({"image_size": (1, 2, 3)}, "`image_size` must be the height and the width"),
        ({"interpolation": "cubic"}, "`interpolation` must be one of 'bilinear'"),
        ({"validation_split": 2.0, "subset": "both"}, "`validation_split` must be between 0 and 1"),
        ({"validation_split": 0.5}, "must be given together"),
        ({"validation_split": 0.5, "subset": "test", "seed": 1}, "`subset` must be 'training'"),
        ({"validation_split": 0.5, "subset": "both"}, "`seed` must be given"),
        ({"validation_split": 0.01, "subset": "validation", "seed": 1}, "must hold files that end in"),
        ({"crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True}, "must not both be True"),
    ],
)
def test_mistakes(images, arguments, message):
    paths = sorted(images.glob("[cd]*/**/*.png"))
    assert len(paths) == 12
    with pytest.raises(ValueError, match=message):
        utils.image_dataset_from_directory(images / ".." / images.name, verbose=False, **arguments)


def test_damaged_and_missing_files_are_named(images, tmp_path_factory):
    (images / "cats" / "1.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match="1.png' is no image that can be read"):
        list(utils.image_dataset_from_directory(images, verbose=False))
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(ValueError, match="must hold files that end in"):
        utils.image_dataset_from_directory(empty, verbose=False)
    with pytest.raises(ValueError, match="`directory` must be a folder"):
        utils.text_dataset_from_directory(empty / "nowhere", verbose=False)
    (empty / "a").mkdir()
    (empty / "a" / "x.wav").write_bytes(b"no sound")
    with pytest.raises(ValueError, match="x.wav' is no WAV file"):
        list(utils.audio_dataset_from_directory(empty, verbose=False))
