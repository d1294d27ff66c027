"""Nested lists, tuples and dicts: flatten, map and pack, dict entries in the order of their sorted keys."""

from __future__ import annotations

import copy
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .reporting import warn

# One definition of "nested" serves the whole library. Tensors, KerasTensors, arrays, strings, None and a user's own classes are leaves.
_NESTED = (list, tuple, dict, deque)


class MAP_TO_NONE:
    """What a function given to `traverse` returns to put `None` in a place (`None` itself means "go on inside").

    >>> keras.tree.traverse(lambda x: keras.tree.MAP_TO_NONE if x == 1 else None, [1, 2])
    [None, 2]
    """


def is_nested(structure: Any) -> bool:
    """Whether `structure` is a list, a tuple, a named tuple, a deque or a dict.

    Args:
        structure: A nest of lists, tuples and dicts.
    """
    return isinstance(structure, _NESTED)


def _keys(mapping: dict) -> list:
    """The keys in walking order: sorted, except that an OrderedDict has its own order."""
    if isinstance(mapping, OrderedDict):
        return list(mapping)
    try:
        return sorted(mapping)
    except TypeError:  # keys of several types: by type, then by value
        return sorted(mapping, key=lambda k: (type(k).__qualname__, str(k)))


def _children(node: Any) -> Iterable[Any]:
    return [node[k] for k in _keys(node)] if isinstance(node, dict) else node


def _names(node: Any) -> Iterable[Any]:
    return _keys(node) if isinstance(node, dict) else range(len(node))


def _rebuild(node: Any, children: list[Any]) -> Any:
    """A node like `node` with other children, which stand in walking order."""
    kind = type(node)
    if kind is tuple:
        return tuple(children)
    if isinstance(node, dict):
        placed = dict(zip(_keys(node), children))
        if kind is dict:
            return {k: placed[k] for k in node}
        made = copy.copy(node)  # keeps the class, its attributes and a default factory
        for k in node:
            made[k] = placed[k]
        return made
    if isinstance(node, tuple):
        if hasattr(kind, "_make"):
            return kind._make(children)
        return kind(children) if hasattr(kind, "n_sequence_fields") else tuple(children)  # torch.return_types.*, torch.Size
    if isinstance(node, deque):
        return deque(children, node.maxlen)
    return list(children)


def _kind(node: Any) -> type:
    """What must agree between two nodes: any dict goes with any dict, a named tuple only with its own class."""
    if isinstance(node, dict):
        return dict
    if isinstance(node, tuple):
        return type(node) if hasattr(node, "_fields") else tuple
    if isinstance(node, deque):
        return deque
    return list if isinstance(node, list) else type(node)


def _aligned_children(node: Any, other: Any, path: tuple) -> Iterable[Any]:
    """The children of `other` in the walking order of `node`, once the two nodes are known to agree."""
    where = "".join(f"[{p!r}]" for p in path) or "the top"
    if not is_nested(other) or _kind(other) is not _kind(node):
        raise ValueError(
            f"`structures` must be nested alike: at {where}, a {type(node).__name__} meets a {type(other).__name__}. Received: {other!r}"
        )
    if isinstance(node, dict):
        if node.keys() != other.keys():
            missing, extra = (sorted(map(repr, a.keys() - b.keys())) for a, b in ((node, other), (other, node)))
            raise ValueError(
                f"`structures` must be nested alike: at {where}, the keys of the dicts differ. "
                f"Received: missing {', '.join(missing) or 'none'}, extra {', '.join(extra) or 'none'}"
            )
        return [other[k] for k in _keys(node)]
    if len(node) != len(other):
        raise ValueError(f"`structures` must be nested alike: at {where}, the lengths differ. Received: {len(node)} and {len(other)}")
    return other


def flatten(structure: Any) -> list[Any]:
    """The leaves of `structure`, `None` included, as a list.

    Args:
        structure: A nest of lists, tuples and dicts.
    """
    if not isinstance(structure, _NESTED):
        return [structure]
    leaves: list[Any] = []
    _gather(structure, leaves)
    return leaves


def _gather(node: Any, leaves: list[Any]) -> None:
    for child in _children(node):
        if isinstance(child, _NESTED):
            _gather(child, leaves)
        else:
            leaves.append(child)


def flatten_with_path(structure: Any) -> list[tuple[tuple, Any]]:
    """The leaves with their places, as `(path, leaf)` pairs; a path is a tuple of dict keys and positions.

    Args:
        structure: A nest of lists, tuples and dicts.
    """
    if not is_nested(structure):
        return [((), structure)]
    return [
        ((name, *path), leaf)
        for name, child in zip(_names(structure), _children(structure))
        for path, leaf in flatten_with_path(child)
    ]  # fmt: skip


def map_structure(func: Callable, *structures: Any, none_is_leaf: bool = True) -> Any:
    """A structure like the first, each leaf replaced by `func(*leaves)`.

    Args:
        func: Takes as many leaves as there are structures.
        *structures: Structures that are nested alike. Where the first has a leaf, the others may have anything.
        none_is_leaf: Whether `func` is called on `None`; without it `None` stays, and must be `None` in all of them.

    Raises:
        TypeError: If `func` is not callable.
        ValueError: If there is no structure, or structures that are not nested alike.
    """
    _check_callable(func)
    if not structures:
        raise ValueError("`structures` must hold at least one structure. Received: none")
    if len(structures) > 1:
        return _map_many(func, structures[0], structures, (), none_is_leaf)
    structure = structures[0]
    if none_is_leaf:
        return _map_one(func, structure) if isinstance(structure, _NESTED) else func(structure)
    return _map_one(lambda leaf: None if leaf is None else func(leaf), structure)


def _map_one(func: Callable, node: Any) -> Any:
    if not isinstance(node, _NESTED):
        return func(node)
    return _rebuild(node, [_map_one(func, child) for child in _children(node)])


def _map_many(func: Callable, shallow: Any, nodes: Sequence[Any], path: tuple, none_is_leaf: bool) -> Any:
    if not isinstance(shallow, _NESTED):
        if not none_is_leaf and any(n is None for n in nodes):
            if all(n is None for n in nodes):
                return None
            raise ValueError(f"`structures` must have `None` in the same places with `none_is_leaf=False`. Received: {tuple(nodes)}")
        return func(*nodes)
    columns = [_aligned_children(shallow, node, path) for node in nodes]
    rows = zip(_names(shallow), _children(shallow), zip(*columns))
    return _rebuild(shallow, [_map_many(func, child, row, (*path, name), none_is_leaf) for name, child, row in rows])


def map_structure_up_to(shallow_structure: Any, func: Callable, *structures: Any) -> Any:
    """As `map_structure`, but going no deeper than `shallow_structure`, whose own leaves are not given to `func`.

    Args:
        shallow_structure: The nest down to which the others are followed.
        func: What is called on the parts, one of each structure.
        *structures: Nests that begin as `shallow_structure` does.

    Raises:
        ValueError: If a structure is not nested as `shallow_structure` is.
    """
    _check_callable(func)
    if not structures:
        raise ValueError("`structures` must hold at least one structure. Received: none")
    return _map_many(func, shallow_structure, structures, (), True)


def map_shape_structure(func: Callable, structure: Any) -> Any:
    """As `map_structure`, where tuples and lists of integers and `None` are shapes, that is, leaves.

    Args:
        func: What is called on each shape.
        structure: A nest of lists, tuples and dicts.
    """
    _check_callable(func)
    if not is_nested(structure) or (isinstance(structure, (list, tuple)) and all(n is None or isinstance(n, int) for n in structure)):
        return func(structure)
    return _rebuild(structure, [map_shape_structure(func, child) for child in _children(structure)])


def pack_sequence_as(structure: Any, flat_sequence: Sequence[Any]) -> Any:
    """`flat_sequence` in the nesting of `structure`: the inverse of `flatten`.

    Args:
        structure: A nest of lists, tuples and dicts.
        flat_sequence: The leaves, in the order of `flatten`.

    Raises:
        TypeError: If `flat_sequence` is not iterable.
        ValueError: If there is another number of leaves.
    """
    if not isinstance(flat_sequence, Iterable):
        raise TypeError(f"`flat_sequence` must be a sequence of leaves. Received: {flat_sequence!r} of type {type(flat_sequence).__name__}")
    leaves, needed = list(flat_sequence), len(flatten(structure))
    if len(leaves) != needed:
        raise ValueError(f"`flat_sequence` must have as many items as `structure` has leaves, {needed}. Received: {len(leaves)} items")
    rest = iter(leaves)
    return _map_one(lambda _: next(rest), structure)


def assert_same_structure(a: Any, b: Any, check_types: bool | None = None) -> None:
    """Check that two structures are nested alike. All dicts count as one type.

    Args:
        a: A structure.
        b: A structure.
        check_types: Deprecated, as in Keras: types are always compared. `assert_same_paths` is the looser check.

    Raises:
        ValueError: If they differ; the message tells where.
    """
    if check_types is not None:
        warn(
            "`check_types` has no effect any more: types are compared. Use `assert_same_paths` to let lists and tuples match.",
            DeprecationWarning,
        )
    _map_many(_check_leaf, a, (b,), (), True)


def _check_leaf(other: Any) -> None:
    if isinstance(other, _NESTED):
        raise ValueError(f"`structures` must be nested alike: a leaf meets a {type(other).__name__}. Received: {other!r}")


def assert_same_paths(a: Any, b: Any) -> None:
    """Check that two structures have leaves at the same places, whatever the types of the nodes.

    Args:
        a: A nest.
        b: Another nest.

    Raises:
        ValueError: If they differ; the message lists the places.
    """
    paths_a, paths_b = ({path for path, _ in flatten_with_path(s)} for s in (a, b))
    if paths_a != paths_b:
        only_a, only_b = (sorted(map(str, d)) for d in (paths_a - paths_b, paths_b - paths_a))
        raise ValueError(
            f"`a` and `b` must have leaves at the same paths. Received: only in `a`: {', '.join(only_a) or 'none'}; "
            f"only in `b`: {', '.join(only_b) or 'none'}"
        )


def traverse(func: Callable, structure: Any, top_down: bool = True) -> Any:
    """Call `func` on every node and leaf, and put what it returns in their place.

    Args:
        func: Returns `None` to leave a node as it is (and, top down, to go on inside), `MAP_TO_NONE` to put `None` there, or the
            replacement, inside which nothing more is visited.
        structure: A structure.
        top_down: Whether a node comes before its children.
    """
    _check_callable(func)
    if top_down:
        result = func(structure)
        if result is None:
            if not is_nested(structure):
                return structure
            return _rebuild(structure, [traverse(func, child) for child in _children(structure)])
    else:
        if is_nested(structure):
            structure = _rebuild(structure, [traverse(func, child, top_down=False) for child in _children(structure)])
        result = func(structure)
        if result is None:
            return structure
    return None if result is MAP_TO_NONE else result


def lists_to_tuples(structure: Any) -> Any:
    """`structure` with tuples in place of lists, at every depth.

    Args:
        structure: A nest of lists, tuples and dicts.
    """
    return traverse(lambda node: tuple(node) if isinstance(node, list) else None, structure, top_down=False)


def _check_callable(func: Any) -> None:
    if not callable(func):
        raise TypeError(f"`func` must be callable. Received: {func!r} of type {type(func).__name__}")
