"""Attention layers against real Keras: outputs, scores and gradients under all masks, configs and weights."""

import pickle

import numpy as np
import pytest
import torch

import torchkeras
from tests.oracle import keras
from torchkeras import tree
from torchkeras.graph import KerasTensor
from torchkeras.layers import AdditiveAttention, Attention, GroupQueryAttention, MultiHeadAttention

RNG = np.random.default_rng(0)
Q, V, K = (RNG.normal(size=(2, n, f)).astype("float32") for n, f in ((4, 5), (6, 5), (6, 3)))
Q4, V4 = (RNG.normal(size=(2, n, 3, 5)).astype("float32") for n in (4, 6))
MASK = np.array(RNG.integers(0, 2, size=(2, 4, 6)), bool)
MASK[0, 1] = False  # a query that may look nowhere
CALLS = {
    "plain": {},
    "mask": {"attention_mask": MASK},
    "causal": {"use_causal_mask": True},
    "causal and mask": {"use_causal_mask": True, "attention_mask": MASK},
    "scores": {"return_attention_scores": True},
    "masked scores": {"return_attention_scores": True, "attention_mask": MASK, "use_causal_mask": True},
}


def with_weights(ours, theirs, *inputs, **kwargs):
    """Both layers, built on the inputs, with the same weights."""
    ours(*inputs, **kwargs)
    theirs(*inputs, **kwargs)
    weights = [0.4 * RNG.normal(size=w.shape).astype("float32") for w in theirs.weights]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    assert [w.path.partition("/")[2] for w in ours.weights] == [w.path.partition("/")[2] for w in theirs.weights]
    return ours, theirs


def agree(ours, theirs, *inputs, **kwargs):
    """Same outputs and gradients."""
    results = []
    for layer in (ours, theirs):
        args = [torch.tensor(x, requires_grad=True) for x in inputs]
        outputs = layer(*args, **kwargs) if not isinstance(ours, Attention) else layer(args, **kwargs)
        outputs = list(outputs) if isinstance(outputs, tuple) else [outputs]
        loss = sum((o * torch.cos(torch.arange(o.numel(), dtype=torch.float32)).reshape(o.shape)).sum() for o in outputs)
        weights = ours.trainable_weights if layer is ours else [w.value for w in theirs.trainable_weights]
        results.append((outputs, torch.autograd.grad(loss, [*args, *weights], allow_unused=True)))
    for mine, reference in zip(results[0], results[1]):
        assert len(mine) == len(reference)
        for a, b in zip(mine, reference):
            np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"dropout": 0.5},
        {"value_dim": 4, "output_shape": (2, 3), "use_bias": False},
        {"use_gate": True, "output_shape": 7},
        {"sliding_window": 2},
    ],
    ids=str,
)
def test_multi_head_attention(options, call):
    if "dropout" in options and "attention_mask" not in call and call.get("use_causal_mask"):
        call = {**call, "attention_mask": np.ones_like(MASK)}
    kwargs = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in call.items()}
    layers = with_weights(MultiHeadAttention(2, 3, **options), keras.layers.MultiHeadAttention(2, 3, **options), Q, V, K)
    agree(*layers, Q, V, K, **kwargs)


@pytest.mark.parametrize("axes", [None, (1,), (2,), (1, 2)])
@pytest.mark.parametrize("scores", [True, False])
def test_attention_axes(axes, scores):
    pair = (cls(2, 3, attention_axes=axes) for cls in (MultiHeadAttention, keras.layers.MultiHeadAttention))
    layers = with_weights(*pair, Q4, V4[:, :4])
    agree(*layers, Q4, V4[:, :4], return_attention_scores=scores)
    shape = {(1,): (2, 3, 4, 4), (2,): (2, 4, 3, 3)}.get(axes, (2, 4, 3, 4, 3))
    mask = torch.tensor(RNG.integers(0, 2, size=shape), dtype=torch.bool)
    agree(*layers, Q4, V4[:, :4], return_attention_scores=scores, attention_mask=mask)


def test_causal_and_window_need_one_axis():
    with pytest.raises(ValueError, match="need one axis"):
        MultiHeadAttention(2, 3)(Q4, V4, use_causal_mask=True)


@pytest.mark.parametrize("scores", [True, False])
def test_keras_masks_of_the_inputs(scores):
    masks = [RNG.integers(0, 2, size=n) > 0 for n in ((2, 4), (2, 6), (2, 6))]
    theirs = keras.layers.MultiHeadAttention(2, 3)
    ours, theirs = with_weights(MultiHeadAttention(2, 3), theirs, Q, V, K)
    inputs = []
    for x, m in zip((Q, V, K), masks):
        inputs.append(torch.tensor(x))
        inputs[-1]._keras_mask = torch.tensor(m)
    mine = ours(*inputs, return_attention_scores=scores)
    reference = theirs(*inputs, return_attention_scores=scores)
    if scores:
        np.testing.assert_allclose(mine[1].detach(), reference[1].detach(), atol=1e-5)
        mine, reference = mine[0], reference[0]
    np.testing.assert_allclose(mine.detach(), reference.detach(), atol=1e-5)
    assert (mine._keras_mask.numpy() == masks[0]).all()


def test_the_kernel_and_the_formula_agree():
    layer = MultiHeadAttention(2, 3)
    full = torch.tensor(MASK)
    full[0, 1, 0] = True
    for kwargs in ({}, {"use_causal_mask": True}, {"attention_mask": full}):
        formula, _ = layer(Q, V, return_attention_scores=True, **kwargs)
        np.testing.assert_allclose(layer(Q, V, **kwargs).detach(), formula.detach(), atol=1e-6)


def test_dropout():
    x = torch.randn(2, 64, 5)
    for options in ({}, {"seed": 1}):
        layer = MultiHeadAttention(2, 3, dropout=0.5, **options)
        still = layer(x, x)
        assert torch.equal(layer(x, x), still)
        assert not torch.equal(layer(x, x, training=True), layer(x, x, training=True))
        assert (layer(x, x, training=True) - still).abs().mean() < still.abs().mean() + 1
    scores = layer(x, x, training=True, return_attention_scores=True)[1]
    np.testing.assert_allclose(scores.sum(-1).detach(), 1.0, atol=1e-5)  # the scores before dropout


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("options", [{}, {"use_gate": True, "use_bias": False}, {"sliding_window": 3}], ids=str)
def test_grouped_query_attention(options, call):
    kwargs = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in call.items()}
    layers = with_weights(GroupQueryAttention(3, 4, 2, **options), keras.layers.GroupQueryAttention(3, 4, 2, **options), Q, V, K)
    agree(*layers, Q, V, K, **kwargs)


@pytest.mark.parametrize("use_scale", [True, False])
@pytest.mark.parametrize("score_mode", ["dot", "concat"])
def test_attention(score_mode, use_scale):
    options = {"score_mode": score_mode, "use_scale": use_scale}
    layers = with_weights(Attention(**options), keras.layers.Attention(**options), [Q, V])
    check_attention(*layers)


@pytest.mark.parametrize("options", [{}, {"use_scale": False}], ids=str)
def test_additive_attention(options):
    layers = with_weights(AdditiveAttention(**options), keras.layers.AdditiveAttention(**options), [Q, V])
    check_attention(*layers)


def check_attention(ours, theirs):
    masks = [torch.tensor([[1, 1, 0, 1], [0, 1, 1, 1]], dtype=torch.bool), torch.tensor(MASK[:, 1])]
    for kwargs in ({}, {"use_causal_mask": True}, {"mask": masks}, {"mask": [None, masks[1]]}, {"mask": masks, "use_causal_mask": True}):
        agree(ours, theirs, Q, V, **kwargs)
        agree(ours, theirs, Q, V, return_attention_scores=True, **kwargs)
    agree(ours, theirs, Q, V[..., :2], V)
    assert ours.compute_mask([Q, V], masks) is masks[0]
    with pytest.raises(ValueError, match="must be a list"):
        ours(Q)


CONFIGS = [
    (MultiHeadAttention, "MultiHeadAttention", (2, 3), {"dropout": 0.1, "name": "m", "kernel_regularizer": "l2", "output_shape": (2, 4)}),
    (GroupQueryAttention, "GroupQueryAttention", (3, 4, 2), {"dropout": 0.1, "use_gate": True, "name": "m", "bias_constraint": "non_neg"}),
    (Attention, "Attention", (), {"dropout": 0.1, "seed": 3, "name": "m", "score_mode": "concat"}),
    (AdditiveAttention, "AdditiveAttention", (), {"dropout": 0.1, "seed": 3, "name": "m"}),
]


@pytest.mark.parametrize(("cls", "name", "args", "options"), CONFIGS, ids=[c[1] for c in CONFIGS])
def test_configs(cls, name, args, options):
    ours, theirs = cls(*args, **options), getattr(keras.layers, name)(*args, **options)
    assert ours.get_config() == theirs.get_config()
    inputs = ([Q, V],) if issubclass(cls, Attention) else (Q, V)
    y = ours(*inputs)
    theirs(*inputs)
    assert ours.get_config() == theirs.get_config()
    assert ours.get_build_config() == theirs.get_build_config()
    again = cls.from_config(ours.get_config())
    again.build_from_config(ours.get_build_config())
    again.set_weights(ours.get_weights())
    assert torch.equal(again(*inputs), y)
    assert torch.equal(pickle.loads(pickle.dumps(ours))(*inputs), y)
    symbolic = [KerasTensor((None, None, 5)), KerasTensor((None, None, 5))]
    symbolic = (symbolic,) if issubclass(cls, Attention) else symbolic
    fresh = cls.from_config(ours.get_config())
    output, scores = fresh(*symbolic, return_attention_scores=True)
    inputs = [keras.Input((None, 5)), keras.Input((None, 5))]
    reference, reference_scores = theirs(*([inputs] if issubclass(cls, Attention) else inputs), return_attention_scores=True)
    assert output.shape == reference.shape and scores.shape == reference_scores.shape
    assert fresh(*symbolic).shape == reference.shape


def test_projections_are_linear_modules():
    layer = MultiHeadAttention(2, 3, use_gate=True)
    layer(Q, V)
    assert sum(isinstance(m, torch.nn.Linear) for m in layer.modules()) == 5
    assert sorted(layer.state_dict())[0] == "_gate_dense.linear.bias"
    before = layer(Q, V)
    layer.query_dense.linear = torch.nn.Sequential(layer.query_dense.linear, torch.nn.Identity())
    assert torch.equal(layer(Q, V), before)
    assert layer.query_dense(torch.tensor(Q)).shape == (2, 4, 2, 3)


def test_low_precision_and_compile():
    layer = MultiHeadAttention(2, 3, dtype="mixed_bfloat16")
    assert layer(Q, V).dtype is torch.bfloat16
    layer = MultiHeadAttention(2, 3, dropout=0.1)
    layer(Q, V)
    torch.compiler.reset()
    compiled = torch.compile(layer, fullgraph=True, backend="eager")
    q, v = torch.tensor(Q), torch.tensor(V)
    for kwargs in ({}, {"use_causal_mask": True}, {"attention_mask": torch.tensor(MASK)}, {"return_attention_scores": True}):
        a, b = (torch.cat([t.flatten() for t in tree.flatten(f(q, v, **kwargs))]) for f in (compiled, layer))
        np.testing.assert_allclose(a.detach(), b.detach(), atol=1e-6)


def test_bad_arguments():
    with pytest.raises(ValueError, match="`num_heads` must be a positive integer. Received: num_heads=0"):
        MultiHeadAttention(0, 3)
    with pytest.raises(ValueError, match="Dropout is not supported"):
        MultiHeadAttention(2, 3, dropout=0.5, flash_attention=True)
    with pytest.raises(ValueError, match="keeps no scores"):
        MultiHeadAttention(2, 3, flash_attention=True)(Q, V, return_attention_scores=True)
    with pytest.raises(ValueError, match="`value` and `key` must have the same axes"):
        MultiHeadAttention(2, 3)(Q, V, K[:, :2])
    with pytest.raises(ValueError, match="`output_shape` must be"):
        MultiHeadAttention(2, 3, output_shape="a")
    with pytest.raises(ValueError, match="`attention_axes` must lie between"):
        MultiHeadAttention(2, 3, attention_axes=(-1,))(Q, V)
    with pytest.raises(ValueError, match="must divide"):
        GroupQueryAttention(3, 4, 3)
    with pytest.raises(ValueError, match="`score_mode` must be"):
        Attention(score_mode="x")


def drawn(seed):
    """A class, its arguments, inputs and a call, drawn at random."""
    rng = np.random.default_rng(seed)

    def pick(*choices):
        return choices[rng.integers(len(choices))]

    batch, queries, keys, size = pick(1, 3), pick(1, 4), pick(2, 5), pick(3, 6)
    inputs = [torch.tensor(rng.normal(size=(batch, n, size)), dtype=torch.float32) for n in (queries, keys)]
    if pick(True, False):
        inputs.append(torch.randn(batch, keys, size))
    call = {"return_attention_scores": pick(True, False), "use_causal_mask": pick(True, False)}
    name = pick("MultiHeadAttention", "GroupQueryAttention", "Attention", "AdditiveAttention")
    options = {"dropout": pick(0, 0.4), "dtype": pick("float32", "float32", "mixed_bfloat16")}
    if name.endswith("HeadAttention") or name.startswith("Group"):
        options |= {
            "use_bias": pick(True, False), "use_gate": pick(True, False), "sliding_window": pick(None, 2),
            "activity_regularizer": pick(None, "l2"),
        }  # fmt: skip
        multi = name.startswith("Multi")
        args = (2, pick(2, 3)) if multi else (3, 4, pick(1, 2, 4))
        options |= {"value_dim": pick(None, 4), "output_shape": pick(None, 5, (2, 3))} if multi else {}
        full = (batch, queries, keys)
        shape = pick(None, full, (1, queries, keys), (batch, 1, keys), (queries, keys), (batch, 1, queries, keys))
        masks = {"attention_mask": shape, "value_mask": pick(None, (batch, keys)), "key_mask": pick(None, (batch, keys))}
        if not multi:  # there Keras takes the mask that the tensor carries instead
            masks["query_mask"] = pick(None, (batch, queries))
        call |= {k: torch.tensor(rng.random(s) < 0.7) for k, s in masks.items() if s}
    else:
        args, options = (), options | {"use_scale": pick(True, False)}
        options |= {"score_mode": pick("dot", "concat")} if name == "Attention" else {}
        if pick(True, False):
            call["mask"] = [torch.tensor(rng.random((batch, n)) < 0.7) if pick(True, False) else None for n in (queries, keys)]
    return name, args, options, inputs, call


@pytest.mark.parametrize("seed", range(60))
def test_random_draws_are_keras(seed):
    name, args, options, inputs, call = drawn(seed)
    rng, results, saved = np.random.default_rng(seed), [], None
    for family in (keras.layers, torchkeras.layers):
        layer = getattr(family, name)(*args, **options)
        given = [x.clone().requires_grad_() for x in inputs]
        wrapped = [given] if "Attention" in (name, name.removeprefix("Additive")) else given
        layer(*wrapped, **call)
        saved = saved or [0.4 * rng.normal(size=w.shape).astype("float32") for w in layer.weights]
        layer.set_weights(saved)
        outputs = layer(*wrapped, **call)
        outputs = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
        loss = sum((o.float() * torch.arange(o.numel()).reshape(o.shape).cos()).sum() for o in outputs) + sum(layer.losses)
        weights = [getattr(w, "value", w) for w in layer.trainable_weights] if family is keras.layers else layer.trainable_weights
        results.append([*outputs, loss, *torch.autograd.grad(loss, [*given, *weights], allow_unused=True)])
    tolerance = 1e-4 if options["dtype"] == "float32" else 0.1
    for expected, got in zip(*results, strict=True):
        assert (expected is None) == (got is None)
        if got is not None:
            assert got.shape == expected.shape and got.dtype == expected.dtype
            scale = max(1.0, expected.abs().max().item())
            torch.testing.assert_close(got, expected, rtol=tolerance, atol=tolerance * scale)


def test_a_mask_broadcasts_as_long_as_it_can(monkeypatch):
    seen = []
    attend = torch.nn.functional.scaled_dot_product_attention

    def spy(q, k, v, attn_mask=None, *args, **kwargs):
        seen.append((None if attn_mask is None else tuple(attn_mask.shape), kwargs.get("is_causal", False)))
        return attend(q, k, v, attn_mask, *args, **kwargs)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", spy)
    layer, x = MultiHeadAttention(4, 3), torch.randn(3, 5, 6)
    many, images = MultiHeadAttention(2, 3, attention_axes=2), torch.randn(3, 4, 5, 6)
    layer(x, x), many(images, images)
    seen.clear()
    layer(x, x, use_causal_mask=True)
    layer(x, x, value_mask=torch.ones(3, 5, dtype=torch.bool))
    layer(x, x, attention_mask=torch.ones(5, 5, dtype=torch.bool))
    many(images, images, attention_mask=torch.ones(1, 1, 5, 5, dtype=torch.bool))
    assert seen == [(None, True), ((3, 1, 1, 5), False), ((1, 1, 5, 5), False), ((1, 1, 1, 5, 5), False)]
