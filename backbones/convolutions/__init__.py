"""Convolutions on maps of a few pixels."""
