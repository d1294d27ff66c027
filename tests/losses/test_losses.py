"""Every loss against real Keras: values, gradients, weights, masks and configs."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.oracle import keras
from torchkeras import losses

F32 = {"width": 32, "allow_subnormal": False}
REAL = st.floats(-5, 5, **F32)
POSITIVE = st.floats(0.125, 5, **F32)
UNIT = st.floats(0, 1, **F32)
INNER = st.floats(0.015625, 0.984375, **F32)
FEW = settings(max_examples=12, deadline=None)
MANY = settings(max_examples=300, deadline=None)


def arrays(shape: tuple, elements: st.SearchStrategy) -> st.SearchStrategy:
    return hnp.arrays(np.float32, shape, elements=elements)


SHAPES = st.sampled_from([(1, 1), (3, 4), (5, 2), (2, 3, 4)])


@st.composite
def real_pair(draw: Any, true: Any = REAL, pred: Any = REAL) -> tuple:
    shape = draw(SHAPES)
    return draw(arrays(shape, true)), draw(arrays(shape, pred))


@st.composite
def labels_and_scores(draw: Any, pred: Any = INNER, one_hot: bool = False) -> tuple:
    shape = draw(st.sampled_from([(1, 2), (3, 4), (5, 2), (2, 3, 4)]))
    labels = draw(hnp.arrays(np.int64, shape[:-1], elements=st.integers(0, shape[-1] - 1)))
    return (np.eye(shape[-1], dtype=np.float32)[labels] if one_hot else labels), draw(arrays(shape, pred))


def one_hot(pred: Any = INNER) -> st.SearchStrategy:
    return labels_and_scores(pred, one_hot=True)


def binary(pred: Any = INNER) -> st.SearchStrategy:
    return real_pair(st.sampled_from([0.0, 1.0]), pred)


# loss, its arguments, and what it is drawn on
CASES: list[tuple[str, dict[str, Any], Any]] = [
    ("MeanSquaredError", {}, real_pair()),
    ("MeanAbsoluteError", {}, real_pair()),
    ("MeanAbsolutePercentageError", {}, real_pair(POSITIVE, REAL)),
    ("MeanSquaredLogarithmicError", {}, real_pair(POSITIVE, POSITIVE)),
    ("Huber", {}, real_pair()),
    ("Huber", {"delta": 0.5}, real_pair()),
    ("LogCosh", {}, real_pair()),
    ("CosineSimilarity", {}, real_pair(POSITIVE, POSITIVE)),
    ("CosineSimilarity", {"axis": 1}, real_pair(POSITIVE, POSITIVE)),
    ("KLDivergence", {}, real_pair(INNER, INNER)),
    ("Poisson", {}, real_pair(POSITIVE, POSITIVE)),
    ("Hinge", {}, real_pair()),
    ("Hinge", {}, binary(REAL)),
    ("SquaredHinge", {}, binary(REAL)),
    ("CategoricalHinge", {}, one_hot(REAL)),
    ("Dice", {}, binary()),
    ("Dice", {"axis": -1}, binary()),
    ("Tversky", {"alpha": 0.25, "beta": 0.75}, binary()),
    ("Tversky", {"axis": (0,)}, binary()),
    ("BinaryCrossentropy", {}, binary()),
    ("BinaryCrossentropy", {"from_logits": True}, binary(REAL)),
    ("BinaryCrossentropy", {"label_smoothing": 0.25, "axis": 0}, binary()),
    ("BinaryFocalCrossentropy", {}, binary()),
    ("BinaryFocalCrossentropy", {"from_logits": True, "apply_class_balancing": True, "gamma": 1.5}, binary(REAL)),
    ("CategoricalCrossentropy", {}, one_hot()),
    ("CategoricalCrossentropy", {"from_logits": True}, one_hot(REAL)),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.25}, one_hot(REAL)),
    ("CategoricalCrossentropy", {"axis": 1}, one_hot()),
    ("CategoricalFocalCrossentropy", {}, one_hot()),
    ("CategoricalFocalCrossentropy", {"from_logits": True, "alpha": 0.5, "gamma": 1.5, "label_smoothing": 0.1}, one_hot(REAL)),
    ("SparseCategoricalCrossentropy", {}, labels_and_scores()),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, labels_and_scores(REAL)),
    ("SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": 1}, labels_and_scores(REAL)),
    ("CategoricalGeneralizedCrossEntropy", {"q": 0.7}, labels_and_scores()),
]
IDS = [f"{name}-{'-'.join(map(str, kwargs.values()))}" for name, kwargs, _ in CASES]
# the values of the others belong to more than one sample
PER_SAMPLE = [case for case in CASES if case[1].get("axis", -1) == -1 and case[0] not in ("Dice", "Tversky", "Hinge", "SquaredHinge")]
REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none")


def value_and_gradient(loss: Any, y_true: np.ndarray, y_pred: np.ndarray, weight: Any, mask: Any) -> tuple[np.ndarray, np.ndarray]:
    y_pred = torch.tensor(y_pred, requires_grad=True)
    if mask is not None:
        y_pred._keras_mask = torch.tensor(mask)
    value = loss(torch.tensor(y_true), y_pred, weight)
    (gradient,) = torch.autograd.grad(value.sum(), y_pred)
    return value.detach().numpy(), gradient.numpy()


def check_case(name: str, kwargs: dict[str, Any], data: st.DataObject, strategy: Any) -> None:
    y_true, y_pred = data.draw(strategy)
    reduction = data.draw(st.sampled_from(REDUCTIONS))
    ours = getattr(losses, name)(reduction=reduction, **kwargs)
    theirs = getattr(keras.losses, name)(reduction=reduction, **kwargs)
    values = getattr(losses, name)(reduction="none", **kwargs)(torch.tensor(y_true), torch.tensor(y_pred))
    per_value = values.ndim > 0
    weight = data.draw(st.none() | arrays(tuple(values.shape), UNIT)) if per_value else None
    mask = data.draw(st.none() | hnp.arrays(np.bool_, tuple(values.shape))) if per_value and kwargs.get("axis", -1) == -1 else None
    expected, expected_gradient = value_and_gradient(theirs, y_true, y_pred, weight, mask)
    value, gradient = value_and_gradient(ours, y_true, y_pred, weight, mask)
    assert value.shape == expected.shape
    np.testing.assert_allclose(value, expected, rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "kwargs", "strategy"), CASES, ids=IDS)
@given(data=st.data())
@FEW
def test_value_and_gradient_as_keras(name: str, kwargs: dict[str, Any], strategy: Any, data: st.DataObject) -> None:
    check_case(name, kwargs, data, strategy)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kwargs", "strategy"), CASES, ids=IDS)
@given(data=st.data())
@MANY
def test_value_and_gradient_as_keras_swept(name: str, kwargs: dict[str, Any], strategy: Any, data: st.DataObject) -> None:
    check_case(name, kwargs, data, strategy)


@pytest.mark.parametrize(("name", "kwargs", "strategy"), PER_SAMPLE, ids=[f"{n}-{i}" for i, (n, _, _) in enumerate(PER_SAMPLE)])
@given(data=st.data())
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_sum_and_count_add_up_over_parts(name: str, kwargs: dict[str, Any], strategy: Any, data: st.DataObject) -> None:
    y_true, y_pred = data.draw(strategy)
    assume(len(y_pred) > 1)
    reduction = data.draw(st.sampled_from(("sum_over_batch_size", "sum", "mean_with_sample_weight")))
    loss = getattr(losses, name)(reduction=reduction, **kwargs)
    weight = data.draw(st.none() | arrays(y_pred.shape[:1], UNIT))
    whole = loss(torch.tensor(y_true), torch.tensor(y_pred), weight)
    parts = [
        loss.sum_and_count(torch.tensor(y_true[part]), torch.tensor(y_pred[part]), None if weight is None else weight[part])
        for part in (slice(0, 1), slice(1, None))
    ]
    total = sum(s for s, _ in parts)
    if reduction != "sum":
        count = sum(float(c) for _, c in parts)
        total = total / count if count else 0.0
    np.testing.assert_allclose(float(total), float(whole), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", sorted({name for name, _, _ in CASES} | {"CTC", "Circle"}))
def test_config_as_keras(name: str) -> None:
    ours, theirs = getattr(losses, name)(), getattr(keras.losses, name)()
    assert losses.serialize(ours) == keras.losses.serialize(theirs)
    again = losses.deserialize(keras.losses.serialize(theirs))
    assert type(again) is type(ours)
    assert again.get_config() == ours.get_config()


def test_config_keeps_what_keras_forgets() -> None:
    """Keras leaves these arguments out of the config, so that a loaded loss computes something else."""
    assert losses.Huber.from_config(losses.Huber(delta=2.0).get_config()).delta == 2.0
    assert losses.CosineSimilarity.from_config(losses.CosineSimilarity(axis=1).get_config()).axis == 1
    assert losses.SparseCategoricalCrossentropy.from_config(losses.SparseCategoricalCrossentropy(axis=1).get_config()).axis == 1
    assert keras.losses.Huber.from_config(losses.Huber(delta=2.0).get_config())._fn_kwargs["delta"] == 2.0


def test_wrapper_config_as_keras() -> None:
    from keras.src.losses.losses import LossFunctionWrapper  # not in Keras's public API, but in its configs

    ours = losses.LossFunctionWrapper(losses.huber, name="h", delta=3.0)
    theirs = LossFunctionWrapper(keras.losses.huber, name="h", delta=3.0)
    assert ours.get_config() == theirs.get_config()
    again = losses.LossFunctionWrapper.from_config(ours.get_config())
    assert again.fn is losses.huber
    assert again(torch.tensor([0.0]), torch.tensor([5.0])) == ours(torch.tensor([0.0]), torch.tensor([5.0]))


@pytest.mark.parametrize("labels", [[0, 1, 0, 1, 2], [0, 1, 2, 3, 4], [[1], [1], [0], [0], [0]]])
@pytest.mark.parametrize("kwargs", [{}, {"remove_diagonal": False, "gamma": 16.0, "margin": 0.25}])
def test_circle(labels: list, kwargs: dict[str, Any]) -> None:
    embeddings = torch.nn.functional.normalize(torch.randn(5, 3), dim=1).numpy()
    for reduction in ("none", "sum_over_batch_size"):
        expected = value_and_gradient(keras.losses.Circle(reduction=reduction, **kwargs), np.array(labels), embeddings, None, None)
        actual = value_and_gradient(losses.Circle(reduction=reduction, **kwargs), np.array(labels), embeddings, None, None)
        np.testing.assert_allclose(actual[0], expected[0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(actual[1], expected[1], rtol=1e-3, atol=1e-4)


def test_circle_with_references() -> None:
    embeddings = torch.nn.functional.normalize(torch.randn(5, 3), dim=1)
    labels, references = np.array([0, 1, 2, 1, 0]), (np.array([0, 1]), embeddings[:2])
    expected = keras.losses.circle(labels, embeddings, *references, remove_diagonal=False)
    torch.testing.assert_close(losses.circle(labels, embeddings, *references, remove_diagonal=False), expected, rtol=1e-4, atol=1e-4)


def test_ctc() -> None:
    labels = np.array([[1, 2, 0], [2, 1, 1], [3, 0, 0]])
    expected = value_and_gradient(keras.losses.CTC(), labels, np.random.rand(3, 8, 4).astype("float32"), None, None)
    np.random.seed(0)
    actual = value_and_gradient(losses.CTC(), labels, np.random.rand(3, 8, 4).astype("float32"), None, None)
    for ours, theirs in zip(actual, expected):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


FUNCTIONS = [
    "mean_squared_error", "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_logarithmic_error", "huber",
    "log_cosh", "cosine_similarity", "kl_divergence", "poisson", "hinge", "squared_hinge", "categorical_hinge", "dice", "tversky",
    "binary_crossentropy", "binary_focal_crossentropy", "categorical_crossentropy", "categorical_focal_crossentropy",
]  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_on_arrays_as_keras(name: str) -> None:
    y_true, y_pred = np.eye(3)[[0, 1, 2, 1]], np.random.rand(4, 3).astype("float32")
    torch.testing.assert_close(getattr(losses, name)(y_true, y_pred), getattr(keras.losses, name)(y_true, y_pred))


@pytest.mark.parametrize("name", ["mean_squared_error", "hinge", "kl_divergence", "categorical_crossentropy", "categorical_hinge"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_as_keras(name: str, value: float) -> None:
    y_true, y_pred = np.eye(2, dtype="float32"), np.array([[value, 0.5], [0.25, 0.75]], dtype="float32")
    torch.testing.assert_close(getattr(losses, name)(y_true, y_pred), getattr(keras.losses, name)(y_true, y_pred), equal_nan=True)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_dtype(dtype: str) -> None:
    y_true, y_pred = torch.rand(4, 3), torch.rand(4, 3)
    ours, theirs = losses.MeanSquaredError(dtype=dtype)(y_true, y_pred), keras.losses.MeanSquaredError(dtype=dtype)(y_true, y_pred)
    assert ours.dtype == theirs.dtype
    torch.testing.assert_close(ours, theirs)


def test_float64_is_computed_in_float64() -> None:
    """Keras returns float32 for it."""
    y_true, y_pred = torch.rand(4, 3, dtype=torch.float64), torch.rand(4, 3, dtype=torch.float64)
    torch.testing.assert_close(losses.MeanSquaredError(dtype="float64")(y_true, y_pred), (y_true - y_pred).square().mean())


def test_label_smoothing_counts_the_classes_of_its_axis() -> None:
    """Keras spreads the part over the size of the last axis, whatever `axis` says."""
    y_true, y_pred = torch.eye(3)[[0, 2]].unsqueeze(-1).expand(2, 3, 4), torch.rand(2, 3, 4)
    last = losses.categorical_crossentropy(y_true.movedim(1, -1), y_pred.movedim(1, -1), label_smoothing=0.5)
    torch.testing.assert_close(losses.categorical_crossentropy(y_true, y_pred, label_smoothing=0.5, axis=1), last)


def test_low_precision_predictions_are_computed_in_float32() -> None:
    assert losses.MeanSquaredError()(torch.rand(4, 3), torch.rand(4, 3, dtype=torch.bfloat16)).dtype is torch.float32


@pytest.mark.parametrize("y_dtype", [torch.uint8, torch.int32, torch.float32, torch.int64])
def test_labels_of_any_type(y_dtype: torch.dtype) -> None:
    labels, logits = torch.tensor([0, 2, 1]), torch.randn(3, 3)
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    torch.testing.assert_close(loss(labels.to(y_dtype), logits), loss(labels, logits))
    torch.testing.assert_close(loss(labels.to(y_dtype).unsqueeze(-1), logits), loss(labels, logits))


def test_rank_one_targets_meet_rank_two_predictions() -> None:
    y_true, y_pred = torch.rand(4), torch.rand(4, 1)
    for loss in (losses.MeanSquaredError(), losses.Huber(), losses.BinaryCrossentropy(), losses.LogCosh()):
        torch.testing.assert_close(loss(y_true, y_pred), loss(y_true.unsqueeze(-1), y_pred))


def test_nested_predictions() -> None:
    class Both(losses.Loss):
        def call(self, y_true: Any, y_pred: Any) -> torch.Tensor:
            return losses.mean_squared_error(y_true["a"], y_pred["a"]) + losses.mean_absolute_error(y_true["b"], y_pred["b"])

    a, b = np.random.rand(2, 3, 4).astype("float32")
    expected = ((a - b) ** 2).mean() + np.abs(a - b).mean()
    np.testing.assert_allclose(Both()({"a": a, "b": a}, {"a": b, "b": b}), expected, rtol=1e-6)


def test_function_as_loss_and_names() -> None:
    for name in ("mse", "MSE", "mean_squared_error", "mae", "mape", "msle", "kld", "logcosh", "huber_loss", "cosine_proximity",
                 "kullback_leibler_divergence", "bce", "log_cosh"):  # fmt: skip
        assert callable(losses.get(name)), name
    assert losses.get("mse") is losses.mean_squared_error
    assert isinstance(losses.get("MeanSquaredError"), losses.MeanSquaredError)
    assert isinstance(losses.get("Hinge"), losses.Hinge)
    assert losses.get("hinge") is losses.hinge
    assert losses.get(None) is None
    assert losses.get({"class_name": "MeanSquaredError", "config": {"reduction": "sum"}}).reduction == "sum"
    assert losses.deserialize(losses.serialize(losses.poisson)) is losses.poisson
    assert losses.serialize(losses.poisson) == keras.losses.serialize(keras.losses.poisson)


def test_is_categorical_crossentropy() -> None:
    for loss in ("categorical_crossentropy", losses.categorical_crossentropy, losses.CategoricalCrossentropy(), "CategoricalCrossentropy"):
        assert losses.is_categorical_crossentropy(loss)
    for loss in ("mse", losses.sparse_categorical_crossentropy, losses.SparseCategoricalCrossentropy(), None):
        assert not losses.is_categorical_crossentropy(loss)
