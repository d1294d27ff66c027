"""The public attributes of objects: what programs read of Keras's is there, before and after build, compile and fit."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import torchkeras as mine
from tests.oracle import keras

X = np.random.default_rng(0).random((8, 6)).astype("float32")
Y = X[:, :2]

# Names that Keras 3.15.1 has and this library answers otherwise, each with why.
ELSEWHERE = {
    "adam_velocities", "momentums",  # lists of one optimizer's slots: `optimizer.variables` has them
    "backend", "convert_weight", "torch_params",  # of Keras's own backends
    "bounding_box_format", "get_random_transformation", "height_axis", "transform_bounding_boxes", "transform_images", "transform_labels",
    "transform_segmentation_masks", "transform_single_bounding_box", "transform_single_image", "transform_single_label",
    "transform_single_segmentation_mask", "width_axis",  # how Keras's image layers share code
    "export", "get_quantization_layer_structure", "quantize", "quantized_build", "quantized_call", "variable_serialization_spec",
    "feature_dim", "kernel_shape", "noise_shape", "output_dtype", "summary",  # how one layer works inside
}  # fmt: skip

ARGUMENTS: dict[str, Any] = {
    "Activation": ("relu",), "AlphaDropout": (0.5,), "CategoryEncoding": (5,), "CenterCrop": (4, 4), "Conv1D": (2, 2), "Conv2D": (2, 2),
    "Conv3D": (2, 2), "Conv1DTranspose": (2, 2), "Conv2DTranspose": (2, 2), "ConvLSTM1D": (2, 2), "Cropping1D": (1,), "Dense": (2,),
    "DepthwiseConv2D": (2,), "Dot": (1,),
    "Discretization": ([0.0, 1.0],), "Dropout": (0.5,), "EinsumDense": ("ab,bc->ac", 2), "Embedding": (5, 2),
    "GRU": (2,), "GRUCell": (2,), "GaussianDropout": (0.1,), "GaussianNoise": (0.1,), "GroupNormalization": (2,),
    "GroupQueryAttention": (2, 2, 1), "LSTM": (2,), "LSTMCell": (2,), "MultiHeadAttention": (2, 2), "Permute": ((1,),),
    "RepeatVector": (2,), "Rescaling": (0.5,), "Reshape": ((3, 2),), "Resizing": (4, 4), "SeparableConv2D": (2, 2), "SimpleRNN": (2,),
    "SimpleRNNCell": (2,), "SpatialDropout1D": (0.5,), "UpSampling2D": (2,), "ZeroPadding2D": (1,),
}  # fmt: skip
WITHOUT = ("Average", "Add", "BatchNormalization", "Concatenate", "ELU", "Flatten", "GlobalAveragePooling1D", "GlobalMaxPooling2D",
           "Identity", "LayerNormalization", "LeakyReLU", "Masking", "MaxPooling2D", "Multiply", "Normalization", "PReLU",
           "RMSNormalization", "ReLU", "Softmax", "UnitNormalization")  # fmt: skip
SHAPES = [(2, 6), (2, 5, 6), (2, 8, 8, 6), (2, 4, 4, 4, 6)]
METRICS: dict[str, Any] = {
    "IoU": (3, [0]), "MeanIoU": (3,), "OneHotIoU": (3, [0]), "OneHotMeanIoU": (3,), "PrecisionAtRecall": (0.5,),
    "RecallAtPrecision": (0.5,),
    "SparseTopKCategoricalAccuracy": (2,), "TopKCategoricalAccuracy": (2,), "SensitivityAtSpecificity": (0.5,),
    "SpecificityAtSensitivity": (0.5,),
}  # fmt: skip
CALLBACKS: dict[str, Any] = {
    "CSVLogger": ("log.csv",), "EarlyStopping": (), "History": (), "LambdaCallback": (), "LearningRateScheduler": (lambda epoch: 0.1,),
    "ModelCheckpoint": ("model.keras",), "ProgbarLogger": (), "ReduceLROnPlateau": (), "TerminateOnNaN": (),
}  # fmt: skip


def missing(make: Callable[[Any], Any]) -> set[str]:
    """The public names that Keras's object has a value for and ours lacks."""
    ours, theirs = make(mine), make(keras)
    return {n for n in dir(theirs) if n[:1] != "_" and n not in ELSEWHERE and hasattr(theirs, n) and not hasattr(ours, n)}


def _layer(k: Any, name: str) -> Any:
    return getattr(k.layers, name)(*ARGUMENTS.get(name, ()))


@pytest.mark.parametrize("name", [*ARGUMENTS, *WITHOUT])
def test_layers(name: str) -> None:
    assert not missing(lambda k: _layer(k, name))


@pytest.mark.parametrize("name", [*ARGUMENTS, *WITHOUT])
def test_called_layers(name: str) -> None:
    def call(k: Any) -> Any:
        for shape in SHAPES:
            layer = _layer(k, name)
            x = np.ones(shape, "float32")
            try:
                layer(x, x) if "Attention" in name else layer([x, x]) if name in ("Add", "Average", "Dot", "Multiply") else layer(x)
            except Exception:  # noqa: BLE001  # another rank is due
                continue
            return layer
        return _layer(k, name)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert not missing(call)


def _model(k: Any, kind: str) -> Any:
    if kind == "sequential":
        return k.Sequential([k.Input((6,)), k.layers.Dense(2)])
    if kind == "functional":
        x = k.Input((6,))
        return k.Model(x, k.layers.Dense(2)(x))

    class Subclassed(k.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = k.layers.Dense(2)

        def call(self, x: Any, training: Any = None) -> Any:
            return self.dense(x)

    return Subclassed()


@pytest.mark.parametrize("kind", ["sequential", "functional", "subclassed"])
@pytest.mark.parametrize("stage", ["made", "compiled", "fitted", "optimizer"])
def test_models(kind: str, stage: str) -> None:
    def make(k: Any) -> Any:
        model = _model(k, kind)
        if stage != "made":
            model.compile("adam", "mse", metrics=["mae"])
        if stage in ("fitted", "optimizer"):
            model.fit(X, Y, verbose=0)
        return model.optimizer if stage == "optimizer" else model

    assert not missing(make)


@pytest.mark.parametrize(
    "name", ["Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl", "Lamb", "Lion", "Muon", "Nadam", "RMSprop", "SGD"]
)
def test_optimizers(name: str) -> None:
    def make(k: Any) -> Any:
        optimizer, variable = getattr(k.optimizers, name)(), k.Variable(np.ones((3, 2), "float32"))
        optimizer.build([variable])
        optimizer.apply([torch.ones(3, 2)], [variable])
        return optimizer

    assert not missing(make)


_NAMES = [n for n in dir(keras.metrics) if n[0].isupper() and n not in ("Metric", "MeanMetricWrapper")]


@pytest.mark.parametrize("name", _NAMES)
def test_metrics(name: str) -> None:
    y, p = np.eye(3, dtype="float32"), np.full((3, 3), 0.5, "float32")

    def make(k: Any) -> Any:
        metric = getattr(k.metrics, name)(*METRICS.get(name, ()))
        if name in ("Mean", "Sum"):
            metric.update_state(y)
        elif "Sparse" in name or name in ("IoU", "MeanIoU"):
            metric.update_state(np.arange(3), p if "Sparse" in name else np.arange(3))
        else:
            metric.update_state(y, p)
        return metric

    assert not missing(lambda k: getattr(k.metrics, name)(*METRICS.get(name, ())))
    assert not missing(make)


@pytest.mark.parametrize("name", [n for n in dir(keras.losses) if n[0].isupper()])
def test_losses(name: str) -> None:
    assert not missing(lambda k: getattr(k.losses, name)())


@pytest.mark.parametrize("name", CALLBACKS)
def test_callbacks(name: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def make(k: Any) -> Any:
        callback, model = getattr(k.callbacks, name)(*CALLBACKS[name]), _model(k, "sequential")
        model.compile("adam", "mse", metrics=["mae"])
        model.fit(X, Y, validation_data=(X, Y), callbacks=[callback], verbose=0)
        return callback

    assert not missing(make)


def test_values_before_and_after_build() -> None:
    def read(k: Any) -> list[Any]:
        norm, pool, iou, mean_iou = k.layers.BatchNormalization(), k.layers.AveragePooling1D(2), k.metrics.IoU(3, [0]), k.metrics.MeanIoU(3)
        found: list[Any] = [norm.moving_mean, norm.moving_variance, norm.gamma, norm.beta, pool.pool_mode, pool.built, norm.built]
        norm.build((None, 3))
        iou.update_state([0, 1, 2], [0, 1, 1])
        found += [tuple(norm.moving_mean.shape), np.asarray(k.ops.convert_to_numpy(iou.total_cm)).tolist(), iou.target_class_ids]
        found += [list(mean_iou.target_class_ids), isinstance(mean_iou, k.metrics.IoU), k.layers.Reshape((2,)).built]
        for layer in (
            k.layers.Dense(3),
            k.layers.LSTM(2),
            k.layers.Dropout(0.1),
            k.layers.MultiHeadAttention(1, 2),
            _model(k, "subclassed"),
        ):
            found.append(layer.call_signature_parameters)
        for kind in ("sequential", "functional", "subclassed"):
            spec = _model(k, kind).input_spec
            found.append([(tuple(s.shape), s.ndim, s.allow_last_axis_squeeze, s.optional) for s in spec] if spec else spec)
        return found

    assert read(mine) == read(keras)
