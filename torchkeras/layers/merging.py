"""Layers that join several inputs, and their functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, ClassVar

import torch

from ..graph import convert_to_tensor
from ..ops.nn.normalization import normalize
from .layer import TensorLayer


class _Merge(TensorLayer):
    """A layer over a list of tensors: the base of those that join them element by element.

    Inputs of fewer axes get axes of size one after the batch; then they broadcast.

    Args:
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`.

    Raises:
        ValueError: No list, another number of inputs, or shapes that do not broadcast.
    """

    _tk_keeps_type = True
    _count: ClassVar[int | None] = None  # how many inputs it takes; any number without one

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    _tk_makes_weights = False

    def build(self, input_shape: Sequence[Any]) -> None:
        self.compute_output_shape(input_shape)

    def _checked_shapes(self, shapes: Any) -> list[tuple[int | None, ...]]:
        if not isinstance(shapes, (list, tuple)) or not shapes or not all(isinstance(s, (list, tuple)) for s in shapes):
            raise ValueError(f"The layer {self.name!r} must be called on a list of inputs. Received: input_shape={shapes}")
        if self._count is not None and len(shapes) != self._count:
            raise ValueError(f"The layer {self.name!r} takes {self._count} inputs. Received: {len(shapes)}, of shapes {list(shapes)}")
        sizes = {s[0] for s in shapes if len(s)} - {None}
        if len(sizes) > 1:
            raise ValueError(f"The inputs of the layer {self.name!r} must have one batch size. Received: shapes {list(shapes)}")
        return [tuple(s) for s in shapes]

    def _merge(self, inputs: list[torch.Tensor]) -> torch.Tensor:
        raise NotImplementedError

    def call(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        ranks = [x.dim() for x in inputs]
        top = max(ranks)
        if min(ranks) != top:
            inputs = [_expanded(x, top) for x in inputs]
        return self._merge(list(inputs))

    def compute_output_shape(self, input_shape: Sequence[Any]) -> tuple[int | None, ...]:
        shapes = self._checked_shapes(input_shape)
        top = max(map(len, shapes))
        expanded = [(s[0], *(1,) * (top - len(s)), *s[1:]) for s in shapes]
        output: list[int | None] = []
        for sizes in zip(*expanded):
            known = {n for n in sizes if n not in (None, 1)}
            if len(known) > 1:
                raise ValueError(f"The inputs of the layer {self.name!r} must have shapes that broadcast. Received: shapes {shapes}")
            output.append(known.pop() if known else None if None in sizes else 1)
        return tuple(output)

    _masks_from_inputs = True

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        if not isinstance(mask, (list, tuple)) or any(m is None for m in mask):
            return None
        joined = mask[0]
        for other in mask[1:]:
            joined = joined | other
        return joined


def _expanded(x: torch.Tensor, rank: int) -> torch.Tensor:
    return x.reshape(x.shape[0], *(1,) * (rank - x.dim()), *x.shape[1:])


def _masks_of(inputs: Sequence[torch.Tensor]) -> list[torch.Tensor | None]:
    """The masks of the inputs, with an axis for the features."""
    masks = [getattr(x, "_keras_mask", None) for x in inputs]
    return [None if m is None else m.unsqueeze(-1) for m in masks]


class Add(_Merge):
    """The sum of its inputs.

    Args:
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.Add()([torch.tensor([1.0]), torch.tensor([3.0])])
    tensor([4.])
    """

    def _merge(self, inputs: list[torch.Tensor]) -> torch.Tensor:
        output = inputs[0]
        for x in inputs[1:]:
            output = output + x
        return output


class Subtract(_Merge):
    """The first input less the second.

    Args:
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.Subtract()([torch.tensor([1.0]), torch.tensor([3.0])])
    tensor([-2.])
    """

    _count = 2

    def _merge(self, inputs: list[torch.Tensor]) -> torch.Tensor:
        return inputs[0] - inputs[1]


class Multiply(_Merge):
    """The product of its inputs; a masked step of one input counts as ones, of all of them as zeros.

    Args:
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.Multiply()([torch.tensor([2.0]), torch.tensor([3.0])])
    tensor([6.])
    """

    def _merge(self, inputs: list[torch.Tensor]) -> torch.Tensor:
        masks = _masks_of(inputs)
        factors = [x if mask is None else torch.where(mask, x, 1) for x, mask in zip(inputs, masks)]
        output = reduce(torch.mul, factors)
        kept = [mask for mask in masks if mask is not None]
        return torch.where(reduce(torch.bitwise_or, kept), output, 0) if len(kept) == len(inputs) else output


class Average(_Merge):
    """The mean of its inputs.

    Args:
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.Average()([torch.tensor([1.0]), torch.tensor([3.0])])
    tensor([2.])
    """

    _tk_keeps_type = False

    def _merge(self, inputs: list[torch.Tensor]) -> torch.Tensor:
        output = inputs[0]
        for x in inputs[1:]:
            output = output + x
        return output / len(inputs)


class _Extreme(_Merge):
    """The larger or smaller of its inputs; a masked step of one input does not take part."""

    _choose: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

    def _merge(self, inputs: list[torch.Tensor]) -> torch.Tensor:
        masks = _masks_of(inputs)
        output, output_mask = inputs[0], masks[0]
        for x, mask in zip(inputs[1:], masks[1:]):
            if mask is not None:
                x = torch.where(mask, x, output)
            if output_mask is not None:
                output = torch.where(output_mask, output, x)
            output_mask = output_mask | mask if mask is not None and output_mask is not None else None
            output = self._choose(output, x)
        return output


class Maximum(_Extreme):
    """The largest of its inputs, element by element.

    Args:
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.Maximum()([torch.tensor([1.0]), torch.tensor([3.0])])
    tensor([3.])
    """

    _choose = staticmethod(torch.maximum)


class Minimum(_Extreme):
    """The smallest of its inputs, element by element.

    Args:
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.Minimum()([torch.tensor([1.0]), torch.tensor([3.0])])
    tensor([1.])
    """

    _choose = staticmethod(torch.minimum)


class Concatenate(_Merge):
    """Its inputs one after the other along an axis.

    Args:
        axis: The axis; the others must agree.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    Raises:
        ValueError: If inputs differ along another axis.

    >>> keras.layers.Concatenate()([torch.ones(2, 3), torch.ones(2, 1)]).shape
    torch.Size([2, 4])
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        return torch.cat(tuple(inputs), self.axis)

    def _checked_shapes(self, shapes: Any) -> list[tuple[int | None, ...]]:
        if isinstance(shapes, (list, tuple)) and shapes and all(isinstance(s, (list, tuple)) for s in shapes):
            ranks = {len(s) for s in shapes}
            rank = next(iter(ranks))
            if len(ranks) > 1 or not -rank <= self.axis < rank:
                raise ValueError(
                    f"The inputs of the layer {self.name!r} must have one number of axes, `axis` among them. "
                    f"Received: axis={self.axis}, shapes {list(shapes)}"
                )
            return [tuple(s) for s in shapes]
        return super()._checked_shapes(shapes)

    def compute_output_shape(self, input_shape: Sequence[Any]) -> tuple[int | None, ...]:
        shapes = self._checked_shapes(input_shape)
        axis = self.axis % len(shapes[0])
        output: list[int | None] = []
        for i, sizes in enumerate(zip(*shapes)):
            if i == axis:
                output.append(None if None in sizes else sum(sizes))
                continue
            known = {n for n in sizes if n is not None}
            if len(known) > 1:
                raise ValueError(
                    f"The inputs of the layer {self.name!r} must agree along every axis but {self.axis}. Received: shapes {shapes}"
                )
            output.append(known.pop() if known else None)
        return tuple(output)

    _masks_from_inputs = True

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        if not isinstance(mask, (list, tuple)) or all(m is None for m in mask):
            return None
        parts = []
        for x, own in zip(inputs, mask):
            everywhere = torch.ones_like(convert_to_tensor(x), dtype=torch.bool)
            parts.append(everywhere if own is None else everywhere & (own.unsqueeze(-1) if own.ndim < x.ndim else own))
        return torch.any(torch.cat(parts, self.axis), -1)


class Dot(_Merge):
    """The dot products of two inputs along one axis of each.

    `(batch, ..., n, ...)` and `(batch, n, ...)` give the axes that are left of the first, then those of the second; `(batch, 1)` for
    two vectors.

    Args:
        axes: The axis of both, or that of each.
        normalize: Whether to scale to unit length along the axes first (cosine similarity).
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    Raises:
        TypeError: If there are no axes.
        ValueError: If there are axes of different sizes.

    >>> keras.layers.Dot(axes=1)([torch.ones(2, 3), torch.ones(2, 3)])
    tensor([[3.],
            [3.]])
    """

    _count = 2
    _tk_keeps_type = False

    def __init__(self, axes: int | Sequence[int], normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(axes, int) and not isinstance(axes, (list, tuple)):
            raise TypeError(f"`axes` must be an int or two of them. Received: axes={axes!r}")
        if not isinstance(axes, int) and (len(axes) != 2 or not all(isinstance(a, int) for a in axes)):
            raise ValueError(f"`axes` must be an int or two of them. Received: axes={axes!r}")
        self.axes, self.normalize = axes, normalize

    def _places(self, shapes: Sequence[Sequence[Any]]) -> tuple[int, int]:
        """The two axes, counted from the front."""
        axes = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        ranks = [len(s) for s in shapes]
        if any(r < 2 for r in ranks) or any(not -r <= a < r or a % r == 0 for a, r in zip(axes, ranks)):
            raise ValueError(
                f"`axes` must be axes of the inputs of the layer {self.name!r} after the batch. "
                f"Received: axes={self.axes}, shapes {[tuple(s) for s in shapes]}"
            )
        return axes[0] % ranks[0], axes[1] % ranks[1]

    def call(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        x, y = inputs
        i, j = self._places((x.shape, y.shape))
        if self.normalize:
            x, y = normalize(x, i), normalize(y, j)
        x, y = x.movedim(i, -1), y.movedim(j, 1)
        left, right = x.shape[1:-1], y.shape[2:]
        output = torch.bmm(x.reshape(x.shape[0], -1, x.shape[-1]), y.reshape(y.shape[0], y.shape[1], -1))
        return output.reshape(x.shape[0], *((*left, *right) or (1,)))

    def compute_output_shape(self, input_shape: Sequence[Any]) -> tuple[int | None, ...]:
        first, second = (list(s) for s in self._checked_shapes(input_shape))
        i, j = self._places((first, second))
        if None not in (first[i], second[j]) and first[i] != second[j]:
            raise ValueError(
                f"The inputs of the layer {self.name!r} must have one size along `axes`. "
                f"Received: axes={self.axes}, shapes {tuple(first)} and {tuple(second)}"
            )
        return (first[0], *((*first[1:i], *first[i + 1 :], *second[1:j], *second[j + 1 :]) or (1,)))

    _masks_from_inputs = True

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        return None


def add(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """The sum of a list of tensors.

    Args:
        inputs: A list of tensors, symbolic or with values.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.add([torch.tensor([1.0]), torch.tensor([3.0])])
    tensor([4.])
    """
    return Add(**kwargs)(inputs)


def subtract(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """The first of two tensors less the second.

    Args:
        inputs: A list of tensors, symbolic or with values.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.subtract([torch.tensor([1.0]), torch.tensor([3.0])])
    tensor([-2.])
    """
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """The product of a list of tensors.

    Args:
        inputs: A list of tensors, symbolic or with values.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.multiply([torch.tensor([2.0]), torch.tensor([3.0])])
    tensor([6.])
    """
    return Multiply(**kwargs)(inputs)


def average(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """The mean of a list of tensors.

    Args:
        inputs: A list of tensors, symbolic or with values.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.average([torch.tensor([1.0]), torch.tensor([3.0])])
    tensor([2.])
    """
    return Average(**kwargs)(inputs)


def maximum(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """The largest of a list of tensors.

    Args:
        inputs: A list of tensors, symbolic or with values.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.maximum([torch.tensor([1.0]), torch.tensor([3.0])])
    tensor([3.])
    """
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """The smallest of a list of tensors.

    Args:
        inputs: A list of tensors, symbolic or with values.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.minimum([torch.tensor([1.0]), torch.tensor([3.0])])
    tensor([1.])
    """
    return Minimum(**kwargs)(inputs)


def concatenate(inputs: Sequence[Any], axis: int = -1, **kwargs: Any) -> Any:
    """A list of tensors one after the other.

    Args:
        inputs: A list of tensors, symbolic or with values.
        axis: The axis, counted from the end where it is negative.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.concatenate([torch.ones(2, 3), torch.ones(2, 1)]).shape
    torch.Size([2, 4])
    """
    return Concatenate(axis=axis, **kwargs)(inputs)


def dot(inputs: Sequence[Any], axes: int | Sequence[int] = -1, **kwargs: Any) -> Any:
    """The dot products of two tensors.

    Args:
        inputs: A list of tensors, symbolic or with values.
        axes: The axis of each input that is summed over, one number or one for each.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.dot([torch.ones(2, 3), torch.ones(2, 3)], axes=1)
    tensor([[3.],
            [3.]])
    """
    return Dot(axes=axes, **kwargs)(inputs)
