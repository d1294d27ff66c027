"""Calls of the public functions with arguments drawn at random, what both libraries make of each, and how they differ.

Nothing here says what a function takes: real Keras does, by taking it.
"""

from __future__ import annotations

import inspect
import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

DTYPES = (
    "float32", "float32", "float32", "int32", "bool", "float16", "bfloat16", "float64", "int64", "int8", "uint8", "int16",
    "uint16", "uint32", "complex64",
)  # fmt: skip


@dataclass
class Tensor:
    """An argument that is a tensor: numbers, and the form in which they are handed over."""

    array: np.ndarray
    form: str  # "torch", "numpy", "list", "number", "variable" or "tensors": a list of tensors
    dtype: str

    def given_to(self, k: Any) -> Any:
        """What the library `k` is given: a copy, as some functions change their arguments."""
        if self.form == "list":
            return self.array.tolist()
        if self.form == "number":
            return self.array.reshape(-1)[0].item()
        if (self.form == "numpy" and self.dtype != "bfloat16") or self.dtype in ("uint16", "uint32"):  # torch has these in name only
            return self.array.copy()
        if self.form == "variable":
            return k.Variable(self.array, dtype=self.dtype)
        tensor = torch.tensor(self.array)
        tensor = tensor.to(getattr(torch, self.dtype)) if self.dtype == "bfloat16" else tensor
        return list(tensor) if self.form == "tensors" and tensor.dim() else tensor

    def __repr__(self) -> str:
        return f"{self.form}:{self.dtype}{list(self.array.shape)}"


SHAPES = ((), (3,), (2, 3), (3, 3), (2, 3, 3), (0, 3), (1, 3), (4,), (1,), (2, 4, 4, 3), (0,))
FORMS = ("torch", "torch", "numpy", "numpy", "list", "number", "variable", "tensors")


def tensor(rng: random.Random, shapes: Sequence[tuple[int, ...]] = SHAPES, dtypes: Sequence[str] = DTYPES, low: int = -3) -> Tensor:
    """A tensor of one of the shapes and types, with small numbers from `low`."""
    shape, dtype, form = rng.choice(shapes), rng.choice(dtypes), rng.choice(FORMS)
    numbers = np.random.default_rng(rng.randrange(2**32))
    if dtype == "bool":
        array = numbers.random(shape) > 0.5
    elif dtype.startswith(("int", "uint")):
        array = numbers.integers(0 if dtype[0] == "u" else low, 5, shape).astype(dtype)
    else:
        array = np.asarray(numbers.uniform(low, 3, shape)).round(2)
        array = array.astype("float32" if dtype == "bfloat16" else dtype) + (1j if dtype.startswith("complex") else 0)
    if form in ("list", "number"):
        dtype = {"b": "bool", "i": "int32", "u": "int32", "f": "float32", "c": "complex64"}[array.dtype.kind]
        array = array.astype(dtype) if form == "list" or array.size else np.ones((), dtype)
    return Tensor(np.asarray(array), form, dtype)


Pool = Callable[[random.Random], Any]


def one_of(*values: Any) -> Pool:
    return lambda rng: rng.choice(values)


def tensors(*shapes: tuple[int, ...], dtypes: Sequence[str] = DTYPES, low: int = -3) -> Pool:
    return lambda rng: tensor(rng, shapes or SHAPES, dtypes, low)


def lists(*shapes: tuple[int, ...]) -> Pool:
    """Lists and tuples of one to three tensors, mostly of one shape."""

    def draw(rng: random.Random) -> Any:
        shape = rng.choice(shapes or SHAPES)
        some = [tensor(rng, (shape,) if rng.random() < 0.9 else SHAPES) for _ in range(rng.choice((1, 2, 2, 3)))]
        return tuple(some) if rng.random() < 0.5 else some

    return draw


INTS = ("int32", "int64", "uint8", "bool", "int8")
FLOATS = ("float32", "float32", "float64", "float16", "bfloat16", "int32")
IMAGES = ((6, 7, 3), (2, 6, 7, 3), (2, 3, 6, 7), (3, 6, 7), (2, 8, 8, 1), (1, 6, 6, 3))
_AXIS = one_of(None, 0, -1, 1, (0, 1), [0], (1,), -2, 2, (0, -1), np.int64(0))
_FORMAT = one_of(None, "channels_last", "channels_first")
_DTYPE = one_of(
    None, "float32", "int32", "float16", "bool", "float64", "uint8", float, int, bool, np.float32, torch.float32, np.dtype("int64"),
    "int64", "complex64", "bfloat16",
)  # fmt: skip
_FLAG = one_of(False, True, None, 0, 1)
_SHAPE = one_of((), (2, 3), [2, 3], 3, (0,), (3,), (2, np.int64(3)), np.array([2, 3]), (-1,), (3, -1), None, torch.Size([2, 3]))
_INT = one_of(0, 1, 2, -1, 3, np.int64(2), True, None)
_POSITIVE = one_of(0.5, 1e-3, np.float32(0.5), 1)
_NUMBER = one_of(0, 1, 0.5, -1.0, 2, np.float32(0.5), 1e-3, True, None)
_WINDOW = one_of(2, (2, 2), [3, 2], 3, 1, (2,), (1, 2, 2))
_PADDING = one_of("valid", "same", "SAME", "Valid")

# What a parameter of this name is given, wherever it stands, and below what it is given in one function alone.
POOLS: dict[str, Pool] = {
    **dict.fromkeys(("x", "x1", "x2", "a", "b", "y", "array", "inputs", "data", "target", "output", "tensor", "variable"), tensors()),
    **dict.fromkeys(("axis", "axes", "axisa", "axisb", "axisc", "axis1", "axis2", "source", "destination"), _AXIS),
    **dict.fromkeys(("keepdims", "sorted", "reverse", "increasing", "endpoint", "retstep", "equal_nan", "assume_unique", "invert"), _FLAG),
    **dict.fromkeys(
        ("return_index", "return_inverse", "return_counts", "from_logits", "upper", "lower", "full_matrices", "compute_uv"), _FLAG
    ),
    **dict.fromkeys(
        ("approximate", "center", "antialias", "crop_to_aspect_ratio", "pad_to_aspect_ratio", "is_causal", "merge_repeated"), _FLAG
    ),
    **dict.fromkeys(("k", "n", "offset", "N", "M", "num", "decimals", "minlength", "shift", "kth", "size", "num_segments", "order"), _INT),
    **dict.fromkeys(("alpha", "threshold", "default_value", "negative_slope", "nan", "posinf", "neginf"), _NUMBER),
    **dict.fromkeys(("fill_value", "beta", "tol", "rcond", "x_min", "x_max", "default", "initial", "dx", "constant_values"), _NUMBER),
    **dict.fromkeys(("start", "stop", "step", "scale", "max_val"), _NUMBER),
    **dict.fromkeys(("shape", "newshape"), _SHAPE),
    **dict.fromkeys(("pool_size", "kernel_size", "strides", "dilation_rate", "output_size", "dilation", "stride"), _WINDOW),
    **dict.fromkeys(("rtol", "atol", "epsilon"), _POSITIVE),
    "sparse": one_of(False, None),
    "synchronized": one_of(False),
    "ragged": one_of(None, False),
    "flash_attention": one_of(None, False),
    "data_format": _FORMAT,
    "dtype": _DTYPE,
    "padding": _PADDING,
    "xs": lists(),
    "images": tensors(*IMAGES),
    "indices_or_sections": one_of(1, 2, 3, [1], (1, 2), [0, 1], np.array([1]), np.int64(1)),
    "q": one_of(0.5, 0, 1, [0.2, 0.5], np.array([0.1, 0.9]), 50),
    "method": one_of("linear", "lower", "higher", "midpoint", "nearest"),
    "weights": tensors((3,), (2, 3), (4,)),
    "repeats": one_of(1, 2, (1, 2), [2], [1, 0, 2], np.array([1, 2, 0]), 0, (2, 1, 1)),
    "indices": tensors((), (2,), (1, 2), (2, 3), (2, 1), dtypes=INTS, low=0),
    "segment_ids": tensors((3,), (2,), (4,), dtypes=INTS, low=0),
    "bins": one_of(3, 10, [0, 1, 2], np.array([0.0, 1.5]), 1),
    "range": one_of(None, (0, 2), [0.0, 1.5], (-1, 1)),
    "pad_width": one_of(1, (1, 2), ((1, 0),), ((1, 1), (0, 2)), [[0, 1]], ((0, 0), (1, 1), (0, 0)), 0, np.array([[1, 1]])),
    "mode": one_of("constant", "reflect", "symmetric", "edge", "valid", "same", "full", "reduced", "complete", "r"),
    "side": one_of("left", "right"),
    "num_classes": one_of(5, 6, np.int64(5), 8),
    "block_size": one_of(2, 1),
    "num_segments": one_of(None, 3, 5, 6),
    "indexing": one_of("xy", "ij"),
    "window": one_of("hann", "hamming", None),
    "reduction": one_of(None, "add", "max", "min", "mul"),
}

_VECTOR, _MATRIX = tensors((4,), (6,), (0,), (2, 6), dtypes=FLOATS), tensors((3, 3), (2, 3, 3), (2, 3), (3,), dtypes=FLOATS)
_SIGNAL = tensors((8,), (2, 8), (2, 2, 8), dtypes=FLOATS)
_FEATURES = tensors((2, 6, 3), (2, 6, 6, 3), (2, 3, 6, 6), (2, 4, 4, 4, 3), (6, 3), dtypes=FLOATS)
_ATTENTION = tensors((2, 4, 2, 3), (2, 4, 2, 3), (1, 4, 2, 3), (4, 2, 3), dtypes=FLOATS)
_KERNEL = tensors((2, 3, 4), (2, 2, 3, 4), (3, 3, 3, 2), (2, 2, 2, 3, 4), (1, 1, 3, 3), dtypes=FLOATS)
_DEPTHWISE = tensors((2, 3, 1), (2, 2, 3, 2), (3, 3, 3, 1), dtypes=FLOATS)
_PAIR = tensors((3,), (2, 3), (3, 3), (2, 3, 3), ())


Joint = Callable[[random.Random], dict[str, Any]]


def _convolution(rng: random.Random) -> dict[str, Any]:
    """Images and a kernel of one number of axes and of channels."""
    rank, channels = rng.choice((1, 2, 2, 3)), rng.choice((2, 3))
    spatial, last = (6, 5, 4)[:rank], rng.random() < 0.6
    shape = (2, *spatial, channels) if last else (2, channels, *spatial)
    return {
        "inputs": tensor(rng, (shape,), FLOATS),
        "kernel": tensor(rng, ((*(2, 3, 1)[:rank], channels, rng.choice((channels, 4))),), FLOATS),
        "depthwise_kernel": tensor(rng, ((*(2, 3, 1)[:rank], channels, 2),), FLOATS),
        "pointwise_kernel": tensor(rng, ((*(1,) * rank, 2 * channels, 3),), FLOATS),
        "data_format": rng.choice(("channels_last", None)) if last else "channels_first",
        "padding": rng.choice(("valid", "same", "SAME")),
        "strides": rng.choice((1, 2, (1,) * rank, [2] * rank, np.int64(1))),
        "dilation_rate": rng.choice((1, 1, 1, (1,) * rank)),
    }


def _definite(rng: random.Random) -> dict[str, Any]:
    """A positive-definite matrix, or several, and right-hand sides."""
    batch, n = rng.choice(((), (2,))), rng.choice((1, 3))
    dtype = rng.choice(("float32", "float32", "float64", "float16", "bfloat16", "int32"))
    root = np.random.default_rng(rng.randrange(2**32)).integers(0, 3, (*batch, n, n))
    form = rng.choice(("torch", "numpy", "list")) if dtype != "bfloat16" else "torch"
    matrix = (root @ root.swapaxes(-1, -2) + 2 * np.eye(n)).astype("float32" if dtype == "bfloat16" or form == "list" else dtype)
    found = Tensor(matrix, form, "float32" if form == "list" else dtype)
    return {"x": found, "a": found, "b": tensor(rng, ((*batch, n, 2), (*batch, n)), ("float32", "int32", "float64"))}


def _alike(*names: str, dtypes: Sequence[str] = DTYPES) -> Joint:
    """Tensors of one shape."""

    def draw_all(rng: random.Random) -> dict[str, Any]:
        shape = rng.choice(SHAPES)
        return {name: tensor(rng, (shape,), dtypes, low=0) for name in names}

    return draw_all


def _vectors(rng: random.Random) -> dict[str, Any]:
    shape = rng.choice(((3,), (2, 3), (2,), (4, 2)))
    return {"x1": tensor(rng, (shape,)), "x2": tensor(rng, (shape,)), "axis": rng.choice((None, -1))}


def _summed(rng: random.Random) -> dict[str, Any]:
    subscripts, shapes = rng.choice(
        (
            ("ij,jk->ik", [(2, 3), (3, 4)]), ("ij,jk", [(2, 3), (3, 3)]), ("ii", [(3, 3)]), ("i,i->", [(3,), (3,)]),
            ("...i,i", [(2, 3), (3,)]), ("ij->ji", [(2, 3)]), ("bij,bjk->bik", [(2, 2, 3), (2, 3, 2)]), ("ij,k->ijk", [(2, 2), (3,)]),
        )
    )  # fmt: skip
    return {"subscripts": subscripts, "operands": [tensor(rng, (shape,)) for shape in shapes]}


def _searched(rng: random.Random) -> dict[str, Any]:
    sequence = tensor(rng, ((4,), (0,)), ("float32", "int32", "int64", "uint8", "float64"))
    return {
        "sorted_sequence": Tensor(np.sort(sequence.array, axis=None), "torch", sequence.dtype),
        "values": tensor(rng, ((3,), (2, 3), ())),
    }


def _waves(rng: random.Random) -> dict[str, Any]:
    length = rng.choice((4, 6))
    shape = rng.choice(((9,), (2, 9), (2, 2, 12)))
    spectrum = (*shape[:-1], 5, length // 2 + 1)
    return {
        "x": tensor(rng, (shape,), FLOATS),
        "spectrum": tuple(tensor(rng, (spectrum,), ("float32",)) for _ in range(2)),
        "sequence_length": length, "sequence_stride": rng.choice((1, 2)), "fft_length": length,
    }  # fmt: skip


# Arguments that are drawn together, because they have to fit.
TOGETHER: dict[str, Joint] = {
    **dict.fromkeys(("conv", "conv_transpose", "depthwise_conv", "separable_conv"), _convolution),
    **dict.fromkeys(
        ("cholesky", "det", "inv", "logdet", "slogdet", "solve", "solve_triangular", "lstsq", "eigh", "cholesky_inverse"), _definite
    ),
    **dict.fromkeys(("binary_crossentropy", "categorical_crossentropy"), _alike("target", "output")),
    "vdot": _alike("x1", "x2"),
    "cross": _vectors,
    "einsum": _summed,
    "searchsorted": _searched,
    "stft": _waves,
    "istft": lambda rng: (found := _waves(rng)) | {"x": found["spectrum"]},
}

SPECIAL: dict[str, dict[str, Pool]] = {
    **dict.fromkeys(
        ("cholesky", "cholesky_inverse", "det", "inv", "eig", "eigh", "logdet", "slogdet", "lu_factor", "pinv", "qr", "svd", "matrix_rank"),
        {"x": _MATRIX},
    ),
    **dict.fromkeys(("solve", "solve_triangular", "lstsq"), {"a": _MATRIX, "b": tensors((3,), (3, 2), (2, 3), (2, 3, 1), (2, 3, 3))}),
    **dict.fromkeys(
        ("bartlett", "blackman", "hamming", "hanning", "kaiser"), {"x": one_of(0, 1, 5, np.int64(4), np.array(3), 2.0, torch.tensor(6))}
    ),
    **dict.fromkeys(
        ("fft", "fft2", "ifft2"), {"x": lambda rng: (tensor(rng, ((2, 4),), ("float32", "int32")), tensor(rng, ((2, 4),), ("float32",)))}
    ),
    **dict.fromkeys(("conv", "conv_transpose"), {"inputs": _FEATURES, "kernel": _KERNEL, "output_padding": one_of(None, 0, 1)}),
    **dict.fromkeys(("average_pool", "max_pool", "adaptive_average_pool", "adaptive_max_pool"), {"inputs": _FEATURES}),
    **dict.fromkeys(
        ("stft", "istft", "extract_sequences"),
        {"sequence_length": one_of(4, 2, np.int64(4)), "sequence_stride": one_of(1, 2), "fft_length": one_of(4, 8)},
    ),
    **dict.fromkeys(
        ("quantile", "nanquantile"),
        {"q": one_of(0.5, 0, 1, [0.2, 0.5], np.array([0.1, 0.9]), Tensor(np.array([0.25, 0.75], "float32"), "torch", "float32"))},
    ),
    **dict.fromkeys(
        ("linspace", "logspace", "geomspace"),
        {"start": tensors((), (3,)), "stop": tensors((), (3,)), "num": one_of(5, 1, 0, np.int64(3)), "base": one_of(10, 2.0)},
    ),
    **dict.fromkeys(("cast", "saturate_cast"), {"dtype": _DTYPE}),
    **dict.fromkeys(("conv2d",), {}),
    **dict.fromkeys(
        ("left_shift", "right_shift", "bitwise_left_shift", "bitwise_right_shift"),
        {"x": tensors(dtypes=INTS), "y": tensors(dtypes=INTS, low=0)},
    ),
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor"), {"x": tensors(dtypes=INTS), "y": tensors(dtypes=INTS)}),
    **dict.fromkeys(("gcd", "lcm"), {"x1": tensors(dtypes=INTS), "x2": tensors(dtypes=INTS)}),
    **dict.fromkeys(("segment_max", "segment_min", "segment_prod", "segment_sum"), {"data": tensors((3,), (4,), (3, 2), (2, 3))}),
    **dict.fromkeys(("crop_images", "pad_images"), {}),
    "arange": {
        "start": one_of(0, 3, 1.5, np.int32(2), torch.tensor(4), -2, np.array(5)),
        "stop": one_of(None, 5, 4.5, 0, np.int64(6)),
        "step": one_of(None, 1, 2, 0.5, -1),
    },
    "argpartition": {"x": _PAIR, "kth": one_of(0, 1, 2, np.int64(1))},
    "array": {"x": lambda rng: tensor(rng) if rng.random() < 0.7 else [tensor(rng, ((2,),)), tensor(rng, ((2,),))]},
    "batch_normalization": {
        "x": tensors((2, 3), (2, 4, 3)),
        "mean": tensors((3,)),
        "variance": tensors((3,), low=1),
        "offset": tensors((3,)),
        "scale": tensors((3,)),
        "axis": one_of(-1, 1, 2, [-1]),
    },
    "binary_crossentropy": {"target": tensors((3,), (2, 3), low=0), "output": tensors((3,), (2, 3), low=0)},
    "categorical_crossentropy": {"target": tensors((2, 3), (3,), low=0), "output": tensors((2, 3), (3,), low=0)},
    "sparse_categorical_crossentropy": {"target": tensors((2,), (), (2, 1), dtypes=INTS, low=0), "output": tensors((2, 6), (6,), low=0)},
    "bincount": {"x": tensors((4,), (2, 3), (3,), dtypes=INTS, low=0), "minlength": one_of(0, 3, 8)},
    "broadcast_to": {"shape": one_of((2, 3), [2, 3], (3, 3), (2, 2, 3), 3, (3,), np.array([2, 3]))},
    "cdist": {"x": tensors((3, 3), (2, 3), (2, 3, 3)), "y": tensors((3, 3), (2, 3), (2, 3, 3))},
    "clip": {
        "x_min": one_of(0, 1, -1.0, np.float32(0.5), None, Tensor(np.zeros(3, "float32"), "numpy", "float32")),
        "x_max": one_of(2, 1.5, np.int64(1), None, [1.0, 2.0, 3.0]),
    },
    "correlate": {"x1": _VECTOR, "x2": _VECTOR},
    "cross": {"x1": tensors((3,), (2, 3), (2,)), "x2": tensors((3,), (2, 3), (2,))},
    "ctc_decode": {
        "inputs": tensors((2, 4, 5), dtypes=("float32",)),
        "sequence_lengths": one_of([4, 3], np.array([4, 4])),
        "strategy": one_of("greedy"),
        "mask_index": one_of(0, 4),
    },
    "ctc_loss": {
        "target": tensors((2, 2), dtypes=("int32",), low=1),
        "output": tensors((2, 6, 6), dtypes=("float32",)),
        "target_length": one_of([2, 1], np.array([2, 2])),
        "output_length": one_of([6, 5], np.array([6, 6])),
        "mask_index": one_of(0),
    },
    "depth_to_space": {"x": tensors((1, 2, 2, 4), (1, 4, 2, 2), (1, 2, 2, 8))},
    "space_to_depth": {"x": tensors((1, 4, 4, 2), (1, 2, 4, 4))},
    "depthwise_conv": {"inputs": _FEATURES, "kernel": _DEPTHWISE},
    "separable_conv": {
        "inputs": _FEATURES,
        "depthwise_kernel": _DEPTHWISE,
        "pointwise_kernel": tensors((1, 3, 4), (1, 1, 6, 4), (1, 1, 3, 2)),
    },
    "digitize": {"x": _PAIR, "bins": one_of([0, 1, 2], np.array([0.0, 1.5]), Tensor(np.array([-1, 0, 2], "int32"), "torch", "int32"))},
    "dot_product_attention": {
        **dict.fromkeys(("query", "key", "value"), _ATTENTION),
        "bias": tensors((2, 2, 4, 4), (1, 1, 4, 4)),
        "mask": tensors((2, 2, 4, 4), (4, 4), (2, 1, 1, 4), dtypes=("bool", "int32")),
        "scale": one_of(None, 0.5),
        "attn_logits_soft_cap": one_of(None, 2.0),
    },
    "einsum": {
        "subscripts": one_of("ij,jk->ik", "ij,jk", "ii", "i,i->", "...i,i", "ij->ji", "bij,bjk->bik"),
        "operands": lists((3, 3), (3,), (2, 3, 3)),
    },
    "extract_sequences": {"x": _SIGNAL, "sequence_length": one_of(4, 2), "sequence_stride": one_of(1, 2)},
    "eye": {"N": one_of(3, 2, np.int64(3), 0), "M": one_of(None, 4, 2)},
    "tri": {"N": one_of(3, 2, np.int64(3), 0), "M": one_of(None, 4, 2)},
    "identity": {"n": one_of(3, 0, np.int64(2))},
    "fold": {
        "x": tensors((1, 12, 4), (1, 4, 9)),
        "output_size": one_of(4, (4, 4), 3),
        "kernel_size": one_of(2, (2, 2)),
        "padding": one_of(0, 1),
        "stride": one_of(1, 2, (2, 2)),
        "dilation": one_of(1),
    },
    "unfold": {
        "x": tensors((1, 2, 4, 4), (2, 3, 6, 6)),
        "kernel_size": one_of(2, (2, 2), [2, 3]),
        "padding": one_of(0, 1, (1, 0)),
        "stride": one_of(1, 2, (2, 1)),
        "dilation": one_of(1, 2),
    },
    "full": {"fill_value": one_of(0, 1.5, True, np.float32(2), Tensor(np.array(2.5, "float32"), "torch", "float32"))},
    "get_item": {"key": one_of(0, -1, (0, 1), slice(None), (slice(0, 1),), None, ..., (..., 0), slice(None, None, 2))},
    "in_top_k": {"targets": tensors((2,), dtypes=("int32", "int64"), low=0), "predictions": tensors((2, 6)), "k": one_of(1, 2)},
    "irfft": {
        "x": lambda rng: (tensor(rng, ((2, 4),), ("float32",)), tensor(rng, ((2, 4),), ("float32",))),
        "fft_length": one_of(None, 4, 6, 8),
    },
    "rfft": {"x": _SIGNAL, "fft_length": one_of(None, 4, 8, 10)},
    "stft": {"x": _SIGNAL},
    "istft": {
        "x": lambda rng: (tensor(rng, ((2, 5, 5),), ("float32",)), tensor(rng, ((2, 5, 5),), ("float32",))),
        "length": one_of(None, 8),
    },
    "isin": {"x2": one_of([1, 2], 1, np.array([0, 1]), [])},
    "layer_normalization": {"x": tensors((2, 3), (2, 4, 3)), "gamma": tensors((3,)), "beta": tensors((3,)), "axis": one_of(-1, 1, [-1])},
    "rms_normalization": {"x": tensors((2, 3), (2, 4, 3)), "scale": tensors((3,)), "axis": one_of(-1, 1, [-1], (1,))},
    "meshgrid": {"x": tensors((3,), (), (2,))},
    "moments": {"axes": one_of(0, (0,), [0, 1], -1, (0, 1))},
    "multi_hot": {"inputs": tensors((3,), (2, 3), (), dtypes=INTS, low=0)},
    "one_hot": {"x": tensors((3,), (2, 3), (), dtypes=INTS, low=-1), "axis": one_of(-1, 0, 1)},
    "norm": {"ord": one_of(None, 2, 1, "fro", "nuc", np.inf, -np.inf, 0, 3, -1, -2, 0.5)},
    "normalize": {"order": one_of(2, 1, np.inf, 3, 0.5), "axis": one_of(-1, 0, 1)},
    "rearrange": {
        "tensor": tensors((2, 3), (2, 3, 3)),
        "pattern": one_of("a b -> b a", "a b c -> c (a b)", "a ... -> ... a", "a b -> (a b)"),
    },
    "roll": {"shift": one_of(1, -1, 2, (1, 1), 0), "axis": one_of(None, 0, 1, (0, 1), -1)},
    "scatter": {
        "indices": tensors((2, 1), (3, 2), (1, 1), dtypes=("int32", "int64"), low=0),
        "values": tensors((2,), (3,), (2, 3)),
        "shape": one_of((6,), (6, 6), (6, 3), [6]),
    },
    "scatter_update": {
        "inputs": tensors((6,), (6, 6), (6, 3)),
        "indices": tensors((2, 1), (3, 2), dtypes=("int32", "int64"), low=0),
        "updates": tensors((2,), (3,), (2, 3)),
    },
    "searchsorted": {
        "sorted_sequence": one_of([0, 1, 2], np.array([0.0, 1.0, 2.5], "float32"), Tensor(np.array([-1, 0, 2], "int32"), "torch", "int32"))
    },
    "select": {
        "condlist": lambda rng: [tensor(rng, ((3,),), ("bool",)), tensor(rng, ((3,),), ("bool",))],
        "choicelist": lambda rng: [tensor(rng, ((3,), ())), tensor(rng, ((3,),))],
    },
    "slice": {
        "inputs": tensors((3, 3), (2, 3), (4,)),
        "start_indices": one_of((0, 1), [0, 0], np.array([1, 1]), (0,), [1]),
        "shape": one_of((1, 2), [2, 2], (2,), np.array([1, 1])),
    },
    "slice_update": {
        "inputs": tensors((3, 3), (2, 3), (4,)),
        "start_indices": one_of((0, 1), [0, 0], np.array([1, 1]), (0,), [1]),
        "updates": tensors((1, 2), (2, 2), (2,), (1,)),
    },
    "stack": {"axis": one_of(0, -1, 1, None)},
    "concatenate": {"axis": one_of(0, -1, 1, None)},
    "tensordot": {"x1": _PAIR, "x2": _PAIR, "axes": one_of(0, 1, 2, [[1], [0]], (1, 0), ((0,), (0,)), [0, 0])},
    "transpose": {"axes": one_of(None, (1, 0), [0, 1], (0, 2, 1), (-1, 0), (0,), np.array([1, 0]))},
    "top_k": {"k": one_of(1, 2, np.int64(1), 0)},
    "unravel_index": {"indices": tensors((2,), (), (2, 2), dtypes=INTS, low=0), "shape": one_of((3, 3), [2, 4], (9,), np.array([3, 3]))},
    "unstack": {"num": one_of(None, 2, 3)},
    "view": {"dtype": one_of(None, "int32", "float32", "uint8", "int16", "float16")},
    "view_as_complex": {"x": tensors((2,), (3, 2), dtypes=FLOATS)},
    "view_as_real": {"x": tensors(dtypes=("complex64",))},
    "where": {"condition": tensors((3,), (2, 3), ()), "x1": tensors((3,), (2, 3), ()), "x2": tensors((3,), (2, 3), ())},
    "pad": {"mode": one_of("constant", "reflect", "symmetric", "edge")},
    "take": {"indices": tensors((), (2,), (1, 2), (0,), dtypes=INTS, low=-1)},
    "take_along_axis": {"indices": tensors((1,), (2,), (2, 3), (1, 3), (2, 3, 1), dtypes=INTS, low=0)},
    "psnr": {"x1": tensors((2, 3), (3,)), "x2": tensors((2, 3), (3,))},
    "polar": {"abs_": tensors((3,), (2, 3), ()), "angle": tensors((3,), (2, 3), ())},
    "moveaxis": {"source": one_of(0, -1, (0, 1), [0], 1), "destination": one_of(-1, 0, (1, 0), [1], 1)},
    "swapaxes": {"axis1": one_of(0, -1, 1), "axis2": one_of(-1, 0, 1)},
    "rot90": {"axes": one_of((0, 1), [1, 0], (-1, -2)), "k": one_of(1, 2, -1, 0, 5)},
    "vander": {"x": tensors((3,), (4,), (0,)), "N": one_of(None, 2, 4, 0)},
    "expand_dims": {"axis": one_of(0, -1, 1, (0, 1), [0, 2])},
    "append": {"axis": one_of(None, 0, -1, 1)},
    "rgb_to_grayscale": {},
    "rgb_to_hsv": {"images": tensors(*IMAGES, dtypes=FLOATS, low=0)},
    "hsv_to_rgb": {"images": tensors(*IMAGES, dtypes=FLOATS, low=0)},
    "resize": {
        "size": one_of((4, 4), [8, 5], (3, 9), np.array([4, 4]), (4, 4.0)),
        "interpolation": one_of("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5"),
        "fill_mode": one_of("constant"),
        "fill_value": _NUMBER,
    },
    "affine_transform": {
        "transform": tensors((8,), (2, 8), dtypes=("float32",), low=0),
        "interpolation": one_of("bilinear", "nearest"),
        "fill_mode": one_of("constant", "nearest", "wrap", "mirror", "reflect"),
        "fill_value": one_of(0, 1.5),
    },
    "perspective_transform": {
        "start_points": one_of([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0], [5.0, 5.0]], np.array([[[0, 0], [5, 0], [0, 5], [5, 5]]], "float32")),
        "end_points": one_of([[1.0, 0.0], [5.0, 1.0], [0.0, 4.0], [4.0, 5.0]], np.array([[[1, 0], [5, 0], [0, 5], [5, 4]]], "float32")),
        "interpolation": one_of("bilinear", "nearest"),
        "fill_value": one_of(0, 1.5),
    },
    "map_coordinates": {
        "inputs": tensors((4, 5), (6,), (3, 4, 5)),
        "coordinates": lambda rng: rng.choice((lists((3,), (2, 2)), tensors((2, 3), (1, 4), (3, 2))))(rng),
        "order": one_of(0, 1),
        "fill_mode": one_of("constant", "nearest", "wrap", "mirror", "reflect"),
        "fill_value": one_of(0, 1.5),
    },
    "extract_patches": {"size": _WINDOW, "strides": one_of(None, 1, 2, (2, 2))},
    "extract_patches_3d": {
        "volumes": tensors((4, 4, 4, 2), (1, 4, 4, 4, 2), (1, 2, 4, 4, 4)),
        "size": one_of(2, (2, 2, 2), [1, 2, 2]),
        "strides": one_of(None, 1, (2, 2, 2)),
    },
    "gaussian_blur": {
        "kernel_size": one_of((3, 3), [3, 5], 3, np.array([3, 3])),
        "sigma": one_of((1.0, 1.0), [0.5, 2], 1.0, np.array([1.0, 2.0])),
    },
    "pad_images": dict.fromkeys(("top_padding", "left_padding", "bottom_padding", "right_padding"), one_of(None, 1, 0, 2))
    | dict.fromkeys(("target_height", "target_width"), one_of(None, 8, 9, 10)),
    "crop_images": dict.fromkeys(("top_cropping", "left_cropping", "bottom_cropping", "right_cropping"), one_of(None, 1, 0, 2))
    | dict.fromkeys(("target_height", "target_width"), one_of(None, 4, 3, 5)),
    "scale_and_translate": {
        "output_shape": one_of((6, 7, 3), (8, 8, 3), (2, 6, 7, 3)),
        "scale": one_of([1.0, 2.0], np.array([0.5, 1.0], "float32")),
        "translation": one_of([0.0, 1.0], np.array([0.5, 0.0], "float32")),
        "spatial_dims": one_of((0, 1), [1, 2]),
        "method": one_of("linear", "cubic", "lanczos3", "lanczos5", "bilinear"),
    },
    "ssim": {
        "image1": tensors((12, 12, 1), (2, 12, 12, 3), dtypes=FLOATS, low=0),
        "image2": tensors((12, 12, 1), (2, 12, 12, 3), dtypes=FLOATS, low=0),
        "filter_size": one_of(11, 5),
        "filter_sigma": one_of(1.5),
        "k1": one_of(0.01),
        "k2": one_of(0.03),
        "max_val": one_of(1.0, 255),
    },
}


@dataclass
class Call:
    """A function by its name, and the arguments drawn for it."""

    name: str
    args: list[Any]
    kwargs: dict[str, Any]

    def __repr__(self) -> str:
        said = [*map(_said, self.args), *(f"{n}={_said(v)}" for n, v in self.kwargs.items())]
        return f"{self.name}({', '.join(said)})"

    def of(self, k: Any) -> Any:
        """What the library `k` makes of it."""
        fn = k
        for part in self.name.split("."):
            fn = getattr(fn, part)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return fn(*given(self.args, k), **given(self.kwargs, k))


def _said(value: Any) -> str:
    return f"array({value.tolist()})" if isinstance(value, np.ndarray) else repr(value)


def given(nest: Any, k: Any) -> Any:
    """Arguments with their tensors in the form that they are handed over in."""
    if isinstance(nest, Tensor):
        return nest.given_to(k)
    if isinstance(nest, dict):
        return {n: given(v, k) for n, v in nest.items()}
    return type(nest)(given(v, k) for v in nest) if type(nest) in (list, tuple) else nest


def draw(name: str, signature: inspect.Signature, rng: random.Random) -> Call:
    """One call: each parameter without a default, and some of the others; by position or by keyword."""
    short = name.rpartition(".")[2]
    own = SPECIAL.get(short, {})
    fitting = TOGETHER[short](rng) if short in TOGETHER else {}
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    positional = rng.random() < 0.6
    for parameter in signature.parameters.values():
        pool = own.get(parameter.name) or POOLS.get(parameter.name)
        if parameter.name in fitting:
            pool = one_of(fitting[parameter.name])
        if pool is None or parameter.kind is parameter.VAR_KEYWORD:
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            some = pool(rng)
            args += some if isinstance(some, (list, tuple)) else [some]
            positional = False
            continue
        if parameter.default is not parameter.empty and rng.random() < 0.55:
            positional = False
            continue
        value = pool(rng)
        if parameter.kind is parameter.KEYWORD_ONLY or not positional:
            kwargs[parameter.name] = value
        else:
            args.append(value)
    return Call(name, args, kwargs)


def draws(name: str, fn: Callable, count: int, seed: int = 0) -> Iterator[Call]:
    """`count` calls of a function, the same ones each time."""
    rng = random.Random(f"{name} {seed}")
    signature = inspect.signature(fn)
    for _ in range(count):
        yield draw(name, signature, rng)


def leaves(result: Any) -> list[Any]:
    """The tensors and other values of a result, in order."""
    if isinstance(result, dict):
        return [v for key in sorted(result, key=str) for v in [key, *leaves(result[key])]]
    if isinstance(result, (list, tuple)):
        return [type(result).__name__ if isinstance(result, list) else "tuple", *(v for r in result for v in leaves(r))]
    return [result]


# Keras narrows many 64-bit results for other backends' sake; here 64 bits stay 64 bits (docs/decisions.md).
NARROW = {torch.int64: torch.int32, torch.float64: torch.float32, torch.complex128: torch.complex64}
_TOLERANCE = {"float16": 4e-3, "bfloat16": 3e-2, "float64": 1e-6}


def difference(ours: Any, theirs: Any, values: bool = True) -> str | None:
    """What tells two results apart: their structure, types, shapes or numbers; `None` if nothing does."""
    ours, theirs = leaves(ours), leaves(theirs)
    if len(ours) != len(theirs):
        return f"{len(ours)} results, not {len(theirs)}"
    for a, b in zip(ours, theirs):
        a, b = (v.value if not isinstance(v, (torch.Tensor, np.ndarray)) and hasattr(v, "assign") else v for v in (a, b))
        if isinstance(a, torch.Tensor) != isinstance(b, torch.Tensor):
            return f"{type(a).__name__}, not {type(b).__name__}"
        if isinstance(a, torch.Tensor):
            if NARROW.get(a.dtype, a.dtype) is not NARROW.get(b.dtype, b.dtype) or a.shape != b.shape:
                return f"{str(a.dtype)[6:]}{list(a.shape)}, not {str(b.dtype)[6:]}{list(b.shape)}"
            if values and not _close(a.detach(), b.detach()):
                return f"{a.detach().flatten()[:6].tolist()}, not {b.detach().flatten()[:6].tolist()}"
        elif isinstance(a, (np.ndarray, np.generic)) or isinstance(b, (np.ndarray, np.generic)):
            a, b = np.asarray(a), np.asarray(b)
            if a.dtype != b.dtype or a.shape != b.shape or (values and not np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")):
                return f"{a!r}, not {b!r}"
        elif a != b and not (a != a and b != b):
            return f"{a!r}, not {b!r}"
    return None


def _close(a: torch.Tensor, b: torch.Tensor) -> bool:
    tolerance = _TOLERANCE.get(str(a.dtype)[6:], 2e-5)
    wide = torch.complex128 if a.dtype.is_complex else torch.float64
    return torch.allclose(a.to(wide), b.to(wide), rtol=tolerance, atol=tolerance, equal_nan=True)
