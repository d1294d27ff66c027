"""`compile`, `fit`, `evaluate`, `predict` and the steps that a subclass may override."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

import torch

from .. import dtype_policies, losses, metrics, optimizers, tree
from ..configurable import deserialize_keras_object, serialize_keras_object
from ..data import unpack_x_y_sample_weight
from . import loop
from .compiled import CompiledLoss, CompiledMetrics
from .step import rows_of, to_number


class Trainer:
    """The training half of a model."""

    name: str
    built: bool
    training: bool
    __call__: Callable[..., Any]
    trainable_variables: list[Any]
    compiled: bool
    optimizer: Any
    loss: Any
    stop_training: bool
    history: Any
    jit_compile: bool
    run_eagerly: bool
    steps_per_execution: int
    train_function: Any
    test_function: Any
    predict_function: Any
    _compile_arguments: Any
    _compiled_loss: Any
    _compiled_metrics: Any
    _loss_tracker: Any
    _replica: Any
    _in_replica: bool
    _world: int
    _share: float
    _only_name: list[str] | None
    _flatten_layers: Any
    _device: Any
    zero_grad: Any

    def _init_trainer(self) -> None:
        self.__dict__.update(
            compiled=False, optimizer=None, loss=None, stop_training=False, history=None, jit_compile=False, run_eagerly=False,
            steps_per_execution=1, _compile_arguments=None, _compiled_loss=None, _compiled_metrics=None, _loss_tracker=None,
            _replica=None, _in_replica=False, _world=1, _share=1.0, _only_name=None, train_function=None, test_function=None,
            predict_function=None,
        )  # fmt: skip

    # -- compile ---------------------------------------------------------------------------------------------------------------------

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
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
        if not isinstance(steps_per_execution, int) or steps_per_execution < 1:
            raise ValueError(f"`steps_per_execution` must be a positive integer. Received: steps_per_execution={steps_per_execution!r}")
        if jit_compile not in (True, False, "auto", None):
            raise ValueError(f"`jit_compile` must be True, False or 'auto'. Received: jit_compile={jit_compile!r}")
        if run_eagerly and jit_compile is True:
            raise ValueError("`run_eagerly=True` and `jit_compile=True` exclude each other. Received both.")
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
        _check_names(loss, metrics, weighted_metrics)
        self.__dict__.update(
            optimizer=made, loss=loss, jit_compile=jit_compile is True, run_eagerly=run_eagerly, compiled=True, stop_training=False,
            steps_per_execution=steps_per_execution, _compile_arguments=arguments, _compiled_loss=compiled_loss,
            _compiled_metrics=CompiledMetrics(metrics, weighted_metrics), _loss_tracker=_mean("loss"),
            train_function=None, test_function=None, predict_function=None, _only_name=None,
        )  # fmt: skip

    def get_compile_config(self) -> dict[str, Any] | None:
        """The arguments of `compile` as plain data; `None` before it."""
        if not self.compiled:
            return None
        kept = {k: v for k, v in self._compile_arguments.items() if k != "auto_scale_loss"}
        if not isinstance(kept["optimizer"], (str, dict, optimizers.Optimizer)):
            warnings.warn(
                "The optimizer of the model is torch's own and is not saved with it. Compile the loaded model again.", stacklevel=2
            )
            return None
        if isinstance(kept["optimizer"], str):
            kept["optimizer"] = self.optimizer
        return {k: serialize_keras_object(v) for k, v in kept.items()}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile with what `get_compile_config` returned, and make the optimizer's state."""
        self.compile(**{k: deserialize_keras_object(v) for k, v in config.items()})
        if self.built and hasattr(self.optimizer, "build"):
            self.optimizer.build(self.trainable_variables)

    def _check_compiled(self, method: str) -> None:
        if not self.compiled:
            raise ValueError(f"The model {self.name!r} must be compiled before `{method}`. Call `model.compile(optimizer, loss)` first.")

    # -- metrics ---------------------------------------------------------------------------------------------------------------------

    @property
    def metrics(self) -> list[Any]:
        """The loss, the losses of several outputs, what `compile` was given, and metrics that are attributes of layers."""
        found: list[Any] = []
        if self.compiled:
            found.append(self._loss_tracker)
            if self._compiled_loss is not None:
                found += self._compiled_loss.trackers
            found += self._compiled_metrics.metrics
        own = {id(m): m for layer in self._flatten_layers() for m in layer._metrics}
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

    def _update_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any) -> None:
        compiled = self._compiled_metrics
        if compiled.entries is None:
            self._build_metrics(y, y_pred)
        if compiled.entries and y is not None and self._share:  # a process without samples of this batch has a stand-in row
            compiled.update(y, y_pred, sample_weight, self._output_names(y_pred))

    def _build_metrics(self, y: Any, y_pred: Any) -> None:
        loss_of = self._compiled_loss.loss_of if self._compiled_loss is not None else lambda i: None
        self._compiled_metrics.build(y, y_pred, self._output_names(y_pred), loss_of)
        for metric in self._compiled_metrics.metrics:
            if hasattr(metric, "to"):
                metric.to(self._device())

    def _output_names(self, y_pred: Any) -> list[str]:
        if isinstance(y_pred, torch.Tensor):
            if self._only_name is None:
                self._only_name = list(getattr(self, "output_names", None) or ["output"])[:1]
            return self._only_name
        if isinstance(y_pred, dict):
            return sorted(y_pred)
        names = getattr(self, "output_names", None)
        count = len(tree.flatten(y_pred))
        return list(names) if names and len(names) == count else [f"output_{i}" for i in range(count)]

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
        if self._compiled_loss is not None and y is not None:
            names = self._output_names(y_pred)
            total = self._compiled_loss(y, y_pred, sample_weight, names, self._world, self._share)
            if self._compiled_metrics.entries is None:
                self._build_metrics(y, y_pred)  # an overridden `train_step` finds them in `self.metrics`
        elif self._compiled_loss is not None:
            raise ValueError("`y` must be given: the model was compiled with a loss. Received: y=None")
        for extra in loop.extra_losses(self):
            extra = extra.sum() if extra.ndim else extra
            total = extra if total is None else total + extra
        if total is None:
            raise ValueError("There is no loss to train on. Pass `loss=` to `compile`, or call `add_loss` in the model.")
        return total

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Add a batch to the metrics and return their results."""
        with torch.no_grad():
            self._update_metrics(x, y, y_pred, sample_weight)
        return self.get_metrics_result()

    def train_step(self, data: Any) -> dict[str, Any]:
        """One step of training. Override it for a loop of your own; return a dict of numbers or scalar tensors.

        Args:
            data: A batch, as the data set yields it.
        """
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        y_pred = self(x, training=True)
        loss = self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=True)
        self._loss_tracker.update_state(loss.detach(), sample_weight=float(rows_of(x)))
        scale = getattr(self.optimizer, "scale_loss", None)
        self.zero_grad()
        (scale(loss) if scale is not None else loss).backward()
        loop.apply_gradients(self)
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def test_step(self, data: Any) -> dict[str, Any]:
        """One step of evaluation. See `train_step`."""
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        y_pred = self(x, training=False)
        loss = self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=False)
        self._loss_tracker.update_state(loss.detach(), sample_weight=float(rows_of(x)))
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def predict_step(self, data: Any) -> Any:
        """One step of prediction. See `train_step`."""
        x, _, _ = unpack_x_y_sample_weight(data)
        return self(x, training=False)

    def make_train_function(self, force: bool = False) -> Any:
        """The function that runs one step of training on a batch; kept until `compile` or `force`."""
        if self.train_function is None or force:
            self.train_function = loop.make_train_function(self)
        return self.train_function

    def make_test_function(self, force: bool = False) -> Any:
        """The function that runs one step of evaluation on a batch."""
        if self.test_function is None or force:
            self.test_function = loop.make_test_function(self)
        return self.test_function

    def make_predict_function(self, force: bool = False) -> Any:
        """The function that runs one step of prediction on a batch."""
        if self.predict_function is None or force:
            self.predict_function = loop.make_predict_function(self)
        return self.predict_function

    def _uses(self, *methods: str) -> bool:
        """Whether the class leaves these methods as they are here."""
        return all(getattr(type(self), m) is getattr(Trainer, m) for m in methods)

    # -- loops -----------------------------------------------------------------------------------------------------------------------

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool | str = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Iterable[int] = 1,
    ) -> Any:
        """Train for a number of epochs.

        Args:
            x: Arrays, tensors, nests of them; a torch `DataLoader` or `Dataset`; a generator; a `PyDataset`.
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
            validation_batch_size: As `batch_size`, for validation.
            validation_freq: Every how many epochs, or after which, there is a validation.

        Returns:
            A `History`.
        """
        self._check_compiled("fit")
        return loop.fit(
            self, x, y, batch_size, epochs, verbose, callbacks, validation_split, validation_data, shuffle, class_weight, sample_weight,
            initial_epoch, steps_per_epoch, validation_steps, validation_batch_size, validation_freq,
        )  # fmt: skip

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        **kwargs: Any,
    ) -> Any:
        """The loss and metrics on data; arguments as for `fit`.

        Returns:
            A number; a list of numbers, the loss first and metrics by name; or with `return_dict` a dict.
        """
        self._check_compiled("evaluate")
        batches = kwargs.pop("_batches", None)
        if kwargs:
            raise ValueError(f"Unrecognized keyword arguments passed to evaluate: {', '.join(kwargs)}")
        logs = loop.evaluate(self, x, y, batch_size, verbose, sample_weight, steps, callbacks, batches)
        if return_dict:
            return logs
        return self._flat_values(logs)

    def _flat_values(self, logs: dict[str, Any]) -> Any:
        """The values of `logs` as Keras lists them: the loss, metrics of layers, losses of outputs, then the others by name."""
        compiled = {m.name for m in self._compiled_metrics.metrics}
        own = [m.name for m in self.metrics if m.name in logs and m.name not in compiled]
        trackers = {m.name for m in self._compiled_loss.trackers} if self._compiled_loss is not None else set()
        own = [n for n in own if n not in trackers] + [n for n in own if n in trackers]
        values = [logs[n] for n in (*own, *sorted(set(logs) - set(own)))]
        return values[0] if len(values) == 1 else values

    def predict(
        self, x: Any, batch_size: int | None = None, verbose: str | int = "auto", steps: int | None = None, callbacks: Any = None
    ) -> Any:
        """The outputs for data, as NumPy arrays in the nest that the model returns; arguments as for `fit`."""
        return loop.predict(self, x, batch_size, verbose, steps, callbacks)

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: dict[int, float] | None = None, return_dict: bool = False
    ) -> Any:
        """One update on one batch; returns the loss and metrics of that batch."""
        self._check_compiled("train_on_batch")
        logs = {k: to_number(v) for k, v in loop.train_on_batch(self, x, y, sample_weight, class_weight).items()}
        return logs if return_dict else self._flat_values(logs)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """The loss and metrics of one batch."""
        self._check_compiled("test_on_batch")
        logs = {k: to_number(v) for k, v in loop.test_on_batch(self, x, y, sample_weight).items()}
        return logs if return_dict else self._flat_values(logs)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch, as NumPy arrays."""
        return loop.predict_on_batch(self, x)


def _mean(name: str) -> metrics.Mean:
    return metrics.Mean(name=name)


def _make_optimizer(optimizer: Any) -> Any:
    if optimizer is None or isinstance(optimizer, torch.optim.Optimizer):
        return optimizer
    return optimizers.get(optimizer)


def _check_names(loss: Any, *metric_nests: Any) -> None:
    """Resolve every name now, so that a misspelt one is reported by `compile` and not by `fit`."""
    from_names = [n for n in tree.flatten(loss) if isinstance(n, str)]
    for name in from_names:
        losses.get(name)
    for nest in metric_nests:
        for name in tree.flatten(nest):
            if isinstance(name, str) and name not in ("accuracy", "acc", "crossentropy", "ce"):
                metrics.get(name)


