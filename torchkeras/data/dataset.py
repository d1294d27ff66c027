"""`Dataset`: a pipeline of elements in the style of `tf.data`, which is a torch `IterableDataset` as well."""

from __future__ import annotations

import glob
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from .. import tree
from ..random import draw_seed
from . import stages
from .reading import Options, Reading
from .stages import AUTOTUNE, INFINITE, UNKNOWN, Element, Pass, Stage

range_, zip_ = range, zip  # which methods of `Dataset` are called as well


class Dataset(Reading):
    """A sequence of elements: tensors, texts, or tuples and dicts of them, made by stages that each method adds.

    Elements come from arrays, files or generators, and are batched, mapped, shuffled and repeated as they are read. `fit`, `evaluate` and
    `predict` take a batched one; a torch `DataLoader` takes any and deals the elements to its workers. Random orders follow the global
    seed, or the `seed` of the stage, and differ from pass to pass. `state_dict()` tells the position of the pass that is being read.

    >>> numbers = Dataset.range(5).map(lambda x: x * x).batch(2)
    >>> [batch.tolist() for batch in numbers]
    [[0, 1], [4, 9], [16]]
    """

    AUTOTUNE: ClassVar[int] = AUTOTUNE

    # -- sources

    @staticmethod
    def from_tensor_slices(tensors: Any, name: str | None = None) -> Dataset:
        """The rows of arrays.

        Args:
            tensors: An array, a tensor or a list of numbers or texts, or a tuple or dict of such, all of one length.
            name: Kept for TensorFlow's signature; names have no effect.

        Raises:
            ValueError: If lengths differ, or an array has no rows.

        >>> [(x.tolist(), y) for x, y in Dataset.from_tensor_slices(([[1, 2], [3, 4]], ["a", "b"]))]
        [([1, 2], 'a'), ([3, 4], 'b')]
        """
        table = stages.element(stages.columns(tensors))
        leaves = tree.flatten(table)
        counts = {len(leaf) if getattr(leaf, "ndim", 0) else None for leaf in leaves}
        if None in counts or not leaves:
            raise ValueError(f"`tensors` must be arrays with rows. Received: {tensors!r}")
        if len(counts) > 1:
            raise ValueError(f"`tensors` must be of one length. Received lengths {sorted(counts)}")  # type: ignore[type-var]
        return Dataset(stages.Rows(table, counts.pop()))  # type: ignore[arg-type]

    @staticmethod
    def from_tensors(tensors: Any, name: str | None = None) -> Dataset:
        """One element.

        Args:
            tensors: The element.
            name: Kept for TensorFlow's signature; names have no effect.

        >>> [x.tolist() for x in Dataset.from_tensors([1, 2])]
        [[1, 2]]
        """
        return Dataset(stages.Made(lambda: (tensors,), 1))

    @staticmethod
    def from_generator(
        generator: Callable[..., Iterable[Any]],
        output_types: Any = None,
        output_shapes: Any = None,
        args: Sequence[Any] | None = None,
        output_signature: Any = None,
        name: str | None = None,
    ) -> Dataset:
        """What a generator yields.

        Args:
            generator: A function that gives an iterable, called for each pass.
            output_types: The types of the leaves of an element; those that the generator gives without it.
            output_shapes: Kept for TensorFlow's signature; shapes are those that the generator gives.
            args: Arguments of the function.
            output_signature: Specifications with a `dtype`, in place of `output_types`.
            name: Kept for TensorFlow's signature; names have no effect.

        Raises:
            TypeError: If `generator` is no function.

        >>> [float(x) for x in Dataset.from_generator(lambda: iter([1, 2]), output_types="float32")]
        [1.0, 2.0]
        """
        if not callable(generator):
            raise TypeError(f"`generator` must be a function that gives an iterable. Received: {generator!r}")
        types = output_types if output_signature is None else output_signature
        given = tuple(args or ())
        source = stages.Made(lambda: generator(*given))
        return Dataset(source if types is None else stages.Mapped(source, lambda *value: stages.typed(_again(value), types)))

    @staticmethod
    def range(*args: int, output_type: Any = None, name: str | None = None) -> Dataset:
        """Whole numbers.

        Args:
            *args: The end; the start and the end; or the start, the end and the step.
            output_type: The type of the numbers, `"int64"` without it.
            name: Kept for TensorFlow's signature; names have no effect.

        >>> [int(x) for x in Dataset.range(2, 8, 3)]
        [2, 5]
        """
        numbers = range_(*(int(a) for a in args))
        table = torch.tensor(list(numbers), dtype=torch.int64)
        return Dataset(stages.Rows(table if output_type is None else stages.typed(table, output_type), len(numbers)))

    @staticmethod
    def list_files(file_pattern: Any, shuffle: bool | None = None, seed: int | None = None, name: str | None = None) -> Dataset:
        """The paths of files.

        Args:
            file_pattern: A pattern such as `"images/*/*.png"`, or a list of patterns.
            shuffle: Whether the paths come in random order, which is the default.
            seed: A whole number that repeats the order; drawn from the global seed without it.
            name: Kept for TensorFlow's signature; names have no effect.

        Raises:
            ValueError: If no file matches.
        """
        patterns = [file_pattern] if isinstance(file_pattern, (str, Path)) else list(file_pattern)
        found = sorted({path for pattern in patterns for path in glob.glob(str(pattern))})
        if not found:
            raise ValueError(f"`file_pattern` must match a file. Received: file_pattern={file_pattern!r}")
        files = Dataset.from_tensor_slices(found)
        return files if shuffle is False else files.shuffle(len(found), seed=seed)

    @staticmethod
    def zip(*args: Any, datasets: Any = None, name: str | None = None) -> Dataset:
        """Elements of several data sets side by side, until the shortest ends.

        Args:
            *args: Data sets; or one tuple or dict of them.
            datasets: A tuple or dict of data sets, in place of `args`.
            name: Kept for TensorFlow's signature; names have no effect.

        >>> [(int(a), int(b)) for a, b in Dataset.zip(Dataset.range(2), Dataset.range(5, 9))]
        [(0, 5), (1, 6)]
        """
        nest = datasets if datasets is not None else args[0] if len(args) == 1 and not isinstance(args[0], Dataset) else args
        nest = tuple(nest) if isinstance(nest, list) else nest
        sources = [dataset._tk_stage for dataset in tree.flatten(nest)]

        def chain(readers: list[Iterator[Element]], run: Pass, seed: Any) -> Iterator[Element]:
            for values in zip_(*readers):
                yield _packed(nest, list(values))

        return Dataset(stages.Chained(sources, chain, _shortest))

    @staticmethod
    def choose_from_datasets(datasets: Sequence[Dataset], choice_dataset: Dataset, stop_on_empty_dataset: bool = True) -> Dataset:
        """Elements of several data sets, in the order that another one tells.

        Args:
            datasets: The data sets.
            choice_dataset: Their numbers.
            stop_on_empty_dataset: Whether the first one that ends is the end; it is passed over otherwise.
        """

        def chain(readers: list[Iterator[Element]], run: Pass, seed: Any) -> Iterator[Element]:
            yield from stages.chosen(readers[1:], (int(n) for n in readers[0]), stop_on_empty_dataset)

        return Dataset(stages.Chained([choice_dataset._tk_stage, *(d._tk_stage for d in datasets)], chain))

    @staticmethod
    def sample_from_datasets(
        datasets: Sequence[Dataset],
        weights: Any = None,
        seed: int | None = None,
        stop_on_empty_dataset: bool = False,
        rerandomize_each_iteration: bool | None = True,
    ) -> Dataset:
        """Elements of several data sets, drawn at random.

        Args:
            datasets: The data sets.
            weights: How often each is drawn, in any unit; all alike without it.
            seed: A whole number that repeats the draws; drawn from the global seed without it.
            stop_on_empty_dataset: Whether the first one that ends is the end; the others go on otherwise.
            rerandomize_each_iteration: Whether each pass draws anew.

        Raises:
            ValueError: If there are not as many weights as data sets.
        """
        shares = [1.0] * len(datasets) if weights is None else [float(w) for w in weights]
        if len(shares) != len(datasets):
            raise ValueError(f"`weights` must be one for each of the {len(datasets)} data sets. Received: weights={weights!r}")

        chain = stages.sampled(shares, stop_on_empty_dataset, rerandomize_each_iteration is not False)
        return Dataset(stages.Chained([d._tk_stage for d in datasets], chain, seed=_seed(seed)))

    # -- order

    def shuffle(
        self, buffer_size: int, seed: int | None = None, reshuffle_each_iteration: bool | None = True, name: str | None = None
    ) -> Dataset:
        """Elements in random order: each is drawn from a buffer of the next ones.

        Args:
            buffer_size: The size of the buffer; at least the number of elements for an even order.
            seed: A whole number that repeats the orders; drawn from the global seed without it.
            reshuffle_each_iteration: Whether each pass has an order of its own.
            name: Kept for TensorFlow's signature; names have no effect.

        Raises:
            ValueError: If the size is not positive.

        >>> sorted(int(x) for x in Dataset.range(4).shuffle(4, seed=1))
        [0, 1, 2, 3]
        """
        count = self._tk_stage.cardinality()
        size = count if int(buffer_size) == AUTOTUNE and count > 0 else _positive("buffer_size", buffer_size)
        choose = stages.shuffled(size, reshuffle_each_iteration is not False)
        return self._selected(choose, lambda count: count, _seed(seed))

    def repeat(self, count: int | None = None, name: str | None = None) -> Dataset:
        """Elements several times.

        Args:
            count: How often; without end without it or for a negative number.
            name: Kept for TensorFlow's signature; names have no effect.

        >>> [int(x) for x in Dataset.range(2).repeat(2)]
        [0, 1, 0, 1]
        """
        times = -1 if count is None else int(count)

        def counted(one: int) -> int:
            return 0 if one == 0 or times == 0 else INFINITE if times < 0 or one == INFINITE else one if one < 0 else one * times

        return self._selected(stages.repeated(times), counted)

    def take(self, count: int, name: str | None = None) -> Dataset:
        """The first elements.

        Args:
            count: How many; all for a negative number.
            name: Kept for TensorFlow's signature; names have no effect.

        >>> [int(x) for x in Dataset.range(5).take(2)]
        [0, 1]
        """
        number = None if int(count) < 0 else int(count)
        return self._selected(
            lambda items, run, seed: itertools.islice(items(run), number),
            lambda one: one if number is None or one == UNKNOWN else number if one == INFINITE else min(one, number),
        )

    def skip(self, count: int, name: str | None = None) -> Dataset:
        """All but the first elements.

        Args:
            count: How many are left out; all for a negative number.
            name: Kept for TensorFlow's signature; names have no effect.

        >>> [int(x) for x in Dataset.range(5).skip(3)]
        [3, 4]
        """
        number = sys.maxsize if int(count) < 0 else int(count)
        return self._selected(
            lambda items, run, seed: itertools.islice(items(run), number, None), lambda one: one if one < 0 else max(one - number, 0)
        )

    def shard(self, num_shards: int, index: int, name: str | None = None) -> Dataset:
        """Every `num_shards`-th element.

        Args:
            num_shards: The number of parts.
            index: Which part, from 0.
            name: Kept for TensorFlow's signature; names have no effect.

        Raises:
            ValueError: If there is no such part.

        >>> [int(x) for x in Dataset.range(5).shard(2, 1)]
        [1, 3]
        """
        if not 0 <= index < num_shards:
            raise ValueError(f"`index` must be at least 0 and less than `num_shards`. Received: index={index}, num_shards={num_shards}")
        return self._selected(
            lambda items, run, seed: itertools.islice(items(run), index, None, num_shards),
            lambda one: one if one < 0 else len(range_(index, one, num_shards)),
        )

    def _selected(self, choose: Any, count: Callable[[int], int], seed: int | None = None) -> Dataset:
        return self._then(stages.Selection(self._tk_stage, choose, count, seed))

    def _then(self, stage: Stage) -> Dataset:
        """A data set of a further stage, with the attributes that a user or a reader of folders has set on this one."""
        made = Dataset(stage)
        made._options = self._options
        kept = ("class_names", "file_paths")
        made.__dict__.update({k: v for k, v in self.__dict__.items() if k in kept})
        return made

    def _chained(self, chain: Callable[..., Iterator[Element]], count: Callable[[int], int] = lambda one: UNKNOWN) -> Dataset:
        return self._then(stages.Chained([self._tk_stage], lambda readers, run, seed: chain(readers[0]), lambda counts: count(counts[0])))

    # -- batches

    def batch(
        self,
        batch_size: int,
        drop_remainder: bool = False,
        num_parallel_calls: int | None = None,
        deterministic: bool | None = None,
        name: str | None = None,
    ) -> Dataset:
        """Runs of elements as one element, along a new first axis.

        Args:
            batch_size: The number of elements in a batch.
            drop_remainder: Whether a last batch with fewer is left out.
            num_parallel_calls: Kept for TensorFlow's signature; rows of arrays are gathered at once.
            deterministic: Kept for TensorFlow's signature; the order is always kept.
            name: Kept for TensorFlow's signature; names have no effect.

        Raises:
            ValueError: If the size is not positive, or elements differ in shape.

        >>> [x.tolist() for x in Dataset.range(3).batch(2)]
        [[0, 1], [2]]
        """
        return self._then(stages.Batched(self._tk_stage, _positive("batch_size", batch_size), drop_remainder))

    def padded_batch(
        self,
        batch_size: int,
        padded_shapes: Any = None,
        padding_values: Any = None,
        drop_remainder: bool = False,
        name: str | None = None,
    ) -> Dataset:
        """Runs of elements as one element, filled up where they differ in size.

        Args:
            batch_size: The number of elements in a batch.
            padded_shapes: The shape of the leaves in a batch, in a nest like an element; `None` for the longest of the batch.
            padding_values: What leaves are filled up with, in a nest like an element or one for all; 0 and empty texts without it.
            drop_remainder: Whether a last batch with fewer is left out.
            name: Kept for TensorFlow's signature; names have no effect.

        Raises:
            ValueError: If the size is not positive, or an element is larger than its padded shape.

        >>> rows = Dataset.from_generator(lambda: [[1], [2, 3]])
        >>> next(iter(rows.padded_batch(2))).tolist()
        [[1, 0], [2, 3]]
        """
        size = _positive("batch_size", batch_size)
        return self._then(stages.Batched(self._tk_stage, size, drop_remainder, stages.padded(padded_shapes, padding_values)))

    ragged_batch = padded_batch

    def unbatch(self, name: str | None = None) -> Dataset:
        """The rows of each element as elements.

        Args:
            name: Kept for TensorFlow's signature; names have no effect.

        >>> [int(x) for x in Dataset.range(3).batch(2).unbatch()]
        [0, 1, 2]
        """
        stage = self._tk_stage
        if isinstance(stage, stages.Batched) and not stage.drop and stage._join is stages.stacked:
            return self._then(stage.before[0])
        return self._chained(lambda values: (row for value in values for row in stages.elements_of(value, Pass(()))))

    def rebatch(self, batch_size: int, drop_remainder: bool = False, name: str | None = None) -> Dataset:
        """Batches of another size.

        Args:
            batch_size: The number of samples in a batch.
            drop_remainder: Whether a last batch with fewer is left out.
            name: Kept for TensorFlow's signature; names have no effect.
        """
        return self.unbatch().batch(batch_size, drop_remainder)

    def bucket_by_sequence_length(
        self,
        element_length_func: Callable[..., Any],
        bucket_boundaries: Sequence[int],
        bucket_batch_sizes: Sequence[int],
        padded_shapes: Any = None,
        padding_values: Any = None,
        pad_to_bucket_boundary: bool = False,
        no_padding: bool = False,
        drop_remainder: bool = False,
        name: str | None = None,
    ) -> Dataset:
        """Batches of elements of like lengths, so that little is filled up.

        Args:
            element_length_func: Gives the length of an element.
            bucket_boundaries: The upper ends of the lengths of all buckets but the last, excluded.
            bucket_batch_sizes: The number of elements in a batch of each bucket, one more than the boundaries.
            padded_shapes: The shape of the leaves in a batch; the longest of the batch without it.
            padding_values: What leaves are filled up with.
            pad_to_bucket_boundary: Whether lengths are filled up to the boundary less one.
            no_padding: Whether elements of a batch are of one shape already.
            drop_remainder: Whether last batches with fewer elements are left out.
            name: Kept for TensorFlow's signature; names have no effect.

        Raises:
            ValueError: If there is not one size more than boundaries.
        """
        ends = [int(b) for b in bucket_boundaries]
        if len(bucket_batch_sizes) != len(ends) + 1:
            raise ValueError(
                f"`bucket_batch_sizes` must be one more than the {len(ends)} boundaries. Received: {len(bucket_batch_sizes)} sizes"
            )

        join = stages.bucket_joiner(ends, padded_shapes, padding_values, pad_to_bucket_boundary, no_padding)
        return self._chained(
            lambda values: stages.buckets(values, element_length_func, ends, list(bucket_batch_sizes), join, drop_remainder)
        )

    def window(
        self, size: int, shift: int | None = None, stride: int = 1, drop_remainder: bool = False, name: str | None = None
    ) -> Dataset:
        """Data sets of neighbouring elements.

        Args:
            size: The number of elements in a window.
            shift: How far a window begins after the one before; its size without it.
            stride: How far elements of a window lie apart.
            drop_remainder: Whether windows with fewer elements are left out.
            name: Kept for TensorFlow's signature; names have no effect.

        >>> [[int(x) for x in window] for window in Dataset.range(4).window(2, shift=1, drop_remainder=True)]
        [[0, 1], [1, 2], [2, 3]]
        """
        size, stride = _positive("size", size), _positive("stride", stride)
        step, span = _positive("shift", size if shift is None else shift), (size - 1) * stride + 1

        def nested(values: Iterator[Element]) -> Iterator[Element]:
            for value in stages.windows(values, size, step, span, stride, drop_remainder):
                if isinstance(value[0], (tuple, dict)):  # a window of each leaf, as in `tf.data`
                    columns = [[tree.flatten(v)[i] for v in value] for i in range_(len(tree.flatten(value[0])))]
                    yield tree.pack_sequence_as(value[0], [_made(column) for column in columns])
                else:
                    yield _made(value)

        return self._chained(nested)

    # -- functions of elements

    def map(
        self,
        map_func: Callable[..., Any],
        num_parallel_calls: int | None = None,
        deterministic: bool | None = None,
        synchronous: bool | None = None,
        name: str | None = None,
    ) -> Dataset:
        """A function of each element; the entries of a tuple are its arguments.

        Args:
            map_func: The function. What it returns is an element: a tuple or dict of tensors, arrays, numbers or texts.
            num_parallel_calls: The number of threads; `AUTOTUNE` for one for each processor; no threads without it. Threads share
                torch's global generator, so that random functions repeat only without them.
            deterministic: Kept for TensorFlow's signature; the order is always kept.
            synchronous: Kept for TensorFlow's signature.
            name: Kept for TensorFlow's signature; names have no effect.

        >>> [float(x) for x in Dataset.range(3).map(lambda x: x / 2)]
        [0.0, 0.5, 1.0]
        """
        return self._then(stages.Mapped(self._tk_stage, map_func, _workers(num_parallel_calls)))

    def filter(self, predicate: Callable[..., Any], name: str | None = None) -> Dataset:
        """Elements for which a function is true.

        Args:
            predicate: The function; the entries of a tuple are its arguments.
            name: Kept for TensorFlow's signature; names have no effect.

        >>> [int(x) for x in Dataset.range(4).filter(lambda x: x % 2 == 0)]
        [0, 2]
        """
        return self._chained(lambda values: (value for value in values if bool(stages.call(predicate, value))))

    def flat_map(self, map_func: Callable[..., Any], name: str | None = None) -> Dataset:
        """The elements of the data sets that a function makes of each element.

        Args:
            map_func: The function; gives a `Dataset`.
            name: Kept for TensorFlow's signature; names have no effect.

        >>> [int(x) for x in Dataset.range(3).flat_map(lambda n: Dataset.range(int(n)))]
        [0, 0, 1]
        """
        return self.interleave(map_func, 1, sys.maxsize)

    def interleave(
        self,
        map_func: Callable[..., Any],
        cycle_length: int | None = None,
        block_length: int | None = None,
        num_parallel_calls: int | None = None,
        deterministic: bool | None = None,
        name: str | None = None,
    ) -> Dataset:
        """The elements of the data sets that a function makes of each element, a few data sets at a time.

        Args:
            map_func: The function; gives a `Dataset`.
            cycle_length: How many data sets are read in turn, 16 without it.
            block_length: How many elements of one are read before the next, 1 without it.
            num_parallel_calls: Kept for TensorFlow's signature; data sets are opened one after another.
            deterministic: Kept for TensorFlow's signature; the order is always kept.
            name: Kept for TensorFlow's signature; names have no effect.

        >>> data = Dataset.range(2).interleave(lambda x: Dataset.from_tensors(x).repeat(2), cycle_length=2)
        >>> [int(x) for x in data]
        [0, 1, 0, 1]
        """
        cycle = 16 if cycle_length is None or cycle_length == AUTOTUNE else _positive("cycle_length", cycle_length)
        block = _positive("block_length", 1 if block_length is None else block_length)
        return self._then(stages.Chained([self._tk_stage], stages.interleaved(map_func, cycle, block)))

    def scan(self, initial_state: Any, scan_func: Callable[..., tuple[Any, Any]], name: str | None = None) -> Dataset:
        """A function of each element and of a state that it hands on.

        Args:
            initial_state: The state before the first element.
            scan_func: Gets the state and an element; gives the next state and what comes out.
            name: Kept for TensorFlow's signature; names have no effect.

        >>> [int(x) for x in Dataset.range(4).scan(0, lambda total, x: (total + x, total + x))]
        [0, 1, 3, 6]
        """

        def chain(values: Iterator[Element]) -> Iterator[Element]:
            state = stages.element(initial_state)
            for value in values:
                state, out = scan_func(state, value)
                state = stages.element(state)
                yield stages.element(out)

        return self._chained(chain, lambda one: one)

    def reduce(self, initial_state: Any, reduce_func: Callable[..., Any], name: str | None = None) -> Element:
        """All elements in one.

        Args:
            initial_state: The state before the first element.
            reduce_func: Gets the state and an element; gives the next state.
            name: Kept for TensorFlow's signature; names have no effect.

        >>> int(Dataset.range(5).reduce(0, lambda total, x: total + x))
        10
        """
        state = stages.element(initial_state)
        for value in self:
            state = stages.element(reduce_func(state, value))
        return state

    def apply(self, transformation_func: Callable[[Dataset], Dataset]) -> Dataset:
        """What a function makes of this data set.

        Args:
            transformation_func: The function.
        """
        return transformation_func(self)

    def take_while(self, predicate: Callable[..., Any], name: str | None = None) -> Dataset:
        """Elements up to the first for which a function is false.

        Args:
            predicate: The function; the entries of a tuple are its arguments.
            name: Kept for TensorFlow's signature; names have no effect.

        >>> [int(x) for x in Dataset.range(9).take_while(lambda x: x < 2)]
        [0, 1]
        """
        return self._chained(lambda values: itertools.takewhile(lambda value: bool(stages.call(predicate, value)), values))

    def enumerate(self, start: int = 0, name: str | None = None) -> Dataset:
        """Elements with their numbers.

        Args:
            start: The number of the first.
            name: Kept for TensorFlow's signature; names have no effect.

        >>> [(int(i), x) for i, x in Dataset.from_tensor_slices(["a", "b"]).enumerate()]
        [(0, 'a'), (1, 'b')]
        """
        return self._chained(
            lambda values: ((torch.tensor(i), value) for i, value in zip_(itertools.count(int(start)), values)), lambda one: one
        )

    def unique(self, name: str | None = None) -> Dataset:
        """Elements without those that came before.

        Args:
            name: Kept for TensorFlow's signature; names have no effect.

        >>> [int(x) for x in Dataset.from_tensor_slices([1, 2, 1]).unique()]
        [1, 2]
        """

        return self._chained(stages.unseen)

    def ignore_errors(self, log_warning: bool = False, name: str | None = None) -> Dataset:
        """Elements without those whose function raised.

        Args:
            log_warning: Whether the errors are printed.
            name: Kept for TensorFlow's signature; names have no effect.
        """
        stage = self._tk_stage
        if not isinstance(stage, stages.Mapped):
            return self
        return self._then(stages.Chained(stage.before, stages.surviving(stage._function, log_warning)))

    # -- several passes

    def cache(self, filename: str | Path = "", name: str | None = None) -> Dataset:
        """Elements that are kept after the first whole pass.

        Args:
            filename: A file to keep them in; memory without it.
            name: Kept for TensorFlow's signature; names have no effect.
        """
        return self._then(stages.Cached(self._tk_stage, Path(filename) if str(filename) else None))

    def snapshot(self, path: str | Path, compression: str | None = "AUTO", **kwargs: Any) -> Dataset:
        """Elements that are kept in a folder after the first whole pass.

        Args:
            path: The folder.
            compression: Kept for TensorFlow's signature; elements are written as they are.
            **kwargs: Kept for TensorFlow's signature.
        """
        Path(path).mkdir(parents=True, exist_ok=True)
        return self.cache(Path(path) / "elements.pt")

    def save(self, path: str | Path, compression: str | None = None, **kwargs: Any) -> None:
        """Write all elements to a folder.

        Args:
            path: The folder.
            compression: Kept for TensorFlow's signature; elements are written as they are.
            **kwargs: Kept for TensorFlow's signature.
        """
        Path(path).mkdir(parents=True, exist_ok=True)
        stages.write_elements(Path(path) / "elements.pt", list(self))

    @staticmethod
    def load(path: str | Path, element_spec: Any = None, compression: str | None = None, **kwargs: Any) -> Dataset:
        """The elements that `save` wrote.

        Args:
            path: The folder.
            element_spec: Kept for TensorFlow's signature; elements tell their types.
            compression: Kept for TensorFlow's signature.
            **kwargs: Kept for TensorFlow's signature.

        Raises:
            ValueError: If the folder holds no saved data set.
        """
        file = Path(path) / "elements.pt"
        if not file.exists():
            raise ValueError(f"`path` must be a folder that `Dataset.save` wrote. Received: path={str(path)!r}")
        kept = stages.read_elements(file)
        return Dataset(stages.Made(lambda: kept, len(kept)))

    def prefetch(self, buffer_size: int, name: str | None = None) -> Dataset:
        """Elements that a thread reads ahead, while the caller works on those before.

        Args:
            buffer_size: How many may wait; `AUTOTUNE` for two.
            name: Kept for TensorFlow's signature; names have no effect.
        """
        size = int(buffer_size)
        return (
            self if size == 0 else self._then(stages.Prefetched(self._tk_stage, 2 if size == AUTOTUNE else _positive("buffer_size", size)))
        )

    def concatenate(self, dataset: Dataset, name: str | None = None) -> Dataset:
        """The elements of this data set, then those of another.

        Args:
            dataset: The other one.
            name: Kept for TensorFlow's signature; names have no effect.

        >>> [int(x) for x in Dataset.range(2).concatenate(Dataset.range(5, 6))]
        [0, 1, 5]
        """

        def counted(counts: list[int]) -> int:
            return INFINITE if INFINITE in counts else UNKNOWN if UNKNOWN in counts else sum(counts)

        sources = [self._tk_stage, dataset._tk_stage]
        return self._then(stages.Chained(sources, lambda readers, run, seed: itertools.chain(*readers), counted))

    __add__ = concatenate  # type: ignore[assignment]

    # -- settings

    def options(self) -> Options:
        """The settings of this data set."""
        return self._options

    def with_options(self, options: Options, name: str | None = None) -> Dataset:
        """This data set with other settings.

        Args:
            options: The settings.
            name: Kept for TensorFlow's signature; names have no effect.
        """
        made = self._then(self._tk_stage)
        made._options = options
        return made

    def get_single_element(self, name: str | None = None) -> Element:
        """The only element.

        Args:
            name: Kept for TensorFlow's signature; names have no effect.

        Raises:
            ValueError: If there is not exactly one.

        >>> Dataset.from_tensors([1, 2]).get_single_element().tolist()
        [1, 2]
        """
        values = list(itertools.islice(iter(self), 2))
        if len(values) != 1:
            raise ValueError(f"The Dataset must hold exactly one element. Received: {'none' if not values else 'more'}.")
        return values[0]


def _again(arguments: tuple[Any, ...]) -> Element:
    """The element whose entries came as arguments."""
    return arguments[0] if len(arguments) == 1 else arguments


def _packed(nest: Any, values: list[Element]) -> Element:
    """Elements in the places of the data sets of a nest."""
    places = iter(values)
    if isinstance(nest, dict):
        order = sorted(nest)
        found = {key: next(places) for key in order}
        return {key: found[key] for key in nest}
    return tuple(places)


def _shortest(counts: list[int]) -> int:
    known = [c for c in counts if c != INFINITE]
    return INFINITE if not known else UNKNOWN if UNKNOWN in known else min(known)


def _made(values: list[Element]) -> Dataset:
    return Dataset(stages.Made(lambda: values, len(values)))


def _seed(seed: int | None) -> int:
    return draw_seed() if seed is None else int(seed)


def _positive(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer, torch.Tensor)) or int(value) < 1:
        raise ValueError(f"`{name}` must be a positive whole number. Received: {name}={value!r}")
    return int(value)


def _workers(calls: int | None) -> int:
    if calls is None:
        return 1
    return min(torch.get_num_threads(), 16) if calls == AUTOTUNE else _positive("num_parallel_calls", calls)
