"""How a layer is built: once, from the shapes of the first inputs it sees, under its name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch

from .. import tree
from ..configurable import is_builtin
from ..graph import infer, standardize_shape
from . import call
from .weights import Weighted


def finishing(build: Callable) -> Callable:
    """`build` with what has to happen around it: names, clean-up after a failure, and the end of building."""

    @functools.wraps(build)
    def wrapper(self: Built, *args: Any, **kwargs: Any) -> None:
        if self._tk_building:  # super().build() inside build()
            return build(self, *args, **kwargs)
        before = {k: dict(getattr(self, k)) for k in ("_parameters", "_buffers", "_modules")}
        lists = {k: list(getattr(self, k)) for k in ("_tk_own_trainable", "_tk_own_non_trainable", "_tk_hidden")}
        object.__setattr__(self, "_tk_building", True)
        try:
            with infer.outside(), torch.inference_mode(False), call.scope(self.name):
                build(self, *args, **kwargs)
        except BaseException:
            for k, saved in before.items():
                getattr(self, k).clear()
                getattr(self, k).update(saved)
            for k, kept in lists.items():
                object.__setattr__(self, k, kept)
            raise
        finally:
            object.__setattr__(self, "_tk_building", False)
        self._tk_finish_build(args, kwargs)
        return None

    wrapper._is_build = True  # type: ignore[attr-defined]
    return wrapper


class Built(Weighted):
    """The part of a layer that builds it."""

    _tk_takes_strings: ClassVar[bool] = False  # whether a layer of this library takes what no tensor holds

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "build" in vars(cls) and not hasattr(cls.build, "_is_build"):
            cls.build = finishing(cls.build)  # type: ignore[method-assign]

    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs of this shape. Override it; the base makes none.

        Args:
            input_shape: The shape of the first argument of `call`, or a nest of shapes; a `build` with several parameters gets
                `<argument>_shape` for each.
        """

    build = finishing(build)

    def _tk_finish_build(self, args: tuple, kwargs: dict[str, Any]) -> None:
        names = parameters_of(type(self).build)
        shapes = {**dict(zip(names, args)), **kwargs}
        object.__setattr__(self, "_tk_build_shapes", {k: map_shapes(tuple, v) for k, v in shapes.items()})
        object.__setattr__(self, "built", True)
        object.__setattr__(self, "_tk_fresh", False)
        object.__setattr__(self, "_path", "/".join([*call.scopes(), self.name]))
        if not self._trainable:
            self.trainable = False
        if self._tk_initial_weights is not None:
            self.set_weights(self._tk_initial_weights)
            self._tk_initial_weights = None
        call.join(self)
        self._tk_refresh()

    def _tk_check_constructed(self) -> None:
        if "name" not in self.__dict__:
            raise RuntimeError(
                f"The constructor of {type(self).__name__} did not call `super().__init__()`. Add it as the first line of `__init__`."
            )

    def _tk_build_for(self, arguments: dict[str, Any]) -> None:
        """Build from the arguments of a call."""
        self._tk_check_constructed()
        self.build(**self._tk_shapes_for(arguments))

    def _tk_shapes_for(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """What `build` gets for these arguments of a call."""
        shapes = {}
        for name, value in arguments.items():
            flat = tree.flatten(value)
            if flat and all(hasattr(t, "shape") or t is None for t in flat) and any(t is not None for t in flat):
                shapes[name] = tree.map_structure(lambda t: None if t is None else _shape_of(t), value)
        names = parameters_of(type(self).build)
        if len(names) == 1 and f"{names[0][:-6]}" not in shapes:
            chosen = {names[0]: next(iter(shapes.values()), None)}
        else:
            chosen = {n: shapes[n[:-6]] for n in names if n.endswith("_shape") and n[:-6] in shapes}
            if not chosen and names:
                chosen = {names[0]: next(iter(shapes.values()), None)}
        return chosen

    def get_build_config(self) -> dict[str, Any] | None:
        """The shapes it was built with, as data; `None` before that."""
        if not self._tk_build_shapes:
            return None
        if len(self._tk_build_shapes) == 1:
            return {"input_shape": next(iter(self._tk_build_shapes.values()))}
        return {"shapes_dict": dict(self._tk_build_shapes)}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Build with what `get_build_config` returned."""
        if not config:
            return
        names = parameters_of(type(self).build)
        if "shapes_dict" in config:
            self.build(**{k: map_shapes(tuple, v) for k, v in config["shapes_dict"].items() if k in names})
        elif config.get("input_shape") is not None and names:
            self.build(map_shapes(tuple, config["input_shape"]))

    def _tk_checked_strings(self, x: Any) -> Any:
        """An array that is none of numbers, if the layer may take it."""
        if self._tk_takes_strings or not is_builtin(type(self)):
            return x
        raise ValueError(
            f"Inputs of the layer {self.name!r} must be numbers. Received strings (dtype {x.dtype}): encode them first, "
            "for example with `layers.StringLookup` or `layers.TextVectorization`."
        )

    def _tk_check_built(self) -> None:
        if not self.built:
            raise ValueError(f"The layer {self.name!r} is not built. Call it on data or call `build(input_shape)` first.")


@functools.lru_cache(1024)
def parameters_of(build: Callable[..., Any]) -> tuple[str, ...]:
    """The names of the shapes that a `build` takes."""
    parameters = list(inspect.signature(build).parameters.values())[1:]  # without `self`, whatever it is called
    return tuple(p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD))


def parameter_names(cls: Any) -> list[str]:
    """Every name that the constructors of a class and its bases take."""
    return [n for c in cls.__mro__ if "__init__" in vars(c) for n in list(inspect.signature(c.__init__).parameters)[1:]]


def input_shape_argument(kwargs: dict[str, Any]) -> tuple[int | None, ...] | None:
    """The batch shape that the Keras 1 and 2 constructor arguments describe."""
    for name in ("batch_shape", "batch_input_shape"):
        if kwargs.get(name) is not None:
            return standardize_shape(kwargs[name])
    if kwargs.get("input_shape") is not None:
        return (kwargs.get("batch_size"), *standardize_shape(kwargs["input_shape"]))
    if kwargs.get("input_dim") is not None:
        length = (kwargs["input_length"],) if kwargs.get("input_length") is not None else ()
        return (kwargs.get("batch_size"), *length, int(kwargs["input_dim"]))
    return None


def _shape_of(t: Any) -> tuple[int | None, ...]:
    unknown = infer.unknown_size()
    return tuple(None if d is None or d == unknown else int(d) for d in t.shape)


def shapes_of(value: Any) -> Any:
    """A nest of tensors as a nest of their shapes."""
    return tree.map_structure(lambda t: tuple(t.shape) if hasattr(t, "shape") else None, value)


def _is_shape(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and all(d is None or isinstance(d, (int, np.integer)) for d in value)


def map_shapes(fn: Callable, shapes: Any) -> Any:
    """A nest of shapes with `fn` applied to each."""
    if _is_shape(shapes):
        return fn(tuple(shapes))
    if isinstance(shapes, dict):
        return {k: map_shapes(fn, v) for k, v in shapes.items()}
    if isinstance(shapes, (list, tuple)):
        return type(shapes)(map_shapes(fn, v) for v in shapes)
    return shapes
