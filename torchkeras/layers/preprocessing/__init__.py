"""Layers that make numbers of raw data: normalization, bins, categories, text and images."""
