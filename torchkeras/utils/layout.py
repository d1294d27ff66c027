"""Places for boxes, in ranks, and ways for the edges between them that touch no box, for machines without graphviz."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

GAP, PAD, LABEL = 14.0, 10.0, 16.0  # points: between boxes, around what a group holds, for the name of a group
TRACK, STUB, PORT = 7.0, 13.0, 12.0  # between edges that run side by side, between these and boxes, between edges that touch a box

Side = Literal["start", "end", "across"]  # where the name of a group stands
Edge = tuple[str, str]
Point = tuple[float, float]  # across and along the direction of the graph


@dataclass(eq=False)
class Item:
    """A box, a group that is drawn open, or the place of an edge on its way through a rank.

    Args:
        key: The key of the box.
        width: Its size across.
        length: Its size along the direction of the graph.
        region: What the group holds.
    """

    key: str | None = None
    width: float = 0.0
    length: float = 0.0
    region: Region | None = None
    x: float = 0.0  # the middle, across
    y: float = 0.0  # where it begins, along
    before: list[Link] = field(default_factory=list)
    after: list[Link] = field(default_factory=list)

    @property
    def is_way(self) -> bool:
        """Whether an edge passes here."""
        return self.key is None and self.region is None


@dataclass(eq=False)
class Link:
    """The part of an edge between two ranks that follow each other.

    Args:
        edge: The edge.
        upper: Where it begins.
        lower: Where it ends.
        head: Whether an arrow ends at the upper or the lower item, if at one.
    """

    edge: Edge
    upper: Item
    lower: Item
    head: Literal["upper", "lower"] | None = None
    leaves: float = 0.0  # where it touches the items, from their middles
    enters: float = 0.0
    track: int | None = None

    @property
    def ends(self) -> tuple[float, float]:
        """Where it begins and ends, across."""
        return self.upper.x + self.leaves, self.lower.x + self.enters


@dataclass
class Route:
    """A part of an edge.

    Args:
        points: Its corners.
        bends: The numbers of the corners at which it enters and leaves the room between two ranks.
        head: The end that has an arrow, 0 or -1, if one has.
    """

    points: list[Point]
    bends: list[int]
    head: int | None


@dataclass
class Region:
    """What a group holds, from (0, 0).

    Args:
        name: Its name.
        items: Its boxes and groups.
        routes: The edges inside it.
        size: Across and along.
        starts: Where edges cross its beginning, across.
        ends: Where edges cross its end, across.
    """

    name: str
    items: list[Item]
    routes: list[Route]
    size: Point
    starts: dict[Edge, float]
    ends: dict[Edge, float]


@dataclass
class Group:
    """Boxes, and groups inside the group.

    Args:
        name: Its name.
        keys: The keys of its boxes.
        groups: The groups.
    """

    name: str
    keys: list[str] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)

    def all_keys(self) -> Iterable[str]:
        """The keys of its boxes, those of inner groups included."""
        yield from self.keys
        for group in self.groups:
            yield from group.all_keys()


def place(
    group: Group,
    edges: Iterable[Edge],
    box_size: Callable[[str], Point],
    name_size: Callable[[str], float],
    side: Side,
    starts: Iterable[Edge] = (),
    ends: Iterable[Edge] = (),
) -> Region:
    """Find places for what a group holds.

    Args:
        group: The group.
        edges: All edges, those outside of the group included.
        box_size: Tells the size of a box, across and along.
        name_size: Tells how wide the name of a group is.
        side: Where the names of groups stand.
        starts: The edges that cross the beginning of the group.
        ends: Those that cross its end.
    """
    edges = list(edges)
    outer: dict[str, Item] = {}  # from the key of a box to what stands for it here
    items: list[Item] = []
    for key in group.keys:
        outer[key] = Item(key, *box_size(key))
        items.append(outer[key])
    inside: dict[int, Group] = {}
    for inner in group.groups:
        item = Item(region=Region(inner.name, [], [], (0.0, 0.0), {}, {}))
        items.append(item)
        inside[id(item)] = inner
        outer.update(dict.fromkeys(inner.all_keys(), item))
    own = [(edge, outer[edge[0]], outer[edge[1]]) for edge in edges if edge[0] in outer and edge[1] in outer]
    own = [(edge, one, other) for edge, one, other in own if one is not other]
    ranks, turned = _ranks(items, [(one, other) for _, one, other in own])

    rows: list[list[Item]] = [[] for _ in range(max(ranks.values()) + 3)]  # the first and the last for edges that cross the frame
    for item in items:
        rows[ranks[id(item)] + 1].append(item)
    links: list[list[Link]] = [[] for _ in rows]
    crossing: dict[tuple[str, Edge], Item] = {}

    def join(edge: Edge, upper: Item, lower: Item, first: int, last: int, head: Literal["upper", "lower"] | None) -> None:
        chain = [upper, *(Item() for _ in range(first + 1, last)), lower]
        for i, (one, other) in enumerate(zip(chain, chain[1:])):
            if i:
                rows[first + i].append(one)
            link = Link(edge, one, other, head if (i == 0 if head == "upper" else i == len(chain) - 2) else None)
            links[first + i].append(link)
            one.after.append(link)
            other.before.append(link)

    for edge, one, other in own:
        back = (id(one), id(other)) in turned
        upper, lower = (other, one) if back else (one, other)
        head: Literal["upper", "lower"] | None = None if other.region is not None else "upper" if back else "lower"
        join(edge, upper, lower, ranks[id(upper)] + 1, ranks[id(lower)] + 1, head)
    for name, those in (("start", starts), ("end", ends)):
        for edge in those:
            crossing[name, edge] = way = Item()
            rows[0 if name == "start" else -1].append(way)
            item = outer[edge[1] if edge[1] in outer else edge[0]]
            arrives = edge[1] in outer and item.region is None
            rank = ranks[id(item)] + 1
            if name == "start":
                join(edge, way, item, 0, rank, "lower" if arrives else None)
            else:
                join(edge, item, way, rank, len(rows) - 1, "upper" if arrives else None)
    for item in items:
        if item.region is not None:
            above, below = ([link.edge for link in those] for those in (item.before, item.after))
            item.region = place(inside[id(item)], edges, box_size, name_size, side, above, below)
            item.width, item.length = item.region.size

    _order(rows, links)
    _spread(rows)
    height = _descend(rows, links)
    return _region(group, rows, links, items, crossing, height, {edge for edge in edges if edge[0] == edge[1]}, name_size, side)


def _ranks(items: list[Item], edges: list[tuple[Item, Item]]) -> tuple[dict[int, int], set[tuple[int, int]]]:
    """The length of the longest way to each item, sources right before what takes them, and the edges that go back, which do not count."""
    after: dict[int, list[int]] = {id(item): [] for item in items}
    for start, end in edges:
        after[id(start)].append(id(end))
    state: dict[int, int] = {}  # 1 on the way, 2 done
    turned: set[tuple[int, int]] = set()
    done: list[int] = []
    targets = {id(other) for _, other in edges}
    for root in sorted(after, key=lambda key: key in targets):
        stack = [(root, iter(after[root]))] if root not in state else []
        state.setdefault(root, 1)
        while stack:
            key, following = stack[-1]
            for other in following:
                if state.get(other) == 1:
                    turned.add((key, other))
                elif other not in state:
                    state[other] = 1
                    stack.append((other, iter(after[other])))
                    break
            else:
                state[key] = 2
                done.append(key)
                stack.pop()
    ways = [(b, a) if (a, b) in turned else (a, b) for a, others in after.items() for b in others]
    forward: dict[int, list[int]] = {key: [] for key in after}
    sources = set(after)
    for a, b in ways:
        forward[a].append(b)
        sources.discard(b)
    ranks = dict.fromkeys(after, 0)
    for key in reversed(done):
        for other in forward[key]:
            ranks[other] = max(ranks[other], ranks[key] + 1)
    for key in sources:
        if forward[key]:
            ranks[key] = min(ranks[other] for other in forward[key]) - 1
    return ranks, turned


def _order(rows: list[list[Item]], links: list[list[Link]]) -> None:
    """Order each rank so that few edges cross: by the middle of the neighbours, down and up, and the best that was seen."""
    place: dict[int, int] = {}

    def where(item: Item, offset: float) -> float:
        return place[id(item)] + offset / (item.width + 1)

    def port(link: Link, lower: bool) -> float:
        item = link.lower if lower else link.upper
        if item.region is None:
            return where(item, 0)
        return where(item, (item.region.starts if lower else item.region.ends)[link.edge] - item.width / 2)

    def number(row: list[Item]) -> None:
        place.update((id(item), i) for i, item in enumerate(row))

    def crossings() -> int:
        total = 0
        for those in links:
            ends = sorted((port(link, False), port(link, True)) for link in those)
            total += sum(b1 < b0 for i, (a0, b0) in enumerate(ends) for a1, b1 in ends[i + 1 :] if a1 > a0)
        return total

    for row in rows:
        number(row)
    best, kept = crossings(), [list(row) for row in rows]
    for sweep in range(16):
        if not best:
            break
        down = sweep % 2 == 0
        for row in rows if down else rows[::-1]:
            wanted = {}
            for item in row:
                near = [port(link, False) for link in item.before] if down else [port(link, True) for link in item.after]
                wanted[id(item)] = sum(near) / len(near) if near else float(place[id(item)])
            row.sort(key=lambda item: wanted[id(item)])
            number(row)
        count = crossings()
        if count < best:
            best, kept = count, [list(row) for row in rows]
    for row, order in zip(rows, kept):
        row[:] = order


def _touch(rows: list[list[Item]]) -> None:
    """Where edges touch their boxes: each at a place of its own, in the order of where they come from and go to."""

    def spread(links: list[Link], lower: bool) -> None:
        links.sort(key=lambda link: link.upper.x + link.leaves if lower else link.lower.x + link.enters)
        direct = [i for i, link in enumerate(links) if not (link.upper if lower else link.lower).is_way]
        middle = direct[0] if len(direct) == 1 else (len(links) - 1) / 2
        item = (links[0].lower if lower else links[0].upper) if links else None
        for i, link in enumerate(links):
            assert item is not None
            if item.region is not None:
                offset = (item.region.starts if lower else item.region.ends)[link.edge] - item.width / 2
            else:
                reach = max(middle, len(links) - 1 - middle)
                offset = (i - middle) * min(PORT, (item.width / 2 - 4) / reach if reach else PORT)
            if lower:
                link.enters = offset
            else:
                link.leaves = offset

    for row in rows:
        for item in row:
            spread(item.before, lower=True)
            spread(item.after, lower=False)


def _spread(rows: list[list[Item]]) -> None:
    """Give items their places across: as near to their neighbours as the order and their sizes allow, long edges straight."""
    for row in rows:
        edge = 0.0
        for item in row:
            item.x = edge + item.width / 2
            edge += item.width + GAP
    for sweep in range(40):
        if sweep % 8 == 0:
            _touch(rows)
        for row in rows if sweep % 2 == 0 else rows[::-1]:
            wanted = []
            for item in row:
                pulls = [
                    (_strength(link), link.upper.x + link.leaves - link.enters) for link in item.before if sweep % 2 == 0 or sweep > 16
                ]
                pulls += [(_strength(link), link.lower.x + link.enters - link.leaves) for link in item.after if sweep % 2 or sweep > 16]
                pulls = pulls or [(0.01, item.x)]
                weight = sum(w for w, _ in pulls)
                wanted.append((weight, sum(w * x for w, x in pulls) / weight))
            for item, x in zip(row, _apart(row, wanted)):
                item.x = x
    for _ in range(3):
        _straighten(rows)
    _touch(rows)


def _straighten(rows: list[list[Item]]) -> None:
    """Put items that follow each other, one to one, on one line where there is room for it."""
    free: dict[int, tuple[float, float]] = {}  # where an item may stand between its neighbours

    def look(row: list[Item]) -> None:
        for i, item in enumerate(row):
            left, right = (row[i - 1] if i else None), (row[i + 1] if i + 1 < len(row) else None)
            low = float("-inf") if left is None else left.x + (left.width + item.width) / 2 + GAP
            high = float("inf") if right is None else right.x - (right.width + item.width) / 2 - GAP
            free[id(item)] = low, high

    def follows(item: Item) -> Link | None:
        return item.after[0] if len(item.after) == 1 and len(item.after[0].lower.before) == 1 else None

    home = {id(item): row for row in rows for item in row}
    for row in rows:
        look(row)
    for row in rows:
        for item in row:
            if len(item.before) == 1 and len(item.before[0].upper.after) == 1:
                continue  # not the first of its line
            line, shifts = [item], [0.0]
            while link := follows(line[-1]):
                line.append(link.lower)
                shifts.append(shifts[-1] + link.leaves - link.enters)
            low = max(free[id(one)][0] - shift for one, shift in zip(line, shifts))
            high = min(free[id(one)][1] - shift for one, shift in zip(line, shifts))
            if low <= high and len(line) > 1:
                wanted = sorted(one.x - shift for one, shift in zip(line, shifts))[len(line) // 2]
                for one, shift in zip(line, shifts):
                    one.x = min(max(wanted, low), high) + shift
                    look(home[id(one)])


def _strength(link: Link) -> float:
    return 8.0 if link.upper.is_way and link.lower.is_way else 2.0 if link.upper.is_way or link.lower.is_way else 4.0


def _apart(row: list[Item], wanted: list[tuple[float, float]]) -> list[float]:
    """The places nearest to those that are wanted, with weights, at which the items of a rank do not touch (isotonic regression)."""
    shifts, shift = [], 0.0
    for i, item in enumerate(row):
        shift += (row[i - 1].width + item.width) / 2 + GAP if i else 0.0
        shifts.append(shift)
    blocks: list[list[float]] = []  # weight, place, count
    for (weight, x), shift in zip(wanted, shifts):
        blocks.append([weight, x - shift, 1])
        while len(blocks) > 1 and blocks[-2][1] > blocks[-1][1]:
            w, y, n = blocks.pop()
            total = blocks[-1][0] + w
            blocks[-1] = [total, (blocks[-1][0] * blocks[-1][1] + w * y) / total, blocks[-1][2] + n]
    places = [y for _, y, n in blocks for _ in range(int(n))]
    return [y + shift for y, shift in zip(places, shifts)]


def _descend(rows: list[list[Item]], links: list[list[Link]]) -> float:
    """Give ranks their places along, with room between them for the edges that run side by side; returns where the last one ends."""
    y = 0.0
    for row, those in zip(rows, links):
        thick = max((item.length for item in row), default=0.0)
        for item in row:
            item.y = y + (thick - item.length) / 2
        y += thick
        tracks = _tracks(those)
        y += 2 * STUB + TRACK * max(tracks - 1, 0) if those else 0.0
    return y


def _tracks(links: list[Link]) -> int:
    """Give the edges between two ranks lines of their own where they run side by side; returns how many lines there are."""
    bent = [link for link in links if abs(link.ends[0] - link.ends[1]) > 1]
    spans = [(min(link.ends), max(link.ends)) for link in bent]

    def cost(a: int, b: int) -> float:
        """Of `a` running before `b`: crossings, and much for lying on each other."""
        (b_from, _), (_, a_to) = bent[b].ends, bent[a].ends
        return (spans[b][0] < a_to < spans[b][1]) + (spans[a][0] < b_from < spans[a][1]) + 100 * (abs(a_to - b_from) < 3)

    numbers = range(len(bent))
    worse = [[cost(a, b) - cost(b, a) if a != b else 0.0 for b in numbers] for a in numbers]
    left, order = list(numbers), []
    while left:
        order.append(min(left, key=lambda a: (sum(worse[a][b] for b in left), a)))
        left.remove(order[-1])
    for i, a in enumerate(order):
        side = [b for b in order[:i] if spans[a][0] - 3 < spans[b][1] and spans[b][0] < spans[a][1] + 3]
        bent[a].track = 1 + max((bent[b].track or 0 for b in side), default=-1)
    return max((1 + (link.track or 0) for link in bent), default=0)


def _region(
    group: Group,
    rows: list[list[Item]],
    links: list[list[Link]],
    items: list[Item],
    crossing: dict[tuple[str, Edge], Item],
    height: float,
    loops: set[Edge],
    name_size: Callable[[str], float],
    side: Side,
) -> Region:
    """Move all to (0, 0), with room for the frame and the name, and write down the ways of the edges."""
    everything = [item for row in rows for item in row]
    low = min(item.x - item.width / 2 for item in everything) - PAD
    high = max(item.x + item.width / 2 for item in everything) + PAD
    if any((item.key, item.key) in loops for item in items):
        high += STUB
    name = name_size(group.name) + 2 * PAD
    ports = [item.x for (where, _), item in crossing.items() if where == side]
    before, after = (LABEL if side == "start" else 0.0), (LABEL if side == "end" else 0.0)
    if side == "across":
        low -= LABEL
    else:
        low = min([low, *(x - name for x in ports)])
        high = max(high, low + name)
    height = max(height, name) if side == "across" else height
    for item in everything:
        item.x -= low
        item.y += before
    starts = {edge: item.x for (where, edge), item in crossing.items() if where == "start"}
    ends = {edge: item.x for (where, edge), item in crossing.items() if where == "end"}
    total = before + height + after
    routes = []
    for row, those in zip(rows, links):
        stop = max((item.y + item.length for item in row), default=0.0)
        tracks = max((1 + (link.track or 0) for link in those if link.track is not None), default=0)
        follow = stop + 2 * STUB + TRACK * max(tracks - 1, 0)
        for link in those:
            x0, x1 = link.ends
            y0, y1 = link.upper.y + link.upper.length, link.lower.y
            if link.track is None:
                x1 = x0
                points = [(x0, y0), (x0, stop), (x1, follow), (x1, y1)]
                bends = [1, 2]
            else:
                bend = stop + STUB + TRACK * link.track
                points = [(x0, y0), (x0, stop), (x0, bend), (x1, bend), (x1, follow), (x1, y1)]
                bends = [1, 4]
            routes.append(Route(points, bends, {"upper": 0, "lower": -1, None: None}[link.head]))
    for item in items:
        if (item.key, item.key) in loops:
            x, y = item.x + item.width / 2, item.y + item.length / 2
            corners = [(x, y - 5), (x + STUB, y - 5), (x + STUB, y + 5), (x, y + 5)]
            routes.append(Route(corners, [0, 3], -1))
    for (where, _), item in crossing.items():
        reach = (0.0, before) if where == "start" else (before + height, total)
        y = item.y
        ways = [(item.x, reach[0]), (item.x, y)] if where == "start" else [(item.x, y), (item.x, reach[1])]
        routes.append(Route(ways, [0, 1], None))
    return Region(group.name, items, routes, (high - low, total), starts, ends)
