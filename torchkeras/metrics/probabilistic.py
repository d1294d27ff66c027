"""Metrics of predicted probabilities: the cross-entropies, KL divergence and Poisson, averaged over the samples."""

from __future__ import annotations

from typing import Any

from ..losses import binary_crossentropy, categorical_crossentropy, kl_divergence, poisson, sparse_categorical_crossentropy
from .reduction import FunctionMetric, MeanMetricWrapper


class KLDivergence(FunctionMetric):
    """The mean of `sum(y_true · log(y_true / y_pred))`.

    Args:
        name: Its name.
        dtype: The type of the state.

    >>> metric = keras.metrics.KLDivergence()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(0.3670)
    """

    function = staticmethod(kl_divergence)
    _tk_name = "kl_divergence"


class Poisson(FunctionMetric):
    """The mean of `y_pred - y_true · log(y_pred)`.

    Args:
        name: Its name.
        dtype: The type of the state.

    >>> metric = keras.metrics.Poisson()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(0.6835)
    """

    function = staticmethod(poisson)
    _tk_name = "poisson"


class BinaryCrossentropy(MeanMetricWrapper):
    """The mean cross-entropy of labels 0 and 1.

    Args:
        name: Its name.
        dtype: The type of the state.
        from_logits: Whether predictions are logits.
        label_smoothing: Labels are drawn towards 0.5 by this part.

    >>> metric = keras.metrics.BinaryCrossentropy()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(0.3670)
    """

    def __init__(
        self, name: str | None = "binary_crossentropy", dtype: Any = None, from_logits: bool = False, label_smoothing: float = 0
    ) -> None:
        super().__init__(binary_crossentropy, name, dtype, from_logits=from_logits, label_smoothing=label_smoothing)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing


class CategoricalCrossentropy(MeanMetricWrapper):
    """The mean cross-entropy of one-hot or soft labels.

    Args:
        name: Its name.
        dtype: The type of the state.
        from_logits: Whether predictions are logits.
        label_smoothing: This part of each label is spread over all classes.
        axis: The axis of the classes.

    >>> metric = keras.metrics.CategoricalCrossentropy()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(0.3670)
    """

    def __init__(
        self,
        name: str | None = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ) -> None:
        super().__init__(categorical_crossentropy, name, dtype, from_logits=from_logits, label_smoothing=label_smoothing, axis=axis)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis


class SparseCategoricalCrossentropy(MeanMetricWrapper):
    """The mean cross-entropy of integer labels.

    Args:
        name: Its name.
        dtype: The type of the state.
        from_logits: Whether predictions are logits.
        ignore_class: Samples of this label do not count.
        axis: The axis of the classes.

    >>> metric = keras.metrics.SparseCategoricalCrossentropy()
    >>> metric.update_state([1, 0], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(0.3670)
    """

    def __init__(
        self,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__(
            sparse_categorical_crossentropy, name, dtype, from_logits=from_logits, ignore_class=ignore_class, axis=axis
        )  # fmt: skip
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        self.axis = axis
