"""Every rule and every option against real Keras, 50 steps on the same gradients."""

import numpy as np
import pytest
import torch
from torch import nn

import torchkeras.optimizers as optimizers
from tests.oracle import keras
from torchkeras.variable import TRANSPOSED, Variable, WeightView

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # raised inside Keras

RULES = {
    "SGD": [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}],
    "RMSprop": [{}, {"momentum": 0.9}, {"centered": True}, {"momentum": 0.5, "centered": True, "rho": 0.8}],
    "Adam": [{}, {"amsgrad": True}, {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3}],
    "AdamW": [{}, {"amsgrad": True, "weight_decay": 0.1}],
    "Adadelta": [{}, {"rho": 0.5, "epsilon": 1e-3}],
    "Adagrad": [{}, {"initial_accumulator_value": 0.0, "epsilon": 1e-3}],
    "Adamax": [{}, {"epsilon": 1e-2}],
    "Adafactor": [{}, {"relative_step": False, "clip_threshold": 0.5}, {"beta_2_decay": -0.5, "epsilon_2": 0.1}],
    "Nadam": [{}, {"beta_1": 0.5, "epsilon": 1e-3}],
    "Ftrl": [
        {},
        {"l1_regularization_strength": 0.05, "l2_regularization_strength": 0.1, "beta": 0.5},
        {"l2_shrinkage_regularization_strength": 0.1, "learning_rate_power": -0.3},
    ],
    "Lion": [{}, {"beta_1": 0.5, "beta_2": 0.8}],
    "Lamb": [{}, {"epsilon": 1e-3}],
    "Muon": [{}, {"nesterov": False, "adam_lr_ratio": 0.5}, {"rms_rate": None, "exclude_layers": ["kernel"]}, {"ns_steps": 3}],
    "ScheduleFreeAdamW": [{}, {"warmup_steps": 7}],
}
OPTIONS = [
    {"weight_decay": 0.05},
    {"clipnorm": 0.5},
    {"global_clipnorm": 0.7},
    {"clipvalue": 0.3},
    {"use_ema": True, "ema_momentum": 0.9},
    {"use_ema": True, "ema_overwrite_frequency": 7},
    {"loss_scale_factor": 4.0},
]
CASES = [(n, kw) for n, many in RULES.items() for kw in many] + [(n, o) for n in RULES for o in OPTIONS]
SHAPES = {"kernel": (4, 3), "conv": (2, 3, 4), "bias": (3,)}


def start(seed=0):
    rng = np.random.default_rng(seed)
    return {n: rng.normal(size=s).astype("float32") for n, s in SHAPES.items()}


def gradients(steps, seed=1):
    rng = np.random.default_rng(seed)
    return [[rng.normal(size=s).astype("float32") for s in SHAPES.values()] for _ in range(steps)]


def mine():
    """The kernel as a transposed view of a torch module's, the others as variables."""
    values = start()
    linear = nn.Linear(4, 3)
    kernel = WeightView(linear, "weight", TRANSPOSED, "kernel")
    kernel.assign(values["kernel"])
    return [kernel, *(Variable(values[n], name=n) for n in ("conv", "bias"))]


def theirs():
    return [keras.Variable(v, name=n) for n, v in start().items()]


def run_theirs(name, kwargs, grads, lr=0.05):
    variables = theirs()
    optimizer = getattr(keras.optimizers, name)(learning_rate=lr, **kwargs)
    optimizer.build(variables)
    for g in grads:
        optimizer.apply([torch.tensor(x) for x in g])
    return optimizer, variables


def run_mine(name, kwargs, grads, lr=0.05, capturable=False):
    variables = mine()
    optimizer = getattr(optimizers, name)(learning_rate=lr, **kwargs)
    optimizer.capturable = capturable
    optimizer.build(variables)
    for g in grads:
        optimizer.apply([torch.tensor(x) for x in g])
        if capturable:
            optimizer.advance()
    return optimizer, variables


def numpy(variable):
    return variable.detach().numpy() if isinstance(variable, torch.Tensor) else variable.numpy()


def assert_same(got, wanted, tolerance=1e-5):
    for g, w in zip(got, wanted, strict=True):
        np.testing.assert_allclose(numpy(g), numpy(w), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name,kwargs", CASES, ids=str)
def test_fifty_steps_are_keras_s(name, kwargs):
    grads = gradients(50)
    if name == "AdamW" and "weight_decay" not in kwargs:
        kwargs = {"weight_decay": 0.004, **kwargs}
    real, wanted = run_theirs(name, kwargs, grads)
    optimizer, got = run_mine(name, kwargs, grads)
    tolerance = 1e-5
    assert_same(got, wanted, tolerance)
    assert [tuple(v.shape) for v in optimizer.variables] == [tuple(v.shape) for v in real.variables]
    assert_same(optimizer.variables, real.variables, tolerance * 10)
    optimizer.finalize_variable_values(got)
    real.finalize_variable_values(wanted)
    assert_same(got, wanted, tolerance)


@pytest.mark.parametrize("name,kwargs", CASES, ids=str)
def test_captured_arithmetic_is_the_eager_one(name, kwargs):
    grads = gradients(12)
    eager, wanted = run_mine(name, kwargs, grads)
    captured, got = run_mine(name, kwargs, grads, capturable=True)
    assert_same(got, wanted, 2e-6)
    captured.capturable = False
    assert_same(captured.variables, eager.variables, 1e-5)


@pytest.mark.parametrize("name", RULES)
def test_names_order_and_config_are_keras_s(name):
    real, _ = run_theirs(name, {"name": "opt"}, [])
    optimizer, _ = run_mine(name, {"name": "opt"}, [])
    count = len(real.variables) - (name == "Nadam")  # Keras numbers the name of Nadam's scalar through the process
    assert [v.path for v in optimizer.variables][:count] == [v.path for v in real.variables][:count]
    assert [v.name for v in optimizer.variables][:count] == [v.name for v in real.variables][:count]
    assert optimizer.get_config() == real.get_config()
    assert type(optimizer).from_config(optimizer.get_config()).get_config() == real.get_config()


@pytest.mark.parametrize("name,kwargs", [(n, kw) for n, many in RULES.items() for kw in many], ids=str)
def test_state_files_are_exchanged_with_keras(name, kwargs):
    grads = gradients(6)
    real, wanted = run_theirs(name, kwargs, grads[:3])
    store = {}
    real.save_own_variables(store)
    optimizer, got = run_mine(name, kwargs, [])
    for variable, value in zip(got, wanted):
        variable.assign(value.numpy())
    optimizer.load_own_variables(store)
    back = {}
    optimizer.save_own_variables(back)
    assert list(back) == list(store)
    assert all(back[k].dtype == np.asarray(store[k]).dtype for k in store)
    for g in grads[3:]:
        real.apply([torch.tensor(x) for x in g])
        optimizer.apply([torch.tensor(x) for x in g])
    assert_same(got, wanted, 1e-4 if name == "Muon" else 1e-5)
