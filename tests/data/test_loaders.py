"""Batches from torch loaders and data sets, alone and divided among ranks."""

import collections

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, DistributedSampler, IterableDataset, TensorDataset

from torchkeras.data import make_batches

CPU = torch.device("cpu")


class Squares(Dataset):
    def __init__(self, samples=11):
        self.samples = samples

    def __len__(self):
        return self.samples

    def __getitem__(self, index):
        return np.float64(index), index * index


class Stream(IterableDataset):
    def __iter__(self):
        return iter([(torch.tensor(float(index)), index) for index in range(5)])


def values(batches):
    return [data[0].tolist() for data, _ in batches]


def test_a_data_loader_is_read_as_it_is():
    loader = DataLoader(Squares(), batch_size=4)
    batches = make_batches(loader, shuffle=True, device=CPU)
    assert (batches.steps, batches.batch_size) == (3, 4)
    data, size = next(iter(batches))
    assert isinstance(data, tuple)
    assert (size, data[0].dtype, data[1].dtype) == (4, torch.float32, torch.int64)
    assert values(batches) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]


def test_a_dict_is_one_input():
    data, size = next(iter(make_batches(DataLoader([{"a": 1.0, "b": 2}, {"a": 3.0, "b": 4}], batch_size=2), device=CPU)))
    assert {name: leaf.tolist() for name, leaf in data.items()} == {"a": [1.0, 3.0], "b": [2, 4]}
    assert size == 2


def test_a_named_tuple_stays_one():
    Batch = collections.namedtuple("Batch", "x y")
    data, _ = next(iter(make_batches([Batch(np.zeros(2), np.ones(2))].__iter__(), device=CPU)))
    assert type(data) is Batch
    assert data.y.tolist() == [1, 1]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_shuffling_loader_gives_all_ranks_the_same_batches(workers):
    loader = DataLoader(Squares(), batch_size=4, shuffle=True, num_workers=workers)

    def epochs(rank, world_size):
        torch.manual_seed(rank)  # ranks differ in their generators
        batches = make_batches(loader, device=CPU, seed=3, rank=rank, world_size=world_size)
        return [values(batches) for _ in range(2)]

    whole, (left, right) = epochs(0, 1), (epochs(0, 2), epochs(1, 2))
    assert [[a + b for a, b in zip(*passes)] for passes in zip(left, right)] == whole
    assert whole[0] != whole[1]


def test_reading_a_loader_leaves_torchs_generator_alone():
    batches = make_batches(DataLoader(Squares(), batch_size=4, shuffle=True), device=CPU, seed=0)
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    values(batches)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("shuffle", [False, True, "batch"])
def test_a_map_style_data_set_is_batched_and_each_rank_reads_its_own_samples(shuffle):
    read = []

    class Recorded(Squares):
        def __getitem__(self, index):
            read.append(index)
            return super().__getitem__(index)

    def run(rank, world_size):
        return make_batches(Recorded(), batch_size=4, shuffle=shuffle, seed=1, device=CPU, rank=rank, world_size=world_size)

    whole = values(run(0, 1))
    assert sorted(sum(whole, [])) == list(range(11))
    read.clear()
    left = run(0, 2)
    left_values = values(left)
    assert len(read) == sum(map(len, left_values)) < 11
    assert [a + b for a, b in zip(left_values, values(run(1, 2)))] == whole
    assert [size for _, size in left] == [4, 4, 3]


def test_a_rank_without_a_part_gets_an_empty_batch_of_the_right_shape():
    pairs = list(make_batches(Squares(5), batch_size=4, device=CPU, rank=0, world_size=4))
    assert [(tuple(data[0].shape), size) for data, size in pairs] == [((1,), 4), ((0,), 1)]


def test_an_iterable_data_set_is_batched():
    batches = make_batches(Stream(), batch_size=2, device=CPU)
    assert batches.steps is None
    assert values(batches) == [[0, 1], [2, 3], [4]]
    assert batches.steps == 3


def test_a_tensor_data_set_is_arrays():
    x = torch.arange(6.0)
    batches = make_batches(TensorDataset(x, x), batch_size=4, device=CPU)
    data, _ = next(iter(batches))
    assert data[0].data_ptr() == x.data_ptr()


def test_a_tf_data_like_set_is_read_as_numpy():
    class Tensorlike:
        element_spec = None

        def __iter__(self):
            raise AssertionError("its tensors are not for us")

        def __len__(self):
            return 2

        def as_numpy_iterator(self):
            return iter([(np.zeros(3), np.arange(3)), (np.zeros(1), np.arange(1))])

    batches = make_batches(Tensorlike(), device=CPU)
    assert batches.steps == 2
    assert [(data[1].tolist(), size) for data, size in batches] == [([0, 1, 2], 3), ([0], 1)]


def test_loaders_take_no_batch_size_and_no_targets():
    loader = DataLoader(Squares(), batch_size=4)
    with pytest.warns(UserWarning, match="`batch_size` has no effect when `x` is a DataLoader"):
        assert make_batches(loader, batch_size=2, device=CPU).batch_size == 4
    with pytest.raises(ValueError, match="`y` cannot be given when `x` is a Squares"):
        make_batches(Squares(), np.zeros(11), device=CPU)


def test_a_loader_that_divides_the_samples_itself_is_refused():
    loader = DataLoader(Squares(), sampler=DistributedSampler(Squares(), num_replicas=2, rank=0))
    with pytest.raises(ValueError, match="Received one with a DistributedSampler"):
        make_batches(loader, device=CPU, rank=0, world_size=2)
    assert make_batches(loader, device=CPU).steps == 6


def test_an_empty_data_set_is_refused():
    with pytest.raises(ValueError, match="`x` must hold at least one sample"):
        make_batches(Squares(0), device=CPU)
