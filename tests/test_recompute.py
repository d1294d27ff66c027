"""Activation checkpointing of both kinds: statistics move once, draws come again, gradients are those without a checkpoint."""

import copy

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint, create_selective_checkpoint_contexts

import torchkeras as keras
from torchkeras import layers, random, recompute

reentrant = pytest.mark.parametrize("reentrant", [True, False])
X, STEPS = torch.randn(16, 6), torch.randn(4, 5, 6)

RANDOM = {
    "dropout": (lambda: layers.Dropout(0.5, seed=1), X),
    "noise_shape": (lambda: layers.Dropout(0.5, noise_shape=(None, 1), seed=1), X),
    "unseeded": (lambda: layers.Dropout(0.5), X),
    "unseeded_noise_shape": (lambda: layers.Dropout(0.5, noise_shape=(None, 1)), X),
    "gaussian_noise": (lambda: layers.GaussianNoise(0.5, seed=1), X),
    "gaussian_dropout": (lambda: layers.GaussianDropout(0.5, seed=1), X),
    "alpha_dropout": (lambda: layers.AlphaDropout(0.5, seed=1), X),
    "spatial_dropout": (lambda: layers.SpatialDropout1D(0.5, seed=1), STEPS),
    "lstm": (lambda: layers.LSTM(3, dropout=0.5, seed=1), STEPS),
    "lstm_recurrent": (lambda: layers.LSTM(3, dropout=0.3, recurrent_dropout=0.5, return_sequences=True, seed=1), STEPS),
    "gru_recurrent": (lambda: layers.GRU(3, recurrent_dropout=0.5, seed=1), STEPS),
    "attention": (lambda: SelfAttention(layers.MultiHeadAttention(2, 3, dropout=0.5, seed=1)), STEPS),
    "unseeded_attention": (lambda: SelfAttention(layers.MultiHeadAttention(2, 3, dropout=0.5)), STEPS),
}


class SelfAttention(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x, x)


class Net(nn.Module):
    """Two blocks that share the part in question, each under a checkpoint or not."""

    def __init__(self, part, features=6):
        super().__init__()
        self.first, self.part, self.last = nn.Linear(features, features), part, nn.Tanh()

    def block(self, x):
        return self.last(self.part(self.first(x)) * 2).square()

    def forward(self, x, run):
        return run(self.block, x)


def state(module):
    return {k: v.clone() for k, v in module.state_dict().items()}


def passes(net, x, run, steps=3):
    """Outputs, gradients and the state after some steps that change nothing but statistics."""
    net.train()
    seen = []
    for _ in range(steps):
        net.zero_grad()
        y = net(x.clone().requires_grad_(), run)
        y.sum().backward()
        seen += [y.detach(), *(p.grad.clone() for p in net.parameters())]
    return seen, state(net)


def same(mine, reference):
    torch.testing.assert_close(mine[0], reference[0])
    torch.testing.assert_close(mine[1], reference[1])


def plain(fn, *args):
    return fn(*args)


def under(reentrant, **options):
    return lambda fn, *args: checkpoint(fn, *args, use_reentrant=reentrant, **options)


@reentrant
@pytest.mark.parametrize("name", list(RANDOM))
def test_draws_come_again(name, reentrant):
    make, x = RANDOM[name]
    part = make()
    part(x)
    nets = [Net(part), Net(copy.deepcopy(part))]
    nets[1].load_state_dict(nets[0].state_dict())
    torch.manual_seed(0)
    expected = passes(nets[0], x, plain)
    torch.manual_seed(0)
    same(passes(nets[1], x, under(reentrant)), expected)
    assert not torch.equal(expected[0][0], expected[0][len(expected[0]) // 3])  # another mask at each step


@pytest.mark.parametrize("kinds", [(False, False), (True, False), (False, True)])
def test_many_regions_and_nested_ones_share_a_generator(kinds):
    outer, inner = kinds

    def forward(net, x, nested, regions):
        def middle(x):
            x = net.part(net.block(x))
            return net.block(nested(net.block, x)) + net.part(x)

        return regions(net.block, regions(middle, net.part(x)))

    results = []
    for nested, regions in ((plain, plain), (under(inner), under(outer)), (plain, under(outer)), (under(inner), plain)):
        torch.manual_seed(0)
        part = layers.Dropout(0.5, seed=3)
        part(X)
        net = Net(part).train()
        forward(net, X.clone().requires_grad_(), nested, regions).sum().backward()
        results.append(([p.grad for p in net.parameters()], state(net)))
    for result in results[1:]:
        same(result, results[0])


@reentrant
@pytest.mark.parametrize(
    "options", [{}, {"renorm": True}, {"axis": 1}, {"momentum": 0.5, "center": False}, {"scale": False, "synchronized": True}], ids=str
)
def test_batch_normalization_moves_once(options, reentrant):
    part = layers.BatchNormalization(**options)
    part(X)
    nets = [Net(copy.deepcopy(part)) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    same(passes(nets[1], X, under(reentrant)), passes(nets[0], X, plain))


@reentrant
def test_batch_normalization_is_that_of_torch_in_the_scale_of_keras(reentrant):
    mine, reference = layers.BatchNormalization(momentum=0.9, epsilon=1e-5), nn.BatchNorm1d(6)
    mine(X)
    x = 3 * X + 1
    for part, run in ((mine, under(reentrant)), (reference, plain)):
        net = Net(part)
        with torch.no_grad():
            net.first.weight.copy_(torch.eye(6))
            net.first.bias.zero_()
        passes(net, x, run, 1)
    torch.testing.assert_close(mine.moving_mean.value, reference.running_mean)
    torch.testing.assert_close(mine.moving_variance.value - 0.9, (reference.running_var - 0.9) * 15 / 16)
    assert mine.norm.num_batches_tracked == 1


def test_an_exception_leaves_the_statistics_whole():
    part = layers.BatchNormalization()
    part(X)
    before = state(part)

    def stop(module, args, output):
        raise KeyError("stop")

    handle = part.norm.register_forward_hook(stop)
    with pytest.raises(KeyError):
        part(5 * X, training=True)
    handle.remove()
    torch.testing.assert_close(part.moving_variance.value, before["norm.running_var"])
    assert not part.norm.training


def test_selective_checkpoints_and_two_backward_passes():
    run = under(False, context_fn=lambda: create_selective_checkpoint_contexts([torch.ops.aten.addmm.default]))
    results = []
    for way in (plain, run, under(False)):
        torch.manual_seed(0)
        part = layers.Dropout(0.5, seed=3)
        part(X)
        net = Net(part).train()
        y = net(X.clone().requires_grad_(), way).sum()
        if way is not run:
            y.backward(retain_graph=True)
        y.backward()
        results.append([p.grad * (2 if way is run else 1) for p in net.parameters()])
    torch.testing.assert_close(results[1], results[0])
    torch.testing.assert_close(results[2], results[0])


def test_a_draw_outside_a_checkpoint_is_recorded_nowhere():
    generator = random.SeedGenerator(3)
    before = generator.state.clone()
    assert not recompute.recomputing()
    random.uniform((3,), seed=generator)
    assert (generator.state - before).tolist() == [0, 1]
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        random.uniform((3,), seed=generator)
    with torch.no_grad():
        random.uniform((3,), seed=generator)
    assert (generator.state - before).tolist() == [0, 3]


def test_losses_of_a_call_are_filed_once():
    part = layers.Dense(6, activity_regularizer="l2")
    part(X)
    net, values = Net(part), []
    for run in (plain, under(False), under(True)):
        net(X.clone().requires_grad_(), run).sum().backward()
        values.append([v.item() for v in part.losses])
    assert len(values[1]) == 1 and values[0] == values[1] == values[2]


def test_a_stateful_layer_moves_its_state_once():
    results = []
    for run in (plain, under(False), under(True)):
        torch.manual_seed(0)
        part = layers.LSTM(6, stateful=True, return_sequences=True)
        part(STEPS)
        part.set_weights([torch.full(tuple(w.shape), 0.1) for w in part.weights])
        part.reset_state()
        net = Net(part)
        with torch.no_grad():
            net.first.weight.copy_(torch.eye(6))
        results.append(passes(net, STEPS, run, 2)[0] + [s.clone() for s in part.states])
    for result in results[1:]:
        torch.testing.assert_close(result, results[0])


SEEDED = [n for n in RANDOM if not n.startswith("unseeded")]


@pytest.mark.parametrize("name", SEEDED)
def test_seeded_draws_under_transforms(name):
    make, x = RANDOM[name]
    part = make()
    part(x)
    part.train()
    one, many = x, x.expand(4, *x.shape)
    different = torch.func.vmap(part, randomness="different")(many)
    assert not torch.equal(different[0], different[1]) and not torch.equal(different[1], different[3])
    same_mask = torch.func.vmap(part, randomness="same")(many)
    assert torch.equal(same_mask[0], same_mask[1]) and not torch.equal(same_mask[0], different[0])
    with pytest.raises(RuntimeError, match="randomness error mode"):
        torch.func.vmap(part)(many)
    gradient = torch.func.grad(lambda x: part(x).square().sum())(one)
    assert gradient.shape == one.shape and gradient.abs().sum() > 0
    per_sample = torch.func.vmap(torch.func.grad(lambda x: part(x).square().sum()), randomness="different")(many)
    assert not torch.equal(per_sample[0], per_sample[1])


@pytest.mark.parametrize("reentrant", [False, True])
def test_the_flag_of_the_call_comes_again(reentrant):
    class Net(keras.Model):
        def __init__(self, kept):
            super().__init__()
            self.dense, self.dropout, self.norm = layers.Dense(8), layers.Dropout(0.5), layers.BatchNormalization()
            self.kept = kept

        def part(self, x):
            return self.norm(self.dropout(self.dense(x)))

        def call(self, x):
            return self.part(x) if self.kept else checkpoint(self.part, x, use_reentrant=reentrant)

    x = torch.randn(16, 4, requires_grad=True)
    plain, saving = Net(True), Net(False)
    plain(x), saving(x)
    saving.set_weights(plain.get_weights())
    gradients = []
    for model in (plain, saving):
        torch.manual_seed(0)
        loss = model(x, training=True).pow(2).sum() + model(x, training=False).sum()
        loss.backward()  # after the call, whose flag is gone
        gradients.append([p.grad for p in model.parameters()])
    torch.testing.assert_close(gradients[1], gradients[0])
    torch.testing.assert_close(saving.norm.moving_variance.value, plain.norm.moving_variance.value)


class Foreign(keras.Model):
    """Torch's own dropout and batch norm in a checkpointed region of a model."""

    def __init__(self, reentrant):
        super().__init__()
        self.dense, self.norm, self.dropout = layers.Dense(6), nn.BatchNorm1d(6), nn.Dropout(0.5)
        self.reentrant = reentrant

    def block(self, x):
        return self.dropout(self.norm(self.dense(x)))

    def call(self, x):
        if self.reentrant is None or not torch.is_grad_enabled():
            return self.block(x)
        return checkpoint(self.block, x, use_reentrant=self.reentrant)


@reentrant
def test_the_flag_of_a_call_holds_for_torch_modules_in_a_recomputed_region(reentrant):
    model, plain = Foreign(reentrant), Foreign(None)
    with torch.no_grad():
        model(X), plain(X)
    plain.load_state_dict(model.state_dict())
    for net in (model, plain):
        torch.manual_seed(0)
        x = X.clone().requires_grad_()
        y = net(x, training=True)
        assert not net.norm.training and not net.dropout.training
        (y * y).sum().backward()
        assert not net.norm.training and not net.dropout.training
        net.seen = x.grad, y
    torch.testing.assert_close(model.seen, plain.seen)
    torch.testing.assert_close([p.grad for p in model.parameters()], [p.grad for p in plain.parameters()])
    model.eval()
    with torch.no_grad():
        torch.testing.assert_close(model(X), model(X))
