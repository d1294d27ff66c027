"""`PyDataset`s in the main thread, in threads and in processes, and what generators may yield."""

import os
import threading
import time

import numpy as np
import pytest
import torch

from torchkeras.data import PyDataset, make_batches

CPU = torch.device("cpu")


class Numbers(PyDataset):
    def __init__(self, count=6, delay=0.0, **kwargs):
        super().__init__(**kwargs)
        self.count = count
        self.delay = delay
        self.epoch = 0

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        time.sleep(self.delay * (index % 2))  # even batches overtake odd ones
        return np.full((3, 1), index + 100 * self.epoch), np.full(3, os.getpid()), np.full(3, threading.get_ident() % 1000003)

    def on_epoch_end(self):
        self.epoch += 1


def firsts(batches):
    return [int(data[0][0]) for data, _ in batches]


@pytest.mark.parametrize(
    "arguments",
    [{}, {"workers": 0}, {"workers": 3}, {"workers": 3, "max_queue_size": 1}, {"workers": 2, "use_multiprocessing": True}],
)
def test_batches_come_in_order_and_state_changes_between_epochs(arguments):
    batches = make_batches(Numbers(delay=0.01, **arguments), device=CPU)
    assert batches.steps == 6
    assert firsts(batches) == [0, 1, 2, 3, 4, 5]
    assert firsts(batches) == [100, 101, 102, 103, 104, 105]


def test_threads_and_processes_are_used_when_asked_for():
    here = {os.getpid()}

    def processes(**arguments):
        return {int(data[1][0]) for data, _ in make_batches(Numbers(**arguments), device=CPU)}

    def threads(**arguments):
        return {int(data[2][0]) for data, _ in make_batches(Numbers(delay=0.01, **arguments), device=CPU)}

    assert processes() == processes(workers=2) == here
    assert not processes(workers=2, use_multiprocessing=True) & here
    assert threads() == {threading.get_ident() % 1000003}
    assert len(threads(workers=3)) == 3


def test_an_epoch_left_early_leaves_no_threads():
    for _ in make_batches(Numbers(workers=3), device=CPU):
        break
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("PyDataset")]


def test_an_error_in_a_worker_reaches_the_caller():
    class Broken(Numbers):
        def __getitem__(self, index):
            raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        firsts(make_batches(Broken(workers=2), device=CPU))


def test_shuffling_takes_whole_batches_in_another_order():
    batches = make_batches(Numbers(20), shuffle=True, seed=0, device=CPU)
    found = firsts(batches)
    assert found != sorted(found)
    assert sorted(found) == list(range(20))


def test_epoch_callbacks_are_called_around_each_epoch():
    calls = []

    class Heard(Numbers):
        def on_epoch_begin(self):
            calls.append("begin")

        def on_epoch_end(self):
            calls.append("end")

    batches = make_batches(Heard(2), device=CPU)
    batches.peek()
    assert calls == ["begin"]
    firsts(batches)
    firsts(batches)
    assert calls == ["begin", "end"] * 2


def test_an_endless_data_set_needs_steps():
    class Endless(PyDataset):
        num_batches = None

        def __getitem__(self, index):
            return np.full((1, 1), index), np.zeros(1)

    with pytest.raises(ValueError, match="`steps_per_epoch` .* must be given for a data set without end"):
        make_batches(Endless(), device=CPU)
    batches = make_batches(Endless(workers=2), steps=3, device=CPU)
    assert [firsts(batches), firsts(batches)] == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(TypeError, match="has no length"):
        len(Endless())


def test_methods_that_are_missing_are_named():
    class Bare(PyDataset):
        pass

    with pytest.raises(NotImplementedError, match="`Bare` must define `__len__`"):
        make_batches(Bare(), device=CPU)
    with pytest.raises(NotImplementedError, match="`Bare` must define `__getitem__"):
        Bare()[0]


def test_an_object_with_the_old_protocol_is_a_data_set():
    class Old:
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return np.full((2, 1), index), np.zeros(2)

        def on_epoch_end(self):
            pass

    assert firsts(make_batches(Old(), device=CPU)) == [0, 1]


def test_each_rank_takes_its_part_of_a_batch():
    parts = [list(make_batches(Numbers(2), device=CPU, rank=rank, world_size=2)) for rank in (0, 1)]
    assert [len(data[0]) for data, _ in parts[0]] == [1, 1]
    assert [len(data[0]) for data, _ in parts[1]] == [2, 2]
    assert all(size == 3 for part in parts for _, size in part)


def test_generators_may_yield_lists_of_numbers_and_nests():
    def generate():
        yield [{"a": [[1.0], [2.0]], "b": (torch.zeros(2), np.zeros(2, "float64"))}, [1, 0]]

    ((data, size),) = list(make_batches(generate(), device=CPU))
    assert isinstance(data, tuple)
    assert data[0]["a"].tolist() == [[1.0], [2.0]]
    assert data[0]["b"][1].dtype == torch.float32
    assert data[1].tolist() == [1, 0]
    assert size == 2


def test_strings_from_a_generator_are_inputs_and_no_targets():
    [((x, y), _)] = list(make_batches(iter([(["a", "b"], [1, 2])]), device=CPU))
    assert (x.tolist(), y.tolist()) == (["a", "b"], [1, 2])
    with pytest.raises(ValueError, match="`y` must hold numbers. Received strings"):
        list(make_batches(iter([([1, 2], ["a", "b"])]), device=CPU))
