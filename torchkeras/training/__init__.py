"""Compiling, the training step, and the loops of `fit`, `evaluate` and `predict`."""

from .trainer import Trainer as Trainer
