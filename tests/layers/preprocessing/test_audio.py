"""Spectrograms against real Keras, over all modes, formats and shapes."""

import numpy as np
import pytest
import torch

import torchkeras
from tests.oracle import keras
from torchkeras import layers

SIGNALS = np.random.default_rng(0).normal(size=(2, 100, 3)).astype("float32")


@pytest.mark.parametrize("mode", ["log", "magnitude", "psd", "real", "imag", "angle", "stft"])
@pytest.mark.parametrize(
    "arguments",
    [
        {"frame_length": 16},
        {"frame_length": 20, "frame_step": 7, "fft_length": 64, "padding": "same", "expand_dims": True},
        {"frame_length": 16, "window": "hamming", "periodic": True, "scaling": "spectrum", "data_format": "channels_first"},
        {"frame_length": 15, "window": None, "scaling": None, "data_format": "channels_first", "expand_dims": True, "padding": "same"},
    ],
    ids=str,
)
def test_short_time_transforms(mode, arguments):
    x = SIGNALS if arguments.get("data_format") != "channels_first" else SIGNALS.transpose(0, 2, 1).copy()
    ours, theirs = (lib.STFTSpectrogram(mode=mode, **arguments) for lib in (layers, keras.layers))
    expected = theirs(x)
    if mode == "angle":  # of numbers that are nearly 0 the angle is noise
        real = layers.STFTSpectrogram(mode="magnitude", **arguments)(x) > 0.1
        difference = (ours(x) - expected)[real]
        assert (torch.remainder(difference + 3.14159, 6.28318) - 3.14159).abs().max() < 1e-2
    else:
        torch.testing.assert_close(ours(x), expected, atol=1e-4, rtol=1e-3)
    assert ours.compute_output_shape(x.shape) == tuple(expected.shape) == tuple(theirs.compute_output_shape(x.shape))
    assert [w.shape for w in ours.weights] == [w.shape for w in theirs.weights]
    mine, real = ours.get_config(), theirs.get_config()
    assert {k: v for k, v in mine.items() if k not in ("name", "dtype")} == {k: v for k, v in real.items() if k not in ("name", "dtype")}


@pytest.mark.parametrize("shape", [(400,), (3, 500)])
@pytest.mark.parametrize(
    "arguments",
    [
        {"fft_length": 128, "sequence_stride": 40, "num_mel_bins": 16},
        {"fft_length": 128, "sequence_length": 100, "sequence_stride": 33, "num_mel_bins": 20, "power_to_db": False, "mag_exp": 1.0},
        {
            "fft_length": 64,
            "sequence_stride": 16,
            "window": "hamming",
            "min_freq": 300.0,
            "max_freq": 3000.0,
            "ref_power": 0.1,
            "top_db": 30.0,
        },
    ],
    ids=str,
)
def test_mel_spectrograms(shape, arguments):
    x = np.random.default_rng(1).normal(size=shape).astype("float32")
    ours, theirs = (lib.MelSpectrogram(sampling_rate=8000, **arguments) for lib in (layers, keras.layers))
    expected = theirs(x)
    torch.testing.assert_close(ours(x), expected, atol=2e-3, rtol=1e-3)
    assert ours.compute_output_shape(shape)[:-1] == tuple(expected.shape)[:-1]
    torch.testing.assert_close(ours.linear_to_mel_weight_matrix(), theirs.linear_to_mel_weight_matrix(), atol=1e-4, rtol=1e-3)
    mine, real = ours.get_config(), theirs.get_config()
    assert {k: v for k, v in mine.items() if k not in ("name", "dtype")} == {k: v for k, v in real.items() if k not in ("name", "dtype")}


def test_a_model_on_sounds_learns_and_is_saved(tmp_path):
    rate, time = 2000, np.arange(800) / 2000
    x = np.stack([np.sin(2 * np.pi * (100 if i % 2 else 400) * time + i) for i in range(24)]).astype("float32")
    y = np.arange(24) % 2
    model = torchkeras.Sequential(
        [
            torchkeras.Input((800,)),
            layers.MelSpectrogram(fft_length=128, sequence_stride=64, sampling_rate=rate, num_mel_bins=16),
            layers.Rescaling(1 / 40),
            layers.GlobalAveragePooling1D(data_format="channels_first"),
            layers.Dense(2, "softmax"),
        ]
    )
    model.compile(torchkeras.optimizers.Adam(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    assert model.fit(x, y, epochs=15, verbose=0).history["accuracy"][-1] == 1.0
    model.save(tmp_path / "m.keras")
    np.testing.assert_allclose(
        torchkeras.saving.load_model(tmp_path / "m.keras").predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: layers.STFTSpectrogram(frame_length=8, frame_step=9), "`frame_step` must be positive and not greater than"),
        (lambda: layers.STFTSpectrogram(frame_length=8, fft_length=4), "`fft_length` must not be less than `frame_length`"),
        (lambda: layers.STFTSpectrogram(mode="power"), "`mode` must be one of 'log'"),
        (lambda: layers.STFTSpectrogram(scaling="power"), "`scaling` must be 'density'"),
        (lambda: layers.STFTSpectrogram(padding="causal"), "`padding` must be 'valid' or 'same'"),
        (lambda: layers.STFTSpectrogram(window="square"), "window"),
        (lambda: layers.MelSpectrogram(fft_length=8, sequence_length=16), "`fft_length` must not be less than `sequence_length`"),
    ],
)
def test_mistakes(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_lengths_that_are_slow_and_whole_numbers():
    with pytest.warns(UserWarning, match="should be a power of two"):
        layers.STFTSpectrogram(frame_length=8, fft_length=12)
    with pytest.raises(TypeError, match="must be float16, float32 or float64"):
        layers.STFTSpectrogram(frame_length=8)(torch.zeros(1, 32, 1, dtype=torch.int32))
