"""Pretrained networks of which few weights are trained."""
