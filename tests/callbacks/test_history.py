"""What a History says of itself, and the pictures it draws."""

import importlib.util

import numpy as np
import pytest

import torchkeras as keras
from torchkeras import layers
from torchkeras.callbacks import History


def trained(epochs=3, runs=1):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    x, y = np.ones((8, 2)), np.ones((8, 1))
    for _ in range(runs):
        history = model.fit(x, y, epochs=epochs, validation_data=(x, y), verbose=0)
    return history


def test_it_says_its_epochs_and_last_values():
    history = trained()
    text = repr(history)
    assert text.startswith("<History of 3 epochs: ")
    for name, values in history.history.items():
        assert f"{name}={values[-1]:.4g}" in text
    assert repr(History()) == "<History of 0 epochs>"


def test_its_table_has_a_row_for_each_epoch():
    history = trained()
    page = history._repr_html_()
    assert page.count("<tr>") == 4 and page.count("<th>") == 5 and f"{history.history['val_mae'][1]:.4g}" in page


def test_the_table_of_a_long_run_leaves_out_the_middle():
    history = History()
    history.epoch, history.history = list(range(100)), {"loss": [1 / (i + 1) for i in range(100)]}
    page = history._repr_html_()
    assert page.count("<tr>") == 22 and "<td>100</td><td>0.01</td>" in page and "…" in page and "<td>50</td>" not in page


def test_a_second_run_is_told_by_its_own_values():
    history = trained(epochs=2, runs=2)
    assert repr(history).startswith("<History of 2 epochs: ")
    assert f"<td>1</td><td>{history.history['loss'][-2]:.4g}</td>" in history._repr_html_()


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="matplotlib is an extra")
def test_plot_draws_training_and_validation_together():
    import matplotlib

    matplotlib.use("Agg", force=True)
    from matplotlib import pyplot

    history = trained()
    axes = history.plot()
    assert len(axes) == 2
    for place, name in zip(axes, ("loss", "mae")):
        lines = {line.get_label(): line for line in place.get_lines()}
        assert set(lines) == {name, f"val_{name}"}
        assert lines[name].get_color() == lines[f"val_{name}"].get_color() and lines[f"val_{name}"].get_linestyle() == "--"
        np.testing.assert_allclose(lines[name].get_ydata(), history.history[name])
    only = history.plot("loss")
    assert history.plot(["mae"], ax=only) is only and len(only.get_lines()) == 4
    with pytest.raises(ValueError, match="`names` must be entries of the history, which are: .*Received: 'acc'"):
        history.plot("acc")
    with pytest.raises(ValueError, match="nothing was trained"):
        History().plot()
    pyplot.close("all")
