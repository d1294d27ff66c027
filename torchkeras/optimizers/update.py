"""One update, from gradients to new weights: accumulation, clipping, decay, the rule, averages, constraints; eager or captured."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.optim.optimizer as _torch
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from ..reporting import warn
from . import kernels
from .schedules import LearningRateSchedule
from .state import LearningRate, ScalarState, stored, to_keras, to_torch, variable_path

_CACHED = 1 << 17  # elements of a batch on a CPU: its parameters, gradients, slots and temporaries stay in the second-level cache


@dataclass(frozen=True)
class Slot:
    """A tensor that a rule keeps for each parameter.

    Args:
        key: Its key in `state[parameter]`, torch's name for it where torch has the rule.
        name: Keras's name for it.
        initial: Its first value as Keras has it.
        offset: What the stored tensor carries on top of that.
    """

    key: str
    name: str
    initial: float = 0.0
    offset: float = 0.0


@dataclass
class Batch:
    """Parameters of one device and type that one kernel call updates, and lists aligned with them, made once.

    Args:
        index: Their positions among all parameters of the optimizer.
        params: The parameters.
        slots: Key to the slot tensors.
        decayed: Those of the parameters that weight decay applies to.
        variables: Each variable with the positions, in this batch, of the parameters that store it.
        dense: Whether all parameters are contiguous, as the fused kernels need.
        group: The parameter group that they belong to, whose `"lr"` and `"weight_decay"` are theirs.
    """

    index: list[int]
    params: list[Tensor]
    slots: dict[str, list[Tensor]]
    decayed: list[Tensor]
    variables: list[tuple[Any, list[int]]]
    dense: bool
    group: dict[str, Any]
    cache: dict[str, Any] = field(default_factory=dict)

    @property
    def groups(self) -> list[list[int]] | None:
        """The positions that make a variable each; `None` where every variable is one parameter."""
        return None if len(self.variables) == len(self.params) else [positions for _, positions in self.variables]


class Updater:
    """The part of an optimizer that works on what `build` made."""

    built: bool
    state: defaultdict[Tensor, dict[str, Tensor]]
    param_groups: list[dict[str, Any]]
    weight_decay: float | None
    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    loss_scale_factor: float | None
    gradient_accumulation_steps: int | None
    _tk_group: dict[str, Any]
    _tk_groups: list[dict[str, Any]]
    _tk_group_of: list[int]
    _tk_own_rate: set[int]
    _tk_schedule: Callable | None
    _tk_scheduler: LRScheduler | None
    _iterations: ScalarState
    _learning_rate: LearningRate
    _tk_scalars: dict[str, ScalarState]
    _tk_capturable: bool
    _tk_simple: bool
    _tk_mixed = False  # whether some parameters are sharded over processes and some are not
    _tk_dense: bool
    _tk_by_variable: bool
    _tk_params: list[Tensor]
    _trainable_variables: list[Any]
    _tk_constrained: list[Any]
    _tk_overwritten: list[list[int]]
    _tk_positions: dict[int, list[int]]
    _tk_decays: list[bool]
    _tk_plan: list[Batch]
    _tk_plans: dict[tuple[int, ...], list[Batch]]
    _tk_pending_weight: Tensor | None
    _optimizer_step_pre_hooks: dict[int, Any]
    _optimizer_step_post_hooks: dict[int, Any]

    def _tk_current_lr(self) -> Any:
        raise NotImplementedError

    def _tk_finish_build(self) -> None:
        raise NotImplementedError

    # -- plans: which parameters a kernel call takes -------------------------------------------------------------------------------

    def _tk_make_plan(self, index: Sequence[int]) -> list[Batch]:
        """The batches that update the parameters at these positions."""
        skipped = {i for positions in self._tk_overwritten for i in positions}
        kinds: dict[Any, list[int]] = {}
        self._tk_mixed = len({hasattr(p, "full_tensor") for p in self._tk_params}) > 1
        for i in index:
            if i not in skipped:
                p = self._tk_params[i]
                kinds.setdefault((self._tk_group_of[i], p.device, p.dtype, hasattr(p, "full_tensor")), []).append(i)
        return [self._tk_make_batch(part) for positions in kinds.values() for part in self._tk_split(positions)]

    def _tk_fused_kernel(self) -> bool:
        """Whether one kernel makes the whole update."""
        return False

    def _tk_split(self, index: list[int]) -> list[list[int]]:
        """On a CPU, parts that stay in the cache between the passes of a rule; variables are not torn apart."""
        if self._tk_params[index[0]].device.type != "cpu" or self._tk_fused_kernel() or self._tk_capturable:
            return [index]
        parts: list[list[int]] = []
        size, wanted = _CACHED, set(index)
        for variable in self._trainable_variables:
            positions = [i for i in self._tk_positions[id(stored(variable)[0])] if i in wanted]
            if not positions:
                continue
            if size >= _CACHED:
                parts.append([])
                size = 0
            parts[-1] += positions
            size += sum(self._tk_params[i].numel() for i in positions)
        return parts

    def _tk_make_batch(self, index: list[int]) -> Batch:
        params = [self._tk_params[i] for i in index]
        place = {i: n for n, i in enumerate(index)}
        variables = []
        for variable in self._trainable_variables:
            positions = self._tk_positions[id(stored(variable)[0])]
            if positions[0] in place:
                variables.append((variable, [place[i] for i in positions if i in place]))
        keys = [k for k in self.state[params[0]] if all(k in self.state[p] for p in params)] if params else []
        return Batch(
            index=index,
            params=params,
            slots={k: [self.state[p][k] for p in params] for k in keys},
            decayed=[p for i, p in zip(index, params) if self._tk_decays[i]],
            variables=variables,
            dense=all(p.is_contiguous() and p.layout is torch.strided for p in params),
            group=self._tk_groups[self._tk_group_of[index[0]]],
        )

    # -- steps ----------------------------------------------------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update by the parameters' `.grad`, as torch optimizers do; parameters without one stay as they are.

        Args:
            closure: Computes the loss and the gradients; its result is returned.
        """
        if not self.built:
            self.param_groups  # noqa: B018  raises the error that tells the cure
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._tk_apply([p.grad for p in self._tk_params], None)
        return loss

    def apply_stored(self, grads: Sequence[Tensor | None] | None = None, weight: float | None = None) -> None:
        """Update by gradients laid out as the parameters are: what a training loop calls.

        Args:
            grads: A gradient or `None` for each of `parameters`; their `.grad` without it.
            weight: How much this step's gradient counts in its accumulation window (the number of samples), so that windows of
                uneven batches equal the large batch. All the same without it.

        Raises:
            ValueError: Another number of gradients, or none that is not `None`.
        """
        if grads is None:
            if self._tk_has_step_hooks():
                self._tk_hooked(weight)
                return
            grads = [p.grad for p in self._tk_params]
        elif len(grads) != len(self._tk_params):
            raise ValueError(
                f"`grads` must hold one gradient for each parameter. Received: {len(grads)} gradients for {len(self._tk_params)} parameters"
            )
        for i, g in enumerate(grads):
            if g is None:
                self._tk_check_present(grads, i)
                break
        self._tk_apply(grads, weight)

    def _tk_check_present(self, grads: Sequence[Tensor | None], first: int) -> None:
        """Complain about gradients that are missing, but for weights that were frozen since."""
        trained = [g for g, p in zip(grads, self._tk_params) if p.requires_grad]
        if trained and all(g is None for g in trained):
            raise ValueError("No gradients provided for any variable. Does the loss depend on the weights?")
        names = []
        for variable in self._trainable_variables:
            positions = self._tk_positions[id(stored(variable)[0])]
            if any(grads[i] is None and self._tk_params[i].requires_grad for i in positions):
                names.append(variable_path(variable))
        if names:
            warn_missing(names)

    def _tk_has_step_hooks(self) -> bool:
        """Whether torch's step hooks, of this optimizer or of all, are to be called."""
        return bool(
            self._optimizer_step_pre_hooks or self._optimizer_step_post_hooks or _torch._global_optimizer_pre_hooks
            or _torch._global_optimizer_post_hooks
        )  # fmt: skip

    def _tk_hooked(self, weight: float | None) -> None:
        """`apply_stored` as `step` of a torch optimizer: between its hooks."""
        arguments: tuple[Any, dict[str, Any]] = ((self,), {})
        for hook in (*_torch._global_optimizer_pre_hooks.values(), *self._optimizer_step_pre_hooks.values()):
            arguments = hook(self, *arguments) or arguments
        grads = [p.grad for p in self._tk_params]
        if any(g is None for g in grads):
            self._tk_check_present(grads, 0)
        self._tk_apply(grads, weight)
        for hook in (*self._optimizer_step_post_hooks.values(), *_torch._global_optimizer_post_hooks.values()):
            hook(self, *arguments)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of the parameters.

        Args:
            set_to_none: Whether `.grad` becomes `None`; else it is filled with zeros.
        """
        for p in self._tk_params:
            if p.grad is not None:
                if set_to_none:
                    p.grad = None
                else:
                    p.grad = torch.zeros_like(p.grad) if p.grad.grad_fn is not None else p.grad.zero_()

    def _tk_apply(self, grads: Sequence[Tensor | None], weight: float | None) -> None:
        clips = self.clipnorm or self.global_clipnorm or self.clipvalue
        if self._tk_simple and not (clips or self.loss_scale_factor or self._tk_mixed):
            plan = self._tk_plan
            dense = self._tk_dense
            for g in grads:
                if g is None or g.is_sparse or (dense and not g.is_contiguous()):
                    break
            else:
                count = self._iterations
                lr = self._tk_group["lr"] if self._tk_schedule is None else self._tk_current_lr()
                t = count.number + 1
                enabled = torch.is_grad_enabled()
                torch._C._set_grad_enabled(False)
                try:
                    if len(plan) == 1:
                        self._tk_run(plan[0], grads, lr, t)
                    else:
                        for batch in plan:
                            chosen = [grads[i] for i in batch.index]
                            self._tk_run(batch, chosen, self._tk_rate_of(batch, lr), t - batch.group.get("begun", 0))
                finally:
                    torch._C._set_grad_enabled(enabled)
                self._tk_after_update(t)
                count.number = t
                if self._tk_scheduler is not None:
                    self._tk_scheduler.step()
                return
        with torch.no_grad(), kernels.replicated() if self._tk_mixed else contextlib.nullcontext():
            self._tk_apply_in_full(grads, weight)

    def _tk_apply_in_full(self, grads: Sequence[Tensor | None], weight: float | None) -> None:
        """One step with every option, or with some gradients missing; also what a captured step records."""
        index = [i for i, g in enumerate(grads) if g is not None]
        if not index:
            return
        present = [_dense(grads[i]) for i in index]
        if self.loss_scale_factor:
            present = list(torch._foreach_mul(present, 1.0 / self.loss_scale_factor))
        window = self.gradient_accumulation_steps or 1
        if window > 1:
            slots = [self.state[self._tk_params[i]]["gradient_accumulator"] for i in index]
            kernels.add_scaled_(slots, present, 1.0 if weight is None else float(weight))
            assert self._tk_pending_weight is not None
            self._tk_pending_weight.add_(1.0 if weight is None else float(weight))
            if (self._iterations.number + 1) % window:
                self._tk_bump(1)
                return
            present = self._tk_accumulated(slots)
        self._tk_update_by(index, present)
        self._tk_bump(1)
        if self._tk_scheduler is not None and not self._tk_capturable:
            self._tk_scheduler.step()

    def _tk_accumulated(self, slots: list[Tensor]) -> list[Tensor]:
        """The mean gradient of the window; the accumulators start again from zero."""
        assert self._tk_pending_weight is not None
        mean = [s / self._tk_pending_weight.to(device=s.device, dtype=s.dtype) for s in slots]
        torch._foreach_zero_([self.state[p]["gradient_accumulator"] for p in self._tk_params])
        self._tk_pending_weight.zero_()
        return mean

    def _tk_update_by(self, index: list[int], grads: list[Tensor]) -> None:
        """Clip, decay, update, average, constrain."""
        count, window = self._iterations, self.gradient_accumulation_steps or 1
        if self._tk_overwritten:
            chosen = {i for positions in self._tk_overwritten for i in positions}
            for i, g in zip(index, grads):
                if i in chosen:
                    self._tk_params[i].copy_(g)
        if len(index) == len(self._tk_params):
            plan = self._tk_plan
        else:
            plan = self._tk_plans.get(tuple(index)) or self._tk_plans.setdefault(tuple(index), self._tk_make_plan(index))
        lr = self._tk_current_lr()
        if count.tensor is not None:
            t: Any = (torch.div(count.tensor, window, rounding_mode="floor") + 1).to(torch.float32)
        else:
            t = count.number // window + 1
        grads = self._tk_clip(index, grads)
        if self._tk_mixed:  # clipped together they are all distributed
            plain = [not hasattr(self._tk_params[i], "full_tensor") for i in index]
            grads = [kernels.local(g) if own else g for g, own in zip(grads, plain)]
        at = dict(zip(index, grads))
        for batch in plan:
            chosen_grads = [at[i] for i in batch.index]
            if batch.dense:
                chosen_grads = [g.contiguous() for g in chosen_grads]
            self._tk_run(batch, chosen_grads, self._tk_rate_of(batch, lr), t - batch.group.get("begun", 0))
        self._tk_after_update(t)
        if self.use_ema:
            self._tk_average(t)
        for variable in self._tk_constrained:
            variable.assign(variable.constraint(variable.value))

    def _tk_clip(self, index: list[int], grads: list[Tensor]) -> list[Tensor]:
        if self.clipnorm:
            place = {i: n for n, i in enumerate(index)}
            groups = [[place[i] for i in positions if i in place] for positions in self._tk_positions.values() if len(positions) > 1]
            return kernels.clip_by_norm(grads, self.clipnorm, [g for g in groups if g] or None)
        if self.global_clipnorm:
            return kernels.clip_by_global_norm(grads, self.global_clipnorm)
        if self.clipvalue:
            return kernels.clip_by_value(grads, self.clipvalue)
        return grads

    def _tk_bump(self, by: int) -> None:
        if self._iterations.tensor is not None:
            self._iterations.tensor.add_(by)
        else:
            self._iterations.number += by

    def _tk_rate_of(self, batch: Batch, lr: Any) -> Any:
        """The learning rate of a batch's group; a schedule is followed by the groups that were added without a rate."""
        group = batch.group
        if group is self._tk_group or (self._tk_schedule is not None and self._tk_group_of[batch.index[0]] not in self._tk_own_rate):
            return lr
        return group["lr"]

    def _tk_decay_of(self, batch: Batch) -> float:
        """The weight decay of a batch's group."""
        return batch.group.get("weight_decay", self.weight_decay) or 0.0

    def _tk_run(self, batch: Batch, grads: Any, lr: Any, t: Any) -> None:
        decay = self._tk_decay_of(batch)
        if decay and batch.decayed:
            torch._foreach_mul_(batch.decayed, 1.0 - lr * decay)
        if self._tk_by_variable:
            Updater._tk_update(self, batch, grads, lr, t)
        else:
            self._tk_update(batch, grads, lr, t)

    def _tk_after_update(self, t: Any) -> None:
        """What a rule changes once in each update, however many batches it has."""

    def _tk_update(self, batch: Batch, grads: list[Tensor], lr: Any, t: Any) -> None:
        """The rule, on lists of tensors.

        Args:
            batch: The parameters and their slots.
            grads: Their gradients, not to be changed.
            lr: The learning rate, a number; in a captured step a 0-d tensor.
            t: The number of this update, from 1; in a captured step a float32 0-d tensor.
        """
        rate = torch.as_tensor(lr, dtype=torch.float32)
        for variable, positions in batch.variables:
            self.update_step(to_keras(variable, *(grads[i] for i in positions)), variable, rate)

    def update_step(self, gradient: Tensor, variable: Any, learning_rate: Any) -> None:
        """Update one variable. A rule of one's own overrides this.

        Args:
            gradient: Its gradient, in Keras layout.
            variable: The variable.
            learning_rate: The learning rate, a number or a 0-d tensor.
        """
        if type(self)._tk_update is Updater._tk_update:
            raise NotImplementedError(f"{type(self).__name__} must define `update_step(self, gradient, variable, learning_rate)`.")
        batch = self._tk_make_batch(self._tk_positions[id(stored(variable)[0])])
        window = self.gradient_accumulation_steps or 1
        parts = [g.contiguous() for g in to_torch(variable, gradient)]
        with torch.no_grad():
            self._tk_update(batch, parts, learning_rate, self._iterations.read() // window + 1)

    def flush(self) -> None:
        """Apply what an accumulation window that is not full has gathered; `fit` calls this at the end of an epoch.

        The flushed window counts as a whole one. Without a window, or at its boundary, nothing happens.
        """
        window = self.gradient_accumulation_steps
        if not window or not self.built:
            return
        pending = self._iterations.read() % window
        if not pending:
            return
        with torch.no_grad():
            index = list(range(len(self._tk_params)))
            self._tk_update_by(index, self._tk_accumulated([self.state[p]["gradient_accumulator"] for p in self._tk_params]))
            self._iterations.write(self._iterations.read() + window - pending)
            if self._tk_scheduler is not None:
                self._tk_scheduler.step()

    def scale_loss(self, loss: Any) -> Any:
        """The loss times `loss_scale_factor`, to take gradients of."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    def _tk_average(self, t: Any) -> None:
        averages = [self.state[p]["average"] for p in self._tk_params]
        # The first update starts the average from the weights.
        momentum = (t > 1).to(torch.float32) * self.ema_momentum if isinstance(t, Tensor) else (self.ema_momentum if t > 1 else 0.0)
        torch._foreach_mul_(averages, momentum)
        kernels.add_scaled_(averages, self._tk_params, 1.0 - momentum)
        if self.ema_overwrite_frequency:
            window = self.gradient_accumulation_steps or 1
            if (self._iterations.number // window + 1) % self.ema_overwrite_frequency == 0:
                torch._foreach_copy_(self._tk_params, averages)

    def finalize_variable_values(self, var_list: Iterable[Any]) -> None:
        """Give the variables their final values at the end of training: with `use_ema`, the averages."""
        if not self.use_ema:
            return
        with torch.no_grad():
            for variable in var_list:
                if id(stored(variable)[0]) not in self._tk_positions:
                    raise ValueError(f"`var_list` holds '{variable_path(variable)}', which this optimizer was not built with.")
                for p in stored(variable):
                    p.copy_(self.state[p]["average"])

    # -- captured steps -------------------------------------------------------------------------------------------------------------

    @property
    def capturable(self) -> bool:
        """Whether step count and learning rate live in tensors, so that a step can be captured or compiled and replayed.

        Set it before capturing. Between replays call `advance()`; a new learning rate is written into its tensor. Setting it to
        `False` brings the numbers back to the host.
        """
        return self._tk_capturable

    @capturable.setter
    def capturable(self, value: bool) -> None:
        if bool(value) != self._tk_capturable:
            self._tk_capturable = bool(value)
            if self.built:
                self._tk_finish_build()
                self._tk_sync_callable_lr()

    def state_tensors(self) -> list[Tensor]:
        """Every tensor besides the parameters that a captured step reads and changes: scalars and slots."""
        scalars = [s.tensor for s in (*self._tk_scalars.values(), self._learning_rate) if s.tensor is not None]
        pending = [] if self._tk_pending_weight is None else [self._tk_pending_weight]
        return scalars + pending + [t for p in list(self.state) for t in self.state[p].values()]

    def capture_key(self) -> tuple[bool, ...]:
        """What the host decides about the next step (update or accumulate, overwrite by the average): one graph for each key."""
        window = self.gradient_accumulation_steps or 1
        count = self._iterations.number
        update = (count + 1) % window == 0
        every = self.ema_overwrite_frequency if self.use_ema else None
        return (update, bool(update and every and (count // window + 1) % every == 0))

    def advance(self) -> None:
        """Call after each replay of a captured step: counts it on the host, and renews the rate from a callable or torch scheduler."""
        update = self.capture_key()[0]
        self._iterations.number += 1
        if update and self._tk_scheduler is not None:
            self._tk_scheduler.step()
        self._tk_sync_callable_lr()

    def _tk_sync_callable_lr(self) -> None:
        if self._tk_capturable and self._tk_schedule is not None and not isinstance(self._tk_schedule, LearningRateSchedule):
            self._tk_group["lr"].fill_(float(self._tk_schedule()))


def warn_missing(names: list[str]) -> None:
    """Warn of the variables that got no gradient."""
    warn(f"Gradients do not exist for variables {names}: they stay as they are. If you compiled the model, does the loss reach them?")


def _dense(grad: Tensor | None) -> Tensor:
    assert grad is not None
    return grad.to_dense() if grad.is_sparse else grad
