"""A subclassed model with a layer of its own, trained, saved and loaded."""

import tempfile
from pathlib import Path

import numpy as np

import torchkeras as keras
from torchkeras import layers, ops


@keras.saving.register_keras_serializable("examples")
class Maxout(layers.Layer):
    """The largest of several linear maps for each unit."""

    def __init__(self, units, pieces=3, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.pieces = pieces

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], self.units * self.pieces), initializer="he_normal", name="kernel")
        self.bias = self.add_weight((self.units * self.pieces,), initializer="zeros", name="bias")

    def call(self, x):
        x = ops.matmul(x, self.kernel) + self.bias
        return ops.max(ops.reshape(x, (-1, self.units, self.pieces)), axis=-1)


@keras.saving.register_keras_serializable("examples")
class Classifier(keras.Model):
    def __init__(self, classes=10, **kwargs):
        super().__init__(**kwargs)
        self.classes = classes
        self.flatten = layers.Flatten()
        self.blocks = [Maxout(48), Maxout(48)]
        self.dropout = layers.Dropout(0.3)
        self.head = layers.Dense(classes)

    def call(self, x, training=None):
        x = self.flatten(x)
        for block in self.blocks:
            x = self.dropout(block(x), training=training)
        return self.head(x)


keras.utils.set_random_seed(0)
(x_train, y_train), (x_test, y_test) = keras.datasets.digits.load_data()
x_train, x_test = x_train / 16, x_test / 16

model = Classifier()
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.Adam(2e-3), loss=loss, metrics=["accuracy"])
model.fit(x_train, y_train, epochs=10, verbose=2)

with tempfile.TemporaryDirectory() as folder:
    model.save(Path(folder) / "digits.keras")
    again = keras.saving.load_model(Path(folder) / "digits.keras")
print("same predictions:", np.array_equal(model.predict(x_test, verbose=0), again.predict(x_test, verbose=0)))
print("test accuracy: {:.3f}".format(again.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"]))

# Output:
# Epoch 1/10
# 45/45 - 0s - 661us/step - loss: 2.2494 - accuracy: 0.2867
# Epoch 2/10
# 45/45 - 0s - 610us/step - loss: 1.1091 - accuracy: 0.6521
# Epoch 3/10
# 45/45 - 0s - 613us/step - loss: 0.6899 - accuracy: 0.7989
# Epoch 4/10
# 45/45 - 0s - 646us/step - loss: 0.4620 - accuracy: 0.8650
# Epoch 5/10
# 45/45 - 0s - 603us/step - loss: 0.3619 - accuracy: 0.8963
# Epoch 6/10
# 45/45 - 0s - 609us/step - loss: 0.2838 - accuracy: 0.9200
# Epoch 7/10
# 45/45 - 0s - 606us/step - loss: 0.2069 - accuracy: 0.9429
# Epoch 8/10
# 45/45 - 0s - 595us/step - loss: 0.2003 - accuracy: 0.9408
# Epoch 9/10
# 45/45 - 0s - 604us/step - loss: 0.1708 - accuracy: 0.9520
# Epoch 10/10
# 45/45 - 0s - 611us/step - loss: 0.1580 - accuracy: 0.9562
# same predictions: True
# test accuracy: 0.975
