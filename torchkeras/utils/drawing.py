"""Pictures of boxes and edges through matplotlib, for machines without graphviz."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import layout

if TYPE_CHECKING:
    from .plotting import Box, Drawing

_SIZE, _PAD = 10.0, 6.0  # points: letters, and the space around a line of text
_ROW = _SIZE + 2 * _PAD
_CORNER = 4.0  # points: of an edge that turns, so that crossing edges and turning ones are told apart


def draw(drawing: Drawing, path: Path, kind: str, rankdir: str, dpi: int, splines: str) -> None:
    """Write the picture.

    Args:
        drawing: Boxes, edges and groups.
        path: The file.
        kind: Its format.
        rankdir: Where the graph goes: `"TB"`, `"BT"`, `"LR"` or `"RL"`.
        dpi: Dots per inch.
        splines: How edges run: `"ortho"`; `"curved"` or `"spline"`; `"line"` or `"polyline"`.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.patches import FancyArrowPatch, Rectangle
        from matplotlib.path import Path as Curve
        from matplotlib.textpath import TextPath
    except ImportError as error:
        raise ImportError(
            "`plot_model` needs graphviz's program `dot` (`apt install graphviz`, `brew install graphviz` or `conda install graphviz`) and "
            "pydot, or matplotlib: `pip install 'torchkeras-api[plot]'`."
        ) from error

    sideways = rankdir in ("LR", "RL")
    side: layout.Side = "across" if sideways else "start" if rankdir == "TB" else "end"

    def text_width(text: str) -> float:
        return float(TextPath((0, 0), text.replace("$", r"\$"), size=_SIZE).vertices[:, 0].max()) + 2 * _PAD

    def box_size(key: str) -> tuple[float, float]:
        rows = _rows(drawing.boxes[key])
        touching = max(sum(edge[end] == key for edge in drawing.edges) for end in (0, 1))
        width, height = max(text_width(text) for text, _, _ in rows), _ROW * len(rows)
        across = height if sideways else width
        across = max(across, 6.0 * (touching + 1))
        return (across, width) if sideways else (across, height)

    region = layout.place(drawing.group, drawing.edges, box_size, lambda name: text_width(name) if name else 0.0, side)
    across, along = region.size

    def at(x: float, y: float) -> tuple[float, float]:
        """A place across and along, on the picture."""
        return {"TB": (x, along - y), "BT": (x, y), "LR": (y, across - x), "RL": (along - y, across - x)}[rankdir]

    width, height = (along, across) if sideways else (across, along)
    scale = min(1.0, 30_000 / dpi / max(width, height) * 72)  # Agg draws no larger pictures
    margin = 6.0
    figure = Figure(figsize=((width + 2 * margin) / 72 * scale, (height + 2 * margin) / 72 * scale), dpi=dpi)
    axes: Any = figure.add_axes((0, 0, 1, 1), xlim=(-margin, width + margin), ylim=(-margin, height + margin))
    axes.axis("off")

    def rectangle(low: tuple[float, float], high: tuple[float, float], **options: Any) -> None:
        (x0, y0), (x1, y1) = at(*low), at(*high)
        axes.add_patch(Rectangle((min(x0, x1), min(y0, y1)), abs(x1 - x0), abs(y1 - y0), **options))

    def box(item: layout.Item, x: float, y: float) -> None:
        middle, top = at(x + item.x, y + item.y + item.length / 2)
        rows = _rows(drawing.boxes[item.key or ""])
        wide, high = (item.length, item.width) if sideways else (item.width, item.length)
        each = high / len(rows)
        for i, (text, ink, paper) in enumerate(rows):
            low = top + high / 2 - (i + 1) * each
            axes.add_patch(Rectangle((middle - wide / 2, low), wide, each, facecolor=paper, edgecolor="black", linewidth=1, zorder=3))
            axes.text(middle, low + each / 2, text, color=ink, size=_SIZE * scale, ha="center", va="center", zorder=4, parse_math=False)

    def edge(route: layout.Route, x: float, y: float) -> None:
        points = route.points
        if splines not in ("ortho", "line", "polyline") and len(route.bends) == 2 and route.bends[1] > 1:
            first, last = (points[i] for i in route.bends)
            half = (first[1] + last[1]) / 2
            curve = [_bezier([first, (first[0], half), (last[0], half), last], t / 16) for t in range(17)]
            points = [points[0], *curve, points[-1]]
        elif splines in ("line", "polyline"):
            points = [points[0], *(points[i] for i in route.bends), points[-1]]
        places = [at(x + a, y + b) for a, b in points]
        places = [place for i, place in enumerate(places) if not i or place != places[i - 1]]
        if len(places) < 2:
            return
        corners, codes = _rounded(places) if splines == "ortho" else (places, [1] + [2] * (len(places) - 1))
        arrow = "-" if route.head is None else "-|>" if route.head else "<|-"
        shape = Curve(corners, codes)
        axes.add_patch(FancyArrowPatch(path=shape, arrowstyle=arrow, mutation_scale=9, color="black", linewidth=1, shrinkA=0, shrinkB=0))

    def show(region: layout.Region, x: float, y: float, framed: bool) -> None:
        if framed:
            wide, long = region.size
            rectangle((x, y), (x + wide, y + long), fill=False, edgecolor="gray", linestyle="dashed", zorder=1)
            (x0, y0), (x1, y1) = at(x, y), at(x + wide, y + long)
            low, high = min(x0, x1) + layout.PAD, max(y0, y1) - layout.LABEL / 2 - 2
            axes.text(low, high, region.name, size=_SIZE * scale * 0.9, color="gray", ha="left", va="center", parse_math=False)
        for route in region.routes:
            edge(route, x, y)
        for item in region.items:
            if item.region is None:
                box(item, x, y)
            else:
                show(item.region, x + item.x - item.width / 2, y + item.y, framed=True)

    show(region, 0.0, 0.0, framed=False)
    known = figure.canvas.get_supported_filetypes()
    if kind not in known:
        raise ValueError(f"`to_file` must have one of the extensions {', '.join(sorted(known))}. Received: to_file={str(path)!r}")
    figure.savefig(path, format=kind, dpi=dpi)


def _rows(box: Box) -> list[tuple[str, str, str]]:
    """The lines of a box: text, its colour, and that of the ground."""
    rows = [(box.title, "white", "black"), *((line, "black", "white") for line in box.lines)]
    if box.trainable is not None:
        rows.append(("Trainable", "white", "forestgreen") if box.trainable else ("Non-trainable", "white", "firebrick"))
    return rows


def _rounded(points: list[tuple[float, float]]) -> tuple[list[tuple[float, float]], list[int]]:
    """The corners of a line made round, and matplotlib's codes for it."""
    corners, codes = [points[0]], [1]
    for before, (x, y), after in zip(points, points[1:], points[2:]):
        for (x0, y0), code in ((before, 2), (after, 3)):
            length = abs(x - x0) + abs(y - y0)
            part = min(_CORNER, length / 2) / length
            corners += [(x + (x0 - x) * part, y + (y0 - y) * part)] if code == 2 else [(x, y), (x + (x0 - x) * part, y + (y0 - y) * part)]
            codes += [2] if code == 2 else [3, 3]
    return [*corners, points[-1]], [*codes, 2]


def _bezier(points: list[tuple[float, float]], t: float) -> tuple[float, float]:
    """The place at `t`, from 0 to 1, on the curve that four points make."""
    s = 1 - t
    weights = (s**3, 3 * s * s * t, 3 * s * t * t, t**3)
    return sum(w * x for w, (x, _) in zip(weights, points)), sum(w * y for w, (_, y) in zip(weights, points))
