"""Models for the exchange tests: each is written once and made with either library, which the function gets as `keras`."""

from __future__ import annotations

from typing import Any

import numpy as np


def _image(keras: Any, *layers: Any) -> Any:
    return keras.Sequential([keras.Input((8, 8, 3)), *layers, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])


def branches(keras: Any) -> Any:
    inputs = keras.Input((6,))
    hidden = keras.layers.Dense(5, activation="relu")(inputs)
    other = keras.layers.Dense(5, activation="gelu", kernel_regularizer="l2")(hidden)
    merged = keras.layers.Concatenate()([hidden, other, keras.layers.Add()([hidden, other])])
    return keras.Model(inputs, keras.layers.Dense(2, name="out")(merged))


def op_nodes(keras: Any) -> Any:
    ops = keras.ops
    x = inputs = keras.Input((4, 6))
    x = 2.0 * x + 1.0 - x / 3.0
    x = x + ops.mean(x, axis=1, keepdims=True)
    x = ops.concatenate([x, ops.relu(-x)], axis=-1)
    x = x[:, 1:, ::2]
    x = ops.reshape(x, (-1, 18))
    x = ops.matmul(x, np.full((18, 3), 0.1, "float32")) + ops.sum(x, axis=-1, keepdims=True)
    x = ops.transpose(ops.stack([x, x**2], axis=1), (0, 2, 1))
    x = ops.expand_dims(ops.max(ops.abs(x), axis=(1, 2)), -1) + x[..., 0]
    x = ops.where(x > 0.5, x, ops.exp(-x))
    return keras.Model(inputs, keras.layers.Dense(2)(ops.softmax(ops.clip(x, 0.0, 3.0))))


def shared(keras: Any) -> Any:
    first, second = keras.Input((4,), name="first"), keras.Input((4,), name="second")
    layer = keras.layers.Dense(3, activation="tanh")
    return keras.Model([first, second], keras.layers.Dense(2)(layer(first) - layer(second) * layer(first)))


def nested(keras: Any) -> Any:
    inner_in = keras.Input((5,))
    inner = keras.Model(inner_in, keras.layers.Dense(4, activation="relu")(inner_in), name="inner")
    stack = keras.Sequential([keras.layers.Dense(4), keras.Sequential([keras.layers.Dense(5)], name="innermost")], name="stack")
    inputs = keras.Input((5,))
    return keras.Model(inputs, keras.layers.Dense(2)(inner(stack(inner(inputs)))))


def dicts(keras: Any) -> Any:
    wide, deep = keras.Input((3,), name="wide"), keras.Input((4,), name="deep")
    hidden = keras.layers.concatenate([wide, keras.layers.Dense(5, activation="relu")(deep)])
    outputs = {"a": keras.layers.Dense(1, name="a")(hidden), "b": keras.layers.Dense(2, name="b")(hidden)}
    return keras.Model({"wide": wide, "deep": deep}, outputs)


def several(keras: Any) -> Any:
    wide, deep = keras.Input((3,), name="wide"), keras.Input((4,), name="deep")
    hidden = keras.layers.concatenate([wide, keras.layers.Dense(5, activation="relu")(deep)])
    return keras.Model([wide, deep], [keras.layers.Dense(1, name="a")(hidden), keras.layers.Dense(2, name="b")(hidden)])


def sequential(keras: Any) -> Any:
    return keras.Sequential([keras.Input((6,)), keras.layers.Dense(5, activation="relu"), keras.layers.Dense(2)])


def deferred(keras: Any) -> Any:
    model = keras.Sequential([keras.layers.Dense(5, activation="relu"), keras.layers.Dense(2)])
    model(np.zeros((2, 6), "float32"))
    return model


def convolutions(keras: Any) -> Any:
    layers = keras.layers
    return _image(
        keras,
        layers.ZeroPadding2D(1),
        layers.Conv2D(4, 3, padding="same", activation="relu"),
        layers.BatchNormalization(),
        layers.DepthwiseConv2D(3),
        layers.SeparableConv2D(4, 3, padding="same"),
        layers.PReLU(shared_axes=[1, 2]),
        layers.Conv2DTranspose(3, 2, strides=2),
        layers.Cropping2D(1),
        layers.MaxPooling2D(2),
        layers.UpSampling2D(2),
        layers.AveragePooling2D(2),
    )


def convolutions_1d(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((12, 3)), layers.Conv1D(4, 3, dilation_rate=2, padding="causal"), layers.MaxPooling1D(2), layers.Conv1D(2, 3),
         layers.ReLU(max_value=3.0), layers.LeakyReLU(0.1), layers.ELU(), layers.GlobalMaxPooling1D(), layers.Dense(2)]
    )  # fmt: skip


def convolutions_3d(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((4, 4, 4, 2)), layers.Conv3D(3, 2), layers.MaxPooling3D(2), layers.Flatten(), layers.Softmax(), layers.Dense(2)]
    )


def normalized(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((6,)), layers.LayerNormalization(), layers.Dense(6), layers.GaussianNoise(0.0, seed=3), layers.BatchNormalization(),
         layers.Reshape((2, 3)), layers.Permute((2, 1)), layers.SpatialDropout1D(0.0, seed=1), layers.Flatten(), layers.RepeatVector(2),
         layers.Flatten(), layers.Activation("tanh"), layers.Dropout(0.0, seed=1), layers.Identity(), layers.Dense(2)]
    )  # fmt: skip


def merged(keras: Any) -> Any:
    layers = keras.layers
    inputs = keras.Input((6,))
    a, b = layers.Dense(4)(inputs), layers.Dense(4)(inputs)
    parts = [layers.Subtract()([a, b]), layers.Multiply()([a, b]), layers.Average()([a, b]), layers.Maximum()([a, b])]
    parts += [layers.Minimum()([a, b]), layers.Dot(axes=1)([a, b])]
    return keras.Model(inputs, layers.Dense(2)(layers.Concatenate(axis=-1)(parts)))


def recurrent(keras: Any) -> Any:
    layers = keras.layers
    inputs = keras.Input((7,), dtype="int32")
    x = layers.Embedding(11, 4, mask_zero=True)(inputs)
    x = layers.LSTM(3, return_sequences=True)(x)
    x = layers.Bidirectional(layers.GRU(3, return_sequences=True))(x)
    x = layers.TimeDistributed(layers.Dense(4))(x)
    return keras.Model(inputs, layers.Dense(2)(layers.SimpleRNN(3)(x)))


def masked(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential([keras.Input((5, 3)), layers.Masking(0.0), layers.GRU(3, reset_after=False), layers.Dense(2)])


def attention(keras: Any) -> Any:
    layers = keras.layers
    inputs = keras.Input((5, 6))
    x = layers.MultiHeadAttention(2, 3)(inputs, inputs)
    x = layers.LayerNormalization(epsilon=1e-6)(x + inputs)
    return keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling1D()(x)))


MODELS = {
    f.__name__: f
    for f in (
        branches, op_nodes, shared, nested, dicts, several, sequential, deferred, convolutions, convolutions_1d, convolutions_3d,
        normalized, merged, recurrent, masked, attention,
    )
}  # fmt: skip


def data(model: Any, count: int = 16) -> tuple[Any, Any]:
    """Inputs and targets that fit a model's nests."""
    draw = np.random.default_rng(0)

    def values(t: Any) -> np.ndarray:
        shape = (count, *t.shape[1:])
        return draw.integers(1, 11, shape).astype("int32") if "int" in str(t.dtype) else draw.normal(size=shape).astype("float32")

    def nest(structure: Any) -> Any:
        if isinstance(structure, dict):
            return {k: nest(v) for k, v in structure.items()}
        if isinstance(structure, (list, tuple)):
            return [nest(v) for v in structure]
        return values(structure)

    for prefix in ("_tk_", "_"):  # ours, Keras's
        if hasattr(model, f"{prefix}inputs_struct"):
            return nest(getattr(model, f"{prefix}inputs_struct")), nest(getattr(model, f"{prefix}outputs_struct"))
    return values(model.inputs[0]), values(model.outputs[0])
