"""Dynamic loss scaling and several optimizers for one model, against real Keras."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

import torchkeras.optimizers as optimizers
from tests.oracle import keras
from torchkeras.variable import Variable

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # raised inside Keras


def variable(name="w", cls=Variable):
    return cls(np.ones(3, "float32"), name=name)


def gradients(steps, infinite=()):
    rng = np.random.default_rng(0)
    grads = [rng.normal(size=3).astype("float32") for _ in range(steps)]
    for i in infinite:
        grads[i][0] = np.inf if i % 2 else np.nan
    return grads


@pytest.mark.parametrize("capturable", [False, True])
@pytest.mark.parametrize("inner", ["SGD", "Adam", "Adafactor", "Nadam"])
def test_dynamic_scaling_is_keras_s(inner, capturable):
    ours, theirs = variable(), variable(cls=keras.Variable)
    a = optimizers.LossScaleOptimizer(getattr(optimizers, inner)(0.1, name="i"), 8.0, 3, name="o")
    b = keras.optimizers.LossScaleOptimizer(getattr(keras.optimizers, inner)(0.1, name="i"), 8.0, 3, name="o")
    a.capturable = capturable
    a.build([ours])
    b.build([theirs])
    for g in gradients(14, infinite=(4, 5, 6, 7, 11)):
        a.apply([torch.tensor(g)])
        b.apply([torch.tensor(g)])
        if capturable:
            a.advance()
        assert float(a.scale_loss(torch.tensor(1.0))) == float(b.scale_loss(torch.tensor(1.0)))
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5)
    assert int(a.iterations) == int(b.iterations) == 9
    assert [v.path for v in a.variables] == [v.path for v in b.variables]
    stores = {}, {}
    a.save_own_variables(stores[0])
    b.save_own_variables(stores[1])
    for k in stores[1]:
        np.testing.assert_allclose(stores[0][k], stores[1][k], rtol=1e-5)
        assert stores[0][k].dtype == stores[1][k].dtype


def test_the_rate_is_the_inner_one_and_configs_go_round():
    optimizer = optimizers.LossScaleOptimizer(optimizers.Adam(0.25), 64.0)
    optimizer.learning_rate = 0.5
    assert float(optimizer.learning_rate) == float(optimizer.inner_optimizer.learning_rate) == 0.5
    again = optimizers.deserialize(optimizers.serialize(optimizer))
    assert again.get_config() == optimizer.get_config()
    assert optimizers.LossScaleOptimizer(optimizers.SGD(loss_scale_factor=2.0), dynamic=True).inner_optimizer.loss_scale_factor is None
    with pytest.raises(ValueError, match="`dynamic=False` is not offered: pass `loss_scale_factor`"):
        optimizers.LossScaleOptimizer(optimizers.SGD(), dynamic=False)
    with pytest.raises(ValueError, match="takes options of updates through `inner_optimizer`.*ema_momentum"):
        optimizers.LossScaleOptimizer(optimizers.SGD(), ema_momentum=0.5)
    with pytest.raises(ValueError, match="takes options of updates through `inner_optimizer`.*clipnorm"):
        optimizers.LossScaleOptimizer(optimizers.SGD(), clipnorm=1.0)


def make_multi(module, cls):
    unused = module.Lamb(0.3, name="unused")
    parts = module.OptimizerMap(module.SGD(0.5), {"kernel": module.Adam(0.1), "none": unused, "b.*s": module.Lion(0.2)})
    optimizer = module.MultiOptimizer(parts)
    variables = [variable(n, cls) for n in ("kernel", "scale", "bias", "shift")]
    optimizer.build(variables)
    return optimizer, variables


def test_several_optimizers_are_keras_s():
    a, ours = make_multi(optimizers, Variable)
    b, theirs = make_multi(keras.optimizers, keras.Variable)
    for g in gradients(6):
        a.apply([torch.tensor(g) * n for n in range(1, 5)])
        b.apply([torch.tensor(g) * n for n in range(1, 5)])
    for x, y in zip(ours, theirs):
        np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-5)
    assert [type(o).__name__ for o in a.optimizers] == [type(o).__name__ for o in b.optimizers]
    assert [tuple(v.shape) for v in a.variables] == [tuple(v.shape) for v in b.variables]
    for x, y in zip(a.variables, b.variables):
        np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-5)
    assert int(a.iterations) == int(b.iterations) == 6
    with pytest.raises(AttributeError, match="MultiOptimizer has no `learning_rate`"):
        a.learning_rate


def test_several_optimizers_are_one_torch_optimizer():
    optimizer, variables = make_multi(optimizers, Variable)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    for v in variables:
        v.grad = torch.ones(3)
    optimizer.step()
    scheduler.step()
    assert [float(o.learning_rate) for o in optimizer.optimizers] == pytest.approx([0.05, 0.3, 0.1, 0.25])
    other, others = make_multi(optimizers, Variable)
    other.load_state_dict(optimizer.state_dict())
    for v, w in zip(variables, others):
        w.assign(v)
    for copied, held in ((other, others), copy.deepcopy((optimizer, variables)), pickle.loads(pickle.dumps((optimizer, variables)))):
        for w in held:
            w.grad = torch.ones(3)
        copied.step()
        assert int(copied.iterations) == 2
    optimizer.step()
    for v, w, u in zip(variables, others, held):
        assert v.tolist() == w.tolist() == u.tolist()


def test_maps_are_mappings_with_configs():
    mapping = optimizers.OptimizerMap(optimizers.SGD())
    adam = mapping["encoder/.*"] = optimizers.Adam()
    assert mapping["encoder/kernel"] is adam and mapping["head"] is mapping.default_optimizer and len(mapping) == 1
    multi = optimizers.MultiOptimizer(mapping)
    again = optimizers.deserialize(optimizers.serialize(multi))
    assert again.get_config() == multi.get_config()
    with pytest.raises(ValueError, match="`key` is in the map already"):
        mapping["encoder/.*"] = optimizers.SGD()
    for wrong in ("sgd", multi, optimizers.LossScaleOptimizer(optimizers.SGD())):
        with pytest.raises(ValueError, match="`optimizer` must be an optimizer that wraps no other"):
            mapping["x"] = wrong
    with pytest.raises(ValueError, match="`key` must be a regular expression"):
        mapping[3] = adam
    with pytest.raises(TypeError, match="`default_optimizer` must be an optimizer"):
        optimizers.OptimizerMap("sgd")
    with pytest.raises(TypeError, match="`optimizer_map` must map patterns"):
        optimizers.OptimizerMap(adam, [adam])
    assert mapping["my_encoder/kernel"] is mapping.default_optimizer  # patterns match whole paths
    mapping[".*kernel"] = optimizers.SGD()
    with pytest.raises(ValueError, match="which the patterns .* match"):
        mapping["encoder/kernel"]
    with pytest.raises(ValueError, match="`optimizer_map` must give an optimizer for 'w'"):
        optimizers.MultiOptimizer(lambda v: None).build([variable()])


def test_a_fixed_scale_divides_the_gradients():
    parts = optimizers.OptimizerMap(optimizers.SGD(1.0))
    optimizer = optimizers.MultiOptimizer(parts, loss_scale_factor=4.0)
    w = nn.Parameter(torch.zeros(2))
    optimizer.build([w])
    optimizer.apply([torch.full((2,), 4.0)])
    assert w.tolist() == [-1, -1] and float(optimizer.scale_loss(2.0)) == 8.0


def test_a_file_without_nadam_s_product_is_taken_up():
    grads = gradients(6)
    first, second = variable(), variable()
    one, two = (optimizers.LossScaleOptimizer(optimizers.Nadam(0.1)) for _ in range(2))
    one.build([first])
    two.build([second])
    for g in grads[:3]:
        one.apply([torch.tensor(g)])
    second.assign(first)
    store = {}
    one.save_own_variables(store)
    two.load_own_variables(store)
    for g in grads[3:]:
        one.apply([torch.tensor(g)])
        two.apply([torch.tensor(g)])
    assert first.tolist() == pytest.approx(second.tolist())
