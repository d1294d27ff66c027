"""Normalization, Rescaling and Discretization against real Keras and NumPy; `adapt` on every kind of data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset, TensorDataset

import torchkeras
from tests.oracle import keras
from torchkeras import layers

DATA = (np.random.default_rng(0).normal(size=(37, 5, 3)) * [1.0, 10.0, 0.1] + [0.0, 1000.0, -3.0]).astype("float32")


class _Rows(Dataset):
    def __len__(self) -> int:
        return len(DATA)

    def __getitem__(self, i: int) -> np.ndarray:
        return DATA[i]


KINDS: dict[str, Any] = {
    "array": lambda: DATA,
    "tensor": lambda: torch.from_numpy(DATA),
    "list": lambda: DATA.tolist(),
    "generator": lambda: (DATA[i : i + 5] for i in range(0, 37, 5)),
    "loader": lambda: DataLoader(TensorDataset(torch.from_numpy(DATA)), batch_size=4),
    "dataset": _Rows,
    "batches": lambda: iter([DATA[:1], DATA[1:30], DATA[30:]]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("axis", [-1, None, (1, 2)])
def test_statistics_over_batches_are_those_of_all_data(kind: str, axis: Any) -> None:
    ours, theirs = layers.Normalization(axis=axis), keras.layers.Normalization(axis=axis)
    ours.adapt(KINDS[kind]())
    theirs.adapt(DATA.astype("float64"))
    for mine, real in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, real, rtol=2e-5)
    reduced = {-1: (0, 1), None: (0, 1, 2), (1, 2): (0,)}[axis]
    exact = DATA.astype("float64")
    np.testing.assert_allclose(ours.mean.squeeze().numpy(), exact.mean(reduced), rtol=1e-6)
    np.testing.assert_allclose(ours.variance.squeeze().numpy(), exact.var(reduced), rtol=1e-6)


def test_adapting_again_forgets_and_steps_end_early() -> None:
    layer = layers.Normalization()
    layer.adapt(DATA)
    layer.adapt(DATA + 5, batch_size=10, steps=2)
    np.testing.assert_allclose(layer.mean.flatten().numpy(), (DATA[:20].astype("float64") + 5).mean((0, 1)), rtol=1e-6)


def test_files_both_ways_with_keras(tmp_path: Any) -> None:
    def model(lib: Any) -> Any:
        normalization, bins = lib.layers.Normalization(name="n"), lib.layers.Discretization(num_bins=4, output_mode="one_hot", name="d")
        normalization.adapt(DATA[:, 0])
        if lib is torchkeras:
            bins.adapt(DATA[:, 0, 0])
        else:  # its own `adapt` needs TensorFlow
            bins.update_state(DATA[:, 0, 0].copy())
            bins.finalize_state()
        x = lib.Input((3,))
        return lib.Model(x, [normalization(x), bins(x), lib.layers.Rescaling(2.0, offset=1.0)(x)])

    ours, theirs = model(torchkeras), model(keras)
    ours.save(tmp_path / "ours.keras")
    theirs.save(tmp_path / "theirs.keras")
    data = np.ascontiguousarray(DATA[:, 1])
    expected = theirs.predict(data, verbose=0)
    for got in (
        ours.predict(data, verbose=0),
        torchkeras.models.load_model(tmp_path / "theirs.keras").predict(data, verbose=0),
        keras.models.load_model(tmp_path / "ours.keras").predict(data, verbose=0),
    ):
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=80), st.integers(1, 9))
def test_learned_bins_are_keras(values: list[float], num_bins: int) -> None:
    ours, theirs = layers.Discretization(num_bins=num_bins), keras.layers.Discretization(num_bins=num_bins)
    ours.adapt(values, batch_size=7)
    theirs.update_state(np.array(values, "float32"))
    theirs.finalize_state()
    np.testing.assert_allclose(ours.bin_boundaries, theirs.bin_boundaries, rtol=1e-4, atol=1e-4)


def test_bins_of_many_numbers_are_within_epsilon(monkeypatch: Any) -> None:
    monkeypatch.setattr("torchkeras.layers.preprocessing.numerical._KEPT", 4096)
    values = np.random.default_rng(1).normal(size=200_000).astype("float32")
    layer = layers.Discretization(num_bins=5)
    layer.adapt(values, batch_size=3000)
    shares = np.bincount(layer(values).numpy(), minlength=5) / len(values)
    np.testing.assert_allclose(shares, 0.2, atol=0.01)


@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot", "count"])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (3, 1), (3, 4)])
def test_discretization_is_keras(mode: str, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(2).integers(-3, 4, shape).astype("float32") / 2
    ours = layers.Discretization([-1.0, 0.5, 1.0], output_mode=mode)(x)
    theirs = keras.layers.Discretization([-1.0, 0.5, 1.0], output_mode=mode)(x)
    assert ours.dtype is theirs.dtype
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    if shape:
        symbolic = layers.Discretization([-1.0, 0.5, 1.0], output_mode=mode)(torchkeras.KerasTensor(shape))
        assert (tuple(symbolic.shape), symbolic.dtype) == (tuple(ours.shape), str(ours.dtype).removeprefix("torch."))


def test_a_model_over_normalization_learns_and_follows_a_new_adapt() -> None:
    normalization = layers.Normalization()
    normalization.adapt(DATA[:, 0])
    model = torchkeras.Sequential([layers.Input((3,)), normalization, layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(DATA[:, 0], DATA[:, 0, :1], verbose=0)
    before = model.predict(DATA[:, 0], verbose=0)
    normalization.adapt(DATA[:, 0] * 2)
    assert not np.allclose(before, model.predict(DATA[:, 0], verbose=0))
    assert [w.path for w in model.non_trainable_weights] == [f"{normalization.name}/{n}" for n in ("mean", "variance", "count")]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: layers.Normalization(mean=1.0), "`mean` and `variance` must be given together"),
        (lambda: layers.Normalization(mean=[1.0, 2.0], variance=1.0).build((None, 3)), r"`mean` must broadcast to the sizes \(3,\)"),
        (lambda: layers.Normalization(axis=0).build((None, 3)), "The sizes of `axis` must be known"),
        (lambda: layers.Normalization(axis=2).build((None, 3)), "`axis` must hold axes of the input"),
        (lambda: layers.Normalization(mean=1.0, variance=1.0).adapt(DATA), "there is nothing to adapt"),
        (lambda: layers.Normalization().adapt(iter([])), "`data` must hold at least one batch"),
        (lambda: layers.Normalization().adapt(DataLoader(TensorDataset(*[torch.ones(3, 2)] * 2))), "Received: 2 arrays a batch"),
        (lambda: layers.Normalization().adapt([[1.0], [1.0, 2.0]]), "rows have different lengths"),
        (lambda: layers.Discretization(num_bins=3)(DATA), "Call `adapt` on data first"),
        (lambda: layers.Discretization(), "`bin_boundaries` or `num_bins` must be given"),
        (lambda: layers.Discretization([1.0], num_bins=3), "must not both be given"),
        (lambda: layers.Discretization([1.0], output_mode="hot"), "`output_mode` must be one of 'int'"),
    ],
)
def test_errors_say_what_to_do(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_adapt_refuses_what_holds_no_batches() -> None:
    with pytest.raises(TypeError, match="`data` must be an array, a list, a generator"):
        layers.Normalization().adapt(3)
