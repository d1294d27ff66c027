"""The training step captured whole — forward, loss, backward, update, metrics — as one graph, and compiled."""

from __future__ import annotations

import contextlib
import importlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.overrides import TorchFunctionMode

from .. import tree
from ..distribution import rank
from ..variable import Variable
from .step import TrainStep

# Compiling takes seconds: a shape that comes once an epoch (the last, smaller batch) runs eagerly until it has come this often.
_PATIENCE = 32
_OPTIONS = {"fallback_random": True, "size_asserts": False}  # random numbers as in eager steps; shapes are ours, and are the key


class CapturedStep:
    """A training step that runs as a compiled graph for the shapes that come often.

    The graph reads and changes the very tensors of the model, the optimizer and the metrics, so that eager and captured steps mix.

    Args:
        step: The eager step.
    """

    def __init__(self, step: TrainStep) -> None:
        if rank.world_size() > 1:
            raise ValueError(
                "`jit_compile=True` captures the step of one process and does not run under torchrun with several. "
                "Pass `jit_compile=False` to `compile` there."
            )
        if not step.own_optimizer:
            raise ValueError(
                f"`jit_compile=True` needs an optimizer of torchkeras, whose update can be captured. "
                f"Received: {type(step.optimizer).__name__}. Pass `optimizer='adam'` or the like, or `jit_compile=False`."
            )
        self.step = step
        self.graphs: dict[Any, Callable] = {}
        self.seen: dict[Any, int] = {}
        self.started = self.failed = False

    def __call__(self, x: Any, y: Any, sample_weight: Any, rows: float) -> None:
        if self.failed:
            self.step(x, y, sample_weight, rows)
            return
        leaves = [t for t in tree.flatten((x, y, sample_weight)) if isinstance(t, torch.Tensor)]
        key = (tuple([t.shape for t in leaves]), self.step.optimizer.capture_key() if self.started else None)
        run = self.graphs.get(key)
        if run is None:
            run = self._prepare(key, x, y, sample_weight, rows, leaves)
            if run is None:
                return
        with torch.no_grad():
            run(leaves)
        self.step.optimizer.advance()

    def _prepare(self, key: Any, x: Any, y: Any, sample_weight: Any, rows: float, leaves: list[torch.Tensor]) -> Callable | None:
        """The compiled graph for these shapes, or `None` after an eager step: the first ones build what is built lazily."""
        step = self.step
        if not self.started:
            step(x, y, sample_weight, rows)  # metrics and slots are made
            step.optimizer.capturable = True
            self.started = True
            return None
        self.seen[key] = self.seen.get(key, 0) + 1
        if self.graphs and self.seen[key] < _PATIENCE:
            step(x, y, sample_weight, rows)
            return None
        try:
            self.graphs[key] = self._compile(x, y, sample_weight, rows, leaves)
        except Exception as error:  # noqa: BLE001  # torch raises whatever its compilers raise
            warnings.warn(
                f"The step of the model {step.model.name!r} could not be captured and runs eagerly ({type(error).__name__}: {error}). "
                "Recurrent layers cannot be compiled; pass `jit_compile=False` to `compile` to do without this attempt.",
                stacklevel=6,
            )
            self.failed = True
            step.optimizer.capturable = False
            step(x, y, sample_weight, rows)
            return None
        return self.graphs[key]

    def _compile(self, x: Any, y: Any, sample_weight: Any, rows: float, leaves: list[torch.Tensor]) -> Callable:
        graph, state = _with_state_as_inputs(self._trace(x, y, sample_weight, rows, leaves))
        # The graph is compiled as it is: torch.compile around it would check every tensor of it before every step.
        compiler = importlib.import_module("torch._inductor")  # takes a second to import: only for who compiles
        compiled = compiler.compile(graph, [*state, *leaves], options=_OPTIONS)
        with self._unchanged(), torch.no_grad():
            compiled(*state, *leaves)  # what it cannot run shows now, while the eager step can still take its place
        return lambda given: compiled(*state, *given)

    def _trace(self, x: Any, y: Any, sample_weight: Any, rows: float, leaves: list[torch.Tensor]) -> torch.fx.GraphModule:
        step = self.step
        nest = (x, y, sample_weight)
        plain = _PlainVariables(self._state())
        parameters = [plain.alias.get(id(p), p) for p in step.parameters]

        def whole(*given: torch.Tensor) -> None:
            flat = iter(given)
            x, y, sample_weight = tree.map_structure(lambda t: next(flat) if isinstance(t, torch.Tensor) else t, nest)
            with torch.enable_grad():
                loss, y_pred = step.forward(x, y, sample_weight)
                scaled = loss if step.loss_scale is None else step.loss_scale(loss)
                grads = torch.autograd.grad(scaled, parameters, allow_unused=True)
            step.record(loss, rows)
            with torch.no_grad():
                step.optimizer.apply_stored(grads)
                step.update_metrics(x, y, y_pred, sample_weight)

        with self._unchanged(), plain, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = make_fx(whole, tracing_mode="real")(*leaves)
        graph.graph.eliminate_dead_code(lambda node: node.op in ("placeholder", "output") or _mutates(node))
        graph.recompile()
        return graph

    def _state(self) -> list[torch.Tensor]:
        """Every tensor that a step may change."""
        model, optimizer = self.step.model, self.step.optimizer
        return [*model.parameters(), *model.buffers(), *optimizer.state_tensors(), *(v for m in model.metrics for v in m.state)]

    @contextlib.contextmanager
    def _unchanged(self) -> Iterator[None]:
        """Tracing runs the step once on the real tensors; their values come back, and so does the random state."""
        step, state = self.step, self._state()
        saved = [t.detach().clone() for t in state]
        count = int(step.optimizer.iterations)
        devices = [step.total.device] if step.total.device.type == "cuda" else []
        try:
            with torch.random.fork_rng(devices=devices):
                yield
        finally:
            with torch.no_grad():
                for tensor, before in zip(state, saved):
                    tensor.detach().copy_(before)
            step.optimizer.iterations = count


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
