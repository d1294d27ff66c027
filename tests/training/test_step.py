"""The four pieces of a step, called as steps of one's own call them, and what they find to do."""

import numpy as np
import pytest
import torch

import torchkeras
from torchkeras import layers
from torchkeras.distribution import shard
from torchkeras.training import step

RNG = np.random.default_rng(0)
X, Y = (torch.from_numpy(RNG.normal(size=(20, n)).astype("float32")) for n in (3, 1))


def network(optimizer="sgd", regularizer="l2", **compiled):
    torchkeras.random.set_random_seed(0)
    i = torchkeras.Input((3,))
    h = layers.Dense(4, kernel_regularizer=regularizer)(i)
    model = torchkeras.Model(i, layers.Dense(1)(layers.Dropout(0.5)(h)))
    model.compile(optimizer, "mse", metrics=["mae"], **compiled)
    return model


def same(a, b):
    for x, y in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-7)


def by_pieces(model):
    loss, y_pred = step.forward_loss(model, X, Y, None, training=True)
    step.backward(model, loss)
    step.update(model, len(X))
    step.record(model, loss, len(X), X, Y, y_pred, None)
    return model.get_metrics_result()


@pytest.mark.parametrize("optimizer", ["sgd", "adam", lambda m: torch.optim.SGD(m.parameters(), 0.01)], ids=["sgd", "adam", "torch"])
def test_the_pieces_are_the_step_of_fit(optimizer):
    models = network(), network(), network()
    for model in models:
        model.compile(optimizer(model) if callable(optimizer) else optimizer, "mse", metrics=["mae"])
    torch.manual_seed(3)
    a = by_pieces(models[0])
    torch.manual_seed(3)
    b = models[1].train_step((X, Y))
    torch.manual_seed(3)
    c = models[2].train_on_batch(X, Y, return_dict=True)
    assert {k: float(v) for k, v in a.items()} == {k: float(v) for k, v in b.items()} == pytest.approx(c)
    same(models[0], models[1])
    same(models[0], models[2])


def test_a_step_by_hand_trains_whatever_mode_the_model_is_in():
    model = network()
    model.eval()
    losses = {float(step.forward_loss(model, X, Y, None, training=True)[0].detach()) for _ in range(4)}
    assert len(losses) == 4 and not model.training
    assert len({float(step.forward_loss(model, X, Y, None, training=False)[0].detach()) for _ in range(3)}) == 1


def test_backward_replaces_gradients_and_may_return_them_instead():
    model = network()
    model.optimizer.build(model.trainable_variables)
    parameters = list(model.parameters())
    loss, _ = step.forward_loss(model, X, Y, None, training=False)
    found = step.backward(model, loss, into=parameters)
    assert all(p.grad is None for p in parameters)
    for _ in range(2):
        step.backward(model, step.forward_loss(model, X, Y, None, training=False)[0])
    for p, g in zip(parameters, found):
        torch.testing.assert_close(p.grad, g)


def test_only_steps_that_ask_for_it_get_a_closure():
    assert step.needs_closure(torch.optim.LBFGS.step)
    assert not any(step.needs_closure(o.step) for o in (torch.optim.Adam, torchkeras.optimizers.Adam, torchkeras.optimizers.SGD))


def test_freezing_or_a_loss_added_in_the_middle_of_a_run_is_seen():
    model, plain = network(), network(regularizer=None)
    plain.set_weights(model.get_weights())
    first = model.layers[1]

    def freeze(batch, logs=None):
        first.trainable = False

    before = first.get_weights()
    for m in (model, plain):
        m.fit(X, Y, batch_size=20, epochs=1, verbose=0, callbacks=[torchkeras.callbacks.LambdaCallback(on_train_batch_begin=freeze)])
    assert np.array_equal(before[0], first.get_weights()[0])
    assert model.evaluate(X, Y, verbose=0)[0] == pytest.approx(float(((model(X) - Y) ** 2).mean().detach()), rel=1e-5)  # Keras: no l2


def test_a_mean_over_a_part_of_a_batch_counts_for_its_share():
    metric = torchkeras.metrics.Mean()
    with shard.use(shard.Shard(world=2, rows=3, size=4)):
        metric.update_state(torch.tensor(8.0))
    assert float(metric.total) == 12.0 and float(metric.count) == 1.5 and shard.current() is shard.WHOLE
