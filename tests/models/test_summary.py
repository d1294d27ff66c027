"""The table of `summary()`: what it says is what real Keras says."""

import re

import numpy as np
import pytest

import torchkeras as keras
from tests.models.common import TOPOLOGIES, diamond, nested, residual
from tests.oracle import keras as oracle
from torchkeras import layers


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


def test_every_line_has_one_width():
    for model in (nested(keras), diamond(keras)):
        lines = [line for line in text_of(model, expand_nested=True).splitlines() if line[:1] in "┏┃┡│├└"]
        assert len({len(line) for line in lines}) == 1


def test_summary_prints(capsys):
    residual(keras).summary()
    assert "Connected to" in capsys.readouterr().out
