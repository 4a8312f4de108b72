"""Resampling in feature space."""
