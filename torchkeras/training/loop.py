"""The loops of `fit`, `evaluate` and `predict`."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from .. import config, data, random, tree
from ..callbacks.callback import CallbackList
from ..data import make_batches, unpack_x_y_sample_weight
from ..distribution import rank
from ..layers.call import losses_pending, mode
from ..metrics import sync_metrics
from . import capture, ddp
from .step import BatchLogs, TrainStep, rows_of, to_number

# -- losses and updates ---------------------------------------------------------------------------------------------------------------


def extra_losses(model: Any) -> list[torch.Tensor]:
    """What layers added in the last call, and the regularization; walks the model only if there may be something."""
    if losses_pending() or model.__dict__.get("_has_regularizers", True):
        return model.losses
    return []


def apply_gradients(model: Any) -> None:
    """Let the model's optimizer use the `.grad` of its parameters."""
    optimizer = model.optimizer
    if hasattr(optimizer, "apply_stored"):
        if not optimizer.built:
            optimizer.build(model.trainable_variables)
        optimizer.apply_stored()
    else:
        optimizer.step()


# -- preparing ------------------------------------------------------------------------------------------------------------------------


def build_on(model: Any, x: Any) -> None:
    """Build a model that has not seen its inputs yet on a batch of them."""
    layers = model._flatten_layers()
    if model.built and all(layer.built for layer in layers):
        return
    if not model.built and hasattr(model, "_chain"):
        leaf = next(t for t in tree.flatten(x) if isinstance(t, torch.Tensor))
        model.build((None, *leaf.shape[1:]))
        if model._plan is not None:
            return
    state = [(b, b.clone()) for b in model.buffers()]
    try:
        with mode(model, False), torch.no_grad():
            model(_first_rows(x, 2))
    finally:
        with torch.no_grad():
            for buffer, before in state:
                buffer.copy_(before)


def _first_rows(x: Any, count: int) -> Any:
    return tree.map_structure(lambda t: t[:count] if isinstance(t, torch.Tensor) and t.ndim else t, x)


def prepare(model: Any, x: Any, training: bool) -> None:
    """Build model and optimizer, place metrics, and look up once what the step must not look up."""
    build_on(model, x)
    model.__dict__["_has_regularizers"] = any(w.regularizer is not None for w in model.trainable_weights)
    device = model._device()
    if training:
        optimizer = model.optimizer
        if optimizer is None:
            raise ValueError(f"The model {model.name!r} was compiled without an optimizer. Pass one to `compile`.")
        if hasattr(optimizer, "build") and not optimizer.built:
            optimizer.build(model.trainable_variables)
    if model.compiled:
        for metric in model.metrics:
            if hasattr(metric, "to"):
                metric.to(device)


def make_train_function(model: Any) -> Callable[[Any, float], dict[str, Any]]:
    """`step(batch, rows) -> logs`, by the shortest way that the model's overrides allow."""
    if model.jit_compile and not model._uses("train_step", "compute_metrics"):
        warnings.warn(
            f"The model {model.name!r} overrides `train_step` or `compute_metrics`, whose step runs eagerly: `jit_compile=True` captures "
            "the step that `fit` itself makes. Pass `jit_compile=False` to `compile`.",
            stacklevel=4,
        )
    if not model._uses("train_step"):

        def overridden(batch: Any, rows: float) -> dict[str, Any]:
            return model.train_step(batch)

        return overridden
    if not model._uses("compute_metrics"):

        def with_own_metrics(batch: Any, rows: float) -> dict[str, Any]:
            x, y, sample_weight = unpack_x_y_sample_weight(batch)
            loss, y_pred = step.forward(x, y, sample_weight)
            step.record(loss, rows)
            (loss if step.loss_scale is None else step.loss_scale(loss)).backward()
            step.update(int(rows))
            return model.compute_metrics(x, y, y_pred, sample_weight)

        step = TrainStep(model)
        return with_own_metrics
    step = TrainStep(model)
    logs = BatchLogs(model.get_metrics_result)
    run: Callable = capture.CapturedStep(step) if model.jit_compile else step

    def default(batch: Any, rows: float) -> dict[str, Any]:
        x, y, sample_weight = unpack_x_y_sample_weight(batch)
        run(x, y, sample_weight, rows)
        logs.stale = True
        return logs

    return default


def make_test_function(model: Any) -> Callable[[Any, float], dict[str, Any]]:
    """As `make_train_function`, for evaluation."""
    if not model._uses("test_step", "compute_metrics"):
        return lambda batch, rows: model.test_step(batch)
    logs = BatchLogs(model.get_metrics_result)
    tracker = model._loss_tracker
    total, count = tracker.variables[:2]

    def default(batch: Any, rows: float) -> dict[str, Any]:
        x, y, sample_weight = unpack_x_y_sample_weight(batch)
        y_pred = model(x)
        loss = model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=False)
        total.add_(loss, alpha=rows)
        count.add_(rows)
        model._update_metrics(x, y, y_pred, sample_weight)
        logs.stale = True
        return logs

    return default


def make_predict_function(model: Any) -> Callable[[Any], Any]:
    """As `make_train_function`, for prediction."""
    if not model._uses("predict_step"):
        return model.predict_step
    return lambda batch: model(unpack_x_y_sample_weight(batch)[0])


@contextlib.contextmanager
def replicated(model: Any, training: bool) -> Iterator[None]:
    """Under torchrun, the model as one of several replicas for a while."""
    if rank.world_size() == 1:
        yield
        return
    previous = model._world
    model.__dict__["_world"] = rank.world_size()
    if training:
        model.__dict__["_replica"] = ddp.wrap(model, unused=model.__dict__.get("_plan") is None)
    try:
        yield
    finally:
        model.__dict__["_world"] = previous
        if training:
            model.__dict__["_replica"] = None


def rows_for(model: Any, batch: Any, size: int, world: int) -> tuple[Any, float]:
    """The batch and how many samples it counts for; a process without samples gets one row that counts for none."""
    if world == 1:
        return batch, size
    x = unpack_x_y_sample_weight(batch)[0]
    local = rows_of(x)
    model.__dict__["_share"] = local / size
    if local == 0:
        batch = tree.map_structure(lambda t: t.new_zeros((1, *t.shape[1:])) if isinstance(t, torch.Tensor) and t.ndim else t, batch)
    return batch, size / world


# -- fit ------------------------------------------------------------------------------------------------------------------------------


def fit(
    model: Any, x: Any, y: Any, batch_size: int | None, epochs: int, verbose: Any, callbacks: Any, validation_split: float,
    validation_data: Any, shuffle: Any, class_weight: Any, sample_weight: Any, initial_epoch: int, steps_per_epoch: int | None,
    validation_steps: int | None, validation_batch_size: int | None, validation_freq: Any,
) -> Any:  # fmt: skip
    """See `Trainer.fit`."""
    for name, value in (("epochs", epochs), ("initial_epoch", initial_epoch)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise ValueError(f"`{name}` must be an integer, 0 or more. Received: {name}={value!r}")
    most = config.max_epochs()
    if most is not None:
        epochs = min(epochs, most)
    distributed = ddp.start()
    if validation_split and validation_data is None:
        (x, y, sample_weight), validation_data = data.train_validation_split((x, y, sample_weight), validation_split)
    seed = ddp.broadcast(random.draw_seed()) if distributed else None
    batches = make_batches(
        x, y, sample_weight, batch_size=batch_size, steps=steps_per_epoch, shuffle=shuffle, class_weight=class_weight,
        device=model._device(), initial_epoch=initial_epoch, rank=rank.rank(), world_size=rank.world_size(), seed=seed,
    )  # fmt: skip
    prepare(model, unpack_x_y_sample_weight(batches.peek())[0], training=True)
    model.stop_training = False
    validation = _validation_batches(model, validation_data, validation_batch_size or batch_size, validation_steps)
    step = model.make_train_function()
    verbose = _verbosity(verbose)
    runner = callbacks if isinstance(callbacks, CallbackList) else CallbackList(
        callbacks, add_history=True, add_progbar=verbose != 0, model=model, verbose=verbose, epochs=epochs, steps=batches.steps
    )  # fmt: skip
    logs: dict[str, Any] = {}
    runner.on_train_begin()
    try:
        with mode(model, True), replicated(model, training=True):
            for epoch in range(initial_epoch, epochs):
                model.reset_metrics()
                runner.on_epoch_begin(epoch)
                batch_logs = _epoch(model, batches, step, runner)
                if hasattr(model.optimizer, "flush"):
                    model.optimizer.flush()  # an incomplete window of accumulated gradients ends with the epoch, as a large batch would
                logs = _epoch_logs(model, batch_logs)
                if validation is not None and _validates(epoch, validation_freq):
                    values = evaluate(model, None, None, None, 0, None, None, runner, validation)
                    logs.update({f"val_{k}": v for k, v in values.items()})
                runner.on_epoch_end(epoch, logs)
                if distributed:
                    model.stop_training = ddp.broadcast(model.stop_training)
                if model.stop_training:
                    break
    finally:
        model.__dict__.update(_world=1, _share=1.0)
        for p in model.parameters():
            p.grad = None
    if getattr(model.optimizer, "use_ema", False) and epochs > 0:
        model.optimizer.finalize_variable_values(model.trainable_weights)
    runner.on_train_end(logs)
    return model.history


def _epoch(model: Any, batches: Any, step: Callable, runner: CallbackList) -> dict[str, Any]:
    begin = runner.on_train_batch_begin if runner.wants["on_train_batch_begin"] else None
    end = runner.on_train_batch_end if runner.wants["on_train_batch_end"] else None
    world, every = model._world, model.steps_per_execution
    logs: dict[str, Any] = {}
    for number, (batch, size) in enumerate(batches):
        if begin is not None and number % every == 0:
            begin(number)
        if world > 1:
            batch, size = rows_for(model, batch, size, world)
        logs = step(batch, size)
        if end is not None and (number + 1) % every == 0:
            end(number, logs)
        if model.stop_training:
            break
    if end is not None and logs and (number + 1) % every:
        end(number, logs)
    return logs


def _epoch_logs(model: Any, logs: dict[str, Any]) -> dict[str, Any]:
    """The logs of an epoch as numbers, over all processes."""
    if isinstance(logs, BatchLogs):
        if model._world > 1:
            sync_metrics(model.metrics)
        for metric in model.metrics:
            if hasattr(metric, "check"):
                metric.check()
        logs = model.get_metrics_result()
    return {k: to_number(v) for k, v in (logs or {}).items()}


def _validates(epoch: int, frequency: Any) -> bool:
    if isinstance(frequency, int):
        if frequency < 1:
            raise ValueError(f"`validation_freq` must be a positive integer or a list of epochs. Received: {frequency}")
        return (epoch + 1) % frequency == 0
    return epoch + 1 in set(frequency)


def _validation_batches(model: Any, validation_data: Any, batch_size: int | None, steps: int | None) -> Any:
    if validation_data is None:
        return None
    x, y, sample_weight = validation_data, None, None
    if isinstance(validation_data, (tuple, list)):
        x, y, sample_weight = unpack_x_y_sample_weight(tuple(validation_data))
    arrays = data.is_array_nest(x)
    return make_batches(
        x, y, sample_weight, batch_size=batch_size if arrays else None, steps=steps, device=model._device(), rank=rank.rank(),
        world_size=rank.world_size(), seed=0,
    )  # fmt: skip


def _verbosity(verbose: Any) -> int:
    if verbose == "auto":
        verbose = 1
    if verbose not in (0, 1, 2, True, False):
        raise ValueError(f"`verbose` must be 0, 1, 2 or 'auto'. Received: verbose={verbose!r}")
    return int(verbose) if rank.is_main() else 0


# -- evaluate and predict -------------------------------------------------------------------------------------------------------------


def evaluate(
    model: Any, x: Any, y: Any, batch_size: int | None, verbose: Any, sample_weight: Any, steps: int | None, callbacks: Any, batches: Any
) -> dict[str, Any]:
    """See `Trainer.evaluate`; returns the logs."""
    ddp.start()
    if batches is None:
        batches = make_batches(
            x, y, sample_weight, batch_size=batch_size, steps=steps, device=model._device(), rank=rank.rank(),
            world_size=rank.world_size(), seed=0,
        )  # fmt: skip
        prepare(model, unpack_x_y_sample_weight(batches.peek())[0], training=False)
    else:
        batches.restart()
    step = model.make_test_function()
    verbose = _verbosity(verbose)
    runner = callbacks if isinstance(callbacks, CallbackList) else CallbackList(
        callbacks, add_progbar=verbose != 0, model=model, verbose=verbose, epochs=1, steps=batches.steps
    )  # fmt: skip
    begin = runner.on_test_batch_begin if runner.wants["on_test_batch_begin"] else None
    end = runner.on_test_batch_end if runner.wants["on_test_batch_end"] else None
    logs: dict[str, Any] = {}
    runner.on_test_begin()
    with mode(model, False), torch.no_grad(), replicated(model, training=False):
        world = model._world
        model.reset_metrics()
        for number, (batch, size) in enumerate(batches):
            if begin is not None:
                begin(number)
            if world > 1:
                batch, size = rows_for(model, batch, size, world)
            logs = step(batch, size)
            if end is not None:
                end(number, logs)
            if getattr(model, "stop_evaluating", False):
                break
        logs = _epoch_logs(model, logs)
    runner.on_test_end(logs)
    return logs


def predict(model: Any, x: Any, batch_size: int | None, verbose: Any, steps: int | None, callbacks: Any) -> Any:
    """See `Trainer.predict`."""
    batches = make_batches(x, batch_size=batch_size, steps=steps, device=model._device())
    build_on(model, unpack_x_y_sample_weight(batches.peek())[0])
    step = model.make_predict_function()
    verbose = _verbosity(verbose)
    runner = callbacks if isinstance(callbacks, CallbackList) else CallbackList(
        callbacks, add_progbar=verbose != 0, model=model, verbose=verbose, epochs=1, steps=batches.steps
    )  # fmt: skip
    begin = runner.on_predict_batch_begin if runner.wants["on_predict_batch_begin"] else None
    end = runner.on_predict_batch_end if runner.wants["on_predict_batch_end"] else None
    collected: list[Any] = []
    runner.on_predict_begin()
    with mode(model, False), torch.inference_mode():
        for number, (batch, _) in enumerate(batches):
            if begin is not None:
                begin(number)
            outputs = step(batch)
            collected.append(outputs)
            if end is not None:
                end(number, {"outputs": outputs})
        result = _joined(collected)
    runner.on_predict_end()
    return result


def _joined(collected: list[Any]) -> Any:
    if not collected:
        raise ValueError("`x` must yield at least one batch to predict. Received an empty data set.")
    return tree.map_structure(lambda *parts: to_numpy(parts[0] if len(parts) == 1 else torch.cat([_tensor(p) for p in parts])), *collected)


def _tensor(x: Any) -> torch.Tensor:
    return x if isinstance(x, torch.Tensor) else torch.as_tensor(x)


def to_numpy(x: Any) -> np.ndarray:
    """A tensor as an array, bfloat16 as float32."""
    x = _tensor(x).detach()
    return (x.float() if x.dtype is torch.bfloat16 else x).cpu().numpy()


# -- single batches ---------------------------------------------------------------------------------------------------------------------


def _one_batch(model: Any, x: Any, y: Any, sample_weight: Any, class_weight: Any = None) -> tuple[Any, int]:
    return data.single_batch(x, y, sample_weight, class_weight=class_weight, device=model._device())


def train_on_batch(model: Any, x: Any, y: Any, sample_weight: Any, class_weight: Any) -> dict[str, Any]:
    """See `Trainer.train_on_batch`."""
    batch, rows = _one_batch(model, x, y, sample_weight, class_weight)
    prepare(model, unpack_x_y_sample_weight(batch)[0], training=True)
    step = model.make_train_function()
    model.reset_metrics()
    with mode(model, True):
        return dict(step(batch, rows).items())


def test_on_batch(model: Any, x: Any, y: Any, sample_weight: Any) -> dict[str, Any]:
    """See `Trainer.test_on_batch`."""
    batch, rows = _one_batch(model, x, y, sample_weight)
    prepare(model, unpack_x_y_sample_weight(batch)[0], training=False)
    step = model.make_test_function()
    model.reset_metrics()
    with mode(model, False), torch.no_grad():
        return dict(step(batch, rows).items())


def predict_on_batch(model: Any, x: Any) -> Any:
    """See `Trainer.predict_on_batch`."""
    batch, _ = _one_batch(model, x, None, None)
    build_on(model, unpack_x_y_sample_weight(batch)[0])
    step = model.make_predict_function()
    with mode(model, False), torch.inference_mode():
        return tree.map_structure(to_numpy, step(batch))


