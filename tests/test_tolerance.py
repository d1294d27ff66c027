"""What real Keras takes, we take: programs and calls that both libraries run, with the same results."""

from __future__ import annotations

import tempfile
import warnings
from typing import Any

import numpy as np
import pytest
import torch

import torchkeras as mine
from tests.oracle import keras
from torchkeras.models.model import Functional

# Private names of the bases that Keras has as well, and that programs read.
_SHARED = {
    "_clear_losses", "_dtype", "_dtype_policy", "_flatten_layers", "_fn_kwargs", "_from_logits", "_get_variable_index", "_inbound_nodes",
    "_iterations",
    "_learning_rate",
    "_loss_tracker", "_model", "_opt_called", "_path", "_seed_generators", "_trainable", "_trainable_variables", "_use_weight_decay",
}  # fmt: skip
_TORCH = {*dir(torch.nn.Module), *vars(torch.nn.Module()), *dir(torch.optim.Optimizer)}
_TORCH |= set(vars(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))])))


def _private(names: Any) -> set[str]:
    return {n for n in names if n[:1] == "_" and n[:2] != "__" and n[:4] != "_tk_" and n[:6] != "_keras"} - _TORCH - _SHARED - {"_abc_impl"}


@pytest.mark.parametrize(
    "base",
    [mine.layers.Layer, mine.Model, Functional, mine.Sequential, mine.metrics.Metric, mine.losses.Loss, mine.callbacks.Callback,
     mine.optimizers.Optimizer],
)  # fmt: skip
def test_private_names_are_nobody_elses(base: type) -> None:
    for cls in base.__mro__:
        if cls.__module__.startswith("torchkeras"):
            assert not _private([*vars(cls), *vars(cls).get("__annotations__", {})]), cls


def test_private_attributes_are_nobody_elses() -> None:
    x = mine.Input((3,))
    model = mine.Model(x, mine.layers.Dense(2)(x))
    model.compile("sgd", "mse", metrics=["mae"])
    model.fit(torch.ones(2, 3), torch.ones(2, 2), verbose=0)
    for thing in (model, mine.Sequential([mine.layers.Activation("relu")]), mine.layers.Layer(), mine.losses.MeanSquaredError(),
                  mine.metrics.Mean(), mine.callbacks.Callback(), model.optimizer):  # fmt: skip
        assert not _private(vars(thing)), thing


X = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
Y = X[:, :1]
TOKENS = np.array([[1, 2, 0], [3, 0, 0]])
ONES: dict[str, Any] = {"kernel_initializer": "ones"}


class _Array:
    """Something that is an array to NumPy only."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return X if dtype is None else X.astype(dtype)


def build_under_any_name(k: Any) -> Any:
    class Scaled(k.layers.Layer):
        def build(s, shape):
            s.scale = s.add_weight(name="scale", shape=(shape[-1],), initializer="ones")
            super(Scaled, s).build(shape)  # noqa: UP008  # as programs have it

        def call(s, x):
            return x * s.scale

    class Summed(k.layers.Layer):
        def call(me, x, training=None):
            return k.ops.sum(x, -1, keepdims=True)

    model = k.Sequential([k.Input((4,)), Scaled(), Summed()])
    return model.predict(X, verbose=0), model.output_shape


def private_names(k: Any) -> Any:
    class Mine(k.Model):
        def __init__(self):
            super().__init__()
            for name in "plan nodes hidden inputs outputs operations short own filed mode device".split():
                setattr(self, f"_{name}", 3)
            self._cast = k.layers.Dense(2, **ONES)
            self._register = [k.layers.Dense(2, **ONES)]

        def call(self, x):
            return self._forward(self._cast(x))

        def _forward(self, x):
            return self._register[0](x)

    model = Mine()
    model.compile("sgd", "mse")
    history = model.fit(X, X[:, :2], verbose=0, shuffle=False).history
    return history, model.predict(X, verbose=0), len(model.weights), model._plan, model._device


def models_without_trained_weights(k: Any) -> Any:
    results = []
    for layer in (k.layers.Flatten(), k.layers.Dense(4, trainable=False, **ONES)):
        model = k.Sequential([k.Input((4,)), layer])
        model.compile("adam", "mse", metrics=["mae"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            history = model.fit(X, X * 2, verbose=0).history
        with tempfile.TemporaryDirectory() as folder:
            model.save(f"{folder}/model.keras")
            loaded = k.models.load_model(f"{folder}/model.keras")
        results += [history, loaded.evaluate(X, X * 2, verbose=0), loaded.predict(X, verbose=0)]
    return results


def masks_of_symbols(k: Any) -> Any:
    class Mean(k.layers.Layer):
        def call(self, x, mask=None):
            kept = k.ops.cast(mask[:, :, None], x.dtype)
            return k.ops.sum(x * kept, 1) / k.ops.sum(kept, 1)

        def compute_mask(self, inputs, mask=None):
            return None

    tokens = k.Input((3,), dtype="int32")
    embedding = k.layers.Embedding(5, 2, mask_zero=True, embeddings_initializer="ones")
    embedded = embedding(tokens)
    joined = k.layers.Concatenate()([embedded, k.layers.Dropout(0.5)(embedded)])
    model = k.Model(tokens, [Mean()(joined), k.ops.cast(embedded._keras_mask, "float32"), embedding.compute_mask(inputs=tokens)])
    masks = [k.layers.Masking().compute_mask(X[:, None], mask=None), embedding.compute_mask(TOKENS)]
    return model.predict(TOKENS, verbose=0), embedded._keras_mask.shape, embedded._keras_mask.dtype, masks


def arrays_of_every_kind(k: Any) -> Any:
    dense = k.layers.Dense(2, **ONES)
    given = (X, X.astype("float64"), X.astype("float16"), X > 0, (X * 5).astype("uint8"), np.zeros((0, 4), "float32"))
    return [dense(x) for x in given], dense(inputs=X, training=True), k.ops.sum(_Array()), k.ops.matmul(_Array(), X.T)


def state_trees(k: Any) -> Any:
    model = k.Sequential([k.Input((4,)), k.layers.Dense(1, name="dense", **ONES)], name="model")
    model.compile(k.optimizers.SGD(0.01, name="sgd"), "mse", metrics=["mae"])
    model.fit(X, Y, verbose=0, shuffle=False)
    tree = model.get_state_tree(value_format="numpy_array")
    model.set_state_tree({"trainable_variables": {"dense": {"bias": np.array([5.0])}}, "optimizer_variables": tree["optimizer_variables"]})
    return tree, model.get_weights()


def what_programs_read(k: Any) -> Any:
    dense = k.layers.Dense(2)
    built = [k.layers.Dropout(0.5).built, k.layers.ReLU().built, k.layers.Masking().built, dense.built, k.layers.Layer().built]
    return built, dense.quantization_mode, dense.supports_jit


def rematerialized(k: Any) -> Any:
    dense = k.layers.Dense(3, **ONES)
    dense.build((None, 4))
    return dense.rematerialized_call(dense.call, X)(k.ops.convert_to_tensor(X))


@pytest.mark.parametrize(
    "program",
    [build_under_any_name, private_names, models_without_trained_weights, masks_of_symbols, arrays_of_every_kind, state_trees,
     what_programs_read, rematerialized],
    ids=lambda f: f.__name__,
)  # fmt: skip
def test_programs(program: Any) -> None:
    _same(program(mine), program(keras))


def _same(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys()
        for key, value in theirs.items():
            _same(ours[key], value)
    elif isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs):
            _same(a, b)
    elif isinstance(theirs, (torch.Tensor, np.ndarray, float)):
        a, b = (np.asarray(t.detach() if isinstance(t, torch.Tensor) else t) for t in (ours, theirs))
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    else:
        assert ours == theirs
