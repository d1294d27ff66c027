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

# Output:
# Model: "sequential"
# ┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━┓
# ┃ Layer (type)                         ┃ Output Shape                ┃ Param # ┃
# ┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━┩
# │ flatten (Flatten)                    │ (None, 64)                  │       0 │
# ├──────────────────────────────────────┼─────────────────────────────┼─────────┤
# │ dense (Dense)                        │ (None, 64)                  │   4,160 │
# ├──────────────────────────────────────┼─────────────────────────────┼─────────┤
# │ dropout (Dropout)                    │ (None, 64)                  │       0 │
# ├──────────────────────────────────────┼─────────────────────────────┼─────────┤
# │ dense_1 (Dense)                      │ (None, 10)                  │     650 │
# └──────────────────────────────────────┴─────────────────────────────┴─────────┘
#  Total params: 4,810 (18.79 KB)
#  Trainable params: 4,810 (18.79 KB)
#  Non-trainable params: 0 (0.00 B)
# Epoch 1/20
# 41/41 - 0s - 427us/step - loss: 2.1360 - accuracy: 0.2761 - val_loss: 1.8756 - val_accuracy: 0.6319
# ...
# 41/41 - 0s - 358us/step - loss: 0.2002 - accuracy: 0.9497 - val_loss: 0.1717 - val_accuracy: 0.9583
# Epoch 20/20
# 41/41 - 0s - 391us/step - loss: 0.1873 - accuracy: 0.9551 - val_loss: 0.1660 - val_accuracy: 0.9653
# 12/12 - 0s - 144us/step - loss: 0.1445 - accuracy: 0.9583
