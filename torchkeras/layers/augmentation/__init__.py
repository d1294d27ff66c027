"""Layers that vary images, with their labels, masks and boxes, so that a model learns from more than it is shown."""
