"""Nests of arrays as users pass them: their leaves with readable names, and a function that puts new leaves in their places."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

Builder = Callable[[Sequence[Any]], Any]


def is_named_tuple(value: Any) -> bool:
    """Whether `value` is an instance of a named tuple class."""
    return isinstance(value, tuple) and hasattr(value, "_fields")


def map_leaves(function: Callable[[Any], Any], nest: Any) -> Any:
    """`nest` with `function` applied to every leaf that is not `None`; dicts keep the order of their keys."""
    if nest is None:
        return None
    if isinstance(nest, dict):
        return {key: map_leaves(function, value) for key, value in nest.items()}
    if is_named_tuple(nest):
        return type(nest)(*[map_leaves(function, value) for value in nest])
    if isinstance(nest, (list, tuple)):
        return type(nest)([map_leaves(function, value) for value in nest])
    return function(nest)


def named_leaves(nest: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The leaves of `nest` that are not `None`, each with its name, such as `x['wide']` or `y[1]`."""
    if isinstance(nest, dict):
        for key, value in nest.items():
            yield from named_leaves(value, f"{name}[{key!r}]")
    elif isinstance(nest, (list, tuple)):
        for index, value in enumerate(nest):
            yield from named_leaves(value, f"{name}[{index}]")
    elif nest is not None:
        yield name, nest


def first_leaf(nest: Any) -> Any:
    """The first leaf of `nest` that has a first axis, or `None`."""
    if isinstance(nest, (list, tuple)):
        nested = nest
    elif isinstance(nest, dict):
        nested = tuple(nest.values())
    else:
        return nest if getattr(nest, "ndim", 0) else None
    for value in nested:
        leaf = first_leaf(value)
        if leaf is not None:
            return leaf
    return None


def builder(nest: Any) -> Builder | None:
    """A function from a flat tuple of leaves (in the order of `named_leaves`) to a nest like this one.

    Returns:
        `None` when the flat tuple already is the nest: a plain tuple of leaves.
    """
    if type(nest) is tuple and all(value is not None and not isinstance(value, (dict, list, tuple)) for value in nest):
        return None
    return _builder(nest, iter(range(sum(1 for _ in named_leaves(nest, "")))))


def _builder(nest: Any, places: Iterator[int]) -> Builder:
    if nest is None:
        return lambda leaves: None
    if isinstance(nest, dict):
        entries = [(key, _builder(value, places)) for key, value in nest.items()]
        return lambda leaves: {key: build(leaves) for key, build in entries}
    if isinstance(nest, (list, tuple)):
        parts = [_builder(value, places) for value in nest]
        make: Any = type(nest)
        kind = make._make if is_named_tuple(nest) else make
        return lambda leaves: kind([build(leaves) for build in parts])
    place = next(places)
    return lambda leaves: leaves[place]
