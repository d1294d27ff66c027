"""The oracle of the parity tests: real Keras on its torch backend."""

import os

os.environ["KERAS_BACKEND"] = "torch"

import keras as keras
