"""Layers for strategies: experts, adapters, and classifiers with more outputs than logits."""
