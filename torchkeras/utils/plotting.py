"""Pictures of models: their layers as boxes, through graphviz or, where that is not installed, through matplotlib."""

from __future__ import annotations

import html
import shutil
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from .. import tree
from ..graph import KerasTensor, Node, Operation
from ..graph.opnode import OpNode
from ..models import Model, Sequential
from .drawing import draw
from .layout import Group

_SPLINES = ("ortho", "curved", "polyline", "spline", "line")
_RANKDIRS = ("TB", "BT", "LR", "RL")


@dataclass
class Show:
    """What the boxes say."""

    shapes: bool
    dtype: bool
    names: bool
    activations: bool
    trainable: bool
    nested: bool


@dataclass
class Box:
    """One layer or op: its title, and the lines below it."""

    title: str
    lines: list[str]
    trainable: bool | None = None  # shown if it is not None


class Drawing:
    """Boxes by key, the edges between them, and the groups that they form.

    Args:
        model: What is drawn.
        show: What the boxes say.
    """

    def __init__(self, model: Any, show: Show) -> None:
        self.boxes: dict[str, Box] = {}
        self.edges: dict[tuple[str, str], None] = {}
        self.group = Group(model.name)
        self.show = show
        if _is_open(model):
            self._collect(model, self.group)
        else:
            self._add(model, None, self.group)

    def _add(self, operation: Any, node: Node | None, group: Group) -> str:
        key = f"n{len(self.boxes)}"
        self.boxes[key] = _box(operation, node, self.show)
        group.keys.append(key)
        return key

    def _collect(self, model: Any, group: Group) -> tuple[list[str], list[str]]:
        """Draw a model open; returns the boxes that its inputs go to, and those that its outputs come from."""
        chain = isinstance(model, Sequential)
        operations = model.layers if chain else model.operations
        nodes = {id(node.operation): node for node in reversed(model.__dict__.get("_tk_nodes") or ())}
        ends: dict[int, tuple[list[str], list[str]]] = {}
        for operation in operations:
            if self.show.nested and _is_open(operation):
                inner = Group(operation.name)
                group.groups.append(inner)
                ends[id(operation)] = self._collect(operation, inner)
            else:
                key = self._add(operation, nodes.get(id(operation)), group)
                ends[id(operation)] = [key], [key]
        if chain:
            for one, other in pairwise(operations):
                self.edges[ends[id(one)][1][0], ends[id(other)][0][0]] = None
            return ends[id(operations[0])][0], ends[id(operations[-1])][1]

        def source(tensor: KerasTensor) -> str:
            operation, _, place = tensor._keras_history
            exits = ends[id(operation)][1]
            return exits[min(place, len(exits) - 1)]

        for node in model._tk_nodes:
            entries = ends[id(node.operation)][0]
            for i, tensor in enumerate(node.input_tensors):
                self.edges[source(tensor), entries[min(i, len(entries) - 1)]] = None
        return [source(tensor) for tensor in model.inputs], [source(tensor) for tensor in model.outputs]


def _is_open(model: Any) -> bool:
    """Whether the inside is known: a graph or a chain of layers."""
    return bool(model.layers) if isinstance(model, Sequential) else isinstance(model, Model) and model._tk_plan is not None


def _box(operation: Any, node: Node | None, show: Show) -> Box:
    kind = operation.kind if isinstance(operation, OpNode) else type(operation).__name__
    outputs = None if node is None else node.outputs
    inputs = None if node is None else node.input_tensors
    if node is None and isinstance(operation, Operation) and operation._inbound_nodes:  # an Input, whose own node makes its tensor
        outputs = operation._inbound_nodes[0].outputs
    shapes = _nest(inputs, "shape"), _nest(outputs, "shape")
    if show.shapes and outputs is None:
        shapes = _built_shapes(operation)
    lines = []
    if show.activations and getattr(operation, "activation", None) is not None:
        activation = operation.activation
        lines.append(f"Activation: {getattr(activation, '__name__', None) or type(activation).__name__}")
    if show.shapes:
        if inputs or outputs is None:
            lines.append(f"Input shape: {shapes[0]}")
        lines.append(f"Output shape: {shapes[1]}")
    if show.dtype:
        lines.append(f"Output dtype: {_nest(outputs, 'dtype')}")
    trainable = bool(operation.trainable) if show.trainable and getattr(operation, "weights", None) else None
    return Box(f"{operation.name} ({kind})" if show.names else kind, lines, trainable)


def _nest(tensors: Any, attribute: str) -> str:
    found = [str(getattr(t, attribute)) for t in tree.flatten(tensors) if isinstance(t, KerasTensor)]
    return "?" if not found else found[0] if len(found) == 1 else f"[{', '.join(found)}]"


def _built_shapes(model: Any) -> tuple[str, str]:
    """The shapes that a model without a graph was built for, and what it makes of them."""
    built = list((model.__dict__.get("_tk_build_shapes") or {}).values())
    if not built:
        return "?", "?"
    try:
        outputs = str(model.compute_output_shape(*built))
    except (NotImplementedError, TypeError, ValueError):  # its `call` needs values, or more than shapes
        outputs = "?"
    return ", ".join(map(str, built)), outputs


def _drawing(model: Any, show: Show, rankdir: str, splines: str, others: dict[str, Any]) -> Drawing:
    if others:
        raise ValueError(f"Unknown arguments: {', '.join(others)}.")
    if not isinstance(model, Model):
        raise ValueError(f"`model` must be a Model. Received: {model!r} of type {type(model).__name__}")
    if not model.built:
        raise ValueError(f"`model` {model.name!r} is not built. Call it on data, or `build(input_shape)`, before it is drawn.")
    for name, value, known in (("rankdir", rankdir, _RANKDIRS), ("splines", splines, _SPLINES)):
        if value not in known:
            raise ValueError(f"`{name}` must be one of {', '.join(known)}. Received: {name}={value!r}")
    return Drawing(model, show)


def model_to_dot(
    model: Any,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    subgraph: bool = False,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs: Any,
) -> Any:
    """A model as a graph of pydot, which writes it in graphviz's language.

    Args:
        model: A built model; of a subclassed one the inside is not known, it is one box.
        show_shapes: Whether boxes tell the shapes of inputs and outputs.
        show_dtype: Whether boxes tell the type of outputs.
        show_layer_names: Whether boxes tell names and not only classes.
        rankdir: Where the graph goes: `"TB"` down, `"BT"` up, `"LR"` right, `"RL"` left.
        expand_nested: Whether models inside are drawn open.
        dpi: Dots per inch.
        subgraph: Whether a `pydot.Cluster` is returned, to be put into another graph, instead of a `pydot.Dot`.
        show_layer_activations: Whether boxes tell activations.
        show_trainable: Whether boxes of layers with weights tell whether these are trained.
        splines: How edges run: `"ortho"` (right angles), `"curved"`, `"polyline"`, `"spline"`, `"line"`.
        **kwargs: Nothing: an unknown argument is refused.

    Raises:
        ImportError: If pydot is not installed.
        ValueError: If a model is not built.
    """
    show = Show(show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable, expand_nested)
    drawing = _drawing(model, show, rankdir, splines, kwargs)
    try:
        import pydot
    except ImportError as error:
        raise ImportError("`model_to_dot` needs pydot: `pip install 'torchkeras-api[plot]'`.") from error
    if subgraph:
        graph = _cluster(pydot, model.name, model.name)
    else:
        graph = pydot.Dot(model.name, graph_type="digraph", rankdir=rankdir, dpi=str(dpi), splines=splines)
        graph.set_node_defaults(shape="plain", fontname="Helvetica")
    _fill(pydot, graph, drawing.group, drawing)
    for one, other in drawing.edges:
        graph.add_edge(pydot.Edge(one, other))
    return graph


def _cluster(pydot: Any, key: str, name: str) -> Any:
    return pydot.Cluster(key, label=name, style="dashed", labeljust="l", fontname="Helvetica")


def _fill(pydot: Any, graph: Any, group: Group, drawing: Drawing) -> None:
    for key in group.keys:
        graph.add_node(pydot.Node(key, label=_table(drawing.boxes[key])))
    for inner in group.groups:
        cluster = _cluster(pydot, next(iter(inner.all_keys())), inner.name)
        _fill(pydot, cluster, inner, drawing)
        graph.add_subgraph(cluster)


def _table(box: Box) -> str:
    rows = [f'<tr><td bgcolor="black"><font color="white"><b>{html.escape(box.title)}</b></font></td></tr>']
    rows += [f"<tr><td>{html.escape(line)}</td></tr>" for line in box.lines]
    if box.trainable is not None:
        color, text = ("forestgreen", "Trainable") if box.trainable else ("firebrick", "Non-trainable")
        rows.append(f'<tr><td bgcolor="{color}"><font color="white">{text}</font></td></tr>')
    return f'<<table border="0" cellborder="1" cellspacing="0" cellpadding="6">{"".join(rows)}</table>>'


def plot_model(
    model: Any,
    to_file: str | Path = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs: Any,
) -> Any:
    """Write a picture of a model.

    graphviz draws it where its program `dot` is installed (`apt install graphviz`, `brew install graphviz`,
    `conda install graphviz`), else matplotlib does, with a simpler layout.

    Args:
        model: A built model.
        to_file: The picture. Its extension tells the format: `png`, `svg`, `pdf`, `jpg`, or `dot` for graphviz's language.
        show_shapes: Whether shapes are shown.
        show_dtype: Whether types are shown.
        show_layer_names: Whether names are shown.
        rankdir: `"TB"` from top to bottom, `"LR"` from left to right.
        expand_nested: Whether the layers of nested models are shown.
        dpi: Dots per inch.
        show_layer_activations: Whether activations are shown.
        show_trainable: Whether it is shown what is trained.
        splines: The kind of lines: `"ortho"`, `"curved"` and the like.
        **kwargs: Nothing: an unknown argument is refused.

    Returns:
        In IPython the picture, which a notebook shows; otherwise `None`.

    Raises:
        ImportError: If neither way is there.
        ValueError: If there is a model that is not built, or an unknown format.
    """
    path = Path(to_file)
    kind = path.suffix[1:].lower() or "png"
    options: dict[str, Any] = {
        "show_shapes": show_shapes, "show_dtype": show_dtype, "show_layer_names": show_layer_names, "expand_nested": expand_nested,
        "show_layer_activations": show_layer_activations, "show_trainable": show_trainable,
    }  # fmt: skip
    if kind == "dot":
        path.write_text(model_to_dot(model, rankdir=rankdir, dpi=dpi, splines=splines, **options, **kwargs).to_string(), encoding="utf-8")
        return None
    if shutil.which("dot"):
        graph = model_to_dot(model, rankdir=rankdir, dpi=dpi, splines=splines, **options, **kwargs)
        graph.write(str(path), format="jpeg" if kind == "jpg" else kind)
    else:
        show = Show(show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable, expand_nested)
        draw(_drawing(model, show, rankdir, splines, kwargs), path, kind, rankdir, dpi, splines)
    return _in_ipython(path, kind)


def _in_ipython(path: Path, kind: str) -> Any:
    try:
        from IPython import display
    except ImportError:
        return None
    if kind == "svg":
        return display.SVG(filename=str(path))
    return display.Image(filename=str(path)) if kind in ("png", "jpg", "jpeg", "gif") else None
