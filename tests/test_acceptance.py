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
CHECKED = {"refused", "values", "types", "kinds"}
# Of which op what is not compared, and why. "refused": we raise where Keras goes on.
PARTED: dict[str, tuple[str, str]] = {}


def outcome(call: Call) -> tuple[str, str] | None:
    """What torchkeras makes of a call that Keras takes: how and where it parts from Keras, or `None`."""
    try:
        torch.manual_seed(0)
        theirs = call.of(keras)
    except Exception:
        return None
    try:
        torch.manual_seed(0)
        ours = call.of(mine)
    except Exception as error:
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
    check(name, 300)
