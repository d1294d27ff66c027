"""Each data set reads a small file in Keras's format from Keras's cache as real Keras does, and refuses one that would run code."""

import gzip
import hashlib
import json
import os
import pickle
import pickletools
import tarfile

import numpy as np
import pytest

from tests.oracle import keras
from torchkeras import config, datasets
from torchkeras.datasets import boston_housing, california_housing, cifar10, cifar100, digits, fashion_mnist, imdb, mnist, reuters
from torchkeras.datasets.files import load_npz, load_pickle


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(keras.src.utils.file_utils.config, "keras_home", lambda: str(tmp_path))
    folder = tmp_path / "datasets"
    folder.mkdir()
    return folder


def trust(monkeypatch, module, path, name="FILE_HASH"):
    """Make the hash of a small file the one that is expected of the whole one, here and in real Keras."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(module, name, digest)
    oracle = getattr(keras.src.datasets, module.__name__.rsplit(".", 1)[1])
    real = keras.src.utils.file_utils.get_file
    monkeypatch.setattr(oracle, "get_file", lambda *args, **kwargs: real(*args, **{**kwargs, "file_hash": digest}))
    return oracle


def assert_same(found, expected):
    for pair, oracle_pair in zip(found, expected):
        for array, oracle in zip(pair, oracle_pair):
            assert array.dtype == oracle.dtype
            assert array.tolist() == oracle.tolist()


def numbers(*shape, seed=0, high=256):
    return np.random.default_rng(seed).integers(0, high, shape, dtype=np.uint8)


def test_digits_ship_with_the_package():
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    assert (x_train.shape, y_train.shape, x_test.shape, y_test.shape) == ((1437, 8, 8), (1437,), (360, 8, 8), (360,))
    assert (x_train.dtype, y_train.dtype, x_train.min(), x_train.max()) == (np.uint8, np.uint8, 0, 16)
    assert_same(digits.load_data(), ((x_train, y_train), (x_test, y_test)))
    (x, y), (rest, _) = digits.load_data(test_split=0, seed=1)
    assert (len(x), len(rest)) == (1797, 0)
    sklearn = pytest.importorskip("sklearn.datasets").load_digits()
    assert sorted(map(bytes, x)) == sorted(map(bytes, sklearn.images.astype(np.uint8)))
    assert np.bincount(y).tolist() == np.bincount(sklearn.target).tolist()
    with pytest.raises(ValueError, match="`test_split` must be at least 0 and less than 1. Received: test_split=1"):
        digits.load_data(test_split=1)


def test_mnist(cache, monkeypatch):
    path = cache / "mnist.npz"
    np.savez(path, x_train=numbers(5, 28, 28), y_train=numbers(5), x_test=numbers(2, 28, 28), y_test=numbers(2))
    oracle = trust(monkeypatch, mnist, path)
    assert_same(mnist.load_data(), oracle.load_data())


def idx(array):
    return bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">i4").tobytes() + array.tobytes()


def test_fashion_mnist(cache):
    (cache / "fashion-mnist").mkdir()
    for part, count in (("train", 6), ("t10k", 3)):
        for kind, array in (("images-idx3", numbers(count, 28, 28, seed=count)), ("labels-idx1", numbers(count))):
            (cache / "fashion-mnist" / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(idx(array)))
    assert_same(fashion_mnist.load_data(), keras.datasets.fashion_mnist.load_data())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\0\0\x08\x01" + np.array([3], ">i4").tobytes() + b"ab", "is damaged: 2 of 3 bytes"),
        (b"\0\0\x0d\x01" + np.array([3], ">i4").tobytes() + b"abc", "is not the file"),
        (b"\0\0\x08\x01" + np.array([2**31 - 1], ">i4").tobytes(), "is not the file"),
    ],
)
def test_a_wrong_idx_file_is_named(cache, content, message):
    (cache / "fashion-mnist").mkdir()
    (cache / "fashion-mnist" / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(content))
    (cache / "fashion-mnist" / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(numbers(1, 28, 28))))
    with pytest.raises(ValueError, match=message):
        fashion_mnist.load_data()


class Python2Pickler(pickle._Pickler):
    """Writes strings as Python 2 did, as in the CIFAR files."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_string(self, value):
        value = value.encode() if isinstance(value, str) else value
        self.write(pickle.BINSTRING + len(value).to_bytes(4, "little") + value)

    dispatch[bytes] = dispatch[str] = save_string


def write_cifar(folder, name, count, seed, **labels):
    batch = {b"data": numbers(count, 3072, seed=seed), b"filenames": [b"a.png"] * count, b"batch_label": b"x"}
    batch.update({key.encode(): values for key, values in labels.items()})
    with open(folder / name, "wb") as file:
        Python2Pickler(file, protocol=2).dump(batch)
    assert "BINSTRING" in {opcode.name for opcode, _, _ in pickletools.genops((folder / name).read_bytes())}


def make_archive(cache, inner, target):
    archive = cache / f"{target}_archive"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(inner, inner.name)
    return archive


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_cifar10(cache, tmp_path, monkeypatch, data_format):
    inner = tmp_path / "cifar-10-batches-py"
    inner.mkdir()
    for number, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        write_cifar(inner, name, 4, number, labels=[number, 1, 2, 3])
    trust(monkeypatch, cifar10, make_archive(cache, inner, "cifar-10-batches-py-target"))
    monkeypatch.setattr(config._settings, "image_data_format", data_format)
    (x_train, y_train), (x_test, y_test) = cifar10.load_data()
    expected = [keras.src.datasets.cifar.load_batch(str(inner / f"data_batch_{n}")) for n in range(1, 6)]
    images = np.concatenate([images for images, _ in expected])
    assert np.array_equal(x_train, images if data_format == "channels_first" else images.transpose(0, 2, 3, 1))
    assert y_train[:, 0].tolist() == sum([labels for _, labels in expected], [])
    assert (x_train.dtype, y_train.dtype, y_train.shape, x_test.shape[0], y_test[0, 0]) == (np.uint8, np.uint8, (20, 1), 4, 5)


def test_cifar100(cache, tmp_path, monkeypatch):
    inner = tmp_path / "cifar-100-python"
    inner.mkdir()
    for part in ("train", "test"):
        write_cifar(inner, part, 3, len(part), fine_labels=[7, 8, 9], coarse_labels=[1, 2, 3])
    oracle = trust(monkeypatch, cifar100, make_archive(cache, inner, "cifar-100-python-target"))
    for label_mode in ("fine", "coarse"):
        found, expected = cifar100.load_data(label_mode), oracle.load_data(label_mode)
        assert [[array.tolist() for array in pair] for pair in found] == [[array.tolist() for array in pair] for pair in expected]
    with pytest.raises(ValueError, match="`label_mode` must be 'fine' or 'coarse'. Received: label_mode='all'"):
        cifar100.load_data("all")


def lists(count, seed):
    random = np.random.default_rng(seed)
    array = np.empty(count, dtype=object)
    array[:] = [random.integers(1, 60, random.integers(2, 12)).tolist() for _ in range(count)]
    return array


OPTIONS = [
    {},
    {"num_words": 30},
    {"skip_top": 10, "oov_char": None},
    {"maxlen": 8, "seed": 5},
    {"start_char": None, "index_from": 0},
    {"start_char": None, "index_from": 2, "num_words": 40, "skip_top": 3, "maxlen": 9},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_imdb(cache, monkeypatch, options):
    path = cache / "imdb.npz"
    np.savez(path, x_train=lists(20, 1), y_train=numbers(20, high=2), x_test=lists(15, 2), y_test=numbers(15, high=2))
    oracle = trust(monkeypatch, imdb, path)
    assert_same(imdb.load_data(**options), oracle.load_data(**options))


@pytest.mark.parametrize("options", [*OPTIONS, {"test_split": 0.5}])
def test_reuters(cache, monkeypatch, options):
    path = cache / "reuters.npz"
    np.savez(path, x=lists(30, 1), y=numbers(30, high=46).astype(np.int64))
    oracle = trust(monkeypatch, reuters, path)
    assert_same(reuters.load_data(**options), oracle.load_data(**options))


def test_text_options_are_checked(cache, monkeypatch):
    path = cache / "imdb.npz"
    np.savez(path, x_train=lists(3, 1), y_train=numbers(3), x_test=lists(3, 2), y_test=numbers(3))
    trust(monkeypatch, imdb, path)
    assert_same(imdb.load_data(nb_words=20), imdb.load_data(num_words=20))
    with pytest.raises(ValueError, match="`maxlen` must be more than the length of the shortest text. Received: maxlen=1"):
        imdb.load_data(maxlen=1)
    with pytest.raises(TypeError, match="takes no argument named words"):
        imdb.load_data(words=1)


@pytest.mark.parametrize("module", [imdb, reuters])
def test_word_indices(cache, monkeypatch, module):
    name = f"{module.__name__.rsplit('.', 1)[1]}_word_index.json"
    (cache / name).write_text(json.dumps({"the": 1, "film": 2}))
    monkeypatch.setattr(module, "INDEX_HASH", hashlib.md5((cache / name).read_bytes()).hexdigest())
    assert module.get_word_index() == {"the": 1, "film": 2}


def test_label_names():
    assert reuters.get_label_names() == keras.datasets.reuters.get_label_names()


@pytest.mark.parametrize("options", [{}, {"test_split": 0.35, "seed": 3}])
def test_boston_housing(cache, monkeypatch, options):
    path = cache / "boston_housing.npz"
    np.savez(path, x=np.random.rand(23, 13), y=np.random.rand(23))
    oracle = trust(monkeypatch, boston_housing, path)
    assert_same(boston_housing.load_data(**options), oracle.load_data(**options))


@pytest.mark.parametrize("options", [{}, {"version": "small", "test_split": 0.5, "seed": 3}])
def test_california_housing(cache, monkeypatch, options):
    path = cache / "california_housing.npz"
    np.savez(path, x=np.random.rand(700, 8).astype("float32"), y=np.random.rand(700).astype("float32"))
    oracle = trust(monkeypatch, california_housing, path)
    assert_same(california_housing.load_data(**options), oracle.load_data(**options))
    with pytest.raises(ValueError, match="`version` must be 'large' or 'small'"):
        california_housing.load_data("medium")


class Asked(Exception):
    pass


@pytest.mark.parametrize("module", [mnist, cifar10, cifar100, imdb, reuters, boston_housing, california_housing])
def test_hashes_and_addresses_are_those_of_keras(monkeypatch, module):
    def record(fname, origin, file_hash, **kwargs):
        raise Asked(fname, origin, file_hash)

    asked = []
    for owner in (module, getattr(keras.src.datasets, module.__name__.rsplit(".", 1)[1])):
        monkeypatch.setattr(owner, "get_file", record)
        with pytest.raises(Asked) as caught:
            owner.load_data()
        asked.append(caught.value.args)
    assert asked[0] == asked[1]


def test_without_a_network_the_error_names_the_file(cache, monkeypatch):
    monkeypatch.setattr(mnist, "SERVER", "http://127.0.0.1:9/")
    with pytest.raises(OSError, match=r"Tried to download http://127.0.0.1:9/mnist.npz.* put the file at .*/datasets/mnist.npz"):
        mnist.load_data()


class Attack:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "attack",
    [
        Attack(os.system, "touch pwned"),
        Attack(eval, "open('pwned', 'w')"),
        Attack(np.load, "x", None, True),
        Attack(np.ndarray, (1 << 40,)),
        Attack(np._core.multiarray._reconstruct, np.ndarray, (1 << 40,), b"b"),
        Attack(np.dtype, "V1000000000"),
        Attack(bytes, 1 << 40),
    ],
)
def test_a_pickle_that_would_run_code_or_fill_memory_is_refused(tmp_path, monkeypatch, attack):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "batch").write_bytes(pickle.dumps({"data": attack}, protocol=3))
    with pytest.raises(ValueError, match="is not a data set that can be read safely"):
        load_pickle(tmp_path / "batch")
    array = np.empty(1, dtype=object)
    array[0] = attack
    np.savez(tmp_path / "texts.npz", x=array)
    with pytest.raises(ValueError, match="is not a data set that can be read safely"):
        load_npz(tmp_path / "texts.npz")
    assert not (tmp_path / "pwned").exists()


def test_damaged_files_are_named(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK not a zip file")
    with pytest.raises(ValueError, match="a.npz is damaged"):
        load_npz(tmp_path / "a.npz")
    (tmp_path / "b").write_bytes(pickle.dumps([1, 2, 3])[:-4])
    with pytest.raises(ValueError, match="is not a data set that can be read safely"):
        load_pickle(tmp_path / "b")
    (tmp_path / "c").write_bytes(pickle.dumps({b"data": [1]}, protocol=3))
    with pytest.raises(ValueError, match="is not a CIFAR file"):
        cifar10.load_batch(str(tmp_path / "c"))


def test_every_module_is_a_public_name():
    assert datasets.digits is digits
