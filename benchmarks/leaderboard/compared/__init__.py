"""Comparisons: combinations with their parts, tuned settings with the default, strategies across data sets."""
