"""A user's program as checkers must take it: `mypy --strict` and pyright find nothing in it."""

from __future__ import annotations

import numpy as np
import torch
from typing_extensions import assert_type

import torchkeras as keras
from torchkeras import layers, ops


class Scale(layers.Layer):
    def __init__(self, start: float = 1.0, name: str | None = None) -> None:
        super().__init__(name=name)
        self.start = start

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.scale = self.add_weight(shape=(1,), initializer="ones", regularizer=keras.regularizers.L2(1e-3))

    def call(self, x: torch.Tensor, training: bool = False) -> torch.Tensor:
        return x * self.scale * (2 if training else 1)


class Net(keras.Model):
    def __init__(self, units: int) -> None:
        super().__init__(name="net")
        self.dense = layers.Dense(units, activation="relu")
        self.scale = Scale()

    def call(self, x: torch.Tensor, training: bool = False) -> torch.Tensor:
        hidden = self.dense(x)
        assert_type(hidden, torch.Tensor)
        scaled: torch.Tensor = self.scale(hidden, training=training)
        return scaled

    def train_step(self, data: tuple[torch.Tensor, torch.Tensor]) -> dict[str, torch.Tensor]:
        logs: dict[str, torch.Tensor] = super().train_step(data)
        return logs


class Huber(keras.losses.Loss):
    def call(self, y_true: torch.Tensor, y_pred: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.huber_loss(y_pred, y_true, reduction="none").mean(-1)


class Stop(keras.callbacks.Callback):
    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if logs and logs["loss"] < 0.1:
            self.model.stop_training = True


inputs = keras.Input((8,), dtype="float32")
assert_type(inputs, keras.KerasTensor)
x = layers.Dense(16, activation=torch.relu, kernel_initializer=keras.initializers.HeNormal())(inputs)
assert_type(x, keras.KerasTensor)
x = layers.Concatenate()([x, layers.Dropout(0.5)(x)])
assert_type(x, keras.KerasTensor)
mixed = torch.nn.functional.gelu(x) + 1
outputs = layers.Dense(1)(ops.relu(mixed))

model = keras.Model(inputs, outputs, name="functional")
assert_type(model, keras.Model)
sequence = keras.Sequential([layers.Dense(4), torch.nn.ReLU(), layers.Dense(1)], name="chain")
assert_type(sequence, keras.Sequential)
net = Net(4)
assert_type(net, Net)

optimizer = keras.optimizers.Adam(learning_rate=keras.optimizers.schedules.ExponentialDecay(1e-2, 100, 0.9), clipnorm=1.0)
assert_type(optimizer, keras.optimizers.Adam)
model.compile(optimizer, loss=Huber(), metrics=["mae", keras.metrics.MeanSquaredError()], jit_compile=False)
sequence.compile("sgd", loss="mse")
net.compile(torch.optim.SGD(net.parameters(), lr=0.1), loss=keras.losses.MeanSquaredError(), metrics={"output": "mae"})

data = np.ones((32, 8), "float32")
target = torch.ones(32, 1)
history = model.fit(data, target, epochs=2, batch_size=8, validation_split=0.25, callbacks=[Stop()], verbose=0)
values: list[float] = history.history["loss"]
loss: float = model.evaluate(data, target, verbose=0)
by_name = model.evaluate(data, target, return_dict=True, verbose=0)
assert_type(by_name, dict[str, float])
net.fit(torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(8, 8), torch.ones(8, 1))), verbose=0)
predictions = model.predict(data)

model.save("model.keras")
loaded = keras.models.load_model("model.keras")
assert_type(loaded, keras.Model)
model.load_weights("weights.weights.h5", skip_mismatch=True)

for weight in model.trainable_weights:
    name: str = weight.name
first = model.get_layer(index=1)
assert_type(first, keras.Layer)

total = ops.sum(ops.square(target), axis=-1, keepdims=True)
assert_type(total, torch.Tensor)
assert_type(ops.add([1, 2], 3.0), torch.Tensor)
assert_type(ops.image.resize(torch.ones(1, 4, 4, 3), size=(2, 2)), torch.Tensor)
keras.utils.set_random_seed(0)
again = layers.Dense.from_config(layers.Dense(2).get_config())
assert_type(again, layers.Dense)
