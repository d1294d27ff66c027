"""The `.keras` file: its members, its name, and what `load_model` refuses."""

import json
import zipfile

import pytest

import torchkeras
from torchkeras import layers
from torchkeras.models import load_model


def model():
    return torchkeras.Sequential([torchkeras.Input((4,)), layers.Dense(3)])


def test_the_members_are_those_that_keras_writes(tmp_path):
    model().save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        assert archive.namelist() == ["metadata.json", "config.json", "model.weights.h5"]
        assert json.loads(archive.read("metadata.json"))["keras_version"].startswith("3.")


def test_bad_arguments_are_refused(tmp_path):
    net = model()
    for call, error, message in (
        (lambda: net.save(tmp_path / "m.txt"), ValueError, r"must end in .keras. Received: filepath="),
        (lambda: net.save(tmp_path / "m.keras", zipped=False), ValueError, "`zipped=False` must name a folder, without a suffix"),
        (lambda: net.save(tmp_path / "m.keras", mode=3), ValueError, "Unrecognized arguments passed to save: mode"),
        (lambda: load_model(tmp_path / "none.keras"), FileNotFoundError, "No such file"),
    ):
        with pytest.raises(error, match=message):
            call()
    net.save(tmp_path / "m.keras")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        net.save(tmp_path / "m.keras", overwrite=False)
    with zipfile.ZipFile(tmp_path / "empty.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(ValueError, match="has no member 'metadata.json'"):
        load_model(tmp_path / "empty.keras")


def test_a_packed_file_is_read_as_well(tmp_path):
    net = model()
    net.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as old, zipfile.ZipFile(tmp_path / "n.keras", "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    assert (load_model(tmp_path / "n.keras").get_weights()[0] == net.get_weights()[0]).all()
