"""A layered picture of boxes and edges through matplotlib, for machines without graphviz."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .plotting import Box, Drawing, Group

_SIZE, _PAD, _GAP = 10.0, 6.0, 28.0  # points: letters, the space around a line of text, the space between boxes
_ROW = _SIZE + 2 * _PAD


class Point:
    """The centre and size of a box, or of the way that an edge takes through a rank (`box` is `None`)."""

    def __init__(self, rank: int, width: float, height: float, box: Box | None = None) -> None:
        self.rank, self.width, self.height, self.box = rank, width, height, box
        self.x = self.y = 0.0  # across and along the direction of the graph
        self.start = self.stop = 0.0  # of its rank, along that direction
        self.before: list[Point] = []
        self.after: list[Point] = []


def _ranks(drawing: Drawing) -> dict[str, int]:
    """The length of the longest way from an input to each box; inputs stand right before what takes them."""
    before: dict[str, list[str]] = {key: [] for key in drawing.boxes}
    after: dict[str, list[str]] = {key: [] for key in drawing.boxes}
    for one, other in drawing.edges:
        if one != other:
            before[other].append(one)
            after[one].append(other)
    ranks: dict[str, int] = {}
    waiting = {key: len(makers) for key, makers in before.items()}
    ready = [key for key, count in waiting.items() if not count]
    while len(ranks) < len(waiting):
        key = ready.pop() if ready else next(k for k in waiting if k not in ranks)  # a layer that is used twice can make a circle
        ranks[key] = max((ranks[maker] + 1 for maker in before[key] if maker in ranks), default=0)
        for taker in after[key]:
            waiting[taker] -= 1
            if not waiting[taker] and taker not in ranks:
                ready.append(taker)
    for key, makers in before.items():
        if not makers and after[key]:
            ranks[key] = max(0, min(ranks[taker] for taker in after[key]) - 1)
    return ranks


def _place(ranks: list[list[Point]], sideways: bool) -> None:
    """Order the points of each rank by their neighbours, then pull each as near to them as its place in the order allows."""

    def extent(point: Point) -> float:
        return point.height if sideways else point.width

    for sweep in range(12):
        down = sweep % 2 == 0
        for row in ranks if down else reversed(ranks):
            wanted = {}
            for point in row:
                near = point.before if down else point.after
                wanted[id(point)] = sum(p.x for p in near) / len(near) if near else point.x
            if sweep < 8:
                row.sort(key=lambda p: wanted[id(p)])
            edge = float("-inf")
            for point in row:
                point.x = max(wanted[id(point)], edge + extent(point) / 2)
                edge = point.x + extent(point) / 2 + _GAP
            shift = sum(p.x - wanted[id(p)] for p in row) / len(row)
            for point in row:
                point.x -= shift
    depth = 0.0
    for row in ranks:
        thick = max(p.width if sideways else p.height for p in row)
        for point in row:
            point.y, point.start, point.stop = depth + thick / 2, depth, depth + thick
            if point.box is None:
                point.width, point.height = (thick, 1.0) if sideways else (1.0, thick)
        depth += thick + _GAP


def draw(drawing: Drawing, path: Path, kind: str, rankdir: str, dpi: int, splines: str) -> None:
    """Write the picture.

    Args:
        drawing: Boxes, edges and groups.
        path: The file.
        kind: Its format.
        rankdir: As graphviz's.
        dpi: Dots per inch.
        splines: As graphviz's; `"spline"` is drawn as `"curved"`, `"polyline"` as `"line"`.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.patches import FancyArrowPatch, Rectangle
        from matplotlib.path import Path as Curve
        from matplotlib.textpath import TextPath
    except ImportError as error:
        raise ImportError(
            "`plot_model` needs graphviz's program `dot` (`apt install graphviz`, `brew install graphviz` or `conda install graphviz`) and "
            "pydot, or matplotlib: `pip install torchkeras[plot]`."
        ) from error

    def size(text: str) -> float:
        return float(TextPath((0, 0), text.replace("$", r"\$"), size=_SIZE).vertices[:, 0].max()) + 2 * _PAD

    def rows(box: Box) -> list[tuple[str, str, str]]:
        mark = (
            []
            if box.trainable is None
            else [("Trainable", "white", "forestgreen") if box.trainable else ("Non-trainable", "white", "firebrick")]
        )
        return [(box.title, "white", "black"), *((line, "black", "white") for line in box.lines), *mark]

    ranks = _ranks(drawing)
    points = {
        key: Point(ranks[key], max(size(t) for t, _, _ in rows(box)), _ROW * len(rows(box)), box) for key, box in drawing.boxes.items()
    }
    layers: list[list[Point]] = [[] for _ in range(max(ranks.values()) + 1)]
    for point in points.values():
        layers[point.rank].append(point)
    chains = []
    for one, other in sorted(drawing.edges, key=lambda edge: ranks[edge[0]]):
        back = ranks[one] > ranks[other]
        one, other = (other, one) if back else (one, other)
        chain = [points[one]]
        for rank in range(ranks[one] + 1, ranks[other]):  # an edge over several ranks keeps its way free
            chain.append(Point(rank, 1.0, 1.0))
            layers[rank].append(chain[-1])
        chain.append(points[other])
        for upper, lower in zip(chain, chain[1:]):
            if upper is not lower:
                upper.after.append(lower)
                lower.before.append(upper)
        chains.append((chain, "<|-" if back else "-|>"))
    layers = [layer for layer in layers if layer]
    sideways = rankdir in ("LR", "RL")
    _place(layers, sideways)
    sign = -1 if rankdir in ("TB", "RL") else 1

    def centre(point: Point) -> tuple[float, float]:
        return (sign * point.y, -point.x) if sideways else (point.x, sign * point.y)

    def end(point: Point, leaving: bool) -> tuple[float, float]:
        """Where an edge touches the box."""
        x, y = centre(point)
        half = (point.width if sideways else point.height) / 2 * sign * (1 if leaving else -1)
        return (x + half, y) if sideways else (x, y + half)

    everything = [point for layer in layers for point in layer]
    left, right = (f(centre(p)[0] + s * p.width / 2 for p in everything) for f, s in ((min, -1), (max, 1)))
    low, high = (f(centre(p)[1] + s * p.height / 2 for p in everything) for f, s in ((min, -1), (max, 1)))
    margin = _PAD + (_GAP if drawing.group.groups or any(one == other for one, other in drawing.edges) else 0)
    width, height = right - left + 2 * margin, high - low + 2 * margin
    scale = min(1.0, 30_000 / dpi / max(width, height) * 72)  # Agg draws no larger pictures
    figure = Figure(figsize=(width / 72 * scale, height / 72 * scale), dpi=dpi)
    axes: Any = figure.add_axes((0, 0, 1, 1), xlim=(left - margin, right + margin), ylim=(low - margin, high + margin))
    axes.axis("off")

    for chain, arrow in chains:
        route: list[tuple[float, float]] = []
        for upper, lower in zip(chain, chain[1:]):
            if upper is lower:  # a layer called on what it made
                x, y = centre(upper)
                side = x + upper.width / 2
                route = [(side, y - _PAD), (side + _GAP / 2, y - _PAD), (side + _GAP / 2, y + _PAD), (side, y + _PAD)]
                continue
            (x0, y0), (x1, y1) = end(upper, True), end(lower, False)
            bend = sign * (upper.stop + lower.start) / 2  # between the ranks, where no box is
            turns = [(bend, y0), (bend, y1)] if sideways else [(x0, bend), (x1, bend)]
            route.append((x0, y0))
            if splines == "ortho":
                route += turns
            elif splines in ("curved", "spline"):
                route += [_bezier([(x0, y0), *turns, (x1, y1)], t / 16) for t in range(1, 16)]
            route.append((x1, y1))
        axes.add_patch(
            FancyArrowPatch(path=Curve(route), arrowstyle=arrow, mutation_scale=10, color="black", linewidth=1, shrinkA=0, shrinkB=0)
        )
    for point in points.values():
        x, y = centre(point)
        for i, (text, ink, paper) in enumerate(rows(point.box)):  # type: ignore[arg-type]
            top = y + point.height / 2 - i * _ROW
            axes.add_patch(
                Rectangle((x - point.width / 2, top - _ROW), point.width, _ROW, facecolor=paper, edgecolor="black", linewidth=1, zorder=3)
            )
            axes.text(x, top - _ROW / 2, text, color=ink, size=_SIZE * scale, ha="center", va="center", zorder=4, parse_math=False)

    def frame(group: Group, depth: int) -> None:
        inside = [points[key] for key in group.all_keys()]
        around = _PAD * max(1, 3 - depth)
        x0, x1 = min(centre(p)[0] - p.width / 2 for p in inside) - around, max(centre(p)[0] + p.width / 2 for p in inside) + around
        y0, y1 = min(centre(p)[1] - p.height / 2 for p in inside) - around, max(centre(p)[1] + p.height / 2 for p in inside) + around
        axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor="gray", linestyle="dashed", zorder=1))
        axes.text(x0, y1 + 2, group.name, size=_SIZE * scale * 0.9, color="gray", ha="left", va="bottom", parse_math=False)
        for inner in group.groups:
            frame(inner, depth + 1)

    for group in drawing.group.groups:
        frame(group, 0)
    known = figure.canvas.get_supported_filetypes()
    if kind not in known:
        raise ValueError(f"`to_file` must have one of the extensions {', '.join(sorted(known))}. Received: to_file={str(path)!r}")
    figure.savefig(path, format=kind, dpi=dpi)


def _bezier(points: list[tuple[float, float]], t: float) -> tuple[float, float]:
    """The place at `t`, from 0 to 1, on the curve that four points make."""
    s = 1 - t
    weights = (s**3, 3 * s * s * t, 3 * s * t * t, t**3)
    return sum(w * x for w, (x, _) in zip(weights, points)), sum(w * y for w, (_, y) in zip(weights, points))
