"""Layers around another layer: Wrapper, and TimeDistributed, which applies one to every step."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from .. import tree
from ..configurable import is_builtin
from .call import training_flag
from .lambda_layer import Lambda
from .layer import Layer
from .torch_module import TorchModuleWrapper

Shape = tuple[int | None, ...]


class Wrapper(Layer):
    """The base of layers around one other, `self.layer`: builds it and describes it in the config.

    Args:
        layer: The layer; a torch module is wrapped to one.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.Wrapper(keras.layers.Dense(2)).layer.units
    2
    """

    _tk_takes_strings = True

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        if not isinstance(layer, nn.Module):
            raise ValueError(f"`layer` must be a layer. Received: {layer!r} of type {type(layer).__name__}")
        super().__init__(**kwargs)
        self.layer = layer if isinstance(layer, Layer) else TorchModuleWrapper(layer)

    _tk_makes_weights = False

    def build(self, input_shape: Any = None) -> None:
        if not self.layer.built:
            self.layer.build(input_shape)


class TimeDistributed(Wrapper):
    """Applies a layer to every step, the second axis, of `(batch, steps, ...)`.

    The steps are folded into the batch wherever that gives the same numbers; a layer that looks at its whole batch (batch normalization
    in training, stateful layers, anything user-written) is called once a step. A mask `(batch, steps, ...)` of more than two axes is
    passed to the layer, step by step, if that takes one.

    Args:
        layer: The layer.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    >>> keras.layers.TimeDistributed(keras.layers.Dense(5))(torch.ones(2, 8, 3)).shape
    torch.Size([2, 8, 5])
    """

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.supports_masking = True

    def _step_shape(self, input_shape: Any) -> Shape:
        if not isinstance(input_shape, (tuple, list)) or len(input_shape) < 3:
            raise ValueError(
                f"The layer {self.name!r} (TimeDistributed) needs an input of at least three axes, (batch, steps, ...). "
                f"Received: input_shape={input_shape}"
            )
        return (input_shape[0], *input_shape[2:])

    _tk_makes_weights = False

    def build(self, input_shape: Any = None) -> None:
        super().build(self._step_shape(input_shape))

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = self.layer.compute_output_shape(self._step_shape(input_shape))
        return (shape[0], input_shape[1], *shape[1:])

    def call(self, inputs: torch.Tensor, training: bool | None = None, mask: torch.Tensor | None = None) -> Any:
        self._step_shape(tuple(inputs.shape))
        if mask is not None and tuple(mask.shape[:2]) != tuple(inputs.shape[:2]):
            raise ValueError(
                f"`mask` of the layer {self.name!r} must start with the axes (batch, steps) of the input, {tuple(inputs.shape[:2])}. "
                f"Received: a mask of shape {tuple(mask.shape)}"
            )
        if mask is not None and (mask.dim() < 3 or "mask" not in self.layer._tk_call_info().names):
            mask = None
        if self._folds():
            kwargs = {} if mask is None else {"mask": mask.flatten(0, 1)}
            batch, steps = inputs.shape[:2]
            return tree.map_structure(lambda y: y.reshape(batch, steps, *y.shape[1:]), self.layer(inputs.flatten(0, 1), **kwargs))
        outputs = [self.layer(x, **({} if mask is None else {"mask": mask[:, i]})) for i, x in enumerate(inputs.unbind(1))]
        return tree.map_structure(lambda *y: torch.stack(y, 1), *outputs)

    def _folds(self) -> bool:
        """Whether the layer treats each row of its batch on its own, so that steps may be rows."""
        for module in self.layer.modules():
            known = type(module).__module__.startswith("torch.nn.") or (is_builtin(type(module)) and not isinstance(module, Lambda))
            normalizes = isinstance(module, nn.modules.batchnorm._NormBase) and training_flag(module)
            if not known or normalizes or getattr(module, "stateful", False):
                return False
        return True

    _masks_from_inputs = True

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        if previous_mask is None or previous_mask.dim() < 3:
            return previous_mask
        inner = self.layer.compute_mask(inputs.flatten(0, 1), previous_mask.flatten(0, 1))
        if inner is None:  # the layer has used it up: a step is valid where anything in it was
            return previous_mask.flatten(2).any(-1)
        return inner.reshape(*previous_mask.shape[:2], *inner.shape[1:])
