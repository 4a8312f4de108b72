"""Strategies that change what they do during a stage."""
