"""Corrections after training."""
