"""`compile`, `fit`, `evaluate`, `predict` and the steps that a subclass may override."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, overload

import numpy as np
import torch

from .. import data, dtype_policies, metrics, optimizers, random, tree
from ..callbacks.callback import Callback, CallbackList, History
from ..configurable import deserialize_keras_object, serialize_keras_object
from ..data import Strings, make_batches, unpack_x_y_sample_weight
from ..distribution import rank
from ..layers.call import context, losses_pending
from ..reporting import hides_own_frames, warn
from ..typing import Data, Identifier
from ..variable import Variable
from . import ddp, step
from .arguments import check_epochs, check_frequency, check_names, validates, verbosity
from .capture import CapturedStep
from .compiled import CompiledLoss, CompiledMetrics
from .run import PREDICT, TEST, TRAIN, Run, StepFunction, Validation, predict_once, run_mode, test_once, train_once
from .step import to_number


class Trainer:
    """The training half of a model."""

    name: str
    built: bool
    training: bool
    __call__: Callable[..., Any]
    trainable_variables: list[Variable]
    compiled: bool
    optimizer: Any
    loss: Any
    stop_training: bool
    history: History | None
    jit_compile: bool
    run_eagerly: bool
    steps_per_execution: int
    train_function: Any
    test_function: Any
    predict_function: Any
    _tk_compile_arguments: Any
    _tk_compiled_loss: Any
    _tk_compiled_metrics: Any
    _loss_tracker: Any
    _tk_only_name: list[str] | None
    _flatten_layers: Any
    _tk_device: Any
    _tk_on: Callable[..., Any]
    metrics_variables: list[Any]
    losses: list[torch.Tensor]
    zero_grad: Callable[..., None]
    weights: list[Variable]
    trainable_weights: list[Variable]
    build: Callable[..., None]
    parameters: Callable[..., Any]
    buffers: Callable[..., Any]
    modules: Callable[..., Any]
    train: Callable[..., Any]
    eval: Callable[..., Any]
    stop_evaluating: bool
    stop_predicting: bool

    def _tk_init_trainer(self) -> None:
        self.__dict__.update(
            compiled=False, optimizer=None, loss=None, stop_training=False, history=None, jit_compile=False, run_eagerly=False,
            steps_per_execution=1, _tk_compile_arguments=None, _tk_compiled_loss=None, _tk_compiled_metrics=None, _loss_tracker=None,
            _tk_only_name=None, train_function=None, test_function=None, predict_function=None, stop_evaluating=False,
            stop_predicting=False,
        )  # fmt: skip

    # -- compile ---------------------------------------------------------------------------------------------------------------------

    @hides_own_frames
    def compile(
        self,
        optimizer: str | Mapping[str, Any] | torch.optim.Optimizer | None = "rmsprop",
        loss: Identifier | Sequence[Any] = None,
        loss_weights: float | Sequence[Any] | Mapping[str, Any] | None = None,
        metrics: Identifier | Sequence[Any] = None,
        weighted_metrics: Identifier | Sequence[Any] = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | Literal["auto"] | None = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Set the optimizer, losses and metrics of `fit` and `evaluate`.

        Args:
            optimizer: By name, config or object; any `torch.optim.Optimizer` over the model's parameters as well.
            loss: A loss (name, object or function), or a list or dict with one for each output.
            loss_weights: Numbers in the same places; 1 without them.
            metrics: Names, objects or functions; a list or dict of such lists for several outputs.
            weighted_metrics: The same, with sample weights applied.
            run_eagerly: Whether `jit_compile` is off whatever it says.
            steps_per_execution: After how many batches callbacks are called.
            jit_compile: Whether the whole step is captured and compiled; `"auto"` means no.
            auto_scale_loss: Whether the optimizer of a mixed_float16 model is wrapped in a `LossScaleOptimizer`.
        """
        if not isinstance(steps_per_execution, (int, np.integer)) or steps_per_execution < 1:
            raise ValueError(f"`steps_per_execution` must be a positive integer. Received: steps_per_execution={steps_per_execution!r}")
        if jit_compile not in (True, False, "auto", None):
            raise ValueError(f"`jit_compile` must be True, False or 'auto'. Received: jit_compile={jit_compile!r}")
        if run_eagerly and jit_compile is True:
            warn("`jit_compile=True` has no effect beside `run_eagerly=True`: steps run eagerly.")
            jit_compile = False
        arguments = dict(
            optimizer=optimizer, loss=loss, loss_weights=loss_weights, metrics=metrics, weighted_metrics=weighted_metrics,
            run_eagerly=run_eagerly, steps_per_execution=steps_per_execution, jit_compile=jit_compile, auto_scale_loss=auto_scale_loss,
        )  # fmt: skip
        made = _make_optimizer(optimizer)
        policy = self.__dict__.get("_dtype_policy") or dtype_policies.dtype_policy()
        if auto_scale_loss and policy.name == "mixed_float16" and isinstance(made, optimizers.Optimizer):
            if not isinstance(made, optimizers.LossScaleOptimizer):
                made = optimizers.LossScaleOptimizer(made, name="loss_scale_optimizer")
        compiled_loss = CompiledLoss(loss, loss_weights) if loss is not None else None
        check_names(loss, metrics, weighted_metrics)
        self.__dict__.update(
            optimizer=made, loss=loss, jit_compile=jit_compile is True, run_eagerly=run_eagerly, compiled=True, stop_training=False,
            steps_per_execution=steps_per_execution, _tk_compile_arguments=arguments, _tk_compiled_loss=compiled_loss,
            _tk_compiled_metrics=CompiledMetrics(metrics, weighted_metrics), _loss_tracker=_mean("loss"),
            train_function=None, test_function=None, predict_function=None, _tk_only_name=None,
        )  # fmt: skip

    def get_compile_config(self) -> dict[str, Any] | None:
        """The arguments of `compile` as plain data; `None` before it."""
        if not self.compiled:
            return None
        kept = {k: v for k, v in self._tk_compile_arguments.items() if k != "auto_scale_loss"}
        if not isinstance(kept["optimizer"], (str, dict, optimizers.Optimizer)):
            warn("The optimizer of the model is torch's own and is not saved with it. Compile the loaded model again.")
            return None
        if isinstance(kept["optimizer"], str):
            kept["optimizer"] = self.optimizer
        return {k: serialize_keras_object(v) for k, v in kept.items()}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile with what `get_compile_config` returned, and make the optimizer's state."""
        self.compile(**{k: deserialize_keras_object(v) for k, v in config.items()})
        if self.built and hasattr(self.optimizer, "build") and self.trainable_variables:
            self.optimizer.build(self.trainable_variables)

    def _tk_check_compiled(self, method: str) -> None:
        if not self.compiled:
            raise ValueError(f"The model {self.name!r} must be compiled before `{method}`. Call `model.compile(optimizer, loss)` first.")

    # -- metrics ---------------------------------------------------------------------------------------------------------------------

    @property
    def metrics(self) -> list[metrics.Metric]:
        """The loss, the losses of several outputs, what `compile` was given, and metrics that are attributes of layers."""
        found: list[Any] = []
        if self.compiled:
            found.append(self._loss_tracker)
            if self._tk_compiled_loss is not None:
                found += self._tk_compiled_loss.trackers
            found += self._tk_compiled_metrics.metrics
        own = {id(m): m for layer in self._flatten_layers() for m in layer._tk_metrics}
        return found + [m for m in own.values() if not any(m is f for f in found)]

    @property
    def metrics_names(self) -> list[str]:
        """Their names."""
        return [m.name for m in self.metrics]

    def reset_metrics(self) -> None:
        """Forget what the metrics have seen."""
        for metric in self.metrics:
            metric.reset_state()

    def get_metrics_result(self) -> dict[str, Any]:
        """Name to value, as tensors; a metric whose result is a dict gives several."""
        results: dict[str, Any] = {}
        for metric in self.metrics:
            value = metric.result()
            results.update(value if isinstance(value, dict) else {metric.name: value})
        return results

    def _tk_update_metrics(self, y: Any, y_pred: Any, sample_weight: Any) -> None:
        compiled = self._tk_compiled_metrics
        if compiled.entries is None:
            self._tk_build_metrics(y, y_pred)
        if compiled.entries and y is not None:
            compiled.update(y, y_pred, sample_weight, self._tk_output_names(y_pred))

    def _tk_build_metrics(self, y: Any, y_pred: Any) -> None:
        loss_of = self._tk_compiled_loss.loss_of if self._tk_compiled_loss is not None else lambda i: None
        self._tk_compiled_metrics.build(y, y_pred, self._tk_output_names(y_pred), loss_of)
        for metric in self._tk_compiled_metrics.metrics:
            if hasattr(metric, "to"):
                metric.to(self._tk_device())

    def _tk_output_names(self, y_pred: Any) -> list[Any]:
        """The name of each flat output; `None` for those of a list that a subclass's `call` returns."""
        if isinstance(y_pred, torch.Tensor):
            if self._tk_only_name is None:
                self._tk_only_name = list(getattr(self, "output_names", None) or ["output"])[:1]
            return self._tk_only_name
        count = len(tree.flatten(y_pred))
        if isinstance(y_pred, dict) and len(y_pred) == count:
            return sorted(y_pred)
        names = getattr(self, "output_names", None)
        if names and len(names) == count:
            return list(names)
        paths = [path for path, _ in tree.flatten_with_path(y_pred)]
        return ["/".join(map(str, path)) if path and isinstance(path[0], str) else None for path in paths]

    # -- steps -----------------------------------------------------------------------------------------------------------------------

    def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True) -> Any:
        """The loss of a batch: that of `compile`, what layers added, and regularization.

        Args:
            x: Inputs.
            y: Targets.
            y_pred: Predictions.
            sample_weight: Weights, or `None`.
            training: Whether the loss is trained on.

        Raises:
            ValueError: There is none at all.
        """
        total = None
        compiled = self._tk_compiled_loss
        if compiled is not None:
            if y is None:
                raise ValueError("`y` must be given: the model was compiled with a loss. Received: y=None")
            total = compiled(y, y_pred, sample_weight, self._tk_output_names(y_pred))
            if self._tk_compiled_metrics.entries is None:
                self._tk_build_metrics(y, y_pred)  # an overridden `train_step` finds them in `self.metrics`
        for extra in self._tk_extra_losses():
            extra = extra.sum() if extra.ndim else extra
            total = extra if total is None else total + extra
        if total is None:
            raise ValueError("There is no loss to train on. Pass `loss=` to `compile`, or call `add_loss` in the model.")
        return total

    def stateless_compute_loss(
        self,
        trainable_variables: Sequence[Any],
        non_trainable_variables: Sequence[Any],
        metrics_variables: Sequence[Any],
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tuple[Any, tuple[list[Any], list[Any], list[Any]]]:
        """`compute_loss` on these values of all variables; the model stays as it is.

        Args:
            trainable_variables: Values in the order and layout of `self.trainable_variables`.
            non_trainable_variables: Values in the order and layout of `self.non_trainable_variables`.
            metrics_variables: Values in the order of `self.metrics_variables`.
            x: Inputs.
            y: Targets.
            y_pred: Predictions.
            sample_weight: Weights, or `None`.
            training: Whether the loss is trained on.

        Returns:
            The loss, and the values of the three kinds of variables after it.

        Raises:
            ValueError: If there are not as many values as variables.
        """
        own = self.metrics_variables
        if len(metrics_variables) != len(own):
            raise ValueError(
                f"`metrics_variables` must hold {len(own)} values for the model {self.name!r}. Received: {len(metrics_variables)}"
            )
        before = [v.detach().clone() for v in own]
        with self._tk_on(trainable_variables, non_trainable_variables) as changed:
            try:
                with torch.no_grad():
                    for variable, value in zip(own, metrics_variables):
                        variable.copy_(torch.as_tensor(value, device=variable.device))
                loss = self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training)
                return loss, (list(trainable_variables), changed(), [v.detach().clone() for v in own])
            finally:
                with torch.no_grad():
                    for variable, value in zip(own, before):
                        variable.copy_(value)

    def _tk_extra_losses(self) -> list[torch.Tensor]:
        """What layers added in the last call, and the regularization."""
        run = Run.current()
        if run is None or run.model is not self or losses_pending():
            return self.losses
        return [w.regularizer(w.value) for w in run.regularized if w.trainable]

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Add a batch to the metrics and return their results."""
        with torch.no_grad():
            self._tk_update_metrics(y, y_pred, sample_weight)
        return self.get_metrics_result()

    def train_step(self, data: Any) -> dict[str, Any]:
        """One step of training. Override it for a loop of your own; return a dict of numbers or scalar tensors.

        Args:
            data: A batch, as the data set yields it.
        """
        own = step.train(self, data)
        return self.get_metrics_result() if own is None else own

    def test_step(self, data: Any) -> dict[str, Any]:
        """One step of evaluation. Override it as `train_step`.

        Args:
            data: A batch, as the data set yields it.
        """
        own = step.test(self, data)
        return self.get_metrics_result() if own is None else own

    def predict_step(self, data: Any) -> Any:
        """One step of prediction: the outputs for a batch.

        Args:
            data: A batch, as the data set yields it.
        """
        x, _, _ = unpack_x_y_sample_weight(data)
        return self(x) if context.flag is False else self(x, training=False)  # a run has set the flag

    def make_train_function(self, force: bool = False) -> Any:
        """Make `train_function`, which takes the batches of one execution and returns logs.

        Args:
            force: Whether it is made again.
        """
        if self.train_function is None or force:
            once: Callable = train_once
            if self.jit_compile and (self._tk_overrides("train_step") or self._tk_overrides("compute_metrics")):
                warn(
                    f"The model {self.name!r} overrides `train_step` or `compute_metrics`, whose step runs eagerly: `jit_compile=True` "
                    "captures the step that `fit` itself makes. Pass `jit_compile=False` to `compile`."
                )
            elif self.jit_compile:
                once = CapturedStep(self)
            self.train_function = StepFunction(self, once)
        return self.train_function

    def make_test_function(self, force: bool = False) -> Any:
        """Make `test_function`, which takes the batches of one execution and returns logs.

        Args:
            force: Whether it is made again.
        """
        if self.test_function is None or force:
            self.test_function = StepFunction(self, test_once)
        return self.test_function

    def make_predict_function(self, force: bool = False) -> Any:
        """Make `predict_function`, which takes the batches of one execution and returns outputs.

        Args:
            force: Whether it is made again.
        """
        if self.predict_function is None or force:
            self.predict_function = StepFunction(self, predict_once, _concatenated)
        return self.predict_function

    def _tk_overrides(self, method: str) -> bool:
        """Whether a subclass, or somebody who set an attribute, has written this method anew."""
        return getattr(type(self), method) is not getattr(Trainer, method) or method in self.__dict__

    def _tk_is_graph(self) -> bool:
        """Whether each call uses every weight."""
        return self.__dict__.get("_tk_plan") is not None

    def _tk_has_call(self) -> bool:
        """Whether the model can be called as a whole; without that, a `train_step` of its own trains it."""
        return not self._tk_overrides("train_step")

    # -- loops -----------------------------------------------------------------------------------------------------------------------

    @hides_own_frames
    def fit(
        self,
        x: Data | None = None,
        y: Data | None = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Callback | CallbackList | Sequence[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: Data | None = None,
        shuffle: bool | str = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Data | None = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Iterable[int] = 1,
    ) -> History:
        """Train for a number of epochs.

        Args:
            x: Arrays, tensors, nests of them; a torch `DataLoader` or `Dataset`; a `data.Dataset`; a generator; a `PyDataset`.
            y: Targets, where `x` is arrays.
            batch_size: Samples in an update, over all processes; 32 without it.
            epochs: The number of the last epoch.
            verbose: 0 silent, 1 a progress bar, 2 a line an epoch, `"auto"` 1.
            callbacks: Callbacks.
            validation_split: The last part of the arrays that is kept for validation.
            validation_data: `(x, y)`, `(x, y, sample_weight)`, or a data set.
            shuffle: Whether arrays are shuffled before each epoch; `"batch"` shuffles whole batches.
            class_weight: Class index to its weight in the loss.
            sample_weight: A weight for each sample.
            initial_epoch: The number of the first epoch.
            steps_per_epoch: Batches in an epoch; all without it.
            validation_steps: Batches in a validation.
            validation_batch_size: Samples in a batch of a validation, over all processes; `batch_size` without it.
            validation_freq: Every how many epochs, or after which, there is a validation.

        Returns:
            A `History`.
        """
        self._tk_check_compiled("fit")
        epochs = check_epochs(epochs, initial_epoch)
        if validation_data is not None or validation_split:
            check_frequency(validation_freq)
        distributed = ddp.start()
        if validation_split and validation_data is None:
            (x, y, sample_weight), validation_data = data.train_validation_split((x, y, sample_weight), validation_split)
        batches = self._tk_batches(
            x, y, sample_weight, batch_size=batch_size, steps=steps_per_epoch, shuffle=shuffle, class_weight=class_weight,
            initial_epoch=initial_epoch, seed=ddp.broadcast(random.draw_seed()) if distributed else None,
        )  # fmt: skip
        self._tk_prepare(batches.peek(), training=True)
        validation = self._tk_validation(validation_data, validation_batch_size or batch_size, validation_steps)
        self.stop_training = False
        callbacks = self._tk_callback_list(callbacks, verbose, batches.steps, epochs=epochs, add_history=True)
        self.make_train_function()
        run = Run(self, batches, callbacks, TRAIN, lambda data: self.train_function(data), validation)
        logs: dict[str, Any] = {}
        callbacks.on_train_begin({})
        restored = getattr(callbacks, "initial_epoch", None)
        if restored is not None:
            initial_epoch = restored
            batches.source.start_at(restored)
        with run.started():
            for epoch in range(int(initial_epoch), epochs):
                self.reset_metrics()
                callbacks.on_epoch_begin(epoch, {})
                outcome = run.epoch()
                if isinstance(self.optimizer, optimizers.Optimizer):
                    self.optimizer.flush()  # an incomplete window of accumulated gradients ends with the epoch, as a large batch would
                logs = run.results(outcome)
                run.join_statistics()
                if validation is not None and validates(epoch, validation_freq):
                    callbacks.validates(logs, validation.batches.steps)
                    values = self.evaluate(**validation.arguments, callbacks=callbacks, return_dict=True)
                    logs.update({f"val_{k}": v for k, v in values.items()})
                logs = dict(sorted(logs.items()))
                callbacks.on_epoch_end(epoch, logs)
                if distributed:
                    self.stop_training = ddp.any_of(self.stop_training)
                if self.stop_training:
                    break
        if epochs > 0 and isinstance(self.optimizer, optimizers.Optimizer):
            self.optimizer.finalize_variable_values(self.trainable_weights)
        callbacks.on_train_end(logs)
        return self.history  # type: ignore[return-value]  # set by the callback

    @overload
    def evaluate(
        self,
        x: Data | None = None,
        y: Data | None = None,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        sample_weight: Data | None = None,
        steps: int | None = None,
        callbacks: Callback | CallbackList | Sequence[Callback] | None = None,
        *,
        return_dict: Literal[True],
    ) -> dict[str, float]: ...

    @overload
    def evaluate(
        self,
        x: Data | None = None,
        y: Data | None = None,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        sample_weight: Data | None = None,
        steps: int | None = None,
        callbacks: Callback | CallbackList | Sequence[Callback] | None = None,
        return_dict: bool = False,
    ) -> Any: ...

    @hides_own_frames
    def evaluate(
        self,
        x: Data | None = None,
        y: Data | None = None,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        sample_weight: Data | None = None,
        steps: int | None = None,
        callbacks: Callback | CallbackList | Sequence[Callback] | None = None,
        return_dict: bool = False,
        **kwargs: Any,
    ) -> Any:
        """The loss and metrics on data.

        Args:
            x: Arrays, tensors, nests of them; a torch `DataLoader` or `Dataset`; a `data.Dataset`; a generator; a `PyDataset`.
            y: Targets, where `x` is arrays.
            batch_size: Samples in a batch of arrays, over all processes; 32 without it.
            verbose: 0 silent, 1 a progress bar, 2 one line, `"auto"` 1.
            sample_weight: A weight for each sample.
            steps: The number of batches; all without it.
            callbacks: Callbacks.
            return_dict: Whether a dict is returned instead of a list.

        Returns:
            A number; a list of numbers, the loss first and metrics by name; or with `return_dict` a dict.
        """
        self._tk_check_compiled("evaluate")
        if kwargs:
            raise ValueError(f"Unrecognized keyword arguments passed to evaluate: {', '.join(kwargs)}")
        ddp.start()
        fit = Run.current()
        kept = fit.validation if fit is not None and fit.model is self else None
        if kept is not None and kept.serves(x=x, y=y, sample_weight=sample_weight, batch_size=batch_size, steps=steps):
            batches = kept.batches
            batches.restart()
        else:
            batches = self._tk_batches(x, y, sample_weight, batch_size=batch_size, steps=steps, seed=0)
            self._tk_prepare(batches.peek(), training=False)
        callbacks = self._tk_callback_list(callbacks, verbose, batches.steps)
        self.make_test_function()
        self.stop_evaluating = False
        run = Run(self, batches, callbacks, TEST, lambda data: self.test_function(data))
        callbacks.on_test_begin({})
        with run.started():
            self.reset_metrics()
            logs = dict(sorted(run.results(run.epoch()).items()))
        callbacks.on_test_end(logs)
        return logs if return_dict else self._tk_flat_values(logs)

    def _tk_flat_values(self, logs: dict[str, Any]) -> Any:
        """The values of `logs` as Keras lists them: the loss, metrics of the only output, losses of outputs, metrics of layers, and the
        others by name."""
        compiled = {m.name for m in self._tk_compiled_metrics.metrics}
        trackers = [m.name for m in self._tk_compiled_loss.trackers] if self._tk_compiled_loss is not None else []
        others = [m.name for m in self.metrics if m.name not in compiled and m.name not in trackers]
        order = [*others[:1], *self._tk_compiled_metrics.own_names, *trackers, *others[1:]]
        values = [logs[name] for name in (*order, *sorted(set(logs) - set(order))) if name in logs]
        return values[0] if len(values) == 1 else values

    @hides_own_frames
    def predict(
        self,
        x: Data,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        steps: int | None = None,
        callbacks: Callback | CallbackList | Sequence[Callback] | None = None,
    ) -> Any:
        """The outputs for data, as NumPy arrays in the nest that the model returns.

        Args:
            x: Arrays, tensors, nests of them; a torch `DataLoader` or `Dataset`; a `data.Dataset`; a generator; a `PyDataset`.
            batch_size: Samples in a batch of arrays, over all processes; 32 without it.
            verbose: 0 silent, 1 a progress bar, 2 one line, `"auto"` 1.
            steps: The number of batches; all without it.
            callbacks: Callbacks.

        Raises:
            ValueError: If there are no data, or the model returns no tensors.
        """
        batches = make_batches(x, batch_size=batch_size, steps=steps, device=self._tk_device())
        self._tk_prepare(batches.peek(), training=False)
        callbacks = self._tk_callback_list(callbacks, verbose, batches.steps)
        self.make_predict_function()
        self.stop_predicting = False
        run = Run(self, batches, callbacks, PREDICT, lambda data: self.predict_function(data))
        outputs: list[Any] = []
        callbacks.on_predict_begin({})
        with run.started():
            run.epoch(outputs.append)
            if not outputs:
                raise ValueError("`x` must yield at least one batch to predict. Received an empty data set.")
            result = tree.map_structure(_to_numpy, _concatenated(outputs))
        callbacks.on_predict_end({})
        return result

    @hides_own_frames
    def train_on_batch(
        self,
        x: Data,
        y: Data | None = None,
        sample_weight: Data | None = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One update on one batch.

        Args:
            x: The inputs: arrays, tensors or nests of them.
            y: Targets.
            sample_weight: A weight for each sample.
            class_weight: Class index to its weight in the loss.
            return_dict: Whether a dict is returned instead of a list.

        Returns:
            The loss of the batch, or with metrics a list, the loss first; or with `return_dict` a dict.
        """
        self._tk_check_compiled("train_on_batch")
        batch, _ = data.single_batch(x, y, sample_weight, class_weight=class_weight, device=self._tk_device())
        self._tk_prepare(batch, training=True)
        self.make_train_function()
        self.reset_metrics()
        with run_mode(self, True), torch.enable_grad():
            logs = {k: to_number(v) for k, v in sorted(self.train_function([batch]).items())}
        return logs if return_dict else self._tk_flat_values(logs)

    @hides_own_frames
    def test_on_batch(self, x: Data, y: Data | None = None, sample_weight: Data | None = None, return_dict: bool = False) -> Any:
        """The loss and metrics of one batch.

        Args:
            x: The inputs: arrays, tensors or nests of them.
            y: Targets.
            sample_weight: A weight for each sample.
            return_dict: Whether a dict is returned instead of a list.

        Returns:
            The loss, or with metrics a list, the loss first; or with `return_dict` a dict.
        """
        self._tk_check_compiled("test_on_batch")
        batch, _ = data.single_batch(x, y, sample_weight, device=self._tk_device())
        self._tk_prepare(batch, training=False)
        self.make_test_function()
        self.reset_metrics()
        with run_mode(self, False), torch.no_grad():
            logs = {k: to_number(v) for k, v in sorted(self.test_function([batch]).items())}
        return logs if return_dict else self._tk_flat_values(logs)

    @hides_own_frames
    def predict_on_batch(self, x: Data) -> Any:
        """The outputs for one batch, as NumPy arrays in the nest that the model returns.

        Args:
            x: The inputs: arrays, tensors or nests of them.
        """
        batch, _ = data.single_batch(x, None, None, device=self._tk_device())
        self._tk_prepare(batch, training=False)
        self.make_predict_function()
        with run_mode(self, False), torch.inference_mode():
            return tree.map_structure(_to_numpy, self.predict_function([batch]))

    # -- what the loops begin with ---------------------------------------------------------------------------------------------------

    def _tk_batches(self, x: Any, y: Any, sample_weight: Any, **options: Any) -> data.Batches:
        place = {"device": self._tk_device(), "rank": rank.rank(), "world_size": rank.world_size()}
        return make_batches(x, y, sample_weight, **place, **options)

    def _tk_validation(self, given: Any, batch_size: int | None, steps: int | None) -> Validation | None:
        """What `fit` validates on."""
        if given is None:
            return None
        x, y, sample_weight = given, None, None
        if isinstance(given, (tuple, list)):
            x, y, sample_weight = unpack_x_y_sample_weight(tuple(given))
        batch_size = batch_size if data.is_array_nest(x) else None
        batches = self._tk_batches(x, y, sample_weight, batch_size=batch_size, steps=steps, seed=0)
        return Validation({"x": x, "y": y, "sample_weight": sample_weight, "batch_size": batch_size, "steps": steps}, batches)

    def _tk_callback_list(
        self, callbacks: Any, verbose: Any, steps: int | None, epochs: int = 1, add_history: bool = False
    ) -> CallbackList:
        verbose = verbosity(verbose)
        if isinstance(callbacks, CallbackList):
            return callbacks
        return CallbackList(
            callbacks, add_history=add_history, add_progbar=verbose != 0, model=self, verbose=verbose, epochs=epochs, steps=steps
        )

    def _tk_prepare(self, batch: Any, training: bool) -> None:
        """Build the model on a batch, and the optimizer; put metrics where the model is."""
        self._tk_build_for_batch(unpack_x_y_sample_weight(batch)[0])
        if training:
            if self.optimizer is None:
                raise ValueError(f"The model {self.name!r} was compiled without an optimizer. Pass one to `compile`.")
            if isinstance(self.optimizer, optimizers.Optimizer):
                self.optimizer.prepare(self.trainable_variables)
        if self.compiled:
            device = self._tk_device()
            for metric in self.metrics:
                if hasattr(metric, "to"):
                    metric.to(device)

    def _tk_build_for_batch(self, x: Any) -> None:
        """Build a model that has not seen its inputs yet on a batch of them."""
        if self.built and all(layer.built for layer in self._flatten_layers()):
            return
        if not self.built and hasattr(self, "_tk_chain"):
            leaf = next(t for t in tree.flatten(x) if isinstance(t, (torch.Tensor, Strings)))
            self.build((None, *leaf.shape[1:]))
            if self._tk_is_graph():
                return
        if not self._tk_has_call():  # its steps call its parts
            return
        state = [(b, b.clone()) for b in self.buffers()]
        try:
            with run_mode(self, False), torch.no_grad():
                self(tree.map_structure(lambda t: t[:2] if isinstance(t, torch.Tensor) and t.ndim else t, x))
        finally:
            with torch.no_grad():
                for buffer, before in state:
                    buffer.copy_(before)


def _concatenated(outputs: list[Any]) -> Any:
    """The outputs of several batches as one nest."""
    if len(outputs) == 1:
        return outputs[0]
    return tree.map_structure(lambda *parts: torch.cat([_tensor(p) for p in parts]), *outputs)


def _tensor(x: Any) -> torch.Tensor:
    if x is None or isinstance(x, str):
        raise ValueError(
            f"The model must return tensors to predict. Received: {x!r} of type {type(x).__name__}. Does `call` end in `return`?"
        )
    return x if isinstance(x, torch.Tensor) else torch.as_tensor(x)


def _to_numpy(x: Any) -> np.ndarray:
    """A tensor as an array, bfloat16 as float32."""
    x = _tensor(x).detach()
    return (x.float() if x.dtype is torch.bfloat16 else x).cpu().numpy()


def _mean(name: str) -> metrics.Mean:
    return metrics.Mean(name=name)


def _make_optimizer(optimizer: Any) -> Any:
    if optimizer is None or isinstance(optimizer, torch.optim.Optimizer):
        return optimizer
    return optimizers.get(optimizer)
