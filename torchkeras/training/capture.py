"""The training step captured whole — forward, loss, backward, update, metrics — as one graph, and compiled."""

from __future__ import annotations

import contextlib
import importlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from .. import optimizers, tree
from ..data import unpack_x_y_sample_weight
from ..distribution import rank
from ..reporting import warn
from ..variable import Variable
from .run import Run, Runnable, logs_of
from .step import backward, forward_loss, record, rows_of, train, update

# Compiling takes seconds: a shape that comes once an epoch (the last, smaller batch) runs eagerly until it has come this often.
_PATIENCE = 32
_OPTIONS = {"fallback_random": True, "size_asserts": False}  # random numbers as in eager steps; shapes are ours, and are the key


class CapturedStep:
    """A training step that runs as a compiled graph for the shapes that come often.

    The graph reads and changes the very tensors of the model, the optimizer and the metrics, so that eager and captured steps mix. What
    else a graph was made of (which optimizer, which weights are trained) is part of the key that it is found by.

    Args:
        model: A compiled model.
    """

    def __init__(self, model: Runnable) -> None:
        if rank.world_size() > 1:
            raise ValueError(
                "`jit_compile=True` captures the step of one process and does not run under torchrun with several. "
                "Pass `jit_compile=False` to `compile` there."
            )
        if not isinstance(model.optimizer, optimizers.Optimizer):
            raise ValueError(
                f"`jit_compile=True` needs an optimizer of torchkeras, whose update can be captured. "
                f"Received: {type(model.optimizer).__name__}. Pass `optimizer='adam'` or the like, or `jit_compile=False`."
            )
        self.graphs: dict[Any, Callable] = {}
        self.seen: dict[Any, int] = {}
        self.begun: Any = None  # the optimizer whose first step, which makes what is made lazily, is done
        self.failed = False
        self._tk_run: Any = None
        self._facts: Any = None

    def __call__(self, model: Runnable, batch: Any) -> dict[str, Any]:
        self._step(model, batch)
        return logs_of(model, None)

    def _step(self, model: Runnable, batch: Any) -> None:
        optimizer = model.optimizer
        if self.failed or not isinstance(optimizer, optimizers.Optimizer):
            train(model, batch)
            return
        if optimizer is not self.begun:
            train(model, batch)
            optimizer.capturable = True
            self.begun = optimizer
            return
        leaves = [t for t in tree.flatten(batch) if isinstance(t, torch.Tensor)]
        key = (tuple([t.shape for t in leaves]), optimizer.capture_key(), self._made_of(model))
        run = self.graphs.get(key)
        if run is None:
            run = self._tk_prepare(key, model, batch, leaves)
            if run is None:
                return
        with torch.no_grad():
            run(leaves)
        optimizer.advance()

    def _made_of(self, model: Runnable) -> Any:
        """What a graph holds for good besides shapes; looked up once in each run, and in each step by hand."""
        run = Run.current()
        if run is None or run is not self._tk_run:
            self._tk_run = run
            optimizer = model.optimizer
            parameters = tuple([(id(p), p.data_ptr(), p.requires_grad) for p in model.parameters() if not is_lazy(p)])
            self._facts = (id(optimizer), optimizer.settings(), parameters)
        return self._facts

    def _tk_prepare(self, key: Any, model: Runnable, batch: Any, leaves: list[torch.Tensor]) -> Callable | None:
        """The compiled graph for these shapes, or `None` after an eager step."""
        self.seen[key] = self.seen.get(key, 0) + 1
        if self.graphs and self.seen[key] < _PATIENCE and any(known[1:] == key[1:] for known in self.graphs):
            train(model, batch)
            return None
        try:
            self.graphs[key] = self._compile(model, batch, leaves)
        except Exception as error:  # noqa: BLE001  # torch raises whatever its compilers raise
            warn(
                f"The step of the model {model.name!r} could not be captured and runs eagerly ({type(error).__name__}: {error}). "
                "Recurrent layers cannot be compiled; pass `jit_compile=False` to `compile` to do without this attempt."
            )
            self.failed = True
            model.optimizer.capturable = False
            train(model, batch)
            return None
        return self.graphs[key]

    def _compile(self, model: Runnable, batch: Any, leaves: list[torch.Tensor]) -> Callable:
        graph, state = _with_state_as_inputs(_trace(model, batch, leaves))
        # The graph is compiled as it is: torch.compile around it would check every tensor of it before every step.
        compiler = importlib.import_module("torch._inductor")  # takes a second to import: only for who compiles
        compiled = compiler.compile(graph, [*state, *leaves], options=_OPTIONS)
        with _unchanged(model), torch.no_grad():
            compiled(*state, *leaves)  # what it cannot run shows now, while the eager step can still take its place
        return lambda given: compiled(*state, *given)


def _trace(model: Runnable, batch: Any, leaves: list[torch.Tensor]) -> torch.fx.GraphModule:
    """The four pieces of a step as one graph of torch's own operations."""
    plain = _PlainVariables(_state(model))
    parameters = [plain.alias.get(id(p), p) for p in model.optimizer.parameters]
    trained = [i for i, p in enumerate(model.optimizer.parameters) if p.requires_grad]

    def whole(*given: torch.Tensor) -> None:
        flat = iter(given)
        data = tree.map_structure(lambda t: next(flat) if isinstance(t, torch.Tensor) else t, batch)
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        rows = rows_of(x)
        with torch.enable_grad():
            loss, y_pred = forward_loss(model, x, y, sample_weight, training=True)
            found = backward(model, loss, into=[parameters[i] for i in trained])
        assert found is not None
        gradients: list[torch.Tensor | None] = [None] * len(parameters)
        for i, gradient in zip(trained, found):
            gradients[i] = gradient
        with torch.no_grad():
            update(model, rows, gradients)
        record(model, loss, rows, x, y, y_pred, sample_weight)

    with _unchanged(model), plain, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = make_fx(whole, tracing_mode="real")(*leaves)
    graph.graph.eliminate_dead_code(lambda node: node.op in ("placeholder", "output") or _mutates(node))
    graph.recompile()
    return graph


def _state(model: Runnable) -> list[torch.Tensor]:
    """Every tensor that a step may change."""
    metrics = [v for m in model.metrics for v in m.state]
    return [*(p for p in model.parameters() if not is_lazy(p)), *model.buffers(), *model.optimizer.state_tensors(), *metrics]


@contextlib.contextmanager
def _unchanged(model: Runnable) -> Iterator[None]:
    """Tracing runs the step once on the real tensors; their values come back, and so does the random state."""
    state, optimizer = _state(model), model.optimizer
    saved = [t.detach().clone() for t in state]
    count = int(optimizer.iterations)
    device = model._loss_tracker.total.device
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        with torch.no_grad():
            for tensor, before in zip(state, saved):
                tensor.detach().copy_(before)
        optimizer.iterations = count


def _with_state_as_inputs(graph: torch.fx.GraphModule) -> tuple[torch.fx.GraphModule, list[torch.Tensor]]:
    """The graph with the tensors that it holds as its first inputs, in the order of the list that comes with it."""
    state: dict[str, torch.Tensor] = {}
    first = next(iter(graph.graph.nodes))
    inputs: dict[str, torch.fx.Node] = {}
    for node in list(graph.graph.nodes):
        if node.op != "get_attr":
            continue
        if node.target not in inputs:
            state[node.target] = getattr(graph, node.target)
            with graph.graph.inserting_before(first):
                inputs[node.target] = graph.graph.placeholder(f"state_{len(inputs)}")
        node.replace_all_uses_with(inputs[node.target])
        graph.graph.erase_node(node)
    for name in state:
        delattr(graph, name)
    graph.recompile()
    return graph, [t.detach() for t in state.values()]


class _PlainVariables(TorchFunctionMode):
    """While it is on, torch functions see each Variable as a plain tensor over the same memory: tracing knows no subclasses."""

    def __init__(self, state: list[torch.Tensor]) -> None:
        super().__init__()
        self.kept = [v for v in state if isinstance(v, Variable)]
        self.alias: dict[int, torch.Tensor] = {}
        for v in self.kept:
            plain = v.detach()
            self.alias[id(v)] = torch.nn.Parameter(plain) if v.requires_grad else plain

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        return func(*(self._plain(a) for a in args), **{k: self._plain(v) for k, v in (kwargs or {}).items()})

    def _plain(self, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return type(value)([self._plain(v) for v in value]) if type(value) in (list, tuple) else value
        return self.alias.get(id(value), value)


def _mutates(node: torch.fx.Node) -> bool:
    """Whether a call writes into one of its arguments, or draws a random number."""
    target = node.target
    return isinstance(target, torch._ops.OpOverload) and (target._schema.is_mutable or torch.Tag.nondeterministic_seeded in target.tags)
