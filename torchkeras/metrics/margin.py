"""Hinge metrics."""

from __future__ import annotations

from ..losses import categorical_hinge, hinge, squared_hinge
from .reduction import FunctionMetric


class Hinge(FunctionMetric):
    """The mean of `max(1 - y_true · y_pred, 0)`.

    Args:
        name: Its name.
        dtype: The type of the state.
    """

    function = staticmethod(hinge)
    _tk_name = "hinge"


class SquaredHinge(FunctionMetric):
    """The mean of `max(1 - y_true · y_pred, 0)²`. Arguments as in `Hinge`."""

    function = staticmethod(squared_hinge)
    _tk_name = "squared_hinge"


class CategoricalHinge(FunctionMetric):
    """The mean of `max(1 + negative - positive, 0)` for one-hot labels. Arguments as in `Hinge`."""

    function = staticmethod(categorical_hinge)
    _tk_name = "categorical_hinge"
