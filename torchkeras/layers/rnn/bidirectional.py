"""Bidirectional: one recurrent layer that reads forwards and one that reads backwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ...configurable import serialize_keras_object
from ..layer import Layer
from .base import Shape, split_states

_MERGES = ("sum", "mul", "ave", "concat", None)


class Bidirectional(Layer):
    """Runs a recurrent layer over the steps in both directions and joins the outputs, step by step.

    Masked steps have zeros in sequences of outputs.

    Args:
        layer: The recurrent layer; the forward one is made from its config, and so is the backward one.
        merge_mode: `"concat"`, `"sum"`, `"ave"` or `"mul"` joins the outputs; `None` returns both.
        weights: Initial weights, those of the forward layer first.
        backward_layer: The backward layer, where it is another one: with `go_backwards=True` and the same `return_sequences`,
            `return_state` and `stateful`.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.Bidirectional(keras.layers.LSTM(4))(torch.ones(2, 8, 3)).shape
    torch.Size([2, 8])
    """

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Sequence[Any] | None = None,
        backward_layer: Any = None,
        **kwargs: Any,
    ) -> None:
        for what, given in (("layer", layer), ("backward_layer", backward_layer)):
            if given is not None or what == "layer":
                _check_recurrent(what, given)
        if merge_mode not in _MERGES:
            raise ValueError(f"`merge_mode` must be one of {_MERGES}. Received: merge_mode={merge_mode!r}")
        super().__init__(weights=weights, **kwargs)
        config = layer.get_config()
        name = layer.name.removeprefix("forward_")
        self.forward_layer = type(layer).from_config({**config, "name": f"forward_{name}"})
        if backward_layer is None:
            backward_layer = type(layer).from_config({**config, "name": f"backward_{name}", "go_backwards": True})
            if hasattr(layer, "use_cudnn"):
                backward_layer.use_cudnn = layer.use_cudnn
        if hasattr(layer, "use_cudnn"):  # which no config tells
            self.forward_layer.use_cudnn = layer.use_cudnn
        self.backward_layer = backward_layer
        self._check_pair()
        for one in (self.forward_layer, self.backward_layer):
            if hasattr(one, "zero_output_for_mask"):
                one.zero_output_for_mask = one.return_sequences
        self.merge_mode = merge_mode
        self.stateful, self.return_sequences, self.return_state = layer.stateful, layer.return_sequences, layer.return_state
        self.supports_masking = True
        self.input_spec = layer.input_spec

    def _check_pair(self) -> None:
        forward, backward = self.forward_layer, self.backward_layer
        if forward.go_backwards or not backward.go_backwards:
            raise ValueError(
                "`layer` must have `go_backwards=False` and `backward_layer` must have `go_backwards=True`. Received: "
                f"layer.go_backwards={forward.go_backwards}, backward_layer.go_backwards={backward.go_backwards}"
            )
        for name in ("stateful", "return_sequences", "return_state"):
            if getattr(forward, name) != getattr(backward, name):
                raise ValueError(
                    f"`layer` and `backward_layer` must have the same `{name}`. Received: layer.{name}={getattr(forward, name)}, "
                    f"backward_layer.{name}={getattr(backward, name)}"
                )

    _tk_makes_weights = False

    def build(self, sequences_shape: Shape, initial_state_shape: Any = None) -> None:
        for layer in (self.forward_layer, self.backward_layer):
            if not layer.built:
                layer.build(sequences_shape)

    _tk_takes_lists = False

    def _tk_forward(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        """As for every layer; `[sequences, *states]` may stand in the place of `sequences`, as in Keras 2."""
        return super()._tk_forward(*split_states(args, kwargs))

    def call(self, sequences: torch.Tensor, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        states: tuple[Any, Any] = (None, None)
        if initial_state is not None:
            half = len(initial_state) // 2
            states = (list(initial_state[:half]), list(initial_state[half:]))
        y = self.forward_layer(sequences, initial_state=states[0], mask=mask)
        z = self.backward_layer(sequences, initial_state=states[1], mask=mask)
        finals: tuple[Any, ...] = ()
        if self.return_state:
            (y, *first), (z, *second) = y, z
            finals = (*first, *second)
        if self.return_sequences:
            z = z.flip(1)
        if self.merge_mode is None:
            return (y, z, *finals)
        if self.merge_mode == "concat":
            output = torch.cat([y, z], -1)
        elif self.merge_mode == "mul":
            output = y * z
        else:
            output = y + z if self.merge_mode == "sum" else (y + z) / 2
        return (output, *finals) if self.return_state else output

    def compute_output_shape(self, sequences_shape: Shape, initial_state_shape: Any = None) -> Any:
        shape = self.forward_layer.compute_output_shape(sequences_shape)
        states: tuple[Any, ...] = ()
        if self.return_state:
            shape, *one = shape
            states = (*one, *self.backward_layer.compute_output_shape(sequences_shape)[1:])
        if self.merge_mode is None:
            return (shape, shape, *states)
        if self.merge_mode == "concat":
            shape = (*shape[:-1], 2 * shape[-1])
        return (shape, *states) if self.return_state else shape

    _masks_from_inputs = True

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        if not self.return_sequences:
            mask = None
        return mask if self.merge_mode is not None else (mask, mask)

    # -- state -----------------------------------------------------------------------------------------------------------------------

    @property
    def states(self) -> tuple[Any, ...] | None:
        """The kept states of a stateful layer, those of the forward layer first; `None` for others."""
        forward, backward = self.forward_layer.states, self.backward_layer.states
        return (*forward, *backward) if forward and backward else None

    def reset_state(self) -> None:
        """Set the kept states to zero.

        Raises:
            AttributeError: If the layer is not stateful.
        """
        if not self.stateful:
            raise AttributeError(f"The layer {self.name!r} keeps no states: make it with `stateful=True`.")
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    def reset_states(self) -> None:
        """Keras's older name of `reset_state`."""
        self.reset_state()

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("weights")
        layers = {"layer": self.forward_layer, "backward_layer": self.backward_layer}
        return {**config, **{name: serialize_keras_object(layer) for name, layer in layers.items()}}

    def _tk_config_value(self, name: str) -> Any:
        return None if name in ("layer", "backward_layer", "weights") else super()._tk_config_value(name)


def _check_recurrent(what: str, layer: Any) -> None:
    needed = ("go_backwards", "return_sequences", "return_state", "stateful")
    missing = [n for n in needed if not hasattr(layer, n)]
    if not isinstance(layer, Layer) or missing:
        lacks = f", which lacks {', '.join(missing)}" if isinstance(layer, Layer) else ""
        raise ValueError(
            f"`{what}` must be a recurrent layer, such as `LSTM` or `RNN`. Received: {layer!r} of type {type(layer).__name__}{lacks}"
        )
