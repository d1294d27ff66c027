"""What a call knows is local to its thread; the short way of a layer is found again whenever something it depends on is set."""

import threading

import numpy as np
import pytest
import torch
from torch import nn

import torchkeras as keras
from torchkeras import layers
from torchkeras.layers import call


def in_threads(*functions):
    """Run each function in a thread of its own, all at once; an error in one fails the test."""
    errors, barrier = [], threading.Barrier(len(functions))

    def run(fn):
        try:
            barrier.wait(10)
            fn()
        except BaseException as error:  # noqa: BLE001  # shown by the test
            errors.append(error)

    threads = [threading.Thread(target=run, args=(fn,)) for fn in functions]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert not any(t.is_alive() for t in threads)
    assert errors == []


class Penalty(layers.Layer):
    def __init__(self, value, **kwargs):
        super().__init__(**kwargs)
        self.value = value

    def call(self, inputs):
        self.add_loss(self.value * inputs.mean())
        return inputs


class SelfMade(layers.Layer):
    """Depends on the mode as a torch user writes it."""

    def call(self, inputs):
        return torch.nn.functional.dropout(inputs, 0.5, self.training)


# -- threads ------------------------------------------------------------------------------------------------------------------------------


def test_losses_belong_to_the_thread_and_the_model():
    def read(value):
        def run():
            model = keras.Sequential([keras.Input((3,)), Penalty(value), Penalty(value)])
            for _ in range(300):
                model(torch.ones(2, 3))
                assert [float(loss) for loss in model.losses] == [value, value]

        return run

    in_threads(*(read(float(v)) for v in (1, 2, 3)))


def test_a_prediction_in_another_thread_leaves_the_losses_of_a_training_step():
    model = keras.Sequential([keras.Input((3,)), Penalty(1.0)])
    model(torch.ones(2, 3))
    in_threads(lambda: model(torch.full((2, 3), 7.0)))
    assert [float(loss) for loss in model.losses] == [1.0]


@pytest.mark.parametrize("layer", [layers.Dropout(0.5), layers.SpatialDropout1D(0.5), SelfMade()], ids=lambda v: type(v).__name__)
def test_the_flag_of_one_thread_is_not_seen_in_another(layer):
    model = keras.Sequential([keras.Input((4, 64)), layer])
    x = torch.ones(2, 4, 64)

    def train():
        for _ in range(200):
            assert (model(x, training=True) == 0).any()

    def predict():
        for _ in range(200):
            assert torch.equal(model(x), x)

    in_threads(train, predict)
    assert not any(m.training for m in model.modules())


def test_predict_beside_fit_is_inference_and_leaves_modes():
    trained = keras.Sequential([keras.Input((8,)), layers.Dropout(0.5), layers.Dense(1)])
    trained.compile("sgd", "mse")
    x = np.ones((64, 8), "float32")
    drop = keras.Sequential([keras.Input((8,)), trained.layers[0]])

    def predict():
        for _ in range(30):
            assert np.array_equal(drop.predict(x, verbose=0), x)

    in_threads(lambda: trained.fit(x, x[:, :1], epochs=30, verbose=0), predict)
    assert not any(m.training for m in trained.modules())


def test_building_in_threads():
    names = []

    def build():
        for i in range(10):
            inputs = keras.Input((i + 2,))
            x = Penalty(1.0)(layers.Dense(3)(inputs))
            model = keras.Model(inputs, layers.Lambda(lambda t: t * 2)(x))
            assert model(torch.ones(2, i + 2)).shape == (2, 3)
            names.extend(layer.name for layer in model.layers)

    in_threads(*[build] * 4)
    assert len(set(names)) == len(names)


# -- the flag -----------------------------------------------------------------------------------------------------------------------------


class Recorder(layers.Layer):
    seen: list

    def call(self, inputs, training=None):
        self.seen = [training, self.training]
        return inputs


class Outer(layers.Layer):
    def __init__(self, given):
        super().__init__()
        self.inner, self.foreign, self.given = Recorder(), nn.Dropout(0.5), given

    def call(self, inputs):
        self.mode_inside = self.foreign.training
        return self.inner(inputs, training=self.given)


@pytest.mark.parametrize("given, flag, own, expected", [
    (None, None, False, False), (None, None, True, True), (None, True, False, True), (None, False, True, False),
    (True, False, False, True), (False, True, True, False), (True, None, False, True),
])  # fmt: skip
def test_own_argument_then_the_flag_of_the_call_then_the_mode(given, flag, own, expected):
    layer = Outer(given)
    layer.train(own)
    layer(torch.ones(2, 3), training=flag)
    assert layer.inner.seen == [expected, expected]
    assert layer.mode_inside is (own if flag is None else flag)  # a torch module gets its mode for the call
    assert [m.training for m in layer.modules()] == [own] * 3


def test_mode_is_a_flag_for_the_calls_of_a_thread():
    layer = Outer(None)
    with call.mode(layer, True):
        layer(torch.ones(2, 3))
        assert layer.inner.seen == [True, True] and layer.mode_inside
        with call.mode(layer, False):
            layer(torch.ones(2, 3))
            assert layer.inner.seen == [False, False] and not layer.mode_inside
        assert call.training_flag(layer) and call.training_flag(layer.foreign) and call.training_flag(nn.Linear(2, 2).eval())
    assert [m.training for m in layer.modules()] == [False] * 3


def test_modes_come_back_after_an_error():
    class Fails(Outer):
        def call(self, inputs):
            raise KeyError("no")

    layer = Fails(None)
    with pytest.raises(KeyError):
        layer(torch.ones(2, 3), training=True)
    assert [m.training for m in layer.modules()] == [False] * 3


def test_a_torch_module_made_in_the_middle_of_a_call_follows_its_flag():
    class Late(layers.Layer):
        def build(self, input_shape):
            self.drop = nn.Dropout(0.5)

        def call(self, inputs):
            return self.drop(inputs)

    layer = Late()
    assert (layer(torch.ones(8, 64), training=True) == 0).any()
    assert torch.equal(layer(torch.ones(8, 64)), torch.ones(8, 64)) and not layer.drop.training
