"""Questions to the symbolic graph."""

from __future__ import annotations

from ..graph import KerasTensor


def get_source_inputs(tensor: KerasTensor) -> list[KerasTensor]:
    """The tensors that the graph of `tensor` starts from, each once.

    Args:
        tensor: A symbolic tensor.
    """
    if not isinstance(tensor, KerasTensor):
        raise ValueError(f"`tensor` must be symbolic, made by `keras.Input` and layers. Received: {tensor!r}")
    found: dict[int, KerasTensor] = {}
    seen: set[int] = set()
    waiting = [tensor]
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        history = current._keras_history
        parents = [] if history is None else history.operation._inbound_nodes[history.node_index].input_tensors
        if parents:
            waiting += reversed(parents)
        else:
            found[id(current)] = current
    return list(found.values())
