"""`BackupAndRestore` against an uninterrupted run, and against real Keras's files and numbers."""

import json

import numpy as np
import pytest

import torchkeras
from tests.models.common import both
from tests.oracle import keras as oracle
from tests.training.test_fit import VALUE, X, mlp
from torchkeras.callbacks import BackupAndRestore


class Interruption(Exception):
    pass


def interrupt(k, epoch, batch=None):
    class Interrupt(k.callbacks.Callback):
        def on_epoch_begin(self, number, logs=None):
            self.epoch = number
            if batch is None and number == epoch:
                raise Interruption

        def on_train_batch_end(self, number, logs=None):
            if self.epoch == epoch and number == batch:
                raise Interruption

    return Interrupt()


def fit(k, model, folder=None, *more, epochs=5, **options):
    callbacks = [*([k.callbacks.BackupAndRestore(folder, **options)] if folder else []), *more]
    return model.fit(X, VALUE, epochs=epochs, batch_size=30, shuffle=False, verbose=0, callbacks=callbacks)


def fresh(weights=None):
    model = mlp(1)(torchkeras)
    if weights is not None:
        model.set_weights(weights)
    model.compile("adam", "mse")
    return model


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_run_that_was_interrupted_ends_as_one_that_was_not(tmp_path, shuffle):
    folder = tmp_path / "backup"
    start = fresh().get_weights()

    def run(model, *callbacks):
        torchkeras.utils.set_random_seed(4)
        return model.fit(X, VALUE, epochs=5, batch_size=30, shuffle=shuffle, verbose=0, callbacks=list(callbacks))

    whole = fresh(start)
    expected = run(whole)
    with pytest.raises(Interruption):
        run(fresh(start), BackupAndRestore(folder), interrupt(torchkeras, 3))
    resumed = fresh()
    history = run(resumed, BackupAndRestore(folder))
    assert history.epoch == [3, 4] and history.history["loss"] == pytest.approx(expected.history["loss"][3:], rel=1e-6)
    assert int(resumed.optimizer.iterations) == int(whole.optimizer.iterations) == 15
    for a, b in zip(resumed.get_weights(), whole.get_weights()):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    assert not folder.exists()  # training has ended


@pytest.mark.parametrize(("save_freq", "stop"), [("epoch", (2, None)), (2, (1, 2)), (1, (0, 1)), (False, (2, 1))])
def test_files_and_numbers_are_those_of_keras(tmp_path, save_freq, stop):
    results = []
    for k, model in zip((torchkeras, oracle), both(mlp(1))):
        folder = tmp_path / k.__name__
        weights = model.get_weights()
        model.compile("sgd", "mse")
        with pytest.raises(Interruption):
            fit(k, model, folder, interrupt(k, *stop), save_freq=save_freq)
        files = {p.name for p in folder.iterdir()} if folder.exists() else set()
        metadata = json.loads((folder / "training_metadata.json").read_text()) if files else None
        model.set_weights(weights)
        model.compile("sgd", "mse")
        history = fit(k, model, folder, save_freq=save_freq, delete_checkpoint=False)
        results.append((files, metadata and metadata["epoch"], history.epoch, history.history["loss"], model))
    (*ours, losses, our_model), (*theirs, their_losses, their_model) = results
    assert ours == theirs
    np.testing.assert_allclose(losses, their_losses, rtol=1e-4)
    for a, b in zip(our_model.get_weights(), their_model.get_weights()):
        np.testing.assert_allclose(a, np.asarray(b), rtol=1e-4, atol=1e-6)


def test_keras_goes_on_with_our_backup(tmp_path):
    ours, theirs = both(mlp(1))
    for model in (ours, theirs):
        model.compile("adam", "mse")
    expected = fit(torchkeras, fresh(ours.get_weights())).history["loss"]
    with pytest.raises(Interruption):
        fit(torchkeras, ours, str(tmp_path), interrupt(torchkeras, 3))
    history = fit(oracle, theirs, str(tmp_path))
    assert history.epoch == [3, 4]
    np.testing.assert_allclose(history.history["loss"], expected[3:], rtol=1e-4)


def test_a_backup_that_cannot_be_read_gives_way_to_the_one_before(tmp_path):
    model = fresh()
    with pytest.raises(Interruption):
        fit(torchkeras, model, tmp_path, interrupt(torchkeras, 3), double_checkpoint=True)
    (tmp_path / "latest.weights.h5").write_bytes(b"cut off")
    assert fit(torchkeras, fresh(), tmp_path, double_checkpoint=True).epoch == [2, 3, 4]


def test_an_interrupted_epoch_after_a_restart_keeps_its_number(tmp_path):
    with pytest.raises(Interruption):
        fit(torchkeras, fresh(), tmp_path, interrupt(torchkeras, 3), save_freq=1)
    with pytest.raises(Interruption):
        fit(torchkeras, fresh(), tmp_path, interrupt(torchkeras, 3, batch=0), save_freq=1)
    assert fit(torchkeras, fresh(), tmp_path, save_freq=1).epoch == [3, 4]


@pytest.mark.parametrize(("arguments", "message"), [(("",), "`backup_dir` must name"), (("x", "batch"), "`save_freq` must be 'epoch'")])
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        BackupAndRestore(*arguments)
