"""Strategies that mix samples."""
