"""The table of formats: what each row saves and loads, old arguments, folders, and errors that list the suffixes."""

import os

import numpy as np
import pytest
import torch

import torchkeras
from tests.oracle import keras
from torchkeras import saving
from torchkeras.saving.formats import FORMATS, suffixes

X = np.random.default_rng(0).normal(size=(4, 4)).astype("float32")


def model(k=torchkeras):
    net = k.Sequential([k.Input((4,)), k.layers.Dense(3, name="a"), k.layers.Dense(2, name="b")])
    net.compile("adam", "mse")
    net.fit(X, np.zeros((4, 2), "float32"), verbose=0)
    return net


def test_every_row_offers_what_its_suffix_is_asked_for(tmp_path):
    net = model()
    expected = net.predict(X, verbose=0)
    for row in FORMATS:
        path = tmp_path / f"m{row.suffix}"
        if row.save_model is not None:
            net.save(path, zipped=None if row.suffix else False)
            np.testing.assert_allclose(saving.load_model(path).predict(X, verbose=0), expected)
        else:
            net.save_weights(path, max_shard_size=1 if row.shards else None)
        other = model()
        other.load_weights(path)
        np.testing.assert_allclose(other.predict(X, verbose=0), expected)


def test_errors_list_the_suffixes_of_the_table(tmp_path):
    net = model()
    for action, call in (
        ("save_model", lambda: net.save(tmp_path / "m.txt")),
        ("save_weights", lambda: net.save_weights(tmp_path / "m.txt")),
        ("load_weights", lambda: net.load_weights(tmp_path / "m.txt")),
    ):
        with pytest.raises(ValueError, match=r"must end in .*m\.txt") as caught:
            call()
        assert all(s in str(caught.value) for s in suffixes(action, False if action == "save_weights" else None))


@pytest.mark.parametrize("source, target", [(torchkeras, keras), (keras, torchkeras)])
def test_folders_go_both_ways(source, target, tmp_path):
    net = model(source)
    net.save(tmp_path / "m", zipped=False)
    assert {"config.json", "metadata.json", "model.weights.h5"} == set(os.listdir(tmp_path / "m")) - {"assets"}
    other = target.models.load_model(tmp_path / "m")
    np.testing.assert_allclose(other.predict(X, verbose=0), net.predict(X, verbose=0), rtol=1e-5)
    assert int(other.optimizer.iterations.numpy()) == 1


def test_a_folder_is_replaced_only_where_it_is_a_saved_model(tmp_path):
    net = model()
    net.save(tmp_path / "m", zipped=False)
    net.save(tmp_path / "m", zipped=False)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        net.save(tmp_path / "m", overwrite=False, zipped=False)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter").write_text("dear")
    with pytest.raises(FileExistsError, match="is no saved model: it is not replaced"):
        net.save(tmp_path / "home", zipped=False)
    with pytest.raises(ValueError, match="holds no saved model: it has no file 'config.json'"):
        saving.load_model(tmp_path / "home")
    (tmp_path / "m" / "config.json").rename(tmp_path / "elsewhere")
    (tmp_path / "m" / "config.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="links are not followed"):
        saving.load_model(tmp_path / "m")
    assert sorted(os.listdir(tmp_path)) == ["elsewhere", "home", "m"]


def test_old_arguments_of_save(tmp_path):
    net = model()
    with pytest.warns(UserWarning, match="`include_optimizer=False` has no effect, as in Keras 3"):
        net.save(tmp_path / "m.keras", include_optimizer=False)
    net.save(tmp_path / "m.keras", include_optimizer=True, save_format="keras", zipped=True)
    with pytest.raises(ValueError, match="`save_format` must be 'keras'"):
        net.save(tmp_path / "m.keras", save_format="tf")


@pytest.mark.parametrize("suffix", [".weights.h5", ".weights.json", ".safetensors"])
def test_objects_are_skipped(suffix, tmp_path):
    net, other = model(), model()
    path = tmp_path / f"m{suffix}"
    kept = other.layers[0].get_weights()
    net.save_weights(path, max_shard_size=1 if "json" in suffix else None)
    other.load_weights(path, objects_to_skip=[other.layers[0]])
    np.testing.assert_array_equal(other.layers[0].get_weights()[0], kept[0])
    np.testing.assert_array_equal(other.layers[1].get_weights()[0], net.layers[1].get_weights()[0])
    net.save_weights(path, max_shard_size=1 if "json" in suffix else None, objects_to_skip=[net.layers[0]])
    with pytest.raises(ValueError, match="another architecture"):
        other.load_weights(path)
    other.load_weights(path, objects_to_skip=[other.layers[0]])
    np.testing.assert_array_equal(other.layers[0].get_weights()[0], kept[0])


def test_shards_of_a_path_that_ends_in_h5_are_listed_beside_it(tmp_path):
    net, other = model(), model()
    net.save_weights(tmp_path / "m.weights.h5", max_shard_size=1)
    assert sorted(os.listdir(tmp_path)) == ["m.weights.json", "m_00000.weights.h5"]
    other.load_weights(tmp_path / "m.weights.json")
    torch.testing.assert_close(torch.as_tensor(other.get_weights()[0]), torch.as_tensor(net.get_weights()[0]))
