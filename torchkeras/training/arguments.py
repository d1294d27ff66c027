"""What the arguments of `compile` and `fit` mean, and what is refused of them before anything is changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from .. import config, losses, metrics, tree
from ..distribution import rank
from .compiled import CROSSENTROPY


def check_epochs(epochs: int, initial_epoch: int) -> int:
    """The number of the last epoch, at most what `config.set_max_epochs` says.

    Args:
        epochs: What `fit` was given.
        initial_epoch: The number of the first epoch.

    Raises:
        ValueError: If one is no whole number, or negative.
    """
    for name, value in (("epochs", epochs), ("initial_epoch", initial_epoch)):
        if not isinstance(value, (int, np.integer)) or value < 0:
            raise ValueError(f"`{name}` must be an integer, 0 or more. Received: {name}={value!r}")
    most = config.max_epochs()
    return int(epochs) if most is None else min(int(epochs), most)


def validates(epoch: int, frequency: Any) -> bool:
    """Whether there is a validation after an epoch, counted from 0.

    Args:
        epoch: The epoch.
        frequency: Every how many epochs, or the numbers of epochs, counted from 1.
    """
    whole = isinstance(frequency, (int, np.integer))
    return (epoch + 1) % frequency == 0 if whole else epoch + 1 in set(frequency)


def check_frequency(frequency: Any) -> None:
    """Refuse what tells no epochs to validate after, before anything is trained.

    Args:
        frequency: Every how many epochs, or the numbers of epochs.

    Raises:
        ValueError: If it is neither a positive number nor a list.
    """
    whole = isinstance(frequency, (int, np.integer))
    if (whole and frequency < 1) or (not whole and (not isinstance(frequency, Iterable) or isinstance(frequency, str))):
        raise ValueError(f"`validation_freq` must be a positive integer or a list of epochs. Received: validation_freq={frequency!r}")


def verbosity(verbose: Any) -> int:
    """How much is shown: 0, 1 for a bar or 2 for a line; nothing on other processes than the first.

    Args:
        verbose: 0, 1, 2, a bool, `"auto"` for 1, or `None` for 0.

    Raises:
        ValueError: If it is none of these.
    """
    if verbose == "auto":
        verbose = 1
    elif isinstance(verbose, str) and verbose in ("0", "1", "2"):
        verbose = int(verbose)
    if isinstance(verbose, str) or not (verbose is None or np.ndim(verbose) == 0):
        raise ValueError(f"`verbose` must be 0, 1, 2 or 'auto'. Received: verbose={verbose!r}")
    return min(max(int(verbose or 0), 0), 2) if rank.is_main() else 0


def entries(nest: Any) -> Iterator[Any]:
    """The losses or metrics of a nest, of which a config is one."""
    if isinstance(nest, dict) and "class_name" not in nest:
        nest = list(nest.values())
    if isinstance(nest, (list, tuple)):
        for entry in nest:
            yield from entries(entry)
    else:
        yield nest


def check_names(loss: Any, *metric_nests: Any) -> None:
    """Resolve every name now, so that a misspelt one is reported by `compile` and not by `fit`.

    Args:
        loss: The losses, a nest.
        *metric_nests: Metrics, nests.

    Raises:
        ValueError: If a name is unknown, or an entry a number.
    """
    for argument, nests in (("loss", [loss]), ("metrics", metric_nests)):
        for entry in (entry for nest in nests for entry in entries(nest)):
            if isinstance(entry, (bool, int, float)):
                raise ValueError(f"`{argument}` must be names, objects or functions. Received: {entry!r} of type {type(entry).__name__}")
    from_names = [n for n in tree.flatten(loss) if isinstance(n, str)]
    for name in from_names:
        if name.lower() not in CROSSENTROPY:
            losses.get(name)
    for nest in metric_nests:
        for name in tree.flatten(nest):
            if isinstance(name, str) and name not in ("accuracy", "acc", "crossentropy", "ce"):
                metrics.get(name)
