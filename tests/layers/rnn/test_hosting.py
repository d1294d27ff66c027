"""What torch users do to the module inside a recurrent layer acts on every path, the fused one and that step by step."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from torchkeras import layers

X = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0))
MASK = torch.tensor([[True, True, True, False, False], [True] * 5])
FUSED = {
    "lstm": lambda **kw: layers.LSTM(3, **kw), "gru": lambda **kw: layers.GRU(3, **kw), "rnn": lambda **kw: layers.SimpleRNN(3, **kw),
}  # fmt: skip
STEPS = {
    "lstm unrolled": lambda **kw: layers.LSTM(3, unroll=True, **kw),
    "rnn over a cell": lambda **kw: layers.RNN(layers.GRUCell(3), **kw),
    "stacked cells": lambda **kw: layers.RNN([layers.LSTMCell(3), layers.LSTMCell(3)], **kw),
    "lstm of relu": lambda **kw: layers.LSTM(3, activation="relu", **kw),
    "gru that resets before": lambda **kw: layers.GRU(3, reset_after=False, **kw),
    "rnn of sigmoid": lambda **kw: layers.SimpleRNN(3, activation="sigmoid", **kw),
    "recurrent dropout": lambda **kw: layers.LSTM(3, recurrent_dropout=0.2, **kw),
    "dropout by gates": lambda **kw: layers.GRU(3, dropout=0.2, implementation=1, **kw),
}
ALL = pytest.mark.parametrize("make", [*FUSED.values(), *STEPS.values()], ids=[*FUSED, *STEPS])
close = torch.testing.assert_close


def built(make, **kw):
    layer = make(**kw)
    layer(X)
    return layer


def modules(layer):
    return [m for m in layer.modules() if isinstance(m, nn.RNNBase)]


@ALL
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("mask", [None, MASK], ids=["", "masked"])
def test_a_forward_hook_sees_the_call_and_changes_its_outputs(make, training, mask):
    layer = built(make, return_sequences=True)
    seen = []
    torch.manual_seed(0)
    expected = layer(X, mask=mask, training=training)
    hooks = [m.register_forward_hook(lambda m, args, out: seen.append(out)) for m in modules(layer)]
    for generator in {id(m): m.seed_generator for m in layer.modules() if hasattr(m, "seed_generator")}.values():
        generator.state.zero_()
    first = layer(X, mask=mask, training=training)
    assert seen and (training or torch.allclose(first, expected))
    for hook in hooks:
        hook.remove()
    count = len(seen)
    layer(X)
    assert len(seen) == count
    modules(layer)[-1].register_forward_hook(lambda m, args, out: (out[0] * 0 + 7, out[1]))
    assert (layer(X) == 7).all()


@ALL
def test_the_last_output_is_the_hooked_one(make):
    layer = built(make)
    modules(layer)[-1].register_forward_hook(lambda m, args, out: (out[0] * 0 + 7, out[1]))
    assert (layer(X) == 7).all() and layer(X).shape == (2, 3)


@ALL
def test_the_states_under_a_hook_and_a_mask_are_those_without(make):
    layer = built(make, return_state=True)
    expected = layer(X, mask=MASK)
    for module in modules(layer):
        module.register_forward_pre_hook(lambda m, args: None)
    close(layer(X, mask=MASK), expected)


@ALL
def test_gradient_hooks_see_what_flows_through_the_module(make):
    layer = built(make)
    seen = []
    modules(layer)[0].register_full_backward_hook(lambda m, given, out: seen.append([g is not None for g in given]))
    layer(X.clone().requires_grad_()).sum().backward()
    assert seen and all(s[0] for s in seen)


OLD = "ignore:`torch.nn.utils.weight_norm` is deprecated:FutureWarning"
WAYS = {
    "weight_norm of old": lambda m: nn.utils.weight_norm(m, "weight_hh_l0"),
    "weight_norm": lambda m: parametrizations.weight_norm(m, "weight_hh_l0"),
    "orthogonal": lambda m: parametrizations.orthogonal(m, "weight_hh_l0"),
    "pruned": lambda m: prune.l1_unstructured(m, "weight_hh_l0", 0.5),
}


@pytest.mark.filterwarnings(OLD)
@ALL
@pytest.mark.parametrize("way", WAYS)
def test_a_weight_that_is_computed_is_trained_by_its_origins(make, way):
    layer = built(make)
    WAYS[way](modules(layer)[0])
    before = layer(X)
    optimizer = torch.optim.SGD(layer.parameters(), 0.5)
    for _ in range(3):  # an old value kept would fail in the second backward pass
        optimizer.zero_grad()
        layer(X).square().sum().backward()
        assert all(p.grad is not None for p in layer.parameters())
        optimizer.step()
    assert (layer(X) - before).abs().max() > 1e-4


class Doubled(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x, states=None):
        outputs, states = self.inner(x, states)
        return 2 * outputs, states


@pytest.mark.parametrize("make", [*FUSED.values(), STEPS["lstm unrolled"]], ids=[*FUSED, "lstm unrolled"])
@pytest.mark.parametrize("sequences", [False, True])
def test_another_module_in_its_place_is_called(make, sequences):
    layer = built(make, return_sequences=sequences)
    layer.cell.rnn = Doubled(layer.cell.rnn)
    close(layer(X, mask=MASK)[1], layer(X)[1])
    expected, final = layer.cell.rnn.inner(X)
    if not layer.unroll:
        close(layer(X), 2 * expected if sequences else 2 * expected[:, -1])
    assert layer(X).shape == ((2, 5, 3) if sequences else (2, 3))


@ALL
def test_a_plain_module_of_torch_in_its_place_is_used(make):
    layer, other = built(make), built(make)
    for mine, theirs in zip(modules(layer), modules(other)):
        holder = next(m for m in layer.modules() if mine in m._modules.values())
        plain = next(c for c in (nn.LSTM, nn.GRU, nn.RNN) if isinstance(mine, c))(mine.input_size, 3, batch_first=True)
        plain.load_state_dict(theirs.state_dict(), strict=False)
        if "bias_hh_l0" not in dict(theirs.named_parameters()):
            plain.bias_hh_l0.data.zero_()
        holder.rnn = plain
    close(layer(X), other(X))


def test_a_module_that_cannot_compute_what_the_cell_does_is_refused():
    layer = built(STEPS["lstm of relu"])
    layer.cell.rnn = Doubled(nn.LSTM(4, 3))
    with pytest.raises(ValueError, match="replaced by a Doubled, which can only stand in for a cell with the default activations"):
        layer(X)


@pytest.mark.parametrize("make", [lambda: layers.RNN(layers.LSTMCell(3)), lambda: layers.LSTM(3)])
def test_hooks_of_a_cell_fire_at_each_step_and_a_hook_of_the_layer_once(make):
    layer, seen = make(), []
    expected = layer(X)
    hook = layer.cell.register_forward_hook(lambda *_: seen.append("cell"))
    layer.register_forward_hook(lambda *_: seen.append("layer"))
    close(layer(X), expected)
    assert seen == ["cell"] * 5 + ["layer"]
    hook.remove()
    layer(X)
    assert seen[6:] == ["layer"]


@ALL
def test_copies_keep_the_kind_of_module(make):
    layer = built(make)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert [type(m) for m in modules(twin)] == [type(m) for m in modules(layer)]
        close(twin(X), layer(X))
        seen = []
        modules(twin)[0].register_forward_hook(lambda *_, seen=seen: seen.append(1))
        twin(X), layer(X)
        assert seen


@pytest.mark.filterwarnings("ignore:torch.ao.quantization is deprecated:DeprecationWarning", "ignore:torch.quantize_per_tensor:UserWarning")
def test_quantize_dynamic_takes_what_torch_computes_and_nothing_else():
    plain, relu = built(FUSED["lstm"]), built(STEPS["lstm of relu"])
    quantized, left = (torch.ao.quantization.quantize_dynamic(m, {nn.LSTM}) for m in (plain, relu))
    assert isinstance(quantized.cell.rnn, torch.ao.nn.quantized.dynamic.LSTM) and isinstance(left.cell.rnn, nn.LSTM)
    close(quantized(X), plain(X), atol=0.03, rtol=0.1)
    close(left(X), relu(X))


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("rates", [{}, {"dropout": 0.4}, {"recurrent_dropout": 0.4}], ids=str)
def test_the_convolutions_of_a_convolutional_lstm_are_called(rank, rates):
    layer = getattr(layers, f"ConvLSTM{rank}D")(2, 2, padding="same", **rates)
    x = torch.randn(2, 3, *(4,) * rank, 3)
    layer(x)
    seen = []
    layer.cell.conv.register_forward_hook(lambda *_: seen.append("inputs"))
    layer.cell.recurrent_conv.register_forward_hook(lambda *_: seen.append("state"))
    nn.utils.parametrize.register_parametrization(layer.cell.recurrent_conv, "weight", nn.Identity())
    layer(x, training=True).sum().backward()
    assert seen == ["inputs", "state", "state", "state"] and all(p.grad is not None for p in layer.parameters())
