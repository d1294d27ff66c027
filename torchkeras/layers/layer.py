"""The base of every layer: a torch module that builds itself on its first input and speaks Keras."""

from __future__ import annotations

import contextlib
import functools
import inspect
import types
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from .. import dtype_policies, dtypes, registry, regularizers, tree
from ..configurable import is_builtin
from ..distribution import rank
from ..graph import KerasTensor, Operation, any_symbolic, convert_to_tensor, infer, standardize_shape
from ..graph.operation import infer_spec
from ..variable import Variable
from .input_spec import InputSpec, check_inputs
from .weights import Weighted, calls

_LEGACY_ARGUMENTS = ("input_shape", "batch_shape", "batch_input_shape", "input_dim", "batch_size", "input_length", "weights", "input_dtype")


def losses_pending() -> bool:
    """Whether any layer of this process has ever called `add_loss`."""
    return calls.added_losses


class _CallInfo:
    """What the signature of a class's `call` says, read once a class."""

    def __init__(self, call: Callable) -> None:
        parameters = [p for n, p in inspect.signature(call).parameters.items() if n != "self"]
        self.names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        self.positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        self.variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        self.has_training = "training" in self.names
        self.first = self.positional[0] if self.positional else "inputs"
        self.mask_arguments = [(self.first, "mask")] if "mask" in self.names else []
        self.mask_arguments += [(n, f"{n}_mask") for n in self.names if f"{n}_mask" in self.names]


def _with_signature(forward: Any, call: Callable) -> Any:
    """`forward` as a function of its own that reports the parameters of `call`: `torch.export` names dynamic shapes by them."""
    copy = types.FunctionType(forward.__code__, forward.__globals__, forward.__name__, forward.__defaults__, forward.__closure__)
    copy.__doc__, copy.__qualname__, copy.__module__ = forward.__doc__, forward.__qualname__, forward.__module__
    copy.__signature__ = inspect.signature(call)  # type: ignore[attr-defined]
    return copy


@contextlib.contextmanager
def _replaced(module: nn.Module, state: dict[int, torch.Tensor]) -> Iterator[None]:
    """Other tensors in the places of parameters and buffers, by the ids of these, for a while."""
    places = [
        (table, name, stored)
        for m in module.modules()
        for table in (m._parameters, m._buffers)
        for name, stored in table.items()
        if id(stored) in state
    ]
    for table, name, stored in places:
        table[name] = state[id(stored)]  # type: ignore[assignment]
    try:
        yield
    finally:
        for table, name, stored in places:
            table[name] = stored  # type: ignore[assignment]


def _finishing(build: Callable) -> Callable:
    """`build` with what has to happen around it: names, clean-up after a failure, and the end of building."""

    @functools.wraps(build)
    def wrapper(self: Layer, *args: Any, **kwargs: Any) -> None:
        if self._building:  # super().build() inside build()
            return build(self, *args, **kwargs)
        before = {k: dict(getattr(self, k)) for k in ("_parameters", "_buffers", "_modules")}
        lists = {k: list(getattr(self, k)) for k in ("_own_trainable", "_own_non_trainable", "_hidden")}
        object.__setattr__(self, "_building", True)
        calls.scopes.append(self.name)
        try:
            with infer.outside():
                build(self, *args, **kwargs)
        except BaseException:
            for k, saved in before.items():
                getattr(self, k).clear()
                getattr(self, k).update(saved)
            for k, kept in lists.items():
                object.__setattr__(self, k, kept)
            raise
        finally:
            calls.scopes.pop()
            object.__setattr__(self, "_building", False)
        self._finish_build(args, kwargs)
        return None

    wrapper._is_build = True  # type: ignore[attr-defined]
    return wrapper


class Layer(Weighted):
    """A layer: weights made by `build` when the first input is seen, and a computation, `call`.

    Write `__init__` to store arguments, `build(input_shape)` to make weights (`add_weight`, or any torch module or layer as an
    attribute) and `call(inputs)` for the mathematics.

    Args:
        activity_regularizer: A regularizer of the outputs, by name, config or object.
        trainable: Whether its weights are trained.
        dtype: A dtype, a policy such as `"mixed_bfloat16"`, or `None` for the global one.
        autocast: Whether floating inputs are cast to the policy's compute type.
        name: Its name; the class's in snake case, numbered, without one.
    """

    _keras_module = "keras.layers"
    _config_base: ClassVar[tuple[str, ...]] = ("name", "trainable", "dtype")
    _config_unless_none: ClassVar[tuple[str, ...]] = ("activity_regularizer", "lora_rank", "lora_alpha")
    _call_info_cache: ClassVar[_CallInfo | None] = None
    _float_input: ClassVar[bool] = False  # whether integer inputs are cast as well (layers over torch modules that take floats only)
    _keeps_type: ClassVar[bool] = False  # whether integer inputs come out as integers
    _compute: torch.dtype  # of `compute_dtype`
    _direct = 0
    _composite = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "build" in vars(cls) and not hasattr(cls.build, "_is_build"):
            cls.build = _finishing(cls.build)  # type: ignore[method-assign]
        cls._call_info_cache = None
        if "call" in vars(cls):
            cls.forward = _with_signature(cls.forward, cls.call)  # type: ignore[method-assign]

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        unknown = [k for k in kwargs if k not in _LEGACY_ARGUMENTS]
        if unknown:
            known = (*_parameter_names(type(self)), *_LEGACY_ARGUMENTS)
            raise ValueError(
                f"Unrecognized keyword arguments passed to {type(self).__name__}: {', '.join(unknown)}."
                f"{registry.near_matches(unknown[0], known)}"
            )
        Operation.__init__(self, name)
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self._dtype_policy = dtype_policies.get(dtype if dtype is not None else kwargs.get("input_dtype"))
        self.autocast = autocast
        self._trainable = bool(trainable)
        self._input_shape_arg = _input_shape_argument(kwargs)
        self._initial_weights = kwargs.get("weights")

    # -- building --------------------------------------------------------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs of this shape. Override it; the base makes none.

        Args:
            input_shape: The shape of the first argument of `call`, or a nest of shapes; a `build` with several parameters gets
                `<argument>_shape` for each.
        """

    build = _finishing(build)

    def _finish_build(self, args: tuple, kwargs: dict[str, Any]) -> None:
        names = _parameters_of(type(self).build)
        shapes = {**dict(zip(names, args)), **kwargs}
        object.__setattr__(self, "_build_shapes", {k: _plain_shape(v) for k, v in shapes.items()})
        object.__setattr__(self, "built", True)
        object.__setattr__(self, "_path", "/".join([*calls.scopes, self.name]))
        if not self._trainable:
            self.trainable = False
        if self._initial_weights is not None:
            self.set_weights(self._initial_weights)
            self._initial_weights = None
        self._refresh()

    def _refresh(self) -> None:
        """Work out which short way `forward` may take."""
        cls, direct = type(self), 0
        if (
            self.built
            and is_builtin(cls)
            and self.activity_regularizer is None
            and self.compute_dtype == self.variable_dtype
            and not self._makes_mask()
        ):
            direct = 2 if self._call_info().has_training else 1
        spec = self.input_spec
        if spec is not None and (not isinstance(spec, InputSpec) or spec.dtype is not None):
            direct = 0
        if self._forward_hooks or self._forward_pre_hooks or self._backward_hooks or self._backward_pre_hooks:
            direct = 0
        object.__setattr__(self, "_direct", direct)
        object.__setattr__(self, "_composite", any(isinstance(m, Layer) for m in self.children()))
        object.__setattr__(self, "_compute", dtypes.TORCH_DTYPES.get(self.compute_dtype))

    @classmethod
    def _call_info(cls) -> _CallInfo:
        if cls._call_info_cache is None:
            cls._call_info_cache = _CallInfo(cls.call)
        return cls._call_info_cache

    def _check_constructed(self) -> None:
        if "name" not in self.__dict__:
            raise RuntimeError(
                f"The constructor of {type(self).__name__} did not call `super().__init__()`. Add it as the first line of `__init__`."
            )

    def _build_for(self, arguments: dict[str, Any]) -> None:
        """Build from the arguments of a call."""
        self._check_constructed()
        shapes = {}
        for name, value in arguments.items():
            flat = tree.flatten(value)
            if flat and all(hasattr(t, "shape") or t is None for t in flat) and any(t is not None for t in flat):
                shapes[name] = tree.map_structure(lambda t: None if t is None else _shape_of(t), value)
        names = _parameters_of(type(self).build)
        if len(names) == 1 and f"{names[0][:-6]}" not in shapes:
            chosen = {names[0]: next(iter(shapes.values()), None)}
        else:
            chosen = {n: shapes[n[:-6]] for n in names if n.endswith("_shape") and n[:-6] in shapes}
            if not chosen and names:
                chosen = {names[0]: next(iter(shapes.values()), None)}
        self.build(**chosen)

    def get_build_config(self) -> dict[str, Any] | None:
        """The shapes it was built with, as data; `None` before that."""
        if not self._build_shapes:
            return None
        if len(self._build_shapes) == 1:
            return {"input_shape": next(iter(self._build_shapes.values()))}
        return {"shapes_dict": dict(self._build_shapes)}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Build with what `get_build_config` returned."""
        if not config:
            return
        names = _parameters_of(type(self).build)
        if "shapes_dict" in config:
            self.build(**{k: _tuples(v) for k, v in config["shapes_dict"].items() if k in names})
        elif config.get("input_shape") is not None and names:
            self.build(_tuples(config["input_shape"]))

    # -- calling ---------------------------------------------------------------------------------------------------------------------

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What torch calls: builds on first use, casts and checks inputs, passes masks and the training flag, then runs `call`."""
        direct = self._direct
        if direct and not kwargs:
            x = args[0] if len(args) == 1 else None
            if x.__class__ is torch.Tensor:
                plain = self._takes(x) and (self.input_spec is None or self.input_spec.accepts(x.shape))
            else:
                plain = self.input_spec is None and self._takes_all(args)
            if plain and (calls.active or not self._composite):
                try:
                    return self.call(*args) if direct == 1 else self.call(*args, training=self.training)
                except RuntimeError as error:
                    self.explain(error, args)
                    raise
        try:
            return self._forward(args, kwargs)
        except RuntimeError as error:
            self.explain(error, args)
            raise

    def explain(self, error: RuntimeError, inputs: Any) -> None:
        """Raise what torch reports of tensors on different devices as a ValueError that names the layer and the cure."""
        given = {t.device for t in tree.flatten(inputs) if isinstance(t, torch.Tensor)}
        own = {p.device for p in self.parameters()}
        if "device" not in str(error) or len(given | own) < 2:
            return
        places = ", ".join(sorted(map(str, own))) or "none"
        raise ValueError(
            f"The layer {self.name!r} has weights on {places} and was called on inputs on {', '.join(sorted(map(str, given)))}. Move one "
            "to the other: `layer.to(device)` or `inputs.to(device)`."
        ) from error

    def quick_call(self, input_dtypes: Sequence[torch.dtype]) -> int:
        """Whether a graph may go straight to `call` for tensors of these types: 0 no, 1 yes, 2 with `training=`."""
        if not self._direct:
            return 0
        fits = all(d is self._compute or not (self._float_input or d.is_floating_point) for d in input_dtypes)
        return self._direct if fits else 0

    def makes_clean_outputs(self) -> bool:
        """Whether outputs have the types that the graph says and no mask, for inputs that have none."""
        return all(is_builtin(type(layer)) and not layer._makes_mask() for layer in self._flatten_layers())

    def _takes(self, x: torch.Tensor) -> bool:
        """Whether a tensor needs no cast and carries no mask."""
        fits = x.dtype is self._compute or not (self._float_input or x.dtype.is_floating_point)
        return fits and getattr(x, "_keras_mask", None) is None

    def _takes_all(self, args: tuple | list) -> bool:
        for x in args:
            if x.__class__ is torch.Tensor:
                if not self._takes(x):
                    return False
            elif x.__class__ is not list or not self._takes_all(x):
                return False
        return True

    def _forward(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        if any_symbolic(args, kwargs):
            return self.symbolic_call(*args, **kwargs)
        info = self._call_info()
        if not self.built:
            self._check_constructed()
        args, kwargs = self._convert_arguments(args, kwargs)
        arguments = dict(zip(info.positional, args), **kwargs)
        if not self.built:
            self._build_for(arguments)
        first = args[0] if args else arguments.get(info.first)
        if self.input_spec is not None and first is not None:
            check_inputs(self.input_spec, first, self.name)

        training = arguments.get("training")  # as it was asked for; `call` gets a plain bool
        kwargs.pop("training", None)
        if info.has_training:
            flag = self.training if training is None else bool(training)
            if "training" in info.positional[: len(args)]:
                args = tuple(flag if name == "training" else a for name, a in zip(info.positional, args))
            else:
                kwargs["training"] = flag

        previous_mask = _mask_of(first)
        for argument, mask_argument in info.mask_arguments:
            if arguments.get(mask_argument) is None and arguments.get(argument) is not None:
                mask = previous_mask if argument == info.first else _mask_of(arguments[argument])
                if mask is not None and (mask_argument != "mask" or _one_holds_tensors(arguments.values())):
                    kwargs[mask_argument] = mask

        outermost = not calls.active
        if outermost:
            calls.active, calls.root = True, self
            if self._loss_holders:
                self._clear_losses()
        try:
            if training is not None and bool(training) != self.training:
                outputs = self._call_in_mode(bool(training), args, kwargs)
            else:
                outputs = self._call_in_type(args, kwargs)
            if self.activity_regularizer is not None:
                for output in tree.flatten(outputs):
                    if isinstance(output, torch.Tensor):  # over the batch: as strong for a large one as for a small one
                        self.add_loss(self.activity_regularizer(output) / max(output.shape[0] if output.ndim else 1, 1))
        finally:
            if outermost:
                calls.active = False

        if self.supports_masking or type(self).compute_mask is not Layer.compute_mask:
            explicit = arguments.get("mask")
            self._attach_masks(first, outputs, explicit if explicit is not None else kwargs.get("mask", previous_mask))
        elif previous_mask is not None and not info.mask_arguments:
            warnings.warn(
                f"The layer {self.name!r} ({type(self).__name__}) does not support masking, but its input carries a mask, which is lost. "
                "Set `self.supports_masking = True` in its constructor if the mask still applies to its output.",
                stacklevel=4,
            )
        return outputs

    def _call_in_mode(self, training: bool, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Run `call` with every module inside in the given mode, then put the modes back."""
        modules = list(self.modules())
        modes = [m.training for m in modules]
        for m in modules:
            m.training = training
        try:
            return self._call_in_type(args, kwargs)
        finally:
            for m, mode in zip(modules, modes):
                m.training = mode

    def _call_in_type(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Run `call`, under torch's autocast where the policy computes in another type than it stores."""
        if self.compute_dtype == self.variable_dtype or not self.autocast:
            return self.call(*args, **kwargs)
        device = next((t.device.type for t in tree.flatten((args, kwargs)) if isinstance(t, torch.Tensor)), rank.default_device().type)
        compute = dtypes.to_torch_dtype(self.compute_dtype)
        with torch.autocast(device, dtype=compute):
            outputs = self.call(*args, **kwargs)
        return tree.map_structure(lambda t: t.to(compute) if isinstance(t, torch.Tensor) and t.is_floating_point() else t, outputs)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The computation on torch tensors. Override it.

        Args:
            *args: The inputs, as tensors. Parameters called `training` and `mask` are filled in where they are not given.
        """
        raise NotImplementedError(f"The layer {self.name!r} ({type(self).__name__}) has no `call` method. Write `def call(self, inputs)`.")

    def _convert_arguments(self, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        """Arrays as tensors beside the weights, floating tensors in the compute type."""
        compute = dtypes.TORCH_DTYPES[self.compute_dtype] if self.autocast else None

        def convert(x: Any) -> Any:
            if isinstance(x, (np.ndarray, np.generic)):
                if x.dtype.kind in "OSUM":
                    return x
                x = convert_to_tensor(x, device=self._device())
            if isinstance(x, torch.Tensor) and compute is not None and x.dtype is not compute:
                if x.is_floating_point() or (self._float_input and not x.is_complex()):
                    mask = getattr(x, "_keras_mask", None)
                    x = x.to(compute)
                    if mask is not None:
                        x._keras_mask = mask
            return x

        if args and isinstance(args[0], (list, tuple, int, float)) and not isinstance(args[0], bool) and _is_numbers(args[0]):
            args = (convert_to_tensor(args[0], device=self._device()), *args[1:])
        return tree.map_structure(convert, args, none_is_leaf=True), {k: tree.map_structure(convert, v) for k, v in kwargs.items()}

    def _device(self) -> torch.device:
        stored = next(self.parameters(), None)
        return stored.device if stored is not None else rank.default_device()

    def symbolic_call(self, *args: Any, **kwargs: Any) -> Any:
        """Build, record a node and return symbolic outputs."""
        info = self._call_info()
        arguments = dict(zip(info.positional, args), **kwargs)
        if not info.has_training:
            kwargs = {k: v for k, v in kwargs.items() if k != "training"}
        elif kwargs.get("training", 0) is None:
            kwargs = {k: v for k, v in kwargs.items() if k != "training"}
        if not self.built:
            self._build_for(arguments)
        first = args[0] if args else arguments.get(info.first)
        if self.input_spec is not None and first is not None:
            check_inputs(self.input_spec, first, self.name)
        return super().symbolic_call(*args, **kwargs)

    def compute_output_shape(self, *args: Any, **kwargs: Any) -> Any:
        """The shape of the outputs for inputs of these shapes. Override it where running `call` without values will not do."""
        shapes = args[0] if len(args) == 1 and not kwargs else next(iter((*args, *kwargs.values())))
        inputs = map_shapes(lambda s: KerasTensor(s, dtype=self.compute_dtype), shapes)
        outputs = self.compute_output_spec(inputs)
        return tree.map_structure(lambda t: t.shape if isinstance(t, KerasTensor) else t, outputs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs as KerasTensors: from `compute_output_shape` where the class has one, else by running `call` on fake tensors."""
        if type(self).compute_output_shape is Layer.compute_output_shape:
            info = self._call_info()
            if info.has_training and kwargs.get("training") is None:
                kwargs = {**kwargs, "training": False}
            return infer_spec(self._call_for_shape, args, kwargs, f"the layer {self.name!r} ({type(self).__name__})")
        info = self._call_info()
        arguments = dict(zip(info.positional, args), **kwargs)
        names = list(inspect.signature(self.compute_output_shape).parameters)
        matched = {n: _shapes(arguments[n[:-6]]) for n in names if n.endswith("_shape") and arguments.get(n[:-6]) is not None}
        if len(names) == 1 or not matched:
            first = next(iter(arguments.values()))
            matched = {names[0]: _shapes(first)} if names[0] not in ("args", "kwargs") else {}
            shapes = self.compute_output_shape(**matched) if matched else self.compute_output_shape(_shapes(first))
        else:
            shapes = self.compute_output_shape(**matched)
        dtype = self.compute_dtype
        if self._keeps_type:
            given = [t.dtype for t in tree.flatten((args, kwargs)) if isinstance(t, KerasTensor)]
            dtype = next((d for d in given if not dtypes.is_float(d)), dtype)
        return map_shapes(lambda s: KerasTensor(s, dtype=dtype), shapes)

    def _call_for_shape(self, *args: Any, **kwargs: Any) -> Any:
        before_call = calls.active, calls.root
        calls.active, calls.root = True, self
        held = self._losses[:], self._losses_of, self._loss_holders[:]
        calls.scopes.append(self.name)
        with infer.outside():  # fake tensors do not protect state that `call` updates from Python numbers alone
            state = [(b, b.clone()) for b in self.buffers()]
        try:
            args, kwargs = self._convert_arguments(args, kwargs)
            return self._call_in_type(args, kwargs)
        finally:
            with infer.outside(), torch.no_grad():
                for buffer, before in state:
                    buffer.copy_(before)
            calls.scopes.pop()
            calls.active, calls.root = before_call
            self._clear_losses()
            self._losses[:], self._loss_holders[:] = held[0], held[2]
            object.__setattr__(self, "_losses_of", held[1])

    def stateless_call(
        self,
        trainable_variables: Sequence[Any],
        non_trainable_variables: Sequence[Any],
        *args: Any,
        return_losses: bool = False,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """Call with these values in the place of the weights, which stay as they are.

        Args:
            trainable_variables: Values in the order and layout of `self.trainable_variables`.
            non_trainable_variables: Likewise.
            *args: Arguments of the call.
            return_losses: Whether the losses are returned as well.
            **kwargs: Arguments of the call.

        Returns:
            Outputs, then the new values of `non_trainable_variables`, then the losses if asked for.
        """
        self._check_built()
        state: dict[int, torch.Tensor] = {}  # by id of the stored tensor
        for what, variables, values in (
            ("trainable_variables", self.trainable_variables, trainable_variables),
            ("non_trainable_variables", self.non_trainable_weights, non_trainable_variables),
        ):
            if len(variables) != len(values):
                raise ValueError(f"`{what}` must hold {len(variables)} values for the layer {self.name!r}. Received: {len(values)}")
            for variable, value in zip(variables, values):
                for stored, part in zip(variable.parameters, variable.to_torch(convert_to_tensor(value))):
                    if isinstance(stored, Variable) and not variable.trainable:
                        part = Variable._wrap(part.detach().clone(), False, dict(stored.__dict__))  # `call` may assign to it
                    state[id(stored)] = part if variable.trainable else part.clone() if type(part) is torch.Tensor else part
        held, regularized = self.non_trainable_weights, [w for w in self.trainable_weights if w.regularizer is not None]
        places = [[id(stored) for stored in v.parameters] for v in held]
        with _replaced(self, state):
            outputs = self(*args, **kwargs)
            losses = [loss for layer in self._flatten_layers() for loss in layer._losses]
            losses += [w.regularizer(w.to_keras(*(state.get(id(t), t) for t in w.parameters))) for w in regularized]
        new = [v.to_keras(*(state[place] for place in stored)) for v, stored in zip(held, places)]
        return (outputs, new, losses) if return_losses else (outputs, new)

    def _check_built(self) -> None:
        if not self.built:
            raise ValueError(f"The layer {self.name!r} is not built. Call it on data or call `build(input_shape)` first.")

    # A layer with hooks is always called through torch's own `__call__`, by graphs too.

    def register_forward_hook(self, *args: Any, **kwargs: Any) -> Any:
        self.__dict__["_direct"] = 0
        return super().register_forward_hook(*args, **kwargs)

    def register_forward_pre_hook(self, *args: Any, **kwargs: Any) -> Any:
        self.__dict__["_direct"] = 0
        return super().register_forward_pre_hook(*args, **kwargs)

    def register_full_backward_hook(self, *args: Any, **kwargs: Any) -> Any:
        self.__dict__["_direct"] = 0
        return super().register_full_backward_hook(*args, **kwargs)

    def register_full_backward_pre_hook(self, *args: Any, **kwargs: Any) -> Any:
        self.__dict__["_direct"] = 0
        return super().register_full_backward_pre_hook(*args, **kwargs)

    # -- masks and losses ------------------------------------------------------------------------------------------------------------

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The mask of the outputs; that of the inputs unless overridden."""
        return previous_mask

    def _makes_mask(self) -> bool:
        """Whether outputs may carry a mask that the inputs do not."""
        return type(self).compute_mask is not Layer.compute_mask and not is_builtin(type(self))

    def _attach_masks(self, inputs: Any, outputs: Any, previous_mask: Any) -> None:
        if previous_mask is None and type(self).compute_mask is Layer.compute_mask:
            return
        masks = self.compute_mask(inputs, previous_mask)
        if masks is None:
            return
        flat_outputs = tree.flatten(outputs)
        flat_masks = tree.flatten(masks) if isinstance(masks, (list, tuple, dict)) else [masks]
        for output, mask in zip(flat_outputs, flat_masks):
            if mask is not None and isinstance(output, torch.Tensor) and getattr(output, "_keras_mask", None) is None:
                output._keras_mask = mask  # type: ignore[attr-defined]

    def add_loss(self, loss: Any) -> None:
        """Add a scalar tensor, or a list of them, to the loss of the model. The list is cleared when the model is next called."""
        for value in tree.flatten(loss):
            if value is None:
                continue
            if callable(value) and not isinstance(value, (torch.Tensor, KerasTensor)):
                value = value()
            if isinstance(value, KerasTensor):
                raise ValueError("`loss` must have a value. Received a symbolic tensor: call `add_loss` inside the `call` of a layer.")
            if isinstance(value, (int, float)):
                value = torch.tensor(float(value), device=self._device())
            if not isinstance(value, torch.Tensor):
                raise ValueError(f"`loss` must be a scalar tensor. Received: {value!r} of type {type(value).__name__}")
            root = calls.root if calls.active and calls.root is not None else self
            if self._losses_of != id(root):
                self._losses.clear()  # left by a call of another model, or of this layer alone
                object.__setattr__(self, "_losses_of", id(root))
            if not self._losses:
                root._loss_holders.append(self)
            self._losses.append(value)
            calls.added_losses = True

    def _clear_losses(self) -> None:
        """Forget the losses of the last call that this layer was the outermost of."""
        for layer in self._loss_holders:
            layer._losses.clear()
        self._loss_holders.clear()

    @property
    def losses(self) -> list[torch.Tensor]:
        """What `add_loss` collected in the last call, then the regularization of every trainable weight."""
        found = [loss for layer in self._flatten_layers() for loss in layer._losses]
        return found + [w.regularizer(w.value) for w in self.trainable_weights if w.regularizer is not None]

    def add_metric(self, *args: Any, **kwargs: Any) -> None:
        """Not offered, as in Keras 3: pass metrics to `compile`, or make a metric an attribute and update it in `call`."""
        raise NotImplementedError(
            "`add_metric` is not offered, as in Keras 3. Pass `metrics=` to `compile`, or set a metric as an attribute and call its "
            "`update_state` in `call`."
        )

    # -- saving ----------------------------------------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Name, trainable, dtype policy and the constructor arguments, as plain data."""
        config = super().get_config()
        if "dtype" in config:  # the constructor of a user's layer may not take it
            config["dtype"] = dtype_policies.serialize(self._dtype_policy)
        config.pop("autocast", None)
        return config

    # -- the Keras 2 view of nodes ------------------------------------------------------------------------------------------------------

    def get_input_at(self, node_index: int) -> Any:
        """The symbolic input of one of its calls."""
        node = self._node_at(node_index)
        return node.args[0] if node.args else node.input_tensors[0]

    def get_output_at(self, node_index: int) -> Any:
        """The symbolic output of one of its calls."""
        return self._node_at(node_index).outputs

    def get_input_shape_at(self, node_index: int) -> Any:
        """The shape of `get_input_at`."""
        return _shapes(self.get_input_at(node_index))

    def get_output_shape_at(self, node_index: int) -> Any:
        """The shape of `get_output_at`."""
        return _shapes(self.get_output_at(node_index))

    def _node_at(self, index: int) -> Any:
        if not -len(self._inbound_nodes) <= index < len(self._inbound_nodes):
            raise ValueError(f"`node_index` must be below {len(self._inbound_nodes)}, the calls of {self.name!r}. Received: {index}")
        return self._inbound_nodes[index]

    @property
    def input_shape(self) -> Any:
        """The shape of `input`."""
        return _shapes(self.input)

    @property
    def output_shape(self) -> Any:
        """The shape of `output`."""
        return _shapes(self.output)

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state["_inbound_nodes"] = []  # the graph stays behind: symbolic tensors belong to the model that recorded them
        state.update(_losses=[], _losses_of=None, _loss_holders=[])
        state["_foreign"] = {}
        return state

    def __repr__(self) -> str:
        if self._modules:
            return nn.Module.__repr__(self)
        return f"<{type(self).__name__} name={self.__dict__.get('name')}, built={self.built}>"


# -- helpers ------------------------------------------------------------------------------------------------------------------------------


@functools.lru_cache(1024)
def _parameters_of(build: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(n for n in inspect.signature(build).parameters if n not in ("self", "args", "kwargs"))


def _parameter_names(cls: Any) -> list[str]:
    return [n for c in cls.__mro__ if "__init__" in vars(c) for n in inspect.signature(c.__init__).parameters if n != "self"]


def _input_shape_argument(kwargs: dict[str, Any]) -> tuple[int | None, ...] | None:
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


def _shapes(value: Any) -> Any:
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


def _plain_shape(shape: Any) -> Any:
    return map_shapes(tuple, shape)


def _tuples(shape: Any) -> Any:
    return map_shapes(tuple, shape)


def _is_numbers(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return bool(value) and all(_is_numbers(v) for v in value)
    return isinstance(value, (int, float, np.generic)) and not isinstance(value, bool)


def _one_holds_tensors(values: Iterable[Any]) -> bool:
    """Whether at most one argument is a tensor or a nest of them: Keras fills `mask` only then (it cannot tell whose mask it would be)."""
    return sum(any(isinstance(t, torch.Tensor) for t in tree.flatten(v)) for v in values if v is not None) <= 1


def _mask_of(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return getattr(value, "_keras_mask", None)
    if isinstance(value, (list, tuple, dict)):
        masks = tree.map_structure(lambda t: getattr(t, "_keras_mask", None), value)
        return masks if any(m is not None for m in tree.flatten(masks)) else None
    return None


__all__ = ["InputSpec", "Layer", "losses_pending"]
