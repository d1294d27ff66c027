"""Schedules against real Keras, on numbers and on tensors."""

import numpy as np
import pytest
import torch

import torchkeras.optimizers as optimizers
from tests.oracle import keras
from torchkeras.optimizers import schedules

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # raised inside Keras

CASES = [
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.9}),
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.9, "staircase": True}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.5}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.5, "staircase": True}),
    ("PiecewiseConstantDecay", {"boundaries": [10, 40, 41], "values": [1.0, 0.5, 0.25, 0.1]}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 30, "end_learning_rate": 0.01, "power": 0.5}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 30, "end_learning_rate": 0.01, "cycle": True}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 60, "alpha": 0.1}),
    ("CosineDecay", {"initial_learning_rate": 0.0, "decay_steps": 60, "warmup_target": 0.2, "warmup_steps": 20}),
    ("CosineDecay", {"initial_learning_rate": 0.0, "decay_steps": 60, "warmup_target": 0.2, "warmup_steps": 0}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 13}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 13, "t_mul": 1.0, "m_mul": 0.8, "alpha": 0.2}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 13, "t_mul": 1.5, "m_mul": 0.9}),
]


@pytest.mark.parametrize("name,kwargs", CASES, ids=str)
def test_a_hundred_steps_are_keras_s(name, kwargs):
    real, schedule = getattr(keras.optimizers.schedules, name)(**kwargs), getattr(schedules, name)(**kwargs)
    wanted = [float(real(step)) for step in range(101)]
    np.testing.assert_allclose([schedule(step) for step in range(101)], wanted, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose([float(schedule(torch.tensor(step))) for step in range(101)], wanted, rtol=1e-5, atol=1e-7)
    assert schedule.get_config() == real.get_config()
    assert schedules.serialize(schedule) == keras.optimizers.schedules.serialize(real)
    again = schedules.deserialize(schedules.serialize(schedule))
    assert type(again) is type(schedule) and again.get_config() == schedule.get_config()


@pytest.mark.parametrize("capturable", [False, True])
def test_an_optimizer_follows_its_schedule(capturable):
    w = torch.nn.Parameter(torch.zeros(1))
    optimizer = optimizers.SGD(schedules.ExponentialDecay(1.0, 1, 0.5))
    optimizer.capturable = capturable
    optimizer.build([w])
    for _ in range(3):
        optimizer.apply([torch.ones(1)])
    assert w.item() == pytest.approx(-(1 + 0.5 + 0.25))
    assert float(optimizer.learning_rate) == pytest.approx(0.125)
    assert [v.name for v in optimizer.variables] == ["iteration"]


def test_a_schedule_of_ones_own_gets_tensors():
    class Warmup(schedules.LearningRateSchedule):
        def __call__(self, step):
            return torch.minimum((step + 1).to(torch.float32) / 10, torch.tensor(1.0))

        def get_config(self):
            return {}

    w = torch.nn.Parameter(torch.zeros(1))
    optimizer = optimizers.SGD(Warmup())
    optimizer.build([w])
    for _ in range(2):
        optimizer.apply([torch.ones(1)])
    assert w.item() == pytest.approx(-0.3)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="`values` must hold one number more than `boundaries`.*2 values, 2 boundaries"):
        schedules.PiecewiseConstantDecay([1, 2], [0.1, 0.2])
    with pytest.raises(ValueError, match="`decay_steps` must be greater than 0. Received: decay_steps=0"):
        schedules.CosineDecay(0.1, 0)
    with pytest.raises(ValueError, match="Did you mean 'CosineDecay'"):
        schedules.deserialize({"class_name": "CosinDecay", "config": {}})
