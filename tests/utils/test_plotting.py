"""Pictures of models: what pydot is told, against real Keras's graph, and what is drawn without graphviz."""

import re
import sys
from pathlib import Path

import numpy as np
import pydot
import pytest
import torch
from matplotlib import image

from tests.oracle import keras
from torchkeras import Input, Model, Sequential, layers
from torchkeras.utils import get_source_inputs, layout, model_to_dot, plot_model, plotting


@pytest.fixture
def without_dot(monkeypatch):
    monkeypatch.setattr(plotting.shutil, "which", lambda name: None)


def two_towers(layers=layers, Input=Input, Model=Model, Sequential=Sequential):
    """Two inputs, two outputs, and a model inside."""
    wide, deep = Input((3,), name="wide"), Input((4, 4, 1), name="deep")
    inner = Sequential([Input((4, 4, 1)), layers.Flatten(name="flat"), layers.Dense(4, name="inside")], name="tower")
    hidden = layers.Dense(4, activation="relu", name="hidden")(wide)
    total = layers.Add(name="total")([hidden, inner(deep)])
    return Model([wide, deep], [total, layers.Dense(1, name="second")(hidden)], name="towers")


def in_keras():
    return two_towers(keras.layers, keras.Input, keras.Model, keras.Sequential)


def graph_of(dot):
    """The titles of boxes (`name (class)`), and the edges between them."""
    nodes, edges, waiting = {}, set(), [dot]
    while waiting:
        graph = waiting.pop()
        waiting += graph.get_subgraphs()
        for node in graph.get_nodes():
            text = re.sub("<[^>]*>", "|", node.get("label") or "")
            found = re.search(r"(\w+)\|* \(([\w.]+)\)", text)
            if found:
                nodes[node.get_name()] = found.groups()
        edges |= {(edge.get_source(), edge.get_destination()) for edge in graph.get_edges()}
    return sorted(nodes.values()), sorted((nodes[str(a)][0], nodes[str(b)][0]) for a, b in edges)


@pytest.mark.parametrize("expand_nested", [False, True])
def test_boxes_and_edges_as_keras(expand_nested):
    ours = graph_of(model_to_dot(two_towers(), expand_nested=expand_nested))
    theirs = graph_of(keras.utils.model_to_dot(in_keras(), expand_nested=expand_nested))
    assert ours == theirs


def test_what_the_boxes_say():
    options = {"show_shapes": True, "show_dtype": True, "show_layer_activations": True, "show_trainable": True}
    model = two_towers()
    model.get_layer("second").trainable = False
    text = model_to_dot(model, **options).to_string()
    hidden = next(line for line in text.splitlines() if "hidden (Dense)" in line)
    for part in ("Activation: relu", "Input shape: (None, 3)", "Output shape: (None, 4)", "Output dtype: float32", ">Trainable"):
        assert part in hidden
    assert "Input shape: [(None, 4), (None, 4)]" in text and text.count("Non-trainable") == 1
    bare = model_to_dot(model, show_layer_names=False).to_string()
    assert "<b>Dense</b>" in bare and "hidden" not in bare and "shape:" not in bare


def test_settings_of_the_graph_and_clusters():
    dot = model_to_dot(two_towers(), rankdir="LR", dpi=72, splines="curved", expand_nested=True)
    assert (dot.get_rankdir(), dot.get("dpi"), dot.get("splines")) == ("LR", "72", "curved")
    (tower,) = dot.get_subgraphs()
    assert tower.get("label") == "tower" and len(tower.get_nodes()) == 2
    cluster = model_to_dot(two_towers(), subgraph=True)
    assert isinstance(cluster, pydot.Cluster) and cluster.get("label") == "towers"


def test_ops_shared_layers_and_cut_graphs():
    x = Input((4,), name="x")
    shared = layers.Dense(4, name="shared")
    y = shared(x)
    tanh = torch.tanh(y)
    z = shared(tanh + 1.0)
    titles, edges = graph_of(model_to_dot(Model(x, z)))
    assert ("shared", "Dense") in titles and len(titles) == 4
    assert ("x", "shared") in edges and ("shared", tanh.history.operation.name) in edges and len(edges) == 4
    titles, edges = graph_of(model_to_dot(Model(y, z)))  # starts behind the first call
    assert len(titles) == 4 and len(edges) == 3


def test_circles(tmp_path, without_dot):
    """A layer called on what it made, at once or through another."""
    x, shared, between = Input((4,)), layers.Dense(4), layers.Dense(4)
    model = Model(x, layers.Activation("relu")(shared(between(shared(shared(x))))))
    plot_model(model, tmp_path / "x.png", dpi=50)
    region = placed(model)
    assert len(region.routes) == 5 and {route.head for route in region.routes} == {0, -1}
    n0, n1, n2, n3 = sorted(region.items, key=lambda item: int(item.key[1:]))
    assert n0.y < n1.y < n2.y == n3.y


def test_layers_with_functions_and_names_with_signs(tmp_path, without_dot):
    model = Sequential([Input((4,)), layers.Lambda(lambda x: x, name="a$b$<c>"), Sequential([layers.Dense(2)], name="&")])
    assert "a$b$&lt;c&gt; (Lambda)" in model_to_dot(model, expand_nested=True).to_string()
    plot_model(model, tmp_path / "x.png", show_layer_names=True, expand_nested=True, dpi=50)
    assert (tmp_path / "x.png").exists()


def test_a_subclassed_model_is_one_box(tmp_path, without_dot):
    class Own(Model):
        def __init__(self):
            super().__init__(name="own")
            self.dense = layers.Dense(3)

        def call(self, x):
            return self.dense(x)

    model = Own()
    with pytest.raises(ValueError, match="`model` 'own' is not built. Call it on data"):
        plot_model(model, tmp_path / "x.png")
    model(torch.ones(2, 4))
    text = model_to_dot(model, show_shapes=True).to_string()
    assert "own (Own)" in text and "Input shape: (2, 4)" in text and "Output shape: (2, 3)" in text
    plot_model(model, tmp_path / "x.png")
    assert (tmp_path / "x.png").exists()


@pytest.mark.parametrize("rankdir", ["TB", "BT", "LR", "RL"])
@pytest.mark.parametrize("splines", ["ortho", "curved", "line"])
def test_a_picture_without_graphviz(tmp_path, without_dot, rankdir, splines):
    path = tmp_path / "model.png"
    plot_model(two_towers(), path, rankdir=rankdir, splines=splines, dpi=50, show_shapes=True, expand_nested=True, show_trainable=True)
    height, width, _ = image.imread(path).shape
    assert (width > 1.5 * height) == (rankdir in ("LR", "RL"))
    assert image.imread(path)[..., :3].min() == 0  # something is drawn


# -- where things are ----------------------------------------------------------------------------------------------------------------


def placed(model, side="start"):
    drawing = plotting.Drawing(model, plotting.Show(False, False, True, False, False, True))
    return layout.place(drawing.group, drawing.edges, lambda key: (60.0 + 9 * (int(key[1:]) % 5), 22.0), lambda name: 6.0 * len(name), side)


def flat(region, x=0.0, y=0.0):
    """Boxes, frames and ways of a region and those inside it, as they are on the picture."""
    boxes, frames, ways = [], [], [[(x + a, y + b) for a, b in route.points] for route in region.routes]
    for item in region.items:
        corner = x + item.x - item.width / 2, y + item.y
        place = (*corner, corner[0] + item.width, corner[1] + item.length)
        if item.region is None:
            boxes.append(place)
            continue
        inner = flat(item.region, *corner)
        frames += [(place, inner[0]), *inner[1]]
        boxes += inner[0]
        ways += inner[2]
    return boxes, frames, ways


def nested_with_two_outputs():
    """A residual net with two inputs, two outputs and a model inside that has two outputs as well."""
    image, more = Input((8,), name="image"), Input((7,), name="more")
    x = layers.Dense(8)(image)
    for _ in range(2):
        x = layers.Add()([x, layers.Dense(8)(layers.Dense(8)(x))])
    features = Input((8,))
    hidden = layers.Dense(8)(features)
    deepest = Sequential([Input((8,)), layers.Dense(3), layers.Dense(8)], name="deepest")
    inner = Model(features, [layers.Add()([features, deepest(hidden)]), layers.Dense(4)(hidden)], name="encoder")
    one, two = inner(x)
    side = layers.Dense(8)(more)
    return Model([image, more], [layers.Dense(2)(layers.Concatenate()([one, side, x])), layers.Concatenate()([two, side])], name="detector")


def many_branches():
    x = Input((4,))
    branches = [layers.Dense(2)(x) for _ in range(5)]
    return Model(x, layers.Concatenate()([*branches, layers.Dense(3)(branches[0]), x]))


@pytest.mark.parametrize("side", ["start", "end", "across"])
@pytest.mark.parametrize("make", [nested_with_two_outputs, many_branches, two_towers])
def test_nothing_lies_on_anything_else(make, side):
    region = placed(make(), side)
    boxes, frames, ways = flat(region)
    for i, (x0, y0, x1, y1) in enumerate(boxes):
        assert 0 <= x0 and x1 <= region.size[0] and 0 <= y0 and y1 <= region.size[1]
        for a0, b0, a1, b1 in boxes[:i]:
            assert x1 <= a0 or a1 <= x0 or y1 <= b0 or b1 <= y0
    for (x0, y0, x1, y1), inside in frames:  # a frame holds its own boxes whole, and none of another group
        for box in boxes:
            within = x0 <= box[0] and box[2] <= x1 and y0 <= box[1] and box[3] <= y1
            beside = box[2] <= x0 or x1 <= box[0] or box[3] <= y0 or y1 <= box[1]
            assert within if box in inside else beside
    pieces = [(i, p, q) for i, way in enumerate(ways) for p, q in zip(way, way[1:]) if p != q]
    for _, (a0, b0), (a1, b1) in pieces:  # edges run beside boxes
        for x0, y0, x1, y1 in boxes:
            assert max(a0, a1) <= x0 or min(a0, a1) >= x1 or max(b0, b1) <= y0 or min(b0, b1) >= y1
    for i, p, q in pieces:  # and beside each other: two edges cross, but never share a line
        for j, r, s in pieces:
            for along in (0, 1):
                if i < j and abs(p[along] - q[along]) < 0.5 and abs(r[along] - s[along]) < 0.5 and abs(p[along] - r[along]) < 0.5:
                    low = max(min(p[1 - along], q[1 - along]), min(r[1 - along], s[1 - along]))
                    high = min(max(p[1 - along], q[1 - along]), max(r[1 - along], s[1 - along]))
                    assert high - low < 0.5


def test_edges_do_not_run_through_the_name_of_a_group():
    region = placed(nested_with_two_outputs())
    (group,) = [item for item in region.items if item.region is not None]
    assert min(group.region.starts.values()) > 6 * len("encoder") + layout.PAD


def test_ways_without_a_turn_are_straight():
    x = inputs = Input((4,))
    for _ in range(6):
        x = layers.Dense(4)(x)
    model = Model(inputs, layers.Add()([x, inputs]))
    boxes, _, ways = flat(placed(model))
    assert len({round(x) for way in ways for x, _ in way}) <= 5  # the chain, the skipping edge, and where both begin and end


@pytest.mark.parametrize("kind", ["svg", "pdf", "jpg", "dot"])
def test_formats(tmp_path, without_dot, kind):
    path = tmp_path / f"model.{kind}"
    plot_model(two_towers(), str(path))
    start = path.read_bytes()[:200]
    assert {"svg": b"<?xml", "pdf": b"%PDF", "jpg": b"\xff\xd8", "dot": b"digraph"}[kind] in start


def test_resolution(tmp_path, without_dot):
    sizes = []
    for dpi in (50, 100):
        plot_model(two_towers(), tmp_path / "x.png", dpi=dpi)
        sizes.append(image.imread(tmp_path / "x.png").shape[0])
    assert np.isclose(sizes[1], 2 * sizes[0], atol=2)


def test_graphviz_draws_where_it_is_installed(tmp_path, monkeypatch):
    written = []

    def write(self, path, format):
        written.append((path, format))
        Path(path).write_bytes(b"\xff\xd8")  # where IPython is installed, it reads the file

    monkeypatch.setattr(plotting.shutil, "which", lambda name: "/usr/bin/dot")
    monkeypatch.setattr(pydot.Dot, "write", write)
    plot_model(two_towers(), tmp_path / "x.jpg")
    assert written == [(str(tmp_path / "x.jpg"), "jpeg")]


def test_errors(tmp_path, without_dot, monkeypatch):
    model = two_towers()
    with pytest.raises(ValueError, match="`model` must be a Model. Received: 3 of type int"):
        plot_model(3)
    with pytest.raises(ValueError, match="`rankdir` must be one of TB, BT, LR, RL. Received: rankdir='UP'"):
        model_to_dot(model, rankdir="UP")
    with pytest.raises(ValueError, match="`splines` must be one of ortho, .* Received: splines='none'"):
        plot_model(model, tmp_path / "x.png", splines="none")
    with pytest.raises(ValueError, match="Unknown arguments: layer_range"):
        model_to_dot(model, layer_range=["a", "b"])
    with pytest.raises(ValueError, match="`to_file` must have one of the extensions .*png.* Received: "):
        plot_model(model, tmp_path / "x.xyz")
    monkeypatch.setitem(sys.modules, "pydot", None)
    with pytest.raises(ImportError, match=r"needs pydot: `pip install 'torchkeras-api\[plot\]'`"):
        model_to_dot(model)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(
        ImportError, match=r"program `dot` \(`apt install graphviz`.* or matplotlib: `pip install 'torchkeras-api\[plot\]'`"
    ):
        plot_model(model, tmp_path / "x.png")
    assert list(tmp_path.iterdir()) == []


def test_get_source_inputs():
    a, b = Input((3,), name="a"), Input((3,), name="b")
    joined = layers.Add()([layers.Dense(3)(a), b, a])
    assert [t.name for t in get_source_inputs(joined)] == ["a", "b"] and get_source_inputs(a) == [a]
    with pytest.raises(ValueError, match="`tensor` must be symbolic"):
        get_source_inputs(torch.ones(3))
