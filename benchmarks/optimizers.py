"""One optimizer step against torch's own, side by side: ratios of medians, in one run.

    python benchmarks/optimizers.py [--only Adam,Lion] [--steps 15] [--device cuda] [--small]

200 tensors with 25 million parameters; `--small` takes six tensors of a small network, where the overhead of a step shows.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

import torchkeras.optimizers as ours

LARGE = [(500, 500), (500,)] * 100
SMALL = [(784, 128), (128,), (128, 128), (128,), (128, 10), (10,)]
Params = list[Tensor]


def fused(cls: type, **kwargs: object) -> Callable[[Params], torch.optim.Optimizer]:
    return lambda params: cls(params, lr=1e-3, fused=True, **kwargs)


def foreach(cls: type, **kwargs: object) -> Callable[[Params], torch.optim.Optimizer]:
    return lambda params: cls(params, lr=1e-3, foreach=True, **kwargs)


def torch_muon(params: Params) -> torch.optim.Optimizer:
    return torch.optim.Muon([p for p in params if p.ndim == 2], lr=1e-3)


# name: (ours, torch's, the largest ratio that is good enough)
ADAM = foreach(torch.optim.Adam)
PAIRS: dict[str, tuple[Callable[[], ours.Optimizer], Callable[[Params], torch.optim.Optimizer], str, float]] = {
    "Adam": (lambda: ours.Adam(), fused(torch.optim.Adam), "fused Adam", 1.05),
    "Adam amsgrad": (lambda: ours.Adam(amsgrad=True), fused(torch.optim.Adam, amsgrad=True), "fused Adam amsgrad", 1.05),
    "AdamW": (lambda: ours.AdamW(), fused(torch.optim.AdamW), "fused AdamW", 1.05),
    "SGD": (lambda: ours.SGD(), fused(torch.optim.SGD), "fused SGD", 1.05),
    "SGD momentum": (lambda: ours.SGD(momentum=0.9), fused(torch.optim.SGD, momentum=0.9), "fused SGD momentum", 1.05),
    "SGD nesterov": (
        lambda: ours.SGD(momentum=0.9, nesterov=True), foreach(torch.optim.SGD, momentum=0.9, nesterov=True), "foreach SGD nesterov", 1.05,
    ),
    "RMSprop": (lambda: ours.RMSprop(), foreach(torch.optim.RMSprop), "foreach RMSprop", 1.05),
    "Adagrad": (lambda: ours.Adagrad(), foreach(torch.optim.Adagrad), "foreach Adagrad", 1.05),
    "Adadelta": (lambda: ours.Adadelta(), foreach(torch.optim.Adadelta), "foreach Adadelta", 1.05),
    "Adamax": (lambda: ours.Adamax(), foreach(torch.optim.Adamax), "foreach Adamax", 1.05),
    "Nadam": (lambda: ours.Nadam(), foreach(torch.optim.NAdam), "foreach NAdam", 1.05),
    "Lion": (lambda: ours.Lion(), ADAM, "foreach Adam", 1.5),
    "Lamb": (lambda: ours.Lamb(), ADAM, "foreach Adam", 1.5),
    "Ftrl": (lambda: ours.Ftrl(), ADAM, "foreach Adam", 1.5),
    "Adafactor": (lambda: ours.Adafactor(), ADAM, "foreach Adam", 1.5),
    "Muon": (lambda: ours.Muon(), ADAM, "foreach Adam", 1.5),
    "Muon, matrices": (lambda: ours.Muon(exclude_embeddings=False), torch_muon, "torch Muon (bfloat16)", 1.05),
    "ScheduleFreeAdamW": (lambda: ours.ScheduleFreeAdamW(), ADAM, "foreach Adam", 1.5),
}  # fmt: skip


def parameters(shapes: list[tuple[int, ...]], device: str) -> Params:
    generator = torch.Generator().manual_seed(0)
    params = [torch.nn.Parameter(torch.randn(shape, generator=generator).to(device)) for shape in shapes]
    for p in params:
        p.grad = torch.randn(p.shape, generator=generator).to(device)
    return params


def timed(step: Callable[[], object], device: str, repeats: int) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        step()
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / repeats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="names, separated by commas")
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--small", action="store_true")
    args = parser.parse_args()
    shapes = SMALL if args.small else LARGE
    repeats = 200 if args.small else (10 if args.device == "cuda" else 1)
    mine, other = parameters(shapes, args.device), parameters(shapes, args.device)
    total = sum(p.numel() for p in mine) / 1e6
    print(f"{len(shapes)} tensors, {total:.1f} M parameters, {args.device}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    print(f"{'optimizer':20s}{'ms':>10s}{'torch ms':>10s}{'ratio':>8s}{'bound':>7s}  against")
    for name, (make, make_torch, against, bound) in PAIRS.items():
        if args.only and name not in args.only.split(","):
            continue
        optimizer, reference = make(), make_torch(other)
        chosen = [p for p in mine if p.ndim == 2] if "matrices" in name else mine
        optimizer.build(chosen)
        grads = [p.grad for p in chosen]
        # What fit() calls, against what a hand-written loop calls.
        steps = (lambda optimizer=optimizer, grads=grads: optimizer.apply_stored(grads)), reference.step
        for step in steps:
            step()
        times: tuple[list[float], list[float]] = ([], [])
        for n in range(min(args.steps, 3) if name.startswith("Muon") else args.steps):
            order = list(zip(steps, times))
            for step, seen in order if n % 2 else reversed(order):
                seen.append(timed(step, args.device, repeats))
        a, b = (statistics.median(seen) for seen in times)
        ratio = statistics.median(x / y for x, y in zip(*times))
        mark = "" if ratio <= bound else "  over"
        print(f"{name:20s}{a * 1e3:10.3f}{b * 1e3:10.3f}{ratio:8.2f}{bound:7.2f}  {against}{mark}", flush=True)
        del optimizer, reference


if __name__ == "__main__":
    main()
