"""What `compile` was given for losses and metrics, matched with the outputs of the model once it has made some."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from .. import losses, metrics, registry, tree
from ..checks import check_numbers
from ..distribution import reduce, shard
from ..reporting import warn


def match_outputs(nest: Any, y_pred: Any, names: Sequence[Any], what: str) -> list[Any]:
    """`nest` (a value, or values by place or by output name) as one entry for each flat output; `None` where there is none.

    Args:
        nest: What the user gave.
        y_pred: The outputs of the model.
        names: Their names, in flat order; `None` for one without a name.
        what: The argument's name, for the error message.

    Raises:
        ValueError: A name that no output has, or another number of entries.
    """
    flat = tree.flatten(y_pred)
    mirrored = _mirror(nest, y_pred) if tree.is_nested(y_pred) and len(y_pred) != len(flat) else None
    if mirrored is not None:
        return mirrored
    if isinstance(nest, dict):
        keys = sorted(y_pred) if isinstance(y_pred, dict) else list(names)
        unknown = [k for k in nest if k not in keys and k not in names]
        if unknown:
            raise ValueError(
                f"`{what}` names the output {unknown[0]!r}, which the model does not have.{registry.near_matches(str(unknown[0]), keys)} "
                f"Its outputs are: {keys}"
            )
        return [nest.get(k, nest.get(n)) for k, n in zip(keys, names)]
    if isinstance(nest, (list, tuple)):
        if len(nest) != len(flat):
            raise ValueError(f"`{what}` must have one entry for each of the {len(flat)} outputs. Received: {len(nest)} entries")
        return list(nest)
    return [nest] * len(flat)


def _mirror(nest: Any, y_pred: Any) -> list[Any] | None:
    """`nest` as one entry for each leaf of `y_pred`, where it has the structure of `y_pred`; else `None`."""
    if nest is None or not tree.is_nested(y_pred):
        return [nest] * len(tree.flatten(y_pred))
    if isinstance(y_pred, dict) and isinstance(nest, dict) and set(nest) <= set(y_pred):
        parts = [_mirror(nest.get(key), y_pred[key]) for key in sorted(y_pred)]
    elif isinstance(y_pred, (list, tuple)) and isinstance(nest, (list, tuple)) and len(nest) == len(y_pred):
        parts = [_mirror(entry, output) for entry, output in zip(nest, y_pred)]
    else:
        return None
    return None if any(part is None for part in parts) else [entry for part in parts if part is not None for entry in part]


CROSSENTROPY = ("crossentropy", "ce")  # losses whose meaning depends on the shapes of targets and predictions


class CompiledLoss:
    """The losses of `compile`, one for each output that has one, weighted and summed.

    Args:
        loss: A loss, or a nest of them.
        loss_weights: Numbers in the same places.
    """

    def __init__(self, loss: Any, loss_weights: Any = None) -> None:
        self.loss, self.loss_weights = loss, loss_weights
        self.terms: list[tuple[int, Any, float | None]] | None = None
        self.trackers: list[metrics.Mean] = []
        self._only: Any = None

    def build(self, y: Any, y_pred: Any, names: Sequence[Any]) -> None:
        """Match losses with outputs; which cross-entropy `"crossentropy"` means depends on the shapes."""
        flat = tree.flatten(y_pred)
        given = self.loss
        if isinstance(given, (list, tuple)) and len(given) < len(flat) and len(flat) > 1 and len(y_pred) == len(flat):
            without = ", ".join(repr(name) for name in names[len(given) :])
            warn(f"`loss` has {len(given)} entries for {len(flat)} outputs: nothing is trained for {without}.")
            given = [*given, *[None] * (len(flat) - len(given))]
        entries = [_loss_name(entry) for entry in match_outputs(given, y_pred, names, "loss")]
        targets: list[Any] = [None] * len(flat)
        if any(map(_by_shape, entries)):
            self.terms = [(i, None, None) for i, entry in enumerate(entries) if entry is not None]
            targets = self._targets_of_terms(y, y_pred, names)
        found = [
            _as_loss(metrics.crossentropy_by_shape(target, output) if _by_shape(entry) else losses.get(entry), entry)
            for entry, target, output in zip(entries, targets, flat)
        ]
        weights = match_outputs(self.loss_weights, y_pred, names, "loss_weights")
        for weight in weights:
            check_numbers(optional=True, loss_weights=weight)
        self.terms = [(i, fn, None if w is None else float(w)) for i, (fn, w) in enumerate(zip(found, weights)) if fn is not None]
        if isinstance(given, dict) and isinstance(y_pred, dict) and len(y_pred) == len(flat):
            order = list(given)
            self.terms.sort(key=lambda term: order.index(names[term[0]]) if names[term[0]] in order else len(order))
        for i, _, _ in self.terms:
            if not isinstance(flat[i], torch.Tensor):
                raise ValueError(
                    f"The model must return a tensor for each output that has a loss. Received: {flat[i]!r} of type "
                    f"{type(flat[i]).__name__} for the output {names[i] or i!r}. Does its `call` end in `return`?"
                )
        if not self.terms:
            raise ValueError("`loss` gives no output of the model a loss. Pass one to `compile`.")
        self._only = self.terms[0][1] if len(flat) == 1 and self.terms[0][2] is None else None
        self.trackers = []
        if len(self.terms) > 1:
            self.trackers = [metrics.Mean(name=f"{names[i] or fn.name}_loss") for i, fn, _ in self.terms]

    def loss_of(self, index: int) -> Any:
        """The loss of one flat output, or `None`."""
        return next((fn for i, fn, _ in self.terms or () if i == index), None)

    def __call__(self, y: Any, y_pred: Any, sample_weight: Any, names: Sequence[Any]) -> Any:
        """The loss of a batch; where processes share it, what their shares of give the loss of the whole batch.

        Args:
            y: Targets.
            y_pred: Predictions.
            sample_weight: Weights, or `None`.
            names: The names of the outputs.
        """
        if self.terms is None:
            self.build(y, y_pred, names)
        part = shard.current()
        if self._only is not None and part.world == 1:
            return self._only(_single(y), _single(y_pred), _single(sample_weight))
        flat_pred = tree.flatten(y_pred)
        flat_y = self._targets_of_terms(y, y_pred, names)
        flat_weight = [None] * len(flat_pred) if sample_weight is None else _targets(sample_weight, y_pred, names, "sample_weight")
        total = None
        rows = len(flat_pred[0]) if flat_pred and flat_pred[0].ndim else 1
        for k, (i, fn, weight) in enumerate(self.terms or ()):
            if flat_y[i] is None:
                raise ValueError(f"`y` must hold a target for the output {names[i] or i!r}, which has a loss. Received: None")
            value = _term(fn, flat_y[i], flat_pred[i], flat_weight[i], part)
            if self.trackers:
                self.trackers[k].update_state(value.detach(), sample_weight=rows)
            if weight is not None:
                value = value * weight
            total = value if total is None else total + value
        return total

    def _targets_of_terms(self, y: Any, y_pred: Any, names: Sequence[Any]) -> list[Any]:
        """The target of each flat output; `y` may leave out those of outputs without a loss."""
        given, count, terms = tree.flatten(y), len(tree.flatten(y_pred)), self.terms or ()
        if len(given) == len(terms) < count and not isinstance(y, dict):
            targets = [None] * count
            for value, (i, _, _) in zip(given, terms):
                targets[i] = value
            return targets
        return _targets(y, y_pred, names, "y")


def _term(fn: Any, y: Any, y_pred: Any, sample_weight: Any, part: shard.Shard) -> torch.Tensor:
    """One loss: in a data-parallel run a number that, times this process's share of the samples, adds up to that of the whole batch."""
    if part.world == 1:
        return fn(y, y_pred, sample_weight)
    total, count = fn.sum_and_count(y, y_pred, sample_weight)
    if not isinstance(count, torch.Tensor):  # in proportion to the samples, or a sum, which adds up by itself
        return total / count if count else total / (part.share or 1.0)
    whole = reduce.all_reduce(count.detach() if part.rows else torch.zeros_like(count), "sum").clamp(min=1e-12)
    return total / (whole * (part.share or 1.0))


def _by_shape(entry: Any) -> bool:
    return isinstance(entry, str) and entry.lower() in CROSSENTROPY


def _as_loss(fn: Any, given: Any) -> Any:
    """The loss that `fn` is, called as it was given where that is a name."""
    if isinstance(fn, losses.Loss) or fn is None:
        return fn
    name = given if isinstance(given, str) else getattr(fn, "__name__", type(fn).__name__)
    return losses.LossFunctionWrapper(losses.targets_first(fn), name=name) if callable(fn) else fn


def _loss_name(entry: Any) -> Any:
    return entry[0] if isinstance(entry, (list, tuple)) and len(entry) == 1 else entry


def _single(nest: Any) -> Any:
    if isinstance(nest, torch.Tensor) or nest is None:
        return nest
    flat = tree.flatten(nest)
    if len(flat) != 1:
        raise ValueError(f"`y` must be one tensor for a model with one output. Received: {len(flat)} tensors")
    return flat[0]


def _targets(nest: Any, y_pred: Any, names: Sequence[Any], what: str) -> list[Any]:
    flat = tree.flatten(y_pred)
    if isinstance(nest, torch.Tensor) and len(flat) > 1:
        if what == "sample_weight":
            return [nest] * len(flat)
        raise ValueError(f"`{what}` must have one entry for each of the {len(flat)} outputs {list(names)}. Received: one tensor")
    return match_outputs(nest, y_pred, names, what)


class CompiledMetrics:
    """The metrics of `compile`, matched with the outputs.

    Args:
        unweighted: What `metrics=` was given.
        weighted: What `weighted_metrics=` was given.
    """

    def __init__(self, unweighted: Any, weighted: Any) -> None:
        self.unweighted, self.weighted = unweighted, weighted
        self.entries: list[tuple[Any, int, bool]] | None = None
        self._only: list[Any] | None = None
        self.own_names: list[str] = []  # of the metrics, without the names of outputs

    @property
    def metrics(self) -> list[Any]:
        """The metrics in the order of their names in `logs`."""
        return [m for m, _, _ in self.entries or ()]

    def build(self, y: Any, y_pred: Any, names: Sequence[Any], loss_of: Callable[[int], Any]) -> None:
        """Make the metrics: what `"accuracy"` means depends on the shapes and the loss."""
        flat_pred = tree.flatten(y_pred)
        given = self.unweighted or self.weighted
        flat_y = _targets(y, y_pred, names, "y") if y is not None and given else [None] * len(flat_pred)
        entries, own_names = [], []
        taken: dict[str, int] = {}
        for given, is_weighted in ((self.unweighted, False), (self.weighted, True)):
            for i, group in enumerate(_by_output(given, y_pred, names)):
                prefix = f"{names[i]}_" if len(flat_pred) > 1 and names[i] else ""
                for identifier in group:
                    metric = metrics.resolve(identifier, flat_y[i], flat_pred[i], loss_of(i))
                    name = prefix + metric.name
                    own_names.append(metric.name)
                    if is_weighted and name in taken:
                        name = f"{prefix}weighted_{metric.name}"
                    taken[name] = taken.get(name, -1) + 1
                    metric.name = f"{name}_{taken[name]}" if taken[name] else name
                    entries.append((metric, i, is_weighted))
        self.entries, self.own_names = entries, own_names
        if len(flat_pred) == 1 and not any(w for _, _, w in entries):
            self._only = [m.update_state for m, _, _ in entries]

    def update(self, y: Any, y_pred: Any, sample_weight: Any, names: Sequence[Any]) -> None:
        """Add a batch to every metric."""
        if self._only is not None:
            y, y_pred = _single(y), _single(y_pred)
            for update in self._only:
                update(y, y_pred)
            return
        flat_pred = tree.flatten(y_pred)
        flat_y = _targets(y, y_pred, names, "y")
        flat_weight = [None] * len(flat_pred) if sample_weight is None else _targets(sample_weight, y_pred, names, "sample_weight")
        for metric, i, is_weighted in self.entries or ():
            if is_weighted:
                metric.update_state(flat_y[i], flat_pred[i], sample_weight=flat_weight[i])
            else:
                metric.update_state(flat_y[i], flat_pred[i])


def _by_output(given: Any, y_pred: Any, names: Sequence[Any]) -> list[list[Any]]:
    count = len(tree.flatten(y_pred))
    if given is None or (not isinstance(given, str) and hasattr(given, "__len__") and not len(given)):
        return [[] for _ in range(count)]
    if count == 1 and not isinstance(given, dict):
        group = given if isinstance(given, (list, tuple)) else [given]
        if len(group) == 1 and isinstance(group[0], (list, tuple)):
            group = group[0]
        return [[m for m in group if m is not None]]
    matched = match_outputs(given, y_pred, names, "metrics")
    return [[] if m is None else [x for x in m if x is not None] if isinstance(m, (list, tuple)) else [m] for m in matched]
