"""What belongs to a layer: its own weights, declared or not, then those of its sub-layers, each once and where it lies now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, compress
from operator import attrgetter, is_, itemgetter
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from ..graph import Operation
from ..variable import SAME, ParameterVariable, Variable, WeightView, behind
from .tracking import Contents
from .unbuilt import KEY

_UNINITIALIZED = (UninitializedBuffer, UninitializedParameter)
_tables = itemgetter("_parameters", "_buffers", "_modules")
_lists = itemgetter("_tk_own_trainable", "_tk_own_non_trainable", "_tk_hidden")
_requires_grad = attrgetter("requires_grad")


class Place(WeightView):
    """Where a layer keeps a weight that is a Variable. What stands there now is the weight, also where it was replaced.

    Args:
        layer: The layer.
        key: The name of the parameter or buffer.
        variable: The weight that is put there.
    """

    def __init__(self, layer: nn.Module, key: str, variable: ParameterVariable) -> None:
        super().__init__(layer, key, SAME, variable.name)
        self.state = variable.__dict__

    @property
    def tensor(self) -> Any:
        """The tensor that stands there, or `None`."""
        key = self.attributes[0]
        found = self._module._parameters.get(key)
        return self._module._buffers.get(key) if found is None else found

    @property
    def now(self) -> Variable:
        """The Variable that stands there; a plain parameter put in its place has become it, another kind of tensor is seen through this."""
        tensor = self.tensor
        if type(tensor) is nn.Parameter or type(tensor) is torch.Tensor:  # `load_state_dict(assign=True)`, `layer.gamma = nn.Parameter(x)`
            tensor.__class__ = ParameterVariable
            tensor.__dict__.update(self.state)
        if isinstance(tensor, ParameterVariable):
            self.state = tensor.__dict__
            return tensor
        kept = ("path", "regularizer", "constraint", "autocast", "overwrite_with_gradient")
        self.__dict__.update({k: self.state[k] for k in kept}, name=self.state["_tk_name"])
        return self


class _Found:
    """The weights of a layer, and what they were found in: the layers, and the contents of all tables and lists of these."""

    def __init__(self, owner: Owner) -> None:
        modules = list(owner.modules())
        self.modules = [m.__dict__ if m.__dict__.get("_modules").__class__ is dict else _copies(m) for m in modules]
        self.layers = [m.__dict__ for m in modules if isinstance(m, Owner)]
        self.contents = list(self._contents())
        found: dict[int, Any] = {}
        for weight in owner._tk_walk():
            found.setdefault(id(weight.parameters[0]), weight)
        self.weights = list(found.values())
        self.stored = [w.parameters[0] for w in self.weights]

    def _contents(self) -> Iterator[Any]:
        tables = chain.from_iterable(map(_tables, self.modules))
        lists = chain.from_iterable(map(_lists, self.layers))
        return chain(chain.from_iterable(map(dict.values, tables)), chain.from_iterable(lists), _END)

    def holds(self) -> bool:
        """Whether everything is where it was."""
        return all(map(is_, self._contents(), self.contents))  # the end among them tells apart what is longer or shorter


_END = (object(),)


def _copies(module: nn.Module) -> dict[str, dict[str, Any]]:
    """The tables of a scripted module, which are no dicts and never change."""
    return {name: dict(getattr(module, name).items()) for name in ("_parameters", "_buffers", "_modules")}


class Owner(nn.Module, Operation):
    """The part of a layer that answers what belongs to it."""

    _tk_own_trainable: list[WeightView]
    _tk_own_non_trainable: list[WeightView]
    _tk_hidden: list[tuple[nn.Module, str]]
    _tk_foreign: dict[tuple[int, str], WeightView]
    _trainable: bool
    _tk_found: _Found | None = None

    # -- its own ---------------------------------------------------------------------------------------------------------------------

    def _tk_own_weights(self, origins: bool = True) -> tuple[list[Any], list[Any]]:
        """Its own weights that are trained, and its own others; sub-layers' left out.

        First those declared by `add_weight` or by the class, then parameters and buffers that were set as torch's modules have them, and
        variables in lists and dicts. In the place of a pruned or parametrized weight stands what it is computed from, unless `origins` is
        false.
        """
        trained: list[Any] = []
        others: list[Any] = []
        for found, declared in ((trained, self._tk_own_trainable), (others, self._tk_own_non_trainable)):
            for view in declared:
                if view.derived and origins:
                    self._tk_add_origins(view, found, others)
                elif view.present:
                    found.append(view.now)
        known = {id(p) for w in (*trained, *others) for p in w.parameters}
        known |= {id(getattr(m, a, None)) for m, a in self._tk_hidden}
        if not origins:
            derived = [v for v in (*self._tk_own_trainable, *self._tk_own_non_trainable) if v.derived]
            known |= {id(getattr(*place)) for v in derived for a in v.attributes for place in behind(v.module, a)}
        for holder in self._tk_holders(self):
            for found, table in ((trained, holder._parameters), (others, holder._buffers)):
                for name, tensor in table.items():
                    if tensor is None or id(tensor) in known or isinstance(tensor, _UNINITIALIZED):
                        continue
                    if name not in holder._non_persistent_buffers_set:
                        known.add(id(tensor))
                        found.append(tensor if isinstance(tensor, ParameterVariable) else self._tk_foreign_view(holder, name))
        return trained, others

    def own_variables(self) -> list[Any]:
        """The layer's own weights, not its sub-layers', in the order of files: trained ones, others.

        A pruned or parametrized weight is the one that the layer computes with.
        """
        trained, others = self._tk_own_weights(origins=False)
        return trained + others

    def _tk_holders(self, module: nn.Module) -> Iterator[nn.Module]:
        yield module
        for child in module._modules.values():
            if isinstance(child, Contents):
                yield from self._tk_holders(child)

    def _tk_add_origins(self, view: WeightView, found: list[Any], others: list[Any]) -> None:
        """What a pruned or parametrized weight is computed from: to `found` what is trained, to `others` masks and the like."""
        module, trained = view.module, view.places
        alike = len(view.attributes) == 1
        for i, (holder, name) in enumerate(trained):
            stored = getattr(holder, name)
            if isinstance(stored, ParameterVariable):
                found.append(stored)
                continue
            handle = self._tk_foreign_view(holder, name)
            if alike and stored.shape == getattr(module, view.attributes[0]).shape:
                handle.layout, handle.constraint = view.layout, view.constraint
            handle.name = view.name if len(trained) == 1 else f"{view.name}_{i}"
            handle.path = f"{view.path.rpartition('/')[0]}/{handle.name}"
            if i == 0 and view.regularizer is not None:
                handle.regularizer = lambda _: view.regularizer(view.value)
            found.append(handle)
        for attribute in view.attributes:
            for holder, name in behind(module, attribute):
                if (holder, name) not in trained:
                    (found if name in holder._parameters else others).append(self._tk_foreign_view(holder, name))

    def _tk_foreign_view(self, module: nn.Module, name: str) -> WeightView:
        """The handle of a tensor that some torch module holds, the same one at each look."""
        key = (id(module), name)  # the view holds the module, so that its id is not given away
        if key not in self._tk_foreign:
            view = WeightView(module, name)
            owner = next((n for n, m in self.named_modules() if m is module), "")
            view.path = "/".join([self.name, *filter(None, owner.split(".")), name])
            self._tk_foreign[key] = view
        return self._tk_foreign[key]

    # -- all -------------------------------------------------------------------------------------------------------------------------

    def _tk_walk(self) -> Iterator[Any]:
        trained, others = self._tk_own_weights()
        own = trained + others
        yield from own
        known = {id(p) for w in own for p in w.parameters} | {id(getattr(m, a, None)) for m, a in self._tk_hidden}
        for child in self._modules.values():
            yield from self._tk_walk_module(child, known)

    def _tk_walk_module(self, module: nn.Module | None, known: set[int]) -> Iterator[Any]:
        if module is None:
            return
        if isinstance(module, Owner):
            yield from module._tk_walk() if type(module).weights is Owner.weights else module.weights
            return
        for table in (module._parameters, module._buffers):
            for name, stored in table.items():
                if stored is None or id(stored) in known or name in module._non_persistent_buffers_set:
                    continue
                if isinstance(stored, ParameterVariable):
                    yield stored
                elif not isinstance(stored, _UNINITIALIZED):
                    yield self._tk_foreign_view(module, name)
        for child in module._modules.values():
            yield from self._tk_walk_module(child, known)

    def _tk_find(self) -> _Found:
        """The weights, looked for again when anything that they depend on was set, added, replaced or taken away."""
        found = self._tk_found
        if found is None or not found.holds():
            found = self.__dict__["_tk_found"] = _Found(self)
        return found

    @property
    def weights(self) -> list[Variable]:
        """Every weight of the layer and its sub-layers, in Keras's order: own trainable, own others, then each sub-layer's.

        A weight that several layers share is listed once.
        """
        return list(self._tk_find().weights)

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that an optimizer changes; none when the layer is frozen."""
        if not self._trainable:
            return []
        if type(self).weights is not Owner.weights:
            return [w for w in self.weights if w.trainable]
        found = self._tk_find()
        return list(compress(found.weights, map(_requires_grad, found.stored)))

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The other weights."""
        trained = {id(w) for w in self.trainable_weights}
        return [w for w in self.weights if id(w) not in trained]

    # -- freezing --------------------------------------------------------------------------------------------------------------------

    @property
    def trainable(self) -> bool:
        """Whether it is trained. Setting it freezes or frees its weights and its sub-layers."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        value = bool(value)
        object.__setattr__(self, "_trainable", value)
        trained, others = self._tk_own_weights()
        for weight in trained:
            weight.trainable = value
        waiting = self._parameters.get(KEY)
        if waiting is not None:
            waiting.requires_grad_(value)
        known = {id(p) for w in (*trained, *others) for p in w.parameters}
        for child in self._modules.values():
            _set_trainable(child, value, known)
        self._tk_refresh()

    def _tk_refresh(self) -> None:
        """Work out again what depends on the policy, on freezing or on the weights."""


def _set_trainable(module: nn.Module | None, value: bool, known: Iterable[int]) -> None:
    if module is None:
        return
    if isinstance(module, Owner):
        module.trainable = value
        return
    for stored in module._parameters.values():
        if stored is not None and id(stored) not in known:
            stored.requires_grad_(value and stored.is_floating_point())
    for child in module._modules.values():
        _set_trainable(child, value, known)
