"""`model(x)` against the equal torch module, side by side in one run.

    python benchmarks/call.py [--only mlp,lstm] [--rows 1,32] [--rounds 15]

Each round times a burst of calls of the torch module and one of ours, one after the other, and takes their ratio; printed are the medians
over the rounds, in inference mode. Ours carries torch's weights, and both must give the same numbers.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

import torchkeras as keras
from torchkeras import layers


class Chain(nn.Module):
    """Three linear layers, written by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.c(torch.relu(self.b(torch.relu(self.a(x)))))


class KerasChain(keras.Model):
    """The same as a subclassed model."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = layers.Dense(64, activation="relu"), layers.Dense(64, activation="relu"), layers.Dense(10)

    def call(self, x: torch.Tensor) -> torch.Tensor:
        return self.c(self.b(self.a(x)))


class Last(nn.Module):
    """An LSTM's last output, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.out = nn.LSTM(32, 64, batch_first=True), nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.lstm(x)[0][:, -1])


class Attend(nn.Module):
    """Self-attention by four linear layers and torch's kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(64, 64) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, t, _ = x.shape
        q, k, v = (part(x).view(b, t, 4, 16).transpose(1, 2) for part in (self.q, self.k, self.v))
        y = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.o(y.transpose(1, 2).reshape(b, t, 64))


def mlp() -> tuple[Any, nn.Module, tuple[int, ...]]:
    i = keras.Input((64,))
    h = layers.Dense(64, activation="relu")(layers.Dense(64, activation="relu")(i))
    return keras.Model(i, layers.Dense(10)(h)), Chain(), (64,)


def subclass() -> tuple[Any, nn.Module, tuple[int, ...]]:
    return KerasChain(), Chain(), (64,)


def lstm() -> tuple[Any, nn.Module, tuple[int, ...]]:
    i = keras.Input((20, 32))
    return keras.Model(i, layers.Dense(10)(layers.LSTM(64)(i))), Last(), (20, 32)


def attention() -> tuple[Any, nn.Module, tuple[int, ...]]:
    i = keras.Input((20, 64))
    return keras.Model(i, layers.MultiHeadAttention(4, 16)(i, i)), Attend(), (20, 64)


CASES = {"mlp": mlp, "subclass": subclass, "lstm": lstm, "attention": attention}


def per_call(run: Callable, x: torch.Tensor, seconds: float = 0.05) -> float:
    count, start = 0, time.thread_time()  # of this thread alone: other programs do not count
    while time.thread_time() - start < seconds:
        for _ in range(20):
            run(x)
        count += 20
    return (time.thread_time() - start) / count


def main() -> None:
    """Print a line for each case and number of rows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default=",".join(CASES))
    parser.add_argument("--rows", default="1,32")
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    torch.set_num_threads(1)
    for name in given.only.split(","):
        model, net, shape = CASES[name]()
        model(torch.ones(1, *shape))
        ours = dict(zip(["lstm", "out"], model.layers[1:])) if name == "lstm" else {"": model}
        with torch.no_grad():
            for part, layer in ours.items():
                for mine, theirs in zip(layer.parameters(), net.get_submodule(part).parameters()):
                    theirs.copy_(mine.reshape(theirs.shape))
            if name == "lstm":
                net.lstm.bias_hh_l0.zero_()  # Keras has one bias
        for rows in map(int, given.rows.split(",")):
            x = torch.randn(rows, *shape)
            with torch.inference_mode():
                torch.testing.assert_close(model(x), net(x), atol=1e-4, rtol=1e-4)
                rounds = [(per_call(net, x), per_call(model, x)) for _ in range(given.rounds)]
            ratio = statistics.median(ours / theirs for theirs, ours in rounds)
            torch_us = statistics.median(theirs for theirs, _ in rounds) * 1e6
            print(f"{name:10} {rows:3} rows: torch {torch_us:7.1f} us, ours {ratio:.2f}x", flush=True)


if __name__ == "__main__":
    main()
