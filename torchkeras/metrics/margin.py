"""Hinge metrics."""

from __future__ import annotations

from ..losses import categorical_hinge, hinge, squared_hinge
from .reduction import FunctionMetric


class Hinge(FunctionMetric):
    """The mean of `max(1 - y_true · y_pred, 0)`.

    Args:
        name: Its name.
        dtype: The type of the state.

    >>> metric = keras.metrics.Hinge()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(0.8000)
    """

    function = staticmethod(hinge)
    _tk_name = "hinge"


class SquaredHinge(FunctionMetric):
    """The mean of `max(1 - y_true · y_pred, 0)²`.

    Args:
        name: Its name.
        dtype: The type of the state.

    >>> metric = keras.metrics.SquaredHinge()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(0.9000)
    """

    function = staticmethod(squared_hinge)
    _tk_name = "squared_hinge"


class CategoricalHinge(FunctionMetric):
    """The mean of `max(1 + negative - positive, 0)` for one-hot labels.

    Args:
        name: Its name.
        dtype: The type of the state.

    >>> metric = keras.metrics.CategoricalHinge()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.6, 0.4]])
    >>> metric.result()
    tensor(0.6000)
    """

    function = staticmethod(categorical_hinge)
    _tk_name = "categorical_hinge"
