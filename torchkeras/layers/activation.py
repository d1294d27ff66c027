"""Activations as layers, over torch's modules where torch has one."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch import nn

from .. import activations
from ..checks import check_numbers
from ..reporting import warn
from ..typing import Identifier, InitializerLike
from .call import through
from .held import Vector
from .input_spec import InputSpec
from .layer import TensorLayer

# The module of each function that torch has one for, in whose settings both give the same numbers.
_MODULES: dict[Any, Callable[[], nn.Module]] = {
    activations.celu: nn.CELU,
    activations.elu: nn.ELU,
    activations.gelu: nn.GELU,
    activations.hard_shrink: nn.Hardshrink,
    activations.hard_sigmoid: nn.Hardsigmoid,
    activations.hard_silu: nn.Hardswish,
    activations.hard_tanh: nn.Hardtanh,
    activations.leaky_relu: lambda: nn.LeakyReLU(0.2),
    activations.linear: nn.Identity,
    activations.log_sigmoid: nn.LogSigmoid,
    activations.log_softmax: lambda: nn.LogSoftmax(-1),
    activations.mish: nn.Mish,
    activations.relu: nn.ReLU,
    activations.relu6: nn.ReLU6,
    activations.selu: nn.SELU,
    activations.sigmoid: nn.Sigmoid,
    activations.silu: nn.SiLU,
    activations.soft_shrink: nn.Softshrink,
    activations.softmax: lambda: nn.Softmax(-1),
    activations.softplus: nn.Softplus,
    activations.softsign: nn.Softsign,
    activations.tanh: nn.Tanh,
    activations.tanh_shrink: nn.Tanhshrink,
}
_WITH_LOGITS = {activations.sigmoid: "sigmoid", activations.softmax: "softmax"}


class _Elementwise(TensorLayer):
    """A layer whose output has the shape of its input, and its mask."""

    _held_for: tuple[Any, ...] | None = None  # the settings that the torch module `self.module` computes with

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def _tk_hold(self, module: nn.Module | None, *settings: Any) -> None:
        if module is not None:
            self.module = module
            self.__dict__["_held_for"] = settings

    def _through(self, inputs: torch.Tensor, *settings: Any) -> torch.Tensor | None:
        """What the torch module makes of the inputs; `None` where there is none for these settings, or for whole numbers."""
        if self._held_for != settings or not inputs.is_floating_point():
            return None
        return through(self._modules["module"], inputs)

    def _with_logits(self, outputs: torch.Tensor, inputs: torch.Tensor, activation: str) -> torch.Tensor:
        """`outputs`, which remember their logits unless a hook or another module may have changed them."""
        module = self._modules["module"]
        if module._forward_hooks or type(module) not in (nn.Sigmoid, nn.Softmax):  # type: ignore[union-attr]
            return outputs
        return activations.with_logits(outputs, inputs, activation)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


class Activation(_Elementwise):
    """Any activation function as a layer.

    Args:
        activation: By name, config, or any function of a tensor.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.Activation("relu")(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def __init__(self, activation: Identifier, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = function = activations.get(activation)
        make = _MODULES.get(function) if isinstance(function, Hashable) else None
        self._tk_hold(None if make is None else make(), function)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        function = self.activation
        outputs = self._through(inputs, function)
        if outputs is None:
            return function(inputs)
        remembered = _WITH_LOGITS.get(function)
        return outputs if remembered is None else self._with_logits(outputs, inputs, remembered)


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
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    Raises:
        ValueError: If an argument is negative.

    >>> keras.layers.ReLU(max_value=1.0)(torch.tensor([-1.0, 2.0]))
    tensor([0., 1.])
    """

    _tk_keeps_type = True

    def __init__(self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        _check_not_negative(negative_slope=negative_slope, threshold=threshold, max_value=0.0 if max_value is None else max_value)
        self.max_value, self.negative_slope, self.threshold = max_value, negative_slope, threshold
        self._tk_hold(_rectifier(negative_slope, max_value, threshold), negative_slope, max_value, threshold)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        settings = self.negative_slope, self.max_value, self.threshold
        outputs = self._through(inputs, *settings)
        return activations.relu(inputs, *settings) if outputs is None else outputs


def _rectifier(negative_slope: float, max_value: float | None, threshold: float) -> nn.Module | None:
    """torch's module for `relu` with these arguments, if it has one."""
    if threshold:
        return nn.Threshold(threshold, 0.0) if max_value is None and not negative_slope else None
    if max_value is None:
        return nn.LeakyReLU(negative_slope) if negative_slope else nn.ReLU()
    return nn.ReLU6() if max_value == 6 and not negative_slope else None


class LeakyReLU(_Elementwise):
    """`x`, times `negative_slope` where it is negative.

    Args:
        negative_slope: The slope.
        **kwargs: `alpha`, its name in Keras 2, and what `Layer` takes.

    Raises:
        ValueError: If `negative_slope` is negative.

    >>> keras.layers.LeakyReLU(0.1)(torch.tensor([-1.0, 2.0]))
    tensor([-0.1000,  2.0000])
    """

    _tk_float_input = True

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        if "alpha" in kwargs:
            negative_slope = kwargs.pop("alpha")
            warn("`alpha` is the old name of `negative_slope`.", DeprecationWarning)
        super().__init__(**kwargs)
        _check_not_negative(negative_slope=negative_slope)
        self.negative_slope = negative_slope
        self._tk_hold(nn.LeakyReLU(negative_slope), negative_slope)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs = self._through(inputs, self.negative_slope)
        return activations.leaky_relu(inputs, self.negative_slope) if outputs is None else outputs


class ELU(_Elementwise):
    """`x`, or `alpha * (exp(x) - 1)` where it is negative (Clevert et al. 2016).

    Args:
        alpha: The factor.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.ELU()(torch.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """

    _tk_float_input = True

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_numbers(alpha=alpha)
        self.alpha = alpha
        self._tk_hold(nn.ELU(alpha), alpha)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs = self._through(inputs, self.alpha)
        return activations.elu(inputs, self.alpha) if outputs is None else outputs


class PReLU(_Elementwise):
    """`x`, times a learned slope where it is negative (He et al. 2015).

    Args:
        alpha_initializer: Fills the slopes, one for each feature.
        alpha_regularizer: A penalty on the slopes, added to the loss of the model.
        alpha_constraint: Applied to the slopes after every update.
        shared_axes: The axes, counted from 1 after the batch, along which one slope serves all.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.PReLU()(torch.ones(2, 4)).shape
    torch.Size([2, 4])
    """

    _tk_float_input = True
    _feature_axis: int
    alpha: Any

    def __init__(
        self,
        alpha_initializer: InitializerLike = "Zeros",
        alpha_regularizer: Identifier = None,
        alpha_constraint: Identifier = None,
        shared_axes: int | Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_weight_settings("alpha", alpha_initializer, alpha_regularizer, alpha_constraint)
        self.shared_axes = [shared_axes] if isinstance(shared_axes, int) else None if shared_axes is None else list(shared_axes)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shared = self.shared_axes or []
        shape: Any = [1 if axis in shared else size for axis, size in enumerate(input_shape)][1:]
        if None in shape:
            raise ValueError(
                f"The input of the layer {self.name!r} must have known sizes along the axes that `shared_axes` does not name. "
                f"Received: input_shape={input_shape}, shared_axes={self.shared_axes}"
            )
        # torch has slopes along one axis, the second, or one for all; others are a weight of the layer's own.
        features = [axis for axis, size in enumerate(shape, start=1) if size != 1]
        self.__dict__["_feature_axis"] = features[0] if features else 1
        settings = self.weight_settings("alpha")
        if len(features) < 2:
            self._tk_hold(self.new_module(nn.PReLU, math.prod(shape)))
            self.alpha = self.wrap_weight(self.module, "weight", "alpha", layout=Vector(tuple(shape)), **settings)
        else:
            self.alpha = self.add_weight(shape, **settings, name="alpha")
        sizes = {axis: size for axis, size in enumerate(input_shape) if axis and axis not in shared} if shared else {}
        self.input_spec = InputSpec(ndim=len(input_shape), axes=sizes)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "alpha" and self.built and isinstance(value, nn.Parameter) and self._held_for is not None:
            if value.shape == self.alpha.shape and value.dim() > 1:  # torch's module has a vector: the parameter takes its place
                del self.module
                self._tk_own_trainable.clear()
                self._tk_own_non_trainable.clear()
                self.__dict__.update(_held_for=None, alpha=None)
                super().__setattr__(name, self.add_weight(value.shape, **self.weight_settings(name), name=name))
        super().__setattr__(name, value)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        if self._held_for is None:
            return torch.where(inputs > 0, inputs, inputs * self.alpha.to(inputs.dtype))
        axis = self._feature_axis
        if axis == 1:
            return self._modules["module"](inputs)  # type: ignore[misc]
        return self._modules["module"](inputs.movedim(axis, 1)).movedim(1, axis)  # type: ignore[misc]


class Softmax(_Elementwise):
    """`exp(x)`, scaled to sum to 1; zero where a mask is false.

    Args:
        axis: The axis of the sum, or several.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.Softmax()(torch.tensor([[0.0, 0.0]]))
    tensor([[0.5000, 0.5000]])
    """

    _tk_float_input = True

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis
        only = axis[0] if isinstance(axis, (list, tuple)) and len(axis) == 1 else axis
        self._tk_hold(nn.Softmax(only) if isinstance(only, int) else None, axis)

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
        axis = self.axis
        outputs = self._through(x, axis)
        if outputs is not None:
            return self._with_logits(outputs, x, "softmax") if axis == -1 else outputs
        if isinstance(axis, (list, tuple)):
            if len(axis) > 1:
                return torch.exp(x - torch.logsumexp(x, tuple(axis), keepdim=True))
            axis = axis[0]
        return activations.softmax(x, axis)
