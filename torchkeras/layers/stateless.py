"""A layer called as a pure function of its weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

from ..graph import convert_to_tensor
from ..variable import ParameterVariable
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


class Stateless(Built):
    """The part of a layer that calls it on other values of its weights."""

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
        regularized = [w for w in trained if w.regularizer is not None]
        places = [[id(stored) for stored in v.parameters] for v in held]
        before = [seed.numpy() for seed in seeds]
        try:
            for seed, value in zip(seeds, non_trainable_variables[len(held) :]):
                seed.assign(value)
            with _replaced(self, state):
                outputs = self(*args, **kwargs)
                losses = [loss for layer in self._flatten_layers() for loss in layer._tk_filed.losses]
                losses += [w.regularizer(w.to_keras(*(state.get(id(t), t) for t in w.parameters))) for w in regularized]
            new = [v.to_keras(*(state[place] for place in stored)) for v, stored in zip(held, places)]
            new += [seed.detach().clone() for seed in seeds]
        finally:
            for seed, value in zip(seeds, before):
                seed.assign(value)
        return (outputs, new, losses) if return_losses else (outputs, new)
