"""Samplers: which rows an epoch draws."""
