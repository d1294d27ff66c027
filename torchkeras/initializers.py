"""Initializers: what makes the first values of a weight."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from . import dtypes, random
from .checks import check_numbers
from .configurable import Configurable, deserialize_in, get_from, serialize_in
from .distribution import rank
from .registry import Family

# The standard deviation of a unit normal that is truncated at two deviations.
_TRUNCATED_STD = 0.87962566103423978
_MODES = ("fan_in", "fan_out", "fan_avg")
_DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform")


class Initializer(Configurable):
    """Makes the first values of a weight: `initializer(shape, dtype)` is a tensor on the default device.

    >>> isinstance(keras.initializers.Zeros(), keras.Initializer)
    True
    """

    _keras_module = "keras.initializers"

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> torch.Tensor:
        """A tensor of this shape and type.

        Args:
            shape: Its shape.
            dtype: Its type; `floatx()` without it.
        """
        raise NotImplementedError(f"{type(self).__name__} must write `__call__(self, shape, dtype=None)`.")

    def clone(self) -> Initializer:
        """Another initializer with the same config; without a seed it draws other values."""
        return type(self).from_config(self.get_config())

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """An initializer made from what `get_config` returned; the `dtype` in configs of Keras 1 and 2 is dropped."""
        return super().from_config({name: value for name, value in config.items() if name != "dtype"})


def _sizes(shape: Any) -> tuple[int, ...]:
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    if not all(isinstance(n, (int, np.integer)) and n >= 0 for n in sizes):
        raise ValueError(f"`shape` must hold whole numbers, none negative. Received: shape={shape!r}")
    return tuple(int(n) for n in sizes)


# -- constant --------------------------------------------------------------------------------------------------------------------------


class Constant(Initializer):
    """One value everywhere.

    Args:
        value: A number, or an array that broadcasts to the weight's shape.

    >>> keras.initializers.Constant(2.0)((2,))
    tensor([2., 2.])
    """

    def __init__(self, value: Any = 0.0) -> None:
        if isinstance(value, str):
            raise ValueError(f"`value` must be a number or an array. Received: value={value!r}")
        self.value = value
        self._exact_shape = False

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> torch.Tensor:
        sizes, torch_dtype, device = _sizes(shape), dtypes.to_torch_dtype(dtype), rank.default_device()
        if isinstance(self.value, int | float):
            return torch.full(sizes, self.value, dtype=torch_dtype, device=device)
        value = self.value if isinstance(self.value, torch.Tensor) else torch.as_tensor(np.array(self.value))
        if self._exact_shape and tuple(value.shape) != sizes:
            raise ValueError(f"`shape` must be {tuple(value.shape)}, that of the array given as initializer. Received: shape={sizes}")
        try:
            return value.detach().to(device, torch_dtype).expand(sizes).clone()
        except RuntimeError:
            raise ValueError(f"`value` must broadcast to the weight's shape {sizes}. Received: shape {tuple(value.shape)}") from None


class Zeros(Initializer):
    """0 everywhere.

    >>> keras.initializers.Zeros()((2,))
    tensor([0., 0.])
    """

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> torch.Tensor:
        return torch.zeros(_sizes(shape), dtype=dtypes.to_torch_dtype(dtype), device=rank.default_device())


class Ones(Initializer):
    """1 everywhere.

    >>> keras.initializers.Ones()((2,))
    tensor([1., 1.])
    """

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> torch.Tensor:
        return torch.ones(_sizes(shape), dtype=dtypes.to_torch_dtype(dtype), device=rank.default_device())


class Identity(Initializer):
    """The identity matrix, for weights of two axes.

    Args:
        gain: What it is multiplied by.

    >>> keras.initializers.Identity()((2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> torch.Tensor:
        sizes = _sizes(shape)
        if len(sizes) != 2:
            raise ValueError(f"`shape` must have two axes for the initializer Identity. Received: shape={sizes}")
        return self.gain * torch.eye(*sizes, dtype=dtypes.to_torch_dtype(dtype), device=rank.default_device())

    def get_config(self) -> dict[str, Any]:
        return {} if self.gain == 1.0 else {"gain": self.gain}  # Keras's own config leaves the gain out, and loses it


class STFT(Initializer):
    """The kernel of a one-dimensional convolution that computes one part of a short-time Fourier transform.

    The weight's shape is `(frame length, 1, bins)`, for an FFT of `2 * (bins - 1)` points.

    Args:
        side: `"real"` or `"imag"`.
        window: A window function: its name, as `scipy.signal.get_window` knows it, or its values; `None` for none.
        scaling: `"density"` (divide by the root of the window's sum of squares), `"spectrum"` (by its sum of magnitudes) or `None`.
        periodic: Whether the window is periodic rather than symmetric.

    >>> keras.initializers.STFT("real")((4, 1, 3)).shape
    torch.Size([4, 1, 3])
    """

    def __init__(self, side: str = "real", window: Any = "hann", scaling: str | None = "density", periodic: bool = False) -> None:
        if side not in ("real", "imag"):
            raise ValueError(f"`side` must be 'real' or 'imag'. Received: side={side!r}")
        if scaling not in ("density", "spectrum", None):
            raise ValueError(f"`scaling` must be 'density', 'spectrum' or None. Received: scaling={scaling!r}")
        self.side, self.window, self.scaling, self.periodic = side, window, scaling, periodic
        if isinstance(window, str):
            _window(window, 4, periodic)  # an unknown name is reported here, where it was written

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> torch.Tensor:
        sizes, device = _sizes(shape), rank.default_device()
        if len(sizes) != 3:
            raise ValueError(f"`shape` must be (frame length, channels, bins) for the initializer STFT. Received: shape={sizes}")
        frame, channels, bins = sizes
        time = torch.arange(frame, dtype=torch.float64)[:, None, None]
        frequency = torch.arange(bins, dtype=torch.float64)
        angle = -2.0 * math.pi * time * frequency / max(2 * (bins - 1), 1)
        kernel = torch.cos(angle) if self.side == "real" else torch.sin(angle)
        if self.window is not None:
            window = _window(self.window, frame, self.periodic)
            if self.scaling == "density":
                window = window / window.square().sum().sqrt()
            elif self.scaling == "spectrum":
                window = window / window.abs().sum()
            kernel = kernel * window[:, None, None]
        return kernel.expand(frame, channels, bins).to(device, dtypes.to_torch_dtype(dtype)).clone()


_WINDOWS = {
    "hann": torch.signal.windows.hann,
    "hamming": torch.signal.windows.hamming,
    "blackman": torch.signal.windows.blackman,
    "bartlett": torch.signal.windows.bartlett,
    "cosine": torch.signal.windows.cosine,
    "nuttall": torch.signal.windows.nuttall,
}


def _window(window: Any, length: int, periodic: bool) -> torch.Tensor:
    """A window in double precision; `window` is a name, `(name, parameters…)` or the values."""
    if isinstance(window, str) and window in _WINDOWS:
        return _WINDOWS[window](length, sym=not periodic, dtype=torch.float64, device=torch.device("cpu"))
    if isinstance(window, str) or (isinstance(window, tuple) and isinstance(window[0], str)):
        try:
            from scipy import signal
        except ImportError:
            raise ImportError(
                f"`window` must be one of {', '.join(_WINDOWS)} without SciPy. Received: window={window!r}. `pip install scipy` for all."
            ) from None
        try:
            return torch.from_numpy(signal.get_window(window, length, fftbins=periodic))
        except ValueError as error:
            raise ValueError(f"`window` must be a window of SciPy or None. Received: window={window!r} ({error})") from None
    return torch.as_tensor(np.array(window), dtype=torch.float64, device="cpu")


# -- random ----------------------------------------------------------------------------------------------------------------------------


class RandomInitializer(Initializer):
    """The base of those that draw: an instance gives the same values at each call, unless its seed is a SeedGenerator.

    Args:
        seed: An int, a SeedGenerator, or `None`: a seed that torch's global generator gives at the first call.
    """

    def __init__(self, seed: Any = None) -> None:
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int | np.integer | random.SeedGenerator)):
            raise ValueError(
                f"`seed` must be a whole number, a SeedGenerator or None. Received: seed={seed!r} of type {type(seed).__name__}"
            )
        self.seed = seed
        self._drawn_seed: int | None = None

    def _draw(self, shape: Any, dtype: Any, draw: Callable[[torch.Tensor, torch.Generator | None], torch.Tensor]) -> torch.Tensor:
        """A new tensor that `draw(tensor, generator)` fills."""
        device, torch_dtype = rank.default_device(), dtypes.to_torch_dtype(dtype)
        if not torch_dtype.is_floating_point:
            raise ValueError(f"`dtype` must be a floating point type for {type(self).__name__}. Received: dtype={dtype!r}")
        seed = self.seed
        if seed is None:
            if self._drawn_seed is None:
                self._drawn_seed = random.draw_seed()
            seed = self._drawn_seed
        drawn = draw(torch.empty(_sizes(shape), dtype=random.work_dtype(torch_dtype), device=device), random.torch_generator(seed, device))
        return drawn.to(torch_dtype)


class RandomNormal(RandomInitializer):
    """Draws from a normal distribution.

    Args:
        mean: Its mean.
        stddev: Its standard deviation.
        seed: An int, a SeedGenerator, or `None`: a seed that torch's global generator gives at the first call.

    >>> keras.initializers.RandomNormal(seed=1)((2, 3)).shape
    torch.Size([2, 3])
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        check_numbers(mean=mean)
        check_numbers(0, stddev=stddev)
        self.mean, self.stddev = mean, stddev

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> torch.Tensor:
        return self._draw(shape, dtype, lambda x, g: x.normal_(self.mean, self.stddev, generator=g))


class TruncatedNormal(RandomInitializer):
    """Draws from a normal distribution, without what is more than two standard deviations from the mean.

    Args:
        mean: Its mean.
        stddev: Its standard deviation before the truncation.
        seed: An int, a SeedGenerator, or `None`: a seed that torch's global generator gives at the first call.

    >>> keras.initializers.TruncatedNormal(seed=1)((2, 3)).shape
    torch.Size([2, 3])
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        check_numbers(mean=mean)
        check_numbers(0, stddev=stddev)
        self.mean, self.stddev = mean, stddev

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> torch.Tensor:
        return self._draw(shape, dtype, lambda x, g: random.truncated_normal_(x, self.mean, self.stddev, g))


class RandomUniform(RandomInitializer):
    """Draws from a uniform distribution.

    Args:
        minval: Its lower end.
        maxval: Its upper end.
        seed: An int, a SeedGenerator, or `None`: a seed that torch's global generator gives at the first call.

    >>> keras.initializers.RandomUniform(seed=1)((2, 3)).shape
    torch.Size([2, 3])
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        check_numbers(minval=minval, maxval=maxval)
        self.minval, self.maxval = minval, maxval

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> torch.Tensor:
        return self._draw(shape, dtype, lambda x, g: random.uniform_(x, self.minval, self.maxval, g))


class VarianceScaling(RandomInitializer):
    """Draws whose variance is `scale / n`, where `n` counts the inputs or outputs of a unit.

    Args:
        scale: A positive number.
        mode: `n` is the number of inputs (`"fan_in"`), of outputs (`"fan_out"`) or their mean (`"fan_avg"`).
        distribution: `"truncated_normal"` (also `"normal"`), `"untruncated_normal"` or `"uniform"`.
        seed: An int, a SeedGenerator, or `None`: a seed that torch's global generator gives at the first call.
        input_axes: The axes of the weight that count as inputs; with `output_axes`, instead of the rule for kernels of dense and
            convolution layers (the last axis but one, the last axis, both times the size of the other axes).
        output_axes: The axes that count as outputs.

    Raises:
        ValueError: If there is an unknown mode or distribution, or a scale that is not positive.

    >>> keras.initializers.VarianceScaling(seed=1)((2, 3)).shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Any = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(seed)
        if scale <= 0:
            raise ValueError(f"`scale` must be positive. Received: scale={scale!r}")
        if mode not in _MODES:
            raise ValueError(f"`mode` must be one of {', '.join(_MODES)}. Received: mode={mode!r}")
        distribution = "truncated_normal" if str(distribution).lower() == "normal" else str(distribution).lower()
        if distribution not in _DISTRIBUTIONS:
            raise ValueError(f"`distribution` must be one of {', '.join(_DISTRIBUTIONS)}. Received: distribution={distribution!r}")
        self.scale, self.mode, self.distribution = scale, mode, distribution
        self.input_axes, self.output_axes = input_axes, output_axes

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> torch.Tensor:
        fan_in, fan_out = compute_fans(_sizes(shape), self.input_axes, self.output_axes)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, n)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return self._draw(shape, dtype, lambda x, g: random.uniform_(x, -limit, limit, g))
        std = math.sqrt(variance)
        if self.distribution == "untruncated_normal":
            return self._draw(shape, dtype, lambda x, g: x.normal_(0.0, std, generator=g))
        return self._draw(shape, dtype, lambda x, g: random.truncated_normal_(x, 0.0, std / _TRUNCATED_STD, g))


def compute_fans(
    shape: tuple[int, ...], input_axes: Sequence[int] | None = None, output_axes: Sequence[int] | None = None
) -> tuple[int, int]:
    """The numbers of inputs and outputs of a unit, for a weight of this shape in Keras layout.

    Raises:
        ValueError: Axes that the shape does not have.
    """
    if input_axes is not None and output_axes is not None:
        fans = []
        for name, axes in (("input_axes", input_axes), ("output_axes", output_axes)):
            axes = (axes,) if isinstance(axes, int) else tuple(axes)
            if any(not -len(shape) <= axis < len(shape) for axis in axes):
                raise ValueError(f"`{name}` must be axes of the shape {shape}. Received: {name}={axes}")
            fans.append(math.prod(shape[axis] for axis in axes))
        return fans[0], fans[1]
    if len(shape) < 2:
        return math.prod(shape), math.prod(shape)
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


class _ScaledByFan(VarianceScaling):
    """A `VarianceScaling` with three of its arguments fixed."""

    _rule: tuple[float, str, str]

    def __init__(self, seed: Any = None, input_axes: Sequence[int] | None = None, output_axes: Sequence[int] | None = None) -> None:
        super().__init__(*self._rule, seed=seed, input_axes=input_axes, output_axes=output_axes)


class GlorotUniform(_ScaledByFan):
    """Uniform, with variance `2 / (inputs + outputs)` (Glorot and Bengio 2010).

    Args:
        seed: An int, a SeedGenerator, or `None`: a seed that torch's global generator gives at the first call.
        input_axes: The axes of the weight that count as inputs; with `output_axes`, instead of the rule for kernels of dense and
            convolution layers (the last axis but one, the last axis, both times the size of the other axes).
        output_axes: The axes that count as outputs.

    >>> keras.initializers.GlorotUniform(seed=1)((2, 3)).shape
    torch.Size([2, 3])
    """

    _rule = (1.0, "fan_avg", "uniform")


class GlorotNormal(_ScaledByFan):
    """Truncated normal, with variance `2 / (inputs + outputs)` (Glorot and Bengio 2010).

    Args:
        seed: An int, a SeedGenerator, or `None`: a seed that torch's global generator gives at the first call.
        input_axes: The axes of the weight that count as inputs; with `output_axes`, instead of the rule for kernels of dense and
            convolution layers (the last axis but one, the last axis, both times the size of the other axes).
        output_axes: The axes that count as outputs.

    >>> keras.initializers.GlorotNormal(seed=1)((2, 3)).shape
    torch.Size([2, 3])
    """

    _rule = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_ScaledByFan):
    """Uniform, with variance `2 / inputs` (He et al. 2015).

    Args:
        seed: An int, a SeedGenerator, or `None`: a seed that torch's global generator gives at the first call.
        input_axes: The axes of the weight that count as inputs; with `output_axes`, instead of the rule for kernels of dense and
            convolution layers (the last axis but one, the last axis, both times the size of the other axes).
        output_axes: The axes that count as outputs.

    >>> keras.initializers.HeUniform(seed=1)((2, 3)).shape
    torch.Size([2, 3])
    """

    _rule = (2.0, "fan_in", "uniform")


class HeNormal(_ScaledByFan):
    """Truncated normal, with variance `2 / inputs` (He et al. 2015).

    Args:
        seed: An int, a SeedGenerator, or `None`: a seed that torch's global generator gives at the first call.
        input_axes: The axes of the weight that count as inputs; with `output_axes`, instead of the rule for kernels of dense and
            convolution layers (the last axis but one, the last axis, both times the size of the other axes).
        output_axes: The axes that count as outputs.

    >>> keras.initializers.HeNormal(seed=1)((2, 3)).shape
    torch.Size([2, 3])
    """

    _rule = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_ScaledByFan):
    """Uniform, with variance `1 / inputs` (LeCun et al. 1998).

    Args:
        seed: An int, a SeedGenerator, or `None`: a seed that torch's global generator gives at the first call.
        input_axes: The axes of the weight that count as inputs; with `output_axes`, instead of the rule for kernels of dense and
            convolution layers (the last axis but one, the last axis, both times the size of the other axes).
        output_axes: The axes that count as outputs.

    >>> keras.initializers.LecunUniform(seed=1)((2, 3)).shape
    torch.Size([2, 3])
    """

    _rule = (1.0, "fan_in", "uniform")


class LecunNormal(_ScaledByFan):
    """Truncated normal, with variance `1 / inputs` (LeCun et al. 1998).

    Args:
        seed: An int, a SeedGenerator, or `None`: a seed that torch's global generator gives at the first call.
        input_axes: The axes of the weight that count as inputs; with `output_axes`, instead of the rule for kernels of dense and
            convolution layers (the last axis but one, the last axis, both times the size of the other axes).
        output_axes: The axes that count as outputs.

    >>> keras.initializers.LecunNormal(seed=1)((2, 3)).shape
    torch.Size([2, 3])
    """

    _rule = (1.0, "fan_in", "truncated_normal")


class Orthogonal(RandomInitializer):
    """A random matrix whose rows or columns are orthonormal; all axes but the last count as rows (Saxe et al. 2014).

    Args:
        gain: What it is multiplied by.
        seed: An int, a SeedGenerator, or `None`: a seed that torch's global generator gives at the first call.

    >>> keras.initializers.Orthogonal(seed=1)((2, 3)).shape
    torch.Size([2, 3])
    """

    def __init__(self, gain: float = 1.0, seed: Any = None) -> None:
        super().__init__(seed)
        self.gain = gain

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> torch.Tensor:
        sizes = _sizes(shape)
        if len(sizes) < 2:
            raise ValueError(f"`shape` must have at least two axes for the initializer Orthogonal. Received: shape={sizes}")
        rows, columns = math.prod(sizes[:-1]), sizes[-1]

        def orthogonalize(x: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
            q, r = torch.linalg.qr(x.normal_(generator=generator))
            q = q * r.diagonal().sign()  # makes the distribution uniform over orthogonal matrices
            return self.gain * (q.mT if rows < columns else q)

        return self._draw((max(rows, columns), min(rows, columns)), dtype, orthogonalize).reshape(sizes)


# -- by name ---------------------------------------------------------------------------------------------------------------------------

constant, zeros, ones, identity, stft = Constant, Zeros, Ones, Identity, STFT
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal
variance_scaling, orthogonal = VarianceScaling, Orthogonal
glorot_uniform, glorot_normal, he_uniform, he_normal = GlorotUniform, GlorotNormal, HeUniform, HeNormal
lecun_uniform, lecun_normal = LecunUniform, LecunNormal
IdentityInitializer, OrthogonalInitializer, STFTInitializer = Identity, Orthogonal, STFT

FAMILY = Family(
    "initializer",
    "keras.initializers",
    Initializer,
    {
        "Constant": Constant,
        "Zeros": Zeros,
        "Ones": Ones,
        "Identity": Identity,
        "STFT": STFT,
        "RandomNormal": RandomNormal,
        "RandomUniform": RandomUniform,
        "TruncatedNormal": TruncatedNormal,
        "VarianceScaling": VarianceScaling,
        "GlorotUniform": GlorotUniform,
        "GlorotNormal": GlorotNormal,
        "HeUniform": HeUniform,
        "HeNormal": HeNormal,
        "LecunUniform": LecunUniform,
        "LecunNormal": LecunNormal,
        "Orthogonal": Orthogonal,
        "IdentityInitializer": Identity,
        "OrthogonalInitializer": Orthogonal,
        "STFTInitializer": STFT,
        "normal": RandomNormal,  # Keras 1
        "uniform": RandomUniform,
        "zero": Zeros,
        "one": Ones,
    },
)


def get(identifier: Any) -> Any:
    """An initializer from a name, a config, a class, an array or a callable `(shape, dtype)`; `None` stays `None`.

    Args:
        identifier: A name, a config, a class or an object; `None` stays `None`.

    Raises:
        ValueError: If it is anything else; the message tells near matches of a name.
    """
    if isinstance(identifier, np.ndarray | np.generic | torch.Tensor):
        array = Constant(identifier)
        array._exact_shape = True
        return array
    return get_from(FAMILY, identifier)


def serialize(initializer: Any) -> Any:
    """An initializer as a config.

    Args:
        initializer: What is serialized.
    """
    return serialize_in(FAMILY, initializer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The initializer that a config, or a name, describes.

    Args:
        config: What `serialize` returned, or a name.
        custom_objects: Names to further classes and functions that the config may name.
    """
    return get_from(FAMILY, deserialize_in(FAMILY, config, custom_objects))
