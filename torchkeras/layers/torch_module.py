"""Any torch module as a Keras layer."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin

from ..configurable import in_safe_mode
from ..distribution import rank
from ..graph import KerasTensor, use_module_wrapper
from .building import map_shapes
from .layer import Layer
from .saved import ModuleState


class TorchModuleWrapper(Layer):
    """A torch module with a layer's name, dtype policy, freezing and place in files.

    Args:
        module: The module; it is moved to the default device.
        name: The layer's name.
        output_shape: The shape of its output, batch axis included; found by running it without one.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    Raises:
        ValueError: If it is no module, or a lazy one that has not seen an input.

    >>> keras.layers.TorchModuleWrapper(torch.nn.Linear(3, 2))(torch.ones(1, 3)).shape
    torch.Size([1, 2])
    """

    _tk_takes_strings = True

    def __init__(self, module: nn.Module, name: str | None = None, output_shape: Any = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        if not isinstance(module, nn.Module):
            raise ValueError(f"`module` must be a torch.nn.Module. Received: {module!r} of type {type(module).__name__}")
        if any(isinstance(m, LazyModuleMixin) and m.has_uninitialized_params() for m in module.modules()):
            raise ValueError(f"`module` is lazy and has no weights yet: call it on an input first. Received: {type(module).__name__}")
        self.module = module.to(rank.default_device())
        self._given_shape = output_shape
        self.supports_masking = True
        self.built = True
        if not self._trainable:
            self.trainable = False

    def call(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        if self._given_shape is None:
            return super().compute_output_spec(*args, **kwargs)
        return map_shapes(lambda s: KerasTensor(s, dtype=self.compute_dtype), self._given_shape)

    def save_own_variables(self, store: Any) -> None:
        """Put the module's `state_dict` into `store`, under its own names."""
        ModuleState(self.module, f"the torch module of the layer {self.name!r}").save_own_variables(store)

    def load_own_variables(self, store: Any) -> None:
        """Take the module's `state_dict` from `store`.

        Raises:
            ValueError: If names or shapes differ; the message tells the first that does.
        """
        ModuleState(self.module, f"the torch module of the layer {self.name!r}").load_own_variables(store)

    def saved_children(self) -> Iterable[tuple[str, Any]]:
        """Nothing: the module's `state_dict` holds all that is inside."""
        return ()

    def get_config(self) -> dict[str, Any]:
        """The base config, and the pickled module, which loading refuses in safe mode."""
        config = super().get_config()
        buffer = io.BytesIO()
        torch.save(self.module, buffer)
        config["module"] = base64.b64encode(buffer.getvalue()).decode("ascii")
        config["output_shape"] = self._given_shape
        return config

    def _tk_config_value(self, name: str) -> Any:
        return None if name in ("module", "output_shape") else super()._tk_config_value(name)  # `get_config` writes them

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None, safe_mode: bool | None = None
    ) -> TorchModuleWrapper:
        """The layer that `get_config` described.

        Args:
            config: The config.
            custom_objects: Not needed: the pickle names its classes.
            safe_mode: `False` unpickles the module; that of the load in progress, else `True`, without one.

        Raises:
            ValueError: If the load is in safe mode, since unpickling runs code.
        """
        config = dict(config)
        if isinstance(config.get("module"), str):
            if in_safe_mode() if safe_mode is None else safe_mode is not False:
                raise ValueError(
                    "The config of a TorchModuleWrapper carries a pickled module, and unpickling runs code: it is refused in safe mode. "
                    "If you trust its source, pass `safe_mode=False` to the loading function or call "
                    "`config.enable_unsafe_deserialization()`; else build the model in code and load its weights only."
                )
            data = io.BytesIO(base64.b64decode(config["module"].encode("ascii")))
            config["module"] = torch.load(data, weights_only=False, map_location=rank.default_device())
        return super().from_config(config)


use_module_wrapper(TorchModuleWrapper)
