"""What a layer expects of its inputs, and the check that names the layer when it does not get it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import dtypes, tree
from ..configurable import Configurable


class InputSpec(Configurable):
    """Rank, type, shape and single axes that an input must have.

    Args:
        dtype: The expected type.
        shape: The expected shape; `None` axes are free.
        ndim: The exact rank.
        max_ndim: The highest rank.
        min_ndim: The lowest rank.
        axes: Axis number to its size.
        allow_last_axis_squeeze: Whether a last axis of size 1 may be missing or extra.
        name: The key of the input in a dict.
        optional: Whether `None` is allowed.

    >>> keras.InputSpec(ndim=2).ndim
    2
    """

    def __init__(
        self,
        dtype: Any = None,
        shape: Sequence[int | None] | None = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: Mapping[int, int | None] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ) -> None:
        self.dtype = None if dtype is None else dtypes.standardize_dtype(dtype)
        self.shape = None if shape is None else tuple(shape)
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim, self.min_ndim = max_ndim, min_ndim
        try:
            self.axes = {int(k): v for k, v in (axes or {}).items()}
        except (ValueError, TypeError):
            raise TypeError(f"`axes` must map axis numbers to sizes. Received: axes={axes!r}") from None
        limit = self.ndim if self.ndim is not None else max_ndim
        if limit is not None and self.axes and max(self.axes) >= limit:
            raise ValueError(f"`axes` names the axis {max(self.axes)} of an input of rank {limit}. Received: axes={axes!r}")
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        self.name, self.optional = name, optional

    def accepts(self, shape: Sequence[int | None]) -> bool:
        """Whether an input of this shape passes (types are checked by `problem`)."""
        ndim = len(shape)
        if ndim != self.ndim and (
            self.ndim is not None
            or (self.min_ndim is not None and ndim < self.min_ndim)
            or (self.max_ndim is not None and ndim > self.max_ndim)
        ):
            return False
        for axis, size in self.axes.items():
            if shape[axis] != size and size is not None and shape[axis] is not None:
                return False
        return self.shape is None or all(want is None or got is None or want == got for want, got in zip(self.shape, shape))

    def problem(self, x: Any) -> str | None:
        """What is wrong with `x`, as the middle of a sentence; `None` when it passes."""
        shape = tuple(x.shape)
        if self.allow_last_axis_squeeze and self.shape is not None and not self.accepts(shape):
            if shape and shape[-1] == 1 and len(shape) == len(self.shape) + 1:
                shape = shape[:-1]
            elif self.shape and self.shape[-1] == 1 and len(shape) == len(self.shape) - 1:
                shape = (*shape, 1)
        ndim = len(shape)
        if self.ndim is not None and ndim != self.ndim:
            return f"expected ndim={self.ndim}, found ndim={ndim}"
        if self.max_ndim is not None and ndim > self.max_ndim:
            return f"expected max_ndim={self.max_ndim}, found ndim={ndim}"
        if self.min_ndim is not None and ndim < self.min_ndim:
            return f"expected min_ndim={self.min_ndim}, found ndim={ndim}"
        if self.dtype is not None and dtypes.standardize_dtype(x.dtype) != self.dtype:
            return f"expected dtype={self.dtype}, found dtype={dtypes.standardize_dtype(x.dtype)}"
        for axis, size in self.axes.items():
            if size is not None and shape[axis] not in (size, None):
                return f"expected axis {axis} of the input shape to have size {size}, found {shape[axis]}"
        if not self.accepts(shape):
            return f"expected shape={self.shape}, found shape={shape}"
        return None

    def get_config(self) -> dict[str, Any]:
        return {
            "dtype": self.dtype, "shape": self.shape, "ndim": self.ndim, "max_ndim": self.max_ndim, "min_ndim": self.min_ndim,
            "axes": self.axes, "optional": self.optional,
        }  # fmt: skip

    def __repr__(self) -> str:
        shown = [f"{k}={getattr(self, k)}" for k in ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes") if getattr(self, k)]
        return f"InputSpec({', '.join(shown)})"


def check_inputs(specs: Any, inputs: Any, layer_name: str) -> None:
    """Check a layer's first argument against its `input_spec`.

    Raises:
        ValueError: Another number of inputs, or one that does not pass; the message names the layer.
    """
    specs = tree.flatten(specs)
    given: list[Any]
    if isinstance(inputs, dict) and all(s.name is not None for s in specs):
        missing = [s.name for s in specs if s.name not in inputs and not s.optional]
        if missing:
            raise ValueError(f"The layer {layer_name!r} misses the inputs {missing}. Received: a dict with the keys {list(inputs)}")
        given = [inputs.get(s.name) for s in specs]
    else:
        given = tree.flatten(inputs)
    if len(given) != len(specs):
        raise ValueError(f"The layer {layer_name!r} expects {len(specs)} input(s). Received: {len(given)} input(s)")
    for i, (x, spec) in enumerate(zip(given, specs)):
        if spec is None or (x is None and spec.optional):
            continue
        if not hasattr(x, "shape"):
            raise ValueError(f"The input {i} of the layer {layer_name!r} must be a tensor. Received: {x!r} of type {type(x).__name__}")
        if not spec.accepts(x.shape) or spec.dtype is not None:
            problem = spec.problem(x)
            if problem:
                raise ValueError(
                    f"The input {i} of the layer {layer_name!r} is incompatible with it: {problem}. Full shape received: {tuple(x.shape)}"
                )
