"""Numbers to numbers and to bins: Normalization, Rescaling and Discretization."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ... import config
from ...graph import KerasTensor
from ...variable import ParameterVariable
from ..layer import Layer, TensorLayer
from .adapt import Adapts
from .encoding import OUTPUT_MODES, check_mode, encode, encoded_shape


def constant(layer: Layer, name: str, value: Any) -> None:
    """Make `value` an attribute that moves with the layer and is in no file: its config tells it."""
    layer.register_buffer(name, torch.as_tensor(value, dtype=torch.get_default_dtype(), device=layer._tk_device()), persistent=False)


class Normalization(Adapts):
    """Inputs with zero mean and unit variance: `(inputs - mean) / sqrt(variance)`, with statistics given or learned by `adapt`.

    Until it has adapted it leaves its inputs as they are. The statistics over batches are those of all data at once.

    Args:
        axis: The axis or axes that have a mean and a variance for each index; `None` for one mean and one variance.
        mean: The mean, which broadcasts to the sizes of `axis`; learned by `adapt` without it.
        variance: The variance, given together with `mean`.
        invert: Whether to undo the normalization: `inputs * sqrt(variance) + mean`.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: If only one of `mean` and `variance` is given.

    >>> keras.layers.Normalization(mean=3.0, variance=4.0)([1.0, 3.0, 5.0])
    tensor([-1.,  0.,  1.])
    """

    _tk_float_input = True
    _kept: tuple[int, ...]
    _broadcast: tuple[int, ...]
    adapt_mean: ParameterVariable
    adapt_variance: ParameterVariable
    count: ParameterVariable

    def __init__(
        self, axis: int | Sequence[int] | None = -1, mean: Any = None, variance: Any = None, invert: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.axis = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        if (mean is None) != (variance is None):
            raise ValueError(
                f"`mean` and `variance` must be given together, or neither to learn both by `adapt`. Received: mean={mean!r}, "
                f"variance={variance!r}"
            )
        if variance is not None and not np.all(np.asarray(variance) >= 0):
            raise ValueError(f"`variance` must not be negative. Received: variance={variance!r}")
        self.input_mean, self.input_variance, self.invert = mean, variance, invert
        self.supports_masking = True
        self._moments: tuple[torch.Tensor, torch.Tensor, int] | None = None  # mean, sum of squares and count, while it adapts

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        ndim = len(input_shape)
        if any(not -ndim <= a < ndim for a in self.axis):
            raise ValueError(f"`axis` must hold axes of the input of the layer {self.name!r}. Received: axis={self.axis}, {input_shape}")
        kept = sorted({a % ndim for a in self.axis})
        sizes = tuple(input_shape[a] for a in kept)
        if None in sizes:
            raise ValueError(
                f"The sizes of `axis` must be known in the input of the layer {self.name!r}. Received: axis={self.axis}, {input_shape}"
            )
        self.__dict__["_kept"] = tuple(kept)
        self.__dict__["_broadcast"] = tuple(input_shape[a] if a in kept else 1 for a in range(ndim))
        if self.input_mean is None:
            self.adapt_mean = self.add_weight(sizes, "zeros", trainable=False, name="mean")
            self.adapt_variance = self.add_weight(sizes, "ones", trainable=False, name="variance")
            self.count = self.add_weight((), "zeros", dtype="int32", trainable=False, name="count")
            return
        for name, value in (("mean", self.input_mean), ("variance", self.input_variance)):
            array = np.asarray(value, dtype="float64")
            try:
                constant(self, f"given_{name}", np.broadcast_to(array, self._broadcast).copy())
            except ValueError:
                raise ValueError(
                    f"`{name}` must broadcast to the sizes {sizes} of `axis` in the layer {self.name!r}. Received: shape {array.shape}"
                ) from None

    @property
    def mean(self) -> torch.Tensor | None:
        """The mean, in a shape that broadcasts to the inputs; `None` before the layer is built."""
        return self._statistic("mean")

    @property
    def variance(self) -> torch.Tensor | None:
        """The variance, in a shape that broadcasts to the inputs; `None` before the layer is built."""
        return self._statistic("variance")

    def _statistic(self, name: str) -> torch.Tensor | None:
        if not self.built:
            return None
        held = self._buffers[f"adapt_{name}" if self.input_mean is None else f"given_{name}"]
        assert held is not None
        return held.detach().view(self._broadcast)

    def reset_state(self) -> None:
        if self.input_mean is not None:
            raise ValueError(f"The layer {self.name!r} has a `mean` and a `variance` given: there is nothing to adapt.")
        self._moments = None

    def update_state(self, data: Any) -> None:
        x = torch.as_tensor(data, device=self._tk_device())
        x = x if x.dtype.is_floating_point and x.device.type == "mps" else x.to(torch.float64)
        if not self.built:
            self.build(tuple(x.shape))
        if x.dim() != len(self._broadcast) or any(x.shape[a] != self._broadcast[a] for a in self._kept):
            raise ValueError(
                f"`data` must have the shape that the layer {self.name!r} was built for, {self.get_build_config()}. "
                f"Received: {tuple(x.shape)}"
            )
        axes = [a for a in range(x.dim()) if a not in self._kept]
        count = math.prod(x.shape[a] for a in axes)
        if not count:
            return
        mean = x.mean(axes) if axes else x
        centred = x - mean.reshape(self._broadcast)
        squares = centred.square().sum(axes) if axes else torch.zeros_like(x)
        if self._moments is not None:  # Chan, Golub, LeVeque: "Updating formulae and a pairwise algorithm for sample variances", 1979
            before_mean, before_squares, before = self._moments
            gap, total = mean - before_mean, before + count
            mean = before_mean + gap * (count / total)
            squares = before_squares + squares + gap.square() * (before * count / total)
            count = total
        self._moments = (mean, squares, count)

    def finalize_state(self) -> None:
        if self._moments is None:  # the weights, from a file for example, are the state
            return
        mean, squares, count = self._moments
        self.adapt_mean.assign(mean)
        self.adapt_variance.assign(squares / count)
        self._moments = None

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        name = "adapt_" if self.input_mean is None else "given_"
        mean, variance = self._buffers[f"{name}mean"], self._buffers[f"{name}variance"]
        assert mean is not None and variance is not None
        mean = mean.detach().view(self._broadcast).to(inputs.dtype)
        deviation = variance.detach().view(self._broadcast).sqrt().clamp(min=config.epsilon()).to(inputs.dtype)
        return inputs * deviation + mean if self.invert else (inputs - mean) / deviation

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def _tk_config_value(self, name: str) -> Any:
        if name in ("mean", "variance"):
            value = getattr(self, f"input_{name}")
            return value if value is None or isinstance(value, (int, float)) else np.asarray(value).tolist()
        return super()._tk_config_value(name)


class Rescaling(TensorLayer):
    """Inputs times a number plus a number: `inputs * scale + offset`, in training and in inference.

    Args:
        scale: The factor, or one for each channel: `1 / 255` maps bytes to 0 … 1.
        offset: What is added, a number or one for each channel.
        **kwargs: `name`, `dtype` and `trainable`.

    >>> keras.layers.Rescaling(1 / 2)(torch.tensor([1.0, 3.0]))
    tensor([0.5000, 1.5000])
    """

    _tk_float_input = True

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale, self.offset = scale, offset
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        for name in ("scale", "offset"):
            value = getattr(self, name)
            if not isinstance(value, (int, float)):
                array = np.asarray(value, dtype="float64")
                if array.ndim and config.image_data_format() == "channels_first":
                    array = array.reshape(array.shape + (1,) * (3 - array.ndim))
                constant(self, f"each_{name}", array)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        scale, offset = self._buffers.get("each_scale"), self._buffers.get("each_offset")
        scale = self.scale if scale is None else scale.to(inputs.dtype)
        return inputs * scale + (self.offset if offset is None else offset.to(inputs.dtype))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape


class Discretization(Adapts):
    """Numbers as the indices of the bins that they fall into: bin 0 lies below the first boundary, and a boundary belongs to the bin above.

    Args:
        bin_boundaries: The boundaries, ascending; learned by `adapt` without them.
        num_bins: The number of bins to learn, each of which holds as many of the numbers that the layer adapts to.
        epsilon: The error allowed to the shares of numbers in bins. The boundaries are exact up to four million numbers.
        output_mode: `"int"` for indices, `"one_hot"` for a vector for each number, `"multi_hot"` or `"count"` for one for each sample.
        sparse: Kept for Keras's signature; must be false, torch's layers take dense tensors.
        dtype: The type of the vectors.
        name: The name of the layer.

    Raises:
        ValueError: If neither `bin_boundaries` nor `num_bins` is given, or both.

    >>> keras.layers.Discretization([0.0, 1.0])([-1.0, 0.5, 7.0])
    tensor([0, 1, 2], dtype=torch.int32)
    """

    _tk_keeps_type = True
    bounds: torch.Tensor

    def __init__(
        self,
        bin_boundaries: Sequence[float] | None = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        dtype: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if bin_boundaries is None and num_bins is None:
            raise ValueError("`bin_boundaries` or `num_bins` must be given. Received neither.")
        if bin_boundaries is not None and num_bins is not None:
            raise ValueError(
                "`bin_boundaries` and `num_bins` must not both be given: bins are given or learned. "
                f"Received: bin_boundaries={bin_boundaries!r}, num_bins={num_bins!r}"
            )
        if num_bins is not None and num_bins < 1:
            raise ValueError(f"`num_bins` must be positive. Received: num_bins={num_bins!r}")
        if not 0 < epsilon < 1:
            raise ValueError(f"`epsilon` must be between 0 and 1. Received: epsilon={epsilon!r}")
        self.num_bins, self.epsilon = num_bins, epsilon
        self.output_mode, self.sparse = check_mode(output_mode, OUTPUT_MODES, sparse), sparse
        self.bin_boundaries: list[float] | None = None
        self._summary: list[tuple[np.ndarray, np.ndarray]] = []  # numbers and their weights, while it adapts
        self.register_buffer("bounds", None, persistent=False)
        if bin_boundaries is not None and any(after < before for before, after in zip(bin_boundaries, list(bin_boundaries)[1:])):
            raise ValueError(f"`bin_boundaries` must be in rising order. Received: bin_boundaries={bin_boundaries!r}")
        self._given = bin_boundaries is not None
        if bin_boundaries is not None:
            self._set(bin_boundaries)

    def _set(self, boundaries: Sequence[float]) -> None:
        self.bin_boundaries = [float(b) for b in boundaries]
        constant(self, "bounds", self.bin_boundaries)

    def reset_state(self) -> None:
        if self._given:
            raise ValueError(f"The layer {self.name!r} has `bin_boundaries` given: there is nothing to adapt.")
        self._summary = []

    def update_state(self, data: Any) -> None:
        values = np.asarray(data.cpu() if isinstance(data, torch.Tensor) else data, dtype="float32").reshape(-1)
        self._summary.append((values, np.ones(len(values), "float32")))
        if sum(len(v) for v, _ in self._summary) > _KEPT:
            self._summary = [self._compressed()]

    def _sorted(self) -> tuple[np.ndarray, np.ndarray]:
        values, weights = (np.concatenate(parts) for parts in zip(*self._summary))
        order = np.argsort(values, kind="stable")
        return values[order], weights[order]

    def _compressed(self) -> tuple[np.ndarray, np.ndarray]:
        """Fewer numbers with the same quantiles, each in the middle of a share of the weight far smaller than `epsilon`."""
        values, weights = self._sorted()
        total, count = weights.sum(dtype="float64"), max(_KEPT // 4, math.ceil(8 / self.epsilon))
        ends = np.cumsum(weights, dtype="float64")
        places = np.searchsorted(ends, (np.arange(count) + 0.5) * (total / count))
        return values[places], np.full(count, total / count, "float32")

    def finalize_state(self) -> None:
        if self._given or not self._summary:
            return
        values, weights = self._sorted()
        self._summary = []
        ends = np.cumsum(weights, dtype="float64")
        count = min(self.num_bins or 1, len(values))
        shares = np.arange(1, count) / count
        self._set(np.interp(shares * ends[-1], ends, values).tolist() if count > 1 else [])

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        if self.bin_boundaries is None:
            raise ValueError(f"The layer {self.name!r} has no bins yet. Call `adapt` on data first, or give `bin_boundaries`.")
        x = inputs if inputs.dtype.is_floating_point else inputs.to(self.bounds.dtype)
        bins = torch.bucketize(x.contiguous(), self.bounds.to(x.dtype), right=True, out_int32=True)
        return encode(bins, self.output_mode, len(self.bin_boundaries) + 1, self._tk_compute)

    def _depth(self) -> int | None:
        return self.num_bins if self.bin_boundaries is None else len(self.bin_boundaries) + 1

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return encoded_shape(input_shape, self.output_mode, self._depth())

    def compute_output_spec(self, inputs: Any) -> KerasTensor:
        return KerasTensor(self.compute_output_shape(inputs.shape), dtype="int32" if self.output_mode == "int" else self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor; of a layer that has adapted, the boundaries that it has learned."""
        return {
            "bin_boundaries": self.bin_boundaries, "num_bins": self.num_bins, "epsilon": self.epsilon, "output_mode": self.output_mode,
            "sparse": self.sparse, "name": self.name, "dtype": self.dtype,
        }  # fmt: skip

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A layer made from what `get_config` returned, with what it had learned."""
        learned = config.get("bin_boundaries") if config.get("num_bins") is not None else None
        layer = super().from_config(config if learned is None else {**config, "bin_boundaries": None})
        if learned is not None:
            layer._set(learned)
        return layer


_KEPT = 1 << 22
