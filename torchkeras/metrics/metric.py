"""The base of all metrics: state on the device, resets, copies, and the reduction over processes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor
from typing_extensions import Self

from .. import dtypes, registry, tree
from ..configurable import Configurable, get_from
from ..distribution import rank, reduce, shard
from ..variable import ParameterVariable

_Held = TypeVar("_Held")
_FILLS: dict[str, Callable] = {"zeros": torch.zeros, "ones": torch.ones}


@dataclass
class _State:
    """One state of a metric and what it is declared as."""

    variable: ParameterVariable
    reduction: str
    initializer: Any
    check: bool = False


class Metric(Configurable):
    """A number (or a dict of numbers) that batches are added to and that `result` reads.

    Subclasses make state in `__init__` with `add_variable`, add a batch to it in place in `update_state`, and compute from it in
    `result`. Updates never wait for the device. Each state declares how its values of several processes, or of several metrics, make one.

    Args:
        dtype: The type of the state; `floatx()` without one.
        name: Its name, the key in `logs`; the class's in snake case without one.

    >>> isinstance(keras.metrics.Mean(), keras.Metric)
    True
    """

    _keras_module: ClassVar[str] = "keras.metrics"
    _tk_states: list[_State]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        self = super().__new__(cls, *args, **kwargs)
        self._tk_states = []
        return self

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "result" in vars(cls):
            cls.result = _over_processes(cls.result)  # type: ignore[method-assign]

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        self.name = name or registry.unique_name(registry.snake_case(type(self).__name__))
        self._dtype = str(dtype.compute_dtype) if hasattr(dtype, "compute_dtype") else dtypes.standardize_dtype(dtype)
        self._tk_torch_dtype = dtypes.to_torch_dtype(self._dtype)

    @property
    def dtype(self) -> str:
        """The Keras name of the state's type."""
        return self._dtype

    # -- state ------------------------------------------------------------------------------------------------------------------------

    def add_variable(
        self,
        shape: Sequence[int],
        initializer: Any,
        dtype: Any = None,
        aggregation: str | None = "sum",
        name: str | None = None,
        reduce: str | None = None,
    ) -> ParameterVariable:
        """A new state.

        Args:
            shape: Its shape.
            initializer: A name (`"zeros"`), an initializer, or a callable `(shape, dtype)`; resets go back to what it gives.
            dtype: Its type; the metric's without one.
            aggregation: Keras's name for `reduce`.
            name: Its name.
            reduce: How the values of several processes make one: `"sum"`, `"mean"`, `"min"`, `"max"` or `"none"` (each keeps its own);
                `aggregation` without it.

        Raises:
            ValueError: If `reduction` or `aggregation` is an unknown word.
        """
        reduction = reduce or {"only_first_replica": "none", None: "none"}.get(aggregation, aggregation)
        if reduction not in _REDUCTIONS:
            raise ValueError(f"`reduce` must be one of {', '.join(map(repr, _REDUCTIONS))}. Received: reduce={reduction!r}")
        if isinstance(initializer, str) and initializer not in _FILLS:
            initializer = get_from(registry.Family.known["initializer"], initializer)
        initializer = "zeros" if initializer is None else initializer
        value = _initial(initializer, tuple(shape), dtypes.to_torch_dtype(self._tk_torch_dtype if dtype is None else dtype))
        plain = aggregation if aggregation in ("none", "mean", "sum", "only_first_replica") else "none"
        variable = ParameterVariable(value, trainable=False, aggregation=plain, name=name)
        variable.path = f"{self.name}/{variable.name}"
        self._tk_states.append(_State(variable, reduction, initializer))
        return variable

    def _tk_add_check(self, initializer: float, reduce: str, name: str, dtype: torch.dtype | None = None) -> ParameterVariable:
        """A state beside `variables`, in which updates note what `check` complains about later."""
        variable = self.add_variable((), lambda shape, dtype: initializer, dtype=dtype, name=name, reduce=reduce)
        self._tk_states[-1].check = True
        return variable

    def add_weight(
        self, shape: Sequence[int] = (), initializer: Any = None, dtype: Any = None, name: str | None = None
    ) -> ParameterVariable:
        """A new state that sums up over processes, under the name that Keras 2 has.

        Args:
            shape: Its shape.
            initializer: A name, a config, an object or a function `(shape, dtype)`; zeros without one.
            dtype: Its type; that of the metric without one.
            name: Its name.
        """
        return self.add_variable(shape, initializer, dtype=dtype, name=name)

    def _tk_metrics(self) -> Iterator[Metric]:
        """The metrics held in attributes, lists and dicts of this one."""
        return self._tk_held(Metric)

    def _tk_held(self, kind: type[_Held]) -> Iterator[_Held]:
        """What attributes, lists and dicts of this metric hold of a class."""
        for value in vars(self).values():
            items = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else (value,)
            yield from (item for item in items if isinstance(item, kind))

    def _tk_all_states(self) -> list[_State]:
        inside = [state for metric in self._tk_metrics() for state in metric._tk_all_states()]
        return [*self._tk_states, *self._tk_own_states(), *inside]

    def _tk_own_states(self) -> list[_State]:
        """The variables that a subclass has made itself, held in attributes, lists and dicts; resets make them zero, as in Keras."""
        known = {id(state.variable) for state in self._tk_states}
        found = {id(v): v for v in self._tk_held(ParameterVariable) if id(v) not in known}
        return [_State(variable, "none", "zeros") for variable in found.values()]

    @property
    def variables(self) -> list[Any]:
        """The states, those of metrics held in attributes included."""
        return [state.variable for state in self._tk_all_states() if not state.check]

    @property
    def state(self) -> list[Any]:
        """All tensors that updates change in place: `variables`, and what `check` reads."""
        return [state.variable for state in self._tk_all_states()]

    @property
    def reductions(self) -> list[str]:
        """How each of `state` is reduced over processes."""
        return [state.reduction for state in self._tk_all_states()]

    def to(self, device: torch.device | str) -> Metric:
        """Move all state, in place: the variables stay the same objects."""
        for variable in self.state:
            if variable.device != torch.device(device):
                variable.data = variable.data.to(device)
        return self

    def _tk_follow(self, values: Tensor) -> None:
        """Move the state to where the values of an update are."""
        if self._tk_states and self._tk_states[0].variable.device != values.device:
            self.to(values.device)

    # -- what subclasses write --------------------------------------------------------------------------------------------------------

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Add a batch."""
        raise NotImplementedError(f"{type(self).__name__} must write an `update_state` method.")

    def result(self) -> Any:
        """The value so far: a scalar tensor, a tensor, or a dict of them."""
        raise NotImplementedError(f"{type(self).__name__} must write a `result` method.")

    def reset_state(self) -> None:
        """Forget all batches."""
        with torch.no_grad():
            for state in (*self._tk_states, *self._tk_own_states()):
                variable = state.variable
                if isinstance(state.initializer, str) and state.initializer == "zeros":
                    variable.zero_()
                else:
                    variable.copy_(_initial(state.initializer, tuple(variable.shape), variable.dtype))
        for metric in self._tk_metrics():
            metric.reset_state()

    def check(self) -> None:
        """Complain about what earlier updates noted: predictions or labels out of range. Waits for the device.

        Raises:
            ValueError: If there was something.
        """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Add a batch and return the value so far."""
        self.update_state(*args, **kwargs)
        return self.result()

    # -- without side effects ---------------------------------------------------------------------------------------------------------

    def _tk_on_state(self, given: Sequence[Any], run: Callable[[], Any]) -> tuple[list[Tensor], Any]:
        """What `run` leaves in the state and returns when the state starts as `given`; the real state stays as it is."""
        variables = self.variables
        if len(given) != len(variables):
            names = ", ".join(v.path for v in variables)
            raise ValueError(
                f"`metric_variables` must hold the {len(variables)} states of the metric {self.name} ({names}). Received: {len(given)}"
            )
        everything = self.state
        saved = [v.detach().clone() for v in everything]
        try:
            with torch.no_grad():
                for variable, value in zip(variables, given):
                    variable.copy_(torch.as_tensor(value, device=variable.device))
            outcome = tree.map_structure(lambda t: t.detach().clone() if isinstance(t, Tensor) else t, run())  # not the state itself
            return [v.detach().clone() for v in variables], outcome
        finally:
            with torch.no_grad():
                for variable, value in zip(everything, saved):
                    variable.copy_(value)

    def stateless_update_state(self, metric_variables: Sequence[Any], *args: Any, **kwargs: Any) -> list[Tensor]:
        """The states after a batch is added to `metric_variables`; the metric stays as it is."""
        return self._tk_on_state(metric_variables, lambda: self.update_state(*args, **kwargs))[0]

    def stateless_result(self, metric_variables: Sequence[Any]) -> Any:
        """The value that the states `metric_variables` give."""
        return self._tk_on_state(metric_variables, self.result)[1]

    def stateless_reset_state(self) -> list[Tensor]:
        """The states of a metric that has seen nothing."""
        return self._tk_on_state(self.variables, self.reset_state)[0]

    # -- several metrics, several processes -------------------------------------------------------------------------------------------

    def merge_state(self, metrics: Sequence[Metric]) -> None:
        """Take in what other metrics of this kind have seen.

        Args:
            metrics: Metrics made with the same arguments.

        Raises:
            ValueError: If a metric has state of another shape.
        """
        own = self.state
        shapes = [tuple(v.shape) for v in own]
        for metric in metrics:
            others = [tuple(v.shape) for v in metric.state]
            if others != shapes:
                raise ValueError(
                    f"`metrics` must be {type(self).__name__} metrics with state of the shapes {shapes}. "
                    f"Received: {type(metric).__name__} with {others}"
                )
        for i, (variable, reduction) in enumerate(zip(own, self.reductions)):
            reduce.combine_(variable, [metric.state[i] for metric in metrics], reduction)

    def sync(self) -> None:
        """Replace the state, in place, by that of all processes together. Every process must call it, and reset before the next update."""
        sync_metrics([self])

    def synced_result(self) -> Any:
        """The value over all processes; each keeps its own state. Every process must call it."""
        variables = self.variables

        def run() -> Any:
            self.sync()
            return self.result()

        return self._tk_on_state([v.detach().clone() for v in variables], run)[1]

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self._dtype} | {k: v for k, v in super().get_config().items() if k not in ("name", "dtype")}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


_REDUCTIONS = reduce.REDUCTIONS


def _over_processes(result: Callable) -> Callable:
    """`result` which, in the last step of an epoch that several processes share, is that of all of them."""

    @functools.wraps(result)
    def wrapper(self: Metric) -> Any:
        part = shard.current()
        if not part.last:
            return result(self)
        if part.uncount is not None:
            part.uncount()
        with shard.use(shard.WHOLE):
            return self.synced_result()

    return wrapper


def sync_metrics(metrics: Sequence[Metric]) -> None:
    """`Metric.sync` of several metrics, in one message for each type of state."""
    reduce.all_reduce_([v for m in metrics for v in m.state], [r for m in metrics for r in m.reductions])


def _initial(initializer: Any, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    device = rank.default_device()
    if isinstance(initializer, str):
        return _FILLS[initializer](shape, dtype=dtype, device=device)
    if callable(initializer) and not isinstance(initializer, Tensor):
        return torch.as_tensor(initializer(shape, dtype=dtypes.standardize_dtype(dtype)), dtype=dtype, device=device)
    return torch.as_tensor(np.asarray(initializer), dtype=dtype, device=device).expand(shape).clone()


def divide_no_nan(a: Tensor, b: Tensor) -> Tensor:
    """`a / b`, and 0 where `b` is 0."""
    empty = b == 0
    return torch.where(empty, 0.0, a / torch.where(empty, 1.0, b))
