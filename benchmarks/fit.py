"""`fit` and `predict` against the loops an expert writes by hand in plain torch, side by side in one run.

    python benchmarks/fit.py [--only mlp,cnn] [--rounds 7] [--jit] [--memory] [--threads 2]

Each round times one epoch of the hand-written loop and one of `fit` (an accuracy or error metric compiled in), one after the other, and
takes their ratio; printed are the medians over the rounds. Both sides start from the same weights, see the same batches in a shuffled
order, use fused Adam and accumulate loss and metric on the device.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

import torchkeras as keras
from torchkeras import layers

BATCH = 32


# -- the same networks twice -----------------------------------------------------------------------------------------------------------


def mlp() -> tuple[Any, nn.Module, Any, Any, str]:
    i = keras.Input((784,))
    h = layers.Dense(128, activation="relu")(i)
    h = layers.Dense(128, activation="relu")(h)
    model = keras.Model(i, layers.Dense(10)(h))
    net = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))
    return model, net, torch.randn(BATCH * 300, 784), torch.randint(0, 10, (BATCH * 300,)), "class"


class WideDeep(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.out = nn.Linear(8, 30), nn.Linear(30, 30), nn.Linear(38, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(torch.cat([x, F.relu(self.b(F.relu(self.a(x))))], 1))


def wide_deep() -> tuple[Any, nn.Module, Any, Any, str]:
    i = keras.Input((8,))
    h = layers.Dense(30, activation="relu")(i)
    h = layers.Dense(30, activation="relu")(h)
    model = keras.Model(i, layers.Dense(1)(layers.Concatenate()([i, h])))
    return model, WideDeep(), torch.randn(BATCH * 400, 8), torch.randn(BATCH * 400, 1), "value"


def cnn() -> tuple[Any, nn.Module, Any, Any, str]:
    i = keras.Input((28, 28, 1))
    h = layers.Conv2D(32, 3, activation="relu")(i)
    h = layers.MaxPooling2D()(h)
    h = layers.Conv2D(64, 3, activation="relu")(h)
    h = layers.MaxPooling2D()(h)
    model = keras.Model(i, layers.Dense(10)(layers.Flatten()(h)))
    net = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1600, 10)
    )
    return model, net, torch.randn(BATCH * 40, 28, 28, 1), torch.randint(0, 10, (BATCH * 40,)), "image"


class Lstm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.lstm, self.out = nn.Embedding(5000, 64), nn.LSTM(64, 64, batch_first=True), nn.Linear(64, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.lstm(self.embed(x))[0][:, -1])


def lstm() -> tuple[Any, nn.Module, Any, Any, str]:
    i = keras.Input((80,), dtype="int64")
    h = layers.LSTM(64)(layers.Embedding(5000, 64)(i))
    model = keras.Model(i, layers.Dense(2)(h))
    return model, Lstm(), torch.randint(0, 5000, (BATCH * 15, 80)), torch.randint(0, 2, (BATCH * 15,)), "class"


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(64, 192), nn.Linear(64, 64)
        self.n1, self.n2 = nn.LayerNorm(64, 1e-3), nn.LayerNorm(64, 1e-3)
        self.f1, self.f2 = nn.Linear(64, 128), nn.Linear(128, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, t, _ = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, 4, 16).permute(2, 0, 3, 1, 4)
        a = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, t, 64)
        x = self.n1(x + self.proj(a))
        return self.n2(x + self.f2(F.relu(self.f1(x))))


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.blocks, self.out = nn.Embedding(2000, 64), nn.Sequential(Block(), Block()), nn.Linear(64, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.blocks(self.embed(x)).mean(1))


def transformer() -> tuple[Any, nn.Module, Any, Any, str]:
    i = keras.Input((64,), dtype="int64")
    x = layers.Embedding(2000, 64)(i)
    for _ in range(2):
        a = layers.MultiHeadAttention(4, 16)(x, x)
        x = layers.LayerNormalization()(layers.Add()([x, a]))
        f = layers.Dense(64)(layers.Dense(128, activation="relu")(x))
        x = layers.LayerNormalization()(layers.Add()([x, f]))
    model = keras.Model(i, layers.Dense(2)(layers.GlobalAveragePooling1D()(x)))
    return model, Transformer(), torch.randint(0, 2000, (BATCH * 20, 64)), torch.randint(0, 2, (BATCH * 20,)), "class"


class Residual(nn.Module):
    def __init__(self, n: int) -> None:
        super().__init__()
        self.c1, self.c2 = nn.Conv2d(n, n, 3, padding=1, bias=False), nn.Conv2d(n, n, 3, padding=1, bias=False)
        self.b1, self.b2 = nn.BatchNorm2d(n), nn.BatchNorm2d(n)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(x + self.b2(self.c2(F.relu(self.b1(self.c1(x))))))


def resnet() -> tuple[Any, nn.Module, Any, Any, str]:
    i = keras.Input((32, 32, 3))
    x = layers.Conv2D(16, 3, padding="same")(i)
    for _ in range(2):
        h = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(16, 3, padding="same", use_bias=False)(x)))
        h = layers.BatchNormalization()(layers.Conv2D(16, 3, padding="same", use_bias=False)(h))
        x = layers.ReLU()(layers.Add()([x, h]))
    model = keras.Model(i, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))
    blocks = Residual(16), Residual(16)
    net = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
    return model, net, torch.randn(BATCH * 12, 32, 32, 3), torch.randint(0, 10, (BATCH * 12,)), "image"


WORKLOADS = {"mlp": mlp, "wide_deep": wide_deep, "cnn": cnn, "lstm": lstm, "transformer": transformer, "resnet": resnet}


# -- the loops by hand -----------------------------------------------------------------------------------------------------------------


def hand_fit(net: nn.Module, x: torch.Tensor, y: torch.Tensor, kind: str) -> Callable[[], float]:
    optimizer = torch.optim.Adam(net.parameters(), fused=True)
    if kind == "image":  # as an expert stores images for convolutions on a CPU or GPU: channels last in memory
        x = x.permute(0, 3, 1, 2)
    loss_fn = nn.MSELoss() if kind == "value" else nn.CrossEntropyLoss()

    def epoch() -> float:
        net.train()
        total, right = torch.zeros(()), torch.zeros(())
        order = torch.randperm(len(x))
        for start in range(0, len(x), BATCH):
            rows = order[start : start + BATCH]
            xb, yb = x[rows], y[rows]
            out = net(xb)
            loss = loss_fn(out, yb)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                total += loss.detach() * len(xb)
                right += (out - yb).abs().sum() if kind == "value" else (out.argmax(-1) == yb).sum()
        return float(total) + float(right)

    return epoch


def hand_predict(net: nn.Module, x: torch.Tensor, kind: str) -> Callable[[], Any]:
    if kind == "image":
        x = x.permute(0, 3, 1, 2)

    def run() -> Any:
        net.eval()
        with torch.inference_mode():
            return torch.cat([net(x[s : s + BATCH]) for s in range(0, len(x), BATCH)]).numpy()

    return run


def compiled(model: Any, kind: str, jit: bool = False) -> Any:
    if kind == "value":
        model.compile("adam", "mse", metrics=["mae"], jit_compile=jit)
    else:
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"], jit_compile=jit)
    return model


def ratio(ours: Callable, hand: Callable, rounds: int) -> tuple[float, float]:
    """The median of ours/hand, and the median seconds of hand."""
    ours(), hand()
    ratios, seconds = [], []
    for _ in range(rounds):
        start = time.perf_counter()
        hand()
        middle = time.perf_counter()
        ours()
        end = time.perf_counter()
        ratios.append((end - middle) / (middle - start))
        seconds.append(middle - start)
    return statistics.median(ratios), statistics.median(seconds)


def peak(name: str, side: str) -> float:
    """The peak memory in MB of a process that trains for two epochs and predicts."""
    code = f"import sys; sys.path.insert(0, {sys.path[0]!r}); import fit; fit.train_only({name!r}, {side!r})"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()[-1])


def train_only(name: str, side: str) -> None:
    torch.manual_seed(0)
    model, net, x, y, kind = WORKLOADS[name]()
    if side == "hand":
        del model
        epoch, predict = hand_fit(net, x, y, kind), hand_predict(net, x, kind)
    else:
        del net
        compiled(model, kind)
        epoch, predict = (lambda: model.fit(x, y, verbose=0)), (lambda: model.predict(x, batch_size=BATCH, verbose=0))
    for _ in range(2):
        epoch()
    predict()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--jit", action="store_true", help="also the captured and compiled step")
    parser.add_argument("--memory", action="store_true", help="also the peak memory")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"torch {torch.__version__}, {arguments.threads} threads, medians of {arguments.rounds} rounds; ratios to the hand-written loop")
    print(f"{'workload':12s} {'hand, us/step':>14s} {'fit':>6s} {'predict':>8s} {'jit fit':>8s} {'memory':>7s}")
    for name in arguments.only.split(","):
        print(row(name, arguments), flush=True)


def row(name: str, arguments: argparse.Namespace) -> str:
    """The line of one workload."""
    torch.manual_seed(0)
    model, net, x, y, kind = WORKLOADS[name]()
    compiled(model, kind)
    hand = hand_fit(net, x, y, kind)
    fit, seconds = ratio(lambda: model.fit(x, y, verbose=0), hand, arguments.rounds)
    predict, _ = ratio(lambda: model.predict(x, batch_size=BATCH, verbose=0), hand_predict(net, x, kind), arguments.rounds)
    jit = memory = "-"
    if arguments.jit and name != "lstm":
        jitted = compiled(WORKLOADS[name]()[0], kind, jit=True)
        jit = f"{ratio(lambda: jitted.fit(x, y, verbose=0), hand, arguments.rounds)[0]:.2f}"
    if arguments.memory:
        memory = f"{peak(name, 'ours') / peak(name, 'hand'):.2f}"
    return f"{name:12s} {seconds / (len(x) // BATCH) * 1e6:14.0f} {fit:6.2f} {predict:8.2f} {jit:>8s} {memory:>7s}"


if __name__ == "__main__":
    main()
