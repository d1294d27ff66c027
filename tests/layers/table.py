"""The one table of layers: how each is made and what it is called on. It drives `test_conformance.py`; add a row for every new layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Row:
    """One way to make and call a layer.

    Args:
        layer: Its name in `keras.layers`.
        arguments: Constructor arguments, or a function of the `layers` module (this library's or Keras's) that gives them.
        shapes: The shape of the input with its batch axis, or a list of shapes for a layer over a list of inputs.
        variant: What tells this row from others of the layer.
        high: Inputs are whole numbers below it; normal numbers without it.
        mask: The shape of a mask to pass with the input (the first input of a list).
        random: Whether training draws random numbers, so that only inference is compared.
        spread: Whether a list of inputs is several arguments.
        parity: Whether real Keras on its torch backend can do it, so that the two are compared.
    """

    layer: str
    arguments: dict[str, Any] | Callable[[Any], dict[str, Any]]
    shapes: Any
    variant: str = ""
    high: int | None = None
    mask: tuple[int, ...] | None = None
    random: bool = False
    spread: bool = False
    parity: bool = True

    @property
    def id(self) -> str:
        return f"{self.layer}-{self.variant}" if self.variant else self.layer

    @property
    def many(self) -> bool:
        return isinstance(self.shapes, list)

    def make(self, layers: Any, **kwargs: Any) -> Any:
        arguments = self.arguments(layers) if callable(self.arguments) else self.arguments
        return getattr(layers, self.layer)(**{"name": "the_layer", **arguments, **kwargs})

    def inputs(self, seed: int = 0) -> Any:
        rng = np.random.default_rng(seed)
        arrays = [self._array(rng, shape) for shape in (self.shapes if self.many else [self.shapes])]
        return arrays if self.many else arrays[0]

    def _array(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        if self.high is not None:
            return rng.integers(0, self.high, shape).astype("int32")
        return rng.normal(size=shape).astype("float32")

    def call(self, layer: Any, inputs: Any, **kwargs: Any) -> Any:
        return layer(*inputs, **kwargs) if self.spread else layer(inputs, **kwargs)

    def mask_array(self) -> np.ndarray | None:
        if self.mask is None:
            return None
        mask = np.random.default_rng(1).random(self.mask) < 0.6
        mask[..., 0] = True
        return mask


SEQUENCE, IMAGE, VOLUME = (3, 9, 4), (3, 8, 7, 4), (2, 5, 6, 5, 2)
FIRST = {1: (3, 4, 9), 2: (3, 4, 8, 7), 3: (2, 2, 5, 6, 5)}
LAST = {1: SEQUENCE, 2: IMAGE, 3: VOLUME}


def _both_formats(layer: str, rank: int, arguments: dict[str, Any], variant: str = "", steps: int = 0, **kwargs: Any) -> list[Row]:
    last, first = ((s[0], steps, *s[1:]) if steps else s for s in (LAST[rank], FIRST[rank]))
    return [
        Row(layer, arguments, last, variant, **kwargs),
        Row(layer, {**arguments, "data_format": "channels_first"}, first, f"{variant}-first".strip("-"), **kwargs),
    ]


_CORE = [
    Row("Dense", {"units": 5, "activation": "relu"}, (3, 4)),
    Row("Dense", {"units": 5, "use_bias": False, "kernel_regularizer": "l2", "activation": "softmax"}, (3, 6, 4), "regularized"),
    Row("Dense", {"units": 5, "lora_rank": 2}, (3, 4), "lora"),
    Row("Activation", {"activation": "tanh"}, (3, 4)),
    Row("Embedding", {"input_dim": 7, "output_dim": 3}, (3, 5), high=7),
    Row("Embedding", {"input_dim": 7, "output_dim": 3, "mask_zero": True}, (3, 5), "masked", high=7),
    Row("Embedding", {"input_dim": 7, "output_dim": 3, "lora_rank": 2}, (3, 5), "lora", high=7),
    Row("ReversibleEmbedding", {"input_dim": 7, "output_dim": 3, "mask_zero": True}, (3, 5), high=7),
    Row("ReversibleEmbedding", {"input_dim": 7, "output_dim": 3, "tie_weights": False, "logit_soft_cap": 2.0}, (3, 5), "untied", high=7),
    Row("Identity", {}, (3, 4)),
    Row("Masking", {"mask_value": 0.0}, (3, 5, 2), high=2),
    Row("EinsumDense", {"equation": "abc,cd->abd", "output_shape": (None, 5), "bias_axes": "d", "activation": "relu"}, (3, 6, 4)),
    Row("EinsumDense", {"equation": "...x,xy->...y", "output_shape": 5, "bias_axes": "y"}, (3, 6, 4), "left"),
    Row("EinsumDense", {"equation": "ab...,bcd->acd...", "output_shape": (2, 5), "bias_axes": "cd"}, (3, 4, 6), "right"),
    Row("EinsumDense", {"equation": "abc,cde->abde", "output_shape": (None, 2, 5), "lora_rank": 2}, (3, 6, 4), "lora"),
]

_CONV = [
    *_both_formats("Conv1D", 1, {"filters": 6, "kernel_size": 3, "activation": "tanh"}),
    *_both_formats("Conv1D", 1, {"filters": 6, "kernel_size": 2, "padding": "causal", "dilation_rate": 2}, "causal"),
    *_both_formats("Conv2D", 2, {"filters": 6, "kernel_size": 3}),
    *_both_formats("Conv2D", 2, {"filters": 6, "kernel_size": 3, "padding": "same", "use_bias": False}, "same"),
    *_both_formats("Conv2D", 2, {"filters": 6, "kernel_size": (2, 4), "padding": "same"}, "even"),
    *_both_formats("Conv2D", 2, {"filters": 6, "kernel_size": 3, "strides": 2, "padding": "same", "groups": 2}, "strided"),
    *_both_formats("Conv2D", 2, {"filters": 6, "kernel_size": (2, 3), "dilation_rate": (1, 2), "padding": "SAME"}, "dilated"),
    Row("Conv2D", {"filters": 6, "kernel_size": 3, "lora_rank": 2, "lora_alpha": 3.0}, IMAGE, "lora"),
    *_both_formats("Conv3D", 3, {"filters": 4, "kernel_size": (2, 3, 1), "strides": (1, 2, 1), "padding": "same"}),
    *_both_formats("Conv1DTranspose", 1, {"filters": 6, "kernel_size": 3, "strides": 2, "padding": "same"}),
    *_both_formats("Conv2DTranspose", 2, {"filters": 6, "kernel_size": 3, "strides": 2, "padding": "same"}),
    *_both_formats("Conv2DTranspose", 2, {"filters": 6, "kernel_size": (2, 3), "strides": (3, 2)}, "valid"),
    Row("Conv2DTranspose", {"filters": 6, "kernel_size": 3, "strides": 3, "output_padding": 1}, IMAGE, "extra"),
    Row("Conv2DTranspose", {"filters": 6, "kernel_size": 4, "strides": 2, "padding": "same"}, IMAGE, "even"),
    Row("Conv2DTranspose", {"filters": 6, "kernel_size": 3, "dilation_rate": 2, "padding": "same"}, IMAGE, "dilated"),
    *_both_formats("Conv3DTranspose", 3, {"filters": 4, "kernel_size": 2, "strides": 2}),
    *_both_formats("DepthwiseConv1D", 1, {"kernel_size": 3, "depth_multiplier": 2, "padding": "same"}),
    *_both_formats("DepthwiseConv2D", 2, {"kernel_size": 3, "depth_multiplier": 2, "strides": 2, "padding": "same"}),
    Row("DepthwiseConv2D", {"kernel_size": 3, "dilation_rate": 2, "activation": "relu"}, IMAGE, "dilated"),
    *_both_formats("SeparableConv1D", 1, {"filters": 5, "kernel_size": 3, "depth_multiplier": 2}),
    *_both_formats("SeparableConv2D", 2, {"filters": 5, "kernel_size": 3, "strides": 2, "padding": "same"}),
]

_POOLING = [
    row
    for rank in (1, 2, 3)
    for row in [
        *_both_formats(f"MaxPooling{rank}D", rank, {"pool_size": 2}),
        *_both_formats(f"MaxPooling{rank}D", rank, {"pool_size": 3, "strides": 2, "padding": "same"}, "same"),
        *_both_formats(f"AveragePooling{rank}D", rank, {"pool_size": 2}),
        *_both_formats(f"AveragePooling{rank}D", rank, {"pool_size": 3, "strides": 1, "padding": "same"}, "same"),
        *_both_formats(f"GlobalMaxPooling{rank}D", rank, {}),
        *_both_formats(f"GlobalAveragePooling{rank}D", rank, {"keepdims": True}),
        *_both_formats(f"AdaptiveAveragePooling{rank}D", rank, {"output_size": 2}),
        *_both_formats(f"AdaptiveMaxPooling{rank}D", rank, {"output_size": 2}),
    ]
] + [Row("GlobalAveragePooling1D", {}, SEQUENCE, "masked", mask=(3, 9))]

_NORMALIZATION = [
    Row("BatchNormalization", {"momentum": 0.9}, (16, 4)),
    Row("BatchNormalization", {"momentum": 0.9}, SEQUENCE, "sequence"),
    Row("BatchNormalization", {"momentum": 0.9}, IMAGE, "image"),
    Row("BatchNormalization", {"momentum": 0.9, "axis": 1, "scale": False}, FIRST[2], "first"),
    Row("BatchNormalization", {"momentum": 0.9, "axis": 2, "center": False}, IMAGE, "middle"),
    Row("BatchNormalization", {"momentum": 0.9}, VOLUME, "volume"),
    Row("BatchNormalization", {"momentum": 0.9}, SEQUENCE, "masked", mask=(3, 9)),
    Row("BatchNormalization", {"momentum": 0.9}, (1, 4), "one-sample"),
    Row("BatchNormalization", {"renorm": True, "renorm_clipping": {"rmin": 0.5, "rmax": 2.0, "dmax": 1.0}}, IMAGE, "renorm"),
    Row("BatchNormalization", {"trainable": False}, IMAGE, "frozen"),
    Row("LayerNormalization", {}, (3, 4)),
    Row("LayerNormalization", {"axis": [1, 2], "center": False}, SEQUENCE, "last-two"),
    Row("LayerNormalization", {"axis": 1}, IMAGE, "first", parity=False),
    Row("LayerNormalization", {"axis": [1, 3], "scale": False}, IMAGE, "apart"),
    Row("GroupNormalization", {"groups": 2}, IMAGE),
    Row("GroupNormalization", {"groups": -1, "axis": 1}, FIRST[2], "instance"),
    Row("RMSNormalization", {}, (3, 4)),
    Row("RMSNormalization", {"axis": 1}, SEQUENCE, "first", parity=False),
    Row("SpectralNormalization", lambda m: {"layer": m.Dense(5, name="a"), "power_iterations": 3}, (3, 4)),
    Row("SpectralNormalization", lambda m: {"layer": m.Conv2D(5, 3, name="a")}, IMAGE, "image"),
    Row("UnitNormalization", {}, (3, 4)),
    Row("UnitNormalization", {"axis": [1, 2]}, SEQUENCE, "two"),
]

_REGULARIZATION = [
    Row("Dropout", {"rate": 0.5}, (3, 4), random=True),
    Row("Dropout", {"rate": 0.5, "noise_shape": (None, 1, 4), "seed": 3}, SEQUENCE, "noise-shape", random=True),
    Row("Dropout", {"rate": 0.0}, (3, 4), "zero"),
    Row("SpatialDropout1D", {"rate": 0.5}, SEQUENCE, random=True),
    Row("SpatialDropout2D", {"rate": 0.5, "seed": 3}, IMAGE, random=True),
    Row("SpatialDropout2D", {"rate": 0.5, "data_format": "channels_first"}, FIRST[2], "first", random=True),
    Row("SpatialDropout3D", {"rate": 0.5}, VOLUME, random=True),
    Row("GaussianNoise", {"stddev": 0.5}, (3, 4), random=True),
    Row("GaussianNoise", {"stddev": 0.5, "seed": 3}, (3, 4), "seed", random=True),
    Row("GaussianDropout", {"rate": 0.5}, (3, 4), random=True),
    Row("AlphaDropout", {"rate": 0.5, "seed": 3}, (3, 4), random=True),
    Row("ActivityRegularization", {"l1": 0.1, "l2": 0.2}, (3, 4)),
]

_RESHAPING = [
    Row("Flatten", {}, IMAGE),
    Row("Flatten", {"data_format": "channels_first"}, FIRST[2], "first"),
    Row("Reshape", {"target_shape": (2, -1)}, SEQUENCE),
    Row("Permute", {"dims": (3, 1, 2)}, IMAGE),
    Row("RepeatVector", {"n": 3}, (3, 4)),
    *_both_formats("ZeroPadding1D", 1, {"padding": (1, 2)}),
    *_both_formats("ZeroPadding2D", 2, {"padding": ((1, 2), (0, 3))}),
    Row("ZeroPadding2D", {}, IMAGE, "default"),
    *_both_formats("ZeroPadding3D", 3, {"padding": (1, 0, 2)}),
    Row("Cropping1D", {"cropping": (1, 2)}, SEQUENCE),
    *_both_formats("Cropping2D", 2, {"cropping": ((1, 0), (0, 2))}),
    *_both_formats("Cropping3D", 3, {"cropping": 1}),
    Row("UpSampling1D", {"size": 3}, SEQUENCE),
    *_both_formats("UpSampling2D", 2, {"size": (2, 3)}),
    *_both_formats("UpSampling2D", 2, {"size": 2, "interpolation": "bilinear"}, "bilinear"),
    Row("UpSampling2D", {"interpolation": "bicubic"}, IMAGE, "bicubic"),
    *_both_formats("UpSampling3D", 3, {"size": 2}),
]

_TWO = [(3, 5, 4), (3, 5, 4)]
_MERGING = [
    *(Row(name, {}, [*_TWO, (3, 5, 4)]) for name in ("Add", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")),
    Row("Subtract", {}, _TWO),
    Row("Add", {}, [(3, 5, 4), (3, 1, 4), (3, 4)], "broadcast"),
    Row("Concatenate", {"axis": 1}, [(3, 2, 4), (3, 5, 4)], "axis"),
    Row("Dot", {"axes": 1}, [(3, 4), (3, 4)]),
    Row("Dot", {"axes": -1, "normalize": True}, [(3, 5, 4), (3, 6, 4)], "cosine"),
    Row("Dot", {"axes": (1, 2)}, [(3, 4, 5), (3, 6, 4)], "two"),
    Row("Dot", {"axes": (2, 1)}, [(3, 5, 4), (3, 4)], "vector"),
]

_ACTIVATION = [
    Row("ReLU", {}, (3, 4)),
    Row("ReLU", {"max_value": 1.0, "negative_slope": 0.1, "threshold": 0.2}, (3, 4), "bent"),
    Row("LeakyReLU", {}, (3, 4)),
    Row("ELU", {"alpha": 0.5}, (3, 4)),
    Row("PReLU", {"alpha_initializer": "uniform"}, (3, 4)),
    Row("PReLU", {"alpha_initializer": "uniform", "shared_axes": [1, 2]}, IMAGE, "shared"),
    Row("Softmax", {}, (3, 4)),
    Row("Softmax", {"axis": [1, 2]}, SEQUENCE, "two"),
    Row("Softmax", {}, (3, 4), "masked", mask=(3, 4)),
]

_RECURRENT = [
    Row("SimpleRNN", {"units": 5}, SEQUENCE),
    Row("SimpleRNN", {"units": 5, "activation": "relu", "return_sequences": True}, SEQUENCE, "masked", mask=(3, 9)),
    Row("LSTM", {"units": 5}, SEQUENCE),
    Row("LSTM", {"units": 5, "return_sequences": True, "return_state": True}, SEQUENCE, "masked", mask=(3, 9)),
    Row("LSTM", {"units": 5, "unroll": True, "activation": "softsign"}, SEQUENCE, "steps", mask=(3, 9)),
    Row("LSTM", {"units": 5, "dropout": 0.2, "recurrent_dropout": 0.2, "seed": 1}, SEQUENCE, "dropout", random=True),
    Row("GRU", {"units": 5}, SEQUENCE),
    Row("GRU", {"units": 5, "return_state": True, "use_bias": False}, SEQUENCE, "masked", mask=(3, 9)),
    Row("GRU", {"units": 5, "reset_after": False, "kernel_regularizer": "l2"}, SEQUENCE, "before"),
    Row("RNN", lambda m: {"cell": m.GRUCell(3, name="b"), "return_sequences": True}, SEQUENCE),
    Row(
        "RNN", lambda m: {"cell": m.StackedRNNCells([m.LSTMCell(4, name="a"), m.SimpleRNNCell(3, name="b")], name="c")}, SEQUENCE,
        "stacked", mask=(3, 9),
    ),
    Row("Bidirectional", lambda m: {"layer": m.LSTM(3, name="a")}, SEQUENCE),
    Row(
        "Bidirectional", lambda m: {"layer": m.GRU(3, name="a", return_sequences=True), "merge_mode": "mul"}, SEQUENCE, "product",
        mask=(3, 9),
    ),
    *_both_formats("ConvLSTM1D", 1, {"filters": 3, "kernel_size": 3}, steps=4),
    Row("ConvLSTM1D", {"filters": 3, "kernel_size": 2, "strides": 2, "return_state": True, "use_bias": False}, (3, 4, 9, 2), "state"),
    *_both_formats("ConvLSTM2D", 2, {"filters": 3, "kernel_size": (2, 3), "padding": "same", "return_sequences": True}, steps=3),
    Row(
        "ConvLSTM2D",
        {
            "filters": 2, "kernel_size": 3, "dilation_rate": (1, 2), "return_sequences": True, "return_state": True, "go_backwards": True,
            "unit_forget_bias": False, "activation": "softsign", "recurrent_activation": "hard_sigmoid", "recurrent_regularizer": "l2",
        },
        (3, 5, 6, 7, 2), "masked", mask=(3, 5),
    ),
    Row("ConvLSTM2D", {"filters": 2, "kernel_size": 3, "dropout": 0.2, "recurrent_dropout": 0.2}, (3, 4, 5, 6, 2), "dropout", random=True),
    *_both_formats("ConvLSTM3D", 3, {"filters": 2, "kernel_size": 2, "padding": "same"}, steps=3),
    Row("TimeDistributed", lambda m: {"layer": m.Dense(5, name="a")}, SEQUENCE, mask=(3, 9)),
    Row("TimeDistributed", lambda m: {"layer": m.BatchNormalization(name="a")}, SEQUENCE, "normalizing"),
]  # fmt: skip

_ATTENTION = [
    Row("MultiHeadAttention", {"num_heads": 2, "key_dim": 3}, [(3, 5, 4), (3, 6, 4)], spread=True),
    Row(
        "MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "value_dim": 4, "output_shape": (2, 3), "use_gate": True, "use_bias": False},
        [(3, 5, 4), (3, 6, 2), (3, 6, 4)], "gated", spread=True,
    ),
    Row("MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "attention_axes": (2,)}, [(3, 5, 4, 2), (3, 5, 6, 2)], "axes", spread=True),
    Row("GroupQueryAttention", {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2}, [(3, 5, 4), (3, 6, 4)], spread=True),
    Row("Attention", {"use_scale": True}, [(3, 5, 4), (3, 6, 4)]),
    Row("Attention", {"score_mode": "concat"}, [(3, 5, 4), (3, 6, 2), (3, 6, 4)], "concat"),
    Row("AdditiveAttention", {}, [(3, 5, 4), (3, 6, 4)]),
]  # fmt: skip

_PREPROCESSING = [
    Row("Normalization", {"mean": [1.0, 2.0, 3.0, 4.0], "variance": [1.0, 2.0, 3.0, 4.0]}, (3, 4)),
    Row("Normalization", {}, SEQUENCE, "learned"),
    Row("Normalization", {"axis": (1, 3)}, IMAGE, "axes"),
    Row("Normalization", {"axis": None, "invert": True, "mean": 2.0, "variance": 3.0}, SEQUENCE, "one"),
    Row("Rescaling", {"scale": 1 / 255, "offset": -1.0}, IMAGE),
    Row("Rescaling", {"scale": [1.0, 2.0, 3.0, 4.0], "offset": (1.0, 0.0, 1.0, 0.0)}, IMAGE, "channels", high=9),
    Row("CategoryEncoding", {"num_tokens": 6}, (3, 4), high=6),
    Row("CategoryEncoding", {"num_tokens": 6, "output_mode": "one_hot"}, (3, 4), "one-hot", high=6),
    Row("CategoryEncoding", {"num_tokens": 6, "output_mode": "one_hot"}, (3, 1), "column", high=6),
    Row("CategoryEncoding", {"num_tokens": 6, "output_mode": "count"}, (3, 4), "count", high=6),
    *_both_formats("CenterCrop", 2, {"height": 5, "width": 4}),
    Row("CenterCrop", {"height": 9, "width": 4}, IMAGE, "larger"),
    *_both_formats("Resizing", 2, {"height": 5, "width": 9}),
    Row("Resizing", {"height": 5, "width": 4, "interpolation": "bicubic", "antialias": True}, IMAGE, "smooth"),
    Row("Resizing", {"height": 3, "width": 5, "interpolation": "nearest", "crop_to_aspect_ratio": True}, IMAGE, "crop"),
    Row("Resizing", {"height": 3, "width": 5, "pad_to_aspect_ratio": True, "fill_value": 2.0}, IMAGE, "pad"),
    Row("Resizing", {"height": 9, "width": 10, "interpolation": "lanczos3"}, IMAGE, "lanczos", parity=False),
]

ROWS = [*_CORE, *_CONV, *_POOLING, *_NORMALIZATION, *_REGULARIZATION, *_RESHAPING, *_MERGING, *_ACTIVATION, *_RECURRENT, *_ATTENTION]
ROWS += _PREPROCESSING
