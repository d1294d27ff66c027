"""What a layer owns: its weights and sub-layers, in torch's tables and in Keras's order."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn
from torch._subclasses.fake_tensor import unset_fake_temporarily
from torch.overrides import TorchFunctionMode
from typing_extensions import Self

from .. import constraints, dtype_policies, dtypes, initializers, regularizers
from ..configurable import is_builtin
from ..distribution import rank
from ..dtype_policies import PolicyLike
from ..graph import infer, standardize_shape
from ..random import SeedGenerator
from ..typing import DTypeLike, Identifier, InitializerLike, Shape
from ..variable import SAME, ParameterVariable, Variable, WeightView
from . import call, saved
from .ownership import Owner, Place
from .tracking import TrackedDict, TrackedList, track

_TABLES = frozenset(("_parameters", "_buffers", "_modules", "_inbound_nodes"))  # torch's own, and the graph's
_Module = TypeVar("_Module", bound=nn.Module)


class _Unfilled(TorchFunctionMode):
    """Constructors of modules draw no numbers: on the meta device these are decomposed in Python, and then thrown away."""

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        return args[0] if func in _DRAWS else func(*args, **(kwargs or {}))


_DRAWS = frozenset((torch.Tensor.uniform_, torch.Tensor.normal_))


def with_memory(make: Callable[[], _Module], device: torch.device) -> _Module:
    """The module that `make` makes on the meta device, with memory on `device` that is not yet filled.

    Parameters are set anew, as a constructor sets them, so that what watches constructors (accelerate's `init_empty_weights`, torch's
    registration hooks, a `FakeTensorMode`) sees these: `to_empty` would swap them behind their back.
    """
    with unset_fake_temporarily(), _Unfilled():  # nn.BatchNorm on the meta device fails in a fake mode
        module = make()
    for owner in module.modules():
        for name, p in list(owner._parameters.items()):
            if p is not None:
                setattr(owner, name, nn.Parameter(torch.empty(p.shape, dtype=p.dtype, device=device), p.requires_grad))
        for name, b in owner._buffers.items():
            if b is not None:
                owner._buffers[name] = torch.empty(b.shape, dtype=b.dtype, device=device)
    return module


class Weighted(call.FollowsCall, Owner):
    """The half of a layer that owns things: weights, sub-layers, dtype policy, freezing, and its own arrays in files."""

    name: str
    built: bool
    autocast: bool
    supports_masking: bool
    input_spec: Any
    activity_regularizer: Any
    _tk_building: bool
    _tk_filed: call.Filed
    _tk_metrics: list[Any]
    _inbound_nodes: list[Any]
    _tk_build_shapes: dict[str, Any] | None
    _tk_initial_weights: Any
    _dtype_policy: dtype_policies.DTypePolicy

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        self = super().__new__(cls, *args, **kwargs)
        self.__dict__.update(_parameters={}, _buffers={}, _modules={})  # torch sets the mode first, and Dynamo looks into them then
        nn.Module.__init__(self)  # here, so that attributes may be set before super().__init__()
        self.__dict__.update(
            _tk_mode=False, built=False, _tk_building=False, _trainable=True, _tk_own_trainable=[], _tk_own_non_trainable=[], _tk_hidden=[],
            _tk_foreign={}, _tk_filed=call.Filed([]), _tk_metrics=[], _inbound_nodes=[],
            _tk_build_shapes=None, _tk_initial_weights=None, supports_masking=False, input_spec=None,
            activity_regularizer=None, autocast=True,
        )  # fmt: skip
        return self

    # -- types -----------------------------------------------------------------------------------------------------------------------

    @property
    def dtype_policy(self) -> dtype_policies.DTypePolicy:
        """The policy: which type it computes in and which it stores."""
        return self._dtype_policy

    @dtype_policy.setter
    def dtype_policy(self, value: PolicyLike) -> None:
        self._dtype_policy = dtype_policies.get(value)
        self._tk_refresh()

    @property
    def compute_dtype(self) -> str:
        """The type of its computation and outputs."""
        return self._dtype_policy.compute_dtype

    @property
    def variable_dtype(self) -> str:
        """The type of its weights."""
        return self._dtype_policy.variable_dtype

    @property
    def dtype(self) -> str:
        """The type of its weights (Keras's alias of `variable_dtype`)."""
        return self.variable_dtype

    @property
    def input_dtype(self) -> str:
        """The type that floating inputs are cast to."""
        return self.compute_dtype

    # -- weights ---------------------------------------------------------------------------------------------------------------------

    def add_weight(
        self,
        shape: Shape | int | str | None = None,
        initializer: InitializerLike = None,
        dtype: DTypeLike = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Identifier = None,
        constraint: Identifier = None,
        aggregation: str = "none",
        overwrite_with_gradient: bool = False,
        name: str | None = None,
    ) -> ParameterVariable:
        """Make a weight: an `nn.Parameter`, or a buffer where it is not trainable.

        Args:
            shape: Its shape; `()` without one. A string in this place is the name, as in Keras 1 and 2.
            initializer: By name, config or object; Glorot uniform without one, zeros for integers.
            dtype: Its type; the policy's variable type without one.
            trainable: Whether it is trained.
            autocast: Kept on the weight as `autocast`, for configs and Keras code that reads it. Under a mixed policy `torch.autocast`
                casts operands op by op; a layer that must compute in the type of its weights sets `self.autocast = False`.
            regularizer: Adds to the loss of the model, by name, config or object.
            constraint: Applied after every update, by name, config or object.
            aggregation: How replicas would be joined.
            overwrite_with_gradient: Whether the optimizer assigns the gradient instead of stepping along it.
            name: Its name.
        """
        if isinstance(shape, str):  # Keras 1 and 2: add_weight(name, shape, ...)
            legacy_shape = initializer if not isinstance(initializer, (str, type(None))) and not callable(initializer) else None
            given: Any = (legacy_shape, shape, None) if legacy_shape is not None else ((), shape, initializer)
            shape, name, initializer = given
        if name is not None and not isinstance(name, str):
            raise ValueError(f"`name` must be a string. Received: name={name!r}")
        shape = standardize_shape(() if shape is None else shape)
        if None in shape:
            raise ValueError(f"`shape` of the weight {name!r} of the layer {self.name!r} must be known. Received: shape={shape}")
        dtype = dtypes.standardize_dtype(dtype if dtype is not None else self.variable_dtype)
        if initializer is None:
            initializer = "glorot_uniform" if dtypes.is_float(dtype) else "zeros"
        with infer.outside(), torch.no_grad():
            variable = ParameterVariable(
                initializers.get(initializer), shape, dtype, trainable=trainable, autocast=autocast, aggregation=aggregation,
                name=name or "variable",
            )  # fmt: skip
        variable.overwrite_with_gradient = overwrite_with_gradient
        key = (name or "variable").replace(".", "_").replace("/", "_")
        while key in self._parameters or key in self._buffers:
            stem, _, number = key.rpartition("_")
            key = f"{stem}_{int(number) + 1}" if number.isdigit() and stem else f"{key}_1"
        (self._parameters if trainable else self._buffers)[key] = variable
        self._tk_own(variable, Place(self, key, variable), trainable, regularizer, constraint)
        return variable

    def add_variable(
        self,
        shape: Shape | int | str | None,
        initializer: InitializerLike,
        dtype: DTypeLike = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Identifier = None,
        constraint: Identifier = None,
        name: str | None = None,
    ) -> ParameterVariable:
        """Keras's older name of `add_weight`."""
        return self.add_weight(shape, initializer, dtype, trainable, autocast, regularizer, constraint, name=name)

    def new_module(self, cls: Callable[..., _Module], *args: Any, **kwargs: Any) -> _Module:
        """A torch module on the default device in the variable type, its weights not yet filled: `wrap_weight` does that."""
        made = functools.partial(cls, *args, device="meta", dtype=dtypes.to_torch_dtype(self.variable_dtype), **kwargs)
        return with_memory(made, rank.default_device())

    def set_weight_settings(
        self, name: str, initializer: InitializerLike, regularizer: Identifier = None, constraint: Identifier = None
    ) -> None:
        """Keep what a weight is made with as the attributes `<name>_initializer`, `<name>_regularizer` and `<name>_constraint`.

        They may be read and set until the layer is built.

        Args:
            name: The weight's name, or the part of it that stands in the names of the constructor's arguments.
            initializer: Fills it, by name, config or object.
            regularizer: Adds to the loss of the model, by name, config or object.
            constraint: Applied after every update, by name, config or object.
        """
        setattr(self, f"{name}_initializer", initializers.get(initializer))
        setattr(self, f"{name}_regularizer", regularizers.get(regularizer))
        setattr(self, f"{name}_constraint", constraints.get(constraint))

    def weight_settings(self, name: str) -> dict[str, Any]:
        """What `set_weight_settings` kept, as arguments of `add_weight` and `wrap_weight`."""
        return {what: getattr(self, f"{name}_{what}") for what in ("initializer", "regularizer", "constraint")}

    def wrap_weight(
        self,
        module: nn.Module,
        attributes: str | Sequence[str],
        name: str,
        initializer: InitializerLike = None,
        layout: Any = SAME,
        regularizer: Identifier = None,
        constraint: Identifier = None,
        trainable: bool = True,
    ) -> WeightView:
        """The Keras handle of a torch module's own weight, filled by `initializer` in Keras layout.

        Args:
            module: The torch module.
            attributes: Which of its parameters or buffers make the weight.
            name: The Keras name.
            initializer: Fills it, by name, config or object; `None` leaves it as it is.
            layout: How the Keras weight lies in the parameters; the same without one.
            regularizer: Adds to the loss of the model, by name, config or object.
            constraint: Applied after every update, by name, config or object.
            trainable: Whether it is trained.
        """
        child = next((key for key, m in self._modules.items() if m is module), None)
        view = WeightView(module, attributes, layout, name, None if child is None else self, child)
        if initializer is not None:
            with torch.no_grad():
                view.assign(initializers.get(initializer)(tuple(view.shape), dtype=dtypes.standardize_dtype(view.dtype)))
        self._tk_own(view, view, trainable, regularizer, constraint)
        return view

    def hide_weight(self, module: nn.Module, attribute: str) -> None:
        """Leave a parameter or buffer of a wrapped module out of `weights`: it is constant, or Keras has no such weight."""
        self._tk_hidden.append((module, attribute))

    def _tk_own(self, variable: Variable, place: WeightView, trainable: bool, regularizer: Any, constraint: Any) -> None:
        variable.path = "/".join([*(call.scopes() or [self.name]), variable.name])
        variable.regularizer = regularizers.get(regularizer)
        variable.constraint = constraints.get(constraint)
        (self._tk_own_trainable if trainable else self._tk_own_non_trainable).append(place)
        if not (trainable and self._trainable):
            variable.trainable = False

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, ParameterVariable):
            self._tk_adopt(name, value)
            return
        if isinstance(self.__dict__.get(name), WeightView) and value is not self.__dict__[name]:
            self._tk_replace(name, value)
            return
        if type(value) in (list, dict, tuple) and (name[:1] != "_" or (not is_builtin(type(self)) and name not in _TABLES)):
            value = track(value)
        previous = self.__dict__.get(name)
        if isinstance(previous, (TrackedList, TrackedDict)) and self._modules.get(f"{name}_") is previous.contents:
            del self._modules[f"{name}_"]
        if isinstance(value, (TrackedList, TrackedDict)):
            call.follow(value.contents, self._tk_mode)
            self._modules[f"{name}_"] = value.contents  # a name of its own: torch looks modules up by `getattr`
            object.__setattr__(self, name, value)
            return
        if callable(getattr(type(value), "update_state", None)) and name[:1] != "_" and not isinstance(value, Weighted):  # it adapts
            self._tk_metrics.append(value)
        if isinstance(value, nn.Module):
            if isinstance(getattr(type(self), name, None), property):  # torch would register it beside the property
                object.__setattr__(self, name, value)
                return
            self.__dict__.pop(name, None)
            if call.own_mode(value) != self._tk_mode:  # torch modules start in training mode, layers do not
                call.follow(value, self._tk_mode)
        super().__setattr__(name, value)
        if isinstance(value, nn.Parameter):
            for place in self._tk_places_at(name):
                place.now  # noqa: B018  # in the place of a Variable it becomes one
        if name in call.SHORT_WAY and not self.__dict__.get("_tk_fresh"):
            if self.__dict__["built"]:
                self._tk_refresh()
            elif name == "built":
                self.__dict__["_tk_entry"] = None

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        if name in call.SHORT_WAY:
            self._tk_refresh()

    def _tk_places_at(self, name: str) -> list[Place]:
        """The declared weights that stand under this name among the layer's parameters and buffers."""
        declared = (*self._tk_own_trainable, *self._tk_own_non_trainable)
        return [v for v in declared if isinstance(v, Place) and v.attributes[0] == name]

    def _tk_adopt(self, name: str, variable: ParameterVariable) -> None:
        """Register a Variable under the attribute's name, which is then its name in `state_dict()`."""
        declared = [*self._tk_own_trainable, *self._tk_own_non_trainable]
        place = next((v for v in declared if isinstance(v, Place) and v.tensor is variable), None)
        for old in self._tk_places_at(name):
            if old is not place:
                for kept in (self._tk_own_trainable, self._tk_own_non_trainable):
                    kept[:] = [v for v in kept if v is not old]
        if place is None:
            place = Place(self, name, variable)
            (self._tk_own_trainable if variable.requires_grad else self._tk_own_non_trainable).append(place)
            if "/" not in variable.path:
                scopes = call.scopes() or [self.name if "name" in self.__dict__ else type(self).__name__]
                variable.path = "/".join([*scopes, variable.name])
        for table in (self._parameters, self._buffers):
            for key in [k for k, v in table.items() if v is variable]:
                del table[key]
            table.pop(name, None)
        self.__dict__.pop(name, None)
        place.attributes = (name,)
        table = self._parameters if any(v is place for v in self._tk_own_trainable) else self._buffers
        table[name] = variable

    def _tk_replace(self, name: str, value: Any) -> None:
        """`layer.kernel = other` where a torch module owns the kernel: the module takes what stores `other`, so that both are one weight.

        Raises:
            ValueError: If it cannot: `other` has no storage of this layout.
        """
        view: WeightView = self.__dict__[name]
        owned = any(v is view for v in (*self._tk_own_trainable, *self._tk_own_non_trainable))
        if not owned or isinstance(value, WeightView) and self._tk_building:
            object.__setattr__(self, name, value)  # a handle that the layer keeps, and does not own
            return
        if value is None and name != "kernel":
            for attribute in view.attributes:
                setattr(view.module, attribute, None)
            object.__setattr__(self, name, None)
            return
        if isinstance(value, WeightView) and value.layout == view.layout:
            stored: tuple[Any, ...] = value.parameters
        elif isinstance(value, nn.Parameter) and _lies_alike(view, value):
            stored = (value,)
        else:
            stored = ()
        if len(stored) != len(view.attributes) or any(new.shape != old.shape for new, old in zip(stored, view.parameters)):
            inside = ", ".join(view.attributes)
            raise ValueError(
                f"`{name}` of the layer {self.name!r} is stored in the {inside} of a torch {type(view.module).__name__} and can only be "
                f"replaced by a weight that is stored alike. Received: {type(value).__name__} of shape {_shape(value)}. "
                f"Write `layer.{name}.assign(value)` to change its values."
            )
        for attribute, tensor in zip(view.attributes, stored):
            setattr(view.module, attribute, tensor)

    def _apply(self, fn: Callable, recurse: bool = True) -> Weighted:
        """`.to()`, `.half()` and the like: torch makes new tensors of buffers; ours stay the same objects, as parameters do."""
        variables = {k: v for k, v in self._buffers.items() if isinstance(v, ParameterVariable)}
        super()._apply(fn, recurse)
        for name, variable in variables.items():
            new = self._buffers[name]
            if new is not variable and new is not None and type(new) is torch.Tensor:
                if new.device.type != "meta" and variable.device.type != "meta":
                    variable.data = new
                    self._buffers[name] = variable
        for place in (*self._tk_own_trainable, *self._tk_own_non_trainable):
            place.now  # noqa: B018  # a swap on conversion leaves plain parameters
        self._tk_follow_type(fn)
        return self

    def _tk_follow_type(self, fn: Callable) -> None:
        """After `.half()` and the like the policy says what weights are now, so that inputs are cast to that; weightless layers as well."""
        policy = self.__dict__.get("_dtype_policy")
        if policy is None or getattr(policy, "quantization_mode", None) or not dtypes.is_float(policy.variable_dtype):
            return
        now = dtypes.standardize_dtype(fn(torch.empty(0, dtype=dtypes.to_torch_dtype(policy.variable_dtype))).dtype)
        if now != policy.variable_dtype:
            self.dtype_policy = now

    supports_jit = True  # Keras's models ask their layers

    @property
    def quantization_mode(self) -> str | None:
        """How the policy quantizes the layer: `"int8"` and the like, or `None`."""
        return self._dtype_policy.quantization_mode

    @property
    def variables(self) -> list[Any]:
        """Weights, then the states of seed generators."""
        return self.weights + self._tk_seed_states()

    def _tk_seed_states(self) -> list[Any]:
        found = {id(seeds): seeds.state for layer in self._flatten_layers() for seeds in layer._seed_generators}
        return list(found.values())

    @property
    def trainable_variables(self) -> list[Any]:
        """The same as `trainable_weights`."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Any]:
        """The weights that no optimizer changes, then the states of seed generators."""
        return self.non_trainable_weights + self._tk_seed_states()

    @property
    def metrics(self) -> list[Any]:
        """The metrics that are attributes of the layer or its sub-layers."""
        found = {id(m): m for layer in self._flatten_layers() for m in layer._tk_metrics}
        return list(found.values())

    @property
    def _seed_generators(self) -> list[SeedGenerator]:
        """The seed generators that are attributes of the layer itself, under the name by which Keras programs find them."""
        return [v for v in self.__dict__.values() if isinstance(v, SeedGenerator)]

    @property
    def metrics_variables(self) -> list[Any]:
        """The state of `metrics`."""
        return [v for m in self.metrics for v in m.variables]

    @property
    def path(self) -> str:
        """Its name within its parents, `/` between them."""
        return self.__dict__.get("_path") or self.name

    def get_weights(self) -> list[np.ndarray]:
        """Copies of the values of `weights`, in Keras layout."""
        return [w.numpy().copy() for w in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Overwrite `weights`.

        Args:
            weights: Arrays of the same shapes in the same order.

        Raises:
            ValueError: Another number of arrays, or another shape; nothing is changed then.
        """
        mine = self.weights
        weights = list(weights)
        if len(mine) != len(weights):
            raise ValueError(f"`weights` must hold {len(mine)} arrays for the layer {self.name!r}. Received: {len(weights)} arrays")
        for variable, value in zip(mine, weights):
            if tuple(np.shape(value)) != tuple(variable.shape):
                raise ValueError(
                    f"`weights` has the shape {tuple(np.shape(value))} for {variable.path!r} of the layer {self.name!r}; "
                    f"expected {tuple(variable.shape)}."
                )
        for variable, value in zip(mine, weights):
            variable.assign(value)

    def count_params(self) -> int:
        """How many numbers its weights hold.

        Raises:
            ValueError: The layer is not built.
        """
        if not self.built:
            raise ValueError(f"The layer {self.name!r} has no weights to count: it is not built. Call `build(input_shape)` or the layer.")
        return sum(int(np.prod(w.shape)) for w in self.weights)

    def _flatten_layers(self, include_self: bool = True, recursive: bool = True) -> list[Any]:
        """The layer and those inside it, each once, in the order in which they were set."""
        found: dict[int, Any] = {id(self): self} if include_self else {}

        def visit(module: nn.Module) -> None:
            for child in module._modules.values():
                if child is None or id(child) in found:
                    continue
                if isinstance(child, Weighted):
                    found[id(child)] = child
                    if not recursive:
                        continue
                visit(child)

        visit(self)
        if not include_self:
            found.pop(id(self), None)
        return list(found.values())

    # -- files -----------------------------------------------------------------------------------------------------------------------

    def saved_children(self) -> Iterable[tuple[str, Any]]:
        """Name and object of what files hold inside the layer, in their order; the first place of an object that has several counts.

        By attribute, private ones last; what a list or dict holds stands under the attribute's name. Torch modules whose parameters
        are all among the layer's own weights are left out.
        """
        return [(name, child) for name, child in saved.in_order(saved.by_attribute(self)) if not self._tk_holds(child)]

    def _tk_holds(self, child: Any) -> bool:
        """Whether a torch module only stores the layer's own weights, which the layer saves itself."""
        if not isinstance(child, nn.Module) or isinstance(child, Weighted):
            return False
        views = [v for v in (*self._tk_own_trainable, *self._tk_own_non_trainable) if isinstance(v, WeightView)]
        places = {(id(v.module), a) for v in views for a in v.attributes} | {(id(m), a) for m, a in self._tk_hidden}
        return saved.is_wrapped(child, places)

    def save_own_variables(self, store: Any) -> None:
        """Put the layer's own weights (not its sub-layers') into `store` as arrays `"0"`, `"1"`, …"""
        for i, variable in enumerate(self.own_variables()):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Take them from `store` again.

        Raises:
            ValueError: Another number of arrays, or another shape; the message names the first weight that differs.
        """
        self._tk_load_variables(self.own_variables(), store)

    def _tk_load_variables(self, mine: Sequence[Any], store: Any) -> None:
        if len(store.keys()) != len(mine):
            if len(mine) == 0 and not self.built:
                raise ValueError(
                    f"The layer {self.name!r} is not built and the file holds {len(store.keys())} weights for it. "
                    "Build the model (call it, or `build(input_shape)`) before loading weights."
                )
            raise ValueError(
                f"The layer {self.name!r} has {len(mine)} weights and the file holds {len(store.keys())} for it: "
                f"[{', '.join(f'{v.path} {tuple(v.shape)}' for v in mine)}]. It was written by another architecture."
            )
        for i, variable in enumerate(mine):
            value = store[str(i)]
            if tuple(value.shape) != tuple(variable.shape):
                raise ValueError(
                    f"The weight {variable.path!r} of the layer {self.name!r} has the shape {tuple(variable.shape)} and the file holds "
                    f"{tuple(value.shape)}. It was written by another architecture."
                )
        for i, variable in enumerate(mine):
            variable.assign(np.asarray(store[str(i)]))


def _lies_alike(view: WeightView, value: torch.Tensor) -> bool:
    """Whether a tensor in Keras's layout is, as it lies, what the torch module stores."""
    if view.layout == SAME or value.shape != view.shape:
        return view.layout == SAME
    stored = view.layout.to_torch(value.detach())
    return len(stored) == 1 and (stored[0].shape, stored[0].stride()) == (value.shape, value.stride())


def _shape(value: Any) -> tuple:
    return tuple(getattr(value, "shape", ()))
