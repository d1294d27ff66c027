"""Handwritten digits with a small MLP; the same script runs on several processes with `torchrun --nproc-per-node=2 digits_mlp.py`."""

import torchkeras as keras
from torchkeras import layers

keras.utils.set_random_seed(0)
(x_train, y_train), (x_test, y_test) = keras.datasets.digits.load_data()  # 8x8 pixels from 0 to 16, labels from 0 to 9
x_train, x_test = x_train / 16, x_test / 16

model = keras.Sequential(
    [
        keras.Input((8, 8)),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
        layers.Dropout(0.2),
        layers.Dense(10, activation="softmax"),
    ]
)
model.summary()
model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
stop = keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True)
model.fit(x_train, y_train, epochs=20, validation_split=0.1, callbacks=[stop], verbose=2)
model.evaluate(x_test, y_test, verbose=2)
