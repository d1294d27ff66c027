"""Special functions, segments, top-k and Fourier transforms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .. import dtypes
from ..graph import Filed, KerasTensor, TensorLike, op
from ..graph.infer import unknown_size

# -- special functions -----------------------------------------------------------------------------------------------------------------


@op(promote="float")
def rsqrt(x: TensorLike) -> torch.Tensor:
    """`1 / sqrt(x)`.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.rsqrt([0.5, 1.0])
    tensor([1.4142, 1.0000])
    """
    return torch.rsqrt(x)


@op(promote="float")
def erf(x: TensorLike) -> torch.Tensor:
    """The error function.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.erf([0.5, 1.0])
    tensor([0.5205, 0.8427])
    """
    return torch.erf(x)


@op(promote="float")
def erfc(x: TensorLike) -> torch.Tensor:
    """`1 - erf(x)`, without cancellation.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.erfc([0.5, 1.0])
    tensor([0.4795, 0.1573])
    """
    return torch.erfc(x)


@op(promote="float")
def erfinv(x: TensorLike) -> torch.Tensor:
    """The inverse of the error function.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.erfinv([0.0, 0.5])
    tensor([0.0000, 0.4769])
    """
    return torch.erfinv(x)


@op(promote="float", broadcast=True)
def gammainc(a: TensorLike, x: TensorLike) -> torch.Tensor:
    """The regularized lower incomplete gamma function (https://dlmf.nist.gov/8.2.E4), from 0 at `x = 0` to 1.

    Args:
        a: The parameter, positive.
        x: The argument, not negative; it broadcasts with `a`.

    >>> round(float(ops.gammainc(1.0, 2.0)), 4)
    0.8647
    """
    return torch.special.gammainc(a, x)


@op(promote="float")
def logsumexp(x: TensorLike, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> torch.Tensor:
    """`log(sum(exp(x)))`, without overflow.

    Args:
        x: The tensor.
        axis: The axis, or several; all without it.
        keepdims: Whether they stay, with size one.

    >>> keras.ops.logsumexp([[1.0, 2.0], [3.0, 4.0]], axis=1)
    tensor([2.3133, 4.3133])
    """
    axes = tuple(range(x.dim())) if axis is None else axis if isinstance(axis, int) else tuple(axis)
    return torch.logsumexp(x, axes, keepdims) if axes != () else x.clone()


@op(promote="float")
def logdet(x: TensorLike) -> torch.Tensor:
    """The logarithm of the determinant of square matrices `(..., n, n)`; NaN where it is negative.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    >>> keras.ops.logdet([[4.0, 1.0], [1.0, 3.0]])
    tensor(2.3979)
    """
    return torch.logdet(x)


@op(promote="float", filed=Filed("CDist"))
def cdist(x: TensorLike, y: TensorLike) -> torch.Tensor:
    """The Euclidean distances between the rows of two matrices.

    Args:
        x: `(..., m, features)`.
        y: `(..., n, features)`.

    Returns:
        `(..., m, n)`.

    Raises:
        ValueError: If there are rows of different lengths.

    >>> keras.ops.cdist([[0.0, 0.0]], [[3.0, 4.0]])
    tensor([[5.]])
    """
    if x.dim() < 2 or y.dim() < 2 or x.shape[-1] != y.shape[-1]:
        raise ValueError(
            f"`x` and `y` must be matrices with rows of one length. Received: x.shape={tuple(x.shape)}, y.shape={tuple(y.shape)}"
        )
    wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    return torch.cdist(wide, y.to(wide.dtype), compute_mode="donot_use_mm_for_euclid_dist").to(x.dtype)


# -- segments --------------------------------------------------------------------------------------------------------------------------


def _segments(data: torch.Tensor, segment_ids: torch.Tensor, num_segments: int | None, reduction: str, empty: Any) -> torch.Tensor:
    """Rows of one id reduced; rows whose id is negative or too large are left out."""
    if segment_ids.dim() != 1 or not data.dim() or segment_ids.shape[0] != data.shape[0]:
        raise ValueError(
            "`segment_ids` must have one axis, of the size of the first axis of `data`. "
            f"Received: segment_ids.shape={tuple(segment_ids.shape)}, data.shape={tuple(data.shape)}"
        )
    if num_segments is None:
        size = unknown_size()  # of a symbolic tensor: their number depends on the ids
        num_segments = (int(segment_ids.max()) + 1 if segment_ids.numel() else 0) if size is None else size
    if num_segments < 0:
        raise ValueError(f"`num_segments` must not be negative. Received: num_segments={num_segments}")
    ids = segment_ids.to(torch.int64)
    ids = torch.where((ids < 0) | (ids >= num_segments), num_segments, ids)  # one more segment takes the rows that are left out
    result = data.new_full((num_segments + 1, *data.shape[1:]), empty)
    if reduction == "sum":
        return result.index_add(0, ids, data)[:-1]
    index = ids.reshape(-1, *(1,) * (data.dim() - 1)).expand_as(data)
    return result.scatter_reduce(0, index, data, reduction, include_self=True)[:-1]


def _segments_spec(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> KerasTensor:
    return KerasTensor((num_segments, *data.shape[1:]), data.dtype)


def _limit(x: torch.Tensor, side: str) -> Any:
    if x.dtype.is_floating_point:
        return float("-inf") if side == "min" else float("inf")
    return getattr(torch.iinfo(x.dtype), side) if x.dtype is not torch.bool else side == "max"


@op(spec=_segments_spec)
def segment_sum(data: TensorLike, segment_ids: TensorLike, num_segments: int | None = None, sorted: bool = False) -> torch.Tensor:
    """The sums of the rows that have one id; 0 for an id without any.

    Args:
        data: `(rows, ...)`.
        segment_ids: `(rows,)`, integers; a row whose id is negative or not below `num_segments` is left out.
        num_segments: The first size of the result; without it the largest id and one, for which a GPU has to be waited for.
        sorted: Whether the ids are in order; the result is the same.

    Raises:
        ValueError: If shapes do not fit.

    >>> keras.ops.segment_sum([1, 2, 3], [0, 0, 1])
    tensor([3, 3], dtype=torch.int32)
    """
    return _segments(data, segment_ids, num_segments, "sum", 0)


@op(spec=_segments_spec)
def segment_prod(data: TensorLike, segment_ids: TensorLike, num_segments: int | None = None, sorted: bool = False) -> torch.Tensor:
    """The products of the rows that have one id; 1 for an id without any.

    Args:
        data: `(rows, ...)`.
        segment_ids: `(rows,)`, integers; a row whose id is negative or not below `num_segments` is left out.
        num_segments: The first size of the result; without it the largest id and one, for which a GPU has to be waited for.
        sorted: Whether the ids are in order; the result is the same.

    >>> keras.ops.segment_prod([1, 2, 3], [0, 0, 1])
    tensor([2, 3], dtype=torch.int32)
    """
    return _segments(data, segment_ids, num_segments, "prod", 1)


@op(spec=_segments_spec)
def segment_max(data: TensorLike, segment_ids: TensorLike, num_segments: int | None = None, sorted: bool = False) -> torch.Tensor:
    """The largest of the rows that have one id; the type's smallest value for an id without any.

    Args:
        data: `(rows, ...)`.
        segment_ids: `(rows,)`, integers; a row whose id is negative or not below `num_segments` is left out.
        num_segments: The first size of the result; without it the largest id and one, for which a GPU has to be waited for.
        sorted: Whether the ids are in order; the result is the same.

    >>> keras.ops.segment_max([1, 2, 3], [0, 0, 1])
    tensor([2, 3], dtype=torch.int32)
    """
    return _segments(data, segment_ids, num_segments, "amax", _limit(data, "min"))


@op(spec=_segments_spec)
def segment_min(data: TensorLike, segment_ids: TensorLike, num_segments: int | None = None, sorted: bool = False) -> torch.Tensor:
    """The smallest of the rows that have one id; the type's largest value for an id without any.

    Args:
        data: `(rows, ...)`.
        segment_ids: `(rows,)`, integers; a row whose id is negative or not below `num_segments` is left out.
        num_segments: The first size of the result; without it the largest id and one, for which a GPU has to be waited for.
        sorted: Whether the ids are in order; the result is the same.

    >>> keras.ops.segment_min([1, 2, 3], [0, 0, 1])
    tensor([1, 3], dtype=torch.int32)
    """
    return _segments(data, segment_ids, num_segments, "amin", _limit(data, "max"))


# -- top-k -----------------------------------------------------------------------------------------------------------------------------


def _check_k(k: int, x: torch.Tensor, name: str) -> None:
    if not isinstance(k, int) or not x.dim() or not 0 <= k <= x.shape[-1]:
        raise ValueError(f"`k` must be an int between 0 and the last axis of `{name}`. Received: k={k!r}, {name}.shape={tuple(x.shape)}")


@op
def top_k(x: TensorLike, k: int, sorted: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
    """The largest values along the last axis, and where they stand.

    Args:
        x: The tensor.
        k: How many.
        sorted: Whether the largest come first.

    Returns:
        The values and their indices, both `(..., k)`.

    Raises:
        ValueError: If there is a `k` beyond the axis.

    >>> keras.ops.top_k([1.0, 3.0, 2.0], 2)
    (tensor([3., 2.]), tensor([1, 2]))
    """
    _check_k(k, x, "x")
    values, indices = torch.topk(x, k, sorted=sorted)
    return values, indices


@op
def in_top_k(targets: TensorLike, predictions: TensorLike, k: int) -> torch.Tensor:
    """Whether the prediction for the target is among the `k` largest; ties at the border are, NaN never is.

    Args:
        targets: `(batch,)`, integers; one out of range is never among them.
        predictions: `(batch, classes)`.
        k: How many.

    Returns:
        `(batch,)`, booleans.

    Raises:
        ValueError: If shapes do not fit.

    >>> keras.ops.in_top_k([1, 0], [[0.1, 0.9], [0.2, 0.8]], k=1)
    tensor([ True, False])
    """
    if predictions.dim() != targets.dim() + 1 or predictions.shape[:-1] != targets.shape:
        raise ValueError(
            "`targets` must have the shape of `predictions` without its last axis. "
            f"Received: targets.shape={tuple(targets.shape)}, predictions.shape={tuple(predictions.shape)}"
        )
    targets = targets.to(torch.int64)
    valid = (targets >= 0) & (targets < predictions.shape[-1])
    chosen = predictions.gather(-1, targets.where(valid, 0).unsqueeze(-1))
    better = (predictions > chosen).sum(-1)
    return valid & ~chosen.squeeze(-1).isnan() & (better < k)


# -- Fourier transforms ----------------------------------------------------------------------------------------------------------------


def _complex(x: Any) -> torch.Tensor:
    """The pair (real, imaginary) as one complex tensor."""
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        raise ValueError(f"`x` must be a pair of tensors, the real and the imaginary part. Received: {type(x).__name__}")
    real, imaginary = x
    if real.shape != imaginary.shape:
        raise ValueError(f"The parts of `x` must have one shape. Received: {tuple(real.shape)} and {tuple(imaginary.shape)}")
    return torch.complex(real, imaginary)


def _parts(z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return z.real, z.imag


@op(promote="float", filed=Filed("FFT"))
def fft(x: Sequence[TensorLike]) -> tuple[torch.Tensor, torch.Tensor]:
    """The discrete Fourier transform along the last axis.

    Args:
        x: The real and the imaginary part.

    Returns:
        The real and the imaginary part.

    Raises:
        ValueError: If the inputs are not two tensors of one shape.

    >>> keras.ops.fft((torch.tensor([1.0, 0.0]), torch.zeros(2)))
    (tensor([1., 1.]), tensor([0., 0.]))
    """
    return _parts(torch.fft.fft(_complex(x)))


@op(promote="float", filed=Filed("FFT2"))
def fft2(x: Sequence[TensorLike]) -> tuple[torch.Tensor, torch.Tensor]:
    """The discrete Fourier transform along the last two axes.

    Args:
        x: The real and the imaginary part.

    >>> keras.ops.fft2((torch.tensor([[1.0, 0.0]]), torch.zeros(1, 2)))
    (tensor([[1., 1.]]), tensor([[0., 0.]]))
    """
    return _parts(torch.fft.fft2(_complex(x)))


@op(promote="float", filed=Filed("IFFT2"))
def ifft2(x: Sequence[TensorLike]) -> tuple[torch.Tensor, torch.Tensor]:
    """The inverse of `fft2`.

    Args:
        x: The real and the imaginary part.

    >>> keras.ops.ifft2((torch.tensor([[1.0, 1.0]]), torch.zeros(1, 2)))
    (tensor([[1., 0.]]), tensor([[0., 0.]]))
    """
    return _parts(torch.fft.ifft2(_complex(x)))


@op(promote="float", filed=Filed("RFFT"))
def rfft(x: TensorLike, fft_length: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """The half of the transform of a real signal along the last axis that tells the other half.

    Args:
        x: `(..., length)`.
        fft_length: The length to which the signal is cut or filled with zeros; its own without it.

    Returns:
        The real and the imaginary part, `(..., fft_length // 2 + 1)`.

    >>> keras.ops.rfft([1.0, 0.0, 0.0])
    (tensor([1., 1.]), tensor([0., -0.]))
    """
    return _parts(torch.fft.rfft(x, fft_length))


@op(promote="float", filed=Filed("IRFFT"))
def irfft(x: Sequence[TensorLike], fft_length: int | None = None) -> torch.Tensor:
    """The real signal of a transform as `rfft` gives it.

    Args:
        x: The real and the imaginary part, `(..., fft_length // 2 + 1)`.
        fft_length: The length of the result; without it `2 * (size - 1)`.

    Returns:
        `(..., fft_length)`.

    >>> keras.ops.irfft((torch.tensor([1.0, 1.0]), torch.zeros(2)))
    tensor([1., 0.])
    """
    return torch.fft.irfft(_complex(x), fft_length)


@op
def extract_sequences(x: TensorLike, sequence_length: int, sequence_stride: int) -> torch.Tensor:
    """Windows along the last axis: `(..., length)` becomes `(..., windows, sequence_length)`, a view.

    Args:
        x: The tensor.
        sequence_length: The size of a window.
        sequence_stride: The step between windows.

    Raises:
        ValueError: If there is a window longer than the axis.

    >>> keras.ops.extract_sequences([1.0, 2.0, 3.0], 2, 1)
    tensor([[1., 2.],
            [2., 3.]])
    """
    if not x.dim() or x.shape[-1] < sequence_length:
        raise ValueError(
            f"`sequence_length` must not exceed the last axis of `x`. Received: sequence_length={sequence_length}, x.shape={tuple(x.shape)}"
        )
    return x.unfold(-1, sequence_length, sequence_stride)


def _window(window: Any, length: int, fft_length: int, like: torch.Tensor) -> torch.Tensor:
    """The window, centred in `fft_length` numbers."""
    if isinstance(window, str) and window in ("hann", "hamming"):
        make = torch.hann_window if window == "hann" else torch.hamming_window
        values = make(length, dtype=like.dtype, device=like.device)
    elif window is None:
        values = like.new_ones(length)
    elif isinstance(window, str):
        raise ValueError(f"`window` must be 'hann', 'hamming', None or a tensor. Received: window={window!r}")
    else:
        values = torch.as_tensor(window, dtype=like.dtype, device=like.device)
        if values.shape != (length,):
            raise ValueError(f"`window` must have the shape ({length},). Received: window.shape={tuple(values.shape)}")
    before = (fft_length - length) // 2
    return torch.nn.functional.pad(values, (before, fft_length - length - before))


def _check_lengths(sequence_length: int, sequence_stride: int, fft_length: int) -> None:
    if not isinstance(sequence_stride, int) or sequence_stride < 1:
        raise ValueError(f"`sequence_stride` must be a positive int. Received: sequence_stride={sequence_stride!r}")
    if fft_length < sequence_length:
        raise ValueError(
            f"`fft_length` must be at least `sequence_length`. Received: fft_length={fft_length}, sequence_length={sequence_length}"
        )


@op(promote="float", args=("x",), filed=Filed("STFT"))
def stft(
    x: TensorLike,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    window: Any = "hann",
    center: bool = True,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The short-time Fourier transform of a real signal along the last axis.

    Args:
        x: `(..., length)`.
        sequence_length: The size of a window.
        sequence_stride: The step between windows.
        fft_length: The length to which windows are filled with zeros.
        window: `"hann"`, `"hamming"`, `None`, or a tensor of `sequence_length` numbers.
        center: Whether the signal is mirrored at its ends, so that windows centre on their positions.

    Returns:
        The real and the imaginary part, `(..., windows, fft_length // 2 + 1)`.

    Raises:
        ValueError: If a window does not fit.

    >>> keras.ops.stft(torch.ones(8), 4, 2, 4)[0].shape
    torch.Size([5, 3])
    """
    _check_lengths(sequence_length, sequence_stride, fft_length)
    values = _window(window, sequence_length, fft_length, x)
    flat = x.reshape(-1, x.shape[-1])
    if center:
        flat = torch.nn.functional.pad(flat, (fft_length // 2, fft_length // 2), mode="reflect")
    if flat.shape[-1] < fft_length:
        raise ValueError(f"`fft_length` must not exceed the signal. Received: fft_length={fft_length}, x.shape={tuple(x.shape)}")
    z = torch.fft.rfft(flat.unfold(-1, fft_length, sequence_stride) * values)
    return _parts(z.reshape(*x.shape[:-1], *z.shape[1:]))


@op(promote="float", args=("x",), filed=Filed("ISTFT"))
def istft(
    x: Sequence[TensorLike],
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    length: int | None = None,
    window: Any = "hann",
    center: bool = True,
) -> torch.Tensor:
    """The signal of a short-time Fourier transform: windows overlapped, added, and divided by the sum of their squares.

    Args:
        x: The real and the imaginary part, `(..., windows, fft_length // 2 + 1)`.
        sequence_length: The size of a window.
        sequence_stride: The step between windows.
        fft_length: The length to which windows are filled with zeros.
        length: The length to which the signal is cut, or filled with zeros.
        window: `"hann"`, `"hamming"`, `None`, or a tensor of `sequence_length` numbers.
        center: Whether the signal is mirrored at its ends, so that windows centre on their positions.

    Returns:
        `(..., length)`.

    Raises:
        ValueError: If a window does not fit.

    >>> keras.ops.istft(keras.ops.stft(torch.ones(8), 4, 2, 4), 4, 2, 4).shape
    torch.Size([8])
    """
    _check_lengths(sequence_length, sequence_stride, fft_length)
    frames = torch.fft.irfft(_complex(x), fft_length)
    values = _window(window, sequence_length, fft_length, frames)
    flat = frames.reshape(-1, *frames.shape[-2:])
    count = flat.shape[1]
    size = fft_length + sequence_stride * (count - 1)

    def overlap(parts: torch.Tensor) -> torch.Tensor:
        fold = torch.nn.functional.fold
        return fold(parts.transpose(1, 2), (1, size), (1, fft_length), stride=(1, sequence_stride)).reshape(-1, size)

    signal = overlap(flat * values)
    weight = overlap(values.square().expand(1, count, fft_length))
    signal = signal / torch.where(weight > torch.finfo(weight.dtype).tiny, weight, 1)
    start = fft_length // 2 if center else 0
    end = size if length is None and not center else size - start if length is None else start + length
    signal = signal[:, start:end]
    if length is not None and signal.shape[-1] < length:
        signal = torch.nn.functional.pad(signal, (0, length - signal.shape[-1]))
    return signal.reshape(*frames.shape[:-2], signal.shape[-1])


@op
def view_as_complex(x: TensorLike) -> torch.Tensor:
    """`(..., 2)` real numbers as `(...)` complex ones.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    Raises:
        ValueError: If there is another last axis.

    >>> keras.ops.view_as_complex([[1.0, 2.0]])
    tensor([1.+2.j])
    """
    if not x.dim() or x.shape[-1] != 2:
        raise ValueError(f"`x` must have a last axis of size 2, for the real and the imaginary part. Received: x.shape={tuple(x.shape)}")
    if x.dtype not in (torch.float32, torch.float64):
        x = x.to(torch.float32)
    return torch.complex(x[..., 0], x[..., 1])


@op
def view_as_real(x: TensorLike) -> torch.Tensor:
    """Complex numbers `(...)` as `(..., 2)` real ones.

    Args:
        x: A tensor, or what becomes one: an array, a number, a nest of numbers.

    Raises:
        ValueError: If a tensor is not complex.

    >>> keras.ops.view_as_real(torch.tensor([1 + 2j]))
    tensor([[1., 2.]])
    """
    if not x.dtype.is_complex:
        raise ValueError(f"`x` must be complex. Received: x.dtype={dtypes.standardize_dtype(x.dtype)}")
    return torch.stack([x.real, x.imag], -1)
