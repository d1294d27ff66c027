"""Writing what TensorBoard shows."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..distribution import rank
from .callback import Callback
from .schedule import learning_rate_of


class TensorBoard(Callback):
    """Write logs, weights and the graph of the model for TensorBoard (`tensorboard --logdir logs`).

    Scalars are called `epoch_loss` and the like, those of batches `batch_loss`, those of evaluations `evaluation_loss_vs_iterations`;
    they lie in the folders `train` and `validation`. Needs the extra `tensorboard`.

    Args:
        log_dir: The folder.
        histogram_freq: Every how many epochs histograms of the weights are written; 0 for none.
        write_graph: Whether the graph of a Functional or Sequential model is written.
        write_images: Whether weights are written as images too, as often as histograms.
        write_steps_per_second: Whether the speed is written.
        update_freq: `"batch"`, `"epoch"`, or every how many batches the logs of batches are written.
        profile_batch: The batch, or the first and the last, that `torch.profiler` records; 0 for none.
        embeddings_freq: Every how many epochs the weights of Embedding layers are written for the projector; 0 for none.
        embeddings_metadata: The name of a file of labels for all Embedding layers, or a dict by layer name.

    Raises:
        ImportError: If the extra is not installed.
        ValueError: If `update_freq`, `profile_batch` or a layer's name is none of these.

    >>> isinstance(keras.callbacks.TensorBoard(), keras.callbacks.Callback)
    True
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: str | int = "epoch",
        profile_batch: int | str | Sequence[int] = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: str | dict[str, str] | None = None,
    ) -> None:
        super().__init__()
        update_freq = 1 if update_freq == "batch" else update_freq
        if update_freq != "epoch" and (not isinstance(update_freq, int) or update_freq < 1):
            raise ValueError(f"`update_freq` must be 'batch', 'epoch' or a positive integer. Received: update_freq={update_freq!r}")
        self.log_dir = os.fspath(log_dir)
        self.histogram_freq, self.write_graph, self.write_images = histogram_freq, write_graph, write_images
        self.write_steps_per_second, self.update_freq = write_steps_per_second, update_freq
        self.embeddings_freq, self.embeddings_metadata = embeddings_freq, embeddings_metadata
        self._first, self._last = _batches(profile_batch)
        self._writers: dict[str, Any] = {}
        self._profiler: Any = None
        self._train_batch = self._test_batch = 0
        self._drawn: Any = None

    # -- what is written ---------------------------------------------------------------------------------------------------------------

    def _writer(self, part: str) -> Any:
        if part not in self._writers:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                raise ImportError("TensorBoard needs the package `tensorboard`. Install it with `pip install tensorboard`.") from error
            self._writers[part] = SummaryWriter(str(Path(self.log_dir) / part))
        return self._writers[part]

    def _scalars(self, part: str, names: str, logs: dict[str, Any] | None, step: int) -> None:
        for name, value in (logs or {}).items():
            for key, number in _numbers(name, value):
                self._writer(part).add_scalar(names.format(key), number, step)

    def _graph(self) -> None:
        """The model's config, which TensorBoard draws as the "Keras" graph."""
        from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
        from tensorboard.util.tensor_util import make_tensor_proto

        metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="graph_keras_model", content=b"1"))
        value = Summary.Value(tag="keras", metadata=metadata, tensor=make_tensor_proto(self.model.to_json()))
        self._writer("train").file_writer.add_summary(Summary(value=[value]), 0)

    def _weights(self, epoch: int) -> None:
        writer = self._writer("train")
        for layer in self.model.layers:
            for weight in layer.weights:
                value = np.asarray(weight.numpy(), dtype="float32")
                writer.add_histogram(f"{weight.path}/histogram", value, epoch)
                image = _as_images(value) if self.write_images else None
                if image is not None:
                    writer.add_images(f"{weight.path}/image", image, epoch, dataformats="NHWC")
        writer.flush()

    def _embeddings(self, epoch: int) -> None:
        from tensorboard.plugins.projector import ProjectorConfig

        folder, projector = Path(self.log_dir), ProjectorConfig()
        metadata = self.embeddings_metadata
        layers = {layer.name: layer for layer in self.model.layers if type(layer).__name__ == "Embedding"}
        unknown = [name for name in metadata if name not in layers] if isinstance(metadata, dict) else []
        if unknown:
            raise ValueError(f"`embeddings_metadata` names {unknown[0]!r}, which is no Embedding layer of the model: {list(layers)}")
        for name, layer in layers.items():
            file = f"{name}-{epoch}.tsv"
            np.savetxt(folder / file, np.asarray(layer.embeddings.numpy(), dtype="float32"), delimiter="\t")
            entry = projector.embeddings.add(tensor_name=layer.embeddings.path, tensor_path=file)
            labels = metadata.get(name) if isinstance(metadata, dict) else metadata
            if labels:
                entry.metadata_path = os.fspath(labels)
        (folder / "projector_config.pbtxt").write_text(str(projector))

    # -- hooks -------------------------------------------------------------------------------------------------------------------------

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._train_batch = 0
        draws = self.write_graph and getattr(self.model, "get_config", None) is not None
        if rank.is_main() and draws and type(self.model).__name__ in ("Functional", "Sequential") and self._drawn is not self.model:
            self._drawn = self.model
            self._graph()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._stop_profiler()
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch_start, self._batches_before = time.perf_counter(), self._train_batch

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if not rank.is_main():
            return
        logs = logs or {}
        train = {name: value for name, value in logs.items() if not name.startswith("val_")}
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        if hasattr(optimizer, "optimizers"):
            train.update({f"learning_rate_{each.name}": learning_rate_of(each) for each in optimizer.optimizers})
        else:
            train["learning_rate"] = learning_rate_of(optimizer)
        if self.write_steps_per_second:
            train["steps_per_second"] = (self._train_batch - self._batches_before) / (time.perf_counter() - self._epoch_start)
        self._scalars("train", "epoch_{}", train, epoch)
        self._scalars("validation", "epoch_{}", {k[4:]: v for k, v in logs.items() if k.startswith("val_")}, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._weights(epoch)
        if self.embeddings_freq and epoch % self.embeddings_freq == 0:
            self._embeddings(epoch)
        for writer in self._writers.values():
            writer.flush()

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._train_batch += 1
        self._batch_start = time.perf_counter()
        if self._last and self._train_batch == self._first and rank.is_main():
            folder = str(Path(self.log_dir) / "train" / "plugins" / "profile")
            self._profiler = torch.profiler.profile(on_trace_ready=torch.profiler.tensorboard_trace_handler(folder))
            self._profiler.start()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self._train_batch >= self._last:
            self._stop_profiler()
        if isinstance(self.update_freq, str) or self._train_batch % self.update_freq or not rank.is_main():
            return
        if self.write_steps_per_second:
            speed = 1 / max(time.perf_counter() - self._batch_start, 1e-9)
            self._writer("train").add_scalar("batch_steps_per_second", speed, self._train_batch)
        self._scalars("train", "batch_{}", logs, self._train_batch)

    def _stop_profiler(self) -> None:
        if self._profiler is not None:
            self._profiler.stop()
            self._profiler = None

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        iterations = getattr(self.model.optimizer, "iterations", None)
        if iterations is not None and rank.is_main():
            self._scalars("validation", "evaluation_{}_vs_iterations", logs, int(iterations))
            self._writer("validation").flush()


def _batches(profile_batch: Any) -> tuple[int, int]:
    """The first and the last batch of what `profile_batch` says."""
    parts = profile_batch.split(",") if isinstance(profile_batch, str) else profile_batch
    try:
        found = [int(part) for part in parts] if isinstance(parts, (list, tuple)) else [int(parts)]
    except (TypeError, ValueError):
        found = []
    if len(found) not in (1, 2) or found[0] < 0 or found[-1] < found[0]:
        raise ValueError(f"`profile_batch` must be a batch or a pair of a first and a last. Received: profile_batch={profile_batch!r}")
    return found[0], found[-1]


def _numbers(name: str, value: Any) -> list[tuple[str, float]]:
    """A log as scalars: each entry of one that holds several numbers by its place."""
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        return []
    return [(name, float(array))] if array.ndim == 0 else [(f"{name}_{i}", float(number)) for i, number in enumerate(array.ravel())]


def _as_images(value: np.ndarray) -> np.ndarray | None:
    """A weight as images `(count, height, width, channels)`, scaled to 0 to 1; `None` where it has too many axes."""
    value = np.squeeze(value)
    if value.ndim == 1:
        value = value[None, :, None, None]
    elif value.ndim == 2:
        value = (value.T if value.shape[0] > value.shape[1] else value)[None, :, :, None]
    elif value.ndim == 3:
        value = np.transpose(value, (2, 0, 1))[..., None]
    if value.ndim != 4 or value.shape[-1] not in (1, 3, 4):
        return None
    low, high = float(value.min()), float(value.max())
    return (value - low) / (high - low or 1.0)
