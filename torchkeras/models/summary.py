"""The table that `summary()` prints."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..distribution import rank
from ..layers.layer import Layer


def print_summary(
    model: Any,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    print_fn: Callable[[str], Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
) -> None:
    """Print a model's layers as a table. See `Model.summary`."""
    text = summary_text(model, line_length, positions, expand_nested, show_trainable, layer_range)
    if print_fn is not None or rank.is_main():  # one process prints
        (print_fn or print)(text)


def summary_text(
    model: Any,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
) -> str:
    """The table as text."""
    connected = not _is_sequential_like(model)
    header = ["Layer (type)", "Output Shape", "Param #"]
    header += (["Connected to"] if connected else []) + (["Trainable"] if show_trainable else [])
    fractions = list(positions) if positions is not None else _positions(connected, show_trainable)
    width = line_length or min(shutil.get_terminal_size((80, 24)).columns, 100 if connected or show_trainable else 80)
    if fractions[-1] <= 1:
        ends = [int(f * width) for f in fractions]
    else:
        ends = [int(f) for f in fractions]
    widths = [max(4, end - start - 3) for start, end in zip([0, *ends], ends[: len(header)])]

    rows: list[list[str] | None] = []
    _add_rows(rows, model, _in_range(model.layers, layer_range), 0, connected, expand_nested, show_trainable)
    return "\n".join([f'Model: "{model.name}"', *_table(header, rows, widths), *_totals(model)])


def _is_sequential_like(model: Any) -> bool:
    nodes = model.__dict__.get("_tk_nodes")
    if nodes is None:
        return True
    if len(model.__dict__.get("_tk_inputs", ())) > 1 or len(model.__dict__.get("_tk_outputs", ())) > 1:
        return False
    seen: set[int] = set()
    for node in nodes:
        if id(node.operation) in seen or len(node.input_tensors) != 1:
            return False
        seen.add(id(node.operation))
    consumers = [id(t) for node in nodes for t in node.input_tensors]
    return len(set(consumers)) == len(consumers)


def _positions(connected: bool, show_trainable: bool) -> list[float]:
    if connected:
        return [0.30, 0.56, 0.74, 1.0] if not show_trainable else [0.28, 0.50, 0.66, 0.90, 1.0]
    return [0.45, 0.80, 1.0] if not show_trainable else [0.42, 0.72, 0.89, 1.0]


def _in_range(layers: Sequence[Any], layer_range: Sequence[str] | None) -> Sequence[Any]:
    if layer_range is None:
        return layers
    if len(layer_range) != 2:
        raise ValueError(f"`layer_range` must be a list of two names. Received: layer_range={layer_range!r}")
    found = []
    for pattern in layer_range:
        index = [i for i, layer in enumerate(layers) if re.match(pattern, layer.name)]
        if not index:
            raise ValueError(f"`layer_range` names {pattern!r}, which no layer of the model matches.")
        found.append(index)
    start, end = sorted((found[0][0], found[1][-1]))
    return layers[start : end + 1]


def _add_rows(
    rows: list[list[str] | None], model: Any, layers: Sequence[Any], depth: int, connected: bool, expand: bool, trainable: bool
) -> None:
    relevant = {id(n) for n in model.__dict__.get("_tk_nodes") or ()}
    for layer in layers:
        prefix = "   " * depth + "└ " if depth else ""
        row = [f"{prefix}{layer.name} ({type(layer).__name__})", _output_shape(layer), _count_text(layer)]
        if connected:
            row.append(", ".join(_sources(layer, relevant)) or "-")
        if trainable:
            row.append(("Y" if layer.trainable else "N") if layer.weights else "-")
        rows.append(row)
        inner = getattr(layer, "layers", None)
        if expand and inner and not isinstance(inner, property):
            _add_rows(rows, layer, inner, depth + 1, connected, expand, trainable)


def _sources(layer: Any, relevant: set[int]) -> list[str]:
    found = []
    for node in layer._inbound_nodes:
        if relevant and id(node) not in relevant:
            continue
        for tensor in node.input_tensors:
            operation, index, place = tensor._keras_history
            found.append(f"{operation.name}[{index}][{place}]")
    return found


def _output_shape(layer: Layer) -> str:
    nodes = layer._inbound_nodes
    try:
        outputs = nodes[0].outputs if nodes else layer.__dict__.get("_tk_outputs_struct")
        if outputs is not None:
            shapes = tree.map_structure(lambda t: _Shape(t.shape), outputs)
            return str(shapes)
        if layer.built and layer._tk_build_shapes:
            return str(tree.map_structure(lambda s: s, layer.compute_output_shape(*layer._tk_build_shapes.values())))
    except (ValueError, TypeError, NotImplementedError, AttributeError):
        pass  # a layer that cannot tell its shape is shown as such
    return "?"


class _Shape:
    """Prints like a tuple without being a nest."""

    def __init__(self, shape: tuple) -> None:
        self.shape = shape

    def __repr__(self) -> str:
        return str(tuple(self.shape))


def _count_text(layer: Any) -> str:
    if not layer.built:
        return "0 (unbuilt)"
    return f"{_count(layer.weights):,}"


def _count(weights: Sequence[Any]) -> int:
    return sum(int(np.prod(w.shape)) for w in weights)


def _size(weights: Sequence[Any]) -> str:
    size = float(sum(int(np.prod(w.shape)) * w.dtype.itemsize for w in weights))
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024 or unit == "GB":
            return f"{size:.2f} {unit}"
        size /= 1024
    return ""


def _table(header: list[str], rows: list[list[str] | None], widths: list[int]) -> list[str]:
    def rule(left: str, middle: str, right: str, line: str) -> str:
        return left + middle.join(line * (w + 2) for w in widths) + right

    def cells(row: list[str], bar: str, right: set[int]) -> list[str]:
        wrapped = [_wrap(cell, w) for cell, w in zip(row, widths)]
        height = max(len(lines) for lines in wrapped)
        out = []
        for i in range(height):
            parts = []
            for j, (lines, w) in enumerate(zip(wrapped, widths)):
                text = lines[i] if i < len(lines) else ""
                parts.append(f" {text:>{w}} " if j in right else f" {text:<{w}} ")
            out.append(bar + bar.join(parts) + bar)
        return out

    lines = [rule("┏", "┳", "┓", "━"), *cells(header, "┃", {2}), rule("┡", "╇", "┩", "━")]
    for i, row in enumerate(rows):
        lines += cells(row or [""] * len(header), "│", {2})
        if i < len(rows) - 1:
            lines.append(rule("├", "┼", "┤", "─"))
    return [*lines, rule("└", "┴", "┘", "─")]


def _wrap(text: str, width: int) -> list[str]:
    lines: list[str] = []
    while len(text) > width:
        cut = text.rfind(" ", 0, width + 1)
        cut = cut if cut > 0 else width
        lines.append(text[:cut].rstrip())
        text = text[cut:].lstrip()
    return [*lines, text]


def _totals(model: Any) -> list[str]:
    weights, trained = model.weights, model.trainable_weights
    others = model.non_trainable_weights
    optimizer = getattr(model, "optimizer", None)
    slots = list(getattr(optimizer, "variables", []) or []) if getattr(optimizer, "built", False) else []
    lines = [f" Total params: {_count(weights) + _count(slots):,} ({_size([*weights, *slots])})"]
    lines.append(f" Trainable params: {_count(trained):,} ({_size(trained)})")
    lines.append(f" Non-trainable params: {_count(others):,} ({_size(others)})")
    if slots:
        lines.append(f" Optimizer params: {_count(slots):,} ({_size(slots)})")
    return lines
