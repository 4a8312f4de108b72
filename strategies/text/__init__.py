"""Strategies that read product names."""
