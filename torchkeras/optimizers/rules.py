"""Update rules that work element by element: SGD, the Adam family, the accumulators, sign descent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..typing import RateLike
from . import kernels
from .arguments import epsilon_or_default
from .kernels import one_minus_power
from .optimizer import Optimizer
from .state import ScalarState
from .update import Batch, Slot

_FUSED_DEVICES = ("cpu", "cuda", "xpu", "mps")
_FUSED_TYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
# The kernels correct for the first steps by the step number. Keras's own correction is folded into the rate; from this step on,
# theirs is a multiplication by one.
_LATE = 1e9


def _fused(batch: Batch, lr: Any, t: Any, types: tuple[torch.dtype, ...] = _FUSED_TYPES) -> bool:
    """Whether torch's fused kernel serves: an eager step on contiguous parameters of these types, none of them sharded."""
    if "fused" not in batch.cache:
        first = batch.params[0]
        batch.cache["fused"] = (
            batch.dense and not hasattr(first, "full_tensor") and first.device.type in _FUSED_DEVICES and first.dtype in types
        )
        batch.cache["steps"] = [torch.tensor(_LATE, device=first.device)] * len(batch.params)
    return batch.cache["fused"] and not isinstance(t, Tensor) and not isinstance(lr, Tensor)


class SGD(Optimizer):
    """Gradient descent, with momentum `v = momentum * v - lr * g; w += v`.

    Args:
        learning_rate: A number; a `LearningRateSchedule`; a callable without arguments; or a torch scheduler: the object, or a callable
            that makes it from this optimizer (`functools.partial(StepLR, step_size=100)`), stepped after each update.
        momentum: How much of the last update goes on; 0 for none.
        nesterov: Whether the gradient is counted as if taken after that (`w += momentum * v - lr * g`).
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

    >>> weight = keras.Variable([1.0, 2.0])
    >>> optimizer = keras.optimizers.SGD(learning_rate=0.1)
    >>> optimizer.apply([torch.ones(2)], [weight])
    >>> weight.numpy().round(2)
    array([0.9, 1.9], dtype=float32)
    """

    def __init__(
        self, learning_rate: RateLike = 0.01, momentum: float = 0.0, nesterov: bool = False, weight_decay: float | None = None,
        clipnorm: float | None = None, clipvalue: float | None = None, global_clipnorm: float | None = None, use_ema: bool = False,
        ema_momentum: float = 0.99, ema_overwrite_frequency: int | None = None, loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None, name: str | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(
            learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name, **kwargs,
        )  # fmt: skip
        self.momentum = momentum
        self.nesterov = nesterov

    def _tk_slots(self) -> Sequence[Sequence[Slot]]:
        return ((Slot("momentum_buffer", "momentum"),),) if self.momentum else ()

    def _tk_fused_kernel(self) -> bool:
        return not (self.momentum and self.nesterov)

    def _tk_update(self, batch: Batch, grads: list[Tensor], lr: Any, t: Any) -> None:
        params = batch.params
        # torch 2.13's kernel leaves half-precision parameters on a CPU as they are.
        on_cpu = params[0].device.type == "cpu"
        fused = _fused(batch, lr, t, (torch.float32, torch.float64) if on_cpu else _FUSED_TYPES)
        if not self.momentum:
            if fused:
                torch._fused_sgd_(
                    params, grads, [], weight_decay=0.0, momentum=0.0, lr=lr, dampening=0.0, nesterov=False, maximize=False,
                    is_first_step=False,
                )  # fmt: skip
            else:
                kernels.add_scaled_(params, grads, -lr)
            return
        velocity = batch.slots["momentum_buffer"]
        if fused and not self.nesterov:
            # torch: v = momentum * v + (1 - dampening) * g; w -= lr * v. With these numbers, Keras's rule.
            torch._fused_sgd_(
                params, grads, velocity, weight_decay=0.0, momentum=float(self.momentum), lr=-1.0, dampening=1.0 + lr, nesterov=False,
                maximize=False, is_first_step=False,
            )  # fmt: skip
            return
        torch._foreach_mul_(velocity, self.momentum)
        kernels.add_scaled_(velocity, grads, -lr)
        if self.nesterov:
            torch._foreach_add_(params, velocity, alpha=self.momentum)
            kernels.add_scaled_(params, grads, -lr)
        else:
            torch._foreach_add_(params, velocity)


class Adam(Optimizer):
    """Adam (https://arxiv.org/abs/1412.6980), the form before its section 2.1: `w -= alpha_t * m / (sqrt(v) + epsilon)`.

    Args:
        learning_rate: A number; a `LearningRateSchedule`; a callable without arguments; or a torch scheduler: the object, or a callable
            that makes it from this optimizer (`functools.partial(StepLR, step_size=100)`), stepped after each update.
        beta_1: The decay of the running mean of gradients, from 0 to 1.
        beta_2: The decay of the running mean of squared gradients, from 0 to 1.
        epsilon: Keeps the denominator from zero.
        amsgrad: Whether the largest second moment so far is divided by (https://openreview.net/forum?id=ryQu7f-RZ).
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

    >>> weight = keras.Variable([1.0, 2.0])
    >>> optimizer = keras.optimizers.Adam(learning_rate=0.1)
    >>> optimizer.apply([torch.ones(2)], [weight])
    >>> weight.numpy().round(2)
    array([0.9, 1.9], dtype=float32)
    """

    def __init__(
        self, learning_rate: RateLike = 0.001, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7, amsgrad: bool = False,
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
        self.amsgrad = amsgrad

    def _tk_slots(self) -> Sequence[Sequence[Slot]]:
        moments = (Slot("exp_avg", "momentum"), Slot("exp_avg_sq", "velocity"))
        return (moments, (Slot("max_exp_avg_sq", "velocity_hat"),)) if self.amsgrad else (moments,)

    def _tk_fused_kernel(self) -> bool:
        return True

    def _tk_run(self, batch: Batch, grads: list[Tensor], lr: Any, t: Any) -> None:
        if not _fused(batch, lr, t) or self._tk_by_variable:
            super()._tk_run(batch, grads, lr, t)
            return
        alpha = lr * kernels.sqrt(one_minus_power(self.beta_2, t)) / one_minus_power(self.beta_1, t)
        decay, wanted = 0.0, self._tk_decay_of(batch)
        if wanted and batch.decayed:
            if len(batch.decayed) == len(batch.params) and alpha:
                decay = wanted * lr / alpha  # the kernel multiplies by its rate
            else:
                torch._foreach_mul_(batch.decayed, 1.0 - lr * wanted)
        slots = batch.slots
        torch._fused_adamw_(
            batch.params, grads, slots["exp_avg"], slots["exp_avg_sq"], slots["max_exp_avg_sq"] if self.amsgrad else [],
            batch.cache["steps"], lr=alpha, beta1=self.beta_1, beta2=self.beta_2, weight_decay=decay, eps=self.epsilon,
            amsgrad=self.amsgrad, maximize=False,
        )  # fmt: skip

    def _tk_update(self, batch: Batch, grads: list[Tensor], lr: Any, t: Any) -> None:
        alpha = lr * kernels.sqrt(one_minus_power(self.beta_2, t)) / one_minus_power(self.beta_1, t)
        mean, square = batch.slots["exp_avg"], batch.slots["exp_avg_sq"]
        torch._foreach_lerp_(mean, grads, 1.0 - self.beta_1)
        torch._foreach_mul_(square, self.beta_2)
        torch._foreach_addcmul_(square, grads, grads, value=1.0 - self.beta_2)
        if self.amsgrad:
            largest = batch.slots["max_exp_avg_sq"]
            torch._foreach_maximum_(largest, square)
            square = largest
        root = torch._foreach_sqrt(square)
        torch._foreach_add_(root, self.epsilon)
        kernels.addcdiv_(batch.params, mean, root, -alpha)


class AdamW(Adam):
    """Adam with weight decay from the start (https://arxiv.org/abs/1711.05101).

    Args:
        learning_rate: A number; a `LearningRateSchedule`; a callable without arguments; or a torch scheduler: the object, or a callable
            that makes it from this optimizer (`functools.partial(StepLR, step_size=100)`), stepped after each update.
        weight_decay: The part of each weight, times the learning rate, that every update takes away.
        beta_1: The decay of the running mean of gradients, from 0 to 1.
        beta_2: The decay of the running mean of squared gradients, from 0 to 1.
        epsilon: Keeps the denominator from zero.
        amsgrad: Whether the largest second moment so far is divided by (https://openreview.net/forum?id=ryQu7f-RZ).
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

    >>> weight = keras.Variable([1.0, 2.0])
    >>> optimizer = keras.optimizers.AdamW(learning_rate=0.1)
    >>> optimizer.apply([torch.ones(2)], [weight])
    >>> weight.numpy().round(2)
    array([0.9, 1.9], dtype=float32)
    """

    def __init__(
        self, learning_rate: RateLike = 0.001, weight_decay: float = 0.004, beta_1: float = 0.9, beta_2: float = 0.999,
        epsilon: float = 1e-7, amsgrad: bool = False, clipnorm: float | None = None, clipvalue: float | None = None,
        global_clipnorm: float | None = None, use_ema: bool = False, ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None, loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None, name: str | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name, **kwargs,
        )  # fmt: skip
        if self.weight_decay is None:
            raise ValueError("`weight_decay` must be a number: AdamW without it is Adam. Received: weight_decay=None")


class RMSprop(Optimizer):
    """The gradient over the root of its mean square (Hinton, lecture 6 of "Neural Networks for Machine Learning").

    Args:
        learning_rate: A number; a `LearningRateSchedule`; a callable without arguments; or a torch scheduler: the object, or a callable
            that makes it from this optimizer (`functools.partial(StepLR, step_size=100)`), stepped after each update.
        rho: The momentum of the mean square.
        momentum: How much of the last update goes on; 0 for none.
        epsilon: Added to the mean square.
        centered: Whether the variance is used instead of the mean square.
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

    >>> weight = keras.Variable([1.0, 2.0])
    >>> optimizer = keras.optimizers.RMSprop(learning_rate=0.1)
    >>> optimizer.apply([torch.ones(2)], [weight])
    >>> weight.numpy().round(2)
    array([0.68, 1.68], dtype=float32)
    """

    def __init__(
        self, learning_rate: RateLike = 0.001, rho: float = 0.9, momentum: float = 0.0, epsilon: float = 1e-7, centered: bool = False,
        weight_decay: float | None = None, clipnorm: float | None = None, clipvalue: float | None = None,
        global_clipnorm: float | None = None, use_ema: bool = False, ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None, loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None, name: str | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(
            learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name, **kwargs,
        )  # fmt: skip
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon_or_default(epsilon)
        self.centered = centered

    def _tk_slots(self) -> Sequence[Sequence[Slot]]:
        groups = [(Slot("square_avg", "velocity"),)]
        if self.momentum > 0:
            groups.append((Slot("momentum_buffer", "momentum"),))
        if self.centered:
            groups.append((Slot("grad_avg", "average_gradient"),))
        return groups

    def _tk_update(self, batch: Batch, grads: list[Tensor], lr: Any, t: Any) -> None:
        square = batch.slots["square_avg"]
        torch._foreach_mul_(square, self.rho)
        torch._foreach_addcmul_(square, grads, grads, value=1.0 - self.rho)
        if self.centered:
            mean = batch.slots["grad_avg"]
            torch._foreach_lerp_(mean, grads, 1.0 - self.rho)
            root = torch._foreach_addcmul(square, mean, mean, value=-1.0)
            torch._foreach_add_(root, self.epsilon)
        else:
            root = torch._foreach_add(square, self.epsilon)
        torch._foreach_sqrt_(root)
        if self.momentum > 0:
            velocity = batch.slots["momentum_buffer"]
            torch._foreach_mul_(velocity, self.momentum)
            kernels.addcdiv_(velocity, grads, root, lr)
            torch._foreach_sub_(batch.params, velocity)
        else:
            kernels.addcdiv_(batch.params, grads, root, -lr)


class Adagrad(Optimizer):
    """The gradient over the root of the sum of its squares (https://jmlr.org/papers/v12/duchi11a.html).

    Args:
        learning_rate: A number; a `LearningRateSchedule`; a callable without arguments; or a torch scheduler: the object, or a callable
            that makes it from this optimizer (`functools.partial(StepLR, step_size=100)`), stepped after each update.
        initial_accumulator_value: What the sums start from.
        epsilon: Added to the sums under the root.
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

    >>> weight = keras.Variable([1.0, 2.0])
    >>> optimizer = keras.optimizers.Adagrad(learning_rate=0.1)
    >>> optimizer.apply([torch.ones(2)], [weight])
    >>> weight.numpy().round(2)
    array([0.9, 1.9], dtype=float32)
    """

    def __init__(
        self, learning_rate: RateLike = 0.001, initial_accumulator_value: float = 0.1, epsilon: float = 1e-7,
        weight_decay: float | None = None, clipnorm: float | None = None, clipvalue: float | None = None,
        global_clipnorm: float | None = None, use_ema: bool = False, ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None, loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None, name: str | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(
            learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name, **kwargs,
        )  # fmt: skip
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon_or_default(epsilon)

    def _tk_slots(self) -> Sequence[Sequence[Slot]]:
        # Stored with epsilon on top, so that torch's kernel, which adds its own after the root, serves with none.
        return ((Slot("sum", "accumulator", self.initial_accumulator_value, self.epsilon),),)

    def _tk_fused_kernel(self) -> bool:
        return True

    def _tk_update(self, batch: Batch, grads: list[Tensor], lr: Any, t: Any) -> None:
        total = batch.slots["sum"]
        if _fused(batch, lr, t):
            torch._fused_adagrad_(
                batch.params, grads, total, batch.cache["steps"], lr=lr, lr_decay=0.0, weight_decay=0.0, eps=0.0, maximize=False
            )
            return
        torch._foreach_addcmul_(total, grads, grads)
        kernels.addcdiv_(batch.params, grads, torch._foreach_sqrt(total), -lr)


class Adadelta(Optimizer):
    """Adagrad over a moving window, in the units of the weights (https://arxiv.org/abs/1212.5701).

    Args:
        learning_rate: A number; a `LearningRateSchedule`; a callable without arguments; or a torch scheduler: the object, or a callable
            that makes it from this optimizer (`functools.partial(StepLR, step_size=100)`), stepped after each update.
        rho: The momentum of the mean squares.
        epsilon: Added to them under the roots.
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
    >>> optimizer = keras.optimizers.Adadelta(learning_rate=0.1)
    >>> optimizer.apply([torch.ones(1, 2)], [weight])
    >>> weight.shape
    torch.Size([1, 2])
    """

    def __init__(
        self, learning_rate: RateLike = 0.001, rho: float = 0.95, epsilon: float = 1e-7, weight_decay: float | None = None,
        clipnorm: float | None = None, clipvalue: float | None = None, global_clipnorm: float | None = None, use_ema: bool = False,
        ema_momentum: float = 0.99, ema_overwrite_frequency: int | None = None, loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None, name: str | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(
            learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name, **kwargs,
        )  # fmt: skip
        self.rho = rho
        self.epsilon = epsilon_or_default(epsilon)

    def _tk_slots(self) -> Sequence[Sequence[Slot]]:
        return ((Slot("square_avg", "accumulated_grad"), Slot("acc_delta", "accumulated_delta_var")),)

    def _tk_update(self, batch: Batch, grads: list[Tensor], lr: Any, t: Any) -> None:
        square, changes = batch.slots["square_avg"], batch.slots["acc_delta"]
        torch._foreach_mul_(square, self.rho)
        torch._foreach_addcmul_(square, grads, grads, value=1.0 - self.rho)
        root = torch._foreach_add(square, self.epsilon)
        torch._foreach_sqrt_(root)
        delta = torch._foreach_add(changes, self.epsilon)
        torch._foreach_sqrt_(delta)
        torch._foreach_div_(delta, root)
        torch._foreach_mul_(delta, grads)
        torch._foreach_mul_(changes, self.rho)
        torch._foreach_addcmul_(changes, delta, delta, value=1.0 - self.rho)
        kernels.add_scaled_(batch.params, delta, -lr)


class Adamax(Optimizer):
    """Adam with the infinity norm (section 7.1 of https://arxiv.org/abs/1412.6980).

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
    >>> optimizer = keras.optimizers.Adamax(learning_rate=0.1)
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
        return ((Slot("exp_avg", "momentum"), Slot("exp_inf", "norm")),)

    def _tk_update(self, batch: Batch, grads: list[Tensor], lr: Any, t: Any) -> None:
        mean, norm = batch.slots["exp_avg"], batch.slots["exp_inf"]
        torch._foreach_lerp_(mean, grads, 1.0 - self.beta_1)
        torch._foreach_mul_(norm, self.beta_2)
        torch._foreach_maximum_(norm, torch._foreach_abs(grads))
        size = torch._foreach_add(norm, self.epsilon)
        kernels.addcdiv_(batch.params, mean, size, -lr / one_minus_power(self.beta_1, t))


class Nadam(Optimizer):
    """Adam with Nesterov momentum (https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ).

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
    >>> optimizer = keras.optimizers.Nadam(learning_rate=0.1)
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
        self._product = ScalarState("variable", "variable", 1.0, torch.float32)
        self._tk_scalars["mu_product"] = self._product

    def _tk_slots(self) -> Sequence[Sequence[Slot]]:
        return ((Slot("exp_avg", "momentum"), Slot("exp_avg_sq", "velocity")),)

    def _tk_make_slots(self) -> None:
        super()._tk_make_slots()
        if not any(v is self._product for v in self._keras_variables):
            self._product.write(1.0)
            self._keras_variables.append(self._product)

    def _scheduled_momentum(self, t: Any) -> Any:
        return self.beta_1 * (1.0 - 0.5 * 0.96**t)

    def _next_product(self, t: Any) -> Any:
        """The product of the scheduled momenta up to this update."""
        held = self._product.number if self._product.tensor is None else self._product.tensor
        return held * self._scheduled_momentum(t)

    def _tk_derive_scalars(self) -> None:
        made = self._iterations.read() // (self.gradient_accumulation_steps or 1)
        self._product.write(math.prod(self._scheduled_momentum(t) for t in range(1, made + 1)))

    def _tk_after_update(self, t: Any) -> None:
        if self._product.tensor is not None:
            self._product.tensor.mul_(self._scheduled_momentum(t))
        else:
            self._product.number = self._next_product(t)

    def _tk_update(self, batch: Batch, grads: list[Tensor], lr: Any, t: Any) -> None:
        momentum, following = self._scheduled_momentum(t), self._scheduled_momentum(t + 1)
        product = self._next_product(t)
        mean, square = batch.slots["exp_avg"], batch.slots["exp_avg_sq"]
        torch._foreach_lerp_(mean, grads, 1.0 - self.beta_1)
        torch._foreach_mul_(square, self.beta_2)
        torch._foreach_addcmul_(square, grads, grads, value=1.0 - self.beta_2)
        root = torch._foreach_sqrt(square)
        correction = kernels.sqrt(one_minus_power(self.beta_2, t))
        # Both terms have the same denominator sqrt(v / correction²) + epsilon; the factor goes into their scales.
        kernels.add_(root, correction * self.epsilon)
        kernels.addcdiv_(batch.params, grads, root, -lr * correction * (1.0 - momentum) / (1.0 - product))
        kernels.addcdiv_(batch.params, mean, root, -lr * correction * following / (1.0 - product * following))


class Ftrl(Optimizer):
    """Follow the regularized leader (https://research.google.com/pubs/archive/41159.pdf).

    Args:
        learning_rate: A number; a `LearningRateSchedule`; a callable without arguments; or a torch scheduler: the object, or a callable
            that makes it from this optimizer (`functools.partial(StepLR, step_size=100)`), stepped after each update.
        learning_rate_power: Minus how fast the rate falls with the sum of squares; 0 for a fixed rate.
        initial_accumulator_value: What the sums start from.
        l1_regularization_strength: Pulls weights to exactly zero.
        l2_regularization_strength: Pulls weights towards zero.
        l2_shrinkage_regularization_strength: Adds to the gradient a part of the weight, not to the sums.
        beta: Smooths the first rates, as in the paper.
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
    >>> optimizer = keras.optimizers.Ftrl(learning_rate=0.1)
    >>> optimizer.apply([torch.ones(1, 2)], [weight])
    >>> weight.shape
    torch.Size([1, 2])
    """

    def __init__(
        self, learning_rate: RateLike = 0.001, learning_rate_power: float = -0.5, initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0, l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0, beta: float = 0.0, weight_decay: float | None = None,
        clipnorm: float | None = None, clipvalue: float | None = None, global_clipnorm: float | None = None, use_ema: bool = False,
        ema_momentum: float = 0.99, ema_overwrite_frequency: int | None = None, loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None, name: str | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(
            learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name, **kwargs,
        )  # fmt: skip
        strengths = {
            "initial_accumulator_value": initial_accumulator_value,
            "l1_regularization_strength": l1_regularization_strength,
            "l2_regularization_strength": l2_regularization_strength,
            "l2_shrinkage_regularization_strength": l2_shrinkage_regularization_strength,
        }
        for argument, value in strengths.items():
            if value < 0.0:
                raise ValueError(f"`{argument}` must not be negative. Received: {argument}={value!r}")
        if learning_rate_power > 0.0:
            raise ValueError(f"`learning_rate_power` must not be positive. Received: learning_rate_power={learning_rate_power!r}")
        self.learning_rate_power = learning_rate_power
        self.initial_accumulator_value = initial_accumulator_value
        self.l1_regularization_strength = l1_regularization_strength
        self.l2_regularization_strength = l2_regularization_strength
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength
        self.beta = beta

    def _tk_slots(self) -> Sequence[Sequence[Slot]]:
        return ((Slot("accumulator", "accumulator", self.initial_accumulator_value), Slot("linear", "linear")),)

    def _power(self, xs: list[Tensor]) -> list[Tensor]:
        if self.learning_rate_power == -0.5:
            return list(torch._foreach_sqrt(xs))
        return list(torch._foreach_pow(xs, -self.learning_rate_power))

    def _tk_update(self, batch: Batch, grads: list[Tensor], lr: Any, t: Any) -> None:
        params, total, linear = batch.params, batch.slots["accumulator"], batch.slots["linear"]
        shrinkage, l1 = self.l2_shrinkage_regularization_strength, self.l1_regularization_strength
        before = self._power(total)
        torch._foreach_addcmul_(total, grads, grads)
        after = self._power(total)
        torch._foreach_add_(linear, grads)
        if shrinkage > 0:
            torch._foreach_add_(linear, params, alpha=2.0 * shrinkage)
        # linear -= (after - before) / lr * w
        torch._foreach_sub_(before, after)
        if isinstance(lr, Tensor):
            torch._foreach_mul_(before, 1.0 / lr)
            torch._foreach_addcmul_(linear, before, params)
        else:
            torch._foreach_addcmul_(linear, before, params, value=1.0 / lr)
        # w = (clip(linear, -l1, l1) - linear) / (after / lr + 2 * l2), both sides times lr
        l2 = self.l2_regularization_strength * lr + 0.5 * self.beta
        if isinstance(l2, Tensor) or l2:
            kernels.add_(after, 2.0 * l2)
        if l1:
            clipped = kernels.clip_by_value(linear, l1)
            torch._foreach_sub_(clipped, linear)
            torch._foreach_mul_(clipped, lr)
            torch._foreach_div_(clipped, after)
            torch._foreach_copy_(params, clipped)
        else:
            torch._foreach_copy_(params, linear)
            torch._foreach_div_(params, after)
            torch._foreach_mul_(params, -lr)


class Lion(Optimizer):
    """The sign of a momentum (https://arxiv.org/abs/2302.06675). It wants a smaller rate and more decay than Adam.

    Args:
        learning_rate: A number; a `LearningRateSchedule`; a callable without arguments; or a torch scheduler: the object, or a callable
            that makes it from this optimizer (`functools.partial(StepLR, step_size=100)`), stepped after each update.
        beta_1: How much of the momentum is in the update.
        beta_2: The momentum of the momentum.
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
    >>> optimizer = keras.optimizers.Lion(learning_rate=0.1)
    >>> optimizer.apply([torch.ones(1, 2)], [weight])
    >>> weight.shape
    torch.Size([1, 2])
    """

    _tk_ranges: ClassVar[dict[str, dict[str, Any]]] = {"beta_1": {"above": 0, "most": 1}}

    def __init__(
        self, learning_rate: RateLike = 0.001, beta_1: float = 0.9, beta_2: float = 0.99, weight_decay: float | None = None,
        clipnorm: float | None = None, clipvalue: float | None = None, global_clipnorm: float | None = None, use_ema: bool = False,
        ema_momentum: float = 0.99, ema_overwrite_frequency: int | None = None, loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None, name: str | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(
            learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name, **kwargs,
        )  # fmt: skip
        self.beta_1 = beta_1
        self.beta_2 = beta_2

    def _tk_slots(self) -> Sequence[Sequence[Slot]]:
        return ((Slot("exp_avg", "momentum"),),)

    def _tk_update(self, batch: Batch, grads: list[Tensor], lr: Any, t: Any) -> None:
        mean = batch.slots["exp_avg"]
        direction = torch._foreach_lerp(mean, grads, 1.0 - self.beta_1)
        torch._foreach_sign_(direction)
        kernels.add_scaled_(batch.params, direction, -lr)
        torch._foreach_lerp_(mean, grads, 1.0 - self.beta_2)
