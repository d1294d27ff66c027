"""SpectralNormalization: a wrapper that keeps the largest singular value of a layer's kernel at one."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from .. import config, initializers, recompute
from ..variable import Variable
from .wrappers import Wrapper


class SpectralNormalization(Wrapper):
    """Divides the kernel of a layer by its largest singular value at every call in training (Miyato et al., 2018).

    The kernel, of which all axes but the last are taken as one, is overwritten. Power iteration finds the singular value and goes on,
    from call to call, from the vector that it keeps in `vector_u`, `(1, kernel.shape[-1])`. A kernel of zeros stays as it is.

    Args:
        layer: A layer with a `kernel` or `embeddings`.
        power_iterations: The number of steps of power iteration in a call.
        **kwargs: `name`, `trainable`, `dtype`, `activity_regularizer` and `autocast`, which every layer takes, and `input_shape` for the
            first layer of a Sequential model.

    Raises:
        ValueError: If `power_iterations` is not a positive integer, or the layer has no kernel once it is built.

    >>> keras.layers.SpectralNormalization(keras.layers.Dense(3))(torch.ones(2, 4)).shape
    torch.Size([2, 3])
    """

    def __init__(self, layer: Any, power_iterations: int = 1, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        if not isinstance(power_iterations, int) or isinstance(power_iterations, bool) or power_iterations <= 0:
            raise ValueError(f"`power_iterations` must be a positive integer. Received: power_iterations={power_iterations!r}")
        self.power_iterations = power_iterations

    @property
    def kernel(self) -> Variable:
        """The kernel of the layer, or its embeddings."""
        for name in ("kernel", "embeddings"):
            if isinstance(getattr(self.layer, name, None), Variable):
                return getattr(self.layer, name)
        raise ValueError(
            f"`layer` must have a weight called `kernel` or `embeddings`. Received: {self.layer.name!r} of type {type(self.layer).__name__}"
        )

    def build(self, input_shape: Any = None) -> None:
        super().build(input_shape)
        kernel = self.kernel
        for mine, its in (
            (self._tk_own_trainable, self.layer._tk_own_trainable),
            (self._tk_own_non_trainable, self.layer._tk_own_non_trainable),
        ):  # as in Keras, the kernel stands among the wrapper's own weights too, in its order and its files
            mine += [place for place in its if place is kernel or getattr(place, "tensor", None) is kernel]
        self.vector_u = self.add_weight(
            shape=(1, kernel.shape[-1]), initializer=initializers.TruncatedNormal(stddev=0.02), trainable=False, name="vector_u",
            dtype=kernel.dtype,
        )  # fmt: skip

    def call(self, inputs: torch.Tensor, training: bool = False) -> torch.Tensor:
        if training and not recompute.recomputing():
            with torch.no_grad():
                vector_u, kernel = self.normalized_weights()
                self.vector_u.assign(vector_u)
                self.kernel.assign(kernel)
        outputs = self.layer(inputs)
        return outputs.to(inputs.dtype) if inputs.is_floating_point() else outputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.layer.compute_output_shape(input_shape)

    def normalized_weights(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The next `vector_u`, and the kernel divided by its largest singular value."""
        kernel, u = self.kernel.value, self.vector_u.value
        matrix, epsilon = kernel.reshape(-1, kernel.shape[-1]), config.epsilon()
        with torch.no_grad():
            for _ in range(self.power_iterations):
                v = F.normalize(u @ matrix.t(), eps=epsilon)
                u = F.normalize(v @ matrix, eps=epsilon)
        sigma = (v @ matrix @ u.t()).reshape(())
        empty = (kernel == 0).all()
        return torch.where(empty, self.vector_u.value, u), torch.where(empty, kernel, kernel / sigma)
