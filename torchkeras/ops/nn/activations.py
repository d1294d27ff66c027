"""The activation functions as ops, and softmax's relatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F

from ...graph import Filed, TensorLike, op


@op
def relu(x: TensorLike) -> torch.Tensor:
    """`max(x, 0)`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.relu([-1.0, 2.0])
    tensor([0., 2.])
    """
    return F.relu(x)


@op
def relu6(x: TensorLike) -> torch.Tensor:
    """`min(max(x, 0), 6)`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.activations.relu6(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return F.relu6(x)


@op(promote="float")
def sigmoid(x: TensorLike) -> torch.Tensor:
    """`1 / (1 + exp(-x))`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.sigmoid([0.5, 1.0])
    tensor([0.6225, 0.7311])
    """
    return torch.sigmoid(x)


@op(promote="float")
def sparse_sigmoid(x: TensorLike) -> torch.Tensor:
    """The line from (-1, 0) to (1, 1), flat outside: the sigmoid that belongs to sparsemax.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.activations.sparse_sigmoid(torch.tensor([-1.0, 2.0]))
    tensor([0., 1.])
    """
    return torch.clamp((x + 1) / 2, 0, 1)


@op(promote="float")
def softplus(x: TensorLike) -> torch.Tensor:
    """`log(1 + exp(x))`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.activations.softplus(torch.tensor([-1.0, 2.0]))
    tensor([0.3133, 2.1269])
    """
    return F.softplus(x)


@op(promote="float")
def softsign(x: TensorLike) -> torch.Tensor:
    """`x / (1 + |x|)`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.activations.softsign(torch.tensor([-1.0, 2.0]))
    tensor([-0.5000,  0.6667])
    """
    return F.softsign(x)


@op(promote="float")
def soft_shrink(x: TensorLike, threshold: float = 0.5) -> torch.Tensor:
    """`x` moved towards zero by `threshold`, zero nearer than that.

    Args:
        x: The argument.
        threshold: By how much, not negative.

    >>> keras.activations.soft_shrink(torch.tensor([-1.0, 2.0]))
    tensor([-0.5000,  1.5000])
    """
    return F.softshrink(x, threshold)


@op(promote="float")
def sparse_plus(x: TensorLike) -> torch.Tensor:
    """Zero below -1, `x` above 1, and the parabola `(x + 1)² / 4` between.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.activations.sparse_plus(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return torch.where(x <= -1, 0.0, torch.where(x < 1, (x + 1).square() / 4, x))


@op(promote="float")
def silu(x: TensorLike) -> torch.Tensor:
    """`x * sigmoid(x)`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.activations.silu(torch.tensor([-1.0, 2.0]))
    tensor([-0.2689,  1.7616])
    """
    return F.silu(x)


swish = silu


@op(promote="float")
def squareplus(x: TensorLike, b: float = 4) -> torch.Tensor:
    """`(x + sqrt(x² + b)) / 2`, a smooth relu without exponentials.

    Args:
        x: The argument.
        b: How smooth.

    >>> keras.activations.squareplus(torch.tensor([-1.0, 2.0]))
    tensor([0.6180, 2.4142])
    """
    return (x + torch.sqrt(x.square() + b)) / 2


@op(promote="float")
def log_sigmoid(x: TensorLike) -> torch.Tensor:
    """`log(sigmoid(x))`, without underflow.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.activations.log_sigmoid(torch.tensor([-1.0, 2.0]))
    tensor([-1.3133, -0.1269])
    """
    return F.logsigmoid(x)


@op(promote="float")
def leaky_relu(x: TensorLike, negative_slope: float = 0.2) -> torch.Tensor:
    """`x`, times `negative_slope` below zero.

    Args:
        x: The argument.
        negative_slope: The slope on the left.

    >>> keras.activations.leaky_relu(torch.tensor([-1.0, 2.0]))
    tensor([-0.2000,  2.0000])
    """
    return F.leaky_relu(x, negative_slope)


@op(promote="float")
def hard_sigmoid(x: TensorLike) -> torch.Tensor:
    """`relu6(x + 3) / 6`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.activations.hard_sigmoid(torch.tensor([-1.0, 2.0]))
    tensor([0.3333, 0.8333])
    """
    return F.hardsigmoid(x)


@op(promote="float")
def hard_silu(x: TensorLike) -> torch.Tensor:
    """`x * hard_sigmoid(x)`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.activations.hard_silu(torch.tensor([-1.0, 2.0]))
    tensor([-0.3333,  1.6667])
    """
    return F.hardswish(x)


hard_swish = hard_silu


@op
def hard_tanh(x: TensorLike) -> torch.Tensor:
    """`x` clipped to [-1, 1].

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.activations.hard_tanh(torch.tensor([-1.0, 2.0]))
    tensor([-1.,  1.])
    """
    return F.hardtanh(x)


@op(promote="float")
def hard_shrink(x: TensorLike, threshold: float = 0.5) -> torch.Tensor:
    """`x`, and zero where `|x| <= threshold`.

    Args:
        x: The argument.
        threshold: Up to where.

    >>> keras.activations.hard_shrink(torch.tensor([-1.0, 2.0]))
    tensor([-1.,  2.])
    """
    return F.hardshrink(x, threshold)


@op(promote="float")
def tanh_shrink(x: TensorLike) -> torch.Tensor:
    """`x - tanh(x)`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.activations.tanh_shrink(torch.tensor([-1.0, 2.0]))
    tensor([-0.2384,  1.0360])
    """
    return F.tanhshrink(x)


@op(promote="float")
def elu(x: TensorLike, alpha: float = 1.0) -> torch.Tensor:
    """`x` above zero, `alpha * (exp(x) - 1)` below.

    Args:
        x: The argument.
        alpha: Minus the limit on the left.

    >>> keras.activations.elu(torch.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """
    return F.elu(x, alpha)


@op(promote="float")
def celu(x: TensorLike, alpha: float = 1.0) -> torch.Tensor:
    """`x` above zero, `alpha * (exp(x / alpha) - 1)` below: an elu whose slope is continuous.

    Args:
        x: The argument.
        alpha: Minus the limit on the left.

    >>> keras.activations.celu(torch.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """
    return F.celu(x, alpha)


@op(promote="float")
def selu(x: TensorLike) -> torch.Tensor:
    """The scaled elu that keeps mean 0 and variance 1 (https://arxiv.org/abs/1706.02515).

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.activations.selu(torch.tensor([-1.0, 2.0]))
    tensor([-1.1113,  2.1014])
    """
    return F.selu(x)


@op(promote="float")
def gelu(x: TensorLike, approximate: bool = True) -> torch.Tensor:
    """`x` times the normal distribution function at `x`.

    Args:
        x: The argument.
        approximate: By the formula with tanh rather than erf.

    >>> keras.ops.gelu([0.5, 1.0])
    tensor([0.3457, 0.8412])
    """
    return F.gelu(x, approximate="tanh" if approximate else "none")


@op(promote="float")
def glu(x: TensorLike, axis: int = -1) -> torch.Tensor:
    """The first half of an axis times the sigmoid of the second.

    Args:
        x: The argument.
        axis: The axis, of even size.

    Raises:
        ValueError: If the axis is odd.

    >>> keras.activations.glu(torch.tensor([-1.0, 2.0]))
    tensor([-0.8808])
    """
    if x.shape[axis] % 2:
        raise ValueError(f"`x` must have an even size along `axis`. Received: x.shape={tuple(x.shape)}, axis={axis}")
    return F.glu(x, axis)


@op
def threshold(x: TensorLike, threshold: float, default_value: float) -> torch.Tensor:
    """`x` where it exceeds `threshold`, `default_value` elsewhere.

    Args:
        x: The argument.
        threshold: The limit; `x` equal to it is replaced.
        default_value: What replaces.

    >>> keras.activations.threshold(torch.tensor([0.5, 2.0]), threshold=1.0, default_value=0.0)
    tensor([0., 2.])
    """
    result = torch.where(x > threshold, x, default_value)
    return result if x.dtype is torch.bool else result.to(x.dtype)  # a bool cannot hold the default value


def _over_axes(x: torch.Tensor, axis: int | Sequence[int] | None, fn: Callable[..., torch.Tensor]) -> torch.Tensor:
    """`fn(x, one axis)`, over several axes as over one that holds them all."""
    if axis is None:
        return fn(x.reshape(-1), 0).reshape(x.shape)
    if isinstance(axis, int):
        return fn(x, axis)
    axes = [a % x.dim() for a in axis]
    front = [a for a in range(x.dim()) if a not in axes]
    moved = x.permute(*front, *axes)
    y = fn(moved.flatten(len(front)), -1).reshape(moved.shape)
    order = front + axes
    return y.permute(*(order.index(a) for a in range(x.dim())))


@op(promote="float")
def softmax(x: TensorLike, axis: int | Sequence[int] | None = -1) -> torch.Tensor:
    """`exp(x) / sum(exp(x))`, without overflow.

    Args:
        x: The logits.
        axis: The axis, or several, over which the result sums to one; `None` is all of them.

    >>> keras.ops.softmax([0.0, 0.0])
    tensor([0.5000, 0.5000])
    """
    return _over_axes(x, axis, torch.softmax)


@op(promote="float")
def log_softmax(x: TensorLike, axis: int | Sequence[int] | None = -1) -> torch.Tensor:
    """`log(softmax(x))`, without underflow.

    Args:
        x: The logits.
        axis: The axis, or several, over which the result sums to one; `None` is all of them.

    >>> keras.activations.log_softmax(torch.tensor([-1.0, 2.0]))
    tensor([-3.0486, -0.0486])
    """
    return _over_axes(x, axis, torch.log_softmax)


@op(promote="float", filed=Filed(keras=False))
def sparsemax(x: TensorLike, axis: int = -1) -> torch.Tensor:
    """The point of the probability simplex nearest to `x` (https://arxiv.org/abs/1602.02068).

    Args:
        x: The logits.
        axis: The axis over which the result sums to one.

    >>> keras.activations.sparsemax(torch.tensor([-1.0, 2.0]))
    tensor([0., 1.])
    """
    ordered = x.sort(dim=axis, descending=True).values
    shape = [1] * x.dim()
    shape[axis] = -1
    count = torch.arange(1, x.shape[axis] + 1, device=x.device, dtype=x.dtype).reshape(shape)
    inside = 1 + count * ordered > ordered.cumsum(axis)
    size = inside.sum(axis, keepdim=True)
    shift = (torch.where(inside, ordered, 0).sum(axis, keepdim=True) - 1) / size
    return torch.clamp(x - shift, min=0)
