"""A wide-and-deep model with two inputs and two outputs: which digit it is, and whether it is even."""

import numpy as np

import torchkeras as keras
from torchkeras import layers


def features(images):
    """The pixels, and the ink in each quarter of the image."""
    quarters = images.reshape(-1, 2, 4, 2, 4).mean(axis=(2, 4)).reshape(-1, 4)
    return {"pixels": images.reshape(-1, 64), "quarters": quarters}


keras.utils.set_random_seed(0)
(x_train, y_train), (x_test, y_test) = keras.datasets.digits.load_data()
x_train, x_test = features(x_train / 16), features(x_test / 16)
y_train, y_test = ({"digit": y, "even": (y % 2 == 0).astype("float32")} for y in (y_train, y_test))

pixels = keras.Input((64,), name="pixels")
quarters = keras.Input((4,), name="quarters")
deep = layers.Dense(64, activation="relu")(pixels)
deep = layers.Dense(64, activation="relu")(deep)
both = layers.Concatenate()([quarters, deep])
outputs = {
    "digit": layers.Dense(10, activation="softmax", name="digit")(both),
    "even": layers.Dense(1, activation="sigmoid", name="even")(both),
}
model = keras.Model({"pixels": pixels, "quarters": quarters}, outputs)

model.compile(
    "adam",
    loss={"digit": "sparse_categorical_crossentropy", "even": "binary_crossentropy"},
    loss_weights={"digit": 1.0, "even": 0.3},
    metrics={"digit": ["accuracy"], "even": ["accuracy", "auc"]},
)
model.fit(x_train, y_train, epochs=12, verbose=0)

for name, value in model.evaluate(x_test, y_test, verbose=0, return_dict=True).items():
    print(f"{name:>14} {value:.3f}")
found = model.predict(x_test, verbose=0)
print("digits:", found["digit"][:8].argmax(axis=-1), "even:", np.round(found["even"][:8, 0]).astype(int))

# Output:
# digit_accuracy 0.961
#     digit_loss 0.117
#  even_accuracy 0.931
#       even_auc 0.988
#      even_loss 0.156
#           loss 0.164
# digits: [8 0 8 9 8 8 0 4] even: [1 1 1 0 1 0 1 1]
