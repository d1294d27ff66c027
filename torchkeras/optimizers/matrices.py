"""Update rules that look at a whole variable: trust ratios, factored moments, orthogonal updates, schedule-free averaging."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..typing import RateLike
from . import kernels
from .arguments import epsilon_or_default
from .kernels import one_minus_power
from .optimizer import Optimizer
from .state import DerivedView, TensorView, stored, to_keras, to_torch, variable_path
from .update import Batch, Slot, Updater


class Lamb(Optimizer):
    """Adam's update, scaled for each variable to the length of its weights (https://arxiv.org/abs/1904.00962).

    Args:
        learning_rate: A number; a `LearningRateSchedule`; a callable without arguments; or a torch scheduler: the object, or a callable
            that makes it from this optimizer (`functools.partial(StepLR, step_size=100)`), stepped after each update.
        beta_1: The decay of the running mean of gradients.
        beta_2: The decay of the running mean of squared gradients.
        epsilon: A small number that keeps the division defined.
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

    >>> weight = keras.Variable([[1.0, 2.0]])
    >>> optimizer = keras.optimizers.Lamb(learning_rate=0.1)
    >>> optimizer.apply([torch.ones(1, 2)], [weight])
    >>> weight.shape
    torch.Size([1, 2])
    """

    def __init__(
        self, learning_rate: RateLike = 0.001, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7,
        weight_decay: float | None = None, clipnorm: float | None = None, clipvalue: float | None = None,
        global_clipnorm: float | None = None, use_ema: bool = False, ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None, loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None, name: str | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(
            learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name, **kwargs,
        )  # fmt: skip
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon_or_default(epsilon)

    def _tk_slots(self) -> Sequence[Sequence[Slot]]:
        return ((Slot("exp_avg", "momentum"), Slot("exp_avg_sq", "velocity")),)

    def _tk_update(self, batch: Batch, grads: list[Tensor], lr: Any, t: Any) -> None:
        params, mean, square = batch.params, batch.slots["exp_avg"], batch.slots["exp_avg_sq"]
        torch._foreach_lerp_(mean, grads, 1.0 - self.beta_1)
        torch._foreach_mul_(square, self.beta_2)
        torch._foreach_addcmul_(square, grads, grads, value=1.0 - self.beta_2)
        # The direction without its common factor `scale`, which the trust ratio takes out again.
        correction = kernels.sqrt(one_minus_power(self.beta_2, t))
        scale = correction / one_minus_power(self.beta_1, t)
        root = torch._foreach_sqrt(square)
        kernels.add_(root, correction * self.epsilon)
        direction = torch._foreach_div(mean, root)
        length = torch.stack(kernels.l2_norms(params, batch.groups))
        step = torch.stack(kernels.l2_norms(direction, batch.groups))
        ratio = torch.where((length > 0) & (step > 0), length / step, scale) * -lr
        torch._foreach_addcmul_(params, direction, ratio.to(params[0].dtype).unbind())


class Adafactor(Optimizer):
    """Second moments as a row and a column for each matrix (https://arxiv.org/abs/1804.04235).

    Args:
        learning_rate: A number; a `LearningRateSchedule`; a callable without arguments; or a torch scheduler: the object, or a callable
            that makes it from this optimizer (`functools.partial(StepLR, step_size=100)`), stepped after each update.
        beta_2_decay: The power of the step number by which the moments' momentum grows to one.
        epsilon_1: Added to squared gradients.
        epsilon_2: The smallest root mean square that a variable is given.
        clip_threshold: The largest root mean square that an update may have.
        relative_step: Whether the rate is at most `1 / sqrt(step)`.
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

    >>> weight = keras.Variable([[1.0, 2.0]])
    >>> optimizer = keras.optimizers.Adafactor(learning_rate=0.1)
    >>> optimizer.apply([torch.ones(1, 2)], [weight])
    >>> weight.shape
    torch.Size([1, 2])
    """

    def __init__(
        self, learning_rate: RateLike = 0.001, beta_2_decay: float = -0.8, epsilon_1: float = 1e-30, epsilon_2: float = 0.001,
        clip_threshold: float = 1.0, relative_step: bool = True, weight_decay: float | None = None, clipnorm: float | None = None,
        clipvalue: float | None = None, global_clipnorm: float | None = None, use_ema: bool = False, ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None, loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None, name: str | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(
            learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name, **kwargs,
        )  # fmt: skip
        self.beta_2_decay = beta_2_decay
        self.epsilon_1 = epsilon_1
        self.epsilon_2 = epsilon_2
        self.clip_threshold = clip_threshold
        self.relative_step = relative_step

    def _tk_make_slots(self) -> None:
        # Keras's files have row, column and full moment of each variable: for a matrix the last is what the first two make, a vector has
        # integer zeros for them.
        for variable in self._trainable_variables:
            first, shape = stored(variable)[0], tuple(variable.shape)
            state, name = self.state[first], getattr(variable, "name", None) or "variable"
            if len(shape) < 2:
                self._keras_variables += [DerivedView(name, name, _integer_zero), DerivedView(name, name, _integer_zero)]
                self._tk_add_slot(variable, Slot("variance", "velocity"))
                continue
            for key, kept in (("row", shape[:-1]), ("col", (*shape[:-2], shape[-1]))):
                state[key] = torch.zeros(kept, dtype=first.dtype, device=first.device)
                self._keras_variables.append(TensorView(name, f"{self.name}/{name}", state, key))
            label = f"{variable_path(variable).replace('/', '_')}_velocity"
            self._keras_variables.append(DerivedView(label, f"{self.name}/{label}", partial(_full_moment, state)))

    def _tk_update(self, batch: Batch, grads: list[Tensor], lr: Any, t: Any) -> None:
        beta = 1.0 - t**self.beta_2_decay
        rate = kernels.minimum(lr, 1.0 / kernels.sqrt(t)) if self.relative_step else lr
        for variable, positions in batch.variables:
            g = to_keras(variable, *(grads[i] for i in positions))
            w = to_keras(variable, *(batch.params[i] for i in positions))
            count = max(g.numel(), 1) ** 0.5
            root = (torch.linalg.vector_norm(w) / count).clamp(min=self.epsilon_2)
            square = g.square()
            if g.ndim >= 2:
                state = self.state[stored(variable)[0]]
                row, col = state["row"], state["col"]
                row.mul_(beta).add_((square.mean(-1) + self.epsilon_1) * (1.0 - beta))
                col.mul_(beta).add_((square.mean(-2) + self.epsilon_1) * (1.0 - beta))
                factor = (row / row.mean(-1, keepdim=True)).rsqrt().unsqueeze(-1)
                u = (g * factor).mul_(col.rsqrt().unsqueeze(-2))
            else:
                square = square + self.epsilon_1
                moments = [self.state[p]["variance"] for p in stored(variable)]
                for moment, part in zip(moments, to_torch(variable, square)):
                    moment.mul_(beta).add_(part * (1.0 - beta))
                u = g * to_keras(variable, *moments).rsqrt()
            size = torch.linalg.vector_norm(u) / (count * self.clip_threshold)
            scale = (-rate * root / size.clamp(min=1.0)).to(u.dtype)
            for i, part in zip(positions, to_torch(variable, u)):
                batch.params[i].addcmul_(part, scale)


def _integer_zero() -> Tensor:
    return torch.zeros((), dtype=torch.int32)


def _full_moment(state: dict[str, Tensor]) -> Tensor:
    """The second moments that rows and columns stand for; zeros before the first update."""
    row, col = state["row"], state["col"]
    return (row / row.mean(-1, keepdim=True)).nan_to_num().unsqueeze(-1) * col.unsqueeze(-2)


class Muon(Optimizer):
    """Orthogonal updates for matrices, Adam for the rest (https://kellerjordan.github.io/posts/muon, https://arxiv.org/abs/2502.16982).

    Args:
        learning_rate: A number; a `LearningRateSchedule`; a callable without arguments; or a torch scheduler: the object, or a callable
            that makes it from this optimizer (`functools.partial(StepLR, step_size=100)`), stepped after each update.
        adam_beta_1: `beta_1` of Adam, for variables that are no matrices or excluded.
        adam_beta_2: `beta_2` of Adam.
        adam_weight_decay: Weight decay of the variables that Adam updates.
        epsilon: `epsilon` of Adam.
        weight_decay: Weight decay of the matrices.
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
        exclude_layers: Regular expressions; a variable whose path has a match is updated by Adam.
        exclude_embeddings: Whether embeddings are updated by Adam.
        muon_a: Coefficient of the Newton-Schulz iteration `a x + b x³ + c x⁵`.
        muon_b: Another.
        muon_c: Another.
        adam_lr_ratio: Adam's learning rate over `learning_rate`.
        momentum: The momentum of the gradients of matrices.
        ns_steps: How many Newton-Schulz iterations are made.
        nesterov: Whether the gradient is counted once more on top of the momentum.
        rms_rate: The root mean square that updates of matrices have; `None` leaves their size as the shape gives it.
        **kwargs: `lr` and `decay`, the spellings of Keras 1 and 2.

    >>> weight = keras.Variable([[1.0, 2.0]])
    >>> optimizer = keras.optimizers.Muon(learning_rate=0.1)
    >>> optimizer.apply([torch.ones(1, 2)], [weight])
    >>> weight.shape
    torch.Size([1, 2])
    """

    def __init__(
        self, learning_rate: RateLike = 0.001, adam_beta_1: float = 0.9, adam_beta_2: float = 0.999,
        adam_weight_decay: float | None = 0.004, epsilon: float = 1e-7, weight_decay: float | None = 0.004,
        clipnorm: float | None = None, clipvalue: float | None = None, global_clipnorm: float | None = None, use_ema: bool = False,
        ema_momentum: float = 0.99, ema_overwrite_frequency: int | None = None, loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None, name: str | None = None, exclude_layers: Sequence[str] | None = None,
        exclude_embeddings: bool = True, muon_a: float = 3.4445, muon_b: float = -4.775, muon_c: float = 2.0315,
        adam_lr_ratio: float = 1, momentum: float = 0.95, ns_steps: int = 5, nesterov: bool = True, rms_rate: float | None = 0.2,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(
            learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name, **kwargs,
        )  # fmt: skip
        self.adam_beta_1 = adam_beta_1
        self.adam_beta_2 = adam_beta_2
        self.adam_weight_decay = adam_weight_decay
        self.epsilon = epsilon_or_default(epsilon)
        self.exclude_layers = list(exclude_layers or [])
        self.exclude_embeddings = exclude_embeddings
        self.muon_a = muon_a
        self.muon_b = muon_b
        self.muon_c = muon_c
        self.adam_lr_ratio = adam_lr_ratio
        self.momentum = momentum
        self.ns_steps = ns_steps
        self.nesterov = nesterov
        self.rms_rate = rms_rate

    def _uses_adam(self, variable: Any) -> bool:
        path = variable_path(variable)
        if len(variable.shape) != 2 or (self.exclude_embeddings and "embedding" in path.lower()):
            return True
        return any(re.search(pattern, path) for pattern in self.exclude_layers)

    def _tk_make_slots(self) -> None:
        for variable in self._trainable_variables:
            self._tk_add_slot(variable, Slot("exp_avg", "momentum"))
            if self._uses_adam(variable):
                self._tk_add_slot(variable, Slot("exp_avg_sq", "velocity"))

    def _tk_make_plan(self, index: Sequence[int]) -> list[Batch]:
        """Batches of Adam's variables apart from those of matrices."""
        adam = {i for v in self._trainable_variables if self._uses_adam(v) for i in self._tk_positions[id(stored(v)[0])]}
        plans = super()._tk_make_plan([i for i in index if i in adam]), super()._tk_make_plan([i for i in index if i not in adam])
        return [*plans[0], *plans[1]]

    def _tk_run(self, batch: Batch, grads: list[Tensor], lr: Any, t: Any) -> None:
        adam = "exp_avg_sq" in batch.slots
        rate = lr * self.adam_lr_ratio if adam else lr
        decay = self.adam_weight_decay if adam and "weight_decay" not in batch.group else self._tk_decay_of(batch)
        if decay and batch.decayed:
            torch._foreach_mul_(batch.decayed, 1.0 - lr * decay)
        if self._tk_by_variable:
            Updater._tk_update(self, batch, grads, lr, t)
        else:
            self._tk_update(batch, grads, rate if adam else lr, t)

    def _tk_update(self, batch: Batch, grads: list[Tensor], lr: Any, t: Any) -> None:
        mean = batch.slots["exp_avg"]
        if "exp_avg_sq" in batch.slots:
            alpha = lr * kernels.sqrt(one_minus_power(self.adam_beta_2, t)) / one_minus_power(self.adam_beta_1, t)
            square = batch.slots["exp_avg_sq"]
            torch._foreach_lerp_(mean, grads, 1.0 - self.adam_beta_1)
            torch._foreach_mul_(square, self.adam_beta_2)
            torch._foreach_addcmul_(square, grads, grads, value=1.0 - self.adam_beta_2)
            root = torch._foreach_sqrt(square)
            torch._foreach_add_(root, self.epsilon)
            kernels.addcdiv_(batch.params, mean, root, -alpha)
            return
        torch._foreach_mul_(mean, self.momentum)
        torch._foreach_add_(mean, grads)
        step = torch._foreach_add(grads, mean, alpha=self.momentum) if self.nesterov else mean
        stacks: dict[Any, list[tuple[Any, list[int]]]] = {}  # matrices of one shape are iterated together
        matrices = []
        for n, (variable, positions) in enumerate(batch.variables):
            matrix = to_keras(variable, *(step[i] for i in positions))
            matrices.append(matrix)
            stacks.setdefault(tuple(sorted(matrix.shape)), []).append((n, positions))
        for members in stacks.values():
            wide = [matrices[n] if matrices[n].shape[0] <= matrices[n].shape[1] else matrices[n].T for n, _ in members]
            updates = self.zeropower_via_newtonschulz5(torch.stack(wide), self.ns_steps)
            for (n, positions), update in zip(members, updates.unbind()):
                variable, matrix = batch.variables[n][0], matrices[n]
                if matrix.shape[0] > matrix.shape[1]:
                    update = update.T
                for i, part in zip(positions, to_torch(variable, self.lr_adjust(update))):
                    kernels.add_scaled_([batch.params[i]], [part], -lr)

    def lr_adjust(self, x: Tensor) -> Tensor:
        """An orthogonal update scaled to the root mean square `rms_rate`, whatever its shape."""
        return x if self.rms_rate is None else x * (self.rms_rate * max(x.shape[-2:]) ** 0.5)

    def transpose_last_axis(self, X: Tensor) -> Tensor:
        """The matrices of a stack, transposed."""
        return X.transpose(-2, -1)

    def zeropower_via_newtonschulz5(self, x: Tensor, steps: int) -> Tensor:
        """The matrix with the singular vectors of `x` and singular values near one, for one matrix or a stack of them.

        Args:
            x: `(…, rows, columns)`.
            steps: How many iterations. They run in the type of `x`, as Keras's do; `torch.set_float32_matmul_precision` trades digits
                for speed.
        """
        tall = x.shape[-2] > x.shape[-1]
        if tall:
            x = self.transpose_last_axis(x)
        x = x / (torch.linalg.vector_norm(x, dim=(-2, -1), keepdim=True) + 1e-7)
        stack = x.reshape(-1, *x.shape[-2:])
        for _ in range(steps):
            gram = stack @ self.transpose_last_axis(stack)
            odd = torch.baddbmm(gram, gram, gram, beta=self.muon_b, alpha=self.muon_c)
            stack = torch.baddbmm(stack, odd, stack, beta=self.muon_a)
        x = stack.reshape(x.shape)
        return self.transpose_last_axis(x) if tall else x


class ScheduleFreeAdamW(Optimizer):
    """Adam without momentum, on a fast sequence `z` whose running mean the weights are (https://arxiv.org/abs/2405.15682).

    This is Keras's rule, number for number: the weights always are the mean that the paper evaluates at. The paper takes gradients
    at `(1 - beta_1) * z + beta_1 * mean`; Keras takes them at the mean, which is the paper's `beta_1 = 1`.

    Args:
        learning_rate: A number; a `LearningRateSchedule`; a callable without arguments; or a torch scheduler: the object, or a callable
            that makes it from this optimizer (`functools.partial(StepLR, step_size=100)`), stepped after each update.
        beta_1: The paper's interpolation, kept in the config. The weights hold the mean itself, so no value changes a number.
        beta_2: The momentum of the mean square.
        epsilon: Keeps the denominator from zero.
        warmup_steps: Over how many updates the rate rises to `learning_rate`.
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

    >>> weight = keras.Variable([[1.0, 2.0]])
    >>> optimizer = keras.optimizers.ScheduleFreeAdamW(learning_rate=0.1)
    >>> optimizer.apply([torch.ones(1, 2)], [weight])
    >>> weight.shape
    torch.Size([1, 2])
    """

    def __init__(
        self, learning_rate: RateLike = 0.0025, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8, warmup_steps: int = 0,
        weight_decay: float | None = None, clipnorm: float | None = None, clipvalue: float | None = None,
        global_clipnorm: float | None = None, use_ema: bool = False, ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None, loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None, name: str | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(
            learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name, **kwargs,
        )  # fmt: skip
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon_or_default(epsilon)
        self.warmup_steps = warmup_steps

    def _tk_slots(self) -> Sequence[Sequence[Slot]]:
        return ((Slot("z", "momentum"), Slot("exp_avg_sq", "velocity")),)

    def _tk_make_slots(self) -> None:
        super()._tk_make_slots()
        with torch.no_grad():
            for p in self._tk_params:
                self.state[p]["z"].copy_(p)

    def _tk_update(self, batch: Batch, grads: list[Tensor], lr: Any, t: Any) -> None:
        fast, square = batch.slots["z"], batch.slots["exp_avg_sq"]
        if self.warmup_steps:
            lr = lr * kernels.minimum(t / self.warmup_steps, 1.0)
        torch._foreach_mul_(square, self.beta_2)
        torch._foreach_addcmul_(square, grads, grads, value=1.0 - self.beta_2)
        # sqrt(v / c) + epsilon, both sides of the quotient times sqrt(c)
        correction = kernels.sqrt(one_minus_power(self.beta_2, t))
        root = torch._foreach_sqrt(square)
        kernels.add_(root, correction * self.epsilon)
        kernels.addcdiv_(fast, grads, root, -lr * correction)
        if isinstance(t, Tensor):
            torch._foreach_mul_(batch.params, 1.0 - 1.0 / t)
            kernels.add_scaled_(batch.params, fast, 1.0 / t)
        else:
            torch._foreach_lerp_(batch.params, fast, 1.0 / t)
