"""Weights, masks, logits of final activations, tracing and the errors of losses."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.oracle import keras
from torchkeras import losses
from torchkeras.activations import sigmoid, softmax
from torchkeras.losses import crossentropy


def test_weights_of_samples_meet_values_of_steps() -> None:
    """Keras multiplies `(batch,)` weights along the time axis, which fails or, with as many steps as samples, weighs the wrong ones."""
    y_true, y_pred, weight = torch.rand(3, 3, 2), torch.rand(3, 3, 2), torch.tensor([1.0, 2.0, 0.0])
    values = (y_true - y_pred).square().mean(-1)
    torch.testing.assert_close(losses.MeanSquaredError()(y_true, y_pred, weight), (values * weight.unsqueeze(1)).mean())
    torch.testing.assert_close(losses.MeanSquaredError()(y_true, y_pred, weight.unsqueeze(1)), (values * weight.unsqueeze(1)).mean())


def test_weights_of_samples_and_mask_of_steps() -> None:
    """Keras fails here."""
    y_true, y_pred, weight = torch.rand(3, 4, 2), torch.rand(3, 4, 2), torch.tensor([1.0, 2.0, 0.5])
    mask = torch.tensor([[True, True, False, False], [True] * 4, [False] * 4])
    y_pred._keras_mask = mask
    values = (y_true - y_pred).square().mean(-1)
    expected = (values * weight.unsqueeze(1))[mask].sum() / mask.sum()
    torch.testing.assert_close(losses.MeanSquaredError()(y_true, y_pred, weight), expected)


def test_everything_masked_is_zero() -> None:
    y_pred = torch.rand(2, 3, requires_grad=True)
    y_pred._keras_mask = torch.zeros(2, dtype=torch.bool)
    value = losses.MeanSquaredError()(torch.rand(2, 3), y_pred)
    value.backward()
    assert value == 0
    assert (y_pred.grad == 0).all()


def test_empty_batch_is_zero() -> None:
    assert losses.MeanSquaredError()(torch.rand(0, 3), torch.rand(0, 3)) == 0


def test_sum_and_count_with_mask() -> None:
    loss = losses.MeanSquaredError()
    y_true, y_pred = torch.rand(4, 3, 2), torch.rand(4, 3, 2)
    mask = torch.tensor([[1, 1, 0], [1, 0, 0], [1, 1, 1], [0, 0, 0]]).bool()

    def masked(part: slice) -> torch.Tensor:
        p = y_pred[part].clone()
        p._keras_mask = mask[part]
        return p

    whole = loss(y_true, masked(slice(None)))
    parts = [loss.sum_and_count(y_true[part], masked(part)) for part in (slice(0, 1), slice(1, 4))]
    torch.testing.assert_close(sum(s for s, _ in parts) / sum(c for _, c in parts), whole)


def test_sum_and_count_of_a_scalar_call_is_its_mean() -> None:
    class Mine(losses.Loss):
        def call(self, y_true: torch.Tensor, y_pred: torch.Tensor) -> torch.Tensor:
            return (y_true - y_pred).abs().mean()

    y_true, y_pred = torch.rand(5, 2), torch.rand(5, 2)
    parts = [Mine().sum_and_count(y_true[p], y_pred[p]) for p in (slice(0, 2), slice(2, 5))]
    torch.testing.assert_close(sum(s for s, _ in parts) / sum(c for _, c in parts), Mine()(y_true, y_pred))


def test_sum_and_count_needs_a_number() -> None:
    with pytest.raises(ValueError, match=r"`reduction` of the loss mean_squared_error must give one number. Received: reduction='none'"):
        losses.MeanSquaredError(reduction="none").sum_and_count(torch.rand(2, 2), torch.rand(2, 2))


LOGITS = [
    (losses.SparseCategoricalCrossentropy, softmax, torch.tensor([0, 1, 2, 1])),
    (losses.CategoricalCrossentropy, softmax, torch.eye(3)[[0, 1, 2, 1]]),
    (losses.BinaryCrossentropy, sigmoid, torch.eye(3)[[0, 1, 2, 1]]),
]


@pytest.mark.parametrize(("loss_class", "activation", "y_true"), LOGITS)
@pytest.mark.parametrize("weight", [None, torch.tensor([1.0, 2.0, 3.0, 4.0])])
def test_final_activation_is_computed_from_its_logits(loss_class: Any, activation: Any, y_true: Any, weight: Any) -> None:
    """Keras clips such probabilities: a loss of at most 16 and no gradient."""
    logits = (100 * torch.randn(4, 3)).requires_grad_()
    value = loss_class()(y_true, activation(logits), weight)
    torch.testing.assert_close(value, loss_class(from_logits=True)(y_true, logits, weight))
    (gradient,) = torch.autograd.grad(value, logits)
    (expected,) = torch.autograd.grad(loss_class(from_logits=True)(y_true, logits, weight), logits)
    torch.testing.assert_close(gradient, expected)
    assert value.isfinite()
    assert value > 16


def test_logits_of_another_activation_are_not_taken() -> None:
    """Binary cross-entropy over a softmax: its logits are no logits of a sigmoid."""
    logits, y_true = torch.randn(4, 3), torch.eye(3)[[0, 1, 2, 1]]
    expected = losses.BinaryCrossentropy()(y_true, torch.softmax(logits, -1))
    torch.testing.assert_close(losses.BinaryCrossentropy()(y_true, softmax(logits)), expected)
    expected = losses.CategoricalCrossentropy()(y_true, torch.sigmoid(logits))
    torch.testing.assert_close(losses.CategoricalCrossentropy()(y_true, sigmoid(logits)), expected)


def test_sliced_predictions_use_the_formula() -> None:
    logits = torch.randn(4, 3)
    y_pred = softmax(logits)[:, :2]
    expected = keras.losses.SparseCategoricalCrossentropy()(np.array([0, 1, 1, 0]), y_pred.numpy())
    torch.testing.assert_close(losses.SparseCategoricalCrossentropy()(torch.tensor([0, 1, 1, 0]), y_pred), expected)


@pytest.mark.parametrize("weight", [None, torch.tensor([1.0, 2.0, 3.0, 4.0])], ids=["plain", "weighted"])
@pytest.mark.parametrize(("loss_class", "activation", "y_true"), LOGITS)
def test_traces_as_one_graph(loss_class: Any, activation: Any, y_true: Any, weight: Any) -> None:
    torch._dynamo.reset()
    logits, loss = torch.randn(4, 3), loss_class()

    def step(y: torch.Tensor, x: torch.Tensor, w: Any) -> Any:
        return loss(y, activation(x), w), loss.sum_and_count(y, activation(x), w)

    compiled = torch.compile(step, fullgraph=True, backend="eager")
    value, (total, count) = compiled(y_true, logits, weight)
    torch.testing.assert_close(value, loss(y_true, activation(logits), weight))
    torch.testing.assert_close(total / count, value)


def test_plain_call_is_one_kernel() -> None:
    """`fit` is as fast as a hand-written loop only if nothing but torch's fused function runs."""
    cases = [
        (losses.MeanSquaredError(), torch.rand(8, 3), torch.rand(8, 3)),
        (losses.MeanAbsoluteError(), torch.rand(8, 3), torch.rand(8, 3)),
        (losses.Huber(), torch.rand(8, 3), torch.rand(8, 3)),
        (losses.SparseCategoricalCrossentropy(from_logits=True), torch.randint(0, 3, (8,)), torch.rand(8, 3)),
        (losses.BinaryCrossentropy(from_logits=True), torch.rand(8, 3), torch.rand(8, 3)),
    ]
    plain = {
        "mean_squared_error": F.mse_loss, "mean_absolute_error": F.l1_loss, "huber_loss": F.huber_loss,
        "sparse_categorical_crossentropy": F.cross_entropy, "binary_crossentropy": F.binary_cross_entropy_with_logits,
    }  # fmt: skip
    for loss, y_true, y_pred in cases:
        assert kernels(lambda: loss(y_true, y_pred)) == kernels(lambda: plain[loss.name](y_pred, y_true)), loss.name  # noqa: B023


def kernels(run: Any) -> list[str]:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        run()
    return [event.name for event in profile.events() if event.name.startswith("aten::")]


# -- bad input ------------------------------------------------------------------------------------------------------------------------


def test_unknown_name() -> None:
    with pytest.raises(ValueError, match=r"Unknown loss: 'mean_squared_eror'. Did you mean 'mean_squared_error'"):
        losses.get("mean_squared_eror")


def test_unknown_reduction() -> None:
    with pytest.raises(ValueError, match=r"`reduction` must be one of 'sum_over_batch_size'.*Received: reduction='average'"):
        losses.MeanSquaredError(reduction="average")


def test_not_a_loss() -> None:
    with pytest.raises(ValueError, match=r"`loss` must be a name, a config, a callable or an object. Received: 3 of type int"):
        losses.get(3)


@pytest.mark.parametrize("name", ["MeanSquaredError", "Huber", "Hinge", "Poisson", "Dice", "BinaryCrossentropy", "CategoricalCrossentropy"])
def test_shapes_that_differ(name: str) -> None:
    with pytest.raises(ValueError, match=r"must have the same shape.*y_true of shape \(4, 3\), y_pred of shape \(4, 2\)"):
        getattr(losses, name)()(torch.rand(4, 3), torch.rand(4, 2))


def test_one_hot_labels_for_integer_labels() -> None:
    with pytest.raises(
        ValueError, match=r"`y_true` must hold one integer label per sample: shape \(4,\).*Received: y_true of shape \(4, 3\)"
    ):
        losses.SparseCategoricalCrossentropy()(torch.eye(3)[[0, 1, 2, 1]], torch.rand(4, 3))


@pytest.mark.parametrize("label", [3, -1, -100])
@pytest.mark.parametrize("weight", [None, torch.ones(4)])
@pytest.mark.parametrize("from_logits", [True, False])
def test_label_out_of_range(label: int, weight: Any, from_logits: bool) -> None:
    with pytest.raises(ValueError, match=rf"`y_true` must hold labels from 0 to 2, for `y_pred` has 3 classes. Received: label {label}."):
        losses.SparseCategoricalCrossentropy(from_logits=from_logits)(torch.tensor([0, 1, label, 2]), torch.rand(4, 3), weight)


def test_nan_among_the_labels_is_named():
    loss = losses.SparseCategoricalCrossentropy()
    with pytest.raises(ValueError, match="`y_true` must hold integer labels. Received: a fraction or NaN among them"):
        loss(torch.tensor([0.0, float("nan")]), torch.full((2, 3), 1 / 3))


def test_label_out_of_range_on_a_gpu_is_nan() -> None:
    """What runs there, run here: no index leaves its tensor, and nothing waits."""
    logits, labels, wrong = torch.randn(3, 4), torch.tensor([0, 3, 1]), torch.tensor([0, 4, -1])
    torch.testing.assert_close(crossentropy._mean_or_nan(logits, labels), F.cross_entropy(logits, labels))
    assert crossentropy._mean_or_nan(logits, wrong).isnan()
    log_p = torch.log_softmax(logits, -1)
    torch.testing.assert_close(crossentropy._pick_or_nan(log_p, labels, -1), F.nll_loss(log_p, labels, reduction="none"))
    assert crossentropy._pick_or_nan(log_p, wrong, -1).isnan().tolist() == [False, True, True]


def test_weights_that_do_not_fit() -> None:
    with pytest.raises(
        ValueError, match=r"`sample_weight` must have one entry per sample, or the shape of the values, \(4,\).*shape \(3,\)"
    ):
        losses.MeanSquaredError()(torch.rand(4, 2), torch.rand(4, 2), torch.ones(3))


def test_settings_out_of_range() -> None:
    with pytest.raises(ValueError, match=r"`label_smoothing` must be between 0 and 1. Received: label_smoothing=2"):
        losses.CategoricalCrossentropy(label_smoothing=2)
    with pytest.raises(ValueError, match=r"`q` must lie between 0 and 1, both excluded. Received: q=1.5"):
        losses.CategoricalGeneralizedCrossEntropy(q=1.5)
    with pytest.raises(ValueError, match=r"`axis` must be an axis of `y_pred`. Received: axis=3, y_pred of shape \(2, 3\)"):
        losses.CategoricalCrossentropy(axis=3)(torch.rand(2, 3), torch.rand(2, 3))


def test_call_must_be_written() -> None:
    class Empty(losses.Loss):
        pass

    with pytest.raises(NotImplementedError, match=r"Empty must write a `call\(y_true, y_pred\)` method"):
        Empty()(torch.rand(2), torch.rand(2))


@pytest.mark.parametrize("shape", [(2,), (2, 4, 3)])
def test_ctc_needs_its_ranks(shape: tuple) -> None:
    with pytest.raises(ValueError, match=r"`y_true` must have the shape \(batch, max_length\) and `y_pred` \(batch, steps, classes\)"):
        losses.ctc(torch.zeros(shape), torch.rand(2, 3))
