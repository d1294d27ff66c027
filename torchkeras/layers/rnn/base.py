"""RNN, which runs any cell over the steps of a sequence, and cells stacked to one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ... import dtypes, recompute, tree
from ...variable import Variable
from ..layer import Layer
from .cells import LSTMCell, States, StepCell
from .hosting import hooked

Shape = tuple[int | None, ...]


class StackedRNNCells(Layer):
    """Cells on top of each other as one cell: each takes the output of the one below, and keeps its own states.

    Args:
        cells: The cells, the lowest first.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.RNN(keras.layers.StackedRNNCells([keras.layers.GRUCell(4), keras.layers.GRUCell(5)]))(torch.ones(2, 6, 3)).shape
    torch.Size([2, 5])
    """

    def __init__(self, cells: Sequence[Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for cell in cells:
            _check_cell(cell, "Every item of `cells`")
        self.cells = list(cells)

    @property
    def state_size(self) -> list[Any]:
        """The state sizes of the cells."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> int:
        """The output size of the last cell."""
        return _output_size(self.cells[-1])

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        """The initial states of the cells, each a tensor or a list of tensors."""
        states = []
        for cell in self.cells:
            if hasattr(cell, "get_initial_state"):
                states.append(cell.get_initial_state(batch_size=batch_size))
            else:
                zeros = _zeros(cell.state_size, batch_size, self)
                states.append(zeros)
        return states

    _tk_makes_weights = False

    def build(self, input_shape: Shape) -> None:
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell.build(input_shape)
            input_shape = (input_shape[0], _output_size(cell))

    def call(self, inputs: torch.Tensor, states: States, training: bool = False, **kwargs: Any) -> tuple[torch.Tensor, States]:
        new_states = []
        for cell, old in zip(self.cells, states):
            nested = isinstance(old, (list, tuple))
            inputs, new = _call_cell(cell, inputs, list(old) if nested else [old], training, kwargs)
            new = list(new) if isinstance(new, (list, tuple)) else [new]
            new_states.append(new if nested else new[0])
        return inputs, new_states


class RNN(Layer):
    """Runs a cell over the second axis of `(batch, steps, features)`.

    Where `mask` is false, the states stay as they are and the output of the step before is repeated (zeros before the first).

    Args:
        cell: An object with `call(inputs, states) -> (output, states)`, `state_size` (a size or several) and possibly `output_size` and
            `get_initial_state(batch_size)`; or a list of such, which is stacked.
        return_sequences: Whether the output is that of every step, `(batch, steps, units)`, or of the last, `(batch, units)`.
        return_state: Whether the states after the last step are returned as well.
        go_backwards: Whether the last step comes first; outputs are then in that order too.
        stateful: Whether the states of one batch are the initial states of the next.
        unroll: Whether steps are run one by one where a fused kernel could run all. Needs a known number of steps.
        zero_output_for_mask: Whether outputs of masked steps are zeros.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.RNN(keras.layers.GRUCell(4))(torch.ones(2, 5, 3)).shape
    torch.Size([2, 4])
    """

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell)
        _check_cell(cell, "`cell`")
        super().__init__(**kwargs)
        self.cell = cell
        self.return_sequences, self.return_state = return_sequences, return_state
        self.go_backwards, self.stateful, self.unroll = go_backwards, stateful, unroll
        self.zero_output_for_mask = zero_output_for_mask
        self.use_cudnn: Any = False
        self.supports_masking = True
        sizes = cell.state_size
        if not isinstance(sizes, (list, tuple, int)):
            raise ValueError(f"`state_size` of `cell` must be an integer, or one for each state. Received: state_size={sizes!r}")
        self.single_state = isinstance(sizes, int)
        self.state_size = [sizes] if isinstance(sizes, int) else list(sizes)

    # -- building and state ----------------------------------------------------------------------------------------------------------

    _tk_makes_weights = False

    def build(self, sequences_shape: Shape, initial_state_shape: Any = None) -> None:
        if isinstance(self.cell, Layer) and not self.cell.built:
            self.cell.build((sequences_shape[0], *sequences_shape[2:]))
        if self.stateful and not self._kept():
            if sequences_shape[0] is None:
                raise ValueError(
                    f"The layer {self.name!r} has `stateful=True` and needs a known batch size: pass `batch_size=` to `Input`, "
                    f"or `batch_shape=`. Received: an input of shape {tuple(sequences_shape)}"
                )
            dtype = dtypes.to_torch_dtype(self.variable_dtype)
            for i, value in enumerate(tree.flatten(self.get_initial_state(sequences_shape[0]))):
                state = Variable(value.to(dtype), trainable=False, name="rnn_state")
                state.path = f"{self.name}/rnn_state"
                self.register_buffer(f"rnn_state_{i}", state, persistent=False)

    def _kept(self) -> list[torch.Tensor]:
        return [b for n, b in self._buffers.items() if n.startswith("rnn_state_") and b is not None]

    @property
    def states(self) -> Any:
        """The kept states of a stateful layer, in the structure of `state_size`; `None` for others."""
        kept = self._kept()
        return tree.pack_sequence_as(self.state_size, kept) if kept else None

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """The states before the first step, for a batch of this size."""
        if hasattr(self.cell, "get_initial_state"):
            states = self.cell.get_initial_state(batch_size=batch_size)
            return list(states) if isinstance(states, (list, tuple)) else [states]
        return [_zeros(size, batch_size, self) for size in self.state_size]

    def reset_state(self) -> None:
        """Set the kept states of a stateful layer to zero."""
        for state in self._kept():
            state.zero_()

    def reset_states(self) -> None:
        """Keras's older name of `reset_state`."""
        self.reset_state()

    # -- shapes ----------------------------------------------------------------------------------------------------------------------

    def compute_output_shape(self, sequences_shape: Shape, initial_state_shape: Any = None) -> Any:
        batch, steps = sequences_shape[:2]
        size = _output_size(self.cell)
        shape = (batch, steps, size) if self.return_sequences else (batch, size)
        if not self.return_state:
            return shape
        states = [[(batch, n) for n in s] if isinstance(s, (list, tuple)) else (batch, s) for s in self.state_size]
        return (shape, *states)

    _masks_from_inputs = True

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        output_mask = mask if self.return_sequences else None
        return [output_mask, *(None for _ in self.state_size)] if self.return_state else output_mask

    # -- calling ---------------------------------------------------------------------------------------------------------------------

    _tk_takes_lists = False

    def _tk_forward(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        """As for every layer; `[sequences, *states]` may stand in the place of `sequences`, as in Keras 2."""
        return super()._tk_forward(*split_states(args, kwargs))

    def call(self, sequences: torch.Tensor, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        if mask is not None:
            mask = mask[0] if isinstance(mask, (list, tuple)) else mask
            mask = mask.to(torch.bool)
            mask = mask.squeeze(-1) if mask.dim() == 3 else mask
            if mask.shape != sequences.shape[:2]:
                raise ValueError(
                    f"`mask` of the layer {self.name!r} must have the shape (batch, steps), {tuple(sequences.shape[:2])} for sequences of "
                    f"shape {tuple(sequences.shape)}. Received: a mask of shape {tuple(mask.shape)}"
                )
        if initial_state is not None:
            initial_state = self._checked(initial_state)
        elif self.stateful:
            initial_state = recompute.recorded(
                self, lambda: tree.map_structure(lambda s: s.detach().clone().to(sequences.dtype), self.states)
            )
            self._check_batch(sequences, initial_state)
        last, outputs, states = self.inner_loop(sequences, initial_state, mask, training=training)
        if self.stateful and not recompute.recomputing():
            with torch.no_grad():
                for kept, state in zip(self._kept(), tree.flatten(states)):
                    kept.copy_(state)
        output = outputs if self.return_sequences else last
        return (output, *states) if self.return_state else output

    def _checked(self, initial_state: Any) -> list[Any]:
        states = list(initial_state) if isinstance(initial_state, (list, tuple)) else [initial_state]
        if len(states) != len(self.state_size):
            raise ValueError(
                f"`initial_state` of the layer {self.name!r} must hold {len(self.state_size)} state(s), of the sizes {self.state_size}. "
                f"Received: {len(states)}"
            )
        for state, size in zip(states, self.state_size):
            shape = tuple(getattr(state, "shape", ()))
            if isinstance(size, int) and shape and shape[-1] not in (size, None):
                raise ValueError(
                    f"`initial_state` of the layer {self.name!r} must hold states of shape (batch, {size}). "
                    f"Received: a state of shape {shape}"
                )
        return states

    def _check_batch(self, sequences: torch.Tensor, states: Any) -> None:
        expected = tree.flatten(states)[0].shape[0]
        if sequences.shape[0] != expected:
            raise ValueError(
                f"The layer {self.name!r} is stateful and keeps states for batches of {expected}; every batch must have that size. "
                f"Received: a batch of {sequences.shape[0]}"
            )

    def inner_loop(
        self, sequences: torch.Tensor, initial_state: Any, mask: torch.Tensor | None, training: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor | None, Any]:
        """Run all steps: the last output, all outputs (`None` where they were not asked for), and the states after the last step.

        Args:
            sequences: `(batch, steps, features)`.
            initial_state: The states before the first step; `None` for the cell's own.
            mask: `(batch, steps)`, false at steps to leave out; or `None`.
            training: Whether cells drop.
        """
        if sequences.shape[1] == 0:
            raise ValueError(f"The layer {self.name!r} needs at least one step. Received: sequences of shape {tuple(sequences.shape)}")
        if self.go_backwards:
            sequences = sequences.flip(1)
            mask = None if mask is None else mask.flip(1)
        # Traced for a gradient, a kernel is taken to pieces anyway, and mkldnn's LSTM fails there when its input needs no gradient. Under
        # torch's function transforms it has no rule for batches.
        apart = torch.is_grad_enabled() and torch.compiler.is_compiling()
        cell: Any = self._modules.get("cell") or self.cell
        if self._runs_fused() and not (apart or hooked(cell) or torch._C._are_functorch_transforms_active()):
            return self._run_fused(sequences, initial_state, mask, training)
        return self._run_steps(sequences, initial_state, mask, training)

    def _runs_fused(self) -> bool:
        return False

    # -- the fused kernels -----------------------------------------------------------------------------------------------------------

    def _run_fused(
        self, sequences: torch.Tensor, states: Any, mask: torch.Tensor | None, training: bool
    ) -> tuple[torch.Tensor, torch.Tensor | None, Any]:
        cell: Any = self._modules.get("cell") or self.cell  # the first without torch's slower attribute lookup
        if training and cell.dropout:
            sequences = cell.drop_inputs(sequences)
        if mask is None:
            outputs, final = cell.run(sequences, states)
            return final[0] if cell.steps_alone else outputs[:, -1], outputs, final

        # Whatever the mask, each row's valid steps are moved to its front, in their order, and the kernel runs over all steps: its first
        # outputs are then those of the valid steps, wherever they were, and what it computes behind them is never read. No length comes
        # to the host, so nothing waits for the device.
        order = (~mask).to(torch.uint8).argsort(dim=1, stable=True)
        packed = sequences.gather(1, order.unsqueeze(-1).expand(sequences.shape))
        count = mask.sum(1, keepdim=True)
        if isinstance(cell, LSTMCell) and (self.return_state or self.stateful):
            if not cell.steps_alone:  # a module that is called takes no feature more than it was made for
                return self._run_steps(sequences, states, mask, False)  # the inputs are dropped already
            steps = torch.arange(mask.shape[1], device=mask.device)
            outputs, final = cell.run_holding(packed, states, steps >= count)
        else:
            outputs, final = cell.run(packed, states)
        units = outputs.shape[-1]
        some = count > 0
        last = outputs.gather(1, (count - 1).clamp(min=0).unsqueeze(-1).expand(-1, -1, units)).squeeze(1)
        final = [torch.where(some, last, 0.0 if states is None else states[0]), *final[1:]]
        last = torch.where(mask[:, -1:] if self.zero_output_for_mask else some, last, 0.0)
        if not self.return_sequences:
            return last, None, final
        place = mask.cumsum(1) - 1  # of the last valid step so far, among the valid ones
        outputs = outputs.gather(1, place.clamp(min=0).unsqueeze(-1).expand(-1, -1, units))
        shown = mask if self.zero_output_for_mask else place >= 0
        return last, torch.where(shown.unsqueeze(-1), outputs, 0.0), final

    # -- step by step ----------------------------------------------------------------------------------------------------------------

    def _run_steps(
        self, sequences: torch.Tensor, states: Any, mask: torch.Tensor | None, training: bool
    ) -> tuple[torch.Tensor, torch.Tensor | None, Any]:
        if states is None:
            states = self.get_initial_state(sequences.shape[0])
        cell = self.cell
        if not _in_two(cell) or cell.steps_alone or cell.fusable:
            return self._run_each(sequences, states, mask, training, self.return_sequences)

        def compute(sequences: torch.Tensor, states: Any) -> tuple[torch.Tensor | None, tuple[torch.Tensor, ...]]:
            _, outputs, final = self._run_each(sequences, list(states), mask, training, True)
            return outputs, tuple(final)

        outputs, final = cell.hosted(compute, sequences, tuple(states))
        return outputs[:, -1], outputs, list(final)

    def _run_each(
        self, sequences: torch.Tensor, states: Any, mask: torch.Tensor | None, training: bool, gather: bool
    ) -> tuple[torch.Tensor, torch.Tensor | None, Any]:
        cell = self.cell
        forget_dropout(cell)
        projects = _in_two(cell) and (cell.steps_alone or not cell.fusable)
        steps = (cell.project(sequences, training) if projects else sequences).unbind(1)
        masks = [None] * len(steps) if mask is None else mask.unbind(1)
        outputs: list[torch.Tensor] = []
        output: Any = None
        for x, valid in zip(steps, masks):
            if projects:
                new, new_states = cell.step(x, states, training)
            else:
                new, new_states = _call_cell(cell, x, states, training, {})
                new_states = list(new_states) if isinstance(new_states, (list, tuple)) else [new_states]
            if valid is not None:
                previous = torch.zeros_like(new) if output is None or self.zero_output_for_mask else output
                new = torch.where(_columns(valid, new), new, previous)
                new_states = _held(valid, new_states, states)
            output, states = new, new_states
            if gather:
                outputs.append(output)
        forget_dropout(cell)
        return output, torch.stack(outputs, 1) if outputs else None, states


def split_states(args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """The arguments of a call with `[sequences, *states]` as `sequences` and `initial_state=states`."""
    if not args or not isinstance(args[0], (list, tuple)) or not args[0] or not hasattr(args[0][0], "shape"):
        return args, kwargs
    sequences, *states = args[0]
    return (sequences, *args[1:]), {**kwargs, "initial_state": states} if states else kwargs


def _in_two(cell: Any) -> bool:
    """Whether the step of a cell falls in two, the first of which is done for all steps at once; a hooked cell is called."""
    return isinstance(cell, StepCell) and type(cell).call is StepCell.call and not hooked(cell)


def forget_dropout(cell: Any) -> None:
    """Let a cell, and those stacked in it, draw new dropout masks."""
    if isinstance(cell, StackedRNNCells):
        for inner in cell.cells:
            forget_dropout(inner)
    if hasattr(cell, "reset_dropout_mask"):
        cell.reset_dropout_mask()
    if hasattr(cell, "reset_recurrent_dropout_mask"):
        cell.reset_recurrent_dropout_mask()


def _held(valid: torch.Tensor, new: Any, old: Any) -> Any:
    """The new states where the step is valid, else the old ones."""
    if isinstance(new, (list, tuple)):
        return [_held(valid, n, o) for n, o in zip(new, old)]
    return torch.where(_columns(valid, new), new, old)


def _columns(valid: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return valid.reshape(-1, *(1,) * (like.dim() - 1))


def _call_cell(cell: Any, inputs: torch.Tensor, states: Any, training: bool, kwargs: dict[str, Any]) -> Any:
    if isinstance(cell, Layer):
        if cell._tk_call_info().has_training and cell.training is not training:  # else it fills in the same flag by itself
            kwargs = {**kwargs, "training": training}
        return cell(inputs, tuple(states), **kwargs)
    return (cell if callable(cell) else cell.call)(inputs, tuple(states), **kwargs)


def _check_cell(cell: Any, what: str) -> None:
    for needed in ("call", "state_size"):
        if not hasattr(cell, needed):
            raise ValueError(f"{what} must have `{needed}`. Received: {cell!r} of type {type(cell).__name__}")


def _output_size(cell: Any) -> int:
    size = getattr(cell, "output_size", None)
    if size is None:
        size = cell.state_size[0] if isinstance(cell.state_size, (list, tuple)) else cell.state_size
    return size


def _zeros(size: Any, batch_size: Any, layer: Layer) -> Any:
    dtype = dtypes.to_torch_dtype(layer.compute_dtype)
    if isinstance(size, (list, tuple)):
        return [_zeros(n, batch_size, layer) for n in size]
    return torch.zeros(batch_size, size, dtype=dtype, device=layer._tk_device())
