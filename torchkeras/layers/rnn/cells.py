"""The cells of recurrent layers: one step of the recurrence, on weights that lie as torch's fused kernels want them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from ... import activations, dtypes, random
from ...distribution import rank
from ...typing import Identifier, InitializerLike
from ...variable import SAME, TRANSPOSED
from ..call import through
from ..layer import Layer
from ..weights import with_memory
from .hosting import Hosting, Seen, make_host

States = Any  # a list of tensors, or of lists of them where cells are stacked
Step = tuple[torch.Tensor, list[torch.Tensor]]  # output and states
_Stored = tuple[nn.Module, str | tuple[str, ...], Any]  # a torch module, its parameters, and the layout of a Keras weight in them

# What a step of a loop calls in the place of an op, which would look at its arguments again at each step.
PLAIN: dict[Callable, Callable] = {
    activations.tanh: torch.tanh, activations.sigmoid: torch.sigmoid, activations.relu: F.relu, activations.linear: lambda x: x,
}  # fmt: skip


# What decides whether a torch module computes what its cell does.
_DECISIVE = frozenset(("rnn", "activation", "recurrent_activation", "dropout", "recurrent_dropout", "implementation", "reset_after"))


@dataclass(frozen=True)
class _UpdateFirst:
    """Keras's gates z, r, h of a weight (last axis) in torch's order r, z, n (first axis of each parameter).

    Args:
        transposed: Whether the Keras weight is a matrix, which torch stores transposed; else biases, one a row where there are two.
    """

    transposed: bool

    def to_keras(self, *stored: torch.Tensor) -> torch.Tensor:
        if self.transposed:
            return _swap(stored[0].t())
        return _swap(stored[0]) if len(stored) == 1 else _swap(torch.stack(stored))

    def to_torch(self, value: torch.Tensor) -> tuple[torch.Tensor, ...]:
        value = _swap(value)
        if self.transposed:
            return (value.t(),)
        return (value,) if value.dim() == 1 else tuple(value.unbind(0))


def _swap(x: torch.Tensor) -> torch.Tensor:
    first, second, third = x.chunk(3, -1)
    return torch.cat([second, first, third], -1)


class StepCell(Layer):
    """A cell whose step falls in two, and its dropout masks, which stay the same over all steps of a sequence.

    `project` is the part of a step which needs no state, so that a layer does it for all steps at once; `step` is the rest.
    """

    _gates: ClassVar[int] = 1
    _tk_float_input = True
    fusable: Any = False  # whether a kernel of torch's computes all steps
    steps_alone: Any = True  # whether nothing shows how the modules inside are called
    bias_initializer: Any
    dropout: float
    recurrent_dropout: float
    implementation: int
    seed_generator: random.SeedGenerator
    _masks: dict[str, Any]

    def _set_dropout(self, dropout: float, recurrent_dropout: float, seed: int | None, implementation: int) -> None:
        self.dropout = min(1.0, max(0.0, dropout))
        self.recurrent_dropout = min(1.0, max(0.0, recurrent_dropout))
        self.implementation = 1 if self.recurrent_dropout else implementation
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed)
        self._masks = {}

    def _wrap_weights(self, kernel: _Stored, recurrent: _Stored, bias: _Stored | None) -> None:
        """Declare the weights of every cell, each by the torch module, the parameters and the layout in which it is stored."""
        for name, stored, settings in (
            ("kernel", kernel, self.weight_settings("kernel")),
            ("recurrent_kernel", recurrent, self.weight_settings("recurrent")),
            ("bias", bias, {**self.weight_settings("bias"), "initializer": self._initial_bias}),
        ):
            handle = None
            if stored is not None:
                module, attributes, layout = stored
                handle = self.wrap_weight(module, attributes, name, layout=layout, **settings)
            setattr(self, name, handle)

    def _initial_bias(self, shape: tuple[int, ...], dtype: Any = None) -> torch.Tensor:
        return self.bias_initializer(shape, dtype=dtype)

    def call(self, inputs: torch.Tensor, states: States, training: bool = False) -> tuple[torch.Tensor, States]:
        nested = isinstance(states, (list, tuple))
        output, new = self._one_step(inputs, list(states) if nested else [states], training)
        return output, new if nested else new[0]

    def _one_step(self, inputs: torch.Tensor, states: list[torch.Tensor], training: bool) -> Step:
        return self.step(self.project(inputs, training), states, training)

    def project(self, inputs: torch.Tensor, training: bool = False) -> torch.Tensor:
        """The inputs' part of the gates, for the inputs of one step, `(batch, ...)`, or of all, `(batch, steps, ...)`."""
        raise NotImplementedError

    def step(self, projected: torch.Tensor, states: Sequence[torch.Tensor], training: bool = False) -> Step:
        """One step from what `project` made of the inputs."""
        raise NotImplementedError

    def _draw_mask(self, like: torch.Tensor, rate: float) -> Any:
        ones = torch.ones_like(like)
        if self.implementation == 2:
            return random.dropout(ones, rate, seed=self.seed_generator)
        return [random.dropout(ones, rate, seed=self.seed_generator) for _ in range(self._gates)]

    def get_dropout_mask(self, step_input: torch.Tensor) -> Any:
        """The dropout mask of the inputs, the same at every step until `reset_dropout_mask`; a list, one a gate, for implementation 1."""
        if "inputs" not in self._masks:
            self._masks["inputs"] = self._draw_mask(step_input, self.dropout) if self.dropout else None
        return self._masks["inputs"]

    def get_recurrent_dropout_mask(self, step_input: torch.Tensor) -> Any:
        """The dropout mask of the recurrent state, the same at every step until `reset_recurrent_dropout_mask`."""
        if "state" not in self._masks:
            self._masks["state"] = self._draw_mask(step_input, self.recurrent_dropout) if self.recurrent_dropout else None
        return self._masks["state"]

    def reset_dropout_mask(self) -> None:
        """Draw another mask of the inputs at the next call."""
        self._masks.pop("inputs", None)

    def reset_recurrent_dropout_mask(self) -> None:
        """Draw another mask of the state at the next call."""
        self._masks.pop("state", None)


class LongShortCell(StepCell):
    """What an LSTM cell is, whichever products its gates are made of: gates i, f, c, o, and a carry beside the output."""

    _gates = 4
    _gate_axis: ClassVar[int] = -1
    unit_forget_bias: bool
    activation: Callable
    recurrent_activation: Callable

    def _initial_bias(self, shape: tuple[int, ...], dtype: Any = None) -> torch.Tensor:
        if not self.unit_forget_bias:
            return self.bias_initializer(shape, dtype=dtype)
        size = shape[0] // 4
        first = self.bias_initializer((size,), dtype=dtype)
        return torch.cat([first, torch.ones_like(first), self.bias_initializer((2 * size,), dtype=dtype)])

    def _recur(self, h: torch.Tensor, training: bool) -> torch.Tensor:
        """The state's part of the gates."""
        raise NotImplementedError

    def _as_state(self, gate: torch.Tensor) -> torch.Tensor:
        return gate

    def step(self, projected: torch.Tensor, states: Sequence[torch.Tensor], training: bool = False) -> Step:
        activation, gate = _plain(self.activation), _plain(self.recurrent_activation)
        i, f, g, o = map(self._as_state, (projected + self._recur(states[0], training)).chunk(4, self._gate_axis))
        c = gate(f) * states[1] + gate(i) * activation(g)
        h = gate(o) * activation(c)
        return h, [h, c]


class RecurrentCell(StepCell):
    """What the three cells share: arguments, weights in a torch recurrent module of one layer, and dropout masks.

    A cell maps `(inputs, states)` at one step to `(output, states)`; `run` is the fused kernel over a whole sequence.
    """

    _layouts: ClassVar[tuple[Any, Any]] = (TRANSPOSED, SAME)
    _two_biases: bool = False
    _tables: Seen
    units: int

    def _set(
        self,
        units: int,
        activation: Identifier,
        use_bias: bool,
        dropout: float,
        recurrent_dropout: float,
        seed: int | None,
        implementation: int,
    ) -> None:
        """Check and keep the arguments of every cell."""
        if not isinstance(units, int) or isinstance(units, bool) or units <= 0:
            raise ValueError(f"`units` must be a positive integer. Received: units={units!r}")
        if implementation not in (1, 2):
            raise ValueError(f"`implementation` must be 1 or 2. Received: implementation={implementation!r}")
        self.units = units
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self._set_dropout(dropout, recurrent_dropout, seed, implementation)
        self.state_size: Any = units
        self.output_size = units

    # -- weights ---------------------------------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "rnn":  # the compiler refuses to look at a recurrent module, but not at its tables of weights
            object.__setattr__(self, "_tables", Seen(value))
        if name in _DECISIVE and "rnn" in self._modules and not self.fusable:
            make_host(self.rnn)

    def _stored(self, name: str) -> torch.Tensor:
        for table in (self._tables.parameters, self._tables.buffers):
            stored = table.get(name)
            if stored is not None:
                return stored
        return getattr(self.rnn, name)  # of a parametrization, or of a module around the module

    def _tk_device(self) -> torch.device:
        return self._stored("weight_ih_l0").device if self.built and self._tables.recurrent else super()._tk_device()

    def _new_module(self, inputs: int) -> nn.RNNBase:
        raise NotImplementedError

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        inputs = input_shape[-1]
        if inputs is None:
            raise ValueError(f"The last axis of the input of the layer {self.name!r} must be known. Received: input_shape={input_shape}")
        module = with_memory(functools.partial(self._new_module, inputs), rank.default_device())
        self.rnn = module
        layout, bias_layout = self._layouts
        stored = ("bias_ih_l0", "bias_hh_l0") if self._two_biases else "bias_ih_l0"
        bias: _Stored = (module, stored, bias_layout)
        if self.use_bias and not self._two_biases:  # torch has a second bias, Keras none: a constant zero that no optimizer sees
            zeros = torch.zeros_like(self._stored("bias_hh_l0"))
            del module.bias_hh_l0
            module.register_buffer("bias_hh_l0", None)
            module.bias_hh_l0 = zeros.detach()
            self.hide_weight(module, "bias_hh_l0")
        self._wrap_weights((module, "weight_ih_l0", layout), (module, "weight_hh_l0", layout), bias if self.use_bias else None)
        module.flatten_parameters()

    def get_initial_state(self, batch_size: Any = None) -> list[torch.Tensor]:
        """Zeros of shape `(batch_size, units)`, one for each state, in a list."""
        dtype = dtypes.to_torch_dtype(self.compute_dtype)
        count = len(self.state_size) if isinstance(self.state_size, (list, tuple)) else 1
        return [torch.zeros(batch_size, self.units, dtype=dtype, device=self._tk_device()) for _ in range(count)]

    # -- computation -----------------------------------------------------------------------------------------------------------------

    @property
    def fusable(self) -> bool:
        """Whether torch's fused kernel computes what this cell does."""
        return not self.recurrent_dropout and not (self.dropout and self.implementation == 1)

    @property
    def steps_alone(self) -> bool:
        """Whether steps may be computed from the weights of the torch module, which nobody then sees called."""
        return self._tables.as_it_is

    def hosted(self, compute: Callable, *args: Any) -> Any:
        """`compute(*args)` within a call of the torch module, so that its hooks act.

        Raises:
            ValueError: If the module was replaced by one that knows its own computation only, and that is not the cell's.
        """
        if not self._tables.recurrent:
            raise ValueError(
                f"The torch module of the cell {self.name!r} was replaced by a {type(self.rnn).__name__}, which can only stand in for a "
                "cell with the default activations, no recurrent dropout and, in a GRU, `reset_after=True`. Replace the layer instead."
            )
        if not isinstance(self.rnn, Hosting):  # of a class that is not torch's own
            return compute(*args)
        return self.rnn(*args, compute=compute)

    def _one_step(self, inputs: torch.Tensor, states: list[torch.Tensor], training: bool) -> Step:
        if self.steps_alone:
            return super()._one_step(inputs, states, training)
        if not self.fusable:
            return self.hosted(lambda x, s: self.step(self.project(x, training), s, training), inputs, tuple(states))
        if training and self.dropout:
            inputs = inputs * self.get_dropout_mask(inputs)
        outputs, final = self.run(inputs.unsqueeze(1), states)
        return outputs.squeeze(1), final

    def project(self, inputs: torch.Tensor, training: bool = False) -> torch.Tensor:
        """The inputs' part of the gates, in torch's order, for inputs `(batch, features)` or `(batch, steps, features)`."""
        weight, bias = self._stored("weight_ih_l0"), None
        if self.use_bias:
            bias = self._stored("bias_ih_l0")
            bias = bias if self._two_biases else bias + self._stored("bias_hh_l0")
        if not (training and self.dropout):
            return F.linear(inputs, weight, bias)
        step = inputs if inputs.dim() == 2 else inputs[:, 0]
        masks = self.get_dropout_mask(step)
        if inputs.dim() == 3:
            masks = [m.unsqueeze(1) for m in masks] if isinstance(masks, list) else masks.unsqueeze(1)
        if not isinstance(masks, list):
            return F.linear(inputs * masks, weight, bias)
        projected = torch.cat([F.linear(inputs * m, w) for m, w in zip(masks, weight.chunk(self._gates))], -1)
        return projected if bias is None else projected + bias

    def _recur(self, h: torch.Tensor, training: bool, rows: slice = slice(None)) -> torch.Tensor:
        """The state's part of the gates in `rows` of torch's recurrent weights."""
        weight = self._stored("weight_hh_l0")
        if training and self.recurrent_dropout:
            masks = self.get_recurrent_dropout_mask(h)
            return torch.cat([F.linear(h * m, w) for m, w in zip(masks, weight.chunk(self._gates))], -1)[..., rows]
        return F.linear(h, weight[rows])

    def drop_inputs(self, sequences: torch.Tensor) -> torch.Tensor:
        """A whole sequence under one dropout mask."""
        self.reset_dropout_mask()  # which a pass that was cut short may have left
        try:
            return sequences * self.get_dropout_mask(sequences[:, 0]).unsqueeze(1)
        finally:
            self.reset_dropout_mask()

    def run(self, sequences: torch.Tensor, states: Sequence[torch.Tensor] | None) -> Step:
        """The fused kernel over `(batch, steps, features)`: all outputs, and the states after the last step."""
        if torch.compiler.is_compiling() and self.steps_alone:
            return self._run_kernel(sequences, states, self._flat_weights())
        rnn: Any = self._modules["rnn"]
        outputs, final = through(rnn, sequences) if states is None else rnn(sequences, self._pack(states))
        return outputs, self._unpack(final)

    def _flat_weights(self) -> list[torch.Tensor]:
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        return [self._stored(n) for n in names[: 4 if self.use_bias else 2]]

    def _run_kernel(self, sequences: torch.Tensor, states: Sequence[torch.Tensor] | None, weights: list[torch.Tensor]) -> Step:
        if states is None:
            count = len(self.state_size) if isinstance(self.state_size, list) else 1
            states = [sequences.new_zeros(sequences.shape[0], self.units)] * count
        outputs, *final = self._kernel(sequences, self._pack(states), weights, self.use_bias, 1, 0.0, self.training, False, True)
        return outputs, [s.squeeze(0) for s in final]

    @property
    def _kernel(self) -> Callable:
        raise NotImplementedError

    def _pack(self, states: Sequence[torch.Tensor]) -> Any:
        return states[0].unsqueeze(0)

    def _unpack(self, final: Any) -> list[torch.Tensor]:
        return [final.squeeze(0)]


class SimpleRNNCell(RecurrentCell):
    """`activation(inputs @ kernel + state @ recurrent_kernel + bias)`, which is output and state.

    Args:
        units: The size of output and state.
        activation: Of the sum; by name, config or function.
        use_bias: Whether a bias is added.
        kernel_initializer: Fills `kernel`, `(features, units)`.
        recurrent_initializer: Fills `recurrent_kernel`, `(units, units)`.
        bias_initializer: Fills `bias`, `(units,)`.
        kernel_regularizer: Adds to the loss of the model.
        recurrent_regularizer: Adds to the loss of the model what it says of the recurrent kernel, by name, config or object.
        bias_regularizer: Adds to the loss of the model what it says of the bias, by name, config or object.
        kernel_constraint: Applied after every update.
        recurrent_constraint: Applied to the recurrent kernel after every update, by name, config or object.
        bias_constraint: Applied to the bias after every update, by name, config or object.
        dropout: The share of the inputs that is dropped, the same ones at every step.
        recurrent_dropout: The share of the state that is dropped, the same units at every step.
        seed: Of the dropout.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.SimpleRNNCell(4)(torch.ones(2, 3), [torch.zeros(2, 4)])[0].shape
    torch.Size([2, 4])
    """

    def __init__(
        self,
        units: int,
        activation: Identifier = "tanh",
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        recurrent_initializer: InitializerLike = "orthogonal",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: Identifier = None,
        recurrent_regularizer: Identifier = None,
        bias_regularizer: Identifier = None,
        kernel_constraint: Identifier = None,
        recurrent_constraint: Identifier = None,
        bias_constraint: Identifier = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        implementation = kwargs.pop("implementation", 2)
        super().__init__(**kwargs)
        self.set_weight_settings("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        self.set_weight_settings("recurrent", recurrent_initializer, recurrent_regularizer, recurrent_constraint)
        self.set_weight_settings("bias", bias_initializer, bias_regularizer, bias_constraint)
        self._set(units, activation, use_bias, dropout, recurrent_dropout, seed, implementation)

    def call(self, sequence: torch.Tensor, states: States, training: bool = False) -> tuple[torch.Tensor, States]:
        return super().call(sequence, states, training)

    def _new_module(self, inputs: int) -> nn.RNNBase:
        dtype = dtypes.to_torch_dtype(self.variable_dtype)
        nonlinearity = "relu" if self.activation is activations.relu else "tanh"
        return nn.RNN(inputs, self.units, nonlinearity=nonlinearity, bias=self.use_bias, batch_first=True, device="meta", dtype=dtype)

    @property
    def fusable(self) -> bool:
        return super().fusable and self.activation in (activations.tanh, activations.relu)

    @property
    def _kernel(self) -> Callable:
        return torch.rnn_relu if self.activation is activations.relu else torch.rnn_tanh

    def step(self, projected: torch.Tensor, states: Sequence[torch.Tensor], training: bool = False) -> Step:
        h = _plain(self.activation)(projected + self._recur(states[0], training))
        return h, [h]


class LSTMCell(RecurrentCell, LongShortCell):
    """Long short-term memory (Hochreiter & Schmidhuber, 1997): gates i, f, c, o; the states are the output and the carry.

    Args:
        units: The size of output and states.
        activation: Of the candidate and of the carry.
        recurrent_activation: Of the gates.
        use_bias: Whether a bias is added.
        kernel_initializer: Fills `kernel`, `(features, 4 * units)`.
        recurrent_initializer: Fills `recurrent_kernel`, `(units, 4 * units)`.
        bias_initializer: Fills `bias`, `(4 * units,)`.
        unit_forget_bias: Whether the bias of the forget gate starts at one.
        kernel_regularizer: Adds to the loss of the model.
        recurrent_regularizer: Adds to the loss of the model what it says of the recurrent kernel, by name, config or object.
        bias_regularizer: Adds to the loss of the model what it says of the bias, by name, config or object.
        kernel_constraint: Applied after every update.
        recurrent_constraint: Applied to the recurrent kernel after every update, by name, config or object.
        bias_constraint: Applied to the bias after every update, by name, config or object.
        dropout: The share of the inputs that is dropped, the same ones at every step.
        recurrent_dropout: The share of the state that is dropped, the same units at every step.
        seed: Of the dropout.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.LSTMCell(4)(torch.ones(2, 3), [torch.zeros(2, 4), torch.zeros(2, 4)])[0].shape
    torch.Size([2, 4])
    """

    def __init__(
        self,
        units: int,
        activation: Identifier = "tanh",
        recurrent_activation: Identifier = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        recurrent_initializer: InitializerLike = "orthogonal",
        bias_initializer: InitializerLike = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Identifier = None,
        recurrent_regularizer: Identifier = None,
        bias_regularizer: Identifier = None,
        kernel_constraint: Identifier = None,
        recurrent_constraint: Identifier = None,
        bias_constraint: Identifier = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        implementation = kwargs.pop("implementation", 2)
        super().__init__(**kwargs)
        self.set_weight_settings("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        self.set_weight_settings("recurrent", recurrent_initializer, recurrent_regularizer, recurrent_constraint)
        self.set_weight_settings("bias", bias_initializer, bias_regularizer, bias_constraint)
        self._set(units, activation, use_bias, dropout, recurrent_dropout, seed, implementation)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias
        self.state_size = [units, units]

    def _new_module(self, inputs: int) -> nn.RNNBase:
        dtype = dtypes.to_torch_dtype(self.variable_dtype)
        return nn.LSTM(inputs, self.units, bias=self.use_bias, batch_first=True, device="meta", dtype=dtype)

    @property
    def fusable(self) -> bool:
        return super().fusable and self.activation is activations.tanh and self.recurrent_activation is activations.sigmoid

    def _pack(self, states: Sequence[torch.Tensor]) -> Any:
        return tuple(s.unsqueeze(0) for s in states)

    def _unpack(self, final: Any) -> list[torch.Tensor]:
        return [s.squeeze(0) for s in final]

    @property
    def _kernel(self) -> Callable:
        return torch.lstm

    def run_holding(self, sequences: torch.Tensor, states: Sequence[torch.Tensor] | None, hold: torch.Tensor) -> Step:
        """`run`, where the carry stays as it is at the steps at which `hold`, `(batch, steps)`, is true.

        One more input feature, whose weight shuts the input gate and opens the forget gate, does that inside the kernel, so that no
        length has to come to the host. The outputs of the held steps mean nothing.
        """
        units, weights = self.units, self._flat_weights()
        shut = torch.finfo(torch.float16).max / 4  # beyond any sum of gates, and finite in every type
        column = torch.zeros_like(weights[0][:, :1])
        column[:units] = -shut
        column[units : 2 * units] = shut
        weights[0] = torch.cat([weights[0], column], 1)
        chunk = torch.cat([w.reshape(-1) for w in weights]).split([w.numel() for w in weights])  # as cuDNN wants them: in one piece
        weights = [part.view(w.shape) for part, w in zip(chunk, weights)]
        sequences = torch.cat([sequences, hold.unsqueeze(-1).to(sequences.dtype)], -1)
        return self._run_kernel(sequences, states, weights)


class GRUCell(RecurrentCell):
    """Gated recurrent unit (Cho et al., 2014): gates z, r, h; `h = z * state + (1 - z) * candidate` is output and state.

    Args:
        units: The size of output and state.
        activation: Of the candidate.
        recurrent_activation: Of the gates.
        use_bias: Whether biases are added.
        kernel_initializer: Fills `kernel`, `(features, 3 * units)`.
        recurrent_initializer: Fills `recurrent_kernel`, `(units, 3 * units)`.
        bias_initializer: Fills `bias`: `(2, 3 * units)`, of inputs and state, or `(3 * units,)` without `reset_after`.
        kernel_regularizer: Adds to the loss of the model.
        recurrent_regularizer: Adds to the loss of the model what it says of the recurrent kernel, by name, config or object.
        bias_regularizer: Adds to the loss of the model what it says of the bias, by name, config or object.
        kernel_constraint: Applied after every update.
        recurrent_constraint: Applied to the recurrent kernel after every update, by name, config or object.
        bias_constraint: Applied to the bias after every update, by name, config or object.
        dropout: The share of the inputs that is dropped, the same ones at every step.
        recurrent_dropout: The share of the state that is dropped, the same units at every step.
        reset_after: Whether the reset gate works on the state after its matrix multiplication (as in torch) or before.
        seed: Of the dropout.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.GRUCell(4)(torch.ones(2, 3), [torch.zeros(2, 4)])[0].shape
    torch.Size([2, 4])
    """

    _gates = 3
    _layouts = (_UpdateFirst(True), _UpdateFirst(False))

    def __init__(
        self,
        units: int,
        activation: Identifier = "tanh",
        recurrent_activation: Identifier = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        recurrent_initializer: InitializerLike = "orthogonal",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: Identifier = None,
        recurrent_regularizer: Identifier = None,
        bias_regularizer: Identifier = None,
        kernel_constraint: Identifier = None,
        recurrent_constraint: Identifier = None,
        bias_constraint: Identifier = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        reset_after: bool = True,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        implementation = kwargs.pop("implementation", 2)
        super().__init__(**kwargs)
        self.set_weight_settings("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        self.set_weight_settings("recurrent", recurrent_initializer, recurrent_regularizer, recurrent_constraint)
        self.set_weight_settings("bias", bias_initializer, bias_regularizer, bias_constraint)
        self._set(units, activation, use_bias, dropout, recurrent_dropout, seed, implementation)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.reset_after = reset_after
        self._two_biases = bool(reset_after)

    def _new_module(self, inputs: int) -> nn.RNNBase:
        dtype = dtypes.to_torch_dtype(self.variable_dtype)
        return nn.GRU(inputs, self.units, bias=self.use_bias, batch_first=True, device="meta", dtype=dtype)

    @property
    def fusable(self) -> bool:
        default = self.activation is activations.tanh and self.recurrent_activation is activations.sigmoid
        return super().fusable and default and self.reset_after

    @property
    def _kernel(self) -> Callable:
        return torch.gru

    def step(self, projected: torch.Tensor, states: Sequence[torch.Tensor], training: bool = False) -> Step:
        h, units = states[0], self.units
        activation, gate = _plain(self.activation), _plain(self.recurrent_activation)
        x_r, x_z, x_n = projected.chunk(3, -1)
        if self.reset_after:
            inner = self._recur(h, training)
            if self.use_bias:
                inner = inner + self._stored("bias_hh_l0")
            h_r, h_z, h_n = inner.chunk(3, -1)
            z, r = gate(x_z + h_z), gate(x_r + h_r)
            candidate = activation(x_n + r * h_n)
        else:
            h_r, h_z = self._recur(h, training, slice(2 * units)).chunk(2, -1)
            z, r = gate(x_z + h_z), gate(x_r + h_r)
            masks = self.get_recurrent_dropout_mask(h) if training and self.recurrent_dropout else None
            kept = r * (h if masks is None else h * masks[2])
            candidate = activation(x_n + F.linear(kept, self._stored("weight_hh_l0")[2 * units :]))
        h = z * h + (1 - z) * candidate
        return h, [h]


def _plain(activation: Callable) -> Callable:
    return PLAIN.get(activation, activation)
