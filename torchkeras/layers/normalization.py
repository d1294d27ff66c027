"""Normalization over the batch, over features, over groups of channels, and to unit length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from .. import config, initializers, recompute
from ..checks import check_numbers
from ..distribution import rank
from ..dtypes import TORCH_DTYPES
from ..ops.nn.normalization import moments, normalize
from ..reporting import warn
from ..typing import Identifier, InitializerLike
from ..variable import ParameterVariable, WeightView
from .call import flag_or
from .held import Mirrored, led, twin
from .input_spec import InputSpec
from .layer import TensorLayer

_BATCH_NORM: dict[int, type[nn.Module]] = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}


class _Affine(Mirrored, TensorLayer):
    """What the normalizations with a scale and an offset share."""

    _tk_mirrored = {"epsilon": ("norm", "eps", None), "momentum": ("norm", "momentum", lambda momentum: 1.0 - momentum)}

    _tk_float_input = True
    axis: Any  # an int, or several
    scale: Any  # whether there is a scale; the scale itself where it is all that there is

    def _init_affine(self, center: bool, scale: bool) -> None:
        self.center, self.scale = center, scale
        self.beta: WeightView | None = None
        self.gamma: WeightView | None = None
        self.supports_masking = True

    def _wrap_affine(self, module: nn.Module, scale: bool, center: bool) -> None:
        """Make `gamma` and `beta` of the torch module's weight and bias, or take them away."""
        if scale:
            self.gamma = self.wrap_weight(module, "weight", "gamma", **self.weight_settings("gamma"))
        else:
            module.register_parameter("weight", None)
        if center:
            self.beta = self.wrap_weight(module, "bias", "beta", **self.weight_settings("beta"))
        else:
            module.register_parameter("bias", None)

    def _size_of(self, input_shape: Sequence[int | None], axis: int) -> int:
        if not -len(input_shape) <= axis < len(input_shape):
            raise ValueError(f"`axis` must be an axis of the input of the layer {self.name!r}. Received: axis={axis}, shape {input_shape}")
        size = input_shape[axis]
        if size is None:
            raise ValueError(
                f"The size of axis {axis} of the input of the layer {self.name!r} must be known. Received: input_shape={input_shape}"
            )
        return size

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        for axis in (self.axis,) if isinstance(self.axis, int) else self.axis:
            if not -len(input_shape) <= axis < len(input_shape):
                raise ValueError(
                    f"`axis` must be an axis of the input of the layer {self.name!r}. Received: axis={axis}, shape {tuple(input_shape)}"
                )
        return input_shape


class BatchNormalization(_Affine):
    """Zero mean and unit variance of each feature over the batch, over `nn.BatchNorm1d`, `2d` or `3d` (Ioffe, Szegedy 2015).

    In training it uses the statistics of the batch and moves the stored ones towards them; in inference, or when frozen
    (`trainable = False`), it uses the stored ones. A mask leaves time steps out of the statistics.

    Args:
        axis: The axis of the features.
        momentum: How much of the stored statistics stays at each step.
        epsilon: Keeps the root from zero.
        center: Whether `beta` is added.
        scale: Whether `gamma` multiplies.
        beta_initializer: Fills the offset.
        gamma_initializer: Fills the scale.
        moving_mean_initializer: Fills the stored mean.
        moving_variance_initializer: Fills the stored variance.
        beta_regularizer: A penalty on the offset, added to the loss of the model.
        gamma_regularizer: A penalty on the scale, added to the loss of the model.
        beta_constraint: Applied to the offset after every update.
        gamma_constraint: Applied to the scale after every update.
        renorm: Whether to correct towards the stored statistics in training too (Ioffe 2017).
        renorm_clipping: Bounds of that correction: `rmin`, `rmax`, `dmax`.
        renorm_momentum: The momentum of the statistics that it corrects towards.
        synchronized: Whether the statistics are those of the batches of all processes.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    Raises:
        ValueError: If `momentum` is not from 0 to 1, or `renorm_clipping` has unknown bounds.

    >>> keras.layers.BatchNormalization()(torch.ones(2, 4)).shape
    torch.Size([2, 4])
    """

    norm: Any
    _feature_axis: int
    _as_rows: bool
    renorm_mean: ParameterVariable
    renorm_stddev: ParameterVariable
    moving_stddev: ParameterVariable

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: InitializerLike = "zeros",
        gamma_initializer: InitializerLike = "ones",
        moving_mean_initializer: InitializerLike = "zeros",
        moving_variance_initializer: InitializerLike = "ones",
        beta_regularizer: Identifier = None,
        gamma_regularizer: Identifier = None,
        beta_constraint: Identifier = None,
        gamma_constraint: Identifier = None,
        renorm: bool = False,
        renorm_clipping: Mapping[str, float] | None = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(axis, (list, tuple)) and len(axis) == 1:  # as Keras 2's files have it
            axis = axis[0]
        if not isinstance(axis, int):
            raise ValueError(f"`axis` must be one axis, an int. Received: axis={axis!r}")
        if not 0 <= momentum <= 1:
            raise ValueError(f"`momentum` must be from 0 to 1. Received: momentum={momentum!r}")
        check_numbers(0, epsilon=epsilon)
        self.axis, self.momentum, self.epsilon = axis, float(momentum), epsilon
        self.set_weight_settings("beta", beta_initializer, beta_regularizer, beta_constraint)
        self.set_weight_settings("gamma", gamma_initializer, gamma_regularizer, gamma_constraint)
        self._init_affine(center, scale)
        self.moving_mean: Any = None
        self.moving_variance: Any = None
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.renorm, self.renorm_momentum = renorm, renorm_momentum
        self.renorm_clipping = _checked_clipping(renorm_clipping) if renorm else renorm_clipping
        self.synchronized = synchronized

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        features, ndim = self._size_of(input_shape, self.axis), len(input_shape)
        axis = self.axis % ndim
        self.__dict__["_feature_axis"] = axis
        # Time steps of (batch, steps, features) are rows of (batch * steps, features), which torch normalizes faster; of 4 and 5 axes
        # the permuted view is torch's channels_last memory format.
        self.__dict__["_as_rows"] = (axis == ndim - 1 and ndim == 3) or ndim > 5 or axis == 0
        self.norm = self.new_module(
            nn.BatchNorm1d if self._as_rows else _BATCH_NORM[ndim], features, eps=self.epsilon, momentum=1.0 - self.momentum
        )
        self._wrap_affine(self.norm, self.scale, self.center)
        self.moving_mean = self.wrap_weight(self.norm, "running_mean", "moving_mean", self.moving_mean_initializer, trainable=False)
        self.moving_variance = self.wrap_weight(
            self.norm, "running_var", "moving_variance", self.moving_variance_initializer, trainable=False
        )
        led(self.norm)
        with torch.no_grad():
            self.norm.num_batches_tracked.zero_()
        self.hide_weight(self.norm, "num_batches_tracked")
        if self.renorm:
            root = self.moving_variance.value.detach().sqrt()
            for name, value in (("moving_stddev", root), ("renorm_mean", self.moving_mean.value.detach()), ("renorm_stddev", root)):
                weight = self.add_weight((features,), lambda shape, dtype, v=value: v.clone(), trainable=False, autocast=False, name=name)
                setattr(self, name, weight)
        self.input_spec = InputSpec(ndim=ndim, axes={self.axis: features})

    def call(self, inputs: torch.Tensor, training: bool | None = None, mask: torch.Tensor | None = None) -> torch.Tensor:
        norm: Any = self._modules["norm"]
        if not isinstance(norm, _BatchNorm):  # replaced, by fusing for example
            return self._through(norm, inputs)
        # Without a flag the torch module's own mode holds: programs freeze statistics with `.eval()` on it.
        trains = flag_or(norm.training) and self._trainable
        variance = norm._buffers.get("running_var")
        if not trains or variance is None:
            return self._through(norm if norm.training is trains else _in_mode(norm, trains), inputs)
        count = inputs.numel() // inputs.shape[self._feature_axis]
        if mask is not None or self.renorm or count < 2 or (self.synchronized and rank.world_size() > 1):
            return self._normalize(norm, inputs, mask)
        # torch moves the variance towards the unbiased one of the batch, Keras towards the biased one: the same in another scale,
        # count / (count - 1). Sums with a factor, because torch makes a tensor of a number that multiplies, which takes twice as long.
        moved = torch.add(variance, variance, alpha=1.0 / (count - 1))
        if torch.compiler.is_compiling():
            outputs = self._through(_with_variance(norm, moved), inputs)
            with torch.no_grad():
                variance.copy_(moved.sub(moved, alpha=1.0 / count))
            return outputs
        buffers = {"running_var": moved}
        if recompute.recomputing():
            buffers |= {n: t.clone() for n, t in norm._buffers.items() if t is not None and n != "running_var"}
            return self._through(twin(norm, True, buffers), inputs)
        outputs = self._through(twin(norm, True, buffers, 1.0 - self.momentum), inputs)
        torch.sub(moved, moved, alpha=1.0 / count, out=variance)
        return outputs

    def _through(self, normalize: Any, x: torch.Tensor) -> torch.Tensor:
        """`normalize`, which wants features second, on views of `x`."""
        axis = self._feature_axis
        if self._as_rows:
            moved = x.movedim(axis, -1)
            return normalize(moved.reshape(-1, moved.shape[-1])).view(moved.shape).movedim(-1, axis)
        if axis == 1:
            return normalize(x)
        ndim = x.dim()
        if axis == ndim - 1:
            return normalize(x.permute(0, ndim - 1, *range(1, ndim - 1))).permute(0, *range(2, ndim), 1)
        return normalize(x.movedim(axis, 1)).movedim(1, axis)

    def _normalize(self, norm: Any, inputs: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """The training step that torch's module cannot do: with a mask, over processes, of one sample, or with renorm."""
        x = inputs.float() if inputs.dtype in (torch.float16, torch.bfloat16) else inputs
        axes = tuple(a for a in range(x.dim()) if a != self._feature_axis)
        shape = [1] * x.dim()
        shape[self._feature_axis] = -1
        if mask is None:
            mean, variance = moments(x, axes, synchronized=self.synchronized)
        else:
            mean, variance = self._masked_moments(x, axes, mask)
        x = (x - mean.view(shape)) * torch.rsqrt(variance + self.epsilon).view(shape)
        fixed = mean.detach(), variance.detach()
        if self.renorm:
            r, d = recompute.recorded(self, lambda: self._correction(*fixed))
            x = x * r.view(shape) + d.view(shape)
        if not recompute.recomputing():
            self._move_towards(*fixed)
        # The module scales and shifts what has zero mean and unit variance.
        zero, one = torch.zeros_like(fixed[0]), torch.full_like(fixed[1], 1.0 - self.epsilon)
        if torch.compiler.is_compiling():
            outputs = self._through(lambda x: F.batch_norm(x, zero, one, norm.weight, norm.bias, False, 0.0, norm.eps), x)
        else:
            outputs = self._through(twin(norm, False, {"running_mean": zero, "running_var": one}), x)
        return outputs.to(inputs.dtype)

    def _masked_moments(self, x: torch.Tensor, axes: tuple[int, ...], mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if mask.dim() != x.dim() - 1 or any(have not in (1, want) for have, want in zip(mask.shape, x.shape)):
            raise ValueError(
                f"`mask` must have the shape of the input without its last axis, for the layer {self.name!r}. "
                f"Received: mask.shape={tuple(mask.shape)}, inputs.shape={tuple(x.shape)}"
            )
        kept = mask.to(torch.bool).unsqueeze(-1).expand_as(x)
        count = kept.to(x.dtype).sum(axes, keepdim=True) + config.epsilon()
        mean = torch.where(kept, x, 0).sum(axes, keepdim=True) / count
        variance = torch.where(kept, x - mean, 0).square().sum(axes, keepdim=True) / count
        return mean.reshape(-1), variance.reshape(-1)

    def _correction(self, mean: torch.Tensor, variance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The correction r and d of batch renormalization."""
        stored = self.renorm_stddev.clamp(min=self.epsilon**0.5)
        clip = self.renorm_clipping or {}
        r = torch.sqrt(variance + self.epsilon) / stored
        if clip.get("rmin") is not None or clip.get("rmax") is not None:
            r = r.clamp(clip.get("rmin"), clip.get("rmax"))
        d = (mean - self.renorm_mean) / stored
        if clip.get("dmax") is not None:
            d = d.clamp(-clip["dmax"], clip["dmax"])
        return r, d

    @torch.no_grad()
    def _move_towards(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        step = 1.0 - self.momentum
        norm = self.norm
        norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), step)
        if not self.renorm:
            norm.running_var.lerp_(variance.to(norm.running_var.dtype), step)
            return
        deviation = torch.sqrt(variance + self.epsilon)
        self.renorm_mean.lerp_(mean, 1.0 - self.renorm_momentum)
        self.renorm_stddev.lerp_(deviation, 1.0 - self.renorm_momentum)
        self.moving_stddev.lerp_(deviation, step)
        norm.running_var.copy_(torch.relu(self.moving_stddev.square() - self.epsilon))


def _in_mode(norm: Any, training: bool) -> Any:
    """What normalizes as `norm` does in this mode, which is not its own."""
    if not torch.compiler.is_compiling():
        return twin(norm, training)
    return lambda x: F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, training, norm.momentum, norm.eps)


def _with_variance(norm: Any, variance: torch.Tensor) -> Any:
    """What normalizes as `norm` does in training while the compiler looks on, and moves `variance` in the place of its own."""
    if norm.training:
        return lambda x: functional_call(norm, {"running_var": variance}, (x,))
    return lambda x: F.batch_norm(x, norm.running_mean, variance, norm.weight, norm.bias, True, norm.momentum, norm.eps)


def _checked_clipping(value: Mapping[str, float] | None) -> dict[str, float]:
    bounds = dict(value or {})
    unknown = set(bounds) - {"rmin", "rmax", "dmax"}
    low, high, shift = (bounds.get(k) for k in ("rmin", "rmax", "dmax"))
    if unknown or (low is not None and high is not None and high < low) or (shift is not None and shift < 0):
        raise ValueError(
            "`renorm_clipping` must be a dict with some of rmin, rmax and dmax, where rmin <= rmax and dmax >= 0. "
            f"Received: renorm_clipping={value!r}"
        )
    return bounds


class _DeviationNorm(nn.LayerNorm):
    """What `rms_scaling` of Keras's LayerNormalization does: a division by the deviation, the mean left where it is."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        axes = tuple(range(-len(self.normalized_shape), 0))
        return x * torch.rsqrt(x.var(axes, correction=0, keepdim=True) + self.eps) * self.weight

    def _get_name(self) -> str:
        return "LayerNorm"


class LayerNormalization(_Affine):
    """Zero mean and unit variance of each sample over some axes, over `nn.LayerNorm` (Ba et al. 2016).

    Args:
        axis: The axis, or several.
        epsilon: Keeps the root from zero.
        center: Whether `beta` is added.
        scale: Whether `gamma` multiplies.
        beta_initializer: Fills the offset.
        gamma_initializer: Fills the scale.
        beta_regularizer: A penalty on the offset, added to the loss of the model.
        gamma_regularizer: A penalty on the scale, added to the loss of the model.
        beta_constraint: Applied to the offset after every update.
        gamma_constraint: Applied to the scale after every update.
        **kwargs: `rms_scaling=True`, Keras's deprecated spelling of a division by the deviation alone, and what `Layer` takes.

    Raises:
        TypeError: If an axis is no int.

    >>> keras.layers.LayerNormalization()(torch.ones(2, 4)).shape
    torch.Size([2, 4])
    """

    _moved: tuple[list[int], list[int]] | None

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: InitializerLike = "zeros",
        gamma_initializer: InitializerLike = "ones",
        beta_regularizer: Identifier = None,
        gamma_regularizer: Identifier = None,
        beta_constraint: Identifier = None,
        gamma_constraint: Identifier = None,
        **kwargs: Any,
    ) -> None:
        rms_scaling = kwargs.pop("rms_scaling", False)
        super().__init__(**kwargs)
        if rms_scaling:
            warn("`rms_scaling` is deprecated: use `RMSNormalization`.", DeprecationWarning)
        self.axis = _axes(axis)
        check_numbers(0, epsilon=epsilon)
        self.epsilon, self.rms_scaling = epsilon, rms_scaling
        self.set_weight_settings("beta", beta_initializer, beta_regularizer, beta_constraint)
        self.set_weight_settings("gamma", gamma_initializer, gamma_regularizer, gamma_constraint)
        self._init_affine(center, scale)
        self.autocast = False  # computed in the type of the weights, then cast

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        axes, moved = _sorted_axes(self.axis, len(input_shape))
        kind = _DeviationNorm if self.rms_scaling else nn.LayerNorm
        self.norm = self.new_module(kind, [self._size_of(input_shape, a) for a in axes], eps=self.epsilon)
        self._wrap_affine(self.norm, self.scale or self.rms_scaling, self.center and not self.rms_scaling)
        self.axis = axes
        self.__dict__["_moved"] = moved

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        norm = self.norm
        x = _widened(inputs, self.variable_dtype)
        if self._moved is None:
            x = norm(x)
        else:
            x = norm(x.movedim(self._moved[0], self._moved[1])).movedim(self._moved[1], self._moved[0])
        return x if x.dtype is self._tk_compute else x.to(self._tk_compute)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rms_scaling": self.rms_scaling}


def _widened(x: torch.Tensor, dtype: str) -> torch.Tensor:
    """`x` in the type of the weights: statistics of half-precision numbers need its bits, and torch wants one type."""
    return x if x.dtype is TORCH_DTYPES[dtype] else x.to(TORCH_DTYPES[dtype])


def _axes(axis: Any) -> int | list[int]:
    if isinstance(axis, int):
        return axis
    if isinstance(axis, (list, tuple)) and all(isinstance(a, int) for a in axis):
        return list(axis)
    raise TypeError(f"`axis` must be an int or a list of ints. Received: axis={axis!r}")


def _sorted_axes(axis: int | list[int], ndim: int) -> tuple[list[int], tuple[list[int], list[int]] | None]:
    """The axes as a sorted list, and from where to where they move for torch, which normalizes the last ones (`None`: they are)."""
    axes = [axis] if isinstance(axis, int) else sorted(axis)
    last = list(range(ndim - len(axes), ndim))
    places = [a % ndim if -ndim <= a < ndim else a for a in axes]
    return axes, None if places == last else (places, last)


class GroupNormalization(_Affine):
    """Zero mean and unit variance over groups of channels of each sample, over `nn.GroupNorm` (Wu, He 2018).

    Args:
        groups: How many groups; it divides the channels. -1 gives each channel its own (instance normalization).
        axis: The axis of the channels.
        epsilon: Keeps the root from zero.
        center: Whether `beta` is added.
        scale: Whether `gamma` multiplies.
        beta_initializer: Fills the offset.
        gamma_initializer: Fills the scale.
        beta_regularizer: A penalty on the offset, added to the loss of the model.
        gamma_regularizer: A penalty on the scale, added to the loss of the model.
        beta_constraint: Applied to the offset after every update.
        gamma_constraint: Applied to the scale after every update.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    Raises:
        ValueError: If the groups do not divide the channels.

    >>> keras.layers.GroupNormalization(groups=2)(torch.ones(2, 4)).shape
    torch.Size([2, 4])
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: InitializerLike = "zeros",
        gamma_initializer: InitializerLike = "ones",
        beta_regularizer: Identifier = None,
        gamma_regularizer: Identifier = None,
        beta_constraint: Identifier = None,
        gamma_constraint: Identifier = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(groups, int) or (groups <= 0 and groups != -1):
            raise ValueError(f"`groups` must be a positive integer, or -1 for one per channel. Received: groups={groups!r}")
        check_numbers(0, epsilon=epsilon)
        self.groups, self.axis, self.epsilon = groups, axis, epsilon
        self.set_weight_settings("beta", beta_initializer, beta_regularizer, beta_constraint)
        self.set_weight_settings("gamma", gamma_initializer, gamma_regularizer, gamma_constraint)
        self._init_affine(center, scale)
        self.autocast = False

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = self._size_of(input_shape, self.axis)
        groups = channels if self.groups == -1 else self.groups
        if channels % groups:
            raise ValueError(
                f"`groups` must divide the channels of the input of the layer {self.name!r}. "
                f"Received: groups={groups}, input_shape={input_shape}"
            )
        self.groups = groups
        self.norm = self.new_module(nn.GroupNorm, groups, channels, eps=self.epsilon)
        self._wrap_affine(self.norm, self.scale, self.center)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: channels})

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        x = _widened(inputs, self.variable_dtype)
        x = self.norm(x.movedim(self.axis, 1)).movedim(1, self.axis)
        return x if x.dtype is self._tk_compute else x.to(self._tk_compute)


class RMSNormalization(_Affine):
    """Division by the root of the mean square over some axes, over `nn.RMSNorm` (Zhang, Sennrich 2019).

    Args:
        axis: The axis, or several.
        epsilon: Keeps the root from zero.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.RMSNormalization()(torch.ones(2, 4)).shape
    torch.Size([2, 4])
    """

    _moved: tuple[list[int], list[int]] | None

    def __init__(self, axis: int | Sequence[int] = -1, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_numbers(0, epsilon=epsilon)
        self.axis, self.epsilon = _axes(axis), epsilon
        self.autocast = False

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        axes, moved = _sorted_axes(self.axis, len(input_shape))
        self.norm = self.new_module(nn.RMSNorm, [self._size_of(input_shape, a) for a in axes], eps=self.epsilon)
        self.scale = self.wrap_weight(self.norm, "weight", "scale", initializers.get("ones"))
        self.axis = axes
        self.__dict__["_moved"] = moved

    def call(self, x: torch.Tensor) -> torch.Tensor:
        x = _widened(x, self.variable_dtype)
        if self._moved is None:
            x = self.norm(x)
        else:
            x = self.norm(x.movedim(self._moved[0], self._moved[1])).movedim(self._moved[1], self._moved[0])
        return x if x.dtype is self._tk_compute else x.to(self._tk_compute)


class UnitNormalization(_Affine):
    """Division by the Euclidean length over some axes.

    Args:
        axis: The axis, or several.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.UnitNormalization()(torch.ones(2, 4)).shape
    torch.Size([2, 4])
    """

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = _axes(axis)
        self.supports_masking = True

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        return normalize(inputs, self.axis, 2, 1e-12)
