"""Contrast between views of images, next to a corrected classifier."""
