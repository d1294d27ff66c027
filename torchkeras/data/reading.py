"""How the elements of a `Dataset` are read: passes, their positions, and what is known beforehand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import IterableDataset, get_worker_info

from . import stages
from .stages import INFINITE, UNKNOWN, Element, Pass, Stage
from .structure import map_leaves


@dataclass(frozen=True)
class TensorSpec:
    """The shape and the type of a leaf of elements.

    Args:
        shape: The sizes, `None` where they differ.
        dtype: A torch dtype, or `"string"`.
        name: A name.
    """

    shape: tuple[int | None, ...] | None = None
    dtype: Any = None
    name: str | None = None


class Options:
    """Settings of a `Dataset`, kept for programs that set them; order is always kept and threads are torchkeras's own."""

    def __init__(self) -> None:
        self.deterministic = True
        self.threading = type("Threading", (), {"private_threadpool_size": None, "max_intra_op_parallelism": None})()
        self.autotune = type("Autotune", (), {"enabled": True})()
        self.experimental_distribute = type("Distribute", (), {"auto_shard_policy": None})()


class Reading(IterableDataset):
    """What reads the elements of stages: the base of `Dataset`.

    Args:
        stage: The last stage.
    """

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._tk_stage = stage
        self._passes = 0
        self._position = 0
        self._resume = 0
        self._begun = False  # whether a pass is being read
        self._options = Options()

    # -- reading

    def __iter__(self) -> Iterator[Element]:
        run, skip = Pass((self._passes,)), self._resume
        self._passes, self._resume, self._position = self._passes + 1, 0, skip
        self._begun = True
        worker = get_worker_info()
        if worker is not None:
            yield from itertools.islice(self._tk_stage.elements_from(run, skip), worker.id, None, worker.num_workers)
            return
        for value in self._tk_stage.elements_from(run, skip):
            self._position += 1
            yield value
        self._begun = False

    def as_numpy_iterator(self) -> Iterator[Element]:
        """The elements of a pass with NumPy arrays in place of tensors.

        >>> from torchkeras.data import Dataset
        >>> next(Dataset.range(3).as_numpy_iterator())
        array(0)
        """
        for value in self:
            yield map_leaves(lambda x: x.numpy() if isinstance(x, torch.Tensor) else x, value)

    def __len__(self) -> int:
        count = self._tk_stage.cardinality()
        if count < 0:
            raise TypeError("A Dataset without end, or whose length only reading tells, has no length. Use `cardinality()`.")
        return count

    def __bool__(self) -> bool:
        return True

    def cardinality(self) -> torch.Tensor:
        """The number of elements: `-1` without end, `-2` where only reading tells.

        >>> from torchkeras.data import Dataset
        >>> int(Dataset.range(5).batch(2).cardinality())
        3
        """
        return torch.tensor(self._tk_stage.cardinality())

    @property
    def element_spec(self) -> Any:
        """The shapes and types of the elements, read off the first one; sizes of batches that need not be full are `None`."""
        first = next(self._tk_stage.elements(Pass((0,))), None)
        batched = self._batched()
        lead = batched is not None and not batched.drop

        def spec(leaf: Any) -> TensorSpec:
            shape = tuple(leaf.shape) if hasattr(leaf, "shape") else ()
            shape = (None, *shape[1:]) if lead and shape else shape
            return TensorSpec(shape, leaf.dtype if isinstance(leaf, torch.Tensor) else "string")

        return map_leaves(spec, first)

    def _batched(self) -> stages.Batched | None:
        """The stage that made batches of the elements, where nothing took them apart since."""
        stage = self._tk_stage
        while (
            not isinstance(stage, stages.Batched)
            and len(stage.before) == 1
            and isinstance(stage, (stages.Mapped, stages.Prefetched, stages.Cached, stages.Selection))
        ):
            stage = stage.before[0]
        return stage if isinstance(stage, stages.Batched) else None

    @property
    def batch_size(self) -> int | None:
        """The number of samples in an element of a batched data set; `None` for others."""
        batched = self._batched()
        return None if batched is None else batched.size

    def state_dict(self) -> dict[str, Any]:
        """Where the pass that is being read stands: its number, the elements that it gave, and the seeds of all stages."""
        at = (self._passes - 1, self._position) if self._begun else (self._passes, self._resume)
        return {"pass": at[0], "position": at[1], "seeds": [stage.seed for stage in _drawing(self._tk_stage)]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next pass begin where `state_dict` stood.

        Args:
            state: What `state_dict` of a data set of the same stages returned.

        Raises:
            ValueError: If the data set was made of other stages.

        >>> from torchkeras.data import Dataset
        >>> first, second = Dataset.range(5), Dataset.range(5)
        >>> reader = iter(first)
        >>> _ = next(reader), next(reader)
        >>> second.load_state_dict(first.state_dict())
        >>> [int(x) for x in second]
        [2, 3, 4]
        """
        drawing = _drawing(self._tk_stage)
        if len(drawing) != len(state["seeds"]):
            raise ValueError(
                f"`state` must come from a Dataset of the same stages. It holds {len(state['seeds'])} seeds; this one draws in "
                f"{len(drawing)} stages."
            )
        for stage, seed in zip(drawing, state["seeds"]):
            stage.seed = seed
        self._passes, self._resume = state["pass"], state["position"]

    def __repr__(self) -> str:
        count = self._tk_stage.cardinality()
        told = {INFINITE: "without end", UNKNOWN: "of unknown length"}.get(count, f"of {count} elements")
        return f"<Dataset {told}>"


def _drawing(stage: Stage) -> list[Stage]:
    """The stages that draw, in the order in which they were added."""
    found = [drawing for source in stage.before for drawing in _drawing(source)]
    return found + ([stage] if stage.seed is not None else [])
