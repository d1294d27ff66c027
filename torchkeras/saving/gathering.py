"""Sharded weights as whole ones while a file is written."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from .. import dtypes
from ..distribution import rank


@contextlib.contextmanager
def gathered(model: Any) -> Iterator[None]:
    """Whole tensors in the places of a model's distributed ones, and of its optimizer's, on rank 0, which writes.

    Every process has to enter it where there are such tensors: each joins its shards, in the same order, and waits for no other after that.
    """
    for module in model.modules():
        if hasattr(module, "reshard") and hasattr(module, "unshard"):  # FSDP2 leaves the root's weights whole after a forward pass
            module.reshard()
    tables: list[dict[Any, Any]] = [t for m in model.modules() for t in (m._parameters, m._buffers)]
    state = getattr(getattr(model, "optimizer", None), "state", None)
    tables += [slots for slots in state.values() if isinstance(slots, dict)] if isinstance(state, dict) else []
    places = [(table, key, tensor) for table in tables for key, tensor in table.items() if hasattr(tensor, "full_tensor")]
    whole: dict[int, torch.Tensor] = {}
    for _, _, tensor in places:
        if id(tensor) not in whole:
            value = dtypes.whole(tensor)
            whole[id(tensor)] = value.cpu() if rank.is_main() else value[:0]
    if not rank.is_main():
        yield
        return
    for table, key, tensor in places:
        table[key] = whole[id(tensor)]
    aliases = {}  # the optimizer finds its slots by the weight
    if isinstance(state, dict):
        aliases = {whole[id(tensor)]: state[tensor] for _, _, tensor in places if tensor in state}
        state.update(aliases)
    try:
        yield
    finally:
        for table, key, tensor in places:
            table[key] = tensor
        if isinstance(state, dict):
            for alias in aliases:
                del state[alias]
