"""Nests of arrays as users pass them: readable names for their leaves, and a quick way to put other leaves in their places."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any

from .. import tree

Builder = Callable[[Sequence[Any]], Any]


def map_leaves(function: Callable[[Any], Any], nest: Any) -> Any:
    """`nest` with `function` applied to every leaf that is not `None`."""
    return tree.map_structure(function, nest, none_is_leaf=False)


def named_leaves(nest: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The leaves of `nest` that are not `None`, each with its name, such as `x['wide']` or `y[1]`."""
    for path, leaf in tree.flatten_with_path(nest):
        if leaf is not None:
            yield name + "".join(f"[{step!r}]" for step in path), leaf


def first_leaf(nest: Any) -> Any:
    """The first leaf of `nest` that has a first axis, or `None`."""
    return next((leaf for leaf in tree.flatten(nest) if getattr(leaf, "ndim", 0)), None)


def builder(nest: Any) -> Builder | None:
    """A function from a flat tuple of leaves (in the order of `named_leaves`) to a nest like this one.

    Called once for every batch, it is made of closures instead of walking the nest.

    Returns:
        `None` when the flat tuple already is the nest: a plain tuple of leaves.
    """
    if type(nest) is tuple and not any(entry is None or tree.is_nested(entry) for entry in nest):
        return None
    places = iter(range(len(tree.flatten(nest))))
    return _builder(map_leaves(lambda leaf: next(places), nest))


def _builder(places: Any) -> Builder:
    if places is None:
        return lambda leaves: None
    if isinstance(places, int):
        return itemgetter(places)
    if isinstance(places, dict):
        entries = [(key, _builder(value)) for key, value in places.items()]
        return lambda leaves: {key: build(leaves) for key, build in entries}
    parts = [_builder(value) for value in places]
    make: Any = getattr(type(places), "_make", type(places))
    return lambda leaves: make([build(leaves) for build in parts])
