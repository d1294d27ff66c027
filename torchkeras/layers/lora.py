"""Low-rank adapters of one weight, as Keras has them on Dense, Embedding, EinsumDense and convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .. import dtypes
from ..variable import ParameterVariable

if TYPE_CHECKING:  # what it is mixed into
    from .layer import Layer as _Base
else:
    _Base = object


class LoRA(_Base):
    """What a layer with `lora_rank` and `lora_alpha` shares (Hu et al. 2021): the weight is frozen, a product of two thin ones is trained.

    A layer names its weight in `_lora_target`, calls `_init_lora` in `__init__`, `_build_lora` at the end of `build`, and adds
    `_lora_scale() * (a @ b)` where `lora_enabled` is true. Files hold the merged weight.
    """

    _lora_target = "kernel"
    lora_enabled = False
    lora_rank: int | None
    lora_alpha: float | None

    def _init_lora(self, rank: int | None, alpha: float | None, quantization_config: Any = None) -> None:
        if rank is not None and (not isinstance(rank, int) or rank <= 0):
            raise ValueError(f"`lora_rank` must be a positive integer or None. Received: lora_rank={rank!r}")
        if quantization_config is not None:
            raise ValueError(
                "`quantization_config` must be None: these layers wrap torch modules, which torch's own tools (torchao) quantize in place. "
                f"Received: quantization_config={quantization_config!r}"
            )
        self.lora_rank = rank
        self.lora_alpha = alpha if alpha is not None else rank
        self.quantization_config = None

    def _build_lora(self) -> None:
        if self.lora_rank:
            self.enable_lora(self.lora_rank, self.lora_alpha)

    def _lora_shapes(self, rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shapes of the two factors."""
        shape = tuple(getattr(self, self._lora_target).shape)
        return (*shape[:-1], rank), (rank, shape[-1])

    @property
    def _lora_factors(self) -> tuple[ParameterVariable, ParameterVariable]:
        return getattr(self, f"lora_{self._lora_target}_a"), getattr(self, f"lora_{self._lora_target}_b")

    def _lora_scale(self) -> float:
        return self.lora_alpha / self.lora_rank  # type: ignore[operator]  # both are set where there are adapters

    def _lora_delta(self) -> torch.Tensor:
        """What is added to the weight, in Keras layout."""
        a, b = self._lora_factors
        return torch.matmul(a, b) * self._lora_scale()

    def enable_lora(
        self, rank: int, lora_alpha: float | None = None, a_initializer: Any = "he_uniform", b_initializer: Any = "zeros"
    ) -> None:
        """Freeze the weight and train a product of two thin ones, which is added to it.

        Args:
            rank: How thin.
            lora_alpha: The product is scaled by `lora_alpha / rank`; `rank` without it.
            a_initializer: Fills the first factor.
            b_initializer: Fills the second.

        Raises:
            ValueError: The layer is not built, has adapters already, or constrains the weight.
        """
        target = self._lora_target
        if getattr(self, f"{target}_constraint"):
            raise ValueError(
                f"`enable_lora` cannot keep a constraint on the weight {target!r} of the layer {self.name!r}. Remove `{target}_constraint`."
            )
        if not (self.built or self._tk_building):
            raise ValueError(f"`enable_lora` needs the weights of the layer {self.name!r}, which is not built. Build or call it first.")
        if self.lora_enabled:
            raise ValueError(f"The layer {self.name!r} has LoRA adapters already; they can be added once.")
        for factor, shape, initializer in zip("ab", self._lora_shapes(rank), (a_initializer, b_initializer)):
            weight = self.add_weight(
                shape=shape,
                initializer=initializer,
                dtype="float32",
                regularizer=getattr(self, f"{target}_regularizer"),
                name=f"lora_{target}_{factor}",
            )
            setattr(self, f"lora_{target}_{factor}", weight)
        getattr(self, target).trainable = False
        self.lora_enabled = True
        self.lora_rank = rank
        self.lora_alpha = lora_alpha if lora_alpha is not None else rank

    def save_own_variables(self, store: Any) -> None:
        """Put the layer's weights into `store`, adapters merged."""
        if not self.lora_enabled:
            super().save_own_variables(store)
            return
        target = getattr(self, self._lora_target)
        with torch.no_grad():
            merged = dtypes.to_numpy((target.value + self._lora_delta().reshape(target.shape).to(target.dtype)).float())
        for i, variable in enumerate(self._without_factors()):
            store[str(i)] = merged if variable is target else variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Take the weights from `store`, and set the adapters to zero: they are merged there."""
        if not self.lora_enabled:
            super().load_own_variables(store)
            return
        self._tk_load_variables(self._without_factors(), store)
        for factor in self._lora_factors:
            factor.assign(np.zeros(tuple(factor.shape), "float32"))

    def _without_factors(self) -> list[Any]:
        return [v for v in self.own_variables() if not any(v is f for f in self._lora_factors)]
