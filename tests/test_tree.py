"""Nested structures: the functions of `keras.tree` against real Keras."""

from collections import OrderedDict, defaultdict, deque, namedtuple
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle import keras
from torchkeras import tree

Pair = namedtuple("Pair", "b a")
leaves = st.one_of(st.none(), st.integers(), st.text(max_size=2))
names = st.text("abcdef", max_size=2)


def in_order(entries):
    # Keras without optree sorts the keys of an outer dict only, torchkeras at every depth (tested below).
    return dict(sorted(entries.items()))


structures = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(names, inner, max_size=3).map(in_order),
        st.dictionaries(names, inner, max_size=3).map(OrderedDict),
        st.dictionaries(names, inner, max_size=3).map(lambda d: defaultdict(int, in_order(d))),
        st.tuples(inner, inner).map(lambda t: Pair(*t)),
        st.lists(inner, max_size=2).map(deque),
    ),
    max_leaves=12,
)


def mark(leaf):
    return ("leaf", leaf).__repr__()


def double_lists(node):
    return ("list", len(node)).__repr__() if isinstance(node, list) and len(node) == 2 else None


@settings(max_examples=60, deadline=None)
@given(structures)
def test_walks_like_keras(structure):
    theirs = keras.tree
    assert tree.flatten(structure) == theirs.flatten(structure)
    assert tree.is_nested(structure) == theirs.is_nested(structure)
    for none_is_leaf in (True, False):
        mine = tree.map_structure(mark, structure, none_is_leaf=none_is_leaf)
        assert mine == theirs.map_structure(mark, structure, none_is_leaf=none_is_leaf)
        assert type(mine) is type(theirs.map_structure(mark, structure, none_is_leaf=none_is_leaf))
    flat = list(range(len(tree.flatten(structure))))
    assert tree.pack_sequence_as(structure, flat) == theirs.pack_sequence_as(structure, flat)
    assert tree.lists_to_tuples(structure) == theirs.lists_to_tuples(structure)
    assert tree.map_shape_structure(repr, structure) == theirs.map_shape_structure(repr, structure)
    for top_down in (True, False):
        assert tree.traverse(double_lists, structure, top_down) == theirs.traverse(double_lists, structure, top_down)
    tree.assert_same_structure(structure, structure)
    tree.assert_same_paths(structure, structure)
    assert tree.map_structure_up_to(structure, mark, structure) == theirs.map_structure_up_to(structure, mark, structure)


@settings(max_examples=60, deadline=None)
@given(structures, structures)
def test_two_structures_agree_or_differ_as_in_keras(a, b):
    def outcome(function):
        try:
            return function(a, b)
        except ValueError:
            return "differ"

    assert outcome(tree.assert_same_structure) == outcome(keras.tree.assert_same_structure)
    pair = [outcome(partial(t.map_structure, lambda *both: both)) for t in (tree, keras.tree)]
    assert pair[0] == pair[1]


def test_paths_are_keys_and_positions():
    structure = {"b": 1, "a": [2, Pair(3, (4,))]}
    assert tree.flatten_with_path(structure) == [(("a", 0), 2), (("a", 1, 0), 3), (("a", 1, 1, 0), 4), (("b",), 1)]
    assert tree.flatten_with_path("x") == [((), "x")]
    plain = {"b": [1, {"c": None}], "a": (2, [])}
    assert tree.flatten_with_path(plain) == keras.tree.flatten_with_path(plain)


def test_dict_entries_keep_their_places_and_are_visited_by_sorted_key():
    seen = []
    mapped = tree.map_structure(lambda x: seen.append(x) or x * 10, {"b": 1, "a": 2})
    assert seen == [2, 1] and list(mapped.items()) == [("b", 10), ("a", 20)]
    assert tree.flatten({"x": {"b": 1, "a": 2}}) == [2, 1] and tree.pack_sequence_as({"x": {"b": 0, "a": 0}}, [2, 1])["x"] == {
        "b": 1,
        "a": 2,
    }
    assert tree.flatten({1: "one", "a": "letter"}) == ["one", "letter"]  # keys that do not compare


def test_tensors_are_leaves_and_torch_results_are_nested():
    x = torch.arange(4.0)
    assert tree.flatten(x)[0] is x and not tree.is_nested(x)
    top = tree.map_structure(lambda t: t + 1, torch.max(x[None], 1))
    assert type(top) is torch.return_types.max and top.values.item() == 4


def test_subclasses_of_dict_keep_their_class():
    class Output(OrderedDict):
        __getattr__ = OrderedDict.__getitem__

    mapped = tree.map_structure(lambda v: v + 1, Output(loss=1, logits=2))
    assert type(mapped) is Output and (mapped.loss, mapped.logits) == (2, 3)
    counts = tree.map_structure(str, defaultdict(list, a=1))
    assert counts.default_factory is list and counts == {"a": "1"}


def test_traverse_stops_where_func_answers():
    seen = []
    replaced = tree.traverse(lambda n: seen.append(n) or ("done" if isinstance(n, tuple) else None), [(1, 2), 3])
    assert replaced == ["done", 3] and seen == [[(1, 2), 3], (1, 2), 3]
    assert tree.traverse(lambda n: tree.MAP_TO_NONE if n == 1 else None, [1, {"a": 1, "b": 2}]) == [None, {"a": None, "b": 2}]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tree.map_structure(3, [1]), TypeError, r"`func` must be callable\. Received: 3 of type int"),
        (lambda: tree.map_structure(len), ValueError, "`structures` must hold at least one structure"),
        (lambda: tree.map_structure_up_to([1], len), ValueError, "`structures` must hold at least one structure"),
        (lambda: tree.map_structure(max, {"x": [1]}, {"x": (1,)}), ValueError, r"at \['x'\], a list meets a tuple"),
        (lambda: tree.map_structure(max, [1], [1, 2]), ValueError, r"at the top, the lengths differ\. Received: 1 and 2"),
        (lambda: tree.map_structure(max, {"a": 1}, {"b": 1}), ValueError, "missing 'a', extra 'b'"),
        (lambda: tree.map_structure(max, [1], [None], none_is_leaf=False), ValueError, r"`None` in the same places.*\(1, None\)"),
        (lambda: tree.pack_sequence_as([0, 0], [1]), ValueError, r"`flat_sequence` must have as many items .* 2\. Received: 1 items"),
        (lambda: tree.pack_sequence_as(0, 3), TypeError, r"`flat_sequence` must be a sequence of leaves\. Received: 3"),
        (lambda: tree.assert_same_structure([1], [[]]), ValueError, "a leaf meets a list"),
        (lambda: tree.assert_same_paths([1], {"a": 1}), ValueError, r"only in `a`: \(0,\); only in `b`: \('a',\)"),
        (lambda: tree.traverse(None, [1]), TypeError, "`func` must be callable"),
    ],
)
def test_errors_tell_what_and_where(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_check_types_is_deprecated():
    with pytest.warns(DeprecationWarning, match="assert_same_paths"):
        tree.assert_same_structure([1], [2], check_types=True)
