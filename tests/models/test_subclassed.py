"""Subclassed models and layers: tracking, building, training flag, masks, freezing, copies."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

import torchkeras as keras
from tests.oracle import keras as oracle
from torchkeras import layers


def make_containers(k):
    class Containers(k.Model):
        def __init__(self):
            super().__init__()
            self.blocks = [k.layers.Dense(4, name="b0"), k.layers.Dense(4, name="b1")]
            self.table = {"x": k.layers.Dense(3, name="tx"), "deep": [k.layers.Dense(2, name="td")]}
            self.pair = (k.layers.Dense(2, name="p0"), k.layers.Dense(2, name="p1"))
            self.last = k.layers.Dense(1, name="last")

        def call(self, x):
            for block in self.blocks:
                x = block(x)
            x = self.table["deep"][0](self.table["x"](x))
            return self.last(self.pair[1](self.pair[0](x)))

    return Containers()


class Head(keras.Model):
    def __init__(self, units=2):
        super().__init__()
        self.units = units
        self.drop = layers.Dropout(0.5)
        self.norm = layers.BatchNormalization()
        self.dense = layers.Dense(units)

    def call(self, x, training=None):
        return self.dense(self.norm(self.drop(x, training=training), training=training))


class Noisy(layers.Layer):
    """A custom layer with both kinds of weights."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1], self.units), initializer="glorot_uniform", name="w")
        self.b = self.add_weight(shape=(self.units,), initializer="zeros", regularizer="l2", constraint="non_neg", name="b")
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False, name="calls")

    def call(self, x, training=False):
        if training:
            self.calls.assign_add(1.0)
        return torch.matmul(x, self.w) + self.b


def test_layers_in_containers_are_tracked_in_the_order_of_keras():
    x = np.ones((2, 5), "float32")
    ours, theirs = make_containers(keras), make_containers(oracle)
    ours(x), theirs(x)
    assert [tuple(w.shape) for w in ours.weights] == [tuple(w.shape) for w in theirs.weights]
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    ours.set_weights([np.asarray(w) for w in theirs.get_weights()])
    np.testing.assert_allclose(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), atol=1e-5)


def test_containers_that_change_later():
    class Growing(layers.Layer):
        def __init__(self):
            super().__init__()
            self.parts = []
            self.named = {}

        def call(self, x):
            for part in [*self.parts, *self.named.values()]:
                x = part(x)
            return x

    grown = Growing()
    grown.parts.append(layers.Dense(3))
    grown.parts += [layers.Dense(3)]
    grown.named["z"] = layers.Dense(2)
    assert grown(torch.ones(1, 4)).shape == (1, 2) and len(grown.weights) == 6
    del grown.parts[0]
    assert len(grown.weights) == 4


def test_attributes_before_super_init():
    class Early(keras.Model):
        def __init__(self):
            self.size = 3
            self.dense = layers.Dense(self.size)
            super().__init__(name="early")

        def call(self, x):
            return self.dense(x)

    model = Early()
    assert model(torch.ones(1, 2)).shape == (1, 3) and len(model.weights) == 2 and model.name == "early"


def test_a_constructor_without_super_is_reported():
    class Forgot(layers.Layer):
        def __init__(self):
            self.x = 1

        def call(self, x):
            return x

    with pytest.raises(RuntimeError, match=r"Forgot did not call `super\(\).__init__\(\)`"):
        Forgot()(torch.ones(1))


def test_sub_layers_made_in_build_and_in_call():
    class Late(layers.Layer):
        def build(self, input_shape):
            self.inner = layers.Dense(input_shape[-1])

        def call(self, x):
            if not hasattr(self, "extra"):
                self.extra = layers.Dense(2)
            return self.extra(self.inner(x))

    late = Late()
    assert late(torch.ones(1, 4)).shape == (1, 2)
    assert [tuple(w.shape) for w in late.weights] == [(4, 4), (4,), (4, 2), (2,)]


def test_build_with_a_shape():
    model = make_containers(keras)
    model.build((None, 16))
    assert model.built and model.count_params() == make_and_count(16)
    model.summary(print_fn=lambda text: None)


def make_and_count(n):
    return n * 4 + 4 + 20 + 15 + 8 + 6 + 6 + 3


def test_no_call_is_reported():
    with pytest.raises(NotImplementedError, match="has no `call` method"):
        keras.Model()(torch.ones(1))
    with pytest.raises(NotImplementedError, match="has no `call` method"):
        layers.Layer()(torch.ones(1))


def test_training_is_inherited_and_explicit_true_wins():
    class Outer(keras.Model):
        def __init__(self):
            super().__init__()
            self.drop = layers.Dropout(0.5)
            self.always = layers.Dropout(0.5)

        def call(self, x):
            return self.drop(x), self.always(x, training=True)

    model, x = Outer(), torch.ones(4, 100)
    inherited, always = model(x)
    assert torch.equal(inherited, x) and not torch.equal(always, x)
    inherited, _ = model(x, training=True)
    assert not torch.equal(inherited, x)
    assert not any(m.training for m in model.modules())


def test_monte_carlo_dropout_in_a_functional_model():
    i = keras.Input((100,))
    model = keras.Model(i, layers.Dropout(0.5)(i, training=True))
    x = np.ones((2, 100), "float32")
    assert not np.array_equal(model.predict(x, verbose=0), x)


def test_add_loss_and_regularizers_and_activity():
    class Penalty(layers.Layer):
        def call(self, x):
            self.add_loss(0.5 * torch.sum(x))
            return x

    i = keras.Input((3,))
    h = layers.Dense(2, kernel_regularizer="l2", activity_regularizer="l1", use_bias=False)(Penalty()(i))
    model = keras.Model(i, h)
    x = torch.ones(4, 3)
    y = model(x)
    kernel = model.layers[-1].kernel.value
    expected = [6.0, 0.01 * y.abs().sum().item() / 4, 0.01 * (kernel**2).sum().item()]
    assert sorted(v.item() for v in model.losses) == pytest.approx(sorted(expected), rel=1e-5)
    model(x)
    assert len(model.losses) == 3  # a call begins anew


def test_added_losses_train():
    class Drift(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1, use_bias=False, kernel_initializer="ones")

        def call(self, x):
            y = self.dense(x)
            self.add_loss(torch.mean(y**2))
            return y

    model = Drift()
    model.compile("sgd")
    x = np.ones((32, 1), "float32")
    h = model.fit(x, epochs=2, verbose=0)
    assert h.history["loss"][0] == pytest.approx(1.0) and h.history["loss"][1] < 1.0


def test_metrics_as_attributes():
    class Counting(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)
            self.seen = keras.metrics.Mean(name="seen")

        def call(self, x):
            y = self.dense(x)
            self.seen.update_state(torch.full((), 3.0))
            return y

    model = Counting()
    model.compile("sgd", "mse", metrics=["mae"])
    h = model.fit(np.ones((8, 2), "float32"), np.ones((8, 1), "float32"), verbose=0)
    assert h.history["seen"] == [3.0] and set(h.history) == {"loss", "mae", "seen"}


def test_masks_reach_call_and_losses():
    class Reads(layers.Layer):
        def call(self, x, mask=None):
            self.seen = None if mask is None else mask.clone()
            return x * 1

    reads = Reads()
    layers.Masking()(torch.zeros(1, 2, 3))
    reads(layers.Masking()(torch.tensor([[[1.0], [0.0]]])))
    assert reads.seen.tolist() == [[True, False]]


def test_a_lost_mask_warns():
    class Blind(layers.Layer):
        def call(self, x):
            return x.sum(1)

    with pytest.warns(UserWarning, match="does not support masking"):
        Blind()(layers.Masking()(torch.tensor([[[1.0], [0.0]]])))


def test_freezing_at_all_levels():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.BatchNormalization()])
    i = keras.Input((4,))
    model = keras.Model(i, layers.Dense(1)(inner(i)))
    assert len(model.trainable_weights) == 6 and len(model.non_trainable_weights) == 2
    inner.layers[0].trainable = False
    assert len(model.trainable_weights) == 4
    inner.trainable = False
    assert len(model.trainable_weights) == 2 and not inner.layers[1].trainable
    model.trainable = True
    assert len(model.trainable_weights) == 6
    model.trainable = False
    assert model.trainable_weights == [] and not any(p.requires_grad for p in model.parameters())


def test_frozen_weights_stay_and_frozen_batch_norm_is_inference():
    bn = layers.BatchNormalization(trainable=False)
    frozen = layers.Dense(4, trainable=False)
    model = keras.Sequential([keras.Input((4,)), frozen, bn, layers.Dense(1)])
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(np.random.rand(16, 4), np.ones((16, 1)), verbose=0)
    changed = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights())]
    assert changed == [False] * 6 + [True] * 2


def test_freezing_after_fit_and_compile_again():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.Dense(1)])
    x, y = np.random.rand(16, 4), np.ones((16, 1))
    model.compile("adam", "mse")
    model.fit(x, y, verbose=0)
    model.layers[0].trainable = False
    model.compile("adam", "mse")
    before = model.get_weights()
    model.fit(x, y, verbose=0)
    assert [np.array_equal(a, b) for a, b in zip(before, model.get_weights())] == [True, True, False, False]


def test_custom_layer_weights():
    layer = Noisy(3)
    x = torch.ones(2, 4)
    layer(x)
    assert [w.name for w in layer.weights] == ["w", "b", "calls"]
    assert [w.name for w in layer.trainable_weights] == ["w", "b"]
    assert list(layer.state_dict()) == ["w", "b", "calls"] and {n for n, _ in layer.named_parameters()} == {"w", "b"}
    layer(x, training=True)
    assert float(layer.calls) == 1
    assert layer.get_config()["units"] == 3
    assert Noisy.from_config(layer.get_config()).units == 3


def test_constraints_hold_after_updates():
    model = keras.Sequential([keras.Input((2,)), Noisy(1)])
    model.compile(keras.optimizers.SGD(1.0), "mse")
    model.fit(np.ones((8, 2), "float32"), np.full((8, 1), -5.0, "float32"), epochs=3, verbose=0)
    assert (model.layers[0].b.numpy() >= 0).all()
    assert float(model.layers[0].calls) == 3


def test_to_and_half_and_double():
    for model in (Head(), keras.Sequential([keras.Input((4,)), Noisy(3), layers.Dense(2)])):
        model(torch.ones(2, 4))
        kept = [id(p) for p in model.parameters()]
        model.to("cpu").double()
        assert all(w.dtype is torch.float64 for w in model.weights)
        model.half()
        assert all(w.dtype is torch.float16 for w in model.weights) and [id(p) for p in model.parameters()] == kept
        model.float()
        assert model(torch.ones(2, 4)).dtype is torch.float32


@pytest.mark.parametrize("way", ["deepcopy", "pickle"])
@pytest.mark.parametrize("kind", ["functional", "sequential", "subclassed"])
def test_copies(way, kind):
    x = torch.randn(3, 4)
    if kind == "functional":
        i = keras.Input((4,))
        model = keras.Model(i, layers.Dense(2)(torch.relu(Noisy(3)(i))))
    elif kind == "sequential":
        model = keras.Sequential([layers.Dense(3), layers.BatchNormalization(), nn.Linear(3, 2)])
    else:
        model = Head()
    expected = model(x)
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(x.numpy(), np.zeros((3, 2)), verbose=0)
    expected = model(x)
    twin = copy.deepcopy(model) if way == "deepcopy" else pickle.loads(pickle.dumps(model))
    torch.testing.assert_close(twin(x), expected)
    assert not {id(p) for p in twin.parameters()} & {id(p) for p in model.parameters()}
    twin.fit(x.numpy(), np.ones((3, 2)), verbose=0)
    torch.testing.assert_close(model(x), expected)
    assert not torch.equal(twin(x), expected)


def test_stateless_call_with_layers_in_lists_and_state_that_call_assigns():
    model = make_containers(keras)
    x = torch.ones(2, 5)
    model(x)
    out, _ = model.stateless_call([torch.zeros(w.shape) for w in model.trainable_weights], [], x)
    assert torch.equal(out, torch.zeros(2, 1)) and not torch.equal(model(x), out)
    noisy = Noisy(3)
    noisy(torch.ones(1, 2))
    _, new, losses = noisy.stateless_call(
        [torch.ones(2, 3), torch.full((3,), 2.0)], [torch.tensor(5.0)], torch.ones(1, 2), training=True, return_losses=True
    )
    assert float(new[0]) == 6 and float(noisy.calls) == 0 and losses[0].item() == pytest.approx(0.12)


def test_gradients_through_stateless_call():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    weights = [w.value.detach().clone().requires_grad_() for w in model.trainable_weights]
    out, _ = model.stateless_call(weights, [], torch.ones(2, 4))
    assert [g.shape for g in torch.autograd.grad(out.sum(), weights)] == [w.shape for w in weights]


def test_stateless_call():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.BatchNormalization()])
    x = torch.randn(8, 4)
    train = [torch.zeros(w.shape) for w in model.trainable_weights]
    others = [w.value.clone() for w in model.non_trainable_weights]
    before = model.get_weights()
    out, new = model.stateless_call(train, others, x, training=True)
    assert torch.equal(out, torch.zeros(8, 3)) and len(new) == 2
    for a, b in zip(before, model.get_weights()):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="`trainable_variables` must hold 4 values"):
        model.stateless_call([], others, x)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains(policy):
    model = keras.Sequential([keras.Input((8,)), layers.Dense(16, activation="relu", dtype=policy), layers.Dense(1, dtype="float32")])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    x = np.random.rand(64, 8).astype("float32")
    h = model.fit(x, x.sum(1, keepdims=True), epochs=8, verbose=0)
    assert h.history["loss"][-1] < h.history["loss"][0]
    assert model.layers[0].kernel.dtype is torch.float32
    assert model.layers[0](torch.ones(1, 8)).dtype is (torch.bfloat16 if "bf" in policy else torch.float16)


def test_a_global_mixed_float16_policy_scales_the_loss():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.Dense(1, dtype="float32")])
        model.compile("sgd", "mse")
        assert type(model.optimizer).__name__ == "LossScaleOptimizer"
        h = model.fit(np.ones((32, 4)), np.ones((32, 1)), epochs=3, verbose=0)
        assert np.isfinite(h.history["loss"]).all()
    finally:
        keras.config.set_dtype_policy("float32")


def test_a_failed_build_leaves_the_layer_as_it_was():
    class Breaks(layers.Layer):
        def build(self, input_shape):
            self.w = self.add_weight(shape=(2,), name="w")
            if input_shape[-1] != 3:
                raise ValueError("three, please")

        def call(self, x):
            return x * self.w.sum()

    layer = Breaks()
    with pytest.raises(ValueError, match="three, please"):
        layer(torch.ones(1, 2))
    assert layer.weights == [] and not layer.built
    layer(torch.ones(1, 3))
    assert len(layer.weights) == 1


def test_keras_layers_in_a_plain_module_and_a_torch_loop():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = layers.Dense(8, activation="relu")
            self.rest = nn.Sequential(layers.BatchNormalization(), nn.Dropout(0.1), layers.Dense(1))

        def forward(self, x):
            return self.rest(self.first(x))

    net = Net()
    x = torch.randn(64, 4)
    y = x.sum(1, keepdim=True)
    net(x)  # layers make their weights on the first input: before the optimizer asks for them
    optimizer = torch.optim.Adam(net.parameters(), 0.02)
    net.train()
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 2 and len(list(net.parameters())) == 6
    net.eval()
    assert torch.equal(net(x), net(x))


def test_variables_are_weights_and_the_states_of_seed_generators():
    for k in (oracle, keras):
        inner = k.Sequential([k.layers.Dense(3), k.layers.Dropout(0.5), k.layers.Dropout(0), k.layers.BatchNormalization()])
        model = k.Sequential([k.Input((4,)), inner, k.layers.GaussianNoise(0.1)])
        assert (len(model.variables), len(model.weights), len(model.non_trainable_variables)) == (8, 6, 4)
        assert [len(layer._seed_generators) for layer in inner.layers] == [0, 1, 0, 0]


def test_stateless_call_takes_and_returns_the_states_of_seed_generators():
    layer = keras.layers.Dropout(0.5, seed=3)
    x = torch.ones(4, 8)
    layer(x)
    first, state = layer.stateless_call([], layer.non_trainable_variables, x, training=True)
    again, _ = layer.stateless_call([], layer.non_trainable_variables, x, training=True)
    other, _ = layer.stateless_call([], state, x, training=True)
    assert torch.equal(first, again) and not torch.equal(first, other)
