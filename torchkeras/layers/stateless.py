"""A layer called as a pure function of its weights."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from ..graph import convert_to_tensor
from ..variable import ParameterVariable, Variable
from .building import Built


@contextlib.contextmanager
def _replaced(module: nn.Module, state: dict[int, torch.Tensor]) -> Iterator[None]:
    """Other tensors in the places of parameters and buffers, by the ids of these, for a while."""
    places = [
        (table, name, stored)
        for m in module.modules()
        for table in (m._parameters, m._buffers)
        for name, stored in table.items()
        if id(stored) in state
    ]
    for table, name, stored in places:
        table[name] = state[id(stored)]  # type: ignore[assignment]
    try:
        yield
    finally:
        for table, name, stored in places:
            table[name] = stored  # type: ignore[assignment]


class _Standing(threading.local):
    """The values that stand in for weights in this thread, by the ids of the stored tensors."""

    def __init__(self) -> None:
        self.state: dict[int, torch.Tensor] = {}


_standing = _Standing()


def present(variable: Variable) -> torch.Tensor:
    """The value of a weight, that which stands in for it included."""
    state = _standing.state
    return variable.value if not state else variable.to_keras(*(state.get(id(t), t) for t in variable.parameters))


class Stateless(Built):
    """The part of a layer that calls it on other values of its weights."""

    _tk_losses_of: Any

    def stateless_call(
        self,
        trainable_variables: Sequence[Any],
        non_trainable_variables: Sequence[Any],
        *args: Any,
        return_losses: bool = False,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """Call with these values in the place of the weights, which stay as they are.

        Args:
            trainable_variables: Values in the order and layout of `self.trainable_variables`.
            non_trainable_variables: Values in the order and layout of `self.non_trainable_variables`.
            *args: Arguments of the call.
            return_losses: Whether the losses are returned as well.
            **kwargs: Arguments of the call.

        Returns:
            Outputs, then the new values of `non_trainable_variables`, then the losses if asked for.
        """
        trained = self.trainable_weights if return_losses else []  # what stands in for weights does not tell whether they are trained
        with self._tk_on(trainable_variables, non_trainable_variables) as changed:
            outputs = self(*args, **kwargs)
            return (outputs, changed(), self._tk_losses_of(trained)) if return_losses else (outputs, changed())

    @contextlib.contextmanager
    def _tk_on(self, trainable_variables: Sequence[Any], non_trainable_variables: Sequence[Any]) -> Iterator[Callable[[], list[Any]]]:
        """These values in the place of the weights, for a while; yields what tells the new values of the second."""
        self._tk_check_built()
        trained, held, seeds = self.trainable_variables, self.non_trainable_weights, self._tk_seed_states()
        for what, count, values in (
            ("trainable_variables", len(trained), trainable_variables),
            ("non_trainable_variables", len(held) + len(seeds), non_trainable_variables),
        ):
            if count != len(values):
                raise ValueError(f"`{what}` must hold {count} values for the layer {self.name!r}. Received: {len(values)}")
        state: dict[int, torch.Tensor] = {}  # by id of the stored tensor
        for variable, value in zip((*trained, *held), (*trainable_variables, *non_trainable_variables)):
            for stored, part in zip(variable.parameters, variable.to_torch(convert_to_tensor(value))):
                if isinstance(stored, ParameterVariable) and not variable.trainable:
                    part = ParameterVariable._wrap(part.detach().clone(), False, dict(stored.__dict__))  # `call` may assign to it
                state[id(stored)] = part if variable.trainable else part.clone() if type(part) is torch.Tensor else part
        places = [[id(stored) for stored in v.parameters] for v in held]

        def changed() -> list[Any]:
            new = [v.to_keras(*(state[place] for place in stored)) for v, stored in zip(held, places)]
            return new + [seed.detach().clone() for seed in seeds]

        before, outer = [seed.numpy() for seed in seeds], _standing.state
        try:
            for seed, value in zip(seeds, non_trainable_variables[len(held) :]):
                seed.assign(value)
            _standing.state = {**outer, **state}
            with _replaced(self, state):
                yield changed
        finally:
            _standing.state = outer
            for seed, value in zip(seeds, before):
                seed.assign(value)
