"""Going on after an interruption."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from ..distribution import rank
from .callback import Callback


class BackupAndRestore(Callback):
    """Back up weights, optimizer and epoch as training goes, and go on from there when `fit` is called again after an interruption.

    The script is started again as it is: `fit` begins with the epoch in which it was interrupted. When training ends, the backup is
    deleted. The files are Keras's, `latest.weights.h5` and `training_metadata.json`.

    Args:
        backup_dir: A folder of this callback's own.
        save_freq: `"epoch"`, or a number of batches; `False` means each, as in Keras. An epoch that is interrupted begins anew, with the
            weights of the last backup.
        double_checkpoint: Whether the backup before the last is kept too, and used where the last cannot be read.
        delete_checkpoint: Whether the backup is deleted when training ends.

    Raises:
        ValueError: If `backup_dir` is empty, or `save_freq` is neither.

    Example:

    >>> import tempfile, torchkeras
    >>> model = torchkeras.Sequential([torchkeras.Input((2,)), torchkeras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> backup = torchkeras.callbacks.BackupAndRestore(tempfile.mkdtemp())
    >>> history = model.fit([[1.0, 2.0]], [[3.0]], epochs=2, callbacks=[backup], verbose=0)
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        if not os.fspath(backup_dir):
            raise ValueError(f"`backup_dir` must name a folder. Received: backup_dir={backup_dir!r}")
        if save_freq != "epoch" and (not isinstance(save_freq, int) or (save_freq is not False and save_freq < 1)):
            raise ValueError(f"`save_freq` must be 'epoch' or a positive number of batches. Received: save_freq={save_freq!r}")
        self.backup_dir = os.fspath(backup_dir)
        self.save_freq = save_freq
        self.double_checkpoint, self.delete_checkpoint = double_checkpoint, delete_checkpoint
        self.initial_epoch: int | None = None  # where `fit` begins, once a backup has been read
        self._folder = Path(backup_dir)
        self._weights, self._metadata = self._folder / "latest.weights.h5", self._folder / "training_metadata.json"
        self._epoch = self._last_batch = self._batches = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.initial_epoch, self._batches = None, 0
        if not self._weights.exists():
            return
        try:
            self._read("")
        except (OSError, ValueError, KeyError):  # cut off, or not a file of weights
            if not _before(self._weights).exists():
                raise
            self._read(".bkp")

    def _read(self, suffix: str) -> None:
        weights, metadata = self._weights, self._metadata
        if suffix:
            weights, metadata = self._folder / "previous.weights.h5", _before(metadata)
            shutil.copyfile(_before(self._weights), weights)  # the format is told by the end of the name
        epoch = json.loads(metadata.read_text())["epoch"] if metadata.exists() else None
        optimizer = self.model.optimizer
        if hasattr(optimizer, "build") and not optimizer.built:
            optimizer.build(self.model.trainable_variables)
        self.model.load_weights(weights)
        self.initial_epoch = epoch

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch, self._last_batch = epoch, -1

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self.save_freq == "epoch":
            return
        self._batches += batch - self._last_batch
        self._last_batch = batch
        if self._batches >= int(self.save_freq):
            self._batches = 0
            self._write()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch, self._last_batch = epoch + 1, 0
        if self.save_freq == "epoch":
            self._write()

    def _write(self) -> None:
        if not rank.is_main():  # one process writes
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        if self.double_checkpoint:
            for path in (self._weights, self._metadata):
                if path.exists():
                    _replace_with(_before(path), path.read_bytes())
        self.model.save_weights(self._weights, overwrite=True)
        _replace_with(self._metadata, json.dumps({"epoch": self._epoch, "batch": max(self._last_batch, 0)}).encode())

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.initial_epoch = None
        if self.delete_checkpoint and rank.is_main() and self._folder.exists():
            shutil.rmtree(self._folder)


def _before(path: Path) -> Path:
    return path.with_name(path.name + ".bkp")


def _replace_with(path: Path, content: bytes) -> None:
    """Write a file so that it is whole at any moment."""
    beside = path.with_name(path.name + ".new")
    beside.write_bytes(content)
    os.replace(beside, path)
