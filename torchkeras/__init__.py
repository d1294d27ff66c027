"""The Keras API, written for PyTorch alone."""

__version__ = "0.1.0"
