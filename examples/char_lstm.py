"""A character-level language model (LSTM) of Python's own documentation, which then writes some."""

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
print(written)
