"""`Dataset`: what each stage does, orders that repeat, positions that are found again, and training from it."""

import threading
import time

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import torchkeras as keras
from torchkeras.data import AUTOTUNE, Dataset

X, Y = np.arange(40.0, dtype="float32").reshape(20, 2), np.arange(20.0, dtype="float32")


def plain(nest):
    """Elements as Python numbers and texts."""
    if isinstance(nest, Dataset):
        return [plain(value) for value in nest]
    if isinstance(nest, tuple):
        return tuple(plain(value) for value in nest)
    if isinstance(nest, dict):
        return {key: plain(value) for key, value in nest.items()}
    return nest.tolist() if hasattr(nest, "tolist") else nest


def test_rows_of_nests():
    data = Dataset.from_tensor_slices(({"a": [1, 2], "b": np.array([[1.5], [2.5]])}, ["x", "y"]))
    assert plain(data) == [({"a": 1, "b": [1.5]}, "x"), ({"a": 2, "b": [2.5]}, "y")]
    assert len(data) == 2
    (first,) = data.batch(2)
    assert first[0]["b"].dtype is torch.float64
    assert first[1].tolist() == ["x", "y"]
    assert plain(Dataset.from_tensor_slices([torch.tensor([1, 2]), torch.tensor([3, 4])])) == [[1, 2], [3, 4]]


def test_shuffled_batches_of_rows_are_those_of_elements():
    rows = Dataset.from_tensor_slices((X, Y)).shuffle(7, seed=3).repeat(2).skip(3).take(30).shard(2, 1)
    one_by_one = Dataset.from_tensor_slices((X, Y)).map(lambda x, y: (x, y)).shuffle(7, seed=3).repeat(2).skip(3).take(30).shard(2, 1)
    assert len(rows) == len(one_by_one) == len(list(rows)) == 15
    for a, b in zip(rows.batch(4), one_by_one.batch(4), strict=True):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(a[0][:, 0] / 2, a[1])
    whole = next(iter(Dataset.from_tensor_slices(X).batch(20)))
    assert whole.untyped_storage().nbytes() == X.nbytes  # rows that follow one another are a view


def test_orders_follow_seeds():
    def orders(**arguments):
        data = Dataset.range(20).shuffle(20, **arguments)
        return [plain(data) for _ in range(3)]

    a, b = orders(seed=1), orders(seed=1)
    assert a == b
    assert a[0] != a[1]
    assert all(sorted(order) == list(range(20)) for order in a)
    same = orders(seed=1, reshuffle_each_iteration=False)
    assert same[0] == same[1] == same[2]
    torch.manual_seed(0)
    first = orders()
    torch.manual_seed(0)
    assert orders() == first
    twice = plain(Dataset.range(9).shuffle(9, seed=2).repeat(2))
    assert twice[:9] != twice[9:]
    near = plain(Dataset.range(100).shuffle(5, seed=0))
    assert all(place >= value - 5 for place, value in enumerate(near))


STAGES = {
    "rows": lambda: Dataset.from_tensor_slices((X, Y)),
    "shuffled": lambda: Dataset.from_tensor_slices((X, Y)).shuffle(20, seed=1).batch(3),
    "mapped": lambda: Dataset.from_tensor_slices(X).map(lambda x: x + 1).batch(3, drop_remainder=True).prefetch(2),
    "parallel": lambda: Dataset.range(20).shuffle(5, seed=0).map(lambda x: x * 2, num_parallel_calls=3),
    "interleaved": lambda: Dataset.range(4).interleave(lambda n: Dataset.range(int(n), 8).shuffle(3, seed=1), cycle_length=2),
    "sampled": lambda: Dataset.sample_from_datasets([Dataset.range(9), Dataset.range(20, 30)], seed=4),
    "repeated": lambda: Dataset.range(4).shuffle(4, seed=2).repeat(3).enumerate(),
}


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("position", [0, 1, 4])
def test_a_position_is_found_again(name, position):
    first = STAGES[name]()
    list(first)  # one whole pass before
    reader = iter(first)
    for _ in range(position):
        next(reader)
    state = first.state_dict()
    rest = [plain(value) for value in reader]
    second = STAGES[name]()
    for stage in (second,):
        stage.load_state_dict(state)
    assert plain(second) == rest
    assert plain(second) == plain(first)  # and the passes after it
    with pytest.raises(ValueError, match="must come from a Dataset of the same stages"):
        second.shuffle(3).load_state_dict(state)


def test_batches():
    assert plain(Dataset.range(5).batch(2)) == [[0, 1], [2, 3], [4]]
    assert plain(Dataset.range(5).batch(2, drop_remainder=True)) == [[0, 1], [2, 3]]
    assert plain(Dataset.range(6).batch(2).batch(2)) == [[[0, 1], [2, 3]], [[4, 5]]]
    assert plain(Dataset.range(5).batch(2).unbatch()) == [0, 1, 2, 3, 4]
    assert plain(Dataset.range(5).batch(2).map(lambda x: x).unbatch().batch(3)) == [[0, 1, 2], [3, 4]]
    assert plain(Dataset.range(6).batch(2).rebatch(4)) == [[0, 1, 2, 3], [4, 5]]
    ragged = Dataset.from_generator(lambda: (list(range(n)) for n in (1, 3, 2)))
    assert plain(ragged.padded_batch(2)) == [[[0, 0, 0], [0, 1, 2]], [[0, 1]]]
    assert plain(ragged.padded_batch(3, padded_shapes=[4], padding_values=-1)) == [[[0, -1, -1, -1], [0, 1, 2, -1], [0, 1, -1, -1]]]
    pairs = Dataset.from_generator(lambda: ((list(range(n)), n) for n in (1, 2)))
    assert plain(pairs.padded_batch(2, padded_shapes=([None], []))) == [([[0, 0], [0, 1]], [1, 2])]
    with pytest.raises(ValueError, match="Use `padded_batch`"):
        list(ragged.batch(2))
    with pytest.raises(ValueError, match="`padded_shapes` must hold every element"):
        list(ragged.padded_batch(3, padded_shapes=[2]))


def test_buckets():
    data = Dataset.from_generator(lambda: ([n] * n for n in (1, 5, 2, 6, 3)))
    buckets = data.bucket_by_sequence_length(len, [3], [2, 2])
    assert plain(buckets) == [[[1, 0], [2, 2]], [[5, 5, 5, 5, 5, 0], [6] * 6], [[3, 3, 3]]]
    bounded = data.bucket_by_sequence_length(len, [4], [3, 2], pad_to_bucket_boundary=True, drop_remainder=True)
    assert [tuple(x.shape) for x in bounded] == [(2, 6), (3, 3)]
    with pytest.raises(ValueError, match="one more than the 1 boundaries"):
        data.bucket_by_sequence_length(len, [3], [2])


def test_windows():
    def windows(*arguments, **more):
        return [plain(window) for window in Dataset.range(7).window(*arguments, **more)]

    assert windows(3) == [[0, 1, 2], [3, 4, 5], [6]]
    assert windows(3, shift=2, drop_remainder=True) == [[0, 1, 2], [2, 3, 4], [4, 5, 6]]
    assert windows(2, shift=1, stride=3, drop_remainder=True) == [[0, 3], [1, 4], [2, 5], [3, 6]]
    assert windows(2, shift=5) == [[0, 1], [5, 6]]
    flat = Dataset.range(5).window(2, shift=1, drop_remainder=True).flat_map(lambda window: window.batch(2))
    assert plain(flat) == [[0, 1], [1, 2], [2, 3], [3, 4]]
    a, b = next(iter(Dataset.from_tensor_slices((X, Y)).window(2)))
    assert plain(b) == [0.0, 1.0]
    assert len(plain(a)) == 2


def test_functions():
    assert plain(Dataset.from_tensor_slices((X[:2], Y[:2])).map(lambda x, y: {"sum": x.sum() + y})) == [{"sum": 1.0}, {"sum": 6.0}]
    assert plain(Dataset.range(3).map(lambda n: (n, "text", np.float32(2)))) == [(0, "text", 2.0), (1, "text", 2.0), (2, "text", 2.0)]
    assert plain(Dataset.range(50).map(lambda n: n * n, num_parallel_calls=AUTOTUNE)) == [n * n for n in range(50)]
    assert plain(Dataset.range(6).filter(lambda n: n % 2 == 1)) == [1, 3, 5]
    assert plain(Dataset.zip((Dataset.range(3), Dataset.range(9).batch(2)))) == [(0, [0, 1]), (1, [2, 3]), (2, [4, 5])]
    assert plain(Dataset.zip({"b": Dataset.range(2), "a": Dataset.range(5, 9)})) == [{"b": 0, "a": 5}, {"b": 1, "a": 6}]
    chosen = Dataset.choose_from_datasets([Dataset.range(3), Dataset.range(10, 13)], Dataset.from_tensor_slices([1, 0, 1, 1, 1, 0]))
    assert plain(chosen) == [10, 0, 11, 12]
    sampled = plain(
        Dataset.sample_from_datasets([Dataset.range(500), Dataset.range(1000, 1500)], [0.8, 0.2], seed=0, stop_on_empty_dataset=True)
    )
    assert 0.1 < np.mean(np.array(sampled) >= 1000) < 0.3
    assert plain(Dataset.range(3).apply(lambda data: data.take(1))) == [0]
    spread = Dataset.range(1, 4).interleave(lambda n: Dataset.from_tensors(n).repeat(3), cycle_length=2, block_length=2)
    assert plain(spread) == [1, 1, 2, 2, 1, 2, 3, 3, 3]
    bad = Dataset.range(4).map(lambda n: 6 // int(n)).ignore_errors()
    assert plain(bad) == [6, 3, 2]
    assert plain(Dataset.range(2) + Dataset.range(2)) == [0, 1, 0, 1]


def test_generators():
    def numbers(start, count):
        yield from ((start + i, [i] * 2) for i in range(count))

    signature = (keras.data.TensorSpec((), "float32"), keras.data.TensorSpec((2,), torch.int32))
    data = Dataset.from_generator(numbers, args=(5, 3), output_signature=signature)
    assert plain(data) == plain(data) == [(5.0, [0, 0]), (6.0, [1, 1]), (7.0, [2, 2])]
    assert [x.dtype for x in next(iter(data))] == [torch.float32, torch.int32]
    assert int(data.cardinality()) == -2
    with pytest.raises(TypeError, match="has no length"):
        len(data)
    with pytest.raises(TypeError, match="must be a function"):
        Dataset.from_generator(iter([1]))


def test_lengths_and_specs():
    data = Dataset.from_tensor_slices((X, ["a"] * 20))
    others = [data.repeat(), data.repeat(3).batch(7), data.filter(lambda *e: True), data.repeat().take(5)]
    assert [int(d.cardinality()) for d in (data, *others)] == [20, -1, 9, -2, 5]
    assert [s.shape for s in data.element_spec] == [(2,), ()]
    assert [s.shape for s in data.batch(4).prefetch(1).element_spec] == [(None, 2), (None,)]
    assert [s.dtype for s in data.batch(4, drop_remainder=True).element_spec] == [torch.float32, "string"]
    assert data.batch(4).map(lambda x, y: x).batch_size == 4
    assert repr(data.repeat()) == "<Dataset without end>"
    assert bool(data.take(0)) is True


def test_kept_elements(tmp_path):
    calls = []
    counted = Dataset.range(3).map(lambda n: calls.append(int(n)) or (n, "text"))
    cached = counted.cache()
    assert plain(cached) == plain(cached) == [(0, "text"), (1, "text"), (2, "text")]
    assert calls == [0, 1, 2]
    on_disk = counted.batch(2).cache(tmp_path / "kept")
    next(iter(on_disk))
    assert not (tmp_path / "kept").exists()  # a pass that did not end is not kept
    assert plain(on_disk) == plain(counted.batch(2).cache(tmp_path / "kept")) == [([0, 1], ["text"] * 2), ([2], ["text"])]
    counted.save(tmp_path / "saved")
    assert plain(Dataset.load(tmp_path / "saved")) == plain(counted)
    assert plain(counted.snapshot(tmp_path / "snap")) == plain(counted)
    with pytest.raises(ValueError, match="a folder that `Dataset.save` wrote"):
        Dataset.load(tmp_path / "nothing")


def test_files(tmp_path):
    for name in "cab":
        (tmp_path / f"{name}.txt").write_text(name)
    found = Dataset.list_files(str(tmp_path / "*.txt"), shuffle=False)
    assert [path[-5:] for path in found] == ["a.txt", "b.txt", "c.txt"]
    assert sorted(Dataset.list_files(str(tmp_path / "*.txt"), seed=1)) == list(found)
    with pytest.raises(ValueError, match="must match a file"):
        Dataset.list_files(str(tmp_path / "*.png"))


def test_prefetching_runs_ahead_and_ends():
    before = threading.active_count()
    seen = []
    reader = iter(Dataset.range(100).map(lambda n: seen.append(int(n)) or n).prefetch(5))
    assert int(next(reader)) == 0
    for _ in range(100):
        if len(seen) >= 5:
            break
        time.sleep(0.02)
    assert 5 <= len(seen) <= 8
    reader.close()
    assert threading.active_count() == before
    broken = Dataset.range(3).map(lambda n: 1 // int(n)).prefetch(1)
    with pytest.raises(ZeroDivisionError):
        list(broken)
    assert threading.active_count() == before


def test_loaders_and_their_workers():
    data = Dataset.range(10)
    assert sorted(int(x) for batch in DataLoader(data, batch_size=3, num_workers=2) for x in batch) == list(range(10))
    assert [batch.tolist() for batch in DataLoader(data, batch_size=4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def model():
    net = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
    net.compile(keras.optimizers.SGD(1e-4), "mse", metrics=["mae"])
    return net


def test_fit_evaluate_predict():
    data = Dataset.from_tensor_slices((X, Y)).batch(8)
    ours, arrays = model(), model()
    a = ours.fit(data, epochs=2, validation_data=data, verbose=0).history
    b = arrays.fit(X, Y, batch_size=8, epochs=2, shuffle=False, validation_data=(X, Y), validation_batch_size=8, verbose=0).history
    for key in b:
        np.testing.assert_allclose(a[key], b[key], rtol=1e-6)
    np.testing.assert_allclose(ours.evaluate(data, verbose=0), arrays.evaluate(X, Y, batch_size=8, verbose=0), rtol=1e-6)
    np.testing.assert_allclose(ours.predict(data, verbose=0), arrays.predict(X, verbose=0), rtol=1e-6)
    endless = data.repeat()
    history = model().fit(endless, epochs=2, steps_per_epoch=4, verbose=0).history
    assert len(history["loss"]) == 2
    with pytest.raises(ValueError, match="without end"):
        model().fit(endless, verbose=0)


def test_texts_reach_a_model():
    texts, labels = ["good film", "bad film"] * 8, [1.0, 0.0] * 8
    data = Dataset.from_tensor_slices((texts, np.array(labels, "float32"))).batch(4)
    vectors = keras.layers.TextVectorization(output_mode="multi_hot")
    vectors.adapt(data.map(lambda x, y: x))
    net = keras.Sequential([keras.Input((), dtype="string"), vectors, keras.layers.Dense(1, activation="sigmoid")])
    net.compile(keras.optimizers.Adam(0.1), "binary_crossentropy", metrics=["accuracy"])
    assert net.fit(data, epochs=12, verbose=0).history["accuracy"][-1] == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Dataset.from_tensor_slices((X, Y[:3])), "must be of one length"),
        (lambda: Dataset.from_tensor_slices(3), "must be arrays with rows"),
        (lambda: Dataset.range(3).batch(0), "`batch_size` must be a positive whole number"),
        (lambda: Dataset.range(3).shuffle(-3), "`buffer_size` must be a positive whole number"),
        (lambda: Dataset.range(3).shard(2, 2), "`index` must be at least 0 and less than `num_shards`"),
        (lambda: Dataset.sample_from_datasets([Dataset.range(3)], [1, 2]), "one for each of the 1 data sets"),
        (lambda: Dataset.range(3).get_single_element(), "exactly one element"),
        (lambda: list(Dataset.from_generator(lambda: [[[1], [2, 3]]])), "inhomogeneous|rectangular"),
    ],
)
def test_mistakes(call, message):
    with pytest.raises(ValueError, match=message):
        call()
