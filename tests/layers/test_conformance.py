"""Every row of the table of layers against what each layer promises, and against real Keras with the same weights."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import numpy as np
import pytest
import torch

from tests.layers.table import ROWS, Row
from tests.oracle import keras
from torchkeras import config, layers, tree

FIRST_OF_EACH = [row for i, row in enumerate(ROWS) if row.layer not in [r.layer for r in ROWS[:i]]]
every_row = pytest.mark.parametrize("row", ROWS, ids=lambda r: r.id)
every_layer = pytest.mark.parametrize("row", FIRST_OF_EACH, ids=lambda r: r.id)


def _tensors(arrays: Any, grad: bool = False) -> Any:
    def one(a: np.ndarray) -> torch.Tensor:
        t = torch.from_numpy(a.copy())
        return t.requires_grad_(grad and t.is_floating_point())

    return [one(a) for a in arrays] if isinstance(arrays, list) else one(arrays)


def _arguments(row: Row) -> dict[str, Any]:
    mask = row.mask_array()
    return {} if mask is None else {"mask": torch.from_numpy(mask)}


def _built(row: Row, **kwargs: Any) -> Any:
    torch.manual_seed(0)
    layer = row.make(layers, **kwargs)
    row.call(layer, _tensors(row.inputs()), **_arguments(row))
    rng = np.random.default_rng(7)  # away from zeros and ones, which hide mistakes
    for weight in layer.weights:
        if weight.dtype.is_floating_point:
            weight.assign((rng.random(tuple(weight.shape)) * 0.8 + 0.2).astype("float32"))
    return layer


def _build(layer: Any, row: Row) -> None:
    shapes = [(None, *s[1:]) for s in (row.shapes if row.many else [row.shapes])]
    layer.build(*shapes) if row.spread or not row.many else layer.build(shapes)


def _flat(outputs: Any) -> list[torch.Tensor]:
    return [t for t in tree.flatten(outputs) if t is not None]


def _scalar(outputs: Any) -> torch.Tensor:
    """A sum with different factors, so that no two outputs can be mistaken for each other."""
    return sum((t * torch.cos(torch.arange(t.numel(), dtype=t.dtype).reshape(t.shape))).sum() for t in _flat(outputs))


def _run(layer: Any, row: Row, training: bool, weights: list[Any]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Outputs, and gradients by inputs and weights."""
    inputs = _tensors(row.inputs(), grad=True)
    outputs = row.call(layer, inputs, training=training, **_arguments(row))
    shown = [t.detach().numpy() for t in _flat(outputs)]
    given = [t for t in tree.flatten(inputs) if t.requires_grad] + weights
    if not given:
        return shown, []
    grads = torch.autograd.grad(_scalar(outputs), given, allow_unused=True)
    return shown, [np.zeros(tuple(w.shape), "float32") if g is None else g.detach().numpy() for g, w in zip(grads, given)]


@pytest.mark.parametrize("row", [r for r in ROWS if r.parity], ids=lambda r: r.id)
@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
def test_outputs_gradients_and_state_are_keras(row: Row, training: bool) -> None:
    if row.random and training:
        training = False
    ours = _built(row)
    theirs = row.make(keras.layers)
    _build(theirs, row)
    assert [tuple(w.shape) for w in ours.weights] == [tuple(w.shape) for w in theirs.weights]
    assert [w.name for w in ours.weights] == [w.name for w in theirs.weights]
    assert [w.trainable for w in ours.weights] == [w.trainable for w in theirs.weights]
    theirs.set_weights(ours.get_weights())

    outputs, grads = _run(ours, row, training, list(ours.trainable_weights))
    expected, expected_grads = _run(theirs, row, training, [w.value for w in theirs.trainable_weights])

    for mine, real in zip(outputs, expected, strict=True):
        assert mine.shape == real.shape
        assert mine.dtype == real.dtype
        np.testing.assert_allclose(mine, real, rtol=1e-5, atol=1e-5)
    for mine, real in zip(grads, expected_grads, strict=True):
        scale = max(1.0, float(np.abs(real).max(initial=0.0)))
        np.testing.assert_allclose(mine / scale, real / scale, rtol=1e-5, atol=1e-5)
    for mine, real in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, real, rtol=1e-5, atol=1e-6)


def _unbuilt(config: Any) -> Any:
    """A config without the shapes that layers inside were built with: the two were built for different batches."""
    if isinstance(config, list):
        return [_unbuilt(v) for v in config]
    return {k: _unbuilt(v) for k, v in config.items() if k != "build_config"} if isinstance(config, dict) else config


@every_row
def test_config_is_keras_and_round_trips(row: Row) -> None:
    ours, theirs = _built(row), row.make(keras.layers)
    _build(theirs, row)
    described = ours.get_config()
    assert _unbuilt(json.loads(json.dumps(described))) == _unbuilt(json.loads(json.dumps(theirs.get_config())))

    again = type(ours).from_config(json.loads(json.dumps(described)))
    assert json.dumps(_unbuilt(again.get_config())) == json.dumps(_unbuilt(described))
    again.build_from_config(json.loads(json.dumps(ours.get_build_config())))
    again.set_weights(ours.get_weights())
    x = _tensors(row.inputs())
    for a, b in zip(_flat(row.call(ours, x, **_arguments(row))), _flat(row.call(again, x, **_arguments(row))), strict=True):
        torch.testing.assert_close(a, b)


@every_row
def test_symbolic_call_gives_the_shapes_and_types_of_an_eager_one(row: Row) -> None:
    dtype = "float32" if row.high is None else "int32"
    symbolic = [layers.Input(s[1:], dtype=dtype) for s in (row.shapes if row.many else [row.shapes])]
    layer = row.make(layers)
    outputs = row.call(layer, symbolic if row.many else symbolic[0])
    eager = row.call(layer, _tensors(row.inputs()))
    for s, e in zip(_flat(outputs), _flat(eager), strict=True):
        assert tuple(s.shape) == (None, *e.shape[1:])
        assert s.dtype == str(e.dtype).removeprefix("torch.")
    shapes = [tuple(s) for s in row.shapes] if row.many else tuple(row.shapes)
    given = layer.compute_output_shape(*shapes) if row.spread else layer.compute_output_shape(shapes)
    assert tree.flatten(given) == [n for e in _flat(eager) for n in e.shape]


@every_row
def test_files_pickles_copies_and_state_dicts_bring_back_the_layer(row: Row) -> None:
    layer, x = _built(row), _tensors(row.inputs())
    expected = _flat(row.call(layer, x, **_arguments(row)))
    state = {k: v.clone() for k, v in layer.state_dict().items()}

    stores = [{} for _ in layer._flatten_layers()]
    for part, store in zip(layer._flatten_layers(), stores):
        part.save_own_variables(store)
    loaded = _built(row)
    for weight in loaded.weights:
        weight.assign(np.zeros(tuple(weight.shape), "float32"))
    for part, store in zip(loaded._flatten_layers(), stores):
        part.load_own_variables(store)

    fresh = row.make(layers)
    fresh.build_from_config(layer.get_build_config())
    fresh.load_state_dict(state, strict=True)

    for other in (loaded, fresh, pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer)):
        for a, b in zip(expected, _flat(row.call(other, x, **_arguments(row))), strict=True):
            torch.testing.assert_close(a, b)
    copied = copy.deepcopy(layer)
    for a, b in zip(layer.parameters(), copied.parameters(), strict=True):
        assert a is not b and a.data_ptr() != b.data_ptr()


@every_row
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float64"])
def test_dtype_policy(row: Row, policy: str) -> None:
    compute, stored = (torch.bfloat16, torch.float32) if policy == "mixed_bfloat16" else (torch.float64, torch.float64)
    if callable(row.arguments):  # with layers inside, which take the global policy
        config.set_dtype_policy(policy)
        try:
            layer = row.make(layers)
        finally:
            config.reset_dtype_policy()
    else:
        layer = row.make(layers, dtype=policy)
    x = _tensors(row.inputs())
    outputs = _flat(row.call(layer, x, training=True, **_arguments(row)))
    integers = row.high is not None and layer._tk_keeps_type
    assert all(t.dtype is (torch.int32 if integers else compute) for t in outputs)
    for weight in layer.weights:
        if weight.dtype.is_floating_point and "lora" not in weight.name:
            assert weight.dtype is stored
    if row.random:
        return
    plain = row.make(layers)
    row.call(plain, x, **_arguments(row))
    plain.set_weights([w.astype("float32") if w.dtype.kind == "f" else w for w in layer.get_weights()])
    for a, b in zip(_flat(row.call(layer, x, **_arguments(row))), _flat(row.call(plain, x, **_arguments(row))), strict=True):
        torch.testing.assert_close(a.float(), b.float(), rtol=0.05, atol=0.05)


def _compile(row: Row) -> None:
    layer, x = _built(row), _tensors(row.inputs(), grad=True)
    torch._dynamo.reset()
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    for mode in (False, True):
        layer.train(mode)
        state = copy.deepcopy(layer.state_dict())
        torch.manual_seed(3)
        expected = _flat(row.call(layer, x, **_arguments(row)))
        layer.load_state_dict(state)
        layer._clear_losses()  # a pending loss is no leaf, and the tracer warns when it looks at one
        torch.manual_seed(3)
        outputs = _flat(row.call(compiled, x, **_arguments(row)))
        if row.random and mode:
            assert [t.shape for t in outputs] == [t.shape for t in expected]
            continue
        for a, b in zip(outputs, expected, strict=True):
            torch.testing.assert_close(a, b)
        if any(t.requires_grad for t in outputs):
            _scalar(outputs).backward()


@every_layer
def test_compiles_in_one_graph(row: Row) -> None:
    _compile(row)


@pytest.mark.slow
@pytest.mark.parametrize("row", [r for r in ROWS if r not in FIRST_OF_EACH], ids=lambda r: r.id)
def test_variant_compiles_in_one_graph(row: Row) -> None:
    _compile(row)
