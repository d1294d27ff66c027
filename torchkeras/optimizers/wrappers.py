"""Optimizers around optimizers: dynamic loss scaling, and several optimizers for the parts of one model."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..configurable import Configurable, deserialize_keras_object, serialize_keras_object
from ..typing import RateLike
from ..variable import Variable
from . import kernels
from .optimizer import Optimizer
from .state import ScalarState, stored, variable_path


class _Wrapper(Optimizer):
    """What both share: parameters and state are those of the optimizers inside."""

    def _inside(self) -> list[Optimizer]:
        raise NotImplementedError

    @property
    def capturable(self) -> bool:
        return self._tk_capturable

    @capturable.setter
    def capturable(self, value: bool) -> None:
        self._tk_capturable = bool(value)
        for optimizer in self._inside():
            optimizer.capturable = value
        if self.built:
            self._tk_place_scalars()

    def _tk_place_scalars(self) -> None:
        for scalar in self._tk_scalars.values():
            if self._tk_capturable:
                scalar.on_device(self._tk_params[0].device)
            else:
                scalar.on_host()

    def state_tensors(self) -> list[Tensor]:
        own = [s.tensor for s in self._tk_scalars.values() if s.tensor is not None]
        return own + [t for optimizer in self._inside() for t in optimizer.state_tensors()]

    def capture_key(self) -> tuple[bool, ...]:
        return tuple(k for optimizer in self._inside() for k in optimizer.capture_key())

    def advance(self) -> None:
        for optimizer in self._inside():
            if optimizer.built:
                optimizer.advance()

    def flush(self) -> None:
        for optimizer in self._inside():
            optimizer.flush()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        if self.built:
            raise ValueError(
                f"A {type(self).__name__} takes no further parameters. Give them to the optimizer inside before `build`, or make a "
                "`MultiOptimizer` for them."
            )
        super().add_param_group(param_group)

    def _tk_rebind(self, variables: Iterable[Any]) -> None:
        variables = list(variables)
        before = [p for optimizer in self._inside() for p in optimizer._tk_params]
        for optimizer in self._inside():
            if optimizer.built:
                optimizer._tk_rebind(variables)
        after = [p for optimizer in self._inside() for p in optimizer._tk_params]
        if len(before) != len(after) or any(a is not b for a, b in zip(before, after)):
            by_path = {v.path: v for v in variables if isinstance(v, Variable)}
            self._join([by_path.get(v.path, v) if isinstance(v, Variable) else v for v in self._trainable_variables])

    def settings(self) -> str:
        return repr([optimizer.settings() for optimizer in self._inside()])

    def _join(self, variables: list[Any]) -> None:
        """Show the parts' groups and state as this optimizer's own, torch's way."""
        self._tk_params = [p for v in variables for p in stored(v)]
        self._trainable_variables = variables
        self.built, self._tk_groups = False, []
        self._tk_become_torch([{"params": self._tk_params, "lr": 0.0}])
        self._tk_locate()
        self._share()
        self._opt_called = True
        self.built = True
        if self._tk_capturable:
            self.capturable = True

    def _share(self) -> None:
        shared: defaultdict[Tensor, dict[str, Tensor]] = defaultdict(dict)
        for optimizer in self._inside():
            for p, slots in optimizer.state.items():
                shared[p] = slots
        self.state = shared
        self._tk_groups = [optimizer._tk_group for optimizer in self._inside() if optimizer.built]
        if self._tk_groups:
            self._tk_group = self._tk_groups[0]

    def state_dict(self) -> dict[str, Any]:
        self.param_groups  # noqa: B018  not built: raises
        for optimizer in self._inside():
            for name, scalar in optimizer._tk_scalars.items():
                optimizer._tk_group[name] = scalar.read()
        for name, scalar in self._tk_scalars.items():
            self._tk_group[f"outer_{name}"] = scalar.read()
        return torch.optim.Optimizer.state_dict(self)

    def _tk_restore_scalars(self) -> None:
        for optimizer in self._inside():
            optimizer._tk_restore_scalars()
        for name, scalar in self._tk_scalars.items():
            if f"outer_{name}" in self._tk_group:
                scalar.write(self._tk_group[f"outer_{name}"])

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "param_groups" in state:
            self.state, self._tk_groups = state["state"], state["param_groups"]
            return
        self.__dict__.update(state)
        if self.built:
            self._patch_step_function()
            self._tk_locate()
            self._share()

    def finalize_variable_values(self, var_list: Iterable[Any]) -> None:
        variables = list(var_list)
        for optimizer in self._inside():
            optimizer.finalize_variable_values([v for v in variables if id(stored(v)[0]) in optimizer._tk_positions])

    def exclude_from_weight_decay(self, var_list: Iterable[Any] | None = None, var_names: Iterable[str] | None = None) -> None:
        if self.built:
            raise ValueError("`exclude_from_weight_decay()` must be called before the optimizer is built.")
        chosen, names = list(var_list or ()), list(var_names or ())
        for optimizer in self._inside():
            optimizer.exclude_from_weight_decay(chosen, names)


class LossScaleOptimizer(_Wrapper):
    """Scale the loss so that float16 gradients do not vanish; skip a step and halve the scale where they overflow.

    Args:
        inner_optimizer: The optimizer that makes the updates.
        initial_scale: The first scale.
        dynamic_growth_steps: After how many finite steps in a row the scale doubles.
        name: A name; made from the class's without one.
        **kwargs: Options of optimizers that are unset, as configs carry them: what updates do is said to `inner_optimizer`.

    >>> optimizer = keras.mixed_precision.LossScaleOptimizer(keras.optimizers.SGD(0.1))
    >>> float(optimizer.scale_loss(torch.tensor(1.0)))
    32768.0
    """

    def __init__(
        self,
        inner_optimizer: Optimizer,
        initial_scale: float = 32768.0,
        dynamic_growth_steps: int = 2000,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if isinstance(inner_optimizer, dict):
            inner_optimizer = deserialize_keras_object(inner_optimizer)
        if not isinstance(inner_optimizer, Optimizer):
            kind = type(inner_optimizer).__name__
            raise ValueError(f"`inner_optimizer` must be an optimizer. Received: {inner_optimizer!r} of type {kind}")
        if not kwargs.pop("dynamic", True):
            raise ValueError("`dynamic=False` is not offered: pass `loss_scale_factor` to the optimizer itself instead of wrapping it.")
        kwargs.pop("learning_rate", None)
        unknown = {k: v for k, v in kwargs.items() if v != {"use_ema": False, "ema_momentum": 0.99}.get(k)}  # configs carry defaults
        if unknown:
            raise ValueError(f"LossScaleOptimizer takes options of updates through `inner_optimizer`. Received: {unknown}")
        inner_optimizer.loss_scale_factor = None  # the scale of this one takes its place
        self.inner_optimizer = inner_optimizer
        self._outer_rate = ScalarState("learning_rate", "", 0.0, torch.float32)
        super().__init__(0.0, name=name)
        self.initial_scale = initial_scale
        self.dynamic_growth_steps = dynamic_growth_steps
        self._outer_rate.path = f"{self.name}/learning_rate"
        self.step_counter = ScalarState("step_counter", f"{self.name}/step_counter", 0, torch.int32)
        self.dynamic_scale = ScalarState("dynamic_scale", f"{self.name}/dynamic_scale", float(initial_scale), torch.float32)
        self._tk_scalars = {"step_counter": self.step_counter, "dynamic_scale": self.dynamic_scale}

    def _inside(self) -> list[Optimizer]:
        return [self.inner_optimizer]

    @property
    def learning_rate(self) -> Any:
        """The learning rate of the optimizer inside."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: RateLike) -> None:
        if "dynamic_scale" in self.__dict__:  # the base's constructor sets one; the rate is the inner optimizer's
            self.inner_optimizer.learning_rate = value

    @property
    def iterations(self) -> Any:
        """How many updates were made; skipped steps do not count."""
        return self.inner_optimizer.iterations

    @iterations.setter
    def iterations(self, value: Any) -> None:
        self.inner_optimizer.iterations = value

    @property
    def variables(self) -> list[Any]:
        # Keras loses sight of what an inner optimizer makes without `add_variable`; its files have no place for it.
        inner = [v for v in self.inner_optimizer.variables if v.path.startswith(f"{self.inner_optimizer.name}/")]
        return [self._iterations, self._outer_rate, self.step_counter, self.dynamic_scale, *inner]

    def saved_children(self) -> Iterable[tuple[str, Any]]:
        """The optimizer inside, under its attribute's name."""
        return [("inner_optimizer", self.inner_optimizer)]

    def load_own_variables(self, store: Any) -> None:
        super().load_own_variables(store)
        self.inner_optimizer._tk_derive_scalars()

    def build(self, variables: Iterable[Any]) -> None:
        variables = list(variables)
        self.inner_optimizer.build(variables)
        self._join(variables)

    def check_finite(self, grads: Sequence[Tensor | None]) -> Tensor:
        """A 0-d bool tensor: every gradient is finite."""
        return kernels.all_finite([g for g in grads if g is not None])

    def scale_loss(self, loss: Any) -> Any:
        """The loss times the present scale, to take gradients of."""
        scale = self.dynamic_scale
        return loss * (scale.number if scale.tensor is None else scale.tensor)

    def _tk_apply(self, grads: Sequence[Tensor | None], weight: float | None) -> None:
        present = [g.to_dense() if g.is_sparse else g for g in grads if g is not None]
        if not present:
            return
        with torch.no_grad():
            finite = self.check_finite(present)
            if self._tk_capturable:
                self._apply_where(finite, grads, present, weight)
                return
            scale = self.dynamic_scale.number
            # The host must know whether to step, as in torch's GradScaler: the one synchronization.
            if bool(finite):
                self.inner_optimizer._tk_apply(_spread(grads, torch._foreach_mul(present, 1.0 / scale)), weight)
                self.step_counter.number += 1
                if self.step_counter.number >= self.dynamic_growth_steps:
                    self.step_counter.number, self.dynamic_scale.number = 0, scale * 2.0
            else:
                self.step_counter.number, self.dynamic_scale.number = 0, max(scale / 2.0, 1.0)

    def _apply_where(self, finite: Tensor, grads: Sequence[Tensor | None], present: list[Tensor], weight: float | None) -> None:
        """The step in a captured graph: made, then taken back on the device where a gradient was not finite."""
        changed = [*self._tk_params, *self.inner_optimizer.state_tensors()]
        before = [t.detach().clone() for t in changed]
        scale, counter = self.dynamic_scale.value, self.step_counter.value
        self.inner_optimizer._tk_apply(_spread(grads, torch._foreach_mul(present, 1.0 / scale)), weight)
        for tensor, old in zip(changed, before):
            tensor.copy_(torch.where(finite, tensor, old))
        grown = (counter + 1) >= self.dynamic_growth_steps
        scale.copy_(torch.where(finite, torch.where(grown, scale * 2.0, scale), (scale / 2.0).clamp(min=1.0)))
        counter.copy_(torch.where(finite & ~grown, counter + 1, torch.zeros_like(counter)))

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "inner_optimizer": serialize_keras_object(self.inner_optimizer),
            "initial_scale": self.initial_scale,
            "dynamic_growth_steps": self.dynamic_growth_steps,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> LossScaleOptimizer:
        inner = deserialize_keras_object(config["inner_optimizer"], custom_objects)
        return cls(**{**config, "inner_optimizer": inner})


def _spread(grads: Sequence[Tensor | None], present: Sequence[Tensor]) -> list[Tensor | None]:
    """`present` back in the places where `grads` has a gradient."""
    rest = iter(present)
    return [None if g is None else next(rest) for g in grads]


class OptimizerMap(Configurable, MutableMapping):
    """Which optimizer a variable gets: that of the first pattern found in its path, else the default.

    Args:
        default_optimizer: For the variables that no pattern matches.
        optimizer_map: Regular expressions to optimizers.

    >>> chosen = keras.optimizers.OptimizerMap(keras.optimizers.SGD(), {'embed.*': keras.optimizers.Adam()})
    >>> type(chosen['embed/table']).__name__
    'Adam'
    """

    _keras_module = "keras.optimizers"

    def __init__(self, default_optimizer: Optimizer, optimizer_map: Mapping[str, Optimizer] | None = None) -> None:
        if not isinstance(default_optimizer, Optimizer):
            kind = type(default_optimizer).__name__
            raise TypeError(f"`default_optimizer` must be an optimizer. Received: {default_optimizer!r} of type {kind}")
        if optimizer_map is not None and not isinstance(optimizer_map, Mapping):
            raise TypeError(f"`optimizer_map` must map patterns to optimizers. Received: {optimizer_map!r}")
        self._default = default_optimizer
        self._map: dict[str, Optimizer] = {}
        for pattern, optimizer in (optimizer_map or {}).items():
            self[pattern] = optimizer

    @property
    def default_optimizer(self) -> Optimizer:
        """The optimizer of the variables that no pattern matches."""
        return self._default

    def __getitem__(self, key: str) -> Optimizer:
        if key in self._map:
            return self._map[key]
        found = [pattern for pattern in self._map if re.fullmatch(pattern, key)]
        if len(found) > 1:
            raise ValueError(f"`optimizer_map` must give each variable one optimizer. Received: {key!r}, which the patterns {found} match")
        return self._map[found[0]] if found else self._default

    def __setitem__(self, key: str, optimizer: Optimizer) -> None:
        if key in self._map:
            raise ValueError(f"`key` is in the map already: {key!r}. Delete it first to exchange its optimizer.")
        if not isinstance(key, str):
            raise ValueError(f"`key` must be a regular expression. Received: {key!r} of type {type(key).__name__}")
        if not isinstance(optimizer, Optimizer) or isinstance(optimizer, _Wrapper):
            raise ValueError(
                f"`optimizer` must be an optimizer that wraps no other. Received: {optimizer!r} of type {type(optimizer).__name__}"
            )
        self._map[key] = optimizer

    def __delitem__(self, key: str) -> None:
        del self._map[key]

    def __len__(self) -> int:
        return len(self._map)

    def __iter__(self) -> Iterator[str]:
        return iter(self._map)

    def __call__(self, variable: Any) -> Optimizer:
        return self[variable_path(variable)]

    def get_config(self) -> dict[str, Any]:
        return {
            "default_optimizer": serialize_keras_object(self._default),
            "optimizer_map": {pattern: serialize_keras_object(optimizer) for pattern, optimizer in self._map.items()},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> OptimizerMap:
        inner = {pattern: deserialize_keras_object(c) for pattern, c in (config.get("optimizer_map") or {}).items()}
        return cls(deserialize_keras_object(config["default_optimizer"]), inner)


class MultiOptimizer(_Wrapper):
    """Several optimizers, each for its variables of one model. It has no learning rate of its own; those of `optimizers` have.

    Args:
        optimizer_map: An `OptimizerMap`, or a callable from a variable to its optimizer.
        loss_scale_factor: What `scale_loss` multiplies a loss by, and gradients are divided by.
        name: A name; made from the class's without one.

    >>> chosen = keras.optimizers.OptimizerMap(keras.optimizers.SGD(), {'embed.*': keras.optimizers.Adam()})
    >>> optimizer = keras.optimizers.MultiOptimizer(chosen)
    >>> len(optimizer.optimizers)
    2
    """

    def __init__(
        self, optimizer_map: OptimizerMap | Callable[[Any], Optimizer], loss_scale_factor: float | None = None, name: str | None = None
    ) -> None:
        if isinstance(optimizer_map, dict):
            optimizer_map = deserialize_keras_object(optimizer_map)
        if not callable(optimizer_map):
            raise ValueError(f"`optimizer_map` must be an OptimizerMap or a callable. Received: {optimizer_map!r}")
        self.optimizer_map = optimizer_map
        self._parts: list[tuple[Optimizer, list[int]]] = []
        self._parts = [(optimizer, []) for optimizer in self._mapped()]
        self._outer_rate = ScalarState("learning_rate", "", 0.0, torch.float32)
        super().__init__(0.0, loss_scale_factor=loss_scale_factor, name=name)
        self._outer_rate.path = f"{self.name}/learning_rate"

    def _mapped(self) -> list[Optimizer]:
        """The optimizers that are known before any variable is."""
        mapping = self.optimizer_map
        if not isinstance(mapping, OptimizerMap):
            return []
        return list(dict.fromkeys((*mapping.values(), mapping.default_optimizer)))

    def _inside(self) -> list[Optimizer]:
        return [optimizer for optimizer, _ in self._parts]

    @property
    def optimizers(self) -> list[Optimizer]:
        """The optimizers: in the order of the map and the default last; of a callable, in the order in which variables got them."""
        return self._inside()

    @property
    def learning_rate(self) -> Any:
        raise AttributeError("MultiOptimizer has no `learning_rate`: each of its `optimizers` has one.")

    @learning_rate.setter
    def learning_rate(self, value: RateLike) -> None:
        if "built" in self.__dict__:
            raise AttributeError("MultiOptimizer has no `learning_rate`. Set that of each of its `optimizers`.")

    @property
    def variables(self) -> list[Any]:
        return [self._iterations, self._outer_rate, *(v for optimizer in self._inside() for v in optimizer.variables)]

    def build(self, variables: Iterable[Any]) -> None:
        variables = list(variables)
        chosen: list[tuple[Optimizer, list[Any], list[int]]] = [(optimizer, [], []) for optimizer in self._mapped()]
        start = 0
        for variable in variables:
            optimizer = self.optimizer_map(variable)
            if not isinstance(optimizer, Optimizer):
                raise ValueError(f"`optimizer_map` must give an optimizer for '{variable_path(variable)}'. Received: {optimizer!r}")
            entry = next((c for c in chosen if c[0] is optimizer), None)
            if entry is None:
                entry = (optimizer, [], [])
                chosen.append(entry)
            count = len(stored(variable))
            entry[1].append(variable)
            entry[2].extend(range(start, start + count))
            start += count
        for optimizer, own, _ in chosen:
            if own:
                optimizer.build(own)
        self._parts = [(optimizer, index) for optimizer, _, index in chosen]
        self._join(variables)

    def _tk_apply(self, grads: Sequence[Tensor | None], weight: float | None) -> None:
        if self.loss_scale_factor:
            factor = 1.0 / self.loss_scale_factor
            grads = [None if g is None else g * factor for g in grads]
        for optimizer, index in self._parts:
            if index:
                optimizer._tk_apply([grads[i] for i in index], weight)
        with torch.no_grad():
            self._tk_bump(1)

    def flush(self) -> None:
        """Apply what accumulation windows that are not full have gathered."""
        super().flush()
        if any(optimizer.gradient_accumulation_steps for optimizer in self._inside()):
            self._iterations.write(max(optimizer._iterations.read() for optimizer in self._inside()))

    def get_config(self) -> dict[str, Any]:
        return {
            "optimizer_map": serialize_keras_object(self.optimizer_map),
            "loss_scale_factor": self.loss_scale_factor,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> MultiOptimizer:
        return cls(**{**config, "optimizer_map": deserialize_keras_object(config["optimizer_map"], custom_objects)})
