"""EinsumDense: equations that do not fit."""

from __future__ import annotations

import pytest
import torch

from torchkeras import layers


def test_einsum_dense_names_what_does_not_fit():
    with pytest.raises(ValueError, match="`equation` must be an Einstein sum"):
        layers.EinsumDense("ab,bc", output_shape=3)
    with pytest.raises(ValueError, match="`equation` has 'b' of two sizes, 4 and 5"):
        layers.EinsumDense("ab,bc->ab", output_shape=5)(torch.ones(2, 4))
    with pytest.raises(ValueError, match="must have a letter for each axis of `output_shape`"):
        layers.EinsumDense("ab,bc->ac", output_shape=(5, 6))(torch.ones(2, 4))
    with pytest.raises(ValueError, match="must have each letter of `bias_axes` in its output"):
        layers.EinsumDense("ab,bc->ac", output_shape=5, bias_axes="z")(torch.ones(2, 4))
