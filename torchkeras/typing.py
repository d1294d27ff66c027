"""The types that arguments of many signatures share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from torch.utils.data import Dataset


class SupportsArray(Protocol):
    """What NumPy can make an array of: arrays, tensors, weights, columns of a data frame."""

    def __array__(self, dtype: Any = None) -> np.ndarray[Any, Any]: ...


DTypeLike: TypeAlias = str | torch.dtype | np.dtype[Any] | type | None
"""A type of elements: a Keras name, a torch or NumPy dtype, a Python type; `None` for `floatx()`."""

Identifier: TypeAlias = str | Callable[..., Any] | Mapping[str, Any] | None
"""A member of a family (activations, regularizers, …): its name, its config, its class, or the object or function itself."""

InitializerLike: TypeAlias = Identifier | torch.Tensor | SupportsArray
"""What fills a weight: an initializer by name, config, class, object or function, or the values themselves."""

ArrayLike: TypeAlias = torch.Tensor | SupportsArray | bool | int | float | complex | list[Any] | tuple[Any, ...]
"""What becomes a tensor: tensors, arrays, weights, numbers, and nests of them."""

Nest: TypeAlias = torch.Tensor | Sequence[Any] | Mapping[str, Any]
"""A tensor (symbolic ones too), or tensors in lists, tuples and dicts."""

Data: TypeAlias = ArrayLike | Iterable[Any] | Mapping[str, Any] | Dataset[Any]
"""What a model runs on: arrays in any nest, a torch `DataLoader` or `Dataset`, a generator, a `PyDataset`."""

RateLike: TypeAlias = float | torch.Tensor | SupportsArray | Callable[..., Any] | Mapping[str, Any]
"""A learning rate: a number, a schedule, the config of one, or a function without arguments."""

Shape: TypeAlias = Sequence[int | None]
"""A shape, in which `None` is any size."""
