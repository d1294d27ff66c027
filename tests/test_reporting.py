"""Tracebacks show the caller's frames only, and warnings point to the caller's line."""

import traceback
import warnings

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras import config, layers, reporting

HERE = __file__


class Scaled(layers.Layer):
    def call(self, x, scale=1.0):
        return torch.matmul(x, torch.zeros(7, 2)) * scale


class Outer(keras.Model):
    def __init__(self):
        super().__init__(name="outer")
        self.first, self.second = layers.Dense(4, name="first"), Scaled(name="second")

    def call(self, x):
        return self.second(self.first(x))


def files(error: BaseException) -> list[str]:
    return [frame.filename for frame in traceback.extract_tb(error.__traceback__)]


def compiled(model):
    model.compile("sgd", "mse")
    return model


USES = {
    "call": lambda m: m(torch.ones(2, 3)),
    "fit": lambda m: compiled(m).fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0),
    "evaluate": lambda m: compiled(m).evaluate(np.ones((4, 3)), np.ones((4, 2)), verbose=0),
    "predict": lambda m: m.predict(np.ones((4, 3)), verbose=0),
    "train_on_batch": lambda m: compiled(m).train_on_batch(np.ones((4, 3)), np.ones((4, 2))),
    "test_on_batch": lambda m: compiled(m).test_on_batch(np.ones((4, 3)), np.ones((4, 2))),
    "predict_on_batch": lambda m: m.predict_on_batch(np.ones((4, 3))),
    "symbolic": lambda m: m(keras.Input((3,))),
}


@pytest.mark.parametrize("use", USES)
def test_an_error_in_a_users_call_shows_the_users_frames_alone(use):
    with pytest.raises(RuntimeError) as caught:
        USES[use](Outer())
    assert set(files(caught.value)) == {HERE}
    assert [f.name for f in traceback.extract_tb(caught.value.__traceback__)][-2:] == ["call", "call"]


def test_a_wrong_input_shape_shows_one_line():
    model = compiled(keras.Sequential([layers.Input((3,)), layers.Dense(2)]))
    for use in (lambda: model(torch.ones(2, 5)), lambda: model.fit(np.ones((4, 5)), np.ones((4, 2)), verbose=0)):
        with pytest.raises(ValueError, match="expected axis -1 of the input shape to have size 3, found 5") as caught:
            use()
        assert set(files(caught.value)) == {HERE}


def test_the_line_of_a_layer_of_ours_that_computed_stays():
    dense = layers.Dense(2)
    dense.build((None, 3))
    dense.input_spec = None
    with pytest.raises(RuntimeError) as caught:
        dense(torch.ones(2, 5))
    shown = traceback.extract_tb(caught.value.__traceback__)
    assert shown[0].filename == HERE and shown[-1].name == "call" and shown[-1].filename.endswith("core.py")


def test_all_frames_are_shown_on_request():
    config.disable_traceback_filtering()
    try:
        with pytest.raises(RuntimeError) as caught:
            Outer()(torch.ones(2, 3))
    finally:
        config.enable_traceback_filtering()
    assert any(file.endswith("layer.py") for file in files(caught.value))


def test_causes_are_cut_too():
    class Wraps(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = Scaled()

        def call(self, x):
            try:
                return self.inner(x)
            except RuntimeError as error:
                raise KeyError("wrapped") from error

    with pytest.raises(KeyError) as caught:
        Wraps()(torch.ones(2, 3))
    assert set(files(caught.value.__cause__)) == {HERE}


def test_a_warning_points_to_the_line_that_led_to_it():
    model = keras.Sequential([layers.Input((3,)), layers.Dense(2)])
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        model.compile("sgd", "mse", run_eagerly=True, jit_compile=True)
        compiled(model).fit(np.ones((4, 3)), np.ones((4, 2)), batch_size=0, verbose=0)
        layers.LeakyReLU(alpha=0.1)
    assert [w.filename for w in seen] == [HERE] * 3


def test_functions_that_hide_frames_keep_their_signature():
    assert reporting.hides_own_frames(compiled).__wrapped__ is compiled
    with pytest.raises(ValueError, match="must be compiled before `fit`"):
        Outer().fit(np.ones((2, 3)), np.ones((2, 2)))
