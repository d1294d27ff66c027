"""Connectionist temporal classification: the loss and the decoders (Graves et al., 2006)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from ... import dtypes
from ...graph import Filed, KerasTensor, TensorLike, op
from .._values import check_labels


def _wide(dtype: Any) -> torch.dtype:
    """The type to sum log probabilities in: float32, or what is wider."""
    return dtypes.to_torch_dtype(dtypes.result_type(dtype, "float32"))


def _ctc_loss_spec(target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int = 0) -> KerasTensor:
    return KerasTensor((output.shape[0],), _wide(output.dtype))


@op(promote="float", args=("output",), spec=_ctc_loss_spec, filed=Filed("CTCLoss"))
def ctc_loss(
    target: TensorLike, output: TensorLike, target_length: TensorLike, output_length: TensorLike, mask_index: int = 0
) -> torch.Tensor:
    """Minus the log probability of label sequences, over all their alignments with the outputs.

    Args:
        target: `(batch, labels)`, integers.
        output: `(batch, steps, classes)`, logits.
        target_length: `(batch,)`, how many labels count.
        output_length: `(batch,)`, how many steps count.
        mask_index: The class that is the blank.

    Returns:
        `(batch,)`; infinite for labels that do not fit into their steps.

    Raises:
        ValueError: If there are shapes that do not fit, or labels out of range.

    >>> keras.ops.ctc_loss([[1]], torch.zeros(1, 2, 3), [1], [2])
    tensor([1.0986])
    """
    if target.dim() != 2 or output.dim() != 3 or target.shape[0] != output.shape[0]:
        raise ValueError(
            "`target` must be (batch, labels) and `output` (batch, steps, classes), of one batch size. "
            f"Received: target.shape={tuple(target.shape)}, output.shape={tuple(output.shape)}"
        )
    check_labels(target, output.shape[-1], "target", allow_negative=True)
    log_probability = torch.log_softmax(output, -1, dtype=_wide(output.dtype)).transpose(0, 1)
    lengths = output_length.to(torch.int64), target_length.to(torch.int64)
    return F.ctc_loss(log_probability, target.to(torch.int64), *lengths, blank=mask_index, reduction="none")


def _ctc_decode_spec(
    inputs: Any, sequence_lengths: Any, strategy: str = "greedy", beam_width: int = 100, top_paths: int = 1, *_: Any, **__: Any
) -> tuple[KerasTensor, KerasTensor]:
    batch, steps, _classes = inputs.shape
    paths = 1 if strategy == "greedy" else top_paths
    return KerasTensor((paths, batch, steps), "int32"), KerasTensor((batch, paths), _wide(inputs.dtype))


@op(promote="float", args=("inputs",), spec=_ctc_decode_spec, filed=Filed("CTCDecode"))
def ctc_decode(
    inputs: TensorLike,
    sequence_lengths: TensorLike,
    strategy: str = "greedy",
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    mask_index: int = 0,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The likeliest label sequences of CTC outputs.

    Args:
        inputs: `(batch, steps, classes)`, logits.
        sequence_lengths: `(batch,)`, how many steps count.
        strategy: `"greedy"`, the best class of each step, or `"beam_search"`, over whole sequences.
        beam_width: How many prefixes the search keeps.
        top_paths: How many sequences it returns.
        merge_repeated: Whether a class in neighbouring steps is one label.
        mask_index: The class that is the blank.

    Returns:
        The labels, int32 `(paths, batch, steps)`, filled with -1; and the scores `(batch, paths)`: the log probabilities, but for
        `"greedy"` minus the sum of the chosen logits.

    Raises:
        ValueError: If there is an unknown strategy, or inputs that do not have three axes.

    >>> keras.ops.ctc_decode(torch.tensor([[[0.1, 0.9], [0.9, 0.1]]]), [2], mask_index=0)[0]
    tensor([[[ 1, -1]]], dtype=torch.int32)
    """
    if inputs.dim() != 3:
        raise ValueError(f"`inputs` must be (batch, steps, classes). Received: inputs.shape={tuple(inputs.shape)}")
    inputs = inputs.to(_wide(inputs.dtype))
    if strategy == "greedy":
        return _greedy(inputs, sequence_lengths, merge_repeated, mask_index)
    if strategy == "beam_search":
        return _beam_search(inputs, sequence_lengths, beam_width, top_paths, merge_repeated, mask_index)
    raise ValueError(f"`strategy` must be 'greedy' or 'beam_search'. Received: strategy={strategy!r}")


def _greedy(inputs: torch.Tensor, lengths: torch.Tensor, merge: bool, blank: int) -> tuple[torch.Tensor, torch.Tensor]:
    steps = inputs.shape[1]
    best, labels = inputs.max(-1)
    within = torch.arange(steps, device=inputs.device) < lengths.unsqueeze(1)
    score = -torch.where(within, best, 0).sum(1, keepdim=True)
    kept = within & (labels != blank)
    if merge:
        kept = kept & F.pad(labels[:, 1:] != labels[:, :-1], (1, 0), value=True)
    order = torch.sort((~kept).to(torch.int8), dim=1, stable=True).indices  # those that are kept first, in their order
    labels = torch.where(kept, labels, -1).gather(1, order)
    return labels.to(torch.int32).unsqueeze(0), score


_HASH = 6364136223846793005  # Knuth's multiplier: prefixes are told apart by a 64-bit hash


def _beam_search(
    inputs: torch.Tensor, lengths: torch.Tensor, width: int, paths: int, merge: bool, blank: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The prefix search on all samples and beams at once.

    A beam is a prefix with two log probabilities: of ending in a blank and of not. In a step it stays or is longer by one label; a
    longer one that is in the beam already is added to that one.
    """
    log_probability = torch.log_softmax(inputs, -1)
    batch, steps, classes = inputs.shape
    device = inputs.device
    never = float("-inf")
    ends_blank = torch.full((batch, width), never, dtype=inputs.dtype, device=device)
    ends_blank[:, 0] = 0
    ends_label = torch.full_like(ends_blank, never)
    prefix = torch.full((batch, width, steps), -1, dtype=torch.int64, device=device)
    size = torch.zeros(batch, width, dtype=torch.int64, device=device)
    last = torch.full((batch, width), -1, dtype=torch.int64, device=device)
    mark = torch.arange(width, device=device).expand(batch, width) * -_HASH  # unused beams differ from each other
    parent = torch.full_like(mark, 1)
    symbols = torch.arange(classes, device=device)
    for t in range(steps):
        now = log_probability[:, t]
        total = torch.logaddexp(ends_blank, ends_label)
        # A repeated label makes a prefix longer only after a blank, unless repeats are not merged.
        before = torch.where((symbols == last.unsqueeze(-1)) & merge, ends_blank.unsqueeze(-1), total.unsqueeze(-1))
        longer = before + now.unsqueeze(1)
        longer[:, :, blank] = never
        stay_blank = total + now[:, None, blank]
        own = now.gather(1, last.clamp(min=0))
        stay_label = torch.where(last >= 0, ends_label + own, never) if merge else torch.full_like(total, never)
        # child[b, p, q]: beam q is beam p and one label more
        child = (mark.unsqueeze(2) == parent.unsqueeze(1)) & (size.unsqueeze(2) + 1 == size.unsqueeze(1))
        gain = longer.gather(2, last.clamp(min=0).unsqueeze(1).expand(-1, width, -1))
        stay_label = torch.logaddexp(stay_label, torch.where(child, gain, never).logsumexp(1))
        taken = torch.zeros_like(longer, dtype=torch.int8).scatter_add(
            2, last.clamp(min=0).unsqueeze(1).expand(-1, width, -1), child.to(torch.int8)
        )
        longer = longer.masked_fill(taken > 0, never)

        scores = torch.cat([torch.logaddexp(stay_blank, stay_label), longer.flatten(1)], 1)
        top, chosen = scores.topk(width, dim=1)
        extends = chosen >= width
        source = torch.where(extends, (chosen - width) // classes, chosen)
        symbol = (chosen - width) % classes
        new_mark = torch.where(extends, mark.gather(1, source) * _HASH + symbol + 1, mark.gather(1, source))
        new_size = size.gather(1, source)
        new_prefix = prefix.gather(1, source.unsqueeze(-1).expand(-1, -1, steps))
        here = extends.unsqueeze(-1) & (torch.arange(steps, device=device) == new_size.unsqueeze(-1))
        new_state = (
            torch.where(extends, never, stay_blank.gather(1, source)),
            torch.where(extends, top, stay_label.gather(1, source)),
            torch.where(here, symbol.unsqueeze(-1), new_prefix),
            new_size + extends,
            torch.where(extends, symbol, last.gather(1, source)),
            new_mark,
            torch.where(extends, mark.gather(1, source), parent.gather(1, source)),
        )
        running = (t < lengths).unsqueeze(1)
        state = (ends_blank, ends_label, prefix, size, last, mark, parent)
        ends_blank, ends_label, prefix, size, last, mark, parent = (
            torch.where(running.unsqueeze(-1) if new.dim() == 3 else running, new, old) for new, old in zip(new_state, state)
        )
    total = torch.logaddexp(ends_blank, ends_label)
    scores, order = total.topk(min(paths, width), dim=1)
    labels = prefix.gather(1, order.unsqueeze(-1).expand(-1, -1, steps))
    labels = torch.where(scores.unsqueeze(-1) == never, -1, labels)
    if paths > width:
        scores = F.pad(scores, (0, paths - width), value=never)
        labels = F.pad(labels, (0, 0, 0, paths - width), value=-1)
    return labels.transpose(0, 1).to(torch.int32), scores
