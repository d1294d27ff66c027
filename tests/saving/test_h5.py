"""HDF5 files that reach outside themselves, lie about their size, or are damaged."""

import io
import os
import tracemalloc

import h5py
import numpy as np
import pytest

from torchkeras.saving import load_model
from torchkeras.saving.h5 import H5Reader, ReadStore, UnsafeFileError

from .hostile import h5_bytes, keras_file, model

KERNEL = "layers/dense/vars/0"


def good(file):
    file[KERNEL] = np.ones((4, 3), "float32")
    file["layers/dense/vars/1"] = np.ones(3, "float32")


def secret(path):
    with h5py.File(path, "w") as file:
        file["secret"] = np.full((4, 3), 42, "float32")
    with open(path.with_suffix(".raw"), "wb") as file:
        file.write(np.full((4, 3), 42, "float32").tobytes())
    return path


def external_link(file, other):
    file[KERNEL] = h5py.ExternalLink(str(other), "secret")


def external_group(file, other):
    del file["layers/dense"]
    file["layers/dense"] = h5py.ExternalLink(str(other), "/")


def soft_link(file, other):
    file["elsewhere"] = np.ones((4, 3), "float32")
    file[KERNEL] = h5py.SoftLink("/elsewhere")


def virtual(file, other):
    layout = h5py.VirtualLayout((4, 3), "float32")
    layout[:] = h5py.VirtualSource(str(other), "secret", (4, 3))
    file.create_virtual_dataset(KERNEL, layout)


def external_storage(file, other):
    file.create_dataset(KERNEL, (4, 3), "float32", external=[(str(other.with_suffix(".raw")), 0, 48)])


def huge(file, other):
    file.create_dataset(KERNEL, (2**20, 2**20), "float32", chunks=(16, 16))


def huge_packed(file, other):
    file.create_dataset(KERNEL, (2**14, 2**14), "float32", chunks=(2**10, 2**10), compression="gzip", compression_opts=9, fillvalue=1.0)


def text(file, other):
    file[KERNEL] = np.array([["a"] * 3] * 4, dtype=h5py.string_dtype())


def references(file, other):
    file.create_dataset(KERNEL, (4, 3), h5py.ref_dtype)


def compound(file, other):
    file.create_dataset(KERNEL, (4, 3), np.dtype([("a", "f4"), ("b", "i4")]))


def a_type(file, other):
    file[KERNEL] = np.dtype("f4")


ATTACKS = [external_link, external_group, soft_link, virtual, external_storage, huge, huge_packed, text, references, compound, a_type]


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("kind", ["weights.h5", "keras"])
def test_hostile_weights_are_refused(attack, kind, tmp_path):
    other = secret(tmp_path / "secret.h5")

    def fill(file):
        good(file)
        if KERNEL in file:
            del file[KERNEL]
        attack(file, other)

    content = h5_bytes(fill)
    path = tmp_path / f"m.{kind}"
    keras_file(path, weights=content) if kind == "keras" else path.write_bytes(content)
    net = model()
    before = net.get_weights()
    tracemalloc.start()
    try:
        with pytest.raises(UnsafeFileError):
            net.load_weights(path)
        if kind == "keras":
            with pytest.raises(UnsafeFileError):
                load_model(path)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()
    for a, b in zip(before, net.get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_skip_mismatch_does_not_skip_the_checks(tmp_path):
    def fill(file):
        good(file)
        del file[KERNEL]
        file[KERNEL] = h5py.SoftLink("/layers/dense/vars/1")

    path = tmp_path / "m.weights.h5"
    path.write_bytes(h5_bytes(fill))
    with pytest.raises(UnsafeFileError, match="SoftLink at /layers/dense/vars/0: links are not followed"):
        model().load_weights(path, skip_mismatch=True)


def cycle(file):
    good(file)
    file["layers/again"] = file["layers"]


def deep(file):
    good(file)
    file.create_group("/".join("a" * 300))["x"] = np.ones(1)


@pytest.mark.parametrize("fill", [cycle, deep])
def test_groups_without_end_are_refused(fill, tmp_path):
    path = tmp_path / "m.weights.h5"
    path.write_bytes(h5_bytes(fill))
    with pytest.raises(UnsafeFileError, match="twice, or nested deeper"):
        model().load_weights(path)


def test_a_file_of_another_format_is_named():
    with pytest.raises(ValueError, match="x.h5 is not a readable HDF5 file"):
        H5Reader(io.BytesIO(b"no HDF5" * 100), "x.h5")


def test_a_store_reads_like_a_mapping():
    def fill(file):
        file["vars/0"] = np.arange(6, dtype="float32").reshape(2, 3)
        file["vars/inner/a"] = np.ones(2)
        file["vars"].attrs["name"] = "d"

    with H5Reader(io.BytesIO(h5_bytes(fill)), "x") as reader:
        store = ReadStore(reader, reader.group("vars"))
        assert sorted(store.keys()) == ["0", "inner"] and len(store) == 2 and "0" in store and "1" not in store
        assert store["0"].shape == (2, 3) and store["0"][1, 2] == 5
        assert np.asarray(store["inner"]["a"]).sum() == 2
        assert store.get("1") is None and store.attrs["name"] == "d"
        with pytest.raises(KeyError, match="x has no array '1'"):
            store["1"]
        assert reader.group("no/such") is None and len(ReadStore(reader, None)) == 0


@pytest.mark.parametrize("kind", ["weights.h5", "keras", "safetensors"])
def test_truncated_files_leave_the_model_as_it_was(kind, tmp_path):
    net = model()
    net.compile("adam", "mse")
    net.fit(np.ones((8, 4)), np.ones((8, 3)), verbose=0)
    path = tmp_path / f"m.{kind}"
    net.save(path) if kind == "keras" else net.save_weights(path)
    whole = path.read_bytes()
    before = net.get_weights()
    rest = np.random.default_rng(0).integers(0, len(whole), 20)
    for cut in sorted({0, 1, 8, 100, len(whole) // 2, len(whole) - 100, len(whole) - 1, *rest.tolist()}):
        path.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match=r"damaged, truncated|incomplete|damaged"):
            net.load_weights(path)
        if kind == "keras":
            with pytest.raises(ValueError, match=r"damaged"):
                load_model(path)
    for a, b in zip(before, net.get_weights(), strict=True):
        assert np.array_equal(a, b)
    assert os.listdir(tmp_path) == [path.name]


def test_flipped_bytes_are_noticed(tmp_path):
    path = tmp_path / "m.keras"
    net = model()
    net.save(path)
    whole = bytearray(path.read_bytes())
    place = whole.index(net.get_weights()[0].tobytes())
    whole[place + 5] ^= 0xFF
    path.write_bytes(whole)
    with pytest.raises(ValueError, match="damaged: its member 'model.weights.h5'"):
        load_model(path)
