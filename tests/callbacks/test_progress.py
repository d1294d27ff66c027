"""The progress bar in a terminal, a log file and through `logging`; what it says against Keras's own."""

import logging
import os
import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from torchkeras import Input, Sequential, callbacks, config, console, layers
from torchkeras.callbacks import progress
from torchkeras.callbacks.progress import Progbar, ProgbarLogger

ROOT = Path(__file__).parents[2]
ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@pytest.fixture
def terminal(monkeypatch):
    """Standard output that may be written over, 80 columns wide."""
    monkeypatch.setattr(console, "moves", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")


def drive(logger, steps, epochs=1, verbose=1, logs=None):
    logger.set_params({"verbose": verbose, "epochs": epochs, "steps": steps})
    logger.on_train_begin()
    for epoch in range(epochs):
        logger.on_epoch_begin(epoch)
        for batch in range(steps or 5):
            logger.on_train_batch_end(batch, logs or {"loss": 0.5})
        logger.on_epoch_end(epoch, {**(logs or {"loss": 0.5}), "val_loss": 2e-5})
    logger.on_train_end()


def painted(text):
    """What a terminal shows in the end: each line as its last painting."""
    return [line.rsplit("\r", 1)[-1] for line in ESCAPES.sub("", text).replace("\r\n", "\n").split("\n")]


@pytest.mark.parametrize("verbose", [1, 2])
def test_a_log_file_has_one_line_for_each_epoch(capsys, verbose):
    drive(ProgbarLogger(), steps=4, epochs=2, verbose=verbose)
    lines = capsys.readouterr().out.splitlines()
    assert [lines[0], lines[2]] == ["Epoch 1/2", "Epoch 2/2"]
    for line in (lines[1], lines[3]):
        assert re.fullmatch(r"4/4 - 0s - \d+(us|ms)/step - loss: 0\.5000 - val_loss: 2\.0000e-05", line)
    assert len(lines) == 4


def test_a_terminal_shows_steps_bar_rate_and_values(terminal, capsys):
    drive(ProgbarLogger(), steps=12, logs={"loss": 0.25, "accuracy": 0.9})
    out = capsys.readouterr().out
    assert re.search(r"\r 1/12 \|\S* +\| 0s \d+(us|ms)/step - loss: 0\.2500 - accuracy: 0\.9000", out)
    (line, rest) = painted(out)
    assert re.fullmatch(r"12/12 \|\S{20}\| 0s \d+(us|ms)/step - loss: 0\.2500 - accuracy: 0\.9000 - val_loss: 2\.0000e-05", line)
    assert rest == ""


def test_values_that_do_not_fit_are_left_out_whole_while_it_moves(terminal, capsys):
    drive(ProgbarLogger(), steps=3, logs={"loss": 1.0, **{f"a_rather_long_metric_{i}": 1.0 for i in range(6)}})
    *moving, last = capsys.readouterr().out.rstrip("\n").split("\r")
    assert all(len(text) < 80 for text in moving)
    assert any(text.rstrip().endswith("step - loss: 1.0000") for text in moving)
    assert not any("metric" in text for text in moving)
    assert all(f"metric_{i}: 1.0000" in last for i in range(6)) and "val_loss" in last


def test_unknown_steps_are_known_from_the_second_epoch_on(terminal, capsys):
    drive(ProgbarLogger(), steps=None, epochs=2)
    out = capsys.readouterr().out
    assert re.search(r"\r1/Unknown 0s ", out)
    assert re.search(r"\r1/5 \|", out)
    assert [line[:4] for line in painted(out)] == ["Epoc", "5/5 ", "Epoc", "5/5 ", ""]


def test_logging_gets_the_lines_when_interactive_logging_is_off(terminal, capsys, caplog):
    config.disable_interactive_logging()
    try:
        with caplog.at_level(logging.INFO, logger="torchkeras"):
            drive(ProgbarLogger(), steps=2, epochs=2)
    finally:
        config.enable_interactive_logging()
    assert capsys.readouterr().out == ""
    assert len(caplog.messages) == 4 and caplog.messages[0] == "Epoch 1/2" and caplog.messages[3].startswith("2/2 - 0s - ")


def test_values_are_read_at_most_ten_times_a_second(terminal):
    reads = []

    class Logs(dict):
        def items(self):
            reads.append(time.perf_counter())
            return super().items()

    logger = ProgbarLogger()
    logger.set_params({"verbose": 1, "epochs": 1, "steps": None})
    logger.on_epoch_begin(0)
    start = time.perf_counter()
    batch = 0
    while time.perf_counter() < start + 0.35:
        logger.on_train_batch_end(batch, Logs(loss=1.0))
        batch += 1
    logger.on_epoch_end(0, {})
    assert 2 <= len(reads) <= 5 and batch > 1000


def test_validation_within_training_opens_no_bar(capsys):
    logger = ProgbarLogger()
    logger.set_params({"verbose": 2, "epochs": 1, "steps": 1})
    logger.on_train_begin()
    logger.on_epoch_begin(0)
    logger.on_train_batch_end(0, {"loss": 1.0})
    logger.on_test_begin()
    logger.on_test_batch_end(0, {"loss": 7.0})
    logger.on_test_end({"loss": 7.0})
    logger.on_epoch_end(0, {"loss": 1.0})
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("1/1 - 0s") and line.endswith(" - loss: 1.0000")


def small_model():
    model = Sequential([Input((2,)), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    return model


def screen(text, columns=80):
    """What a terminal shows: carriage returns, lines up and new lines carried out."""
    lines, row = [""], 0
    for part in re.findall(r"\x1b\[A|\r|\n|[^\x1b\r\n]+", text):
        if part == "\x1b[A":
            row -= 1
        elif part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part == "\r":
            lines[row] = "\r" + lines[row]  # what follows is written over it
        else:
            old = lines[row].split("\r")[-1]
            lines[row] = part + old[len(part) :] if "\r" in lines[row] else old + part
    return [line.split("\r")[-1].rstrip() for line in lines]


def test_the_bar_is_full_while_validation_has_a_line_of_its_own(terminal, capsys):
    seen = []

    class Look(callbacks.Callback):
        def on_test_batch_end(self, batch, logs=None):
            seen.append(capsys.readouterr().out)

    x, y = np.ones((100, 2), "float32"), np.ones((100, 1), "float32")
    small_model().fit(
        x, y, batch_size=10, epochs=1, validation_data=(x[:60], y[:60]), validation_batch_size=20, callbacks=[ProgbarLogger(), Look()]
    )
    done, validating = screen(seen[0])[-2:]
    assert re.fullmatch(r"10/10 \|[█#]{20}\| \ds \S+/step - loss: \S+ - mae: \S+", done)
    assert re.fullmatch(r"1/3 \|\S+ +\| \ds \S+/validation step - loss: \S+ - mae: \S+", validating)
    lines = screen("".join(seen) + capsys.readouterr().out)
    assert lines[1:] == [""]
    assert re.fullmatch(r"10/10 \|[█#]{20}\| \ds \S+/step - loss: \S+ - mae: \S+ - val_loss: \S+ - val_mae: \S+", lines[0])


def test_a_notebook_tells_the_steps_of_validation_in_the_same_line(terminal, monkeypatch, capsys):
    monkeypatch.setattr(console, "in_notebook", lambda: True)
    x = np.ones((6, 2), "float32")
    small_model().fit(x, x[:, :1], validation_data=(x, x[:, :1]), validation_batch_size=2)
    out = capsys.readouterr().out
    assert " - validation: 1/3" in out and "\x1b[A" not in out
    assert out.endswith("\n") and "val_loss" in out.rsplit("\r", 1)[-1]


def test_what_callbacks_print_stands_on_lines_of_its_own(terminal, capsys):
    class Prints(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            print("batch", batch)
            print("at", "once", file=sys.stdout)

        def on_epoch_end(self, epoch, logs=None):
            print("no line end", end="")

    x = np.ones((4, 2), "float32")
    before = sys.stdout
    small_model().fit(x, x[:, :1], batch_size=2, callbacks=[Prints()])
    assert sys.stdout is before
    lines = screen(capsys.readouterr().out)
    assert lines[:4] == ["batch 0", "at once", "batch 1", "at once"]
    assert lines[4].startswith("2/2 |") and lines[5] == "no line end"


def test_a_stream_that_somebody_kept_goes_on_when_the_bar_is_gone(terminal, capsys):
    kept = []

    class Keeps(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            kept.append(sys.stdout)

    x = np.ones((4, 2), "float32")
    small_model().fit(x, x[:, :1], callbacks=[Keeps()])
    capsys.readouterr()
    assert kept[0] is not sys.stdout
    kept[0].write("half a line")
    assert capsys.readouterr().out == "half a line"


@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_test_batch_end", "on_epoch_end"])
def test_an_interrupted_run_leaves_the_cursor_on_a_fresh_line(terminal, capsys, hook):
    class Interrupts(callbacks.Callback):
        pass

    def interrupt(*_):
        raise KeyboardInterrupt

    setattr(Interrupts, hook, interrupt)
    x, before = np.ones((4, 2), "float32"), sys.stdout
    with pytest.raises(KeyboardInterrupt):
        small_model().fit(x, x[:, :1], batch_size=2, validation_data=(x, x[:, :1]), callbacks=[ProgbarLogger(), Interrupts()])
    assert sys.stdout is before
    bar, *rest = screen(capsys.readouterr().out)
    assert "/2 |" in bar and rest and not any(rest)


def test_notebooks_without_widgets_hear_no_warning():
    script = "import sys, torchkeras; print([m for m in ('tqdm.auto', 'tqdm.notebook', 'IPython') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-W", "error", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_evaluation_and_prediction_leave_a_line_each(capsys):
    logger = ProgbarLogger()
    logger.set_params({"verbose": 1, "epochs": 1, "steps": 2})
    logger.on_test_begin()
    logger.on_test_batch_end(1, {"loss": 7.0})
    logger.on_test_end({"loss": 7.0})
    logger.on_predict_begin()
    logger.on_predict_batch_end(1, {"outputs": [1.0]})
    logger.on_predict_end()
    evaluated, predicted = capsys.readouterr().out.splitlines()
    assert evaluated.endswith("/step - loss: 7.0000") and re.fullmatch(r"2/2 - 0s - \d+\S+/step", predicted)


def test_an_interrupted_epoch_leaves_the_next_one_clean(terminal, capsys):
    logger = ProgbarLogger()
    logger.set_params({"verbose": 1, "epochs": 1, "steps": 4})
    logger.on_epoch_begin(0)
    logger.on_train_batch_end(0, {"loss": 1.0})
    drive(logger, steps=4)
    assert [line[:3] for line in painted(capsys.readouterr().out)] == ["1/4", "4/4", ""]


def test_a_terminal_without_a_size_is_painted_all_the_same():
    pty = pytest.importorskip("pty")
    script = """
        from torchkeras.callbacks.progress import Progbar
        bar = Progbar(3)
        for i in range(3):
            bar.add(1, [("loss", float(i))])
    """
    leader, follower = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], stdout=follower, cwd=ROOT, env=environment, check=True)
    os.close(follower)
    line = painted(os.read(leader, 10_000).decode())[0]
    os.close(leader)
    assert run.returncode == 0 and re.fullmatch(r"3/3 \|\S{20}\| 0s \S+/step - loss: 1\.0000", line)


def test_a_line_said_while_the_bar_moves_stands_above_it(terminal, capsys):
    logger = ProgbarLogger()
    logger.set_params({"verbose": 1, "epochs": 1, "steps": 2})
    logger.on_epoch_begin(0)
    logger.on_train_batch_end(0, {"loss": 1.0})
    progress.say("saved")
    logger.on_train_batch_end(1, {"loss": 1.0})
    logger.on_epoch_end(0, {"loss": 1.0})
    assert [line[:5] for line in painted(capsys.readouterr().out)] == ["saved", "2/2 |", ""]


# -- keras.utils.Progbar --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({}, "loss: 2.5000 - acc: 0.4000"),
        ({"stateful_metrics": ["acc"]}, "loss: 2.5000 - acc: 0.1000"),
        ({"stateless_metrics": ["acc"]}, "loss: 4.0000 - acc: 0.4000"),
    ],
)
def test_progbar_averages_over_steps(capsys, options, shown):
    bar = Progbar(4, verbose=2, unit_name="sample", **options)
    bar.add(2, [("loss", 1.0), ("acc", 0.7)])
    bar.update(4, [("loss", 4.0), ("acc", 0.1)])
    assert re.fullmatch(rf"4/4 - 0s - \d+us/sample - {shown}\n", capsys.readouterr().out)


def test_progbar_takes_one_list_of_names_only():
    with pytest.raises(ValueError, match="one of `stateful_metrics` and `stateless_metrics`"):
        Progbar(4, stateful_metrics=["a"], stateless_metrics=["b"])


def test_progbar_shows_the_mean_of_several_numbers(capsys):
    Progbar(1, verbose=2).update(1, [("recalls", np.array([0.25, 0.75])), ("note", "text")])
    assert capsys.readouterr().out.endswith(" - recalls: 0.5000 - note: text\n")


def test_progbar_of_unknown_length_ends_when_told(capsys):
    bar = Progbar(None, verbose=1)
    bar.update(3, [("loss", 1.0)])
    assert capsys.readouterr().out == ""
    bar.update(3, [("loss", 1.0)], finalize=True)
    assert capsys.readouterr().out.startswith("3/3 - 0s - ")


def test_progbar_is_silent_with_verbose_0(capsys):
    bar = Progbar(1, verbose=0)
    bar.update(1, [("loss", 1.0)])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0s"), (59.4, "59s"), (59.9, "1:00"), (61, "1:01"), (3725, "1:02:05")])
def test_clock(seconds, text):
    assert progress._clock(seconds) == text
