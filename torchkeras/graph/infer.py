"""Output shapes by running a function on fake tensors: unknown sizes are those that change when the batch size does."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily

from .. import tree


@dataclass(frozen=True)
class Spec:
    """The shape and the torch type of one output."""

    shape: tuple[int | None, ...]
    dtype: torch.dtype



# Two sizes that stand for None. Highly composite, so that reshapes and strides divide them; too odd to be anybody's layer width.
_SIZES = (2520, 5040)


class _Sizes(threading.local):
    """The sizes that stand for `None` in the inferences in progress in this thread, innermost last."""

    def __init__(self) -> None:
        self.stack: list[int] = []


_current = _Sizes()
_FAKE_LOG = logging.getLogger("torch._subclasses.fake_tensor")


def unknown_size() -> int | None:
    """The size that stands for `None` in the inference in progress, so that layers built inside see `None` again."""
    return _current.stack[-1] if _current.stack else None


def output_spec(
    fn: Callable, args: tuple, kwargs: dict[str, Any], describe: Callable, name: str, device: torch.device
) -> Any:
    """The outputs of `fn(*args, **kwargs)`, each tensor among them as a `Spec`.

    Args:
        fn: The function to run; it must not depend on values.
        args: Its arguments; leaves for which `describe` gives `(shape, dtype)` are replaced by fake tensors.
        kwargs: Likewise.
        describe: Tells symbolic leaves from others, for which it returns `None`.
        name: Who asks, for the error message.
        device: The device on which fake tensors pretend to be.

    Raises:
        ValueError: `fn` failed; the message names the method to write.
    """
    # Intermediate results are cut from their graph, or the fake mode reads their gradient and torch warns.
    args, kwargs = tree.map_structure(lambda t: t.detach() if isinstance(t, torch.Tensor) and not t.is_leaf else t, (args, kwargs))
    leaves = [d for d in map(describe, tree.flatten((args, kwargs))) if d is not None]
    sizes = _SIZES if any(None in shape for shape, _ in leaves) else _SIZES[:1]
    runs = [_run(fn, args, kwargs, describe, name, device, size) for size in sizes]
    if len(runs) == 1:
        return runs[0]
    return tree.map_structure(_merge, *runs)


def _merge(a: Any, b: Any) -> Any:
    if not isinstance(a, Spec):
        return a
    return Spec(tuple(m if m == n else None for m, n in zip(a.shape, b.shape)), a.dtype)


def _run(fn: Callable, args: tuple, kwargs: dict[str, Any], describe: Callable, name: str, device: torch.device, size: int) -> Any:
    mode = FakeTensorMode(allow_non_fake_inputs=True)

    def fake(leaf: Any) -> Any:
        found = describe(leaf)
        if found is None:
            return leaf
        shape, dtype = found
        return torch.empty([size if d is None else d for d in shape], dtype=dtype, device=device)

    _current.stack.append(size)
    _FAKE_LOG.disabled = True  # it prints what is raised below anyway
    try:
        with mode, torch.no_grad():
            fake_args, fake_kwargs = tree.map_structure(fake, (args, kwargs))
            outputs = fn(*fake_args, **fake_kwargs)
    except Exception as error:
        raise ValueError(
            f"Could not infer the output shape of {name} by running it on tensors without values: "
            f"{type(error).__name__}: {str(error).rstrip('.')}. "
            "Write its `compute_output_shape(input_shape)` or `compute_output_spec(...)` method."
        ) from error
    finally:
        _current.stack.pop()
        _FAKE_LOG.disabled = False
    return tree.map_structure(lambda t: Spec(tuple(t.shape), t.dtype) if isinstance(t, torch.Tensor) else t, outputs)


@contextmanager
def outside() -> Iterator[None]:
    """Leave the fake tensors of an inference in progress: weights that a layer makes meanwhile are real."""
    if not _current.stack:
        yield
        return
    with unset_fake_temporarily():
        yield
