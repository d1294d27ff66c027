"""A character-level language model (LSTM) of Python's own documentation, which then writes some."""

import textwrap
from pydoc_data.topics import topics

import numpy as np

import torchkeras as keras
from torchkeras import layers

LENGTH = 40
keras.utils.set_random_seed(0)
text = " ".join((topics["compound"] + topics["specialnames"]).split())[:60_000].lower()
letters = sorted(set(text))
codes = np.array([letters.index(letter) for letter in text])
windows = np.lib.stride_tricks.sliding_window_view(codes, LENGTH + 1)[::5]
x, y = windows[:, :-1], windows[:, 1:]  # at every place the next letter is to be told

model = keras.Sequential(
    [
        keras.Input((LENGTH,), dtype="int64"),
        layers.Embedding(len(letters), 32),
        layers.LSTM(128, return_sequences=True),
        layers.Dense(len(letters)),
    ]
)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.Adam(5e-3), loss=loss, metrics=["accuracy"])
model.fit(x, y, batch_size=64, epochs=4, verbose=2)

random = np.random.default_rng(0)
written = text[:LENGTH]
for _ in range(160):
    logits = model.predict_on_batch(np.array([[letters.index(letter) for letter in written[-LENGTH:]]]))[0, -1]
    chances = np.exp((logits - logits.max()) / 0.5)
    written += letters[random.choice(len(letters), p=chances / chances.sum())]
print(textwrap.fill(written, 100))

# Output:
# Epoch 1/4
# 188/188 - 3s - 15ms/step - loss: 2.6903 - accuracy: 0.2738
# Epoch 2/4
# 188/188 - 3s - 14ms/step - loss: 1.9648 - accuracy: 0.4519
# Epoch 3/4
# 188/188 - 2s - 13ms/step - loss: 1.6417 - accuracy: 0.5416
# Epoch 4/4
# 188/188 - 3s - 13ms/step - loss: 1.4526 - accuracy: 0.5910
# compound statements ******************* calls in the "str" call of the for matches beference be is a
# case bul note: typep the subject value is the same object clause statement the pattern is in the sa
