"""How a layer is built: once, from the shapes of the first inputs it sees, under its name."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch._C._dynamo.eval_frame import _FrameAction, _FrameExecStrategy, set_code_exec_strategy

from .. import dtypes, tree
from ..configurable import is_builtin
from ..distribution import rank
from ..graph import infer, standardize_shape
from . import call
from .input_spec import check_inputs
from .unbuilt import KEY, UnbuiltWeights, strictly
from .weights import Weighted


def finishing(build: Callable) -> Callable:
    """`build` with what has to happen around it: names, clean-up after a failure, and the end of building."""

    @functools.wraps(build)
    def wrapper(self: Built, *args: Any, **kwargs: Any) -> None:
        was_built = self.built
        with _one_at_a_time:
            if self._tk_building:  # super().build() inside build()
                build(self, *args, **kwargs)
            elif was_built or not self.built:  # else another thread has just built it
                self._tk_build_whole(build, args, kwargs)

    wrapper._is_build = True  # type: ignore[attr-defined]
    return wrapper


_one_at_a_time = threading.RLock()  # two threads may call the same layer, or models that share it, for the first time


class Built(Weighted):
    """The part of a layer that builds it."""

    input_spec: Any
    _tk_call_info: Any
    _tk_takes_strings: ClassVar[bool] = False  # whether a layer of this library takes what no tensor holds
    _tk_build_read: ClassVar[tuple[Any, tuple[str, ...]] | None] = None  # a `build` and what `parameters_of` tells of it
    _tk_built_at_once: ClassVar[bool] = False  # whether a class with a `build` of its own has nothing to make in it
    _tk_makes_weights: ClassVar[bool] = False  # whether `build` may make weights: where a class writes one and does not say otherwise

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "build" in vars(cls):
            cls._tk_makes_weights = vars(cls).get("_tk_makes_weights", True)
            if not hasattr(cls.build, "_is_build"):
                cls.build = finishing(cls.build)  # type: ignore[method-assign]

    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs of this shape. Override it; the base makes none.

        Args:
            input_shape: The shape of the first argument of `call`, or a nest of shapes; a `build` with several parameters gets
                `<argument>_shape` for each.
        """

    build = finishing(build)

    def _tk_build_whole(self, build: Callable, args: tuple, kwargs: dict[str, Any]) -> None:
        """Build, and leave the layer as it was if anything fails."""
        before = {k: dict(getattr(self, k)) for k in ("_parameters", "_buffers", "_modules")}
        lists = {k: list(getattr(self, k)) for k in ("_tk_own_trainable", "_tk_own_non_trainable", "_tk_hidden")}
        was_built = self.built
        waiting = self._parameters.pop(KEY, None)
        object.__setattr__(self, "_tk_building", True)
        try:
            with infer.outside(), torch.inference_mode(False), call.scope(self.name):
                build(self, *args, **kwargs)
            object.__setattr__(self, "_tk_building", False)
            self._tk_finish_build(args, kwargs)
            if waiting is not None:
                self._tk_replay(waiting)
        except BaseException:
            for k, saved in before.items():
                getattr(self, k).clear()
                getattr(self, k).update(saved)
            for k, kept in lists.items():
                object.__setattr__(self, k, kept)
            object.__setattr__(self, "built", was_built)
            raise
        finally:
            object.__setattr__(self, "_tk_building", False)

    # -- before that -----------------------------------------------------------------------------------------------------------------

    def _tk_wait(self) -> None:
        """Put the parameter in place that stands for the weights until they are made."""
        if self._tk_makes_weights and not self.built:
            dtype = dtypes.to_torch_dtype(self.variable_dtype)
            waiting: Any = UnbuiltWeights(self._trainable, rank.default_device(), dtype, self.name)
            self._parameters[KEY] = waiting

    def _tk_replay(self, waiting: Any) -> None:
        """Do what a program asked of the weights before they were made."""
        with infer.outside(), torch.inference_mode(False):
            waiting.replay(self, self._trainable)

    def _apply(self, fn: Callable, recurse: bool = True) -> Built:
        waiting = self._parameters.pop(KEY, None)
        super()._apply(fn, recurse)
        if waiting is not None:
            self._parameters[KEY] = waiting.applied(fn)  # type: ignore[attr-defined]
        return self

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        waiting: Any = self._parameters.pop(KEY, None)
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if waiting is not None:
            self._parameters[KEY] = waiting
            destination.update({prefix + k: v for k, v in (waiting.state or {}).items()})

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Copy values into parameters and buffers, into those of layers that are not built yet as soon as they are.

        Args:
            state_dict: What `state_dict()` returned.
            strict: Whether its keys must be exactly those of this module. Of layers that are not built, this is told when they are.
            assign: Whether its tensors take the place of the module's, instead of being copied into them.

        Raises:
            RuntimeError: If keys differ where `strict` is true, or shapes do.
        """
        with strictly(strict):
            return super().load_state_dict(state_dict, strict=strict, assign=assign)

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        waiting: Any = self._parameters.pop(KEY, None)
        if waiting is None:
            super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
            return
        known = (*self._parameters, *self._buffers, *self._modules)
        later: list[str] = []
        missing: list[str] = []
        try:
            super()._load_from_state_dict(state_dict, prefix, local_metadata, True, missing, later, error_msgs)
        finally:
            self._parameters[KEY] = waiting
        missing_keys += missing
        assign = local_metadata.get("assign_to_params_buffers", False)
        waiting.remember({k[len(prefix) :]: state_dict[k] for k in later}, assign, known)

    # -- the end of it ---------------------------------------------------------------------------------------------------------------

    def _tk_finish_build(self, args: tuple, kwargs: dict[str, Any]) -> None:
        names = self._tk_build_names()
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
        shapes = self._tk_shapes_for(arguments)
        if is_builtin(type(self)):
            self._tk_check_arguments(arguments, shapes)
        self.build(**shapes)

    def _tk_check_arguments(self, arguments: dict[str, Any], shapes: dict[str, Any]) -> None:
        """Refuse arguments of which a layer of this library cannot be built."""
        first = arguments.get(self._tk_call_info().first)
        if self.input_spec is not None and first is not None:
            check_inputs(self.input_spec, first, self.name)
        if self._tk_takes_strings or type(self).build is Built.build:  # inputs need no shape
            return
        for name in self._tk_build_names():
            if not name.endswith("_shape") or shapes.get(name) is not None:
                continue
            parameter = inspect.signature(self.build).parameters[name]
            if parameter.default is parameter.empty:
                argument = self._tk_call_info().first if name == "input_shape" else name[:-6]
                value = arguments.get(argument)
                raise ValueError(
                    f"`{argument}` of the layer {self.name!r} must be a tensor, an array or a nest of them. Received: "
                    f"{argument}={value!r} of type {type(value).__name__}"
                )

    def _tk_build_names(self) -> tuple[str, ...]:
        """The names of the shapes that `build` takes, read once a class: Dynamo traces no look into a signature."""
        cls = type(self)
        read = cls._tk_build_read
        if read is None or read[0] is not cls.build:
            read = cls._tk_build_read = (cls.build, parameters_of(cls.build))
        return read[1]

    def _tk_shapes_for(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """What `build` gets for these arguments of a call."""
        shapes = {}
        for name, value in arguments.items():
            flat = tree.flatten(value)
            if flat and all(hasattr(t, "shape") or t is None for t in flat) and any(t is not None for t in flat):
                shapes[name] = tree.map_structure(lambda t: None if t is None else _shape_of(t), value)
        names = self._tk_build_names()
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
        names = self._tk_build_names()
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


# Dynamo leaves this frame alone, and all that it calls: there is nothing to compile, and weights that are not made cannot be traced.
set_code_exec_strategy(Built._tk_build_whole.__code__, _FrameExecStrategy(_FrameAction.SKIP, _FrameAction.SKIP))


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
