"""The base of every layer: a torch module that builds itself on its first input and speaks Keras."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import types
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np
import torch
from torch import nn
from torch._C._dynamo.eval_frame import _FrameAction, _FrameExecStrategy, set_code_exec_strategy
from torch.compiler import is_dynamo_compiling
from torch.fx import Proxy

from .. import dtype_policies, dtypes, registry, regularizers, tree
from ..configurable import is_builtin
from ..distribution import rank
from ..dtype_policies import PolicyLike
from ..graph import KerasTensor, Operation, any_symbolic, convert_to_tensor, infer
from ..graph.operation import infer_spec
from ..reporting import hide_own_frames, warn
from ..typing import ArrayLike, Identifier
from ..variable import Variable
from . import masks
from .building import input_shape_argument, map_shapes, parameter_names, shapes_of
from .call import Filed, Takes, begin, context, file_loss, forget_losses, in_mode, rehearsing, scope, watched
from .entry import Entry
from .failures import is_named, name_the_layer
from .input_spec import InputSpec, check_inputs
from .nodes import NodeViews
from .remat import Rematerialized, current_mode
from .stateless import Stateless, present
from .unbuilt import KEY

_LEGACY_ARGUMENTS = ("input_shape", "batch_shape", "batch_input_shape", "input_dim", "batch_size", "input_length", "weights", "input_dtype")


def _own_forward(forward: Any, cls: type) -> Any:
    """`forward` as a function of a class's own, with code of its own, by which Dynamo files what it compiles (eight times for one code).

    It reports the parameters of `call`: `torch.export` names dynamic shapes by them.
    """
    copy = with_own_code(forward, f"forward_of_{cls.__name__}")
    copy.__signature__ = inspect.signature(cls.call)  # type: ignore[attr-defined]
    return copy


def with_own_code(function: Any, name: str) -> Any:
    """A copy of a function, with code that Dynamo does not take for that of another."""
    code = function.__code__.replace(co_name=f"{name}_{next(_codes)}")
    copy = types.FunctionType(code, function.__globals__, "forward", function.__defaults__, function.__closure__)
    copy.__doc__, copy.__qualname__, copy.__module__ = function.__doc__, function.__qualname__, function.__module__
    copy.origin = getattr(function, "origin", function)  # type: ignore[attr-defined]
    return copy


_codes = itertools.count()  # code of equal names and content is equal to Dynamo


class Layer(Rematerialized, NodeViews, Stateless):
    """A layer: weights made by `build` when the first input is seen, and a computation, `call`.

    Write `__init__` to store arguments, `build(input_shape)` to make weights (`add_weight`, or any torch module or layer as an
    attribute) and `call(inputs)` for the mathematics.

    Args:
        activity_regularizer: A regularizer of the outputs, by name, config or object.
        trainable: Whether its weights are trained.
        dtype: A dtype, a policy such as `"mixed_bfloat16"`, or `None` for the global one.
        autocast: Whether floating inputs are cast to the policy's compute type.
        name: Its name; the class's in snake case, numbered, without one.
        **kwargs: `input_shape`, `batch_input_shape`, `batch_size`, `weights` and `input_dtype` of Keras 1 and 2.

    >>> layer = keras.layers.Dense(2)
    >>> layer.build((None, 3))
    >>> [weight.name for weight in layer.weights]
    ['kernel', 'bias']
    """

    _keras_module = "keras.layers"
    _tk_config_base: ClassVar[tuple[str, ...]] = ("name", "trainable", "dtype")
    _tk_config_unless_none: ClassVar[tuple[str, ...]] = ("activity_regularizer", "lora_rank", "lora_alpha")
    _tk_takes: ClassVar[Takes | None] = None
    _tk_float_input: ClassVar[bool] = False
    _tk_fresh = False  # whether it has no weights, so that it is built, and has not seen an input yet
    _tk_keeps_type: ClassVar[bool] = False
    _tk_compute: torch.dtype  # of `compute_dtype`
    _tk_entry: Entry | None = None  # once it is built
    _tk_takes_lists: ClassVar[bool] = True  # whether a list of tensors may go straight to `call`

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "forward" not in vars(cls) and hasattr(cls.forward, "__signature__") or "call" in vars(cls):
            cls.forward = _own_forward(cls.forward, cls)  # type: ignore[method-assign]

    def __init__(
        self,
        *,
        activity_regularizer: Identifier = None,
        trainable: bool = True,
        dtype: PolicyLike = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        unknown = [k for k in kwargs if k not in _LEGACY_ARGUMENTS]
        if unknown:
            known = (*parameter_names(type(self)), *_LEGACY_ARGUMENTS)
            raise ValueError(
                f"Unrecognized keyword arguments passed to {type(self).__name__}: {', '.join(unknown)}."
                f"{registry.near_matches(unknown[0], known)}"
            )
        Operation.__init__(self, name)
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self._dtype_policy = dtype_policies.get(dtype if dtype is not None else kwargs.get("input_dtype"))
        self.autocast = autocast
        if (asked := current_mode()) is not None:
            self._tk_remat = asked
        self._trainable = bool(trainable)
        self._tk_input_shape_arg = input_shape_argument(kwargs)
        self._tk_initial_weights = kwargs.get("weights")
        cls = type(self)
        if cls is not Layer and (cls.build is Layer.build or cls._tk_built_at_once) and is_builtin(cls):  # nothing to make
            self.__dict__.update(built=True, _tk_fresh=True)
            self._tk_build_names()  # before the first call, which may be traced
        self._tk_wait()

    def _tk_call_info(self) -> Takes:
        """What `call` takes: that of the class, or one set on this layer."""
        own = self.__dict__.get("call")
        if own is not None:
            return Takes(own, bound=True)
        cls = type(self)
        takes = cls._tk_takes
        if takes is None or takes.call is not cls.call:
            takes = cls._tk_takes = Takes(cls.call)
        return takes

    @property
    def call_signature_parameters(self) -> list[str]:
        """The names of what `call` takes, `self` left out."""
        own = self.__dict__.get("call")
        return list(inspect.signature(type(self).call if own is None else own).parameters)[own is None :]

    # -- the way in ------------------------------------------------------------------------------------------------------------------

    def _tk_refresh(self) -> None:
        """Make the way in anew; called whenever something is set on which it depends (see `call.SHORT_WAY`)."""
        if self.built and not self._tk_building and KEY in self._parameters:  # `self.built = True` in a constructor
            self._tk_replay(self._parameters.pop(KEY))
        object.__setattr__(self, "_tk_compute", dtypes.TORCH_DTYPES.get(self.compute_dtype))
        object.__setattr__(self, "_tk_entry", self._tk_make_entry() if self.built else None)

    def _tk_make_entry(self) -> Entry:
        spec = self.__dict__["input_spec"]
        plain = (
            self._tk_is_plain()
            and (self.compute_dtype == self.variable_dtype or not self.autocast)
            and (spec is None or (isinstance(spec, InputSpec) and spec.dtype is None))
        )
        cast = dtypes.TORCH_DTYPES.get(self.compute_dtype) if self.autocast else None
        return Entry(self, plain, cast=cast, whole=self._tk_float_input, spec=spec, lists=self._tk_takes_lists)

    def _tk_is_plain(self) -> bool:
        """Whether a call of the layer on tensors that need no conversion is nothing but its `call`."""
        cls, own = type(self), self.__dict__.get("forward")  # put there by accelerate and the like; a bound method is what they leave
        return (
            not self._tk_fresh
            and self.activity_regularizer is None
            and not self._tk_makes_mask()
            and self._tk_remat is None
            and (own is None or getattr(own, "__func__", None) is cls.forward)
            and getattr(cls.forward, "origin", cls.forward) is Layer.forward
            and cls.__call__ is Layer.__call__
        )

    def _tk_follow_weights(self) -> None:
        """Take the type that the weights have been cast to (`p.data = p.data.bfloat16()`, a cast of the torch module inside, FSDP)."""
        for layer in self._flatten_layers():
            types = [p.dtype for p in layer.parameters() if not isinstance(p, nn.UninitializedParameter) and p.is_floating_point()]
            was = None if layer._tk_entry is None else layer._tk_entry.dtype
            if types and was not in (None, *types) and layer._dtype_policy.quantization_mode is None:
                for module, name in layer._tk_hidden:  # constants that torch's modules hold beside their weights
                    if name in module._buffers and module._buffers[name].dtype is was:
                        setattr(module, name, module._buffers[name].to(types[0]))
                layer.dtype_policy = dtypes.standardize_dtype(types[0])

    # -- calling ---------------------------------------------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What torch does for every module, whose `__call__` runs where something watches or there are hooks; what is left without them."""
        if is_dynamo_compiling():
            return nn.Module.__call__(self, *args, **kwargs)
        try:
            d = self.__dict__  # read directly: torch's attribute lookup costs more than what is looked up
            if watched() or d.get("_compiled_call_impl") is not None:
                return nn.Module.__call__(self, *args, **kwargs)
            if d["_forward_hooks"] or d["_forward_pre_hooks"] or d["_backward_hooks"] or d["_backward_pre_hooks"]:
                # A hook is called with tensors, once a call. What it does to symbolic ones would be recorded beside the layer.
                return self.forward(*args, **kwargs) if any_symbolic(args, kwargs) else nn.Module.__call__(self, *args, **kwargs)
            entry = d.get("_tk_entry")
            if entry is not None and len(args) == 1 and not kwargs:
                x = args[0]
                if x.__class__ is torch.Tensor and entry.admits(type(self), x):
                    outermost = context.root is None
                    if outermost:
                        begin(self)
                    try:
                        return entry.run(self, x, training=self.training) if entry.takes_training else entry.run(self, x)
                    finally:
                        if outermost:
                            context.root = None
            return self.forward(*args, **kwargs)
        except Exception as error:
            self.explain(error, args)
            raise

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What torch calls: builds on first use, casts and checks inputs, passes masks and the training flag, then runs `call`."""
        if args.__class__ is Proxy:  # `torch.fx` traces this layer and gives all of its arguments as one
            args, kwargs = tuple([args[i] for i in range(self._tk_call_info().required)]), {}
        entry = self.__dict__.get("_tk_entry")
        if entry is not None:
            if entry.stale():
                self._tk_follow_weights()
                entry = self.__dict__["_tk_entry"]
            given = kwargs
            if "training" in kwargs:
                given = {k: v for k, v in kwargs.items() if k != "training"}
            if entry.fits(type(self), args, given):
                return self._tk_call_plain(entry, args, given, kwargs.get("training"))
        return self._tk_forward(args, kwargs)

    def _tk_call_plain(self, entry: Entry, args: tuple, kwargs: dict[str, Any], training: bool | None) -> Any:
        """The computation on tensors that need no conversion, in the context of the call in progress."""
        outermost = context.root is None
        if outermost:
            begin(self)
        try:
            if training is not None and context.flag is not training:
                return in_mode(self, bool(training), self._tk_run, entry, args, kwargs)
            return self._tk_run(entry, args, kwargs)
        finally:
            if outermost:
                context.root = None

    def _tk_run(self, entry: Entry, args: tuple, kwargs: dict[str, Any]) -> Any:
        if entry.takes_training:
            return entry.run(self, *args, training=self.training, **kwargs)
        return entry.run(self, *args, **kwargs)

    def explain(self, error: Exception, inputs: Any) -> None:
        """Let an error that leaves a call of this layer name the layer and show the caller's frames only.

        What torch reports of tensors on different devices is told with the devices and the cure.

        Args:
            error: The error that is being handled; a bare `raise` sends it on.
            inputs: What the layer was called with.
        """
        if isinstance(error, RuntimeError) and "device" in str(error) and not is_named(error):
            given = {t.device for t in tree.flatten(inputs) if isinstance(t, torch.Tensor)}
            own = {p.device for p in self.parameters()}
            if len(given | own) > 1:
                places, came = (", ".join(sorted(map(str, devices))) or "none" for devices in (own, given))
                error.args = (
                    f"The layer {self.name!r} has weights on {places} and was called on inputs on {came}. Move one to the other: "
                    f"`layer.to(device)` or `inputs.to(device)`. ({error})",
                )
        name_the_layer(error)
        hide_own_frames(error)

    def _tk_forward(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        if any(isinstance(a, Proxy) for a in tree.flatten(args)):
            return self._tk_call_traced(args, kwargs)
        if any_symbolic(args, kwargs):
            return self.symbolic_call(*args, **kwargs)
        info = self._tk_call_info()
        if not self.built:
            self._tk_check_constructed()
        args, kwargs = self._tk_convert_arguments(args, kwargs)
        arguments = dict(zip(info.positional, args), **kwargs)
        scopes: Any = contextlib.nullcontext()
        if not self.built or self._tk_fresh:
            self._tk_build_for(arguments)
            scopes = scope(self.name)  # of what is built inside as this first input reaches it
        first = args[0] if args else arguments.get(info.first)
        if self.__dict__["input_spec"] is not None and first is not None:
            check_inputs(self.__dict__["input_spec"], first, self.name)

        asked = arguments.get("training")
        kwargs.pop("training", None)
        if info.has_training:  # `call` gets a plain bool
            flag = self.training if asked is None else bool(asked)
            if "training" in info.positional[: len(args)]:
                args = tuple(flag if name == "training" else a for name, a in zip(info.positional, args))
            else:
                kwargs["training"] = flag

        previous_mask = masks.mask_of(first)
        for argument, mask_argument in info.mask_arguments:
            if arguments.get(mask_argument) is None and arguments.get(argument) is not None:
                mask = previous_mask if argument == info.first else masks.mask_of(arguments[argument])
                if mask is not None and (mask_argument != "mask" or masks.one_holds_tensors(arguments.values())):
                    kwargs[mask_argument] = mask

        outermost = context.root is None
        if outermost:
            begin(self)
        try:
            with scopes:
                if asked is None or context.flag is bool(asked):
                    outputs = self._tk_call_in_type(args, kwargs)
                else:
                    outputs = in_mode(self, bool(asked), self._tk_call_in_type, args, kwargs)
            if not self.built:  # a model, whose layers have been built by the call
                self._tk_finish_build((), self._tk_shapes_for(arguments))
            if self.activity_regularizer is not None:
                for output in tree.flatten(outputs):
                    if isinstance(output, torch.Tensor):  # over the batch: as strong for a large one as for a small one
                        self.add_loss(self.activity_regularizer(output) / max(output.shape[0] if output.ndim else 1, 1))
        finally:
            if outermost:
                context.root = None

        if self.supports_masking or type(self).compute_mask is not Layer.compute_mask:
            explicit = arguments.get("mask")
            outputs = self._tk_attach_masks(first, outputs, explicit if explicit is not None else kwargs.get("mask", previous_mask))
        elif previous_mask is not None and not info.mask_arguments:
            warn(
                f"The layer {self.name!r} ({type(self).__name__}) does not support masking, but its input carries a mask, which is lost. "
                "Set `self.supports_masking = True` in its constructor if the mask still applies to its output."
            )
        return outputs

    def _tk_call_traced(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        """`call` on the proxies of `torch.fx`; where it looks at sizes or types, which these lack, the layer is a module of the graph."""
        self._tk_check_built()
        tracer: Any = next(a for a in tree.flatten(args) if isinstance(a, Proxy)).tracer
        known = len(tracer.graph.nodes)
        given = kwargs
        if self._tk_call_info().has_training and kwargs.get("training") is None:
            given = {**kwargs, "training": self.training}
        try:
            return self.call(*args, **given)
        except (AttributeError, RuntimeError, TypeError, ValueError):  # what `torch.fx` raises, and what layers make of it
            if self is tracer.root:
                raise
            for node in reversed(list(tracer.graph.nodes)[known:]):
                tracer.graph.erase_node(node)
            return tracer.create_proxy("call_module", tracer.path_of_module(self), args, kwargs)

    def _tk_call_in_type(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Run `call`, under torch's autocast where the policy computes in another type than it stores, and without that of a layer around
        where it does not."""
        mixed, around = self.compute_dtype != self.variable_dtype, context.mixed
        run = self.call if self._tk_remat is None else self.rematerialized_call(self.call, *args, **kwargs)
        if mixed is around is False or not self.autocast:
            return run(*args, **kwargs)
        device = next((t.device.type for t in tree.flatten((args, kwargs)) if isinstance(t, torch.Tensor)), rank.default_device().type)
        compute = dtypes.to_torch_dtype(self.compute_dtype)
        context.mixed = mixed
        try:
            with torch.autocast(device, dtype=compute if mixed else None, enabled=mixed):
                outputs = run(*args, **kwargs)
        finally:
            context.mixed = around
        if not mixed:
            return outputs
        return tree.map_structure(lambda t: t.to(compute) if isinstance(t, torch.Tensor) and t.is_floating_point() else t, outputs)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The computation on torch tensors. Override it.

        Args:
            *args: The inputs, as tensors. Parameters called `training` and `mask` are filled in where they are not given.
        """
        raise NotImplementedError(f"The layer {self.name!r} ({type(self).__name__}) has no `call` method. Write `def call(self, inputs)`.")

    def _tk_convert_arguments(self, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        """Arrays as tensors beside the weights, floating tensors in the compute type."""
        compute = dtypes.TORCH_DTYPES[self.compute_dtype] if self.autocast else None
        if compute is not None and self.built and any(_differs(t, compute) for t in tree.flatten((args, kwargs))):
            self._tk_follow_weights()  # nothing is cast to a type that the weights no longer have
            compute = dtypes.TORCH_DTYPES[self.compute_dtype]

        def convert(x: Any) -> Any:
            if not isinstance(x, (torch.Tensor, np.ndarray, np.generic, KerasTensor, Variable)) and hasattr(x, "__array__"):
                x = np.asarray(x)
            if isinstance(x, (np.ndarray, np.generic)):
                if x.dtype.kind in "OSUM":
                    return self._tk_checked_strings(x)
                x = convert_to_tensor(x, device=self._tk_device())
            if isinstance(x, torch.Tensor) and compute is not None and x.dtype is not compute:
                if x.dtype in _LOW and not context.mixed and torch.is_autocast_enabled(x.device.type):
                    return x  # the user's autocast decides, op by op
                if x.is_floating_point() or (self._tk_float_input and not x.is_complex()):
                    mask = getattr(x, "_keras_mask", None)
                    x = x.to(compute)
                    if mask is not None:
                        x._keras_mask = mask
            return x

        if args and isinstance(args[0], (list, tuple, int, float)) and not isinstance(args[0], bool) and _is_numbers(args[0]):
            args = (convert_to_tensor(args[0], device=self._tk_device()), *args[1:])
        return tree.map_structure(convert, args, none_is_leaf=True), {k: tree.map_structure(convert, v) for k, v in kwargs.items()}

    def _tk_device(self) -> torch.device:
        for p in self.parameters():
            if not isinstance(p, nn.UninitializedParameter) or getattr(p, "moved", False):
                return p.device
        return rank.default_device()

    def symbolic_call(self, *args: Any, **kwargs: Any) -> Any:
        """Build, record a node and return symbolic outputs."""
        info = self._tk_call_info()
        arguments = dict(zip(info.positional, args), **kwargs)
        if not info.has_training:
            kwargs = {k: v for k, v in kwargs.items() if k != "training"}
        elif kwargs.get("training", 0) is None:
            kwargs = {k: v for k, v in kwargs.items() if k != "training"}
        if not self.built or self._tk_fresh:
            self._tk_build_for(arguments)
        first = args[0] if args else arguments.get(info.first)
        if self.__dict__["input_spec"] is not None and first is not None:
            check_inputs(self.__dict__["input_spec"], first, self.name)
        outputs = super().symbolic_call(*args, **kwargs)
        made = tree.flatten(outputs)
        if not any(isinstance(output, KerasTensor) for output in made):
            raise ValueError(
                f"`call` of the layer {self.name!r} ({type(self).__name__}) must return a tensor, or a nest of them. "
                f"Received: {outputs!r}. Does it end in `return`?"
            )
        if isinstance(made[0], KerasTensor):
            self._tk_give_symbols(first, outputs, kwargs.get("mask"))
        return outputs

    def _tk_give_symbols(self, inputs: Any, outputs: Any, mask: Any) -> None:
        """Note the masks that the outputs will carry; a `compute_mask` that takes nothing but tensors leaves them unknown until then."""
        mask = masks.mask_of(inputs) if mask is None else mask
        overridden = type(self).compute_mask is not Layer.compute_mask
        if overridden or (self.supports_masking and mask is not None):
            with contextlib.suppress(AttributeError, IndexError, RuntimeError, TypeError, ValueError):
                masks.give_symbols(outputs, self.compute_mask(inputs, mask))

    def compute_output_shape(self, *args: Any, **kwargs: Any) -> Any:
        """The shape of the outputs for inputs of these shapes. Override it where running `call` without values will not do."""
        shapes = args[0] if len(args) == 1 and not kwargs else next(iter((*args, *kwargs.values())))
        inputs = map_shapes(lambda s: KerasTensor(s, dtype=self.compute_dtype), shapes)
        outputs = self.compute_output_spec(inputs)
        return tree.map_structure(lambda t: t.shape if isinstance(t, KerasTensor) else t, outputs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs as KerasTensors: from `compute_output_shape` where the class has one, else by running `call` on fake tensors."""
        if type(self).compute_output_shape is Layer.compute_output_shape:
            info = self._tk_call_info()
            if info.has_training and kwargs.get("training") is None:
                kwargs = {**kwargs, "training": False}
            if info.mask_arguments:
                given = dict(zip(info.positional, args), **kwargs)
                found = {m: masks.mask_of(given[a]) for a, m in info.mask_arguments if given.get(a) is not None and given.get(m) is None}
                kwargs = {**kwargs, **{m: mask for m, mask in found.items() if mask is not None}}
            return infer_spec(self._tk_call_for_shape, args, kwargs, f"the layer {self.name!r} ({type(self).__name__})", self._tk_device())
        info = self._tk_call_info()
        arguments = dict(zip(info.positional, args), **kwargs)
        names = list(inspect.signature(self.compute_output_shape).parameters)
        matched = {n: shapes_of(arguments[n[:-6]]) for n in names if n.endswith("_shape") and arguments.get(n[:-6]) is not None}
        if len(names) == 1 or not matched:
            first = next(iter(arguments.values()))
            matched = {names[0]: shapes_of(first)} if names[0] not in ("args", "kwargs") else {}
            shapes = self.compute_output_shape(**matched) if matched else self.compute_output_shape(shapes_of(first))
        else:
            shapes = self.compute_output_shape(**matched)
        dtype = self.compute_dtype
        if self._tk_keeps_type:
            types = [t.dtype for t in tree.flatten((args, kwargs)) if isinstance(t, KerasTensor)]
            dtype = next((d for d in types if not dtypes.is_float(d)), dtype)
        return map_shapes(lambda s: KerasTensor(s, dtype=dtype), shapes)

    def _tk_call_for_shape(self, *args: Any, **kwargs: Any) -> Any:
        with infer.outside():  # fake tensors do not protect state that `call` updates from Python numbers alone
            state = [(b, b.clone()) for b in self.buffers()]
        try:
            with rehearsing(self):
                args, kwargs = self._tk_convert_arguments(args, kwargs)
                return self._tk_call_in_type(args, kwargs)
        finally:
            with infer.outside(), torch.no_grad():
                for buffer, before in state:
                    buffer.copy_(before)

    # -- masks and losses ------------------------------------------------------------------------------------------------------------

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The mask of the outputs; that of the inputs unless overridden."""
        return previous_mask

    def _tk_makes_mask(self) -> bool:
        """Whether outputs may carry a mask that the inputs do not."""
        owner = next(c for c in type(self).__mro__ if "compute_mask" in vars(c))
        return owner is not Layer and "_masks_from_inputs" not in vars(owner)

    def _tk_attach_masks(self, inputs: Any, outputs: Any, previous_mask: Any) -> Any:
        if previous_mask is None and type(self).compute_mask is Layer.compute_mask:
            return outputs
        found = self.compute_mask(inputs, previous_mask)
        return outputs if found is None else masks.attach(outputs, found, inputs)

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
                value = torch.tensor(float(value), device=self._tk_device())
            if not isinstance(value, torch.Tensor):
                raise ValueError(f"`loss` must be a scalar tensor. Received: {value!r} of type {type(value).__name__}")
            file_loss(self, value)

    def _clear_losses(self) -> None:
        """Forget the losses of the last call that this layer was the outermost of."""
        forget_losses(self)

    @property
    def losses(self) -> list[torch.Tensor]:
        """What `add_loss` collected in the last call, then the regularization of every trainable weight."""
        return self._tk_losses_of(self.trainable_weights)

    def _tk_losses_of(self, trained: list[Any]) -> list[torch.Tensor]:
        found = [loss for layer in self._flatten_layers() for loss in layer._tk_filed.seen]
        return found + [w.regularizer(present(w)) for w in trained if w.regularizer is not None]

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

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        # The graph stays behind: its calls belong to the model that recorded them, and come back with that (`Model.__setstate__`).
        state["_inbound_nodes"] = [node for node in self._inbound_nodes if not node.input_tensors]
        state["_tk_foreign"] = {}
        del state["_tk_filed"]
        for made in ("_tk_found", "_tk_entry"):
            state.pop(made, None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.__dict__["_tk_filed"] = Filed([])
        self.__dict__["_tk_entry"] = self._tk_make_entry() if self.built else None

    def __repr__(self) -> str:
        if self._modules:
            return nn.Module.__repr__(self)
        return f"<{type(self).__name__} name={self.__dict__.get('name')}, built={self.built}>"


# Dynamo leaves this frame alone and compiles the `forward` that it calls, whose code is that of one class.
set_code_exec_strategy(Layer.__call__.__code__, _FrameExecStrategy(_FrameAction.SKIP, _FrameAction.DEFAULT))

if TYPE_CHECKING:

    class TensorLayer(Layer):
        """A layer that gives one tensor: symbolic for symbolic inputs."""

        @overload
        def __call__(self, inputs: KerasTensor | Sequence[KerasTensor], *args: Any, **kwargs: Any) -> KerasTensor: ...
        @overload
        def __call__(self, inputs: ArrayLike, *args: Any, **kwargs: Any) -> torch.Tensor: ...
        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

else:
    TensorLayer = Layer

_LOW = (torch.bfloat16, torch.float16)


def _differs(x: Any, dtype: torch.dtype) -> bool:
    return isinstance(x, torch.Tensor) and x.dtype is not dtype and x.is_floating_point()


def _is_numbers(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return bool(value) and all(_is_numbers(v) for v in value)
    return isinstance(value, (int, float, np.generic)) and not isinstance(value, bool)


__all__ = ["InputSpec", "Layer"]
