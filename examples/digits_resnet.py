"""Handwritten digits with a residual CNN in the functional style; draws the model and the learning curves.

The pictures, which need matplotlib (`pip install '.[plot]'`), go to the folder given as argument, else to this one.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

import torchkeras as keras
from torchkeras import layers

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
keras.utils.set_random_seed(0)
(x_train, y_train), (x_test, y_test) = keras.datasets.digits.load_data()
x_train, x_test = x_train[..., None] / 16, x_test[..., None] / 16


def residual_block(x, filters, strides=1):
    shortcut = x
    if strides != 1 or x.shape[-1] != filters:
        shortcut = layers.Conv2D(filters, 1, strides=strides, use_bias=False)(x)
    x = layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.9)(x)
    return layers.ReLU()(layers.Add()([x, shortcut]))


inputs = keras.Input((8, 8, 1), name="image")
x = residual_block(inputs, 16)
x = residual_block(x, 32, strides=2)
x = layers.GlobalAveragePooling2D()(x)
outputs = layers.Dense(10, activation="softmax", name="digit")(x)
model = keras.Model(inputs, outputs, name="digits_resnet")

model.compile(keras.optimizers.Adam(3e-3), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x_train, y_train, epochs=8, batch_size=64, validation_data=(x_test, y_test), verbose=2)

if find_spec("matplotlib"):
    from matplotlib.figure import Figure

    keras.utils.plot_model(model, folder / "digits_resnet.png", show_shapes=True, show_layer_names=True)
    figure = Figure(figsize=(8, 3), layout="constrained")
    for axis, name in zip(figure.subplots(1, 2), ("loss", "accuracy")):
        axis.plot(history.epoch, history.history[name], label="training")
        axis.plot(history.epoch, history.history[f"val_{name}"], label="validation")
        axis.set(xlabel="epoch", ylabel=name)
        axis.legend()
    figure.savefig(folder / "digits_resnet_curves.png")

# Output:
# Epoch 1/8
# 23/23 - 0s - 5ms/step - loss: 1.5083 - accuracy: 0.6973 - val_loss: 2.1283 - val_accuracy: 0.1111
# Epoch 2/8
# 23/23 - 0s - 5ms/step - loss: 0.5305 - accuracy: 0.9492 - val_loss: 0.5710 - val_accuracy: 0.8917
# Epoch 3/8
# 23/23 - 0s - 5ms/step - loss: 0.1841 - accuracy: 0.9805 - val_loss: 0.1287 - val_accuracy: 0.9889
# Epoch 4/8
# 23/23 - 0s - 5ms/step - loss: 0.0817 - accuracy: 0.9937 - val_loss: 0.0799 - val_accuracy: 0.9861
# Epoch 5/8
# 23/23 - 0s - 5ms/step - loss: 0.0416 - accuracy: 0.9993 - val_loss: 0.0663 - val_accuracy: 0.9833
# Epoch 6/8
# 23/23 - 0s - 5ms/step - loss: 0.0279 - accuracy: 0.9986 - val_loss: 0.0622 - val_accuracy: 0.9833
# Epoch 7/8
# 23/23 - 0s - 5ms/step - loss: 0.0156 - accuracy: 1.0000 - val_loss: 0.0483 - val_accuracy: 0.9889
# Epoch 8/8
# 23/23 - 0s - 5ms/step - loss: 0.0117 - accuracy: 1.0000 - val_loss: 0.0455 - val_accuracy: 0.9889
