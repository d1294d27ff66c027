"""Output shapes by running a function on stand-ins: unknown sizes are those that change when the sizes of the stand-ins do."""

from __future__ import annotations

import itertools
import logging
import math
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.nn.parameter import is_lazy

from .. import tree
from ..reporting import plain, rewrite


@dataclass(frozen=True)
class Spec:
    """The shape and the torch type of one output."""

    shape: tuple[int | None, ...]
    dtype: torch.dtype


# Sizes that stand for None: highly composite, so that reshapes, strides and patches divide them. Tensors with values are small.
_SMALL = (96, 192, 288, 384, 480, 576)  # a loop over 96 steps is quick
_LARGE = (3360, 6720, 10080, 13440, 20160)
_TINY = (12, 24, 36, 48, 60, 72)


class _Local(threading.local):
    def __init__(self) -> None:
        self.sizes: list[int] = []  # of the inferences in progress in this thread


_local = _Local()
logging.getLogger("torch._subclasses.fake_tensor").addFilter(lambda record: not _local.sizes)  # what it tells is raised below anyway


def unknown_size() -> int | None:
    """The size that stands for `None` in the inference in progress, so that layers built inside see `None` again."""
    return _local.sizes[-1] if _local.sizes else None


def known_shape(x: Any) -> tuple[int | None, ...]:
    """The shape of a tensor, with `None` for sizes that are not known: those of stand-ins in an inference in progress."""
    unknown = unknown_size()
    return tuple(None if d is None or d == unknown else int(d) for d in x.shape)


def small_size(*in_play: Any) -> int:
    """A size to stand for `None` in tensors that hold values, which no size in these nests and modules is equal to."""
    return next(_pairs(_SMALL, _sizes_of(in_play)))[0]


def output_spec(fn: Callable, args: tuple, kwargs: dict[str, Any], describe: Callable, name: str, device: torch.device) -> Any:
    """The outputs of `fn(*args, **kwargs)`, each tensor among them as a `Spec`.

    `fn` runs on tensors without values. Where it needs values (`.item()`, a Python branch, a NumPy function) it runs on small tensors of
    ones.

    Args:
        fn: The function to run.
        args: Its arguments; leaves for which `describe` gives `(shape, dtype)` are replaced by stand-ins.
        kwargs: Its keyword arguments, in which leaves are replaced in the same way.
        describe: Tells symbolic leaves from others, for which it returns `None`.
        name: Who asks, for the error message.
        device: The device on which stand-ins are, or pretend to be.

    Raises:
        Exception: If `fn` failed on all of them: what it raised on the first, with the method to write; a ValueError where torch's own
            tracing failed.
    """
    args, kwargs = tree.map_structure(cut, (args, kwargs))
    found = [d for d in map(describe, tree.flatten((args, kwargs))) if d is not None]
    in_play = _sizes_of((args, kwargs, [shape for shape, _ in found], getattr(fn, "__self__", None)))
    unknown = any(None in shape for shape, _ in found)

    def attempt(sizes: tuple[int, ...], fake: bool) -> Any:
        runs = [_run(fn, args, kwargs, describe, device, size, fake) for size in (sizes if unknown else sizes[:1])]
        return runs[0] if len(runs) == 1 else tree.map_structure(_merge, *runs)

    attempts = [(_SMALL, True), (_LARGE, True), (_TINY, False), (_SMALL, False)] if unknown else [(_SMALL, True), (_SMALL, False)]
    failures: list[Exception] = []
    for pool, fake in attempts:
        try:
            return attempt(next(_pairs(pool, in_play)), fake)
        except Exception as error:  # noqa: BLE001 - raised below, with more words
            failures.append(error)
            if len(failures) == len(attempts):
                raise _told(failures[0], name, next(_pairs(_SMALL, in_play))[0] if unknown else None) from None
    raise AssertionError("unreachable: the last attempt returns or raises")


def _told(error: Exception, name: str, size: int | None) -> Exception:
    """What the first run raised, telling who asked, and the method to write; `size` stood for `None`."""

    def tell(text: str) -> str:
        return (
            f"Could not infer the output shape of {name} by running it on tensors without values, nor on small ones with values: "
            f"{text.rstrip('.')}{'' if size is None else f' (None was {size})'}. If it is right for inputs of these shapes, write its "
            "`compute_output_shape(input_shape)` or `compute_output_spec(...)` method."
        )

    if not plain(error):
        return ValueError(tell(f"{type(error).__name__}: {error}"))
    rewrite(error, tell)
    return error


def cut(value: Any) -> Any:
    """An intermediate result cut from its graph: the fake mode reads the gradient of what it is given, and torch warns of that one."""
    return value.detach() if isinstance(value, torch.Tensor) and not value.is_leaf else value


def _pairs(pool: tuple[int, ...], in_play: set[int]) -> Iterator[tuple[int, int]]:
    """Pairs of sizes of the pool, then of their multiples, that are not in play."""
    sizes = (size * factor for factor in itertools.count(1, 10) for size in pool)
    free = (size for size in sizes if size not in in_play)
    return zip(free, free)


def _sizes_of(*nests: Any) -> set[int]:
    """The integers in nests, in the shapes of tensors and in modules: their settings and the shapes of their weights."""
    found: set[int] = set()
    seen: set[int] = set()  # modules: a layer may hold itself in a list

    def add(values: Iterable[Any]) -> None:
        for value in values:
            if value.__class__ is int:
                found.add(value)
            elif isinstance(value, torch.Tensor):
                found.update(() if is_lazy(value) else value.shape)
            elif isinstance(value, (list, tuple)):
                add(value)
                if len(value) < 9:  # a shape: what flattening makes of it
                    known = [d for d in value if d.__class__ is int and d > 1]
                    found.update(math.prod(known[i:j]) for i in range(len(known)) for j in range(i + 2, len(known) + 1))
            elif isinstance(value, dict):
                add(value.values())
            elif isinstance(value, nn.Module):
                for module in value.modules():
                    if id(module) in seen:
                        continue
                    seen.add(id(module))
                    add(v for v in module.__dict__.values() if v.__class__ in (int, tuple, list, dict))

    add(nests)
    return found


def _merge(a: Any, b: Any) -> Any:
    if not isinstance(a, Spec):
        return a
    return Spec(tuple(m if m == n else None for m, n in zip(a.shape, b.shape)), a.dtype)


def _run(fn: Callable, args: tuple, kwargs: dict[str, Any], describe: Callable, device: torch.device, size: int, fake: bool) -> Any:
    def stand_in(leaf: Any) -> Any:
        found = describe(leaf)
        if found is None:
            return leaf
        shape, dtype = found
        return (torch.empty if fake else torch.ones)([size if d is None else d for d in shape], dtype=dtype, device=device)

    _local.sizes.append(size)
    try:
        with FakeTensorMode(allow_non_fake_inputs=True) if fake else nullcontext(), torch.no_grad():
            given_args, given_kwargs = tree.map_structure(stand_in, (args, kwargs))
            outputs = fn(*given_args, **given_kwargs)
    finally:
        _local.sizes.pop()
    return tree.map_structure(lambda t: Spec(tuple(t.shape), t.dtype) if isinstance(t, torch.Tensor) else t, outputs)


@contextmanager
def outside() -> Iterator[None]:
    """Leave the stand-ins of an inference in progress: weights that a layer makes meanwhile are real."""
    if not _local.sizes:
        yield
        return
    with unset_fake_temporarily():
        yield
