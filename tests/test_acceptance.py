"""The calls that real Keras takes, drawn at random: torchkeras takes them too, and makes the same of them.

What both take is found by running both, so the table below holds only where they are known to part, and why.
"""

from __future__ import annotations

import inspect
import re

import pytest
import torch

import torchkeras as mine
from tests.drawn import Call, Tensor, difference, draws
from tests.oracle import keras

_NOT_DRAWN = {  # what takes functions (tests/ops/test_core.py), or draws at random itself
    "associative_scan", "cond", "custom_gradient", "elastic_transform", "fori_loop", "jvp", "map", "scan", "switch", "vectorize",
    "vectorized_map", "while_loop",
}  # fmt: skip
OPS = [
    f"ops.{name}" for name, fn in inspect.getmembers(keras.ops, inspect.isfunction) if not name.startswith("_") and name not in _NOT_DRAWN
]
# Of which op what is not compared, and why. "refused": we raise where Keras goes on.
_KEEPDIMS = "types", "Keras drops the axes that `keepdims` asks to keep where all are reduced; of no elements, `initial` is float32"
_INTEGERS = "types", "Keras cuts the result back to the integers of `x`, and so makes it zeros and ones"
_PLACES = "kinds", "a tuple of vectors, which indexes a tensor; Keras stacks them"
_UNSIGNED = "types", "uint16 and uint32 arrays become a type that torch computes with; Keras leaves them as they are"
_BATCHES = "refused", "Keras sums, or repeats, what does not fit the indices"
_SMOOTH = "values types kinds", "Keras forgets `dtype` and `retstep` of tensors, makes NaN of one number, and computes in 16 bits"
_OPERAND = "types values", "Keras gives the type of one operand, and wraps the other around"
_MIXED = "types values", "Keras computes in the type of one argument where they differ"
PARTED: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("amax", "amin", "max", "min", "prod", "ptp", "nanprod"), _KEEPDIMS),
    **dict.fromkeys(("layer_normalization", "rms_normalization", "softmax", "log_softmax", "trapezoid", "mean"), _INTEGERS),
    **dict.fromkeys(("nonzero", "where"), _PLACES),
    **dict.fromkeys(("conj", "conjugate", "real"), _UNSIGNED),
    **dict.fromkeys(("scatter", "scatter_update", "slice_update"), _BATCHES),
    **dict.fromkeys(("linspace", "logspace", "geomspace"), _SMOOTH),
    **dict.fromkeys(("left_shift", "right_shift", "bitwise_left_shift", "bitwise_right_shift"), _OPERAND),
    **dict.fromkeys(("greater", "greater_equal", "less", "less_equal", "equal", "not_equal", "gcd", "lcm"), _OPERAND),
    **dict.fromkeys(("add", "subtract", "multiply", "power", "mod", "fmod", "bitwise_and", "bitwise_or", "bitwise_xor"), _OPERAND),
    **dict.fromkeys(("batch_normalization", "psnr", "binary_crossentropy", "categorical_crossentropy", "polar"), _MIXED),
    **dict.fromkeys(("sparse_categorical_crossentropy", "select", "inner", "vdot", "ldexp", "dot_product_attention"), _MIXED),
    **dict.fromkeys(("sparse_plus", "sparse_sigmoid"), ("values", "Keras computes in uint8, which wraps around")),
    **dict.fromkeys(("array", "cast"), ("types", "Keras leaves a list of tensors in its type")),
    **dict.fromkeys(("isclose", "allclose"), ("values", "Keras takes the distance of integers in their own type, which wraps around")),
    **dict.fromkeys(("correlate", "corrcoef"), ("refused types", "Keras takes more than vectors, no elements and any `mode`")),
    **dict.fromkeys(("one_hot", "top_k"), ("refused", "Keras goes on with axes that do not fit")),
    "average": ("refused values", "Keras goes on with weights that do not fit, or makes NaN of a number"),
    "argpartition": ("values", "the order on either side is free"),
    "convert_to_numpy": ("values", "bfloat16, which NumPy lacks, is float32 here"),
    "count_nonzero": ("types", "Keras turns the axes of the result around"),
    "dot": ("types values", "the axes of the result stand as NumPy has them"),
    "get_item": ("kinds values types", "Keras indexes lists and arrays themselves"),
    "is_tensor": ("kinds values", "a weight is a tensor here"),
    "istft": ("values types", "windows are divided by their own sum of squares, so that the edges of the signal come back too"),
    "lstsq": ("values", "Keras forgets `rcond`"),
    "multi_hot": ("types refused", "Keras reduces another axis than that of the labels for `axis=0`"),
    "nextafter": ("refused", "torch has no next complex number"),
    "normalize": ("types", "Keras gives a number an axis"),
    "pad": ("types", "one number and one pair count for all axes, as in NumPy and Keras's docs; Keras pads the last axis"),
    "segment_max": ("values", "Keras's least number of an integer type is the greatest one negated"),
    "segment_min": ("values", "Keras's greatest number of an integer type overflows"),
    "size": ("types", "Keras makes a float of the size of a number"),
    "slice": ("refused types", "Keras cuts the longer of `start_indices` and `shape`, and what reaches beyond the end"),
    "sparsemax": ("values", "Keras's do not sum to one"),
    "squeeze": ("refused", "Keras leaves axes of another size than 1, though not those of symbolic tensors"),
    "std": ("types", "a deviation of complex numbers"),
    "take": ("values", "Keras counts a negative place from the end of the first axis where there is no `axis`"),
    "unique": ("refused", "a negative `size`"),
    "unravel_index": ("types", "places are int32"),
    "unstack": ("kinds refused", "a list, as Keras's docs say; `num` must be right"),
    "view": ("types", "float32 where Keras reads a list as 64 bits"),
}


def outcome(call: Call) -> tuple[str, str] | None:
    """What torchkeras makes of a call that Keras takes: how and where it parts from Keras, or `None`."""
    try:
        torch.manual_seed(0)
        theirs = call.of(keras)
    except Exception:  # noqa: BLE001  # whatever Keras raises
        return None
    try:
        torch.manual_seed(0)
        ours = call.of(mine)
    except Exception as error:  # noqa: BLE001  # is told
        return "refused", f"{type(error).__name__}: {error}"
    found = difference(ours, theirs, values="empty" not in call.name)
    if found is None:
        return None
    kind = "types" if re.search(r"\w+\[[\d, ]*\], not \w+\[", found) else "kinds" if ", not " in found and "[" not in found else "values"
    return kind, found


def _holds(nest: object, test: object) -> bool:
    return any(_holds(v, test) for v in nest) if isinstance(nest, (list, tuple)) else bool(test(nest))  # type: ignore[operator]


def complex_or_number(call: Call) -> tuple[bool, bool]:
    given = [*call.args, *call.kwargs.values()]
    return (
        _holds(given, lambda v: isinstance(v, Tensor) and v.dtype.startswith("complex")),
        _holds(given, lambda v: isinstance(v, Tensor) and v.form == "number"),
    )


def check(name: str, count: int) -> None:
    fn = keras
    for part in name.split("."):
        fn = getattr(fn, part)
    parted = []
    for call in draws(name, fn, count):
        found = outcome(call)
        if found is None or found[0] in PARTED.get(name.rpartition(".")[2], ("", ""))[0]:
            continue
        has_complex, has_number = complex_or_number(call)
        if has_complex or (has_number and found[0] == "types"):
            continue
        parted.append(f"{call!r}: {found[0]}: {found[1]}")
    assert not parted, "\n".join(parted)


@pytest.mark.parametrize("name", OPS)
def test_what_keras_takes_is_taken(name: str) -> None:
    check(name, 12)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPS)
def test_whatever_keras_takes_is_taken(name: str) -> None:
    check(name, 25)
