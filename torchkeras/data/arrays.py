"""In-memory data: arrays become torch tensors once, and every batch is one slice or one gather per tensor."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from .. import config
from ..checks import as_number
from ..dtypes import to_torch_dtype
from .sharding import sample_order, shard_bounds
from .source import Source
from .strings import Strings, as_strings, holds_strings
from .structure import Builder, builder, map_leaves, named_leaves
from .validation import check_class_weight, class_weight_to_sample_weight, pack_x_y_sample_weight

_WINDOW_BYTES = 1 << 20  # batches are gathered this many bytes at a time: one call for many small batches, still in the cache
_WINDOW_BYTES_GPU = 16 << 20
_FREE_SHARE = 0.25  # arrays move to the GPU as a whole when they take at most this part of its free memory
_UNSIGNED = {np.dtype("uint16"): np.int32, np.dtype("uint32"): np.int64, np.dtype("uint64"): np.int64}


def to_tensor(value: Any, name: str = "x") -> Any:
    """One array as a tensor of the type that Keras trains on, without a copy where none is needed.

    Floats become `floatx()`, wide unsigned integers the next signed type; other integers and booleans stay. Inputs (`x`) may be strings,
    which stay a NumPy array until a layer makes numbers of them.

    Args:
        value: A torch tensor, NumPy array, pandas frame or series, list of numbers, or anything with `__array__`.
        name: What errors call the value.

    Raises:
        ValueError: Strings elsewhere than in `x`, objects, ragged lists, or no batch axis.
    """
    if isinstance(value, torch.Tensor):
        tensor = value.detach()
    else:
        array = _to_numpy(value, name)
        if isinstance(array, Strings):
            if array.ndim == 0:
                raise ValueError(f"`{name}` must have a batch axis. Received a scalar: {name}={value!r}")
            return array[:, None] if array.ndim == 1 and hasattr(value, "iloc") else array
        tensor = _from_numpy(array)
        if tensor.ndim == 1 and hasattr(value, "iloc"):  # as in Keras, a pandas series is a column
            tensor = tensor[:, None]
    if tensor.ndim == 0:
        raise ValueError(f"`{name}` must have a batch axis. Received a scalar: {name}={value!r}")
    if tensor.is_floating_point() and tensor.dtype != (floatx := to_torch_dtype(config.floatx())):
        tensor = tensor.to(floatx)
    return tensor


def _to_numpy(value: Any, name: str) -> np.ndarray:
    if hasattr(value, "toarray"):
        raise ValueError(f"`{name}` must be dense. Received a sparse {type(value).__name__}: pass `{name}.toarray()`.")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"`{name}` must be rectangular. Its rows have different lengths: pad them first (`pad_sequences`).") from error
    if holds_strings(array):
        if name.startswith("x"):  # a layer of the model makes numbers of them
            return as_strings(array)
        raise ValueError(
            f"`{name}` must hold numbers. Received strings (dtype {array.dtype}): encode them first, "
            "for example with `layers.StringLookup` or `layers.TextVectorization`."
        )
    if array.dtype.kind not in "biufc" and "float" not in array.dtype.name:
        raise ValueError(f"`{name}` must hold numbers. Received dtype {array.dtype}: convert it to a number type first.")
    return array


def _from_numpy(array: np.ndarray) -> torch.Tensor:
    if array.dtype in _UNSIGNED:
        array = array.astype(_UNSIGNED[array.dtype])
    elif array.dtype.kind not in "biufc":  # ml_dtypes.bfloat16 and its like
        array = array.astype(np.float32)
    elif not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    elif array.dtype == np.longdouble or any(stride < 0 for stride in array.strides):
        array = np.ascontiguousarray(array, dtype=np.float64 if array.dtype == np.longdouble else None)
    if array.flags.writeable:
        return torch.from_numpy(array)
    with warnings.catch_warnings():  # a read-only array (a memory map) is shared, not copied: nothing here writes to it
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable", category=UserWarning)
        return torch.from_numpy(array)


def is_array(value: Any) -> bool:
    """Whether `value` is one array (not a nest): it has a shape and a way to become a NumPy array."""
    return hasattr(value, "shape") and (hasattr(value, "__array__") or hasattr(value, "toarray"))


def is_array_nest(value: Any) -> bool:
    """Whether every leaf of `value` is an array or a number, so that it can be trained on from memory."""
    leaves = [leaf for _, leaf in named_leaves(value, "")]
    return bool(leaves) and all(is_array(leaf) or isinstance(leaf, (bool, int, float, complex, str, np.generic)) for leaf in leaves)


def join_lists(nest: Any) -> Any:
    """`nest` with each list or tuple that holds only Python numbers, at any depth, turned into one array."""
    if isinstance(nest, dict):
        return {key: join_lists(value) for key, value in nest.items()}
    if not isinstance(nest, (list, tuple)) or not nest:
        return nest
    if _holds_numbers(nest):
        return _ListOfNumbers(nest)
    joined = [join_lists(value) for value in nest]
    return type(nest)(*joined) if hasattr(nest, "_fields") else type(nest)(joined)


_PARTS = ("x", "y", "sample_weight")


class _ListOfNumbers:
    """A list of numbers, marked as one leaf until it is converted."""

    def __init__(self, values: list | tuple) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.values, dtype=dtype)


def _holds_numbers(nest: list | tuple) -> bool:
    first = nest[0]
    while isinstance(first, (list, tuple)) and first:
        first = first[0]
    return isinstance(first, (bool, int, float, complex, str, np.generic))


def to_tensors(nest: Any, name: str) -> Any:
    """`nest` of arrays as the same nest of tensors; errors name the leaf, as in `x['wide']`."""
    return _rebuild(join_lists(nest), name)


def _rebuild(nest: Any, name: str) -> Any:
    if nest is None or isinstance(nest, (list, tuple, dict)):
        leaves = tuple(to_tensor(leaf, path) for path, leaf in named_leaves(nest, name))
        build = builder(nest)
        return build(leaves) if build else leaves
    return to_tensor(nest, name)


def check_counts(**named: Any) -> int:
    """The number of samples that all arrays share.

    Args:
        **named: Nests of tensors by argument name; `None` is left out.

    Raises:
        ValueError: Different counts (each is named), or none at all.
    """
    counts = [(path, len(leaf)) for name, nest in named.items() for path, leaf in named_leaves(nest, name)]
    if not counts:
        raise ValueError("`x` must hold at least one array. Received none.")
    if len({count for _, count in counts}) > 1:
        listed = ", ".join(f"{path} has {count}" for path, count in counts)
        raise ValueError(
            f"`x`, `y` and `sample_weight` must hold the same number of samples, the length of their first axis. Received: {listed}."
        )
    if counts[0][1] == 0:
        raise ValueError(f"`{counts[0][0]}` must hold at least one sample. Received an empty array.")
    return counts[0][1]


class ArraySource(Source):
    """Arrays in memory, indexed in whole batches.

    Without shuffling a batch is a view of the arrays; with it, one `index_select` per array serves as many batches as fit in
    `_WINDOW_BYTES`. There is no per-sample work. On a GPU the arrays lie on the device when they take at most a quarter of
    its free memory; otherwise each window goes there through pinned memory.

    Args:
        x: A nest of arrays `(samples, ...)`.
        y: Targets, a nest of arrays `(samples, ...)`, or `None`.
        sample_weight: Weights, a nest of arrays `(samples,)`, or `None`.
        batch_size: Samples in a global batch; 32 when neither this nor `steps` is given.
        steps: Steps of an epoch, from which a missing `batch_size` is worked out.
        shuffle: `True` for a new order of the samples in every pass, `"batch"` for a new order of whole batches.
        class_weight: Weight by class index; becomes the sample weights.
        device: Where batches go.
        rank: This process.
        world_size: All processes; each takes its part of every batch.
        seed: The seed of the shuffling, the same on every rank.
        initial_epoch: The number of the first pass: the order depends on it and the seed.
    """

    batch_size: int
    num_batches: int

    def __init__(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        batch_size: int | None = None,
        steps: int | None = None,
        shuffle: bool | str = False,
        class_weight: Mapping[int, float] | None = None,
        device: torch.device,
        rank: int = 0,
        world_size: int = 1,
        seed: int = 0,
        initial_epoch: int = 0,
    ) -> None:
        x, y, sample_weight = to_tensors(x, "x"), to_tensors(y, "y"), to_tensors(sample_weight, "sample_weight")
        self.samples = check_counts(x=x, y=y, sample_weight=sample_weight)
        if class_weight:
            sample_weight = class_weight_to_sample_weight(class_weight, y, sample_weight)
        if not batch_size:
            batch_size = -(-self.samples // steps) if steps else 32
        self.batch_size = batch_size
        self.num_batches = -(-self.samples // batch_size)
        self.extent = self.samples, batch_size
        self.shuffle = shuffle
        self.device = device
        self.rank, self.world_size = rank, world_size
        nest = pack_x_y_sample_weight(x, y, sample_weight)
        self._build: Builder | None = builder(nest)
        self._leaves = self._place([leaf for _, leaf in named_leaves(nest, "")])
        self._seed, self._passes = seed, initial_epoch
        self._place_of_rows = next((leaf.device for leaf in self._leaves if not isinstance(leaf, Strings)), torch.device("cpu"))
        self._window = self._batches_per_window()

    def __iter__(self) -> Iterator[tuple[Any, int]]:
        build = self._build
        order = sample_order(self.samples, self.batch_size, self.shuffle, self._seed + self._passes, self._place_of_rows)
        self._passes += 1
        for leaves, size in self._windows(order):
            if build is None:
                for batch in zip(*leaves):
                    yield batch, size
            else:
                for batch in zip(*leaves):
                    yield build(batch), size

    def first(self) -> Any:
        start, stop = shard_bounds(min(self.batch_size, self.samples), self.rank, self.world_size)
        leaves = tuple(leaf[start:stop].to(self.device) for leaf in self._leaves)
        return leaves if self._build is None else self._build(leaves)

    def _place(self, leaves: list[torch.Tensor]) -> list[torch.Tensor]:
        """The leaves where they are indexed: on the device, when they fit well there; else where most of them are."""
        if self.device.type == "cpu" or all(isinstance(leaf, Strings) or leaf.device == self.device for leaf in leaves):
            return [leaf.to(self.device) for leaf in leaves]
        size = sum(leaf.numel() * leaf.element_size() for leaf in leaves if not isinstance(leaf, Strings) and leaf.device != self.device)
        if size <= _FREE_SHARE * _free_bytes(self.device):
            return [leaf.to(self.device) for leaf in leaves]
        return [leaf.cpu() for leaf in leaves]

    def _batches_per_window(self) -> int:
        rows = sum(leaf[:1].numel() * leaf.element_size() for leaf in self._leaves) * self.batch_size
        limit = _WINDOW_BYTES if self._place_of_rows.type == "cpu" else _WINDOW_BYTES_GPU
        return max(1, min(limit // max(rows, 1), 1024))

    def _windows(self, order: torch.Tensor | None) -> Iterator[tuple[list[tuple[torch.Tensor, ...]], int]]:
        """Runs of equal batches: for each leaf the tuple of its batches, and their global size."""
        full, rest = divmod(self.samples, self.batch_size)
        for first in range(0, full, self._window):
            count = min(self._window, full - first)
            yield self._gather(order, first * self.batch_size, self.batch_size, count), self.batch_size
        if rest:
            yield self._gather(order, full * self.batch_size, rest, 1), rest

    def _gather(self, order: torch.Tensor | None, start: int, size: int, count: int) -> list[tuple[torch.Tensor, ...]]:
        """`count` batches of `size` from row `start` on: this rank's part of each, on the device."""
        stop = start + size * count
        low, high = shard_bounds(size, self.rank, self.world_size)
        if order is None:
            parts = [leaf[start:stop].split(size) for leaf in self._leaves]
            if high - low < size:
                parts = [tuple(batch[low:high] for batch in batches) for batches in parts]
            if self._place_of_rows != self.device:
                parts = [tuple(_upload(batch, self.device) for batch in batches) for batches in parts]
            return parts
        rows = order[start:stop]
        if high - low < size:
            rows = rows.unflatten(0, (count, size))[:, low:high].flatten()
        if high == low:
            return [tuple(leaf[:0].to(self.device) for _ in range(count)) for leaf in self._leaves]
        return [self._take(leaf, rows).split(high - low) for leaf in self._leaves]

    def _take(self, leaf: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        if isinstance(leaf, Strings) or leaf.device == self.device:
            return leaf.index_select(0, rows)
        if self.device.type != "cuda":
            return leaf.index_select(0, rows).to(self.device)
        pinned = torch.empty((len(rows), *leaf.shape[1:]), dtype=leaf.dtype, pin_memory=True)
        return torch.index_select(leaf, 0, rows, out=pinned).to(self.device, non_blocking=True)


def _upload(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    if isinstance(tensor, Strings):
        return tensor
    if tensor.device.type == "cpu" and device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def _free_bytes(device: torch.device) -> float:
    """Free memory of `device`; without a way to ask, as on MPS, memory is shared with the host and counts as free."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    return float("inf")


def single_batch(
    x: Any, y: Any = None, sample_weight: Any = None, *, class_weight: Mapping[int, float] | None = None, device: torch.device
) -> tuple[Any, int]:
    """All of some arrays as one batch on the device, packed as `Batches` does, and its size: what `train_on_batch` needs.

    Args:
        x: A nest of arrays `(samples, ...)`.
        y: Targets, or `None`.
        sample_weight: Weights, or `None`.
        class_weight: Weight by class index; becomes the sample weights.
        device: Where the batch goes.
    """
    x, y, sample_weight = to_tensors(x, "x"), to_tensors(y, "y"), to_tensors(sample_weight, "sample_weight")
    size = check_counts(x=x, y=y, sample_weight=sample_weight)
    check_class_weight(class_weight)
    if class_weight:
        sample_weight = class_weight_to_sample_weight(class_weight, y, sample_weight)
    return map_leaves(lambda leaf: leaf.to(device), pack_x_y_sample_weight(x, y, sample_weight)), size


def train_validation_split(arrays: Any, validation_split: float) -> tuple[Any, Any]:
    """Cut the last part of every array off, before any shuffling.

    Args:
        arrays: `(x, y)`, `(x, y, sample_weight)` or `x`: nests of arrays of the same length; `None` stays.
        validation_split: The fraction to cut off, between 0 and 1.

    Returns:
        Two nests of tensors like `arrays`, views of it: the part to train on and the part to validate on.

    Raises:
        ValueError: A leaf that is not an array, a fraction outside (0, 1), unequal lengths, or too few samples for two parts.
    """
    if not 0 < (as_number(validation_split) or 0) < 1:
        raise ValueError(f"`validation_split` must be between 0 and 1. Received: validation_split={validation_split!r}")
    for _, leaf in named_leaves(arrays, ""):
        if not is_array_nest(leaf):
            kind = type(leaf).__name__
            raise ValueError(f"`validation_split` needs arrays or tensors. Received a {kind}: pass `validation_data` instead.")
    packed = type(arrays) is tuple
    tensors = tuple([to_tensors(a, name) for a, name in zip(arrays, _PARTS)]) if packed else to_tensors(arrays, "x")
    samples = check_counts(**dict(zip(_PARTS, tensors)) if type(tensors) is tuple else {"x": tensors})
    cut = int(samples * (1 - validation_split))
    if cut in (0, samples):
        raise ValueError(
            f"`validation_split={validation_split}` of {samples} samples leaves nothing to {'train' if cut == 0 else 'validate'} on. "
            "Pass more data or another fraction."
        )
    return map_leaves(lambda leaf: leaf[:cut], tensors), map_leaves(lambda leaf: leaf[cut:], tensors)


class BatchConverter:
    """Turns what a loader or generator yields into nests of tensors on one device.

    A list at the top becomes a tuple, lists of numbers become tensors, float64 becomes `floatx()`; other types stay.

    Args:
        device: Where the tensors go.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._floatx = to_torch_dtype(config.floatx())

    def __call__(self, data: Any) -> Any:
        if type(data) in (tuple, list) and data:
            names = _PARTS if len(data) <= 3 else ("data",) * len(data)
            return tuple([self._convert(value, name) for value, name in zip(data, names)])
        return self._convert(data, "x")

    def _convert(self, value: Any, name: str) -> Any:
        if isinstance(value, torch.Tensor):
            tensor = value
        elif value is None:
            return None
        elif isinstance(value, dict):
            return {key: self._convert(entry, name) for key, entry in value.items()}
        elif isinstance(value, (list, tuple)) and not (value and _holds_numbers(value)):
            entries = [self._convert(entry, name) for entry in value]
            return type(value)(*entries) if hasattr(value, "_fields") else type(value)(entries)
        else:
            array = _to_numpy(value, name)
            if isinstance(array, Strings):
                return array
            tensor = _from_numpy(array)
        if tensor.dtype == torch.float64:
            tensor = tensor.to(self._floatx)
        if tensor.device == self.device:
            return tensor
        return tensor.to(self.device, non_blocking=tensor.device.type == "cpu" and tensor.is_pinned())
