"""Sharpness-aware steps and weight averaging."""
