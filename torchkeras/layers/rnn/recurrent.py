"""SimpleRNN, LSTM and GRU: a cell each, on torch's fused kernels wherever they compute the same."""

from __future__ import annotations

from typing import Any

from ...typing import Identifier, InitializerLike
from ..input_spec import InputSpec
from .base import RNN
from .cells import GRUCell, LSTMCell, RecurrentCell, SimpleRNNCell, StepCell


class Recurrent(RNN):
    """What these layers and the convolutional ones share: the cell's arguments are theirs."""

    _tk_config_unless_none = ()
    _keras_config_leaves_out: tuple[str, ...] = ("cell", "use_cudnn", "autocast", "lora_rank", "lora_alpha")
    cell: RecurrentCell

    def __init__(self, cell: StepCell, use_cudnn: Any, **kwargs: Any) -> None:
        super().__init__(cell, **kwargs)
        if use_cudnn not in ("auto", True, False):
            raise ValueError(f"`use_cudnn` must be 'auto', True or False. Received: use_cudnn={use_cudnn!r}")
        self.use_cudnn = use_cudnn
        self.input_spec = InputSpec(ndim=3)

    def _runs_fused(self) -> bool:
        if self.use_cudnn is False or (self.unroll and self.use_cudnn is not True):
            return False
        cell: Any = self._modules["cell"]
        fusable: bool = cell.fusable
        if not fusable and self.use_cudnn is True:
            raise ValueError(
                f"`use_cudnn=True` asks for the fused kernel, which cannot compute the layer {self.name!r}: it needs the default "
                "activations, no recurrent dropout and, in a GRU, `reset_after=True`. Pass `use_cudnn='auto'`."
            )
        return fusable

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {k: v for k, v in config.items() if k not in self._keras_config_leaves_out}

    units = property(lambda self: self.cell.units, doc="The size of the output.")
    activation = property(lambda self: self.cell.activation, doc="The cell's.")
    use_bias = property(lambda self: self.cell.use_bias, doc="The cell's.")
    kernel_initializer = property(lambda self: self.cell.kernel_initializer, doc="The cell's.")
    recurrent_initializer = property(lambda self: self.cell.recurrent_initializer, doc="The cell's.")
    bias_initializer = property(lambda self: self.cell.bias_initializer, doc="The cell's.")
    kernel_regularizer = property(lambda self: self.cell.kernel_regularizer, doc="The cell's.")
    recurrent_regularizer = property(lambda self: self.cell.recurrent_regularizer, doc="The cell's.")
    bias_regularizer = property(lambda self: self.cell.bias_regularizer, doc="The cell's.")
    kernel_constraint = property(lambda self: self.cell.kernel_constraint, doc="The cell's.")
    recurrent_constraint = property(lambda self: self.cell.recurrent_constraint, doc="The cell's.")
    bias_constraint = property(lambda self: self.cell.bias_constraint, doc="The cell's.")
    dropout = property(lambda self: self.cell.dropout, doc="The cell's.")
    recurrent_dropout = property(lambda self: self.cell.recurrent_dropout, doc="The cell's.")
    implementation = property(lambda self: self.cell.implementation, doc="The cell's.")
    seed = property(lambda self: self.cell.seed, doc="The cell's.")


class SimpleRNN(Recurrent):
    """A layer of `SimpleRNNCell`, over `nn.RNN` where the activation is tanh or relu.

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
        activity_regularizer: Adds to the loss of the model what it says of the output, by name, config or object.
        kernel_constraint: Applied after every update.
        recurrent_constraint: Applied to the recurrent kernel after every update, by name, config or object.
        bias_constraint: Applied to the bias after every update, by name, config or object.
        dropout: The share of the inputs that is dropped, the same ones at every step.
        recurrent_dropout: The share of the state that is dropped, the same units at every step.
        return_sequences: Whether the output is that of every step, `(batch, steps, units)`, or of the last, `(batch, units)`.
        return_state: Whether the states after the last step are returned as well.
        go_backwards: Whether the last step comes first; outputs are then in that order too.
        stateful: Whether the states of one batch are the initial states of the next.
        unroll: Whether steps are run one by one where a fused kernel could run all. Needs a known number of steps.
        seed: Of the dropout.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.SimpleRNN(4)(torch.ones(2, 8, 3)).shape
    torch.Size([2, 4])
    """

    _keras_config_leaves_out = (*Recurrent._keras_config_leaves_out, "seed")

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
        activity_regularizer: Identifier = None,
        kernel_constraint: Identifier = None,
        recurrent_constraint: Identifier = None,
        bias_constraint: Identifier = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        cell = SimpleRNNCell(
            units, activation, use_bias=use_bias, dropout=dropout, recurrent_dropout=recurrent_dropout, seed=seed,
            **cell_arguments(kwargs), name="simple_rnn_cell",
        )  # fmt: skip
        cell.set_weight_settings("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        cell.set_weight_settings("recurrent", recurrent_initializer, recurrent_regularizer, recurrent_constraint)
        cell.set_weight_settings("bias", bias_initializer, bias_regularizer, bias_constraint)
        super().__init__(
            cell, "auto", return_sequences=return_sequences, return_state=return_state, go_backwards=go_backwards, stateful=stateful,
            unroll=unroll, activity_regularizer=activity_regularizer, **kwargs,
        )  # fmt: skip


class LSTM(Recurrent):
    """A layer of `LSTMCell`, over `nn.LSTM` where the activations are the default ones.

    With `return_state`, the states are the last output and the last carry.

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
        activity_regularizer: Adds to the loss of the model what it says of the output, by name, config or object.
        kernel_constraint: Applied after every update.
        recurrent_constraint: Applied to the recurrent kernel after every update, by name, config or object.
        bias_constraint: Applied to the bias after every update, by name, config or object.
        dropout: The share of the inputs that is dropped, the same ones at every step.
        recurrent_dropout: The share of the state that is dropped, the same units at every step.
        seed: Of the dropout.
        return_sequences: Whether the output is that of every step, `(batch, steps, units)`, or of the last, `(batch, units)`.
        return_state: Whether the states after the last step are returned as well.
        go_backwards: Whether the last step comes first; outputs are then in that order too.
        stateful: Whether the states of one batch are the initial states of the next.
        unroll: Whether steps are run one by one where a fused kernel could run all. Needs a known number of steps.
        use_cudnn: Whether the fused kernel (cuDNN's on a GPU) must (`True`), may (`"auto"`) or must not run.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.LSTM(4)(torch.ones(2, 8, 3)).shape
    torch.Size([2, 4])
    """

    recurrent_activation = property(lambda self: self.cell.recurrent_activation, doc="The cell's.")
    unit_forget_bias = property(lambda self: self.cell.unit_forget_bias, doc="The cell's.")

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
        activity_regularizer: Identifier = None,
        kernel_constraint: Identifier = None,
        recurrent_constraint: Identifier = None,
        bias_constraint: Identifier = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ) -> None:
        cell = LSTMCell(
            units, activation, recurrent_activation, use_bias, unit_forget_bias=unit_forget_bias, dropout=dropout,
            recurrent_dropout=recurrent_dropout, seed=seed, **cell_arguments(kwargs), name="lstm_cell",
        )  # fmt: skip
        cell.set_weight_settings("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        cell.set_weight_settings("recurrent", recurrent_initializer, recurrent_regularizer, recurrent_constraint)
        cell.set_weight_settings("bias", bias_initializer, bias_regularizer, bias_constraint)
        super().__init__(
            cell, use_cudnn, return_sequences=return_sequences, return_state=return_state, go_backwards=go_backwards,
            stateful=stateful, unroll=unroll, activity_regularizer=activity_regularizer, **kwargs,
        )  # fmt: skip


class GRU(Recurrent):
    """A layer of `GRUCell`, over `nn.GRU` where the activations are the default ones and `reset_after` is true.

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
        activity_regularizer: Adds to the loss of the model what it says of the output, by name, config or object.
        kernel_constraint: Applied after every update.
        recurrent_constraint: Applied to the recurrent kernel after every update, by name, config or object.
        bias_constraint: Applied to the bias after every update, by name, config or object.
        dropout: The share of the inputs that is dropped, the same ones at every step.
        recurrent_dropout: The share of the state that is dropped, the same units at every step.
        seed: Of the dropout.
        return_sequences: Whether the output is that of every step, `(batch, steps, units)`, or of the last, `(batch, units)`.
        return_state: Whether the states after the last step are returned as well.
        go_backwards: Whether the last step comes first; outputs are then in that order too.
        stateful: Whether the states of one batch are the initial states of the next.
        unroll: Whether steps are run one by one where a fused kernel could run all. Needs a known number of steps.
        reset_after: Whether the reset gate works on the state after its matrix multiplication (as in torch) or before.
        use_cudnn: Whether the fused kernel (cuDNN's on a GPU) must (`True`), may (`"auto"`) or must not run.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.GRU(4, return_sequences=True)(torch.ones(2, 8, 3)).shape
    torch.Size([2, 8, 4])
    """

    recurrent_activation = property(lambda self: self.cell.recurrent_activation, doc="The cell's.")
    reset_after = property(lambda self: self.cell.reset_after, doc="The cell's.")

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
        activity_regularizer: Identifier = None,
        kernel_constraint: Identifier = None,
        recurrent_constraint: Identifier = None,
        bias_constraint: Identifier = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = True,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ) -> None:
        cell = GRUCell(
            units, activation, recurrent_activation, use_bias, dropout=dropout, recurrent_dropout=recurrent_dropout,
            reset_after=reset_after, seed=seed, **cell_arguments(kwargs), name="gru_cell",
        )  # fmt: skip
        cell.set_weight_settings("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        cell.set_weight_settings("recurrent", recurrent_initializer, recurrent_regularizer, recurrent_constraint)
        cell.set_weight_settings("bias", bias_initializer, bias_regularizer, bias_constraint)
        super().__init__(
            cell, use_cudnn, return_sequences=return_sequences, return_state=return_state, go_backwards=go_backwards,
            stateful=stateful, unroll=unroll, activity_regularizer=activity_regularizer, **kwargs,
        )  # fmt: skip


def cell_arguments(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Those keyword arguments of a layer that are its cell's too."""
    shared: dict[str, Any] = {k: kwargs[k] for k in ("dtype", "trainable") if k in kwargs}
    if "implementation" in kwargs:
        shared["implementation"] = kwargs.pop("implementation")
    return shared
