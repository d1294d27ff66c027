"""A metric update, and a loss, against the bare tensor arithmetic that does the same, side by side: ratios of medians, in one run.

python benchmarks/metrics.py [--only Mean,AUC] [--batch 32] [--device cuda]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from torchkeras import losses, metrics

Run = Callable[[], object]
CLASSES = 10


def cases(batch: int, device: str) -> dict[str, tuple[Run, Run, float]]:
    """Name: ours, the bare arithmetic, and the largest ratio that is good enough."""
    labels = torch.randint(0, CLASSES, (batch,), device=device)
    one_hot = F.one_hot(labels, CLASSES).float()
    scores = torch.rand(batch, CLASSES, device=device)
    real = torch.rand(batch, CLASSES, device=device)
    bits, probabilities = (labels % 2).float(), torch.rand(batch, device=device)
    logits = torch.randn(batch, CLASSES, device=device, requires_grad=True)
    loss_value = torch.rand((), device=device)
    state = [torch.zeros((), device=device) for _ in range(4)]
    columns = [torch.zeros(CLASSES, device=device) for _ in range(4)]
    histogram = [torch.zeros(200, device=device) for _ in range(4)]
    matrix = torch.zeros(CLASSES, CLASSES, dtype=torch.int32, device=device)

    def add(hits: Tensor) -> None:
        state[0].add_(hits.sum())
        state[1].add_(batch)

    def add_rows(values: Tensor) -> None:
        state[0].add_(values.mean(-1).sum())
        state[1].add_(batch)

    def add_loss() -> None:
        state[0].add_(loss_value, alpha=batch)
        state[1].add_(batch)

    def top_k() -> None:
        best = scores.topk(5).indices
        add((best == one_hot.argmax(-1, keepdim=True)).any(-1))

    def precision(names: int) -> None:
        truth, above = bits.bool(), probabilities > 0.5
        state[0].add_((above & truth).sum())
        state[names].add_((above & ~truth).sum())

    def auc() -> None:
        bucket = (probabilities * 199).ceil().long().clamp(1, 200)
        both = torch.stack([bits, 1 - bits])
        sums = torch.zeros(2, 201, device=device).scatter_add_(1, bucket.expand(2, batch), both)
        above = sums.flip(1).cumsum(1).flip(1)[:, 1:]
        histogram[0].add_(above[0])
        histogram[1].add_(above[1])
        histogram[2].add_(batch - bits.sum() - above[1])
        histogram[3].add_(bits.sum() - above[0])

    def f1() -> None:
        chosen = (scores >= scores.amax(-1, keepdim=True)).float()
        hits = (chosen * one_hot).sum(0)
        columns[0].add_(hits)
        columns[1].add_(chosen.sum(0) - hits)
        columns[2].add_(one_hot.sum(0) - hits)
        columns[3].add_(one_hot.sum(0))

    def r2() -> None:
        columns[0].add_(one_hot.sum(0))
        columns[1].add_((one_hot * one_hot).sum(0))
        columns[2].add_((one_hot - real).square().sum(0))
        columns[3].add_(batch)

    def iou() -> None:
        ones = torch.ones_like(labels, dtype=torch.int32)
        counts = torch.zeros(CLASSES * CLASSES, dtype=torch.int32, device=device)
        counts.index_add_(0, labels * CLASSES + labels, ones)  # `bincount` cannot be captured
        matrix.add_(counts.view(CLASSES, CLASSES))

    def metric(name: str, *inputs: object, **settings: object) -> Run:
        made = getattr(metrics, name)(**settings).to(device)
        return lambda: made.update_state(*inputs)

    def loss(name: str, y_true: Tensor, **settings: object) -> Run:
        made = getattr(losses, name)(**settings)
        return lambda: made(y_true, logits)

    return {
        "Mean (loss)": (metric("Mean", loss_value, batch), add_loss, 2.0),
        "Mean": (metric("Mean", probabilities), lambda: add(probabilities), 2.0),
        "SparseCategoricalAccuracy": (metric("SparseCategoricalAccuracy", labels, scores), lambda: add(scores.argmax(-1) == labels), 2.0),
        "CategoricalAccuracy": (
            metric("CategoricalAccuracy", one_hot, scores), lambda: add(scores.argmax(-1) == one_hot.argmax(-1)), 2.0,
        ),
        "BinaryAccuracy": (metric("BinaryAccuracy", bits, probabilities), lambda: add((probabilities > 0.5) == bits), 2.0),
        "TopKCategoricalAccuracy": (metric("TopKCategoricalAccuracy", one_hot, scores), top_k, 2.0),
        "MeanSquaredError": (metric("MeanSquaredError", one_hot, real), lambda: add_rows((one_hot - real).square()), 2.0),
        "MeanAbsoluteError": (metric("MeanAbsoluteError", one_hot, real), lambda: add_rows((one_hot - real).abs()), 2.0),
        "SparseCategoricalCrossentropy": (
            metric("SparseCategoricalCrossentropy", labels, logits.detach(), from_logits=True),
            lambda: add(F.cross_entropy(logits.detach(), labels, reduction="none")), 2.0,
        ),
        "Precision": (metric("Precision", bits, probabilities), lambda: precision(1), 2.0),
        "Recall": (metric("Recall", bits, probabilities), lambda: precision(2), 2.0),
        "AUC": (metric("AUC", bits, probabilities), auc, 2.0),
        "F1Score": (metric("F1Score", one_hot, scores), f1, 2.0),
        "R2Score": (metric("R2Score", one_hot, real), r2, 2.0),
        "MeanIoU": (metric("MeanIoU", labels, labels, num_classes=CLASSES), iou, 2.0),
        "loss: mse": (loss("MeanSquaredError", real), lambda: F.mse_loss(logits, real), 1.5),
        "loss: mae": (loss("MeanAbsoluteError", real), lambda: F.l1_loss(logits, real), 1.5),
        "loss: huber": (loss("Huber", real), lambda: F.huber_loss(logits, real), 1.5),
        "loss: sparse crossentropy": (
            loss("SparseCategoricalCrossentropy", labels, from_logits=True), lambda: F.cross_entropy(logits, labels), 1.5,
        ),
        "loss: categorical crossentropy": (
            loss("CategoricalCrossentropy", one_hot, from_logits=True), lambda: F.cross_entropy(logits, one_hot), 1.5,
        ),
        "loss: binary crossentropy": (
            loss("BinaryCrossentropy", one_hot, from_logits=True),
            lambda: F.binary_cross_entropy_with_logits(logits, one_hot), 1.5,
        ),
    }  # fmt: skip


def microseconds(run: Run, device: str, repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        run()
    if device != "cpu":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / repeats * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="names, separated by commas")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    wanted = {name for name in arguments.only.split(",") if name}
    print(f"{'batch of ' + str(arguments.batch):34s} {'ours':>9s} {'bare':>9s} {'ratio':>7s}  at most")
    for name, (ours, bare, bound) in cases(arguments.batch, arguments.device).items():
        if wanted and name not in wanted:
            continue
        pairs = []
        for _ in range(arguments.rounds + 2):  # in turns, so that both see the same machine
            pairs.append((microseconds(ours, arguments.device, 100), microseconds(bare, arguments.device, 100)))
        mine, theirs = (statistics.median(column) for column in zip(*pairs[2:]))
        ratio = statistics.median(a / b for a, b in pairs[2:])
        print(f"{name:34s} {mine:6.1f} µs {theirs:6.1f} µs {ratio:6.2f}x  {bound:.2f}x{'' if ratio <= bound else '  too slow'}")


if __name__ == "__main__":
    main()
