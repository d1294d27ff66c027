"""The `.safetensors` file: a model's `state_dict`, under torch's names and in torch's layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from .. import dtypes
from .target import replacing


def save(model: Any, target: Path, skipped: Sequence[Any] = ()) -> None:
    """Write the `state_dict`; tensors that share memory are written once, under the first of their names."""
    library = _library()
    with replacing(target) as part:
        library.torch.save_file(_tensors(model, _keys(model, skipped)), part)


def _keys(model: Any, objects: Sequence[Any]) -> set[str]:
    """The names that the tensors of some layers have in the model's `state_dict`."""
    places = [f"{name}." for name, module in model.named_modules(remove_duplicate=False) if any(module is o for o in objects)]
    return {key for key in model.state_dict() if key.startswith(tuple(places))} if places else set()


def _tensors(model: Any, left_out: set[str]) -> dict[str, torch.Tensor]:
    written: dict[tuple, str] = {}
    tensors = {}
    for name, tensor in model.state_dict().items():
        if name in left_out:
            continue
        tensor = dtypes.whole(tensor)
        place = (tensor.device, tensor.untyped_storage().data_ptr(), tensor.storage_offset(), tensor.shape, tensor.stride(), tensor.dtype)
        if tensor.numel() and place in written:
            continue
        written[place] = name
        tensors[name] = tensor.contiguous()
    return tensors


def load(model: Any, path: Path, skip_mismatch: bool, skipped: Sequence[Any] = ()) -> None:
    """Take the `state_dict`.

    Args:
        model: A built model of the same architecture.
        path: The file.
        skip_mismatch: Whether tensors that do not fit are left out.
        skipped: Layers that are left as they are.

    Raises:
        ValueError: If the file is damaged or written by another architecture.
    """
    library = _library()
    try:
        state = library.torch.load_file(path)
    except (library.SafetensorError, OSError) as error:
        raise ValueError(f"{path.name} is not a readable .safetensors file: it is damaged, truncated, or of another format.") from error
    left_out = _keys(model, skipped)
    own = {k: v for k, v in model.state_dict().items() if k not in left_out}
    state = {k: v for k, v in state.items() if k not in left_out}
    stored_at: dict[tuple, str] = {}
    for name, tensor in own.items():  # the further names of tied tensors, which the file does not repeat
        first = stored_at.setdefault((tensor.data_ptr(), tensor.shape, tensor.stride()), name) if tensor.numel() else name
        if name not in state and first in state:
            state[name] = state[first]
    for name in (*own, *state):
        have = tuple(own[name].shape) if name in own else "nothing"
        found = tuple(state[name].shape) if name in state else "nothing"
        if have != found and not skip_mismatch:
            raise ValueError(
                f"Cannot load weights from {path.name}: for {name!r} the model has {have} and the file {found}. "
                "It was written by another architecture."
            )
    fitting = {k: dtypes.like(v, own[k]) for k, v in state.items() if k in own and v.shape == own[k].shape}
    model.load_state_dict(fitting, strict=not (skip_mismatch or left_out))


def _library() -> Any:
    try:
        import safetensors.torch
    except ImportError:
        raise ImportError("`.safetensors` files need the package safetensors: pip install safetensors") from None
    return safetensors
