"""What standard output is, and lines that are said there."""

import io
import logging
import sys

import pytest

from torchkeras import config, console


class Stream(io.TextIOWrapper):
    """A terminal, or a file."""

    def __init__(self, encoding="utf-8", terminal=True):
        super().__init__(io.BytesIO(), encoding=encoding)
        self.terminal = terminal

    def isatty(self):
        return self.terminal

    def text(self):
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)


@pytest.fixture
def environment(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "PYCHARM_HOSTED", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    return monkeypatch


@pytest.mark.parametrize(
    ("terminal", "variables", "moves", "colors"),
    [
        (True, {}, True, True),
        (False, {}, False, False),
        (True, {"NO_COLOR": "1"}, True, False),
        (True, {"NO_COLOR": ""}, True, True),
        (True, {"TERM": "dumb"}, True, False),
        (False, {"FORCE_COLOR": "1"}, False, True),
        (False, {"PYCHARM_HOSTED": "1"}, True, False),
    ],
)
def test_what_standard_output_is(environment, terminal, variables, moves, colors):
    environment.setattr(sys, "stdout", Stream(terminal=terminal))
    for name, value in variables.items():
        environment.setenv(name, value)
    assert (console.is_terminal(), console.moves(), console.has_colors(), console.in_notebook()) == (terminal, moves, colors, False)


def test_a_notebook_is_known_by_its_stream(environment):
    environment.setattr(sys, "stdout", type("OutStream", (Stream,), {"__module__": "ipykernel.iostream"})(terminal=False))
    assert console.in_notebook() and console.moves() and not console.is_terminal()
    with console.above_bars():
        assert console.in_notebook()


def test_no_standard_output_at_all(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert not console.moves() and not console.is_terminal()
    console.say("nobody hears it")
    with console.above_bars():
        assert sys.stdout is None


def test_a_terminal_without_the_signs_of_tables(monkeypatch):
    stream = Stream("ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    console.say("┏━┓ │ é")
    assert stream.text() == "+=+ | ?\n"


def test_say_goes_to_logging_when_interactive_logging_is_off(monkeypatch, caplog, capsys):
    config.disable_interactive_logging()
    try:
        with caplog.at_level(logging.INFO, logger="torchkeras"):
            console.say("a line")
    finally:
        config.enable_interactive_logging()
    assert caplog.messages == ["a line"] and capsys.readouterr().out == ""


def test_nested_use_ends_with_the_last_and_leaves_what_others_put_there(monkeypatch):
    stream, other = Stream(), Stream()
    monkeypatch.setattr(sys, "stdout", stream)
    with console.above_bars():
        with console.above_bars():
            print("inner")
        print("outer")
        assert sys.stdout is not stream and console.stdout() is stream
    assert sys.stdout is stream and stream.text() == "inner\nouter\n"
    with console.above_bars():
        sys.stdout = other
    assert sys.stdout is other
