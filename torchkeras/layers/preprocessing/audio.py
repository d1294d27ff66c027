"""Layers that make pictures of sounds: STFTSpectrogram and MelSpectrogram."""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch
from torch.nn import functional as F

from ... import config, dtypes, initializers
from ...ops.math import stft
from ..input_spec import InputSpec
from ..layer import Layer

_MODES = ("log", "magnitude", "psd", "real", "imag", "angle", "stft")


class STFTSpectrogram(Layer):
    """Short-time Fourier transforms of signals, as a convolution whose kernels may be trained.

    Args:
        mode: What is given of each frequency: `"log"` for the logarithm of the magnitude, `"magnitude"`, `"psd"` for the power,
            `"real"`, `"imag"`, `"angle"`, or `"stft"` for the real parts followed by the imaginary ones.
        frame_length: The number of samples in a frame.
        frame_step: How many samples a frame begins after the one before; half of `frame_length` without it.
        fft_length: The number of samples that a frame is filled up to; the next power of two without it.
        window: A window function by its name in `scipy.signal.get_window`, its values, or `None` for none.
        periodic: Whether the window is periodic rather than symmetric.
        scaling: `"density"` to divide the window by the root of its sum of squares, `"spectrum"` by its sum of magnitudes, or `None`.
        padding: `"valid"` for whole frames only, or `"same"` to fill signals up with zeros at their ends.
        expand_dims: Whether channels have an axis of their own; they are joined with the frequencies otherwise.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If a length does not fit another, or a mode, a scaling, a padding or a window is unknown.

    Takes signals `(batch, time, channels)` and gives `(batch, frames, frequencies * channels)`, or with `expand_dims`
    `(batch, frames, frequencies, channels)`; channels stand first for `"channels_first"`.

    >>> STFTSpectrogram(frame_length=16)(torch.zeros(1, 64, 1)).shape
    torch.Size([1, 7, 9])
    """

    def __init__(
        self,
        mode: str = "log",
        frame_length: int = 256,
        frame_step: int | None = None,
        fft_length: int | None = None,
        window: Any = "hann",
        periodic: bool = False,
        scaling: str | None = "density",
        padding: str = "valid",
        expand_dims: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if frame_step is not None and not 1 <= frame_step <= frame_length:
            raise ValueError(
                f"`frame_step` must be positive and not greater than `frame_length`. Received: frame_step={frame_step!r}, "
                f"frame_length={frame_length!r}"
            )
        if fft_length is not None and fft_length < frame_length:
            raise ValueError(
                f"`fft_length` must not be less than `frame_length`. Received: fft_length={fft_length!r}, frame_length={frame_length!r}"
            )
        if fft_length is not None and fft_length & (fft_length - 1):
            warnings.warn(f"`fft_length` should be a power of two. Received: fft_length={fft_length!r}", stacklevel=2)
        if mode not in _MODES:
            raise ValueError(f"`mode` must be one of {', '.join(map(repr, _MODES))}. Received: mode={mode!r}")
        if padding not in ("valid", "same"):
            raise ValueError(f"`padding` must be 'valid' or 'same'. Received: padding={padding!r}")
        initializers.STFT("real", window, scaling, periodic)  # an unknown window or scaling is reported here, where it was written
        self.mode, self.frame_length, self.frame_step, self.fft_length = mode, frame_length, frame_step, fft_length
        self.window, self.periodic, self.scaling = window, periodic, scaling
        self.padding, self.expand_dims = padding, expand_dims
        self.data_format = config.standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=3)

    @property
    def _step(self) -> int:
        return self.frame_step or self.frame_length // 2

    @property
    def _bins(self) -> int:
        return (self.fft_length or 2 ** math.ceil(math.log2(self.frame_length))) // 2 + 1

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shape = (self.frame_length, 1, self._bins)
        for side in ("real", "imag"):
            if self.mode in ("real", "imag") and self.mode != side:
                continue
            initializer = initializers.STFT(side, self.window, self.scaling, self.periodic)
            setattr(self, f"{side}_kernel", self.add_weight(name=f"{side}_kernel", shape=shape, initializer=initializer))

    def _transformed(self, signals: torch.Tensor, kernel: Any) -> torch.Tensor:
        """`(batch, channels, time)` as `(batch, channels, frequencies, frames)`."""
        n, channels, time = signals.shape
        x = signals.reshape(n * channels, 1, time)
        if self.padding == "same":
            missing = max((-(-time // self._step) - 1) * self._step + self.frame_length - time, 0)
            x = F.pad(x, (missing // 2, missing - missing // 2))
        y = F.conv1d(x, kernel.value.permute(2, 1, 0).to(x.dtype), stride=self._step)
        return y.reshape(n, channels, *y.shape[1:])

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        if not inputs.dtype.is_floating_point or inputs.dtype is torch.bfloat16:
            raise TypeError(f"Inputs of the layer {self.name!r} must be float16, float32 or float64. Received: {inputs.dtype}")
        signals = inputs.transpose(1, 2) if self.data_format == "channels_last" else inputs
        real = None if self.mode == "imag" else self._transformed(signals, self.real_kernel)
        imag = None if self.mode == "real" else self._transformed(signals, self.imag_kernel)
        if real is None or imag is None:
            return self._arranged(imag if real is None else real)  # type: ignore[arg-type]
        if self.mode == "angle":
            return self._arranged(torch.atan2(imag, real))
        if self.mode == "stft":
            return self._arranged(torch.cat([real, imag], 2))
        power = real.square() + imag.square()
        if self.mode == "psd":  # all but the first and the last frequency stand for two
            return self._arranged(power + F.pad(power[:, :, 1:-1], (0, 0, 1, 1)))
        magnitude = power.clamp(min=config.epsilon()).sqrt()
        return self._arranged(magnitude if self.mode == "magnitude" else magnitude.clamp(min=config.epsilon()).log())

    def _arranged(self, x: torch.Tensor) -> torch.Tensor:
        last = self.data_format == "channels_last"
        if self.expand_dims:
            return x.permute(0, 3, 2, 1) if last else x.transpose(2, 3)
        x = x.flatten(1, 2)
        return x.transpose(1, 2) if last else x

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        last = self.data_format == "channels_last"
        batch, time, channels = input_shape if last else (input_shape[0], input_shape[2], input_shape[1])
        frames = None
        if time is not None:
            frames = -(-time // self._step) if self.padding == "same" else (time - self.frame_length) // self._step + 1
        bins = self._bins * (2 if self.mode == "stft" else 1)
        if self.expand_dims:
            return (batch, frames, bins, channels) if last else (batch, channels, frames, bins)
        joined = None if channels is None else bins * channels
        return (batch, frames, joined) if last else (batch, joined, frames)


class MelSpectrogram(Layer):
    """Spectrograms of sounds with frequencies as people tell them apart, in decibels.

    Mel frequencies are `1127 ln(1 + f / 700)` (O'Shaughnessy, "Speech Communication", 1987).

    Args:
        fft_length: The number of samples that a frame is filled up to.
        sequence_stride: How many samples a frame begins after the one before.
        sequence_length: The number of samples in a frame; `fft_length` without it.
        window: `"hann"`, `"hamming"`, a tensor of `sequence_length` numbers, or `None` for none.
        sampling_rate: The number of samples in a second.
        num_mel_bins: The number of bands of frequencies.
        min_freq: The lowest frequency in hertz.
        max_freq: The highest frequency in hertz; half of the sampling rate without it.
        power_to_db: Whether bands are given in decibels.
        top_db: How far values may lie below the highest, in decibels.
        mag_exp: The exponent of the magnitude: 1 for the energy, 2 for the power.
        min_power: The least power that decibels are taken of.
        ref_power: The power of 0 decibels.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If `fft_length` is less than `sequence_length`.

    Takes sounds `(time,)` or `(batch, time)` and gives `(bands, frames)` or `(batch, bands, frames)`.

    >>> MelSpectrogram(fft_length=64, sequence_stride=16, num_mel_bins=8)(torch.randn(2, 256)).shape
    torch.Size([2, 8, 17])
    """

    def __init__(
        self,
        fft_length: int = 2048,
        sequence_stride: int = 512,
        sequence_length: int | None = None,
        window: Any = "hann",
        sampling_rate: int = 16000,
        num_mel_bins: int = 128,
        min_freq: float = 20.0,
        max_freq: float | None = None,
        power_to_db: bool = True,
        top_db: float = 80.0,
        mag_exp: float = 2.0,
        min_power: float = 1e-10,
        ref_power: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.fft_length, self.sequence_stride, self.sequence_length = fft_length, sequence_stride, sequence_length or fft_length
        if fft_length < self.sequence_length:
            raise ValueError(
                f"`fft_length` must not be less than `sequence_length`. Received: fft_length={fft_length!r}, "
                f"sequence_length={self.sequence_length!r}"
            )
        self.window, self.sampling_rate, self.num_mel_bins = window, sampling_rate, num_mel_bins
        self.min_freq, self.max_freq = min_freq, max_freq or int(sampling_rate / 2)
        self.power_to_db, self.top_db, self.mag_exp = power_to_db, top_db, mag_exp
        self.min_power, self.ref_power = min_power, ref_power

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        x = inputs.to(torch.float64 if self.compute_dtype == "float64" else torch.float32)
        real, imag = stft(x, self.sequence_length, self.sequence_stride, self.fft_length, self.window, center=True)
        power = torch.hypot(real, imag) ** self.mag_exp
        bands = power @ self.linear_to_mel_weight_matrix(
            self.num_mel_bins, power.shape[-1], self.sampling_rate, self.min_freq, self.max_freq
        ).to(power)
        if self.power_to_db:
            bands = 10 * torch.log10(bands.clamp(min=self.min_power)) - 10 * math.log10(max(abs(self.ref_power), self.min_power))
            bands = torch.maximum(bands, bands.amax() - self.top_db)
        y = bands.transpose(-1, -2)
        return y if not inputs.dtype.is_floating_point else y.to(inputs.dtype)

    def linear_to_mel_weight_matrix(
        self,
        num_mel_bins: int = 20,
        num_spectrogram_bins: int = 129,
        sampling_rate: int = 8000,
        lower_edge_hertz: float = 125.0,
        upper_edge_hertz: float = 3800.0,
        dtype: Any = "float32",
    ) -> torch.Tensor:
        """The weights by which frequencies are gathered in bands: triangles that overlap by half.

        Args:
            num_mel_bins: The number of bands.
            num_spectrogram_bins: The number of frequencies.
            sampling_rate: The number of samples in a second.
            lower_edge_hertz: The lowest frequency.
            upper_edge_hertz: The highest frequency.
            dtype: The type of the weights.

        Returns:
            `(num_spectrogram_bins, num_mel_bins)`.
        """

        def mel(hertz: torch.Tensor) -> torch.Tensor:
            return 1127 * torch.log(1 + hertz / 700)

        places = mel(torch.linspace(0, sampling_rate / 2, num_spectrogram_bins)[1:]).unsqueeze(1)
        low, high = (float(mel(torch.tensor(float(edge)))) for edge in (lower_edge_hertz, upper_edge_hertz))
        edges = torch.linspace(low, high, num_mel_bins + 2)
        lower, middle, upper = edges[:-2], edges[1:-1], edges[2:]
        rising, falling = (places - lower) / (middle - lower), (upper - places) / (upper - middle)
        weights = F.pad(torch.minimum(rising, falling).clamp(min=0), (0, 0, 1, 0))  # nothing of frequency 0
        return weights.to(dtypes.to_torch_dtype(dtype))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        time = input_shape[-1]
        frames = None if time is None else (time + self.sequence_stride + 1) // self.sequence_stride
        return (*input_shape[:-1], self.num_mel_bins, frames)
