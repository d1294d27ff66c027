"""The stages of a `Dataset`: each gives the elements of one pass, made from those of the stages before it."""

from __future__ import annotations

import contextlib
import itertools
import queue
import random
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import tree
from ..dtypes import to_torch_dtype
from .strings import Strings, as_strings, holds_strings
from .structure import map_leaves

INFINITE, UNKNOWN = -1, -2
AUTOTUNE = -1

Element = Any
Items = Callable[[], Iterator[Any]]


@dataclass(frozen=True)
class Pass:
    """Which pass over the data this is: the number of the pass, then those of the repetitions within it."""

    numbers: tuple[int, ...]

    def inner(self, number: int) -> Pass:
        """One repetition within this pass."""
        return Pass((*self.numbers, number))

    def draws(self, seed: int, again: bool) -> random.Random:
        """Random numbers of this pass, or the same ones for all passes."""
        return random.Random(repr((seed, self.numbers if again else ())))


def tensor(value: Any) -> Any:
    """One leaf of an element: a tensor, or text as `str` or `Strings`."""
    if value is None or isinstance(value, (torch.Tensor, str, Strings)):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    array = np.asarray(value)
    if holds_strings(array):
        texts = np.asarray(
            [s.decode("utf-8", "replace") if isinstance(s, bytes) else str(s) for s in array.reshape(-1).tolist()], dtype=object
        )
        return as_strings(texts.reshape(array.shape)) if array.ndim else str(texts.reshape(-1)[0])
    if array.dtype == object:
        raise ValueError(f"Elements must be rectangular arrays of numbers or texts. Received: {value!r}")
    return torch.from_numpy(np.array(array))


def element(value: Any) -> Element:
    """What a function or generator gave as an element: tuples and dicts are structure, lists are arrays."""
    if isinstance(value, tuple):
        made = [element(v) for v in value]
        return type(value)(*made) if hasattr(value, "_fields") else tuple(made)
    if isinstance(value, dict):
        return {k: element(v) for k, v in value.items()}
    return value if is_dataset(value) else tensor(value)


def columns(nest: Any) -> Any:
    """The arrays of a nest: lists are arrays, tuples and dicts are structure."""
    if isinstance(nest, tuple):
        made = [columns(v) for v in nest]
        return type(nest)(*made) if hasattr(nest, "_fields") else tuple(made)
    if isinstance(nest, dict):
        return {k: columns(v) for k, v in nest.items()}
    if hasattr(nest, "columns") and hasattr(nest, "to_dict"):  # a pandas frame
        return nest.to_numpy()
    if isinstance(nest, list) and nest and isinstance(nest[0], torch.Tensor):
        return torch.stack(nest)
    return nest


def is_dataset(value: Any) -> bool:
    """Whether a value is a `Dataset`, such as a window of another one."""
    return hasattr(value, "_tk_stage")


def call(function: Callable[..., Any], value: Element) -> Any:
    """`function` of an element; the entries of a tuple are its arguments."""
    return function(*value) if type(value) is tuple else function(value)


def stacked(elements: Sequence[Element]) -> Element:
    """Elements as one, along a new first axis."""

    def joined(*leaves: Any) -> Any:
        first = leaves[0]
        if isinstance(first, torch.Tensor):
            try:
                return torch.stack(leaves)
            except RuntimeError as error:
                shapes = sorted({tuple(x.shape) for x in leaves})
                raise ValueError(
                    f"Elements of a batch must be of one shape. Received: {shapes}. Use `padded_batch` to fill them up."
                ) from error
        if first is None:
            return None
        return as_strings(np.array(leaves, dtype=object) if isinstance(first, str) else np.stack(leaves))

    return tree.map_structure(joined, *elements)


class Stage:
    """A step of a pipeline. `table` is set where elements are rows of arrays, however ordered: then `indices` gives their numbers."""

    table: Any = None
    before: tuple[Stage, ...] = ()
    seed: int | None = None  # of a stage that draws

    def cardinality(self) -> int:
        """The number of elements, `INFINITE` or `UNKNOWN`."""
        return UNKNOWN

    def elements(self, run: Pass) -> Iterator[Element]:
        """The elements of a pass."""
        return self.elements_from(run, 0)

    def elements_from(self, run: Pass, skip: int) -> Iterator[Element]:
        """The elements of a pass but the first ones."""
        return itertools.islice(self.elements(run), skip, None)

    def indices(self, run: Pass) -> Iterator[int]:
        """The numbers of the rows, where there is a table."""
        raise NotImplementedError


class Rows(Stage):
    """The rows of arrays.

    Args:
        table: A nest of tensors and `Strings` of one length.
        count: That length.
    """

    def __init__(self, table: Any, count: int) -> None:
        self.table, self._count = table, count

    def cardinality(self) -> int:
        return self._count

    def indices(self, run: Pass) -> Iterator[int]:
        return iter(range(self._count))

    def elements_from(self, run: Pass, skip: int) -> Iterator[Element]:
        return (row(self.table, i) for i in range(skip, self._count))


def row(table: Any, index: int) -> Element:
    """One row of arrays."""
    return map_leaves(lambda leaf: leaf[index], table)


class Made(Stage):
    """Elements that a function makes anew for each pass.

    Args:
        make: Called for each pass; gives an iterable.
        count: The number of elements, where it is known.
    """

    def __init__(self, make: Callable[[], Iterable[Any]], count: int = UNKNOWN) -> None:
        self._make, self._count = make, count

    def cardinality(self) -> int:
        return self._count

    def elements(self, run: Pass) -> Iterator[Element]:
        return (element(value) for value in self._make())


class Selection(Stage):
    """Elements of a stage in another order, or some of them, chosen without looking at them.

    Args:
        source: The stage before.
        choose: Gets what iterates over items anew, and the pass; gives the items.
        count: The cardinality from that of the source.
        seed: What draws of the stage start from.
    """

    def __init__(
        self, source: Stage, choose: Callable[[Items, Pass, Any], Iterator[Any]], count: Callable[[int], int], seed: int | None = None
    ) -> None:
        self.before, self.table, self.seed = (source,), source.table, seed
        self._choose, self._counted = choose, count

    def cardinality(self) -> int:
        return self._counted(self.before[0].cardinality())

    def elements(self, run: Pass) -> Iterator[Element]:
        source = self.before[0]
        if self.table is not None:
            return (row(self.table, i) for i in self.indices(run))
        return self._choose(source.elements, run, self.seed)  # type: ignore[arg-type]

    def indices(self, run: Pass) -> Iterator[int]:
        return self._choose(self.before[0].indices, run, self.seed)  # type: ignore[arg-type]


def shuffled(size: int, again: bool) -> Callable[[Any, Pass, Any], Iterator[Any]]:
    """Items in random order: each is drawn from a buffer of the next ones."""

    def choose(items: Any, run: Pass, seed: int) -> Iterator[Any]:
        draws = run.draws(seed, again)
        buffer: list[Any] = []
        for item in items(run):
            if len(buffer) < size:
                buffer.append(item)
                continue
            place = draws.randrange(size)
            yield buffer[place]
            buffer[place] = item
        draws.shuffle(buffer)
        yield from buffer

    return choose


def repeated(count: int) -> Callable[[Any, Pass, Any], Iterator[Any]]:
    """Items several times, each time a repetition of its own; without end for a negative number."""

    def choose(items: Any, run: Pass, seed: Any) -> Iterator[Any]:
        for number in itertools.count() if count < 0 else range(count):
            empty = True
            for item in items(run.inner(number)):
                empty = False
                yield item
            if empty:
                return

    return choose


class Mapped(Stage):
    """A function of each element.

    Args:
        source: The stage before.
        function: Gets an element, the entries of a tuple as arguments.
        workers: The number of threads.
    """

    def __init__(self, source: Stage, function: Callable[..., Any], workers: int = 1) -> None:
        self.before, self._function, self._workers = (source,), function, workers

    def cardinality(self) -> int:
        return self.before[0].cardinality()

    def _one(self, value: Element) -> Element:
        return element(call(self._function, value))

    def elements_from(self, run: Pass, skip: int) -> Iterator[Element]:
        source = self.before[0].elements_from(run, skip)
        if self._workers <= 1:
            for value in source:
                yield self._one(value)
            return
        with contextlib.closing(_Ahead(source, self._one, self._workers)) as results:
            yield from results


class _Ahead:
    """Results of a function, in order, computed by threads some elements ahead of what is asked for."""

    def __init__(self, values: Iterator[Any], function: Callable[[Any], Any], workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers, "torchkeras-map")
        self._values, self._function = values, function
        self._waiting: deque[Future] = deque()
        self._fill(2 * workers)

    def _fill(self, count: int) -> None:
        for value in itertools.islice(self._values, count):
            self._waiting.append(self._pool.submit(self._function, value))

    def __iter__(self) -> Iterator[Any]:
        while self._waiting:
            done = self._waiting.popleft()
            self._fill(1)
            yield done.result()

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


class Batched(Stage):
    """Runs of elements as one element.

    Args:
        source: The stage before.
        size: The number of elements in a batch.
        drop: Whether a last batch with fewer is left out.
        join: What makes one element of a list.
    """

    def __init__(self, source: Stage, size: int, drop: bool, join: Callable[[Sequence[Element]], Element] = stacked) -> None:
        self.before, self.size, self.drop, self._join = (source,), size, drop, join

    def cardinality(self) -> int:
        count = self.before[0].cardinality()
        return count if count < 0 else count // self.size if self.drop else -(-count // self.size)

    def elements_from(self, run: Pass, skip: int) -> Iterator[Element]:
        source = self.before[0]
        rows = source.table is not None and self._join is stacked
        items = itertools.islice(source.indices(run), skip * self.size, None) if rows else source.elements_from(run, skip * self.size)
        while taken := list(itertools.islice(items, self.size)):
            if len(taken) == self.size or not self.drop:
                yield _gathered(source.table, taken) if rows else self._join(taken)


def _gathered(table: Any, indices: list[int]) -> Element:
    """Rows of arrays: a view where they follow one another."""
    first, count = indices[0], len(indices)
    if indices[-1] - first == count - 1 and indices == list(range(first, first + count)):
        return map_leaves(lambda leaf: leaf[first : first + count], table)
    places = torch.tensor(indices)
    return map_leaves(lambda leaf: leaf.index_select(0, places), table)


class Chained(Stage):
    """Elements that a function makes of the iterator over those of one stage or several.

    Args:
        sources: The stages before.
        chain: Gets the iterators and the pass.
        count: The cardinality from those of the sources.
        seed: What draws of the stage start from.
    """

    def __init__(
        self,
        sources: Sequence[Stage],
        chain: Callable[..., Iterator[Element]],
        count: Callable[[list[int]], int] = lambda counts: UNKNOWN,
        seed: int | None = None,
    ) -> None:
        self.before, self._chain, self._counted, self.seed = tuple(sources), chain, count, seed

    def cardinality(self) -> int:
        return self._counted([stage.cardinality() for stage in self.before])

    def elements(self, run: Pass) -> Iterator[Element]:
        return self._chain([stage.elements(run) for stage in self.before], run, self.seed)


class Prefetched(Stage):
    """Elements that a thread reads ahead.

    Args:
        source: The stage before.
        size: How many elements may wait.
    """

    def __init__(self, source: Stage, size: int) -> None:
        self.before, self._size = (source,), size

    def cardinality(self) -> int:
        return self.before[0].cardinality()

    def elements_from(self, run: Pass, skip: int) -> Iterator[Element]:
        waiting: queue.Queue[tuple[str, Any]] = queue.Queue(self._size)
        stopped = threading.Event()

        def put(kind: str, value: Any) -> bool:
            while not stopped.is_set():
                with contextlib.suppress(queue.Full):
                    waiting.put((kind, value), timeout=0.1)
                    return True
            return False

        def read() -> None:
            try:
                for value in self.before[0].elements_from(run, skip):
                    if not put("element", value):
                        return
                put("end", None)
            except BaseException as error:  # noqa: BLE001 -- raised where the element is asked for
                put("error", error)

        reader = threading.Thread(target=read, name="torchkeras-prefetch", daemon=True)
        reader.start()
        try:
            while True:
                kind, value = waiting.get()
                if kind == "element":
                    yield value
                elif kind == "end":
                    return
                else:
                    raise value
        finally:
            stopped.set()
            reader.join()


class Cached(Stage):
    """Elements that are kept after the first whole pass, in memory or in a file.

    Args:
        source: The stage before.
        path: The file; memory without it.
    """

    def __init__(self, source: Stage, path: Path | None) -> None:
        self.before, self._path = (source,), path
        self._kept: list[Element] | None = None

    def cardinality(self) -> int:
        return self.before[0].cardinality()

    def elements_from(self, run: Pass, skip: int) -> Iterator[Element]:
        if self._kept is None and self._path is not None and self._path.exists():
            self._kept = read_elements(self._path)
        if self._kept is not None:
            yield from self._kept[skip:]
            return
        kept: list[Element] = []
        for number, value in enumerate(self.before[0].elements(run)):
            kept.append(value)
            if number >= skip:
                yield value
        if self._path is not None:
            write_elements(self._path, kept)
        self._kept = kept


def write_elements(path: Path, elements: list[Element]) -> None:
    """Write elements to a file, which is there whole or not at all."""
    plain = [map_leaves(lambda x: {"strings": x.tolist()} if isinstance(x, Strings) else x, value) for value in elements]
    temporary = path.with_name(path.name + ".partial")
    torch.save(plain, temporary)
    temporary.replace(path)


def read_elements(path: Path) -> list[Element]:
    """The elements of a file that `write_elements` wrote; nothing else that a file may hold is run."""

    def restored(value: Any) -> Any:
        if isinstance(value, dict):
            if set(value) == {"strings"}:
                return as_strings(np.array(value["strings"], dtype=object))
            return {k: restored(v) for k, v in value.items()}
        return tuple(restored(v) for v in value) if isinstance(value, tuple) else value

    return [restored(value) for value in torch.load(path, weights_only=True)]


def elements_of(value: Any, run: Pass) -> Iterator[Element]:
    """The elements of what a function gave for an element: a `Dataset`, or arrays, whose rows they are."""
    if is_dataset(value):
        return value._tk_stage.elements(run)
    leaf = next(x for x in tree.flatten(value) if x is not None)
    return (row(value, i) for i in range(len(leaf)))


def interleaved(function: Callable[..., Any], cycle: int, block: int) -> Callable[..., Iterator[Element]]:
    """Elements of several data sets in turn, a block of each."""

    def chain(sources: list[Iterator[Element]], run: Pass, seed: Any) -> Iterator[Element]:
        numbers = itertools.count()
        opened = (elements_of(element(call(function, value)), run.inner(next(numbers))) for value in sources[0])
        running = deque(itertools.islice(opened, cycle))
        while running:
            current = running.popleft()
            taken = list(itertools.islice(current, block))
            yield from taken
            if len(taken) == block:
                running.append(current)
            else:
                running.extend(itertools.islice(opened, 1))

    return chain


def padded(shapes: Any, values: Any) -> Callable[[Sequence[Element]], Element]:
    """What makes one element of a list whose tensors differ in size: each axis is filled up to the longest, or to a given size."""

    def fill_of(leaf: Any, given: Any) -> Any:
        return given if given is not None else "" if isinstance(leaf, (str, Strings)) else 0

    def join(elements: Sequence[Element]) -> Element:
        first = elements[0]
        leaves = [tree.flatten(value) for value in elements]
        count = len(leaves[0])
        wanted = _each(shapes, first, count)
        filling = (
            list(values) if isinstance(values, (tuple, list)) else list(values.values()) if isinstance(values, dict) else [values] * count
        )
        made = [_filled([row[i] for row in leaves], wanted[i], fill_of(leaves[0][i], filling[i])) for i in range(count)]
        return tree.pack_sequence_as(first, made)

    return join


def _each(shapes: Any, nest: Element, count: int) -> list[Any]:
    """The wanted shape of each leaf."""
    if shapes is None:
        return [None] * count
    if not isinstance(nest, (tuple, dict)):
        return [shapes]
    return [shapes[key] for key in (sorted(nest) if isinstance(nest, dict) else range(len(nest)))]


def _filled(leaves: list[Any], shape: Sequence[int | None] | None, value: Any) -> Any:
    if isinstance(leaves[0], str):
        return as_strings(np.array(leaves, dtype=object))
    dims = leaves[0].ndim
    sizes = [max(leaf.shape[axis] for leaf in leaves) for axis in range(dims)]
    if shape is not None:
        sizes = [longest if s in (None, -1) else int(s) for s, longest in zip(shape, sizes)]
    if any(leaf.shape[axis] > sizes[axis] for leaf in leaves for axis in range(dims)):
        raise ValueError(
            f"`padded_shapes` must hold every element. Received: {shape} for elements up to {[tuple(x.shape) for x in leaves]}"
        )
    if isinstance(leaves[0], Strings):
        made: Any = np.full((len(leaves), *sizes), value, dtype=object)
    else:
        made = torch.full((len(leaves), *sizes), value, dtype=leaves[0].dtype)
    for place, leaf in enumerate(leaves):
        corner = (place, *(slice(s) for s in leaf.shape))
        made[corner] = leaf
    return as_strings(made) if isinstance(made, np.ndarray) else made


def typed(value: Element, types: Any) -> Element:
    """An element with the types that `from_generator` was told, by names, dtypes or specifications."""

    def one(leaf: Any, wanted: Any) -> Any:
        name = getattr(wanted, "dtype", wanted)
        if wanted is None or isinstance(leaf, (str, Strings)) or "string" in str(name):
            return leaf
        name = getattr(name, "name", name)
        return leaf.to(
            name if isinstance(name, torch.dtype) else to_torch_dtype(str(name) if not isinstance(name, type) else np.dtype(name).name)
        )

    if isinstance(types, (list, tuple)) and isinstance(value, tuple):
        return tuple(typed(v, t) for v, t in zip(value, types))
    if isinstance(types, dict):
        return {k: typed(v, types.get(k)) for k, v in value.items()}
    return one(value, types)


def sampled(shares: Sequence[float], stop: bool, again: bool) -> Callable[..., Iterator[Element]]:
    """Elements of several stages, drawn with chances in proportion to `shares`."""

    def chain(readers: list[Iterator[Element]], run: Pass, seed: int) -> Iterator[Element]:
        draws, left = run.draws(seed, again), dict(enumerate(readers))
        while left:
            number = draws.choices(list(left), [shares[i] for i in left])[0]
            value = next(left[number], _END)
            if value is not _END:
                yield value
            elif stop:
                return
            else:
                del left[number]

    return chain


def chosen(readers: list[Iterator[Element]], numbers: Iterable[int], stop: bool) -> Iterator[Element]:
    """Elements of several stages, in the order of their numbers."""
    for number in numbers:
        value = next(readers[number], _END)
        if value is not _END:
            yield value
        elif stop:
            return


_END = object()


def surviving(function: Callable[..., Any], tell: bool) -> Callable[..., Iterator[Element]]:
    """What a function makes of the elements for which it does not raise."""

    def chain(readers: list[Iterator[Element]], run: Pass, seed: Any) -> Iterator[Element]:
        for value in readers[0]:
            try:
                made = element(call(function, value))
            except Exception as error:  # noqa: BLE001 -- what this stage is for
                if tell:
                    print(f"An element was left out: {error}", file=sys.stderr)
            else:
                yield made

    return chain


def unseen(values: Iterator[Element]) -> Iterator[Element]:
    """Elements without those that came before."""
    seen = set()
    for value in values:
        key = value if isinstance(value, str) else repr(value.tolist())
        if key not in seen:
            seen.add(key)
            yield value


def windows(values: Iterator[Element], size: int, step: int, span: int, stride: int, drop: bool) -> Iterator[list[Element]]:
    """Lists of neighbouring elements, each `step` after the one before."""
    buffer = list(itertools.islice(values, span))
    while buffer:
        taken = buffer[:span:stride]
        if len(taken) == size or not drop:
            yield taken
        for _ in itertools.islice(values, max(step - len(buffer), 0)):
            pass  # between windows
        buffer = buffer[step:]
        buffer += itertools.islice(values, span - len(buffer))


def bucket_joiner(ends: list[int], shapes: Any, fill: Any, to_boundary: bool, no_padding: bool) -> Callable[[int, list[Element]], Element]:
    """What makes one element of those of a bucket."""

    def join(bucket: int, values: list[Element]) -> Element:
        if no_padding:
            return stacked(values)
        if to_boundary and bucket < len(ends):
            given = map_leaves(lambda x: (ends[bucket] - 1, *x.shape[1:]) if getattr(x, "ndim", 0) else (), values[0])
            return padded(given, fill)(values)
        return padded(shapes, fill)(values)

    return join


def buckets(
    values: Iterator[Element],
    length: Callable[..., Any],
    ends: list[int],
    sizes: list[int],
    join: Callable[[int, list[Element]], Element],
    drop: bool,
) -> Iterator[Element]:
    """Batches of elements whose lengths lie between the same two ends."""
    waiting: dict[int, list[Element]] = {}
    for value in values:
        size = int(call(length, value))
        bucket = sum(size >= end for end in ends)
        waiting.setdefault(bucket, []).append(value)
        if len(waiting[bucket]) == sizes[bucket]:
            yield join(bucket, waiting.pop(bucket))
    if not drop:
        for bucket in sorted(waiting):
            yield join(bucket, waiting[bucket])


_END = object()
