"""The table that `summary()` prints."""

from __future__ import annotations

import functools
import html
import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .. import config, console, tree
from ..distribution import rank
from ..graph.opnode import OpNode
from ..layers.layer import Layer

Text = list[tuple[str, str]]  # pieces, each with its style

_STYLES = {  # name: codes of a terminal, and CSS
    "bold": ("1", "font-weight: bold"),
    "class": ("38;5;33", "color: #0087ff"),
    "number": ("38;5;34", "color: #00af00"),
    "none": ("38;5;45", "color: #00d7ff"),
    "yes": ("1;38;5;34", "font-weight: bold; color: #00af00"),
    "no": ("1;38;5;9", "font-weight: bold; color: #ff0000"),
}
_JOINTS = re.compile(r"[_./,-](?=.)|.(?=\[)")  # after which a word that is too long is broken
_PRE = "white-space: pre; overflow-x: auto; line-height: normal; font-family: Menlo, 'DejaVu Sans Mono', Consolas, 'Courier New', monospace"


def print_summary(
    model: Any,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    print_fn: Callable[[str], Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
) -> None:
    """Print a model's layers as a table, in colours where the terminal has them, as one picture of text in a notebook.

    Args:
        model: The model.
        line_length: Characters of a line; by default as many as the terminal has, but no more than a table needs to be read well.
        positions: Where the columns end, as parts of the line, or in characters.
        print_fn: Is given the whole text, without colours, instead of its being printed.
        expand_nested: Whether the layers of models inside the model follow these, indented.
        show_trainable: Whether a column tells which layers are trained.
        layer_range: Names of the first and the last layer of the table, or regular expressions that match them.

    Raises:
        ValueError: If no layer has a name of `layer_range`.
    """
    lines = summary_lines(model, line_length, positions, expand_nested, show_trainable, layer_range)
    if print_fn is not None:
        print_fn(_plain(lines) + "\n")
    elif rank.is_main():  # one process prints
        if console.in_notebook() and config.is_interactive_logging_enabled():
            from IPython import display

            display.display({"text/plain": _plain(lines), "text/html": _html(lines)}, raw=True)
        else:
            console.say(_colored(lines) if console.has_colors() and config.is_interactive_logging_enabled() else _plain(lines))


def _plain(lines: Iterable[Text]) -> str:
    return "\n".join("".join(piece for piece, _ in line) for line in lines)


def _colored(lines: Iterable[Text]) -> str:
    return "\n".join("".join(f"\x1b[{_STYLES[style][0]}m{piece}\x1b[0m" if style else piece for piece, style in line) for line in lines)


def _html(lines: Iterable[Text]) -> str:
    def piece(text: str, style: str) -> str:
        return f'<span style="{_STYLES[style][1]}">{html.escape(text)}</span>' if style else html.escape(text)

    return f'<pre style="{_PRE}">' + "\n".join("".join(piece(*p) for p in line) for line in lines) + "</pre>"


def summary_lines(
    model: Any,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
) -> list[Text]:
    """The lines that `print_summary` prints.

    Args:
        model: The model.
        line_length: Characters of a line.
        positions: Where the columns end.
        expand_nested: Whether the layers of models inside the model follow these.
        show_trainable: Whether a column tells which layers are trained.
        layer_range: Names of the first and the last layer of the table.
    """
    connected = not _is_sequential_like(model)
    header = ["Layer (type)", "Output Shape", "Param #"]
    header += (["Connected to"] if connected else []) + (["Trainable"] if show_trainable else [])
    length = line_length or min(console.columns(), (108 if connected else 88) + (12 if show_trainable else 0))
    rows: list[list[Text]] = []
    _add_rows(rows, model, _in_range(_shown(model), layer_range), 0, connected, expand_nested, show_trainable)
    titles: list[Text] = [[(name, "bold")] for name in header]
    if positions is None:
        widths = _fitting_widths([titles, *rows], length, "Connected to" in header)
    else:
        widths = _widths_between(positions, length, len(header))
    title: Text = [(f'Model: "{model.name}"', "bold")]
    return [title, *_table(titles, rows, widths), *_totals(model)]


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


def _shown(model: Any) -> list[Any]:
    """The layers of a model and, where it is a graph, the functions between them."""
    layers = list(model.layers)
    if not model.__dict__.get("_tk_nodes"):
        return layers
    known = {id(layer) for layer in layers}
    return [operation for operation in model.operations if isinstance(operation, OpNode) or id(operation) in known]


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
    rows: list[list[Text]], model: Any, layers: Sequence[Any], depth: int, connected: bool, expand: bool, trainable: bool
) -> None:
    relevant = {id(n) for n in model.__dict__.get("_tk_nodes") or ()}
    for layer in layers:
        prefix = "   " * depth + "└ " if depth else ""
        kind = layer.kind if isinstance(layer, OpNode) else type(layer).__name__
        row: list[Text] = [
            [(prefix, ""), (f"{layer.name} (", ""), (kind, "class"), (")", "")],
            _numbers(_output_shape(layer)),
            _count_text(layer),
        ]
        if connected:
            row.append(_numbers(", ".join(_sources(layer, relevant)) or "-", r"(?<=\[)\d+(?=\])"))
        if trainable:
            row.append([("-", "bold") if not getattr(layer, "weights", None) else ("Y", "yes") if layer.trainable else ("N", "no")])
        rows.append(row)
        inner = getattr(layer, "layers", None)
        if expand and inner and not isinstance(inner, property):
            _add_rows(rows, layer, _shown(layer), depth + 1, connected, expand, trainable)


def _numbers(text: str, pattern: str = r"\bNone\b|\b\d+\b") -> Text:
    """A text with its numbers in their style."""
    pieces: Text = []
    end = 0
    for found in re.finditer(pattern, text):
        pieces += [(text[end : found.start()], ""), (found.group(), "none" if found.group() == "None" else "number")]
        end = found.end()
    return [*pieces, (text[end:], "")]


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
        outputs = nodes[-1].outputs if nodes else layer.__dict__.get("_tk_outputs_struct")
        if outputs is not None:
            shapes = tree.map_structure(lambda t: _Shape(t.shape), outputs)
            return str(shapes).replace("'", "")
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


def _count_text(layer: Any) -> Text:
    if not getattr(layer, "built", True):
        return [("0", "number"), (" (unbuilt)", "")]
    return [(f"{_count(getattr(layer, 'weights', ())):,}", "number")]


def _count(weights: Sequence[Any]) -> int:
    return sum(int(np.prod(w.shape)) for w in weights)


def _size(weights: Sequence[Any]) -> str:
    size = float(sum(int(np.prod(w.shape)) * w.dtype.itemsize for w in weights))
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if size < 1024:
            return f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} PB"


# -- the table ------------------------------------------------------------------------------------------------------------------------


def _widths_between(positions: Sequence[float], length: int, columns: int) -> list[int]:
    """The room of the cells, without their sides, for columns that end at these parts of the line, or after so many characters."""
    ends = [int(p * (length - 1)) if positions[-1] <= 1 else int(p) - 1 for p in positions]
    return [max(4, end - start - 3) for start, end in zip([0, *ends], ends[:columns])]


def _fitting_widths(rows: Sequence[Sequence[Text]], length: int, connected: bool) -> list[int]:
    """The room of the cells, without their sides: numbers whole, the rest of the line shared so that the table has few lines.

    Among equals, words that are not broken count first, then nearness to the shares that Keras gives the columns.
    """
    distinct = dict.fromkeys(tuple("".join(piece for piece, _ in cell) for cell in row) for row in rows)
    texts = list(distinct)[:100]  # the first tell enough about the others
    count = len(texts[0])
    flexible = [0, 1, 3] if connected else [0, 1]
    widths = [0 if i in flexible else max(len(row[i]) for row in texts) for i in range(count)]
    room = max(length - 1 - 3 * count - sum(widths), 4 * len(flexible))
    shares = [room * share for share in ((0.37, 0.31, 0.32) if connected else (0.57, 0.43))]

    @functools.cache
    def cost(column: int, width: int) -> np.ndarray:
        """For each row the lines of its cell and, as small parts of one, whether a word is broken, at a sign or anywhere."""
        return np.array([_cost(row[column], width) for row in texts])

    def total(split: Iterable[int]) -> tuple[float, float]:
        heights = np.maximum.reduce([cost(column, width) for column, width in zip(flexible, split)]).sum()
        return heights, sum(abs(width - share) for width, share in zip(split, shares))

    firsts = itertools.product(range(4, room - 3), repeat=len(flexible) - 1)
    splits = ((*first, room - sum(first)) for first in firsts if sum(first) <= room - 4)
    for column, width in zip(flexible, min(splits, key=total)):
        widths[column] = width
    return widths


def _cost(text: str, width: int) -> float:
    cuts = _cuts(text, width)
    broken = [bool(_JOINTS.match(text, cut - 1, cut + 1)) for cut in cuts if text[cut - 1] != " " and text[cut] != " "]
    return len(cuts) + 1 + (0 if not broken else 0.1 if all(broken) else 0.9)


def _table(header: list[Text], rows: list[list[Text]], widths: list[int]) -> list[Text]:
    sides = ["left", "left", "right", *(["left"] if len(header) > 3 else []), "left"]
    if header[-1][0][0] == "Trainable":
        sides[len(header) - 1] = "middle"

    def rule(left: str, middle: str, right: str, line: str) -> Text:
        return [(left + middle.join(line * (w + 2) for w in widths) + right, "")]

    def lines(row: list[Text], bar: str) -> list[Text]:
        wrapped = [_wrap(cell, width) for cell, width in zip(row, widths)]
        found = []
        for i in range(max(map(len, wrapped))):
            line: Text = [(bar, "")]
            for cell, width, side in zip(wrapped, widths, sides):
                text = cell[i] if i < len(cell) else []
                room = width - sum(len(piece) for piece, _ in text)
                before = {"left": 0, "right": room, "middle": room // 2}[side]
                line += [(" " * (before + 1), ""), *text, (" " * (room - before + 1) + bar, "")]
            found.append(line)
        return found

    table = [rule("┏", "┳", "┓", "━"), *lines(header, "┃"), rule("┡", "╇", "┩", "━")]
    for i, row in enumerate(rows):
        table += [rule("├", "┼", "┤", "─")] if i else []
        table += lines(row, "│")
    return [*table, rule("└", "┴", "┘", "─")]


def _indent(text: str, width: int) -> int:
    """Where the words of a line of a nested layer begin."""
    return min(len(text) - len(text.lstrip(" └")), width // 2)


def _cuts(text: str, width: int) -> list[int]:
    """Where the further lines of a cell begin: between words, in a longer word where its parts are joined, else anywhere."""
    indent = _indent(text, width)
    cuts, start, room = [], indent, width - indent
    while len(text) - start > room:
        cut = text.rfind(" ", start + 1, start + room + 1) + 1
        if not cut:
            joints = (joint.end() for joint in _JOINTS.finditer(text, start + room // 4, start + room + 1))
            cut = max((end for end in joints if end <= start + room), default=start + room)
        start = cut
        cuts.append(start)
    return cuts


def _wrap(text: Text, width: int) -> list[Text]:
    """The lines of a cell, further ones indented as the first."""
    plain = "".join(piece for piece, _ in text)
    bounds = [0, *_cuts(plain, width), len(plain)]
    indent: Text = [(" " * _indent(plain, width), "")]
    lines: list[Text] = []
    for begin, end in itertools.pairwise(bounds):
        if end < len(plain):
            end = begin + len(plain[begin:end].rstrip(" "))
        place, line = 0, [] if not begin else list(indent)
        for piece, style in text:
            part = piece[max(0, begin - place) : max(0, end - place)]
            line += [(part, style)] if part else []
            place += len(piece)
        lines.append(line)
    return lines


def _totals(model: Any) -> list[Text]:
    trained, others = model.trainable_weights, model.non_trainable_weights
    optimizer = getattr(model, "optimizer", None)
    slots = list(getattr(optimizer, "variables", []) or []) if getattr(optimizer, "built", False) else []
    totals = {"Total": [*model.weights, *slots], "Trainable": trained, "Non-trainable": others}
    if slots:
        totals["Optimizer"] = slots
    lines: list[Text] = []
    for name, weights in totals.items():
        lines.append([(f" {name} params: ", "bold"), (f"{_count(weights):,}", "number"), (f" ({_size(weights)})", "")])
    return lines
