"""The base of all optimizers: a `torch.optim.Optimizer` with Keras's interface, built when its variables are known."""

from __future__ import annotations

import inspect
import math
import re
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from .. import dtypes
from ..configurable import Configurable, deserialize_keras_object, is_builtin, serialize_keras_object
from ..distribution import shard
from ..reporting import warn
from ..typing import RateLike
from ..variable import Variable
from .arguments import auto_name, check_arguments, check_ranges, check_scheduler, initial_value, legacy_arguments, wants_optimizer
from .schedules import LearningRateSchedule
from .state import LearningRate, ScalarState, SlotView, TensorView, stored, to_torch, value_of, variable_path
from .update import Batch, Slot, Updater, warn_missing

_BASE_ARGUMENTS = (
    "name", "learning_rate", "weight_decay", "clipnorm", "global_clipnorm", "clipvalue", "use_ema", "ema_momentum",
    "ema_overwrite_frequency", "loss_scale_factor", "gradient_accumulation_steps",
)  # fmt: skip


_HOOKS = tuple(f"_optimizer_{kind}_hooks" for kind in (
    "step_pre", "step_post", "state_dict_pre", "state_dict_post", "load_state_dict_pre", "load_state_dict_post",
))  # fmt: skip


class Optimizer(Configurable, Updater, torch.optim.Optimizer):
    """What every optimizer takes and does. A rule of one's own defines `build` and `update_step`, as in Keras.

    A torch optimizer from `build` on: `param_groups`, `state_dict`, `zero_grad`, `step`, torch's schedulers and `GradScaler`.

    Args:
        learning_rate: A number; a `LearningRateSchedule`; a callable without arguments; or a torch scheduler: the object, or a callable
            that makes it from this optimizer (`functools.partial(StepLR, step_size=100)`), stepped after each update.
        weight_decay: The part of each weight, times the learning rate, that every update takes away.
        clipnorm: The longest norm that the gradient of one variable may have.
        clipvalue: The largest size that an element of a gradient may have.
        global_clipnorm: The longest norm that all gradients together may have.
        use_ema: Whether an exponential moving average of the weights is kept.
        ema_momentum: The momentum of that average, from 0 to 1.
        ema_overwrite_frequency: After how many updates the average replaces the weights; at the end of training when `None`.
        loss_scale_factor: What `scale_loss` multiplies a loss by, and gradients are divided by.
        gradient_accumulation_steps: How many steps make one update with their mean gradient. `iterations` counts updates, schedules see
            steps. A last window that is not full is applied by `flush()`.
        name: A name; made from the class's without one.
        **kwargs: `lr` and `decay`, the spellings of Keras 1 and 2.

    Raises:
        ValueError: If there is an unknown argument, two kinds of clipping, numbers out of range.

    >>> isinstance(keras.optimizers.SGD(), keras.Optimizer)
    True
    """

    _keras_module = "keras.optimizers"
    _tk_ranges: ClassVar[dict[str, dict[str, Any]]] = {}
    built = False

    def __init__(
        self,
        learning_rate: RateLike,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        learning_rate = legacy_arguments(type(self), learning_rate, kwargs)
        if is_builtin(type(self)):
            check_ranges(type(self), *self._tk_init_args)
        check_arguments(clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency, gradient_accumulation_steps)
        self.name = name or auto_name(type(self))
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.use_ema = use_ema
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.state: defaultdict[Tensor, dict[str, Tensor]] = defaultdict(dict)
        for hooks in _HOOKS:
            setattr(self, hooks, OrderedDict())
        self._tk_group: dict[str, Any] = {"lr": 0.001}
        self._tk_groups: list[dict[str, Any]] = []
        self._tk_group_of: list[int] = []  # of each parameter
        self._tk_own_rate: set[int] = set()  # groups that were added with a rate of their own
        self._tk_state_to_load: dict[str, Any] | None = None
        self._tk_schedule: Callable | None = None
        self._tk_scheduler: LRScheduler | None = None
        self._tk_make_scheduler: Callable | None = None
        self._iterations = ScalarState("iteration", f"{self.name}/iteration", 0, torch.int32)
        self._learning_rate = LearningRate(f"{self.name}/learning_rate", self._tk_group)
        self._tk_scalars: dict[str, ScalarState] = {"iterations": self._iterations}
        self._tk_capturable = False
        self._tk_params: list[Tensor] = []
        self._trainable_variables: list[Any] = []
        self._keras_variables: list[Any] = []
        self._tk_positions: dict[int, list[int]] = {}
        self._tk_excluded: set[int] = set()
        self._tk_excluded_names: re.Pattern | None = None
        self._tk_pending_weight: Tensor | None = None
        self.learning_rate = learning_rate

    # -- learning rate --------------------------------------------------------------------------------------------------------------

    @property
    def learning_rate(self) -> Any:
        """The rate of the next update: a variable (`float()`, `assign`) or, where a schedule or a callable gives it, a tensor."""
        if self._tk_schedule is None:
            return self._learning_rate
        return torch.as_tensor(self._tk_current_lr(), dtype=torch.float32)

    @learning_rate.setter
    def learning_rate(self, value: RateLike) -> None:
        if isinstance(value, dict):
            value = deserialize_keras_object(value)
        if isinstance(value, LRScheduler):
            check_scheduler(value)
            if value.optimizer is not self:
                raise ValueError(f"`learning_rate` must be a scheduler of this optimizer. Received: one of {value.optimizer}")
            self._tk_scheduler, self._tk_schedule = value, None
        elif callable(value) and not isinstance(value, (Tensor, Variable)):
            if not isinstance(value, LearningRateSchedule) and wants_optimizer(value):
                self._tk_make_scheduler, self._tk_schedule = value, None
                if self.built:
                    self._tk_start_scheduler()
            else:
                self._tk_schedule, self._tk_scheduler, self._tk_make_scheduler = value, None, None
        else:
            if isinstance(self._tk_schedule, LearningRateSchedule):
                raise TypeError(
                    "`learning_rate` cannot be set to a number: this optimizer follows a schedule. Set another schedule, or make the "
                    f"optimizer with a number. Received: {value!r} while following {type(self._tk_schedule).__name__}"
                )
            try:
                number = float(value)  # type: ignore[arg-type]
            except (TypeError, ValueError):
                raise ValueError(
                    "`learning_rate` must be a number, a LearningRateSchedule, a callable or a torch scheduler. "
                    f"Received: {value!r} of type {type(value).__name__}"
                ) from None
            if not math.isfinite(number):
                raise ValueError(f"`learning_rate` must be a finite number. Received: learning_rate={number}")
            if number < 0:
                warn(f"`learning_rate` is negative: the loss grows. Received: learning_rate={number}")
            self._tk_schedule = None
            self._learning_rate.write(number)

    @property
    def lr(self) -> Any:
        """Keras 1's spelling of `learning_rate`."""
        return self.learning_rate

    @lr.setter
    def lr(self, value: RateLike) -> None:
        self.learning_rate = value

    def _tk_current_lr(self) -> float | Tensor:
        """The rate of the next update: a number on the host, a tensor in a captured step."""
        schedule = self._tk_schedule
        if schedule is None:
            return self._learning_rate.number
        count = self._iterations
        if not isinstance(schedule, LearningRateSchedule):
            return self._learning_rate.number if self._tk_capturable and self.built else float(schedule())
        if count.tensor is not None:
            return torch.as_tensor(schedule(count.tensor), dtype=torch.float32, device=count.tensor.device)
        # Schedules of this library work on Python numbers; a user's own was written for tensors.
        lr = float(schedule(count.number if is_builtin(type(schedule)) else count.value))
        self._tk_group["lr"] = lr
        return lr

    def _tk_start_scheduler(self) -> None:
        assert self._tk_make_scheduler is not None
        self._tk_scheduler = self._tk_make_scheduler(self)
        check_scheduler(self._tk_scheduler)

    # -- building -------------------------------------------------------------------------------------------------------------------

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """torch's parameter groups; one, with the key `"lr"`."""
        if "defaults" not in self.__dict__:  # torch.optim.Optimizer.__init__ runs in `build`
            raise ValueError(
                f"This {type(self).__name__} has no parameters yet. Call `optimizer.build(model.trainable_variables)` "
                "(or `build(module.parameters())`) before using it as a torch optimizer."
            )
        return self._tk_groups

    @param_groups.setter
    def param_groups(self, value: list[dict[str, Any]]) -> None:
        self._tk_groups = value

    @property
    def parameters(self) -> list[Tensor]:
        """The torch tensors that the optimizer updates; the gradients of `apply_stored` stand in this order."""
        return self._tk_params

    def build(self, variables: Iterable[Any]) -> None:
        """Make the state for these variables.

        Args:
            variables: Keras variables, or torch parameters (`module.parameters()`).

        Raises:
            ValueError: If there is no variable, or one stands twice.
        """
        variables = list(variables)
        if variables and isinstance(variables[0], dict):
            self.built = False
            self.build(variables[0]["params"])
            self._tk_groups[0].update({k: v for k, v in variables[0].items() if k != "params"})
            for group in variables[1:]:
                self.add_param_group(group)
            return
        if not variables:
            raise ValueError("`variables` must hold at least one variable. Received: none. Is every layer frozen?")
        params = [p for v in variables for p in stored(v)]
        if len({id(p) for p in params}) != len(params):
            raise ValueError("`variables` must hold each variable once. Received: one of them twice.")
        self.built, self._tk_groups, self._tk_own_rate = False, [], set()
        self._tk_group.pop("params", None)
        self._tk_become_torch([{**self._tk_group, "params": params}])
        self._tk_group = self._tk_groups[0]
        self._learning_rate.group = self._tk_group
        self._tk_params, self._trainable_variables, self._keras_variables = params, variables, []
        self._opt_called = True  # schedulers look at it; steps do not always pass through `step`
        self._tk_locate()
        self._tk_make_state()
        self.built = True
        self._tk_finish_build()
        if self._tk_state_to_load is not None:
            state, self._tk_state_to_load = self._tk_state_to_load, None
            self.load_state_dict(state)

    def _tk_make_state(self) -> None:
        """Averages, accumulators and slots of `_trainable_variables`."""
        if self.use_ema:
            self.add_optimizer_variables(self._trainable_variables, "average")
        if self.gradient_accumulation_steps:
            self.add_optimizer_variables(self._trainable_variables, "gradient_accumulator")
            if self._tk_pending_weight is None:
                self._tk_pending_weight = torch.zeros((), device=self._tk_params[0].device)
        self._tk_make_slots()

    def prepare(self, variables: Iterable[Any]) -> None:
        """Be ready to update these variables: builds on the first call.

        Args:
            variables: The trainable variables of a model; none, where all are frozen.

        Raises:
            ValueError: If a variable is among them that the optimizer was not built with.
        """
        variables = list(variables)
        if not self.built:
            if variables:
                self.build(variables)
            return
        self._tk_rebind(variables)
        for variable in variables:
            if id(stored(variable)[0]) not in self._tk_positions:
                raise ValueError(_unknown(variable))

    def _tk_rebind(self, variables: Iterable[Any]) -> None:
        """Follow variables whose tensors were exchanged (`load_state_dict(assign=True)`): their state, group and place stay."""
        by_path = {v.path: v for v in variables if isinstance(v, Variable)}
        known = set(self._tk_positions)
        present = [
            v if not isinstance(v, Variable) or id(stored(v)[0]) in known and v.path not in by_path else by_path.get(v.path, v)
            for v in self._trainable_variables
        ]
        params = [p for v in present for p in stored(v)]
        if len(params) == len(self._tk_params) and all(a is b for a, b in zip(params, self._tk_params)):
            return
        replaced = {}
        for old, new in zip(self._tk_params, params):
            if old is not new:
                if old.shape != new.shape:
                    raise ValueError(
                        f"The optimizer '{self.name}' was built with a parameter of shape {tuple(old.shape)}, whose place is taken by one "
                        f"of shape {tuple(new.shape)}. Compile the model again."
                    )
                replaced[id(old)] = new
                slots = self.state.pop(old, {})
                self.state[new] = {k: v.to(new.device) if v.shape == new.shape else v for k, v in slots.items()}
        for group in self._tk_groups:
            group["params"] = [replaced.get(id(p), p) for p in group["params"]]
        self._tk_excluded = {id(replaced[i]) if i in replaced else i for i in self._tk_excluded}
        for view in self._keras_variables:
            if isinstance(view, SlotView):
                view.variable = next((new for old, new in zip(self._trainable_variables, present) if view.variable is old), view.variable)
        self._tk_params, self._trainable_variables = params, present
        self._tk_locate()
        self._tk_finish_build()

    def settings(self) -> str:
        """The options that a captured step holds for good."""
        names = [n for n in (*_BASE_ARGUMENTS, *self._tk_own_arguments()) if n != "learning_rate"]
        groups = [(g["lr"], g.get("weight_decay")) for g in self._tk_groups[1:]] + [g.get("weight_decay") for g in self._tk_groups[:1]]
        return repr([(n, getattr(self, n, None)) for n in names] + [id(self._tk_schedule), groups])

    def _tk_become_torch(self, groups: list[dict[str, Any]]) -> None:
        """Run torch's constructor, keeping the hooks that were registered before."""
        hooks = {name: getattr(self, name) for name in _HOOKS}
        torch.optim.Optimizer.__init__(self, groups, {"lr": groups[0]["lr"]})
        self.__dict__.update(hooks)

    def _tk_make_slots(self) -> None:
        for group in self._tk_slots():
            for variable in self._trainable_variables:
                for slot in group:
                    self._tk_add_slot(variable, slot)

    def _tk_slots(self) -> Sequence[Sequence[Slot]]:
        """The slots of the rule, as Keras orders them: group after group, within a group variable after variable."""
        return ()

    def _tk_add_slot(self, variable: Any, slot: Slot) -> SlotView:
        for p in stored(variable):
            initial = slot.initial + slot.offset
            self.state[p][slot.key] = torch.full_like(p, initial, requires_grad=False, memory_format=torch.preserve_format)
        view = SlotView(self, variable, slot.key, slot.name, slot.offset)
        self._keras_variables.append(view)
        return view

    def _tk_locate(self) -> None:
        """Where the parameters of each variable stand in `parameters`."""
        self._tk_positions, start = {}, 0
        for variable in self._trainable_variables:
            parts = stored(variable)
            self._tk_positions[id(parts[0])] = list(range(start, start + len(parts)))
            start += len(parts)
        place = {id(p): n for n, group in enumerate(self._tk_groups) for p in group["params"]}
        self._tk_group_of = [place.get(id(p), 0) for p in self._tk_params]

    def _tk_finish_build(self) -> None:
        """Make the lists that a step goes through; again whenever what they hold was exchanged."""
        decays = [self._use_weight_decay(v) for v in self._trainable_variables for _ in stored(v)]
        self._tk_decays = decays
        # A user's rule, or a user's `update_step` on top of one of ours, goes variable by variable.
        owner = next(c for c in type(self).__mro__ if "update_step" in vars(c) or "_tk_update" in vars(c))
        self._tk_by_variable = not is_builtin(owner) or "_tk_update" not in vars(owner) or owner is Updater
        self._tk_overwritten = [
            self._tk_positions[id(stored(v)[0])] for v in self._trainable_variables if getattr(v, "overwrite_with_gradient", False)
        ]
        self._tk_constrained = [v for v in self._trainable_variables if getattr(v, "constraint", None) is not None]
        self._tk_plans: dict[tuple[int, ...], list[Batch]] = {}
        self._tk_plan = self._tk_make_plan(range(len(self._tk_params)))
        self._tk_dense = all(batch.dense for batch in self._tk_plan)
        self._tk_place_scalars()
        self._tk_simple = (
            not self._tk_capturable and not self.use_ema and not self.gradient_accumulation_steps and not self._tk_overwritten
            and not self._tk_constrained and not self._tk_by_variable
        )  # fmt: skip
        if self._tk_make_scheduler is not None and self._tk_scheduler is None:
            self._tk_start_scheduler()

    def _tk_place_scalars(self) -> None:
        for scalar in (*self._tk_scalars.values(), self._learning_rate):
            if self._tk_capturable:
                scalar.on_device(self._tk_params[0].device)
            else:
                scalar.on_host()

    # -- variables ------------------------------------------------------------------------------------------------------------------

    @property
    def iterations(self) -> Any:
        """How many updates were made, a variable. With gradient accumulation, of whole windows."""
        if not self.gradient_accumulation_steps:
            return self._iterations
        return self._iterations.value // self.gradient_accumulation_steps

    @iterations.setter
    def iterations(self, value: Any) -> None:
        self._iterations.assign(value)

    @property
    def variables(self) -> list[Any]:
        """The optimizer's state as Keras variables, in Keras's order: iterations, learning rate unless scheduled, slots."""
        own = [self._iterations] if self._tk_schedule is not None else [self._iterations, self._learning_rate]
        return own + self._keras_variables

    def add_variable(
        self, shape: Sequence[int], initializer: Any = "zeros", dtype: Any = None, aggregation: str = "none", layout: Any = None,
        name: str | None = None,
    ) -> TensorView:  # fmt: skip
        """A state variable of any shape.

        Args:
            shape: Its shape.
            initializer: How it starts: a name, an initializer, a callable `(shape, dtype)`.
            dtype: Its type, `floatx()` without one.
            aggregation: How replicas would be joined; one process has one copy, so every value means the same here.
            layout: A placement of the variable, kept on it as `placement`.
            name: Its name.
        """
        first = self._tk_params[0]
        key = name or f"variable_{len(self._keras_variables)}"
        self.state[first][key] = initial_value(initializer, tuple(shape), dtypes.to_torch_dtype(dtype), first.device)
        view = TensorView(key, f"{self.name}/{key}", self.state[first], key)
        view.aggregation, view.placement = aggregation, layout
        self._keras_variables.append(view)
        return view

    def add_variable_from_reference(self, reference_variable: Any, name: str | None = None, initializer: Any = "zeros") -> SlotView:
        """A state variable of the shape, type and layout of a model's variable.

        Args:
            reference_variable: The model's variable.
            name: What the state is called (`"momentum"`).
            initializer: How it starts: a name, an initializer, a callable `(shape, dtype)`.
        """
        view = self._tk_add_slot(reference_variable, Slot(name or "var", name or "var"))
        if initializer != "zeros":
            shape, first = tuple(reference_variable.shape), stored(reference_variable)[0]
            view.assign(initial_value(initializer, shape, first.dtype, first.device))
        return view

    def add_optimizer_variables(self, trainable_variables: Sequence[Any], name: str | Sequence[str], initializer: Any = "zeros") -> Any:
        """A state variable for each model variable; for several names, a tuple of such lists."""
        names = [name] if isinstance(name, str) else list(name)
        initializers = list(initializer) if isinstance(initializer, (list, tuple)) else [initializer] * len(names)
        if len(initializers) != len(names):
            raise ValueError(f"`initializer` must be one, or one for each name. Received: {len(initializers)} for {len(names)} names")
        made: tuple[list[Any], ...] = tuple([] for _ in names)
        for variable in trainable_variables:
            for found, n, init in zip(made, names, initializers):
                overwritten = getattr(variable, "overwrite_with_gradient", False)
                found.append(None if overwritten else self.add_variable_from_reference(variable, n, init))
        return made[0] if isinstance(name, str) else made

    def assign(self, variable: Any, value: Any) -> None:
        """Overwrite a variable or a tensor in place."""
        if isinstance(variable, Variable):
            variable.assign(value)
        else:
            with torch.no_grad():
                variable.copy_(torch.as_tensor(value))

    def assign_add(self, variable: Any, value: Any) -> None:
        """Add to a variable or a tensor in place."""
        self.assign(variable, value_of(variable) + value_of(value))

    def assign_sub(self, variable: Any, value: Any) -> None:
        """Subtract from a variable or a tensor in place."""
        self.assign(variable, value_of(variable) - value_of(value))

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Overwrite `variables` with arrays in the same order."""
        variables = self.variables
        if not self.built or len(weights) != len(variables):
            raise ValueError(
                f"`weights` must hold one array for each of the optimizer's {len(variables)} variables. Received: {len(weights)}. "
                "Build the optimizer first, on the same variables."
            )
        for variable, weight in zip(variables, weights):
            variable.assign(weight)

    def saved_children(self) -> Iterable[tuple[str, Any]]:
        """Name and object of what files hold inside the optimizer: nothing, but for optimizers around another one."""
        return ()

    def save_own_variables(self, store: Any) -> None:
        """Write `variables` into `store` under `"0"`, `"1"`, …, as Keras does."""
        for i, variable in enumerate(self.variables):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Read what `save_own_variables` wrote; a warning, and no change, when the counts differ."""
        variables = self.variables
        if len(store.keys()) != len(variables):
            warn(f"The optimizer '{self.name}' has {len(variables)} variables, the file {len(store.keys())}: its state is not loaded.")
            return
        for i, variable in enumerate(variables):
            variable.assign(np.asarray(store[str(i)]))

    def _tk_derive_scalars(self) -> None:
        """Recover, from the step count, state that a file had no place for."""

    # -- weight decay ---------------------------------------------------------------------------------------------------------------

    def exclude_from_weight_decay(self, var_list: Iterable[Any] | None = None, var_names: Iterable[str] | None = None) -> None:
        """Leave variables out of weight decay; before `build`.

        Args:
            var_list: The variables.
            var_names: Regular expressions; a variable whose name has a match is left out.
        """
        if self.built:
            raise ValueError("`exclude_from_weight_decay()` must be called before the optimizer is built.")
        self._tk_excluded = {id(stored(v)[0]) for v in var_list or ()}
        self._tk_excluded_names = re.compile("|".join(var_names)) if var_names else None

    def _use_weight_decay(self, variable: Any) -> bool:
        if id(stored(variable)[0]) in self._tk_excluded:
            return False
        name = getattr(variable, "name", None) or ""
        return self._tk_excluded_names is None or self._tk_excluded_names.search(name) is None

    # -- updating -------------------------------------------------------------------------------------------------------------------

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Any]]) -> Any:
        """Update variables by `(gradient, variable)` pairs; returns the number of updates so far."""
        grads, variables = zip(*grads_and_vars)
        self.apply(list(grads), list(variables))
        return self.iterations

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Update variables by gradients in Keras layout.

        Args:
            grads: A gradient, or `None`, for each variable.
            trainable_variables: The variables, all or some of those that the optimizer was built with; on the first call, what it
                is built with. All of them without it.

        Raises:
            ValueError: If counts differ, a variable is unknown, or there is no gradient at all.
        """
        grads = list(grads)
        if trainable_variables is None:
            if not self.built:
                raise ValueError("`trainable_variables` is needed in the first call of `apply`, or call `build(variables)` first.")
            variables = self._trainable_variables
        else:
            variables = list(trainable_variables)
            if len(grads) == len(variables) and not self.built:
                self.build(variables)
        if len(grads) != len(variables):
            raise ValueError(
                f"`grads` must hold one gradient for each variable. Received: {len(grads)} gradients for {len(variables)} variables"
            )
        flat: list[Tensor | None] = [None] * len(self._tk_params)
        missing = []
        for grad, variable in zip(grads, variables):
            positions = self._tk_positions.get(id(stored(variable)[0]))
            if positions is None:
                raise ValueError(_unknown(variable))
            if grad is None:
                missing.append(variable_path(variable))
                continue
            first = self._tk_params[positions[0]]
            grad = torch.as_tensor(value_of(grad), dtype=first.dtype, device=first.device)
            if grad.shape != variable.shape:
                raise ValueError(
                    f"`grads` must have the shapes of the variables. Received: for the gradient of '{variable_path(variable)}', "
                    f"a variable of shape {tuple(variable.shape)}, shape {tuple(grad.shape)}"
                )
            for i, part in zip(positions, to_torch(variable, grad)):
                flat[i] = part
        if len(missing) == len(variables):
            raise ValueError("No gradients provided for any variable. Does the loss depend on the weights?")
        if missing:
            warn_missing(missing)
        self._tk_apply(shard.current().for_update(flat), None)

    def stateless_apply(
        self, optimizer_variables: Sequence[Tensor], grads: Sequence[Any], trainable_variables: Sequence[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """What `apply` would make of these values; the optimizer and the model stay as they are.

        Args:
            optimizer_variables: Values for `variables`.
            grads: The gradients, in Keras layout.
            trainable_variables: Values for the variables that the optimizer was built with.

        Returns:
            The new trainable values and the new optimizer values.
        """
        if not self.built:
            raise ValueError("`stateless_apply` needs a built optimizer. Call `build(variables)` first.")
        own, weights = self.variables, self._trainable_variables
        lists = (("optimizer_variables", optimizer_variables, own), ("trainable_variables", trainable_variables, weights))
        for name, given, wanted in lists:
            if len(given) != len(wanted):
                raise ValueError(f"`{name}` must hold one value for each of {len(wanted)} variables. Received: {len(given)}")
        handles = [*weights, *own]
        before = [value_of(v).detach().clone() for v in handles]
        try:
            for variable, value in zip(handles, [*trainable_variables, *optimizer_variables]):
                self.assign(variable, value_of(value).detach() if isinstance(value, (Tensor, Variable)) else value)
            self.apply(grads)
            after = [value_of(v).detach().clone() for v in handles]
        finally:
            for variable, value in zip(handles, before):
                self.assign(variable, value)
        return after[: len(weights)], after[len(weights) :]

    # -- torch's side ---------------------------------------------------------------------------------------------------------------

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Update more parameters from now on, after `build`.

        Args:
            param_group: `"params"`, a variable or parameter or several of them; `"lr"` and `"weight_decay"`, where they are to have
                others than the first group.

        Raises:
            ValueError: If it has an option that only the optimizer as a whole has, or the optimizer is one of several optimizers.
        """
        if not self.built:  # from torch's constructor
            add = torch.optim.Optimizer.add_param_group
            if not torch.compiler.is_compiling():  # outside a compiled program nothing needs torch's decorator, which imports the compiler
                add = getattr(add, "__wrapped__", add)
            add(self, param_group)
            return
        whole = sorted(({*_BASE_ARGUMENTS, *self._tk_own_arguments()} - {"weight_decay", "learning_rate"}) & set(param_group))
        if whole or "learning_rate" in param_group:
            name = whole[0] if whole else "learning_rate"
            cure = "its name is `lr` there" if name == "learning_rate" else "make a `MultiOptimizer` of two"
            raise ValueError(f"`param_group` may have `lr` and `weight_decay` of its own. Received: {name}={param_group[name]!r}; {cure}.")
        given = param_group["params"]
        given = [given] if isinstance(given, (Tensor, Variable)) else list(given)
        params = [p for v in given for p in stored(v)]
        begun = self._iterations.read() // (self.gradient_accumulation_steps or 1)  # their first update is number 1, as in torch
        group = {"lr": float(self._learning_rate.read()), **param_group, "params": params, "begun": begun}
        before = self._tk_params, self._trainable_variables
        super().add_param_group(group)
        try:
            self._tk_params, self._trainable_variables = params, given
            self._tk_make_state()
        finally:
            self._tk_params, self._trainable_variables = [*before[0], *params], [*before[1], *given]
        if "lr" in param_group:
            self._tk_own_rate.add(len(self._tk_groups) - 1)
        self._tk_locate()
        self._tk_finish_build()

    def state_dict(self) -> dict[str, Any]:
        """torch's state dict; the scalars of the state stand in the parameter group."""
        self.param_groups  # noqa: B018  not built: raises
        for name, scalar in self._tk_scalars.items():
            self._tk_group[name] = scalar.read()
        return super().state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Read torch's state dict into the tensors of this optimizer, in place, so that captured steps go on with them.

        Before `build` it is kept, and read as soon as there are tensors.
        """
        if not self.built:
            self._tk_state_to_load = state_dict
            return
        own_state, own_groups = self.state, self.param_groups
        own_lrs = [g["lr"] for g in own_groups]
        try:
            super().load_state_dict(state_dict)
            new_state, new_groups = self.state, self._tk_groups
        finally:
            self.state, self._tk_groups = own_state, own_groups
        with torch.no_grad():
            for p, slots in new_state.items():
                for key, value in slots.items():
                    if key in own_state[p] and isinstance(value, Tensor):
                        own_state[p][key].copy_(value)
        for own, new, lr in zip(own_groups, new_groups, own_lrs):
            own.update({k: v for k, v in new.items() if k != "params"})
            if isinstance(lr, Tensor):
                own["lr"] = lr.fill_(float(new["lr"]))
            elif isinstance(own["lr"], Tensor):
                own["lr"] = float(own["lr"])
        self._tk_restore_scalars()

    def _tk_restore_scalars(self) -> None:
        for name, scalar in self._tk_scalars.items():
            if name in self._tk_group:
                scalar.write(self._tk_group[name])

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        state.pop("step", None)  # a scheduler's wrapper around the method
        state.update({hooks: OrderedDict() for hooks in _HOOKS})
        state["_tk_plans"], state["_tk_plan"] = {}, []
        state["_tk_excluded"] = {i for i, v in enumerate(self._trainable_variables) if id(stored(v)[0]) in self._tk_excluded}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "param_groups" in state:  # torch's `load_state_dict` passes only these two
            self.state, self._tk_groups = state["state"], state["param_groups"]
            return
        self.__dict__.update(state)
        if self.built:
            self._patch_step_function()
            self._tk_excluded = {id(stored(self._trainable_variables[i])[0]) for i in self._tk_excluded}
            # A pickled dict keyed by parameters comes back with all keys, but maybe before they were whole.
            self.state = defaultdict(dict, dict(self.state))
            self._tk_locate()
            self._tk_finish_build()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"

    # -- configuration --------------------------------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as plain data."""
        values = {name: getattr(self, name) for name in _BASE_ARGUMENTS if name != "learning_rate"}
        if self._tk_schedule is not None:
            rate: Any = serialize_keras_object(self._tk_schedule)
        else:
            rate = float(np.float32(self._learning_rate.read()))  # Keras keeps the rate in float32
        own = {name: getattr(self, name) for name in self._tk_own_arguments()}
        return {"name": values.pop("name"), "learning_rate": rate, **values, **own}

    @classmethod
    def _tk_own_arguments(cls) -> list[str]:
        """The arguments that a rule of this library has besides the base's."""
        owner = next(c for c in cls.__mro__ if is_builtin(c) and "__init__" in vars(c))
        known = (*_BASE_ARGUMENTS, "self")
        return [n for n, p in inspect.signature(owner).parameters.items() if n not in known and p.kind is not p.VAR_KEYWORD]

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Optimizer:
        """The optimizer that `get_config` described, without its state."""
        config = dict(config)
        for name in ("jit_compile", "is_legacy_optimizer"):  # what Keras 2 wrote, and no constructor takes
            config.pop(name, None)
        if isinstance(config.get("learning_rate"), dict):
            config["learning_rate"] = deserialize_keras_object(config["learning_rate"], custom_objects)
        return cls(**config)

    def _get_variable_index(self, variable: Any) -> int:
        """The place of a variable among those that the optimizer was built with (rules written for Keras ask for it)."""
        first = stored(variable)[0]
        return next(i for i, v in enumerate(self._trainable_variables) if stored(v)[0] is first)


def _unknown(variable: Any) -> str:
    return (
        f"`trainable_variables` holds '{variable_path(variable)}', which this optimizer was not built with. Build a new "
        "optimizer for the changed set of variables (compile the model again)."
    )
