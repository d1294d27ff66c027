"""Weights files: what fits, what does not, and that nothing is half done."""

import os
import threading

import h5py
import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import nn

import torchkeras
from tests import processes
from torchkeras import layers, saving
from torchkeras.saving import weights


def model(units=3, name="d", extra=False):
    more = [layers.Dense(2, name="e")] if extra else []
    return torchkeras.Sequential([torchkeras.Input((4,)), layers.Dense(units, name=name), *more])


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a.get_weights(), b.get_weights(), strict=True))


@pytest.mark.parametrize("suffix", [".weights.h5", ".safetensors"])
def test_weights_come_back(suffix, tmp_path):
    a, b = model(), model(name="other")
    a.save_weights(tmp_path / f"m{suffix}")
    if suffix == ".safetensors":
        b = model()
    b.load_weights(tmp_path / f"m{suffix}")
    assert same(a, b)
    assert os.listdir(tmp_path) == [f"m{suffix}"]


def test_weights_of_a_whole_model_file(tmp_path):
    a, b = model(), model()
    a.save(tmp_path / "m.keras")
    b.load_weights(tmp_path / "m.keras")
    assert same(a, b)


def refused(net, path, message):
    before = [w.copy() for w in net.get_weights()]
    with pytest.raises(ValueError, match=message):
        net.load_weights(path)
    for x, y in zip(before, net.get_weights(), strict=True):
        assert np.array_equal(x, y)


@pytest.mark.parametrize("suffix", [".weights.h5", ".weights.json", ".keras"])
def test_another_architecture_names_the_first_weight_that_differs(suffix, tmp_path):
    path = tmp_path / f"m{suffix}"

    def write(net):
        if suffix == ".keras":
            net.save(path)
        else:
            net.save_weights(path, max_shard_size=1 if suffix == ".weights.json" else None)

    write(model(5, extra=True))
    refused(model(3, extra=True), path, r"'.*/?d/kernel' of the layer 'd' has the shape \(4, 3\) and the file holds \(4, 5\)")
    refused(model(5), path, "holds weights at 'layers/dense_1', for which the model has no layer")
    write(model(5))
    refused(model(5, extra=True), path, r"none for 'e' \(looked for at 'layers/dense_1'\)")
    write(torchkeras.Sequential([torchkeras.Input((4,)), layers.Dense(5, use_bias=False)]))
    refused(model(5), path, "the file holds 1")


def test_the_first_layers_are_put_back_when_a_later_one_fails(tmp_path):
    a, b = model(extra=True), torchkeras.Sequential([torchkeras.Input((4,)), layers.Dense(3), layers.Dense(7)])
    b.save_weights(tmp_path / "m.weights.h5")
    refused(a, tmp_path / "m.weights.h5", r"\(3, 2\) and the file holds \(3, 7\)")


def test_skip_mismatch_takes_what_fits(tmp_path):
    a, b = model(extra=True), torchkeras.Sequential([torchkeras.Input((4,)), layers.Dense(3), layers.Dense(7, name="wide")])
    a.save_weights(tmp_path / "m.weights.h5")
    before = b.get_weights()
    with pytest.warns(UserWarning, match="Skipped the weights of 'wide'"):
        b.load_weights(tmp_path / "m.weights.h5", skip_mismatch=True)
    assert np.array_equal(b.get_weights()[0], a.get_weights()[0]) and np.array_equal(b.get_weights()[2], before[2])


def test_arguments_are_checked(tmp_path):
    net = model()
    deferred = torchkeras.Sequential([layers.Dense(2)])
    for call, error, message in (
        (lambda: net.save_weights(tmp_path / "m.h5"), ValueError, r"must end in .weights.h5 or .safetensors. Received: filepath="),
        (lambda: net.save_weights(tmp_path / "m.safetensors", max_shard_size=1), ValueError, "must end in .weights.json"),
        (lambda: net.save_weights(tmp_path / "m.weights.json", max_shard_size=-1), ValueError, "`max_shard_size` must be a positive"),
        (lambda: net.save_weights(tmp_path / "no" / "m.weights.h5"), FileNotFoundError, "Make it first"),
        (lambda: deferred.save_weights(tmp_path / "m.weights.h5"), ValueError, "not built and has no weights to save"),
        (lambda: deferred.load_weights(_written(tmp_path)), ValueError, "not built and has no weights to load into"),
        (lambda: net.load_weights(tmp_path / "none.weights.h5"), FileNotFoundError, "No such file"),
        (lambda: net.load_weights(tmp_path / "none.txt"), ValueError, "must end in"),
        (lambda: net.load_weights(_written(tmp_path), by_name=True), ValueError, "Unrecognized arguments passed to load_weights: by_name"),
        (lambda: saving.save_weights(net, tmp_path / "m.weights.h5", mode="w"), ValueError, "Unrecognized arguments.*mode"),
    ):
        with pytest.raises(error, match=message):
            call()
    assert sorted(os.listdir(tmp_path)) == ["good.weights.h5"]


def _written(folder):
    model().save_weights(folder / "good.weights.h5")
    return folder / "good.weights.h5"


def test_a_file_that_is_there_is_kept_with_overwrite_off(tmp_path):
    path = tmp_path / "m.weights.h5"
    path.write_bytes(b"old")
    with pytest.raises(FileExistsError, match="Pass `overwrite=True`"):
        model().save_weights(path, overwrite=False)
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("suffix", [".weights.h5", ".weights.json", ".safetensors", ".keras"])
def test_a_write_that_fails_leaves_the_old_file(suffix, tmp_path, monkeypatch):
    class Broken(layers.Layer):
        def build(self, shape):
            self.w = self.add_weight(shape=(2,), name="w")

        def call(self, x):
            return x + self.w[0]

        def save_own_variables(self, store):
            raise OSError("disk full")

    net = torchkeras.Sequential([torchkeras.Input((4,)), layers.Dense(3), Broken()])
    if suffix == ".safetensors":
        monkeypatch.setattr(net, "state_dict", lambda: {"x": "no tensor"})
    path = tmp_path / f"m{suffix}"
    path.write_bytes(b"old")
    with pytest.raises((OSError, AttributeError)):
        if suffix == ".keras":
            net.save(path)
        else:
            net.save_weights(path, max_shard_size=1 if suffix == ".weights.json" else None)
    assert os.listdir(tmp_path) == [path.name] and path.read_bytes() == b"old"


def test_readers_never_see_half_a_file(tmp_path):
    net, path, stop, errors = model(64), tmp_path / "m.weights.h5", threading.Event(), []
    net.save_weights(path)

    def read():
        other = model(64)
        while not stop.is_set():
            try:
                other.load_weights(path)
            except ValueError as error:
                errors.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    for _ in range(30):
        net.save_weights(path)
    stop.set()
    thread.join()
    assert not errors


def test_the_state_of_an_optimizer_comes_back_whole_or_not_at_all(tmp_path):
    x, y = np.ones((8, 4), "float32"), np.ones((8, 3), "float32")
    a, b = model(), model()
    a.compile("adam", "mse")
    b.compile(torchkeras.optimizers.SGD(momentum=0.9), "mse")
    a.fit(x, y, verbose=0)
    b.fit(x, y, verbose=0)
    a.save_weights(tmp_path / "m.weights.h5")
    before = [v.numpy() for v in b.optimizer.variables]
    with pytest.warns(UserWarning, match="does not fit and is left out"):
        b.load_weights(tmp_path / "m.weights.h5")
    assert all(np.array_equal(v, w.numpy()) for v, w in zip(before, b.optimizer.variables, strict=True))
    c = model()
    c.compile("adam", "mse")
    c.load_weights(tmp_path / "m.weights.h5")
    assert int(c.optimizer.iterations) == 1
    assert a.fit(x, y, verbose=0).history == c.fit(x, y, verbose=0).history


def test_weights_of_shared_and_nested_layers_are_written_once(tmp_path):
    shared = layers.Dense(4)
    inputs = torchkeras.Input((4,))
    inner = torchkeras.Sequential([shared, nn.Linear(4, 4)])
    net = torchkeras.Model(inputs, inner(shared(inputs)))
    net.save_weights(tmp_path / "m.weights.h5")
    arrays = []
    with h5py.File(tmp_path / "m.weights.h5") as file:
        file.visititems(lambda name, item: arrays.append(name) if isinstance(item, h5py.Dataset) else None)
    assert len(arrays) == 4


def test_files_of_lists_of_shards_stay_beside_it(tmp_path):
    net = model()
    net.save_weights(tmp_path / "m.weights.json", max_shard_size=1)
    text = (tmp_path / "m.weights.json").read_text()
    for name in ("../m_00000.weights.h5", "/etc/passwd", "no.weights.h5", "x/m.h5"):
        (tmp_path / "m.weights.json").write_text(text.replace("m_00000.weights.h5", name))
        with pytest.raises(ValueError, match="names the file"):
            net.load_weights(tmp_path / "m.weights.json")
    for bad in ("", "[]", "{}", '{"weight_map": 3}', '{"weight_map": {"a": []}}', "[" * 100_000):
        (tmp_path / "m.weights.json").write_text(bad)
        with pytest.raises(ValueError, match="not a readable list of weights|names the file"):
            net.load_weights(tmp_path / "m.weights.json")


def test_loading_a_new_model_keeps_no_second_copy(tmp_path, monkeypatch):
    net = model()
    net.save(tmp_path / "m.keras")
    copies = []
    monkeypatch.setattr(torch.Tensor, "clone", lambda self: copies.append(self))
    saving.load_model(tmp_path / "m.keras")
    assert not copies


def _process(rank, folder):
    torch.manual_seed(rank)
    net = model()
    for i in range(3):
        net.save_weights(f"{folder}/a{i}.weights.h5")
        net.save(f"{folder}/b{i}.keras", overwrite=False)
        assert os.path.exists(f"{folder}/a{i}.weights.h5") and os.path.exists(f"{folder}/b{i}.keras")
    if rank == 0:
        net.save(f"{folder}/alone.keras")  # on one rank only: nobody waits
    other = saving.load_model(f"{folder}/b0.keras")
    assert same(net, other) == (rank == 0)
    try:
        net.save(f"{folder}/no/such.keras")
    except (FileNotFoundError, RuntimeError) as error:
        assert "Make it first" in str(error)
    else:
        raise AssertionError("no error")
    dist.barrier()


def test_one_process_writes_and_all_find_the_file(tmp_path):
    processes.run(_process, 2, str(tmp_path))
    assert len(os.listdir(tmp_path)) == 7


def test_the_walk_visits_everything_once():
    net = model(extra=True)
    paths = [path for path, _ in weights.walk(net)]
    assert len(paths) == len(set(paths)) and "layers/dense_1" in paths


class Offset(layers.Layer):
    """Files its number under a name of its own."""

    def build(self, shape):
        self.offset = self.add_weight(shape=shape[-1:], name="offset", initializer="random_normal")

    def call(self, x):
        return x + self.offset

    def save_own_variables(self, store):
        store["offset"] = self.offset.numpy()

    def load_own_variables(self, store):
        assert len(store["offset"]) == len(self.offset)
        self.offset.assign(store["offset"])


def test_what_a_layer_filed_itself_is_assigned_as_it_is(tmp_path):
    net, other = (torchkeras.Sequential([torchkeras.Input((4,)), Offset()]) for _ in range(2))
    net.save_weights(tmp_path / "m.weights.h5")
    other.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(other.layers[0].offset.numpy(), net.layers[0].offset.numpy())
