"""The table of `summary()`: what it says is what real Keras says."""

import logging
import re
import sys

import numpy as np
import pytest

import torchkeras as keras
from tests.models.common import TOPOLOGIES, diamond, nested, residual
from tests.oracle import keras as oracle
from torchkeras import config, console, layers
from torchkeras.models import summary


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


def text_of(model, **kwargs):
    lines = []
    model.summary(print_fn=lambda text, line_break=False: lines.append(text), **{"line_length": 180, **kwargs})
    return "\n".join(lines)


def rows_of(text):
    """The cells of the table, wrapped lines joined."""
    rows = []
    for block in re.split(r"(?m)^[├┡└┏].*", text):
        cells = [
            [c.strip() for c in line.strip("│┃").split("│" if "│" in line else "┃")]
            for line in block.splitlines()
            if line[:1] in "│┃" and line
        ]
        if cells:
            rows.append(["".join(column).replace(" ", "") for column in zip(*cells)])
    return rows


def totals_of(text):
    return [line.strip() for line in text.splitlines() if "params" in line]


@pytest.mark.parametrize("name", [n for n in TOPOLOGIES if n != "shared"])
@pytest.mark.parametrize("options", [{}, {"expand_nested": True}, {"show_trainable": True}], ids=["plain", "expand", "trainable"])
def test_rows_and_totals_are_those_of_keras(name, options):
    ours, theirs = text_of(TOPOLOGIES[name](keras), **options), text_of(TOPOLOGIES[name](oracle), **options)
    mine, real = rows_of(ours), rows_of(theirs)
    assert [row[0] for row in mine] == [row[0] for row in real]
    assert [row[2] for row in mine] == [row[2] for row in real]  # parameter counts
    assert mine[0] == real[0]  # the header
    assert [row[1] for row in mine] == [row[1] for row in real]
    assert [row[3:] for row in mine] == [row[3:] for row in real]
    assert totals_of(ours) == totals_of(theirs)


def test_frozen_and_optimizer_parameters():
    def made(k):
        model = residual(k)
        model.layers[1].trainable = False
        model.compile("adam", "mse")
        model.fit(np.ones((4, 8), "float32"), np.ones((4, 2), "float32"), verbose=0)
        return model

    assert totals_of(text_of(made(keras))) == totals_of(text_of(made(oracle)))


def test_sizes_of_large_models():
    def made(k):
        return k.Sequential([k.Input((1000,)), k.layers.Dense(700), k.layers.Dense(10, dtype="float16")])

    assert totals_of(text_of(made(keras))) == totals_of(text_of(made(oracle)))


def test_unbuilt_models():
    text = text_of(keras.Sequential([layers.Dense(3)], name="later"))
    assert 'Model: "later"' in text and "0 (unbuilt)" in text


def test_a_range_of_layers_and_a_width():
    text = text_of(residual(keras), layer_range=["a", "add$"], line_length=100)
    assert [row[0] for row in rows_of(text)[1:]] == ["a(Dense)", "b(Dense)", "add(Add)"]
    with pytest.raises(ValueError, match="names 'zzz'"):
        text_of(residual(keras), layer_range=["zzz", "add"])
    with pytest.raises(ValueError, match="a list of two names"):
        text_of(residual(keras), layer_range=["a"])


def test_the_functions_of_a_graph_are_rows_as_in_keras():
    def made(k):
        x = inputs = k.Input((4,))
        x = k.ops.relu(x * 2.0 + 1.0)[:, :2]
        shared = k.layers.Dense(2, name="shared")
        return k.Model(inputs, {"a": shared(shared(x)), "b": k.ops.concatenate([x, x])})

    mine, real = (rows_of(text_of(made(k))) for k in (keras, oracle))
    assert len(mine) == 8 and [[re.sub(r"_?\d*(?=\()", "", row[0]), *row[1:3]] for row in mine] == [
        [re.sub(r"_?\d*(?=\()", "", row[0]), *row[1:3]] for row in real
    ]


def detector():
    """A model that needs more room than there is."""
    x = image = keras.Input((32, 32, 3), name="image")
    x = layers.BatchNormalization(name="a_normalization_with_an_extraordinarily_long_name")(x)
    x = layers.Add()([x, layers.SeparableConv2D(3, 3, padding="same")(x)])
    x = layers.GlobalAveragePooling2D()(x)
    inner = keras.Sequential([layers.Dense(2048), keras.Sequential([layers.Dense(2000)], name="innermost")], name="encoder")
    return keras.Model(image, {"classes": layers.Dense(10)(inner(x)), "boxes": layers.Dense(4)(x)})


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
@pytest.mark.parametrize("options", [{}, {"expand_nested": True, "show_trainable": True}], ids=["plain", "all"])
def test_it_fits_the_terminal(monkeypatch, columns, options):
    monkeypatch.setenv("COLUMNS", str(columns))
    for model in (nested(keras), diamond(keras), detector(), keras.Sequential([keras.Input((4,)), layers.Dense(3)])):
        table = [line for line in text_of(model, line_length=None, **options).splitlines() if line[:1] in "┏┃┡│├└"]
        (width,) = {len(line) for line in table}
        assert width <= max(columns, 60 if options else 40)
        assert width == columns or columns > 88 or width > columns


def test_words_break_between_words_and_numbers_never():
    text = text_of(detector(), line_length=80, expand_nested=True)
    cells = {cell.strip() for line in text.splitlines() if line.startswith("│") for cell in line.strip("│").split("│")}
    counts = {f"{count:,}" for count in (2048 * 4, 2000 * 2049, 2000 * 2049 + 2048 * 4, 12)}
    assert counts | {"a_normalization_with_", "(SeparableConv2D)"} <= cells
    assert "\n│    └ innermost" in text and "\n│       └ " in text


def test_cuts():
    def lines(text, width):
        bounds = [0, *summary._cuts(text, width), len(text)]
        return [text[a:b] for a, b in zip(bounds, bounds[1:])]

    assert lines("conv2d (Conv2D)", 10) == ["conv2d ", "(Conv2D)"]
    assert lines("global_average_pooling", 16) == ["global_average_", "pooling"]
    assert lines("image[0][0]", 8) == ["image[0]", "[0]"]
    assert lines("abcdefghij", 4) == ["abcd", "efgh", "ij"]
    assert lines("fits", 4) == ["fits"]
    assert lines("", 4) == [""]


@pytest.mark.parametrize("positions", [[0.45, 0.8, 1.0], [30, 52, 68]])
def test_positions_of_the_columns(positions):
    text = text_of(keras.Sequential([keras.Input((4,)), layers.Dense(3)]), line_length=68, positions=positions)
    top = text.splitlines()[1]
    ends = [i + 1 for i, sign in enumerate(top) if sign in "┳┓"]
    assert ends == [pytest.approx(p * 68 if p <= 1 else p, abs=1) for p in positions]


def test_summary_prints(capsys):
    residual(keras).summary()
    assert "Connected to" in capsys.readouterr().out


def test_colors_in_a_terminal_and_none_elsewhere(monkeypatch, capsys):
    model = residual(keras)
    model.layers[1].trainable = False
    model.summary(show_trainable=True)
    plain = capsys.readouterr().out
    assert "\x1b" not in plain
    monkeypatch.setattr(console, "has_colors", lambda: True)
    model.summary(show_trainable=True)
    colored = capsys.readouterr().out
    assert re.sub(r"\x1b\[[\d;]*m", "", colored) == plain
    for part in (
        "\x1b[1mLayer (type)\x1b[0m",
        "(\x1b[38;5;33mDense\x1b[0m)",
        "(\x1b[38;5;45mNone\x1b[0m, \x1b[38;5;34m8\x1b[0m)",
        "[\x1b[38;5;34m0\x1b[0m]",
    ):
        assert part in colored
    assert "\x1b[1;38;5;34mY\x1b[0m" in colored and "\x1b[1;38;5;9mN\x1b[0m" in colored
    assert "\x1b" not in text_of(model)


def test_a_notebook_shows_one_table(monkeypatch, capsys):
    shown = []
    display = type(sys)("display")
    display.display = lambda data, raw: shown.append(data)
    package = type(sys)("IPython")
    package.display = display
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setattr(console, "in_notebook", lambda: True)
    model = keras.Sequential([keras.Input((4,)), layers.Lambda(lambda x: x, name="a<b")])
    model.summary()
    (data,) = shown
    assert capsys.readouterr().out == "" and data["text/plain"].startswith("Model: ")
    assert data["text/html"].startswith("<pre style=") and "a&lt;b" in data["text/html"]
    assert re.sub("<[^>]+>", "", data["text/html"]).replace("&lt;", "<").replace("&quot;", '"') == data["text/plain"]


def test_it_goes_to_logging_when_interactive_logging_is_off(capsys, caplog):
    config.disable_interactive_logging()
    try:
        with caplog.at_level(logging.INFO, logger="torchkeras"):
            residual(keras).summary()
    finally:
        config.enable_interactive_logging()
    assert capsys.readouterr().out == "" and caplog.messages[0].startswith("Model: ")


def test_print_fn_receives_the_text_once_as_from_keras():
    texts = []
    residual(keras).summary(print_fn=texts.append)
    residual(oracle).summary(print_fn=texts.append)
    assert len(texts) == 2 and all(text.endswith(")\n") for text in texts)
