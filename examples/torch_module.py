"""Modules of torch inside a Keras model, and a Keras layer inside a module of torch."""

import torch
from torch import nn

import torchkeras as keras
from torchkeras import layers


class Highway(nn.Module):
    """A gate between a layer and its input (https://arxiv.org/abs/1505.00387), as a torch user writes it."""

    def __init__(self, units):
        super().__init__()
        self.transform = nn.Linear(units, units)
        self.gate = nn.Linear(units, units)

    def forward(self, x):
        gate = torch.sigmoid(self.gate(x))
        return gate * torch.relu(self.transform(x)) + (1 - gate) * x


keras.utils.set_random_seed(0)
(x_train, y_train), (x_test, y_test) = keras.datasets.digits.load_data()
x_train, x_test = x_train / 16, x_test / 16

inputs = keras.Input((8, 8))
x = layers.Flatten()(inputs)
x = layers.TorchModuleWrapper(nn.Sequential(nn.Linear(64, 48), nn.Tanh()))(x)
x = layers.TorchModuleWrapper(Highway(48))(x)
x = torch.nn.functional.normalize(x, dim=-1) * 8  # any function of torch takes part in the graph
outputs = layers.Dense(10, activation="softmax")(x)
model = keras.Model(inputs, outputs)
model.summary()

model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, epochs=10, verbose=2)
print("test accuracy: {:.3f}".format(model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"]))

plain = nn.Sequential(nn.Flatten(), layers.Dense(32, activation="relu"), nn.Linear(32, 10))
print("a Keras layer in a torch module:", tuple(plain(torch.zeros(2, 8, 8)).shape), len(list(plain.parameters())), "parameters")

# Output:
# Model: "functional"
# ┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━┓
# ┃ Layer (type)                                ┃ Output Shape         ┃ Param # ┃
# ┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━┩
# │ input_layer (InputLayer)                    │ (None, 8, 8)         │       0 │
# ├─────────────────────────────────────────────┼──────────────────────┼─────────┤
# │ flatten (Flatten)                           │ (None, 64)           │       0 │
# ├─────────────────────────────────────────────┼──────────────────────┼─────────┤
# │ torch_module_wrapper (TorchModuleWrapper)   │ (None, 48)           │   3,120 │
# ├─────────────────────────────────────────────┼──────────────────────┼─────────┤
# │ torch_module_wrapper_1 (TorchModuleWrapper) │ (None, 48)           │   4,704 │
# ├─────────────────────────────────────────────┼──────────────────────┼─────────┤
# │ normalize (torch.nn.functional.normalize)   │ (None, 48)           │       0 │
# ├─────────────────────────────────────────────┼──────────────────────┼─────────┤
# │ multiply (Multiply)                         │ (None, 48)           │       0 │
# ├─────────────────────────────────────────────┼──────────────────────┼─────────┤
# │ dense (Dense)                               │ (None, 10)           │     490 │
# └─────────────────────────────────────────────┴──────────────────────┴─────────┘
#  Total params: 8,314 (32.48 KB)
#  Trainable params: 8,314 (32.48 KB)
#  Non-trainable params: 0 (0.00 B)
# Epoch 1/10
# 45/45 - 0s - 663us/step - loss: 1.5467 - accuracy: 0.5539
# ...
# Epoch 10/10
# 45/45 - 0s - 591us/step - loss: 0.0743 - accuracy: 0.9854
# test accuracy: 0.981
# a Keras layer in a torch module: (2, 10) 4 parameters
