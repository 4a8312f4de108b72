"""Benchmark suite for strategies against class imbalance."""

__version__ = "0.1.0"
