"""Losses that follow the classes with the highest loss, which running statistics of the training tell."""
