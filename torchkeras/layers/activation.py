"""Activations as layers."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F

from .. import activations, constraints, initializers, regularizers
from .input_spec import InputSpec
from .layer import Layer


class _Elementwise(Layer):
    """A layer whose output has the shape of its input, and its mask."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


class Activation(_Elementwise):
    """Any activation function as a layer.

    Args:
        activation: By name, config, or any function of a tensor.
        **kwargs: As for `Layer`.
    """

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.activation(inputs)


def _check_not_negative(**values: float | None) -> None:
    for name, value in values.items():
        if value is None or value < 0:
            raise ValueError(f"`{name}` must be a number that is not negative. Received: {name}={value!r}")


class ReLU(_Elementwise):
    """`max(x, 0)`; with its arguments, a line below `threshold` and a ceiling.

    Args:
        max_value: The largest value; none without it.
        negative_slope: The slope below `threshold`.
        threshold: Where it bends.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: A negative argument.
    """

    _keeps_type = True

    def __init__(self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        _check_not_negative(negative_slope=negative_slope, threshold=threshold, max_value=0.0 if max_value is None else max_value)
        self.max_value, self.negative_slope, self.threshold = max_value, negative_slope, threshold

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        return activations.relu(inputs, self.negative_slope, self.max_value, self.threshold)


class LeakyReLU(_Elementwise):
    """`x`, times `negative_slope` where it is negative.

    Args:
        negative_slope: The slope.
        **kwargs: `alpha`, its name in Keras 2, and what `Layer` takes.

    Raises:
        ValueError: A negative slope.
    """

    _float_input = True

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        if "alpha" in kwargs:
            negative_slope = kwargs.pop("alpha")
            warnings.warn("`alpha` is the old name of `negative_slope`.", DeprecationWarning, stacklevel=2)
        super().__init__(**kwargs)
        _check_not_negative(negative_slope=negative_slope)
        self.negative_slope = negative_slope

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        return F.leaky_relu(inputs, self.negative_slope)


class ELU(_Elementwise):
    """`x`, or `alpha * (exp(x) - 1)` where it is negative (Clevert et al. 2016).

    Args:
        alpha: The factor.
        **kwargs: As for `Layer`.
    """

    _float_input = True

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = alpha

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        return F.elu(inputs, self.alpha)


class PReLU(_Elementwise):
    """`x`, times a learned slope where it is negative (He et al. 2015).

    Args:
        alpha_initializer: Fills the slopes, one for each feature.
        alpha_regularizer: Adds to the loss of the model.
        alpha_constraint: Applied after every update.
        shared_axes: The axes, counted from 1 after the batch, along which one slope serves all.
        **kwargs: As for `Layer`.
    """

    _float_input = True

    def __init__(
        self,
        alpha_initializer: Any = "Zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: int | Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)
        self.shared_axes = [shared_axes] if isinstance(shared_axes, int) else None if shared_axes is None else list(shared_axes)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shared = self.shared_axes or []
        shape = [1 if axis in shared else size for axis, size in enumerate(input_shape)][1:]
        if None in shape:
            raise ValueError(
                f"The input of the layer {self.name!r} must have known sizes along the axes that `shared_axes` does not name. "
                f"Received: input_shape={input_shape}, shared_axes={self.shared_axes}"
            )
        self.alpha = self.add_weight(
            shape, self.alpha_initializer, regularizer=self.alpha_regularizer, constraint=self.alpha_constraint, name="alpha"
        )
        sizes = {axis: size for axis, size in enumerate(input_shape) if axis and axis not in shared} if shared else {}
        self.input_spec = InputSpec(ndim=len(input_shape), axes=sizes)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        return torch.where(inputs > 0, inputs, inputs * self.alpha.to(inputs.dtype))


class Softmax(_Elementwise):
    """`exp(x)`, scaled to sum to 1; zero where a mask is false.

    Args:
        axis: The axis of the sum, or several.
        **kwargs: As for `Layer`.
    """

    _float_input = True

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        if mask is None:
            return self._softmax(inputs)
        sizes = zip(reversed(mask.shape), reversed(inputs.shape))
        if mask.dim() > inputs.dim() or any(m not in (1, n) for m, n in sizes):
            raise ValueError(
                f"`mask` must broadcast to the inputs of the layer {self.name!r}. "
                f"Received: mask.shape={tuple(mask.shape)}, inputs.shape={tuple(inputs.shape)}"
            )
        kept = mask if mask.dtype is torch.bool else mask > 0.5
        lowest = -3e4 if inputs.dtype is torch.float16 else -1e9
        return torch.where(kept, self._softmax(torch.where(kept, inputs, lowest)), 0.0)

    def _softmax(self, x: torch.Tensor) -> torch.Tensor:
        if isinstance(self.axis, (list, tuple)):
            if len(self.axis) > 1:
                return torch.exp(x - torch.logsumexp(x, tuple(self.axis), keepdim=True))
            return activations.softmax(x, self.axis[0])
        return activations.softmax(x, self.axis)
