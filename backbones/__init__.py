"""Backbones: timm encoders with a classifier on top, by name. Independent of strategies and benchmarks."""
