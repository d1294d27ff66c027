"""SimpleRNN, LSTM and GRU against real Keras: outputs, states and gradients, on the fused kernels and step by step."""

import copy
import pickle

import numpy as np
import pytest
import torch

from tests.oracle import keras
from torchkeras.graph import KerasTensor
from torchkeras.layers import GRU, LSTM, SimpleRNN

KINDS = [(SimpleRNN, "SimpleRNN"), (LSTM, "LSTM"), (GRU, "GRU")]
MASKS = {
    "none": None,
    "right": [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [1, 1, 0, 0, 0]],
    "left": [[0, 0, 1, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1], [0, 1, 1, 1, 1]],
    "any": [[1, 0, 1, 0, 1], [0, 1, 0, 1, 0], [0, 0, 0, 0, 0], [0, 1, 1, 0, 0]],
}
STATES = {"SimpleRNN": 1, "LSTM": 2, "GRU": 1}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 5, 3)).astype("float32")
INITIAL = [RNG.normal(size=(4, 6)).astype("float32") for _ in range(2)]


def pair(cls, name, **arguments):
    """The layer and the same one of real Keras, with the same weights, none of them zero."""
    ours, theirs = cls(6, **arguments), getattr(keras.layers, name)(6, **arguments)
    ours.build(X.shape)
    theirs.build(X.shape)
    weights = [RNG.normal(size=w.shape).astype("float32") * 0.5 for w in theirs.weights]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    return ours, theirs


def flat(outputs):
    return [outputs] if isinstance(outputs, torch.Tensor) else list(outputs)


def agree(ours, theirs, mask=None, initial=None, steps=1, gradients=True):
    """Same outputs, states and gradients of inputs and weights."""
    results = []
    for layer in (ours, theirs):
        x = torch.tensor(X, requires_grad=True)
        states = None if initial is None else [torch.tensor(s, requires_grad=True) for s in initial]
        m = None if mask is None else torch.tensor(mask, dtype=torch.bool)
        for _ in range(steps):
            outputs = flat(layer(x, mask=m, initial_state=states))
        if not gradients:  # Keras's kept states change under autograd's feet
            results.append((outputs, ()))
            continue
        loss = sum((o * torch.cos(torch.arange(o.numel(), dtype=torch.float32)).reshape(o.shape)).sum() for o in outputs)
        weights = ours.trainable_weights if layer is ours else [w.value for w in theirs.trainable_weights]
        results.append((outputs, torch.autograd.grad(loss, [x, *(states or []), *weights])))
    for mine, reference in zip(results[0], results[1]):
        assert len(mine) == len(reference)
        for a, b in zip(mine, reference):
            np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize(("cls", "name"), KINDS)
def test_masks(cls, name, sequences, mask):
    for states in (True, False):
        agree(*pair(cls, name, return_sequences=sequences, return_state=states), mask=MASKS[mask])


@pytest.mark.parametrize("mask", ["none", "right", "any"])
@pytest.mark.parametrize(("cls", "name"), KINDS)
def test_initial_state_backwards_and_zeroed_outputs(cls, name, mask):
    initial = INITIAL[: STATES[name]]
    options = {"return_sequences": True, "return_state": True, "go_backwards": True}
    agree(*pair(cls, name, **options), mask=MASKS[mask], initial=initial)
    agree(*pair(cls, name, zero_output_for_mask=True, **options), mask=MASKS[mask], initial=initial)
    agree(*pair(cls, name, zero_output_for_mask=True), mask=MASKS[mask])


@pytest.mark.parametrize("mask", ["none", "any"])
@pytest.mark.parametrize(("cls", "name"), KINDS)
def test_step_by_step(cls, name, mask):
    options = {"return_sequences": True, "return_state": True}
    ours, theirs = pair(cls, name, unroll=True, **options)
    assert not ours._runs_fused()
    agree(ours, theirs, mask=MASKS[mask])
    agree(*pair(cls, name, activation="softsign", **options), mask=MASKS[mask])
    agree(*pair(cls, name, use_bias=False, unroll=True), mask=MASKS[mask], initial=INITIAL[: STATES[name]])


@pytest.mark.parametrize(
    ("cls", "name", "options"),
    [
        (GRU, "GRU", {"reset_after": False}),
        (GRU, "GRU", {"reset_after": False, "implementation": 1, "use_bias": False}),
        (GRU, "GRU", {"recurrent_activation": "hard_sigmoid", "implementation": 1}),
        (LSTM, "LSTM", {"recurrent_activation": "hard_sigmoid", "activation": None, "implementation": 1}),
        (LSTM, "LSTM", {"use_bias": False}),
        (LSTM, "LSTM", {"use_cudnn": False}),
        (SimpleRNN, "SimpleRNN", {"activation": "relu"}),
    ],
)
def test_variants(cls, name, options):
    agree(*pair(cls, name, return_sequences=True, return_state=True, **options), mask=MASKS["any"])
    agree(*pair(cls, name, **options))


@pytest.mark.parametrize("mask", ["none", "any"])
@pytest.mark.parametrize(("cls", "name"), KINDS)
def test_stateful_layers_go_on_where_the_last_batch_ended(cls, name, mask):
    ours, theirs = pair(cls, name, stateful=True, return_sequences=True)
    agree(ours, theirs, mask=MASKS[mask], steps=3, gradients=False)
    for mine, reference in zip(ours.states, theirs.states):
        np.testing.assert_allclose(mine.numpy(), reference.numpy(), rtol=1e-5, atol=1e-5)
    ours.reset_states()
    theirs.reset_state()
    assert not any(s.any() for s in ours.states)
    agree(ours, theirs, gradients=False)
    ours(X).sum().backward()
    assert len(ours.weights) == 3 and not any("state" in k for k in ours.state_dict())


def test_stateful_errors():
    layer = LSTM(2, stateful=True)
    with pytest.raises(ValueError, match="needs a known batch size"):
        layer(KerasTensor((None, 5, 3)))
    layer(X)
    with pytest.raises(ValueError, match="keeps states for batches of 4.*Received: a batch of 2"):
        layer(X[:2])


@pytest.mark.parametrize("return_state", [True, False])
@pytest.mark.parametrize(("cls", "name"), KINDS)
def test_initial_states_in_the_list_of_inputs(cls, name, return_state):
    layer = cls(6, return_state=return_state)
    states = INITIAL[: STATES[name]]
    for a, b in zip(flat(layer([X, *states])), flat(layer(X, initial_state=states))):
        assert torch.equal(a, b)
    with pytest.raises(ValueError, match=f"must hold {STATES[name]} state"):
        layer(X, initial_state=INITIAL + INITIAL)


@pytest.mark.parametrize(("cls", "name"), KINDS)
def test_dropout(cls, name):
    x = torch.ones(64, 4, 8)
    both = {"dropout": 0.5, "recurrent_dropout": 0.5}
    for options in ({"dropout": 0.5}, {"recurrent_dropout": 0.5}, both, {"dropout": 0.5, "unroll": True}):
        layer = cls(6, seed=1, **options)
        assert torch.equal(layer(x), layer(x))  # inference
        a, b = layer(x, training=True), layer(x, training=True)
        assert not torch.equal(a, b)
        assert len(a.unique(dim=0)) > 1  # rows draw their own masks
        again = cls(6, seed=1, **options)
        again(x)
        again.set_weights(layer.get_weights())
        assert torch.equal(again(x, training=True), a)
    dropped = cls(6, dropout=1.0, kernel_initializer="ones")
    assert torch.equal(dropped(x, training=True), dropped(torch.zeros_like(x)))


def test_dropout_keeps_the_same_inputs_at_every_step():
    options = {"activation": "linear", "kernel_initializer": "identity", "recurrent_initializer": "zeros"}
    layer = SimpleRNN(8, dropout=0.5, return_sequences=True, **options)
    y = layer(torch.ones(16, 5, 8), training=True)
    assert set(y.unique().tolist()) == {0.0, 2.0}
    assert (y == y[:, :1]).all()


@pytest.mark.parametrize(("cls", "name"), KINDS)
def test_weights_and_config_are_those_of_keras(cls, name):
    options = {"return_sequences": True, "dropout": 0.25, "seed": 3, "name": "r"}
    options |= {"kernel_regularizer": "l2", "recurrent_constraint": "max_norm"}
    ours, theirs = cls(6, **options), getattr(keras.layers, name)(6, **options)
    assert ours.get_config() == theirs.get_config()
    assert cls.from_config(ours.get_config()).get_config() == ours.get_config()
    ours.build((None, 5, 3))
    theirs.build((None, 5, 3))
    assert [(w.path, tuple(w.shape)) for w in ours.weights] == [(w.path, tuple(w.shape)) for w in theirs.weights]
    assert sum(p.numel() for p in ours.parameters()) == ours.count_params() == theirs.count_params()
    assert ours.get_build_config() == theirs.get_build_config()
    np.testing.assert_allclose(ours.get_weights()[2], theirs.get_weights()[2])  # the forget gate's bias


@pytest.mark.parametrize(("cls", "name"), KINDS)
def test_symbolic_shapes(cls, name):
    for options in ({}, {"return_sequences": True}, {"return_state": True}, {"return_sequences": True, "return_state": True}):
        ours, theirs = cls(6, **options), getattr(keras.layers, name)(6, **options)
        x, states = KerasTensor((None, None, 3)), [KerasTensor((None, 6)) for _ in range(STATES[name])]
        shapes = ours.compute_output_shape((None, None, 3))
        assert shapes == theirs.compute_output_shape((None, None, 3))
        outputs = ours(x, initial_state=states)
        assert tuple(o.shape for o in (outputs if isinstance(outputs, tuple) else [outputs])) == (
            shapes if isinstance(shapes[0], tuple) else (shapes,)
        )
        mask = torch.ones(2, 5, dtype=torch.bool)
        theirs_mask = theirs.compute_mask(None, mask)
        assert str(ours.compute_mask(None, mask)) == str(theirs_mask)


@pytest.mark.parametrize(("cls", "name"), KINDS)
def test_is_a_torch_module(cls, name):
    layer = cls(6)
    y = layer(X)
    assert isinstance(layer.cell.rnn, {"SimpleRNN": torch.nn.RNN, "LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU}[name])
    assert set(layer.cell.rnn.state_dict()) == {"weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"}
    copy = pickle.loads(pickle.dumps(layer))
    assert torch.equal(copy(X), y)
    fresh = cls(6)
    fresh.build(X.shape)
    fresh.load_state_dict(layer.state_dict())
    assert torch.equal(fresh(X), y)
    values = [w.value.detach() * 2 for w in layer.trainable_weights]
    changed, _ = layer.stateless_call(values, layer.non_trainable_variables, X)
    layer.set_weights([v.numpy() for v in values])
    np.testing.assert_allclose(layer(X).detach().numpy(), changed.detach().numpy(), atol=1e-6)


@pytest.mark.parametrize("unroll", [True, False])
@pytest.mark.parametrize(("cls", "name"), KINDS)
def test_copies_and_replaced_weights(cls, name, unroll):
    layer = cls(6, unroll=unroll)
    y = layer(X).detach()
    twin = copy.deepcopy(layer)
    twin.set_weights([w + 1 for w in twin.get_weights()])
    assert not torch.allclose(twin(X), y) and torch.equal(layer(X), y)
    values, _ = layer.stateless_call([w.value.detach() for w in twin.trainable_weights], layer.non_trainable_variables, X)
    np.testing.assert_allclose(values.detach(), twin(X).detach(), atol=1e-5)
    module = type(layer.cell.rnn)(3, 6, batch_first=True)
    layer.cell.rnn = module  # as a tool does that replaces modules
    np.testing.assert_allclose(layer(X).detach(), module(torch.tensor(X))[0][:, -1].detach(), atol=1e-6)


@pytest.mark.parametrize(("cls", "name"), KINDS)
def test_exports_with_a_dynamic_batch(cls, name):
    layer = cls(6, return_sequences=True)
    y = layer(X)
    exported = torch.export.export(layer, (torch.tensor(X),), dynamic_shapes=({0: torch.export.Dim("batch", min=2)},))
    np.testing.assert_allclose(exported.module()(torch.tensor(X[:2])).detach(), y[:2].detach(), atol=1e-6)


@pytest.mark.parametrize(("cls", "name"), KINDS)
def test_low_precision(cls, name):
    for options in ({}, {"unroll": True}):
        full, low = cls(6, return_state=True, **options), cls(6, return_state=True, dtype="mixed_bfloat16", **options)
        low(X)
        full(X)
        low.set_weights(full.get_weights())
        for a, b in zip(low(X, mask=torch.tensor(MASKS["any"])), full(X, mask=torch.tensor(MASKS["any"]))):
            assert a.dtype is torch.bfloat16
            np.testing.assert_allclose(a.detach().float().numpy(), b.detach().numpy(), atol=0.03)


@pytest.mark.parametrize("backend", ["eager", pytest.param("aot_eager", marks=pytest.mark.slow)])
@pytest.mark.parametrize(("cls", "name"), KINDS)
def test_compiles_in_one_graph(cls, name, backend):
    layer = cls(6, return_sequences=True, return_state=True)
    layer.build(X.shape)
    torch.compiler.reset()
    compiled = torch.compile(layer, fullgraph=True, backend=backend)
    x = torch.tensor(X)
    for mask in (None, torch.tensor(MASKS["any"], dtype=torch.bool)):
        for gradients in (True, False):
            with torch.set_grad_enabled(gradients):
                outputs = flat(compiled(x, mask=mask))
            for a, b in zip(outputs, flat(layer(x, mask=mask))):
                np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), atol=1e-5)
            if gradients:
                outputs[0].sum().backward()


@pytest.mark.parametrize(("cls", "name"), KINDS)
def test_a_mask_on_the_input_goes_in_where_keras_takes_it(cls, name):
    ours, theirs = pair(cls, name)
    x = torch.tensor(X)
    x._keras_mask = torch.tensor(MASKS["any"], dtype=torch.bool)
    states = [torch.tensor(s) for s in INITIAL[: STATES[name]]]
    for options in ({}, {"initial_state": states}):  # not with states, which could have a mask as well
        np.testing.assert_allclose(ours(x, **options).detach(), theirs(x, **options).detach(), atol=1e-5)


def test_bad_arguments():
    with pytest.raises(ValueError, match="`units` must be a positive integer. Received: units=0"):
        LSTM(0)
    with pytest.raises(ValueError, match="`use_cudnn` must be"):
        LSTM(2, use_cudnn="yes")
    with pytest.raises(ValueError, match="needs the default activations"):
        LSTM(2, use_cudnn=True, activation="relu")(X)
    with pytest.raises(ValueError, match="expected ndim=3, found ndim=2"):
        LSTM(2)(X[:, 0])
    with pytest.raises(ValueError, match="needs at least one step"):
        LSTM(2)(X[:, :0])
