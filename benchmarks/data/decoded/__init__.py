"""Decoded images: the cache, and its delivery to other machines."""
