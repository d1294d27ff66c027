"""Mistakes that checkers must report, each on the line that says so, and nothing else."""

import numpy as np
import torch

import torchkeras as keras
from torchkeras import layers, ops

layers.Dense(3, activation="relu", unit=3).units.upper()  # wrong: an int has no `upper`
layers.Dense("3")  # wrong: `units` is a number
layers.Dense()  # wrong: `units` is missing
layers.Dense(3, activation=7)  # wrong: no activation
layers.Conv2D(8, kernel_size="3")  # wrong: `kernel_size` is a number or a sequence
keras.Input(shape="8")  # wrong: a string
keras.Input(size=(8,))  # wrong: no argument of that name

model = keras.Sequential([layers.Dense(1)])
keras.Sequential(layers.Dense(1))  # wrong: not a list
keras.Sequential(["dense"])  # wrong: no layer
keras.Model(np.ones((2, 2)), np.ones((2, 2)))  # wrong: arrays are no symbolic tensors
model.compile(optimiser="adam")  # wrong: no argument of that name
model.compile(optimizer=1e-3)  # wrong: a number is no optimizer
model.compile("adam", jit_compile="yes")  # wrong: not one of the values
model.fit(3)  # right: a number becomes an array, which `fit` refuses itself
model.fit(np.ones((2, 2)), epoch=3)  # wrong: no argument of that name
model.fit(np.ones((2, 2)), epochs="3")  # wrong: a string
model.fit(np.ones((2, 2)), callbacks=[keras.callbacks.EarlyStopping])  # wrong: a class
model.fit(np.ones((2, 2))).losses  # wrong: a History has no `losses`
model.evaluate(np.ones((2, 2)), return_dict=True).append(1)  # wrong: a dict
keras.models.load_model(3)  # wrong: no path
keras.models.load_model("a.keras").fitt()  # wrong: no method of that name
keras.optimizers.Adam(lr="fast")  # right: `**kwargs` holds old names
keras.optimizers.Adam(learning_rate="fast")  # wrong: a string
keras.optimizers.Adam(beta_1=None)  # wrong: a number is due
keras.losses.MeanSquaredError(reduction=1)  # wrong: a name
keras.callbacks.EarlyStopping(patience="3")  # wrong: a number

ops.relu()  # wrong: `x` is missing
ops.relu(torch.ones(2), axis=1)  # wrong: no argument of that name
ops.softmax(torch.ones(2), axis="1")  # wrong: an axis is a number
ops.sum(torch.ones(2), keepdims=True).no_such_method()  # wrong: a tensor has no such method
