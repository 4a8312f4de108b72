"""Layers that strategies bring: experts, and classifiers with more than logits."""
