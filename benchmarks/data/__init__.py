"""Datasets: one file each, found by `registry`; their layouts on disk, the decoded cache, and the splits."""
