"""Strategies that change during a stage."""
