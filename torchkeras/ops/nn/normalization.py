"""Normalization over axes, and the moments it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F

from ... import config
from ...distribution import rank
from ...graph import Filed, TensorLike, op
from ...reporting import warn


@op(promote="float", filed=Filed("BatchNorm"))
def batch_normalization(
    x: TensorLike,
    mean: TensorLike,
    variance: TensorLike,
    axis: int,
    offset: TensorLike | None = None,
    scale: TensorLike | None = None,
    epsilon: float = 0.001,
) -> torch.Tensor:
    """`(x - mean) / sqrt(variance + epsilon) * scale + offset`, each of them one number per place of `axis`.

    Args:
        x: The tensor.
        mean: `(x.shape[axis],)`.
        variance: The variance, one number for each place of `axis`.
        axis: The axis of the features.
        offset: What is added, one number for each place of `axis`, or `None`.
        scale: What is multiplied by, one number for each place of `axis`, or `None`.
        epsilon: Keeps the root from zero.

    Raises:
        ValueError: If statistics do not fit the axis.

    >>> keras.ops.batch_normalization(torch.tensor([[1.0], [3.0]]), mean=[2.0], variance=[1.0], axis=-1, epsilon=0.0)
    tensor([[-1.],
            [ 1.]])
    """
    n = x.shape[axis]
    for name, value in (("mean", mean), ("variance", variance), ("offset", offset), ("scale", scale)):
        if value is not None and value.numel() != n:
            raise ValueError(
                f"`{name}` must have one number per place of axis {axis} of `x`. "
                f"Received: {name}.shape={tuple(value.shape)}, x.shape={tuple(x.shape)}"
            )
    mean, variance = mean.reshape(n), variance.reshape(n)
    scale, offset = None if scale is None else scale.reshape(n), None if offset is None else offset.reshape(n)
    if x.dim() > 1 and not mean.requires_grad and not variance.requires_grad:
        return F.batch_norm(x.movedim(axis, 1), mean, variance, scale, offset, False, 0.0, epsilon).movedim(1, axis)
    # The fused kernel has no gradient for statistics, which those of the batch itself need.
    gain = torch.rsqrt(variance + epsilon)
    gain = gain if scale is None else gain * scale
    shift = -mean * gain if offset is None else offset - mean * gain
    shape = [1] * x.dim()
    shape[axis] = n
    return torch.addcmul(shift.reshape(shape), x, gain.reshape(shape))


def _over_last_axes(
    x: torch.Tensor, axis: int | Sequence[int], weights: dict[str, torch.Tensor | None], normalize: Callable[..., torch.Tensor]
) -> torch.Tensor:
    """`normalize(x, shape, *weights)` with the axes moved to the end."""
    axes = [a % x.dim() for a in ((axis,) if isinstance(axis, int) else axis)]
    shape = [x.shape[a] for a in axes]
    size = torch.Size(shape).numel()
    for name, value in weights.items():
        if value is not None and value.numel() != size:
            raise ValueError(
                f"`{name}` must have the shape of the normalized axes of `x`. "
                f"Received: {name}.shape={tuple(value.shape)}, x.shape={tuple(x.shape)}, axis={axis!r}"
            )
    fitted = [None if v is None else v.reshape(shape).to(x.dtype) for v in weights.values()]
    last = list(range(x.dim() - len(axes), x.dim()))
    if axes == last:
        return normalize(x, shape, *fitted)
    return normalize(x.movedim(axes, last), shape, *fitted).movedim(last, axes)


@op(promote="float", args=("x",), filed=Filed("LayerNorm"))
def layer_normalization(
    x: TensorLike,
    gamma: TensorLike | None = None,
    beta: TensorLike | None = None,
    axis: int | Sequence[int] = -1,
    epsilon: float | None = None,
    **kwargs: Any,
) -> torch.Tensor:
    """`(x - mean) / sqrt(variance + epsilon) * gamma + beta`, over the axes of each sample.

    Args:
        x: The tensor; the result has its type.
        gamma: The scale, of the shape of the axes, or `None`.
        beta: The offset, shaped as the normalized axes; none without it.
        axis: The axis, or several.
        epsilon: Keeps the root from zero; `config.epsilon()` without it.
        **kwargs: `rms_scaling=True`, Keras's deprecated spelling of a division by the deviation alone.

    Raises:
        ValueError: If weights do not fit the axes.
        TypeError: If there is another keyword.

    >>> keras.ops.layer_normalization([[1.0, 3.0]])
    tensor([[-1.,  1.]])
    """
    eps = config.epsilon() if epsilon is None else epsilon
    rms_scaling = kwargs.pop("rms_scaling", False)
    if kwargs:
        raise TypeError(f"layer_normalization() got unexpected arguments: {', '.join(kwargs)}")
    if rms_scaling:
        warn("`rms_scaling` is deprecated: call `ops.rms_normalization`.", DeprecationWarning)
        weights = {"gamma": gamma}
        return _over_last_axes(x, axis, weights, lambda v, shape, g: _divide_by_deviation(v, len(shape), g, eps))
    return _over_last_axes(x, axis, {"gamma": gamma, "beta": beta}, lambda v, shape, g, b: F.layer_norm(v, shape, g, b, eps))


def _divide_by_deviation(x: torch.Tensor, axes: int, gamma: torch.Tensor | None, epsilon: float) -> torch.Tensor:
    y = x * torch.rsqrt(x.var(tuple(range(-axes, 0)), correction=0, keepdim=True) + epsilon)
    return y if gamma is None else y * gamma


@op(promote="float", args=("x",), filed=Filed("RMSNorm"))
def rms_normalization(
    x: TensorLike, scale: TensorLike | None = None, axis: int | Sequence[int] = -1, epsilon: float | None = None
) -> torch.Tensor:
    """`x / sqrt(mean(x²) + epsilon) * scale`.

    Args:
        x: The tensor; the result has its type.
        scale: Of the shape of the axes, or `None`.
        axis: The axis, or several.
        epsilon: Keeps the root from zero; `config.epsilon()` without it.

    Raises:
        ValueError: If a scale does not fit the axes.

    >>> keras.ops.rms_normalization([[3.0, 4.0]])
    tensor([[0.8485, 1.1314]])
    """
    eps = config.epsilon() if epsilon is None else epsilon
    return _over_last_axes(x, axis, {"scale": scale}, lambda v, shape, s: F.rms_norm(v, shape, s, eps))


@op(promote="float")
def normalize(x: TensorLike, axis: int | Sequence[int] | None = -1, order: int = 2, epsilon: float | None = None) -> torch.Tensor:
    """`x / max(norm(x), epsilon)`.

    Args:
        x: The tensor.
        axis: The axis, or several, of a vector; all of them for `None`.
        order: The order of the norm, at least 1.
        epsilon: The smallest divisor; `config.epsilon()` without it.

    Raises:
        ValueError: If an order is no positive int.

    >>> keras.ops.normalize([[3.0, 4.0]])
    tensor([[0.6000, 0.8000]])
    """
    axis = tuple(range(x.dim())) if axis is None else axis
    if not isinstance(order, int) or order < 1:
        raise ValueError(f"`order` must be an int of at least 1. Received: order={order!r}")
    eps = config.epsilon() if epsilon is None else epsilon
    norm = torch.linalg.vector_norm(x, order, axis if isinstance(axis, int) else tuple(axis), keepdim=True)
    return x / norm.clamp(min=eps)


@op(promote="float")
def moments(
    x: TensorLike, axes: int | Sequence[int], keepdims: bool = False, synchronized: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """The mean and the variance over axes; of half-precision tensors computed in float32.

    Args:
        x: The tensor.
        axes: The axes.
        keepdims: Whether they stay, with size one.
        synchronized: Over the batches of all processes.

    Returns:
        The mean and the variance.

    >>> keras.ops.moments([1.0, 3.0], axes=[0])
    (tensor(2.), tensor(1.))
    """
    axes = axes if isinstance(axes, int) else tuple(axes)
    half = x.dtype in (torch.float16, torch.bfloat16)
    wide = x.float() if half else x
    if synchronized and rank.world_size() > 1:
        mean, variance = _moments_of_all(wide, axes, keepdims)
    else:
        variance, mean = torch.var_mean(wide, axes, correction=0, keepdim=keepdims)
    if half:
        top = torch.finfo(x.dtype).max
        mean, variance = mean.clamp(-top, top).to(x.dtype), variance.clamp(-top, top).to(x.dtype)
    return mean, variance


def _moments_of_all(x: torch.Tensor, axes: int | tuple[int, ...], keepdims: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """By two sums over the processes, weighted by their sizes: of the values, then of the squared distances from the mean."""
    import torch.distributed.nn.functional as distributed  # makes a folder for generated code as soon as it is imported

    total = x.sum(axes, keepdim=True)
    count = x.new_full((1,), x.numel() / max(total.numel(), 1))
    summed = distributed.all_reduce(torch.cat([total.reshape(-1), count]))
    mean = summed[:-1].reshape(total.shape) / summed[-1]
    variance = distributed.all_reduce((x - mean).square().sum(axes, keepdim=True)) / summed[-1]
    if not keepdims:
        mean, variance = mean.squeeze(axes), variance.squeeze(axes)
    return mean, variance


@op(promote="float", filed=Filed("PSNR"))
def psnr(x1: TensorLike, x2: TensorLike, max_val: float) -> torch.Tensor:
    """The peak signal-to-noise ratio of two tensors of one shape, in decibels; infinite for equal ones.

    Args:
        x1: The one.
        x2: The other.
        max_val: The largest value a signal can have.

    Raises:
        ValueError: If different shapes are given.

    >>> keras.ops.psnr([1.0, 2.0], [1.0, 3.0], max_val=10.0)
    tensor(23.0103)
    """
    if x1.shape != x2.shape:
        raise ValueError(f"`x1` and `x2` must have one shape. Received: x1.shape={tuple(x1.shape)}, x2.shape={tuple(x2.shape)}")
    peak = torch.as_tensor(max_val, dtype=x1.dtype, device=x1.device)
    return 20 * torch.log10(peak) - 10 * torch.log10(F.mse_loss(x1, x2))


@op(promote="float")
def polar(abs_: TensorLike, angle: TensorLike) -> torch.Tensor:
    """Complex numbers from their lengths and angles.

    Args:
        abs_: The lengths.
        angle: The angles, in radians.

    >>> keras.ops.polar([2.0], [0.0])
    tensor([2.+0.j])
    """
    if abs_.dtype in (torch.float16, torch.bfloat16):  # torch has no complex numbers that small
        abs_, angle = abs_.float(), angle.float()
    return torch.polar(abs_, angle)
