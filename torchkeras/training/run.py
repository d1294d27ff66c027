"""One run of `fit`, `evaluate` or `predict`: the loop over batches, what a step may ask about it, and its results."""

from __future__ import annotations

import contextlib
import itertools
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, cast

import torch

from .. import tree
from ..callbacks.callback import CallbackList
from ..data import Batches, unpack_x_y_sample_weight
from ..distribution import rank, reduce, shard
from ..distribution.shard import Shard
from ..layers.call import mode
from ..metrics import sync_metrics
from . import ddp
from .step import LazyLogs, Trainable, rows_of, test, to_number, train


class Runnable(Trainable, Protocol):
    """What a run asks of a model."""

    loss: Any
    stop_training: bool
    stop_evaluating: bool
    stop_predicting: bool
    steps_per_execution: int

    @property
    def weights(self) -> list[Any]:
        """All weights."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop all gradients."""

    def reset_metrics(self) -> None:
        """Forget what the metrics have seen."""

    def train_step(self, data: Any) -> dict[str, Any]:
        """One step of training."""

    def test_step(self, data: Any) -> dict[str, Any]:
        """One step of evaluation."""

    def predict_step(self, data: Any) -> Any:
        """One step of prediction."""

    def _tk_is_graph(self) -> bool: ...


@dataclass(frozen=True)
class Kind:
    """What sets the three runs apart.

    Args:
        hook: The word in the names of the callbacks' methods.
        stop: The attribute of a model that ends the run.
        training: Whether weights are updated.
    """

    hook: str
    stop: str
    training: bool = False


TRAIN = Kind("train", "stop_training", training=True)
TEST = Kind("test", "stop_evaluating")
PREDICT = Kind("predict", "stop_predicting")


class Execution(list):
    """The batches of one execution: what `train_function` and its kin receive. A list, and an iterator over itself."""

    def __next__(self) -> Any:
        if not self:
            raise StopIteration
        return self.pop(0)


@dataclass
class Validation:
    """The data that `fit` validates on, whose batches are made once.

    Args:
        arguments: What `evaluate` receives of it.
        batches: The batches.
    """

    arguments: dict[str, Any]
    batches: Batches

    def serves(self, **arguments: Any) -> bool:
        """Whether an `evaluate` with these arguments goes over this data."""
        return all(arguments[name] is self.arguments[name] for name in arguments)


@dataclass
class Run:
    """A run in this thread: enter it, and call `epoch` as often as it has epochs.

    Args:
        model: A compiled and built model.
        batches: Its data.
        callbacks: Its callbacks.
        kind: Training, evaluation or prediction.
        function: Runs one execution and returns its logs, or outputs.
        validation: What `fit` validates on.
        shard: This process's part of the batches.
        regularized: The weights of the model that have a regularizer, looked up at the beginning of each epoch.
    """

    model: Runnable
    batches: Batches
    callbacks: CallbackList
    kind: Kind
    function: Callable[[Execution], Any]
    validation: Validation | None = None
    shard: Shard = field(default_factory=Shard)
    regularized: list[Any] = field(default_factory=list)
    _asks: bool = field(default=False, init=False)  # whether a callback may stop one process between two batches
    _ended: bool = field(default=False, init=False)  # whether the last step knew that it was
    _empty: bool = field(default=False, init=False)  # whether the last epoch had no batch
    _reducer: ddp.Reducer | None = field(default=None, init=False)
    _statistics: ddp.Statistics | None = field(default=None, init=False)
    _extent: tuple[int, int] | None = field(default=None, init=False)
    _current: ClassVar[threading.local] = threading.local()

    @classmethod
    def current(cls) -> Run | None:
        """The run in progress in this thread."""
        return getattr(cls._current, "run", None)

    @contextlib.contextmanager
    def started(self) -> Iterator[Run]:
        """The run in progress, its model in the mode that it needs and, under torchrun, its gradients those of all processes."""
        if self.kind is not PREDICT and rank.world_size() > 1:
            self._share()
        grad = torch.enable_grad() if self.kind.training else torch.no_grad() if self.kind is TEST else torch.inference_mode()
        before, Run._current.run = Run.current(), self
        try:
            with shard.use(self.shard), run_mode(self.model, self.kind.training), grad:
                yield self
        except BaseException:
            self.callbacks.leave()
            raise
        finally:
            Run._current.run = before
            if self._reducer is not None:
                self._reducer.stop()
            if self.kind.training:
                self.model.zero_grad()

    def _share(self) -> None:
        """Work on a part of each batch, as every process does."""
        self.shard.world = rank.world_size()
        wants = self.callbacks.wants
        self._extent = self.batches.source.extent
        ddp.check_extents(self._extent, self.batches.steps)
        self._asks = ddp.any_of(any(wants[f"on_{self.kind.hook}_batch_{when}"] for when in ("begin", "end")))
        if self.kind.training:
            ddp.same_state(self.model)
            self._statistics = ddp.Statistics(self.model)
            self._reducer = ddp.Reducer(self.shard, whole=self.model._tk_is_graph() and not self.model._tk_overrides("train_step"))

    # -- the loop -----------------------------------------------------------------------------------------------------------------------

    def epoch(self, take: Callable[[Any], Any] | None = None) -> Any:
        """Go once over the batches; what the last execution returned.

        Args:
            take: Is given what each execution returns.
        """
        model, kind, function, wants = self.model, self.kind, self.function, self.callbacks.wants
        self.regularized = [w for w in model.weights if w.regularizer is not None]
        if self._reducer is not None:
            self._reducer.watch(model.parameters())
        name = f"on_{kind.hook}_batch_"
        begin = getattr(self.callbacks, name + "begin") if wants[name + "begin"] else None
        end = getattr(self.callbacks, name + "end") if wants[name + "end"] else None
        outcome: Any = None
        self._empty = True
        for first, execution, last in self._executions():
            self._empty = False
            if begin is not None:
                begin(first, {})
            outcome = function(execution) if self.shard.world == 1 else self._shared(execution, last)
            if take is not None:
                take(outcome)
            if end is not None:
                end(first + len(execution) - 1, {"outputs": outcome} if kind is PREDICT else outcome)
                if outcome.__class__ is LazyLogs and sys.getrefcount(outcome) > 2:
                    outcome.settle()  # somebody keeps them
            stopped = getattr(model, kind.stop)
            if ddp.any_of(stopped) if self._asks else stopped:
                setattr(model, kind.stop, True)
                break
        return outcome

    def _executions(self) -> Iterator[tuple[int, Execution, bool]]:
        """The number of its first batch, the batches, and whether it is known to be the last, for each execution."""
        every = self.model.steps_per_execution
        if self.shard.world > 1:
            sized = iter(self.batches)
            ahead, number = self._read(sized, every, 0), 0
            while ahead:
                group, ahead = ahead, self._read(sized, every, number + len(ahead))
                yield number, Execution(group), not ahead
                number += len(group)
        elif every == 1:
            for number, (batch, _) in enumerate(self.batches):
                yield number, Execution((batch,)), False
        else:
            plain = enumerate(batch for batch, _ in self.batches)
            while group := list(itertools.islice(plain, every)):
                yield group[0][0], Execution(batch for _, batch in group), False

    def _read(self, batches: Iterator[tuple[Any, int]], count: int, number: int) -> list[tuple[Any, int]]:
        """The next batches, so many, of which every process has read its part: where one reads others, all of them fail."""
        group = list(itertools.islice(batches, count))
        if self._extent is None:
            ddp.check_batches([size for _, size in group], count, number)
        return group

    def _shared(self, execution: Execution, last: bool) -> Any:
        """Run this process's parts of the batches; without a sample of one, on a row that counts for none."""
        outcome: Any = None
        for i, (batch, size) in enumerate(execution):
            part = self.shard
            part.rows, part.size = rows_of(unpack_x_y_sample_weight(batch)[0]), size
            part.last = last and i == len(execution) - 1
            try:
                if part.rows:
                    outcome = self.function(Execution((batch,)))
                else:
                    with _uncounted(self.model, part):
                        outcome = self.function(Execution((tree.map_structure(_one_row, batch),)))
            finally:
                self._ended, part.last = part.last, False
        return outcome

    def join_statistics(self) -> None:
        """Give every process what layers counted in all of them."""
        if self._statistics is not None:
            self._statistics.join()

    # -- results ------------------------------------------------------------------------------------------------------------------------

    def results(self, logs: Any) -> dict[str, Any]:
        """The logs of an epoch as numbers, over all processes: what the metrics say, or what an overridden step last returned; none for
        an epoch without a batch.

        Args:
            logs: What `epoch` returned.
        """
        model = self.model
        if self._empty:
            return {}
        own = {} if logs is None or isinstance(logs, LazyLogs) else {k: to_number(v) for k, v in logs.items()}
        parallel = self.shard.world > 1
        if parallel:
            sync_metrics(model.metrics)
        for metric in model.metrics:
            if hasattr(metric, "check"):
                metric.check()
        values = {k: to_number(v) for k, v in model.get_metrics_result().items()}
        if not own or set(own) == set(values):
            return values
        if not parallel:
            return own
        # In the last step of an epoch metrics told their results over all processes; one that a callback made the last knew only its own.
        return {k: values[k] if k in values and not self._ended else self._joined(v) for k, v in own.items()}

    def _joined(self, number: Any) -> Any:
        """What processes report of their parts of the last batch, as one."""
        mean = torch.as_tensor(number, dtype=torch.float64)
        weighted = mean * self.shard.share if self.shard.rows else torch.zeros_like(mean)
        return to_number(reduce.all_reduce(weighted.to(rank.default_device()), "sum"))


def _one_row(leaf: Any) -> Any:
    return leaf.new_zeros((1, *leaf.shape[1:])) if isinstance(leaf, torch.Tensor) and leaf.ndim else leaf


def run_mode(model: Trainable, training: bool) -> mode:
    """`model` and what it calls in this thread in training or in inference mode, for a while."""
    return mode(cast(torch.nn.Module, model), training)


@contextlib.contextmanager
def _uncounted(model: Runnable, part: Shard) -> Iterator[None]:
    """Metrics and statistics stay as they are, whatever a step on a row that counts for none does to them."""
    known = list(model.metrics)
    state = [*model.buffers(), *(v for m in known for v in m.state)]
    saved = [t.detach().clone() for t in state]

    def uncount() -> None:
        for metric in model.metrics:
            if not any(metric is m for m in known):  # made by this step
                metric.reset_state()
        with torch.no_grad():
            for tensor, before in zip(state, saved):
                tensor.detach().copy_(before)

    part.uncount = uncount
    try:
        yield
    finally:
        part.uncount = None
        uncount()


# -- what `make_train_function` and its kin make --------------------------------------------------------------------------------------


class StepFunction:
    """Runs the step of a model on the batches of one execution; keeps nothing that a change of the model would make wrong.

    Args:
        model: The model.
        step: One step: from the model and a batch to logs or outputs.
        join: Makes one of what several steps returned; the last stands for all without it.
    """

    def __init__(self, model: Runnable, step: Callable[[Any, Any], Any], join: Callable[[list[Any]], Any] | None = None) -> None:
        self._model, self.step, self.join = weakref.ref(model), step, join

    def __call__(self, data: Any) -> Any:
        """Run an execution.

        Args:
            data: A list of batches, or an iterator that batches are drawn from.
        """
        model = self._model()
        if data.__class__ is Execution and len(data) == 1:
            return self.step(model, data[0])
        assert model is not None
        if not isinstance(data, list):
            data = list(itertools.islice(data, model.steps_per_execution))
        outcomes = [self.step(model, batch) for batch in data]
        return self.join(outcomes) if self.join is not None and len(outcomes) > 1 else outcomes[-1]


def train_once(model: Runnable, batch: Any) -> dict[str, Any]:
    """The model's `train_step`; where it is not overridden its logs are computed when they are read."""
    if model._tk_overrides("train_step"):
        return _checked_logs(model.train_step(batch), "train_step")
    return logs_of(model, train(model, batch))


def test_once(model: Runnable, batch: Any) -> dict[str, Any]:
    """The model's `test_step`; where it is not overridden its logs are computed when they are read."""
    if torch.is_grad_enabled():  # by hand
        with torch.no_grad():
            return test_once(model, batch)
    if model._tk_overrides("test_step"):
        return _checked_logs(model.test_step(batch), "test_step")
    return logs_of(model, test(model, batch))


def _checked_logs(logs: Any, method: str) -> dict[str, Any]:
    """What an overridden step returned, if it is what `fit` can show."""
    if not isinstance(logs, Mapping):
        raise ValueError(
            f"`{method}` must return a dict of names to numbers or scalar tensors, such as `{{'loss': loss}}`. Received: {logs!r} of type "
            f"{type(logs).__name__}. Does it end in `return`?"
        )
    return logs  # type: ignore[return-value]


def predict_once(model: Runnable, batch: Any) -> Any:
    """The model's `predict_step`."""
    if torch.is_grad_enabled():  # by hand
        with torch.no_grad():
            return model.predict_step(batch)
    return model.predict_step(batch)


def logs_of(model: Runnable, own: dict[str, Any] | None) -> dict[str, Any]:
    """The logs of a step: its own, or what the metrics say, which in a run is asked only when somebody reads them."""
    if own is not None:
        return own
    return model.get_metrics_result() if Run.current() is None else LazyLogs(model.get_metrics_result)
