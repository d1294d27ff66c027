"""The base of all callbacks, and the list that calls them."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Sequence
from typing import Any

_HOOKS = (
    "on_epoch_begin", "on_epoch_end", "on_train_batch_begin", "on_train_batch_end", "on_test_batch_begin", "on_test_batch_end",
    "on_predict_batch_begin", "on_predict_batch_end", "on_train_begin", "on_train_end", "on_test_begin", "on_test_end",
    "on_predict_begin", "on_predict_end",
)  # fmt: skip


class Callback:
    """Methods that `fit`, `evaluate` and `predict` call. Override those you need.

    Attributes:
        params: `verbose`, `epochs` and `steps` of the run.
        model: The model.

    >>> isinstance(keras.callbacks.Callback(), keras.callbacks.Callback)
    True
    """

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}
        self._model: Any = None

    @property
    def model(self) -> Any:
        """The model that the callback is attached to."""
        return self.__dict__.get("_model")

    def set_params(self, params: dict[str, Any]) -> None:
        """Called before the run with `verbose`, `epochs` and `steps`."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Called before the run with the model."""
        self._model = model

    def on_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Keras 1's name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Keras 1's name of `on_train_batch_end`."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Before an epoch of training."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """After an epoch of training and its validation; `logs` holds numbers, those of validation as `val_…`."""

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Before a batch of training."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """After a batch of training; reading `logs` waits for the device."""
        self.on_batch_end(batch, logs)

    def on_test_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Before a batch of evaluation."""

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """After a batch of evaluation."""

    def on_predict_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Before a batch of prediction."""

    def on_predict_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """After a batch of prediction; `logs["outputs"]` are the outputs."""

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Before training."""

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """After training; `logs` are those of the last epoch."""

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Before an evaluation, that of `validation_data` included."""

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """After an evaluation."""

    def on_predict_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Before a prediction."""

    def on_predict_end(self, logs: dict[str, Any] | None = None) -> None:
        """After a prediction."""


def _overrides(callback: Any, hook: str) -> bool:
    """Whether a callback has something of its own to do there (a method of its class, or a function set on it)."""
    if hook in vars(callback):
        return True
    old = {"on_train_batch_begin": "on_batch_begin", "on_train_batch_end": "on_batch_end"}
    return any(getattr(type(callback), name, None) is not getattr(Callback, name) for name in (hook, old.get(hook, hook)))


class CallbackList(Callback):
    """Several callbacks as one; those that do not override a hook cost nothing there.

    Args:
        callbacks: The user's.
        add_history: Whether a `History` is added.
        add_progbar: Whether a progress bar is added.
        model: The model.
        **params: What `set_params` gives them.

    >>> isinstance(keras.callbacks.CallbackList(), keras.callbacks.Callback)
    True
    """

    def __init__(
        self,
        callbacks: Iterable[Callback] | Callback | None = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        super().__init__()
        given: Any = [callbacks] if hasattr(callbacks, "set_model") else callbacks
        if given is not None and (isinstance(given, (str, bytes)) or not isinstance(given, Iterable)):
            raise TypeError(f"`callbacks` must be a Callback or a list of them. Received: {given!r} of type {type(given).__name__}")
        self.callbacks: list[Any] = list(given or ())
        for callback in self.callbacks:
            if isinstance(callback, type) and hasattr(callback, "set_model"):
                name = callback.__name__
                raise TypeError(f"`callbacks` must hold Callback objects. Received: the class {name}. Make one of it: `{name}(...)`.")
            if not hasattr(callback, "set_model"):
                raise TypeError(f"`callbacks` must hold Callback objects. Received: {callback!r} of type {type(callback).__name__}")
        if add_progbar and not any(isinstance(c, _extras["progbar"]) for c in self.callbacks):
            self.callbacks.append(_extras["progbar"]())
        self._history = next((c for c in self.callbacks if isinstance(c, _extras["history"])), None)
        self._progbar = next((c for c in self.callbacks if isinstance(c, _extras["progbar"])), None)
        if add_history and self._history is None:
            self._history = _extras["history"]()
            self.callbacks.append(self._history)
        for hook in _HOOKS:
            self.__dict__[hook] = self._dispatch(hook, [getattr(c, hook) for c in self.callbacks if _overrides(c, hook)])
        self.wants = {hook: any(_overrides(c, hook) for c in self.callbacks) for hook in _HOOKS}
        if model is not None:
            self.set_model(model)
        if params:
            self.set_params(params)

    def _dispatch(self, hook: str, methods: Sequence[Callable]) -> Callable:
        def call(*args: Any) -> None:
            for method in methods:
                method(*args)

        call.__name__ = hook
        return call

    @property
    def initial_epoch(self) -> int | None:
        """The epoch that training goes on with, where a callback has restored an interrupted run."""
        found = [getattr(callback, "initial_epoch", None) for callback in self.callbacks]
        return next((epoch for epoch in found if epoch is not None), None)

    def validates(self, logs: dict[str, Any], steps: int | None) -> None:
        """Tell the progress bar that the validation of an epoch begins.

        Args:
            logs: What the training of the epoch came to.
            steps: The steps of the validation, `None` when that is not known.
        """
        if self._progbar is not None:
            self._progbar.validates(logs, steps)

    def leave(self) -> None:
        """Tell the progress bar that the run was interrupted, so that what is printed next begins a line."""
        if self._progbar is not None:
            self._progbar.leave()

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        if self._history is not None:
            model.history = self._history
        for callback in self.callbacks:
            callback.set_model(model)

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params
        for callback in self.callbacks:
            callback.set_params(params)


class History(Callback):
    """What every epoch's logs were; `fit` returns one.

    Attributes:
        history: Name to a list with one value for each epoch.
        epoch: The numbers of the epochs, from 0.

    >>> history = keras.callbacks.History()
    >>> history.epoch, history.history = [0, 1], {"loss": [0.5, 0.25]}
    >>> history.history["loss"][-1]
    0.25
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        self.model.history = self

    def __repr__(self) -> str:
        """The number of epochs, and the last value of each entry."""
        count = len(self.epoch)
        last = ", ".join(f"{name}={_short(values[-1])}" for name, values in self.history.items() if values)
        return f"<History of {count} epoch{'' if count == 1 else 's'}{': ' if last else ''}{last}>"

    def _repr_html_(self) -> str:
        """A table for notebooks: a row for each epoch; of a long run the first and the last ones."""
        names = list(self.history)
        rows = [(epoch, [values[i] if i < len(values) else None for values in self.history.values()]) for i, epoch in self._rows()]
        head = "".join(f"<th>{html.escape(str(name))}</th>" for name in ("epoch", *names))
        body = ""
        for place, (epoch, values) in enumerate(rows):
            if place == _SHOWN and len(self.epoch) > 2 * _SHOWN:
                body += f"<tr><td colspan={len(names) + 1}>…</td></tr>"
            cells = "".join(f"<td>{'' if value is None else html.escape(_short(value))}</td>" for value in values)
            body += f"<tr><td>{epoch + 1}</td>{cells}</tr>"
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _rows(self) -> list[tuple[int, int]]:
        """The places of the epochs that a table shows, with their numbers; values of earlier runs stand before those of the last."""
        longest = max((len(values) for values in self.history.values()), default=0)
        places = list(enumerate(self.epoch, start=max(longest - len(self.epoch), 0)))
        return places if len(places) <= 2 * _SHOWN else [*places[:_SHOWN], *places[-_SHOWN:]]

    def plot(self, names: str | Sequence[str] | None = None, ax: Any = None) -> Any:
        """Draw the values over the epochs; an entry of validation is dashed, in the colour of its entry of training.

        Args:
            names: The entries to draw, such as `"loss"` or `["loss", "accuracy"]`, with those of validation; all without them.
            ax: The matplotlib axes to draw on; new ones, one for each entry, without them.

        Returns:
            The matplotlib axes, or an array of them.

        Raises:
            ImportError: If matplotlib is not installed.
            ValueError: If there is no entry of a name, or nothing to draw.

        >>> history = keras.callbacks.History()
        >>> history.epoch, history.history = [0, 1], {"loss": [0.5, 0.25]}
        >>> history
        <History of 2 epochs: loss=0.25>
        """
        wanted = [names] if isinstance(names, str) else names
        shown = list(wanted or dict.fromkeys(name.removeprefix("val_") for name in self.history))
        known = [name for name in shown if name in self.history or f"val_{name}" in self.history]
        if not shown or known != shown:
            missing = next((name for name in shown if name not in known), None)
            raise ValueError(
                f"`names` must be entries of the history, which are: {', '.join(self.history) or 'none, for nothing was trained'}. "
                f"Received: {missing!r}"
            )
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError("`History.plot` needs matplotlib: `pip install matplotlib`.") from error
        if ax is None:
            axes = pyplot.subplots(1, len(shown), figsize=(5 * len(shown), 3.5), squeeze=False, layout="constrained")[1][0]
        else:
            axes = [ax] * len(shown)
        for place, name in zip(axes, shown):
            colour = None
            for entry, style in ((name, "-"), (f"val_{name}", "--")):
                if entry in self.history:
                    values = self.history[entry]
                    marker = "." if len(values) == 1 else None
                    line = place.plot(range(1, len(values) + 1), values, style, color=colour, label=entry, marker=marker)[0]
                    colour = line.get_color()
            place.set_xlabel("epoch")
            if ax is None:
                place.set_ylabel(name)
            place.legend()
        return axes[0] if len(shown) == 1 or ax is not None else axes


_SHOWN = 10  # rows at the beginning and at the end of a table


def _short(value: Any) -> str:
    """A number in four digits, anything else as it is."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


_extras: dict[str, Any] = {"history": History}


def use_as_progbar(cls: type[Callback]) -> type[Callback]:
    """Make `cls` the progress bar that `CallbackList` adds."""
    _extras["progbar"] = cls
    return cls
