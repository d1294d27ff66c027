"""Layers that change shapes: flatten, reshape, permute, repeat, pad, crop and enlarge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F

from .. import config
from ..ops.image import resize
from .input_spec import InputSpec
from .layer import TensorLayer
from .spatial import Spatial, spatial_tuple


class Flatten(TensorLayer):
    """All axes but the batch as one.

    Args:
        data_format: `"channels_first"` moves the channels to the end first; `config.image_data_format()` without it.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.Flatten()(torch.ones(1, 8, 8, 3)).shape
    torch.Size([1, 192])
    """

    _tk_keeps_type = True

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = config.standardize_data_format(data_format)
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        if inputs.dim() < 3:
            return inputs if inputs.dim() == 2 else inputs.unsqueeze(1)
        if self.data_format == "channels_first":
            inputs = inputs.movedim(1, -1)
        return inputs.flatten(1)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        rest = [n for n in input_shape[1:] if n is not None]
        return (input_shape[0], math.prod(rest) if len(rest) == len(input_shape) - 1 else None)


class Reshape(TensorLayer):
    """The features of each sample in another shape.

    Args:
        target_shape: The shape without the batch axis; one size may be -1.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    Raises:
        ValueError: If there is no shape, or one that does not hold the input.

    >>> keras.layers.Reshape((2, 2))(torch.ones(2, 4)).shape
    torch.Size([2, 2, 2])
    """

    _tk_keeps_type = True

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        shape = (target_shape,) if isinstance(target_shape, int) else tuple(target_shape)
        if any(not isinstance(d, int) or d < -1 for d in shape) or shape.count(-1) > 1:
            raise ValueError(f"`target_shape` must be sizes, at most one of them -1. Received: target_shape={target_shape!r}")
        self.target_shape = shape

    _tk_built_at_once = True
    _tk_makes_weights = False

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.compute_output_shape(input_shape)

    def _resolved(self, given: Sequence[int | None]) -> tuple[int | None, ...]:
        """The target for features of these sizes."""
        sizes = [n for n in given if n is not None]
        if len(sizes) < len(given):
            return tuple(None if d == -1 else d for d in self.target_shape)
        total, known = math.prod(sizes), math.prod([d for d in self.target_shape if d != -1])
        free = -1 in self.target_shape
        if (not free and total != known) or (free and (known == 0 or total % known)):
            raise ValueError(
                f"`target_shape` must hold the {total} numbers of each sample in the layer {self.name!r}. "
                f"Received: target_shape={self.target_shape}, input of shape {tuple(sizes)} without the batch axis"
            )
        return tuple(total // known if d == -1 else d for d in self.target_shape)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        shape = inputs.shape
        return inputs.reshape(shape[0], *self._resolved(shape[1:]))  # type: ignore[arg-type]  # a tensor's sizes are known

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (input_shape[0], *self._resolved(input_shape[1:]))


class Permute(TensorLayer):
    """The axes of each sample in another order.

    Args:
        dims: The order, axes counted from 1 after the batch: `(2, 1)` swaps two axes.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    Raises:
        ValueError: If there is no order of 1, 2, ….

    >>> keras.layers.Permute((3, 1, 2))(torch.ones(1, 8, 8, 3)).shape
    torch.Size([1, 3, 8, 8])
    """

    _tk_keeps_type = True

    def __init__(self, dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(f"`dims` must hold each of 1, 2, … once, up to the number of axes without the batch. Received: dims={dims!r}")
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs.permute(0, *self.dims)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (input_shape[0], *(input_shape[d] for d in self.dims))


class RepeatVector(TensorLayer):
    """A vector as a sequence of itself: `(batch, features)` to `(batch, n, features)`.

    Args:
        n: How long the sequence is.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    Raises:
        TypeError: If it is no whole number.
        ValueError: If it is not positive.

    >>> keras.layers.RepeatVector(3)(torch.ones(2, 4)).shape
    torch.Size([2, 3, 4])
    """

    _tk_keeps_type = True

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(n, int) or isinstance(n, bool):
            raise TypeError(f"`n` must be a positive integer. Received: n={n!r} of type {type(n).__name__}")
        if n <= 0:
            raise ValueError(f"`n` must be a positive integer. Received: n={n}")
        self.n = n
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs.unsqueeze(1).expand(-1, self.n, -1)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (input_shape[0], self.n, input_shape[1])


def _edges(value: Any, rank: int, name: str) -> tuple[tuple[int, int], ...]:
    """One int, one per axis, or a pair per axis, as a pair per axis."""
    values = (value,) * rank if isinstance(value, int) else tuple(value) if isinstance(value, (list, tuple)) else ()
    pairs = tuple((v, v) if isinstance(v, int) else tuple(v) if isinstance(v, (list, tuple)) else () for v in values)
    if len(pairs) != rank or any(len(p) != 2 or not all(isinstance(n, int) and n >= 0 for n in p) for p in pairs):
        raise ValueError(
            f"`{name}` must be an int, {rank} of them, or {rank} pairs (before, after), none negative. Received: {name}={value!r}"
        )
    return pairs


class _ZeroPadding(Spatial):
    """Zeros around the spatial axes: the base of ZeroPadding1D, 2D and 3D.

    Args:
        padding: How many: one int, one per axis, or a pair (before, after) per axis; of ZeroPadding1D one int or one pair.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`.

    Raises:
        ValueError: Anything else.
    """

    _tk_keeps_type = True
    _pairs: tuple[tuple[int, int], ...]
    _amounts: list[int]

    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._set_data_format(data_format)
        self.__dict__["_pairs"] = _edges((padding,) if self.rank == 1 else padding, self.rank, "padding")
        self.padding = self._pairs[0] if self.rank == 1 else self._pairs
        self.input_spec = InputSpec(ndim=self.rank + 2)
        amounts = [n for pair in reversed(self._pairs) for n in pair]
        self.__dict__["_amounts"] = [0, 0, *amounts] if self.data_format == "channels_last" else amounts

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        return F.pad(inputs, self._amounts)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        sizes = [None if n is None else n + before + after for n, (before, after) in zip(self._sizes(input_shape), self._pairs)]
        return self._shape_of(input_shape[0], sizes, input_shape[self._channel_axis])


class ZeroPadding1D(_ZeroPadding):
    """Zeros before and after a sequence.

    Args:
        padding: How many: one int, one per axis, or a pair (before, after) per axis; of ZeroPadding1D one int or one pair.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.ZeroPadding1D(2)(torch.ones(2, 8, 3)).shape
    torch.Size([2, 12, 3])
    """

    rank = 1


class ZeroPadding2D(_ZeroPadding):
    """Zeros around images.

    Args:
        padding: How many: one int, one per axis, or a pair (before, after) per axis; of ZeroPadding1D one int or one pair.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.ZeroPadding2D(1)(torch.ones(1, 8, 8, 3)).shape
    torch.Size([1, 10, 10, 3])
    """

    rank = 2
    _per_axis = ("padding",)


class ZeroPadding3D(_ZeroPadding):
    """Zeros around volumes.

    Args:
        padding: How many: one int, one per axis, or a pair (before, after) per axis; of ZeroPadding1D one int or one pair.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.ZeroPadding3D(1)(torch.ones(1, 8, 8, 8, 3)).shape
    torch.Size([1, 10, 10, 10, 3])
    """

    rank = 3

    def __init__(self, padding: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(padding, data_format, **kwargs)


class _Cropping(Spatial):
    """Without the edges of the spatial axes, as a view: the base of Cropping1D, 2D and 3D.

    Args:
        cropping: How much: one int, one per axis, or a pair (before, after) per axis; of Cropping1D one int or one pair.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`.

    Raises:
        ValueError: Anything else, or more than an input has.
    """

    _tk_keeps_type = True
    _pairs: tuple[tuple[int, int], ...]

    def __init__(self, cropping: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._set_data_format(data_format)
        self.__dict__["_pairs"] = _edges((cropping,) if self.rank == 1 else cropping, self.rank, "cropping")
        self.cropping = self._pairs[0] if self.rank == 1 else self._pairs
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        first = 1 if self.data_format == "channels_last" else 2
        for axis, (before, after) in enumerate(self._pairs, first):
            if before or after:
                left = inputs.shape[axis] - before - after
                if left <= 0:
                    self._refuse(inputs.shape)
                inputs = inputs.narrow(axis, before, left)
        return inputs

    def _refuse(self, shape: Sequence[int | None]) -> None:
        raise ValueError(
            f"`cropping` must leave something of the input of the layer {self.name!r}. "
            f"Received: cropping={self.cropping}, input of shape {tuple(shape)}"
        )

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        sizes = [None if n is None else n - before - after for n, (before, after) in zip(self._sizes(input_shape), self._pairs)]
        if any(n is not None and n <= 0 for n in sizes):
            self._refuse(input_shape)
        return self._shape_of(input_shape[0], sizes, input_shape[self._channel_axis])


class Cropping1D(_Cropping):
    """A sequence without its ends. `cropping` is one int or a pair.

    Args:
        cropping: How much: one int, one per axis, or a pair (before, after) per axis; of Cropping1D one int or one pair.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.Cropping1D((1, 2))(torch.ones(2, 8, 3)).shape
    torch.Size([2, 5, 3])
    """

    rank = 1

    def __init__(self, cropping: Any = (1, 1), **kwargs: Any) -> None:
        super().__init__(cropping, "channels_last", **kwargs)

    def get_config(self) -> dict[str, Any]:
        return {k: v for k, v in super().get_config().items() if k != "data_format"}


class Cropping2D(_Cropping):
    """Images without their edges.

    Args:
        cropping: How much: one int, one per axis, or a pair (before, after) per axis; of Cropping1D one int or one pair.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.Cropping2D(((1, 2), (0, 3)))(torch.ones(1, 8, 8, 3)).shape
    torch.Size([1, 5, 5, 3])
    """

    rank = 2

    def __init__(self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(cropping, data_format, **kwargs)


class Cropping3D(_Cropping):
    """Volumes without their edges.

    Args:
        cropping: How much: one int, one per axis, or a pair (before, after) per axis; of Cropping1D one int or one pair.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.Cropping3D(1)(torch.ones(1, 8, 8, 8, 3)).shape
    torch.Size([1, 6, 6, 6, 3])
    """

    rank = 3

    def __init__(self, cropping: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(cropping, data_format, **kwargs)


class _UpSampling(Spatial):
    """Every step, pixel or voxel several times: the base of the upsampling layers."""

    _tk_keeps_type = True
    factors: tuple[int, ...]

    def _repeated(self, inputs: torch.Tensor) -> torch.Tensor:
        if inputs.is_floating_point():
            return self._as_given(F.interpolate(self._channels_first(inputs), scale_factor=[float(f) for f in self.factors]))
        first = 1 if self.data_format == "channels_last" else 2
        for axis, factor in enumerate(self.factors, first):
            inputs = inputs.repeat_interleave(factor, axis)
        return inputs

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        return self._repeated(inputs)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        sizes = [None if n is None else n * f for n, f in zip(self._sizes(input_shape), self.factors)]
        return self._shape_of(input_shape[0], sizes, input_shape[self._channel_axis])


class UpSampling1D(_UpSampling):
    """Every step of `(batch, steps, features)` several times.

    Args:
        size: How often.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    Raises:
        TypeError: If it is no whole number.
        ValueError: If it is not positive.

    >>> keras.layers.UpSampling1D(3)(torch.ones(2, 8, 3)).shape
    torch.Size([2, 24, 3])
    """

    rank = 1

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(size, int) or isinstance(size, bool):
            raise TypeError(f"`size` must be a positive integer. Received: size={size!r} of type {type(size).__name__}")
        self._set_data_format("channels_last")
        self.size = size
        self.__dict__["factors"] = spatial_tuple(size, 1, "size")
        self.input_spec = InputSpec(ndim=3)


class UpSampling2D(_UpSampling):
    """Images enlarged by whole factors.

    Args:
        size: The factor, one int or one per axis.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        interpolation: `"nearest"`, `"bilinear"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    Raises:
        ValueError: If there is another interpolation, or a factor that is not positive.

    >>> keras.layers.UpSampling2D(2)(torch.ones(1, 8, 8, 3)).shape
    torch.Size([1, 16, 16, 3])
    """

    rank = 2
    _per_axis = ("size",)

    def __init__(
        self, size: int | Sequence[int] = 2, data_format: str | None = None, interpolation: str = "nearest", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        known = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
        self.interpolation = interpolation.lower() if isinstance(interpolation, str) else interpolation
        if self.interpolation not in known:
            raise ValueError(f"`interpolation` must be one of {', '.join(map(repr, known))}. Received: interpolation={interpolation!r}")
        self._set_data_format(data_format)
        self.size = spatial_tuple(size, 2, "size")
        self.__dict__["factors"] = self.size
        self.input_spec = InputSpec(ndim=4)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        if self.interpolation == "nearest":
            return self._repeated(inputs)
        sizes = inputs.shape[1:3] if self.data_format == "channels_last" else inputs.shape[2:]
        target = (sizes[0] * self.size[0], sizes[1] * self.size[1])
        return resize(inputs, target, interpolation=self.interpolation, data_format=self.data_format)


class UpSampling3D(_UpSampling):
    """Volumes enlarged by whole factors.

    Args:
        size: The factor, one int or one per axis.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` without it.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    Raises:
        ValueError: If a factor is not positive.

    >>> keras.layers.UpSampling3D(2)(torch.ones(1, 8, 8, 8, 3)).shape
    torch.Size([1, 16, 16, 16, 3])
    """

    rank = 3
    _per_axis = ("size",)

    def __init__(self, size: int | Sequence[int] = 2, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._set_data_format(data_format)
        self.size = spatial_tuple(size, 3, "size")
        self.__dict__["factors"] = self.size
        self.input_spec = InputSpec(ndim=5)
