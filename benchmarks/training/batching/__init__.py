"""Batches: of images, of names, of stored features."""
