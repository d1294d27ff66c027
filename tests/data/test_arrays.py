"""In-memory data: what becomes of each kind of array, and which rows each batch holds."""

import numpy as np
import pytest
import torch

from torchkeras import config
from torchkeras.data import ArraySource, make_batches, single_batch, to_tensor, to_tensors, train_validation_split
from torchkeras.data import arrays as arrays_module

CPU = torch.device("cpu")


def epoch(batches):
    return [data for data, _ in batches]


def rows(batches):
    return torch.cat([data[0] if isinstance(data, tuple) else data for data, _ in batches])


@pytest.mark.parametrize(
    ("array", "dtype"),
    [
        (np.zeros(3), torch.float32),
        (np.zeros(3, "float16"), torch.float32),
        (np.zeros(3, "float32"), torch.float32),
        (np.zeros(3, np.longdouble), torch.float32),
        (np.zeros(3, ">f4"), torch.float32),
        (np.zeros(3, "uint8"), torch.uint8),
        (np.zeros(3, "uint16"), torch.int32),
        (np.zeros(3, "uint32"), torch.int64),
        (np.zeros(3, "int64"), torch.int64),
        (np.zeros(3, ">i2"), torch.int16),
        (np.zeros(3, "bool"), torch.bool),
        (torch.zeros(3, dtype=torch.float64), torch.float32),
        ([1, 2, 3], torch.int64),
        ([[1.5], [2.0]], torch.float32),
    ],
)
def test_types_are_those_that_keras_trains_on(array, dtype):
    tensor = to_tensor(array)
    assert tensor.dtype == dtype
    np.testing.assert_array_equal(tensor.numpy().astype("float64"), np.asarray(array, "float64"))


def test_floats_become_floatx():
    config.set_floatx("float64")
    try:
        assert to_tensor(np.zeros(3, "float32")).dtype == torch.float64
    finally:
        config.set_floatx("float32")


def test_float32_arrays_are_shared_and_read_only_ones_too():
    array = np.arange(6, dtype="float32")
    frozen = array.copy()
    frozen.flags.writeable = False
    assert to_tensor(array).data_ptr() == array.ctypes.data
    assert to_tensor(frozen).data_ptr() == frozen.ctypes.data


def test_reversed_arrays_and_memory_maps(tmp_path):
    np.testing.assert_array_equal(to_tensor(np.arange(5)[::-1]).numpy(), [4, 3, 2, 1, 0])
    np.save(tmp_path / "a.npy", np.arange(4.0, dtype="float32"))
    np.testing.assert_array_equal(to_tensor(np.load(tmp_path / "a.npy", mmap_mode="r")).numpy(), [0, 1, 2, 3])


def test_anything_with_the_array_protocol_is_an_array():
    class Frame:
        shape = (3, 2)

        def __array__(self, dtype=None, copy=None):
            return np.ones((3, 2), dtype)

    ((x, y),) = epoch(make_batches(Frame(), [1, 2, 3], device=CPU))
    assert x.tolist() == [[1, 1]] * 3
    assert y.tolist() == [1, 2, 3]


def test_a_pandas_series_is_a_column():
    class Series:
        shape = (3,)
        iloc = None

        def __array__(self, dtype=None, copy=None):
            return np.arange(3)

    assert to_tensor(Series()).tolist() == [[0], [1], [2]]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ({"t": np.array([None, 1])}, r"`x\['t'\]` must hold numbers. Received dtype object"),
        ([[1, 2], [3]], r"`x` must be rectangular"),
        (np.array(["2020-01-01"], "datetime64[D]"), r"Received dtype datetime64"),
        (np.float32(3), r"`x` must have a batch axis"),
        (np.zeros((0, 3)), r"`x` must hold at least one sample"),
    ],
)
def test_data_that_cannot_be_trained_on_is_named(x, message):
    with pytest.raises(ValueError, match=message):
        make_batches(x, device=CPU)


def test_sparse_matrices_are_refused_with_the_cure():
    scipy_sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(ValueError, match=r"pass `x.toarray\(\)`"):
        make_batches(scipy_sparse.csr_matrix(np.eye(3)), device=CPU)


def test_unequal_sample_counts_are_listed():
    with pytest.raises(ValueError, match=r"x\['a'\] has 10, x\['b'\] has 9, y has 10"):
        make_batches({"a": np.zeros(10), "b": np.zeros(9)}, np.zeros(10), device=CPU)


def test_nests_keep_their_structure():
    x = {"b": [np.zeros((4, 1)), np.zeros((4, 2))], "a": np.zeros((4, 3))}
    ((data_x, data_y),) = epoch(make_batches(x, (np.zeros(4), None), device=CPU))
    assert list(data_x) == ["b", "a"]
    assert isinstance(data_x["b"], list)
    assert [tuple(leaf.shape) for leaf in (*data_x["b"], data_x["a"])] == [(4, 1), (4, 2), (4, 3)]
    assert isinstance(data_y, tuple)
    assert data_y[1] is None


def test_batches_are_packed_as_keras_packs_them():
    x, y, w = np.zeros((3, 2)), np.zeros(3), np.ones(3)
    assert isinstance(epoch(make_batches(x, device=CPU))[0], torch.Tensor)
    assert len(epoch(make_batches([x, x], device=CPU))[0]) == 1
    assert len(epoch(make_batches(x, y, device=CPU))[0]) == 2
    assert len(epoch(make_batches(x, y, w, device=CPU))[0]) == 3
    data_x, data_y, data_w = epoch(make_batches(x, sample_weight=w, device=CPU))[0]
    assert data_y is None
    assert data_w.tolist() == [1, 1, 1]


@pytest.mark.parametrize("window", [1, 100, 1 << 20])
@pytest.mark.parametrize("shuffle", [False, True, "batch"])
@pytest.mark.parametrize("samples", [1, 7, 8, 37])
def test_every_sample_comes_once_in_each_epoch(monkeypatch, window, shuffle, samples):
    monkeypatch.setattr(arrays_module, "_WINDOW_BYTES", window)
    x = torch.arange(samples)
    batches = make_batches(x, x * 2, batch_size=4, shuffle=shuffle, device=CPU)
    for _ in range(2):
        pairs = list(batches)
        assert [size for _, size in pairs] == [4] * (samples // 4) + [samples % 4] * bool(samples % 4)
        assert all(len(data[0]) == size for data, size in pairs)
        assert torch.cat([data[0] for data, _ in pairs]).sort().values.tolist() == list(range(samples))
        assert all(torch.equal(data[0] * 2, data[1]) for data, _ in pairs)


def test_batches_without_shuffling_are_views():
    x = torch.arange(10.0)
    for (data, _), start in zip(make_batches(x, batch_size=4, device=CPU), (0, 4, 8)):
        assert data.data_ptr() == x[start:].data_ptr()


def test_the_order_changes_from_epoch_to_epoch_and_follows_the_seed():
    def orders(torch_seed, **kwargs):
        torch.manual_seed(torch_seed)
        batches = make_batches(torch.arange(50), batch_size=8, shuffle=True, device=CPU, **kwargs)
        return [rows(batches).tolist() for _ in range(3)]

    first = orders(1)
    assert first == orders(1)
    assert first != orders(2)
    assert first[0] != first[1] != first[2]
    resumed = orders(5, seed=3, initial_epoch=1)
    assert orders(1, seed=3)[1:] == resumed[:2]


def test_shuffling_by_batch_keeps_batches_whole():
    found = [data.tolist() for data, _ in make_batches(torch.arange(22), batch_size=4, shuffle="batch", device=CPU, seed=0)]
    assert found[-1] == [20, 21]
    assert sorted(found[:-1]) == [list(range(start, start + 4)) for start in range(0, 20, 4)]
    assert found[:-1] != sorted(found[:-1])


@pytest.mark.parametrize("shuffle", [False, True, "batch"])
@pytest.mark.parametrize(("samples", "world_size"), [(37, 2), (37, 3), (33, 4), (10, 8)])
def test_ranks_divide_each_global_batch(shuffle, samples, world_size):
    def run(rank, world_size):
        return list(
            make_batches(torch.arange(samples), batch_size=8, shuffle=shuffle, device=CPU, seed=7, rank=rank, world_size=world_size)
        )

    whole = run(0, 1)
    ranks = [run(rank, world_size) for rank in range(world_size)]
    for step, (data, size) in enumerate(whole):
        assert torch.equal(torch.cat([part[step][0] for part in ranks]), data)
        assert all(part[step][1] == size for part in ranks)


def test_a_missing_batch_size_is_32_or_follows_from_the_steps():
    assert make_batches(np.zeros(100), device=CPU).batch_size == 32
    batches = make_batches(np.zeros(10), steps=4, device=CPU)
    assert (batches.batch_size, batches.steps) == (3, 4)


def test_peek_takes_nothing_away():
    batches = make_batches(torch.arange(5), batch_size=2, device=CPU)
    assert batches.peek().tolist() == [0, 1]
    assert rows(batches).tolist() == [0, 1, 2, 3, 4]


def test_class_weights_become_sample_weights():
    ((_, _, weight),) = epoch(make_batches(np.zeros((4, 1)), np.array([0, 3, 1, 0]), class_weight={0: 2.0, 3: 0.5}, device=CPU))
    assert weight.tolist() == [2.0, 0.5, 1.0, 2.0]


def test_arrays_that_do_not_fit_the_device_are_gathered_on_the_host(monkeypatch):
    monkeypatch.setattr(arrays_module, "_free_bytes", lambda device: 0.0)
    source = ArraySource(torch.arange(6), torch.arange(6), batch_size=4, shuffle=True, device=torch.device("meta"))
    assert [data[0].device.type for data, _ in source] == ["meta", "meta"]
    assert source._leaves[0].device.type == "cpu"
    straight = ArraySource(torch.arange(6), batch_size=4, device=torch.device("meta"))
    assert [tuple(data.shape) for data, _ in straight] == [(4,), (2,)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": -1}, "`batch_size` must be a positive integer. Received: batch_size=-1"),
        ({"batch_size": 2.5}, "`batch_size` must be a positive integer"),
        ({"steps": -1}, "`steps` must be a positive integer"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_batches(np.zeros(4), device=CPU, **arguments)


@pytest.mark.parametrize(("arguments", "message"), [({"shuffle": "yes"}, "any other text means True"), ({"batch_size": 0}, "means 32")])
def test_arguments_that_keras_reads_otherwise_warn(arguments, message):
    with pytest.warns(UserWarning, match=message):
        batches = make_batches(np.zeros(40), device=CPU, **arguments)
    assert batches.batch_size == 32


def test_targets_must_be_arrays():
    with pytest.raises(TypeError, match="`y` must be arrays or tensors"):
        make_batches(np.zeros(4), iter([1]), device=CPU)


def test_validation_split_cuts_the_end_off():
    (x, y, w), (val_x, val_y, val_w) = train_validation_split(({"a": np.arange(10)}, list(range(10)), None), 0.3)
    assert x["a"].tolist() == y.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert val_x["a"].tolist() == val_y.tolist() == [7, 8, 9]
    assert w is val_w is None


@pytest.mark.parametrize(
    ("arrays", "split", "message"),
    [
        ((np.zeros(4),), 0.0, "must be between 0 and 1"),
        ((np.zeros(4),), 1.5, "must be between 0 and 1"),
        ((np.zeros(4),), 0.99, "of 4 samples leaves nothing to train on"),
        ((iter([1]), None), 0.5, "needs arrays or tensors. Received a list_iterator"),
        ((np.zeros(4), np.zeros(5)), 0.5, r"x has 4, y has 5"),
    ],
)
def test_validation_split_refuses(arrays, split, message):
    with pytest.raises(ValueError, match=message):
        train_validation_split(arrays, split)


def test_a_single_batch_holds_everything():
    (x, y), size = single_batch({"a": [[1.0], [2.0]]}, [0, 1], device=CPU)
    assert (x["a"].tolist(), y.tolist(), size) == ([[1.0], [2.0]], [0, 1], 2)
    (_, _, weight), _ = single_batch(np.zeros((2, 3)), np.array([1, 0]), class_weight={1: 4.0}, device=CPU)
    assert weight.tolist() == [4.0, 1.0]
    with pytest.raises(ValueError, match="x has 2, y has 3"):
        single_batch(np.zeros(2), np.zeros(3), device=CPU)


def test_to_tensors_keeps_none():
    assert to_tensors(None, "y") is None
