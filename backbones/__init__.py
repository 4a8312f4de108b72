"""Backbones: timm encoders with a classifier on top, by name. Knows nothing of strategies or benchmarks."""
