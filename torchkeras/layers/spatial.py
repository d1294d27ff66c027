"""What layers over images, volumes and sequences share: argument tuples per axis, channel order, and lengths of outputs."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch

from .. import config
from ..ops.nn.spatial import spatial_tuple
from .layer import TensorLayer


class Spatial(TensorLayer):
    """A layer over `rank` spatial axes, whose torch half wants channels second.

    The default `channels_last` tensor, permuted, is torch's channels_last memory format: views go in and out, nothing is copied.
    """

    rank: int
    data_format: str
    _to_first: tuple[int, ...] | None
    _to_last: tuple[int, ...] | None
    _per_axis: tuple[str, ...] = ()  # the arguments whose default Keras spells once per axis, `(1, 1)`

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        names = cls._per_axis
        if names and getattr(cls, "rank", 1) > 1:  # only what `inspect` and editors show: an int means the same everywhere
            signature = inspect.signature(cls.__init__)
            shown = [
                p.replace(default=(p.default,) * cls.rank) if n in names and isinstance(p.default, int) else p
                for n, p in signature.parameters.items()
                if n != "self"
            ]
            cls.__signature__ = signature.replace(parameters=shown, return_annotation=inspect.Signature.empty)  # type: ignore[assignment]

    def _set_data_format(self, data_format: str | None) -> None:
        self.data_format = config.standardize_data_format(data_format)
        last = self.data_format == "channels_last"
        axes = range(1, self.rank + 1)
        self.__dict__["_to_first"] = (0, self.rank + 1, *axes) if last else None
        self.__dict__["_to_last"] = (0, *(a + 1 for a in axes), 1) if last else None

    @property
    def _channel_axis(self) -> int:
        return -1 if self.data_format == "channels_last" else 1

    def _channels_first(self, x: torch.Tensor) -> torch.Tensor:
        return x if self._to_first is None else x.permute(self._to_first)

    def _as_given(self, x: torch.Tensor) -> torch.Tensor:
        """Channels-first `x` in the layer's own order."""
        return x if self._to_last is None else x.permute(self._to_last)

    def _sizes(self, shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """The spatial sizes of a batch shape."""
        if len(shape) != self.rank + 2:
            raise ValueError(
                f"The input of the layer {self.name!r} must have {self.rank + 2} axes: batch, channels and {self.rank} spatial ones. "
                f"Received: shape {tuple(shape)}"
            )
        return tuple(shape[1:-1] if self.data_format == "channels_last" else shape[2:])

    def _shape_of(self, batch: int | None, sizes: Sequence[int | None], channels: int | None) -> tuple[int | None, ...]:
        return (batch, *sizes, channels) if self.data_format == "channels_last" else (batch, channels, *sizes)

    def _known_channels(self, shape: Sequence[int | None]) -> int:
        """The number of channels of a batch shape."""
        self._sizes(shape)
        channels = shape[self._channel_axis]
        if channels is None:
            raise ValueError(f"The channels of the input of the layer {self.name!r} must be known. Received: input_shape={tuple(shape)}")
        return channels


def window_length(size: int | None, window: int, stride: int, dilation: int, padding: str, name: str, shape: Any) -> int | None:
    """How many windows fit along one axis.

    Raises:
        ValueError: None, because the axis is shorter than the window; `name` is the layer's.
    """
    if size is None:
        return None
    if padding in ("same", "causal"):
        return -(-size // stride)
    extent = dilation * (window - 1) + 1
    if size < extent:
        raise ValueError(
            f"The input of the layer {name!r} is smaller than its window, which spans {extent} along an axis of size {size}. "
            f'Pass larger inputs, a smaller window or padding="same". Received: input_shape={tuple(shape)}'
        )
    return (size - extent) // stride + 1


def standardize_padding(padding: Any, causal: bool = False) -> str:
    """`padding` in lower case.

    Raises:
        ValueError: An unknown one.
    """
    known = ("valid", "same", "causal") if causal else ("valid", "same")
    found = padding.lower() if isinstance(padding, str) else padding
    if found not in known:
        raise ValueError(f"`padding` must be one of {', '.join(map(repr, known))}. Received: padding={padding!r}")
    return found


__all__ = ["Spatial", "spatial_tuple", "standardize_padding", "window_length"]
