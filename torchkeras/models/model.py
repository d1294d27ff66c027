"""Model: a layer that trains, made of a graph of symbolic tensors or by a subclass's `call`."""

from __future__ import annotations

import inspect
import itertools
import json
import os
import warnings
import weakref
from collections.abc import Callable, Container, Iterable, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import torch
from torch import nn
from torch._C._dynamo.eval_frame import _FrameAction, _FrameExecStrategy, set_code_exec_strategy
from torch.fx import Proxy
from typing_extensions import Self

from .. import dtypes, registry, saving, tree
from ..configurable import serialize_keras_object
from ..data import as_strings
from ..dtype_policies import PolicyLike
from ..graph import KerasTensor, Node, Operation, any_symbolic, convert_to_tensor
from ..graph.function import check_tensors, nodes_between, order_by_depth, replay, run_symbolically
from ..graph.modules import buffer_names
from ..graph.operation import infer_spec
from ..graph.plan import Plan
from ..graph.symbolic import KerasHistory
from ..layers import saved
from ..layers.building import map_shapes
from ..layers.call import follow
from ..layers.core import InputLayer
from ..layers.entry import Entry, way
from ..layers.input_spec import InputSpec
from ..layers.layer import Layer, with_own_code
from ..layers.masks import with_mask
from ..training.trainer import Trainer
from ..typing import Identifier, Nest
from ..variable import WeightView
from . import graph_config
from .summary import print_summary


class Model(Trainer, Layer):
    """A layer with `compile`, `fit`, `evaluate`, `predict` and `save`.

    Made in one of three ways: `Model(inputs, outputs)` from symbolic tensors; a subclass that writes `call`; `Sequential`.

    Args:
        *args: `inputs`, `outputs` and `name`, for a model made of a graph.
        **kwargs: The same by name, and `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes.
        inputs: A nest of symbolic tensors, for a model made of a graph.
        outputs: A nest of symbolic tensors that depend on them.
        name: Its name.
        trainable: Whether its weights are trained.

    >>> inputs = keras.Input((3,))
    >>> model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    >>> model(torch.ones(4, 3)).shape
    torch.Size([4, 2])
    """

    _keras_module = "keras"
    _tk_plan: Plan | None = None
    _tk_single_input = False
    _tk_takes_strings = True
    _tk_any_length = False  # whether inputs may have other sizes than the graph was made with, of which its layers are the judges
    _tk_nodes: list[Node]
    _tk_operations: list[Operation]
    _tk_inputs: list[KerasTensor]
    _tk_outputs: list[KerasTensor]
    _tk_inputs_struct: Any
    _tk_outputs_struct: Any
    _tk_input_dtypes: list[torch.dtype | None]  # `None` for strings
    _tk_tail: tuple[int | None, ...]
    _tk_specs: list[Any]
    _tk_optional: list[bool]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        if cls is Model and _is_graph(args, kwargs):
            cls = Functional  # type: ignore[assignment]
        self = super().__new__(cls, *args, **kwargs)
        self._tk_init_trainer()
        return self

    @overload
    def __init__(
        self,
        inputs: Nest,
        outputs: Nest,
        name: str | None = None,
        *,
        activity_regularizer: Identifier = None,
        trainable: bool = True,
        dtype: PolicyLike = None,
        autocast: bool = True,
    ) -> None: ...

    @overload
    def __init__(
        self,
        *,
        activity_regularizer: Identifier = None,
        trainable: bool = True,
        dtype: PolicyLike = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None: ...

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if _is_graph(args, kwargs):
            arguments = dict(zip(("inputs", "outputs", "name"), args), **kwargs)
            inputs, outputs = arguments.pop("inputs"), arguments.pop("outputs")
            Layer.__init__(self, **{"name": registry.unique_name("functional") if type(self) is Functional else None} | arguments)
            self._tk_named = arguments.get("name") is not None
            self._tk_init_graph(inputs, outputs)
        elif type(self) is Model and (args or "inputs" in kwargs or "outputs" in kwargs):
            arguments = dict(zip(("inputs", "outputs", "name"), args), **kwargs)
            check_tensors(arguments.get("inputs"), arguments.get("outputs"))
        else:
            Layer.__init__(self, *args, **kwargs)

    # -- graphs ----------------------------------------------------------------------------------------------------------------------

    def _tk_init_graph(self, inputs: Any, outputs: Any) -> None:
        check_tensors(inputs, outputs)
        inputs, outputs = _from_inputs(inputs, outputs)
        flat = tree.flatten(inputs)
        nodes = nodes_between(flat, tree.flatten(outputs))
        operations = order_by_depth(flat, tree.flatten(outputs))
        names = [o.name for o in operations]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(
                f"Every layer of a model needs a name of its own; the name {twice[0]!r} is used {names.count(twice[0])} times. "
                "Pass another `name=` to one of them."
            )
        keys = self._tk_register(operations)
        plan = Plan(flat, outputs, nodes, lambda operation: keys.get(id(operation)), self._tk_take_tensors(nodes), way)
        plan.forward = _forward_for(plan)
        self.__dict__.update(
            _tk_inputs_struct=inputs, _tk_outputs_struct=outputs, _tk_inputs=flat, _tk_outputs=tree.flatten(outputs),
            _tk_operations=operations, _tk_nodes=nodes, _tk_plan=plan, _tk_single_input=isinstance(inputs, KerasTensor),
            _tk_input_dtypes=[dtypes.TORCH_DTYPES.get(t.dtype) for t in flat], _tk_tail=flat[0].shape[1:],
        )  # fmt: skip
        history = [t._keras_history.operation for t in flat]
        self.__dict__["_tk_optional"] = [getattr(o, "optional", False) for o in history]
        self._tk_specs = [
            InputSpec(shape=(None, *t.shape[1:]) if t.shape else t.shape, allow_last_axis_squeeze=True, name=o.name, optional=opt)
            for t, o, opt in zip(flat, history, self._tk_optional)
        ]
        self.__dict__.update(built=True, _tk_build_shapes=None)
        self._tk_refresh()
        if not self._trainable:
            self.trainable = False

    def _tk_register(self, operations: Sequence[Operation]) -> dict[int, str]:
        """Make the layers of the graph children of the module; returns the key under which each is found.

        That is the name that a program gave a layer, else its place in the model, as files have it: class in snake case, numbered.
        """
        known = {id(m): k for k, m in self._modules.items() if m is not None}
        layers = [o for o in operations if isinstance(o, nn.Module)]
        given = {o.name.replace(".", "_") for o in layers if o._tk_named}
        numbers: dict[str, int] = {}
        keys: dict[int, str] = {}
        for layer in layers:
            kind = registry.snake_case(type(layer).__name__)
            number = numbers[kind] = numbers.get(kind, -1) + 1
            if id(layer) not in known:
                key = layer.name.replace(".", "_") if layer._tk_named else free_key(f"{kind}_{number}" if number else kind, given)
                key = free_key(key, self._modules)
                self._tk_hold(key, layer)
                known[id(layer)] = key
            keys[id(layer)] = known[id(layer)]
        return keys

    def _tk_hold(self, key: str, layer: nn.Module) -> None:
        """Make a layer a child of the module under this key, in the mode that the model was put in."""
        if self._tk_mode_given:
            follow(layer, self._tk_mode)
        self._modules[key] = layer

    def _tk_take_tensors(self, nodes: Sequence[Node]) -> dict[int, str]:
        """Make tensors among the arguments of calls the model's own; returns where each is found, by its id.

        A parameter that no layer of the model has becomes the model's parameter, and the buffer of another torch module the model's buffer.
        Any other tensor becomes a buffer that no file holds: it is part of the graph, as in Keras, but goes where the model goes. What was
        computed from weights before the model was made is such a constant too: its own graph is gone after the first backward pass.
        """
        paths = {id(t): path for path, t in (*self.named_parameters(), *self.named_buffers())}
        held: dict[int, str] = {}
        leaves = tree.flatten([(node.args, node.kwargs) for node in nodes])
        buffers = buffer_names([t for t in leaves if type(t) is torch.Tensor and t.is_leaf and id(t) not in paths])
        for leaf in leaves:
            if isinstance(leaf, WeightView):
                if not all(id(p) in paths for p in leaf.parameters):
                    name = self._tk_free_name(leaf.name)
                    setattr(self, name, leaf.module)
                    paths.update({id(t): f"{name}.{path}" for path, t in leaf.module.named_parameters()})
            elif isinstance(leaf, torch.Tensor):
                if id(leaf) not in paths:
                    trained = isinstance(leaf, nn.Parameter)
                    what = str(getattr(leaf, "name", None) or "parameter") if trained else buffers.get(id(leaf), "constant")
                    paths[id(leaf)] = name = self._tk_free_name(what)
                    if trained:
                        setattr(self, name, leaf)
                    else:
                        of_module = id(leaf) in buffers
                        self.register_buffer(name, leaf if of_module else self._tk_constant(leaf), persistent=of_module)
                        self.hide_weight(self, name)  # Keras's files have it in the graph
                held[id(leaf)] = paths[id(leaf)]
        return held

    def _tk_constant(self, tensor: torch.Tensor) -> torch.Tensor:
        if not tensor.is_leaf:
            message = (
                f"A tensor of shape {tuple(tensor.shape)} that was computed from weights outside of the model {self.name!r} is a constant "
                "of it: those weights are not trained. Compute it inside the `call` of a layer, or call the layer on a symbolic tensor."
            )
            warnings.warn(message, UserWarning, stacklevel=6)
        return tensor.detach()

    def _tk_free_name(self, name: str) -> str:
        name = name.replace(".", "_").replace("/", "_")
        return next(n for n in itertools.chain([name], (f"{name}_{i}" for i in itertools.count(1))) if not hasattr(self, n))

    @property
    def inputs(self) -> list[KerasTensor] | None:
        """The symbolic inputs, flat; `None` for a subclassed model."""
        return self.__dict__.get("_tk_inputs")

    @property
    def outputs(self) -> list[KerasTensor] | None:
        """The symbolic outputs, flat; `None` for a subclassed model."""
        return self.__dict__.get("_tk_outputs")

    @property
    def input_spec(self) -> Any:
        """What the inputs must be: one `InputSpec` for each input of a graph; of other models what was set, `None` at first."""
        own = self.__dict__["input_spec"]
        return own if own is not None or self._tk_plan is None or hasattr(self, "_tk_chain") else list(self._tk_specs)

    @input_spec.setter
    def input_spec(self, spec: Any) -> None:
        self.__dict__["input_spec"] = spec
        if self.__dict__["built"]:
            self._tk_refresh()

    @property
    def input(self) -> Any:
        """The nest of symbolic inputs."""
        return self._tk_inputs_struct if self._tk_plan is not None else super().input

    @property
    def output(self) -> Any:
        """The nest of symbolic outputs."""
        return self._tk_outputs_struct if self._tk_plan is not None else super().output

    @property
    def input_names(self) -> list[str] | None:
        """The names of the inputs, in their flat order."""
        return None if self._tk_plan is None else [s.name for s in self._tk_specs]

    @property
    def output_names(self) -> list[str] | None:
        """The names of the layers that make the outputs, in their flat order, numbered where one makes several."""
        if self._tk_plan is None:
            return None
        return _unique([t._keras_history.operation.name for t in self._tk_outputs])

    @property
    def operations(self) -> list[Operation]:
        """Layers and ops of the graph, in Keras's order."""
        return list(self.__dict__.get("_tk_operations", self.layers))

    @property
    def layers(self) -> list[Layer]:
        """The layers directly inside, each once; of a Sequential in their order, the Input left out."""
        return self._tk_layers_inside()

    @layers.setter
    def layers(self, value: Any) -> None:
        raise AttributeError("`layers` is read-only: it lists the layers that the model has. Use another attribute name.")

    def _tk_layers_inside(self) -> list[Layer]:
        if self._tk_plan is not None:
            return [o for o in self._tk_operations if isinstance(o, Layer)]
        return self._flatten_layers(include_self=False, recursive=False)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of this name or place.

        Raises:
            ValueError: If neither or both are given, or there is no such layer.
        """
        if (name is None) == (index is None):
            raise ValueError(f"Pass either `name` or `index`. Received: name={name!r}, index={index!r}")
        layers = self.layers
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(f"`index` must be below {len(layers)}, the number of layers of {self.name!r}. Received: index={index}")
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        known = [layer.name for layer in layers]
        raise ValueError(f"No such layer: {name!r}.{registry.near_matches(str(name), known)} Existing layers are: {known}.")

    # -- calling ---------------------------------------------------------------------------------------------------------------------

    if TYPE_CHECKING:

        def call(self, *args: Any, **kwargs: Any) -> Any:
            """The computation on torch tensors. A model made of a graph has one; a subclass writes its own, of any signature."""

        def build(self, *args: Any, **kwargs: Any) -> None:
            """Make the weights for inputs of these shapes."""

    else:

        def call(self, inputs, training=None, mask=None):
            """The computation on torch tensors. A model made of a graph has one; a subclass writes its own, of any signature.

            Args:
                inputs: A tensor, or a nest of tensors as the model was made with.
                training: Whether layers inside train; the mode of the model without it.
                mask: A mask for each input, in the same nest.

            Raises:
                NotImplementedError: If a subclass has not written it.
            """
            return self._tk_run_graph(inputs, mask)

        def build(self, input_shape=None):
            """Make the weights, by running `call` on symbolic inputs.

            Args:
                input_shape: The shape of the inputs, batch size (or `None`) included, or a nest of shapes.
            """
            if self._tk_plan is None and input_shape is not None and type(self).call is not Model.call:
                self._tk_build_by_run(input_shape)

    def _tk_run_graph(self, inputs: Any, mask: Any) -> Any:
        if self._tk_plan is None:
            raise NotImplementedError(
                f"The model {self.name!r} ({type(self).__name__}) has no `call` method. Write `def call(self, inputs)`, or make it "
                "from symbolic tensors: `Model(inputs, outputs)`."
            )
        if isinstance(inputs, Proxy) and not self._tk_single_input:
            inputs = _items(inputs, self._tk_inputs_struct)
        flat = self._tk_standardize(inputs)
        if mask is not None:
            flat = [x if m is None or x is None else with_mask(x, m) for x, m in zip(flat, tree.flatten(mask))]
        return self._tk_plan.run(self, *flat)

    def _tk_has_call(self) -> bool:
        return super()._tk_has_call() or self._tk_plan is not None or type(self).call is not Model.call

    def _tk_convert_arguments(self, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        if self._tk_plan is not None:  # the graph's inputs say their own types
            return args, kwargs
        return super()._tk_convert_arguments(args, kwargs)

    def _tk_make_entry(self) -> Entry:
        plan, before = self._tk_plan, self.__dict__.get("_tk_entry")
        if plan is None:
            return super()._tk_make_entry()
        now = dtypes.TORCH_DTYPES.get(self.variable_dtype)
        if before is not None and before.dtype is not now:  # after `.half()` and the like the graph takes what its weights are now
            self.__dict__["_tk_input_dtypes"] = [now if d is not None and d.is_floating_point else d for d in self._tk_input_dtypes]
        dtype, runs_graph = self._tk_input_dtypes[0], type(self).call is Model.call and "call" not in self.__dict__
        plain = self._tk_is_plain() and self._tk_single_input and dtype is not None and runs_graph
        return Entry(self, plain, run=plan.run if runs_graph else None, cast=dtype, whole=True, spec=self._tk_specs[0])

    def _tk_standardize(self, inputs: Any) -> list[Any]:
        """The inputs as a flat list of tensors of the types and ranks that the graph was made with."""
        if isinstance(inputs, dict) and not isinstance(self._tk_inputs_struct, dict):
            names = [s.name for s in self._tk_specs]
            missing = [n for n, opt in zip(names, self._tk_optional) if n not in inputs and not opt]
            if missing:
                raise ValueError(
                    f"The model {self.name!r} misses the input {missing[0]!r}. Received: a dict with the keys {list(inputs)}; "
                    f"expected {names}."
                )
            flat = [inputs.get(n) for n in names]
        elif isinstance(inputs, dict) and isinstance(self._tk_inputs_struct, dict):
            missing = [k for k in self._tk_inputs_struct if k not in inputs]
            if missing:
                raise ValueError(
                    f"The model {self.name!r} misses the input {missing[0]!r}. Received: a dict with the keys {list(inputs)}; "
                    f"expected {list(self._tk_inputs_struct)}."
                )
            flat = tree.flatten({k: inputs[k] for k in self._tk_inputs_struct})
        else:
            self._tk_check_order(inputs)
            flat = tree.flatten(inputs)
            if len(flat) != len(self._tk_inputs) and len(self._tk_inputs) == 1 and not any(isinstance(x, torch.Tensor) for x in flat):
                flat = [inputs]  # a nest of numbers
        if len(flat) != len(self._tk_inputs):
            raise ValueError(f"The model {self.name!r} expects {len(self._tk_inputs)} input(s). Received: {len(flat)} input(s)")
        return [self._tk_standardize_one(i, x) for i, x in enumerate(flat)]

    def _tk_check_order(self, inputs: Any) -> None:
        """Refuse a list where the model's inputs are a dict whose order is not that of its sorted keys: some would be exchanged."""
        struct = self._tk_inputs_struct
        if isinstance(struct, dict) and not isinstance(inputs, dict) and list(struct) != sorted(struct):
            raise ValueError(
                f"`inputs` of the model {self.name!r} must be a dict with the keys {list(struct)}: in a list their order would be "
                f"{sorted(struct)}. Received: {type(inputs).__name__}"
            )

    def _tk_standardize_one(self, i: int, x: Any) -> Any:
        spec = self._tk_specs[i]
        if x is None and spec.optional:
            return None
        if isinstance(x, Proxy):
            return x
        dtype = self._tk_input_dtypes[i]
        if dtype is None:
            x = as_strings(np.asarray(x))
        elif not isinstance(x, torch.Tensor):
            if isinstance(x, np.ndarray) and x.dtype.kind in "OSU":
                raise ValueError(
                    f"The input {spec.name!r} of the model {self.name!r} must be numbers. Received strings (dtype {x.dtype}): make it "
                    '`Input(dtype="string")` and encode it in the model, or encode it before.'
                )
            x = convert_to_tensor(x, device=self._tk_device())
        if dtype is not None and x.dtype is not dtype and x.is_floating_point():
            self._tk_follow_weights()
            dtype = self._tk_input_dtypes[i]
        if dtype is not None and x.dtype is not dtype:
            mask = getattr(x, "_keras_mask", None)
            x = x.to(dtype)
            if mask is not None:
                x._keras_mask = mask
        if x.ndim == spec.ndim + 1 and x.shape[-1] == 1 and not spec.accepts(x.shape):
            x = x.squeeze(-1)
        elif x.ndim == spec.ndim - 1 and self._tk_inputs[i].shape[-1] == 1:
            x = x[..., None]
        problem = None if self._tk_any_length or spec.accepts(x.shape) else spec.problem(x)
        if problem:
            raise ValueError(f"The input {spec.name!r} of the model {self.name!r} is incompatible with it: {problem}. "
                             f"Full shape received: {tuple(x.shape)}")  # fmt: skip
        return x

    def symbolic_call(self, *args: Any, **kwargs: Any) -> Any:
        if self._tk_plan is not None and args:
            flat = tree.flatten(args[0]) if not isinstance(args[0], dict) else args[0]
            if not isinstance(flat, dict) and len(flat) != len(self._tk_inputs):
                raise ValueError(f"The model {self.name!r} expects {len(self._tk_inputs)} input(s). Received: {len(flat)} input(s)")
        return super().symbolic_call(*args, **kwargs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        if self._tk_plan is None:
            own_shape = type(self).compute_output_shape is not Model.compute_output_shape
            return super().compute_output_spec(*args, **kwargs) if own_shape else self._tk_infer_spec(*args, **kwargs)
        inputs = args[0] if args else kwargs["inputs"]
        if isinstance(inputs, dict):
            names = [s.name for s in self._tk_specs] if not isinstance(self._tk_inputs_struct, dict) else sorted(self._tk_inputs_struct)
            given = tree.flatten([inputs[n] for n in names])
        else:
            self._tk_check_order(inputs)
            given = tree.flatten(inputs)
        if all(a.shape == b.shape for a, b in zip(given, self._tk_inputs)):
            return tree.map_structure(lambda t: KerasTensor(t.shape, t.dtype), self._tk_outputs_struct)
        fresh = [KerasTensor(t.shape, dtype=own.dtype) for t, own in zip(given, self._tk_inputs)]
        outputs = replay(self._tk_inputs, fresh, self._tk_outputs_struct, self._tk_nodes, record=False)
        return tree.map_structure(lambda t: KerasTensor(t.shape, t.dtype), outputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The nest of output shapes for inputs of these shapes."""
        if self._tk_plan is None and self.__dict__.get("_tk_chain") and type(self).call is Model.call:  # a Sequential, not built yet
            for layer in self.layers:
                input_shape = layer.compute_output_shape(input_shape)
            return input_shape
        if self._tk_plan is None:
            return Layer.compute_output_shape(self, input_shape)
        return run_symbolically(self._tk_inputs, self._tk_outputs_struct, self._tk_nodes, input_shape)

    _tk_makes_weights = False

    def _tk_build_for(self, arguments: dict[str, Any]) -> None:
        """Build from the arguments of a call: real tensors are not rehearsed, they build the layers as they reach them."""
        self._tk_check_constructed()
        if type(self).build is not Model.build or any_symbolic(tuple(arguments.values())):
            super()._tk_build_for(arguments)

    def _tk_build_by_run(self, input_shape: Any) -> None:
        from_shape = lambda s: KerasTensor(s, dtype=self.compute_dtype)  # noqa: E731
        inputs = map_shapes(from_shape, input_shape)
        self._tk_infer_spec(inputs)

    def _tk_infer_spec(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs as KerasTensors, by running `call` on fake tensors, which builds the layers on the way."""
        if self._tk_call_info().has_training and kwargs.get("training") is None:
            kwargs = {**kwargs, "training": False}
        return infer_spec(self._tk_call_for_shape, args, kwargs, f"the model {self.name!r} ({type(self).__name__})", self._tk_device())

    def summary(
        self,
        line_length: int | None = None,
        positions: Sequence[float] | None = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Sequence[str] | None = None,
    ) -> None:
        """Print a table of the layers with output shapes and parameter counts.

        Args:
            line_length: The width in characters.
            positions: Where the columns end, as fractions of the width or in characters.
            print_fn: Takes the text instead of `print`.
            expand_nested: Whether the layers of nested models are shown.
            show_trainable: Whether a column says which layers are trained.
            layer_range: The names (or patterns) of the first and the last layer to show.
        """
        print_summary(self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range)

    # -- state -----------------------------------------------------------------------------------------------------------------------

    def get_state_tree(self, value_format: str = "backend_tensor") -> dict[str, Any]:
        """The values of all variables, as dicts in dicts along the parts of their paths.

        Args:
            value_format: `"backend_tensor"` for tensors, `"numpy_array"` for arrays.

        Returns:
            `trainable_variables`, `non_trainable_variables`, `optimizer_variables` and `metrics_variables`.

        Raises:
            ValueError: If `value_format` is another, or two variables have one path.
        """
        if value_format not in ("backend_tensor", "numpy_array"):
            raise ValueError(f"`value_format` must be 'backend_tensor' or 'numpy_array'. Received: value_format={value_format!r}")
        state: dict[str, Any] = {}
        for group, variables in self._tk_state_groups().items():
            state[group] = {}
            for variable in variables:
                *parents, name = variable.path.split("/")
                place = state[group]
                for parent in parents:
                    place = place.setdefault(parent, {})
                if name in place:
                    raise ValueError(f"Two variables of the model {self.name!r} have the path {variable.path!r}. Name their layers.")
                place[name] = variable.numpy() if value_format == "numpy_array" else variable.value
        return state

    def set_state_tree(self, state_tree: dict[str, Any]) -> None:
        """Give the variables the values of a tree as `get_state_tree` returns it; what is not in it stays.

        Args:
            state_tree: Any of the groups, each with values along the parts of the variables' paths.

        Raises:
            ValueError: If there is a group that models do not have.
        """
        groups = self._tk_state_groups()
        for group, values in state_tree.items():
            if group not in groups:
                raise ValueError(f"`state_tree` may have the keys {', '.join(groups)}. Received: {group!r}")
            for variable in groups[group]:
                value = values
                for part in variable.path.split("/"):
                    value = value.get(part) if isinstance(value, dict) else None
                if value is not None:
                    variable.assign(value)

    def _tk_state_groups(self) -> dict[str, list[Any]]:
        optimizer = self.__dict__.get("optimizer")
        return {
            "trainable_variables": self.trainable_variables,
            "non_trainable_variables": self.non_trainable_weights,
            "optimizer_variables": list(getattr(optimizer, "variables", ())),
            "metrics_variables": self.metrics_variables,
        }

    # -- configs ---------------------------------------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """For a graph: its layers, their calls, inputs and outputs. For a subclass: its constructor arguments."""
        if self._tk_plan is None or (type(self).__init__ is not Model.__init__ and type(self) is not Functional):
            return super().get_config()
        graph = graph_config.serialize(self._tk_operations, self._tk_nodes, self._tk_inputs_struct, self._tk_outputs_struct)
        return {"name": self.name, "trainable": self.trainable, **graph}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """A model from what `get_config` returned."""
        with registry.CustomObjectScope(custom_objects):
            if not {"layers", "input_layers", "output_layers"} <= set(config):
                return super().from_config(config)
            inputs, outputs = graph_config.deserialize(config)
            given = {k: config[k] for k in ("name", "trainable") if config.get(k) is not None}
            return (Functional if cls is Model else cls)(inputs, outputs, **given)

    # -- files -----------------------------------------------------------------------------------------------------------------------

    def saved_children(self) -> Iterable[tuple[str, Any]]:
        """Name and object of what files hold inside the model: as of a layer, and its `layers` and its optimizer.

        The layers of a graph come first; those of a subclass where the name `layers` stands among its attributes.
        """
        attributes = saved.by_attribute(self)
        optimizer = self.__dict__.get("optimizer")
        if hasattr(optimizer, "save_own_variables"):
            attributes["optimizer"] = optimizer
        if self._tk_plan is not None:
            return [*saved.members("layers", self.layers), *saved.in_order(attributes)]
        modules = [m for value in attributes.values() for m in saved.modules_in(value)]
        attributes["layers"] = [m for m in modules if not self._tk_holds(m)]
        return [(name, child) for name, child in saved.in_order(attributes) if not self._tk_holds(child)]

    def save(self, filepath: str | os.PathLike[str], overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None:
        """Write the whole model to a `.keras` file: its architecture, weights, compile settings and the state of its optimizer.

        Args:
            filepath: Where; must end in `.keras`, or with `zipped=False` be the name of a folder.
            overwrite: Whether a file or saved model that is there may be replaced.
            zipped: `False` writes a folder with the members of the file.
            **kwargs: `include_optimizer` and `save_format` of Keras 2, which have no effect: the optimizer is saved, and the path
                tells the format.

        Raises:
            ValueError: If the suffix is another, or an argument unknown.
            FileExistsError: If the file is there and `overwrite` is false.
        """
        saving.save_model(self, filepath, overwrite, zipped, **kwargs)

    def save_weights(
        self, filepath: str | os.PathLike[str], overwrite: bool = True, max_shard_size: float | None = None, **kwargs: Any
    ) -> None:
        """Write the weights to a `.weights.h5` or `.safetensors` file.

        Args:
            filepath: Where; the suffix tells the format.
            overwrite: Whether a file that is there may be replaced.
            max_shard_size: With a size in GB, the weights go to several `.weights.h5` files of at most that size (a layer is not split),
                and a `.weights.json` file lists them.
            **kwargs: `objects_to_skip`, the layers (or the optimizer) whose weights are left out.

        Raises:
            ValueError: If the suffix is another, or the model is not built.
            FileExistsError: If the file is there and `overwrite` is false.
        """
        saving.save_weights(self, filepath, overwrite, max_shard_size, **kwargs)

    def load_weights(self, filepath: str | os.PathLike[str], skip_mismatch: bool = False, **kwargs: Any) -> None:
        """Take the weights from a file.

        Args:
            filepath: The file.
            skip_mismatch: Whether layers that do not fit are left as they are, with a warning.
            **kwargs: `objects_to_skip`, the layers (or the optimizer) that are left as they are.

        Raises:
            ValueError: If the file is damaged or of another architecture; the model is unchanged then.
            FileNotFoundError: If there is no such file.
        """
        saving.load_weights(self, filepath, skip_mismatch, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        state.update(train_function=None, test_function=None, predict_function=None, history=None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if self._tk_plan is not None:
            self._tk_plan.forward = _forward_for(self._tk_plan)
        for node in state.get("_tk_nodes", ()):  # the calls of the graph are again those of its layers
            calls = node.operation._inbound_nodes
            if not any(node is known for known in calls):
                calls.append(node)
        for operation in {id(n.operation): n.operation for n in state.get("_tk_nodes", ())}.values():
            for index, node in enumerate(operation._inbound_nodes):
                node.index = index
                for i, tensor in enumerate(node.output_tensors):
                    tensor._keras_history = KerasHistory(operation, index, i)

    def to_json(self, **kwargs: Any) -> str:
        """The architecture as JSON; `kwargs` go to `json.dumps`."""
        return json.dumps(serialize_keras_object(self), **kwargs)


def forward_of_graph(self: Model, *args: Any, **kwargs: Any) -> Any:
    """`Layer.forward` with code that only graphs of the same structure share, by which Dynamo files what it compiles."""
    if args.__class__ is Proxy:
        args, kwargs = (args[0],), {}
    plan = self._tk_plan
    return (Layer.forward if plan is None or plan.forward is None else plan.forward)(self, *args, **kwargs)


forward_of_graph.__signature__ = inspect.signature(Model.call)  # type: ignore[attr-defined]
forward_of_graph.origin = Layer.forward  # type: ignore[attr-defined]
# Dynamo leaves this frame alone and compiles the one that it calls.
set_code_exec_strategy(forward_of_graph.__code__, _FrameExecStrategy(_FrameAction.SKIP, _FrameAction.DEFAULT))
_forwards: weakref.WeakValueDictionary[Any, Callable] = weakref.WeakValueDictionary()


def _forward_for(plan: Plan) -> Callable:
    """The forward of graphs of this structure."""
    return _forwards.setdefault(plan.structure, with_own_code(Layer.forward, "forward_of_graph"))


def _shown(
    self: Model,
    inputs: Nest | None = None,
    outputs: Nest | None = None,
    name: str | None = None,
    *,
    activity_regularizer: Identifier = None,
    trainable: bool = True,
    dtype: PolicyLike = None,
    autocast: bool = True,
) -> None: ...


Model.__init__.shown = _shown  # type: ignore[attr-defined]  # what `inspect.signature` tells of the ways to make one


class Functional(Model):
    """A model made of a graph; what `Model(inputs, outputs)` returns."""

    _keras_module = "keras.src.models.functional"
    forward = forward_of_graph


def free_key(key: str, taken: Container[str]) -> str:
    """`key`, with underscores behind it where it is taken."""
    while key in taken:
        key += "_"
    return key


def _is_graph(args: tuple, kwargs: dict[str, Any]) -> bool:
    if len(args) >= 2 and any_symbolic((args[0],)):
        return True
    return "inputs" in kwargs and "outputs" in kwargs or (len(args) == 1 and "outputs" in kwargs)


def _items(proxy: Any, nest: Any) -> Any:
    """A nest of proxies for the items of one, which stands for a nest of this structure."""
    if isinstance(nest, dict):
        return {k: _items(proxy[k], v) for k, v in nest.items()}
    return [_items(proxy[i], v) for i, v in enumerate(nest)] if isinstance(nest, (list, tuple)) else proxy


def _from_inputs(inputs: Any, outputs: Any) -> tuple[Any, Any]:
    """The graph with a new Input in the place of every input that a layer makes: that layer is no part of the model."""
    flat = tree.flatten(inputs)
    made = [t for t in flat if t._keras_history is None or not isinstance(t._keras_history.operation, InputLayer)]
    if not made:
        return inputs, outputs
    fresh = {id(t): InputLayer(batch_shape=t.shape, dtype=t.dtype, name=f"{t.name}_input").output for t in made}
    starts = [fresh.get(id(t), t) for t in flat]
    nodes = nodes_between(flat, tree.flatten(outputs))
    return tree.map_structure(lambda t: fresh.get(id(t), t), inputs), replay(flat, starts, outputs, nodes)


def _unique(names: Sequence[str]) -> list[str]:
    """Names with `_1`, `_2`, … appended where one stands again."""
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, -1) + 1
        out.append(name if seen[name] == 0 else f"{name}_{seen[name]}")
    return out
